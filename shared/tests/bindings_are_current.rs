//! The JSON Schema and TypeScript types in `shared/bindings` are those of the messages as they are,
//! and the schema takes what the messages' readers take.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use std::path::{Path, PathBuf};

use ferrite_protocol::ClientMessage;
use ferrite_protocol::bindings::{COMMAND, files, json_schema, typescript};
use serde_json::{Value, json};

fn shared() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_files_are_those_of_the_messages() {
    for (name, text) in files() {
        let file = std::fs::read_to_string(shared().join("bindings").join(name));
        assert!(
            file.is_ok_and(|file| file == text),
            "shared/bindings/{name} is out of date: run `{COMMAND}`"
        );
    }
}

#[test]
fn typescript_declares_whatever_the_schema_does() {
    let typescript = typescript();
    let schema = schema();
    for name in schema["$defs"].as_object().unwrap().keys() {
        let declaration = format!("\nexport type {name} =");
        assert!(typescript.contains(&declaration), "{name}");
    }
}

#[test]
fn typescript_says_whatever_the_schema_does() {
    let typescript = typescript()
        .replace("\n   * ", " ")
        .replace("\n     * ", " ");
    let typescript = typescript.replace("\n * ", " ").replace("\n *", " ");
    let mut count = 0;
    let schema = schema();
    for_each_description(&schema["$defs"], &mut |description| {
        let comment = description.replace('\n', " ");
        assert!(typescript.contains(&comment), "{comment}");
        count += 1;
    });
    assert!(count > 60, "{count} descriptions");
}

fn for_each_description(schema: &Value, visit: &mut impl FnMut(&str)) {
    match schema {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_str().filter(|_| name == "description") {
                    Some(description) => visit(description),
                    None => for_each_description(field, visit),
                }
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| for_each_description(item, visit)),
        _ => {}
    }
}

#[test]
fn the_schema_takes_every_golden_file_as_its_end_sends_it() {
    let schema = schema();
    for path in golden_files() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let end = if name.starts_with("client.") {
            "ClientMessage"
        } else {
            "ServerMessage"
        };
        let value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert!(takes(&schema, &schema["$defs"][end], &value), "{name}");
        assert!(takes(&schema, &schema, &value), "{name}");
    }
}

#[test]
fn the_schema_takes_what_the_reader_takes() {
    let schema = schema();
    for (value, valid) in [
        (json!({"type": "offer", "sdp": "", "later": 1}), true),
        (json!({"type": "offer", "sdp": "", "id": null}), true),
        (json!({"type": "candidate", "candidate": null}), true),
        (json!({"type": "candidate"}), false),
        (json!({"type": "offer"}), false),
        (json!({"type": "offer", "sdp": 1}), false),
        (json!({"type": "offer", "sdp": "", "id": -1}), false),
        (json!({"type": "hello", "version": 70000}), false),
        (json!({"type": "dance"}), false),
        (json!({"sdp": ""}), false),
        (json!([]), false),
    ] {
        let read = ClientMessage::decode(&value.to_string());
        assert_eq!(read.is_ok(), valid, "{value}");
        let client = &schema["$defs"]["ClientMessage"];
        assert_eq!(takes(&schema, client, &value), valid, "{value}");
    }
}

fn schema() -> Value {
    serde_json::from_str(&json_schema()).unwrap()
}

fn golden_files() -> Vec<PathBuf> {
    let files = std::fs::read_dir(shared().join("tests/golden")).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert!(files.len() > 20);
    files
}

/// As much of JSON Schema as ours needs: an unknown keyword fails the test.
fn takes(root: &Value, schema: &Value, value: &Value) -> bool {
    schema.as_object().unwrap().iter().all(|(keyword, rule)| {
        let any = |rules: &Value| -> usize {
            let rules = rules.as_array().unwrap().iter();
            rules.filter(|rule| takes(root, rule, value)).count()
        };
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" | "default" => true,
            // Of a map: what its entries are. That a variant has one field only its reader checks.
            "additionalProperties" if rule.is_boolean() => true,
            "additionalProperties" => {
                let entries = value.as_object();
                entries.is_none_or(|entries| entries.values().all(|it| takes(root, rule, it)))
            }
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                takes(root, root.pointer(pointer).unwrap(), value)
            }
            "anyOf" => any(rule) > 0,
            "oneOf" => any(rule) == 1,
            "const" => rule == value,
            "type" if rule.is_array() => {
                let kinds = rule.as_array().unwrap().iter();
                kinds.into_iter().any(|kind| is(value, kind))
            }
            "type" => is(value, rule),
            "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|n| n <= rule.as_f64().unwrap()),
            "items" => each(value.as_array(), |item| takes(root, rule, item)),
            "required" => each(rule.as_array(), |name| {
                value.get(name.as_str().unwrap()).is_some()
            }),
            "properties" => rule.as_object().unwrap().iter().all(|(name, rule)| {
                let field = value.get(name);
                field.is_none_or(|field| takes(root, rule, field))
            }),
            _ => panic!("the schema has a {keyword}"),
        }
    })
}

fn each(values: Option<&Vec<Value>>, holds: impl Fn(&Value) -> bool) -> bool {
    values.is_none_or(|values| values.iter().all(holds))
}

fn is(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        kind => panic!("the schema has a {kind}"),
    }
}

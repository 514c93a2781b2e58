//! Each message type has files in `tests/golden` that show it as it travels: whole, and with only
//! what it must have. They are the protocol's examples, and what later versions must still read.

mod client;
mod parts;
mod server;

use std::collections::BTreeSet;
use std::path::PathBuf;

use ferrite_protocol::{ClientMessage, IceCandidate, ServerMessage};
use serde_json::{Value, json};

use client::client_messages;
use server::server_messages;

type Golden<M> = (&'static str, M);

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"))
}

fn read(name: &str) -> String {
    let path = directory().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // The file is the frame and a newline.
    text.strip_suffix('\n').expect("a newline").to_owned()
}

/// Puts a field that no version knows into every object. The entries of a map are no fields, and a
/// track's use is named by the only one it has.
fn add_unknown_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match (name.as_str(), field) {
                    ("slots", Value::Object(slots)) => {
                        slots.values_mut().for_each(add_unknown_fields);
                    }
                    // Its keys are publications, and what they hold has no fields.
                    ("layers" | "arrives" | "halvings", Value::Object(_)) => {}
                    ("tracks", Value::Object(tracks)) => {
                        let uses = tracks.values_mut().filter_map(Value::as_object_mut);
                        uses.flat_map(|track| track.values_mut())
                            .for_each(add_unknown_fields);
                    }
                    (_, field) => add_unknown_fields(field),
                }
            }
            let later = json!({"list": [1, null, {"deep": true}], "type": "candidate"});
            fields.insert("addedLater".to_owned(), later);
        }
        Value::Array(items) => items.iter_mut().for_each(add_unknown_fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn with_unknown_fields(text: &str) -> String {
    let mut value = serde_json::from_str(text).expect("JSON");
    add_unknown_fields(&mut value);
    value.to_string()
}

#[test]
fn every_type_has_one() {
    let has = |types: Vec<&'static str>| types.into_iter().collect::<BTreeSet<_>>();
    let shown = has(client_messages().iter().map(|m| m.1.type_name()).collect());
    assert_eq!(shown, has(ClientMessage::TYPES.to_vec()));
    let shown = has(server_messages().iter().map(|m| m.1.type_name()).collect());
    assert_eq!(shown, has(ServerMessage::TYPES.to_vec()));
}

#[test]
fn every_file_is_named_after_its_type_and_belongs_to_a_message() {
    let client = client_messages().into_iter();
    let client = client.map(|(name, m)| (name, format!("client.{}", m.type_name())));
    let server = server_messages().into_iter();
    let server = server.map(|(name, m)| (name, format!("server.{}", m.type_name())));
    let mut named = BTreeSet::new();
    for (name, begins) in client.chain(server) {
        let rest = name.strip_prefix(&begins).expect(name);
        assert!(rest.is_empty() || rest.starts_with('.'), "{name}");
        named.insert(format!("{name}.json"));
    }
    let files = std::fs::read_dir(directory()).unwrap();
    let files: BTreeSet<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, named);
}

#[test]
fn the_files_are_what_the_client_sends() {
    for (name, message) in client_messages() {
        let text = read(name);
        assert_eq!(message.encode(), text, "{name}");
        assert_eq!(ClientMessage::decode(&text), Ok(message), "{name}");
    }
}

#[test]
fn the_files_are_what_the_server_sends() {
    for (name, message) in server_messages() {
        let text = read(name);
        assert_eq!(message.encode(), text, "{name}");
        assert_eq!(ServerMessage::decode(&text), Ok(message), "{name}");
    }
}

#[test]
fn fields_of_later_versions_change_nothing() {
    for (name, message) in client_messages() {
        let text = with_unknown_fields(&read(name));
        assert_eq!(ClientMessage::decode(&text), Ok(message), "{name}: {text}");
    }
    for (name, message) in server_messages() {
        let text = with_unknown_fields(&read(name));
        assert_eq!(ServerMessage::decode(&text), Ok(message), "{name}: {text}");
    }
}

#[test]
fn what_a_browser_gives_passes_through_untouched() {
    // `JSON.stringify(description)`, and a candidate inside its message.
    let offer = r#"{"type":"offer","sdp":"v=0\r\n"}"#;
    assert_eq!(ClientMessage::decode(offer).unwrap().encode(), offer);
    let candidate = r#"{"type":"candidate","candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host generation 0 ufrag Ys4h","sdpMid":"audio","sdpMLineIndex":0,"usernameFragment":"Ys4h"}}"#;
    assert_eq!(
        ClientMessage::decode(candidate).unwrap().encode(),
        candidate
    );
    // Firefox and Chromium say `null` where they have nothing.
    let nulls = r#"{"type":"candidate","candidate":{"candidate":"","sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}}"#;
    let last = ClientMessage::Candidate {
        candidate: Some(IceCandidate::default()),
    };
    assert_eq!(ClientMessage::decode(nulls), Ok(last));
}

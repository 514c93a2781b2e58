//! A server with a REST API of TURN credentials, and whoever has its key.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde_json::Value;

use super::http::{Reply, send};
use super::process::Running;

pub const KEY: &str = "north-star-of-the-account";
pub const CREDENTIAL: &str = "/api/v1/turn/credential";
pub const LIST: &str = "/api/v2/turn/credentials";
pub const ICE_SERVERS: &str = "/api/v1/turn/credentials";
pub const BEARER: [(&str, &str); 1] = [("authorization", "Bearer north-star-of-the-account")];

pub async fn server(flags: &[&str]) -> Running {
    Running::start(&[&["--turn-api-key", KEY], flags].concat()).await
}

/// Calls with the key where it does not show.
pub async fn call(addr: SocketAddr, method: &str, path: &str, body: &Value) -> Reply {
    send(addr, method, path, &BEARER, &body.to_string()).await
}

pub async fn create(addr: SocketAddr, body: &Value) -> Value {
    let reply = call(addr, "POST", CREDENTIAL, body).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// A status and what is said with it.
pub fn said(reply: &Reply) -> (u16, String) {
    let json = reply.json();
    let said = json["message"].as_str().or(json["error"].as_str());
    (reply.status, said.unwrap_or_default().to_owned())
}

pub fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// An answer has to be one that the description has for this call; its path is as it is there.
pub fn check_described(document: &Value, method: &str, path: &str, reply: &Reply) {
    let described = &document["paths"][path][method.to_lowercase()]["responses"];
    let described = resolved(document, &described[reply.status.to_string()]);
    let schema = &described["content"]["application/json"]["schema"];
    let status = reply.status;
    assert!(schema.is_object(), "{method} {path} answers {status}");
    let json = reply.json();
    assert!(fits(document, schema, &json), "{method} {path}: {json}");
}

/// What is meant, where another place is named.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let place = value["$ref"].as_str();
    place.map_or(value, |place| {
        document.pointer(place.trim_start_matches('#')).unwrap()
    })
}

/// Whether a value is as a schema of the description says: types, and which fields there are.
fn fits(document: &Value, schema: &Value, value: &Value) -> bool {
    let schema = resolved(document, schema);
    let types = match &schema["type"] {
        Value::Array(types) => types.clone(),
        one => vec![one.clone()],
    };
    let is_of = |name: &Value| match name.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => {
            let items = value.as_array().into_iter().flatten();
            value.is_array()
                && items
                    .into_iter()
                    .all(|item| fits(document, &schema["items"], item))
        }
        "object" => value.as_object().is_some_and(|fields| {
            let known = &schema["properties"];
            let fitting = |(name, field)| {
                known
                    .get(name)
                    .is_some_and(|known| fits(document, known, field))
            };
            let mut required = schema["required"].as_array().into_iter().flatten();
            fields.iter().all(fitting)
                && required.all(|name| fields.contains_key(name.as_str().unwrap()))
        }),
        other => panic!("{other} is no type"),
    };
    types.iter().any(is_of)
}

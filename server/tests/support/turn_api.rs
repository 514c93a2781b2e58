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

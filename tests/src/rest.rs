//! The server's REST API, called by whoever has its key.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Server;

/// The key.
pub const KEY: &str = "north-star-of-the-account";

/// Calls, and gives the answer, which has to be a good one.
pub async fn call(server: &Server, method: &str, path: &str, body: &Value) -> Result<Value> {
    let body = body.to_string();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {KEY}\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(server.address()).await?;
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    ensure!(
        answer.starts_with("HTTP/1.1 200 "),
        "{method} {path}: {answer}"
    );
    let (_, json) = answer.split_once("\r\n\r\n").context("a body")?;
    Ok(serde_json::from_str(json)?)
}

/// Asks.
pub async fn get(server: &Server, path: &str) -> Result<Value> {
    call(server, "GET", path, &Value::Null).await
}

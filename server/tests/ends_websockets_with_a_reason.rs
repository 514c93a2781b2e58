//! What a request for a WebSocket must have, and what is said where something breaks a rule.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use ferrite_server::Server;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::http::{Reply, get, request};
use crate::support::{Client, PATIENCE, config, start};

mod support;

const HANDSHAKE: &str = "GET /ws HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// A WebSocket whose frames are bytes.
async fn open(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    // RFC 6455 §1.3 has this example.
    assert!(
        head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="),
        "{head}"
    );
    stream
}

/// A frame of a client: its first byte, and a mask of zeros.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[first, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// The code and reason of the close frame, and that the connection ends after it.
async fn closed_with(stream: &mut TcpStream) -> (u16, String) {
    let mut rest = Vec::new();
    let read = stream.read_to_end(&mut rest);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    assert!(rest.len() >= 4 && rest[0] == 0x88, "{rest:?}");
    let code = u16::from_be_bytes([rest[2], rest[3]]);
    (code, String::from_utf8(rest[4..].to_vec()).unwrap())
}

#[tokio::test]
async fn text_that_is_not_utf8_is_told_so() {
    let server = start(config()).await;
    let (mut witness, _) = Client::greeted(&server).await;
    for text in [&b"\xff\xfe"[..], b"{\"type\":\"ping\"\xc3"] {
        let mut stream = open(&server).await;
        // What was sent besides does not turn the end into a reset.
        let more = [frame(0x81, text), frame(0x81, &[b'x'; 100])].concat();
        stream.write_all(&more).await.unwrap();
        let (code, reason) = closed_with(&mut stream).await;
        assert_eq!((code, reason.as_str()), (1007, "the text is not UTF-8"));
    }
    witness.is_served().await;
}

#[tokio::test]
async fn frames_that_are_none_are_told_the_rule() {
    let server = start(config()).await;
    let unmasked = vec![0x81, 2, b'{', b'}'];
    let too_long_for_control = [&[0x89, 0xfe, 0, 200, 0, 0, 0, 0][..], &[0; 200]].concat();
    for (name, bytes) in [
        ("no mask", unmasked),
        ("reserved bits", frame(0xc1, b"{}")),
        ("an opcode that is none", frame(0x83, b"{}")),
        ("a fragment of nothing", frame(0x80, b"{}")),
        ("a ping in fragments", frame(0x09, b"")),
        ("a long ping", too_long_for_control),
    ] {
        let mut stream = open(&server).await;
        stream.write_all(&bytes).await.unwrap();
        let (code, reason) = closed_with(&mut stream).await;
        assert_eq!(code, 1002, "{name}: {reason}");
        assert!(!reason.is_empty(), "{name}");
    }
}

#[tokio::test]
async fn a_session_outlives_a_broken_frame() {
    let server = start(config()).await;
    let (mut client, welcome) = Client::greeted(&server).await;
    client.is_served().await;
    client.break_utf8().await;
    assert_eq!(client.closed().await, 1007);
    let (_, again) = Client::resuming(&server, &welcome.token).await;
    assert!(again.resumed);
}

const UPGRADE: [(&str, &str); 4] = [
    ("connection", "keep-alive, Upgrade"),
    ("upgrade", "WebSocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
];

/// A request for a WebSocket in which one header is another, or missing.
async fn asked_with(server: &Server, name: &str, value: &str) -> Reply {
    let mut headers = UPGRADE.to_vec();
    headers.retain(|(known, _)| *known != name);
    if !value.is_empty() {
        headers.push((name, value));
    }
    // Each request ends with `connection: close`, which takes nothing back.
    get(server.addr(), "/ws", &headers).await
}

#[tokio::test]
async fn another_version_of_websockets_is_told_which_is_spoken() {
    let server = start(config()).await;
    for version in ["8", "14", "", "13, 8"] {
        let reply = asked_with(&server, "sec-websocket-version", version).await;
        assert_eq!(reply.status, 426, "{version}");
        assert_eq!(reply.must("sec-websocket-version"), "13");
        assert!(reply.text().contains("13"), "{}", reply.text());
    }
}

#[tokio::test]
async fn what_is_no_handshake_is_told_what_is_missing() {
    let server = start(config()).await;
    for (name, value) in [
        ("upgrade", ""),
        ("upgrade", "h2c"),
        ("connection", "keep-alive"),
    ] {
        let reply = asked_with(&server, name, value).await;
        assert_eq!(reply.status, 426, "{name}: {value}");
        // RFC 9110 §15.5.22.
        assert!(
            reply.all("upgrade").contains("websocket"),
            "{name}: {value}"
        );
        assert!(reply.text().contains("proxy"), "{}", reply.text());
    }
    for key in [
        "",
        "x",
        "dGhlIHNhbXBsZSBub25jZQ",
        "!!!!!!!!!!!!!!!!!!!!!!==",
    ] {
        let reply = asked_with(&server, "sec-websocket-key", key).await;
        assert_eq!(reply.status, 400, "{key}");
        assert!(
            reply.text().contains("Sec-WebSocket-Key"),
            "{}",
            reply.text()
        );
    }
    let post = request(server.addr(), "POST", "/ws", &[("content-length", "0")]).await;
    assert_eq!(post.status, 405);
    assert!(post.must("allow").contains("GET"));
}

/// Sends bytes, and reads the answer to its end.
async fn raw(server: &Server, bytes: &str) -> String {
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut reply = String::new();
    let read = stream.read_to_string(&mut reply);
    timeout(PATIENCE, read).await.unwrap().unwrap();
    reply
}

#[tokio::test]
async fn a_request_names_one_host() {
    let server = start(config()).await;
    for (head, status) in [
        ("GET /healthz HTTP/1.1\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\nhost: b\r\n", "400"),
        ("GET /healthz HTTP/1.1\r\nhost: a\r\n", "200"),
        ("GET http://a/healthz HTTP/1.1\r\nhost: b\r\n", "200"),
        ("GET /healthz HTTP/1.0\r\n", "200"),
    ] {
        let reply = raw(&server, &format!("{head}connection: close\r\n\r\n")).await;
        assert_eq!(reply.split(' ').nth(1), Some(status), "{head}{reply}");
        if status == "400" {
            assert!(reply.contains("Host"), "{reply}");
        }
    }
    // What the request's own line says goes before the header (RFC 9112 §3.2.2).
    let reply = raw(
        &server,
        "GET http://a:1/ HTTP/1.1\r\nhost: b:2\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        reply.contains("ws://a:1 ") && !reply.contains("b:2"),
        "{reply}"
    );
}

#[tokio::test]
async fn a_method_that_is_none_is_told_which_there_are() {
    let server = start(config()).await;
    for path in ["/", "/nothing", "/healthz", "/readyz", "/ws"] {
        let reply = request(server.addr(), "DELETE", path, &[]).await;
        assert_eq!(reply.status, 405, "{path}");
        assert!(reply.must("allow").contains("GET"), "{path}");
    }
}

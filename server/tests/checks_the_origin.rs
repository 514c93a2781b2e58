//! Whose pages may open a session, and import the client.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use ferrite_protocol::ErrorCode;
use ferrite_server::{Config, Server};
use tokio_tungstenite::tungstenite::Message;

use crate::support::http::{Reply, get};
use crate::support::process::Running;
use crate::support::{Client, PATIENCE, config, start, with};

mod support;

async fn connect(server: &Server, origin: &str) -> Client {
    let headers = [("origin", origin)];
    Client::connect_with(server.addr(), &headers).await.unwrap()
}

async fn is_served(server: &Server, origin: &str) {
    connect(server, origin).await.is_served().await;
}

/// The page is told so, in a message and in the close frame: a browser shows it neither a status nor
/// a body of a WebSocket that is not opened.
async fn is_refused(server: &Server, origin: &str) {
    let mut client = connect(server, origin).await;
    let (_, code, message) = client.error().await;
    assert_eq!(code, ErrorCode::Refused, "{origin}");
    assert!(message.contains("--allowed-origins"), "{message}");
    let end = futures_util::StreamExt::next(&mut client.websocket);
    match tokio::time::timeout(PATIENCE, end).await.unwrap() {
        Some(Ok(Message::Close(Some(frame)))) => {
            assert_eq!(u16::from(frame.code), 4004);
            assert_eq!(frame.reason.as_str(), message, "the whole of it fits");
        }
        other => panic!("{origin}: {other:?}"),
    }
}

#[tokio::test]
async fn a_page_of_this_server_is_served() {
    let server = start(config()).await;
    is_served(&server, &format!("http://{}", server.addr())).await;
}

#[tokio::test]
async fn a_page_of_another_server_is_refused_with_words() {
    let server = start(config()).await;
    let other_port = format!("http://127.0.0.1:{}", server.addr().port() ^ 1);
    for origin in ["http://evil.example", "null", &other_port] {
        is_refused(&server, origin).await;
    }
}

/// Whatever was embedded, these files are served, and to pages of this origin.
fn allowing(origin: &str) -> Config {
    with(|config| {
        config.http.www = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/../www").into());
        config.http.allowed_origins = vec![origin.parse().unwrap()];
    })
}

fn for_app() -> Config {
    allowing("https://app.example")
}

#[tokio::test]
async fn the_configuration_names_others_that_are_served() {
    let server = start(for_app()).await;
    is_served(&server, "https://app.example").await;
    is_refused(&server, "http://app.example").await;
}

#[tokio::test]
async fn a_program_that_is_no_browser_is_served() {
    let server = start(config()).await;
    let mut client = Client::connect_with(server.addr(), &[]).await.unwrap();
    client.is_served().await;
}

#[tokio::test]
async fn the_log_says_once_what_would_let_a_refused_page_in() {
    let server = Running::start(&[]).await;
    for origin in ["http://one.example", "http://two.example\t", "null"] {
        let headers = [("origin", origin), ("host", "inside:8080")];
        let mut client = Client::connect_with(server.addr, &headers).await.unwrap();
        assert_eq!(client.closed().await, 4004);
    }
    let (_, _, log) = server.end("-TERM").await;
    let lines: Vec<_> = log.lines().filter(|line| line.contains("Origin")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    for word in ["WARN", "http://one.example", "inside:8080", "Host header"] {
        assert!(lines[0].contains(word), "no {word} in {}", lines[0]);
    }
    assert!(lines[0].contains("--allowed-origins"), "{}", lines[0]);
}

async fn file(server: &Server, origin: Option<&str>) -> Reply {
    let headers: Vec<_> = origin
        .map(|origin| ("origin", origin))
        .into_iter()
        .collect();
    get(server.addr(), "/favicon.svg", &headers).await
}

#[tokio::test]
async fn pages_of_allowed_origins_may_import_the_files() {
    let server = start(for_app()).await;
    let reply = file(&server, Some("https://app.example")).await;
    assert_eq!(
        reply.must("access-control-allow-origin"),
        "https://app.example"
    );
    assert_eq!(reply.must("cross-origin-resource-policy"), "cross-origin");
    assert!(
        reply.all("vary").contains("origin"),
        "{}",
        reply.all("vary")
    );

    // A browser that has the file asks whether it still may (Fetch, "HTTP-network-or-cache fetch").
    let tag = reply.must("etag").to_owned();
    let headers = [("origin", "https://app.example"), ("if-none-match", &tag)];
    let reply = get(server.addr(), "/favicon.svg", &headers).await;
    assert_eq!(reply.status, 304);
    assert_eq!(
        reply.must("access-control-allow-origin"),
        "https://app.example"
    );

    for origin in [None, Some("http://app.example"), Some("null"), Some("")] {
        let reply = file(&server, origin).await;
        assert_eq!(
            reply.header("access-control-allow-origin"),
            None,
            "{origin:?}"
        );
        assert_eq!(reply.must("cross-origin-resource-policy"), "same-origin");
        assert!(reply.all("vary").contains("origin"), "{origin:?}");
    }
}

#[tokio::test]
async fn where_every_page_is_allowed_none_is_named() {
    let server = start(allowing("*")).await;
    for origin in [None, Some("null"), Some("https://app.example")] {
        let reply = file(&server, origin).await;
        assert_eq!(reply.must("access-control-allow-origin"), "*");
        assert_eq!(reply.must("cross-origin-resource-policy"), "cross-origin");
    }
}

#[tokio::test]
async fn what_is_no_file_is_shared_with_nobody() {
    let server = start(for_app()).await;
    for path in ["/healthz", "/readyz", "/nothing"] {
        let reply = get(server.addr(), path, &[("origin", "https://app.example")]).await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{path}");
    }
}

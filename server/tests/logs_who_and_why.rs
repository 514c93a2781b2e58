//! What the log says of those who were refused: who, and why, in a line each that nobody has to look for elsewhere.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use ferrite_protocol::{ErrorCode, ServerMessage};

use crate::support::Client;
use crate::support::process::Running;

mod support;

async fn greeted(server: &Running) -> Client {
    let mut client = Client::connect_with(server.addr, &[]).await.unwrap();
    client.hello(None).await;
    client
}

/// The lines that have all of these.
fn lines<'a>(log: &'a str, words: &[&str]) -> Vec<&'a str> {
    let has_all = |line: &&str| words.iter().all(|word| line.contains(word));
    log.lines().filter(has_all).collect()
}

/// Ends the server, and returns the one line of its log that has all of these.
async fn said_once(server: Running, words: &[&str]) -> String {
    let (_, _, log) = server.end("-TERM").await;
    let said = lines(&log, words);
    assert_eq!(said.len(), 1, "{words:?}: {log}");
    said[0].to_owned()
}

#[tokio::test]
async fn why_an_offer_was_refused() {
    let server = Running::start(&["--log", "debug"]).await;
    let mut client = greeted(&server).await;
    client.offer("v=0\r\nnot a description".to_owned()).await;
    let refused = client.receive().await;
    let ServerMessage::Error { code, message, .. } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(code, ErrorCode::BadOffer);
    let said = said_once(server, &["refused an offer", "session{id="]).await;
    assert!(said.contains(&message), "{message} is not in {said}");
}

#[tokio::test]
async fn who_was_refused_for_a_limit_and_which() {
    let server = Running::start(&["--max-sessions", "1"]).await;
    let _only = greeted(&server).await;
    let mut next = Client::connect_with(server.addr, &[]).await.unwrap();
    next.send_text(r#"{"type":"hello","version":1}"#).await;
    let (_, code, message) = next.error().await;
    assert_eq!(code, ErrorCode::LimitExceeded);
    let said = said_once(server, &["INFO", "refused a client", "127.0.0.1"]).await;
    assert!(said.contains(&message), "{message} is not in {said}");
}

/// Also of a session that was let in and then asked for more than it may.
#[tokio::test]
async fn that_a_session_ended_for_a_limit_and_which() {
    let server = Running::start(&["--max-message-rate", "5"]).await;
    let mut client = greeted(&server).await;
    for _ in 0..30 {
        client.send_text(r#"{"type":"pong"}"#).await;
    }
    let (_, code, message) = client.error().await;
    assert_eq!(code, ErrorCode::LimitExceeded);
    said_once(server, &["INFO", "closed", &message]).await;
}

/// What the kernel did not take, and what found no room on its way to another thread.
#[tokio::test]
async fn what_was_not_sent() {
    let server = Running::start(&[]).await;
    said_once(server, &["since the start", "unsent=0", "uncrossed=0"]).await;
}

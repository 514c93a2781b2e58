//! A client that is not there any more is found out, whether it said hello or not.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use ferrite_server::Config;
use futures_util::StreamExt as _;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, start, with};

mod support;

/// As impatient as the protocol allows.
fn impatient() -> Config {
    with(|config| config.signalling.ping_interval = Duration::from_secs(1))
}

/// Reads bytes, and nobody answers what they say, until the server gives up.
async fn is_given_up(client: Client) {
    let mut stream = client.websocket.into_inner();
    let mut bytes = Vec::new();
    let reading = stream.read_to_end(&mut bytes);
    timeout(PATIENCE, reading).await.unwrap().unwrap();
    // Two empty pings or, where a machine stands still meanwhile, a few more, and a close frame that begins with 4002
    // (RFC 6455 §5.2).
    let pings = bytes.chunks(2).take_while(|frame| *frame == [0x89, 0]);
    let pings = pings.count();
    assert!((2..=8).contains(&pings), "{pings} pings");
    let close = &bytes[2 * pings..];
    let code = 4002_u16.to_be_bytes();
    assert_eq!((close[0], &close[2..4]), (0x88, &code[..]));
}

#[tokio::test]
async fn a_silent_client_is_asked_and_then_given_up() {
    let server = start(impatient()).await;
    let fresh = Client::connect(&server).await;
    let mut plain = Client::connect(&server).await;
    plain.is_served().await;
    let (greeted, welcome) = Client::greeted(&server).await;
    tokio::join!(is_given_up(fresh), is_given_up(plain), is_given_up(greeted));
    // It may have been in a tunnel.
    let (_, again) = Client::resuming(&server, &welcome.token).await;
    assert!(again.resumed);
}

#[tokio::test]
async fn a_client_whose_browser_answers_stays() {
    let server = start(impatient()).await;
    let (mut client, _) = Client::greeted(&server).await;
    // One more than it would have had without an answer.
    for _ in 0..4 {
        let frame = timeout(PATIENCE, client.websocket.next()).await.unwrap();
        assert!(
            frame.as_ref().unwrap().as_ref().unwrap().is_ping(),
            "{frame:?}"
        );
    }
    client.is_served().await;
}

//! A client that is not there any more is found out, whether it said hello or not.

use std::time::Duration;

use ferrite_protocol::{ClientMessage, ServerMessage};
use ferrite_server::Config;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::support::{Client, PATIENCE, config, start};

mod support;

fn impatient() -> Config {
    Config {
        ping_interval: Duration::from_millis(100),
        ..config()
    }
}

#[tokio::test]
async fn a_silent_client_is_asked_and_then_dropped() {
    let server = start(impatient()).await;
    let (mut client, welcome) = Client::greeted(&server).await;
    let mut asked = Vec::new();
    for _ in 0..2 {
        match client.receive().await {
            ServerMessage::Ping { id: Some(id) } => asked.push(id.0),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(asked, [1, 2]);
    assert_eq!(client.closed().await, 4002);
    // It may have been in a tunnel.
    let (_, again) = Client::resuming(&server, &welcome.token).await;
    assert!(again.resumed);
}

#[tokio::test]
async fn a_client_that_answers_stays() {
    let server = start(impatient()).await;
    let (mut client, _) = Client::greeted(&server).await;
    // Many times as long as it would have without an answer.
    for expected in 1..=10 {
        match client.receive().await {
            ServerMessage::Ping { id: Some(id) } => {
                assert_eq!(id.0, expected);
                client.send(ClientMessage::Pong { id: Some(id) }).await;
            }
            other => panic!("{other:?}"),
        }
    }
    client.is_served().await;
}

#[tokio::test]
async fn a_client_without_a_hello_is_asked_in_frames_its_browser_answers() {
    let server = start(impatient()).await;
    let mut client = Client::connect(&server).await;
    client.is_served().await;
    // Nothing but bytes from here on: nobody answers a ping.
    let mut stream = client.websocket.into_inner();
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes))
        .await
        .unwrap()
        .unwrap();
    // Two empty pings, and a close frame that begins with 4002 (RFC 6455 §5.2).
    let (pings, close) = bytes.split_at(4);
    assert_eq!(pings, [0x89, 0, 0x89, 0]);
    assert_eq!(
        (close[0], &close[2..4]),
        (0x88, &4002_u16.to_be_bytes()[..])
    );
}

#[tokio::test]
async fn a_client_that_only_answers_frames_stays_too() {
    let server = start(impatient()).await;
    let mut client = Client::connect(&server).await;
    client.is_served().await;
    let mut pings = 0;
    while pings < 10 {
        let next = futures_util::StreamExt::next(&mut client.websocket);
        let frame = timeout(PATIENCE, next).await.unwrap().unwrap().unwrap();
        assert!(frame.is_ping(), "{frame:?}");
        pings += 1;
    }
    client.is_served().await;
}

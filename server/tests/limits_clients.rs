//! What is too much, and that it ends no session but the one it comes from.

use ferrite_protocol::ErrorCode;
use ferrite_protocol::limits::MAX_MESSAGE_BYTES;
use ferrite_server::Config;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, config, start};

mod support;

#[tokio::test]
async fn a_frame_may_be_as_long_as_the_limit() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    let head = r#"{"type":"offer","sdp":""#;
    let sdp = "x".repeat(MAX_MESSAGE_BYTES - head.len() - 2);
    client.send_text(&format!("{head}{sdp}\"}}")).await;
    assert_eq!(client.error().await.1, ErrorCode::BadOffer);
    client.is_served().await;
}

#[tokio::test]
async fn a_longer_frame_closes_the_session_it_came_from() {
    let server = start(config()).await;
    let (mut witness, _) = Client::greeted(&server).await;
    let (mut client, welcome) = Client::greeted(&server).await;
    client.send_text(&" ".repeat(MAX_MESSAGE_BYTES + 1)).await;
    let (_, code, message) = client.error().await;
    assert_eq!(code, ErrorCode::LimitExceeded);
    assert!(
        message.contains(&MAX_MESSAGE_BYTES.to_string()),
        "{message}"
    );
    assert_eq!(client.closed().await, 4001);
    witness.is_served().await;
    let (_, again) = Client::resuming(&server, &welcome.token).await;
    assert!(!again.resumed);
}

#[tokio::test]
async fn a_frame_without_end_is_not_even_read() {
    let server = start(config()).await;
    let (mut witness, _) = Client::greeted(&server).await;
    let (mut client, _) = Client::greeted(&server).await;
    // The server may close before all of it is written.
    let _ = futures_util::SinkExt::send(
        &mut client.websocket,
        Message::text(" ".repeat(16 * MAX_MESSAGE_BYTES)),
    )
    .await;
    let end = futures_util::StreamExt::fold(&mut client.websocket, 0, async |count, _| count + 1);
    tokio::time::timeout(support::PATIENCE, end).await.unwrap();
    witness.is_served().await;
}

#[tokio::test]
async fn too_many_frames_close_the_session_they_came_from() {
    let server = start(Config {
        max_message_rate: 5,
        ..config()
    })
    .await;
    let (mut witness, _) = Client::greeted(&server).await;
    let (mut client, _) = Client::greeted(&server).await;
    for _ in 0..30 {
        client.send_text(r#"{"type":"pong"}"#).await;
    }
    let (_, code, message) = client.error().await;
    assert_eq!(code, ErrorCode::LimitExceeded);
    assert!(message.contains("5 a second"), "{message}");
    assert_eq!(client.closed().await, 4001);
    witness.is_served().await;
}

#[tokio::test]
async fn a_full_server_says_so_and_has_room_again_later() {
    let server = start(Config {
        max_sessions: 1,
        ..config()
    })
    .await;
    let (mut only, welcome) = Client::greeted(&server).await;
    let mut next = Client::connect(&server).await;
    next.send_text(r#"{"type":"hello","version":1}"#).await;
    assert_eq!(next.error().await.1, ErrorCode::LimitExceeded);
    assert_eq!(next.closed().await, 4001);

    // Coming back needs no place of its own.
    only.is_served().await;
    let (mut only, again) = Client::resuming(&server, &welcome.token).await;
    assert!(again.resumed);

    only.send_frame(Message::Close(Some(normal()))).await;
    assert_eq!(only.closed().await, 1000);
    let mut client = Client::connect(&server).await;
    // The place is free a moment after the WebSocket is closed.
    while !is_welcomed(&mut client).await {
        client = Client::connect(&server).await;
    }
}

async fn is_welcomed(client: &mut Client) -> bool {
    client.send_text(r#"{"type":"hello","version":1}"#).await;
    let reply = client.receive().await;
    matches!(reply, ferrite_protocol::ServerMessage::Welcome { .. })
}

fn normal() -> tokio_tungstenite::tungstenite::protocol::CloseFrame {
    tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 1000.into(),
        reason: "".into(),
    }
}

//! Whoever leaves a room, the others are told why.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use std::time::Duration;

use ferrite_protocol::{ClientMessage, DepartureCause, RoomId, ServerMessage};
use ferrite_server::auth::Grants;
use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::keys::closed;
use crate::support::{Client, config, start, with};

mod support;

/// Who left next, and why.
async fn departure(client: &mut Client) -> (String, Option<DepartureCause>) {
    client
        .told(|message| match message {
            ServerMessage::ParticipantLeft { participant, cause } => Some((participant.0, cause)),
            _ => None,
        })
        .await
}

/// That this client is out of its room.
async fn is_out(client: &mut Client) {
    let is_left = |message| matches!(message, ServerMessage::Left { .. }).then_some(());
    client.told(is_left).await;
}

#[tokio::test]
async fn who_leaves_or_closes_the_page_left() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    ann.join("tea").await;
    let (mut bob, _) = Client::greeted(&server).await;
    let (bob_id, _) = bob.join("tea").await;
    bob.send(ClientMessage::Leave { id: None }).await;
    let left = Some(DepartureCause::Left);
    assert_eq!(departure(&mut ann).await, (bob_id, left));
    is_out(&mut bob).await;
    for code in [1000_u16, 1001] {
        let (bob_id, _) = bob.join("tea").await;
        let goodbye = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        bob.send_frame(Message::Close(Some(goodbye))).await;
        assert_eq!(departure(&mut ann).await, (bob_id, left));
        (bob, _) = Client::greeted(&server).await;
    }
}

#[tokio::test]
async fn who_does_not_come_back_is_lost() {
    let soon = |config: &mut ferrite_server::Config| {
        config.signalling.resume_time = Duration::from_millis(50);
    };
    let server = start(with(soon)).await;
    let (mut ann, _) = Client::greeted(&server).await;
    ann.join("tea").await;
    let lost = Some(DepartureCause::Lost);
    let (mut bob, _) = Client::greeted(&server).await;
    let (bob_id, _) = bob.join("tea").await;
    bob.drop_connection().await;
    assert_eq!(departure(&mut ann).await, (bob_id, lost));
    // Nobody waits for who said no hello.
    let mut cid = Client::connect(&server).await;
    let (cid_id, _) = cid.join("tea").await;
    cid.drop_connection().await;
    assert_eq!(departure(&mut ann).await, (cid_id, lost));
}

#[tokio::test]
async fn who_comes_back_in_time_and_leaves_then_is_not_lost() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    ann.join("tea").await;
    let (mut bob, welcome) = Client::greeted(&server).await;
    let (bob_id, _) = bob.join("tea").await;
    bob.drop_connection().await;
    let (mut bob, _) = Client::resuming(&server, &welcome.token).await;
    bob.joined().await;
    bob.send(ClientMessage::Leave { id: None }).await;
    let left = Some(DepartureCause::Left);
    assert_eq!(departure(&mut ann).await, (bob_id, left));
}

#[tokio::test]
async fn who_is_removed_was_kicked_and_who_passes_a_limit_did() {
    let server = start(with(|config| config.limits.message_rate = 50)).await;
    let (mut ann, _) = Client::greeted(&server).await;
    ann.join("tea").await;
    let (mut bob, _) = Client::greeted(&server).await;
    let (bob_id, _) = bob.join("tea").await;
    let kick = json!({"type": "kick", "participant": bob_id});
    ann.send_text(&kick.to_string()).await;
    let kicked = Some(DepartureCause::Kicked);
    assert_eq!(departure(&mut ann).await, (bob_id, kicked));
    is_out(&mut bob).await;

    let (bob_id, _) = bob.join("tea").await;
    let tea: RoomId = "tea".into();
    let named = bob_id.as_str().into();
    server.rooms().kick(&tea, &named, None).unwrap();
    assert_eq!(departure(&mut ann).await, (bob_id, kicked));

    let mut cid = Client::connect(&server).await;
    let (cid_id, _) = cid.join("tea").await;
    for _ in 0..300 {
        cid.send(ClientMessage::Ping { id: None }).await;
    }
    let exceeded = Some(DepartureCause::LimitExceeded);
    assert_eq!(departure(&mut ann).await, (cid_id, exceeded));
}

#[tokio::test]
async fn who_comes_again_joined_elsewhere_and_who_hides_is_gone_for_no_reason() {
    let (server, mint) = closed(|_| ()).await;
    let join = async |client: &mut Client, who: &str| {
        let token = mint.token(who, Grants::all());
        let join = json!({"type": "join", "room": "tea", "token": token});
        client.send_text(&join.to_string()).await;
        client.joined().await;
    };
    let (mut ann, _) = Client::greeted(&server).await;
    join(&mut ann, "ann").await;
    let (mut first, _) = Client::greeted(&server).await;
    join(&mut first, "bob").await;
    let (mut second, _) = Client::greeted(&server).await;
    join(&mut second, "bob").await;
    let elsewhere = Some(DepartureCause::JoinedElsewhere);
    assert_eq!(departure(&mut ann).await, ("bob".to_owned(), elsewhere));
    let hidden = Grants {
        hidden: true,
        ..Grants::all()
    };
    let authorize = json!({"type": "authorize", "token": mint.token("bob", hidden)});
    second.send_text(&authorize.to_string()).await;
    assert_eq!(departure(&mut ann).await, ("bob".to_owned(), None));
}

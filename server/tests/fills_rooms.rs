//! Who is shown whom in a room.

use ferrite_protocol::{ErrorCode, RoomSnapshot, ServerMessage};

use crate::support::{Client, config, start, with};

mod support;

fn ids(room: &RoomSnapshot) -> Vec<&str> {
    let ids = room.participants.iter();
    ids.map(|participant| participant.id.0.as_str()).collect()
}

#[tokio::test]
async fn everybody_is_shown_who_is_there_who_comes_and_who_goes() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    ann.send_text(r#"{"type":"join","id":1,"room":"tea","name":"Ann"}"#)
        .await;
    let (ann_id, room) = ann.joined().await;
    assert_eq!(room.id.0, "tea");
    assert_eq!(ids(&room), [&ann_id]);
    assert_eq!(room.participants[0].name.as_deref(), Some("Ann"));

    let (bob_id, room) = bob.join("tea").await;
    assert_eq!(ids(&room), [&ann_id, &bob_id]);
    match ann.receive().await {
        ServerMessage::ParticipantJoined { participant } => assert_eq!(participant.id.0, bob_id),
        other => panic!("{other:?}"),
    }

    bob.send_text(r#"{"type":"leave","id":2}"#).await;
    match bob.receive().await {
        ServerMessage::Left { id: Some(id), .. } => assert_eq!(id.0, 2),
        other => panic!("{other:?}"),
    }
    left(&mut ann, &bob_id).await;
    ann.is_served().await;
    bob.is_served().await;
}

#[tokio::test]
async fn whoever_closes_has_left() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    ann.join("tea").await;
    // Without a hello there is nothing to come back to, however the connection ends.
    let mut bob = Client::connect(&server).await;
    let (bob_id, _) = bob.join("tea").await;
    ann.receive().await;
    bob.drop_connection().await;
    left(&mut ann, &bob_id).await;
}

#[tokio::test]
async fn rooms_do_not_hear_each_other() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    ann.join("tea").await;
    let (_, room) = bob.join("coffee").await;
    assert_eq!(room.participants.len(), 1);
    ann.is_served().await;
}

#[tokio::test]
async fn a_session_is_in_one_room_at_a_time() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (first, _) = ann.join("tea").await;
    ann.send_text(r#"{"type":"join","id":5,"room":"coffee"}"#)
        .await;
    let (id, code, _) = ann.error().await;
    assert_eq!((id, code), (Some(5), ErrorCode::BadState));
    ann.send_text(r#"{"type":"leave"}"#).await;
    ann.receive().await;
    let (second, room) = ann.join("coffee").await;
    assert_eq!(ids(&room), [&second]);
    assert_ne!(first, second);
}

#[tokio::test]
async fn a_full_room_says_so() {
    let server = start(with(|config| config.limits.participants = 1)).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    ann.join("tea").await;
    bob.send_text(r#"{"type":"join","room":"tea"}"#).await;
    assert_eq!(bob.error().await.1, ErrorCode::LimitExceeded);
    bob.join("coffee").await;
}

async fn left(client: &mut Client, id: &str) {
    match client.receive().await {
        ServerMessage::ParticipantLeft { participant } => assert_eq!(participant.0, id),
        other => panic!("{other:?}"),
    }
}

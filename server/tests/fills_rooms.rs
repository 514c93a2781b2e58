//! Who is shown whom in a room, and what it takes.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use ferrite_protocol::{ErrorCode, RoomSnapshot, ServerMessage};

use serde_json::json;

use crate::support::native::Native;
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

/// An offer that publishes a microphone.
fn offer_of_sound(id: u32) -> String {
    let sdp = Native::new().offer();
    let mid = sdp.lines().find_map(|line| line.strip_prefix("a=mid:"));
    let tracks = json!({ mid.unwrap(): {"publish": {"key": "mic", "source": "microphone"}} });
    json!({"type": "offer", "id": id, "sdp": sdp, "tracks": tracks}).to_string()
}

/// The ids of what is told of a request: its reply, and a refusal of what it publishes, if there is one.
async fn replies(client: &mut Client, request: &str) -> (Option<u32>, Option<(u32, ErrorCode)>) {
    client.send_text(request).await;
    client.send_text(r#"{"type":"ping","id":99}"#).await;
    let (mut reply, mut refusal) = (None, None);
    loop {
        match client.receive().await {
            ServerMessage::Answer { id, .. } | ServerMessage::Joined { id, .. } => {
                reply = id.map(|id| id.0);
            }
            ServerMessage::Error { id, code, .. } => {
                refusal = Some((id.expect("the request's id").0, code));
            }
            ServerMessage::Pong { .. } => return (reply, refusal),
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_a_room_does_not_take_is_refused_under_the_requests_id() {
    let server = start(with(|config| config.limits.room_publications = 1)).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    ann.join("tea").await;
    let taken = replies(&mut ann, &offer_of_sound(7)).await;
    assert_eq!(taken, (Some(7), None));
    // The offer is answered all the same, and so is whoever comes with too much.
    let refused = Some((8, ErrorCode::LimitExceeded));
    bob.join("tea").await;
    let offered = replies(&mut bob, &offer_of_sound(8)).await;
    assert_eq!(offered, (Some(8), refused));
    bob.send_text(r#"{"type":"leave"}"#).await;
    let joined = replies(&mut bob, r#"{"type":"join","id":8,"room":"tea"}"#).await;
    assert_eq!(joined, (Some(8), refused));
    let room = server.rooms().snapshot(&"tea".into()).unwrap();
    let publications = room.participants.iter().map(|it| it.publications.len());
    assert_eq!(publications.collect::<Vec<_>>(), [1, 0]);
}

async fn left(client: &mut Client, id: &str) {
    match client.receive().await {
        ServerMessage::ParticipantLeft { participant } => assert_eq!(participant.0, id),
        other => panic!("{other:?}"),
    }
}

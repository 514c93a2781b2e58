//! Who is told of whom in a room, what it takes, and what an offer is answered with in it: slots for many, which of
//! them are one stream, and inband FEC.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use ferrite_protocol::{ErrorCode, RoomSnapshot, ServerMessage, Slot};
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::timeout;

use crate::support::native::{MediaKind, Native};
use crate::support::{Client, PATIENCE, config, offer_of_sound, start, with};

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

/// What a client is told until it is asked whether it is there.
async fn told(client: &mut Client) -> Vec<ServerMessage> {
    client.send_text(r#"{"type":"ping","id":99}"#).await;
    let mut told = Vec::new();
    loop {
        match client.receive_message().await {
            ServerMessage::Pong { id: Some(_) } => return told,
            message => told.push(message),
        }
    }
}

/// How many of them answer an offer. None of them may be an error.
fn answers(told: &[ServerMessage]) -> usize {
    let error = told
        .iter()
        .find(|it| matches!(it, ServerMessage::Error { .. }));
    assert_eq!(error, None);
    let answers = told
        .iter()
        .filter(|it| matches!(it, ServerMessage::Answer { .. }));
    answers.count()
}

/// What an offer was answered with.
fn answer_of(told: &[ServerMessage]) -> &str {
    let answer = told.iter().find_map(|message| match message {
        ServerMessage::Answer { sdp, .. } => Some(sdp),
        _ => None,
    });
    answer.unwrap()
}

/// What slots show, where a message says that.
fn shown(told: &ServerMessage) -> Option<BTreeMap<String, Slot>> {
    match told {
        ServerMessage::Watching { slots, .. } => Some(slots.clone()),
        _ => None,
    }
}

const CROWD: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_who_come_at_once_cost_nobody_an_offer_while_there_are_slots() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    ann.join("tea").await;
    let (sdp, slots) = Native::new().offer_slots(&[MediaKind::Audio; CROWD]);
    let tracks: BTreeMap<_, _> = slots
        .iter()
        .map(|mid| (mid, json!({"receive": "audio"})))
        .collect();
    let offer = json!({"type": "offer", "sdp": sdp, "tracks": tracks});
    ann.send_text(&offer.to_string()).await;
    assert_eq!(answers(&told(&mut ann).await), 1);
    // One text for all: what they would send is not looked at here.
    let offer = offer_of_sound(1);
    let crowd = (0..CROWD).map(async |_| {
        let (mut client, _) = Client::greeted(&server).await;
        client.join("tea").await;
        client.send_text(&offer).await;
        let told = told(&mut client).await;
        (client, told)
    });
    let crowd = join_all(crowd).await;
    let (mut told_ann, mut seen) = (Vec::new(), BTreeMap::new());
    let is_shown = async {
        while seen.len() < CROWD {
            let news = ann.receive_message().await;
            if let Some(slots) = shown(&news) {
                seen = slots;
            }
            told_ann.push(news);
        }
    };
    timeout(PATIENCE, is_shown)
        .await
        .expect("somebody is not shown");
    let everybody: BTreeSet<_> = seen
        .values()
        .map(|slot| slot.publication.0.clone())
        .collect();
    assert_eq!(everybody.len(), CROWD);
    assert!(seen.values().all(|slot| slot.idle.is_none()), "{seen:?}");
    told_ann.extend(told(&mut ann).await);
    assert_eq!(answers(&told_ann), 0);
    // Nor did those who came early make another for those who came late.
    for (mut client, told_first) in crowd {
        assert_eq!(answers(&told_first) + answers(&told(&mut client).await), 1);
    }
}

/// The value of an attribute of each section of a description, by `mid`.
fn by_mid(sdp: &str, attribute: &str) -> BTreeMap<String, String> {
    let sections = sdp.split("\r\nm=").skip(1);
    let value = |section: &str, name: &str| {
        let value = section.lines().find_map(|line| line.strip_prefix(name));
        value.map(str::to_owned)
    };
    sections
        .filter_map(|section| Some((value(section, "a=mid:")?, value(section, attribute)?)))
        .collect()
}

#[tokio::test]
async fn the_nth_slot_for_sound_and_the_nth_for_pictures_are_one_stream() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    ann.join("tea").await;
    use MediaKind::{Audio, Video};
    let (sdp, mids) = Native::new().offer_slots(&[Audio, Audio, Video, Audio, Video]);
    // Browsers name no stream where they send nothing (RFC 8829 §5.2.1), as this peer does.
    let names_a_stream = |line: &&str| line.starts_with("a=msid:") || line.starts_with("a=ssrc");
    let lines = sdp.lines().filter(|line| !names_a_stream(line));
    let sdp: String = lines.map(|line| format!("{line}\r\n")).collect();
    let [
        first_sound,
        second_sound,
        first_picture,
        lone_sound,
        second_picture,
    ] = &mids[..]
    else {
        unreachable!()
    };
    let kinds = ["audio", "audio", "video", "audio", "video"];
    let tracks = mids
        .iter()
        .zip(kinds)
        .map(|(mid, kind)| (mid, json!({"receive": kind})));
    let tracks: BTreeMap<_, _> = tracks.collect();
    let offer = json!({"type": "offer", "sdp": sdp, "tracks": tracks});
    ann.send_text(&offer.to_string()).await;
    let told = told(&mut ann).await;
    let msids = by_mid(answer_of(&told), "a=msid:");
    let stream = |mid: &String| msids[mid].split(' ').next().unwrap();
    assert_eq!(stream(first_sound), stream(first_picture));
    assert_eq!(stream(second_sound), stream(second_picture));
    let streams = [first_sound, second_sound, lone_sound].map(stream);
    let streams: BTreeSet<_> = streams.into_iter().collect();
    assert_eq!(streams.len(), 3, "{msids:?}");
}

#[tokio::test]
async fn who_offers_inband_fec_is_answered_with_it_to_publish_and_to_hear() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    ann.join("tea").await;
    let (sdp, mids) = Native::new().offer_member(1);
    let fec = "minptime=10;useinbandfec=1";
    assert_eq!(sdp.matches(fec).count(), 2, "{sdp}");
    for offered in [sdp.clone(), sdp.replace(fec, "minptime=10")] {
        let tracks = json!({
            &mids[0]: {"publish": {"key": "mic", "source": "microphone"}},
            &mids[2]: {"receive": "audio"},
        });
        let offer = json!({"type": "offer", "sdp": offered, "tracks": tracks});
        ann.send_text(&offer.to_string()).await;
        let told = told(&mut ann).await;
        let (offered, answered) = (
            by_mid(&offered, "a=fmtp:"),
            by_mid(answer_of(&told), "a=fmtp:"),
        );
        for mid in [&mids[0], &mids[2]] {
            assert_eq!(answered[mid], offered[mid]);
        }
    }
}

async fn left(client: &mut Client, id: &str) {
    match client.receive().await {
        ServerMessage::ParticipantLeft { participant, .. } => assert_eq!(participant.0, id),
        other => panic!("{other:?}"),
    }
}

//! The program that a server is a part of sees its rooms, and moderates them; those whom it concerns are
//! told.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use ferrite_protocol::{LeaveCause, PublicationId, ServerMessage};
use ferrite_server::room::RoomError;

use crate::support::{Client, PATIENCE, config, start};

mod support;

async fn had_to_leave(client: &mut Client) -> (Option<LeaveCause>, Option<String>) {
    client
        .told(|message| match message {
            ServerMessage::Left { cause, reason, .. } => Some((cause, reason)),
            _ => None,
        })
        .await
}

async fn was_muted(client: &mut Client) -> (PublicationId, Option<String>) {
    client
        .told(|message| match message {
            ServerMessage::Muted {
                publication,
                reason,
            } => Some((publication, reason)),
            _ => None,
        })
        .await
}

/// Whether somebody's microphone is muted, each time it changes.
async fn is_muted(client: &mut Client, whose: &str) -> bool {
    client
        .told(|message| match message {
            ServerMessage::ParticipantUpdated { participant } if participant.id.0 == whose => {
                Some(participant.publications.first()?.muted)
            }
            _ => None,
        })
        .await
}

#[tokio::test]
async fn it_sees_who_is_there_and_removes_mutes_and_ends() {
    let server = start(config()).await;
    let rooms = server.rooms().clone();
    let (tea, ann_id, bob_id);
    assert!(rooms.names().is_empty());
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    let (mut eve, _) = Client::greeted(&server).await;
    tea = "tea".into();
    (ann_id, _) = ann.join("tea").await;
    (bob_id, _) = bob.join("tea").await;
    eve.join("coffee").await;
    bob.publish_microphone().await;
    assert!(!is_muted(&mut ann, &bob_id).await);

    let mut names = rooms.names();
    names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(names, ["coffee".into(), "tea".into()]);
    let snapshot = rooms.snapshot(&tea).unwrap();
    let ids: Vec<_> = snapshot.participants.iter().map(|it| &it.id.0).collect();
    assert_eq!((snapshot.id, ids), (tea.clone(), vec![&ann_id, &bob_id]));
    let mic = snapshot.participants[1].publications[0].id.clone();

    // Everybody hears of it, and who was muted can undo it.
    let reason = Some("there is an echo".to_owned());
    (rooms.mute_publication(&tea, &mic, reason.as_deref())).unwrap();
    assert!(is_muted(&mut ann, &bob_id).await);
    assert!(is_muted(&mut bob, &bob_id).await);
    let told_bob = was_muted(&mut bob).await;
    assert_eq!(told_bob, (mic, reason));
    bob.send_text(r#"{"type":"mute","keys":["mic"]}"#).await;
    bob.send_text(r#"{"type":"mute","keys":[]}"#).await;
    assert!(!is_muted(&mut ann, &bob_id).await);

    let reason = Some("closed meeting".to_owned());
    let bob_name = bob_id.as_str().into();
    rooms.kick(&tea, &bob_name, reason.as_deref()).unwrap();
    let told_bob = had_to_leave(&mut bob).await;
    assert_eq!(told_bob, (Some(LeaveCause::Kicked), reason));
    ann.told(|message| match message {
        ServerMessage::ParticipantLeft { participant, .. } => Some(participant),
        _ => None,
    })
    .await;
    assert_eq!(rooms.snapshot(&tea).unwrap().participants.len(), 1);

    let reason = Some("time is up".to_owned());
    rooms.end(&tea, reason.as_deref()).unwrap();
    assert!(rooms.snapshot(&tea).is_none());
    let told_ann = had_to_leave(&mut ann).await;
    assert_eq!(told_ann, (Some(LeaveCause::RoomEnded), reason));
    assert_eq!(rooms.names(), ["coffee".into()]);
    // Nobody else was disturbed, and whoever comes now makes the room anew.
    eve.is_served().await;
    let (_, room) = ann.join("tea").await;
    assert_eq!(room.participants.len(), 1);
    tokio::time::timeout(PATIENCE, server.shutdown())
        .await
        .unwrap();
}

#[tokio::test]
async fn it_is_told_what_is_not_there() {
    let server = start(config()).await;
    let rooms = server.rooms();
    let (tea, nobody, nothing) = ("tea".into(), "nobody".into(), "nobody/mic".into());
    assert_eq!(rooms.kick(&tea, &nobody, None), Err(RoomError::NoRoom));
    assert_eq!(
        rooms.mute_publication(&tea, &nothing, None),
        Err(RoomError::NoRoom)
    );
    assert_eq!(rooms.end(&tea, None), Err(RoomError::NoRoom));
    assert!(rooms.snapshot(&tea).is_none());
    let (mut ann, _) = Client::greeted(&server).await;
    let (ann_id, _) = ann.join("tea").await;
    assert_eq!(
        rooms.kick(&tea, &nobody, None),
        Err(RoomError::NoParticipant)
    );
    let of_ann = format!("{ann_id}/mic").as_str().into();
    assert_eq!(
        rooms.mute_publication(&tea, &of_ann, None),
        Err(RoomError::NoPublication)
    );
    ann.is_served().await;
}

//! A session outlives its WebSocket, for whoever has the token, for a while. A token is used once,
//! and again only where its successor got lost.

use std::time::Duration;

use ferrite_protocol::{ParticipantState, ResumeToken, ServerMessage};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::{Client, config, start, with};

mod support;

#[tokio::test]
async fn a_client_that_lost_its_connection_goes_on() {
    let server = start(config()).await;
    let (client, first) = Client::greeted(&server).await;
    client.drop_connection().await;
    let (mut client, second) = Client::resuming(&server, &first.token).await;
    assert!(second.resumed);
    assert_eq!(second.session, first.session);
    assert_ne!(second.token, first.token);
    client.is_served().await;

    client.drop_connection().await;
    let (_, third) = Client::resuming(&server, &second.token).await;
    assert!(third.resumed);
}

#[tokio::test]
async fn a_token_is_good_for_one_use() {
    let server = start(config()).await;
    let (client, first) = Client::greeted(&server).await;
    client.drop_connection().await;
    let (mut client, _) = Client::resuming(&server, &first.token).await;
    client.is_served().await;
    let (mut thief, stolen) = Client::resuming(&server, &first.token).await;
    assert!(!stolen.resumed);
    assert_ne!(stolen.session, first.session);
    client.is_served().await;
    thief.is_served().await;
}

#[tokio::test]
async fn a_welcome_that_got_lost_costs_no_session() {
    let server = start(config()).await;
    let (client, first) = Client::greeted(&server).await;
    client.drop_connection().await;
    // As far as the server can tell, none of these clients read its welcome.
    let mut unread = Vec::new();
    for _ in 0..3 {
        let (client, welcome) = Client::resuming(&server, &first.token).await;
        assert!(welcome.resumed);
        assert_eq!(welcome.session, first.session);
        client.drop_connection().await;
        unread.push(welcome.token);
    }
    // One did, and its connection broke before it could say so.
    let (mut client, last) = Client::resuming(&server, &unread[2]).await;
    assert!(last.resumed);
    client.is_served().await;
    for void in unread.iter().chain([&first.token]) {
        let (_, refused) = Client::resuming(&server, void).await;
        assert!(!refused.resumed);
    }
    client.is_served().await;
    let (_, again) = Client::resuming(&server, &last.token).await;
    assert!(again.resumed);
}

#[tokio::test]
async fn a_wrong_token_is_told_so_and_begins_anew() {
    let server = start(config()).await;
    let (mut client, welcome) = Client::greeted(&server).await;
    let mut guess = welcome.token.0.clone();
    let last = guess.pop().unwrap();
    guess.push(if last == '0' { '1' } else { '0' });
    for wrong in [guess.as_str(), &welcome.session, "", ".", "a.b"] {
        let token = ResumeToken(wrong.to_owned());
        let (mut other, begun) = Client::resuming(&server, &token).await;
        assert!(!begun.resumed, "{wrong}");
        other.is_served().await;
    }
    // Guessing has not harmed the session, nor its token.
    client.is_served().await;
    let (_, resumed) = Client::resuming(&server, &welcome.token).await;
    assert!(resumed.resumed);
}

#[tokio::test]
async fn the_newer_connection_wins() {
    let server = start(config()).await;
    let (mut old, first) = Client::greeted(&server).await;
    let (mut new, second) = Client::resuming(&server, &first.token).await;
    assert!(second.resumed);
    assert_eq!(old.closed().await, 4003);
    new.is_served().await;
}

#[tokio::test]
async fn the_seat_is_kept_and_the_whole_room_is_shown_again() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, welcome) = Client::greeted(&server).await;
    let (ann_id, _) = ann.join("tea").await;
    let (bob_id, _) = bob.join("tea").await;
    ann.receive().await;
    bob.drop_connection().await;

    // Somebody comes while nobody can tell Bob.
    let (mut cid, _) = Client::greeted(&server).await;
    let (cid_id, room) = cid.join("tea").await;
    assert_eq!(room.participants.len(), 3);
    let (mut bob, _) = Client::resuming(&server, &welcome.token).await;
    let (own, room) = bob.joined().await;
    assert_eq!(own, bob_id);
    let ids: Vec<_> = room.participants.iter().map(|p| &p.id.0).collect();
    assert_eq!(ids, [&ann_id, &bob_id, &cid_id]);
    bob.is_served().await;

    // To Ann, Bob never left.
    let (mut cid_came, mut bob_is) = (false, None);
    while !cid_came || bob_is != Some(ParticipantState::Connected) {
        match ann.receive().await {
            ServerMessage::ParticipantJoined { participant } => {
                assert_eq!(participant.id.0, cid_id);
                cid_came = true;
            }
            ServerMessage::ParticipantUpdated { participant } => {
                assert_eq!(participant.id.0, bob_id);
                bob_is = Some(participant.state);
            }
            other => panic!("{other:?}"),
        }
    }
    ann.is_served().await;
}

#[tokio::test]
async fn a_session_that_nobody_resumes_ends() {
    let server = start(with(|config| {
        config.signalling.resume_time = Duration::from_millis(50)
    }))
    .await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, welcome) = Client::greeted(&server).await;
    ann.join("tea").await;
    let (bob_id, _) = bob.join("tea").await;
    ann.receive().await;
    bob.drop_connection().await;
    // That Bob is seen to leave is the end of his session.
    loop {
        match ann.receive().await {
            ServerMessage::ParticipantUpdated { participant } => {
                assert_eq!(participant.state, ParticipantState::Reconnecting);
            }
            ServerMessage::ParticipantLeft { participant, .. } => {
                assert_eq!(participant.0, bob_id);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    let (_, late) = Client::resuming(&server, &welcome.token).await;
    assert!(!late.resumed);
}

#[tokio::test]
async fn a_client_that_says_goodbye_does_not_come_back() {
    let server = start(config()).await;
    for code in [1000_u16, 1001] {
        let (mut client, welcome) = Client::greeted(&server).await;
        let goodbye = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        client.send_frame(Message::Close(Some(goodbye))).await;
        assert_eq!(client.closed().await, code);
        client.drop_connection().await;
        let (_, again) = Client::resuming(&server, &welcome.token).await;
        assert!(!again.resumed, "{code}");
    }
}

//! What is said in a room, who may say what is to be done there, and what becomes of both when a
//! WebSocket is gone.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use ferrite_protocol::{ErrorCode, LeaveCause, ParticipantState, Right, ServerMessage};
use ferrite_server::auth::Grants;
use serde_json::json;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use crate::support::keys::closed;
use crate::support::{Client, PATIENCE, config, start, with};

mod support;

async fn say(client: &mut Client, text: &str) {
    let say = json!({"type": "say", "topic": "chat", "text": text});
    client.send_text(&say.to_string()).await;
}

/// The text of the next message; what else comes before it is skipped.
async fn heard(client: &mut Client) -> (u64, String) {
    loop {
        if let ServerMessage::Said { message } = client.receive_message().await {
            return (message.number, message.text);
        }
    }
}

async fn done(client: &mut Client) {
    loop {
        match client.receive_message().await {
            ServerMessage::Done { .. } => return,
            ServerMessage::Error { code, message, .. } => panic!("{code}: {message}"),
            _ => {}
        }
    }
}

/// What a client is refused with; what else comes before it is skipped.
async fn refused(client: &mut Client) -> (ErrorCode, String) {
    loop {
        if let ServerMessage::Error { code, message, .. } = client.receive_message().await {
            return (code, message);
        }
    }
}

async fn had_to_leave(client: &mut Client) -> (Option<LeaveCause>, Option<String>) {
    loop {
        if let ServerMessage::Left { cause, reason, .. } = client.receive_message().await {
            return (cause, reason);
        }
    }
}

#[tokio::test]
async fn everybody_hears_the_same_in_the_same_order_and_late_joiners_what_was_said_last() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    let (ann_id, _) = ann.join("tea").await;
    bob.join("tea").await;
    for n in 0..20 {
        say(&mut ann, &format!("ann {n}")).await;
        say(&mut bob, &format!("bob {n}")).await;
    }
    let (mut of_ann, mut of_bob) = (Vec::new(), Vec::new());
    for _ in 0..40 {
        of_ann.push(heard(&mut ann).await);
        of_bob.push(heard(&mut bob).await);
    }
    assert_eq!(of_ann, of_bob);
    assert!(of_ann.is_sorted_by(|a, b| a.0 < b.0));
    let (mut cid, _) = Client::greeted(&server).await;
    cid.send_text(r#"{"type":"join","room":"tea"}"#).await;
    let ServerMessage::Joined { messages, .. } = cid.receive().await else {
        panic!("not joined");
    };
    let told: Vec<_> = messages
        .into_iter()
        .map(|it| (it.number, it.text))
        .collect();
    assert_eq!(told, of_ann);
    // What is for one is for nobody else.
    let whisper = json!({"type": "say", "to": [ann_id], "topic": "chat", "text": "psst"});
    cid.send_text(&whisper.to_string()).await;
    done(&mut cid).await;
    say(&mut cid, "aloud").await;
    assert_eq!(heard(&mut ann).await.1, "psst");
    assert_eq!(heard(&mut ann).await.1, "aloud");
    assert_eq!(heard(&mut bob).await.1, "aloud");
}

#[tokio::test]
async fn who_comes_back_is_told_what_was_missed_once_and_others_see_that_they_were_away() {
    let server = start(config()).await;
    let (mut ann, welcome) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    let (ann_id, _) = ann.join("tea").await;
    bob.join("tea").await;
    say(&mut bob, "before").await;
    let (last, _) = heard(&mut ann).await;
    ann.drop_connection().await;
    loop {
        if let ServerMessage::ParticipantUpdated { participant } = bob.receive_message().await {
            assert_eq!(participant.id.0, ann_id);
            assert_eq!(participant.state, ParticipantState::Reconnecting);
            break;
        }
    }
    for text in ["missed", "missed, too"] {
        say(&mut bob, text).await;
        done(&mut bob).await;
    }
    let mut ann = Client::connect(&server).await;
    let hello = json!({
        "type": "hello",
        "version": 1,
        "resumeToken": welcome.token.0,
        "lastMessage": last,
    });
    ann.send_text(&hello.to_string()).await;
    let messages = loop {
        if let ServerMessage::Joined { messages, .. } = ann.receive_message().await {
            break messages;
        }
    };
    let texts: Vec<_> = messages.iter().map(|message| &message.text[..]).collect();
    assert_eq!(texts, ["missed", "missed, too"]);
    say(&mut bob, "after").await;
    assert_eq!(heard(&mut ann).await.1, "after");
    loop {
        if let ServerMessage::ParticipantUpdated { participant } = bob.receive_message().await {
            assert_eq!(participant.state, ParticipantState::Connected);
            break;
        }
    }
}

#[tokio::test]
async fn everybody_is_told_what_they_may_do() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    let all = [
        Right::Publish,
        Right::Subscribe,
        Right::Say,
        Right::Moderate,
    ];
    assert_eq!(rights_in_tea(&mut ann).await, all);
    assert_eq!(rights_in_tea(&mut bob).await, all[..3]);
}

async fn rights_in_tea(client: &mut Client) -> Vec<Right> {
    client.send_text(r#"{"type":"join","room":"tea"}"#).await;
    match client.receive().await {
        ServerMessage::Joined { may, .. } => may,
        other => panic!("expected to have joined, got {other:?}"),
    }
}

#[tokio::test]
async fn who_came_first_may_send_others_away_with_a_reason() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    let (ann_id, _) = ann.join("tea").await;
    let (bob_id, _) = bob.join("tea").await;
    let kick = json!({"type": "kick", "participant": ann_id});
    bob.send_text(&kick.to_string()).await;
    let (code, message) = refused(&mut bob).await;
    assert_eq!(code, ErrorCode::NotAllowed);
    assert_eq!(message, "this participant may not moderate this room");
    let kick = json!({"type": "kick", "participant": bob_id, "reason": "enough"});
    ann.send_text(&kick.to_string()).await;
    done(&mut ann).await;
    let expected = (Some(LeaveCause::Kicked), Some("enough".to_owned()));
    assert_eq!(had_to_leave(&mut bob).await, expected);
    // The session goes on, and another room is open to it.
    bob.join("coffee").await;
    ann.send_text(r#"{"type":"endRoom","reason":"late"}"#).await;
    let expected = (Some(LeaveCause::RoomEnded), Some("late".to_owned()));
    assert_eq!(had_to_leave(&mut ann).await, expected);
    bob.is_served().await;
}

#[tokio::test]
async fn who_is_sent_away_while_not_there_is_told_on_coming_back() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, welcome) = Client::greeted(&server).await;
    ann.join("tea").await;
    let (bob_id, _) = bob.join("tea").await;
    bob.drop_connection().await;
    let kick = json!({"type": "kick", "participant": bob_id});
    ann.send_text(&kick.to_string()).await;
    done(&mut ann).await;
    let (mut bob, resumed) = Client::resuming(&server, &welcome.token).await;
    assert!(resumed.resumed);
    assert_eq!(
        had_to_leave(&mut bob).await,
        (Some(LeaveCause::Kicked), None)
    );
    bob.join("tea").await;
}

/// Why a client is told that it was muted, or that it is in its room again; what else comes before is skipped.
async fn muted_or_back(client: &mut Client) -> Option<Option<String>> {
    let telling = async {
        loop {
            match client.receive_message().await {
                ServerMessage::Muted {
                    publication,
                    reason,
                } => {
                    assert!(publication.0.ends_with("/mic"), "{publication:?}");
                    return Some(reason);
                }
                ServerMessage::Joined { .. } => return None,
                ServerMessage::Error { code, message, .. } => panic!("{code}: {message}"),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, telling).await.expect("it was not told")
}

#[tokio::test]
async fn who_is_muted_by_another_is_told_why_and_nobody_else_is() {
    let server = start(config()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, welcome) = Client::greeted(&server).await;
    ann.join("tea").await;
    let (bob_id, _) = bob.join("tea").await;
    bob.publish_microphone().await;
    let mute = |reason: Option<&str>| {
        let publication = format!("{bob_id}/mic");
        let mute = json!({"type": "mutePublication", "publication": publication, "reason": reason});
        mute.to_string()
    };
    ann.send_text(&mute(Some("there is an echo"))).await;
    let reason = muted_or_back(&mut bob).await;
    assert_eq!(reason, Some(Some("there is an echo".to_owned())));
    ann.send_text(&mute(None)).await;
    assert_eq!(muted_or_back(&mut bob).await, Some(None));
    // Of what happens while he is away he is told what still is so when he comes back.
    bob.drop_connection().await;
    for reason in ["first", "last"] {
        ann.send_text(&mute(Some(reason))).await;
    }
    ann.send_text(&mute(Some(&"x".repeat(513)))).await;
    loop {
        match ann.receive_message().await {
            ServerMessage::Error { code, .. } => break assert_eq!(code, ErrorCode::LimitExceeded),
            ServerMessage::Muted { .. } => panic!("she was not muted"),
            _ => {}
        }
    }
    let (mut bob, welcome) = Client::resuming(&server, &welcome.token).await;
    assert_eq!(muted_or_back(&mut bob).await, None);
    let last = Some(Some("last".to_owned()));
    assert_eq!(muted_or_back(&mut bob).await, last);
    // For all the server knows, that went into a WebSocket which was gone already.
    bob.drop_connection().await;
    let (mut bob, _) = Client::resuming(&server, &welcome.token).await;
    assert_eq!(muted_or_back(&mut bob).await, None);
    assert_eq!(muted_or_back(&mut bob).await, last);
}

/// More than the room keeps, and than the systems between two ends hold for one of them.
const MUCH: u64 = 20 * 1024 * 1024;

#[tokio::test]
async fn who_reads_too_slowly_is_let_go_and_nobody_waits_for_them() {
    let config = with(|config| {
        config.limits.message_rate = 1_000_000;
        // Who reads nothing answers no ping, and is not to be let go for that.
        config.signalling.ping_interval = PATIENCE;
    });
    let server = start(config).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    let stream = socket.connect(server.addr()).await.unwrap();
    let mut slow = Client::over(stream, server.addr()).await;
    let welcome = slow.hello(None).await;
    for client in [&mut ann, &mut bob, &mut slow] {
        client.join("tea").await;
    }
    // While one of them reads nothing at all, the others hear everything.
    let text = "x".repeat(16 * 1024);
    for _ in 0..MUCH / text.len() as u64 {
        say(&mut ann, &text).await;
        let (of_ann, of_bob) = (heard(&mut ann).await, heard(&mut bob).await);
        assert_eq!(of_ann, of_bob);
    }
    let mut told = 0;
    let is_told = async {
        loop {
            match slow.receive_message().await {
                ServerMessage::Said { .. } => told += 1,
                ServerMessage::Error { code, message, .. } => break (code, message),
                _ => {}
            }
        }
    };
    let (code, message) = timeout(PATIENCE, is_told).await.unwrap();
    assert!(told < MUCH / text.len() as u64, "it was not slow");
    assert_eq!(code, ErrorCode::LimitExceeded, "{message}");
    assert_eq!(slow.closed().await, 4001);
    // It is gone for good, and the others go on.
    let (_, welcome) = Client::resuming(&server, &welcome.token).await;
    assert!(!welcome.resumed);
    say(&mut bob, "after").await;
    assert_eq!(heard(&mut ann).await.1, "after");
}

async fn join_with(client: &mut Client, room: &str, token: Option<&str>) {
    let join = json!({"type": "join", "room": room, "name": "somebody", "token": token});
    client.send_text(&join.to_string()).await;
}

#[tokio::test]
async fn with_a_key_nobody_gets_in_without_a_token_of_the_room() {
    let (server, mint) = closed(|_| ()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let good = mint.token("ann", Grants::all());
    let forged = format!("{}x", &good[..good.len() - 1]);
    for (room, token) in [
        ("tea", None),
        ("tea", Some(&forged[..])),
        ("coffee", Some(&good[..])),
    ] {
        join_with(&mut ann, room, token).await;
        let (code, message) = refused(&mut ann).await;
        assert_eq!(code, ErrorCode::NotAllowed, "{message}");
        assert!(!message.contains(&good[..20]), "{message}");
    }
    join_with(&mut ann, "tea", Some(&good)).await;
    let (id, room) = ann.joined().await;
    assert_eq!(
        (&id[..], room.participants[0].name.as_deref()),
        ("ann", Some("ANN"))
    );
}

#[tokio::test]
async fn a_token_says_what_its_bearer_may_do_and_another_says_it_anew() {
    let (server, mint) = closed(|_| ()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    join_with(&mut ann, "tea", Some(&mint.token("ann", Grants::all()))).await;
    ann.joined().await;
    let silent = Grants {
        publish_data: false,
        update_own_metadata: false,
        admin: false,
        ..Grants::all()
    };
    join_with(&mut bob, "tea", Some(&mint.token("bob", silent.clone()))).await;
    bob.joined().await;
    for request in [
        json!({"type": "say", "topic": "chat", "text": "hello"}),
        json!({"type": "update", "name": "Robert"}),
        json!({"type": "kick", "participant": "ann"}),
        json!({"type": "endRoom"}),
    ] {
        bob.send_text(&request.to_string()).await;
        assert_eq!(
            refused(&mut bob).await.0,
            ErrorCode::NotAllowed,
            "{request}"
        );
    }
    // Somebody else's token is no better than none.
    let others = json!({"type": "authorize", "token": mint.token("ann", Grants::all())});
    bob.send_text(&others.to_string()).await;
    assert_eq!(refused(&mut bob).await.0, ErrorCode::NotAllowed);
    let loud = Grants {
        publish_data: true,
        ..silent
    };
    let authorize = json!({"type": "authorize", "token": mint.token("bob", loud)});
    bob.send_text(&authorize.to_string()).await;
    done(&mut bob).await;
    say(&mut bob, "hello").await;
    assert_eq!(heard(&mut ann).await.1, "hello");
}

#[tokio::test]
async fn an_identity_that_comes_again_takes_the_place_of_the_first() {
    let (server, mint) = closed(|_| ()).await;
    let (mut first, _) = Client::greeted(&server).await;
    let (mut second, _) = Client::greeted(&server).await;
    let token = mint.token("ann", Grants::all());
    join_with(&mut first, "tea", Some(&token)).await;
    first.joined().await;
    join_with(&mut second, "tea", Some(&token)).await;
    let (_, room) = second.joined().await;
    assert_eq!(room.participants.len(), 1);
    let expected = (Some(LeaveCause::JoinedElsewhere), None);
    assert_eq!(had_to_leave(&mut first).await, expected);
    second.is_served().await;
}

//! Members of a room send one another bytes over data channels, by peers that share no code with the
//! server, on a server with two media threads.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use ferrite_protocol::{ErrorCode, ServerMessage};
use ferrite_server::auth::Grants;
use ferrite_server::{Config, Server};
use serde_json::json;
use tokio::time::timeout;

use crate::support::keys::closed;
use crate::support::talker::{Came, LOSSY, RELIABLE, Talker};
use crate::support::{PATIENCE, start, with};

mod support;

fn two_threads() -> Config {
    with(|config| config.media.shards = 2)
}

/// So many members of one room. With six of them, the kernel hardly gives all to one thread.
async fn members(server: &Server, count: usize) -> Vec<Talker> {
    let mut members = Vec::new();
    for _ in 0..count {
        members.push(Talker::enter(server, "tea", None).await);
    }
    members
}

fn came(label: &str, from: &Talker, is_private: bool, payload: &[u8]) -> Came {
    Came {
        label: label.to_owned(),
        from: from.id.clone(),
        is_private,
        topic: "t".to_owned(),
        payload: payload.to_vec(),
    }
}

/// What the client is refused with next.
async fn refused(talker: &mut Talker) -> (ErrorCode, String) {
    let refusal = async {
        loop {
            if let ServerMessage::Error { code, message, .. } =
                talker.client.receive_message().await
            {
                return (code, message);
            }
        }
    };
    timeout(PATIENCE, refusal)
        .await
        .expect("it was not refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_member_sends_reaches_whom_it_is_for_and_says_whom_it_is_from() {
    let server = start(two_threads()).await;
    let members = members(&server, 6).await;
    let elsewhere = Talker::enter(&server, "coffee", None).await;
    for label in [RELIABLE, LOSSY] {
        let (ann, others) = members.split_first().unwrap();
        ann.send(label, None, "t", b"all");
        for other in others {
            other.hears(1);
            assert_eq!(other.take(), [came(label, ann, false, b"all")]);
        }
        let some = [ann.id.as_str(), &others[1].id, &others[4].id, "nobody"];
        others[0].send(label, Some(&some), "t", b"some");
        // What comes after it shows that nothing came before.
        for at in [0, 2, 5] {
            members[at].hears(1);
            assert_eq!(members[at].take(), [came(label, &others[0], true, b"some")]);
        }
        others[0].send(label, None, "t", b"after");
        for member in members.iter().filter(|it| it.id != others[0].id) {
            member.hears(1);
            assert_eq!(member.take(), [came(label, &others[0], false, b"after")]);
        }
        assert_eq!(others[0].count(), 0, "it was sent its own");
    }
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn reliable_messages_all_come_and_to_all_in_one_order() {
    let server = start(two_threads()).await;
    let members = members(&server, 4).await;
    let [ann, bob, cid, dan] = &members[..] else {
        unreachable!()
    };
    for n in 0..300_u32 {
        for sender in [ann, bob] {
            // Now and then a long one.
            let mut payload = n.to_be_bytes().to_vec();
            payload.resize(if n % 50 == 7 { 60 * 1024 } else { 4 }, 7);
            sender.send(RELIABLE, None, "t", &payload);
        }
    }
    cid.hears(600);
    dan.hears(600);
    let of_cid = cid.take();
    assert!(of_cid == dan.take(), "they came in two orders");
    for sender in [ann, bob] {
        let theirs = of_cid.iter().filter(|it| it.from == sender.id);
        let numbers = theirs.map(|it| u32::from_be_bytes(*it.payload.first_chunk().unwrap()));
        assert!(numbers.eq(0..300));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_peer_connection_takes_the_place_of_the_first() {
    let server = start(two_threads()).await;
    let mut members = members(&server, 2).await;
    for n in 0..3 {
        members[1].call().await;
        for (from, to) in [(0, 1), (1, 0)] {
            for label in [RELIABLE, LOSSY] {
                members[from].send(label, None, "t", &[n]);
                members[to].hears(1);
                let expected = came(label, &members[from], false, &[n]);
                assert_eq!(members[to].take(), [expected]);
            }
        }
    }
    members[0].client.send_text(r#"{"type":"leave"}"#).await;
    loop {
        if let ServerMessage::Left { .. } = members[0].client.receive_message().await {
            break;
        }
    }
    members[0].send(RELIABLE, None, "t", b"who is there?");
    let (code, _) = refused(&mut members[0]).await;
    assert_eq!(code, ErrorCode::BadState);
    let [ann, bob] = &mut members[..] else {
        unreachable!()
    };
    bob.send(RELIABLE, None, "t", b"nobody");
    bob.send(LOSSY, None, "t", b"nobody");
    // The answer to what is sent after it shows that it was taken.
    bob.send_raw(RELIABLE, vec![0]);
    assert_eq!(refused(bob).await.0, ErrorCode::BadMessage);
    // What comes on coming back is what is sent then.
    ann.client
        .send_text(r#"{"type":"join","room":"tea"}"#)
        .await;
    while !matches!(
        ann.client.receive_message().await,
        ServerMessage::Joined { .. }
    ) {}
    for label in [RELIABLE, LOSSY] {
        bob.send(label, None, "t", b"again");
        ann.hears(1);
        assert_eq!(ann.take(), [came(label, bob, false, b"again")]);
    }
    assert_eq!(bob.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_reliable_message_is_said_and_the_session_goes_on() {
    let server = start(two_threads()).await;
    let mut members = members(&server, 2).await;
    for (message, expected) in [
        (vec![9, 9], ErrorCode::BadMessage),
        (vec![1, 2, 0], ErrorCode::BadMessage),
        (
            [&[1, 1, 0][..], &[0; 60 * 1024 + 1]].concat(),
            ErrorCode::LimitExceeded,
        ),
    ] {
        members[0].send_raw(LOSSY, message.clone());
        members[0].send_raw(RELIABLE, message);
        let (code, message) = refused(&mut members[0]).await;
        assert_eq!(code, expected, "{message}");
    }
    // Too long for this channel alone.
    members[0].send(LOSSY, None, "t", &[7; 8 * 1024]);
    members[0].send(LOSSY, None, "t", b"after");
    members[1].hears(1);
    assert_eq!(
        members[1].take(),
        [came(LOSSY, &members[0], false, b"after")]
    );
}

fn who_may_send(may_send: bool) -> Grants {
    Grants {
        publish_data: may_send,
        ..Grants::all()
    }
}

/// Another token says whether a member may send.
async fn authorize(talker: &mut Talker, token: &str) {
    let authorize = json!({"type": "authorize", "token": token});
    talker.client.send_text(&authorize.to_string()).await;
    while !matches!(
        talker.client.receive_message().await,
        ServerMessage::Done { .. }
    ) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_send_anything_sends_nothing() {
    let (server, mint) = closed(|config| config.media.shards = 2).await;
    let may = mint.token("bob", who_may_send(true));
    let may_not = mint.token("bob", who_may_send(false));
    let of_ann = mint.token("ann", who_may_send(true));
    let ann = Talker::enter(&server, "tea", Some(&of_ann)).await;
    let mut bob = Talker::enter(&server, "tea", Some(&may_not)).await;
    bob.send(LOSSY, None, "t", b"not");
    bob.send(RELIABLE, None, "t", b"not");
    assert_eq!(refused(&mut bob).await.0, ErrorCode::NotAllowed);
    // It may listen.
    ann.send(LOSSY, None, "t", b"hello");
    bob.hears(1);
    authorize(&mut bob, &may).await;
    for label in [RELIABLE, LOSSY] {
        bob.send(label, None, "t", b"now");
        ann.hears(1);
        assert_eq!(ann.take(), [came(label, &bob, false, b"now")]);
    }
    authorize(&mut bob, &may_not).await;
    bob.send(RELIABLE, None, "t", b"no more");
    assert_eq!(refused(&mut bob).await.0, ErrorCode::NotAllowed);
    bob.send(LOSSY, None, "t", b"no more");
    // It was taken, and dropped, where what comes on the other channel after it is.
    bob.send(RELIABLE, None, "t", b"no more");
    assert_eq!(refused(&mut bob).await.0, ErrorCode::NotAllowed);
    authorize(&mut bob, &may).await;
    bob.send(LOSSY, None, "t", b"again");
    ann.hears(1);
    assert_eq!(ann.take(), [came(LOSSY, &bob, false, b"again")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_reliable_messages_too_slowly_is_told_and_let_go_and_nobody_waits() {
    let server = start(two_threads()).await;
    let mut members = members(&server, 3).await;
    members[2].stand_still(true);
    // Far more than is kept for anybody, at the pace at which another one reads it.
    let payload = [7; 60 * 1024];
    for n in 0..200 {
        members[0].send(RELIABLE, None, "t", &payload);
        if n >= 8 {
            members[1].hears(n - 8);
        }
    }
    members[1].hears(200);
    let slow = &mut members[2];
    let parting = async {
        let told = refused(slow).await;
        (told, refused(slow).await, slow.client.closed().await)
    };
    let (told, last, code) = timeout(PATIENCE, parting).await.unwrap();
    assert_eq!(
        (told.0, last.0),
        (ErrorCode::LimitExceeded, ErrorCode::LimitExceeded)
    );
    assert!(told.1.contains("faster than it is read"), "{}", told.1);
    assert!(last.1.contains("is kept for who reads"), "{}", last.1);
    assert_eq!(code, 4001);
    members[1].take();
    members[0].send(RELIABLE, None, "t", b"after");
    members[1].hears(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_lossy_messages_slowly_gets_the_newest_and_nobody_waits() {
    const COUNT: u32 = 600;
    let server = start(two_threads()).await;
    let members = members(&server, 3).await;
    let [sender, fast, slow] = &members[..] else {
        unreachable!()
    };
    let number = |it: &Came| u32::from_be_bytes(*it.payload.first_chunk().unwrap());
    slow.stand_still(true);
    for n in 0..COUNT {
        let mut payload = n.to_be_bytes().to_vec();
        payload.resize(1000, 7);
        sender.send(LOSSY, None, "t", &payload);
        // At a pace that is allowed, and that the other one keeps up with.
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    let last = |talker: &Talker| talker.last().as_ref().map(number);
    fast.until("the last", |talker| last(talker) == Some(COUNT - 1));
    // On loopback hardly anything is lost, but where the machine is busy with something else the other one is slow, too.
    assert!(fast.count() as u32 > COUNT / 2, "{}", fast.count());
    slow.stand_still(false);
    slow.until("the last", |talker| last(talker) == Some(COUNT - 1));
    let came = slow.take();
    let old = came.iter().filter(|it| number(it) < COUNT - 64).count();
    // What was under way when it stood still.
    assert!(old < 100, "{old} old ones were kept");
}

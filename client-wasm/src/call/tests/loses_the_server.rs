//! The WebSocket breaks, and media goes on; the server goes away, or forgets.

use super::*;

#[test]
fn media_goes_on_while_the_server_is_away() {
    let mut rig = Rig::connected();
    assert_eq!(rig.feed(Input::SocketClosed { code: 1006 }), []);
    assert_eq!(rig.phase(), Phase::Connected);
    assert_eq!(rig.call.status().link, LinkState::Waiting);
    assert_eq!(rig.problem(), Some(Problem::ServerAway));
    assert_eq!(rig.relink(true), []);
    assert_eq!(rig.problem(), None);
    assert_eq!(rig.call.status().link, LinkState::Ready);
}

#[test]
fn a_server_that_forgot_the_session_gets_a_new_peer() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    // No hang-up: there is nothing the server could hang up.
    let effects = [Effect::BeginSession, Effect::ClosePeer, create()];
    assert_eq!(rig.relink(false), effects);
    assert_eq!(rig.phase(), Phase::Reconnecting);
}

#[test]
fn going_away_is_taken_at_its_word() {
    let mut rig = Rig::connected();
    let away = ServerMessage::GoingAway {
        retry_after_ms: 7_000,
    };
    let leave = Effect::Disconnect(CloseCode::TimedOut);
    assert_eq!(rig.hear(away), [leave]);
    assert_eq!(rig.problem(), Some(Problem::ServerRestarting));
    assert!(rig.timers[&Timer::Link] >= rig.now + Duration::from_secs(7));
    assert_eq!(rig.fire(Timer::Link), [Effect::Connect]);
}

#[test]
fn trying_again_does_not_wait() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.feed(Input::Retry), [Effect::Connect]);
    assert_eq!(rig.feed(Input::Retry), []);
}

#[test]
fn without_a_network_that_is_said() {
    let mut rig = Rig::connected();
    rig.feed(Input::Online(false));
    assert_eq!(rig.problem(), None);
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.problem(), Some(Problem::Offline));
    assert_eq!(rig.feed(Input::Online(true)), [Effect::Connect]);
}

#[test]
fn another_version_ends_the_attempts() {
    let mut rig = Rig::new();
    rig.feed(Input::Start);
    rig.feed(Input::SocketOpened);
    let refusal = ServerMessage::Error {
        id: None,
        code: ErrorCode::VersionMismatch,
        message: "1 and 2".to_owned(),
    };
    rig.hear(refusal);
    rig.feed(Input::SocketClosed {
        code: CloseCode::VersionMismatch as u16,
    });
    assert_eq!(rig.phase(), Phase::Failed);
    assert_eq!(
        rig.problem(),
        Some(Problem::OtherVersion("1 and 2".to_owned()))
    );
    assert!(!rig.timers.contains_key(&Timer::Link));
}

#[test]
fn a_page_that_is_refused_is_told_so_and_does_not_try_again() {
    let mut rig = Rig::new();
    rig.feed(Input::Start);
    rig.feed(Input::SocketOpened);
    let refusal = ServerMessage::Error {
        id: None,
        code: ErrorCode::Refused,
        message: "not from there".to_owned(),
    };
    let leave = Effect::Disconnect(CloseCode::Normal);
    assert_eq!(rig.hear(refusal), [leave, Effect::BeginSession]);
    assert_eq!(rig.phase(), Phase::Failed);
    assert_eq!(rig.call.status().link, LinkState::Stopped);
    let words = "not from there".to_owned();
    assert_eq!(rig.problem(), Some(Problem::Refused(words)));
    assert!(!rig.timers.contains_key(&Timer::Link));
}

#[test]
fn an_offer_lost_with_the_link_is_made_again() {
    let (mut rig, id) = Rig::asking();
    rig.feed(Input::SocketClosed { code: 1006 });
    assert!(!rig.timers.contains_key(&Timer::Answer));
    assert_eq!(rig.relink(true), [Effect::MakeOffer]);
    let again = offered(&rig.feed(Input::OfferMade(Ok(offer("offer")))));
    assert_ne!(again, id);
    assert_eq!(rig.hear(answer(id)), []);
}

#[test]
fn an_offer_made_while_the_link_is_down_is_made_anew() {
    let mut rig = Rig::linked();
    rig.feed(Input::NegotiationNeeded);
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.feed(Input::OfferMade(Ok(offer("offer")))), []);
    rig.feed(Input::LocalCandidate(Some(candidate("a"))));
    assert_eq!(rig.relink(true), [Effect::MakeOffer]);
    let effects = rig.feed(Input::OfferMade(Ok(offer("offer"))));
    assert_eq!(effects[1..], [send_candidate("a")]);
}

#[test]
fn candidates_gathered_without_a_link_follow_when_it_is_back() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.feed(Input::LocalCandidate(Some(candidate("a")))), []);
    assert_eq!(rig.relink(true), [send_candidate("a")]);
}

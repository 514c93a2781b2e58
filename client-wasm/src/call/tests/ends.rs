//! A call that is refused, not answered, hung up or closed.

use super::*;

#[test]
fn a_refused_offer_ends_the_call_with_the_servers_words() {
    let (mut rig, id) = Rig::asking();
    let other = ServerMessage::Error {
        id: None,
        code: ErrorCode::BadCandidate,
        message: "never mind".to_owned(),
    };
    assert_eq!(rig.hear(other), []);
    rig.hear(ServerMessage::Error {
        id: Some(id),
        code: ErrorCode::BadOffer,
        message: "no BUNDLE".to_owned(),
    });
    assert_eq!(rig.phase(), Phase::Failed);
    assert_eq!(
        rig.problem(),
        Some(Problem::Refused("no BUNDLE".to_owned()))
    );
    // Starting again is another attempt.
    assert_eq!(rig.feed(Input::Start), [create()]);
}

#[test]
fn an_answer_that_never_comes_ends_the_call() {
    let (mut rig, _) = Rig::asking();
    assert_eq!(rig.fire(Timer::Answer), [ping()]);
    rig.hear(ServerMessage::Pong { id: None });
    rig.fire(Timer::Answer);
    assert_eq!(rig.phase(), Phase::Failed);
    assert_eq!(rig.problem(), Some(Problem::NoAnswer));
}

#[test]
fn an_answer_lost_with_a_link_that_went_silent_is_asked_for_again() {
    let (mut rig, _) = Rig::asking();
    rig.fire(Timer::Answer);
    assert!(rig.timers[&Timer::Link] < rig.timers[&Timer::Answer]);
    rig.fire(Timer::Link);
    assert_eq!(rig.relink_now(true), [Effect::MakeOffer]);
    offered(&rig.feed(Input::OfferMade(Ok(offer("offer")))));
    assert_eq!(rig.fire(Timer::Answer), [ping()]);
}

#[test]
fn hanging_up_keeps_the_link() {
    let mut rig = Rig::connected();
    let effects = rig.feed(Input::HangUp);
    assert!(is_hang_up(&effects[0]));
    assert_eq!(effects[1..], [Effect::ClosePeer]);
    assert_eq!(rig.phase(), Phase::Idle);
    assert_eq!(rig.feed(Input::Start), [create()]);
}

#[test]
fn closing_is_for_good() {
    let mut rig = Rig::connected();
    let effects = rig.feed(Input::Close);
    assert!(effects.contains(&Effect::ClosePeer));
    assert!(effects.contains(&Effect::Disconnect(CloseCode::Normal)));
    assert_eq!(rig.phase(), Phase::Closed);
    assert!(rig.timers.is_empty());
    assert_eq!(rig.feed(Input::Start), []);
}

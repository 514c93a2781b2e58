//! The path breaks or the network changes: ICE restarts, then a new peer connection, then the end.

use ferrite_protocol::Cause;

use super::*;

#[test]
fn a_broken_path_is_repaired_at_once_and_the_link_asked() {
    let mut rig = Rig::connected();
    let effects = rig.feed(Input::PeerState(PeerState::Disconnected));
    assert_eq!(effects, [ping(), Effect::RestartIce]);
    assert_eq!(rig.phase(), Phase::Reconnecting);
    rig.feed(Input::PeerState(PeerState::Connected));
    assert!(!rig.timers.contains_key(&Timer::Path));
}

#[test]
fn another_network_gets_a_socket_and_a_path_before_the_old_ones_are_missed() {
    let mut rig = Rig::connected();
    assert_eq!(rig.feed(Input::Online(false)), [ping()]);
    let renewed = [Effect::Disconnect(CloseCode::TimedOut), Effect::Connect];
    assert_eq!(rig.feed(Input::Online(true)), renewed);
    // Nothing is wrong yet that the user should know.
    assert_eq!((rig.phase(), rig.problem()), (Phase::Connected, None));
    assert_eq!(rig.relink_now(true), [Effect::RestartIce]);
    assert_eq!(rig.feed(Input::NegotiationNeeded), [Effect::MakeOffer]);
}

#[test]
fn whatever_the_old_network_cost_counts_for_nothing_in_the_new_one() {
    let mut rig = Rig::connected();
    rig.feed(Input::PeerState(PeerState::Disconnected));
    rig.fire(Timer::Path);
    rig.feed(Input::Online(true));
    assert_eq!(rig.relink_now(true), [Effect::RestartIce]);
    assert_eq!(rig.fire(Timer::Path), [Effect::RestartIce]);
}

#[test]
fn a_restart_whose_offer_went_into_a_dead_link_is_ordered_once() {
    let mut rig = Rig::connected();
    rig.feed(Input::PeerState(PeerState::Disconnected));
    assert_eq!(rig.feed(Input::NegotiationNeeded), [Effect::MakeOffer]);
    offered(&rig.feed(Input::OfferMade(Ok(offer("offer")))));
    // The link does not answer the ping.
    let renewed = [Effect::Disconnect(CloseCode::TimedOut), Effect::Connect];
    assert_eq!(rig.fire(Timer::Link), renewed);
    assert_eq!(rig.relink_now(true), [Effect::MakeOffer]);
    assert_eq!(rig.feed(Input::PeerState(PeerState::Failed)), []);
}

#[test]
fn whether_the_server_is_reached_is_known_when_it_answers() {
    let mut rig = Rig::connected();
    assert!(rig.call.status().reached);
    rig.feed(Input::Online(false));
    assert!(!rig.call.status().reached);
    // The browser was wrong.
    rig.hear(ServerMessage::Pong { id: None });
    assert!(rig.call.status().reached);
    rig.feed(Input::Online(false));
    rig.fire(Timer::Link);
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.problem(), Some(Problem::Offline));
    assert_eq!(rig.phase(), Phase::Reconnecting);
    rig.feed(Input::Online(true));
    assert!(!rig.call.status().reached);
    rig.relink_now(true);
    assert!(rig.call.status().reached);
}

#[test]
fn a_network_lost_under_a_call_is_said() {
    let mut rig = Rig::connected();
    rig.feed(Input::Online(false));
    rig.feed(Input::PeerState(PeerState::Disconnected));
    assert_eq!(rig.problem(), Some(Problem::Offline));
    rig.feed(Input::PeerState(PeerState::Connected));
    assert_eq!(rig.problem(), None);
}

#[test]
fn a_broken_path_is_restarted_then_rebuilt_then_given_up() {
    let mut rig = Rig::connected();
    rig.feed(Input::PeerState(PeerState::Disconnected));
    // It is being repaired.
    assert_eq!(rig.feed(Input::PeerState(PeerState::Failed)), []);
    assert_eq!(rig.problem(), None);
    assert_eq!(rig.fire(Timer::Path), [Effect::RestartIce]);
    assert_eq!(rig.problem(), Some(Problem::SlowPath(None)));
    for _ in 0..2 {
        let effects = rig.fire(Timer::Path);
        assert!(is_hang_up(&effects[0]), "{effects:?}");
        assert_eq!(effects[1..], [Effect::ClosePeer, create()]);
        let id = {
            rig.feed(Input::NegotiationNeeded);
            offered(&rig.feed(Input::OfferMade(Ok(offer("offer")))))
        };
        rig.hear(answer(id));
        rig.feed(Input::AnswerApplied(Ok(())));
    }
    rig.fire(Timer::Path);
    assert_eq!(rig.phase(), Phase::Failed);
    assert_eq!(rig.problem(), Some(Problem::NoPath(None)));
    assert_eq!(rig.feed(Input::Retry), [create()]);
    assert_eq!(rig.phase(), Phase::Reconnecting);
}

#[test]
fn a_path_is_not_repaired_without_a_link() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    rig.feed(Input::PeerState(PeerState::Disconnected));
    assert!(!rig.timers.contains_key(&Timer::Path));
    assert_eq!(rig.relink(true), [Effect::RestartIce]);
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.fire(Timer::Path), []);
    assert_eq!(rig.relink(true), [Effect::RestartIce]);
}

#[test]
fn a_slow_first_path_is_explained() {
    let (mut rig, id) = Rig::asking();
    rig.hear(answer(id));
    rig.feed(Input::AnswerApplied(Ok(())));
    rig.hear(sees(PeerState::New));
    rig.fire(Timer::Slow);
    let reason = Reason::Words("because".to_owned());
    assert_eq!(rig.problem(), Some(Problem::SlowPath(Some(reason))));
    rig.feed(Input::PeerState(PeerState::Connected));
    assert_eq!(rig.problem(), None);
}

#[test]
fn the_server_is_asked_why_and_what_it_makes_of_both_is_shown() {
    let (mut rig, id) = Rig::asking();
    rig.hear(answer(id));
    rig.feed(Input::AnswerApplied(Ok(())));
    assert_eq!(rig.fire(Timer::Slow), [Effect::Investigate]);
    let effects = rig.feed(Input::Saw(Box::default()));
    assert!(asks_why(&effects, false), "{effects:?}");
    rig.hear(explained());
    let reason = Reason::Explained(Cause::UdpBlocked, "UDP is blocked.".to_owned());
    assert_eq!(rig.problem(), Some(Problem::SlowPath(Some(reason))));
    // Each repair is looked at again.
    assert_eq!(rig.fire(Timer::Path), [Effect::RestartIce]);
    rig.feed(Input::NegotiationNeeded);
    let id = offered(&rig.feed(Input::OfferMade(Ok(offer("offer")))));
    rig.hear(answer(id));
    rig.feed(Input::AnswerApplied(Ok(())));
    assert_eq!(rig.fire(Timer::Slow), [Effect::Investigate]);
    rig.feed(Input::PeerState(PeerState::Connected));
    assert_eq!(rig.feed(Input::Saw(Box::default())), []);
    assert_eq!(rig.problem(), None);
    rig.hear(explained());
    rig.feed(Input::PeerState(PeerState::Failed));
    rig.fire(Timer::Path);
    assert_eq!(rig.problem(), Some(Problem::SlowPath(None)));
}

#[test]
fn what_worked_before_is_said_to_have() {
    let mut rig = Rig::connected();
    rig.feed(Input::PeerState(PeerState::Disconnected));
    let effects = rig.feed(Input::Saw(Box::default()));
    assert!(asks_why(&effects, true), "{effects:?}");
}

fn asks_why(effects: &[Effect], worked: bool) -> bool {
    matches!(effects, [Effect::Send(ClientMessage::Explain { seen, .. })] if seen.worked_before == worked)
}

fn explained() -> ServerMessage {
    ServerMessage::Explained {
        id: None,
        cause: Cause::UdpBlocked,
        text: "UDP is blocked.".to_owned(),
    }
}

#[test]
fn a_path_that_never_comes_is_given_up() {
    let (mut rig, id) = Rig::asking();
    rig.hear(answer(id));
    rig.feed(Input::AnswerApplied(Ok(())));
    rig.fire(Timer::Slow);
    let mut repairs = 0;
    while rig.phase() == Phase::Negotiating {
        let effects = rig.fire(Timer::Path);
        repairs += 1;
        assert!(repairs < 10);
        if effects.contains(&create()) {
            rig.feed(Input::NegotiationNeeded);
            let id = offered(&rig.feed(Input::OfferMade(Ok(offer("offer")))));
            rig.hear(answer(id));
            rig.feed(Input::AnswerApplied(Ok(())));
        }
    }
    assert_eq!(rig.problem(), Some(Problem::NoPath(None)));
}

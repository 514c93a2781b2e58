//! Nothing comes from the server any more, before ICE has missed it.

use super::*;

#[test]
fn a_server_that_answers_but_sends_nothing_gets_a_new_path_before_ice_misses_it() {
    let mut rig = Rig::silent();
    // It may have stood still for a moment.
    assert_eq!(rig.flows(false), []);
    rig.hear(ServerMessage::Pong { id: None });
    assert_eq!(rig.flows(false), [Effect::RestartIce]);
    // Once: what comes of it is for ICE to say.
    for _ in 0..100 {
        assert_eq!(rig.flows(false), []);
    }
    assert_eq!(rig.phase(), Phase::Connected);
    assert_eq!(rig.flows(true), []);
    assert!(!rig.timers.contains_key(&Timer::Path));
}

#[test]
fn a_server_that_stood_still_for_a_moment_is_not_called() {
    let mut rig = Rig::silent();
    assert_eq!(rig.flows(false), []);
    rig.hear(ServerMessage::Pong { id: None });
    for _ in 0..100 {
        assert_eq!(rig.flows(true), []);
    }
}

#[test]
fn a_network_that_changed_unseen_gets_a_socket_and_a_path() {
    let mut rig = Rig::silent();
    let renewed = [Effect::Disconnect(CloseCode::TimedOut), Effect::Connect];
    assert_eq!(rig.fire(Timer::Link), renewed);
    assert_eq!(rig.flows(false), []);
    assert_eq!(rig.phase(), Phase::Reconnecting);
    assert_eq!(rig.relink_now(true), [Effect::RestartIce]);
    assert_eq!(rig.flows(false), []);
    assert_eq!((rig.phase(), rig.problem()), (Phase::Connected, None));
}

/// A path may fall silent as often as it likes: each time is repaired like the first.
#[test]
fn silence_that_passed_counts_for_nothing() {
    let mut rig = Rig::silent();
    for _ in 0..10 {
        rig.hear(ServerMessage::Pong { id: None });
        assert_eq!(rig.flows(false), [Effect::RestartIce]);
        for _ in 0..10 {
            assert_eq!(rig.flows(true), []);
        }
        rig.flows(false);
        assert_eq!(rig.flows(false), [ping()]);
    }
}

#[test]
fn without_a_network_silence_waits_for_one() {
    let mut rig = Rig::connected();
    for _ in 0..10 {
        rig.flows(true);
    }
    assert_eq!(rig.feed(Input::Online(false)), [ping()]);
    for _ in 0..50 {
        assert_eq!(rig.flows(false), []);
    }
    let renewed = [Effect::Disconnect(CloseCode::TimedOut), Effect::Connect];
    assert_eq!(rig.feed(Input::Online(true)), renewed);
    assert_eq!(rig.relink_now(true), [Effect::RestartIce]);
}

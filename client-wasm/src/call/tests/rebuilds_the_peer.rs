//! What only a new peer connection mends.

use super::*;

#[test]
fn whoever_tries_again_instead_of_waiting_for_a_slow_path_gets_a_new_peer() {
    let (mut rig, id) = Rig::asking();
    rig.hear(answer(id));
    rig.feed(Input::AnswerApplied(Ok(())));
    rig.fire(Timer::Slow);
    let effects = rig.feed(Input::Retry);
    assert!(is_hang_up(&effects[0]));
    assert_eq!(effects[1..], [Effect::ClosePeer, create()]);
}

#[test]
fn a_peer_the_server_lost_is_rebuilt() {
    let mut rig = Rig::connected();
    let effects = rig.hear(sees(PeerState::Failed));
    assert!(is_hang_up(&effects[0]));
    assert_eq!(effects[1..], [Effect::ClosePeer, create()]);
    // What is still on its way about the old one does not touch the new one.
    assert_eq!(rig.hear(sees(PeerState::Closed)), []);
}

#[test]
fn a_peer_the_server_closed_on_leaving_is_rebuilt_when_it_is_back() {
    let mut rig = Rig::connected();
    let away = ServerMessage::GoingAway {
        retry_after_ms: 1_000,
    };
    rig.hear(away);
    assert_eq!(rig.feed(Input::PeerClosed), [Effect::ClosePeer]);
    assert_eq!(rig.phase(), Phase::Reconnecting);
    assert_eq!(rig.relink(false), [create()]);
}

#[test]
fn a_channel_that_closed_comes_back_with_a_new_peer() {
    let mut rig = Rig::connected();
    let effects = rig.feed(Input::ChannelClosed);
    assert!(is_hang_up(&effects[0]));
    assert_eq!(effects[1..], [Effect::ClosePeer, create()]);
    assert_eq!(rig.phase(), Phase::Reconnecting);
}

#[test]
fn a_channel_that_closes_again_and_again_does_not_interrupt_media_every_time() {
    let mut rig = Rig::connected();
    rig.feed(Input::ChannelClosed);
    rig.reconnects();
    rig.now += Duration::from_secs(59);
    assert_eq!(rig.feed(Input::ChannelClosed), []);
    assert_eq!(rig.phase(), Phase::Connected);
    rig.now += Duration::from_secs(1);
    assert!(rig.feed(Input::ChannelClosed).contains(&create()));
}

#[test]
fn a_channel_that_closes_while_nobody_can_be_called_leaves_media_alone_until_then() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.feed(Input::ChannelClosed), []);
    assert_eq!(rig.phase(), Phase::Connected);
    let effects = rig.relink(true);
    assert!(is_hang_up(&effects[0]));
    assert_eq!(effects[1..], [Effect::ClosePeer, create()]);
}

#[test]
fn a_channel_that_closes_with_a_broken_path_comes_back_after_it() {
    let mut rig = Rig::connected();
    rig.feed(Input::PeerState(PeerState::Disconnected));
    assert_eq!(rig.feed(Input::ChannelClosed), []);
    let effects = rig.feed(Input::PeerState(PeerState::Connected));
    assert!(effects.contains(&create()), "{effects:?}");
}

#[test]
fn a_channel_that_closed_with_its_peer_is_no_other_trouble() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    rig.feed(Input::ChannelClosed);
    rig.feed(Input::PeerClosed);
    assert_eq!(rig.relink(false), [create()]);
    rig.reconnects();
    assert_eq!(rig.phase(), Phase::Connected);
    assert!(rig.feed(Input::ChannelClosed).contains(&create()));
}

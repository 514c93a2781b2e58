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
    assert_eq!(rig.relink(false), [Effect::BeginSession, create()]);
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
    assert_eq!(rig.flows(true), []);
    rig.now += Duration::from_secs(1);
    assert!(rig.flows(true).contains(&create()));
}

#[test]
fn a_channel_that_never_stays_open_interrupts_media_ever_more_seldom() {
    let mut rig = Rig::connected();
    rig.feed(Input::ChannelClosed);
    for minutes in [1, 2, 4, 8, 16, 16] {
        rig.reconnects();
        assert_eq!(rig.feed(Input::ChannelClosed), []);
        rig.now += Duration::from_secs(60 * minutes - 1);
        assert_eq!(rig.flows(true), [], "{minutes}");
        rig.now += Duration::from_secs(1);
        assert!(rig.flows(true).contains(&create()), "{minutes}");
    }
}

/// A call whose channel closed four times at once: it waits for eight minutes.
fn impatient() -> Rig {
    let mut rig = Rig::connected();
    rig.feed(Input::ChannelClosed);
    for minutes in [1, 2, 4] {
        rig.reconnects();
        rig.now += Duration::from_secs(60 * minutes);
        assert!(rig.feed(Input::ChannelClosed).contains(&create()));
    }
    rig.reconnects();
    rig
}

#[test]
fn a_channel_that_stayed_open_for_a_minute_is_as_good_as_the_first() {
    let mut rig = impatient();
    // It did not open before.
    rig.now += Duration::from_secs(60);
    rig.feed(Input::ChannelOpened);
    rig.now += Duration::from_secs(60);
    assert!(rig.feed(Input::ChannelClosed).contains(&create()));
    rig.reconnects();
    rig.now += Duration::from_secs(60);
    assert!(rig.feed(Input::ChannelClosed).contains(&create()));

    let mut rig = impatient();
    rig.now += Duration::from_secs(60);
    rig.feed(Input::ChannelOpened);
    rig.now += Duration::from_secs(59);
    assert_eq!(rig.feed(Input::ChannelClosed), []);
    assert_eq!(rig.flows(true), []);
}

#[test]
fn how_long_the_channel_before_was_open_says_nothing_of_the_next() {
    let mut rig = impatient();
    rig.feed(Input::ChannelOpened);
    rig.now += Duration::from_secs(60);
    // The peer connection is made anew for another reason.
    rig.hear(sees(PeerState::Failed));
    rig.reconnects();
    assert_eq!(rig.feed(Input::ChannelClosed), []);
}

#[test]
fn whoever_calls_or_tries_again_waits_no_longer_for_a_channel() {
    let mut rig = impatient();
    assert_eq!(rig.feed(Input::ChannelClosed), []);
    assert!(rig.feed(Input::Retry).contains(&create()));

    let mut rig = impatient();
    rig.feed(Input::HangUp);
    rig.feed(Input::Start);
    rig.reconnects();
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
    assert_eq!(rig.relink(false), [Effect::BeginSession, create()]);
    rig.reconnects();
    assert_eq!(rig.phase(), Phase::Connected);
    assert!(rig.feed(Input::ChannelClosed).contains(&create()));
}

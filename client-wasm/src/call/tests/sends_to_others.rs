//! What was sent to others over the data channel is for the room it was sent in, and for the session.

use ferrite_protocol::LeaveCause;

use super::is_in_rooms::{entry, in_the_room, joined, joining};
use super::*;
use crate::call::Entry;

/// What becomes of what was sent, among these effects, and that the room is left.
fn fates(effects: &[Effect]) -> Vec<&'static str> {
    let fates = effects.iter().filter_map(|effect| match effect {
        Effect::Send(ClientMessage::Leave { .. }) => Some("leave"),
        Effect::ForgetMessages => Some("forget"),
        Effect::BeginSession => Some("begin"),
        _ => None,
    });
    fates.collect()
}

#[test]
fn whoever_is_in_can_send_also_while_the_server_is_out_of_reach() {
    let (mut rig, id) = joining();
    assert!(!rig.call.takes_messages());
    rig.hear(joined(id, &["me", "a"], Vec::new()));
    assert!(rig.call.takes_messages());
    rig.feed(Input::SocketClosed { code: 1006 });
    assert!(rig.call.takes_messages());
    assert!(fates(&rig.relink(true)).is_empty());
    assert!(rig.call.takes_messages());
}

#[test]
fn who_leaves_sends_nothing_more_of_it() {
    let mut rig = in_the_room(&["me", "a"]);
    let effects = fates(&rig.feed(Input::HangUp));
    assert!(effects.contains(&"leave") && effects.contains(&"forget"));
    assert!(!rig.call.takes_messages());

    let mut rig = in_the_room(&["me", "a"]);
    let cause = Some(LeaveCause::RoomEnded);
    let (id, reason) = (None, None);
    let effects = rig.hear(ServerMessage::Left { id, cause, reason });
    assert_eq!(fates(&effects), ["forget"]);
}

#[test]
fn what_was_sent_before_a_cut_does_not_come_in_the_next_room() {
    let mut rig = in_the_room(&["me", "a"]);
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(fates(&rig.feed(Input::HangUp)), ["forget"]);
    rig.feed(Input::Enter(Entry {
        room: "garden".into(),
        ..entry()
    }));
    assert!(!rig.call.takes_messages());
    rig.relink_now(true);
    let effects = rig.hear(joined(None, &["me", "a"], Vec::new()));
    assert_eq!(fates(&effects), ["leave", "forget"]);
    assert!(!rig.call.takes_messages());
}

#[test]
fn a_session_that_does_not_go_on_begins_anew() {
    let mut rig = in_the_room(&["me", "a"]);
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(fates(&rig.relink(false)), ["forget", "begin"]);
    assert!(!rig.call.takes_messages());

    // It goes on, and its room does not.
    let mut rig = in_the_room(&["me", "a"]);
    rig.feed(Input::SocketClosed { code: 1006 });
    rig.relink(true);
    let effects = rig.hear(ServerMessage::Pong { id: None });
    assert_eq!(fates(&effects), ["forget"]);
}

#[test]
fn who_has_no_session_to_come_back_to_is_told_so_at_once() {
    let mut rig = in_the_room(&["me", "a"]);
    let code = CloseCode::LimitExceeded as u16;
    let effects = rig.feed(Input::SocketClosed { code });
    assert_eq!(fates(&effects), ["forget", "begin"]);
    assert!(!rig.call.takes_messages());
    assert_eq!(rig.call.status().link, LinkState::Stopped);
    // It goes in again where the user will have it.
    assert!(rig.feed(Input::Retry).contains(&Effect::Connect));
    let effects = rig.relink_now(false);
    assert!(effects.iter().any(is_join), "{effects:?}");
}

#[test]
fn who_has_failed_to_call_sends_nothing_until_it_calls_again() {
    let mut rig = in_the_room(&["me", "a"]);
    let words = String::new();
    assert_eq!(fates(&rig.feed(Input::PeerFailed(words))), ["forget"]);
    assert_eq!(rig.phase(), Phase::Failed);
    assert!(rig.call.room().is_in() && !rig.call.takes_messages());
    rig.feed(Input::Retry);
    assert!(rig.call.takes_messages());
}

fn is_join(effect: &Effect) -> bool {
    matches!(effect, Effect::Send(ClientMessage::Join { .. }))
}

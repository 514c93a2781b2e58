//! That somebody else muted something is shown where it still holds.

use ferrite_protocol::room::RoomSnapshot;

use super::is_in_rooms::{id_of, in_the_room, person};
use super::*;

fn muted() -> ServerMessage {
    ServerMessage::Muted {
        publication: "me/mic".into(),
        reason: None,
    }
}

/// Whether it is shown.
fn shows(effects: &[Effect]) -> bool {
    let is_it = |it: &Effect| matches!(it, Effect::ShowMuted(..));
    effects.iter().any(is_it)
}

/// Somebody else muted it, and says so.
fn muted_by_others() -> Rig {
    let mut rig = in_the_room(&["me"]);
    let participant = person("me", true);
    rig.hear(ServerMessage::ParticipantUpdated { participant });
    assert!(shows(&rig.hear(muted())));
    rig
}

/// What comes of being told once more after a cut.
fn told_again(rig: &mut Rig) -> bool {
    rig.feed(Input::SocketClosed { code: 1006 });
    rig.relink(true);
    rig.hear(ServerMessage::Joined {
        id: None,
        participant: "me".into(),
        room: RoomSnapshot {
            id: "kitchen".into(),
            participants: vec![person("me", true)],
        },
        may: Vec::new(),
        messages: Vec::new(),
    });
    shows(&rig.hear(muted()))
}

#[test]
fn after_a_cut_it_is_shown_once_more() {
    let mut rig = muted_by_others();
    assert!(told_again(&mut rig));
    assert!(rig.call.room().is_muted("mic"));
}

#[test]
fn who_unmuted_meanwhile_is_not_shown_what_was_before() {
    // The request is lost with the WebSocket, or was never sent.
    for is_linked in [true, false] {
        let mut rig = muted_by_others();
        if !is_linked {
            rig.feed(Input::SocketClosed { code: 1006 });
        }
        rig.feed(Input::Mute("mic".to_owned(), false));
        assert!(!told_again(&mut rig));
        assert!(!rig.call.room().is_muted("mic"));
    }
}

#[test]
fn who_unmuted_and_is_muted_again_is_shown_that() {
    let mut rig = muted_by_others();
    let effects = rig.feed(Input::Mute("mic".to_owned(), false));
    let id = id_of(&effects[1..]);
    rig.hear(ServerMessage::Done { id });
    let participant = person("me", true);
    rig.hear(ServerMessage::ParticipantUpdated { participant });
    assert!(shows(&rig.hear(muted())));
}

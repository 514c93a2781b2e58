//! The room is compared with what is wanted of it: at first, after a resume, and in a new session.

use ferrite_protocol::room::{Idle, RoomSnapshot};
use ferrite_protocol::{
    LeaveCause, Limit, MediaKind, Participant, Pressure, Priority, PublicationId, Right,
    RoomMessage, Slot, SlotQuality, Source, TrackUse, Tracks,
};

use super::*;
use crate::call::{Ending, Entry, Errand, Request, Room, Sight, SlotCounts, Undone, Wanted};

pub(super) fn entry() -> Entry {
    Entry {
        room: "kitchen".into(),
        name: Some("Ada".to_owned()),
        metadata: None,
        token: None,
        voices: None,
    }
}

fn slots(pictures: usize, sounds: usize) -> SlotCounts {
    SlotCounts { pictures, sounds }
}

pub(super) fn person(id: &str, muted: bool) -> Participant {
    let publication = |key: &str, kind, source| ferrite_protocol::Publication {
        id: PublicationId::of(&id.into(), key),
        kind,
        source,
        label: None,
        muted: muted && kind == MediaKind::Audio,
        width: None,
        height: None,
    };
    Participant {
        publications: vec![
            publication("mic", MediaKind::Audio, Source::Microphone),
            publication("cam", MediaKind::Video, Source::Camera),
        ],
        ..Participant::new(id.into())
    }
}

pub(super) fn joined(
    id: Option<RequestId>,
    people: &[&str],
    messages: Vec<RoomMessage>,
) -> ServerMessage {
    ServerMessage::Joined {
        id,
        participant: "me".into(),
        room: RoomSnapshot {
            id: "kitchen".into(),
            participants: people.iter().map(|it| person(it, false)).collect(),
        },
        may: vec![Right::Say],
        messages,
    }
}

#[test]
fn knows_what_it_may_do() {
    let mut room = Room::new();
    assert!(!room.may(Right::Say));
    room.heard(joined(None, &["me"], Vec::new()), &mut Vec::new());
    assert!(room.may(Right::Say));
    assert!(!room.may(Right::Moderate));
}

fn said(number: u64, from: &str, text: &str) -> RoomMessage {
    RoomMessage {
        number,
        from: from.into(),
        name: None,
        to: None,
        topic: "chat".to_owned(),
        at: 1_000 + number,
        text: text.to_owned(),
    }
}

fn sight(publication: &str) -> Sight {
    Sight {
        publication: publication.into(),
        width: Some(640),
        height: Some(384),
        paused: false,
        priority: Priority::default(),
    }
}

/// What is sent, without its numbers.
fn sent(effects: &[Effect]) -> Vec<&'static str> {
    let sent = effects.iter().filter_map(|effect| match effect {
        Effect::Send(message) => Some(message.type_name()),
        _ => None,
    });
    sent.collect()
}

pub(super) fn id_of(effects: &[Effect]) -> Option<RequestId> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(
            ClientMessage::Join { id, .. }
            | ClientMessage::Mute { id, .. }
            | ClientMessage::Watch { id, .. }
            | ClientMessage::Say { id, .. }
            | ClientMessage::Kick { id, .. },
        ) => *id,
        _ => None,
    })
}

fn lines(effects: &[Effect]) -> Vec<&str> {
    let heard = effects.iter().filter_map(|effect| match effect {
        Effect::Hear(message) => Some(message.text.as_str()),
        _ => None,
    });
    heard.collect()
}

/// An offer of one slot for pictures.
fn offer_with_a_slot() -> Offer {
    Offer {
        sdp: "a=mid:0\r\n".to_owned(),
        tracks: Some(Tracks::from([(
            "0".to_owned(),
            TrackUse::Receive(MediaKind::Video),
        )])),
    }
}

/// Up to the join, whose id is returned.
pub(super) fn joining() -> (Rig, Option<RequestId>) {
    let mut rig = Rig::new();
    rig.feed(Input::Enter(entry()));
    rig.feed(Input::SocketOpened);
    let effects = rig.hear(welcome(false));
    assert_eq!(sent(&effects), ["join"]);
    assert!(effects.contains(&Effect::Receive(slots(4, 4))));
    let id = id_of(&effects);
    (rig, id)
}

/// Up to media.
pub(super) fn in_the_room(people: &[&str]) -> Rig {
    let (mut rig, id) = joining();
    rig.hear(joined(id, people, Vec::new()));
    answered(&mut rig);
    rig
}

fn answered(rig: &mut Rig) -> Vec<Effect> {
    rig.feed(Input::NegotiationNeeded);
    let id = offered(&rig.feed(Input::OfferMade(Ok(offer_with_a_slot()))));
    let effects = rig.hear(answer(id));
    rig.feed(Input::AnswerApplied(Ok(())));
    rig.feed(Input::PeerState(PeerState::Connected));
    effects
}

#[test]
fn slots_are_added_in_steps_as_more_is_published() {
    let (mut rig, id) = joining();
    let grown = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Receive(slots) => Some(*slots),
            _ => None,
        })
    };
    let effects = rig.hear(joined(id, &["me", "a", "b", "c", "d"], Vec::new()));
    assert_eq!(grown(&effects), None);
    let come = |name: &str| ServerMessage::ParticipantJoined {
        participant: person(name, false),
    };
    assert_eq!(grown(&rig.hear(come("e"))), Some(slots(8, 8)));
    assert_eq!(grown(&rig.hear(come("f"))), None);
}

#[test]
fn as_many_voices_are_asked_for_as_was_said() {
    let mut rig = Rig::new();
    rig.feed(Input::Enter(Entry {
        voices: Some(6),
        ..entry()
    }));
    rig.feed(Input::SocketOpened);
    let effects = rig.hear(welcome(false));
    assert!(effects.contains(&Effect::Receive(slots(4, 4))));
    let names = ["me", "a", "b", "c", "d", "e"];
    let effects = rig.hear(joined(id_of(&effects), &names, Vec::new()));
    assert!(effects.contains(&Effect::Receive(slots(8, 6))));
}

#[test]
fn what_is_watched_is_said_whole_and_only_when_it_changes() {
    let mut rig = in_the_room(&["me", "a"]);
    let effects = rig.feed(Input::Show(Some(vec![sight("a/cam")])));
    assert_eq!(sent(&effects), ["watch"]);
    assert_eq!(
        sent(&rig.feed(Input::Show(Some(vec![sight("a/cam")])))),
        [""; 0]
    );
    assert_eq!(sent(&rig.feed(Input::Show(Some(vec![])))), ["watch"]);
}

#[test]
fn a_picture_is_where_the_server_says_and_while_something_comes() {
    let mut rig = in_the_room(&["me", "a"]);
    let watching = |idle| ServerMessage::Watching {
        id: None,
        slots: BTreeMap::from([(
            "0".to_owned(),
            Slot {
                publication: "a/cam".into(),
                idle,
            },
        )]),
    };
    rig.hear(watching(None));
    assert_eq!(rig.call.room().slot_of(&"a/cam".into()), Some("0"));
    rig.hear(watching(Some(Idle::Muted)));
    assert_eq!(rig.call.room().slot_of(&"a/cam".into()), None);
    assert_eq!(rig.call.room().idle(&"a/cam".into()), Some(Idle::Muted));
    assert_eq!(rig.call.room().idle(&"b/cam".into()), None);
}

#[test]
fn after_a_resume_only_what_is_not_sure_is_said_again() {
    let mut rig = in_the_room(&["me", "a"]);
    let id = id_of(&rig.feed(Input::Mute("mic".to_owned(), true)));
    rig.hear(ServerMessage::Done { id });
    // Nothing answers this.
    assert_eq!(
        sent(&rig.feed(Input::Show(Some(vec![sight("a/cam")])))),
        ["watch"]
    );
    rig.feed(Input::SocketClosed { code: 1006 });
    let effects = rig.relink(true);
    // Before the server says so, nobody knows whether the session is in a room.
    assert_eq!(sent(&effects), [""; 0]);
    let effects = rig.hear(joined(None, &["me", "a"], Vec::new()));
    assert_eq!(sent(&effects), ["watch"]);
}

#[test]
fn who_is_in_no_room_any_more_asks_again() {
    let mut rig = in_the_room(&["me", "a"]);
    rig.feed(Input::SocketClosed { code: 1006 });
    rig.relink(true);
    let effects = rig.hear(ServerMessage::Pong { id: None });
    assert_eq!(sent(&effects), ["join"]);
}

#[test]
fn in_a_new_session_everything_is_said_again() {
    let mut rig = in_the_room(&["me", "a"]);
    let id = id_of(&rig.feed(Input::Mute("mic".to_owned(), true)));
    rig.hear(ServerMessage::Done { id });
    rig.feed(Input::Show(Some(vec![sight("a/cam")])));
    rig.feed(Input::SocketClosed { code: 1006 });
    let effects = rig.relink(false);
    assert_eq!(sent(&effects), ["join"]);
    assert!(effects.contains(&create()) && effects.contains(&Effect::Receive(slots(4, 4))));
    let effects = rig.hear(joined(id_of(&effects), &["me", "a"], Vec::new()));
    assert_eq!(sent(&effects), ["mute"]);
    assert_eq!(sent(&answered(&mut rig)), ["watch"]);
}

#[test]
fn a_join_whose_answer_was_lost_is_no_second_join() {
    let (mut rig, _) = joining();
    rig.feed(Input::SocketClosed { code: 1006 });
    let again = id_of(&rig.relink(true));
    rig.hear(joined(None, &["me"], Vec::new()));
    let refused = ServerMessage::Error {
        id: again,
        code: ErrorCode::BadState,
        message: "this session is in a room already".to_owned(),
    };
    rig.hear(refused);
    assert!(rig.call.room().is_in());
}

#[test]
fn who_is_muted_by_somebody_else_stays_so_until_they_unmute() {
    let mut rig = in_the_room(&["me"]);
    let muted = |muted| ServerMessage::ParticipantUpdated {
        participant: person("me", muted),
    };
    assert_eq!(sent(&rig.hear(muted(true))), [""; 0]);
    assert!(rig.call.room().is_muted("mic"));
    // A list undoes only what the one before it named.
    let effects = rig.feed(Input::Mute("mic".to_owned(), false));
    assert_eq!(sent(&effects), ["mute", "mute"]);
    // This is from before the server heard it.
    rig.hear(muted(true));
    assert!(!rig.call.room().is_muted("mic"));
    rig.hear(ServerMessage::Done {
        id: id_of(&effects[1..]),
    });
    assert_eq!(sent(&rig.hear(muted(false))), [""; 0]);
}

#[test]
fn what_was_said_is_heard_once_and_what_was_lost_is_said_again() {
    let mut rig = in_the_room(&["me", "a"]);
    let effects = rig.feed(Input::Ask(Errand::chat("one".to_owned(), None)));
    rig.hear(ServerMessage::Done {
        id: id_of(&effects),
    });
    let effects = rig.hear(ServerMessage::Said {
        message: said(1, "me", "one"),
    });
    assert_eq!(lines(&effects), ["one"]);
    // The one arrived, of which no word came back; the other did not.
    rig.feed(Input::Ask(Errand::chat("two".to_owned(), None)));
    rig.feed(Input::Ask(Errand::chat("three".to_owned(), None)));
    rig.feed(Input::SocketClosed { code: 1006 });
    let missed = vec![said(2, "a", "hello"), said(3, "me", "two")];
    let mut effects = rig.relink(true);
    effects.extend(rig.hear(joined(None, &["me", "a"], missed)));
    assert_eq!(lines(&effects), ["hello", "two"]);
    let again = effects.iter().filter_map(|effect| match effect {
        Effect::Send(ClientMessage::Say { text, .. }) => Some(text.as_str()),
        _ => None,
    });
    assert_eq!(again.collect::<Vec<_>>(), ["three"]);
}

#[test]
fn in_a_new_session_no_line_comes_twice_and_none_is_left_out() {
    let mut rig = in_the_room(&["me", "a"]);
    for number in 1..=3 {
        let message = said(number, "a", "before");
        rig.hear(ServerMessage::Said { message });
    }
    rig.feed(Input::SocketClosed { code: 1006 });
    let id = id_of(&rig.relink(false));
    // Of the server that it knows.
    let history = (1..=4).map(|it| said(it, "a", if it < 4 { "before" } else { "after" }));
    let effects = rig.hear(joined(id, &["me", "a"], history.collect()));
    assert_eq!(lines(&effects), ["after"]);
    // Of one that was started since.
    rig.feed(Input::SocketClosed { code: 1006 });
    let id = id_of(&rig.relink(false));
    let message = RoomMessage {
        at: 9_000,
        ..said(1, "a", "anew")
    };
    let effects = rig.hear(joined(id, &["me", "a"], vec![message]));
    assert_eq!(lines(&effects), ["anew"]);
}

#[test]
fn who_is_refused_or_removed_ends_the_call_and_hears_why() {
    let (mut rig, id) = joining();
    let words = "a room takes 2 participants".to_owned();
    let effects = rig.hear(ServerMessage::Error {
        id,
        code: ErrorCode::LimitExceeded,
        message: words.clone(),
    });
    let ending = Ending::Refused(ErrorCode::LimitExceeded, words);
    assert_eq!(effects, [Effect::End(ending), Effect::ClosePeer]);
    assert_eq!(rig.phase(), Phase::Idle);

    let mut rig = in_the_room(&["me", "a"]);
    let reason = Some("noise".to_owned());
    let effects = rig.hear(ServerMessage::Left {
        id: None,
        cause: Some(LeaveCause::Kicked),
        reason: reason.clone(),
    });
    assert_eq!(sent(&effects), ["hangUp"]);
    let ending = Ending::MadeToLeave(LeaveCause::Kicked, reason);
    assert!(effects.contains(&Effect::End(ending)));
}

#[test]
fn what_keeps_a_picture_from_being_better_is_known_by_its_name() {
    let mut rig = in_the_room(&["me", "a"]);
    let slot = |key: &str| Slot {
        publication: PublicationId::of(&"a".into(), key),
        idle: None,
    };
    rig.hear(ServerMessage::Watching {
        id: None,
        slots: [("3".to_owned(), slot("cam"))].into(),
    });
    let slow = SlotQuality {
        wished: 0,
        sent: Some(1),
        temporal_layer: None,
        limit: Some(Limit::Upload),
    };
    let slots = ["3", "5"].map(|mid| (mid.to_owned(), slow.clone()));
    let changes = rig.call.room().changes();
    rig.hear(ServerMessage::Quality {
        bits_per_second: Some(1_000_000),
        slots: slots.into(),
        arrives: BTreeMap::new(),
    });
    let room = rig.call.room();
    assert_ne!(room.changes(), changes);
    assert_eq!(room.limit(&slot("cam").publication), Some(Limit::Upload));
    assert_eq!(room.limit(&slot("screen").publication), None);
    assert_eq!(
        room.quality().shown.keys().count(),
        1,
        "nothing is on the other"
    );
    rig.hear(ServerMessage::Watching {
        id: None,
        slots: BTreeMap::new(),
    });
    assert_eq!(rig.call.room().limit(&slot("cam").publication), None);
}

#[test]
fn the_server_is_told_once_that_this_device_cannot_keep_up() {
    let mut rig = in_the_room(&["me", "a"]);
    let told = |effects: Vec<Effect>| {
        let told = effects.into_iter().filter_map(|effect| match effect {
            Effect::Send(ClientMessage::Pressure { state, .. }) => Some(state),
            _ => None,
        });
        told.collect::<Vec<_>>()
    };
    let seconds = |rig: &mut Rig, decoded: f64, dropped: f64| {
        let said = (0..100).flat_map(|_| {
            rig.traffic.frames.decoded += decoded / 5.0;
            rig.traffic.frames.dropped += dropped / 5.0;
            told(rig.flows(true))
        });
        said.collect::<Vec<_>>()
    };
    assert_eq!(seconds(&mut rig, 30.0, 0.0), []);
    assert_eq!(seconds(&mut rig, 10.0, 20.0), [Pressure::Serious]);
    assert_eq!(seconds(&mut rig, 30.0, 0.0), [Pressure::Nominal]);
}

#[test]
fn the_layers_that_the_server_wants_are_sent() {
    let mut rig = in_the_room(&["me", "a"]);
    let layers = vec!["q".to_owned()];
    let effects = rig.hear(ServerMessage::Wanted {
        layers: BTreeMap::from([("cam".to_owned(), layers.clone())]),
        halvings: BTreeMap::from([("slides".to_owned(), 1)]),
    });
    let wanted = [
        ("cam", Wanted::Layers(layers)),
        ("slides", Wanted::Halved(1)),
    ];
    let wanted = wanted.map(|(key, wanted)| (key.to_owned(), wanted));
    assert_eq!(effects, [Effect::Want(wanted.into_iter().collect())]);
}

#[test]
fn who_leaves_says_so_and_may_come_again() {
    let mut rig = in_the_room(&["me", "a"]);
    assert_eq!(sent(&rig.feed(Input::HangUp)), ["hangUp", "leave"]);
    assert_eq!(sent(&rig.feed(Input::Enter(entry()))), ["join"]);
}

/// What became of what was asked.
fn settled(effects: &[Effect]) -> Vec<(u32, Result<(), Undone>)> {
    let settled = effects.iter().filter_map(|effect| match effect {
        Effect::Settle(ticket, result) => Some((*ticket, result.clone())),
        _ => None,
    });
    settled.collect()
}

fn kick(ticket: Option<u32>) -> Input {
    Input::Ask(Errand {
        request: Request::Kick {
            participant: "a".into(),
            reason: None,
        },
        ticket,
    })
}

#[test]
fn who_is_sent_away_for_good_asks_nobody() {
    let mut rig = in_the_room(&["me", "a"]);
    rig.feed(Input::SocketClosed { code: 1006 });
    // While there is no link it waits.
    assert_eq!(settled(&rig.feed(kick(Some(7)))), []);
    rig.relink(true);
    rig.feed(kick(Some(8)));
    let code = CloseCode::LimitExceeded as u16;
    let effects = rig.feed(Input::SocketClosed { code });
    let outside = |ticket| (ticket, Err(Undone::Outside));
    assert_eq!(settled(&effects), [outside(7), outside(8)]);
    assert_eq!(settled(&rig.feed(kick(Some(9)))), [outside(9)]);
}

#[test]
fn who_asks_hears_once_what_became_of_it() {
    let mut rig = in_the_room(&["me", "a"]);
    let effects = rig.feed(kick(Some(7)));
    assert_eq!(sent(&effects), ["kick"]);
    let id = id_of(&effects);
    let effects = rig.hear(ServerMessage::Done { id });
    assert_eq!(settled(&effects), [(7, Ok(()))]);
    assert_eq!(settled(&rig.hear(ServerMessage::Done { id })), []);

    let id = id_of(&rig.feed(kick(Some(8))));
    let refused = |id| ServerMessage::Error {
        id,
        code: ErrorCode::NotAllowed,
        message: "not you".to_owned(),
    };
    let undone = Undone::Refused(ErrorCode::NotAllowed, "not you".to_owned());
    assert_eq!(rig.hear(refused(id)), [Effect::Settle(8, Err(undone))]);
    // Nobody waits for this one, so it is shown.
    let id = id_of(&rig.feed(kick(None)));
    let complaint = Effect::Complain("not you".to_owned());
    assert_eq!(rig.hear(refused(id)), [complaint]);
}

#[test]
fn what_waits_when_one_leaves_or_is_in_no_room_is_not_done() {
    let mut rig = in_the_room(&["me", "a"]);
    rig.feed(kick(Some(1)));
    let outside = |ticket| vec![(ticket, Err(Undone::Outside))];
    assert_eq!(settled(&rig.feed(Input::HangUp)), outside(1));
    let effects = rig.feed(kick(Some(2)));
    assert_eq!((sent(&effects), settled(&effects)), (vec![], outside(2)));
}

#[test]
fn what_was_asked_by_who_one_was_is_not_asked_again() {
    let outside = vec![(1, Err(Undone::Outside))];
    // The session is lost, or it goes on and its room does not.
    for resumed in [false, true] {
        let mut rig = in_the_room(&["me", "a"]);
        rig.feed(kick(Some(1)));
        rig.feed(Input::SocketClosed { code: 1006 });
        rig.feed(kick(Some(2)));
        let mut effects = rig.relink(resumed);
        if resumed {
            effects = rig.hear(ServerMessage::Pong { id: None });
        }
        assert_eq!(settled(&effects), outside);
        let effects = rig.hear(joined(id_of(&effects), &["me", "a"], Vec::new()));
        let kicks = sent(&effects).into_iter().filter(|it| *it == "kick");
        assert_eq!((kicks.count(), settled(&effects)), (1, vec![]));
    }
}

#[test]
fn no_more_waits_than_has_room() {
    let mut rig = in_the_room(&["me", "a"]);
    rig.feed(Input::SocketClosed { code: 1006 });
    let asked = (0..65).flat_map(|ticket| settled(&rig.feed(kick(Some(ticket)))));
    assert_eq!(asked.collect::<Vec<_>>(), [(64, Err(Undone::Full))]);
    rig.relink(true);
    let effects = rig.hear(joined(None, &["me", "a"], Vec::new()));
    let kicks = sent(&effects).into_iter().filter(|it| *it == "kick");
    assert_eq!(kicks.count(), 64);
}

#[test]
fn where_the_server_chooses_nothing_is_said_of_pictures() {
    let (mut rig, id) = joining();
    rig.feed(Input::Show(None));
    rig.hear(joined(id, &["me", "a"], Vec::new()));
    assert_eq!(sent(&answered(&mut rig)), [""; 0]);
    let effects = rig.feed(Input::Show(Some(Vec::new())));
    assert_eq!(sent(&effects), ["watch"]);
}

#[test]
fn who_went_on_to_another_room_during_a_cut_leaves_the_first() {
    let mut rig = in_the_room(&["me", "a"]);
    rig.feed(Input::SocketClosed { code: 1006 });
    rig.feed(Input::HangUp);
    rig.feed(Input::Enter(Entry {
        room: "garden".into(),
        ..entry()
    }));
    rig.relink_now(true);
    let effects = rig.hear(joined(None, &["me", "a"], Vec::new()));
    assert_eq!(sent(&effects), ["leave", "join"]);
    assert_eq!(rig.call.room().own(), None);
}

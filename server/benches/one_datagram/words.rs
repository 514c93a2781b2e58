//! Messages on a session's WebSocket that change a room of 500 in which everybody publishes and has slots: what the
//! change takes, under the room's lock, and after that each member, who looks at the room again, sees what is
//! different, says so to its client, and assigns its slots.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ferrite_protocol::{
    ClientData, MediaKind, ParticipantId, Priority, PublicationId, ServerMessage, Source, Watch,
};
use ferrite_server::media::sdp::{CodecKind, Format};
use ferrite_server::room::{
    Change, Keep, NewPublication, Newcomer, RoomLimits, Rooms, Said, Seat, SlotKind, View, assign,
    changes,
};

use crate::{Sample, Table, cpu};

const MEMBERS: usize = 500;
const SAMPLES: usize = 40;

/// Slots of each member, half of them for sound.
const SLOTS: usize = 50;

struct Room {
    rooms: Arc<Rooms>,
    members: Vec<Member>,
    round: u64,
}

struct Member {
    seat: Seat,
    known: Arc<View>,
    slots: Vec<SlotKind>,
    watch: BTreeMap<String, Option<Watch>>,
    before: BTreeMap<String, PublicationId>,
}

impl Member {
    /// Does what its session does once the room is not as it was.
    fn look(&mut self) {
        let now = self.seat.view();
        let news = changes(&self.known, &now, self.seat.serial());
        for change in news {
            let message = match change {
                Change::Joined(participant) => ServerMessage::ParticipantJoined { participant },
                Change::Updated(participant) => ServerMessage::ParticipantUpdated { participant },
                Change::Left(participant, cause) => {
                    ServerMessage::ParticipantLeft { participant, cause }
                }
            };
            std::hint::black_box(message.encode());
        }
        let is_as_it_was = now.has_same_members(&self.known);
        self.known = now;
        if !is_as_it_was {
            self.assign();
        }
    }

    fn assign(&mut self) {
        let (own, watch) = (self.seat.serial(), Some(&self.watch));
        let assigned = assign(&self.known, own, &self.slots, watch, &self.before);
        let shown = self.slots.iter().zip(assigned);
        let shown = shown.filter_map(|(slot, it)| Some((slot.mid.clone(), it?.publication)));
        self.before = shown.collect();
    }
}

type Kind = (&'static str, fn(&mut Room) -> Duration);

const KINDS: &[Kind] = &[
    ("room of 500: join", |room| {
        drop(room.members.pop());
        room.everybody_looks();
        room.round += 1;
        let name = format!("guest-{}", room.round);
        let began = cpu();
        let seat = sit(&room.rooms, &name);
        let time = cpu() - began;
        room.members.push(member(seat));
        time
    }),
    ("room of 500: publish 16 tracks", |room| {
        room.round += 1;
        let tracks = (0..16).map(|at| publication(at + (room.round % 2) as usize));
        let tracks = tracks.collect();
        room.timed(|seat| drop(seat.publish(tracks)))
    }),
    ("room of 500: mute", |room| {
        room.round += 1;
        let keys = (0..room.round as usize % 2).map(|at| at.to_string());
        let keys = keys.collect();
        room.timed(|seat| drop(seat.mute(keys)))
    }),
    ("room of 500: update 4 KiB of metadata", |room| {
        room.round += 1;
        let metadata = format!("{:4096}", room.round);
        room.timed(|seat| drop(seat.update(None, Some(metadata))))
    }),
    ("room of 500: chat of 16 KiB", |room| {
        let said = Said {
            to: None,
            topic: "chat".to_owned(),
            text: "x".repeat(16 << 10),
            at: 0,
        };
        room.timed(|seat| drop(seat.say(said)))
    }),
    ("room of 500: a reliable message to all", |room| {
        let message = ClientData {
            to: None,
            topic: "t",
            payload: b"x",
        };
        room.timed(|seat| drop(seat.send(&message)))
    }),
];

impl Room {
    fn new() -> Self {
        let limits = RoomLimits {
            participants: MEMBERS,
            publications: 16,
            room_publications: 2000 + 16,
        };
        let rooms = Arc::new(Rooms::new(10, limits));
        let seats = (0..MEMBERS).map(|at| sit(&rooms, &format!("member-{at}")));
        let members = seats.map(member).collect();
        let mut room = Self {
            rooms,
            members,
            round: 0,
        };
        room.everybody_looks();
        room
    }

    /// Each in a task of its own, which is a turn. Returns what the longest of them took, and all.
    fn everybody_looks(&mut self) -> (Duration, Duration) {
        let turns = self.members.iter_mut().map(|member| {
            let began = cpu();
            member.look();
            cpu() - began
        });
        turns.fold(Default::default(), |(longest, total), turn| {
            (turn.max(longest), total + turn)
        })
    }

    fn timed(&self, act: impl FnOnce(&Seat)) -> Duration {
        let began = cpu();
        act(&self.members[0].seat);
        cpu() - began
    }
}

fn sit(rooms: &Arc<Rooms>, name: &str) -> Seat {
    let newcomer = Newcomer {
        id: ParticipantId(name.to_owned()),
        name: Some(name.to_owned()),
        metadata: None,
        grants: None,
        may_open: true,
        max_participants: None,
    };
    let seat = Seat::take(rooms, "tea".into(), newcomer).unwrap();
    let _ = seat.publish((0..4).map(publication).collect());
    seat.inbox().keep(Keep::Untaken);
    seat
}

/// Camera, microphone, screen, its sound, and so on.
fn publication(at: usize) -> NewPublication {
    let (kind, source, codec) = match at % 4 {
        0 => (MediaKind::Video, Source::Camera, CodecKind::Vp8),
        1 => (MediaKind::Audio, Source::Microphone, CodecKind::Opus),
        2 => (MediaKind::Video, Source::Screen, CodecKind::Vp8),
        _ => (MediaKind::Audio, Source::ScreenAudio, CodecKind::Opus),
    };
    NewPublication {
        key: at.to_string(),
        kind,
        source,
        label: None,
        size: (None, None),
        formats: vec![Format::of(codec, "")],
        layers: 1,
    }
}

/// Watches the last who came: they are found last.
fn member(mut seat: Seat) -> Member {
    let slot = |at: usize| {
        let (kind, codec) = match at % 2 {
            0 => (MediaKind::Audio, CodecKind::Opus),
            _ => (MediaKind::Video, CodecKind::Vp8),
        };
        SlotKind {
            mid: at.to_string(),
            kind,
            formats: vec![Format::of(codec, "")],
        }
    };
    let watch = (1..SLOTS).step_by(2).map(|at| {
        let publication = PublicationId(format!("member-{}/0", MEMBERS - 2 - at));
        let watch = Watch {
            publication,
            width: None,
            height: None,
            paused: false,
            priority: Priority::default(),
        };
        (at.to_string(), Some(watch))
    });
    Member {
        known: seat.view(),
        seat,
        slots: (0..SLOTS).map(slot).collect(),
        watch: watch.collect(),
        before: BTreeMap::new(),
    }
}

pub fn measure(table: &mut Table) {
    let watched = "room of 500: watch";
    if !KINDS.iter().any(|(name, _)| table.wants(name)) && !table.wants(watched) {
        return;
    }
    let mut room = Room::new();
    if table.wants(watched) {
        table.row(watched, SAMPLES, || {
            let began = cpu();
            room.members[0].assign();
            alone(cpu() - began)
        });
    }
    for (name, next) in KINDS {
        if !table.wants(name) {
            continue;
        }
        let mut looked = Vec::new();
        table.row(name, SAMPLES, || {
            let time = next(&mut room);
            looked.push(room.everybody_looks());
            alone(time)
        });
        table.row("  and after it", SAMPLES, || {
            let (time, total) = looked.pop().unwrap();
            Sample {
                receivers: MEMBERS,
                total,
                ..alone(time)
            }
        });
    }
}

fn alone(time: Duration) -> Sample {
    Sample {
        time,
        total: time,
        bytes: 0,
        receivers: 1,
    }
}

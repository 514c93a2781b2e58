//! What this client mutes and what others mute of it, on their way at the same time and over cuts, against the rule of
//! the server in small (`server/src/room/state.rs`).

use std::collections::{BTreeSet, VecDeque};

use ferrite_protocol::room::RoomSnapshot;
use ferrite_protocol::{Participant, PublicationId};

use super::is_in_rooms::{in_the_room, person};
use super::stands_disorder::Chance;
use super::*;

const KEYS: [&str; 2] = ["mic", "cam"];

/// What the server has of somebody's mutes, and what is on its way to it and from it.
#[derive(Default)]
struct Server {
    named: BTreeSet<String>,
    by_others: BTreeSet<String>,
    /// Of these who is muted was not told.
    untold: BTreeSet<String>,
    shown: BTreeSet<String>,
    /// What the user unmuted since somebody else muted it last, or while something was on its way.
    unmuted: BTreeSet<String>,
    is_away: bool,
    up: VecDeque<ClientMessage>,
    down: VecDeque<ServerMessage>,
}

impl Server {
    fn muted(&self) -> BTreeSet<String> {
        &self.named | &self.by_others
    }

    fn is_muted_by_others(&mut self, key: &str) {
        self.by_others.insert(key.to_owned());
        self.untold.insert(key.to_owned());
        if self.up.is_empty() && self.down.is_empty() && !self.is_away {
            self.unmuted.remove(key);
        }
    }

    fn hears(&mut self) {
        let Some(ClientMessage::Mute { id, keys }) = self.up.pop_front() else {
            return;
        };
        let keys: BTreeSet<_> = keys.into_iter().collect();
        let before = self.by_others.clone();
        let named = std::mem::replace(&mut self.named, keys.clone());
        let stays = |key: &String| keys.contains(key) || !named.contains(key);
        self.by_others.retain(stays);
        let undone: BTreeSet<_> = &before - &self.by_others;
        assert!(undone.is_subset(&self.unmuted), "{undone:?}");
        self.down.push_back(ServerMessage::Done { id });
    }

    fn participant(&mut self) -> Participant {
        self.shown = self.muted();
        let mut me = person("me", false);
        for it in &mut me.publications {
            it.muted = it
                .id
                .parts()
                .is_some_and(|(_, key)| self.shown.contains(key));
        }
        me
    }

    fn tells(&mut self) {
        if self.muted() != self.shown {
            let participant = self.participant();
            let updated = ServerMessage::ParticipantUpdated { participant };
            self.down.push_back(updated);
        }
        let untold = std::mem::take(&mut self.untold);
        self.tells_of(untold.intersection(&self.by_others.clone()));
    }

    fn tells_of<'a>(&mut self, keys: impl Iterator<Item = &'a String>) {
        self.down.extend(keys.map(|key| ServerMessage::Muted {
            publication: PublicationId::of(&"me".into(), key),
            reason: None,
        }));
    }

    fn welcomes_back(&mut self) {
        let room = RoomSnapshot {
            id: "kitchen".into(),
            participants: vec![self.participant()],
        };
        self.down.push_back(ServerMessage::Joined {
            id: None,
            participant: "me".into(),
            room,
            may: Vec::new(),
            messages: Vec::new(),
        });
        self.untold.clear();
        self.tells_of(self.by_others.clone().iter());
    }

    fn takes(&mut self, effects: Vec<Effect>) {
        let mutes = effects.into_iter().filter_map(|effect| match effect {
            Effect::Send(it @ ClientMessage::Mute { .. }) => Some(it),
            _ => None,
        });
        self.up.extend(mutes);
    }

    /// The next message arrives.
    fn is_heard(&mut self, rig: &mut Rig) {
        if let Some(message) = self.down.pop_front() {
            self.takes(rig.hear(message));
        }
    }

    /// Some of what is on its way to the server arrives, and nothing else.
    fn cut(&mut self, rig: &mut Rig, chance: &mut Chance) {
        for _ in 0..chance.below(3) {
            self.hears();
        }
        self.up.clear();
        self.down.clear();
        self.is_away = true;
        rig.feed(Input::SocketClosed { code: 1006 });
        for _ in 0..chance.below(3) {
            self.happens(rig, chance);
        }
        let effects = rig.relink(true);
        self.takes(effects);
        self.is_away = false;
        self.welcomes_back();
    }

    /// Somebody mutes or unmutes.
    fn happens(&mut self, rig: &mut Rig, chance: &mut Chance) {
        let key = KEYS[chance.below(2) as usize];
        if chance.below(3) == 0 {
            return self.is_muted_by_others(key);
        }
        let muted = !rig.call.room().is_muted(key);
        if !muted {
            self.unmuted.insert(key.to_owned());
        }
        self.takes(rig.feed(Input::Mute(key.to_owned(), muted)));
    }
}

#[test]
fn what_others_muted_is_undone_by_unmuting_that_alone_and_both_sides_agree() {
    for seed in 1..2_000 {
        let mut chance = Chance(seed);
        let (mut rig, mut server) = (in_the_room(&["me"]), Server::default());
        for _ in 0..chance.below(40) {
            match chance.below(10) {
                0 => server.cut(&mut rig, &mut chance),
                1..4 => server.happens(&mut rig, &mut chance),
                4..6 => server.tells(),
                6..8 => server.hears(),
                _ => server.is_heard(&mut rig),
            }
        }
        for _ in 0..100 {
            server.hears();
            server.tells();
            server.is_heard(&mut rig);
        }
        assert!(server.up.is_empty() && server.down.is_empty());
        let muted = KEYS.iter().filter(|it| rig.call.room().is_muted(it));
        let muted: BTreeSet<_> = muted.map(ToString::to_string).collect();
        assert_eq!(muted, server.muted(), "seed {seed}");
    }
}

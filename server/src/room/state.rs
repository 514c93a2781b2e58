//! A room: who is in it, what they publish, and what was said. Plain data with rules; it knows nothing of
//! sockets, sessions, threads or RTP.

mod moderation;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ferrite_protocol::{
    ClientData, DataError, DepartureCause, LeaveCause, MediaKind, Participant, ParticipantId,
    ParticipantState, Publication, PublicationId, RoomMessage, ServerData, Source,
};
use thiserror::Error;

use super::inbox::Inbox;
use super::log::{Forgotten, Log, Said};
use super::speakers::Speakers;
use super::view::{Carried, Member, View};
use crate::auth::Grants;
use crate::media::sdp::Format;
use crate::media::{TrackId, Voice};

/// How much a room may have.
#[derive(Clone, Copy, Debug)]
pub struct RoomLimits {
    /// The most participants.
    pub participants: usize,
    /// The most publications of one of them.
    pub publications: usize,
    /// The most publications of all of them together.
    pub room_publications: usize,
}

/// Why something cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RoomError {
    /// The room has all the participants it may have.
    #[error("the room is full: it has {0} participants")]
    Full(usize),
    /// The server has all the rooms it may have.
    #[error("the server has all the {0} rooms it may have")]
    TooManyRooms(usize),
    /// A participant publishes all it may.
    #[error("a participant may publish {0} tracks at a time")]
    TooManyPublications(usize),
    /// The room has all the publications it may have.
    #[error("the room is full: it has {0} publications")]
    TooManyInRoom(usize),
    /// A key is not one.
    #[error("a publication's key is neither empty nor has a `/` in it, and each is there once")]
    BadKey,
    /// The participant has no right to.
    #[error("this participant may not {0}")]
    NotAllowed(&'static str),
    /// There is no such room.
    #[error("there is no such room")]
    NoRoom,
    /// What is sent is no message.
    #[error("{0}")]
    BadData(#[from] DataError),
    /// There is no such participant.
    #[error("there is no such participant in the room")]
    NoParticipant,
    /// There is no such publication.
    #[error("there is no such publication in the room")]
    NoPublication,
}

/// Somebody who wants to come in.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// Who they are.
    pub id: ParticipantId,
    /// What others may call them.
    pub name: Option<String>,
    /// Whatever the application wants others to know of them.
    pub metadata: Option<String>,
    /// What a token lets them do; `None` where nobody asks for one.
    pub grants: Option<Grants>,
    /// They may be the first in a room.
    pub may_open: bool,
    /// How many may be in it at a time then, besides the server's own limit.
    pub max_participants: Option<NonZeroU32>,
}

/// What somebody wants to publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPublication {
    /// Its name among theirs.
    pub key: String,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// Where it comes from.
    pub source: Source,
    /// What to call it.
    pub label: Option<String>,
    /// The size of the best there is of it.
    pub size: (Option<u16>, Option<u16>),
    /// What it may come as.
    pub formats: Vec<Format>,
    /// How many simulcast layers it has; 1 without simulcast.
    pub layers: u8,
}

/// Who moderates a room.
#[derive(Clone, Copy, Debug)]
pub(super) enum Moderator {
    /// A member, by serial number, who needs the right to.
    Member(u64),
    /// The program that the server is a part of.
    Program,
}

/// Why somebody was made to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// In the protocol's words.
    pub cause: LeaveCause,
    /// In the words of whoever did it.
    pub reason: Option<String>,
}

/// A room.
#[derive(Debug)]
pub(super) struct RoomState {
    limits: RoomLimits,
    /// The most participants, as who came first said.
    participants: usize,
    view: View,
    log: Log,
    next_serial: u64,
    /// What of each member the others do not see.
    private: HashMap<u64, Private>,
    /// Who was made to leave and has not noticed.
    removed: HashMap<u64, Removal>,
    /// Something changed that nobody should wait for long to see.
    is_pressing: bool,
}

#[derive(Debug)]
struct Private {
    grants: Grants,
    /// The keys that they muted, whether published at the moment or not.
    muted: BTreeSet<String>,
    /// What others muted of theirs and they did not unmute, by key, whether published at the moment or not.
    muted_by_others: BTreeMap<String, Notice>,
    /// What waits for them.
    inbox: Arc<Inbox>,
}

/// That somebody else muted something.
#[derive(Debug)]
struct Notice {
    reason: Option<String>,
    /// It was handed to who is to be told. Whether it arrived nobody knows.
    is_told: bool,
}

impl Private {
    fn is_muted(&self, key: &str) -> bool {
        self.muted.contains(key) || self.muted_by_others.contains_key(key)
    }

    /// Marks what of a member's is muted.
    fn mark_muted(&self, member: &mut Member) {
        for publication in &mut member.participant.publications {
            let key = publication.id.parts().map(|(_, key)| key);
            publication.muted = key.is_some_and(|key| self.is_muted(key));
        }
    }
}

impl RoomState {
    pub(super) fn new(limits: RoomLimits, view: View) -> Self {
        Self {
            participants: limits.participants,
            limits,
            view,
            log: Log::default(),
            next_serial: 1,
            private: HashMap::new(),
            removed: HashMap::new(),
            is_pressing: false,
        }
    }

    /// The room as it is.
    pub(super) fn view(&self) -> &View {
        &self.view
    }

    /// Whether nobody is in it, or has still to notice that they are not.
    pub(super) fn is_over(&self) -> bool {
        self.view.members.is_empty() && self.removed.is_empty()
    }

    /// Lets somebody in, and returns their serial number. Whoever is there under the same identity has to
    /// leave: it is the same person, or somebody who has their token.
    pub(super) fn enter(
        &mut self,
        newcomer: Newcomer,
        inbox: Arc<Inbox>,
    ) -> Result<u64, RoomError> {
        let mut members = self.view.members.iter();
        let same = members.find(|member| member.participant.id == newcomer.id);
        let same = same.map(|member| member.serial);
        let is_first = self.view.members.is_empty();
        if is_first && !newcomer.may_open {
            return Err(RoomError::NotAllowed("open a room that nobody is in"));
        }
        if is_first {
            let most = newcomer.max_participants.map(NonZeroU32::get);
            let most = most.and_then(|most| usize::try_from(most).ok());
            let limit = self.limits.participants;
            self.participants = most.map_or(limit, |most| most.min(limit));
        }
        let limit = self.participants;
        if self.view.members.len() - usize::from(same.is_some()) >= limit {
            return Err(RoomError::Full(limit));
        }
        if let Some(serial) = same {
            self.remove(serial, LeaveCause::JoinedElsewhere, None);
        }
        // Where nobody asks for tokens, whoever comes first has the say.
        let grants = newcomer.grants.unwrap_or_else(|| Grants {
            admin: is_first,
            ..Grants::all()
        });
        let serial = self.next_serial;
        self.next_serial += 1;
        self.view.members.push(Arc::new(Member {
            serial,
            participant: Participant {
                name: newcomer.name,
                metadata: newcomer.metadata,
                ..Participant::new(newcomer.id)
            },
            hidden: grants.hidden,
            carried: Vec::new(),
        }));
        let private = Private {
            grants,
            muted: BTreeSet::new(),
            muted_by_others: BTreeMap::new(),
            inbox,
        };
        self.private.insert(serial, private);
        Ok(serial)
    }

    /// Somebody gave up their seat; others are told why, where that is known.
    pub(super) fn leave(&mut self, serial: u64, cause: Option<DepartureCause>) {
        if let Some(cause) = cause
            && self.view.member(serial).is_some()
        {
            self.view.departures.push(serial, cause);
        }
        self.view.members.retain(|member| member.serial != serial);
        self.private.remove(&serial);
        self.removed.remove(&serial);
    }

    /// Why somebody who still has a seat is not in the room any more.
    pub(super) fn removal(&self, serial: u64) -> Option<&Removal> {
        self.removed.get(&serial)
    }

    /// What somebody may do.
    pub(super) fn grants(&self, serial: u64) -> Result<&Grants, RoomError> {
        let private = self.private.get(&serial).ok_or(RoomError::NoParticipant)?;
        Ok(&private.grants)
    }

    /// Another token says what they may do from now on. What they may publish no more, they do not.
    pub(super) fn authorize(&mut self, serial: u64, grants: Grants) -> Result<(), RoomError> {
        self.change(serial, |member, private| {
            member.hidden = grants.hidden;
            member.keep(|publication| grants.may_publish(publication.source));
            private.grants = grants;
        })
    }

    /// Changes a member. The views that others look at keep it as it was.
    fn change(
        &mut self,
        serial: u64,
        change: impl FnOnce(&mut Member, &mut Private),
    ) -> Result<(), RoomError> {
        let members = &mut self.view.members;
        let at = members.binary_search_by_key(&serial, |member| member.serial);
        let at = at.map_err(|_| RoomError::NoParticipant)?;
        let private = self.private.get_mut(&serial);
        let private = private.ok_or(RoomError::NoParticipant)?;
        change(Arc::make_mut(&mut members[at]), private);
        Ok(())
    }

    /// Their client is gone, or is back.
    pub(super) fn set_state(&mut self, serial: u64, state: ParticipantState) {
        // Who was removed has no state.
        let _ = self.change(serial, |member, _| member.participant.state = state);
    }

    /// Changes what others see of them.
    pub(super) fn update(
        &mut self,
        serial: u64,
        name: Option<String>,
        metadata: Option<String>,
    ) -> Result<(), RoomError> {
        if !self.grants(serial)?.update_own_metadata {
            return Err(RoomError::NotAllowed("change its name and metadata"));
        }
        self.change(serial, |member, _| {
            let participant = &mut member.participant;
            participant.name = name.or(participant.name.take());
            participant.metadata = metadata.or(participant.metadata.take());
        })
    }

    /// Takes the whole list of what somebody publishes. What goes on under its key stays the same track:
    /// `new_track` names the others. Returns the tracks, in the list's order.
    pub(super) fn publish(
        &mut self,
        serial: u64,
        wanted: Vec<NewPublication>,
        mut new_track: impl FnMut() -> TrackId,
    ) -> Result<Vec<TrackId>, RoomError> {
        self.check(serial, &wanted)?;
        let mut tracks = Vec::new();
        self.change(serial, |member, private| {
            let id = &member.participant.id;
            let goes_on = |kind, publication: &PublicationId| {
                let mut published = member.published();
                let same = published.find(|(it, _)| it.id == *publication && it.kind == kind)?;
                Some(same.1.track)
            };
            let (mut publications, mut carried) = (Vec::new(), Vec::new());
            for new in wanted {
                let publication = PublicationId::of(id, &new.key);
                let track = goes_on(new.kind, &publication).unwrap_or_else(&mut new_track);
                tracks.push(track);
                carried.push(Carried {
                    track,
                    formats: new.formats,
                    layers: new.layers,
                });
                publications.push(Publication {
                    id: publication,
                    kind: new.kind,
                    source: new.source,
                    label: new.label,
                    muted: private.is_muted(&new.key),
                    width: new.size.0,
                    height: new.size.1,
                });
            }
            member.participant.publications = publications;
            member.carried = carried;
        })?;
        Ok(tracks)
    }

    fn check(&self, serial: u64, wanted: &[NewPublication]) -> Result<(), RoomError> {
        let limit = self.limits.publications;
        if wanted.len() > limit {
            return Err(RoomError::TooManyPublications(limit));
        }
        let limit = self.limits.room_publications;
        if wanted.len() > limit.saturating_sub(self.published_by_others(serial)) {
            return Err(RoomError::TooManyInRoom(limit));
        }
        let keys: BTreeSet<_> = wanted.iter().map(|new| new.key.as_str()).collect();
        let is_bad = |key: &&str| key.is_empty() || key.contains('/');
        if keys.len() < wanted.len() || keys.iter().any(is_bad) {
            return Err(RoomError::BadKey);
        }
        let grants = self.grants(serial)?;
        match wanted.iter().all(|new| grants.may_publish(new.source)) {
            true => Ok(()),
            false => Err(RoomError::NotAllowed("publish that")),
        }
    }

    fn published_by_others(&self, serial: u64) -> usize {
        let others = self.view.members.iter().filter(|it| it.serial != serial);
        others.map(|it| it.participant.publications.len()).sum()
    }

    /// Somebody is heard on a track of theirs. Returns whether anything is different for others.
    pub(super) fn hear(&mut self, now: Instant, serial: u64, track: TrackId, voice: Voice) -> bool {
        let source = self.view.source(serial, track);
        let is_own = source != Some(Source::ScreenAudio);
        let mut speakers = Speakers::clone(&self.view.speakers);
        // Who left, or publishes that no more, is to be forgotten some time.
        speakers.retain(|serial, track| self.view.source(serial, track).is_some());
        let is_different = source.is_some() && speakers.hear(now, (serial, track, is_own), voice);
        self.view.speakers = Arc::new(speakers);
        is_different
    }

    /// Takes the whole list of what somebody has muted.
    pub(super) fn mute(&mut self, serial: u64, keys: Vec<String>) -> Result<(), RoomError> {
        let limit = self.limits.publications;
        if keys.len() > limit {
            return Err(RoomError::TooManyPublications(limit));
        }
        let mut is_seen = false;
        self.change(serial, |member, private| {
            let muted: BTreeSet<_> = keys.into_iter().collect();
            // Who did not name it before may not have heard that somebody muted it.
            let named = &private.muted;
            let stays = |key: &String| muted.contains(key) || !named.contains(key);
            private.muted_by_others.retain(|key, _| stays(key));
            private.muted = muted;
            let before = member.participant.publications.clone();
            private.mark_muted(member);
            is_seen = before != member.participant.publications;
        })?;
        // Whoever comes with everything off says so before there is anything.
        self.is_pressing |= is_seen;
        Ok(())
    }

    /// Whether something changed, since this was asked last, that nobody should wait for long to see.
    pub(super) fn take_pressing(&mut self) -> bool {
        std::mem::take(&mut self.is_pressing)
    }

    /// Somebody says something: under this number, which is larger than any before.
    pub(super) fn say(&mut self, serial: u64, said: Said, number: u64) -> Result<(), RoomError> {
        if !self.grants(serial)?.publish_data {
            return Err(RoomError::NotAllowed("say anything"));
        }
        let member = self.view.member(serial).ok_or(RoomError::NoParticipant)?;
        let participant = &member.participant;
        self.log.push(Arc::new(RoomMessage {
            number,
            from: participant.id.clone(),
            name: participant.name.clone(),
            to: said.to,
            topic: said.topic,
            at: said.at,
            text: said.text,
        }));
        self.view.said = number;
        Ok(())
    }

    /// Somebody sends a message to others, who get all messages in one order.
    pub(super) fn send(&self, serial: u64, message: &ClientData<'_>) -> Result<(), RoomError> {
        if !self.grants(serial)?.publish_data {
            return Err(RoomError::NotAllowed("send anything"));
        }
        let member = self.view.member(serial).ok_or(RoomError::NoParticipant)?;
        let sent = ServerData {
            from: &member.participant.id.0,
            is_private: message.to.is_some(),
            topic: message.topic,
            payload: message.payload,
        };
        let bytes = Bytes::from(sent.encode()?);
        let to = message.to.as_ref();
        let to: Option<HashSet<_>> = to.map(|to| to.iter().copied().collect());
        let others = self.view.members.iter().filter(|it| it.serial != serial);
        let meant = others.filter(|it| {
            let id = it.participant.id.0.as_str();
            to.as_ref().is_none_or(|to| to.contains(id))
        });
        let inboxes = meant.filter_map(|it| self.private.get(&it.serial));
        inboxes.for_each(|private| private.inbox.push(&bytes));
        Ok(())
    }

    /// What late joiners are told.
    pub(super) fn chat(&self) -> Vec<RoomMessage> {
        self.log.chat()
    }

    /// What was said after a number that somebody may know.
    pub(super) fn said_after(
        &self,
        serial: u64,
        number: u64,
    ) -> Result<Vec<Arc<RoomMessage>>, Forgotten> {
        match self.view.member(serial) {
            Some(member) => self.log.after(number, &member.participant.id),
            None => Ok(Vec::new()),
        }
    }
}

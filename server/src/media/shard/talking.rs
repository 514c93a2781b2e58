//! A peer's messages to and from its room, on two channels that its client opened: which those are, and
//! what waits on its way. Plain data that moves with the peer.
//!
//! Reliable messages go by the session, which knows the room: a batch each way at a time, so that none
//! overtakes another while the peer moves between shards, and what is held here has a limit. Of what comes
//! no more is read than that, and the other end waits.
//!
//! Lossy messages go from shard to shard. Where a receiver is slow, what is oldest is dropped.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use ferrite_protocol::limits::MAX_LOSSY_BYTES;
use ferrite_protocol::{ClientData, LOSSY_CHANNEL, RELIABLE_CHANNEL, REPLAYED_CHANNEL, ServerData};

use crate::media::data::{ChannelId, LEAST_HIGH_WATER, MessageKind};
use crate::media::event::{PeerEvent, Reliable, Tell};
use crate::media::peer::{MESSAGE_COST, Peer};
use crate::media::plan::Talk;
use crate::media::shard::gatherings::{Gatherings, Lossy};
use crate::rate::{Bucket, Rate};

/// What is read of a peer's messages before its session has heard them, each counted with
/// [`MESSAGE_COST`].
pub const MAX_UNHEARD: usize = 256 * 1024;

/// Bytes of reliable messages given to SCTP that the other end has not acknowledged.
pub const MAX_RELIABLE_UNDER_WAY: usize = 512 * 1024;

/// The same where memory is scarce.
pub const LEAST_RELIABLE_UNDER_WAY: usize = LEAST_HIGH_WATER;

/// The same of lossy ones, always.
pub const MAX_LOSSY_UNDER_WAY: usize = 32 * 1024;

/// Lossy messages waiting for those to be acknowledged, and their bytes.
pub const MAX_LOSSY_WAITING: (usize, usize) = (64, 64 * 1024);

/// Lossy messages that a peer may send a second, and at once after a quiet time.
pub const LOSSY_RATE: (u32, u32) = (500, 250);
const RATE: Rate = Rate::new(LOSSY_RATE.0, LOSSY_RATE.1);

/// One that goes to more than so many others counts as one for each so many: each of them costs as much as another
/// message.
pub const LOSSY_RECEIVERS: usize = 50;

/// See the module.
#[derive(Debug, Default)]
pub struct Talking {
    talk: Option<Arc<Talk>>,
    reliable: Option<ChannelId>,
    /// What comes on that is counted by both ends.
    is_replayed: bool,
    lossy: Option<ChannelId>,
    /// How often the reliable channel became another, and how often when the session was last told.
    changes: u32,
    told: u32,
    /// Came, and the session was not told yet.
    unheard: Vec<Bytes>,
    /// The session was told some, and has not said that it heard them.
    is_told: bool,
    /// What both are, for the limit.
    unheard_bytes: usize,
    /// The session sent these.
    unsent: VecDeque<Bytes>,
    /// It is yet to be told that they are on their way.
    owes_sent: bool,
    /// Lossy messages to be sent.
    waiting: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// Lossy messages that came.
    said: Vec<Lossy>,
    /// How many more may come.
    allowed: Option<Bucket>,
}

impl Talking {
    /// A channel is open. Where several have one label, the newest counts.
    pub fn opened(&mut self, channel: ChannelId, label: &str) {
        match label {
            RELIABLE_CHANNEL => self.go_over(Some(channel), false),
            REPLAYED_CHANNEL => self.go_over(Some(channel), true),
            LOSSY_CHANNEL => self.lossy = Some(channel),
            _ => {}
        }
    }

    /// There is another channel for reliable messages, or none.
    fn go_over(&mut self, reliable: Option<ChannelId>, is_replayed: bool) {
        if self.is_replayed || is_replayed {
            // What has its number on one channel means nothing beside another, and comes again there.
            self.unsent.clear();
            let unheard = std::mem::take(&mut self.unheard);
            self.unheard_bytes -= cost(&unheard);
        }
        (self.reliable, self.is_replayed) = (reliable, is_replayed);
        self.changes = self.changes.wrapping_add(1);
    }

    /// A channel is closed.
    pub fn closed(&mut self, channel: ChannelId) {
        if self.reliable == Some(channel) {
            self.go_over(None, false);
        }
        self.lossy.take_if(|lossy| *lossy == channel);
    }

    /// Takes a message.
    pub fn take(&mut self, now: Instant, channel: ChannelId, data: Bytes, talk: Option<&Talk>) {
        if self.reliable == Some(channel) {
            self.unheard_bytes += data.len() + MESSAGE_COST;
            self.unheard.push(data);
        } else if self.lossy == Some(channel)
            && let Some(talk) = talk
            && talk.may_send
            && data.len() <= MAX_LOSSY_BYTES
            // What is no message is dropped: nobody waits for an answer.
            && let Ok(message) = ClientData::decode(&data)
            && self.may_say(now, receivers(talk, &message))
        {
            self.said.extend(lossy(talk, message));
        }
    }

    /// Whether one more lossy message to so many is within the limit.
    fn may_say(&mut self, now: Instant, receivers: usize) -> bool {
        let count = receivers.div_ceil(LOSSY_RECEIVERS).max(1);
        let allowed = self.allowed.get_or_insert_with(|| Bucket::new(now));
        allowed.take(RATE, count.try_into().unwrap_or(u32::MAX), now)
    }

    /// The lossy messages that came.
    pub fn said(&mut self) -> impl Iterator<Item = Lossy> {
        self.said.drain(..)
    }

    /// Takes a lossy message that somebody sent. Where too much waits, what is oldest goes.
    pub fn hear(&mut self, message: Bytes) {
        if self.lossy.is_none() {
            return;
        }
        let (messages, bytes) = MAX_LOSSY_WAITING;
        self.waiting_bytes += message.len();
        self.waiting.push_back(message);
        while self.waiting.len() > messages || self.waiting_bytes > bytes {
            self.next_waiting();
        }
    }

    fn next_waiting(&mut self) -> Option<Bytes> {
        let message = self.waiting.pop_front()?;
        self.waiting_bytes -= message.len();
        Some(message)
    }

    /// Takes reliable messages that the session sends.
    pub fn send(&mut self, messages: Vec<Bytes>) {
        self.unsent.extend(messages);
        self.owes_sent = true;
    }

    /// The session heard what it was told.
    pub fn heard(&mut self) {
        self.is_told = false;
    }

    /// Takes a place in a room, or none.
    pub fn sit<P: Copy + Eq>(
        &mut self,
        talk: Option<Arc<Talk>>,
        gatherings: &mut Gatherings<P>,
        key: P,
    ) {
        let before = std::mem::replace(&mut self.talk, talk);
        let (before, now) = (before.as_deref(), self.talk.as_deref());
        if before.map(Talk::place) == now.map(Talk::place) {
            return;
        }
        if let Some(before) = before {
            gatherings.leave(&before.gathering, &before.participant, key);
        }
        if let Some(now) = now {
            gatherings.enter(&now.gathering, &now.participant, key);
        }
    }

    /// Moves on what can move. Returns whether there may be more to take then.
    pub fn proceed(
        &mut self,
        now: Instant,
        peer: &mut Peer,
        is_in_a_room: bool,
        tell: &mut impl Tell,
    ) -> bool {
        if !peer.has_data() {
            if self.reliable.is_some() {
                self.go_over(None, false);
            }
            self.lossy = None;
        }
        self.tell_session(tell);
        self.send_on(now, peer, tell);
        let room = MAX_UNHEARD.saturating_sub(self.unheard_bytes);
        peer.set_appetite(now, is_in_a_room.then_some(room))
    }

    fn tell_session(&mut self, tell: &mut impl Tell) {
        if self.changes != self.told {
            let reliable = match self.reliable {
                None => Reliable::Closed,
                Some(_) if self.is_replayed => Reliable::Replayed,
                Some(_) => Reliable::Open,
            };
            if tell(PeerEvent::Channel(reliable)).is_err() {
                return;
            }
            self.told = self.changes;
        }
        if self.is_told {
            return;
        }
        self.unheard_bytes = cost(&self.unheard);
        if self.unheard.is_empty() {
            return;
        }
        match tell(PeerEvent::Messages(std::mem::take(&mut self.unheard))) {
            Err(PeerEvent::Messages(unheard)) => self.unheard = unheard,
            Ok(()) | Err(_) => self.is_told = true,
        }
    }

    fn send_on(&mut self, now: Instant, peer: &mut Peer, tell: &mut impl Tell) {
        match self.reliable {
            Some(channel) => {
                while peer.buffered_on(channel) < most_under_way(peer)
                    && let Some(message) = self.unsent.pop_front()
                {
                    give(now, peer, channel, message);
                }
            }
            None => self.unsent.clear(),
        }
        if self.owes_sent && self.unsent.is_empty() {
            self.owes_sent = tell(PeerEvent::Sent).is_err();
        }
        match self.lossy {
            Some(channel) => {
                while peer.buffered_on(channel) < MAX_LOSSY_UNDER_WAY
                    && let Some(message) = self.next_waiting()
                {
                    give(now, peer, channel, message);
                }
            }
            None => {
                self.waiting.clear();
                self.waiting_bytes = 0;
            }
        }
    }
}

/// What these are, for the limit.
fn cost(messages: &[Bytes]) -> usize {
    messages.iter().map(|it| it.len() + MESSAGE_COST).sum()
}

/// Bytes of reliable messages below which another may be on its way.
fn most_under_way(peer: &Peer) -> usize {
    if peer.is_memory_scarce() {
        LEAST_RELIABLE_UNDER_WAY
    } else {
        MAX_RELIABLE_UNDER_WAY
    }
}

/// About how many a message is for.
fn receivers(talk: &Talk, message: &ClientData<'_>) -> usize {
    let named = message.to.as_ref().map(Vec::len);
    named.unwrap_or_else(|| talk.gathering.members().saturating_sub(1))
}

/// A message of a client's as it goes to others.
fn lossy(talk: &Talk, message: ClientData<'_>) -> Option<Lossy> {
    let sent = ServerData {
        from: &talk.participant,
        is_private: message.to.is_some(),
        topic: message.topic,
        payload: message.payload,
    };
    let bytes = Bytes::from(sent.encode().ok()?);
    let to = message.to.map(|mut to| {
        to.sort_unstable();
        to.dedup();
        to.into_iter().map(Box::from).collect()
    });
    Some(Lossy {
        gathering: talk.gathering.clone(),
        from: talk.participant.clone(),
        to,
        bytes,
    })
}

/// What is refused is too long for the other end, which says what it takes (RFC 8841 §6.1), or its channel
/// was just closed.
fn give(now: Instant, peer: &mut Peer, channel: ChannelId, message: Bytes) {
    if let Err(error) = peer.send_data(now, channel, MessageKind::Binary, message) {
        tracing::debug!(%error, "a member's message was not sent");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::plan::Gathering;

    /// How many messages at once are taken of a member of a room of so many.
    fn taken(members: usize, to: Option<Vec<&str>>) -> usize {
        let (mut talking, now, channel) = (Talking::default(), Instant::now(), ChannelId(1));
        talking.opened(channel, LOSSY_CHANNEL);
        let gathering = Gathering::default();
        (0..members).for_each(|_| gathering.add_member());
        let talk = Talk {
            gathering,
            participant: "ann".into(),
            may_send: true,
        };
        let (topic, payload) = ("", &b"x"[..]);
        let message = ClientData { to, topic, payload };
        let message = Bytes::from(message.encode().unwrap());
        for _ in 0..1000 {
            talking.take(now, channel, message.clone(), Some(&talk));
        }
        talking.said().count()
    }

    /// What the session is told.
    fn told(talking: &mut Talking) -> Vec<PeerEvent> {
        let mut told = Vec::new();
        talking.tell_session(&mut |event| {
            told.push(event);
            Ok(())
        });
        told
    }

    #[test]
    fn what_has_its_number_on_one_channel_is_not_taken_for_anothers() {
        let (mut talking, now) = (Talking::default(), Instant::now());
        let message = |byte| Bytes::from(vec![byte]);
        let channel = PeerEvent::Channel;
        for (label, reliable) in [
            (REPLAYED_CHANNEL, Reliable::Replayed),
            (RELIABLE_CHANNEL, Reliable::Open),
        ] {
            talking.opened(ChannelId(1), label);
            talking.take(now, ChannelId(1), message(1), None);
            let first = [channel(reliable), PeerEvent::Messages(vec![message(1)])];
            assert_eq!(told(&mut talking), first);
            talking.take(now, ChannelId(1), message(2), None);
            talking.heard();
            talking.closed(ChannelId(1));
            let closed = channel(Reliable::Closed);
            match reliable {
                Reliable::Open => {
                    let left = PeerEvent::Messages(vec![message(2)]);
                    assert_eq!(told(&mut talking), [closed, left]);
                    talking.heard();
                }
                Reliable::Replayed | Reliable::Closed => {
                    assert_eq!(told(&mut talking), [closed]);
                }
            }
            assert!(told(&mut talking).is_empty());
            assert_eq!(talking.unheard_bytes, 0);
        }
        // Whatever was told of those before: the last counts.
        for number in [1, 2, 2] {
            talking.opened(ChannelId(number), REPLAYED_CHANNEL);
            talking.take(now, ChannelId(number), message(number as u8), None);
        }
        let last = PeerEvent::Messages(vec![message(2)]);
        assert_eq!(told(&mut talking), [channel(Reliable::Replayed), last]);
    }

    #[test]
    fn of_messages_to_many_fewer_are_taken() {
        let at_once = LOSSY_RATE.1 as usize;
        assert_eq!(taken(2, None), at_once);
        assert_eq!(taken(1 + LOSSY_RECEIVERS, None), at_once);
        assert_eq!(taken(2 + LOSSY_RECEIVERS, None), at_once / 2);
        assert_eq!(taken(500, None), at_once / 10);
        assert_eq!(taken(500, Some(vec!["bob"])), at_once);
        assert_eq!(
            taken(500, Some(vec!["bob"; 2 * LOSSY_RECEIVERS])),
            at_once / 2
        );
    }
}

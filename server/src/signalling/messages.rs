//! A session's messages on the reliable data channel, between its room and its peer: a batch each way at a
//! time. Owns what is under way, and how fast what comes may. No IO.

use std::time::Instant;

use bytes::Bytes;
use ferrite_protocol::{ClientData, ErrorCode, ServerMessage};

use super::membership::refusal;
use super::peer::Peer;
use super::socket::Gone;
use crate::rate::{Bucket, Rate};
use crate::room::{Inbox, RoomError, Seat};

/// Reliable messages that a client may send a second, and at once after a quiet time: each may go to a
/// whole room. What more it has, waits with it. A long one counts as one for each [`COUNTED_BYTES`]: what one
/// sends at once another has room for.
pub(crate) const MESSAGES: (u32, u32) = (1000, 1000);
const RATE: Rate = Rate::new(MESSAGES.0, MESSAGES.1);

/// See [`MESSAGES`].
pub(crate) const COUNTED_BYTES: usize = 4096;

/// Bytes that the peer is given at a time.
pub(crate) const BATCH_BYTES: usize = 256 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Messages {
    /// The client takes messages.
    is_open: bool,
    /// The peer was given some, and has not sent them.
    is_sending: bool,
    /// The media plane had no room for these.
    refused: Vec<Bytes>,
    /// When the peer may go on with those that come.
    goes_on_at: Option<Instant>,
    /// The media plane had no room for word of that.
    is_unheard: bool,
    bucket: Bucket,
}

impl Messages {
    /// There is no channel yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            is_open: false,
            is_sending: false,
            refused: Vec::new(),
            goes_on_at: None,
            is_unheard: false,
            bucket: Bucket::new(now),
        }
    }

    /// Whether the client takes messages.
    pub(super) fn is_open(&self) -> bool {
        self.is_open
    }

    /// The client takes messages from now on, or no more.
    pub(super) fn set_open(&mut self, is_open: bool) {
        self.is_open = is_open;
    }

    /// Whether more can be passed on.
    pub(super) fn takes_more(&self) -> bool {
        !self.is_sending
    }

    /// What the peer was given last is on its way.
    pub(super) fn sent(&mut self) {
        self.is_sending = false;
    }

    /// Passes on what waits. Says so to a reader who is slow.
    pub(super) fn pass_on(
        &mut self,
        inbox: &Inbox,
        peer: &Peer,
    ) -> Result<Option<ServerMessage>, Gone> {
        let bytes = match self.takes_more() {
            true => BATCH_BYTES,
            false => 0,
        };
        let waiting = inbox.take(bytes);
        let waiting = waiting.map_err(|_| Gone::Excess(TOO_SLOW.to_owned()))?;
        if !waiting.messages.is_empty() {
            self.is_sending = true;
            self.refused = peer.send(waiting.messages).err().unwrap_or_default();
        }
        Ok(waiting
            .is_late
            .then(|| error(ErrorCode::LimitExceeded, SLOW)))
    }

    /// Takes what came, in order, and gives what is to be said of it.
    pub(super) fn hear(
        &mut self,
        messages: &[Bytes],
        seat: Option<&Seat>,
        now: Instant,
    ) -> Vec<ServerMessage> {
        let counts = messages.iter().map(|it| 1 + it.len() / COUNTED_BYTES);
        let count = u32::try_from(counts.sum::<usize>()).unwrap_or(u32::MAX);
        self.goes_on_at = Some(self.bucket.spend(RATE, count, now));
        let Some(seat) = seat else {
            let refused = error(ErrorCode::BadState, "this session is in no room");
            return vec![refused];
        };
        let sent = messages.iter().map(|message| send(seat, message));
        let mut refused: Vec<_> = sent.filter_map(Result::err).collect();
        // Of many that are refused for the same, one word is enough.
        refused.dedup();
        refused.iter().map(|error| refusal(None, error)).collect()
    }

    /// Gives the media plane what is due.
    pub(super) fn carry_out(&mut self, peer: &Peer, now: Instant) {
        if !self.refused.is_empty() {
            let refused = peer.send(std::mem::take(&mut self.refused));
            self.refused = refused.err().unwrap_or_default();
        }
        if self.goes_on_at.is_some_and(|at| at <= now) {
            self.is_unheard = !peer.heard();
            if !self.is_unheard {
                self.goes_on_at = None;
            }
        }
    }

    /// When [`carry_out`](Self::carry_out) is to be tried, if so; `None` is soon.
    pub(super) fn due(&self) -> Option<Option<Instant>> {
        match self.goes_on_at {
            _ if !self.refused.is_empty() || self.is_unheard => Some(None),
            Some(at) => Some(Some(at)),
            None => None,
        }
    }
}

const SLOW: &str =
    "what others send comes faster than it is read; past twice of what waits now nothing is kept";

const TOO_SLOW: &str = "more was sent in the room than is kept for who reads so slowly";

fn send(seat: &Seat, message: &[u8]) -> Result<(), RoomError> {
    seat.send(&ClientData::decode(message)?)
}

fn error(code: ErrorCode, message: &str) -> ServerMessage {
    ServerMessage::Error {
        id: None,
        code,
        message: message.to_owned(),
    }
}

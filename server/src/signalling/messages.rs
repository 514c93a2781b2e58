//! A session's messages on the reliable data channel, between its room and its peer: a batch each way at a
//! time. Owns what is under way, how fast what comes may, and the numbers by which what is lost with a channel comes on
//! the next. No IO.

use std::time::Instant;

use bytes::Bytes;
use ferrite_protocol::replay::{Came, NeverSent};
use ferrite_protocol::{ClientData, Count, ErrorCode, ServerMessage};

use super::membership::refusal;
use super::peer::Peer;
use super::replies::NO_ROOM;
use super::socket::Gone;
use crate::media::Reliable;
use crate::rate::{Bucket, Rate};
use crate::room::{Inbox, Keep, Overrun, RoomError, Seat};

/// Reliable messages that a client may send a second, and at once after a quiet time: each may go to a
/// whole room. What more it has, waits with it. A long one counts as one for each [`COUNTED_BYTES`]: what one
/// sends at once another has room for.
pub(crate) const MESSAGES: (u32, u32) = (1000, 1000);
const RATE: Rate = Rate::new(MESSAGES.0, MESSAGES.1);

/// See [`MESSAGES`].
pub(crate) const COUNTED_BYTES: usize = 4096;

/// Bytes that the peer is given at a time.
pub(crate) const BATCH_BYTES: usize = 256 * 1024;

/// The channel on which messages come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    Closed,
    Plain,
    Replayed {
        /// The client said what it received, so that it is known what comes next.
        is_counted: bool,
    },
}

/// See the module.
#[derive(Debug)]
pub(super) struct Messages {
    channel: Channel,
    /// The peer was given some, and has not sent them.
    is_sending: bool,
    /// The media plane had no room for these.
    refused: Vec<Bytes>,
    /// When the peer may go on with those that come.
    goes_on_at: Option<Instant>,
    /// The media plane had no room for word of that.
    is_unheard: bool,
    bucket: Bucket,
    /// Of the client's, whatever the room and the channel.
    came: Came,
    /// The number of the last message that the client was given.
    last: u64,
    /// How many came, where the client is to be told.
    received: Option<Count>,
    /// Which message comes next, where the client is to be told.
    next: Option<Count>,
    /// There is no channel, and until then what comes is kept for the next.
    kept_until: Option<Instant>,
}

impl Messages {
    /// There is no channel yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            channel: Channel::Closed,
            is_sending: false,
            refused: Vec::new(),
            goes_on_at: None,
            is_unheard: false,
            bucket: Bucket::new(now),
            came: Came::default(),
            last: 0,
            received: None,
            next: None,
            kept_until: None,
        }
    }

    /// The client has a place in a room from now on, and nothing waits there yet.
    pub(super) fn sit(&self, inbox: &Inbox) {
        inbox.go_on_after(self.last);
        inbox.keep(self.keeps());
    }

    /// There is another channel, or none; then what comes is kept until that time, where it can come on the next.
    pub(super) fn change(&mut self, reliable: Reliable, until: Instant, inbox: Option<&Inbox>) {
        let before = self.channel;
        (self.received, self.next) = (None, None);
        self.channel = match reliable {
            Reliable::Closed => {
                let replays = matches!(before, Channel::Replayed { .. });
                self.kept_until = self.kept_until.or(replays.then_some(until));
                Channel::Closed
            }
            Reliable::Open => {
                self.kept_until = None;
                Channel::Plain
            }
            Reliable::Replayed => {
                self.kept_until = None;
                self.received = Some(self.came.begin());
                Channel::Replayed { is_counted: false }
            }
        };
        if let Some(inbox) = inbox {
            inbox.keep(self.keeps());
        }
    }

    /// There is another peer, or none. What the one before was given or told is lost.
    pub(super) fn lose_peer(&mut self, until: Instant, inbox: Option<&Inbox>) {
        self.change(Reliable::Closed, until, inbox);
        self.is_sending = false;
        self.refused = Vec::new();
        self.goes_on_at = None;
        self.is_unheard = false;
    }

    fn keeps(&self) -> Keep {
        match self.channel {
            Channel::Plain => Keep::Untaken,
            Channel::Replayed { .. } => Keep::Unreceived,
            Channel::Closed if self.kept_until.is_some() => Keep::Unreceived,
            Channel::Closed => Keep::Nothing,
        }
    }

    /// Until when what comes is kept for a client that has no channel.
    pub(super) fn kept_until(&self) -> Option<Instant> {
        self.kept_until
    }

    /// Lets go of what was kept long enough.
    pub(super) fn let_go(&mut self, now: Instant, inbox: Option<&Inbox>) {
        let is_over = self.kept_until.take_if(|until| *until <= now).is_some();
        if is_over && let Some(inbox) = inbox {
            inbox.keep(Keep::Nothing);
        }
    }

    /// Whether more can be passed on.
    pub(super) fn takes_more(&self) -> bool {
        let is_ready = match self.channel {
            Channel::Closed => false,
            Channel::Plain => true,
            Channel::Replayed { is_counted } => is_counted,
        };
        is_ready && !self.is_sending
    }

    /// What the peer was given last is on its way.
    pub(super) fn sent(&mut self, peer: &Peer) {
        self.is_sending = false;
        self.count(peer);
    }

    /// Passes on what waits, while there is a peer. Says so to a reader who is slow.
    pub(super) fn pass_on(
        &mut self,
        inbox: &Inbox,
        peer: Option<&Peer>,
    ) -> Result<Option<ServerMessage>, Gone> {
        let peer = peer.filter(|_| self.takes_more());
        let waiting = match inbox.take(peer.map_or(0, |_| BATCH_BYTES)) {
            Ok(waiting) => waiting,
            // A call without a channel is better than none. The number of the next says what is missing.
            Err(Overrun) if self.channel == Channel::Closed => {
                self.kept_until = None;
                inbox.keep(Keep::Nothing);
                return Ok(Some(error(ErrorCode::LimitExceeded, LOST.to_owned())));
            }
            Err(Overrun) => return Err(Gone::Excess(TOO_SLOW.to_owned())),
        };
        self.last += waiting.messages.len() as u64;
        if let Some(peer) = peer.filter(|_| !waiting.messages.is_empty()) {
            self.give(waiting.messages, peer);
        }
        Ok(waiting
            .is_late
            .then(|| error(ErrorCode::LimitExceeded, SLOW.to_owned())))
    }

    /// Tells the client what came and what comes, where it is to know.
    fn count(&mut self, peer: &Peer) {
        if self.takes_more() && self.received.or(self.next).is_some() {
            self.give(Vec::new(), peer);
        }
    }

    fn give(&mut self, messages: Vec<Bytes>, peer: &Peer) {
        let counts = [self.received.take(), self.next.take()];
        let counts = counts.into_iter().flatten();
        let counts = counts.map(|count| Bytes::copy_from_slice(&count.encode()));
        let batch = counts.chain(messages).collect();
        self.is_sending = true;
        self.refused = peer.send(batch).err().unwrap_or_default();
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
        let heard = messages.iter().map(|message| self.take(message, seat));
        let refused = heard.filter_map(Result::err);
        let mut refused: Vec<_> = refused.map(|refused| *refused).collect();
        // Of many that are refused for the same, one word is enough.
        refused.dedup();
        refused
    }

    fn take(&mut self, message: &[u8], seat: Option<&Seat>) -> Result<(), Box<ServerMessage>> {
        let is_new = match self.channel {
            Channel::Replayed { .. } => self.take_numbered(message, seat)?,
            // What came before it closed.
            Channel::Closed | Channel::Plain => true,
        };
        if !is_new {
            return Ok(());
        }
        let seat = seat.ok_or_else(|| error(ErrorCode::BadState, NO_ROOM.to_owned()))?;
        let sent = ClientData::decode(message).map_err(RoomError::from);
        let sent = sent.and_then(|message| seat.send(&message));
        sent.map_err(|error| refusal(None, &error).into())
    }

    /// Returns whether it is a message, and one that did not come before.
    fn take_numbered(
        &mut self,
        message: &[u8],
        seat: Option<&Seat>,
    ) -> Result<bool, Box<ServerMessage>> {
        let count = Count::decode(message).map_err(|error| refusal(None, &error.into()))?;
        match count {
            Some(Count::Received(number)) => {
                let inbox = seat.map(|seat| &**seat.inbox());
                self.settle(number, inbox).map_err(|error| bad(&error))?;
                Ok(false)
            }
            Some(Count::Next(number)) => {
                self.came.expect(number);
                Ok(false)
            }
            None => {
                let is_new = self.came.take(message.len());
                self.received = self.came.due().or(self.received);
                is_new.map_err(|error| bad(&error).into())
            }
        }
    }

    fn settle(&mut self, number: u64, inbox: Option<&Inbox>) -> Result<(), NeverSent> {
        if let Some(inbox) = inbox {
            inbox.settle(number)?;
        }
        if let Channel::Replayed {
            is_counted: it @ false,
        } = &mut self.channel
        {
            *it = true;
            if let Some(inbox) = inbox {
                self.last = inbox.begin();
            }
            self.next = Some(Count::Next(self.last + 1));
        }
        Ok(())
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
        self.count(peer);
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

const LOST: &str = "more was sent in the room than is kept for who has no data channel; it is lost";

const TOO_SLOW: &str = "more was sent in the room than is kept for who reads so slowly";

fn bad(error: &impl ToString) -> ServerMessage {
    self::error(ErrorCode::BadMessage, error.to_string())
}

fn error(code: ErrorCode, message: String) -> ServerMessage {
    ServerMessage::Error {
        id: None,
        code,
        message,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::room::{MAX_WAITING, Newcomer, RoomLimits, Rooms};

    const LIMITS: RoomLimits = RoomLimits {
        participants: 2,
        publications: 0,
        room_publications: 0,
    };

    fn sit(rooms: &Arc<Rooms>, id: &str) -> Seat {
        let newcomer = Newcomer {
            id: id.into(),
            name: None,
            metadata: None,
            grants: None,
            may_open: true,
            max_participants: None,
        };
        Seat::take(rooms, "r".into(), newcomer).unwrap()
    }

    /// All that is said to somebody without a channel who was sent so many messages.
    fn told_without_a_channel(count: usize) -> (Messages, Vec<ServerMessage>, u64) {
        let rooms = Arc::new(Rooms::new(1, LIMITS));
        let (ann, bob) = (sit(&rooms, "ann"), sit(&rooms, "bob"));
        let (now, inbox) = (Instant::now(), ann.inbox());
        let mut messages = Messages::new(now);
        messages.sit(inbox);
        messages.change(Reliable::Replayed, now, Some(inbox));
        messages.lose_peer(now + Duration::from_secs(30), Some(inbox));
        let data = ClientData {
            to: None,
            topic: "",
            payload: &[7],
        };
        (0..count).for_each(|_| bob.send(&data).unwrap());
        let mut told = Vec::new();
        while inbox.ready(messages.takes_more()).now_or_never().is_some() {
            told.extend(messages.pass_on(inbox, None).unwrap());
            assert!(told.len() < 10, "it goes round and round");
        }
        (messages, told, inbox.begin())
    }

    #[test]
    fn who_has_no_peer_is_told_once_of_much_that_waits() {
        let (messages, told, given) = told_without_a_channel(MAX_WAITING / 2 + 1);
        let late = error(ErrorCode::LimitExceeded, SLOW.to_owned());
        assert_eq!(told, [late]);
        assert!(messages.kept_until().is_some() && given == 0);
    }

    #[test]
    fn who_has_no_channel_loses_what_is_too_much_and_stays() {
        let (messages, told, given) = told_without_a_channel(MAX_WAITING + 1);
        let lost = error(ErrorCode::LimitExceeded, LOST.to_owned());
        assert_eq!(told, [lost]);
        assert!(messages.kept_until().is_none());
        assert_eq!(
            given,
            MAX_WAITING as u64 + 1,
            "the next shows what is missing"
        );
    }
}

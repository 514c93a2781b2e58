//! A room's reliable messages over however many peer connections: what the server has not received when one ends goes on
//! the next, and what comes again there is left out. Owns what was sent and not received, whoever waits for its departure,
//! and the count of what came; knows neither the channel nor what is in a message.

use ferrite_protocol::Count;
use ferrite_protocol::limits::MAX_DATA_BYTES;
use ferrite_protocol::replay::{Came, Kept};

use crate::peer::{Outgoing, SendError};

/// What was given to a channel and is not received, at most. What is more waits, and whoever sent it with it.
const UNRECEIVED_BYTES: usize = 2 * 1024 * 1024;
/// Messages of that.
const UNRECEIVED: usize = 4096;
/// Messages that wait for their departure, where all there are exceed one of those.
const WAITING: usize = 256;
/// The longest message: a payload and what is before it (PROTOCOL, "Replaying").
const LONGEST: usize = MAX_DATA_BYTES + 4 * 1024;

/// The channel, as far as it counts here.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Channel {
    #[default]
    Closed,
    /// The server has not said yet what it received: nothing is sent that it may have.
    Begun,
    Open,
}

/// A message of this client.
#[derive(Debug)]
struct Message {
    bytes: Vec<u8>,
    outgoing: Outgoing,
    /// It was given to no channel yet.
    is_new: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    channel: Channel,
    kept: Kept<Message>,
    /// All bytes that are kept.
    bytes: usize,
    /// Messages and bytes that were given to a channel.
    unreceived: (usize, usize),
    came: Came,
    /// Whether what is under way on this channel comes on the next: nothing was forgotten at either end.
    goes_on: bool,
    /// Nobody knows yet whether what was under way on the channel before comes on this one.
    is_opening: bool,
}

impl Replay {
    /// Another channel is open. This is to be said on it first.
    pub(crate) fn begin(&mut self) -> [Count; 2] {
        self.channel = Channel::Begun;
        self.is_opening = true;
        [self.came.begin(), self.kept.begin()]
    }

    /// There is no channel.
    pub(crate) fn close(&mut self) {
        self.channel = Channel::Closed;
    }

    /// Keeps a message until the server has it.
    pub(crate) fn push(&mut self, mut outgoing: Outgoing) {
        let bytes = std::mem::take(&mut outgoing.payload).into_bytes();
        if let Err(error) = self.admit(&bytes) {
            return outgoing.finish(Err(error));
        }
        self.bytes += bytes.len();
        self.kept.push(Message {
            bytes,
            outgoing,
            is_new: true,
        });
    }

    fn admit(&self, bytes: &[u8]) -> Result<(), SendError> {
        let is_much = self.kept.len() >= UNRECEIVED || self.bytes >= UNRECEIVED_BYTES;
        let waiting = self.kept.len() - self.unreceived.0;
        match Count::decode(bytes) {
            _ if bytes.len() > LONGEST => Err(SendError::TooLarge),
            _ if is_much && waiting >= WAITING => Err(SendError::Full),
            Ok(None) => Ok(()),
            // The server would take it for this client's own word, and count otherwise from then on.
            Ok(Some(_)) | Err(_) => Err(SendError::BadData),
        }
    }

    /// Gives the channel what it has room for: `send` returns whether it took a message.
    pub(crate) fn give(&mut self, mut send: impl FnMut(&[u8]) -> bool) {
        while self.channel == Channel::Open
            && let Some(message) = self.kept.peek()
        {
            let (messages, bytes) = self.unreceived;
            let is_full = messages >= UNRECEIVED || bytes >= UNRECEIVED_BYTES;
            if (message.is_new && is_full) || !send(&message.bytes) {
                return;
            }
            if std::mem::take(&mut message.is_new) {
                self.unreceived = (messages + 1, bytes + message.bytes.len());
                message.outgoing.depart(Ok(()));
            }
            self.kept.was_given();
        }
    }

    /// A message of so many bytes came. Returns whether it did for the first time.
    pub(crate) fn hear(&mut self, bytes: usize) -> bool {
        // One without a number comes again.
        self.came.take(bytes) == Ok(true)
    }

    /// What the server is to be told by now.
    pub(crate) fn due(&mut self) -> Option<Count> {
        self.came.due()
    }

    /// The server counts. Returns what is to be said to that.
    pub(crate) fn count(&mut self, count: Count) -> Option<Count> {
        match count {
            Count::Next(number) => {
                self.goes_on &= !self.came.misses(number);
                self.came.expect(number);
                None
            }
            Count::Received(number) => {
                // Of what was never sent there is nothing to let go of.
                while let Ok(Some(message)) = self.kept.settle(number) {
                    self.bytes -= message.bytes.len();
                    self.unreceived.0 -= 1;
                    self.unreceived.1 -= message.bytes.len();
                }
                (self.channel == Channel::Begun).then(|| {
                    self.channel = Channel::Open;
                    self.kept.begin()
                })
            }
        }
    }

    /// Whether what was under way on the channel before comes on this one; once, as soon as the server has said what it kept.
    pub(crate) fn opened(&mut self) -> Option<bool> {
        let is_known = self.is_opening && self.came.is_numbered();
        is_known.then(|| {
            self.is_opening = false;
            std::mem::replace(&mut self.goes_on, true)
        })
    }

    /// This client is not in the room any more: nothing that was sent there goes anywhere else. Returns what is to be said
    /// of that.
    pub(crate) fn forget(&mut self) -> Option<Count> {
        let mut forgotten = false;
        while let Some(mut message) = self.kept.forget() {
            forgotten = true;
            message.outgoing.depart(Err(SendError::NotOpen));
        }
        (self.bytes, self.unreceived) = (0, (0, 0));
        self.goes_on = false;
        // What has its number on the channel already is not sent there.
        (forgotten && self.channel == Channel::Open).then(|| self.kept.begin())
    }

    /// The server knows nothing of this client, nor of what was sent and came.
    pub(crate) fn reset(&mut self) {
        self.forget();
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use futures_channel::oneshot::{self, Receiver};

    use super::*;
    use crate::peer::Payload;

    type Done = Receiver<Result<(), SendError>>;

    fn outgoing(bytes: Vec<u8>) -> (Outgoing, Done) {
        let (done, departed) = oneshot::channel();
        let payload = Payload::Bytes(bytes);
        let done = Some(done);
        (Outgoing { payload, done }, departed)
    }

    fn push(replay: &mut Replay, bytes: Vec<u8>) -> Done {
        let (outgoing, done) = outgoing(bytes);
        replay.push(outgoing);
        done
    }

    /// What became of a message, if anything did.
    fn fate(done: &mut Done) -> Option<Result<(), SendError>> {
        done.try_recv().expect("it is told")
    }

    /// The first bytes of what a channel takes that has room for so many messages.
    fn given(replay: &mut Replay, mut room: usize) -> Vec<u8> {
        let mut given = Vec::new();
        replay.give(|bytes| {
            let takes = room > 0;
            room -= usize::from(takes);
            given.extend(takes.then(|| bytes[0]));
            takes
        });
        given
    }

    /// On a channel on which the server received so many.
    fn open(replay: &mut Replay, received: u64) -> Count {
        replay.begin();
        let said = replay.count(Count::Received(received));
        said.expect("the next one's number")
    }

    #[test]
    fn what_the_server_has_is_not_sent_again_and_the_rest_is_in_order() {
        let mut replay = Replay::default();
        assert_eq!(replay.begin(), [Count::Received(0), Count::Next(1)]);
        let mut first = push(&mut replay, vec![11]);
        assert_eq!((given(&mut replay, 9), fate(&mut first)), (vec![], None));
        assert_eq!(replay.count(Count::Received(0)), Some(Count::Next(1)));
        drop(push(&mut replay, vec![12]));
        drop(push(&mut replay, vec![13]));
        assert_eq!(given(&mut replay, 2), [11, 12]);
        assert_eq!(fate(&mut first), Some(Ok(())));
        replay.close();
        let mut last = push(&mut replay, vec![14]);
        assert_eq!((given(&mut replay, 9), fate(&mut last)), (vec![], None));
        assert_eq!(replay.begin()[1], Count::Next(1));
        assert_eq!(replay.count(Count::Received(1)), Some(Count::Next(2)));
        assert_eq!(given(&mut replay, 9), [12, 13, 14]);
        assert_eq!(fate(&mut last), Some(Ok(())));
        assert_eq!(replay.count(Count::Received(4)), None);
        assert_eq!((replay.bytes, replay.unreceived), (0, (0, 0)));
    }

    #[test]
    fn what_comes_again_is_left_out_and_the_server_is_told_what_came() {
        let mut replay = Replay::default();
        replay.begin();
        assert!(!replay.hear(1), "it has no number");
        replay.count(Count::Next(1));
        assert!(replay.hear(1) && replay.hear(1) && replay.due().is_none());
        assert_eq!(replay.begin()[0], Count::Received(2));
        replay.count(Count::Next(2));
        assert!(!replay.hear(1) && replay.hear(20_000));
        assert_eq!(replay.due(), Some(Count::Received(3)));
    }

    #[test]
    fn past_the_limit_messages_wait_and_none_is_lost() {
        let mut replay = Replay::default();
        open(&mut replay, 0);
        let mut all: Vec<_> = (0..=40)
            .map(|at| push(&mut replay, vec![at; 60_000]))
            .collect();
        let most = UNRECEIVED_BYTES.div_ceil(60_000);
        assert_eq!(given(&mut replay, 100).len(), most);
        assert_eq!(fate(&mut all[most - 1]), Some(Ok(())));
        assert_eq!(fate(&mut all[most]), None);
        // They go again on another channel, and nothing more.
        assert_eq!(open(&mut replay, 2), Count::Next(3));
        let again: Vec<_> = (2..most as u8 + 2).collect();
        assert_eq!(given(&mut replay, 100), again);
        replay.count(Count::Received(most as u64 + 2));
        assert_eq!(given(&mut replay, 100).last(), Some(&40));
        assert_eq!(fate(&mut all[40]), Some(Ok(())));
    }

    #[test]
    fn small_messages_count_as_well_and_who_awaits_none_is_refused_in_the_end() {
        let mut replay = Replay::default();
        open(&mut replay, 0);
        (0..UNRECEIVED).for_each(|_| drop(push(&mut replay, vec![7])));
        assert_eq!(given(&mut replay, usize::MAX).len(), UNRECEIVED);
        let mut waiting: Vec<_> = (0..WAITING).map(|_| push(&mut replay, vec![8])).collect();
        assert!(given(&mut replay, 1).is_empty());
        let mut refused = push(&mut replay, vec![9]);
        assert_eq!(fate(&mut refused), Some(Err(SendError::Full)));
        assert_eq!(fate(&mut waiting[0]), None);
        let mut long = push(&mut replay, vec![9; LONGEST + 1]);
        assert_eq!(fate(&mut long), Some(Err(SendError::TooLarge)));
        replay.reset();
        assert_eq!(fate(&mut waiting[0]), Some(Err(SendError::NotOpen)));
        for bytes in [Count::Next(9).encode().to_vec(), vec![1, 5]] {
            let mut count = push(&mut replay, bytes);
            assert_eq!(fate(&mut count), Some(Err(SendError::BadData)));
        }
    }

    #[test]
    fn what_was_sent_in_one_room_goes_to_no_other() {
        let mut replay = Replay::default();
        open(&mut replay, 0);
        (11..14).for_each(|at| drop(push(&mut replay, vec![at])));
        assert_eq!(given(&mut replay, 2), [11, 12]);
        assert_eq!(replay.forget(), Some(Count::Next(3)));
        assert_eq!(replay.forget(), None);
        drop(push(&mut replay, vec![15]));
        assert_eq!(given(&mut replay, 9), [15]);
        // Also what was to come on another channel.
        open(&mut replay, 2);
        assert_eq!(replay.forget(), Some(Count::Next(4)));
        drop(push(&mut replay, vec![16]));
        assert_eq!(
            (open(&mut replay, 3), given(&mut replay, 9)),
            (Count::Next(4), vec![16])
        );
    }

    /// On another channel, on which the server says that the next has this number.
    fn opened(replay: &mut Replay, next: u64) -> Option<bool> {
        open(replay, 0);
        assert_eq!(replay.opened(), None, "what the server kept is not known");
        replay.count(Count::Next(next));
        let opened = replay.opened();
        assert_eq!(replay.opened(), None, "it was told");
        opened
    }

    #[test]
    fn what_does_not_go_on_is_said_once_the_server_says_what_it_kept() {
        let mut replay = Replay::default();
        assert_eq!(opened(&mut replay, 1), Some(false), "a new session");
        assert!(replay.hear(1) && replay.hear(1));
        assert_eq!(opened(&mut replay, 2), Some(true));
        assert_eq!(opened(&mut replay, 3), Some(true));
        assert_eq!(opened(&mut replay, 4), Some(false), "the third is gone");
        assert!(replay.hear(1));
        assert_eq!(opened(&mut replay, 5), Some(true));
        replay.forget();
        assert_eq!(opened(&mut replay, 5), Some(false), "another room");
        replay.reset();
        assert_eq!(opened(&mut replay, 1), Some(false), "another session");
    }

    #[test]
    fn a_new_session_counts_from_the_beginning() {
        let mut replay = Replay::default();
        open(&mut replay, 0);
        drop(push(&mut replay, vec![11]));
        assert_eq!(given(&mut replay, 9), [11]);
        replay.count(Count::Next(1));
        assert!(replay.hear(1));
        replay.reset();
        assert_eq!(replay.begin(), [Count::Received(0), Count::Next(1)]);
    }
}

//! How a shard's thread is told things: a bounded channel and a way to wake it from its sockets.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use bytes::BytesMut;
use mio::Waker;
use tokio::sync::oneshot;

use crate::media::id::PeerId;
use crate::media::net::path::FourTuple;
use crate::media::net::relayed::account::TurnServer;
use crate::media::net::tls::Secured;
use crate::media::shard::command::Command;
use crate::media::shard::gauges::MediaGauges;

/// What waits in one shard's mailbox. A full one refuses: offers fail with a clear error, peers stay
/// where they are, datagrams that landed on another shard are lost like any other.
pub const CAPACITY: usize = 4096;

/// Of those, datagrams from other shards and for them. Whoever floods a shard with datagrams that
/// belong to another leaves room for everybody's offers.
pub const MAX_DATAGRAMS: usize = CAPACITY / 2;

/// And packets of media from other shards, in batches. What more would come is lost: it is late already.
pub const MAX_MEDIA: usize = 2 * CAPACITY;

/// And lossy messages of rooms. What more would come is lost, as such messages may be.
pub const MAX_LOSSY: usize = CAPACITY / 4;

/// What a batch counts at least, so that few packets in each do not fill the mailbox.
const LEAST_BATCH: usize = 8;

const _: () = assert!(MAX_DATAGRAMS + (MAX_MEDIA + MAX_LOSSY) / LEAST_BATCH < CAPACITY);

/// What a shard's thread is told.
pub enum Mail {
    /// Something for its core.
    Command(Command),
    /// Send a datagram over one of your TCP connections.
    Relay {
        /// The connection's path.
        path: FourTuple,
        /// The datagram.
        data: BytesMut,
    },
    /// Give your guest a datagram that landed on another shard.
    Guest {
        /// Its path.
        path: FourTuple,
        /// The datagram.
        data: BytesMut,
    },
    /// A connection of TURN's, of which others have done the handshake.
    Connection(Secured),
    /// The TURN servers at one of which to have an allocation.
    TurnServers(Vec<TurnServer>),
    /// A peer's client says that it is at these addresses: let it in by that allocation.
    Permit {
        /// The peer.
        id: PeerId,
        /// Where the client's WebSocket comes from.
        client: IpAddr,
        /// The addresses that it names, in any number.
        named: Vec<IpAddr>,
    },
    /// Say what you hold.
    Count(oneshot::Sender<MediaGauges>),
    /// Close every peer, and end when all shards have.
    Shutdown,
}

impl Mail {
    /// What it takes of what may wait of its sort, where that has a limit.
    fn share<'s>(&self, shared: &'s Shared) -> Option<Share<'s>> {
        match self {
            Self::Command(Command::Landed { .. }) | Self::Relay { .. } | Self::Guest { .. } => {
                Some(Share {
                    waiting: &shared.datagrams,
                    limit: MAX_DATAGRAMS,
                    weight: 1,
                })
            }
            Self::Command(Command::Media { packets, .. }) => Some(Share {
                waiting: &shared.media,
                limit: MAX_MEDIA,
                weight: packets.len().max(LEAST_BATCH),
            }),
            Self::Command(Command::Lossy { messages }) => Some(Share {
                waiting: &shared.lossy,
                limit: MAX_LOSSY,
                weight: messages.len().max(LEAST_BATCH),
            }),
            Self::Command(
                Command::Adopt { .. }
                | Command::Agree { .. }
                | Command::SetPlan { .. }
                | Command::Send { .. }
                | Command::Heard { .. }
                | Command::Testify { .. }
                | Command::Close { .. }
                | Command::Interest { .. }
                | Command::Wish { .. }
                | Command::StartedOver { .. },
            )
            | Self::Connection(_)
            | Self::TurnServers(_)
            | Self::Permit { .. }
            | Self::Count(_)
            | Self::Shutdown => None,
        }
    }
}

/// A part of what may wait of one sort.
struct Share<'s> {
    waiting: &'s AtomicUsize,
    limit: usize,
    weight: usize,
}

impl Share<'_> {
    /// Takes it, if there is room. Two that come at once may both take the last place: that is as good a
    /// limit.
    fn take(&self) -> bool {
        let has_room = self.waiting.load(Ordering::Relaxed) < self.limit;
        if has_room {
            self.waiting.fetch_add(self.weight, Ordering::Relaxed);
        }
        has_room
    }

    fn give_back(&self) {
        self.waiting.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

/// What the two ends share.
#[derive(Default)]
struct Shared {
    datagrams: AtomicUsize,
    media: AtomicUsize,
    lossy: AtomicUsize,
    /// The shard was woken since it last looked.
    woken: AtomicBool,
}

/// The way to a shard.
pub struct Mailbox {
    sender: SyncSender<Mail>,
    shared: Arc<Shared>,
    waker: Waker,
}

impl Mailbox {
    /// Leaves something and wakes the shard. What there is no room for comes back.
    pub fn send(&self, mail: Mail) -> Result<(), Mail> {
        let share = mail.share(&self.shared);
        if share.as_ref().is_some_and(|share| !share.take()) {
            return Err(mail);
        }
        match self.sender.try_send(mail) {
            Ok(()) => {
                self.wake();
                Ok(())
            }
            Err(TrySendError::Full(mail)) => {
                let share = mail.share(&self.shared);
                share.iter().for_each(Share::give_back);
                Err(mail)
            }
            // The media plane has shut down.
            Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    /// Once for all that comes until the shard looks: each time is a system call.
    pub(super) fn wake(&self) {
        if !self.shared.woken.swap(true, Ordering::AcqRel) {
            // Fails only when the shard is gone, which then needs no waking.
            let _ = self.waker.wake();
        }
    }
}

/// Where a shard's thread finds what it is told.
pub struct Inbox {
    receiver: Receiver<Mail>,
    shared: Arc<Shared>,
}

impl Inbox {
    /// Takes out what is there, in the order it came.
    pub fn mail(&self) -> impl Iterator<Item = Mail> {
        // Before the look: what comes after it wakes the shard again.
        self.shared.woken.swap(false, Ordering::AcqRel);
        let mail = self.receiver.try_iter().take(CAPACITY);
        mail.inspect(|mail| self.note_taken(mail))
    }

    /// Waits for something for so long, and takes it out.
    pub fn wait(&self, span: Duration) -> Option<Mail> {
        let mail = self.receiver.recv_timeout(span).ok()?;
        self.note_taken(&mail);
        Some(mail)
    }

    fn note_taken(&self, mail: &Mail) {
        let share = mail.share(&self.shared);
        share.iter().for_each(Share::give_back);
    }
}

/// Makes a mailbox for the shard that `waker` wakes.
pub fn new(waker: Waker) -> (Mailbox, Inbox) {
    let (sender, receiver) = sync_channel(CAPACITY);
    let shared = Arc::<Shared>::default();
    let inbox = Inbox {
        receiver,
        shared: shared.clone(),
    };
    let mailbox = Mailbox {
        sender,
        shared,
        waker,
    };
    (mailbox, inbox)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::forward::tests::packet;
    use crate::media::net::path::Transport;

    fn landed() -> Mail {
        Mail::Command(Command::Landed {
            on: 1,
            path: FourTuple {
                transport: Transport::Udp,
                local: "127.0.0.1:1".parse().unwrap(),
                remote: "127.0.0.1:2".parse().unwrap(),
            },
            datagram: Vec::new(),
        })
    }

    fn close() -> Mail {
        Mail::Command(Command::Close { id: PeerId(1) })
    }

    /// The contract that virtual time counts on: what one sender sends stays in order, and what another sends once it
    /// knows of that comes after it, also from another thread and also where several sorts share the mailbox.
    #[test]
    fn mail_comes_in_the_order_in_which_it_was_sent_whoever_sent_it() {
        const EACH: u64 = 500;
        let poll = mio::Poll::new().unwrap();
        let (mailbox, inbox) = new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let numbered = |sender: u64, number: u64| {
            Mail::Command(Command::Close {
                id: PeerId(sender * EACH + number),
            })
        };
        let (mut next, mut taken) = ([0; 3], 0);
        let mut take = || {
            for mail in inbox.mail() {
                let Mail::Command(Command::Close { id }) = mail else {
                    continue;
                };
                let (sender, number) = ((id.0 / EACH) as usize, id.0 % EACH);
                assert_eq!(number, next[sender], "of sender {sender}");
                next[sender] += 1;
                taken += 1;
                // The third answers what the second is told to have sent.
                assert!(next[2] <= next[1], "an answer came before what it answers");
            }
            taken
        };
        std::thread::scope(|scope| {
            let send = |sender, number| {
                let sent = mailbox.send(numbered(sender, number));
                assert!(sent.is_ok(), "it has room");
                let _ = mailbox.send(landed());
            };
            let (tell, told) = std::sync::mpsc::channel();
            scope.spawn(move || (0..EACH).for_each(|number| send(0, number)));
            scope.spawn(move || {
                for number in 0..EACH {
                    send(1, number);
                    tell.send(number).unwrap();
                }
            });
            scope.spawn(move || told.iter().for_each(|number| send(2, number)));
            while take() < 3 * EACH {
                std::thread::yield_now();
            }
        });
    }

    #[test]
    fn a_flood_of_datagrams_leaves_room_for_commands() {
        let poll = mio::Poll::new().unwrap();
        let (mailbox, inbox) = new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        // Again and again: what is taken out makes room.
        for _ in 0..3 {
            let datagrams = (0..CAPACITY).filter(|_| mailbox.send(landed()).is_ok());
            assert_eq!(datagrams.count(), MAX_DATAGRAMS);
            let sent = |_: &usize| mailbox.send(close()).is_ok();
            assert_eq!((0..CAPACITY).filter(sent).count(), CAPACITY - MAX_DATAGRAMS);
            assert!(mailbox.send(landed()).is_err());
            assert_eq!(inbox.mail().count(), CAPACITY);
        }
    }

    #[test]
    fn a_flood_of_media_leaves_room_for_everything_else() {
        let poll = mio::Poll::new().unwrap();
        let (mailbox, inbox) = new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let media = |packets| {
            let now = std::time::Instant::now();
            let packets = (0..packets).map(|n| packet(now, 7, 0, n)).collect();
            Mail::Command(Command::Media { from: 1, packets })
        };
        for (packets, weight) in [(1, 8), (8, 8), (100, 100)] {
            let sent = |_: &usize| mailbox.send(media(packets)).is_ok();
            let batches = (0..CAPACITY).filter(sent).count();
            assert_eq!(batches, MAX_MEDIA.div_ceil(weight));
            let datagrams = (0..CAPACITY).filter(|_| mailbox.send(landed()).is_ok());
            assert_eq!(datagrams.count(), MAX_DATAGRAMS);
            assert!(mailbox.send(close()).is_ok());
            assert_eq!(inbox.mail().count(), batches + MAX_DATAGRAMS + 1);
        }
    }

    #[test]
    fn whoever_waits_for_mail_is_woken_by_it_and_whoever_polls_again_after_each_look() {
        let mut poll = mio::Poll::new().unwrap();
        let (mailbox, inbox) = new(Waker::new(poll.registry(), mio::Token(0)).unwrap());
        let mut events = mio::Events::with_capacity(4);
        for _ in 0..3 {
            assert!((0..10).all(|_| mailbox.send(close()).is_ok()));
            // Would wait for ever.
            poll.poll(&mut events, None).unwrap();
            assert_eq!(inbox.mail().count(), 10);
        }
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || inbox.wait(Duration::from_secs(3600)).is_some());
            mailbox
                .send(close())
                .unwrap_or_else(|_| panic!("it has room"));
            assert!(waiting.join().unwrap());
        });
    }
}

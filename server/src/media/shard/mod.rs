//! One core's worth of the media plane: a thread that owns its sockets and its peers outright.
//!
//! It waits for its sockets and reads datagrams; `tcp` and `outbox` do the rest of its IO. The
//! kernel gives each path's datagrams to the same shard (SO_REUSEPORT), and peers live where their
//! packets land, so nothing is locked per packet.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use rtc::stun::message::Message;
use rustc_hash::FxHashMap;

use crate::media::id::PeerId;
use crate::media::net::demux::{Kind, classify};
use crate::media::net::outbox::{Outbox, Socket};
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::tcp::{FIRST_TOKEN, Received, Tcp};
use crate::media::peer::Transmit;
use crate::media::shard::directory::{Directory, Found};
use crate::media::shard::gauges::MediaGauges;
use crate::media::shard::mailbox::{Command, Inbox, Mailbox};
use crate::media::shard::resident::Resident;
use crate::media::transport::ice::addressed_ufrag;

pub mod directory;
pub mod gauges;
pub mod mailbox;
mod moves;
mod pace;
mod receive;
pub mod resident;
mod timers;

use moves::{ELSEWHERE_FOR, Owner};
use pace::Pace;
use receive::Receive;
use timers::{SWEEP_INTERVAL, round_up};

const MAILBOX_TOKEN: Token = Token(usize::MAX);

/// A shard before its thread starts.
pub struct Prepared {
    poll: Poll,
    sockets: Vec<Socket>,
    tcp: Tcp,
    mailbox: Inbox,
    port: u16,
}

impl Prepared {
    /// Registers the sockets and makes the mailbox.
    pub fn new(
        mut sockets: Vec<Socket>,
        listeners: Vec<TcpListener>,
        port: u16,
    ) -> io::Result<(Self, Mailbox)> {
        let poll = Poll::new()?;
        for (at, socket) in sockets.iter_mut().enumerate() {
            poll.registry()
                .register(&mut socket.socket, Token(at), Interest::READABLE)?;
        }
        let waker = Waker::new(poll.registry(), MAILBOX_TOKEN)?;
        let (sender, mailbox) = mailbox::new(waker);
        let prepared = Self {
            tcp: Tcp::new(listeners, poll.registry().try_clone()?)?,
            poll,
            sockets,
            mailbox,
            port,
        };
        Ok((prepared, sender))
    }

    /// Serves until told to shut down. A panic ends the shard's peers, and nothing else.
    pub fn run(mut self, index: usize, directory: Arc<Directory>, dropped: Arc<AtomicU64>) {
        let mut shard = Shard::new(index, directory, dropped, self.sockets, self.tcp);
        let mut receiver = Receive::new(self.port, shard.sockets.len());
        while shard.running {
            // Whatever the panic left half done belongs to peers that go with it.
            let turns = AssertUnwindSafe(|| {
                serve(&mut shard, &mut receiver, &mut self.poll, &self.mailbox);
            });
            if catch_unwind(turns).is_err() {
                shard.start_over();
            }
        }
    }
}

fn serve(shard: &mut Shard, receiver: &mut Receive, poll: &mut Poll, mailbox: &Inbox) {
    let mut events = Events::with_capacity(64);
    // What a panic left unread is no event any more.
    let mut more = true;
    while shard.running {
        if !more && let Some(pause) = shard.pace.pause(Instant::now()) {
            std::thread::sleep(pause);
        }
        let timeout = match more {
            true => Duration::ZERO,
            false => shard.timeout(),
        };
        if let Err(error) = poll.poll(&mut events, Some(timeout))
            && error.kind() != io::ErrorKind::Interrupted
        {
            tracing::error!(%error, shard = shard.index, "a shard cannot wait for its sockets");
            shard.running = false;
        }
        shard.pace.wake(Instant::now());
        for command in mailbox.commands() {
            shard.handle_command(Instant::now(), command);
        }
        shard.handle_tcp(Instant::now(), &events);
        more = receiver.receive(shard, &events) | shard.tcp.has_unread();
        shard.run_timers(Instant::now());
        shard.flush();
    }
}

struct Slot {
    resident: Box<Resident>,
    paths: Vec<FourTuple>,
    /// The earliest timer set for this peer.
    deadline: Option<Instant>,
    touched: bool,
}

struct Shard {
    index: usize,
    directory: Arc<Directory>,
    peers: FxHashMap<PeerId, Slot>,
    by_path: FxHashMap<FourTuple, Owner>,
    timers: BinaryHeap<Reverse<(Instant, PeerId)>>,
    began: Instant,
    next_sweep: Instant,
    /// Peers with something to pass on or send after this batch.
    touched: Vec<PeerId>,
    outbox: Outbox,
    sockets: Vec<Socket>,
    tcp: Tcp,
    /// TCP paths of this shard's peers whose connections other shards have.
    landed: FxHashMap<FourTuple, (usize, Instant)>,
    pace: Pace,
    dropped: Arc<AtomicU64>,
    /// The peer in hand and what is done with it, for the log of a panic.
    busy: Option<(PeerId, &'static str)>,
    running: bool,
}

impl Shard {
    fn new(
        index: usize,
        directory: Arc<Directory>,
        dropped: Arc<AtomicU64>,
        sockets: Vec<Socket>,
        tcp: Tcp,
    ) -> Self {
        Self {
            index,
            directory,
            peers: FxHashMap::default(),
            by_path: FxHashMap::default(),
            timers: BinaryHeap::new(),
            began: Instant::now(),
            next_sweep: Instant::now() + SWEEP_INTERVAL,
            touched: Vec::new(),
            outbox: Outbox::default(),
            sockets,
            tcp,
            landed: FxHashMap::default(),
            pace: Pace::new(Instant::now()),
            dropped,
            busy: None,
            running: true,
        }
    }

    /// After a panic: forgets every peer. Their sessions notice, and their clients call again.
    fn start_over(&mut self) {
        let (culprit, activity) = self.busy.take().unzip();
        let session = culprit.and_then(|id| match self.peers.get(&id) {
            Some(slot) => Some(slot.resident.session.to_string()),
            None => self.directory.session_of_pending(id),
        });
        let peers = self.peers.len();
        tracing::error!(
            shard = self.index,
            session,
            activity,
            peers,
            "a shard panicked and starts over"
        );
        // First the table, then the peers: who sees a peer end finds its place empty.
        let residents = self.directory.of_shard(self.index).into_iter();
        // One that nobody has claimed goes too: it would do the same at the next look.
        let gone = residents.chain(culprit);
        gone.for_each(|id| self.directory.remove(id));
        self.peers.clear();
        self.by_path.clear();
        self.landed.clear();
        self.timers.clear();
        self.touched.clear();
        self.outbox = Outbox::default();
    }

    fn handle_tcp(&mut self, now: Instant, events: &Events) {
        let mut received = Received::default();
        self.tcp.read_on(&mut received);
        for event in events {
            if event.token() != MAILBOX_TOKEN && event.token().0 >= FIRST_TOKEN {
                self.tcp.handle_event(now, event, &mut received);
            }
        }
        self.take_tcp(now, received);
    }

    fn take_tcp(&mut self, now: Instant, received: Received) {
        for (path, datagram) in &received.datagrams {
            self.handle_datagram(now, *path, datagram);
        }
        for path in &received.relieved {
            if let Some(Owner::Here(id)) = self.by_path.get(path).copied()
                && let Some(slot) = self.peers.get_mut(&id)
                && slot.resident.peer.selected_path() == Some(*path)
            {
                self.busy = Some((id, "sending on to a reader that caught up"));
                slot.resident.peer.set_congested(now, false);
                self.busy = None;
                touch(&mut self.touched, id, slot);
            }
        }
        for path in &received.closed {
            if let Some(Owner::Here(id)) = self.by_path.remove(path)
                && let Some(slot) = self.peers.get_mut(&id)
            {
                slot.paths.retain(|known| known != path);
            }
        }
        self.settle_touched(now);
    }

    fn handle_datagram(&mut self, now: Instant, path: FourTuple, datagram: &[u8]) {
        if classify(datagram) == Some(Kind::Stun) {
            return self.handle_stun(now, self.index, path, datagram);
        }
        match self.by_path.get(&path) {
            Some(Owner::Here(id)) => {
                let id = *id;
                if let Some(slot) = self.peers.get_mut(&id) {
                    self.busy = Some((id, "taking a datagram"));
                    slot.resident.peer.handle_datagram(now, path, datagram);
                    self.busy = None;
                    touch(&mut self.touched, id, slot);
                }
            }
            Some(Owner::At(shard, _)) => self.hand_over(*shard, self.index, path, datagram),
            // A stranger's: no check introduced it (RFC 8445 §7.3).
            None => {}
        }
    }

    /// `landed_on` is the shard the kernel gave the datagram to.
    fn handle_stun(&mut self, now: Instant, landed_on: usize, path: FourTuple, datagram: &[u8]) {
        let mut message = Message::new();
        if message.unmarshal_binary(datagram).is_err() {
            return;
        }
        let Some(ufrag) = addressed_ufrag(&message) else {
            return;
        };
        let id = match self.directory.find(&ufrag, self.index) {
            Some(Found::Claimed(resident)) => self.adopt(resident, &[]),
            Some(Found::At(_, id)) if self.peers.contains_key(&id) => id,
            // Elsewhere; or on its way here, then the mailbox keeps the order.
            Some(Found::At(shard, _)) => {
                if landed_on == self.index {
                    self.note_elsewhere(path, shard, now);
                }
                return self.hand_over(shard, landed_on, path, datagram);
            }
            None => return,
        };
        let Some(slot) = self.peers.get_mut(&id) else {
            return;
        };
        if path.transport == Transport::Tcp && landed_on != self.index {
            self.landed.insert(path, (landed_on, now + ELSEWHERE_FOR));
        }
        self.busy = Some((id, "answering a check"));
        let authentic = slot.resident.peer.handle_stun(now, path, &mut message);
        self.busy = None;
        touch(&mut self.touched, id, slot);
        if authentic {
            self.learn_path(now, id, landed_on, path);
        }
    }

    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Adopt { resident, paths } => {
                // A shard that started over has forgotten those on their way to it, too.
                if self.directory.shard_of(resident.id).is_some() {
                    self.adopt(resident, &paths);
                }
            }
            Command::Landed { on, path, datagram } => match classify(&datagram) {
                Some(Kind::Stun) => self.handle_stun(now, on, path, &datagram),
                _ if matches!(self.by_path.get(&path), Some(Owner::Here(_))) => {
                    self.handle_datagram(now, path, &datagram);
                }
                _ => {}
            },
            Command::SetSession { id, .. } | Command::Close { id } => {
                match self.peers.get_mut(&id) {
                    Some(slot) => {
                        self.busy = Some((id, "following its session"));
                        command.apply(now, &mut slot.resident);
                        self.busy = None;
                        touch(&mut self.touched, id, slot);
                    }
                    None => self.pass_on(id, command),
                }
            }
            Command::Relay { path, data } => {
                self.tcp.introduce(now, &path);
                self.tcp.send(now, &path, data, None);
            }
            // Nobody waits any more: it took too long.
            Command::Count(answer) => drop(answer.send(self.holdings())),
            Command::Shutdown => self.shut_down(now),
        }
        self.settle_touched(now);
    }

    /// The peer moved while the command was on its way.
    fn pass_on(&self, id: PeerId, command: Command) {
        if self
            .directory
            .shard_of(id)
            .is_some_and(|at| at != self.index)
        {
            let _ = self.directory.command(id, command, |_, _| true);
        }
    }

    fn settle_touched(&mut self, now: Instant) {
        while let Some(id) = self.touched.pop() {
            self.settle(now, id);
        }
    }

    /// Passes on what a peer gave out, sends what it wants sent, and sets its timer.
    fn settle(&mut self, now: Instant, id: PeerId) {
        let Some(slot) = self.peers.get_mut(&id) else {
            return;
        };
        slot.touched = false;
        self.busy = Some((id, "passing on what a peer gave out"));
        slot.resident.drive(now);
        slot.resident.peer.send_feedback(now);
        while let Some(transmit) = slot.resident.peer.poll_transmit() {
            let Transmit {
                path,
                data,
                expires,
            } = transmit;
            match path.transport {
                Transport::Udp => {
                    self.outbox.push(path, data, &self.sockets, &self.dropped);
                }
                Transport::Tcp if self.tcp.has(&path) => {
                    let congested = self.tcp.send(now, &path, data, expires);
                    if slot.resident.peer.selected_path() == Some(path) {
                        slot.resident.peer.set_congested(now, congested);
                    }
                }
                Transport::Tcp => {
                    if let Some((shard, _)) = self.landed.get(&path) {
                        let _ = self.directory.send(*shard, Command::Relay { path, data });
                    }
                }
            }
        }
        self.busy = None;
        if slot.resident.peer.is_finished() {
            return self.remove(now, id);
        }
        // A timer due at once gets its turn after everybody else's, so that no peer can hold a shard.
        let wanted = slot.resident.peer.poll_timeout();
        let wanted = wanted.map(|at| round_up(self.began, at.max(now)));
        if let Some(at) = wanted
            && slot.deadline.is_none_or(|deadline| at < deadline)
        {
            slot.deadline = Some(at);
            self.timers.push(Reverse((at, id)));
        }
    }

    fn remove(&mut self, now: Instant, id: PeerId) {
        if let Some(slot) = self.peers.remove(&id) {
            self.forget_paths(now, id, slot.paths);
            self.directory.remove(id);
        }
    }

    fn holdings(&self) -> MediaGauges {
        MediaGauges {
            housed: self.peers.len(),
            paths: self.by_path.len() + self.landed.len(),
            timers: self.timers.len(),
            connections: self.tcp.len(),
            ..MediaGauges::default()
        }
    }

    fn shut_down(&mut self, now: Instant) {
        let ids: Vec<_> = self.peers.keys().copied().collect();
        for id in ids {
            if let Some(slot) = self.peers.get_mut(&id) {
                self.busy = Some((id, "closing a peer"));
                slot.resident.peer.close(now);
            }
            self.settle(now, id);
        }
        self.flush();
        self.running = false;
    }

    fn flush(&mut self) {
        self.outbox.flush(&self.sockets, &self.dropped);
    }
}

fn touch(touched: &mut Vec<PeerId>, id: PeerId, slot: &mut Slot) {
    if !std::mem::replace(&mut slot.touched, true) {
        touched.push(id);
    }
}

#[cfg(test)]
mod tests;

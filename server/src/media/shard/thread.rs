//! A shard's thread: it waits for its sockets and its mailbox, reads, and calls its core.
//!
//! The kernel gives each path's datagrams to the same shard (SO_REUSEPORT), and peers live where their
//! packets land, so nothing is locked per packet. What the core does with datagrams is no matter of
//! this file.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};

use crate::media::net::buffers;
use crate::media::net::departures::Departures;
use crate::media::net::guest::{Guest, for_peers, is_guests_token};
use crate::media::net::outbox::Transmit;
use crate::media::net::path::Transport;
use crate::media::net::sockets::Opened;
use crate::media::net::tcp::{FIRST_TOKEN, Received, Tcp};
use crate::media::net::udp::Socket;
use crate::media::shard::allocated::{self, Allocated, Hosting};
use crate::media::shard::core::{SWEEP_INTERVAL, ShardCore};
use crate::media::shard::feedback::FeedbackPace;
use crate::media::shard::gauges::MediaGauges;
use crate::media::shard::mailbox::{self, Inbox, Mail, Mailbox};
use crate::media::shard::outlet::Outlet;
use crate::media::shard::pace::Pace;
use crate::media::shard::receive::{Receive, ignore, watch};
use crate::media::shard::sealed::Sealed;
use crate::media::shard::shards::{Farewell, Shards};
use crate::media::shard::wires::Wires;

const MAILBOX_TOKEN: Token = Token(usize::MAX);

/// Receive calls per socket before the timers and the mailbox get their turn.
const RECEIVE_ROUNDS: usize = 8;

/// A shard before its thread starts.
pub struct Prepared {
    poll: Poll,
    sockets: Vec<Socket>,
    feedback: Vec<Socket>,
    tcp: Tcp,
    sealed: Option<Sealed>,
    inbox: Inbox,
    port: u16,
    guest: Option<Box<dyn Guest>>,
    hosting: Option<Hosting>,
}

impl Prepared {
    /// Registers the sockets and makes the mailbox.
    pub fn new(opened: Opened, port: u16) -> io::Result<(Self, Mailbox)> {
        let Opened {
            mut sockets,
            mut feedback,
            listeners,
        } = opened;
        let poll = Poll::new()?;
        watch(poll.registry(), &mut sockets, 0)?;
        watch(poll.registry(), &mut feedback, sockets.len())?;
        let waker = Waker::new(poll.registry(), MAILBOX_TOKEN)?;
        let (mailbox, inbox) = mailbox::new(waker);
        let prepared = Self {
            tcp: Tcp::new(listeners, poll.registry().try_clone()?)?,
            poll,
            sockets,
            feedback,
            sealed: None,
            inbox,
            port,
            guest: None,
            hosting: None,
        };
        Ok((prepared, mailbox))
    }

    /// Somebody is served besides the peers.
    pub fn host(&mut self, mut guest: Box<dyn Guest>, dropped: Arc<AtomicU64>) -> io::Result<()> {
        guest.arrive(self.poll.registry().try_clone()?, dropped);
        self.guest = Some(guest);
        Ok(())
    }

    /// Clients may come by DTLS.
    pub fn seal(&mut self, mut sealed: Sealed) -> io::Result<()> {
        let first = self.sockets.len() + self.feedback.len();
        watch(self.poll.registry(), sealed.sockets_mut(), first)?;
        self.sealed = Some(sealed);
        Ok(())
    }

    /// An allocation of ours is had from here.
    pub fn allocate(&mut self, hosting: Hosting) {
        self.hosting = Some(hosting);
    }

    /// Serves until told to shut down.
    pub fn run(self, index: usize, shards: Shards, dropped: Arc<AtomicU64>) {
        let now = Instant::now();
        let core = ShardCore::new(now, index, shards.len(), shards.directory.clone());
        let allocated = self.hosting.and_then(|hosting| {
            let registry = self.poll.registry().try_clone().ok()?;
            let with = (registry, dropped.clone());
            Some(Allocated::new(now, hosting, shards.directory.clone(), with))
        });
        let mut thread = Thread {
            farewell: Farewell::new(&shards),
            allocated,
            receive: {
                let sealed = self.sealed.iter().flat_map(Sealed::sockets);
                let own = self.sockets.iter().chain(&self.feedback);
                Receive::new(self.port, own.chain(sealed))
            },
            feedback: self.feedback,
            feedback_pace: FeedbackPace::new(now),
            out: Wires {
                sockets: self.sockets,
                departures: Departures::default(),
                tcp: self.tcp.within(core.budget()),
                sealed: self.sealed,
                shards,
                dropped,
                relayed: Vec::new(),
                allocated: Vec::new(),
            },
            core,
            index,
            guest: self.guest,
            poll: self.poll,
            inbox: self.inbox,
            pace: Pace::new(now),
            next_sweep: now + SWEEP_INTERVAL,
            is_leaving: false,
            running: true,
        };
        while thread.running {
            // The core minds its peers' panics itself. One of the thread's own leaves nothing to trust.
            let turns = AssertUnwindSafe(|| thread.serve(index));
            if catch_unwind(turns).is_err() {
                thread.core.start_over(&mut thread.out);
                thread.guest.iter_mut().for_each(|it| it.start_over());
                let allocated = thread.allocated.iter_mut();
                allocated.for_each(|it| it.start_over(Instant::now()));
                // Their allocations are gone.
                thread.out.end_sealed(Instant::now());
                // And its peers, which say nothing any more.
                if thread.is_leaving {
                    thread.farewell.say();
                }
            }
        }
    }
}

struct Thread {
    index: usize,
    core: ShardCore,
    guest: Option<Box<dyn Guest>>,
    allocated: Option<Allocated>,
    receive: Receive,
    /// What congestion feedback is read from. The numbers of these follow those of the other sockets.
    feedback: Vec<Socket>,
    feedback_pace: FeedbackPace,
    out: Wires,
    poll: Poll,
    inbox: Inbox,
    pace: Pace,
    /// When connections are next looked at.
    next_sweep: Instant,
    /// It was told to shut down.
    is_leaving: bool,
    farewell: Farewell,
    running: bool,
}

impl Thread {
    fn serve(&mut self, index: usize) {
        let mut events = Events::with_capacity(64);
        // What a panic left unread is no event any more.
        self.receive.assume_unread();
        let mut more = true;
        while self.running {
            if !more {
                self.rest();
            }
            let timeout = match more || !self.running {
                true => Duration::ZERO,
                false => self.timeout(),
            };
            if let Err(error) = self.poll.poll(&mut events, Some(timeout))
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, shard = index, "a shard cannot wait for its sockets");
                self.running = false;
            }
            self.pace.wake(Instant::now());
            self.handle_mail(None);
            self.handle_tcp(Instant::now(), &events);
            more = self.receive(&events) | self.out.tcp.has_unread();
            more |= self.receive_guests(&events);
            if let Some(allocated) = &mut self.allocated {
                let arrived = allocated.receive(&events, &mut self.core, &mut self.out);
                self.pace.note(arrived);
                more |= allocated.has_unread();
            }
            self.let_time_pass(Instant::now());
            self.serve_others(Instant::now());
            self.out.flush();
            self.end();
        }
    }

    /// Lets datagrams gather, while a lot arrives. What others send is taken as it comes.
    fn rest(&mut self) {
        while self.running
            && let Some(pause) = self.pace.pause(Instant::now())
            && let Some(first) = self.inbox.wait(pause)
        {
            self.handle_mail(Some(first));
            self.serve_others(Instant::now());
            self.out.flush();
        }
    }

    fn timeout(&self) -> Duration {
        let next = self.core.poll_timeout().min(self.next_sweep);
        let guests = self.guest.as_ref().and_then(|guest| guest.poll_timeout());
        let next = guests.map_or(next, |guests| guests.min(next));
        let feedback = self.feedback_pace.poll_timeout();
        let next = feedback.map_or(next, |feedback| feedback.min(next));
        let allocated = (self.allocated.as_ref()).and_then(Allocated::poll_timeout);
        let next = allocated.map_or(next, |allocated| allocated.min(next));
        let sealed = (self.out.sealed.as_ref()).and_then(Sealed::poll_timeout);
        let next = sealed.map_or(next, |sealed| sealed.min(next));
        next.saturating_duration_since(Instant::now())
    }

    fn handle_mail(&mut self, first: Option<Mail>) {
        for mail in first.into_iter().chain(self.inbox.mail()) {
            let now = Instant::now();
            match mail {
                Mail::Command(command) => self.core.handle_command(now, command, &mut self.out),
                Mail::Relay { path, data } if path.transport == Transport::Relayed => {
                    self.out.relayed.push(Transmit::one(path, data));
                }
                Mail::Relay { path, data } if path.transport == Transport::Allocated => {
                    self.out.allocated.push(Transmit::one(path, data));
                }
                Mail::Relay { path, data } => {
                    self.out.tcp.introduce(now, &path);
                    self.out.tcp.send(now, &path, data, None);
                }
                Mail::Guest { path, data } => {
                    let guest = self.guest.as_mut();
                    let own = guest.and_then(|guest| guest.take_handed_over(now, &path, &data));
                    (self.core).handle_datagrams(now, own, &mut self.out);
                }
                Mail::TurnServers(servers) => {
                    let allocated = self.allocated.iter_mut();
                    allocated.for_each(|it| it.set_servers(now, servers.clone()));
                }
                Mail::Permit { id, client, named } => {
                    let allocated = self.allocated.iter_mut();
                    allocated.for_each(|it| it.permit(now, id, client, &named));
                }
                Mail::Connection(secured) => self.out.tcp.adopt(now, secured),
                // Nobody waits any more: it took too long.
                Mail::Count(answer) => drop(answer.send(MediaGauges {
                    connections: self.out.connections(),
                    relays: self.guest.as_ref().map_or(0, |guest| guest.relays()),
                    ..self.core.gauges()
                })),
                Mail::Shutdown => self.is_leaving = true,
            }
        }
    }

    /// Closes every peer. What the others' peers say at their end may go by connections, relays and the allocation that
    /// are here, so these stay until all have said it.
    fn part(&mut self) {
        let now = Instant::now();
        self.core.shut_down(now, &mut self.out);
        self.serve_others(now);
        self.out.flush();
        self.farewell.say();
    }

    /// Ends, once all have parted.
    fn end(&mut self) {
        if self.is_leaving && !self.farewell.is_said() {
            self.part();
        }
        if !self.out.shards.have_parted() {
            return;
        }
        self.running = false;
        // What came before the last of them parted is there by now.
        self.handle_mail(None);
        let now = Instant::now();
        // Whoever came since.
        self.core.shut_down(now, &mut self.out);
        self.serve_others(now);
        self.out.end_sealed(now);
        self.allocated.iter_mut().for_each(|it| it.close(now));
        self.out.flush();
    }

    fn handle_tcp(&mut self, now: Instant, events: &Events) {
        let mut received = Received::default();
        self.out.tcp.read_on(now, &mut received);
        for event in events {
            let token = event.token();
            let is_others =
                [MAILBOX_TOKEN, allocated::TOKEN].contains(&token) || is_guests_token(token);
            if !is_others && token.0 >= FIRST_TOKEN {
                self.out.tcp.handle_event(now, event, &mut received);
            }
        }
        self.take(now, &received);
    }

    /// Takes what came by connections.
    fn take(&mut self, now: Instant, received: &Received) {
        // As mostly, over UDP. For nothing the core would take two turns.
        if received.is_empty() {
            return;
        }
        let datagrams = received.datagrams.iter();
        let datagrams = datagrams.map(|(path, datagram)| (*path, &datagram[..]));
        let datagrams = datagrams.filter_map(for_peers(now, &mut self.guest));
        self.core.handle_datagrams(now, datagrams, &mut self.out);
        (self.core).handle_relieved(now, &received.relieved, &mut self.out);
        self.core.handle_closed(&received.closed);
        if let Some(guest) = &mut self.guest {
            received
                .closed
                .iter()
                .for_each(|path| guest.handle_closed(path));
        }
    }

    /// Reads the sockets, but not for ever. Returns whether there may be more.
    fn receive(&mut self, events: &Events) -> bool {
        self.receive.note(events);
        for socket in 0..self.out.sockets.len() {
            let arrived = self.read(socket);
            self.pace.note(arrived);
        }
        self.receive_feedback();
        self.receive_sealed();
        self.receive.has_unread()
    }

    /// Reads the congestion feedback, where it is time or where something woke the shard for it.
    fn receive_feedback(&mut self) {
        let (now, first) = (Instant::now(), self.out.sockets.len());
        let numbers = first..first + self.feedback.len();
        let gathered = self.feedback_pace.gathers();
        if self.feedback_pace.is_due(now) {
            numbers
                .clone()
                .for_each(|at| self.receive.assume_one_unread(at));
        }
        if !numbers.clone().any(|at| self.receive.is_unread(at)) {
            return;
        }
        let arrived = numbers.map(|at| self.read(at)).sum();
        self.feedback_pace.note(now, arrived);
        let registry = self.poll.registry();
        let changed = match (gathered, self.feedback_pace.gathers()) {
            (false, true) => ignore(registry, &mut self.feedback),
            (true, false) => watch(registry, &mut self.feedback, first),
            _ => Ok(()),
        };
        if let Err(error) = changed {
            tracing::error!(%error, shard = self.index, "nothing wakes a shard for congestion feedback");
            self.feedback_pace.gather(now);
        }
    }

    /// Reads what is sealed by DTLS, but not for ever.
    fn receive_sealed(&mut self) {
        let first = self.out.sockets.len() + self.feedback.len();
        let count = self.out.sealed.iter().flat_map(Sealed::sockets).count();
        self.out.sealed.iter_mut().for_each(Sealed::begin_turn);
        for at in 0..count * RECEIVE_ROUNDS {
            let (at, mut received) = (at % count, Received::default());
            let Some(sealed) = &mut self.out.sealed else {
                return;
            };
            if let Some(socket) = sealed.sockets().get(at)
                && self.receive.is_unread(first + at)
            {
                self.receive.read(first + at, socket);
                self.pace.note(self.receive.arrived());
                let now = Instant::now();
                for (path, datagram) in self.receive.datagrams() {
                    sealed.open(now, path, datagram, &mut received);
                }
                self.take(now, &received);
                self.serve_others(now);
                self.out.flush();
            }
        }
    }

    /// Reads a socket, but not for ever. Returns how many datagrams there were.
    fn read(&mut self, number: usize) -> usize {
        let (mut rounds, mut arrived) = (0, 0);
        while rounds < RECEIVE_ROUNDS && self.receive.is_unread(number) {
            let mut sockets = self.out.sockets.iter().chain(&self.feedback);
            let Some(socket) = sockets.nth(number) else {
                return arrived;
            };
            self.receive.read(number, socket);
            arrived += self.receive.arrived();
            let now = Instant::now();
            let datagrams = self.receive.datagrams();
            let datagrams = datagrams.filter_map(for_peers(now, &mut self.guest));
            self.core.handle_datagrams(now, datagrams, &mut self.out);
            self.serve_others(now);
            self.out.flush();
            rounds += 1;
        }
        arrived
    }

    /// Lets the guest read its own sockets. Returns whether there may be more.
    fn receive_guests(&mut self, events: &Events) -> bool {
        let Some(guest) = &mut self.guest else {
            return false;
        };
        let theirs = events.iter().filter(|event| is_guests_token(event.token()));
        theirs.for_each(|event| guest.note(event));
        let arrived = match guest.has_unread() {
            true => guest.receive(Instant::now()),
            false => 0,
        };
        self.pace.note(arrived);
        guest.has_unread()
    }

    fn serve_others(&mut self, now: Instant) {
        self.serve_guest(now);
        allocated::serve(&mut self.allocated, now, &mut self.out);
    }

    /// Gives the guest what the peers sent over relayed paths, and sends what it has to send.
    fn serve_guest(&mut self, now: Instant) {
        let Some(guest) = &mut self.guest else {
            return;
        };
        for transmit in std::mem::take(&mut self.out.relayed) {
            match guest.shard_of(&transmit.path) {
                Some(shard) if shard == self.index => guest.take_own(now, &transmit),
                Some(shard) => self.out.relay_each(shard, &transmit),
                None => {}
            }
            buffers::give_back(transmit.data);
        }
        guest.send();
        while let Some(transmit) = guest.poll_transmit() {
            self.out.send_guests(now, transmit);
        }
        guest.take_over(&mut |path| self.out.tcp.detach(now, path));
        while let Some((shard, path, data)) = guest.poll_handed_over() {
            // Full: lost, like any datagram can be.
            let _ = self.out.shards.send(shard, Mail::Guest { path, data });
        }
        while let Some(path) = guest.poll_introduction() {
            self.out.introduce(now, &path);
        }
    }

    fn let_time_pass(&mut self, now: Instant) {
        self.core.handle_timeout(now, &mut self.out);
        if let Some(guest) = &mut self.guest {
            guest.handle_timeout(now);
        }
        if let Some(allocated) = &mut self.allocated {
            allocated.handle_timeout(now);
        }
        let mut received = Received::default();
        if let Some(sealed) = &mut self.out.sealed {
            sealed.handle_timeout(now, &mut received);
        }
        if now >= self.next_sweep {
            self.next_sweep = now + SWEEP_INTERVAL;
            self.out.sweep(now, &mut received);
        }
        self.take(now, &received);
    }
}

//! One shard's ICE-TCP connections (RFC 6544, passive side): accepts them, cuts what arrives into
//! datagrams and queues what leaves. It does not know whose a connection is; checks tell the shard.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;

use crate::media::net::budget::Budget;
use crate::media::net::framing::{Deframer, SendQueue};
use crate::media::net::path::{FourTuple, Transport};
use crate::media::seeded::SeededMap;
use crate::network::end_site;

/// Tokens of this module, listeners first; below are the shard's own.
pub const FIRST_TOKEN: usize = 1024;

/// Connections of one shard. Another one is closed as soon as it is accepted.
pub const MAX_CONNECTIONS: usize = 4096;

/// Connections of one shard that one address (an IPv4 address, or an IPv6 /64) may have.
pub const MAX_PER_ADDRESS: usize = 512;

/// How long a connection may go without its first authentic check.
pub const INTRODUCTION: Duration = Duration::from_secs(10);

/// How long a connection may go without another: consent expires after half of it (RFC 7675 §5.1).
pub const SILENCE: Duration = Duration::from_secs(60);

/// Bytes the system takes before it could send them. By itself it takes megabytes: seconds of media
/// that a slow reader gets late, and no queue of ours to leave any out of.
#[cfg(target_os = "linux")]
const UNSENT_IN_KERNEL: u32 = 16 * 1024;

/// Connections that one listener accepts before everybody else gets their turn.
pub const MAX_ACCEPTS: usize = 32;

/// Bytes of one turn that are written before it ends: as many as one write takes.
const AT_ONCE: usize = 16 * 1024;

/// Bytes read from one connection before the others get their turn.
const READ_BUDGET: usize = 64 * 1024;

struct Connection {
    stream: TcpStream,
    path: FourTuple,
    deframer: Deframer,
    queue: SendQueue,
    /// It was given something in this turn.
    is_unsent: bool,
    /// It is closed then, unless another authentic check comes.
    until: Instant,
}

/// What an event brought.
#[derive(Default)]
pub struct Received {
    /// Datagrams and the paths they came over.
    pub datagrams: Vec<(FourTuple, Vec<u8>)>,
    /// Paths whose reader has caught up.
    pub relieved: Vec<FourTuple>,
    /// Paths that are no more.
    pub closed: Vec<FourTuple>,
}

/// The connections.
pub struct Tcp {
    listeners: Vec<TcpListener>,
    connections: FxHashMap<Token, Connection>,
    by_path: SeededMap<FourTuple, Token>,
    /// Connections that had more to read than their budget.
    unread: Vec<Token>,
    /// Listeners that have had their turn, and may have more.
    waiting: Vec<usize>,
    /// Connections that were given something in this turn.
    unsent: Vec<Token>,
    /// How many connections each address has.
    by_address: HashMap<IpAddr, usize>,
    next_token: usize,
    registry: Registry,
    buffer: Vec<u8>,
    /// What waits for slow readers counts in it.
    budget: Arc<Budget>,
}

impl Tcp {
    /// Accepts from these listeners.
    pub fn new(mut listeners: Vec<TcpListener>, registry: Registry) -> std::io::Result<Self> {
        for (at, listener) in listeners.iter_mut().enumerate() {
            registry.register(listener, Token(FIRST_TOKEN + at), Interest::READABLE)?;
        }
        Ok(Self {
            next_token: FIRST_TOKEN + listeners.len(),
            listeners,
            connections: FxHashMap::default(),
            by_path: SeededMap::default(),
            unread: Vec::new(),
            waiting: Vec::new(),
            unsent: Vec::new(),
            by_address: HashMap::new(),
            registry,
            buffer: vec![0; 16 * 1024],
            budget: Budget::new(usize::MAX),
        })
    }

    /// What waits from now on counts in `budget`.
    pub fn within(self, budget: &Arc<Budget>) -> Self {
        Self {
            budget: Arc::clone(budget),
            ..self
        }
    }

    /// Whether a connection has more to read, or a listener more to accept.
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty() || !self.waiting.is_empty()
    }

    /// Handles an event of one of this module's tokens.
    pub fn handle_event(&mut self, now: Instant, event: &Event, received: &mut Received) {
        let token = event.token();
        if let Some(listener) = token.0.checked_sub(FIRST_TOKEN)
            && listener < self.listeners.len()
        {
            if !self.waiting.contains(&listener) {
                self.accept(now, listener);
            }
            return;
        }
        if event.is_writable() {
            self.write_on(now, token, received);
        }
        // One that used its budget up has had its turn; `read_on` gives it the next.
        let has_more = event.is_readable() || event.is_read_closed();
        if has_more && !self.unread.contains(&token) {
            self.read(token, received);
        }
    }

    /// Goes on accepting and reading where a budget ended.
    pub fn read_on(&mut self, now: Instant, received: &mut Received) {
        for listener in std::mem::take(&mut self.waiting) {
            self.accept(now, listener);
        }
        for token in std::mem::take(&mut self.unread) {
            self.read(token, received);
        }
    }

    fn accept(&mut self, now: Instant, listener: usize) {
        for _ in 0..MAX_ACCEPTS {
            let (stream, remote) = match self.listeners[listener].accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // None left; or no descriptor for it, then it waits in the kernel's queue.
                Err(_) => return,
            };
            let of_address = self.by_address.get(&end_site(remote.ip()));
            let has_room = of_address.is_none_or(|count| *count < MAX_PER_ADDRESS);
            if has_room && self.connections.len() < MAX_CONNECTIONS {
                // A connection that is reset already is no loss.
                let _ = self.add(now, stream);
            }
        }
        self.waiting.push(listener);
    }

    fn add(&mut self, now: Instant, mut stream: TcpStream) -> std::io::Result<()> {
        let path = FourTuple {
            transport: Transport::Tcp,
            local: stream.local_addr()?,
            remote: stream.peer_addr()?,
        };
        stream.set_nodelay(true)?;
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_IN_KERNEL)?;
        let token = Token(self.next_token);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut stream, token, interest)?;
        self.next_token += 1;
        self.by_path.insert(path, token);
        let connection = Connection {
            stream,
            path,
            deframer: Deframer::for_any(),
            queue: SendQueue::within(&self.budget),
            is_unsent: false,
            until: now + INTRODUCTION,
        };
        *(self.by_address.entry(end_site(path.remote.ip()))).or_default() += 1;
        self.connections.insert(token, connection);
        Ok(())
    }

    fn read(&mut self, token: Token, received: &mut Received) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        let mut budget = READ_BUDGET;
        loop {
            if budget == 0 {
                return self.unread.push(token);
            }
            let len = budget.min(self.buffer.len());
            let path = connection.path;
            match connection.stream.read(&mut self.buffer[..len]) {
                Ok(len @ 1..) => {
                    budget -= len;
                    let datagrams = &mut received.datagrams;
                    let cut = connection.deframer.push(&self.buffer[..len], |frame| {
                        datagrams.push((path, frame.to_vec()));
                    });
                    connection.queue.frame_by(connection.deframer.framing());
                    if cut.is_ok() {
                        continue;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(_) | Err(_) => {}
            }
            return self.close(token, received);
        }
    }

    fn close(&mut self, token: Token, received: &mut Received) {
        if let Some(mut connection) = self.connections.remove(&token) {
            // Dropping the stream closes it, registered or not.
            let _ = self.registry.deregister(&mut connection.stream);
            self.by_path.remove(&connection.path);
            self.release(connection.path.remote.ip());
            received.closed.push(connection.path);
        }
    }

    fn release(&mut self, address: IpAddr) {
        if let Entry::Occupied(mut count) = self.by_address.entry(end_site(address)) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    fn write_on(&mut self, now: Instant, token: Token, received: &mut Received) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        if connection.write(now).is_err() {
            return self.close(token, received);
        }
        if !connection.queue.is_congested() {
            received.relieved.push(connection.path);
        }
    }

    /// Whether a path is one of this shard's connections.
    pub fn has(&self, path: &FourTuple) -> bool {
        self.by_path.contains_key(path)
    }

    /// Sends a datagram, with others of this turn: by [`Self::flush`]. Returns whether the reader is slow,
    /// so that the sender should hold back.
    pub fn send(
        &mut self,
        now: Instant,
        path: &FourTuple,
        data: BytesMut,
        expires: Option<Instant>,
    ) -> bool {
        let Some(token) = self.by_path.get(path) else {
            return false;
        };
        let Some(connection) = self.connections.get_mut(token) else {
            return false;
        };
        connection.queue.push(data, expires);
        if !connection.is_unsent {
            connection.is_unsent = true;
            self.unsent.push(*token);
        }
        // What only waits for its turn to end says nothing of the reader.
        if connection.queue.queued() >= AT_ONCE {
            connection.try_write(now);
        }
        connection.queue.is_congested()
    }

    /// Writes what was sent in this turn, as much as the system takes; the rest follows with its events.
    pub fn flush(&mut self, now: Instant) {
        for token in self.unsent.drain(..) {
            if let Some(connection) = self.connections.get_mut(&token) {
                connection.is_unsent = false;
                connection.try_write(now);
            }
        }
    }

    /// An authentic check came over a connection: it may stay.
    pub fn introduce(&mut self, now: Instant, path: &FourTuple) {
        self.keep_until(path, now + SILENCE);
    }

    /// A connection's peer is gone: the next sweep closes it.
    pub fn dismiss(&mut self, now: Instant, path: &FourTuple) {
        self.keep_until(path, now);
    }

    fn keep_until(&mut self, path: &FourTuple, until: Instant) {
        let token = self.by_path.get(path);
        if let Some(connection) = token.and_then(|token| self.connections.get_mut(token)) {
            connection.until = until;
        }
    }

    /// The number of connections.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is no connection.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Closes the connections that nobody introduced in time, or whose peers are silent or gone.
    pub fn sweep(&mut self, now: Instant, received: &mut Received) {
        // Their last words first.
        self.flush(now);
        let late = (self.connections.iter()).filter(|(_, connection)| connection.until <= now);
        let late: Vec<_> = late.map(|(token, _)| *token).collect();
        for token in late {
            self.close(token, received);
        }
    }
}

impl Connection {
    /// An error shows again as an event, which closes the connection.
    fn try_write(&mut self, now: Instant) {
        let _ = self.write(now);
    }

    fn write(&mut self, now: Instant) -> std::io::Result<()> {
        let stream = &mut self.stream;
        self.queue.flush(now, |bytes| match stream.write(bytes) {
            Ok(len) => Ok(len),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
            Err(error) => Err(error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::net::sockets::{open_listeners, probe};
    use mio::{Events, Poll};
    use std::net::TcpStream as Caller;

    struct Bench {
        poll: Poll,
        tcp: Tcp,
        port: u16,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let poll = Poll::new().unwrap();
            let port = probe(0, &[]).unwrap();
            let listeners = open_listeners(&port).unwrap();
            let port = listeners[0].local_addr().unwrap().port();
            let registry = poll.registry().try_clone().unwrap();
            Self {
                tcp: Tcp::new(listeners, registry).unwrap(),
                poll,
                port,
                now: Instant::now(),
            }
        }

        fn connect(&mut self) -> Caller {
            let caller = Caller::connect(("127.0.0.1", self.port)).unwrap();
            let before = self.tcp.connections.len();
            let mut events = Events::with_capacity(64);
            let mut received = Received::default();
            // It is refused by being closed, which the caller sees.
            self.poll
                .poll(&mut events, Some(Duration::from_secs(20)))
                .unwrap();
            for event in &events {
                self.tcp.handle_event(self.now, event, &mut received);
            }
            assert!(self.tcp.connections.len() <= before + 1);
            caller
        }

        fn sweep_after(&mut self, span: Duration) -> usize {
            self.now += span;
            let mut received = Received::default();
            self.tcp.sweep(self.now, &mut received);
            received.closed.len()
        }
    }

    #[test]
    fn one_address_has_its_share_of_connections_and_gives_it_back() {
        // Both ends of each are here.
        rlimit::increase_nofile_limit(4 * MAX_PER_ADDRESS as u64).unwrap();
        let mut bench = Bench::new();
        let mut callers = Vec::new();
        while callers.len() < MAX_PER_ADDRESS + 10 {
            callers.push(bench.connect());
        }
        assert_eq!(bench.tcp.connections.len(), MAX_PER_ADDRESS);
        for caller in &mut callers[MAX_PER_ADDRESS..] {
            assert!(matches!(caller.read(&mut [0; 1]), Ok(0) | Err(_)));
        }
        assert_eq!(bench.sweep_after(INTRODUCTION), MAX_PER_ADDRESS);
        assert!(bench.tcp.by_address.is_empty() && bench.tcp.by_path.is_empty());
        let _again = bench.connect();
        assert_eq!(bench.tcp.connections.len(), 1);
    }

    #[test]
    fn what_is_sent_in_a_turn_is_written_at_its_end_or_when_it_is_a_lot() {
        let mut bench = Bench::new();
        let mut caller = bench.connect();
        let path = *bench.tcp.by_path.keys().next().unwrap();
        let (frame, now) = ([7; 1000], bench.now);
        let send = |tcp: &mut Tcp| tcp.send(now, &path, frame[..].into(), None);
        let framed = frame.len() + 2;
        for _ in 0..3 {
            assert!(!send(&mut bench.tcp));
        }
        caller.set_nonblocking(true).unwrap();
        let early = caller.read(&mut [0; 1]).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::WouldBlock);
        caller.set_nonblocking(false).unwrap();
        let long = Some(Duration::from_secs(20));
        caller.set_read_timeout(long).unwrap();
        bench.tcp.flush(now);
        caller.read_exact(&mut vec![0; 3 * framed]).unwrap();
        let many = AT_ONCE.div_ceil(frame.len());
        for _ in 0..many {
            assert!(!send(&mut bench.tcp));
        }
        caller.read_exact(&mut vec![0; many * framed]).unwrap();
        bench.tcp.flush(now);
        assert!(bench.tcp.unsent.is_empty());
    }

    #[test]
    fn last_words_are_written_before_a_connection_is_closed() {
        let mut bench = Bench::new();
        let mut caller = bench.connect();
        let path = *bench.tcp.by_path.keys().next().unwrap();
        (bench.tcp).send(bench.now, &path, [7; 100][..].into(), None);
        bench.tcp.dismiss(bench.now, &path);
        assert_eq!(bench.sweep_after(Duration::ZERO), 1);
        let long = Some(Duration::from_secs(20));
        caller.set_read_timeout(long).unwrap();
        let mut words = Vec::new();
        caller.read_to_end(&mut words).unwrap();
        assert_eq!(words.len(), 102);
    }

    #[test]
    fn a_crowd_of_callers_is_let_in_a_few_at_a_turn() {
        let mut bench = Bench::new();
        let call = |_| std::net::TcpStream::connect(("127.0.0.1", bench.port)).unwrap();
        let callers: Vec<_> = (0..3 * MAX_ACCEPTS).map(call).collect();
        let mut events = Events::with_capacity(64);
        while bench.tcp.len() < callers.len() {
            let before = bench.tcp.len();
            // Nothing tells of those who wait: that there are more is known.
            if !bench.tcp.has_unread() {
                bench
                    .poll
                    .poll(&mut events, Some(Duration::from_secs(20)))
                    .unwrap();
            }
            let mut received = Received::default();
            bench.tcp.read_on(bench.now, &mut received);
            for event in &events {
                bench.tcp.handle_event(bench.now, event, &mut received);
            }
            events.clear();
            let accepted = bench.tcp.len() - before;
            assert!((1..=MAX_ACCEPTS).contains(&accepted), "{accepted}");
        }
    }

    #[test]
    fn a_connection_that_never_pauses_is_read_once_a_turn() {
        let mut bench = Bench::new();
        let mut caller = bench.connect();
        caller.set_nonblocking(true).unwrap();
        let frame = [&1000_u16.to_be_bytes()[..], &[0; 1000]].concat();
        let stream: Vec<u8> = frame.repeat(8 << 10);
        let mut written = 0;
        let mut events = Events::with_capacity(64);
        let mut turns_with_more = 0;
        while written < stream.len() {
            written += caller.write(&stream[written..]).unwrap_or(0);
            let soon = Some(Duration::from_millis(10));
            bench.poll.poll(&mut events, soon).unwrap();
            let mut received = Received::default();
            bench.tcp.read_on(bench.now, &mut received);
            for event in &events {
                bench.tcp.handle_event(bench.now, event, &mut received);
            }
            assert!(received.datagrams.len() <= READ_BUDGET / frame.len() + 1);
            turns_with_more += usize::from(bench.tcp.has_unread());
        }
        assert!(turns_with_more > 10, "{turns_with_more}");
    }

    #[test]
    fn connections_without_checks_are_closed() {
        let mut bench = Bench::new();
        let _callers = [bench.connect(), bench.connect()];
        let known = *bench.tcp.by_path.keys().next().unwrap();
        bench.tcp.introduce(bench.now, &known);
        assert_eq!(bench.sweep_after(INTRODUCTION), 1);
        assert!(bench.tcp.has(&known));
        bench.now += SILENCE / 2;
        bench.tcp.introduce(bench.now, &known);
        assert_eq!(bench.sweep_after(SILENCE - Duration::from_secs(1)), 0);
        assert_eq!(bench.sweep_after(Duration::from_secs(1)), 1);
    }
}

//! One shard's TCP connections, ICE's (RFC 6544, passive side) and TURN's: accepts them, cuts what arrives into
//! datagrams and queues what leaves. It does not know whose a connection is; checks tell the shard. Those with TLS
//! others accept, who shake hands; here they are opened and sealed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;

use crate::media::net::budget::Budget;
use crate::media::net::framing::{Deframer, Framing, SendQueue, TooLong};
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::tls::{Broken, Secured, TlsSession};
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
    tls: Option<TlsSession>,
    path: FourTuple,
    deframer: Deframer,
    queue: SendQueue,
    /// It was given something in this turn.
    is_unsent: bool,
    /// It is closed then, unless another authentic check comes.
    until: Instant,
}

/// A connection that carries no datagrams any more.
pub struct Detached {
    /// It does not block.
    pub stream: std::net::TcpStream,
    /// What was agreed on, if it has TLS.
    pub tls: Option<TlsSession>,
    /// What it is still to be sent first.
    pub unsent: Vec<u8>,
    /// What came of it, and was not taken.
    pub arrived: Vec<u8>,
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

impl Received {
    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty() && self.relieved.is_empty() && self.closed.is_empty()
    }
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
            if self.has_room_for(remote.ip()) {
                // A connection that is reset already is no loss.
                let _ = self.add(now, stream, None);
            }
        }
        self.waiting.push(listener);
    }

    /// Takes a connection that others accepted. Where there is no room it is closed.
    pub fn adopt(&mut self, now: Instant, secured: Secured) {
        let Secured { stream, session } = secured;
        let stream = TcpStream::from_std(stream);
        let has_room = (stream.peer_addr()).is_ok_and(|remote| self.has_room_for(remote.ip()));
        if has_room && let Ok(token) = self.add(now, stream, Some(session)) {
            // What came with its handshake is no event any more.
            self.unread.push(token);
        }
    }

    fn has_room_for(&self, address: IpAddr) -> bool {
        let of_address = self.by_address.get(&end_site(address));
        of_address.is_none_or(|count| *count < MAX_PER_ADDRESS)
            && self.connections.len() < MAX_CONNECTIONS
    }

    fn add(
        &mut self,
        now: Instant,
        mut stream: TcpStream,
        tls: Option<TlsSession>,
    ) -> std::io::Result<Token> {
        // A listener for both families shows IPv4 as a part of IPv6.
        let canonical =
            |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        let path = FourTuple {
            transport: Transport::Tcp,
            local: canonical(stream.local_addr()?),
            remote: canonical(stream.peer_addr()?),
        };
        stream.set_nodelay(true)?;
        #[cfg(target_os = "linux")]
        socket2::SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_IN_KERNEL)?;
        let token = Token(self.next_token);
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.registry.register(&mut stream, token, interest)?;
        self.next_token += 1;
        self.by_path.insert(path, token);
        let deframer = match tls {
            Some(_) => Deframer::of(Framing::Stun).holding(),
            None => Deframer::for_any().holding(),
        };
        let connection = Connection {
            stream,
            tls,
            path,
            deframer,
            queue: SendQueue::within(&self.budget),
            is_unsent: false,
            until: now + INTRODUCTION,
        };
        *(self.by_address.entry(end_site(path.remote.ip()))).or_default() += 1;
        self.connections.insert(token, connection);
        Ok(token)
    }

    fn read(&mut self, token: Token, received: &mut Received) {
        let Some(connection) = self.connections.get_mut(&token) else {
            return;
        };
        connection.deframer.release();
        let (mut budget, mut arrived) = (READ_BUDGET, 0);
        loop {
            let bytes = &self.buffer[..arrived];
            if connection.take(bytes, &mut received.datagrams).is_err() {
                return self.close(token, received);
            }
            // By the next turn it is known whether the connection is another's then.
            if budget == 0 || connection.deframer.is_held() {
                return self.unread.push(token);
            }
            let most = budget.min(self.buffer.len());
            arrived = match connection.stream.read(&mut self.buffer[..most]) {
                Ok(len @ 1..) => len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => 0,
                Ok(_) | Err(_) => return self.close(token, received),
            };
            budget -= arrived;
        }
    }

    fn close(&mut self, token: Token, received: &mut Received) {
        if let Some(mut connection) = self.connections.remove(&token) {
            if let Some(tls) = &mut connection.tls {
                tls.close(&mut connection.stream);
            }
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

    /// Gives a connection out of its hands, which from then on carries no datagrams.
    pub fn detach(&mut self, now: Instant, path: &FourTuple) -> Option<Detached> {
        let token = self.by_path.remove(path)?;
        let mut connection = self.connections.remove(&token)?;
        self.release(path.remote.ip());
        self.unread.retain(|unread| *unread != token);
        let mut unsent = Vec::new();
        let all = |bytes: &[u8]| {
            unsent.extend_from_slice(bytes);
            Ok::<_, std::convert::Infallible>(bytes.len())
        };
        let Ok(()) = connection.queue.flush(now, all);
        self.registry.deregister(&mut connection.stream).ok()?;
        Some(Detached {
            stream: connection.stream.into(),
            tls: connection.tls,
            unsent,
            arrived: connection.deframer.into_rest(),
        })
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
    /// Cuts what arrived into datagrams.
    fn take(
        &mut self,
        bytes: &[u8],
        datagrams: &mut Vec<(FourTuple, Vec<u8>)>,
    ) -> Result<(), Broken> {
        let (deframer, path) = (&mut self.deframer, self.path);
        let mut cut = |bytes: &[u8]| {
            let cut = deframer.push(bytes, |frame| datagrams.push((path, frame.to_vec())));
            cut.map_err(|TooLong| Broken)
        };
        match &mut self.tls {
            None => cut(bytes)?,
            Some(tls) => {
                // What was held is cut, also where nothing more comes.
                cut(&[])?;
                let opened = tls.open(bytes, &mut cut);
                // It may have something to say of its own, if only why it ends.
                let flushed = tls.flush(&mut self.stream);
                // What is held came before the end, which shows again to whoever reads on.
                if !deframer.is_held() {
                    opened?;
                }
                flushed.map_err(|_| Broken)?;
            }
        }
        self.queue.frame_by(self.deframer.framing());
        Ok(())
    }

    /// An error shows again as an event, which closes the connection.
    fn try_write(&mut self, now: Instant) {
        let _ = self.write(now);
    }

    fn write(&mut self, now: Instant) -> std::io::Result<()> {
        let (stream, tls) = (&mut self.stream, &mut self.tls);
        let framing = self.deframer.framing();
        // What was sealed before waits in no queue.
        if let Some(tls) = tls
            && !tls.flush(stream)?
        {
            return Ok(());
        }
        self.queue.flush(now, |bytes| {
            let written = match tls {
                None => stream.write(bytes),
                Some(tls) => tls.write(stream, framing.pieces(bytes)),
            };
            match written {
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
                written => written,
            }
        })
    }
}

#[cfg(test)]
mod tests;

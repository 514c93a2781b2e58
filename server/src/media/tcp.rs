//! One shard's ICE-TCP connections (RFC 6544, passive side): accepts them, cuts what arrives into
//! datagrams and queues what leaves. It does not know whose a connection is; checks tell the shard.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;

use super::framing::{Deframer, SendQueue};
use super::ice::{FourTuple, Transport};

/// Tokens of this module, listeners first; below are the shard's own.
pub const FIRST_TOKEN: usize = 1024;

/// Connections of one shard. Another one is closed as soon as it is accepted.
pub const MAX_CONNECTIONS: usize = 4096;

/// How long a connection may go without an authentic check.
const INTRODUCTION: Duration = Duration::from_secs(10);

/// Bytes the system takes before it could send them. By itself it takes megabytes: seconds of media
/// that a slow reader gets late, and no queue of ours to leave any out of.
#[cfg(target_os = "linux")]
const UNSENT_IN_KERNEL: u32 = 16 * 1024;

/// Bytes read from one connection before the others get their turn.
const READ_BUDGET: usize = 64 * 1024;

struct Connection {
    stream: TcpStream,
    path: FourTuple,
    deframer: Deframer,
    queue: SendQueue,
    since: Instant,
    introduced: bool,
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
    by_path: FxHashMap<FourTuple, Token>,
    /// Connections that had more to read than their budget.
    unread: Vec<Token>,
    next_token: usize,
    registry: Registry,
    buffer: Vec<u8>,
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
            by_path: FxHashMap::default(),
            unread: Vec::new(),
            registry,
            buffer: vec![0; 16 * 1024],
        })
    }

    /// Whether a connection has more to read.
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    /// Handles an event of one of this module's tokens.
    pub fn handle_event(&mut self, now: Instant, event: &Event, received: &mut Received) {
        let token = event.token();
        if let Some(listener) = token.0.checked_sub(FIRST_TOKEN)
            && listener < self.listeners.len()
        {
            return self.accept(now, listener);
        }
        if event.is_writable() {
            self.flush(now, token, received);
        }
        if event.is_readable() || event.is_read_closed() {
            self.read(token, received);
        }
    }

    /// Goes on reading where a budget ended.
    pub fn read_on(&mut self, received: &mut Received) {
        for token in std::mem::take(&mut self.unread) {
            self.read(token, received);
        }
    }

    fn accept(&mut self, now: Instant, listener: usize) {
        loop {
            let stream = match self.listeners[listener].accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // None left; or no descriptor for it, then it waits in the kernel's queue.
                Err(_) => return,
            };
            if self.connections.len() < MAX_CONNECTIONS {
                // A connection that is reset already is no loss.
                let _ = self.add(now, stream);
            }
        }
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
            deframer: Deframer::default(),
            queue: SendQueue::default(),
            since: now,
            introduced: false,
        };
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
            received.closed.push(connection.path);
        }
    }

    fn flush(&mut self, now: Instant, token: Token, received: &mut Received) {
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

    /// Sends a datagram. Returns whether the reader is slow, so that the sender should hold back.
    pub fn send(
        &mut self,
        now: Instant,
        path: &FourTuple,
        data: BytesMut,
        expires: Option<Instant>,
    ) -> bool {
        let token = self.by_path.get(path);
        let Some(connection) = token.and_then(|token| self.connections.get_mut(token)) else {
            return false;
        };
        connection.queue.push(data, expires);
        // An error shows again as an event, which closes the connection.
        let _ = connection.write(now);
        connection.queue.is_congested()
    }

    /// An authentic check came over a connection: it may stay.
    pub fn introduce(&mut self, path: &FourTuple) {
        let token = self.by_path.get(path);
        if let Some(connection) = token.and_then(|token| self.connections.get_mut(token)) {
            connection.introduced = true;
        }
    }

    /// Closes the connections that nobody introduced in time.
    pub fn sweep(&mut self, now: Instant, received: &mut Received) {
        let late = self.connections.iter().filter(|(_, connection)| {
            !connection.introduced && now >= connection.since + INTRODUCTION
        });
        let late: Vec<_> = late.map(|(token, _)| *token).collect();
        for token in late {
            self.close(token, received);
        }
    }
}

impl Connection {
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

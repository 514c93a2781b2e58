//! The TCP sockets of relays (RFC 6062): those of a shard that peers connect to, and connections with peers, of all
//! shards, until they are joined with one of the client's. It knows nothing of who may use them.

use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream as Plain};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use rustc_hash::FxHashMap;
use slab::Slab;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::carrying::{BUFFER, LAST_SILENCE, SOCKET_BUFFER, carry};
use super::connections::{ConnectionId, JoinedLink};
use crate::media::net::guest::FIRST_TOKEN;
use crate::media::net::tcp::Detached;

/// Behind those of relays of UDP, of which there is one for each port, and those of the second port.
const LISTENERS: usize = FIRST_TOKEN + 2 * 65_536;

/// Behind one for each port.
const CONNECTIONS: usize = LISTENERS + 65_536;

/// Connections of peers that wait to be accepted.
const BACKLOG: i32 = 64;

/// Those of one relay that are accepted before the others get their turn.
pub(crate) const MAX_ACCEPTS: usize = 16;

/// What is heard, of all relays, before everybody else gets their turn.
pub(crate) const MAX_HEARD: usize = 64;

/// How long a listener for whose connections there is no descriptor is left alone: it is told of them but once.
const AGAIN: Duration = Duration::from_secs(1);

/// What the system says of a connection that is being opened: EINPROGRESS.
#[cfg(target_os = "linux")]
const IN_PROGRESS: i32 = nix::libc::EINPROGRESS;
#[cfg(not(target_os = "linux"))]
const IN_PROGRESS: i32 = 36;

/// Connections with peers, of all shards.
pub struct HeldStreams {
    /// Where what is joined is carried. None in tests without a runtime.
    runtime: Option<Handle>,
    by_id: Mutex<HashMap<ConnectionId, Held>>,
}

enum Held {
    /// Nobody reads it yet: what comes waits in the kernel, until that takes no more.
    Alone(Plain),
    /// Cancelling this ends both.
    Joined(CancellationToken),
}

impl HeldStreams {
    /// None yet. What is joined is carried by the runtime that this is called in.
    pub(super) fn new() -> Self {
        Self {
            runtime: Handle::try_current().ok(),
            by_id: Mutex::default(),
        }
    }

    /// Keeps one until it is joined, or ended.
    fn hold(&self, id: ConnectionId, stream: Plain) {
        self.lock().insert(id, Held::Alone(stream));
    }

    /// Joins one with a connection of the client's.
    pub(super) fn join(&self, id: ConnectionId, client: Option<Detached>, link: JoinedLink) {
        // Whoever does not read its answers is to have no further place for what it does not read.
        let client = client.filter(|client| client.unsent.len() <= BUFFER);
        let mut held = self.lock();
        let (Some(Held::Alone(peer)), Some(client), Some(runtime)) =
            (held.remove(&id), client, &self.runtime)
        else {
            return;
        };
        let cancel = CancellationToken::new();
        held.insert(id, Held::Joined(cancel.clone()));
        let _ = limit_buffers(&SockRef::from(&client.stream));
        runtime.spawn(async move {
            // However it ends, each has seen it by its own end, and so has the relay by its link.
            let _ = carry(client, peer, &link, cancel, LAST_SILENCE).await;
        });
    }

    /// Closes one, and what it is joined with.
    fn end(&self, id: ConnectionId) {
        let ended = self.lock().remove(&id);
        if let Some(Held::Joined(cancel)) = ended {
            cancel.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ConnectionId, Held>> {
        // Every change is one insertion or removal.
        self.by_id.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that the peer has not accepted yet.
struct Connecting {
    id: ConnectionId,
    port: u16,
    stream: TcpStream,
}

/// What happened.
pub(super) enum Heard {
    /// A peer has connected to the relay with a port.
    Accepted(u16, SocketAddr, Plain),
    /// A peer has accepted a connection of such a relay, or has not.
    Answered(u16, ConnectionId, bool),
}

/// Those of a shard.
pub(super) struct RelayStreams {
    registry: Registry,
    listeners: FxHashMap<u16, TcpListener>,
    connecting: Slab<Connecting>,
    by_id: FxHashMap<ConnectionId, usize>,
    /// Of what something happened.
    noted: VecDeque<Token>,
    /// Listeners that could not accept, and when they are tried again.
    stuck: Vec<Token>,
    again: Option<Instant>,
    held: Arc<HeldStreams>,
}

impl RelayStreams {
    /// None yet.
    pub(super) fn new(registry: Registry, held: Arc<HeldStreams>) -> Self {
        Self {
            registry,
            listeners: FxHashMap::default(),
            connecting: Slab::new(),
            by_id: FxHashMap::default(),
            noted: VecDeque::new(),
            stuck: Vec::new(),
            again: None,
            held,
        }
    }

    /// Has peers connect to a relay.
    pub(super) fn open(&mut self, bound: SocketAddr) -> io::Result<()> {
        if self.held.runtime.is_none() {
            return Err(ErrorKind::Unsupported.into());
        }
        let socket = bind(bound)?;
        socket.listen(BACKLOG)?;
        let mut listener = TcpListener::from_std(socket.into());
        let token = Token(LISTENERS + usize::from(bound.port()));
        (self.registry).register(&mut listener, token, Interest::READABLE)?;
        self.listeners.insert(bound.port(), listener);
        Ok(())
    }

    /// Has them do so no more.
    pub(super) fn close(&mut self, port: u16) {
        if let Some(mut listener) = self.listeners.remove(&port) {
            // Dropping the socket closes it, registered or not.
            let _ = self.registry.deregister(&mut listener);
        }
    }

    /// Begins to connect a relay with a peer: from where it is reached itself.
    pub(super) fn connect(
        &mut self,
        id: ConnectionId,
        bound: SocketAddr,
        peer: SocketAddr,
    ) -> io::Result<()> {
        let socket = bind(bound)?;
        socket.set_tcp_nodelay(true)?;
        match socket.connect(&peer.into()) {
            Ok(()) => {}
            // What comes of it is an event.
            Err(error) if error.raw_os_error() == Some(IN_PROGRESS) => {}
            Err(error) => return Err(error),
        }
        let mut stream = TcpStream::from_std(socket.into());
        let entry = self.connecting.vacant_entry();
        let token = Token(CONNECTIONS + entry.key());
        (self.registry).register(&mut stream, token, Interest::WRITABLE)?;
        self.by_id.insert(id, entry.key());
        entry.insert(Connecting {
            id,
            port: bound.port(),
            stream,
        });
        Ok(())
    }

    /// Keeps one until it is joined, or ended.
    pub(super) fn hold(&self, id: ConnectionId, stream: Plain) {
        self.held.hold(id, stream);
    }

    /// Closes one, and what it is joined with.
    pub(super) fn end(&mut self, id: ConnectionId) {
        if let Some(at) = self.by_id.get(&id) {
            self.take(*at);
        }
        self.held.end(id);
    }

    /// Takes note of an event.
    pub(super) fn note(&mut self, token: Token) {
        if token.0 >= LISTENERS && !self.noted.contains(&token) {
            self.noted.push_back(token);
        }
    }

    /// Tries again what could not be done.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.again.is_some_and(|again| again <= now) {
            self.again = None;
            let stuck = std::mem::take(&mut self.stuck);
            stuck.into_iter().for_each(|token| self.note(token));
        }
    }

    /// Whether something happened.
    pub(super) fn has_unread(&self) -> bool {
        !self.noted.is_empty()
    }

    /// What happened, each in its turn, and no more of it than fits into one.
    pub(super) fn hear(&mut self, now: Instant) -> Vec<Heard> {
        let mut heard = Vec::new();
        for _ in 0..self.noted.len().min(MAX_HEARD) {
            let left = MAX_HEARD - heard.len();
            if left == 0 {
                break;
            }
            let Some(token) = self.noted.pop_front() else {
                break;
            };
            match token.0.checked_sub(CONNECTIONS) {
                Some(at) => heard.extend(self.answer(at)),
                None => self.accept(now, token, left.min(MAX_ACCEPTS), &mut heard),
            }
        }
        heard
    }

    fn accept(&mut self, now: Instant, token: Token, most: usize, heard: &mut Vec<Heard>) {
        let port = u16::try_from(token.0 - LISTENERS).ok();
        let listener = port.and_then(|port| Some((port, self.listeners.get(&port)?)));
        let Some((port, listener)) = listener else {
            return;
        };
        let left = accept_some(most, || {
            let (stream, peer) = listener.accept()?;
            let stream = Plain::from(stream);
            // One that is reset already is no loss.
            let _ = stream.set_nodelay(true);
            heard.push(Heard::Accepted(port, peer, stream));
            Ok(())
        });
        match left {
            Left::Nothing => {}
            Left::More => self.note(token),
            Left::Stuck => {
                self.again.get_or_insert(now + AGAIN);
                if !self.stuck.contains(&token) {
                    self.stuck.push(token);
                }
            }
        }
    }

    /// What a peer says, if it has said it.
    fn answer(&mut self, at: usize) -> Option<Heard> {
        let connecting = self.connecting.get(at)?;
        let is_refused = !matches!(connecting.stream.take_error(), Ok(None));
        let peer = connecting.stream.peer_addr();
        if !is_refused && peer.is_err() {
            // Nothing yet.
            return None;
        }
        let Connecting { id, port, stream } = self.take(at)?;
        if !is_refused {
            self.held.hold(id, stream.into());
        }
        Some(Heard::Answered(port, id, !is_refused))
    }

    fn take(&mut self, at: usize) -> Option<Connecting> {
        let mut connecting = self.connecting.try_remove(at)?;
        self.by_id.remove(&connecting.id);
        let _ = self.registry.deregister(&mut connecting.stream);
        Some(connecting)
    }
}

/// What is left of those who connect.
#[derive(Debug, PartialEq, Eq)]
enum Left {
    Nothing,
    /// There may be.
    More,
    /// Somebody waits in the kernel's queue, for whom there is no descriptor.
    Stuck,
}

/// Accepts so many.
fn accept_some(most: usize, mut accept: impl FnMut() -> io::Result<()>) -> Left {
    for _ in 0..most {
        match accept() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Left::Nothing,
            Err(error) if is_scarcity(&error) => return Left::Stuck,
            // It has gone meanwhile; or what it is does not concern the next.
            Ok(()) | Err(_) => {}
        }
    }
    Left::More
}

/// Whether an error says that the machine has none of something left.
pub(super) fn is_scarcity(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    const NO_BUFFERS: i32 = nix::libc::ENOBUFS;
    #[cfg(not(target_os = "linux"))]
    const NO_BUFFERS: i32 = 55;
    /// ENOMEM, ENFILE and EMFILE are the same everywhere.
    const SCARCE: [i32; 4] = [12, 23, 24, NO_BUFFERS];
    let code = error.raw_os_error();
    code.is_some_and(|code| SCARCE.contains(&code))
}

/// A socket at a relay's address, which others there share: one listens, each of the others is connected.
fn bind(bound: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(bound);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if bound.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    limit_buffers(&SockRef::from(&socket))?;
    socket.bind(&bound.into())?;
    Ok(socket)
}

fn limit_buffers(socket: &SockRef<'_>) -> io::Result<()> {
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::{Events, Poll};

    const EMFILE: i32 = 24;

    #[test]
    fn who_finds_no_descriptor_is_not_forgotten_and_who_has_gone_holds_nobody_up() {
        let after = |errors: &[i32]| {
            let mut errors = errors.iter();
            accept_some(MAX_ACCEPTS, || match errors.next() {
                Some(0) => Ok(()),
                Some(code) => Err(io::Error::from_raw_os_error(*code)),
                None => Err(ErrorKind::WouldBlock.into()),
            })
        };
        assert_eq!(after(&[]), Left::Nothing);
        assert_eq!(after(&[0; MAX_ACCEPTS]), Left::More);
        assert_eq!(after(&[0, EMFILE]), Left::Stuck);
        // ECONNABORTED on Linux, and EINTR.
        assert_eq!(after(&[103, 4, EMFILE]), Left::Stuck);
    }

    struct Bench {
        poll: Poll,
        streams: RelayStreams,
        now: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let poll = Poll::new().unwrap();
            let registry = poll.registry().try_clone().unwrap();
            Self {
                streams: RelayStreams::new(registry, Arc::new(HeldStreams::new())),
                poll,
                now: Instant::now(),
            }
        }

        /// A relay that so many have connected to.
        fn relay(&mut self, callers: usize) -> (u16, Vec<Plain>) {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let at = free.local_addr().unwrap();
            drop(free);
            self.streams.open(at).unwrap();
            let callers = (0..callers).map(|_| Plain::connect(at).unwrap()).collect();
            (at.port(), callers)
        }

        fn note(&mut self) {
            let mut events = Events::with_capacity(64);
            let most = Some(Duration::from_secs(20));
            self.poll.poll(&mut events, most).unwrap();
            for event in &events {
                self.streams.note(event.token());
            }
        }

        fn ports(&mut self) -> Vec<u16> {
            let heard = self.streams.hear(self.now).into_iter();
            let port = |heard| match heard {
                Heard::Accepted(port, _, _) | Heard::Answered(port, _, _) => port,
            };
            heard.map(port).collect()
        }
    }

    #[tokio::test]
    async fn many_who_connect_at_once_are_accepted_in_turns() {
        let mut bench = Bench::new();
        let each = MAX_ACCEPTS + 4;
        let relays: Vec<_> = (0..5).map(|_| bench.relay(each)).collect();
        bench.note();
        let first = bench.ports();
        assert_eq!(first.len(), MAX_HEARD);
        assert!(bench.streams.has_unread());
        let mut all = first;
        while bench.streams.has_unread() {
            let next = bench.ports();
            assert!(next.len() <= MAX_HEARD);
            all.extend(next);
        }
        for (port, _) in relays {
            let its = all.iter().filter(|its| **its == port);
            assert_eq!(its.count(), each);
        }
    }

    #[tokio::test]
    async fn a_listener_that_could_not_accept_is_tried_again_in_time() {
        let mut bench = Bench::new();
        let (port, _callers) = bench.relay(1);
        let token = Token(LISTENERS + usize::from(port));
        bench.streams.stuck.push(token);
        bench.streams.again = Some(bench.now + AGAIN);
        bench.streams.handle_timeout(bench.now);
        assert!(!bench.streams.has_unread(), "it is left alone for a while");
        bench.streams.handle_timeout(bench.now + AGAIN);
        assert_eq!(bench.ports(), [port]);
    }
}

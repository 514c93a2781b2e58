//! The allocation of ours at somebody else's TURN server, as the shard has it that hosts it: the socket or the connection
//! that leads there, what comes by it, and whom the control plane tells its address.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Registry, Token};
use quinn_udp::{RecvMeta, UdpSockRef};
use tokio::sync::watch;

use crate::media::id::PeerId;
use crate::media::net::buffers;
use crate::media::net::outbox::Transmit;
use crate::media::net::relayed::account::{Link, TurnServer};
use crate::media::net::relayed::allocation::{Granted, Refusal};
use crate::media::net::relayed::client::{MAX_SERVERS, News, RelayClient};
use crate::media::net::relayed::permissions::Admission;
use crate::media::net::relayed::stream::Stream;
use crate::media::net::udp::{self, Socket};
use crate::media::shard::core::ShardCore;
use crate::media::shard::directory::Directory;
use crate::media::shard::receive::MAX_DATAGRAM;
use crate::media::shard::wires::Wires;

/// The shard that hosts it. One is enough: what is relayed costs whoever relays it more.
pub const HOST: usize = 0;

/// Behind those of a guest.
pub const TOKEN: Token = Token(usize::MAX - 8);

/// Buffers for one receive call, each for what the kernel puts together.
const BATCH: usize = 8;
const BUFFER: usize = 65_536;

/// Receive calls before others get their turn.
const ROUNDS: usize = 4;

/// Kernel buffers: all peers share them.
const SOCKET_BUFFER: usize = 4 << 20;

/// How long a packet may wait for a connection. All peers wait behind it, and none of what is sent in real time is of use
/// much later.
pub const STALE: Duration = Duration::from_millis(500);

/// What a shard has to know to host one.
pub struct Hosting {
    /// The addresses that media is received at, which sockets are bound to.
    pub listen: Vec<IpAddr>,
    /// Whom the server is asked to let in.
    pub admission: Admission,
    /// Where it is told what there is.
    pub granted: Arc<watch::Sender<Option<Granted>>>,
}

/// How a server is reached.
enum Way {
    Socket(Socket),
    Stream(Box<Stream>),
}

/// See the module.
pub struct Allocated {
    client: RelayClient,
    hosting: Hosting,
    directory: Arc<Directory>,
    registry: Registry,
    dropped: Arc<AtomicU64>,
    way: Option<Way>,
    /// Which attempt it is for.
    number: u64,
    is_unread: bool,
    storage: Vec<u8>,
    metas: Vec<RecvMeta>,
}

impl Allocated {
    /// There is none yet.
    pub fn new(
        now: Instant,
        hosting: Hosting,
        directory: Arc<Directory>,
        (registry, dropped): (Registry, Arc<AtomicU64>),
    ) -> Self {
        Self {
            client: RelayClient::new(now, hosting.admission.clone(), rand::random()),
            hosting,
            directory,
            registry,
            dropped,
            way: None,
            number: 0,
            is_unread: false,
            storage: Vec::new(),
            metas: vec![RecvMeta::default(); BATCH],
        }
    }

    /// These are the servers from now on.
    pub fn set_servers(&mut self, now: Instant, servers: Vec<TurnServer>) {
        self.client.set_servers(now, servers);
    }

    /// A peer's client, whose WebSocket comes from there, says that it is at these addresses.
    pub fn permit(&mut self, now: Instant, id: PeerId, client: IpAddr, named: &[IpAddr]) {
        self.client.permit(now, id, client, named);
    }

    /// Sends what a peer sends by it.
    pub fn send(&mut self, now: Instant, transmit: &Transmit) {
        if !self.client.send(now, transmit) {
            self.take_leave(now);
        }
    }

    /// Whether there may be something to read.
    pub(super) fn has_unread(&self) -> bool {
        self.is_unread
    }

    /// Reads, but not for ever, what there is for the peers here. Returns how many datagrams there were at least.
    pub(super) fn receive(
        &mut self,
        events: &Events,
        core: &mut ShardCore,
        out: &mut Wires,
    ) -> usize {
        self.is_unread |= events.iter().any(|event| event.token() == TOKEN);
        let (now, mut arrived) = (Instant::now(), 0);
        for _ in 0..ROUNDS {
            if !self.is_unread {
                break;
            }
            arrived += match &mut self.way {
                Some(Way::Socket(_)) => self.receive_batch(now, core, out),
                Some(Way::Stream(_)) => self.receive_frames(now, core, out),
                None => 0,
            };
        }
        arrived
    }

    fn receive_batch(&mut self, now: Instant, core: &mut ShardCore, out: &mut Wires) -> usize {
        let filled = self.read();
        self.is_unread = filled == BATCH;
        let Self {
            client,
            storage,
            metas,
            ..
        } = self;
        let filled_buffers = storage.chunks(BUFFER).zip(&*metas).take(filled);
        let datagrams = filled_buffers.flat_map(|(buffer, meta)| {
            let datagrams = buffer[..meta.len.min(BUFFER)].chunks(meta.stride.max(1));
            datagrams.map(|datagram| (meta.addr, datagram))
        });
        let fits = |(_, datagram): &(SocketAddr, &[u8])| datagram.len() <= MAX_DATAGRAM;
        let unwrapped = datagrams
            .filter(fits)
            .filter_map(|(from, datagram)| client.handle_datagram(now, from, datagram));
        core.handle_datagrams(now, unwrapped, out);
        filled
    }

    /// Reads a batch. Returns how many buffers hold something.
    fn read(&mut self) -> usize {
        let Some(Way::Socket(socket)) = &self.way else {
            return 0;
        };
        let mut chunks = self.storage.chunks_mut(BUFFER);
        let mut buffers: [IoSliceMut<'_>; BATCH] =
            std::array::from_fn(|_| IoSliceMut::new(chunks.next().unwrap_or_default()));
        let reference = UdpSockRef::from(&socket.socket);
        let received = (socket.state).recv(reference, &mut buffers, &mut self.metas);
        // Nothing there; or an ICMP error, and then nothing answers.
        received.unwrap_or_default()
    }

    fn receive_frames(&mut self, now: Instant, core: &mut ShardCore, out: &mut Wires) -> usize {
        let (Some(Way::Stream(stream)), Some((number, server))) =
            (&mut self.way, self.client.socket())
        else {
            return 0;
        };
        if number != self.number {
            // What it leads to is over.
            self.close_socket();
            return 0;
        }
        let (from, mut frames) = (server.address, Vec::new());
        let read = stream.read(|frame| frames.push(frame.to_vec()));
        let client = &mut self.client;
        let unwrapped =
            (frames.iter()).filter_map(|frame| client.handle_datagram(now, from, frame));
        core.handle_datagrams(now, unwrapped, out);
        self.is_unread = matches!(read, Ok(true));
        if read.is_err() {
            self.lose_way(now);
        }
        frames.len()
    }

    fn lose_way(&mut self, now: Instant) {
        self.close_socket();
        (self.client).lose_socket(now, self.number, Refusal::Broken);
    }

    /// Sends what there is to send, by the socket that it is for, and tells what is new.
    pub fn flush(&mut self, now: Instant) {
        // Where it cannot be sent the next server is asked, until all were.
        for _ in 0..=MAX_SERVERS {
            self.follow(now);
            self.take_leave(now);
            if self.write(now) && self.is_followed() {
                break;
            }
        }
        self.tell();
    }

    fn is_followed(&self) -> bool {
        let wanted = self.client.socket();
        wanted.is_none_or(|(number, _)| number == self.number)
    }

    /// Takes what is to be sent out of the client, and sends it where it is no stream.
    fn take_leave(&mut self, now: Instant) {
        // What is for the next is sent when there is a way to it.
        if !self.is_followed() {
            return;
        }
        while let Some(transmit) = self.client.poll_transmit() {
            match &mut self.way {
                Some(Way::Socket(socket)) => {
                    udp::send(std::slice::from_ref(socket), &transmit, &self.dropped);
                    buffers::give_back(transmit.data);
                }
                Some(Way::Stream(stream)) => {
                    let latest = now + STALE;
                    let expires = transmit.expires.map_or(latest, |at| at.min(latest));
                    if !stream.push(transmit.data, expires) {
                        self.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                }
                None => buffers::give_back(transmit.data),
            }
        }
    }

    /// Writes what a stream takes. Returns whether there is one still, if there was.
    fn write(&mut self, now: Instant) -> bool {
        if let Some(Way::Stream(stream)) = &mut self.way
            && stream.flush(now).is_err()
        {
            self.lose_way(now);
            return false;
        }
        true
    }

    /// Has another socket for another attempt: a server takes one with the same address for the one before.
    fn follow(&mut self, now: Instant) {
        let (number, server) = match self.client.socket() {
            Some(wanted) => wanted,
            None => return self.close_socket(),
        };
        if number == self.number {
            return;
        }
        let server = server.clone();
        self.close_socket();
        self.number = number;
        match self.open(&server) {
            Ok(way) => self.way = Some(way),
            Err(error) => {
                tracing::debug!(%error, "there is no socket for a TURN server");
                self.client.lose_socket(now, self.number, Refusal::NoSocket);
            }
        }
    }

    fn open(&mut self, server: &TurnServer) -> io::Result<Way> {
        let secure = match &server.link {
            Link::Udp => return Ok(Way::Socket(self.open_socket(server.address)?)),
            Link::Tcp => None,
            Link::Tls(secure) => Some(secure),
        };
        let at = (&self.registry, TOKEN);
        let stream = Stream::connect(server.address, secure, at)?;
        Ok(Way::Stream(Box::new(stream)))
    }

    fn open_socket(&mut self, server: SocketAddr) -> io::Result<Socket> {
        let is_ipv6 = server.is_ipv6();
        let of_family = self
            .hosting
            .listen
            .iter()
            .find(|ip| ip.is_ipv6() == is_ipv6);
        let any: IpAddr = match is_ipv6 {
            true => Ipv6Addr::UNSPECIFIED.into(),
            false => Ipv4Addr::UNSPECIFIED.into(),
        };
        let bound = SocketAddr::new(of_family.copied().unwrap_or(any), 0);
        let mut socket = udp::open(bound, SOCKET_BUFFER)?;
        self.registry
            .register(&mut socket.socket, TOKEN, Interest::READABLE)?;
        if self.storage.is_empty() {
            self.storage = vec![0; BUFFER * BATCH];
        }
        Ok(socket)
    }

    fn close_socket(&mut self) {
        match self.way.take() {
            Some(Way::Socket(mut socket)) => {
                // Dropping the socket closes it, registered or not.
                let _ = self.registry.deregister(&mut socket.socket);
            }
            Some(Way::Stream(stream)) => stream.close(&self.registry),
            None => {}
        }
        self.is_unread = false;
    }

    fn tell(&mut self) {
        for news in self.client.take_news() {
            match news {
                News::Allocated(server, granted) => tracing::info!(
                    server = server.name,
                    address = %granted.relayed,
                    "clients that cannot reach this machine are offered a relayed address at this TURN server"
                ),
                News::Failed(server, why) => tracing::warn!(
                    server = server.name,
                    "there is no relayed address at this TURN server: {why}"
                ),
                News::Refused(server, why) => tracing::warn!(
                    server = server.name,
                    "this TURN server does not let in all clients that are to come by the relayed address: {why}"
                ),
            }
        }
        let granted = self.client.granted();
        self.hosting.granted.send_if_modified(|known| {
            let is_other = *known != granted;
            *known = granted;
            is_other
        });
    }

    /// When [`Self::handle_timeout`] next has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.client.poll_timeout()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.client.poll_timeout().is_some_and(|at| at <= now) {
            let directory = &self.directory;
            (self.client).handle_timeout(now, |id| directory.knows(id));
        }
    }

    /// After a panic: nothing that it holds can be trusted.
    pub fn start_over(&mut self, now: Instant) {
        self.client.start_over(now);
    }

    /// Ends it.
    pub fn close(&mut self, now: Instant) {
        self.client.close(now);
        self.flush(now);
    }
}

/// Sends what the peers sent by it, here or at its host, and what it has to say itself.
pub(super) fn serve(allocated: &mut Option<Allocated>, now: Instant, out: &mut Wires) {
    for transmit in std::mem::take(&mut out.allocated) {
        match allocated {
            Some(allocated) => allocated.send(now, &transmit),
            None => out.relay_each(HOST, &transmit),
        }
        buffers::give_back(transmit.data);
    }
    if let Some(allocated) = allocated {
        allocated.flush(now);
    }
}

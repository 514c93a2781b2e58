//! Our end: a peer, the echo behind it, and as much of the shard and of the signalling as there is
//! between them and the network: demultiplexing and the exchange of descriptions.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant, UNIX_EPOCH};

use ferrite_protocol::SessionId;
use ferrite_server::behaviour::Echo;
use ferrite_server::media::forward::router::{Router, Wish};
use ferrite_server::media::forward::track::{Place, Show};
use ferrite_server::media::id::PeerId;
use ferrite_server::media::net::candidates::host_candidates;
use ferrite_server::media::net::demux::{Kind, classify};
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::peer::{PeerConfig, PeerState};
use ferrite_server::media::rtp::clock::Clock;
use ferrite_server::media::rtp::packet::MediaPacket;
use ferrite_server::media::sdp::{self, Agreed, Local, SdpError};
use ferrite_server::media::shard::resident::Resident;
use ferrite_server::media::transport::dtls::{DtlsState, Identity};
use ferrite_server::media::transport::ice::{Credentials, IceState, addressed_ufrag};
use ferrite_server::media::{MAX_MESSAGE_SIZE, Peer, PeerOutput};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::link::Datagram;

/// Every datagram must pass a path whose MTU is IPv6's least (RFC 8200 §5), less its headers.
pub const MAX_DATAGRAM: usize = 1280 - 40 - 8;

/// Our end.
pub struct ServerEnd {
    pub resident: Box<Resident>,
    /// What a shard has for all its peers.
    router: Router<()>,
    pub address: SocketAddr,
    /// What the far end's datagrams are said to come by.
    pub transport: Transport,
    /// Every state reported, and when.
    pub states: Vec<(Instant, PeerState)>,
    /// The session agreed last.
    pub agreed: Option<Agreed>,
    /// Packets and messages that the peer gave to the echo.
    pub given_out: u64,
    /// When a keyframe was wished for of what is shown to the far end.
    pub wishes: Vec<Instant>,
    /// The other end is finished, and was thrown away.
    pub finished: bool,
    /// Datagrams of one call's, that are taken one by one.
    outgoing: VecDeque<Datagram>,
    local: Local,
    ufrags: Vec<String>,
    rng: StdRng,
}

/// A peer that is shown what it sends.
struct Itself<'a>(Instant, &'a mut Peer);

impl Show<()> for Itself<'_> {
    fn prefetch(&self, sink: Place<()>, step: usize) {
        self.1.prefetch(sink.section, step);
    }

    fn show(&mut self, sink: Place<()>, batch: &[MediaPacket]) -> Duration {
        self.1.send_media(self.0, sink.section, batch)
    }
}

fn identity() -> Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    let generated = IDENTITY.get_or_init(|| Identity::generate().unwrap());
    generated.clone()
}

fn credentials(rng: &mut StdRng) -> Credentials {
    Credentials {
        ufrag: format!("u{:08x}", rng.random::<u32>()),
        pwd: format!("p{:032x}", rng.random::<u128>()),
    }
}

impl ServerEnd {
    pub fn new(now: Instant, seed: u64, address: SocketAddr) -> Self {
        let mut rng = StdRng::seed_from_u64(!seed);
        let first = credentials(&mut rng);
        let config = PeerConfig {
            identity: identity(),
            local: first.clone(),
            clock: Clock::new(now, UNIX_EPOCH + Duration::from_secs(1_800_000_000)),
            seed: rng.random(),
            cname: "virtual".to_owned(),
            max_message_size: MAX_MESSAGE_SIZE,
        };
        let local = Local {
            ice_ufrag: first.ufrag.clone(),
            ice_pwd: first.pwd,
            fingerprint: identity().fingerprint,
            candidates: host_candidates(&[address.ip()], &[], address.port(), true),
            trickles: false,
            session_id: 1,
            max_message_size: MAX_MESSAGE_SIZE,
            cname: "virtual".to_owned(),
            streams: HashMap::new(),
        };
        Self {
            resident: Box::new(Resident::new(
                PeerId(1),
                SessionId("virtual".to_owned()),
                Peer::new(now, config),
                Box::new(Echo),
            )),
            router: Router::default(),
            address,
            transport: Transport::Udp,
            states: Vec::new(),
            agreed: None,
            given_out: 0,
            wishes: Vec::new(),
            finished: false,
            outgoing: VecDeque::new(),
            local,
            ufrags: vec![first.ufrag],
            rng,
        }
    }

    /// Offer in, answer out.
    pub fn offer(&mut self, now: Instant, offer: &str) -> Result<String, SdpError> {
        let before = self.agreed.as_ref();
        let mut random = || self.rng.random();
        let mut answer = sdp::answer(offer, &self.local, before, &mut random)?;
        let restarts = before.is_some_and(|before| before.ice_ufrag != answer.agreed.ice_ufrag);
        let mut restart = None;
        if restarts {
            let fresh = credentials(&mut self.rng);
            self.local.ice_ufrag.clone_from(&fresh.ufrag);
            self.local.ice_pwd.clone_from(&fresh.pwd);
            self.ufrags.push(fresh.ufrag.clone());
            let mut random = || self.rng.random();
            answer = sdp::answer(offer, &self.local, before, &mut random)?;
            restart = Some(fresh);
        }
        self.agreed = Some(answer.agreed.clone());
        self.resident.peer.agree(now, answer.agreed, restart);
        self.resident.route(&mut self.router, ());
        self.drive(now);
        Ok(answer.sdp)
    }

    /// The credentials checks must use now.
    pub fn credentials(&self) -> Credentials {
        Credentials {
            ufrag: self.local.ice_ufrag.clone(),
            pwd: self.local.ice_pwd.clone(),
        }
    }

    pub fn fingerprint(&self) -> [u8; 32] {
        self.local.fingerprint
    }

    /// Takes a datagram as a shard does: STUN by the name it is addressed to, the rest by its path.
    pub fn receive(&mut self, now: Instant, datagram: &Datagram) {
        if self.finished {
            return;
        }
        let path = self.path(datagram.to, datagram.from);
        if classify(&datagram.bytes) == Some(Kind::Stun) {
            let ours = |ufrag| self.ufrags.iter().any(|known| known == ufrag);
            if addressed_ufrag(&datagram.bytes).is_some_and(ours) {
                self.resident.peer.handle_stun(now, path, &datagram.bytes);
            }
        } else if self.resident.peer.knows(&path) {
            self.resident
                .peer
                .handle_datagram(now, path, &datagram.bytes);
        }
        self.drive(now);
    }

    pub fn path(&self, local: SocketAddr, remote: SocketAddr) -> FourTuple {
        FourTuple {
            transport: self.transport,
            local,
            remote,
        }
    }

    /// Closes, as the session does when it ends.
    pub fn close(&mut self, now: Instant) {
        self.resident.peer.close(now);
        self.drive(now);
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.finished {
            return None;
        }
        self.resident.peer.poll_timeout()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        self.router.sweep(now);
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.resident.peer.handle_timeout(now);
            self.drive(now);
        }
    }

    pub fn poll_transmit(&mut self) -> Option<Datagram> {
        if self.outgoing.is_empty() {
            let transmit = self.resident.peer.poll_transmit()?;
            let datagrams = transmit.datagrams().map(|datagram| Datagram {
                from: transmit.path.local,
                to: transmit.path.remote,
                bytes: datagram.to_vec(),
            });
            self.outgoing.extend(datagrams);
        }
        self.outgoing.pop_front()
    }

    /// Lets what was given out go where a shard lets it go.
    fn drive(&mut self, now: Instant) {
        self.pass_on(now);
        let mut itself = Itself(now, &mut self.resident.peer);
        self.router.deliver(now, &mut itself);
        self.pass_on(now);
        while let Some(wish) = self.router.take_wish() {
            match wish {
                Wish::Here(source, _) => self.resident.peer.request_keyframe(now, source.section),
                Wish::Elsewhere { .. } => {}
            }
        }
        self.resident.peer.send_feedback(now);
        self.finished |= self.resident.peer.is_finished();
    }

    fn pass_on(&mut self, now: Instant) {
        while let Some(output) = self.resident.peer.poll_output() {
            match &output {
                PeerOutput::State(state) => self.states.push((now, state.clone())),
                PeerOutput::Media(_) | PeerOutput::Data { .. } => self.given_out += 1,
                PeerOutput::KeyframeWanted { .. } => self.wishes.push(now),
                PeerOutput::Wanted { .. }
                | PeerOutput::Began { .. }
                | PeerOutput::ChannelOpened { .. }
                | PeerOutput::ChannelClosed { .. } => {}
            }
            let router = &mut self.router;
            self.resident
                .pass_on(now, output, router, (), &mut |_| Ok(()));
        }
    }

    pub fn is_connected(&self) -> bool {
        let state = self.resident.peer.state();
        (state.ice, state.dtls) == (IceState::Connected, DtlsState::Connected)
    }

    /// Why the newest state is not good news.
    pub fn reason(&self) -> String {
        self.resident.peer.state().reason.unwrap_or_default()
    }
}

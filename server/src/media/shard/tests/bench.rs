//! What the tests of cores share: surroundings that are lists, peers that have an answer, and checks.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::stun::attributes::{
    ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE, ATTR_USERNAME, RawAttribute,
};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_REQUEST, Message, Setter, TransactionId};

use crate::behaviour::Echo;
use crate::media::event::PeerEvent;
use crate::media::id::PeerId;
use crate::media::net::demux::{Kind, classify};
use crate::media::net::outbox::Transmit;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::plan::Agreement;
use crate::media::sdp::{self, Local};
use crate::media::shard::command::Command;
use crate::media::shard::core::ShardCore;
use crate::media::shard::directory::Directory;
use crate::media::shard::outlet::Outlet;
use crate::media::shard::resident::Resident;
use crate::media::shard::resident::tests::resident;
use crate::media::transport::ice::Credentials;
use crate::media::{Behaviour, IceConnectionState};

pub(super) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:them\r\na=ice-pwd:theirpasswordtheirpassword\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n";

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A core's surroundings: what it gave out, in lists.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) sent: Vec<(FourTuple, BytesMut)>,
    pub(super) commands: Vec<(usize, Command)>,
    pub(super) told: HashMap<PeerId, Vec<PeerEvent>>,
    /// Peers whose sessions were told that there is nothing more to hear.
    pub(super) ended: HashSet<PeerId>,
    /// Peers whose sessions have left.
    pub(super) deserted: HashSet<PeerId>,
    /// Other shards have no room.
    pub(super) is_full: bool,
}

impl Lists {
    /// What a session was told since the last time.
    pub(super) fn told(&mut self, id: PeerId) -> Vec<(IceConnectionState, Option<String>)> {
        let events = self.told.remove(&id).unwrap_or_default().into_iter();
        events
            .filter_map(|event| match event {
                PeerEvent::State { ice, reason, .. } => Some((ice, reason)),
                PeerEvent::Channel(_)
                | PeerEvent::Voice { .. }
                | PeerEvent::Messages(_)
                | PeerEvent::Sent
                | PeerEvent::Candidates
                | PeerEvent::Evidence(_)
                | PeerEvent::Paused(_)
                | PeerEvent::Watched(_)
                | PeerEvent::Quality(_) => None,
            })
            .collect()
    }
}

impl Outlet for Lists {
    fn send_udp(&mut self, transmit: Transmit) {
        // Our checks and what begins a handshake are no answers to anybody.
        let datagrams = transmit.datagrams();
        let answers = datagrams.filter(|datagram| classify(datagram) == Some(Kind::StunResponse));
        let answers = answers.map(|datagram| (transmit.path, datagram.into()));
        self.sent.extend(answers);
    }

    fn has_connection(&self, _: &FourTuple) -> bool {
        false
    }

    fn send_tcp(&mut self, _: Instant, _: &FourTuple, _: BytesMut, _: Option<Instant>) -> bool {
        false
    }

    fn introduce(&mut self, _: Instant, _: &FourTuple) {}

    fn dismiss(&mut self, _: Instant, _: &FourTuple) {}

    fn relay(&mut self, _: usize, _: FourTuple, _: BytesMut) {}

    fn command(&mut self, shard: usize, command: Command) -> Result<(), Command> {
        if self.is_full {
            return Err(command);
        }
        self.commands.push((shard, command));
        Ok(())
    }

    fn tell(&mut self, id: PeerId, event: PeerEvent) -> Result<(), PeerEvent> {
        self.told.entry(id).or_default().push(event);
        Ok(())
    }

    fn listens(&self, id: PeerId) -> bool {
        !self.deserted.contains(&id)
    }

    fn forget(&mut self, id: PeerId) {
        assert!(self.ended.insert(id), "a peer ends once");
    }
}

/// The first of some shards; the test is the others.
pub(super) struct Bench {
    pub(super) core: ShardCore,
    pub(super) out: Lists,
    pub(super) directory: Arc<Directory>,
    pub(super) now: Instant,
    next: u64,
}

impl Bench {
    pub(super) fn new() -> Self {
        let (now, directory) = (Instant::now(), Arc::<Directory>::default());
        Self {
            core: ShardCore::new(now, 0, 2, directory.clone()),
            out: Lists::default(),
            directory,
            now,
            next: 0,
        }
    }

    /// A peer of this shard whose offer was answered.
    pub(super) fn call(&mut self) -> (PeerId, String) {
        self.call_with(Box::new(Echo))
    }

    pub(super) fn call_with(&mut self, behaviour: Box<dyn Behaviour>) -> (PeerId, String) {
        let (resident, ufrag) = self.call_on(0, behaviour);
        let id = resident.id;
        let paths = Vec::new();
        self.command(Command::Adopt { resident, paths });
        (id, ufrag)
    }

    /// A peer whose offer was answered, and that nobody has heard of.
    pub(super) fn call_only(&mut self) -> (PeerId, String) {
        let (resident, ufrag) = self.call_on(0, Box::new(Echo));
        let id = resident.id;
        self.directory.put_back(resident);
        (id, ufrag)
    }

    /// A peer that is on its way to a shard.
    pub(super) fn call_on(
        &mut self,
        shard: usize,
        behaviour: Box<dyn Behaviour>,
    ) -> (Box<Resident>, String) {
        self.next += 1;
        let (id, ufrag) = (PeerId(self.next), format!("ours{}", self.next));
        let mut resident = resident(self.now, id, &ufrag, behaviour);
        let answer = sdp::answer(OFFER, &local(&ufrag), None, &mut || 7).unwrap();
        resident.peer.agree(self.now, answer.agreed, None);
        self.directory.insert(resident);
        let resident = self.directory.claim(id, shard).unwrap();
        (resident, ufrag)
    }

    /// What is agreed on where the other end has this name, and ours is that.
    pub(super) fn agree(&mut self, id: PeerId, number: u64, theirs: &str, ours: &str) {
        let offer = OFFER.replace("ufrag:them", &format!("ufrag:{theirs}"));
        let answer = sdp::answer(&offer, &local(ours), None, &mut || 7).unwrap();
        let agreement = Agreement {
            number,
            agreed: Arc::new(answer.agreed),
            local: Credentials {
                ufrag: ours.to_owned(),
                pwd: "ourpasswordourpassword".to_owned(),
            },
        };
        self.command(Command::Agree { id, agreement });
    }

    /// The names of a peer's two ends.
    pub(super) fn names(&self, id: PeerId) -> (String, String) {
        let place = self.core.peers.get(self.core.peers.key(id).unwrap());
        let peer = &place.unwrap().resident.peer;
        let theirs = peer.agreed().unwrap().ice_ufrag.clone();
        (theirs, peer.local_ufrag().to_owned())
    }

    pub(super) fn command(&mut self, command: Command) {
        self.core.handle_command(self.now, command, &mut self.out);
    }

    pub(super) fn receive(&mut self, number: u32, datagram: &[u8]) {
        let datagrams = [(path(number), datagram)];
        (self.core).handle_datagrams(self.now, datagrams, &mut self.out);
    }

    pub(super) fn check(&mut self, ufrag: &str, number: u32) {
        self.receive(number, &check(ufrag));
    }

    /// The same check, that landed on another shard.
    pub(super) fn check_on(&mut self, shard: usize, ufrag: &str, number: u32) {
        self.command(Command::Landed {
            on: shard,
            path: path(number),
            datagram: check(ufrag),
        });
    }

    pub(super) fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += SECOND / 4;
            self.core.handle_timeout(self.now, &mut self.out);
        }
    }
}

pub(super) fn local(ufrag: &str) -> Local {
    Local {
        ice_ufrag: ufrag.to_owned(),
        ice_pwd: "ourpasswordourpassword".to_owned(),
        fingerprint: [1; 32],
        candidates: Vec::new(),
        trickles: false,
        session_id: 1,
        max_message_size: 65_536,
        cname: "test".to_owned(),
        streams: HashMap::new(),
    }
}

/// A path for every number.
pub(super) fn path(number: u32) -> FourTuple {
    let ip = Ipv4Addr::from(0x0A00_0000 | number >> 12);
    FourTuple {
        transport: Transport::Udp,
        local: SocketAddr::from(([127, 0, 0, 1], 3478)),
        remote: SocketAddr::from((ip, 1024 + (number & 0xFFF) as u16)),
    }
}

/// A check that nominates its path.
pub(super) fn check(ufrag: &str) -> Vec<u8> {
    let provider = rtc::crypto::default_provider().unwrap();
    let attribute = |typ, value: &[u8]| RawAttribute {
        typ,
        length: value.len() as u16,
        value: value.to_vec(),
    };
    let setters: Vec<Box<dyn Setter>> = vec![
        Box::new(TransactionId::new()),
        Box::new(BINDING_REQUEST),
        Box::new(attribute(ATTR_USERNAME, format!("{ufrag}:them").as_bytes())),
        Box::new(attribute(ATTR_ICE_CONTROLLING, &[1; 8])),
        Box::new(attribute(ATTR_USE_CANDIDATE, &[])),
        Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
            "ourpasswordourpassword".to_owned(),
            provider.crypto(),
        )),
        Box::new(FINGERPRINT),
    ];
    let mut request = Message::new();
    request.build(&setters).unwrap();
    request.raw
}

//! A shard's tables in virtual time, without its thread: what they hold goes when its reason goes.

use std::net::{Ipv4Addr, SocketAddr};

use rtc::stun::attributes::{
    ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE, ATTR_USERNAME, RawAttribute,
};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_REQUEST, Setter, TransactionId};
use tokio::sync::mpsc;

use super::moves::MAX_ELSEWHERE;
use super::*;
use crate::behaviour::Echo;
use crate::media::sdp::{self, Local};
use crate::media::shard::resident::tests::resident;
use crate::media::transport::dtls::HANDSHAKE_TIMEOUT;
use crate::media::transport::ice::{CONSENT_EXPIRES_AFTER, MAX_PAIRS, RESTART_WITHIN};
use crate::media::{Behaviour, IceConnectionState, Peer, PeerEvent, PeerOutput};

const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:them\r\na=ice-pwd:theirpasswordtheirpassword\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n";

const SECOND: Duration = Duration::from_secs(1);

/// The first of two shards; the test is the second.
struct Bench {
    shard: Shard,
    directory: Arc<Directory>,
    now: Instant,
    _mailboxes: Vec<mailbox::Inbox>,
    next: u64,
}

impl Bench {
    fn new() -> Self {
        let poll = Poll::new().unwrap();
        let waker = || Waker::new(Poll::new().unwrap().registry(), MAILBOX_TOKEN).unwrap();
        let (senders, receivers) = (0..2).map(|_| mailbox::new(waker())).unzip();
        let directory = Arc::new(Directory::new(senders));
        let registry = poll.registry().try_clone().unwrap();
        let tcp = Tcp::new(Vec::new(), registry).unwrap();
        let shard = Shard::new(0, directory.clone(), Arc::default(), Vec::new(), tcp);
        Self {
            shard,
            directory,
            now: Instant::now(),
            _mailboxes: receivers,
            next: 0,
        }
    }

    /// A peer whose offer was answered, and which nobody has claimed.
    fn call(&mut self) -> (PeerId, String, mpsc::Receiver<PeerEvent>) {
        self.call_with(Box::new(Echo))
    }

    fn call_with(
        &mut self,
        behaviour: Box<dyn Behaviour>,
    ) -> (PeerId, String, mpsc::Receiver<PeerEvent>) {
        self.next += 1;
        let (id, ufrag) = (PeerId(self.next), format!("ours{}", self.next));
        let (mut resident, events) = resident(id, &ufrag, behaviour);
        let local = Local {
            ice_ufrag: ufrag.clone(),
            ice_pwd: "ourpasswordourpassword".to_owned(),
            fingerprint: [1; 32],
            candidates: Vec::new(),
            session_id: 1,
            max_message_size: 65_536,
            cname: "test".to_owned(),
        };
        let answer = sdp::answer(OFFER, &local, None, &mut || 7).unwrap();
        resident.peer.set_session(self.now, answer.session, None);
        self.directory.insert(id, resident);
        self.directory.register(&ufrag, id);
        (id, ufrag, events)
    }

    fn check(&mut self, ufrag: &str, port: u32) {
        let datagram = check(ufrag);
        self.shard.handle_datagram(self.now, path(port), &datagram);
        self.shard.settle_touched(self.now);
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += SECOND / 4;
            self.shard.run_timers(self.now);
        }
    }
}

/// A path for every number.
fn path(number: u32) -> FourTuple {
    let ip = Ipv4Addr::from(0x0A00_0000 | number >> 12);
    FourTuple {
        transport: Transport::Udp,
        local: SocketAddr::from(([127, 0, 0, 1], 3478)),
        remote: SocketAddr::from((ip, 1024 + (number & 0xFFF) as u16)),
    }
}

fn check(ufrag: &str) -> Vec<u8> {
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

#[test]
fn a_peer_that_checks_from_everywhere_has_few_paths_and_leaves_none() {
    let mut bench = Bench::new();
    let (id, ufrag, events) = bench.call();
    for port in 0..1000 {
        bench.check(&ufrag, port);
        assert!(bench.shard.by_path.len() <= 2 * MAX_PAIRS, "{port}");
    }
    let here = (bench.shard.by_path.values()).filter(|owner| **owner == Owner::Here(id));
    assert_eq!(here.count(), bench.shard.by_path.len());
    drop(events);
    bench.run_for(2 * SECOND);
    assert!(bench.shard.by_path.is_empty() && bench.directory.is_empty());
}

#[test]
fn paths_of_other_shards_peers_are_bounded_and_forgotten() {
    let mut bench = Bench::new();
    let (_, ufrag, _events) = bench.call();
    assert!(bench.directory.find(&ufrag, 1).is_some());
    let datagram = check(&ufrag);
    for number in 0..MAX_ELSEWHERE as u32 + 1000 {
        let path = path(number);
        bench.shard.handle_datagram(bench.now, path, &datagram);
    }
    assert_eq!(bench.shard.by_path.len(), MAX_ELSEWHERE);
    bench.run_for(ELSEWHERE_FOR + 2 * SECOND);
    assert!(bench.shard.by_path.is_empty());
}

#[test]
fn a_check_for_another_shards_peer_does_not_take_a_path_from_one_of_this_shard() {
    let mut bench = Bench::new();
    let (id, ufrag, _events) = bench.call();
    bench.check(&ufrag, 7);
    let (_, other, _others_events) = bench.call();
    assert!(bench.directory.find(&other, 1).is_some());
    bench.check(&other, 7);
    assert!(bench.shard.by_path.get(&path(7)) == Some(&Owner::Here(id)));
}

#[test]
fn peers_that_come_and_go_leave_no_timers() {
    let mut bench = Bench::new();
    for _ in 0..2000 {
        let (id, ufrag, _events) = bench.call();
        bench.check(&ufrag, 7);
        bench.shard.handle_command(bench.now, Command::Close { id });
    }
    assert!(bench.directory.is_empty());
    bench.run_for(2 * SECOND);
    assert!(
        bench.shard.timers.len() < 10,
        "{}",
        bench.shard.timers.len()
    );
}

#[test]
fn a_peer_whose_shard_forgot_it_on_its_way_there_is_not_taken_in() {
    let mut bench = Bench::new();
    let (id, ufrag, mut events) = bench.call();
    let Some(Found::Claimed(resident)) = bench.directory.find(&ufrag, 0) else {
        panic!("a pending peer is claimed");
    };
    bench.directory.remove(id);
    let paths = vec![path(7)];
    bench
        .shard
        .handle_command(bench.now, Command::Adopt { resident, paths });
    assert!(bench.shard.peers.is_empty() && bench.shard.by_path.is_empty());
    while events.try_recv().is_ok() {}
    assert!(events.is_closed(), "its session is not told");
}

/// What a session is told, to the end.
fn told(events: &mut mpsc::Receiver<PeerEvent>) -> Vec<IceConnectionState> {
    let mut told = Vec::new();
    while let Ok(PeerEvent::State { ice, .. }) = events.try_recv() {
        told.push(ice);
    }
    told
}

#[test]
fn a_peer_that_is_never_heard_of_is_removed_once_it_could_have_restarted() {
    let mut bench = Bench::new();
    let (_, _, mut events) = bench.call();
    bench.run_for(CONSENT_EXPIRES_AFTER + RESTART_WITHIN - 2 * SECOND);
    assert_eq!(bench.directory.len(), 1);
    assert_eq!(told(&mut events).pop(), Some(IceConnectionState::Failed));
    bench.run_for(5 * SECOND);
    assert_eq!(bench.directory.len(), 0);
    told(&mut events);
    assert!(events.is_closed(), "its session is not told");
}

#[test]
fn a_peer_that_never_begins_its_handshake_is_removed() {
    let mut bench = Bench::new();
    let (_, ufrag, mut events) = bench.call();
    for _ in 0..HANDSHAKE_TIMEOUT.as_secs() - 2 {
        bench.check(&ufrag, 7);
        bench.run_for(SECOND);
    }
    assert_eq!(bench.directory.len(), 1);
    bench.run_for(5 * SECOND);
    assert_eq!(bench.directory.len(), 0);
    assert!(bench.shard.peers.is_empty() && bench.shard.by_path.is_empty());
    assert!(bench.shard.timers.is_empty());
    told(&mut events);
    assert!(events.is_closed(), "its session is not told");
}

#[test]
fn what_keeps_a_handshake_is_told_once_it_takes_long() {
    let mut bench = Bench::new();
    let (_, ufrag, mut events) = bench.call();
    let mut after = |span| {
        bench.check(&ufrag, 7);
        bench.run_for(span);
        std::iter::from_fn(|| events.try_recv().ok())
            .map(|PeerEvent::State { ice, reason, .. }| (ice, reason.is_some()))
            .collect::<Vec<_>>()
    };
    let connected = IceConnectionState::Connected;
    assert_eq!(after(SECOND), [(connected, false)]);
    assert_eq!(after(2 * SECOND), [(connected, true)]);
    assert_eq!(after(3 * SECOND), []);
}

/// Stands for a bug: panics at the first sign of life of its peer.
struct Broken;

impl Behaviour for Broken {
    fn handle(&mut self, _: Instant, _: &mut Peer, output: PeerOutput) {
        panic!("on purpose, at {output:?}");
    }
}

#[test]
fn a_peer_nobody_heard_of_that_panics_is_named_and_does_not_do_it_again() {
    let mut bench = Bench::new();
    let (id, _, mut events) = bench.call_with(Box::new(Broken));
    let (other, _, _events) = bench.call();
    let turns = AssertUnwindSafe(|| bench.run_for(CONSENT_EXPIRES_AFTER + 2 * SECOND));
    assert!(catch_unwind(turns).is_err());
    let activity = "looking after a peer that nobody heard of";
    assert_eq!(bench.shard.busy, Some((id, activity)));
    bench.shard.start_over();
    while events.try_recv().is_ok() {}
    assert!(events.is_closed());
    // The other had nothing to do with it, and has its time.
    bench.run_for(10 * SECOND);
    assert!(bench.directory.session_of_pending(other).is_some());
}

#[test]
fn nobody_is_blamed_for_what_comes_after_it() {
    let mut bench = Bench::new();
    let (id, ufrag, _events) = bench.call();
    bench.check(&ufrag, 7);
    assert_eq!(bench.shard.busy, None);
    bench.run_for(3 * SECOND);
    assert_eq!(bench.shard.busy, None);
    bench.shard.handle_command(bench.now, Command::Close { id });
    assert_eq!(bench.shard.busy, None);
}

//! A peer's checks come over paths that the kernel spreads over all shards: each is answered, and
//! the peer goes to live on the shard of the path that is nominated.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ferrite_server::behaviour::Echo;
use ferrite_server::media::net::demux::{Kind, classify};
use ferrite_server::media::transport::ice::MAX_PAIRS;
use ferrite_server::media::{
    Behaviour, MediaConfig, MediaPlane, Peer, PeerEvent, PeerHandle, PeerOptions, PeerOutput,
};
use rtc::stun::attributes::{
    ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType, RawAttribute,
};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, MessageType, Setter, TransactionId,
};
use tokio::sync::mpsc;

const OFFER: &str = "v=0\r\n\
    o=- 1 1 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:them\r\n\
    a=ice-pwd:theirpasswordtheirpassword\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=setup:actpass\r\n\
    a=mid:0\r\n\
    a=sctp-port:5000\r\n";

/// Only a failure takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

struct Caller {
    plane: MediaPlane,
    _handle: PeerHandle,
    events: mpsc::Receiver<PeerEvent>,
    ufrag: String,
    pwd: String,
}

impl Caller {
    fn call(shards: usize) -> Self {
        let plane = plane(shards);
        Self::call_on(&plane, Box::new(Echo))
    }

    fn call_on(plane: &MediaPlane, behaviour: Box<dyn Behaviour>) -> Self {
        let plane = plane.clone();
        let (handle, events) = plane.create_peer(PeerOptions {
            session: "test".into(),
            loopback: true,
            behaviour,
            trace: None,
        });
        let answered = handle.offer(OFFER, &HashMap::new(), |_| Arc::default());
        let answer = answered.unwrap().sdp;
        let attribute = |name: &str| {
            let mut lines = answer.lines();
            let value = lines.find_map(|line| line.strip_prefix(&format!("a={name}:")));
            value.unwrap().to_owned()
        };
        Self {
            ufrag: attribute("ice-ufrag"),
            pwd: attribute("ice-pwd"),
            plane,
            _handle: handle,
            events,
        }
    }

    fn request(&self, pwd: &str, nominate: bool) -> Message {
        self.request_with(pwd, nominate, 0)
    }

    /// A check with so many bytes more in an attribute that nobody has to understand.
    fn request_with(&self, pwd: &str, nominate: bool, more: usize) -> Message {
        let provider = rtc::crypto::default_provider().unwrap();
        let attribute = |typ, value: &[u8]| RawAttribute {
            typ,
            length: value.len() as u16,
            value: value.to_vec(),
        };
        let username = format!("{}:them", self.ufrag);
        let mut setters: Vec<Box<dyn Setter>> = vec![
            Box::new(TransactionId::new()),
            Box::new(BINDING_REQUEST),
            Box::new(attribute(ATTR_USERNAME, username.as_bytes())),
            Box::new(attribute(ATTR_ICE_CONTROLLING, &[1; 8])),
        ];
        if more > 0 {
            setters.push(Box::new(attribute(AttrType(0xFF00), &vec![0; more])));
        }
        if nominate {
            setters.push(Box::new(attribute(ATTR_USE_CANDIDATE, &[])));
        }
        setters.push(Box::new(
            MessageIntegrity::new_short_term_integrity_with_provider(
                pwd.to_owned(),
                provider.crypto(),
            ),
        ));
        setters.push(Box::new(FINGERPRINT));
        let mut request = Message::new();
        request.build(&setters).unwrap();
        request
    }

    /// Sends a check and gives the response's type.
    fn check(&self, socket: &UdpSocket, pwd: &str, nominate: bool) -> MessageType {
        let request = self.request(pwd, nominate);
        let server = ("127.0.0.1", self.plane.port());
        socket.send_to(&request.raw, server).unwrap();
        let mut buffer = [0; 1500];
        let (len, from) = answer(socket, &mut buffer);
        assert_eq!(from.port(), self.plane.port());
        response_type(&request, &buffer[..len])
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.plane.port())).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The same over TCP, framed (RFC 4571).
    fn check_tcp(&self, stream: &mut TcpStream, pwd: &str, nominate: bool) -> MessageType {
        let request = self.request(pwd, nominate);
        let length = (request.raw.len() as u16).to_be_bytes();
        stream.write_all(&length).unwrap();
        stream.write_all(&request.raw).unwrap();
        loop {
            let mut length = [0; 2];
            stream
                .read_exact(&mut length)
                .expect("the check is answered");
            let mut response = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut response).unwrap();
            if is_answer(&response) {
                return response_type(&request, &response);
            }
        }
    }
}

fn plane(shards: usize) -> MediaPlane {
    MediaPlane::start(MediaConfig {
        shards,
        ..MediaConfig::default()
    })
    .unwrap()
}

/// What is neither a check of the server's nor of the handshake that it begins.
fn is_answer(datagram: &[u8]) -> bool {
    !matches!(classify(datagram), Some(Kind::Stun | Kind::Dtls))
}

/// What the server answers.
fn answer(socket: &UdpSocket, buffer: &mut [u8]) -> (usize, SocketAddr) {
    loop {
        let (len, from) = socket.recv_from(buffer).expect("the check is answered");
        if is_answer(&buffer[..len]) {
            return (len, from);
        }
    }
}

fn response_type(request: &Message, response: &[u8]) -> MessageType {
    let mut message = Message::new();
    message.unmarshal_binary(response).unwrap();
    assert_eq!(message.transaction_id, request.transaction_id);
    message.typ
}

fn socket() -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_are_answered_whichever_shard_they_land_on() {
    let mut caller = Caller::call(4);
    let sockets: Vec<_> = (0..24).map(|_| socket()).collect();
    for socket in &sockets {
        let pwd = caller.pwd.clone();
        assert_eq!(caller.check(socket, &pwd, false), BINDING_SUCCESS);
    }
    // Each nomination moves the peer, over and over; no check goes unanswered on the way.
    for socket in sockets.iter().chain(&sockets) {
        let pwd = caller.pwd.clone();
        assert_eq!(caller.check(socket, &pwd, true), BINDING_SUCCESS);
    }
    assert_eq!(caller.plane.peers(), 1);
    assert!(matches!(
        caller.events.recv().await,
        Some(PeerEvent::State { .. })
    ));
    caller.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_refused_and_moves_nothing() {
    let caller = Caller::call(4);
    let good = socket();
    let pwd = caller.pwd.clone();
    assert_eq!(caller.check(&good, &pwd, true), BINDING_SUCCESS);
    for _ in 0..8 {
        assert_eq!(caller.check(&socket(), "wrong", true), BINDING_ERROR);
    }
    assert_eq!(caller.check(&good, &pwd, true), BINDING_SUCCESS);
    caller.plane.shutdown().await;
}

/// A wrong password is answered (RFC 8445 §7.3, RFC 8489 §9.1.3), with no more than was asked:
/// whoever forges a source address cannot have us flood it.
#[tokio::test(flavor = "multi_thread")]
async fn answers_to_wrong_passwords_are_not_longer_than_the_question() {
    let caller = Caller::call(1);
    let server = ("127.0.0.1", caller.plane.port());
    let socket = socket();
    let mut buffer = [0; 1500];
    for _ in 0..1000 {
        let request = caller.request("wrong", true);
        socket.send_to(&request.raw, server).unwrap();
        let (len, _) = answer(&socket, &mut buffer);
        assert_eq!(response_type(&request, &buffer[..len]), BINDING_ERROR);
        assert!(len <= request.raw.len(), "{len}");
    }
    let pwd = caller.pwd.clone();
    assert_eq!(caller.check(&socket, &pwd, true), BINDING_SUCCESS);
    caller.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_longer_than_any_of_webrtcs_are_not_looked_at() {
    let caller = Caller::call(1);
    let server = ("127.0.0.1", caller.plane.port());
    let socket = socket();
    let mut buffer = [0; 1500];
    // What an attribute takes besides its value, and a request besides this one.
    let rest = caller.request(&caller.pwd, false).raw.len() + 4;
    let long = |len| caller.request_with(&caller.pwd, false, len - rest);
    let [short, longest, too_long] = [200, 2048, 2052].map(long);
    assert_eq!((longest.raw.len(), too_long.raw.len()), (2048, 2052));
    for _ in 0..100 {
        socket.send_to(&too_long.raw, server).unwrap();
    }
    // What comes back first is the answer to these.
    for request in [&short, &longest] {
        socket.send_to(&request.raw, server).unwrap();
        let (len, _) = answer(&socket, &mut buffer);
        assert_eq!(response_type(request, &buffer[..len]), BINDING_SUCCESS);
    }
    caller.plane.shutdown().await;
}

/// A datagram with a piece of a ClientHello, as long as datagrams get (RFC 6347 §4.1, §4.2.2).
fn client_hello(number: u32) -> Vec<u8> {
    let mut datagram = vec![22, 254, 253, 0, 0, 0, 0];
    datagram.extend(number.to_be_bytes());
    datagram.extend(1212_u16.to_be_bytes());
    let offset = &(number % 1000).to_be_bytes()[1..];
    datagram.extend([&[1, 1, 0, 0, 0, 0], offset, &[0, 0x04, 0xB0]].concat());
    datagram.resize(datagram.len() + 1200, 7);
    datagram
}

/// Twenty peers that never finish their handshakes, and 10,000 datagrams of ClientHello. What each of
/// them costs is counted in virtual time.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_client_hellos_keeps_nobody_from_being_answered() {
    const FLOOD: u32 = 50;
    let honest = Caller::call(1);
    let own = socket();
    let mut hostile = Vec::new();
    for _ in 0..20 {
        let caller = Caller::call_on(&honest.plane, Box::new(Echo));
        let socket = socket();
        assert_eq!(caller.check(&socket, &caller.pwd, true), BINDING_SUCCESS);
        socket.connect(("127.0.0.1", honest.plane.port())).unwrap();
        hostile.push((caller, socket));
    }
    for round in 0..200 {
        let (_, socket) = &hostile[round as usize % hostile.len()];
        for n in 0..FLOOD {
            socket.send(&client_hello(round * FLOOD + n)).unwrap();
        }
        // What is sent before the check is handled before it.
        assert_eq!(honest.check(&own, &honest.pwd, true), BINDING_SUCCESS);
    }
    assert_eq!(honest.plane.peers(), 21);
    let plane = honest.plane.clone();
    drop((honest, hostile));
    plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_get_no_answer_and_harm_nobody() {
    let caller = Caller::call(1);
    let server = ("127.0.0.1", caller.plane.port());
    let pwd = caller.pwd.clone();
    let (good, stranger) = (socket(), socket());
    assert_eq!(caller.check(&good, &pwd, true), BINDING_SUCCESS);
    let of_nobody = Caller {
        ufrag: "nobody".to_owned(),
        ..Caller::call_on(&caller.plane, Box::new(Echo))
    };
    let mut response = caller.request(&pwd, true);
    response.raw[0] = 1;
    let mut datagrams = vec![
        of_nobody.request(&pwd, true).raw,
        response.raw,
        caller.request(&pwd, true).raw[..30].to_vec(),
        Vec::new(),
    ];
    // The rest of what may begin a datagram (RFC 7983): DTLS, TURN, RTP, RTCP, and none of them.
    let firsts = [0, 19, 20, 22, 63, 64, 79, 128, 191, 255];
    datagrams.extend(firsts.map(|first| vec![first; 1200]));
    datagrams.push([&[0x81, 201], &[0; 100][..]].concat());
    for _ in 0..200 {
        for datagram in &datagrams {
            stranger.send_to(datagram, server).unwrap();
        }
    }
    // What comes back first is the answer to this.
    assert_eq!(caller.check(&stranger, &pwd, false), BINDING_SUCCESS);
    assert_eq!(caller.check(&good, &pwd, true), BINDING_SUCCESS);
    assert_eq!(caller.plane.peers(), 2);
    caller.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_peer_leaves_nothing_behind() {
    let caller = Caller::call(2);
    let Caller {
        plane,
        _handle: handle,
        mut events,
        ..
    } = caller;
    assert_eq!(plane.peers(), 1);
    drop(handle);
    while events.recv().await.is_some() {}
    assert_eq!(plane.peers(), 0);
    plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_without_number_are_not_remembered() {
    let caller = Caller::call(1);
    let pwd = caller.pwd.clone();
    for _ in 0..200 {
        assert_eq!(caller.check(&socket(), &pwd, true), BINDING_SUCCESS);
    }
    let held = caller.plane.holdings().await;
    assert_eq!((held.peers, held.housed), (1, 1));
    assert!(held.paths <= 2 * MAX_PAIRS, "{held:?}");
    caller.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_goes_with_its_peer() {
    let caller = Caller::call(2);
    let pwd = caller.pwd.clone();
    let mut stream = caller.connect();
    assert_eq!(caller.check_tcp(&mut stream, &pwd, true), BINDING_SUCCESS);
    assert_eq!(caller.plane.holdings().await.connections, 1);
    let Caller { plane, _handle, .. } = caller;
    drop(_handle);
    // The far end says nothing and closes nothing. What came before is the handshake that the server begins.
    while stream.read(&mut [0; 2048]).unwrap() > 0 {}
    let left = plane.holdings().await;
    assert_eq!((left.connections, left.paths, left.ufrags), (0, 0, 0));
    plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_over_tcp_are_answered_on_the_same_port() {
    let caller = Caller::call(4);
    let pwd = caller.pwd.clone();
    let udp = socket();
    let mut streams: Vec<_> = (0..12).map(|_| caller.connect()).collect();
    for stream in &mut streams {
        assert_eq!(caller.check_tcp(stream, &pwd, false), BINDING_SUCCESS);
    }
    // From UDP to each connection and back again, whichever shard has it.
    for stream in &mut streams {
        assert_eq!(caller.check_tcp(stream, &pwd, true), BINDING_SUCCESS);
        assert_eq!(caller.check(&udp, &pwd, true), BINDING_SUCCESS);
    }
    assert_eq!(caller.plane.peers(), 1);
    caller.plane.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_not_framed_is_closed_and_harms_nobody() {
    let caller = Caller::call(2);
    let pwd = caller.pwd.clone();
    let mut good = caller.connect();
    assert_eq!(caller.check_tcp(&mut good, &pwd, true), BINDING_SUCCESS);
    let mut bad = caller.connect();
    bad.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // Closed, or reset with what was not read.
    assert!(matches!(bad.read(&mut [0; 16]), Ok(0) | Err(_)));
    assert_eq!(caller.check_tcp(&mut good, "wrong", true), BINDING_ERROR);
    assert_eq!(caller.check_tcp(&mut good, &pwd, true), BINDING_SUCCESS);
    caller.plane.shutdown().await;
}

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Stands for a bug: panics at the first sign of life of its peer.
struct Broken;

impl Behaviour for Broken {
    fn handle(&mut self, _: Instant, _: &mut Peer, output: PeerOutput) {
        panic!("on purpose, at {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_ends_its_peer_and_the_shard_goes_on() {
    let log = Log::default();
    let lines = log.clone();
    tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || lines.clone())
        .init();
    let plane = plane(1);
    let other = Caller::call_on(&plane, Box::new(Echo));
    let mut stream = other.connect();
    let pwd = other.pwd.clone();
    assert_eq!(other.check_tcp(&mut stream, &pwd, true), BINDING_SUCCESS);
    let mut broken = Caller::call_on(&plane, Box::new(Broken));
    let request = broken.request(&broken.pwd, true);
    let caller = socket();
    caller
        .send_to(&request.raw, ("127.0.0.1", plane.port()))
        .unwrap();
    while broken.events.recv().await.is_some() {}
    assert_eq!(plane.peers(), 1);
    // Whose packets it had in hand.
    let said = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let said = said.lines().find(|line| line.contains("panicked"));
    let said = said.unwrap();
    for part in ["ERROR", "shard=0", "session=test"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    assert_eq!(other.check_tcp(&mut stream, &pwd, true), BINDING_SUCCESS);
    assert_eq!(other.check(&socket(), &pwd, true), BINDING_SUCCESS);
    plane.shutdown().await;
}

/// Stands for a worse bug: never comes back.
struct Stuck;

impl Behaviour for Stuck {
    fn handle(&mut self, _: Instant, _: &mut Peer, _: PeerOutput) {
        loop {
            std::thread::park();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_hangs_does_not_keep_the_server_from_ending() {
    let plane = plane(1);
    let stuck = Caller::call_on(&plane, Box::new(Stuck));
    let request = stuck.request(&stuck.pwd, true);
    let caller = socket();
    let server = ("127.0.0.1", plane.port());
    caller.send_to(&request.raw, server).unwrap();
    let began = Instant::now();
    plane.shutdown().await;
    assert!(began.elapsed() < PATIENCE);
}

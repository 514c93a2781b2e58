//! Relays of TCP (RFC 6062) on real sockets: what connections that are joined carry, how they end, and who gets none.
// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use ferrite_server::config::{MadeCertificate, TcpRelays};
use ferrite_server::media::net::stun::attribute::{
    CONNECTION_ID, ERROR_CODE, LIFETIME, NONCE, REALM, REQUESTED_TRANSPORT, USERNAME,
    XOR_PEER_ADDRESS, XOR_RELAYED_ADDRESS, read_address,
};
use ferrite_server::media::net::stun::integrity::md5_key;
use ferrite_server::media::net::stun::{Message, Method, TransactionId, Writer};
use ferrite_server::turn::credentials::{self, SharedSecret, time_limited};
use ferrite_server::{Config, Server};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::support::tls::connect;
use crate::support::{PATIENCE, start, with};

mod support;

const SECRET: &str = "north-star";
const NAME: &str = "4000000000:me";

fn config(change: impl FnOnce(&mut Config)) -> Config {
    let flags = ["ferrite", "--turn-shared-secret", SECRET].map(Into::into);
    let loaded = Config::load(flags).unwrap();
    with(|config| {
        config.turn.shared_secret = loaded.turn.shared_secret;
        config.turn.tcp_relays = TcpRelays::On;
        // An address of no interface, at which peers are: the server's own is not connected with.
        config.turn.allow = ["127.0.0.1/32", "127.0.0.2/32"]
            .map(|net| net.parse().unwrap())
            .into();
        change(config);
    })
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A client's connection to the server.
struct Connection {
    stream: Box<dyn Stream>,
    nonce: Vec<u8>,
}

/// How clients come.
#[derive(Clone, Copy)]
enum By {
    Tcp,
    Tls,
}

impl By {
    async fn connect(self, server: &Server) -> Connection {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let stream: Box<dyn Stream> = match self {
            Self::Tcp => Box::new(TcpStream::connect(at(server.media_port())).await.unwrap()),
            Self::Tls => Box::new(connect(at(server.turns_port().unwrap()), &[]).await),
        };
        let mut connection = Connection {
            stream,
            nonce: Vec::new(),
        };
        let challenge = connection.ask(Method::Allocate, |_| {}).await;
        let challenge = Message::read(&challenge).unwrap();
        connection.nonce = challenge.get(NONCE).unwrap().to_vec();
        connection
    }

    async fn server(self) -> Server {
        let tls = |config: &mut Config| {
            config.tls.made = Some(MadeCertificate::SelfSigned);
            config.turn.turns_port = Some(0);
        };
        match self {
            Self::Tcp => start(config(|_| {})).await,
            Self::Tls => start(config(tls)).await,
        }
    }
}

impl Connection {
    fn request(&self, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> BytesMut {
        let mut out = BytesMut::new();
        let transaction = TransactionId(rand::random());
        let mut writer = Writer::new(&mut out, method.request(), transaction);
        fill(&mut writer);
        if !self.nonce.is_empty() {
            let password = time_limited(&SharedSecret(SECRET.to_owned()), NAME);
            writer.add(USERNAME, NAME.as_bytes());
            writer.add(REALM, credentials::REALM.as_bytes());
            writer.add(NONCE, &self.nonce);
            writer.integrity(&md5_key(NAME, credentials::REALM, &password));
        }
        writer.finish();
        out
    }

    async fn ask(&mut self, method: Method, fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let request = self.request(method, fill);
        self.stream.write_all(&request).await.unwrap();
        self.message().await
    }

    async fn message(&mut self) -> Vec<u8> {
        let mut message = vec![0; 20];
        read(&mut self.stream, &mut message).await;
        let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
        message.resize(20 + length, 0);
        read(&mut self.stream, &mut message[20..]).await;
        message
    }

    /// Asks for a relay. Returns where it is.
    async fn allocate(&mut self) -> SocketAddr {
        let fill = |writer: &mut Writer<'_>| writer.add(REQUESTED_TRANSPORT, &[6, 0, 0, 0]);
        let answer = self.ask(Method::Allocate, fill).await;
        let answer = Message::read(&answer).unwrap();
        assert_eq!(answer.typ(), Method::Allocate.success());
        read_address(
            answer.get(XOR_RELAYED_ADDRESS).unwrap(),
            answer.transaction(),
        )
        .unwrap()
    }

    async fn of_peer(&mut self, method: Method, peer: SocketAddr) -> Vec<u8> {
        let fill = |writer: &mut Writer<'_>| writer.add_address(XOR_PEER_ADDRESS, peer);
        self.ask(method, fill).await
    }

    async fn permit(&mut self, peer: SocketAddr) {
        let answer = self.of_peer(Method::CreatePermission, peer).await;
        let typ = Message::read(&answer).unwrap().typ();
        assert_eq!(typ, Method::CreatePermission.success());
    }

    async fn bind(&mut self, id: &[u8]) {
        let fill = |writer: &mut Writer<'_>| writer.add(CONNECTION_ID, id);
        let answer = self.ask(Method::ConnectionBind, fill).await;
        let typ = Message::read(&answer).unwrap().typ();
        assert_eq!(typ, Method::ConnectionBind.success());
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin), into: &mut [u8]) {
    timeout(PATIENCE, stream.read_exact(into))
        .await
        .unwrap()
        .unwrap();
}

/// What comes until the end, which comes.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest))
        .await
        .unwrap()?;
    Ok(rest)
}

/// A client with a relay, and a connection of it with a peer.
struct Joined {
    _server: Server,
    control: Connection,
    client: Connection,
    peer: TcpStream,
}

/// The peer is connected to, what follows the request to join included.
async fn joined(by: By, early: &[u8]) -> Joined {
    let server = by.server().await;
    let mut control = by.connect(&server).await;
    let relayed = control.allocate().await;
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let peer = listener.local_addr().unwrap();
    let answer = control.of_peer(Method::Connect, peer).await;
    let answer = Message::read(&answer).unwrap();
    assert_eq!(answer.typ(), Method::Connect.success());
    let (peer, from) = listener.accept().await.unwrap();
    assert_eq!(from, relayed, "it leaves by the relay");
    let mut client = by.connect(&server).await;
    let id = answer.get(CONNECTION_ID).unwrap();
    let fill = |writer: &mut Writer<'_>| writer.add(CONNECTION_ID, id);
    let mut request = client.request(Method::ConnectionBind, fill);
    request.extend_from_slice(early);
    client.stream.write_all(&request).await.unwrap();
    let answer = client.message().await;
    let typ = Message::read(&answer).unwrap().typ();
    assert_eq!(typ, Method::ConnectionBind.success());
    Joined {
        _server: server,
        control,
        client,
        peer,
    }
}

/// Bytes that are no message, and each at its place.
fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / 251 + at) as u8 | 0x80).collect()
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_end_by_itself() {
    for by in [By::Tcp, By::Tls] {
        let Joined {
            client,
            mut peer,
            control: _control,
            _server,
        } = joined(by, b"").await;
        let (up, down) = (pattern(300_000), pattern(200_000));
        let sent = up.clone();
        let (mut read_half, mut write_half) = tokio::io::split(client.stream);
        let sending = tokio::spawn(async move {
            write_half.write_all(&sent).await.unwrap();
            write_half.shutdown().await.unwrap();
            write_half
        });
        assert_eq!(rest(&mut peer).await.unwrap(), up);
        let _write_half = sending.await.unwrap();
        // That the client has ended ends nothing of the peer's.
        let sending = async {
            peer.write_all(&down).await.unwrap();
            peer.shutdown().await.unwrap();
        };
        let (received, ()) = tokio::join!(rest(&mut read_half), sending);
        assert_eq!(received.unwrap(), down);
    }
}

#[tokio::test]
async fn what_follows_the_request_at_once_is_no_message_any_more() {
    for by in [By::Tcp, By::Tls] {
        // One would end the connection, the other would be cut wrong.
        for early in [&pattern(5000)[..], b"\0\x01GET / HTTP/1.1\r\n\r\n"] {
            let mut joined = joined(by, early).await;
            let mut read_early = vec![0; early.len()];
            read(&mut joined.peer, &mut read_early).await;
            assert_eq!(read_early, early);
        }
    }
}

/// What comes before the client's connection waits for it.
#[tokio::test]
async fn a_peer_that_speaks_first_is_heard_and_one_that_connects_is_announced() {
    let server = By::Tcp.server().await;
    let mut control = By::Tcp.connect(&server).await;
    let relayed = control.allocate().await;
    let mut stranger = TcpStream::connect(relayed).await.unwrap();
    assert!(matches!(
        rest(&mut stranger).await.as_deref(),
        Ok([]) | Err(_)
    ));
    control.permit("127.0.0.2:1".parse().unwrap()).await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut peer = socket.connect(relayed).await.unwrap();
    peer.write_all(b"hello").await.unwrap();
    let told = control.message().await;
    let told = Message::read(&told).unwrap();
    assert_eq!(told.typ(), Method::ConnectionAttempt.indication());
    let from = read_address(told.get(XOR_PEER_ADDRESS).unwrap(), told.transaction());
    assert_eq!(from, Some(peer.local_addr().unwrap()));
    let mut client = By::Tcp.connect(&server).await;
    client.bind(told.get(CONNECTION_ID).unwrap()).await;
    let mut heard = [0; 5];
    read(&mut client.stream, &mut heard).await;
    assert_eq!(&heard, b"hello");
    client.stream.write_all(b"world").await.unwrap();
    read(&mut peer, &mut heard).await;
    assert_eq!(&heard, b"world");
}

/// What is kept at least of what is sent: by the kernel at the server's end alone.
const KEPT: usize = 256 << 10;

/// Writes until nothing more is taken, but no less than is kept in any case. Returns how much was.
async fn fill(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        let write = stream.write(&bytes[written..]);
        match timeout(Duration::from_millis(500), write).await {
            Ok(taken) => written += taken.unwrap(),
            Err(_) if written < KEPT => {}
            Err(_) => break,
        }
    }
    written
}

#[tokio::test]
async fn who_reads_slowly_is_sent_slowly_and_misses_nothing() {
    const MUCH: usize = 64 << 20;
    for by in [By::Tcp, By::Tls] {
        let mut joined = joined(by, b"").await;
        let bytes = pattern(MUCH);
        let taken = fill(&mut joined.peer, &bytes).await;
        assert!(taken < MUCH / 2, "{taken} bytes wait somewhere");
        // The other way goes on meanwhile.
        joined.client.stream.write_all(b"still here").await.unwrap();
        let mut heard = [0; 10];
        read(&mut joined.peer, &mut heard).await;
        let mut received = vec![0; taken];
        read(&mut joined.client.stream, &mut received).await;
        assert!(received == bytes[..taken]);
        let mut joined = self::joined(by, b"").await;
        let taken = fill(&mut joined.client.stream, &bytes).await;
        assert!(taken < MUCH / 2, "{taken} bytes wait somewhere");
    }
}

#[tokio::test]
async fn a_failure_at_one_end_is_one_at_the_other() {
    let mut joined = joined(By::Tcp, b"").await;
    socket2::SockRef::from(&joined.peer)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(joined.peer);
    let ended = rest(&mut joined.client.stream).await;
    assert_eq!(
        ended.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
}

/// Neither takes what came for all there was.
async fn are_reset(mut client: Connection, mut peer: TcpStream) {
    for ended in [rest(&mut client.stream).await, rest(&mut peer).await] {
        assert_eq!(
            ended.unwrap_err().kind(),
            std::io::ErrorKind::ConnectionReset
        );
    }
}

#[tokio::test]
async fn both_are_cut_off_with_the_relay_and_with_the_server() {
    for by in [By::Tcp, By::Tls] {
        let mut joined = joined(by, b"").await;
        let end = |writer: &mut Writer<'_>| writer.add(LIFETIME, &[0; 4]);
        joined.control.ask(Method::Refresh, end).await;
        are_reset(joined.client, joined.peer).await;

        let joined = self::joined(by, b"").await;
        // The connection that the relay was asked for over.
        drop(joined.control);
        are_reset(joined.client, joined.peer).await;

        let joined = self::joined(by, b"").await;
        joined._server.shutdown().await;
        are_reset(joined.client, joined.peer).await;
    }
}

#[tokio::test]
async fn nobody_on_this_machine_is_connected_with_unless_that_is_allowed() {
    let server = start(config(|config| config.turn.allow.clear())).await;
    let mut control = By::Tcp.connect(&server).await;
    control.allocate().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    // Linux takes 0.0.0.0 for this machine.
    for address in [[127, 0, 0, 1], [0, 0, 0, 0], [127, 1, 2, 3]] {
        let peer = SocketAddr::from((address, port));
        let answer = control.of_peer(Method::Connect, peer).await;
        let error = Message::read(&answer).unwrap().get(ERROR_CODE);
        assert_eq!(error.unwrap()[2..4], [4, 3], "{peer}");
    }
    let other = control.of_peer(Method::Connect, "[::1]:80".parse().unwrap());
    let other = other.await;
    let error = Message::read(&other).unwrap().get(ERROR_CODE);
    assert_eq!(error.unwrap()[2..4], [4, 43]);
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_said_to_be_so() {
    let server = By::Tcp.server().await;
    let mut control = By::Tcp.connect(&server).await;
    control.allocate().await;
    // Its port is nobody else's meanwhile, but it does not listen.
    let nobody = TcpSocket::new_v4().unwrap();
    nobody.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let peer = nobody.local_addr().unwrap();
    let answer = control.of_peer(Method::Connect, peer).await;
    let answer = Message::read(&answer).unwrap();
    let error = answer.get(ERROR_CODE);
    assert_eq!(error.unwrap()[2..4], [4, 47]);
}

/// Who has said all at once, the end included, is heard before that.
#[tokio::test]
async fn what_comes_with_the_request_and_the_end_is_carried() {
    for by in [By::Tcp, By::Tls] {
        let server = by.server().await;
        let mut control = by.connect(&server).await;
        control.allocate().await;
        let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let peer = listener.local_addr().unwrap();
        let answer = control.of_peer(Method::Connect, peer).await;
        let answer = Message::read(&answer).unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let mut client = by.connect(&server).await;
        let id = answer.get(CONNECTION_ID).unwrap();
        let fill = |writer: &mut Writer<'_>| writer.add(CONNECTION_ID, id);
        let mut request = client.request(Method::ConnectionBind, fill);
        request.extend_from_slice(b"all there is");
        client.stream.write_all(&request).await.unwrap();
        client.stream.shutdown().await.unwrap();
        assert_eq!(rest(&mut peer).await.unwrap(), b"all there is");
    }
}

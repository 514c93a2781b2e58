//! TURN comes over DTLS, at the UDP port beside that of TURN over TLS, and is served as over UDP.
// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_server::config::MadeCertificate;
use ferrite_server::media::net::dtls::association::{Association, End};
use ferrite_server::media::net::dtls::certified;
use ferrite_server::media::net::stun::attribute::{
    ERROR_CODE, NONCE, REALM, REQUESTED_TRANSPORT, USERNAME, XOR_MAPPED_ADDRESS, read_address,
};
use ferrite_server::media::net::stun::integrity::md5_key;
use ferrite_server::media::net::stun::{Message, Method, TransactionId, Writer};
use ferrite_server::turn::credentials::{self, SharedSecret};
use ferrite_server::{Config, Server};
use rtc::dtls::endpoint::EndpointEvent;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::process::{ferrite, run};
use crate::support::tls::{Pem, connect};
use crate::support::{PATIENCE, start, with};

mod support;

/// What is known to whoever makes credentials, and to whoever asks what there is.
const SECRET: &str = "north-star-of-the-account";

fn sealed(change: impl FnOnce(&mut Config)) -> Config {
    with(|config| {
        config.turn.turns_port = Some(0);
        change(config);
    })
}

fn self_signed(config: &mut Config) {
    config.tls.made = Some(MadeCertificate::SelfSigned);
}

fn request(method: Method, username: Option<&str>) -> BytesMut {
    let mut request = BytesMut::new();
    let mut writer = Writer::new(&mut request, method.request(), TransactionId([7; 12]));
    if method == Method::Allocate {
        writer.add(REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    }
    if let Some(username) = username {
        writer.add(USERNAME, username.as_bytes());
    }
    writer.finish();
    request
}

struct Client {
    socket: UdpSocket,
    association: Association,
    /// The server said goodbye.
    is_over: bool,
}

impl Client {
    /// Shakes hands.
    fn connect(server: &Server, host: IpAddr) -> Self {
        let provider = rtc::crypto::default_provider().unwrap();
        let config = certified::for_a_client(provider.clone()).unwrap();
        let socket = UdpSocket::bind((host, 0)).unwrap();
        socket
            .connect((host, server.turns_port().unwrap()))
            .unwrap();
        let mut association = Association::new(End::Client(config), provider);
        association.begin(Instant::now()).unwrap();
        let mut client = Self {
            socket,
            association,
            is_over: false,
        };
        let begun = Instant::now();
        while !client.association.is_done() {
            client.hear();
            assert!(begun.elapsed() < PATIENCE, "no handshake");
        }
        client
    }

    /// What came in a record, if anything did before a flight is due.
    fn hear(&mut self) -> Option<Vec<u8>> {
        while let Some(datagram) = self.association.poll_transmit() {
            self.socket.send(&datagram).unwrap();
        }
        let due = self.association.poll_timeout();
        let wait = due.map_or(Duration::from_secs(1), |due| {
            due.saturating_duration_since(Instant::now())
        });
        let wait = wait.max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut buffer = [0; 2048];
        let Ok(len) = self.socket.recv(&mut buffer) else {
            self.association.handle_timeout(Instant::now()).unwrap();
            return None;
        };
        let events = self.association.read(Instant::now(), &buffer[..len]);
        events.unwrap().into_iter().find_map(|event| match event {
            EndpointEvent::ApplicationData(data) => Some(data.to_vec()),
            EndpointEvent::PeerClosed => {
                self.is_over = true;
                None
            }
            _ => None,
        })
    }

    fn ask(&mut self, request: &[u8]) -> Vec<u8> {
        let begun = Instant::now();
        self.association.write(begun, request);
        loop {
            if let Some(answer) = self.hear() {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "no answer");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_where_its_datagrams_come_from_and_is_asked_for_credentials() {
    let server = start(sealed(|config| {
        self_signed(config);
        config.media.listen = vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    }));
    let server = server.await;
    for host in ["127.0.0.1", "::1"] {
        let mut client = Client::connect(&server, host.parse().unwrap());
        let answer = client.ask(&request(Method::Binding, None));
        let answer = Message::read(&answer).unwrap();
        let mapped = answer.get(XOR_MAPPED_ADDRESS).unwrap();
        let mapped = read_address(mapped, answer.transaction()).unwrap();
        assert_eq!(mapped, client.socket.local_addr().unwrap());
        let answer = client.ask(&request(Method::Allocate, None));
        let answer = Message::read(&answer).unwrap();
        assert_eq!(answer.typ(), Method::Allocate.error());
        assert_eq!(answer.get(ERROR_CODE).unwrap()[2..4], [4, 1]);
    }
}

/// Peers are checked, and their media comes, by the media port alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_for_stun_and_turn_has_no_answer() {
    let server = start(sealed(self_signed)).await;
    let mut client = Client::connect(&server, Ipv4Addr::LOCALHOST.into());
    for other in [&request(Method::Binding, Some("peer:me"))[..], &[0x80; 40]] {
        client.association.write(Instant::now(), other);
    }
    // The answer to what is asked last is the first that comes.
    let answer = client.ask(&request(Method::Allocate, None));
    let answer = Message::read(&answer).unwrap();
    assert_eq!(answer.typ(), Method::Allocate.error());
    // Nor has what is not sealed.
    let plain = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = server.turns_port().unwrap();
    plain
        .send_to(&request(Method::Binding, None), ("127.0.0.1", port))
        .unwrap();
    client.ask(&request(Method::Binding, None));
    plain.set_nonblocking(true).unwrap();
    assert!(plain.recv(&mut [0; 64]).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn newcomers_are_shown_the_new_certificate_and_nobody_is_disconnected() {
    let (pem, first) = Pem::new("dtls_renewed", "call.example");
    let server = start(sealed(|config| {
        config.tls.cert = Some(pem.cert());
        config.tls.key = Some(pem.key());
    }))
    .await;
    let shown = |client: &Client| {
        let state = client.association.state().unwrap();
        state.peer_certificates[0].clone()
    };
    let host = Ipv4Addr::LOCALHOST.into();
    let mut before = Client::connect(&server, host);
    assert_eq!(shown(&before), first.to_vec());
    let second = pem.renew("call.example");
    let begun = Instant::now();
    while shown(&Client::connect(&server, host)) != second.to_vec() {
        assert!(begun.elapsed() < PATIENCE, "still the old one");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    before.ask(&request(Method::Binding, None));
}

/// The relays that there are, as the REST API tells of them.
async fn relays(server: &Server) -> u64 {
    let mut stream = connect(server.addr(), &["http/1.1"]).await;
    let request = format!(
        "GET /api/v2/turn/allocations HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         authorization: Bearer {SECRET}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    body["total"].as_u64().unwrap()
}

/// Who says goodbye waits for no lifetime to end.
#[tokio::test(flavor = "multi_thread")]
async fn an_allocation_ends_with_its_association() {
    let keys = ["--turn-api-key", SECRET, "--turn-shared-secret", SECRET];
    let flags = ["ferrite"].into_iter().chain(keys).map(Into::into);
    let loaded = Config::load(flags).unwrap();
    let server = start(sealed(|config| {
        self_signed(config);
        config.turn.shared_secret = loaded.turn.shared_secret.clone();
        config.turn.api_key = loaded.turn.api_key.clone();
    }))
    .await;
    let mut client = Client::connect(&server, Ipv4Addr::LOCALHOST.into());
    let challenge = client.ask(&request(Method::Allocate, None));
    let nonce = Message::read(&challenge).unwrap().get(NONCE).unwrap();
    let name = "9999999999:me";
    let password = credentials::time_limited(&SharedSecret(SECRET.to_owned()), name);
    let mut allocate = BytesMut::new();
    let transaction = TransactionId([8; 12]);
    let mut writer = Writer::new(&mut allocate, Method::Allocate.request(), transaction);
    writer.add(REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    writer.add(USERNAME, name.as_bytes());
    writer.add(REALM, credentials::REALM.as_bytes());
    writer.add(NONCE, nonce);
    writer.integrity(&md5_key(name, credentials::REALM, &password));
    writer.finish();
    let allocated = client.ask(&allocate);
    let typ = Message::read(&allocated).map(|answer| answer.typ());
    assert_eq!(typ, Some(Method::Allocate.success()));
    assert_eq!(relays(&server).await, 1);
    client.association.close(Instant::now());
    let begun = Instant::now();
    while relays(&server).await > 0 {
        client.hear();
        assert!(begun.elapsed() < PATIENCE, "it is still there");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_told_that_the_server_ends() {
    let server = start(sealed(self_signed)).await;
    let mut client = Client::connect(&server, Ipv4Addr::LOCALHOST.into());
    client.ask(&request(Method::Binding, None));
    server.shutdown().await;
    let begun = Instant::now();
    while !client.is_over {
        client.hear();
        assert!(begun.elapsed() < PATIENCE, "nobody said so");
    }
}

/// OpenSSL's client agrees with certificates of every kind of key that is served, and gets an answer.
#[tokio::test(flavor = "multi_thread")]
async fn openssl_is_answered_whatever_kind_of_key_the_certificate_has() {
    for (name, key) in [
        ("p256", &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"][..]),
        ("p384", &["ec", "-pkeyopt", "ec_paramgen_curve:P-384"]),
        ("rsa", &["rsa", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ] {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("dtls_{name}"));
        std::fs::create_dir_all(&directory).unwrap();
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=x"])
            .arg("-newkey")
            .args(key)
            .args(["-keyout", "key.pem", "-out", "cert.pem"])
            .current_dir(&directory)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let server = start(sealed(|config| {
            config.tls.cert = Some(directory.join("cert.pem"));
            config.tls.key = Some(directory.join("key.pem"));
        }))
        .await;
        let at = SocketAddr::from(([127, 0, 0, 1], server.turns_port().unwrap()));
        let answer = by_openssl(at, &request(Method::Binding, None));
        let answer = Message::read(&answer);
        let typ = answer.map(|answer| answer.typ());
        assert_eq!(typ, Some(Method::Binding.success()), "{name}");
    }
}

/// What comes back in DTLS's records for this, said by OpenSSL's client.
fn by_openssl(server: SocketAddr, request: &[u8]) -> Vec<u8> {
    let mut client = Command::new("openssl")
        .args(["s_client", "-dtls1_2", "-quiet", "-connect"])
        .arg(server.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    client.stdin.as_mut().unwrap().write_all(request).unwrap();
    let mut stdout = client.stdout.take().unwrap();
    let (say, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut answer = vec![0; 2048];
        let len = stdout.read(&mut answer).unwrap_or_default();
        answer.truncate(len);
        let _ = say.send(answer);
    });
    let answer = said.recv_timeout(PATIENCE);
    client.kill().unwrap();
    client.wait().unwrap();
    answer.unwrap_or_default()
}

#[tokio::test]
async fn a_port_that_another_program_has_for_udp_is_refused() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let flags = ["--listen", "127.0.0.1:0", "--media-port", "0"];
    let more = ["--media-listen", "127.0.0.1", "--tls", "self-signed"];
    let flags = [&flags[..], &more, &["--turns-port", &port]].concat();
    let refused = run(ferrite(&flags)).await;
    let text = String::from_utf8(refused.stderr).unwrap();
    let expected = format!("--turns-port: UDP port {port} is in use");
    assert!(text.contains(&expected), "{text}");
}

//! With a certificate the front door speaks TLS: the same app, the same WebSockets, the same limits.
// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use ferrite_server::Config;
use ferrite_server::config::MadeCertificate;
use ferrite_server::{Security, Server};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Message;

use crate::support::http::get;
use crate::support::process::Running;
use crate::support::tls::{Pem, connect, shake, shown, trusts};
use crate::support::{PATIENCE, start, with};

mod support;

fn certified(pem: &Pem) -> Config {
    with(|config| {
        config.tls.cert = Some(pem.cert());
        config.tls.key = Some(pem.key());
    })
}

async fn self_signed() -> Server {
    start(with(|config| {
        config.tls.made = Some(MadeCertificate::SelfSigned);
        config.media.external_ips = vec![std::net::IpAddr::from([203, 0, 113, 7]).into()];
    }))
    .await
}

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Asks how the server is, and reads to the answer's end.
async fn is_well(stream: &mut TlsStream<TcpStream>) -> bool {
    stream.write_all(HEALTH).await.unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"\r\n\r\nok") {
        let mut byte = [0];
        match timeout(PATIENCE, stream.read(&mut byte)).await.unwrap() {
            Ok(1) => said.extend(byte),
            Ok(_) | Err(_) => return false,
        }
    }
    said.starts_with(b"HTTP/1.1 200 ")
}

#[tokio::test]
async fn the_app_and_its_websocket_come_over_tls() {
    let (pem, certificate) = Pem::new("https_app", "call.example");
    let server = start(certified(&pem)).await;
    assert_eq!(server.url(), format!("https://{}", server.addr()));
    assert_eq!(*server.security(), Security::Certificate);
    assert!(trusts(server.addr(), &certificate, "call.example").await);
    assert!(!trusts(server.addr(), &certificate, "other.example").await);

    let mut stream = connect(server.addr(), &["h2", "http/1.1"]).await;
    let chosen = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    assert_eq!(chosen.as_deref(), Some(&b"http/1.1"[..]));
    assert!(is_well(&mut stream).await && is_well(&mut stream).await);

    let stream = connect(server.addr(), &[]).await;
    let url = format!("wss://{}/ws", server.addr());
    let (mut websocket, _) = client_async(url, stream).await.unwrap();
    let hello = Message::text(r#"{"type":"hello","version":1}"#);
    websocket.send(hello).await.unwrap();
    let welcome = timeout(PATIENCE, websocket.next()).await.unwrap();
    let welcome = welcome.unwrap().unwrap().into_text().unwrap();
    assert!(welcome.contains(r#""type":"welcome""#), "{welcome}");
}

#[tokio::test]
async fn who_speaks_nothing_that_is_known_is_refused_in_the_handshake() {
    let server = self_signed().await;
    let stream = TcpStream::connect(server.addr()).await.unwrap();
    let refused = shake(stream, &["h2"]).await.unwrap_err();
    assert!(
        refused.to_string().contains("NoApplicationProtocol"),
        "{refused}"
    );
    // Neither TLS nor HTTP.
    let mut stream = TcpStream::connect(server.addr()).await.unwrap();
    stream.write_all(&[0, 1, 0, 0]).await.unwrap();
    let closed = timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
    assert!(matches!(closed, Ok(0) | Err(_)));
}

#[tokio::test]
async fn who_asks_without_tls_is_told_where_to_ask() {
    let server = self_signed().await;
    let there = [("host", "phone.example:8080")];
    let reply = get(server.addr(), "/r/kitchen?name=Ada", &there).await;
    assert_eq!(reply.status, 307);
    let location = "https://phone.example:8080/r/kitchen?name=Ada";
    assert_eq!(reply.must("location"), location);
    assert!(reply.text().contains("HTTPS"), "{}", reply.text());
    // A key that goes round in clear must not work.
    let reply = get(server.addr(), "/api/v1/turn/credentials?apiKey=a", &there).await;
    assert_eq!((reply.status, reply.header("location")), (403, None));
    // A host that no address can have is not sent back.
    let reply = get(server.addr(), "/", &[("host", "a b")]).await;
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("https://"), "{}", reply.text());
}

#[tokio::test]
async fn a_made_certificate_names_this_machine_and_where_it_is_reached() {
    let server = self_signed().await;
    let Security::SelfSigned { sha256, .. } = server.security() else {
        panic!("{:?}", server.security());
    };
    assert_eq!(sha256.len(), 32 * 3 - 1);
    let stream = connect(server.addr(), &[]).await;
    let certificate = shown(&stream);
    for name in ["localhost", "127.0.0.1", "203.0.113.7"] {
        assert!(trusts(server.addr(), &certificate, name).await, "{name}");
    }
    assert!(!trusts(server.addr(), &certificate, "203.0.113.8").await);
}

#[tokio::test]
async fn the_first_lines_say_so() {
    let running = Running::start(&["--tls", "self-signed", "--log-format", "json"]).await;
    assert!(running.line.contains(r#""http":"https://127.0.0.1:"#));
    let mut running = Running::start(&["--tls", "self-signed"]).await;
    assert!(running.line.starts_with("listening on https://127.0.0.1:"));
    assert!(
        running
            .next_line()
            .await
            .contains("open https://localhost:")
    );
    let about = running.next_line().await;
    assert!(about.contains("browsers will warn"), "{about}");
    assert!(about.contains("SHA-256"), "{about}");
}

/// Connects until this certificate is shown.
async fn shows(addr: SocketAddr, certificate: &CertificateDer<'static>) {
    let shown = async {
        while shown(&connect(addr, &[]).await) != *certificate {
            sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, shown).await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_read_again_and_nobody_is_disconnected() {
    let (pem, first) = Pem::new("https_again", "call.example");
    let (cert, key) = (pem.cert(), pem.key());
    let flags = [
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ];
    let mut running = Running::start(&flags).await;
    let mut early = connect(running.addr, &[]).await;
    assert_eq!(shown(&early), first);

    // A key without its certificate, and half a file: newcomers are shown what they were before.
    let good = std::fs::read(pem.key()).unwrap();
    std::fs::write(
        pem.key(),
        rcgen::KeyPair::generate().unwrap().serialize_pem(),
    )
    .unwrap();
    running.logged("does not go with the certificate").await;
    std::fs::write(pem.key(), &good[..good.len() / 2]).unwrap();
    running.logged("no private key").await;
    assert_eq!(shown(&connect(running.addr, &[]).await), first);

    let second = pem.renew("other.example");
    shows(running.addr, &second).await;
    running
        .logged("newcomers are shown a new certificate")
        .await;
    assert!(is_well(&mut early).await);
}

/// Each has begun its handshake, and does not go on.
#[tokio::test]
async fn handshakes_without_an_end_do_not_close_the_front_door() {
    let server = self_signed().await;
    let mut witness = connect(server.addr(), &[]).await;
    assert!(is_well(&mut witness).await);
    let mut begun = Vec::new();
    for _ in 0..63 {
        let mut stream = TcpStream::connect(server.addr()).await.unwrap();
        // A record of a handshake that announces more than comes.
        stream.write_all(&[22, 3, 1, 2, 0, 1, 0]).await.unwrap();
        begun.push(stream);
    }
    // As many as one address may have. Ten more are served, and ten of those that wait are closed.
    assert!(is_well(&mut witness).await);
    let mut served = Vec::new();
    for _ in 0..10 {
        let mut stream = connect(server.addr(), &[]).await;
        assert!(is_well(&mut stream).await);
        served.push(stream);
    }
    for stream in &mut begun[..10] {
        let closed = timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
        assert!(matches!(closed, Ok(0) | Err(_)));
    }
    let open = begun[10..].iter().filter(|stream| {
        let read = stream.try_read(&mut [0]);
        matches!(read, Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    });
    assert_eq!(open.count(), 53);
    assert!(is_well(&mut witness).await);
}

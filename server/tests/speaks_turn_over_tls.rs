//! TURN comes over TLS, at a port of its own and at the one for HTTPS, and is served as over TCP.
// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;

use bytes::BytesMut;
use ferrite_protocol::ServerMessage;
use ferrite_server::config::MadeCertificate;
use ferrite_server::media::net::stun::attribute::{
    ERROR_CODE, REQUESTED_TRANSPORT, XOR_MAPPED_ADDRESS, read_address,
};
use ferrite_server::media::net::stun::{Message, Method, TransactionId, Writer};
use ferrite_server::{Config, Server};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{client_async, tungstenite};

use crate::support::process::{ferrite, run};
use crate::support::tls::{Pem, connect};
use crate::support::{PATIENCE, start, with};

mod support;

fn self_signed(change: impl FnOnce(&mut Config)) -> Config {
    with(|config| {
        config.tls.made = Some(MadeCertificate::SelfSigned);
        config.turn.turns_port = Some(0);
        change(config);
    })
}

fn turns(server: &Server) -> SocketAddr {
    ([127, 0, 0, 1], server.turns_port().unwrap()).into()
}

/// Asks something, and reads the answer.
async fn ask(stream: &mut TlsStream<TcpStream>, method: Method) -> Vec<u8> {
    let mut request = BytesMut::new();
    let transaction = TransactionId([7; 12]);
    let mut writer = Writer::new(&mut request, method.request(), transaction);
    if method == Method::Allocate {
        writer.add(REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
    }
    writer.finish();
    stream.write_all(&request).await.unwrap();
    let mut answer = vec![0; 20];
    let read = timeout(PATIENCE, stream.read_exact(&mut answer)).await;
    read.unwrap().unwrap();
    answer.resize(
        20 + usize::from(u16::from_be_bytes([answer[2], answer[3]])),
        0,
    );
    stream.read_exact(&mut answer[20..]).await.unwrap();
    answer
}

#[tokio::test]
async fn a_client_is_where_its_own_connection_comes_from() {
    // One that listens for both families, too, where IPv4 is shown as a part of IPv6.
    for listen in ["127.0.0.1:0", "[::]:0"] {
        let server = start(self_signed(|config| {
            config.http.listen = listen.parse().unwrap()
        }));
        let server = server.await;
        let https = SocketAddr::from(([127, 0, 0, 1], server.addr().port()));
        for addr in [https, turns(&server)] {
            for protocols in [&[][..], &["stun.turn"]] {
                let mut stream = connect(addr, protocols).await;
                let answer = ask(&mut stream, Method::Binding).await;
                let answer = Message::read(&answer).unwrap();
                let mapped = answer.get(XOR_MAPPED_ADDRESS).unwrap();
                let mapped = read_address(mapped, answer.transaction()).unwrap();
                assert_eq!(mapped, stream.get_ref().0.local_addr().unwrap());
            }
        }
    }
}

#[tokio::test]
async fn who_shows_no_credentials_is_asked_for_them() {
    let server = start(self_signed(|_| {})).await;
    let mut stream = connect(turns(&server), &[]).await;
    let answer = ask(&mut stream, Method::Allocate).await;
    let answer = Message::read(&answer).unwrap();
    assert_eq!(answer.typ(), Method::Allocate.error());
    assert_eq!(answer.get(ERROR_CODE).unwrap()[2..4], [4, 1]);
}

#[tokio::test]
async fn the_port_of_turn_serves_nothing_else() {
    let server = start(self_signed(|_| {})).await;
    const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut stream = connect(turns(&server), &["http/1.1"]).await;
    stream.write_all(REQUEST).await.unwrap();
    let mut plain = TcpStream::connect(turns(&server)).await.unwrap();
    plain.write_all(REQUEST).await.unwrap();
    for stream in [
        &mut stream as &mut (dyn tokio::io::AsyncRead + Unpin),
        &mut plain,
    ] {
        let closed = timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
        assert!(matches!(closed, Ok(0) | Err(_)));
    }
}

/// More than one address may have at the front door: who came before them with a request would have to go.
#[tokio::test]
async fn relays_take_no_place_at_the_front_door() {
    const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let server = start(self_signed(|_| {})).await;
    let mut page = connect(server.addr(), &[]).await;
    let mut streams = Vec::new();
    for _ in 0..80 {
        let mut stream = connect(server.addr(), &[]).await;
        ask(&mut stream, Method::Binding).await;
        streams.push(stream);
    }
    page.write_all(REQUEST).await.unwrap();
    let answered = timeout(PATIENCE, page.read_u8()).await.unwrap();
    assert_eq!(answered.unwrap(), b'H');
    for stream in &mut streams {
        ask(stream, Method::Binding).await;
    }
}

async fn welcome(server: &Server) -> Vec<String> {
    let stream = connect(server.addr(), &[]).await;
    let url = format!("wss://{}/ws", server.addr());
    let (mut websocket, _) = client_async(url, stream).await.unwrap();
    let hello = tungstenite::Message::text(r#"{"type":"hello","version":1}"#);
    websocket.send(hello).await.unwrap();
    let welcome = timeout(PATIENCE, websocket.next()).await.unwrap();
    let welcome = welcome.unwrap().unwrap().into_text().unwrap();
    let ServerMessage::Welcome { ice_servers, .. } = serde_json::from_str(&welcome).unwrap() else {
        panic!("{welcome}");
    };
    assert!(ice_servers[0].credential.is_some());
    let urls = ice_servers.into_iter().flat_map(|server| server.urls);
    urls.filter(|url| url.starts_with("turns:")).collect()
}

#[tokio::test]
async fn clients_are_told_of_it_by_the_certificates_name() {
    let (pem, _) = Pem::new("turns_name", "call.example");
    let certified = |config: &mut Config| {
        config.tls.cert = Some(pem.cert());
        config.tls.key = Some(pem.key());
    };
    let server = start(with(certified)).await;
    let port = server.addr().port();
    let told = welcome(&server).await;
    assert_eq!(told, [format!("turns:call.example:{port}?transport=tcp")]);
    let server = start(with(|config| {
        certified(config);
        config.turn.turns_port = Some(0);
    }))
    .await;
    let port = server.turns_port().unwrap();
    let told = welcome(&server).await;
    assert_eq!(told, [format!("turns:call.example:{port}?transport=tcp")]);

    let server = start(self_signed(|config| config.turn.turns_port = None)).await;
    let told = welcome(&server).await;
    let here = format!("turns:{}?transport=tcp", server.addr());
    assert_eq!(told, [here]);
    assert_eq!(server.turns_port(), None);
}

#[tokio::test]
async fn without_a_certificate_there_is_no_such_port() {
    let flags = [
        "--listen",
        "127.0.0.1:0",
        "--media-port",
        "0",
        "--turns-port",
        "0",
    ];
    let refused = run(ferrite(&flags)).await;
    let text = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(
        (refused.status.code(), text.lines().count()),
        (Some(2), 1),
        "{text}"
    );
    assert!(
        text.contains("--turns-port: TURN over TLS needs a certificate"),
        "{text}"
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let more = ["--tls", "self-signed", "--media-listen", "127.0.0.1"];
    let flags = [&flags[..5], &[&port], &more].concat();
    let refused = run(ferrite(&flags)).await;
    let text = String::from_utf8(refused.stderr).unwrap();
    let expected = format!("--turns-port: TCP port {port} is in use");
    assert!(text.contains(&expected), "{text}");
}

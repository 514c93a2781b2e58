//! ICE servers that a provider hands out reach clients: a Ferrite is the provider of another, and a plain HTTP server
//! one that is down, slow, or makes no sense.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use ferrite_protocol::{IceServer, ServerMessage};
use futures_util::StreamExt as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::support::native::Native;
use crate::support::process::{FREE_PORTS, Running, ferrite, run};
use crate::support::turn_api::{ICE_SERVERS, create, server};
use crate::support::{Client, PATIENCE};

mod support;

const ONE: &str = r#"[{"urls": "turn:one.example:3478", "username": "u", "credential": "c"}]"#;
const OTHER: &str =
    r#"{"iceServers": [{"urls": "turn:other.example:3478", "username": "u", "credential": "c"}]}"#;

/// Says the same to everybody until it is told to say something else; nothing at all where that is empty.
struct Provider {
    addr: SocketAddr,
    answer: Arc<Mutex<String>>,
    asked: mpsc::UnboundedReceiver<String>,
}

fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

impl Provider {
    async fn start(answer: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::at(listener, answer)
    }

    fn at(listener: TcpListener, answer: &str) -> Self {
        let addr = listener.local_addr().unwrap();
        let answer = Arc::new(Mutex::new(answer.to_owned()));
        let (told, asked) = mpsc::unbounded_channel();
        let says = answer.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = says.lock().unwrap().clone();
                tokio::spawn(reply(stream, answer, told.clone()));
            }
        });
        Self {
            addr,
            answer,
            asked,
        }
    }

    fn says(&self, answer: &str) {
        answer.clone_into(&mut self.answer.lock().unwrap());
    }

    /// The head of the next call.
    async fn asked(&mut self) -> String {
        timeout(PATIENCE, self.asked.recv()).await.unwrap().unwrap()
    }

    fn url(&self) -> String {
        format!("http://{}/servers?apiKey=hush", self.addr)
    }
}

async fn reply(mut stream: TcpStream, answer: String, told: mpsc::UnboundedSender<String>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let _ = told.send(String::from_utf8(head).unwrap());
    if answer.is_empty() {
        // Until the caller gives up.
        let _ = stream.read_u8().await;
        return;
    }
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// A server that asks it every second, with the URL where it does not show.
async fn asking(url: &str, flags: &[&str]) -> Running {
    let flags = [&FREE_PORTS[..], &["--ice-servers-every", "1s"], flags].concat();
    let mut command = ferrite(&flags);
    command.env("FERRITE_ICE_SERVERS_URL", url);
    Running::of(command).await
}

/// A client, and the servers that its welcome brought.
async fn welcomed(addr: SocketAddr) -> (Client, Vec<IceServer>) {
    let mut client = Client::connect_with(addr, &[]).await.unwrap();
    client.send_text(r#"{"type":"hello","version":1}"#).await;
    let ServerMessage::Welcome { ice_servers, .. } = client.receive().await else {
        panic!("no welcome")
    };
    (client, ice_servers)
}

fn has(servers: &[IceServer], url: &str) -> bool {
    servers
        .iter()
        .any(|server| server.urls.iter().any(|it| it == url))
}

const FIRST: &str = "turn:one.example:3478";
const SECOND: &str = "turn:other.example:3478";

/// What the client is told next until that has this URL.
async fn told(client: &mut Client, url: &str) -> Vec<IceServer> {
    loop {
        let servers = client.ice_servers().await;
        if has(&servers, url) {
            return servers;
        }
    }
}

/// A ping is answered, and nothing that comes before that brings servers.
async fn is_told_of_none(client: &mut Client) {
    client.send_text(r#"{"type":"ping","id":4711}"#).await;
    loop {
        let next = timeout(PATIENCE, client.websocket.next()).await;
        let Message::Text(text) = next.unwrap().unwrap().unwrap() else {
            continue;
        };
        match ServerMessage::decode(&text).unwrap() {
            ServerMessage::Pong { .. } => return,
            ServerMessage::IceServers { ice_servers } => panic!("told of {ice_servers:?}"),
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_ferrite_hands_its_relays_out_by_another() {
    let provider = server(&[]).await;
    let made = create(provider.addr, &json!({})).await;
    let key = made["apiKey"].as_str().unwrap();
    let url = format!("http://{}{ICE_SERVERS}?apiKey={key}", provider.addr);
    let mut server = asking(&url, &[]).await;
    server.logged("the provider names these servers").await;
    let (_client, servers) = welcomed(server.addr).await;
    let name = made["username"].as_str();
    let theirs: Vec<_> = servers
        .iter()
        .filter(|it| it.username.as_deref() == name)
        .collect();
    let port = format!(":{}", provider.media_port);
    assert!(!theirs.is_empty(), "{servers:?}");
    assert!(
        theirs.iter().all(|it| it.urls[0].contains(&port)),
        "{theirs:?}"
    );
}

#[tokio::test]
async fn whoever_is_there_is_told_of_other_servers_and_those_of_the_settings_stay() {
    let mut provider = Provider::start(&ok(ONE)).await;
    let own = ["--ice-servers", r#"{"urls": "stun:own.example"}"#];
    let mut server = asking(&provider.url(), &own).await;
    let asked = provider.asked().await;
    assert!(
        asked.starts_with("GET /servers?apiKey=hush HTTP/1.1\r\n"),
        "{asked}"
    );
    assert!(!asked.contains("authorization"), "{asked}");
    server.logged("the provider names these servers").await;
    let (mut client, servers) = welcomed(server.addr).await;
    assert!(
        has(&servers, FIRST) && has(&servers, "stun:own.example"),
        "{servers:?}"
    );
    // It was told of those, and is not told again.
    is_told_of_none(&mut client).await;
    let mut tutorial = Client::connect_with(server.addr, &[]).await.unwrap();
    tutorial.offer(Native::new().offer()).await;
    provider.says(&ok(OTHER));
    let servers = told(&mut client, SECOND).await;
    assert!(
        !has(&servers, FIRST) && has(&servers, "stun:own.example"),
        "{servers:?}"
    );
    // What is said again is no news.
    provider.asked().await;
    provider.asked().await;
    client.is_served().await;
    // Who said no hello is told of none.
    is_told_of_none(&mut tutorial).await;
}

#[tokio::test]
async fn a_key_of_its_own_is_sent_in_a_header() {
    let mut provider = Provider::start(&ok(ONE)).await;
    let _server = asking(&provider.url(), &["--ice-servers-key", "north"]).await;
    let asked = provider.asked().await;
    assert!(
        asked.contains("\r\nauthorization: Bearer north\r\n"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_provider_that_is_down_costs_nobody_a_call() {
    // Nobody listens there, at first.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://{addr}/?apiKey=hush");
    let mut server = asking(&url, &["--external-ip", "auto"]).await;
    server.logged("the provider was asked in vain").await;
    let (mut client, servers) = welcomed(server.addr).await;
    assert!(!has(&servers, FIRST), "{servers:?}");
    client.is_served().await;
    let listener = TcpListener::bind(addr).await.unwrap();
    let provider = Provider::at(listener, &ok(ONE));
    told(&mut client, FIRST).await;
    // One that does not answer any more, and one that makes no sense: what it said holds.
    provider.says("");
    let (_other, servers) = welcomed(server.addr).await;
    assert!(has(&servers, FIRST), "{servers:?}");
}

#[tokio::test]
async fn what_makes_no_sense_changes_nothing_and_its_key_is_not_logged() {
    let huge = ok(&format!("[{}]", " ".repeat(100_000)));
    let elsewhere =
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let refused = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    for wrong in [
        &*ok("<html>"),
        &huge,
        elsewhere,
        refused,
        "SSH-2.0-hush\r\n",
    ] {
        let mut provider = Provider::start(&ok(ONE)).await;
        let mut server = asking(&provider.url(), &[]).await;
        server.logged("the provider names these servers").await;
        provider.asked().await;
        provider.says(wrong);
        server.logged("the provider was asked in vain").await;
        let (_client, servers) = welcomed(server.addr).await;
        assert!(has(&servers, FIRST), "{wrong:.30}: {servers:?}");
        provider.says(&ok(OTHER));
        server.logged("the provider names these servers").await;
        let (_, _, log) = server.end("-TERM").await;
        assert!(!log.contains("hush"), "{log}");
    }
}

/// The row that `ferrite check` has of a provider.
async fn row(url: &str) -> serde_json::Value {
    let mut command = ferrite(&[&["check", "--json"], &FREE_PORTS[..]].concat());
    command.env("FERRITE_ICE_SERVERS_URL", url);
    let report: serde_json::Value = serde_json::from_slice(&run(command).await.stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    rows.iter()
        .find(|row| row["what"] == "provider")
        .unwrap()
        .clone()
}

#[tokio::test]
async fn the_self_test_asks_it_and_shows_no_key() {
    let provider = Provider::start(&ok(ONE)).await;
    let found = row(&provider.url()).await;
    assert_eq!(
        (&found["status"], &found["says"]),
        (&json!("ok"), &json!("it names a server"))
    );
    provider.says(&ok("[]"));
    assert_eq!(row(&provider.url()).await["status"], "warn");
    provider.says("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
    let found = row(&provider.url()).await;
    assert_eq!(found["status"], "bad");
    assert!(!found.to_string().contains("hush"), "{found}");
}

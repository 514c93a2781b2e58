//! What is too much, and that it ends no session but the one it comes from.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::time::Duration;

use ferrite_protocol::limits::MAX_MESSAGE_BYTES;
use ferrite_protocol::{ClientMessage, ErrorCode, ServerMessage};
use ferrite_server::{Config, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{Client, PATIENCE, config, start, with};

mod support;

#[tokio::test]
async fn a_frame_may_be_as_long_as_the_limit() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    let head = r#"{"type":"offer","sdp":""#;
    let sdp = "x".repeat(MAX_MESSAGE_BYTES - head.len() - 2);
    client.send_text(&format!("{head}{sdp}\"}}")).await;
    assert_eq!(client.error().await.1, ErrorCode::BadOffer);
    client.is_served().await;
}

#[tokio::test]
async fn a_longer_frame_closes_the_session_it_came_from() {
    let server = start(config()).await;
    let (mut witness, _) = Client::greeted(&server).await;
    let (mut client, welcome) = Client::greeted(&server).await;
    client.send_text(&" ".repeat(MAX_MESSAGE_BYTES + 1)).await;
    let (_, code, message) = client.error().await;
    assert_eq!(code, ErrorCode::LimitExceeded);
    assert!(
        message.contains(&MAX_MESSAGE_BYTES.to_string()),
        "{message}"
    );
    assert_eq!(client.closed().await, 4001);
    witness.is_served().await;
    let (_, again) = Client::resuming(&server, &welcome.token).await;
    assert!(!again.resumed);
}

#[tokio::test]
async fn a_frame_without_end_is_not_even_read() {
    let server = start(config()).await;
    let (mut witness, _) = Client::greeted(&server).await;
    let (mut client, _) = Client::greeted(&server).await;
    // The server may close before all of it is written.
    let _ = futures_util::SinkExt::send(
        &mut client.websocket,
        Message::text(" ".repeat(16 * MAX_MESSAGE_BYTES)),
    )
    .await;
    let end = futures_util::StreamExt::fold(&mut client.websocket, 0, async |count, _| count + 1);
    tokio::time::timeout(support::PATIENCE, end).await.unwrap();
    witness.is_served().await;
}

#[tokio::test]
async fn too_many_frames_close_the_session_they_came_from() {
    let server = start(with(|config| config.limits.message_rate = 5)).await;
    let (mut witness, _) = Client::greeted(&server).await;
    let (mut client, _) = Client::greeted(&server).await;
    for _ in 0..30 {
        client.send_text(r#"{"type":"pong"}"#).await;
    }
    let (_, code, message) = client.error().await;
    assert_eq!(code, ErrorCode::LimitExceeded);
    assert!(message.contains("5 a second"), "{message}");
    assert_eq!(client.closed().await, 4001);
    witness.is_served().await;
}

#[tokio::test]
async fn a_full_server_says_so_and_has_room_again_later() {
    let server = start(with(|config| config.limits.sessions = 1)).await;
    let (mut only, welcome) = Client::greeted(&server).await;
    let mut next = Client::connect(&server).await;
    next.send_text(r#"{"type":"hello","version":1}"#).await;
    assert_eq!(next.error().await.1, ErrorCode::LimitExceeded);
    assert_eq!(next.closed().await, 4001);

    // Coming back needs no place of its own.
    only.is_served().await;
    let (mut only, again) = Client::resuming(&server, &welcome.token).await;
    assert!(again.resumed);

    only.send_frame(Message::Close(Some(normal()))).await;
    assert_eq!(only.closed().await, 1000);
    let mut client = Client::connect(&server).await;
    // The place is free a moment after the WebSocket is closed.
    while !is_welcomed(&mut client).await {
        client = Client::connect(&server).await;
    }
}

/// Connects by way of a proxy that says where its client is.
async fn from(server: &Server, address: &str) -> Result<Client, Error> {
    Client::connect_with(server.addr(), &[("x-forwarded-for", address)]).await
}

/// Two sessions an address, and tests that can be at any.
fn two_per_address() -> Config {
    with(|config| {
        config.limits.sessions_per_address = 2;
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    })
}

#[tokio::test]
async fn an_address_that_has_all_its_sessions_is_told_so_and_takes_none_from_others() {
    let server = start(two_per_address()).await;
    let mut here = Vec::new();
    for _ in 0..2 {
        let mut client = from(&server, "203.0.113.1").await.unwrap();
        client.hello(None).await;
        here.push(client);
    }
    for text in [r#"{"type":"hello","version":1}"#, r#"{"type":"ping"}"#] {
        let mut third = from(&server, "203.0.113.1").await.unwrap();
        third.send_text(text).await;
        let (_, code, message) = third.error().await;
        assert_eq!(code, ErrorCode::LimitExceeded);
        assert!(message.contains("your address has all the 2"), "{message}");
        assert_eq!(third.closed().await, 4001);
    }
    for elsewhere in ["203.0.113.2", "2001:db8::1"] {
        let mut client = from(&server, elsewhere).await.unwrap();
        client.hello(None).await;
        client.is_served().await;
    }
    for client in &mut here {
        client.is_served().await;
    }
}

#[tokio::test]
async fn a_session_that_waits_for_its_client_counts_where_it_was_opened() {
    let mut patient = two_per_address();
    patient.signalling.resume_time = Duration::from_secs(3600);
    let server = start(patient).await;
    let mut first = from(&server, "203.0.113.1").await.unwrap();
    let welcome = first.hello(None).await;
    let mut second = from(&server, "203.0.113.1").await.unwrap();
    second.hello(None).await;
    first.drop_connection().await;
    let mut third = from(&server, "203.0.113.1").await.unwrap();
    third.send_text(r#"{"type":"hello","version":1}"#).await;
    assert_eq!(third.error().await.1, ErrorCode::LimitExceeded);
    // It may be resumed, from another network as well, and needs no place of its own for that.
    for address in ["203.0.113.2", "203.0.113.1"] {
        let mut client = from(&server, address).await.unwrap();
        assert!(client.hello(Some(&welcome.token)).await.resumed);
    }
}

#[tokio::test]
async fn websockets_that_say_nothing_are_few_at_one_address() {
    let server = start(two_per_address()).await;
    let mut mute = Vec::new();
    let refused = loop {
        match from(&server, "203.0.113.1").await {
            Ok(client) => mute.push(client),
            Err(Error::Http(response)) => break response.status().as_u16(),
            Err(other) => panic!("{other}"),
        }
    };
    assert_eq!((refused, mute.len()), (429, 4));
    let mut client = from(&server, "203.0.113.2").await.unwrap();
    client.hello(None).await;
}

#[tokio::test]
async fn who_is_no_trusted_proxy_is_not_believed() {
    let mut config = two_per_address();
    config.http.trusted_proxies = vec!["192.0.2.1/32".parse().unwrap()];
    let server = start(config).await;
    let mut clients = Vec::new();
    for address in ["203.0.113.1", "203.0.113.2", "203.0.113.3"] {
        let mut client = from(&server, address).await.unwrap();
        client.send_text(r#"{"type":"hello","version":1}"#).await;
        clients.push(client);
    }
    // Whatever they claim: they are here, and two may be.
    let mut refused = 0;
    for client in &mut clients {
        match client.receive().await {
            ServerMessage::Welcome { .. } => {}
            ServerMessage::Error { code, .. } => {
                assert_eq!(code, ErrorCode::LimitExceeded);
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, 1);
}

#[tokio::test]
async fn without_a_limit_one_address_may_have_all_sessions() {
    let server = start(with(|config| config.limits.sessions_per_address = 0)).await;
    let mut clients = Vec::new();
    for _ in 0..300 {
        let (mut client, _) = Client::greeted(&server).await;
        client.is_served().await;
        clients.push(client);
    }
}

/// All of this machine are one another's loopback: another address is another client.
async fn connect_from(last: usize, server: &Server) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket
        .bind(format!("127.0.0.{last}:0").parse().unwrap())
        .unwrap();
    socket.connect(server.addr()).await.unwrap()
}

/// Asks for something on a connection that stays.
async fn is_answered(stream: &mut TcpStream) {
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let answered = async {
        stream.write_all(request).await.unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(b"\r\n\r\nok") {
            assert_ne!(stream.read_buf(&mut reply).await.unwrap(), 0, "closed");
        }
        assert!(reply.starts_with(b"HTTP/1.1 200 "));
    };
    timeout(PATIENCE, answered).await.unwrap();
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let end = timeout(PATIENCE, stream.read(&mut [0])).await.unwrap();
    matches!(end, Ok(0) | Err(_))
}

#[tokio::test]
async fn an_address_keeps_the_connections_that_asked_last() {
    let server = start(config()).await;
    let mut first = connect_from(1, &server).await;
    is_answered(&mut first).await;
    let mut idle = Vec::new();
    for _ in 0..63 {
        idle.push(connect_from(1, &server).await);
    }
    is_answered(&mut first).await;
    let mut more = Vec::new();
    for _ in 0..20 {
        more.push(connect_from(1, &server).await);
    }
    for stream in &mut idle[..20] {
        assert!(is_closed(stream).await);
    }
    is_answered(&mut first).await;
    is_answered(&mut more[19]).await;
    is_answered(&mut idle[20]).await;
}

/// More than all places, each address with as many as it may have, and none with a word.
#[tokio::test]
async fn a_crowd_that_asks_for_nothing_does_not_close_the_front_door() {
    let server = start(config()).await;
    let (mut websocket, _) = Client::greeted(&server).await;
    let mut witness = connect_from(250, &server).await;
    is_answered(&mut witness).await;
    let mut idle = Vec::new();
    for round in 0..1100 {
        // Sixteen of the largest addresses there can be, and one more that is not full.
        idle.push(connect_from(2 + round / 64, &server).await);
    }
    let mut newcomer = connect_from(251, &server).await;
    is_answered(&mut newcomer).await;
    is_answered(&mut witness).await;
    websocket.is_served().await;
    // What went was the idle ones' own, from the beginning.
    assert!(is_closed(&mut idle[0]).await);
}

#[tokio::test]
async fn before_its_first_message_a_client_may_send_little() {
    let server = start(config()).await;
    let padding = |bytes| " ".repeat(bytes);
    let hello = r#"{"type":"hello","version":1}"#;
    // As many as there are places begin a long one, and do not end it.
    let mut slow = Vec::new();
    for _ in 0..64 {
        let mut client = Client::connect(&server).await;
        begin_message(&mut client, &padding(8 * 1024)).await;
        slow.push(client);
    }
    let long = format!("{}{hello}", padding(8 * 1024));
    let mut refusal = None;
    // A place may be free until all that came was read.
    for _ in 0..1000 {
        let mut client = Client::connect(&server).await;
        client.send_text(&long).await;
        if let ServerMessage::Error { code, message, .. } = client.receive().await {
            assert_eq!(client.closed().await, 4001);
            refusal = Some((code, message));
            break;
        }
    }
    let refusal = refusal.expect("a refusal");
    assert_eq!(refusal.0, ErrorCode::LimitExceeded);
    assert!(refusal.1.contains("begin with a hello"), "{}", refusal.1);
    // A short one needs no place, however often nonsense and pings came before it; a later one neither.
    let mut client = Client::connect(&server).await;
    for _ in 0..20 {
        client.send_text(&padding(1024)).await;
        assert_eq!(client.error().await.1, ErrorCode::BadMessage);
        client.send_frame(Message::Ping(vec![0; 125].into())).await;
    }
    client.send_text(hello).await;
    while !matches!(
        client.receive_message().await,
        ServerMessage::Welcome { .. }
    ) {}
    client
        .send_text(&format!("{}{hello}", padding(8 * 1024)))
        .await;
    assert_eq!(client.error().await.1, ErrorCode::BadState);
    // Places come back.
    drop(slow);
    loop {
        let mut client = Client::connect(&server).await;
        client.send_text(&long).await;
        if let ServerMessage::Welcome { .. } = client.receive().await {
            break;
        }
    }
}

/// The beginning of a message whose end does not come.
async fn begin_message(client: &mut Client, text: &str) {
    let frame = Frame::message(text.to_owned(), OpCode::Data(Data::Text), false);
    client.send_frame(Message::Frame(frame)).await;
}

#[tokio::test]
async fn an_address_has_a_rate_of_offers_over_all_its_sessions() {
    let server = start(with(|config| {
        config.limits.sessions_per_address = 15;
        config.http.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    }))
    .await;
    // Thirty at once, whatever session they come from, and gone ones count.
    let mut refused = Vec::new();
    for _ in 0..5 {
        let mut client = from(&server, "203.0.113.1").await.unwrap();
        for _ in 0..10 {
            client.send_text(r#"{"type":"offer","sdp":"x"}"#).await;
            let (_, code, message) = client.error().await;
            if code == ErrorCode::LimitExceeded {
                refused.push(message);
            }
        }
        client.is_served().await;
    }
    // On a slow machine time passes, and some more are taken.
    assert!((5..=20).contains(&refused.len()), "{}", refused.len());
    assert!(refused[0].contains("from your address"), "{}", refused[0]);
    let mut other = from(&server, "203.0.113.2").await.unwrap();
    other.send_text(r#"{"type":"offer","sdp":"x"}"#).await;
    assert_eq!(other.error().await.1, ErrorCode::BadOffer);
}

#[tokio::test]
async fn too_many_offers_are_refused_and_the_session_goes_on() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    let mut answers = Vec::new();
    for id in 0..40 {
        let text = format!(r#"{{"type":"offer","id":{id},"sdp":"x"}}"#);
        client.send_text(&text).await;
        let (found, code, message) = client.error().await;
        assert_eq!(found, Some(id));
        answers.push((code, message));
    }
    let (taken, refused) = answers.split_at(20);
    assert!(taken.iter().all(|(code, _)| *code == ErrorCode::BadOffer));
    // On a slow machine time passes, and some more are taken.
    let refused = refused
        .iter()
        .find(|(code, _)| *code == ErrorCode::LimitExceeded);
    let (_, message) = refused.expect("one refused");
    assert!(message.contains("2 a second"), "{message}");
    client.is_served().await;
}

/// A call with 32 sections: more than any that real clients make.
fn long_offer() -> String {
    let mut sdp = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n");
    let mids: Vec<_> = (0..32).map(|mid| mid.to_string()).collect();
    sdp += &format!("a=group:BUNDLE {}\r\n", mids.join(" "));
    let digest = ["00"; 32].join(":");
    for mid in mids {
        sdp += &format!(
            "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
             a=ice-ufrag:them\r\na=ice-pwd:theirpasswordtheirpassword\r\na=rtcp-mux\r\n\
             a=fingerprint:sha-256 {digest}\r\na=setup:actpass\r\na=sendrecv\r\n\
             a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtpmap:97 rtx/90000\r\n\
             a=fmtp:97 apt=96\r\n"
        );
    }
    sdp
}

/// Ten clients that make forty offers each, before they read the first answer, until one is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_offers_costs_others_little() {
    let server = start(config()).await;
    let (mut witness, _) = Client::greeted(&server).await;
    let offer = encoded(long_offer());
    let given = Cell::new(0);
    let hostile = (0..10).map(async |_| {
        let (mut client, _) = Client::greeted(&server).await;
        let (mut offers, mut answers) = (0, 0);
        loop {
            // A server that is slow allows more meanwhile.
            while answers == offers || offers % 40 != 0 {
                client.send_text(&offer).await;
                offers += 1;
            }
            match client.receive_message().await {
                ServerMessage::Answer { .. } => {
                    answers += 1;
                    given.set(given.get() + 1);
                }
                ServerMessage::Error { code, .. } => break (answers, code),
                _ => {}
            }
        }
    });
    let flood = futures_util::future::join_all(hostile);
    tokio::pin!(flood);
    let (mut most, mut pings) = (0, 0);
    let ends = loop {
        let before = given.get();
        // As many as may come at once, and then as many as may come in a second, if it takes as long.
        let waits = pings > 100;
        let ping = async {
            if waits {
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
            witness.is_served().await;
        };
        tokio::pin!(ping);
        let ends = tokio::select! {
            ends = &mut flood => {
                // The one that was never answered meanwhile tells the most.
                ping.await;
                Some(ends)
            }
            () = &mut ping => None,
        };
        most = most.max(given.get() - before);
        pings += 1;
        if let Some(ends) = ends {
            break ends;
        }
    };
    let given = given.get();
    println!(
        "{pings} pings beside {given} answers, of which {most} came before one ping's at most"
    );
    // Offers are answered in turn with everything else, however slow the machine is. Every answer came before the
    // pong of some ping: there were more than three.
    assert!(most * 3 < given, "{most} of {given}");
    for (answers, code) in ends {
        assert!(answers >= 20, "{answers}");
        assert_eq!(code, ErrorCode::LimitExceeded);
    }
}

fn encoded(offer: String) -> String {
    let (id, sdp, tracks) = (None, offer, None);
    ClientMessage::Offer { id, sdp, tracks }.encode()
}

async fn is_welcomed(client: &mut Client) -> bool {
    client.send_text(r#"{"type":"hello","version":1}"#).await;
    let reply = client.receive().await;
    matches!(reply, ferrite_protocol::ServerMessage::Welcome { .. })
}

fn normal() -> tokio_tungstenite::tungstenite::protocol::CloseFrame {
    tokio_tungstenite::tungstenite::protocol::CloseFrame {
        code: 1000.into(),
        reason: "".into(),
    }
}

//! Who asks why its call is not connected is told, from what really arrived at the sockets.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_protocol::diagnosis::{Gathered, PairSums};
use ferrite_protocol::{Cause, ClientEvidence, ClientMessage, ErrorCode, RequestId, ServerMessage};
use ferrite_server::Server;
use ferrite_server::media::net::stun::attribute::{PRIORITY, USERNAME};
use ferrite_server::media::net::stun::{Method, TransactionId, Writer};

use crate::support::native::Native;
use crate::support::{Client, PATIENCE, config, start};

mod support;

/// A browser that tried UDP and TCP, and has no answer.
fn seen() -> ClientEvidence {
    let tried = |sent| PairSums {
        pairs: 1,
        sent: Some(sent),
        answered: Some(0),
        lost: Some(0),
    };
    ClientEvidence {
        local: Gathered {
            host: 1,
            complete: true,
            ..Gathered::default()
        },
        remote: 2,
        udp: tried(10),
        tcp: tried(0),
        ..ClientEvidence::default()
    }
}

/// A session with an answered offer, whose checks the test writes.
struct Call {
    client: Client,
    offer: String,
    answer: String,
    port: u16,
}

impl Call {
    async fn begin(server: &Server) -> Self {
        let (mut client, _) = Client::greeted(server).await;
        let offer = Native::new().offer();
        client.offer(offer.clone()).await;
        let answer = loop {
            if let ServerMessage::Answer { sdp, .. } = client.receive_message().await {
                break sdp;
            }
        };
        Self {
            client,
            offer,
            answer,
            port: server.media_port(),
        }
    }

    /// A check for the server's end, from the user name fragment of the offer and with this password.
    fn check(&self, pwd: &str) -> BytesMut {
        let mut out = BytesMut::new();
        let typ = Method::Binding.request();
        let mut writer = Writer::new(&mut out, typ, TransactionId([7; 12]));
        let theirs = attribute(&self.offer, "ice-ufrag");
        let name = format!("{}:{theirs}", attribute(&self.answer, "ice-ufrag"));
        writer.add(USERNAME, name.as_bytes());
        writer.add(PRIORITY, &1_u32.to_be_bytes());
        writer.integrity(pwd.as_bytes());
        writer.fingerprint();
        writer.finish();
        out
    }

    /// What is told of it, once there is something to tell.
    async fn told(&mut self, seen: &ClientEvidence) -> (Cause, String) {
        let deadline = Instant::now() + PATIENCE;
        for number in 1.. {
            let id = Some(RequestId(number));
            let seen = seen.clone();
            self.client.send(ClientMessage::Explain { id, seen }).await;
            let told = self.explained(id).await;
            if told.0 != Cause::Unclear {
                return told;
            }
            assert!(Instant::now() < deadline, "{told:?}");
            // As often as a session may ask.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        unreachable!("numbers do not end");
    }

    async fn explained(&mut self, asked: Option<RequestId>) -> (Cause, String) {
        loop {
            match self.client.receive_message().await {
                ServerMessage::Explained { id, cause, text } if id == asked => {
                    return (cause, text);
                }
                ServerMessage::Error { message, .. } => panic!("{message}"),
                _ => {}
            }
        }
    }
}

/// The value of an attribute of a session description.
fn attribute<'a>(sdp: &'a str, name: &str) -> &'a str {
    let prefix = format!("a={name}:");
    let value = sdp.lines().find_map(|line| line.strip_prefix(&prefix));
    value.unwrap().trim_end()
}

fn udp() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()
}

#[tokio::test]
async fn without_a_call_there_is_none() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    client
        .send_text(r#"{"type":"explain","id":7,"seen":{}}"#)
        .await;
    match client.receive_message().await {
        ServerMessage::Explained { id, cause, .. } => {
            assert_eq!((id, cause), (Some(RequestId(7)), Cause::NoPeer));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn nothing_arrives() {
    let server = start(config()).await;
    let mut call = Call::begin(&server).await;
    let (cause, text) = call.told(&seen()).await;
    assert_eq!(cause, Cause::NothingArrives);
    assert!(
        text.contains(&format!("port {} through", call.port)),
        "{text}"
    );
    let mut without_tcp = seen();
    without_tcp.tcp = PairSums::default();
    assert_eq!(call.told(&without_tcp).await.0, Cause::UdpBlocked);
}

#[tokio::test]
async fn who_does_not_ask_is_told_all_the_same() {
    let server = start(config()).await;
    let mut call = Call::begin(&server).await;
    let (cause, text) = call.explained(None).await;
    assert_eq!(cause, Cause::NothingArrives);
    assert!(text.contains("or the client sends none"), "{text}");
}

#[tokio::test]
async fn checks_have_another_password() {
    let server = start(config()).await;
    let mut call = Call::begin(&server).await;
    let check = call.check("the password of another call");
    udp()
        .send_to(&check, (Ipv4Addr::LOCALHOST, call.port))
        .unwrap();
    let (cause, text) = call.told(&seen()).await;
    assert_eq!(cause, Cause::WrongPassword, "{text}");
}

/// Our answers go to sockets that nobody reads.
#[tokio::test]
async fn answers_are_not_heard() {
    let server = start(config()).await;
    for by_tcp in [false, true] {
        let mut call = Call::begin(&server).await;
        let check = call.check(attribute(&call.answer, "ice-pwd"));
        let (udp, mut tcp) = (
            udp(),
            TcpStream::connect((Ipv4Addr::LOCALHOST, call.port)).unwrap(),
        );
        for _ in 0..5 {
            match by_tcp {
                false => {
                    _ = udp
                        .send_to(&check, (Ipv4Addr::LOCALHOST, call.port))
                        .unwrap()
                }
                true => {
                    tcp.write_all(&(check.len() as u16).to_be_bytes()).unwrap();
                    tcp.write_all(&check).unwrap();
                }
            }
        }
        let (cause, text) = call.told(&seen()).await;
        assert_eq!(cause, Cause::AnswersLost, "{text}");
        let way = if by_tcp { "(5, by TCP)" } else { "(5, by UDP)" };
        assert!(text.contains(way), "{text}");
        // Where the client has heard answers by TCP, its UDP is what is missing.
        let mut heard = seen();
        heard.tcp.answered = Some(5);
        let expected = if by_tcp {
            Cause::OnlyTcpArrives
        } else {
            Cause::NotNominated
        };
        assert_eq!(call.told(&heard).await.0, expected);
    }
}

/// The question and the end of its call are on their way together, and each has its answer.
#[tokio::test]
async fn who_asks_and_hangs_up_is_answered_twice() {
    let server = start(config()).await;
    let mut call = Call::begin(&server).await;
    let (why, end) = (Some(RequestId(7)), Some(RequestId(8)));
    let seen = seen();
    call.client
        .send(ClientMessage::Explain { id: why, seen })
        .await;
    call.client.send(ClientMessage::HangUp { id: end }).await;
    call.explained(why).await;
    loop {
        if let ServerMessage::HungUp { id } = call.client.receive_message().await {
            assert_eq!(id, end);
            break;
        }
    }
}

#[tokio::test]
async fn more_than_ten_explanations_at_once_are_refused_and_the_session_goes_on() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    let mut refused = 0;
    for _ in 0..20 {
        client.send_text(r#"{"type":"explain","seen":{}}"#).await;
        match client.receive_message().await {
            ServerMessage::Explained { .. } => {}
            ServerMessage::Error { code, .. } => {
                assert_eq!(code, ErrorCode::LimitExceeded);
                refused += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // How many depends on how long the twenty took.
    assert!(refused > 0);
    client.is_served().await;
}

//! What a client gets for its offer, before a single packet has flowed.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};

use ferrite_protocol::{ClientMessage, ErrorCode, IceCandidate, RequestId, ServerMessage};

use crate::support::native::{Native, certificate};
use crate::support::{Client, config, start, with};

mod support;

/// A browser's, with data channels and nothing else.
const OFFER: &str = "v=0\r\n\
    o=- 2163386196775218674 2 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:cg3+\r\n\
    a=ice-pwd:t0DZ5HaE9+j8AL20xZVVRlh5\r\n\
    a=ice-options:trickle\r\n\
    a=fingerprint:sha-256 C9:38:87:35:3F:5D:50:C0:1B:3D:7B:FE:2E:64:41:C1:\
    6F:9B:46:D9:EB:03:70:31:B1:4F:C2:67:3F:EB:20:54\r\n\
    a=setup:actpass\r\n\
    a=mid:0\r\n\
    a=sctp-port:5000\r\n\
    a=max-message-size:262144\r\n";

async fn offer(client: &mut Client, id: Option<u32>) -> String {
    client
        .send(ClientMessage::Offer {
            id: id.map(RequestId),
            sdp: OFFER.to_owned(),
            tracks: None,
        })
        .await;
    match client.receive().await {
        ServerMessage::Answer { id: found, sdp } => {
            assert_eq!(found.map(|id| id.0), id);
            sdp
        }
        other => panic!("expected an answer, got {other:?}"),
    }
}

/// The candidates that come after a first answer, to their end.
async fn candidates(client: &mut Client) -> Vec<IceCandidate> {
    let mut candidates = Vec::new();
    loop {
        match client.receive().await {
            ServerMessage::Candidate { candidate } => candidates.push(candidate),
            ServerMessage::EndOfCandidates {} => return candidates,
            other => panic!("expected a candidate, got {other:?}"),
        }
    }
}

fn has_loopback(candidates: &[IceCandidate]) -> bool {
    candidates
        .iter()
        .any(|candidate| candidate.candidate.contains(" 127.0.0.1 "))
}

#[tokio::test]
async fn a_client_that_only_offers_gets_an_answer_and_candidates() {
    let server = start(config()).await;
    let mut client = Client::connect_with(server.addr(), &[]).await.unwrap();
    let answer = offer(&mut client, None).await;
    assert!(answer.starts_with("v=0\r\n") && answer.contains("webrtc-datachannel"));
    let candidates = candidates(&mut client).await;
    let port = format!(" {} typ host", server.media_port());
    assert!(!candidates.is_empty());
    for candidate in &candidates {
        assert!(candidate.candidate.contains(&port), "{candidate:?}");
    }
    // As browsers say it at the end.
    client
        .send_text(r#"{"type":"candidate","candidate":null}"#)
        .await;
    client.is_served().await;
}

#[tokio::test]
async fn a_client_may_send_its_candidates_before_its_offer() {
    let server = start(config()).await;
    let mut client = Client::connect_with(server.addr(), &[]).await.unwrap();
    let candidate = r#"{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host","sdpMid":"0"}"#;
    for candidate in [candidate, "null"] {
        let text = format!(r#"{{"type":"candidate","candidate":{candidate}}}"#);
        client.send_text(&text).await;
    }
    // An error would come before the answer.
    offer(&mut client, None).await;
}

#[tokio::test]
async fn candidates_come_with_the_first_answer_only() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    let first = offer(&mut client, Some(1)).await;
    candidates(&mut client).await;
    let second = offer(&mut client, Some(2)).await;
    client.is_served().await;
    let ufrag = |sdp: &str| {
        let line = sdp.lines().find(|line| line.starts_with("a=ice-ufrag:"));
        line.unwrap().to_owned()
    };
    assert_eq!(ufrag(&first), ufrag(&second));

    // After hanging up it is another peer connection.
    client.send_text(r#"{"type":"hangUp"}"#).await;
    assert_eq!(client.receive().await, ServerMessage::HungUp { id: None });
    let third = offer(&mut client, Some(3)).await;
    candidates(&mut client).await;
    assert_ne!(ufrag(&first), ufrag(&third));
}

/// The next answer and the candidates after it, past what is told of an earlier peer.
async fn first_answer(client: &mut Client, sdp: String) -> String {
    client.offer(sdp).await;
    loop {
        match client.receive().await {
            ServerMessage::Answer { sdp, .. } => {
                candidates(client).await;
                return sdp;
            }
            ServerMessage::PeerState { .. } => {}
            other => panic!("expected an answer, got {other:?}"),
        }
    }
}

/// A client that threw its peer connection away calls again over the signalling it had.
#[tokio::test(flavor = "multi_thread")]
async fn another_peer_connection_over_the_same_signalling_is_another_call() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    let mut calls = Vec::new();
    // As somebody else, and once more as itself: pages may keep a certificate (RTCPeerConnection.generateCertificate).
    let (first, other) = (certificate(), certificate());
    for (message, certificate) in [("first", &first), ("again", &other), ("same", &other)] {
        let mut native = Native::with(certificate.clone());
        let answer = first_answer(&mut client, native.offer()).await;
        native.take_answer(&answer);
        native.run_until("connected", Native::is_open);
        native.echo(message.as_bytes());
        calls.push(native);
    }
    // With fewer sections than before, too.
    let answer = first_answer(&mut client, OFFER.to_owned()).await;
    assert_eq!(answer.matches("m=").count(), 1);
    // What cannot be answered takes nothing away.
    let sdp = OFFER
        .replace("2163386196775218674", "7")
        .replace("cg3+", "new+");
    let sdp = sdp.replace("a=fingerprint", "a=nothing");
    client.offer(sdp).await;
    let refused = client.receive().await;
    assert!(
        matches!(refused, ServerMessage::Error { .. }),
        "{refused:?}"
    );
    let again = offer(&mut client, None).await;
    client.is_served().await;
    let ufrag = |sdp: &str| {
        let line = sdp.lines().find(|line| line.starts_with("a=ice-ufrag:"));
        line.unwrap().to_owned()
    };
    assert_eq!(ufrag(&again), ufrag(&answer));
}

#[tokio::test]
async fn the_peer_outlives_the_websocket() {
    let server = start(config()).await;
    let (mut client, welcome) = Client::greeted(&server).await;
    offer(&mut client, None).await;
    candidates(&mut client).await;
    client.drop_connection().await;
    let (mut client, again) = Client::resuming(&server, &welcome.token).await;
    assert!(again.resumed);
    // The same one: its candidates were sent, and what its answers need is inside them.
    let answer = offer(&mut client, None).await;
    assert!(answer.contains("a=candidate:"));
    client.is_served().await;
}

#[tokio::test]
async fn loopback_is_offered_to_pages_of_this_machine_only() {
    let server = start(config()).await;
    let mut here = Client::connect(&server).await;
    offer(&mut here, None).await;
    assert!(has_loopback(&candidates(&mut here).await));

    let proxied = [("x-forwarded-for", "203.0.113.9")];
    let mut there = Client::connect_with(server.addr(), &proxied).await.unwrap();
    offer(&mut there, None).await;
    assert!(!has_loopback(&candidates(&mut there).await));
}

#[tokio::test]
async fn media_is_received_at_no_other_address_than_it_is_told() {
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let server = start(with(|config| config.media.listen = vec![loopback])).await;
    let port = server.media_port();
    let mut client = Client::connect(&server).await;
    offer(&mut client, None).await;
    let candidates = candidates(&mut client).await;
    assert!(!candidates.is_empty());
    for IceCandidate { candidate, .. } in &candidates {
        assert!(candidate.contains(" 127.0.0.1 "), "{candidate}");
    }
    // Both would be taken, if the server had every address.
    let other = IpAddr::from([127, 0, 0, 2]);
    UdpSocket::bind((other, port)).unwrap();
    TcpListener::bind((other, port)).unwrap();
    assert!(UdpSocket::bind((loopback, port)).is_err());
    assert!(TcpListener::bind((loopback, port)).is_err());
}

#[tokio::test]
async fn the_address_behind_a_nat_is_offered() {
    let server = start(with(|config| {
        config.media.external_ips = vec![std::net::IpAddr::from([203, 0, 113, 7]).into()]
    }))
    .await;
    let mut client = Client::connect(&server).await;
    offer(&mut client, None).await;
    let candidates = candidates(&mut client).await;
    let is_there = |candidate: &IceCandidate| candidate.candidate.contains(" 203.0.113.7 ");
    assert!(candidates.iter().any(is_there), "{candidates:?}");
}

/// Not only the first, which a WebSocket may have swallowed; nor is it left to messages beside it.
#[tokio::test]
async fn every_answer_says_where_a_server_of_ipv4_is_behind_nat64() {
    let server = start(with(|config| {
        config.media.listen = vec![Ipv4Addr::LOCALHOST.into()];
        config.media.external_ips = vec![IpAddr::from([203, 0, 113, 7]).into()];
    }))
    .await;
    let (mut client, _) = Client::greeted(&server).await;
    let behind = " 64:ff9b::cb00:7107 ";
    let first = offer(&mut client, None).await;
    let told = candidates(&mut client).await;
    let last = told.last().unwrap();
    assert!(last.candidate.contains(behind), "{told:?}");
    let again = offer(&mut client, None).await;
    for answer in [first, again] {
        assert!(answer.contains(behind), "{answer}");
    }
}

#[tokio::test]
async fn a_bad_candidate_is_refused_and_the_call_goes_on() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    offer(&mut client, None).await;
    candidates(&mut client).await;
    refuses_nonsense(&mut client).await;
    offer(&mut client, None).await;
    client.is_served().await;
}

async fn refuses_nonsense(client: &mut Client) {
    let long = "x".repeat(1000);
    for (text, quoted) in [("nonsense", "\"nonsense\""), (&long, "xxx…\"")] {
        let text = format!(r#"{{"type":"candidate","candidate":{{"candidate":"{text}"}}}}"#);
        client.send_text(&text).await;
        let (_, code, message) = client.error().await;
        assert_eq!(code, ErrorCode::BadCandidate);
        assert!(message.contains(quoted) && message.len() < 200, "{message}");
    }
}

#[tokio::test]
async fn a_bad_candidate_is_refused_before_the_offer_too_and_a_good_one_waits_for_nothing() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    refuses_nonsense(&mut client).await;
    for candidate in [
        r#"{"candidate":"candidate:1 1 udp 1 203.0.113.53 9 typ host"}"#,
        r#"{"candidate":""}"#,
        "null",
    ] {
        let text = format!(r#"{{"type":"candidate","candidate":{candidate}}}"#);
        client.send_text(&text).await;
    }
    client.is_served().await;
}

/// A browser's, with sound, pictures and data.
const CALL: &str =
    include_str!("../src/media/sdp/testdata/chromium-audio-video-data/1-first.offer.sdp");

/// The offer, each line edited on its own.
fn edited(edit: impl Fn(&str) -> String) -> String {
    CALL.lines().map(edit).collect()
}

#[tokio::test]
async fn an_offer_of_another_age_is_refused_with_the_reason() {
    let without = |what: &'static str| {
        edited(move |line| match line.starts_with(what) {
            true => String::new(),
            false => format!("{line}\r\n"),
        })
    };
    let sdes = edited(|line| match line.starts_with("a=fingerprint:") {
        true => {
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"
                .to_owned()
        }
        false => format!("{line}\r\n"),
    });
    let plan_b = edited(
        |line| match line.starts_with("a=ssrc:") && line.contains(" msid:") {
            true => format!("{line}\r\na=ssrc:5 msid:- another-track\r\n"),
            false => format!("{line}\r\n"),
        },
    );
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    for (sdp, why) in [
        (without("a=group:BUNDLE"), "a=group:BUNDLE"),
        (without("a=rtcp-mux"), "a=rtcp-mux"),
        (sdes, "SDES"),
        (plan_b, "Plan B"),
    ] {
        assert_ne!(sdp, CALL, "{why}");
        let id = Some(RequestId(7));
        client
            .send(ClientMessage::Offer {
                id,
                sdp,
                tracks: None,
            })
            .await;
        let (id, code, message) = client.error().await;
        assert_eq!((id, code), (Some(7), ErrorCode::BadOffer), "{why}");
        assert!(message.contains(why), "{why}: {message}");
    }
    // As it was, it is answered.
    let sdp = edited(|line| format!("{line}\r\n"));
    client.offer(sdp).await;
    let answer = client.receive().await;
    assert!(matches!(answer, ServerMessage::Answer { .. }), "{answer:?}");
}

#[tokio::test]
async fn a_bad_offer_changes_nothing() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    let first = offer(&mut client, None).await;
    candidates(&mut client).await;
    client.send_text(r#"{"type":"offer","sdp":"v=0"}"#).await;
    assert_eq!(client.error().await.1, ErrorCode::BadOffer);
    let again = offer(&mut client, None).await;
    let fingerprint = |sdp: &str| {
        let line = sdp.lines().find(|line| line.starts_with("a=fingerprint:"));
        line.unwrap().to_owned()
    };
    assert_eq!(fingerprint(&first), fingerprint(&again));
    client.is_served().await;
}

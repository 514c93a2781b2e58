//! How a session begins, and what a client is told that gets it wrong.

use ferrite_protocol::{ErrorCode, ServerMessage};
use ferrite_server::Config;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Client, config, start};

mod support;

#[tokio::test]
async fn a_hello_is_answered_with_a_welcome() {
    let server = start(config()).await;
    let mut client = Client::connect(&server).await;
    client.send_text(r#"{"type":"hello","version":1}"#).await;
    let ServerMessage::Welcome {
        version,
        session,
        resume_token,
        resumed,
        ping_interval_ms,
        ..
    } = client.receive().await
    else {
        panic!("no welcome")
    };
    assert_eq!((version, resumed, ping_interval_ms), (1, false, 15_000));
    assert!(!session.0.is_empty());
    // 256 bits, and the session they are for.
    assert!(resume_token.0.len() > 64);
    client.is_served().await;
}

#[tokio::test]
async fn a_welcome_brings_a_relay_of_its_own_and_the_servers_that_were_set() {
    let mut config = config();
    let more = r#"{"urls": "stun:relay.example.org:80"}"#;
    let set = ["ferrite", "--ice-servers", more].map(Into::into);
    config.turn = Config::load(set).unwrap().turn;
    let server = start(config).await;
    let mut names = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(&server).await;
        client.send_text(r#"{"type":"hello","version":1}"#).await;
        let ServerMessage::Welcome { ice_servers, .. } = client.receive().await else {
            panic!("no welcome")
        };
        let [ours, other] = &ice_servers[..] else {
            panic!("{ice_servers:?}")
        };
        let port = format!(":{}?transport=", server.media_port());
        assert!(
            ours.urls
                .iter()
                .all(|url| url.starts_with("turn:") && url.contains(&port))
        );
        let transports = ["udp", "tcp"].map(|end| ours.urls.iter().any(|url| url.ends_with(end)));
        // Chromium takes what comes from a relay's address for the relay's, and the direct path would be deaf.
        assert_eq!(transports, [false, true]);
        assert_eq!(other.urls, ["stun:relay.example.org:80"]);
        assert!(other.username.is_none());
        // Good for 140 bits.
        assert!(ours.credential.as_ref().unwrap().len() >= 24);
        names.push(ours.username.clone().unwrap());
    }
    assert_ne!(names[0], names[1]);
}

#[tokio::test]
async fn no_two_sessions_are_called_the_same() {
    let server = start(config()).await;
    let (_first, one) = Client::greeted(&server).await;
    let (_second, other) = Client::greeted(&server).await;
    assert_ne!(one.session, other.session);
    assert_ne!(one.token, other.token);
}

#[tokio::test]
async fn the_subprotocol_is_agreed_on_if_it_is_offered() {
    let server = start(config()).await;
    let protocol = "sec-websocket-protocol";
    let offered = [(protocol, "other, ferrite.v1")];
    let client = Client::connect_with(server.addr(), &offered).await.unwrap();
    assert_eq!(client.response.headers()[protocol], "ferrite.v1");

    let mut client = Client::connect_with(server.addr(), &[]).await.unwrap();
    assert!(!client.response.headers().contains_key(protocol));
    client.is_served().await;
}

#[tokio::test]
async fn a_client_of_another_version_is_told_both() {
    let server = start(config()).await;
    let mut client = Client::connect(&server).await;
    client.send_text(r#"{"type":"hello","version":7}"#).await;
    let (_, code, message) = client.error().await;
    assert_eq!(code, ErrorCode::VersionMismatch);
    assert!(
        message.contains("version 7") && message.contains("version 1"),
        "{message}"
    );
    assert_eq!(client.closed().await, 4000);
}

#[tokio::test]
async fn a_hello_comes_first_and_once() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    client.send_text(r#"{"type":"hello","version":1}"#).await;
    assert_eq!(client.error().await.1, ErrorCode::BadState);
    client.is_served().await;

    let mut client = Client::connect(&server).await;
    client.is_served().await;
    client.send_text(r#"{"type":"hello","version":1}"#).await;
    assert_eq!(client.error().await.1, ErrorCode::BadState);
    client.is_served().await;
}

#[tokio::test]
async fn whatever_a_client_gets_wrong_its_session_goes_on() {
    let server = start(config()).await;
    let (mut witness, _) = Client::greeted(&server).await;
    let (greeted, _) = Client::greeted(&server).await;
    let plain = Client::connect_with(server.addr(), &[]).await.unwrap();
    for mut client in [greeted, plain] {
        for (text, id, code) in [
            (
                r#"{"type":"dance","id":3}"#,
                Some(3),
                ErrorCode::UnknownType,
            ),
            (r#"{"type":"offer","id":4}"#, Some(4), ErrorCode::BadMessage),
            (
                r#"{"type":"offer","id":5,"sdp":"x"}"#,
                Some(5),
                ErrorCode::BadOffer,
            ),
            (r#"{"type":"offer","sdp":""}"#, None, ErrorCode::BadOffer),
            (r#"{"type":"leave","id":6}"#, Some(6), ErrorCode::BadState),
            (
                r#"{"type":"join","id":7,"room":""}"#,
                Some(7),
                ErrorCode::BadState,
            ),
            ("{}", None, ErrorCode::BadMessage),
            ("[]", None, ErrorCode::BadMessage),
            ("", None, ErrorCode::BadMessage),
            ("hello", None, ErrorCode::BadMessage),
        ] {
            client.send_text(text).await;
            let (found, found_code, message) = client.error().await;
            assert_eq!((found, found_code), (id, code), "{text}: {message}");
        }
        client.send_frame(Message::binary(vec![1, 2, 3])).await;
        assert_eq!(client.error().await.1, ErrorCode::BadMessage);
        client.is_served().await;
    }
    witness.is_served().await;
}

#[tokio::test]
async fn hanging_up_is_answered_whether_there_was_a_call_or_not() {
    let server = start(config()).await;
    let (mut client, _) = Client::greeted(&server).await;
    client.send_text(r#"{"type":"hangUp","id":9}"#).await;
    match client.receive().await {
        ServerMessage::HungUp { id: Some(id) } => assert_eq!(id.0, 9),
        other => panic!("{other:?}"),
    }
}

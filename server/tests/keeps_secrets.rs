//! What the log tells, and what it does not.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use ferrite_protocol::{ClientMessage, ResumeToken, ServerMessage};

use crate::support::Client;
use crate::support::native::Native;
use crate::support::process::{Running, ferrite, run};

mod support;

#[tokio::test]
async fn sessions_can_be_followed_without_tokens_descriptions_or_addresses() {
    let flags = [
        "--log-format",
        "json",
        "--log",
        "info",
        "--log-addresses",
        "none",
    ];
    let server = Running::start(&flags).await;
    let mut client = Client::connect_with(server.addr, &[]).await.unwrap();
    let first = client.hello(None).await;
    client.join("hideout").await;
    client.offer("v=0\r\no=marker".to_owned()).await;
    client.error().await;
    client.send_text(r#"{"type":"marker"}"#).await;
    client.error().await;
    client.drop_connection().await;
    let mut client = Client::connect_with(server.addr, &[]).await.unwrap();
    let second = client.hello(Some(&first.token)).await;
    assert!(second.resumed);
    client.joined().await;
    let (_, _, log) = server.end("-TERM").await;

    let (_, secret) = first.token.0.split_once('.').unwrap();
    for hidden in [secret, "marker", "hideout", "127.0.0.1"] {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said = |message: &str| {
        lines.iter().any(|line| {
            line["fields"]["message"] == message && line["span"]["id"] == first.session.as_str()
        })
    };
    for message in ["opened", "joined a room", "resumed"] {
        assert!(said(message), "{message} in {log}");
    }
}

/// One session that is closed, and one that waits; what the log says of the former's client.
async fn opened_and_closed(addresses: &str) -> (String, String) {
    let flags = [
        "--trusted-proxies",
        "127.0.0.1",
        "--log-addresses",
        addresses,
    ];
    let server = Running::start(&flags).await;
    let from = [("x-forwarded-for", "203.0.113.52")];
    let mut client = Client::connect_with(server.addr, &from).await.unwrap();
    client.hello(None).await;
    client.leave().await;
    let mut other = Client::connect_with(server.addr, &from).await.unwrap();
    other.hello(None).await;
    other.drop_connection().await;
    let mut late = Client::connect_with(server.addr, &from).await.unwrap();
    late.send_text(r#"{"type":"hello","version":99}"#).await;
    assert_eq!(late.closed().await, 4000);
    let (_, _, log) = server.end("-TERM").await;
    let line = |word: &str| {
        let mut lines = log.lines().filter(|line| line.contains(word));
        let line = lines.next().unwrap_or_else(|| panic!("no {word} in {log}"));
        line.to_owned()
    };
    let refused = line("refused a client");
    assert!(refused.contains("version 99"), "{refused}");
    let waiting = line("waiting to be resumed");
    assert!(waiting.contains("the connection broke"), "{waiting}");
    (line("opened"), line("closed"))
}

#[tokio::test]
async fn the_log_says_who_came_and_why_they_left_as_far_as_it_may() {
    for (addresses, seen, hidden) in [
        ("full", "203.0.113.52", "203.0.113.0"),
        ("network", "203.0.113.0", "203.0.113.52"),
        ("none", "opened", "203.0.113"),
    ] {
        let (opened, closed) = opened_and_closed(addresses).await;
        assert!(opened.contains(seen), "{opened}");
        assert!(!opened.contains(hidden), "{opened}");
        assert!(
            closed.contains("the client closed with code 1000"),
            "{closed}"
        );
    }
}

/// Data channels and nothing else.
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 203.0.113.50\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 203.0.113.51\r\n\
    a=ice-ufrag:theirufrag\r\na=ice-pwd:theirpasswordtheirpassword\r\n\
    a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
    a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\n";

/// Calls and gives the answer.
async fn call(client: &mut Client) -> String {
    let sdp = OFFER.to_owned();
    client.offer(sdp).await;
    let ServerMessage::Answer { sdp, .. } = client.receive().await else {
        panic!("no answer");
    };
    while client.receive().await != (ServerMessage::EndOfCandidates {}) {}
    sdp
}

fn attribute(sdp: &str, name: &str) -> String {
    let mut lines = sdp.lines();
    let value = lines.find_map(|line| line.strip_prefix(&format!("a={name}:")));
    value.unwrap().to_owned()
}

/// A check with a wrong password, as far as anybody can tell before looking at it.
fn check(ufrag: &str) -> Vec<u8> {
    let name = format!("{ufrag}:theirufrag");
    let padded = name.len().div_ceil(4) * 4;
    let mut datagram = vec![0, 1];
    datagram.extend((padded as u16 + 4).to_be_bytes());
    datagram.extend([0x21, 0x12, 0xA4, 0x42]);
    datagram.extend([7; 12]);
    datagram.extend([0, 6]);
    datagram.extend((name.len() as u16).to_be_bytes());
    datagram.extend(name.as_bytes());
    datagram.resize(24 + padded, 0);
    datagram
}

/// Everything that goes wrong from outside, at the level below which secrets may be logged.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one attack after the other")]
async fn whatever_strangers_do_the_log_stays_short_and_keeps_what_is_theirs() {
    let flags = [
        "--log",
        "info",
        "--log-addresses",
        "none",
        "--max-sessions-per-address",
        "3",
        "--max-message-rate",
        "10",
        "--trusted-proxies",
        "127.0.0.1",
    ];
    let server = Running::start(&flags).await;
    let proxied = [("x-forwarded-for", "203.0.113.52")];
    let mut client = Client::connect_with(server.addr, &proxied).await.unwrap();
    let first = client.hello(None).await;
    let answer = call(&mut client).await;
    let candidate = r#"{"type":"candidate","candidate":{"candidate":"candidate:1 1 udp 1 203.0.113.53 9 typ host"}}"#;
    client.send_text(candidate).await;
    client.is_served().await;

    // Strangers at the media port, and wrong passwords.
    let stranger = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let soon = Duration::from_secs(20);
    stranger.set_read_timeout(Some(soon)).unwrap();
    let wrong = check(&attribute(&answer, "ice-ufrag"));
    for _ in 0..500 {
        for datagram in [
            &wrong[..],
            &check("nobody"),
            &[22; 1200],
            &[128; 1200],
            &[7],
        ] {
            let to = ("127.0.0.1", server.media_port);
            stranger.send_to(datagram, to).unwrap();
        }
    }
    // Strangers at the door: another origin, a wrong token, one session too many, too many frames.
    let origin = [("origin", "http://stranger.example"), ("host", "inside")];
    let mut page = Client::connect_with(server.addr, &origin).await.unwrap();
    assert_eq!(page.closed().await, 4004);
    for _ in 0..20 {
        let mut guess = Client::connect_with(server.addr, &[]).await.unwrap();
        let token = ResumeToken(format!("{}.secretguess", first.session));
        guess
            .send(ClientMessage::Hello {
                version: 1,
                client: None,
                resume_token: Some(token),
                last_message: None,
            })
            .await;
        guess.receive().await;
        guess.drop_connection().await;
    }
    client.drop_connection().await;
    let mut again = Client::connect_with(server.addr, &proxied).await.unwrap();
    let second = again.hello(Some(&first.token)).await;
    for _ in 0..100 {
        again.send_text("strangeframe").await;
    }
    assert_eq!(again.closed().await, 4001);
    let (_, _, log) = server.end("-TERM").await;

    let secret = |token: &ResumeToken| token.0.split_once('.').unwrap().1.to_owned();
    let hidden = [
        secret(&first.token),
        secret(&second.token),
        attribute(&answer, "ice-ufrag"),
        attribute(&answer, "ice-pwd"),
    ];
    let words = "secretguess strangeframe theirufrag theirpassword a=setup \
                 203.0.113. 127.0.0.1";
    let words = words.split_whitespace().map(str::to_owned);
    for hidden in hidden.into_iter().chain(words) {
        assert!(!log.contains(&hidden), "{hidden} in {log}");
    }
    assert!(log.contains("resumed"), "{log}");
    // A line or two for each session that was opened; of 2500 datagrams nothing.
    assert!(log.lines().count() < 100, "{log}");
}

/// What a description must not lend to the log: its credentials, fingerprints and addresses.
fn secrets(sdp: &str) -> Vec<&str> {
    let of_line = |line: &'static str| {
        let values = sdp
            .lines()
            .filter_map(move |found| found.strip_prefix(line));
        values.collect::<Vec<_>>()
    };
    let fingerprints = of_line("a=fingerprint:");
    let fingerprints = fingerprints
        .iter()
        .filter_map(|value| value.split(' ').nth(1));
    let candidates = of_line("a=candidate:");
    let addresses = candidates
        .iter()
        .filter_map(|value| value.split(' ').nth(4));
    let credentials = [of_line("a=ice-ufrag:"), of_line("a=ice-pwd:")].concat();
    credentials
        .into_iter()
        .chain(fingerprints)
        .chain(addresses)
        .collect()
}

/// Whether a word is in the log, as a whole where it is short enough to be there by chance.
fn tells(log: &str, word: &str) -> bool {
    match word.len() {
        ..8 => log
            .split(|c: char| !c.is_ascii_alphanumeric() && !"+/.:".contains(c))
            .any(|found| found == word),
        _ => log.contains(word),
    }
}

#[tokio::test]
async fn a_call_can_be_followed_without_what_its_descriptions_say() {
    let flags = [
        "--log-format",
        "json",
        "--log",
        "info",
        "--log-addresses",
        "none",
    ];
    let server = Running::start(&flags).await;
    let mut client = Client::connect_with(server.addr, &[]).await.unwrap();
    let welcome = client.hello(None).await;
    let mut native = Native::new();
    let offer = native.offer();
    let sdp = offer.clone();
    client.offer(sdp).await;
    let ServerMessage::Answer { sdp: answer, .. } = client.receive().await else {
        panic!("no answer");
    };
    native.take_answer(&answer);
    native.run_until("a channel", Native::is_open);
    native.echo(b"confidential");
    native.run_until("sound", |native| native.frames > 10);
    client.send_text(r#"{"type":"hangUp"}"#).await;
    while !matches!(client.receive().await, ServerMessage::HungUp { .. }) {}
    let (_, _, log) = server.end("-TERM").await;

    for sdp in [&offer, &answer] {
        let secrets = secrets(sdp);
        assert!(secrets.len() >= 4, "{sdp}");
        for secret in secrets {
            assert!(!tells(&log, secret), "{secret} in {log}");
        }
    }
    assert!(!log.contains("confidential"));
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let of_session = |line: &serde_json::Value| line["span"]["id"] == welcome.session.as_str();
    let told: Vec<_> = lines
        .filter(of_session)
        .map(|line| line["fields"].clone())
        .collect();
    let states = told
        .iter()
        .filter(|fields| fields["message"] == "peer connection state");
    let states: Vec<_> = states.map(|fields| fields["connection"].clone()).collect();
    assert!(states.contains(&"Connecting".into()), "{log}");
    assert_eq!(states.last(), Some(&"Connected".into()), "{log}");
    assert!(
        told.iter().any(|fields| fields["message"] == "hung up"),
        "{log}"
    );
}

/// What is given to a server to keep is shown by nothing that it writes: not at any level of its log, not
/// by its help, and not by what it says of a command line that is wrong.
#[tokio::test]
async fn secrets_of_tokens_are_never_shown() {
    const SECRET: &str = "hush0123456789abcdef0123456789ab";
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("kept.keys");
    std::fs::write(&path, format!("filed:{SECRET}\n")).unwrap();
    let (key, path) = (format!("given:{SECRET}"), path.to_str().unwrap());
    let given = ["--token-key", &key, "--token-key-file", path];

    let server = Running::start(&[&given[..], &["--log", "trace"]].concat()).await;
    let mut client = Client::connect_with(server.addr, &[]).await.unwrap();
    client.hello(None).await;
    client.leave().await;
    let (_, _, log) = server.end("-TERM").await;
    assert!(log.contains("opened"), "{log}");

    let token = ["token", "--room", "den", "--identity", "alice"];
    let mistakes = [
        vec!["--help"],
        vec!["token", "--help"],
        vec!["--listen", "nowhere"],
        vec!["--token-kez", &key],
        vec!["--token-key", "given", SECRET],
        vec!["--token-key", &key, SECRET],
        vec!["--token-key-file", SECRET],
        vec!["--token-key-file"],
        token.to_vec(),
    ];
    let mut said = vec![log];
    for mistake in mistakes {
        for arguments in [[&mistake[..], &given].concat(), mistake.clone()] {
            let mut command = ferrite(&arguments);
            command.env("FERRITE_TOKEN_KEY", &key);
            let output = run(command).await;
            said.push(String::from_utf8([output.stdout, output.stderr].concat()).unwrap());
        }
    }
    for said in said {
        assert!(!said.contains("hush"), "{said}");
    }
}

//! What the process says when it cannot do what it is told: one line, and exit code 2.
// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;

use tokio::process::Command;

use crate::support::process::{Running, ferrite, run};

mod support;

/// The one line on standard error.
async fn refusal(command: Command) -> String {
    let output = run(command).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(output.stdout.is_empty());
    text
}

fn file(name: &str, content: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_flag_that_makes_no_sense_is_named() {
    for (arguments, expected) in [
        (&["--lisen", "x"][..], "did you mean --listen"),
        (&["--listen", "x"], "--listen"),
        (&["--listen", "300.1.1.1:80"], "--listen"),
        (&["--media-port", "70000"], "--media-port"),
        (&["--media-listen", "198.51.100.1"], "--media-listen"),
        (
            &["--media-listen", "127.0.0.1,127.0.0.2"],
            "--media-listen: give one IPv4",
        ),
        (&["--external-ip", "here"], "--external-ip"),
        (&["--external-ip", "0.0.0.0"], "--external-ip"),
        (
            &["--external-ip", "auto"],
            "--external-ip: auto asks STUN servers; name one",
        ),
        (&["--allowed-origins", "app.example"], "--allowed-origins"),
        (&["--log", "loud"], "--log"),
        (&["--log-format", "xml"], "--log-format"),
        (&["--www", "/does/not/exist"], "--www"),
        (&["--resume-time", "soon"], "--resume-time"),
        (&["--resume-time", "30"], "a time with its unit"),
        (&["--resume-time", "25h"], "--resume-time: give 0s to 24h"),
        (&["--ping-interval", "0s"], "--ping-interval: give 1s to 1h"),
        (&["--shards", "100000"], "--shards: give 0 to"),
        (
            &["--allowed-origins", "https://app.example/"],
            "--allowed-origins: remove the slash",
        ),
        (&["--max-sessions", "0"], "--max-sessions"),
        (&["--max-sessions", "99999999999"], "--max-sessions"),
        (
            &["--max-sessions-per-address", "few"],
            "--max-sessions-per-address",
        ),
        (&["--trusted-proxies", "10.0.0.0/40"], "--trusted-proxies"),
        (&["--turn-allow", "10.0.0.0/40"], "--turn-allow"),
        (&["--interface", "10.0.0.0/40"], "--interface"),
        (&["--turn-deny", "10.0.0.0/8,inside"], "--turn-deny"),
        (&["--relay-ports", "50000"], "--relay-ports"),
        (&["--turn-shared-secret", ","], "--turn-shared-secret"),
        (
            &["--turn-shared-secret-file", "/does/not/exist"],
            "--turn-shared-secret-file",
        ),
        (
            &["--turn-api-key", "guess"],
            "--turn-api-key: a key is too short",
        ),
        (&["--ice-servers", "stun:a"], "--ice-servers"),
        (&["--ice-servers", r#"{"urls": "turn:a"}"#], "--ice-servers"),
    ] {
        let text = refusal(ferrite(arguments)).await;
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_certificate_that_makes_no_sense_is_named() {
    for (arguments, expected) in [
        (&["--tls", "letsencrypt"][..], "--tls: give self-signed"),
        (&["--tls-cert", "a.pem"], "--tls-key, too"),
        (&["--tls-key", "a.pem"], "--tls-cert, too"),
        (
            &["--tls", "self-signed", "--tls-cert", "a.pem"],
            "--tls: self-signed makes",
        ),
        (
            &["--tls-cert", "/does/not/exist", "--tls-key", "Cargo.toml"],
            "--tls-cert: /does/not/exist",
        ),
        (
            &["--tls-cert", "Cargo.toml", "--tls-key", "Cargo.toml"],
            "--tls-cert: Cargo.toml: there is no certificate",
        ),
    ] {
        let text = refusal(ferrite(arguments)).await;
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_variable_that_makes_no_sense_is_named() {
    let mut command = ferrite(&[]);
    command.env("FERRITE_MEDIA_PORT", "many");
    let text = refusal(command).await;
    assert!(text.contains("FERRITE_MEDIA_PORT: "), "{text}");
    assert!(text.contains("\"many\""), "{text}");
    assert!(!text.contains("--media-port"), "{text}");
}

#[tokio::test]
async fn a_file_that_makes_no_sense_is_named_with_the_line() {
    for (name, content, expected) in [
        (
            "unknown.toml",
            "\nlistn = \"x\"\n",
            "line 2: there is no setting `listn`",
        ),
        (
            "type.toml",
            "media-port = \"x\"",
            "line 1: media-port: give a whole number from 0 to 65535, not \"x\"",
        ),
        ("range.toml", "media-port = 65536", "from 0 to 65535"),
        ("float.toml", "\nshards = 1.5", "line 2: shards: give"),
        ("date.toml", "shards = 2026-11-28", "line 1: shards: give"),
        ("table.toml", "[listen]\nport = 1", "line 1: listen: give"),
        ("unit.toml", "resume-time = 30", "a time with its unit"),
        ("syntax.toml", "listen = ", "line 1"),
        ("time.toml", "resume-time = \"soon\"", "give a time"),
        ("proxy.toml", "trusted-proxies = [\"x\"]", "give an address"),
        ("origin.toml", "allowed-origins = [\"x\"]", "give an origin"),
        (
            "ice.toml",
            "\n[[ice-servers]]\nurls = \"http://a\"",
            "ice-servers: entry 1: http: is none of",
        ),
    ] {
        let path = file(name, content);
        let text = refusal(ferrite(&["--config", &path])).await;
        assert!(text.contains(&path) && text.contains(expected), "{text}");
    }
    let text = refusal(ferrite(&["--config", "/does/not/exist"])).await;
    assert!(text.contains("/does/not/exist"), "{text}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = tcp.local_addr().unwrap().to_string();
    let text = refusal(ferrite(&["--listen", &addr, "--media-port", "0"])).await;
    let port = tcp.local_addr().unwrap().port().to_string();
    assert!(text.contains("--listen") && text.contains(&port), "{text}");
}

/// It may belong to another test, or have belonged to a connection that is over but not forgotten.
fn is_free_over_ipv4(port: u16) -> bool {
    UdpSocket::bind(("0.0.0.0", port)).is_ok() && TcpListener::bind(("0.0.0.0", port)).is_ok()
}

/// Browsers would be offered addresses where another process listens.
#[tokio::test]
async fn a_media_port_that_another_has_over_ipv6_only_is_named() {
    use socket2::{Domain, Socket, Type};
    for (kind, what) in [(Type::DGRAM, "IPv6 UDP"), (Type::STREAM, "IPv6 TCP")] {
        let (_taken, port) = loop {
            let taken = Socket::new(Domain::IPV6, kind, None).unwrap();
            taken.set_only_v6(true).unwrap();
            let any: std::net::SocketAddr = "[::]:0".parse().unwrap();
            taken.bind(&any.into()).unwrap();
            if kind == Type::STREAM {
                taken.listen(1).unwrap();
            }
            let port = taken.local_addr().unwrap().as_socket().unwrap().port();
            if is_free_over_ipv4(port) {
                break (taken, port.to_string());
            }
        };
        let text = refusal(ferrite(&["--listen", "127.0.0.1:0", "--media-port", &port])).await;
        let expected = format!("{what} port {port} is in use");
        assert!(text.contains(&expected), "{text}");
    }
}

#[tokio::test]
async fn a_media_port_in_use_is_named() {
    let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = udp.local_addr().unwrap().port().to_string();
    let text = refusal(ferrite(&["--listen", "127.0.0.1:0", "--media-port", &port])).await;
    assert!(
        text.contains("--media-port") && text.contains(&port),
        "{text}"
    );
}

/// Both are UDP ports, one of which is 3479 by default.
#[tokio::test]
async fn a_port_for_two_things_is_named() {
    let flags = ["--listen", "127.0.0.1:0", "--tls", "self-signed"];
    let both = [
        "--turns-port",
        "3479",
        "--nat-discovery",
        "127.0.0.1,127.0.0.2",
    ];
    let text = refusal(ferrite(&[&flags[..], &both].concat())).await;
    let is_named = text.contains("--turns-port") && text.contains("--nat-discovery-port");
    assert!(is_named && text.contains("3479"), "{text}");
}

#[tokio::test]
async fn an_address_of_another_machine_is_named() {
    // Set aside for documentation (RFC 5737): no machine has it.
    let text = refusal(ferrite(&["--listen", "198.51.100.1:0"])).await;
    assert!(text.contains("198.51.100.1"), "{text}");
}

#[tokio::test]
async fn a_flag_is_stronger_than_a_variable_and_that_than_the_file() {
    let path = file(
        "layers.toml",
        "listen = \"198.51.100.1:0\"\nmedia-port = 1\nresume-time = \"5s\"\nexternal-ip = [\"203.0.113.7\"]\n",
    );
    let from_file = refusal(ferrite(&["--config", &path])).await;
    assert!(from_file.contains("198.51.100.1"), "{from_file}");

    let mut command = ferrite(&[]);
    command.env("FERRITE_CONFIG", &path);
    command.env("FERRITE_LISTEN", "198.51.100.2:0");
    let from_variable = refusal(command).await;
    assert!(from_variable.contains("198.51.100.2"), "{from_variable}");

    let mut command = ferrite(&["--config", &path, "--listen", "198.51.100.3:0"]);
    command.env("FERRITE_LISTEN", "198.51.100.2:0");
    let from_flag = refusal(command).await;
    assert!(from_flag.contains("198.51.100.3"), "{from_flag}");
}

#[tokio::test]
async fn a_list_of_one_need_not_be_a_list() {
    let path = file("tables.toml", "[[ice-servers]]\nurls = \"stun:a\"\n");
    let listen = ["--config", &path, "--listen", "198.51.100.1:0"];
    let text = refusal(ferrite(&listen)).await;
    assert!(text.contains("198.51.100.1"), "{text}");
    let path = file(
        "one.toml",
        "listen = \"198.51.100.1:0\"\ntrusted-proxies = \"10.0.0.0/8\"\nexternal-ip = \"203.0.113.7\"\n",
    );
    // Everything was understood: what is left is an address of another machine.
    let text = refusal(ferrite(&["--config", &path])).await;
    assert!(text.contains("198.51.100.1"), "{text}");
}

#[tokio::test]
async fn help_is_no_refusal() {
    for (flag, expected) in [
        ("--help", "--media-port"),
        ("-h", "FERRITE_CONFIG"),
        ("--version", "ferrite 0."),
    ] {
        let output = run(ferrite(&[flag])).await;
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(expected), "{text}");
    }
}

#[tokio::test]
async fn a_good_start_says_where_to_go() {
    let mut server = Running::start(&[]).await;
    assert_ne!(server.media_port, 0);
    let media = format!("(media UDP and TCP {}", server.media_port);
    assert!(server.line.contains(&media), "{}", server.line);
    let line = server.next_line().await;
    let port = server.addr.port();
    assert!(
        line.ends_with(&format!("open http://localhost:{port}")),
        "{line}"
    );
}

/// Whoever starts a server without a thought of tokens is told who may come in.
#[tokio::test]
async fn a_good_start_says_who_may_enter_rooms() {
    let key = "key:0123456789abcdef0123456789abcdef";
    let path = file("rooms.keys", key);
    let open = "Rooms are open: anybody may enter any room";
    let closed = "Rooms ask for a token";
    for (flags, words, word) in [
        (vec![], open, "open"),
        (vec!["--token-key", key], closed, "token"),
        (vec!["--token-key-file", &path], closed, "token"),
    ] {
        let mut server = Running::start(&flags).await;
        server.next_line().await;
        let said = server.next_line().await;
        assert!(said.starts_with(words), "{flags:?}: {said}");
        let server = Running::start(&[&["--log-format", "json"], &flags[..]].concat()).await;
        let line: serde_json::Value = serde_json::from_str(&server.line).unwrap();
        assert_eq!(line["fields"]["rooms"], word, "{flags:?}");
    }
}

#[tokio::test]
async fn what_is_read_as_json_is_json_to_its_end() {
    let server = Running::start(&["--log-format", "json"]).await;
    let taken = server.addr.to_string();
    let arguments = [
        "--log-format",
        "json",
        "--listen",
        &taken,
        "--media-port",
        "0",
    ];
    let output = run(ferrite(&arguments)).await;
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    let line: serde_json::Value = serde_json::from_str(&text).unwrap();
    let said = line["fields"]["message"].as_str().unwrap();
    assert!(said.contains("is in use"), "{text}");
}

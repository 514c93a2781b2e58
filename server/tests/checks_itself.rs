//! `ferrite check`: what it says of a server that is well, and of each thing that is not.
// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use ferrite_server::turn::credentials::{SharedSecret, time_limited};
use serde_json::{Value, json};
use tokio::net::TcpSocket;

use crate::support::PATIENCE;
use crate::support::process::{Running, ferrite, limited, run};
use crate::support::tls::Pem;

mod support;

const FREE: [&str; 4] = ["--listen", "127.0.0.1:0", "--media-port", "0"];

/// What was printed, for programs, and the exit code.
async fn check(arguments: &[&str]) -> (Value, Option<i32>) {
    let output = run(ferrite(&[&["check", "--json"], arguments].concat())).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_str(&text);
    (
        report.unwrap_or_else(|_| panic!("{text}{said}")),
        output.status.code(),
    )
}

/// The statuses of all rows for this.
fn statuses<'r>(report: &'r Value, what: &str) -> Vec<&'r str> {
    let rows = report["rows"].as_array().unwrap().iter();
    let rows = rows.filter(|row| row["what"] == what);
    rows.map(|row| row["status"].as_str().unwrap()).collect()
}

fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A certificate and its key in files, which was made a hundred days ago to be good for so many.
fn certificate(name: &str, days: u32) -> [String; 2] {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    let mut params = rcgen::CertificateParams::new(["call.example".to_owned()]).unwrap();
    let made = SystemTime::now() - 100 * DAY;
    params.not_before = made.into();
    params.not_after = (made + days * DAY).into();
    let key = rcgen::KeyPair::generate().unwrap();
    let made = params.self_signed(&key).unwrap();
    let files = [("cert.pem", made.pem()), ("key.pem", key.serialize_pem())];
    files.map(|(file, text)| {
        let path = directory(name).join(file);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    })
}

/// Whether the system gives this process what it asks for.
fn has_buffers() -> bool {
    let limit = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let capabilities = u64::from_str_radix(capabilities.unwrap().trim(), 16).unwrap();
    capabilities & (1 << 12) != 0 || limit.trim().parse::<usize>().unwrap() >= 4 << 20
}

#[tokio::test]
async fn a_server_that_is_well_is_ok_in_every_row() {
    let data = directory("well").join("data");
    let data = data.to_str().unwrap();
    let more = [
        "--tls",
        "self-signed",
        "--turns-port",
        "0",
        "--max-sessions",
        "10",
        "--data",
        data,
    ];
    let (report, code) = check(&[&FREE[..], &more].concat()).await;
    assert_eq!(
        (code, &report["ok"], &report["running"]),
        (Some(0), &true.into(), &false.into())
    );
    for row in report["rows"].as_array().unwrap() {
        let expected = match row["what"].as_str().unwrap() {
            "buffers" if !has_buffers() => "warn",
            _ => "ok",
        };
        assert_eq!(row["status"], expected, "{row}");
    }
    for what in [
        "http",
        "tls",
        "allocation",
        "relay",
        "clock",
        "files",
        "buffers",
        "offloads",
        "data",
    ] {
        assert_eq!(statuses(&report, what).len(), 1, "{what}");
    }
    assert_eq!(statuses(&report, "port").len(), 5);
    let addresses = statuses(&report, "udp").len();
    assert!(addresses > 0);
    assert_eq!(statuses(&report, "tcp").len(), addresses);
    assert_eq!(statuses(&report, "turns").len(), addresses);
    assert_eq!(statuses(&report, "dtls").len(), addresses);
    // It would be made, and was not.
    assert!(!PathBuf::from(data).exists());
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_bad() {
    let mut command = ferrite(&[&["check"], &FREE[..], &["--media-listen", "127.0.0.1"]].concat());
    command.env("FERRITE_EXTERNAL_IP", "127.0.0.9");
    let output = run(command).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for transport in ["udp", "tcp"] {
        let start = format!("bad     {transport} 127.0.0.9:");
        let row = text.lines().find(|line| line.starts_with(&start));
        let row = row.unwrap_or_else(|| panic!("{text}"));
        assert!(
            row.contains("nobody listens there; is --external-ip this machine's"),
            "{row}"
        );
    }
}

#[tokio::test]
async fn a_certificate_is_looked_at() {
    for (name, days, status, code) in [
        ("check_good", 190, "ok", 0),
        ("check_soon", 110, "warn", 0),
        ("check_old", 99, "bad", 1),
    ] {
        let [cert, key] = certificate(name, days);
        let tls = ["--tls-cert", &cert, "--tls-key", &key];
        let (report, exit) = check(&[&FREE[..], &tls].concat()).await;
        assert_eq!(statuses(&report, "tls"), [status], "{report}");
        assert_eq!(exit, Some(code), "{report}");
        // The handshake itself goes on: who it is for, browsers say.
        assert_eq!(
            (statuses(&report, "http"), statuses(&report, "turns")),
            (vec!["ok"], vec!["ok"])
        );
    }
}

/// A socket whose number no TCP connection has: below those that systems give out by themselves, to other tests, too.
fn udp_alone() -> UdpSocket {
    let mut ports = (10_000..30_000).map(|port| ("127.0.0.1", port));
    let is_free = |at: &(&str, u16)| TcpListener::bind(at).is_ok();
    let free = ports.by_ref().filter(is_free);
    let mut sockets = free.filter_map(|at| UdpSocket::bind(at).ok());
    sockets.next().unwrap()
}

#[tokio::test]
async fn a_port_of_another_programs_is_told() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = tcp.local_addr().unwrap().to_string();
    let (silent, _tcp) = unheard();
    let server = format!("stun:{}", silent.local_addr().unwrap());
    let named = json!({ "urls": server }).to_string();
    let flags = [
        "--listen",
        &taken,
        "--media-port",
        "0",
        "--ice-servers",
        &named,
    ];
    let (report, code) = check(&flags).await;
    assert_eq!(statuses(&report, "ice-server"), ["bad"], "{report}");
    assert_eq!(
        (code, statuses(&report, "port")),
        (Some(1), vec!["bad", "ok", "ok"]),
        "{report}"
    );
    assert_eq!(report["rows"][0]["at"], format!("--listen TCP {taken}"));
    assert_eq!(statuses(&report, "udp"), ["skipped"]);
    assert_eq!(statuses(&report, "clock"), ["ok"]);

    let udp = udp_alone();
    let taken = udp.local_addr().unwrap().port().to_string();
    let media = ["--media-listen", "127.0.0.1", "--media-port", &taken];
    let (report, code) = check(&[&FREE[..2], &media].concat()).await;
    assert_eq!(
        (code, statuses(&report, "port")),
        (Some(1), vec!["ok", "bad", "ok"]),
        "{report}"
    );
}

#[tokio::test]
async fn a_server_that_runs_is_asked_itself() {
    let common = [
        "--media-listen",
        "127.0.0.1",
        "--turn-shared-secret",
        "north",
        "--turn-allow",
        "127.0.0.1",
        "--max-sessions",
        "10",
    ];
    let server = Running::start(&common).await;
    let (addr, port) = (server.addr.to_string(), server.media_port.to_string());
    let ports = ["--listen", &addr, "--media-port", &port];
    let arguments = [&common[..], &ports].concat();
    let (report, code) = check(&arguments).await;
    assert_eq!(
        (code, &report["running"]),
        (Some(0), &true.into()),
        "{report}"
    );
    for what in ["port", "http", "udp", "tcp", "allocation", "relay"] {
        let statuses = statuses(&report, what);
        assert!(
            !statuses.is_empty() && statuses.iter().all(|status| *status == "ok"),
            "{report}"
        );
    }
    // People are told the same.
    let output = run(ferrite(&[&["check"], &arguments[..]].concat())).await;
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines = text.lines();
    assert!(
        lines.next().unwrap().contains("runs on these ports"),
        "{text}"
    );
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(lines.clone().count(), rows.len(), "{text}");
    for (line, row) in lines.zip(rows) {
        let (status, what) = (
            row["status"].as_str().unwrap(),
            row["what"].as_str().unwrap(),
        );
        let at = row["at"].as_str().map(|at| format!(" {at}"));
        let start = format!("{status:<8}{what}{}: ", at.unwrap_or_default());
        assert!(line.starts_with(&start), "{line} {row}");
    }

    // With other settings than its own.
    let other = ["--turn-shared-secret", "south", "--listen", "127.0.0.1:1"];
    let (report, code) = check(&[&common[..2], &ports[2..], &other].concat()).await;
    assert_eq!(code, Some(1));
    assert_eq!(statuses(&report, "port"), ["bad", "ok", "ok"], "{report}");
    assert_eq!(statuses(&report, "allocation"), ["bad"], "{report}");
    // Without any of its secrets.
    let (report, code) = check(&[&common[..2], &ports].concat()).await;
    assert_eq!(
        (code, statuses(&report, "relay")),
        (Some(0), vec!["skipped"]),
        "{report}"
    );
}

/// What time-limited credentials of this secret open for a while.
fn login(secret: &str) -> [String; 2] {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let name = format!("{}:check", now.unwrap().as_secs() + 3600);
    let password = time_limited(&SharedSecret(secret.to_owned()), &name);
    [name, password]
}

/// Whatever is said of these URLs with these credentials, by those who trust whom this certificate is of.
async fn told(pem: &Pem, urls: &[String], [username, credential]: [String; 2]) -> Vec<Value> {
    let servers = json!([{"urls": urls, "username": username, "credential": credential}]);
    let flags = ["check", "--json", "--ice-servers", &servers.to_string()];
    let mut command = ferrite(&[&flags[..], &FREE].concat());
    command
        .env("SSL_CERT_FILE", pem.cert())
        .env_remove("SSL_CERT_DIR");
    let output = run(command).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!report.to_string().contains(&credential), "{report}");
    let rows = report["rows"].as_array().unwrap();
    let rows: Vec<_> = (rows.iter())
        .filter(|row| row["what"] == "ice-server")
        .cloned()
        .collect();
    let at: Vec<_> = rows.iter().map(|row| row["at"].as_str().unwrap()).collect();
    assert_eq!(at, urls);
    let is_bad = |row: &Value| row["status"] == "bad";
    let code = Some(i32::from(rows.iter().any(is_bad)));
    assert_eq!(output.status.code(), code, "{report}");
    rows
}

/// The same, asked again while an answer took too long: a machine may be that busy.
async fn answered(pem: &Pem, urls: &[String], login: [String; 2]) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let rows = told(pem, urls, login.clone()).await;
        let mut said = rows.iter().map(|row| row["says"].as_str().unwrap());
        if begun.elapsed() > PATIENCE || !said.any(|says| says.contains("not answered")) {
            return rows;
        }
    }
}

#[tokio::test]
async fn servers_of_the_settings_are_asked_over_whatever_they_are_named_with() {
    let (pem, _) = Pem::new("check_others", "localhost");
    let (cert, key) = (pem.cert(), pem.key());
    let server = Running::start(&[
        "--media-listen",
        "127.0.0.1",
        "--turn-shared-secret",
        "north",
        "--turn-allow",
        "127.0.0.1",
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ])
    .await;
    let (media, tls) = (server.media_port, server.addr.port());
    let urls = [
        format!("stun:127.0.0.1:{media}"),
        format!("turn:127.0.0.1:{media}"),
        format!("turn:localhost:{media}?transport=tcp"),
        format!("turns:localhost:{tls}?transport=tcp"),
    ];
    for row in answered(&pem, &urls, login("north")).await {
        assert_eq!(row["status"], "ok", "{row}");
        assert!(row["says"].as_str().unwrap().ends_with(" ms"), "{row}");
    }
    // Who shares no secret with it.
    let rows = answered(&pem, &urls, login("south")).await;
    assert_eq!(rows[0]["status"], "ok", "{rows:?}");
    for row in &rows[1..] {
        assert_eq!(row["status"], "bad", "{row}");
        let (says, advice) = (row["says"].as_str(), row["advice"].as_str());
        assert!(says.unwrap().contains("401"), "{row}");
        assert!(advice.unwrap().contains("credential"), "{row}");
    }
}

/// Ports where nobody listens, and which nobody else gets for as long as these are kept.
fn unheard() -> (UdpSocket, TcpSocket) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    // Connected to itself: nothing that others send is for it.
    let udp = UdpSocket::bind(any).unwrap();
    udp.connect(udp.local_addr().unwrap()).unwrap();
    let tcp = TcpSocket::new_v4().unwrap();
    tcp.bind(any).unwrap();
    (udp, tcp)
}

#[tokio::test]
async fn servers_of_the_settings_that_cannot_be_asked_are_told_of_with_the_reason() {
    let (pem, _) = Pem::new("check_wrong_others", "localhost");
    let (others, _) = Pem::new("check_wrong_others_root", "localhost");
    let (cert, key) = (pem.cert(), pem.key());
    let tls = [
        "--tls-cert",
        cert.to_str().unwrap(),
        "--tls-key",
        key.to_str().unwrap(),
    ];
    let server = Running::start(&[&["--media-listen", "127.0.0.1"], &tls[..]].concat()).await;
    let port = server.addr.port();
    let (udp, tcp) = unheard();
    let (silent, nobody) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
    let expected = [
        (format!("turns:127.0.0.1:{port}"), "bad", "for localhost"),
        (
            format!("turn:{nobody}?transport=tcp"),
            "bad",
            "nobody listens",
        ),
        (format!("turn:{silent}"), "bad", "nobody listens"),
        ("turn:turn.invalid".to_owned(), "bad", "name"),
        (
            "turns:turn.invalid?transport=udp".to_owned(),
            "skipped",
            "DTLS",
        ),
    ];
    let urls = expected.each_ref().map(|(url, ..)| url.clone());
    let rows = answered(&pem, &urls, login("north")).await;
    for (row, (_, status, says)) in rows.iter().zip(expected) {
        assert_eq!(row["status"], status, "{row}");
        assert!(row["says"].as_str().unwrap().contains(says), "{row}");
    }
    let url = format!("turns:localhost:{port}");
    let rows = answered(&others, &[url], login("north")).await;
    let says = rows[0]["says"].as_str().unwrap();
    assert!(says.contains("nobody whom this machine trusts"), "{says}");
    // Connections come, and are not answered.
    let deaf = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("turn:{}?transport=tcp", deaf.local_addr().unwrap());
    let rows = told(&pem, &[url], login("north")).await;
    assert_eq!(rows[0]["status"], "bad", "{rows:?}");
    let says = rows[0]["says"].as_str().unwrap();
    assert!(says.contains("not answered"), "{says}");
}

#[tokio::test]
async fn too_few_files_are_warned_of() {
    let output = run(limited(
        "-n 512",
        &[&["check", "--json"], &FREE[..]].concat(),
    ))
    .await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(statuses(&report, "files"), ["warn"], "{report}");
    assert_eq!(output.status.code(), Some(0), "{report}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_written_is_bad() {
    let file = directory("check_data").join("file");
    std::fs::write(&file, "").unwrap();
    let (report, code) = check(&[&FREE[..], &["--data", file.to_str().unwrap()]].concat()).await;
    assert_eq!(
        (code, statuses(&report, "data")),
        (Some(1), vec!["bad"]),
        "{report}"
    );
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused_as_the_server_does() {
    let output = run(ferrite(&["check", "--media-port", "many"])).await;
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), text.lines().count()),
        (Some(2), 1),
        "{text}"
    );
    assert!(text.contains("--media-port") && output.stdout.is_empty());
}

#[tokio::test]
async fn the_log_says_at_the_start_what_is_wrong() {
    let mut server = Running::start(&["--max-sessions", "10"]).await;
    server.logged("self-test: nothing is wrong").await;
    let wrong = ["--media-listen", "127.0.0.1", "--external-ip", "127.0.0.9"];
    let mut server = Running::start(&wrong).await;
    server.logged("self-test: udp 127.0.0.9:").await;
    server.logged("self-test: tcp 127.0.0.9:").await;
}

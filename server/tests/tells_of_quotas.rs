//! Who has a quota is told when it runs out, by a webhook, and is held to it: with real relays, and a real receiver.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ring::hmac;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::support::PATIENCE;
use crate::support::http::get;
use crate::support::process::{FREE_PORTS, Running, ferrite};
use crate::support::relay::Relay;
use crate::support::tls::Pem;
use crate::support::turn_api::{BEARER, KEY, LIST, call, check_described, directory, server};

mod support;

/// The least that there can be.
const QUOTA: u64 = 1 << 20;

/// What came to a webhook.
struct Call {
    head: String,
    body: String,
}

impl Call {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn percent(&self) -> u64 {
        self.json()["percent"].as_u64().unwrap()
    }

    /// Whether it is signed with this secret, as the documentation says.
    fn is_signed(&self, secret: &Value) -> bool {
        let header = |line: &str| Some(line.strip_prefix("ferrite-signature: t=")?.to_owned());
        let signature = self.head.lines().find_map(header).unwrap();
        let (seconds, digits) = signature.split_once(",v1=").unwrap();
        let tag: Vec<u8> = (0..digits.len() / 2)
            .map(|n| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap())
            .collect();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_str().unwrap().as_bytes());
        let signed = format!("{seconds}.{}", self.body);
        hmac::verify(&key, signed.as_bytes(), &tag).is_ok()
    }
}

/// Where webhooks lead. It answers with these, one after the other, and then with the last again; with nothing where
/// there is none.
struct Receiver {
    addr: SocketAddr,
    calls: mpsc::UnboundedReceiver<Call>,
    /// How many calls that it does not answer were given up.
    given_up: Arc<AtomicUsize>,
}

impl Receiver {
    async fn start(answers: &'static [&'static str], tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (told, calls) = mpsc::unbounded_channel();
        let given_up = Arc::<AtomicUsize>::default();
        let count = given_up.clone();
        tokio::spawn(async move {
            let mut answers = answers.iter().copied();
            let mut answer = None;
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // The last one again and again.
                answer = answers.next().or(answer);
                let (told, tls, count) = (told.clone(), tls.clone(), count.clone());
                tokio::spawn(async move {
                    match tls {
                        Some(tls) => receive(tls.accept(stream).await.unwrap(), answer, told).await,
                        None => receive(stream, answer, told).await,
                    }
                    count.fetch_add(usize::from(answer.is_none()), Ordering::Relaxed);
                });
            }
        });
        Self {
            addr,
            calls,
            given_up,
        }
    }

    async fn next(&mut self) -> Call {
        timeout(PATIENCE, self.calls.recv()).await.unwrap().unwrap()
    }
}

async fn receive(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Option<&str>,
    told: mpsc::UnboundedSender<Call>,
) {
    let mut text = String::new();
    let call = loop {
        let mut bytes = [0; 4096];
        let len = stream.read(&mut bytes).await.unwrap();
        text += std::str::from_utf8(&bytes[..len]).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == length.unwrap().parse::<usize>().unwrap() {
            let (head, body) = (head.to_owned(), body.to_owned());
            break Call { head, body };
        }
    };
    match answer {
        Some(answer) => {
            let answer = format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
            let _ = told.send(call);
        }
        None => {
            let _ = told.send(call);
            // Until nobody waits for an answer any more.
            while stream.read(&mut [0; 64]).await.is_ok_and(|len| len > 0) {}
        }
    }
}

/// A project with a relay.
struct Tenant {
    addr: SocketAddr,
    id: String,
    secret: Value,
    relay: Arc<Relay>,
}

impl Tenant {
    async fn new(server: &Running, name: &str, webhook: &str, action: &str) -> Self {
        let addr = server.addr;
        let settings = json!({
            "projectName": name, "quotaInBytes": QUOTA, "webhookUrl": webhook, "quotaExceededAction": action,
            "notificationEmails": ["cook@a.example"],
        });
        let made = call(addr, "POST", "/api/v2/turn/project", &settings)
            .await
            .json();
        let id = made["_id"].as_str().unwrap().to_owned();
        let path = format!("/api/v2/turn/project/{id}/credential");
        let user = call(addr, "POST", &path, &json!({})).await.json();
        let text = |field: &str| user[field].as_str().unwrap().to_owned();
        let (port, name, password) = (server.media_port, text("username"), text("password"));
        let open = move || Relay::open_as(port, &name, &password);
        let relay = tokio::task::spawn_blocking(open).await.unwrap();
        Self {
            addr,
            id,
            secret: made["webhookSecret"].clone(),
            relay: Arc::new(relay),
        }
    }

    async fn usage(&self) -> u64 {
        let path = format!("/api/v2/turn/project/{}/current_usage", self.id);
        get(self.addr, &path, &BEARER).await.json()["usageInBytes"]
            .as_u64()
            .unwrap()
    }

    /// Relays until so many bytes are counted, and few more.
    async fn relay_until(&self, bytes: u64) {
        let mut usage = self.usage().await;
        while usage < bytes {
            let (relay, packets) = (self.relay.clone(), (bytes - usage).div_ceil(1000).min(300));
            let send = move || {
                let to =
                    SocketAddr::from(([127, 0, 0, 1], relay.socket.peer_addr().unwrap().port()));
                for _ in 0..packets {
                    relay.send_to(&[0; 1000], to).unwrap();
                }
            };
            tokio::task::spawn_blocking(send).await.unwrap();
            // A second later all of it is counted that was not lost.
            let before = usage;
            let counted = async {
                while usage < before + packets * 1000 {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    usage = self.usage().await;
                }
            };
            let _ = timeout(Duration::from_secs(3), counted).await;
        }
    }

    /// Its relay is among those there are, with what it has carried.
    async fn is_listed(&self) {
        let path = "/api/v2/turn/allocations";
        let reply = get(self.addr, path, &BEARER).await;
        let document = get(self.addr, "/api/openapi.json", &[]).await.json();
        check_described(&document, "GET", path, &reply);
        let listed = reply.json();
        assert_eq!(
            (&listed["total"], &listed["has_more"]),
            (&json!(1), &json!(false))
        );
        let one = &listed["data"][0];
        let client = self.relay.socket.local_addr().unwrap().to_string();
        assert_eq!(
            (&one["client"], &one["transport"]),
            (&json!(client), &json!("udp"))
        );
        assert_eq!(one["relayed"], json!(self.relay.relayed.to_string()));
        assert!(
            one["usageInBytes"].as_u64().unwrap() >= QUOTA * 8 / 10,
            "{one}"
        );
        let older = format!("{path}?before={}", one["id"]);
        let older = get(self.addr, &older, &BEARER).await.json();
        assert_eq!(older, json!({ "data": [], "total": 1, "has_more": false }));
        let wrong = get(self.addr, &format!("{path}?before=x"), &BEARER).await;
        check_described(&document, "GET", path, &wrong);
    }

    async fn is_kept(&self) -> bool {
        let relay = self.relay.clone();
        tokio::task::spawn_blocking(move || relay.is_kept())
            .await
            .unwrap()
    }
}

/// Over HTTPS, with a certificate that this machine is told to trust.
fn acceptor(pem: &Pem) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(pem.cert()).unwrap();
    let key = PrivateKeyDer::from_pem_file(pem.key()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}

async fn trusting(pem: &Pem, data: &str) -> Running {
    let flags = ["--turn-api-key", KEY, "--data", data];
    let mut command = ferrite(&[&FREE_PORTS[..], &flags].concat());
    command
        .env("SSL_CERT_FILE", pem.cert())
        .env_remove("SSL_CERT_DIR");
    Running::of(command).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_is_told_once_of_each_threshold_over_https_and_the_project_is_off_at_the_end() {
    let directory = directory("turn-quota-told");
    let data = directory.to_str().unwrap();
    let (pem, _) = Pem::new("turn-quota-told-tls", "localhost");
    let mut receiver = Receiver::start(&["500 Broken", "204 Taken"], Some(acceptor(&pem))).await;
    let webhook = format!("https://localhost:{}/hook?x=1", receiver.addr.port());
    let server = trusting(&pem, data).await;
    let tenant = Tenant::new(&server, "kitchen", &webhook, "disable").await;

    tenant.relay_until(QUOTA * 8 / 10 + 1).await;
    tenant.is_listed().await;
    let (refused, taken) = (receiver.next().await, receiver.next().await);
    for call in [&refused, &taken] {
        assert!(
            call.head.starts_with("POST /hook?x=1 HTTP/1.1\r\n"),
            "{}",
            call.head
        );
        assert!(call.is_signed(&tenant.secret) && !call.is_signed(&json!("guess")));
        assert_eq!(
            (call.percent(), call.json()["disabled"].as_bool()),
            (80, Some(false))
        );
    }
    // It is the same, told again.
    assert_eq!(refused.body, taken.body);
    let said = taken.json();
    assert_eq!(
        said["project"],
        json!({ "_id": tenant.id, "projectName": "kitchen" })
    );
    assert_eq!(said["notificationEmails"], json!(["cook@a.example"]));
    assert!(said["usageInBytes"].as_u64().unwrap() >= QUOTA * 8 / 10);
    assert!(tenant.is_kept().await);

    tenant.relay_until(QUOTA).await;
    let full = receiver.next().await;
    assert_eq!(
        (full.percent(), full.json()["disabled"].as_bool()),
        (100, Some(true))
    );
    let off = async {
        while tenant.is_kept().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, off).await.expect("its relays end");
    let listed = get(server.addr, LIST, &BEARER).await.json();
    assert_eq!(listed["data"][0]["enabled"], false);

    // A server that comes back tells nobody what was told: what comes next is another's.
    server.end("-KILL").await;
    let server = trusting(&pem, data).await;
    let other = Tenant::new(&server, "cellar", &webhook, "notify").await;
    other.relay_until(QUOTA * 8 / 10 + 1).await;
    let next = receiver.next().await;
    assert_eq!(next.json()["project"]["_id"], json!(other.id));
    let projects = get(server.addr, "/api/v2/turn/projects", &BEARER)
        .await
        .json();
    let disabled = [&projects[0]["disabled"], &projects[1]["disabled"]];
    assert_eq!(disabled, [&json!(true), &json!(false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_another_place_called_by_a_redirect() {
    let answers = &["302 Found\r\nlocation: /elsewhere", "200 OK"];
    let mut receiver = Receiver::start(answers, None).await;
    let webhook = format!("http://127.0.0.1:{}/hook", receiver.addr.port());
    let server = server(&[]).await;
    let tenant = Tenant::new(&server, "kitchen", &webhook, "notify").await;
    tenant.relay_until(QUOTA * 8 / 10 + 1).await;
    for _ in 0..2 {
        let call = receiver.next().await;
        assert!(
            call.head.starts_with("POST /hook HTTP/1.1\r\n"),
            "{}",
            call.head
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_never_answers_holds_up_nothing() {
    let mut hanging = Receiver::start(&[], None).await;
    let mut answering = Receiver::start(&["200 OK"], None).await;
    let webhook = |receiver: &Receiver| format!("http://{}/", receiver.addr);
    let server = server(&[]).await;
    let tenant = Tenant::new(&server, "kitchen", &webhook(&hanging), "disable").await;
    let other = Tenant::new(&server, "cellar", &webhook(&answering), "notify").await;
    other.relay_until(QUOTA / 2).await;
    tenant.relay_until(QUOTA).await;
    assert_eq!(hanging.next().await.percent(), 80);
    other.relay_until(QUOTA * 8 / 10 + 1).await;
    assert_eq!(answering.next().await.percent(), 80);
    assert_eq!(
        hanging.given_up.load(Ordering::Relaxed),
        0,
        "it was waited for"
    );
    let off = async {
        while tenant.is_kept().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, off).await.expect("its relays end");
}

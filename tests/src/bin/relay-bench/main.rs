//! The relay benchmark: what a packet costs that goes through a TURN relay, beside coturn and beside a loop
//! that only receives and sends.
//!
//! ```sh
//! cargo run --release -p ferrite-tests --bin relay-bench
//! cargo run --release -p ferrite-tests --bin relay-bench -- --seconds 10 --beside /usr/bin/turnserver
//! ```
//!
//! Clients with an allocation each send channel data of 1000 bytes to one peer, evenly or in bursts. What is
//! measured is the CPU time of the relaying process for each packet that arrived, everything on loopback. coturn
//! is left out, with a word, where it is not installed.
//!
//! | file | what it is |
//! |---|---|
//! | `client` | a TURN client of another codec |
//! | `raw` | the loop that only receives and sends |
#![forbid(unsafe_code)]

mod client;
mod raw;

use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use ferrite_tests::load::Meter;
use ferrite_tests::{Server, artefacts};
use nix::sys::socket::{setsockopt, sockopt};

use client::Client;

const SECRET: &str = "north";

/// Bytes of a packet's contents.
pub(crate) const SIZE: usize = 1000;

/// Packets a second, over all clients.
const RATE: u32 = 10_000;

#[derive(Parser)]
struct Arguments {
    /// How long each row is measured
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// So many allocations, each of them a row for each burst
    #[arg(long, value_delimiter = ',', default_values_t = [1, 100, 1000])]
    allocations: Vec<usize>,
    /// Our server lets each client relay so many kbit/s, for what it costs to look
    #[arg(long, value_name = "KBIT")]
    bandwidth: Option<String>,
    /// A coturn to measure beside
    #[arg(long, default_value = "/usr/bin/turnserver")]
    beside: PathBuf,
    /// Serves as the raw loop, to this address
    #[arg(long, hide = true)]
    raw: Option<SocketAddr>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if let Some(to) = arguments.raw {
        return raw::run(to);
    }
    let seconds = Duration::from_secs(arguments.seconds);
    let dir = artefacts::fresh("relay-bench")?;
    let mut flags = vec!["--turn-shared-secret", SECRET, "--turn-allow", "127.0.0.1"];
    if let Some(bandwidth) = &arguments.bandwidth {
        flags.extend(["--turn-bandwidth", bandwidth.as_str()]);
    }
    let server = Server::start(&dir, &flags).await?;
    let coturn = Coturn::start(&arguments.beside)?;
    // First: afterwards there is memory of others' to have.
    println!("an allocation with a channel to a peer, of {ALLOCATIONS}");
    let peer = Sink::new()?;
    let ours = ([127, 0, 0, 1], server.media_port()).into();
    allocations("ours", server.pid()?, ours, &peer)?;
    if let Some(coturn) = &coturn {
        allocations("coturn", coturn.0.id(), COTURN, &peer)?;
    }
    println!("us of CPU per relayed packet of {SIZE} bytes, {RATE} packets a second");
    println!(
        "{:>11} {:>5} {:>8} {:>8} {:>8}",
        "allocations", "burst", "raw", "coturn", "ours"
    );
    for allocations in arguments.allocations {
        for burst in [1, 5, 20] {
            let load = Load {
                allocations,
                burst,
                seconds,
            };
            let raw = load.raw()?;
            let theirs = coturn
                .as_ref()
                .map(|coturn| load.relay(coturn.0.id(), COTURN))
                .transpose()?;
            let ours = ([127, 0, 0, 1], server.media_port()).into();
            let ours = load.relay(server.pid()?, ours)?;
            let theirs = theirs.map_or("-".to_owned(), |theirs| format!("{theirs:.2}"));
            println!("{allocations:>11} {burst:>5} {raw:>8.2} {theirs:>8} {ours:>8.2}");
        }
    }
    Ok(())
}

/// As many as a source is challenged at once.
const ALLOCATIONS: usize = 250;

/// Where a client comes from. A source is challenged only so often, so that many have several.
fn source(at: usize) -> SocketAddr {
    let last = 1 + at / ALLOCATIONS;
    ([127, 0, 1, last as u8], 0).into()
}

/// What an allocation costs: CPU, and memory while it lasts.
fn allocations(name: &str, pid: u32, server: SocketAddr, peer: &Sink) -> Result<()> {
    // Challenges are answered again.
    std::thread::sleep(Duration::from_secs(8));
    let meter = Meter::new(pid)?;
    let (cpu, memory) = (meter.cpu()?, meter.memory()?);
    let clients: Result<Vec<_>> = (0..ALLOCATIONS)
        .map(|at| Client::with_channel(source(at), server, peer.address, SECRET))
        .collect();
    let clients = clients?;
    let cpu = (meter.cpu()? - cpu).as_secs_f64() * 1e6 / ALLOCATIONS as f64;
    let held = meter.memory()?.saturating_sub(memory) as f64 / 1024.0 / ALLOCATIONS as f64;
    drop(clients);
    println!("{name:>11} {cpu:.0} us, {held:.1} kB");
    Ok(())
}

const COTURN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 34_790);

/// Another relay.
struct Coturn(Child);

impl Coturn {
    fn start(program: &PathBuf) -> Result<Option<Self>> {
        if !program.exists() {
            println!("left out: there is no coturn at {}", program.display());
            return Ok(None);
        }
        let mut command = Command::new(program);
        command.args([
            "-n",
            "--no-cli",
            "--no-tls",
            "--no-dtls",
            "--log-file",
            "stdout",
        ]);
        command.args(["--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1"]);
        command.args(["--listening-port", &COTURN.port().to_string()]);
        command.args([
            "--use-auth-secret",
            "--static-auth-secret",
            SECRET,
            "--realm",
            "x",
        ]);
        command.args(["--allow-loopback-peers", "--pidfile", "/dev/null"]);
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Some(Self(child)))
    }
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What is sent.
#[derive(Clone, Copy)]
struct Load {
    allocations: usize,
    burst: usize,
    seconds: Duration,
}

impl Load {
    fn relay(&self, pid: u32, server: SocketAddr) -> Result<f64> {
        let sink = Sink::new()?;
        let clients: Result<Vec<_>> = (0..self.allocations)
            .map(|at| Client::with_channel(source(at), server, sink.address, SECRET))
            .collect();
        let clients = clients?;
        self.measure(pid, &sink, |at, packets| clients[at].send(packets))
    }

    fn raw(&self) -> Result<f64> {
        let sink = Sink::new()?;
        let (mut child, address) = raw::start(sink.address)?;
        let sockets: Result<Vec<_>> = (0..self.allocations)
            .map(|_| {
                let socket = UdpSocket::bind("127.0.0.1:0")?;
                socket.connect(address)?;
                Ok(socket)
            })
            .collect();
        let sockets = sockets?;
        let cost = self.measure(child.id(), &sink, |at, packets| {
            (0..packets).try_for_each(|_| sockets[at].send(&[7; SIZE]).map(drop))?;
            Ok(())
        });
        child.kill()?;
        child.wait()?;
        cost
    }

    /// Lets each client in turn send a burst, and counts what arrives and what it cost.
    fn measure(
        &self,
        pid: u32,
        sink: &Sink,
        send: impl Fn(usize, usize) -> Result<()>,
    ) -> Result<f64> {
        let meter = Meter::new(pid)?;
        let interval = Duration::from_secs(1) * self.burst as u32 / RATE;
        let warm = Duration::from_millis(300);
        let (mut next, mut at, mut sent) = (Instant::now(), 0, 0_u64);
        let mut run = |until: Instant| -> Result<u64> {
            let before = sent;
            while Instant::now() < until {
                send(at % self.allocations, self.burst)?;
                (at, sent) = (at + 1, sent + self.burst as u64);
                // What was missed is not made up for in one heap.
                let late = Instant::now().checked_sub(Duration::from_millis(5));
                next = late.map_or(next, |late| next.max(late)) + interval;
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            Ok(sent - before)
        };
        run(Instant::now() + warm)?;
        std::thread::sleep(Duration::from_millis(50));
        let (cpu, arrived) = (meter.cpu()?, sink.count());
        let sent = run(Instant::now() + self.seconds)?;
        std::thread::sleep(Duration::from_millis(50));
        let (cpu, arrived) = (meter.cpu()? - cpu, sink.count() - arrived);
        ensure!(
            arrived * 100 >= sent * 95,
            "{arrived} of {sent} packets arrived"
        );
        Ok(cpu.as_secs_f64() * 1e6 / arrived as f64)
    }
}

/// The peer that everything is sent to. It counts.
struct Sink {
    address: SocketAddr,
    count: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
}

impl Sink {
    fn new() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0").context("a peer")?;
        socket.set_read_timeout(Some(Duration::from_millis(100)))?;
        // A machine with other work lets it wait. Needs CAP_NET_ADMIN.
        let _ = setsockopt(&socket, sockopt::RcvBufForce, &(16 << 20));
        let address = socket.local_addr()?;
        let (count, ended) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let sink = Self {
            address,
            count: count.clone(),
            ended: ended.clone(),
        };
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !ended.load(Ordering::Relaxed) {
                if socket.recv(&mut buffer).is_ok_and(|len| len == SIZE) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Ok(sink)
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
    }
}

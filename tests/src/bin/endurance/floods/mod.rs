//! Somebody floods the server while others call: what it costs them.
//!
//! | file | what it is |
//! |---|---|
//! | `flooder` | whoever floods: strangers, and those on their way in |
//! | `members` | those who were let in, and send anything |
//! | `datagrams` | what strangers' floods are made of |
//! | `chunks` | SCTP as no library would write it |
//! | `rooms`, `guests` | the same in a room: what it costs its other members, and who floods |

mod chunks;
mod datagrams;
mod flooder;
mod guests;
mod members;
pub(crate) mod rooms;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use ferrite_tests::load::{self, Counts, Crowd, Traffic, percentile};
use ferrite_tests::wait;

use crate::Complaints;
use crate::subject::{Subject, megabytes};
use flooder::Flooder;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Peers that call meanwhile
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    peers: usize,
    /// How long each flood lasts
    #[arg(long, default_value_t = 20.0, value_name = "SECONDS")]
    seconds: f64,
    /// Datagrams a second in a flood of datagrams
    #[arg(long, default_value_t = 5_000, value_name = "COUNT")]
    datagrams: u64,
    /// New sessions a second in a flood of sessions
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    sessions: u64,
    /// Only these floods; all of them if not given
    #[arg(long, value_name = "FLOOD", value_enum)]
    only: Vec<Flood>,
}

/// What comes in masses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Flood {
    /// Nothing, for comparison
    None,
    /// Sessions that offer and never go on
    Offers,
    /// Handshakes that stop after the ClientHello
    Handshakes,
    /// ClientHellos without end from peers in the middle of their handshakes
    ClientHellos,
    /// Checks for the callers' own peers, with a wrong password
    WrongPasswords,
    /// Anything at all from strangers
    Strangers,
    /// Members ask for packets that never were
    Nacks,
    /// Members ask for keyframes of everything, a hundred times in a datagram
    KeyframeRequests,
    /// Members count their packets so that every report of their arrival is long
    Arrivals,
    /// Members open data channels without end
    Channels,
    /// Members send chunks of one byte, as many as fit
    Chunks,
    /// Members say with every datagram that they moved
    Moves,
    /// Members offer another call over and over
    Reoffers,
}

/// How often a caller looks for what came back: a latency is too long by up to this.
const LOOK: Duration = Duration::from_micros(500);

/// What is under way arrives within this.
const REST: Duration = Duration::from_millis(500);

/// A flood may make the slowest packet in a hundred so many times slower than it is without,
const SLOWER: u32 = 10;

/// and by so much more: on a machine that is shared, that much comes by itself.
const SLACK: Duration = Duration::from_millis(100);

const TRAFFIC: Traffic = Traffic {
    burst: 1,
    interval: Duration::from_millis(20),
};

/// What the callers saw of one flood.
struct Figures {
    flood: Flood,
    flooded: u64,
    sent: u64,
    lost: u64,
    connected: usize,
    latencies: Vec<Duration>,
    cores: f64,
    memory: u64,
}

pub(crate) async fn run(options: &Options, log: &str) -> Result<Complaints> {
    let mut subject = Subject::start(log, &[]).await?;
    let mut crowd = Crowd::new(subject.server.address())?.timed(LOOK);
    crowd.join(options.peers)?;
    println!(
        "{} peers, each sending 50 packets a second, and a flood",
        options.peers
    );
    println!(
        "  flood              a second  packets sent  lost  latency, ms: p50     p99     max  cores: server  RSS MB"
    );
    let all = Flood::value_variants();
    let floods = all
        .iter()
        .filter(|flood| options.only.is_empty() || options.only.contains(flood));
    let mut complaints = Complaints::new();
    let mut quiet = None;
    for flood in floods {
        let figures = measure(&subject, &mut crowd, *flood, options)?;
        print(&figures, options);
        complaints.extend(verdict(&figures, options));
        complaints.extend(slowness(&figures, quiet));
        if figures.flood == Flood::None {
            quiet = Some(percentile(&figures.latencies, 99));
        }
    }
    drop(crowd);
    let last = subject.settled().await?;
    let left_over = subject.left_over(&last);
    if !left_over.is_empty() {
        complaints.push(format!("left over after the floods: {left_over:?}"));
    }
    complaints.extend(subject.stop().await?);
    Ok(complaints)
}

fn measure(
    subject: &Subject,
    crowd: &mut Crowd,
    flood: Flood,
    options: &Options,
) -> Result<Figures> {
    let flooder = Flooder {
        flood,
        address: subject.server.address().to_owned(),
        media: SocketAddr::from(([127, 0, 0, 1], subject.server.media_port())),
        certificate: load::certificate()?,
        names: crowd.names(),
        datagrams: options.datagrams,
        sessions: options.sessions,
        stop: AtomicBool::new(false),
        count: AtomicU64::new(0),
    };
    let length = Duration::from_secs_f64(options.seconds);
    let (flooded, called) = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flooder.run());
        let called = call(subject, crowd, &flooder, length);
        flooder.stop.store(true, Ordering::Relaxed);
        (flooding.join(), called)
    });
    let (flooded, (before, cpu)) = (flooded, called?);
    flooded.ok().context("the flooder panicked")??;
    let after = crowd.counts();
    let sent = after.sent - before.sent;
    Ok(Figures {
        flood,
        flooded: flooder.count.into_inner(),
        sent,
        lost: sent.saturating_sub(after.returned - before.returned),
        connected: crowd.connected(),
        latencies: crowd.take_latencies(),
        cores: (subject.meter.cpu()? - cpu).as_secs_f64() / (length + REST).as_secs_f64(),
        memory: subject.meter.memory()?,
    })
}

/// Lets everybody call while the flood lasts. Returns what was before: packets and the server's CPU
/// time.
fn call(
    subject: &Subject,
    crowd: &mut Crowd,
    flooder: &Flooder,
    length: Duration,
) -> Result<(Counts, Duration)> {
    let patience = Instant::now() + wait::PATIENCE;
    while !flooder.has_begun() && Instant::now() < patience {
        crowd.idle(LOOK)?;
    }
    let before = (crowd.counts(), subject.meter.cpu()?);
    crowd.take_latencies();
    crowd.start(TRAFFIC);
    crowd.send(length)?;
    crowd.stop(REST)?;
    Ok(before)
}

fn print(figures: &Figures, options: &Options) {
    let milliseconds = |percent| percentile(&figures.latencies, percent).as_secs_f64() * 1000.0;
    let name = figures.flood.to_possible_value();
    println!(
        "  {:17}  {:8.0}  {:12}  {:4}  {:16.2}  {:6.2}  {:6.2}  {:13.2}  {:6.1}",
        name.as_ref().map_or("", |name| name.get_name()),
        figures.flooded as f64 / options.seconds,
        figures.sent,
        figures.lost,
        milliseconds(50),
        milliseconds(99),
        milliseconds(100),
        figures.cores,
        megabytes(figures.memory),
    );
}

fn verdict(figures: &Figures, options: &Options) -> Complaints {
    let mut complaints = Complaints::new();
    let flood = figures.flood;
    if figures.lost > 0 {
        complaints.push(format!(
            "{flood:?} cost the callers {} packets",
            figures.lost
        ));
    }
    if figures.connected < options.peers {
        complaints.push(format!(
            "{flood:?}: {} are still connected",
            figures.connected
        ));
    }
    if flood != Flood::None && figures.flooded == 0 {
        complaints.push(format!("{flood:?}: there was no flood"));
    }
    complaints
}

/// What the flood did to how long the others' packets take, where that is known without one.
fn slowness(figures: &Figures, quiet: Option<Duration>) -> Option<String> {
    let (slow, quiet) = (percentile(&figures.latencies, 99), quiet?);
    let flood = figures.flood;
    (slow > quiet * SLOWER + SLACK).then(|| {
        format!("{flood:?}: the slowest packet in a hundred took {slow:?}, without it {quiet:?}")
    })
}

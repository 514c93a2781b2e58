//! The echo benchmark: what the real `ferrite` binary costs, beside the raw limit of the machine.
//!
//! ```sh
//! cargo run --release -p ferrite-tests --bin echo-bench              # two minutes
//! cargo run --release -p ferrite-tests --bin echo-bench -- --short   # does it work at all?
//! ```
//!
//! It starts the server (`FERRITE_BIN`, or else the release build that cargo makes), joins light
//! peers of another implementation over a WebSocket and UDP on the loopback interface, lets them
//! send video and counts what comes back. It prints CPU per echoed packet at 1, 50 and 200 peers,
//! memory per peer, CPU per join and the time from offer to connected; and, measured in the same
//! run, what a packet costs that only goes through AES-128-GCM and the system calls. `--peers 50`
//! runs only that number, `--seconds 30` sets how long each is measured: for a profiler.
//! `--without-feedback`: the peers agree to no transport-wide feedback, as if there were no congestion
//! control, to tell what that costs.
//!
//! | file | what it is |
//! |---|---|
//! | `bare` | an echo that does nothing else, with the same traffic |
//! | `report` | the figures, printed |
//!
//! The peers and the raw limit are [`ferrite_tests::load`]'s.
#![forbid(unsafe_code)]

mod bare;
mod report;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use ferrite_tests::load::{self, Crowd, Meter};
use ferrite_tests::{Server, artefacts};

use report::{Figures, Window};

/// What some peers send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// How many they are.
    pub(crate) peers: usize,
    /// What each sends.
    pub(crate) each: load::Traffic,
}

impl Traffic {
    const fn new(peers: usize, burst: u32, interval_us: u64) -> Self {
        Self {
            peers,
            each: load::Traffic {
                burst,
                interval: Duration::from_micros(interval_us),
            },
        }
    }

    fn of(peers: usize) -> Self {
        match peers {
            1 => TRAFFIC[0],
            2..100 => Self {
                peers,
                ..TRAFFIC[1]
            },
            _ => Self {
                peers,
                ..TRAFFIC[2]
            },
        }
    }
}

/// 17 Mbit/s from one peer, 1 Mbit/s from each of 50, half of that from each of 200: far from what
/// two cores can do for either process, so that nobody waits for a core.
const TRAFFIC: [Traffic; 3] = [
    Traffic::new(1, 10, 5_000),
    Traffic::new(50, 4, 33_333),
    Traffic::new(200, 2, 33_333),
];

/// How long to measure.
#[derive(Clone, Debug)]
struct Plan {
    traffic: Vec<Traffic>,
    windows: usize,
    window: Duration,
    settle: Duration,
    raw_rounds: usize,
    feedback: bool,
}

impl Plan {
    fn from_args(args: impl Iterator<Item = String>) -> Result<Self> {
        let mut plan = Self {
            traffic: TRAFFIC.to_vec(),
            windows: 5,
            window: Duration::from_secs(5),
            settle: Duration::from_secs(2),
            raw_rounds: 4000,
            feedback: true,
        };
        let mut args = args;
        while let Some(arg) = args.next() {
            let mut number = || -> Result<u64> {
                let value = args
                    .next()
                    .with_context(|| format!("{arg} needs a value"))?;
                value.parse().with_context(|| format!("{arg} {value}"))
            };
            match arg.as_str() {
                "--short" => {
                    plan.windows = 1;
                    plan.window = Duration::from_millis(1500);
                    plan.settle = Duration::from_millis(300);
                    plan.raw_rounds = 500;
                }
                "--without-feedback" => plan.feedback = false,
                "--peers" => plan.traffic = vec![Traffic::of(number()?.try_into()?)],
                "--seconds" => plan.window = Duration::from_secs(number()?) / plan.windows as u32,
                other => {
                    bail!(
                        "unknown argument {other}; there are --short, --without-feedback, --peers N, --seconds S"
                    )
                }
            }
        }
        Ok(plan)
    }

    /// Nobody yet.
    fn crowd(&self, address: &str) -> Result<Crowd> {
        let crowd = Crowd::new(address)?;
        Ok(match self.feedback {
            true => crowd,
            false => crowd.without_feedback(),
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let plan = Plan::from_args(std::env::args().skip(1))?;
    let dir = artefacts::fresh("echo-bench")?;
    let mut raw = load::Raw::new(1)?;
    raw.measure(plan.raw_rounds)?;
    let mut all = Vec::new();
    for traffic in &plan.traffic {
        all.push(measure(&dir, &plan, *traffic).await?);
        // Between the others, so that a noisy minute shows in both.
        raw.measure(plan.raw_rounds)?;
    }
    report::print(&raw.limits(), &all);
    for figures in &all {
        ensure!(
            figures.windows.iter().all(|window| window.returned > 0),
            "nothing came back to {} peers",
            figures.traffic.peers
        );
    }
    Ok(())
}

/// One number of peers on a fresh server.
async fn measure(dir: &Path, plan: &Plan, traffic: Traffic) -> Result<Figures> {
    // The log level of a real server, not that of the tests.
    let mut server = Server::start(dir, &["--log", "info"]).await?;
    let meter = Meter::new(server.pid()?)?;
    let address = server.url("").replace("http://", "");
    let mut figures = run(&address, &meter, plan, traffic)?;
    server.stop(Duration::from_secs(10)).await?;
    figures.bare = bare::measure(traffic, plan.window)?;
    Ok(figures)
}

fn run(address: &str, meter: &Meter, plan: &Plan, traffic: Traffic) -> Result<Figures> {
    let mut crowd = plan.crowd(address)?;
    warm_up(address, plan)?;
    let (cpu, memory) = (meter.cpu()?, meter.memory()?);
    let connected = crowd.join(traffic.peers)?;
    crowd.idle(plan.settle)?;
    let join_cpu = (meter.cpu()? - cpu) / u32::try_from(traffic.peers)?;
    let per_peer = |now: u64| (now as f64 - memory as f64) / 1024.0 / traffic.peers as f64;
    let idle_kb = per_peer(meter.memory()?);
    eprintln!("  {} peers connected", traffic.peers);

    crowd.start(traffic.each);
    crowd.send(plan.settle)?;
    let mut windows = Vec::new();
    for _ in 0..plan.windows {
        windows.push(window(&mut crowd, meter, plan.window)?);
    }
    let sending_kb = per_peer(meter.memory()?);
    crowd.stop(plan.settle)?;
    let counts = crowd.counts();
    Ok(Figures {
        traffic,
        windows,
        lost: counts.sent.saturating_sub(counts.returned),
        sent: counts.sent,
        bare: 0.0,
        tag: crowd.tag(),
        idle_kb,
        sending_kb,
        join_cpu,
        connected,
    })
}

/// The first peer costs what is made once: the tables and buffers of every thread.
fn warm_up(address: &str, plan: &Plan) -> Result<()> {
    let mut crowd = plan.crowd(address)?;
    let peers = 4;
    crowd.join(peers)?;
    crowd.start(TRAFFIC[1].each);
    crowd.send(plan.settle)?;
    crowd.stop(plan.settle)
}

fn window(crowd: &mut Crowd, meter: &Meter, length: Duration) -> Result<Window> {
    let (server, own, before) = (meter.cpu()?, load::own_cpu()?, crowd.counts());
    let began = std::time::Instant::now();
    crowd.send(length)?;
    let after = crowd.counts();
    Ok(Window {
        length: began.elapsed(),
        server_cpu: meter.cpu()? - server,
        load_cpu: load::own_cpu()? - own,
        returned: after.returned - before.returned,
    })
}

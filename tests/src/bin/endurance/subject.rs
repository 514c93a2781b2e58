//! The server under observation: what it says it holds, and what the kernel says of its process.
//! Knows nothing of who calls it.

use std::time::{Duration, Instant};

use anyhow::Result;
use ferrite_tests::load::Meter;
use ferrite_tests::server::Holdings;
use ferrite_tests::{Server, artefacts, wait};

use crate::Complaints;

/// How much more resident memory the last quarter of a run may have at least than its first half
/// had at most. What leaks grows on; what the allocator keeps for the next client goes up and down by
/// megabytes, and so do tables until they have the size they need.
const SLACK: u64 = 2 << 20;

/// The same for a run of few samples, most of which is warming up.
const SHORT_SLACK: u64 = 8 << 20;
const FEW: usize = 8;

/// The longest anything is kept for a client that is gone: what the flags of the run say,
/// consent (30 s), and a TCP connection nobody checks (60 s).
const PATIENCE: Duration = Duration::from_secs(90);

/// Nothing but trouble and counts is logged, and all clients come from one address.
const FLAGS: &[&str] = &[
    "--log",
    "warn,rtc_dtls=error,rtc_sctp=error,ferrite_server::server=info",
    "--max-sessions-per-address",
    "100000",
];

/// The server.
pub(crate) struct Subject {
    pub(crate) server: Server,
    pub(crate) meter: Meter,
    began: Instant,
    /// Before anybody came.
    first: Sample,
}

/// One look at it.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Duration,
    pub(crate) memory: u64,
    pub(crate) files: usize,
    pub(crate) threads: usize,
    pub(crate) held: Holdings,
}

impl Subject {
    /// Starts the server and looks at it for the first time.
    pub(crate) async fn start(run: &str, flags: &[&str]) -> Result<Self> {
        let dir = artefacts::fresh(run)?;
        let flags = [FLAGS, flags].concat();
        let mut server = Server::start(&dir, &flags).await?;
        let meter = Meter::new(server.pid()?)?;
        let began = Instant::now();
        let first = sample(&mut server, &meter, began).await?;
        Ok(Self {
            server,
            meter,
            began,
            first,
        })
    }

    /// Looks at it.
    pub(crate) async fn sample(&mut self) -> Result<Sample> {
        sample(&mut self.server, &self.meter, self.began).await
    }

    /// Waits until the server holds nothing more than before anybody came, and looks at it. When it
    /// never comes to that, the sample says what it holds.
    pub(crate) async fn settled(&mut self) -> Result<Sample> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let last = self.sample().await?;
            if self.left_over(&last).is_empty() || Instant::now() >= deadline {
                return Ok(last);
            }
            // The server sweeps once a second.
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// What the server has more of than before anybody came.
    pub(crate) fn left_over(&self, sample: &Sample) -> Vec<(String, usize)> {
        let mut more = sample.held.more_than(&self.first.held).0;
        let kernel = [
            ("files", sample.files, self.first.files),
            ("threads", sample.threads, self.first.threads),
        ];
        let grown = kernel.iter().filter(|(_, now, first)| now > first);
        more.extend(grown.map(|(name, now, _)| ((*name).to_owned(), *now)));
        more
    }

    /// What is wrong with how memory went.
    pub(crate) fn growth(&self, samples: &[Sample]) -> Option<String> {
        let memory: Vec<_> = samples.iter().map(|sample| sample.memory).collect();
        let (half, quarter) = (memory.len().div_ceil(2), memory.len().div_ceil(4));
        let before = *memory.get(..half)?.iter().max()?;
        let after = *memory.get(memory.len() - quarter..)?.iter().min()?;
        let slack = if memory.len() < FEW {
            SHORT_SLACK
        } else {
            SLACK
        };
        (after > before + slack).then(|| {
            let (from, to) = (megabytes(before), megabytes(after));
            format!("resident memory went from {from:.1} to {to:.1} MB")
        })
    }

    /// Ends the server. It says a last time what it held, and must end well and have logged no
    /// trouble.
    pub(crate) async fn stop(mut self) -> Result<Complaints> {
        let status = self.server.stop(wait::PATIENCE).await?;
        let mut complaints = Complaints::new();
        if !status.success() {
            complaints.push(format!("the server ended with {status}"));
        }
        let log = self.server.output()?;
        let trouble = |line: &&str| line.contains(" WARN ") || line.contains(" ERROR ");
        let count = log.lines().filter(trouble).count();
        if let Some(line) = log.lines().find(trouble) {
            complaints.push(format!(
                "the server logged {count} times trouble, first: {line}"
            ));
        }
        Ok(complaints)
    }
}

async fn sample(server: &mut Server, meter: &Meter, began: Instant) -> Result<Sample> {
    Ok(Sample {
        held: server.holdings().await?,
        at: began.elapsed(),
        memory: meter.memory()?,
        files: meter.files()?,
        threads: meter.threads()?,
    })
}

pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

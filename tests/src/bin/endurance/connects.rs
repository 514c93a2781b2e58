//! Sessions that end in every state: whatever a client does or fails to do, nothing of it stays.

use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, anyhow};
use ferrite_tests::load::{self, Caller};

use crate::Complaints;
use crate::life::{Life, World};
use crate::subject::{Sample, Subject, megabytes};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Sessions to open and end
    #[arg(long, default_value_t = 20_000, value_name = "COUNT")]
    count: usize,
    /// Threads that do it, each one session at a time
    #[arg(long, default_value_t = 8, value_name = "COUNT")]
    threads: usize,
    /// How often to wait until everybody is gone, and to count what is left
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    checks: usize,
}

/// A client that vanished is noticed in seconds.
const FLAGS: &[&str] = &["--ping-interval", "1s", "--resume-time", "1s"];

pub(crate) async fn run(options: &Options, log: &str) -> Result<Complaints> {
    let mut subject = Subject::start(log, FLAGS).await?;
    let world = World {
        address: subject.server.address().to_owned(),
        media_port: subject.server.media_port(),
        certificate: load::certificate()?,
    };
    println!("{} sessions that end in every state", options.count);
    println!("  sessions  seconds   RSS MB  files  threads  timers  left over");
    let mut samples = Vec::new();
    for check in 0..options.checks {
        let at = |check| options.count * check / options.checks;
        let vanished = live(&world, at(check)..at(check + 1), options.threads)?;
        let sample = subject.settled().await?;
        // Until here: the server had to notice by itself that they are gone.
        drop(vanished);
        print(at(check + 1), &sample, &subject.left_over(&sample));
        samples.push(sample);
    }
    let mut complaints = Complaints::new();
    for (check, sample) in samples.iter().enumerate() {
        let left_over = subject.left_over(sample);
        if !left_over.is_empty() {
            complaints.push(format!("left over at check {}: {left_over:?}", check + 1));
        }
    }
    complaints.extend(subject.growth(&samples));
    complaints.extend(subject.stop().await?);
    Ok(complaints)
}

/// Lives these lives. Returns those who vanished without a word: their sockets are still open.
fn live(world: &World, lives: Range<usize>, threads: usize) -> Result<Vec<Caller>> {
    let next = AtomicUsize::new(lives.start);
    let work = || -> Result<Vec<Caller>> {
        let mut vanished = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= lives.end {
                return Ok(vanished);
            }
            let life = Life::of(number);
            let lived = life.live(world, number);
            vanished.extend(lived.map_err(|error| error.context(format!("{number}: {life:?}")))?);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut all = Vec::new();
        for worker in workers {
            let vanished = worker.join().map_err(|_| anyhow!("a thread panicked"))?;
            all.extend(vanished?);
        }
        Ok(all)
    })
}

fn print(sessions: usize, sample: &Sample, left_over: &[(String, usize)]) {
    let left_over = left_over
        .iter()
        .map(|(name, count)| format!("{name}: {count}"));
    let left_over = left_over.collect::<Vec<_>>().join(", ");
    println!(
        "  {sessions:8}  {:7.0}  {:7.1}  {:5}  {:7}  {:6}  {}",
        sample.at.as_secs_f64(),
        megabytes(sample.memory),
        sample.files,
        sample.threads,
        sample.held.count("timers"),
        if left_over.is_empty() {
            "nothing"
        } else {
            &left_over
        },
    );
}

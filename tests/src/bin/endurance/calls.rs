//! Calls that go on, with pictures and data, while packets get lost: whatever an hour of repairs
//! leaves behind would show in the server's memory.

use std::time::Duration;

use anyhow::Result;
use ferrite_tests::load::{Counts, Crowd, PACKET, Traffic, own_cpu};

use crate::Complaints;
use crate::subject::{Sample, Subject, megabytes};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Peers, each with sound, a picture and a data channel
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    peers: usize,
    /// How long they call
    #[arg(long, default_value_t = 60.0, value_name = "MINUTES")]
    minutes: f64,
    /// How many of 100 datagrams get lost, each way. The load tool loses them, by a seed
    #[arg(long, default_value_t = 2.0, value_name = "PERCENT")]
    loss: f64,
    /// Packets a second from each peer
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    rate: u32,
    /// How many lines to print
    #[arg(long, default_value_t = 60, value_name = "COUNT")]
    checks: u32,
}

/// Of the packets sent, so many have to come back: each is lost on two ways, and repaired on both.
const RETURNED: f64 = 0.99;

/// Packets that leave back to back.
const BURST: u32 = 2;

/// The time between two messages of one peer.
const CHAT: Duration = Duration::from_secs(1);
const MESSAGE: [u8; 1000] = [7; 1000];

pub(crate) async fn run(options: &Options, log: &str) -> Result<Complaints> {
    let mut subject = Subject::start(log, &[]).await?;
    let mut crowd = Crowd::new(subject.server.address())?.losing(options.loss / 100.0);
    crowd.join(options.peers)?;
    crowd.start(Traffic {
        burst: BURST,
        interval: Duration::from_secs(1) * BURST / options.rate,
    });
    println!(
        "{} peers, {} packets of {PACKET} bytes a second each, {} % lost each way, {} minutes",
        options.peers, options.rate, options.loss, options.minutes
    );
    println!(
        "  minutes   RSS MB  files  threads  timers  paths   packets/s  back %  messages back %  cores: server  load"
    );
    let length = Duration::from_secs_f64(options.minutes * 60.0) / options.checks;
    let mut samples = Vec::new();
    for _ in 0..options.checks {
        let (before, said) = (crowd.counts(), crowd.messages());
        let cpu = (subject.meter.cpu()?, own_cpu()?);
        chat(&mut crowd, length)?;
        let sample = subject.sample().await?;
        let cores = [subject.meter.cpu()? - cpu.0, own_cpu()? - cpu.1]
            .map(|cpu| cpu.as_secs_f64() / length.as_secs_f64());
        print(
            &sample,
            since(before, crowd.counts()),
            since(said, crowd.messages()),
            length,
            cores,
        );
        samples.push(sample);
    }
    // What is under way arrives, and is repaired.
    crowd.stop(Duration::from_secs(3))?;
    let mut complaints = verdict(&crowd, options);
    complaints.extend(subject.growth(&samples));
    drop(crowd);
    let last = subject.settled().await?;
    let left_over = subject.left_over(&last);
    if !left_over.is_empty() {
        complaints.push(format!("left over after the calls: {left_over:?}"));
    }
    complaints.extend(subject.stop().await?);
    Ok(complaints)
}

fn chat(crowd: &mut Crowd, length: Duration) -> Result<()> {
    let mut left = length;
    while !left.is_zero() {
        let next = left.min(CHAT);
        crowd.chat(&MESSAGE)?;
        crowd.send(next)?;
        left -= next;
    }
    Ok(())
}

fn verdict(crowd: &Crowd, options: &Options) -> Complaints {
    let mut complaints = Complaints::new();
    let connected = crowd.connected();
    if connected < options.peers {
        complaints.push(format!("{connected} of {} are connected", options.peers));
    }
    let share = share(crowd.counts());
    println!("  all packets: {:.3} % came back", 100.0 * share);
    if share < RETURNED {
        complaints.push(format!("{:.2} % of the packets came back", 100.0 * share));
    }
    let messages = crowd.messages();
    println!(
        "  all messages: {} of {} came back",
        messages.returned, messages.sent
    );
    if messages.returned != messages.sent {
        complaints.push("a message did not come back".to_owned());
    }
    complaints
}

fn share(counts: Counts) -> f64 {
    counts.returned as f64 / counts.sent.max(1) as f64
}

fn since(before: Counts, now: Counts) -> Counts {
    Counts {
        sent: now.sent - before.sent,
        returned: now.returned - before.returned,
    }
}

fn print(sample: &Sample, packets: Counts, messages: Counts, length: Duration, cores: [f64; 2]) {
    println!(
        "  {:7.1}  {:7.2}  {:5}  {:7}  {:6}  {:5}  {:10.0}  {:6.2}  {:15.2}  {:13.2}  {:4.2}",
        sample.at.as_secs_f64() / 60.0,
        megabytes(sample.memory),
        sample.files,
        sample.threads,
        sample.held.count("timers"),
        sample.held.count("paths"),
        packets.returned as f64 / length.as_secs_f64(),
        100.0 * share(packets),
        100.0 * share(messages),
        cores[0],
        cores[1],
    );
}

//! Members of a room flood it: what that costs the others in it, whose packets are timed and counted.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use ferrite_tests::load::rooms::{Camera, Field, FieldOptions, LinkOptions, News, Pace, Part};
use ferrite_tests::load::token::TokenKey;
use ferrite_tests::wait;

use super::guests::{Guests, RoomFlood};
use super::{SLACK, SLOWER};
use crate::Complaints;
use crate::subject::{Subject, megabytes};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Members of the room who do not flood it, two of whom publish
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    members: usize,
    /// How long each flood lasts
    #[arg(long, default_value_t = 20.0, value_name = "SECONDS")]
    seconds: f64,
    /// Datagrams a second in a flood of datagrams
    #[arg(long, default_value_t = 4_000, value_name = "COUNT")]
    datagrams: u64,
    /// How often each flood comes, and as often a quiet time before it. From 2 on what is compared is the median of the
    /// slowest packet in a hundred of all of them
    #[arg(long, default_value_t = 1, value_name = "COUNT")]
    rounds: u32,
    /// With several rounds: what a flood may slow that packet down by
    #[arg(long, value_name = "PERCENT")]
    percent: Option<f64>,
    /// Only these floods; all of them if not given
    #[arg(long, value_name = "FLOOD", value_enum)]
    only: Vec<RoomFlood>,
}

const KEY: TokenKey = ("endurance", "a secret of at least thirty-two bytes");

/// The room that everybody is in.
const ROOM: u32 = 0;

/// How many publish, with camera and microphone.
const PUBLISHERS: usize = 2;

const PUBLISHER: Part = Part {
    camera: Camera::Plain,
    microphone: true,
    shown: 0,
    heard: 0,
    numbered: true,
};
const SUBSCRIBER: Part = Part {
    camera: Camera::Off,
    microphone: false,
    shown: PUBLISHERS,
    heard: PUBLISHERS,
    numbered: true,
};

/// What is under way arrives within this.
const REST: Duration = Duration::from_millis(500);

/// How long the room is looked after before it is looked whether something is so.
const TURN: Duration = Duration::from_millis(20);

/// What the others saw of one flood.
struct Figures {
    flood: RoomFlood,
    flooded: u64,
    news: News,
    connected: usize,
    cores: f64,
    memory: u64,
}

impl Figures {
    /// Packets that did not come.
    fn lost(&self) -> u64 {
        self.news.found.gaps - self.news.found.late
    }
}

pub(crate) async fn run(options: &Options, log: &str) -> Result<Complaints> {
    let is_compared = options.percent.is_none() || options.rounds > 1;
    ensure!(is_compared, "--percent is for several --rounds");
    let key = format!("{}:{}", KEY.0, KEY.1);
    let subject = Subject::start(log, &["--token-key", &key]).await?;
    let media = SocketAddrV4::new(Ipv4Addr::LOCALHOST, subject.server.media_port());
    let mut field = Field::new(subject.server.address(), media, field_options())?;
    let members = options.members.max(PUBLISHERS + 1);
    come(&mut field, PUBLISHER, PUBLISHERS)?;
    come(&mut field, SUBSCRIBER, members)?;
    println!("{members} members of a room, {PUBLISHERS} of whom publish, and some who flood it");
    println!(
        "  flood              a second     packets  lost  latency, ms: p50     p99     max  cores: server  RSS MB"
    );
    let all = RoomFlood::value_variants();
    let floods = all
        .iter()
        .filter(|flood| options.only.is_empty() || options.only.contains(flood));
    let (mut complaints, mut quiet) = (Complaints::new(), None);
    for flood in floods {
        if options.rounds > 1 {
            complaints.extend(compare(&subject, &mut field, *flood, options, members)?);
            continue;
        }
        let figures = measure(&subject, &mut field, *flood, options, 0)?;
        print(&figures, options);
        complaints.extend(verdict(&figures, members));
        complaints.extend(slowness(&figures, quiet));
        if figures.flood == RoomFlood::None {
            quiet = Some(figures.news.found.latency.ms(0.99));
        }
    }
    drop(field);
    complaints.extend(subject.stop().await?);
    Ok(complaints)
}

fn field_options() -> FieldOptions {
    FieldOptions {
        feedback: Duration::from_millis(100),
        open: 1,
        pace: Pace {
            bitrate: 600_000,
            packets_per_frame: 2,
            temporal_layers: 1,
        },
        all_layers: false,
        widths: Vec::new(),
        link: LinkOptions::default(),
        sockets: 4,
        key: Some(KEY),
    }
}

/// Lets more come, until there are so many.
fn come(field: &mut Field, part: Part, until: usize) -> Result<()> {
    let deadline = Instant::now() + wait::PATIENCE;
    for _ in field.present().0..until {
        field.invite(ROOM, part)?;
    }
    while field.present().1 < until {
        ensure!(
            Instant::now() < deadline,
            "only {:?} came in",
            field.present()
        );
        field.live(Instant::now() + TURN)?;
    }
    Ok(())
}

fn measure(
    subject: &Subject,
    field: &mut Field,
    flood: RoomFlood,
    options: &Options,
    turn: u32,
) -> Result<Figures> {
    let guests = Guests {
        flood,
        address: subject.server.address().to_owned(),
        media: ([127, 0, 0, 1], subject.server.media_port()).into(),
        room: format!("load-{ROOM}"),
        key: KEY,
        datagrams: options.datagrams,
        turn,
        stop: AtomicBool::new(false),
        count: AtomicU64::new(0),
    };
    let length = Duration::from_secs_f64(options.seconds);
    let (flooded, watched) = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| guests.run());
        let watched = watch(subject, field, &guests, length);
        guests.stop.store(true, Ordering::Relaxed);
        (flooding.join(), watched)
    });
    let (news, cpu) = watched?;
    flooded.ok().context("a flooder panicked")??;
    Ok(Figures {
        flood,
        flooded: guests.count.into_inner(),
        news,
        connected: field.present().1,
        cores: cpu.as_secs_f64() / (length + REST).as_secs_f64(),
        memory: subject.meter.memory()?,
    })
}

/// Measures a flood several times, each time beside a quiet time just before: machines are slower now and then, whoever
/// floods them.
fn compare(
    subject: &Subject,
    field: &mut Field,
    flood: RoomFlood,
    options: &Options,
    members: usize,
) -> Result<Complaints> {
    let mut complaints = Complaints::new();
    let (mut quiet, mut flooded, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..options.rounds {
        let mut slowest = [0.0; 2];
        for (slowest, flood) in slowest.iter_mut().zip([RoomFlood::None, flood]) {
            let figures = measure(subject, field, flood, options, turn)?;
            print(&figures, options);
            complaints.extend(verdict(&figures, members));
            *slowest = figures.news.found.latency.ms(0.99);
        }
        quiet.push(slowest[0]);
        flooded.push(slowest[1]);
        times.push(slowest[1] / slowest[0]);
    }
    times.sort_by(f64::total_cmp);
    let (quiet, flooded) = (median(quiet), median(flooded));
    println!(
        "  {flood:?}: p99 {quiet:.3} ms, flooded {flooded:.3}: {:.3} times that; by rounds {:.3} to {:.3}",
        flooded / quiet,
        times.first().copied().unwrap_or_default(),
        times.last().copied().unwrap_or_default(),
    );
    if let Some(percent) = options.percent
        && flood != RoomFlood::None
        && flooded > quiet * (1.0 + percent / 100.0)
    {
        complaints.push(format!(
            "{flood:?}: the slowest packet in a hundred took {flooded:.3} ms, without it {quiet:.3}"
        ));
    }
    Ok(complaints)
}

/// Of an even number the lower one of the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    values.get(middle).copied().unwrap_or_default()
}

/// Lets media flow while the flood lasts. Returns what was found, and the CPU time that the server took.
fn watch(
    subject: &Subject,
    field: &mut Field,
    guests: &Guests,
    length: Duration,
) -> Result<(News, Duration)> {
    let patience = Instant::now() + wait::PATIENCE;
    while !guests.has_begun() && Instant::now() < patience {
        field.live(Instant::now() + TURN)?;
    }
    field.start();
    // Slots begin with a keyframe.
    field.live(Instant::now() + REST)?;
    field.take_news();
    let cpu = subject.meter.cpu()?;
    field.live(Instant::now() + length)?;
    field.stop();
    field.live(Instant::now() + REST)?;
    Ok((field.take_news(), subject.meter.cpu()? - cpu))
}

fn print(figures: &Figures, options: &Options) {
    let latency = &figures.news.found.latency;
    let name = figures.flood.to_possible_value();
    println!(
        "  {:17}  {:8.0}  {:10}  {:4}  {:16.2}  {:6.2}  {:6.2}  {:13.2}  {:6.1}",
        name.as_ref().map_or("", |name| name.get_name()),
        figures.flooded as f64 / options.seconds,
        figures.news.found.packets,
        figures.lost(),
        latency.ms(0.5),
        latency.ms(0.99),
        latency.ms(1.0),
        figures.cores,
        megabytes(figures.memory),
    );
}

fn verdict(figures: &Figures, members: usize) -> Complaints {
    let (flood, found) = (figures.flood, &figures.news.found);
    let mut complaints = Complaints::new();
    let wrong = [
        (figures.lost(), "packets lost"),
        (found.left_out, "packets left out"),
        (found.broken, "packets that were not authentic"),
        (found.no_keyframe, "pictures that began without a keyframe"),
    ];
    let wrong = wrong.iter().filter(|(count, _)| *count > 0);
    complaints.extend(wrong.map(|(count, what)| format!("{flood:?}: {count} {what}")));
    if found.packets == 0 {
        complaints.push(format!("{flood:?}: nothing came"));
    }
    if figures.connected < members {
        complaints.push(format!("{flood:?}: {} are still there", figures.connected));
    }
    if flood != RoomFlood::None && figures.flooded == 0 {
        complaints.push(format!("{flood:?}: there was no flood"));
    }
    complaints
}

/// What the flood did to how long the others' packets take, where that is known without one.
fn slowness(figures: &Figures, quiet: Option<f64>) -> Option<String> {
    let (slow, quiet) = (figures.news.found.latency.ms(0.99), quiet?);
    let flood = figures.flood;
    let allowed = quiet * f64::from(SLOWER) + SLACK.as_secs_f64() * 1000.0;
    (slow > allowed).then(|| {
        format!("{flood:?}: the slowest packet in a hundred took {slow} ms, without it {quiet}")
    })
}

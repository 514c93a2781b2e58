//! Rooms that people come to and go from all the time, while media flows and others are watched: whatever an hour
//! of that leaves behind would show in the server's memory, its files, or what it holds.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use anyhow::Result;
use ferrite_tests::load::rooms::{Camera, Field, FieldOptions, LinkOptions, News, Pace, Part};

use crate::Complaints;
use crate::subject::{Sample, Subject, megabytes};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rooms
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    rooms: u32,
    /// Members of each room, every third of whom publishes a picture and sound
    #[arg(long, default_value_t = 6, value_name = "COUNT")]
    members: u32,
    /// Members who leave, a second over all rooms; another comes for each
    #[arg(long, default_value_t = 10.0, value_name = "COUNT")]
    churn: f64,
    /// Members who watch others than before, a second over all rooms
    #[arg(long, default_value_t = 10.0, value_name = "COUNT")]
    watch_changes: f64,
    /// Messages to whole rooms, a second over all rooms
    #[arg(long, default_value_t = 10.0, value_name = "COUNT")]
    messages: f64,
    /// How long
    #[arg(long, default_value_t = 60.0, value_name = "MINUTES")]
    minutes: f64,
    /// How many lines to print
    #[arg(long, default_value_t = 60, value_name = "COUNT")]
    checks: u32,
}

const SUBSCRIBER: Part = Part {
    camera: Camera::Off,
    microphone: false,
    shown: 2,
    heard: 2,
    numbered: true,
};
const PUBLISHER: Part = Part {
    camera: Camera::Plain,
    microphone: true,
    ..SUBSCRIBER
};

/// One turn, in which what is due is done.
const TURN: Duration = Duration::from_millis(20);

/// Until what is under way has arrived, and who came last is in.
const REST: Duration = Duration::from_secs(3);

pub(crate) async fn run(options: &Options, log: &str) -> Result<Complaints> {
    let mut subject = Subject::start(log, &[]).await?;
    let media = SocketAddrV4::new(Ipv4Addr::LOCALHOST, subject.server.media_port());
    let mut field = Field::new(subject.server.address(), media, field_options())?;
    println!(
        "{} rooms of {}; {} leave and as many come a second, {} watch others, {} say something; {} minutes",
        options.rooms,
        options.members,
        options.churn,
        options.watch_changes,
        options.messages,
        options.minutes
    );
    println!(
        "  minutes   RSS MB  files  threads  timers  paths  rooms  tracks   packets/s  lost  came in all"
    );
    for at in 0..options.rooms * options.members {
        let part = if (at / options.rooms).is_multiple_of(3) {
            PUBLISHER
        } else {
            SUBSCRIBER
        };
        field.invite(at % options.rooms, part)?;
        field.live(Instant::now() + TURN)?;
    }
    field.start();
    let length = Duration::from_secs_f64(options.minutes * 60.0) / options.checks;
    let (mut samples, mut complaints, mut came) = (Vec::new(), Complaints::new(), 0);
    for _ in 0..options.checks {
        field.take_news();
        came += churn(&mut field, options, length)?;
        let (sample, news) = (subject.sample().await?, field.take_news());
        print(&sample, &news, length, came);
        complaints.extend(verdict(&news));
        samples.push(sample);
    }
    field.stop();
    field.live(Instant::now() + REST)?;
    complaints.extend(subject.growth(&samples));
    drop(field);
    let last = subject.settled().await?;
    println!(
        "  all gone: {:.2} MB, {} files, {} threads",
        megabytes(last.memory),
        last.files,
        last.threads
    );
    let left_over = subject.left_over(&last);
    if !left_over.is_empty() {
        complaints.push(format!("left over after the rooms: {left_over:?}"));
    }
    complaints.extend(subject.stop().await?);
    Ok(complaints)
}

fn field_options() -> FieldOptions {
    FieldOptions {
        feedback: Duration::from_millis(100),
        open: 1,
        pace: Pace {
            bitrate: 300_000,
            packets_per_frame: 3,
            temporal_layers: 1,
        },
        all_layers: false,
        widths: Vec::new(),
        link: LinkOptions::default(),
        sockets: 4,
        key: None,
    }
}

/// Lets it go on for so long. Returns how many came.
fn churn(field: &mut Field, options: &Options, length: Duration) -> Result<u64> {
    let began = Instant::now();
    let due = |rate: f64| (began.elapsed().as_secs_f64() * rate) as u64;
    let (mut came, mut changed, mut said) = (0, 0, 0);
    while began.elapsed() < length {
        while came < due(options.churn) {
            came += 1;
            let gone = field.draw(|_| true);
            if let Some((number, (room, part))) = gone.and_then(|it| Some((it, field.seat(it)?))) {
                field.dismiss(number)?;
                field.invite(room, part)?;
            }
        }
        while changed < due(options.watch_changes) {
            changed += 1;
            if let Some(number) = field.draw(|_| true) {
                field.change_watch(number)?;
            }
        }
        while said < due(options.messages) {
            said += 1;
            if let Some(number) = field.draw(|_| true) {
                field.say(number, 200)?;
            }
        }
        field.live(Instant::now() + TURN)?;
    }
    Ok(came)
}

fn lost(news: &News) -> u64 {
    news.found.gaps.saturating_sub(news.found.late)
}

fn verdict(news: &News) -> Complaints {
    let found = &news.found;
    let wrong = [
        (lost(news), "packets lost"),
        (found.repeats, "packets twice under one number"),
        (found.broken, "packets that were not authentic"),
        (found.no_keyframe, "pictures that began without a keyframe"),
    ];
    let wrong = wrong.iter().filter(|(count, _)| *count > 0);
    let mut complaints: Complaints = wrong
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    if found.packets == 0 {
        complaints.push("nothing came".to_owned());
    }
    complaints
}

fn print(sample: &Sample, news: &News, length: Duration, came: u64) {
    println!(
        "  {:7.1}  {:7.2}  {:5}  {:7}  {:6}  {:5}  {:5}  {:6}  {:10.0}  {:4}  {came:11}",
        sample.at.as_secs_f64() / 60.0,
        megabytes(sample.memory),
        sample.files,
        sample.threads,
        sample.held.count("timers"),
        sample.held.count("paths"),
        sample.held.count("rooms"),
        sample.held.count("tracks"),
        news.found.packets as f64 / length.as_secs_f64(),
        lost(news),
    );
}

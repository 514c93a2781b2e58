//! Rooms that are held for a while each, one after the other, and the table of what that took. Each row is a run of
//! this program by itself, as anybody may repeat it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Error, Result, ensure};
use clap::Parser;
use ferrite_tests::artefacts;
use serde_json::{Value, json};
use tokio::process::Command;

/// What is held.
struct Room {
    name: &'static str,
    rooms: u32,
    publishers: u32,
    subscribers: u32,
    /// The rest of the command.
    rest: &'static str,
}

impl Room {
    const fn new(
        name: &'static str,
        (rooms, publishers, subscribers): (u32, u32, u32),
        rest: &'static str,
    ) -> Self {
        Self {
            name,
            rooms,
            publishers,
            subscribers,
            rest,
        }
    }

    /// The command that fills it with one in so many.
    fn arguments(&self, one_in: u32) -> Vec<String> {
        let few = |count: u32| {
            if count > 1 {
                (count / one_in).max(2)
            } else {
                count
            }
        };
        let mut arguments = vec![
            format!("--rooms={}", few(self.rooms)),
            format!("--publishers={}", few(self.publishers)),
            format!("--subscribers={}", few(self.subscribers)),
        ];
        arguments.extend(self.rest.split_whitespace().map(str::to_owned));
        arguments
    }
}

const ROOMS: [Room; 9] = [
    Room::new("1 to 500", (1, 1, 500), "--bitrate 600"),
    Room::new(
        "1 to 500, two shards",
        (1, 1, 500),
        "--bitrate 600 --shards 2",
    ),
    Room::new("600 kbit/s to 1000", (1, 1, 1000), "--bitrate 600"),
    Room::new("600 kbit/s to 2000", (1, 1, 2000), "--bitrate 600"),
    Room::new(
        "50 rooms of 4",
        (50, 4, 0),
        "--audio --bitrate 500 --packets-per-frame 2",
    ),
    Room::new(
        "a meeting of 50, 9 shown",
        (1, 50, 0),
        "--audio --shown 9 --bitrate 500 --packets-per-frame 2",
    ),
    Room::new("1 to 50, even", (1, 1, 50), "--bitrate 2000 --beside janus"),
    Room::new(
        "1 to 50, in fives",
        (1, 1, 50),
        "--bitrate 2000 --packets-per-frame 5 --beside janus",
    ),
    Room::new(
        "simulcast to 50",
        (1, 1, 50),
        "--simulcast --bitrate 2500 --packets-per-frame 9 --width 1280,640,320",
    ),
];

#[derive(Debug, Parser)]
#[command(
    name = "load held",
    about = "Holds rooms for a minute each, one after the other, and prints a table of what that took, in Markdown.",
    after_help = "A server that is compared with has a row of its own. The exit code is 1 if the server lost, repeated or \
                  mixed up anything in any of them."
)]
struct Options {
    /// How long each is measured
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Only those whose names have this in them
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// So many come while media flows, and tell how soon they see something
    #[arg(long, default_value_t = 20)]
    visitors: u32,
    /// Of rooms and participants, only one in so many
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    one_in: u32,
    /// Rounds of 32 packets by which the raw limits are measured, before and after each
    #[arg(long, default_value_t = 2000)]
    raw_rounds: usize,
    /// Writes the rows there, each with all its figures
    #[arg(long)]
    json: Option<PathBuf>,
    /// The directory of what each run left, in tests/artefacts
    #[arg(long, default_value = "load-held", value_name = "NAME")]
    log: String,
}

pub(crate) async fn main() -> Result<ExitCode> {
    // The word itself; the program's name stays.
    let arguments = std::env::args_os().enumerate().filter(|(at, _)| *at != 1);
    let options = Options::parse_from(arguments.map(|(_, argument)| argument));
    let is_asked = |room: &&Room| {
        let only = &options.only;
        only.is_empty() || only.iter().any(|text| room.name.contains(text.as_str()))
    };
    let rooms: Vec<_> = ROOMS.iter().filter(is_asked).collect();
    ensure!(!rooms.is_empty(), "none of them has such a name");
    let (mut rows, mut all_held) = (Vec::new(), true);
    for (room, at) in rooms.into_iter().zip(1..) {
        let held = hold(room, at, &options).await;
        let (mut figures, held) = held.unwrap_or_else(|error| (not_held(room, &error), false));
        all_held &= held;
        let beside = figures.as_object_mut().and_then(|it| it.remove("beside"));
        rows.push(figures);
        if let Some(mut beside) = beside {
            beside["room"] = format!("{}: Janus", room.name).into();
            rows.push(beside);
        }
    }
    println!("\n{}", table(&rows));
    if let Some(path) = &options.json {
        let json = serde_json::to_string_pretty(&json!({ "rows": rows }))?;
        std::fs::write(path, json + "\n").with_context(|| path.display().to_string())?;
    }
    Ok(match all_held {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Runs the one, and returns its figures, and whether all was well.
async fn hold(room: &Room, at: usize, options: &Options) -> Result<(Value, bool)> {
    let log = format!("{}/{at}", options.log);
    let json = artefacts::fresh(&log)?.join("figures.json");
    let arguments = room.arguments(options.one_in);
    println!("\n{}: load {}", room.name, arguments.join(" "));
    let status = Command::new(std::env::current_exe()?)
        .args(&arguments)
        .arg(format!("--seconds={}", options.seconds))
        .arg(format!("--visitors={}", options.visitors))
        .arg(format!("--raw-rounds={}", options.raw_rounds))
        .arg(format!("--log={log}/server"))
        .arg("--json")
        .arg(&json)
        .kill_on_drop(true)
        .status()
        .await?;
    let figures = std::fs::read(&json);
    let figures = figures.with_context(|| format!("it ended with {status} and no figures"))?;
    let mut figures: Value = serde_json::from_slice(&figures)?;
    figures["room"] = room.name.into();
    figures["command"] = arguments.join(" ").into();
    Ok((figures, status.success()))
}

/// The row of one that could not be held.
fn not_held(room: &Room, error: &Error) -> Value {
    let complaint = format!("{error:#}");
    println!("FAILED: {complaint}");
    json!({ "room": room.name, "complaints": [complaint] })
}

/// A column's name, and what it shows of a row.
type Column = (&'static str, fn(&Value) -> String);

const COLUMNS: [Column; 12] = [
    ("room", |row| text(&row["room"])),
    ("µs per packet", |row| {
        number(&row["usPerForwardedPacket"], 2)
    }),
    ("× AES + sendmmsg", |row| times(row, "rawSealSend")),
    ("× AES + GSO", |row| times(row, "rawSealGso")),
    ("packets a second", |row| {
        number(&row["packetsPerSecond"], 0)
    }),
    ("cores", |row| number(&row["cores"], 2)),
    ("lost", |row| number(&row["lostPackets"], 0)),
    ("added latency p50 / p99, ms", |row| {
        pair(&row["addedLatencyMs"], ["p50", "p99"])
    }),
    ("join p50 / p95, ms", |row| {
        pair(&row["joinMs"], ["p50", "p95"])
    }),
    ("CPU of a join, ms", |row| number(&row["joinCpuMs"], 2)),
    ("first frame p50 / p95, ms", |row| {
        pair(&row["firstFrameMs"], ["p50", "p95"])
    }),
    ("kB per subscriber / publisher", |row| {
        let each = [&row["kBPerSubscriber"], &row["kBPerPublisher"]];
        each.map(|kb| number(kb, 0)).join(" / ")
    }),
];

/// In Markdown; what was wrong is below it.
fn table(rows: &[Value]) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let names = COLUMNS.iter().map(|(name, _)| (*name).to_owned());
    let marks = COLUMNS.iter().enumerate();
    let marks = marks.map(|(at, _)| if at == 0 { "---" } else { "---:" }.to_owned());
    let mut table = line(names.collect()) + &line(marks.collect());
    for row in rows {
        let cells = COLUMNS.iter().map(|(_, show)| show(row));
        table.push_str(&line(cells.collect()));
    }
    for row in rows {
        for complaint in row["complaints"].as_array().into_iter().flatten() {
            let complaint = format!("\n{}: {}", text(&row["room"]), text(complaint));
            table.push_str(&complaint);
        }
    }
    table
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or("-").to_owned()
}

fn number(value: &Value, places: usize) -> String {
    let value = value.as_f64();
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.places$}"))
}

fn pair(value: &Value, keys: [&str; 2]) -> String {
    keys.map(|key| number(&value[key], 1)).join(" / ")
}

/// How many times a raw limit of the same run its packets cost.
fn times(row: &Value, raw: &str) -> String {
    let us = row["usPerForwardedPacket"].as_f64();
    let times = us.zip(row[raw].as_f64().filter(|raw| *raw > 0.0));
    times.map_or_else(|| "-".to_owned(), |(us, raw)| format!("{:.1}", us / raw))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_what_is_known_and_a_dash_for_the_rest() {
        let row = json!({
            "room": "tea", "usPerForwardedPacket": 3.0, "rawSealSend": 2.0, "lostPackets": 4,
            "joinMs": { "p50": 1.25, "p95": 2.0 }, "kBPerSubscriber": 58.4, "kBPerPublisher": null,
            "complaints": ["4 packets were lost by the server"],
        });
        let table = table(&[row]);
        let cells = "| tea | 3.00 | 1.5 | - | - | - | 4 | - / - | 1.2 / 2.0 | - | - / - | 58 / - |";
        assert!(table.contains(cells), "{table}");
        assert!(table.ends_with("\ntea: 4 packets were lost by the server"));
    }

    #[test]
    fn fewer_are_at_least_two() {
        let room = Room::new("tea", (1, 4, 500), "--audio");
        let arguments = room.arguments(100);
        assert_eq!(
            arguments,
            ["--rooms=1", "--publishers=2", "--subscribers=5", "--audio"]
        );
    }
}

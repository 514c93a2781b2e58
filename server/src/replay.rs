//! `ferrite replay`: decides again what a trace tells of, and says whether every decision is the same.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, Command, value_parser};
use ferrite_server::congestion::trace::{Ending, Moment, Replay, replay};
use serde_json::json;

use crate::command_line::{refuse, say, wish};

pub(crate) fn main() -> ExitCode {
    let wish = match wish(command()) {
        Ok(wish) => wish,
        Err(ended) => return ended,
    };
    let Some(path) = wish.get_one::<PathBuf>("file") else {
        return refuse(&"no file");
    };
    let file = match std::fs::read(path) {
        Ok(file) => file,
        Err(error) => return refuse(&format!("{}: {error}", path.display())),
    };
    let replay = match replay(&file) {
        Ok(replay) => replay,
        Err(error) => return refuse(&format!("{}: {error}", path.display())),
    };
    let _ = match wish.get_flag("json") {
        true => say(&json(&replay)),
        false => say(&format!("{}{}", table(&replay), verdict(&replay))),
    };
    match replay.is_the_same() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn command() -> Command {
    Command::new("replay")
        .bin_name("ferrite replay")
        .about(
            "Tells this server's congestion control what a trace says that another's was told (--trace), and says \
             whether it decides the same. Shows what was known, second by second. The exit code is 0 if every decision \
             is the same, and else 1.",
        )
        .arg(
            Arg::new("file")
                .value_name("FILE")
                .help("The trace")
                .required(true)
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .help("Prints everything that was known, as JSON")
                .action(ArgAction::SetTrue),
        )
}

/// The last that was known in each second.
fn table(replay: &Replay) -> String {
    let mut lines = String::from(
        "second  estimate  wanted    sent  padding  delay  round trip  lost  layers\n\
         \x20        kbit/s  kbit/s  kbit/s   kbit/s     ms          ms     %\n",
    );
    let seconds = replay
        .moments
        .chunk_by(|a, b| a.at.as_secs() == b.at.as_secs());
    let mut before = Moment::default();
    for moment in seconds.filter_map(<[Moment]>::last) {
        lines += &line(moment, &before);
        before = moment.clone();
    }
    lines
}

fn line(moment: &Moment, before: &Moment) -> String {
    let none = || "-".to_owned();
    let estimate = moment.estimate;
    let known =
        |show: fn(ferrite_server::congestion::Estimate) -> String| estimate.map_or_else(none, show);
    // Of a trace that somebody made up.
    let elapsed = moment.at.saturating_sub(before.at);
    let elapsed = elapsed.as_secs_f64().max(0.001);
    let kbits = |bytes: u64| (8.0 * bytes as f64 / elapsed / 1000.0).round();
    let layers = moment.given.iter().map(|(id, layer)| {
        let layer = layer.map_or_else(|| "paused".to_owned(), |layer| layer.to_string());
        format!("{id}:{layer}")
    });
    format!(
        "{:6}  {:>8}  {:6}  {:6}  {:7}  {:>5}  {:>10}  {:>4}  {}\n",
        moment.at.as_secs(),
        known(|it| (it.bits_per_second / 1000).to_string()),
        moment.wanted / 1000,
        kbits(moment.sent.saturating_sub(before.sent)),
        kbits(moment.padding.saturating_sub(before.padding)),
        moment
            .delay
            .map_or_else(none, |delay| ms(delay).to_string()),
        known(|it| ms(it.round_trip).to_string()),
        known(|it| format!("{:.1}", 100.0 * it.loss)),
        layers.collect::<Vec<_>>().join(" "),
    )
}

fn ms(time: Duration) -> u128 {
    time.as_millis()
}

fn verdict(replay: &Replay) -> String {
    let mut lines = match replay.ending {
        Ending::Whole => String::new(),
        Ending::Full => "The trace became as long as it may be; the call went on.\n".to_owned(),
        Ending::Cut => "The trace ends in the middle, as when a server is killed.\n".to_owned(),
        Ending::Changed { at } => {
            format!("From byte {at} on the file is not what was written.\n")
        }
    };
    for difference in &replay.differences {
        let seconds = difference.at.as_secs_f64();
        lines += &format!("{seconds:.3} s: {}\n", difference.what);
    }
    let (decisions, different) = (replay.decisions, replay.different);
    lines += &match different {
        0 if replay.is_the_same() => format!("Every decision is the same: {decisions}."),
        0 => format!("Every decision before that is the same: {decisions}."),
        _ => format!("{different} of {decisions} decisions are not the same."),
    };
    lines
}

fn json(replay: &Replay) -> String {
    let moments = replay.moments.iter().map(|moment| {
        let estimate = moment.estimate;
        json!({
            "at": moment.at.as_secs_f64(),
            "estimate": estimate.map(|it| it.bits_per_second),
            "acknowledged": estimate.map(|it| it.acknowledged),
            "loss": estimate.map(|it| it.loss),
            "roundTripMs": estimate.map(|it| 1000.0 * it.round_trip.as_secs_f64()),
            "wanted": moment.wanted,
            "sentBytes": moment.sent,
            "paddingBytes": moment.padding,
            "delayMs": moment.delay.map(|delay| 1000.0 * delay.as_secs_f64()),
            "layers": moment.given.iter().map(|(id, point)| json!([id, point.map(|it| it.to_string())])).collect::<Vec<_>>(),
        })
    });
    let differences = replay
        .differences
        .iter()
        .map(|difference| json!({ "at": difference.at.as_secs_f64(), "what": difference.what }));
    let (ending, changed) = match replay.ending {
        Ending::Whole => ("whole", None),
        Ending::Full => ("full", None),
        Ending::Cut => ("cut", None),
        Ending::Changed { at } => ("changed", Some(at)),
    };
    let all = json!({
        "same": replay.is_the_same(),
        "decisions": replay.decisions,
        "different": replay.different,
        "differences": differences.collect::<Vec<_>>(),
        "ending": ending,
        "changedAt": changed,
        "moments": moments.collect::<Vec<_>>(),
    });
    all.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_back_in_time_is_shown_as_well() {
        let moment = |seconds| Moment {
            at: Duration::from_secs(seconds),
            sent: 1000 * seconds,
            ..Moment::default()
        };
        let replay = Replay {
            moments: vec![moment(5), moment(3)],
            decisions: 0,
            different: 0,
            differences: Vec::new(),
            ending: Ending::Whole,
        };
        assert_eq!(table(&replay).lines().count(), 4);
        assert!(json(&replay).contains("\"at\""));
    }
}

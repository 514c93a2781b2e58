//! The load tool in its short form: what a room costs is in its JSON, also beside Janus, nothing is lost, and what a
//! link or a server loses is found. A server's decisions are made again from its traces, and many runs become a table.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use anyhow::{Context, Result, ensure};
use ferrite_tests::{artefacts, machine, wait};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

/// A run of the tool. When it is dropped, it ends, and so do the runs and servers that it started.
struct Run(Child);

impl Run {
    fn start(command: &mut Command) -> Result<Self> {
        let command = command.stdin(Stdio::null()).kill_on_drop(true);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self(command.spawn()?))
    }

    /// Waits for its end.
    async fn output(mut self) -> Result<Output> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let pipes = (self.0.stdout.take(), self.0.stderr.take());
        let (mut out, mut err) = (pipes.0.context("a pipe")?, pipes.1.context("a pipe")?);
        tokio::try_join!(out.read_to_end(&mut stdout), err.read_to_end(&mut stderr))?;
        Ok(Output {
            status: self.0.wait().await?,
            stdout,
            stderr,
        })
    }

    fn descendants(&self) -> Vec<u32> {
        let mut all: Vec<u32> = self.0.id().into_iter().collect();
        let mut at = 0;
        while let Some(process) = all.get(at) {
            let threads = std::fs::read_dir(format!("/proc/{process}/task"));
            for thread in threads.into_iter().flatten().flatten() {
                let children = std::fs::read_to_string(thread.path().join("children"));
                let children = children.unwrap_or_default();
                all.extend(children.split_whitespace().flat_map(str::parse::<u32>));
            }
            at += 1;
        }
        all.drain(..1.min(at));
        all
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Whoever is killed first starts no further ones.
        let all = self.descendants();
        let _ = self.0.start_kill();
        for process in all {
            let _ = kill(Pid::from_raw(process as i32), Signal::SIGKILL);
        }
    }
}

async fn load(name: &str, arguments: &str) -> Result<(Output, Value, String)> {
    let _machine = machine::alone().await?;
    let dir = artefacts::fresh(&format!("load-tool-{name}"))?;
    let (json, svg): (PathBuf, PathBuf) = (dir.join("figures.json"), dir.join("curves.svg"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command
        .args(["--raw-rounds", "20", "--log"])
        .arg(format!("load-tool-{name}/server"))
        .arg("--json")
        .arg(&json)
        .arg("--svg")
        .arg(&svg)
        .args(arguments.split_whitespace());
    if !arguments.contains("--seconds") {
        command.args(["--seconds", "2"]);
    }
    let output = Run::start(&mut command)?.output().await?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    println!("{said}{complained}");
    let json = std::fs::read_to_string(&json).with_context(|| format!("{said}{complained}"))?;
    let svg = std::fs::read_to_string(&svg)?;
    Ok((output, serde_json::from_str(&json)?, svg))
}

fn number(figures: &Value, path: &str) -> Result<f64> {
    let value = path
        .split('.')
        .try_fold(figures, |value, key| value.get(key));
    let number = value.and_then(Value::as_f64);
    number.with_context(|| format!("no {path} in {figures}"))
}

#[tokio::test]
async fn everything_that_a_room_forwards() -> Result<()> {
    let arguments = "--publishers 3 --subscribers 5 --shown 2 --audio --packets-per-frame 3 \
         --messages-per-second 5 --watch-changes 5 --churn 2";
    let (output, figures, svg) = load("room", arguments).await?;
    ensure!(output.status.success(), "it complained");
    for key in [
        "usPerForwardedPacket",
        "rawSealSend",
        "rawSealGso",
        "addedLatencyMs.p50",
        "addedLatencyMs.p99",
        "joinMs.p50",
        "joinMs.p95",
        "firstFrameMs.p95",
        "watchChangeMs.p50",
        "messageMs.p50",
        "cores",
    ] {
        ensure!(number(&figures, key)? > 0.0, "{key} in {figures}");
    }
    // Memory of so few is lost in the noise.
    ensure!(figures["kBPerSubscriber"].is_null() && figures["kBPerPublisher"].is_null());
    let said = String::from_utf8_lossy(&output.stdout);
    let dash = |line: &str| line.contains("kB per publisher") && line.contains(" -  ");
    ensure!(said.lines().any(dash), "{said}");
    ensure!(number(&figures, "loss")? == 0.0, "{figures}");
    // Eight people with two pictures each, of 113 packets a second.
    ensure!(number(&figures, "forwardedPackets")? > 1000.0, "{figures}");
    ensure!(number(&figures, "decodableFrames")? > 300.0, "{figures}");
    let curves = svg.matches("<polyline").count();
    ensure!(curves == 8, "{curves} curves");
    Ok(())
}

/// Where Janus or a network for it cannot be had, the tool says so.
#[tokio::test]
async fn janus_is_filled_with_the_same() -> Result<()> {
    let arguments = "--publishers 2 --subscribers 3 --shown 1 --audio --heard 1 --beside janus";
    let (output, figures, _) = load("beside", arguments).await?;
    ensure!(output.status.success(), "it complained");
    let Some(beside) = figures.get("beside") else {
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(said.contains("left out: "), "{figures}");
        return Ok(());
    };
    for key in [
        "usPerForwardedPacket",
        "rawSealSend",
        "addedLatencyMs.p99",
        "joinMs.p50",
        "joinCpuMs",
        "cores",
    ] {
        ensure!(number(beside, key)? > 0.0, "{key} in {beside}");
    }
    for key in [
        "loss",
        "unauthenticPackets",
        "repeatedPackets",
        "silentSlots",
    ] {
        ensure!(number(beside, key)? == 0.0, "{key} in {beside}");
    }
    // The same is asked of both: five who see one picture and hear one sound each.
    let (ours, theirs) = (
        number(&figures, "packetsPerSecond")?,
        number(beside, "packetsPerSecond")?,
    );
    ensure!(
        (0.7..1.4).contains(&(theirs / ours)),
        "{ours} and {theirs} a second"
    );
    ensure!(number(beside, "decodableFrames")? > 300.0, "{beside}");
    Ok(())
}

/// Subscribers behind narrow ways, so that there is something to decide.
#[tokio::test]
async fn what_a_server_decided_is_decided_again() -> Result<()> {
    let traces = artefacts::fresh("load-tool-traces")?;
    let directory = traces.to_str().context("a path is no text")?;
    let arguments = format!("--subscribers 2 --rate 1500 --trace {directory}");
    // What a narrow way does not carry is lost on it.
    load("traced", &arguments).await?;
    let files = std::fs::read_dir(&traces)?.map(|file| Ok(file?.path()));
    let files: Vec<PathBuf> = files.collect::<Result<_>>()?;
    // The publisher is sent nothing that is numbered.
    ensure!(files.len() >= 2, "{files:?}");
    let mut decided = 0;
    for file in &files {
        let (said, is_the_same) = replay(file).await?;
        decided += usize::from(said.contains(" 1:0") || said.contains(" 0:0"));
        ensure!(is_the_same, "{}: {said}", file.display());
        let mut changed = std::fs::read(file)?;
        let middle = changed.len() / 2;
        changed[middle] ^= 1;
        std::fs::write(file, changed)?;
        let (said, is_the_same) = replay(file).await?;
        ensure!(
            !is_the_same && said.contains("not what was written"),
            "{said}"
        );
    }
    ensure!(decided > 0, "nobody was given a layer");
    Ok(())
}

#[tokio::test]
async fn what_congestion_control_costs_is_told_by_a_room_without_it() -> Result<()> {
    let traces = artefacts::fresh("load-tool-untraced")?;
    let directory = traces.to_str().context("a path is no text")?;
    let arguments = format!("--subscribers 2 --without-congestion-control --trace {directory}");
    let (output, figures, _) = load("without", &arguments).await?;
    ensure!(output.status.success(), "it complained");
    ensure!(number(&figures, "decodableFrames")? > 100.0, "{figures}");
    // There would be one for each subscriber.
    let traced = std::fs::read_dir(&traces)?.count();
    ensure!(traced == 0, "{traced} paths had an estimate");
    Ok(())
}

/// What `load replay` says, and whether every decision is the same. The curves are there, too.
async fn replay(file: &Path) -> Result<(String, bool)> {
    let svg = file.with_extension("svg");
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command.arg("replay").arg(file).arg("--svg").arg(&svg);
    let output = Run::start(&mut command)?.output().await?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    let curves = std::fs::read_to_string(&svg)?.matches("<polyline").count();
    ensure!(curves == 6, "{curves} curves");
    std::fs::remove_file(svg)?;
    Ok((said, output.status.success()))
}

/// Six participants who show the picture in three sizes.
#[tokio::test]
async fn layers_are_forwarded_as_large_as_pictures_are_shown() -> Result<()> {
    let arguments =
        "--simulcast --subscribers 6 --width 1280,640,320 --packets-per-frame 3 --visitors 3";
    let (output, figures, svg) = load("layers", arguments).await?;
    ensure!(output.status.success(), "it complained");
    ensure!(number(&figures, "loss")? == 0.0, "{figures}");
    // The packets of a frame are 3, 1 and 1.
    let [f, h, q] = by_layer(&figures, "forwardedByLayer")?;
    ensure!(h > 20.0 && (0.5..2.0).contains(&(q / h)), "{figures}");
    ensure!((1.5..6.0).contains(&(f / h)), "{figures}");
    ensure!(number(&figures, "firstFrameMs.p95")? > 0.0, "{figures}");
    let curves = svg.matches("<polyline").count();
    ensure!(curves == 11, "{curves} curves");
    Ok(())
}

#[tokio::test]
async fn layers_that_nobody_watches_are_not_published_unless_told_otherwise() -> Result<()> {
    let arguments = "--simulcast --subscribers 2 --width 320 --seconds 4";
    let (output, figures, _) = load("unwatched", arguments).await?;
    ensure!(output.status.success(), "it complained");
    let [f, h, q] = by_layer(&figures, "publishedByLayer")?;
    // It takes the server a second to say so.
    ensure!(f < 0.8 * q && h < 0.8 * q, "{figures}");
    let (output, figures, _) = load("unwatched", &format!("{arguments} --all-layers")).await?;
    ensure!(output.status.success(), "it complained");
    let [f, h, q] = by_layer(&figures, "publishedByLayer")?;
    ensure!(f > 0.9 * q && h > 0.9 * q, "{figures}");
    let [f, h, _] = by_layer(&figures, "forwardedByLayer")?;
    ensure!(f + h == 0.0, "{figures}");
    Ok(())
}

/// What is wanted takes 1,000 kbit/s, of which the layers take 692, 231 and 77.
#[tokio::test]
async fn who_has_a_narrow_link_comes_down_to_a_smaller_layer() -> Result<()> {
    let arguments = "--simulcast --subscribers 2 --rate 400 --packets-per-frame 3 --seconds 8";
    let (output, figures, _) = load("narrow", arguments).await?;
    ensure!(output.status.success(), "it complained");
    let [f, h, q] = by_layer(&figures, "forwardedByLayer")?;
    ensure!(number(&figures, "layerSwitches")? > 0.0, "{figures}");
    ensure!(h + q > 2.0 * f, "{figures}");
    Ok(())
}

/// Of 600 kbit/s half is of the highest temporal layer.
#[tokio::test]
async fn who_has_a_narrow_link_is_sent_fewer_frames_that_need_no_other() -> Result<()> {
    let arguments =
        "--svc L1T3 --subscribers 2 --bitrate 600 --rate 420 --packets-per-frame 3 --seconds 8";
    let (output, figures, _) = load("temporal", arguments).await?;
    ensure!(output.status.success(), "it complained");
    ensure!(number(&figures, "thinnedPackets")? > 50.0, "{figures}");
    ensure!(number(&figures, "decodableFrames")? > 50.0, "{figures}");
    let (output, figures, _) =
        load("temporal-wide", "--svc L1T3 --subscribers 2 --seconds 4").await?;
    ensure!(output.status.success(), "it complained");
    ensure!(number(&figures, "thinnedPackets")? == 0.0, "{figures}");
    Ok(())
}

/// Largest first.
fn by_layer(figures: &Value, key: &str) -> Result<[f64; 3]> {
    let of = |rid| number(figures, &format!("{key}.{rid}"));
    Ok([of("f")?, of("h")?, of("q")?])
}

#[tokio::test]
async fn rooms_are_held_and_a_table_made_of_them() -> Result<()> {
    let _machine = machine::alone().await?;
    let dir = artefacts::fresh("load-tool-held")?;
    let json = dir.join("rows.json");
    let output = Run::start(held(&json).args(["--only", "meeting"]))?
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "it complained");
    for name in [
        "1 to 500",
        "1 to 500, two shards",
        "a meeting of 50, 9 shown",
    ] {
        let row = said
            .lines()
            .find(|line| line.starts_with(&format!("| {name} |")));
        let row = row.with_context(|| format!("no row of {name}"))?;
        ensure!(row.matches('|').count() == 13, "{row}");
    }
    let rows: Value = serde_json::from_str(&std::fs::read_to_string(json)?)?;
    let rows = rows["rows"].as_array().context("rows")?;
    ensure!(rows.len() == 3);
    for row in rows {
        for key in [
            "usPerForwardedPacket",
            "firstFrameMs.p50",
            "joinCpuMs",
            "packetsPerSecond",
        ] {
            ensure!(number(row, key)? > 0.0, "{key} in {row}");
        }
        ensure!(row["complaints"] == serde_json::json!([]), "{row}");
    }
    Ok(())
}

/// A command for rooms of few, each for a second.
fn held(json: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_load"));
    command
        .args(["held", "--only", "1 to 500", "--one-in", "100"])
        .args(["--seconds", "1", "--raw-rounds", "20", "--visitors", "2"])
        .args(["--log", "load-tool-held/runs", "--json"])
        .arg(json);
    command
}

#[tokio::test]
async fn a_room_that_cannot_be_held_has_its_row_and_the_next_is_held() -> Result<()> {
    let _machine = machine::alone().await?;
    let json = artefacts::fresh("load-tool-not-held")?.join("rows.json");
    let mut command = held(&json);
    let output = Run::start(command.env("FERRITE_BIN", "/none"))?.output();
    let output = output.await?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(!output.status.success(), "it did not complain: {said}");
    let rows: Value = serde_json::from_str(&std::fs::read_to_string(json)?)?;
    let rows = rows["rows"].as_array().context("rows")?;
    for (row, name) in rows.iter().zip(["1 to 500", "1 to 500, two shards"]) {
        ensure!(row["room"] == name, "{row}");
        ensure!(row["complaints"][0].is_string(), "{row}");
        ensure!(said.contains(&format!("| {name} | - |")), "{said}");
    }
    ensure!(rows.len() == 2, "{rows:?}");
    Ok(())
}

#[tokio::test]
async fn of_a_run_that_is_given_up_nothing_goes_on() -> Result<()> {
    let _machine = machine::alone().await?;
    let json = artefacts::fresh("load-tool-given-up")?.join("rows.json");
    let run = Run::start(&mut held(&json))?;
    let descendants = async || Ok(run.descendants());
    // The run of a row, and its server.
    let both = |all: &Vec<u32>| all.len() >= 2;
    let all = wait::until("a server", wait::PATIENCE, descendants, both).await?;
    drop(run);
    let is_left = |process: &&u32| {
        let state = std::fs::read_to_string(format!("/proc/{process}/stat"));
        state.is_ok_and(|state| !state.contains(") Z "))
    };
    let left = async || Ok(all.iter().filter(is_left).count());
    wait::until("all to end", wait::PATIENCE, left, |left| *left == 0).await?;
    Ok(())
}

#[tokio::test]
async fn bytes_reach_members_in_order_beside_media() -> Result<()> {
    let arguments = "--rooms 2 --subscribers 10 --data-per-second 60 --data-members 3 --seconds 3";
    let (output, figures, _) = load("data", arguments).await?;
    ensure!(output.status.success(), "it complained");
    for channel in ["reliable", "lossy"] {
        let of = |key: &str| number(&figures, &format!("data.{channel}.{key}"));
        // Thirty a second, and each comes to two.
        ensure!(
            of("sent")? > 40.0 && of("expected")? == 2.0 * of("sent")?,
            "{figures}"
        );
        ensure!(
            of("came")? > 0.9 * of("expected")? && of("outOfOrder")? == 0.0,
            "{figures}"
        );
        ensure!(of("latencyMs.p50")? > 0.0, "{figures}");
    }
    ensure!(number(&figures, "data.reliable.lost")? == 0.0, "{figures}");
    // What the members who send data take is in the memory, too.
    ensure!(figures["kBPerSubscriber"].is_null(), "{figures}");
    // What it says meanwhile is for people.
    let said = String::from_utf8_lossy(&output.stderr);
    let tells = |line: &&str| line.contains("22 of 22 in") && line.contains("us each");
    ensure!(said.lines().filter(tells).count() >= 3, "{said}");
    Ok(())
}

#[tokio::test]
async fn what_links_swallow_is_not_what_the_server_loses() -> Result<()> {
    let (output, figures, _) = load("links", "--subscribers 4 --loss 5 --delay 10").await?;
    ensure!(output.status.success(), "it complained");
    ensure!(number(&figures, "loss")? == 0.0, "{figures}");
    ensure!(number(&figures, "swallowedPackets")? > 10.0, "{figures}");
    ensure!(number(&figures, "repairedPackets")? > 10.0, "{figures}");
    ensure!(number(&figures, "addedLatencyMs.p50")? > 10.0, "{figures}");
    Ok(())
}

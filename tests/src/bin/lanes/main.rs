//! Runs the test programs of the workspace as `cargo test` does, but beside each other: two that open browsers and one
//! that opens none, and at the end, alone, those that measure or whose verdict hangs on the clock. Most of the time most
//! of them wait. It knows of a program what its source says, and nothing of its tests.
//!
//! `lanes [TEST ARGUMENTS]`, after `cargo test --workspace --no-run`, which builds it, too. What a program says comes
//! out when it has ended, in one piece.

mod program;

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ferrite_tests::artefacts;

use crate::program::{Lane, Program};

/// How many of which kind run beside each other. Each browser test of one program waits for the one before it.
const LANES: [(Lane, usize); 2] = [(Lane::Browsers, 2), (Lane::Others, 1)];

fn main() -> Result<ExitCode> {
    let mut programs = program::all(&messages()?)?;
    // What takes long comes first, so that no lane ends long after the others.
    programs.sort_by_key(|program| Reverse(program.length));
    let run = Run {
        arguments: std::env::args().skip(1).collect(),
        logs: artefacts::fresh("programs")?,
        failed: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for (lane, count) in LANES {
            let queue = Queue::of(&programs, lane);
            for _ in 0..count {
                let (run, queue) = (&run, queue.clone());
                scope.spawn(move || run.go_through(&queue));
            }
        }
    });
    run.go_through(&Queue::of(&programs, Lane::Alone));
    Ok(run.close())
}

/// What cargo says of the programs. It has nothing to build any more, or does so now.
fn messages() -> Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(["test", "--workspace", "--no-run"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(artefacts::repository())
        .stderr(Stdio::inherit())
        .output()
        .context("running cargo")?;
    ensure!(output.status.success(), "the tests do not build");
    Ok(String::from_utf8(output.stdout)?)
}

/// The programs of a lane that nobody has taken.
#[derive(Clone)]
struct Queue<'a>(Arc<Mutex<VecDeque<&'a Program>>>);

impl<'a> Queue<'a> {
    fn of(programs: &'a [Program], lane: Lane) -> Self {
        let those = programs.iter().filter(|program| program.lane == lane);
        Self(Arc::new(Mutex::new(those.collect())))
    }

    fn next(&self) -> Option<&'a Program> {
        locked(&self.0).pop_front()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Run {
    arguments: Vec<String>,
    /// Where what the programs say is kept.
    logs: PathBuf,
    /// The names of programs that did not end well.
    failed: Mutex<Vec<String>>,
}

impl Run {
    fn go_through(&self, queue: &Queue<'_>) {
        while let Some(program) = queue.next() {
            let began = Instant::now();
            let ended = self.run(program);
            let (is_well, said) = ended.unwrap_or_else(|error| (false, format!("{error:#}\n")));
            // One program's words at a time.
            let mut failed = locked(&self.failed);
            if !is_well {
                failed.push(program.name.clone());
            }
            let seconds = began.elapsed().as_secs();
            // Where nobody hears it the exit status still counts.
            let _ = writeln!(io::stdout(), "\n-- {}, {seconds} s\n{said}", program.name);
        }
    }

    /// Whether it ended well, and what it said.
    fn run(&self, program: &Program) -> Result<(bool, String)> {
        // No pipe: that ends with the last process that a test left behind.
        let path = self.logs.join(program.name.replace('/', "-") + ".log");
        let log = File::create(&path)?;
        let status = Command::new(&program.executable)
            .args(&self.arguments)
            .current_dir(&program.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .status()
            .with_context(|| format!("running {}", program.executable.display()))?;
        let mut said = String::from_utf8_lossy(&fs::read(path)?).into_owned();
        if !status.success() {
            said += &format!("ended with {status}\n");
        }
        Ok((status.success(), said))
    }

    fn close(self) -> ExitCode {
        let failed = locked(&self.failed);
        if failed.is_empty() {
            return ExitCode::SUCCESS;
        }
        println!("\nfailed: {}", failed.join(", "));
        ExitCode::FAILURE
    }
}

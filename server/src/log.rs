//! Where log lines go: to standard error, by way of a thread of its own.
//!
//! Whatever becomes of the log ends nothing else: a broken pipe or a full disk loses lines, and a
//! reader that does not read holds nobody up. What was lost is counted and said as soon as something
//! can be written again. It knows nothing of what the lines say.

use std::io::{self, IsTerminal as _, Write};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;

use ferrite_server::Config;
use ferrite_server::config::LogFormat;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait for a reader. Further ones are lost.
const WAITING: usize = 8192;

/// How long the end of the process waits for lines to be written.
const LAST_LINES: Duration = Duration::from_millis(500);

enum Entry {
    Line(Vec<u8>),
    /// Everything before this was written, or lost.
    Mark(SyncSender<()>),
}

/// The way to the thread that writes.
#[derive(Clone)]
pub(super) struct Log {
    entries: SyncSender<Entry>,
    lost: Arc<AtomicU64>,
}

/// Starts the log that the configuration asks for. A panic is a line of it, as everything else.
pub(super) fn start(config: &Config) -> Log {
    let log = Log::to(io::stderr());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(&config.log.filter))
        .with_ansi(io::stderr().is_terminal())
        // It would say on standard error that standard error cannot be written, and panic.
        .log_internal_errors(false)
        .with_writer(log.clone());
    match config.log.format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().init(),
    }
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("{panic}");
    }));
    log
}

impl Log {
    /// A log that is written to this.
    fn to(out: impl Write + Send + 'static) -> Self {
        let (entries, received) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = lost.clone();
        // Without a thread nothing is written. That is no reason not to serve.
        let _ = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_all(&received, &counted, out));
        Self { entries, lost }
    }

    /// Waits until what was said is written, but not for long.
    pub(super) fn finish(&self) {
        let (written, mark) = sync_channel(1);
        if self.entries.try_send(Entry::Mark(written)).is_ok() {
            let _ = mark.recv_timeout(LAST_LINES);
        }
    }

    fn push(&self, line: Vec<u8>) {
        match self.entries.try_send(Entry::Line(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn write_all(entries: &Receiver<Entry>, lost: &AtomicU64, mut out: impl Write) {
    for entry in entries {
        let line = match entry {
            Entry::Line(line) => line,
            Entry::Mark(written) => {
                // Whoever waited for it may have given up.
                let _ = written.try_send(());
                continue;
            }
        };
        if out.write_all(&line).is_err() {
            lost.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        // Only what can be written can be said. This goes the way of every other line.
        let lines = lost.swap(0, Ordering::Relaxed);
        if lines > 0 {
            tracing::warn!(lines, "lines of the log were lost");
        }
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line {
            log: self,
            text: Vec::new(),
        }
    }
}

/// One line, which goes its way when it is whole.
pub(super) struct Line<'a> {
    log: &'a Log,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.log.push(mem::take(&mut self.text));
    }
}

//! The `ferrite` binary: reads the configuration, prepares the process, starts the server, waits for a
//! signal.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::num::NonZero;
use std::process::ExitCode;

use ferrite_server::config::LogFormat;
use ferrite_server::{Config, ConfigError, MAX_HTTP_CONNECTIONS, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// The configuration, or the machine, has to change before the server can start.
const REFUSED: u8 = 2;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let config = match Config::load(std::env::args_os()) {
        Ok(config) => config,
        Err(ConfigError::Information(text)) => return say(text.trim_end()),
        Err(error) => return refuse(&error),
    };
    start_log(&config);
    raise_file_limit(&config);
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    let code = runtime.block_on(run(config));
    // A task that is still there has had its time.
    runtime.shutdown_background();
    code
}

async fn run(config: Config) -> ExitCode {
    // Before anything else: a signal during the start must not be lost.
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return refuse(&error),
    };
    let server = match Server::start(config).await {
        Ok(server) => server,
        Err(error) => return refuse(&error),
    };
    announce(&server);
    let signal = signals.end(&server).await;
    tracing::info!(signal, "shutting down");
    server.shutdown().await;
    ExitCode::SUCCESS
}

/// Every client is an open file. Shells and service managers leave programs 1024 of them, for the sake of
/// those that use `select`, and let them take more.
fn raise_file_limit(config: &Config) {
    let allowed = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(allowed) => allowed,
        Err(error) => return tracing::warn!(%error, "the limit of open files is as it was"),
    };
    let wanted = (config.limits.sessions + MAX_HTTP_CONNECTIONS) as u64;
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "fewer files may be open than sessions are allowed: raise `ulimit -n`, or lower --max-sessions"
        );
    }
}

/// Signalling has a thread for every two cores. The media plane has one for each; and workers that
/// wake each other for every message of a few clients cost more than the messages.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.div_ceil(2))
        .enable_all()
        .build()
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    count: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            count: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for the signal to end. Until then, SIGUSR1 makes the server say what it holds.
    async fn end(&mut self, server: &Server) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.count.recv() => server.log_holdings().await,
            }
        }
    }
}

/// The first line is for programs, the second for people.
fn announce(server: &Server) {
    let (addr, media_port) = (server.addr(), server.media_port());
    let lines = format!(
        "listening on http://{addr} (media UDP {media_port})\n\
         Ferrite {} is ready: open {}",
        env!("CARGO_PKG_VERSION"),
        address_to_open(addr),
    );
    let _ = say(&lines);
}

fn address_to_open(addr: SocketAddr) -> String {
    if addr.ip().is_unspecified() || addr.ip().is_loopback() {
        // Browsers take this name for a secure context, which camera and microphone need.
        format!("http://localhost:{}", addr.port())
    } else {
        format!("http://{addr}")
    }
}

fn start_log(config: &Config) {
    let filter = EnvFilter::new(&config.log.filter);
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match config.log.format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Whoever started the server may have closed its standard output: that is no reason to stop.
fn say(text: &str) -> ExitCode {
    let _ = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

fn refuse(error: &dyn Display) -> ExitCode {
    let _ = writeln!(io::stderr(), "ferrite: {error}");
    ExitCode::from(REFUSED)
}

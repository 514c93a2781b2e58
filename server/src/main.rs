//! The `ferrite` binary: reads the configuration, prepares the process, starts the server, waits for a
//! signal.

mod command_line;
mod log;
mod npm;
mod replay;
mod self_test;
mod token;

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;

use ferrite_server::config::LogFormat;
use ferrite_server::{Config, ConfigError, Security, Server, check};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::command_line::{REFUSED, refuse, runtime, say};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(word) if word == "token" => return token::main(),
        Some(word) if word == "npm" => return npm::main(),
        Some(word) if word == "replay" => return replay::main(),
        Some(word) if word == "check" => return self_test::main(),
        _ => {}
    }
    let config = match Config::load(std::env::args_os()) {
        Ok(config) => config,
        Err(ConfigError::Information(text)) => return say(text.trim_end()),
        Err(error) => return refuse(&error),
    };
    let log = log::start(&config);
    let format = config.log.format;
    let code = match prepare_and_run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            // What a program reads as JSON is JSON to its end.
            match format {
                LogFormat::Json => tracing::error!("{refusal}"),
                LogFormat::Text => drop(refuse(&refusal)),
            }
            ExitCode::from(REFUSED)
        }
    };
    log.finish();
    code
}

fn prepare_and_run(config: Config) -> Result<(), Box<dyn Error>> {
    raise_file_limit(&config);
    let runtime = runtime()?;
    let ended = runtime.block_on(run(config));
    // A task that is still there has had its time.
    runtime.shutdown_background();
    ended
}

async fn run(config: Config) -> Result<(), Box<dyn Error>> {
    // Before anything else: a signal during the start must not be lost.
    let mut signals = Signals::new()?;
    let format = config.log.format;
    let rooms_are_open = config.tokens.all().is_empty();
    let server = Server::start(config).await?;
    announce(&server, format, rooms_are_open);
    let testing = async {
        self_test::log(check::Target::of(&server)).await;
        std::future::pending().await
    };
    // It ends with the server, if that is sooner.
    let signal = tokio::select! {
        signal = signals.end(&server) => signal,
        never = testing => never,
    };
    tracing::info!(signal, "shutting down");
    server.shutdown().await;
    Ok(())
}

/// Every client is an open file. Shells and service managers leave programs 1024 of them, for the sake of
/// those that use `select`, and let them take more.
fn raise_file_limit(config: &Config) {
    let allowed = match rlimit::increase_nofile_limit(u64::MAX) {
        Ok(allowed) => allowed,
        Err(error) => return tracing::warn!(%error, "the limit of open files is as it was"),
    };
    let wanted = check::files_wanted(config);
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "fewer files may be open than sessions are allowed: raise `ulimit -n`, or lower --max-sessions"
        );
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    count: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            count: signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for the signal to end. Until then, SIGUSR1 makes the server say what it holds; and SIGHUP,
    /// which other servers take for the wish to read their settings anew, ends no call.
    async fn end(&mut self, server: &Server) -> &'static str {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return "SIGTERM",
                _ = self.interrupt.recv() => return "SIGINT",
                _ = self.hang_up.recv() => tracing::warn!(
                    "SIGHUP changes nothing: settings are read at the start; SIGTERM ends the server"
                ),
                _ = self.count.recv() => server.log_holdings().await,
            }
        }
    }
}

/// In text the first line is for programs, the others for people. JSON is for programs alone.
fn announce(server: &Server, format: LogFormat, rooms_are_open: bool) {
    let (url, media_port) = (server.url(), server.media_port());
    let turns = server.turns_port();
    let version = env!("CARGO_PKG_VERSION");
    let (rooms, about_rooms) = match rooms_are_open {
        true => ("open", OPEN_ROOMS),
        false => ("token", CLOSED_ROOMS),
    };
    let lines = match format {
        LogFormat::Text => format!(
            "listening on {url} (media UDP and TCP {media_port}{})\n\
             Ferrite {version} is ready: open {}\n\
             {}{about_rooms}",
            turns.map_or_else(String::new, |port| format!(
                ", TURN over TLS and DTLS {port}"
            )),
            url_to_open(server),
            about_certificate(server),
        ),
        // None of these values has a character that would have to be escaped.
        LogFormat::Json => format!(
            r#"{{"level":"INFO","fields":{{"message":"listening","http":"{url}","media_port":{media_port}{},"version":"{version}","rooms":"{rooms}"}},"target":"ferrite"}}"#,
            turns.map_or_else(String::new, |port| format!(r#","turns_port":{port}"#)),
        ),
    };
    let _ = say(&lines);
}

const OPEN_ROOMS: &str = "Rooms are open: anybody may enter any room, and who enters an empty one moderates \
    it; with --token-key they ask for a token";

const CLOSED_ROOMS: &str = "Rooms ask for a token: nobody enters without one";

fn url_to_open(server: &Server) -> String {
    let (url, addr) = (server.url(), server.addr());
    if addr.ip().is_unspecified() || addr.ip().is_loopback() {
        // Browsers take this name for a secure context, which camera and microphone need.
        url.replace(&addr.to_string(), &format!("localhost:{}", addr.port()))
    } else {
        url
    }
}

/// A line where browsers will warn.
fn about_certificate(server: &Server) -> String {
    let Security::SelfSigned { sha256, addresses } = server.security() else {
        return String::new();
    };
    let addr = server.addr();
    let serves = |own: &IpAddr| *own == addr.ip() || own.is_ipv4() && addr.ip().is_unspecified();
    let from_outside = addresses
        .iter()
        .filter(|own| serves(own) && !own.is_loopback());
    let urls = from_outside.map(|own| format!("https://{}", SocketAddr::new(*own, addr.port())));
    let urls = urls.collect::<Vec<_>>().join(" or ");
    let elsewhere = match urls.is_empty() {
        true => String::new(),
        false => format!("; on a phone in the same network open {urls}"),
    };
    format!(
        "The certificate is self-signed, and browsers will warn{elsewhere}. Its SHA-256 is {sha256}\n"
    )
}

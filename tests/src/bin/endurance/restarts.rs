//! The server is ended under load and started again: what clients see of it, in numbers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ferrite_tests::load::{self, Caller, Client, Link, percentile};
use ferrite_tests::{Server, artefacts, wait};
use tokio::task::spawn_blocking;

use crate::Complaints;

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Clients, each in a call
    #[arg(long, default_value_t = 50, value_name = "COUNT")]
    clients: usize,
    /// How often to kill the server
    #[arg(long, default_value_t = 5, value_name = "COUNT")]
    kills: usize,
}

/// How long the server may take to end.
const TO_EXIT: Duration = Duration::from_secs(2);

/// How long every client may take to be back after the server is.
const TO_BE_BACK: Duration = Duration::from_secs(15);

/// A client whose session was open for less waits longer each time (a server that fails again and
/// again is left alone). One restart is not that.
const STABLE: Duration = Duration::from_secs(11);

/// GOING_AWAY (RFC 6455 §7.4.1).
const GOING_AWAY: u16 = 1001;

/// The time between two packets of a call.
const INTERVAL: Duration = Duration::from_millis(20);

/// The time between two rounds through all clients.
const ROUND: Duration = Duration::from_millis(2);

const FLAGS: &[&str] = &[
    "--log",
    "warn,ferrite_server::server=info",
    "--max-sessions-per-address",
    "1000",
];

pub(crate) async fn run(options: &Options, log: &str) -> Result<Complaints> {
    println!(
        "{} clients, each sending 50 packets a second",
        options.clients
    );
    println!("                                        n   p50 ms   p95 ms   max ms");
    let mut complaints = terminate(options, log).await?;
    for how in [How::Kill, How::Terminate] {
        complaints.extend(come_back(options, log, how).await?);
    }
    Ok(complaints)
}

/// SIGTERM: when who knows what.
async fn terminate(options: &Options, log: &str) -> Result<Complaints> {
    let mut server = Server::start(&artefacts::fresh(log)?, FLAGS).await?;
    let (address, clients) = (server.address().to_owned(), options.clients);
    let callers = spawn_blocking(move || join(&address, clients)).await??;
    let terminated = Instant::now();
    let watched = spawn_blocking(move || watch(callers));
    let status = server.stop(wait::PATIENCE).await?;
    let took = terminated.elapsed();
    let callers = watched.await??;

    let after = |at: Instant| at.saturating_duration_since(terminated);
    let told = |pick: fn(&Caller) -> Option<Instant>| -> Vec<Duration> {
        callers.iter().filter_map(pick).map(after).collect()
    };
    let farewells = told(|caller| caller.going_away);
    let closed = told(|caller| {
        let (at, code) = caller.ended?;
        (code == GOING_AWAY).then_some(at)
    });
    let notified = told(|caller| caller.peer.closed);
    println!("SIGTERM");
    print("until goingAway is heard", &farewells);
    print("until the WebSocket is closed (1001)", &closed);
    print("until DTLS is closed (close_notify)", &notified);
    print(
        "until the last packet came back",
        &told(|caller| caller.peer.returned_at),
    );
    print("until the process has ended", &[took]);
    let mut complaints = Complaints::new();
    if !status.success() || took > TO_EXIT {
        complaints.push(format!("the server ended with {status} after {took:?}"));
    }
    for (what, count) in [
        ("heard goingAway", farewells.len()),
        ("saw the WebSocket closed with 1001", closed.len()),
        ("saw DTLS closed", notified.len()),
    ] {
        if count < options.clients {
            complaints.push(format!("{count} of {} {what}", options.clients));
        }
    }
    Ok(complaints)
}

fn join(address: &str, clients: usize) -> Result<Vec<Caller>> {
    let certificate = load::certificate()?;
    let mut callers = Vec::new();
    for _ in 0..clients {
        let (caller, _) = Caller::join(address, &certificate, Link::udp()?, || {
            callers
                .iter_mut()
                .try_for_each(|caller: &mut Caller| caller.step(Instant::now()))
        })?;
        callers.push(caller);
    }
    // Everybody is in the middle of it.
    let enough = |caller: &Caller| caller.peer.counts.returned >= 20;
    send(&mut callers, |callers| callers.iter().all(enough))?;
    Ok(callers)
}

fn watch(mut callers: Vec<Caller>) -> Result<Vec<Caller>> {
    let knows = |caller: &Caller| caller.ended.is_some() && caller.peer.closed.is_some();
    send(&mut callers, |callers| callers.iter().all(knows))?;
    Ok(callers)
}

/// Goes on sending until `done`, but not for ever.
fn send(callers: &mut [Caller], done: impl Fn(&[Caller]) -> bool) -> Result<()> {
    let deadline = Instant::now() + TO_BE_BACK;
    let mut next = Instant::now();
    while !done(callers) && Instant::now() < deadline {
        let now = Instant::now();
        let is_due = now >= next;
        if is_due {
            next = now + INTERVAL;
        }
        for caller in callers.iter_mut() {
            caller.step(now)?;
            if is_due {
                caller.peer.send(now, 1)?;
            }
        }
        std::thread::park_timeout(ROUND);
    }
    Ok(())
}

/// How the server ends.
#[derive(Clone, Copy, Debug)]
enum How {
    Kill,
    Terminate,
}

/// The server ends and is started again at once; its clients find back by themselves.
async fn come_back(options: &Options, log: &str, how: How) -> Result<Complaints> {
    let dir = artefacts::fresh(log)?;
    let mut server = Server::start(&dir, FLAGS).await?;
    let address = server.address().to_owned();
    let party = Party::new(&address, options.clients)?;
    let mut party = party.until(is_calling).await?;
    let (mut down, mut ready, mut up, mut back) = (vec![], vec![], vec![], vec![]);
    for kill in 0..options.kills {
        if kill > 0 {
            party = party.until(is_stable).await?;
        }
        let ended = Instant::now();
        let stop = Arc::new(AtomicBool::new(false));
        let meanwhile = spawn_blocking({
            let stop = stop.clone();
            move || party.live(|_| stop.load(Ordering::Relaxed), ended)
        });
        match how {
            How::Kill => server.kill().await?,
            How::Terminate => drop(server.stop(wait::PATIENCE).await?),
        }
        server = Server::start_at(&dir, &address, FLAGS).await?;
        ready.push(ended.elapsed());
        stop.store(true, Ordering::Relaxed);
        party = meanwhile.await??;
        party = party
            .until(move |client| client.heard > Some(ended))
            .await?;
        let after = |at: Option<Instant>| at.map(|at| at.saturating_duration_since(ended));
        down.extend(party.clients.iter().filter_map(|client| after(client.down)));
        up.extend(party.clients.iter().filter_map(|client| after(client.up)));
        back.extend(
            party
                .clients
                .iter()
                .filter_map(|client| after(client.heard)),
        );
    }
    match how {
        How::Kill => println!("kill -9 and restart, {} times", options.kills),
        How::Terminate => println!("SIGTERM and restart, {} times", options.kills),
    }
    print("until the client knows", &down);
    print("until the server listens again", &ready);
    print("until the session is open again", &up);
    print("until media comes back", &back);
    let mut complaints = Complaints::new();
    let slowest = percentile(&back, 100);
    if slowest > percentile(&ready, 100) + TO_BE_BACK {
        complaints.push(format!("a client was back only after {slowest:?}"));
    }
    Ok(complaints)
}

fn is_calling(client: &Client) -> bool {
    client.heard.is_some()
}

fn is_stable(client: &Client) -> bool {
    client.up.is_some_and(|up| up.elapsed() >= STABLE)
}

/// Clients that find back by themselves.
struct Party {
    clients: Vec<Client>,
}

impl Party {
    fn new(address: &str, clients: usize) -> Result<Self> {
        let certificate = load::certificate()?;
        let client = |seed| Client::new(address, &certificate, seed);
        let clients = (0..clients as u64).map(client).collect::<Result<_>>()?;
        Ok(Self { clients })
    }

    /// Lives until it is so for everybody.
    async fn until(self, done: impl Fn(&Client) -> bool + Send + 'static) -> Result<Self> {
        let began = Instant::now();
        let party =
            spawn_blocking(move || self.live(|party| party.clients.iter().all(&done), began));
        party.await?
    }

    fn live(mut self, done: impl Fn(&Self) -> bool, since: Instant) -> Result<Self> {
        while !done(&self) {
            ensure!(since.elapsed() < wait::PATIENCE, "not everybody came back");
            self.clients.iter_mut().try_for_each(Client::step)?;
            std::thread::park_timeout(ROUND);
        }
        Ok(self)
    }
}

fn print(what: &str, times: &[Duration]) {
    let milliseconds = |percent| percentile(times, percent).as_secs_f64() * 1000.0;
    println!(
        "  {what:36} {:4} {:8.1} {:8.1} {:8.1}",
        times.len(),
        milliseconds(50),
        milliseconds(95),
        milliseconds(100),
    );
}

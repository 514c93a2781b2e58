//! What findings mean, and what to do about them: findings in, rows out. Nothing here asks anybody anything.
//!
//! A row says what was seen. Where several causes look the same, the advice names each, and none is said to be it.

use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ferrite_protocol::IceServer;

use super::ports::{Asked, Bound, Found};
use super::relaying::{Lost, Relayed};
use super::report::{Row, Status};
use super::sealed::Shown;
use crate::asking::Failure;
use crate::external::External;
use crate::ledger::calendar::Day;
use crate::media::net::sockets::SocketLimits;
use crate::provider::ProviderError;

const DAY: i64 = 24 * 3600;

/// When it is time to renew a certificate: those who make them for 90 days renew them at 30.
const SOON: i64 = 14 * DAY;

/// 2026 began then: an earlier time is that of a machine which was never told.
const FIRST_SANE: u64 = 1_767_225_600;

/// 2100 begins then.
const LAST_SANE: u64 = 4_102_444_800;

/// How far the clocks may drift apart during a test, when somebody slews one of them.
const DRIFT: Duration = Duration::from_millis(100);

fn took(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn why(failure: &Failure) -> String {
    match failure {
        Failure::Silent => "what was sent there was not answered".to_owned(),
        Failure::Refused => "nobody listens there".to_owned(),
        Failure::Broken(error) => error.clone(),
        Failure::Strange(said) => format!("it says: {said}"),
        Failure::Said(code, reason) => format!("it says: {code} {reason}"),
    }
}

/// A port of the settings.
pub(super) fn port(asked: &Asked, found: Found) -> Row {
    let Asked {
        flag,
        transport,
        at,
        bound,
    } = asked;
    let row = |status, says: String| {
        let row = Row::new(status, "port", says);
        row.at(format_args!("{flag} {transport} {at}"))
    };
    match (bound, found) {
        (Bound::Any, Found::Running) => row(
            Status::Skipped,
            "the settings do not say which one the running server has".to_owned(),
        ),
        (Bound::Any, Found::Free | Found::Taken) => row(Status::Ok, "any that is free".to_owned()),
        (Bound::Free, Found::Running) => row(
            Status::Bad,
            "the running server does not have it".to_owned(),
        )
        .advise("start it with these settings, or test it with its own"),
        (Bound::Free, Found::Free | Found::Taken) => row(Status::Ok, "can be had".to_owned()),
        (Bound::Taken, Found::Running) => {
            row(Status::Ok, "a server like this one has it".to_owned())
        }
        (Bound::Taken, Found::Free | Found::Taken) => row(
            Status::Bad,
            "is in use, and no server like this one answers at --media-port".to_owned(),
        )
        .advise("stop what uses it, or choose another port"),
        (Bound::Refused(error), Found::Free | Found::Running | Found::Taken) => {
            row(Status::Bad, format!("cannot be opened: {error}"))
        }
    }
}

/// A server that did not start, though its ports were free.
pub(super) fn not_started(error: &str) -> Row {
    Row::new(Status::Bad, "start", error)
}

/// What cannot be asked where there is no server.
pub(super) fn untested() -> Vec<Row> {
    const WHY: &str = "there is no server to ask";
    let asked = ["http", "tls", "udp", "tcp", "turns", "allocation", "relay"];
    let rows = asked.map(|what| Row::new(Status::Skipped, what, WHY));
    rows.into()
}

/// The front door.
pub(super) fn http(at: SocketAddr, answered: &Result<Duration, Failure>) -> Row {
    match answered {
        Ok(time) => answers("http", at, *time),
        Err(failure) => Row::new(Status::Bad, "http", why(failure)).at(at).advise(
            "a firewall of this machine may be in the way, or another program has the port",
        ),
    }
}

fn answers(what: &'static str, at: SocketAddr, time: Duration) -> Row {
    Row::new(Status::Ok, what, format!("answered in {}", took(time))).at(at)
}

/// Media over UDP.
pub(super) fn udp(at: SocketAddr, is_external: bool, answered: &Result<Duration, Failure>) -> Row {
    media("udp", "UDP", at, is_external, answered)
}

/// What `--external-ip auto` found.
pub(super) fn external(found: &External) -> Row {
    let row = |status, says: String| Row::new(status, "external", says);
    let list = |ips: &[IpAddr]| {
        let texts: Vec<_> = ips.iter().map(IpAddr::to_string).collect();
        texts.join(", ")
    };
    match (&*found.unsure, &*found.sure, found.answered) {
        ([_, ..], _, _) => row(Status::Warn, format!("not proved: {}", list(&found.unsure)))
            .advise("open the media port, or give the address itself if it is right: it is offered after all others"),
        ([], _, 0) => row(Status::Warn, "no STUN server answered".to_owned())
            .advise("is UDP let out, and are those of --ice-servers the right ones?"),
        ([], [], _) => row(Status::Ok, "there is no NAT".to_owned()),
        ([], sure, _) => row(Status::Ok, list(sure)),
    }
}

/// What it found for a server that runs elsewhere.
pub(super) fn unknown_external() -> Row {
    let says = "the running server alone knows what it found";
    Row::new(Status::Skipped, "external", says).advise("its log says it, and whether it was proved")
}

/// Media over TCP.
pub(super) fn tcp(at: SocketAddr, is_external: bool, answered: &Result<Duration, Failure>) -> Row {
    media("tcp", "TCP", at, is_external, answered)
}

/// TURN over TLS.
pub(super) fn turns(
    at: SocketAddr,
    is_external: bool,
    answered: &Result<Duration, Failure>,
) -> Row {
    media("turns", "TCP", at, is_external, answered)
}

/// TURN over DTLS.
pub(super) fn dtls(at: SocketAddr, is_external: bool, answered: &Result<Duration, Failure>) -> Row {
    media("dtls", "UDP", at, is_external, answered)
}

fn media(
    what: &'static str,
    transport: &str,
    at: SocketAddr,
    is_external: bool,
    answered: &Result<Duration, Failure>,
) -> Row {
    match answered {
        Ok(time) => answers(what, at, *time),
        Err(failure) => Row::new(Status::Bad, what, why(failure))
            .at(at)
            .advise(opening(transport, at, is_external)),
    }
}

fn opening(transport: &str, at: SocketAddr, is_external: bool) -> String {
    let port = at.port();
    match is_external {
        true => format!(
            "is --external-ip this machine's, and {transport} {port} open in the firewall? Some NATs let nothing back \
             in that comes from behind them: then try it from another machine"
        ),
        false => format!("open {transport} {port} in this machine's firewall, for itself, too"),
    }
}

/// A handshake that came to nothing.
pub(super) fn no_handshake(
    what: &'static str,
    at: SocketAddr,
    is_external: bool,
    failure: &Failure,
) -> Row {
    Row::new(Status::Bad, what, format!("no handshake: {}", why(failure)))
        .at(at)
        .advise(opening("TCP", at, is_external))
}

/// The certificate that is shown. Clients look for its name, or for one of the addresses at which they are told to come.
pub(super) fn certificate(at: SocketAddr, shown: &Shown, now: u64, reached: &[IpAddr]) -> Row {
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    let until = Day::of(u64::try_from(shown.until).unwrap_or(0));
    let row = |status, says: String| Row::new(status, "tls", says).at(at);
    let names = names(shown);
    if shown.until < now {
        return row(
            Status::Bad,
            format!("the certificate for {names} ran out on {until}"),
        )
        .advise("renew it: browsers refuse it");
    }
    if shown.from > now {
        return row(
            Status::Bad,
            format!("the certificate for {names} is not good yet"),
        )
        .advise("set this machine's clock, or get another");
    }
    let left = (shown.until - now) / DAY;
    let says = format!("the certificate for {names} is good until {until}, for {left} days");
    let is_named = shown.names.iter().any(|name| name != "localhost");
    if shown.until - now < SOON {
        row(Status::Warn, says).advise("renew it; the server reads it again when its files change")
    } else if !is_named && !reached.iter().all(|ip| shown.addresses.contains(ip)) {
        row(Status::Warn, says)
            .advise("it has no name, and not all addresses of this server: get one for its name")
    } else if shown.is_self_signed {
        row(
            Status::Ok,
            format!("{says}; it is self-signed, and browsers warn of it"),
        )
    } else {
        row(Status::Ok, says)
    }
}

fn names(shown: &Shown) -> String {
    let addresses = shown.addresses.iter().map(IpAddr::to_string);
    let all: Vec<_> = shown.names.iter().cloned().chain(addresses).collect();
    match all.is_empty() {
        true => "nobody".to_owned(),
        false => all.join(", "),
    }
}

/// HTTP without TLS.
pub(super) fn no_tls() -> Row {
    Row::new(Status::Skipped, "tls", "there is no certificate")
        .advise("browsers give camera and microphone only over HTTPS, from a reverse proxy or with --tls-cert")
}

/// No TURN over TLS.
pub(super) fn no_turns() -> Row {
    Row::new(Status::Skipped, "turns", "there is no certificate")
}

/// An allocation, and what went through it.
pub(super) fn relayed(at: SocketAddr, relayed: &Relayed) -> Vec<Row> {
    let row = |status, what, says: String| Row::new(status, what, says).at(at);
    let allocated = match &relayed.allocated {
        Ok(relay) => row(
            Status::Ok,
            "allocation",
            format!("there is a relay at {relay}"),
        ),
        Err(failure) => row(Status::Bad, "allocation", why(failure))
            .advise("are --relay-ports free, and is the secret the running server's?"),
    };
    let passed = match &relayed.passed {
        Some(Ok(time)) => row(
            Status::Ok,
            "relay",
            format!("a packet went there and back in {}", took(*time)),
        ),
        Some(Err(lost)) => row(Status::Bad, "relay", lost_where(lost))
            .advise("open UDP --relay-ports, or --relay-port-shared, in this machine's firewall, for itself, too"),
        None if relayed.allocated.is_err() => row(
            Status::Skipped,
            "relay",
            "there is no allocation".to_owned(),
        ),
        None => row(
            Status::Skipped,
            "relay",
            "relays may not reach this machine".to_owned(),
        )
        .advise("which is well; to try it, start the server with --turn-allow of this address"),
    };
    vec![allocated, passed]
}

/// What a provider hands out.
pub(super) fn provider(found: &Result<Vec<IceServer>, ProviderError>) -> Row {
    let row = |status, says: String| Row::new(status, "provider", says).at("--ice-servers-url");
    match found {
        Ok(servers) if servers.is_empty() => row(Status::Warn, "it names no server".to_owned())
            .advise("has the account run out, or is the key another's?"),
        Ok(servers) if servers.len() == 1 => row(Status::Ok, "it names a server".to_owned()),
        Ok(servers) => row(Status::Ok, format!("it names {} servers", servers.len())),
        Err(error) => row(Status::Bad, error.to_string())
            .advise("are the URL and its key the right ones, and is HTTPS let out?"),
    }
}

fn lost_where(lost: &Lost) -> String {
    match lost {
        Lost::Permission(failure) => format!("the peer is not permitted: {}", why(failure)),
        Lost::There => "a packet to a peer did not arrive".to_owned(),
        Lost::Back => "a packet arrived at a peer, and its answer did not come back".to_owned(),
        Lost::NoPeer(error) => format!("there is no socket to relay to: {error}"),
    }
}

/// Nobody has credentials of a server that runs elsewhere.
pub(super) fn no_user() -> Vec<Row> {
    let rows = ["allocation", "relay"].map(|what| {
        Row::new(
            Status::Skipped,
            what,
            "the running server gives relays to its sessions alone",
        )
        .advise("to try one, give both --turn-shared-secret, or stop the server for the test")
    });
    rows.into()
}

/// The clock, and how much time it and a steady one say has passed.
pub(super) fn clock(now: SystemTime, (wall, steady): (Option<Duration>, Duration)) -> Row {
    const ADVICE: &str =
        "set it, and keep it right with NTP: tokens, TURN credentials and certificates go by it";
    let unix = now.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs());
    let row = |status, says: String| Row::new(status, "clock", says);
    let today = Day::of(unix);
    if !(FIRST_SANE..LAST_SANE).contains(&unix) {
        return row(Status::Bad, format!("it says that today is {today}")).advise(ADVICE);
    }
    match wall {
        Some(wall) if wall.abs_diff(steady) <= DRIFT => {
            row(Status::Ok, format!("today is {today}"))
        }
        Some(_) | None => {
            row(Status::Warn, "it was set while the test ran".to_owned()).advise(ADVICE)
        }
    }
}

/// Files that may be open.
pub(super) fn files(allowed: Result<u64, String>, wanted: u64) -> Row {
    let row = |status, says: String| Row::new(status, "files", says);
    match allowed {
        Ok(allowed) if allowed >= wanted => row(Status::Ok, format!("{wanted} may be open")),
        Ok(allowed) => row(
            Status::Warn,
            format!("{allowed} may be open, and clients may need {wanted}"),
        )
        .advise("raise `ulimit -n`, or lower --max-sessions"),
        Err(error) => row(Status::Skipped, error),
    }
}

/// Buffers of a socket for media.
pub(super) fn buffers(given: &io::Result<SocketLimits>) -> Row {
    let row = |status, says: String| Row::new(status, "buffers", says);
    let kib = |bytes: usize| format!("{} KiB", bytes / 1024);
    match given {
        Ok(given) if given.receive.min(given.send) >= given.wanted => {
            row(Status::Ok, format!("{} each way", kib(given.wanted)))
        }
        Ok(given) => {
            let (receive, send, wanted) = (kib(given.receive), kib(given.send), kib(given.wanted));
            row(Status::Warn, format!("{receive} to receive and {send} to send, of {wanted}"))
                .advise("set net.core.rmem_max and wmem_max to as much, or grant CAP_NET_ADMIN: else bursts are lost")
        }
        Err(error) => no_socket("buffers", error),
    }
}

/// What the kernel does for many datagrams at once.
pub(super) fn offloads(given: &io::Result<SocketLimits>) -> Row {
    match given {
        Ok(given) if given.leave > 1 && given.arrive > 1 => Row::new(
            Status::Ok,
            "offloads",
            "UDP leaves (GSO) and arrives (GRO) in one piece",
        ),
        Ok(given) => {
            let missing = match (given.leave > 1, given.arrive > 1) {
                (true, _) => "GRO",
                (false, true) => "GSO",
                (false, false) => "GSO and GRO",
            };
            Row::new(
                Status::Warn,
                "offloads",
                format!("the kernel has no {missing} for UDP"),
            )
            .advise("a newer one has (Linux 5.0): each packet costs less CPU with it")
        }
        Err(error) => no_socket("offloads", error),
    }
}

fn no_socket(what: &'static str, error: &impl Display) -> Row {
    Row::new(
        Status::Bad,
        what,
        format!("no socket can be opened: {error}"),
    )
}

/// The directory of `--data`.
pub(super) fn data(directory: &Path, written: io::Result<()>) -> Row {
    let row = |status, says: String| Row::new(status, "data", says).at(directory.display());
    match written {
        Ok(()) => row(Status::Ok, "can be written".to_owned()),
        Err(error) => row(Status::Bad, format!("cannot be written: {error}"))
            .advise("give it to whom the server runs as, or give --data another"),
    }
}

/// No directory.
pub(super) fn no_data() -> Row {
    Row::new(Status::Skipped, "data", "without --data nothing is kept")
}

mod ice_servers;

pub(super) use self::ice_servers::ice_server;

#[cfg(test)]
mod tests;

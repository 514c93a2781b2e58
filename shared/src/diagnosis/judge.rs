//! From evidence to a cause. The farther the server got, the more is known: what is later is looked at
//! first, and whatever stands before it is ruled out.

use super::cause::Cause;
use super::client::{ClientEvidence, Handshake};
use super::server::{DtlsEvidence, DtlsFate, PathState, ServerEvidence};

/// TURN's code for wrong credentials (RFC 8489 §14.8).
const UNAUTHORIZED: u16 = 401;

/// A browser's code for a server that was not reached (W3C WebRTC §4.8.2).
const NOT_REACHED: u16 = 701;

/// Before so many milliseconds without a sign nothing is wrong yet: both checks and a handshake's flights
/// are sent again by then (RFC 8445 §14.3, RFC 6347 §4.2.4.1).
const PATIENCE_MS: u32 = 2_000;

/// So many checks whose answers would have come.
const ENOUGH_CHECKS: u32 = 3;

/// Fewer lost ones are nothing out of the ordinary.
const MANY_LOST: u32 = 4;

/// A cause, and what is said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// For programs.
    pub cause: Cause,
    /// For people: one sentence that ends with what to do.
    pub text: String,
}

/// Puts what both ends saw side by side. `client` is `None` where it told nothing, `server` where it has no
/// peer connection for the client.
#[must_use]
pub fn judge(client: Option<&ClientEvidence>, server: Option<&ServerEvidence>) -> Diagnosis {
    let nothing = ServerEvidence::default();
    let cause = server.map_or(Cause::NoPeer, |server| cause(client, server));
    let text = cause.sentence(client, server.unwrap_or(&nothing));
    Diagnosis { cause, text }
}

fn cause(client: Option<&ClientEvidence>, server: &ServerEvidence) -> Cause {
    match &server.dtls.fate {
        DtlsFate::WrongCertificate => return Cause::WrongCertificate,
        DtlsFate::Failed(_) => return Cause::HandshakeFailed,
        DtlsFate::Closed => return Cause::ClosedByClient,
        DtlsFate::UnderWay | DtlsFate::Done => {}
    }
    match server.ice.state {
        PathState::Open if server.ice.waited_ms < PATIENCE_MS => Cause::Unclear,
        PathState::Silent => Cause::WentSilent,
        PathState::Nominated => handshake(client, server),
        PathState::Open if server.ice.checks() > 0 => path(client, server),
        PathState::Open => arrival(client, server),
    }
}

/// There is a path: why does DTLS not get over it?
fn handshake(client: Option<&ClientEvidence>, server: &ServerEvidence) -> Cause {
    let dtls = &server.dtls;
    let theirs = client.and_then(|client| client.dtls);
    if dtls.fate == DtlsFate::Done {
        return match theirs {
            // Where the server begins the other end's flight is the last.
            Some(Handshake::New | Handshake::Connecting)
                if dtls.quiet_ms >= PATIENCE_MS && !dtls.begins_here =>
            {
                Cause::LastFlightLost
            }
            Some(Handshake::Failed) => Cause::HandshakeFailed,
            Some(Handshake::Closed) => Cause::ClosedByClient,
            Some(
                Handshake::New | Handshake::Connecting | Handshake::Connected | Handshake::Other,
            )
            | None => Cause::Unclear,
        };
    }
    match dtls.received {
        _ if theirs == Some(Handshake::Failed) => Cause::HandshakeFailed,
        _ if dtls.quiet_ms < PATIENCE_MS => Cause::Unclear,
        0 if dtls.begins_here => Cause::DtlsUnanswered,
        0 => Cause::DtlsMissing,
        _ if !server.ice.is_by_tcp && lacks_large_part(dtls) => Cause::LargeDatagramsLost,
        _ => Cause::HandshakeStalls,
    }
}

/// Whether what is missing is longer than all that came: a lost part that is short says nothing of the MTU.
fn lacks_large_part(dtls: &DtlsEvidence) -> bool {
    (dtls.gap).is_some_and(|gap| gap.missing > u32::from(dtls.longest.0))
}

/// Checks arrive: why is none of their paths nominated?
fn path(client: Option<&ClientEvidence>, server: &ServerEvidence) -> Cause {
    let ice = &server.ice;
    // An answer of the client's to a check of ours shows that what leaves here arrives there.
    let reached = ice.answers() > 0;
    let answered = client.and_then(ClientEvidence::answered);
    let is_answered = reached || answered.is_some_and(|answered| answered > 0);
    let tried_udp = client.is_some_and(|client| client.udp.is_tried());
    match () {
        () if !is_answered && ice.checks() < ENOUGH_CHECKS => Cause::Unclear,
        () if !is_answered => Cause::AnswersLost,
        () if client.is_some_and(is_lossy) => Cause::Lossy,
        () if ice.udp.checks == 0 && ice.tcp.checks > 0 && tried_udp => Cause::OnlyTcpArrives,
        () => Cause::NotNominated,
    }
}

/// Whether more checks are lost than answered, of those whose answers can come.
fn is_lossy(client: &ClientEvidence) -> bool {
    let (lost, answered) = (client.udp.lost, client.udp.answered);
    lost.zip(answered).is_some_and(|(lost, answered)| {
        !client.worked_before && answered > 0 && lost >= MANY_LOST.max(answered)
    })
}

/// No authentic check arrived: why?
fn arrival(client: Option<&ClientEvidence>, server: &ServerEvidence) -> Cause {
    if server.ice.role_conflicts > 0 {
        return Cause::RoleConflict;
    }
    if server.ice.strangers > 0 {
        return Cause::WrongPassword;
    }
    match client {
        Some(client) => departure(client, server),
        None if server.is_out_of_reach => Cause::PrivateAddress,
        None => Cause::NothingArrives,
    }
}

/// Nothing of this client's arrived: what did it send?
fn departure(client: &ClientEvidence, server: &ServerEvidence) -> Cause {
    let pairs = [client.udp, client.tcp, client.relayed];
    let has_pairs = pairs.iter().any(|sums| sums.pairs > 0);
    if !has_pairs {
        return match (client.remote, client.local.count()) {
            (0, _) => Cause::NoServerAddress,
            (_, 0) => without_address(client),
            (..) => Cause::NoPair,
        };
    }
    // TCP has no check before it is connected.
    if client.sent() == Some(0) && client.tcp.pairs == 0 && !client.worked_before {
        return Cause::NoChecks;
    }
    if server.is_out_of_reach {
        Cause::PrivateAddress
    } else if client.lacks_relay(UNAUTHORIZED) {
        Cause::RelayRefused
    } else if !client.udp.is_tried() {
        Cause::Unclear
    } else if client.tcp.pairs > 0 || client.relayed.pairs > 0 {
        Cause::NothingArrives
    } else {
        Cause::UdpBlocked
    }
}

/// It found no address of its own, nor at a relay, which may be all that it looks for.
fn without_address(client: &ClientEvidence) -> Cause {
    if client.lacks_relay(UNAUTHORIZED) {
        Cause::RelayRefused
    } else if client.lacks_relay(NOT_REACHED) {
        Cause::RelayUnreachable
    } else if client.local.complete {
        Cause::NoClientAddress
    } else {
        Cause::Unclear
    }
}

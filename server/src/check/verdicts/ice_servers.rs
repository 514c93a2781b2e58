//! What is told of somebody else's STUN and TURN servers.

use std::net::SocketAddr;

use super::super::others::{Answer, Trouble};
use super::super::relaying::{Given, Lost};
use super::super::report::{Row, Status};
use super::{lost_where, took, why};
use crate::asking::Failure;
use crate::external::relayed::Over;
use crate::network::is_private;

/// One URL of such a server. `None` is one over DTLS.
pub(in super::super) fn ice_server(
    url: &str,
    over: Option<Over>,
    found: &Result<Answer, Trouble>,
) -> Row {
    let row = match found {
        Ok(Answer::Address(time)) => row(Status::Ok, format!("answered in {}", took(*time))),
        Ok(Answer::Relay(given)) => relay(over, given),
        Err(trouble) => failed(over, trouble),
    };
    row.at(url)
}

fn row(status: Status, says: impl Into<String>) -> Row {
    Row::new(status, "ice-server", says)
}

fn relay(over: Option<Over>, given: &Given) -> Row {
    let Given {
        relayed,
        mapped,
        asked,
        passed,
    } = given;
    let there_is = || format!("there is a relay at {relayed} after {}", took(*asked));
    match passed {
        Ok(time) => row(
            Status::Ok,
            format!(
                "a packet came by {relayed} and went back in {}",
                took(*time)
            ),
        ),
        // A relay that reached those would be open to all that is behind it.
        Err(Lost::Permission(Failure::Said(403, _))) if is_private(mapped.ip()) => row(
            Status::Ok,
            format!("{}; it relays to nobody at {}", there_is(), mapped.ip()),
        ),
        // What comes by it comes over UDP, which may be why it is named with TCP.
        Err(Lost::There) if over != Some(Over::Udp) => row(
            Status::Warn,
            format!(
                "{}, and no packet of this machine's comes by it",
                there_is()
            ),
        )
        .advise("is UDP let out of here? If not it cannot be tried from here"),
        Err(lost) => row(Status::Bad, lost_by(*relayed, lost))
            .advise("does that server relay to the address that it sees this machine at?"),
    }
}

fn lost_by(relayed: SocketAddr, lost: &Lost) -> String {
    match lost {
        Lost::There => format!("nothing comes by {relayed}"),
        Lost::Back => {
            format!("what comes by {relayed} comes, and its answer does not go back")
        }
        Lost::Permission(_) | Lost::NoPeer(_) => lost_where(lost),
    }
}

fn failed(over: Option<Over>, trouble: &Trouble) -> Row {
    const BROWSERS: &str = "browsers refuse it, too";
    match trouble {
        Trouble::Unasked => row(Status::Skipped, "browsers do not ask over DTLS"),
        Trouble::Nowhere(error) => row(Status::Bad, format!("its name leads nowhere: {error}"))
            .advise("is it written right, and does this machine's resolver answer?"),
        Trouble::Unsaid => row(Status::Bad, "nobody says where its name leads")
            .advise("does this machine's resolver answer?"),
        Trouble::NoTrust => row(
            Status::Skipped,
            "this machine trusts nobody who could vouch for it",
        )
        .advise("install ca-certificates, or name a file of theirs in SSL_CERT_FILE"),
        Trouble::Name(names) if names.is_empty() => {
            row(Status::Bad, "its certificate is for another name").advise(BROWSERS)
        }
        Trouble::Name(names) => row(
            Status::Bad,
            format!(
                "its certificate is not for this name, but for {}",
                names.join(", ")
            ),
        )
        .advise(BROWSERS),
        Trouble::Expired => row(
            Status::Bad,
            "its certificate has run out, or is not good yet",
        )
        .advise("is this machine's clock right? If so browsers refuse it, too"),
        Trouble::Issuer => row(
            Status::Bad,
            "nobody whom this machine trusts vouches for its certificate",
        )
        .advise("browsers refuse it, too, unless they trust somebody else"),
        Trouble::Failed(failure) => {
            let row = row(Status::Bad, why(failure));
            match advice(over, failure) {
                Some(advice) => row.advise(advice),
                None => row,
            }
        }
    }
}

/// By code (RFC 8656 §19), or by what did not come.
fn advice(over: Option<Over>, failure: &Failure) -> Option<&'static str> {
    match failure {
        Failure::Said(401 | 441, _) => {
            Some("are its username and credential the right ones, and not run out?")
        }
        Failure::Said(403, _) => Some("it does not serve this account, or not from here"),
        Failure::Said(486, _) => Some(
            "the account has all the relays that it may have at once: end some, or raise its quota",
        ),
        Failure::Said(508, _) => Some("it has no relay left to give: are its ports used up?"),
        Failure::Silent if over == Some(Over::Udp) => {
            Some("is it there, is its port the right one, and is UDP let out?")
        }
        Failure::Silent => Some("is it there, is its port the right one, and is TCP let out?"),
        Failure::Refused => Some("is it there, and is its port the right one for this transport?"),
        Failure::Broken(_) | Failure::Strange(_) | Failure::Said(..) => None,
    }
}

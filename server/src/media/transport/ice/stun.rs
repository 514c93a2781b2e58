//! The STUN messages of connectivity checks (RFC 8445 §7): what they say, and how ours are answered. It
//! knows neither paths nor time, and decides nothing.

use std::net::SocketAddr;

use bytes::BytesMut;

use crate::media::net::stun::attribute::{
    ICE_CONTROLLED, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, NONCE, PRIORITY, REALM,
    UNKNOWN_ATTRIBUTES, USE_CANDIDATE, USERNAME, XOR_MAPPED_ADDRESS,
};
use crate::media::net::stun::{Attributes, Message, MessageType, Method, Writer};
use crate::media::net::stun::{MAX_ATTRIBUTES, TransactionId};

/// What a check may hold that must be understood (RFC 8489 §6.3.1). What belongs to long-term
/// credentials says nothing here, but is no riddle either.
const UNDERSTOOD: [u16; 7] = [
    USERNAME,
    MESSAGE_INTEGRITY,
    MESSAGE_INTEGRITY_SHA256,
    REALM,
    NONCE,
    PRIORITY,
    USE_CANDIDATE,
];

/// Why a request is refused. Of the codes of RFC 8489 §14.8, 300 is for servers that send clients
/// elsewhere, 438 for long-term credentials, and 500 for failures that we do not have.
#[derive(Debug)]
pub(super) enum Refusal {
    /// It has no USERNAME or no MESSAGE-INTEGRITY (RFC 8489 §9.1.3).
    BadRequest,
    /// Its name or its integrity is wrong (RFC 8489 §9.1.3).
    Unauthorized,
    /// It holds what must be understood, and is not (RFC 8489 §6.3.1).
    UnknownAttributes(Vec<u16>),
    /// It claims our role (RFC 8445 §7.3.1.1).
    RoleConflict,
}

/// A Binding message.
pub(super) struct Binding<'a>(Message<'a>);

impl<'a> Binding<'a> {
    /// Reads a datagram.
    pub(super) fn read(datagram: &'a [u8]) -> Option<Self> {
        Message::read(datagram).map(Self)
    }

    /// Whether it is a request, with the FINGERPRINT that a check has (RFC 8445 §7.1).
    pub(super) fn is_check(&self) -> bool {
        self.is(Method::Binding.request()) && self.0.has_fingerprint()
    }

    /// Whether it is a success response.
    pub(super) fn is_success(&self) -> bool {
        self.is(Method::Binding.success())
    }

    fn is(&self, typ: MessageType) -> bool {
        self.0.typ() == typ
    }

    /// What pairs a response with its request.
    pub(super) fn transaction(&self) -> TransactionId {
        self.0.transaction()
    }

    /// USERNAME.
    pub(super) fn username(&self) -> Option<&'a [u8]> {
        self.0.get(USERNAME)
    }

    /// Whether it nominates.
    pub(super) fn nominates(&self) -> bool {
        self.0.get(USE_CANDIDATE).is_some()
    }

    /// What is wrong with a check that is authentic.
    pub(super) fn objection(&self) -> Option<Refusal> {
        let unknown = self.unknown();
        if !unknown.is_empty() {
            return Some(Refusal::UnknownAttributes(unknown));
        }
        // A lite agent is always controlled; the other end must control (RFC 8445 §7.3.1.1).
        let is_controlled = self.0.get(ICE_CONTROLLED).is_some();
        is_controlled.then_some(Refusal::RoleConflict)
    }

    /// Whether there is a MESSAGE-INTEGRITY at all.
    pub(super) fn has_integrity(&self) -> bool {
        self.0.has(MESSAGE_INTEGRITY)
    }

    /// Whether it was written by somebody who knows the password.
    pub(super) fn is_by(&self, pwd: &str) -> bool {
        self.0.is_by(pwd.as_bytes())
    }

    /// What must be understood, and is not.
    fn unknown(&self) -> Vec<u16> {
        self.0.unknown(&UNDERSTOOD).collect()
    }

    /// The success response (RFC 8445 §7.3.1.2).
    pub(super) fn succeed(&self, mapped: SocketAddr, pwd: &str) -> BytesMut {
        write(Method::Binding.success(), self.transaction(), |writer| {
            writer.add_address(XOR_MAPPED_ADDRESS, mapped);
            writer.integrity(pwd.as_bytes());
        })
    }

    /// The error response (RFC 8489 §6.3.4). One to a request whose integrity was right has it, too.
    pub(super) fn refuse(&self, refusal: &Refusal, pwd: &str) -> BytesMut {
        write(
            Method::Binding.error(),
            self.transaction(),
            |writer| match refusal {
                Refusal::BadRequest => writer.add_error(400, "Bad Request"),
                Refusal::Unauthorized => writer.add_error(401, "Unauthorized"),
                Refusal::RoleConflict => {
                    writer.add_error(487, "Role Conflict");
                    writer.integrity(pwd.as_bytes());
                }
                Refusal::UnknownAttributes(unknown) => {
                    writer.add_error(420, "Unknown Attribute");
                    let unknown: Vec<u8> =
                        unknown.iter().flat_map(|typ| typ.to_be_bytes()).collect();
                    writer.add(UNKNOWN_ATTRIBUTES, &unknown);
                    writer.integrity(pwd.as_bytes());
                }
            },
        )
    }
}

/// A check of ours, as the controlled agent (RFC 8445 §7.1.1, §7.1.2).
pub(super) fn check(transaction: TransactionId, username: &str, pwd: &str) -> BytesMut {
    write(Method::Binding.request(), transaction, |writer| {
        writer.add(USERNAME, username.as_bytes());
        writer.add(PRIORITY, &PRIORITY_OF_OURS.to_be_bytes());
        // The tie breaker matters only between two that claim one role, which a lite agent never does.
        writer.add(ICE_CONTROLLED, &[0; 8]);
        writer.integrity(pwd.as_bytes());
    })
}

/// A peer-reflexive candidate's (RFC 8445 §5.1.2.1), which a lite agent never has.
const PRIORITY_OF_OURS: u32 = 110 << 24 | 65_535 << 8 | 255;

fn write(
    typ: MessageType,
    transaction: TransactionId,
    fill: impl FnOnce(&mut Writer<'_>),
) -> BytesMut {
    let mut out = BytesMut::with_capacity(128);
    let mut writer = Writer::new(&mut out, typ, transaction);
    fill(&mut writer);
    writer.fingerprint();
    writer.finish();
    out
}

/// The local user name fragment a request is addressed to: what precedes the colon of USERNAME.
pub fn addressed_ufrag(datagram: &[u8]) -> Option<&str> {
    let attributes = Attributes::of(datagram)?.take(MAX_ATTRIBUTES);
    let mut covered = attributes.take_while(|(typ, _)| *typ != MESSAGE_INTEGRITY);
    let (_, username) = covered.find(|(typ, _)| *typ == USERNAME)?;
    let (ours, _) = std::str::from_utf8(username).ok()?.split_once(':')?;
    Some(ours)
}

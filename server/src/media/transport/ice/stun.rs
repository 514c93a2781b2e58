//! The STUN messages of connectivity checks (RFC 8489, RFC 8445 §7): reads and writes them. It knows
//! neither paths nor time, and decides nothing.

use std::net::SocketAddr;

use rtc::crypto::RTCCrypto;
use rtc::stun::attributes::{
    ATTR_ICE_CONTROLLED, ATTR_MESSAGE_INTEGRITY, ATTR_MESSAGE_INTEGRITY_SHA256, ATTR_NONCE,
    ATTR_PRIORITY, ATTR_REALM, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType, RawAttribute,
};
use rtc::stun::error_code::{
    CODE_BAD_REQUEST, CODE_ROLE_CONFLICT, CODE_UNAUTHORIZED, CODE_UNKNOWN_ATTRIBUTE,
};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, MessageType, Setter, TransactionId,
};
use rtc::stun::uattrs::UnknownAttributes;
use rtc::stun::xoraddr::XorMappedAddress;

/// Attributes read of one message: each costs an allocation. Checks have about ten; a message with
/// more than this is none.
pub const MAX_ATTRIBUTES: usize = 32;

const HEADER: usize = 20;
const ATTRIBUTE_HEADER: usize = 4;

/// What a check may hold that must be understood (RFC 8489 §6.3.1). What belongs to long-term
/// credentials says nothing here, but is no riddle either.
const UNDERSTOOD: [AttrType; 7] = [
    ATTR_USERNAME,
    ATTR_MESSAGE_INTEGRITY,
    ATTR_MESSAGE_INTEGRITY_SHA256,
    ATTR_REALM,
    ATTR_NONCE,
    ATTR_PRIORITY,
    ATTR_USE_CANDIDATE,
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
    UnknownAttributes(Vec<AttrType>),
    /// It claims our role (RFC 8445 §7.3.1.1).
    RoleConflict,
}

/// A Binding message.
pub(super) struct Binding(Message);

impl Binding {
    /// Reads a datagram.
    pub(super) fn read(datagram: &[u8]) -> Option<Self> {
        if Attributes::of(datagram)?.count() > MAX_ATTRIBUTES {
            return None;
        }
        let mut message = Message::new();
        message.unmarshal_binary(datagram).ok()?;
        Some(Self(message))
    }

    /// Whether it is a request, with the FINGERPRINT that a check has (RFC 8445 §7.1).
    pub(super) fn is_check(&self) -> bool {
        self.is(BINDING_REQUEST) && FINGERPRINT.check(&self.0).is_ok()
    }

    /// Whether it is a success response.
    pub(super) fn is_success(&self) -> bool {
        self.is(BINDING_SUCCESS)
    }

    fn is(&self, typ: MessageType) -> bool {
        self.0.typ == typ
    }

    /// What pairs a response with its request.
    pub(super) fn transaction(&self) -> TransactionId {
        self.0.transaction_id
    }

    /// What stands in front of MESSAGE-INTEGRITY. What follows is not covered by it, and ignored
    /// (RFC 8489 §14.5).
    fn covered(&self) -> impl Iterator<Item = &RawAttribute> {
        let attributes = self.0.attributes.0.iter();
        attributes.take_while(|attribute| attribute.typ != ATTR_MESSAGE_INTEGRITY)
    }

    fn get(&self, typ: AttrType) -> Option<&[u8]> {
        let mut covered = self.covered();
        let found = covered.find(|attribute| attribute.typ == typ)?;
        Some(&found.value)
    }

    /// USERNAME.
    pub(super) fn username(&self) -> Option<&[u8]> {
        self.get(ATTR_USERNAME)
    }

    /// Whether it nominates.
    pub(super) fn nominates(&self) -> bool {
        self.get(ATTR_USE_CANDIDATE).is_some()
    }

    /// Whether its sender takes itself for the controlled agent.
    pub(super) fn is_controlled(&self) -> bool {
        self.get(ATTR_ICE_CONTROLLED).is_some()
    }

    /// Whether there is a MESSAGE-INTEGRITY at all.
    pub(super) fn has_integrity(&self) -> bool {
        self.0.contains(ATTR_MESSAGE_INTEGRITY)
    }

    /// Whether it was written by somebody who knows the password.
    pub(super) fn is_by(&mut self, pwd: &str, crypto: &dyn RTCCrypto) -> bool {
        MessageIntegrity::check(&mut self.0, pwd.as_bytes(), crypto).is_ok()
    }

    /// What must be understood, and is not.
    pub(super) fn unknown(&self) -> Vec<AttrType> {
        let required = self.covered().map(|attribute| attribute.typ);
        required
            .filter(|typ| typ.required() && !UNDERSTOOD.contains(typ))
            .collect()
    }

    /// The success response (RFC 8445 §7.3.1.2).
    pub(super) fn succeed(
        &self,
        mapped: SocketAddr,
        pwd: &str,
        crypto: &dyn RTCCrypto,
    ) -> Option<Vec<u8>> {
        let mapped = XorMappedAddress {
            ip: mapped.ip(),
            port: mapped.port(),
        };
        let integrity = integrity(pwd, crypto);
        write(&[
            &self.transaction(),
            &BINDING_SUCCESS,
            &mapped,
            &integrity,
            &FINGERPRINT,
        ])
    }

    /// The error response (RFC 8489 §6.3.4). One to a request whose integrity was right has it, too.
    pub(super) fn refuse(
        &self,
        refusal: &Refusal,
        pwd: &str,
        crypto: &dyn RTCCrypto,
    ) -> Option<Vec<u8>> {
        let (id, integrity) = (self.transaction(), integrity(pwd, crypto));
        match refusal {
            Refusal::BadRequest => write(&[&id, &BINDING_ERROR, &CODE_BAD_REQUEST, &FINGERPRINT]),
            Refusal::Unauthorized => {
                write(&[&id, &BINDING_ERROR, &CODE_UNAUTHORIZED, &FINGERPRINT])
            }
            Refusal::RoleConflict => write(&[
                &id,
                &BINDING_ERROR,
                &CODE_ROLE_CONFLICT,
                &integrity,
                &FINGERPRINT,
            ]),
            Refusal::UnknownAttributes(unknown) => write(&[
                &id,
                &BINDING_ERROR,
                &CODE_UNKNOWN_ATTRIBUTE,
                &UnknownAttributes(unknown.clone()),
                &integrity,
                &FINGERPRINT,
            ]),
        }
    }
}

/// A check of ours, as the controlled agent (RFC 8445 §7.1.1, §7.1.2).
pub(super) fn check(
    transaction: TransactionId,
    username: &str,
    pwd: &str,
    crypto: &dyn RTCCrypto,
) -> Option<Vec<u8>> {
    let raw = |typ, value: &[u8]| RawAttribute {
        typ,
        length: value.len() as u16,
        value: value.to_vec(),
    };
    write(&[
        &transaction,
        &BINDING_REQUEST,
        &raw(ATTR_USERNAME, username.as_bytes()),
        &raw(ATTR_PRIORITY, &PRIORITY.to_be_bytes()),
        // The tie breaker matters only between two that claim one role, which a lite agent never does.
        &raw(ATTR_ICE_CONTROLLED, &[0; 8]),
        &integrity(pwd, crypto),
        &FINGERPRINT,
    ])
}

/// A peer-reflexive candidate's (RFC 8445 §5.1.2.1), which a lite agent never has.
const PRIORITY: u32 = 110 << 24 | 65_535 << 8 | 255;

fn integrity<'a>(pwd: &str, crypto: &'a dyn RTCCrypto) -> MessageIntegrity<'a> {
    MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), crypto)
}

fn write(setters: &[&dyn Setter]) -> Option<Vec<u8>> {
    let mut message = Message::new();
    message.write_header();
    for setter in setters {
        setter.add_to(&mut message).ok()?;
    }
    Some(message.raw)
}

/// The local user name fragment a request is addressed to: what precedes the colon of USERNAME.
pub fn addressed_ufrag(datagram: &[u8]) -> Option<&str> {
    let mut attributes = Attributes::of(datagram)?.take(MAX_ATTRIBUTES);
    let covered = attributes.by_ref();
    let mut covered = covered.take_while(|(typ, _)| *typ != ATTR_MESSAGE_INTEGRITY.value());
    let (_, username) = covered.find(|(typ, _)| *typ == ATTR_USERNAME.value())?;
    let (ours, _) = std::str::from_utf8(username).ok()?.split_once(':')?;
    Some(ours)
}

/// The types and values in a datagram, as far as they are whole; found without copying them.
struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    fn of(datagram: &'a [u8]) -> Option<Self> {
        let (header, attributes) = datagram.split_first_chunk::<HEADER>()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        (length == attributes.len()).then_some(Self(attributes))
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.0.split_first_chunk::<ATTRIBUTE_HEADER>()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let (padded, rest) = rest.split_at_checked(length.next_multiple_of(4))?;
        self.0 = rest;
        Some((
            u16::from_be_bytes([header[0], header[1]]),
            &padded[..length],
        ))
    }
}

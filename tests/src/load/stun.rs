//! The two STUN messages (RFC 8489) by which a light client gets in: it checks as the controlling
//! agent, and answers the checks of the other end. No IO, no state.

use std::net::SocketAddr;

use rtc::crypto::RTCCrypto;
use rtc::stun::attributes::{
    ATTR_ICE_CONTROLLING, ATTR_PRIORITY, ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType, RawAttribute,
};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{
    BINDING_REQUEST, BINDING_SUCCESS, Message, MessageType, Setter, TransactionId,
};
use rtc::stun::xoraddr::XorMappedAddress;

/// A check with USE-CANDIDATE (RFC 8445 §7.2.2).
pub(super) fn request(
    crypto: &dyn RTCCrypto,
    username: &str,
    password: &str,
    transaction: u64,
) -> Vec<u8> {
    let mut id = [0; 12];
    id[4..].copy_from_slice(&transaction.to_be_bytes());
    let attributes = vec![
        raw(ATTR_USERNAME, username.as_bytes()),
        raw(ATTR_PRIORITY, &0x6E00_01FF_u32.to_be_bytes()),
        raw(ATTR_ICE_CONTROLLING, &7_u64.to_be_bytes()),
        raw(ATTR_USE_CANDIDATE, &[]),
    ];
    build(
        crypto,
        BINDING_REQUEST,
        TransactionId(id),
        attributes,
        password,
    )
}

/// The answer to a check.
pub(super) fn success(
    crypto: &dyn RTCCrypto,
    request: &Message,
    from: SocketAddr,
    password: &str,
) -> Vec<u8> {
    let mapped = XorMappedAddress {
        ip: from.ip(),
        port: from.port(),
    };
    let id = request.transaction_id;
    build(
        crypto,
        BINDING_SUCCESS,
        id,
        vec![Box::new(mapped)],
        password,
    )
}

fn build(
    crypto: &dyn RTCCrypto,
    kind: MessageType,
    id: TransactionId,
    attributes: Vec<Box<dyn Setter>>,
    password: &str,
) -> Vec<u8> {
    let integrity =
        MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), crypto);
    let mut setters: Vec<Box<dyn Setter + '_>> = vec![Box::new(id), Box::new(kind)];
    let attributes = attributes.into_iter();
    setters.extend(attributes.map(|setter| setter as Box<dyn Setter>));
    setters.push(Box::new(integrity));
    setters.push(Box::new(FINGERPRINT));
    let mut message = Message::new();
    // Nothing here is too long to be said.
    let _ = message.build(&setters);
    message.raw
}

fn raw(typ: AttrType, value: &[u8]) -> Box<dyn Setter> {
    Box::new(RawAttribute {
        typ,
        length: value.len() as u16,
        value: value.to_vec(),
    })
}

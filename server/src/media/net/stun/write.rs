//! Writes a message, attribute by attribute, behind whatever a buffer holds already.

use std::net::SocketAddr;

use bytes::BytesMut;
use ring::hmac;

use super::attribute::{
    ERROR_CODE, FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, write_address,
    write_plain_address,
};
use super::{ATTRIBUTE_HEADER, HEADER, MAGIC_COOKIE, MessageType, TransactionId, integrity};

/// A message that is being written.
pub struct Writer<'b> {
    out: &'b mut BytesMut,
    start: usize,
    transaction: TransactionId,
}

impl<'b> Writer<'b> {
    /// Its header.
    pub fn new(out: &'b mut BytesMut, typ: MessageType, transaction: TransactionId) -> Self {
        let start = out.len();
        out.extend_from_slice(&typ.0.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
        out.extend_from_slice(&MAGIC_COOKIE);
        out.extend_from_slice(&transaction.0);
        Self {
            out,
            start,
            transaction,
        }
    }

    /// An attribute.
    pub fn add(&mut self, typ: u16, value: &[u8]) {
        const PADDING: [u8; 3] = [0; 3];
        self.out.extend_from_slice(&typ.to_be_bytes());
        self.out
            .extend_from_slice(&(value.len() as u16).to_be_bytes());
        self.out.extend_from_slice(value);
        let padding = value.len().next_multiple_of(4) - value.len();
        self.out.extend_from_slice(&PADDING[..padding]);
    }

    /// An attribute that hides an address (RFC 8489 §14.2).
    pub fn add_address(&mut self, typ: u16, address: SocketAddr) {
        let mut value = [0; 20];
        let len = write_address(&mut value, address, self.transaction);
        self.add(typ, &value[..len]);
    }

    /// An attribute with an address as it is (RFC 8489 §14.1).
    pub fn add_plain_address(&mut self, typ: u16, address: SocketAddr) {
        let mut value = [0; 20];
        let len = write_plain_address(&mut value, address);
        self.add(typ, &value[..len]);
    }

    /// ERROR-CODE (RFC 8489 §14.8).
    pub fn add_error(&mut self, code: u16, reason: &str) {
        let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        value.extend_from_slice(reason.as_bytes());
        self.add(ERROR_CODE, &value);
    }

    /// MESSAGE-INTEGRITY of what is written.
    pub fn integrity(&mut self, key: &[u8]) {
        self.seal(MESSAGE_INTEGRITY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    }

    /// MESSAGE-INTEGRITY-SHA256 of what is written.
    pub fn integrity_sha256(&mut self, key: &[u8]) {
        self.seal(MESSAGE_INTEGRITY_SHA256, hmac::HMAC_SHA256, key);
    }

    fn seal(&mut self, typ: u16, algorithm: hmac::Algorithm, key: &[u8]) {
        let seal = integrity::seal(&self.out[self.start..], algorithm, key);
        self.add(typ, seal.as_ref());
    }

    /// FINGERPRINT, which comes last.
    pub fn fingerprint(&mut self) {
        self.write_length(ATTRIBUTE_HEADER + 4);
        let fingerprint = integrity::fingerprint(&self.out[self.start..]);
        self.add(FINGERPRINT, &fingerprint.to_be_bytes());
    }

    /// Says how long the message is, which then is whole.
    pub fn finish(self) {
        let mut this = self;
        this.write_length(0);
    }

    fn write_length(&mut self, more: usize) {
        let length = self.out.len() - self.start - HEADER + more;
        let at = self.start + 2;
        self.out[at..at + 2].copy_from_slice(&(length as u16).to_be_bytes());
    }
}

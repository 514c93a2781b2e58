//! Who wrote a message (MESSAGE-INTEGRITY, RFC 8489 §14.5, §14.6), and whether it is one at all (FINGERPRINT,
//! §14.7); and the keys of long-term credentials (§18.5.1).

use md5::{Digest as _, Md5};
use ring::hmac;
use subtle::ConstantTimeEq as _;

use super::attribute::{FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256};
use super::{ATTRIBUTE_HEADER, HEADER, Message};

const FINGERPRINT_MASK: u32 = 0x5354_554e;

impl Message<'_> {
    /// Whether it was written by somebody who has the key, by HMAC-SHA1.
    pub fn is_by(&self, key: &[u8]) -> bool {
        self.is_sealed(MESSAGE_INTEGRITY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key)
    }

    /// The same by HMAC-SHA256. A seal that is cut short is no good, though it might be: nobody cuts it.
    pub fn is_by_sha256(&self, key: &[u8]) -> bool {
        self.is_sealed(MESSAGE_INTEGRITY_SHA256, hmac::HMAC_SHA256, key)
    }

    fn is_sealed(&self, typ: u16, algorithm: hmac::Algorithm, key: &[u8]) -> bool {
        self.until(typ).is_some_and(|(before, value)| {
            let seal = seal(before, algorithm, key);
            seal.as_ref().ct_eq(value).into()
        })
    }

    /// Whether it ends in a FINGERPRINT that is right.
    pub fn has_fingerprint(&self) -> bool {
        self.until(FINGERPRINT).is_some_and(|(before, value)| {
            let is_last = before.len() + ATTRIBUTE_HEADER + 4 == self.0.len();
            is_last && value == fingerprint(before).to_be_bytes()
        })
    }
}

/// The seal of a message up to here, whose header says that it is as long as if the seal were its end.
pub(super) fn seal(before: &[u8], algorithm: hmac::Algorithm, key: &[u8]) -> hmac::Tag {
    let seal = algorithm.digest_algorithm().output_len();
    let length = (before.len() - HEADER + ATTRIBUTE_HEADER + seal) as u16;
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    context.update(&before[..2]);
    context.update(&length.to_be_bytes());
    context.update(&before[4..]);
    context.sign()
}

/// The fingerprint of a message up to here, whose header already counts it.
pub(super) fn fingerprint(before: &[u8]) -> u32 {
    crc32(before) ^ FINGERPRINT_MASK
}

/// ITU-T V.42's, as in gzip. Messages are short and few: not worth a table of more than a byte.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        crc >> 8 ^ CRC_TABLE[usize::from(crc as u8 ^ byte)]
    });
    !crc
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let mut crc = at as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

/// The key of long-term credentials by MD5 (RFC 8489 §9.2.2).
pub fn md5_key(username: &str, realm: &str, password: &str) -> [u8; 16] {
    let mut hash = Md5::new();
    for part in [username, ":", realm, ":", password] {
        hash.update(part);
    }
    hash.finalize().into()
}

/// The same by SHA-256.
pub fn sha256_key(username: &str, realm: &str, password: &str) -> [u8; 32] {
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    for part in [username, ":", realm, ":", password] {
        hash.update(part.as_bytes());
    }
    let mut key = [0; 32];
    key.copy_from_slice(hash.finish().as_ref());
    key
}

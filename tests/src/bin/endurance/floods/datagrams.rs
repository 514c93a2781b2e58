//! What a flood of datagrams is made of. Random numbers come in as an argument.

use ferrite_tests::load::SplitMix;

const BINDING_REQUEST: u16 = 0x0001;
const MAGIC_COOKIE: u32 = 0x2112_A442;
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
/// What a fingerprint is XORed with (RFC 8489 §14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554E;

/// Record header, handshake header and version come before a ClientHello's random bytes (RFC 6347
/// §4.1, §4.2.2).
const HELLO_RANDOM: std::ops::Range<usize> = 27..59;

/// A check that is right but for its password (RFC 8445 §7.2.2).
pub(crate) fn check(username: &str, random: &mut SplitMix) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend(BINDING_REQUEST.to_be_bytes());
    message.extend([0; 2]);
    message.extend(MAGIC_COOKIE.to_be_bytes());
    message.extend(bytes(12, random));
    attribute(&mut message, USERNAME, username.as_bytes());
    attribute(&mut message, USE_CANDIDATE, &[]);
    attribute(&mut message, MESSAGE_INTEGRITY, &bytes(20, random));
    // The length counts the fingerprint before it is there.
    set_length(&mut message, 8);
    let fingerprint = crc32(&message) ^ FINGERPRINT_XOR;
    attribute(&mut message, FINGERPRINT, &fingerprint.to_be_bytes());
    message
}

fn attribute(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    set_length(message, 0);
}

fn set_length(message: &mut [u8], more: usize) {
    let length = (message.len() - 20 + more) as u16;
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

/// The CRC of ISO 3309, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 * (crc & 1))
        })
    })
}

/// The same ClientHello with other random bytes.
pub(crate) fn another_hello(mut hello: Vec<u8>, random: &mut SplitMix) -> Vec<u8> {
    if let Some(there) = hello.get_mut(HELLO_RANDOM) {
        there.copy_from_slice(&bytes(there.len(), random));
    }
    hello
}

/// Bytes without a meaning, the first of which says what they might be (RFC 7983).
pub(crate) fn anything(random: &mut SplitMix) -> Vec<u8> {
    let length = 1 + random.number() as usize % 1200;
    let mut datagram = bytes(length, random);
    // STUN, ZRTP, DTLS, TURN's channels, RTP, RTCP.
    let kinds = [0, 1, 16, 22, 64, 128, 200];
    datagram[0] = kinds[random.number() as usize % kinds.len()];
    datagram
}

fn bytes(length: usize, random: &mut SplitMix) -> Vec<u8> {
    (0..length).map(|_| random.number() as u8).collect()
}

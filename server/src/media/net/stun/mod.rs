//! STUN messages as bytes (RFC 8489 §5, §14), for ICE and for TURN: read where they lie, and written.
//!
//! Knows neither paths nor time, and decides nothing.
//!
//! | module | what lives there |
//! |---|---|
//! | `attribute` | the types of attributes, and their addresses |
//! | `integrity` | who wrote a message, and whether it is one |
//! | `write` | a message of ours |

pub mod attribute;
pub mod integrity;
mod write;

pub use attribute::{MAGIC_COOKIE, TransactionId};
pub use write::Writer;

use attribute::{FINGERPRINT, MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256};

/// Attributes read of one message. Ours have about ten; a message with more than this is none.
pub const MAX_ATTRIBUTES: usize = 32;

/// A message's length without attributes.
pub const HEADER: usize = 20;

/// The length of an attribute's type and length.
pub const ATTRIBUTE_HEADER: usize = 4;

/// What a message is: a method's request, indication or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageType(pub u16);

/// A method (RFC 8489 §18.2, RFC 8656 §17, RFC 6062 §6.1). Of those of less than 16, which all are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the RFCs'")]
pub enum Method {
    Binding = 1,
    Allocate = 3,
    Refresh = 4,
    Send = 6,
    Data = 7,
    CreatePermission = 8,
    ChannelBind = 9,
    Connect = 10,
    ConnectionBind = 11,
    ConnectionAttempt = 12,
}

impl Method {
    /// Its request.
    pub const fn request(self) -> MessageType {
        MessageType(self as u16)
    }

    /// Its indication.
    pub const fn indication(self) -> MessageType {
        MessageType(self as u16 | 0x0010)
    }

    /// Its success response.
    pub const fn success(self) -> MessageType {
        MessageType(self as u16 | 0x0100)
    }

    /// Its error response.
    pub const fn error(self) -> MessageType {
        MessageType(self as u16 | 0x0110)
    }
}

/// A message of somebody's. Its header and the bounds of its attributes are right.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a>(&'a [u8]);

impl<'a> Message<'a> {
    /// Reads a datagram.
    pub fn read(datagram: &'a [u8]) -> Option<Self> {
        let mut attributes = Attributes::of(datagram)?;
        let is_one = datagram[0] < 4 && datagram[4..8] == MAGIC_COOKIE;
        let count = attributes.by_ref().take(MAX_ATTRIBUTES + 1).count();
        (is_one && count <= MAX_ATTRIBUTES && attributes.rest.is_empty()).then_some(Self(datagram))
    }

    /// What it is.
    pub fn typ(&self) -> MessageType {
        MessageType(u16::from_be_bytes([self.0[0], self.0[1]]))
    }

    /// Its transaction.
    pub fn transaction(&self) -> TransactionId {
        let mut id = TransactionId::default();
        id.0.copy_from_slice(&self.0[8..HEADER]);
        id
    }

    /// What stands in front of MESSAGE-INTEGRITY. What follows is not covered by it, and ignored
    /// (RFC 8489 §14.5, §14.6).
    pub fn covered(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        const ENDS: [u16; 3] = [MESSAGE_INTEGRITY, MESSAGE_INTEGRITY_SHA256, FINGERPRINT];
        self.all().take_while(|(typ, _)| !ENDS.contains(typ))
    }

    /// An attribute's value; the first counts (RFC 8489 §14).
    pub fn get(&self, typ: u16) -> Option<&'a [u8]> {
        self.covered()
            .find(|(known, _)| *known == typ)
            .map(|(_, value)| value)
    }

    /// Whether there is an attribute, wherever.
    pub fn has(&self, typ: u16) -> bool {
        self.all().any(|(known, _)| known == typ)
    }

    /// What must be understood (RFC 8489 §14), and is not among these.
    pub fn unknown<'u>(&self, understood: &'u [u16]) -> impl Iterator<Item = u16> + use<'a, 'u> {
        let required = self.covered().map(|(typ, _)| typ);
        required.filter(|typ| *typ < 0x8000 && !understood.contains(typ))
    }

    fn all(&self) -> Attributes<'a> {
        Attributes {
            rest: &self.0[HEADER..],
        }
    }

    /// Everything in front of an attribute, and its value.
    fn until(&self, typ: u16) -> Option<(&'a [u8], &'a [u8])> {
        let mut attributes = self.all();
        loop {
            let before = self.0.len() - attributes.rest.len();
            let (known, value) = attributes.next()?;
            if known == typ {
                return Some((&self.0[..before], value));
            }
        }
    }
}

/// The types and values in a datagram, as far as they are whole; found without copying them.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Those behind the header, if that says how long they are.
    pub fn of(datagram: &'a [u8]) -> Option<Self> {
        let (header, rest) = datagram.split_first_chunk::<HEADER>()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        (length == rest.len()).then_some(Self { rest })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = self.rest.split_first_chunk::<ATTRIBUTE_HEADER>()?;
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let (padded, rest) = rest.split_at_checked(length.next_multiple_of(4))?;
        self.rest = rest;
        let typ = u16::from_be_bytes([header[0], header[1]]);
        Some((typ, &padded[..length]))
    }
}

#[cfg(test)]
mod tests {
    use super::attribute::*;
    use super::*;
    use bytes::BytesMut;
    use proptest::prelude::*;
    use std::net::SocketAddr;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<_> = text.split_whitespace().collect();
        let digits = digits.concat();
        (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
            .collect()
    }

    /// RFC 5769 §2.1.
    fn short_term() -> Vec<u8> {
        hex("0001 0058 2112a442 b7e7a701bc34d686fa87dfae
             8022 0010 5354554e207465737420636c69656e74
             0024 0004 6e0001ff
             8029 0008 932ff9b151263b36
             0006 0009 6576746a3a68367659202020
             0008 0014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2
             8028 0004 e57a3bcf")
    }

    /// RFC 5769 §2.4.
    fn long_term() -> Vec<u8> {
        hex("0001 0060 2112a442 78ad3433c6ad72c029da412e
             0006 0012 e3839ee38388e383aae38383e382afe382b90000
             0015 001c 662f2f3439396b3935346436 4f4c33346f4c39465354767936347341
             0014 000b 6578616d706c652e6f726700
             0008 0014 f67024656dd64a3e02b8e0712e85c9a28ca89666")
    }

    #[test]
    fn reads_the_messages_of_rfc_5769() {
        let datagram = short_term();
        let message = Message::read(&datagram).unwrap();
        assert_eq!(message.typ(), Method::Binding.request());
        assert_eq!(message.get(USERNAME), Some(&b"evtj:h6vY"[..]));
        assert!(message.is_by(b"VOkJxbRl1RmTxUk/WvJxBt") && !message.is_by(b"other"));
        assert!(message.has_fingerprint());
        let datagram = long_term();
        let message = Message::read(&datagram).unwrap();
        let name = std::str::from_utf8(message.get(USERNAME).unwrap()).unwrap();
        let key = integrity::md5_key(name, "example.org", "TheMatrIX");
        assert!(message.is_by(&key) && !message.has_fingerprint());
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let datagram = short_term();
        for at in 0..datagram.len() {
            let mut changed = datagram.clone();
            changed[at] ^= 1;
            let is_sound = |message: Message<'_>| {
                message.has_fingerprint() && message.is_by(b"VOkJxbRl1RmTxUk/WvJxBt")
            };
            assert!(!Message::read(&changed).is_some_and(is_sound), "{at}");
        }
    }

    #[test]
    fn a_message_with_too_many_attributes_is_none() {
        let with = |count| {
            let mut out = BytesMut::new();
            let mut writer =
                Writer::new(&mut out, Method::Binding.request(), TransactionId([7; 12]));
            for _ in 0..count {
                writer.add(SOFTWARE, b"x");
            }
            writer.finish();
            Message::read(&out).is_some()
        };
        assert!(with(MAX_ATTRIBUTES) && !with(MAX_ATTRIBUTES + 1));
    }

    #[test]
    fn what_follows_the_integrity_is_not_looked_at() {
        let mut out = BytesMut::new();
        let mut writer = Writer::new(&mut out, Method::Binding.request(), TransactionId([7; 12]));
        writer.add(USERNAME, b"me");
        writer.integrity(b"key");
        writer.add(USE_CANDIDATE, b"");
        writer.add(0x7fff, b"riddle");
        writer.finish();
        let message = Message::read(&out).unwrap();
        assert!(message.is_by(b"key"));
        assert!(
            message.get(USE_CANDIDATE).is_none() && message.unknown(&[USERNAME]).next().is_none()
        );
        assert_eq!(message.unknown(&[]).collect::<Vec<_>>(), [USERNAME]);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            transaction: [u8; 12],
            ipv6: bool,
            address: u128,
            port: u16,
            key in proptest::collection::vec(any::<u8>(), 0..80),
            text in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let ip = match ipv6 {
                true => std::net::Ipv6Addr::from_bits(address).into(),
                false => std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(address as u32)),
            };
            let address = SocketAddr::new(ip, port);
            let mut out = BytesMut::from(&b"before"[..]);
            let mut writer =
                Writer::new(&mut out, Method::Allocate.success(), TransactionId(transaction));
            writer.add(REALM, &text);
            writer.add_address(XOR_RELAYED_ADDRESS, address);
            writer.integrity(&key);
            writer.integrity_sha256(&key);
            writer.fingerprint();
            writer.finish();
            let message = Message::read(&out[6..]).unwrap();
            prop_assert_eq!(message.typ(), Method::Allocate.success());
            prop_assert_eq!(message.transaction(), TransactionId(transaction));
            prop_assert_eq!(message.get(REALM), Some(&text[..]));
            let value = message.get(XOR_RELAYED_ADDRESS).unwrap();
            prop_assert_eq!(read_address(value, message.transaction()), Some(address));
            prop_assert!(message.is_by(&key) && message.is_by_sha256(&key));
            prop_assert!(message.has_fingerprint());
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Some(message) = Message::read(&bytes) {
                message.is_by(b"key");
                message.has_fingerprint();
                message.unknown(&[]).count();
            }
        }
    }
}

//! The types of STUN's attributes (RFC 8489 §18.3, RFC 8656 §18, RFC 8445 §16.1, RFC 8016 §6,
//! RFC 5780 §9, RFC 6062 §6.2), and how addresses are
//! written in them, which the message's own cookie and transaction hide.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// What tells a STUN message from others (RFC 8489 §5).
pub const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// What pairs a response with its request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TransactionId(pub [u8; 12]);

#[expect(missing_docs, reason = "the names are the RFCs'")]
mod types {
    pub const MAPPED_ADDRESS: u16 = 0x0001;
    pub const CHANGE_REQUEST: u16 = 0x0003;
    pub const USERNAME: u16 = 0x0006;
    pub const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub const ERROR_CODE: u16 = 0x0009;
    pub const UNKNOWN_ATTRIBUTES: u16 = 0x000a;
    pub const CHANNEL_NUMBER: u16 = 0x000c;
    pub const LIFETIME: u16 = 0x000d;
    pub const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub const DATA: u16 = 0x0013;
    pub const REALM: u16 = 0x0014;
    pub const NONCE: u16 = 0x0015;
    pub const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub const REQUESTED_ADDRESS_FAMILY: u16 = 0x0017;
    pub const EVEN_PORT: u16 = 0x0018;
    pub const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub const DONT_FRAGMENT: u16 = 0x001a;
    pub const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    pub const PASSWORD_ALGORITHM: u16 = 0x001d;
    pub const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub const RESERVATION_TOKEN: u16 = 0x0022;
    pub const PRIORITY: u16 = 0x0024;
    pub const USE_CANDIDATE: u16 = 0x0025;
    pub const CONNECTION_ID: u16 = 0x002a;
    pub const ADDITIONAL_ADDRESS_FAMILY: u16 = 0x8000;
    pub const PASSWORD_ALGORITHMS: u16 = 0x8002;
    pub const SOFTWARE: u16 = 0x8022;
    pub const FINGERPRINT: u16 = 0x8028;
    pub const ICE_CONTROLLED: u16 = 0x8029;
    pub const ICE_CONTROLLING: u16 = 0x802a;
    pub const RESPONSE_ORIGIN: u16 = 0x802b;
    pub const OTHER_ADDRESS: u16 = 0x802c;
    pub const MOBILITY_TICKET: u16 = 0x8030;
}

pub use types::*;

const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// The top of the cookie: ports are hidden with it.
const COOKIE_PORT: u16 = u16::from_be_bytes([MAGIC_COOKIE[0], MAGIC_COOKIE[1]]);

/// An address as XOR-MAPPED-ADDRESS and its like have it (RFC 8489 §14.2).
pub fn read_address(value: &[u8], transaction: TransactionId) -> Option<SocketAddr> {
    let ([_, family, port @ ..], address) = value.split_first_chunk::<4>()?;
    let port = u16::from_be_bytes(*port) ^ COOKIE_PORT;
    let ip = match *family {
        IPV4 => {
            let hidden = u32::from_be_bytes(address.try_into().ok()?);
            IpAddr::from(Ipv4Addr::from_bits(
                hidden ^ u32::from_be_bytes(MAGIC_COOKIE),
            ))
        }
        IPV6 => {
            let hidden = u128::from_be_bytes(address.try_into().ok()?);
            Ipv6Addr::from_bits(hidden ^ mask(transaction)).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// The same, written. Returns how many bytes it takes.
pub fn write_address(
    value: &mut [u8; 20],
    address: SocketAddr,
    transaction: TransactionId,
) -> usize {
    let port = (address.port() ^ COOKIE_PORT).to_be_bytes();
    let (family, len) = match address.ip() {
        IpAddr::V4(ip) => {
            let hidden = ip.to_bits() ^ u32::from_be_bytes(MAGIC_COOKIE);
            value[4..8].copy_from_slice(&hidden.to_be_bytes());
            (IPV4, 8)
        }
        IpAddr::V6(ip) => {
            let hidden = ip.to_bits() ^ mask(transaction);
            value[4..].copy_from_slice(&hidden.to_be_bytes());
            (IPV6, 20)
        }
    };
    value[..4].copy_from_slice(&[0, family, port[0], port[1]]);
    len
}

/// An address as MAPPED-ADDRESS and its like have it (RFC 8489 §14.1), which hides nothing. Returns how many bytes it
/// takes.
pub fn write_plain_address(value: &mut [u8; 20], address: SocketAddr) -> usize {
    let port = address.port().to_be_bytes();
    let (family, len) = match address.ip() {
        IpAddr::V4(ip) => {
            value[4..8].copy_from_slice(&ip.octets());
            (IPV4, 8)
        }
        IpAddr::V6(ip) => {
            value[4..].copy_from_slice(&ip.octets());
            (IPV6, 20)
        }
    };
    value[..4].copy_from_slice(&[0, family, port[0], port[1]]);
    len
}

fn mask(transaction: TransactionId) -> u128 {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE);
    mask[4..].copy_from_slice(&transaction.0);
    u128::from_be_bytes(mask)
}

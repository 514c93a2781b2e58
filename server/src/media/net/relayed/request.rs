//! A request that is under way: asked again until it is answered, or given up (RFC 8489 §6.2.1).

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::account::Account;
use crate::media::net::stun::attribute::{
    CHANNEL_NUMBER, LIFETIME, REQUESTED_ADDRESS_FAMILY, REQUESTED_TRANSPORT, XOR_PEER_ADDRESS,
};
use crate::media::net::stun::{Method, TransactionId, Writer};

/// How long the first answer may take.
const RTO: Duration = Duration::from_millis(500);

/// How long all of them may take.
pub const PATIENCE: Duration = RTO.saturating_mul((1 << SENDS) - 1);

/// How often a request is sent. RFC 8489 has 7, and 39.5 s in all: with 5 the next server is asked after 15.5 s, within
/// the time for which calls last over a path that fell silent.
pub const SENDS: u32 = 5;

/// UDP's number (RFC 8656 §18.7), and IPv6's (§18.8).
const UDP: [u8; 4] = [17, 0, 0, 0];
const IPV6: [u8; 4] = [2, 0, 0, 0];

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// An allocation, of an IPv6 address or an IPv4 one.
    Allocate { ipv6: bool },
    /// That the allocation stays.
    Refresh,
    /// That it ends.
    Release,
    /// That this address may send to it.
    Permit(IpAddr),
    /// That this number stands for this peer.
    Bind(u16, SocketAddr),
}

impl Wish {
    pub(super) fn method(self) -> Method {
        match self {
            Self::Allocate { .. } => Method::Allocate,
            Self::Refresh | Self::Release => Method::Refresh,
            Self::Permit(_) => Method::CreatePermission,
            Self::Bind(..) => Method::ChannelBind,
        }
    }

    fn write(self, writer: &mut Writer<'_>) {
        match self {
            Self::Allocate { ipv6 } => {
                writer.add(REQUESTED_TRANSPORT, &UDP);
                if ipv6 {
                    writer.add(REQUESTED_ADDRESS_FAMILY, &IPV6);
                }
            }
            Self::Refresh => {}
            Self::Release => writer.add(LIFETIME, &[0; 4]),
            // The port is ignored (RFC 8656 §9.1).
            Self::Permit(ip) => writer.add_address(XOR_PEER_ADDRESS, SocketAddr::new(ip, 0)),
            Self::Bind(number, peer) => {
                let [high, low] = number.to_be_bytes();
                writer.add(CHANNEL_NUMBER, &[high, low, 0, 0]);
                writer.add_address(XOR_PEER_ADDRESS, peer);
            }
        }
    }
}

/// A request.
pub(super) struct Request {
    pub(super) wish: Wish,
    pub(super) transaction: TransactionId,
    /// How often it was signed anew.
    pub(super) challenges: u8,
    /// A connection takes it there, or ends (RFC 8489 §6.2.2).
    is_reliable: bool,
    bytes: Bytes,
    sent: u32,
    next: Instant,
}

impl Request {
    /// One that is due at once.
    pub(super) fn new(
        now: Instant,
        wish: Wish,
        transaction: TransactionId,
        account: &Account,
        is_reliable: bool,
    ) -> Self {
        let mut bytes = BytesMut::new();
        let mut writer = Writer::new(&mut bytes, wish.method().request(), transaction);
        wish.write(&mut writer);
        account.sign(&mut writer);
        writer.finish();
        Self {
            wish,
            transaction,
            challenges: 0,
            is_reliable,
            bytes: bytes.freeze(),
            sent: 0,
            next: now,
        }
    }

    /// When it is to be asked again, or given up.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// What is to be sent by now; `None` if nobody answers.
    pub(super) fn send(&mut self, now: Instant) -> Option<Bytes> {
        if self.sent == SENDS {
            return None;
        }
        if self.is_reliable {
            self.sent = SENDS;
            self.next = now + PATIENCE;
        } else {
            self.next = now + RTO * (1 << self.sent);
            self.sent += 1;
        }
        Some(self.bytes.clone())
    }
}

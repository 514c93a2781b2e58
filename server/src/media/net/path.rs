//! The path a datagram travels on.

use std::net::SocketAddr;

/// How datagrams travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// By themselves.
    Udp,
    /// Framed on a stream (RFC 4571), the other end having connected (RFC 6544).
    Tcp,
    /// In records of DTLS over UDP (RFC 7350), each by itself: what a client of TURN sends to the port of its own, and is
    /// sent from there.
    Dtls,
    /// Over UDP to a relay of this server's own, and from there without leaving the process (RFC 8656). The
    /// other end's address is the relayed one.
    Relayed,
    /// Over UDP by an allocation of ours at somebody else's TURN server (RFC 8656). This end's address is the
    /// relayed one.
    Allocated,
}

impl Transport {
    /// Whether it is by a connection or an association, which ends.
    pub fn is_connected(self) -> bool {
        match self {
            Self::Tcp | Self::Dtls => true,
            Self::Udp | Self::Relayed | Self::Allocated => false,
        }
    }
}

/// A path: how, and between which addresses of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FourTuple {
    /// How.
    pub transport: Transport,
    /// This end. The port is the socket's.
    pub local: SocketAddr,
    /// The other end, as this end sees it.
    pub remote: SocketAddr,
}

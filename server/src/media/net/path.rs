//! The path a datagram travels on.

use std::net::SocketAddr;

/// How datagrams travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// By themselves.
    Udp,
    /// Framed on a stream (RFC 4571), the other end having connected (RFC 6544).
    Tcp,
    /// Over UDP to a relay of this server's own, and from there without leaving the process (RFC 8656). The
    /// other end's address is the relayed one.
    Relayed,
}

/// A path: how, and between which addresses of the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FourTuple {
    /// UDP or TCP.
    pub transport: Transport,
    /// This end. The port is the socket's.
    pub local: SocketAddr,
    /// The other end, as this end sees it.
    pub remote: SocketAddr,
}

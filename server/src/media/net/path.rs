//! The path a datagram travels on.

use std::net::SocketAddr;

/// How datagrams travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// By themselves.
    Udp,
    /// Framed on a stream (RFC 4571), the other end having connected (RFC 6544).
    Tcp,
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

//! What a shard's core asks of whoever drives it: the other half of its interface, for what comes out.
//!
//! The thread answers with sockets and mailboxes, a test with lists. It is passed to every call as a
//! generic argument, so that a datagram goes from its peer to the socket's batch without a queue.

use std::time::Instant;

use bytes::BytesMut;

use crate::media::event::PeerEvent;
use crate::media::id::PeerId;
use crate::media::net::outbox::Transmit;
use crate::media::net::path::FourTuple;
use crate::media::shard::command::Command;

/// The way out of a core.
pub trait Outlet {
    /// Sends datagrams over UDP. They may be lost, like any.
    fn send_udp(&mut self, transmit: Transmit);

    /// Whether a TCP path is a connection of this shard's.
    fn has_connection(&self, path: &FourTuple) -> bool;

    /// Sends a datagram over such a connection. Returns whether its reader is slow.
    fn send_tcp(
        &mut self,
        now: Instant,
        path: &FourTuple,
        data: BytesMut,
        expires: Option<Instant>,
    ) -> bool;

    /// An authentic check came over a path: if it is a connection, it may stay.
    fn introduce(&mut self, now: Instant, path: &FourTuple);

    /// A path is nobody's any more: if it is a connection, it may go.
    fn dismiss(&mut self, now: Instant, path: &FourTuple);

    /// Has another shard send a datagram over one of its connections. It may be lost.
    fn relay(&mut self, shard: usize, path: FourTuple, data: BytesMut);

    /// Tells a shard something. What it has no room for comes back.
    fn command(&mut self, shard: usize, command: Command) -> Result<(), Command>;

    /// Tells a peer's session something. What it has no room for comes back.
    fn tell(&mut self, id: PeerId, event: PeerEvent) -> Result<(), PeerEvent>;

    /// Whether a peer's session still listens.
    fn listens(&self, id: PeerId) -> bool;

    /// A peer has ended: its session has nothing more to hear.
    fn forget(&mut self, id: PeerId);
}

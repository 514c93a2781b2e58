//! The surroundings of a shard that is measured: everything goes well, and costs nothing.

use std::time::Instant;

use bytes::BytesMut;
use ferrite_server::media::event::PeerEvent;
use ferrite_server::media::id::PeerId;
use ferrite_server::media::net::buffers;
use ferrite_server::media::net::outbox::Transmit;
use ferrite_server::media::net::path::FourTuple;
use ferrite_server::media::shard::command::Command;
use ferrite_server::media::shard::outlet::Outlet;

/// What a shard sends: while nobody looks it is counted and let go, as its thread does after a system
/// call.
#[derive(Default)]
pub struct Sent {
    /// The datagrams, while somebody looks.
    pub kept: Option<Vec<(FourTuple, Vec<u8>)>>,
    /// How many there ever were.
    pub count: usize,
}

impl Outlet for Sent {
    fn send_udp(&mut self, transmit: Transmit) {
        self.count += transmit.count();
        if let Some(kept) = &mut self.kept {
            let path = transmit.path;
            kept.extend(transmit.datagrams().map(|bytes| (path, bytes.to_vec())));
        }
        buffers::give_back(transmit.data);
    }

    fn has_connection(&self, _: &FourTuple) -> bool {
        false
    }

    fn send_tcp(&mut self, _: Instant, _: &FourTuple, _: BytesMut, _: Option<Instant>) -> bool {
        false
    }

    fn introduce(&mut self, _: Instant, _: &FourTuple) {}

    fn dismiss(&mut self, _: Instant, _: &FourTuple) {}

    fn relay(&mut self, _: usize, _: FourTuple, _: BytesMut) {}

    fn command(&mut self, _: usize, _: Command) -> Result<(), Command> {
        Ok(())
    }

    fn tell(&mut self, _: PeerId, _: PeerEvent) -> Result<(), PeerEvent> {
        Ok(())
    }

    fn listens(&self, _: PeerId) -> bool {
        true
    }

    fn forget(&mut self, _: PeerId) {}
}

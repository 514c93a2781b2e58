//! What is left to be found once nobody sends any more.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::Result;

use super::super::guest::Guest;
use super::super::wire;
use super::Field;

impl Field {
    /// Packets that were sent last and did not come, when nobody sends any more; and slots that show
    /// nothing although somebody published this long ago, and they were there.
    #[must_use]
    pub fn at_the_end(&self, since: Instant) -> (u64, usize) {
        let sources = self.all().flat_map(|guest| &guest.sources);
        let sent = sources.map(|source| {
            let layer = source.layer().unwrap_or_default() as u8;
            ((source.id, layer), source.needed)
        });
        let sent: HashMap<_, _> = sent.collect();
        let sinks = self.all().flat_map(Guest::sinks);
        let behind = sinks.filter_map(|sink| {
            let (shown, counted) = sink.counted()?;
            Some(sent.get(&shown)?.saturating_sub(counted))
        });
        let there = || self.all().filter(|guest| guest.asked < since);
        let silent = there().map(|guest| {
            let in_room = there().filter(|other| other.room == guest.room);
            let others =
                in_room.filter(|other| other.number != guest.number && other.part.has_camera());
            let wanted = others.count().min(guest.part.shown);
            let shown = guest.sinks().filter(|sink| sink.shows_pictures());
            wanted.saturating_sub(shown.count())
        });
        (behind.sum(), silent.sum())
    }

    /// How many datagrams the kernel dropped at the server's UDP sockets.
    pub fn dropped_there(&self) -> Result<u64> {
        let mut ports: Vec<_> = self.all().map(|guest| guest.server.port()).collect();
        ports.sort_unstable();
        ports.dedup();
        wire::dropped(&ports)
    }

    /// How many datagrams the kernel dropped because this end was too slow.
    pub fn overflowed(&self) -> Result<u64> {
        self.wire.overflowed()
    }
}

//! How many of everything the media plane holds: what has to be back at nothing once everybody left.

use std::ops::AddAssign;
use std::time::Duration;

/// Counts of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaGauges {
    /// Peers in the directory.
    pub peers: usize,
    /// User name fragments that lead to them.
    pub ufrags: usize,
    /// Sessions that hear of peers, those included that have made no offer.
    pub listeners: usize,
    /// Peers that shards house.
    pub housed: usize,
    /// Paths that shards remember.
    pub paths: usize,
    /// Timers set, those included that another has replaced.
    pub timers: usize,
    /// Tracks that shards know: some come from there, are shown there, or others want them.
    pub tracks: usize,
    /// Packets of media and lossy messages that did not cross from shard to shard for want of room, since the start.
    pub uncrossed: usize,
    /// Packets of pictures that waited for their turn, of peers that shards house, and how long the one did that waited
    /// for longest.
    pub waited: u64,
    pub longest_wait: Duration,
    /// TCP connections.
    pub connections: usize,
    /// Relays of the guests.
    pub relays: usize,
}

impl AddAssign for MediaGauges {
    fn add_assign(&mut self, other: Self) {
        self.peers += other.peers;
        self.ufrags += other.ufrags;
        self.listeners += other.listeners;
        self.housed += other.housed;
        self.paths += other.paths;
        self.timers += other.timers;
        self.tracks += other.tracks;
        self.uncrossed += other.uncrossed;
        self.waited += other.waited;
        self.longest_wait = self.longest_wait.max(other.longest_wait);
        self.connections += other.connections;
        self.relays += other.relays;
    }
}

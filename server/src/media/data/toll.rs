//! How much work the library may be made to do by one packet.
//!
//! For each DATA chunk it walks all streams, for the window, and the fragments of the message that the chunk belongs to.
//! An honest peer sends many small messages on few streams, or large fragments, of which a packet holds one: both
//! pass. Only many tiny chunks where there is much to walk do not; what does not pass is as good as lost, and comes
//! again.

use super::packet;

/// How many streams and fragments the library may walk for one packet; more for the first chunk alone.
pub(super) const MAX_STEPS: usize = 8192;

/// How many chunks of a packet may be other than DATA. A sender puts one of each kind that it needs.
const MAX_CONTROL_CHUNKS: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) struct Toll {
    price: usize,
    steps: usize,
    control_chunks: usize,
}

impl Toll {
    /// For a packet, while the library holds `streams` streams and `fragments` fragments of messages.
    pub(super) fn new(streams: usize, fragments: usize) -> Toll {
        Toll {
            price: 1 + streams + fragments,
            steps: 0,
            control_chunks: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        self.steps
    }

    /// Whether the packet's next chunk may be looked at.
    pub(super) fn allows(&mut self, kind: u8) -> bool {
        if kind != packet::DATA {
            self.control_chunks += 1;
            return self.control_chunks <= MAX_CONTROL_CHUNKS;
        }
        let allowed = self.steps == 0 || self.steps + self.price <= MAX_STEPS;
        if allowed {
            self.steps += self.price;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(mut toll: Toll, kind: u8) -> usize {
        (0..100).filter(|_| toll.allows(kind)).count()
    }

    #[test]
    fn few_streams_may_have_many_messages_in_a_packet_and_many_streams_few() {
        assert_eq!(allowed(Toll::new(50, 0), packet::DATA), 100);
        assert_eq!(allowed(Toll::new(1023, 0), packet::DATA), 8);
        assert_eq!(allowed(Toll::new(1, 4000), packet::DATA), 2);
        assert_eq!(allowed(Toll::new(2048, 16_384), packet::DATA), 1);
        assert_eq!(allowed(Toll::new(1, 0), packet::SACK), MAX_CONTROL_CHUNKS);
    }
}

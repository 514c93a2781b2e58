//! What was sealed for whom, as it left, whether it arrived or not: the cipher takes each index of an SSRC for one packet
//! alone (RFC 7714 §8.3).

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Everything that was sealed with one end's keys.
#[derive(Default)]
pub struct Sealed {
    /// What, by SSRC and index (RFC 3711 §3.3.1).
    contents: HashMap<(u32, i64), u64>,
    /// The newest index, by SSRC.
    newest: HashMap<u32, i64>,
}

impl Sealed {
    /// Panics where another packet was sealed under the index of this one.
    pub fn note(&mut self, datagram: &[u8]) {
        let is_rtcp = datagram
            .get(1)
            .is_some_and(|kind| (192..224).contains(kind));
        let is_rtp = datagram.first().is_some_and(|first| first >> 6 == 2);
        if !is_rtp || is_rtcp {
            return;
        }
        let sequence = u16::from_be_bytes(datagram[2..4].try_into().unwrap());
        let ssrc = u32::from_be_bytes(datagram[8..12].try_into().unwrap());
        let newest = self.newest.entry(ssrc).or_insert(sequence.into());
        let ahead = sequence.wrapping_sub(*newest as u16) as i16;
        let index = *newest + i64::from(ahead);
        *newest = index.max(*newest);
        let mut hasher = DefaultHasher::new();
        datagram.hash(&mut hasher);
        let content = hasher.finish();
        let known = *self.contents.entry((ssrc, index)).or_insert(content);
        assert_eq!(known, content, "{sequence} of {ssrc} is two packets");
    }

    /// How many packets of an SSRC were.
    pub fn count(&self, ssrc: u32) -> usize {
        self.contents.keys().filter(|(of, _)| *of == ssrc).count()
    }
}

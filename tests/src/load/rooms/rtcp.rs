//! The RTCP that a participant sends and understands: reports (RFC 3550), what it asks for (RFC 4585),
//! and transport-wide feedback. Shares nothing with what the server reads it by.

use std::collections::VecDeque;

/// Packets that one feedback message tells of.
const MOST_TOLD: usize = 400;

/// 250 us, the unit of arrival times in transport-wide feedback; 64 ms, that of its reference time.
const TICK: u64 = 250_000;
const REFERENCE: u64 = 64_000_000;

/// The streams of which a compound packet asks for a keyframe (RFC 4585 §6.3.1, RFC 5104 §4.3.1).
pub(super) fn keyframes_asked(mut compound: &[u8]) -> Vec<u32> {
    let mut asked = Vec::new();
    while let [first, kind, high, low, ..] = compound {
        let length = 4 + 4 * usize::from(u16::from_be_bytes([*high, *low]));
        let Some((packet, rest)) = compound.split_at_checked(length) else {
            break;
        };
        let ssrc = |at: usize| Some(u32::from_be_bytes(*packet.get(at..)?.first_chunk()?));
        match (kind, first & 0x1F) {
            (206, 1) => asked.extend(ssrc(8)),
            (206, 4) => asked.extend((12..length).step_by(8).filter_map(ssrc)),
            _ => {}
        }
        compound = rest;
    }
    asked
}

/// What is reported of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) ssrc: u32,
    pub(super) highest: u32,
    pub(super) jitter: u32,
}

/// A receiver report.
pub(super) fn receiver_report(out: &mut Vec<u8>, sender: u32, blocks: &[Block]) {
    let blocks = &blocks[..blocks.len().min(31)];
    head(out, blocks.len() as u8, 201, 1 + 6 * blocks.len());
    out.extend_from_slice(&sender.to_be_bytes());
    for block in blocks {
        out.extend_from_slice(&block.ssrc.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&block.highest.to_be_bytes());
        out.extend_from_slice(&block.jitter.to_be_bytes());
        out.extend_from_slice(&[0; 8]);
    }
}

/// A sender report of a stream. `now` is in nanoseconds since 1970.
pub(super) fn sender_report(out: &mut Vec<u8>, ssrc: u32, now: u64, timestamp: u32, packets: u64) {
    head(out, 0, 200, 6);
    let seconds = now / 1_000_000_000 + 2_208_988_800;
    let fraction = ((now % 1_000_000_000) << 32) / 1_000_000_000;
    for word in [
        ssrc,
        seconds as u32,
        fraction as u32,
        timestamp,
        packets as u32,
        (packets * 1000) as u32,
    ] {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// Asks for packets again (RFC 4585 §6.2.1).
pub(super) fn nack(out: &mut Vec<u8>, sender: u32, media: u32, missing: &[u16]) {
    head(out, 1, 205, 2 + missing.len());
    out.extend_from_slice(&sender.to_be_bytes());
    out.extend_from_slice(&media.to_be_bytes());
    for number in missing {
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(&[0; 2]);
    }
}

/// Asks for a keyframe (RFC 4585 §6.3.1).
pub(super) fn picture_loss(out: &mut Vec<u8>, sender: u32, media: u32) {
    head(out, 1, 206, 2);
    out.extend_from_slice(&sender.to_be_bytes());
    out.extend_from_slice(&media.to_be_bytes());
}

fn head(out: &mut Vec<u8>, count: u8, kind: u8, words: usize) {
    out.extend_from_slice(&[0x80 | count, kind]);
    out.extend_from_slice(&(words as u16).to_be_bytes());
}

/// The arrivals that transport-wide feedback is to tell of
/// (draft-holmer-rmcat-transport-wide-cc-extensions-01).
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    noted: VecDeque<(u16, u64)>,
    count: u8,
}

impl Arrivals {
    /// Notes a packet. When nobody asks, the oldest are forgotten.
    pub(super) fn note(&mut self, number: u16, arrived: u64) {
        if self.noted.len() >= MOST_TOLD {
            self.noted.pop_front();
        }
        self.noted.push_back((number, arrived));
    }

    /// Writes a feedback message of what was noted since the last one. What came out of order waits
    /// for no one: it is not told of.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, sender: u32, media: u32) {
        let Some(&(base, first)) = self.noted.front() else {
            return;
        };
        let mut packets: Vec<(u16, u64)> = Vec::new();
        for (number, arrived) in self.noted.drain(..) {
            let ahead = number.wrapping_sub(base);
            if packets.last().is_none_or(|(last, _)| ahead > *last)
                && usize::from(ahead) < MOST_TOLD
            {
                packets.push((ahead, arrived));
            }
        }
        let (told, deltas) = symbols(&packets, first / REFERENCE * REFERENCE);
        let mut body = Vec::with_capacity(20 + told.len() * 2 + deltas.len());
        for word in [sender, media] {
            body.extend_from_slice(&word.to_be_bytes());
        }
        body.extend_from_slice(&base.to_be_bytes());
        body.extend_from_slice(&(told.len() as u16).to_be_bytes());
        body.extend_from_slice(&((first / REFERENCE) as u32).to_be_bytes()[1..]);
        body.push(self.count);
        self.count = self.count.wrapping_add(1);
        // Vectors of seven symbols of two bits.
        for seven in told.chunks(7) {
            let symbols = seven.iter().enumerate();
            let bits = symbols.fold(0xC000, |bits: u16, (at, symbol)| {
                bits | u16::from(*symbol) << (12 - 2 * at)
            });
            body.extend_from_slice(&bits.to_be_bytes());
        }
        body.extend_from_slice(&deltas);
        while !body.len().is_multiple_of(4) {
            body.push(0);
        }
        head(out, 15, 205, body.len() / 4);
        out.extend_from_slice(&body);
    }
}

/// Which of the packets came, and how long after each other: one byte, or two.
fn symbols(packets: &[(u16, u64)], reference: u64) -> (Vec<u8>, Vec<u8>) {
    let (mut told, mut deltas, mut last) = (Vec::new(), Vec::new(), reference / TICK);
    for (ahead, arrived) in packets {
        told.resize(usize::from(*ahead), 0);
        let now = arrived / TICK;
        let delta = now as i64 - last as i64;
        last = now;
        match u8::try_from(delta) {
            Ok(delta) => {
                told.push(1);
                deltas.push(delta);
            }
            Err(_) => {
                told.push(2);
                let delta = delta.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
                deltas.extend_from_slice(&delta.to_be_bytes());
            }
        }
    }
    (told, deltas)
}

#[cfg(test)]
mod tests {
    use super::*;

    use rtc::rtcp::packet::Packet as _;
    use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
    use rtc::shared::marshal::Unmarshal as _;

    #[test]
    fn another_implementation_reads_the_feedback() {
        let mut arrivals = Arrivals::default();
        let began = 1_000 * REFERENCE;
        for (number, ms) in [(65_535, 1), (0, 2), (2, 3), (3, 500)] {
            arrivals.note(number, began + ms * 1_000_000);
        }
        let mut out = Vec::new();
        arrivals.write(&mut out, 1, 2);
        let read = TransportLayerCc::unmarshal(&mut &out[..]).unwrap();
        assert_eq!(read.destination_ssrc(), [2]);
        let (base, count) = (read.base_sequence_number, read.packet_status_count);
        assert_eq!((base, count, read.reference_time), (65_535, 5, 1000));
        let deltas: Vec<_> = read.recv_deltas.iter().map(|delta| delta.delta).collect();
        assert_eq!(deltas, [1000, 1000, 1000, 497_000]);
    }

    #[test]
    fn knows_who_wants_a_keyframe() {
        let mut compound = Vec::new();
        receiver_report(&mut compound, 1, &[]);
        assert!(keyframes_asked(&compound).is_empty());
        picture_loss(&mut compound, 1, 7);
        // A FIR, of two streams.
        head(&mut compound, 4, 206, 6);
        for word in [1, 0, 8, 1 << 24, 9, 2_u32 << 24] {
            compound.extend_from_slice(&word.to_be_bytes());
        }
        assert_eq!(keyframes_asked(&compound), [7, 8, 9]);
        for length in 0..compound.len() {
            keyframes_asked(&compound[..length]);
        }
    }
}

//! Feedback on transport-wide numbers as the other end writes it
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1): which packets arrived, and when. Read in
//! place, without allocating; what is malformed ends it.

use crate::media::rtp::work;

/// Deltas count in steps of 250 us.
pub const DELTA_TICK_US: i64 = 250;
/// The reference time counts in steps of 64 ms.
pub const REFERENCE_TICK_US: i64 = 64_000;

/// What comes before the chunks.
const HEAD: usize = 8;
/// A chunk's length.
const CHUNK: usize = 2;

/// One packet of feedback.
#[derive(Clone, Copy, Debug)]
pub struct Feedback<'a> {
    /// The number of the first packet that it speaks of.
    pub base: u16,
    /// How many it speaks of.
    count: u16,
    /// In microseconds on the other end's clock.
    reference: i64,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> Feedback<'a> {
    /// Reads what follows the two SSRCs.
    pub fn parse(body: &'a [u8]) -> Option<Self> {
        let head: &[u8; HEAD] = body.first_chunk()?;
        let count = u16::from_be_bytes([head[2], head[3]]);
        let chunks = &body[HEAD..];
        let (mut told, mut len) = (0, 0);
        while told < usize::from(count) {
            work::count(1);
            told += Chunk::read(chunks.get(len..)?)?.left;
            len += CHUNK;
        }
        let (chunks, deltas) = chunks.split_at(len);
        Some(Self {
            base: u16::from_be_bytes([head[0], head[1]]),
            count,
            reference: i64::from(u32::from_be_bytes([0, head[4], head[5], head[6]]))
                * REFERENCE_TICK_US,
            chunks,
            deltas,
        })
    }

    /// Of the packets from [`Self::base`] on, each in turn, when it arrived, in microseconds on the other
    /// end's clock, which comes round after 2^24 times 64 ms; or that it did not.
    pub fn arrivals(&self) -> Arrivals<'a> {
        Arrivals {
            left: self.count,
            at: self.reference,
            chunks: self.chunks,
            chunk: Chunk::default(),
            deltas: self.deltas,
        }
    }
}

/// Statuses that are to come of one chunk (§3.1.2).
#[derive(Clone, Copy, Debug, Default)]
struct Chunk {
    /// Of a vector: what is to come, from the highest bits on.
    symbols: u16,
    /// How many bits a status has; none where all are the same.
    width: u32,
    left: usize,
}

impl Chunk {
    fn read(bytes: &[u8]) -> Option<Self> {
        let word = u16::from_be_bytes(*bytes.first_chunk()?);
        Some(match word >> 14 {
            0 | 1 => Self {
                symbols: word << 1 & 0xC000,
                width: 0,
                left: usize::from(word & 0x1FFF),
            },
            2 => Self {
                symbols: word << 2,
                width: 1,
                left: 14,
            },
            _ => Self {
                symbols: word << 2,
                width: 2,
                left: 7,
            },
        })
    }

    fn next(&mut self) -> Option<Status> {
        self.left = self.left.checked_sub(1)?;
        let symbol = self.symbols >> if self.width == 1 { 15 } else { 14 };
        self.symbols <<= self.width;
        Some(match symbol {
            0 => Status::Lost,
            1 => Status::SmallDelta,
            2 => Status::LargeDelta,
            _ => Status::Reserved,
        })
    }
}

enum Status {
    Lost,
    SmallDelta,
    LargeDelta,
    Reserved,
}

/// Iterates over what became of packets.
#[derive(Clone, Debug)]
pub struct Arrivals<'a> {
    left: u16,
    at: i64,
    chunks: &'a [u8],
    chunk: Chunk,
    deltas: &'a [u8],
}

impl Arrivals<'_> {
    fn status(&mut self) -> Option<Status> {
        loop {
            if let Some(status) = self.chunk.next() {
                return Some(status);
            }
            work::count(1);
            self.chunk = Chunk::read(self.chunks)?;
            self.chunks = &self.chunks[CHUNK..];
        }
    }

    fn delta(&mut self, len: usize) -> Option<i64> {
        let (delta, rest) = self.deltas.split_at_checked(len)?;
        self.deltas = rest;
        Some(match delta {
            [small] => i64::from(*small),
            [high, low] => i64::from(i16::from_be_bytes([*high, *low])),
            _ => return None,
        })
    }
}

impl Iterator for Arrivals<'_> {
    type Item = Option<i64>;

    fn next(&mut self) -> Option<Option<i64>> {
        self.left = self.left.checked_sub(1)?;
        work::count(1);
        let delta = match self.status()? {
            Status::Lost => return Some(None),
            Status::SmallDelta => self.delta(1)?,
            Status::LargeDelta => self.delta(2)?,
            Status::Reserved => return None,
        };
        self.at += delta * DELTA_TICK_US;
        Some(Some(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 8] = [0xFF, 0xFE, 0, 0, 0, 0, 2, 9];

    /// A packet of so many statuses.
    fn feedback(count: u16, rest: &[u8]) -> Vec<u8> {
        let mut body = HEADER.to_vec();
        body[2..4].copy_from_slice(&count.to_be_bytes());
        body.extend_from_slice(rest);
        body
    }

    fn read(body: &[u8]) -> Option<Vec<Option<i64>>> {
        Some(Feedback::parse(body)?.arrivals().collect())
    }

    #[test]
    fn each_kind_of_chunk_is_read() {
        // A run of two small ones, a run of two lost ones, two bits each, one bit each; padding.
        let body = feedback(
            2 + 2 + 7 + 2,
            &[
                0x20,
                2,
                0x00,
                2,
                0b1101_1000,
                0b0000_0000,
                0b1001_0000,
                0, // chunks
                4,
                0,
                8,
                0xFF,
                0xFC,
                12,
                0,
                0,
            ],
        );
        let ms = |quarters: i64| Some(128_000 + quarters * 250);
        let first = [ms(4), ms(4), None, None, ms(12), ms(8)];
        let read = read(&body).unwrap();
        assert_eq!(read[..6], first);
        assert_eq!(read[6..], [None, None, None, None, None, None, ms(20)]);
        assert_eq!(Feedback::parse(&body).unwrap().base, 65_534);
    }

    #[test]
    fn what_is_malformed_ends_it() {
        assert_eq!(read(&HEADER[..7]), None);
        assert_eq!(read(&feedback(1, &[])), None);
        assert_eq!(read(&feedback(3, &[0x20, 2])), None);
        assert_eq!(read(&feedback(2, &[0x20, 2, 1])).unwrap().len(), 1);
        assert_eq!(read(&feedback(2, &[0x60, 2, 1, 1])).unwrap().len(), 0);
    }

    #[test]
    fn a_run_of_nothing_is_no_endless_work() {
        let body = feedback(u16::MAX, &[0; 1200]);
        let steps = work::steps_of(|| assert_eq!(read(&body), None));
        assert!(steps <= 601, "{steps}");
        let body = feedback(u16::MAX, &[0x1F, 0xFF].repeat(9));
        let steps = work::steps_of(|| {
            let feedback = Feedback::parse(&body).unwrap();
            assert_eq!(feedback.arrivals().take(512).count(), 512);
        });
        assert!(steps <= 9 + 512 + 2, "{steps}");
    }
}

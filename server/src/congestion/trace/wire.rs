//! How a trace is written. After [`MAGIC`] come blocks, each with its length and CRC-32C, four bytes of either, little
//! end first. In them are events, whose numbers have seven bits a byte, the least first. Whoever reads one has it from
//! anywhere: no number is believed that the rules could not bear.

use std::time::Duration;

use super::super::allocation::Demand;
use super::super::estimate::{Estimate, Purpose};
use super::super::point::OperatingPoint;

/// What a trace begins with; its number changes with what follows.
pub(in crate::congestion) const MAGIC: &[u8] = b"ferrite trace 3\n";
/// What it began with before: what is in such a one still means the same. Its packets are numbered from the beginning
/// on.
pub(in crate::congestion) const MAGIC_BEFORE: &[u8] = b"ferrite trace 2\n";
/// Before a block: its length and its checksum.
pub(in crate::congestion) const HEADER: usize = 8;

/// No packet is longer, nor has a list more.
const MAX_SHORT: u64 = u16::MAX as u64;
/// The highest number that a section of a peer connection may have here, which is room for more than there may be.
const MAX_SECTION: u64 = u8::MAX as u64;
/// Nor is more said at once of what arrived.
const MAX_ARRIVALS: usize = 8192;
/// No rate is higher, in bits per second.
const MAX_BITS: u64 = 1 << 40;
/// No trace takes longer, in nanoseconds: a year.
const MAX_TIME: i64 = 365 * 24 * 3600 * 1_000_000_000;

/// What an event begins with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tag {
    Media = 1,
    Padding,
    Heard,
    Wanted,
    Passed,
    WentOn,
    Fitted,
    Forgot,
    ForgotAll,
    Full,
    Began,
    Listened,
    Said,
    Reported,
    Concluded,
    Lapsed,
    Filled,
    Unsaid,
}

/// What happened, and what was decided of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    Sent {
        bytes: usize,
        purpose: Purpose,
        number: u16,
    },
    Heard {
        base: u16,
        arrivals: Vec<Option<i64>>,
        known: Known,
    },
    Wanted {
        bits_per_second: u64,
        is_paused: bool,
    },
    Passed {
        can_probe: bool,
        known: Known,
    },
    WentOn,
    Fitted {
        available: u64,
        is_strained: bool,
        demands: Vec<Demand>,
        /// What each is given, where that changed.
        given: Option<Vec<(usize, Option<OperatingPoint>)>>,
    },
    Forgot(usize),
    ForgotAll,
    Full,
    Began,
    Receiver(Word),
}

/// What the other end made of its path itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Word {
    Listened {
        bytes: u64,
    },
    Said {
        bits_per_second: u64,
        known: Known,
    },
    Reported {
        section: usize,
        lost: u8,
        highest: u32,
    },
    Concluded {
        bytes: u64,
        known: Known,
    },
    Lapsed {
        bytes: u64,
        can_fill: bool,
        fills: bool,
        known: Known,
    },
    Filled {
        bytes: usize,
        takes: bool,
    },
    Unsaid,
}

/// An estimate, as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Known {
    AsBefore,
    Now(Option<Estimate>),
}

/// Writes a number.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A number that is small where the other is near zero.
pub(super) fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63) as u64
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

/// What is given as a number; zero is nothing.
pub(super) fn point(point: Option<OperatingPoint>) -> u64 {
    point.map_or(0, |point| point.number() + 1)
}

/// Writes a block's header into the room that was left for it, which is after the magic in the first.
pub(in crate::congestion) fn seal(block: &mut [u8]) {
    let at = match block.starts_with(MAGIC) {
        true => MAGIC.len(),
        false => 0,
    };
    let (header, events) = block[at..].split_at_mut(HEADER);
    header[..4].copy_from_slice(&(events.len() as u32).to_le_bytes());
    header[4..].copy_from_slice(&crc32c::crc32c(events).to_le_bytes());
}

/// What follows in a file, without its magic.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::congestion) enum Next<'a> {
    /// The events of a block, and what is after it.
    Block(&'a [u8], &'a [u8]),
    /// Nothing.
    End,
    /// The beginning of a block.
    Cut,
    /// A block that is not what was written.
    Changed,
}

/// The next block of a file.
pub(in crate::congestion) fn next_block(file: &[u8]) -> Next<'_> {
    let Some((header, after)) = file.split_first_chunk::<HEADER>() else {
        return match file.is_empty() {
            true => Next::End,
            false => Next::Cut,
        };
    };
    let [a, b, c, d, checksum @ ..] = *header;
    let len = u32::from_le_bytes([a, b, c, d]) as usize;
    let Some((events, rest)) = after.split_at_checked(len) else {
        return Next::Cut;
    };
    match crc32c::crc32c(events) == u32::from_le_bytes(checksum) {
        true => Next::Block(events, rest),
        false => Next::Changed,
    }
}

/// Reads events, over all blocks.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// In nanoseconds since the beginning.
    at: i64,
    arrival: i64,
}

impl Reader {
    /// The next event of a block, and how long after the beginning it was. `None` where it makes no sense.
    pub(super) fn read(&mut self, block: &mut &[u8]) -> Option<(Duration, Event)> {
        let tag = number(block)?;
        if tag == Tag::Full as u64 {
            return Some((Duration::from_nanos(self.at as u64), Event::Full));
        }
        let at = self.at.checked_add(unzigzag(number(block)?))?;
        self.at = (0..MAX_TIME).contains(&at).then_some(at)?;
        let event = self.event(tag, block)?;
        Some((Duration::from_nanos(self.at as u64), event))
    }

    fn event(&mut self, tag: u64, block: &mut &[u8]) -> Option<Event> {
        const MEDIA: u64 = Tag::Media as u64;
        const PADDING: u64 = Tag::Padding as u64;
        const HEARD: u64 = Tag::Heard as u64;
        const WANTED: u64 = Tag::Wanted as u64;
        const PASSED: u64 = Tag::Passed as u64;
        const WENT_ON: u64 = Tag::WentOn as u64;
        const FITTED: u64 = Tag::Fitted as u64;
        const FORGOT: u64 = Tag::Forgot as u64;
        const FORGOT_ALL: u64 = Tag::ForgotAll as u64;
        const BEGAN: u64 = Tag::Began as u64;
        Some(match tag {
            MEDIA | PADDING => Event::Sent {
                bytes: short(block)?,
                purpose: match tag {
                    MEDIA => Purpose::Media,
                    _ => Purpose::Padding,
                },
                number: u16::try_from(number(block)?).ok()?,
            },
            HEARD => Event::Heard {
                base: u16::try_from(number(block)?).ok()?,
                arrivals: self.arrivals(block)?,
                known: known(block)?,
            },
            WANTED => Event::Wanted {
                bits_per_second: bits(block)?,
                is_paused: truth(block)?,
            },
            PASSED => Event::Passed {
                can_probe: truth(block)?,
                known: known(block)?,
            },
            WENT_ON => Event::WentOn,
            FITTED => Event::Fitted {
                available: bits(block)?,
                is_strained: truth(block)?,
                demands: list(block, demand)?,
                given: match truth(block)? {
                    true => Some(list(block, |block| Some((short(block)?, given(block)?)))?),
                    false => None,
                },
            },
            FORGOT => Event::Forgot(short(block)?),
            FORGOT_ALL => Event::ForgotAll,
            BEGAN => Event::Began,
            _ => Event::Receiver(word(tag, block)?),
        })
    }

    fn arrivals(&mut self, block: &mut &[u8]) -> Option<Vec<Option<i64>>> {
        let mut arrivals = Vec::new();
        while arrivals.len() < MAX_ARRIVALS {
            match number(block)? {
                0 => return Some(arrivals),
                1 => arrivals.push(None),
                since => {
                    self.arrival = self.arrival.wrapping_add(unzigzag(since - 2));
                    arrivals.push(Some(self.arrival));
                }
            }
        }
        None
    }
}

fn word(tag: u64, block: &mut &[u8]) -> Option<Word> {
    const LISTENED: u64 = Tag::Listened as u64;
    const SAID: u64 = Tag::Said as u64;
    const REPORTED: u64 = Tag::Reported as u64;
    const CONCLUDED: u64 = Tag::Concluded as u64;
    const LAPSED: u64 = Tag::Lapsed as u64;
    const FILLED: u64 = Tag::Filled as u64;
    const UNSAID: u64 = Tag::Unsaid as u64;
    Some(match tag {
        LISTENED => Word::Listened {
            bytes: number(block)?,
        },
        SAID => Word::Said {
            bits_per_second: number(block)?,
            known: known(block)?,
        },
        REPORTED => Word::Reported {
            section: at_most(block, MAX_SECTION)? as usize,
            lost: u8::try_from(number(block)?).ok()?,
            highest: u32::try_from(number(block)?).ok()?,
        },
        CONCLUDED => Word::Concluded {
            bytes: number(block)?,
            known: known(block)?,
        },
        LAPSED => Word::Lapsed {
            bytes: number(block)?,
            can_fill: truth(block)?,
            fills: truth(block)?,
            known: known(block)?,
        },
        FILLED => Word::Filled {
            bytes: short(block)?,
            takes: truth(block)?,
        },
        UNSAID => Word::Unsaid,
        _ => return None,
    })
}

fn number(block: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = block.split_first()?;
        *block = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn at_most(block: &mut &[u8], most: u64) -> Option<u64> {
    number(block).filter(|number| *number <= most)
}

fn short(block: &mut &[u8]) -> Option<usize> {
    at_most(block, MAX_SHORT).map(|number| number as usize)
}

fn bits(block: &mut &[u8]) -> Option<u64> {
    at_most(block, MAX_BITS)
}

fn truth(block: &mut &[u8]) -> Option<bool> {
    at_most(block, 1).map(|number| number == 1)
}

fn given(block: &mut &[u8]) -> Option<Option<OperatingPoint>> {
    match number(block)?.checked_sub(1) {
        Some(number) => OperatingPoint::of_number(number).map(Some),
        None => Some(None),
    }
}

/// As long as it says, or as there is something in the block.
fn list<T>(block: &mut &[u8], mut read: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    (0..short(block)?).map(|_| read(block)).collect()
}

fn demand(block: &mut &[u8]) -> Option<Demand> {
    Some(Demand {
        id: short(block)?,
        priority: u32::try_from(number(block)?).ok()?,
        points: list(block, |block| {
            Some((OperatingPoint::of_number(number(block)?)?, bits(block)?))
        })?,
    })
}

fn known(block: &mut &[u8]) -> Option<Known> {
    Some(match number(block)? {
        0 => Known::AsBefore,
        1 => Known::Now(None),
        2 => Known::Now(Some(Estimate {
            bits_per_second: number(block)?,
            acknowledged: number(block)?,
            loss: f32::from_bits(u32::try_from(number(block)?).ok()?),
            round_trip: Duration::from_nanos(number(block)?),
        })),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let mut block = Vec::new();
        numbers.iter().for_each(|n| put(&mut block, *n));
        let mut rest = &block[..];
        assert_eq!(numbers.map(|_| number(&mut rest).unwrap()), numbers);
        assert!(rest.is_empty() && number(&mut rest).is_none());
        let signed = [0, -1, 1, i64::MIN, i64::MAX];
        assert_eq!(signed.map(|n| unzigzag(zigzag(n))), signed);
        assert_eq!([-1, 1, -2].map(zigzag), [1, 2, 3]);
    }

    #[test]
    fn what_the_rules_could_not_bear_is_not_read() {
        let read = |numbers: &[u64]| {
            let mut block = Vec::new();
            numbers.iter().for_each(|n| put(&mut block, *n));
            Reader::default().read(&mut &block[..])
        };
        let fitted = Tag::Fitted as u64;
        assert!(read(&[fitted, 0, MAX_BITS, 0, 0, 0]).is_some());
        assert!(read(&[fitted, 0, MAX_BITS + 1, 0, 0, 0]).is_none());
        let reported = Tag::Reported as u64;
        assert!(read(&[reported, 0, MAX_SECTION, 255, 7]).is_some());
        assert!(read(&[reported, 0, MAX_SECTION + 1, 255, 7]).is_none());
        assert!(read(&[reported, 0, MAX_SECTION, 256, 7]).is_none());
        // A list that says it is long, and is not.
        assert!(read(&[fitted, 0, 0, 0, MAX_SHORT]).is_none());
        // Before the beginning, and after the end of time.
        assert!(read(&[Tag::WentOn as u64, zigzag(-1)]).is_none());
        assert!(read(&[Tag::WentOn as u64, zigzag(MAX_TIME)]).is_none());
        assert!(read(&[99, 0]).is_none());
    }
}

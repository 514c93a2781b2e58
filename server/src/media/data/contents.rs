//! What is inside of chunks: acknowledgements, skips, errors.
//!
//! Owns the layout of their values, and how much of them is looked at. Knows nothing of what they are answers to.

use super::config::MAX_PACKET_SIZE;
use super::packet::{self, Builder, Chunk};
use bytes::{BufMut, Bytes};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Cumulative TSN, window, number of gap blocks, number of duplicates (RFC 9260 §3.3.4).
pub(super) const SACK_HEADER_LENGTH: usize = 12;

/// How many chunks an acknowledgement may report past gaps. The library looks each of them up, every time.
const MAX_GAP_CHUNKS: usize = 2048;

/// How much of a chunk that nobody knows is sent back with the report of it.
const MAX_REPORTED: usize = (MAX_PACKET_SIZE - packet::HEADER_LENGTH - 4 - 4) / 4 * 4;

/// RFC 9260 §3.3.10.6.
const UNRECOGNIZED_CHUNK: u16 = 6;

/// Whether a parameter (RFC 9260 §3.2.1) fills the chunk.
pub(super) fn is_one_parameter(chunk: Chunk<'_>) -> bool {
    chunk.u16(2).map(usize::from) == Some(chunk.value.len())
}

// Blocks in ascending order and apart. The library looks every TSN of every block up, so overlapping ones would make
// it look up the same thousands for each, and one that starts at 0 makes it close the association.
pub(super) fn passes_sack(chunk: Chunk<'_>) -> bool {
    let mut last = 0;
    let apart = gaps(chunk).all(|(start, end)| {
        let apart = start > last && end >= start;
        last = end;
        apart
    });
    fills_chunk(chunk) && apart
}

/// Whether the gap blocks and duplicates that an acknowledgement counts are there, and nothing else is.
fn fills_chunk(sack: Chunk<'_>) -> bool {
    let count = |offset| sack.u16(offset).map_or(0, usize::from);
    sack.value.len() == SACK_HEADER_LENGTH + 4 * (count(8) + count(10))
}

/// The gap blocks of an acknowledgement, as far as they are there.
fn gaps(sack: Chunk<'_>) -> impl Iterator<Item = (u16, u16)> {
    let count = usize::from(sack.u16(8).unwrap_or(0));
    (0..count).map_while(move |index| {
        let offset = SACK_HEADER_LENGTH + 4 * index;
        Some((sack.u16(offset)?, sack.u16(offset + 2)?))
    })
}

/// The earliest of them, which are what the sender needs first, as many as may be looked at.
pub(super) fn few_gaps(sack: Chunk<'_>) -> impl Iterator<Item = (u16, u16)> {
    let mut left = MAX_GAP_CHUNKS;
    gaps(sack).map_while(move |(start, end)| {
        let length = (usize::from(end - start) + 1).min(left);
        left -= length;
        (length > 0).then(|| (start, start + (length - 1) as u16))
    })
}

pub(super) fn rewritten(
    packet: &Bytes,
    sack: Chunk<'_>,
    window: usize,
    gaps: usize,
) -> Option<Bytes> {
    let mut value = sack.value.get(..SACK_HEADER_LENGTH + 4 * gaps)?.to_vec();
    value[4..8].copy_from_slice(&(window as u32).to_be_bytes());
    value[8..10].copy_from_slice(&(gaps as u16).to_be_bytes());
    value[10..12].fill(0);
    let packet = Builder::new(packet::header(packet)?)
        .chunk(packet::SACK, sack.flags, &value)
        .finish();
    Some(packet)
}

/// The streams that a FORWARD-TSN skips messages of, and up to which (RFC 3758 §3.2).
pub(super) fn skipped(chunk: Chunk<'_>) -> impl Iterator<Item = (u16, u16)> {
    let (entries, _) = chunk.value.get(4..).unwrap_or_default().as_chunks();
    let pair = |[a, b, c, d]: &[u8; 4]| {
        let (stream, sequence) = ([*a, *b], [*c, *d]);
        (u16::from_be_bytes(stream), u16::from_be_bytes(sequence))
    };
    entries.iter().map(pair)
}

/// A FORWARD-TSN that names only streams that it may `concern`, each once: the library goes through all that it holds of
/// a stream for each time.
pub(super) fn of_streams(chunk: Chunk<'_>, concerns: impl Fn(u16) -> bool) -> Cow<'_, [u8]> {
    let last: BTreeMap<u16, u16> = skipped(chunk)
        .filter(|(stream, _)| concerns(*stream))
        .collect();
    if last.len() == skipped(chunk).count() {
        return Cow::Borrowed(chunk.value);
    }
    let mut value = chunk.value[..4].to_vec();
    for (stream, sequence) in last {
        value.put_u16(stream);
        value.put_u16(sequence);
    }
    Cow::Owned(value)
}

// RFC 9260 §3.3.10.6: the chunk as it came, as far as there is room.
pub(super) fn unrecognized(chunk: Chunk<'_>) -> Vec<u8> {
    let mut bytes = chunk.encode();
    bytes.truncate(MAX_REPORTED);
    let mut value = Vec::with_capacity(4 + bytes.len());
    value.put_u16(UNRECOGNIZED_CHUNK);
    value.put_u16(4 + bytes.len() as u16);
    value.put_slice(&bytes);
    value
}

// RFC 9260 §3.3.10: a cause code, its length, and for 12 (user-initiated) and 13 (protocol violation) often a text.
pub(super) fn abort_reason(chunk: Chunk<'_>) -> String {
    let detail = chunk.value.get(4..).unwrap_or_default();
    let detail = String::from_utf8_lossy(&detail[..detail.len().min(100)]);
    let detail: String = detail.chars().filter(|c| !c.is_control()).collect();
    match (chunk.u16(0), detail.is_empty()) {
        (None, _) => "aborted by the peer".to_owned(),
        (Some(12), true) => "closed by the peer".to_owned(),
        (Some(12), false) => format!("closed by the peer: {detail}"),
        (Some(13), false) => format!("aborted by the peer, protocol violation: {detail}"),
        (Some(cause), _) => format!("aborted by the peer, cause {cause}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sack(gaps: &[(u16, u16)]) -> Vec<u8> {
        let mut value = vec![0; SACK_HEADER_LENGTH];
        value[9] = gaps.len() as u8;
        for (start, end) in gaps {
            value.put_u16(*start);
            value.put_u16(*end);
        }
        value
    }

    #[test]
    fn of_an_acknowledgement_no_more_is_looked_at_than_is_worth_it() {
        for gaps in [
            &[(2, u16::MAX)][..],
            &[(2, 1000), (1002, 40_000), (50_000, 60_000)],
        ] {
            let value = sack(gaps);
            let chunk = Chunk {
                kind: packet::SACK,
                flags: 0,
                value: &value,
            };
            assert!(passes_sack(chunk));
            let looked_at = few_gaps(chunk).map(|(start, end)| usize::from(end - start) + 1);
            assert_eq!(looked_at.sum::<usize>(), MAX_GAP_CHUNKS);
        }
    }

    #[test]
    fn a_stream_that_is_skipped_often_is_skipped_once_as_far_as_said_last() {
        let mut value = vec![0, 0, 0, 9];
        for sequence in 0..200u16 {
            value.put_u16(7);
            value.put_u16(sequence);
        }
        let chunk = Chunk {
            kind: packet::FORWARD_TSN,
            flags: 0,
            value: &value,
        };
        assert_eq!(*of_streams(chunk, |_| true), [0, 0, 0, 9, 0, 7, 0, 199]);
    }
}

//! Sound with what came before it, sent once more (RFC 2198): a packet holds blocks, of which the last is its own and
//! those before it are what earlier packets held. Who loses a packet finds its sound in the next.

/// A block's head, but for that of the last: one byte is all of that.
const HEAD: usize = 4;
/// Set in the first byte of every head but the last one's.
const MORE: u8 = 0x80;
/// Blocks in a packet, at most. Chromium sends two.
const MAX_BLOCKS: usize = 16;

/// The block that is a packet's own. `None` where there is none, as in what is cut short.
pub(crate) fn primary(payload: &[u8]) -> Option<&[u8]> {
    let (mut heads, mut earlier) = (0, 0);
    for _ in 0..MAX_BLOCKS {
        let head = payload.get(heads..)?;
        if head.first()? & MORE == 0 {
            let own = payload.get(heads + 1 + earlier..)?;
            return (!own.is_empty()).then_some(own);
        }
        let [_, _, high, low] = *head.first_chunk::<HEAD>()?;
        // Ten bits, below those of how much earlier it was.
        earlier += usize::from(u16::from_be_bytes([high & 0x03, low]));
        heads += HEAD;
    }
    None
}

/// Says of all blocks that they are of another payload type: each end has its own for what they hold.
pub(crate) fn rename(payload: &mut [u8], payload_type: u8) {
    for at in (0..MAX_BLOCKS).map(|block| block * HEAD) {
        let Some(first) = payload.get_mut(at) else {
            return;
        };
        let more = *first & MORE;
        *first = more | payload_type;
        if more == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Earlier sound of these lengths, and a packet's own.
    fn packet(earlier: &[usize], own: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        for (len, at) in earlier.iter().zip(1..) {
            let offset_and_len = (960 * at) << 10 | *len as u32;
            packet.push(MORE | 111);
            packet.extend_from_slice(&offset_and_len.to_be_bytes()[1..]);
        }
        packet.push(111);
        earlier.iter().for_each(|len| packet.extend(vec![7; *len]));
        packet.extend_from_slice(own);
        packet
    }

    #[test]
    fn a_packets_own_sound_is_the_last() {
        for earlier in [&[][..], &[80], &[0], &[1023, 3]] {
            assert_eq!(primary(&packet(earlier, b"now")), Some(&b"now"[..]));
        }
    }

    #[test]
    fn what_is_cut_short_has_none() {
        let whole = packet(&[40, 80], b"n");
        for len in 0..whole.len() {
            assert_eq!(primary(&whole[..len]), None, "{len}");
        }
        assert_eq!(primary(&packet(&[1; MAX_BLOCKS], b"now")), None);
    }

    #[test]
    fn each_block_is_of_the_other_ends_payload_type() {
        let mut renamed = packet(&[40, 80], b"now");
        rename(&mut renamed, 96);
        let mut expected = packet(&[40, 80], b"now");
        (expected[0], expected[4], expected[8]) = (MORE | 96, MORE | 96, 96);
        assert_eq!(renamed, expected);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_as_long_as_it_was(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let (before, own) = (bytes.clone(), primary(&bytes).map(<[u8]>::len));
            rename(&mut bytes, 96);
            prop_assert_eq!(primary(&bytes).map(<[u8]>::len), own);
            rename(&mut bytes, 0);
            let heads = bytes.iter().zip(&before).filter(|(now, before)| now != before);
            prop_assert!(heads.count() <= MAX_BLOCKS);
        }
    }
}

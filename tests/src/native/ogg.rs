//! Opus in Ogg (RFC 3533, RFC 7845): pages with a table of lengths, the first two for headers.

use anyhow::{Context, Result, ensure};
use ferrite_protocol::MediaKind;

use super::clip::{Clip, Frame};

/// What a page has before its table (RFC 3533 §6).
const HEADER: usize = 27;
const SERIAL: u32 = 0x6665_7272;
const FIRST: u8 = 2;
const LAST: u8 = 4;

pub(super) fn read(bytes: &[u8]) -> Result<Clip> {
    let pages = pages(bytes)?;
    let mut headers = pages.iter().flat_map(|page| &page.packets);
    let mut is_next = |magic: &[u8]| headers.next().is_some_and(|it| it.starts_with(magic));
    ensure!(is_next(b"OpusHead") && is_next(b"OpusTags"), "no Opus");
    let (mut frames, mut at) = (Vec::new(), 0);
    // RFC 7845 §3: each of the two headers ends a page.
    let pages = pages.into_iter().skip_while(|page| {
        let mut packets = page.packets.iter();
        packets.all(|it| it.starts_with(b"OpusHead") || it.starts_with(b"OpusTags"))
    });
    for Page { packets, end } in pages {
        let lasts: u64 = packets.iter().map(|packet| length(packet)).sum();
        // Where nothing was sent for a while a page ends later than its packets last.
        at = at.max(end.map_or(0, |end| end.saturating_sub(lasts)));
        for bytes in packets {
            let lasts = length(&bytes);
            frames.push(Frame { at, bytes });
            at += lasts;
        }
    }
    let kind = MediaKind::Audio;
    Ok(Clip { kind, frames })
}

/// The packets that end on a page, and when the last of them does, in samples of 48 kHz.
struct Page {
    packets: Vec<Vec<u8>>,
    end: Option<u64>,
}

/// The pages of a file's one stream. A packet may begin on one and end on another.
fn pages(bytes: &[u8]) -> Result<Vec<Page>> {
    let (mut pages, mut packet, mut rest) = (Vec::new(), Vec::new(), bytes);
    while !rest.is_empty() {
        ensure!(rest.starts_with(b"OggS"), "what should be a page is none");
        let header: &[u8; HEADER] = rest.first_chunk().context("a page is cut off")?;
        let end = u64::from_le_bytes(*header[6..].first_chunk().context("its end")?);
        let table = rest.get(HEADER..HEADER + usize::from(header[HEADER - 1]));
        let table = table.context("a page is cut off")?;
        let (mut at, mut packets) = (HEADER + table.len(), Vec::new());
        for part in table {
            let end = at + usize::from(*part);
            packet.extend(rest.get(at..end).context("a page is cut off")?);
            at = end;
            // RFC 3533 §5: a packet ends with the first part that is not full.
            if *part < u8::MAX {
                packets.push(std::mem::take(&mut packet));
            }
        }
        // RFC 3533 §6: all bits set where none ends.
        let end = (end != u64::MAX).then_some(end);
        pages.push(Page { packets, end });
        rest = &rest[at..];
    }
    Ok(pages)
}

pub(super) fn write(clip: &Clip) -> Vec<u8> {
    let mut head = b"OpusHead\x01\x02".to_vec();
    // What a decoder skips at first is unknown of what came over a network; 80 ms is what RFC 7845 §5.1
    // recommends to skip.
    head.extend(3840_u16.to_le_bytes());
    head.extend(48_000_u32.to_le_bytes());
    head.extend([0, 0, 0]);
    let mut tags = b"OpusTags\x07\0\0\0ferrite".to_vec();
    tags.extend([0; 4]);
    let mut file = page(0, FIRST, 0, &head);
    file.extend(page(1, 0, 0, &tags));
    for (frame, number) in clip.frames.iter().zip(2..) {
        let is_last = number as usize == clip.frames.len() + 1;
        let end = frame.at + length(&frame.bytes);
        let kind = if is_last { LAST } else { 0 };
        file.extend(page(number, kind, end, &frame.bytes));
    }
    file
}

/// A page with one packet.
fn page(number: u32, kind: u8, end: u64, packet: &[u8]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(kind);
    page.extend(end.to_le_bytes());
    page.extend([SERIAL, number, 0].map(u32::to_le_bytes).as_flattened());
    // An Opus packet of one stream is shorter than a page can be (RFC 6716 §3.2).
    let full = packet.len() / 255;
    page.push(full as u8 + 1);
    page.extend(std::iter::repeat_n(255, full));
    page.push((packet.len() % 255) as u8);
    page.extend(packet);
    let sum = checksum(&page);
    page[22..26].copy_from_slice(&sum.to_le_bytes());
    page
}

/// A CRC of 32 bits, with no reflection (RFC 3533 §6).
fn checksum(page: &[u8]) -> u32 {
    page.iter().fold(0, |sum: u32, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 24, |sum, _| {
            let next = sum << 1;
            if sum >> 31 == 1 {
                next ^ 0x04c1_1db7
            } else {
                next
            }
        })
    })
}

/// How long an Opus packet is, in samples of 48 kHz (RFC 6716 §3.1).
fn length(packet: &[u8]) -> u64 {
    let Some(first) = packet.first() else {
        return 0;
    };
    let frame = match first >> 3 {
        silk @ 0..12 => [480, 960, 1920, 2880][usize::from(silk % 4)],
        hybrid @ 12..16 => [480, 960][usize::from(hybrid % 2)],
        celt => [120, 240, 480, 960][usize::from(celt % 4)],
    };
    let count = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => packet.get(1).map_or(0, |count| u64::from(count & 63)),
    };
    frame * count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_as_it_was() {
        let frame = |n: u64| Frame {
            // Nothing was said for a while.
            at: 960 * if n < 5 { n } else { n + 30 },
            // CELT, 20 ms, one frame; also as long as a part, or two, can be.
            bytes: std::iter::once(0xf8)
                .chain(std::iter::repeat_n(n as u8, 85 * n as usize))
                .collect(),
        };
        let clip = Clip {
            kind: MediaKind::Audio,
            frames: (0..9).map(frame).collect(),
        };
        assert!(read(&write(&clip)).unwrap() == clip, "read otherwise");
    }

    #[test]
    fn a_packet_that_goes_over_two_pages_is_one() {
        let mut file = page(0, FIRST, 0, b"OpusHead");
        file.extend(page(1, 0, 0, b"OpusTags"));
        let mut first = page(2, 0, 0, &[0xf8; 255]);
        // The table says that it goes on.
        first[HEADER - 1] = 1;
        first.remove(HEADER + 1);
        file.extend(first);
        file.extend(page(3, LAST, 0, &[7; 5]));
        let frames = read(&file).unwrap().frames;
        assert_eq!(frames.len(), 1);
        assert_eq!(frames[0].bytes.len(), 260);
    }

    #[test]
    fn packets_are_as_long_as_their_first_byte_says() {
        for (packet, expected) in [
            (&[0xf8][..], 960),
            (&[0x08], 960),
            (&[0x09], 1920),
            (&[0x03, 3], 1440),
            (&[0x60], 480),
            (&[], 0),
        ] {
            assert_eq!(length(packet), expected, "{packet:?}");
        }
    }

    #[test]
    fn the_checksum_is_that_of_other_programs() {
        // CRC-32/MPEG-2 without the initial value: of "123456789".
        assert_eq!(checksum(b"123456789"), 0x89a1_897f);
    }

    #[test]
    fn a_file_that_is_cut_off_or_none_is_refused() {
        let file = page(0, FIRST, 0, b"OpusHead");
        for length in 0..file.len() {
            assert!(read(&file[..length]).is_err(), "{length}");
        }
    }
}

//! VP8 in IVF: 32 bytes of header, and 12 before each frame; all numbers have the lowest byte first.

use anyhow::{Context, Result, ensure};
use ferrite_protocol::MediaKind;

use super::clip::{Clip, Frame, clock_rate};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 12;

pub(super) fn read(bytes: &[u8]) -> Result<Clip> {
    ensure!(bytes.starts_with(b"DKIF"), "neither an IVF nor an Ogg file");
    let four_cc = bytes.get(8..12);
    ensure!(four_cc == Some(b"VP80"), "no VP8, but {four_cc:?}");
    let length = u16::from_le_bytes(array(bytes, 6)?).into();
    // So many of a file's ticks are so many seconds.
    let ticks: u64 = u32::from_le_bytes(array(bytes, 16)?).max(1).into();
    let seconds: u64 = u32::from_le_bytes(array(bytes, 20)?).into();
    let mut rest = bytes.get(length..).context("no frames")?;
    let (mut frames, mut first) = (Vec::new(), None);
    while !rest.is_empty() {
        let size = u32::from_le_bytes(array(rest, 0)?) as usize;
        let time = u64::from_le_bytes(array(rest, 4)?);
        let time = time.saturating_sub(*first.get_or_insert(time));
        let end = FRAME_HEADER.saturating_add(size);
        let frame = rest.get(FRAME_HEADER..end).context("a frame is cut off")?;
        frames.push(Frame {
            at: time
                .saturating_mul(seconds)
                .saturating_mul(clock_rate(MediaKind::Video))
                / ticks,
            bytes: frame.to_vec(),
        });
        rest = &rest[end..];
    }
    let kind = MediaKind::Video;
    Ok(Clip { kind, frames })
}

pub(super) fn write(clip: &Clip) -> Vec<u8> {
    let (width, height) = clip.frames.iter().find_map(size).unwrap_or_default();
    let ticks = clock_rate(MediaKind::Video) as u32;
    let mut file = Vec::new();
    file.extend(b"DKIF\0\0");
    file.extend((HEADER as u16).to_le_bytes());
    file.extend(b"VP80");
    file.extend([width, height].map(u16::to_le_bytes).as_flattened());
    let count = clip.frames.len() as u32;
    file.extend([ticks, 1, count, 0].map(u32::to_le_bytes).as_flattened());
    for frame in &clip.frames {
        file.extend((frame.bytes.len() as u32).to_le_bytes());
        file.extend(frame.at.to_le_bytes());
        file.extend(&frame.bytes);
    }
    file
}

/// The width and height that a keyframe has (RFC 6386 §9.1).
fn size(frame: &Frame) -> Option<(u16, u16)> {
    let begin: &[u8; 10] = frame.bytes.first_chunk()?;
    let is_key = begin[0] & 1 == 0 && begin[3..6] == [0x9d, 0x01, 0x2a];
    let number = |at| u16::from_le_bytes([begin[at], begin[at + 1]]) & 0x3fff;
    is_key.then(|| (number(6), number(8)))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.first_chunk().copied().context("the file is cut off")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip() -> Clip {
        let frame = |n: u64| Frame {
            at: n * 3000,
            bytes: vec![n as u8; 1 + 700 * n as usize],
        };
        Clip {
            kind: MediaKind::Video,
            frames: (0..9).map(frame).collect(),
        }
    }

    #[test]
    fn what_was_written_is_read_as_it_was() {
        assert!(read(&write(&clip())).unwrap() == clip(), "read otherwise");
    }

    #[test]
    fn a_file_of_a_coarser_clock_has_the_same_times() {
        let mut file = write(&clip());
        file[16..24].copy_from_slice(&[30, 0, 0, 0, 1, 0, 0, 0]);
        let times = read(&file).unwrap().frames.into_iter().map(|it| it.at);
        let slower = clip().frames.into_iter().map(|it| it.at * 3000);
        assert_eq!(times.collect::<Vec<_>>(), slower.collect::<Vec<_>>());
    }

    #[test]
    fn a_file_that_is_cut_off_or_none_is_refused() {
        let file = write(&clip());
        for length in (0..HEADER).chain([HEADER + 5, file.len() - 1]) {
            assert!(read(&file[..length]).is_err(), "{length}");
        }
    }
}

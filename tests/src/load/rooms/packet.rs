//! RTP packets of the load tool: their header (RFC 3550 §5.1, RFC 8285), and what it writes into the
//! payload so that whoever gets it can check it. Shares nothing with what the server reads them by.

use super::temporal::Frame;

/// An RTP packet before encryption.
pub const PACKET: usize = 1100;

/// The ids of the header extensions offered.
pub(super) const MID: u8 = 1;
/// See [`MID`].
pub(super) const TRANSPORT: u8 = 2;
/// See [`MID`].
pub(super) const LEVEL: u8 = 3;
/// See [`MID`].
pub(super) const RID: u8 = 4;
/// See [`MID`].
pub(super) const REPAIRED_RID: u8 = 5;

/// What the payload begins with in a frame's first packet and in its others (RFC 7741 §4.2).
const STARTS: u8 = 0x10;
/// The X bit: more of it follows.
const EXTENDED: u8 = 0x80;

/// The mark's length at the end of the payload.
const MARK: usize = 37;

/// What is read of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) payload_type: u8,
    /// The last packet of a frame.
    pub(super) marker: bool,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// The transport-wide number.
    pub(super) transport: Option<u16>,
    /// Bytes before the payload.
    pub(super) length: usize,
}

impl Header {
    /// Reads it. The id is that of transport-wide numbers.
    pub(super) fn read(packet: &[u8], transport: Option<u8>) -> Option<Self> {
        let fixed = packet.first_chunk::<12>()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let mut header = Self {
            payload_type: fixed[1] & 0x7F,
            marker: fixed[1] & 0x80 != 0,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            transport: None,
            length: 12 + 4 * usize::from(fixed[0] & 0x0F),
        };
        if fixed[0] & 0x10 != 0 {
            let [high, low, words @ ..] = packet.get(header.length..)?.first_chunk::<4>()?;
            let begins = header.length + 4;
            header.length = begins + 4 * usize::from(u16::from_be_bytes(*words));
            let extensions = packet.get(begins..header.length)?;
            if (*high, *low) == (0xBE, 0xDE) {
                header.transport = transport
                    .and_then(|id| extension(extensions, id))
                    .and_then(|number| number.first_chunk())
                    .map(|number| u16::from_be_bytes(*number));
            }
        }
        Some(header)
    }

    /// Writes it, with its extensions: id and contents, in the one-byte form.
    pub(super) fn write(&self, out: &mut Vec<u8>, extensions: &[(u8, &[u8])]) {
        let marker = if self.marker { 0x80 } else { 0 };
        out.extend_from_slice(&[0x90, marker | self.payload_type]);
        out.extend_from_slice(&self.sequence.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.ssrc.to_be_bytes());
        let begins = out.len();
        out.extend_from_slice(&[0xBE, 0xDE, 0, 0]);
        for (id, contents) in extensions {
            out.push(id << 4 | (contents.len() as u8 - 1));
            out.extend_from_slice(contents);
        }
        while !(out.len() - begins).is_multiple_of(4) {
            out.push(0);
        }
        out[begins + 3] = ((out.len() - begins) / 4 - 1) as u8;
    }
}

/// The contents of an extension in the one-byte form.
fn extension(mut rest: &[u8], wanted: u8) -> Option<&[u8]> {
    while let [first, behind @ ..] = rest {
        if *first == 0 {
            rest = behind;
            continue;
        }
        let (contents, next) = behind.split_at_checked(usize::from(first & 0x0F) + 1)?;
        if first >> 4 == wanted {
            return Some(contents);
        }
        rest = next;
    }
    None
}

/// What a publisher writes into each packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Which source this is, among all of the run.
    pub(super) source: u32,
    /// Which of its layers; what has none is all of the first.
    pub(super) layer: u8,
    /// How many packets of that went out before.
    pub(super) count: u64,
    /// When it was sent, in nanoseconds since 1970.
    pub(super) sent: u64,
    /// Its timestamp.
    pub(super) timestamp: u32,
    /// Its frame, where that is of a temporal layer.
    pub(super) frame: Frame,
}

impl Mark {
    /// Fills the rest of a packet up to this length, with the mark at its end.
    pub(super) fn fill(&self, out: &mut Vec<u8>, length: usize, starts: bool, is_key: bool) {
        let first = if starts { STARTS } else { 0 };
        match self.frame.number {
            0 => out.push(first),
            _ => {
                out.push(first | EXTENDED);
                out.extend_from_slice(&self.frame.descriptor);
            }
        }
        out.push(u8::from(!is_key));
        let padding = length.saturating_sub(MARK).max(out.len());
        out.resize(padding, 0x5A);
        out.extend_from_slice(&self.source.to_be_bytes());
        out.push(self.layer);
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(&self.sent.to_be_bytes());
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        let [one, other] = self.frame.needs;
        for number in [self.frame.number, one, other] {
            out.extend_from_slice(&number.to_be_bytes());
        }
    }

    /// Reads the mark.
    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let (_, mark) = payload.split_last_chunk::<MARK>()?;
        let (source, rest) = mark.split_first_chunk()?;
        let (layer, rest) = rest.split_first()?;
        let (count, rest) = rest.split_first_chunk()?;
        let (sent, rest) = rest.split_first_chunk()?;
        let (timestamp, rest) = rest.split_first_chunk()?;
        let number = |at: usize| Some(u32::from_be_bytes(*rest.get(4 * at..)?.first_chunk()?));
        Some(Self {
            source: u32::from_be_bytes(*source),
            layer: *layer,
            count: u64::from_be_bytes(*count),
            sent: u64::from_be_bytes(*sent),
            timestamp: u32::from_be_bytes(*timestamp),
            frame: Frame {
                number: number(0)?,
                needs: [number(1)?, number(2)?],
                ..Frame::default()
            },
        })
    }
}

/// Whether a payload begins a keyframe.
pub(super) fn starts_keyframe(payload: &[u8]) -> bool {
    const WITH_LAYER: u8 = STARTS | EXTENDED;
    match payload {
        [STARTS, head, ..] | [WITH_LAYER, _, _, _, _, _, head, ..] => head & 1 == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let header = Header {
            payload_type: 96,
            marker: true,
            sequence: 65_535,
            timestamp: 7,
            ssrc: 9,
            transport: Some(513),
            length: 24,
        };
        let mark = Mark {
            source: 3,
            layer: 2,
            count: 1 << 40,
            sent: 11,
            timestamp: 7,
            frame: Frame::default(),
        };
        let mut packet = Vec::new();
        header.write(&mut packet, &[(MID, b"1a"), (TRANSPORT, &[2, 1])]);
        mark.fill(&mut packet, PACKET, true, true);
        assert_eq!(packet.len(), PACKET);
        assert_eq!(Header::read(&packet, Some(TRANSPORT)), Some(header));
        assert_eq!(Mark::read(&packet), Some(mark));
        assert!(starts_keyframe(&packet[header.length..]));
        for length in 0..30 {
            Header::read(&packet[..length], Some(TRANSPORT));
        }
    }
}

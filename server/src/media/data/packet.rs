//! The SCTP packet on the wire (RFC 9260 §3): the common header, a walk over the chunks, and a builder.
//!
//! Owns offsets, padding and the checksum. Knows nothing of associations, and never trusts a length it was given.

use bytes::{BufMut, Bytes, BytesMut};

/// Source port, destination port, verification tag, checksum.
pub(super) const HEADER_LENGTH: usize = 12;
/// Type, flags, length.
const CHUNK_HEADER_LENGTH: usize = 4;

pub(super) const DATA: u8 = 0;
pub(super) const INIT: u8 = 1;
pub(super) const INIT_ACK: u8 = 2;
pub(super) const SACK: u8 = 3;
pub(super) const HEARTBEAT: u8 = 4;
pub(super) const ABORT: u8 = 6;
pub(super) const SHUTDOWN: u8 = 7;
pub(super) const SHUTDOWN_ACK: u8 = 8;
pub(super) const ERROR: u8 = 9;
pub(super) const COOKIE_ECHO: u8 = 10;
pub(super) const COOKIE_ACK: u8 = 11;
pub(super) const SHUTDOWN_COMPLETE: u8 = 14;
pub(super) const RECONFIG: u8 = 130;
pub(super) const FORWARD_TSN: u8 = 192;

/// Whether this end knows chunks of `kind`, taken or not.
pub(super) fn is_known(kind: u8) -> bool {
    matches!(
        kind,
        DATA..=COOKIE_ACK | SHUTDOWN_COMPLETE | RECONFIG | FORWARD_TSN
    )
}

/// What every packet starts with, less the checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) source_port: u16,
    pub(super) destination_port: u16,
    pub(super) tag: u32,
}

/// One chunk of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chunk<'a> {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) value: &'a [u8],
}

// RFC 9260 §3.2: the two highest bits of a type say what becomes of a chunk that nobody knows.
impl Chunk<'_> {
    /// Whether nothing behind the chunk is to be read.
    pub(super) fn ends_packet(&self) -> bool {
        !is_known(self.kind) && self.kind & 0x80 == 0
    }

    /// Whether its sender is to be told that it is not known.
    pub(super) fn is_to_be_reported(&self) -> bool {
        !is_known(self.kind) && self.kind & 0x40 != 0
    }

    /// As it was in its packet, without padding.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(CHUNK_HEADER_LENGTH + self.value.len());
        bytes.put_u8(self.kind);
        bytes.put_u8(self.flags);
        bytes.put_u16((CHUNK_HEADER_LENGTH + self.value.len()) as u16);
        bytes.put_slice(self.value);
        bytes
    }

    /// The big-endian number at `offset` of the value.
    pub(super) fn u32(&self, offset: usize) -> Option<u32> {
        u32_at(self.value, offset)
    }

    /// The big-endian number at `offset` of the value.
    pub(super) fn u16(&self, offset: usize) -> Option<u16> {
        u16_at(self.value, offset)
    }
}

pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_be_bytes(field.try_into().ok()?))
}

pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let field = bytes.get(offset..offset.checked_add(2)?)?;
    Some(u16::from_be_bytes(field.try_into().ok()?))
}

/// The common header of `packet`, if there is room for one.
pub(super) fn header(packet: &[u8]) -> Option<Header> {
    if packet.len() < HEADER_LENGTH {
        return None;
    }
    Some(Header {
        source_port: u16_at(packet, 0)?,
        destination_port: u16_at(packet, 2)?,
        tag: u32_at(packet, 4)?,
    })
}

/// The chunks of `packet`; ends early at the first that does not fit.
pub(super) fn chunks(packet: &[u8]) -> Chunks<'_> {
    Chunks {
        rest: packet.get(HEADER_LENGTH..).unwrap_or_default(),
    }
}

impl Chunks<'_> {
    /// How many bytes are behind the chunk given out last.
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }
}

/// How long a packet is that has no other chunk.
pub(super) fn length_of_one(chunk: Chunk<'_>) -> usize {
    HEADER_LENGTH + (CHUNK_HEADER_LENGTH + chunk.value.len()).next_multiple_of(4)
}

/// The iterator behind [`chunks`].
#[derive(Clone, Debug)]
pub(super) struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Chunk<'a>;

    fn next(&mut self) -> Option<Chunk<'a>> {
        let length = usize::from(u16_at(self.rest, 2)?);
        let value = self.rest.get(CHUNK_HEADER_LENGTH..length)?;
        let chunk = Chunk {
            kind: self.rest[0],
            flags: self.rest[1],
            value,
        };
        self.rest = self
            .rest
            .get(length.next_multiple_of(4)..)
            .unwrap_or_default();
        Some(chunk)
    }
}

/// Whether the checksum is right (RFC 9260 §6.8: CRC32c with the field itself zero, little-endian).
pub(super) fn has_valid_checksum(packet: &[u8]) -> bool {
    packet.len() >= HEADER_LENGTH && packet[8..12] == checksum(packet).to_le_bytes()
}

fn checksum(packet: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&packet[..8]);
    let crc = crc32c::crc32c_append(crc, &[0; 4]);
    crc32c::crc32c_append(crc, &packet[HEADER_LENGTH..])
}

/// The same packet between other ports.
pub(super) fn with_ports(packet: &[u8], source_port: u16, destination_port: u16) -> Bytes {
    let mut copy = BytesMut::from(packet);
    copy[0..2].copy_from_slice(&source_port.to_be_bytes());
    copy[2..4].copy_from_slice(&destination_port.to_be_bytes());
    seal(copy)
}

fn seal(mut packet: BytesMut) -> Bytes {
    let checksum = checksum(&packet);
    packet[8..12].copy_from_slice(&checksum.to_le_bytes());
    packet.freeze()
}

/// Writes one packet.
#[derive(Debug)]
pub(super) struct Builder {
    packet: BytesMut,
}

impl Builder {
    pub(super) fn new(header: Header) -> Builder {
        let mut packet = BytesMut::with_capacity(256);
        packet.put_u16(header.source_port);
        packet.put_u16(header.destination_port);
        packet.put_u32(header.tag);
        packet.put_u32(0);
        Builder { packet }
    }

    /// Goes on where `packet`, a header and whole chunks, ends.
    fn continuing(packet: &[u8]) -> Builder {
        Builder {
            packet: BytesMut::from(packet),
        }
    }

    /// Appends a chunk, padded to four bytes. Values come from packets, so their length fits sixteen bits.
    pub(super) fn chunk(mut self, kind: u8, flags: u8, value: &[u8]) -> Builder {
        self.push(kind, flags, value);
        self
    }

    fn push(&mut self, kind: u8, flags: u8, value: &[u8]) {
        let length = CHUNK_HEADER_LENGTH + value.len();
        self.packet.put_u8(kind);
        self.packet.put_u8(flags);
        self.packet.put_u16(length as u16);
        self.packet.put_slice(value);
        self.packet
            .put_bytes(0, length.next_multiple_of(4) - length);
    }

    fn is_empty(&self) -> bool {
        self.packet.len() == HEADER_LENGTH
    }

    pub(super) fn finish(self) -> Bytes {
        seal(self.packet)
    }
}

/// What is left of a packet when some of its chunks are left out or changed: the packet itself where none is.
#[derive(Debug)]
pub(super) struct Sieve<'a> {
    packet: &'a Bytes,
    /// How much of the packet is left as it is.
    kept: usize,
    /// From the first change on.
    copy: Option<Builder>,
}

impl<'a> Sieve<'a> {
    /// `packet` has a header.
    pub(super) fn new(packet: &'a Bytes) -> Sieve<'a> {
        Sieve {
            packet,
            kept: HEADER_LENGTH,
            copy: None,
        }
    }

    /// Keeps the next chunk, behind which `left` bytes follow.
    pub(super) fn keep(&mut self, chunk: Chunk<'_>, left: usize) {
        match &mut self.copy {
            Some(copy) => copy.push(chunk.kind, chunk.flags, chunk.value),
            None => self.kept = self.packet.len() - left,
        }
    }

    /// Leaves the next chunk out.
    pub(super) fn leave_out(&mut self) {
        self.copy();
    }

    /// Puts `value` in place of the next chunk's.
    pub(super) fn replace(&mut self, chunk: Chunk<'_>, value: &[u8]) {
        self.copy().push(chunk.kind, chunk.flags, value);
    }

    fn copy(&mut self) -> &mut Builder {
        let kept = &self.packet[..self.kept];
        self.copy.get_or_insert_with(|| Builder::continuing(kept))
    }

    /// None when no chunk is left.
    pub(super) fn finish(mut self) -> Option<Bytes> {
        if self.copy.is_none() && self.kept == self.packet.len() && self.kept > HEADER_LENGTH {
            return Some(self.packet.clone());
        }
        self.copy();
        let copy = self.copy.filter(|copy| !copy.is_empty())?;
        Some(copy.finish())
    }
}

/// Whether `a` comes before `b` in the serial number arithmetic of TSNs (RFC 1982, RFC 9260 §1.6).
pub(super) fn is_before(a: u32, b: u32) -> bool {
    a != b && b.wrapping_sub(a) < 1 << 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        source_port: 5000,
        destination_port: 5001,
        tag: 0xdead_beef,
    };

    #[test]
    fn chunks_come_back_as_they_were_written() {
        let packet = Builder::new(HEADER)
            .chunk(DATA, 3, b"12345")
            .chunk(SACK, 0, b"abcd")
            .finish();
        assert_eq!(header(&packet), Some(HEADER));
        assert!(has_valid_checksum(&packet));
        let seen: Vec<_> = chunks(&packet)
            .map(|chunk| (chunk.kind, chunk.flags, chunk.value.to_vec()))
            .collect();
        assert_eq!(
            seen,
            [(DATA, 3, b"12345".to_vec()), (SACK, 0, b"abcd".to_vec())]
        );
    }

    #[test]
    fn a_changed_byte_breaks_the_checksum() {
        let packet = Builder::new(HEADER).chunk(DATA, 3, b"12345").finish();
        for index in 0..packet.len() {
            let mut changed = packet.to_vec();
            changed[index] ^= 1;
            assert!(!has_valid_checksum(&changed), "byte {index}");
        }
    }

    #[test]
    fn a_walk_over_a_truncated_packet_ends_early() {
        let packet = Builder::new(HEADER)
            .chunk(DATA, 3, b"12345")
            .chunk(SACK, 0, b"abcd")
            .finish();
        for length in 0..packet.len() {
            assert!(chunks(&packet[..length]).count() < 2);
        }
    }

    #[test]
    fn a_chunk_shorter_than_its_own_header_ends_the_walk() {
        let mut packet = Builder::new(HEADER).chunk(DATA, 3, b"").finish().to_vec();
        packet[15] = 3;
        assert_eq!(chunks(&packet).count(), 0);
    }

    #[test]
    fn serial_numbers_wrap() {
        assert!(is_before(u32::MAX, 0));
        assert!(!is_before(0, u32::MAX));
        assert!(!is_before(7, 7));
    }
}

//! SCTP as no library would write it (RFC 9260 §3): just enough of an association for chunks to be
//! taken for its own.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ferrite_tests::load::member::Member;
use ferrite_tests::wait;

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;

/// The parameter with the cookie (RFC 9260 §3.3.3.1).
const STATE_COOKIE: u16 = 7;

/// Unordered, and a whole message.
const WHOLE: u8 = 0x07;

/// DCEP and text (RFC 8831 §8).
const DCEP: u32 = 50;
/// See [`DCEP`].
const TEXT: u32 = 51;
/// See [`DCEP`].
const BINARY: u32 = 53;

const FIRST_TSN: u32 = 1000;

/// Our verification tag, and a window that never fills.
const TAG: u32 = 0x0102_0304;
const WINDOW: u32 = 1 << 20;

/// The longest packet.
const MAX_PACKET: usize = 1150;

/// One end of an association.
pub(super) struct Chunks {
    /// What the other end's packets must carry.
    tag: u32,
    tsn: u32,
    pub(super) is_open: bool,
}

impl Chunks {
    /// Brings up the association of a member.
    pub(super) fn associate(&mut self, member: &mut Member) -> Result<()> {
        let deadline = Instant::now() + wait::PATIENCE;
        member.send_data(&Self::begin())?;
        while !self.is_open {
            ensure!(Instant::now() < deadline, "no association");
            self.listen(member)?;
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Hears what came, and answers what must be answered.
    pub(super) fn listen(&mut self, member: &mut Member) -> Result<()> {
        for packet in member.listen()? {
            if let Some(answer) = self.hear(&packet) {
                member.send_data(&answer)?;
            }
        }
        Ok(())
    }

    pub(super) fn new() -> Self {
        Self {
            tag: 0,
            tsn: FIRST_TSN,
            is_open: false,
        }
    }

    /// The packet that begins the association.
    pub(super) fn begin() -> Vec<u8> {
        packet(0, &[(INIT, 0, init())])
    }

    /// Takes note of a packet, and answers what must be answered to be connected and to be sent more.
    pub(super) fn hear(&mut self, heard: &[u8]) -> Option<Vec<u8>> {
        let answers: Vec<_> = (chunks(heard)?.into_iter())
            .filter_map(|(kind, value)| self.answer(kind, value))
            .collect();
        // The last acknowledgement says what those before it say.
        let answer = answers.last()?.clone();
        Some(packet(self.tag, &[answer]))
    }

    fn answer(&mut self, kind: u8, value: &[u8]) -> Option<Chunk> {
        match kind {
            INIT => {
                self.tag = number(value, 0)?;
                let cookie = [init(), vec![0, 7, 0, 8, 1, 2, 3, 4]].concat();
                Some((INIT_ACK, 0, cookie))
            }
            INIT_ACK => {
                self.tag = number(value, 0)?;
                Some((COOKIE_ECHO, 0, cookie(value)?))
            }
            COOKIE_ECHO => {
                self.is_open = true;
                Some((COOKIE_ACK, 0, Vec::new()))
            }
            COOKIE_ACK => {
                self.is_open = true;
                None
            }
            DATA => Some((SACK, 0, acknowledge(number(value, 0)?))),
            _ => None,
        }
    }

    /// A channel opened on this stream (RFC 8832 §5.1).
    pub(super) fn open(&mut self, stream: u16) -> Vec<u8> {
        self.open_called(stream, "x")
    }

    /// The same with a label.
    pub(super) fn open_called(&mut self, stream: u16, label: &str) -> Vec<u8> {
        let mut open = vec![3, 0x80, 0, 0, 0, 0, 0, 0, 0, label.len() as u8, 0, 0];
        open.extend(label.bytes());
        let chunk = self.data(stream, DCEP, &open);
        packet(self.tag, &[chunk])
    }

    /// As many binary messages as fit, each the same.
    pub(super) fn messages(&mut self, stream: u16, message: &[u8]) -> Vec<u8> {
        let length = 16 + message.len().next_multiple_of(4);
        let chunks = 0..(MAX_PACKET - 12) / length;
        let chunks = chunks.map(|_| self.data(stream, BINARY, message));
        let chunks: Vec<_> = chunks.collect();
        packet(self.tag, &chunks)
    }

    /// As many messages of one byte as fit.
    pub(super) fn crumbs(&mut self, stream: u16) -> Vec<u8> {
        let crumb = 20;
        let chunks = (0..(MAX_PACKET - 12) / crumb).map(|_| self.data(stream, TEXT, b"x"));
        let chunks: Vec<_> = chunks.collect();
        packet(self.tag, &chunks)
    }

    fn data(&mut self, stream: u16, protocol: u32, payload: &[u8]) -> Chunk {
        let mut value = Vec::new();
        value.extend(self.tsn.to_be_bytes());
        value.extend(stream.to_be_bytes());
        value.extend([0; 2]);
        value.extend(protocol.to_be_bytes());
        value.extend(payload);
        self.tsn = self.tsn.wrapping_add(1);
        (DATA, WHOLE, value)
    }
}

/// Type, flags, value.
type Chunk = (u8, u8, Vec<u8>);

fn init() -> Vec<u8> {
    let mut value = Vec::new();
    value.extend(TAG.to_be_bytes());
    value.extend(WINDOW.to_be_bytes());
    value.extend([0xFF; 4]);
    value.extend(FIRST_TSN.to_be_bytes());
    value
}

/// Finds the cookie among an INIT ACK's parameters.
fn cookie(init_ack: &[u8]) -> Option<Vec<u8>> {
    let mut rest = init_ack.get(16..)?;
    loop {
        let [a, b, c, d, ..] = *rest else { return None };
        let length = usize::from(u16::from_be_bytes([c, d]));
        let parameter = rest.get(4..length)?;
        if u16::from_be_bytes([a, b]) == STATE_COOKIE {
            return Some(parameter.to_vec());
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

fn packet(tag: u32, chunks: &[Chunk]) -> Vec<u8> {
    let mut packet = vec![0x13, 0x88, 0x13, 0x88];
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    for (kind, flags, value) in chunks {
        packet.extend([*kind, *flags]);
        packet.extend((value.len() as u16 + 4).to_be_bytes());
        packet.extend(value);
        packet.resize(packet.len().next_multiple_of(4), 0);
    }
    let checksum = crc32c::crc32c(&packet);
    packet[8..12].copy_from_slice(&checksum.to_le_bytes());
    packet
}

/// RFC 9260 §3.3.4, without gaps: whatever got lost is as good as received.
fn acknowledge(tsn: u32) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend(WINDOW.to_be_bytes());
    value.extend([0; 4]);
    value
}

/// The chunks of a packet of the server's.
fn chunks(packet: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut chunks = Vec::new();
    let mut rest = packet.get(12..)?;
    while let [kind, _, high, low, ..] = *rest {
        let length = usize::from(u16::from_be_bytes([high, low]));
        chunks.push((kind, rest.get(4..length)?));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Some(chunks)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

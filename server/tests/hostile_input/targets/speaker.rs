//! An SCTP end that says what no library would: chunks as the input wants them, with the numbers of
//! the association at hand, so that they get past the first check.

use std::collections::HashMap;

use bytes::{BufMut, Bytes};

use super::input::Input;

const DATA: u8 = 0;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SACK: u8 = 3;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;
const RECONFIG: u8 = 130;
const FORWARD_TSN: u8 = 192;

/// Our verification tag, and our first TSN.
const TAG: u32 = 0x0102_0304;
const FIRST_TSN: u32 = 1000;

/// Whole and acknowledged at once: I, B, E.
const WHOLE: u8 = 0x0B;
const UNORDERED: u8 = 4;

/// The longest payload of a DATA chunk that is part of a message.
const FRAGMENT: usize = 1000;

/// DCEP, text and binary and their empty kinds, two that are no longer used, and none.
const PROTOCOLS: [u32; 8] = [50, 51, 53, 56, 57, 52, 54, 0];
pub const DCEP: u32 = 50;

/// The end.
pub struct Speaker {
    /// What the other end's packets must carry.
    tag: u32,
    tsn: u32,
    /// The other end's newest TSN.
    heard: u32,
    reset_request: u32,
    their_reset_request: u32,
    cookie: Vec<u8>,
    sequences: HashMap<u16, u16>,
}

impl Speaker {
    pub fn new() -> Self {
        Self {
            tag: 0,
            tsn: FIRST_TSN,
            heard: 0,
            reset_request: FIRST_TSN,
            their_reset_request: 0,
            cookie: Vec::new(),
            sequences: HashMap::new(),
        }
    }

    /// The packet that begins an association.
    pub fn begin(&mut self) -> Vec<u8> {
        packet(0, &[(INIT, 0, init())])
    }

    /// Takes note of a packet. What an end must answer to be connected is answered.
    pub fn hear(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut answer = Vec::new();
        for (kind, value) in chunks(packet) {
            match kind {
                INIT | INIT_ACK => {
                    self.tag = number(value, 0)?;
                    self.heard = number(value, 12)?.wrapping_sub(1);
                    self.their_reset_request = self.heard.wrapping_add(1);
                    if kind == INIT {
                        let cookie = [init(), vec![0, 7, 0, 8, 1, 2, 3, 4]].concat();
                        answer.push((INIT_ACK, 0, cookie));
                    } else {
                        let length = usize::from(u16::from_be_bytes([value[18], value[19]]));
                        self.cookie = value.get(20..16 + length)?.to_vec();
                        answer.push((COOKIE_ECHO, 0, self.cookie.clone()));
                    }
                }
                COOKIE_ECHO => answer.push((COOKIE_ACK, 0, Vec::new())),
                DATA => self.heard = number(value, 0)?,
                RECONFIG => self.their_reset_request = number(value, 4)?,
                _ => {}
            }
        }
        (!answer.is_empty()).then(|| self.packet(&answer))
    }

    /// The next packet that the input asks for.
    pub fn say(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        match input.u8() % 8 {
            0..=4 => {
                let chunk = self.chunk(input);
                self.packet(&[chunk])
            }
            5 => {
                let chunks: Vec<_> = (0..input.u8() % 6).map(|_| self.chunk(input)).collect();
                self.packet(&chunks)
            }
            6 => {
                let mut bytes = input.piece().to_vec();
                if bytes.len() >= 12 {
                    bytes[..8].copy_from_slice(&header(self.tag)[..8]);
                    seal(&mut bytes);
                }
                bytes
            }
            _ => input.piece().to_vec(),
        }
    }

    /// A whole message, in as many packets as it takes.
    pub fn message(
        &mut self,
        stream: u16,
        unordered: bool,
        protocol: u32,
        text: &[u8],
    ) -> Vec<Vec<u8>> {
        let sequence = self.sequences.entry(stream).or_default();
        let own = *sequence;
        if !unordered {
            *sequence = sequence.wrapping_add(1);
        }
        let parts: Vec<_> = match text.is_empty() {
            true => vec![text],
            false => text.chunks(FRAGMENT).collect(),
        };
        let last = parts.len() - 1;
        let packets = parts.iter().enumerate().map(|(at, part)| {
            let mut flags = if unordered { UNORDERED } else { 0 };
            flags |= u8::from(at == 0) << 1 | u8::from(at == last);
            let value = data(self.tsn, stream, own, protocol, part);
            self.tsn = self.tsn.wrapping_add(1);
            packet(self.tag, &[(DATA, flags, value)])
        });
        packets.collect()
    }

    fn chunk(&mut self, input: &mut Input<'_>) -> Chunk {
        match input.u8() % 12 {
            0..=3 => self.data(input),
            4 => self.sack(input),
            5 => {
                let mut value = Vec::new();
                value.put_u32(self.tsn.wrapping_add(input.small() as u32));
                value.put_slice(input.piece());
                (FORWARD_TSN, 0, value)
            }
            6 | 7 => self.reconfig(input),
            8 => (COOKIE_ECHO, 0, self.cookie.clone()),
            9 => (INIT, 0, init()),
            _ => (input.u8(), input.u8(), input.piece().to_vec()),
        }
    }

    fn data(&mut self, input: &mut Input<'_>) -> Chunk {
        let shape = input.u8();
        let ahead = if shape & 0x80 == 0 { 0 } else { input.small() };
        let flags = if shape & 0x40 == 0 { WHOLE } else { input.u8() };
        let stream = match shape & 0x20 {
            0 => u16::from(input.u8() % 8),
            _ => input.u16(),
        };
        let sequence = self.sequences.entry(stream).or_default();
        if shape & 0x10 != 0 {
            *sequence = sequence.wrapping_add(input.small() as u16);
        }
        let protocol = PROTOCOLS[usize::from(shape & 7)];
        let tsn = self.tsn.wrapping_add(i32::from(ahead) as u32);
        let value = data(tsn, stream, *sequence, protocol, input.piece());
        if ahead == 0 {
            self.tsn = self.tsn.wrapping_add(1);
            *sequence = sequence.wrapping_add(u16::from(flags & UNORDERED == 0));
        }
        (DATA, flags, value)
    }

    fn sack(&mut self, input: &mut Input<'_>) -> Chunk {
        let mut value = Vec::new();
        value.put_u32(self.heard.wrapping_add(i32::from(input.small()) as u32));
        value.put_u32(u32::from(input.u8()) << 12);
        let (gaps, duplicates) = (input.u8() % 8, input.u8() % 4);
        value.put_u16(gaps.into());
        value.put_u16(duplicates.into());
        for _ in 0..gaps {
            value.put_u16(input.u8().into());
            value.put_u16(input.u8().into());
        }
        for _ in 0..duplicates {
            value.put_u32(self.heard.wrapping_add(i32::from(input.small()) as u32));
        }
        (SACK, 0, value)
    }

    /// A request to reset streams, or the answer to one (RFC 6525 §4).
    fn reconfig(&mut self, input: &mut Input<'_>) -> Chunk {
        let kind = 13 + u16::from(input.u8() % 6);
        let mut parameter = Vec::new();
        if kind == 16 {
            let theirs = self.their_reset_request;
            parameter.put_u32(theirs.wrapping_add(i32::from(input.small()) as u32));
            parameter.put_u32((input.u8() % 8).into());
        } else {
            let ahead = input.small();
            parameter.put_u32(self.reset_request.wrapping_add(i32::from(ahead) as u32));
            parameter.put_u32(self.their_reset_request.wrapping_sub(1));
            parameter.put_u32(self.tsn.wrapping_sub(1));
            if ahead == 0 {
                self.reset_request = self.reset_request.wrapping_add(1);
            }
        }
        parameter.put_slice(input.piece());
        let mut value = Vec::new();
        value.put_u16(kind);
        value.put_u16(parameter.len() as u16 + 4);
        value.put_slice(&parameter);
        (RECONFIG, 0, value)
    }

    /// A chunk with a whole, unordered message.
    pub fn crumb(&mut self, stream: u16, protocol: u32, text: &[u8]) -> Vec<u8> {
        let value = data(self.tsn, stream, 0, protocol, text);
        self.tsn = self.tsn.wrapping_add(1);
        let whole = packet(0, &[(DATA, UNORDERED | 3, value)]);
        whole[12..].to_vec()
    }

    /// A packet of chunks that are written already.
    pub fn sealed(&self, chunks: &[u8]) -> Vec<u8> {
        let mut packet = header(self.tag);
        packet.extend_from_slice(chunks);
        seal(&mut packet);
        packet
    }

    /// The other end's newest TSN.
    pub fn heard(&self) -> u32 {
        self.heard
    }

    /// Our next TSN.
    pub fn next_tsn(&self) -> u32 {
        self.tsn
    }

    fn packet(&self, chunks: &[Chunk]) -> Vec<u8> {
        packet(self.tag, chunks)
    }
}

/// Type, flags, value.
type Chunk = (u8, u8, Vec<u8>);

/// RFC 9260 §3.3.2, with the extensions that data channels use (RFC 8831 §6.6).
fn init() -> Vec<u8> {
    let mut value = Vec::new();
    value.put_u32(TAG);
    value.put_u32(1 << 20);
    value.put_u16(u16::MAX);
    value.put_u16(u16::MAX);
    value.put_u32(FIRST_TSN);
    value.put_slice(&[0x80, 0x08, 0, 6, RECONFIG, FORWARD_TSN, 0, 0]);
    value
}

fn data(tsn: u32, stream: u16, sequence: u16, protocol: u32, payload: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    value.put_u32(tsn);
    value.put_u16(stream);
    value.put_u16(sequence);
    value.put_u32(protocol);
    value.put_slice(payload);
    value
}

fn header(tag: u32) -> Vec<u8> {
    let mut header = vec![0x13, 0x88, 0x13, 0x88];
    header.put_u32(tag);
    header.put_u32(0);
    header
}

fn packet(tag: u32, chunks: &[Chunk]) -> Vec<u8> {
    let mut packet = header(tag);
    for (kind, flags, value) in chunks {
        packet.put_u8(*kind);
        packet.put_u8(*flags);
        packet.put_u16((value.len() + 4) as u16);
        packet.put_slice(value);
        packet.resize(packet.len().next_multiple_of(4), 0);
    }
    seal(&mut packet);
    packet
}

fn seal(packet: &mut [u8]) {
    packet[8..12].fill(0);
    let checksum = crc32c::crc32c(packet);
    packet[8..12].copy_from_slice(&checksum.to_le_bytes());
}

/// The chunks of a packet of the server's, which are sound.
fn chunks(packet: &[u8]) -> Vec<(u8, &[u8])> {
    let mut chunks = Vec::new();
    let mut rest = &packet[12..];
    while rest.len() >= 4 {
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        chunks.push((rest[0], &rest[4..length]));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    chunks
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

//! DTLS records as they lie in a datagram (RFC 6347 §4.1), to be looked at and taken apart on the
//! way: epoch 0 is plaintext.

use std::ops::Range;

/// The content type of handshake messages.
pub const HANDSHAKE: u8 = 22;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub content_type: u8,
    pub version: [u8; 2],
    pub epoch: u16,
    /// Within the epoch; 48 bits.
    pub sequence: u64,
    pub body: Vec<u8>,
}

impl Record {
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = vec![self.content_type, self.version[0], self.version[1]];
        bytes.extend(self.epoch.to_be_bytes());
        bytes.extend(&self.sequence.to_be_bytes()[2..]);
        bytes.extend((self.body.len() as u16).to_be_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

/// The records of a datagram; none if it is no DTLS.
pub fn records(mut datagram: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some(header) = datagram.first_chunk::<13>() {
        let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let Some(body) = datagram.get(13..13 + len) else {
            break;
        };
        if !(20..64).contains(&header[0]) {
            break;
        }
        let mut sequence = [0; 8];
        sequence[2..].copy_from_slice(&header[5..11]);
        records.push(Record {
            content_type: header[0],
            version: [header[1], header[2]],
            epoch: u16::from_be_bytes([header[3], header[4]]),
            sequence: u64::from_be_bytes(sequence),
            body: body.to_vec(),
        });
        datagram = &datagram[13 + len..];
    }
    records
}

/// A handshake record with a part of a message (RFC 6347 §4.2.2).
pub fn fragment(kind: u8, message: u16, whole: &[u8], part: Range<usize>) -> Record {
    let mut body = vec![kind];
    body.extend(&(whole.len() as u32).to_be_bytes()[1..]);
    body.extend(message.to_be_bytes());
    body.extend(&(part.start as u32).to_be_bytes()[1..]);
    body.extend(&(part.len() as u32).to_be_bytes()[1..]);
    body.extend(&whole[part]);
    Record {
        content_type: HANDSHAKE,
        version: [254, 253],
        epoch: 0,
        sequence: 0,
        body,
    }
}

/// Gives plaintext records new sequence numbers, so that one may become several: nothing but the
/// receiver's protection against replay looks at them.
#[derive(Default)]
pub struct Renumber(u64);

impl Renumber {
    pub fn next(&mut self, mut record: Record) -> Record {
        if record.epoch == 0 {
            record.sequence = self.0;
            self.0 += 1;
        }
        record
    }
}

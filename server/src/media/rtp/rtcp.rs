//! RTCP packets (RFC 3550 §6, RFC 4585, RFC 5104): the few kinds the server reads and writes.
//!
//! Knows bytes only. Reading allocates nothing and never fails: what is malformed ends the walk,
//! what is not known is passed over.

use crate::media::rtp::transport_cc::Feedback;

#[cfg(test)]
mod tests;

/// SR
const SENDER_REPORT: u8 = 200;
/// RR
const RECEIVER_REPORT: u8 = 201;
/// SDES
const SOURCE_DESCRIPTION: u8 = 202;
/// BYE
const GOODBYE: u8 = 203;
/// RTPFB
const TRANSPORT_FEEDBACK: u8 = 205;
/// PSFB
const PAYLOAD_FEEDBACK: u8 = 206;

/// Generic NACK (RFC 4585 §6.2.1).
const FORMAT_NACK: u8 = 1;
/// Picture loss indication (RFC 4585 §6.3.1).
const FORMAT_PLI: u8 = 1;
/// Full intra request (RFC 5104 §4.3.1).
const FORMAT_FIR: u8 = 4;
/// What only its own letters say: `REMB` (draft-alvestrand-rmcat-remb-03).
const FORMAT_APPLICATION: u8 = 15;
const REMB: &[u8; 4] = b"REMB";

/// Transport-wide congestion control feedback.
const FORMAT_TRANSPORT_CC: u8 = 15;

const HEADER: usize = 4;
const REPORT_BLOCK: usize = 24;
/// An SSRC, a command's number, and three bytes of nothing.
const FIR_ENTRY: usize = 8;

/// One packet of a compound.
#[derive(Clone, Debug)]
pub enum Packet<'a> {
    /// What a sender sent, and what it heard.
    SenderReport {
        /// Whose report this is.
        ssrc: u32,
        /// When it was sent, in NTP's 32.32 format.
        ntp: u64,
        /// The same moment on the stream's media clock.
        rtp: u32,
        /// What it heard.
        blocks: Blocks<'a>,
    },
    /// What a receiver heard.
    ReceiverReport {
        /// What it heard.
        blocks: Blocks<'a>,
    },
    /// Packets to send again.
    Nack {
        /// The stream.
        ssrc: u32,
        /// Its missing sequence numbers.
        lost: Lost<'a>,
    },
    /// Keyframes are wanted (PLI or FIR).
    KeyframeRequest {
        /// The streams.
        ssrcs: Ssrcs<'a>,
    },
    /// Which packets arrived, and when.
    TransportCc {
        /// By their transport-wide numbers.
        feedback: Feedback<'a>,
    },
    /// No more is to be sent than this, in all (REMB).
    MaxBitrate {
        /// It, in bits per second.
        bits_per_second: u64,
    },
    /// Streams ended.
    Goodbye {
        /// The streams.
        ssrcs: Ssrcs<'a>,
    },
}

/// What one receiver says of one stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// The share lost since the last report, in 256ths.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; duplicates can make it negative.
    pub total_lost: i32,
    /// The highest sequence number, with the count of its wraps above.
    pub highest_sequence: u32,
    /// Interarrival jitter in units of the media clock.
    pub jitter: u32,
    /// The middle 32 bits of the last sender report's NTP time.
    pub last_sender_report: u32,
    /// The time since that report, in 65536ths of a second.
    pub delay_since: u32,
}

/// Iterates over the packets of a compound.
pub fn packets(compound: &[u8]) -> impl Iterator<Item = Packet<'_>> {
    let mut rest = compound;
    std::iter::from_fn(move || {
        loop {
            let header: &[u8; HEADER] = rest.first_chunk()?;
            if header[0] >> 6 != 2 {
                return None;
            }
            let (packet, after) = rest.split_at_checked(packet_len(rest)?)?;
            rest = after;
            if let Some(packet) = parse(header[0] & 0x1F, header[1], &packet[HEADER..]) {
                return Some(packet);
            }
        }
    })
}

/// Cuts packets that were written one after the other into pieces of at most `limit` bytes, of whole
/// packets. One that is longer is a piece of its own.
pub fn pieces(written: &[u8], limit: usize) -> impl Iterator<Item = &[u8]> {
    let mut rest = written;
    std::iter::from_fn(move || {
        let mut end = packet_len(rest)?.min(rest.len());
        while let Some(next) = packet_len(&rest[end..])
            && end + next <= limit.min(rest.len())
        {
            end += next;
        }
        let (piece, after) = rest.split_at(end);
        rest = after;
        Some(piece)
    })
}

/// The length that the packet at the beginning says it has.
fn packet_len(bytes: &[u8]) -> Option<usize> {
    let header: &[u8; HEADER] = bytes.first_chunk()?;
    Some(HEADER + 4 * usize::from(u16::from_be_bytes([header[2], header[3]])))
}

/// Whether a compound begins with a report, as RFC 3550 §6.1 has it.
pub fn begins_with_report(compound: &[u8]) -> bool {
    matches!(compound, [_, SENDER_REPORT | RECEIVER_REPORT, ..])
}

fn parse(count: u8, kind: u8, body: &[u8]) -> Option<Packet<'_>> {
    match (kind, count) {
        (SENDER_REPORT, _) => Some(Packet::SenderReport {
            ssrc: u32_at(body, 0)?,
            ntp: u64::from(u32_at(body, 4)?) << 32 | u64::from(u32_at(body, 8)?),
            rtp: u32_at(body, 12)?,
            blocks: Blocks::of(body.get(24..)?, count),
        }),
        (RECEIVER_REPORT, _) => Some(Packet::ReceiverReport {
            blocks: Blocks::of(body.get(4..)?, count),
        }),
        (GOODBYE, 1..) => Some(Packet::Goodbye {
            ssrcs: Ssrcs::of(body, 4, usize::from(count)),
        }),
        (TRANSPORT_FEEDBACK, FORMAT_NACK) => Some(Packet::Nack {
            ssrc: u32_at(body, 4)?,
            lost: Lost {
                rest: body.get(8..)?,
                base: 0,
                mask: 0,
            },
        }),
        (TRANSPORT_FEEDBACK, FORMAT_TRANSPORT_CC) => Some(Packet::TransportCc {
            feedback: Feedback::parse(body.get(8..)?)?,
        }),
        (PAYLOAD_FEEDBACK, FORMAT_PLI) => Some(Packet::KeyframeRequest {
            ssrcs: Ssrcs::of(body.get(4..)?, 4, 1),
        }),
        // FIR names each stream in an entry of its own (RFC 5104 §4.3.1.1).
        (PAYLOAD_FEEDBACK, FORMAT_FIR) => Some(Packet::KeyframeRequest {
            ssrcs: Ssrcs::of(body.get(8..)?, FIR_ENTRY, usize::MAX),
        }),
        (PAYLOAD_FEEDBACK, FORMAT_APPLICATION) => max_bitrate(body.get(8..)?),
        _ => None,
    }
}

/// Six bits of an exponent, and eighteen of a mantissa. The streams that it names are all that are sent.
fn max_bitrate(body: &[u8]) -> Option<Packet<'_>> {
    let [_, rate @ ..] = u32_at(body.strip_prefix(REMB)?, 0)?.to_be_bytes();
    let [high, middle, low] = rate.map(u64::from);
    let mantissa = (high & 3) << 16 | middle << 8 | low;
    let bits_per_second = u128::from(mantissa) << (high >> 2);
    Some(Packet::MaxBitrate {
        bits_per_second: bits_per_second.try_into().unwrap_or(u64::MAX),
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

/// Iterates over the SSRCs of a list, each at the beginning of an entry.
#[derive(Clone, Debug)]
pub struct Ssrcs<'a> {
    rest: &'a [u8],
    entry: usize,
    count: usize,
}

impl<'a> Ssrcs<'a> {
    fn of(rest: &'a [u8], entry: usize, count: usize) -> Self {
        Self { rest, entry, count }
    }
}

impl Iterator for Ssrcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        self.count = self.count.checked_sub(1)?;
        let (entry, rest) = self.rest.split_at_checked(self.entry)?;
        self.rest = rest;
        u32_at(entry, 0)
    }
}

/// Iterates over report blocks.
#[derive(Clone, Debug)]
pub struct Blocks<'a>(&'a [u8]);

impl<'a> Blocks<'a> {
    fn of(bytes: &'a [u8], count: u8) -> Self {
        let len = bytes.len().min(usize::from(count) * REPORT_BLOCK);
        Self(&bytes[..len])
    }
}

impl Iterator for Blocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<ReportBlock> {
        let (block, rest) = self.0.split_at_checked(REPORT_BLOCK)?;
        self.0 = rest;
        let lost = u32_at(block, 4)?;
        Some(ReportBlock {
            ssrc: u32_at(block, 0)?,
            fraction_lost: (lost >> 24) as u8,
            // 24 bits, signed.
            total_lost: (lost << 8) as i32 >> 8,
            highest_sequence: u32_at(block, 8)?,
            jitter: u32_at(block, 12)?,
            last_sender_report: u32_at(block, 16)?,
            delay_since: u32_at(block, 20)?,
        })
    }
}

/// Iterates over the sequence numbers of a NACK.
#[derive(Clone, Debug)]
pub struct Lost<'a> {
    rest: &'a [u8],
    base: u16,
    mask: u16,
}

impl Iterator for Lost<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if self.mask == 0 {
            let (pair, rest) = self.rest.split_at_checked(4)?;
            self.rest = rest;
            self.base = u16::from_be_bytes([pair[0], pair[1]]);
            self.mask = u16::from_be_bytes([pair[2], pair[3]]);
            return Some(self.base);
        }
        let bit = self.mask.trailing_zeros() as u16;
        self.mask &= self.mask - 1;
        Some(self.base.wrapping_add(bit + 1))
    }
}

/// What a sender report says of its stream.
#[derive(Clone, Copy, Debug)]
pub struct SenderInfo {
    /// The stream.
    pub ssrc: u32,
    /// Now, in NTP's 32.32 format.
    pub ntp: u64,
    /// Now, on the stream's media clock.
    pub rtp: u32,
    /// Packets sent since the beginning.
    pub packets: u32,
    /// Payload bytes sent since the beginning.
    pub octets: u32,
}

/// The most blocks a report has room for.
pub const MAX_BLOCKS: usize = 31;

/// Appends a sender report.
pub fn write_sender_report(out: &mut Vec<u8>, info: &SenderInfo, blocks: &[ReportBlock]) {
    write_packet(out, SENDER_REPORT, blocks.len() as u8, |out| {
        out.extend_from_slice(&info.ssrc.to_be_bytes());
        out.extend_from_slice(&info.ntp.to_be_bytes());
        out.extend_from_slice(&info.rtp.to_be_bytes());
        out.extend_from_slice(&info.packets.to_be_bytes());
        out.extend_from_slice(&info.octets.to_be_bytes());
        blocks.iter().for_each(|block| write_block(out, block));
    });
}

/// Appends a receiver report.
pub fn write_receiver_report(out: &mut Vec<u8>, ssrc: u32, blocks: &[ReportBlock]) {
    write_packet(out, RECEIVER_REPORT, blocks.len() as u8, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        blocks.iter().for_each(|block| write_block(out, block));
    });
}

fn write_block(out: &mut Vec<u8>, block: &ReportBlock) {
    let lost = (block.total_lost as u32) & 0x00FF_FFFF | u32::from(block.fraction_lost) << 24;
    for word in [
        block.ssrc,
        lost,
        block.highest_sequence,
        block.jitter,
        block.last_sender_report,
        block.delay_since,
    ] {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

/// Appends a source description with a CNAME (RFC 3550 §6.5.1) of at most 255 bytes.
pub fn write_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let cname = &cname.as_bytes()[..cname.len().min(255)];
    write_packet(out, SOURCE_DESCRIPTION, 1, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
        out.extend_from_slice(&[1, cname.len() as u8]);
        out.extend_from_slice(cname);
        // At least one zero ends the chunk, and pads it to 32 bits.
        let padding = 4 - (2 + cname.len()) % 4;
        out.extend_from_slice(&[0; 4][..padding]);
    });
}

/// Appends a NACK of ascending sequence numbers.
pub fn write_nack(out: &mut Vec<u8>, sender: u32, media: u32, lost: &[u16]) {
    write_packet(out, TRANSPORT_FEEDBACK, FORMAT_NACK, |out| {
        out.extend_from_slice(&sender.to_be_bytes());
        out.extend_from_slice(&media.to_be_bytes());
        let mut rest = lost;
        while let [base, after @ ..] = rest {
            let offset = |sequence: &u16| sequence.wrapping_sub(*base).wrapping_sub(1);
            let fit = after.iter().take_while(|s| offset(s) < 16).count();
            let mask = after[..fit].iter().fold(0u16, |m, s| m | 1 << offset(s));
            out.extend_from_slice(&base.to_be_bytes());
            out.extend_from_slice(&mask.to_be_bytes());
            rest = &after[fit..];
        }
    });
}

/// Appends a picture loss indication.
pub fn write_pli(out: &mut Vec<u8>, sender: u32, media: u32) {
    write_packet(out, PAYLOAD_FEEDBACK, FORMAT_PLI, |out| {
        out.extend_from_slice(&sender.to_be_bytes());
        out.extend_from_slice(&media.to_be_bytes());
    });
}

/// Appends what is to be sent at most, in bits per second, of these streams and all others.
pub fn write_max_bitrate(out: &mut Vec<u8>, sender: u32, bits_per_second: u64, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(u8::MAX.into())];
    let exponent = (u64::BITS - bits_per_second.leading_zeros()).saturating_sub(18);
    let mantissa = (bits_per_second >> exponent) as u32;
    write_packet(out, PAYLOAD_FEEDBACK, FORMAT_APPLICATION, |out| {
        out.extend_from_slice(&sender.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(REMB);
        let rate = (ssrcs.len() as u32) << 24 | exponent << 18 | mantissa;
        out.extend_from_slice(&rate.to_be_bytes());
        for ssrc in ssrcs {
            out.extend_from_slice(&ssrc.to_be_bytes());
        }
    });
}

/// Appends a full intra request for several streams.
#[cfg(test)]
pub fn write_fir(out: &mut Vec<u8>, sender: u32, wanted: &[u32]) {
    write_packet(out, PAYLOAD_FEEDBACK, FORMAT_FIR, |out| {
        out.extend_from_slice(&sender.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
        for ssrc in wanted {
            out.extend_from_slice(&ssrc.to_be_bytes());
            out.extend_from_slice(&[1, 0, 0, 0]);
        }
    });
}

/// Appends a goodbye for one stream.
pub fn write_goodbye(out: &mut Vec<u8>, ssrc: u32) {
    write_packet(out, GOODBYE, 1, |out| {
        out.extend_from_slice(&ssrc.to_be_bytes());
    });
}

/// Appends transport-wide congestion control feedback; `body` is what follows the two SSRCs.
pub fn write_transport_cc(out: &mut Vec<u8>, sender: u32, media: u32, body: &[u8]) {
    write_packet(out, TRANSPORT_FEEDBACK, FORMAT_TRANSPORT_CC, |out| {
        out.extend_from_slice(&sender.to_be_bytes());
        out.extend_from_slice(&media.to_be_bytes());
        out.extend_from_slice(body);
        while !out.len().is_multiple_of(4) {
            out.push(0);
        }
    });
}

/// Appends one packet. What `body` writes must be a whole number of 32-bit words, counted from a
/// compound that is one, too.
fn write_packet(out: &mut Vec<u8>, kind: u8, count: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0x80 | count & 0x1F, kind, 0, 0]);
    body(out);
    let words = ((out.len() - at) / 4 - 1) as u16;
    out[at + 2..at + 4].copy_from_slice(&words.to_be_bytes());
}

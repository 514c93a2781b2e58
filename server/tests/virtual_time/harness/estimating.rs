//! What an end says that has no transport-wide feedback: reports of what was lost, and what it makes of its path
//! itself (REMB), as libwebrtc's does: a little more each second, no more than one and a half times what comes, and
//! less than what comes where a queue grows. When that is so is known here, and not found out.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use ferrite_server::media::rtp::rtcp::{self, ReportBlock};

use super::bare::Received;
use super::offer::SEND_TIME;

const INTERVAL: Duration = Duration::from_millis(500);

/// The end.
#[derive(Default)]
pub struct Estimating {
    /// In bits per second.
    pub said: Option<f64>,
    /// It says nothing more of its own estimate.
    pub is_silent: bool,
    looked: Option<Instant>,
    bytes: usize,
    /// Of everything that came, and of padding, in bytes.
    pub padding: usize,
    /// The numbers of that.
    pub padded: Vec<u16>,
    streams: HashMap<u32, Stream>,
    /// When packets came, and were sent by what they say: seconds of 64, in six bits and a fraction of eighteen.
    pub times: Vec<(Instant, u32)>,
}

#[derive(Default)]
struct Stream {
    highest: u32,
    reported: u32,
    received: u32,
}

impl Estimating {
    /// Takes what came.
    pub fn receive(&mut self, received: &Received) {
        self.bytes += received.packet.len();
        if let Some([high, middle, low]) = received.extension(SEND_TIME) {
            let time = u32::from_be_bytes([0, *high, *middle, *low]);
            self.times.push((received.at, time));
        }
        let header = &received.header;
        if header.padding && header.payload_len(&received.packet) == 0 {
            self.padding += received.packet.len();
            self.padded.push(header.sequence);
        }
        let stream = self.streams.entry(header.ssrc).or_default();
        if stream.received == 0 && stream.highest == 0 {
            stream.highest = u32::from(header.sequence).wrapping_sub(1) + (1 << 16);
            stream.reported = stream.highest;
        }
        stream.received += 1;
        let ahead = header.sequence.wrapping_sub(stream.highest as u16) as i16;
        stream.highest += ahead.max(0) as u32;
    }

    /// What it says now, if anything, of a path of this rate.
    pub fn compound(&mut self, now: Instant, rate: f64) -> Option<Vec<u8>> {
        let looked = *self.looked.get_or_insert(now);
        if now < looked + INTERVAL {
            return None;
        }
        let incoming = 8.0 * self.bytes as f64 / (now - looked).as_secs_f64();
        (self.looked, self.bytes) = (Some(now), 0);
        let blocks: Vec<_> = self.streams.iter_mut().map(block).collect();
        let mut compound = Vec::new();
        rtcp::write_receiver_report(&mut compound, 1, &blocks);
        if incoming > 0.0 {
            let grown = self.said.map_or(incoming, |said| 1.04 * said);
            let said = match incoming > 0.95 * rate {
                true => 0.85 * incoming,
                false => grown.min(1.5 * incoming + 10_000.0),
            };
            self.said = Some(said);
            if !self.is_silent {
                rtcp::write_max_bitrate(&mut compound, 1, said as u64, &[2, 3]);
            }
        }
        Some(compound)
    }
}

fn block((ssrc, stream): (&u32, &mut Stream)) -> ReportBlock {
    let expected = stream.highest - stream.reported;
    let lost = expected.saturating_sub(stream.received);
    (stream.reported, stream.received) = (stream.highest, 0);
    ReportBlock {
        ssrc: *ssrc,
        fraction_lost: (256 * lost).checked_div(expected).unwrap_or(0).min(255) as u8,
        highest_sequence: stream.highest,
        ..ReportBlock::default()
    }
}

//! What a publisher sends of one track: packets of one size without a codec behind them, in frames
//! that begin with what VP8's do, each marked so that whoever gets it can check it. No IO: time in,
//! packets out.

use std::time::{Duration, Instant};

use anyhow::Result;
use ferrite_protocol::MediaKind;

use super::offer::{OPUS, VP8};
use super::packet::{Header, LEVEL, MID, Mark, PACKET, TRANSPORT};
use super::seal::Keys;

/// An Opus packet of 20 ms at 32 kbit/s, with its header.
const SOUND: usize = 120;
/// The time between two of them.
pub(super) const SOUND_INTERVAL: Duration = Duration::from_millis(20);

/// How pictures are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bits per second, of RTP packets before encryption.
    pub bitrate: u64,
    /// Packets that leave back to back.
    pub packets_per_frame: u32,
}

impl Pace {
    /// The time between two frames.
    #[must_use]
    pub fn interval(&self) -> Duration {
        let bits = (PACKET * 8) as f64 * f64::from(self.packets_per_frame);
        Duration::from_secs_f64(bits / self.bitrate.max(1) as f64)
    }
}

/// One track.
pub(super) struct Source {
    /// Which this is, among all of the run.
    pub(super) id: u32,
    pub(super) ssrc: u32,
    kind: MediaKind,
    mid: String,
    began: Instant,
    /// The next packet's number, with the rounds before it.
    index: u64,
    /// Packets that went out.
    pub(super) count: u64,
    /// The next frame is to be a keyframe.
    pub(super) wants_key: bool,
}

impl Source {
    pub(super) fn new(id: u32, ssrc: u32, kind: MediaKind, mid: usize, now: Instant) -> Self {
        Self {
            id,
            ssrc,
            kind,
            mid: mid.to_string(),
            began: now,
            // Some wrap around soon, some late.
            index: u64::from(id.wrapping_mul(7919) as u16),
            count: 0,
            wants_key: true,
        }
    }

    pub(super) fn is_video(&self) -> bool {
        self.kind == MediaKind::Video
    }

    /// The timestamp of now.
    pub(super) fn timestamp(&self, now: Instant) -> u32 {
        let rate = if self.is_video() { 90_000.0 } else { 48_000.0 };
        ((now - self.began).as_secs_f64() * rate) as u64 as u32
    }

    /// Sends a frame of so many packets, each at the time that `clock` says. `transport` counts the
    /// publisher's packets.
    pub(super) fn frame(
        &mut self,
        now: Instant,
        packets: u32,
        keys: &Keys,
        transport: &mut u16,
        mut send: impl FnMut(&[u8]) -> Result<()>,
        clock: impl Fn() -> u64,
    ) -> Result<()> {
        let (timestamp, is_key) = (self.timestamp(now), std::mem::take(&mut self.wants_key));
        let mut packet = Vec::with_capacity(PACKET + 32);
        for at in 0..packets {
            packet.clear();
            let header = Header {
                payload_type: if self.is_video() { VP8 } else { OPUS },
                marker: at + 1 == packets,
                sequence: self.index as u16,
                timestamp,
                ssrc: self.ssrc,
                transport: Some(*transport),
                length: 0,
            };
            let number = transport.to_be_bytes();
            *transport = transport.wrapping_add(1);
            self.write_header(&header, &number, &mut packet);
            let length = packet.len();
            let mark = Mark {
                source: self.id,
                count: self.count,
                sent: clock(),
                timestamp,
            };
            let size = if self.is_video() { PACKET } else { SOUND };
            mark.fill(&mut packet, size, at == 0, is_key);
            keys.seal(&mut packet, length, header.ssrc, self.index)?;
            self.index += 1;
            self.count += 1;
            send(&packet)?;
        }
        Ok(())
    }

    /// The section's name goes with the first packets, as browsers have it.
    fn write_header(&self, header: &Header, number: &[u8], packet: &mut Vec<u8>) {
        let named = (MID, self.mid.as_bytes());
        let counted = (TRANSPORT, number);
        let level: (u8, &[u8]) = (LEVEL, &[0x80 | 30]);
        match (self.count < 100, self.is_video()) {
            (true, true) => header.write(packet, &[named, counted]),
            (true, false) => header.write(packet, &[named, counted, level]),
            (false, true) => header.write(packet, &[counted]),
            (false, false) => header.write(packet, &[counted, level]),
        }
    }
}

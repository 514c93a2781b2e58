//! What a publisher sends of one track: packets of one size without a codec behind them, in frames
//! that begin with what VP8's do, each marked so that whoever gets it can check it. No IO: time in,
//! packets out.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::layers::{self, Camera, RIDS};
use super::offer::{OPUS, VP8};
use super::packet::{Header, LEVEL, MID, Mark, PACKET, RID, TRANSPORT};
use super::seal::Keys;
use super::temporal::{Frame, Temporal};

/// An Opus packet of 20 ms at 32 kbit/s, with its header.
const SOUND: usize = 120;
/// The time between two of them.
const SOUND_INTERVAL: Duration = Duration::from_millis(20);
/// Packets that say what they are of, as those of browsers do until they are reported of.
const NAMED: u64 = 100;

/// How pictures are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Bits per second, of RTP packets before encryption.
    pub bitrate: u64,
    /// Packets that leave back to back.
    pub packets_per_frame: u32,
    /// Temporal layers; 1 is none.
    pub temporal_layers: u8,
}

impl Pace {
    /// The time between two frames of a picture; those of all its layers leave together.
    fn interval(&self, camera: Camera) -> Duration {
        let bits = (PACKET * 8) as f64 * f64::from(self.packets_per_frame);
        let surplus = match camera {
            Camera::Simulcast => layers::surplus(),
            Camera::Plain | Camera::Off => 1.0,
        };
        Duration::from_secs_f64(bits * surplus / self.bitrate.max(1) as f64)
    }
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Sound,
    Picture,
    /// A picture's layer, counted from the smallest.
    Layer(usize),
}

/// One stream.
pub(super) struct Source {
    /// Which publication this is of, among all of the run.
    pub(super) id: u32,
    pub(super) ssrc: u32,
    encoding: Encoding,
    mid: String,
    began: Instant,
    /// The next packet's number, with the rounds before it.
    index: u64,
    /// Packets that went out.
    pub(super) count: u64,
    /// The next frame is to be a keyframe.
    pub(super) wants_key: bool,
    /// It is sent.
    is_on: bool,
    temporal: Temporal,
    /// Packets that went out by the last frame that nothing is seen without.
    pub(super) needed: u64,
}

impl Source {
    pub(super) fn new(id: u32, ssrc: u32, encoding: Encoding, mid: usize, now: Instant) -> Self {
        Self {
            id,
            ssrc,
            encoding,
            mid: mid.to_string(),
            began: now,
            // Some wrap around soon, some late.
            index: u64::from(ssrc.wrapping_mul(7919) as u16),
            count: 0,
            wants_key: true,
            is_on: true,
            temporal: Temporal::default(),
            needed: 0,
        }
    }

    fn is_video(&self) -> bool {
        self.encoding != Encoding::Sound
    }

    /// The layer that it is, of a picture that has some.
    pub(super) fn layer(&self) -> Option<usize> {
        match self.encoding {
            Encoding::Layer(layer) => Some(layer),
            Encoding::Sound | Encoding::Picture => None,
        }
    }

    /// It is sent from now on, or is not. Where it comes back it begins with a keyframe.
    pub(super) fn turn(&mut self, on: bool) {
        self.wants_key |= on && !self.is_on;
        self.is_on = on;
    }

    /// The time between two frames.
    pub(super) fn interval(&self, pace: Pace) -> Duration {
        match self.encoding {
            Encoding::Sound => SOUND_INTERVAL,
            Encoding::Picture => pace.interval(Camera::Plain),
            Encoding::Layer(_) => pace.interval(Camera::Simulcast),
        }
    }

    /// The timestamp of now. Each stream's clock begins somewhere else.
    pub(super) fn timestamp(&self, now: Instant) -> u32 {
        let rate = if self.is_video() { 90_000.0 } else { 48_000.0 };
        let ticks = ((now - self.began).as_secs_f64() * rate) as u64 as u32;
        ticks.wrapping_add(self.ssrc.wrapping_mul(0x9E37_79B9))
    }

    /// Sends a frame, each packet at the time that `clock` says, and returns how many there were. `transport` counts
    /// the publisher's packets.
    pub(super) fn frame(
        &mut self,
        now: Instant,
        pace: Pace,
        keys: &Keys,
        transport: &mut u16,
        mut send: impl FnMut(&[u8]) -> Result<()>,
        clock: impl Fn() -> u64,
    ) -> Result<u32> {
        if !self.is_on {
            return Ok(0);
        }
        let (packets, size) = match self.encoding {
            Encoding::Sound => (1, SOUND),
            Encoding::Picture => (pace.packets_per_frame, PACKET),
            Encoding::Layer(layer) => layers::split(layer, pace.packets_per_frame),
        };
        let (timestamp, is_key) = (self.timestamp(now), std::mem::take(&mut self.wants_key));
        let frame = match pace.temporal_layers {
            2.. if self.is_video() => self.temporal.next(pace.temporal_layers, is_key),
            _ => Frame::default(),
        };
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
                layer: self.layer().unwrap_or_default() as u8,
                count: self.count,
                sent: clock(),
                timestamp,
                frame,
            };
            mark.fill(&mut packet, size, at == 0, is_key);
            keys.seal(&mut packet, length, header.ssrc, self.index)?;
            self.index += 1;
            self.count += 1;
            send(&packet)?;
        }
        if frame.layer == 0 {
            self.needed = self.count;
        }
        Ok(packets)
    }

    /// The names of the section and of the layer go with the first packets.
    fn write_header(&self, header: &Header, number: &[u8], packet: &mut Vec<u8>) {
        let mut extensions: Vec<(u8, &[u8])> = Vec::with_capacity(4);
        if self.count < NAMED {
            extensions.push((MID, self.mid.as_bytes()));
            let rid = self.layer().map(|layer| (RID, RIDS[layer].as_bytes()));
            extensions.extend(rid);
        }
        extensions.push((TRANSPORT, number));
        if !self.is_video() {
            extensions.push((LEVEL, &[0x80 | 30]));
        }
        header.write(packet, &extensions);
    }
}

//! The last moment of a track of sound, for those who are shown it from now on: who begins to speak was not heard
//! until somebody noticed, and what they said by then is sent ahead. Of who does not speak there is nothing to send.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::media::rtp::packet::MediaPacket;
use crate::media::sdp::CodecKind;

/// How long packets are kept.
pub const LEAD_IN: Duration = Duration::from_millis(200);
/// Packets kept, at most: as many as there are in that time of 10 ms each.
pub const MAX_PACKETS: usize = 20;
/// Bytes kept, at most.
pub const MAX_BYTES: usize = 16 * 1024;
/// Packets for which room is made at a time.
const STEP: usize = 4;

/// The packets, in the order they came.
#[derive(Debug, Default)]
pub(super) struct LeadIn {
    packets: VecDeque<MediaPacket>,
    bytes: usize,
}

impl LeadIn {
    /// Keeps a packet of sound; of pictures nothing is kept, they begin with a keyframe.
    pub(super) fn keep(&mut self, media: &MediaPacket) {
        match media.format.kind {
            CodecKind::Opus | CodecKind::Red => {}
            CodecKind::Vp8 | CodecKind::Vp9 | CodecKind::H264 | CodecKind::Av1 => return,
        }
        self.sweep(media.arrived);
        self.bytes += media.packet.len();
        if self.packets.len() == self.packets.capacity() {
            // By itself it doubles, and there is one for every voice.
            self.packets.reserve_exact(STEP);
        }
        self.packets.push_back(media.clone());
        while self.packets.len() > MAX_PACKETS || self.bytes > MAX_BYTES {
            self.drop_first();
        }
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Lets go of what is older.
    pub(super) fn sweep(&mut self, now: Instant) {
        let is_old = |kept: &MediaPacket| now.saturating_duration_since(kept.arrived) > LEAD_IN;
        while self.packets.front().is_some_and(is_old) {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(gone) = self.packets.pop_front() {
            self.bytes -= gone.packet.len();
        }
    }

    /// What is to be sent ahead: from the packet before the first that is a part of a voice on.
    pub(super) fn packets(&mut self, now: Instant) -> impl Iterator<Item = &MediaPacket> {
        self.sweep(now);
        let first = self.packets.iter().position(|kept| kept.is_voice);
        let begins = first.map_or(self.packets.len(), |first| first.saturating_sub(1));
        self.packets.iter().skip(begins)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::ingest::voice::tests::sound;

    fn numbers(kept: &mut LeadIn, now: Instant) -> Vec<u16> {
        kept.packets(now).map(|it| it.header.sequence).collect()
    }

    #[test]
    fn what_is_sent_ahead_begins_before_the_voice_and_is_not_old() {
        let (mut kept, start) = (LeadIn::default(), Instant::now());
        for n in 0..20 {
            let at = start + Duration::from_millis(20) * n;
            let media = MediaPacket {
                is_voice: n >= 16,
                ..sound(at, 7, n, Some(30))
            };
            kept.keep(&media);
            let now = numbers(&mut kept, at);
            assert_eq!(now.is_empty(), n < 16, "{now:?}");
        }
        let end = start + Duration::from_millis(380);
        assert_eq!(numbers(&mut kept, end), [15, 16, 17, 18, 19]);
        assert_eq!(
            numbers(&mut kept, end + Duration::from_millis(150)),
            [17, 18, 19]
        );
        assert_eq!(numbers(&mut kept, end + LEAD_IN * 2), [0; 0]);
    }

    #[test]
    fn what_is_kept_has_a_bound() {
        let (mut kept, now) = (LeadIn::default(), Instant::now());
        for n in 0..1000 {
            let mut media = sound(now, 7, n, Some(0));
            media.is_voice = true;
            kept.keep(&media);
            assert!(kept.packets.len() <= MAX_PACKETS);
            let mut long = vec![0; 1400];
            long.extend_from_slice(&media.packet);
            kept.keep(&MediaPacket {
                packet: long.into(),
                ..media
            });
            assert!(kept.bytes <= MAX_BYTES);
            let bytes: usize = kept.packets.iter().map(|it| it.packet.len()).sum();
            assert_eq!(kept.bytes, bytes);
        }
        kept.keep(&crate::media::forward::tests::packet(now, 7, 0, 1));
        assert!(
            kept.packets.iter().all(|it| it.is_voice),
            "a picture is kept"
        );
    }
}

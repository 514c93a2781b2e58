//! Whether somebody speaks, by how loud their packets say they are (RFC 6464). What counts is how far a packet
//! is above what is usual of its own stream: so a noisy room is no voice, and who claims to be loud all the time
//! soon claims nothing. Pure; knows nothing of rooms.

use std::time::{Duration, Instant};

use crate::media::rtp::packet::MediaPacket;

/// So far above the floor, in dB, begins a voice.
const MARGIN: f32 = 12.0;
/// The floor is never lower than that, in dB above silence (-127 dBov): what is less loud than this and the
/// margin is never a voice.
const LOWEST_FLOOR: f32 = 50.0;
/// How quickly the floor comes up to what is heard, in dB a second. A pause between two words takes it down
/// again at once.
const RISE: f32 = 4.0;
/// How much has to be loud before it is a voice, and no click.
const ONSET: Duration = Duration::from_millis(40);
/// How much of what is loud is remembered.
const MEMORY: Duration = Duration::from_millis(100);
/// A voice goes on over pauses as long as this.
const HANG: Duration = Duration::from_millis(700);
/// How often it is told how loud somebody speaks.
pub const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// The longest packet believed.
const LONGEST: Duration = Duration::from_millis(120);

/// What is told of somebody's voice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voice {
    /// They speak.
    pub is_speaking: bool,
    /// How loud, in dB above what else is heard of them.
    pub loudness: u8,
}

/// What is known of the voice in one stream.
#[derive(Debug)]
pub struct Listener {
    ssrc: u32,
    timestamp: u32,
    heard: Instant,
    /// In dB above silence.
    floor: f32,
    loud: Duration,
    last_loud: Option<Instant>,
    is_speaking: bool,
    /// Of what is loud, on average.
    excess: f32,
    told: Option<(Voice, Instant)>,
}

impl Listener {
    /// Nothing is known of a stream but its first packet.
    pub fn new(media: &MediaPacket) -> Self {
        Self {
            ssrc: media.header.ssrc,
            timestamp: media.header.timestamp,
            heard: media.arrived,
            floor: LOWEST_FLOOR,
            loud: Duration::ZERO,
            last_loud: None,
            is_speaking: false,
            excess: 0.0,
            told: None,
        }
    }

    /// Hears a packet. Says whether it is a part of a voice; without a level nobody knows.
    pub fn hear(&mut self, media: &MediaPacket) -> Option<bool> {
        let level = media.audio_level()?;
        let elapsed = self.elapsed(media);
        self.heard = media.arrived;
        let loudness = f32::from(127 - level.min(127));
        let excess = loudness - self.floor;
        self.follow_floor(loudness, elapsed);
        let is_loud = excess >= MARGIN;
        if is_loud {
            self.loud = (self.loud + elapsed).min(MEMORY);
            self.last_loud = Some(media.arrived);
            self.excess += (excess - self.excess) / 8.0;
        } else {
            self.loud = self.loud.saturating_sub(elapsed);
        }
        self.is_speaking |= self.loud >= ONSET;
        self.let_pass(media.arrived);
        Some(is_loud)
    }

    /// By the media clock, which knows no jitter; what was lost or not sent does not count.
    fn elapsed(&mut self, media: &MediaPacket) -> Duration {
        if std::mem::replace(&mut self.ssrc, media.header.ssrc) != media.header.ssrc {
            self.timestamp = media.header.timestamp;
        }
        let ticks = media.header.timestamp.wrapping_sub(self.timestamp) as i32;
        if ticks <= 0 {
            return Duration::ZERO;
        }
        self.timestamp = media.header.timestamp;
        let millis = u64::from(ticks.unsigned_abs()) * 1000 / u64::from(media.clock_rate.max(1));
        Duration::from_millis(millis).min(LONGEST)
    }

    fn follow_floor(&mut self, loudness: f32, elapsed: Duration) {
        self.floor = match loudness < self.floor {
            true => loudness.max(LOWEST_FLOOR),
            false => (self.floor + RISE * elapsed.as_secs_f32()).min(loudness),
        };
    }

    /// Lets time pass: who is silent for long enough does not speak, whether or not packets come.
    pub fn let_pass(&mut self, now: Instant) {
        let is_over = |at| now.saturating_duration_since(at) > HANG;
        if self.last_loud.is_none_or(is_over) {
            (self.is_speaking, self.excess) = (false, 0.0);
        }
    }

    /// What is to be told now, if anything is: that somebody began or stopped at once, how loud they speak now and
    /// then.
    pub fn news(&self, now: Instant) -> Option<Voice> {
        let voice = Voice {
            is_speaking: self.is_speaking,
            loudness: self.excess as u8,
        };
        let is_news = match self.told {
            None => voice.is_speaking,
            Some((told, _)) if told.is_speaking != voice.is_speaking => true,
            Some((_, at)) => {
                voice.is_speaking && now.saturating_duration_since(at) >= REPORT_INTERVAL
            }
        };
        is_news.then_some(voice)
    }

    /// It was told.
    pub fn told(&mut self, now: Instant, voice: Voice) {
        self.told = Some((voice, now));
    }
}

#[cfg(test)]
pub(in crate::media) mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::media::rtp::header::{Header, write_header};
    use crate::media::sdp::{CodecKind, Extensions, Format};

    /// Where the tests have the level.
    const LEVEL_ID: u8 = 1;

    /// The packet of sound with this number, each of 20 ms, that says it is so loud (0 is the loudest).
    pub(in crate::media) fn sound(
        arrived: Instant,
        ssrc: u32,
        number: u32,
        level: Option<u8>,
    ) -> MediaPacket {
        let mut fixed = [0x80, 111, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fixed[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        fixed[4..8].copy_from_slice(&(number.wrapping_mul(960)).to_be_bytes());
        fixed[8..].copy_from_slice(&ssrc.to_be_bytes());
        let header = Header::parse(&fixed).unwrap();
        let level = level.map(|level| [level | 0x80]);
        let id = level.as_ref().map(|_| LEVEL_ID);
        let value = level.as_ref().map(|level| &level[..]);
        let elements = [(id, value)];
        let mut packet = BytesMut::new();
        write_header(&mut packet, &header, &elements);
        packet.extend_from_slice(&number.to_be_bytes());
        let header = Header::parse(&packet).unwrap();
        let ids = Extensions {
            audio_level: Some(LEVEL_ID),
            ..Extensions::default()
        };
        let format = (Format::of(CodecKind::Opus, ""), 48_000);
        MediaPacket::read(arrived, (0, 0), format, header, &ids, packet.freeze())
    }

    struct Rig {
        start: Instant,
        number: u32,
        listener: Option<Listener>,
    }

    impl Rig {
        fn new() -> Self {
            Self {
                start: Instant::now(),
                number: 0,
                listener: None,
            }
        }

        /// Hears so many packets of a level, and says how many of them were told to be of somebody who speaks.
        fn hear(&mut self, packets: u32, level: impl Fn(u32) -> u8) -> u32 {
            let mut spoken = 0;
            for at in 0..packets {
                let now = self.start + Duration::from_millis(20) * self.number;
                let media = sound(now, 7, self.number, Some(level(at)));
                let listener = self.listener.get_or_insert_with(|| Listener::new(&media));
                listener.hear(&media);
                spoken += u32::from(listener.is_speaking);
                self.number += 1;
            }
            spoken
        }
    }

    /// Syllables of 160 ms and pauses of 60 ms.
    fn speech(at: u32) -> u8 {
        if at % 11 < 8 { 30 } else { 75 }
    }

    #[test]
    fn speech_is_heard_within_three_packets_and_until_a_while_after_it() {
        let mut rig = Rig::new();
        assert_eq!(rig.hear(100, |_| 78), 0, "a quiet room");
        let spoken = rig.hear(500, speech);
        assert!(spoken >= 497, "{spoken} of 500");
        let after = rig.hear(200, |_| 78);
        assert!((30..45).contains(&after), "{after} packets");
    }

    #[test]
    fn a_click_is_no_voice_and_neither_is_noise() {
        let mut rig = Rig::new();
        assert_eq!(rig.hear(500, |at| if at % 50 == 0 { 10 } else { 80 }), 0);
        // A fan, and somebody who speaks beside it.
        rig.hear(1000, |at| 50 + (at % 4) as u8);
        assert_eq!(rig.hear(200, |at| 50 + (at % 4) as u8), 0);
        assert!(rig.hear(100, |at| if at % 11 < 8 { 25 } else { 52 }) >= 97);
    }

    #[test]
    fn who_claims_to_be_as_loud_as_can_be_all_the_time_soon_claims_nothing() {
        let mut rig = Rig::new();
        let spoken = rig.hear(50 * 60, |_| 0);
        assert!(spoken < 50 * 20, "{spoken} packets of a minute");
        assert_eq!(rig.hear(500, |_| 0), 0);
        let mut silent = Rig::new();
        assert_eq!(silent.hear(500, |_| 127), 0);
    }

    #[test]
    fn speech_is_still_speech_after_a_minute() {
        let mut rig = Rig::new();
        rig.hear(50 * 60, speech);
        assert_eq!(rig.hear(500, speech), 500);
    }

    #[test]
    fn it_is_told_at_once_and_then_seldom() {
        let (mut rig, mut told) = (Rig::new(), Vec::new());
        for at in 0..250 {
            rig.hear(1, |_| if at < 150 { speech(at) } else { 80 });
            let now = rig.start + Duration::from_millis(20) * at;
            let listener = rig.listener.as_mut().unwrap();
            if let Some(voice) = listener.news(now) {
                listener.told(now, voice);
                told.push((at, voice.is_speaking));
            }
        }
        assert!(told[0].0 <= 3 && told[0].1, "{told:?}");
        assert!((6..10).contains(&told.len()), "{told:?}");
        assert!(!told.last().unwrap().1, "{told:?}");
    }

    #[test]
    fn who_sends_nothing_more_does_not_speak_for_ever() {
        let mut rig = Rig::new();
        rig.hear(50, speech);
        let end = rig.start + Duration::from_secs(1);
        let listener = rig.listener.as_mut().unwrap();
        listener.told(end, Voice::default());
        listener.let_pass(end + HANG / 2);
        assert!(listener.is_speaking);
        listener.let_pass(end + HANG * 2);
        assert!(!listener.is_speaking);
    }

    #[test]
    fn without_levels_nobody_knows() {
        let media = sound(Instant::now(), 7, 0, None);
        assert_eq!(Listener::new(&media).hear(&media), None);
    }
}

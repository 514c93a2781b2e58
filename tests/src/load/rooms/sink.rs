//! What a participant checks of one stream that it is sent: the numbers of packets, whole frames and
//! where they begin, timestamps, and that nothing of the publisher's is left out in between. Pure:
//! headers, payloads and times in, counts out.

use std::collections::BTreeSet;
use std::time::Duration;

use super::histogram::Histogram;
use super::packet::{Header, Mark, starts_keyframe};

/// Numbers that are waited for. Older ones are given up.
const MOST_MISSING: usize = 1024;

/// How far behind the newest a packet may come.
const WINDOW: u64 = 1024;

/// What was found, over all streams.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Packets received, without those sent again.
    pub packets: u64,
    /// Those of pictures.
    pub video: u64,
    /// Numbers that were not received when a later one was.
    pub gaps: u64,
    /// Of the gaps, those that came in the end.
    pub late: u64,
    /// Of the gaps, those that were sent again.
    pub repaired: u64,
    /// Packets that the link swallowed.
    pub swallowed: u64,
    /// Packets received twice under one number.
    pub repeats: u64,
    /// What the publisher sent and no number was left for.
    pub left_out: u64,
    /// Packets that were not authentic.
    pub broken: u64,
    /// Frames that a decoder can decode.
    pub frames: u64,
    /// Frames that it cannot.
    pub lost_frames: u64,
    /// Frames that came before the first keyframe of a stream: there is nothing to decode them with.
    pub early_frames: u64,
    /// Pictures that took another's place with something else than a keyframe.
    pub no_keyframe: u64,
    /// Timestamps that went another way than the publisher's.
    pub timestamps: u64,
    /// From the publisher's send call to the arrival.
    pub latency: Histogram,
    /// From asking for something else to its first packet.
    pub switched: Histogram,
    /// How unevenly packets arrive (RFC 3550 §6.4.1), as each stream has it with each packet.
    pub jitter: Histogram,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Sink {
    is_video: bool,
    clock_rate: f64,
    /// The newest number, with the rounds before it.
    highest: Option<u64>,
    seen: [u64; WINDOW as usize / 64],
    missing: BTreeSet<u64>,
    /// What was seen of the present source last.
    before: Option<(u64, u32, Mark)>,
    /// The last timestamp that went out on the stream, whatever its source.
    timestamp: Option<u32>,
    /// Frames that are whole, but for what is missing before them.
    waiting: u64,
    /// A keyframe came, or none is looked for.
    has_key: bool,
    transit: Option<f64>,
    jitter: f64,
    /// Packets since the last report, and how many were expected.
    pub(super) received: u64,
    /// Whole frames.
    pub(super) frames: u64,
    /// The source whose packets came last.
    pub(super) source: Option<u32>,
    /// A packet came through the link, or is on its way.
    pub(super) is_under_way: bool,
    /// When something else was asked for, which has not come.
    switching: Option<u64>,
    /// Nothing is asked for.
    is_idle: bool,
}

impl Sink {
    /// Of pictures or of sound; `sees_all` where every packet is looked into.
    pub(super) fn new(is_video: bool, sees_all: bool) -> Self {
        Self {
            is_video,
            has_key: !sees_all,
            clock_rate: if is_video { 90_000.0 } else { 48_000.0 },
            highest: None,
            seen: [0; WINDOW as usize / 64],
            missing: BTreeSet::new(),
            before: None,
            timestamp: None,
            waiting: 0,
            transit: None,
            jitter: 0.0,
            received: 0,
            frames: 0,
            source: None,
            is_under_way: false,
            switching: None,
            is_idle: false,
        }
    }

    /// The number of a packet with the rounds before it (RFC 3711 §3.3.1).
    pub(super) fn index(&self, sequence: u16) -> u64 {
        let Some(highest) = self.highest else {
            return u64::from(sequence);
        };
        let ahead = i64::from(sequence.wrapping_sub(highest as u16) as i16);
        highest.saturating_add_signed(ahead)
    }

    /// The newest number, as a report has it.
    pub(super) fn highest(&self) -> u32 {
        self.highest.unwrap_or_default() as u32
    }

    /// How many packets of its present source came, or were given a number.
    pub(super) fn counted(&self) -> Option<(u32, u64)> {
        let is_shown = self.switching.is_none() && !self.is_idle;
        let (_, _, mark) = self.before.filter(|_| is_shown)?;
        Some((mark.source, mark.count + 1))
    }

    /// Whether it ever showed a whole frame.
    pub(super) fn shows_pictures(&self) -> bool {
        self.is_video && self.frames > 0
    }

    /// The jitter, in ticks of the stream's clock.
    pub(super) fn jitter(&self) -> u32 {
        self.jitter as u32
    }

    /// What a receiver asks for again.
    pub(super) fn missing(&self) -> Vec<u16> {
        let newest = self.missing.iter().rev().take(64);
        newest.map(|number| *number as u16).collect()
    }

    /// Something else is to be shown on the stream from now on.
    pub(super) fn switch(&mut self, now: u64) {
        self.switching = Some(now);
        self.is_idle = false;
    }

    /// Nothing is to be shown on it from now on.
    pub(super) fn idle(&mut self) {
        self.is_idle = true;
    }

    /// Counts a packet by its number. Returns whether it is a new one.
    pub(super) fn count(
        &mut self,
        index: u64,
        header: &Header,
        arrived: u64,
        found: &mut Found,
    ) -> bool {
        let Some(highest) = self.highest else {
            self.highest = Some(index);
            self.mark_seen(index);
            self.take_new(header, arrived, found);
            return true;
        };
        if index > highest {
            let missed = index - highest - 1;
            found.gaps += missed;
            for number in (highest + 1..=index).rev().take(WINDOW as usize) {
                self.unmark(number);
            }
            self.missing
                .extend((highest + 1..index).rev().take(MOST_MISSING));
            while self.missing.len() > MOST_MISSING {
                self.missing.pop_first();
            }
            self.highest = Some(index);
            self.mark_seen(index);
            self.take_new(header, arrived, found);
            return true;
        }
        if highest - index >= WINDOW || index == highest || self.is_seen(index) {
            found.repeats += 1;
            return false;
        }
        self.mark_seen(index);
        found.late += u64::from(self.fill(index, found));
        self.received += 1;
        found.packets += 1;
        found.video += u64::from(self.is_video);
        true
    }

    /// A packet has come that may have been missing. Returns whether it was.
    pub(super) fn fill(&mut self, index: u64, found: &mut Found) -> bool {
        let was_missing = self.missing.remove(&index);
        if was_missing {
            self.mark_seen(index);
        }
        if self.missing.is_empty() {
            found.frames += self.waiting;
            self.frames += self.waiting;
            self.waiting = 0;
        }
        was_missing
    }

    fn take_new(&mut self, header: &Header, arrived: u64, found: &mut Found) {
        self.received += 1;
        found.packets += 1;
        found.video += u64::from(self.is_video);
        self.note_jitter(header, arrived, found);
    }

    /// A packet was counted, and looked into where it is: the frame that it ends is there.
    pub(super) fn end_frame(&mut self, header: &Header, found: &mut Found) {
        if !self.is_video || !header.marker {
            return;
        }
        if !self.has_key {
            found.early_frames += 1;
            return;
        }
        // A frame that lacks a packet is whole once that has come, and so are those after it.
        match self.missing.is_empty() {
            true => {
                found.frames += 1;
                self.frames += 1;
            }
            false => self.waiting += 1,
        }
    }

    fn note_jitter(&mut self, header: &Header, arrived: u64, found: &mut Found) {
        let transit = arrived as f64 / 1e9 * self.clock_rate - f64::from(header.timestamp);
        if let Some(before) = self.transit.replace(transit) {
            // Another source's clock is no jitter.
            let off = (transit - before).abs();
            if off < self.clock_rate {
                self.jitter += (off - self.jitter) / 16.0;
            }
        }
        let seconds = self.jitter / self.clock_rate;
        found.jitter.note(Duration::from_secs_f64(seconds));
    }

    /// Checks what is inside a packet that [`count`](Self::count) took as new.
    pub(super) fn look_into(
        &mut self,
        index: u64,
        header: &Header,
        payload: &[u8],
        arrived: u64,
        found: &mut Found,
    ) {
        let Some(mark) = Mark::read(payload) else {
            found.broken += 1;
            return;
        };
        found
            .latency
            .note(Duration::from_nanos(arrived.saturating_sub(mark.sent)));
        let is_key = self.is_video && starts_keyframe(payload);
        if is_key && Some(index) == self.highest {
            self.has_key = true;
            self.begin_anew(index, found);
        }
        if self.source != Some(mark.source) {
            self.begin_source(header, is_key, mark, found);
            if let Some(asked) = self.switching.take() {
                let waited = arrived.saturating_sub(asked);
                found.switched.note(Duration::from_nanos(waited));
            }
        }
        if self.switching.is_some() {
            // Whether the old source still comes, or again, is not known.
            self.before = None;
        }
        if let Some((before, timestamp, last)) = self.before.filter(|(at, ..)| *at < index) {
            let (ours, theirs) = (index - before, mark.count.saturating_sub(last.count));
            found.left_out += theirs.saturating_sub(ours);
            let ours = header.timestamp.wrapping_sub(timestamp);
            let theirs = mark.timestamp.wrapping_sub(last.timestamp);
            found.timestamps += u64::from(ours != theirs);
        }
        if self.before.is_none_or(|(at, ..)| at < index) {
            self.before = Some((index, header.timestamp, mark));
            self.timestamp = Some(header.timestamp);
        }
    }

    fn begin_source(&mut self, header: &Header, is_key: bool, mark: Mark, found: &mut Found) {
        let replaces = self.is_video && self.source.is_some();
        found.no_keyframe += u64::from(replaces && !is_key);
        let back = |before: u32| header.timestamp.wrapping_sub(before) as i32 <= 0;
        found.timestamps += u64::from(self.timestamp.is_some_and(back));
        self.source = Some(mark.source);
        self.before = None;
    }

    /// A decoder needs nothing from before a keyframe.
    fn begin_anew(&mut self, index: u64, found: &mut Found) {
        found.lost_frames += self.waiting;
        self.waiting = 0;
        self.missing = self.missing.split_off(&index);
    }

    fn bit(index: u64) -> (usize, u64) {
        let at = index % WINDOW;
        ((at / 64) as usize, 1 << (at % 64))
    }

    fn is_seen(&self, index: u64) -> bool {
        let (word, bit) = Self::bit(index);
        self.seen[word] & bit != 0
    }

    fn mark_seen(&mut self, index: u64) {
        let (word, bit) = Self::bit(index);
        self.seen[word] |= bit;
    }

    fn unmark(&mut self, index: u64) {
        let (word, bit) = Self::bit(index);
        self.seen[word] &= !bit;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of two packets, the first of which is a keyframe.
    struct Stream {
        sink: Sink,
        found: Found,
    }

    impl Stream {
        fn new() -> Self {
            Self {
                sink: Sink::new(true, true),
                found: Found::default(),
            }
        }

        /// The packet with this number, of a source that counts from `first`.
        fn take(&mut self, sequence: u16, source: u32, count: u64) {
            let timestamp = 3000 * (count / 2) as u32;
            self.take_at(sequence, timestamp, source, count);
        }

        fn take_at(&mut self, sequence: u16, timestamp: u32, source: u32, count: u64) {
            let (starts, marker) = (count.is_multiple_of(2), !count.is_multiple_of(2));
            let header = Header {
                payload_type: 96,
                marker,
                sequence,
                timestamp,
                ssrc: 1,
                transport: None,
                length: 16,
            };
            let mark = Mark {
                source,
                count,
                sent: 1_000_000,
                timestamp: 3000 * (count / 2) as u32,
            };
            let mut payload = Vec::new();
            mark.fill(&mut payload, 100, starts, count < 2);
            let index = self.sink.index(sequence);
            if self.sink.count(index, &header, 3_000_000, &mut self.found) {
                self.sink
                    .look_into(index, &header, &payload, 3_000_000, &mut self.found);
                self.sink.end_frame(&header, &mut self.found);
            }
        }
    }

    #[test]
    fn a_stream_that_is_whole_has_nothing_to_find() {
        let mut stream = Stream::new();
        (0..10).for_each(|at| stream.take(65_530_u16.wrapping_add(at), 1, at.into()));
        let found = stream.found;
        assert_eq!((found.packets, found.frames), (10, 5));
        let wrong = [
            found.gaps,
            found.repeats,
            found.left_out,
            found.no_keyframe,
            found.timestamps,
            found.lost_frames,
            found.broken,
        ];
        assert_eq!(wrong, [0; 7]);
        assert!((1.9..=2.0).contains(&found.latency.ms(0.5)));
    }

    #[test]
    fn finds_gaps_and_what_fills_them() {
        let mut stream = Stream::new();
        for at in [0, 1, 2, 5, 4] {
            stream.take(at, 1, at.into());
        }
        assert_eq!((stream.found.gaps, stream.found.late), (2, 1));
        assert_eq!(stream.sink.missing(), [3]);
        assert_eq!(stream.found.frames, 1, "the others wait");
        stream.take(3, 1, 3);
        assert_eq!((stream.found.late, stream.found.frames), (2, 3));
    }

    #[test]
    fn finds_repeats() {
        let mut stream = Stream::new();
        for at in [0, 1, 1, 0, 2] {
            stream.take(at, 1, at.into());
        }
        assert_eq!((stream.found.repeats, stream.found.packets), (2, 3));
    }

    #[test]
    fn finds_what_no_number_was_left_for() {
        let mut stream = Stream::new();
        stream.take(0, 1, 0);
        stream.take(1, 1, 1);
        stream.take(2, 1, 4);
        assert_eq!((stream.found.gaps, stream.found.left_out), (0, 2));
    }

    #[test]
    fn finds_pictures_that_begin_in_the_middle() {
        let mut stream = Stream::new();
        stream.take(0, 1, 0);
        stream.take(1, 1, 1);
        stream.take_at(2, 4000, 2, 8);
        assert_eq!((stream.found.no_keyframe, stream.found.timestamps), (1, 0));
        stream.take_at(3, 3999, 3, 0);
        assert_eq!((stream.found.no_keyframe, stream.found.timestamps), (1, 1));
    }

    #[test]
    fn counts_no_frames_before_the_first_keyframe() {
        let mut stream = Stream::new();
        (0..4).for_each(|at| stream.take(at, 1, 6 + u64::from(at)));
        assert_eq!((stream.found.frames, stream.found.early_frames), (0, 2));
        (4..8).for_each(|at| stream.take(at, 2, u64::from(at) - 4));
        assert_eq!((stream.found.frames, stream.found.early_frames), (2, 2));
        assert_eq!(stream.found.no_keyframe, 0);
    }

    #[test]
    fn finds_timestamps_that_go_their_own_way() {
        let mut stream = Stream::new();
        stream.take(0, 1, 0);
        stream.take_at(1, 1, 1, 1);
        assert_eq!(stream.found.timestamps, 1);
    }
}

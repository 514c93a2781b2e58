//! What a participant checks of one stream that it is sent: the numbers of packets, whole frames and
//! where they begin, timestamps, and that nothing of the publisher's is left out in between. Pure:
//! headers, payloads and times in, counts out.

use std::collections::BTreeSet;
use std::time::Duration;

use super::found::Found;
use super::packet::{Header, Mark, starts_keyframe};

/// Numbers that are waited for. Older ones are given up.
const MOST_MISSING: usize = 1024;

/// How far behind the newest a packet may come.
const WINDOW: u64 = 1024;

/// Frames that wait for what is missing before a keyframe is asked for.
const PATIENCE: u64 = 30;

/// No frame needs an older one.
const REMEMBERED: u32 = 16;

/// How much later or sooner than it was sent a layer may go on where another ended, in seconds.
const JUMP: f64 = 0.25;

/// What was seen of the present source last.
#[derive(Clone, Copy, Debug)]
struct Last {
    index: u64,
    timestamp: u32,
    /// It was the end of a frame.
    marker: bool,
    mark: Mark,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Sink {
    is_video: bool,
    /// The link may be too narrow: the server may leave out what comes before a keyframe.
    may_pause: bool,
    clock_rate: f64,
    /// The newest number, with the rounds before it.
    highest: Option<u64>,
    seen: [u64; WINDOW as usize / 64],
    missing: BTreeSet<u64>,
    before: Option<Last>,
    /// The last timestamp that went out on the stream, whatever its source.
    timestamp: Option<u32>,
    /// Frames that are whole, but for what is missing before them.
    waiting: u64,
    /// Frames that came before the first keyframe.
    early: u64,
    /// A keyframe came, or none is looked for.
    has_key: bool,
    transit: Option<f64>,
    jitter: f64,
    /// Packets since the last report, and how many were expected.
    pub(super) received: u64,
    /// Whole frames.
    pub(super) frames: u64,
    /// Whose packets came last: the publication, and its layer.
    shown: Option<(u32, u8)>,
    /// A packet came through the link, or is on its way.
    pub(super) is_under_way: bool,
    /// When something else was asked for, which has not come.
    switching: Option<u64>,
    /// Nothing is asked for.
    is_idle: bool,
    /// The frames with temporal layers that came of late, and from which on none is missing.
    came: BTreeSet<u32>,
    whole_since: u32,
}

impl Sink {
    /// Of pictures or of sound; `sees_all` where every packet is looked into.
    pub(super) fn new(is_video: bool, sees_all: bool, may_pause: bool) -> Self {
        Self {
            is_video,
            may_pause,
            has_key: !sees_all,
            clock_rate: if is_video { 90_000.0 } else { 48_000.0 },
            highest: None,
            seen: [0; WINDOW as usize / 64],
            missing: BTreeSet::new(),
            before: None,
            timestamp: None,
            waiting: 0,
            early: 0,
            transit: None,
            jitter: 0.0,
            received: 0,
            frames: 0,
            shown: None,
            is_under_way: false,
            switching: None,
            is_idle: false,
            came: BTreeSet::new(),
            whole_since: 0,
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

    /// The publication and its layer that are shown, and how many packets of that came, or were given a number.
    pub(super) fn counted(&self) -> Option<((u32, u8), u64)> {
        let is_shown = self.switching.is_none() && !self.is_idle;
        let mark = self.before.filter(|_| is_shown)?.mark;
        Some(((mark.source, mark.layer), mark.count + 1))
    }

    /// The layer that is shown.
    pub(super) fn layer(&self) -> Option<usize> {
        let (_, layer) = self.shown.filter(|_| self.is_video)?;
        Some(layer.into())
    }

    /// Whether a decoder would ask for a keyframe.
    pub(super) fn wants_keyframe(&self) -> bool {
        !self.has_key && self.early > 0 || self.waiting >= PATIENCE
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
        // Of what never showed anything, nothing is to be told apart.
        self.switching = self.shown.map(|_| now);
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
            self.early += 1;
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
        let shown = (mark.source, mark.layer);
        if self.shown != Some(shown) {
            if Some(index) != self.highest {
                // What comes late of what was shown before.
                return;
            }
            if self.begin(index, header, is_key, mark, found)
                && let Some(asked) = self.switching.take()
            {
                let waited = arrived.saturating_sub(asked);
                found.switched.note(Duration::from_nanos(waited));
            }
        }
        if self.switching.is_some() {
            // Whether the old source still comes, or again, is not known.
            self.before = None;
        }
        if let Some(last) = self.before.filter(|last| last.index < index) {
            let (ours, theirs) = (
                index - last.index,
                mark.count.saturating_sub(last.mark.count),
            );
            let passed_over = theirs.saturating_sub(ours);
            let is_next = mark.frame.number > last.mark.frame.number;
            match self.may_pause && is_key {
                true => found.paused += passed_over,
                false if is_next => found.thinned += passed_over,
                false => found.left_out += passed_over,
            }
            let ours = header.timestamp.wrapping_sub(last.timestamp);
            let theirs = mark.timestamp.wrapping_sub(last.mark.timestamp);
            found.timestamps += u64::from(ours != theirs);
        }
        self.check_frame(index, mark, found);
        if self.before.is_none_or(|last| last.index < index) {
            self.before = Some(Last {
                index,
                timestamp: header.timestamp,
                marker: header.marker,
                mark,
            });
            self.timestamp = Some(header.timestamp);
        }
    }

    /// Of frames with temporal layers one came with all that it needs. What was missing may be sent again, and is not
    /// looked into then.
    fn check_frame(&mut self, index: u64, mark: Mark, found: &mut Found) {
        let number = mark.frame.number;
        if number == 0 || Some(index) != self.highest {
            return;
        }
        if self.before.is_none_or(|last| last.index + 1 != index) {
            self.came.clear();
            self.whole_since = number;
        }
        let is_new = self.came.insert(number);
        let lacks =
            |needed: &&u32| **needed >= self.whole_since.max(1) && !self.came.contains(*needed);
        let is_lacking = is_new && mark.frame.needs.iter().any(|needed| lacks(&needed));
        found.undecodable += u64::from(is_lacking);
        self.came = self.came.split_off(&number.saturating_sub(REMEMBERED));
    }

    /// Another publication or another layer takes the place. Returns whether it is another publication.
    fn begin(
        &mut self,
        index: u64,
        header: &Header,
        is_key: bool,
        mark: Mark,
        found: &mut Found,
    ) -> bool {
        let before = self.shown.replace((mark.source, mark.layer));
        // What is missing just before may have been the keyframe.
        let may_have_begun = self.missing.contains(&index.saturating_sub(1));
        let replaces = self.is_video && before.is_some();
        found.no_keyframe += u64::from(replaces && !is_key && !may_have_begun);
        let back = |before: u32| header.timestamp.wrapping_sub(before) as i32 <= 0;
        found.timestamps += u64::from(self.timestamp.is_some_and(back));
        let is_other = before.is_none_or(|(source, _)| source != mark.source);
        let last = self.before.take();
        if !is_other {
            found.layer_switches += 1;
            if let Some(last) = last.filter(|last| last.index + 1 == index) {
                found.cut_frames += u64::from(!last.marker);
                let ticks = header.timestamp.wrapping_sub(last.timestamp) as i32;
                let sent = mark.sent as f64 / 1e9 - last.mark.sent as f64 / 1e9;
                let off = f64::from(ticks) / self.clock_rate - sent;
                found.timestamps += u64::from(off.abs() > JUMP);
            }
        }
        is_other
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
mod tests;

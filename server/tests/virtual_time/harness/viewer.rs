//! Somebody who is shown films: asks again for what they miss, and knows of each packet that they were sent, also of
//! those that were lost on the way. So it can be told whose fault a gap is.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use ferrite_server::media::egress::unwrap_rtx;
use ferrite_server::media::rtp::header::{Header, sequence_diff};
use ferrite_server::media::rtp::rtcp;

use super::bare::Received;
use super::caller::Caller;
use super::film::{CODECS, DESCRIPTOR, FRAME, Numbers, Shot, Taken, watched_as};

/// How long a packet may be late before it is asked for, and from one time to the next.
const PATIENCE: Duration = Duration::from_millis(15);
const RETRY: Duration = Duration::from_millis(50);
/// How often one is asked for; then a keyframe is.
const TRIES: u32 = 5;
/// How far what a picture says of its time may be from when it came: what it was held up on the way, and what
/// recovering it took.
const CREDIBLE: Duration = Duration::from_millis(500);

/// A packet that a slot was sent.
#[derive(Clone)]
pub struct Sight {
    /// When it came, or was lost.
    pub at: Instant,
    /// Its number, with the count of its wraps above.
    pub number: i64,
    pub timestamp: u32,
    pub payload_type: u8,
    pub shot: Shot,
    pub numbers: Numbers,
    pub payload: Vec<u8>,
    /// It came, by itself or as it was sent again.
    pub came: bool,
}

impl fmt::Debug for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            number,
            timestamp,
            payload_type,
            shot,
            numbers,
            ..
        } = self;
        let came = if self.came { "" } else { ", lost" };
        write!(
            f,
            "{at:?} {number}: {payload_type} at {timestamp}, {shot:?}, {numbers:?}{came}"
        )
    }
}

struct Missing {
    since: Instant,
    asked: Option<Instant>,
    tries: u32,
}

/// What a slot shows.
pub struct Slot {
    pub section: usize,
    pub media: u32,
    pub rtx: u32,
    /// By number.
    pub sent: BTreeMap<i64, Sight>,
    /// From when until when something became otherwise, here or with whoever publishes: what came late by then may
    /// have come too late.
    pub changes: Vec<[Instant; 2]>,
    /// What was sent again, as often as it was.
    pub again: Vec<i64>,
    /// How many of each codec came because they were asked for.
    pub recovered: [usize; CODECS.len()],
    highest: Option<i64>,
    /// The highest that came.
    came: Option<i64>,
    missing: BTreeMap<i64, Missing>,
    /// What was sent again came before what was sent.
    early: Vec<(i64, Received)>,
}

/// Who watches.
pub struct Viewer {
    pub number: usize,
    pub slots: Vec<Slot>,
    /// They ask for what they miss.
    pub asks: bool,
}

impl Viewer {
    /// With slots on all of their sections.
    pub fn new(number: usize, caller: &Caller) -> Self {
        let slots = (0..caller.agreed.sections.len()).map(|section| Slot {
            section,
            media: caller.slot(section),
            rtx: caller.slot_rtx(section),
            sent: BTreeMap::new(),
            changes: Vec::new(),
            again: Vec::new(),
            recovered: [0; CODECS.len()],
            highest: None,
            came: None,
            missing: BTreeMap::new(),
            early: Vec::new(),
        });
        Self {
            number,
            slots: slots.collect(),
            asks: true,
        }
    }

    /// Takes what came, and what did not, and asks for that.
    pub fn watch(&mut self, now: Instant, caller: &mut Caller) {
        let missed = std::mem::take(&mut caller.far.missed);
        let missed = missed.into_iter().map(|received| (received, false));
        let came = std::mem::take(&mut caller.far.rtp);
        for (received, came) in missed.chain(came.into_iter().map(|received| (received, true))) {
            let ssrc = received.header.ssrc;
            let mut slots = self.slots.iter_mut();
            let slot = slots.find(|slot| ssrc == slot.media || ssrc == slot.rtx);
            let slot = slot.unwrap_or_else(|| panic!("nobody agreed on {ssrc}"));
            match ssrc == slot.media {
                true => slot.see(&received, came),
                false if came => slot.recover(&received),
                false => {}
            }
        }
        if !self.asks || caller.far.srtp.is_none() {
            return;
        }
        for slot in &mut self.slots {
            let compound = slot.ask(now);
            if !compound.is_empty() {
                caller.far.send_rtcp(&compound);
            }
        }
    }
}

impl Slot {
    fn see(&mut self, received: &Received, came: bool) {
        let header = &received.header;
        let number = match self.highest {
            None => header.sequence.into(),
            Some(highest) => highest + i64::from(sequence_diff(header.sequence, highest as u16)),
        };
        self.highest = self.highest.max(Some(number));
        let shot = Shot::read(received.payload());
        let sight = Sight {
            at: received.at,
            number,
            timestamp: header.timestamp,
            payload_type: header.payload_type,
            shot,
            numbers: Numbers::read(
                shot.codec,
                received.payload(),
                received.extension(DESCRIPTOR),
            ),
            payload: received.payload().to_vec(),
            came,
        };
        if let Some(before) = self.sent.insert(number, sight) {
            panic!("{number} for two: {before:?} {shot:?}");
        }
        if !came {
            return;
        }
        self.missing.remove(&number);
        let early = self.early.extract_if(.., |(early, _)| *early == number);
        for (_, again) in early.collect::<Vec<_>>() {
            self.recover(&again);
        }
        // Nobody knows of what comes before the first.
        let highest = self.came.unwrap_or(number);
        for number in highest + 1..number {
            self.missing.insert(
                number,
                Missing {
                    since: received.at,
                    asked: None,
                    tries: 0,
                },
            );
        }
        self.came = Some(highest.max(number));
    }

    /// One came that was sent again: it is the one that was sent.
    fn recover(&mut self, received: &Received) {
        let sequence = u16::from_be_bytes(*received.payload().first_chunk().unwrap());
        let highest = self.highest.unwrap();
        let number = highest + i64::from(sequence_diff(sequence, highest as u16));
        let Some(sight) = self.sent.get_mut(&number) else {
            // It overtook the one that was sent first.
            self.early.push((number, received.clone()));
            return;
        };
        let (media, rtx) = watched_as(sight.shot.codec);
        assert_eq!(received.header.payload_type, rtx, "{:?}", sight.shot);
        let original = unwrap_rtx(&received.packet, &received.header, media, self.media).unwrap();
        let header = Header::parse(&original).unwrap();
        assert_eq!(
            (header.timestamp, &original[header.len..]),
            (sight.timestamp, &sight.payload[..]),
            "another was sent again than {number}, {:?}",
            sight.shot
        );
        self.recovered[sight.shot.codec] += usize::from(!sight.came);
        sight.came = true;
        self.again.push(number);
        self.missing.remove(&number);
    }

    fn ask(&mut self, now: Instant) -> Vec<u8> {
        let mut lost = Vec::new();
        for (number, missing) in &mut self.missing {
            let due = missing
                .asked
                .map_or(missing.since + PATIENCE, |at| at + RETRY);
            if now >= due {
                missing.asked = Some(now);
                missing.tries += 1;
                lost.push(*number as u16);
            }
        }
        let before = self.missing.len();
        self.missing.retain(|_, missing| missing.tries <= TRIES);
        let mut compound = Vec::new();
        if !lost.is_empty() {
            rtcp::write_nack(&mut compound, 1, self.media, &lost);
        }
        if self.missing.len() < before {
            rtcp::write_pli(&mut compound, 1, self.media);
        }
        compound
    }

    /// Holds what was sent against what the server took: there is no gap but what it never had, each source begins with
    /// a keyframe, and numbers and time go on.
    pub fn verify(&self, taken: &Taken) {
        let early = self.early.iter().map(|(number, _)| number);
        assert_eq!(
            early.collect::<Vec<_>>(),
            [&0; 0],
            "sent again, and not before"
        );
        let taken = taken.lock().unwrap();
        let order = |shot: Shot, number: u32| taken.get(&(shot.film, shot.layer, number));
        let sent: Vec<_> = self.sent.values().collect();
        let mut last = Numbers::default();
        for (at, sight) in sent.iter().enumerate() {
            let name = format!("slot {}: {sight:?}", self.section);
            assert_eq!(sight.payload_type, watched_as(sight.shot.codec).0, "{name}");
            let before = at.checked_sub(1).map(|at| sent[at]);
            let Some(before) = before else {
                assert!(sight.shot.begins(), "{name}");
                last = merged(sight.numbers, last);
                continue;
            };
            let name = format!("after {before:?}\n{name}");
            let steps = sight.number - before.number;
            let theirs = sight.shot.number.wrapping_sub(before.shot.number);
            let goes_on = before.shot.source() == sight.shot.source() && i64::from(theirs) == steps;
            if !goes_on {
                assert!(sight.shot.begins(), "no keyframe: {name}");
                assert!(!self.is_cut(before, sight, &taken), "cut: {name}");
            }
            for missing in 1..steps as u32 {
                let missing = before.shot.number + missing;
                let Some((_, came)) = order(before.shot, missing) else {
                    continue;
                };
                assert!(
                    self.is_over(at, *came, &sent, &taken),
                    "{missing} is missing: {name}"
                );
            }
            self.verify_time(before, sight, &name);
            verify_numbers(goes_on, before, sight, last, &name);
            last = merged(sight.numbers, last);
        }
    }

    /// Whether another source began within a frame of the one before it, of which the server had the rest by then, and
    /// nothing became otherwise since it had the beginning.
    fn is_cut(
        &self,
        before: &Sight,
        sight: &Sight,
        taken: &std::collections::HashMap<(u8, u8, u32), (usize, Instant)>,
    ) -> bool {
        let order = |shot: Shot, number: u32| taken.get(&(shot.film, shot.layer, number));
        let Shot { number, .. } = before.shot;
        let [began, rest] = [number, number + 1].map(|number| order(before.shot, number));
        let next = order(sight.shot, sight.shot.number);
        let (Some((_, from)), Some(rest), Some(next)) = (began, rest, next) else {
            return false;
        };
        let mut changes = self.changes.iter();
        let is_excused = changes.any(|[begin, end]| from <= end && *begin <= next.1);
        !before.shot.is_last && rest < next && !is_excused
    }

    /// Whether something else was shown, or wished for, by the time that a packet came which was missed between the one
    /// before this and this.
    fn is_over(
        &self,
        at: usize,
        came: Instant,
        sent: &[&Sight],
        taken: &std::collections::HashMap<(u8, u8, u32), (usize, Instant)>,
    ) -> bool {
        let sight = sent[at];
        let next = sent[at..]
            .iter()
            .find(|next| next.shot.source() != sight.shot.source());
        let order = |shot: Shot| taken.get(&(shot.film, shot.layer, shot.number));
        let begins = next.and_then(|next| Some(order(next.shot)?.1));
        let from = order(sight.shot).map_or(sight.at, |(_, at)| *at);
        let was_changed = |[begin, end]: &[Instant; 2]| from <= *end && *begin <= came;
        // What came before this was to be shown was kept for nobody.
        let came_before = |[begin, end]: &[Instant; 2]| came <= *end && *begin <= sent[at - 1].at;
        let changed = |change| was_changed(change) || came_before(change);
        begins.is_some_and(|begins| came >= begins) || self.changes.iter().any(changed)
    }

    fn verify_time(&self, before: &Sight, sight: &Sight, name: &str) {
        let ticks = sight.timestamp.wrapping_sub(before.timestamp) as i32;
        let is_same =
            before.shot.source() == sight.shot.source() && before.shot.frame == sight.shot.frame;
        if is_same {
            assert_eq!(ticks, 0, "{name}");
            return;
        }
        assert!(ticks > 0, "time goes back: {name}");
        let ms = f64::from(ticks) / 90.0;
        let passed = match sight.at >= before.at {
            true => (sight.at - before.at).as_secs_f64() * 1000.0,
            false => -(before.at - sight.at).as_secs_f64() * 1000.0,
        };
        let apart = (ms - passed).abs();
        assert!(
            apart < CREDIBLE.as_secs_f64() * 1000.0,
            "{apart} ms: {name}"
        );
    }

    /// How many frames of this source came since then. Nothing else may have come.
    pub fn shows(&self, since: Instant, source: (u8, u8)) -> usize {
        let sent = self.sent.values().filter(|sight| sight.at >= since);
        let mut frames: Vec<_> = sent
            .inspect(|sight| assert_eq!(sight.shot.source(), source, "{sight:?}"))
            .map(|sight| sight.shot.frame)
            .collect();
        frames.dedup();
        frames.len()
    }
}

/// The newest of each kind.
fn merged(newer: Numbers, older: Numbers) -> Numbers {
    Numbers {
        picture: newer.picture.or(older.picture),
        tl0: newer.tl0.or(older.tl0),
        descriptor: newer.descriptor.or(older.descriptor),
    }
}

/// Frames are counted on over sources, each by as many as there were since.
fn verify_numbers(goes_on: bool, before: &Sight, sight: &Sight, last: Numbers, name: &str) {
    let steps = match goes_on {
        true => sight.shot.frame - before.shot.frame,
        false => 1,
    };
    // Another codec is another decoder, which knows of no frame before.
    if before.shot.codec != sight.shot.codec {
        return;
    }
    let now = sight.numbers;
    if let (Some(before), Some(now)) = (last.picture, now.picture) {
        assert_eq!(now, (before + steps as u16) & 0x7FFF, "{name}");
    }
    if let (Some(before), Some(now)) = (last.tl0, now.tl0) {
        assert_eq!(now, before.wrapping_add(steps as u8), "{name}");
    }
    if let (Some(before), Some(now)) = (last.descriptor, now.descriptor) {
        assert_eq!(now, before.wrapping_add(steps as u16), "{name}");
    }
}

/// As many frames as there are in a time.
pub fn frames_in(span: Duration) -> usize {
    (span.as_secs_f64() / FRAME.as_secs_f64()) as usize
}

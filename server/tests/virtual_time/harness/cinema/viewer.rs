//! Who watches what the cinema shows, and what came of that.

use std::time::{Duration, Instant};

use ferrite_protocol::Limit;
use ferrite_server::media::ingest::arrivals::ArrivalRecorder;
use ferrite_server::media::peer::quality::Quality;

use super::super::estimating::Estimating;
use super::super::reel::{self, Glimpse};
use super::PICTURE;

/// A packet of the picture that came.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub at: Instant,
    pub sequence: u16,
    pub layer: u8,
    pub starts_keyframe: bool,
}

/// Who watches.
pub struct Viewer {
    pub(super) number: usize,
    pub(super) arrivals: ArrivalRecorder,
    /// What it makes of its path itself, where it does.
    pub estimating: Option<Estimating>,
    /// Packets of the picture.
    pub seen: Vec<Seen>,
    /// The same, where it has temporal layers.
    pub glimpses: Vec<Glimpse>,
    /// The numbers of packets of it that were sent again, and how many of it came before.
    pub again: Vec<(usize, u16)>,
    /// The numbers of packets of it of which nothing came but those.
    pub bare: Vec<u16>,
    /// When sound came.
    pub heard: Vec<Instant>,
    /// When what came of it was sent, and how long it took.
    pub sound_took: Vec<(Instant, Duration)>,
    /// What is paused, as its session was told, and when.
    pub paused: Vec<(Instant, Vec<usize>)>,
    /// How well it does, as its session was told last.
    pub quality: Quality,
    /// It says what came.
    pub reports: bool,
}

impl Viewer {
    pub(super) fn glimpse(&mut self, at: Instant, sequence: u16, payload: &[u8]) {
        if payload.is_empty() {
            self.bare.push(sequence);
            return;
        }
        let (layer, starts_keyframe, frame) = reel::read(payload);
        self.seen.push(Seen {
            at,
            sequence,
            layer,
            starts_keyframe,
        });
        self.glimpses.push(Glimpse {
            at,
            sequence,
            layer,
            frame,
        });
    }

    /// What was sent since, each time another layer or another number of temporal layers was: by looks at each second.
    pub fn shown_by_second(&self, from: Instant) -> Vec<(u8, u8)> {
        let mut seconds: Vec<(u64, u8, u8)> = Vec::new();
        for glimpse in self.glimpses.iter().filter(|it| it.at >= from) {
            let second = (glimpse.at - from).as_secs();
            let (layer, temporal) = (glimpse.layer, glimpse.frame.temporal);
            match seconds.last_mut() {
                Some((at, known, most)) if *at == second && *known == layer => {
                    *most = temporal.max(*most);
                }
                _ => seconds.push((second, layer, temporal)),
            }
        }
        seconds
            .into_iter()
            .map(|(_, layer, most)| (layer, most))
            .collect()
    }

    /// The layers that go out, and what keeps each from a better one.
    pub fn slots(&self) -> Vec<(Option<u8>, Option<Limit>)> {
        let slots = self.quality.slots.iter();
        slots.map(|(_, slot)| (slot.sent, slot.limit)).collect()
    }

    /// The layer of the picture that goes out, and what keeps it from a better one.
    pub fn does(&self) -> (Option<u8>, Option<Limit>) {
        let [(PICTURE, slot)] = &self.quality.slots[..] else {
            panic!("{:?}", self.quality);
        };
        (slot.sent, slot.limit)
    }

    /// Which of the callers it is.
    pub fn number(&self) -> usize {
        self.number
    }

    fn since(&self, from: Instant) -> impl Iterator<Item = &Seen> {
        self.seen.iter().filter(move |seen| seen.at >= from)
    }

    /// The layers that came since, each time another one did.
    pub fn layers(&self, from: Instant) -> Vec<u8> {
        let mut layers: Vec<_> = self.since(from).map(|seen| seen.layer).collect();
        layers.dedup();
        layers
    }

    /// How long after a moment a layer came first.
    pub fn reached(&self, from: Instant, layer: u8) -> Option<Duration> {
        let seen = self.since(from).find(|seen| seen.layer == layer)?;
        Some(seen.at - from)
    }

    /// The longest time without any of it.
    pub fn freeze(&self, from: Instant) -> Duration {
        longest(self.since(from).map(|seen| seen.at))
    }

    /// How many packets of the picture were sent again before they were sent.
    pub fn sent_again_too_soon(&self) -> usize {
        let is_first = |(at, sequence): &&(usize, u16)| {
            self.seen[*at..]
                .iter()
                .take(1000)
                .any(|seen| seen.sequence == *sequence)
        };
        self.again.iter().filter(is_first).count()
    }

    /// The longest time without sound.
    pub fn silence(&self, from: Instant) -> Duration {
        longest(self.heard.iter().copied().filter(|at| *at >= from))
    }

    /// How much longer than on a way without a queue sound took since: nineteen of twenty packets, and the one that took
    /// longest.
    pub fn sound_waited(&self, from: Instant) -> [Duration; 2] {
        let took = self.sound_took.iter().filter(|(at, _)| *at >= from);
        let mut took: Vec<_> = took.map(|(_, took)| *took).collect();
        took.sort_unstable();
        let quickest = took[0];
        let last = took.len() - 1;
        [took[last * 95 / 100], took[last]].map(|it| it - quickest)
    }

    /// Whether each other layer began with a keyframe, as far as that was not lost on the way.
    pub fn decodes(&self) -> bool {
        let pairs = self.seen.windows(2);
        let mut switches = pairs.filter(|pair| pair[0].layer != pair[1].layer);
        switches.all(|pair| {
            let is_next = pair[1].sequence == pair[0].sequence.wrapping_add(1);
            pair[1].starts_keyframe || !is_next
        })
    }
}

fn longest(moments: impl Iterator<Item = Instant>) -> Duration {
    let moments: Vec<_> = moments.collect();
    let gaps = moments.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or(Duration::MAX)
}

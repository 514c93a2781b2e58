//! How much members of rooms may send and be sent, whatever their ways carry. Who sends is told so, as browsers obey it;
//! of who sends far more all the same the best layers are not taken.

use std::time::{Duration, Instant};

use crate::media::plan::Gathering;

/// Who sends more than so many times what they may is not believed to obey.
pub const TOLERANCE: f64 = 1.5;
/// What is sent above that goes on for so long: an encoder takes a moment, and a keyframe is large.
pub const BURST: Duration = Duration::from_secs(2);
/// And it may be as much as this however little may be sent, in bytes: some large keyframes, or what a way held back.
pub const MIN_BURST: usize = 300_000;
/// For how long a layer is not taken.
pub const REFUSAL: Duration = Duration::from_secs(30);
/// For how long what one might send before counts after it became less: they have to hear of it first.
const GRACE: Duration = Duration::from_secs(3);
/// What of the burst the layers of a section may use, the least one first; those above the last are as it.
const SHARES: [f64; 3] = [1.0, 0.75, 0.5];
/// Nobody is told to send less, in bits per second: sound needs as much.
pub const MIN_UPLOAD: u64 = 50_000;

/// How much each may be, in bits per second; `None` is as much as there is room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// What a member sends.
    pub upload: Option<u64>,
    /// What a member is sent.
    pub download: Option<u64>,
    /// What all of a room send who publish pictures: each of them has an equal share.
    pub room: Option<u64>,
}

impl Ceilings {
    /// What one may send, where so many publish pictures in the room.
    pub fn upload(&self, publishers: usize) -> Option<u64> {
        let share = |room: u64| room / publishers.max(1) as u64;
        let all = [self.upload, self.room.map(share)];
        let least = all.into_iter().flatten().min();
        least.map(|bits| bits.max(MIN_UPLOAD))
    }
}

/// One who publishes pictures in a room, for as long as this is there.
#[derive(Debug)]
pub struct Publishing(Gathering);

impl Publishing {
    /// One more.
    pub fn of(gathering: &Gathering) -> Self {
        gathering.add_publisher();
        Self(gathering.clone())
    }

    /// Where.
    pub fn gathering(&self) -> &Gathering {
        &self.0
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.0.remove_publisher();
    }
}

/// A layer of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The section that it comes on.
    pub section: usize,
    /// Which of the section's, the best first.
    pub layer: u8,
    /// How many the section has.
    pub of: usize,
}

impl Layer {
    fn share(self) -> f64 {
        let above_least = self.of.saturating_sub(1 + usize::from(self.layer));
        SHARES[above_least.min(SHARES.len() - 1)]
    }
}

/// What is taken of what somebody sends: a bucket that what comes fills, and time empties.
#[derive(Debug, Default)]
pub struct Meter {
    looked: Option<Instant>,
    /// In bits.
    level: f64,
    /// What they may send as far as they know, and until when that was so.
    known: Option<(u64, Instant)>,
    /// What is not taken, and until when. There are no more of these than layers.
    refused: Vec<(Layer, Instant)>,
}

impl Meter {
    /// Whether a packet is taken, where so many bits per second may come. Sound, which is of no layer, always is.
    pub fn admits(
        &mut self,
        now: Instant,
        ceiling: u64,
        layer: Option<Layer>,
        bytes: usize,
    ) -> bool {
        let rate = TOLERANCE * self.known(now, ceiling) as f64;
        let capacity = (rate * BURST.as_secs_f64()).max(8.0 * MIN_BURST as f64);
        let before = self.looked.replace(now).unwrap_or(now);
        let elapsed = now.saturating_duration_since(before).as_secs_f64();
        self.level = (self.level - rate * elapsed).max(0.0);
        let filled = self.level + 8.0 * bytes as f64;
        if let Some(layer) = layer {
            self.refused.retain(|(_, until)| now < *until);
            if self.refused.iter().any(|(refused, _)| *refused == layer) {
                return false;
            }
            if filled > layer.share() * capacity {
                self.refused.push((layer, now + REFUSAL));
                return false;
            }
        }
        // Sound in excess is not held against pictures for longer than it lasts.
        self.level = filled.min(capacity);
        true
    }

    /// What they know that they may send: what became less a moment ago they may not have heard of.
    fn known(&mut self, now: Instant, ceiling: u64) -> u64 {
        let before = self
            .known
            .filter(|(bits, since)| *bits > ceiling && now < *since + GRACE);
        let known = before.unwrap_or((ceiling, now));
        self.known = Some(known);
        known.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_has_the_least_of_what_they_and_their_share_of_the_room_may() {
        let ceilings = |upload, room| Ceilings {
            upload,
            room,
            download: None,
        };
        assert_eq!(ceilings(None, None).upload(3), None);
        assert_eq!(ceilings(Some(800_000), None).upload(3), Some(800_000));
        let both = ceilings(Some(800_000), Some(2_000_000));
        assert_eq!(
            [0, 2, 4, 1000].map(|publishers| both.upload(publishers)),
            [800_000, 800_000, 500_000, MIN_UPLOAD].map(Some)
        );
    }

    /// What is taken of layers of so many kbit/s and of sound in the last seconds of twenty: the share, in per cent.
    fn taken(layers: [usize; 3]) -> [u32; 4] {
        let (start, mut meter, mut taken) = (Instant::now(), Meter::default(), [0; 4]);
        for tick in 0..200_u32 {
            let now = start + Duration::from_millis(100) * tick;
            for (at, kbits) in layers.into_iter().chain([40]).enumerate() {
                let layer = (at < 3).then_some(Layer {
                    section: 0,
                    layer: at as u8,
                    of: 3,
                });
                let bytes = kbits * 100 / 8;
                let is_taken = meter.admits(now, 800_000, layer, bytes);
                taken[at] += u32::from(is_taken && tick >= 100);
            }
        }
        taken
    }

    #[test]
    fn of_who_does_not_obey_the_best_layers_are_not_taken_and_sound_is() {
        assert_eq!(taken([700, 300, 100]), [100, 100, 100, 100]);
        assert_eq!(taken([1500, 400, 100]), [0, 100, 100, 100]);
        assert_eq!(taken([1500, 1300, 100]), [0, 0, 100, 100]);
        assert_eq!(taken([1500, 1300, 1300]), [0, 0, 0, 100]);
    }

    /// Another picture of the same sender's goes on, and so does one of one layer while it takes no more than it may.
    #[test]
    fn what_is_refused_is_one_picture_of_its_sender() {
        let (start, mut meter) = (Instant::now(), Meter::default());
        let of = |section, of| {
            let layer = 0;
            Some(Layer { section, layer, of })
        };
        let mut taken = [0, 0];
        for tick in 0..100_u32 {
            let now = start + Duration::from_millis(100) * tick;
            for (at, (layer, kbits)) in [(of(0, 3), 2000), (of(1, 1), 300)].into_iter().enumerate()
            {
                taken[at] += u32::from(meter.admits(now, 800_000, layer, kbits * 100 / 8));
            }
        }
        assert!(taken[0] < 50 && taken[1] == 100, "{taken:?}");
    }

    /// Who sends what they might has to hear first that they may send less.
    #[test]
    fn who_obeys_is_not_refused_when_others_come() {
        let (start, mut meter) = (Instant::now(), Meter::default());
        let layer = Some(Layer {
            section: 0,
            layer: 0,
            of: 1,
        });
        for tick in 0..100_u32 {
            let now = start + Duration::from_millis(100) * tick;
            // It may send a quarter from the fourth second on, and does two seconds later.
            let (may, sends) = (
                if tick < 40 { 4_000_000 } else { 1_000_000 },
                if tick < 60 { 4_000 } else { 1_000 },
            );
            assert!(meter.admits(now, may, layer, sends * 100 / 8), "{tick}");
        }
    }

    /// What a way held back for seconds comes at once.
    #[test]
    fn a_burst_of_some_keyframes_is_taken_however_little_may_be_sent() {
        let (now, mut meter) = (Instant::now(), Meter::default());
        let layer = Some(Layer {
            section: 0,
            layer: 0,
            of: 1,
        });
        for _ in 0..250 {
            assert!(meter.admits(now, MIN_UPLOAD, layer, 1200));
        }
        assert!(!meter.admits(now, MIN_UPLOAD, layer, 1200));
    }
}

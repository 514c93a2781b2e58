//! How much members of rooms may send and be sent, whatever their ways carry. Who sends is told so, as browsers obey it;
//! of who sends far more all the same the best layers are not taken.

use std::time::{Duration, Instant};

use crate::media::plan::Gathering;

/// Who sends more than so many times what they may is not believed to obey.
pub const TOLERANCE: f64 = 1.5;
/// What is sent above that goes on for so long: an encoder takes a moment, and a keyframe is large.
pub const BURST: Duration = Duration::from_secs(2);
/// For how long a layer is not taken.
pub const REFUSAL: Duration = Duration::from_secs(30);
/// What of the burst the layers may use, the best first; those below the last are as it.
const SHARES: [f64; 3] = [0.5, 0.75, 1.0];
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

/// What is taken of what somebody sends: a bucket that what comes fills, and time empties.
#[derive(Debug, Default)]
pub struct Meter {
    looked: Option<Instant>,
    /// In bits.
    level: f64,
    /// Until when a layer is not taken, the best first.
    refused: [Option<Instant>; SHARES.len()],
}

impl Meter {
    /// Whether a packet is taken, where so many bits per second may come. Sound, which has no `layer`, always is.
    pub fn admits(&mut self, now: Instant, ceiling: u64, layer: Option<u8>, bytes: usize) -> bool {
        let rate = TOLERANCE * ceiling as f64;
        let before = self.looked.replace(now).unwrap_or(now);
        let elapsed = now.saturating_duration_since(before).as_secs_f64();
        let level = (self.level - rate * elapsed).max(0.0);
        self.level = level;
        let filled = level + 8.0 * bytes as f64;
        if let Some(layer) = layer {
            let at = usize::from(layer).min(SHARES.len() - 1);
            if self.refused[at].is_some_and(|until| now < until) {
                return false;
            }
            if filled > SHARES[at] * rate * BURST.as_secs_f64() {
                self.refused[at] = Some(now + REFUSAL);
                return false;
            }
        }
        self.level = filled;
        true
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
                let layer = (at < 3).then_some(at as u8);
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
}

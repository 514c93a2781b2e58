//! Whether somebody speaks although their microphone is muted. Pure: levels come in, with the time.

/// On the meter's scale: speech close to a microphone is above it, a quiet room and a fan are not.
const LOUD: f32 = 0.5;
/// So many loud moments more than quiet ones are speech, and not a door.
const MOMENTS: u32 = 5;
/// It is said again after so many milliseconds at the earliest: whoever talks to somebody beside them knows.
const AGAIN_MS: f64 = 15_000.0;

#[derive(Debug, Default)]
pub(super) struct Unheard {
    moments: u32,
    told: Option<f64>,
}

impl Unheard {
    /// One is heard, or not in a room.
    pub(super) fn clear(&mut self) {
        self.moments = 0;
    }

    /// The microphone is this loud. Whether to say that nobody hears it.
    pub(super) fn hear(&mut self, level: f32, now: f64) -> bool {
        self.moments = match level >= LOUD {
            true => self.moments.saturating_add(1).min(MOMENTS),
            false => self.moments.saturating_sub(1),
        };
        let is_new = self.told.is_none_or(|told| now - told >= AGAIN_MS);
        let tells = self.moments == MOMENTS && is_new;
        if tells {
            (self.moments, self.told) = (0, Some(now));
        }
        tells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often it is said, and when first, while these levels come every tenth of a second.
    fn said(levels: impl IntoIterator<Item = f32>) -> Vec<usize> {
        let mut unheard = Unheard::default();
        let levels = levels.into_iter().enumerate();
        let said = levels.filter(|(at, level)| unheard.hear(*level, *at as f64 * 100.0));
        said.map(|(at, _)| at).collect()
    }

    #[test]
    fn who_speaks_is_told_after_half_a_second_and_seldom_again() {
        assert_eq!(said([0.7; 100]), [4]);
        assert_eq!(said([0.7; 400]), [4, 154, 304]);
    }

    #[test]
    fn a_door_or_a_fan_is_no_speech() {
        assert!(said([0.3; 100]).is_empty());
        let door = [0.9, 0.9, 0.9, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0];
        assert!(said(door.repeat(10)).is_empty());
    }

    #[test]
    fn pauses_between_words_are_speech() {
        assert_eq!(said([0.7, 0.7, 0.2].repeat(20)).len(), 1);
    }
}

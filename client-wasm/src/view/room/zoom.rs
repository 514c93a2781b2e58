//! How far somebody looks into a screen, and where. Pure.

use super::super::action::Look;

const MOST: f64 = 8.0;
const STEP: f64 = 1.5;
/// For each pixel that a wheel turns: a notch of most is a step, and the many small turns of a trackpad no more.
const PER_PIXEL: f64 = 0.005;
/// Of a turn at most.
const MOST_PIXELS: f64 = 200.0;

/// The part that is seen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Zoom {
    scale: f64,
    /// How far the middle lies from the picture's, in its widths and heights.
    middle: (f64, f64),
}

impl Default for Zoom {
    fn default() -> Self {
        Self {
            scale: 1.0,
            middle: (0.0, 0.0),
        }
    }
}

impl Zoom {
    /// In a tile of this width and height.
    pub(super) fn look(&mut self, look: Look, (width, height): (i32, i32)) {
        let share = |pixels: i32, all: i32| f64::from(pixels) / f64::from(all.max(1));
        match look {
            Look::Closer => self.scale *= STEP,
            Look::Away => self.scale /= STEP,
            Look::Wheel(pixels) if pixels < 0.0 => self.scale *= turned(pixels),
            Look::Wheel(pixels) => self.scale /= turned(pixels),
            Look::Whole => *self = Self::default(),
            Look::Along(x, y) => {
                self.middle.0 -= share(x, width) / self.scale;
                self.middle.1 -= share(y, height) / self.scale;
            }
        }
        self.scale = within(self.scale, 1.0, MOST);
        // Never beyond its edges.
        let most = (1.0 - 1.0 / self.scale) / 2.0;
        let (x, y) = self.middle;
        self.middle = (within(x, -most, most), within(y, -most, most));
    }

    pub(super) fn is_whole(&self) -> bool {
        self.scale <= 1.0
    }

    /// As a transform of CSS, about the middle.
    pub(super) fn transform(&self) -> String {
        let (x, y) = self.middle;
        let percent = |share: f64| crate::decimal::decimal(-share * 100.0, 2);
        let scale = crate::decimal::decimal(self.scale, 3);
        format!("scale({scale}) translate({}%, {}%)", percent(x), percent(y))
    }
}

/// How much closer, or further away, a turn of the wheel leads.
fn turned(pixels: f64) -> f64 {
    1.0 + pixels.abs().min(MOST_PIXELS) * PER_PIXEL
}

/// `clamp`, without its panic, whose words for numbers are a twentieth of what is downloaded.
fn within(value: f64, least: f64, most: f64) -> f64 {
    value.max(least).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TILE: (i32, i32) = (200, 100);

    #[test]
    fn goes_closer_and_away_between_all_of_it_and_enough() {
        let mut zoom = Zoom::default();
        (0..20).for_each(|_| zoom.look(Look::Closer, TILE));
        assert_eq!(zoom.scale, MOST);
        (0..20).for_each(|_| zoom.look(Look::Away, TILE));
        assert_eq!(zoom, Zoom::default());
    }

    #[test]
    fn a_wheel_leads_as_far_as_it_is_turned() {
        let mut zoom = Zoom::default();
        zoom.look(Look::Wheel(-100.0), TILE);
        assert_eq!(zoom.scale, STEP);
        zoom.look(Look::Wheel(100.0), TILE);
        assert!(zoom.is_whole());
        (0..20).for_each(|_| zoom.look(Look::Wheel(-5.0), TILE));
        assert!((1.5..1.7).contains(&zoom.scale), "{}", zoom.scale);
        zoom.look(Look::Wheel(-1e9), TILE);
        assert!(zoom.scale < 4.0, "{}", zoom.scale);
    }

    #[test]
    fn moves_with_the_pointer_and_never_beyond_the_edge() {
        let mut zoom = Zoom::default();
        zoom.look(Look::Along(100, 50), TILE);
        assert_eq!(zoom, Zoom::default());
        zoom.scale = 2.0;
        zoom.look(Look::Along(40, -10), TILE);
        assert_eq!(zoom.middle, (-0.1, 0.05));
        assert_eq!(zoom.transform(), "scale(2.000) translate(10.00%, -5.00%)");
        zoom.look(Look::Along(-900, 900), TILE);
        assert_eq!(zoom.middle, (0.25, -0.25));
        zoom.look(Look::Away, TILE);
        zoom.look(Look::Away, TILE);
        assert!(zoom.is_whole());
        assert_eq!(zoom.middle, (0.0, 0.0));
    }
}

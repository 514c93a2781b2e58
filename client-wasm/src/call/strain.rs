//! Whether this device keeps up with the pictures that come: what share of them it drops, over some seconds. Where
//! packets are lost, pictures are dropped for want of those, and nothing is concluded. Knows numbers; tells nobody.

use std::time::Duration;

use ferrite_protocol::Pressure;

/// For how long pictures are counted before anything is concluded.
const WINDOW: Duration = Duration::from_secs(4);
/// Fewer say nothing.
const MIN_FRAMES: f64 = 20.0;
/// What share dropped is too much, and what share is nothing.
const TOO_MUCH: f64 = 0.2;
const NOTHING: f64 = 0.05;
/// So many windows in a row make it so.
const AGREE: u8 = 2;

/// Of all pictures since the peer connection began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Frames {
    pub(crate) decoded: f64,
    pub(crate) dropped: f64,
    /// Packets.
    pub(crate) lost: f64,
}

/// What was found so far.
#[derive(Debug)]
pub(super) struct Strain {
    began: Option<(Duration, Frames)>,
    latest: Pressure,
    count: u8,
    pressure: Pressure,
}

impl Strain {
    pub(super) fn new() -> Self {
        Self {
            began: None,
            latest: Pressure::Nominal,
            count: 0,
            pressure: Pressure::Nominal,
        }
    }

    /// How this device does.
    pub(super) fn pressure(&self) -> Pressure {
        self.pressure
    }

    /// Takes a sample.
    pub(super) fn note(&mut self, frames: Frames, now: Duration) {
        let (began, before) = *self.began.get_or_insert((now, frames));
        if now < began + WINDOW {
            return;
        }
        self.began = Some((now, frames));
        let dropped = frames.dropped - before.dropped;
        let all = frames.decoded - before.decoded + dropped;
        // A page that was hidden, or a machine that slept, was not looked at.
        let is_whole = now < began + 2 * WINDOW && all >= MIN_FRAMES && dropped >= 0.0;
        if !is_whole || frames.lost > before.lost {
            return self.count = 0;
        }
        let latest = match dropped / all {
            share if share > TOO_MUCH => Pressure::Serious,
            share if share < NOTHING => Pressure::Nominal,
            _ => Pressure::Fair,
        };
        self.count = if latest == self.latest { self.count } else { 0 };
        (self.latest, self.count) = (latest, (self.count + 1).min(AGREE));
        if self.count == AGREE {
            self.pressure = latest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found after each of these seconds: pictures decoded and dropped, and packets lost.
    fn found(seconds: &[(f64, f64, f64)]) -> Vec<Pressure> {
        let (mut strain, mut frames) = (Strain::new(), Frames::default());
        let seconds = seconds.iter().enumerate();
        let found = seconds.map(|(at, (decoded, dropped, lost))| {
            frames.decoded += decoded;
            frames.dropped += dropped;
            frames.lost += lost;
            strain.note(frames, Duration::from_secs(at as u64));
            strain.pressure()
        });
        found.collect()
    }

    #[test]
    fn who_drops_many_pictures_for_long_is_under_pressure_until_it_drops_none() {
        let seconds = [[(15.0, 15.0, 0.0); 20], [(20.0, 0.0, 0.0); 20]].concat();
        let found = found(&seconds);
        assert_eq!(found[7], Pressure::Nominal);
        assert_eq!(
            (found[8], found[23]),
            (Pressure::Serious, Pressure::Serious)
        );
        assert_eq!(found[39], Pressure::Nominal);
    }

    #[test]
    fn a_moment_and_a_few_dropped_are_nothing() {
        let mut seconds = [(28.0, 1.0, 0.0); 40];
        seconds[10] = (0.0, 30.0, 0.0);
        assert!(found(&seconds).iter().all(|it| *it == Pressure::Nominal));
    }

    #[test]
    fn what_is_dropped_for_want_of_packets_says_nothing_of_this_device() {
        let seconds = [(10.0, 20.0, 3.0); 40];
        assert!(found(&seconds).iter().all(|it| *it == Pressure::Nominal));
        // Nor do pictures that are few, or none.
        assert!(
            found(&[(0.0, 4.0, 0.0); 40])
                .iter()
                .all(|it| *it == Pressure::Nominal)
        );
    }

    #[test]
    fn some_dropped_are_fair() {
        assert_eq!(found(&[(27.0, 3.0, 0.0); 20])[19], Pressure::Fair);
    }
}

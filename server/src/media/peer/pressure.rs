//! How much less a peer is sent whose end says that it cannot keep up: a step less while it says so, and a step more
//! once it has not for a while. Where that proved too much, it is tried later the next time. Pure.

use std::time::{Duration, Instant};

use ferrite_protocol::Pressure;

/// Steps down to the least.
pub(super) const MAX_STEP: u8 = 4;
/// From one step down to the next: what was done is to show first.
const DOWN: Duration = Duration::from_secs(4);
/// For how long all has to be well before a step up, at first and at most.
const UP: Duration = Duration::from_secs(10);
const MAX_UP: Duration = Duration::from_secs(240);
/// A step up that was too much shows within this time.
const SETTLED: Duration = Duration::from_secs(30);

/// What is taken off.
#[derive(Debug)]
pub(super) struct Relief {
    pressure: Pressure,
    step: u8,
    /// When the next step up may be, once it is known.
    next: Option<Instant>,
    /// When the last step down was.
    lowered: Option<Instant>,
    /// When the last step up was.
    raised: Option<Instant>,
    patience: Duration,
}

impl Default for Relief {
    fn default() -> Self {
        Self {
            pressure: Pressure::Nominal,
            step: 0,
            next: None,
            lowered: None,
            raised: None,
            patience: UP,
        }
    }
}

impl Relief {
    /// The other end says how it does.
    pub(super) fn press(&mut self, pressure: Pressure) {
        if self.pressure != pressure {
            self.pressure = pressure;
            self.next = None;
        }
    }

    /// How many steps are taken now.
    pub(super) fn step(&mut self, now: Instant) -> u8 {
        match self.pressure {
            Pressure::Nominal if self.step > 0 => self.rise(now),
            Pressure::Nominal | Pressure::Fair => {}
            Pressure::Serious if self.lowered.is_some_and(|at| now < at + DOWN) => {}
            Pressure::Serious => self.fall(now, 1),
            Pressure::Critical => self.fall(now, MAX_STEP),
        }
        self.step
    }

    fn rise(&mut self, now: Instant) {
        let next = *self.next.get_or_insert(now + self.patience);
        if now >= next {
            self.step -= 1;
            self.raised = Some(now);
            self.next = Some(now + self.patience);
        }
    }

    fn fall(&mut self, now: Instant, steps: u8) {
        if self.step == MAX_STEP {
            return;
        }
        self.step = (self.step + steps).min(MAX_STEP);
        self.lowered = Some(now);
        let Some(raised) = self.raised.take() else {
            return;
        };
        self.patience = match now < raised + SETTLED {
            true => (2 * self.patience).min(MAX_UP),
            false => UP,
        };
    }
}

/// How many layers less a picture is sent after so many steps. The one that comes first is spared for longest; of the
/// others there are more, and they are seen less well.
pub(super) fn lowers(step: u8, comes_first: bool) -> u8 {
    match comes_first {
        true => step / 2,
        false => step.div_ceil(2),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Steps by the second, where each is said from some second on.
    fn steps(said: &[(u64, Pressure)], seconds: u64) -> Vec<u8> {
        let (start, mut relief) = (Instant::now(), Relief::default());
        let step = |second| {
            let news = said.iter().find(|(at, _)| *at == second);
            news.into_iter().for_each(|(_, it)| relief.press(*it));
            relief.step(start + Duration::from_secs(second))
        };
        (0..seconds).map(step).collect()
    }

    #[test]
    fn less_is_sent_while_it_is_too_much_and_more_once_it_has_not_been_for_long() {
        let steps = steps(&[(1, Pressure::Serious), (7, Pressure::Nominal)], 60);
        assert_eq!(steps[..8], [0, 1, 1, 1, 1, 2, 2, 2]);
        assert_eq!([16, 17, 26, 27].map(|at| steps[at]), [2, 1, 1, 0]);
    }

    #[test]
    fn what_is_fair_stays_and_what_is_critical_is_the_least_at_once() {
        let steps = steps(&[(1, Pressure::Critical), (3, Pressure::Fair)], 600);
        assert_eq!((steps[0], steps[1], steps[599]), (0, MAX_STEP, MAX_STEP));
    }

    /// What was done is to show first, whatever is said meanwhile.
    #[test]
    fn who_wavers_is_taken_off_no_more_than_who_does_not() {
        let said = |second| match second {
            11 => Pressure::Critical,
            _ if second % 2 == 0 => Pressure::Serious,
            _ if second % 4 == 1 => Pressure::Fair,
            _ => Pressure::Nominal,
        };
        let said: Vec<_> = (0..12).map(|second| (second, said(second))).collect();
        let steps = steps(&said, 12);
        assert_eq!(steps, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, MAX_STEP]);
    }

    #[test]
    fn however_long_it_is_too_much_there_is_a_least() {
        let steps = steps(&[(0, Pressure::Serious)], 600);
        assert_eq!(steps[599], MAX_STEP);
        let lowered = |first| (0..=MAX_STEP).map(move |it| lowers(it, first));
        let [others, first] = [false, true].map(|first| lowered(first).collect::<Vec<_>>());
        assert_eq!((others, first), (vec![0, 1, 1, 2, 2], vec![0, 0, 1, 1, 2]));
    }

    /// An end that can do with one step less, and says so two seconds after it was tried.
    #[test]
    fn what_proved_too_much_is_tried_ever_more_rarely() {
        let (start, mut relief) = (Instant::now(), Relief::default());
        let (mut changes, mut before, mut too_much_for) = (0, 0, 0);
        for second in 0..1200 {
            too_much_for = if before == 0 { too_much_for + 1 } else { 0 };
            relief.press(match too_much_for > 2 {
                true => Pressure::Serious,
                false => Pressure::Nominal,
            });
            let step = relief.step(start + Duration::from_secs(second));
            changes += u32::from(step != before);
            before = step;
        }
        assert!(
            (6..=20).contains(&changes),
            "{changes} changes in 20 minutes"
        );
    }
}

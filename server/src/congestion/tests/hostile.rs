//! Whatever the other end says, it harms itself alone, and it takes no more than it says.

use std::cell::Cell;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::super::arrival_clock::WRAP;
use super::super::*;

/// A second of media, and what is said of each packet.
fn second(estimator: &mut Estimator, from: Instant, say: impl Fn(i64) -> Option<i64>) {
    for at in 0..50 {
        let now = from + Duration::from_millis(20) * at;
        let first = estimator.send(now, 1200, Purpose::Media);
        (0..3).for_each(|_| _ = estimator.send(now, 1200, Purpose::Media));
        let micros = i64::from(at) * 20_000;
        estimator.hear(now + Duration::from_millis(50), first, [say(micros); 4]);
        estimator.handle_timeout(now, true);
    }
}

fn bits(estimator: &Estimator) -> f64 {
    estimator
        .estimate()
        .map_or(0.0, |estimate| estimate.bits_per_second as f64)
}

#[test]
fn who_says_that_all_came_at_once_gets_no_more_than_there_is() {
    let start = Instant::now();
    let mut estimator = Estimator::new(start);
    for n in 0..120 {
        second(&mut estimator, start + Duration::from_secs(n), |_| {
            Some(1_000_000)
        });
    }
    assert!(bits(&estimator) <= MAX_RATE);
    assert!(estimator.history.memory() <= 8 * MAX_SENT);
}

#[test]
fn who_says_that_nothing_came_gets_the_least() {
    let start = Instant::now();
    let mut estimator = Estimator::new(start);
    second(&mut estimator, start, |at| Some(at + 50_000));
    for n in 1..120 {
        second(&mut estimator, start + Duration::from_secs(n), |_| None);
    }
    assert_eq!(bits(&estimator), MIN_RATE);
}

/// Bytes of padding in twenty seconds to somebody who wants much, says of everything that it came, so much more
/// slowly than it was sent, and is sent media now and then.
fn padding(slower: f64, media: bool) -> usize {
    let start = Instant::now();
    let mut estimator = Estimator::new(start);
    estimator.want(8_000_000, true);
    let (mut padding, mut sent) = (0, Vec::new());
    for ms in 0..30_000 {
        let now = start + Duration::from_millis(ms);
        estimator.handle_timeout(now, true);
        // There has to have been some, for there to be padding.
        if ms % 20 == 0 && (media || ms < 1000) {
            sent.push((estimator.send(now, 1200, Purpose::Media), ms));
        }
        while estimator.padding(now).is_some() {
            padding += if ms >= 10_000 { 255 } else { 0 };
            sent.push((estimator.send(now, 255, Purpose::Padding), ms));
        }
        if ms % 50 == 49 {
            let first = sent.first().map(|(number, _)| *number);
            let arrived = |ms: u64| Some((ms as f64 * slower * 1000.0) as i64);
            let says = sent.drain(..).map(|(_, ms)| arrived(ms));
            estimator.hear(now, first.unwrap_or_default(), says.collect::<Vec<_>>());
        }
    }
    padding
}

#[test]
fn nobody_is_sent_more_padding_than_probes_take_now_and_then() {
    // A cluster of 20 ms at 8 Mbit/s and a little more, each second and a half.
    let most = 14 * 21_000;
    for slower in [1.0, 1.1, 1.25, 1.4, 2.0] {
        let padding = padding(slower, true);
        assert!(padding <= most, "{padding} at {slower}");
    }
}

#[test]
fn what_is_paused_is_probed_for_though_nothing_else_is_sent() {
    let padding = padding(1.5, false);
    assert!(padding > 0, "{padding}");
}

#[test]
fn a_clock_that_comes_round_or_jumps_is_followed() {
    let start = Instant::now();
    let mut estimator = Estimator::new(start);
    let round = WRAP - 5_000_000;
    for n in 0..10 {
        let from = start + Duration::from_secs(n);
        second(&mut estimator, from, |at| {
            Some((round + n as i64 * 1_000_000 + at) % WRAP)
        });
    }
    let before = bits(&estimator);
    assert!(before > 300_000.0, "{before}");
    for n in 10..20 {
        let from = start + Duration::from_secs(n);
        second(&mut estimator, from, |at| {
            Some(900_000_000 + n as i64 * 1_000_000 + at)
        });
    }
    assert!(bits(&estimator) >= before);
}

#[test]
fn silence_lowers_what_is_sent_and_idleness_does_not() {
    let start = Instant::now();
    let at = |ms: u64| start + Duration::from_millis(ms);
    let mut estimator = Estimator::new(start);
    second(&mut estimator, start, |at| Some(at + 50_000));
    second(&mut estimator, at(1000), |at| Some(at + 1_050_000));
    let before = bits(&estimator);
    assert!(before >= 300_000.0);
    (2000..60_000)
        .step_by(100)
        .for_each(|ms| estimator.handle_timeout(at(ms), true));
    assert_eq!(bits(&estimator), before);
    for ms in (60_000..70_000).step_by(100) {
        estimator.send(at(ms), 1200, Purpose::Media);
        estimator.handle_timeout(at(ms), true);
    }
    assert!(bits(&estimator) < before / 4.0);
}

#[test]
fn what_was_lost_before_a_silence_says_nothing_after_it() {
    let start = Instant::now();
    let mut estimator = Estimator::new(start);
    let turn = Cell::new(0);
    for n in 0..3 {
        second(&mut estimator, start + Duration::from_secs(n), |at| {
            turn.set(turn.get() + 1);
            (turn.get() % 4 != 0).then_some(at + 50_000)
        });
    }
    assert!(estimator.estimate().unwrap().is_strained());
    for n in 3..8 {
        estimator.handle_timeout(start + Duration::from_secs(n), false);
    }
    assert!(!estimator.estimate().unwrap().is_strained());
}

#[test]
fn each_thing_said_is_looked_at_once() {
    let start = Instant::now();
    let mut estimator = Estimator::new(start);
    for _ in 0..MAX_SENT {
        estimator.send(start, 1200, Purpose::Media);
    }
    let looked = Cell::new(0);
    let says = std::iter::repeat_n(Some(5), 512).inspect(|_| looked.set(looked.get() + 1));
    estimator.hear(start, 0, says);
    assert_eq!(looked.get(), 512);
}

#[test]
fn a_subscriber_costs_less_than_six_kilobytes() {
    let start = Instant::now();
    let mut estimator = Estimator::new(start);
    // Ten megabits; ten times as much is remembered for longer.
    for n in 0..4000 {
        let now = start + Duration::from_secs(1) / 1200 * n;
        estimator.send(now, 1100, Purpose::Media);
    }
    let all = size_of::<Estimator>() + estimator.history.memory();
    assert!(all <= 6000, "{all}");
    assert!(size_of::<Estimator>() + 8 * MAX_SENT <= 18_000);
}

#[test]
fn another_path_begins_anew_and_its_numbers_go_on() {
    let start = Instant::now();
    let mut estimator = Estimator::new(start);
    second(&mut estimator, start, |at| Some(at + 50_000));
    let last = estimator.send(start, 1200, Purpose::Media);
    estimator.change_path(start);
    assert_eq!(estimator.estimate(), None);
    let next = estimator.send(start, 1200, Purpose::Media);
    assert_eq!(next, last.wrapping_add(1));
    estimator.hear(start, last, [Some(5)]);
    assert!(estimator.heard.is_none());
}

proptest! {
    #[test]
    fn nothing_that_is_said_is_too_much(
        said in proptest::collection::vec(
            (0..100_u64, any::<u16>(), proptest::collection::vec(any::<Option<i64>>(), 0..40)),
            0..60,
        ),
    ) {
        let mut now = Instant::now();
        let mut estimator = Estimator::new(now);
        estimator.want(u64::MAX, false);
        for (wait, base, arrivals) in said {
            now += Duration::from_millis(wait);
            (0..40).for_each(|_| _ = estimator.send(now, 1200, Purpose::Media));
            estimator.hear(now, base % 4096, arrivals);
            estimator.handle_timeout(now, true);
            let due = estimator.padding(now).unwrap_or(0);
            prop_assert!(due as f64 <= MAX_PROBE * 0.3 / 8.0, "{due} bytes of padding");
            if let Some(estimate) = estimator.estimate() {
                let bits = estimate.bits_per_second as f64;
                prop_assert!((MIN_RATE..=MAX_RATE).contains(&bits), "{bits}");
            }
        }
    }
}

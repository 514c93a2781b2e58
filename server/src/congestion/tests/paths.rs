//! What is estimated over links of all kinds, in virtual time.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::link::{Link, Run, Source, run};

const LAYERS: [f64; 3] = [150_000.0, 500_000.0, 1_500_000.0];
/// As much as there is.
const EVERYTHING: Source = Source::Follows(1e8);
/// From when on a call is past its beginning, and how long it lasts, in seconds.
const STEADY: f64 = 10.0;
const LENGTH: u32 = 60;
const END: f64 = LENGTH as f64;

/// The share of the link that is used.
fn used(run: &Run, link: &Link, from: f64, to: f64) -> f64 {
    run.mean(from, to, |tenth| tenth.arrived) / link.rate(from)
}

fn lowest(run: &Run, from: f64, to: f64) -> f64 {
    let estimates = run.between(from, to).iter().map(|tenth| tenth.estimate);
    estimates.fold(f64::INFINITY, f64::min)
}

fn highest(run: &Run, from: f64, to: f64) -> f64 {
    let estimates = run.between(from, to).iter().map(|tenth| tenth.estimate);
    estimates.fold(0.0, f64::max)
}

/// Uses more than four fifths, without a queue, and stays near to what there is.
#[track_caller]
fn uses(link: &Link) -> Run {
    let run = run(link, &EVERYTHING, LENGTH);
    let used = used(&run, link, STEADY, END);
    assert!(used > 0.8, "{used} used");
    let queue = run.queue_p95(STEADY, END);
    assert!(queue < Duration::from_millis(100), "{queue:?}");
    let (lowest, highest) = (lowest(&run, STEADY, END), highest(&run, STEADY, END));
    let rate = link.rate(0.0);
    assert!(
        lowest > 0.7 * rate && highest < 1.3 * rate,
        "{lowest} {highest}"
    );
    run
}

#[test]
fn bottlenecks_are_used_and_their_queues_stay_short() {
    for rate in [300_000.0, 1e6, 4e6] {
        for delay in [25, 100] {
            let delay = Duration::from_millis(delay);
            let run = uses(&Link {
                delay,
                ..Link::of(rate)
            });
            let found = run.reaches(0.0, 0.8 * rate).unwrap();
            assert!(found < 1.0, "{found} s until {rate} was found");
        }
    }
}

#[test]
fn losses_that_are_not_for_want_of_room_cost_little() {
    uses(&Link {
        loss: 0.05,
        ..Link::of(4e6)
    });
}

#[test]
fn a_link_that_drops_what_it_has_no_room_for_is_used() {
    uses(&Link {
        queue: Duration::from_millis(30),
        ..Link::of(1e6)
    });
}

#[test]
fn jitter_is_not_taken_for_a_queue() {
    uses(&Link {
        jitter: Duration::from_millis(10),
        ..Link::of(2e6)
    });
}

/// They are said to be lost, and then to have arrived.
#[test]
fn packets_that_are_overtaken_are_not_taken_for_lost() {
    let link = Link {
        jitter: Duration::from_millis(50),
        overtakes: true,
        ..Link::of(2e6)
    };
    let run = run(&link, &EVERYTHING, LENGTH);
    let used = used(&run, &link, STEADY, END);
    assert!(used > 0.8, "{used} used");
    assert!(run.queue_p95(STEADY, END) < Duration::from_millis(100));
}

#[test]
fn reports_that_are_lost_or_overtaken_cost_little() {
    let link = Link {
        reports_lost: 0.3,
        reports_late: Duration::from_millis(250),
        ..Link::of(2e6)
    };
    let run = run(&link, &EVERYTHING, LENGTH);
    assert!(used(&run, &link, STEADY, END) > 0.8);
    assert!(run.queue_p95(STEADY, END) < Duration::from_millis(100));
}

#[test]
fn it_falls_within_a_second_and_is_back_within_four() {
    let link = Link {
        rates: vec![(0.0, 2e6), (20.0, 5e5), (40.0, 2e6)],
        ..Link::of(2e6)
    };
    for source in [EVERYTHING, Source::Layers(LAYERS.to_vec())] {
        let run = run(&link, &source, LENGTH);
        assert!(highest(&run, 21.0, 39.0) < 650_000.0);
        assert!(lowest(&run, 23.0, 40.0) > 350_000.0);
        assert!(run.queue_p95(22.0, 40.0) < Duration::from_millis(100));
        let back = run.reaches(40.0, 1_600_000.0).unwrap();
        assert!(back < 4.0, "{back} s until it was back");
    }
}

#[test]
fn layers_do_not_flap() {
    for rate in [200_000.0, 400_000.0, 600_000.0, 900_000.0, 1_700_000.0, 3e6] {
        let link = Link::of(rate);
        let run = run(&link, &Source::Layers(LAYERS.to_vec()), LENGTH);
        let switches = run.switches(5.0, END);
        assert!(switches < 4, "{switches} switches at {rate}");
        assert!(run.queue_p95(5.0, END) < Duration::from_millis(100));
        let carried = LAYERS.iter().rfind(|layer| **layer * 1.3 < rate);
        let source = run.mean(5.0, END, |tenth| tenth.source);
        assert!(source >= *carried.unwrap() * 0.99, "{source} of {rate}");
    }
}

#[test]
fn others_on_the_link_are_made_way_for() {
    let link = Link {
        cross: 1e6,
        ..Link::of(2e6)
    };
    let run = run(&link, &EVERYTHING, LENGTH);
    // They come at 15, 25, … and go five seconds later.
    for from in [15.0, 25.0, 35.0, 45.0] {
        assert!(highest(&run, from + 1.0, from + 4.9) < 1_300_000.0);
        assert!(run.queue_p95(from + 2.0, from + 5.0) < Duration::from_millis(100));
        let back = run.reaches(from + 5.0, 1_500_000.0).unwrap();
        assert!(back < 4.0, "{back} s until it was back");
    }
}

/// A link like there may be one.
fn any(seed: u64) -> Link {
    let mut random = StdRng::seed_from_u64(seed);
    let rate = 300_000.0 * 20_f64.powf(random.random());
    let mut millis = |most: u64| Duration::from_millis(random.random_range(0..=most));
    Link {
        delay: Duration::from_millis(5) + millis(95),
        jitter: millis(8),
        reports_late: millis(50),
        queue: Duration::from_millis(100) + millis(400),
        loss: random.random_range(0.0..0.03),
        reports_lost: random.random_range(0.0..0.1),
        rates: vec![
            (0.0, rate),
            (25.0, rate * random.random_range(0.4..1.0)),
            (45.0, rate),
        ],
        seed,
        ..Link::of(rate)
    }
}

#[test]
fn a_hundred_links_are_used_without_queues_and_without_swinging() {
    let mut poor = 0;
    for seed in 0..100 {
        let link = any(seed);
        let run = run(&link, &EVERYTHING, LENGTH);
        for (from, to) in [(10.0, 25.0), (30.0, 45.0), (50.0, END)] {
            let used = used(&run, &link, from, to);
            let queue = run.queue_p95(from, to);
            let rate = link.rate(from);
            let lowest = lowest(&run, from, to) / rate;
            let highest = highest(&run, from, to) / rate;
            let seen = format!(
                "link {seed} from {from}: {used} used, queue {queue:?}, from {lowest} to {highest}"
            );
            assert!(used > 0.55 && queue < Duration::from_millis(150), "{seen}");
            assert!(lowest > 0.25 && highest < 1.4, "{seen}");
            let is_good = used > 0.8 && queue < Duration::from_millis(100);
            poor += usize::from(!is_good);
        }
    }
    // Of 300.
    assert!(poor <= 12, "{poor} were used less, or had a queue");
}

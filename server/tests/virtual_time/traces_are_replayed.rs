//! What one subscriber's congestion control was told and decided is written down, and decided again the same.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ferrite_server::congestion::trace::{Ending, Replay, replay};
use ferrite_server::congestion::{OperatingPoint, Sink};
use ferrite_server::media::ceilings::Ceilings;

use crate::harness::cinema::{Cinema, PICTURE};
use crate::harness::seed;

const SECOND: Duration = Duration::from_secs(1);

/// A trace that is kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Sink for Kept {
    fn write(&mut self, block: Vec<u8>) -> bool {
        self.0.lock().unwrap().extend(block);
        true
    }
}

/// What is written of a viewer whose way becomes narrow, too narrow for any picture, and wide again.
fn trace() -> Vec<u8> {
    traced(Cinema::new(seed(1)), |cinema| cinema.enter(2_500_000.0))
}

/// The same, of one who says nothing of single packets, but what their way carries (REMB).
fn trace_of_a_receiver() -> Vec<u8> {
    traced(Cinema::new(seed(1)), |cinema| {
        cinema.enter_estimating(2_500_000.0)
    })
}

fn traced(mut cinema: Cinema, enter: impl FnOnce(&mut Cinema) -> usize) -> Vec<u8> {
    let kept = Kept::default();
    cinema.world.sink = Some(Box::new(kept.clone()));
    let viewer = enter(&mut cinema);
    cinema.run_for(10 * SECOND);
    for rate in [700_000.0, 110_000.0, 2_500_000.0] {
        cinema.set_rate(viewer, rate);
        cinema.run_for(10 * SECOND);
    }
    cinema.change_rooms(viewer);
    let caller = cinema.viewers[viewer].number();
    cinema.world.change_address(caller);
    cinema.run_for(10 * SECOND);
    drop(cinema);
    let trace = kept.0.lock().unwrap();
    trace.clone()
}

fn again(trace: &[u8]) -> Replay {
    let replay = replay(trace).unwrap();
    assert!(replay.decisions > 1000, "{}", replay.decisions);
    replay
}

#[test]
fn every_decision_is_made_again_and_a_changed_byte_is_noticed() {
    for trace in [trace(), trace_of_a_receiver()] {
        decides_again(&trace);
    }
}

fn decides_again(trace: &[u8]) {
    let whole = again(trace);
    assert!(whole.is_the_same(), "{:?}", whole.differences);
    assert_eq!(whole.ending, Ending::Whole);
    for at in (0..trace.len()).step_by(97) {
        let mut changed = trace.to_vec();
        changed[at] ^= 0x10;
        let noticed = replay(&changed).is_ok_and(|replay| {
            // A length that is too long is like a file that was cut off.
            replay.is_the_same() && replay.ending == Ending::Whole
        });
        assert!(!noticed, "byte {at}");
    }
}

#[test]
fn it_shows_what_was_known_and_what_was_given() {
    let whole = again(&trace());
    let at = |seconds: u64| {
        let until = Duration::from_secs(seconds);
        whole.moments.iter().rfind(|it| it.at < until).unwrap()
    };
    let bits = |seconds| at(seconds).estimate.unwrap().bits_per_second;
    assert!(bits(10) > 1_200_000 && bits(20) < 800_000, "{whole:?}");
    assert_eq!(
        [10, 20, 30].map(|it| at(it).given.to_vec()),
        [
            vec![(PICTURE, Some(OperatingPoint::whole(0)))],
            vec![(PICTURE, Some(OperatingPoint::whole(1)))],
            vec![(PICTURE, None)],
        ]
    );
    assert!(at(10).wanted > 1_000_000);
    // While the queue filled up.
    let fell = whole.moments.iter().filter(|it| it.at.as_secs() == 10);
    let (longest, steady) = (fell.filter_map(|it| it.delay).max(), at(10).delay);
    assert!(
        longest.unwrap() > steady.unwrap() + Duration::from_millis(30),
        "{longest:?} after {steady:?}"
    );
    assert!(at(40).sent > at(30).sent && at(40).padding > 0);
}

#[test]
fn it_shows_what_an_end_says_itself() {
    let whole = again(&trace_of_a_receiver());
    let at = |seconds: u64| {
        let until = Duration::from_secs(seconds);
        whole.moments.iter().rfind(|it| it.at < until).unwrap()
    };
    let bits = [9, 20].map(|it| at(it).estimate.unwrap().bits_per_second);
    assert!(bits[0] > 1_200_000 && bits[1] < 800_000, "{bits:?}");
    let given = |seconds| at(seconds).given.to_vec();
    let whole_of = |layer| vec![(PICTURE, Some(OperatingPoint::whole(layer)))];
    assert_eq!([10, 20].map(given), [0, 1].map(whole_of));
    assert!(at(10).wanted > 1_000_000);
    assert!(at(40).sent > at(30).sent && at(40).padding > 0);
    // Of single packets nothing was said.
    assert!(whole.moments.iter().all(|it| it.delay.is_none()));
}

/// Sound has numbers, and pictures have not: two estimators, and one trace.
#[test]
fn both_kinds_of_estimates_are_in_one_trace() {
    let trace = traced(Cinema::new(seed(2)), |cinema| {
        cinema.enter_estimating_pictures(2_500_000.0)
    });
    let whole = again(&trace);
    assert!(whole.is_the_same(), "{:?}", whole.differences);
    assert!(whole.moments.iter().any(|it| it.padding > 0));
}

/// Where somebody may be sent no more than so much it is decided who gets what before anything is known of a path.
#[test]
fn what_is_decided_before_anything_is_known_is_decided_again() {
    let ceilings = Ceilings {
        download: Some(600_000),
        ..Ceilings::default()
    };
    let enters: [fn(&mut Cinema) -> usize; 2] = [
        |cinema| cinema.enter(2_500_000.0),
        |cinema| cinema.enter_estimating(2_500_000.0),
    ];
    for enter in enters {
        let whole = again(&traced(Cinema::limited(seed(3), ceilings), enter));
        assert!(whole.is_the_same(), "{:?}", whole.differences);
        let first = whole.moments.first().unwrap();
        assert_eq!(first.estimate, None);
        assert!(!first.given.is_empty());
    }
}

#[test]
fn what_is_cut_off_is_replayed_as_far_as_it_goes() {
    let trace = trace();
    let cut = again(&trace[..trace.len() - 5]);
    assert_eq!(cut.ending, Ending::Cut);
    assert!(cut.is_the_same());
}

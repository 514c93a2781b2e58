//! Who has no transport-wide feedback says itself what its path carries (REMB), and gets a layer that fits that.

use std::time::Duration;

use ferrite_server::media::rtp::rtcp;

use crate::harness::cinema::{Cinema, PICTURE};
use crate::harness::seed;

const SECOND: Duration = Duration::from_secs(1);
const WIDE: f64 = 10_000_000.0;

#[test]
fn everybody_gets_the_best_layer_that_fits_what_they_say() {
    let mut cinema = Cinema::new(seed(1));
    let rates = [WIDE, 2_500_000.0, 700_000.0, 300_000.0];
    let viewers = rates.map(|rate| cinema.enter_estimating(rate));
    cinema.run_for(20 * SECOND);
    let steady = cinema.world.now;
    cinema.run_for(30 * SECOND);
    for (viewer, layers) in viewers.into_iter().zip([[0], [0], [1], [2]]) {
        let viewer = &cinema.viewers[viewer];
        assert_eq!(viewer.layers(steady), layers);
        assert!(viewer.decodes() && viewer.freeze(steady) < SECOND / 2);
        assert!(viewer.silence(steady) < SECOND / 2);
    }
}

/// What is said is hardly more than what comes, so it would never rise by itself.
#[test]
fn the_best_comes_back_with_the_room_for_it() {
    let mut cinema = Cinema::new(seed(2));
    let (viewer, other) = (cinema.enter_estimating(3_000_000.0), cinema.enter(WIDE));
    cinema.run_for(10 * SECOND);
    let dropped = cinema.world.now;
    cinema.set_rate(viewer, 300_000.0);
    cinema.run_for(20 * SECOND);
    let returned = cinema.world.now;
    assert_eq!(cinema.viewers[viewer].layers(returned - SECOND), [2]);
    cinema.set_rate(viewer, 3_000_000.0);
    cinema.run_for(70 * SECOND);
    let [viewer, other] = [viewer, other].map(|at| &cinema.viewers[at]);
    assert_eq!(viewer.layers(cinema.world.now - SECOND), [0]);
    assert!(viewer.decodes());
    assert!(viewer.freeze(dropped + 5 * SECOND) < SECOND);
    assert_eq!(other.layers(dropped), [0]);
    assert!(other.freeze(dropped) < SECOND / 5);
}

#[test]
fn little_is_filled_up_where_there_is_no_more() {
    let mut cinema = Cinema::new(seed(3));
    let viewer = cinema.enter_estimating(300_000.0);
    cinema.run_for(20 * SECOND);
    let padding = |cinema: &Cinema| {
        let estimating = cinema.viewers[viewer].estimating.as_ref();
        estimating.unwrap().padding
    };
    let before = padding(&cinema);
    cinema.run_for(120 * SECOND);
    let padded = padding(&cinema) - before;
    // Of four and a half megabytes that the way carries.
    assert!((1..450_000).contains(&padded), "{padded}");
}

/// A number that is left out is taken for a packet that was lost, and after many the seal for another.
#[test]
fn what_is_filled_up_with_leaves_out_no_number() {
    let mut cinema = Cinema::new(seed(8));
    let viewer = cinema.enter_estimating(WIDE);
    cinema.run_for(30 * SECOND);
    let estimating = cinema.viewers[viewer].estimating.as_ref().unwrap();
    let padded = &estimating.padded;
    assert!(padded.len() > 100, "{} packets", padded.len());
    let follows = |pair: &[u16]| pair[1] == pair[0].wrapping_add(1);
    let gaps = padded.windows(2).filter(|pair| !follows(pair)).count();
    assert_eq!(gaps, 0);
}

#[test]
fn what_was_said_is_over_once_nothing_more_is() {
    let mut cinema = Cinema::new(seed(4));
    let viewer = cinema.enter_estimating(700_000.0);
    cinema.run_for(20 * SECOND);
    let carries = cinema.viewers[viewer].quality.bits_per_second.unwrap();
    assert!((400_000..800_000).contains(&carries), "{carries}");
    cinema.set_rate(viewer, WIDE);
    let estimating = cinema.viewers[viewer].estimating.as_mut();
    estimating.unwrap().is_silent = true;
    cinema.run_for(15 * SECOND);
    let viewer = &cinema.viewers[viewer];
    assert_eq!(viewer.layers(cinema.world.now - SECOND), [0]);
    assert_eq!(viewer.quality.bits_per_second, None);
}

/// Whatever it says, and however often, it is about what it is sent itself.
#[test]
fn who_lies_harms_only_themselves() {
    for bits in [0, 1, u64::MAX] {
        let mut cinema = Cinema::new(seed(5));
        let (liar, honest) = (cinema.enter_estimating(WIDE), cinema.enter_estimating(WIDE));
        let other = cinema.enter(WIDE);
        cinema.run_for(10 * SECOND);
        let began = cinema.world.now;
        let number = cinema.viewers[liar].number();
        cinema.viewers[liar].estimating = None;
        let mut compound = Vec::new();
        for _ in 0..40 {
            // Of streams that are another's, or nobody's.
            rtcp::write_max_bitrate(&mut compound, 1, bits, &[60, 61, 62, u32::MAX]);
        }
        for _ in 0..1000 {
            cinema.world.callers[number].far.send_rtcp(&compound);
            cinema.run_for(SECOND / 100);
        }
        for viewer in [honest, other].map(|at| &cinema.viewers[at]) {
            assert_eq!(viewer.layers(began), [0], "while {bits} is said");
            assert!(viewer.freeze(began) < SECOND / 5);
        }
        let layer = cinema.viewers[liar].layers(cinema.world.now - SECOND);
        assert_eq!(layer, [if bits == u64::MAX { 0 } else { 2 }]);
        assert!(cinema.viewers[liar].silence(began) < SECOND / 5);
    }
}

/// An estimate by delay needs to know when packets were sent (abs-send-time).
#[test]
fn pictures_and_padding_say_when_they_were_sent() {
    let mut cinema = Cinema::new(seed(7));
    let viewer = cinema.enter_estimating(WIDE);
    cinema.run_for(10 * SECOND);
    let viewer = &cinema.viewers[viewer];
    let estimating = viewer.estimating.as_ref().unwrap();
    assert!(estimating.times.len() >= viewer.seen.len() && viewer.seen.len() > 1000);
    for pair in estimating.times.windows(2) {
        let [(at, sent), (next_at, next_sent)] = [pair[0], pair[1]];
        let between = f64::from(next_sent.wrapping_sub(sent) & 0xFF_FFFF) / f64::from(1 << 18);
        let elapsed = (next_at - at).as_secs_f64();
        assert!((between - elapsed).abs() < 0.02, "{between} {elapsed}");
    }
}

/// Who has transport-wide feedback, and sends this all the same, was not asked for it.
#[test]
fn it_says_nothing_where_more_is_known() {
    let mut cinema = Cinema::new(seed(6));
    let viewer = cinema.enter(WIDE);
    cinema.run_for(5 * SECOND);
    let began = cinema.world.now;
    let mut compound = Vec::new();
    rtcp::write_max_bitrate(&mut compound, 1, 50_000, &[1]);
    for _ in 0..10 {
        let number = cinema.viewers[viewer].number();
        cinema.world.callers[number].far.send_rtcp(&compound);
        cinema.run_for(SECOND);
    }
    let viewer = &cinema.viewers[viewer];
    assert_eq!(viewer.layers(began), [0]);
    assert!(viewer.quality.slots.iter().any(|(at, _)| *at == PICTURE));
}

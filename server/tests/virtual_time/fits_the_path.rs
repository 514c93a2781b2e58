//! Who is behind a narrow way gets a layer that fits it, and nobody else notices.

use std::time::Duration;

use ferrite_protocol::Limit;

use crate::harness::cinema::{Cinema, PICTURE};
use crate::harness::seed;

const SECOND: Duration = Duration::from_secs(1);
const WIDE: f64 = 10_000_000.0;

#[test]
fn everybody_gets_the_best_layer_that_fits() {
    let mut cinema = Cinema::new(seed(1));
    let rates = [WIDE, 2_500_000.0, 700_000.0, 300_000.0];
    let viewers = rates.map(|rate| cinema.enter(rate));
    cinema.run_for(4 * SECOND);
    let steady = cinema.world.now;
    cinema.run_for(30 * SECOND);
    for (viewer, layers) in viewers.into_iter().zip([[0], [0], [1], [2]]) {
        let viewer = &cinema.viewers[viewer];
        assert_eq!(viewer.layers(steady), layers);
        assert!(viewer.decodes() && viewer.paused.is_empty());
        assert!(viewer.freeze(steady) < SECOND / 5);
        assert!(viewer.silence(steady) < SECOND / 5);
    }
}

#[test]
fn a_drop_costs_no_long_freeze_and_the_best_is_back_soon() {
    let mut cinema = Cinema::new(seed(2));
    let (viewer, other) = (cinema.enter(3_000_000.0), cinema.enter(WIDE));
    cinema.run_for(5 * SECOND);
    let dropped = cinema.world.now;
    cinema.set_rate(viewer, 700_000.0);
    cinema.run_for(15 * SECOND);
    let returned = cinema.world.now;
    cinema.set_rate(viewer, 3_000_000.0);
    cinema.run_for(10 * SECOND);
    let [viewer, other] = [viewer, other].map(|at| &cinema.viewers[at]);
    assert_eq!(viewer.layers(returned).last(), Some(&0));
    assert!(viewer.reached(dropped, 1).unwrap() < SECOND);
    assert!(viewer.freeze(dropped) < SECOND);
    assert!(viewer.silence(dropped) < SECOND / 2);
    assert!(viewer.reached(returned, 0).unwrap() < 4 * SECOND);
    assert!(viewer.decodes());
    assert_eq!(other.layers(dropped), [0]);
    assert!(other.freeze(dropped) < SECOND / 5);
}

#[test]
fn below_the_least_layer_sound_stays_and_the_picture_comes_back_by_itself() {
    let mut cinema = Cinema::new(seed(3));
    let viewer = cinema.enter(WIDE);
    cinema.run_for(5 * SECOND);
    cinema.set_rate(viewer, 110_000.0);
    cinema.run_for(10 * SECOND);
    let steady = cinema.world.now;
    cinema.run_for(20 * SECOND);
    let returned = cinema.world.now;
    assert!(cinema.viewers[viewer].layers(steady).is_empty());
    assert!(cinema.viewers[viewer].silence(steady) < SECOND / 5);
    let (_, paused) = cinema.viewers[viewer].paused.last().unwrap();
    assert_eq!(*paused, [PICTURE]);
    cinema.set_rate(viewer, WIDE);
    cinema.run_for(8 * SECOND);
    let viewer = &cinema.viewers[viewer];
    assert!(viewer.paused.last().unwrap().1.is_empty());
    assert!(viewer.reached(returned, 0).unwrap() < 4 * SECOND);
    assert!(viewer.decodes());
}

#[test]
fn who_never_says_what_came_gets_what_is_asked_for() {
    let mut cinema = Cinema::new(seed(4));
    let viewer = cinema.enter(WIDE);
    cinema.viewers[viewer].reports = false;
    cinema.run_for(10 * SECOND);
    let viewer = &cinema.viewers[viewer];
    assert_eq!(viewer.layers(viewer.seen[0].at), [0]);
}

/// What nothing comes of for a while goes on in the layer that fitted, and not in the best for a moment.
#[test]
fn a_picture_that_was_still_for_long_comes_back_in_the_layer_that_fits() {
    let mut cinema = Cinema::new(seed(5));
    let viewer = cinema.enter(700_000.0);
    cinema.run_for(10 * SECOND);
    assert_eq!(
        cinema.viewers[viewer].layers(cinema.world.now - SECOND),
        [1]
    );
    cinema.is_dark = true;
    cinema.run_for(20 * SECOND);
    cinema.is_dark = false;
    let back = cinema.world.now;
    cinema.run_for(5 * SECOND);
    let viewer = &cinema.viewers[viewer];
    assert!(
        !viewer.layers(back).contains(&0),
        "{:?}",
        viewer.layers(back)
    );
    assert_eq!(viewer.layers(back).last(), Some(&1));
    assert!(viewer.silence(back) < SECOND / 5);
}

/// Elsewhere one publisher's losses pull every subscriber's estimate down.
#[test]
fn what_a_publisher_loses_changes_no_subscribers_estimate() {
    let mut cinema = Cinema::new(seed(6));
    let viewers = [WIDE, 2_500_000.0, 700_000.0].map(|rate| cinema.enter(rate));
    cinema.run_for(10 * SECOND);
    // The best layer's keyframes are whole, or nothing of it could go on.
    cinema.loses = Some(9);
    cinema.run_for(2 * SECOND);
    let steady = cinema.world.now;
    cinema.run_for(20 * SECOND);
    for (viewer, layers) in viewers.into_iter().zip([[0], [0], [1]]) {
        let viewer = &cinema.viewers[viewer];
        assert_eq!(viewer.layers(steady), layers);
        assert!(viewer.paused.is_empty(), "{:?}", viewer.paused);
    }
}

/// Elsewhere a call that begins with sound takes nine seconds to a good picture, and with nothing to send the
/// estimate never rises.
#[test]
fn a_picture_that_comes_after_a_while_of_sound_is_good_at_once() {
    let mut cinema = Cinema::new(seed(7));
    cinema.is_dark = true;
    let viewer = cinema.enter(4_000_000.0);
    cinema.run_for(20 * SECOND);
    assert!(cinema.viewers[viewer].seen.is_empty());
    let began = cinema.world.now;
    cinema.is_dark = false;
    cinema.run_for(6 * SECOND);
    let viewer = &cinema.viewers[viewer];
    let best = viewer.reached(began, 0).expect("the best layer");
    assert!(best < 3 * SECOND, "{best:?}");
    assert_eq!(viewer.layers(began + 3 * SECOND), [0]);
    assert!(viewer.silence(began) < SECOND / 5);
}

#[test]
fn who_gets_less_than_they_wish_for_is_told_why() {
    let mut cinema = Cinema::new(seed(8));
    let [wide, narrow] = [WIDE, 700_000.0].map(|rate| cinema.enter(rate));
    let does = |cinema: &Cinema| [wide, narrow].map(|at| cinema.viewers[at].does());
    cinema.run_for(10 * SECOND);
    let download = (Some(1), Some(Limit::Download));
    assert_eq!(does(&cinema), [(Some(0), None), download]);
    let carries = cinema.viewers[narrow].quality.bits_per_second.unwrap();
    assert!((400_000..1_000_000).contains(&carries), "{carries}");
    cinema.best = 1;
    cinema.run_for(8 * SECOND);
    // Of what there is everybody has the best.
    assert_eq!(does(&cinema), [(Some(1), Some(Limit::Upload)); 2]);
    cinema.is_dark = true;
    cinema.run_for(10 * SECOND);
    assert_eq!(does(&cinema), [(None, Some(Limit::Interrupted)); 2]);
    (cinema.best, cinema.is_dark) = (0, false);
    cinema.run_for(8 * SECOND);
    assert_eq!(does(&cinema), [(Some(0), None), download]);
}

#[test]
fn who_changes_rooms_is_told_anew_how_well_it_does() {
    let mut cinema = Cinema::new(seed(9));
    let viewer = cinema.enter(700_000.0);
    cinema.run_for(20 * SECOND);
    for _ in 0..2 {
        cinema.change_rooms(viewer);
        cinema.run_for(2 * SECOND);
        let quality = &cinema.viewers[viewer].quality;
        assert_eq!(quality.slots.len(), 1, "{quality:?}");
        assert!(quality.bits_per_second.is_some());
    }
}

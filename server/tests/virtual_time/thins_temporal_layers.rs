//! Of a picture with temporal layers a narrow way is sent fewer frames: whole ones, in their order, none of which needs
//! one that was left out; and what goes out changes seldom.

use std::time::{Duration, Instant};

use ferrite_protocol::Limit;

use crate::harness::cinema::{Cinema, PICTURE, Viewer};
use crate::harness::reel;
use crate::harness::seed;

const SECOND: Duration = Duration::from_secs(1);
const WIDE: f64 = 10_000_000.0;

/// Frames that came in the mean second of a time.
fn frames(viewer: &Viewer, from: Instant, seconds: u32) -> u32 {
    let until = from + seconds * SECOND;
    let seen = viewer.glimpses.iter();
    let mut frames: Vec<_> = seen
        .filter(|it| it.at >= from && it.at < until)
        .map(|it| it.frame.number)
        .collect();
    frames.dedup();
    frames.len() as u32 / seconds
}

#[test]
fn a_narrow_way_is_sent_fewer_frames_and_who_watches_is_told() {
    let mut cinema = Cinema::scalable(seed(1));
    let viewers = [WIDE, 1_100_000.0].map(|rate| cinema.enter(rate));
    cinema.run_for(20 * SECOND);
    let steady = cinema.world.now;
    cinema.run_for(20 * SECOND);
    let [wide, narrow] = viewers.map(|at| &cinema.viewers[at]);
    assert_eq!([wide, narrow].map(|it| it.layers(steady)), [[0], [0]]);
    assert_eq!([wide, narrow].map(|it| frames(it, steady, 20)), [25, 12]);
    assert_eq!(narrow.does(), (Some(0), Some(Limit::Download)));
    let temporal = |viewer: &Viewer| viewer.quality.slots[0].1.temporal_layer;
    assert_eq!([wide, narrow].map(temporal), [None, Some(1)]);
    assert!(narrow.freeze(steady) < SECOND / 5 && narrow.paused.is_empty());
    for viewer in [wide, narrow] {
        reel::verify(&viewer.glimpses);
    }
}

#[test]
fn the_lowest_temporal_layer_of_the_least_is_sent_instead_of_nothing() {
    let mut cinema = Cinema::scalable(seed(2));
    let viewer = cinema.enter(WIDE);
    cinema.run_for(5 * SECOND);
    // 32 of sound, and 48 of the picture.
    cinema.set_rate(viewer, 110_000.0);
    cinema.run_for(20 * SECOND);
    let steady = cinema.world.now;
    cinema.run_for(20 * SECOND);
    let narrow = &cinema.viewers[viewer];
    assert_eq!(narrow.layers(steady), [2]);
    assert!((5..=13).contains(&frames(narrow, steady, 20)));
    assert!(
        narrow
            .paused
            .iter()
            .all(|(_, sections)| !sections.contains(&PICTURE))
    );
    assert!(narrow.silence(steady) < SECOND / 5);
    reel::verify(&narrow.glimpses);
}

#[test]
fn a_drop_thins_what_goes_out_until_a_smaller_layer_begins() {
    let mut cinema = Cinema::scalable(seed(3));
    let viewer = cinema.enter(3_000_000.0);
    cinema.run_for(10 * SECOND);
    let dropped = cinema.world.now;
    cinema.set_rate(viewer, 500_000.0);
    cinema.run_for(15 * SECOND);
    let returned = cinema.world.now;
    cinema.set_rate(viewer, 3_000_000.0);
    cinema.run_for(15 * SECOND);
    let viewer = &cinema.viewers[viewer];
    assert!(
        viewer.freeze(dropped) < SECOND,
        "{:?}",
        viewer.freeze(dropped)
    );
    assert!(viewer.reached(returned, 0).unwrap() < 4 * SECOND);
    assert_eq!(frames(viewer, returned + 10 * SECOND, 4), 25);
    reel::verify(&viewer.glimpses);
}

/// Of what is lost on the way to the server nobody knows whether it would have been left out: its numbers stay free.
#[test]
fn what_a_publisher_loses_puts_nothing_out_of_its_place() {
    for (seed_of, one) in [(5, 31), (6, 9), (7, 4)] {
        let mut cinema = Cinema::scalable(seed(seed_of));
        let viewers = [WIDE, 1_100_000.0, 300_000.0, 110_000.0].map(|rate| cinema.enter(rate));
        cinema.run_for(10 * SECOND);
        cinema.loses = Some(one);
        cinema.run_for(20 * SECOND);
        for viewer in viewers {
            reel::verify(&cinema.viewers[viewer].glimpses);
        }
    }
}

/// What comes late of what is left out has a number already, and maybe one of a picture: no decoder is to wait for it.
#[test]
fn what_a_publisher_sends_again_leaves_no_picture_missing() {
    for (seed_of, one) in [(8, 31), (9, 9)] {
        let mut cinema = Cinema::scalable(seed(seed_of));
        cinema.repairs = true;
        let viewers = [(WIDE, 2), (1_100_000.0, 1), (110_000.0, 0)]
            .map(|(rate, temporal)| (cinema.enter(rate), temporal));
        cinema.run_for(10 * SECOND);
        cinema.loses = Some(one);
        cinema.run_for(20 * SECOND);
        for (viewer, temporal) in viewers {
            let viewer = &cinema.viewers[viewer];
            let glimpses = reel::in_order(&viewer.glimpses, &viewer.bare);
            reel::verify_up_to(&glimpses, temporal);
        }
        let [_, (narrow, _), _] = viewers;
        let filled = cinema.viewers[narrow].glimpses.iter();
        assert!(filled.filter(|it| it.frame.temporal == 2).count() > 10);
    }
}

/// More that may be sent is more between which to waver.
#[test]
fn what_goes_out_over_a_steady_way_changes_less_than_four_times_a_minute() {
    let mut cinema = Cinema::scalable(seed(4));
    // So many viewers ask for many: those of each are in the way of all.
    cinema.lengthen_keyframes(0);
    let rates = (300..=1500).step_by(40);
    let viewers: Vec<_> = rates
        .map(|kilobits| (kilobits, cinema.enter(1000.0 * f64::from(kilobits))))
        .collect();
    cinema.run_for(90 * SECOND);
    let steady = cinema.world.now;
    cinema.run_for(120 * SECOND);
    let mut restless = Vec::new();
    for (kilobits, viewer) in viewers {
        let viewer = &cinema.viewers[viewer];
        let mut shown = viewer.shown_by_second(steady);
        shown.dedup();
        reel::verify(&viewer.glimpses);
        println!("{kilobits} kbit/s: {shown:?}");
        // One more than there are changes.
        if shown.len() > 2 * 4 {
            restless.push((kilobits, shown));
        }
    }
    assert!(restless.is_empty(), "{restless:?}");
}

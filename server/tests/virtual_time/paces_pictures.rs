//! Over a narrow way keyframes leave over some time, so that sound has less of a queue before it; over one
//! that has shown no limit nothing waits.

use std::time::Duration;

use ferrite_server::congestion::MAX_DELAY;
use ferrite_server::media::net::budget::{Holding, SHARD_BUDGET};

use crate::harness::cinema::{Cinema, PICTURE};
use crate::harness::{reel, seed};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const WIDE: f64 = 10_000_000.0;

/// A picture whose keyframes are so many tenths of a frame.
fn with_keyframes(own_seed: u64, tenths: usize) -> Cinema {
    let mut cinema = Cinema::scalable(seed(own_seed));
    cinema.lengthen_keyframes(tenths);
    cinema
}

/// It goes on with so many of them, one every two seconds.
fn run(cinema: &mut Cinema, cuts: usize) {
    for _ in 0..cuts {
        cinema.cut();
        cinema.run_for(2 * SECOND);
    }
}

/// If all went out at once it would be 235 ms and 155 for the longest ones.
#[test]
fn sound_has_less_of_a_queue_before_it_beside_keyframes() {
    for (own_seed, rate) in [(1, 300_000.0), (2, 1_000_000.0)] {
        for tenths in [40, 100, 160] {
            let mut cinema = with_keyframes(own_seed, tenths);
            let viewer = cinema.enter(rate);
            run(&mut cinema, 5);
            let steady = cinema.world.now;
            run(&mut cinema, 30);
            let viewer = &cinema.viewers[viewer];
            let [most, longest] = viewer.sound_waited(steady);
            let gap = viewer.silence(steady);
            println!("{rate} {tenths}: {most:?}, {longest:?} at most, no sound for {gap:?}");
            assert!(most < 150 * MS, "{most:?}");
            // Where the smaller layer only just fits another begins now and then.
            if viewer.layers(steady).len() == 1 {
                assert!(longest < 230 * MS && gap < 200 * MS, "{longest:?} {gap:?}");
            }
            reel::verify(&viewer.glimpses);
            let (packets, longest) = cinema.world.waited();
            assert!(
                packets > 40 && longest <= MAX_DELAY + 10 * MS,
                "{longest:?}"
            );
        }
    }
}

#[test]
fn over_a_wide_way_nothing_ever_waits() {
    let mut cinema = with_keyframes(3, 160);
    cinema.enter(WIDE);
    run(&mut cinema, 30);
    assert_eq!(cinema.world.waited(), (0, Duration::ZERO));
}

/// Whatever comes of what waits: no index of an SSRC is sealed for two packets, which the harness looks after.
/// What is shown ends and begins while packets wait, some are lost before they come here, and all are asked for again,
/// also those that were not sent.
#[test]
fn no_index_is_sealed_for_two_packets() {
    for own_seed in 4..6 {
        let mut cinema = with_keyframes(own_seed, 160);
        let viewers = [cinema.enter(300_000.0), cinema.enter_without_rtx(300_000.0)];
        run(&mut cinema, 5);
        cinema.loses = Some(7 + own_seed as u32);
        for round in 0..40 {
            cinema.cut();
            for step in 0..40 {
                for viewer in viewers {
                    match (round % 4, step) {
                        (0 | 3, 12) => cinema.show(viewer, false),
                        (0 | 3, 13) | (1, 25) => cinema.show(viewer, true),
                        (1, 14) => cinema.show(viewer, false),
                        _ => {}
                    }
                    cinema.ask_again(viewer, 8, 24);
                }
                cinema.run_for(5 * MS);
            }
            cinema.run_for(200 * MS);
        }
        assert!(cinema.world.waited().0 > 40, "{:?}", cinema.world.waited());
        for viewer in viewers {
            let number = cinema.viewers[viewer].number();
            let picture = cinema.world.callers[number].slot(PICTURE);
            assert!(cinema.world.sealed[&number].count(picture) > 200);
        }
    }
}

/// Its estimate is of sound alone.
#[test]
fn what_nobody_reports_of_never_waits() {
    let mut cinema = with_keyframes(8, 160);
    cinema.enter_without_rtx(300_000.0);
    run(&mut cinema, 20);
    assert_eq!(cinema.world.waited(), (0, Duration::ZERO));
}

#[test]
fn what_waits_is_not_sent_again_before_it_is_sent() {
    let mut cinema = with_keyframes(9, 160);
    let viewer = cinema.enter(300_000.0);
    run(&mut cinema, 5);
    for _ in 0..20 {
        cinema.cut();
        for _ in 0..100 {
            cinema.ask_again(viewer, 0, 60);
            cinema.run_for(10 * MS);
        }
    }
    assert!(cinema.world.waited().0 > 100);
    let viewer = &cinema.viewers[viewer];
    assert!(!viewer.again.is_empty());
    assert_eq!(viewer.sent_again_too_soon(), 0);
}

/// It is negotiated again, shown no longer, and shown again, always a moment after a keyframe came.
#[test]
fn frames_follow_one_another_where_what_is_shown_changes_while_some_wait() {
    let mut cinema = with_keyframes(10, 160);
    let viewer = cinema.enter(300_000.0);
    run(&mut cinema, 5);
    let number = cinema.viewers[viewer].number();
    for round in 0..30 {
        cinema.cut();
        cinema.run_for((50 + 3 * round) * MS);
        match round % 2 {
            0 => cinema.world.negotiate(number),
            _ => cinema.show(viewer, false),
        }
        cinema.run_for(30 * MS);
        cinema.show(viewer, true);
        cinema.run_for(2 * SECOND);
    }
    assert!(cinema.world.waited().0 > 100);
    let viewer = &cinema.viewers[viewer];
    reel::verify(&viewer.glimpses);
}

#[test]
fn where_memory_is_scarce_nothing_waits() {
    let mut cinema = with_keyframes(11, 160);
    cinema.enter(300_000.0);
    run(&mut cinema, 10);
    let (before, _) = cinema.world.waited();
    let budget = &cinema.world.budgets()[0];
    let mut holding = Holding::new(budget);
    holding.set(SHARD_BUDGET);
    run(&mut cinema, 10);
    // What waited then went out.
    assert!(before > 40 && cinema.world.waited().0 <= before + 20);
    holding.set(0);
    cinema.show(0, false);
    cinema.run_for(SECOND);
    assert_eq!(budget.used(), 0);
}

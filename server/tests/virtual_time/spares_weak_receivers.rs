//! Who says that they cannot keep up is sent less, a step at a time, and nobody else notices.

use std::time::Duration;

use ferrite_protocol::{Limit, Pressure};

use crate::harness::cinema::{Cinema, PICTURE};
use crate::harness::seed;

const SECOND: Duration = Duration::from_secs(1);
const WIDE: f64 = 10_000_000.0;
const CPU: Option<Limit> = Some(Limit::Cpu);

#[test]
fn who_cannot_keep_up_is_sent_less_and_nobody_else_is() {
    let mut cinema = Cinema::new(seed(1));
    let viewers = [WIDE, WIDE, 700_000.0].map(|rate| cinema.enter(rate));
    cinema.run_for(8 * SECOND);
    let began = cinema.world.now;
    cinema.press(viewers[0], Pressure::Serious);
    cinema.run_for(30 * SECOND);
    let [weak, strong, narrow] = viewers.map(|at| &cinema.viewers[at]);
    assert_eq!(weak.layers(began), [0, 1, 2]);
    assert!(weak.decodes() && weak.freeze(began) < SECOND / 2);
    assert!(weak.silence(began) < SECOND / 10);
    assert_eq!(weak.does(), (Some(2), CPU));
    for (other, layer) in [(strong, 0), (narrow, 1)] {
        assert_eq!(other.layers(began), [layer]);
        assert!(other.freeze(began) < SECOND / 5);
        assert_ne!(other.does().1, CPU);
    }
}

#[test]
fn small_pictures_go_first_and_screens_stay() {
    let mut cinema = Cinema::new(seed(2));
    let viewer = cinema.enter_with_three(WIDE);
    cinema.run_for(8 * SECOND);
    assert_eq!(cinema.viewers[viewer].slots(), [(Some(0), None); 3]);
    cinema.press(viewer, Pressure::Serious);
    // A step every four seconds, until nothing less is left; why is told after three.
    let mut seen = Vec::new();
    for _ in 0..30 {
        cinema.run_for(SECOND);
        let slots = cinema.viewers[viewer].slots();
        let layers: Vec<_> = slots.iter().map(|(layer, _)| layer.unwrap()).collect();
        seen.push(layers);
    }
    seen.dedup();
    assert_eq!(seen.first().unwrap()[2], 0);
    let last: &[u8] = &[2, 2, 0];
    assert_eq!(seen.last().unwrap(), last);
    assert!(seen.contains(&vec![0, 1, 0]), "{seen:?}");
    assert!(
        seen.iter().all(|it| it[0] <= it[1] && it[2] == 0),
        "{seen:?}"
    );
    let slots = cinema.viewers[viewer].slots();
    assert_eq!(slots, [(Some(2), CPU), (Some(2), CPU), (Some(0), None)]);
}

#[test]
fn all_comes_back_step_by_step_once_they_keep_up() {
    let mut cinema = Cinema::new(seed(3));
    let viewer = cinema.enter(WIDE);
    cinema.run_for(5 * SECOND);
    let began = cinema.world.now;
    cinema.press(viewer, Pressure::Critical);
    cinema.run_for(5 * SECOND);
    assert_eq!(cinema.viewers[viewer].layers(began), [0, 2]);
    let better = cinema.world.now;
    cinema.press(viewer, Pressure::Fair);
    cinema.run_for(60 * SECOND);
    assert_eq!(cinema.viewers[viewer].layers(better), [2]);
    cinema.press(viewer, Pressure::Nominal);
    cinema.run_for(70 * SECOND);
    let viewer = &cinema.viewers[viewer];
    assert_eq!(viewer.layers(better), [2, 1, 0]);
    assert_eq!(viewer.does(), (Some(0), None));
    assert!(viewer.decodes());
}

/// What an end cannot keep up with in one room says nothing of the next.
#[test]
fn nothing_is_taken_off_any_more_in_another_room() {
    let mut cinema = Cinema::new(seed(6));
    let viewer = cinema.enter(WIDE);
    cinema.run_for(5 * SECOND);
    let began = cinema.world.now;
    cinema.press(viewer, Pressure::Critical);
    cinema.run_for(5 * SECOND);
    assert_eq!(cinema.viewers[viewer].layers(began), [0, 2]);
    cinema.leave_and_come_back(viewer);
    cinema.run_for(2 * SECOND);
    let came_back = cinema.world.now;
    cinema.run_for(5 * SECOND);
    assert_eq!(cinema.viewers[viewer].layers(came_back), [0]);
    assert_eq!(cinema.viewers[viewer].does(), (Some(0), None));
}

/// Of them nothing is known but that.
#[test]
fn who_never_says_what_came_is_spared_too() {
    let mut cinema = Cinema::new(seed(4));
    let viewer = cinema.enter(WIDE);
    cinema.viewers[viewer].reports = false;
    cinema.run_for(5 * SECOND);
    let began = cinema.world.now;
    cinema.press(viewer, Pressure::Serious);
    cinema.run_for(30 * SECOND);
    assert_eq!(cinema.viewers[viewer].layers(began), [0, 1, 2]);
    cinema.press(viewer, Pressure::Nominal);
    cinema.run_for(70 * SECOND);
    let viewer = &cinema.viewers[viewer];
    assert_eq!(viewer.layers(began), [0, 1, 2, 1, 0]);
    assert_eq!(viewer.quality.bits_per_second, None);
}

/// The narrowest place is the one that is named.
#[test]
fn a_narrow_way_is_narrow_also_for_who_cannot_keep_up() {
    let mut cinema = Cinema::new(seed(5));
    let viewer = cinema.enter(300_000.0);
    cinema.press(viewer, Pressure::Serious);
    cinema.run_for(5 * SECOND);
    cinema.press(viewer, Pressure::Fair);
    cinema.run_for(15 * SECOND);
    let (layer, limit) = cinema.viewers[viewer].does();
    assert_eq!((layer, limit), (Some(2), Some(Limit::Download)));
    assert!(
        cinema.viewers[viewer]
            .quality
            .slots
            .iter()
            .any(|(at, _)| *at == PICTURE)
    );
}

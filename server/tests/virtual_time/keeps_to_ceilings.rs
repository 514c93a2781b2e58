//! Members of a room send and are sent no more than they may, whatever their ways carry.

use std::time::Duration;

use ferrite_server::media::ceilings::Ceilings;

use crate::harness::cinema::Cinema;
use crate::harness::seed;

const SECOND: Duration = Duration::from_secs(1);
const WIDE: f64 = 10_000_000.0;

#[test]
fn who_may_be_sent_less_than_their_way_carries_gets_the_layer_that_fits() {
    let download = |bits| Ceilings {
        download: Some(bits),
        ..Ceilings::default()
    };
    for (bits, layers) in [(3_000_000, &[0][..]), (700_000, &[1]), (100_000, &[])] {
        let mut cinema = Cinema::limited(seed(1), download(bits));
        let viewers = [cinema.enter(WIDE), cinema.enter(WIDE)];
        // Nor does it need to say what came.
        cinema.viewers[viewers[1]].reports = false;
        cinema.run_for(5 * SECOND);
        let steady = cinema.world.now;
        cinema.run_for(10 * SECOND);
        for viewer in viewers.map(|at| &cinema.viewers[at]) {
            assert_eq!(viewer.layers(steady), layers, "at {bits}");
            assert!(viewer.silence(steady) < SECOND / 5 && viewer.decodes());
        }
    }
}

#[test]
fn who_publishes_is_told_what_may_come_and_of_who_does_not_obey_the_best_layers_are_not_taken() {
    let ceilings = Ceilings {
        upload: Some(800_000),
        ..Ceilings::default()
    };
    let mut cinema = Cinema::limited(seed(2), ceilings);
    let viewer = cinema.enter(WIDE);
    cinema.run_for(8 * SECOND);
    assert_eq!(cinema.told_to_send().map(|bits| bits / 1000), Some(800));
    // It sends more than twice as much all the same.
    let steady = cinema.world.now;
    cinema.run_for(10 * SECOND);
    let viewer = &cinema.viewers[viewer];
    assert_eq!(viewer.layers(steady), [1]);
    assert!(viewer.freeze(steady) < SECOND / 5 && viewer.silence(steady) < SECOND / 5);
    assert!(viewer.decodes());
}

#[test]
fn who_obeys_loses_nothing() {
    let ceilings = Ceilings {
        upload: Some(1_900_000),
        ..Ceilings::default()
    };
    let mut cinema = Cinema::limited(seed(3), ceilings);
    let viewer = cinema.enter(WIDE);
    cinema.run_for(3 * SECOND);
    let steady = cinema.world.now;
    cinema.run_for(20 * SECOND);
    let viewer = &cinema.viewers[viewer];
    assert_eq!(viewer.layers(steady), [0]);
    assert!(viewer.freeze(steady) < SECOND / 10);
}

#[test]
fn those_who_publish_pictures_share_what_may_be_sent_in_a_room() {
    let ceilings = Ceilings {
        room: Some(4_000_000),
        ..Ceilings::default()
    };
    let mut cinema = Cinema::limited(seed(4), ceilings);
    let told = |cinema: &Cinema| {
        cinema
            .told_to_send()
            .map(|bits| (bits + 500_000) / 1_000_000)
    };
    cinema.enter(WIDE);
    cinema.run_for(3 * SECOND);
    assert_eq!(told(&cinema), Some(4));
    let other = cinema.enter_another();
    cinema.run_for(3 * SECOND);
    assert_eq!(told(&cinema), Some(2));
    cinema.world.close(other);
    cinema.run_for(3 * SECOND);
    assert_eq!(told(&cinema), Some(4));
}

#[test]
fn where_nothing_is_limited_nobody_is_told_anything() {
    let mut cinema = Cinema::new(seed(5));
    cinema.run_for(5 * SECOND);
    assert_eq!(cinema.told_to_send(), None);
}

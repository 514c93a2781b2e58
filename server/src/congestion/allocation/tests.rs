//! What some pictures are given over a path, and over time.

use super::super::ALL_TEMPORAL;
use super::*;

const LAYERS: [(u8, u64); 3] = [(0, 1_500_000), (1, 500_000), (2, 150_000)];

fn picture(id: usize, priority: u32) -> Demand {
    Demand {
        id,
        priority,
        points: wholes(&LAYERS),
    }
}

/// All of each layer.
fn wholes(layers: &[(u8, u64)]) -> Vec<(OperatingPoint, u64)> {
    let wholes = layers.iter();
    let wholes = wholes.map(|(layer, bits)| (OperatingPoint::whole(*layer), *bits));
    wholes.collect()
}

/// The layer that something is given.
fn layer(allocation: &Allocation, id: usize) -> Option<Option<u8>> {
    let given = allocation.given(id)?;
    Some(given.map(|point| point.layer))
}

/// What two pictures and a screen, in the order of screen, large, small, are given.
fn given(available: u64) -> [Option<u8>; 3] {
    let mut allocation = Allocation::default();
    let screen = Demand {
        points: wholes(&[(0, 800_000)]),
        ..picture(7, u32::MAX)
    };
    let demands = vec![picture(1, 10), screen, picture(2, 1000)];
    // Past all patience.
    let start = Instant::now();
    allocation.update(start, available, true, demands.clone());
    allocation.update(start + PATIENCE, available, true, demands);
    [7, 2, 1].map(|id| layer(&allocation, id).unwrap())
}

#[test]
fn each_gets_its_least_and_then_the_more_important_gets_more() {
    assert_eq!(given(10_000_000), [Some(0), Some(0), Some(0)]);
    assert_eq!(given(3_000_000), [Some(0), Some(0), Some(1)]);
    assert_eq!(given(1_500_000), [Some(0), Some(1), Some(2)]);
    assert_eq!(given(1_100_000), [Some(0), Some(2), Some(2)]);
    assert_eq!(given(960_000), [Some(0), Some(2), None]);
    assert_eq!(given(810_000), [Some(0), None, None]);
    assert_eq!(given(500_000), [None, Some(2), Some(2)]);
    assert_eq!(given(100_000), [None, None, None]);
}

/// What one picture is given over time, by tenths of a second, where so much is available.
fn over_time(available: impl Fn(u32) -> u64, tenths: u32) -> Vec<Option<u8>> {
    let (start, mut allocation) = (Instant::now(), Allocation::default());
    let step = |at| {
        let now = start + Duration::from_millis(100) * at;
        allocation.update(now, available(at), true, vec![picture(1, 1)]);
        layer(&allocation, 1).unwrap()
    };
    (0..tenths).map(step).collect()
}

#[test]
fn a_thing_with_fewer_layers_is_not_paused_without_a_word() {
    let (start, mut allocation) = (Instant::now(), Allocation::default());
    allocation.update(start, 200_000, false, vec![picture(1, 1)]);
    assert_eq!(layer(&allocation, 1), Some(Some(2)));
    let screen = Demand {
        points: wholes(&[(0, 800_000)]),
        ..picture(1, 1)
    };
    // It has too little room, and nothing says that it harms.
    assert!(allocation.update(start, 200_000, false, vec![screen.clone()]));
    assert_eq!(layer(&allocation, 1), Some(Some(0)));
    assert_eq!(allocation.paused().count(), 0);
    allocation.forget(1);
    assert_eq!(layer(&allocation, 1), None);
}

#[test]
fn nothing_is_raised_into_the_room_of_what_is_yet_to_be_lowered() {
    let (start, mut allocation) = (Instant::now(), Allocation::default());
    let mut wishes = vec![picture(1, 10), picture(2, 9)];
    allocation.update(start, 1_000_000, false, wishes.clone());
    assert_eq!(
        [1, 2].map(|id| layer(&allocation, id).unwrap()),
        [Some(1); 2]
    );
    // Time goes on past what holds either, and the first could have all if the second had less.
    for tenth in 0..100 {
        let now = start + PATIENCE + Duration::from_millis(100) * tenth;
        allocation.update(now, 1_900_000, false, wishes.clone());
        let given = [1, 2].map(|id| layer(&allocation, id).unwrap());
        let sum: u64 = given
            .iter()
            .map(|layer| LAYERS[usize::from(layer.unwrap())].1)
            .sum();
        assert!(sum <= 1_900_000, "{given:?}");
        wishes.reverse();
    }
}

#[test]
fn a_grave_shortage_shows_at_once_and_a_small_one_is_waited_out() {
    let grave = over_time(|at| if at < 5 { 2_000_000 } else { 600_000 }, 10);
    assert_eq!(grave[4..6], [Some(0), Some(1)]);
    let short = over_time(|at| if at % 20 < 19 { 1_300_000 } else { 2_000_000 }, 100);
    assert!(short.iter().all(|layer| *layer == Some(0)));
    let long = over_time(|_| 1_300_000, 40);
    assert_eq!(long.iter().position(|layer| *layer == Some(1)), Some(20));
}

#[test]
fn what_is_better_has_to_fit_well_and_to_wait() {
    let tight = over_time(|at| if at < 2 { 600_000 } else { 1_600_000 }, 100);
    assert_eq!(tight.last(), Some(&Some(1)));
    let roomy = over_time(|at| if at < 2 { 600_000 } else { 1_800_000 }, 100);
    assert_eq!(roomy.iter().rposition(|layer| *layer == Some(1)), Some(19));
    let swinging = over_time(|at| if at % 6 < 3 { 600_000 } else { 3_000_000 }, 600);
    let switches = swinging.windows(2).filter(|pair| pair[0] != pair[1]);
    assert!(switches.count() <= 60, "one a second at the most");
}

#[test]
fn a_delay_alone_pauses_nothing() {
    let (mut now, mut allocation) = (Instant::now(), Allocation::default());
    for _ in 0..100 {
        now += Duration::from_millis(100);
        allocation.update(now, 50_000, false, vec![picture(1, 1)]);
    }
    assert_eq!(layer(&allocation, 1), Some(Some(2)));
    allocation.update(now, 50_000, true, vec![picture(1, 1)]);
    assert_eq!(layer(&allocation, 1), Some(None));
    allocation.update(now + PATIENCE, 50_000, false, vec![picture(1, 1)]);
    assert_eq!(layer(&allocation, 1), Some(None));
}

#[test]
fn what_nothing_comes_of_goes_on_where_it_was_and_what_is_watched_no_more_is_forgotten() {
    let mut allocation = Allocation::default();
    let now = Instant::now();
    allocation.update(now, 600_000, true, vec![picture(1, 1)]);
    allocation.update(now, 600_000, true, Vec::new());
    assert_eq!(layer(&allocation, 1), Some(Some(1)));
    allocation.forget(1);
    assert_eq!(layer(&allocation, 1), None);
    allocation.update(now, 0, true, vec![picture(1, 1)]);
    assert_eq!(allocation.paused().collect::<Vec<_>>(), [1]);
    assert!(allocation.update(now, 0, true, Vec::new()));
    assert_eq!(layer(&allocation, 1), None);
}

/// A picture of two layers with three temporal layers each, of which the better may be had without one of them.
fn thinnable(id: usize, priority: u32) -> Demand {
    let point = |layer, temporal, bits| (OperatingPoint { layer, temporal }, bits);
    Demand {
        id,
        priority,
        points: vec![
            point(0, ALL_TEMPORAL, 1_000_000),
            point(0, 1, 700_000),
            point(1, ALL_TEMPORAL, 200_000),
            point(1, 1, 130_000),
            point(1, 0, 80_000),
        ],
    }
}

/// What two such pictures are given, the first first.
fn thinned(available: u64) -> String {
    let (start, mut allocation) = (Instant::now(), Allocation::default());
    for now in [start, start + PATIENCE] {
        let demands = vec![thinnable(2, 1), thinnable(1, 2)];
        allocation.update(now, available, true, demands);
    }
    let given = [1, 2].map(|id| allocation.given(id).unwrap());
    given
        .map(|it| it.map_or("-".to_owned(), |it| it.to_string()))
        .join(" ")
}

#[test]
fn temporal_layers_go_before_layers_do_and_the_least_is_less_than_a_pause() {
    let rooms = [2_000, 1_750, 1_000, 800, 410, 350, 230, 170, 90, 70];
    let given = rooms.map(|kilobits| thinned(1000 * kilobits));
    let expected = [
        "0 0",
        "0 0/T1",
        "0/T1 1",
        "1 1",
        "1 1",
        "1 1/T1",
        "1/T1 1/T0",
        "1/T0 1/T0",
        "1/T0 -",
        "- -",
    ];
    assert_eq!(given, expected);
}

#[test]
fn what_is_given_stays_in_its_layer_where_temporal_layers_come_and_go() {
    let (mut now, mut allocation) = (Instant::now(), Allocation::default());
    let mut update = |demand: &Demand, available| {
        now += PATIENCE;
        allocation.update(now, available, true, vec![demand.clone()]);
        allocation.given(1).unwrap().unwrap().to_string()
    };
    let (whole, mut bare) = (thinnable(1, 1), thinnable(1, 1));
    bare.points
        .retain(|(point, _)| point.temporal == ALL_TEMPORAL);
    update(&whole, 800_000);
    assert_eq!(update(&whole, 800_000), "0/T1");
    // Nothing is left out any more of what there is, and it does not fit.
    assert_eq!(update(&bare, 1_100_000), "0/T1");
    update(&bare, 800_000);
    assert_eq!(update(&bare, 800_000), "1");
}

/// A path of which what is better takes all there is: it shows each time as soon as that is sent.
#[test]
fn what_never_fits_is_tried_ever_more_rarely() {
    let (start, mut allocation) = (Instant::now(), Allocation::default());
    let mut raised = Vec::new();
    let mut before = 1;
    for tenth in 0..6000 {
        let at = Duration::from_millis(100) * tenth;
        let available = if before == 0 { 900_000 } else { 1_180_000 };
        let demand = Demand {
            points: wholes(&[(0, 1_000_000), (1, 300_000)]),
            ..picture(1, 1)
        };
        allocation.update(start + at, available, true, vec![demand]);
        let layer = layer(&allocation, 1).unwrap().unwrap();
        if layer < before {
            raised.push(at.as_secs());
        }
        before = layer;
    }
    let waits = raised.windows(2).map(|pair| pair[1] - pair[0]);
    let waits: Vec<_> = waits.collect();
    let grows = waits.windows(2).all(|pair| pair[0] <= pair[1] + 1);
    assert!(grows && raised.len() < 15, "{waits:?}");
    assert!(*waits.last().unwrap() >= 64, "{waits:?}");
}

/// All up to a temporal layer goes out, whatever of that is worth a name at the moment.
#[test]
fn what_goes_out_under_a_name_that_is_gone_counts_as_what_it_is() {
    for (whole, available, expected) in [(750_000, 800_000, "0"), (900_000, 800_000, "0/T0")] {
        let (mut now, mut allocation) = (Instant::now(), Allocation::default());
        let mut update = |demand: &Demand, available| {
            now += PATIENCE;
            allocation.update(now, available, true, vec![demand.clone()]);
            allocation.given(1).unwrap().unwrap().to_string()
        };
        let mut demand = thinnable(1, 1);
        update(&demand, available);
        assert_eq!(update(&demand, available), "0/T1");
        demand.points.drain(1..3);
        (demand.points[0].1, demand.points[1].1) = (whole, 400_000);
        demand.points[1].0 = OperatingPoint {
            layer: 0,
            temporal: 0,
        };
        assert_eq!(update(&demand, available), "0/T1");
        assert_eq!(update(&demand, available), expected);
    }
}

/// A screen that comes and goes takes the room of a picture, which says nothing of what the path has room for.
#[test]
fn what_had_to_give_way_is_not_waited_for() {
    let (mut now, mut allocation) = (Instant::now(), Allocation::default());
    let small = Demand {
        points: wholes(&[(0, 1_000_000), (1, 300_000)]),
        ..picture(1, 1)
    };
    let screen = Demand {
        points: wholes(&[(0, 800_000)]),
        ..picture(7, u32::MAX)
    };
    for round in 0..6 {
        let mut run = |demands: &[Demand], tenths| {
            for _ in 0..tenths {
                now += Duration::from_millis(100);
                allocation.update(now, 1_300_000, true, demands.to_vec());
            }
            layer(&allocation, 1).unwrap()
        };
        assert_eq!(run(std::slice::from_ref(&small), 22), Some(0), "{round}");
        assert_eq!(run(&[small.clone(), screen.clone()], 25), Some(1));
    }
}

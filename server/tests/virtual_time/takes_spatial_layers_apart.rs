//! Of a picture with spatial layers in one stream everybody is sent the one for the size that they watch it at: the frames
//! that it needs and no others, whole pictures of which the last packet says that it is, and nothing that cannot be
//! decoded.

use std::time::Duration;

use crate::harness::pyramid::{Codec, Mode, SIZES, verify, verify_with_losses};
use crate::harness::seed;
use crate::harness::theatre::Theatre;

const SECOND: Duration = Duration::from_secs(1);
const WIDE: f64 = 10_000_000.0;
const ALL: [(Codec, Mode); 4] = [
    (Codec::Vp9, Mode::Key),
    (Codec::Vp9, Mode::Full),
    (Codec::Av1, Mode::Key),
    (Codec::Av1, Mode::Full),
];

#[test]
fn who_watches_small_is_sent_the_small_layer_and_who_watches_large_the_large_one() {
    for (codec, mode) in ALL {
        let mut theatre = Theatre::new(seed(1), codec, mode);
        let seats = SIZES.map(|size| theatre.enter(WIDE, size));
        theatre.run_for(2 * SECOND);
        let steady = theatre.world.now;
        theatre.run_for(5 * SECOND);
        for (layer, seat) in seats.into_iter().enumerate() {
            let (layer, seat) = (layer as u8, &theatre.seats[seat]);
            verify(&seat.came);
            assert_eq!(seat.shown(steady), [layer], "{codec:?} {mode:?}");
            assert_eq!(seat.pictures(steady, 5), 25);
            // Between keyframes nothing needs the smaller ones.
            let expected: Vec<_> = match mode {
                Mode::Key => vec![layer],
                Mode::Full => (0..=layer).collect(),
            };
            assert_eq!(seat.layers(steady), expected, "{codec:?} {mode:?}");
            // The best is named 0.
            assert_eq!(seat.quality.slots[0].1.sent, Some(2 - layer));
            assert_eq!(seat.quality.slots[0].1.wished, 2 - layer);
            assert_eq!(seat.quality.slots[0].1.limit, None);
        }
    }
}

#[test]
fn smaller_is_shown_at_once_where_it_came_all_the_time_and_else_from_a_keyframe() {
    for (codec, mode) in ALL {
        let mut theatre = Theatre::new(seed(2), codec, mode);
        let seat = theatre.enter(WIDE, SIZES[2]);
        theatre.run_for(3 * SECOND);
        let (mut asked, mut shown) = (Vec::new(), Vec::new());
        for layer in [0, 1, 2] {
            let (began, before) = (theatre.world.now, theatre.keyframes);
            theatre.resize(seat, SIZES[layer]);
            theatre.run_for(2 * SECOND);
            asked.push(theatre.keyframes - before);
            shown.push(theatre.seats[seat].shown(began));
        }
        let (codec, seat) = ((codec, mode), &theatre.seats[seat]);
        assert_eq!(asked, [u32::from(mode == Mode::Key), 1, 1], "{codec:?}");
        assert_eq!(shown, [vec![2, 0], vec![0, 1], vec![1, 2]], "{codec:?}");
        assert_eq!(seat.pictures(theatre.world.now - 6 * SECOND, 6), 25);
        verify(&seat.came);
    }
}

/// Frames first, then size.
#[test]
fn a_narrow_way_is_sent_fewer_frames_and_then_smaller_ones() {
    for (codec, mode) in ALL {
        let mut theatre = Theatre::new(seed(3), codec, mode);
        // The whole, and what a quarter, a half and all of the frames take of each layer.
        let ways = match mode {
            Mode::Key => [WIDE, 950_000.0, 480_000.0, 200_000.0, 90_000.0],
            Mode::Full => [WIDE, 1_250_000.0, 620_000.0, 200_000.0, 90_000.0],
        };
        let seats = ways.map(|rate| theatre.enter(rate, SIZES[2]));
        theatre.run_for(30 * SECOND);
        let steady = theatre.world.now;
        theatre.run_for(20 * SECOND);
        let told = seats.map(|at| {
            let seat = &theatre.seats[at];
            verify_with_losses(&seat.came);
            assert!(seat.freeze(steady) < SECOND / 2, "{codec:?} {mode:?}");
            let slot = &seat.quality.slots[0].1;
            (
                seat.shown(steady),
                slot.temporal_layer.is_some(),
                seat.pictures(steady, 20),
            )
        });
        let shown = told.clone().map(|(shown, ..)| shown);
        assert_eq!(
            shown,
            [[2], [2], [1], [0], [0]].map(Vec::from),
            "{codec:?} {mode:?} {told:?}"
        );
        let is_thin = told.each_ref().map(|(_, is_thin, _)| *is_thin);
        let [wide, large, _, _, least] = is_thin;
        assert_eq!(
            [wide, large, least],
            [false, true, true],
            "{codec:?} {mode:?} {told:?}"
        );
        assert_eq!(told[0].2, 25);
    }
}

#[test]
fn a_drop_is_followed_down_and_up_again() {
    for (codec, mode) in ALL {
        let mut theatre = Theatre::new(seed(4), codec, mode);
        let seat = theatre.enter(4_000_000.0, SIZES[2]);
        theatre.run_for(10 * SECOND);
        let dropped = theatre.world.now;
        theatre.set_rate(seat, 160_000.0);
        theatre.run_for(15 * SECOND);
        let (low, returned) = (theatre.world.now - 5 * SECOND, theatre.world.now);
        theatre.set_rate(seat, 4_000_000.0);
        theatre.run_for(20 * SECOND);
        let seat = &theatre.seats[seat];
        verify_with_losses(&seat.came);
        assert_eq!(
            seat.shown(returned + 15 * SECOND),
            [2],
            "{codec:?} {mode:?}"
        );
        let in_between = seat
            .came
            .iter()
            .filter(|it| it.at >= low && it.at < returned);
        assert!(in_between.clone().count() > 0 && in_between.clone().all(|it| it.id == 0));
        assert!(
            seat.freeze(dropped) < 3 * SECOND,
            "{:?}",
            seat.freeze(dropped)
        );
    }
}

/// A publisher sends fewer layers from a keyframe on, or more: without the largest, without the smallest, and all.
#[test]
fn there_may_be_fewer_layers_from_a_keyframe_on_and_more_again() {
    for (codec, mode) in ALL {
        let mut theatre = Theatre::new(seed(6), codec, mode);
        let seats = SIZES.map(|size| theatre.enter(WIDE, size));
        theatre.run_for(5 * SECOND);
        for (count, bottom, expected) in [
            (2, 0, [0, 1, 1]),
            (3, 0, [0, 1, 2]),
            (2, 1, [0, 0, 1]),
            (3, 0, [0, 1, 2]),
            (2, 1, [0, 0, 1]),
            (2, 0, [0, 1, 1]),
        ] {
            let pyramid = &mut theatre.pyramid;
            (pyramid.layers, pyramid.count, pyramid.bottom) = (count, count, bottom);
            pyramid.cuts = true;
            let (began, before) = (theatre.world.now, theatre.keyframes);
            theatre.run_for(8 * SECOND);
            let name = (codec, mode, count, bottom);
            assert!(theatre.keyframes < before + 3, "{name:?} keyframes");
            for (at, (seat, id)) in seats.into_iter().zip(expected).enumerate() {
                let seat = &theatre.seats[seat];
                assert_eq!(seat.shown(began + 3 * SECOND), [id], "{name:?} {at}");
                assert!(seat.freeze(began) < SECOND, "{name:?} {at}");
                // Where the largest are as large as ever, so are their names, and nobody is said to send too little.
                let slot = &seat.quality.slots[0].1;
                if bottom == 1 {
                    let named = [1, 1, 0][at];
                    assert_eq!(slot.sent, Some(named), "{name:?} {at}");
                    assert_eq!(slot.wished, named, "{name:?} {at}");
                    assert_eq!(slot.limit, None, "{name:?} {at}");
                }
            }
        }
        seats
            .into_iter()
            .for_each(|seat| verify(&theatre.seats[seat].came));
    }
}

/// Encoders leave the largest out where they have no room for it.
#[test]
fn what_does_not_come_is_not_waited_for() {
    for (codec, mode) in ALL {
        let mut theatre = Theatre::new(seed(5), codec, mode);
        let seat = theatre.enter(WIDE, SIZES[2]);
        theatre.run_for(5 * SECOND);
        let mut shown = Vec::new();
        for layers in [2, 1, 3] {
            theatre.pyramid.layers = layers;
            theatre.run_for(3 * SECOND);
            shown.push(theatre.seats[seat].shown(theatre.world.now - SECOND));
        }
        let seat = &theatre.seats[seat];
        assert_eq!(shown, [[1], [0], [2]].map(Vec::from), "{codec:?} {mode:?}");
        assert!(seat.freeze(theatre.world.now - 9 * SECOND) < SECOND);
    }
}

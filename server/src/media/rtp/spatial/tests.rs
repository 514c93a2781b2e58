//! Payload descriptors of VP9 as browsers write them, and others.

use super::*;

const SIZES: [(u16, u16); 3] = [(320, 180), (640, 360), (1280, 720)];

/// The structure of three layers, with or without their sizes.
fn structure(has_sizes: bool) -> Vec<u8> {
    let mut bytes = vec![2 << 5 | u8::from(has_sizes) << 4];
    for (width, height) in SIZES.iter().filter(|_| has_sizes) {
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
    }
    bytes
}

fn told(payload: &[u8]) -> Option<(u8, Sizes)> {
    Descriptor::read(payload)?.structure()
}

fn of_vp9(payload: &[u8], layers: &SpatialLayers) -> Option<Spatial> {
    Some(Spatial::of_vp9(&Descriptor::read(payload)?, layers))
}

fn payload(head: &[u8], structure: &[u8]) -> Vec<u8> {
    [head, structure].concat()
}

#[test]
fn the_structure_is_where_the_format_says() {
    let known = Some((3, [SIZES[0], SIZES[1], SIZES[2], (0, 0)]));
    let of = |head: &[u8]| told(&payload(head, &structure(true)));
    // I, L, B, V: a picture number of either length, the layers, TL0PICIDX.
    assert_eq!(of(&[0xAA, 0x12, 0x00, 7]), known);
    assert_eq!(of(&[0xAA, 0x92, 0x34, 0x00, 7]), known);
    // F: no TL0PICIDX, and references where P says so, up to three.
    assert_eq!(of(&[0xBA, 0x12, 0x00]), known);
    assert_eq!(of(&[0xFA, 0x12, 0x00, 0x02]), known);
    assert_eq!(of(&[0xFA, 0x12, 0x00, 0x03, 0x05, 0x06]), known);
    assert_eq!(of(&[0xFA, 0x12, 0x00, 0x03, 0x05, 0x07]), known);
    let without_sizes = payload(&[0xAA, 0x12, 0x00, 7], &structure(false));
    let unknown = Some((3, Sizes::default()));
    assert_eq!(told(&without_sizes), unknown);
    // Without V there is none, and without L none that could be used.
    assert_eq!(of(&[0xA8, 0x12, 0x00, 7]), None);
    assert_eq!(of(&[0x8A, 0x12, 7]), None);
    for count in [0, 4, 5, 6, 7] {
        let head = payload(&[0xAA, 0x12, 0x00, 7], &[count << 5]);
        let told = told(&head).unwrap();
        assert_eq!(SpatialLayers::new(told.0, told.1), None, "{count} and one");
    }
}

#[test]
fn who_needs_a_frame_is_who_is_shown_its_layer_or_one_that_needs_it() {
    let layers = SpatialLayers::new(3, Sizes::default()).unwrap();
    let of = |first: u8, id: u8| {
        let read = of_vp9(&[0xA8 | first, 0x12, id << 1, 7], &layers).unwrap();
        (read.id, read.needed_by, read.ends)
    };
    assert_eq!([0, 1, 2].map(|id| of(0, id).1), [0b111, 0b110, 0b100]);
    // Z: none above does.
    assert_eq!([0, 1, 2].map(|id| of(1, id).1), [0b001, 0b010, 0b100]);
    assert_eq!(of(4, 1), (1, 0b110, true));
    // Of a layer that there is none of.
    assert_eq!([3, 7].map(|id| of(1, id).1), [0, 0]);
    // A layer alone does not say which it is.
    let alone = of_vp9(&[0x88, 0x12, 9], &layers).unwrap();
    assert_eq!((alone.id, alone.needed_by), (0, 0b111));
}

#[test]
fn the_largest_layer_that_fits_is_the_best() {
    let of = |sizes, fits: fn((u16, u16)) -> bool| {
        let layers = SpatialLayers::new(3, sizes).unwrap();
        let mut layers = layers;
        layers.note(0, Spatial::default()).best(fits)
    };
    let sizes = [SIZES[0], SIZES[1], SIZES[2], (0, 0)];
    assert_eq!(of(sizes, |_| true), 0);
    assert_eq!(of(sizes, |(width, _)| width < 700), 1);
    assert_eq!(of(sizes, |_| false), 2, "the smallest");
    assert_eq!(of(Sizes::default(), |(width, _)| width < 100), 0, "unknown");
}

#[test]
fn what_did_not_come_for_a_while_is_not_there() {
    let mut layers = SpatialLayers::new(3, Sizes::default()).unwrap();
    let of = |id| Spatial {
        id,
        ..Spatial::default()
    };
    let mut live = |picture: u32, ids: &[u8]| {
        let noted = ids
            .iter()
            .map(|id| layers.note(picture * 3600, of(*id)).live);
        noted.last().unwrap()
    };
    assert_eq!(live(1, &[0, 1, 2]), 2);
    assert!((2..16).all(|picture| live(picture, &[0, 1]) == 2));
    // What comes late is no picture more.
    assert_eq!(live(14, &[0]), 2);
    assert_eq!(live(16, &[0, 1]), 1);
    assert_eq!(live(17, &[0, 1, 2]), 2);
    // Another structure with as many layers says nothing of which of them come.
    for picture in 18..40 {
        live(picture, &[0]);
    }
    layers.renew(3, [SIZES[0]; 4], false);
    assert_eq!(layers.note(40 * 3600, of(0)).live, 0);
}

#[test]
fn a_layer_keeps_its_name_and_those_that_are_said_not_to_come_are_not_waited_for() {
    let sizes = [SIZES[0], SIZES[1], SIZES[2], (0, 0)];
    let mut layers = SpatialLayers::new(3, sizes).unwrap();
    let mut picture = 0;
    let mut noted = |layers: &mut SpatialLayers, id| {
        picture += 3600;
        let noted = layers.note(
            picture,
            Spatial {
                id,
                ..Spatial::default()
            },
        );
        (noted.layer(0), noted.live, noted.sizes)
    };
    assert_eq!(noted(&mut layers, 0), (2, 2, sizes));
    for count in [2, 1] {
        layers.renew(count, sizes, false);
        assert_eq!(noted(&mut layers, 0), (2, count - 1, sizes));
    }
    // One that is said to come again is there, and sizes that are not said stay.
    layers.renew(3, [(0, 0); 4], false);
    assert_eq!(noted(&mut layers, 0), (2, 2, sizes));
    assert_eq!(noted(&mut layers, 2), (2, 2, sizes));
    layers.renew(4, [SIZES[0]; 4], false);
    assert_eq!(noted(&mut layers, 3), (3, 3, [SIZES[0]; 4]));
}

#[test]
fn no_layer_is_smaller_than_those_below_it_whatever_is_said() {
    let sizes = |told| SpatialLayers::new(3, told).unwrap().sizes();
    let [small, middle, large] = SIZES;
    assert_eq!(
        sizes([small, middle, (1, 1), (9, 9)]),
        [small, middle, middle, (9, 9)]
    );
    assert_eq!(
        sizes([large, middle, small, (0, 0)]),
        [large, large, large, (0, 0)]
    );
    assert_eq!(
        sizes([small, (0, 0), large, (0, 0)]),
        [small, small, large, (0, 0)]
    );
    assert_eq!(sizes([(0, 0); 4]), [(0, 0); 4], "unknown");
    let mut layers = SpatialLayers::new(3, [small, middle, large, (0, 0)]).unwrap();
    layers.renew(3, [middle, small, (1, 1), (0, 0)], false);
    assert_eq!(layers.sizes(), [middle, middle, middle, (0, 0)]);
}

/// A keyframe of fewer layers whose largest is as large as before has none of the smallest any more.
#[test]
fn layers_have_other_names_where_it_is_the_smallest_that_end() {
    let [small, middle, large] = SIZES;
    let of = |count, sizes, is_key| {
        let mut layers = SpatialLayers::new(3, [small, middle, large, (0, 0)]).unwrap();
        layers.renew(count, sizes, is_key);
        (layers.count(), layers.sizes())
    };
    let fewer = [middle, large, (0, 0), (0, 0)];
    assert_eq!(of(2, fewer, true), (2, fewer));
    assert_eq!(of(2, fewer, false).0, 3);
    let without_largest = [small, middle, (0, 0), (0, 0)];
    assert_eq!(
        of(2, without_largest, true),
        (3, [small, middle, large, (0, 0)])
    );
    assert_eq!(of(2, [(0, 0); 4], true).0, 3);
    // One alone is told apart from nothing.
    assert_eq!(of(1, [large; 4], true).0, 3);
}

proptest::proptest! {
    #[test]
    fn whatever_a_payload_says_no_layer_is_beyond_those_that_there_are(
        payload in proptest::collection::vec(proptest::num::u8::ANY, 0..40),
        other in proptest::collection::vec(proptest::num::u8::ANY, 0..8),
    ) {
        let told = told(&payload);
        let told = told.and_then(|(count, sizes)| SpatialLayers::new(count, sizes));
        let mut layers = told.unwrap_or_else(|| SpatialLayers::new(3, Sizes::default()).unwrap());
        for (timestamp, payload) in [(0, &payload), (u32::MAX, &other)] {
            if let Some(spatial) = of_vp9(payload, &layers) {
                let noted = layers.note(timestamp, spatial);
                proptest::prop_assert!(noted.live < noted.count);
                proptest::prop_assert_eq!(noted.needed_by & !all(noted.count), 0);
                proptest::prop_assert!(noted.best(|size| size.0 < 9) < noted.count);
            }
        }
    }
}

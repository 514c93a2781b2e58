//! Descriptors as browsers write them, and others.

use super::*;
use crate::media::rtp::work::steps_of;

/// Bits that are written.
#[derive(Default)]
pub(crate) struct Written {
    bytes: Vec<u8>,
    at: usize,
}

impl Written {
    pub(crate) fn put(&mut self, number: u32, count: u8) {
        for bit in (0..count).rev() {
            if self.at.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if number >> bit & 1 == 1 {
                *self.bytes.last_mut().unwrap() |= 1 << (7 - self.at % 8);
            }
            self.at += 1;
        }
    }
}

/// The structure of one spatial layer and three temporal ones: what libwebrtc calls L1T3.
fn l1t3(out: &mut Written, offset: u32) {
    out.put(offset, 6);
    out.put(2, 5);
    // Keyframe and T0, T1 twice, T2 twice.
    for next in [0, 1, 0, 1, 0, 3] {
        out.put(next, 2);
    }
    for dtis in [
        [2, 2, 2],
        [2, 2, 2],
        [0, 1, 2],
        [0, 1, 2],
        [0, 0, 1],
        [0, 0, 1],
    ] {
        dtis.iter().for_each(|dti| out.put(*dti, 2));
    }
    for fdiffs in [&[][..], &[3], &[1], &[1], &[0], &[0]] {
        for fdiff in fdiffs {
            out.put(1, 1);
            out.put(*fdiff, 4);
        }
        out.put(0, 1);
    }
    // One chain, which protects all.
    out.put(1, 2);
    (0..6).for_each(|_| out.put(1, 4));
    // And a size.
    out.put(1, 1);
    out.put(639 << 16 | 359, 32);
}

/// A descriptor of a frame's first packet.
pub(crate) fn descriptor(template: u32, structure: Option<u32>, dtis: Option<[u32; 3]>) -> Vec<u8> {
    let mut out = Written::default();
    out.put(2, 2);
    out.put(template, 6);
    out.put(7, 16);
    if structure.is_some() || dtis.is_some() {
        out.put(structure.is_some().into(), 1);
        out.put(0, 1);
        out.put(dtis.is_some().into(), 1);
        out.put(0, 2);
        structure
            .into_iter()
            .for_each(|offset| l1t3(&mut out, offset));
        dtis.iter().flatten().for_each(|dti| out.put(*dti, 2));
    }
    out.bytes
}

#[test]
fn frames_are_of_the_layers_of_their_templates() {
    let key = descriptor(60, Some(60), None);
    let structure = Structure::brought(&key).unwrap();
    let of = |template| {
        let read = structure.frame(&descriptor(template, None, None))?;
        assert_eq!(read.spatial, None);
        Some((read.temporal.id, read.temporal.opens))
    };
    // The templates' numbers wrap.
    let all: Vec<_> = [60, 61, 62, 63, 0, 1]
        .map(of)
        .into_iter()
        .flatten()
        .collect();
    let (first, second, third) = ((0, ALL_TEMPORAL), (1, ALL_TEMPORAL), (2, 0));
    assert_eq!(all, [first, first, second, second, third, third]);
    assert_eq!(of(2), None, "it is of another structure");
    assert_eq!(structure.frame(&key).unwrap().temporal.opens, ALL_TEMPORAL);
    assert_eq!(Structure::brought(&descriptor(60, None, None)), None);
}

#[test]
fn a_frame_may_say_itself_what_begins_with_it_and_only_its_first_packet_begins() {
    let structure = Structure::brought(&descriptor(0, Some(0), None)).unwrap();
    let opens = |descriptor: &[u8]| structure.frame(descriptor).unwrap().temporal.opens;
    assert_eq!(opens(&descriptor(1, None, Some([2, 2, 3]))), 1);
    assert_eq!(opens(&descriptor(1, None, Some([2, 3, 3]))), 0);
    assert_eq!(opens(&descriptor(0, Some(0), Some([2, 2, 3]))), 1);
    let mut later = descriptor(1, None, None);
    later[0] &= 0x3F;
    assert_eq!(opens(&later), 0);
}

#[test]
fn what_is_cut_off_or_goes_on_for_ever_is_no_structure() {
    let whole = descriptor(0, Some(0), None);
    for len in 0..whole.len() {
        assert_eq!(Structure::brought(&whole[..len]), None, "{len} bytes");
    }
    for byte in [0, 0x55, 0xAA, 0xFF] {
        let mut endless = [byte; 255];
        endless[MANDATORY] |= 0x80;
        let structure = Structure::brought(&endless);
        assert!(structure.is_none_or(|it| it.templates.len() <= MAX_TEMPLATES));
    }
}

/// A publisher may send one with each packet.
#[test]
fn a_structure_is_read_once() {
    let key = descriptor(0, Some(0), None);
    let structure = Structure::brought(&key).unwrap();
    assert_eq!(steps_of(|| assert!(structure.frame(&key).is_some())), 0);
    let mut longest = [0; 255];
    longest[MANDATORY] = 0x80;
    let steps = steps_of(|| drop(Structure::brought(&longest)));
    assert!(steps <= 8 * 255, "{steps}");
}

/// Numbers below another that is no power of two take fewer bits where they are small (A.8.1).
#[test]
fn short_numbers_are_short() {
    let read = |bytes: &[u8], end| {
        let mut bits = Bits { bytes, at: 0 };
        (bits.up_to(end).unwrap(), bits.at)
    };
    assert_eq!(read(&[0b0000_0000], 5), (0, 2));
    assert_eq!(read(&[0b1000_0000], 5), (2, 2));
    assert_eq!(read(&[0b1100_0000], 5), (3, 3));
    assert_eq!(read(&[0b1110_0000], 5), (4, 3));
    assert_eq!(read(&[0b1111_0000], 1), (0, 0));
}

proptest::proptest! {
    #[test]
    fn whatever_a_descriptor_says_it_is_read_to_its_end_at_most(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..256),
        other in proptest::collection::vec(proptest::num::u8::ANY, 0..20),
    ) {
        if let Some(structure) = Structure::brought(&bytes) {
            proptest::prop_assert!(structure.templates.len() <= MAX_TEMPLATES);
            proptest::prop_assert!(structure.targets.len() <= 32);
            for descriptor in [&bytes, &other] {
                let read = structure.frame(descriptor).unwrap_or_default();
                let temporal = read.temporal;
                proptest::prop_assert!(temporal.id.max(temporal.opens) <= ALL_TEMPORAL);
                if let Some(spatial) = read.spatial {
                    let layers = structure.spatial().unwrap();
                    proptest::prop_assert!(spatial.id < layers.count());
                    let of = spatial.needed_by | spatial.opens;
                    proptest::prop_assert_eq!(of & !all(layers.count()), 0);
                }
            }
        }
    }
}

/// A structure in which each spatial layer has one template for keyframes and one for others, and what each is to the
/// decode target of each layer.
fn spatial_structure(layers: u32, dtis: &dyn Fn(u32, bool, u32) -> u32) -> Vec<u8> {
    let mut out = Written::default();
    out.put(0b11, 2);
    out.put(0, 6);
    out.put(7, 16);
    out.put(0b10000, 5);
    out.put(0, 6);
    out.put(layers - 1, 5);
    for layer in 0..layers {
        out.put(0, 2);
        out.put(if layer + 1 < layers { 2 } else { 3 }, 2);
    }
    for (layer, is_key) in (0..layers).flat_map(|layer| [(layer, true), (layer, false)]) {
        (0..layers).for_each(|target| out.put(dtis(layer, is_key, target), 2));
    }
    out.put(0, 2 * layers as u8);
    // No chains: a number below one more than there are targets.
    out.put(0, (u32::BITS - (layers + 1).leading_zeros()) as u8 - 1);
    out.put(1, 1);
    (0..layers).for_each(|layer| out.put((319 << layer) << 16 | 179, 32));
    out.bytes
}

#[test]
fn spatial_layers_need_the_frames_that_their_decode_targets_do() {
    let dtis = |layer: u32, is_key: bool, target: u32| match target == layer {
        true => SWITCH.into(),
        false => u32::from(is_key && target > layer) * u32::from(SWITCH),
    };
    let key = spatial_structure(3, &dtis);
    let structure = Structure::brought(&key).unwrap();
    let of = |template| {
        let spatial = structure
            .frame(&descriptor(template, None, None))
            .unwrap()
            .spatial;
        let spatial = spatial.unwrap();
        (spatial.id, spatial.needed_by, spatial.opens)
    };
    assert_eq!([0, 2, 4].map(of), [(0, 7, 7), (1, 6, 6), (2, 4, 4)]);
    assert_eq!([1, 3, 5].map(of), [(0, 1, 1), (1, 2, 2), (2, 4, 4)]);
    // A frame says itself that others need it.
    let own = structure
        .frame(&descriptor(1, None, Some([2, 3, 0])))
        .unwrap();
    let own = own.spatial.unwrap();
    assert_eq!((own.needed_by, own.opens), (0b011, 0b001));
    let mut layers = structure.spatial().unwrap();
    let sizes = layers.note(0, own).sizes;
    assert_eq!(sizes, [(320, 180), (639, 180), (1277, 180), (0, 0)]);
}

/// Of three targets of a layer each, some are active.
#[test]
fn of_which_layers_something_comes_a_descriptor_says_with_a_structure_or_without() {
    let dtis = |layer: u32, _, target: u32| u32::from(target >= layer) * u32::from(SWITCH);
    let key = spatial_structure(3, &dtis);
    let structure = Structure::brought(&key).unwrap();
    assert_eq!(structure.active(), 3);
    let activated = |mask| {
        let mut out = Written::default();
        out.put(1, 8);
        out.put(7, 16);
        out.put(0b01000, 5);
        out.put(mask, 3);
        structure.activated(&out.bytes)
    };
    assert_eq!(
        [0b001, 0b011, 0b100].map(activated),
        [Some(1), Some(2), Some(3)]
    );
    assert_eq!(structure.activated(&key), None);
}

/// Layers that are pictures by themselves, and more than are told apart: all of it goes out.
#[test]
fn what_cannot_be_taken_apart_is_not() {
    let alone = |layer: u32, _, target: u32| u32::from(target == layer) * 2;
    let always = |_, _, _| 2;
    let structures: [Vec<u8>; 3] = [
        spatial_structure(3, &alone),
        spatial_structure(5, &always),
        spatial_structure(1, &always),
    ];
    for structure in structures {
        let structure = Structure::brought(&structure).unwrap();
        assert_eq!(structure.spatial(), None);
        let frame = structure.frame(&descriptor(1, None, None)).unwrap();
        assert_eq!((frame.spatial, frame.temporal.id), (None, 0));
    }
}

//! What is known of a picture's rates: by layer, by temporal layer, and through keyframes.

use super::*;
use crate::media::rtp::header::Header;
use crate::media::rtp::temporal::Temporal;
use crate::media::sdp::{CodecKind, Extensions, Format};

const FRAME: Duration = Duration::from_millis(40);

/// A packet of so many bytes of a frame.
fn packet(layer: u8, temporal: u8, frame: u32, bytes: usize, is_key: bool) -> MediaPacket {
    let mut packet = vec![0; bytes];
    packet[..2].copy_from_slice(&[0x80, 96]);
    packet[4..8].copy_from_slice(&(3600 * frame).to_be_bytes());
    packet[12] = 0x10;
    packet[13] = u8::from(!is_key);
    let header = Header::parse(&packet).unwrap();
    let (codec, ids) = (Format::of(CodecKind::Vp8, ""), Extensions::default());
    let at = Instant::now();
    let temporal = Temporal {
        id: temporal,
        ..Temporal::default()
    };
    MediaPacket {
        temporal: Some(temporal),
        ..MediaPacket::read(at, (0, layer), (codec, 90_000), header, &ids, packet.into())
    }
}

/// Frames of 25 a second in two layers; of each other frame is of the third temporal layer, and of the second every
/// fourth. Keyframes come where it is said, after so many frames; they are of the lowest, and so long.
fn run(
    rates: &mut LayerRates,
    frames: u32,
    keys: &[u32],
    key_bytes: usize,
    mut look: impl FnMut(&LayerRates),
) {
    let start = Instant::now();
    for frame in 0..frames {
        let temporal = [0, 2, 1, 2][frame as usize % 4];
        let now = start + FRAME * frame;
        for (layer, bytes) in [(0, 1000), (2, 250)] {
            let is_key = keys.contains(&frame);
            let mut packets = vec![packet(layer, temporal, frame, bytes, is_key)];
            if is_key && layer == 2 {
                // The rest of it does not begin one.
                packets.push(packet(layer, temporal, frame, key_bytes, false));
            }
            rates.count(now, &packets);
        }
        look(rates);
    }
}

fn points(rates: &LayerRates, best: u8) -> Vec<(String, u64)> {
    let points = rates.points(best);
    points
        .map(|(point, bits)| (point.to_string(), bits / 1000))
        .collect()
}

#[test]
fn a_layer_may_be_had_in_part_where_that_is_worth_it_and_the_last_in_less() {
    let mut rates = LayerRates::default();
    assert_eq!(points(&rates, 0), []);
    run(&mut rates, 250, &[], 0, |_| {});
    let about = |expected: &[(&str, u64)], best| {
        let points = points(&rates, best);
        let names = |it: &[(&str, u64)]| it.iter().map(|it| it.0.to_owned()).collect::<Vec<_>>();
        let found: Vec<_> = points.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(found, names(expected));
        for ((_, bits), (_, expected)) in points.iter().zip(expected) {
            assert!(bits.abs_diff(*expected) * 5 <= *expected, "{points:?}");
        }
    };
    let least = [("2", 50), ("2/T1", 25), ("2/T0", 12)];
    about(
        &[("0", 200), ("0/T1", 100), least[0], least[1], least[2]],
        0,
    );
    about(&least, 1);
    // What takes hardly anything is not worth leaving out.
    let mut rates = LayerRates::default();
    let start = Instant::now();
    for frame in 0..100 {
        let now = start + FRAME * frame;
        let bytes = if frame % 2 == 0 { 1000 } else { 100 };
        rates.count(now, &[packet(0, frame as u8 % 2, frame, bytes, false)]);
    }
    let names: Vec<_> = rates.points(0).map(|(it, _)| it.to_string()).collect();
    assert_eq!(names, ["0"]);
    rates.sweep(start + 2 * SILENCE + FRAME * 100);
    assert_eq!(points(&rates, 0), []);
}

/// What a keyframe takes says nothing of what comes after it.
#[test]
fn a_keyframe_makes_the_least_no_grave_shortage() {
    let mut rates = LayerRates::default();
    let (mut at, mut before, mut after) = (0, 0, 0);
    // Of the least 12 kbit/s are of the lowest temporal layer: with a keyframe of 7 times as much in half a second.
    run(&mut rates, 500, &[0, 300], 5000, |rates| {
        at += 1;
        let least = rates.points(0).last().map_or(0, |(_, bits)| bits);
        match at {
            0..200 => {}
            200..300 => before = before.max(least),
            _ => after = after.max(least),
        }
    });
    assert!(before < 16_000 && after > before, "{before} {after}");
    // What has room before has as much of it as is not grave.
    assert!(after as f64 * 0.65 < before as f64, "{before} {after}");
    // Where everything is one that is what it takes.
    let mut rates = LayerRates::default();
    let start = Instant::now();
    for frame in 0..50 {
        rates.count(start + FRAME * frame, &[packet(0, 0, frame, 1000, true)]);
    }
    assert!(
        rates.of(1)[0].abs_diff(200_000) < 20_000,
        "{:?}",
        rates.of(1)
    );
}

/// Of one stream with three spatial layers, which need each other in keyframes or always, what each takes is what the
/// frames take that it needs; and one that nothing comes of is none.
#[test]
fn a_spatial_layer_takes_what_the_frames_do_that_it_needs() {
    let sizes = [(320, 180), (640, 360), (1280, 720), (0, 0)];
    let run = |needed_by: [u8; 3], layers: usize| {
        let (mut rates, start) = (LayerRates::default(), Instant::now());
        for frame in 0..100 {
            for id in 0..layers {
                let mut media = packet(0, 0, frame, [250, 1000, 4000][id], false);
                media.spatial = Some(Spatial {
                    id: id as u8,
                    count: 3,
                    live: layers as u8 - 1,
                    needed_by: needed_by[id],
                    sizes,
                    ..Spatial::default()
                });
                rates.count(start + FRAME * frame, &[media]);
            }
        }
        rates
    };
    let kilobits = |rates: &LayerRates| -> Vec<_> {
        rates
            .layers()
            .map(|(layer, bits)| (layer, bits / 1000))
            .collect()
    };
    let key = run([0b001, 0b010, 0b100], 3);
    assert_eq!(kilobits(&key), [(0, 800), (1, 200), (2, 50)]);
    let full = run([0b111, 0b110, 0b100], 3);
    assert_eq!(kilobits(&full), [(0, 1050), (1, 250), (2, 50)]);
    // Nothing comes of the largest.
    let less = run([0b111, 0b110, 0b100], 2);
    assert_eq!(kilobits(&less), [(1, 250), (2, 50)]);
    // So many entries as there are layers, and padding says nothing of them.
    let mut less = less;
    let mut padding = packet(0, 0, 101, 200, false);
    (padding.is_padding, padding.spatial) = (true, None);
    less.count(Instant::now(), &[padding]);
    let arrives: Vec<_> = less.of(1).into_iter().map(|it| it / 1000).collect();
    assert_eq!(arrives, [0, 250, 50]);
    let shown = |width| Shown {
        size: (Some(width), None),
        ..Shown::at_best(crate::media::id::TrackId::default())
    };
    assert_eq!(
        [1280, 640, 320, 10].map(|width| full.best(&shown(width))),
        [0, 1, 2, 2]
    );
}

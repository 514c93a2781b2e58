//! What a receiver is sent of a source with spatial layers: the frames of one, whole pictures that end where they say,
//! and the same again where it is asked for.

use super::*;
use crate::media::rtp::spatial::{Spatial, SpatialLayers};
use crate::media::rtp::vp9::Descriptor;

/// A packet of picture number `picture` in VP9, by its number: one for each of three layers, which need each other in
/// keyframes alone, or always.
fn packet_of(number: u16, is_key_mode: bool, key: u16) -> MediaPacket {
    let (picture, id) = (number / 3, (number % 3) as u8);
    let is_key = picture == key;
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let [inter, alone, below] = [!is_key, is_key_mode && !is_key, id > 0].map(u8::from);
    let first = 0x80 | inter << 6 | 0x20 | 0x08 | 0x04 | alone;
    let payload = [first, high, low, id << 1 | below, 7, 9, 9];
    let mut media = packet(7, number, &payload);
    media.header.timestamp = 3000 * u32::from(picture);
    media.header.marker = id == 2;
    media.format = Format::of(CodecKind::Vp9, "");
    media.starts_keyframe = is_key && id == 0;
    let sizes = [(320, 180), (640, 360), (1280, 720), (0, 0)];
    let mut layers = SpatialLayers::new(3, sizes).unwrap();
    let spatial = Spatial::of_vp9(&Descriptor::read(&payload).unwrap(), &layers);
    media.spatial = Some(layers.note(media.header.timestamp, spatial));
    media
}

fn showing(width: u16) -> Egress {
    let mut section = section(MediaKind::Video);
    section.codecs[0].kind = CodecKind::Vp9;
    let mut egress = Egress::new(&section, stream(), 500);
    show(&mut egress, width);
    egress
}

fn show(egress: &mut Egress, width: u16) {
    egress.select(Some(Shown {
        size: (Some(width), None),
        ..Shown::at_best(TrackId::default())
    }));
}

/// The number, the length and whether the picture ends of what a packet goes out as.
fn send(egress: &mut Egress, media: &MediaPacket) -> Option<(u16, usize, bool)> {
    let sent = egress.forward(Instant::now(), media, false)?;
    let len = sent.contents.payload.len();
    Some((sent.header.sequence, len, sent.header.marker))
}

#[test]
fn a_picture_ends_with_the_last_packet_of_it_that_goes_out() {
    let mut egress = showing(640);
    let sent: Vec<_> = (0..9)
        .map(|number| send(&mut egress, &packet_of(number, true, 0)))
        .collect();
    let (begin, end) = (
        |number| Some((number, 7, false)),
        |number| Some((number, 7, true)),
    );
    // A keyframe, and then the frames of the layer alone.
    assert_eq!(sent[..3], [begin(500), end(501), None]);
    assert_eq!(sent[3..], [None, end(502), None, None, end(503), None]);
}

#[test]
fn what_comes_late_goes_out_as_its_layer_does() {
    let mut egress = showing(640);
    let mut send = |number| send(&mut egress, &packet_of(number, true, 0));
    for number in 0..3 {
        send(number);
    }
    assert_eq!(send(7), Some((506, 7, true)));
    assert_eq!(send(4), Some((503, 7, true)));
    // What is not for it has a number already.
    assert_eq!(send(3), Some((502, 0, false)));
    assert_eq!(send(5), Some((504, 0, false)));
}

#[test]
fn what_is_sent_again_ends_its_picture_too() {
    let mut egress = showing(320);
    let media = packet_of(0, true, 0);
    assert_eq!(send(&mut egress, &media), Some((500, 7, true)));
    assert!(!media.header.marker);
    let wanted = egress.wanted(Instant::now(), None, 500).unwrap();
    let again = egress.retransmit(&wanted, &media).unwrap();
    assert!(again.header.marker && again.original == Some(500));
}

/// Whoever has been sent all of them goes down between any two pictures, and nobody in one.
#[test]
fn smaller_is_shown_from_the_next_picture_on_where_nothing_of_it_is_missing() {
    let sizes = |is_key_mode| {
        let mut egress = showing(1280);
        let sent = (0..18).map(|number| {
            if number == 7 {
                egress.take_keyframe_wish();
                show(&mut egress, 320);
            }
            send(&mut egress, &packet_of(number, is_key_mode, 0)).is_some()
        });
        let sent: Vec<_> = sent.map(u8::from).collect();
        (sent, egress.take_keyframe_wish())
    };
    let full = [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0];
    assert_eq!(sizes(false), (full.to_vec(), false));
    let key = [1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1];
    assert_eq!(sizes(true), (key.to_vec(), true));
}

#[test]
fn larger_is_shown_from_a_keyframe_on() {
    let mut egress = showing(320);
    let mut sent = Vec::new();
    for number in 0..12 {
        if number == 3 {
            egress.take_keyframe_wish();
            show(&mut egress, 1280);
        }
        let media = packet_of(number, false, if number < 6 { 0 } else { 2 });
        sent.push(send(&mut egress, &media).is_some());
        assert_eq!(
            egress.take_keyframe_wish(),
            number == 0 || number == 3,
            "{number}"
        );
    }
    let expected = [1, 0, 0, 1, 0, 0, 1, 1, 1, 1, 1, 1].map(|it| it == 1);
    assert_eq!(sent, expected);
}

/// The picture from which on less is shown begins with its last packets.
#[test]
fn a_picture_is_of_what_is_shown_since_though_its_first_packets_come_late() {
    let mut egress = showing(1280);
    for number in 0..6 {
        send(&mut egress, &packet_of(number, false, 0));
    }
    show(&mut egress, 320);
    assert_eq!(send(&mut egress, &packet_of(7, false, 0)), None);
    assert_eq!(
        send(&mut egress, &packet_of(6, false, 0)),
        Some((506, 7, true))
    );
}

#[test]
fn what_came_late_and_did_not_go_out_is_missing() {
    let mut egress = showing(640);
    for number in [0, 1, 2, 4, 5, 3] {
        send(&mut egress, &packet_of(number, true, 0));
    }
    egress.take_keyframe_wish();
    show(&mut egress, 320);
    assert_eq!(send(&mut egress, &packet_of(6, true, 0)), None);
    assert!(egress.take_keyframe_wish());
    assert!(send(&mut egress, &packet_of(7, true, 0)).is_some());
}

#[test]
fn what_comes_late_of_before_a_keyframe_is_missing_to_nobody_after_it() {
    for after in [0, 600] {
        let mut egress = showing(640);
        for number in [0, 1, 2, 4, 5, 6, 7, 8] {
            send(
                &mut egress,
                &packet_of(number, true, if number < 6 { 0 } else { 2 }),
            );
        }
        // However many come in between, of the layer below nothing is left out.
        for number in 9..9 + after {
            send(&mut egress, &packet_of(number, false, 0));
        }
        send(&mut egress, &packet_of(3, true, 0));
        egress.take_keyframe_wish();
        show(&mut egress, 320);
        let next = packet_of(9 + after, true, 0);
        assert!(send(&mut egress, &next).is_some(), "{after}");
        assert!(!egress.take_keyframe_wish());
        assert_eq!(send(&mut egress, &packet_of(10 + after, true, 0)), None);
    }
}

#[test]
fn larger_is_shown_from_a_keyframe_on_of_which_the_first_packet_was_overtaken() {
    let mut egress = showing(320);
    for number in 0..3 {
        send(&mut egress, &packet_of(number, true, 0));
    }
    show(&mut egress, 1280);
    // The smallest frame has two packets.
    let second = MediaPacket {
        starts_keyframe: false,
        ..packet_of(3, true, 1)
    };
    let mut second = second;
    second.header.sequence = 4;
    assert!(send(&mut egress, &second).is_some());
    assert!(send(&mut egress, &packet_of(3, true, 1)).is_some());
    egress.take_keyframe_wish();
    for (number, packet) in [(5, 4), (6, 5)] {
        let mut media = packet_of(packet, true, 1);
        media.header.sequence = number;
        assert!(send(&mut egress, &media).is_some(), "{number}");
    }
    assert!(!egress.take_keyframe_wish());
}

#[test]
fn where_nothing_is_said_of_layers_any_more_or_only_then_all_goes_out_and_a_keyframe_is_wished_for()
{
    let mut egress = showing(640);
    let plain = |number, key| MediaPacket {
        spatial: None,
        ..packet_of(number, false, key)
    };
    for number in 0..3 {
        send(&mut egress, &packet_of(number, false, 0));
    }
    egress.take_keyframe_wish();
    assert!((3..6).all(|number| send(&mut egress, &plain(number, 0)).is_some()));
    assert!(egress.take_keyframe_wish());
    assert!((6..12).all(|number| send(&mut egress, &plain(number, 2)).is_some()));
    assert!(!egress.take_keyframe_wish());
    // There are layers again.
    show(&mut egress, 320);
    egress.take_keyframe_wish();
    assert!((12..15).all(|number| send(&mut egress, &packet_of(number, false, 2)).is_some()));
    assert!(egress.take_keyframe_wish());
    assert!(send(&mut egress, &packet_of(15, false, 5)).is_some());
    assert!(send(&mut egress, &packet_of(16, false, 5)).is_none());
}

#[test]
fn what_comes_back_does_as_it_is() {
    let mut egress = showing(320);
    egress.select(Some(Shown::echoed(TrackId::default())));
    let sent = (0..9).map(|number| send(&mut egress, &packet_of(number, true, 0)).is_some());
    assert_eq!(sent.filter(|it| *it).count(), 9);
}

proptest::proptest! {
    /// A publisher may say of its packets what it likes.
    #[test]
    fn whatever_packets_say_the_numbers_go_on(
        packets in proptest::collection::vec(
            (0..12_u8, 0..6_u8, proptest::num::u8::ANY, proptest::num::u8::ANY, 0..8_u8, proptest::bool::ANY),
            1..200,
        ),
        width in 1..2000_u16,
    ) {
        let mut egress = showing(width);
        let (mut next, mut timestamp) = (None, 0_u32);
        for (number, (id, count, needed_by, opens, live, is_key)) in packets.into_iter().enumerate() {
            timestamp = timestamp.wrapping_add(u32::from(id % 3) * 1000);
            let mut media = packet_of(number as u16, true, 0);
            media.header.timestamp = timestamp;
            media.starts_keyframe |= is_key;
            media.spatial = (count > 0).then_some(Spatial {
                id, count, live, needed_by, opens,
                ends: is_key,
                sizes: [(id.into(), 9); 4],
            });
            if let Some((sequence, ..)) = send(&mut egress, &media) {
                proptest::prop_assert_eq!(sequence, next.unwrap_or(sequence));
                next = Some(sequence.wrapping_add(1));
            }
        }
    }
}

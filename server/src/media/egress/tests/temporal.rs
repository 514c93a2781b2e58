//! What a receiver is sent of a source whose temporal layers are not all to go out: whole frames with numbers that go
//! on, nothing that needs what was left out, and the same again where it is asked for.

use super::super::thinning::MAX_FRAME;
use super::frames::{counting, received};
use super::*;
use crate::congestion::ALL_TEMPORAL;
use crate::media::rtp::header::write_header;
use crate::media::rtp::temporal::Temporal;

/// The temporal layers of four frames in a row, and which of them need nothing of their own layer.
const LAYERS: [u8; 4] = [0, 2, 1, 2];

/// A packet of frame number `frame`: its first, and every other one has a second. Every eighth frame of the second
/// layer, and of the third, needs none of its own.
fn packet_of(codec: CodecKind, frame: u16, is_first: bool) -> MediaPacket {
    let (temporal, tl0) = (LAYERS[usize::from(frame % 4)], (frame / 4) as u8);
    let (is_key, is_switch) = (frame == 0, frame % 16 < 3);
    let [high, low] = (frame | 0x8000).to_be_bytes();
    let [first, switch, inter] = [is_first, is_switch, !is_key].map(u8::from);
    let payload = match codec {
        CodecKind::Vp8 => {
            let layer = temporal << 6 | switch << 5;
            vec![0x80 | first << 4, 0xE0, high, low, tl0, layer, inter, 9]
        }
        _ => {
            // Of the lowest layer it would be one for all above it.
            let layer = temporal << 5 | (switch & temporal.min(1)) << 4;
            vec![
                0xA0 | inter << 6 | first << 3,
                high,
                low,
                layer,
                tl0,
                9,
                9,
                9,
            ]
        }
    };
    let mut descriptor = [0xC0, 0, 0];
    descriptor[1..].copy_from_slice(&frame.to_be_bytes());
    let sequence = 2 * frame + u16::from(!is_first);
    let fixed = Header {
        timestamp: 3000 * u32::from(frame),
        ..packet(7, sequence, &[]).header
    };
    let mut bytes = BytesMut::new();
    write_header(&mut bytes, &fixed, &[(Some(12), Some(&descriptor))]);
    bytes.extend_from_slice(&payload);
    let header = Header::parse(&bytes).unwrap();
    let (now, format) = (Instant::now(), (Format::of(codec, ""), 90_000));
    MediaPacket::read(now, (0, 0), format, header, &counting(), bytes.freeze())
}

fn thinning(codec: CodecKind) -> Egress {
    let mut section = section(MediaKind::Video);
    section.extensions = counting();
    section.codecs[0].kind = codec;
    let mut egress = Egress::new(&section, stream(), 500);
    show_up_to(&mut egress, ALL_TEMPORAL);
    egress
}

fn show_up_to(egress: &mut Egress, temporal: u8) {
    egress.select(Some(Shown {
        temporal,
        ..Shown::at_best(TrackId::default())
    }));
}

/// Sends a frame of two packets. Returns what came of it.
fn send(egress: &mut Egress, codec: CodecKind, frame: u16) -> Option<(u16, FrameNumbers)> {
    let now = Instant::now();
    let packets = [true, false].map(|is_first| packet_of(codec, frame, is_first));
    let [first, second] = packets.map(|media| {
        let outgoing = egress.forward(now, &media, false)?;
        Some((outgoing.header.sequence, numbers(codec, &outgoing)))
    });
    assert_eq!(first.is_some(), second.is_some(), "half of frame {frame}");
    let (first, second) = (first?, second?);
    assert_eq!((first.0 + 1, first.1), second, "frame {frame}");
    Some(first)
}

fn numbers(codec: CodecKind, outgoing: &Outgoing<'_>) -> FrameNumbers {
    let (header, written) = written(outgoing);
    let read = received(outgoing);
    let fields = PictureFields::find(codec, &written[header.len..]);
    let payload = FrameNumbers::read(fields, &written[header.len..], None);
    FrameNumbers {
        frame: read.frame,
        ..payload
    }
}

/// Which of some frames go out, where the numbers of packets go on without a gap.
fn sent(egress: &mut Egress, codec: CodecKind, frames: std::ops::Range<u16>) -> Vec<FrameNumbers> {
    let mut next = None;
    let sent = frames.filter_map(|frame| send(egress, codec, frame));
    let sent = sent.inspect(|(sequence, _)| {
        assert_eq!(*sequence, next.unwrap_or(*sequence));
        next = Some(sequence + 2);
    });
    sent.map(|(_, numbers)| numbers).collect()
}

fn pictures(sent: &[FrameNumbers]) -> Vec<u16> {
    sent.iter().map(|it| it.picture.unwrap()).collect()
}

#[test]
fn less_goes_out_from_any_frame_on_and_pictures_of_vp8_are_counted_on() {
    let mut egress = thinning(CodecKind::Vp8);
    assert_eq!(
        pictures(&sent(&mut egress, CodecKind::Vp8, 0..6)),
        [0, 1, 2, 3, 4, 5]
    );
    show_up_to(&mut egress, 1);
    let some = sent(&mut egress, CodecKind::Vp8, 6..14);
    assert_eq!(pictures(&some), [6, 7, 8, 9]);
    // Of the frames 6, 8, 10 and 12: those count the lowest layer, whatever is left out.
    assert_eq!(
        some.iter().map(|it| it.tl0.unwrap()).collect::<Vec<_>>(),
        [1, 2, 2, 3]
    );
    assert_eq!(
        some.iter().map(|it| it.frame.unwrap()).collect::<Vec<_>>(),
        [6, 8, 10, 12]
    );
    show_up_to(&mut egress, 0);
    assert_eq!(
        pictures(&sent(&mut egress, CodecKind::Vp8, 14..29)),
        [10, 11, 12, 13]
    );
}

#[test]
fn references_of_vp9_are_counted_in_its_pictures_so_gaps_stay() {
    let mut egress = thinning(CodecKind::Vp9);
    sent(&mut egress, CodecKind::Vp9, 0..4);
    show_up_to(&mut egress, 1);
    let some = sent(&mut egress, CodecKind::Vp9, 4..12);
    assert_eq!(pictures(&some), [4, 6, 8, 10]);
    assert_eq!(
        some.iter().map(|it| it.frame.unwrap()).collect::<Vec<_>>(),
        [4, 6, 8, 10]
    );
}

#[test]
fn more_goes_out_only_from_a_frame_that_nothing_is_missing_for() {
    for codec in [CodecKind::Vp8, CodecKind::Vp9] {
        let mut egress = thinning(codec);
        show_up_to(&mut egress, 0);
        let descriptor =
            |sent: Vec<FrameNumbers>| sent.iter().map(|it| it.frame.unwrap()).collect::<Vec<_>>();
        assert_eq!(descriptor(sent(&mut egress, codec, 0..6)), [0, 4]);
        show_up_to(&mut egress, ALL_TEMPORAL);
        // Frame 17 needs nothing of the third layer, and may need some of the second, which begins with frame 18. The
        // third begins with 33.
        let more = descriptor(sent(&mut egress, codec, 6..40));
        let expected: Vec<_> = (6..40)
            .filter(|frame| match LAYERS[usize::from(frame % 4)] {
                0 => true,
                1 => *frame >= 18,
                _ => *frame >= 33,
            })
            .collect();
        assert_eq!(more, expected, "{codec:?}");
    }
}

#[test]
fn a_keyframe_begins_everything() {
    let codec = CodecKind::Vp8;
    let mut egress = thinning(codec);
    show_up_to(&mut egress, 0);
    sent(&mut egress, codec, 0..6);
    show_up_to(&mut egress, ALL_TEMPORAL);
    assert_eq!(send(&mut egress, codec, 7), None);
    let key = MediaPacket {
        temporal: Some(Temporal::default().of_keyframe()),
        starts_keyframe: true,
        ..packet_of(codec, 8, true)
    };
    egress.forward(Instant::now(), &key, false).unwrap();
    assert!(send(&mut egress, codec, 9).is_some());
}

/// What comes late of a frame that is left out has a number already: nothing is sent under it, lest it is asked for;
/// and of one that went out it is sent as it would have been.
#[test]
fn what_comes_late_goes_out_as_its_frame_did() {
    let (codec, now) = (CodecKind::Vp8, Instant::now());
    let mut egress = thinning(codec);
    sent(&mut egress, codec, 0..4);
    show_up_to(&mut egress, 1);
    let mut forward = |frame, is_first| {
        let media = packet_of(codec, frame, is_first);
        let outgoing = egress.forward(now, &media, false)?;
        let size = outgoing.contents.payload.len();
        Some((
            outgoing.header.sequence,
            size,
            numbers(codec, &outgoing).picture,
        ))
    };
    assert_eq!(forward(4, true), Some((508, 8, Some(4))));
    assert_eq!(forward(5, true), None);
    // The seconds of both are late.
    assert_eq!(forward(6, true), Some((511, 8, Some(5))));
    assert_eq!(forward(5, false), Some((510, 0, None)));
    assert_eq!(forward(4, false), Some((509, 8, Some(4))));
    assert_eq!(forward(6, false), Some((512, 8, Some(5))));
    assert_eq!(forward(7, true), None);
    // 513 is for what has not come yet of frame 7.
    assert_eq!(forward(8, true), Some((514, 8, Some(6))));
    // And again, where they are asked for.
    let mut again = |sequence, frame, is_first| {
        let wanted = egress.wanted(now, None, sequence).unwrap();
        let media = packet_of(codec, frame, is_first);
        let outgoing = egress.retransmit(&wanted, &media).unwrap();
        let (_, written) = written(&outgoing);
        let header = Header::parse(&written).unwrap();
        let empty = outgoing.contents.payload.is_empty();
        (
            outgoing.original,
            empty,
            match empty {
                true => None,
                false => {
                    let whole = unwrap_rtx(&written, &header, 96, 1000).unwrap();
                    let at = Header::parse(&whole).unwrap().len;
                    let fields = PictureFields::find(codec, &whole[at..]);
                    FrameNumbers::read(fields, &whole[at..], None).picture
                }
            },
        )
    };
    assert_eq!(again(509, 4, false), (Some(509), false, Some(4)));
    assert_eq!(again(510, 5, false), (Some(510), true, None));
    assert_eq!(again(512, 6, false), (Some(512), false, Some(5)));
}

/// What was going out when less was to is late: it is sent.
#[test]
fn what_comes_late_of_a_frame_from_before_is_of_what_went_out_then() {
    let (codec, now) = (CodecKind::Vp8, Instant::now());
    let mut egress = thinning(codec);
    sent(&mut egress, codec, 0..5);
    let [first, second] = [true, false].map(|is_first| packet_of(codec, 5, is_first));
    assert!(egress.forward(now, &first, false).is_some());
    show_up_to(&mut egress, 0);
    let next = packet_of(codec, 6, true);
    assert!(egress.forward(now, &next, false).is_none());
    let late = egress.forward(now, &second, false);
    assert_eq!(late.map(|it| it.contents.payload.len()), Some(8));
    let mut egress = thinning(codec);
    sent(&mut egress, codec, 0..5);
    assert!(egress.forward(now, &first, false).is_some());
    show_up_to(&mut egress, 0);
    let next = packet_of(codec, 8, true);
    assert!(egress.forward(now, &next, false).is_some());
    let late = egress.forward(now, &second, false).unwrap();
    assert_eq!(late.contents.payload.len(), 8);
    // Whether frame 7 was to go out nobody knew when the next came.
    let later = packet_of(codec, 7, false);
    assert_eq!(
        egress
            .forward(now, &later, false)
            .map(|it| it.contents.payload.len()),
        Some(8)
    );
}

#[test]
fn of_a_better_layer_than_there_is_room_for_the_least_goes_out_until_the_other_begins() {
    let codec = CodecKind::Vp8;
    let mut egress = thinning(codec);
    sent(&mut egress, codec, 0..4);
    egress.select(Some(Shown {
        best_layer: 1,
        is_pressed: true,
        ..Shown::at_best(TrackId::default())
    }));
    let some = sent(&mut egress, codec, 4..13);
    assert_eq!(pictures(&some), [4, 5, 6]);
    assert!(egress.take_keyframe_wish());
    let worse = MediaPacket {
        layer: 1,
        starts_keyframe: true,
        header: Header {
            ssrc: 9,
            ..packet_of(codec, 0, true).header
        },
        ..packet_of(codec, 0, true)
    };
    let now = Instant::now();
    assert!(egress.forward(now, &worse, false).is_some());
    assert_eq!(egress.layer(now), Some(1));
}

#[test]
fn what_goes_out_is_told_while_something_is_left_out() {
    let codec = CodecKind::Vp8;
    let (mut egress, now) = (thinning(codec), Instant::now());
    sent(&mut egress, codec, 0..8);
    assert_eq!(egress.temporal(now), None);
    show_up_to(&mut egress, 1);
    sent(&mut egress, codec, 8..12);
    assert_eq!(egress.temporal(Instant::now()), Some(1));
    show_up_to(&mut egress, ALL_TEMPORAL);
    sent(&mut egress, codec, 12..24);
    assert_eq!(
        egress.temporal(now + std::time::Duration::from_secs(3)),
        None
    );
}

/// What comes of a packet: how long it is, and which picture it is of.
fn forwarded(egress: &mut Egress, media: &MediaPacket) -> Option<(usize, Option<u16>)> {
    let outgoing = egress.forward(Instant::now(), media, false)?;
    let picture = numbers(media.format.kind, &outgoing).picture;
    Some((outgoing.contents.payload.len(), picture))
}

/// Nothing of it was left out: the pictures after it have their numbers, and a decoder waits for one in between.
#[test]
fn a_picture_that_comes_late_as_a_whole_leaves_no_gap() {
    let codec = CodecKind::Vp8;
    let mut egress = thinning(codec);
    sent(&mut egress, codec, 0..4);
    show_up_to(&mut egress, 1);
    sent(&mut egress, codec, 4..5);
    // Frame 5 is lost, of the third layer as frame 7.
    assert_eq!(pictures(&sent(&mut egress, codec, 6..9)), [6, 7]);
    for is_first in [false, true] {
        let late = packet_of(codec, 5, is_first);
        assert_eq!(forwarded(&mut egress, &late), Some((8, Some(5))));
    }
    let wanted = egress.wanted(Instant::now(), None, 510).unwrap();
    let media = packet_of(codec, 5, true);
    let again = egress.retransmit(&wanted, &media).unwrap();
    assert_eq!(again.contents.payload.len(), 8);
    // Of frame 7 all was left out, and of frame 9 the half that was not late.
    let first = packet_of(codec, 9, true);
    assert_eq!(forwarded(&mut egress, &first), None);
    assert_eq!(pictures(&sent(&mut egress, codec, 10..11)), [8]);
    let late = packet_of(codec, 9, false);
    assert_eq!(forwarded(&mut egress, &late), Some((0, None)));
    // References of others are counted in pictures: a gap says nothing.
    let codec = CodecKind::Vp9;
    let mut egress = thinning(codec);
    sent(&mut egress, codec, 0..4);
    show_up_to(&mut egress, 1);
    sent(&mut egress, codec, 4..5);
    sent(&mut egress, codec, 6..7);
    let late = forwarded(&mut egress, &packet_of(codec, 5, true)).unwrap();
    assert_eq!(late.0, 0);
}

#[test]
fn what_comes_late_is_of_its_time_after_any_number_of_packets() {
    let codec = CodecKind::Vp9;
    let mut egress = thinning(codec);
    show_up_to(&mut egress, 0);
    sent(&mut egress, codec, 0..6);
    show_up_to(&mut egress, ALL_TEMPORAL);
    for frame in (6..32_000).filter(|frame| frame % 1000 != 1) {
        send(&mut egress, codec, frame);
        if frame % 1000 == 2 && frame > 1000 {
            // Of the third layer, which goes out since frame 33.
            let late = packet_of(codec, frame - 1, true);
            let came = egress.forward(Instant::now(), &late, false).unwrap();
            assert_eq!(came.contents.payload.len(), 8, "frame {frame}");
        }
    }
}

#[test]
fn what_never_ends_is_no_frame() {
    let codec = CodecKind::Vp8;
    let mut egress = thinning(codec);
    sent(&mut egress, codec, 0..4);
    let of_one = |egress: &mut Egress, frame| {
        let media = packet_of(codec, frame, true);
        let header = Header {
            timestamp: 9,
            ..media.header
        };
        let media = MediaPacket { header, ..media };
        egress.forward(Instant::now(), &media, false).is_some()
    };
    assert!(of_one(&mut egress, 5));
    show_up_to(&mut egress, 0);
    let mut count = |frames: std::ops::Range<u16>, temporal| {
        let of_layer = frames.filter(|frame| LAYERS[usize::from(frame % 4)] == temporal);
        of_layer.filter(|frame| of_one(&mut egress, *frame)).count()
    };
    assert!((1..=usize::from(MAX_FRAME)).contains(&count(6..2000, 2)));
    assert_eq!(count(2000..4000, 2), 0);
    assert_eq!(count(4000..8000, 0), 1000);
}

#[test]
fn no_keyframe_is_waited_for_where_there_is_no_room_for_what_is_left_out() {
    let (codec, now) = (CodecKind::Vp8, Instant::now());
    let mut egress = thinning(codec);
    assert!(egress.take_keyframe_wish(), "for what it begins with");
    sent(&mut egress, codec, 0..4);
    show_up_to(&mut egress, 1);
    sent(&mut egress, codec, 4..5);
    let packets = [5, 6, 7].map(|frame| [true, false].map(|first| packet_of(codec, frame, first)));
    let [[third, late], [second, _], _] = &packets;
    assert!(egress.forward(now, third, true).is_none());
    assert!(egress.forward(now, second, false).is_some());
    let empty = egress.forward(now, late, true).unwrap();
    assert_eq!(empty.contents.payload.len(), 0);
    assert!(!egress.awaits_keyframe() && !egress.take_keyframe_wish());
    assert_eq!(pictures(&sent(&mut egress, codec, 7..9)), [6]);
    // What goes out cannot go on without a part of it.
    assert!(
        egress
            .forward(now, &packet_of(codec, 10, true), true)
            .is_none()
    );
    assert!(egress.awaits_keyframe());
}

#[test]
fn what_does_not_say_of_which_layer_it_is_goes_with_its_frame() {
    let codec = CodecKind::Vp8;
    let mut egress = thinning(codec);
    sent(&mut egress, codec, 0..4);
    show_up_to(&mut egress, 1);
    let mut goes_out = |frame, is_first| {
        let media = packet_of(codec, frame, is_first);
        let temporal = media.temporal.filter(|_| is_first);
        let media = MediaPacket { temporal, ..media };
        egress.forward(Instant::now(), &media, false).is_some()
    };
    for (frame, is_sent) in [(4, true), (5, false), (6, true), (7, false)] {
        assert_eq!([true, false].map(|it| goes_out(frame, it)), [is_sent; 2]);
    }
}

#[test]
fn a_keyframe_is_wished_for_where_nothing_else_makes_more_go_out() {
    let (codec, start) = (CodecKind::Vp8, Instant::now());
    let mut egress = thinning(codec);
    show_up_to(&mut egress, 1);
    assert!(egress.take_keyframe_wish(), "for what it begins with");
    let mut wishes = |seconds: u16, limit, most: u8| {
        show_up_to(&mut egress, limit);
        let frames = 25 * seconds..25 * (seconds + 1);
        let frames = frames.filter(|frame| LAYERS[usize::from(frame % 4)] <= most);
        for frame in frames {
            let media = packet_of(codec, frame, true);
            let temporal = media.temporal.map(|it| Temporal {
                opens: if frame == 0 { it.opens } else { 0 },
                ..it
            });
            let now = start + std::time::Duration::from_millis(40) * frame.into();
            egress.forward(now, &MediaPacket { temporal, ..media }, false);
        }
        egress.take_keyframe_wish()
    };
    assert!((0..10).all(|second| !wishes(second, 1, 2)), "no more may");
    assert!(
        (10..20).all(|second| !wishes(second, 3, 1)),
        "there is no more"
    );
    let wished = [20, 21, 22, 23, 24, 25, 26, 27, 28].map(|second| wishes(second, 3, 2));
    let f = false;
    assert_eq!(wished, [f, f, f, f, true, f, f, f, true]);
}

#[test]
fn no_keyframe_is_wished_for_where_layers_are_told_no_more() {
    let (codec, start) = (CodecKind::Vp8, Instant::now());
    let mut egress = thinning(codec);
    show_up_to(&mut egress, 1);
    assert!(egress.take_keyframe_wish(), "for what it begins with");
    for frame in 0..400 {
        if frame == 25 {
            show_up_to(&mut egress, 3);
        }
        let media = packet_of(codec, frame, true);
        let told = media.temporal.filter(|_| frame < 50);
        let temporal = told.map(|it| Temporal {
            opens: if frame == 0 { it.opens } else { 0 },
            ..it
        });
        let now = start + std::time::Duration::from_millis(40) * frame.into();
        egress.forward(now, &MediaPacket { temporal, ..media }, false);
    }
    assert!(!egress.take_keyframe_wish());
}

/// A picture of VP9's lowest layer says that nothing above needs what was before (RFC 9628 §4.2).
#[test]
fn more_goes_out_from_a_picture_that_others_may_switch_up_at() {
    let codec = CodecKind::Vp9;
    let mut egress = thinning(codec);
    show_up_to(&mut egress, 0);
    sent(&mut egress, codec, 0..8);
    show_up_to(&mut egress, ALL_TEMPORAL);
    let media = packet_of(codec, 8, true);
    let mut payload = media.packet.to_vec();
    payload[media.header.len + 3] |= 0x10;
    let up = MediaPacket::read(
        media.arrived,
        (0, 0),
        (media.format, 90_000),
        media.header,
        &counting(),
        payload.into(),
    );
    assert!(egress.forward(Instant::now(), &up, false).is_some());
    assert!(send(&mut egress, codec, 9).is_some());
}

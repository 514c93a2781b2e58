//! One stream: what is reported lost, when keyframes are asked for, and which structures it tells of.

use super::*;
use crate::media::rtp::dependency::tests::descriptor;
use crate::media::rtp::header::write_header;
use crate::media::sdp::{CodecKind, Extensions, Format};

fn header(sequence: u16, timestamp: u32) -> Header {
    let mut packet = [0x80, 96, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
    Header::parse(&packet).unwrap()
}

#[test]
fn reports_loss_and_wraps() {
    let start = Instant::now();
    let mut ingest = Ingest::new(start, 9, 0, 0, MediaKind::Video, 90_000);
    for sequence in [65533, 65534, 65535, 0, 2, 3, 4] {
        ingest.record(start, &header(sequence, 0));
    }
    let block = ingest.report(start);
    assert_eq!(block.highest_sequence, 65536 + 4);
    assert_eq!((block.total_lost, block.fraction_lost), (1, 32));
    assert!(ingest.record_retransmission(start, &header(1, 0)));
    assert!(
        !ingest.record_retransmission(start, &header(1, 0)),
        "a probe"
    );
    let block = ingest.report(start);
    assert_eq!((block.total_lost, block.fraction_lost), (0, 0));
}

#[test]
fn jitter_is_none_for_an_even_stream_and_grows_with_uneven_arrival() {
    let start = Instant::now();
    let mut even = Ingest::new(start, 9, 0, 0, MediaKind::Video, 90_000);
    let mut uneven = Ingest::new(start, 9, 0, 0, MediaKind::Video, 90_000);
    for i in 0..100u16 {
        let at = start + Duration::from_millis(u64::from(i) * 10);
        let late = Duration::from_millis(u64::from(i % 2) * 4);
        even.record(at, &header(i, u32::from(i) * 900));
        uneven.record(at + late, &header(i, u32::from(i) * 900));
    }
    assert_eq!(even.report(start).jitter, 0);
    // 4 ms on a 90 kHz clock.
    assert!((300..=370).contains(&uneven.report(start).jitter));
}

fn described(sequence: u16, descriptor: &[u8]) -> MediaPacket {
    let mut packet = bytes::BytesMut::new();
    let elements = [(Some(12), Some(descriptor))];
    write_header(&mut packet, &header(sequence, 0), &elements);
    packet.extend_from_slice(&[0x41, 9]);
    let ids = Extensions {
        dependency_descriptor: Some(12),
        ..Extensions::default()
    };
    let codec = (Format::of(CodecKind::H264, ""), 90_000);
    let header = Header::parse(&packet).unwrap();
    let packet = packet.freeze();
    MediaPacket::read(Instant::now(), (0, 0), codec, header, &ids, packet)
}

#[test]
fn structures_are_known_by_their_order_after_any_number_of_packets() {
    for count in [2, 16_000, 20_000, 33_000, 50_000, 65_535_u16] {
        let mut ingest = Ingest::new(Instant::now(), 9, 0, 0, MediaKind::Video, 90_000);
        let mut layer = |sequence, template, structure| {
            let mut media = described(sequence, &descriptor(template, structure, None));
            ingest.read_layers(&mut media);
            media.temporal.map(|it| it.id)
        };
        assert_eq!(layer(0, 0, Some(0)), Some(0));
        for sequence in 1..count {
            assert_eq!(layer(sequence, 2, None), Some(1));
        }
        let next = |step: u16| count.wrapping_add(step);
        // The first packet of a keyframe with others comes after the second, and one of before that later still.
        assert_eq!(layer(next(1), 32, None), None);
        assert_eq!(layer(count, 30, Some(30)), Some(0));
        assert_eq!(layer(next(2), 32, None), Some(1), "{count}");
        assert_eq!(layer(count.wrapping_sub(1), 0, Some(0)), None);
        assert_eq!(layer(next(3), 32, None), Some(1), "{count}");
    }
}

/// A packet of VP9: its first octet, its layer, and how many layers it tells of.
fn vp9(sequence: u16, first: u8, id: u8, told: Option<u8>) -> MediaPacket {
    let mut packet = bytes::BytesMut::new();
    write_header(
        &mut packet,
        &header(sequence, 3600 * u32::from(sequence)),
        &[],
    );
    packet.extend_from_slice(&[first | u8::from(told.is_some()) << 1, 0x12]);
    if first & 0x20 != 0 {
        packet.extend_from_slice(&[id << 1, 7]);
    }
    packet.extend(told.map(|count| (count - 1) << 5));
    packet.extend_from_slice(&[9, 9]);
    let codec = (Format::of(CodecKind::Vp9, ""), 90_000);
    let header = Header::parse(&packet).unwrap();
    let ids = Extensions::default();
    MediaPacket::read(Instant::now(), (0, 0), codec, header, &ids, packet.freeze())
}

#[test]
fn vp9_may_say_without_a_keyframe_how_many_layers_come_and_what_is_late_says_nothing() {
    const KEY: u8 = 0x80 | 0x20 | 0x08;
    const INTER: u8 = KEY | 0x40;
    let mut ingest = Ingest::new(Instant::now(), 9, 0, 0, MediaKind::Video, 90_000);
    let mut read = |mut media: MediaPacket| {
        ingest.read_layers(&mut media);
        media.spatial.map(|it| (it.id, it.count, it.live))
    };
    assert_eq!(read(vp9(1, KEY, 0, Some(3))), Some((0, 3, 2)));
    assert_eq!(read(vp9(4, INTER, 0, Some(2))), Some((0, 3, 1)));
    assert_eq!(read(vp9(3, INTER, 0, Some(3))), Some((0, 3, 1)), "late");
    assert_eq!(read(vp9(5, INTER, 0, Some(1))), Some((0, 3, 0)));
    assert_eq!(read(vp9(6, INTER, 0, Some(3))), Some((0, 3, 2)));
    assert_eq!(read(vp9(7, INTER, 2, None)), Some((2, 3, 2)));
    // One alone without a word of layers.
    assert_eq!(read(vp9(8, INTER & !0x20, 0, None)), Some((0, 3, 0)));
    // Pictures by themselves (Z in a keyframe of the smallest).
    assert_eq!(read(vp9(9, KEY | 1, 0, Some(3))), None);
    assert_eq!(read(vp9(10, INTER | 1, 1, None)), None);
}

#[test]
fn audio_that_starts_anew_leaves_nothing_due() {
    let start = Instant::now();
    let mut ingest = Ingest::new(start, 9, 0, 0, MediaKind::Audio, 48_000);
    ingest.record(start, &header(1, 0));
    ingest.record(start, &header(30_000, 0));
    ingest.want_keyframe(start);
    assert_eq!(ingest.poll_timeout(), None);
}

#[test]
fn what_was_lost_on_another_path_is_not_asked_for() {
    let start = Instant::now();
    let mut ingest = Ingest::new(start, 9, 0, 0, MediaKind::Video, 90_000);
    ingest.record(start, &header(1, 0));
    ingest.record(start, &header(3, 0));
    ingest.change_path(start);
    assert!(ingest.take_keyframe_request(start));
    assert!(ingest.record(start, &header(9, 0)));
    assert_eq!(ingest.poll_timeout(), None);
    ingest.record(start, &header(11, 0));
    assert!(ingest.poll_timeout().is_some());
}

#[test]
fn keyframe_requests_are_coalesced() {
    let start = Instant::now();
    let mut ingest = Ingest::new(start, 9, 0, 0, MediaKind::Video, 90_000);
    assert!(!ingest.take_keyframe_request(start));
    ingest.want_keyframe(start);
    assert!(ingest.take_keyframe_request(start));
    ingest.want_keyframe(start);
    ingest.want_keyframe(start);
    assert!(!ingest.take_keyframe_request(start));
    let due = ingest.poll_timeout().unwrap();
    assert_eq!(due, start + KEYFRAME_INTERVAL);
    assert!(ingest.take_keyframe_request(due));
    assert!(!ingest.take_keyframe_request(due + KEYFRAME_INTERVAL));
}

proptest::proptest! {
    /// Whenever and however often it is wished for, and however late it is looked whether one is due.
    #[test]
    fn keyframes_are_asked_for_once_an_interval_and_no_wish_is_forgotten(
        steps in proptest::collection::vec((0..300_u64, proptest::bool::ANY), 1..200),
    ) {
        let mut ingest = Ingest::new(Instant::now(), 9, 0, 0, MediaKind::Video, 90_000);
        let (mut now, mut asked, mut wished) = (Instant::now(), None, None);
        for (ms, wishes) in steps {
            let next = now + Duration::from_millis(ms);
            // What is due is looked at by then.
            let due = ingest.poll_timeout().filter(|due| *due < next);
            for at in due.into_iter().chain([next]) {
                now = at;
                if ingest.take_keyframe_request(now) {
                    let earliest = asked.map(|at: Instant| at + KEYFRAME_INTERVAL);
                    proptest::prop_assert!(earliest.is_none_or(|earliest| now >= earliest));
                    proptest::prop_assert!(wished.is_some());
                    (asked, wished) = (Some(now), None);
                }
                let latest = wished.map(|at: Instant| at + KEYFRAME_INTERVAL);
                proptest::prop_assert!(latest.is_none_or(|latest| now < latest), "forgotten");
            }
            if wishes {
                ingest.want_keyframe(now);
                wished.get_or_insert(now);
            }
        }
    }
}

//! One stream as its receiver gets it: numbers, timestamps, what is shown and what is sent again.

use std::cell::Cell;
use std::time::Duration;

use bytes::BytesMut;

use super::*;
use crate::media::rtp::frame_numbers::{FrameNumbers, PictureFields};
use crate::media::rtp::packet::SourceClock;
use crate::media::sdp::{CodecKind, Direction};

mod beginnings;
mod frames;
mod kept;
mod red;
mod spatial;
mod temporal;
mod unwritten;

fn section(kind: MediaKind) -> MediaSection {
    MediaSection {
        mid: "v".to_owned(),
        kind,
        direction: Direction {
            send: true,
            recv: true,
        },
        codecs: vec![Codec {
            kind: CodecKind::Vp8,
            payload_type: 96,
            rtx_payload_type: Some(97),
            clock_rate: 90_000,
            fmtp: String::new(),
            nack: true,
            pli: true,
            fir: true,
            transport_cc: true,
            remb: false,
        }],
        extensions: Extensions {
            mid: Some(4),
            ..Extensions::default()
        },
        send: Some(stream()),
        remote_streams: Vec::new(),
        rids: Vec::new(),
        layer_ssrcs: Vec::new(),
        reduced_size_rtcp: true,
    }
}

fn stream() -> SendStream {
    SendStream {
        ssrc: 1000,
        rtx_ssrc: Some(1001),
        stream_id: "s".to_owned(),
        track_id: "t".to_owned(),
    }
}

fn egress(kind: MediaKind) -> Egress {
    Egress::new(&section(kind), stream(), 500)
}

fn packet(ssrc: u32, sequence: u16, payload: &[u8]) -> MediaPacket {
    let mut packet = vec![0x80, 96, 0, 0, 0, 0, 0, 0];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    let header = Header::parse(&packet).unwrap();
    let codec = (Format::of(CodecKind::Vp8, ""), 90_000);
    let ids = Extensions::default();
    MediaPacket::read(Instant::now(), (0, 0), codec, header, &ids, packet.into())
}

/// A packet's header, and the packet.
fn written(outgoing: &Outgoing<'_>) -> (Header, BytesMut) {
    let mut packet = BytesMut::new();
    outgoing.write(&mut packet);
    assert_eq!(packet.len(), outgoing.size());
    (outgoing.header, packet)
}

const KEY: &[u8] = &[0x10, 0x00, 1, 2];
const DELTA: &[u8] = &[0x10, 0x01, 1, 2];

fn sequences(egress: &mut Egress, media: &[(MediaPacket, bool)]) -> Vec<Option<u16>> {
    let now = Instant::now();
    let forward = |(packet, congested): &(MediaPacket, bool)| {
        let outgoing = egress.forward(now, packet, *congested)?;
        assert_eq!(outgoing.header.ssrc, 1000);
        Some(outgoing.header.sequence)
    };
    media.iter().map(forward).collect()
}

#[test]
fn numbers_go_on_over_padding_a_wrap_and_another_source() {
    let mut egress = egress(MediaKind::Video);
    let media = [
        (packet(7, 65534, KEY), false),
        (packet(7, 65535, &[]), false),
        (packet(7, 0, DELTA), false),
        (packet(7, 2, DELTA), false),
        (packet(7, 1, DELTA), false),
        (packet(8, 30_000, KEY), false),
    ];
    let expected = [Some(500), None, Some(501), Some(503), Some(502), Some(504)];
    assert_eq!(sequences(&mut egress, &media), expected);
}

#[test]
fn a_congested_path_gets_no_video_until_the_next_keyframe() {
    let mut egress = egress(MediaKind::Video);
    let media = [
        (packet(7, 1, KEY), false),
        (packet(7, 2, DELTA), true),
        (packet(7, 3, DELTA), false),
        (packet(7, 4, KEY), false),
        (packet(7, 5, DELTA), false),
    ];
    let expected = [Some(500), None, None, Some(501), Some(502)];
    assert_eq!(sequences(&mut egress, &media), expected);
    assert!(!egress.awaits_keyframe());
}

#[test]
fn a_keyframe_is_wished_for_until_it_comes_but_not_while_there_is_no_room() {
    let mut egress = egress(MediaKind::Video);
    sequences(&mut egress, &[(packet(7, 1, KEY), false)]);
    for (number, kind, congested, wishes) in [
        (2, DELTA, true, false),
        (3, DELTA, false, true),
        (4, DELTA, false, true),
        (5, KEY, false, false),
        (6, DELTA, false, false),
    ] {
        sequences(&mut egress, &[(packet(7, number, kind), congested)]);
        assert_eq!(egress.take_keyframe_wish(), wishes, "{number}");
    }
}

#[test]
fn what_cannot_be_written_as_it_was_is_not_sent_again_under_its_number() {
    let mut plain = section(MediaKind::Video);
    plain.codecs[0].rtx_payload_type = None;
    let mut egress = Egress::new(&plain, stream(), 500);
    let now = Instant::now();
    let media = packet(7, 1, KEY);
    let first = written(&egress.forward(now, &media, false).unwrap());
    egress.renegotiate(&plain);
    let wanted = egress.wanted(now, None, 500).unwrap();
    let again = egress.retransmit(&wanted, &media).unwrap();
    assert_eq!(written(&again), first);
    let changes: [fn(&mut MediaSection); 2] = [
        |section| section.extensions.mid = Some(5),
        // Then it would have a transport-wide number.
        |section| section.codecs[0].nack = false,
    ];
    for change in changes {
        let mut changed = plain.clone();
        change(&mut changed);
        let mut egress = Egress::new(&plain, stream(), 500);
        egress.forward(now, &media, false).unwrap();
        egress.renegotiate(&changed);
        assert!(
            egress.wanted(now, None, 500).is_none(),
            "another packet under one number"
        );
    }
}

/// A packet whose sender told its clocks, captured so many ms after all clocks began.
fn captured(ssrc: u32, sequence: u16, begin: u32, ms: u32) -> MediaPacket {
    let mut media = packet(ssrc, sequence, KEY);
    media.header.timestamp = begin.wrapping_add(ms * 90);
    media.clock = Some(SourceClock {
        ntp: 1 << 40,
        rtp: begin,
    });
    media
}

#[test]
fn time_goes_on_over_sources_by_what_their_senders_told() {
    let mut egress = egress(MediaKind::Video);
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let mut sent = |ms, media: MediaPacket| {
        let outgoing = egress.forward(at(ms), &media, false).unwrap();
        outgoing.header.timestamp
    };
    let before = sent(0, captured(7, 1, 0, 1000));
    // It came half a second late.
    let after = sent(700, captured(8, 1, 1 << 31, 1200));
    assert_eq!(after.wrapping_sub(before), 200 * 90);
    // Without reports arrival is all there is.
    let mut silent = captured(9, 1, 77, 0);
    silent.clock = None;
    let last = sent(1000, silent);
    assert_eq!(last.wrapping_sub(after), 300 * 90);
    // Clocks that make no sense are not believed.
    let again = sent(1100, captured(10, 1, 0, 10_000_000));
    assert_eq!(again.wrapping_sub(last), 100 * 90);
}

#[test]
fn retransmits_once_in_a_while_and_not_more_than_its_share() {
    let mut egress = egress(MediaKind::Video);
    let now = Instant::now();
    let media = packet(7, 1, KEY);
    egress.forward(now, &media, false).unwrap();
    let wanted = egress.wanted(now, None, 500).unwrap();
    assert_eq!((wanted.ssrc, wanted.original), (7, 1));
    let again = egress.retransmit(&wanted, &media).unwrap();
    assert_eq!((again.header.ssrc, again.header.payload_type), (1001, 97));
    let (header, packet) = written(&again);
    let original = unwrap_rtx(&packet, &header, 96, 1000).unwrap();
    let header = Header::parse(&original).unwrap();
    assert_eq!((header.sequence, &original[header.len..]), (500, KEY));
    assert!(egress.wanted(now, None, 500).is_none(), "just sent");
    assert!(egress.wanted(now, None, 499).is_none(), "never sent");
    let answered = (1..100)
        .filter(|i| {
            let at = now + RETRANSMIT_INTERVAL * *i;
            let wanted = egress.wanted(at, None, 500);
            wanted.is_some_and(|wanted| egress.retransmit(&wanted, &media).is_some())
        })
        .count();
    assert!(answered < 4, "{answered} answers to a flood");
}

/// What a stream makes of packets of any track and layer, given as these, and their numbers.
fn sent(egress: &mut Egress, now: Instant, of: (u64, u8), number: u16, kind: &[u8]) -> Option<u16> {
    let mut media = packet(7 + u32::from(of.1), number, kind);
    (media.track, media.layer) = (TrackId(of.0), of.1);
    let outgoing = egress.forward(now, &media, false)?;
    Some(outgoing.header.sequence)
}

fn show(track: u64, best_layer: u8) -> Option<Shown> {
    let track = TrackId(track);
    Some(Shown {
        best_layer,
        ..Shown::at_best(track)
    })
}

#[test]
fn another_track_is_shown_from_its_keyframe_on_and_none_at_once() {
    let (mut egress, now) = (egress(MediaKind::Video), Instant::now());
    let send =
        |egress: &mut Egress, track, number, kind| sent(egress, now, (track, 0), number, kind);
    assert_eq!(send(&mut egress, 3, 1, KEY), None, "not selected");
    egress.select(show(3, 0));
    assert!(egress.take_keyframe_wish());
    assert_eq!(send(&mut egress, 3, 1, DELTA), None, "nobody can decode it");
    assert!(egress.take_keyframe_wish());
    assert_eq!(send(&mut egress, 3, 2, KEY), Some(500));
    egress.select(show(4, 0));
    assert!(egress.take_keyframe_wish());
    assert_eq!(send(&mut egress, 4, 30_000, DELTA), None);
    assert_eq!(send(&mut egress, 3, 3, KEY), None, "selected no more");
    assert!(egress.take_keyframe_wish());
    // Both happen to have one SSRC.
    assert_eq!(send(&mut egress, 4, 30_001, KEY), Some(501));
    assert_eq!(send(&mut egress, 3, 4, KEY), None);
    assert_eq!(send(&mut egress, 4, 30_002, DELTA), Some(502));
    let wanted = egress.wanted(now, None, 502).unwrap();
    assert_eq!((wanted.track, wanted.original), (TrackId(4), 30_002));
    assert!(
        egress.wanted(now, None, 500).is_none(),
        "of what is shown no more"
    );
    egress.select(None);
    assert_eq!(send(&mut egress, 4, 30_003, KEY), None);
}

#[test]
fn what_was_paused_goes_on_with_a_keyframe_and_without_a_gap() {
    let (mut egress, now) = (egress(MediaKind::Video), Instant::now());
    let send = |egress: &mut Egress, number, kind| sent(egress, now, (3, 0), number, kind);
    egress.select(show(3, 0));
    assert_eq!(send(&mut egress, 1, KEY), Some(500));
    egress.select(None);
    assert_eq!(send(&mut egress, 2, DELTA), None);
    egress.select(show(3, 0));
    assert!(egress.take_keyframe_wish());
    assert_eq!(send(&mut egress, 3, DELTA), None);
    assert_eq!(send(&mut egress, 4, KEY), Some(501));
    assert_eq!(
        send(&mut egress, 3, DELTA),
        None,
        "from before the keyframe"
    );
    assert_eq!(send(&mut egress, 5, DELTA), Some(502));
}

#[test]
fn what_comes_again_after_a_time_goes_on_where_it_missed_nothing() {
    let (mut egress, now) = (egress(MediaKind::Video), Instant::now());
    let send = |egress: &mut Egress, number, kind| sent(egress, now, (3, 0), number, kind);
    egress.select(show(3, 0));
    assert_eq!(send(&mut egress, 1, KEY), Some(500));
    egress.rejoin();
    assert_eq!(send(&mut egress, 2, DELTA), Some(501));
    assert_eq!(send(&mut egress, 4, DELTA), Some(503), "lost on its way");
    egress.rejoin();
    egress.take_keyframe_wish();
    assert_eq!(send(&mut egress, 9, DELTA), None);
    assert!(egress.take_keyframe_wish());
    assert_eq!(send(&mut egress, 10, KEY), Some(504));
    // Sound begins anywhere.
    let mut sound = Egress::new(&section(MediaKind::Audio), stream(), 500);
    sound.select(show(3, 0));
    assert_eq!(send(&mut sound, 1, KEY), Some(500));
    sound.rejoin();
    assert_eq!(send(&mut sound, 50, KEY), Some(501));
}

#[test]
fn layers_that_are_too_good_are_left_once_the_wanted_one_has_a_keyframe() {
    let (mut egress, start) = (egress(MediaKind::Video), Instant::now());
    let now = Cell::new(start);
    let mut numbers = [0; 3];
    let mut send = |egress: &mut Egress, layer: u8, kind| {
        numbers[usize::from(layer)] += 1;
        let number = numbers[usize::from(layer)];
        sent(egress, now.get(), (3, layer), number, kind)
    };
    egress.select(show(3, 1));
    assert_eq!(send(&mut egress, 0, KEY), None, "too good");
    assert_eq!(send(&mut egress, 2, KEY), None, "a better one may come");
    assert_eq!(send(&mut egress, 1, KEY), Some(500));
    egress.select(show(3, 0));
    assert!(egress.take_keyframe_wish());
    assert_eq!(send(&mut egress, 1, DELTA), Some(501));
    assert_eq!(send(&mut egress, 0, DELTA), None);
    assert_eq!(send(&mut egress, 0, KEY), Some(502));
    assert_eq!(send(&mut egress, 1, KEY), None);
    egress.select(show(3, 1));
    assert!(egress.take_keyframe_wish());
    assert_eq!(
        send(&mut egress, 0, DELTA),
        Some(503),
        "until the other begins"
    );
    assert_eq!(send(&mut egress, 2, KEY), None, "a better one may come");
    assert_eq!(send(&mut egress, 1, KEY), Some(504));
    assert_eq!(send(&mut egress, 0, KEY), None);
    // Layers that are not there are not waited for.
    egress.select(show(3, 2));
    egress.select(show(3, 1));
    assert!(!egress.take_keyframe_wish(), "it has what it wants");
    now.set(start + LAYER_SILENCE);
    assert_eq!(send(&mut egress, 2, KEY), Some(505));
    egress.select(show(3, 0));
    assert_eq!(send(&mut egress, 1, KEY), Some(506), "the best there is");
}

#[test]
fn a_layer_that_is_switched_off_is_not_waited_for() {
    let (mut egress, start) = (egress(MediaKind::Video), Instant::now());
    let mut number = 0;
    let mut send = |egress: &mut Egress, ms, layer: u8, kind| {
        number += 1;
        let now = start + Duration::from_millis(ms);
        sent(egress, now, (3, layer), number, kind)
    };
    egress.select(show(3, 0));
    assert_eq!(send(&mut egress, 0, 2, KEY), None, "the best may come");
    assert_eq!(send(&mut egress, 99, 2, KEY), None);
    assert_eq!(send(&mut egress, 100, 2, DELTA), None);
    assert!(egress.take_keyframe_wish(), "of what there is");
    assert_eq!(send(&mut egress, 133, 2, KEY), Some(500));
    assert_eq!(send(&mut egress, 200, 0, DELTA), None);
    assert!(egress.take_keyframe_wish(), "it is on again");
    assert_eq!(send(&mut egress, 233, 2, DELTA), Some(502), "meanwhile");
    assert_eq!(send(&mut egress, 234, 0, KEY), Some(503));
}

#[test]
fn another_source_of_a_track_begins_with_a_keyframe() {
    let (mut egress, now) = (egress(MediaKind::Video), Instant::now());
    let media = [
        (packet(7, 1, KEY), false),
        (packet(8, 9, DELTA), false),
        (packet(8, 10, KEY), false),
        (packet(7, 2, DELTA), false),
        (packet(8, 11, DELTA), false),
    ];
    let expected = [Some(500), None, Some(501), None, Some(502)];
    assert_eq!(sequences(&mut egress, &media), expected);
    assert!(egress.take_keyframe_wish(), "{now:?}");
}

/// The video section, numbered under this id.
fn numbered(id: u8) -> MediaSection {
    let mut section = section(MediaKind::Video);
    section.extensions.transport_cc = Some(id);
    section
}

#[test]
fn a_number_is_written_where_its_extension_is_whatever_the_form() {
    let now = Instant::now();
    let media = packet(7, 1, KEY);
    for id in [1, 14, 15, 200] {
        let mut egress = Egress::new(&numbered(id), stream(), 500);
        let outgoing = egress.forward(now, &media, false).unwrap();
        assert!(outgoing.is_numbered());
        let (header, mut packet) = written(&outgoing);
        outgoing.number(&mut packet, 0xABCD);
        assert_eq!(Header::parse(&packet).unwrap().len, header.len);
        let parsed = Header::parse(&packet).unwrap();
        let mut elements = parsed.extensions(&packet);
        assert_eq!(elements.next(), Some((id, &[0xAB, 0xCD][..])));
        assert_eq!(elements.next(), Some((4, &b"v"[..])));
        assert_eq!(packet[header.len..], *KEY);
    }
}

#[test]
fn without_feedback_or_with_numbers_to_keep_there_is_none() {
    let now = Instant::now();
    let media = packet(7, 1, KEY);
    let is_numbered = |change: fn(&mut MediaSection)| {
        let mut section = numbered(3);
        change(&mut section);
        let mut egress = Egress::new(&section, section.send.clone().unwrap(), 500);
        let is_numbered = egress.forward(now, &media, false).unwrap().is_numbered();
        assert_eq!(
            egress.has_padding(),
            is_numbered && egress.stream.rtx_ssrc.is_some()
        );
        is_numbered
    };
    assert!(is_numbered(|_| {}));
    assert!(!is_numbered(
        |section| section.extensions.transport_cc = None
    ));
    assert!(!is_numbered(
        |section| section.codecs[0].transport_cc = false
    ));
    let without_rtx: fn(&mut MediaSection) = |section| {
        section.codecs[0].rtx_payload_type = None;
        section.send.as_mut().unwrap().rtx_ssrc = None;
    };
    assert!(!is_numbered(without_rtx));
    // What is not sent again at all is sealed once in any case.
    let never_again: fn(&mut MediaSection) = |section| {
        section.codecs[0].nack = false;
        section.codecs[0].rtx_payload_type = None;
        section.send.as_mut().unwrap().rtx_ssrc = None;
    };
    assert!(is_numbered(never_again));
}

/// For who estimates by itself.
#[test]
fn what_may_be_sent_again_as_it_was_does_not_say_when_it_is_sent() {
    let now = Instant::now();
    let media = packet(7, 1, KEY);
    let is_timed = |nack, rtx_ssrc| {
        let mut section = section(MediaKind::Video);
        section.extensions.abs_send_time = Some(3);
        let codec = &mut section.codecs[0];
        (codec.transport_cc, codec.remb, codec.nack) = (false, true, nack);
        let mut stream = stream();
        stream.rtx_ssrc = rtx_ssrc;
        section.send = Some(stream.clone());
        let mut egress = Egress::new(&section, stream, 500);
        egress.forward(now, &media, false).unwrap().is_timed()
    };
    assert!(is_timed(true, Some(1001)) && is_timed(false, None));
    assert!(!is_timed(true, None));
}

#[test]
fn padding_takes_no_number_of_the_pictures() {
    let now = Instant::now();
    let mut egress = Egress::new(&numbered(3), stream(), 500);
    assert!(egress.padding().is_none());
    let (first, second) = (packet(7, 1, KEY), packet(7, 2, DELTA));
    let first = egress.forward(now, &first, false).unwrap();
    assert_eq!(first.header.sequence, 500);
    for number in [500, 501] {
        let size = egress.padding_size();
        let (header, packet) = written(&egress.padding().unwrap());
        assert_eq!(packet.len(), size);
        assert_eq!((header.ssrc, header.sequence), (1001, number));
        assert_eq!((header.payload_type, header.padding), (97, true));
        assert_eq!(Header::parse(&packet).unwrap().payload_len(&packet), 0);
        assert!(unwrap_rtx(&packet, &Header::parse(&packet).unwrap(), 96, 1000).is_none());
    }
    let next = egress.forward(now, &second, false).unwrap();
    assert_eq!(next.header.sequence, 501);
}

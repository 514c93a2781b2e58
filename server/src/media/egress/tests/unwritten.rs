//! What is written later: as it would have been, and where it is not sent its numbers are another's.

use super::frames::{counted, counting, received};
use super::*;

fn counting_egress() -> Egress {
    let mut section = section(MediaKind::Video);
    section.extensions = counting();
    let mut egress = Egress::new(&section, stream(), 500);
    egress.select(show(3, 0));
    egress
}

/// A frame of a packet, of the source of a track.
fn frame(track: u64, number: u16) -> MediaPacket {
    let numbers = FrameNumbers {
        picture: Some(number),
        tl0: Some(number as u8),
        frame: Some(number),
    };
    let mut media = counted(track as u32, number, number == 1, numbers);
    media.track = TrackId(track);
    media
}

#[test]
fn what_is_written_later_is_what_it_would_have_been() {
    let (mut egress, now) = (counting_egress(), Instant::now());
    let outgoing = |egress: &mut Egress, number| {
        let media = frame(3, number);
        let outgoing = egress.forward(now, &media, false).unwrap();
        let (before, unwritten) = (written(&outgoing), outgoing.put_off(&media));
        egress.put_off(unwritten.octets());
        (before, unwritten)
    };
    let kept: Vec<_> = (1..5).map(|number| outgoing(&mut egress, number)).collect();
    for (at, (before, unwritten)) in kept.iter().enumerate() {
        assert_eq!(unwritten.sequence(), 500 + at as u16);
        let octets = egress.bytes_sent();
        let resumed = egress.resume(unwritten).unwrap();
        assert_eq!(&written(&resumed), before);
        assert_eq!(egress.bytes_sent(), octets + unwritten.octets() as u64);
    }
}

#[test]
fn what_is_not_sent_leaves_its_numbers_to_what_comes_next() {
    let (mut egress, now) = (counting_egress(), Instant::now());
    let mut kept = Vec::new();
    for number in 1..6 {
        let media = frame(3, number);
        let outgoing = egress.forward(now, &media, false).unwrap();
        kept.push(outgoing.put_off(&media));
        egress.put_off(media.payload().len());
    }
    egress.select(show(4, 0));
    assert!(egress.is_over());
    // The first two were sent.
    for unwritten in &kept[..2] {
        assert!(egress.resume(unwritten).is_some());
    }
    egress.take_back(kept[2..].iter());
    let media = frame(4, 1);
    let next = egress.forward(now, &media, false).unwrap();
    let numbers = received(&next);
    assert_eq!(next.header.sequence, 502);
    assert_eq!((numbers.picture, numbers.frame), (Some(3), Some(3)));
    assert_eq!(egress.bytes_sent(), 3 * media.payload().len() as u64);
}

/// Where one was lost before it came here, what waited after it leaves its numbers, and that of the lost one, too.
#[test]
fn numbers_go_on_without_a_gap_over_one_that_never_came() {
    let (mut egress, now) = (counting_egress(), Instant::now());
    let mut put_off = |number| {
        let media = frame(3, number);
        egress.forward(now, &media, false).unwrap().put_off(&media)
    };
    let kept: Vec<_> = [1, 2, 4, 5].into_iter().map(&mut put_off).collect();
    egress.select(show(4, 0));
    // The first was sent.
    egress.take_back(kept[1..].iter());
    let media = frame(4, 1);
    let next = egress.forward(now, &media, false).unwrap();
    assert_eq!(next.header.sequence, 501);
}

/// One that came late, before others that were sent: nobody takes its number, nor theirs.
#[test]
fn no_number_is_given_twice_where_later_ones_were_sent() {
    let (mut egress, now) = (counting_egress(), Instant::now());
    let mut put_off = |number| {
        let media = frame(3, number);
        egress.forward(now, &media, false).unwrap().put_off(&media)
    };
    let (_first, _third, second) = (put_off(1), put_off(3), put_off(2));
    egress.select(show(4, 0));
    egress.take_back([&second].into_iter());
    let media = frame(4, 1);
    let next = egress.forward(now, &media, false).unwrap();
    assert_eq!(next.header.sequence, 503);
}

/// The numbers that were not sent are given again, some of them to nothing: what had them is not sent under them.
#[test]
fn what_is_not_sent_is_not_sent_again_either() {
    let (mut egress, now) = (counting_egress(), Instant::now());
    let mut put_off = |number| {
        let media = frame(3, number);
        egress.forward(now, &media, false).unwrap().put_off(&media)
    };
    let kept: Vec<_> = (1..6).map(&mut put_off).collect();
    egress.select(show(4, 0));
    egress.take_back(kept[1..].iter());
    // It is shown again, and its second packet is lost before it comes here.
    egress.select(show(3, 0));
    let mut again = frame(3, 7);
    again.starts_keyframe = true;
    let first = egress.forward(now, &again, false).unwrap();
    assert_eq!(first.header.sequence, 501);
    let third = frame(3, 9);
    let third = egress.forward(now, &third, false).unwrap();
    assert_eq!(third.header.sequence, 503);
    let later = now + Duration::from_millis(50);
    assert_eq!(egress.wanted(later, None, 502), None);
    assert!(egress.wanted(later, None, 503).is_some());
}

/// Another codec went out since, which has other extensions.
#[test]
fn what_is_written_later_is_written_as_its_own_codec_is() {
    let mut section = section(MediaKind::Video);
    section.extensions = counting();
    let mut other = section.codecs[0].clone();
    (other.kind, other.payload_type) = (CodecKind::H264, 102);
    section.codecs[0].transport_cc = true;
    other.transport_cc = false;
    section.codecs.push(other);
    let mut egress = Egress::new(&section, stream(), 500);
    egress.select(show(3, 0));
    let (now, media) = (Instant::now(), frame(3, 1));
    let outgoing = egress.forward(now, &media, false).unwrap();
    let (before, unwritten) = (written(&outgoing), outgoing.put_off(&media));
    let mut next = frame(3, 2);
    next.format = Format::of(CodecKind::H264, "");
    egress.forward(now, &next, false).unwrap();
    let resumed = egress.resume(&unwritten).unwrap();
    assert_eq!(written(&resumed), before);
}

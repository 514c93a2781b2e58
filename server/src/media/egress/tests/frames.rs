//! The numbers of frames, as the receiver of a stream gets them: over sources, and of what is sent again.

use super::*;
use crate::media::rtp::header::write_header;

/// A packet of VP8 whose frame has these numbers, in its payload and in a dependency descriptor as long as a
/// keyframe's.
pub(super) fn counted(
    ssrc: u32,
    sequence: u16,
    is_key: bool,
    numbers: FrameNumbers,
) -> MediaPacket {
    let (picture, tl0) = (numbers.picture.unwrap(), numbers.tl0.unwrap());
    let [high, low] = (picture | 0x8000).to_be_bytes();
    let payload = [0x90, 0xE0, high, low, tl0, 0x20, u8::from(!is_key), 9];
    let mut descriptor = vec![0xC0; if is_key { 40 } else { 3 }];
    descriptor[1..3].copy_from_slice(&numbers.frame.unwrap().to_be_bytes());
    let fixed = packet(ssrc, sequence, &[]).header;
    let mut packet = BytesMut::new();
    write_header(&mut packet, &fixed, &[(Some(12), Some(&descriptor))]);
    packet.extend_from_slice(&payload);
    let header = Header::parse(&packet).unwrap();
    let codec = (Format::of(CodecKind::Vp8, ""), 90_000);
    MediaPacket::read(
        Instant::now(),
        (0, 0),
        codec,
        header,
        &counting(),
        packet.freeze(),
    )
}

pub(super) fn counting() -> Extensions {
    Extensions {
        mid: Some(4),
        transport_cc: Some(3),
        dependency_descriptor: Some(12),
        ..Extensions::default()
    }
}

fn at(frame: u16) -> FrameNumbers {
    FrameNumbers {
        picture: Some(frame & 0x7FFF),
        tl0: Some(frame as u8),
        frame: Some(frame),
    }
}

/// The numbers that a packet's receiver reads.
pub(super) fn received(outgoing: &Outgoing<'_>) -> FrameNumbers {
    let (_, written) = written(outgoing);
    let header = Header::parse(&written).unwrap();
    let packet = match header.ssrc {
        1001 => unwrap_rtx(&written, &header, 96, 1000).unwrap(),
        _ => written.to_vec(),
    };
    let codec = (Format::of(CodecKind::Vp8, ""), 90_000);
    let again = MediaPacket::read(
        Instant::now(),
        (0, 0),
        codec,
        header,
        &counting(),
        packet.into(),
    );
    again.frame_numbers
}

#[test]
fn frames_of_whoever_is_shown_next_are_not_behind_those_of_the_last() {
    let mut section = section(MediaKind::Video);
    section.extensions = counting();
    let mut egress = Egress::new(&section, stream(), 500);
    let now = Instant::now();
    let forward = |egress: &mut Egress, ssrc, sequence, is_key, frame| {
        let media = counted(ssrc, sequence, is_key, at(frame));
        received(&egress.forward(now, &media, false).unwrap())
    };
    // The first source's are its own.
    assert_eq!(forward(&mut egress, 7, 1, true, 65_535), at(65_535));
    assert_eq!(forward(&mut egress, 7, 3, false, 1), at(1));
    assert_eq!(forward(&mut egress, 7, 2, false, 0), at(0));
    // Whoever has just begun comes after it, and keeps the distances.
    assert_eq!(forward(&mut egress, 8, 9, true, 40_000), at(2));
    assert_eq!(forward(&mut egress, 8, 10, false, 40_004), at(6));
    // What is sent again has the numbers that it had, of whichever source.
    let mut again = |sequence, media| {
        let wanted = egress.wanted(now, None, sequence).unwrap();
        received(&egress.retransmit(&wanted, &media).unwrap())
    };
    assert_eq!(again(502, counted(7, 3, false, at(1))), at(1));
    assert_eq!(again(504, counted(8, 10, false, at(40_004))), at(6));
}

/// However many packets a source has sent.
#[test]
fn what_is_sent_again_has_its_numbers_after_any_number_of_packets() {
    let mut section = section(MediaKind::Video);
    section.extensions = counting();
    // Sent again as it was: with other numbers it would be another packet under its old one.
    section.codecs[0].rtx_payload_type = None;
    let mut egress = Egress::new(&section, stream(), 500);
    let now = Instant::now();
    let mut forward = |ssrc, count: u32| {
        for sequence in 0..count {
            let media = counted(ssrc, sequence as u16, sequence == 0, at(sequence as u16));
            let sent = written(&egress.forward(now, &media, false).unwrap());
            if sequence % 1000 == 0 {
                let wanted = egress.wanted(now, None, sent.0.sequence).unwrap();
                let again = written(&egress.retransmit(&wanted, &media).unwrap());
                assert!(sent.1 == again.1, "{sequence} of {ssrc}");
            }
        }
    };
    forward(7, 30_000);
    forward(8, 45_000);
}

#[test]
fn frames_without_numbers_change_none() {
    let mut egress = egress(MediaKind::Video);
    let now = Instant::now();
    let first = counted(7, 1, true, at(100));
    egress.forward(now, &first, false).unwrap();
    let plain = packet(8, 1, KEY);
    let (header, bytes) = written(&egress.forward(now, &plain, false).unwrap());
    assert_eq!(&bytes[header.len..], KEY);
    let third = counted(9, 1, true, at(5));
    let (header, bytes) = written(&egress.forward(now, &third, false).unwrap());
    assert_eq!(bytes[header.len..][2..5], [0x80, 101, 101]);
}

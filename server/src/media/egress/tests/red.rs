//! Sound that comes with what came before it, for those who take it so and for those who do not.

use super::*;

/// Where the sender has Opus; and what it calls RED.
const THEIRS: u8 = 111;

fn sound(codecs: &[(CodecKind, u8)]) -> Egress {
    let mut section = section(MediaKind::Audio);
    let model = section.codecs.remove(0);
    section.codecs = (codecs.iter())
        .map(|(kind, payload_type)| Codec {
            kind: *kind,
            payload_type: *payload_type,
            rtx_payload_type: None,
            ..model.clone()
        })
        .collect();
    Egress::new(&section, stream(), 500)
}

/// A packet whose sound is one byte, after that of the packet before.
fn heard(sequence: u16, own: u8) -> MediaPacket {
    let blocks = [0x80 | THEIRS, 0x0F, 0x00, 1, THEIRS, own - 1, own];
    with(sequence, &blocks)
}

fn with(sequence: u16, payload: &[u8]) -> MediaPacket {
    let mut media = packet(7, sequence, payload);
    media.format = Format::of(CodecKind::Red, "111/111");
    media
}

/// Number, payload type and payload of what goes out for a packet.
fn goes_out(egress: &mut Egress, media: &MediaPacket) -> Option<(u16, u8, Vec<u8>)> {
    let outgoing = egress.forward(Instant::now(), media, false)?;
    let (header, packet) = written(&outgoing);
    let payload = packet[header.len..].to_vec();
    Some((header.sequence, header.payload_type, payload))
}

#[test]
fn whoever_does_not_take_it_gets_the_sound_alone() {
    let mut egress = sound(&[(CodecKind::Opus, 109)]);
    for (sequence, own, number) in [(10, 1, 500), (11, 2, 501), (13, 4, 503), (12, 3, 502)] {
        let sent = goes_out(&mut egress, &heard(sequence, own));
        assert_eq!(sent, Some((number, 109, vec![own])));
    }
}

#[test]
fn whoever_takes_it_gets_it_with_their_own_payload_types() {
    let mut egress = sound(&[(CodecKind::Opus, 96), (CodecKind::Red, 97)]);
    let sent = goes_out(&mut egress, &heard(10, 2));
    let blocks = vec![0x80 | 96, 0x0F, 0x00, 1, 96, 1, 2];
    assert_eq!(sent, Some((500, 97, blocks)));
}

#[test]
fn sound_by_itself_and_with_what_came_before_take_turns() {
    for takes in [
        &[(CodecKind::Opus, 96)][..],
        &[(CodecKind::Opus, 96), (CodecKind::Red, 97)],
    ] {
        let mut egress = sound(takes);
        let red = takes.len() > 1;
        for number in 0..4 {
            let is_alone = number % 2 == 0;
            let mut media = heard(10 + number, 9);
            if is_alone {
                media = with(10 + number, &[9]);
                media.format = Format::of(CodecKind::Opus, "");
            }
            let (sequence, payload_type, payload) = goes_out(&mut egress, &media).unwrap();
            assert_eq!(sequence, 500 + number);
            assert_eq!(payload_type, if red && !is_alone { 97 } else { 96 });
            assert_eq!(payload.last(), Some(&9));
            assert_eq!(payload.len(), if red && !is_alone { 7 } else { 1 });
        }
    }
}

#[test]
fn what_has_no_sound_of_its_own_leaves_no_gap() {
    let mut egress = sound(&[(CodecKind::Opus, 109)]);
    assert!(goes_out(&mut egress, &heard(10, 1)).is_some());
    assert_eq!(
        goes_out(&mut egress, &with(11, &[0x80 | THEIRS, 0, 0, 9, THEIRS, 1])),
        None
    );
    assert_eq!(
        goes_out(&mut egress, &heard(12, 3)),
        Some((501, 109, vec![3]))
    );
}

//! Peers that mean harm or are broken: no packet panics, none makes this end hold or do more than a bounded amount,
//! and what is merely unusual does not end the association.

mod changed;
mod resets;

use super::raw::{BEGIN, END, Raw, TAG, WHOLE, data, init};
use crate::media::data::packet::{self, Builder, Header};
use crate::media::data::{
    ChannelId, ChannelOptions, MAX_PACKET_SIZE, MessageKind, RECEIVE_WINDOW, SctpEvent,
};
use bytes::{BufMut, Bytes};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use resets::{reset_request, response};
use std::time::Duration;

fn message(channel: u16, payload: &[u8]) -> SctpEvent {
    SctpEvent::Message {
        channel: ChannelId(channel),
        kind: MessageKind::Binary,
        data: Bytes::copy_from_slice(payload),
    }
}

fn opened(channel: u16) -> SctpEvent {
    SctpEvent::ChannelOpened {
        channel: ChannelId(channel),
        options: ChannelOptions::default(),
    }
}

/// The association still carries a message.
fn is_alive(raw: &mut Raw, tsn: u32, stream: u16) {
    raw.say(packet::DATA, WHOLE, &data(tsn, stream, 0, b"alive"));
    let events = raw.events();
    assert!(events.contains(&message(stream, b"alive")), "{events:?}");
}

#[test]
fn a_cause_that_is_cut_short_is_survived() {
    let cut = [0, 13, 0, 200, b'w', b'h', b'y', b'?'];
    let mut raw = Raw::connected(1);
    raw.say(packet::ERROR, 0, &cut);
    is_alive(&mut raw, 1, 5);
    raw.say(packet::ABORT, 0, &cut);
    assert_eq!(
        raw.events(),
        [SctpEvent::Closed {
            reason: "aborted by the peer, protocol violation: why?".to_owned()
        }]
    );
    assert_eq!(raw.sctp.poll_timeout(), None);
}

#[test]
fn an_abort_with_another_tag_is_not_from_the_peer() {
    let mut raw = Raw::connected(1);
    let stray = |tag, flags| {
        let header = Header {
            source_port: 5000,
            destination_port: 5000,
            tag,
        };
        Builder::new(header)
            .chunk(packet::ABORT, flags, &[])
            .finish()
    };
    raw.say_packet(stray(77, 0));
    raw.say_packet(stray(TAG, 0));
    assert_eq!(raw.events(), []);
    // RFC 9260 §8.5.1: with the T bit it is the peer's own tag.
    raw.say_packet(stray(TAG, 1));
    assert_eq!(raw.events().len(), 1);
}

#[test]
fn unknown_chunks_are_skipped_and_what_they_come_with_is_taken() {
    let mut raw = Raw::connected(1);
    raw.say_all(&[
        (0xc1, 0, b"whatever".to_vec()),
        (packet::DATA, WHOLE, data(1, 3, 0, b"hello")),
        (5, 0, b"".to_vec()),
    ]);
    assert_eq!(raw.events(), [opened(3), message(3, b"hello")]);
}

// RFC 9260 §3.2: the highest bit of a type says whether to go on behind it, the next one whether to report it.
#[test]
fn an_unknown_chunk_ends_its_packet_or_not_and_is_reported_or_not() {
    for kind in [0x3e, 0x7e, 0xbe, 0xfe, 0x0f, 0x40, 0x84, 0xc1] {
        let mut raw = Raw::connected(1);
        let unknown = b"whatever".to_vec();
        let answers = raw.say_all(&[
            (packet::DATA, WHOLE, data(1, 3, 0, b"before")),
            (kind, 5, unknown.clone()),
            (packet::DATA, WHOLE, data(2, 3, 1, b"behind")),
        ]);
        let goes_on = kind & 0x80 != 0;
        let mut wanted = vec![opened(3), message(3, b"before")];
        wanted.extend(goes_on.then(|| message(3, b"behind")));
        assert_eq!(raw.events(), wanted, "{kind:02x}");
        assert_eq!(raw.acknowledged(), 1 + u32::from(goes_on));
        let reports: Vec<_> = answers
            .into_iter()
            .filter(|(kind, _)| *kind == packet::ERROR)
            .map(|(_, value)| value)
            .collect();
        let report = [&[0, 6, 0, 16, kind, 5, 0, 12][..], &unknown].concat();
        let wanted = if kind & 0x40 != 0 {
            vec![report]
        } else {
            vec![]
        };
        assert_eq!(reports, wanted, "{kind:02x}");
    }
}

// Counting up to it one by one takes the library two thousand million steps.
#[test]
fn a_skip_far_ahead_is_ignored() {
    let mut raw = Raw::connected(1);
    let far = 0x7fff_fff0_u32.to_be_bytes();
    raw.say(packet::FORWARD_TSN, 0, &far);
    is_alive(&mut raw, 1, 5);
}

#[test]
fn data_far_ahead_is_not_kept() {
    let mut raw = Raw::connected(1);
    for index in 0..1000 {
        raw.say(
            packet::DATA,
            WHOLE,
            &data(100_000 + index, 5, 1, &[1; 1000]),
        );
    }
    is_alive(&mut raw, 1, 5);
    assert_eq!(raw.acknowledged(), 1);
}

#[test]
fn tiny_chunks_are_kept_in_a_bounded_number() {
    let mut raw = Raw::connected(1);
    // Never the first fragment, so that nothing can be read.
    for packet in 0..4000 {
        let chunks: Vec<_> = (0..50)
            .map(|index| (packet::DATA, 0, data(2 + packet * 50 + index, 5, 0, b"x")))
            .collect();
        raw.say_all(&chunks);
    }
    assert!(raw.sctp.streams.held_chunks() <= 8192 + 50);
    let mut raw = Raw::connected(1);
    raw.say(packet::DATA, BEGIN, &data(1, 5, 0, b"x"));
    for packet in 0..4000 {
        let chunks: Vec<_> = (0..50)
            .map(|index| (packet::DATA, 0, data(2 + packet * 50 + index, 5, 0, b"x")))
            .collect();
        raw.say_all(&chunks);
    }
    assert!(raw.sctp.streams.held_chunks() <= 16_384 + 50);
}

#[test]
fn a_message_without_end_ends_the_association() {
    let mut raw = Raw::connected(1);
    let mut sent = 0;
    let mut flags = BEGIN;
    for _ in 0..10_000 {
        // Each that is not taken again and again, as one that means it would.
        let tsn = raw.sctp.streams.guard.next_expected();
        raw.say(packet::DATA, flags, &data(tsn, 5, 0, &[1; 1100]));
        raw.wait(Duration::from_millis(200));
        flags = 0;
        sent += 1100;
        if let Some(SctpEvent::Closed { reason }) = raw.events().first() {
            assert_eq!(reason, "the peer ignores the receive window");
            assert!(sent < RECEIVE_WINDOW as usize + 1024 * 1024);
            return;
        }
    }
    panic!("{sent} bytes of a message were kept");
}

#[test]
fn too_many_streams_end_the_association() {
    let mut raw = Raw::connected(1);
    for stream in 0..=u16::MAX {
        raw.say(
            packet::DATA,
            WHOLE,
            &data(1 + u32::from(stream), stream, 0, b"x"),
        );
        if raw
            .events()
            .iter()
            .any(|event| matches!(event, SctpEvent::Closed { .. }))
        {
            assert_eq!(stream, 2048);
            return;
        }
    }
    panic!("as many streams as there are identifiers");
}

#[test]
fn data_without_data_is_not_taken() {
    let mut raw = Raw::connected(1);
    raw.say(packet::DATA, WHOLE, &data(1, 5, 0, b""));
    assert_eq!(raw.events(), []);
    is_alive(&mut raw, 1, 5);
}

// Blocks that overlap or start at 0 cost the library time, or make it close the association.
#[test]
fn strange_gaps_are_ignored() {
    let mut raw = Raw::connected(1);
    for gaps in [&[0, 0][..], &[3, 2], &[2, 9, 2, 9], &[5, 6, 2, 3]] {
        let mut value = Vec::new();
        value.put_u32(raw.peer_tsn.wrapping_sub(1));
        value.put_u32(1 << 20);
        value.put_u16(gaps.len() as u16 / 2);
        value.put_u16(0);
        gaps.iter().for_each(|gap| value.put_u16(*gap));
        raw.say(packet::SACK, 0, &value);
    }
    is_alive(&mut raw, 1, 5);
}

#[test]
fn acknowledging_what_was_never_sent_ends_the_association() {
    let mut raw = Raw::connected(1);
    let mut value = Vec::new();
    value.put_u32(raw.peer_tsn.wrapping_add(5));
    value.put_u32(1 << 20);
    value.put_u32(0);
    raw.say(packet::SACK, 0, &value);
    assert!(matches!(raw.events()[..], [SctpEvent::Closed { .. }]));
}

// RFC 9260 §6.2: an acknowledgement of many gaps would not fit a packet.
#[test]
fn an_acknowledgement_of_many_gaps_fits_a_packet() {
    let mut raw = Raw::connected(1);
    for index in 0..1000 {
        raw.now += Duration::from_millis(1);
        let value = data(3 + 2 * index, 5, 1, b"x");
        raw.sctp.handle_packet(
            raw.now,
            Builder::new(raw.header())
                .chunk(packet::DATA, WHOLE, &value)
                .finish(),
        );
    }
    let mut sacks = 0;
    while let Some(packet) = raw.sctp.poll_transmit(raw.now) {
        assert!(packet.len() <= MAX_PACKET_SIZE);
        let sack = packet::chunks(&packet).next().expect("a chunk");
        assert_eq!(sack.kind, packet::SACK);
        assert_eq!(
            usize::from(sack.u16(8).expect("a count")) * 4 + 12,
            sack.value.len()
        );
        assert_eq!((sack.u16(12), sack.u16(14)), (Some(3), Some(3)));
        sacks += 1;
    }
    assert_eq!(sacks, 1);
}

#[test]
fn sequence_numbers_wrap_around() {
    let mut raw = Raw::connected(u32::MAX - 10);
    let mut tsn = raw.tsn;
    for index in 0..30u16 {
        let payload = index.to_be_bytes();
        raw.say(packet::DATA, WHOLE, &data(tsn, 5, index, &payload));
        assert!(raw.events().contains(&message(5, &payload)));
        tsn = tsn.wrapping_add(1);
    }
    assert_eq!(raw.acknowledged(), 18);
}

#[test]
fn gaps_about_the_wrap_are_not_misreported() {
    let mut raw = Raw::connected(u32::MAX - 3);
    for offset in [1, 2, 6, 7] {
        let tsn = raw.tsn.wrapping_add(offset);
        let answers = raw.say(packet::DATA, WHOLE, &data(tsn, 5, offset as u16, b"x"));
        for (_, sack) in answers {
            let gaps = packet::u16_at(&sack, 8).expect("a count");
            assert_eq!(sack.len(), 12 + 4 * usize::from(gaps));
            for gap in 0..usize::from(gaps) {
                assert!(packet::u16_at(&sack, 12 + 4 * gap) > Some(0));
            }
        }
    }
    raw.say(packet::DATA, WHOLE, &data(raw.tsn, 5, 0, b"x"));
    for offset in [3, 4, 5] {
        let tsn = raw.tsn.wrapping_add(offset);
        raw.say(packet::DATA, WHOLE, &data(tsn, 5, offset as u16, b"x"));
    }
    assert_eq!(raw.events().len(), 9);
}

#[test]
fn a_repeated_init_gets_the_same_cookie_and_no_other_association() {
    let mut raw = Raw::new(1);
    let first = raw.say(packet::INIT, 0, &init(TAG, 1));
    let again = raw.say(packet::INIT, 0, &init(TAG, 1));
    assert_eq!(first, again);
    let other = raw.say(packet::INIT, 0, &init(TAG + 1, 1));
    assert_ne!(first, other);
    let mut raw = Raw::connected(1);
    for tag in 0..100 {
        let packet = Builder::new(Header {
            tag: 0,
            ..raw.header()
        })
        .chunk(packet::INIT, 0, &init(tag, 1))
        .finish();
        assert_eq!(raw.say_packet(packet), []);
    }
    is_alive(&mut raw, 1, 5);
}

/// A peer whose INIT was answered, and which says nothing of the cookie.
fn accepted() -> Raw {
    let mut raw = Raw::new(1);
    let answers = raw.say(packet::INIT, 0, &init(TAG, 1));
    raw.learn_tag(&answers[0].1);
    raw
}

/// Of each kind of chunk, some that are sound.
fn floods() -> Vec<(u8, Vec<u8>)> {
    let parameter = vec![0, 1, 0, 8, 1, 2, 3, 4];
    let gaps = [&[0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0][..], &[0, 9, 0, 9]].concat();
    vec![
        (packet::DATA, data(1, 5, 0, b"again")),
        (packet::DATA, data(3, 5, 0, b"ahead")),
        (packet::INIT, init(TAG, 1)),
        (packet::INIT, init(TAG + 1, 1)),
        (packet::INIT_ACK, init(TAG, 1)),
        (packet::SACK, gaps),
        (packet::HEARTBEAT, parameter.clone()),
        (200, parameter.clone()),
        (packet::ERROR, parameter.clone()),
        (packet::COOKIE_ECHO, vec![7; 32]),
        (packet::COOKIE_ACK, vec![]),
        (packet::FORWARD_TSN, vec![0, 0, 0, 9, 0, 5, 0, 9]),
        (packet::RECONFIG, reset_request(1, 1000, &[5])),
        (packet::RECONFIG, reset_request(1, 0, &[5])),
        (packet::RECONFIG, response(1, 6)),
        (
            packet::RECONFIG,
            vec![0, 17, 0, 12, 0, 0, 0, 1, 0, 16, 0, 0],
        ),
    ]
}

#[test]
fn what_is_repeated_without_end_is_not_collected() {
    for (kind, value) in floods() {
        for state in [accepted, || Raw::connected(1)] {
            let mut raw = state();
            let flood = allocation_counter::measure(|| {
                for _ in 0..3000 {
                    raw.say(kind, WHOLE, &value);
                }
            });
            let held = flood.bytes_current;
            assert!(held < 30_000, "{held} bytes of {kind} {value:?}");
        }
    }
}

#[test]
fn an_orderly_shutdown_is_answered_and_everything_before_it_delivered() {
    let mut raw = Raw::connected(1);
    raw.say(packet::DATA, WHOLE, &data(1, 5, 0, b"last"));
    let answers = raw.say(
        packet::SHUTDOWN,
        0,
        &raw.peer_tsn.wrapping_sub(1).to_be_bytes(),
    );
    assert!(
        answers
            .iter()
            .any(|(kind, _)| *kind == packet::SHUTDOWN_ACK)
    );
    let closed = SctpEvent::Closed {
        reason: "shut down by the peer".to_owned(),
    };
    assert_eq!(raw.events(), [opened(5), message(5, b"last"), closed]);
    assert_eq!(raw.sctp.poll_timeout(), None);
}

#[test]
fn heartbeats_are_answered() {
    let mut raw = Raw::connected(1);
    let beat = [0, 1, 0, 8, 1, 2, 3, 4];
    assert_eq!(raw.say(packet::HEARTBEAT, 0, &beat), [(5, beat.to_vec())]);
}

#[test]
fn fragments_of_a_message_may_come_in_any_order() {
    let mut rng = StdRng::seed_from_u64(3);
    for _ in 0..50 {
        let mut raw = Raw::connected(u32::MAX - 3);
        let mut fragments: Vec<_> = (0..10u32)
            .map(|index| {
                let flags = match index {
                    0 => BEGIN,
                    9 => END,
                    _ => 0,
                };
                (
                    flags,
                    data(raw.tsn.wrapping_add(index), 5, 0, &[index as u8]),
                )
            })
            .collect();
        for index in (1..fragments.len()).rev() {
            fragments.swap(index, rng.random_range(0..=index));
        }
        for (flags, value) in fragments {
            raw.say(packet::DATA, flags, &value);
        }
        assert_eq!(
            raw.events(),
            [opened(5), message(5, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])]
        );
    }
}

/// An ABORT whose cause is cut short, which would panic the library.
const CUT_SHORT: [u8; 8] = [packet::ABORT, 0, 0, 8, 0, 12, 0, 8];

#[test]
fn nothing_is_smuggled_past_the_guard_inside_or_behind_another_chunk() {
    let heartbeat = [&[0, 1, 0, 8, 1, 2, 3, 4][..], &CUT_SHORT].concat();
    let sack = [&[0; 12][..], &CUT_SHORT].concat();
    let shutdown = [&[0; 4][..], &CUT_SHORT].concat();
    for (kind, value) in [
        (packet::HEARTBEAT, heartbeat),
        (packet::SACK, sack),
        (packet::SHUTDOWN_ACK, CUT_SHORT.to_vec()),
        (packet::COOKIE_ACK, CUT_SHORT.to_vec()),
        (packet::SHUTDOWN_COMPLETE, CUT_SHORT.to_vec()),
    ] {
        let mut raw = Raw::connected(1000);
        raw.say(kind, 0, &value);
        is_alive(&mut raw, 1000, 0);
    }
    Raw::connected(1000).say(packet::SHUTDOWN, 0, &shutdown);
    let mut raw = Raw::new(1000);
    let behind = (packet::ABORT, 0, CUT_SHORT[4..].to_vec());
    let answers = raw.say_all(&[(packet::INIT, 0, init(TAG, 1000)), behind]);
    assert!(answers.is_empty(), "{answers:?}");
}

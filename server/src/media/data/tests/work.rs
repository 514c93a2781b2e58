//! How much one packet can make this end do, whoever sent it. Counted, not timed.

use super::raw::{BEGIN, Raw, WHOLE, data};
use crate::media::data::packet;
use crate::media::data::toll::MAX_STEPS;
use crate::media::data::{ChannelOptions, SctpEvent, dcep};
use bytes::BufMut;
use std::time::Duration;

/// As many chunks of one byte as a packet holds.
const TINY: u32 = 57;

fn tiny(first: u32, flags: u8, stream: impl Fn(u32) -> (u16, u16)) -> Vec<(u8, u8, Vec<u8>)> {
    let chunk = |index| {
        let (stream, sequence) = stream(index);
        data(first + index, stream, sequence, b"x")
    };
    (0..TINY)
        .map(|index| (packet::DATA, flags, chunk(index)))
        .collect()
}

/// A peer that has used so many streams; the TSN of its next chunk.
fn with_streams(count: u16) -> (Raw, u32) {
    let mut raw = Raw::connected(1);
    for stream in 0..count {
        let tsn = 1 + u32::from(stream);
        raw.say(packet::DATA, WHOLE, &data(tsn, stream, 0, b"x"));
        raw.events();
    }
    (raw, 1 + u32::from(count))
}

fn steps(raw: &mut Raw, chunks: &[(u8, u8, Vec<u8>)]) -> usize {
    let before = raw.sctp.streams.guard.steps;
    raw.say_all(chunks);
    raw.sctp.streams.guard.steps - before
}

#[test]
fn tiny_messages_on_many_streams() {
    let (mut raw, tsn) = with_streams(1000);
    let chunks = tiny(tsn, WHOLE, |index| (index as u16, 1));
    let steps = steps(&mut raw, &chunks);
    assert!((1..=MAX_STEPS).contains(&steps), "{steps} steps");
}

#[test]
fn tiny_messages_on_few_streams_are_all_taken() {
    let (mut raw, tsn) = with_streams(100);
    raw.say_all(&tiny(tsn, WHOLE, |index| (index as u16, 1)));
    assert_eq!(raw.events().len(), TINY as usize);
}

#[test]
fn tiny_fragments_of_a_long_message() {
    let mut raw = Raw::connected(1);
    raw.say(packet::DATA, BEGIN, &data(1, 5, 0, b"x"));
    let mut most = 0;
    for packet in 0..300 {
        let first = raw.sctp.streams.guard.next_expected();
        let steps = steps(&mut raw, &tiny(first, 0, |_| (5, 0)));
        assert!(steps > 0, "packet {packet}");
        most = most.max(steps);
    }
    assert!(most <= MAX_STEPS, "{most} steps");
}

/// What a packet costs, in bytes allocated, that has a message for the first of so many streams.
fn allocated(count: u16, is_read: bool, reset: Option<u32>) -> u64 {
    let (mut raw, mut tsn) = with_streams(count);
    let mut sequence = 1;
    if let Some(after) = reset {
        raw.say(packet::DATA, WHOLE, &data(tsn, 0, sequence, b"x"));
        // All streams, once everything was read until then (RFC 6525 §4.1).
        let mut request = vec![0, 13, 0, 16];
        [1, 0, tsn + after]
            .into_iter()
            .for_each(|field| request.put_u32(field));
        raw.say(packet::RECONFIG, 0, &request);
        (tsn, sequence) = (tsn + 1, sequence + 1);
    }
    let cost = allocation_counter::measure(|| {
        for index in 0..100u16 {
            let value = data(tsn + u32::from(index), 0, sequence + index, b"x");
            raw.say(packet::DATA, WHOLE, &value);
            if is_read {
                raw.events();
            }
        }
    });
    cost.bytes_total / 100
}

// What an idle stream costs a packet that has nothing to do with it: nothing. That is so also while the peer's request
// to reset all of them waits: for what was not read, or has not come.
#[test]
fn allocations_do_not_grow_with_the_streams() {
    for (is_read, reset) in [(true, None), (false, Some(0)), (true, Some(1000))] {
        let few = allocated(2, is_read, reset);
        let many = allocated(1000, is_read, reset);
        assert!(
            many < few + 500,
            "{few} bytes with 2 streams, {many} with 1000; reset: {reset:?}"
        );
    }
}

#[test]
fn of_many_control_chunks_in_a_packet_few_are_answered() {
    let beat = vec![0, 1, 0, 4];
    for kind in [packet::HEARTBEAT, packet::RECONFIG, 200] {
        let value = match kind {
            packet::RECONFIG => vec![0, 17, 0, 12, 0, 0, 0, 1, 0, 16, 0, 0],
            _ => beat.clone(),
        };
        let mut raw = Raw::connected(1);
        let answers = raw.say_all(&vec![(kind, 0, value); 100]);
        assert!(
            (1..=4).contains(&answers.len()),
            "{} to {kind}",
            answers.len()
        );
    }
}

#[test]
fn dcep_openings_cost_as_much_each_however_many_there_are() {
    let open = dcep::encode_open(&ChannelOptions::default());
    let cost = |open_before: u16| {
        let mut raw = Raw::connected(1);
        let mut tsn = 1;
        let mut say = |raw: &mut Raw, streams: std::ops::Range<u16>| {
            let chunks: Vec<_> = streams
                .map(|stream| {
                    let mut value = data(tsn, stream, 0, &open);
                    value[8..12].copy_from_slice(&50_u32.to_be_bytes());
                    tsn += 1;
                    (packet::DATA, WHOLE, value)
                })
                .collect();
            raw.say_all(&chunks);
            raw.events()
        };
        for first in (0..open_before).step_by(8) {
            say(&mut raw, first..first + 8);
        }
        let cost = allocation_counter::measure(|| {
            let events = say(&mut raw, 1000..1008);
            let opened = events
                .iter()
                .filter(|event| matches!(event, SctpEvent::ChannelOpened { .. }));
            assert_eq!(opened.count(), 8);
        });
        cost.bytes_total
    };
    let (few, many) = (cost(0), cost(800));
    assert!(
        many < 3 * few,
        "{few} bytes for the first, {many} after 800"
    );
}

/// What resets the streams up to `count`, all of them where none is `named`.
fn reset(count: u16, named: u16) -> Vec<u8> {
    let mut reset = vec![0, 13];
    reset.put_u16(16 + 2 * named);
    for number in [1, 0, u32::from(count)] {
        reset.put_u32(number);
    }
    (0..named).for_each(|stream| reset.put_u16(stream));
    reset
}

// The library is told of all in a packet or two, and not of each.
#[test]
fn a_reset_of_many_streams_costs_as_much_each_as_one_of_few() {
    let cost = |streams: u16| {
        let (mut raw, _) = with_streams(streams);
        let reset = reset(streams, streams);
        let cost = allocation_counter::measure(|| {
            raw.say(packet::RECONFIG, 0, &reset);
            raw.events();
        });
        cost.count_total
    };
    let (few, many) = (cost(10), cost(128));
    assert!(
        many < 128 + 3 * few,
        "{few} allocations for 10 streams, {many} for 128"
    );
}

// One request may name hundreds of streams, or all there are.
#[test]
fn a_reset_of_hundreds_of_streams_is_granted_in_parts() {
    for named in [500, 0] {
        let (mut raw, _) = with_streams(500);
        let mut closed = Vec::new();
        let mut said = raw.say(packet::RECONFIG, 0, &reset(500, named));
        loop {
            let events = raw.events();
            assert!(events.len() <= 128, "{} at once", events.len());
            closed.extend(events);
            let is_granted = said.iter().any(|(_, value)| is_grant(value));
            assert_eq!(is_granted, closed.len() == 500);
            if is_granted {
                break;
            }
            said = raw.wait(Duration::ZERO);
        }
    }
}

fn is_grant(value: &[u8]) -> bool {
    value.starts_with(&[0, 16]) && packet::u32_at(value, 8) == Some(1)
}

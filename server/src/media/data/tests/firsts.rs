//! The first message of a stream: lost, given up, overtaken, or not the first.

use super::link::{A, B, PERFECT, Pair};
use super::raw::{BEGIN, Raw, UNORDERED, WHOLE, data};
use crate::media::data::packet;
use crate::media::data::{ChannelId, ChannelOptions, Reliability, SctpEvent};
use bytes::{BufMut, Bytes};
use rtc::sctp::PayloadProtocolIdentifier as Protocol;
use std::time::Duration;

/// The value of a FORWARD-TSN: everything to `tsn` is given up, and on each stream everything to a sequence number.
fn skip(tsn: u32, streams: &[(u16, u16)]) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    for (stream, sequence) in streams {
        value.put_u16(*stream);
        value.put_u16(*sequence);
    }
    value
}

fn payloads(events: &[SctpEvent]) -> Vec<(ChannelId, Bytes)> {
    let messages = events.iter().filter_map(|event| match event {
        SctpEvent::Message { channel, data, .. } => Some((*channel, data.clone())),
        _ => None,
    });
    messages.collect()
}

// RFC 3758 §3.6: what the chunk says of a stream holds, known or not.
#[test]
fn a_stream_whose_first_message_is_given_up_begins_with_the_second() {
    for stream in [0, 7, 1000, u16::MAX] {
        let mut raw = Raw::connected(1);
        raw.say(packet::FORWARD_TSN, 0, &skip(1, &[(stream, 0)]));
        raw.say(packet::DATA, WHOLE, &data(2, stream, 1, b"second"));
        raw.say(packet::DATA, WHOLE, &data(3, stream, 2, b"third"));
        let seen = payloads(&raw.events());
        let channel = ChannelId(stream);
        let wanted = [(channel, "second".into()), (channel, "third".into())];
        assert_eq!(seen, wanted, "stream {stream}");
    }
}

#[test]
fn whatever_comes_first_of_a_skip_and_two_messages_the_rest_is_delivered() {
    let chunks = || {
        [
            (packet::FORWARD_TSN, 0, skip(1, &[(7, 0)])),
            (packet::DATA, WHOLE, data(2, 7, 1, b"second")),
            (packet::DATA, WHOLE, data(3, 7, 2, b"third")),
        ]
    };
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        for bundled in [false, true] {
            let mut raw = Raw::connected(1);
            let permuted = order.map(|index| chunks()[index].clone());
            if bundled {
                raw.say_all(&permuted);
            } else {
                for (kind, flags, value) in permuted {
                    raw.say(kind, flags, &value);
                }
            }
            let seen = payloads(&raw.events());
            let channel = ChannelId(7);
            let wanted = [(channel, "second".into()), (channel, "third".into())];
            assert_eq!(seen, wanted, "{order:?}, bundled: {bundled}");
        }
    }
}

#[test]
fn a_skip_of_many_streams_holds_for_each() {
    let mut raw = Raw::connected(1);
    let streams: Vec<_> = (0..200).map(|stream| (stream, 4)).collect();
    raw.say(packet::FORWARD_TSN, 0, &skip(1, &streams));
    for (index, (stream, _)) in streams.iter().enumerate() {
        let tsn = 2 + index as u32;
        raw.say(packet::DATA, WHOLE, &data(tsn, *stream, 5, b"fifth"));
    }
    assert_eq!(payloads(&raw.events()).len(), 200);
}

/// The peer resets stream 7 behind `last_tsn`; the number of our request that follows.
fn reset(raw: &mut Raw, number: u32, last_tsn: u32) -> u32 {
    let mut reset = vec![0, 13, 0, 18];
    for field in [number, 0, last_tsn] {
        reset.put_u32(field);
    }
    reset.put_u16(7);
    let answers = raw.say(packet::RECONFIG, 0, &reset);
    let mut ours = answers
        .iter()
        .rev()
        .filter(|(kind, _)| *kind == packet::RECONFIG);
    ours.next()
        .and_then(|(_, value)| packet::u32_at(value, 4))
        .expect("a request")
}

fn confirm(raw: &mut Raw, number: u32) {
    let mut response = vec![0, 16, 0, 12];
    response.put_u32(number);
    response.put_u32(1);
    raw.say(packet::RECONFIG, 0, &response);
}

// A repetition of a skip, after its stream was closed, or one that says more than it should, as other
// implementations do: the new one begins at 0.
#[test]
fn an_old_skip_does_not_hit_the_new_channel() {
    for tsn in [1, 3] {
        let mut raw = Raw::connected(1);
        raw.say(packet::FORWARD_TSN, 0, &skip(1, &[(7, 0)]));
        raw.say(packet::DATA, WHOLE, &data(2, 7, 1, b"old"));
        raw.events();
        let number = reset(&mut raw, 1, 2);
        confirm(&mut raw, number);
        raw.say(packet::FORWARD_TSN, 0, &skip(tsn, &[(7, 5)]));
        for sequence in 0..3 {
            let value = data(tsn.max(2) + 1 + sequence, 7, sequence as u16, b"new");
            raw.say(packet::DATA, WHOLE, &value);
        }
        let wanted = [(); 3].map(|()| (ChannelId(7), Bytes::from("new")));
        assert_eq!(payloads(&raw.events()), wanted, "a skip to {tsn}");
    }
}

// As above, and what is new overtakes itself. No message that the skip is of comes behind it.
#[test]
fn an_old_skip_does_not_hit_the_new_channel_whose_messages_come_in_any_order() {
    for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0]] {
        let mut raw = Raw::connected(1);
        raw.say(packet::FORWARD_TSN, 0, &skip(1, &[(7, 5)]));
        for sequence in order {
            let value = data(2 + u32::from(sequence), 7, sequence, &[sequence as u8]);
            raw.say(packet::DATA, WHOLE, &value);
        }
        let wanted = [0, 1, 2].map(|sequence| (ChannelId(7), Bytes::from(vec![sequence])));
        assert_eq!(payloads(&raw.events()), wanted, "{order:?}");
    }
}

#[test]
fn a_message_that_comes_after_it_was_given_up_changes_nothing() {
    let mut raw = Raw::connected(1);
    raw.say(packet::FORWARD_TSN, 0, &skip(1, &[(7, 0)]));
    raw.say(packet::DATA, WHOLE, &data(1, 7, 0, b"first"));
    raw.say(packet::DATA, WHOLE, &data(2, 7, 1, b"second"));
    let seen = payloads(&raw.events());
    assert_eq!(seen, [(ChannelId(7), Bytes::from("second"))]);
}

// The confirmation comes before the acknowledgement. What was sent until then is not forgotten, which would leave it
// unacknowledged for ever, and the confirmation is not taken for one that is skipped.
#[test]
fn an_old_skip_does_not_hit_the_channel_that_this_end_opens() {
    for comes_first in [true, false] {
        let mut raw = Raw::connected(1);
        let skip = skip(1, &[(1, 5)]);
        if comes_first {
            raw.say(packet::FORWARD_TSN, 0, &skip);
        }
        let opened = raw.sctp.open_channel(raw.now, ChannelOptions::default());
        assert_eq!(opened, Ok(ChannelId(1)));
        raw.answers();
        if !comes_first {
            raw.say(packet::FORWARD_TSN, 0, &skip);
        }
        raw.confirm_opening(2, 1);
        raw.acknowledge(raw.peer_tsn);
        let opened = SctpEvent::ChannelOpened {
            channel: ChannelId(1),
            options: ChannelOptions::default(),
        };
        assert_eq!(raw.events(), [opened], "the skip first: {comes_first}");
        assert_eq!(raw.sctp.buffered(), 0, "the skip first: {comes_first}");
    }
}

// RFC 8832 §6: until the opening is confirmed even an unordered channel's messages are sent in order.
#[test]
fn what_is_given_up_before_an_unordered_channel_is_confirmed_holds_nothing_up() {
    let mut raw = Raw::connected(1);
    let mut open = vec![3, 0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    open.splice(0..0, [0, 0, 0, 1, 0, 7, 0, 0, 0, 0, 0, 50]);
    raw.say(packet::DATA, WHOLE, &open);
    raw.events();
    raw.say(packet::DATA, BEGIN, &data(2, 7, 1, &[0; 500]));
    raw.say(packet::DATA, WHOLE, &data(4, 7, 2, b"second"));
    raw.say(packet::FORWARD_TSN, 0, &skip(3, &[(7, 1)]));
    raw.say(packet::DATA, WHOLE | UNORDERED, &data(5, 7, 0, b"third"));
    let seen = payloads(&raw.events());
    let wanted = ["second", "third"].map(|text| (ChannelId(7), Bytes::from(text)));
    assert_eq!(seen, wanted);
    assert_eq!(raw.acknowledged(), 5);
    assert_eq!(raw.sctp.streams.held(), 0);
}

#[test]
fn an_old_skip_does_not_end_a_reset_half_way() {
    let mut raw = Raw::connected(1);
    raw.say(packet::DATA, WHOLE, &data(1, 7, 0, b"old"));
    raw.events();
    let number = reset(&mut raw, 1, 1);
    raw.say(packet::FORWARD_TSN, 0, &skip(2, &[(7, 0)]));
    assert!(raw.sctp.streams.is_resetting());
    confirm(&mut raw, number);
    assert!(!raw.sctp.streams.is_resetting());
    assert!(raw.sctp.channels.is_empty());
}

// As an aiortc peer with `maxRetransmits: 0` on a channel the applications agreed on.
#[test]
fn after_a_first_message_that_is_lost_and_given_up_the_others_arrive() {
    for (ordered, length) in [(true, 10), (true, 5000), (false, 10), (false, 5000)] {
        let mut pair = Pair::connected(1, PERFECT);
        let streams = &mut pair.ends[A].sctp.streams;
        streams.configure(7, ordered, Reliability::MaxRetransmits(0));
        for number in 0..20u8 {
            pair.conditions.loss = if number == 0 { 100 } else { 0 };
            let now = pair.now;
            let message = Bytes::from(vec![number; length]);
            let streams = &mut pair.ends[A].sctp.streams;
            assert!(streams.write(now, 7, Protocol::Binary, &message));
            pair.run_for(Duration::from_millis(1));
            // Given up before another comes.
            pair.conditions.loss = 0;
            pair.run_for(Duration::from_secs(10));
        }
        pair.run_out();
        let messages = pair.ends[B].messages();
        let seen: Vec<u8> = messages.iter().map(|(_, _, data)| data[0]).collect();
        assert_eq!(seen, (1..20).collect::<Vec<_>>(), "{ordered}, {length}");
    }
}

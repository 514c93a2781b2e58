//! Partial reliability: what is given up does not stop what follows.

use super::link::{A, B, Conditions, PERFECT, Pair};
use crate::media::data::{ChannelOptions, MessageKind, Reliability};
use bytes::{BufMut, Bytes, BytesMut};
use std::time::Duration;

const LOSSY: Conditions = Conditions {
    loss: 20,
    jitter: 20,
    ..PERFECT
};

/// Message `number`, of `length` bytes.
fn numbered(number: u32, length: usize) -> Bytes {
    let mut data = BytesMut::zeroed(length);
    (&mut data[..]).put_u32(number);
    data.freeze()
}

fn number(data: &Bytes) -> u32 {
    u32::from_be_bytes([data[0], data[1], data[2], data[3]])
}

/// Sends `count` messages at 100 a second and returns the numbers of those that arrived.
fn numbers_arriving(
    pair: &mut Pair,
    options: ChannelOptions,
    count: u32,
    length: usize,
) -> Vec<u32> {
    let channel = pair.open(A, options);
    pair.run_for(Duration::from_secs(10));
    for index in 0..count {
        let now = pair.now;
        let data = numbered(index, length);
        let sent = pair.ends[A]
            .sctp
            .send(now, channel, MessageKind::Binary, data);
        assert_eq!(sent, Ok(()));
        pair.run_for(Duration::from_millis(10));
    }
    pair.run_out();
    assert_eq!(pair.ends[A].sctp.buffered(), 0);
    let messages = pair.ends[B].messages();
    messages.iter().for_each(|(_, _, data)| {
        assert_eq!(*data, numbered(number(data), length));
    });
    messages.iter().map(|(_, _, data)| number(data)).collect()
}

fn options(ordered: bool, reliability: Reliability) -> ChannelOptions {
    ChannelOptions {
        ordered,
        reliability,
        ..ChannelOptions::default()
    }
}

/// After what was given up, everything else still works, the channel it happened on too.
fn still_works(pair: &mut Pair) {
    pair.conditions = PERFECT;
    let before = pair.ends[B].messages().len();
    let (old, new) = (
        pair.ends[B].opened()[0].0,
        pair.open(A, ChannelOptions::default()),
    );
    for channel in [old, new] {
        pair.send(A, channel, &numbered(0, 1000));
    }
    pair.run_out();
    assert_eq!(pair.ends[B].messages().len(), before + 2);
    assert_eq!(pair.ends[A].end(), None);
}

#[test]
fn without_retransmission_some_are_lost_and_the_rest_arrive() {
    for seed in 0..10 {
        for ordered in [false, true] {
            for length in [100, 5000] {
                let mut pair = Pair::connected(seed, LOSSY);
                let arrived = numbers_arriving(
                    &mut pair,
                    options(ordered, Reliability::MaxRetransmits(0)),
                    200,
                    length,
                );
                assert!(arrived.len() < 200, "nothing was lost");
                assert!(arrived.len() > 10, "{} arrived", arrived.len());
                assert!(!ordered || arrived.is_sorted());
                still_works(&mut pair);
            }
        }
    }
}

#[test]
fn a_lifetime_bounds_how_late_a_message_arrives() {
    for seed in 0..10 {
        for ordered in [false, true] {
            let lossy = Conditions { loss: 5, ..LOSSY };
            let mut pair = Pair::connected(seed, lossy);
            let arrived = numbers_arriving(
                &mut pair,
                options(ordered, Reliability::MaxLifetimeMs(300)),
                200,
                500,
            );
            assert!(arrived.len() > 10, "{} arrived", arrived.len());
            assert!(!ordered || arrived.is_sorted());
            still_works(&mut pair);
        }
    }
}

#[test]
fn what_was_sent_into_an_outage_is_not_sent_after_it() {
    for ordered in [false, true] {
        let mut pair = Pair::connected(1, PERFECT);
        let channel = pair.open(A, options(ordered, Reliability::MaxLifetimeMs(200)));
        pair.run_out();
        pair.conditions.loss = 100;
        for index in 0..50 {
            pair.send(A, channel, &numbered(index, 1000));
            pair.run_for(Duration::from_millis(100));
        }
        pair.conditions.loss = 0;
        for index in 50..60 {
            pair.send(A, channel, &numbered(index, 1000));
            pair.run_for(Duration::from_secs(10));
        }
        let arrived: Vec<u32> = pair.ends[B]
            .messages()
            .iter()
            .map(|(_, _, data)| number(data))
            .collect();
        assert!(arrived.ends_with(&[51, 52, 53, 54, 55, 56, 57, 58, 59]));
        // The library has no way to skip an ordered message that it has not begun to send: it sends it once, late.
        let late = if ordered { 3 } else { 45 };
        assert!(arrived.iter().all(|&number| number > late), "{arrived:?}");
    }
}

#[test]
fn enough_retransmissions_lose_nothing() {
    for ordered in [false, true] {
        let mut pair = Pair::connected(1, LOSSY);
        let arrived = numbers_arriving(
            &mut pair,
            options(ordered, Reliability::MaxRetransmits(50)),
            100,
            3000,
        );
        assert_eq!(arrived.len(), 100);
    }
}

// A channel the applications agreed on without telling us, unordered and unreliable: fragments the peer gives up must
// not stay in our window for ever.
#[test]
fn given_up_fragments_on_an_unannounced_channel_are_forgotten() {
    let mut pair = Pair::connected(1, PERFECT);
    let now = pair.now;
    let streams = &mut pair.ends[A].sctp.streams;
    streams.configure(7, false, Reliability::MaxRetransmits(0));
    let protocol = rtc::sctp::PayloadProtocolIdentifier::Binary;
    assert!(streams.write(now, 7, protocol, &numbered(0, 10)));
    pair.run_out();
    pair.conditions.loss = 20;
    for index in 0..100 {
        let now = pair.now;
        let data = numbered(index, 100_000);
        assert!(pair.ends[A].sctp.streams.write(now, 7, protocol, &data));
        pair.run_for(Duration::from_secs(5));
    }
    pair.conditions.loss = 0;
    pair.run_out();
    assert_eq!(pair.ends[B].opened().len(), 1);
    assert!(!pair.ends[B].opened()[0].1.ordered);
    let before = pair.ends[B].messages().len();
    for _ in 0..20 {
        let now = pair.now;
        let data = numbered(0, 200_000);
        assert!(pair.ends[A].sctp.streams.write(now, 7, protocol, &data));
    }
    let start = pair.now;
    pair.run_until("all arrived", |pair| {
        pair.ends[B].messages().len() == before + 20
    });
    assert!(pair.now - start < Duration::from_secs(10));
}

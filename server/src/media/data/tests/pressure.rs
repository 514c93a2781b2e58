//! Back-pressure: what is held stays bounded whatever the other end does, and nothing is lost for it.

use super::link::{A, B, Behaviour, Conditions, PERFECT, Pair};
use crate::media::data::{
    ChannelId, ChannelOptions, HIGH_WATER, MessageKind, RECEIVE_WINDOW, SEND_LIMIT,
    SEND_LIMIT_MESSAGES, SctpEvent,
};
use bytes::Bytes;
use std::time::Duration;

fn ready(conditions: Conditions) -> (Pair, ChannelId) {
    let mut pair = Pair::connected(1, conditions);
    let channel = pair.open(A, ChannelOptions::default());
    pair.run_out();
    (pair, channel)
}

/// Sends from A `count` messages of `length` bytes, as applications do: while little is waiting, so that A reads on.
fn pour(pair: &mut Pair, channel: ChannelId, count: usize, length: usize) {
    let data = Bytes::from(vec![7; length]);
    for _ in 0..count {
        if pair.ends[A].sctp.is_congested() {
            pair.run_until("little is waiting", |pair| {
                !pair.ends[A].sctp.is_congested()
            });
        }
        pair.send(A, channel, &data);
    }
}

#[test]
fn the_send_buffer_is_full_at_its_limit() {
    for (length, limit) in [
        (256 * 1024, SEND_LIMIT / (256 * 1024)),
        (1, SEND_LIMIT_MESSAGES),
    ] {
        let (mut pair, channel) = ready(PERFECT);
        let now = pair.now;
        let data = Bytes::from(vec![7; length]);
        let mut taken = 0;
        while pair.ends[A]
            .sctp
            .send(now, channel, MessageKind::Binary, data.clone())
            .is_ok()
        {
            taken += 1;
        }
        assert_eq!(taken, limit);
        assert_eq!(pair.ends[A].sctp.buffered(), taken * length);
        pair.run_out();
        assert_eq!(pair.ends[A].sctp.buffered(), 0);
        assert_eq!(pair.ends[B].messages().len(), taken);
    }
}

#[test]
fn an_echo_stays_bounded_and_complete() {
    for (count, length) in [(300, 256 * 1024), (20_000, 100), (40_000, 1)] {
        let (mut pair, channel) = ready(PERFECT);
        pair.ends[B].behaviour = Behaviour::Echo;
        pour(&mut pair, channel, count, length);
        pair.run_until("all are back", |pair| {
            pair.ends[A].messages().len() == count
        });
        assert_eq!(pair.ends[B].refused, 0);
        assert!(pair.ends[B].peak <= HIGH_WATER + RECEIVE_WINDOW as usize + 256 * 1024);
    }
}

// The peer sends and does not take what comes back: reading stops, then its own sending.
#[test]
fn a_peer_that_does_not_read_is_held_up() {
    for length in [256 * 1024, 10_000, 100] {
        let (mut pair, channel) = ready(PERFECT);
        pair.ends[B].behaviour = Behaviour::Echo;
        pair.ends[A].behaviour = Behaviour::Ignore;
        let data = Bytes::from(vec![7; length]);
        let mut sent = 0;
        for _ in 0..200 {
            while !pair.ends[A].sctp.is_congested() {
                pair.send(A, channel, &data);
                sent += 1;
            }
            pair.run_for(Duration::from_secs(1));
        }
        let end = &pair.ends[B];
        assert!(end.sctp.buffered() > 0);
        assert!(end.peak <= HIGH_WATER + RECEIVE_WINDOW as usize + length);
        assert!(pair.ends[A].sctp.is_congested());
        let window = RECEIVE_WINDOW as usize;
        assert!(end.messages().len() * length <= 2 * window + HIGH_WATER + 3 * length);
        // And goes on when the peer reads again.
        pair.ends[A].behaviour = Behaviour::Gulp;
        let start = pair.now;
        pair.run_until("all are back", |pair| pair.ends[A].messages().len() == sent);
        assert_eq!(pair.ends[B].refused, 0);
        let took = pair.now - start;
        assert!(took < Duration::from_secs(100), "{took:?} for {length}");
    }
}

// The window closed; when it opens the sender must hear of it at once, not by its own probing.
#[test]
fn reading_again_opens_the_window_at_once() {
    let (mut pair, channel) = ready(PERFECT);
    pair.ends[B].behaviour = Behaviour::Ignore;
    let data = Bytes::from(vec![7; 100_000]);
    for _ in 0..60 {
        pair.send(A, channel, &data);
    }
    pair.run_for(Duration::from_secs(600));
    let waiting = pair.ends[A].sctp.buffered();
    assert!(waiting >= 6_000_000 - RECEIVE_WINDOW as usize - 200_000);
    pair.ends[B].behaviour = Behaviour::Collect;
    let start = pair.now;
    pair.run_until("all arrived", |pair| pair.ends[B].messages().len() == 60);
    let took = pair.now - start;
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[test]
fn a_big_window_fills_a_long_path() {
    let long = Conditions {
        delay: 50,
        ..PERFECT
    };
    let (mut pair, channel) = ready(long);
    let start = pair.now;
    let data = Bytes::from(vec![7; 256 * 1024]);
    for _ in 0..400 {
        if pair.ends[A].sctp.buffered() + data.len() > SEND_LIMIT {
            pair.run_until("there is room", |pair| {
                pair.ends[A].sctp.buffered() + data.len() <= SEND_LIMIT
            });
        }
        pair.send(A, channel, &data);
    }
    pair.run_until("all arrived", |pair| pair.ends[B].messages().len() == 400);
    let took = (pair.now - start).as_secs_f64();
    let rate = 400.0 * 256.0 * 1024.0 * 8.0 / took / 1e6;
    // 1 MiB would be 84 Mbit/s at most.
    assert!(rate > 150.0, "{rate} Mbit/s");
}

// 20 Mbit/s with the queue of a home router. The library by itself loses hundreds of packets at once, and then stands
// still for seven seconds.
#[test]
fn a_narrow_path_is_filled_without_standing_still() {
    for queue in [32_000, 64_000, 256_000] {
        let path = Conditions {
            delay: 25,
            ..PERFECT
        };
        let (mut pair, channel) = ready(path);
        pair.bottleneck = Some((20_000_000 / 8, queue));
        let start = pair.now;
        let mut last = start;
        for count in 1..=80 {
            pour(&mut pair, channel, 1, 100_000);
            pair.run_until("another message arrived", |pair| {
                pair.ends[B].messages().len() * 2 >= count
            });
            assert!(pair.now - last < Duration::from_secs(2));
            last = pair.now;
        }
        pair.run_until("all arrived", |pair| pair.ends[B].messages().len() == 80);
        let rate = 80.0 * 100_000.0 * 8.0 / (pair.now - start).as_secs_f64() / 1e6;
        assert!(rate > 10.0, "{rate} of 20 Mbit/s");
        assert!(pair.dropped < 30, "{} lost", pair.dropped);
    }
}

#[test]
fn a_rough_path_slows_a_long_transfer_and_no_more() {
    let rough = Conditions {
        loss: 2,
        duplication: 2,
        delay: 20,
        jitter: 20,
    };
    let (mut pair, channel) = ready(rough);
    pair.ends[B].behaviour = Behaviour::Echo;
    pour(&mut pair, channel, 40, 256 * 1024);
    pair.run_until("all are back", |pair| pair.ends[A].messages().len() == 40);
    for message in pair.ends[A].messages() {
        assert!(message.2.iter().all(|&byte| byte == 7));
    }
}

#[test]
fn what_was_received_before_the_abort_is_delivered_even_when_congested() {
    let (mut pair, channel) = ready(PERFECT);
    pair.ends[B].behaviour = Behaviour::Ignore;
    for _ in 0..30 {
        pair.send(A, channel, &Bytes::from(vec![7; 10_000]));
    }
    pair.run_until("all is acknowledged", |pair| {
        pair.ends[A].sctp.buffered() == 0
    });
    let now = pair.now;
    pair.ends[A].sctp.close(now);
    pair.run_out();
    pair.ends[B].behaviour = Behaviour::Collect;
    pair.run_out();
    assert_eq!(pair.ends[B].messages().len(), 30);
    assert!(matches!(
        pair.ends[B].events.last(),
        Some(SctpEvent::Closed { .. })
    ));
}

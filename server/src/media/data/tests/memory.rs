//! What all associations of a shard hold together: counted, given back, and at its limit the calls go on.

use super::link::{A, B, Behaviour, PERFECT, Pair, config};
use super::raw::{BEGIN, Raw, WHOLE, data};
use crate::media::data::{ChannelOptions, INITIAL_WINDOW, RECEIVE_WINDOW, Sctp, SctpEvent, packet};
use crate::media::net::budget::{Budget, Holding};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// A pair whose second end counts in `budget`.
fn pair(budget: &Arc<Budget>) -> Pair {
    let mut pair = Pair::new(1, PERFECT);
    pair.ends[B].sctp = Sctp::within(pair.now, config(false), budget);
    pair
}

fn connect(pair: &mut Pair) {
    pair.run_until("both are connected", |pair| {
        pair.ends.iter().all(super::link::End::is_connected)
    });
}

fn used_up(budget: &Arc<Budget>) -> Holding {
    let mut holding = Holding::new(budget);
    holding.set(usize::MAX / 2);
    holding
}

#[test]
fn what_is_received_and_what_is_sent_counts_until_it_is_gone() {
    let budget = Budget::new(100 << 20);
    let mut pair = pair(&budget);
    connect(&mut pair);
    pair.ends[B].behaviour = Behaviour::Ignore;
    let channel = pair.open(A, ChannelOptions::default());
    let data = Bytes::from(vec![7; 100_000]);
    pair.send(A, channel, &data);
    pair.run_out();
    assert!(
        (100_000..200_000).contains(&budget.used()),
        "{}",
        budget.used()
    );
    pair.ends[B].behaviour = Behaviour::Echo;
    pair.conditions.loss = 100;
    pair.run_for(Duration::from_secs(1));
    assert!(pair.ends[B].sctp.buffered() >= 100_000);
    assert!(budget.used() >= 100_000, "{}", budget.used());
    pair.conditions.loss = 0;
    pair.run_until("it is back", |pair| !pair.ends[A].messages().is_empty());
    pair.run_out();
    assert_eq!(budget.used(), 0);
}

#[test]
fn what_a_peer_that_goes_held_is_given_back() {
    let budget = Budget::new(100 << 20);
    let mut raw = Raw::connected(1);
    raw.sctp.move_to(&budget);
    raw.say(packet::DATA, BEGIN, &data(1, 5, 0, &[1; 1000]));
    assert!(budget.used() >= 1000);
    drop(raw);
    assert_eq!(budget.used(), 0);
}

/// How much a peer can make this end hold by sending without end, after it has shown that it makes use of a window.
fn held(raw: &mut Raw, budget: &Arc<Budget>) -> usize {
    for index in 0..10_000 {
        raw.say(
            packet::DATA,
            WHOLE,
            &data(1 + index, 5, index as u16, &[1; 1000]),
        );
        raw.events();
    }
    let before = budget.used();
    for index in 10_000..20_000 {
        raw.say(
            packet::DATA,
            WHOLE,
            &data(1 + index, 5, index as u16, &[1; 1000]),
        );
    }
    budget.used() - before
}

#[test]
fn a_peer_that_sends_much_may_have_a_big_window_and_a_small_one_where_memory_is_scarce() {
    let budget = Budget::new(usize::MAX / 4);
    let mut raw = Raw::connected(1);
    raw.sctp.move_to(&budget);
    let plenty = held(&mut raw, &budget);
    assert!(plenty > RECEIVE_WINDOW as usize, "{plenty}");
    let mut raw = Raw::connected(1);
    raw.sctp.move_to(&budget);
    let _others = used_up(&budget);
    let scarce = held(&mut raw, &budget);
    assert!(scarce < 2 * INITIAL_WINDOW, "{scarce}");
    assert!(scarce > INITIAL_WINDOW, "{scarce}");
}

#[test]
fn many_peers_hold_the_budget_and_their_least_share_and_no_more() {
    let budget = Budget::new(8 << 20);
    let mut peers: Vec<Raw> = (0..20).map(|_| Raw::connected(1)).collect();
    for raw in &mut peers {
        raw.sctp.move_to(&budget);
    }
    for raw in &mut peers {
        held(raw, &budget);
    }
    let least = 20 * 2 * INITIAL_WINDOW;
    assert!(budget.used() <= (8 << 20) + least, "{}", budget.used());
}

/// Sends as [`Raw`] does messages of `length` without end, all of which are answered, and acknowledges none.
fn never_acknowledges(raw: &mut Raw, length: usize) {
    let payload = vec![1; length];
    for index in 0..10_000 {
        let value = data(1 + index, 5, index as u16, &payload);
        raw.say(packet::DATA, WHOLE, &value);
        for event in raw.events() {
            if let SctpEvent::Message {
                channel,
                kind,
                data,
            } = event
            {
                let answered = raw.sctp.send(raw.now, channel, kind, data);
                assert_eq!(answered, Ok(()), "an answer is never refused");
            }
        }
    }
}

#[test]
fn many_who_never_acknowledge_hold_the_budget_and_their_least_share_and_others_go_on() {
    for length in [1000, 1] {
        let limit = 8 << 20;
        let budget = Budget::new(limit);
        let mut pair = pair(&budget);
        connect(&mut pair);
        let mut peers: Vec<Raw> = (0..20).map(|_| Raw::connected(1)).collect();
        for raw in &mut peers {
            raw.sctp.move_to(&budget);
            never_acknowledges(raw, length);
        }
        let used = budget.used();
        assert!(used >= limit, "they have not used it up: {used}");
        let least = 20 * 2 * INITIAL_WINDOW;
        assert!(used <= limit + least, "{used} for {length}");
        pair.ends[B].behaviour = Behaviour::Echo;
        let channel = pair.open(A, ChannelOptions::default());
        for length in [100, 1000, 256 * 1024] {
            pair.send(A, channel, &Bytes::from(vec![7; length]));
        }
        pair.run_until("all are back", |pair| pair.ends[A].messages().len() == 3);
    }
}

#[test]
fn a_call_goes_on_where_memory_is_scarce() {
    let budget = Budget::new(1 << 20);
    let mut pair = pair(&budget);
    connect(&mut pair);
    let _others = used_up(&budget);
    pair.ends[B].behaviour = Behaviour::Echo;
    let channel = pair.open(A, ChannelOptions::default());
    for length in [100, 1000, 256 * 1024] {
        for _ in 0..10 {
            pair.send(A, channel, &Bytes::from(vec![7; length]));
        }
    }
    let start = pair.now;
    pair.run_until("all are back", |pair| pair.ends[A].messages().len() == 30);
    assert!(
        pair.now - start < Duration::from_secs(20),
        "{:?}",
        pair.now - start
    );
}

/// Loses the first of `count` ordered messages of one byte, has memory become scarce after `plenty` of the others, and
/// sends again what is not acknowledged. Returns how many arrive.
fn arrived_behind_a_gap(count: u32, plenty: u32) -> usize {
    let budget = Budget::new(1 << 20);
    let mut raw = Raw::connected(1);
    raw.sctp.move_to(&budget);
    let mut others = None;
    let (mut first, mut arrived) = (2, 0);
    for _ in 0..10 {
        for tsn in first..=count {
            if tsn > plenty {
                others.get_or_insert_with(|| used_up(&budget));
            }
            let value = data(tsn, 5, (tsn - 1) as u16, &[1]);
            raw.say(packet::DATA, WHOLE, &value);
            let is_message = |event: &SctpEvent| matches!(event, SctpEvent::Message { .. });
            arrived += raw.events().iter().filter(|it| is_message(it)).count();
        }
        first = raw.acknowledged() + 1;
    }
    arrived
}

#[test]
fn a_gap_is_closed_where_memory_is_scarce_however_much_is_held_behind_it() {
    assert_eq!(arrived_behind_a_gap(1101, 0), 1101);
    assert_eq!(arrived_behind_a_gap(6001, 6000), 6001);
}

#[test]
fn a_newcomer_waits_until_there_is_memory() {
    let budget = Budget::new(1 << 20);
    let mut pair = pair(&budget);
    let others = used_up(&budget);
    pair.run_for(Duration::from_secs(5));
    assert!(!pair.ends[B].is_connected());
    drop(others);
    connect(&mut pair);
}

#[test]
fn an_end_that_is_to_initiate_waits_for_memory_too() {
    let budget = Budget::new(1 << 20);
    let others = used_up(&budget);
    let mut pair = Pair::with(1, PERFECT, [config(false), config(true)]);
    pair.ends[B].sctp = Sctp::within(pair.now, config(true), &budget);
    pair.run_for(Duration::from_millis(1200));
    assert!(!pair.ends[B].is_connected());
    drop(others);
    connect(&mut pair);
}

#[test]
fn the_window_told_first_is_the_small_one_and_grows_with_use() {
    let mut raw = Raw::connected(1);
    let mut told = Vec::new();
    for index in 0..6000 {
        let value = data(1 + index, 5, index as u16, &[1; 1000]);
        for (kind, value) in raw.say(packet::DATA, WHOLE, &value) {
            if kind == packet::SACK {
                told.push(packet::u32_at(&value, 4).expect("a window") as usize);
            }
        }
        assert!(
            raw.events()
                .iter()
                .all(|event| !matches!(event, SctpEvent::Closed { .. }))
        );
    }
    assert!((INITIAL_WINDOW - 2000..INITIAL_WINDOW).contains(&told[0]));
    let full = RECEIVE_WINDOW as usize;
    assert!(told.last().is_some_and(|last| *last >= full - 2000));
}

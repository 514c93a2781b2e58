//! The two ends connect, over every kind of link.

use std::time::Duration;

use crate::harness::{Conditions, World, browser, seed};

const MINUTE: Duration = Duration::from_secs(60);

/// Connects a browser over a link, and says how long that took. The data channel may take longer:
/// the far end repeats a lost packet of SCTP's handshake after 3, 6, 12, … seconds.
#[track_caller]
fn connects_over(own_seed: u64, conditions: Conditions, limit: Duration) -> Duration {
    let mut world = World::browser(seed(own_seed), browser::config());
    world.link.set(conditions);
    world.call();
    let took = world.run_until(limit, "connected", |world| world.is_connected());
    world.run_until(10 * MINUTE, "a channel", |world| {
        world.far.channel("chat").is_some()
    });
    took
}

#[test]
fn over_a_perfect_link_in_a_few_round_trips() {
    let took = connects_over(1, Conditions::PERFECT, Duration::from_secs(1));
    assert!(took < Duration::from_millis(600), "{took:?}");
}

#[test]
fn over_a_link_that_loses_5_percent() {
    for own_seed in 0..20 {
        connects_over(own_seed, Conditions::lossy(0.05), Duration::from_secs(15));
    }
}

#[test]
fn over_a_link_that_loses_20_percent() {
    for own_seed in 0..20 {
        connects_over(own_seed, Conditions::lossy(0.2), Duration::from_secs(30));
    }
}

#[test]
fn over_a_link_that_reorders() {
    for own_seed in 0..20 {
        connects_over(own_seed, Conditions::reordering(), Duration::from_secs(5));
    }
}

#[test]
fn over_a_link_that_duplicates() {
    for own_seed in 0..20 {
        connects_over(own_seed, Conditions::duplicating(), Duration::from_secs(5));
    }
}

#[test]
fn over_a_link_that_takes_longer_than_every_timer() {
    let slow = Conditions {
        delay: Duration::from_millis(1300),
        ..Conditions::PERFECT
    };
    connects_over(1, slow, Duration::from_secs(20));
}

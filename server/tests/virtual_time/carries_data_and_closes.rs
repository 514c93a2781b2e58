//! Messages come back over bad links, and either end can close.

use std::sync::Arc;
use std::time::Duration;

use ferrite_protocol::Pressure;
use ferrite_server::media::Plan;
use ferrite_server::media::net::budget::Budget;
use ferrite_server::media::plan::Revision;
use ferrite_server::media::transport::dtls::DtlsState;

use crate::harness::offer::Section;
use crate::harness::{Conditions, World, browser, seed};

const MINUTE: Duration = Duration::from_secs(60);

fn messages_come_back_over(own_seed: u64, conditions: Conditions) {
    let mut world = World::browser(seed(own_seed), browser::config());
    world.link.set(conditions);
    world.call();
    world.run_until(10 * MINUTE, "a channel", |world| {
        world.far.channel("chat").is_some()
    });
    let channel = world.far.channel("chat").unwrap();
    let sent: Vec<(bool, Vec<u8>)> = [1usize, 1000, 60_000]
        .into_iter()
        .flat_map(|size| [(true, vec![b'b'; size]), (false, vec![b't'; size])])
        .collect();
    for (at, (binary, data)) in sent.iter().enumerate() {
        assert!(world.far.send(world.now, channel, *binary, data));
        world.run_until(10 * MINUTE, "the message", |world| {
            world.far.messages.len() > at
        });
    }
    let back = world.far.messages.iter();
    let back: Vec<_> = back.map(|m| (m.binary, m.data.clone())).collect();
    assert!(back == sent, "seed {}", world.seed);
}

#[test]
fn messages_come_back_over_a_perfect_link() {
    messages_come_back_over(1, Conditions::PERFECT);
}

#[test]
fn messages_come_back_over_links_that_lose_reorder_and_duplicate() {
    for own_seed in 0..5 {
        messages_come_back_over(own_seed, Conditions::lossy(0.05));
        messages_come_back_over(own_seed, Conditions::reordering());
        messages_come_back_over(own_seed, Conditions::duplicating());
    }
}

#[test]
fn in_a_room_nothing_comes_back_and_a_plan_that_was_overtaken_changes_nothing() {
    let mut world = World::browser(seed(7), browser::config());
    world.call();
    world.run_until(MINUTE, "a channel", |world| {
        world.far.channel("chat").is_some()
    });
    let channel = world.far.channel("chat").unwrap();
    let room = Arc::new(Plan::Room {
        publishes: Vec::new(),
        shows: Vec::new(),
        talk: None,
        pressure: Pressure::default(),
    });
    for (number, plan, comes_back) in [
        (2, room.clone(), false),
        (1, Arc::default(), false),
        (3, Arc::default(), true),
        (2, room, true),
    ] {
        let plan = Revision { number, plan };
        world.server.resident.set_plan(plan);
        let before = (world.far.messages.len(), world.server.given_out);
        assert!(world.far.send(world.now, channel, true, b"hello"));
        world.run_for(Duration::from_secs(5));
        assert_eq!(world.server.given_out, before.1 + 1, "it came");
        assert_eq!(world.far.messages.len(), before.0 + usize::from(comes_back));
    }
}

// Received and not read, or sent back and not acknowledged: all the same to who has the memory.
#[test]
fn what_a_peer_makes_the_server_hold_counts_in_its_shards_budget() {
    let mut world = World::browser(seed(1), browser::config());
    let budget = Budget::new(1 << 20);
    world.call();
    world.run_until(MINUTE, "a channel", |world| {
        world.far.channel("chat").is_some()
    });
    world.server.resident.peer.move_to(&budget);
    let channel = world.far.channel("chat").unwrap();
    assert!(world.far.send(world.now, channel, true, &[7; 60_000]));
    world.run_until(MINUTE, "most of the message at the server", |_| {
        budget.used() >= 50_000
    });
    world.run_until(MINUTE, "the message", |world| {
        !world.far.messages.is_empty()
    });
    world.run_until(MINUTE, "its acknowledgement", |_| budget.used() == 0);
}

#[test]
fn the_server_closes_and_the_other_end_notices() {
    let mut world = World::bare(seed(1));
    world.connect_bare(&[Section::Data { mid: "0" }]);
    world.server.close(world.now);
    world.run_until(MINUTE, "closed", |world| world.far.closed);
    assert_eq!(world.server_dtls(), DtlsState::Closed);
    let timeout = world.server.resident.peer.poll_timeout();
    assert_eq!(timeout, None, "nothing is left to do");
}

#[test]
fn the_other_end_closes_and_the_server_notices() {
    let mut world = World::bare(seed(1));
    world.connect_bare(&[Section::Data { mid: "0" }]);
    world.far.close(world.now);
    world.run_until(MINUTE, "finished", |world| world.server.finished);
    assert_eq!(world.server_dtls(), DtlsState::Closed);
}

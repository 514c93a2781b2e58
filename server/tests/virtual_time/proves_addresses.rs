//! Whoever writes another's address into a check as its source gains little by it: before the other
//! end answered a check of ours, no more is sent there than three times what came from there.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use ferrite_server::media::transport::ice::{
    CONSENT_EXPIRES_AFTER, IceState, MAX_AMPLIFICATION, MAX_CHECKS,
};

use crate::harness::bare::packet;
use crate::harness::offer::{OPUS, Section, VP8};
use crate::harness::{Bare, Browser, World, address, browser, seed};

const SECOND: Duration = Duration::from_secs(1);

const SECTIONS: [Section; 3] = [
    Section::Audio {
        mid: "0",
        direction: "sendrecv",
    },
    Section::Video {
        mid: "1",
        direction: "sendrecv",
        ssrcs: Some((22, 23)),
    },
    Section::Data { mid: "2" },
];

/// The stranger's address, from which nothing of its own ever comes.
const STRANGER: &str = "203.0.113.77:7777";

/// What went to and came from each address.
fn bytes(world: &World<Bare>, at: SocketAddr) -> (u64, u64) {
    let of = |counts: &HashMap<SocketAddr, u64>| counts.get(&at).copied().unwrap_or(0);
    (of(&world.link.bytes_to), of(&world.link.bytes_from))
}

#[track_caller]
fn assert_bounded(world: &World<Bare>, at: &str) {
    let (to, from) = bytes(world, address(at));
    assert!(to <= MAX_AMPLIFICATION * from, "{to} for {from}");
}

fn nominate_from(world: &mut World<Bare>, from: &str) {
    let mut check = world.far.usual_check();
    check.nominate = true;
    world.far.check(address(from), &check);
}

/// Sends sound and pictures, which come back, for so long.
fn sends(world: &mut World<Bare>, first: u16, span: Duration) {
    let packets = u16::try_from(span.as_millis() / 2).unwrap();
    for n in first..first + packets {
        let mut payload = [7; 1000];
        payload[..4].copy_from_slice(&[0x10, u8::from(n % 100 > 0), 0, 0]);
        world
            .far
            .send_rtp(&packet(VP8, 22, n, 90 * u32::from(n), "1", &payload));
        if n % 10 == 0 {
            let sound = packet(OPUS, 21, n / 10, 96 * u32::from(n), "0", &[1; 80]);
            world.far.send_rtp(&sound);
        }
        world.run_for(SECOND / 500);
    }
}

fn calls(own_seed: u64) -> World<Bare> {
    let mut world = World::bare(seed(own_seed));
    world.far.not_there.push(address(STRANGER));
    world.connect_bare(&SECTIONS);
    world
}

#[test]
fn a_forged_source_gets_at_most_three_times_what_came_from_it() {
    let mut world = calls(1);
    sends(&mut world, 1, SECOND);
    let (here, _) = bytes(&world, world.far.address);
    nominate_from(&mut world, STRANGER);
    sends(&mut world, 501, 5 * SECOND);
    assert_bounded(&world, STRANGER);
    // And it has stolen nothing: what is sent comes back as before.
    let (now, _) = bytes(&world, world.far.address);
    assert!(now - here > 2_500_000, "{}", now - here);
    assert_eq!(
        world.server.resident.peer.selected_path().unwrap().remote,
        world.far.address
    );
}

/// One that answers no check has no path that is proven, so that the newest nominated is in use.
#[test]
fn a_forged_source_gets_no_more_from_one_that_answers_no_check() {
    let mut world = World::bare(seed(10));
    world.far.answering = false;
    world.connect_bare(&SECTIONS);
    sends(&mut world, 1, SECOND);
    for round in 0..5 {
        nominate_from(&mut world, STRANGER);
        sends(&mut world, 501 + 500 * round, SECOND);
        assert_bounded(&world, STRANGER);
    }
}

/// Where we begin the handshake, one check is all that it takes.
#[test]
fn a_forged_source_gets_no_handshake() {
    for setup in ["actpass", "passive"] {
        let mut world = World::bare(seed(11));
        world.far.fall_silent();
        let offer = world.bare_offer(setup, &SECTIONS);
        world.exchange(&offer).unwrap();
        nominate_from(&mut world, STRANGER);
        world.run_for(60 * SECOND);
        let (to, _) = bytes(&world, address(STRANGER));
        assert!(to > 0);
        assert_bounded(&world, STRANGER);
    }
}

#[test]
fn who_never_showed_where_it_is_gets_at_most_three_times_what_it_sent() {
    let mut world = World::bare(seed(2));
    world.far.answering = false;
    world.connect_bare(&SECTIONS);
    sends(&mut world, 1, 2 * SECOND);
    // An echo is no more than what was sent: nothing of it is missing.
    assert!(world.far.rtp.len() >= 1000, "{}", world.far.rtp.len());
    let here = world.far.address.to_string();
    assert_bounded(&world, &here);
    let answered = world.far.checked.len();
    assert!(answered > 0, "it was never asked");
}

/// One who only receives never sends the media that would bring it back.
#[test]
fn who_only_receives_is_not_stolen() {
    let mut world = World::bare(seed(3));
    world.far.not_there.push(address(STRANGER));
    world.connect_bare(&SECTIONS);
    world.far.interval = None;
    for _ in 0..20 {
        // Somebody on its way says a check of its again, from elsewhere.
        nominate_from(&mut world, STRANGER);
        world.run_for(SECOND);
        let selected = world.server.resident.peer.selected_path().unwrap().remote;
        assert_eq!(selected, world.far.address);
        assert_bounded(&world, STRANGER);
    }
}

#[test]
fn nothing_of_a_call_waits_for_the_proof() {
    for answering in [true, false] {
        for setup in ["active", "actpass", "passive"] {
            let mut world = World::bare(seed(4));
            world.far.answering = answering;
            let offer = world.bare_offer(setup, &SECTIONS);
            world.exchange(&offer).unwrap();
            let took = world.run_until(5 * SECOND, "connected", |world| {
                world.server.is_connected() && world.far.srtp.is_some()
            });
            // A round trip is 40 ms. Who begins has done so with the answer to the first check; else there is one for
            // the check, and one for the cookie.
            let round_trips = if setup == "active" { 4 } else { 3 };
            let limit = round_trips * 40 + 20;
            let what = format!("{took:?}: {setup}, {answering}");
            assert!(took <= Duration::from_millis(limit), "{what}");
            let here = world.far.address.to_string();
            if !answering {
                assert_bounded(&world, &here);
            }
        }
    }
}

/// A check of ours that finds no room beside the handshake's first flight goes with the next thing that comes.
#[test]
fn beside_a_handshake_that_begins_here_the_path_is_soon_proven() {
    let mut world = World::bare(seed(12));
    let offer = world.bare_offer("actpass", &SECTIONS);
    world.exchange(&offer).unwrap();
    let took = world.run_until(5 * SECOND, "asked", |world| !world.far.checked.is_empty());
    // One round trip of 40 ms for our first flight, another for our check.
    assert!(took <= Duration::from_millis(120), "{took:?}");
}

#[test]
fn a_browser_that_calls_is_connected_in_as_many_round_trips_as_ever() {
    let mut world: World<Browser> = World::browser(seed(5), browser::config());
    world.call();
    let took = world.run_until(5 * SECOND, "connected", |world| world.is_connected());
    assert!(took <= Duration::from_millis(220), "{took:?}");
}

#[test]
fn our_checks_of_one_place_are_few_and_end() {
    let mut world = calls(6);
    nominate_from(&mut world, STRANGER);
    world.run_for(60 * SECOND);
    let asked = |world: &World<Bare>| {
        let there = |(_, at): &&(_, SocketAddr)| *at == address(STRANGER);
        world.far.checked.iter().filter(there).count()
    };
    assert!(asked(&world) > 1, "{}", asked(&world));
    assert!(asked(&world) <= MAX_CHECKS as usize, "{}", asked(&world));
    assert_bounded(&world, STRANGER);
}

#[test]
fn an_answer_that_is_no_answer_proves_nothing() {
    let mut world = calls(7);
    // The stranger answers without the password, and somebody elsewhere with it.
    nominate_from(&mut world, STRANGER);
    world.run_for(SECOND / 10);
    for from in [STRANGER, "203.0.113.78:1"] {
        for transaction in 0..4_u8 {
            let forged = forged_answer(transaction);
            world.far.send_from(address(from), forged);
        }
    }
    world.run_for(SECOND);
    assert_eq!(
        world.server.resident.peer.selected_path().unwrap().remote,
        world.far.address
    );
}

/// A success response to a transaction that somebody guessed.
fn forged_answer(transaction: u8) -> Vec<u8> {
    let mut answer = vec![1, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42];
    answer.extend([transaction; 12]);
    answer
}

/// RFC 7675 §5.1: consent is given by answers. One that answers our checks gives it, even if it
/// sends none.
#[test]
fn who_answers_our_checks_consents() {
    let mut world = calls(8);
    world.far.interval = None;
    world.run_for(120 * SECOND);
    assert_eq!(world.server.resident.peer.state().ice, IceState::Connected);
    let states = world.server.states.iter();
    assert!(
        !states
            .clone()
            .any(|(_, state)| state.ice == IceState::Disconnected)
    );
    sends(&mut world, 1, SECOND);
    world.run_for(SECOND);
    assert_eq!(world.far.rtp.len(), 500 + 50);
}

/// One that neither checks nor answers, but sends, is alive.
#[test]
fn who_only_sends_is_alive() {
    let mut world = World::bare(seed(9));
    world.connect_bare(&SECTIONS);
    world.far.fall_silent();
    for n in 0..2000_u16 {
        let sound = packet(OPUS, 21, n, 960 * u32::from(n), "0", &[1; 80]);
        world.far.send_rtp(&sound);
        world.run_for(SECOND / 50);
    }
    assert!(world.elapsed() > CONSENT_EXPIRES_AFTER);
    assert_eq!(world.server.resident.peer.state().ice, IceState::Connected);
    assert!(world.far.rtp.len() >= 38 * 50, "{}", world.far.rtp.len());
}

//! Peers go from shard to shard while everything between the shards goes wrong that can: none is lost,
//! none is there twice, and nothing is left of them once they are gone.

use std::time::{Duration, Instant};

use ferrite_server::behaviour::Echo;
use ferrite_server::media::id::PeerId;
use ferrite_server::media::rtp::packet::MediaPacket;
use ferrite_server::media::{Behaviour, Peer, PeerOutput};
use rand::Rng;

use crate::harness::seeds;
use crate::harness::shards::{SomeShards, Trouble};

const SECOND: Duration = Duration::from_secs(1);

/// From this packet on [`Fragile`] panics.
const LAST: u16 = 100;

/// An echo that panics after some packets.
struct Fragile(Echo);

impl Behaviour for Fragile {
    fn tap(&mut self, _: Instant, media: &MediaPacket) {
        assert!(media.header.sequence < LAST, "on purpose");
    }

    fn handle(&mut self, now: Instant, peer: &mut Peer, output: PeerOutput) {
        self.0.handle(now, peer, output);
    }
}

fn at_first() -> Trouble {
    Trouble {
        full: 0.3,
        lost: 0.1,
        slow: Duration::from_millis(80),
    }
}

/// How callers are reached: all over UDP, or every second over TCP.
#[derive(Clone, Copy)]
enum Reached {
    OverUdp,
    OverTcpToo,
}

/// Calls, and troubles for so long: callers get other addresses and negotiate again.
fn troubled(
    seed: u64,
    callers: usize,
    fragile: usize,
    reached: Reached,
    span: Duration,
) -> SomeShards {
    let mut world = SomeShards::new(seed);
    world.set_trouble(at_first());
    for number in 0..callers {
        let behaviour: Box<dyn Behaviour> = match number < fragile {
            true => Box::new(Fragile(Echo)),
            false => Box::new(Echo),
        };
        match reached {
            Reached::OverTcpToo if number % 2 == 0 => world.call_over_tcp(behaviour),
            Reached::OverTcpToo | Reached::OverUdp => world.call(behaviour),
        };
        world.run_for(Duration::from_millis(100));
    }
    let end = world.now + span;
    while world.now < end {
        let caller = world.rng.random_range(0..callers);
        match world.rng.random_bool(0.5) {
            true => world.change_address(caller),
            false => world.negotiate(caller),
        }
        let pause = world.rng.random_range(1..700);
        world.run_for(Duration::from_millis(pause));
    }
    world
}

/// Nothing goes wrong any more, and everybody's packets come back: all of them.
fn everybody_is_served(world: &mut SomeShards, dead: &[PeerId]) {
    world.set_trouble(Trouble::NONE);
    // Checks find everybody's path.
    world.run_for(8 * SECOND);
    world.set_sending(false);
    world.run_for(SECOND);
    let before: Vec<_> = (world.callers.iter())
        .map(|caller| (caller.sent, caller.far.rtp.len()))
        .collect();
    world.set_sending(true);
    world.run_for(SECOND);
    world.set_sending(false);
    world.run_for(SECOND);
    for (caller, (sent, came)) in world.callers.iter().zip(before) {
        let (sent, came) = (caller.sent - sent, caller.far.rtp.len() - came);
        match dead.contains(&caller.id) {
            true => assert_eq!(came, 0, "{:?} is dead", caller.id),
            false => assert_eq!((sent >= 40, came), (true, sent), "{:?}", caller.id),
        }
    }
}

fn nothing_is_left(world: &mut SomeShards) {
    world
        .callers
        .iter_mut()
        .for_each(|caller| caller.far.interval = None);
    world.run_for(35 * SECOND);
    assert!(
        world.directory.is_empty(),
        "{} peers",
        world.directory.len()
    );
    assert_eq!(world.directory.gauges().ufrags, 0);
    assert_eq!(world.held(), [0; 3], "peers, paths, timers");
    assert_eq!(world.waiting(), 0);
    let mut ended = world.ended();
    ended.sort_unstable_by_key(|id| id.0);
    let callers: Vec<_> = world.callers.iter().map(|caller| caller.id).collect();
    assert_eq!(ended, callers, "each ends once");
}

#[test]
fn no_peer_is_lost_or_doubled_on_its_way_between_shards() {
    for seed in seeds(8) {
        let mut world = troubled(seed, 6, 0, Reached::OverUdp, 12 * SECOND);
        everybody_is_served(&mut world, &[]);
        assert_eq!((world.held()[0], world.directory.len()), (6, 6));
        assert_eq!(world.ended(), []);
        assert!(world.moves >= 5, "{} moves", world.moves);
        // In every way that a call can end, and in trouble again.
        world.set_trouble(at_first());
        for caller in 0..6 {
            match caller % 2 {
                0 => world.close(caller),
                _ => world.desert(caller),
            }
            world.change_address(caller);
        }
        nothing_is_left(&mut world);
    }
}

#[test]
fn a_panic_costs_its_peer_wherever_it_is() {
    for seed in seeds(8) {
        let mut world = troubled(seed, 6, 2, Reached::OverTcpToo, 8 * SECOND);
        let dead = [PeerId(1), PeerId(2)];
        everybody_is_served(&mut world, &dead);
        let mut ended = world.ended();
        ended.sort_unstable_by_key(|id| id.0);
        assert_eq!(ended, dead);
        assert_eq!((world.held()[0], world.directory.len()), (4, 4));
        for caller in 2..6 {
            world.close(caller);
        }
        nothing_is_left(&mut world);
    }
}

/// A connection stays with the shard that accepted it; its peer need not.
#[test]
fn who_is_reached_over_tcp_is_served_wherever_the_connection_is() {
    let mut relayed = 0;
    for seed in seeds(8) {
        let mut world = troubled(seed, 6, 0, Reached::OverTcpToo, 12 * SECOND);
        everybody_is_served(&mut world, &[]);
        assert_eq!((world.held()[0], world.directory.len()), (6, 6));
        assert_eq!(world.ended(), []);
        relayed += world.relayed;
        (0..6).for_each(|caller| world.close(caller));
        nothing_is_left(&mut world);
    }
    assert!(relayed > 0, "no peer was ever away from its connection");
}

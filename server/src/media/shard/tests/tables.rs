//! What a core's tables hold goes when its reason goes.

use ferrite_protocol::diagnosis::{DtlsEvidence, IceEvidence, PathState};

use super::bench::{Bench, SECOND, check, path};
use crate::behaviour::Echo;
use crate::media::IceConnectionState;
use crate::media::event::PeerEvent;
use crate::media::id::PeerId;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::shard::command::Command;
use crate::media::shard::paths::{ELSEWHERE_FOR, MAX_ELSEWHERE, MAX_PATHS, Owner};
use crate::media::transport::dtls::HANDSHAKE_TIMEOUT;
use crate::media::transport::ice::{CONSENT_EXPIRES_AFTER, RESTART_WITHIN};
use std::sync::Arc;

#[test]
fn a_peer_that_checks_from_everywhere_has_few_paths_and_leaves_none() {
    let mut bench = Bench::new();
    let (id, ufrag) = bench.call();
    for number in 0..1000 {
        bench.check(&ufrag, number);
        assert!(bench.core.paths.len() <= MAX_PATHS, "{number}");
    }
    let key = bench.core.peers.key(id).unwrap();
    let here = (bench.core.paths.owners()).filter(|owner| **owner == Owner::Here(key));
    assert_eq!(here.count(), bench.core.paths.len());
    bench.out.deserted.insert(id);
    bench.run_for(2 * SECOND);
    assert!(bench.core.paths.len() == 0 && bench.directory.is_empty());
}

#[test]
fn paths_of_other_shards_peers_are_bounded_and_forgotten() {
    let mut bench = Bench::new();
    let (_resident, ufrag) = bench.call_on(1, Box::new(Echo));
    let datagram = check(&ufrag);
    for number in 0..MAX_ELSEWHERE as u32 + 1000 {
        bench.receive(number, &datagram);
    }
    assert_eq!(bench.core.paths.len(), MAX_ELSEWHERE);
    bench.run_for(ELSEWHERE_FOR + 2 * SECOND);
    assert_eq!(bench.core.paths.len(), 0);
}

#[test]
fn of_connections_that_other_shards_have_a_number_is_remembered_for_a_time() {
    let mut bench = Bench::new();
    let (id, _) = bench.call();
    let wrong = check("ours1x");
    bench.directory.register("ours1x", id);
    for number in 0..MAX_ELSEWHERE as u32 + 1000 {
        bench.command(Command::Landed {
            on: 1,
            path: FourTuple {
                transport: Transport::Tcp,
                ..path(number)
            },
            datagram: wrong.clone(),
        });
    }
    assert_eq!(bench.core.paths.len(), MAX_ELSEWHERE);
    bench.run_for(ELSEWHERE_FOR + 2 * SECOND);
    assert_eq!(bench.core.paths.len(), 0);
}

#[test]
fn a_check_for_another_shards_peer_does_not_take_a_path_from_one_of_this_shard() {
    let mut bench = Bench::new();
    let (id, ufrag) = bench.call();
    bench.check(&ufrag, 7);
    let (_resident, other) = bench.call_on(1, Box::new(Echo));
    bench.check(&other, 7);
    let key = bench.core.peers.key(id).unwrap();
    assert_eq!(bench.core.paths.owner(&path(7)), Some(Owner::Here(key)));
}

#[test]
fn peers_that_come_and_go_leave_no_timers() {
    let mut bench = Bench::new();
    for _ in 0..2000 {
        let (id, ufrag) = bench.call();
        bench.check(&ufrag, 7);
        bench.command(Command::Close { id });
    }
    assert!(bench.directory.is_empty());
    bench.run_for(2 * SECOND);
    let timers = bench.core.timers.len();
    assert!(timers < 10, "{timers}");
}

#[test]
fn a_peer_whose_shard_forgot_it_on_its_way_there_is_not_taken_in() {
    let mut bench = Bench::new();
    let (resident, _) = bench.call_on(0, Box::new(Echo));
    bench.core.start_over(&mut bench.out);
    assert!(
        bench.out.ended.contains(&resident.id),
        "its session is not told"
    );
    let paths = vec![path(7)];
    bench.command(Command::Adopt { resident, paths });
    assert!(bench.core.peers.len() == 0 && bench.core.paths.len() == 0);
}

#[test]
fn a_peer_that_is_never_heard_of_is_removed_once_it_could_have_restarted() {
    let mut bench = Bench::new();
    let (id, _) = bench.call_only();
    bench.run_for(CONSENT_EXPIRES_AFTER + RESTART_WITHIN - 2 * SECOND);
    assert_eq!(bench.directory.len(), 1);
    let last = bench.out.told(id).pop();
    assert_eq!(last.map(|(ice, _)| ice), Some(IceConnectionState::Failed));
    bench.run_for(5 * SECOND);
    assert_eq!(bench.directory.len(), 0);
    assert!(bench.out.ended.contains(&id), "its session is not told");
}

#[test]
fn a_peer_that_waits_is_claimed_by_its_first_check_and_by_nobody_else() {
    let mut bench = Bench::new();
    let (id, ufrag) = bench.call_only();
    bench.run_for(5 * SECOND);
    assert_eq!(
        (bench.core.peers.len(), bench.directory.shard_of(id)),
        (0, None)
    );
    bench.check(&ufrag, 7);
    assert_eq!(
        (bench.core.peers.len(), bench.directory.shard_of(id)),
        (1, Some(0))
    );
    assert_eq!(bench.out.sent.len(), 1);
    let (other, _) = bench.call_only();
    assert!(bench.directory.remove_waiting(id).is_none());
    assert!(bench.directory.remove_waiting(other).is_some());
    assert_eq!(
        (bench.directory.len(), bench.directory.gauges().ufrags),
        (1, 1)
    );
}

#[test]
fn a_peer_that_never_begins_its_handshake_is_removed() {
    let mut bench = Bench::new();
    let (id, ufrag) = bench.call();
    for _ in 0..HANDSHAKE_TIMEOUT.as_secs() - 2 {
        bench.check(&ufrag, 7);
        bench.run_for(SECOND);
    }
    assert_eq!(bench.directory.len(), 1);
    bench.run_for(5 * SECOND);
    assert_eq!(bench.directory.len(), 0);
    assert!(bench.core.peers.len() == 0 && bench.core.paths.len() == 0);
    assert_eq!(bench.core.timers.len(), 0);
    assert!(bench.out.ended.contains(&id), "its session is not told");
}

#[test]
fn a_peer_tells_what_it_saw_when_it_is_asked_and_only_then() {
    let mut bench = Bench::new();
    let (id, ufrag) = bench.call();
    for _ in 0..3 {
        bench.check(&ufrag, 7);
        bench.run_for(SECOND);
    }
    assert_eq!(seen(&mut bench, id), []);
    bench.command(Command::Testify { id });
    let seen = seen(&mut bench, id);
    let [(ice, dtls)] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert_eq!((ice.state, ice.udp.checks), (PathState::Nominated, 3));
    assert!(dtls.received == 0 && dtls.quiet_ms >= 2_000, "{dtls:?}");
}

/// What a peer's session was told of what it saw.
fn seen(bench: &mut Bench, id: PeerId) -> Vec<(IceEvidence, DtlsEvidence)> {
    let told = bench.out.told.remove(&id).unwrap_or_default().into_iter();
    told.filter_map(|event| match event {
        PeerEvent::Evidence(seen) => Some(*seen),
        _ => None,
    })
    .collect()
}

#[test]
fn a_peer_at_home_counts_in_its_shards_budget() {
    let mut bench = Bench::new();
    let counted = |bench: &Bench| Arc::strong_count(bench.core.budget());
    let before = counted(&bench);
    let (_, ufrag) = bench.call();
    bench.check(&ufrag, 1);
    assert_eq!(counted(&bench), before + 1);
}

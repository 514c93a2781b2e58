//! A panic costs the peer in hand, and nobody else; and no lock is held while a peer's code runs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::bench::{Bench, SECOND, check, path};
use crate::media::id::PeerId;
use crate::media::shard::command::Command;
use crate::media::shard::directory::Directory;
use crate::media::transport::ice::CONSENT_EXPIRES_AFTER;
use crate::media::{Behaviour, IceConnectionState, Peer, PeerOutput};

/// Stands for a bug: panics at the first sign of life of its peer, and again as it goes.
struct Broken;

impl Behaviour for Broken {
    fn handle(&mut self, _: Instant, _: &mut Peer, output: PeerOutput) {
        panic!("on purpose, at {output:?}");
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        panic!("on purpose, once more");
    }
}

#[test]
fn of_a_batch_only_the_peer_that_panics_is_lost() {
    let mut bench = Bench::new();
    let (before, first) = bench.call();
    let (broken, second) = bench.call_with(Box::new(Broken));
    let (after, third) = bench.call();
    bench.out.sent.clear();
    let checks = [&first, &second, &third, &second, &first].map(|ufrag| check(ufrag));
    let numbers = [1, 2, 3, 2, 1].map(path);
    let datagrams = numbers.into_iter().zip(checks.iter().map(|c| &c[..]));
    (bench.core).handle_datagrams(bench.now, datagrams, &mut bench.out);
    let answered = |number| {
        let sent = bench.out.sent.iter();
        sent.filter(|(to, _)| *to == path(number)).count()
    };
    assert_eq!((answered(1), answered(3)), (2, 1));
    assert_eq!(bench.out.ended, HashSet::from([broken]));
    assert_eq!(bench.directory.shard_of(broken), None);
    assert!(
        [before, after]
            .iter()
            .all(|id| bench.core.peers.key(*id).is_some())
    );
    assert_eq!((bench.core.peers.len(), bench.core.paths.len()), (2, 2));
}

#[test]
fn a_peer_that_panics_as_time_passes_keeps_nobody_from_having_theirs() {
    let mut bench = Bench::new();
    let (broken, _) = bench.call_with(Box::new(Broken));
    let (other, _) = bench.call();
    bench.run_for(CONSENT_EXPIRES_AFTER + 2 * SECOND);
    assert_eq!(bench.out.ended, HashSet::from([broken]));
    // The other had nothing to do with it, and has its time.
    assert!(bench.core.peers.key(other).is_some());
    let last = bench.out.told(other).pop();
    assert_eq!(last.map(|(ice, _)| ice), Some(IceConnectionState::Failed));
}

/// Does nothing, and panics as it goes.
struct Sore;

impl Behaviour for Sore {
    fn handle(&mut self, _: Instant, _: &mut Peer, _: PeerOutput) {}
}

impl Drop for Sore {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

#[test]
fn a_peer_that_panics_as_it_goes_takes_nobody_along() {
    let mut bench = Bench::new();
    let (other, ufrag) = bench.call();
    let (sore, _) = bench.call_with(Box::new(Sore));
    bench.command(Command::Close { id: sore });
    assert_eq!(bench.out.ended, HashSet::from([sore]));
    bench.out.sent.clear();
    bench.check(&ufrag, 7);
    assert_eq!(bench.out.sent.len(), 1);
    // Where everybody has to go, one after the other does.
    let (second, _) = bench.call_with(Box::new(Sore));
    let (third, _) = bench.call_with(Box::new(Sore));
    bench.core.start_over(&mut bench.out);
    assert_eq!(bench.out.ended, HashSet::from([other, sore, second, third]));
    assert!(bench.directory.is_empty());
}

#[test]
fn nobody_is_blamed_for_what_comes_after_it() {
    let mut bench = Bench::new();
    let (id, ufrag) = bench.call();
    bench.check(&ufrag, 7);
    assert_eq!(bench.core.busy, None);
    bench.run_for(3 * SECOND);
    assert_eq!(bench.core.busy, None);
    bench.command(Command::Close { id });
    assert_eq!(bench.core.busy, None);
}

/// Looks something up in the table that all shards share.
struct Curious(Arc<Directory>);

impl Behaviour for Curious {
    fn handle(&mut self, _: Instant, _: &mut Peer, _: PeerOutput) {
        assert_eq!(self.0.shard_of(PeerId(1)), Some(0));
    }
}

/// A lock that is held would be waited for in vain.
#[test]
fn no_table_is_locked_while_a_peers_code_runs() {
    let mut bench = Bench::new();
    let directory = bench.directory.clone();
    let (id, ufrag) = bench.call_with(Box::new(Curious(directory)));
    bench.check(&ufrag, 7);
    bench.run_for(CONSENT_EXPIRES_AFTER + 2 * SECOND);
    assert!(bench.out.told(id).len() > 1);
}

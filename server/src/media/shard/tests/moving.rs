//! A peer goes to the shard where its packets land; one that sends from everywhere does not do so with
//! every datagram.

use super::bench::{Bench, SECOND};
use crate::media::shard::command::Command;
use crate::media::shard::moves::{MOVE_EVERY, MOVES_AT_ONCE};

/// Lets checks land on the other shard, and gives the peer back that moves there. Counts its moves.
fn moves(bench: &mut Bench, ufrag: &str, checks: u32) -> u32 {
    let mut moves = 0;
    for number in 0..checks {
        bench.check_on(1, ufrag, number);
        for (shard, command) in std::mem::take(&mut bench.out.commands) {
            if matches!(command, Command::Adopt { .. }) {
                assert_eq!(shard, 1);
                moves += 1;
            }
            bench.command(command);
        }
    }
    moves
}

#[test]
fn a_member_that_sends_from_everywhere_moves_seldom_and_is_answered_all_the_same() {
    let mut bench = Bench::new();
    let (_, ufrag) = bench.call();
    assert_eq!(moves(&mut bench, &ufrag, 1000), MOVES_AT_ONCE);
    assert_eq!(bench.out.sent.len(), 1000);
    bench.run_for(MOVE_EVERY);
    assert_eq!(moves(&mut bench, &ufrag, 1000), 1);
}

#[test]
fn a_peer_stays_where_it_is_while_the_other_shard_has_no_room() {
    let mut bench = Bench::new();
    let (id, ufrag) = bench.call();
    bench.out.is_full = true;
    bench.check_on(1, &ufrag, 7);
    bench.run_for(SECOND);
    bench.check(&ufrag, 7);
    assert_eq!(bench.out.sent.len(), 2);
    assert_eq!(bench.directory.shard_of(id), Some(0));
    assert!(bench.out.ended.is_empty());
    bench.out.is_full = false;
    bench.check_on(1, &ufrag, 7);
    assert_eq!(bench.directory.shard_of(id), Some(1));
    assert_eq!(bench.core.peers.len(), 0);
}

#[test]
fn a_command_that_finds_no_room_where_its_peer_went_is_sent_again() {
    let mut bench = Bench::new();
    let (id, ufrag) = bench.call();
    bench.check_on(1, &ufrag, 7);
    bench.out.commands.clear();
    bench.out.is_full = true;
    bench.command(Command::Close { id });
    assert!(bench.core.poll_timeout() < bench.now + SECOND / 10);
    bench.run_for(SECOND);
    bench.out.is_full = false;
    bench.run_for(SECOND);
    let sent = bench.out.commands.iter();
    let sent: Vec<_> = sent
        .filter(|(shard, command)| *shard == 1 && matches!(command, Command::Close { .. }))
        .collect();
    assert_eq!(sent.len(), 1);
}

/// What waited for room where the peer was is older than what found it where it is.
#[test]
fn an_agreement_that_was_overtaken_changes_nothing_and_the_later_one_brings_all_of_it() {
    let mut bench = Bench::new();
    let (id, ours) = bench.call();
    bench.check(&ours, 7);
    bench.agree(id, 3, "again", "anew");
    assert_eq!(bench.names(id), ("again".to_owned(), "anew".to_owned()));
    bench.agree(id, 2, "them", "anew");
    bench.agree(id, 1, "them", &ours);
    assert_eq!(bench.names(id), ("again".to_owned(), "anew".to_owned()));
    bench.agree(id, 4, "more", "anew");
    assert_eq!(bench.names(id), ("more".to_owned(), "anew".to_owned()));
}

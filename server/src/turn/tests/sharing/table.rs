//! The table of whose is what at the port that relays share: how much it holds, and whatever clients do.

use std::collections::HashMap;
use std::time::Instant;

use proptest::prelude::*;

use super::*;
use crate::turn::sharing::{MAX_ENTRIES, MAX_PER_SOURCE, MAX_PER_USER, Table, Unclaimed};
use crate::turn::tenant::Holder;

fn holder(n: usize) -> Holder {
    Holder {
        user: n.to_string().into(),
        most: MAX_PER_USER,
        source: [198, 51, 100, n as u8].into(),
    }
}

/// Whoever has many relays.
#[test]
fn one_user_leaves_room_to_the_others() {
    let bench = Bench::sharing(PORT);
    let sharing = bench.shared.sharing.clone().unwrap();
    let (mut table, at) = (sharing.lock(), [192, 0, 2, 1].into());
    let (mine, others) = (holder(1), holder(2));
    let peer = |n: usize| SocketAddr::from(([10, 0, 0, 1], n as u16 + 1));
    let address = |n: usize| [10, 0, (n >> 8) as u8, n as u8].into();
    let now = bench.now;
    let enter = |table: &mut Table, now, n, holder| {
        let tenant = (sharing.tenant(0, 1), holder);
        let claimed = table.claim(now, tenant, (at, peer(n)), MINUTE);
        (claimed, table.permit(now, tenant, (at, address(n)), MINUTE))
    };
    for n in 0..MAX_PER_USER {
        assert_eq!(enter(&mut table, now, n, &mine), (Ok(()), true));
    }
    let next = MAX_PER_USER;
    let full = (Err(Unclaimed::Full), false);
    assert_eq!(enter(&mut table, now, next, &mine), full);
    assert_eq!(enter(&mut table, now, next, &others), (Ok(()), true));
    // Its own come back.
    let later = now + MINUTE + ECHO;
    assert_eq!(enter(&mut table, later, next + 1, &mine), (Ok(()), true));
}

/// Whoever has many users, too.
#[test]
fn one_source_leaves_room_to_the_others() {
    let bench = Bench::sharing(PORT);
    let sharing = bench.shared.sharing.clone().unwrap();
    let (mut table, at) = (sharing.lock(), [192, 0, 2, 1].into());
    let holder = |user: usize, source: u8| Holder {
        source: [198, 51, 100, source].into(),
        ..holder(user)
    };
    let mut enter = |n: usize, holder: &Holder| {
        let tenant = (sharing.tenant(0, 1), holder);
        let [.., high, low] = n.to_be_bytes();
        let peer = SocketAddr::from(([10, 0, high, low], 7000));
        let claimed = table.claim(bench.now, tenant, (at, peer), MINUTE);
        (
            claimed,
            table.permit(bench.now, tenant, (at, peer.ip()), MINUTE),
        )
    };
    // Each of its users takes no more than it may.
    let users = MAX_PER_SOURCE / MAX_PER_USER;
    for n in 0..MAX_PER_SOURCE {
        let mine = holder(10 + n / MAX_PER_USER, 1);
        assert_eq!(enter(n, &mine), (Ok(()), true));
    }
    let full = (Err(Unclaimed::Full), false);
    let next = MAX_PER_SOURCE;
    assert_eq!(enter(next, &holder(10 + users, 1)), full);
    assert_eq!(enter(next, &holder(10 + users, 2)), (Ok(()), true));
}

#[test]
fn the_table_ends_somewhere_and_goes_on_when_something_is_over() {
    let bench = Bench::sharing(PORT);
    let sharing = bench.shared.sharing.clone().unwrap();
    let (mut table, at) = (sharing.lock(), [192, 0, 2, 1].into());
    let tenant = sharing.tenant(0, 1);
    let peer =
        |n: usize| SocketAddr::from(([10, 0, (n >> 8) as u8, n as u8], (n >> 16) as u16 + 1));
    let address = |n: usize| [10, (n >> 16) as u8, (n >> 8) as u8, n as u8].into();
    let mut enter = |now, n| {
        let holder = (tenant, &holder(n / MAX_PER_USER));
        let claimed = table.claim(now, holder, (at, peer(n)), MINUTE).is_ok();
        (claimed, table.permit(now, holder, (at, address(n)), MINUTE))
    };
    assert!((0..MAX_ENTRIES).all(|n| enter(bench.now, n) == (true, true)));
    assert_eq!(enter(bench.now, MAX_ENTRIES), (false, false));
    assert_eq!(
        enter(bench.now, 1),
        (true, true),
        "what is known is renewed"
    );
    assert_eq!(enter(bench.now + 2 * MINUTE, MAX_ENTRIES), (true, true));
    assert_eq!(table.counts(), (1, 1, 0));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Permit(usize, usize),
    Bind(usize, usize),
    Send(usize, usize),
    Arrive(usize),
    Pass(u64),
    End(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (client, peer) = (0..3_usize, 0..6_usize);
    prop_oneof![
        3 => (client.clone(), peer.clone()).prop_map(|(c, p)| Step::Permit(c, p)),
        2 => (client.clone(), peer.clone()).prop_map(|(c, p)| Step::Bind(c, p)),
        4 => (client.clone(), peer.clone()).prop_map(|(c, p)| Step::Send(c, p)),
        6 => peer.prop_map(Step::Arrive),
        2 => (1..400_u64).prop_map(Step::Pass),
        1 => client.prop_map(Step::End),
    ]
}

/// What is known of a client from outside.
#[derive(Default)]
struct Known {
    permitted: HashMap<usize, Instant>,
    /// When something last left for a peer, or a channel was bound.
    sent: HashMap<usize, Instant>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever they do: who is given something has let its sender in, and is the one that sent there last; and what
    /// comes from a peer that one alone has let in is not lost.
    #[test]
    fn nobody_is_given_what_is_anothers(steps in prop::collection::vec(step(), 1..80)) {
        let peer = |n: usize| format!("198.100.1.{}:{}", 1 + n / 3, 7000 + n % 3);
        let mut bench = Bench::sharing(PORT);
        let mut clients = [1, 2, 3].map(|n| (client(&mut bench, n), Known::default()));
        let mut ended = HashMap::new();
        for step in steps {
            let now = bench.now;
            match step {
                Step::Permit(c, p) => {
                    let (client, known) = &mut clients[c];
                    prop_assert_eq!(client.permit(&mut bench, &peer(p)), 0);
                    known.permitted.insert(p / 3, now + PERMISSION_LIFETIME);
                }
                Step::Bind(c, p) => {
                    let (client, known) = &mut clients[c];
                    let code = client.bind(&mut bench, 0x4000 + p as u16, &peer(p));
                    prop_assert!([0, 508].contains(&code));
                    known.permitted.insert(p / 3, now + PERMISSION_LIFETIME);
                    if code == 0 {
                        known.sent.insert(p, now);
                    }
                }
                Step::Send(c, p) => {
                    let (client, known) = &mut clients[c];
                    if sends(&mut bench, client, &peer(p)) {
                        prop_assert!(known.permitted[&(p / 3)] > now);
                        known.sent.insert(p, now);
                    }
                }
                Step::Arrive(p) => {
                    let given = owner(&mut bench, &peer(p));
                    let may = |known: &Known| {
                        let until = known.permitted.get(&(p / 3));
                        until.is_some_and(|until| *until > now)
                    };
                    let last = clients.iter().filter_map(|(_, known)| known.sent.get(&p)).max();
                    let admitting = clients.iter().filter(|(_, known)| may(known)).count();
                    if let Some(given) = given {
                        let found = clients.iter().find(|(client, _)| client.path.remote == given);
                        let (_, known) = found.unwrap();
                        prop_assert!(may(known));
                        // Claimed anew once a minute.
                        let is_recent = |at: &&Instant| now < **at + PERMISSION_LIFETIME - MINUTE;
                        if last.filter(is_recent).is_some() {
                            prop_assert_eq!(known.sent.get(&p), last);
                        } else {
                            prop_assert!(admitting == 1 || known.sent.get(&p) == last);
                        }
                    } else {
                        let nobody_sent = last.is_none();
                        let is_echo = ended.get(&p).is_some_and(|at| now < *at + ECHO);
                        prop_assert!(admitting != 1 || !nobody_sent || is_echo);
                    }
                }
                Step::Pass(seconds) => {
                    // Nobody's relay ends meanwhile.
                    for (client, _) in &mut clients {
                        prop_assert_eq!(client.refresh(&mut bench, 3600).code(), 0);
                    }
                    bench.pass(SECOND * seconds as u32);
                    // Nonces are good for an hour.
                    clients.iter_mut().for_each(|(client, _)| client.nonce.clear());
                }
                Step::End(c) => {
                    let (gone, known) = &mut clients[c];
                    prop_assert_eq!(gone.refresh(&mut bench, 0).code(), 0);
                    ended.extend(known.sent.keys().map(|p| (*p, now)));
                    *known = Known::default();
                    gone.relay(&mut bench);
                }
            }
        }
    }
}

//! The DTLS handshake: in both roles, in pieces and in any order, repeated and lost; and that only the
//! one named in the session description gets through it.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ferrite_server::media::net::demux::{Kind, classify};
use ferrite_server::media::transport::dtls::{DtlsState, HANDSHAKE_TIMEOUT};
use ferrite_server::media::transport::ice::IceState;

use crate::harness::link::Tamper;
use crate::harness::offer::Section;
use crate::harness::records::{HANDSHAKE, Record, Renumber, fragment, records};
use crate::harness::{Browser, Conditions, Datagram, Way, World, browser, seed};

pub const CLIENT_HELLO: u8 = 1;
pub const CERTIFICATE: u8 = 11;

const AUDIO: Section = Section::Audio {
    mid: "0",
    direction: "sendrecv",
};

/// Calls with an offer whose `a=setup` is this.
pub fn call_with_setup(world: &mut World<Browser>, setup: &str) {
    let (offer, pending) = world.make_offer(&mut |api| {
        api.add_channel("chat".to_owned());
    });
    let offer = offer.replace("a=setup:actpass", &format!("a=setup:{setup}"));
    let answer = world.server.offer(world.now, &offer).unwrap();
    world.take_answer(pending, &answer);
}

#[track_caller]
fn connects(world: &mut World<Browser>, limit: Duration, what: &str) {
    world.run_until(limit, what, |world| world.is_connected());
}

/// Every order of the numbers below `n`.
fn orders(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![Vec::new()];
    }
    let shorter = orders(n - 1);
    let with_last = |order: &Vec<usize>| {
        let order = order.clone();
        (0..n).map(move |at| {
            let mut order = order.clone();
            order.insert(at, n - 1);
            order
        })
    };
    shorter.iter().flat_map(with_last).collect()
}

/// What befalls the pieces of a ClientHello.
#[derive(Clone, Copy, Debug)]
pub enum Mishap {
    None,
    /// This piece comes twice.
    Twice(usize),
    /// This piece is lost, the first time.
    Lost(usize),
}

/// A link that carries every ClientHello in pieces, a datagram each, as browsers send it with their
/// post-quantum key share.
pub fn splits_hello(order: Vec<usize>, mishap: Mishap, split: Rc<Cell<u32>>) -> Tamper {
    splits(CLIENT_HELLO, order, mishap, split)
}

/// A link that carries every message of this type in pieces, a datagram each.
pub fn splits(message_type: u8, order: Vec<usize>, mishap: Mishap, split: Rc<Cell<u32>>) -> Tamper {
    let mut renumber = Renumber::default();
    let mut lost_before = Vec::new();
    Box::new(move |way, datagram| {
        let carried = records(&datagram.bytes);
        if way == Way::Down || carried.is_empty() {
            return vec![(Duration::ZERO, datagram)];
        }
        let piece_of = |record: Record| Datagram {
            bytes: record.write(),
            ..datagram.clone()
        };
        let is_split =
            |r: &Record| r.epoch == 0 && r.content_type == HANDSHAKE && r.body[0] == message_type;
        let mut out = Vec::new();
        for record in carried {
            if !is_split(&record) {
                out.push((Duration::ZERO, piece_of(renumber.next(record))));
                continue;
            }
            split.set(split.get() + 1);
            let message = u16::from_be_bytes([record.body[4], record.body[5]]);
            let whole = &record.body[12..];
            let n = order.len();
            let cut = |at: usize| at * whole.len() / n;
            for (place, &at) in order.iter().enumerate() {
                let part = fragment(message_type, message, whole, cut(at)..cut(at + 1));
                let mut send = || {
                    let delay = Duration::from_millis(place as u64);
                    out.push((delay, piece_of(renumber.next(part.clone()))));
                };
                match mishap {
                    Mishap::Lost(lost) if lost == at && !lost_before.contains(&message) => {
                        lost_before.push(message);
                    }
                    Mishap::Twice(twice) if twice == at => {
                        send();
                        send();
                    }
                    _ => send(),
                }
            }
        }
        out
    })
}

#[test]
fn a_client_hello_in_pieces_is_put_together_in_any_order() {
    for n in 2..=3 {
        let pieces = || 0..n;
        let mishaps = std::iter::once(Mishap::None)
            .chain(pieces().map(Mishap::Twice))
            .chain(pieces().map(Mishap::Lost));
        for mishap in mishaps {
            for order in orders(n) {
                let mut world = World::browser(seed(1), browser::config());
                let split = Rc::new(Cell::new(0));
                world.link.tamper = Some(splits_hello(order.clone(), mishap, split.clone()));
                call_with_setup(&mut world, "active");
                let limit = match mishap {
                    Mishap::Lost(_) => Duration::from_secs(5),
                    Mishap::None | Mishap::Twice(_) => Duration::from_secs(1),
                };
                connects(&mut world, limit, &format!("{order:?}, {mishap:?}"));
                assert!(split.get() >= 2, "nothing was split");
            }
        }
    }
}

#[test]
fn either_end_may_be_the_client() {
    for setup in ["actpass", "active", "passive"] {
        let mut world = World::browser(seed(2), browser::config());
        call_with_setup(&mut world, setup);
        connects(&mut world, Duration::from_secs(1), setup);
        world.run_until(Duration::from_secs(5), "a channel", |world| {
            world.far.channel("chat").is_some()
        });
    }
}

/// A link that loses the n-th DTLS datagram, both ways counted.
fn loses_dtls(n: u32) -> Tamper {
    let mut count = 0;
    Box::new(move |_, datagram| {
        if classify(&datagram.bytes) == Some(Kind::Dtls) {
            count += 1;
            if count == n {
                return Vec::new();
            }
        }
        vec![(Duration::ZERO, datagram)]
    })
}

#[test]
fn any_datagram_of_the_handshake_may_be_lost() {
    for setup in ["active", "passive"] {
        for n in 1..=10 {
            let mut world = World::browser(seed(3), browser::config());
            world.link.tamper = Some(loses_dtls(n));
            call_with_setup(&mut world, setup);
            connects(&mut world, Duration::from_secs(5), &format!("{setup}, {n}"));
            world.run_until(
                Duration::from_secs(20),
                &format!("a channel, {setup}, {n}"),
                |world| world.far.channel("chat").is_some(),
            );
        }
    }
}

/// Whichever datagram of the server's is lost first, it is said again sooner than a second later.
#[test]
fn what_the_server_says_is_said_again_at_once() {
    for setup in ["active", "passive"] {
        // What asks for a cookie is said again only when it is asked for again (RFC 6347 §4.2.1).
        // And the end of the handshake when the other end repeats its own.
        let numbers = if setup == "active" { 2..=2 } else { 1..=2 };
        for n in numbers {
            let mut world = World::browser(seed(10), browser::config());
            let mut count = 0;
            world.link.tamper = Some(Box::new(move |way, datagram| {
                let is_dtls = classify(&datagram.bytes) == Some(Kind::Dtls);
                count += u32::from(way == Way::Down && is_dtls);
                match way == Way::Down && is_dtls && count == n {
                    true => Vec::new(),
                    false => vec![(Duration::ZERO, datagram)],
                }
            }));
            call_with_setup(&mut world, setup);
            let limit = Duration::from_millis(600);
            connects(&mut world, limit, &format!("{setup}, {n}"));
        }
    }
}

/// Who answers begins: a loss is repaired by the server's timers, which are quick, whatever the far end's are. Where
/// the far end begins, 40 of these are connected within a second, and 89 within six.
#[test]
fn who_leaves_the_choice_is_soon_connected_where_a_fifth_is_lost() {
    let times: Vec<Option<Duration>> = (0..100)
        .map(|own_seed| {
            let mut world = World::browser(own_seed, browser::config());
            world.link.set(Conditions::lossy(0.2));
            call_with_setup(&mut world, "actpass");
            let end = world.now + Duration::from_secs(6);
            while !world.is_connected() && world.step(end) {}
            world.is_connected().then(|| world.elapsed())
        })
        .collect();
    let within = |limit| {
        times
            .iter()
            .flatten()
            .filter(|took| **took <= limit)
            .count()
    };
    let [soon, at_all] = [1, 6].map(|seconds| within(Duration::from_secs(seconds)));
    assert!(soon >= 60 && at_all >= 95, "{soon} and {at_all} of 100");
}

/// A link on which everything the far end says in plaintext is said again after 50, 150 and 350 ms,
/// as Chromium repeats itself, and the first flights of the server are lost.
fn hasty_and_lossy(lost: u32) -> Tamper {
    let mut renumber = Renumber::default();
    let mut flights = 0;
    Box::new(move |way, datagram| {
        let carried = records(&datagram.bytes);
        let is_plain = |r: &Record| r.epoch == 0 && r.content_type == HANDSHAKE;
        if !carried.iter().any(is_plain) {
            return vec![(Duration::ZERO, datagram)];
        }
        if way == Way::Down {
            let is_flight = carried.len() > 1;
            flights += u32::from(is_flight);
            return match is_flight && flights <= lost {
                true => Vec::new(),
                false => vec![(Duration::ZERO, datagram)],
            };
        }
        let copies = [0, 50, 150, 350].into_iter().map(|ms| {
            let renumbered = carried.iter().cloned().map(|r| renumber.next(r).write());
            let bytes = renumbered.collect::<Vec<_>>().concat();
            (
                Duration::from_millis(ms),
                Datagram {
                    bytes,
                    ..datagram.clone()
                },
            )
        });
        copies.collect()
    })
}

#[test]
fn a_client_that_repeats_itself_sooner_than_the_server_does_not_keep_it_from_answering() {
    for setup in ["active", "passive"] {
        for lost in 0..3 {
            let mut world = World::browser(seed(4), browser::config());
            world.link.tamper = Some(hasty_and_lossy(lost));
            call_with_setup(&mut world, setup);
            connects(
                &mut world,
                Duration::from_secs(10),
                &format!("{setup}, {lost} lost"),
            );
        }
    }
}

/// Changes the last digit of every fingerprint.
pub fn forge(sdp: &str) -> String {
    let lines = sdp
        .lines()
        .map(|line| match line.strip_prefix("a=fingerprint:") {
            Some(_) => {
                let (rest, last) = line.split_at(line.len() - 1);
                format!("{rest}{}\r\n", if last == "0" { "1" } else { "0" })
            }
            None => format!("{line}\r\n"),
        });
    lines.collect()
}

#[test]
fn another_certificate_than_the_offers_is_refused_and_nothing_passes() {
    for setup in ["active", "passive"] {
        let mut world = World::browser(seed(5), browser::config());
        let mut mid = None;
        let (offer, pending) = world.make_offer(&mut |api| {
            use str0m::media::{Direction, MediaKind};
            mid = Some(api.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None));
        });
        let offer = forge(&offer).replace("a=setup:actpass", &format!("a=setup:{setup}"));
        let answer = world.server.offer(world.now, &offer).unwrap();
        world.take_answer(pending, &answer);
        let now = world.now;
        world.far.send_on(now, mid.unwrap(), 1000, 0);
        world.run_until(Duration::from_secs(2), "failed", |w| w.server.finished);
        let (_, last) = world.server.states.last().unwrap();
        assert_eq!(last.dtls, DtlsState::Failed);
        assert!(world.server.reason().contains("fingerprint"), "{last:?}");
        let connected = |(_, state): &(_, ferrite_server::media::peer::PeerState)| {
            state.dtls == DtlsState::Connected
        };
        assert!(!world.server.states.iter().any(connected));
        world.run_for(Duration::from_secs(2));
        assert_eq!(world.server.given_out, 0);
        assert!(world.far.received.is_empty());
        assert!(world.far.closed, "the far end was not told");
    }
}

#[test]
fn another_certificate_than_the_answers_is_refused_by_the_far_end_and_the_server_learns_of_it() {
    let mut world = World::browser(seed(6), browser::config());
    let (offer, pending) = world.make_offer(&mut |api| {
        api.add_channel("chat".to_owned());
    });
    let answer = world.server.offer(world.now, &offer).unwrap();
    world.take_answer(pending, &forge(&answer));
    world.run_until(Duration::from_secs(2), "refused", |w| w.far.error.is_some());
    world.run_until(Duration::from_secs(40), "given up", |w| {
        let state = w.server.resident.peer.state();
        state.ice == IceState::Failed || state.dtls == DtlsState::Failed
    });
    assert_ne!(world.server.reason(), "");
}

#[test]
fn noise_on_the_path_does_not_end_the_handshake() {
    for setup in ["active", "actpass"] {
        let mut noise = [0; 64];
        let mut n = 0_u8;
        let mut world = World::browser(seed(7), browser::config());
        world.link.set(Conditions::PERFECT);
        world.link.tamper = Some(Box::new(move |way, datagram| {
            let mut out = Vec::new();
            if way == Way::Up && classify(&datagram.bytes) == Some(Kind::Dtls) {
                for kind in [20, 22, 23, 24, 63] {
                    for epoch in 0..3 {
                        n = n.wrapping_add(41);
                        noise.fill(n);
                        noise[0] = kind;
                        noise[1..5].copy_from_slice(&[254, 253, 0, epoch]);
                        noise[5..13].copy_from_slice(&[0, 0, 0, 1, n, kind, 0, 51]);
                        let bytes = noise.to_vec();
                        out.push((
                            Duration::ZERO,
                            Datagram {
                                bytes,
                                ..datagram.clone()
                            },
                        ));
                    }
                }
            }
            out.push((Duration::ZERO, datagram));
            out
        }));
        call_with_setup(&mut world, setup);
        connects(&mut world, Duration::from_secs(1), setup);
    }
}

#[test]
fn a_far_end_that_never_begins_is_given_up() {
    let mut world = World::bare(seed(8));
    let offer = world.bare_offer("active", &[AUDIO]);
    world.exchange(&offer).unwrap();
    world.far.dtls = None;
    let took = world.run_until(2 * HANDSHAKE_TIMEOUT, "given up", |w| w.server.finished);
    assert!(took >= HANDSHAKE_TIMEOUT, "{took:?}");
    assert!(
        world.server.reason().contains("too long"),
        "{}",
        world.server.reason()
    );
}

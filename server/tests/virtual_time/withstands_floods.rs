//! What a far end can make the server hold and do by sending more than a call needs.

use std::time::Duration;

use ferrite_server::media::transport::dtls::DtlsState;

use crate::harness::offer::Section;
use crate::harness::records::{HANDSHAKE, Record, Renumber, fragment};
use crate::harness::{Bare, FarEnd, World, seed};

const AUDIO: Section = Section::Audio {
    mid: "0",
    direction: "sendrecv",
};

/// A far end whose path is known, and which has not begun DTLS.
fn before_the_handshake(own_seed: u64) -> World<Bare> {
    let mut world = World::bare(seed(own_seed));
    let offer = world.bare_offer("active", &[AUDIO]);
    world.exchange(&offer).unwrap();
    world.far.dtls = None;
    world.run_until(Duration::from_secs(1), "a check was answered", |world| {
        !world.far.answers.is_empty()
    });
    world
}

/// Sends the records, a datagram each, and says how many bytes more are held afterwards.
fn held_after(world: &mut World<Bare>, flood: impl Iterator<Item = Record>) -> i64 {
    let path = ferrite_path(world);
    let now = world.now;
    let datagrams: Vec<_> = flood.map(|record| record.write()).collect();
    let peer = &mut world.server.resident.peer;
    let measured = allocation_counter::measure(|| {
        for datagram in &datagrams {
            peer.handle_datagram(now, path, datagram);
            while peer.poll_transmit().is_some() {}
        }
    });
    assert!(peer.knows(&path));
    measured.bytes_current
}

fn ferrite_path(world: &World<Bare>) -> ferrite_server::media::net::path::FourTuple {
    world.server.resident.peer.selected_path().unwrap()
}

fn sealed(content_type: u8, epoch: u16, len: usize) -> Record {
    Record {
        content_type,
        version: [254, 253],
        epoch,
        sequence: 0,
        body: vec![7; len],
    }
}

#[test]
fn of_handshake_records_without_end_a_few_are_kept() {
    let mut world = before_the_handshake(1);
    let mut renumber = Renumber::default();
    let flood = (0..20_000).map(|n| renumber.next(fragment(11, n, &[0; 1000], 0..999)));
    let held = held_after(&mut world, flood);
    assert!(held < 300_000, "{held} bytes");
}

#[test]
fn of_records_that_come_before_their_keys_a_few_are_kept() {
    for content_type in [20, 21, 22, 23] {
        let mut world = before_the_handshake(2);
        let flood = (0..20_000).map(|sequence| Record {
            sequence,
            ..sealed(content_type, 1, 1200)
        });
        let held = held_after(&mut world, flood);
        assert!(held < 300_000, "{held} bytes of type {content_type}");
    }
}

#[test]
fn a_message_in_pieces_of_one_byte_does_not_exhaust_the_stack() {
    let whole = [7; 60_000];
    for in_one_record in [1, 2, 1000] {
        let mut world = before_the_handshake(3);
        let mut renumber = Renumber::default();
        // The last piece comes first, so that all are looked at when the first completes the row.
        let pieces: Vec<_> = (0..whole.len()).rev().collect();
        let flood = pieces.chunks(in_one_record).map(|ats| {
            let mut packed: Option<Record> = None;
            for &at in ats {
                // A length of no more than the piece lets several stand in a record.
                let mut piece = fragment(1, 0, &whole, at..at + 1);
                if in_one_record > 1 {
                    piece.body[1..4].copy_from_slice(&[0, 0, 1]);
                }
                match &mut packed {
                    Some(record) => record.body.extend(piece.body),
                    None => packed = Some(piece),
                }
            }
            renumber.next(packed.unwrap())
        });
        let flood: Vec<_> = flood.collect();
        let held = held_after(&mut world, flood.into_iter());
        assert!(held < 300_000, "{held} bytes");
    }
}

#[test]
fn a_flood_of_handshake_records_does_not_stop_a_call() {
    let mut world = World::bare(seed(4));
    world.connect_bare(&[AUDIO, Section::Data { mid: "1" }]);
    let mut renumber = Renumber::default();
    for n in 0..1000 {
        let forged = renumber.next(fragment(1, n, &[0; 100], 0..100));
        world.far.send_raw(forged.write());
        world.far.send_raw(sealed(HANDSHAKE, 1, 40).write());
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server_dtls(), DtlsState::Connected);
    // The server's INIT, or its answer to ours, still comes.
    let before = world.far.data.len();
    let now = world.now;
    world.far.send_data(now, &init());
    world.run_for(Duration::from_secs(1));
    assert!(world.far.data.len() > before, "no answer to an INIT");
    assert_eq!(world.server_dtls(), DtlsState::Connected);
}

#[test]
fn of_answers_that_cannot_leave_a_few_are_kept() {
    let mut world = World::bare(seed(5));
    world.connect_bare(&[AUDIO, Section::Data { mid: "1" }]);
    // The server would initiate itself, but ours comes first.
    let now = world.now;
    let mut say_init = || {
        world.far.send_data(now, &init());
        world.far.poll_transmit().unwrap().bytes
    };
    let inits: Vec<_> = (0..20_000).map(|_| say_init()).collect();
    let path = ferrite_path(&world);
    let peer = &mut world.server.resident.peer;
    peer.handle_datagram(now, path, &inits[0]);
    peer.set_congested(now, true);
    let flood = allocation_counter::measure(|| {
        for datagram in &inits[1..] {
            peer.handle_datagram(now, path, datagram);
        }
    });
    let held = flood.bytes_current;
    assert!(held < 300_000, "{held} bytes");
    // What is due must wait, too, and wakes nobody.
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server_dtls(), DtlsState::Connected);
}

/// An SCTP INIT (RFC 9260 §3.3.2).
fn init() -> Vec<u8> {
    let mut packet = vec![0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0];
    packet.extend([1, 0, 0, 20]);
    packet.extend([0, 0, 0, 9, 0, 16, 0, 0, 4, 0, 4, 0, 0, 0, 0, 5]);
    let checksum = crc32c::crc32c(&packet);
    packet[8..12].copy_from_slice(&checksum.to_le_bytes());
    packet
}

/// Pieces of ClientHellos, each with a number of its own, as long as datagrams get (RFC 6347 §4.2.2).
#[test]
fn past_the_limit_a_piece_of_a_client_hello_costs_a_look_and_no_more() {
    let mut world = before_the_handshake(5);
    let path = ferrite_path(&world);
    let mut renumber = Renumber::default();
    let piece = |n: usize| fragment(1, 0, &[7; 60_000], n % 1000..n % 1000 + 1200);
    let flood = (0..10_000).map(|n| renumber.next(piece(n)).write());
    let flood: Vec<_> = flood.collect();
    let (first, later) = flood.split_at(300);
    let (now, peer) = (world.now, &mut world.server.resident.peer);
    let mut take = |datagrams: &[Vec<u8>]| {
        for datagram in datagrams {
            peer.handle_datagram(now, path, datagram);
            while peer.poll_transmit().is_some() {}
        }
    };
    take(first);
    let measured = allocation_counter::measure(|| take(later));
    let count = later.len() as u64;
    // One copy of it, and what is noted of it while it is looked at.
    let each = (measured.count_total / count, measured.bytes_total / count);
    assert!(
        each.0 <= 3 && each.1 < 1500,
        "{each:?} allocations and bytes each"
    );
}

/// What a peer does for each of many datagrams: allocations, bytes of them, and what it sends.
#[derive(Debug)]
struct Work {
    allocations: u64,
    bytes: u64,
    sent: usize,
}

// Forged, as long as a datagram may be, and the same again and again.
#[test]
fn records_of_one_byte_cost_as_much_each_however_many_are_in_a_datagram() {
    let mut world = World::bare(seed(6));
    world.connect_bare(&[AUDIO]);
    let path = ferrite_path(&world);
    let cost = |world: &mut World<Bare>, records: u8| {
        let record = |number| Record {
            sequence: number,
            ..sealed(23, 1, 1)
        };
        let datagram: Vec<_> = (0..records)
            .flat_map(|number| record(u64::from(number)).write())
            .collect();
        let (now, peer) = (world.now, &mut world.server.resident.peer);
        let mut sent = 0;
        let measured = allocation_counter::measure(|| {
            for _ in 0..100 {
                peer.handle_datagram(now, path, &datagram);
                while peer.poll_transmit().is_some() {
                    sent += 1;
                }
            }
        });
        assert!(measured.bytes_current < 1000, "{measured:?}");
        Work {
            allocations: measured.count_total / 100,
            bytes: measured.bytes_total / 100,
            sent,
        }
    };
    let (one, many) = (cost(&mut world, 1), cost(&mut world, 146));
    assert_eq!((one.sent, many.sent), (0, 0), "no alert for what is forged");
    let allowed = (one.allocations + 3 * 146, one.bytes + 200 * 146);
    assert!(
        many.allocations <= allowed.0 && many.bytes <= allowed.1,
        "{one:?} for one, {many:?} for 146"
    );
}

// Each check comes from another address, as no NAT does it.
#[test]
fn the_ten_thousandth_address_costs_as_much_as_the_hundredth() {
    let mut world = World::bare(seed(7));
    world.connect_bare(&[AUDIO]);
    let mut check = world.far.usual_check();
    let mut move_on = |world: &mut World<Bare>, port: u16| {
        let mut from = world.far.address;
        from.set_port(port);
        check.nominate = port.is_multiple_of(2);
        world.far.check(from, &check);
        let datagram = world.far.poll_transmit().unwrap();
        let path = world.server.path(world.server.address, from);
        let (now, peer) = (world.now, &mut world.server.resident.peer);
        let mut sent = 0;
        let measured = allocation_counter::measure(|| {
            assert!(peer.handle_stun(now, path, &datagram.bytes));
            while peer.poll_transmit().is_some() {
                sent += 1;
            }
        });
        (sent, measured)
    };
    let mut work = |ports: std::ops::Range<u16>| {
        let count = ports.len() as u64;
        let all: Vec<_> = ports.map(|port| move_on(&mut world, port)).collect();
        let sum = |of: fn(&allocation_counter::AllocationInfo) -> u64| {
            all.iter().map(|(_, measured)| of(measured)).sum::<u64>()
        };
        let held: i64 = all.iter().map(|(_, measured)| measured.bytes_current).sum();
        assert!(held < 10_000, "{held} bytes held");
        Work {
            allocations: sum(|measured| measured.count_total) / count,
            bytes: sum(|measured| measured.bytes_total) / count,
            sent: all.iter().map(|(sent, _)| *sent).max().unwrap(),
        }
    };
    let first = work(1000..1100);
    let last = work(1100..11_000);
    assert!(last.sent <= 2, "an answer, and a check of ours: {last:?}");
    let allowed = (first.allocations + 1, first.bytes + 100);
    assert!(
        last.allocations <= allowed.0 && last.bytes <= allowed.1,
        "{first:?} at first, {last:?} later"
    );
}

//! Packets changed, cut short and made up at random.

use super::super::link::{A, B, Behaviour, Conditions, PERFECT, Pair, mutated};
use super::super::raw::Raw;
use crate::media::data::packet::{self, Builder, Header};
use crate::media::data::{ChannelOptions, MessageKind};
use bytes::Bytes;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Duration;

#[test]
fn changed_packets_never_panic() {
    for seed in 0..40 {
        let mut pair = Pair::new(
            seed,
            Conditions {
                loss: 2,
                duplication: 5,
                delay: 5,
                jitter: 10,
            },
        );
        pair.mutation = 30;
        pair.ends[B].behaviour = Behaviour::Echo;
        for round in 0..20 {
            pair.run_for(Duration::from_millis(200));
            let now = pair.now;
            for end in [A, B] {
                let options = ChannelOptions {
                    ordered: round % 2 == 0,
                    ..ChannelOptions::default()
                };
                if let Ok(channel) = pair.ends[end].sctp.open_channel(now, options) {
                    let payload = Bytes::from(vec![1; 700 * (round % 5)]);
                    let _ = pair.ends[end]
                        .sctp
                        .send(now, channel, MessageKind::Binary, payload);
                    if round % 3 == 0 {
                        pair.ends[end].sctp.close_channel(now, channel);
                    }
                }
            }
        }
    }
}

#[test]
fn every_truncation_and_every_changed_byte_of_real_packets_is_survived() {
    let mut pair = Pair::new(
        1,
        Conditions {
            loss: 10,
            jitter: 10,
            ..PERFECT
        },
    );
    pair.record = true;
    pair.ends[B].behaviour = Behaviour::Echo;
    pair.run_out();
    let channel = pair.open(A, ChannelOptions::default());
    pair.send(A, channel, &Bytes::from(vec![1; 5000]));
    pair.run_out();
    let now = pair.now;
    pair.ends[A].sctp.close_channel(now, channel);
    pair.run_out();
    pair.ends[A].sctp.close(now);
    pair.settle();
    for (from, to) in [(A, B), (B, A)] {
        let sent = std::mem::take(&mut pair.ends[from].sent);
        for packet in sent {
            for length in 0..packet.len() {
                pair.ends[to]
                    .sctp
                    .handle_packet(now, packet.slice(..length));
            }
            for at in 0..packet.len() {
                let mut bytes = packet.to_vec();
                bytes[at] ^= 0xff;
                pair.ends[to].sctp.handle_packet(now, bytes.into());
            }
        }
    }
}

#[test]
fn random_chunks_never_panic() {
    let mut rng = StdRng::seed_from_u64(7);
    for _ in 0..100 {
        let mut raw = Raw::connected(rng.random());
        for _ in 0..100 {
            let kind = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 130, 192, 64, 200]
                [rng.random_range(0..17)];
            let mut value: Vec<u8> = vec![0; rng.random_range(0..60)];
            rng.fill(&mut value[..]);
            // Near enough to be taken seriously.
            if kind == packet::DATA && value.len() >= 4 {
                let tsn = raw.tsn.wrapping_add(rng.random_range(0..50));
                value[..4].copy_from_slice(&tsn.to_be_bytes());
            }
            raw.say(kind, rng.random(), &value);
            raw.events();
            raw.wait(Duration::from_millis(rng.random_range(0..300)));
        }
    }
}

// An ABORT or ERROR whose cause is longer than its chunk panics the library.

#[test]
fn mutation_changes_packets() {
    let mut rng = StdRng::seed_from_u64(1);
    let packet = Builder::new(Header::default())
        .chunk(0, 3, &[7; 100])
        .finish();
    let changed = (0..100).filter(|_| mutated(&mut rng, &packet) != packet);
    assert!(changed.count() > 90);
}

//! The corpus of every target, and changes of it.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use crate::mutation::Mutations;
use crate::targets::{TARGETS, run};

/// What one input may make a target hold at any time. Most hold some kilobytes.
const MAX_HELD: u64 = 16 << 20;

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every input kept of a target.
pub fn corpus(name: &str) -> Vec<Vec<u8>> {
    let directory = project().join("tests/fuzz/corpus").join(name);
    let files = fs::read_dir(&directory).unwrap_or_else(|_| panic!("no {}", directory.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "nothing in {}", directory.display());
    (paths.iter().map(|path| fs::read(path).unwrap())).collect()
}

/// Runs a target on its corpus and on so many changes of it; `FERRITE_CHANGES=100` makes it as many
/// times more.
fn explore(name: &str, changes: usize) {
    let inputs = corpus(name);
    let times = std::env::var("FERRITE_CHANGES").map_or(1, |times| times.parse().unwrap());
    let mutations = Mutations::new(&inputs, 1).take(changes * times);
    for input in inputs.iter().cloned().chain(mutations) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(name, &input))) {
            eprintln!("{name} fails on {}", keep(name, &input).display());
            resume_unwind(panic);
        }
    }
}

fn check(name: &str, input: &[u8]) {
    let measure = || allocation_counter::measure(|| run(name, input));
    let first = measure();
    let held = first.bytes_max;
    assert!(held <= MAX_HELD, "{held} bytes held");
    // What a library makes at its first use is left once, and a leak every time.
    if first.bytes_current > 0 {
        let left = measure().bytes_current;
        assert!(left <= 0, "{left} bytes left behind");
    }
}

/// Leaves an input where the next run does not lose it.
fn keep(name: &str, input: &[u8]) -> PathBuf {
    let directory = project().join("tests/artefacts/fuzz");
    fs::create_dir_all(&directory).unwrap();
    let path = directory.join(format!("{name}-{:08x}", crc32c::crc32c(input)));
    fs::write(&path, input).unwrap();
    path
}

#[test]
fn a_client_message_is_read_or_refused() {
    explore("client_message", 5000);
}

#[test]
fn a_candidate_is_one_or_not() {
    explore("candidate", 20_000);
}

#[test]
fn a_token_is_refused_or_says_what_one_of_ours_can() {
    explore("token", 5000);
}

#[test]
fn a_call_of_the_rest_api_is_refused_or_makes_sense_and_does_others_no_harm() {
    explore("rest", 5000);
}

#[test]
fn a_stranger_at_the_relays_is_answered_or_not() {
    explore("turn_new", 3000);
}

#[test]
fn a_user_of_a_relay_reaches_nobody_inside() {
    explore("turn_allocated", 3000);
}

#[test]
fn a_user_of_a_relay_who_moves_reaches_nobody_inside_either() {
    explore("turn_moved", 3000);
}

#[test]
fn a_user_of_a_relay_of_tcp_is_connected_with_nobody_inside() {
    explore("turn_streams", 3000);
}

#[test]
fn an_offer_is_refused_or_answered_soundly() {
    explore("sdp_offer", 300);
}

#[test]
fn a_stream_has_the_same_frames_however_it_is_cut() {
    explore("framing", 5000);
}

#[test]
fn rtcp_of_any_content_asks_for_little() {
    explore("rtcp", 1000);
}

#[test]
fn rtp_of_any_content_is_forwarded_soundly() {
    explore("rtp", 1000);
}

#[test]
fn a_trace_that_somebody_made_up_is_replayed_or_refused() {
    explore("trace", 3000);
}

#[test]
fn a_channel_opens_as_it_was_asked_for() {
    explore("dcep", 1000);
}

#[test]
fn chunks_of_any_content_cost_little() {
    explore("sctp", 1000);
}

#[test]
fn a_peer_that_heard_nothing_takes_any_datagram() {
    explore("datagram_new", 300);
}

#[test]
fn a_peer_that_was_checked_takes_any_datagram() {
    explore("datagram_checked", 200);
}

#[test]
fn a_peer_in_its_handshake_takes_any_datagram() {
    explore("datagram_handshake", 60);
}

#[test]
fn a_connected_peer_takes_any_datagram() {
    explore("datagram_connected", 60);
}

#[test]
fn a_handshake_takes_any_message() {
    explore("dtls", 1000);
}

#[test]
fn strangers_at_the_port_of_dtls_are_answered_with_less() {
    explore("dtls_server", 1000);
}

/// `FERRITE_INPUT=sdp_offer:FILE` runs one input.
#[test]
fn one_input() {
    let Ok(named) = std::env::var("FERRITE_INPUT") else {
        return;
    };
    let (name, path) = named.split_once(':').unwrap();
    check(name, &fs::read(project().join(path)).unwrap());
}

#[test]
fn every_target_is_explored_and_has_a_corpus() {
    let source = include_str!("corpus.rs");
    for (name, _) in TARGETS {
        assert!(source.contains(&format!("explore(\"{name}\"")), "{name}");
        assert!(!corpus(name).is_empty());
    }
}

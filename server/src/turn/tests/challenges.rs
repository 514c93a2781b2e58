//! Who is let in, and what strangers can make the server do.

use super::bench::*;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::attribute::*;
use crate::media::net::stun::{Method, Writer};
use crate::turn::nonce::NONCE_LIFETIME;
use crate::turn::server::ANSWERS_AT_ONCE;

#[test]
fn a_client_is_told_its_address() {
    let mut bench = Bench::new();
    let client = Client::new("198.51.100.7:4000");
    let transports = [Transport::Udp, Transport::Tcp, Transport::Dtls];
    for path in transports.map(|transport| FourTuple {
        transport,
        ..client.path
    }) {
        let request = bare(&mut bench, Method::Binding);
        let answer = bench.ask(&path, &request);
        assert_eq!(answer.message().typ(), Method::Binding.success());
        assert_eq!(answer.address(XOR_MAPPED_ADDRESS), path.remote);
        assert_eq!(answer.0.len(), 32);
    }
}

#[test]
fn a_binding_request_with_a_riddle_is_refused() {
    let mut bench = Bench::new();
    let client = Client::new("198.51.100.7:4000");
    let transaction = bench.transaction();
    let mut out = bytes::BytesMut::new();
    let mut writer = Writer::new(&mut out, Method::Binding.request(), transaction);
    // CHANGE-REQUEST (RFC 5780 §7.2), which we cannot do.
    writer.add(0x0003, &[0, 0, 0, 4]);
    writer.fingerprint();
    writer.finish();
    let answer = bench.ask(&client.path, &out);
    assert_eq!(answer.code(), 420);
    assert_eq!(answer.message().get(UNKNOWN_ATTRIBUTES), Some(&[0, 3][..]));
    assert!(answer.message().has_fingerprint());
}

#[test]
fn whoever_knows_the_password_is_let_in_by_either_algorithm() {
    for sha256 in [false, true] {
        let mut bench = Bench::new();
        let mut client = Client::new("198.51.100.7:4000");
        client.sha256 = sha256;
        let answer = client.allocate(&mut bench);
        assert_eq!(answer.code(), 0);
        assert_eq!(answer.message().has(MESSAGE_INTEGRITY_SHA256), sha256);
        assert_eq!(answer.address(XOR_MAPPED_ADDRESS), client.path.remote);
        assert_eq!(
            answer.address(XOR_RELAYED_ADDRESS).ip().to_string(),
            "203.0.113.1"
        );
        assert_eq!(client.permit(&mut bench, PEER), 0);
    }
}

#[test]
fn whoever_does_not_know_it_is_not() {
    let mut bench = Bench::new();
    let good = Client::new("198.51.100.7:4000");
    let wrong = Client::called("198.51.100.7:4000", &good.username, "guess");
    let unknown = Client::called("198.51.100.7:4000", "nobody", &good.password);
    let mut late = good.clone();
    late.username = format!("{}:me", UNIX - 1);
    let secret = crate::turn::credentials::SharedSecret("north".to_owned());
    late.password = crate::turn::credentials::time_limited(&secret, &late.username);
    for mut client in [wrong, unknown, late] {
        let answer = client.allocate(&mut bench);
        assert_eq!(answer.code(), 401);
        assert!(answer.message().get(NONCE).is_some());
        assert!(!answer.message().has(MESSAGE_INTEGRITY));
    }
    assert!(bench.turn.is_empty() && bench.shared.quotas.is_empty());
}

#[test]
fn a_request_that_lacks_half_of_its_credentials_is_a_bad_one() {
    let mut bench = Bench::new();
    let client = Client::new("198.51.100.7:4000");
    for left_out in [USERNAME, REALM, NONCE] {
        let transaction = bench.transaction();
        let mut out = bytes::BytesMut::new();
        let mut writer = Writer::new(&mut out, Method::Allocate.request(), transaction);
        for typ in [USERNAME, REALM, NONCE] {
            if typ != left_out {
                writer.add(typ, b"x");
            }
        }
        writer.integrity(b"key");
        writer.finish();
        assert_eq!(bench.ask(&client.path, &out).code(), 400);
    }
}

#[test]
fn an_algorithm_that_somebody_left_out_on_the_way_is_noticed() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    let md5_only = |writer: &mut Writer<'_>| {
        writer.add(REQUESTED_TRANSPORT, &UDP);
        writer.add(PASSWORD_ALGORITHMS, &[0, 1, 0, 0]);
        writer.add(PASSWORD_ALGORITHM, &[0, 1, 0, 0]);
    };
    assert_eq!(
        client.ask(&mut bench, Method::Allocate, md5_only).code(),
        400
    );
}

#[test]
fn a_nonce_that_is_too_old_is_renewed_and_another_clients_is_none() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    client.relay(&mut bench);
    let mut thief = Client::new("198.51.100.8:4000");
    thief.nonce = client.nonce.clone();
    assert_eq!(thief.allocate(&mut bench).code(), 438);
    bench.machine.unix += NONCE_LIFETIME;
    let answer = client.refresh(&mut bench, 600);
    assert_eq!(answer.code(), 438);
    client.nonce = answer.message().get(NONCE).unwrap().to_vec();
    assert_eq!(client.refresh(&mut bench, 600).code(), 0);
}

#[test]
fn strangers_are_answered_seldom_and_leave_nothing_behind() {
    let mut bench = Bench::new();
    let me = Client::new("198.51.100.7:4000");
    let request = bare(&mut bench, Method::Allocate);
    let (mut answers, mut bytes) = (0, 0);
    for port in 1..10_000 {
        let mut path = me.path;
        path.remote.set_port(port);
        bench.give(&path, &request);
        for (_, answer) in bench.sent() {
            answers += 1;
            bytes += answer.len();
        }
    }
    assert_eq!(answers, ANSWERS_AT_ONCE as usize);
    // What is asked for in all is more than what is answered.
    assert!(bytes < 10_000 * request.len(), "{bytes}");
    assert!(bench.turn.is_empty() && bench.shared.quotas.is_empty());
    // Another is not hindered, nor is who has shown who it is.
    let mut other = Client::new("198.51.100.8:4000");
    assert_eq!(other.allocate(&mut bench).code(), 0);
}

#[test]
fn who_is_known_is_answered_however_often_it_asks() {
    let mut bench = Bench::new();
    let mut client = Client::new("198.51.100.7:4000");
    client.relay(&mut bench);
    for _ in 0..2 * ANSWERS_AT_ONCE {
        assert_eq!(client.refresh(&mut bench, 600).code(), 0);
    }
}

#[test]
fn no_relay_is_had_by_way_of_a_relay() {
    let mut bench = Bench::new();
    let mut path = Client::new("198.51.100.7:4000").path;
    path.transport = Transport::Relayed;
    for method in [Method::Allocate, Method::Binding] {
        let request = bare(&mut bench, method);
        assert!(bench.give(&path, &request).is_none() && bench.sent().is_empty());
    }
}

//! Consent, which offers and media do not renew.

use super::*;
use crate::media::net::path::Transport;
use crate::media::net::stun::attribute::{PRIORITY, USERNAME};
use crate::media::net::stun::{Method, TransactionId, Writer};

fn credentials(ufrag: &str) -> Credentials {
    Credentials {
        ufrag: ufrag.to_owned(),
        pwd: "password".to_owned(),
    }
}

fn path() -> FourTuple {
    FourTuple {
        transport: Transport::Udp,
        local: "127.0.0.1:1".parse().unwrap(),
        remote: "127.0.0.1:2".parse().unwrap(),
    }
}

/// RFC 7675 §5.1: only an answered check renews consent.
#[test]
fn offers_of_restarts_do_not_prolong_consent() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut ice = IceLite::new(start, credentials("a"));
    ice.set_remote(start, credentials("b"));
    ice.note_check(start, path(), 100, true, true);
    for seconds in 1..=35 {
        ice.handle_timeout(at(seconds));
        let expected = match Duration::from_secs(seconds) {
            silence if silence < DISCONNECTED_AFTER => IceState::Connected,
            silence if silence < CONSENT_EXPIRES_AFTER => IceState::Disconnected,
            _ => IceState::Checking,
        };
        assert_eq!(ice.state(), expected, "{seconds} s");
        let may_send = Duration::from_secs(seconds) < CONSENT_EXPIRES_AFTER;
        assert_eq!(ice.selected().is_some(), may_send, "{seconds} s");
        if seconds % 4 == 0 {
            ice.restart(at(seconds), credentials("c"), credentials("d"));
        }
    }
    ice.handle_timeout(at(36 + 30));
    assert_eq!(ice.state(), IceState::Failed);
}

/// RFC 7675 §5.1: what comes is no consent, however authentic it is.
#[test]
fn who_sends_but_consents_no_more_gets_three_times_what_it_sends() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let mut ice = IceLite::new(start, credentials("a"));
    ice.set_remote(start, credentials("b"));
    ice.note_check(start, path(), 100, true, true);
    assert!(ice.admit(&path(), 300) && !ice.admit(&path(), 1));
    let pair = ice.pairs.get_mut(&path()).unwrap();
    pair.hear_answer(start);
    ice.conclude(start);
    assert!(ice.admit(&path(), 1_000_000));
    for seconds in 1..=40 {
        ice.note_media(at(seconds), path(), 100);
        ice.handle_timeout(at(seconds));
        assert_eq!(ice.state(), IceState::Connected);
        let may_send = Duration::from_secs(seconds) < CONSENT_EXPIRES_AFTER;
        assert_eq!(ice.has_room(&path(), 1_000_000), may_send, "{seconds} s");
    }
    // What came in the 10 s since.
    assert!(ice.admit(&path(), 3 * 10 * 100) && !ice.admit(&path(), 1));
    ice.note_check(at(41), path(), 100, true, false);
    assert!(ice.admit(&path(), 1_000_000));
}

/// A check for `a` from `b`, with this password.
fn check(pwd: &str) -> BytesMut {
    let mut out = BytesMut::new();
    let mut writer = Writer::new(&mut out, Method::Binding.request(), TransactionId([7; 12]));
    writer.add(USERNAME, b"a:b");
    writer.add(PRIORITY, &1_u32.to_be_bytes());
    writer.integrity(pwd.as_bytes());
    writer.fingerprint();
    writer.finish();
    out
}

/// RFC 7675 §5.1: they are not answered. But who asks why is not told that they are missing.
#[test]
fn checks_that_come_too_late_are_counted_apart() {
    let start = Instant::now();
    let mut ice = IceLite::new(start, credentials("a"));
    ice.set_remote(start, credentials("b"));
    let is_answered = |ice: &mut IceLite, at, pwd| {
        let answered = ice.handle_request(at, path(), &check(pwd));
        answered.is_some_and(|answered| answered.authentic)
    };
    assert!(is_answered(&mut ice, start, "password"));
    let late = start + CONSENT_EXPIRES_AFTER;
    ice.handle_timeout(late);
    assert_eq!(ice.state(), IceState::Failed);
    for pwd in ["password", "another", "password"] {
        assert!(!is_answered(&mut ice, late, pwd));
    }
    let seen = ice.evidence(late);
    assert_eq!((seen.udp.checks, seen.late, seen.strangers), (1, 2, 0));
    assert_eq!(seen.state, PathState::Silent);
}

#[test]
fn a_path_by_tcp_is_known_for_one() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let start = Instant::now();
        let mut ice = IceLite::new(start, credentials("a"));
        ice.set_remote(start, credentials("b"));
        let tuple = FourTuple {
            transport,
            ..path()
        };
        ice.note_check(start, tuple, 100, true, true);
        let seen = ice.evidence(start);
        assert_eq!(seen.is_by_tcp, transport == Transport::Tcp);
    }
}

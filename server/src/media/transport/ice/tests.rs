//! Consent, which offers and media do not renew.

use super::*;
use crate::media::net::path::Transport;

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

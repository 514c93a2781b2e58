//! Offers that follow on an answer.

use super::super::{Agreed, Answer, Section, begins_anew};
use super::{answer_to, answered, assert_line, audio, data, is_rejected, media, offer, video};

fn next(offer: &str, previous: &Agreed) -> Result<Answer, String> {
    answer_to(offer, Some(previous)).map_err(|e| e.to_string())
}

fn stopped(section: &str) -> String {
    let kind = section.split(' ').next().unwrap();
    section.replacen(&format!("{kind} 9"), &format!("{kind} 0"), 1)
}

#[test]
fn the_same_offer_gets_the_same_answer_under_a_new_version() {
    let offer = offer(&[audio("0"), video("1"), data("2")]);
    let first = answered(&offer);
    let second = next(&offer, &first.agreed).unwrap();
    assert_eq!(second.agreed.version, 2);
    assert_eq!(second.agreed.sections, first.agreed.sections);
    assert_eq!(
        second.sdp.lines().skip(2).collect::<Vec<_>>(),
        first.sdp.lines().skip(2).collect::<Vec<_>>()
    );
}

#[test]
fn another_session_id_with_other_credentials_is_another_session() {
    let first = offer(&[audio("0"), video("1"), data("2")]);
    let agreed = answered(&first).agreed;
    let origin = first.lines().find(|line| line.starts_with("o=")).unwrap();
    let other_id = |offer: &str| offer.replace(origin, "o=- 99 1 IN IP4 127.0.0.1");
    let restarted = |offer: &str| offer.replace(&agreed.ice_ufrag, "other");
    let anew = |offer: &str| begins_anew(offer, &agreed);
    assert!(!anew(&first));
    // A restart has the same id; and some have another for every offer.
    assert!(!anew(&restarted(&first)));
    assert!(!anew(&other_id(&first)));
    assert!(anew(&restarted(&other_id(&first))));
    assert!(!anew("nonsense"));
}

#[test]
fn sections_never_become_fewer() {
    let first = answered(&offer(&[audio("0"), video("1")]));
    let why = next(&offer(&[audio("0")]), &first.agreed).unwrap_err();
    assert!(why.contains("never become fewer"), "{why}");
}

#[test]
fn a_section_keeps_its_mid_and_its_kind() {
    let first = answered(&offer(&[audio("0"), video("1")]));
    for changed in [
        [audio("0"), video("x")],
        [video("1"), audio("0")],
        [audio("0"), data("1")],
    ] {
        let why = next(&offer(&changed), &first.agreed).unwrap_err();
        assert!(why.contains("agreed on before"), "{why}");
    }
}

#[test]
fn a_stopped_section_can_be_recycled() {
    let first = answered(&offer(&[audio("0"), video("1")]));
    let second = next(&offer(&[audio("0"), stopped(&video("1"))]), &first.agreed).unwrap();
    assert_eq!(
        second.agreed.sections[1],
        Section::Rejected {
            mid: Some("1".into())
        }
    );
    let third = next(&offer(&[audio("0"), data("2")]), &second.agreed).unwrap();
    assert_line(&third.sdp, usize::MAX, "a=group:BUNDLE 0 2");
    assert!(!is_rejected(&third, 1));
}

#[test]
fn a_recycled_section_sends_a_stream_of_its_own() {
    let first = answered(&offer(&[audio("0"), video("1")]));
    let second = next(&offer(&[audio("0"), stopped(&video("1"))]), &first.agreed).unwrap();
    let third = next(&offer(&[audio("0"), video("2")]), &second.agreed).unwrap();
    assert_ne!(media(&third, 1).send, media(&first, 1).send);
    assert_eq!(media(&third, 0).send, media(&first, 0).send);
}

#[test]
fn when_everything_stops_the_transport_stays_as_it_was() {
    let first = answered(&offer(&[video("0")]));
    let second = next(&offer(&[stopped(&video("0"))]), &first.agreed).unwrap();
    assert!(is_rejected(&second, 0));
    assert_eq!(second.agreed.ice_ufrag, first.agreed.ice_ufrag);
    assert_eq!(second.agreed.fingerprints, first.agreed.fingerprints);
    assert_eq!(second.agreed.version, 2);
}

#[test]
fn new_credentials_are_seen() {
    let offer = offer(&[audio("0")]);
    let first = answered(&offer);
    let restart = offer
        .replace("ice-ufrag:brws", "ice-ufrag:next")
        .replace("browserPassword", "anotherPassword");
    let second = next(&restart, &first.agreed).unwrap();
    assert_eq!(second.agreed.ice_ufrag, "next");
    assert_ne!(second.agreed.ice_pwd, first.agreed.ice_pwd);
    assert_eq!(second.agreed.sections, first.agreed.sections);
}

#[test]
fn a_section_may_be_held_and_resumed() {
    let sendrecv = offer(&[audio("0")]);
    let first = answered(&sendrecv);
    let held = next(&sendrecv.replace("a=sendrecv", "a=inactive"), &first.agreed).unwrap();
    assert_eq!(media(&held, 0).send, None);
    let back = next(&sendrecv, &held.agreed).unwrap();
    assert!(media(&back, 0).send.is_some());
}

#[test]
fn sections_without_mids_go_on_by_their_place() {
    let offer = format!(
        "{}{}",
        super::SESSION,
        audio("0").replace("a=mid:0\r\n", "")
    );
    let first = answered(&offer);
    let second = next(&offer, &first.agreed).unwrap();
    assert_eq!(media(&second, 0).send, media(&first, 0).send);
}

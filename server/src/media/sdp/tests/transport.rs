//! ICE credentials, certificate digests and DTLS roles.

use super::super::{Agreed, Answer, DtlsRole, HashAlgorithm};
use super::{answer_to, answered, assert_line, assert_no_line, audio, data, offer, refused, video};

const DIGEST: &str = "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF";

fn with(old: &str, new: &str) -> String {
    let offer = offer(&[audio("0"), data("1")]);
    assert!(offer.contains(old), "{old}");
    offer.replace(old, new)
}

fn setup(offered: &str, previous: Option<&Agreed>) -> Result<Answer, String> {
    let line = format!("a=setup:{offered}");
    answer_to(&with("a=setup:actpass", &line), previous).map_err(|e| e.to_string())
}

#[test]
fn the_answer_is_ice_lite_with_every_candidate() {
    let answer = answered(&offer(&[audio("0"), data("1")]));
    assert_line(&answer.sdp, usize::MAX, "a=ice-lite");
    assert_line(&answer.sdp, usize::MAX, "a=ice-options:ice2 trickle");
    assert_line(
        &answer.sdp,
        0,
        "a=candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host",
    );
    assert_line(&answer.sdp, 0, "a=end-of-candidates");
    assert_line(&answer.sdp, 1, "a=ice-ufrag:srvU");
    assert_line(&answer.sdp, 1, "a=ice-pwd:srvPasswordOf24Character");
}

#[test]
fn trickle_is_answered_where_it_was_offered() {
    let answer = answered(&with("a=ice-options:trickle\r\n", ""));
    assert_line(&answer.sdp, usize::MAX, "a=ice-options:ice2");
    let answer = answered(&with("a=ice-options:trickle", "a=ice-options:ice2,trickle"));
    assert_line(&answer.sdp, usize::MAX, "a=ice-options:ice2 trickle");
}

#[test]
fn candidates_that_come_later_are_not_declared_ended() {
    let mut local = super::local();
    local.candidates.clear();
    let offer = offer(&[audio("0")]);
    let answer = super::answer(&offer, &local, None, &mut || 7).unwrap();
    assert_no_line(&answer.sdp, "a=end-of-candidates");
}

#[test]
fn credentials_come_from_the_section_or_from_the_session() {
    let answer = answered(&with("a=ice-ufrag:brws", "a=ice-ufrag:else"));
    assert_eq!(answer.agreed.ice_ufrag, "else");
    let lines = "a=ice-ufrag:brws\r\na=ice-pwd:browserPasswordOf22Len\r\n";
    let moved = with(lines, "").replace("t=0 0\r\n", &format!("t=0 0\r\n{lines}"));
    let answer = answered(&moved);
    assert_eq!(answer.agreed.ice_ufrag, "brws");
    assert_eq!(answer.agreed.ice_pwd, "browserPasswordOf22Len");
}

#[test]
fn the_first_section_of_the_group_speaks_for_the_transport() {
    let other = data("1").replace("a=ice-ufrag:brws", "a=ice-ufrag:data");
    let offer = offer(&[audio("0"), other]).replace("BUNDLE 0 1", "BUNDLE 1 0");
    assert_eq!(answered(&offer).agreed.ice_ufrag, "data");
}

#[test]
fn missing_or_malformed_credentials_are_named() {
    assert!(refused(&with("a=ice-ufrag:brws\r\n", "")).contains("no a=ice-ufrag"));
    assert!(refused(&with("a=ice-pwd:browserPasswordOf22Len\r\n", "")).contains("no a=ice-pwd"));
    assert!(refused(&with("a=ice-ufrag:brws", "a=ice-ufrag:x")).contains("a=ice-ufrag is not 4"));
    assert!(refused(&with("a=ice-ufrag:brws", "a=ice-ufrag:br:ws")).contains("a=ice-ufrag is not"));
    assert!(refused(&with("a=ice-pwd:browser", "a=ice-pwd:b")).contains("a=ice-pwd is not 22"));
}

#[test]
fn two_lite_ends_are_refused() {
    assert!(refused(&with("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n")).contains("ice-lite"));
}

#[test]
fn the_fingerprint_may_stand_at_the_session() {
    let line = format!("a=fingerprint:sha-256 {DIGEST}\r\n");
    let answer = answered(&with(&line, "").replace("t=0 0\r\n", &format!("t=0 0\r\n{line}")));
    let [fingerprint] = &answer.agreed.fingerprints[..] else {
        panic!("{:?}", answer.agreed.fingerprints);
    };
    assert_eq!(fingerprint.algorithm, HashAlgorithm::Sha256);
    assert_eq!(fingerprint.digest[..3], [0x00, 0x11, 0x22]);
}

#[test]
fn longer_digests_and_other_spellings_are_taken() {
    let sha512 = format!(
        "a=fingerprint:SHA-512 {DIGEST}:{}\r\n",
        DIGEST.to_lowercase()
    );
    let sha384 = format!("a=fingerprint:sha-384 {DIGEST}:{}\r\n", &DIGEST[..47]);
    let answer = answered(&with("a=setup", &format!("{sha512}{sha384}a=setup")));
    let lengths: Vec<_> = answer
        .agreed
        .fingerprints
        .iter()
        .map(|f| f.digest.len())
        .collect();
    assert_eq!(lengths, [32, 64, 48]);
}

#[test]
fn older_digests_are_passed_over() {
    let sha1 =
        "a=fingerprint:sha-1 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33\r\n";
    let answer = answered(&with("a=setup", &format!("{sha1}a=setup")));
    assert_eq!(answer.agreed.fingerprints.len(), 1);
    let why = refused(&with(&format!("a=fingerprint:sha-256 {DIGEST}\r\n"), sha1));
    assert!(why.contains("sha-256, sha-384 or sha-512"), "{why}");
}

#[test]
fn malformed_digests_are_refused() {
    for broken in [
        "00:11",
        "zz",
        "",
        &DIGEST.replace("00", "+0"),
        &DIGEST.replace(':', ""),
    ] {
        let why = refused(&with(DIGEST, broken));
        assert!(why.contains("well-formed"), "{broken}: {why}");
    }
}

#[test]
fn no_fingerprint_is_refused() {
    let why = refused(&with(&format!("a=fingerprint:sha-256 {DIGEST}\r\n"), ""));
    assert!(why.contains("no a=fingerprint"), "{why}");
}

#[test]
fn sdes_keys_are_refused_by_name() {
    let keys =
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
    let why = refused(&with(&format!("a=fingerprint:sha-256 {DIGEST}\r\n"), keys));
    assert!(why.contains("SDES") && why.contains("DTLS-SRTP"), "{why}");
}

/// RFC 5763 §5: who answers begins, where the offer leaves the choice.
#[test]
fn this_end_begins_where_it_may() {
    for offered in ["actpass", "passive"] {
        let answer = setup(offered, None).unwrap();
        assert_eq!(answer.agreed.dtls_role, DtlsRole::Client);
        assert_line(&answer.sdp, 0, "a=setup:active");
        assert_line(&answer.sdp, 1, "a=setup:active");
    }
}

#[test]
fn an_active_offer_makes_this_end_the_server() {
    let answer = setup("active", None).unwrap();
    assert_eq!(answer.agreed.dtls_role, DtlsRole::Server);
    assert_line(&answer.sdp, 0, "a=setup:passive");
    assert_line(&answer.sdp, 1, "a=setup:passive");
}

#[test]
fn an_offer_without_setup_is_active() {
    let answer = answered(&with("a=setup:actpass\r\n", ""));
    assert_eq!(answer.agreed.dtls_role, DtlsRole::Server);
}

#[test]
fn holdconn_and_nonsense_are_refused() {
    assert!(setup("holdconn", None).unwrap_err().contains("holdconn"));
    assert!(setup("maybe", None).unwrap_err().contains("a=setup"));
}

#[test]
fn the_role_stays_as_agreed() {
    for (first, other, role, line) in [
        ("passive", "active", DtlsRole::Client, "a=setup:active"),
        ("active", "passive", DtlsRole::Server, "a=setup:passive"),
        ("actpass", "active", DtlsRole::Client, "a=setup:active"),
    ] {
        let before = setup(first, None).unwrap().agreed;
        for offered in [first, "actpass"] {
            let again = setup(offered, Some(&before)).unwrap();
            assert_eq!(again.agreed.dtls_role, role);
            assert_line(&again.sdp, 0, line);
        }
        let why = setup(other, Some(&before)).unwrap_err();
        assert!(why.contains("changes the DTLS roles"), "{why}");
    }
}

#[test]
fn another_certificate_is_another_association() {
    let server = setup("active", None).unwrap().agreed;
    let offer = offer(&[audio("0"), data("1")]).replace(DIGEST, &DIGEST.replace("AA", "AB"));
    for (offered, role) in [
        ("actpass", DtlsRole::Client),
        ("passive", DtlsRole::Client),
        ("active", DtlsRole::Server),
    ] {
        let offer = offer.replace("a=setup:actpass", &format!("a=setup:{offered}"));
        let answer = answer_to(&offer, Some(&server)).unwrap();
        assert_eq!(answer.agreed.dtls_role, role, "{offered}");
    }
}

#[test]
fn roles_are_free_again_after_everything_stopped() {
    let server = setup("active", None).unwrap().agreed;
    let stopped = offer(&[audio("0"), data("1")])
        .replace("m=audio 9", "m=audio 0")
        .replace("m=application 9", "m=application 0");
    let stopped = answer_to(&stopped, Some(&server)).unwrap();
    assert_eq!(stopped.agreed.dtls_role, DtlsRole::Server);
    assert_no_line(&stopped.sdp, "a=group");
    let answer = answer_to(&offer(&[video("2"), data("3")]), Some(&stopped.agreed)).unwrap();
    assert_eq!(answer.agreed.dtls_role, DtlsRole::Client);
}

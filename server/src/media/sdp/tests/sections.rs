//! Sections: order, directions, refusals.

use super::super::{Direction, MediaKind};
use super::{
    SESSION, answered, assert_line, audio, data, is_rejected, media, offer, refused, video,
};

#[test]
fn directions_are_answered_from_the_other_side() {
    let expected = [
        ("sendrecv", "sendrecv", true, true),
        ("sendonly", "recvonly", false, true),
        ("recvonly", "sendonly", true, false),
        ("inactive", "inactive", false, false),
    ];
    for (offered, spelled, send, recv) in expected {
        let answer = answered(&offer(&[
            audio("0").replace("a=sendrecv", &format!("a={offered}"))
        ]));
        assert_line(&answer.sdp, 0, &format!("a={spelled}"));
        assert_eq!(media(&answer, 0).direction, Direction { send, recv });
        assert_eq!(media(&answer, 0).send.is_some(), send, "{offered}");
    }
}

#[test]
fn a_direction_is_the_sections_then_the_sessions_then_both() {
    let bare = audio("0").replace("a=sendrecv\r\n", "");
    assert_line(
        &answered(&offer(std::slice::from_ref(&bare))).sdp,
        0,
        "a=sendrecv",
    );
    let session = offer(&[bare, video("1")]).replace("t=0 0\r\n", "t=0 0\r\na=sendonly\r\n");
    let answer = answered(&session);
    assert_line(&answer.sdp, 0, "a=recvonly");
    assert_line(&answer.sdp, 1, "a=sendrecv");
}

#[test]
fn sections_stay_in_order_wherever_data_stands() {
    let answer = answered(&offer(&[data("d"), video("v"), audio("a"), video("w")]));
    assert_eq!(super::data_section(&answer, 0).mid, "d");
    assert_eq!(
        (media(&answer, 1).kind, media(&answer, 1).mid.as_str()),
        (MediaKind::Video, "v")
    );
    assert_eq!(media(&answer, 2).kind, MediaKind::Audio);
    assert_eq!(media(&answer, 3).mid, "w");
}

#[test]
fn port_0_is_rejected() {
    let answer = answered(&offer(&[
        audio("0"),
        video("1").replace("m=video 9", "m=video 0"),
    ]));
    assert!(is_rejected(&answer, 1));
    assert_line(&answer.sdp, 1, "m=video 0 UDP/TLS/RTP/SAVPF 96");
    assert_line(&answer.sdp, 1, "a=mid:1");
}

#[test]
fn kinds_and_protocols_that_are_not_spoken_are_rejected() {
    let text = audio("1")
        .replace("m=audio", "m=text")
        .replace("opus/48000/2", "t140/1000");
    let plain = audio("2").replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
    let bfcp = data("3").replace("UDP/DTLS/SCTP webrtc-datachannel", "TCP/TLS/BFCP *");
    let answer = answered(&offer(&[audio("0"), text, plain, bfcp]));
    assert!((1..=3).all(|index| is_rejected(&answer, index)));
    assert_line(&answer.sdp, 1, "m=text 0 UDP/TLS/RTP/SAVPF 111");
    assert_line(&answer.sdp, 2, "m=audio 0 RTP/AVP 111");
    assert_line(&answer.sdp, 3, "m=application 0 TCP/TLS/BFCP *");
    assert_line(&answer.sdp, usize::MAX, "a=group:BUNDLE 0");
}

#[test]
fn an_older_protocol_name_is_mirrored() {
    let answer = answered(&offer(&[
        audio("0").replace("UDP/TLS/RTP/SAVPF", "RTP/SAVPF")
    ]));
    assert_line(&answer.sdp, 0, "m=audio 9 RTP/SAVPF 111");
}

#[test]
fn an_offer_of_which_nothing_can_be_taken_is_refused_with_the_reasons() {
    let plain = audio("0").replace("UDP/TLS/RTP/SAVPF", "RTP/AVP");
    let why = refused(&offer(&[plain, video("1").replace("VP8", "H263")]));
    assert!(
        why.contains("audio section with mid \"0\" is over a protocol other than DTLS-SRTP"),
        "{why}"
    );
    assert!(
        why.contains("video section with mid \"1\" has no codec"),
        "{why}"
    );
}

#[test]
fn an_offer_without_sections_is_refused() {
    assert!(refused(SESSION).contains("no media section"));
}

#[test]
fn what_is_no_sdp_is_refused() {
    assert!(refused("").contains("not SDP"));
    assert!(refused("hello").contains("not SDP"));
    assert!(refused("v=0\r\nnonsense\r\n").contains("line 2 of the offer has no \"=\""));
    assert!(refused("v=0\r\nm=audio\r\n").contains("short m= line"));
    assert!(refused("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF\r\n").contains("without a format"));
    assert!(refused("v=0\r\nm=audio x UDP/TLS/RTP/SAVPF 1\r\n").contains("no number"));
}

#[test]
fn bare_line_feeds_are_lines() {
    let offer = offer(&[audio("0"), data("1")]);
    assert_eq!(
        answered(&offer.replace("\r\n", "\n")).sdp,
        answered(&offer).sdp
    );
}

#[test]
fn nothing_mirrored_can_begin_a_line() {
    let why = refused(&offer(&[audio("0") + "a=fmtp:111 x=1\ra=ice-lite\r\n"]));
    assert!(why.contains("carriage return"), "{why}");
    let why = refused(&offer(&[audio("0") + "a=fmtp:111 x=\0\r\n"]));
    assert!(why.contains("NUL"), "{why}");
}

/// RFC 8866 §9, byte-string.
#[test]
fn a_tab_is_text_wherever_it_stands() {
    let plain = offer(&[audio("0"), data("1")]);
    let expected = answered(&plain).sdp;
    let session = plain.replace("s=-", "s=a\ttalk\u{7}");
    let attribute = plain.clone() + "a=note:one\ttwo\r\n";
    let information = plain.replace("t=0 0", "i=a\ttalk\r\nt=0 0");
    for with_tab in [session, attribute, information] {
        assert_ne!(with_tab, plain);
        assert_eq!(answered(&with_tab).sdp, expected);
    }
}

#[test]
fn reduced_size_rtcp_is_mirrored() {
    let answer = answered(&offer(&[audio("0"), video("1") + "a=rtcp-rsize\r\n"]));
    assert!(!media(&answer, 0).reduced_size_rtcp && media(&answer, 1).reduced_size_rtcp);
    assert_line(&answer.sdp, 1, "a=rtcp-rsize");
}

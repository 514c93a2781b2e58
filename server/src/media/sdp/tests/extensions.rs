//! Which header extensions are taken, and under which id.

use super::super::{Answer, Extensions};
use super::{answered, assert_line, assert_no_line, audio, media, offer, video};

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
const REPAIRED: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
const LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// An answer to an audio and a video section with these mappings.
fn mapped(in_audio: &[&str], in_video: &[&str]) -> Answer {
    let lines = |mappings: &[&str]| {
        mappings
            .iter()
            .map(|m| format!("a=extmap:{m}\r\n"))
            .collect::<String>()
    };
    answered(&offer(&[
        audio("0") + &lines(in_audio),
        video("1") + &lines(in_video),
    ]))
}

fn ids(answer: &Answer, index: usize) -> Extensions {
    media(answer, index).extensions
}

#[test]
fn every_known_extension_is_taken_under_the_offers_id() {
    let answer = mapped(
        &[
            &format!("1 {LEVEL} vad=on"),
            &format!("4 {MID}"),
            &format!("2 {SEND_TIME}"),
        ],
        &[
            &format!("4 {MID}"),
            &format!("10 {RID}"),
            &format!("11 {REPAIRED}"),
            &format!("3 {TRANSPORT_CC}"),
            &format!("2 {SEND_TIME}"),
            "13 urn:3gpp:video-orientation",
            "12 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
            "14 urn:ietf:params:rtp-hdrext:toffset",
        ],
    );
    let audio = Extensions {
        audio_level: Some(1),
        mid: Some(4),
        abs_send_time: Some(2),
        ..Extensions::default()
    };
    assert_eq!(ids(&answer, 0), audio);
    let video = Extensions {
        mid: Some(4),
        rid: Some(10),
        repaired_rid: Some(11),
        transport_cc: Some(3),
        abs_send_time: Some(2),
        audio_level: None,
        video_orientation: Some(13),
        dependency_descriptor: Some(12),
    };
    assert_eq!(ids(&answer, 1), video);
    assert_line(&answer.sdp, 0, &format!("a=extmap:1 {LEVEL} vad=on"));
    assert_no_line(&answer.sdp, "a=extmap:14");
}

#[test]
fn directions_are_seen_from_the_other_end() {
    let answer = mapped(
        &[],
        &[
            &format!("9/sendonly {RID}"),
            &format!("3/recvonly {MID}"),
            &format!("5/inactive {SEND_TIME}"),
        ],
    );
    assert_line(&answer.sdp, 1, &format!("a=extmap:9/recvonly {RID}"));
    assert_line(&answer.sdp, 1, &format!("a=extmap:3/sendonly {MID}"));
    assert_eq!(ids(&answer, 1).rid, Some(9));
    assert_eq!(ids(&answer, 1).abs_send_time, None);
}

#[test]
fn extensions_of_the_session_are_extensions_of_every_section() {
    let offer = offer(&[audio("0"), video("1")])
        .replace("t=0 0\r\n", &format!("t=0 0\r\na=extmap:4 {MID}\r\n"));
    let answer = answered(&offer);
    assert_eq!(
        (ids(&answer, 0).mid, ids(&answer, 1).mid),
        (Some(4), Some(4))
    );
}

#[test]
fn ids_that_cannot_be_are_passed_over() {
    for id in ["0", "15", "256", "4096", "-1", "x", ""] {
        let answer = mapped(&[&format!("{id} {MID}")], &[]);
        assert_eq!(ids(&answer, 0).mid, None, "{id}");
    }
    assert_eq!(ids(&mapped(&[&format!("16 {MID}")], &[]), 0).mid, Some(16));
}

#[test]
fn the_first_meaning_of_an_id_counts() {
    let answer = mapped(
        &[
            &format!("4 {MID}"),
            &format!("4 {LEVEL}"),
            &format!("5 {MID}"),
        ],
        &[],
    );
    assert_eq!(
        ids(&answer, 0),
        Extensions {
            mid: Some(4),
            ..Extensions::default()
        }
    );
}

#[test]
fn an_id_that_names_sections_means_nothing_else() {
    // Packets of both sections arrive on one transport, and the id is read before their section is known.
    let answer = mapped(
        &[&format!("4 {MID}"), &format!("2 {LEVEL}")],
        &[&format!("4 {SEND_TIME}"), &format!("5 {MID}")],
    );
    assert_eq!(ids(&answer, 0).mid, Some(4));
    assert_eq!(ids(&answer, 1), Extensions::default());
    // Ids of other extensions may differ (aiortc).
    let answer = mapped(
        &[&format!("4 {MID}"), &format!("2 {LEVEL}")],
        &[&format!("4 {MID}"), &format!("2 {SEND_TIME}")],
    );
    assert_eq!(ids(&answer, 1).abs_send_time, Some(2));
}

#[test]
fn mixed_headers_are_mirrored_where_they_stand() {
    let at_session = offer(&[audio("0")]).replace("t=0 0\r\n", "t=0 0\r\na=extmap-allow-mixed\r\n");
    assert_line(
        &answered(&at_session).sdp,
        usize::MAX,
        "a=extmap-allow-mixed",
    );
    let in_section = offer(&[audio("0") + "a=extmap-allow-mixed\r\n"]);
    assert_line(&answered(&in_section).sdp, 0, "a=extmap-allow-mixed");
    assert_no_line(&answered(&offer(&[audio("0")])).sdp, "a=extmap-allow-mixed");
}

//! One transport for everything: BUNDLE (RFC 9143), rtcp-mux, and offers without.

use super::{
    SESSION, answered, assert_line, assert_no_line, audio, data, is_rejected, offer, refused, video,
};

#[test]
fn the_group_of_the_answer_is_the_offers() {
    let sections = [audio("a"), video("v"), data("d")];
    let offer = offer(&sections).replace("BUNDLE a v d", "BUNDLE d v a");
    let answer = answered(&offer);
    assert_line(&answer.sdp, usize::MAX, "a=group:BUNDLE d v a");
    // The first of the group carries the candidates.
    assert_line(&answer.sdp, 2, "a=end-of-candidates");
    assert_eq!(answer.sdp.matches("a=candidate:").count(), 1);
}

#[test]
fn a_rejected_section_leaves_the_group() {
    let stopped = video("v").replace("m=video 9", "m=video 0");
    let answer = answered(&offer(&[stopped, audio("a"), data("d")]));
    assert_line(&answer.sdp, usize::MAX, "a=group:BUNDLE a d");
    assert_line(&answer.sdp, 1, "a=end-of-candidates");
}

#[test]
fn several_sections_without_a_group_are_refused() {
    let why = refused(&format!("{SESSION}{}{}", audio("a"), video("v")));
    assert!(why.contains("no a=group:BUNDLE"), "{why}");
}

#[test]
fn one_section_needs_no_group() {
    let answer = answered(&format!("{SESSION}{}", audio("a")));
    assert_no_line(&answer.sdp, "a=group");
    assert_line(&answer.sdp, 0, "a=mid:a");
    assert_line(&answer.sdp, 0, "a=end-of-candidates");
}

#[test]
fn one_section_needs_no_mid() {
    let section = audio("a").replace("a=mid:a\r\n", "");
    let answer = answered(&format!("{SESSION}{section}"));
    assert_no_line(&answer.sdp, "a=mid");
    assert_eq!(super::media(&answer, 0).mid, "0");
}

#[test]
fn sections_left_over_by_a_rejection_need_no_group() {
    let text = audio("t").replace("m=audio", "m=text");
    let answer = answered(&format!("{SESSION}{}{text}", audio("a")));
    assert!(is_rejected(&answer, 1));
}

#[test]
fn a_section_outside_the_group_is_refused_by_name() {
    let offer = offer(&[audio("a"), video("v"), data("d")]).replace("BUNDLE a v d", "BUNDLE a d");
    let why = refused(&offer);
    assert!(why.contains("video section with mid \"v\""), "{why}");
}

#[test]
fn two_groups_are_refused() {
    let offer =
        offer(&[audio("a"), video("v")]).replace("BUNDLE a v", "BUNDLE a\r\na=group:BUNDLE v");
    assert!(refused(&offer).contains("several BUNDLE groups"));
}

#[test]
fn a_tag_without_a_section_is_ignored() {
    let answer = answered(&offer(&[audio("1")]).replace("BUNDLE 1", "BUNDLE 0 1"));
    assert_line(&answer.sdp, usize::MAX, "a=group:BUNDLE 1");
}

#[test]
fn a_tag_named_twice_is_refused() {
    let offer = offer(&[audio("a"), video("v")]).replace("BUNDLE a v", "BUNDLE a v a");
    assert!(refused(&offer).contains("twice"));
}

#[test]
fn two_sections_with_one_mid_are_refused() {
    let why = refused(&offer(&[audio("x"), video("x")]).replace("BUNDLE x x", "BUNDLE x"));
    assert!(
        why.contains("two media sections have the mid \"x\""),
        "{why}"
    );
}

#[test]
fn mids_for_some_sections_only_are_refused() {
    let why = refused(&offer(&[audio("a"), video("v").replace("a=mid:v\r\n", "")]));
    assert!(why.contains("some have none"), "{why}");
}

#[test]
fn a_mid_that_is_no_token_is_refused() {
    assert!(refused(&offer(&[audio("a b")])).contains("malformed a=mid"));
}

#[test]
fn rtcp_mux_is_required_in_plain_words() {
    let why = refused(&offer(&[audio("a").replace("a=rtcp-mux\r\n", "")]));
    assert!(
        why.contains("no a=rtcp-mux") && why.contains("rtcpMuxPolicy"),
        "{why}"
    );
}

#[test]
fn one_section_of_the_group_speaks_for_rtcp_mux() {
    let video = video("v").replace("a=rtcp-mux\r\n", "");
    answered(&offer(&[audio("a"), video]));
}

#[test]
fn rtcp_mux_only_is_rtcp_mux() {
    let audio = audio("a").replace("a=rtcp-mux\r\n", "a=rtcp-mux-only\r\n");
    assert_line(&answered(&offer(&[audio])).sdp, 0, "a=rtcp-mux");
}

#[test]
fn bundle_only_with_port_0_is_taken() {
    let video = video("v").replace("m=video 9", "m=video 0") + "a=bundle-only\r\n";
    let answer = answered(&offer(&[audio("a"), video]));
    assert!(!is_rejected(&answer, 1));
    assert_line(&answer.sdp, 1, "m=video 9 UDP/TLS/RTP/SAVPF 96 97");
    assert_no_line(&answer.sdp, "a=bundle-only");
}

#[test]
fn bundle_only_means_nothing_outside_the_group() {
    let video = video("v").replace("m=video 9", "m=video 0") + "a=bundle-only\r\n";
    let answer = answered(&offer(&[audio("a"), video]).replace("BUNDLE a v", "BUNDLE a"));
    assert!(is_rejected(&answer, 1));
}

#[test]
fn a_bundle_only_section_needs_no_transport_of_its_own() {
    let bare =
        "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:v\r\na=bundle-only\r\na=rtpmap:96 VP8/90000\r\n";
    let answer = answered(&offer(&[audio("a"), bare.into()]));
    assert!(!is_rejected(&answer, 1));
}

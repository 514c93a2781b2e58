//! Which codecs are taken, and with what.

use super::super::{Answer, Codec, CodecKind};
use super::{
    answered, assert_line, assert_no_line, audio, is_rejected, media, offer, refused, video,
};

/// An answer to one video section with these formats and lines.
fn video_with(formats: &str, lines: &[&str]) -> Answer {
    let section = video("0").split("a=rtpmap").next().unwrap().to_owned();
    let section = section.replace("SAVPF 96 97", &format!("SAVPF {formats}"));
    answered(&offer(&[
        audio("1"),
        section + &lines.join("\r\n") + "\r\n",
    ]))
}

fn taken(answer: &Answer) -> Vec<(CodecKind, u8, Option<u8>)> {
    let codecs = media(answer, 1).codecs.iter();
    codecs
        .map(|c| (c.kind, c.payload_type, c.rtx_payload_type))
        .collect()
}

fn only(answer: &Answer) -> &Codec {
    let [codec] = &media(answer, 1).codecs[..] else {
        panic!("{:?}", media(answer, 1).codecs);
    };
    codec
}

#[test]
fn the_offers_order_is_kept() {
    let answer = video_with(
        "45 98 96 97",
        &[
            "a=rtpmap:96 VP8/90000",
            "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96",
            "a=rtpmap:98 VP9/90000",
            "a=rtpmap:45 AV1/90000",
        ],
    );
    use CodecKind::{Av1, Vp8, Vp9};
    assert_eq!(
        taken(&answer),
        [(Av1, 45, None), (Vp9, 98, None), (Vp8, 96, Some(97))]
    );
    assert_line(&answer.sdp, 1, "m=video 9 UDP/TLS/RTP/SAVPF 45 98 96 97");
}

#[test]
fn names_are_read_in_any_case_and_written_as_offered() {
    let answer = video_with("96", &["a=rtpmap:96 vp8/90000"]);
    assert_line(&answer.sdp, 1, "a=rtpmap:96 vp8/90000");
}

#[test]
fn what_is_not_forwarded_is_left_out() {
    let answer = video_with(
        "96 100 101 102 103 49",
        &[
            "a=rtpmap:96 VP8/90000",
            "a=rtpmap:100 red/90000",
            "a=rtpmap:101 rtx/90000",
            "a=fmtp:101 apt=100",
            "a=rtpmap:102 ulpfec/90000",
            "a=rtpmap:103 H265/90000",
            "a=rtpmap:49 flexfec-03/90000",
        ],
    );
    assert_line(&answer.sdp, 1, "m=video 9 UDP/TLS/RTP/SAVPF 96");
    assert_no_line(&answer.sdp, "a=rtpmap:10");
}

#[test]
fn audio_is_opus_by_itself_or_with_what_came_before_it() {
    let section = audio("0").replace("SAVPF 111", "SAVPF 111 63 9 0 8 13 126")
        + "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\na=rtpmap:9 G722/8000\r\na=rtpmap:13 CN/8000\r\na=rtpmap:126 telephone-event/8000\r\n";
    let answer = answered(&offer(&[section]));
    assert_line(&answer.sdp, 0, "m=audio 9 UDP/TLS/RTP/SAVPF 111 63");
    assert_line(&answer.sdp, 0, "a=fmtp:63 111/111");
    let codecs = media(&answer, 0).codecs.iter();
    let codecs: Vec<_> = codecs
        .map(|c| (c.kind, c.payload_type, c.clock_rate))
        .collect();
    use CodecKind::{Opus, Red};
    assert_eq!(codecs, [(Opus, 111, 48_000), (Red, 63, 48_000)]);
}

#[test]
fn what_comes_before_it_is_opus_too() {
    for blocks in ["111/9", "9/111", "63/63", "", "111/"] {
        let section = audio("0").replace("SAVPF 111", "SAVPF 63 111 9")
            + "a=rtpmap:63 red/48000/2\r\na=rtpmap:9 G722/8000\r\n"
            + &format!("a=fmtp:63 {blocks}\r\n");
        let answer = answered(&offer(&[section]));
        assert_line(&answer.sdp, 0, "m=audio 9 UDP/TLS/RTP/SAVPF 111");
    }
    let unsaid = audio("0").replace("SAVPF 111", "SAVPF 63 111") + "a=rtpmap:63 red/48000/2\r\n";
    let answer = answered(&offer(&[unsaid]));
    assert_line(&answer.sdp, 0, "m=audio 9 UDP/TLS/RTP/SAVPF 111");
}

#[test]
fn mono_opus_is_no_opus() {
    // RFC 7587 §7: always two channels on the line.
    let answer = answered(&offer(&[
        audio("0").replace("opus/48000/2", "opus/48000"),
        video("1"),
    ]));
    assert!(is_rejected(&answer, 0));
}

#[test]
fn opus_in_a_video_section_is_not_taken() {
    let section = audio("0").replace("m=audio", "m=video");
    assert!(refused(&offer(&[section])).contains("has no codec"));
}

#[test]
fn parameters_are_mirrored() {
    let answer = video_with("98", &["a=rtpmap:98 VP9/90000", "a=fmtp:98 profile-id=2"]);
    assert_line(&answer.sdp, 1, "a=fmtp:98 profile-id=2");
    assert_eq!(only(&answer).fmtp, "profile-id=2");
    let answer = video_with(
        "45",
        &[
            "a=rtpmap:45 AV1/90000",
            "a=fmtp:45 level-idx=5;profile=0;tier=0",
        ],
    );
    assert_eq!(only(&answer).fmtp, "level-idx=5;profile=0;tier=0");
}

#[test]
fn vp9_has_two_profiles() {
    let lines: Vec<String> = (0..4)
        .map(|p| {
            format!(
                "a=rtpmap:{} VP9/90000\r\na=fmtp:{} profile-id={p}",
                100 + p,
                100 + p
            )
        })
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let answer = video_with("100 101 102 103", &lines);
    let types: Vec<u8> = taken(&answer).iter().map(|codec| codec.1).collect();
    assert_eq!(types, [100, 102]);
}

#[test]
fn h264_is_taken_in_every_profile_and_in_both_modes() {
    let mode0 = "level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42001f";
    let mode1 = "profile-level-id=640c1f; packetization-mode=1";
    let mode2 = "packetization-mode=2;profile-level-id=42e01f";
    let lines = [
        format!("a=rtpmap:100 H264/90000\r\na=fmtp:100 {mode0}"),
        format!("a=rtpmap:101 H264/90000\r\na=fmtp:101 {mode1}"),
        format!("a=rtpmap:102 H264/90000\r\na=fmtp:102 {mode2}"),
        "a=rtpmap:103 H264/90000".into(),
        "a=rtpmap:104 H264/90000\r\na=fmtp:104 profile-level-id=nonsense".into(),
    ];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let answer = video_with("100 101 102 103 104", &lines);
    let fmtps: Vec<_> = media(&answer, 1)
        .codecs
        .iter()
        .map(|c| c.fmtp.as_str())
        .collect();
    assert_eq!(fmtps, [mode0, mode1, ""]);
}

#[test]
fn h264_parameter_sets_stay_with_their_stream() {
    let fmtp =
        "packetization-mode=1;sprop-parameter-sets=Z0IACpZTBYmI,aMljiA==;profile-level-id=42001f";
    let answer = video_with(
        "96",
        &["a=rtpmap:96 H264/90000", &format!("a=fmtp:96 {fmtp}")],
    );
    assert_line(
        &answer.sdp,
        1,
        "a=fmtp:96 packetization-mode=1;profile-level-id=42001f",
    );
}

#[test]
fn retransmission_follows_its_codec() {
    // In front of its codec, with a parameter of its own, and of a codec that is not taken.
    let answer = video_with(
        "97 96 99",
        &[
            "a=rtpmap:96 VP8/90000",
            "a=rtpmap:97 rtx/90000",
            "a=fmtp:97 apt=96;rtx-time=3000",
            "a=rtpmap:99 rtx/90000",
            "a=fmtp:99 apt=98",
        ],
    );
    assert_eq!(taken(&answer), [(CodecKind::Vp8, 96, Some(97))]);
    assert_line(&answer.sdp, 1, "m=video 9 UDP/TLS/RTP/SAVPF 97 96");
    assert_line(&answer.sdp, 1, "a=fmtp:97 apt=96;rtx-time=3000");
}

#[test]
fn retransmission_at_another_clock_is_none() {
    let answer = video_with(
        "96 97",
        &[
            "a=rtpmap:96 VP8/90000",
            "a=rtpmap:97 rtx/48000",
            "a=fmtp:97 apt=96",
        ],
    );
    assert_eq!(taken(&answer), [(CodecKind::Vp8, 96, None)]);
}

#[test]
fn only_offered_feedback_is_answered() {
    let answer = video_with(
        "96",
        &[
            "a=rtpmap:96 VP8/90000",
            "a=rtcp-fb:96 nack",
            "a=rtcp-fb:96 goog-remb",
        ],
    );
    let codec = only(&answer);
    assert!(codec.nack && !codec.pli && !codec.fir && !codec.transport_cc);
    assert_line(&answer.sdp, 1, "a=rtcp-fb:96 nack");
    assert_no_line(&answer.sdp, "a=rtcp-fb:96 nack pli");
    assert_no_line(&answer.sdp, "a=rtcp-fb:96 goog-remb");
}

#[test]
fn who_has_no_transport_wide_feedback_may_estimate_where_there_is_padding() {
    let with = |more: &[&str]| {
        let lines = ["a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 goog-remb"];
        video_with("96 97", &[&lines, more].concat())
    };
    let rtx = ["a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96"];
    let answer = with(&rtx);
    assert!(only(&answer).remb);
    assert_line(&answer.sdp, 1, "a=rtcp-fb:96 goog-remb");
    assert!(!only(&with(&[])).remb);
    let feedback = "a=rtcp-fb:96 transport-cc";
    // Nothing is numbered where packets have no place for it.
    assert!(only(&with(&[&rtx[..], &[feedback]].concat())).remb);
    let numbers =
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    let answer = with(&[&rtx[..], &[feedback, numbers]].concat());
    assert!(only(&answer).transport_cc && !only(&answer).remb);
}

#[test]
fn feedback_for_every_format_is_feedback_for_each() {
    let answer = video_with(
        "96 98",
        &[
            "a=rtpmap:96 VP8/90000",
            "a=rtpmap:98 VP9/90000",
            "a=rtcp-fb:* nack pli",
            "a=rtcp-fb:* ccm fir",
        ],
    );
    assert!(
        media(&answer, 1)
            .codecs
            .iter()
            .all(|c| c.pli && c.fir && !c.nack)
    );
    assert_line(&answer.sdp, 1, "a=rtcp-fb:98 nack pli");
}

#[test]
fn transport_feedback_needs_the_header_extension() {
    let uri = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
    let lines = ["a=rtpmap:96 VP8/90000", "a=rtcp-fb:96 transport-cc"];
    assert!(!only(&video_with("96", &lines)).transport_cc);
    let extension = format!("a=extmap:3 {uri}");
    let answer = video_with("96", &[lines[0], lines[1], &extension]);
    assert!(only(&answer).transport_cc);
}

#[test]
fn payload_types_that_look_like_rtcp_are_not_taken() {
    let answer = video_with("72 96", &["a=rtpmap:72 VP8/90000", "a=rtpmap:96 VP9/90000"]);
    assert_eq!(only(&answer).payload_type, 96);
}

#[test]
fn one_payload_type_is_one_codec_on_one_transport() {
    let other = video("1").replace("VP8", "VP9");
    let why = refused(&offer(&[video("0"), other]));
    assert!(why.contains("payload type 96"), "{why}");
    answered(&offer(&[video("0"), video("1")]));
}

#[test]
fn a_section_without_a_known_codec_is_rejected() {
    let unknown = video("1").replace("VP8", "H263");
    let answer = answered(&offer(&[audio("0"), unknown]));
    assert!(is_rejected(&answer, 1));
    assert_line(&answer.sdp, 1, "m=video 0 UDP/TLS/RTP/SAVPF 96");
}

#[test]
fn a_format_named_twice_counts_once() {
    let answer = video_with("96 96", &["a=rtpmap:96 VP8/90000", "a=rtpmap:96 VP9/90000"]);
    assert_eq!(only(&answer).kind, CodecKind::Vp8);
    assert_line(&answer.sdp, 1, "m=video 9 UDP/TLS/RTP/SAVPF 96");
}

//! What an answer must be: on offers of real peers, on offers built for one rule each, and on broken ones.

mod bundle;
mod codecs;
mod data;
mod extensions;
mod limits;
mod mutations;
mod real_peers;
mod reoffers;
mod rtc_peer;
mod sections;
mod simulcast;
mod streams;
mod transport;

use std::collections::HashMap;

use super::{Agreed, Answer, DataSection, Local, MediaSection, SdpError, Section, answer};

/// What a server might bring.
fn local() -> Local {
    Local {
        ice_ufrag: "srvU".into(),
        ice_pwd: "srvPasswordOf24Character".into(),
        fingerprint: std::array::from_fn(|i| i as u8),
        candidates: vec!["candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host".into()],
        trickles: false,
        session_id: 4_611_731_400_430_051_336,
        max_message_size: 262_144,
        cname: "ferrite".into(),
        streams: HashMap::new(),
    }
}

/// Answers with SSRCs that count on from 1000 with each answer.
fn answer_to(offer: &str, previous: Option<&Agreed>) -> Result<Answer, SdpError> {
    let mut next = 1000 * (1 + previous.map_or(0, |previous| previous.version as u32));
    let mut random = || {
        next += 1;
        next
    };
    answer(offer, &local(), previous, &mut random)
}

/// The answer to an offer that must get one.
fn answered(offer: &str) -> Answer {
    answer_to(offer, None).unwrap()
}

/// The words in which an offer is refused.
fn refused(offer: &str) -> String {
    answer_to(offer, None).unwrap_err().to_string()
}

/// Session lines in front of sections that carry their own transport.
const SESSION: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";

/// The transport of a section.
const TRANSPORT: &str = "\
c=IN IP4 0.0.0.0\r
a=ice-ufrag:brws\r
a=ice-pwd:browserPasswordOf22Len\r
a=ice-options:trickle\r
a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r
a=setup:actpass\r
";

/// An offer of sections, all of them in one BUNDLE group.
fn offer(sections: &[String]) -> String {
    let mids = sections.iter().flat_map(|section| {
        let mid = section.lines().find_map(|line| line.strip_prefix("a=mid:"));
        mid.map(str::to_owned)
    });
    let mids: Vec<_> = mids.collect();
    let group = format!("a=group:BUNDLE {}\r\n", mids.join(" "));
    format!("{SESSION}{group}{}", sections.concat())
}

/// An audio section with opus.
fn audio(mid: &str) -> String {
    format!(
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n{TRANSPORT}a=mid:{mid}\r\na=sendrecv\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
    )
}

/// A video section with VP8 and its retransmissions.
fn video(mid: &str) -> String {
    format!(
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n{TRANSPORT}a=mid:{mid}\r\na=sendrecv\r\na=rtcp-mux\r\n\
         a=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
    )
}

/// A data channel section.
fn data(mid: &str) -> String {
    format!(
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{TRANSPORT}a=mid:{mid}\r\na=sctp-port:5000\r\n"
    )
}

/// The section of an answer that must be media.
fn media(answer: &Answer, index: usize) -> &MediaSection {
    match &answer.agreed.sections[index] {
        Section::Media(media) => media,
        other => panic!("{other:?} is no media section"),
    }
}

/// The section of an answer that must be data.
fn data_section(answer: &Answer, index: usize) -> &DataSection {
    match &answer.agreed.sections[index] {
        Section::Data(data) => data,
        other => panic!("{other:?} is no data section"),
    }
}

/// Whether the section of an answer is rejected.
fn is_rejected(answer: &Answer, index: usize) -> bool {
    matches!(answer.agreed.sections[index], Section::Rejected { .. })
}

/// The lines of one section of an answer, its `m=` line first; `usize::MAX` is the session's.
fn lines_of(sdp: &str, index: usize) -> Vec<&str> {
    let mut parts: Vec<Vec<&str>> = vec![vec![]];
    for line in sdp.split_terminator("\r\n") {
        if line.starts_with("m=") {
            parts.push(vec![]);
        }
        parts.last_mut().unwrap().push(line);
    }
    parts.swap_remove(index.wrapping_add(1))
}

/// Asserts that a section of an answer has a line.
#[track_caller]
fn assert_line(sdp: &str, index: usize, line: &str) {
    let lines = lines_of(sdp, index);
    assert!(lines.contains(&line), "no {line:?} in {lines:#?}");
}

/// Asserts that no line of an answer begins so.
#[track_caller]
fn assert_no_line(sdp: &str, prefix: &str) {
    assert!(
        !sdp.lines().any(|line| line.starts_with(prefix)),
        "{prefix:?} in {sdp}"
    );
}

//! Offers: the text that decides most of what a peer is.

use std::collections::{HashMap, HashSet};
use std::io::Cursor;
use std::time::{Duration, Instant};

use ferrite_server::media::sdp::{
    Agreed, Answer, Local, MAX_SECTIONS, MediaSection, Section, answer,
};
use rtc::sdp::description::session::SessionDescription;

use crate::harness::ServerEnd;
use crate::harness::address;

/// The longest refusal.
const MAX_REFUSAL: usize = 512;

/// Offers of one peer connection, parted by a byte that no text has: each is refused in few words, or
/// gets an answer that others can read and a peer can be set to.
pub fn offer(input: &[u8]) {
    let now = Instant::now();
    let mut server = ServerEnd::new(now, 1, address("192.0.2.1:3478"));
    let mut agreed = None;
    for (at, text) in input.split(|byte| *byte == 0xFF).take(4).enumerate() {
        let text = String::from_utf8_lossy(text);
        agreed = exchange(&text, agreed);
        // Checks it against what the peer has, ICE restarts and all.
        let _ = server.offer(now + Duration::from_secs(at as u64), &text);
    }
}

fn exchange(text: &str, before: Option<Agreed>) -> Option<Agreed> {
    match answer_to(text, before.as_ref()) {
        Ok(answer) => {
            check(text, &answer, before.as_ref());
            Some(answer.agreed)
        }
        Err(refusal) => {
            assert!(refusal.len() <= MAX_REFUSAL, "{refusal}");
            before
        }
    }
}

/// Answers with SSRCs that count on with each answer.
fn answer_to(offer: &str, before: Option<&Agreed>) -> Result<Answer, String> {
    let version = before.map_or(0, |before| before.version);
    let mut next = 1000 * (1 + version as u32);
    let mut random = || {
        next += 1;
        next
    };
    answer(offer, &local(), before, &mut random).map_err(|error| error.to_string())
}

fn local() -> Local {
    Local {
        ice_ufrag: "srvU".into(),
        ice_pwd: "srvPasswordOf24Character".into(),
        fingerprint: [7; 32],
        candidates: vec!["candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host".into()],
        trickles: false,
        session_id: 1,
        max_message_size: 262_144,
        cname: "ferrite".into(),
        streams: HashMap::new(),
    }
}

fn check(offer: &str, answer: &Answer, before: Option<&Agreed>) {
    let agreed = &answer.agreed;
    assert!(!agreed.fingerprints.is_empty());
    assert!(agreed.sections.len() <= MAX_SECTIONS);
    // Everything in an answer has its cause in the offer, or is a section's few lines of ours.
    let limit = 4 * offer.len() + 2000 * (1 + agreed.sections.len());
    assert!(answer.sdp.len() <= limit, "{} bytes", answer.sdp.len());
    check_reader(offer, answer);
    check_ssrcs(agreed);
    for section in &agreed.sections {
        match section {
            Section::Media(media) => check_media(media),
            Section::Data(data) => assert_ne!(data.sctp_port, 0),
            Section::Rejected { .. } => {}
        }
    }
    assert_eq!(
        agreed.version,
        before.map_or(1, |before| before.version + 1)
    );
    // The same offer again changes nothing.
    let again = answer_to(offer, Some(agreed)).unwrap().agreed;
    assert_eq!(again.sections, agreed.sections);
    assert_eq!(again.dtls_role, agreed.dtls_role);
}

/// Another implementation reads the answer, if it reads the offer.
fn check_reader(offer: &str, answer: &Answer) {
    if sections_read(offer).is_some() {
        let sections = answer.agreed.sections.len();
        assert_eq!(sections_read(&answer.sdp), Some(sections), "{}", answer.sdp);
    }
}

fn sections_read(text: &str) -> Option<usize> {
    let description = SessionDescription::unmarshal(&mut Cursor::new(text)).ok()?;
    Some(description.media_descriptions.len())
}

fn check_media(media: &MediaSection) {
    assert!(!media.codecs.is_empty());
    assert_eq!(media.direction.send, media.send.is_some());
    let mut types = HashSet::new();
    for codec in &media.codecs {
        let both = [Some(codec.payload_type), codec.rtx_payload_type];
        assert!(both.into_iter().flatten().all(|pt| types.insert(pt)));
    }
}

fn check_ssrcs(agreed: &Agreed) {
    let mut seen = HashSet::from([0]);
    for section in &agreed.sections {
        let Section::Media(media) = section else {
            continue;
        };
        let remote = (media.remote_streams.iter()).flat_map(|s| [Some(s.ssrc), s.rtx_ssrc]);
        let sent = media.send.iter().flat_map(|s| [Some(s.ssrc), s.rtx_ssrc]);
        for ssrc in remote.chain(sent).flatten() {
            assert!(seen.insert(ssrc), "SSRC {ssrc} twice");
        }
    }
}

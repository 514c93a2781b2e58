//! What an offer may hold at most.

use super::super::{
    MAX_ATTRIBUTES, MAX_LAYERS, MAX_LINE_BYTES, MAX_OFFER_BYTES, MAX_SECTIONS, MAX_SSRCS,
};
use super::{SESSION, answered, audio, media, offer, refused, video};

#[test]
fn bytes() {
    let line = format!("a=x:{}\r\n", "y".repeat(1000));
    let long = SESSION.to_owned() + &line.repeat(MAX_OFFER_BYTES / 1000 + 1);
    let why = refused(&long);
    assert!(why.contains("bytes; at most"), "{why}");
}

#[test]
fn sections() {
    let many = |count: usize| {
        let sections: Vec<_> = (0..count).map(|i| audio(&i.to_string())).collect();
        offer(&sections)
    };
    assert_eq!(
        answered(&many(MAX_SECTIONS)).agreed.sections.len(),
        MAX_SECTIONS
    );
    assert!(refused(&many(MAX_SECTIONS + 1)).contains("one media section too many"));
}

#[test]
fn attributes_of_a_section() {
    let candidates = "a=candidate:1 1 udp 1 192.0.2.7 5000 typ host\r\n";
    let room = MAX_ATTRIBUTES - audio("0").matches("a=").count();
    answered(&offer(&[audio("0") + &candidates.repeat(room)]));
    assert!(
        refused(&offer(&[audio("0") + &candidates.repeat(room + 1)]))
            .contains("one attribute too many")
    );
}

#[test]
fn bytes_of_a_line() {
    let line = format!("a=x:{}\r\n", "y".repeat(MAX_LINE_BYTES));
    assert!(refused(&offer(&[audio("0") + &line])).contains("is too long"));
}

#[test]
fn formats_of_a_section() {
    let formats = (0..129)
        .map(|i| i.to_string())
        .collect::<Vec<_>>()
        .join(" ");
    let why = refused(&offer(&[
        audio("0").replace("SAVPF 111", &format!("SAVPF {formats}"))
    ]));
    assert!(why.contains("too many formats"), "{why}");
}

#[test]
fn words_of_a_refusal() {
    let long = |index: usize| {
        let section = audio(&format!("{index}{}", "m".repeat(200)));
        section.replace("m=audio", &format!("m={}", "k".repeat(200)))
    };
    let why = refused(&offer(&[long(0), long(1), long(2), long(3), long(4)]));
    let named = "; the kkkkkkkkkkkkkkkkkkkk… section with mid \"1mmmmmmmmmmmmmmmmmmm…\" is neither";
    assert!(why.contains(named), "{why}");
    assert!(why.len() <= 512, "{} bytes", why.len());
}

#[test]
fn ssrcs_of_a_section() {
    let lines = |count: usize| {
        (1..=count)
            .map(|i| format!("a=ssrc:{i} cname:x\r\n"))
            .collect::<String>()
    };
    let answer = answered(&offer(&[audio("0") + &lines(MAX_SSRCS)]));
    assert_eq!(media(&answer, 0).remote_streams.len(), MAX_SSRCS);
    assert!(refused(&offer(&[audio("0") + &lines(MAX_SSRCS + 1)])).contains("more than 64 SSRCs"));
}

#[test]
fn simulcast_layers() {
    let rids: Vec<_> = (0..MAX_LAYERS + 3).map(|i| format!("r{i}")).collect();
    let lines: String = rids
        .iter()
        .map(|rid| format!("a=rid:{rid} send\r\n"))
        .collect();
    let lines = lines + &format!("a=simulcast:send {}\r\n", rids.join(";"));
    let answer = answered(&offer(&[video("0") + &lines]));
    assert_eq!(media(&answer, 0).rids.len(), MAX_LAYERS);
}

#[test]
fn an_answer_is_not_much_longer_than_its_offer() {
    // What the session says once comes back in every section.
    let name = format!("urn:ietf:params:rtp-hdrext:sdes:mid {}", "x".repeat(4000));
    let sections: Vec<_> = (0..MAX_SECTIONS).map(|i| audio(&i.to_string())).collect();
    let offer = offer(&sections).replace("t=0 0\r\n", &format!("t=0 0\r\na=extmap:1 {name}\r\n"));
    assert!(answered(&offer).sdp.len() < 4 * offer.len());
}

//! The data channel section.

use super::{answered, assert_line, audio, data, data_section, is_rejected, offer, refused};

#[test]
fn the_ports_are_each_ends_own() {
    let answer = answered(&offer(&[
        data("0").replace("sctp-port:5000", "sctp-port:5001")
    ]));
    assert_eq!(data_section(&answer, 0).sctp_port, 5001);
    assert_line(
        &answer.sdp,
        0,
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    );
    assert_line(&answer.sdp, 0, "a=sctp-port:5000");
    assert_line(&answer.sdp, 0, "a=max-message-size:262144");
}

#[test]
fn the_message_size_is_the_offers() {
    let size = |line: &str| {
        let answer = answered(&offer(&[data("0") + line]));
        data_section(&answer, 0).max_message_size
    };
    assert_eq!(size(""), 65_536);
    assert_eq!(size("a=max-message-size:1073741823\r\n"), 1_073_741_823);
    assert_eq!(size("a=max-message-size:0\r\n"), 0);
    assert_eq!(size("a=max-message-size:99999999999\r\n"), u32::MAX);
    assert_eq!(size("a=max-message-size:much\r\n"), 65_536);
}

#[test]
fn the_older_spelling_is_answered_in_kind() {
    let old = data("0")
        .replace("UDP/DTLS/SCTP webrtc-datachannel", "DTLS/SCTP 5002")
        .replace("a=sctp-port:5000", "a=sctpmap:5002 webrtc-datachannel 1024");
    let answer = answered(&offer(&[old]));
    assert_eq!(data_section(&answer, 0).sctp_port, 5002);
    assert_line(&answer.sdp, 0, "m=application 9 DTLS/SCTP 5000");
    assert_line(&answer.sdp, 0, "a=sctpmap:5000 webrtc-datachannel 1024");
}

#[test]
fn a_second_data_section_is_rejected() {
    let answer = answered(&offer(&[data("0"), data("1")]));
    assert!(!is_rejected(&answer, 0) && is_rejected(&answer, 1));
}

#[test]
fn a_section_without_a_port_is_rejected() {
    for line in ["", "a=sctp-port:0\r\n", "a=sctp-port:70000\r\n"] {
        let section = data("1").replace("a=sctp-port:5000\r\n", line);
        assert!(
            is_rejected(&answered(&offer(&[audio("0"), section])), 1),
            "{line}"
        );
    }
    let why = refused(&offer(&[data("0").replace("a=sctp-port:5000\r\n", "")]));
    assert!(why.contains("has no SCTP port"), "{why}");
}

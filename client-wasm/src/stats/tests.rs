//! Reports as browsers give them, and what is read from them.

use super::*;
use ferrite_protocol::diagnosis::PairSums;

const CHROMIUM: &str = include_str!("../../tests/reports/chromium.json");
const FIREFOX: &str = include_str!("../../tests/reports/firefox.json");

/// Two reports of one call, a second apart, read one after the other.
fn second_of(recording: &str) -> Stats {
    let reports: Vec<serde_json::Value> = serde_json::from_str(recording).unwrap();
    let first = read(&report(&reports[0]), None);
    read(&report(&reports[1]), Some(&first))
}

fn report(entries: &serde_json::Value) -> Report {
    Report(Deserialize::deserialize(entries).unwrap())
}

#[test]
fn reads_what_browsers_really_report() {
    for recording in [CHROMIUM, FIREFOX] {
        let stats = second_of(recording);
        let Flows { audio, video } = stats.received;
        let (audio, video) = (audio.unwrap(), video.unwrap());
        assert_eq!(audio.codec.as_deref(), Some("opus"));
        assert_eq!(video.codec.as_deref(), Some("VP8"));
        assert!(video.frames.unwrap() > 100.0);
        assert!(video.key_frames.unwrap() >= 1.0);
        assert_eq!(video.loss, Some(0.0));
        // What opus takes by default.
        let bitrate = audio.bitrate.unwrap();
        assert!((15_000.0..70_000.0).contains(&bitrate), "{bitrate}");
        let path = stats.path.unwrap();
        assert!(
            path.remote.starts_with("host udp [2001:db8::2]:"),
            "{}",
            path.remote
        );
        assert!(path.sent.unwrap() > bitrate);
        let sent = stats.sent.video.unwrap();
        assert_eq!((sent.width, sent.height), (video.width, video.height));
        assert!(sent.round_trip.unwrap() < 100.0);
    }
}

#[test]
fn what_is_known_of_a_path_that_is_not_there_is_summed_up() {
    let pair = |id: &str, local: &str, sent: u32, answered: u32| {
        serde_json::json!({
            "type": "candidate-pair", "id": id, "localCandidateId": local,
            "requestsSent": sent, "responsesReceived": answered,
        })
    };
    let local = |id: &str, of: &str, protocol: &str| {
        serde_json::json!({
            "type": "local-candidate", "id": id, "candidateType": of, "protocol": protocol,
        })
    };
    let seen = report(&serde_json::json!([
        local("a", "host", "udp"), local("b", "host", "tcp"), local("c", "relay", "udp"),
        local("d", "srflx", "udp"),
        pair("1", "a", 10, 0), pair("2", "a", 9, 6), pair("3", "b", 0, 0), pair("4", "c", 5, 5),
        { "type": "candidate-pair", "id": "5", "localCandidateId": "a" },
        { "type": "transport", "id": "t", "dtlsState": "connecting" },
    ]))
    .evidence();
    let sums = |pairs, sent, answered, lost| PairSums {
        pairs,
        sent: Some(sent),
        answered: Some(answered),
        lost: Some(lost),
    };
    assert_eq!(seen.udp, sums(3, 19, 6, 3));
    assert_eq!(seen.tcp, sums(1, 0, 0, 0));
    assert_eq!(seen.relayed, sums(1, 5, 5, 0));
    let local = (seen.local.host, seen.local.reflexive, seen.local.relayed);
    assert_eq!(local, (2, 1, 1));
    assert_eq!(seen.dtls, Some(Handshake::Connecting));
    let works = report(&serde_json::from_str::<Vec<serde_json::Value>>(CHROMIUM).unwrap()[0]);
    let works = works.evidence();
    assert_eq!(works.dtls, Some(Handshake::Connected));
    assert!(works.udp.answered > Some(0), "{works:?}");
}

#[test]
fn a_first_report_has_totals_and_no_rates() {
    let reports: Vec<serde_json::Value> = serde_json::from_str(CHROMIUM).unwrap();
    let stats = read(&report(&reports[0]), None);
    let video = stats.received.video.unwrap();
    assert!(video.bytes > 0.0);
    assert_eq!((video.bitrate, video.loss), (None, None));
}

#[test]
fn rates_and_loss_are_those_of_the_interval() {
    let at = |ms: f64, bytes: u32, packets: u32, lost: i32| {
        report(&serde_json::json!([{
            "type": "inbound-rtp", "id": "v", "timestamp": ms, "kind": "video",
            "bytesReceived": bytes, "packetsReceived": packets, "packetsLost": lost,
        }]))
    };
    let first = read(&at(1_000.0, 1_000, 100, 10), None);
    let second = read(&at(3_000.0, 26_000, 190, 20), Some(&first));
    let video = second.received.video.clone().unwrap();
    assert_eq!(video.bitrate, Some(100_000.0));
    assert_eq!(video.loss, Some(0.1));
    // A packet thought lost came after all.
    let third = read(&at(4_000.0, 27_000, 200, 19), Some(&second));
    assert_eq!(third.received.video.unwrap().loss, Some(0.0));
}

#[test]
fn counters_that_start_over_make_no_negative_rate() {
    let at = |ms: f64, bytes: u32| {
        report(&serde_json::json!([{
            "type": "outbound-rtp", "id": "a", "timestamp": ms, "kind": "audio",
            "bytesSent": bytes,
        }]))
    };
    let first = read(&at(1_000.0, 9_000), None);
    let second = read(&at(2_000.0, 10), Some(&first));
    assert_eq!(second.sent.audio.unwrap().bitrate, None);
}

#[test]
fn of_several_flows_the_busiest_is_shown() {
    let flow = |id: &str, bytes: u32| {
        serde_json::json!({
            "type": "inbound-rtp", "id": id, "kind": "audio", "bytesReceived": bytes,
        })
    };
    let json = report(&serde_json::json!([
        flow("a", 1),
        flow("b", 7),
        flow("c", 3)
    ]));
    let stats = read(&json, None);
    assert_eq!(stats.received.audio.unwrap().bytes, 7.0);
}

#[test]
fn a_pair_is_found_without_a_transport() {
    let json = report(&serde_json::json!([
        { "type": "candidate-pair", "id": "1", "nominated": false, "state": "succeeded" },
        { "type": "candidate-pair", "id": "2", "nominated": true, "state": "succeeded",
          "localCandidateId": "l", "remoteCandidateId": "r", "currentRoundTripTime": 0.02 },
        { "type": "local-candidate", "id": "l", "candidateType": "relay",
          "protocol": "udp", "relayProtocol": "tls" },
        { "type": "remote-candidate", "id": "r", "candidateType": "host",
          "protocol": "udp", "address": "192.0.2.1", "port": 3478 },
    ]));
    let path = read(&json, None).path.unwrap();
    assert_eq!(path.local, "relay tls");
    assert_eq!(path.remote, "host udp 192.0.2.1:3478");
    assert_eq!(path.round_trip, Some(20.0));
}

#[test]
fn an_empty_report_is_no_error() {
    assert_eq!(read(&Report(Vec::new()), None), Stats::default());
}

//! Another implementation's peer connection makes the offer and takes the answer.

use std::time::Instant;

use rtc::peer_connection::configuration::media_engine::MediaEngine;
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::peer_connection::{RTCPeerConnection, RTCPeerConnectionBuilder};
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;

use super::super::Agreed;
use super::{answer_to, media};

fn peer() -> RTCPeerConnection {
    let mut engine = MediaEngine::default();
    engine.register_default_codecs().unwrap();
    let builder = RTCPeerConnectionBuilder::new().with_media_engine(engine);
    builder.build(Instant::now()).unwrap()
}

/// One round of offer and answer.
fn negotiate(peer: &mut RTCPeerConnection, previous: Option<&Agreed>) -> super::Answer {
    let offer = peer.create_offer(None).unwrap();
    peer.set_local_description(Instant::now(), offer.clone())
        .unwrap();
    let answer = answer_to(&offer.sdp, previous).unwrap();
    let description = RTCSessionDescription::answer(answer.sdp.clone()).unwrap();
    peer.set_remote_description(Instant::now(), description)
        .unwrap();
    assert!(peer.current_remote_description().is_some());
    answer
}

#[test]
fn rtc_takes_the_answer_to_audio_video_and_data() {
    let mut peer = peer();
    peer.add_transceiver_from_kind(RtpCodecKind::Audio, None)
        .unwrap();
    peer.add_transceiver_from_kind(RtpCodecKind::Video, None)
        .unwrap();
    peer.create_data_channel("x", None).unwrap();
    let answer = negotiate(&mut peer, None);
    assert_eq!(answer.agreed.sections.len(), 3);
    assert!(!media(&answer, 1).codecs.is_empty());
}

#[test]
fn rtc_takes_a_second_answer_with_another_section() {
    let mut peer = peer();
    peer.create_data_channel("x", None).unwrap();
    let first = negotiate(&mut peer, None);
    peer.add_transceiver_from_kind(RtpCodecKind::Video, None)
        .unwrap();
    let second = negotiate(&mut peer, Some(&first.agreed));
    assert_eq!(second.agreed.version, 2);
    assert_eq!(second.agreed.sections.len(), 2);
}

//! What is lost is asked for again and sent again, both ways, and asking does not amplify.

use std::time::Duration;

use ferrite_server::media::rtp::rtcp::{self, Packet};

use crate::echoes_media::{compare, finish, sending};
use crate::harness::bare::packet;
use crate::harness::offer::{Section, VP8, VP8_RTX};
use crate::harness::{Bare, Conditions, World, seed};

const VIDEO: Section = Section::Video {
    mid: "0",
    direction: "sendrecv",
    ssrcs: Some((11, 12)),
};

#[test]
fn video_comes_back_complete_from_a_link_that_loses_5_percent() {
    for own_seed in 0..3 {
        let (mut world, _, video) = sending(own_seed, Conditions::lossy(0.05), 1000, 0);
        world.run_for(Duration::from_secs(20));
        finish(&mut world);
        let echo = compare(&world, video);
        assert_eq!(echo.duplicates, 0);
        assert!(echo.missing.len() * 500 < echo.sent, "{echo:?}");
    }
}

#[test]
fn most_video_comes_back_from_a_link_that_loses_20_percent() {
    let (mut world, _, video) = sending(4, Conditions::lossy(0.2), 1000, 0);
    // By itself the far end spends no more than 15 percent of its bitrate on retransmissions.
    let mut api = world.far.rtc.direct_api();
    let stream = api.stream_tx_by_mid(video, None).unwrap();
    stream.set_rtx_cache(2000, Duration::from_secs(3), None);
    world.run_for(Duration::from_secs(20));
    finish(&mut world);
    let echo = compare(&world, video);
    assert_eq!(echo.duplicates, 0);
    assert!(echo.missing.len() * 20 < echo.sent, "{echo:?}");
}

#[test]
fn audio_is_not_asked_for_again() {
    let (mut world, audio, _) = sending(5, Conditions::lossy(0.2), 1000, 0);
    world.run_for(Duration::from_secs(10));
    let echo = compare(&world, audio);
    let came_back = echo.came_back as f64 / echo.sent as f64;
    assert!(
        (0.55..0.73).contains(&came_back),
        "0.8² of it should: {echo:?}"
    );
}

/// A video call that is up.
fn call(own_seed: u64) -> World<Bare> {
    let mut world = World::bare(seed(own_seed));
    world.connect_bare(&[VIDEO]);
    world
}

fn video(sequence: u16, ms: u32) -> Vec<u8> {
    packet(VP8, 11, sequence, ms * 90, "0", &[sequence as u8; 500])
}

/// The packets the server asked for again, request by request.
fn requests(world: &World<Bare>) -> Vec<Vec<u16>> {
    let mut requests = Vec::new();
    for (_, compound) in &world.far.rtcp {
        for packet in rtcp::packets(compound) {
            if let Packet::Nack { ssrc, lost } = packet {
                assert_eq!(ssrc, 11);
                requests.push(lost.collect());
            }
        }
    }
    requests
}

#[test]
fn a_packet_is_asked_for_until_its_retransmission_comes_and_then_echoed_in_its_place() {
    let mut world = call(6);
    for sequence in [100, 101, 104] {
        world.far.send_rtp(&video(sequence, 0));
    }
    world.run_for(Duration::from_millis(300));
    let asked = requests(&world);
    assert!(
        asked.len() >= 2 && asked.iter().all(|lost| lost[..] == [102, 103]),
        "{asked:?}"
    );
    for (at, sequence) in [103_u16, 102].into_iter().enumerate() {
        let mut payload = sequence.to_be_bytes().to_vec();
        payload.extend([sequence as u8; 500]);
        let again = packet(VP8_RTX, 12, 1 + at as u16, 0, "0", &payload);
        world.far.send_rtp(&again);
    }
    world.run_for(Duration::from_millis(100));
    let before = requests(&world).len();
    world.run_for(Duration::from_secs(2));
    assert_eq!(requests(&world).len(), before, "asked for what it has");
    let (ssrc, _) = world.server_ssrcs(0);
    let echoed = world.far.rtp_on(ssrc);
    let first = echoed[0].header.sequence;
    let numbers: Vec<_> = echoed
        .iter()
        .map(|r| (r.header.sequence.wrapping_sub(first), r.payload()[0]))
        .collect();
    assert_eq!(numbers, [(0, 100), (1, 101), (4, 104), (3, 103), (2, 102)]);
    assert!(echoed.iter().all(|r| r.header.payload_type == VP8));
}

#[test]
fn what_was_given_up_is_made_good_with_a_keyframe() {
    let mut world = call(7);
    for sequence in [100, 102] {
        world.far.send_rtp(&video(sequence, 0));
    }
    world.run_for(Duration::from_millis(500));
    let keyframes = |world: &World<Bare>| {
        let compounds = world.far.rtcp.iter();
        let packets = compounds.flat_map(|(_, compound)| rtcp::packets(compound));
        packets
            .filter(|p| matches!(p, Packet::KeyframeRequest { ssrcs } if ssrcs.clone().eq([11])))
            .count()
    };
    assert_eq!(keyframes(&world), 1, "at the beginning");
    world.run_for(Duration::from_secs(5));
    assert_eq!(keyframes(&world), 2, "after giving up");
    assert!(requests(&world).len() <= 8);
    let asked = requests(&world).len();
    world.run_for(Duration::from_secs(60));
    assert_eq!(requests(&world).len(), asked);
}

/// Sends as much video as a second has, and returns the server's SSRCs.
fn send_a_second(world: &mut World<Bare>) -> (u32, u32) {
    for n in 0..100_u16 {
        world.far.send_rtp(&video(n, u32::from(n) * 10));
        world.run_for(Duration::from_millis(10));
    }
    world.run_for(Duration::from_millis(60));
    let (media, rtx) = world.server_ssrcs(0);
    (media, rtx.unwrap())
}

#[test]
fn the_server_sends_again_what_is_asked_for_on_its_retransmission_stream() {
    let mut world = call(8);
    let (media, rtx) = send_a_second(&mut world);
    let sent: Vec<_> = world
        .far
        .rtp_on(media)
        .iter()
        .map(|r| r.header.sequence)
        .collect();
    let wanted = [sent[70], sent[71], sent[99]];
    let mut nack = Vec::new();
    rtcp::write_nack(&mut nack, 1, media, &wanted);
    world.far.send_rtcp(&nack);
    world.run_for(Duration::from_millis(100));
    let again = world.far.rtp_on(rtx);
    let originals: Vec<_> = again
        .iter()
        .map(|r| u16::from_be_bytes([r.payload()[0], r.payload()[1]]))
        .collect();
    assert_eq!(originals, wanted);
    assert!(again.iter().all(|r| r.header.payload_type == VP8_RTX));
    assert!(
        again
            .windows(2)
            .all(|w| w[1].header.sequence == w[0].header.sequence.wrapping_add(1))
    );
    let original = world.far.rtp_on(media)[70];
    assert_eq!(&again[0].payload()[2..], original.payload());
}

#[test]
fn a_storm_of_requests_does_not_amplify() {
    let mut world = call(9);
    let (media, rtx) = send_a_second(&mut world);
    let sent: Vec<_> = world
        .far
        .rtp_on(media)
        .iter()
        .map(|r| r.header.sequence)
        .collect();
    let bytes_before = world.link.bytes_down;
    let storm_from = world.link.bytes_up;
    for _ in 0..200 {
        let mut compound = Vec::new();
        for _ in 0..20 {
            rtcp::write_nack(&mut compound, 1, media, &sent);
        }
        world.far.send_rtcp(&compound);
        world.run_for(Duration::from_millis(5));
    }
    let again = world.far.rtp_on(rtx).len();
    let media_bytes = sent.len() * 500;
    let down = world.link.bytes_down - bytes_before;
    let up = world.link.bytes_up - storm_from;
    assert!(
        again > 0 && down <= 3 * media_bytes,
        "{down} bytes for {up}"
    );
}

#[test]
fn requests_for_streams_and_packets_that_are_not_there_are_ignored() {
    let mut world = call(10);
    let (media, rtx) = send_a_second(&mut world);
    for (ssrc, lost) in [
        (media, 60_000),
        (media.wrapping_add(1), 1),
        (rtx, 1),
        (11, 1),
    ] {
        let mut nack = Vec::new();
        rtcp::write_nack(&mut nack, 1, ssrc, &[lost]);
        world.far.send_rtcp(&nack);
    }
    world.run_for(Duration::from_millis(200));
    assert!(world.far.rtp_on(rtx).is_empty());
}

#[test]
fn a_jump_of_audio_leaves_nothing_to_do() {
    let mut world = World::bare(seed(11));
    world.connect_bare(&[Section::Audio {
        mid: "0",
        direction: "sendrecv",
    }]);
    for sequence in [1, 2, 4, 600, 20_000] {
        let opus = packet(crate::harness::offer::OPUS, 21, sequence, 0, "0", &[1; 60]);
        world.far.send_rtp(&opus);
        world.run_for(Duration::from_secs(2));
    }
    // The harness fails where a timer is due for ever.
    world.run_for(Duration::from_secs(10));
    assert_eq!(world.far.rtp.len(), 5);
}

//! Whatever is sent has a transport-wide number, and what the other end says of those is what the server
//! knows of the path.

use std::time::Duration;

use ferrite_server::media::ingest::arrivals::ArrivalRecorder;
use ferrite_server::media::rtp::rtcp;
use ferrite_server::media::transport::ice::IceState;

use crate::echoes_media::sending;
use crate::harness::bare::packet;
use crate::harness::offer::{OPUS, Section, TRANSPORT_CC, VP8, VP8_RTX};
use crate::harness::{Bare, Conditions, World, seed};

const SECOND: Duration = Duration::from_secs(1);

const SECTIONS: [Section; 2] = [
    Section::Audio {
        mid: "0",
        direction: "sendrecv",
    },
    Section::Video {
        mid: "1",
        direction: "sendrecv",
        ssrcs: Some((11, 12)),
    },
];

/// The transport-wide numbers that came, with the payload types.
fn numbers(world: &World<Bare>) -> Vec<(u16, u8)> {
    let numbered = world.far.rtp.iter().map(|received| {
        let number = received.extension(TRANSPORT_CC).expect("a number");
        let number = u16::from_be_bytes(number.try_into().unwrap());
        (number, received.header.payload_type)
    });
    numbered.collect()
}

/// Sound, and a picture of two packets, twenty times.
fn echo(world: &mut World<Bare>) {
    for n in 0..20 {
        let sound = packet(OPUS, 10, n, 960 * u32::from(n), "0", &[7; 80]);
        world.far.send_rtp(&sound);
        for at in [2 * n, 2 * n + 1] {
            let picture = [0x10, u8::from(at != 0), 1, 2];
            let picture = packet(VP8, 11, at, 1800 * u32::from(n), "1", &picture);
            world.far.send_rtp(&picture);
        }
        world.run_for(SECOND / 50);
    }
    world.run_for(SECOND / 10);
}

#[test]
fn sound_pictures_and_retransmissions_are_numbered_in_one_row() {
    let mut world = World::bare(seed(1));
    world.connect_bare(&SECTIONS);
    echo(&mut world);
    let (media, _) = world.server_ssrcs(1);
    let first = world.far.rtp_on(media)[0].header.sequence;
    let mut nack = Vec::new();
    rtcp::write_nack(&mut nack, 1, media, &[first, first + 1]);
    world.far.send_rtcp(&nack);
    world.run_for(SECOND / 10);
    let numbers = numbers(&world);
    let expected: Vec<u16> = (0..62).collect();
    assert_eq!(
        numbers.iter().map(|(n, _)| *n).collect::<Vec<_>>(),
        expected
    );
    let of = |kind: u8| numbers.iter().filter(|(_, pt)| *pt == kind).count();
    assert_eq!([of(OPUS), of(VP8), of(VP8_RTX)], [20, 40, 2]);
}

#[test]
fn what_is_sent_again_as_it_was_has_no_number() {
    let mut world = World::bare(seed(2));
    let plain = "a=sendrecv\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\n\
                 a=rtcp-fb:96 nack pli\r\na=rtcp-fb:96 transport-cc\r\n";
    let [sound, _] = SECTIONS;
    let pictures = Section::Written {
        mid: "1",
        lines: plain,
    };
    world.connect_bare(&[sound, pictures]);
    echo(&mut world);
    let (media, _) = world.server_ssrcs(1);
    let numbered =
        |received: &&crate::harness::bare::Received| received.extension(TRANSPORT_CC).is_some();
    assert_eq!(world.far.rtp.iter().filter(numbered).count(), 20);
    assert_eq!(
        world
            .far
            .rtp_on(media)
            .iter()
            .copied()
            .filter(numbered)
            .count(),
        0
    );
}

/// What the server believes of a link after a while, in bits per second.
fn believed(own_seed: u64, conditions: Conditions) -> f64 {
    let (mut world, ..) = sending(own_seed, Conditions::PERFECT, 1000, 0);
    world.link.down = conditions;
    world.run_until(3 * SECOND, "an estimate", |world| {
        world.server.resident.peer.estimate().is_some()
    });
    world.run_for(5 * SECOND);
    let estimate = world.server.resident.peer.estimate().unwrap();
    estimate.bits_per_second as f64
}

#[test]
fn a_wide_path_and_a_narrow_one_are_told_apart() {
    // Sound and pictures are a megabit, and a probe shows more.
    let wide = believed(3, Conditions::PERFECT);
    assert!(wide > 1_200_000.0, "{wide}");
    let lossy = believed(4, Conditions::lossy(0.05));
    assert!(lossy > 1_000_000.0, "{lossy}");
    let narrow = believed(5, Conditions::narrow(400_000.0));
    assert!((250_000.0..450_000.0).contains(&narrow), "{narrow}");
}

#[test]
fn another_path_is_learned_anew() {
    let (mut world, ..) = sending(6, Conditions::PERFECT, 1000, 0);
    world.run_for(5 * SECOND);
    assert!(world.server.resident.peer.estimate().is_some());
    let inside = world.far.address;
    world
        .link
        .rebind(inside, crate::harness::address("198.51.100.8:41000"));
    world.run_until(20 * SECOND, "the estimate is forgotten", |world| {
        world.server.resident.peer.estimate().is_none()
    });
    world.run_until(10 * SECOND, "another estimate", |world| {
        world.server.resident.peer.estimate().is_some()
    });
}

/// Two seconds of sound come back, and what came is told.
fn tell_what_comes_back(world: &mut World<Bare>, first: u16) {
    let mut arrivals = ArrivalRecorder::new(world.now);
    for n in first..first + 100 {
        let sound = packet(OPUS, 10, n, 960 * u32::from(n), "0", &[7; 80]);
        world.far.send_rtp(&sound);
        world.run_for(SECOND / 50);
        for received in std::mem::take(&mut world.far.rtp) {
            let number = received.extension(TRANSPORT_CC).expect("a number");
            arrivals.record(received.at, u16::from_be_bytes(number.try_into().unwrap()));
        }
        if let Some(body) = arrivals.feedback(world.now) {
            let mut compound = Vec::new();
            rtcp::write_transport_cc(&mut compound, 1, 2, &body);
            world.far.send_rtcp(&compound);
        }
    }
}

/// What was known of a path that failed says nothing of the one that a restart finds.
#[test]
fn who_failed_and_restarted_elsewhere_is_learned_anew() {
    let mut world = World::bare(seed(7));
    world.connect_bare(&SECTIONS[..1]);
    tell_what_comes_back(&mut world, 0);
    assert!(world.server.resident.peer.estimate().is_some());
    world.far.fall_silent();
    world.run_until(40 * SECOND, "failed", |world| {
        world.server.resident.peer.state().ice == IceState::Failed
    });
    world.far.ours.ufrag = "again".to_owned();
    let offer = world.bare_offer("actpass", &SECTIONS[..1]);
    world.exchange(&offer).unwrap();
    world.far.address = crate::harness::address("198.51.100.8:41000");
    world.far.speak_again();
    world.run_until(5 * SECOND, "another path", |world| {
        world.server.resident.peer.selected_path().is_some()
    });
    assert!(world.server.resident.peer.estimate().is_none());
    tell_what_comes_back(&mut world, 100);
    assert!(world.server.resident.peer.estimate().is_some());
}

//! What is forwarded and what is not: probes, padding, strangers and replays; and that no sequence
//! number ever stands for two packets, whatever order they come in.

use std::collections::HashMap;
use std::time::Duration;

use ferrite_server::media::ingest::table::{MAX_INGESTS, SILENCE};
use ferrite_server::media::rtp::rtcp;
use proptest::prelude::*;

use crate::harness::bare::{packet, packet_with, padding};
use crate::harness::offer::{MID, OPUS, RID, Section, VP8, VP8_RTX};
use crate::harness::{Bare, World, seed};

const AUDIO: Section = Section::Audio {
    mid: "0",
    direction: "sendrecv",
};
const VIDEO: Section = Section::Video {
    mid: "1",
    direction: "sendrecv",
    ssrcs: None,
};

fn call(own_seed: u64) -> World<Bare> {
    let mut world = World::bare(seed(own_seed));
    world.connect_bare(&[AUDIO, VIDEO]);
    world
}

/// A payload that a decoder can begin with.
const KEYFRAME: [u8; 100] = {
    let mut payload = [7; 100];
    payload[0] = 0x10;
    payload[1] = 0x00;
    payload
};

fn goodbye(world: &mut World<Bare>, ssrcs: &[u32]) {
    let mut goodbye = vec![0x80 | ssrcs.len() as u8, 203, 0, ssrcs.len() as u8];
    (ssrcs.iter()).for_each(|ssrc| goodbye.extend(ssrc.to_be_bytes()));
    world.far.send_rtcp(&goodbye);
}

fn video(sequence: u16) -> Vec<u8> {
    let mut payload = [7; 300];
    payload[..2].copy_from_slice(&sequence.to_be_bytes());
    packet(VP8, 11, sequence, 9000, "1", &payload)
}

/// The source's numbers of what came back on the video section, by the server's number.
fn echoed(world: &World<Bare>) -> HashMap<u16, u16> {
    let (ssrc, _) = world.server_ssrcs(1);
    let mut numbers = HashMap::new();
    for received in world.far.rtp_on(ssrc) {
        // Padding that came late keeps its place, as padding.
        if received.header.payload_len(&received.packet) == 0 {
            continue;
        }
        let payload = received.payload();
        let source = u16::from_be_bytes([payload[0], payload[1]]);
        let before = numbers.insert(received.header.sequence, source);
        assert!(
            before.is_none_or(|before| before == source),
            "a number was used twice"
        );
    }
    numbers
}

/// The server's numbers that came back, relative to the lowest, ascending.
fn row(world: &World<Bare>) -> Vec<u16> {
    let mut numbers: Vec<_> = echoed(world).into_keys().collect();
    numbers.sort_unstable();
    let first = numbers[0];
    numbers.into_iter().map(|n| n - first).collect()
}

#[test]
fn padding_is_not_forwarded_and_leaves_no_gap() {
    let mut world = call(1);
    for sequence in [10, 11] {
        world.far.send_rtp(&video(sequence));
    }
    for sequence in 12..20 {
        world.far.send_rtp(&padding(VP8, 11, sequence, 9000, "1"));
    }
    for sequence in 20..23 {
        world.far.send_rtp(&video(sequence));
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(row(&world), [0, 1, 2, 3, 4]);
}

#[test]
fn a_packet_that_padding_overtook_has_a_number_of_its_own() {
    let mut world = call(2);
    world.far.send_rtp(&video(10));
    world.far.send_rtp(&padding(VP8, 11, 13, 9000, "1"));
    world.far.send_rtp(&video(12));
    world.far.send_rtp(&video(14));
    world.far.send_rtp(&video(11));
    world.run_for(Duration::from_secs(1));
    assert_eq!(row(&world), [0, 1, 2, 3]);
    let by_source: Vec<_> = {
        let mut pairs: Vec<_> = echoed(&world).into_iter().collect();
        pairs.sort_unstable();
        pairs.into_iter().map(|(_, source)| source).collect()
    };
    assert_eq!(by_source, [10, 11, 12, 14]);
}

#[test]
fn an_old_packet_of_another_source_does_not_take_a_number_twice() {
    let mut world = call(3);
    for sequence in [10, 11, 12] {
        world.far.send_rtp(&video(sequence));
    }
    goodbye(&mut world, &[11]);
    // The track goes on under another SSRC, whose first packets come in the wrong order; by the bytes
    // of its number, the first to come begins a keyframe.
    for sequence in [0x1004, 0x1001, 0x1002, 0x1005_u16] {
        let mut payload = [7; 300];
        payload[..2].copy_from_slice(&sequence.to_be_bytes());
        world
            .far
            .send_rtp(&packet(VP8, 13, sequence, 70_000, "1", &payload));
    }
    world.run_for(Duration::from_secs(1));
    let row = row(&world);
    assert!(row.len() >= 5, "{row:?}");
    echoed(&world);
}

#[test]
fn a_retransmission_and_the_late_original_are_one_packet() {
    let mut world = call(4);
    for sequence in [10, 12] {
        world.far.send_rtp(&video(sequence));
    }
    // The original is held up, sealed before its retransmission.
    let late = world.far.seal(&video(11));
    world.run_for(Duration::from_millis(100));
    let mut payload = 11_u16.to_be_bytes().to_vec();
    payload.extend(11_u16.to_be_bytes());
    payload.extend([7; 298]);
    world
        .far
        .send_rtp(&packet(VP8_RTX, 12, 1, 9000, "1", &payload));
    world.run_for(Duration::from_millis(100));
    world.far.send_raw(late);
    world.run_for(Duration::from_millis(100));
    let (ssrc, _) = world.server_ssrcs(1);
    assert_eq!(row(&world), [0, 1, 2]);
    assert_eq!(world.far.rtp_on(ssrc).len(), 3);
    assert_eq!(world.server.given_out, 3, "the packet was given out twice");
}

#[test]
fn numbers_go_on_over_many_wraps() {
    let mut world = call(11);
    let sent: Vec<u16> = (0..80_u32).map(|n| (n * 5000) as u16).collect();
    for &sequence in &sent {
        world.far.send_rtp(&video(sequence));
        world.run_for(Duration::from_millis(5));
    }
    world.run_for(Duration::from_millis(100));
    let (ssrc, _) = world.server_ssrcs(1);
    let came_back = world.far.rtp_on(ssrc);
    let first = came_back[0].header.sequence;
    let numbers = came_back
        .iter()
        .map(|r| r.header.sequence.wrapping_sub(first));
    assert_eq!(numbers.collect::<Vec<_>>(), sent);
}

#[test]
fn streams_that_said_goodbye_make_room_for_others() {
    let mut world = call(12);
    for ssrc in 1000..1200 {
        world.far.send_rtp(&packet(VP8, ssrc, 1, 0, "1", &KEYFRAME));
        goodbye(&mut world, &[ssrc]);
        world.run_for(Duration::from_millis(30));
    }
    assert_eq!(world.server.given_out, 200);
}

#[test]
fn streams_that_fell_silent_make_room_for_others_and_no_others_do() {
    let mut world = call(13);
    let send = |world: &mut World<Bare>, ssrc: u32, sequence| {
        world
            .far
            .send_rtp(&packet(VP8, ssrc, sequence, 0, "1", &KEYFRAME));
        world.run_for(Duration::from_secs(1));
    };
    let many = 1000 + MAX_INGESTS as u32;
    for ssrc in 1000..many {
        (world.far).send_rtp(&packet(VP8, ssrc, 1, 0, "1", &KEYFRAME));
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server.given_out, 1, "one of them is the stream");
    send(&mut world, many, 1);
    assert_eq!(world.server.given_out, 1, "there is no limit");
    world.run_for(SILENCE);
    send(&mut world, many, 2);
    assert_eq!(world.server.given_out, 2);
}

#[test]
fn of_several_sources_of_a_section_one_goes_out_until_it_is_silent() {
    let mut world = call(14);
    let mut sequence = 0;
    let mut send = |world: &mut World<Bare>, ssrcs: &[u32], payload: &[u8]| {
        sequence += 1;
        for ssrc in ssrcs {
            (world.far).send_rtp(&packet(VP8, *ssrc, sequence, 0, "1", payload));
        }
        world.run_for(Duration::from_millis(20));
    };
    for _ in 0..50 {
        send(&mut world, &[11, 13, 15], &KEYFRAME);
    }
    assert_eq!(world.server.given_out, 50);
    for _ in 0..20 {
        send(&mut world, &[13, 15], &[7; 100]);
    }
    assert_eq!(world.server.given_out, 50, "it may only be late");
    for _ in 0..20 {
        send(&mut world, &[13, 15], &[7; 100]);
    }
    assert_eq!(
        world.server.given_out, 50,
        "a picture begins with a keyframe"
    );
    send(&mut world, &[15], &KEYFRAME);
    for _ in 0..10 {
        send(&mut world, &[11, 13, 15], &[7; 100]);
    }
    assert_eq!(world.server.given_out, 61);
    goodbye(&mut world, &[99, 15]);
    for _ in 0..10 {
        send(&mut world, &[13, 15], &KEYFRAME);
    }
    assert_eq!(world.server.given_out, 71);
}

/// The middle one of the layers is the one that is shown until the best comes, and soon.
fn assert_one_layer_goes_out(lines: &'static str, ssrcs: [u32; 3], rids: [Option<&[u8]>; 3]) {
    let mut world = World::bare(seed(15));
    world.connect_bare(&[Section::Written { mid: "0", lines }]);
    let layers = world.server.resident.peer.layers_received(0);
    assert_eq!(layers, Some(3), "how well they arrive is told of each");
    let send = |world: &mut World<Bare>, layer: usize, sequence: u16, payload: &[u8]| {
        let mid = (MID, &b"0"[..]);
        let named = [mid, (RID, rids[layer].unwrap_or_default())];
        let extensions = match rids[layer] {
            Some(_) => &named[..],
            None => &named[..1],
        };
        let at = world.elapsed().as_millis() as u32 * 90;
        (world.far).send_rtp(&packet_with(
            VP8,
            ssrcs[layer],
            sequence,
            at,
            extensions,
            payload,
        ));
    };
    for n in 0..100 {
        (1..3).for_each(|layer| send(&mut world, layer, n, &KEYFRAME));
        world.run_for(Duration::from_millis(33));
    }
    let ssrc = world.server_ssrcs(0).0;
    let shown = world.far.rtp_on(ssrc).len();
    assert!(
        (90..100).contains(&shown),
        "{shown} before the best one came"
    );
    for n in 0..100 {
        let payload = if n == 10 { &KEYFRAME } else { &[7; 100] };
        (0..3).for_each(|layer| send(&mut world, layer, 100 + n, payload));
        world.run_for(Duration::from_millis(33));
    }
    let came = world.far.rtp_on(ssrc);
    assert_eq!(came.len(), shown + 100, "layers are mixed");
    let steps = came.windows(2).map(|pair| {
        let (before, after) = (&pair[0].header, &pair[1].header);
        (
            after.sequence.wrapping_sub(before.sequence),
            after.timestamp.wrapping_sub(before.timestamp),
        )
    });
    let even = steps.filter(|step| step.0 == 1 && (2000..4000).contains(&step.1));
    assert_eq!(even.count(), shown + 99);
}

const NACK: &str =
    "a=sendrecv\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n";

#[test]
fn of_layers_one_goes_out_and_another_where_it_is_silent() {
    let sim = "a=sendrecv\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n\
               a=ssrc-group:SIM 701 702 703\r\na=ssrc:701 cname:x\r\na=ssrc:702 cname:x\r\na=ssrc:703 cname:x\r\n";
    assert_one_layer_goes_out(sim, [703, 702, 701], [None; 3]);
    let rids = "a=sendrecv\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n\
                a=rid:f send\r\na=rid:h send\r\na=rid:q send\r\na=simulcast:send f;h;q\r\n";
    assert_one_layer_goes_out(rids, [701, 702, 703], [Some(b"f"), Some(b"h"), Some(b"q")]);
}

#[test]
fn without_a_retransmission_stream_the_same_bytes_are_sent_again() {
    let mut world = World::bare(seed(16));
    world.connect_bare(&[Section::Written {
        mid: "0",
        lines: NACK,
    }]);
    for n in 0..20 {
        (world.far).send_rtp(&packet(VP8, 11, n, 9000, "0", &[n as u8; 300]));
    }
    world.run_for(Duration::from_millis(100));
    let ssrc = world.server_ssrcs(0).0;
    let sequences: Vec<_> = (world.far.rtp_on(ssrc).iter())
        .map(|r| r.header.sequence)
        .collect();
    let before = std::mem::take(&mut world.far.sealed);
    assert_eq!(before.len(), 20);
    let mut nack = Vec::new();
    rtcp::write_nack(&mut nack, 1, ssrc, &sequences[5..8]);
    world.far.send_rtcp(&nack);
    world.run_for(Duration::from_millis(100));
    assert_eq!(world.far.sealed, before[5..8]);
}

#[test]
fn retransmissions_that_probe_are_not_forwarded() {
    let mut world = call(5);
    for sequence in 10..15 {
        world.far.send_rtp(&video(sequence));
    }
    // Packets that arrived are sent again, to find out how much the path takes.
    for (at, sequence) in (10..15_u16).enumerate() {
        let mut payload = sequence.to_be_bytes().to_vec();
        payload.extend_from_slice(&video(sequence)[20..]);
        world
            .far
            .send_rtp(&packet(VP8_RTX, 12, at as u16, 9000, "1", &payload));
    }
    world.far.send_rtp(&padding(VP8_RTX, 12, 5, 9000, "1"));
    world.far.send_rtp(&packet(VP8_RTX, 12, 6, 9000, "1", &[]));
    world.far.send_rtp(&packet(VP8_RTX, 12, 7, 9000, "1", &[0]));
    world.far.send_rtp(&video(15));
    world.run_for(Duration::from_secs(1));
    assert_eq!(row(&world), [0, 1, 2, 3, 4, 5]);
    assert_eq!(world.server.given_out, 6);
}

#[test]
fn retransmissions_follow_the_stream_to_its_new_ssrc() {
    let mut world = call(6);
    for (ssrc, rtx) in [(11, 12), (21, 22)] {
        goodbye(&mut world, &[11]);
        for sequence in [10, 11, 13] {
            world
                .far
                .send_rtp(&packet(VP8, ssrc, sequence, 9000, "1", &KEYFRAME));
        }
        world.run_for(Duration::from_millis(50));
        let again = packet(VP8_RTX, rtx, 1, 9000, "1", &[0, 12, 7, 7, 7]);
        world.far.send_rtp(&again);
        world.run_for(Duration::from_millis(50));
    }
    assert_eq!(world.server.given_out, 8);
}

#[test]
fn unknown_payload_types_and_sections_are_ignored() {
    let mut world = call(7);
    world.far.send_rtp(&packet(100, 31, 1, 0, "1", &[1; 100]));
    world
        .far
        .send_rtp(&packet(VP8_RTX, 32, 1, 0, "1", &[0, 1, 2]));
    world.far.send_rtp(&packet(OPUS, 33, 1, 0, "1", &[1; 100]));
    world.far.send_rtp(&packet(90, 34, 1, 0, "7", &[1; 100]));
    world
        .far
        .send_rtp(&packet_with(90, 35, 1, 0, &[], &[1; 100]));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server.given_out, 0);
    // By its payload type alone one section can be meant.
    world
        .far
        .send_rtp(&packet_with(OPUS, 36, 1, 0, &[], &[1; 100]));
    world.run_for(Duration::from_secs(1));
    // An unknown section's name does not hide that.
    world
        .far
        .send_rtp(&packet_with(OPUS, 37, 1, 0, &[(MID, b"9")], &[1; 100]));
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server.given_out, 2);
}

#[test]
fn a_replay_is_refused() {
    let mut world = call(8);
    let sealed: Vec<_> = (10..20).map(|n| world.far.seal(&video(n))).collect();
    for _ in 0..3 {
        for packet in &sealed {
            world.far.send_raw(packet.clone());
        }
        world.run_for(Duration::from_millis(100));
    }
    assert_eq!(world.server.given_out, 10);
}

#[test]
fn packets_from_elsewhere_and_forged_ones_are_ignored() {
    let mut world = call(9);
    let sealed = world.far.seal(&video(10));
    let stranger = crate::harness::address("203.0.113.66:666");
    world.far.send_from(stranger, sealed.clone());
    let mut forged = sealed.clone();
    *forged.last_mut().unwrap() ^= 1;
    world.far.send_raw(forged);
    world.far.send_raw(video(10));
    for len in 0..sealed.len() {
        world.far.send_raw(sealed[..len].to_vec());
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server.given_out, 0);
    world.far.send_raw(sealed);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.server.given_out, 1);
}

/// What a sender does with one sequence number.
#[derive(Clone, Copy, Debug)]
enum Step {
    Media,
    Padding,
    /// It is lost, and sent again on the retransmission stream so many steps later.
    Again(usize),
    Lost,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Media),
        2 => Just(Step::Padding),
        2 => (1..20_usize).prop_map(Step::Again),
        1 => Just(Step::Lost),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// However padding, losses, retransmissions and reordering fall together, a number stands for one
    /// packet, and packets keep their order.
    #[test]
    fn numbers_are_unique_and_in_order(
        steps in steps(),
        first in any::<u16>(),
        swaps in proptest::collection::vec((0..120_usize, 1..6_usize), 0..20),
    ) {
        let mut world = call(10);
        let mut queue: Vec<(usize, Vec<u8>)> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            let sequence = first.wrapping_add(at as u16);
            match step {
                Step::Media => queue.push((at, video(sequence))),
                Step::Padding => queue.push((at, padding(VP8, 11, sequence, 9000, "1"))),
                Step::Again(later) => {
                    let mut payload = sequence.to_be_bytes().to_vec();
                    payload.extend_from_slice(&video(sequence)[20..]);
                    queue.push((at + later, packet(VP8_RTX, 12, at as u16, 9000, "1", &payload)));
                }
                Step::Lost => {}
            }
        }
        queue.sort_by_key(|(at, _)| *at);
        let mut sealed: Vec<_> = queue.iter().map(|(_, packet)| world.far.seal(packet)).collect();
        for (at, by) in swaps {
            if at + by < sealed.len() {
                sealed.swap(at, at + by);
            }
        }
        for packet in sealed {
            world.far.send_raw(packet);
            world.run_for(Duration::from_millis(3));
        }
        world.run_for(Duration::from_secs(1));
        let mut pairs: Vec<_> = echoed(&world).into_iter().collect();
        if let Some(&(ours, theirs)) = pairs.first() {
            let ahead = |(a, b): &(u16, u16)| (a.wrapping_sub(ours) as i16, b.wrapping_sub(theirs) as i16);
            pairs.sort_by_key(|pair| ahead(pair).0);
            let sources: Vec<_> = pairs.iter().map(|pair| ahead(pair).1).collect();
            prop_assert!(sources.is_sorted(), "{sources:?}");
        }
    }
}

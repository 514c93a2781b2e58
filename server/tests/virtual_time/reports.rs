//! What the two ends tell each other about what they hear.

use std::time::{Duration, Instant};

use ferrite_server::media::ingest::stream::KEYFRAME_INTERVAL;
use ferrite_server::media::rtp::clock::ntp_seconds;
use ferrite_server::media::rtp::rtcp::{self, Packet, ReportBlock, SenderInfo};
use rtc::rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, TransportLayerCc};
use rtc::shared::marshal::Unmarshal as _;
use str0m::bwe::Bitrate;
use str0m::media::KeyframeRequestKind;

use crate::echoes_media::sending;
use crate::harness::bare::packet_with;
use crate::harness::offer::{MID, OPUS, RID, Section, TRANSPORT_CC, VP8};
use crate::harness::{Bare, Conditions, World, browser, seed};

const AUDIO: Section = Section::Audio {
    mid: "0",
    direction: "sendrecv",
};
const VIDEO: Section = Section::Video {
    mid: "1",
    direction: "sendrecv",
    ssrcs: None,
};

#[test]
fn the_far_end_measures_the_round_trip_by_our_receiver_reports() {
    let (mut world, audio, video) = sending(1, Conditions::PERFECT, 1000, 0);
    world.run_for(Duration::from_secs(8));
    for mid in [audio, video] {
        let stats = world.far.egress_stats[&mid].clone();
        let rtt = stats.rtt.unwrap().as_millis();
        assert!((35..50).contains(&rtt), "{rtt} ms over 2 · 20 ms");
        let remote = stats.remote.as_ref().unwrap();
        assert_eq!(remote.packets_lost, 0);
        assert!(remote.jitter < 100, "{}", remote.jitter);
        let newest = world.far.track(mid).next_sequence;
        let reported = *remote.maximum_sequence_number & 0xFFFF;
        assert!(
            newest - 300 < reported && reported < newest,
            "{reported} of {newest}"
        );
    }
}

#[test]
fn the_far_end_learns_how_much_is_lost() {
    let mut lossy_up = Conditions::PERFECT;
    lossy_up.loss = 0.1;
    let (mut world, audio, _) = sending(2, Conditions::PERFECT, 1000, 0);
    world.link.up = lossy_up;
    world.run_for(Duration::from_secs(20));
    let remote = world.far.egress_stats[&audio].remote.clone().unwrap();
    // 50 packets a second.
    assert!(
        (50..160).contains(&remote.packets_lost),
        "{}",
        remote.packets_lost
    );
}

#[test]
fn the_far_end_is_asked_for_a_keyframe_at_first_and_then_as_often_as_it_asks() {
    let (mut world, _, video) = sending(3, Conditions::PERFECT, 1000, 0);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.far.keyframe_requests.len(), 1, "at the beginning");
    let first = world.far.keyframe_requests[0].1;
    assert_eq!((first.mid, first.kind), (video, KeyframeRequestKind::Pli));
    // It asks ten times a second, for two seconds.
    for _ in 0..20 {
        let mut api = world.far.rtc.direct_api();
        let stream = api.stream_rx_by_mid(video, None).unwrap();
        stream.request_keyframe(KeyframeRequestKind::Pli);
        world.run_for(Duration::from_millis(100));
    }
    world.run_for(Duration::from_secs(2));
    let asked = &world.far.keyframe_requests[1..];
    assert!(
        (4..=6).contains(&asked.len()),
        "{} in two seconds",
        asked.len()
    );
    for pair in asked.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= KEYFRAME_INTERVAL);
    }
}

#[test]
fn transport_feedback_lets_the_far_end_raise_its_bitrate() {
    let config = browser::config().enable_bwe(Some(Bitrate::kbps(300)));
    let mut world = World::browser(seed(4), config);
    let (_, video) = world.call();
    world.run_until(Duration::from_secs(5), "connected", |w| w.is_connected());
    let now = world.now;
    world.far.send_on(now, video, 1000, 0);
    let (least, most) = (Bitrate::kbps(100), Bitrate::mbps(3));
    world.far.rtc.bwe().set_bitrate(least, most);
    world.run_for(Duration::from_secs(15));
    let stats = world.far.stats.clone().unwrap();
    let estimate = stats.bwe_tx.unwrap();
    assert!(estimate.as_u64() > 1_000_000, "{estimate}");
    assert!(stats.egress_loss_fraction.unwrap() < 0.01, "{stats:?}");
    // It probed with padding and retransmissions. What came back is what it sent.
    let echo = crate::echoes_media::compare(&world, video);
    assert!(echo.missing.is_empty() && echo.duplicates == 0, "{echo:?}");
}

#[test]
fn transport_feedback_tells_the_losses() {
    let config = browser::config().enable_bwe(Some(Bitrate::kbps(1500)));
    let mut world = World::browser(seed(5), config);
    let (_, video) = world.call();
    world.run_until(Duration::from_secs(5), "connected", |w| w.is_connected());
    world.link.up.loss = 0.1;
    world.link.up.reorder = 0.2;
    let now = world.now;
    world.far.send_on(now, video, 1000, 0);
    world.run_for(Duration::from_secs(10));
    let stats = world.far.stats.clone().unwrap();
    let loss = stats.egress_loss_fraction.unwrap();
    assert!((0.04..0.2).contains(&loss), "{loss}");
}

fn call(own_seed: u64) -> World<Bare> {
    let mut world = World::bare(seed(own_seed));
    world.connect_bare(&[AUDIO, VIDEO]);
    world
}

/// What feedback said of each packet: lost, or when it came, in steps of 250 us.
fn feedback(world: &World<Bare>) -> Vec<(u16, Option<i64>)> {
    let mut told = Vec::new();
    for (_, compound) in &world.far.rtcp {
        let mut rest = &compound[..];
        while rest.len() >= 4 {
            let len = 4 + 4 * usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let (packet, after) = rest.split_at(len);
            rest = after;
            if (packet[0] & 0x1F, packet[1]) == (15, 205) {
                read_feedback(packet, &mut told);
            }
        }
    }
    told
}

fn read_feedback(mut packet: &[u8], told: &mut Vec<(u16, Option<i64>)>) {
    let parsed = TransportLayerCc::unmarshal(&mut packet).unwrap();
    let mut statuses = Vec::new();
    for chunk in &parsed.packet_chunks {
        match chunk {
            PacketStatusChunk::RunLengthChunk(chunk) => {
                let symbol = chunk.packet_status_symbol as u16;
                statuses.extend((0..chunk.run_length).map(|_| symbol));
            }
            PacketStatusChunk::StatusVectorChunk(chunk) => {
                statuses.extend(chunk.symbol_list.iter().map(|s| *s as u16));
            }
        }
    }
    statuses.truncate(parsed.packet_status_count.into());
    let mut at = i64::from(parsed.reference_time) * 256;
    let mut deltas = parsed.recv_deltas.iter();
    for (n, status) in statuses.into_iter().enumerate() {
        let arrival = (status != 0).then(|| {
            at += deltas.next().unwrap().delta / 250;
            at
        });
        told.push((parsed.base_sequence_number.wrapping_add(n as u16), arrival));
    }
}

#[test]
fn transport_feedback_tells_when_every_packet_of_every_stream_came() {
    let mut world = call(6);
    let mut due = Vec::new();
    for n in 0..500_u16 {
        let sequence = 65_300_u16.wrapping_add(n);
        if n % 7 == 3 {
            continue;
        }
        let (pt, ssrc, mid) = match n % 2 {
            0 => (OPUS, 21, &b"0"[..]),
            _ => (VP8, 11, &b"1"[..]),
        };
        let counter = sequence.to_be_bytes();
        let extensions: [(u8, &[u8]); 2] = [(MID, mid), (TRANSPORT_CC, &counter)];
        world
            .far
            .send_rtp(&packet_with(pt, ssrc, n, 0, &extensions, &[1; 200]));
        due.push((
            sequence,
            (world.elapsed() + Duration::from_millis(20)).as_micros() as i64 / 250,
        ));
        world.run_for(Duration::from_micros(1700 + u64::from(n % 5) * 3000));
    }
    world.run_for(Duration::from_secs(1));
    let told = feedback(&world);
    let came: Vec<_> = told
        .iter()
        .filter_map(|(s, at)| Some((*s, (*at)?)))
        .collect();
    assert_eq!(came.len(), due.len());
    let offset = came[0].1 - due[0].1;
    for (came, due) in came.iter().zip(&due) {
        assert_eq!(came.0, due.0);
        assert!(
            (came.1 - due.1 - offset).abs() <= 1,
            "{came:?} instead of {due:?}"
        );
    }
    let lost = told.iter().filter(|(_, at)| at.is_none()).count();
    assert_eq!(lost, 71);
}

#[test]
fn sender_reports_carry_the_sources_clock_and_count_what_was_sent() {
    let mut world = call(7);
    // The source's wall clock is wrong by a century, as that of many a browser.
    let century = 1_u64 << 62;
    let source_ntp = |world: &World<Bare>| {
        let micros = world.elapsed().as_micros() as u64;
        century + (micros << 32) / 1_000_000
    };
    for n in 0..250_u16 {
        let ms = world.elapsed().as_millis() as u32;
        let mid: [(u8, &[u8]); 1] = [(MID, b"0")];
        world
            .far
            .send_rtp(&packet_with(OPUS, 21, n, ms * 48, &mid, &[1; 100]));
        if n % 50 == 49 {
            let info = SenderInfo {
                ssrc: 21,
                ntp: source_ntp(&world),
                rtp: ms * 48,
                packets: n.into(),
                octets: 0,
            };
            let mut report = Vec::new();
            rtcp::write_sender_report(&mut report, &info, &[]);
            world.far.send_rtcp(&report);
        }
        world.run_for(Duration::from_millis(20));
    }
    let (ssrc, _) = world.server_ssrcs(0);
    let mut reports = Vec::new();
    for (at, compound) in &world.far.rtcp {
        for packet in rtcp::packets(compound) {
            if let Packet::SenderReport {
                ssrc: s, ntp, rtp, ..
            } = packet
                && s == ssrc
            {
                reports.push((*at, ntp, rtp));
            }
        }
    }
    assert!(reports.len() >= 4, "{}", reports.len());
    for pair in reports.windows(2) {
        let seconds = ntp_seconds(pair[1].1, pair[0].1);
        assert!((seconds - (pair[1].0 - pair[0].0).as_secs_f64()).abs() < 0.001);
    }
    // Once the source has reported, the media clock is exact.
    let exact = &reports[reports.len() - 2..];
    let ticks = exact[1].2.wrapping_sub(exact[0].2);
    let seconds = ntp_seconds(exact[1].1, exact[0].1);
    assert!(
        (f64::from(ticks) - seconds * 48_000.0).abs() < 20.0,
        "{ticks} in {seconds} s"
    );
}

/// Our sender reports on a section: when they came, and the two clocks in them.
fn sender_reports(world: &World<Bare>, section: usize) -> Vec<(Instant, u64, u32)> {
    let (ours, _) = world.server_ssrcs(section);
    let mut reports = Vec::new();
    for (at, compound) in &world.far.rtcp {
        for packet in rtcp::packets(compound) {
            if let Packet::SenderReport { ssrc, ntp, rtp, .. } = packet
                && ssrc == ours
            {
                reports.push((*at, ntp, rtp));
            }
        }
    }
    reports
}

#[test]
fn layers_that_are_not_forwarded_do_not_move_the_clock() {
    let lines = "a=sendrecv\r\na=rtpmap:96 VP8/90000\r\na=rid:a send\r\na=rid:b send\r\n\
                 a=simulcast:send a;b\r\n";
    let mut world = World::bare(seed(9));
    world.connect_bare(&[Section::Written { mid: "0", lines }]);
    // Each layer has a media clock of its own, and both have one wall clock.
    let layers: [(u32, &[u8], u32); 2] = [(31, b"a", 0), (32, b"b", 1 << 30)];
    for n in 0..200_u16 {
        let micros = world.elapsed().as_micros() as u64;
        let ntp = (1_u64 << 62) + (micros << 32) / 1_000_000;
        let ticks = (micros * 9 / 100) as u32;
        for (ssrc, rid, begin) in layers {
            let extensions = [(MID, &b"0"[..]), (RID, rid)];
            let packet = packet_with(VP8, ssrc, n, begin + ticks, &extensions, &[1; 100]);
            world.far.send_rtp(&packet);
            if n % 20 == 19 {
                let info = SenderInfo {
                    ssrc,
                    ntp,
                    rtp: begin + ticks,
                    packets: n.into(),
                    octets: 0,
                };
                let mut report = Vec::new();
                rtcp::write_sender_report(&mut report, &info, &[]);
                world.far.send_rtcp(&report);
            }
        }
        world.run_for(Duration::from_millis(20));
    }
    let reports = sender_reports(&world, 0);
    assert!(reports.len() >= 3, "{reports:?}");
    for (at, _, rtp) in reports {
        let ticks = (at - world.start).as_millis() as u32 * 90;
        // Both ways take 20 ms.
        let late = ticks.wrapping_sub(rtp) as i32;
        assert!((0..90 * 60).contains(&late), "{late} ticks off");
    }
}

#[test]
fn a_report_that_lies_about_the_round_trip_does_no_harm() {
    let mut world = call(8);
    let (ssrc, _) = world.server_ssrcs(1);
    let mid: [(u8, &[u8]); 1] = [(MID, b"1")];
    world
        .far
        .send_rtp(&packet_with(VP8, 11, 1, 0, &mid, &[1; 100]));
    for (last_sender_report, delay_since) in [(1, 0), (u32::MAX, u32::MAX), (0, 7), (1 << 31, 1)] {
        let block = ReportBlock {
            ssrc,
            last_sender_report,
            delay_since,
            ..ReportBlock::default()
        };
        let mut report = Vec::new();
        rtcp::write_receiver_report(&mut report, 11, &[block]);
        world.far.send_rtcp(&report);
    }
    world.run_for(Duration::from_millis(100));
    // Losses are still asked for in good time.
    world
        .far
        .send_rtp(&packet_with(VP8, 11, 3, 0, &mid, &[1; 100]));
    world.run_for(Duration::from_secs(6));
    let compounds = world.far.rtcp.iter();
    let packets = compounds.flat_map(|(_, compound)| rtcp::packets(compound));
    let asked = packets
        .filter(|p| matches!(p, Packet::Nack { ssrc: 11, .. }))
        .count();
    assert!(asked >= 4, "{asked}");
}

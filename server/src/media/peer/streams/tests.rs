//! What one datagram can make the server do, counted in entries looked at and packets sent.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, UNIX_EPOCH};

use bytes::BytesMut;
use rtc::srtp::protection_profile::ProtectionProfile;

use super::due::MAX_REQUESTS;
use super::*;
use crate::media::ingest::loss::MAX_MISSING;
use crate::media::ingest::table::MAX_INGESTS;
use crate::media::peer::PeerOutput;
use crate::media::rtp::header::write_header;
use crate::media::rtp::work::steps_of;
use crate::media::rtp::{rtcp, work};
use crate::media::sdp::{Local, MAX_SECTIONS, answer};

const VP8: u8 = 96;
const MID: u8 = 1;

/// A peer's streams, and what it and its other end do with them.
struct Scene {
    now: Instant,
    streams: MediaStreams,
    ours: Srtp,
    theirs: Srtp,
    agreed: Agreed,
}

impl Scene {
    /// With so many video sections.
    fn new(sections: usize) -> Self {
        let now = Instant::now();
        let clock = Clock::new(now, UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let mut streams = MediaStreams::new(now, clock, "test".to_owned(), 7);
        let agreed = agreed(sections);
        streams.agree(&agreed);
        let provider = rtc::crypto::default_provider().unwrap();
        let profile = ProtectionProfile::AeadAes128Gcm;
        let end = |is_client| {
            Srtp::from_keying_material(profile, &[7; 56], is_client, &provider).unwrap()
        };
        Self {
            now,
            streams,
            ours: end(false),
            theirs: end(true),
            agreed,
        }
    }

    /// The SSRC sent on a section.
    fn ssrc(&self, section: usize) -> u32 {
        let mut media = media(&self.agreed);
        media.nth(section).unwrap().send.as_ref().unwrap().ssrc
    }

    fn receive(
        &mut self,
        ssrc: u32,
        sequence: u16,
        elements: &[(u8, &[u8])],
    ) -> Option<MediaPacket> {
        let mut sealed = packet(ssrc, sequence, elements);
        let header = Header::parse(&sealed).unwrap();
        self.theirs.protect_rtp(&mut sealed, 0, &header).unwrap();
        self.streams.receive_rtp(self.now, &sealed, &mut self.ours)
    }

    /// Receives a packet of a section, and sends it back on it.
    fn echo(&mut self, section: usize, sequence: u16) {
        let mid = section.to_string();
        let ssrc = 100_000 + section as u32;
        let media = self.receive(ssrc, sequence, &[(MID, mid.as_bytes())]);
        let media = media.unwrap();
        let egress = self.streams.egress(section).unwrap();
        egress.forward(self.now, &media, false);
    }

    fn hear(&mut self, compound: &[u8]) -> (Heard, VecDeque<PeerOutput>) {
        let mut outputs = VecDeque::new();
        let heard = self
            .streams
            .receive_rtcp(self.now, None, compound, &mut outputs);
        (heard, outputs)
    }

    fn due(&mut self) -> Vec<u8> {
        let mut written = Vec::new();
        let rtt = Duration::from_millis(100);
        self.streams.write_due_rtcp(self.now, rtt, &mut written);
        written
    }

    fn pass(&mut self, ms: u64) {
        self.now += Duration::from_millis(ms);
    }
}

fn packet(ssrc: u32, sequence: u16, elements: &[(u8, &[u8])]) -> BytesMut {
    let mut fixed = [0x80, VP8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    fixed[2..4].copy_from_slice(&sequence.to_be_bytes());
    fixed[8..12].copy_from_slice(&ssrc.to_be_bytes());
    let elements: Vec<_> = (elements.iter())
        .map(|(id, value)| (Some(*id), Some(*value)))
        .collect();
    let mut packet = BytesMut::new();
    write_header(&mut packet, &Header::parse(&fixed).unwrap(), &elements);
    packet.extend_from_slice(&[0x10, 0, 1, 2]);
    packet
}

fn agreed(sections: usize) -> Agreed {
    let mids: Vec<_> = (0..sections).map(|mid| mid.to_string()).collect();
    let mut offer = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
         a=ice-ufrag:theirs\r\na=ice-pwd:thepasswordoftheirend0\r\na=setup:active\r\n\
         a=fingerprint:sha-256 {}\r\n",
        mids.join(" "),
        vec!["07"; 32].join(":")
    );
    for mid in mids {
        offer += &format!(
            "m=video 9 UDP/TLS/RTP/SAVPF {VP8} 97\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=sendrecv\r\n\
             a=rtcp-mux\r\na=rtcp-rsize\r\na=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
             a=rtpmap:{VP8} VP8/90000\r\na=rtcp-fb:{VP8} nack\r\na=rtcp-fb:{VP8} nack pli\r\n\
             a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt={VP8}\r\n"
        );
    }
    let local = Local {
        ice_ufrag: "ours".to_owned(),
        ice_pwd: "thepasswordofourownend".to_owned(),
        fingerprint: [7; 32],
        candidates: Vec::new(),
        trickles: false,
        session_id: 1,
        max_message_size: 1 << 18,
        cname: "test".to_owned(),
        streams: HashMap::new(),
    };
    let mut next = 0xF000_0000;
    let mut random = || {
        next += 1;
        next
    };
    answer(&offer, &local, None, &mut random).unwrap().agreed
}

fn nack(ssrc: u32, pairs: usize) -> Vec<u8> {
    let mut compound = Vec::new();
    // Far from anything that was sent.
    let lost: Vec<u16> = (0..17 * pairs as u16)
        .map(|n| n.wrapping_add(50_000))
        .collect();
    rtcp::write_nack(&mut compound, 1, ssrc, &lost);
    compound
}

#[test]
fn numbers_that_are_not_there_are_looked_up_once_each_and_not_all_of_many() {
    let mut scene = Scene::new(1);
    (0..400).for_each(|n| scene.echo(0, n));
    let ssrc = scene.ssrc(0);
    let few = nack(ssrc, 1);
    let steps = steps_of(|| drop(scene.hear(&few)));
    assert_eq!(steps, 17);
    // One packet of many, and many packets of few.
    for compound in [nack(ssrc, 290), nack(ssrc, 1).repeat(60)] {
        let steps = steps_of(|| drop(scene.hear(&compound)));
        assert!(steps > 300 && steps <= MAX_ASKED, "{steps} entries");
    }
}

#[test]
fn of_feedback_no_more_is_looked_at_than_of_anything_else() {
    let mut scene = Scene::new(1);
    scene.streams.estimator.begun(scene.now);
    // Runs of eight thousand packets that came, as often as a count and a datagram have room for.
    let mut body = vec![0, 0, 0xFF, 0xFF, 0, 0, 1, 0];
    body.extend([0x3F, 0xFF].repeat(8));
    body.extend([1; 700]);
    let mut one = Vec::new();
    rtcp::write_transport_cc(&mut one, 1, 2, &body);
    for compound in [one.clone(), one.repeat(2)] {
        let steps = steps_of(|| {
            let (heard, _) = scene.hear(&compound);
            assert!(heard.looked_at() > MAX_ASKED);
        });
        assert!(steps <= MAX_ASKED + 50, "{steps}");
    }
}

#[test]
fn of_estimates_one_look_is_taken_at_each_and_none_at_the_streams_they_name() {
    let mut scene = Scene::new(1);
    scene.streams.agree(&estimated(agreed(1)));
    let mut one = Vec::new();
    rtcp::write_max_bitrate(&mut one, 1, 400_000, &[7; 255]);
    let mut few = Vec::new();
    rtcp::write_max_bitrate(&mut few, 1, 300_000, &[]);
    for (compound, packets) in [
        (one.repeat(2), 2),
        (few.repeat(100), 100),
        (few.repeat(9000), MAX_ASKED + 1),
    ] {
        let steps = steps_of(|| {
            let (heard, _) = scene.hear(&compound);
            assert_eq!(heard.looked_at(), packets);
        });
        assert_eq!(steps, 0);
    }
    let estimate = scene.streams.estimate().unwrap();
    assert_eq!(estimate.bits_per_second, 300_000);
}

/// The same without transport-wide feedback.
fn estimated(mut agreed: Agreed) -> Agreed {
    for section in &mut agreed.sections {
        if let Section::Media(media) = section {
            media.codecs.iter_mut().for_each(|codec| codec.remb = true);
        }
    }
    agreed
}

#[test]
fn a_datagram_is_answered_with_a_bounded_number_of_retransmissions() {
    let mut scene = Scene::new(2);
    for n in 0..200 {
        scene.echo(0, n);
        scene.echo(1, n);
    }
    let mut compound = Vec::new();
    for section in [0, 1] {
        let egress = scene.streams.egresses[section].as_ref().unwrap();
        let sent: Vec<_> = (0..=u16::MAX).filter(|n| egress.keeps(*n)).collect();
        assert_eq!(sent.len(), 200);
        for some in sent.chunks(40) {
            rtcp::write_nack(&mut compound, 1, scene.ssrc(section), some);
        }
    }
    let (heard, outputs) = scene.hear(&compound);
    let wanted = outputs.iter().map(|output| match output {
        PeerOutput::Wanted { packets, .. } => packets.len(),
        PeerOutput::Media(_)
        | PeerOutput::Began { .. }
        | PeerOutput::KeyframeWanted { .. }
        | PeerOutput::Data { .. }
        | PeerOutput::ChannelOpened { .. }
        | PeerOutput::ChannelClosed { .. }
        | PeerOutput::State(_) => 0,
    });
    assert_eq!(wanted.sum::<usize>(), MAX_RETRANSMISSIONS);
    assert_eq!(heard.wanted, MAX_RETRANSMISSIONS);
}

#[test]
fn keyframes_are_wished_for_once_for_each_section() {
    let mut scene = Scene::new(3);
    let (first, last) = (scene.ssrc(0), scene.ssrc(2));
    let mut compound = Vec::new();
    for _ in 0..50 {
        rtcp::write_pli(&mut compound, 1, last);
        rtcp::write_fir(&mut compound, 1, &[first, last, 77]);
    }
    let (_, outputs) = scene.hear(&compound);
    let sections: Vec<_> = (outputs.iter())
        .map(|output| match output {
            PeerOutput::KeyframeWanted { section } => *section,
            PeerOutput::Media(_)
            | PeerOutput::Wanted { .. }
            | PeerOutput::Began { .. }
            | PeerOutput::Data { .. }
            | PeerOutput::ChannelOpened { .. }
            | PeerOutput::ChannelClosed { .. }
            | PeerOutput::State(_) => panic!(),
        })
        .collect();
    assert_eq!(sections, [0, 2]);
}

#[test]
fn report_blocks_are_found_in_one_look_and_not_all_of_many() {
    let mut scene = Scene::new(MAX_SECTIONS);
    let blocks: Vec<_> = (0..31)
        .map(|n| rtcp::ReportBlock {
            ssrc: n,
            ..rtcp::ReportBlock::default()
        })
        .collect();
    let mut compound = Vec::new();
    (0..100).for_each(|_| rtcp::write_receiver_report(&mut compound, 1, &blocks));
    let (heard, _) = scene.hear(&compound);
    assert!(heard.report.is_none());
    assert!(
        heard.looked_at() <= MAX_ASKED + 100,
        "{}",
        heard.looked_at()
    );
}

/// Every stream that a peer may send has lost as much as is asked for at one time.
fn lossy() -> Scene {
    let mut scene = Scene::new(MAX_INGESTS);
    for section in 0..MAX_INGESTS {
        scene.echo(section, 0);
    }
    scene.due();
    scene.pass(500);
    for section in 0..MAX_INGESTS {
        (1..10).for_each(|n| scene.echo(section, 20 * n));
    }
    scene
}

#[test]
fn keyframe_requests_over_many_lossy_streams_search_nothing() {
    let mut scene = lossy();
    let mut compound = Vec::new();
    for section in 0..MAX_INGESTS {
        rtcp::write_pli(&mut compound, 1, scene.ssrc(section));
    }
    let steps = steps_of(|| {
        let (_, outputs) = scene.hear(&compound);
        assert_eq!(outputs.len(), MAX_INGESTS);
        for section in 0..MAX_INGESTS {
            scene.streams.request_keyframe(scene.now, section);
        }
    });
    assert_eq!(steps, 0, "streams or packets were walked");
    let mut written = Vec::new();
    let steps = steps_of(|| written = scene.due());
    assert!(steps <= 3 * MAX_INGESTS, "{steps} for all streams once");
    assert_eq!(rtcp::packets(&written).count(), MAX_INGESTS);
}

#[test]
fn what_is_asked_again_at_one_time_has_a_bound_and_the_rest_has_its_turn() {
    let mut scene = lossy();
    scene.pass(10);
    let (mut asked, mut turns) = (0, 0);
    while scene.streams.poll_timeout() <= scene.now {
        let mut written = Vec::new();
        let steps = steps_of(|| written = scene.due());
        assert!(
            steps <= MAX_REQUESTS + MAX_MISSING + 3 * MAX_INGESTS,
            "{steps}"
        );
        asked += rtcp::packets(&written)
            .map(|packet| match packet {
                rtcp::Packet::Nack { lost, .. } => lost.count(),
                _ => 0,
            })
            .sum::<usize>();
        turns += 1;
    }
    assert_eq!(asked, MAX_INGESTS * (19 * 9), "all of them were asked for");
    assert!(turns > 10);
}

#[test]
fn when_something_is_due_is_known_without_a_search() {
    let scene = lossy();
    let steps = steps_of(|| {
        assert!(scene.streams.poll_timeout() > scene.now);
    });
    assert_eq!(steps, 0);
}

#[test]
fn a_late_packet_is_looked_for_in_few_steps() {
    let mut scene = Scene::new(1);
    scene.echo(0, 0);
    scene.echo(0, 250);
    let tracked = packet(100_000, 100, &[]);
    let header = Header::parse(&tracked).unwrap();
    let ingest = scene.streams.ingests.iter_mut().next().unwrap();
    let steps = steps_of(|| assert!(ingest.record(scene.now, &header)));
    assert!(steps <= 10, "{steps}");
}

#[test]
fn a_strangers_extensions_are_read_once_however_many_sections_there_are() {
    let mut scene = Scene::new(MAX_SECTIONS);
    let elements: Vec<_> = (0..200).map(|n| (3 + (n % 10) as u8, &b"x"[..])).collect();
    // It says nothing that any section knows.
    let steps = steps_of(|| assert!(scene.receive(7, 1, &elements).is_none()));
    assert!((200..=250).contains(&steps), "{steps} elements read");
}

#[test]
fn a_goodbye_frees_every_stream_it_names() {
    let mut scene = Scene::new(4);
    (0..4).for_each(|section| scene.echo(section, 1));
    let mut goodbye = vec![0x83, 203, 0, 3];
    (0..3_u32).for_each(|n| goodbye.extend((100_000 + n).to_be_bytes()));
    scene.hear(&goodbye);
    let left: Vec<_> = scene
        .streams
        .ingests
        .iter()
        .map(|ingest| ingest.ssrc)
        .collect();
    assert_eq!(left, [100_003]);
}

#[test]
fn steps_are_counted() {
    assert_eq!(steps_of(|| work::count(3)), 3);
}

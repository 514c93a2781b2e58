//! What a peer that has its keys may say in RTP and RTCP: the streams of one peer and an echo, without
//! the transports below them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use ferrite_server::congestion::Sink;
use ferrite_server::congestion::trace::replay;
use ferrite_server::media::PeerOutput;
use ferrite_server::media::egress::{Outgoing, Wanted};
use ferrite_server::media::forward::cache::Cache;
use ferrite_server::media::peer::streams::{MAX_COMPOUND, MAX_RETRANSMISSIONS, MediaStreams};
use ferrite_server::media::rtp::clock::Clock;
use ferrite_server::media::rtp::header::{Header, sequence_diff};
use ferrite_server::media::rtp::packet::MediaPacket;
use ferrite_server::media::rtp::rtcp;
use ferrite_server::media::sdp::{Agreed, Local, MAX_SECTIONS, answer};
use ferrite_server::media::transport::ice::Credentials;
use ferrite_server::media::transport::srtp::Srtp;
use rtc::srtp::protection_profile::ProtectionProfile;

use super::input::Input;
use crate::harness::bare::packet_with;
use crate::harness::offer::{MID, OPUS, Offer, Section, TRANSPORT_CC, VP8, VP8_RTX};

/// The SSRCs that the first session announces, and some that it does not.
const SSRCS: [u32; 6] = [1000, 1001, 2000, 2001, 3000, 4000];

/// Ends of timers that may fall on one moment.
const MAX_STANDING: usize = 1000;

/// Packets and compounds of any content, in any order, at any time.
pub fn rtp(input: &[u8]) {
    let mut input = Input(input);
    let mut media = Media::new();
    while !input.is_empty() {
        media.act(&mut input);
    }
}

/// Compounds to a peer that sends and receives. Whatever is made of them is decided again the same.
pub fn rtcp(input: &[u8]) {
    hear(input, Media::new());
    // And to one whose own estimates count.
    let mut media = Media::new();
    media.streams.agree(&sessions()[4]);
    hear(input, media);
}

fn hear(input: &[u8], mut media: Media) {
    let trace = Written::default();
    media.streams.trace(Box::new(trace.clone()));
    say(input, media);
    let trace = trace.0.lock().unwrap();
    // Who says nothing of its path has none.
    if !trace.is_empty() {
        let replay = replay(&trace).unwrap();
        assert!(replay.is_the_same(), "{:?}", replay.differences);
    }
}

fn say(input: &[u8], mut media: Media) {
    let mut input = Input(input);
    media.warm_up();
    while !input.is_empty() {
        media.pass(Duration::from_millis(input.u8().into()));
        media.receive_rtcp(input.piece());
    }
    media.pass(Duration::from_secs(2));
}

/// A trace.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Sink for Written {
    fn write(&mut self, block: Vec<u8>) -> bool {
        self.0.lock().unwrap().extend(block);
        true
    }
}

struct Media {
    now: Instant,
    streams: MediaStreams,
    ours: Srtp,
    far: Srtp,
    packets: Packets,
    cache: Cache,
    congested: bool,
    sent: Sent,
    /// Payload bytes forwarded, and sent again.
    forwarded: usize,
    again: usize,
    largest: usize,
}

impl Media {
    fn new() -> Self {
        let now = Instant::now();
        let clock = Clock::new(now, UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        let mut streams = MediaStreams::new(now, clock, "fuzz".to_owned(), 0x1234_5678_9ABC_DEF0);
        streams.agree(&sessions()[0]);
        let (ours, far) = srtp();
        Self {
            now,
            streams,
            ours,
            far,
            packets: Packets::default(),
            cache: Cache::default(),
            congested: false,
            sent: Sent::default(),
            forwarded: 0,
            again: 0,
            largest: 0,
        }
    }

    /// Some packets of every kind, so that there is something to report and to ask for again.
    fn warm_up(&mut self) {
        for at in 0..20 {
            for (pt, ssrc, mid) in [(OPUS, 2000, "0"), (VP8, 1000, "1"), (VP8, 3000, "2")] {
                let (sequence, timestamp) = (100 + at, 3000 * u32::from(at));
                let extensions = [(MID, mid.as_bytes()), (TRANSPORT_CC, &[0, at as u8][..])];
                let packet = packet_with(pt, ssrc, sequence, timestamp, &extensions, &[0x10; 500]);
                self.receive_sealed(&packet);
            }
            self.pass(Duration::from_millis(20));
        }
    }

    fn act(&mut self, input: &mut Input<'_>) {
        match input.u8() % 10 {
            0..=2 => {
                let packet = self.packets.next(input);
                self.receive_sealed(&packet);
            }
            3 => self.receive_sealed(input.piece()),
            4 => {
                let datagram = input.piece();
                self.receive(datagram);
            }
            5 => self.receive_rtcp(input.piece()),
            6 => self.pass(Duration::from_millis(input.u8().into())),
            7 => self.pass(Duration::from_millis(100 * u64::from(input.u8()))),
            8 => {
                let which = usize::from(input.u8()) % sessions().len();
                self.streams.agree(&sessions()[which]);
            }
            _ => {
                let byte = input.u8();
                self.congested = byte & 1 == 1;
                self.streams
                    .request_keyframe(self.now, usize::from(byte >> 4));
            }
        }
    }

    fn receive_sealed(&mut self, packet: &[u8]) {
        let Some(header) = Header::parse(packet) else {
            return;
        };
        let mut sealed = packet.into();
        if self.far.protect_rtp(&mut sealed, 0, &header).is_ok() {
            self.receive(&sealed);
        }
    }

    fn receive(&mut self, datagram: &[u8]) {
        let received = (self.streams).receive_rtp(self.now, datagram, &mut self.ours);
        if let Some(media) = received {
            self.echo(media);
        }
        self.pass(Duration::ZERO);
    }

    fn echo(&mut self, media: MediaPacket) {
        let (now, section) = (self.now, media.section);
        let Some(egress) = self.streams.egress(section) else {
            return;
        };
        let outgoing = egress.forward(now, &media, self.congested);
        let written = outgoing.map(|outgoing| write(&outgoing));
        let span = egress.keeps_for(now, None);
        if egress.take_keyframe_wish() {
            self.streams.request_keyframe(now, section);
        }
        let Some((own, packet)) = written else {
            return;
        };
        let received = media.payload();
        assert_eq!(&packet[own.len..], received);
        self.forwarded += received.len();
        self.largest = self.largest.max(received.len());
        self.cache.insert(now, span, media);
        self.check(&own, packet);
    }

    fn check(&mut self, own: &Header, mut packet: BytesMut) {
        let header = Header::parse(&packet).unwrap();
        let numbers =
            |header: &Header| (header.ssrc, header.sequence, header.timestamp, header.len);
        assert_eq!(numbers(&header), numbers(own));
        self.sent.note(own, &packet);
        assert!(self.ours.protect_rtp(&mut packet, 0, own).is_ok());
    }

    fn receive_rtcp(&mut self, compound: &[u8]) {
        let mut outputs = VecDeque::new();
        let heard = (self.streams).receive_rtcp(self.now, None, compound, &mut outputs);
        assert!(heard.wanted <= MAX_RETRANSMISSIONS);
        assert!(outputs.len() <= 2 * MAX_SECTIONS);
        outputs.into_iter().for_each(|output| self.follow(output));
        let limit = 2 * self.forwarded + MAX_SECTIONS * self.largest;
        assert!(self.again <= limit, "NACKs amplify");
        self.pass(Duration::ZERO);
    }

    fn send_again(&mut self, section: usize, wanted: &Wanted) {
        let Some(media) = self.cache.get(wanted.ssrc, wanted.original) else {
            return;
        };
        let egress = self.streams.egress(section);
        if let Some(outgoing) = egress.and_then(|egress| egress.retransmit(wanted, media)) {
            let (own, packet) = write(&outgoing);
            // A retransmission adds two bytes to its original (RFC 4588 §4).
            self.again += (packet.len() - own.len).saturating_sub(2);
            self.check(&own, packet);
        }
    }

    /// Does as the echo does.
    fn follow(&mut self, output: PeerOutput) {
        match output {
            PeerOutput::Wanted { section, packets } => {
                packets
                    .iter()
                    .for_each(|wanted| self.send_again(section, wanted));
            }
            PeerOutput::KeyframeWanted { section } => {
                self.streams.request_keyframe(self.now, section);
            }
            PeerOutput::Media(_)
            | PeerOutput::Began { .. }
            | PeerOutput::Data { .. }
            | PeerOutput::ChannelOpened { .. }
            | PeerOutput::ChannelClosed { .. }
            | PeerOutput::State(_) => {}
        }
    }

    /// Lets time pass; what is due is written.
    fn pass(&mut self, span: Duration) {
        let end = self.now + span;
        let mut standing = 0;
        loop {
            let due = self.streams.poll_timeout();
            if due > end {
                break;
            }
            standing = if due > self.now { 0 } else { standing + 1 };
            assert!(standing < MAX_STANDING, "time stands still");
            self.now = self.now.max(due);
            self.write_rtcp();
        }
        self.now = end;
        self.fill_up();
    }

    /// What is sent to who estimates by itself is filled up with no more than would be sent in that time.
    fn fill_up(&mut self) {
        let Some((estimated, egress, mut trace)) = self.streams.filling(self.now, true) else {
            return;
        };
        let mut bytes = 0;
        while let Some(outgoing) = egress.padding()
            && estimated.takes_padding(outgoing.size(), trace.as_deref_mut())
        {
            bytes += outgoing.size();
            write(&outgoing);
        }
        assert!(bytes <= 8000, "{bytes} bytes of padding at once");
        let estimate = estimated.estimate().map(|it| it.bits_per_second);
        assert!(estimate.is_none_or(|bits| (30_000..=100_000_000).contains(&bits)));
    }

    fn write_rtcp(&mut self) {
        let mut compound = Vec::new();
        let rtt = Duration::from_millis(100);
        self.streams.write_due_rtcp(self.now, rtt, &mut compound);
        for compound in self.streams.compounds(&compound) {
            let is_single = rtcp::pieces(&compound, 0).count() == 1;
            assert!(compound.len() <= MAX_COMPOUND || is_single, "too long");
            let read = rtc::rtcp::packet::unmarshal(&mut Bytes::copy_from_slice(&compound));
            assert!(read.is_ok(), "{read:?} of {compound:02x?}");
        }
    }
}

/// Packets of several streams, in an order that the input decides.
#[derive(Default)]
pub struct Packets {
    /// The sequence number and the timestamp of each SSRC's last packet.
    next: HashMap<u32, (u16, u32)>,
}

impl Packets {
    /// A packet that goes on where its stream was, more or less.
    pub fn next(&mut self, input: &mut Input<'_>) -> Vec<u8> {
        let shape = input.u8();
        let pt = match shape & 3 {
            0 => OPUS,
            1 => VP8,
            2 => VP8_RTX,
            _ => input.u8(),
        };
        let ssrc = match usize::from(input.u8()) {
            known if known < 128 => SSRCS[known % SSRCS.len()],
            other => other as u32,
        };
        let (sequence, timestamp) = self.next.entry(ssrc).or_insert((1000, 0));
        let step = match shape & 4 {
            0 => i32::from(input.small()),
            _ => i32::from(input.u16()),
        };
        *sequence = sequence.wrapping_add(step as u16);
        *timestamp = timestamp.wrapping_add(u32::from(input.u8()) << (shape >> 4));
        let (mid, counted) = ([b'0' + (input.u8() & 3)], sequence.to_be_bytes());
        let extensions = [(MID, &mid[..]), (TRANSPORT_CC, &counted[..])];
        let extensions = &extensions[..usize::from(shape >> 3 & 3).min(2)];
        let payload = input.piece();
        let mut packet = packet_with(pt, ssrc, *sequence, *timestamp, extensions, payload);
        packet[0] |= shape & 0x20;
        packet
    }
}

/// What was sent, by SSRC and by the whole of its sequence number (RFC 3711 §3.3.1).
#[derive(Default)]
struct Sent {
    newest: HashMap<u32, i64>,
    packets: HashMap<(u32, i64), Vec<u8>>,
}

impl Sent {
    /// No two packets have the same number: with the same key, that would undo the encryption of both.
    fn note(&mut self, header: &Header, packet: &[u8]) {
        let newest = self
            .newest
            .entry(header.ssrc)
            .or_insert(header.sequence.into());
        let whole = *newest + i64::from(sequence_diff(header.sequence, *newest as u16));
        *newest = whole.max(*newest);
        let key = (header.ssrc, whole);
        let before = self.packets.entry(key).or_insert_with(|| packet.to_vec());
        assert_eq!(before, packet, "two packets of one number");
    }
}

fn srtp() -> (Srtp, Srtp) {
    let profile = ProtectionProfile::AeadAes128Gcm;
    let provider = rtc::crypto::default_provider().unwrap();
    let material = vec![7; 2 * (profile.key_len() + profile.salt_len())];
    let end =
        |is_client| Srtp::from_keying_material(profile, &material, is_client, &provider).unwrap();
    (end(false), end(true))
}

/// Some sessions: one known to the last number, and what browsers make.
fn sessions() -> &'static [Agreed] {
    static SESSIONS: OnceLock<Vec<Agreed>> = OnceLock::new();
    SESSIONS.get_or_init(|| {
        let offers = [
            &plain_offer()[..],
            include_str!("../../../src/media/sdp/testdata/chromium-simulcast/1-first.offer.sdp"),
            include_str!("../../../src/media/sdp/testdata/chromium-two-cameras/1-first.offer.sdp"),
            include_str!("../../../src/media/sdp/testdata/firefox-simulcast/1-first.offer.sdp"),
            // Who estimates by itself what its path carries.
            include_str!(
                "../../../src/media/sdp/testdata/aiortc-audio-video-data/1-first.offer.sdp"
            ),
        ];
        offers.into_iter().map(agreed).collect()
    })
}

fn plain_offer() -> String {
    let direction = "sendrecv";
    let video = |mid, ssrcs| Section::Video {
        mid,
        direction,
        ssrcs,
    };
    let audio = Section::Audio {
        mid: "0",
        direction,
    };
    let offer = Offer {
        ice: Credentials {
            ufrag: "fuzz".to_owned(),
            pwd: "thepasswordofthefuzzedend".to_owned(),
        },
        fingerprint: [7; 32],
        setup: "active",
        sections: vec![audio, video("1", Some((1000, 1001))), video("2", None)],
    };
    offer.write()
}

fn agreed(offer: &str) -> Agreed {
    let local = Local {
        ice_ufrag: "ours".to_owned(),
        ice_pwd: "thepasswordofourownend".to_owned(),
        fingerprint: [7; 32],
        candidates: Vec::new(),
        trickles: false,
        session_id: 1,
        max_message_size: 1 << 18,
        cname: "fuzz".to_owned(),
        streams: HashMap::new(),
    };
    let mut next = 0xF000_0000;
    let mut random = || {
        next += 1;
        next
    };
    answer(offer, &local, None, &mut random).unwrap().agreed
}

/// A packet's header, and the packet.
fn write(outgoing: &Outgoing<'_>) -> (Header, BytesMut) {
    let mut packet = BytesMut::new();
    outgoing.write(&mut packet);
    assert_eq!(packet.len(), outgoing.size());
    (outgoing.header, packet)
}

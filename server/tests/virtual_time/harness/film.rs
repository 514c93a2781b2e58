//! A film that somebody publishes, in layers and in any codec: frames of some packets each. It sends again what it is
//! asked for, and a keyframe where one is wished for. What a packet is can be told from its payload, whatever became of
//! the rest.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ferrite_server::media::rtp::packet::MediaPacket;
use ferrite_server::media::rtp::rtcp::{self, SenderInfo};
use ferrite_server::media::sdp::CodecKind;
use ferrite_server::media::{Behaviour, Peer, PeerOutput};
use rand::Rng;
use rand::rngs::StdRng;

use super::bare::packet_with;
use super::caller::Caller;
use super::offer::{MID, RID};

/// From one frame to the next.
pub const FRAME: Duration = Duration::from_millis(40);
/// From one report to the next.
const REPORT: Duration = Duration::from_millis(700);
/// Packets of a layer that can be sent again.
const KEPT: usize = 200;
/// The RTX stream of a layer has its SSRC and this.
pub const RTX: u32 = 100;

/// What films are made in, each with the payload types of who publishes and of who watches.
pub const CODECS: [CodecKind; 4] = [
    CodecKind::Vp8,
    CodecKind::Vp9,
    CodecKind::H264,
    CodecKind::Av1,
];
const PUBLISHED_AS: [(u8, u8); 4] = [(96, 97), (98, 99), (100, 101), (102, 103)];
const WATCHED_AS: [(u8, u8); 4] = [(112, 113), (114, 115), (116, 117), (118, 119)];

/// The id of the dependency descriptor.
pub const DESCRIPTOR: u8 = 6;

/// The lines of a section that a film is published on.
pub const PUBLISHED: &str = "a=sendonly\r\n\
    a=extmap:6 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n\
    a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
    a=rtpmap:98 VP9/90000\r\na=rtcp-fb:98 nack\r\na=rtcp-fb:98 nack pli\r\na=rtpmap:99 rtx/90000\r\na=fmtp:99 apt=98\r\n\
    a=rtpmap:100 H264/90000\r\na=fmtp:100 packetization-mode=1;profile-level-id=42e01f\r\n\
    a=rtcp-fb:100 nack\r\na=rtcp-fb:100 nack pli\r\na=rtpmap:101 rtx/90000\r\na=fmtp:101 apt=100\r\n\
    a=rtpmap:102 AV1/90000\r\na=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\na=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\n\
    a=rid:a send\r\na=rid:b send\r\na=simulcast:send a;b\r\n";
/// Those of a section that shows one, under other payload types.
pub const WATCHED: &str = "a=recvonly\r\n\
    a=extmap:6 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension\r\n\
    a=rtpmap:112 VP8/90000\r\na=rtcp-fb:112 nack\r\na=rtcp-fb:112 nack pli\r\na=rtpmap:113 rtx/90000\r\na=fmtp:113 apt=112\r\n\
    a=rtpmap:114 VP9/90000\r\na=rtcp-fb:114 nack\r\na=rtcp-fb:114 nack pli\r\na=rtpmap:115 rtx/90000\r\na=fmtp:115 apt=114\r\n\
    a=rtpmap:116 H264/90000\r\na=fmtp:116 packetization-mode=1;profile-level-id=42e01f\r\n\
    a=rtcp-fb:116 nack\r\na=rtcp-fb:116 nack pli\r\na=rtpmap:117 rtx/90000\r\na=fmtp:117 apt=116\r\n\
    a=rtpmap:118 AV1/90000\r\na=rtcp-fb:118 nack\r\na=rtcp-fb:118 nack pli\r\na=rtpmap:119 rtx/90000\r\na=fmtp:119 apt=118\r\n";

/// The payload types that a codec, and its retransmissions, come to who watches as.
pub fn watched_as(codec: usize) -> (u8, u8) {
    WATCHED_AS[codec]
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shot {
    pub film: u8,
    pub layer: u8,
    /// Out of [`CODECS`].
    pub codec: usize,
    /// Of the packets of its layer.
    pub number: u32,
    pub frame: u32,
    pub is_first: bool,
    pub is_last: bool,
    pub is_key: bool,
}

/// How long it is, at the end of a payload.
const SHOT: usize = 14;

impl Shot {
    fn write(self, out: &mut Vec<u8>) {
        let flags = [self.is_first, self.is_last, self.is_key];
        out.extend([self.film, self.layer, self.codec as u8]);
        out.extend(flags.map(u8::from));
        out.extend(self.number.to_be_bytes());
        out.extend(self.frame.to_be_bytes());
    }

    pub fn read(payload: &[u8]) -> Self {
        let [film, layer, codec, is_first, is_last, is_key, rest @ ..] =
            payload.last_chunk::<SHOT>().unwrap();
        let [number, frame] = [0, 4].map(|at| rest[at..at + 4].try_into().unwrap());
        Self {
            film: *film,
            layer: *layer,
            codec: (*codec).into(),
            number: u32::from_be_bytes(number),
            frame: u32::from_be_bytes(frame),
            is_first: *is_first == 1,
            is_last: *is_last == 1,
            is_key: *is_key == 1,
        }
    }

    /// A decoder can begin with it.
    pub fn begins(self) -> bool {
        self.is_first && self.is_key
    }

    /// Its source.
    pub fn source(self) -> (u8, u8) {
        (self.film, self.layer)
    }
}

/// How a frame is numbered, by its codec's own means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    pub picture: Option<u16>,
    pub tl0: Option<u8>,
    pub descriptor: Option<u16>,
}

impl Numbers {
    /// Of a packet that came.
    pub fn read(codec: usize, payload: &[u8], descriptor: Option<&[u8]>) -> Self {
        let pair = |at: usize| Some(u16::from_be_bytes([payload[at], payload[at + 1]]) & 0x7FFF);
        let (picture, tl0) = match CODECS[codec] {
            CodecKind::Vp8 => (pair(2), Some(payload[4])),
            CodecKind::Vp9 => (pair(1), Some(payload[4])),
            _ => (None, None),
        };
        let descriptor = descriptor.map(|value| u16::from_be_bytes([value[1], value[2]]));
        Self {
            picture,
            tl0,
            descriptor,
        }
    }
}

struct Layer {
    ssrc: u32,
    rid: &'static str,
    sequence: u16,
    rtx_sequence: u16,
    sent: VecDeque<(u16, usize, u32, Vec<u8>)>,
    picture: u16,
    tl0: u8,
    descriptor: u16,
    number: u32,
    owes_keyframe: bool,
}

/// The film.
pub struct Film {
    pub name: u8,
    /// Out of [`CODECS`].
    pub codec: usize,
    /// Nothing comes of it.
    pub is_dark: bool,
    /// When a keyframe was wished for, of which layer's stream; and what was asked for again.
    pub wished: Vec<(Instant, u32)>,
    pub asked: Vec<(u32, u16)>,
    layers: Vec<Layer>,
    frame: u32,
    began: Instant,
    next_frame: Instant,
    next_report: Instant,
    /// Of its clock, in ticks.
    epoch: u32,
    /// Of its wall clock; without one it does not tell its time.
    wall: Option<u64>,
}

impl Film {
    pub fn new(now: Instant, name: u8, rng: &mut StdRng) -> Self {
        let layer = |rid, at, rng: &mut StdRng| Layer {
            ssrc: 1000 * u32::from(name + 1) + at,
            rid,
            // Over the wrap before long, now and then.
            sequence: rng.random::<u16>() | 0xFF00,
            rtx_sequence: rng.random(),
            sent: VecDeque::new(),
            picture: rng.random::<u16>() & 0x7FFF | 0x7F80,
            tl0: rng.random(),
            descriptor: rng.random::<u16>() | 0xFFC0,
            number: 0,
            owes_keyframe: true,
        };
        let layers = vec![layer("a", 1, rng), layer("b", 2, rng)];
        Self {
            name,
            codec: rng.random_range(0..CODECS.len()),
            is_dark: false,
            wished: Vec::new(),
            asked: Vec::new(),
            layers,
            frame: 0,
            began: now,
            next_frame: now,
            next_report: now,
            epoch: rng.random(),
            wall: rng.random_bool(0.5).then(|| rng.random()),
        }
    }

    /// The SSRC of a layer.
    pub fn ssrc(&self, layer: usize) -> u32 {
        self.layers[layer].ssrc
    }

    /// The number of the packet that came last of a layer.
    pub fn last(&self, layer: usize) -> u32 {
        self.layers[layer].number
    }

    /// It goes on in another codec, as encoders do: with a keyframe.
    pub fn change_codec(&mut self, codec: usize) {
        if self.codec != codec {
            self.codec = codec;
            let layers = self.layers.iter_mut();
            layers.for_each(|layer| layer.owes_keyframe = true);
        }
    }

    /// So many packets of each layer never were.
    pub fn skip(&mut self, packets: u16) {
        for layer in &mut self.layers {
            layer.sequence = layer.sequence.wrapping_add(packets);
            layer.number += u32::from(packets);
        }
    }

    /// It goes on: what is due of it, and what it was asked for, is sent.
    pub fn play(&mut self, now: Instant, caller: &mut Caller, rng: &mut StdRng) {
        if caller.far.srtp.is_none() {
            return;
        }
        for (at, ssrc) in std::mem::take(&mut caller.wishes) {
            self.wished.push((at, ssrc));
            let mut layers = self.layers.iter_mut();
            if let Some(layer) = layers.find(|layer| layer.ssrc == ssrc) {
                layer.owes_keyframe = true;
            }
        }
        for (_, ssrc, lost) in std::mem::take(&mut caller.nacks) {
            self.asked.extend(lost.iter().map(|number| (ssrc, *number)));
            self.send_again(caller, ssrc, &lost);
        }
        if now >= self.next_report {
            self.next_report += REPORT;
            self.report(now, caller);
        }
        if now >= self.next_frame {
            self.next_frame += FRAME;
            if !self.is_dark {
                self.frame += 1;
                (0..self.layers.len()).for_each(|layer| self.send(now, layer, caller, rng));
            }
        }
    }

    fn timestamp(&self, now: Instant) -> u32 {
        let ms = now.duration_since(self.began).as_millis() as u32;
        self.epoch.wrapping_add(90 * ms)
    }

    /// A frame of a layer.
    fn send(&mut self, now: Instant, at: usize, caller: &mut Caller, rng: &mut StdRng) {
        let timestamp = self.timestamp(now);
        let layer = &mut self.layers[at];
        let is_key = std::mem::take(&mut layer.owes_keyframe);
        layer.picture = (layer.picture + 1) & 0x7FFF;
        layer.tl0 = layer.tl0.wrapping_add(1);
        layer.descriptor = layer.descriptor.wrapping_add(1);
        let packets = if is_key { 3 } else { rng.random_range(1..=2) };
        for packet in 0..packets {
            layer.number += 1;
            layer.sequence = layer.sequence.wrapping_add(1);
            let shot = Shot {
                film: self.name,
                layer: at as u8,
                codec: self.codec,
                number: layer.number,
                frame: self.frame,
                is_first: packet == 0,
                is_last: packet + 1 == packets,
                is_key,
            };
            let payload = layer.payload(shot);
            let descriptor = layer.descriptor.to_be_bytes();
            let descriptor = [0xC0, descriptor[0], descriptor[1]];
            let mut elements: Vec<(u8, &[u8])> = vec![(MID, b"0"), (RID, layer.rid.as_bytes())];
            if CODECS[self.codec] == CodecKind::Av1 {
                elements.push((DESCRIPTOR, &descriptor));
            }
            let (payload_type, _) = PUBLISHED_AS[self.codec];
            let (ssrc, sequence) = (layer.ssrc, layer.sequence);
            let packet = packet_with(payload_type, ssrc, sequence, timestamp, &elements, &payload);
            caller.far.send_rtp(&packet);
            let at = packet.len() - payload.len();
            let again = (sequence, self.codec, timestamp, packet[at..].to_vec());
            layer.sent.push_back(again);
            if layer.sent.len() > KEPT {
                layer.sent.pop_front();
            }
        }
    }

    fn send_again(&mut self, caller: &mut Caller, ssrc: u32, lost: &[u16]) {
        let mut layers = self.layers.iter_mut();
        let Some(layer) = layers.find(|layer| layer.ssrc == ssrc) else {
            return;
        };
        for number in lost {
            let mut sent = layer.sent.iter();
            let Some((sequence, codec, timestamp, payload)) = sent.find(|it| it.0 == *number)
            else {
                continue;
            };
            layer.rtx_sequence = layer.rtx_sequence.wrapping_add(1);
            let descriptor = layer.descriptor_of(payload);
            let mut elements: Vec<(u8, &[u8])> = vec![(MID, b"0"), (RID, layer.rid.as_bytes())];
            if CODECS[*codec] == CodecKind::Av1 {
                elements.push((DESCRIPTOR, &descriptor));
            }
            let again = [&sequence.to_be_bytes()[..], payload].concat();
            let (_, payload_type) = PUBLISHED_AS[*codec];
            let (ssrc, number) = (layer.ssrc + RTX, layer.rtx_sequence);
            let packet = packet_with(payload_type, ssrc, number, *timestamp, &elements, &again);
            caller.far.send_rtp(&packet);
        }
    }

    fn report(&self, now: Instant, caller: &mut Caller) {
        let Some(wall) = self.wall else { return };
        let mut compound = Vec::new();
        for layer in &self.layers {
            let seconds = now.duration_since(self.began).as_secs_f64();
            let info = SenderInfo {
                ssrc: layer.ssrc,
                ntp: wall.wrapping_add((seconds * 4_294_967_296.0) as u64),
                rtp: self.timestamp(now),
                packets: layer.number,
                octets: 0,
            };
            rtcp::write_sender_report(&mut compound, &info, &[]);
        }
        caller.far.send_rtcp(&compound);
    }
}

impl Layer {
    fn payload(&self, shot: Shot) -> Vec<u8> {
        let [high, low] = (self.picture | 0x8000).to_be_bytes();
        let (first, last, inter) = (
            u8::from(shot.is_first),
            u8::from(shot.is_last),
            u8::from(!shot.is_key),
        );
        let mut payload = match CODECS[shot.codec] {
            // RFC 7741 §4.2: picture id, TL0PICIDX and temporal layer.
            CodecKind::Vp8 => vec![0x80 | first << 4, 0xE0, high, low, self.tl0, 0, inter],
            // RFC 9628 §4.2: picture id, layers and TL0PICIDX.
            CodecKind::Vp9 => {
                let head = 0xA0 | inter << 6 | first << 3 | last << 2;
                vec![head, high, low, 0, self.tl0]
            }
            // RFC 6184 §5.8: fragments of a slice.
            CodecKind::H264 => vec![
                0x7C,
                first << 7 | last << 6 | (1 + 4 * u8::from(shot.is_key)),
            ],
            // The AV1 RTP specification §4.4: one element.
            _ => vec![0x10 | (first & u8::from(shot.is_key)) << 3],
        };
        payload.extend([7; 40]);
        // What the descriptor of a packet sent again is to say.
        payload.extend(self.descriptor.to_be_bytes());
        shot.write(&mut payload);
        payload
    }

    fn descriptor_of(&self, payload: &[u8]) -> [u8; 3] {
        let at = payload.len() - SHOT - 2;
        [0xC0, payload[at], payload[at + 1]]
    }
}

/// What the server took, whatever became of it: of all that it took the how manieth, and when.
pub type Taken = Arc<Mutex<HashMap<(u8, u8, u32), (usize, Instant)>>>;

/// Sits opposite who publishes a film, and notes what was taken of it.
pub struct Taking(pub Taken);

impl Behaviour for Taking {
    fn tap(&mut self, now: Instant, media: &MediaPacket) {
        let shot = Shot::read(media.payload());
        let mut taken = self.0.lock().unwrap();
        let order = taken.len();
        let before = taken.insert((shot.film, shot.layer, shot.number), (order, now));
        assert_eq!(before, None, "taken twice: {shot:?}");
    }

    fn handle(&mut self, _: Instant, _: &mut Peer, _: PeerOutput) {}
}

//! Somebody who calls one of several shards: a far end and its peer's name, and what it sends. Of pictures
//! everything can be told from the payload: whose they are, which it is, whether it is a keyframe.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrite_server::media::data::{
    ChannelId, ChannelOptions, MessageKind, Reliability, Sctp, SctpConfig, SctpEvent,
};
use ferrite_server::media::id::PeerId;
use ferrite_server::media::rtp::packet::MediaPacket;
use ferrite_server::media::rtp::rtcp::{self, Packet};
use ferrite_server::media::sdp::{self, Agreed};
use ferrite_server::media::{Behaviour, MAX_MESSAGE_SIZE, Peer, PeerOutput};

use super::bare::packet;
use super::offer::{OPUS, VP8};
use super::{Bare, FarEnd};

/// What a caller sends on its first section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    Sound,
    Pictures,
    /// Nothing but what a test says.
    Messages,
}

/// The two channels of a room's member, with SCTP of our own.
#[derive(Default)]
pub struct Talker {
    sctp: Option<Sctp>,
    channels: Vec<ChannelId>,
    /// What came, by channel: reliable, lossy.
    pub came: [Vec<Bytes>; 2],
}

/// Which of them.
pub const RELIABLE: usize = 0;
pub const LOSSY: usize = 1;

impl Talker {
    fn play(&mut self, now: Instant, far: &mut Bare) {
        if far.srtp.is_none() {
            return;
        }
        let sctp = self.sctp.get_or_insert_with(|| {
            let config = SctpConfig {
                local_port: 5000,
                remote_port: 5000,
                max_message_size: MAX_MESSAGE_SIZE,
                remote_max_message_size: MAX_MESSAGE_SIZE,
                dtls_client: true,
            };
            Sctp::new(now, config)
        });
        for packet in far.data.drain(..) {
            sctp.handle_packet(now, packet);
        }
        sctp.handle_timeout(now);
        while let Some(event) = sctp.poll_event() {
            match event {
                SctpEvent::Connected => {
                    let open = |options| sctp.open_channel(now, options).unwrap();
                    self.channels = options().into_iter().map(open).collect();
                }
                SctpEvent::Message { channel, data, .. } => {
                    let at = self.channels.iter().position(|known| *known == channel);
                    self.came[at.unwrap()].push(data);
                }
                SctpEvent::ChannelOpened { .. }
                | SctpEvent::ChannelClosed { .. }
                | SctpEvent::Closed { .. } => {}
            }
        }
        while let Some(packet) = sctp.poll_transmit(now) {
            far.send_data(now, &packet);
        }
    }

    /// Sends a message, with the next step.
    pub fn send(&mut self, now: Instant, channel: usize, message: Vec<u8>) {
        let (sctp, channel) = (self.sctp.as_mut().unwrap(), self.channels[channel]);
        sctp.send(now, channel, MessageKind::Binary, message.into())
            .unwrap();
    }

    /// Bytes that the server has not acknowledged.
    pub fn buffered(&self) -> usize {
        self.sctp.as_ref().map_or(0, Sctp::buffered)
    }
}

fn options() -> [ChannelOptions; 2] {
    let reliable = ChannelOptions {
        label: "ferrite.reliable".to_owned(),
        ..ChannelOptions::default()
    };
    let lossy = ChannelOptions {
        label: "ferrite.lossy".to_owned(),
        ordered: false,
        reliability: Reliability::MaxRetransmits(0),
        ..ChannelOptions::default()
    };
    [reliable, lossy]
}

/// Somebody who calls.
pub struct Caller {
    pub id: PeerId,
    pub far: Bare,
    pub agreed: Arc<Agreed>,
    /// It sends, or is silent.
    pub sending: bool,
    /// Packets sent.
    pub sent: usize,
    /// How many plans its peer was given.
    pub plans: u64,
    /// How often it agreed with the server since its call.
    pub agreements: u64,
    /// Its data channels.
    pub talker: Option<Talker>,
    /// Nothing arrives where it is.
    pub is_deaf: bool,
    sends: Sends,
    sequence: u16,
    next_packet: Instant,
    began: Instant,
    pub owes_keyframe: bool,
    /// The streams of which keyframes were wished for.
    pub wishes: Vec<(Instant, u32)>,
    /// The packets that were asked for again, of which stream.
    pub nacks: Vec<(Instant, u32, Vec<u16>)>,
    /// It was told to send so much at most, in bits per second.
    pub max_bitrate: Option<u64>,
}

impl Caller {
    pub fn new(now: Instant, id: PeerId, far: Bare, agreed: Arc<Agreed>, sends: Sends) -> Self {
        Self {
            id,
            far,
            agreed,
            sending: true,
            sent: 0,
            plans: 1,
            agreements: 0,
            talker: None,
            is_deaf: false,
            sends,
            // Over the wrap before long.
            sequence: match sends {
                Sends::Sound | Sends::Messages => 0,
                Sends::Pictures => 65_000,
            },
            next_packet: now,
            began: now,
            owes_keyframe: true,
            wishes: Vec::new(),
            nacks: Vec::new(),
            max_bitrate: None,
        }
    }

    /// Does what is due, and sends.
    pub fn play(&mut self, now: Instant) {
        if self.far.poll_timeout().is_some_and(|due| due <= now) {
            self.far.handle_timeout(now);
        }
        for (_, compound) in std::mem::take(&mut self.far.rtcp) {
            for packet in rtcp::packets(&compound) {
                match packet {
                    Packet::KeyframeRequest { ssrcs } => {
                        self.owes_keyframe = true;
                        self.wishes.extend(ssrcs.map(|ssrc| (now, ssrc)));
                    }
                    Packet::Nack { ssrc, lost } => self.nacks.push((now, ssrc, lost.collect())),
                    Packet::MaxBitrate { bits_per_second } => {
                        self.max_bitrate = Some(bits_per_second);
                    }
                    _ => {}
                }
            }
        }
        if let Some(talker) = &mut self.talker {
            talker.play(now, &mut self.far);
            return;
        }
        if self.sending && self.far.srtp.is_some() && self.next_packet <= now {
            self.next_packet = now + Duration::from_millis(20);
            self.sequence = self.sequence.wrapping_add(1);
            self.sent += 1;
            let packet = self.packet(now);
            self.far.send_rtp(&packet);
        }
    }

    fn packet(&mut self, now: Instant) -> Vec<u8> {
        let (ssrc, sequence) = (self.id.0 as u32, self.sequence);
        match self.sends {
            Sends::Sound | Sends::Messages => {
                packet(OPUS, ssrc, sequence, 960 * self.sent as u32, "0", &[7; 40])
            }
            Sends::Pictures => {
                let is_keyframe = std::mem::take(&mut self.owes_keyframe);
                let picture = Picture {
                    of: self.id,
                    number: self.sent as u32,
                    is_keyframe,
                };
                // A clock of its own.
                let ms = now.duration_since(self.began).as_millis() as u32;
                let timestamp = (90 * ms).wrapping_add(ssrc << 28).wrapping_sub(100_000);
                packet(VP8, ssrc, sequence, timestamp, "0", &picture.write())
            }
        }
    }

    /// The SSRC of what the server sends on a section.
    pub fn slot(&self, section: usize) -> u32 {
        self.sent_on(section).ssrc
    }

    /// That of the retransmissions there.
    pub fn slot_rtx(&self, section: usize) -> u32 {
        self.sent_on(section).rtx_ssrc.unwrap()
    }

    /// The same, where there are some.
    pub fn rtx(&self, section: usize) -> Option<u32> {
        self.sent_on(section).rtx_ssrc
    }

    fn sent_on(&self, section: usize) -> &sdp::SendStream {
        match &self.agreed.sections[section] {
            sdp::Section::Media(media) => media.send.as_ref().unwrap(),
            sdp::Section::Data(_) | sdp::Section::Rejected { .. } => panic!("no media section"),
        }
    }
}

/// What a payload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picture {
    pub of: PeerId,
    pub number: u32,
    pub is_keyframe: bool,
}

impl Picture {
    pub fn read(payload: &[u8]) -> Self {
        Self {
            is_keyframe: payload[1] & 1 == 0,
            of: PeerId(payload[2].into()),
            number: u32::from_be_bytes(payload[3..7].try_into().unwrap()),
        }
    }

    fn write(self) -> Vec<u8> {
        let mut payload = vec![0x10, u8::from(!self.is_keyframe), self.of.0 as u8];
        payload.extend(self.number.to_be_bytes());
        payload.extend([7; 90]);
        payload
    }
}

/// The pictures that the server took, whatever became of them, and which it was of all.
pub type Taken = Arc<Mutex<HashMap<(PeerId, u32), usize>>>;

/// Sits opposite somebody in a room, and notes what was taken of theirs.
#[derive(Default)]
pub struct Noting(pub Taken);

impl Behaviour for Noting {
    fn tap(&mut self, _: Instant, media: &MediaPacket) {
        let picture = Picture::read(media.payload());
        let mut taken = self.0.lock().unwrap();
        let order = taken.len();
        taken.insert((picture.of, picture.number), order);
    }

    fn handle(&mut self, _: Instant, _: &mut Peer, _: PeerOutput) {}
}

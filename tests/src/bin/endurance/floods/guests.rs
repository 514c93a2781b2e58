//! Members of a room who flood it: they were let in, may say what they say, and say too much of it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;
use ferrite_protocol::{
    ClientData, ClientMessage, JoinToken, LOSSY_CHANNEL, Priority, PublicationId, RoomId, Watch,
};
use ferrite_tests::load::SplitMix;
use ferrite_tests::load::member::{Member, SSRC, VP8};
use ferrite_tests::load::token::{TokenKey, expired, token};

use super::chunks::Chunks;

/// So many that every shard has one.
const FLOODERS: u64 = 4;

/// Messages a second of each on its WebSocket: nearly as many as a session may send.
const MESSAGES: u64 = 45;

/// Video sections of each, of which others are shown on all but the first.
const VIDEOS: usize = 16;

/// The room that a datagram takes.
const COMPOUND: usize = 1100;

/// Datagrams after which one looks at what came.
const LISTEN_EVERY: u64 = 16;

/// What floods a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RoomFlood {
    /// Nothing, for comparison
    None,
    /// They leave and come back over and over
    Joins,
    /// They offer another call over and over
    Offers,
    /// They watch something else with each message
    Watches,
    /// They write 16 KiB to the chat over and over
    Chat,
    /// They change 4 KiB of metadata, and what is muted
    Updates,
    /// Tokens forged, expired, and for another room
    Tokens,
    /// Lossy messages to all, as many as fit into a datagram
    LossyMessages,
    /// RTP with SSRCs that nobody agreed on, and of sections that are not there
    ForeignMedia,
    /// NACKs of what they are shown, and of what was never sent
    Nacks,
    /// Keyframes wished for of everything that they are shown, a hundred times in a datagram
    KeyframeRequests,
    /// Transport-wide feedback on a hundred thousand packets that were never sent, in each datagram
    Arrivals,
    /// Estimates of their path (REMB), each another one, as many as fit into a datagram
    MaxBitrates,
    /// Reports with as many blocks as they may have, of streams that are there and that are not
    Reports,
}

impl RoomFlood {
    /// Whether it is of messages on WebSockets.
    fn is_said(self) -> bool {
        matches!(
            self,
            Self::Joins | Self::Offers | Self::Watches | Self::Chat | Self::Updates | Self::Tokens
        )
    }
}

/// All who flood, on a thread of their own.
pub(super) struct Guests {
    pub(super) flood: RoomFlood,
    pub(super) address: String,
    pub(super) media: SocketAddr,
    pub(super) room: String,
    pub(super) key: TokenKey,
    pub(super) datagrams: u64,
    /// The how manieth who flood so: each time others do.
    pub(super) turn: u32,
    pub(super) stop: AtomicBool,
    pub(super) count: AtomicU64,
}

struct Guest<'a> {
    all: &'a Guests,
    identity: String,
    member: Member,
    chunks: Chunks,
    sequence: u16,
    random: SplitMix,
}

impl Guests {
    pub(super) fn run(&self) -> Result<()> {
        if self.flood == RoomFlood::None {
            return Ok(());
        }
        let guests = (0..FLOODERS).map(|at| Guest::enter(self, at));
        let mut guests = guests.collect::<Result<Vec<_>>>()?;
        let rate = match self.flood.is_said() {
            true => FLOODERS * MESSAGES,
            false => self.datagrams,
        };
        let (began, mut done) = (Instant::now(), 0);
        while !self.stop.load(Ordering::Relaxed) {
            let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
            while done < due && !self.stop.load(Ordering::Relaxed) {
                let guest = &mut guests[(done % FLOODERS) as usize];
                let at = done / FLOODERS;
                if at.is_multiple_of(LISTEN_EVERY) || self.flood.is_said() {
                    guest.chunks.listen(&mut guest.member)?;
                }
                guest.act(at)?;
                done += 1;
                self.count.store(done, Ordering::Relaxed);
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }

    pub(super) fn has_begun(&self) -> bool {
        self.flood == RoomFlood::None || self.count.load(Ordering::Relaxed) > 0
    }
}

impl<'a> Guest<'a> {
    fn enter(all: &'a Guests, at: u64) -> Result<Self> {
        let identity = format!("flooder-{:?}-{}-{at}", all.flood, all.turn);
        let join = join(all, &identity, token(all.key, &all.room, &identity));
        let mut guest = Self {
            member: Member::enter(&all.address, all.media, VIDEOS, Some(&join))?,
            all,
            identity,
            chunks: Chunks::new(),
            sequence: 0,
            random: SplitMix(at),
        };
        if all.flood == RoomFlood::LossyMessages {
            guest.chunks.associate(&mut guest.member)?;
            let open = guest.chunks.open_called(0, LOSSY_CHANNEL);
            guest.member.send_data(&open)?;
        }
        Ok(guest)
    }

    fn act(&mut self, at: u64) -> Result<()> {
        match self.all.flood {
            RoomFlood::None => Ok(()),
            RoomFlood::Offers => self.member.offer(1 + at as usize % VIDEOS),
            RoomFlood::Joins
            | RoomFlood::Watches
            | RoomFlood::Chat
            | RoomFlood::Updates
            | RoomFlood::Tokens => {
                let message = self.message(at);
                self.member.say(&message)
            }
            RoomFlood::LossyMessages => {
                let message = ClientData {
                    to: None,
                    topic: "",
                    payload: b"x",
                };
                let packet = self.chunks.messages(0, &message.encode()?);
                self.member.send_data(&packet)
            }
            RoomFlood::ForeignMedia => {
                let packet = self.foreign(at);
                self.member.send_rtp(&packet)
            }
            RoomFlood::Nacks => {
                let compound = self.compound(16, |random, out, ssrc| {
                    out.extend([0x81, 205, 0, 3]);
                    out.extend(SSRC.to_be_bytes());
                    out.extend(ssrc.to_be_bytes());
                    out.extend((random.number() as u16).to_be_bytes());
                    out.extend([0xFF; 2]);
                });
                self.member.send_rtcp(&compound)
            }
            RoomFlood::KeyframeRequests => {
                let compound = self.compound(12, |_, out, ssrc| {
                    out.extend([0x81, 206, 0, 2]);
                    out.extend(SSRC.to_be_bytes());
                    out.extend(ssrc.to_be_bytes());
                });
                self.member.send_rtcp(&compound)
            }
            RoomFlood::Arrivals => {
                let compound = self.compound(36, write_arrivals);
                self.member.send_rtcp(&compound)
            }
            RoomFlood::MaxBitrates => {
                let compound = self.compound(24, write_max_bitrate);
                self.member.send_rtcp(&compound)
            }
            RoomFlood::Reports => {
                let compound = self.reports();
                self.member.send_rtcp(&compound)
            }
        }
    }

    /// A receiver report on 31 streams, every other of which is there (RFC 3550 §6.4.2).
    fn reports(&mut self) -> Vec<u8> {
        const BLOCKS: usize = 31;
        let mut out = vec![0x80 | BLOCKS as u8, 201, 0, 1 + 6 * BLOCKS as u8];
        out.extend(SSRC.to_be_bytes());
        let ssrcs = self.member.ssrcs().iter().cycle();
        for (at, ssrc) in ssrcs.take(BLOCKS).enumerate() {
            let ssrc = ssrc.wrapping_add(at as u32 % 2);
            out.extend(ssrc.to_be_bytes());
            for _ in 0..5 {
                out.extend((self.random.number() as u32).to_be_bytes());
            }
        }
        out
    }

    fn message(&mut self, at: u64) -> ClientMessage {
        let all = self.all;
        match all.flood {
            RoomFlood::Joins if at.is_multiple_of(2) => ClientMessage::Leave { id: None },
            RoomFlood::Joins => join(
                all,
                &self.identity,
                token(all.key, &all.room, &self.identity),
            ),
            RoomFlood::Watches => ClientMessage::Watch {
                id: None,
                slots: (2..=VIDEOS)
                    .map(|mid| (mid.to_string(), self.wish()))
                    .collect(),
            },
            RoomFlood::Chat => ClientMessage::Say {
                id: None,
                to: None,
                topic: "chat".to_owned(),
                text: "x".repeat(16 << 10),
            },
            RoomFlood::Updates if at.is_multiple_of(2) => ClientMessage::Mute {
                id: None,
                keys: (0..at / 2 % 2).map(|key| key.to_string()).collect(),
            },
            RoomFlood::Tokens => ClientMessage::Authorize {
                id: None,
                token: self.bad_token(at),
            },
            _ => ClientMessage::Update {
                id: None,
                name: None,
                metadata: Some(format!("{at:4096}")),
            },
        }
    }

    /// Any of those who may be there.
    fn wish(&mut self) -> Option<Watch> {
        let guest = self.random.number() % 8;
        Some(Watch {
            publication: PublicationId(format!("guest-{guest}/cam")),
            width: Some(self.random.number() as u16 % 1280),
            height: None,
            paused: self.random.number().is_multiple_of(4),
            priority: Priority::default(),
        })
    }

    fn bad_token(&self, at: u64) -> JoinToken {
        let (key, room, identity) = (self.all.key, &self.all.room, &self.identity);
        match at % 4 {
            0 => token(
                (key.0, "another secret of thirty-two bytes"),
                room,
                identity,
            ),
            1 => expired(key, room, identity),
            2 => token(key, "another-room", identity),
            _ => JoinToken("a.b.c".repeat(1000)),
        }
    }

    /// A packet of a stream that nobody knows, with the name of a section that nobody has, or without one.
    fn foreign(&mut self, at: u64) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut packet = vec![0x90, VP8];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((self.random.number() as u32).to_be_bytes());
        packet.extend((self.random.number() as u32).to_be_bytes());
        let mid = [b'0' + (at % 10) as u8, b'9'];
        // One element of two bytes (RFC 8285 §4.2): the mid, or one of what is padding.
        packet.extend([0xBE, 0xDE, 0, 1]);
        match at.is_multiple_of(2) {
            true => packet.extend([0x10 | 1, mid[0], mid[1], 0]),
            false => packet.extend([0; 4]),
        }
        packet.extend([0x10; 200]);
        packet
    }

    fn compound(
        &mut self,
        length: usize,
        mut write: impl FnMut(&mut SplitMix, &mut Vec<u8>, u32),
    ) -> Vec<u8> {
        let ssrcs = self.member.ssrcs().to_vec();
        let mut out = Vec::new();
        for ssrc in ssrcs.iter().cycle().take(COMPOUND / length) {
            write(&mut self.random, &mut out, *ssrc);
        }
        out
    }
}

/// Of eight runs of 8191 packets each nothing came (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1).
fn write_arrivals(random: &mut SplitMix, out: &mut Vec<u8>, ssrc: u32) {
    out.extend([0x8F, 205, 0, 8]);
    out.extend(SSRC.to_be_bytes());
    out.extend(ssrc.to_be_bytes());
    out.extend((random.number() as u16).to_be_bytes());
    out.extend((8 * 8191_u16).to_be_bytes());
    out.extend([0, 0, 1, random.number() as u8]);
    out.extend([0x1F, 0xFF].repeat(8));
}

/// draft-alvestrand-rmcat-remb-03 §2.2.
fn write_max_bitrate(random: &mut SplitMix, out: &mut Vec<u8>, ssrc: u32) {
    out.extend([0x8F, 206, 0, 5]);
    out.extend(SSRC.to_be_bytes());
    out.extend([0; 4]);
    out.extend(b"REMB");
    let [high, middle, low, _] = (random.number() as u32).to_be_bytes();
    out.extend([1, high, middle, low]);
    out.extend(ssrc.to_be_bytes());
}

fn join(all: &Guests, identity: &str, token: JoinToken) -> ClientMessage {
    ClientMessage::Join {
        id: None,
        room: RoomId(all.room.clone()),
        name: Some(identity.to_owned()),
        metadata: None,
        token: Some(token),
    }
}

//! Members who flood: they were let in, and every datagram of theirs is authentic. Each asks for as
//! much work as fits into one.

use std::net::UdpSocket;

use anyhow::Result;
use ferrite_tests::load::SplitMix;
use ferrite_tests::load::member::{Member, SSRC, TRANSPORT_CC, VP8};

use super::Flood;
use super::chunks::Chunks;
use super::flooder::Flooder;

/// So many that every shard has one.
const MEMBERS: usize = 4;

/// Offers a second of each: less than the messages that a session may send.
const REOFFERS: u64 = 40;

/// Video sections of each.
const VIDEOS: usize = 16;

/// Sockets that one who moves has.
const PLACES: usize = 64;

/// The room that a compound packet takes.
const COMPOUND: usize = 1100;

/// Datagrams of which one carries media: what is asked for must be about something.
const MEDIA_EVERY: u64 = 4;

/// Datagrams after which a member looks at what came.
const LISTEN_EVERY: u64 = 32;

const PAYLOAD: [u8; 200] = [0x10; 200];

/// A member and what it has to flood with.
struct Nuisance {
    member: Member,
    chunks: Chunks,
    places: Vec<UdpSocket>,
    sequence: u16,
    transport_sequence: u16,
    stream: u16,
    random: SplitMix,
}

pub(super) fn flood(flooder: &Flooder) -> Result<()> {
    let members = (0..MEMBERS).map(|at| Nuisance::join(flooder, at as u64));
    let mut members = members.collect::<Result<Vec<_>>>()?;
    let rate = match flooder.flood {
        Flood::Reoffers => MEMBERS as u64 * REOFFERS,
        _ => flooder.datagrams,
    };
    flooder.pace(rate, |at| {
        let nuisance = &mut members[at as usize % MEMBERS];
        let at = at / MEMBERS as u64;
        if at.is_multiple_of(LISTEN_EVERY) {
            nuisance.chunks.listen(&mut nuisance.member)?;
        }
        nuisance.act(flooder.flood, at)
    })
}

impl Nuisance {
    fn join(flooder: &Flooder, seed: u64) -> Result<Self> {
        let places = match flooder.flood {
            Flood::Moves => PLACES,
            _ => 0,
        };
        let places = (0..places).map(|_| UdpSocket::bind("127.0.0.1:0"));
        let mut nuisance = Self {
            member: Member::join(&flooder.address, flooder.media, VIDEOS)?,
            chunks: Chunks::new(),
            places: places.collect::<std::io::Result<_>>()?,
            sequence: 1000,
            transport_sequence: 0,
            stream: 0,
            random: SplitMix(seed),
        };
        if matches!(flooder.flood, Flood::Channels | Flood::Chunks) {
            nuisance.chunks.associate(&mut nuisance.member)?;
            let open = nuisance.chunks.open(0);
            nuisance.member.send_data(&open)?;
        }
        Ok(nuisance)
    }

    fn act(&mut self, flood: Flood, at: u64) -> Result<()> {
        match flood {
            Flood::Nacks if at.is_multiple_of(MEDIA_EVERY) => self.send_media(0),
            Flood::Nacks => {
                let compound = self.nacks();
                self.member.send_rtcp(&compound)
            }
            Flood::KeyframeRequests if at.is_multiple_of(MEDIA_EVERY) => self.send_media(3),
            Flood::KeyframeRequests => {
                let compound = self.keyframe_requests();
                self.member.send_rtcp(&compound)
            }
            Flood::Arrivals => self.send_media(0),
            Flood::Channels => {
                self.stream = self.stream.wrapping_add(2);
                let open = self.chunks.open(self.stream);
                self.member.send_data(&open)
            }
            Flood::Chunks => {
                let crumbs = self.chunks.crumbs(0);
                self.member.send_data(&crumbs)
            }
            Flood::Moves => {
                let place = &self.places[at as usize % PLACES];
                self.member.check_from(place)
            }
            Flood::Reoffers => self.member.offer(1 + at as usize % VIDEOS),
            Flood::None
            | Flood::Offers
            | Flood::Handshakes
            | Flood::ClientHellos
            | Flood::WrongPasswords
            | Flood::Strangers => Ok(()),
        }
    }

    /// A packet on any of the sections, after so many that are lost. Its transport-wide number is
    /// anywhere, so that a report of arrivals has long runs to describe.
    fn send_media(&mut self, lost: u16) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1 + lost);
        self.transport_sequence =
            (self.transport_sequence).wrapping_add(self.random.number() as u16 % 100);
        let ssrc = SSRC + self.random.number() as u32 % VIDEOS as u32;
        let mut packet = vec![0x90, VP8];
        packet.extend(self.sequence.to_be_bytes());
        packet.extend((u32::from(self.sequence) * 3000).to_be_bytes());
        packet.extend(ssrc.to_be_bytes());
        // One element of two bytes (RFC 8285 §4.2).
        packet.extend([0xBE, 0xDE, 0, 1, TRANSPORT_CC << 4 | 1]);
        packet.extend(self.transport_sequence.to_be_bytes());
        packet.push(0);
        packet.extend(PAYLOAD);
        self.member.send_rtp(&packet)
    }

    /// Many short NACKs, each for 17 numbers that are not there (RFC 4585 §6.2.1).
    fn nacks(&mut self) -> Vec<u8> {
        self.compound(16, |nuisance, out, ssrc| {
            out.extend([0x81, 205, 0, 3]);
            out.extend(SSRC.to_be_bytes());
            out.extend(ssrc.to_be_bytes());
            out.extend((nuisance.random.number() as u16).to_be_bytes());
            out.extend([0xFF; 2]);
        })
    }

    /// Many PLIs (RFC 4585 §6.3.1).
    fn keyframe_requests(&mut self) -> Vec<u8> {
        self.compound(12, |_, out, ssrc| {
            out.extend([0x81, 206, 0, 2]);
            out.extend(SSRC.to_be_bytes());
            out.extend(ssrc.to_be_bytes());
        })
    }

    fn compound(
        &mut self,
        length: usize,
        mut write: impl FnMut(&mut Self, &mut Vec<u8>, u32),
    ) -> Vec<u8> {
        let ssrcs = self.member.ssrcs().to_vec();
        let mut out = Vec::new();
        for ssrc in ssrcs.iter().cycle().take(COMPOUND / length) {
            write(self, &mut out, *ssrc);
        }
        out
    }
}

//! The RTP streams of one peer, both ways: which section a packet belongs to, what it means for its
//! reports, and the RTCP that is due. Knows SRTP by its `unprotect`, and nothing of datagrams' paths.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::media::egress::{Egress, MediaPacket, Outgoing, unwrap_rtx};
use crate::media::ingest::arrivals::ArrivalRecorder;
use crate::media::ingest::stream::{Ingest, WallClockMap};
use crate::media::ingest::table::{Ingests, Role, SILENCE, codec_of_rtx};
use crate::media::peer::PeerOutput;
use crate::media::rtp::clock::Clock;
use crate::media::rtp::header::Header;
use crate::media::rtp::rtcp::{self, MAX_BLOCKS, Packet, ReportBlock};
use crate::media::sdp::{MediaSection, Section, Session};
use crate::media::transport::srtp::Srtp;

/// Retransmissions sent for one NACK.
const MAX_RETRANSMISSIONS: usize = 64;

/// How often sender and receiver reports go out.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// How much earlier a report may leave.
const REPORT_SLACK: Duration = Duration::from_millis(100);

/// The longest compound sent, unless a single packet is longer: with SRTCP's trailer and the headers
/// of UDP and IPv6 it passes a path of the least MTU (RFC 8200 §5).
pub const MAX_COMPOUND: usize = 1200;

/// What a compound packet asks of us.
#[derive(Default)]
pub struct Heard {
    /// Packets to send again.
    pub retransmissions: Vec<Outgoing>,
    /// What the other end reports of one of our streams.
    pub report: Option<ReportBlock>,
}

/// All streams of one peer.
pub struct Streams {
    clock: Clock,
    cname: String,
    /// The SSRC of reports while no stream is sent.
    reporter: u32,
    next_first_sequence: u16,
    /// By section; `None` is one without media.
    media: Vec<Option<MediaSection>>,
    /// By section; `None` is one on which nothing is sent.
    egresses: Vec<Option<Box<Egress>>>,
    ingests: Ingests,
    wall_clock: WallClockMap,
    arrivals: ArrivalRecorder,
    next_report: Instant,
    lost: Vec<u16>,
}

impl Streams {
    /// Without sections yet.
    pub fn new(now: Instant, clock: Clock, cname: String, seed: u64) -> Self {
        Self {
            clock,
            cname,
            reporter: (seed >> 32) as u32 | 1,
            next_first_sequence: seed as u16,
            media: Vec::new(),
            egresses: Vec::new(),
            ingests: Ingests::default(),
            wall_clock: WallClockMap::default(),
            arrivals: ArrivalRecorder::new(now),
            next_report: now + REPORT_INTERVAL,
            lost: Vec::new(),
        }
    }

    /// Takes what an answer says; streams that go on keep their state.
    pub fn set_session(&mut self, session: &Session) {
        let media = session.sections.iter().map(|section| match section {
            Section::Media(media) => Some(media.clone()),
            Section::Data(_) | Section::Rejected { .. } => None,
        });
        let before = std::mem::replace(&mut self.media, media.collect());
        self.ingests.retain(|ingest| {
            let (at, now) = (ingest.section, &self.media);
            let section = |all: &[Option<MediaSection>]| all.get(at).cloned().flatten();
            section(&before)
                .zip(section(now))
                .is_some_and(|(before, now)| goes_on(&before, &now))
        });
        let mut egresses = std::mem::take(&mut self.egresses).into_iter();
        for at in 0..self.media.len() {
            let before = egresses.next().flatten();
            let egress = self.egress_for(at, before);
            self.egresses.push(egress);
        }
    }

    fn egress_for(&mut self, at: usize, before: Option<Box<Egress>>) -> Option<Box<Egress>> {
        let media = self.media.get(at)?.as_ref()?;
        let stream = media.send.as_ref()?;
        match before {
            Some(mut egress) if egress.stream.ssrc == stream.ssrc => {
                egress.renegotiate(media);
                Some(egress)
            }
            _ => {
                self.next_first_sequence = self.next_first_sequence.wrapping_add(7919);
                // In the first half of the space, and not at its beginning: neither early loss nor
                // early reordering wraps, which a receiver could not follow (RFC 3711 §3.3.1).
                let first = self.next_first_sequence & 0x7FFF | 0x0100;
                let egress = Egress::new(media, stream.clone(), first);
                Some(Box::new(egress))
            }
        }
    }

    /// Opens and notes a packet. `None` is one that is nobody's, a replay, or carries no media.
    pub fn receive_rtp(
        &mut self,
        now: Instant,
        datagram: &[u8],
        srtp: &mut Srtp,
    ) -> Option<MediaPacket> {
        let header = Header::parse(datagram)?;
        let packet = srtp.unprotect_rtp(datagram, &header).ok()?.freeze();
        // The extensions' ids are the same in every bundled section (RFC 8843 §9.2).
        let role = match self.ingests.role(header.ssrc) {
            Some(role) => role,
            None => (self.ingests).recognise(now, &self.media, &header, &packet)?,
        };
        let ingest = self.ingests.get_mut(role)?;
        let media = self.media.get(ingest.section)?.as_ref()?;
        if let Some(id) = media.extensions.transport_cc
            && let Some(sequence) = header.extensions(&packet).get(id)
            && let Some(sequence) = sequence.first_chunk()
        {
            self.arrivals.record(now, u16::from_be_bytes(*sequence));
        }
        if !media.direction.recv {
            return None;
        }
        let (header, packet) = match role {
            Role::Media(_) => {
                if !ingest.record(now, &header) {
                    return None;
                }
                (header, packet)
            }
            Role::Retransmission(_) => {
                let codec = codec_of_rtx(media, header.payload_type)?;
                let original = unwrap_rtx(&packet, &header, codec.payload_type, ingest.ssrc)?;
                let header = Header::parse(&original)?;
                if !ingest.record_retransmission(now, &header) {
                    return None;
                }
                (header, original.into())
            }
        };
        // Of several simulcast layers the first offered goes out.
        if ingest.layer.is_some_and(|layer| layer != 0) {
            return None;
        }
        Some(MediaPacket {
            section: ingest.section,
            header,
            ids: media.extensions,
            packet,
        })
    }

    /// Notes a compound packet.
    pub fn receive_rtcp(
        &mut self,
        now: Instant,
        compound: &[u8],
        outputs: &mut VecDeque<PeerOutput>,
    ) -> Heard {
        let mut heard = Heard::default();
        for packet in rtcp::packets(compound) {
            match packet {
                Packet::SenderReport {
                    ssrc,
                    ntp,
                    rtp,
                    blocks,
                } => {
                    self.hear_sender_report(now, ssrc, ntp, rtp, outputs);
                    self.hear_blocks(blocks, &mut heard);
                }
                Packet::ReceiverReport { blocks } => self.hear_blocks(blocks, &mut heard),
                Packet::Nack { ssrc, lost } => {
                    if let Some((_, egress)) = self.egress_of(ssrc) {
                        let lost = lost.take(MAX_RETRANSMISSIONS);
                        let again = lost.filter_map(|sequence| egress.retransmit(now, sequence));
                        heard.retransmissions.extend(again);
                    }
                }
                Packet::KeyframeRequest { ssrc } => {
                    if let Some((section, _)) = self.egress_of(ssrc) {
                        outputs.push_back(PeerOutput::KeyframeWanted { section });
                    }
                }
                Packet::Goodbye { ssrc } => self.ingests.forget(ssrc),
            }
        }
        heard
    }

    fn hear_sender_report(
        &mut self,
        now: Instant,
        ssrc: u32,
        ntp: u64,
        rtp: u32,
        outputs: &mut VecDeque<PeerOutput>,
    ) {
        let Some(role @ Role::Media(_)) = self.ingests.role(ssrc) else {
            return;
        };
        if let Some(ingest) = self.ingests.get_mut(role) {
            ingest.record_sender_report(now, ntp);
            outputs.push_back(PeerOutput::SourceClock {
                section: ingest.section,
                ntp: self.wall_clock.ours(now, &self.clock, ntp),
                rtp,
            });
        }
    }

    fn hear_blocks(&mut self, blocks: rtcp::Blocks<'_>, heard: &mut Heard) {
        for block in blocks {
            if self.egress_of(block.ssrc).is_some() {
                heard.report = Some(block);
            }
        }
    }

    fn egress_of(&mut self, ssrc: u32) -> Option<(usize, &mut Egress)> {
        let mut egresses = self.egresses.iter_mut().enumerate();
        egresses.find_map(|(at, egress)| {
            let egress = egress.as_deref_mut()?;
            (egress.stream.ssrc == ssrc).then_some((at, egress))
        })
    }

    /// Rewrites a packet for a section's stream.
    pub fn forward(
        &mut self,
        now: Instant,
        section: usize,
        media: &MediaPacket,
        congested: bool,
    ) -> Option<Outgoing> {
        let egress = self.egresses.get_mut(section)?.as_mut()?;
        egress.forward(now, media, congested)
    }

    /// Keeps nothing that was sent: nobody will ask for it again.
    pub fn forget_sent(&mut self) {
        let egresses = self.egresses.iter_mut().flatten();
        egresses.for_each(|egress| egress.forget_sent());
    }

    /// Takes the round-trip time of the path.
    pub fn set_round_trip(&mut self, rtt: Duration) {
        let egresses = self.egresses.iter_mut().flatten();
        egresses.for_each(|egress| egress.set_round_trip(rtt));
    }

    /// The sections whose streams cannot go on before a keyframe.
    pub fn awaiting_keyframe(&self) -> impl Iterator<Item = usize> {
        let egresses = self.egresses.iter().enumerate();
        egresses.filter_map(|(at, egress)| egress.as_ref()?.awaits_keyframe().then_some(at))
    }

    /// Tells a section's stream its source's clock.
    pub fn set_source_clock(&mut self, section: usize, ntp: u64, rtp: u32) {
        if let Some(Some(egress)) = self.egresses.get_mut(section) {
            egress.set_source_clock(ntp, rtp);
        }
    }

    /// Wants a keyframe of what arrives on a section.
    pub fn request_keyframe(&mut self, now: Instant, section: usize) {
        let ingests = self.ingests.iter_mut();
        ingests
            .filter(|ingest| ingest.section == section)
            .for_each(|ingest| ingest.want_keyframe(now));
    }

    /// Everything received goes on over another path, with a keyframe.
    pub fn go_on(&mut self, now: Instant) {
        self.arrivals.go_on();
        let ingests = self.ingests.iter_mut();
        ingests.for_each(|ingest| ingest.go_on(now));
    }

    /// When [`Self::write_due_rtcp`] next has something to write.
    pub fn poll_timeout(&self) -> Instant {
        let ingests = self.ingests.iter().filter_map(Ingest::poll_timeout);
        ingests
            .chain(self.arrivals.poll_timeout())
            .fold(self.next_report, Instant::min)
    }

    /// Whether [`Self::write_due_rtcp`] has something that may leave with what leaves now.
    pub fn has_due_feedback(&self, now: Instant) -> bool {
        self.arrivals.is_due(now)
    }

    /// Appends the RTCP that is due: reports, feedback on arrivals, NACKs, keyframe requests.
    pub fn write_due_rtcp(&mut self, now: Instant, rtt: Duration, out: &mut Vec<u8>) {
        // Intervals may vary (RFC 3550 §6.2), and a report that goes with feedback goes for free.
        if now + REPORT_SLACK >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.write_reports(now, out);
        }
        self.write_feedback(now, rtt, out);
    }

    /// Cuts what [`Self::write_due_rtcp`] wrote into compounds that fit a datagram each: many streams
    /// may have lost packets at once.
    pub fn compounds<'a>(&self, written: &'a [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> {
        let mut head = Vec::new();
        if self.needs_compounds() {
            rtcp::write_receiver_report(&mut head, self.reporting_ssrc(), &[]);
            rtcp::write_cname(&mut head, self.reporting_ssrc(), &self.cname);
        }
        let pieces = rtcp::pieces(written, MAX_COMPOUND - head.len().min(MAX_COMPOUND));
        pieces.map(move |piece| match rtcp::begins_with_report(piece) {
            true => Cow::Borrowed(piece),
            false if head.is_empty() => Cow::Borrowed(piece),
            false => Cow::Owned([&head, piece].concat()),
        })
    }

    /// RFC 3550 §6.1: a report comes first, unless both ends agreed to do without (RFC 5506).
    fn needs_compounds(&self) -> bool {
        let mut media = self.media.iter().flatten();
        media.any(|media| !media.reduced_size_rtcp)
    }

    fn write_feedback(&mut self, now: Instant, rtt: Duration, out: &mut Vec<u8>) {
        let sender = self.reporting_ssrc();
        if let Some(body) = self.arrivals.feedback(now) {
            let media = self.ingests.iter().next().map_or(0, |ingest| ingest.ssrc);
            rtcp::write_transport_cc(out, sender, media, &body);
        }
        for ingest in self.ingests.iter_mut() {
            if ingest.poll_timeout().is_none_or(|due| now < due) {
                continue;
            }
            self.lost.clear();
            ingest.requests(now, rtt, &mut self.lost);
            let media = self.media.get(ingest.section).and_then(Option::as_ref);
            let nack = media.is_some_and(|media| media.codecs.iter().any(|codec| codec.nack));
            if !self.lost.is_empty() && nack {
                rtcp::write_nack(out, sender, ingest.ssrc, &self.lost);
            }
            if ingest.take_keyframe_request(now) {
                rtcp::write_pli(out, sender, ingest.ssrc);
            }
        }
    }

    fn write_reports(&mut self, now: Instant, out: &mut Vec<u8>) {
        let heard = (self.ingests.iter_mut()).filter(|ingest| now < ingest.heard() + SILENCE);
        let blocks = heard.take(MAX_BLOCKS).map(|ingest| ingest.report(now));
        let mut blocks: Vec<_> = blocks.collect();
        let egresses = self.egresses.iter().flatten();
        let infos = egresses.filter_map(|egress| egress.sender_info(now, &self.clock));
        let mut described = None;
        for info in infos {
            rtcp::write_sender_report(out, &info, &blocks);
            blocks.clear();
            described.get_or_insert(info.ssrc);
        }
        if !blocks.is_empty() {
            rtcp::write_receiver_report(out, self.reporter, &blocks);
            described.get_or_insert(self.reporter);
        }
        if let Some(ssrc) = described {
            rtcp::write_cname(out, ssrc, &self.cname);
        }
    }

    fn reporting_ssrc(&self) -> u32 {
        let egress = self.egresses.iter().flatten().next();
        egress.map_or(self.reporter, |egress| egress.stream.ssrc)
    }

    /// Appends a goodbye for every stream sent (RFC 3550 §6.6).
    pub fn write_goodbyes(&self, out: &mut Vec<u8>) {
        for egress in self.egresses.iter().flatten() {
            rtcp::write_goodbye(out, egress.stream.ssrc);
        }
    }
}

/// Whether what is received on a section goes on after a new answer.
fn goes_on(before: &MediaSection, now: &MediaSection) -> bool {
    let same = (&before.mid, before.kind, &before.rids) == (&now.mid, now.kind, &now.rids);
    same && now.direction.recv
}

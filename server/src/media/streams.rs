//! The RTP streams of one peer, both ways: which section a packet belongs to, what it means for its
//! reports, and the RTCP that is due. Knows SRTP by its `unprotect`, and nothing of datagrams' paths.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use super::clock::Clock;
use super::egress::{Egress, MediaPacket, Outgoing, unwrap_rtx};
use super::ingest::{Ingest, WallClockMap};
use super::peer::PeerOutput;
use super::rtcp::{self, MAX_BLOCKS, Packet, ReportBlock};
use super::rtp::{ExtensionValues, Header};
use super::sdp::{Codec, MediaSection, Section, Session};
use super::srtp::Srtp;
use super::transport_cc::ArrivalRecorder;

/// Streams received from one peer at a time. RFC 8108 allows many; browsers send two to seven.
pub const MAX_INGESTS: usize = 64;

/// Retransmissions sent for one NACK.
const MAX_RETRANSMISSIONS: usize = 64;

/// How often sender and receiver reports go out.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// What an SSRC is.
#[derive(Clone, Copy)]
enum Role {
    /// Media of this ingest.
    Media(usize),
    /// Retransmissions for this ingest.
    Retransmission(usize),
}

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
    sections: Vec<SectionState>,
    roles: FxHashMap<u32, Role>,
    ingests: Vec<Ingest>,
    wall_clock: WallClockMap,
    arrivals: ArrivalRecorder,
    next_report: Instant,
    lost: Vec<u16>,
}

/// What is known of one section; `None` inside is one without media.
struct SectionState {
    media: Option<MediaSection>,
    egress: Option<Box<Egress>>,
}

impl Streams {
    /// Without sections yet.
    pub fn new(now: Instant, clock: Clock, cname: String, seed: u64) -> Self {
        Self {
            clock,
            cname,
            reporter: (seed >> 32) as u32 | 1,
            // The first half of the space, so that early reordering does not wrap.
            next_first_sequence: seed as u16 & 0x7FFF,
            sections: Vec::new(),
            roles: FxHashMap::default(),
            ingests: Vec::new(),
            wall_clock: WallClockMap::default(),
            arrivals: ArrivalRecorder::new(now),
            next_report: now + REPORT_INTERVAL,
            lost: Vec::new(),
        }
    }

    /// Takes what an answer says; streams that go on keep their state.
    pub fn set_session(&mut self, session: &Session) {
        let mut before = std::mem::take(&mut self.sections).into_iter();
        for section in &session.sections {
            let before = before.next();
            let media = match section {
                Section::Media(media) => Some(media.clone()),
                Section::Data(_) | Section::Rejected { .. } => None,
            };
            let egress = media
                .as_ref()
                .and_then(|media| self.egress_for(media, before.and_then(|b| b.egress)));
            self.sections.push(SectionState { media, egress });
        }
        // What the other end may send changed: its streams are recognised anew.
        self.ingests.clear();
        self.roles.clear();
    }

    fn egress_for(
        &mut self,
        media: &MediaSection,
        before: Option<Box<Egress>>,
    ) -> Option<Box<Egress>> {
        let stream = media.send.as_ref()?;
        match before {
            Some(mut egress) if egress.stream.ssrc == stream.ssrc => {
                egress.renegotiate(media);
                Some(egress)
            }
            _ => {
                self.next_first_sequence = self.next_first_sequence.wrapping_add(7919) & 0x7FFF;
                let egress = Egress::new(media, stream.clone(), self.next_first_sequence);
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
        let role = match self.roles.get(&header.ssrc) {
            Some(&role) => role,
            None => self.recognise(now, &header, &packet)?,
        };
        let (Role::Media(at) | Role::Retransmission(at)) = role;
        let ingest = self.ingests.get_mut(at)?;
        let media = self.sections.get(ingest.section)?.media.as_ref()?;
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
                ingest.record(now, &header);
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

    /// Finds what an SSRC not heard before is: by the section its packet names, by what the session
    /// description announced, else by the one section that has its payload type (RFC 8843 §9.2).
    fn recognise(&mut self, now: Instant, header: &Header, packet: &[u8]) -> Option<Role> {
        let (at, section) = self.section_of(header, packet)?;
        let values = ExtensionValues::read(header.extensions(packet), &section.extensions);
        let announced = section
            .remote_streams
            .iter()
            .find(|stream| stream.ssrc == header.ssrc || stream.rtx_ssrc == Some(header.ssrc));
        let rid = values.repaired_rid.or(values.rid);
        let layer = rid.and_then(|rid| {
            let mut rids = section.rids.iter();
            rids.position(|known| known.as_bytes() == rid)
        });
        let is_rtx = codec_of_rtx(section, header.payload_type).is_some();
        let role = if is_rtx {
            let media_ssrc = announced.map(|stream| stream.ssrc);
            let mut ingests = self.ingests.iter();
            let ingest = ingests.position(|ingest| {
                media_ssrc.is_none_or(|ssrc| ssrc == ingest.ssrc)
                    && (ingest.section, ingest.layer) == (at, layer)
            })?;
            Role::Retransmission(ingest)
        } else {
            let codec = codec_of(section, header.payload_type)?;
            if self.ingests.len() == MAX_INGESTS {
                return None;
            }
            let mut ingest = Ingest::new(header.ssrc, at, layer, section.kind, codec.clock_rate);
            if layer.is_none_or(|layer| layer == 0) {
                ingest.want_keyframe(now);
            }
            self.ingests.push(ingest);
            Role::Media(self.ingests.len() - 1)
        };
        self.roles.insert(header.ssrc, role);
        Some(role)
    }

    fn section_of(&self, header: &Header, packet: &[u8]) -> Option<(usize, &MediaSection)> {
        let media = || {
            let sections = self.sections.iter().enumerate();
            sections.filter_map(|(at, section)| Some((at, section.media.as_ref()?)))
        };
        let named = media().find(|(_, section)| {
            let mid = ExtensionValues::read(header.extensions(packet), &section.extensions).mid;
            mid == Some(section.mid.as_bytes())
        });
        let announced = || {
            media().find(|(_, section)| {
                let mut streams = section.remote_streams.iter();
                streams.any(|s| s.ssrc == header.ssrc || s.rtx_ssrc == Some(header.ssrc))
            })
        };
        let only = || {
            let mut with = media().filter(|(_, section)| {
                codec_of(section, header.payload_type)
                    .or(codec_of_rtx(section, header.payload_type))
                    .is_some()
            });
            with.next().filter(|_| with.next().is_none())
        };
        named.or_else(announced).or_else(only)
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
                Packet::Goodbye { ssrc } => {
                    // Its place is kept, so that other streams' indices stay; a new one may come.
                    self.roles.remove(&ssrc);
                }
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
        let Some(&Role::Media(at)) = self.roles.get(&ssrc) else {
            return;
        };
        if let Some(ingest) = self.ingests.get_mut(at) {
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
        let mut sections = self.sections.iter_mut().enumerate();
        sections.find_map(|(at, section)| {
            let egress = section.egress.as_deref_mut()?;
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
        let egress = self.sections.get_mut(section)?.egress.as_mut()?;
        egress.forward(now, media, congested)
    }

    /// The sections whose streams cannot go on before a keyframe.
    pub fn awaiting_keyframe(&self) -> impl Iterator<Item = usize> {
        let sections = self.sections.iter().enumerate();
        sections.filter_map(|(at, section)| {
            let egress = section.egress.as_ref()?;
            egress.awaits_keyframe().then_some(at)
        })
    }

    /// Tells a section's stream its source's clock.
    pub fn set_source_clock(&mut self, section: usize, ntp: u64, rtp: u32) {
        let section = self.sections.get_mut(section);
        if let Some(egress) = section.and_then(|section| section.egress.as_mut()) {
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

    /// When [`Self::write_due_rtcp`] next has something to write.
    pub fn poll_timeout(&self) -> Instant {
        let ingests = self.ingests.iter().filter_map(Ingest::poll_timeout);
        ingests
            .chain(self.arrivals.poll_timeout())
            .fold(self.next_report, Instant::min)
    }

    /// Appends the RTCP that is due: reports, feedback on arrivals, NACKs, keyframe requests.
    pub fn write_due_rtcp(&mut self, now: Instant, rtt: Duration, out: &mut Vec<u8>) {
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.write_reports(now, out);
        }
        let reported = !out.is_empty();
        self.write_feedback(now, rtt, out);
        if !reported && !out.is_empty() && self.needs_compounds() {
            let mut compound = Vec::with_capacity(out.len() + 48);
            rtcp::write_receiver_report(&mut compound, self.reporting_ssrc(), &[]);
            rtcp::write_cname(&mut compound, self.reporting_ssrc(), &self.cname);
            compound.append(out);
            *out = compound;
        }
    }

    /// RFC 3550 §6.1: a report comes first, unless both ends agreed to do without (RFC 5506).
    fn needs_compounds(&self) -> bool {
        let mut media = self.sections.iter().filter_map(|s| s.media.as_ref());
        media.any(|media| !media.reduced_size_rtcp)
    }

    fn write_feedback(&mut self, now: Instant, rtt: Duration, out: &mut Vec<u8>) {
        let sender = self.reporting_ssrc();
        if let Some(body) = self.arrivals.feedback(now) {
            let media = self.ingests.first().map_or(0, |ingest| ingest.ssrc);
            rtcp::write_transport_cc(out, sender, media, &body);
        }
        for ingest in &mut self.ingests {
            if ingest.poll_timeout().is_none_or(|due| now < due) {
                continue;
            }
            self.lost.clear();
            ingest.requests(now, rtt, &mut self.lost);
            let section = self.sections.get(ingest.section);
            let media = section.and_then(|section| section.media.as_ref());
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
        let blocks = self.ingests.iter_mut().take(MAX_BLOCKS);
        let mut blocks: Vec<_> = blocks.map(|ingest| ingest.report(now)).collect();
        let egresses = self.sections.iter().filter_map(|s| s.egress.as_deref());
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
        let mut sections = self.sections.iter();
        let egress = sections.find_map(|section| section.egress.as_ref());
        egress.map_or(self.reporter, |egress| egress.stream.ssrc)
    }

    /// Appends a goodbye for every stream sent (RFC 3550 §6.6).
    pub fn write_goodbyes(&self, out: &mut Vec<u8>) {
        for section in &self.sections {
            if let Some(egress) = &section.egress {
                rtcp::write_goodbye(out, egress.stream.ssrc);
            }
        }
    }
}

fn codec_of(section: &MediaSection, payload_type: u8) -> Option<&Codec> {
    let mut codecs = section.codecs.iter();
    codecs.find(|codec| codec.payload_type == payload_type)
}

fn codec_of_rtx(section: &MediaSection, payload_type: u8) -> Option<&Codec> {
    let mut codecs = section.codecs.iter();
    codecs.find(|codec| codec.rtx_payload_type == Some(payload_type))
}

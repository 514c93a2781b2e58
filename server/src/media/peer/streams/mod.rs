//! The RTP streams of one peer, both ways: which stream a packet is of, and where it goes on.
//! Knows SRTP by its `unprotect`, and nothing of datagrams' paths.
//!
//! | module | what lives there |
//! |---|---|
//! | `feedback` | what a compound of the other end's asks for, and how much of it is done |
//! | `due`, `deadlines` | the RTCP that is due, and when |
//! | `estimated` | what the other end itself makes of its path, where it does |

mod deadlines;
mod due;
mod estimated;
mod feedback;
#[cfg(test)]
mod tests;

use std::time::Instant;

use crate::congestion::trace::Trace;
use crate::congestion::{Estimate, Estimator, PathEstimator, ReceiverPath, Sink};
use crate::media::egress::{Egress, unwrap_rtx};
use crate::media::ingest::arrivals::ArrivalRecorder;
use crate::media::ingest::sections::{ReceivedCodec, ReceivedSections};
use crate::media::ingest::stream::WallClockMap;
use crate::media::ingest::table::{Ingests, Lead, Role};
use crate::media::plan::Shown;
use crate::media::rtp::clock::Clock;
use crate::media::rtp::header::Header;
use crate::media::rtp::packet::MediaPacket;
use crate::media::sdp::{Agreed, MediaKind, MediaSection, Section};
use crate::media::transport::srtp::Srtp;
use crate::prefetch::prefetch;
use deadlines::Due;
pub use due::{MAX_COMPOUND, MAX_REQUESTS};
pub use feedback::{Heard, MAX_ASKED, MAX_RETRANSMISSIONS};

/// In bits per second, for who was told of a limit that is gone.
const UNLIMITED: u64 = 1 << 32;

/// All streams of one peer.
pub struct MediaStreams {
    clock: Clock,
    cname: String,
    /// The SSRC of reports while no stream is sent.
    reporter: u32,
    next_first_sequence: u16,
    received: ReceivedSections,
    /// By section; `None` is one on which nothing is sent.
    egresses: Vec<Option<Box<Egress>>>,
    /// The sections of the SSRCs sent, by SSRC.
    sections_sent: Vec<(u32, u8)>,
    /// A report comes first in a compound, unless both ends agreed to do without (RFC 5506).
    needs_compounds: bool,
    ingests: Ingests,
    wall_clock: WallClockMap,
    arrivals: ArrivalRecorder,
    /// Of the path that everything is sent over, once something is that has a transport-wide number.
    estimator: PathEstimator,
    /// What the other end itself makes of that, where it says nothing of single packets of its pictures.
    estimated: Option<ReceiverPath>,
    /// No more is to come in all, in bits per second, where that is to be said.
    max_upload: Option<u64>,
    due: Due,
    lost: Vec<u16>,
}

impl MediaStreams {
    /// Without sections yet.
    pub fn new(now: Instant, clock: Clock, cname: String, seed: u64) -> Self {
        Self {
            clock,
            cname,
            reporter: (seed >> 32) as u32 | 1,
            next_first_sequence: seed as u16,
            received: ReceivedSections::default(),
            egresses: Vec::new(),
            sections_sent: Vec::new(),
            needs_compounds: false,
            ingests: Ingests::default(),
            wall_clock: WallClockMap::default(),
            arrivals: ArrivalRecorder::new(now),
            estimator: PathEstimator::default(),
            estimated: None,
            max_upload: None,
            due: Due::new(now),
            lost: Vec::new(),
        }
    }

    /// Takes what an answer says; streams that go on keep their state.
    pub fn agree(&mut self, agreed: &Agreed) {
        let received = ReceivedSections::of(agreed);
        let before = std::mem::replace(&mut self.received, received);
        let now = &self.received;
        self.ingests
            .retain(|ingest| before.goes_on(now, ingest.section, ingest.ssrc));
        (0..agreed.sections.len())
            .filter(|section| !before.is_same(now, *section))
            .for_each(|section| self.ingests.begin_anew(section));
        let mut egresses = std::mem::take(&mut self.egresses).into_iter();
        for section in &agreed.sections {
            let before = egresses.next().flatten();
            let egress = self.egress_for(section, before);
            self.egresses.push(egress);
        }
        let sent = self.egresses.iter().enumerate();
        let ssrcs = sent.filter_map(|(at, egress)| Some((egress.as_ref()?.stream.ssrc, at as u8)));
        self.sections_sent = ssrcs.collect();
        self.sections_sent.sort_unstable();
        self.needs_compounds = media(agreed).any(|media| !media.reduced_size_rtcp);
        self.agree_on_estimates();
    }

    fn egress_for(
        &mut self,
        section: &Section,
        before: Option<Box<Egress>>,
    ) -> Option<Box<Egress>> {
        let Section::Media(media) = section else {
            return None;
        };
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

    /// Opens and notes a packet. `None` is one that is nobody's, a replay, carries no media, or is of
    /// another stream than the one that goes on.
    pub fn receive_rtp(
        &mut self,
        now: Instant,
        datagram: &[u8],
        srtp: &mut Srtp,
    ) -> Option<MediaPacket> {
        let header = Header::parse(datagram)?;
        let packet = srtp.unprotect_rtp(datagram, &header).ok()?.freeze();
        let role = match self.ingests.role(header.ssrc) {
            Some(role) => role,
            None => self.meet(now, &header, &packet)?,
        };
        let ingest = self.ingests.get_mut(role)?;
        let received = self.received.get(ingest.section)?;
        if let Some(id) = received.ids.transport_cc
            && let Some(sequence) = header.extensions(&packet).get(id)
            && let Some(sequence) = sequence.first_chunk()
        {
            self.arrivals.record(now, u16::from_be_bytes(*sequence));
        }
        if !received.receives {
            return None;
        }
        let (codec, header, packet): (ReceivedCodec, _, _) = match role {
            Role::Media(_) => {
                let is_new = ingest.record(now, &header);
                let codec = received.codec(header.payload_type);
                (*codec.filter(|_| is_new)?, header, packet)
            }
            Role::Retransmission(_) => {
                let codec = received.codec_of_rtx(header.payload_type)?;
                let original = unwrap_rtx(&packet, &header, codec.payload_type, ingest.ssrc)?;
                let header = Header::parse(&original)?;
                if !ingest.record_retransmission(now, &header) {
                    return None;
                }
                (*codec, header, original.into())
            }
        };
        self.due.by(ingest.poll_timeout());
        let (place, clock) = ((ingest.section, ingest.layer), ingest.clock);
        let format = (codec.format, codec.clock_rate);
        let mut media = MediaPacket::read(now, place, format, header, &received.ids, packet);
        media.clock = clock;
        ingest.read_layers(&mut media);
        if received.is_layered() {
            // Layers of layers have no name.
            media.spatial = None;
        }
        self.leads(now, role, media.starts_keyframe)
            .then_some(media)
    }

    /// Finds a place for an SSRC that was not heard before.
    fn meet(&mut self, now: Instant, header: &Header, packet: &[u8]) -> Option<Role> {
        let recognised = self.received.recognise(header, packet)?;
        let kind = self.received.get(recognised.section)?.kind;
        let role = self.ingests.add(now, header.ssrc, kind, &recognised)?;
        // Its first packet may be anywhere in a picture.
        if recognised.layer.unwrap_or(0) == 0 && recognised.repairs.is_none() {
            self.want_keyframe_of(now, role);
        }
        Some(role)
    }

    fn leads(&mut self, now: Instant, role: Role, starts_keyframe: bool) -> bool {
        match self.ingests.lead(now, role, starts_keyframe) {
            Lead::Leads => true,
            Lead::Follows => false,
            Lead::WantsKeyframe => {
                self.want_keyframe_of(now, role);
                false
            }
        }
    }

    fn want_keyframe_of(&mut self, now: Instant, role: Role) {
        if let Some(ingest) = self.ingests.get_mut(role) {
            ingest.want_keyframe(now);
            self.due.by(ingest.poll_timeout());
        }
    }

    /// The section on which an SSRC is sent.
    fn section_sent(&self, ssrc: u32) -> Option<usize> {
        let ssrcs = &self.sections_sent;
        let at = ssrcs.binary_search_by_key(&ssrc, |(ssrc, _)| *ssrc).ok()?;
        ssrcs.get(at).map(|(_, section)| (*section).into())
    }

    /// Has memory fetched that tells what is due, and where what is sent is.
    pub fn prefetch(&self) {
        prefetch(&self.egresses);
        prefetch(&self.due);
        prefetch(&self.estimator);
        self.arrivals.prefetch();
    }

    /// Has memory fetched that tells where what is sent on a section is.
    pub fn prefetch_section(&self, section: usize) {
        self.egresses
            .get(section)
            .inspect(|egress| prefetch(*egress));
    }

    /// What is sent on a section.
    pub fn sent_on(&self, section: usize) -> Option<&Egress> {
        self.egresses.get(section)?.as_deref()
    }

    /// What is sent on a section, and what numbers it.
    pub fn sending(&mut self, section: usize) -> Option<(&mut Egress, &mut PathEstimator)> {
        let egress = self.egresses.get_mut(section)?.as_deref_mut()?;
        Some((egress, &mut self.estimator))
    }

    /// What has padding to fill a probe with, and the estimator that wants some.
    pub fn probing(&mut self) -> Option<(Option<&mut Egress>, &mut Estimator)> {
        let estimator = self.estimator.get_mut()?;
        let may_probe = self.estimated.is_none();
        let mut egresses = self.egresses.iter_mut().flatten();
        let egress = egresses.find(|egress| may_probe && egress.has_padding());
        Some((egress.map(Box::as_mut), estimator))
    }

    /// The kind of what is sent on a section.
    pub fn sends(&self, section: usize) -> Option<MediaKind> {
        let egress = self.egresses.get(section)?.as_ref()?;
        Some(egress.kind())
    }

    /// Whether what is sent on a section has transport-wide numbers, or the other end estimates by itself how much it
    /// takes: of other things nobody says how they arrive.
    pub fn is_known_of(&self, section: usize) -> bool {
        let egress = self.egresses.get(section).and_then(Option::as_ref);
        egress.is_some_and(|egress| self.estimated.is_some() || egress.is_numbered())
    }

    /// Whether what is sent on a section may wait for its turn: pictures that the estimate is of, every packet of them.
    pub fn may_wait(&self, section: usize) -> bool {
        let egress = self.sent_on(section).filter(|_| self.estimated.is_none());
        egress.is_some_and(Egress::numbers_all_pictures)
    }

    /// So much would be sent if there was room for it, in bits per second.
    /// Some of it may be paused.
    pub fn want(&mut self, bits_per_second: u64, is_paused: bool) {
        if let Some(estimator) = self.estimator.get_mut() {
            estimator.want(bits_per_second, is_paused);
        } else if let Some(trace) = self.estimator.traced() {
            trace.wants(bits_per_second, is_paused);
        }
        if let Some(estimated) = &mut self.estimated {
            estimated.want(bits_per_second);
        }
    }

    /// What the path carries that everything is sent over, as far as that is known.
    pub fn estimate(&self) -> Option<Estimate> {
        match &self.estimated {
            Some(estimated) => estimated.estimate(),
            None => self.estimator.get()?.estimate(),
        }
    }

    /// What is known of the path that everything is sent over.
    pub fn estimator(&self) -> Option<&Estimator> {
        self.estimator.get()
    }

    /// What is written of it, to be told what else is decided.
    pub fn traced(&mut self) -> Option<&mut Trace> {
        self.estimator.traced()
    }

    /// Has the other end told, with each report, that it may send so much and no more, in bits per second. `None` takes
    /// it back.
    pub fn limit_upload(&mut self, max: Option<u64>) {
        if max.is_some() || self.max_upload.is_some() {
            self.max_upload = Some(max.unwrap_or(UNLIMITED));
        }
    }

    /// Has a trace written of it, from its beginning on.
    pub fn trace(&mut self, sink: Box<dyn Sink>) {
        self.estimator.trace(sink);
    }

    /// What is sent on a section.
    pub fn egress(&mut self, section: usize) -> Option<&mut Egress> {
        self.egresses.get_mut(section)?.as_deref_mut()
    }

    /// Keeps nothing that was sent: nobody will ask for it again.
    pub fn forget_sent(&mut self) {
        let egresses = self.egresses.iter_mut().flatten();
        egresses.for_each(|egress| egress.forget_sent());
    }

    /// Shows another track on a section, or none.
    pub fn select(&mut self, section: usize, shown: Option<Shown>) {
        if let Some(Some(egress)) = self.egresses.get_mut(section) {
            egress.select(shown);
        }
    }

    /// What comes next on a section may not follow what came before.
    pub fn rejoin(&mut self, section: usize) {
        if let Some(Some(egress)) = self.egresses.get_mut(section) {
            egress.rejoin();
        }
    }

    /// The sections whose streams cannot go on before a keyframe.
    pub fn awaiting_keyframe(&self) -> impl Iterator<Item = usize> {
        let egresses = self.egresses.iter().enumerate();
        egresses.filter_map(|(at, egress)| egress.as_ref()?.awaits_keyframe().then_some(at))
    }

    /// Everything received goes on over another path, with a keyframe.
    pub fn change_path(&mut self, now: Instant) {
        self.arrivals.change_path();
        if let Some(estimator) = self.estimator.get_mut() {
            estimator.change_path(now);
        }
        if let Some(estimated) = &mut self.estimated {
            estimated.forget(self.estimator.traced());
        }
        let ingests = self.ingests.iter_mut();
        ingests.for_each(|ingest| ingest.change_path(now));
        self.due.by(Some(now));
    }
}

/// The sections with media.
fn media(agreed: &Agreed) -> impl Iterator<Item = &MediaSection> {
    agreed.sections.iter().filter_map(|section| match section {
        Section::Media(media) => Some(media),
        Section::Data(_) | Section::Rejected { .. } => None,
    })
}

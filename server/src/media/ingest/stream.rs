//! One stream a peer sends us: what arrived and what is missing, its reports, and the keyframes it
//! is asked for. Knows nothing of who receives it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::media::ingest::loss::{Arrival, LossTracker};
use crate::media::rtp::clock::{Clock, ntp_middle, report_delay};
use crate::media::rtp::dependency::Structure;
use crate::media::rtp::header::{Header, sequence_diff};
use crate::media::rtp::packet::{MediaPacket, SourceClock};
use crate::media::rtp::rtcp::ReportBlock;
use crate::media::rtp::spatial::{MAX_SPATIAL, Sizes, Spatial, SpatialLayers};
use crate::media::rtp::temporal::Temporal;
use crate::media::rtp::vp9;
use crate::media::rtp::work;
use crate::media::sdp::{CodecKind, MediaKind};

/// The least time between two keyframe requests: a keyframe costs the sender many packets, and one
/// serves everybody who wants it.
pub const KEYFRAME_INTERVAL: Duration = Duration::from_millis(400);

/// Retransmissions remembered, so that a late original is not taken for another packet.
const MAX_REPAIRED: usize = 256;

/// No packet comes later than this. It is far from half of all numbers.
const MAX_LATE: u16 = 16_384;

/// A stream received.
pub struct Ingest {
    /// Its synchronization source.
    pub ssrc: u32,
    /// The index of its media section.
    pub section: usize,
    /// Its simulcast layer, by index into the section's; 0 without simulcast.
    pub layer: u8,
    /// The SSRC of its retransmissions, once heard.
    pub rtx_ssrc: Option<u32>,
    /// What its sender said last of its clocks.
    pub clock: Option<SourceClock>,
    /// Its packets are passed on. Of a layer's streams there is one.
    pub leads: bool,
    kind: MediaKind,
    clock_rate: u32,
    heard: Instant,
    reports: Reception,
    loss: LossTracker,
    /// The packets that came as retransmissions last, whose originals may still come.
    repaired: VecDeque<u16>,
    keyframes: KeyframeRequests,
    /// What dependency descriptors refer to, and the number of the packet that brought it, or of one that came later.
    structure: Option<Box<(u16, Structure)>>,
    /// Its spatial layers, where it has several that can be taken apart.
    spatial: Option<Box<SpatialLayers>>,
    /// The number of the packet that told of those last, or of one that came later.
    told: Option<u16>,
}

impl Ingest {
    /// A stream of which nothing was received yet.
    pub fn new(
        now: Instant,
        ssrc: u32,
        section: usize,
        layer: u8,
        kind: MediaKind,
        clock_rate: u32,
    ) -> Self {
        Self {
            ssrc,
            section,
            layer,
            rtx_ssrc: None,
            clock: None,
            leads: false,
            kind,
            clock_rate,
            heard: now,
            reports: Reception::default(),
            loss: LossTracker::default(),
            repaired: VecDeque::new(),
            keyframes: KeyframeRequests::default(),
            structure: None,
            spatial: None,
            told: None,
        }
    }

    /// When a packet came last.
    pub fn heard(&self) -> Instant {
        self.heard
    }

    /// Notes a packet. SRTP has ruled out that it came before, but not that its retransmission did:
    /// returns whether it is new.
    pub fn record(&mut self, now: Instant, header: &Header) -> bool {
        self.reports
            .record_timing(now, header.timestamp, self.clock_rate);
        let arrival = self.loss.record(now, header.sequence);
        self.note_arrival(now, arrival);
        let late = arrival == Arrival::Late;
        if late && self.repaired.contains(&header.sequence) {
            return false;
        }
        self.reports.record(header.sequence);
        true
    }

    /// Notes a packet that came as a retransmission: it says nothing of the path's jitter, and may
    /// be one that arrived already, sent again to probe the bandwidth. Returns whether it is new.
    pub fn record_retransmission(&mut self, now: Instant, header: &Header) -> bool {
        let arrival = self.loss.record_retransmission(now, header.sequence);
        self.note_arrival(now, arrival);
        let is_new = arrival != Arrival::Late;
        if is_new {
            self.reports.record(header.sequence);
            if self.repaired.len() == MAX_REPAIRED {
                self.repaired.pop_front();
            }
            self.repaired.push_back(header.sequence);
        }
        is_new
    }

    fn note_arrival(&mut self, now: Instant, arrival: Arrival) {
        self.heard = now;
        if arrival == Arrival::Restart {
            (self.structure, self.spatial, self.told) = (None, None, None);
            self.want_keyframe(now);
        }
    }

    /// Notes the sender's report: its own time, and what that is on our clock.
    pub fn record_sender_report(&mut self, now: Instant, ntp: u64, clock: SourceClock) {
        self.reports.last_sender_report = Some((now, ntp_middle(ntp)));
        self.clock = Some(clock);
    }

    /// Reads of which layers a packet is, as far as its payload alone did not say it.
    pub fn read_layers(&mut self, media: &mut MediaPacket) {
        // Of a layer alone VP9 may say nothing.
        let is_vp9 = media.format.kind == CodecKind::Vp9
            && (media.temporal.is_some() || self.told.is_some() && self.spatial.is_some());
        match media.temporal {
            _ if media.is_padding => {}
            _ if is_vp9 => self.read_vp9(media),
            Some(_) => {}
            None => self.read_descriptor(media),
        }
    }

    /// VP9 says in keyframes which spatial layers there are, and where they are more or fewer.
    fn read_vp9(&mut self, media: &mut MediaPacket) {
        let number = media.header.sequence;
        let is_newer = (self.told.as_mut()).is_none_or(|told| is_newer(told, number));
        let Some(descriptor) = vp9::Descriptor::read(media.payload()) else {
            return;
        };
        if is_newer && let Some((count, sizes)) = descriptor.structure() {
            self.told = Some(number);
            self.renew_spatial(count, sizes, media.starts_keyframe);
        }
        let Some(layers) = &mut self.spatial else {
            return;
        };
        if is_newer && !descriptor.has_layers() {
            layers.activate(1);
        }
        let spatial = Spatial::of_vp9(&descriptor, layers);
        if media.starts_keyframe && spatial.is_by_itself(layers) {
            self.spatial = None;
            return;
        }
        let temporal = |temporal: Temporal| Spatial::temporal_of_vp9(temporal, &descriptor);
        let temporal = media.temporal.and_then(temporal);
        media.spatial = Some(layers.note(media.header.timestamp, spatial));
        media.temporal = temporal.or(media.temporal);
    }

    fn renew_spatial(&mut self, count: u8, sizes: Sizes, is_key: bool) {
        match &mut self.spatial {
            Some(known) if usize::from(count) <= MAX_SPATIAL => known.renew(count, sizes, is_key),
            known => *known = SpatialLayers::new(count, sizes).map(Box::new),
        }
    }

    /// By the structure that came last. What comes late is of before it.
    fn read_descriptor(&mut self, media: &mut MediaPacket) {
        let number = media.header.sequence;
        let is_next = (self.structure.as_mut()).is_none_or(|known| is_newer(&mut known.0, number));
        let descriptor = media.extensions.dependency_descriptor;
        let Some(descriptor) = descriptor.value(&media.packet) else {
            return;
        };
        if let Some(structure) = Structure::brought(descriptor)
            && is_next
        {
            match (&mut self.spatial, structure.spatial()) {
                (Some(known), Some(layers)) => {
                    known.renew(layers.count(), layers.sizes(), media.starts_keyframe)
                }
                (known, layers) => *known = layers.map(Box::new),
            }
            if let Some(layers) = &mut self.spatial {
                layers.activate(structure.active());
            }
            self.structure = Some(Box::new((number, structure)));
        }
        if is_next
            && let Some(known) = &mut self.structure
            && let Some(active) = known.1.activated(descriptor)
        {
            known.0 = number;
            if let Some(layers) = &mut self.spatial {
                layers.activate(active);
            }
        }
        let known = self.structure.as_ref();
        let Some(frame) = known.and_then(|known| known.1.frame(descriptor)) else {
            return;
        };
        media.temporal = Some(match media.starts_keyframe {
            true => frame.temporal.of_keyframe(),
            false => frame.temporal,
        });
        let layers = self.spatial.as_mut();
        let spatial = frame.spatial.zip(layers);
        media.spatial = spatial.map(|(it, layers)| layers.note(media.header.timestamp, it));
    }

    /// What a receiver report says of the stream.
    pub fn report(&mut self, now: Instant) -> ReportBlock {
        self.reports.block(now, self.ssrc)
    }

    /// Wants a keyframe soon. Audio has none.
    pub fn want_keyframe(&mut self, now: Instant) {
        if self.kind == MediaKind::Video {
            self.keyframes.want(now);
        }
    }

    /// The stream goes on over another path. What was lost on the old one is not asked for: it would
    /// come late, and before the keyframe that makes up for it.
    pub fn change_path(&mut self, now: Instant) {
        self.loss.change_path();
        self.want_keyframe(now);
    }

    /// Whether to ask for a keyframe now.
    pub fn take_keyframe_request(&mut self, now: Instant) -> bool {
        self.keyframes.take(now)
    }

    /// Collects the sequence numbers to ask for again.
    pub fn requests(&mut self, now: Instant, rtt: Duration, lost: &mut Vec<u16>) {
        if self.loss.requests(now, rtt, lost) {
            self.want_keyframe(now);
        }
    }

    /// When a request of either kind is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        work::count(1);
        let loss = self.loss.poll_timeout();
        loss.into_iter().chain(self.keyframes.due).min()
    }
}

/// Whether a packet is of after the one with this number. Numbers come round: one that no packet is as late as would be of
/// the time to come, and is brought along.
fn is_newer(at: &mut u16, number: u16) -> bool {
    if sequence_diff(number, at.wrapping_add(MAX_LATE)) > 0 {
        *at = number.wrapping_sub(MAX_LATE);
    }
    sequence_diff(number, *at) > 0
}

/// Coalesces the wishes for a keyframe.
#[derive(Default)]
struct KeyframeRequests {
    /// When to ask next, if one is wanted.
    due: Option<Instant>,
    asked: Option<Instant>,
}

impl KeyframeRequests {
    fn want(&mut self, now: Instant) {
        let earliest = self.asked.map_or(now, |at| at + KEYFRAME_INTERVAL);
        self.due.get_or_insert(earliest.max(now));
    }

    fn take(&mut self, now: Instant) -> bool {
        let due = self.due.take_if(|due| *due <= now).is_some();
        if due {
            self.asked = Some(now);
        }
        due
    }
}

/// The figures of a report block (RFC 3550 appendix A).
#[derive(Default)]
struct Reception {
    first: Option<u32>,
    highest: u32,
    received: u32,
    expected_before: u32,
    received_before: u32,
    /// In units of the media clock, times 16 (RFC 3550 §A.8).
    jitter: u32,
    /// The last packet's arrival and media timestamp.
    previous: Option<(Instant, u32)>,
    last_sender_report: Option<(Instant, u32)>,
}

impl Reception {
    fn record(&mut self, sequence: u16) {
        self.received += 1;
        if self.first.is_none() {
            self.first = Some(sequence.into());
            self.highest = sequence.into();
            return;
        }
        let ahead = sequence_diff(sequence, self.highest as u16);
        if ahead > 0 {
            self.highest = self.highest.wrapping_add(ahead as u32);
        }
    }

    fn record_timing(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        if let Some((then, before)) = self.previous {
            let arrived = now.saturating_duration_since(then).as_micros() as i64;
            let arrived = arrived * i64::from(clock_rate) / 1_000_000;
            let sent = i64::from(timestamp.wrapping_sub(before) as i32);
            // A jump of the media clock is no jitter.
            let transit = (arrived - sent).abs().min(i64::from(clock_rate)) as u32;
            self.jitter = self.jitter + transit - ((self.jitter + 8) >> 4);
        }
        self.previous = Some((now, timestamp));
    }

    fn block(&mut self, now: Instant, ssrc: u32) -> ReportBlock {
        let first = self.first.unwrap_or_default();
        let expected = self.highest.wrapping_sub(first).wrapping_add(1);
        let expected_now = expected.wrapping_sub(self.expected_before);
        let received_now = self.received.wrapping_sub(self.received_before);
        self.expected_before = expected;
        self.received_before = self.received;
        let lost_now = u64::from(expected_now.saturating_sub(received_now));
        let lost = i64::from(expected) - i64::from(self.received);
        let (delay, sender_report) = match self.last_sender_report {
            Some((at, report)) => (now.saturating_duration_since(at), report),
            None => (Duration::ZERO, 0),
        };
        ReportBlock {
            ssrc,
            fraction_lost: (lost_now * 256)
                .checked_div(expected_now.into())
                .map_or(0, |share| share.min(255) as u8),
            total_lost: lost.clamp(-0x80_0000, 0x7F_FFFF) as i32,
            highest_sequence: self.highest,
            jitter: self.jitter >> 4,
            last_sender_report: sender_report,
            delay_since: report_delay(delay),
        }
    }
}

/// Maps a publisher's wall clock onto ours, once for all its streams, so that what was captured
/// together stays together.
#[derive(Clone, Copy, Debug, Default)]
pub struct WallClockMap {
    offset: Option<u64>,
}

impl WallClockMap {
    /// Our NTP time for a publisher's. The first report fixes the distance.
    pub fn ours(&mut self, now: Instant, clock: &Clock, theirs: u64) -> u64 {
        let offset = *self
            .offset
            .get_or_insert_with(|| clock.ntp(now).wrapping_sub(theirs));
        theirs.wrapping_add(offset)
    }
}

#[cfg(test)]
mod tests;

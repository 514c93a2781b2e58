//! The RTCP that is due: reports, feedback on arrivals, NACKs, keyframe requests. When the next is due is
//! known without a search: it is noted where something becomes due, and found anew where it was done.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use super::MediaStreams;
use super::deadlines::REPORT_INTERVAL;
use crate::media::ingest::stream::Ingest;
use crate::media::ingest::table::SILENCE;
use crate::media::rtp::rtcp::{self, MAX_BLOCKS};

/// How much earlier a report may leave.
const REPORT_SLACK: Duration = Duration::from_millis(100);

/// The longest compound sent, unless a single packet is longer: with SRTCP's trailer and the headers
/// of UDP and IPv6 it passes a path of the least MTU (RFC 8200 §5).
pub const MAX_COMPOUND: usize = 1200;

/// Streams named where what is said goes for all of them.
const MAX_NAMED: usize = 32;

/// Packets asked for again at one time, of all streams; what more are missing have their turn next.
pub const MAX_REQUESTS: usize = 512;

impl MediaStreams {
    /// Wants a keyframe of what arrives on a section.
    pub fn request_keyframe(&mut self, now: Instant, section: usize) {
        let bit = u32::try_from(section)
            .ok()
            .and_then(|at| 1_u128.checked_shl(at));
        self.due.keyframes |= bit.unwrap_or(0);
        self.due.by(Some(now));
    }

    /// When [`Self::write_due_rtcp`] next has something to write.
    pub fn poll_timeout(&self) -> Instant {
        let due = self.due.streams.into_iter();
        due.chain(self.arrivals.poll_timeout())
            .fold(self.due.next_report, Instant::min)
    }

    /// Whether [`Self::write_due_rtcp`] has something to write, or that may leave with what leaves now.
    pub fn has_due_feedback(&self, now: Instant) -> bool {
        self.arrivals.is_due(now) || self.poll_timeout() <= now
    }

    /// Appends the RTCP that is due: reports, feedback on arrivals, NACKs, keyframe requests.
    pub fn write_due_rtcp(&mut self, now: Instant, rtt: Duration, out: &mut Vec<u8>) {
        // Intervals may vary (RFC 3550 §6.2), and a report that goes with feedback goes for free.
        if now + REPORT_SLACK >= self.due.next_report {
            self.due.next_report = now + REPORT_INTERVAL;
            self.write_reports(now, out);
            self.write_max_upload(out);
        }
        let sender = self.reporting_ssrc();
        if let Some(body) = self.arrivals.feedback(now) {
            let media = self.ingests.iter().next().map_or(0, |ingest| ingest.ssrc);
            rtcp::write_transport_cc(out, sender, media, &body);
        }
        if self.due.streams.is_some_and(|due| due <= now) {
            self.write_requests(now, rtt, sender, out);
        }
    }

    /// Browsers obey it also where transport-wide feedback tells them of more.
    fn write_max_upload(&self, out: &mut Vec<u8>) {
        if let Some(max) = self.max_upload {
            let ssrcs = self.ingests.iter().map(|ingest| ingest.ssrc);
            let ssrcs: Vec<_> = ssrcs.take(MAX_NAMED).collect();
            rtcp::write_max_bitrate(out, self.reporting_ssrc(), max, &ssrcs);
        }
    }

    /// Appends what is asked of the streams received: packets again, and keyframes.
    fn write_requests(&mut self, now: Instant, rtt: Duration, sender: u32, out: &mut Vec<u8>) {
        let wanted = std::mem::take(&mut self.due.keyframes);
        self.due.streams = None;
        let mut asked = 0;
        for ingest in self.ingests.iter_mut() {
            if u32::try_from(ingest.section)
                .is_ok_and(|at| wanted.checked_shr(at).unwrap_or(0) & 1 == 1)
            {
                ingest.want_keyframe(now);
            }
            if asked < MAX_REQUESTS && ingest.poll_timeout().is_some_and(|due| due <= now) {
                self.lost.clear();
                ingest.requests(now, rtt, &mut self.lost);
                asked += self.lost.len();
                let nack = self.received.get(ingest.section).is_some_and(|s| s.nack);
                if !self.lost.is_empty() && nack {
                    rtcp::write_nack(out, sender, ingest.ssrc, &self.lost);
                }
                if ingest.take_keyframe_request(now) {
                    rtcp::write_pli(out, sender, ingest.ssrc);
                }
            }
            self.due.by(ingest.poll_timeout());
        }
    }

    fn write_reports(&mut self, now: Instant, out: &mut Vec<u8>) {
        let heard = (self.ingests.iter_mut()).filter(|ingest| now < ingest.heard() + SILENCE);
        let blocks: Vec<_> = heard
            .map(|ingest: &mut Ingest| ingest.report(now))
            .collect();
        let mut blocks = blocks.chunks(MAX_BLOCKS);
        let egresses = self.egresses.iter().flatten();
        let infos = egresses.filter_map(|egress| egress.sender_info(now, &self.clock));
        let mut described = None;
        for info in infos {
            rtcp::write_sender_report(out, &info, blocks.next().unwrap_or_default());
            described.get_or_insert(info.ssrc);
        }
        // What has no sender report to go with (RFC 3550 §6.1).
        for blocks in blocks {
            let reporter = *described.get_or_insert(self.reporter);
            rtcp::write_receiver_report(out, reporter, blocks);
        }
        if let Some(ssrc) = described {
            rtcp::write_cname(out, ssrc, &self.cname);
        }
    }

    /// Cuts what [`Self::write_due_rtcp`] wrote into compounds that fit a datagram each: many streams
    /// may have lost packets at once.
    pub fn compounds<'a>(&self, written: &'a [u8]) -> impl Iterator<Item = Cow<'a, [u8]>> {
        let mut head = Vec::new();
        if self.needs_compounds && !written.is_empty() {
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

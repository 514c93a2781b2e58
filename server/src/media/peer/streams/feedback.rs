//! What a compound of the other end's says and asks for. Whatever it asks, what is done for one datagram
//! has a bound: entries looked at, packets sent again, keyframes wished for.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::MediaStreams;
use crate::media::ingest::table::Role;
use crate::media::peer::PeerOutput;
use crate::media::rtp::packet::SourceClock;
use crate::media::rtp::rtcp::{self, Blocks, Lost, Packet, ReportBlock, Ssrcs};
use crate::media::rtp::transport_cc::Feedback;
use crate::media::sdp::MAX_SECTIONS;

/// Packets sent again for one datagram.
pub const MAX_RETRANSMISSIONS: usize = 64;

/// Entries looked at in one datagram: numbers asked for or told of, report blocks, SSRCs. A NACK of all the packets
/// of half a second has as many.
pub const MAX_ASKED: usize = 512;

/// One bit for each section.
type Wishes = u128;
const _: () = assert!(MAX_SECTIONS <= Wishes::BITS as usize);

/// What a compound packet asks of us.
#[derive(Default)]
pub struct Heard {
    /// How many packets are to be sent again.
    pub wanted: usize,
    /// What the other end reports of one of our streams.
    pub report: Option<ReportBlock>,
    /// The sections of which a keyframe is wished for.
    keyframes: Wishes,
    /// Entries looked at.
    asked: usize,
}

impl Heard {
    /// How many entries were looked at.
    #[cfg(test)]
    pub(super) fn looked_at(&self) -> usize {
        self.asked
    }

    /// Whether one more entry may be looked at.
    fn may_look(&mut self) -> bool {
        self.asked += 1;
        self.asked <= MAX_ASKED
    }
}

impl MediaStreams {
    /// Notes a compound packet, over a path with this round trip.
    pub fn receive_rtcp(
        &mut self,
        now: Instant,
        rtt: Option<Duration>,
        compound: &[u8],
        outputs: &mut VecDeque<PeerOutput>,
    ) -> Heard {
        let mut heard = Heard::default();
        for packet in rtcp::packets(compound) {
            if !heard.may_look() {
                break;
            }
            match packet {
                Packet::SenderReport {
                    ssrc,
                    ntp,
                    rtp,
                    blocks,
                } => {
                    self.hear_sender_report(now, ssrc, ntp, rtp);
                    self.hear_blocks(now, blocks, &mut heard);
                }
                Packet::ReceiverReport { blocks } => self.hear_blocks(now, blocks, &mut heard),
                Packet::Nack { ssrc, lost } => {
                    let wanted = self.wanted((now, rtt), ssrc, lost, &mut heard);
                    outputs.extend(wanted);
                }
                Packet::TransportCc { feedback } => self.hear_arrivals(now, feedback, &mut heard),
                // Of a path of whose packets more is known it says nothing new.
                Packet::MaxBitrate { bits_per_second } => {
                    self.hear_max_bitrate(now, bits_per_second);
                }
                Packet::KeyframeRequest { ssrcs } => self.hear_wishes(ssrcs, &mut heard),
                Packet::Goodbye { ssrcs } => {
                    ssrcs
                        .take_while(|_| heard.may_look())
                        .for_each(|ssrc| self.ingests.forget(ssrc));
                }
            }
        }
        if heard.report.is_some() {
            self.conclude_blocks(now);
        }
        let sections = (0..MAX_SECTIONS).filter(|section| heard.keyframes >> section & 1 == 1);
        if heard.keyframes != 0 {
            outputs.extend(sections.map(|section| PeerOutput::KeyframeWanted { section }));
        }
        heard
    }

    /// A stream's own clock is told with its packets; whether they go out is not known here.
    fn hear_sender_report(&mut self, now: Instant, ssrc: u32, ntp: u64, rtp: u32) {
        let Some(role @ Role::Media(_)) = self.ingests.role(ssrc) else {
            return;
        };
        if let Some(ingest) = self.ingests.get_mut(role) {
            let ours = self.wall_clock.ours(now, &self.clock, ntp);
            ingest.record_sender_report(now, ntp, SourceClock { ntp: ours, rtp });
        }
    }

    fn hear_blocks(&mut self, now: Instant, blocks: Blocks<'_>, heard: &mut Heard) {
        for block in blocks {
            if !heard.may_look() {
                break;
            }
            if let Some(section) = self.section_sent(block.ssrc) {
                self.hear_block(now, section, &block);
                heard.report = Some(block);
            }
        }
    }

    fn hear_arrivals(&mut self, now: Instant, feedback: Feedback<'_>, heard: &mut Heard) {
        if let Some(estimator) = self.estimator.get_mut() {
            let arrivals = feedback.arrivals().take_while(|_| heard.may_look());
            estimator.hear(now, feedback.base, arrivals);
        }
    }

    fn hear_wishes(&self, ssrcs: Ssrcs<'_>, heard: &mut Heard) {
        for ssrc in ssrcs {
            if !heard.may_look() {
                break;
            }
            if let Some(section) = self.section_sent(ssrc) {
                heard.keyframes |= 1 << section;
            }
        }
    }

    fn wanted(
        &mut self,
        (now, rtt): (Instant, Option<Duration>),
        ssrc: u32,
        lost: Lost<'_>,
        heard: &mut Heard,
    ) -> Option<PeerOutput> {
        let section = self.section_sent(ssrc)?;
        let egress = self.egresses.get_mut(section)?.as_mut()?;
        let mut packets = Vec::new();
        for sequence in lost {
            if heard.wanted == MAX_RETRANSMISSIONS || !heard.may_look() {
                break;
            }
            let wanted = egress.wanted(now, rtt, sequence);
            heard.wanted += usize::from(wanted.is_some());
            packets.extend(wanted);
        }
        (!packets.is_empty()).then_some(PeerOutput::Wanted { section, packets })
    }
}

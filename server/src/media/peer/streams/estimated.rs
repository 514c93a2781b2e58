//! What the other end itself makes of the path to it, where it says nothing of single packets of its pictures: what it
//! said, and the padding that shows whether there is more.

use std::time::Instant;

use super::MediaStreams;
use crate::congestion::{ReceiverEstimator, ReceiverPath};
use crate::media::egress::Egress;
use crate::media::rtp::rtcp::ReportBlock;
use crate::media::sdp::MediaKind;

impl MediaStreams {
    /// Whether the other end's estimates count: where all pictures are sent without transport-wide numbers.
    pub(super) fn agree_on_estimates(&mut self) {
        let egresses = self.egresses.iter().flatten();
        let mut pictures = egresses
            .filter(|egress| egress.kind() == MediaKind::Video)
            .peekable();
        let is_estimated =
            pictures.peek().is_some() && pictures.all(|egress| egress.is_estimated());
        self.estimated = is_estimated.then(|| self.estimated.take().unwrap_or_default());
    }

    /// The other end wants no more than this, in bits per second.
    pub(super) fn hear_max_bitrate(&mut self, now: Instant, bits_per_second: u64) {
        let bytes = self.bytes_sent();
        if let Some(estimated) = &mut self.estimated {
            estimated.begun(now, bytes).hear(now, bits_per_second);
        }
    }

    /// The other end reports of what is sent on a section.
    pub(super) fn hear_block(&mut self, now: Instant, section: usize, block: &ReportBlock) {
        let bytes = self.bytes_sent();
        if let Some(estimated) = &mut self.estimated {
            let (lost, highest) = (block.fraction_lost, block.highest_sequence);
            estimated.begun(now, bytes).report(section, lost, highest);
        }
    }

    /// Those were all blocks of a compound.
    pub(super) fn conclude_blocks(&mut self, now: Instant) {
        if self.estimated.is_some() {
            let bytes = self.bytes_sent();
            let estimator = self.estimated.as_mut().and_then(ReceiverPath::get_mut);
            estimator.into_iter().for_each(|it| it.conclude(now, bytes));
        }
    }

    fn bytes_sent(&self) -> u64 {
        let egresses = self.egresses.iter().flatten();
        egresses.map(|egress| egress.bytes_sent()).sum()
    }

    /// Lets time pass for an estimator that the other end feeds. What is sent may be filled up where `may_fill`.
    /// Returns it with what fills up.
    pub fn filling(
        &mut self,
        now: Instant,
        may_fill: bool,
    ) -> Option<(&mut ReceiverEstimator, &mut Egress)> {
        self.estimated.as_ref()?.get()?;
        let bytes = self.bytes_sent();
        let mut egresses = self.egresses.iter_mut().flatten();
        let egress = egresses.find(|egress| may_fill && egress.has_padding());
        let estimator = self.estimated.as_mut()?.get_mut()?;
        estimator.handle_timeout(now, bytes, egress.is_some());
        Some((estimator, egress?))
    }

    /// When that is to be asked for again, while what is sent is filled up.
    pub fn next_filling(&self) -> Option<Instant> {
        self.estimated.as_ref()?.get()?.poll_timeout()
    }
}

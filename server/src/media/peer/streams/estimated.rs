//! What the other end itself makes of the path to it, where it says nothing of single packets of its pictures: what it
//! said, and the padding that shows whether there is more.

use std::time::Instant;

use super::MediaStreams;
use crate::congestion::ReceiverPath;
use crate::congestion::trace::Trace;
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
        if is_estimated {
            self.estimated.get_or_insert_default();
        } else if let Some(mut estimated) = self.estimated.take() {
            estimated.forget(self.estimator.traced());
        }
    }

    /// The other end wants no more than this, in bits per second.
    pub(super) fn hear_max_bitrate(&mut self, now: Instant, bits_per_second: u64) {
        if self.estimated.is_none() {
            return;
        }
        let bytes = self.bytes_sent();
        if let Some(estimated) = &mut self.estimated {
            estimated.hear(now, bytes, bits_per_second, self.estimator.traced());
        }
    }

    /// The other end reports of what is sent on a section.
    pub(super) fn hear_block(&mut self, now: Instant, section: usize, block: &ReportBlock) {
        if self.estimated.is_none() {
            return;
        }
        let bytes = self.bytes_sent();
        if let Some(estimated) = &mut self.estimated {
            let block = (section, block.fraction_lost, block.highest_sequence);
            estimated.report(now, bytes, block, self.estimator.traced());
        }
    }

    /// Those were all blocks of a compound.
    pub(super) fn conclude_blocks(&mut self, now: Instant) {
        if self.estimated.is_none() {
            return;
        }
        let bytes = self.bytes_sent();
        if let Some(estimated) = &mut self.estimated {
            estimated.conclude(now, bytes, self.estimator.traced());
        }
    }

    fn bytes_sent(&self) -> u64 {
        let egresses = self.egresses.iter().flatten();
        egresses.map(|egress| egress.bytes_sent()).sum()
    }

    /// Lets time pass for an estimator that the other end feeds. What is sent may be filled up where `may_fill`.
    /// Returns it with what fills up, and with what is written of it.
    pub fn filling(
        &mut self,
        now: Instant,
        may_fill: bool,
    ) -> Option<(&mut ReceiverPath, &mut Egress, Option<&mut Trace>)> {
        self.estimated.as_ref()?.get()?;
        let bytes = self.bytes_sent();
        let mut egresses = self.egresses.iter_mut().flatten();
        let egress = egresses.find(|egress| may_fill && egress.has_padding());
        let (estimated, mut trace) = (self.estimated.as_mut()?, self.estimator.traced());
        estimated.handle_timeout(now, bytes, egress.is_some(), trace.as_deref_mut());
        Some((estimated, egress?, trace))
    }

    /// When that is to be asked for again, while what is sent is filled up.
    pub fn next_filling(&self) -> Option<Instant> {
        self.estimated.as_ref()?.get()?.poll_timeout()
    }
}

//! What a participant says of what it received, and asks for: its reports, and what it watches.

use std::time::Instant;

use anyhow::Result;
use ferrite_protocol::{ClientMessage, MediaKind, ParticipantId, Priority, PublicationId, Watch};

use super::super::offer::CAMERA;
use super::super::rtcp::{self, Block};
use super::super::wire::wall_clock;
use super::{Common, Guest, Received};

impl Guest {
    /// Writes what a receiver reports and asks for, and what a sender says of itself.
    pub(in super::super) fn report(&mut self, now: Instant, common: &mut Common) -> Result<()> {
        let Some(keys) = &mut self.keys else {
            return Ok(());
        };
        let sender = self.sources.first().map_or(1, |source| source.ssrc);
        let (mut compound, mut blocks, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        for (ssrc, stream) in &mut self.streams {
            let Received::Media { sink, .. } = stream else {
                continue;
            };
            if std::mem::take(&mut sink.received) > 0 {
                blocks.push(Block {
                    ssrc: *ssrc,
                    highest: sink.highest(),
                    jitter: sink.jitter(),
                });
            }
            if sink.wants_keyframe() {
                rtcp::picture_loss(&mut wanted, sender, *ssrc);
            }
            let missing = sink.missing();
            if self.lanes.is_some() && !missing.is_empty() {
                rtcp::nack(&mut wanted, sender, *ssrc, &missing);
            }
        }
        self.reports += 1;
        let media = blocks.first().map_or(0, |block| block.ssrc);
        // Once a second in each direction, and the rest in between.
        if self.reports % 10 == 1 {
            for source in self.sources.iter().filter(|source| source.count > 0) {
                let timestamp = source.timestamp(now);
                let (clock, count) = (wall_clock(), source.count);
                rtcp::sender_report(&mut compound, source.ssrc, clock, timestamp, count);
            }
            rtcp::receiver_report(&mut compound, sender, &blocks);
        }
        self.arrivals.write(&mut compound, sender, media);
        compound.extend_from_slice(&wanted);
        if !compound.is_empty() {
            let sealed = keys.seal_rtcp(&compound)?;
            common.out.push((self.number, sealed));
        }
        Ok(())
    }

    /// Watches these publishers' cameras from now on, shown so wide, where that matters.
    pub(in super::super) fn watch(
        &mut self,
        publishers: &[ParticipantId],
        width: Option<u16>,
    ) -> Result<()> {
        let sections = self.part.sections().into_iter().enumerate();
        let slots = sections
            .filter(|(_, section)| !section.publishes && section.kind == MediaKind::Video)
            .map(|(at, _)| at);
        let wishes: Vec<_> = slots
            .zip(publishers)
            .map(|(at, publisher)| (at, PublicationId(format!("{}/{CAMERA}", publisher.0))))
            .collect();
        let now = wall_clock();
        for (_, stream) in &mut self.streams {
            let Received::Media { section, sink } = stream else {
                continue;
            };
            let wish = wishes.iter().find(|(at, _)| at == section);
            match wish {
                Some((at, wish)) if self.shown.get(at) != Some(wish) => sink.switch(now),
                Some(_) => {}
                // Nothing is expected of what it showed.
                None => sink.idle(),
            }
        }
        let slots = wishes.into_iter().map(|(at, publication)| {
            let watch = Watch {
                publication,
                width,
                height: None,
                paused: false,
                priority: Priority::default(),
            };
            (at.to_string(), Some(watch))
        });
        let slots = slots.collect();
        self.say(&ClientMessage::Watch { id: None, slots })
    }
}

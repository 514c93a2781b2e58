//! A peer's sound and pictures: RTP and RTCP through SRTP, both ways. Which packets they are is said
//! by `streams`; over which path they go, by the peer.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_protocol::Pressure;

use super::allocation::Room;
use super::held::{Turn, queue};
use super::pressure::Relief;
use super::quality::Sent;
use super::writing::{MAX_GROWTH, ROOM_FOR_A_CHECK, Stamp, admits_media, send_rtp, stamp, time};
use super::{Peer, PeerOutput};
use crate::congestion::{Estimator, MAX_DELAY, MAX_RATE, Sink};
use crate::media::forward::rates::LayerRates;
use crate::media::net::path::FourTuple;
use crate::media::plan::Shown;
use crate::media::rtp::clock::ntp_middle;
use crate::media::rtp::packet::MediaPacket;
use crate::media::sdp::{Agreed, MediaKind, Section};
use crate::prefetch::prefetch;

/// A packet and more of ours: what a path must have room for before pictures go on.
const MAX_PACKET: usize = 1500;

/// Packets that fill a probe, at one time.
const MAX_PADDING: usize = 64;

/// The longest round trip believed, in 65536ths of a second: 8 s.
const MAX_RTT_TICKS: u32 = 8 << 16;

impl Peer {
    pub(super) fn handle_srtp(&mut self, now: Instant, path: FourTuple, datagram: &[u8]) {
        let Some(srtp) = &mut self.srtp else {
            return;
        };
        if let Some(media) = self.streams.receive_rtp(now, datagram, srtp) {
            self.outputs.push_back(PeerOutput::Media(media));
            let before = self.ice.selected();
            if self.ice.note_media(now, path, datagram.len()) {
                self.follow_path(now, before);
            }
        }
    }

    pub(super) fn handle_srtcp(&mut self, now: Instant, path: FourTuple, datagram: &[u8]) {
        let Some(srtp) = &mut self.srtp else {
            return;
        };
        let Ok(compound) = srtp.unprotect_rtcp(datagram) else {
            return;
        };
        self.ice.note_traffic(now, path, datagram.len());
        let rtt = self.round_trip();
        let heard = (self.streams).receive_rtcp(now, rtt, &compound, &mut self.outputs);
        if let Some(block) = heard.report {
            self.measure_rtt(now, block.last_sender_report, block.delay_since);
        }
        self.probe(now);
    }

    /// Lets the estimator begin probes, and fills them.
    pub(super) fn probe(&mut self, now: Instant) {
        let Some(path) = self.ice.selected() else {
            return;
        };
        // What waits for a slow reader says nothing of the path.
        let may_probe = !self.congested && self.ice.is_open(&path);
        self.fill_up(now, &path, may_probe);
        if let Some((egress, estimator)) = self.streams.probing() {
            estimator.handle_timeout(now, may_probe && egress.is_some());
        }
        self.pace();
        self.send_waiting(now, false);
        if may_probe {
            self.fill_probe(now, &path);
        }
    }

    /// Fills what is left of a probe.
    fn fill_probe(&mut self, now: Instant, path: &FourTuple) {
        let (Some((Some(egress), estimator)), Some(srtp)) =
            (self.streams.probing(), &mut self.srtp)
        else {
            return;
        };
        let mut left = MAX_PADDING;
        while left > 0
            && estimator.padding(now).is_some()
            && let Some(outgoing) = egress.padding()
        {
            self.pacer.sent(now, outgoing.size());
            let (ice, outbox) = (&mut self.ice, &mut self.outbox);
            let stamp = Stamp::Number(estimator);
            send_rtp(now, path, &outgoing, srtp, ice, outbox, stamp);
            left -= 1;
        }
    }

    /// Fills up what is sent to an end that estimates by itself what its path carries.
    fn fill_up(&mut self, now: Instant, path: &FourTuple, may_fill: bool) {
        let (Some((estimated, egress, mut trace)), Some(srtp)) =
            (self.streams.filling(now, may_fill), &mut self.srtp)
        else {
            return;
        };
        let (mut left, size) = (MAX_PADDING, egress.padding_size());
        // What is not sent takes no number.
        while left > 0
            && estimated.takes_padding(size, trace.as_deref_mut())
            && let Some(outgoing) = egress.padding()
        {
            let (ice, outbox) = (&mut self.ice, &mut self.outbox);
            let stamp = time(now, &outgoing, self.clock);
            send_rtp(now, path, &outgoing, srtp, ice, outbox, stamp);
            left -= 1;
        }
    }

    /// RFC 3550 §6.4.1.
    pub(super) fn measure_rtt(&mut self, now: Instant, last_sender_report: u32, delay: u32) {
        if last_sender_report == 0 {
            return;
        }
        let ticks = ntp_middle(self.clock.ntp(now))
            .wrapping_sub(last_sender_report)
            .wrapping_sub(delay);
        // More than this, or less than nothing, is a clock or a peer that lies.
        if ticks < MAX_RTT_TICKS {
            let rtt = Duration::from_micros(u64::from(ticks) * 1_000_000 / 65_536);
            self.rtt = Some(rtt);
        }
    }

    /// How long it takes there and back, at least: as the last report of what was sent says, which may be of a queue that
    /// is gone, or as feedback does.
    fn round_trip(&self) -> Option<Duration> {
        let told = self.streams.estimator().and_then(Estimator::round_trip);
        self.rtt.into_iter().chain(told).min()
    }

    /// Has memory fetched that [`Self::send_media`] will need: a part with each step.
    pub fn prefetch(&self, section: usize, step: usize) {
        match step {
            0 => {
                self.ice.prefetch();
                prefetch(&self.srtp);
                prefetch(&self.outbox);
                prefetch(&self.outputs);
                prefetch(&self.congested);
                prefetch(&self.rtt);
                prefetch(&self.pacer);
                self.streams.prefetch();
            }
            1 => {
                self.streams.prefetch_section(section);
                if let Some(srtp) = &self.srtp {
                    srtp.prefetch();
                }
                self.streams.estimator().inspect(|it| it.prefetch());
            }
            2 => {
                if let Some(egress) = self.streams.sent_on(section) {
                    prefetch(egress);
                }
                if let Some(srtp) = &self.srtp {
                    srtp.prefetch_keys();
                }
            }
            _ => {
                if let Some(egress) = self.streams.sent_on(section) {
                    egress.prefetch();
                }
                self.streams.estimator().inspect(|it| it.prefetch_next());
            }
        }
    }

    /// Sends packets of another's on a section, rewritten. Returns for how long they may be asked for
    /// again.
    pub fn send_media(&mut self, now: Instant, section: usize, batch: &[MediaPacket]) -> Duration {
        let path = self.ice.selected();
        let is_open = path.is_some_and(|path| self.ice.is_open(&path));
        // Where nothing can be sent nothing is kept to be sent again.
        let has_keys = self.srtp.is_some();
        let paces = self.pacer.is_active() && self.make_way(now, section, is_open && has_keys);
        let Some((egress, estimator)) = self.streams.sending(section) else {
            return Duration::ZERO;
        };
        let mut congested = self.congested || !has_keys;
        for media in batch {
            let starved = !is_open && {
                let bytes = media.packet.len() + MAX_GROWTH + ROOM_FOR_A_CHECK;
                !path.is_some_and(|path| self.ice.has_room(&path, bytes))
            };
            self.starved |= starved;
            congested = self.congested || starved || !has_keys;
            let Some(outgoing) = egress.forward(now, media, congested) else {
                continue;
            };
            if paces
                && let Turn::Later(octets) = queue(&mut self.pacer, now, section, &outgoing, media)
            {
                egress.put_off(octets);
                continue;
            }
            if let (Some(srtp), Some(path)) = (&mut self.srtp, &path) {
                let (ice, outbox) = (&mut self.ice, &mut self.outbox);
                let stamp = stamp(now, &outgoing, estimator, self.clock);
                send_rtp(now, path, &outgoing, srtp, ice, outbox, stamp);
            }
        }
        let rtt = self.rtt.or_else(|| estimator.round_trip());
        if has_keys && egress.take_keyframe_wish() {
            (self.outputs).push_back(PeerOutput::KeyframeWanted { section });
        }
        let span = match congested {
            true => Duration::ZERO,
            false => {
                let span = egress.keeps_for(now, rtt);
                egress.keep_sent_for(if paces { span + MAX_DELAY } else { span });
                span
            }
        };
        if let Some(with) = egress.take_beginning() {
            self.outputs.push_back(PeerOutput::Began { section, with });
        }
        match paces {
            true => self.keep_waiting(now, span),
            false => span,
        }
    }

    /// Sends what overtook the keyframe that a section began with. What went out after that is not sent twice: a path
    /// that has no room left for it would be taken for one that it was lost on.
    pub fn send_overtaken(&mut self, now: Instant, section: usize, mut batch: Vec<MediaPacket>) {
        if let Some(egress) = self.streams.egress(section) {
            batch.retain(|media| egress.misses(media));
            self.send_media(now, section, &batch);
        }
    }

    /// Whether the path in use, if there is one, takes one more packet of media, however long.
    pub(super) fn has_room_for_a_packet(&self) -> bool {
        let path = self.ice.selected();
        path.is_some_and(|path| self.ice.has_room(&path, MAX_PACKET + ROOM_FOR_A_CHECK))
    }

    /// Shows another track on a section, from its next keyframe on; or none. A layer that does not fit
    /// is not shown.
    pub fn select(&mut self, section: usize, shown: Option<Shown>) {
        let trace = self.streams.traced();
        self.fitting.wish(section, shown, trace);
        self.select_fitted(section);
    }

    fn select_fitted(&mut self, section: usize) {
        let fitted = self.fitting.fitted(section);
        self.streams.select(section, fitted);
        self.take_back(section);
        self.pass_wish_on(section);
    }

    /// Wishes for a keyframe where one was missed. Not before there are keys: one that came then would be lost, and
    /// nobody is asked for the next one at once.
    fn pass_wish_on(&mut self, section: usize) {
        if self.srtp.is_some()
            && let Some(egress) = self.streams.egress(section)
            && egress.take_keyframe_wish()
        {
            (self.outputs).push_back(PeerOutput::KeyframeWanted { section });
        }
    }

    /// Wishes for those that were missed before there were keys.
    pub(super) fn pass_wishes_on(&mut self) {
        (0..self.fitting.sections()).for_each(|section| self.pass_wish_on(section));
    }

    /// Lets what is shown fit the path, as far as that is known. `rates` are those of what is to be shown
    /// on a section.
    pub fn fit<'r>(&mut self, now: Instant, rates: impl Fn(usize) -> Option<&'r LayerRates>) {
        if !self.fitting.is_due(now) {
            return;
        }
        let step = self.relief.step(now);
        let Some(room) = self.room(step > 0) else {
            return self.unfit();
        };
        let is_limited = self.max_download.is_some() || step > 0;
        let has_other_limits = self.fitting.relieve(step, &rates);
        let streams = &self.streams;
        let kind = |section| {
            let kind = streams.sends(section);
            let is_known = is_limited || streams.is_known_of(section);
            kind.filter(|kind| *kind == MediaKind::Audio || is_known)
        };
        let asked = self.fitting.asked(room, kind, rates);
        let wanted = asked.wanted.min(self.max_download.unwrap_or(u64::MAX));
        let has_changed = (self.fitting).fit(now, asked, self.streams.traced());
        let has_changed = has_changed || has_other_limits;
        let is_paused = self.fitting.paused().next().is_some();
        self.streams.want(wanted, is_paused);
        if has_changed {
            (0..self.fitting.sections()).for_each(|section| self.select_fitted(section));
        }
    }

    /// Nothing is known of the path any more: everything goes out as it is wished for.
    fn unfit(&mut self) {
        if self.fitting.is_decided() {
            self.fitting.forget(self.streams.traced());
            (0..self.fitting.sections()).for_each(|section| self.select_fitted(section));
        }
    }

    /// What there is for everything that it is sent: what its path carries, as far as that is known, and no more than
    /// it may have.
    fn room(&self, is_relieved: bool) -> Option<Room> {
        let estimate = self.estimate();
        let carried = estimate.map(|it| Room {
            bits_per_second: it.bits_per_second,
            is_strained: it.is_strained(),
        });
        // What its end keeps up with is to be decided also where nothing is known of the path.
        let any = is_relieved.then_some(Room {
            bits_per_second: MAX_RATE as u64,
            is_strained: false,
        });
        let carried = carried.or(any);
        let Some(max) = self.max_download else {
            return carried;
        };
        let carries_less = |room: &Room| room.bits_per_second <= max;
        carried.filter(carries_less).or(Some(Room {
            bits_per_second: max,
            is_strained: true,
        }))
    }

    /// How much it may send and be sent, in bits per second, whatever its path carries. It is told what it may send.
    pub fn limit(&mut self, upload: Option<u64>, download: Option<u64>) {
        self.streams.limit_upload(upload);
        self.max_download = download;
    }

    /// Its end says whether it keeps up with what is shown.
    pub fn press(&mut self, pressure: Pressure) {
        self.relief.press(pressure);
    }

    /// Nothing is taken off any more: what its end could not keep up with is not shown to it from now on.
    pub fn forget_pressure(&mut self) {
        self.relief = Relief::default();
    }

    /// Has a trace written of what is known of its path and decided for it, from the first thing on that is.
    pub fn trace(&mut self, sink: Box<dyn Sink>) {
        self.streams.trace(sink);
    }

    /// The sections that nothing is sent on for want of room.
    pub fn paused(&self) -> impl Iterator<Item = usize> {
        self.fitting.paused()
    }

    /// How the pictures on a section are sent, where some are wished for; `rates` are those of what is.
    pub fn sent(&self, now: Instant, section: usize, rates: Option<&LayerRates>) -> Option<Sent> {
        let (shown, fitting) = self.fitting.wished(section)?;
        let egress = self.streams.sent_on(section)?;
        let is_picture = egress.kind() == MediaKind::Video && !shown.from_the_start;
        is_picture.then(|| Sent {
            wished: rates.map_or(shown.best_layer, |rates| rates.best(&shown)),
            allowed: self.fitting.allowed(section),
            fitting,
            arriving: rates.and_then(|rates| Some(rates.layers().next()?.0)),
            layer: egress.layer(now),
            temporal: egress.temporal(now),
        })
    }

    /// How many layers of pictures come on a section, if any may.
    pub fn layers_received(&self, section: usize) -> Option<usize> {
        match self.agreed()?.sections.get(section)? {
            Section::Media(media) if media.kind == MediaKind::Video && media.direction.recv => {
                Some(media.rids.len().max(media.layer_ssrcs.len()).max(1))
            }
            Section::Media(_) | Section::Data(_) | Section::Rejected { .. } => None,
        }
    }

    /// The sections that something is wished for on, and more.
    pub fn sections_shown(&self) -> usize {
        self.fitting.sections()
    }

    /// What comes next on a section may not follow what came before.
    pub fn rejoin(&mut self, section: usize) {
        self.streams.rejoin(section);
    }

    /// What was agreed on, once something was.
    pub fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_deref()
    }

    /// Asks the other end for a keyframe of what it sends on a section: with the feedback that is sent
    /// next.
    pub fn request_keyframe(&mut self, now: Instant, section: usize) {
        self.streams.request_keyframe(now, section);
    }

    /// Sends RTCP over a path, if it may be sent to: it is of no use later, and leaves room for a check.
    fn transmit_rtcp(&mut self, path: FourTuple, data: BytesMut) {
        if admits_media(&mut self.ice, &path, data.len()) {
            self.outbox.push(&path, data);
        }
    }

    /// Adds the feedback that is due, or may go with what is sent after a batch of packets: it is short,
    /// so it leaves behind them in the same system call, and no timer has to wake anybody for it. Once
    /// for each batch, whatever its packets asked for.
    pub fn send_feedback(&mut self, now: Instant) {
        if self.streams.has_due_feedback(now) {
            self.send_due_rtcp(now);
        }
    }

    pub(super) fn send_due_rtcp(&mut self, now: Instant) {
        let rtt = self.round_trip().unwrap_or(Duration::from_millis(100));
        let (Some(srtp), Some(path)) = (&mut self.srtp, self.ice.selected()) else {
            return;
        };
        self.scratch.clear();
        self.streams.write_due_rtcp(now, rtt, &mut self.scratch);
        let sealed = (self.streams.compounds(&self.scratch))
            .filter_map(|compound| srtp.protect_rtcp(&compound).ok());
        for data in sealed.collect::<Vec<_>>() {
            self.transmit_rtcp(path, data);
        }
    }

    /// Video that was left out goes on with a keyframe.
    pub(super) fn want_keyframes(&mut self) {
        if self.srtp.is_none() {
            return;
        }
        let sections = self.streams.awaiting_keyframe();
        let wanted = sections.map(|section| PeerOutput::KeyframeWanted { section });
        self.outputs.extend(wanted);
    }

    /// The other end moved. What was sent over the path it left is lost, and too much of it to be
    /// sent again: video goes on sooner with a keyframe.
    pub(super) fn resume_video(&mut self, now: Instant) {
        self.streams.change_path(now);
        self.rtt = None;
        self.unfit();
        self.pace();
        self.send_waiting(now, true);
    }

    pub(super) fn send_goodbyes(&mut self) {
        let (Some(srtp), Some(path)) = (&mut self.srtp, self.ice.selected()) else {
            return;
        };
        self.scratch.clear();
        self.streams.write_goodbyes(&mut self.scratch);
        if !self.scratch.is_empty()
            && let Ok(data) = srtp.protect_rtcp(&self.scratch)
        {
            self.transmit_rtcp(path, data);
        }
    }
}

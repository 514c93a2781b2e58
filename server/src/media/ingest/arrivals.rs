//! Transport-wide congestion control, the receiver's side: notes when each packet arrived and tells
//! the sender (draft-holmer-rmcat-transport-wide-cc-extensions-01). Browsers estimate their
//! bandwidth from it; without it they stay at their starting bitrate.

use std::time::{Duration, Instant};

use crate::media::ingest::loss::is_hole;
use crate::media::rtp::header::sequence_diff;
use crate::media::rtp::transport_cc::{DELTA_TICK_US, REFERENCE_TICK_US};
use crate::media::rtp::work;
use crate::prefetch::prefetch;

/// How often feedback is sent while packets arrive: with the next ones after this time, so that it
/// leaves in one system call with their echo.
pub const FEEDBACK_INTERVAL: Duration = Duration::from_millis(100);

/// After this time feedback is sent by itself. libwebrtc's receiver, too, stays between 50 and 250 ms.
pub const MAX_FEEDBACK_INTERVAL: Duration = Duration::from_millis(250);

/// Packets reported at once. More between two reports means feedback goes out early.
pub const MAX_PACKETS: usize = 512;

/// Sequence numbers that one feedback packet speaks of. What is farther ahead is no stream that goes on,
/// and telling of each number between would be work.
const MAX_SPAN: u16 = 1 << 12;

/// Collects arrivals of one peer, over all its streams.
pub struct ArrivalRecorder {
    epoch: Instant,
    /// Sequence numbers and arrival times in us since `epoch`, in order of arrival.
    arrivals: Vec<(u16, i64)>,
    /// The last packet that came, and when.
    last: Option<(u16, Instant)>,
    /// The first sequence number not reported yet.
    next_base: Option<u16>,
    feedback_count: u8,
    last_feedback: Instant,
}

impl ArrivalRecorder {
    /// A recorder whose clock starts now.
    pub fn new(now: Instant) -> Self {
        Self {
            epoch: now,
            arrivals: Vec::new(),
            last: None,
            next_base: None,
            feedback_count: 0,
            last_feedback: now,
        }
    }

    /// Notes a packet's arrival.
    pub fn record(&mut self, now: Instant, sequence: u16) {
        if let Some((last, at)) = self.last.replace((sequence, now)) {
            let missing = sequence_diff(sequence, last).max(1) - 1;
            if is_hole(now.saturating_duration_since(at), missing as usize) {
                self.change_path();
            }
        }
        if self.arrivals.len() < MAX_PACKETS {
            let at = now.saturating_duration_since(self.epoch).as_micros() as i64;
            self.arrivals.push((sequence, at));
        }
    }

    /// The packets come over another path from now on, or the path was broken. What did not come then
    /// says nothing of the path now, and libwebrtc sends again at once what is reported as lost: all the
    /// packets of a second, before anything new.
    pub fn change_path(&mut self) {
        self.arrivals.clear();
        self.next_base = None;
    }

    /// When feedback is due at the latest, if any packet waits for it.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.arrivals.is_empty()).then_some(match self.arrivals.len() {
            MAX_PACKETS => self.last_feedback,
            _ => self.last_feedback + MAX_FEEDBACK_INTERVAL,
        })
    }

    /// Has memory fetched that tells when the next feedback is due.
    pub fn prefetch(&self) {
        prefetch(&self.arrivals);
        prefetch(&self.last_feedback);
    }

    /// Whether feedback may leave with what leaves now.
    pub fn is_due(&self, now: Instant) -> bool {
        let due = self.last_feedback + FEEDBACK_INTERVAL;
        !self.arrivals.is_empty() && (now >= due || self.arrivals.len() == MAX_PACKETS)
    }

    /// The body of a feedback packet on all that arrived since the last one, if one is due.
    pub fn feedback(&mut self, now: Instant) -> Option<Vec<u8>> {
        if !self.is_due(now) {
            return None;
        }
        self.last_feedback = now;
        let first = self.arrivals[0].0;
        // Sorted by sequence number relative to the first arrival, so wraps do not matter.
        self.arrivals
            .sort_by_key(|&(sequence, _)| sequence_diff(sequence, first));
        self.arrivals.dedup_by_key(|&mut (sequence, _)| sequence);
        let lowest = self.arrivals[0].0;
        let base = match self.next_base {
            // Packets between the last report and this one are lost, unless they are very many.
            Some(next) if (0..MAX_PACKETS as i16).contains(&sequence_diff(lowest, next)) => next,
            _ => lowest,
        };
        let (body, next_base) = encode(&self.arrivals, base, self.feedback_count);
        self.next_base = Some(next_base);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.arrivals.clear();
        Some(body)
    }
}

/// A packet's status: two bits of a status vector chunk (§3.1.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Lost = 0,
    SmallDelta = 1,
    LargeDelta = 2,
}

/// Encodes base, count, reference time, feedback count, status chunks and deltas. Returns also the
/// sequence number after the last one reported.
fn encode(arrivals: &[(u16, i64)], base: u16, feedback_count: u8) -> (Vec<u8>, u16) {
    let reference = arrivals
        .first()
        .map_or(0, |&(_, at)| at / REFERENCE_TICK_US);
    let mut previous = reference * (REFERENCE_TICK_US / DELTA_TICK_US);
    let (mut statuses, mut deltas) = (Vec::with_capacity(arrivals.len() + 16), Vec::new());
    for &(sequence, at) in arrivals {
        let gap = sequence.wrapping_sub(base);
        if gap >= MAX_SPAN {
            continue;
        }
        work::count(usize::from(gap).saturating_sub(statuses.len()) + 1);
        statuses.resize(usize::from(gap).max(statuses.len()), Status::Lost);
        let ticks = at / DELTA_TICK_US;
        match (
            u8::try_from(ticks - previous),
            i16::try_from(ticks - previous),
        ) {
            (Ok(small), _) => {
                statuses.push(Status::SmallDelta);
                deltas.push(small);
            }
            (_, Ok(large)) => {
                statuses.push(Status::LargeDelta);
                deltas.extend_from_slice(&large.to_be_bytes());
            }
            // Over eight seconds apart: cannot be said, so it counts as lost.
            _ => {
                statuses.push(Status::Lost);
                continue;
            }
        }
        previous = ticks;
    }
    let mut body = Vec::with_capacity(8 + statuses.len() / 3 + deltas.len());
    body.extend_from_slice(&base.to_be_bytes());
    body.extend_from_slice(&(statuses.len() as u16).to_be_bytes());
    body.extend_from_slice(&(reference as u32).to_be_bytes()[1..]);
    body.push(feedback_count);
    write_chunks(&mut body, &statuses);
    body.extend_from_slice(&deltas);
    (body, base.wrapping_add(statuses.len() as u16))
}

/// Runs of a status become run length chunks, the rest vectors of seven two-bit symbols.
fn write_chunks(body: &mut Vec<u8>, mut statuses: &[Status]) {
    while let Some(&first) = statuses.first() {
        let run = statuses
            .iter()
            .take_while(|&&s| s == first)
            .count()
            .min(0x1FFF);
        let (chunk, taken) = if run > 7 {
            ((first as u16) << 13 | run as u16, run)
        } else {
            let symbols = statuses.iter().take(7).enumerate();
            let vector = symbols.fold(0xC000, |chunk, (at, &s)| {
                chunk | (s as u16) << (12 - 2 * at)
            });
            (vector, statuses.len().min(7))
        };
        body.extend_from_slice(&chunk.to_be_bytes());
        statuses = &statuses[taken..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::rtp::rtcp::write_transport_cc;
    use rtc::rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, TransportLayerCc};
    use rtc::shared::marshal::Unmarshal;

    /// The library's parser reads what we wrote; `None` is lost, else the arrival in ms.
    fn decode(body: &[u8]) -> (u16, Vec<Option<i64>>) {
        let mut packet = Vec::new();
        write_transport_cc(&mut packet, 1, 2, body);
        let parsed = TransportLayerCc::unmarshal(&mut &packet[..]).unwrap();
        let mut statuses = Vec::new();
        for chunk in &parsed.packet_chunks {
            match chunk {
                PacketStatusChunk::RunLengthChunk(chunk) => {
                    let symbol = chunk.packet_status_symbol as u16;
                    statuses.extend((0..chunk.run_length).map(|_| symbol));
                }
                PacketStatusChunk::StatusVectorChunk(chunk) => {
                    statuses.extend(chunk.symbol_list.iter().map(|s| *s as u16));
                }
            }
        }
        statuses.truncate(parsed.packet_status_count.into());
        let mut at = i64::from(parsed.reference_time) * REFERENCE_TICK_US;
        let mut deltas = parsed.recv_deltas.iter();
        let arrivals = statuses.iter().map(|&status| {
            (status != 0).then(|| {
                at += deltas.next().unwrap().delta;
                at / 1000
            })
        });
        (parsed.base_sequence_number, arrivals.collect())
    }

    #[test]
    fn reports_arrivals_losses_reordering_and_wraps() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut recorder = ArrivalRecorder::new(start);
        for (ms, sequence) in [
            (100, 65534),
            (101, 65535),
            (105, 1),
            (103, 0),
            (300, 3),
            (301, 3),
        ] {
            recorder.record(at(ms), sequence);
        }
        let (base, arrivals) = decode(&recorder.feedback(at(400)).unwrap());
        let expected = [Some(100), Some(101), Some(103), Some(105), None, Some(300)];
        assert_eq!((base, &arrivals[..]), (65534, &expected[..]));
        assert!(
            recorder.feedback(at(1000)).is_none(),
            "nothing new to report"
        );
        recorder.record(at(500), 6);
        let (base, arrivals) = decode(&recorder.feedback(at(501)).unwrap());
        assert_eq!((base, &arrivals[..]), (4, &[None, None, Some(500)][..]));
    }

    #[test]
    fn another_path_did_not_lose_what_the_old_one_lost() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut recorder = ArrivalRecorder::new(start);
        recorder.record(at(100), 1);
        recorder.feedback(at(100)).unwrap();
        recorder.record(at(110), 3);
        recorder.change_path();
        recorder.record(at(400), 9);
        let (base, arrivals) = decode(&recorder.feedback(at(400)).unwrap());
        assert_eq!((base, &arrivals[..]), (9, &[Some(400)][..]));
    }

    #[test]
    fn what_a_broken_path_swallowed_is_not_reported_as_lost() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut recorder = ArrivalRecorder::new(start);
        recorder.record(at(100), 65530);
        recorder.feedback(at(100)).unwrap();
        recorder.record(at(700), 100);
        recorder.record(at(710), 102);
        let (base, arrivals) = decode(&recorder.feedback(at(710)).unwrap());
        let expected = [Some(700), None, Some(710)];
        assert_eq!((base, &arrivals[..]), (100, &expected[..]));
    }

    #[test]
    fn what_a_slow_stream_lost_is_reported() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut recorder = ArrivalRecorder::new(start);
        recorder.record(at(100), 1);
        recorder.feedback(at(100)).unwrap();
        recorder.record(at(1100), 3);
        let (base, arrivals) = decode(&recorder.feedback(at(1100)).unwrap());
        assert_eq!((base, &arrivals[..]), (2, &[None, Some(1100)][..]));
    }

    #[test]
    fn numbers_from_all_over_are_no_feedback_without_a_count() {
        let start = Instant::now();
        let mut recorder = ArrivalRecorder::new(start);
        recorder.record(start, 100);
        recorder.feedback(start + FEEDBACK_INTERVAL).unwrap();
        for sequence in [101 + 0x8000, 101, 100] {
            recorder.record(start + FEEDBACK_INTERVAL, sequence);
        }
        let (base, arrivals) = decode(&recorder.feedback(start + 2 * FEEDBACK_INTERVAL).unwrap());
        assert_eq!((base, arrivals.len()), (101, 1));
        assert!(arrivals[0].is_some());
    }

    #[test]
    fn two_numbers_far_apart_are_no_long_report() {
        let start = Instant::now();
        let mut recorder = ArrivalRecorder::new(start);
        recorder.record(start, 0);
        recorder.record(start, 0x7FFF);
        let steps = work::steps_of(|| {
            recorder.feedback(start + FEEDBACK_INTERVAL).unwrap();
        });
        assert!(steps <= 5000, "{steps} numbers told of");
    }

    #[test]
    fn long_runs_and_many_packets_are_reported_whole() {
        let start = Instant::now();
        let mut recorder = ArrivalRecorder::new(start);
        for i in 0..2 * MAX_PACKETS as u16 {
            recorder.record(start + Duration::from_millis(i.into()), i.wrapping_mul(2));
        }
        let (base, arrivals) = decode(
            &recorder
                .feedback(start)
                .unwrap_or_else(|| recorder.feedback(start + FEEDBACK_INTERVAL).unwrap()),
        );
        assert_eq!(base, 0);
        assert_eq!(arrivals.iter().flatten().count(), MAX_PACKETS);
        assert_eq!(arrivals.len(), 2 * MAX_PACKETS - 1);
    }
}

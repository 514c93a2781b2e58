//! Probes: a moment's worth of packets at a rate above what is known to be there. What they arrive at is
//! known from then on, before anything needs it. Says when and how much; what they are filled with
//! is the sender's matter.

use std::time::{Duration, Instant};

use super::history::Answered;

/// For how long a cluster sends at its rate.
pub const CLUSTER_TIME: Duration = Duration::from_millis(20);
/// Packets of a cluster, at least.
const MIN_PACKETS: u32 = 5;
/// A cluster that takes longer is given up: nothing is sent, or it does not leave.
pub const MAX_CLUSTER_TIME: Duration = Duration::from_millis(200);
/// How long answers are waited for.
pub const MAX_WAIT: Duration = Duration::from_secs(1);
/// How much ahead of its rate a cluster may send: timers are not finer than this.
const AHEAD: Duration = Duration::from_millis(4);
/// What of a cluster has to arrive, in tenths.
const MIN_ARRIVED: u64 = 8;
/// Past this times the rate it was sent at no rate of arrival is believed.
const MAX_GAIN: f64 = 2.0;
/// A cluster that arrives at less than this of its rate filled the path; what it arrived at is then a
/// little more than what the path carries without a queue.
const FILLED: f64 = 0.9;
const AFTER_FILLING: f64 = 0.95;

/// A cluster on its way: what was sent of it, and what arrived. Times are in microseconds.
#[derive(Debug)]
struct Cluster {
    id: u8,
    /// In bits per second.
    rate: f64,
    began: Instant,
    /// Everything of it is sent.
    is_sent: bool,
    packets: u32,
    bytes: u64,
    arrived_packets: u32,
    arrived_bytes: u64,
    first_sent: i64,
    last_sent: i64,
    last_sent_bytes: u16,
    first_arrived: i64,
    first_arrived_bytes: u16,
    last_arrived: i64,
}

/// What became of a cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Probed {
    /// The rate it was meant for, in bits per second.
    pub(super) target: f64,
    /// The rate it arrived at.
    pub(super) bits: f64,
    /// The path carries no more.
    pub(super) filled: bool,
}

/// One cluster at a time.
#[derive(Debug, Default)]
pub(super) struct Probes {
    last_id: u8,
    cluster: Option<Cluster>,
}

impl Probes {
    /// Begins a cluster at this rate, unless one is under way.
    pub(super) fn begin(&mut self, now: Instant, rate: f64) -> bool {
        if self.cluster.is_some() {
            return false;
        }
        // 0 is none.
        self.last_id = self.last_id % u8::MAX + 1;
        self.cluster = Some(Cluster {
            id: self.last_id,
            rate,
            began: now,
            is_sent: false,
            packets: 0,
            bytes: 0,
            arrived_packets: 0,
            arrived_bytes: 0,
            first_sent: 0,
            last_sent: 0,
            last_sent_bytes: 0,
            first_arrived: 0,
            first_arrived_bytes: 0,
            last_arrived: 0,
        });
        true
    }

    /// The cluster that a packet sent now is of; 0 is none.
    pub(super) fn current(&self) -> u8 {
        self.sending().map_or(0, |cluster| cluster.id)
    }

    fn sending(&self) -> Option<&Cluster> {
        self.cluster.as_ref().filter(|cluster| !cluster.is_sent)
    }

    /// A packet is sent with the present cluster.
    pub(super) fn sent(&mut self, bytes: usize) {
        if let Some(cluster) = &mut self.cluster {
            cluster.packets += 1;
            cluster.bytes += bytes as u64;
            cluster.is_sent =
                cluster.packets >= MIN_PACKETS && cluster.bytes >= cluster.min_bytes();
        }
    }

    /// Bytes to be sent now, so that the cluster leaves at its rate.
    pub(super) fn due(&self, now: Instant) -> Option<usize> {
        let cluster = self.sending()?;
        let elapsed = now.saturating_duration_since(cluster.began) + AHEAD;
        let due = (cluster.rate * elapsed.as_secs_f64() / 8.0) as u64;
        let due = due.saturating_sub(cluster.bytes) as usize;
        (due > 0).then_some(due)
    }

    /// When there are.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let cluster = self.sending()?;
        let sent = Duration::from_secs_f64(8.0 * cluster.bytes as f64 / cluster.rate);
        // A little later there is something to be sent for certain.
        Some(cluster.began + sent.saturating_sub(AHEAD) + Duration::from_millis(1))
    }

    /// Gives up what is not sent: there is nothing to fill it with.
    pub(super) fn stop(&mut self) -> bool {
        self.cluster.take_if(|cluster| !cluster.is_sent).is_some()
    }

    /// Gives up what takes too long. Returns whether it did.
    pub(super) fn give_up(&mut self, now: Instant) -> bool {
        let is_over = |cluster: &mut Cluster| {
            let limit = match cluster.is_sent {
                true => MAX_WAIT,
                false => MAX_CLUSTER_TIME,
            };
            now >= cluster.began + limit
        };
        self.cluster.take_if(is_over).is_some()
    }

    /// A packet of a cluster arrived.
    pub(super) fn arrived(&mut self, packet: &Answered, arrived: i64) {
        if let Some(cluster) = self.cluster.as_mut().filter(|c| c.id == packet.cluster) {
            cluster.note(packet, arrived);
        }
    }

    /// What the cluster shows, once enough of it arrived. Asked for once for each report.
    pub(super) fn take_result(&mut self) -> Option<Probed> {
        let cluster = self.cluster.take_if(|cluster| cluster.is_complete())?;
        cluster.measure()
    }
}

impl Cluster {
    fn min_bytes(&self) -> u64 {
        (self.rate * CLUSTER_TIME.as_secs_f64() / 8.0) as u64
    }

    fn note(&mut self, packet: &Answered, arrived: i64) {
        let is_first = self.arrived_packets == 0;
        if is_first || packet.at < self.first_sent {
            self.first_sent = packet.at;
        }
        if is_first || packet.at >= self.last_sent {
            (self.last_sent, self.last_sent_bytes) = (packet.at, packet.bytes);
        }
        if is_first || arrived < self.first_arrived {
            (self.first_arrived, self.first_arrived_bytes) = (arrived, packet.bytes);
        }
        if is_first || arrived > self.last_arrived {
            self.last_arrived = arrived;
        }
        self.arrived_packets += 1;
        self.arrived_bytes += u64::from(packet.bytes);
    }

    fn is_complete(&self) -> bool {
        self.is_sent
            && u64::from(self.arrived_packets) * 10 >= u64::from(self.packets) * MIN_ARRIVED
            && self.arrived_bytes * 10 >= self.bytes * MIN_ARRIVED
    }

    /// The rate it arrived at, or was sent at, if that is less. The last packet's end is not seen where it
    /// was sent, nor the first one's beginning where it arrived.
    fn measure(&self) -> Option<Probed> {
        let rate = |but: u16, micros: i64| {
            let bits = 8 * self.arrived_bytes.saturating_sub(but.into());
            (micros > 0 && micros < MAX_WAIT.as_micros() as i64)
                .then(|| bits as f64 * 1e6 / micros as f64)
        };
        let sent = rate(self.last_sent_bytes, self.last_sent - self.first_sent)?;
        let arrived = rate(
            self.first_arrived_bytes,
            self.last_arrived - self.first_arrived,
        )?;
        if arrived > MAX_GAIN * sent {
            return None;
        }
        let filled = arrived < FILLED * sent;
        Some(Probed {
            target: self.rate,
            bits: match filled {
                true => AFTER_FILLING * arrived,
                false => arrived.min(sent),
            },
            filled,
        })
    }
}

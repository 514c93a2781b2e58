//! What was seen: second by second, and in all. Measures nothing itself.

use std::time::Duration;

use ferrite_tests::load::rooms::{Found, Histogram, LAYERS};
use ferrite_tests::load::{Limits, percentile};

use crate::data::DataFigures;

/// One second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Seconds since the first participant came.
    pub(crate) at: f64,
    pub(crate) publishers: usize,
    pub(crate) subscribers: usize,
    pub(crate) packets: u64,
    pub(crate) us_per_packet: Option<f64>,
    pub(crate) lost: u64,
    pub(crate) jitter_ms: Option<f64>,
    /// Packets of each layer, smallest first.
    pub(crate) layers: [u64; LAYERS],
    pub(crate) latency_ms: Option<(f64, f64)>,
    pub(crate) join_ms: Option<f64>,
    pub(crate) kb_per_publisher: Option<f64>,
    pub(crate) kb_per_subscriber: Option<f64>,
}

/// All of a run.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) samples: Vec<Sample>,
    pub(crate) limits: Limits,
    pub(crate) packets_per_frame: u32,
    /// While media flowed and was measured.
    pub(crate) measured: Duration,
    pub(crate) server_cpu: Duration,
    pub(crate) load_cpu: Duration,
    pub(crate) forwarded: u64,
    pub(crate) bytes: u64,
    pub(crate) latency: Histogram,
    pub(crate) said: Histogram,
    /// On data channels, where anybody used them.
    pub(crate) data: Option<DataFigures>,
    /// From the first participant to the last.
    pub(crate) found: Found,
    /// What publishers sent of each layer since then, smallest first.
    pub(crate) sent: [u64; LAYERS],
    /// What was forwarded of each while media was measured.
    pub(crate) layers: [u64; LAYERS],
    /// Sent last, and not arrived; and slots that never showed anything.
    pub(crate) late: u64,
    pub(crate) silent: usize,
    /// Visitors who saw nothing.
    pub(crate) blind: u32,
    pub(crate) joined: Vec<Duration>,
    /// Of those who came while media flowed.
    pub(crate) seen: Vec<Duration>,
    pub(crate) join_cpu: Duration,
    pub(crate) kb_per_publisher: Option<f64>,
    pub(crate) kb_per_subscriber: Option<f64>,
    /// Datagrams that the kernel dropped: at this end's sockets, and at the server's.
    pub(crate) dropped_here: u64,
    pub(crate) dropped_there: u64,
    pub(crate) load_average: String,
}

/// Packets that the server lost: numbers that never came though no link swallowed them, and what of a
/// publisher's was given no number.
pub(crate) fn lost(found: &Found) -> u64 {
    let excused = found.late + found.swallowed;
    found.gaps.saturating_sub(excused) + found.left_out
}

impl Figures {
    pub(crate) fn us_per_packet(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.forwarded.max(1) as f64
    }

    pub(crate) fn packets_per_second(&self) -> f64 {
        self.forwarded as f64 / self.measured.as_secs_f64()
    }

    /// The share that the server lost.
    pub(crate) fn loss(&self) -> f64 {
        let lost = lost(&self.found) + self.late;
        lost as f64 / (self.found.packets + lost).max(1) as f64
    }

    pub(crate) fn cores(&self) -> f64 {
        self.server_cpu.as_secs_f64() / self.measured.as_secs_f64()
    }

    pub(crate) fn load_cores(&self) -> f64 {
        self.load_cpu.as_secs_f64() / self.measured.as_secs_f64()
    }

    /// What must not be and was, each in a sentence.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let (found, mut complaints) = (&self.found, Vec::new());
        let mut complain = |count: u64, what: &str| {
            if count > 0 {
                complaints.push(format!("{count} {what}"));
            }
        };
        complain(lost(found), "packets were lost by the server");
        complain(self.late, "packets sent last did not arrive");
        complain(found.repeats, "packets came twice under one number");
        complain(found.broken, "packets were not authentic, or of no stream");
        complain(found.timestamps, "timestamps went their own way");
        complain(
            found.no_keyframe,
            "pictures took another's place without a keyframe",
        );
        complain(found.cut_frames, "frames were cut short by another layer");
        complain(found.undecodable, "frames came without one that they need");
        complain(self.silent as u64, "slots showed nothing");
        complain(self.blind.into(), "visitors saw nothing");
        if let Some(data) = &self.data {
            let reliable = &data.reliable;
            complain(reliable.lost(), "reliable messages were lost");
            complain(reliable.disordered, "reliable messages came out of order");
            complain(data.lossy.disordered, "lossy messages came late or twice");
        }
        complain(
            self.dropped_here,
            "datagrams were dropped because this tool was too slow: they count as lost above",
        );
        complaints
    }
}

pub(crate) fn ms(times: &[Duration], percent: usize) -> f64 {
    percentile(times, percent).as_secs_f64() * 1000.0
}

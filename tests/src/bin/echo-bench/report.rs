//! The figures and how they are printed. Measures nothing itself.

use std::time::Duration;

use ferrite_tests::load::{Limits, PACKET, percentile};

use crate::Traffic;

/// A stretch of time while packets were echoed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) length: Duration,
    pub(crate) server_cpu: Duration,
    pub(crate) load_cpu: Duration,
    pub(crate) returned: u64,
}

impl Window {
    fn us_per_packet(&self) -> f64 {
        self.server_cpu.as_secs_f64() * 1e6 / self.returned.max(1) as f64
    }
}

/// What was measured with one number of peers.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) traffic: Traffic,
    pub(crate) windows: Vec<Window>,
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    /// What a packet costs a bare echo, in microseconds.
    pub(crate) bare: f64,
    pub(crate) tag: usize,
    pub(crate) idle_kb: f64,
    pub(crate) sending_kb: f64,
    pub(crate) join_cpu: Duration,
    pub(crate) connected: Vec<Duration>,
}

impl Figures {
    /// What a packet cost, by window.
    fn sorted_us(&self) -> Vec<f64> {
        let mut us: Vec<_> = self.windows.iter().map(Window::us_per_packet).collect();
        us.sort_by(f64::total_cmp);
        us
    }

    /// The median.
    fn us_per_packet(&self) -> f64 {
        self.sorted_us()[self.windows.len() / 2]
    }
}

/// The goals: times the raw limit, kB per peer, ms of CPU per join.
const GOALS: (f64, f64, f64) = (4.0, 60.0, 1.5);

pub(crate) fn print(limits: &Limits, all: &[Figures]) {
    print_limits(limits);
    print_packets(limits, all);
    print_peers(all);
    print_goals(limits, all);
}

fn print_limits(limits: &Limits) {
    let (echo, send) = (limits.echo(), limits.send_alone());
    println!("raw limit: us of CPU per {PACKET}-byte packet, in batches of 32");
    println!("  recvmmsg                         {:6.2}", limits.receive);
    println!("  AES-128-GCM open                 {:6.2}", limits.open);
    println!("  AES-128-GCM seal                 {:6.2}", limits.seal);
    println!("  sendmmsg                         {:6.2}", limits.send);
    println!("  E: recvmmsg, open, seal, sendmmsg{echo:6.2}   the least an echo costs");
    println!("  S: seal, sendmmsg                {send:6.2}   the least sending costs\n");
}

fn print_packets(limits: &Limits, all: &[Figures]) {
    println!("echo: us of the server's CPU per packet that came back");
    println!(
        "  peers  packets/s  burst  us/packet  (least - most)  x E   x S   bare   lost      cores: server  load  tag"
    );
    for figures in all {
        let (us, per_packet) = (figures.sorted_us(), figures.us_per_packet());
        let seconds: f64 = figures.windows.iter().map(|w| w.length.as_secs_f64()).sum();
        let returned: u64 = figures.windows.iter().map(|w| w.returned).sum();
        let cores = |cpu: fn(&Window) -> Duration| {
            let cpu: Duration = figures.windows.iter().map(cpu).sum();
            cpu.as_secs_f64() / seconds
        };
        println!(
            "  {:5}  {:9.0}  {:5}  {:9.2}  {:5.2} - {:5.2}   {:4.1}  {:4.1}  {:5.2}  {:6.4} %         {:4.2}  {:4.2}  {:3}",
            figures.traffic.peers,
            returned as f64 / seconds,
            figures.traffic.each.burst,
            per_packet,
            us[0],
            us[us.len() - 1],
            per_packet / limits.echo(),
            per_packet / limits.send_alone(),
            figures.bare,
            100.0 * figures.lost as f64 / figures.sent.max(1) as f64,
            cores(|w| w.server_cpu),
            cores(|w| w.load_cpu),
            figures.tag,
        );
    }
    println!("  (bare: us that the same traffic costs a loop that only receives and sends)");
    println!(
        "  (tag: bytes of SRTP's authentication tag; 16 is AES-128-GCM, 10 is HMAC-SHA1-80)\n"
    );
}

fn print_peers(all: &[Figures]) {
    println!("peers: audio, video and a data channel each, joined one after the other");
    println!(
        "  peers  kB/peer idle  kB/peer sending  CPU ms/join  offer to connected, ms: p50    p95"
    );
    for figures in all {
        println!(
            "  {:5}  {:12.1}  {:15.1}  {:11.2}  {:27.1}  {:5.1}",
            figures.traffic.peers,
            figures.idle_kb,
            figures.sending_kb,
            milliseconds(figures.join_cpu),
            milliseconds(percentile(&figures.connected, 50)),
            milliseconds(percentile(&figures.connected, 95)),
        );
    }
    println!(
        "  (one peer's memory is lost in the noise; RSS of the process, allocator included)\n"
    );
}

fn print_goals(limits: &Limits, all: &[Figures]) {
    let (times, kilobytes, join) = GOALS;
    println!(
        "goals: {times} x E = {:.1} us, {times} x S = {:.1} us per packet; {kilobytes} kB per peer; {join} ms per join",
        times * limits.echo(),
        times * limits.send_alone(),
    );
    let verdict = |met: bool| if met { "met" } else { "missed" };
    for figures in all {
        println!(
            "  with {:3} peers: packets {}",
            figures.traffic.peers,
            verdict(figures.us_per_packet() <= times * limits.echo()),
        );
    }
    if let Some(last) = all.last() {
        println!(
            "  with {:3} peers: memory idle {}, memory sending {}, join {}",
            last.traffic.peers,
            verdict(last.idle_kb <= kilobytes),
            verdict(last.sending_kb <= kilobytes),
            verdict(milliseconds(last.join_cpu) <= join),
        );
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

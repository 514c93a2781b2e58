//! Many callers in one loop on one thread. Their bursts are spread evenly over the interval.
//! Knows when who does what, and nothing of what it is.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use str0m::config::DtlsCert;

use super::caller::Caller;
use super::link::Link;
use super::peer::{Counts, Peer};
use super::{Traffic, certificate};

/// How often a peer's link is read, unless said otherwise. Kernel buffers hold the bursts in
/// between. Nobody sleeps on the socket, so that the server's sends wake no one, as they would not
/// either through a network card.
const DRAIN_INTERVAL: Duration = Duration::from_millis(5);

/// How often the WebSockets are read. The server pings every 15 seconds.
const PING_INTERVAL: Duration = Duration::from_secs(3);

/// All the callers.
#[derive(Debug)]
pub struct Crowd {
    address: String,
    certificate: DtlsCert,
    loss: f64,
    is_timed: bool,
    has_feedback: bool,
    drain_interval: Duration,
    seats: Vec<Seat>,
    next_pings: Instant,
}

#[derive(Debug)]
struct Seat {
    caller: Caller,
    drain_interval: Duration,
    next_drain: Instant,
    sends: Option<Sends>,
}

#[derive(Debug)]
struct Sends {
    next: Instant,
    traffic: Traffic,
}

impl Crowd {
    /// Nobody yet. Everybody will call the server at this address.
    pub fn new(address: &str) -> Result<Self> {
        Ok(Self {
            address: address.to_owned(),
            certificate: certificate()?,
            loss: 0.0,
            is_timed: false,
            has_feedback: true,
            drain_interval: DRAIN_INTERVAL,
            seats: Vec::new(),
            next_pings: Instant::now(),
        })
    }

    /// Loses this share of the datagrams of those who join, both ways. Each link has its number for
    /// a seed.
    #[must_use]
    pub fn losing(mut self, share: f64) -> Self {
        self.loss = share;
        self
    }

    /// Those who join agree to no transport-wide feedback.
    #[must_use]
    pub fn without_feedback(mut self) -> Self {
        self.has_feedback = false;
        self
    }

    /// Those who join note how long packets take to come back, and look for them this often.
    #[must_use]
    pub fn timed(mut self, drain_interval: Duration) -> Self {
        self.is_timed = true;
        self.drain_interval = drain_interval;
        self
    }

    /// Lets so many join one after the other. Returns how long each took from its offer until it was
    /// connected.
    pub fn join(&mut self, callers: usize) -> Result<Vec<Duration>> {
        let mut took = Vec::new();
        for _ in 0..callers {
            let (address, certificate) = (self.address.clone(), self.certificate.clone());
            let link = Link::udp()?.losing(self.loss, self.seats.len() as u64);
            let mut caller = Caller::open(&address, &certificate, link)?;
            caller.peer.has_feedback = self.has_feedback;
            let time = caller.connect(|| self.step())?;
            if self.is_timed {
                caller.peer.measure_latency();
            }
            took.push(time);
            self.seats.push(Seat {
                caller,
                drain_interval: self.drain_interval,
                next_drain: Instant::now(),
                sends: None,
            });
        }
        Ok(took)
    }

    /// From now on everybody sends.
    pub fn start(&mut self, traffic: Traffic) {
        let now = Instant::now();
        let seats = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        for (seat, at) in self.seats.iter_mut().zip(0..) {
            let next = now + traffic.interval * at / seats;
            seat.sends = Some(Sends { next, traffic });
        }
    }

    /// Goes on sending for this long.
    pub fn send(&mut self, length: Duration) -> Result<()> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.step()?;
            let next = self.seats.iter().map(Seat::next).min().unwrap_or(end);
            pause_until(next.min(end));
        }
        Ok(())
    }

    /// Stops sending, and takes in for this long what is still under way.
    pub fn stop(&mut self, length: Duration) -> Result<()> {
        self.seats.iter_mut().for_each(|seat| seat.sends = None);
        self.send(length)
    }

    /// Does nothing but stay connected.
    pub fn idle(&mut self, length: Duration) -> Result<()> {
        self.send(length)
    }

    fn step(&mut self) -> Result<()> {
        for seat in &mut self.seats {
            seat.step(Instant::now())?;
        }
        let now = Instant::now();
        if now >= self.next_pings {
            self.next_pings = now + PING_INTERVAL;
            for seat in &mut self.seats {
                seat.caller.listen(now)?;
                let ended = seat.caller.ended;
                ensure!(ended.is_none(), "the server closed: {:?}", seat.caller);
            }
        }
        Ok(())
    }

    fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.seats.iter().map(|seat| &seat.caller.peer)
    }

    /// How many are connected.
    #[must_use]
    pub fn connected(&self) -> usize {
        self.peers()
            .filter(|peer| peer.connected && peer.closed.is_none())
            .count()
    }

    /// What a check for each peer at the server is addressed to (RFC 8445 §7.2.2).
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.peers().map(|peer| peer.name.clone()).collect()
    }

    /// Takes what was noted of the time packets took since this was last asked.
    pub fn take_latencies(&mut self) -> Vec<Duration> {
        let noted = self.seats.iter_mut();
        let noted = noted.filter_map(|seat| seat.caller.peer.latencies.as_mut());
        noted.flat_map(std::mem::take).collect()
    }

    /// What was sent and what came back, over all peers.
    #[must_use]
    pub fn counts(&self) -> Counts {
        sum(self.peers().map(|peer| peer.counts))
    }

    /// Lets everybody send a message over the data channel, who has one.
    pub fn chat(&mut self, message: &[u8]) -> Result<()> {
        let peers = self.seats.iter_mut().map(|seat| &mut seat.caller.peer);
        for peer in peers.filter(|peer| peer.has_channel()) {
            peer.send_data(message)?;
        }
        Ok(())
    }

    /// What messages were sent and came back, over all peers.
    #[must_use]
    pub fn messages(&self) -> Counts {
        sum(self.peers().map(|peer| peer.messages))
    }

    /// The authentication tag of a packet that came back, in bytes.
    #[must_use]
    pub fn tag(&self) -> usize {
        self.peers()
            .map(|peer| peer.tag)
            .find(|tag| *tag > 0)
            .unwrap_or(0)
    }
}

impl Seat {
    fn step(&mut self, now: Instant) -> Result<()> {
        if let Some(sends) = self.sends.as_mut().filter(|sends| sends.next <= now) {
            self.caller.peer.send(now, sends.traffic.burst)?;
            // A source that fell behind leaves out what it missed.
            while sends.next <= now {
                sends.next += sends.traffic.interval;
            }
        }
        if self.next_drain <= now {
            self.next_drain = now + self.drain_interval;
            self.caller.peer.drain(now)?;
        }
        self.caller.peer.advance(now)
    }

    fn next(&self) -> Instant {
        let next = self.next_drain.min(self.caller.peer.timeout);
        self.sends
            .as_ref()
            .map_or(next, |sends| next.min(sends.next))
    }
}

/// A source of so many frames a second has to wait for the next one's time.
fn pause_until(at: Instant) {
    let rest = at.saturating_duration_since(Instant::now());
    if !rest.is_zero() {
        std::thread::park_timeout(rest);
    }
}

fn sum(all: impl Iterator<Item = Counts>) -> Counts {
    all.fold(Counts::default(), |sum, counts| Counts {
        sent: sum.sent + counts.sent,
        returned: sum.returned + counts.returned,
    })
}

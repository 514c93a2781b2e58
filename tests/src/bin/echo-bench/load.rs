//! Many light peers in one loop on one thread. Their bursts are spread evenly over the interval.
//! Knows when who does what, and nothing of what it is.

use std::time::{Duration, Instant};

use anyhow::Result;
use str0m::config::DtlsCert;

use crate::Traffic;
use crate::peer::{Counts, Peer};

/// How often a peer's socket is read. Kernel buffers hold the bursts in between.
const DRAIN_INTERVAL: Duration = Duration::from_millis(5);

/// How often the WebSockets are read. The server pings every 15 seconds.
const PING_INTERVAL: Duration = Duration::from_secs(3);

/// All the peers.
pub(crate) struct Load {
    address: String,
    certificate: DtlsCert,
    seats: Vec<Seat>,
    next_pings: Instant,
}

struct Seat {
    peer: Peer,
    next_drain: Instant,
    sends: Option<Sends>,
}

struct Sends {
    next: Instant,
    traffic: Traffic,
}

impl Load {
    /// Nobody yet. Everybody will call the server at this address.
    pub(crate) fn new(address: &str) -> Result<Self> {
        let provider = str0m::crypto::from_feature_flags();
        let certificate = provider.dtls_provider.generate_certificate();
        Ok(Self {
            address: address.to_owned(),
            certificate: certificate.ok_or_else(|| anyhow::anyhow!("no certificate"))?,
            seats: Vec::new(),
            next_pings: Instant::now(),
        })
    }

    /// Lets so many peers join one after the other. Returns how long each took from its offer until
    /// it was connected.
    pub(crate) fn join(&mut self, peers: usize) -> Result<Vec<Duration>> {
        let mut took = Vec::new();
        for _ in 0..peers {
            let (address, certificate) = (self.address.clone(), self.certificate.clone());
            let (peer, time) = Peer::join(&address, &certificate, || self.step())?;
            took.push(time);
            self.seats.push(Seat {
                peer,
                next_drain: Instant::now(),
                sends: None,
            });
        }
        Ok(took)
    }

    /// From now on everybody sends.
    pub(crate) fn start(&mut self, traffic: Traffic) {
        let now = Instant::now();
        let seats = u32::try_from(self.seats.len()).unwrap_or(u32::MAX);
        for (seat, at) in self.seats.iter_mut().zip(0..) {
            let next = now + traffic.interval * at / seats;
            seat.sends = Some(Sends { next, traffic });
        }
    }

    /// Goes on sending for this long.
    pub(crate) fn send(&mut self, length: Duration) -> Result<()> {
        let end = Instant::now() + length;
        while Instant::now() < end {
            self.step()?;
            let next = self.seats.iter().map(Seat::next).min().unwrap_or(end);
            pause_until(next.min(end));
        }
        Ok(())
    }

    /// Stops sending, and takes in for this long what is still under way.
    pub(crate) fn stop(&mut self, length: Duration) -> Result<()> {
        self.seats.iter_mut().for_each(|seat| seat.sends = None);
        self.send(length)
    }

    /// Does nothing but stay connected.
    pub(crate) fn idle(&mut self, length: Duration) -> Result<()> {
        self.send(length)
    }

    fn step(&mut self) -> Result<()> {
        for seat in &mut self.seats {
            seat.step(Instant::now())?;
        }
        if Instant::now() >= self.next_pings {
            self.next_pings = Instant::now() + PING_INTERVAL;
            let mut peers = self.seats.iter_mut().map(|seat| &mut seat.peer);
            peers.try_for_each(Peer::answer_pings)?;
        }
        Ok(())
    }

    /// What was sent and what came back, over all peers.
    pub(crate) fn counts(&self) -> Counts {
        let counts = self.seats.iter().map(|seat| seat.peer.counts);
        counts.fold(Counts::default(), |sum, counts| Counts {
            sent: sum.sent + counts.sent,
            returned: sum.returned + counts.returned,
        })
    }

    /// The authentication tag of a packet that came back, in bytes.
    pub(crate) fn tag(&self) -> usize {
        let mut seats = self.seats.iter();
        seats
            .find_map(|seat| (seat.peer.tag > 0).then_some(seat.peer.tag))
            .unwrap_or(0)
    }
}

impl Seat {
    fn step(&mut self, now: Instant) -> Result<()> {
        if let Some(sends) = self.sends.as_mut().filter(|sends| sends.next <= now) {
            self.peer.send(now, sends.traffic.burst)?;
            // A source that fell behind leaves out what it missed.
            while sends.next <= now {
                sends.next += sends.traffic.interval;
            }
        }
        if self.next_drain <= now {
            self.next_drain = now + DRAIN_INTERVAL;
            self.peer.drain(now)?;
        }
        self.peer.advance(now)
    }

    fn next(&self) -> Instant {
        let next = self.next_drain.min(self.peer.timeout);
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

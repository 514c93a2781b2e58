//! Whoever floods, on a thread of its own: strangers, and those on their way in. Members are in
//! [`super::members`].

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ferrite_protocol::ClientMessage;
use ferrite_tests::load::{Caller, Line, Link, Peer, Silence, SplitMix};
use str0m::config::DtlsCert;

use super::{Flood, datagrams, members};

/// Sessions that a flooder keeps open; a further one cuts the oldest.
const KEPT: usize = 500;

/// Peers in the middle of their handshakes.
const STUCK: usize = 20;

/// The flooder.
pub(super) struct Flooder {
    pub(super) flood: Flood,
    pub(super) address: String,
    pub(super) media: SocketAddr,
    pub(super) certificate: DtlsCert,
    /// What checks for the callers' peers are addressed to.
    pub(super) names: Vec<String>,
    pub(super) datagrams: u64,
    pub(super) sessions: u64,
    pub(super) stop: AtomicBool,
    pub(super) count: AtomicU64,
}

impl Flooder {
    pub(super) fn run(&self) -> Result<()> {
        match self.flood {
            Flood::None => Ok(()),
            Flood::Offers => self.offer(),
            Flood::Handshakes => self.shake_hands(),
            Flood::ClientHellos => self.say_hello(),
            Flood::WrongPasswords => self.guess(),
            Flood::Strangers => self.babble(),
            Flood::Nacks
            | Flood::KeyframeRequests
            | Flood::Arrivals
            | Flood::Channels
            | Flood::Chunks
            | Flood::Moves
            | Flood::Reoffers => members::flood(self),
        }
    }

    pub(super) fn has_begun(&self) -> bool {
        self.flood == Flood::None || self.count.load(Ordering::Relaxed) > 0
    }

    /// Does something so many times a second until it is enough.
    pub(super) fn pace(&self, rate: u64, mut once: impl FnMut(u64) -> Result<()>) -> Result<()> {
        let (began, mut done) = (Instant::now(), 0);
        while !self.stop.load(Ordering::Relaxed) {
            let due = (began.elapsed().as_secs_f64() * rate as f64) as u64;
            while done < due && !self.stop.load(Ordering::Relaxed) {
                once(done)?;
                done += 1;
                self.count.store(done, Ordering::Relaxed);
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }

    fn offer(&self) -> Result<()> {
        let sdp = Peer::new(&self.certificate, Link::udp()?)?.offer()?;
        let mut kept = VecDeque::new();
        self.pace(self.sessions, |_| {
            let mut line = Line::open(&self.address)?;
            line.say(&ClientMessage::Offer {
                id: None,
                sdp: sdp.clone(),
                tracks: None,
            })?;
            kept.push_back(line);
            shorten(&mut kept);
            Ok(())
        })
    }

    fn shake_hands(&self) -> Result<()> {
        let mut kept = VecDeque::new();
        self.pace(self.sessions, |_| {
            kept.push_back(self.stuck()?);
            shorten(&mut kept);
            Ok(())
        })
    }

    /// A caller in the middle of its handshake.
    fn stuck(&self) -> Result<Caller> {
        let mut caller = Caller::open(&self.address, &self.certificate, Link::udp()?)?;
        caller.peer.link.set_silence(Silence::AfterDtls(1));
        caller.offer()?;
        caller.until("a ClientHello", |caller| {
            Ok(caller.peer.link.hello.is_some())
        })?;
        Ok(caller)
    }

    fn say_hello(&self) -> Result<()> {
        let callers = (0..STUCK).map(|_| self.stuck());
        let mut callers = callers.collect::<Result<Vec<_>>>()?;
        let mut random = SplitMix(1);
        self.pace(self.datagrams, |at| {
            let link = &mut callers[at as usize % STUCK].peer.link;
            link.set_silence(Silence::Never);
            let hello = link.hello.clone().context("a ClientHello")?;
            link.send(&datagrams::another_hello(hello, &mut random), self.media)
        })
    }

    fn guess(&self) -> Result<()> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let mut random = SplitMix(2);
        self.pace(self.datagrams, |at| {
            let name = &self.names[at as usize % self.names.len()];
            let check = datagrams::check(name, &mut random);
            socket.send_to(&check, self.media)?;
            Ok(())
        })
    }

    fn babble(&self) -> Result<()> {
        // So many that the kernel gives every shard its share.
        let sockets = (0..STUCK).map(|_| UdpSocket::bind("127.0.0.1:0"));
        let sockets = sockets.collect::<std::io::Result<Vec<_>>>()?;
        let mut random = SplitMix(3);
        self.pace(self.datagrams, |at| {
            let datagram = datagrams::anything(&mut random);
            sockets[at as usize % STUCK].send_to(&datagram, self.media)?;
            Ok(())
        })
    }
}

/// Drops what came first.
fn shorten<T>(kept: &mut VecDeque<T>) {
    while kept.len() > KEPT {
        kept.pop_front();
    }
}

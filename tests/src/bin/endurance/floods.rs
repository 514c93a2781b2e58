//! Somebody floods the server while others call: what it costs them.

use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::ValueEnum;
use ferrite_protocol::ClientMessage;
use ferrite_tests::load::{
    self, Caller, Counts, Crowd, Line, Link, Peer, Silence, SplitMix, Traffic, percentile,
};
use ferrite_tests::wait;
use str0m::config::DtlsCert;

use crate::Complaints;
use crate::datagrams;
use crate::subject::{Subject, megabytes};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Peers that call meanwhile
    #[arg(long, default_value_t = 20, value_name = "COUNT")]
    peers: usize,
    /// How long each flood lasts
    #[arg(long, default_value_t = 20.0, value_name = "SECONDS")]
    seconds: f64,
    /// Datagrams a second in a flood of datagrams
    #[arg(long, default_value_t = 5_000, value_name = "COUNT")]
    datagrams: u64,
    /// New sessions a second in a flood of sessions
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    sessions: u64,
    /// Only these floods; all of them if not given
    #[arg(long, value_name = "FLOOD", value_enum)]
    only: Vec<Flood>,
}

/// What comes in masses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Flood {
    /// Nothing, for comparison
    None,
    /// Sessions that offer and never go on
    Offers,
    /// Handshakes that stop after the ClientHello
    Handshakes,
    /// ClientHellos without end from peers in the middle of their handshakes
    ClientHellos,
    /// Checks for the callers' own peers, with a wrong password
    WrongPasswords,
    /// Anything at all from strangers
    Strangers,
    /// Offers from members, more than a session may make
    MemberOffers,
    /// Keyframe wishes of a member
    MemberKeyframes,
    /// Messages of one byte from a member
    MemberMessages,
    /// Data channels that a member opens and closes
    MemberChannels,
    /// Packets of a member that comes from another port with each
    MemberMoves,
}

/// Sessions that a flooder keeps open; a further one cuts the oldest.
const KEPT: usize = 500;

/// Peers in the middle of their handshakes.
const STUCK: usize = 20;

/// Offers a second of each member: less than the messages that a session may send.
const REOFFERS: u64 = 40;

/// A flood may make the slowest packet in a hundred so many times slower than it is without,
const SLOWER: u32 = 10;

/// and by so much more: on a machine that is shared, that much comes by itself.
const SLACK: Duration = Duration::from_millis(100);

/// How often a caller looks for what came back: a latency is too long by up to this.
const LOOK: Duration = Duration::from_micros(500);

/// What is under way arrives within this.
const REST: Duration = Duration::from_millis(500);

const TRAFFIC: Traffic = Traffic {
    burst: 1,
    interval: Duration::from_millis(20),
};

/// What the callers saw of one flood.
struct Figures {
    flood: Flood,
    flooded: u64,
    sent: u64,
    lost: u64,
    connected: usize,
    latencies: Vec<Duration>,
    cores: f64,
    memory: u64,
}

pub(crate) async fn run(options: &Options, log: &str) -> Result<Complaints> {
    let mut subject = Subject::start(log, &[]).await?;
    let mut crowd = Crowd::new(subject.server.address())?.timed(LOOK);
    crowd.join(options.peers)?;
    println!(
        "{} peers, each sending 50 packets a second, and a flood",
        options.peers
    );
    println!(
        "  flood              a second  packets sent  lost  latency, ms: p50     p99     max  cores: server  RSS MB"
    );
    let all = Flood::value_variants();
    let floods = all
        .iter()
        .filter(|flood| options.only.is_empty() || options.only.contains(flood));
    let mut complaints = Complaints::new();
    let mut quiet = None;
    for flood in floods {
        let figures = measure(&subject, &mut crowd, *flood, options)?;
        print(&figures, options);
        complaints.extend(verdict(&figures, options));
        complaints.extend(slowness(&figures, quiet));
        if figures.flood == Flood::None {
            quiet = Some(percentile(&figures.latencies, 99));
        }
    }
    drop(crowd);
    let last = subject.settled().await?;
    let left_over = subject.left_over(&last);
    if !left_over.is_empty() {
        complaints.push(format!("left over after the floods: {left_over:?}"));
    }
    complaints.extend(subject.stop().await?);
    Ok(complaints)
}

fn measure(
    subject: &Subject,
    crowd: &mut Crowd,
    flood: Flood,
    options: &Options,
) -> Result<Figures> {
    let flooder = Flooder {
        flood,
        address: subject.server.address().to_owned(),
        media: SocketAddr::from(([127, 0, 0, 1], subject.server.media_port())),
        certificate: load::certificate()?,
        names: crowd.names(),
        datagrams: options.datagrams,
        sessions: options.sessions,
        stop: AtomicBool::new(false),
        count: AtomicU64::new(0),
    };
    let length = Duration::from_secs_f64(options.seconds);
    let (flooded, called) = std::thread::scope(|scope| {
        let flooding = scope.spawn(|| flooder.run());
        let called = call(subject, crowd, &flooder, length);
        flooder.stop.store(true, Ordering::Relaxed);
        (flooding.join(), called)
    });
    let (flooded, (before, cpu)) = (flooded, called?);
    flooded.ok().context("the flooder panicked")??;
    let after = crowd.counts();
    let sent = after.sent - before.sent;
    Ok(Figures {
        flood,
        flooded: flooder.count.into_inner(),
        sent,
        lost: sent.saturating_sub(after.returned - before.returned),
        connected: crowd.connected(),
        latencies: crowd.take_latencies(),
        cores: (subject.meter.cpu()? - cpu).as_secs_f64() / (length + REST).as_secs_f64(),
        memory: subject.meter.memory()?,
    })
}

/// Lets everybody call while the flood lasts. Returns what was before: packets and the server's CPU
/// time.
fn call(
    subject: &Subject,
    crowd: &mut Crowd,
    flooder: &Flooder,
    length: Duration,
) -> Result<(Counts, Duration)> {
    let patience = Instant::now() + wait::PATIENCE;
    while !flooder.has_begun() && Instant::now() < patience {
        crowd.idle(LOOK)?;
    }
    let before = (crowd.counts(), subject.meter.cpu()?);
    crowd.take_latencies();
    crowd.start(TRAFFIC);
    crowd.send(length)?;
    crowd.stop(REST)?;
    Ok(before)
}

fn print(figures: &Figures, options: &Options) {
    let milliseconds = |percent| percentile(&figures.latencies, percent).as_secs_f64() * 1000.0;
    let name = figures.flood.to_possible_value();
    println!(
        "  {:17}  {:8.0}  {:12}  {:4}  {:16.2}  {:6.2}  {:6.2}  {:13.2}  {:6.1}",
        name.as_ref().map_or("", |name| name.get_name()),
        figures.flooded as f64 / options.seconds,
        figures.sent,
        figures.lost,
        milliseconds(50),
        milliseconds(99),
        milliseconds(100),
        figures.cores,
        megabytes(figures.memory),
    );
}

fn verdict(figures: &Figures, options: &Options) -> Complaints {
    let mut complaints = Complaints::new();
    let flood = figures.flood;
    if figures.lost > 0 {
        complaints.push(format!(
            "{flood:?} cost the callers {} packets",
            figures.lost
        ));
    }
    if figures.connected < options.peers {
        complaints.push(format!(
            "{flood:?}: {} are still connected",
            figures.connected
        ));
    }
    if flood != Flood::None && figures.flooded == 0 {
        complaints.push(format!("{flood:?}: there was no flood"));
    }
    complaints
}

/// What the flood did to how long the others' packets take, where that is known without one.
fn slowness(figures: &Figures, quiet: Option<Duration>) -> Option<String> {
    let (slow, quiet) = (percentile(&figures.latencies, 99), quiet?);
    let flood = figures.flood;
    (slow > quiet * SLOWER + SLACK).then(|| {
        format!("{flood:?}: the slowest packet in a hundred took {slow:?}, without it {quiet:?}")
    })
}

/// Whoever floods, on a thread of its own.
struct Flooder {
    flood: Flood,
    address: String,
    media: SocketAddr,
    certificate: DtlsCert,
    /// What checks for the callers' peers are addressed to.
    names: Vec<String>,
    datagrams: u64,
    sessions: u64,
    stop: AtomicBool,
    count: AtomicU64,
}

impl Flooder {
    fn run(&self) -> Result<()> {
        match self.flood {
            Flood::None => Ok(()),
            Flood::Offers => self.offer(),
            Flood::Handshakes => self.shake_hands(),
            Flood::ClientHellos => self.say_hello(),
            Flood::WrongPasswords => self.guess(),
            Flood::Strangers => self.babble(),
            Flood::MemberOffers => self.offer_again(),
            Flood::MemberKeyframes => {
                self.as_member(|member, now| member.peer.request_keyframe(now))
            }
            Flood::MemberMessages => self.as_member(|member, _| {
                // Where there is no room, the server sets the pace.
                let _ = member.peer.send_data(&[0]);
                Ok(())
            }),
            Flood::MemberChannels => {
                self.as_member(|member, now| member.peer.open_and_close_channel(now))
            }
            Flood::MemberMoves => self.as_member(|member, now| {
                member.peer.link.change_port()?;
                member.peer.send(now, 1)
            }),
        }
    }

    fn has_begun(&self) -> bool {
        self.flood == Flood::None || self.count.load(Ordering::Relaxed) > 0
    }

    /// Does something so many times a second until it is enough.
    fn pace(&self, rate: u64, mut once: impl FnMut(u64) -> Result<()>) -> Result<()> {
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

    fn offer_again(&self) -> Result<()> {
        let sdp = Peer::new(&self.certificate, Link::udp()?)?.offer()?;
        let lines = (0..STUCK).map(|_| Line::open(&self.address));
        let mut lines = lines.collect::<Result<Vec<_>>>()?;
        self.pace(STUCK as u64 * REOFFERS, |at| {
            let line = &mut lines[at as usize % STUCK];
            while line.hear().is_some() {}
            let sdp = sdp.clone();
            line.say(&ClientMessage::Offer { id: None, sdp })
        })
    }

    /// Does something as somebody who is in a call.
    fn as_member(&self, mut once: impl FnMut(&mut Caller, Instant) -> Result<()>) -> Result<()> {
        let joined = Caller::join(&self.address, &self.certificate, Link::udp()?, || Ok(()));
        let (mut member, _) = joined?;
        member.until("a call", |member| {
            member.peer.send(Instant::now(), 1)?;
            Ok(member.peer.has_channel() && member.peer.counts.returned > 0)
        })?;
        self.pace(self.datagrams, |_| {
            let now = Instant::now();
            once(&mut member, now)?;
            member.step(now)
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

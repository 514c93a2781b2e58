//! The network between the two ends: what it loses, duplicates, delays and translates, decided by a
//! seed. Of what datagrams carry it knows no more than their kind.
//!
//! The fate of the n-th datagram of a kind and a way depends on the seed and on n alone: where an end
//! that draws randomness of its own sends a check earlier or later, a handshake fares no differently.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ferrite_server::media::net::demux::{Kind, classify};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::narrow::Narrow;
use super::records::records;

/// One datagram under way.
#[derive(Clone, Debug)]
pub struct Datagram {
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// Which way a datagram goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Way {
    /// To the server.
    Up,
    /// From the server.
    Down,
}

/// What the link does to every datagram of one way.
#[derive(Clone, Copy, Debug)]
pub struct Conditions {
    pub delay: Duration,
    /// The share lost.
    pub loss: f64,
    /// The share that arrives twice.
    pub duplicate: f64,
    /// The share that is held up by as much as `held_up`, and overtaken.
    pub reorder: f64,
    pub held_up: Duration,
    /// In bits per second, where it is narrow.
    pub rate: Option<f64>,
}

impl Conditions {
    pub const PERFECT: Self = Self {
        delay: Duration::from_millis(20),
        loss: 0.0,
        duplicate: 0.0,
        reorder: 0.0,
        held_up: Duration::from_millis(60),
        rate: None,
    };

    pub fn narrow(rate: f64) -> Self {
        Self {
            rate: Some(rate),
            ..Self::PERFECT
        }
    }

    pub fn lossy(loss: f64) -> Self {
        Self {
            loss,
            ..Self::PERFECT
        }
    }

    pub fn reordering() -> Self {
        Self {
            reorder: 0.3,
            ..Self::PERFECT
        }
    }

    /// Everything at once.
    pub fn bad() -> Self {
        Self {
            loss: 0.05,
            duplicate: 0.1,
            reorder: 0.2,
            ..Self::PERFECT
        }
    }

    pub fn duplicating() -> Self {
        Self {
            duplicate: 0.5,
            ..Self::PERFECT
        }
    }
}

/// Replaces a datagram by any number of others, each held up by a time of its own.
pub type Tamper = Box<dyn FnMut(Way, Datagram) -> Vec<(Duration, Datagram)>>;

/// What becomes of one datagram.
struct Fate {
    duplicated: bool,
    copies: [Copy; 2],
}

struct Copy {
    lost: bool,
    held_up: Duration,
}

impl Fate {
    /// Draws as often whatever comes out.
    fn draw(rng: &mut StdRng, conditions: &Conditions) -> Self {
        let mut copy = || Copy {
            lost: rng.random_bool(conditions.loss),
            held_up: {
                let share: f64 = rng.random();
                let reordered = rng.random_bool(conditions.reorder);
                conditions
                    .held_up
                    .mul_f64(if reordered { share } else { 0.0 })
            },
        };
        let copies = [copy(), copy()];
        Self {
            duplicated: rng.random_bool(conditions.duplicate),
            copies,
        }
    }
}

/// The network.
pub struct Link {
    seed: u64,
    rngs: HashMap<(Way, Option<Kind>), StdRng>,
    pub up: Conditions,
    pub down: Conditions,
    /// Nothing passes.
    pub cut: bool,
    /// Looks at every datagram before its fate is decided.
    pub tamper: Option<Tamper>,
    /// A NAT in front of the far end: inside addresses and their present outside ones.
    nat: HashMap<SocketAddr, SocketAddr>,
    under_way: BTreeMap<Reverse<(Instant, u64)>, (Way, Datagram)>,
    sent: u64,
    narrow: HashMap<Way, Narrow>,
    /// The largest datagram the server sent.
    pub largest_down: usize,
    /// Datagrams put in, each way.
    pub count_up: u64,
    pub count_down: u64,
    /// Their bytes.
    pub bytes_up: usize,
    pub bytes_down: usize,
    /// Bytes to and from each address of the far end's side.
    pub bytes_to: HashMap<SocketAddr, u64>,
    pub bytes_from: HashMap<SocketAddr, u64>,
    start: Instant,
    /// `FERRITE_TRACE` is set: every datagram is printed.
    trace: bool,
}

/// The kind of a datagram, and of each DTLS record and handshake message in it.
fn summary(datagram: &[u8]) -> String {
    let mut text = format!("{:?} {}", classify(datagram), datagram.len());
    for record in records(datagram) {
        let _ = write!(text, " [{} epoch {}", record.content_type, record.epoch);
        if record.content_type == 22 && record.epoch == 0 {
            let _ = write!(
                text,
                " message {} {:?}",
                record.body[0],
                &record.body[1..12]
            );
        }
        text.push(']');
    }
    text
}

impl Link {
    pub fn new(now: Instant, seed: u64) -> Self {
        Self {
            start: now,
            trace: std::env::var_os("FERRITE_TRACE").is_some(),
            seed,
            rngs: HashMap::new(),
            up: Conditions::PERFECT,
            down: Conditions::PERFECT,
            cut: false,
            tamper: None,
            nat: HashMap::new(),
            under_way: BTreeMap::new(),
            sent: 0,
            narrow: HashMap::new(),
            largest_down: 0,
            count_up: 0,
            count_down: 0,
            bytes_up: 0,
            bytes_down: 0,
            bytes_to: HashMap::new(),
            bytes_from: HashMap::new(),
        }
    }

    pub fn set(&mut self, conditions: Conditions) {
        self.up = conditions;
        self.down = conditions;
    }

    /// From now on the NAT shows `inside` as `outside`; what was sent to its address before is lost.
    pub fn rebind(&mut self, inside: SocketAddr, outside: SocketAddr) {
        self.nat.insert(inside, outside);
    }

    pub fn send(&mut self, now: Instant, way: Way, datagram: Datagram) {
        match way {
            Way::Up => {
                self.count_up += 1;
                self.bytes_up += datagram.bytes.len();
                *self.bytes_from.entry(datagram.from).or_default() += datagram.bytes.len() as u64;
            }
            Way::Down => {
                self.count_down += 1;
                self.bytes_down += datagram.bytes.len();
                *self.bytes_to.entry(datagram.to).or_default() += datagram.bytes.len() as u64;
                self.largest_down = self.largest_down.max(datagram.bytes.len());
            }
        }
        match &mut self.tamper {
            Some(tamper) => {
                for (held_up, datagram) in tamper(way, datagram) {
                    self.decide(now + held_up, way, datagram);
                }
            }
            None => self.decide(now, way, datagram),
        }
    }

    fn decide(&mut self, now: Instant, way: Way, datagram: Datagram) {
        let Some(datagram) = self.translate(way, datagram) else {
            return;
        };
        let conditions = match way {
            Way::Up => self.up,
            Way::Down => self.down,
        };
        let kind = classify(&datagram.bytes);
        let own = (way as u64) << 8 | kind.map_or(9, |kind| kind as u64);
        let seed = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ own;
        let rng = self.rngs.entry((way, kind));
        let rng = rng.or_insert_with(|| StdRng::seed_from_u64(seed));
        let fate = Fate::draw(rng, &conditions);
        let copies = if fate.duplicated { 2 } else { 1 };
        for copy in &fate.copies[..copies] {
            let waits = match conditions.rate {
                Some(rate) => self.queue(now, way, rate, datagram.bytes.len()),
                None => Some(Duration::ZERO),
            };
            let lost = self.cut || copy.lost || waits.is_none();
            let held_up = copy.held_up + waits.unwrap_or_default();
            if self.trace {
                let fate = if lost { "lost" } else { "" };
                eprintln!(
                    "{:?} {way:?} {} {fate}",
                    now - self.start,
                    summary(&datagram.bytes)
                );
            }
            if !lost {
                self.sent += 1;
                let key = Reverse((now + conditions.delay + held_up, self.sent));
                self.under_way.insert(key, (way, datagram.clone()));
            }
        }
    }

    /// How long a datagram takes to pass the narrowest place; `None` where it is lost there.
    fn queue(&mut self, now: Instant, way: Way, rate: f64, bytes: usize) -> Option<Duration> {
        let narrow = self.narrow.entry(way).or_default();
        narrow.pass(now, rate, bytes).map(|passed| passed - now)
    }

    fn translate(&self, way: Way, mut datagram: Datagram) -> Option<Datagram> {
        match way {
            Way::Up => {
                if let Some(outside) = self.nat.get(&datagram.from) {
                    datagram.from = *outside;
                }
            }
            Way::Down => {
                let mut nat = self.nat.iter();
                if let Some((inside, _)) = nat.find(|(_, outside)| **outside == datagram.to) {
                    datagram.to = *inside;
                } else if self.nat.contains_key(&datagram.to) {
                    return None;
                }
            }
        }
        Some(datagram)
    }

    /// When the next datagram arrives.
    pub fn next_arrival(&self) -> Option<Instant> {
        let (Reverse((at, _)), _) = self.under_way.last_key_value()?;
        Some(*at)
    }

    /// The next datagram that has arrived by now.
    pub fn receive(&mut self, now: Instant) -> Option<(Way, Datagram)> {
        let next = self.next_arrival()?;
        if next > now {
            return None;
        }
        self.under_way.pop_last().map(|(_, arrived)| arrived)
    }
}

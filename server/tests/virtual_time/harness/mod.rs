//! The laboratory: two ends, the link between them, and the one clock all three follow.

pub mod bare;
pub mod browser;
pub mod caller;
pub mod checker;
pub mod cinema;
pub mod estimating;
pub mod festival;
pub mod film;
pub mod link;
pub mod narrow;
pub mod offer;
pub mod outlet;
pub mod pyramid;
pub mod records;
pub mod reel;
pub mod road;
pub mod sealed;
pub mod server_end;
pub mod shards;
pub mod surroundings;
pub mod theatre;
pub mod viewer;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use bare::Bare;
pub use browser::Browser;
pub use link::{Conditions, Datagram, Link, Way};
pub use server_end::ServerEnd;

/// An end opposite our server.
pub trait FarEnd {
    fn receive(&mut self, now: Instant, datagram: &Datagram);
    fn poll_transmit(&mut self) -> Option<Datagram>;
    fn poll_timeout(&self) -> Option<Instant>;
    fn handle_timeout(&mut self, now: Instant);
}

/// Everything there is.
pub struct World<F> {
    pub start: Instant,
    pub now: Instant,
    pub seed: u64,
    pub link: Link,
    pub server: ServerEnd,
    pub far: F,
    /// Steps taken without the clock moving on.
    standing: u32,
}

pub fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// The seed of a test: its own, or the one asked for.
pub fn seed(own: u64) -> u64 {
    let asked = std::env::var("FERRITE_SEED").ok();
    asked.map_or(own, |seed| seed.parse().unwrap())
}

/// The seeds of a test that plays several: so many, or as many as were asked for, or only the one asked for.
pub fn seeds(some: u64) -> Vec<u64> {
    if std::env::var_os("FERRITE_SEED").is_some() {
        return vec![seed(0)];
    }
    let asked = std::env::var("FERRITE_SEEDS").ok();
    (0..asked.map_or(some, |count| count.parse().unwrap())).collect()
}

impl<F: FarEnd> World<F> {
    pub fn new(seed: u64, far: impl FnOnce(Instant, u64) -> F) -> Self {
        let now = Instant::now();
        Self {
            start: now,
            now,
            seed,
            link: Link::new(now, seed),
            server: ServerEnd::new(now, seed, address("192.0.2.1:3478")),
            far: far(now, seed),
            standing: 0,
        }
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Lets time pass.
    pub fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.step(end) {}
    }

    /// Lets time pass until something is so; fails after `limit`. Returns how long it took.
    #[track_caller]
    pub fn run_until(
        &mut self,
        limit: Duration,
        what: &str,
        mut is_so: impl FnMut(&mut Self) -> bool,
    ) -> Duration {
        let (begin, end) = (self.now, self.now + limit);
        while !is_so(self) {
            assert!(
                self.step(end),
                "not within {limit:?}: {what}{}",
                self.describe()
            );
        }
        self.now - begin
    }

    /// Goes on to the next thing that happens, or to `end` where nothing happens before.
    pub fn step(&mut self, end: Instant) -> bool {
        self.pump();
        let due = [
            self.link.next_arrival(),
            self.server.poll_timeout(),
            self.far.poll_timeout(),
        ];
        let next = due.into_iter().flatten().min();
        let Some(next) = next.filter(|next| *next <= end) else {
            self.now = self.now.max(end);
            return false;
        };
        self.standing = if next > self.now {
            0
        } else {
            self.standing + 1
        };
        assert!(
            self.standing < 5000,
            "time stands still: due in {:?}{}",
            due.map(|due| due.map(|due| due.saturating_duration_since(self.now))),
            self.describe()
        );
        self.now = self.now.max(next);
        while let Some((way, datagram)) = self.link.receive(self.now) {
            match way {
                Way::Up => self.server.receive(self.now, &datagram),
                Way::Down => self.far.receive(self.now, &datagram),
            }
            self.pump();
        }
        self.server.handle_timeout(self.now);
        self.far.handle_timeout(self.now);
        self.pump();
        true
    }

    fn pump(&mut self) {
        while let Some(datagram) = self.server.poll_transmit() {
            self.link.send(self.now, Way::Down, datagram);
        }
        while let Some(datagram) = self.far.poll_transmit() {
            self.link.send(self.now, Way::Up, datagram);
        }
    }

    fn describe(&self) -> String {
        let mut text = format!("\nafter {:?}; the server's states:", self.elapsed());
        for (at, state) in &self.server.states {
            let _ = write!(text, "\n  {:?} {state:?}", *at - self.start);
        }
        text
    }
}

impl<F> Drop for World<F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let elapsed = self.now - self.start;
            eprintln!(
                "seed {} (FERRITE_SEED), {elapsed:?} virtual time",
                self.seed
            );
        }
    }
}

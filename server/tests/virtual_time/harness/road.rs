//! The way between a caller and the shards, both ways, where it loses and reorders.

use std::time::{Duration, Instant};

use rand::Rng;
use rand::rngs::StdRng;

use super::link::Datagram;

/// What becomes of a datagram on its way to the server: how long it is held up, or that it is lost. `None` leaves it to
/// the road.
pub type Fate = Box<dyn FnMut(&Datagram) -> Option<Option<Duration>>>;

/// One.
#[derive(Default)]
pub struct Road {
    /// The share lost, each way.
    pub loss: f64,
    /// The share that is held up, by as much as `held_up`, and overtaken.
    pub reorder: f64,
    pub held_up: Duration,
    /// Decides over what goes to the server.
    pub fate: Option<Fate>,
    /// To the caller, in the order they were sent.
    under_way: Vec<(Instant, Datagram)>,
}

impl Road {
    pub fn bad(loss: f64, reorder: f64) -> Self {
        Self {
            loss,
            reorder,
            held_up: Duration::from_millis(40),
            fate: None,
            under_way: Vec::new(),
        }
    }

    /// One that this decides over, and does nothing itself.
    pub fn with(fate: Fate) -> Self {
        Self {
            fate: Some(fate),
            ..Self::default()
        }
    }

    /// From now on nothing is lost or held up.
    pub fn repair(&mut self) {
        (self.loss, self.reorder) = (0.0, 0.0);
    }

    /// How long a datagram is held up on its way to the server; `None` where it is lost.
    pub fn up(&mut self, datagram: &Datagram, rng: &mut StdRng) -> Option<Duration> {
        let fate = self.fate.as_mut().and_then(|fate| fate(datagram));
        fate.unwrap_or_else(|| self.take(rng))
    }

    fn take(&self, rng: &mut StdRng) -> Option<Duration> {
        // As many draws whatever comes out.
        let (is_lost, is_held) = (rng.random_bool(self.loss), rng.random_bool(self.reorder));
        let share: f64 = rng.random();
        let held_up = self.held_up.mul_f64(if is_held { share } else { 0.0 });
        (!is_lost).then_some(held_up)
    }

    /// Sends one to the caller. Returns it where it is lost.
    pub fn down(&mut self, at: Instant, datagram: Datagram, rng: &mut StdRng) -> Option<Datagram> {
        let Some(held_up) = self.take(rng) else {
            return Some(datagram);
        };
        self.under_way.push((at + held_up, datagram));
        None
    }

    /// What has arrived by now.
    pub fn arrived(&mut self, now: Instant) -> Vec<Datagram> {
        let arrived = self.under_way.extract_if(.., |(at, _)| *at <= now);
        let mut arrived: Vec<_> = arrived.collect();
        arrived.sort_by_key(|(at, _)| *at);
        arrived.into_iter().map(|(_, datagram)| datagram).collect()
    }
}

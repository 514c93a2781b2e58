//! The relays there are now, for whoever looks after the server. Shards write here when a relay begins and ends, and
//! once a second what it has carried; never for a packet.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::meter::Payer;
use crate::media::net::path::Transport;

/// A relay as it is looked at.
#[derive(Debug)]
pub struct LiveRelay {
    /// Who has it, as it calls itself.
    pub username: Box<str>,
    /// By whom its bytes are counted.
    pub payer: Option<Payer>,
    /// Where its client is.
    pub client: SocketAddr,
    /// How its client comes.
    pub transport: Transport,
    /// Its own address.
    pub relayed: SocketAddr,
    /// The second in which it began.
    pub created: u64,
    /// What it has carried, both ways.
    bytes: AtomicU64,
    /// What was too much.
    held_back: AtomicU64,
}

impl LiveRelay {
    /// One that has carried nothing yet.
    pub(super) fn new(
        (username, payer): (&str, Option<Payer>),
        (client, transport): (SocketAddr, Transport),
        relayed: SocketAddr,
        created: u64,
    ) -> Self {
        Self {
            username: username.into(),
            payer,
            client,
            transport,
            relayed,
            created,
            bytes: AtomicU64::new(0),
            held_back: AtomicU64::new(0),
        }
    }

    /// What it has carried.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What it has not carried, as its user had relayed as much as it may.
    pub fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }
}

/// All of them, by numbers that grow.
#[derive(Debug, Default)]
pub struct LiveRelays {
    relays: Mutex<Relays>,
    /// What was too much of all, also of those that are over.
    held_back: AtomicU64,
}

#[derive(Debug, Default)]
struct Relays {
    next: u64,
    by_number: BTreeMap<u64, Arc<LiveRelay>>,
}

/// Some of them.
#[derive(Debug)]
pub struct LivePage {
    /// Those of this page with their numbers, the newest first.
    pub relays: Vec<(u64, Arc<LiveRelay>)>,
    /// How many there are on all.
    pub total: usize,
    /// Whether there are older ones.
    pub has_more: bool,
}

impl LiveRelays {
    /// One begins. It is over when what is returned is dropped.
    pub(super) fn enter(self: &Arc<Self>, relay: LiveRelay) -> Listed {
        let relay = Arc::new(relay);
        let mut relays = self.lock();
        let number = relays.next;
        relays.next += 1;
        relays.by_number.insert(number, relay.clone());
        Listed {
            number,
            relay,
            all: self.clone(),
        }
    }

    /// So many that began before the one of a number, or the newest.
    pub fn page(&self, before: Option<u64>, count: usize) -> LivePage {
        let relays = self.lock();
        let older = relays.by_number.range(..before.unwrap_or(u64::MAX)).rev();
        let mut older = older.map(|(number, relay)| (*number, relay.clone()));
        LivePage {
            relays: older.by_ref().take(count).collect(),
            total: relays.by_number.len(),
            has_more: older.next().is_some(),
        }
    }

    /// What relays have not carried since the start, as their users had relayed as much as they may.
    pub fn held_back(&self) -> u64 {
        self.held_back.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Relays> {
        // Every change is one insertion or removal.
        self.relays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A relay's place among them.
#[derive(Debug)]
pub(super) struct Listed {
    number: u64,
    relay: Arc<LiveRelay>,
    all: Arc<LiveRelays>,
}

impl Listed {
    /// Its client is elsewhere from now on.
    pub(super) fn move_to(&mut self, client: SocketAddr) {
        let relay = Arc::new(LiveRelay {
            username: self.relay.username.clone(),
            client,
            bytes: AtomicU64::new(self.relay.bytes()),
            held_back: AtomicU64::new(self.relay.held_back()),
            ..*self.relay
        });
        self.relay = relay.clone();
        self.all.lock().by_number.insert(self.number, relay);
    }

    /// Adds what it has carried since.
    pub(super) fn add(&self, bytes: u64) {
        self.relay.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Adds what it has not carried since.
    pub(super) fn hold_back(&self, bytes: u64) {
        if bytes > 0 {
            self.relay.held_back.fetch_add(bytes, Ordering::Relaxed);
            self.all.held_back.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.all.lock().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relay(name: &str) -> LiveRelay {
        let address: SocketAddr = "192.0.2.1:7".parse().unwrap();
        LiveRelay::new((name, None), (address, Transport::Udp), address, 5)
    }

    #[test]
    fn pages_begin_with_the_newest_and_go_on_where_they_ended() {
        let all = Arc::new(LiveRelays::default());
        let mut listed: Vec<_> = ["a", "b", "c", "d", "e"]
            .map(|name| all.enter(relay(name)))
            .into();
        let names = |page: &LivePage| {
            let names = page
                .relays
                .iter()
                .map(|(_, relay)| relay.username.to_string());
            names.collect::<String>()
        };
        let first = all.page(None, 2);
        assert_eq!(
            (names(&first).as_str(), first.total, first.has_more),
            ("ed", 5, true)
        );
        // Whoever ends, or comes, meanwhile moves no other.
        drop(listed.remove(2));
        listed.push(all.enter(relay("f")));
        let second = all.page(Some(first.relays[1].0), 2);
        assert_eq!(
            (names(&second).as_str(), second.total, second.has_more),
            ("ba", 5, false)
        );
        listed[0].add(7);
        assert_eq!(second.relays[1].1.bytes(), 7);
        drop(listed);
        let none = all.page(None, 2);
        assert_eq!(
            (none.relays.len(), none.total, none.has_more),
            (0, 0, false)
        );
    }
}

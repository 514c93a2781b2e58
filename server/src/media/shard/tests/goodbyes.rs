//! How shards end: none before the others' peers have said goodbye by what it has.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mio::Registry;
use mio::event::Event;
use tokio::sync::oneshot;

use crate::media::net::guest::Guest;
use crate::media::net::outbox::Transmit;
use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::sockets::{open, probe};
use crate::media::net::tcp::Detached;
use crate::media::shard::mailbox::Mail;
use crate::media::shard::shards::Shards;
use crate::media::shard::thread::Prepared;

/// A guest that does this with whatever peers send by its relays, and with nothing each time that all was given to it.
struct Relays(Box<Relay>);

type Relay = dyn FnMut(Option<&Transmit>) + Send;

impl Guest for Relays {
    fn arrive(&mut self, _: Registry, _: Arc<AtomicU64>) {}

    fn take<'a>(
        &mut self,
        _: Instant,
        _: &FourTuple,
        _: &'a [u8],
    ) -> Option<(FourTuple, &'a [u8])> {
        None
    }

    fn poll_handed_over(&mut self) -> Option<(usize, FourTuple, BytesMut)> {
        None
    }

    fn take_handed_over<'a>(
        &mut self,
        _: Instant,
        _: &FourTuple,
        _: &'a [u8],
    ) -> Option<(FourTuple, &'a [u8])> {
        None
    }

    fn shard_of(&self, _: &FourTuple) -> Option<usize> {
        Some(RELAYING)
    }

    fn take_own(&mut self, _: Instant, transmit: &Transmit) {
        (self.0)(Some(transmit));
    }

    fn take_over(&mut self, _: &mut dyn FnMut(&FourTuple) -> Option<Detached>) {}

    fn handle_closed(&mut self, _: &FourTuple) {}

    fn note(&mut self, _: &Event) {}

    fn receive(&mut self, _: Instant) -> usize {
        0
    }

    fn has_unread(&self) -> bool {
        false
    }

    fn send(&mut self) {
        (self.0)(None);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        None
    }

    fn poll_introduction(&mut self) -> Option<FourTuple> {
        None
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: Instant) {}

    fn relays(&self) -> usize {
        0
    }

    fn start_over(&mut self) {}
}

/// The shard that has the relays.
const RELAYING: usize = 1;

/// How long shards may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Two shards that run.
struct Running {
    shards: Shards,
    threads: Vec<JoinHandle<()>>,
    port: u16,
}

impl Running {
    fn new(relay: impl FnMut(Option<&Transmit>) + Clone + Send + 'static) -> Self {
        let local = IpAddr::from(Ipv4Addr::LOCALHOST);
        let (port, opened) = loop {
            let port = probe(0, &[local]).unwrap();
            match open(&port, 2) {
                Ok(opened) => break (port.number, opened),
                // Somebody took it between the two.
                Err(error) => assert_eq!(error.kind(), ErrorKind::AddrInUse),
            }
        };
        let made = opened.into_iter().map(|opened| {
            let (mut shard, mailbox) = Prepared::new(opened, port).unwrap();
            let guest = Relays(Box::new(relay.clone()));
            shard.host(Box::new(guest), Arc::default()).unwrap();
            (shard, mailbox)
        });
        let (prepared, mailboxes): (Vec<_>, Vec<_>) = made.unzip();
        let shards = Shards::new(mailboxes);
        let threads = prepared.into_iter().enumerate().map(|(index, shard)| {
            let shards = shards.clone();
            std::thread::spawn(move || shard.run(index, shards, Arc::default()))
        });
        Self {
            threads: threads.collect(),
            shards,
            port,
        }
    }

    fn send(&self, shard: usize, mail: Mail) {
        assert!(self.shards.send(shard, mail).is_ok());
    }

    /// Sends a peer's words by the relay.
    fn relay(&self, data: &[u8]) {
        let path = FourTuple {
            transport: Transport::Relayed,
            local: (Ipv4Addr::LOCALHOST, self.port).into(),
            remote: (Ipv4Addr::LOCALHOST, 50_000).into(),
        };
        let data = BytesMut::from(data);
        self.send(RELAYING, Mail::Relay { path, data });
    }

    fn join(self) {
        let begun = Instant::now();
        while !self.threads.iter().all(JoinHandle::is_finished) {
            assert!(begun.elapsed() < PATIENCE, "a shard does not end");
            std::thread::yield_now();
        }
        let threads = self.threads.into_iter();
        threads.for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn a_goodbye_goes_by_a_relay_of_a_shard_that_was_told_to_end_before() {
    let heard = Arc::new(AtomicUsize::new(0));
    let counted = heard.clone();
    let running = Running::new(move |transmit| {
        let datagrams = transmit.map_or(0, |it| it.datagrams().count());
        counted.fetch_add(datagrams, Ordering::Relaxed);
    });
    running.send(RELAYING, Mail::Shutdown);
    // Whatever it does with that it has done then.
    for _ in 0..3 {
        let (answer, answered) = oneshot::channel();
        running.send(RELAYING, Mail::Count(answer));
        let _ = answered.blocking_recv();
    }
    // As the other does for its peers before it parts.
    running.relay(&[21, 0xFE, 0xFD]);
    running.send(0, Mail::Shutdown);
    running.join();
    assert_eq!(heard.load(Ordering::Relaxed), 1);
}

#[test]
fn a_shard_that_panics_as_it_leaves_keeps_nobody_waiting() {
    let (here, is_here) = mpsc::channel();
    let (go, goes) = mpsc::channel();
    let goes = Arc::new(Mutex::new(goes));
    let mut turns_left = None;
    let running =
        Running::new(
            move |transmit| match (transmit.map(|it| it.data.first()), turns_left) {
                (Some(Some(b'w')), _) => {
                    let _ = here.send(());
                    let _ = goes.lock().unwrap().recv();
                }
                (Some(_), _) => turns_left = Some(1),
                (None, Some(0)) => {
                    turns_left = None;
                    let _ = here.send(());
                    panic!("on purpose");
                }
                (None, left) => turns_left = left.map(|left| left - 1),
            },
        );
    // The shard finds both at once. The first turn after that is the loop's, and the second the farewell's own.
    running.relay(b"wait");
    is_here.recv().unwrap();
    running.send(RELAYING, Mail::Shutdown);
    running.relay(b"panic");
    go.send(()).unwrap();
    running.send(0, Mail::Shutdown);
    running.join();
    assert!(is_here.recv().is_ok());
}

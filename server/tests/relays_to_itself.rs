//! Who reaches the server by a relay of the server's own is served as any other, on whichever thread it lives, and
//! its relay needs no socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_server::behaviour::Echo;
use ferrite_server::media::{MediaConfig, MediaPlane, PeerOptions};
use ferrite_server::turn::access::Access;
use ferrite_server::turn::start::{TurnConfig, TurnServers};

use crate::support::PATIENCE;
use crate::support::native::Native;
use crate::support::relay::Relay;

mod support;

/// Threads wait for each other at least as long.
const FAREWELL: Duration = Duration::from_millis(500);

fn servers() -> Arc<TurnServers> {
    Arc::new(TurnServers::new(TurnConfig {
        secrets: Vec::new(),
        // Should one be opened, the tests beside this one would find out.
        relay_ports: 1..=1000,
        tcp_relays: false,
        bandwidth: None,
        shared_port: None,
        access: Access::default(),
        external_ips: Vec::new(),
        interfaces: Vec::new(),
        turns: None,
        second_port: None,
        others: tokio::sync::watch::channel(Vec::new()).1,
    }))
}

fn plane(servers: &TurnServers) -> MediaPlane {
    let config = MediaConfig {
        shards: 4,
        ..MediaConfig::default()
    };
    MediaPlane::start_with(config, |port, shard| Some(servers.guest(port, shard))).unwrap()
}

#[test]
fn peers_behind_relays_are_heard_and_hear_wherever_they_live() {
    let servers = servers();
    let plane = plane(&servers);
    // With its credentials a relay ends; and who comes from the port of one that was here finds theirs there.
    let mut peers = Vec::new();
    for number in 0..12 {
        let issued = servers.credentials().issue();
        let (handle, events) = plane.create_peer(PeerOptions {
            session: format!("{number}").as_str().into(),
            loopback: true,
            behaviour: Box::new(Echo),
            trace: None,
        });
        let mut native = Native::through(Relay::open(plane.port(), &issued));
        // The second offer gives the peer a thread before its first check, whichever that lands on.
        for _ in 0..1 + number % 2 {
            let offer = native.offer();
            let answered = handle.offer(&offer, &HashMap::new(), |_| Arc::default());
            native.take_answer(&answered.unwrap().sdp);
        }
        native.run_until("a channel", Native::is_open);
        native.echo(&[number; 1000]);
        native.run_until("its sound to come back", |native| native.frames > 10);
        peers.push((native, handle, events, issued));
    }
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    // A thread that is busy is not waited for, and not counted.
    let begun = Instant::now();
    while runtime.block_on(plane.holdings()).relays != peers.len() {
        assert!(begun.elapsed() < PATIENCE, "relays ended");
    }
    let begun = Instant::now();
    runtime.block_on(plane.shutdown());
    // On a machine where a thread has no turn for longer the others do not wait for what its peers say.
    if begun.elapsed() < FAREWELL {
        for (native, ..) in &mut peers {
            native.run_until("a goodbye by its relay", |native| native.alerts > 0);
        }
    }
}

//! A bug that one peer meets ends no more than that peer where it panics, and it is said what it was
//! doing; a shard that hangs keeps the others from nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Instant;

use ferrite_server::behaviour::Echo;
use ferrite_server::media::{
    Behaviour, MediaConfig, MediaPlane, Peer, PeerEvent, PeerHandle, PeerOptions, PeerOutput,
};
use tokio::sync::mpsc;

use crate::support::PATIENCE;
use crate::support::native::Native;

mod support;

/// An echo with bugs: some messages make it panic, or never come back.
struct Buggy {
    /// The thread it was last seen on.
    shard: Arc<Mutex<String>>,
}

impl Behaviour for Buggy {
    fn handle(&mut self, now: Instant, peer: &mut Peer, output: PeerOutput) {
        if let PeerOutput::Data { data, .. } = &output {
            let thread = std::thread::current();
            thread
                .name()
                .unwrap()
                .clone_into(&mut self.shard.lock().unwrap());
            match &data[..] {
                b"panic" => panic!("on purpose"),
                b"hang" => {
                    "nowhere".clone_into(&mut self.shard.lock().unwrap());
                    loop {
                        std::thread::park();
                    }
                }
                _ => {}
            }
        }
        Echo.handle(now, peer, output);
    }
}

/// A peer that is connected, and where.
struct Caller {
    native: Native,
    handle: PeerHandle,
    events: mpsc::Receiver<PeerEvent>,
    shard: String,
    is_now: Arc<Mutex<String>>,
}

impl Caller {
    fn call(plane: &MediaPlane, session: &str) -> Self {
        let shard = Arc::new(Mutex::new(String::new()));
        let (handle, events) = plane.create_peer(PeerOptions {
            session: session.into(),
            loopback: true,
            behaviour: Box::new(Buggy {
                shard: shard.clone(),
            }),
            trace: None,
        });
        let mut native = Native::new();
        let offer = native.offer();
        let answered = handle.offer(&offer, &HashMap::new(), |_| Arc::default());
        native.take_answer(&answered.unwrap().sdp);
        native.run_until("a channel", Native::is_open);
        native.echo(b"where am I");
        let is_now = shard;
        let shard = is_now.lock().unwrap().clone();
        Self {
            native,
            handle,
            events,
            shard,
            is_now,
        }
    }

    /// Calls until the kernel gives the path to the right shard.
    fn call_on(plane: &MediaPlane, session: &str, right: impl Fn(&str) -> bool) -> Self {
        let begin = Instant::now();
        loop {
            let caller = Self::call(plane, session);
            if right(&caller.shard) {
                return caller;
            }
            assert!(begin.elapsed() < PATIENCE, "never on the right shard");
        }
    }

    /// Waits for the last of what its session is told.
    fn is_ended(&mut self) {
        while self.events.blocking_recv().is_some() {}
    }
}

fn plane() -> MediaPlane {
    MediaPlane::start(MediaConfig {
        shards: 2,
        ..MediaConfig::default()
    })
    .unwrap()
}

/// Returns how many shards did not end.
fn shut_down(plane: &MediaPlane) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_time().build().unwrap();
    runtime.block_on(plane.shutdown())
}

/// Everything this program logs.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().json();
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    })
}

impl Log {
    /// The fields of the events with this message.
    fn events(&self, message: &str) -> Vec<serde_json::Value> {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let events = log.lines().map(|line| serde_json::from_str(line).unwrap());
        let fields = events.map(|event: serde_json::Value| event["fields"].clone());
        fields
            .filter(|fields| fields["message"] == message)
            .collect()
    }
}

#[test]
fn a_panic_ends_its_peer_and_is_logged_and_the_calls_of_its_shard_go_on() {
    let log = log();
    let plane = plane();
    let mut broken = Caller::call(&plane, "broken");
    let on_its_shard = |shard: &str| shard == broken.shard;
    let mut neighbour = Caller::call_on(&plane, "neighbour", on_its_shard);
    broken.native.send(b"panic");
    broken.is_ended();
    neighbour.native.echo(b"still here");
    let frames = neighbour.native.frames;
    let more = |native: &Native| native.frames > frames + 10;
    neighbour.native.run_until("sound comes back", more);
    let began = Instant::now();
    // Those that landed on the wrong shard may still be on their way out.
    while plane.peers() > 1 && began.elapsed() < PATIENCE {
        neighbour.native.echo(b"still here");
    }
    assert_eq!(plane.peers(), 1);

    let events = log.events("a peer panicked and is removed");
    let [event] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(event["session"], "broken");
    assert_eq!(event["activity"], "passing on what a peer gave out");
    assert_eq!(format!("shard-{}", event["shard"]), broken.shard);
    assert_eq!(shut_down(&plane), 0);
}

#[test]
fn a_shard_that_hangs_and_takes_no_more_commands_does_not_keep_the_others_from_closing() {
    log();
    let plane = plane();
    let mut survivor = Caller::call_on(&plane, "survivor", |shard| shard == "shard-1");
    let mut stuck = Caller::call_on(&plane, "stuck", |shard| shard == "shard-0");
    stuck.native.send(b"hang");
    let is_now = stuck.is_now.clone();
    let hangs = |_: &Native| *is_now.lock().unwrap() == "nowhere";
    stuck.native.run_until("it hangs", hangs);
    // More than its mailbox takes.
    for _ in 0..5000 {
        stuck.handle.close();
    }
    // Waits for that one as long as it waits for any, and then for none.
    assert_eq!(shut_down(&plane), 1);
    survivor.is_ended();
}

#[test]
fn shards_that_are_well_end_by_themselves_and_none_is_given_up() {
    let plane = plane();
    let mut caller = Caller::call(&plane, "well");
    assert_eq!(shut_down(&plane), 0);
    caller.is_ended();
}

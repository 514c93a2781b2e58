//! Members of a room on the real threads of the media plane hear one another, by peers that share no code
//! with the server.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use ferrite_protocol::Pressure;
use ferrite_server::media::rtp::packet::MediaPacket;
use ferrite_server::media::{
    Behaviour, MediaConfig, MediaPlane, Peer, PeerEvent, PeerHandle, PeerOptions, PeerOutput, Plan,
    Shown, TrackId,
};
use tokio::sync::mpsc;

use crate::support::native::Native;

mod support;

/// Notes on which thread somebody's sound is taken.
struct Noting(Arc<Mutex<String>>);

impl Behaviour for Noting {
    fn tap(&mut self, _: Instant, _: &MediaPacket) {
        let thread = std::thread::current();
        thread
            .name()
            .unwrap()
            .clone_into(&mut self.0.lock().unwrap());
    }

    fn handle(&mut self, _: Instant, _: &mut Peer, _: PeerOutput) {}
}

struct Member {
    native: Native,
    handle: PeerHandle,
    _events: mpsc::Receiver<PeerEvent>,
    shard: String,
}

/// Publishes this track on the first section, and shows that.
fn plan(publishes: u64, shows: Option<u64>) -> Arc<Plan> {
    let shown = |track| (0, Shown::at_best(TrackId::of_publication(track)));
    Arc::new(Plan::Room {
        publishes: vec![(0, TrackId::of_publication(publishes))],
        shows: shows.into_iter().map(shown).collect(),
        talk: None,
        pressure: Pressure::default(),
    })
}

impl Member {
    /// Enters, and waits until its sound is heard.
    fn enter(plane: &MediaPlane, number: u64) -> Self {
        let shard = Arc::new(Mutex::new(String::new()));
        let (handle, events) = plane.create_peer(PeerOptions {
            session: "test".into(),
            loopback: true,
            behaviour: Box::new(Noting(shard.clone())),
            trace: None,
        });
        let mut native = Native::new();
        let offer = native.offer();
        let answered = handle.offer(&offer, &HashMap::new(), |session| {
            assert_eq!(session.sections.len(), 2);
            plan(number, None)
        });
        native.take_answer(&answered.unwrap().sdp);
        let is_heard = |_: &Native| !shard.lock().unwrap().is_empty();
        native.run_until("its sound to be heard", is_heard);
        assert_eq!(native.frames, 0, "nobody is shown to it");
        let shard = shard.lock().unwrap().clone();
        Self {
            native,
            handle,
            _events: events,
            shard,
        }
    }
}

/// Members on two threads, three of them in all.
fn members(plane: &MediaPlane) -> Vec<Member> {
    let mut members: Vec<Member> = Vec::new();
    for number in 0..200 {
        members.push(Member::enter(plane, number));
        let others = members
            .iter()
            .filter(|member| member.shard != members[0].shard);
        if others.count() > 0 && members.len() > 2 {
            return members;
        }
    }
    panic!("the kernel gives every path to one thread");
}

/// Everybody goes on until each of them that is to hear something heard a lot.
fn all_hear(members: &mut [Member], is_to_hear: impl Fn(usize) -> bool) {
    let deaf = AtomicUsize::new((0..members.len()).filter(|at| is_to_hear(*at)).count());
    std::thread::scope(|scope| {
        for (at, member) in members.iter_mut().enumerate() {
            let (deaf, mut is_deaf) = (&deaf, is_to_hear(at));
            let before = member.native.frames;
            scope.spawn(move || {
                member.native.run_until("everybody to hear", |native| {
                    if is_deaf && native.frames > before + 20 {
                        is_deaf = false;
                        deaf.fetch_sub(1, Ordering::Relaxed);
                    }
                    deaf.load(Ordering::Relaxed) == 0
                });
            });
        }
    });
}

#[tokio::test]
async fn members_hear_one_another_whichever_threads_they_are_on() {
    let plane = MediaPlane::start(MediaConfig {
        shards: 2,
        ..MediaConfig::default()
    });
    let plane = plane.unwrap();
    let mut members = members(&plane);
    let count = members.len() as u64;
    for (number, member) in (0..).zip(&members) {
        let next = plan(number, Some((number + 1) % count));
        member.handle.set_plan(next).unwrap();
    }
    all_hear(&mut members, |_| true);
    // All hear one, who moves to another peer connection, on whichever thread.
    for (number, member) in (1..).zip(&members[1..]) {
        member.handle.set_plan(plan(number, Some(0))).unwrap();
    }
    members[0].handle.set_plan(plan(0, None)).unwrap();
    all_hear(&mut members, |at| at > 0);
    members[0] = Member::enter(&plane, 0);
    all_hear(&mut members, |at| at > 0);
    assert_eq!(plane.holdings().await.uncrossed, 0);
    drop(members);
    plane.shutdown().await;
}

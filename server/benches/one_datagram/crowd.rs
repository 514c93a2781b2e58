//! Datagrams of a member of a room of 500, all of them on one shard: messages on the lossy channel, which go to
//! everybody. Each turn is timed: the one that a datagram is taken in, and those after it that its messages take.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_protocol::{ClientData, Pressure};
use ferrite_server::behaviour::Echo;
use ferrite_server::media::id::PeerId;
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::plan::Revision;
use ferrite_server::media::shard::core::ShardCore;
use ferrite_server::media::shard::directory::Directory;
use ferrite_server::media::{Gathering, Plan, Talk};

use crate::harness::bare::SERVER;
use crate::harness::caller::{Caller, LOSSY, RELIABLE, Sends, Talker};
use crate::harness::link::Datagram;
use crate::harness::offer::Section;
use crate::harness::outlet::Sent;
use crate::harness::shards::answered;
use crate::harness::{Bare, FarEnd, address};
use crate::{Sample, Table, cpu};

const MEMBERS: usize = 500;
const SAMPLES: usize = 60;
const STEP: Duration = Duration::from_millis(10);

struct Crowd {
    now: Instant,
    core: ShardCore,
    out: Sent,
    callers: Vec<Caller>,
}

impl Crowd {
    fn new() -> Self {
        let (now, directory) = (Instant::now(), Arc::<Directory>::default());
        let gathering = Gathering::default();
        let callers = (0..MEMBERS).map(|member| {
            let id = PeerId(member as u64 + 1);
            let mut far = Bare::new(now);
            far.address = place(member);
            let sections = [Section::Data { mid: "0" }];
            let (mut resident, session) = answered(now, id, &mut far, &sections, Box::new(Echo));
            let plan = Plan::Room {
                publishes: Vec::new(),
                shows: Vec::new(),
                talk: Some(Arc::new(Talk {
                    gathering: gathering.clone(),
                    participant: format!("member-{member}").into(),
                    may_send: true,
                })),
                pressure: Pressure::default(),
            };
            resident.set_plan(Revision {
                number: 1,
                plan: Arc::new(plan),
            });
            directory.insert(resident);
            let mut caller = Caller::new(now, id, far, session, Sends::Messages);
            caller.talker = Some(Talker::default());
            caller
        });
        let mut crowd = Self {
            now,
            callers: callers.collect(),
            core: ShardCore::new(now, 0, 1, directory.clone()),
            out: Sent {
                kept: Some(Vec::new()),
                count: 0,
            },
        };
        (0..300).for_each(|_| crowd.step());
        crowd
    }

    fn step(&mut self) {
        self.now += STEP;
        for at in 0..self.callers.len() {
            self.callers[at].play(self.now);
            self.take_from(at);
        }
        if self.core.poll_timeout() <= self.now {
            self.core.handle_timeout(self.now, &mut self.out);
        }
        self.hand_out();
    }

    /// Takes what a caller sends, each datagram in a turn of its own. Says how long that took and how many bytes.
    fn take_from(&mut self, caller: usize) -> (Duration, usize) {
        let (mut time, mut bytes) = (Duration::ZERO, 0);
        while let Some(datagram) = self.callers[caller].far.poll_transmit() {
            let path = FourTuple {
                transport: Transport::Udp,
                local: address(SERVER),
                remote: datagram.from,
            };
            bytes += datagram.bytes.len();
            let began = cpu();
            let batch = [(path, &datagram.bytes[..])];
            (self.core).handle_datagrams(self.now, batch, &mut self.out);
            time += cpu() - began;
        }
        (time, bytes)
    }

    fn hand_out(&mut self) {
        for (path, bytes) in self.out.kept.replace(Vec::new()).into_iter().flatten() {
            let caller = &mut self.callers[member_at(path.remote)];
            let datagram = Datagram {
                from: path.local,
                to: path.remote,
                bytes,
            };
            caller.far.receive(self.now, &datagram);
        }
    }

    /// One member says so many things in one datagram.
    fn say(&mut self, channel: usize, messages: usize, to: Option<Vec<&str>>) -> Sample {
        // As many as are allowed may be said again.
        (0..120).for_each(|_| self.step());
        let now = self.now;
        for _ in 0..messages {
            let message = ClientData {
                to: to.clone(),
                topic: "",
                payload: b"x",
            };
            let talker = self.callers[0].talker.as_mut().unwrap();
            talker.send(now, channel, message.encode().unwrap());
        }
        self.callers[0].play(now);
        let (mut time, bytes) = self.take_from(0);
        let mut total = time;
        while self.core.poll_timeout() <= now {
            let began = cpu();
            self.core.handle_timeout(now, &mut self.out);
            let turn = cpu() - began;
            (time, total) = (time.max(turn), total + turn);
        }
        let receivers: std::collections::HashSet<_> = self
            .out
            .kept
            .iter()
            .flatten()
            .map(|(path, _)| path.remote)
            .collect();
        Sample {
            time,
            total,
            bytes,
            receivers: receivers.len(),
        }
    }
}

/// Everybody is somewhere else.
fn place(member: usize) -> SocketAddr {
    SocketAddr::from(([203, 0, (member >> 8) as u8, member as u8], 20_000))
}

fn member_at(place: SocketAddr) -> usize {
    match place {
        SocketAddr::V4(place) => {
            let [_, _, high, low] = place.ip().octets();
            usize::from(high) << 8 | usize::from(low)
        }
        SocketAddr::V6(_) => usize::MAX,
    }
}

pub fn measure(table: &mut Table) {
    let names: Vec<_> = (1..=250).map(|at| format!("member-{at}")).collect();
    let one = |name: &'static str| (name, 1, None);
    let few = Some(names.iter().map(String::as_str).take(30).collect());
    let kinds = [
        one("room of 500: a lossy message to all"),
        (
            "room of 500: lossy messages to all, as many as allowed",
            25,
            None,
        ),
        (
            "room of 500: lossy messages to 30 each, as many as fit",
            3,
            few,
        ),
    ];
    let kinds: Vec<_> = kinds.into_iter().filter(|it| table.wants(it.0)).collect();
    if kinds.is_empty() {
        return;
    }
    let mut crowd = Crowd::new();
    for (name, messages, to) in kinds {
        table.row(name, SAMPLES, || crowd.say(LOSSY, messages, to.clone()));
    }
}

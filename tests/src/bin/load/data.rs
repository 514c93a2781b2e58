//! Members who send one another bytes on data channels beside everybody else's media: native peers, a few of each room, on
//! a thread of their own. Each checks what it gets.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow};
use ferrite_tests::load::rooms::Histogram;
use ferrite_tests::native::{Data, Delivery, NativeRoom, News};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::options::Options;

/// The payload of a message: its number, when it was sent, and what fills it up.
const LENGTH: usize = 200;

/// What is under way arrives within this.
const REST: Duration = Duration::from_millis(1500);

const TOPIC: &str = "load";

/// What they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Wait,
    Send,
    End,
}

/// Of one channel, over all members.
#[derive(Clone, Debug, Default)]
pub(crate) struct Delivered {
    pub(crate) sent: u64,
    /// How many were to come: what one sends comes to each of the others.
    pub(crate) expected: u64,
    pub(crate) came: u64,
    /// What came before one that was sent earlier, or twice.
    pub(crate) disordered: u64,
    /// From one member's send call to the other's hearing of it.
    pub(crate) latency: Histogram,
}

impl Delivered {
    pub(crate) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.came)
    }

    fn add(&mut self, more: &Self) {
        self.sent += more.sent;
        self.expected += more.expected;
        self.came += more.came;
        self.disordered += more.disordered;
        self.latency.add(&more.latency);
    }
}

/// Of both.
#[derive(Clone, Debug, Default)]
pub(crate) struct DataFigures {
    pub(crate) reliable: Delivered,
    pub(crate) lossy: Delivered,
}

impl DataFigures {
    fn of(&mut self, delivery: Delivery) -> &mut Delivered {
        match delivery {
            Delivery::Reliable => &mut self.reliable,
            Delivery::Lossy => &mut self.lossy,
        }
    }
}

/// All members.
pub(crate) struct Members {
    wanted: usize,
    present: Arc<AtomicUsize>,
    phase: watch::Sender<Phase>,
    thread: JoinHandle<Result<DataFigures>>,
}

impl Members {
    /// They begin to enter. `None` where nobody is to send anything.
    pub(crate) fn enter(address: &str, options: &Options) -> Option<Self> {
        if options.data_per_second <= 0.0 {
            return None;
        }
        let wanted = (options.rooms * options.data_members) as usize;
        let interval = Duration::from_secs_f64(wanted as f64 / options.data_per_second);
        let (phase, present) = (watch::Sender::new(Phase::Wait), Arc::default());
        let all: Vec<_> = (0..options.rooms)
            .flat_map(|room| (0..options.data_members).map(move |member| (room, member)))
            .map(|(room, member)| Member {
                address: address.to_owned(),
                room: format!("load-{room}"),
                name: format!("data-{member}"),
                others: u64::from(options.data_members) - 1,
                interval,
                phase: phase.subscribe(),
                present: Arc::clone(&present),
            })
            .collect();
        Some(Self {
            wanted,
            present,
            phase,
            thread: std::thread::spawn(move || live(all)),
        })
    }

    /// Whether all are in, or cannot be.
    pub(crate) fn are_in(&self) -> bool {
        self.thread.is_finished() || self.present.load(Ordering::Relaxed) == self.wanted
    }

    pub(crate) fn start(&self) {
        self.phase.send_replace(Phase::Send);
    }

    /// They send no more, and leave once what is under way has come.
    pub(crate) fn stop(&self) {
        self.phase.send_replace(Phase::End);
    }

    pub(crate) fn have_left(&self) -> bool {
        self.thread.is_finished()
    }

    pub(crate) fn figures(self) -> Result<DataFigures> {
        let figures = self.thread.join();
        figures.map_err(|_| anyhow!("the thread of those who send data panicked"))?
    }
}

fn live(members: Vec<Member>) -> Result<DataFigures> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut tasks: JoinSet<_> = members.into_iter().map(Member::live).collect();
        let mut all = DataFigures::default();
        // The first who fails ends it for all.
        while let Some(figures) = tasks.join_next().await {
            let figures = figures??;
            all.reliable.add(&figures.reliable);
            all.lossy.add(&figures.lossy);
        }
        Ok(all)
    })
}

struct Member {
    address: String,
    room: String,
    name: String,
    others: u64,
    /// Between two messages.
    interval: Duration,
    phase: watch::Receiver<Phase>,
    present: Arc<AtomicUsize>,
}

impl Member {
    async fn live(mut self) -> Result<DataFigures> {
        let (address, room) = (&self.address, &self.room);
        let mut room = NativeRoom::enter_for_data(address, room, &self.name, None).await?;
        self.present.fetch_add(1, Ordering::Relaxed);
        let mut check = Check::default();
        while *self.phase.borrow() == Phase::Wait {
            tokio::select! {
                changed = self.phase.changed() => changed?,
                news = room.next() => drop(news?),
            }
        }
        let mut next = Instant::now();
        while *self.phase.borrow() == Phase::Send {
            tokio::select! {
                changed = self.phase.changed() => changed?,
                news = room.next() => check.note(&news?),
                () = sleep_until(next) => {
                    // One after the other.
                    for delivery in [Delivery::Reliable, Delivery::Lossy] {
                        let sent = check.sent(delivery, self.others);
                        room.send_data(delivery, None, TOPIC, &sent).await?;
                    }
                    next += 2 * self.interval;
                }
            }
        }
        let end = Instant::now() + REST;
        loop {
            tokio::select! {
                news = room.next() => check.note(&news?),
                () = sleep_until(end) => break,
            }
        }
        room.leave().await?;
        Ok(check.found)
    }
}

/// What one of them sent and got.
#[derive(Default)]
struct Check {
    found: DataFigures,
    /// What each of the others is to send next, on either channel.
    next: HashMap<(String, bool), u64>,
}

impl Check {
    /// The next message.
    fn sent(&mut self, delivery: Delivery, others: u64) -> Vec<u8> {
        let of = self.found.of(delivery);
        let mut message = of.sent.to_be_bytes().to_vec();
        message.extend_from_slice(&now().to_be_bytes());
        message.resize(LENGTH, 0x5A);
        of.sent += 1;
        of.expected += others;
        message
    }

    fn note(&mut self, news: &News) {
        if let News::Data(data) = news
            && data.topic == TOPIC
        {
            self.take(data, now());
        }
    }

    fn take(&mut self, data: &Data, now: u64) {
        let number = |at: usize| {
            let bytes = data.payload.get(at..).and_then(|rest| rest.first_chunk());
            bytes.map_or(0, |bytes| u64::from_be_bytes(*bytes))
        };
        let key = (data.from.0.clone(), data.delivery == Delivery::Lossy);
        let next = self.next.entry(key).or_default();
        let of = self.found.of(data.delivery);
        of.came += 1;
        of.disordered += u64::from(number(0) < *next);
        *next = (number(0) + 1).max(*next);
        let took = now.saturating_sub(number(8));
        of.latency.note(Duration::from_nanos(took));
    }
}

/// In nanoseconds since 1970: all members are of one machine.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc;

    use ferrite_protocol::ParticipantId;
    use ferrite_tests::wait;

    use super::*;

    #[test]
    fn one_who_cannot_come_in_ends_it_for_all() {
        let [mute, closed] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [at_mute, at_closed] = [&mute, &closed].map(|it| it.local_addr().unwrap().to_string());
        drop(closed);
        let phase = watch::Sender::new(Phase::Wait);
        let member = |address: String| Member {
            address,
            room: "tea".to_owned(),
            name: "Ann".to_owned(),
            others: 1,
            interval: REST,
            phase: phase.subscribe(),
            present: Arc::default(),
        };
        // The first is accepted, and never answered.
        let members = [at_mute, at_closed].map(member).into();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || tell.send(live(members).is_err()));
        assert_eq!(told.recv_timeout(wait::PATIENCE), Ok(true));
    }

    #[test]
    fn finds_what_is_lost_and_what_comes_out_of_order() {
        let (mut sender, mut receiver) = (Check::default(), Check::default());
        let messages = [0; 4].map(|_| sender.sent(Delivery::Reliable, 1));
        for at in [0, 2, 1] {
            let data = Data {
                delivery: Delivery::Reliable,
                from: ParticipantId("p1".to_owned()),
                is_private: false,
                topic: TOPIC.to_owned(),
                payload: messages[at].clone(),
            };
            receiver.take(&data, now());
        }
        let mut both = sender.found.reliable;
        both.add(&receiver.found.reliable);
        assert_eq!((both.sent, both.came, both.lost()), (4, 3, 1));
        assert_eq!((both.disordered, both.latency.total()), (1, 3));
    }
}

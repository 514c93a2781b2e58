//! All participants in one loop on one thread. Knows when who does what, and nothing of what it is.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddrV4;
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use ferrite_protocol::{ClientMessage, ParticipantId};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::guest::{Common, Guest};
use super::histogram::Histogram;
use super::lane::{Lane, LinkOptions};
use super::offer::Part;
use super::sink::Found;
use super::source::{Pace, SOUND_INTERVAL};
use super::wire::{self, Wire, wall_clock};
use crate::load::line::Line;
use crate::load::token::TokenKey;
use crate::load::{Badge, SplitMix};

/// The longest it sleeps while something may have arrived.
const NAP: Duration = Duration::from_millis(1);

/// How often one who is not in yet, and one who is, is looked after.
const EARLY: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_millis(1000);

/// What participants are like.
#[derive(Clone, Copy, Debug)]
pub struct FieldOptions {
    /// How often receivers report.
    pub feedback: Duration,
    /// Every how many packets one is opened: 1 opens all.
    pub open: u64,
    /// How pictures are sent.
    pub pace: Pace,
    /// The links of those who publish nothing.
    pub link: LinkOptions,
    /// UDP sockets.
    pub sockets: usize,
    /// What everybody's token is signed with; `None` where nobody asks for one.
    pub key: Option<TokenKey>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Task {
    Step,
    Report,
    /// A frame of the source with this place, in the sending with this number.
    Frame(usize, u32),
}

/// All participants.
pub struct Field {
    options: FieldOptions,
    wire: Wire,
    common: Common,
    guests: Vec<Option<Box<Guest>>>,
    tasks: BinaryHeap<Reverse<(Instant, usize, Task)>>,
    poll: Poll,
    events: Events,
    wants: Sender<usize>,
    doors: Receiver<(usize, Result<Line>)>,
    random: SplitMix,
    /// Which sending this is; even ones are pauses.
    sending: u32,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Field")
            .field("guests", &self.guests.len())
            .finish_non_exhaustive()
    }
}

/// What was found since it was last asked for.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// In media.
    pub found: Found,
    /// From wanting to join until ICE and DTLS were done.
    pub joined: Vec<Duration>,
    /// From wanting to join until the first whole frame.
    pub seen: Vec<Duration>,
    /// From one WebSocket to the other.
    pub said: Histogram,
    /// Bytes of media.
    pub bytes: u64,
}

impl Field {
    /// Nobody yet. Everybody will join at this address, and send media to that one.
    pub fn new(address: &str, media: SocketAddrV4, options: FieldOptions) -> Result<Self> {
        let wire = Wire::new(media, options.sockets)?;
        let (wants, doors) = doorman(address.to_owned());
        Ok(Self {
            options,
            common: Common::new(Badge::new()?, wire.server(), options.open.max(1)),
            wire,
            guests: Vec::new(),
            tasks: BinaryHeap::new(),
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            wants,
            doors,
            random: SplitMix(7),
            sending: 0,
        })
    }

    /// Lets somebody come into a room. Returns their number.
    pub fn invite(&mut self, room: u32, part: Part) -> Result<usize> {
        let (number, now) = (self.guests.len(), Instant::now());
        let mut guest = Guest::new(number, room, part, now);
        let publishes = part.camera || part.microphone;
        if !publishes && !self.options.link.is_perfect() {
            let seed = number as u64;
            let lane = |seed| Lane::new(self.options.link, seed);
            guest.lanes = Some(Box::new((lane(2 * seed), lane(2 * seed + 1))));
        }
        self.guests.push(Some(Box::new(guest)));
        self.wants.send(number).context("the doorman has gone")?;
        Ok(number)
    }

    /// Lets somebody go, without a word.
    pub fn dismiss(&mut self, number: usize) {
        self.guests[number] = None;
    }

    /// How many are there, and how many of them are connected.
    #[must_use]
    pub fn present(&self) -> (usize, usize) {
        let connected = self.all().filter(|guest| guest.keys.is_some());
        (self.all().count(), connected.count())
    }

    fn all(&self) -> impl Iterator<Item = &Guest> {
        self.guests.iter().flatten().map(|guest| &**guest)
    }

    /// From now on everybody who publishes sends, and who comes later as soon as they are connected.
    pub fn start(&mut self) {
        self.sending += 1;
        let publishers = self.all().filter(|guest| !guest.sources.is_empty());
        let publishers: Vec<_> = publishers.map(|guest| guest.number).collect();
        let (now, count) = (Instant::now(), publishers.len().max(1) as u32);
        for (guest, at) in publishers.into_iter().zip(0..) {
            self.schedule(guest, |interval| now + interval * at / count);
        }
    }

    /// Nobody sends any more.
    pub fn stop(&mut self) {
        self.sending += 1;
    }

    fn schedule(&mut self, guest: usize, when: impl Fn(Duration) -> Instant) {
        if self.sending.is_multiple_of(2) {
            return;
        }
        let Some(Some(publisher)) = self.guests.get(guest) else {
            return;
        };
        for (at, source) in publisher.sources.iter().enumerate() {
            let first = when(self.interval(source.is_video()));
            let task = Task::Frame(at, self.sending);
            self.tasks.push(Reverse((first, guest, task)));
        }
    }

    fn interval(&self, is_video: bool) -> Duration {
        match is_video {
            true => self.options.pace.interval(),
            false => SOUND_INTERVAL,
        }
    }

    /// Goes on until this moment.
    pub fn live(&mut self, until: Instant) -> Result<()> {
        loop {
            let now = Instant::now();
            self.open_doors()?;
            self.work(now)?;
            self.receive()?;
            self.listen()?;
            self.flush()?;
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            let due = self.tasks.peek().map(|Reverse((at, ..))| *at);
            let rest = due.map_or(until, |due| due.min(until));
            let rest = rest.saturating_duration_since(now).min(NAP);
            if !rest.is_zero() {
                std::thread::park_timeout(rest);
            }
        }
    }

    fn open_doors(&mut self) -> Result<()> {
        while let Ok((number, line)) = self.doors.try_recv() {
            let Some(Some(guest)) = self.guests.get_mut(number) else {
                continue;
            };
            let line = line?;
            let descriptor = line.descriptor().as_raw_fd();
            let mut source = SourceFd(&descriptor);
            let token = Token(number);
            let registry = self.poll.registry();
            registry.register(&mut source, token, Interest::READABLE)?;
            guest.sit(line, &self.common.badge, self.options.key)?;
            let now = Instant::now();
            // Reports of many do not come at once.
            let spread = self.options.feedback.mul_f64(self.random.share());
            self.tasks.push(Reverse((now + EARLY, number, Task::Step)));
            if !self.options.feedback.is_zero() {
                let first = now + spread;
                self.tasks.push(Reverse((first, number, Task::Report)));
            }
        }
        Ok(())
    }

    fn work(&mut self, now: Instant) -> Result<()> {
        while let Some(Reverse((due, number, task))) = self.tasks.peek().copied() {
            if due > now {
                break;
            }
            self.tasks.pop();
            let Some(Some(guest)) = self.guests.get_mut(number) else {
                continue;
            };
            let next = match task {
                Task::Step => {
                    guest.step(now, &mut self.common)?;
                    let is_in = guest.keys.is_some();
                    Some(now + if is_in { LATER } else { EARLY })
                }
                Task::Report => {
                    guest.report(now, &mut self.common)?;
                    Some(due.max(now - self.options.feedback) + self.options.feedback)
                }
                Task::Frame(at, sending) if sending == self.sending => {
                    let interval = self.send_frame(number, at, now)?;
                    // A source that fell behind leaves out what it missed.
                    let missed = (now - due).as_nanos() / interval.as_nanos().max(1);
                    Some(due + interval * (missed as u32 + 1))
                }
                Task::Frame(..) => None,
            };
            if let Some(next) = next {
                self.tasks.push(Reverse((next, number, task)));
            }
        }
        Ok(())
    }

    fn send_frame(&mut self, number: usize, at: usize, now: Instant) -> Result<Duration> {
        let pace = self.options.pace;
        let guest = self.guests[number].as_mut().context("a publisher")?;
        let source = guest.sources.get_mut(at).context("a source")?;
        let is_video = source.is_video();
        let packets = if is_video { pace.packets_per_frame } else { 1 };
        let (keys, wire) = (guest.keys.as_ref().context("keys")?, &self.wire);
        let send = |packet: &[u8]| wire.send(number, packet);
        source.frame(now, packets, keys, &mut guest.transport, send, wall_clock)?;
        Ok(self.interval(is_video))
    }

    fn receive(&mut self) -> Result<()> {
        let now = Instant::now();
        let (guests, common) = (&mut self.guests, &mut self.common);
        let (mut connected, mut swallowed) = (Vec::new(), 0);
        let mut take = |guest: &mut Guest, at, bytes: &mut [u8]| {
            let was_in = guest.keys.is_some();
            guest.take(now, at, bytes, common)?;
            if !was_in && guest.keys.is_some() {
                connected.push(guest.number);
            }
            Ok(())
        };
        self.wire.receive(|to, at, bytes| {
            let Some(Some(guest)) = guests.get_mut(to) else {
                return Ok(());
            };
            if guest.lanes.is_none() {
                return take(guest, at, bytes);
            }
            let lane = guest.lanes.as_mut().context("a link")?;
            let is_through = lane.0.take(now, at, bytes);
            swallowed += u64::from(guest.note_link(bytes, is_through));
            Ok(())
        })?;
        if !self.options.link.is_perfect() {
            for guest in guests.iter_mut().flatten() {
                while let Some((at, mut bytes)) =
                    guest.lanes.as_mut().and_then(|lanes| lanes.0.arrived(now))
                {
                    take(guest, at, &mut bytes)?;
                }
            }
        }
        self.common.found.swallowed += swallowed;
        for number in connected {
            self.schedule(number, |_| now);
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let now = Instant::now();
        for (number, datagram) in self.common.out.drain(..) {
            let Some(Some(guest)) = self.guests.get_mut(number) else {
                continue;
            };
            match &mut guest.lanes {
                None => self.wire.send(number, &datagram)?,
                Some(lanes) => drop(lanes.1.take(now, 0, &datagram)),
            }
        }
        if !self.options.link.is_perfect() {
            for guest in self.guests.iter_mut().flatten() {
                let Some(lanes) = &mut guest.lanes else {
                    continue;
                };
                while let Some((_, datagram)) = lanes.1.arrived(now) {
                    self.wire.send(guest.number, &datagram)?;
                }
            }
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<()> {
        self.poll.poll(&mut self.events, Some(Duration::ZERO))?;
        let now = Instant::now();
        for event in &self.events {
            if let Some(Some(guest)) = self.guests.get_mut(event.token().0) {
                guest.listen(now, &mut self.common)?;
            }
        }
        Ok(())
    }

    /// Somebody of this room says something to all in it.
    pub fn say(&mut self, number: usize, length: usize) -> Result<()> {
        let Some(Some(guest)) = self.guests.get_mut(number) else {
            return Ok(());
        };
        let text = format!("{:<length$}", wall_clock());
        guest.say(&ClientMessage::Say {
            id: None,
            to: None,
            topic: "load".to_owned(),
            text,
        })
    }

    /// Somebody watches others than before, who are drawn.
    pub fn change_watch(&mut self, number: usize) -> Result<()> {
        let Some(Some(guest)) = self.guests.get(number) else {
            return Ok(());
        };
        let (room, own) = (guest.room, guest.id.clone());
        let in_room = self.all().filter(|other| other.room == room);
        let cameras = in_room.filter(|other| other.part.camera && other.keys.is_some());
        let mut others: Vec<ParticipantId> = cameras.filter_map(|other| other.id.clone()).collect();
        others.retain(|other| Some(other) != own.as_ref());
        for at in (1..others.len()).rev() {
            let with = self.random.number() as usize % (at + 1);
            others.swap(at, with);
        }
        match &mut self.guests[number] {
            Some(guest) => guest.watch(&others),
            None => Ok(()),
        }
    }

    /// The number of somebody who is connected, drawn.
    pub fn draw(&mut self, wanted: impl Fn(&Part) -> bool) -> Option<usize> {
        let fits = |guest: &&Guest| guest.keys.is_some() && wanted(&guest.part);
        let numbers: Vec<_> = self.all().filter(fits).map(|guest| guest.number).collect();
        let at = self.random.number() as usize % numbers.len().max(1);
        numbers.get(at).copied()
    }

    /// Of which room somebody is, and as what.
    #[must_use]
    pub fn seat(&self, number: usize) -> Option<(u32, Part)> {
        let guest = self.guests.get(number)?.as_ref()?;
        Some((guest.room, guest.part))
    }

    /// What was found since this was last asked.
    pub fn take_news(&mut self) -> News {
        let common = &mut self.common;
        News {
            found: std::mem::take(&mut common.found),
            joined: std::mem::take(&mut common.joined),
            seen: std::mem::take(&mut common.seen),
            said: std::mem::take(&mut common.said),
            bytes: std::mem::take(&mut common.bytes),
        }
    }

    /// Packets that were sent last and did not come, when nobody sends any more; and slots that show
    /// nothing although somebody published this long ago, and they were there.
    #[must_use]
    pub fn at_the_end(&self, since: Instant) -> (u64, usize) {
        let sources = self.all().flat_map(|guest| &guest.sources);
        let sent: HashMap<_, _> = sources.map(|source| (source.id, source.count)).collect();
        let sinks = self.all().flat_map(Guest::sinks);
        let behind = sinks.filter_map(|sink| {
            let (source, counted) = sink.counted()?;
            Some(sent.get(&source)?.saturating_sub(counted))
        });
        let there = || self.all().filter(|guest| guest.asked < since);
        let silent = there().map(|guest| {
            let in_room = there().filter(|other| other.room == guest.room);
            let others = in_room.filter(|other| other.number != guest.number && other.part.camera);
            let wanted = others.count().min(guest.part.shown);
            let shown = guest.sinks().filter(|sink| sink.shows_pictures());
            wanted.saturating_sub(shown.count())
        });
        (behind.sum(), silent.sum())
    }

    /// How many datagrams the kernel dropped because this end was too slow.
    pub fn overflowed(&self) -> Result<u64> {
        self.wire.overflowed()
    }
}

/// How many datagrams the kernel dropped at the UDP sockets of this port.
pub fn dropped_at(port: u16) -> Result<u64> {
    wire::dropped(&[port])
}

/// Opens WebSockets one after the other, on a thread of its own: that takes a while each.
fn doorman(address: String) -> (Sender<usize>, Receiver<(usize, Result<Line>)>) {
    let (wants, wanted) = channel::<usize>();
    let (open, doors) = channel();
    std::thread::spawn(move || {
        for number in wanted {
            let line = Line::open(&address).map_err(|error| anyhow!(error));
            if open.send((number, line)).is_err() {
                return;
            }
        }
    });
    (wants, doors)
}

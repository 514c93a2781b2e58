//! All participants in one loop on one thread. Knows when who does what, and nothing of what it is.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::door::Door;
use super::found::Found;
use super::guest::{Common, Guest};
use super::histogram::Histogram;
use super::janus::{Description, Desk};
use super::lane::{Lane, LinkOptions};
use super::layers::LAYERS;
use super::offer::Part;
use super::source::Pace;
use super::wire::{FIRST, Wire, wall_clock};
use crate::load::token::TokenKey;
use crate::load::{Badge, SplitMix};

mod doings;
mod ending;

/// The longest it sleeps while something may have arrived.
const NAP: Duration = Duration::from_millis(1);

/// How often one who is not in yet, and one who is, is looked after.
const EARLY: Duration = Duration::from_millis(50);
const LATER: Duration = Duration::from_millis(1000);

/// What participants are like.
#[derive(Clone, Debug)]
pub struct FieldOptions {
    /// How often receivers report.
    pub feedback: Duration,
    /// Every how many packets one is opened: 1 opens all.
    pub open: u64,
    /// How pictures are sent.
    pub pace: Pace,
    /// Layers that the server does not want are sent, too.
    pub all_layers: bool,
    /// How wide pictures are shown, in pixels: the first participant's, the next one's, and over again. Of none nobody
    /// says so.
    pub widths: Vec<u16>,
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

/// By what participants speak with the server.
enum Signalling {
    Ferrite(Door),
    Janus(Box<Desk>),
}

/// All participants.
pub struct Field {
    options: FieldOptions,
    wire: Wire,
    common: Common,
    guests: Vec<Option<Box<Guest>>>,
    tasks: BinaryHeap<Reverse<(Instant, usize, Task)>>,
    signalling: Signalling,
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
    /// Packets that publishers sent of each layer, smallest first.
    pub sent: [u64; LAYERS],
}

impl Field {
    /// Nobody yet. Everybody will join at this address, and send media to that one.
    pub fn new(address: &str, media: SocketAddrV4, options: FieldOptions) -> Result<Self> {
        let door = Door::new(address)?;
        let wire = Wire::new(options.sockets, FIRST)?;
        Self::with(Signalling::Ferrite(door), wire, media, options)
    }

    /// Nobody yet. Everybody will be in rooms of the Janus whose API is at this Unix socket, and send from this
    /// address and those that follow.
    pub fn at_janus(socket: &Path, first: Ipv4Addr, options: FieldOptions) -> Result<Self> {
        let desk = Box::new(Desk::open(socket)?);
        // Where each sends media to, it is told.
        let nowhere = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let wire = Wire::new(options.sockets, first)?;
        Self::with(Signalling::Janus(desk), wire, nowhere, options)
    }

    fn with(
        signalling: Signalling,
        wire: Wire,
        media: SocketAddrV4,
        options: FieldOptions,
    ) -> Result<Self> {
        let (open, obeys) = (options.open.max(1), !options.all_layers);
        Ok(Self {
            options,
            common: Common::new(Badge::new()?, media, open, obeys),
            wire,
            guests: Vec::new(),
            tasks: BinaryHeap::new(),
            signalling,
            random: SplitMix(7),
            sending: 0,
        })
    }

    /// Lets somebody come into a room. Returns their number.
    pub fn invite(&mut self, room: u32, part: Part) -> Result<usize> {
        let (number, now) = (self.guests.len(), Instant::now());
        let mut guest = Guest::new(number, room, part, now);
        if !part.publishes() && !self.options.link.is_perfect() {
            let seed = number as u64;
            let lane = |seed| Lane::new(self.options.link, seed);
            guest.lanes = Some(Box::new((lane(2 * seed), lane(2 * seed + 1))));
        }
        match &mut self.signalling {
            Signalling::Ferrite(door) => door.want(number)?,
            Signalling::Janus(desk) => {
                let local = self.wire.local(number)?;
                let offer = guest.offer(&self.common.badge, Some(local));
                desk.enter(number, room, part, offer)?;
            }
        }
        self.guests.push(Some(Box::new(guest)));
        if matches!(self.signalling, Signalling::Janus(_)) {
            self.begin(number);
        }
        Ok(number)
    }

    /// Lets somebody go, without a word where there is a connection that breaks.
    pub fn dismiss(&mut self, number: usize) -> Result<()> {
        self.guests[number] = None;
        match &mut self.signalling {
            Signalling::Ferrite(_) => Ok(()),
            Signalling::Janus(desk) => desk.leave(number),
        }
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
            let first = when(source.interval(self.options.pace));
            let task = Task::Frame(at, self.sending);
            self.tasks.push(Reverse((first, guest, task)));
        }
    }

    /// Goes on until this moment.
    pub fn live(&mut self, until: Instant) -> Result<()> {
        loop {
            let now = Instant::now();
            self.work(now)?;
            self.receive()?;
            self.listen_at_doors()?;
            self.listen_at_desk()?;
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

    fn listen_at_doors(&mut self) -> Result<()> {
        let Signalling::Ferrite(door) = &mut self.signalling else {
            return Ok(());
        };
        let mut begun = Vec::new();
        while let Some((number, line)) = door.open()? {
            if let Some(Some(guest)) = self.guests.get_mut(number) {
                guest.sit(line, &self.common.badge, self.options.key)?;
                begun.push(number);
            }
        }
        let now = Instant::now();
        for number in door.hear()? {
            if let Some(Some(guest)) = self.guests.get_mut(number) {
                guest.listen(now, &mut self.common)?;
            }
        }
        begun.into_iter().for_each(|number| self.begin(number));
        Ok(())
    }

    fn listen_at_desk(&mut self) -> Result<()> {
        let Signalling::Janus(desk) = &mut self.signalling else {
            return Ok(());
        };
        let now = Instant::now();
        for description in desk.hear()? {
            let (Description::Answer(number, sdp) | Description::Offer(number, sdp)) = &description;
            let Some(Some(guest)) = self.guests.get_mut(*number) else {
                continue;
            };
            guest.accept(now, sdp, &mut self.common)?;
            if let Description::Offer(..) = &description {
                let local = self.wire.local(*number)?;
                desk.answer(*number, &guest.answer(sdp, &self.common.badge, local))?;
            }
        }
        Ok(())
    }

    /// Looks after somebody from now on.
    fn begin(&mut self, number: usize) {
        let now = Instant::now();
        // Reports of many do not come at once.
        let spread = self.options.feedback.mul_f64(self.random.share());
        self.tasks.push(Reverse((now + EARLY, number, Task::Step)));
        if !self.options.feedback.is_zero() {
            let first = now + spread;
            self.tasks.push(Reverse((first, number, Task::Report)));
        }
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
        let (keys, wire) = (guest.keys.as_ref().context("keys")?, &self.wire);
        let server = guest.server;
        let send = |packet: &[u8]| wire.send(number, server, packet);
        let sent = source.frame(now, pace, keys, &mut guest.transport, send, wall_clock)?;
        if let Some(layer) = source.layer() {
            self.common.sent[layer] += u64::from(sent);
        }
        Ok(source.interval(pace))
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
            if !self.options.widths.is_empty() {
                self.change_watch(number)?;
            }
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
                None => self.wire.send(number, guest.server, &datagram)?,
                Some(lanes) => drop(lanes.1.take(now, 0, &datagram)),
            }
        }
        if !self.options.link.is_perfect() {
            for guest in self.guests.iter_mut().flatten() {
                let Some(lanes) = &mut guest.lanes else {
                    continue;
                };
                while let Some((_, datagram)) = lanes.1.arrived(now) {
                    self.wire.send(guest.number, guest.server, &datagram)?;
                }
            }
        }
        Ok(())
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
            sent: std::mem::take(&mut common.sent),
        }
    }
}

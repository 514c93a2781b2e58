//! The files that go to and come from others in a room: one transfer for each file and participant, by the
//! protocol's rules, over whatever channel there is at the time. Knows neither the page nor the channel.

mod disk;
mod event;
mod incoming;
mod one;
mod outgoing;

use ferrite_protocol::file::{CancelReason, FILE_TOPIC, FileId, FileMessage, Transfer};
use ferrite_protocol::{ParticipantId, ServerData};
use futures_channel::oneshot;
use web_sys::File;

use crate::call::Room;
use crate::dom::{Interval, Post, Task};
use crate::peer::Outgoing as Message;
use crate::view::FileLine;
use crate::words;
use disk::Disk;
use event::Chosen;
pub(super) use event::Event;
use incoming::Incoming;
use one::{KEPT_BYTES, One, Way, envelope, time};
use outgoing::Outgoing;

/// Transfers at a time, those that are over and still shown included.
const TRANSFERS: usize = 64;
/// Offers of one participant that wait for an answer.
const OFFERS: usize = 8;
/// Files that come at a time. The window of each is 1 MiB, and a server complains when 2 MiB wait.
const COMING: usize = 2;

const TICK_MS: u32 = 500;

pub(super) struct Files {
    all: Vec<One>,
    /// What others asked for that is not known here, as many as there may be transfers.
    unknown: Vec<(ParticipantId, FileId)>,
    /// Numbers the transfers.
    next: u32,
    is_open: bool,
    /// Until what was given to the channel is on its way.
    departing: Option<Task>,
    tick: Option<Interval>,
    post: Post<Event>,
}

impl Files {
    pub(super) fn new(post: Post<Event>) -> Self {
        Self {
            all: Vec::new(),
            unknown: Vec::new(),
            next: 0,
            is_open: false,
            departing: None,
            tick: None,
            post,
        }
    }

    // What the user does.

    /// Offers files to one or to everybody else. Nothing, where that is too much at a time.
    pub(super) fn offer(
        &mut self,
        files: &[File],
        to: Option<&str>,
        room: &Room,
        now: f64,
    ) -> Option<()> {
        let people: Vec<_> = others(room)
            .filter(|(id, _)| to.is_none_or(|to| to == id.0))
            .map(|(id, who)| (id.clone(), who.to_owned()))
            .collect();
        self.make_place(files.len() * people.len()).then_some(())?;
        for file in files {
            for (with, who) in &people {
                let id = new_id();
                let way = Way::Out(Outgoing::new(id, file.clone(), &self.post, now));
                self.add(id, with.clone(), who.clone(), file.name(), way);
            }
        }
        Some(())
    }

    pub(super) fn take(&mut self, number: u32) {
        let fits = |one: &One, kept: u64| kept.saturating_add(one.size()) <= KEPT_BYTES;
        let kept = self.kept();
        let found = self.all.iter_mut().find(|one| one.number == number);
        let Some(one) = found.filter(|one| one.can_take()) else {
            return;
        };
        if one.is_for_disk() {
            one.choosing = Some(disk::ask(number, one.name.clone(), self.post.clone()));
        } else if fits(one, kept) {
            one.is_wanted = true;
        }
    }

    fn chose(&mut self, number: u32, chosen: Chosen) {
        let (is_unfit, stays_here) = match &chosen {
            Chosen::File(_) | Chosen::Nothing => (false, false),
            Chosen::Unfit => (true, false),
            Chosen::Unavailable => (false, true),
        };
        // Where it is of no use any more, nothing is written to it.
        let disk = match chosen {
            Chosen::File(file) => Some(Disk::new(file, number, self.post.clone())),
            Chosen::Nothing | Chosen::Unfit | Chosen::Unavailable => None,
        };
        let mut all = self.all.iter_mut();
        let Some(one) = all.find(|one| one.number == number) else {
            return;
        };
        one.choosing = None;
        (one.is_unfit, one.stays_here) = (is_unfit, stays_here);
        if let (Some(disk), true, Way::In(it)) = (disk, one.can_take(), &mut one.way) {
            it.write_to(disk);
            one.is_wanted = true;
        }
        if stays_here {
            self.take(number);
        }
    }

    /// Ends a transfer, or forgets one that is over.
    pub(super) fn drop(&mut self, number: u32) {
        let mut all = self.all.iter_mut();
        let Some(one) = all.find(|one| one.number == number) else {
            return;
        };
        match one.is_over() {
            true => one.is_hidden = true,
            false => one.cancel(),
        }
        self.all.retain(|one| !one.is_forgotten());
    }

    /// The user goes out: nothing goes on. What has come can still be saved.
    pub(super) fn leave(&mut self) {
        self.closed();
        self.all.iter_mut().for_each(One::lose);
    }

    /// Forgets all but what is about to be there.
    pub(super) fn clear(&mut self) {
        self.all.retain(One::is_all_but_there);
        self.unknown.clear();
    }

    // What becomes of the others and the channel.

    /// Transfers with those who left are over.
    pub(super) fn people(&mut self, room: &Room) {
        for one in &mut self.all {
            if !others(room).any(|(id, _)| *id == one.with) {
                one.lose();
            }
        }
    }

    /// There is a channel. Unless it goes on with what went over the one before, that may be lost.
    pub(super) fn opened(&mut self, resumed: bool, now: f64) {
        self.is_open = true;
        for one in &mut self.all {
            match &mut one.way {
                Way::Out(it) if resumed => it.resumed(now),
                Way::In(it) if resumed => it.receiving_mut().resumed(time(now)),
                Way::Out(it) => it.sending_mut().reconnected(),
                Way::In(it) => it.receiving_mut().reconnected(time(now)),
            }
        }
    }

    pub(super) fn closed(&mut self) {
        self.is_open = false;
        self.departing = None;
    }

    /// Something came over the channel.
    pub(super) fn hear(&mut self, bytes: &[u8], room: &Room, now: f64) {
        let Ok(data) = ServerData::decode(bytes) else {
            return;
        };
        if data.topic != FILE_TOPIC {
            return;
        }
        // A newer client's kinds are skipped.
        let Ok(message) = FileMessage::decode(data.payload) else {
            return;
        };
        let is_it = |one: &&mut One| one.id == message.file() && one.with.0 == data.from;
        match (self.all.iter_mut().find(is_it), message) {
            (Some(one), _) => {
                one.is_gone = false;
                one.hear(&message, now);
            }
            (
                None,
                FileMessage::Offer {
                    file, size, name, ..
                },
            ) => {
                self.offered(data.from, file, size, name, room);
            }
            // What was begun with who this participant, or this client, was before.
            (
                None,
                FileMessage::Accept { file, .. }
                | FileMessage::Chunk { file, .. }
                | FileMessage::Progress { file, .. }
                | FileMessage::Done { file, .. },
            ) => self.asked_for_unknown(data.from, file),
            (None, FileMessage::Verified { .. } | FileMessage::Cancel { .. }) => {}
        }
    }

    /// Nothing will come of it, and who waits for it is told.
    fn asked_for_unknown(&mut self, from: &str, file: FileId) {
        let asked = (ParticipantId(from.to_owned()), file);
        if self.unknown.len() < TRANSFERS && !self.unknown.contains(&asked) {
            self.unknown.push(asked);
        }
    }

    fn offered(&mut self, from: &str, id: FileId, size: u64, name: &str, room: &Room) {
        let Some((with, who)) = others(room).find(|(with, _)| with.0 == from) else {
            return;
        };
        let waiting = self.all.iter().filter(|one| one.with == *with);
        let waiting = waiting.filter(|one| one.is_asked()).count();
        // Whoever offers more will say it again.
        if waiting < OFFERS && self.make_place(1) {
            let way = Way::In(Incoming::new(id, size, name));
            self.add(id, with.clone(), who.to_owned(), name.to_owned(), way);
        }
    }

    pub(super) fn on_event(&mut self, event: Event, now: f64) {
        match event {
            Event::Read { id, offset, bytes } => {
                for one in self.all.iter_mut().filter(|one| one.id == id) {
                    if let Way::Out(it) = &mut one.way {
                        it.read(offset, &bytes);
                    }
                }
            }
            Event::Chose { number, chosen } => self.chose(number, chosen),
            Event::Wrote { number, wrote } => {
                let mut all = self.all.iter_mut();
                let one = all.find(|one| one.number == number);
                if let Some(Way::In(it)) = one.map(|one| &mut one.way) {
                    it.wrote(&wrote, time(now));
                }
            }
            Event::Departed => self.departing = None,
            // Without a channel nothing can be missed.
            Event::Tick if !self.is_open => {}
            Event::Tick => {
                for one in &mut self.all {
                    match &mut one.way {
                        Way::Out(it) => it.tick(now),
                        Way::In(it) => it.receiving_mut().handle_timeout(time(now)),
                    }
                }
            }
        }
    }

    /// What is to be sent now. More comes once that is on its way: the channel says when its buffer has
    /// room (`bufferedamountlow`).
    pub(super) fn pump(&mut self, now: f64) -> Vec<Message> {
        self.begin_wanted(now);
        self.keep_time();
        if !self.is_open || self.departing.is_some() {
            return Vec::new();
        }
        let here = self.all.iter_mut().filter(|one| !one.is_gone);
        let mut batch: Vec<_> = here.flat_map(One::messages).collect();
        let reason = CancelReason::Stopped;
        let unknown = self.unknown.drain(..);
        batch.extend(unknown.filter_map(|(to, file)| {
            let message = FileMessage::Cancel { file, reason };
            envelope(&to, &message.encode())
        }));
        self.all.retain(|one| !one.is_forgotten());
        if let Some(last) = batch.last_mut() {
            let (done, departed) = oneshot::channel();
            last.done = Some(done);
            let post = self.post.clone();
            self.departing = Some(Task::new(async move {
                // On its way or lost with its channel: either way nothing waits.
                let _ = departed.await;
                post.send(Event::Departed);
            }));
        }
        batch
    }

    /// Begins with what the user wants, a few at a time.
    fn begin_wanted(&mut self, now: f64) {
        // What the browser is about to close asks for nothing more.
        let is_active = |one: &One| one.is_incoming() && one.transfer() == Transfer::Active;
        let is_coming = |one: &&One| is_active(one) && !one.is_all_but_there();
        let coming = self.all.iter().filter(is_coming).count();
        let wanted = self.all.iter_mut().filter(|one| one.waits());
        for one in wanted.take(COMING.saturating_sub(coming)) {
            if let Way::In(it) = &mut one.way {
                it.receiving_mut().accept(time(now));
            }
        }
    }

    fn keep_time(&mut self) {
        let goes_on = self.all.iter().any(|one| !one.is_over());
        if !goes_on {
            self.tick = None;
        } else if self.tick.is_none() {
            let post = self.post.clone();
            self.tick = Some(Interval::new(TICK_MS, move || post.send(Event::Tick)));
        }
    }

    // What is shown.

    /// Where each transfer is, so that one sees whether that changed.
    pub(super) fn states(&self) -> Vec<(u32, &'static str)> {
        let shown = self.all.iter().filter(|one| !one.is_hidden);
        shown.map(|one| (one.number, one.state())).collect()
    }

    pub(super) fn lines(&self) -> Vec<FileLine<'_>> {
        let kept = self.kept();
        let shown = self.all.iter().filter(|one| !one.is_hidden);
        shown.map(|one| one.line(kept)).collect()
    }

    /// Bytes that are here, or will be.
    fn kept(&self) -> u64 {
        let kept = self.all.iter().filter(|one| one.is_kept());
        kept.map(One::size).fold(0, u64::saturating_add)
    }

    fn add(&mut self, id: FileId, with: ParticipantId, who: String, name: String, way: Way) {
        self.next = self.next.wrapping_add(1);
        self.all.push(One {
            number: self.next,
            id,
            with,
            who,
            name,
            way,
            is_wanted: false,
            choosing: None,
            stays_here: false,
            is_unfit: false,
            is_gone: false,
            is_hidden: false,
        });
    }

    /// Has place for so many more. What is over and cannot be saved is forgotten for it, the oldest first.
    fn make_place(&mut self, more: usize) -> bool {
        let too_many = (self.all.len() + more).saturating_sub(TRANSFERS);
        let is_done_with = |one: &One| one.is_over() && one.url().is_none();
        let done_with = self.all.iter().filter(|one| is_done_with(one)).count();
        let fits = done_with >= too_many;
        if fits {
            let mut left = too_many;
            self.all.retain(|one| {
                let goes = left > 0 && is_done_with(one);
                left -= usize::from(goes);
                !goes
            });
        }
        fits
    }
}

/// Everybody but this client, and what they are called.
pub(super) fn others(room: &Room) -> impl Iterator<Item = (&ParticipantId, &str)> {
    let people = room.people().iter();
    let others = people.filter(|it| Some(&it.id) != room.own());
    others.map(|it| (&it.id, it.name.as_deref().unwrap_or(words::NAMELESS)))
}

/// One that was not used before: another page of the same participant has no part in it.
fn new_id() -> FileId {
    FileId((js_sys::Math::random() * 2_f64.powi(53)) as u64)
}

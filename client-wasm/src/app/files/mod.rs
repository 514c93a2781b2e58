//! The files that go to and come from others in a room: one transfer for each file and participant, by the
//! protocol's rules, over whatever channel there is at the time. Knows neither the page nor the channel.

mod event;
mod incoming;
mod outgoing;

use std::time::Duration;

use ferrite_protocol::file::{CancelReason, FILE_TOPIC, FileId, FileMessage, Transfer};
use ferrite_protocol::{ClientData, ParticipantId, ServerData};
use futures_channel::oneshot;
use web_sys::File;

use crate::call::Room;
use crate::dom::{Interval, Post, Task};
use crate::peer::{Outgoing as Message, Payload};
use crate::view::FileLine;
use crate::words;
pub(super) use event::Event;
use incoming::Incoming;
use outgoing::Outgoing;

/// Transfers at a time, those that are over and still shown included.
const TRANSFERS: usize = 64;
/// Offers of one participant that wait for an answer.
const OFFERS: usize = 8;
/// Files that come at a time. The window of each is 1 MiB, and a server complains when 2 MiB wait.
const COMING: usize = 2;
/// Bytes of files that are kept here until they are cleared away, all together.
const KEPT_BYTES: u64 = 1024 * 1024 * 1024;

/// The largest picture that is shown beside its name.
const SHOWN_BYTES: u64 = 32 * 1024 * 1024;

const TICK_MS: u32 = 500;

enum Way {
    Out(Outgoing),
    In(Incoming),
}

struct One {
    number: u32,
    id: FileId,
    with: ParticipantId,
    /// What the other one is called.
    who: String,
    name: String,
    way: Way,
    /// The user wants it, and it waits for others to be there first.
    is_wanted: bool,
    /// The other one is not in the room any more.
    is_gone: bool,
    /// The user is done with it. It is forgotten once the other one was told that it is over.
    is_hidden: bool,
}

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
        if let Some(one) = found.filter(|one| one.can_take() && fits(one, kept)) {
            one.is_wanted = true;
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

    pub(super) fn clear(&mut self) {
        self.all.clear();
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

    /// There is a channel; what went over the one before may be lost.
    pub(super) fn opened(&mut self, now: f64) {
        self.is_open = true;
        for one in &mut self.all {
            match &mut one.way {
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
            (None, FileMessage::Offer { file, size, name }) => {
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
        let waiting = waiting.filter(|one| one.can_take()).count();
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
            Event::Departed => self.departing = None,
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
        let is_coming = |one: &&One| one.is_incoming() && one.transfer() == Transfer::Active;
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

impl One {
    fn hear(&mut self, message: &FileMessage<'_>, now: f64) {
        match &mut self.way {
            Way::Out(it) => it.hear(message, now),
            Way::In(it) => it.hear(message, time(now)),
        }
    }

    /// What it has to say, in the envelope of a room.
    fn messages(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(payload) = self.step() {
            messages.extend(envelope(&self.with, &payload));
        }
        messages
    }

    fn step(&mut self) -> Option<Vec<u8>> {
        match &mut self.way {
            Way::Out(it) => it.step(),
            Way::In(it) => it.receiving_mut().step(),
        }
    }

    /// Nobody has to do with it any more.
    fn is_forgotten(&self) -> bool {
        let has_messages = match &self.way {
            Way::Out(it) => it.sending().has_messages(),
            Way::In(it) => it.receiving().has_messages(),
        };
        self.is_hidden && (self.is_gone || !has_messages)
    }

    fn transfer(&self) -> Transfer {
        match &self.way {
            Way::Out(it) => it.sending().transfer(),
            Way::In(it) => it.receiving().transfer(),
        }
    }

    fn progress(&self) -> (u64, u64) {
        match &self.way {
            Way::Out(it) => it.sending().progress(),
            Way::In(it) => it.receiving().progress(),
        }
    }

    fn size(&self) -> u64 {
        self.progress().1
    }

    fn url(&self) -> Option<&str> {
        match &self.way {
            Way::Out(_) => None,
            Way::In(it) => it.url(),
        }
    }

    fn is_incoming(&self) -> bool {
        matches!(self.way, Way::In(_))
    }

    fn is_over(&self) -> bool {
        self.transfer().is_over()
    }

    /// The user can take it, or leave it.
    fn can_take(&self) -> bool {
        self.is_incoming() && self.transfer() == Transfer::Offered && !self.is_wanted
    }

    /// It was taken, and has not begun.
    fn waits(&self) -> bool {
        self.is_wanted && self.transfer() == Transfer::Offered
    }

    /// It takes place here.
    fn is_kept(&self) -> bool {
        self.is_incoming()
            && match self.transfer() {
                Transfer::Offered => self.is_wanted,
                Transfer::Active | Transfer::Complete => true,
                Transfer::Cancelled(_) => false,
            }
    }

    fn cancel(&mut self) {
        let is_refused = self.can_take();
        match &mut self.way {
            Way::Out(it) => it.sending_mut().cancel(CancelReason::Stopped),
            Way::In(it) if is_refused => it.cancel(CancelReason::Refused),
            Way::In(it) => it.cancel(CancelReason::Stopped),
        }
    }

    /// The other one is not there any more.
    fn lose(&mut self) {
        if !self.is_over() {
            self.cancel();
            self.is_gone = true;
        }
    }

    fn state(&self) -> &'static str {
        match self.transfer() {
            Transfer::Offered if self.is_wanted => "waiting",
            Transfer::Offered => "offered",
            Transfer::Active => "active",
            Transfer::Complete => "complete",
            Transfer::Cancelled(_) => "cancelled",
        }
    }

    fn line(&self, kept: u64) -> FileLine<'_> {
        let (done, size) = self.progress();
        let fits = kept.saturating_add(size) <= KEPT_BYTES;
        let (transfer, incoming) = (self.transfer(), self.is_incoming());
        let note = match self.is_gone {
            true => words::gone(&self.who),
            false if self.can_take() && !fits => words::too_large(&self.who, size),
            false => words::file(transfer, incoming, &self.who, (done, size)),
        };
        FileLine {
            number: self.number,
            name: &self.name,
            note,
            state: self.state(),
            incoming,
            progress: done as f64 / size.max(1) as f64,
            can_take: self.can_take() && fits,
            drop: words::drop_file(transfer, self.can_take()),
            url: self.url(),
            is_picture: size <= SHOWN_BYTES && names_a_picture(&self.name),
        }
    }
}

/// A message for one participant, as a room carries it.
fn envelope(to: &ParticipantId, payload: &[u8]) -> Option<Message> {
    let data = ClientData {
        to: Some(vec![&to.0]),
        topic: FILE_TOPIC,
        payload,
    };
    // The server's ids fit, and so do the protocol's messages.
    let bytes = data.encode().ok()?;
    Some(Message {
        payload: Payload::Bytes(bytes),
        done: None,
    })
}

/// Everybody but this client, and what they are called.
pub(super) fn others(room: &Room) -> impl Iterator<Item = (&ParticipantId, &str)> {
    let people = room.people().iter();
    let others = people.filter(|it| Some(&it.id) != room.own());
    others.map(|it| (&it.id, it.name.as_deref().unwrap_or(words::NAMELESS)))
}

/// Whether a name is one of a picture. What is in it the browser sees for itself: without a type of its own it takes
/// nothing for a picture that could run a program.
fn names_a_picture(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let known = ["png", "jpg", "jpeg", "gif", "webp", "avif", "bmp"];
    known.iter().any(|it| ending.eq_ignore_ascii_case(it))
}

fn time(now: f64) -> Duration {
    Duration::from_secs_f64(now.max(0.0) / 1_000.0)
}

/// One that was not used before: another page of the same participant has no part in it.
fn new_id() -> FileId {
    FileId((js_sys::Math::random() * 2_f64.powi(53)) as u64)
}

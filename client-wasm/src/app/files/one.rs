//! One transfer as the page of a room has it: with whom, which way, and what its line says. Decides nothing of others.

use std::time::Duration;

use ferrite_protocol::file::{CancelReason, FILE_TOPIC, FileId, FileMessage, Transfer};
use ferrite_protocol::{ClientData, ParticipantId};

use super::incoming::Incoming;
use super::outgoing::Outgoing;
use crate::dom::Task;
use crate::gaps;
use crate::peer::{Outgoing as Message, Payload};
use crate::view::FileLine;
use crate::words;

/// Bytes of files that are kept here until they are cleared away, all together.
pub(super) const KEPT_BYTES: u64 = 1024 * 1024 * 1024;

/// What is larger is written to a file of the user's where the browser lets pages do that.
const SMALL_BYTES: u64 = 16 * 1024 * 1024;

/// A larger picture is not shown beside its name.
const SHOWN_BYTES: u64 = 32 * 1024 * 1024;

pub(super) enum Way {
    Out(Outgoing),
    In(Incoming),
}

pub(super) struct One {
    pub(super) number: u32,
    pub(super) id: FileId,
    pub(super) with: ParticipantId,
    /// What the other one is called.
    pub(super) who: String,
    pub(super) name: String,
    pub(super) way: Way,
    /// The user wants it, and it waits for others to be there first.
    pub(super) is_wanted: bool,
    /// The user is asked for a file to write it to.
    pub(super) choosing: Option<Task>,
    /// There is no such file to be had.
    pub(super) stays_here: bool,
    /// The one that was chosen cannot be written to.
    pub(super) is_unfit: bool,
    /// The other one is not in the room any more.
    pub(super) is_gone: bool,
    /// The user is done with it. It is forgotten once the other one was told that it is over.
    pub(super) is_hidden: bool,
}

impl One {
    pub(super) fn hear(&mut self, message: &FileMessage<'_>, now: f64) {
        match &mut self.way {
            Way::Out(it) => it.hear(message, now),
            Way::In(it) => it.hear(message, time(now)),
        }
    }

    /// What it has to say, in the envelope of a room.
    pub(super) fn messages(&mut self) -> Vec<Message> {
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
    pub(super) fn is_forgotten(&self) -> bool {
        let has_messages = match &self.way {
            Way::Out(it) => it.sending().has_messages(),
            Way::In(it) => it.receiving().has_messages(),
        };
        self.is_hidden && (self.is_gone || !has_messages)
    }

    pub(super) fn transfer(&self) -> Transfer {
        match &self.way {
            Way::Out(it) => it.sending().transfer(),
            Way::In(it) => it.receiving().transfer(),
        }
    }

    pub(super) fn progress(&self) -> (u64, u64) {
        match &self.way {
            Way::Out(it) => it.sending().progress(),
            Way::In(it) => it.receiving().progress(),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.progress().1
    }

    pub(super) fn url(&self) -> Option<&str> {
        match &self.way {
            Way::Out(_) => None,
            Way::In(it) => it.url(),
        }
    }

    pub(super) fn is_incoming(&self) -> bool {
        matches!(self.way, Way::In(_))
    }

    pub(super) fn is_over(&self) -> bool {
        self.transfer().is_over()
    }

    /// The user did not say whether they want it.
    pub(super) fn is_asked(&self) -> bool {
        self.is_incoming() && self.transfer() == Transfer::Offered && !self.is_wanted
    }

    pub(super) fn can_take(&self) -> bool {
        self.is_asked() && self.choosing.is_none()
    }

    /// It came, and is there as soon as the browser has written it.
    pub(super) fn is_all_but_there(&self) -> bool {
        self.has_come() && !self.is_over()
    }

    /// All of it came, whatever becomes of it here.
    fn has_come(&self) -> bool {
        matches!(&self.way, Way::In(it) if it.receiving().is_compared())
    }

    /// It is too large to be kept here where there is another place.
    pub(super) fn is_for_disk(&self) -> bool {
        self.size() > SMALL_BYTES && !self.stays_here && gaps::has_files()
    }

    /// It was taken, and has not begun.
    pub(super) fn waits(&self) -> bool {
        self.is_wanted && self.transfer() == Transfer::Offered
    }

    /// It takes place here.
    pub(super) fn is_kept(&self) -> bool {
        let is_here = |it: &Incoming| !it.is_on_disk();
        matches!(&self.way, Way::In(it) if is_here(it))
            && match self.transfer() {
                Transfer::Offered => self.is_wanted,
                Transfer::Active | Transfer::Complete => true,
                Transfer::Cancelled(_) => false,
            }
    }

    pub(super) fn cancel(&mut self) {
        let is_refused = self.is_asked();
        match &mut self.way {
            Way::Out(it) => it.sending_mut().cancel(CancelReason::Stopped),
            Way::In(it) if is_refused => it.cancel(CancelReason::Refused),
            Way::In(it) => it.cancel(CancelReason::Stopped),
        }
    }

    /// The other one is not there any more.
    pub(super) fn lose(&mut self) {
        self.is_gone |= !self.is_over();
        if !self.is_all_but_there() && !self.is_over() {
            self.cancel();
        }
    }

    pub(super) fn state(&self) -> &'static str {
        match self.transfer() {
            Transfer::Offered if self.is_wanted => "waiting",
            Transfer::Offered => "offered",
            Transfer::Active => "active",
            Transfer::Complete => "complete",
            Transfer::Cancelled(_) => "cancelled",
        }
    }

    pub(super) fn line(&self, kept: u64) -> FileLine<'_> {
        let (done, size) = self.progress();
        let fits = self.is_for_disk() || kept.saturating_add(size) <= KEPT_BYTES;
        let (transfer, incoming) = (self.transfer(), self.is_incoming());
        let told = match self.is_unfit && self.can_take() {
            true => Transfer::Cancelled(CancelReason::Failed),
            false => transfer,
        };
        let is_cut = self.is_gone && !self.has_come();
        let note = if is_cut && matches!(transfer, Transfer::Cancelled(_)) {
            words::gone(&self.who)
        } else if self.can_take() && !fits {
            words::too_large(&self.who, size)
        } else {
            words::file(told, incoming, &self.who, (done, size))
        };
        FileLine {
            number: self.number,
            name: &self.name,
            note,
            state: self.state(),
            incoming,
            progress: done as f64 / size.max(1) as f64,
            can_take: self.can_take() && fits,
            drop: words::drop_file(transfer, self.is_asked()),
            url: self.url(),
            is_picture: size <= SHOWN_BYTES && names_a_picture(&self.name),
        }
    }
}

/// A message for one participant, as a room carries it.
pub(super) fn envelope(to: &ParticipantId, payload: &[u8]) -> Option<Message> {
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

/// Whether a name is one of a picture. What is in it the browser sees for itself: without a type of its own it takes
/// nothing for a picture that could run a program.
fn names_a_picture(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let known = ["png", "jpg", "jpeg", "gif", "webp", "avif", "bmp"];
    known.iter().any(|it| ending.eq_ignore_ascii_case(it))
}

pub(super) fn time(now: f64) -> Duration {
    Duration::from_secs_f64(now.max(0.0) / 1_000.0)
}

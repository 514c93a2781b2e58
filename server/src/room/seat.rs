//! A participant's place in a room: what it may see and do there. Giving it up, by dropping it, is leaving.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ferrite_protocol::{
    ClientData, DepartureCause, ParticipantId, ParticipantState, PublicationId, RoomId, RoomMessage,
};
use tokio::sync::watch;
use tokio::time::sleep_until;

use super::inbox::Inbox;
use super::log::{Forgotten, Said};
use super::registry::{Room, Rooms};
use super::state::{Moderator, NewPublication, Newcomer, Removal, RoomError, RoomState};
use super::view::View;
use crate::auth::Grants;
use crate::media::{Gathering, TrackId, Voice};

/// Rooms of so many are shown each change at once. Each change costs everybody a look at everybody, so in larger ones
/// changes gather: for a millisecond for each member above that, and for [`LONGEST_GATHER`] at the most.
pub(crate) const AT_ONCE: usize = 32;

/// Half of what is kept of somebody's sound from before they were chosen to be heard (`forward::lead_in`): nobody's first
/// syllable is lost by it.
pub(crate) const LONGEST_GATHER: Duration = Duration::from_millis(100);

/// How long changes of a room of so many gather.
fn gather(members: usize) -> Duration {
    let above = members.saturating_sub(AT_ONCE);
    Duration::from_millis(above as u64).min(LONGEST_GATHER)
}

/// A place in a room, and the view from it.
#[derive(Debug)]
pub struct Seat {
    rooms: Arc<Rooms>,
    id: RoomId,
    room: Arc<Room>,
    serial: u64,
    participant: ParticipantId,
    view: watch::Receiver<Arc<View>>,
    /// Until when changes gather.
    next_look: Option<Instant>,
    inbox: Arc<Inbox>,
    /// What others are to be told of why it was given up.
    departure: Option<DepartureCause>,
}

impl Seat {
    /// Takes a seat in a room, which is made if it is not there.
    ///
    /// # Errors
    /// When there is no room for one more.
    pub fn take(rooms: &Arc<Rooms>, id: RoomId, newcomer: Newcomer) -> Result<Self, RoomError> {
        let participant = newcomer.id.clone();
        let inbox = rooms.new_inbox();
        let (room, serial) = rooms.enter(&id, newcomer, inbox.clone())?;
        Ok(Self {
            rooms: rooms.clone(),
            id,
            view: room.watch(),
            next_look: None,
            room,
            serial,
            participant,
            inbox,
            departure: None,
        })
    }

    /// The room.
    #[must_use]
    pub fn room(&self) -> &RoomId {
        &self.id
    }

    /// Who sits here.
    #[must_use]
    pub fn participant(&self) -> &ParticipantId {
        &self.participant
    }

    /// Their serial number in the room.
    #[must_use]
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// The room's name in the media plane.
    #[must_use]
    pub fn gathering(&self) -> &Gathering {
        &self.room.gathering
    }

    /// What others send to who sits here.
    #[must_use]
    pub fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    /// The room as it is now.
    pub fn view(&mut self) -> Arc<View> {
        let view = self.view.borrow_and_update().clone();
        let gather = gather(view.members.len());
        self.next_look = (!gather.is_zero()).then(|| Instant::now() + gather);
        view
    }

    /// Waits until the room is no longer as [`view`](Self::view) last said, and in a large one until a look at it is worth
    /// what it costs: a tenth of a second after the last, at the most.
    pub async fn changed(&mut self) {
        // First: what wakes one meanwhile need not.
        if let Some(next) = self.next_look {
            sleep_until(next.into()).await;
        }
        // A room outlives its seats: this one is in it.
        if self.view.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Why whoever sits here is not in the room any more, if so.
    #[must_use]
    pub fn removal(&self) -> Option<Removal> {
        self.room.state().removal(self.serial).cloned()
    }

    /// The seat is about to be given up: others are told why.
    pub fn departs(&mut self, cause: DepartureCause) {
        self.departure = Some(cause);
    }

    /// What they may do.
    ///
    /// # Errors
    /// When they were made to leave.
    pub fn grants(&self) -> Result<Grants, RoomError> {
        self.room.state().grants(self.serial).cloned()
    }

    /// Another token says what they may do from now on. What they may publish no more has ended.
    ///
    /// # Errors
    /// When they were made to leave.
    pub fn authorize(&self, grants: Grants) -> Result<(), RoomError> {
        self.change(|state| state.authorize(self.serial, grants))
    }

    /// Their client is gone, or is back.
    pub fn set_state(&self, state: ParticipantState) {
        self.change(|room| room.set_state(self.serial, state));
    }

    /// Changes what others see of them. What is `None` stays.
    ///
    /// # Errors
    /// When they may not.
    pub fn update(&self, name: Option<String>, metadata: Option<String>) -> Result<(), RoomError> {
        self.change(|state| state.update(self.serial, name, metadata))
    }

    /// Takes the whole list of what they publish. Returns the tracks, in its order.
    ///
    /// # Errors
    /// When they may not publish that, or not so much. Then nothing changes.
    pub fn publish(&self, wanted: Vec<NewPublication>) -> Result<Vec<TrackId>, RoomError> {
        let new_track = || self.rooms.new_track();
        self.change(|state| state.publish(self.serial, wanted, new_track))
    }

    /// Takes the whole list of what they have muted.
    ///
    /// # Errors
    /// When there are more keys than publications are allowed.
    pub fn mute(&self, keys: Vec<String>) -> Result<(), RoomError> {
        self.change(|state| state.mute(self.serial, keys))
    }

    /// Mutes what somebody else publishes, who is told why.
    ///
    /// # Errors
    /// When they may not, or there is no such publication.
    pub fn mute_publication(
        &self,
        publication: &PublicationId,
        reason: Option<String>,
    ) -> Result<(), RoomError> {
        let moderator = Moderator::Member(self.serial);
        self.change(|state| state.mute_publication(moderator, publication, reason))
    }

    /// What others muted of theirs, and why, since this was asked last.
    #[must_use]
    pub fn muted_by_others(&self) -> Vec<(PublicationId, Option<String>)> {
        self.room.state().muted_by_others(self.serial, false)
    }

    /// All that others muted of theirs and they did not unmute, and why: for who may not have heard of it.
    #[must_use]
    pub fn still_muted_by_others(&self) -> Vec<(PublicationId, Option<String>)> {
        self.room.state().muted_by_others(self.serial, true)
    }

    /// Removes somebody.
    ///
    /// # Errors
    /// When they may not, or there is no such participant.
    pub fn kick(&self, whom: &ParticipantId, reason: Option<String>) -> Result<(), RoomError> {
        self.change(|state| state.kick(Moderator::Member(self.serial), whom, reason))
    }

    /// Ends the room for everybody.
    ///
    /// # Errors
    /// When they may not.
    pub fn end(&self, reason: Option<&str>) -> Result<(), RoomError> {
        self.change(|state| state.end(Moderator::Member(self.serial), reason))
    }

    /// Says something.
    ///
    /// # Errors
    /// When they may not.
    pub fn say(&self, said: Said) -> Result<(), RoomError> {
        self.change(|state| {
            let number = self.rooms.next_message();
            state.say(self.serial, said, number)
        })
    }

    /// Who sits here is heard on a track of theirs.
    pub fn hear(&self, now: Instant, track: TrackId, voice: Voice) {
        self.room.hear(now, self.serial, track, voice);
    }

    /// Sends others a message.
    ///
    /// # Errors
    /// When they may not.
    pub fn send(&self, message: &ClientData<'_>) -> Result<(), RoomError> {
        self.room.state().send(self.serial, message)
    }

    /// What was written to the chat last.
    #[must_use]
    pub fn chat(&self) -> Vec<RoomMessage> {
        self.room.state().chat()
    }

    /// What was said after a number that they may know.
    ///
    /// # Errors
    /// When not all of it is kept any more.
    pub fn said_after(&self, number: u64) -> Result<Vec<Arc<RoomMessage>>, Forgotten> {
        self.room.state().said_after(self.serial, number)
    }

    fn change<T>(&self, change: impl FnOnce(&mut RoomState) -> T) -> T {
        self.room.change(change)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.rooms
            .leave(&self.id, &self.room, self.serial, self.departure);
    }
}

//! A participant's place in a room: what it may see and do there. Giving it up, by dropping it, is leaving.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
/// changes gather: for a millisecond for each member above that, and for [`LONGEST_GATHER`] at the most. Those of who is
/// there and what they publish, of which there are most while a room fills, for three, and for [`LONGEST_COMING`] at the
/// most.
pub(crate) const AT_ONCE: usize = 32;

/// Half of what is kept of somebody's sound from before they were chosen to be heard (`forward::lead_in`): nobody's first
/// syllable is lost by it.
pub(crate) const LONGEST_GATHER: Duration = Duration::from_millis(100);

/// Nobody sees within half a second that a picture more is there, among hundreds.
pub(crate) const LONGEST_COMING: Duration = Duration::from_millis(500);

/// When a room is looked at again.
#[derive(Clone, Copy, Debug)]
struct NextLook {
    /// Where something changed that is not only who is there and what they publish.
    pressing: Instant,
    /// Whatever changed.
    any: Instant,
}

impl NextLook {
    /// After a look at a room of so many. `None` is at once.
    fn after(now: Instant, members: usize) -> Option<Self> {
        let above = members.checked_sub(AT_ONCE).filter(|above| *above > 0)?;
        let gather = above as u64;
        Some(Self {
            pressing: now + Duration::from_millis(gather).min(LONGEST_GATHER),
            any: now + Duration::from_millis(3 * gather).min(LONGEST_COMING),
        })
    }
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
    /// Something changed that is not only who is there and what they publish.
    pressing: watch::Receiver<()>,
    /// Until when changes gather.
    next_look: Option<NextLook>,
    /// What is published from here changed since: one's own is seen sooner.
    has_published: AtomicBool,
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
        let (view, pressing) = room.watch();
        Ok(Self {
            rooms: rooms.clone(),
            id,
            view,
            pressing,
            next_look: None,
            has_published: AtomicBool::new(false),
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
        // First: what changes meanwhile is seen twice, and not never.
        self.pressing.mark_unchanged();
        *self.has_published.get_mut() = false;
        let view = self.view.borrow_and_update().clone();
        self.next_look = NextLook::after(Instant::now(), view.members.len());
        view
    }

    /// Waits until the room is no longer as [`view`](Self::view) last said, and in a large one until a look at it is worth
    /// what it costs: half a second after the last, at the most.
    pub async fn changed(&mut self) {
        let Some(next) = self.next_look else {
            return changed(&mut self.view).await;
        };
        // First: what wakes one meanwhile need not.
        sleep_until(next.pressing.into()).await;
        let gathered = match *self.has_published.get_mut() {
            true => next.pressing,
            false => next.any,
        };
        let (view, pressing) = (&mut self.view, &mut self.pressing);
        tokio::select! {
            () = changed(pressing) => {}
            () = async { sleep_until(gathered.into()).await; changed(view).await } => {}
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
        self.has_published.store(true, Ordering::Relaxed);
        self.room
            .change_company(|state| state.publish(self.serial, wanted, new_track))
    }

    /// Takes the whole list of what they have muted.
    ///
    /// # Errors
    /// When there are more keys than publications are allowed.
    pub fn mute(&self, keys: Vec<String>) -> Result<(), RoomError> {
        self.room
            .change_company(|state| state.mute(self.serial, keys))
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

/// Waits for something else than was looked at. A room outlives its seats: whoever waits is in it.
async fn changed<T>(what: &mut watch::Receiver<T>) {
    if what.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.rooms
            .leave(&self.id, &self.room, self.serial, self.departure);
    }
}

#[cfg(test)]
mod tests {
    use ferrite_protocol::{MediaKind, Source};
    use tokio::time::timeout;

    use super::*;
    use crate::room::RoomLimits;

    const HOUR: Duration = Duration::from_secs(3600);
    const MOMENT: Duration = Duration::from_millis(50);

    fn sit(rooms: &Arc<Rooms>, id: &str) -> Seat {
        let newcomer = Newcomer {
            id: id.into(),
            name: None,
            metadata: None,
            grants: None,
            may_open: true,
            max_participants: None,
        };
        Seat::take(rooms, "tea".into(), newcomer).unwrap()
    }

    /// A room, and who looks at it.
    fn room() -> (Arc<Rooms>, Seat) {
        let limits = RoomLimits {
            participants: 3,
            publications: 1,
            room_publications: 2,
        };
        let rooms = Arc::new(Rooms::new(1, limits));
        let seat = sit(&rooms, "who looks");
        (rooms, seat)
    }

    /// Looks, as if the room was so large that the next look was far away. Returns how many are there.
    fn look(seat: &mut Seat) -> usize {
        let (seen, now) = (seat.view().members.len(), Instant::now());
        seat.next_look = Some(NextLook {
            pressing: now,
            any: now + HOUR,
        });
        seen
    }

    fn microphone() -> NewPublication {
        NewPublication {
            key: "microphone".to_owned(),
            kind: MediaKind::Audio,
            source: Source::Microphone,
            label: None,
            size: (None, None),
            formats: Vec::new(),
            layers: 1,
        }
    }

    #[test]
    fn changes_gather_in_large_rooms_and_longest_those_of_who_is_there() {
        let now = Instant::now();
        let waits = |members| {
            let next = NextLook::after(now, members)?;
            Some([next.pressing - now, next.any - now].map(|it| it.as_millis()))
        };
        assert_eq!([0, 1, AT_ONCE].map(waits), [None; 3]);
        let some = [AT_ONCE + 1, 100, 200, 2000].map(waits).map(Option::unwrap);
        assert_eq!(some, [[1, 3], [68, 204], [100, 500], [100, 500]]);
    }

    #[tokio::test]
    async fn who_comes_and_goes_is_waited_for_and_anything_else_is_not() {
        let (rooms, mut seat) = room();
        let other = sit(&rooms, "who is seen");
        look(&mut seat);
        let third = sit(&rooms, "who comes");
        other.publish(Vec::new()).unwrap();
        drop(third);
        let waited = timeout(MOMENT, seat.changed()).await;
        waited.expect_err("of who comes and goes nobody is told at once");
        other.update(Some("Ada".to_owned()), None).unwrap();
        timeout(HOUR, seat.changed()).await.unwrap();
        // What was seen is waited for no more, also where it was seen before it was waited for.
        other.update(Some("Zoë".to_owned()), None).unwrap();
        look(&mut seat);
        let waited = timeout(MOMENT, seat.changed()).await;
        waited.expect_err("it was seen");
        seat.next_look = seat.next_look.map(|next| NextLook {
            any: next.pressing,
            ..next
        });
        let third = sit(&rooms, "who comes again");
        timeout(HOUR, seat.changed()).await.unwrap();
        assert_eq!(look(&mut seat), 3);
        drop(third);
    }

    #[tokio::test]
    async fn who_is_replaced_or_publishes_or_mutes_what_is_seen_waits_for_nobody() {
        let (rooms, mut seat) = room();
        let other = sit(&rooms, "who is seen");
        look(&mut seat);
        other.publish(vec![microphone()]).unwrap();
        other.mute(vec!["camera".to_owned()]).unwrap();
        let waited = timeout(MOMENT, seat.changed()).await;
        waited.expect_err("nothing of that is seen");
        other.mute(vec!["microphone".to_owned()]).unwrap();
        timeout(HOUR, seat.changed()).await.unwrap();
        look(&mut seat);
        let again = sit(&rooms, "who is seen");
        timeout(HOUR, seat.changed()).await.unwrap();
        look(&mut seat);
        drop(again);
        seat.publish(vec![microphone()]).unwrap();
        timeout(HOUR, seat.changed()).await.unwrap();
        look(&mut seat);
        let waited = timeout(MOMENT, seat.changed()).await;
        waited.expect_err("one's own was seen");
    }
}

//! What each of a subscriber's slots shows: pictures as it wishes, or else screens first; all sound there is, beside
//! the picture of the same participant, or where that is more than there are slots, those who speak. Pure, and level-triggered: the room, the
//! wish and what was shown before go in whole.

use std::collections::{BTreeMap, HashSet};

use ferrite_protocol::{Idle, MediaKind, Priority, Publication, PublicationId, Source, Watch};

use super::view::{Carried, View};
use crate::media::Shown;
use crate::media::plan::{MAX_HALVINGS, SCREEN, fits};
use crate::media::sdp::Format;

/// How large pictures are taken to be whose publisher does not say.
const USUAL_SIZE: (u16, u16) = (1280, 720);

/// A slot, as its subscriber offered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotKind {
    /// The `mid` of its section.
    pub mid: String,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// What can be sent on it.
    pub formats: Vec<Format>,
}

/// What a slot shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The publication.
    pub publication: PublicationId,
    /// What is sent, or why nothing is.
    pub state: Result<Shown, Idle>,
}

/// Says what each slot shows, in the order of `slots`. `own` is the subscriber's serial number, `watch`
/// its wish once it said one, `before` what the slots showed until now.
#[must_use]
pub fn assign(
    view: &View,
    own: u64,
    slots: &[SlotKind],
    watch: Option<&BTreeMap<String, Option<Watch>>>,
    before: &BTreeMap<String, PublicationId>,
) -> Vec<Option<Assigned>> {
    let room = Room {
        view,
        own,
        slots,
        before,
    };
    let mut assigned = vec![None; slots.len()];
    match watch {
        Some(watch) => room.watched(watch, &mut assigned),
        None => room.fill(view.pictures(own), MediaKind::Video, &mut assigned),
    }
    let loudest = room.loudest(&assigned);
    room.pair(loudest.as_ref(), &mut assigned);
    room.fill(view.sounds(own), MediaKind::Audio, &mut assigned);
    assigned
}

/// What goes into the decision.
struct Room<'a> {
    view: &'a View,
    own: u64,
    slots: &'a [SlotKind],
    before: &'a BTreeMap<String, PublicationId>,
}

type Candidate<'a> = (&'a Publication, &'a Carried);

impl<'a> Room<'a> {
    fn slots_of(&self, kind: MediaKind) -> impl Iterator<Item = (usize, &'a SlotKind)> {
        let slots = self.slots.iter().enumerate();
        slots.filter(move |(_, slot)| slot.kind == kind)
    }

    /// Shows what is asked for.
    fn watched(&self, watch: &BTreeMap<String, Option<Watch>>, assigned: &mut [Option<Assigned>]) {
        for (at, slot) in self.slots_of(MediaKind::Video) {
            if let Some(Some(wish)) = watch.get(&slot.mid) {
                assigned[at] = Some(Assigned {
                    publication: wish.publication.clone(),
                    state: self.state(slot, wish),
                });
            }
        }
    }

    fn state(&self, slot: &SlotKind, wish: &Watch) -> Result<Shown, Idle> {
        let found = self.view.publication(&wish.publication);
        let found = found.filter(|(it, _)| it.kind == MediaKind::Video);
        let candidate = found.ok_or(Idle::NoPublisher)?;
        match wish.paused {
            true => Err(Idle::Paused),
            false => shown(slot, candidate, (wish.width, wish.height), wish.priority),
        }
    }

    /// Who is to be heard, where there are not slots for all: those who speak or spoke last, besides the
    /// screens that are shown.
    fn loudest(&self, assigned: &[Option<Assigned>]) -> Option<HashSet<&'a PublicationId>> {
        let slots = self.slots_of(MediaKind::Audio).count();
        if self.view.sounds(self.own).take(slots + 1).count() <= slots {
            return None;
        }
        let shown = assigned.iter().flatten();
        let sounds = shown.filter_map(|it| self.sound_of(&it.publication));
        let screens = sounds.filter(|(it, _)| it.source == Source::ScreenAudio);
        let screens: HashSet<_> = screens.map(|(it, _)| &it.id).collect();
        let others = self.view.sounds(self.own).map(|(it, _)| &it.id);
        let others = others.filter(|id| !screens.contains(id));
        let room = slots.saturating_sub(screens.len());
        let loudest: Vec<_> = others.take(room).collect();
        Some(screens.into_iter().chain(loudest).collect())
    }

    /// Puts sound into the slot that is one stream with the picture of the same participant: of everybody, or of
    /// the `loudest`, who keep the slot that they have.
    fn pair(&self, loudest: Option<&HashSet<&PublicationId>>, assigned: &mut [Option<Assigned>]) {
        let heard: HashSet<_> = self.before.values().collect();
        let may_be_here = |mid: &String, (sound, _): &Candidate<'_>| {
            let (is_screen, sound) = (sound.source == Source::ScreenAudio, &sound.id);
            let before = self.before.get(mid);
            let stays = before == Some(sound) || !heard.contains(sound);
            loudest.is_none_or(|loudest| {
                let is_free = before.is_none_or(|it| it == sound || !loudest.contains(it));
                loudest.contains(sound) && (is_screen || stays && is_free)
            })
        };
        let pairs = self
            .slots_of(MediaKind::Audio)
            .zip(self.slots_of(MediaKind::Video));
        let pairs: Vec<_> = pairs.collect();
        let mut placed = HashSet::new();
        for ((audio, slot), (video, _)) in pairs {
            let picture = assigned[video].as_ref();
            let sound = picture.and_then(|it| self.sound_of(&it.publication));
            if let Some(sound) = sound
                && may_be_here(&slot.mid, &sound)
                && placed.insert(&sound.0.id)
            {
                assigned[audio] = Some(place(slot, sound));
            }
        }
    }

    /// The sound that belongs to a picture: a screen's is the screen's, a camera's the microphone's.
    fn sound_of(&self, picture: &PublicationId) -> Option<Candidate<'a>> {
        let (publication, _) = self.view.publication(picture)?;
        let (participant, _) = publication.id.parts()?;
        let is_screen = publication.source == Source::Screen;
        let belongs = |(sound, _): &Candidate<'a>| {
            let is_heard = sound.kind == MediaKind::Audio && !sound.muted;
            is_heard && (sound.source == Source::ScreenAudio) == is_screen
        };
        let is_own =
            (self.view.member(self.own)).is_some_and(|it| it.participant.id.0 == participant);
        let mut published = self.view.published_by(participant)?.filter(|_| !is_own);
        published.find(belongs)
    }

    /// Fills the free slots of a kind with the first candidates that have none. What was shown before
    /// stays where it was.
    fn fill(
        &self,
        candidates: impl Iterator<Item = Candidate<'a>>,
        kind: MediaKind,
        assigned: &mut [Option<Assigned>],
    ) {
        let slots: Vec<_> = self.slots_of(kind).collect();
        let placed = slots.iter().filter_map(|(at, _)| assigned[*at].as_ref());
        let placed: HashSet<_> = placed.map(|it| it.publication.clone()).collect();
        let room = slots.len() - placed.len();
        let waiting = candidates.filter(|(it, _)| !placed.contains(&it.id));
        let mut waiting: Vec<_> = waiting.take(room).collect();
        for (at, slot) in &slots {
            let before = self.before.get(&slot.mid);
            let stays = waiting.iter().position(|(it, _)| Some(&it.id) == before);
            if let Some(stays) = stays.filter(|_| assigned[*at].is_none()) {
                assigned[*at] = Some(place(slot, waiting.remove(stays)));
            }
        }
        let mut waiting = waiting.into_iter();
        for (at, slot) in slots {
            if assigned[at].is_none() {
                assigned[at] = waiting.next().map(|candidate| place(slot, candidate));
            }
        }
    }
}

fn place(slot: &SlotKind, candidate: Candidate<'_>) -> Assigned {
    Assigned {
        publication: candidate.0.id.clone(),
        state: shown(slot, candidate, (None, None), Priority::default()),
    }
}

/// What is sent of a publication on a slot where it is shown so large.
fn shown(
    slot: &SlotKind,
    (publication, carried): Candidate<'_>,
    size: (Option<u16>, Option<u16>),
    wished: Priority,
) -> Result<Shown, Idle> {
    if publication.muted {
        return Err(Idle::Muted);
    }
    if !carried
        .formats
        .iter()
        .any(|format| slot.formats.contains(format))
    {
        return Err(Idle::Codec);
    }
    let best_layer = best_layer(publication, carried.layers, size);
    Ok(Shown {
        best_layer,
        watched: match carried.layers {
            0 | 1 => halvings((publication, carried), size),
            _ => best_layer,
        },
        priority: priority(wished, publication.source, size),
        size,
        ..Shown::at_best(carried.track)
    })
}

/// What comes first where not all fits: as the subscriber wishes; then screens before pictures, and what is shown
/// larger before what is smaller.
fn priority(wished: Priority, source: Source, (width, height): (Option<u16>, Option<u16>)) -> u32 {
    let area = u32::from(width.unwrap_or(USUAL_SIZE.0)) * u32::from(height.unwrap_or(USUAL_SIZE.1));
    let within = match source {
        Source::Screen => SCREEN,
        // In 256 pixels: there are three bytes for it.
        Source::Camera | Source::Microphone | Source::ScreenAudio | Source::Other => {
            (area >> 8).min(SCREEN - 1)
        }
    };
    (wished as u32) << 24 | within
}

/// The largest layer that fits, or the smallest. Each has half the width and height of the one before.
fn best_layer(publication: &Publication, layers: u8, size: (Option<u16>, Option<u16>)) -> u8 {
    let own = (
        publication.width.unwrap_or(USUAL_SIZE.0),
        publication.height.unwrap_or(USUAL_SIZE.1),
    );
    let fits = |layer: u8| {
        let side = |own: u16| f32::from(own) / f32::from(1_u16 << layer.min(15));
        fits((side(own.0), side(own.1)), size)
    };
    let last = layers.saturating_sub(1);
    (0..last).find(|layer| fits(*layer)).unwrap_or(last)
}

/// How many times what is published in one stream may be halved, where it is said how large that is, and it comes in a codec
/// that has spatial layers.
fn halvings((publication, carried): Candidate<'_>, size: (Option<u16>, Option<u16>)) -> u8 {
    let first = carried.formats.first();
    let has_them = first.is_some_and(|it| it.kind.has_spatial_layers());
    match (publication.width, publication.height) {
        (Some(_), Some(_)) if has_them => best_layer(publication, MAX_HALVINGS + 1, size),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wishes_come_before_screens_and_screens_before_what_is_large() {
        let of = |wished, source, size| priority(wished, source, (Some(size), Some(size)));
        let small = of(Priority::Low, Source::Camera, 160);
        let large = of(Priority::Low, Source::Camera, 1280);
        let huge = of(Priority::Low, Source::Camera, u16::MAX);
        let screen = of(Priority::Low, Source::Screen, 160);
        let wished = of(Priority::Medium, Source::Camera, 160);
        let most = of(Priority::High, Source::Camera, 160);
        let least = of(Priority::VeryLow, Source::Screen, 1280);
        let order = [least, small, large, huge, screen, wished, most];
        assert!(order.is_sorted_by(|one, other| one < other), "{order:?}");
        let unknown = priority(Priority::Low, Source::Camera, (None, None));
        assert!((small..large).contains(&unknown));
    }
}

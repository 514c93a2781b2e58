//! The streams received from one peer: which SSRC is which stream, and room for a bounded number of
//! them. Knows nothing of session descriptions, nor of what becomes of their packets.

use std::time::{Duration, Instant};

use crate::media::ingest::sections::Recognised;
use crate::media::ingest::stream::Ingest;
use crate::media::rtp::work;
use crate::media::sdp::MediaKind;

/// Streams received from one peer at a time. RFC 8108 allows many; browsers send two to seven.
pub const MAX_INGESTS: usize = 64;

/// A stream silent for this long makes room for another where there is none.
pub const SILENCE: Duration = Duration::from_secs(5);

/// A stream silent for this long gives its place to another of the same layer. Sound that pauses
/// (RFC 7587 §3.1.3) is heard every 400 ms.
pub const LEAD_SILENCE: Duration = Duration::from_millis(500);

/// Whether a packet is of the stream that is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// It is.
    Leads,
    /// Another is.
    Follows,
    /// None is, and a keyframe would make this one lead.
    WantsKeyframe,
}

/// What an SSRC is, and the slot of its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Media.
    Media(usize),
    /// Retransmissions.
    Retransmission(usize),
}

impl Role {
    fn slot(self) -> usize {
        let (Self::Media(slot) | Self::Retransmission(slot)) = self;
        slot
    }
}

/// The streams, and their SSRCs: two for a stream at most. They are few: reading through their numbers,
/// which lie together, is faster than a hash table, and whoever chooses them can make it no slower.
#[derive(Default)]
pub struct Ingests {
    ssrcs: Vec<u32>,
    roles: Vec<Role>,
    slots: Vec<Option<Ingest>>,
    /// By section, the layers of which something was passed on already.
    led: Vec<u16>,
}

impl Ingests {
    /// Every stream.
    pub fn iter(&self) -> impl Iterator<Item = &Ingest> {
        self.slots.iter().flatten()
    }

    /// Every stream.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Ingest> {
        self.slots.iter_mut().flatten()
    }

    /// What is known of an SSRC.
    pub fn role(&self, ssrc: u32) -> Option<Role> {
        let at = self.ssrcs.iter().position(|known| *known == ssrc)?;
        self.roles.get(at).copied()
    }

    /// The stream of a role.
    pub fn get_mut(&mut self, role: Role) -> Option<&mut Ingest> {
        self.slots.get_mut(role.slot())?.as_mut()
    }

    /// Forgets the streams that do not stay.
    pub fn retain(&mut self, stays: impl Fn(&Ingest) -> bool) {
        for slot in 0..self.slots.len() {
            if self.slots[slot].as_ref().is_some_and(|i| !stays(i)) {
                self.free(slot);
            }
        }
    }

    /// Forgets what an SSRC was: its sender said goodbye (RFC 3550 §6.6).
    pub fn forget(&mut self, ssrc: u32) {
        match self.role(ssrc) {
            Some(Role::Media(slot)) => self.free(slot),
            Some(Role::Retransmission(slot)) => {
                if let Some(ingest) = &mut self.slots[slot] {
                    ingest.rtx_ssrc = None;
                }
                self.forget_role(ssrc);
            }
            None => {}
        }
    }

    fn free(&mut self, slot: usize) {
        if let Some(ingest) = self.slots[slot].take() {
            self.forget_role(ingest.ssrc);
            ingest
                .rtx_ssrc
                .into_iter()
                .for_each(|ssrc| self.forget_role(ssrc));
        }
    }

    fn forget_role(&mut self, ssrc: u32) {
        if let Some(at) = self.ssrcs.iter().position(|known| *known == ssrc) {
            self.ssrcs.swap_remove(at);
            self.roles.swap_remove(at);
        }
    }

    /// Gives an SSRC not heard before its role, and its stream where it is media: `kind` is that of its
    /// section.
    pub fn add(
        &mut self,
        now: Instant,
        ssrc: u32,
        kind: MediaKind,
        recognised: &Recognised,
    ) -> Option<Role> {
        let role = match recognised.repairs {
            Some(announced) => {
                let slot = self.repaired_by(announced, recognised)?;
                // One SSRC repairs a stream: another takes its place.
                let before = self.slots[slot].as_mut()?.rtx_ssrc.replace(ssrc);
                before.into_iter().for_each(|ssrc| self.forget_role(ssrc));
                Role::Retransmission(slot)
            }
            None => {
                let (section, codec) = (recognised.section, recognised.codec);
                let layer = recognised.layer.unwrap_or(0);
                let slot = self.room(now)?;
                let ingest = Ingest::new(now, ssrc, section, layer, kind, codec.clock_rate);
                self.slots[slot] = Some(ingest);
                Role::Media(slot)
            }
        };
        self.ssrcs.push(ssrc);
        self.roles.push(role);
        Some(role)
    }

    /// The stream that an SSRC of retransmissions repairs: the announced one, else the one heard last of
    /// those it may be.
    fn repaired_by(&self, announced: Option<u32>, recognised: &Recognised) -> Option<usize> {
        let repairs = |ingest: &&Ingest| match announced {
            Some(ssrc) => ssrc == ingest.ssrc,
            None => {
                let layer = recognised.layer.unwrap_or(0);
                (ingest.section, ingest.layer) == (recognised.section, layer)
            }
        };
        let slots = self.slots.iter().enumerate();
        let candidates = slots.filter_map(|(slot, i)| Some((slot, i.as_ref().filter(repairs)?)));
        let heard_last = candidates.max_by_key(|(_, ingest)| ingest.heard());
        heard_last.map(|(slot, _)| slot)
    }

    /// Whether a packet that arrived now is passed on. Of the SSRCs of a layer one leads, until it says
    /// goodbye or is silent; the next begins with a keyframe, unless nothing was passed on before.
    pub fn lead(&mut self, now: Instant, role: Role, starts_keyframe: bool) -> Lead {
        let Some(ingest) = self.get_mut(role) else {
            return Lead::Follows;
        };
        if ingest.leads {
            return Lead::Leads;
        }
        let place = (ingest.section, ingest.layer);
        let leader = self.leader(place).map(|leader| leader.heard());
        if leader.is_some_and(|heard| now < heard + LEAD_SILENCE) {
            return Lead::Follows;
        }
        let (section, layer) = place;
        let had_one = self
            .led
            .get(section)
            .is_some_and(|led| led >> layer & 1 == 1);
        if had_one && !starts_keyframe {
            return Lead::WantsKeyframe;
        }
        if let Some(leader) = self.leader(place) {
            leader.leads = false;
        }
        if let Some(ingest) = self.get_mut(role) {
            ingest.leads = true;
        }
        if self.led.len() <= section {
            self.led.resize(section + 1, 0);
        }
        self.led[section] |= 1 << layer;
        Lead::Leads
    }

    fn leader(&mut self, place: (usize, u8)) -> Option<&mut Ingest> {
        self.iter_mut().find(|ingest| {
            work::count(1);
            ingest.leads && (ingest.section, ingest.layer) == place
        })
    }

    /// What comes on a section is something else from now on.
    pub fn begin_anew(&mut self, section: usize) {
        if let Some(led) = self.led.get_mut(section) {
            *led = 0;
        }
    }

    /// A free slot.
    fn room(&mut self, now: Instant) -> Option<usize> {
        if let Some(free) = self.slots.iter().position(Option::is_none) {
            return Some(free);
        }
        if self.slots.len() < MAX_INGESTS {
            // Most peers send one or two, and each takes some.
            self.slots.reserve_exact(1);
            self.slots.push(None);
            return Some(self.slots.len() - 1);
        }
        let heard = |slot: &usize| self.slots[*slot].as_ref().map(Ingest::heard);
        let silent = (0..self.slots.len()).min_by_key(heard)?;
        if heard(&silent).is_some_and(|heard| now < heard + SILENCE) {
            return None;
        }
        self.free(silent);
        Some(silent)
    }
}

//! The streams received from one peer: which SSRC is which stream, and room for a bounded number of
//! them. Knows nothing of what becomes of their packets.

use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::media::ingest::stream::Ingest;
use crate::media::rtp::header::{ExtensionValues, Header};
use crate::media::sdp::{Codec, MediaSection};

/// Streams received from one peer at a time. RFC 8108 allows many; browsers send two to seven.
pub const MAX_INGESTS: usize = 64;

/// A stream silent for this long makes room for another where there is none.
pub const SILENCE: Duration = Duration::from_secs(5);

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

/// The streams.
#[derive(Default)]
pub struct Ingests {
    roles: FxHashMap<u32, Role>,
    slots: Vec<Option<Ingest>>,
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
        self.roles.get(&ssrc).copied()
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
        match self.roles.remove(&ssrc) {
            Some(Role::Media(slot)) => self.free(slot),
            Some(Role::Retransmission(_)) | None => {}
        }
    }

    fn free(&mut self, slot: usize) {
        self.slots[slot] = None;
        self.roles.retain(|_, role| role.slot() != slot);
    }

    /// Finds what an SSRC not heard before is: by the section its packet names, by what the session
    /// description announced, else by the one section that has its payload type (RFC 8843 §9.2).
    pub fn recognise(
        &mut self,
        now: Instant,
        sections: &[Option<MediaSection>],
        header: &Header,
        packet: &[u8],
    ) -> Option<Role> {
        let (at, section) = section_of(sections, header, packet)?;
        let values = ExtensionValues::read(header.extensions(packet), &section.extensions);
        let rid = values.repaired_rid.or(values.rid);
        let layer = rid.and_then(|rid| {
            let mut rids = section.rids.iter();
            rids.position(|known| known.as_bytes() == rid)
        });
        let role = if codec_of_rtx(section, header.payload_type).is_some() {
            Role::Retransmission(self.repaired_by(header.ssrc, at, section, layer)?)
        } else {
            let codec = codec_of(section, header.payload_type)?;
            let ssrc = header.ssrc;
            let mut ingest = Ingest::new(now, ssrc, at, layer, section.kind, codec.clock_rate);
            if layer.is_none_or(|layer| layer == 0) {
                ingest.want_keyframe(now);
            }
            let slot = self.room(now)?;
            self.slots[slot] = Some(ingest);
            Role::Media(slot)
        };
        self.roles.insert(header.ssrc, role);
        Some(role)
    }

    /// The stream that an SSRC of retransmissions repairs: the announced one, else the one heard last.
    fn repaired_by(
        &self,
        ssrc: u32,
        at: usize,
        section: &MediaSection,
        layer: Option<usize>,
    ) -> Option<usize> {
        let mut announced = section.remote_streams.iter();
        let media_ssrc = announced
            .find(|stream| stream.rtx_ssrc == Some(ssrc))
            .map(|stream| stream.ssrc);
        let repairs = |ingest: &&Ingest| {
            media_ssrc.is_none_or(|ssrc| ssrc == ingest.ssrc)
                && (ingest.section, ingest.layer) == (at, layer)
        };
        let slots = self.slots.iter().enumerate();
        let candidates = slots.filter_map(|(slot, i)| Some((slot, i.as_ref().filter(repairs)?)));
        let heard_last = candidates.max_by_key(|(_, ingest)| ingest.heard());
        heard_last.map(|(slot, _)| slot)
    }

    /// A free slot.
    fn room(&mut self, now: Instant) -> Option<usize> {
        if let Some(free) = self.slots.iter().position(Option::is_none) {
            return Some(free);
        }
        if self.slots.len() < MAX_INGESTS {
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

fn section_of<'s>(
    sections: &'s [Option<MediaSection>],
    header: &Header,
    packet: &[u8],
) -> Option<(usize, &'s MediaSection)> {
    let media = || {
        let sections = sections.iter().enumerate();
        sections.filter_map(|(at, section)| Some((at, section.as_ref()?)))
    };
    let named = media().find(|(_, section)| {
        let mid = ExtensionValues::read(header.extensions(packet), &section.extensions).mid;
        mid == Some(section.mid.as_bytes())
    });
    let announced = || {
        media().find(|(_, section)| {
            let mut streams = section.remote_streams.iter();
            streams.any(|s| s.ssrc == header.ssrc || s.rtx_ssrc == Some(header.ssrc))
        })
    };
    let only = || {
        let mut with = media().filter(|(_, section)| {
            codec_of(section, header.payload_type)
                .or(codec_of_rtx(section, header.payload_type))
                .is_some()
        });
        with.next().filter(|_| with.next().is_none())
    };
    named.or_else(announced).or_else(only)
}

/// The codec of a payload type.
pub fn codec_of(section: &MediaSection, payload_type: u8) -> Option<&Codec> {
    let mut codecs = section.codecs.iter();
    codecs.find(|codec| codec.payload_type == payload_type)
}

/// The codec whose retransmissions have a payload type.
pub fn codec_of_rtx(section: &MediaSection, payload_type: u8) -> Option<&Codec> {
    let mut codecs = section.codecs.iter();
    codecs.find(|codec| codec.rtx_payload_type == Some(payload_type))
}

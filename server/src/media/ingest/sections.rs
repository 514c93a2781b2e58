//! What a session description says of the media a peer sends, arranged for the packets that come: which
//! section a packet belongs to, and what its payload type means there. A stranger's packet costs one
//! look, however many sections there are. Knows descriptions and packets, not streams.

use std::collections::HashMap;

use crate::media::rtp::header::{ExtensionValues, Header};
use crate::media::sdp::{Agreed, Extensions, Format, MediaKind, MediaSection, Section};

/// No section, or several: what a payload type alone does not say.
const NOT_ONE: u8 = u8::MAX;

/// A codec of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReceivedCodec {
    /// What it is to a decoder.
    pub format: Format,
    /// Its payload type.
    pub payload_type: u8,
    /// That of its retransmissions.
    pub rtx_payload_type: Option<u8>,
    /// The ticks of its clock in a second.
    pub clock_rate: u32,
}

/// A section as a receiver sees it.
#[derive(Clone, Debug)]
pub struct ReceivedSection {
    mid: String,
    /// Sound or pictures.
    pub kind: MediaKind,
    /// Whether anything may come.
    pub receives: bool,
    /// The extensions' ids.
    pub ids: Extensions,
    /// What is lost may be asked for.
    pub nack: bool,
    codecs: Vec<ReceivedCodec>,
    rids: Vec<String>,
    layer_ssrcs: Vec<u32>,
    ssrcs: Vec<u32>,
}

impl ReceivedSection {
    fn of(section: &MediaSection) -> Self {
        let codecs = section.codecs.iter().map(|codec| ReceivedCodec {
            format: Format::of(codec.kind, &codec.fmtp),
            payload_type: codec.payload_type,
            rtx_payload_type: codec.rtx_payload_type,
            clock_rate: codec.clock_rate,
        });
        Self {
            mid: section.mid.clone(),
            kind: section.kind,
            receives: section.direction.recv,
            ids: section.extensions,
            nack: section.codecs.iter().any(|codec| codec.nack),
            codecs: codecs.collect(),
            rids: section.rids.clone(),
            layer_ssrcs: section.layer_ssrcs.clone(),
            ssrcs: section.remote_streams.iter().map(|s| s.ssrc).collect(),
        }
    }

    /// The codec of a payload type.
    pub fn codec(&self, payload_type: u8) -> Option<&ReceivedCodec> {
        let mut codecs = self.codecs.iter();
        codecs.find(|codec| codec.payload_type == payload_type)
    }

    /// The codec whose retransmissions have a payload type.
    pub fn codec_of_rtx(&self, payload_type: u8) -> Option<&ReceivedCodec> {
        let mut codecs = self.codecs.iter();
        codecs.find(|codec| codec.rtx_payload_type == Some(payload_type))
    }

    /// Whether it has several simulcast layers.
    pub fn is_layered(&self) -> bool {
        self.rids.len().max(self.layer_ssrcs.len()) > 1
    }

    /// The simulcast layer of a packet: by the rid it names, else by its SSRC (RFC 8853 §5.5).
    fn layer(&self, ssrc: u32, rid: Option<&[u8]>) -> Option<u8> {
        let named = rid.and_then(|rid| self.rids.iter().position(|known| known.as_bytes() == rid));
        let known = || self.layer_ssrcs.iter().position(|known| *known == ssrc);
        u8::try_from(named.or_else(known)?).ok()
    }

    /// Whether a stream received here goes on after a new answer: the section is the same, and its SSRC
    /// was not replaced by another that is announced.
    fn goes_on(&self, after: &Self, ssrc: u32) -> bool {
        let replaced =
            self.ssrcs.contains(&ssrc) && !after.ssrcs.is_empty() && !after.ssrcs.contains(&ssrc);
        self.is_same(after) && after.receives && !replaced
    }

    fn is_same(&self, after: &Self) -> bool {
        (&self.mid, self.kind, &self.rids) == (&after.mid, after.kind, &after.rids)
    }
}

/// What a packet of an SSRC not heard before is.
#[derive(Clone, Copy, Debug)]
pub struct Recognised {
    /// Its section.
    pub section: usize,
    /// Its simulcast layer, where it says so.
    pub layer: Option<u8>,
    /// Its codec; for retransmissions that of what is sent again.
    pub codec: ReceivedCodec,
    /// It is a retransmission, of this SSRC where that was announced.
    pub repairs: Option<Option<u32>>,
}

/// Every section of a session.
#[derive(Debug, Default)]
pub struct ReceivedSections {
    all: Vec<Option<ReceivedSection>>,
    /// The ids of what names a section: they mean the same in each (RFC 9143 §15).
    naming: Extensions,
    /// The section of an announced SSRC, and what it retransmits for. The other end chooses the SSRCs,
    /// so the table's hash has a seed.
    announced: HashMap<u32, (usize, Option<u32>)>,
    /// The one section that has a payload type. Without sections empty.
    by_payload_type: Vec<u8>,
}

impl ReceivedSections {
    /// Arranges what a session says.
    pub fn of(agreed: &Agreed) -> Self {
        let mut sections = Self {
            by_payload_type: vec![NOT_ONE; 128],
            ..Self::default()
        };
        let mut seen = [false; 128];
        for (at, section) in agreed.sections.iter().enumerate() {
            let Section::Media(media) = section else {
                sections.all.push(None);
                continue;
            };
            let received = ReceivedSection::of(media);
            let ids = &media.extensions;
            let naming = &mut sections.naming;
            naming.mid = naming.mid.or(ids.mid);
            naming.rid = naming.rid.or(ids.rid);
            naming.repaired_rid = naming.repaired_rid.or(ids.repaired_rid);
            for stream in &media.remote_streams {
                sections.announced.insert(stream.ssrc, (at, None));
                if let Some(rtx) = stream.rtx_ssrc {
                    sections.announced.insert(rtx, (at, Some(stream.ssrc)));
                }
            }
            for payload_type in payload_types(&received) {
                let slot = usize::from(payload_type & 0x7F);
                sections.by_payload_type[slot] = match seen[slot] {
                    true => NOT_ONE,
                    false => at as u8,
                };
                seen[slot] = true;
            }
            sections.all.push(Some(received));
        }
        sections
    }

    /// A section, where it has media.
    pub fn get(&self, section: usize) -> Option<&ReceivedSection> {
        self.all.get(section)?.as_ref()
    }

    /// Whether a stream received on a section goes on after another answer.
    pub fn goes_on(&self, after: &Self, section: usize, ssrc: u32) -> bool {
        let sections = self.get(section).zip(after.get(section));
        sections.is_some_and(|(before, after)| before.goes_on(after, ssrc))
    }

    /// Whether a section is the one it was before.
    pub fn is_same(&self, after: &Self, section: usize) -> bool {
        let sections = self.get(section).zip(after.get(section));
        sections.is_some_and(|(before, after)| before.is_same(after) && after.receives)
    }

    /// Finds what a packet is of whose SSRC was not heard before: by the section it names, by what the
    /// session description announced, else by the one section that has its payload type (RFC 9143 §9.2).
    pub fn recognise(&self, header: &Header, packet: &[u8]) -> Option<Recognised> {
        let values = ExtensionValues::read(header.extensions(packet), &self.naming);
        let announced = self.announced.get(&header.ssrc);
        let named = values.mid.and_then(|mid| self.named(mid));
        let section = named
            .or_else(|| announced.map(|(section, _)| *section))
            .or_else(|| self.by_payload_type(header.payload_type))?;
        let received = self.get(section)?;
        let repairs = announced.and_then(|(_, repairs)| *repairs);
        let layer = received.layer(header.ssrc, values.repaired_rid.or(values.rid));
        let found = |codec: &ReceivedCodec, repairs| Recognised {
            section,
            layer,
            codec: *codec,
            repairs,
        };
        if let Some(codec) = received.codec_of_rtx(header.payload_type) {
            return Some(found(codec, Some(repairs)));
        }
        Some(found(received.codec(header.payload_type)?, None))
    }

    fn named(&self, mid: &[u8]) -> Option<usize> {
        let is_named = |section: &Option<ReceivedSection>| {
            (section.as_ref()).is_some_and(|section| section.mid.as_bytes() == mid)
        };
        self.all.iter().position(is_named)
    }

    fn by_payload_type(&self, payload_type: u8) -> Option<usize> {
        let section = *self.by_payload_type.get(usize::from(payload_type))?;
        (section != NOT_ONE).then_some(section.into())
    }
}

/// Each payload type of a section, once.
fn payload_types(section: &ReceivedSection) -> Vec<u8> {
    let codecs = section.codecs.iter();
    let mut types: Vec<_> = codecs
        .flat_map(|codec| [Some(codec.payload_type), codec.rtx_payload_type])
        .flatten()
        .collect();
    types.sort_unstable();
    types.dedup();
    types
}

//! An offer's frame: its sections, their names, and what holds them together (BUNDLE).
//!
//! It checks what must be true of the whole before any section is looked into, and that a new
//! offer continues what was agreed before (RFC 9429 §5.2.2). It knows nothing of codecs or keys.

use std::borrow::Cow;
use std::collections::HashSet;

use super::agreed::{Agreed, SdpError, Section, refuse};
use super::description::{Attributes, Description, Media};

/// The longest identification tag taken: what a two-byte header extension can carry (RFC 8285 §4.3).
const MAX_MID_BYTES: usize = 255;
/// How much of a name in the offer an error repeats, in bytes. Real ones are shorter.
const MAX_NAME_BYTES: usize = 20;

/// An offer whose frame is sound.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    /// What its sender calls the session; empty where it does not say.
    pub(super) session_id: &'a str,
    /// The session's own attributes.
    pub(super) session: Attributes<'a>,
    /// The sections in their order.
    pub(super) sections: Vec<Offered<'a>>,
    /// The tags of the BUNDLE group in its order, as far as they name sections; `None` without one.
    pub(super) bundle: Option<Vec<&'a str>>,
}

/// One offered section.
#[derive(Debug)]
pub(super) struct Offered<'a> {
    /// Its `a=mid`, if it has one.
    pub(super) mid: Option<&'a str>,
    /// What it is called here: the tag, or its index where there is none.
    pub(super) label: Cow<'a, str>,
    /// Its lines.
    pub(super) media: Media<'a>,
    /// Whether the other end wants it.
    pub(super) live: bool,
}

impl<'a> Offer<'a> {
    /// Reads the frame of an offer.
    pub(super) fn parse(text: &'a str) -> Result<Self, SdpError> {
        let description = Description::parse(text)?;
        if description.media.is_empty() {
            return refuse(
                "the offer has no media section: add a track, a transceiver or a data channel first",
            );
        }
        let sections = description.media.into_iter().enumerate();
        let sections = sections
            .map(|(index, media)| Offered::new(index, media))
            .collect::<Result<Vec<_>, _>>()?;
        let mut offer = Offer {
            session_id: description.session_id.unwrap_or_default(),
            bundle: bundle(&description.attributes, &sections)?,
            session: description.attributes,
            sections,
        };
        offer.mark_bundle_only();
        check_labels(&offer.sections)?;
        Ok(offer)
    }

    /// Port 0 with `bundle-only` says in a group, and nowhere else, that the section has no
    /// transport of its own (RFC 9143 §6).
    fn mark_bundle_only(&mut self) {
        for section in &mut self.sections {
            let tags = self.bundle.as_deref().unwrap_or_default();
            let bundled = section.mid.is_some_and(|mid| tags.contains(&mid));
            section.live |= bundled && section.media.attributes.has("bundle-only");
        }
    }

    /// Whether the section is in the group.
    pub(super) fn bundles(&self, section: &Offered<'_>) -> bool {
        match (&self.bundle, section.mid) {
            (Some(tags), Some(mid)) => tags.contains(&mid),
            (Some(_), None) | (None, _) => false,
        }
    }

    /// Whether it is of the session that was agreed on before. One session has one id (RFC 3264 §8,
    /// RFC 9429 §5.2.1), but some give each offer another (aiortc does). Another peer connection has
    /// other ICE credentials as well.
    pub(super) fn is_of(&self, previous: &Agreed) -> bool {
        let sections = self.sections.iter().map(|s| &s.media.attributes);
        let mut all = std::iter::once(&self.session).chain(sections);
        self.session_id == previous.id
            || all.any(|part| part.value("ice-ufrag") == Some(&previous.ice_ufrag))
    }

    /// Checks that the offer continues what was agreed before.
    pub(super) fn check_continues(&self, previous: &Agreed) -> Result<(), SdpError> {
        let (now, before) = (self.sections.len(), previous.sections.len());
        if now < before {
            return refuse(format!(
                "the offer has {now} media sections and the one before had {before}: they never become fewer (RFC 3264 §8)"
            ));
        }
        let pairs = self.sections.iter().zip(&previous.sections);
        pairs
            .filter(|(offered, _)| offered.live)
            .try_for_each(|(offered, before)| offered.check_continues(before))
    }
}

impl<'a> Offered<'a> {
    fn new(index: usize, media: Media<'a>) -> Result<Self, SdpError> {
        let mid = media.attributes.value("mid");
        if mid.is_some_and(|mid| !is_token(mid) || mid.len() > MAX_MID_BYTES) {
            return refuse(format!("media section {index} has a malformed a=mid"));
        }
        Ok(Offered {
            mid,
            label: mid.map_or_else(|| index.to_string().into(), Cow::from),
            live: media.port != 0,
            media,
        })
    }

    /// How an error calls the section.
    pub(super) fn name(&self) -> String {
        let kind = shorten(self.media.kind);
        match self.mid {
            Some(mid) => format!("the {kind} section with mid \"{}\"", shorten(mid)),
            None => format!("the {kind} section"),
        }
    }

    fn check_continues(&self, before: &Section) -> Result<(), SdpError> {
        let (mid, kind) = match before {
            // A refused or stopped section may become anything else (RFC 9429 §5.2.2).
            Section::Rejected { .. } => return Ok(()),
            Section::Media(media) => (&media.mid, media.kind.name()),
            Section::Data(data) => (&data.mid, "application"),
        };
        if self.label != mid.as_str() || self.media.kind != kind {
            return refuse(format!(
                "{} stands where the {kind} section with mid \"{mid}\" was agreed on before",
                self.name()
            ));
        }
        Ok(())
    }
}

fn shorten(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_NAME_BYTES {
        return name.into();
    }
    format!("{}…", &name[..name.floor_char_boundary(MAX_NAME_BYTES)]).into()
}

/// Tags name sections, so no two are alike, and live sections have either all one or none.
fn check_labels(sections: &[Offered<'_>]) -> Result<(), SdpError> {
    let mut seen = HashSet::new();
    for mid in sections.iter().filter_map(|section| section.mid) {
        if !seen.insert(mid) {
            return refuse(format!("two media sections have the mid \"{mid}\""));
        }
    }
    let live = || sections.iter().filter(|section| section.live);
    if live().any(|s| s.mid.is_some()) && live().any(|s| s.mid.is_none()) {
        return refuse("some media sections have an a=mid and some have none");
    }
    Ok(())
}

fn bundle<'a>(
    session: &Attributes<'a>,
    sections: &[Offered<'a>],
) -> Result<Option<Vec<&'a str>>, SdpError> {
    let mut groups = session.values("group").filter_map(|group| {
        let mut words = group.split_ascii_whitespace();
        (words.next() == Some("BUNDLE")).then_some(words)
    });
    let Some(tags) = groups.next() else {
        return Ok(None);
    };
    if groups.next().is_some() {
        return refuse(
            "the offer has several BUNDLE groups; this server takes everything over one transport",
        );
    }
    // A tag without a section happens (ffmpeg names a track that it does not send): nothing hangs on it.
    let known = |tag: &&str| sections.iter().any(|section| section.mid == Some(*tag));
    let tags: Vec<_> = tags.filter(known).collect();
    let distinct: HashSet<_> = tags.iter().collect();
    if distinct.len() != tags.len() {
        return refuse("the BUNDLE group names a section twice");
    }
    Ok(Some(tags))
}

/// RFC 8866 §9, `token`.
pub(super) fn is_token(text: &str) -> bool {
    let in_token = |byte: u8| byte.is_ascii_graphic() && !b"\"(),/:;<=>?@[\\]".contains(&byte);
    !text.is_empty() && text.bytes().all(in_token)
}

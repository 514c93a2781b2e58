//! What a client's media sections are for: what it publishes on them, and its slots. Keeps what the client
//! said last, whole, and makes the media plane's plan of it and of the room. No IO.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ferrite_protocol::{
    Idle, Limit, MediaKind, Pressure, PublicationId, RequestId, ServerMessage, Slot, Source,
    TrackUse, Tracks, Watch,
};

use super::wanted::{Form, Layered};
use crate::media::peer::quality::Quality;
use crate::media::sdp::{Format, MediaKind as SectionKind, Section};
use crate::media::{Agreed, MediaSection, Plan, Shown, Talk, TrackId, Watched};
use crate::room::{Assigned, NewPublication, SlotKind, View, assign};

/// What a client publishes and is shown.
#[derive(Debug, Default)]
pub(super) struct Sections {
    /// What the sections are for; without it everything comes back.
    tracks: Option<Tracks>,
    agreed: Option<Arc<Agreed>>,
    watch: Option<BTreeMap<String, Option<Watch>>>,
    /// Whether the client keeps up with what it is shown.
    pressure: Pressure,
    /// The keys of what the client would publish and may not.
    denied: Vec<String>,
    /// The sections on which the client publishes, and what the room calls it.
    published: Vec<(usize, TrackId)>,
    /// What each slot shows.
    shown: BTreeMap<String, PublicationId>,
    /// What becomes of that on each.
    carried: BTreeMap<String, Slot>,
    /// The slots that there is no room for on the way to the client.
    starved: HashSet<String>,
    /// What is watched of what comes in layers, by section.
    watched: Vec<(usize, Watched)>,
    /// What the client was told of it.
    told: BTreeMap<String, Slot>,
    plan: Arc<Plan>,
}

/// A room as it is seen from a seat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook<'a> {
    /// The room.
    pub(super) view: &'a View,
    /// The seat's serial number.
    pub(super) own: u64,
    /// Whoever sits there may see and hear others.
    pub(super) subscribes: bool,
    /// Who they are to the others.
    pub(super) talk: &'a Arc<Talk>,
}

/// What is wrong with the tracks of an offer.
pub(super) fn problem(tracks: &Tracks, sdp: &str) -> Option<String> {
    let offered: HashSet<_> = mids(sdp).collect();
    let mut keys = HashSet::new();
    tracks.iter().find_map(|(mid, track)| {
        if !offered.contains(mid.as_str()) {
            return Some(format!(
                "`tracks` names the mid {mid:?}, which the offer has not"
            ));
        }
        let TrackUse::Publish { key, .. } = track else {
            return None;
        };
        let is_good = !key.is_empty() && !key.contains('/') && keys.insert(key);
        let words = "a publication's key is neither empty nor has a `/` in it, and is there once";
        (!is_good).then(|| words.to_owned())
    })
}

/// The sections of an offer, in its order.
fn mids(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines().filter_map(|line| line.strip_prefix("a=mid:"))
}

/// The MediaStream of each slot: the nth for sound and the nth for pictures are one.
pub(super) fn streams(tracks: Option<&Tracks>, sdp: &str) -> HashMap<String, String> {
    let (mut sounds, mut pictures) = (0, 0);
    let slots = mids(sdp).filter_map(|mid| match tracks?.get(mid)? {
        TrackUse::Receive(kind) => Some((mid, *kind)),
        TrackUse::Publish { .. } => None,
    });
    let named = slots.map(|(mid, kind)| {
        let count = match kind {
            MediaKind::Audio => &mut sounds,
            MediaKind::Video => &mut pictures,
        };
        *count += 1;
        (mid.to_owned(), format!("slot-{count}"))
    });
    named.collect()
}

impl Sections {
    /// Takes what an offer says and its answer agreed on.
    pub(super) fn agree(&mut self, tracks: Option<Tracks>, agreed: &Arc<Agreed>) {
        self.tracks = tracks;
        self.agreed = Some(Arc::clone(agreed));
        self.published.clear();
        self.starved.clear();
    }

    /// There is no room on the way to the client for what is shown on these sections, and for all else.
    pub(super) fn starve(&mut self, sections: &[usize]) {
        let media = self.media().filter(|(at, ..)| sections.contains(at));
        self.starved = media.map(|(_, section, _)| section.mid.clone()).collect();
    }

    /// This is watched of what the client publishes in layers, by section.
    pub(super) fn note_watched(&mut self, watched: Vec<(usize, Watched)>) {
        self.watched = watched;
    }

    /// What the client publishes in layers. What the media plane has said nothing of is watched, as far as one knows.
    pub(super) fn layered(&self) -> impl Iterator<Item = Layered<'_>> {
        self.media().filter_map(|(at, section, track)| {
            let TrackUse::Publish { key, .. } = track else {
                return None;
            };
            let form = match &section.rids[..] {
                rids @ [_, _, ..] if section.direction.recv => Form::Layers(rids),
                _ if section.may_have_spatial_layers() => Form::OneStream,
                _ => return None,
            };
            let known = self.watched.iter().find(|(known, _)| *known == at);
            let watched = known.map_or(Some(0), |(_, watched)| *watched);
            Some(Layered { key, form, watched })
        })
    }

    /// How well the client's pictures do, in its own names. Of screens it is no news that nothing comes: often nothing
    /// moves there.
    pub(super) fn quality(&self, quality: Quality, view: &View) -> ServerMessage {
        let (mut slots, mut arrives) = (BTreeMap::new(), BTreeMap::new());
        let is_screen = |mid: &str| {
            let shown = self.shown.get(mid);
            let found = shown.and_then(|shown| view.publication(shown));
            found.is_some_and(|(it, _)| it.source == Source::Screen)
        };
        for (at, section, track) in self.media() {
            match track {
                TrackUse::Receive(_) => {
                    let found = quality.slots.iter().find(|(slot, _)| *slot == at);
                    if let Some((_, slot)) = found {
                        let mut slot = slot.clone();
                        slot.limit.take_if(|limit| {
                            *limit == Limit::Interrupted && is_screen(&section.mid)
                        });
                        slots.insert(section.mid.clone(), slot);
                    }
                }
                TrackUse::Publish { key, .. } => {
                    let found = quality.arrives.iter().find(|(known, _)| *known == at);
                    arrives.extend(found.map(|(_, layers)| (key.clone(), layers.clone())));
                }
            }
        }
        ServerMessage::Quality {
            bits_per_second: quality.bits_per_second,
            slots,
            arrives,
        }
    }

    /// Whether the client said what they are for.
    pub(super) fn are_for_a_room(&self) -> bool {
        self.tracks.is_some()
    }

    /// There is no peer connection any more, on purpose. What the client said of itself holds for the next, too.
    pub(super) fn clear(&mut self) {
        *self = Self {
            pressure: self.pressure,
            ..Self::default()
        };
    }

    /// The client says whether it keeps up with what it is shown.
    pub(super) fn press(&mut self, pressure: Pressure) {
        self.pressure = pressure;
    }

    /// Takes the client's wish for its slots.
    pub(super) fn watch(&mut self, slots: BTreeMap<String, Option<Watch>>) {
        self.watch = Some(slots);
    }

    /// What the client may publish is what it publishes. Says the keys of what else it would.
    pub(super) fn permit(&mut self, may_publish: impl Fn(Source) -> bool) -> &[String] {
        self.denied.clear();
        let all = self.publishing();
        let denied = all.filter(|(_, publication)| !may_publish(publication.source));
        self.denied = denied.map(|(_, publication)| publication.key).collect();
        &self.denied
    }

    /// What the client publishes, for its room to take.
    pub(super) fn publications(&self) -> Vec<NewPublication> {
        self.publishing()
            .map(|(_, publication)| publication)
            .collect()
    }

    /// The room calls it so, in the order of [`publications`](Self::publications).
    pub(super) fn published(&mut self, tracks: Vec<TrackId>) {
        let sections: Vec<_> = self.publishing().map(|(at, _)| at).collect();
        self.published = sections.into_iter().zip(tracks).collect();
    }

    /// The track that the client publishes on a section.
    pub(super) fn track(&self, section: usize) -> Option<TrackId> {
        let published = self.published.iter().find(|(at, _)| *at == section);
        published.map(|(_, track)| *track)
    }

    fn publishing(&self) -> impl Iterator<Item = (usize, NewPublication)> {
        self.media().filter_map(|(at, section, track)| {
            let TrackUse::Publish {
                key,
                source,
                label,
                width,
                height,
            } = track
            else {
                return None;
            };
            let publication = NewPublication {
                key: key.clone(),
                kind: kind(section),
                source: *source,
                label: label.clone(),
                size: (*width, *height),
                formats: formats(section),
                layers: layers(section),
            };
            let is_denied = self.denied.contains(key);
            (section.direction.recv && !is_denied).then_some((at, publication))
        })
    }

    /// The sections with media of which the client said what they are for.
    fn media(&self) -> impl Iterator<Item = (usize, &MediaSection, &TrackUse)> {
        let sections = self.agreed.iter().flat_map(|agreed| &agreed.sections);
        sections.enumerate().filter_map(|(at, section)| {
            let Section::Media(media) = section else {
                return None;
            };
            let track = self.tracks.as_ref()?.get(&media.mid)?;
            Some((at, media, track))
        })
    }

    fn slots(&self) -> (Vec<usize>, Vec<SlotKind>) {
        let slots = self.media().filter(|(_, section, track)| {
            matches!(track, TrackUse::Receive(_)) && section.send.is_some()
        });
        let slots = slots.map(|(at, section, _)| {
            let slot = SlotKind {
                mid: section.mid.clone(),
                kind: kind(section),
                formats: formats(section),
            };
            (at, slot)
        });
        slots.unzip()
    }

    /// What the sections are for, seen from a seat of the room, or from none. Returns whether that is
    /// another plan than before.
    pub(super) fn follow(&mut self, room: Option<Outlook<'_>>) -> bool {
        if room.is_none() {
            self.pressure = Pressure::Nominal;
        }
        let plan = match &self.tracks {
            None => {
                self.show_nothing();
                Plan::Echo
            }
            Some(_) => self.plan_for(room),
        };
        let is_another = *self.plan != plan;
        if is_another {
            self.plan = Arc::new(plan);
        }
        is_another
    }

    fn plan_for(&mut self, room: Option<Outlook<'_>>) -> Plan {
        let Some(Outlook {
            view,
            own,
            subscribes,
            talk,
        }) = room
        else {
            self.show_nothing();
            return Plan::Room {
                publishes: Vec::new(),
                shows: Vec::new(),
                talk: None,
                pressure: Pressure::default(),
            };
        };
        let (sections, slots) = self.slots();
        let mut assigned = assign(view, own, &slots, self.watch.as_ref(), &self.shown);
        if !subscribes {
            let shown = assigned.iter_mut().flatten();
            shown.for_each(|assigned| assigned.state = Err(Idle::NotAllowed));
        }
        let shows = sections.iter().zip(&assigned);
        let shows = shows.filter_map(|(at, it)| Some((*at, shown(it.as_ref()?)?)));
        let plan = Plan::Room {
            publishes: self.published.clone(),
            shows: shows.collect(),
            talk: Some(Arc::clone(talk)),
            pressure: self.pressure,
        };
        self.note(&slots, assigned);
        plan
    }

    fn show_nothing(&mut self) {
        self.shown.clear();
        self.carried.clear();
    }

    fn note(&mut self, slots: &[SlotKind], assigned: Vec<Option<Assigned>>) {
        let (mut shown, mut carried) = (BTreeMap::new(), BTreeMap::new());
        for (slot, assigned) in slots.iter().zip(assigned) {
            let Some(Assigned { publication, state }) = assigned else {
                continue;
            };
            shown.insert(slot.mid.clone(), publication.clone());
            let idle = state.err();
            carried.insert(slot.mid.clone(), Slot { publication, idle });
        }
        self.shown = shown;
        self.carried = carried;
    }

    /// The plan as it is.
    pub(super) fn plan(&self) -> Arc<Plan> {
        Arc::clone(&self.plan)
    }

    /// What the slots carry, where that is news to the client or it asked.
    pub(super) fn news(&mut self, id: Option<RequestId>, asked: bool) -> Option<ServerMessage> {
        let mut slots = self.carried.clone();
        for (mid, slot) in &mut slots {
            let is_starved = self.starved.contains(mid);
            slot.idle = slot.idle.or(is_starved.then_some(Idle::Bandwidth));
        }
        if !asked && self.told == slots {
            return None;
        }
        self.told.clone_from(&slots);
        Some(ServerMessage::Watching { id, slots })
    }
}

fn shown(assigned: &Assigned) -> Option<Shown> {
    assigned.state.ok()
}

fn kind(section: &MediaSection) -> MediaKind {
    match section.kind {
        SectionKind::Audio => MediaKind::Audio,
        SectionKind::Video => MediaKind::Video,
    }
}

fn formats(section: &MediaSection) -> Vec<Format> {
    let codecs = section.codecs.iter();
    codecs
        .map(|codec| Format::of(codec.kind, &codec.fmtp))
        .collect()
}

fn layers(section: &MediaSection) -> u8 {
    let layers = section.rids.len().max(section.layer_ssrcs.len()).max(1);
    layers.try_into().unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::sdp::{Local, answer};

    /// Two slots for pictures on which something is shown, the second muted.
    fn watching() -> Sections {
        let mut offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE a b\r\n\
                         a=ice-ufrag:them\r\na=ice-pwd:theirpasswordtheirpassword\r\na=setup:active\r\n"
            .to_owned();
        offer += &format!("a=fingerprint:sha-256 {}\r\n", ["07"; 32].join(":"));
        for mid in ["a", "b"] {
            offer += &format!(
                "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
                 a=rtcp-mux\r\na=recvonly\r\na=rtpmap:96 VP8/90000\r\n"
            );
        }
        let local = Local {
            ice_ufrag: "ours".to_owned(),
            ice_pwd: "thepasswordofourownend".to_owned(),
            fingerprint: [7; 32],
            candidates: Vec::new(),
            trickles: false,
            session_id: 1,
            max_message_size: 1 << 18,
            cname: "test".to_owned(),
            streams: HashMap::new(),
        };
        let agreed = answer(&offer, &local, None, &mut || 7).unwrap().agreed;
        let uses = ["a", "b"].map(|mid| (mid.to_owned(), TrackUse::Receive(MediaKind::Video)));
        let mut sections = Sections::default();
        sections.agree(Some(uses.into()), &Arc::new(agreed));
        let slot = |idle| Slot {
            publication: "p/cam".into(),
            idle,
        };
        sections.carried = [("a", None), ("b", Some(Idle::Muted))]
            .map(|(mid, idle)| (mid.to_owned(), slot(idle)))
            .into();
        sections
    }

    fn idle(sections: &mut Sections) -> Option<Vec<Option<Idle>>> {
        match sections.news(None, false)? {
            ServerMessage::Watching { slots, .. } => {
                Some(slots.values().map(|slot| slot.idle).collect())
            }
            _ => None,
        }
    }

    #[test]
    fn what_a_client_cannot_keep_up_with_outlives_its_peer_connection_and_not_its_room() {
        let mut sections = watching();
        sections.press(Pressure::Serious);
        sections.clear();
        assert_eq!(sections.pressure, Pressure::Serious);
        // There is no peer connection, and now no room.
        sections.follow(None);
        assert_eq!(sections.pressure, Pressure::Nominal);
    }

    #[test]
    fn what_there_is_no_room_for_is_told_and_so_is_that_there_is_again() {
        let mut sections = watching();
        let muted = Some(Idle::Muted);
        assert_eq!(idle(&mut sections), Some(vec![None, muted]));
        sections.starve(&[0, 1]);
        assert_eq!(
            idle(&mut sections),
            Some(vec![Some(Idle::Bandwidth), muted])
        );
        sections.starve(&[0, 1]);
        assert_eq!(idle(&mut sections), None);
        sections.starve(&[]);
        assert_eq!(idle(&mut sections), Some(vec![None, muted]));
    }
}

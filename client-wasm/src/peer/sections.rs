//! What the media sections of a peer connection in a room are for: one per publication, and the slots.
//! Owns their transceivers; decides neither what is published nor how many slots there are.

use std::cell::Cell;
use std::rc::Rc;

use ferrite_protocol::{MediaKind, Source, TrackUse, Tracks};
use js_sys::{Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MediaStreamTrack, RtcRtpTransceiverDirection as Direction};

use super::layers;
use super::sender::{prefer, reduce, replace, scales};
use super::switching::Switching;
use crate::call::{SlotCounts, Wanted};
use crate::codec::VideoCodec;
use crate::dom::Post;
use crate::gaps::{self, Connection, Transceiver};
use crate::sorted::Map;

/// Something to publish in a room.
#[derive(Clone, Debug)]
pub(crate) struct Outlet {
    /// Names it, whatever track there is.
    pub(crate) key: String,
    pub(crate) source: Source,
    pub(crate) label: Option<String>,
    /// None while it is switched off: it keeps its section, and comes back without an offer.
    pub(crate) track: Option<MediaStreamTrack>,
    /// Nothing of it is to leave the browser for now, although there is a track.
    pub(crate) muted: bool,
    /// All that a program says of how to publish it, in JSON.
    pub(crate) manner: Option<String>,
}

impl Outlet {
    /// What is to be sent.
    fn sent(&self) -> Option<&MediaStreamTrack> {
        self.track.as_ref().filter(|_| !self.muted)
    }
}

/// The layers of a publication were switched, or could not be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Switched {
    /// Its number.
    publication: usize,
    is_done: bool,
}

#[derive(Clone)]
struct Publication {
    key: String,
    source: Source,
    label: Option<String>,
    manner: Option<String>,
    transceiver: Transceiver,
    /// What is published, although it may be muted.
    track: Option<MediaStreamTrack>,
    /// How large the last offer said that is.
    said: Rc<Cell<Option<(u16, u16)>>>,
    /// While that is under way its parameters are not to be set again.
    switching: Switching,
}

/// The sections of a peer connection.
#[derive(Clone)]
pub(super) struct Sections {
    connection: Connection,
    codec: Option<VideoCodec>,
    publications: Vec<Publication>,
    slots: Vec<(MediaKind, Transceiver)>,
    /// What is wanted, by the publication's key; of what is not there all.
    wanted: Map<String, Wanted>,
    post: Post<Switched>,
    /// How often it was looked whether anything is due.
    looks: u8,
}

/// Every so many looks, which is once a second, all is gone through.
const LOOKS: u8 = 5;

impl Sections {
    pub(super) fn new(
        connection: &Connection,
        codec: Option<VideoCodec>,
        post: &Post<Switched>,
    ) -> Self {
        Self {
            connection: connection.clone(),
            codec,
            publications: Vec::new(),
            slots: Vec::new(),
            wanted: Map::new(),
            post: post.clone(),
            looks: 0,
        }
    }

    /// Sends what is wanted, by the publication's key, and no more.
    pub(super) fn want(&mut self, wanted: Map<String, Wanted>) {
        self.wanted = wanted;
        self.switch_all();
    }

    /// Switches what is not as it is wanted.
    pub(super) fn switch_all(&mut self) {
        (0..self.publications.len()).for_each(|at| self.switch(at));
    }

    /// Switches once a second what has another size by now, or was refused. It is asked for whenever traffic is looked at.
    pub(super) fn switch_due(&mut self) {
        self.looks = (self.looks + 1) % LOOKS;
        if self.looks > 0 {
            return;
        }
        (0..self.publications.len()).for_each(|at| self.switch_if_due(at));
    }

    fn switch_if_due(&mut self, at: usize) {
        let publication = self.publications.get(at);
        let is_due = publication.is_some_and(|it| {
            let wanted = it.wanted(&self.wanted);
            wanted.is_some_and(|wanted| it.switching.is_due(&wanted))
        });
        if is_due {
            self.switch(at);
        }
    }

    /// A publication's layers were switched, or could not be. That is tried again once, a while later, and after the next
    /// answer; what is wanted since is tried at once.
    pub(super) fn switched(&mut self, switched: Switched) {
        let at = switched.publication;
        let Some(publication) = self.publications.get_mut(at) else {
            return;
        };
        let wanted = publication.wanted(&self.wanted);
        if (publication.switching).end(switched.is_done, wanted.as_ref()) {
            self.switch(at);
        }
    }

    fn switch(&mut self, at: usize) {
        let Some(publication) = self.publications.get_mut(at) else {
            return;
        };
        if publication.switching.is_under_way() {
            return;
        }
        let Some(wanted) = publication.wanted(&self.wanted) else {
            return;
        };
        publication.switching.look(&wanted);
        let sender = publication.transceiver.sender();
        let said = parsed(publication.manner.as_deref()).unwrap_or_default();
        if let Some(promise) = reduce(&sender, &wanted, &said) {
            publication.switching.begin(&wanted);
            let post = self.post.clone();
            wasm_bindgen_futures::spawn_local(async move {
                let is_done = promise.await.is_ok();
                post.send(Switched {
                    publication: at,
                    is_done,
                });
            });
        }
    }

    /// Publishes these and nothing else. The connection asks for negotiation where that takes an offer. One that cannot
    /// be published keeps none of the others from it; the first of those is the error.
    pub(super) fn publish(&mut self, outlets: &[Outlet]) -> Result<(), JsValue> {
        for publication in &self.publications {
            if !outlets.iter().any(|outlet| publication.is_of(outlet)) {
                replace(&publication.transceiver.sender(), None);
                publication.transceiver.set_direction(Direction::Inactive);
            }
        }
        let carried = outlets.iter().map(|outlet| self.carry(outlet));
        carried.fold(Ok(()), Result::and)
    }

    fn carry(&mut self, outlet: &Outlet) -> Result<(), JsValue> {
        let mut publications = self.publications.iter_mut().enumerate();
        let Some((at, known)) = publications.find(|(_, it)| it.is_of(outlet)) else {
            return match &outlet.track {
                Some(track) => self.add(outlet, track),
                None => Ok(()),
            };
        };
        let sender = known.transceiver.sender();
        if sender.track().as_ref() != outlet.sent() {
            replace(&sender, outlet.sent());
        }
        if known.transceiver.direction() != Direction::Sendonly {
            known.transceiver.set_direction(Direction::Sendonly);
        }
        known.track.clone_from(&outlet.track);
        self.switch_if_due(at);
        Ok(())
    }

    fn add(&mut self, outlet: &Outlet, track: &MediaStreamTrack) -> Result<(), JsValue> {
        let init = direction("sendonly")?;
        let said = parsed(outlet.manner.as_deref())?;
        let encodings = match Reflect::get(&said, &"encodings".into()) {
            Ok(encodings) if !encodings.is_undefined() => encodings,
            _ => encodings(outlet.source, self.codec, track)?,
        };
        Reflect::set(&init, &"sendEncodings".into(), &encodings)?;
        let transceiver = (self.connection.add_transceiver(track, &init)).or_else(|refused| {
            // Sent otherwise is better than not at all.
            match forgets_modes(&encodings) {
                true => self.connection.add_transceiver(track, &init),
                false => Err(refused),
            }
        })?;
        let transceiver: Transceiver = transceiver.unchecked_into();
        if let (Some(codec), "video") = (self.codec, track.kind().as_str()) {
            prefer(&transceiver, codec);
        }
        if outlet.muted {
            replace(&transceiver.sender(), None);
        }
        self.publications.push(Publication {
            key: outlet.key.clone(),
            source: outlet.source,
            label: outlet.label.clone(),
            manner: outlet.manner.clone(),
            transceiver,
            track: Some(track.clone()),
            said: Rc::default(),
            switching: Switching::default(),
        });
        self.switch(self.publications.len() - 1);
        Ok(())
    }

    /// Has so many slots of each kind.
    pub(super) fn receive(&mut self, slots: SlotCounts) -> Result<(), JsValue> {
        let kinds = [
            (MediaKind::Audio, "audio", slots.sounds),
            (MediaKind::Video, "video", slots.pictures),
        ];
        for at in 0..slots.pictures {
            for (kind, name, wanted) in kinds {
                let there = self.slots.iter().filter(|(it, _)| *it == kind).count();
                if at < there || there >= wanted {
                    continue;
                }
                let init = direction("recvonly")?;
                let transceiver = self.connection.add_transceiver_of(name, &init)?;
                self.slots.push((kind, transceiver.unchecked_into()));
            }
        }
        Ok(())
    }

    /// What the program says of what each transceiver sends, in their order.
    pub(super) fn sent(&self) -> JsValue {
        let said = |transceiver: JsValue| {
            let mut publications = self.publications.iter();
            let known =
                publications.find(|it| *AsRef::<JsValue>::as_ref(&it.transceiver) == transceiver);
            parsed(known.and_then(|it| it.manner.as_deref())).unwrap_or_default()
        };
        let transceivers = self.connection.get_transceivers();
        transceivers.iter().map(said).collect::<Array>().into()
    }

    /// The same as [`tracks`](Self::tracks) for an offer, which says how large all is by now. What is switched off is as
    /// large as it was.
    pub(super) fn offered(&self) -> Tracks {
        for it in &self.publications {
            it.said.set(it.size().or(it.said.get()));
        }
        self.tracks()
    }

    /// What the sections of the local description are for, by `mid`.
    pub(super) fn tracks(&self) -> Tracks {
        let publications = self.publications.iter();
        let publications = publications.filter_map(|it| {
            let is_sent = it.transceiver.direction() == Direction::Sendonly;
            let mid = it.transceiver.mid().filter(|_| is_sent)?;
            Some((mid, it.as_use()))
        });
        let slots = self.slots.iter();
        let slots = slots.filter_map(|(kind, it)| Some((it.mid()?, TrackUse::Receive(*kind))));
        let mut tracks = Tracks::new();
        tracks.extend(publications.chain(slots));
        tracks
    }
}

impl Publication {
    /// Whether this is what it was made for: a section's kind never changes, and what it is called is said
    /// with an offer.
    fn is_of(&self, outlet: &Outlet) -> bool {
        let kind = self.transceiver.receiver().track().kind();
        let fits = |track: &MediaStreamTrack| track.kind() == kind;
        self.key == outlet.key
            && self.source == outlet.source
            && self.label == outlet.label
            && self.manner == outlet.manner
            && outlet.track.as_ref().is_none_or(fits)
    }

    /// How large it is sent, where all of it is.
    fn size(&self) -> Option<(u16, u16)> {
        let size = gaps::size_of(self.track.as_ref()?)?;
        let said = parsed(self.manner.as_deref()).unwrap_or_default();
        Some(layers::scaled(size, scales(&said)))
    }

    /// What is wanted of it. How often it may be halved is counted from the size that was said: of another track, a phone
    /// that was turned, or a window that is larger by now, all is sent until an offer says their size.
    fn wanted(&self, wanted: &Map<String, Wanted>) -> Option<Wanted> {
        let wanted = wanted.get(&self.key)?;
        let is_other = || self.track.is_some() && self.size() != self.said.get();
        Some(match wanted {
            Wanted::Halved(1..) if is_other() => Wanted::Halved(0),
            Wanted::Halved(_) | Wanted::Layers(_) => wanted.clone(),
        })
    }

    fn as_use(&self) -> TrackUse {
        let size = self.said.get();
        TrackUse::Publish {
            key: self.key.clone(),
            source: self.source,
            label: self.label.clone(),
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
        }
    }
}

fn parsed(manner: Option<&str>) -> Result<JsValue, JsValue> {
    manner.map_or(Ok(JsValue::UNDEFINED), js_sys::JSON::parse)
}

/// The layers that are chosen where none are said; undefined where it is sent as it is.
fn encodings(
    source: Source,
    codec: Option<VideoCodec>,
    track: &MediaStreamTrack,
) -> Result<JsValue, JsValue> {
    let encodings = layers::encodings(source, codec, gaps::size_of(track));
    match encodings.is_empty() {
        true => Ok(JsValue::UNDEFINED),
        false => gaps::object_from(&encodings).map(Into::into),
    }
}

/// Takes scalability modes out of encodings. Returns whether there were any.
fn forgets_modes(encodings: &JsValue) -> bool {
    let mode = JsValue::from_str("scalabilityMode");
    let encodings = encodings
        .dyn_ref::<Array>()
        .into_iter()
        .flat_map(Array::iter);
    let encodings = encodings.filter_map(|it| it.dyn_into::<Object>().ok());
    let with_one = encodings.filter(|it| Reflect::has(it, &mode).unwrap_or(false));
    with_one.fold(false, |_, it| Reflect::delete_property(&it, &mode).is_ok())
}

fn direction(name: &str) -> Result<Object, JsValue> {
    let init = Object::new();
    Reflect::set(&init, &"direction".into(), &name.into())?;
    Ok(init)
}

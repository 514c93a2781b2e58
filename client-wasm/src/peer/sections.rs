//! What the media sections of a peer connection in a room are for: one per publication, and the slots.
//! Owns their transceivers; decides neither what is published nor how many slots there are.

use ferrite_protocol::{MediaKind, Source, TrackUse, Tracks};
use js_sys::{Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MediaStreamTrack, RtcRtpTransceiverDirection as Direction};

use super::sender::{prefer, replace};
use crate::codec::VideoCodec;
use crate::gaps::{self, Connection, Transceiver};

/// Something to publish in a room.
#[derive(Clone, Debug)]
pub(crate) struct Outlet {
    /// Names it, whatever track there is.
    pub(crate) key: &'static str,
    pub(crate) source: Source,
    /// None while it is switched off: it keeps its section, and comes back without an offer.
    pub(crate) track: Option<MediaStreamTrack>,
}

#[derive(Clone)]
struct Publication {
    key: &'static str,
    source: Source,
    transceiver: Transceiver,
}

/// The sections of a peer connection.
#[derive(Clone)]
pub(super) struct Sections {
    connection: Connection,
    codec: Option<VideoCodec>,
    publications: Vec<Publication>,
    slots: Vec<(MediaKind, Transceiver)>,
}

impl Sections {
    pub(super) fn new(connection: &Connection, codec: Option<VideoCodec>) -> Self {
        Self {
            connection: connection.clone(),
            codec,
            publications: Vec::new(),
            slots: Vec::new(),
        }
    }

    /// Publishes these and nothing else. The connection asks for negotiation where that takes an offer.
    pub(super) fn publish(&mut self, outlets: &[Outlet]) -> Result<(), JsValue> {
        for publication in &self.publications {
            if !outlets.iter().any(|outlet| outlet.key == publication.key) {
                replace(&publication.transceiver.sender(), None);
                publication.transceiver.set_direction(Direction::Inactive);
            }
        }
        outlets.iter().try_for_each(|outlet| self.carry(outlet))
    }

    fn carry(&mut self, outlet: &Outlet) -> Result<(), JsValue> {
        let mut publications = self.publications.iter();
        let Some(known) = publications.find(|it| it.key == outlet.key) else {
            return match &outlet.track {
                Some(track) => self.add(outlet, track),
                None => Ok(()),
            };
        };
        let sender = known.transceiver.sender();
        if sender.track() != outlet.track {
            replace(&sender, outlet.track.as_ref());
        }
        if known.transceiver.direction() != Direction::Sendonly {
            known.transceiver.set_direction(Direction::Sendonly);
        }
        Ok(())
    }

    fn add(&mut self, outlet: &Outlet, track: &MediaStreamTrack) -> Result<(), JsValue> {
        let init = direction("sendonly")?;
        let transceiver = self.connection.add_transceiver(track, &init)?;
        let transceiver: Transceiver = transceiver.unchecked_into();
        if let (Some(codec), "video") = (self.codec, track.kind().as_str()) {
            prefer(&transceiver, codec);
        }
        self.publications.push(Publication {
            key: outlet.key,
            source: outlet.source,
            transceiver,
        });
        Ok(())
    }

    /// Has so many slots of each kind.
    pub(super) fn receive(&mut self, slots: usize) -> Result<(), JsValue> {
        while self.slots.len() < 2 * slots {
            for (kind, name) in [(MediaKind::Audio, "audio"), (MediaKind::Video, "video")] {
                let init = direction("recvonly")?;
                let transceiver = self.connection.add_transceiver_of(name, &init)?;
                self.slots.push((kind, transceiver.unchecked_into()));
            }
        }
        Ok(())
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
        publications.chain(slots).collect()
    }
}

impl Publication {
    fn as_use(&self) -> TrackUse {
        let size = self.transceiver.sender().track();
        let size = size.and_then(|track| gaps::size_of(&track));
        TrackUse::Publish {
            key: self.key.to_owned(),
            source: self.source,
            label: None,
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
        }
    }
}

fn direction(name: &str) -> Result<Object, JsValue> {
    let init = Object::new();
    Reflect::set(&init, &"direction".into(), &name.into())?;
    Ok(init)
}

//! What programs see of a room, in the shapes that `types.d.ts` promises.

use std::collections::BTreeMap;

use ferrite_protocol::room::{Idle, ParticipantState};
use ferrite_protocol::{
    DepartureCause, LeaveCause, Limit, MediaKind, Participant, Publication, PublicationId,
    RoomMessage, Slot, Source, Tracks,
};
use js_sys::{Object, Reflect};
use serde::Serialize;
use wasm_bindgen::JsValue;
use web_sys::MediaStreamTrack;

use super::changes::Snapshot;
use super::translate::object;
use crate::call::{Ending, Quality, Room, Speaking};
use crate::peer::Peer;

#[derive(Serialize)]
struct RoomDto<'a> {
    id: &'a str,
    own: &'a str,
    participants: Vec<ParticipantDto<'a>>,
}

#[derive(Serialize)]
struct ParticipantDto<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a str>,
    state: ParticipantState,
    publications: Vec<PublicationDto<'a>>,
    /// Of who is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<DepartureCause>,
}

#[derive(Serialize)]
struct PublicationDto<'a> {
    id: &'a str,
    participant: &'a str,
    kind: MediaKind,
    source: Source,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    muted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u16>,
}

#[derive(Serialize)]
struct ShownDto<'a> {
    publication: &'a str,
    participant: &'a str,
    track: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    idle: Option<Idle>,
}

#[derive(Serialize)]
struct SpeakingDto<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<&'a str>,
    participants: Vec<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct QualityDto<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    bits_per_second: Option<u32>,
    shown: Vec<ShownQualityDto<'a>>,
    arrives: &'a BTreeMap<String, Vec<u32>>,
}

#[derive(Serialize)]
struct ShownQualityDto<'a> {
    publication: &'a str,
    wished: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "temporalLayer")]
    temporal_layer: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Limit>,
}

/// Which section carries what, by `mid`.
#[derive(Serialize)]
struct SectionsDto<'a> {
    tracks: Tracks,
    slots: &'a BTreeMap<String, Slot>,
}

/// A data channel, beside the one before.
#[derive(Serialize)]
struct ChannelDto {
    resumed: bool,
}

/// What became of this client, or of what it publishes.
#[derive(Serialize)]
struct FateDto<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publication: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> From<&'a Participant> for ParticipantDto<'a> {
    fn from(it: &'a Participant) -> Self {
        let publications = it.publications.iter();
        Self {
            id: &it.id.0,
            name: it.name.as_deref(),
            metadata: it.metadata.as_deref(),
            state: it.state,
            publications: publications
                .map(|publication| part(it, publication))
                .collect(),
            cause: None,
        }
    }
}

fn part<'a>(participant: &'a Participant, it: &'a Publication) -> PublicationDto<'a> {
    PublicationDto {
        id: &it.id.0,
        participant: &participant.id.0,
        kind: it.kind,
        source: it.source,
        label: it.label.as_deref(),
        muted: it.muted,
        width: it.width,
        height: it.height,
    }
}

/// `FerriteRoom`, or nothing.
pub(super) fn room(snapshot: &Snapshot) -> JsValue {
    let Some((id, own)) = &snapshot.place else {
        return JsValue::UNDEFINED;
    };
    object(&RoomDto {
        id: &id.0,
        own: &own.0,
        participants: snapshot.people.iter().map(ParticipantDto::from).collect(),
    })
}

/// `FerriteParticipant`.
pub(super) fn participant(participant: &Participant) -> JsValue {
    object(&ParticipantDto::from(participant))
}

/// `FerriteDeparted`.
pub(super) fn departed(participant: &Participant, cause: Option<DepartureCause>) -> JsValue {
    object(&ParticipantDto {
        cause,
        ..ParticipantDto::from(participant)
    })
}

/// `FerritePublication`.
pub(super) fn publication(participant: &Participant, publication: &Publication) -> JsValue {
    object(&part(participant, publication))
}

/// `FerriteShown`.
pub(super) fn shown(
    publication: &PublicationId,
    track: Option<&MediaStreamTrack>,
    idle: Option<Idle>,
) -> JsValue {
    let shown = object(&ShownDto {
        publication: &publication.0,
        participant: publication
            .parts()
            .map_or("", |(participant, _)| participant),
        track: (),
        idle,
    });
    if let Some(track) = track {
        // A plain object takes whatever it is given.
        let _ = Reflect::set(&shown, &"track".into(), track);
    }
    shown
}

/// `FerriteSpeaking`.
pub(super) fn speaking(it: &Speaking) -> JsValue {
    let participants = it.participants.iter();
    object(&SpeakingDto {
        active: it.active.as_ref().map(|it| it.0.as_str()),
        participants: participants.map(|it| it.0.as_str()).collect(),
    })
}

/// `FerriteQuality`.
pub(super) fn quality(it: &Quality) -> JsValue {
    let shown = it.shown.iter().map(|(publication, it)| ShownQualityDto {
        publication: &publication.0,
        wished: it.wished,
        sent: it.sent,
        temporal_layer: it.temporal_layer,
        limit: it.limit,
    });
    object(&QualityDto {
        bits_per_second: it.bits_per_second,
        shown: shown.collect(),
        arrives: &it.arrives,
    })
}

/// All that a program needs to know of a call to make sense of its numbers: the `connection`, while there is one, the
/// `room` (`FerriteRoom`, or nothing), its `quality` (`FerriteQuality`), and what each of the `sections` carries.
pub(crate) fn insight(room: &Room, peer: Option<&Peer>) -> JsValue {
    let snapshot = Snapshot::of(room, |_| true);
    let sections = SectionsDto {
        tracks: peer.map(Peer::tracks).unwrap_or_default(),
        slots: room.carried(),
    };
    let insight = Object::new();
    let connection = peer.map(|peer| peer.connection().into());
    for (name, value) in [
        ("connection", connection.unwrap_or_default()),
        ("room", self::room(&snapshot)),
        ("quality", quality(&snapshot.quality)),
        ("sections", object(&sections)),
    ] {
        // A plain object takes whatever it is given.
        let _ = Reflect::set(&insight, &name.into(), &value);
    }
    insight.into()
}

/// `FerriteRoomMessage`.
pub(super) fn said(message: &RoomMessage) -> JsValue {
    object(message)
}

/// `FerriteMuted`.
pub(super) fn muted(publication: &PublicationId, reason: Option<&str>) -> JsValue {
    object(&FateDto {
        cause: None,
        publication: Some(&publication.0),
        reason,
    })
}

/// What `channelOpen` tells.
pub(super) fn channel(resumed: bool) -> JsValue {
    object(&ChannelDto { resumed })
}

/// `FerriteLeft`.
pub(super) fn left(ending: Option<&Ending>) -> JsValue {
    let (cause, reason) = match ending {
        None => ("asked", None),
        Some(Ending::Refused(_, words)) => ("refused", Some(words)),
        Some(Ending::MadeToLeave(cause, reason)) => (cause_name(*cause), reason.as_ref()),
    };
    let reason = reason.map(String::as_str);
    object(&FateDto {
        cause: Some(cause),
        publication: None,
        reason,
    })
}

fn cause_name(cause: LeaveCause) -> &'static str {
    match cause {
        LeaveCause::Kicked => "kicked",
        LeaveCause::RoomEnded => "roomEnded",
        LeaveCause::JoinedElsewhere => "joinedElsewhere",
        LeaveCause::Other => "other",
    }
}

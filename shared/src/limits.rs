//! How large things may be. What passes [`ClientMessage::decode`] is within these limits.

use std::collections::BTreeMap;

use crate::diagnosis::{ClientEvidence, MAX_GATHERING_ERRORS};
use crate::{ClientMessage, IceCandidate, JoinToken, ParticipantId, TrackUse, Tracks, Watch};

/// The longest frame a server takes. A WebSocket may be closed for a longer one.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// The longest frame a client takes: a snapshot of a room of thousands fits.
pub const MAX_SERVER_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

/// The longest [`RoomId`](crate::RoomId).
pub const MAX_ROOM_ID_BYTES: usize = 128;

/// The longest name of a participant.
pub const MAX_NAME_BYTES: usize = 128;

/// The longest name of a client program.
pub const MAX_CLIENT_BYTES: usize = 128;

/// The longest [`ResumeToken`](crate::ResumeToken).
pub const MAX_RESUME_TOKEN_BYTES: usize = 128;

/// The longest [`JoinToken`].
pub const MAX_JOIN_TOKEN_BYTES: usize = 8 * 1024;

/// The longest metadata of a participant.
pub const MAX_METADATA_BYTES: usize = 4 * 1024;

/// The longest text that is said in a room.
pub const MAX_TEXT_BYTES: usize = 16 * 1024;

/// The longest payload of a message on a data channel. What is around it fits into 64 KiB as well, which
/// every peer takes (RFC 8841 §6.1), whatever it says.
pub const MAX_DATA_BYTES: usize = 60 * 1024;

/// The longest message on the lossy channel, with what is around its payload.
pub const MAX_LOSSY_BYTES: usize = 8 * 1024;

/// The longest topic, key of a publication, and `mid`.
pub const MAX_KEY_BYTES: usize = 64;

/// The longest label of a publication.
pub const MAX_LABEL_BYTES: usize = 128;

/// The longest reason for making somebody leave, and for muting them.
pub const MAX_REASON_BYTES: usize = 512;

/// The longest [`PublicationId`](crate::PublicationId) and [`ParticipantId`].
pub const MAX_PUBLICATION_ID_BYTES: usize = 320;

/// The most entries in a map by `mid`, and in a list of keys.
pub const MAX_SECTIONS: usize = 256;

/// The most participants that something can be said to by name.
pub const MAX_RECIPIENTS: usize = 256;

/// The longest candidate attribute, and what may be said beside it. Browsers stay under 300.
pub const MAX_CANDIDATE_BYTES: usize = 1024;

/// A field that passes its limit.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TooMuch {
    /// It is too long.
    Bytes {
        what: &'static str,
        bytes: usize,
        limit: usize,
    },
    /// It has too many entries.
    Entries {
        what: &'static str,
        entries: usize,
        limit: usize,
    },
}

type Passed = Option<TooMuch>;

/// Says which limit a message passes.
pub(crate) fn passed_by(message: &ClientMessage) -> Passed {
    match message {
        ClientMessage::Hello {
            client,
            resume_token,
            ..
        } => {
            let token = resume_token.as_ref().map(|token| token.0.as_str());
            over("client", client.as_deref(), MAX_CLIENT_BYTES)
                .or_else(|| over("resumeToken", token, MAX_RESUME_TOKEN_BYTES))
        }
        ClientMessage::Join {
            room,
            name,
            metadata,
            token,
            ..
        } => over("room", Some(&room.0), MAX_ROOM_ID_BYTES)
            .or_else(|| passed_by_introduction(name.as_deref(), metadata.as_deref()))
            .or_else(|| token.as_ref().and_then(passed_by_token)),
        ClientMessage::Authorize { token, .. } => passed_by_token(token),
        ClientMessage::Update { name, metadata, .. } => {
            passed_by_introduction(name.as_deref(), metadata.as_deref())
        }
        ClientMessage::Mute { keys, .. } => more("keys", keys.len(), MAX_SECTIONS)
            .or_else(|| longest("keys", keys.iter().map(String::as_str), MAX_KEY_BYTES)),
        ClientMessage::Watch { slots, .. } => passed_by_watch(slots),
        ClientMessage::Say {
            to, topic, text, ..
        } => over("topic", Some(topic), MAX_KEY_BYTES)
            .or_else(|| over("text", Some(text), MAX_TEXT_BYTES))
            .or_else(|| to.as_deref().and_then(passed_by_recipients)),
        ClientMessage::Kick {
            participant,
            reason,
            ..
        } => passed_by_measure("participant", &participant.0, reason.as_deref()),
        ClientMessage::MutePublication {
            publication,
            reason,
            ..
        } => passed_by_measure("publication", &publication.0, reason.as_deref()),
        ClientMessage::EndRoom { reason, .. } => {
            over("reason", reason.as_deref(), MAX_REASON_BYTES)
        }
        ClientMessage::Offer { tracks, .. } => tracks.as_ref().and_then(passed_by_tracks),
        ClientMessage::Candidate { candidate } => candidate.as_ref().and_then(passed_by_candidate),
        ClientMessage::Explain { seen, .. } => passed_by_evidence(seen),
        // The rest is limited by its types.
        ClientMessage::Leave { .. }
        | ClientMessage::EndOfCandidates {}
        | ClientMessage::HangUp { .. }
        | ClientMessage::Ping { .. }
        | ClientMessage::Pong { .. }
        | ClientMessage::Pressure { .. } => None,
    }
}

fn passed_by_introduction(name: Option<&str>, metadata: Option<&str>) -> Passed {
    over("name", name, MAX_NAME_BYTES).or_else(|| over("metadata", metadata, MAX_METADATA_BYTES))
}

/// What is done to somebody else, or to what they publish, and why.
fn passed_by_measure(what: &'static str, whom: &str, reason: Option<&str>) -> Passed {
    over(what, Some(whom), MAX_PUBLICATION_ID_BYTES)
        .or_else(|| over("reason", reason, MAX_REASON_BYTES))
}

fn passed_by_evidence(seen: &ClientEvidence) -> Passed {
    let errors = seen.gathering_errors.len();
    more("gatheringErrors", errors, MAX_GATHERING_ERRORS)
}

fn passed_by_token(token: &JoinToken) -> Passed {
    over("token", Some(&token.0), MAX_JOIN_TOKEN_BYTES)
}

fn passed_by_recipients(to: &[ParticipantId]) -> Passed {
    let ids = to.iter().map(|id| id.0.as_str());
    more("to", to.len(), MAX_RECIPIENTS).or_else(|| longest("to", ids, MAX_PUBLICATION_ID_BYTES))
}

fn passed_by_tracks(tracks: &Tracks) -> Passed {
    let passed_by_use = |track: &TrackUse| match track {
        TrackUse::Publish { key, label, .. } => over("key", Some(key), MAX_KEY_BYTES)
            .or_else(|| over("label", label.as_deref(), MAX_LABEL_BYTES)),
        TrackUse::Receive(_) => None,
    };
    more("tracks", tracks.len(), MAX_SECTIONS)
        .or_else(|| longest("tracks", tracks.keys().map(String::as_str), MAX_KEY_BYTES))
        .or_else(|| tracks.values().find_map(passed_by_use))
}

fn passed_by_watch(slots: &BTreeMap<String, Option<Watch>>) -> Passed {
    let ids = slots
        .values()
        .flatten()
        .map(|watch| watch.publication.0.as_str());
    more("slots", slots.len(), MAX_SECTIONS)
        .or_else(|| longest("slots", slots.keys().map(String::as_str), MAX_KEY_BYTES))
        .or_else(|| longest("publication", ids, MAX_PUBLICATION_ID_BYTES))
}

/// Of several texts, one that is too long.
fn longest<'a>(
    what: &'static str,
    texts: impl IntoIterator<Item = &'a str>,
    limit: usize,
) -> Passed {
    texts
        .into_iter()
        .find_map(|text| over(what, Some(text), limit))
}

/// A list with too many entries.
fn more(what: &'static str, entries: usize, limit: usize) -> Passed {
    (entries > limit).then_some(TooMuch::Entries {
        what,
        entries,
        limit,
    })
}

fn passed_by_candidate(candidate: &IceCandidate) -> Passed {
    let fields = [
        ("candidate", Some(candidate.candidate.as_str())),
        ("sdpMid", candidate.sdp_mid.as_deref()),
        ("usernameFragment", candidate.username_fragment.as_deref()),
    ];
    fields
        .into_iter()
        .find_map(|(what, text)| over(what, text, MAX_CANDIDATE_BYTES))
}

fn over(what: &'static str, text: Option<&str>, limit: usize) -> Passed {
    let bytes = text.map_or(0, str::len);
    (bytes > limit).then_some(TooMuch::Bytes { what, bytes, limit })
}

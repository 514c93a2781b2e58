//! How large things may be. What passes [`ClientMessage::decode`] is within these limits.

use crate::{ClientMessage, IceCandidate};

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

/// The longest candidate attribute, and what may be said beside it. Browsers stay under 300.
pub const MAX_CANDIDATE_BYTES: usize = 1024;

/// Something is longer than its limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooLong {
    /// The field.
    pub(crate) what: &'static str,
    pub(crate) bytes: usize,
    pub(crate) limit: usize,
}

/// Says which limit a message passes, if any.
pub(crate) fn passed_by(message: &ClientMessage) -> Option<TooLong> {
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
        ClientMessage::Join { room, name, .. } => over("room", Some(&room.0), MAX_ROOM_ID_BYTES)
            .or_else(|| over("name", name.as_deref(), MAX_NAME_BYTES)),
        ClientMessage::Candidate { candidate } => candidate.as_ref().and_then(passed_by_candidate),
        // A description is limited by its frame, the rest by their types.
        ClientMessage::Offer { .. }
        | ClientMessage::Leave { .. }
        | ClientMessage::EndOfCandidates {}
        | ClientMessage::HangUp { .. }
        | ClientMessage::Ping { .. }
        | ClientMessage::Pong { .. } => None,
    }
}

fn passed_by_candidate(candidate: &IceCandidate) -> Option<TooLong> {
    let fields = [
        ("candidate", Some(candidate.candidate.as_str())),
        ("sdpMid", candidate.sdp_mid.as_deref()),
        ("usernameFragment", candidate.username_fragment.as_deref()),
    ];
    fields
        .into_iter()
        .find_map(|(what, text)| over(what, text, MAX_CANDIDATE_BYTES))
}

fn over(what: &'static str, text: Option<&str>, limit: usize) -> Option<TooLong> {
    let bytes = text.map_or(0, str::len);
    (bytes > limit).then_some(TooLong { what, bytes, limit })
}

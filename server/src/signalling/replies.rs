//! What a session answers where it cannot do what it was asked.

use ferrite_protocol::{ErrorCode, RequestId, ServerMessage};

/// What is asked for takes a room.
pub(super) const NO_ROOM: &str = "this session is in no room";

/// Says that it is not the time for what was asked for.
pub(super) fn refuse(id: Option<RequestId>, message: &str) -> Vec<ServerMessage> {
    error(id, ErrorCode::BadState, message.to_owned())
}

/// Says what is wrong.
pub(super) fn error(id: Option<RequestId>, code: ErrorCode, message: String) -> Vec<ServerMessage> {
    vec![ServerMessage::Error { id, code, message }]
}

/// So many characters of a text.
pub(super) fn shorten(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

//! What comes over a client's WebSocket.

use std::time::Duration;

use ferrite_protocol::limits::MAX_CANDIDATE_BYTES;
use ferrite_protocol::session::{Received, ServerSession};
use ferrite_protocol::{ClientMessage, DecodeError, ServerMessage};
use ferrite_server::media::net::candidates::is_candidate;

/// The longest refusal: of what was refused it says a little, and of the rest which types there are.
const MAX_REFUSAL: usize = 1024;

/// Frames of one WebSocket, parted by bytes no JSON has: each is refused in few words, or read.
pub fn client_message(input: &[u8]) {
    let mut session = ServerSession::new(Duration::from_secs(15), Duration::ZERO);
    for (at, frame) in input.split(|byte| *byte == 0xFF).enumerate() {
        let now = Duration::from_millis(at as u64);
        match decode(&String::from_utf8_lossy(frame)) {
            Ok(message) => receive(&mut session, &message, now),
            Err(error) => check_refusal(&error),
        }
    }
}

fn decode(text: &str) -> Result<ClientMessage, DecodeError> {
    let message = ClientMessage::decode(text)?;
    // Written out, an escape may be longer than it was.
    let written = message.encode();
    if written.len() <= text.len() {
        assert_eq!(ClientMessage::decode(&written).as_ref(), Ok(&message));
    }
    Ok(message)
}

fn receive(session: &mut ServerSession, message: &ClientMessage, now: Duration) {
    if let ClientMessage::Candidate {
        candidate: Some(candidate),
    } = message
    {
        assert!(candidate.candidate.len() <= MAX_CANDIDATE_BYTES);
        is_candidate(&candidate.candidate);
    }
    let received = session.receive(message, now, |token| (!token.0.is_empty()).then_some(()));
    assert!(session.deadline() >= now);
    if let Received::Reply(reply) | Received::Refuse(reply, _) = received {
        assert!(reply.encode().len() <= MAX_REFUSAL);
    }
}

fn check_refusal(error: &DecodeError) {
    let reply = error.reply();
    let text = reply.encode();
    assert!(text.len() <= MAX_REFUSAL, "{} bytes: {text}", text.len());
    assert_eq!(ServerMessage::decode(&text), Ok(reply));
}

/// A candidate attribute is one whether or not it has its `a=`.
pub fn candidate(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let valid = is_candidate(&text);
    if !text.starts_with("a=") {
        assert_eq!(is_candidate(&format!("a={text}")), valid);
    }
    // A longer one has extensions that nobody knows.
    assert!(!valid || is_candidate(&format!("{text} generation 0")));
}

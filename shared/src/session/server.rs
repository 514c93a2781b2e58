//! The server's end of one WebSocket: it judges the `hello`, and notices when nobody is there.

use std::time::Duration;

use super::liveness::{Due, Liveness};
use crate::{
    ClientMessage, CloseCode, ErrorCode, RequestId, ResumeToken, ServerMessage,
    check_client_version,
};

/// What a `hello` leads to. `S` is whatever the server finds a session by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission<S> {
    /// A new session.
    New,
    /// This session goes on here. Where it had another WebSocket, that one is
    /// [superseded](CloseCode::Superseded).
    Resumed(S),
    /// A new session, as there is none for the token. An [`ErrorCode::ResumeFailed`] may say so;
    /// the welcome does in any case.
    ResumeFailed,
}

/// What the server does about a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received<S> {
    /// Send a welcome.
    Greeted(Admission<S>),
    /// Send this.
    Reply(ServerMessage),
    /// Send this, then close.
    Refuse(ServerMessage, CloseCode),
    /// Nothing.
    Done,
    /// The message is not about the session: hand it on.
    Pass,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Fresh,
    Speaking,
}

/// The server's end of one WebSocket.
#[derive(Clone, Debug)]
pub struct ServerSession {
    stage: Stage,
    liveness: Liveness,
}

impl ServerSession {
    /// The WebSocket was just opened. The interval is the one that the welcome tells.
    #[must_use]
    pub fn new(ping_interval: Duration, now: Duration) -> Self {
        Self {
            stage: Stage::Fresh,
            liveness: Liveness::new(ping_interval, now),
        }
    }

    /// Any frame came: a message, one that could not be read, or a WebSocket's pong.
    pub fn heard(&mut self, now: Duration) {
        self.liveness.heard(now);
    }

    /// A message came. `find` looks a session up by a token that resumes it. Every message after a
    /// welcome [confirms](super::ResumeTokens::confirm) the token that it brought.
    pub fn receive<S>(
        &mut self,
        message: &ClientMessage,
        now: Duration,
        find: impl FnOnce(&ResumeToken) -> Option<S>,
    ) -> Received<S> {
        self.heard(now);
        let stage = std::mem::replace(&mut self.stage, Stage::Speaking);
        match message {
            ClientMessage::Hello {
                version,
                resume_token,
                ..
            } => match stage {
                Stage::Fresh => greet(*version, resume_token.as_ref(), find),
                Stage::Speaking => Received::Reply(ServerMessage::Error {
                    id: None,
                    code: ErrorCode::BadState,
                    message: "a hello comes first or not at all".to_owned(),
                }),
            },
            ClientMessage::Ping { id } => pong(*id),
            ClientMessage::Pong { .. } => Received::Done,
            ClientMessage::Join { .. }
            | ClientMessage::Authorize { .. }
            | ClientMessage::Update { .. }
            | ClientMessage::Mute { .. }
            | ClientMessage::Watch { .. }
            | ClientMessage::Pressure { .. }
            | ClientMessage::Say { .. }
            | ClientMessage::Kick { .. }
            | ClientMessage::MutePublication { .. }
            | ClientMessage::EndRoom { .. }
            | ClientMessage::Leave { .. }
            | ClientMessage::Offer { .. }
            | ClientMessage::Candidate { .. }
            | ClientMessage::EndOfCandidates {}
            | ClientMessage::HangUp { .. }
            | ClientMessage::Explain { .. } => Received::Pass,
        }
    }

    /// When to call [`tick`](Self::tick) next.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.liveness.deadline()
    }

    /// Time has passed. A [`Due::Ping`] is best a WebSocket's own (RFC 6455 §5.5.2): it is answered
    /// by clients that know no `ping`, and by browsers that hold a hidden tab's timers back. On
    /// [`Due::Gone`], close with [`CloseCode::TimedOut`].
    pub fn tick(&mut self, now: Duration) -> Option<Due> {
        self.liveness.tick(now)
    }
}

fn greet<S>(
    version: u16,
    token: Option<&ResumeToken>,
    find: impl FnOnce(&ResumeToken) -> Option<S>,
) -> Received<S> {
    if let Err(mismatch) = check_client_version(version) {
        let error = ServerMessage::Error {
            id: None,
            code: mismatch.code(),
            message: mismatch.to_string(),
        };
        return Received::Refuse(error, CloseCode::VersionMismatch);
    }
    Received::Greeted(match token.map(find) {
        None => Admission::New,
        Some(Some(session)) => Admission::Resumed(session),
        Some(None) => Admission::ResumeFailed,
    })
}

fn pong<S>(id: Option<RequestId>) -> Received<S> {
    Received::Reply(ServerMessage::Pong { id })
}

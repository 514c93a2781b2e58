//! A WebSocket before it has a session: its first message opens one, or goes on with an earlier one.
//!
//! The session gets a task of its own: this one's memory, large enough for every way a greeting can
//! go, is free again.

use std::sync::Arc;

use ferrite_protocol::session::{Admission, Received as Verdict};
use ferrite_protocol::{ClientMessage, CloseCode, ErrorCode, ServerMessage, SessionId};
use tracing::{Instrument as _, info, info_span};

use super::hub::Signalling;
use super::place::{Caller, Full, Refused};
use super::resumption::{Claim, Resumption};
use super::session::random_id;
use super::socket::{Gone, Received, Socket, excess};
use super::task::{Task, go_away};

/// Serves a WebSocket to its end.
pub(super) async fn run(signalling: Arc<Signalling>, mut socket: Box<Socket>, caller: Caller) {
    let stopping = signalling.stopping.clone();
    let greeting = greet(&signalling, &mut socket);
    let Some(greeting) = stopping.run_until_cancelled(greeting).await else {
        return go_away(socket).await;
    };
    let (message, verdict) = match greeting {
        Ok(greeting) => greeting,
        Err(gone) => return socket.part(gone).await,
    };
    let newcomer = Newcomer {
        signalling,
        socket,
        caller,
    };
    newcomer.proceed(message, verdict).await;
}

/// In the place of a greeting, for a page of an origin that is not allowed. It fits a close frame.
const OTHER_ORIGIN: &str = "this page's origin is not allowed: add it to --allowed-origins, or let the \
    proxy pass the Host header on";

/// Tells a page that it may not use this server.
pub(super) async fn refuse_origin(socket: Box<Socket>) {
    let error = ServerMessage::Error {
        id: None,
        code: ErrorCode::Refused,
        message: OTHER_ORIGIN.to_owned(),
    };
    socket.refuse(error, CloseCode::Refused).await;
}

/// Waits for the first frame that is a message, and what the rules say of it. May be cancelled:
/// a claim is used in the same step.
async fn greet(
    signalling: &Signalling,
    socket: &mut Socket,
) -> Result<(ClientMessage, Verdict<Claim>), Gone> {
    loop {
        match socket.receive().await? {
            Received::Nonsense(reply) => socket.send(&reply).await?,
            Received::Message(message) => {
                let verdict = socket.judge(&message, |token| signalling.resumable.claim(token));
                return Ok((message, verdict));
            }
        }
    }
}

/// A client whose first message was heard.
struct Newcomer {
    signalling: Arc<Signalling>,
    socket: Box<Socket>,
    caller: Caller,
}

impl Newcomer {
    async fn proceed(self, message: ClientMessage, verdict: Verdict<Claim>) {
        match verdict {
            Verdict::Greeted(Admission::Resumed(claim)) => self.hand_over(claim, &message),
            Verdict::Greeted(Admission::New) => self.hello(&message, None).await,
            Verdict::Greeted(Admission::ResumeFailed) => {
                self.hello(&message, Some(resume_failed())).await;
            }
            Verdict::Refuse(error, code) => self.refuse(Refused::Version, error, code).await,
            Verdict::Reply(reply) => self.speak(None, Some(reply)).await,
            Verdict::Done => self.speak(None, None).await,
            Verdict::Pass => self.speak(Some(message), None).await,
        }
    }

    /// The session's own task takes over.
    fn hand_over(self, claim: Claim, hello: &ClientMessage) {
        let last_message = if let ClientMessage::Hello { last_message, .. } = hello {
            *last_message
        } else {
            None
        };
        claim.send(Box::new(Resumption {
            socket: self.socket,
            caller: self.caller,
            last_message,
        }));
    }

    /// Opens a session for a client that said hello.
    async fn hello(self, message: &ClientMessage, error: Option<ServerMessage>) {
        let client = if let ClientMessage::Hello { client, .. } = message {
            client.as_deref()
        } else {
            None
        };
        let signalling = self.signalling.clone();
        let address = signalling.shown(self.caller.address);
        let Some((socket, task)) = self.session().await else {
            return;
        };
        let span = info_span!("session", id = %task.id());
        span.in_scope(|| info!(client, address, "opened"));
        signalling.spawn(task.greeted(socket, error).instrument(span));
    }

    /// Opens a session for a client that came straight to the point.
    async fn speak(self, message: Option<ClientMessage>, reply: Option<ServerMessage>) {
        let signalling = self.signalling.clone();
        let address = signalling.shown(self.caller.address);
        let Some((socket, task)) = self.session().await else {
            return;
        };
        let span = info_span!("session", id = %task.id());
        span.in_scope(|| info!(address, "opened"));
        signalling.spawn(task.addressed(socket, message, reply).instrument(span));
    }

    /// A session, if the server and the client's address may have one more.
    async fn session(self) -> Option<(Box<Socket>, Box<Task>)> {
        let place = match self.signalling.session_place(self.caller.address) {
            Ok(place) => place,
            Err(full) => {
                let error = excess(self.full(full));
                let code = CloseCode::LimitExceeded;
                self.refuse(Refused::Limit, error, code).await;
                return None;
            }
        };
        let id = SessionId(random_id());
        let task = Task::new(self.signalling, id, self.caller, place);
        Some((self.socket, Box::new(task)))
    }

    async fn refuse(self, kind: Refused, error: ServerMessage, code: CloseCode) {
        if let ServerMessage::Error { message, .. } = &error {
            (self.signalling).note_refusal(kind, self.caller.address, message);
        }
        self.socket.refuse(error, code).await;
    }

    fn full(&self, full: Full) -> String {
        let config = &self.signalling.config;
        match full {
            Full::Server => {
                let limit = config.limits.sessions;
                format!("the server has all the {limit} sessions it may have")
            }
            Full::Address => {
                let limit = config.limits.sessions_per_address;
                format!("your address has all the {limit} sessions it may have")
            }
        }
    }
}

fn resume_failed() -> ServerMessage {
    ServerMessage::Error {
        id: None,
        code: ErrorCode::ResumeFailed,
        message: "the session to resume is not there any more".to_owned(),
    }
}

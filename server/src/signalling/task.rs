//! A session's task: waits for whatever comes next, passes it to the session, sends what it says.
//!
//! It owns the mailbox in which another task leaves the WebSocket of a client that came back.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use ferrite_protocol::{
    ClientMessage, CloseCode, ErrorCode, ResumeToken, RoomSnapshot, ServerMessage, SessionId,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until};
use tracing::{Instrument as _, debug, info, info_span};

use super::Signalling;
use super::greeting::{Greeting, Refused, greet};
use super::peer::Peer;
use super::resumption::Resumption;
use super::session::{Session, random_id};
use super::socket::{Gone, Received, Socket};
use crate::media::PeerEvent;
use crate::room::Seat;

/// What a client should wait before it calls again, when the server goes away.
const RETRY_AFTER_MS: u32 = 1000;

impl Gone {
    /// A client that leaves on purpose, or passes a limit, does not come back. 1001 is a page
    /// that is closed or left: its peer connection is gone with it (RFC 6455 §7.4.1).
    fn is_final(&self) -> bool {
        match self {
            Self::Closed(code) => matches!(code, Some(1000 | 1001)),
            Self::Excess(_) => true,
            Self::Lost | Self::Silent => false,
        }
    }
}

/// Serves one WebSocket, and those that resume its session.
pub(super) async fn run(signalling: Arc<Signalling>, mut socket: Socket, loopback: bool) {
    let stopping = signalling.stopping.clone();
    let Some(greeting) = stopping.run_until_cancelled(greet(&mut socket)).await else {
        return go_away(socket).await;
    };
    match greeting {
        Ok(greeting) => begin(signalling, socket, loopback, greeting).await,
        Err(Refused::Gone(gone)) => socket.part(gone).await,
        Err(Refused::Version(mismatch)) => {
            let message = mismatch.to_string();
            socket
                .refuse(mismatch.code(), CloseCode::VersionMismatch, message)
                .await;
        }
    }
}

async fn begin(
    signalling: Arc<Signalling>,
    mut socket: Socket,
    loopback: bool,
    greeting: Greeting,
) {
    let mut failed = None;
    if let Greeting::Hello {
        resume_token: Some(token),
        ..
    } = &greeting
    {
        match signalling
            .resumable
            .claim(token, Box::new(Resumption { socket, loopback }))
        {
            // The session's own task goes on with it.
            Ok(()) => return,
            Err(back) => socket = back.socket,
        }
        failed = Some(ServerMessage::Error {
            id: None,
            code: ErrorCode::ResumeFailed,
            message: "the session to resume is not there any more".to_owned(),
        });
    }
    let Ok(place) = signalling.sessions.clone().try_acquire_owned() else {
        return turn_away(socket, signalling.config.max_sessions).await;
    };
    let id = SessionId(random_id());
    let span = info_span!("session", %id);
    let task = Task::new(signalling, id, loopback, place);
    task.run(socket, greeting, failed).instrument(span).await;
}

async fn turn_away(socket: Socket, limit: usize) {
    let message = format!("the server has all the {limit} sessions it may have");
    socket
        .refuse(ErrorCode::LimitExceeded, CloseCode::LimitExceeded, message)
        .await;
}

async fn go_away(mut socket: Socket) {
    let farewell = ServerMessage::GoingAway {
        retry_after_ms: RETRY_AFTER_MS,
    };
    if socket.send(&farewell).await.is_ok() {
        let reason = "the server is shutting down".to_owned();
        socket.close(CloseCode::GoingAway, reason).await;
    }
}

struct Task {
    id: SessionId,
    signalling: Arc<Signalling>,
    session: Session,
    /// The client said hello: it has a token.
    resumable: bool,
    letterbox: mpsc::Sender<Box<Resumption>>,
    mailbox: mpsc::Receiver<Box<Resumption>>,
    _place: OwnedSemaphorePermit,
}

/// Why a WebSocket is no longer served.
enum Detached {
    Gone(Gone),
    Superseded(Box<Resumption>),
    Stopping,
}

impl From<Gone> for Detached {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

/// Whatever comes next.
enum Event {
    Stopping,
    Resumed(Box<Resumption>),
    Received(Result<Received, Gone>),
    Peer(Option<PeerEvent>),
    Room,
}

impl Task {
    fn new(
        signalling: Arc<Signalling>,
        id: SessionId,
        loopback: bool,
        place: OwnedSemaphorePermit,
    ) -> Self {
        // One token at a time, so at most one client that comes back.
        let (letterbox, mailbox) = mpsc::channel(1);
        Self {
            session: Session::new(signalling.clone(), id.clone(), loopback),
            id,
            signalling,
            resumable: false,
            letterbox,
            mailbox,
            _place: place,
        }
    }

    async fn run(mut self, mut socket: Socket, greeting: Greeting, failed: Option<ServerMessage>) {
        let mut began = self.greeted(&mut socket, greeting, failed).await;
        loop {
            let detached = match began {
                Ok(()) => self.serve(&mut socket).await.map_or_else(|end| end, never),
                Err(gone) => Detached::Gone(gone),
            };
            let resumption = match detached {
                Detached::Stopping => return go_away(socket).await,
                Detached::Superseded(resumption) => {
                    let reason = "the session goes on elsewhere".to_owned();
                    self.signalling
                        .spawn(socket.close(CloseCode::Superseded, reason));
                    resumption
                }
                Detached::Gone(gone) => match self.detached(socket, gone).await {
                    Some(resumption) => resumption,
                    None => return,
                },
            };
            info!("resumed");
            self.session.loopback = resumption.loopback;
            socket = resumption.socket;
            began = self.welcome_back(&mut socket).await;
        }
    }

    async fn greeted(
        &mut self,
        socket: &mut Socket,
        greeting: Greeting,
        failed: Option<ServerMessage>,
    ) -> Result<(), Gone> {
        match greeting {
            Greeting::Message(message) => {
                info!("opened");
                self.answer(socket, message).await
            }
            Greeting::Hello { client, .. } => {
                info!(client, "opened");
                self.resumable = true;
                socket.ping_in_messages();
                let welcome = self.session.welcome(self.token(), false);
                send(socket, failed.into_iter().chain([welcome])).await
            }
        }
    }

    async fn welcome_back(&mut self, socket: &mut Socket) -> Result<(), Gone> {
        socket.ping_in_messages();
        let welcome = self.session.welcome(self.token(), true);
        let state = self.session.state();
        send(socket, [welcome].into_iter().chain(state)).await
    }

    fn token(&self) -> ResumeToken {
        self.signalling
            .resumable
            .offer(&self.id, self.letterbox.clone())
    }

    /// Serves a WebSocket until something is in the way.
    async fn serve(&mut self, socket: &mut Socket) -> Result<Infallible, Detached> {
        loop {
            match self.next(socket).await {
                Event::Stopping => return Err(Detached::Stopping),
                Event::Resumed(resumption) => return Err(Detached::Superseded(resumption)),
                Event::Received(received) => match received? {
                    Received::Message(message) => self.answer(socket, message).await?,
                    Received::Nonsense(reply) => socket.send(&reply).await?,
                },
                Event::Peer(event) => send(socket, self.session.note(event)).await?,
                Event::Room => send(socket, self.session.news_of_the_room()).await?,
            }
        }
    }

    async fn next(&mut self, socket: &mut Socket) -> Event {
        let Session { peer, seat, .. } = &mut self.session;
        tokio::select! {
            () = self.signalling.stopping.cancelled() => Event::Stopping,
            Some(resumption) = self.mailbox.recv() => Event::Resumed(resumption),
            received = socket.receive() => Event::Received(received),
            event = Peer::event(peer) => Event::Peer(event),
            () = changed(seat) => Event::Room,
        }
    }

    async fn answer(&mut self, socket: &mut Socket, message: ClientMessage) -> Result<(), Gone> {
        send(socket, self.session.answer(message)).await
    }

    /// Waits for the client to come back, if it may.
    async fn detached(&mut self, socket: Socket, gone: Gone) -> Option<Box<Resumption>> {
        debug!(?gone, "the WebSocket is gone");
        let is_final = gone.is_final() || !self.resumable;
        if is_final {
            self.signalling.resumable.withdraw(&self.id);
        }
        // In a task of its own: the client may take its time to agree.
        self.signalling.spawn(socket.part(gone));
        let resumption = if is_final { None } else { self.park().await };
        if resumption.is_none() {
            info!("closed");
        }
        resumption
    }

    /// Keeps the seat and the peer for the resume time.
    async fn park(&mut self) -> Option<Box<Resumption>> {
        let end = Instant::now() + self.signalling.config.resume_time;
        info!("waiting to be resumed");
        loop {
            tokio::select! {
                () = self.signalling.stopping.cancelled() => return None,
                Some(resumption) = self.mailbox.recv() => return Some(resumption),
                event = Peer::event(&mut self.session.peer) => {
                    self.session.note(event);
                }
                () = sleep_until(end) => break,
            }
        }
        self.signalling.resumable.withdraw(&self.id);
        // Somebody may have come in the last moment.
        self.mailbox.try_recv().ok()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.signalling.resumable.withdraw(&self.id);
    }
}

/// Waits until the room is not as the client was last shown it.
async fn changed(seat: &mut Option<(Seat, Arc<RoomSnapshot>)>) {
    match seat {
        Some((seat, _)) => seat.changed().await,
        None => pending().await,
    }
}

async fn send(
    socket: &mut Socket,
    messages: impl IntoIterator<Item = ServerMessage>,
) -> Result<(), Gone> {
    for message in messages {
        socket.send(&message).await?;
    }
    Ok(())
}

fn never<T>(infallible: Infallible) -> T {
    match infallible {}
}

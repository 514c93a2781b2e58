//! A session's task: waits for whatever comes next, passes it to the session, sends what it says.
//!
//! It owns the mailbox in which another task leaves the WebSocket of a client that came back.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use ferrite_protocol::session::Received as Verdict;
use ferrite_protocol::{
    ClientMessage, CloseCode, DepartureCause, IceServer, ResumeToken, ServerMessage, SessionId,
};
use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, sleep_until};
use tracing::info;

use super::hub::Signalling;
use super::membership::{Membership, News};
use super::peer::Peer;
use super::place::{Caller, Place};
use super::resumption::{Mailbox, Resumption};
use super::session::Session;
use super::socket::{Gone, Received, Socket};
use crate::media::PeerEvent;

/// What a client should wait before it calls again, when the server goes away.
const RETRY_AFTER_MS: u32 = 1000;

/// When the media plane is asked again that was too busy.
const BUSY: Duration = Duration::from_millis(50);

impl Gone {
    /// A client that leaves on purpose, or passes a limit, does not come back. 1001 is a page
    /// that is closed or left: its peer connection is gone with it (RFC 6455 §7.4.1).
    fn is_final(&self) -> bool {
        match self {
            Self::Closed(code) => code
                .and_then(|code| CloseCode::try_from(code).ok())
                .is_some_and(|code| !code.keeps_session()),
            Self::Excess(_) => true,
            Self::Lost | Self::Silent | Self::Broke(..) => false,
        }
    }

    /// What others are told of who does not come back after this.
    fn departure(&self) -> DepartureCause {
        match self {
            Self::Closed(_) if self.is_final() => DepartureCause::Left,
            Self::Excess(_) => DepartureCause::LimitExceeded,
            Self::Closed(_) | Self::Lost | Self::Silent | Self::Broke(..) => DepartureCause::Lost,
        }
    }
}

/// Says that the server goes away.
pub(super) async fn go_away(mut socket: Box<Socket>) {
    let farewell = ServerMessage::GoingAway {
        retry_after_ms: RETRY_AFTER_MS,
    };
    if socket.send(&farewell).await.is_ok() {
        let reason = "the server is shutting down".to_owned();
        socket.close(CloseCode::GoingAway, reason).await;
    }
}

/// A session and what keeps it going.
pub(super) struct Task {
    id: SessionId,
    signalling: Arc<Signalling>,
    session: Session,
    /// Of a client that said hello, and so has a token.
    mailbox: Option<Mailbox>,
    /// Other servers, of which the client is told when they change.
    other_servers: watch::Receiver<Vec<IceServer>>,
    /// The client spoke since the latest welcome: it has the token.
    confirmed: bool,
    _place: Place,
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
    Room(News),
    /// The media plane may have room for what is due by now.
    Due,
    /// The client may be told who speaks.
    Speaking,
    /// A layer that nobody watches may be wanted no more.
    Wanted,
    /// What the client may open relays with expires, or is good no more; or a provider names others.
    IceServers,
}

impl Task {
    pub(super) fn new(
        signalling: Arc<Signalling>,
        id: SessionId,
        caller: Caller,
        place: Place,
    ) -> Self {
        Self {
            session: Session::new(signalling.clone(), id.clone(), caller),
            id,
            other_servers: signalling.turn.others(),
            signalling,
            mailbox: None,
            confirmed: false,
            _place: place,
        }
    }

    pub(super) fn id(&self) -> &SessionId {
        &self.id
    }

    /// Serves a client that said hello, from the welcome to the end.
    pub(super) async fn greeted(
        mut self: Box<Self>,
        mut socket: Box<Socket>,
        error: Option<ServerMessage>,
    ) {
        let welcome = self.welcome(false);
        let began = send(&mut socket, error.into_iter().chain([welcome])).await;
        self.run(socket, began).await;
    }

    /// Serves a client that said something else, or only what was answered already.
    pub(super) async fn addressed(
        mut self: Box<Self>,
        mut socket: Box<Socket>,
        message: Option<ClientMessage>,
        reply: Option<ServerMessage>,
    ) {
        let answers = message
            .into_iter()
            .flat_map(|said| self.session.answer(said));
        let answers: Vec<_> = reply.into_iter().chain(answers).collect();
        let began = send(&mut socket, answers).await;
        self.run(socket, began).await;
    }

    async fn run(mut self: Box<Self>, mut socket: Box<Socket>, mut began: Result<(), Gone>) {
        loop {
            let detached = match began {
                Ok(()) => self.serve(&mut socket).await.map_or_else(|end| end, never),
                Err(gone) => Detached::Gone(gone),
            };
            let resumption = match detached {
                // Boxed: every session would have room for its own end from the beginning.
                Detached::Stopping => return Box::pin(go_away(socket)).await,
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
            socket = resumption.socket;
            began = (self.resumed(&mut socket, resumption.caller, resumption.last_message)).await;
        }
    }

    async fn resumed(
        &mut self,
        socket: &mut Socket,
        caller: Caller,
        last_message: Option<u64>,
    ) -> Result<(), Gone> {
        info!("resumed");
        self.session.come_from(caller);
        let welcome = self.welcome(true);
        let state = self.session.state(last_message);
        send(socket, [welcome].into_iter().chain(state)).await
    }

    fn welcome(&mut self, resumed: bool) -> ServerMessage {
        let token = self.token();
        // It brings those that there are.
        self.other_servers.mark_unchanged();
        self.session.welcome(token, resumed)
    }

    fn token(&mut self) -> ResumeToken {
        let resumable = &self.signalling.resumable;
        (self.mailbox).get_or_insert_with(|| resumable.open(&self.id));
        self.confirmed = false;
        resumable.issue(&self.id)
    }

    /// Takes note that the client speaks.
    fn confirm(&mut self) {
        if !std::mem::replace(&mut self.confirmed, true) {
            self.signalling.resumable.confirm(&self.id);
        }
    }

    /// Serves a WebSocket until something is in the way.
    async fn serve(&mut self, socket: &mut Socket) -> Result<Infallible, Detached> {
        loop {
            match self.next(socket).await {
                Event::Stopping => return Err(Detached::Stopping),
                Event::Resumed(resumption) => return Err(Detached::Superseded(resumption)),
                Event::Received(received) => self.hear(socket, received?).await?,
                Event::Peer(event) => send(socket, self.session.note(event)).await?,
                Event::Room(News::View) => {
                    send(socket, self.session.news_of_the_room()?).await?;
                }
                Event::Room(News::Messages) => {
                    send(socket, self.session.pass_messages_on()?).await?;
                }
                Event::Due => self.session.carry_out(),
                Event::Speaking => send(socket, self.session.tell_speaking()).await?,
                Event::Wanted => send(socket, self.session.tell_wanted()).await?,
                Event::IceServers => send(socket, [self.session.tell_ice_servers()]).await?,
            }
        }
    }

    async fn next(&mut self, socket: &mut Socket) -> Event {
        let (due, takes) = (self.session.due(), self.session.takes_messages());
        let speaking = self.session.speaking_is_due().map(Some);
        let wanted = self.session.wanted_is_due().map(Some);
        let ice_servers = self.session.ice_servers_are_due().map(Some);
        let Session { peer, room, .. } = &mut self.session;
        tokio::select! {
            () = self.signalling.stopping.cancelled() => Event::Stopping,
            resumption = arrival(&mut self.mailbox) => Event::Resumed(resumption),
            received = socket.receive() => Event::Received(received),
            event = Peer::event(peer) => Event::Peer(event),
            news = changed(room, takes) => Event::Room(news),
            () = wait(due) => Event::Due,
            () = wait(speaking) => Event::Speaking,
            () = wait(wanted) => Event::Wanted,
            () = wait(ice_servers) => Event::IceServers,
            // Who was told none is told none of these, either.
            Ok(()) = self.other_servers.changed(), if ice_servers.is_some() => Event::IceServers,
        }
    }

    async fn hear(&mut self, socket: &mut Socket, received: Received) -> Result<(), Gone> {
        self.confirm();
        self.session.is_there();
        match received {
            Received::Message(message) => self.answer(socket, message).await?,
            Received::Nonsense(reply) => socket.send(&reply).await?,
        }
        // Whoever sends many messages at once has one answered at a time, as everybody else.
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn answer(&mut self, socket: &mut Socket, message: ClientMessage) -> Result<(), Gone> {
        match socket.judge(&message, |_| None::<Infallible>) {
            Verdict::Pass => send(socket, self.session.answer(message)).await,
            Verdict::Reply(reply) => socket.send(&reply).await,
            // Only a first message is greeted or refused.
            Verdict::Done | Verdict::Greeted(_) | Verdict::Refuse(..) => Ok(()),
        }
    }

    /// Waits for the client to come back, if it may.
    async fn detached(&mut self, socket: Box<Socket>, gone: Gone) -> Option<Box<Resumption>> {
        let (reason, departure) = (gone.to_string(), gone.departure());
        if gone.is_final() {
            self.signalling.resumable.withdraw(&self.id);
            self.mailbox = None;
        }
        // In a task of its own: the client may take its time to agree.
        self.signalling.spawn(socket.part(gone));
        if self.mailbox.is_none() {
            self.session.departs(departure);
            info!(reason, "closed");
            return None;
        }
        info!(reason, "waiting to be resumed");
        let resumption = self.park().await;
        if resumption.is_none() {
            self.session.departs(DepartureCause::Lost);
            info!(reason = "nobody came back in time", "closed");
        }
        resumption
    }

    /// Keeps the seat and the peer for the resume time.
    async fn park(&mut self) -> Option<Box<Resumption>> {
        let end = Instant::now() + self.signalling.config.signalling.resume_time;
        self.session.park();
        loop {
            let (due, takes) = (self.session.due(), self.session.takes_messages());
            tokio::select! {
                () = self.signalling.stopping.cancelled() => return None,
                resumption = arrival(&mut self.mailbox) => return Some(resumption),
                event = Peer::event(&mut self.session.peer) => {
                    self.session.note(event);
                }
                news = changed(&mut self.session.room, takes) => match news {
                    News::View => self.session.look_at_the_room(),
                    // Who reads too slowly is let go, there or not.
                    News::Messages if self.session.pass_messages_on().is_err() => break,
                    News::Messages => {}
                },
                () = wait(due) => self.session.carry_out(),
                () = sleep_until(end) => break,
            }
        }
        self.signalling.resumable.withdraw(&self.id);
        // Somebody may have used a token in the last moment. What it goes on with is another one.
        let mut mailbox = self.mailbox.take()?;
        mailbox.close();
        mailbox.recv().await
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.signalling.resumable.withdraw(&self.id);
    }
}

/// Waits for the client to come back.
async fn arrival(mailbox: &mut Option<Mailbox>) -> Box<Resumption> {
    if let Some(mailbox) = mailbox
        && let Some(resumption) = mailbox.recv().await
    {
        return resumption;
    }
    pending().await
}

/// Waits until the room is not as the client was last shown it.
async fn changed(room: &mut Option<Membership>, takes: bool) -> News {
    match room {
        Some(room) => room.changed(takes).await,
        None => pending().await,
    }
}

/// Waits until something is due, if it is.
async fn wait(due: Option<Option<std::time::Instant>>) {
    match due {
        Some(Some(at)) => sleep_until(at.into()).await,
        Some(None) => sleep(BUSY).await,
        None => pending().await,
    }
}

async fn send(
    socket: &mut Socket,
    messages: impl IntoIterator<Item = ServerMessage>,
) -> Result<(), Gone> {
    socket.send_all(messages).await
}

fn never<T>(infallible: Infallible) -> T {
    match infallible {}
}

//! The client's end: it connects, greets, pings, and comes back when the WebSocket is lost.

use std::time::Duration;

use super::backoff::backoff;
use super::liveness::{Due, Liveness};
use crate::{
    ClientMessage, CloseCode, ErrorCode, IceServer, PROTOCOL_VERSION, ResumeToken, ServerMessage,
    SessionId, check_server_version,
};

/// From the start of an attempt to the welcome.
const ATTEMPT: Duration = Duration::from_secs(10);

/// A session that was open for less does not start the backoff over.
const STABLE: Duration = Duration::from_secs(10);

/// The first attempts in another network come quickly: its address may be there before its routes
/// are. Clients do not change networks together, so these need no spreading.
const SETTLING: Duration = Duration::from_millis(50);

/// So many of them.
const SETTLING_ATTEMPTS: u8 = 8;

/// Something that happened to the client.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The session is wanted now: at the start, or because somebody will not wait.
    Connect,
    /// The session is not wanted any more.
    Stop,
    /// The WebSocket opened.
    Opened,
    /// The WebSocket closed, or could not be opened.
    Closed {
        /// RFC 6455 §7.4.
        code: u16,
    },
    /// The server sent this.
    Heard(&'a ServerMessage),
    /// The browser's `online` and `offline` events, and any other sign of another network.
    Online(bool),
    /// There is reason to doubt that the server is still reached, such as a broken media path.
    Doubt,
    /// The page's `visibilitychange` event.
    Hidden(bool),
    /// The [deadline](ClientSession::deadline) has come. It may come late.
    Tick,
}

/// Something for the client to do or to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a WebSocket.
    Connect,
    /// Close the WebSocket with this code, and report nothing more of it. The server keeps what it
    /// has for the session unless the code is [`CloseCode::Normal`].
    Disconnect(CloseCode),
    /// Send this on the WebSocket.
    Send(ClientMessage),
    /// The session is open.
    Up {
        /// Its name in the server's log.
        session: SessionId,
        /// Whether the server still has what it had before.
        resumed: bool,
        /// What to put into `RTCConfiguration.iceServers`.
        ice_servers: Vec<IceServer>,
    },
    /// The session is not open, or an attempt to open it failed.
    Down {
        /// Why.
        why: Why,
        /// When the next attempt comes; `None` if none would help.
        next_at: Option<Duration>,
    },
}

/// Why a session is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The WebSocket closed or could not be opened.
    Closed,
    /// The server did not welcome in time.
    NoWelcome,
    /// Nothing was heard from the server.
    Silent,
    /// The WebSocket was of another network.
    NetworkChanged,
    /// The server shuts down.
    GoingAway,
    /// The server speaks another version. The text names both.
    OtherVersion(String),
    /// The session goes on elsewhere.
    Superseded,
    /// The server had too much of this client.
    LimitExceeded,
    /// The server does not serve pages of this origin; its own words.
    Refused(String),
}

/// Where the session is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// Not wanted, or refused.
    Stopped,
    /// Waiting for the next attempt.
    Disconnected {
        /// How many attempts came before it since the session was last stable.
        attempt: u32,
        /// When it comes.
        next_at: Duration,
    },
    /// A WebSocket is being opened.
    Connecting {
        /// When to give up.
        until: Duration,
    },
    /// The `hello` was sent.
    Greeting {
        /// When.
        since: Duration,
        /// When to give up.
        until: Duration,
    },
    /// The server's welcome was heard.
    Open {
        /// When.
        since: Duration,
        /// Whether the server is still there.
        liveness: Liveness,
    },
}

/// A client's session, from start to stop.
#[derive(Clone, Debug)]
pub struct ClientSession {
    client: String,
    state: ClientState,
    token: Option<ResumeToken>,
    /// The number of the last room message that came.
    last_message: Option<u64>,
    attempt: u32,
    superseded: bool,
    online: bool,
    /// Attempts that come quickly, since the network is another.
    settling: u8,
}

impl ClientSession {
    /// A stopped session. `client` is the program's name and version, for the server's log.
    #[must_use]
    pub fn new(client: impl Into<String>) -> Self {
        Self {
            client: client.into(),
            state: ClientState::Stopped,
            token: None,
            last_message: None,
            attempt: 0,
            superseded: false,
            online: true,
            settling: 0,
        }
    }

    /// Where the session is.
    #[must_use]
    pub fn state(&self) -> &ClientState {
        &self.state
    }

    /// Whether messages other than the session's own can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, ClientState::Open { .. })
    }

    /// Whether the server was asked, because of a doubt, and has not answered yet.
    #[must_use]
    pub fn is_doubted(&self) -> bool {
        matches!(&self.state, ClientState::Open { liveness, .. } if liveness.is_probing())
    }

    /// When to hand in [`Input::Tick`].
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        match &self.state {
            ClientState::Stopped => None,
            ClientState::Disconnected { next_at, .. } => Some(*next_at),
            ClientState::Connecting { until } | ClientState::Greeting { until, .. } => Some(*until),
            ClientState::Open { liveness, .. } => Some(liveness.deadline()),
        }
    }

    /// Takes what happened, and says what to do about it, in order. `random` lies in `0.0..1.0`.
    pub fn handle(&mut self, input: Input<'_>, now: Duration, random: f64) -> Vec<Action> {
        match input {
            Input::Connect => self.connect(now),
            Input::Stop => self.stop(),
            Input::Opened => self.greet(now),
            Input::Closed { code } => self.closed(code, now, random),
            Input::Heard(message) => self.heard(message, now, random),
            Input::Online(online) => self.network(online, now),
            Input::Doubt => self.doubt(now),
            Input::Hidden(hidden) => self.hurry_if(!hidden, now),
            Input::Tick => self.tick(now, random),
        }
    }

    fn connect(&mut self, now: Duration) -> Vec<Action> {
        if self.has_socket() {
            return Vec::new();
        }
        let until = now + ATTEMPT;
        self.state = ClientState::Connecting { until };
        vec![Action::Connect]
    }

    fn stop(&mut self) -> Vec<Action> {
        let actions = self.drop_socket(CloseCode::Normal);
        // What is closed on purpose is not resumed.
        self.forget();
        actions
    }

    fn greet(&mut self, now: Duration) -> Vec<Action> {
        let ClientState::Connecting { until } = self.state else {
            return Vec::new();
        };
        self.state = ClientState::Greeting { since: now, until };
        vec![Action::Send(ClientMessage::Hello {
            version: PROTOCOL_VERSION,
            client: Some(self.client.clone()),
            // It stays until the welcome brings the next: this hello may get lost.
            resume_token: self.token.clone(),
            last_message: self.last_message.filter(|_| self.token.is_some()),
        })]
    }

    fn closed(&mut self, code: u16, now: Duration, random: f64) -> Vec<Action> {
        if !self.has_socket() {
            return Vec::new();
        }
        self.forgive_if_stable(now);
        match self.refusal(code) {
            Some(why) => self.refused(why),
            None => self.wait(Why::Closed, Duration::ZERO, now, random),
        }
    }

    /// What a close code says against another attempt.
    fn refusal(&mut self, code: u16) -> Option<Why> {
        match CloseCode::try_from(code).ok()? {
            // A hello of ours that was given up can arrive late and supersede its successor. So come
            // back once; whoever is superseded twice has lost to another holder of the token.
            CloseCode::Superseded => {
                let again = std::mem::replace(&mut self.superseded, true);
                again.then_some(Why::Superseded)
            }
            CloseCode::LimitExceeded => Some(Why::LimitExceeded),
            CloseCode::Refused => {
                Some(Why::Refused("this page's origin is not allowed".to_owned()))
            }
            CloseCode::VersionMismatch => {
                let text = "the server does not speak version";
                let text = format!("{text} {PROTOCOL_VERSION} of the protocol");
                Some(Why::OtherVersion(text))
            }
            CloseCode::Normal
            | CloseCode::GoingAway
            | CloseCode::ProtocolError
            | CloseCode::InvalidPayload
            | CloseCode::TimedOut => None,
        }
    }

    fn heard(&mut self, message: &ServerMessage, now: Duration, random: f64) -> Vec<Action> {
        if !self.has_socket() {
            return Vec::new();
        }
        if let ClientState::Open { liveness, .. } = &mut self.state {
            liveness.heard(now);
        }
        if let Some(number) = last_message(message) {
            self.last_message = Some(number);
        }
        match message {
            ServerMessage::Welcome { .. } => self.welcomed(message, now),
            ServerMessage::Ping { id } => vec![Action::Send(ClientMessage::Pong { id: *id })],
            ServerMessage::GoingAway { retry_after_ms } => {
                let after = Duration::from_millis((*retry_after_ms).into());
                self.abandon(Why::GoingAway, after, now, random)
            }
            ServerMessage::Error {
                code: ErrorCode::VersionMismatch,
                message,
                ..
            } => self.refuse(Why::OtherVersion(message.clone())),
            ServerMessage::Error {
                code: ErrorCode::Refused,
                message,
                ..
            } => self.refuse(Why::Refused(message.clone())),
            ServerMessage::Error { .. }
            | ServerMessage::IceServers { .. }
            | ServerMessage::Joined { .. }
            | ServerMessage::Left { .. }
            | ServerMessage::Done { .. }
            | ServerMessage::ParticipantJoined { .. }
            | ServerMessage::ParticipantUpdated { .. }
            | ServerMessage::ParticipantLeft { .. }
            | ServerMessage::Muted { .. }
            | ServerMessage::Watching { .. }
            | ServerMessage::Speaking { .. }
            | ServerMessage::Wanted { .. }
            | ServerMessage::Quality { .. }
            | ServerMessage::Said { .. }
            | ServerMessage::Answer { .. }
            | ServerMessage::Candidate { .. }
            | ServerMessage::EndOfCandidates {}
            | ServerMessage::PeerState { .. }
            | ServerMessage::HungUp { .. }
            | ServerMessage::Explained { .. }
            | ServerMessage::Pong { .. } => Vec::new(),
        }
    }

    fn welcomed(&mut self, welcome: &ServerMessage, now: Duration) -> Vec<Action> {
        let (
            ClientState::Greeting { since, .. },
            ServerMessage::Welcome {
                version,
                session,
                resume_token,
                resumed,
                ping_interval_ms,
                ice_servers,
            },
        ) = (&self.state, welcome)
        else {
            return Vec::new();
        };
        if let Err(mismatch) = check_server_version(*version) {
            return self.refuse(Why::OtherVersion(mismatch.to_string()));
        }
        let interval = Duration::from_millis((*ping_interval_ms).into());
        let round_trip = now.saturating_sub(*since);
        self.settling = 0;
        if !resumed {
            // Of another session's room, perhaps of another process, whose numbers begin anew.
            self.last_message = None;
        }
        self.token = Some(resume_token.clone());
        self.state = ClientState::Open {
            since: now,
            liveness: Liveness::new(interval, now).over(round_trip),
        };
        let up = Action::Up {
            session: session.clone(),
            resumed: *resumed,
            ice_servers: ice_servers.clone(),
        };
        // So that the server learns that the token arrived, and lets go of the one before.
        let confirmation = resumed.then(ping);
        std::iter::once(up).chain(confirmation).collect()
    }

    /// A TCP connection does not outlive the address it was made from, and nobody says so.
    fn network(&mut self, online: bool, now: Duration) -> Vec<Action> {
        self.online = online;
        if !online {
            // The browser may be wrong. Nobody else says when a network is gone, either.
            return self.doubt(now);
        }
        if self.state == ClientState::Stopped {
            return Vec::new();
        }
        // What failed before it failed in another network.
        self.attempt = 0;
        self.settling = SETTLING_ATTEMPTS;
        match self.has_socket() {
            true => self.renew(Why::NetworkChanged, now),
            false => self.connect(now),
        }
    }

    /// The user came back: what was good may be broken, what failed may work.
    fn hurry_if(&mut self, hurry: bool, now: Duration) -> Vec<Action> {
        let waits = matches!(self.state, ClientState::Disconnected { .. });
        match (hurry, waits) {
            (false, _) => Vec::new(),
            (true, true) => self.connect(now),
            (true, false) => self.doubt(now),
        }
    }

    fn doubt(&mut self, now: Duration) -> Vec<Action> {
        let ClientState::Open { liveness, .. } = &mut self.state else {
            return Vec::new();
        };
        liveness.probe(now).then(ping).into_iter().collect()
    }

    fn tick(&mut self, now: Duration, random: f64) -> Vec<Action> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return Vec::new();
        }
        match &mut self.state {
            ClientState::Stopped => Vec::new(),
            ClientState::Disconnected { .. } => self.connect(now),
            ClientState::Connecting { .. } | ClientState::Greeting { .. } => {
                self.abandon(Why::NoWelcome, Duration::ZERO, now, random)
            }
            ClientState::Open { liveness, .. } => match liveness.tick(now) {
                Some(Due::Gone) => self.silent(now, random),
                Some(Due::Ping) => vec![ping()],
                None => Vec::new(),
            },
        }
    }

    /// The first attempt after a good session comes at once: what went silent is this path, and
    /// each client finds out at a time of its own.
    fn silent(&mut self, now: Duration, random: f64) -> Vec<Action> {
        self.forgive_if_stable(now);
        match self.attempt {
            0 => self.renew(Why::Silent, now),
            _ => self.abandon(Why::Silent, Duration::ZERO, now, random),
        }
    }

    /// Another WebSocket in the place of this one, now.
    fn renew(&mut self, why: Why, now: Duration) -> Vec<Action> {
        let mut actions = self.drop_socket(CloseCode::TimedOut);
        let next_at = Some(now);
        actions.push(Action::Down { why, next_at });
        self.state = ClientState::Stopped;
        actions.extend(self.connect(now));
        actions
    }

    fn abandon(&mut self, why: Why, after: Duration, now: Duration, random: f64) -> Vec<Action> {
        self.forgive_if_stable(now);
        let mut actions = self.drop_socket(CloseCode::TimedOut);
        actions.extend(self.wait(why, after, now, random));
        actions
    }

    fn forgive_if_stable(&mut self, now: Duration) {
        if let ClientState::Open { since, .. } = self.state
            && now.saturating_sub(since) >= STABLE
        {
            self.attempt = 0;
            self.superseded = false;
        }
    }

    fn wait(&mut self, why: Why, after: Duration, now: Duration, random: f64) -> Vec<Action> {
        let next_at = now + after + self.pause(random);
        self.state = ClientState::Disconnected {
            attempt: self.attempt,
            next_at,
        };
        self.attempt = self.attempt.saturating_add(1);
        let next_at = Some(next_at);
        vec![Action::Down { why, next_at }]
    }

    fn pause(&mut self, random: f64) -> Duration {
        // Browsers are wrong about being offline now and then: be slow, but do not stop.
        if !self.online {
            return backoff(u32::MAX, random);
        }
        if self.settling > 0 {
            self.settling -= 1;
            self.attempt = 0;
            return SETTLING;
        }
        backoff(self.attempt, random)
    }

    fn refuse(&mut self, why: Why) -> Vec<Action> {
        let mut actions = self.drop_socket(CloseCode::Normal);
        actions.extend(self.refused(why));
        actions
    }

    fn refused(&mut self, why: Why) -> Vec<Action> {
        self.forget();
        vec![Action::Down { why, next_at: None }]
    }

    fn forget(&mut self) {
        self.token = None;
        self.last_message = None;
        self.attempt = 0;
        self.superseded = false;
        self.state = ClientState::Stopped;
    }

    fn drop_socket(&self, code: CloseCode) -> Vec<Action> {
        let socket = self.has_socket().then_some(Action::Disconnect(code));
        socket.into_iter().collect()
    }

    fn has_socket(&self) -> bool {
        match self.state {
            ClientState::Stopped | ClientState::Disconnected { .. } => false,
            ClientState::Connecting { .. }
            | ClientState::Greeting { .. }
            | ClientState::Open { .. } => true,
        }
    }
}

/// The number of the last room message that a message brings.
fn last_message(message: &ServerMessage) -> Option<u64> {
    if let ServerMessage::Said { message } = message {
        return Some(message.number);
    }
    if let ServerMessage::Joined { messages, .. } = message {
        return messages.last().map(|message| message.number);
    }
    None
}

fn ping() -> Action {
    Action::Send(ClientMessage::Ping { id: None })
}

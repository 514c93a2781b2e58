//! The signalling link: when to open the WebSocket, greet, ping, give up on it and try again.
//! Owns the resume token and the backoff; knows nothing of offers and media.

use ferrite_protocol::{
    ClientMessage, CloseCode, ErrorCode, IceServer, PROTOCOL_VERSION, ResumeToken, ServerMessage,
    check_server_version,
};

use super::{Effect, Problem, Timer};
use crate::backoff::Backoff;

const CLIENT: &str = concat!("ferrite-client/", env!("CARGO_PKG_VERSION"));
/// From the first SYN to the welcome.
const GREETING_MS: u32 = 10_000;
/// The server closes a session after three silent intervals; so does this end.
const SILENT_INTERVALS: u8 = 3;

/// Where the WebSocket is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LinkState {
    /// Nobody asked for it.
    Idle,
    /// TCP, TLS and the upgrade are under way.
    Opening,
    /// `hello` was sent.
    Greeting,
    /// Welcomed.
    Ready,
    /// Lost; the next attempt comes after the delay.
    Waiting {
        /// In milliseconds.
        delay: u32,
    },
    /// Trying again by itself would not help.
    Stopped,
}

/// What a link's input means for the call.
#[derive(Debug, PartialEq)]
pub(super) enum LinkEvent {
    /// Nothing.
    Nothing,
    /// The link works. `resumed`: the server still has the session and its peer.
    Up {
        resumed: bool,
        ice_servers: Vec<IceServer>,
    },
    /// The link is gone.
    Down(Problem),
}

#[derive(Debug)]
pub(super) struct Link {
    state: LinkState,
    token: Option<ResumeToken>,
    backoff: Backoff,
    ping_interval: u32,
    silent: u8,
    /// The server said when to come back.
    retry_after: Option<u32>,
    /// Why the server refused, in its own words.
    refusal: Option<String>,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            state: LinkState::Idle,
            token: None,
            backoff: Backoff::new(500, 15_000),
            ping_interval: 0,
            silent: 0,
            retry_after: None,
            refusal: None,
        }
    }

    pub(super) fn state(&self) -> &LinkState {
        &self.state
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state == LinkState::Ready
    }

    /// Opens the WebSocket now, unless it is open or opening.
    pub(super) fn open(&mut self, out: &mut Vec<Effect>) {
        match self.state {
            LinkState::Idle | LinkState::Waiting { .. } | LinkState::Stopped => {
                self.state = LinkState::Opening;
                self.refusal = None;
                out.push(Effect::Disarm(Timer::Retry));
                out.push(Effect::Connect);
                out.push(Effect::Arm(Timer::Greeting, GREETING_MS));
            }
            LinkState::Opening | LinkState::Greeting | LinkState::Ready => {}
        }
    }

    /// Closes it for good. The session ends with it.
    pub(super) fn shut(&mut self, out: &mut Vec<Effect>) {
        for timer in [Timer::Retry, Timer::Greeting, Timer::Ping] {
            out.push(Effect::Disarm(timer));
        }
        out.push(Effect::Disconnect);
        *self = Self::new();
    }

    /// The WebSocket opened: greet.
    pub(super) fn opened(&mut self, out: &mut Vec<Effect>) {
        self.state = LinkState::Greeting;
        out.push(Effect::Send(ClientMessage::Hello {
            version: PROTOCOL_VERSION,
            client: Some(CLIENT.to_owned()),
            // A token works once; the welcome brings the next.
            resume_token: self.token.take(),
        }));
    }

    /// The WebSocket closed by itself, or never opened.
    pub(super) fn closed(&mut self, code: u16, random: f64, out: &mut Vec<Effect>) -> LinkEvent {
        if self.is_off() {
            return LinkEvent::Nothing;
        }
        match self.verdict(code) {
            Some(problem) => self.stop(problem, out),
            None => self.wait(random, out),
        }
    }

    /// Anything the server sent.
    pub(super) fn heard(
        &mut self,
        message: &ServerMessage,
        random: f64,
        out: &mut Vec<Effect>,
    ) -> LinkEvent {
        self.silent = 0;
        match message {
            ServerMessage::Welcome {
                version,
                resume_token,
                resumed,
                ping_interval_ms,
                ice_servers,
                ..
            } => {
                if let Err(mismatch) = check_server_version(*version) {
                    out.push(Effect::Disconnect);
                    return self.stop(Problem::OtherVersion(mismatch.to_string()), out);
                }
                self.token = Some(resume_token.clone());
                self.welcomed(*ping_interval_ms, out);
                LinkEvent::Up {
                    resumed: *resumed,
                    ice_servers: ice_servers.clone(),
                }
            }
            ServerMessage::GoingAway { retry_after_ms } => {
                self.retry_after = Some(*retry_after_ms);
                out.push(Effect::Disconnect);
                self.wait(random, out)
            }
            ServerMessage::Ping { id } => {
                out.push(Effect::Send(ClientMessage::Pong { id: *id }));
                LinkEvent::Nothing
            }
            ServerMessage::Error {
                code: ErrorCode::VersionMismatch,
                message,
                ..
            } => {
                self.refusal = Some(message.clone());
                LinkEvent::Nothing
            }
            ServerMessage::Error { .. }
            | ServerMessage::Joined { .. }
            | ServerMessage::Left { .. }
            | ServerMessage::ParticipantJoined { .. }
            | ServerMessage::ParticipantLeft { .. }
            | ServerMessage::Answer { .. }
            | ServerMessage::Candidate { .. }
            | ServerMessage::EndOfCandidates {}
            | ServerMessage::PeerState { .. }
            | ServerMessage::HungUp { .. }
            | ServerMessage::Pong { .. } => LinkEvent::Nothing,
        }
    }

    /// One of the link's timers fired.
    pub(super) fn fired(
        &mut self,
        timer: LinkTimer,
        random: f64,
        out: &mut Vec<Effect>,
    ) -> LinkEvent {
        match timer {
            LinkTimer::Retry => {
                self.open(out);
                LinkEvent::Nothing
            }
            LinkTimer::Greeting if self.is_ready() => LinkEvent::Nothing,
            LinkTimer::Greeting => self.abandon(random, out),
            LinkTimer::Ping => self.ping(random, out),
        }
    }

    fn ping(&mut self, random: f64, out: &mut Vec<Effect>) -> LinkEvent {
        if self.silent >= SILENT_INTERVALS {
            return self.abandon(random, out);
        }
        self.silent += 1;
        out.push(Effect::Send(ClientMessage::Ping { id: None }));
        out.push(Effect::Arm(Timer::Ping, self.ping_interval));
        LinkEvent::Nothing
    }

    fn welcomed(&mut self, ping_interval: u32, out: &mut Vec<Effect>) {
        self.state = LinkState::Ready;
        self.backoff.reset();
        self.ping_interval = ping_interval.max(1_000);
        out.push(Effect::Disarm(Timer::Greeting));
        out.push(Effect::Arm(Timer::Ping, self.ping_interval));
    }

    /// The WebSocket is open and useless.
    fn abandon(&mut self, random: f64, out: &mut Vec<Effect>) -> LinkEvent {
        if self.is_off() {
            return LinkEvent::Nothing;
        }
        out.push(Effect::Disconnect);
        self.wait(random, out)
    }

    fn wait(&mut self, random: f64, out: &mut Vec<Effect>) -> LinkEvent {
        let told = self.retry_after.take();
        let delay = self.backoff.next(random).saturating_add(told.unwrap_or(0));
        self.settle(LinkState::Waiting { delay }, out);
        out.push(Effect::Arm(Timer::Retry, delay));
        LinkEvent::Down(match told {
            Some(_) => Problem::ServerRestarting,
            None => Problem::ServerAway,
        })
    }

    fn stop(&mut self, problem: Problem, out: &mut Vec<Effect>) -> LinkEvent {
        self.token = None;
        self.settle(LinkState::Stopped, out);
        LinkEvent::Down(problem)
    }

    fn settle(&mut self, state: LinkState, out: &mut Vec<Effect>) {
        self.state = state;
        self.silent = 0;
        out.push(Effect::Disarm(Timer::Greeting));
        out.push(Effect::Disarm(Timer::Ping));
    }

    fn is_off(&self) -> bool {
        match self.state {
            LinkState::Idle | LinkState::Waiting { .. } | LinkState::Stopped => true,
            LinkState::Opening | LinkState::Greeting | LinkState::Ready => false,
        }
    }

    /// Why a close code forbids another attempt, if it does.
    fn verdict(&mut self, code: u16) -> Option<Problem> {
        if code == CloseCode::VersionMismatch as u16 {
            let words = self.refusal.take().unwrap_or_default();
            return Some(Problem::OtherVersion(words));
        }
        if code == CloseCode::Superseded as u16 {
            return Some(Problem::Superseded);
        }
        if code == CloseCode::LimitExceeded as u16 {
            return Some(Problem::LimitExceeded);
        }
        None
    }
}

/// The timers that belong to the link.
#[derive(Clone, Copy, Debug)]
pub(super) enum LinkTimer {
    Retry,
    Greeting,
    Ping,
}

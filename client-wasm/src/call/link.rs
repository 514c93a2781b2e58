//! The signalling link as the call sees it: the protocol's own
//! [`ClientSession`] decides, and this translates between its deadlines and the call's timers.

use std::time::Duration;

use ferrite_protocol::session::{Action, ClientSession, ClientState, Input, Why};
use ferrite_protocol::{IceServer, ServerMessage};

use super::effect::{Effect, Timer};
use super::status::{LinkState, Problem};

const CLIENT: &str = concat!("ferrite-client/", env!("CARGO_PKG_VERSION"));

/// What a link's input means for the call.
#[derive(Debug, PartialEq)]
pub(super) enum LinkEvent {
    /// The link works. `resumed`: the server still has the session and its peer.
    Up {
        resumed: bool,
        ice_servers: Vec<IceServer>,
    },
    /// The link is gone.
    Down,
}

#[derive(Debug)]
pub(super) struct Link {
    session: ClientSession,
    /// The deadline that [`Timer::Link`] is set for.
    armed: Option<Duration>,
    problem: Option<Problem>,
    offline: bool,
    /// The browser says that there is no network, and nothing came since.
    unheard: bool,
}

impl Link {
    pub(super) fn new() -> Self {
        Self {
            session: ClientSession::new(CLIENT),
            armed: None,
            problem: None,
            offline: false,
            unheard: false,
        }
    }

    pub(super) fn state(&self) -> LinkState {
        match self.session.state() {
            ClientState::Stopped if self.problem.is_some() => LinkState::Stopped,
            ClientState::Stopped => LinkState::Idle,
            ClientState::Disconnected { .. } => LinkState::Waiting,
            ClientState::Connecting { .. } => LinkState::Opening,
            ClientState::Greeting { .. } => LinkState::Greeting,
            ClientState::Open { .. } => LinkState::Ready,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.session.is_open()
    }

    /// Whether the server answers, as far as one knows.
    pub(super) fn is_answering(&self) -> bool {
        self.is_ready() && !self.session.is_doubted()
    }

    /// Whether what the server last said of itself is still to be believed.
    pub(super) fn is_reached(&self) -> bool {
        self.is_ready() && !self.unheard
    }

    /// What keeps the link down.
    pub(super) fn problem(&self) -> Option<&Problem> {
        match &self.problem {
            Some(Problem::ServerAway) if self.offline => Some(&Problem::Offline),
            problem => problem.as_ref(),
        }
    }

    /// Whether the browser thinks that there is no network.
    pub(super) fn is_offline(&self) -> bool {
        self.offline
    }

    /// Opens the WebSocket now, unless it is open or opening.
    pub(super) fn open(&mut self, clock: Clock, out: &mut Vec<Effect>) -> Option<LinkEvent> {
        self.feed(Input::Connect, clock, out)
    }

    /// Closes it for good. The session ends with it.
    pub(super) fn shut(&mut self, clock: Clock, out: &mut Vec<Effect>) -> Option<LinkEvent> {
        self.problem = None;
        self.feed(Input::Stop, clock, out)
    }

    /// The WebSocket opened.
    pub(super) fn opened(&mut self, clock: Clock, out: &mut Vec<Effect>) -> Option<LinkEvent> {
        self.feed(Input::Opened, clock, out)
    }

    /// The WebSocket closed, or never opened.
    pub(super) fn closed(
        &mut self,
        code: u16,
        clock: Clock,
        out: &mut Vec<Effect>,
    ) -> Option<LinkEvent> {
        self.feed(Input::Closed { code }, clock, out)
    }

    /// Anything the server sent.
    pub(super) fn heard(
        &mut self,
        message: &ServerMessage,
        clock: Clock,
        out: &mut Vec<Effect>,
    ) -> Option<LinkEvent> {
        self.unheard = false;
        self.feed(Input::Heard(message), clock, out)
    }

    /// The browser thinks that there is a network, or none.
    pub(super) fn online(
        &mut self,
        online: bool,
        clock: Clock,
        out: &mut Vec<Effect>,
    ) -> Option<LinkEvent> {
        self.offline = !online;
        self.unheard = !online;
        self.feed(Input::Online(online), clock, out)
    }

    /// There is reason to doubt that the server is still reached.
    pub(super) fn doubt(&mut self, clock: Clock, out: &mut Vec<Effect>) -> Option<LinkEvent> {
        self.feed(Input::Doubt, clock, out)
    }

    /// The page came to the front, or went to the back.
    pub(super) fn hidden(
        &mut self,
        hidden: bool,
        clock: Clock,
        out: &mut Vec<Effect>,
    ) -> Option<LinkEvent> {
        self.feed(Input::Hidden(hidden), clock, out)
    }

    /// [`Timer::Link`] fired.
    pub(super) fn fired(&mut self, clock: Clock, out: &mut Vec<Effect>) -> Option<LinkEvent> {
        self.armed = None;
        self.feed(Input::Tick, clock, out)
    }

    fn feed(&mut self, input: Input<'_>, clock: Clock, out: &mut Vec<Effect>) -> Option<LinkEvent> {
        let mut event = None;
        for action in self.session.handle(input, clock.now, clock.random) {
            event = self.perform(action, clock.now, out).or(event);
        }
        self.rearm(clock.now, out);
        event
    }

    fn perform(
        &mut self,
        action: Action,
        now: Duration,
        out: &mut Vec<Effect>,
    ) -> Option<LinkEvent> {
        match action {
            Action::Connect => out.push(Effect::Connect),
            Action::Disconnect(code) => out.push(Effect::Disconnect(code)),
            Action::Send(message) => out.push(Effect::Send(message)),
            Action::Up {
                resumed,
                ice_servers,
                ..
            } => {
                self.problem = None;
                return Some(LinkEvent::Up {
                    resumed,
                    ice_servers,
                });
            }
            Action::Down { why, next_at } => {
                // What is tried anew in the same moment is no trouble yet.
                self.problem = (next_at != Some(now)).then(|| problem(why));
                return Some(LinkEvent::Down);
            }
        }
        None
    }

    fn rearm(&mut self, now: Duration, out: &mut Vec<Effect>) {
        let deadline = self.session.deadline();
        if deadline == self.armed {
            return;
        }
        self.armed = deadline;
        out.push(match deadline {
            Some(deadline) => Effect::Arm(Timer::Link, until(now, deadline)),
            None => Effect::Disarm(Timer::Link),
        });
    }
}

/// The time, and a random number in `0.0..1.0`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Since any fixed moment.
    pub(crate) now: Duration,
    /// New every time.
    pub(crate) random: f64,
}

/// Milliseconds, rounded up: a timer that fires too early would find nothing to do.
fn until(now: Duration, deadline: Duration) -> u32 {
    let left = deadline.saturating_sub(now);
    // Not of all its nanoseconds: dividing 128 bits is a kilobyte of the download.
    let milliseconds = left.as_secs().saturating_mul(1000);
    let milliseconds = milliseconds.saturating_add(left.subsec_nanos().div_ceil(1_000_000).into());
    u32::try_from(milliseconds).unwrap_or(u32::MAX)
}

fn problem(why: Why) -> Problem {
    match why {
        Why::Closed | Why::NoWelcome | Why::Silent | Why::NetworkChanged => Problem::ServerAway,
        Why::GoingAway => Problem::ServerRestarting,
        Why::OtherVersion(words) => Problem::OtherVersion(words),
        Why::Superseded => Problem::Superseded,
        Why::LimitExceeded => Problem::LimitExceeded,
        Why::Refused(words) => Problem::Refused(words),
    }
}

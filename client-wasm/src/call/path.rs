//! The media path of one call: what to do when ICE or DTLS has trouble. Owns the count of repair
//! attempts; knows neither offers nor the WebSocket.

use ferrite_protocol::Cause;
use ferrite_protocol::message::PeerConnectionState as PeerState;

use super::status::Reason;
use super::{Effect, Timer};

/// How long a repair may take before the next one.
const REPAIR_MS: u32 = 8_000;
/// A first connection normally takes milliseconds; after this the user is told what may be wrong.
const SLOW_MS: u32 = 5_000;

/// What to do about a broken path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Repair {
    /// New ICE credentials on the same peer connection (RFC 8445 §9).
    Restart,
    /// A new peer connection: whatever is wrong, it is not in the new one.
    Rebuild,
    /// Stop trying without the user.
    GiveUp,
}

#[derive(Debug)]
pub(super) struct Path {
    state: PeerState,
    attempts: u8,
    was_connected: bool,
    slow: bool,
    /// New credentials were ordered, and no answer brought the server's.
    restarting: bool,
    /// A repair is due as soon as there is a link to arrange it over.
    due: bool,
    /// What the server says is wrong.
    reason: Option<String>,
    /// What it makes of what both ends saw.
    explained: Option<(Cause, String)>,
}

impl Path {
    pub(super) fn new() -> Self {
        Self {
            state: PeerState::New,
            attempts: 0,
            was_connected: false,
            slow: false,
            restarting: false,
            due: false,
            reason: None,
            explained: None,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.state == PeerState::Connected
    }

    pub(super) fn was_connected(&self) -> bool {
        self.was_connected
    }

    pub(super) fn is_slow(&self) -> bool {
        self.slow && !self.is_connected()
    }

    /// Both ends know more than one.
    pub(super) fn reason(&self) -> Option<Reason> {
        let explained = self.explained.clone();
        let explained = explained.map(|(cause, text)| Reason::Explained(cause, text));
        explained.or_else(|| self.reason.clone().map(Reason::Words))
    }

    /// What the server sees, and why.
    pub(super) fn note(&mut self, reason: Option<String>) {
        self.reason = reason;
    }

    /// What the server makes of what both ends saw.
    pub(super) fn explain(&mut self, cause: Cause, text: String) {
        if !self.is_connected() {
            self.explained = Some((cause, text));
        }
    }

    /// The browser's peer connection changed its state. Whether that calls for a repair.
    ///
    /// A browser says `disconnected` after seconds of silence. To wait longer would be in vain more
    /// often than not, and new credentials do no harm to a path that recovers meanwhile: both ends
    /// keep it until there is a better one.
    pub(super) fn changed(&mut self, state: PeerState, out: &mut Vec<Effect>) -> bool {
        self.state = state;
        match state {
            PeerState::Connected => {
                self.recovered(out);
                false
            }
            PeerState::Disconnected | PeerState::Failed | PeerState::Closed => !self.restarting,
            PeerState::New | PeerState::Connecting => false,
        }
    }

    /// The network is another: whatever the browser still says of the path, it led over the old
    /// one. And what failed failed in the old one.
    pub(super) fn moved(&mut self) {
        self.attempts = 0;
        self.slow = false;
        self.due = true;
    }

    /// There is no link to arrange a repair over.
    pub(super) fn owe(&mut self) {
        self.due |= !self.is_connected();
    }

    /// Nothing comes over it any more, whatever the browser says of it.
    pub(super) fn miss(&mut self) {
        self.due = true;
    }

    /// What was missed comes again.
    pub(super) fn flows(&mut self, out: &mut Vec<Effect>) {
        if self.is_connected() {
            self.recovered(out);
        }
    }

    /// Whether a repair was put off.
    pub(super) fn is_due(&self) -> bool {
        self.due
    }

    /// An answer was applied: from now on a connection is expected.
    pub(super) fn expect(&mut self, out: &mut Vec<Effect>) {
        self.restarting = false;
        if !self.is_connected() {
            out.push(Effect::Arm(Timer::Slow, SLOW_MS));
            if self.attempts > 0 {
                out.push(Effect::Arm(Timer::Path, REPAIR_MS));
            }
        }
    }

    /// `Timer::Slow` fired: it is time to ask what is wrong. Browsers themselves wait for a path without
    /// end as long as they know of no remote candidate.
    pub(super) fn lags(&mut self, out: &mut Vec<Effect>) {
        if self.is_connected() {
            return;
        }
        if self.attempts == 0 {
            self.slow = true;
            out.push(Effect::Arm(Timer::Path, REPAIR_MS));
        }
        out.push(Effect::Investigate);
    }

    /// `Timer::Path` fired.
    pub(super) fn overdue(&mut self, out: &mut Vec<Effect>) -> Option<Repair> {
        (!self.is_connected()).then(|| self.repair(out))
    }

    /// The path is broken: the next thing to try.
    pub(super) fn repair(&mut self, out: &mut Vec<Effect>) -> Repair {
        self.attempts = self.attempts.saturating_add(1);
        let repair = match self.attempts {
            1..=2 => Repair::Restart,
            3..=4 => Repair::Rebuild,
            _ => Repair::GiveUp,
        };
        self.due = false;
        self.restarting = repair == Repair::Restart;
        // One repair normally does it; whoever waits longer is told what may be wrong.
        self.slow |= self.attempts > 1;
        match repair {
            Repair::Restart | Repair::Rebuild => out.push(Effect::Arm(Timer::Path, REPAIR_MS)),
            Repair::GiveUp => out.push(Effect::Disarm(Timer::Path)),
        }
        repair
    }

    /// A new peer connection stands in for the old one. Attempts go on counting.
    pub(super) fn replaced(&mut self) {
        self.state = PeerState::New;
        self.restarting = false;
        self.due = false;
    }

    /// The user asked for another round.
    pub(super) fn forgive(&mut self) {
        self.attempts = 0;
        self.explained = None;
    }

    fn recovered(&mut self, out: &mut Vec<Effect>) {
        self.attempts = 0;
        self.was_connected = true;
        self.slow = false;
        self.restarting = false;
        self.due = false;
        self.reason = None;
        self.explained = None;
        out.push(Effect::Disarm(Timer::Path));
        out.push(Effect::Disarm(Timer::Slow));
    }
}

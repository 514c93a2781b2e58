//! The ICE-lite agent of one peer (RFC 8445 §2.5): answers connectivity checks, remembers which
//! pairs they came over, follows the other end's nomination and watches its consent (RFC 7675).
//!
//! Sans-IO: it sees decoded STUN messages and a clock. It sends no checks of its own; what a full
//! agent learns from them it learns from the other end's, which come every few seconds for as long
//! as the other end consents.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtc::crypto::RTCCrypto;
use rtc::stun::attributes::{ATTR_ICE_CONTROLLED, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc::stun::error_code::{CODE_BAD_REQUEST, CODE_ROLE_CONFLICT, CODE_UNAUTHORIZED, ErrorCode};
use rtc::stun::fingerprint::FINGERPRINT;
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Message, Setter};
use rtc::stun::xoraddr::XorMappedAddress;

use crate::media::net::path::FourTuple;

/// Candidate pairs remembered for one peer. A seventeenth displaces the one longest unheard.
pub const MAX_PAIRS: usize = 16;

/// Without a check for this long the path counts as disconnected: browsers check the selected pair
/// at least every five seconds (RFC 7675 §5.1), so two were lost.
pub const DISCONNECTED_AFTER: Duration = Duration::from_secs(11);

/// Without a check for this long consent has expired (RFC 7675 §5.1).
pub const CONSENT_EXPIRES_AFTER: Duration = Duration::from_secs(30);

/// How long after that an ICE restart may still bring the path back. Then the peer is given up.
pub const RESTART_WITHIN: Duration = Duration::from_secs(30);

/// When the pair in use was not checked for this long and another is, the other is taken: a check was
/// lost, or its path is. Agents that nominate but once say no more than this when a NAT gives them
/// another address. Longer than any agent waits between two checks (RFC 7675 §5.1: 5 s, and a fifth).
pub const FOLLOW_AFTER: Duration = Duration::from_millis(6500);

/// When nothing came over the pair in use for this long and media comes over another, the other end
/// has moved there. Longer than packets overtake each other by on two paths.
pub const MOVED_AFTER: Duration = Duration::from_millis(200);

/// A user name fragment and password (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user name fragment.
    pub ufrag: String,
    /// The password.
    pub pwd: String,
}

/// `RTCIceTransportState`, as far as a lite agent has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceState {
    /// No check was heard.
    New,
    /// Checks are heard, no pair is nominated.
    Checking,
    /// A nominated pair has consent.
    Connected,
    /// Checks are late.
    Disconnected,
    /// Consent expired, or nothing was nominated in time.
    Failed,
}

struct Pair {
    tuple: FourTuple,
    heard: Instant,
    nominated: bool,
    /// Checked with the current generation's credentials.
    renewed: bool,
}

/// One generation of credentials: an ICE restart begins another (RFC 8445 §9).
struct Generation {
    local: Credentials,
    remote_ufrag: String,
}

/// A check that was answered.
#[derive(Debug)]
pub struct Answered {
    /// The response to send back over the path the check came on.
    pub response: Vec<u8>,
    /// The check was authentic. Only such a one may introduce a path.
    pub authentic: bool,
}

/// The agent.
pub struct IceLite {
    current: Generation,
    /// Still answered after a restart, so that media goes on until the new generation has a pair.
    previous: Option<Generation>,
    pairs: Vec<Pair>,
    selected: Option<FourTuple>,
    /// When a check or media last came over it.
    used: Instant,
    state: IceState,
    /// Since when the state is [`IceState::Failed`].
    failed: Option<Instant>,
    /// When the last authentic check came, or when waiting for the first began.
    heard: Instant,
    /// When a restart was agreed on, if nothing was heard since.
    restarted: Option<Instant>,
}

impl IceLite {
    /// An agent that waits for checks from now on.
    pub fn new(now: Instant, local: Credentials) -> Self {
        Self {
            current: Generation {
                local,
                remote_ufrag: String::new(),
            },
            previous: None,
            pairs: Vec::new(),
            selected: None,
            used: now,
            state: IceState::New,
            failed: None,
            heard: now,
            restarted: None,
        }
    }

    /// The current generation's local credentials.
    pub fn local(&self) -> &Credentials {
        &self.current.local
    }

    /// Sets what the other end's checks must be addressed from. Waiting for them begins.
    pub fn set_remote_ufrag(&mut self, now: Instant, ufrag: &str) {
        if self.current.remote_ufrag.is_empty() {
            self.heard = now;
        }
        ufrag.clone_into(&mut self.current.remote_ufrag);
    }

    /// Begins a new generation. The pair in use stays in use until the new one nominates.
    pub fn restart(&mut self, now: Instant, local: Credentials, remote_ufrag: &str) {
        let restarted = Generation {
            local,
            remote_ufrag: remote_ufrag.to_owned(),
        };
        self.previous = Some(std::mem::replace(&mut self.current, restarted));
        self.pairs.iter_mut().for_each(|pair| pair.renewed = false);
        // An offer is no check: consent to send on the path in use is as old as it was.
        self.restarted = Some(now);
        if self.state == IceState::Failed {
            self.wait_for_new_paths(now);
        }
    }

    /// There is no consent to send anywhere any more (RFC 7675 §5.1), but a restart was agreed on at
    /// this time.
    fn wait_for_new_paths(&mut self, restarted: Instant) {
        self.state = IceState::Checking;
        self.failed = None;
        self.selected = None;
        self.pairs.clear();
        self.previous = None;
        self.heard = restarted;
        self.restarted = None;
    }

    /// The state.
    pub fn state(&self) -> IceState {
        self.state
    }

    /// The path to send on: the nominated pair, else the one last checked; none without consent.
    pub fn selected(&self) -> Option<FourTuple> {
        self.selected.filter(|_| self.state != IceState::Failed)
    }

    /// Whether an authentic check came over this path. Media from other paths is a stranger's.
    pub fn knows(&self, tuple: &FourTuple) -> bool {
        self.pairs.iter().any(|pair| pair.tuple == *tuple)
    }

    /// Answers a binding request (RFC 8445 §7.3). `None` is anything else, dropped in silence.
    pub fn handle_request(
        &mut self,
        now: Instant,
        tuple: FourTuple,
        request: &mut Message,
        crypto: &dyn RTCCrypto,
    ) -> Option<Answered> {
        if request.typ != BINDING_REQUEST || FINGERPRINT.check(request).is_err() {
            return None;
        }
        // RFC 7675 §5.1: expired consent is not renewed with the same credentials.
        if self.state == IceState::Failed {
            return None;
        }
        let Ok(username) = request.get(ATTR_USERNAME) else {
            return refuse(request, CODE_BAD_REQUEST, None, crypto);
        };
        let Some(is_current) = self.generation_of(&username) else {
            return refuse(request, CODE_UNAUTHORIZED, None, crypto);
        };
        let generation = match (is_current, &self.previous) {
            (false, Some(previous)) => previous,
            _ => &self.current,
        };
        let pwd = generation.local.pwd.clone();
        if MessageIntegrity::check(request, pwd.as_bytes(), crypto).is_err() {
            return refuse(request, CODE_UNAUTHORIZED, None, crypto);
        }
        // A lite agent is always controlled; the other end must control (RFC 8445 §7.3.1.1).
        if request.contains(ATTR_ICE_CONTROLLED) {
            return refuse(request, CODE_ROLE_CONFLICT, Some(&pwd), crypto);
        }
        let response = success(request, tuple.remote, &pwd, crypto)?;
        self.note_check(now, tuple, is_current, request.contains(ATTR_USE_CANDIDATE));
        Some(Answered {
            response,
            authentic: true,
        })
    }

    /// Whether a check's USERNAME (`ours:theirs`) names the current generation (`true`) or the previous one.
    fn generation_of(&self, username: &[u8]) -> Option<bool> {
        let username = std::str::from_utf8(username).ok()?;
        let (ours, theirs) = username.split_once(':')?;
        let matches = |generation: &Generation| {
            generation.local.ufrag == ours && generation.remote_ufrag == theirs
        };
        if matches(&self.current) {
            return Some(true);
        }
        self.previous.as_ref().is_some_and(matches).then_some(false)
    }

    fn note_check(&mut self, now: Instant, tuple: FourTuple, is_current: bool, nominate: bool) {
        self.heard = now;
        self.restarted = None;
        let is_new = !self.knows(&tuple);
        let pair = self.remember(now, tuple);
        if is_new || nominate && !pair.nominated {
            tracing::debug!(transport = ?tuple.transport, is_current, nominate, "a path is checked");
        }
        pair.nominated |= nominate;
        pair.renewed |= is_current;
        // The latest nomination holds: browsers nominate again when they find a better path. Until
        // the new generation has one that works, the previous one is in force (RFC 8445 §9), and
        // may move: a socket bound to no address goes on from whichever the device has now.
        if nominate && (is_current || !self.is_renewed()) {
            self.select(now, tuple);
            if is_current {
                self.previous = None;
            }
        }
        self.follow(now, tuple);
        if self.selected == Some(tuple) {
            self.used = now;
        }
        let usable = (self.pairs.iter()).any(|p| Some(p.tuple) == self.selected && p.nominated);
        self.state = match usable {
            true => IceState::Connected,
            false => IceState::Checking,
        };
    }

    /// Authentic media came over this path. Says whether the path in use is now another.
    ///
    /// The other end sends over the pair that it selected, and that may be seconds before it says so:
    /// Chromium nominates with its next check, which comes when the last is 2.5 s old.
    pub fn note_media(&mut self, now: Instant, tuple: FourTuple) -> bool {
        if self.selected == Some(tuple) {
            self.used = now;
            return false;
        }
        let moved = now >= self.used + MOVED_AFTER && self.knows(&tuple);
        if moved {
            self.take(now, tuple);
        }
        moved
    }

    /// Takes the pair just checked where there is none in use, or the one in use fell silent.
    fn follow(&mut self, now: Instant, checked: FourTuple) {
        match self.in_use() {
            Some(pair) if now < pair.heard + FOLLOW_AFTER => {}
            // Before nomination any checked path will do (RFC 8445 §12.1.2).
            None | Some(_) => self.take(now, checked),
        }
    }

    /// Takes this pair for the one in use, as if nominated in its place.
    fn take(&mut self, now: Instant, tuple: FourTuple) {
        let nominated = self.in_use().is_some_and(|pair| pair.nominated);
        for pair in self.pairs.iter_mut().filter(|pair| pair.tuple == tuple) {
            pair.nominated |= nominated;
        }
        self.select(now, tuple);
    }

    fn select(&mut self, now: Instant, tuple: FourTuple) {
        if self.selected != Some(tuple) {
            tracing::debug!(transport = ?tuple.transport, "another path is in use");
        }
        self.selected = Some(tuple);
        self.used = now;
    }

    fn in_use(&self) -> Option<&Pair> {
        (self.pairs.iter()).find(|pair| Some(pair.tuple) == self.selected)
    }

    /// Whether the pair in use was checked with the current generation's credentials.
    fn is_renewed(&self) -> bool {
        self.in_use().is_some_and(|pair| pair.renewed)
    }

    fn remember(&mut self, now: Instant, tuple: FourTuple) -> &mut Pair {
        let at = match self.pairs.iter().position(|pair| pair.tuple == tuple) {
            Some(at) => at,
            None => {
                if self.pairs.len() == MAX_PAIRS {
                    self.forget_oldest();
                }
                self.pairs.push(Pair {
                    tuple,
                    heard: now,
                    nominated: false,
                    renewed: false,
                });
                self.pairs.len() - 1
            }
        };
        let pair = &mut self.pairs[at];
        pair.heard = now;
        pair
    }

    fn forget_oldest(&mut self) {
        let oldest = (self.pairs.iter().enumerate())
            .filter(|(_, pair)| Some(pair.tuple) != self.selected)
            .min_by_key(|(_, pair)| pair.heard)
            .map(|(at, _)| at);
        if let Some(at) = oldest {
            self.pairs.swap_remove(at);
        }
    }

    /// Whether it failed, and no restart came within [`RESTART_WITHIN`].
    pub fn is_given_up(&self, now: Instant) -> bool {
        self.failed.is_some_and(|at| now >= at + RESTART_WITHIN)
    }

    /// When [`Self::handle_timeout`] next has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            IceState::Failed => self.failed.map(|at| at + RESTART_WITHIN),
            // Nobody was asked to check yet.
            IceState::New if self.current.remote_ufrag.is_empty() => None,
            IceState::Connected => Some(self.heard + DISCONNECTED_AFTER),
            IceState::New | IceState::Checking | IceState::Disconnected => {
                Some(self.heard + CONSENT_EXPIRES_AFTER)
            }
        }
    }

    /// Lets time pass: consent gets late, and expires.
    pub fn handle_timeout(&mut self, now: Instant) {
        let silence = now.saturating_duration_since(self.heard);
        if self.poll_timeout().is_none() {
            return;
        }
        if silence >= CONSENT_EXPIRES_AFTER {
            match self.restarted {
                Some(at) if now < at + CONSENT_EXPIRES_AFTER => self.wait_for_new_paths(at),
                _ => {
                    self.state = IceState::Failed;
                    self.failed.get_or_insert(now);
                }
            }
        } else if self.state == IceState::Connected && silence >= DISCONNECTED_AFTER {
            self.state = IceState::Disconnected;
        }
    }
}

fn success(
    request: &Message,
    mapped: SocketAddr,
    pwd: &str,
    crypto: &dyn RTCCrypto,
) -> Option<Vec<u8>> {
    let mapped = XorMappedAddress {
        ip: mapped.ip(),
        port: mapped.port(),
    };
    let integrity =
        MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), crypto);
    let mut response = Message::new();
    response
        .build(&[
            Box::new(request.transaction_id),
            Box::new(BINDING_SUCCESS),
            Box::new(mapped),
            Box::new(integrity),
            Box::new(FINGERPRINT),
        ])
        .ok()?;
    Some(response.raw)
}

/// Builds an error response (RFC 8489 §6.3.4); with integrity where the check had it right.
fn refuse(
    request: &Message,
    code: ErrorCode,
    pwd: Option<&str>,
    crypto: &dyn RTCCrypto,
) -> Option<Answered> {
    let mut setters: Vec<Box<dyn Setter + '_>> = vec![
        Box::new(request.transaction_id),
        Box::new(BINDING_ERROR),
        Box::new(code),
    ];
    if let Some(pwd) = pwd {
        let pwd = pwd.to_owned();
        setters.push(Box::new(
            MessageIntegrity::new_short_term_integrity_with_provider(pwd, crypto),
        ));
    }
    setters.push(Box::new(FINGERPRINT));
    let mut response = Message::new();
    response.build(&setters).ok()?;
    Some(Answered {
        response: response.raw,
        authentic: false,
    })
}

/// The local user name fragment a STUN message is addressed to: what precedes the colon of USERNAME.
pub fn addressed_ufrag(message: &Message) -> Option<String> {
    let username = message.get(ATTR_USERNAME).ok()?;
    let (ours, _) = std::str::from_utf8(&username).ok()?.split_once(':')?;
    Some(ours.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::net::path::Transport;

    fn credentials(ufrag: &str) -> Credentials {
        Credentials {
            ufrag: ufrag.to_owned(),
            pwd: "password".to_owned(),
        }
    }

    fn path() -> FourTuple {
        FourTuple {
            transport: Transport::Udp,
            local: "127.0.0.1:1".parse().unwrap(),
            remote: "127.0.0.1:2".parse().unwrap(),
        }
    }

    /// RFC 7675 §5.1: only an answered check renews consent.
    #[test]
    fn offers_of_restarts_do_not_prolong_consent() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut ice = IceLite::new(start, credentials("a"));
        ice.set_remote_ufrag(start, "b");
        ice.note_check(start, path(), true, true);
        for seconds in 1..=35 {
            ice.handle_timeout(at(seconds));
            let expected = match Duration::from_secs(seconds) {
                silence if silence < DISCONNECTED_AFTER => IceState::Connected,
                silence if silence < CONSENT_EXPIRES_AFTER => IceState::Disconnected,
                _ => IceState::Checking,
            };
            assert_eq!(ice.state(), expected, "{seconds} s");
            let may_send = Duration::from_secs(seconds) < CONSENT_EXPIRES_AFTER;
            assert_eq!(ice.selected().is_some(), may_send, "{seconds} s");
            if seconds % 4 == 0 {
                ice.restart(at(seconds), credentials("c"), "d");
            }
        }
        ice.handle_timeout(at(36 + 30));
        assert_eq!(ice.state(), IceState::Failed);
    }
}

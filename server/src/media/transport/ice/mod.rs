//! The ICE-lite agent of one peer (RFC 8445 §2.5): answers connectivity checks, remembers which
//! pairs they came over, follows the other end's nomination and watches its consent (RFC 7675).
//!
//! Sans-IO: it sees STUN messages and a clock. It looks for no pairs: what a full agent learns from its
//! own checks it learns from the other end's. It asks only whether the other end is where its checks
//! say they come from, and whether it is still there.
//!
//! | module | what lives there |
//! |---|---|
//! | `pair` | one pair: proof, consent, and what may be sent before |
//! | `stun` | checks and their answers as bytes |

mod pair;
mod stun;

use std::time::{Duration, Instant};

use bytes::BytesMut;
use rtc::crypto::RTCCryptoProvider;

use crate::media::net::path::FourTuple;
pub use crate::media::net::stun::MAX_ATTRIBUTES;
use crate::media::net::stun::TransactionId;
use crate::prefetch::prefetch;
pub use pair::{CONSENT_EXPIRES_AFTER, MAX_AMPLIFICATION, MAX_CHECKS};
pub use stun::addressed_ufrag;

use pair::Pair;
use stun::{Binding, Refusal};

/// Candidate pairs remembered for one peer. A seventeenth displaces the one longest unheard.
pub const MAX_PAIRS: usize = 16;

/// When nothing authentic was heard for this long the path counts as disconnected: browsers check the
/// selected pair at least every five seconds (RFC 7675 §5.1), so two checks were lost.
pub const DISCONNECTED_AFTER: Duration = Duration::from_secs(11);

/// How long after consent expired an ICE restart may still bring the path back. Then the peer is given up.
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
    /// The other end is late.
    Disconnected,
    /// Nothing was heard for too long, or nothing was nominated in time.
    Failed,
}

/// One generation of credentials: an ICE restart begins another (RFC 8445 §9).
struct Generation {
    local: Credentials,
    /// Empty before the first offer.
    remote: Credentials,
}

/// A check that was answered.
#[derive(Debug)]
pub struct Answered {
    /// The response to send back over the path the check came on.
    pub response: BytesMut,
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
    /// To be selected as soon as it is proven.
    successor: Option<FourTuple>,
    /// Whether as much as one likes may be sent over the selected pair.
    open: bool,
    /// When a check or media last came over it.
    used: Instant,
    state: IceState,
    /// Since when the state is [`IceState::Failed`].
    failed: Option<Instant>,
    /// When the last authentic check, answer or traffic came, or when waiting for the first began.
    heard: Instant,
    /// When a restart was agreed on, if nothing was heard since.
    restarted: Option<Instant>,
}

impl IceLite {
    /// An agent that waits for checks from now on.
    pub fn new(now: Instant, local: Credentials) -> Self {
        let remote = Credentials {
            ufrag: String::new(),
            pwd: String::new(),
        };
        Self {
            current: Generation { local, remote },
            previous: None,
            pairs: Vec::new(),
            selected: None,
            successor: None,
            open: false,
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

    /// Sets what the other end's checks must be addressed from, and how ours are sealed. Waiting for
    /// them begins.
    pub fn set_remote(&mut self, now: Instant, remote: Credentials) {
        if self.current.remote.ufrag.is_empty() {
            self.heard = now;
        }
        self.current.remote = remote;
    }

    /// Begins a new generation. The pair in use stays in use until the new one nominates.
    pub fn restart(&mut self, now: Instant, local: Credentials, remote: Credentials) {
        let restarted = Generation { local, remote };
        self.previous = Some(std::mem::replace(&mut self.current, restarted));
        for pair in &mut self.pairs {
            pair.renewed = false;
            pair.nominated_anew = false;
        }
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
        self.successor = None;
        self.open = false;
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

    /// Has memory fetched that tells the path in use, and whether it is open.
    pub fn prefetch(&self) {
        prefetch(&self.selected);
        prefetch(&self.open);
        prefetch(&self.state);
    }

    /// Whether an authentic check came over this path. Media from other paths is a stranger's.
    pub fn knows(&self, tuple: &FourTuple) -> bool {
        self.pairs.iter().any(|pair| pair.tuple == *tuple)
    }

    /// Whether so many bytes may be sent over a path, and takes note of them if so: all over one
    /// whose other end is proven and consents, else no more than [`MAX_AMPLIFICATION`] times what came.
    pub fn admit(&mut self, path: &FourTuple, bytes: usize) -> bool {
        if self.is_open(path) {
            return true;
        }
        let admitted = self.has_room(path, bytes);
        if admitted && let Some(pair) = self.not_free(path) {
            pair.charge(bytes);
        }
        admitted
    }

    /// Whether this is the path in use, and as much as one likes may be sent over it.
    pub fn is_open(&self, path: &FourTuple) -> bool {
        self.open && self.selected == Some(*path)
    }

    /// Whether so many bytes may be sent over a path.
    pub fn has_room(&self, path: &FourTuple, bytes: usize) -> bool {
        if self.is_open(path) {
            return true;
        }
        let pair = self.pairs.iter().find(|pair| pair.tuple == *path);
        pair.is_some_and(|pair| self.is_free(pair) || pair.has_room(bytes))
    }

    /// Whether as much as one likes may be sent over a pair. The one in use is looked at when time
    /// passes; over the others only answers are sent, each to what renewed their consent.
    fn is_free(&self, pair: &Pair) -> bool {
        match self.selected == Some(pair.tuple) {
            true => self.open,
            false => pair.is_proven(),
        }
    }

    fn not_free(&mut self, path: &FourTuple) -> Option<&mut Pair> {
        let at = self.pairs.iter().position(|pair| pair.tuple == *path)?;
        let is_free = self.is_free(&self.pairs[at]);
        (!is_free).then(|| &mut self.pairs[at])
    }

    /// Takes note of a datagram that came over a path, other than a check.
    pub fn credit(&mut self, path: &FourTuple, bytes: usize) {
        if self.is_open(path) {
            return;
        }
        if let Some(pair) = self.not_free(path) {
            pair.credit(bytes);
        }
    }

    /// Answers a binding request (RFC 8445 §7.3). `None` is anything else, dropped in silence.
    pub fn handle_request(
        &mut self,
        now: Instant,
        tuple: FourTuple,
        datagram: &[u8],
    ) -> Option<Answered> {
        // RFC 7675 §5.1: expired consent is not renewed with the same credentials.
        if self.state == IceState::Failed {
            return None;
        }
        let request = Binding::read(datagram).filter(Binding::is_check)?;
        let checked = self.authenticate(&request);
        let (is_current, refusal) = match checked {
            Ok(is_current) => (is_current, objection(&request)),
            Err(refusal) => (true, Some(refusal)),
        };
        let pwd = &self.generation(is_current).local.pwd;
        let response = match &refusal {
            Some(refusal) => request.refuse(refusal, pwd),
            None => request.succeed(tuple.remote, pwd),
        };
        let authentic = refusal.is_none();
        if authentic {
            self.note_check(now, tuple, datagram.len(), is_current, request.nominates());
        }
        Some(Answered {
            response,
            authentic,
        })
    }

    /// Whether a check was written with the current generation's credentials (`true`) or the previous
    /// one's (RFC 8489 §9.1.3).
    fn authenticate(&self, request: &Binding<'_>) -> Result<bool, Refusal> {
        let username = request.username().filter(|_| request.has_integrity());
        let username = username.ok_or(Refusal::BadRequest)?;
        let is_current = self.generation_of(username).ok_or(Refusal::Unauthorized)?;
        match request.is_by(&self.generation(is_current).local.pwd) {
            true => Ok(is_current),
            false => Err(Refusal::Unauthorized),
        }
    }

    fn generation(&self, is_current: bool) -> &Generation {
        match (is_current, &self.previous) {
            (false, Some(previous)) => previous,
            _ => &self.current,
        }
    }

    /// Whether a check's USERNAME (`ours:theirs`) names the current generation (`true`) or the previous one.
    fn generation_of(&self, username: &[u8]) -> Option<bool> {
        let username = std::str::from_utf8(username).ok()?;
        let (ours, theirs) = username.split_once(':')?;
        let matches = |generation: &Generation| {
            generation.local.ufrag == ours && generation.remote.ufrag == theirs
        };
        if matches(&self.current) {
            return Some(true);
        }
        self.previous.as_ref().is_some_and(matches).then_some(false)
    }

    fn note_check(
        &mut self,
        now: Instant,
        tuple: FourTuple,
        bytes: usize,
        is_current: bool,
        nominate: bool,
    ) {
        self.heard = now;
        self.restarted = None;
        let is_new = !self.knows(&tuple);
        let pair = self.remember(now, tuple);
        pair.credit(bytes);
        if is_new || nominate && !pair.nominated {
            tracing::debug!(transport = ?tuple.transport, is_current, nominate, "a path is checked");
        }
        pair.hear_check(now);
        pair.nominated |= nominate;
        pair.renewed |= is_current;
        pair.nominated_anew |= nominate && is_current;
        // The latest nomination holds: browsers nominate again when they find a better path. Until
        // the new generation has one that works, the previous one is in force (RFC 8445 §9), and
        // may move: a socket bound to no address goes on from whichever the device has now.
        if nominate && (is_current || !self.is_renewed()) {
            self.select(now, tuple);
        }
        self.follow(now, tuple);
        if self.selected == Some(tuple) {
            self.used = now;
        }
        self.conclude(now);
    }

    /// Takes the answer to a check of ours: the other end is there, and consents.
    pub fn handle_response(&mut self, now: Instant, tuple: FourTuple, datagram: &[u8]) {
        let Some(response) = Binding::read(datagram).filter(Binding::is_success) else {
            return;
        };
        let transaction = response.transaction();
        let awaits = |pair: &Pair| pair.tuple == tuple && pair.awaits(transaction);
        let Some(at) = self.pairs.iter().position(awaits) else {
            return;
        };
        if self.state == IceState::Failed || !self.is_by_other_end(&response) {
            return;
        }
        self.pairs[at].hear_answer(now);
        self.heard = now;
        if self.successor == Some(tuple) {
            self.select(now, tuple);
        }
        self.conclude(now);
    }

    fn is_by_other_end(&self, response: &Binding<'_>) -> bool {
        let generations = [Some(&self.current), self.previous.as_ref()];
        let mut passwords = generations.iter().flatten().map(|known| &known.remote.pwd);
        passwords.any(|pwd| response.is_by(pwd))
    }

    /// The next check of ours, with the path it is for.
    pub fn poll_check(
        &mut self,
        now: Instant,
        provider: &dyn RTCCryptoProvider,
    ) -> Option<(FourTuple, BytesMut)> {
        if self.state == IceState::Failed {
            return None;
        }
        let (selected, successor) = (self.selected, self.successor);
        let in_use = |pair: &Pair| [selected, successor].contains(&Some(pair.tuple));
        let mut pairs = self.pairs.iter_mut();
        let pair = pairs.find(|pair| pair.is_due(now, in_use(pair)))?;
        let mut fresh = TransactionId([0; 12]);
        provider.random().fill(&mut fresh.0).ok()?;
        let transaction = pair.ask(now, fresh);
        let (tuple, is_current) = (pair.tuple, pair.renewed);
        let Generation { local, remote } = self.generation(is_current);
        let username = format!("{}:{}", remote.ufrag, local.ufrag);
        let check = stun::check(transaction, &username, &remote.pwd);
        Some((tuple, check))
    }

    /// Authentic traffic came over this path. Of all that is heard it alone says nothing of consent,
    /// but that the other end is alive.
    /// Returns whether the path is the one in use.
    pub fn note_traffic(&mut self, now: Instant, tuple: FourTuple, bytes: usize) -> bool {
        let is_in_use = self.selected == Some(tuple);
        if !(is_in_use && self.open) {
            self.credit(&tuple, bytes);
        }
        if is_in_use && self.state != IceState::Failed {
            self.heard = now;
            if self.state == IceState::Disconnected {
                self.conclude(now);
            }
        }
        is_in_use
    }

    /// Authentic media came over this path. Says whether the path in use is now another.
    ///
    /// The other end sends over the pair that it selected, and that may be seconds before it says so:
    /// Chromium nominates with its next check, which comes when the last is 2.5 s old.
    pub fn note_media(&mut self, now: Instant, tuple: FourTuple, bytes: usize) -> bool {
        let is_in_use = self.note_traffic(now, tuple, bytes);
        if self.state == IceState::Failed {
            return false;
        }
        if is_in_use {
            self.used = now;
            return false;
        }
        let moved = now >= self.used + MOVED_AFTER && self.knows(&tuple);
        if moved {
            self.take(now, tuple);
            self.conclude(now);
        }
        moved && self.selected == Some(tuple)
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

    /// Uses this pair from now on; or, where its other end is yet to be proven and that of the one in
    /// use is, from then on.
    fn select(&mut self, now: Instant, tuple: FourTuple) {
        let is_proven = |pair: &Pair| pair.tuple == tuple && pair.is_proven();
        if self.open && self.selected != Some(tuple) && !self.pairs.iter().any(is_proven) {
            self.successor = Some(tuple);
            return;
        }
        if self.selected != Some(tuple) {
            tracing::debug!(transport = ?tuple.transport, "another path is in use");
        }
        self.successor = None;
        self.selected = Some(tuple);
        self.used = now;
    }

    /// Draws what follows from what was heard.
    fn conclude(&mut self, now: Instant) {
        let in_use = self.in_use();
        let is_open = in_use.is_some_and(|pair| pair.is_open(now));
        let is_nominated = in_use.is_some_and(|pair| pair.nominated);
        // The new generation has found its pair.
        if in_use.is_some_and(|pair| pair.nominated_anew) {
            self.previous = None;
        }
        self.open = is_open;
        self.state = match is_nominated {
            true => IceState::Connected,
            false => IceState::Checking,
        };
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
                self.pairs.push(Pair::new(now, tuple));
                self.pairs.len() - 1
            }
        };
        &mut self.pairs[at]
    }

    fn forget_oldest(&mut self) {
        let oldest = (self.pairs.iter().enumerate())
            .filter(|(_, pair)| ![self.selected, self.successor].contains(&Some(pair.tuple)))
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
        let state = match self.state {
            IceState::Failed => return self.failed.map(|at| at + RESTART_WITHIN),
            // Nobody was asked to check yet.
            IceState::New if self.current.remote.ufrag.is_empty() => return None,
            IceState::Connected => self.heard + DISCONNECTED_AFTER,
            IceState::New | IceState::Checking | IceState::Disconnected => {
                self.heard + CONSENT_EXPIRES_AFTER
            }
        };
        let checks = self.pairs.iter().filter(|pair| self.is_asked(pair));
        let checks = checks.filter_map(Pair::next_check);
        let consent = self.in_use().filter(|_| self.open);
        let consent = consent.map(|pair| pair.heard + CONSENT_EXPIRES_AFTER);
        checks.chain(consent).chain([state]).min()
    }

    /// Whether this pair is in use, or is to be.
    fn is_asked(&self, pair: &Pair) -> bool {
        [self.selected, self.successor].contains(&Some(pair.tuple))
    }

    /// Lets time pass: consent gets late, and expires. Then checks of ours may be due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let silence = now.saturating_duration_since(self.heard);
        if self.poll_timeout().is_none() {
            return;
        }
        self.expire_consent(now);
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

    /// Without consent no more is sent over the pair in use than over one that is not proven.
    fn expire_consent(&mut self, now: Instant) {
        if self.open && !self.in_use().is_some_and(|pair| pair.is_open(now)) {
            self.open = false;
            if let Some(successor) = self.successor {
                self.select(now, successor);
            }
        }
    }
}

/// What is wrong with a check that is authentic.
fn objection(request: &Binding<'_>) -> Option<Refusal> {
    let unknown = request.unknown();
    if !unknown.is_empty() {
        return Some(Refusal::UnknownAttributes(unknown));
    }
    // A lite agent is always controlled; the other end must control (RFC 8445 §7.3.1.1).
    request.is_controlled().then_some(Refusal::RoleConflict)
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
        ice.set_remote(start, credentials("b"));
        ice.note_check(start, path(), 100, true, true);
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
                ice.restart(at(seconds), credentials("c"), credentials("d"));
            }
        }
        ice.handle_timeout(at(36 + 30));
        assert_eq!(ice.state(), IceState::Failed);
    }

    /// RFC 7675 §5.1: what comes is no consent, however authentic it is.
    #[test]
    fn who_sends_but_consents_no_more_gets_three_times_what_it_sends() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut ice = IceLite::new(start, credentials("a"));
        ice.set_remote(start, credentials("b"));
        ice.note_check(start, path(), 100, true, true);
        assert!(ice.admit(&path(), 300) && !ice.admit(&path(), 1));
        ice.pairs[0].hear_answer(start);
        ice.conclude(start);
        assert!(ice.admit(&path(), 1_000_000));
        for seconds in 1..=40 {
            ice.note_media(at(seconds), path(), 100);
            ice.handle_timeout(at(seconds));
            assert_eq!(ice.state(), IceState::Connected);
            let may_send = Duration::from_secs(seconds) < CONSENT_EXPIRES_AFTER;
            assert_eq!(ice.has_room(&path(), 1_000_000), may_send, "{seconds} s");
        }
        // What came in the 10 s since.
        assert!(ice.admit(&path(), 3 * 10 * 100) && !ice.admit(&path(), 1));
        ice.note_check(at(41), path(), 100, true, false);
        assert!(ice.admit(&path(), 1_000_000));
    }
}

//! The ICE-lite agent of one peer (RFC 8445 §2.5): answers connectivity checks, remembers which
//! pairs they came over, follows the other end's nomination and watches its consent (RFC 7675).
//!
//! Sans-IO: it sees STUN messages and a clock. It looks for no pairs: what a full agent learns from its
//! own checks it learns from the other end's. It asks only whether the other end is where its checks
//! say they come from, and whether it is still there.
//!
//! | module | what lives there |
//! |---|---|
//! | `allowance` | how much may be sent over a path |
//! | `generations` | credentials, and whose a check is |
//! | `pair` | one pair: proof, consent, and what may be sent before |
//! | `pairs` | all of them |
//! | `stun` | checks and their answers as bytes |

mod allowance;
mod generations;
mod pair;
mod pairs;
mod stun;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_protocol::diagnosis::{Arrivals, IceEvidence, PathState};
use rtc::crypto::RTCCryptoProvider;

use crate::media::net::path::{FourTuple, Transport};
pub use crate::media::net::stun::MAX_ATTRIBUTES;
use crate::media::net::stun::TransactionId;
use crate::prefetch::prefetch;
pub use generations::Credentials;
pub use pair::{CONSENT_EXPIRES_AFTER, MAX_AMPLIFICATION, MAX_CHECKS};
pub use pairs::MAX_PAIRS;
pub use stun::addressed_ufrag;

use generations::{Generation, Generations};
use pair::Pair;
use pairs::Pairs;
use stun::{Binding, Refusal};

/// When nothing authentic was heard for this long the path counts as disconnected, which others in a room are told:
/// longer than any agent waits between two checks (RFC 7675 §5.1: 5 s, and a fifth), so one was lost, and whatever
/// else there was.
pub const DISCONNECTED_AFTER: Duration = Duration::from_secs(7);

/// How long after consent expired an ICE restart may still bring the path back. Then the peer is given up.
pub const RESTART_WITHIN: Duration = Duration::from_secs(30);

/// When the pair in use was not checked for this long and another is, the other is taken: a check was
/// lost, or its path is. Agents that nominate but once say no more than this when a NAT gives them
/// another address. Longer than any agent waits between two checks (RFC 7675 §5.1: 5 s, and a fifth).
pub const FOLLOW_AFTER: Duration = Duration::from_millis(6500);

/// When nothing came over the pair in use for this long and media comes over another, the other end
/// has moved there. Longer than packets overtake each other by on two paths.
pub const MOVED_AFTER: Duration = Duration::from_millis(200);

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
    generations: Generations,
    pairs: Pairs,
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
    /// What came since the newest credentials were agreed on, and when that was.
    evidence: IceEvidence,
    agreed: Instant,
}

impl IceLite {
    /// An agent that waits for checks from now on.
    pub fn new(now: Instant, local: Credentials) -> Self {
        Self {
            generations: Generations::new(local),
            pairs: Pairs::default(),
            selected: None,
            successor: None,
            open: false,
            used: now,
            state: IceState::New,
            failed: None,
            heard: now,
            restarted: None,
            evidence: IceEvidence::default(),
            agreed: now,
        }
    }

    /// The current generation's local credentials.
    pub fn local(&self) -> &Credentials {
        self.generations.local()
    }

    /// Sets what the other end's checks must be addressed from, and how ours are sealed. Waiting for
    /// them begins.
    pub fn set_remote(&mut self, now: Instant, remote: Credentials) {
        if !self.generations.is_agreed() {
            self.heard = now;
            self.agreed = now;
        }
        self.generations.set_remote(remote);
    }

    /// Begins a new generation. The pair in use stays in use until the new one nominates.
    pub fn restart(&mut self, now: Instant, local: Credentials, remote: Credentials) {
        self.generations.restart(local, remote);
        for pair in self.pairs.iter_mut() {
            pair.renewed = false;
            pair.nominated_anew = false;
        }
        self.evidence = IceEvidence::default();
        self.agreed = now;
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
        self.generations.forget_previous();
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
        self.pairs.get(tuple).is_some()
    }

    /// Answers a binding request (RFC 8445 §7.3). `None` is anything else, dropped in silence.
    pub fn handle_request(
        &mut self,
        now: Instant,
        tuple: FourTuple,
        datagram: &[u8],
    ) -> Option<Answered> {
        let request = Binding::read(datagram).filter(Binding::is_check)?;
        let checked = self.generations.authenticate(&request);
        // RFC 7675 §5.1: expired consent is not renewed with the same credentials.
        if self.state == IceState::Failed {
            let is_authentic = checked.is_ok() && request.objection().is_none();
            self.evidence.late = self.evidence.late.saturating_add(is_authentic.into());
            return None;
        }
        let (is_current, refusal) = match checked {
            Ok(is_current) => (is_current, request.objection()),
            Err(refusal) => (true, Some(refusal)),
        };
        let pwd = &self.generations.get(is_current).local.pwd;
        let response = match &refusal {
            Some(refusal) => request.refuse(refusal, pwd),
            None => request.succeed(tuple.remote, pwd),
        };
        self.count(tuple, is_current, refusal.as_ref());
        let authentic = refusal.is_none();
        if authentic {
            self.note_check(now, tuple, datagram.len(), is_current, request.nominates());
        }
        Some(Answered {
            response,
            authentic,
        })
    }

    /// Counts a check for whoever asks why there is no path.
    fn count(&mut self, tuple: FourTuple, is_current: bool, refusal: Option<&Refusal>) {
        let evidence = &mut self.evidence;
        let counter = match refusal {
            Some(Refusal::BadRequest | Refusal::Unauthorized) => &mut evidence.strangers,
            Some(Refusal::RoleConflict) => &mut evidence.role_conflicts,
            None if is_current => &mut arrivals(evidence, tuple.transport).checks,
            Some(Refusal::UnknownAttributes(_)) | None => return,
        };
        *counter = counter.saturating_add(1);
    }

    /// What came of checks since the newest credentials were agreed on.
    pub fn evidence(&self, now: Instant) -> IceEvidence {
        let waited = now.saturating_duration_since(self.agreed).as_millis();
        let is_silent = matches!(self.state, IceState::Disconnected | IceState::Failed);
        let in_use = self.in_use();
        let has_path = in_use.is_some_and(|pair| pair.nominated && pair.renewed);
        let was_heard = self.evidence.checks() > 0 || self.evidence.late > 0;
        IceEvidence {
            state: match () {
                () if is_silent && was_heard => PathState::Silent,
                () if has_path && self.state == IceState::Connected => PathState::Nominated,
                () => PathState::Open,
            },
            is_by_tcp: in_use.is_some_and(|pair| pair.tuple.transport == Transport::Tcp),
            waited_ms: u32::try_from(waited).unwrap_or(u32::MAX),
            ..self.evidence.clone()
        }
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
        let kept = [self.selected, self.successor];
        let pair = self.pairs.remember(now, tuple, kept);
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
        let pair = self.pairs.get_mut(&tuple);
        let Some(pair) = pair.filter(|pair| pair.awaits(transaction)) else {
            return;
        };
        if self.state == IceState::Failed || !self.generations.answers(&response) {
            return;
        }
        pair.hear_answer(now);
        let answers = &mut arrivals(&mut self.evidence, tuple.transport).answers;
        *answers = answers.saturating_add(1);
        self.heard = now;
        if self.successor == Some(tuple) {
            self.select(now, tuple);
        }
        self.conclude(now);
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
        let Generation { local, remote } = self.generations.get(is_current);
        let username = format!("{}:{}", remote.ufrag, local.ufrag);
        let check = stun::check(transaction, &username, &remote.pwd);
        Some((tuple, check))
    }

    /// The check that was to be sent over this path found no room, and waits for something to come.
    pub fn put_off_check(&mut self, path: &FourTuple) {
        if let Some(pair) = self.pairs.get_mut(path) {
            pair.put_off();
        }
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
        if let Some(pair) = self.pairs.get_mut(&tuple) {
            pair.nominated |= nominated;
        }
        self.select(now, tuple);
    }

    /// Uses this pair from now on; or, where its other end is yet to be proven and that of the one in
    /// use is, from then on.
    fn select(&mut self, now: Instant, tuple: FourTuple) {
        let is_proven = self.pairs.get(&tuple).is_some_and(Pair::is_proven);
        if self.open && self.selected != Some(tuple) && !is_proven {
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
            self.generations.forget_previous();
        }
        self.open = is_open;
        self.state = match is_nominated {
            true => IceState::Connected,
            false => IceState::Checking,
        };
    }

    fn in_use(&self) -> Option<&Pair> {
        self.pairs.get(self.selected.as_ref()?)
    }

    /// Whether the pair in use was checked with the current generation's credentials.
    fn is_renewed(&self) -> bool {
        self.in_use().is_some_and(|pair| pair.renewed)
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
            IceState::New if !self.generations.is_agreed() => return None,
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

/// The counters of a transport.
fn arrivals(evidence: &mut IceEvidence, transport: Transport) -> &mut Arrivals {
    match transport {
        Transport::Udp => &mut evidence.udp,
        Transport::Tcp => &mut evidence.tcp,
        // No check comes by DTLS.
        Transport::Dtls | Transport::Relayed | Transport::Allocated => &mut evidence.relayed,
    }
}

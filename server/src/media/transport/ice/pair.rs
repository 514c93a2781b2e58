//! A candidate pair: when it was heard from, whether its other end is proven to be there, and how much
//! may be sent to it before. It does not know the other pairs.

use std::time::{Duration, Instant};

use crate::media::net::path::{FourTuple, Transport};
use crate::media::net::stun::TransactionId;

/// Without a check or an answer for this long consent to send over a pair has expired
/// (RFC 7675 §5.1); when nothing else was heard either, the path has failed.
pub const CONSENT_EXPIRES_AFTER: Duration = Duration::from_secs(30);

/// As many bytes may be sent over a path for each that came over it, until the other end answered a
/// check of ours there: whoever writes another's address into a check as its source gains no more by
/// us than it could send there by itself, times this (the rule of QUIC, RFC 9000 §8).
pub const MAX_AMPLIFICATION: u64 = 3;

/// Checks of ours without an answer, before the next of the other end's (RFC 8489 §6.2.1: Rc).
pub const MAX_CHECKS: u32 = 7;

/// How long our first check may be without an answer. Each waits twice as long as the one before
/// (RFC 8445 §14.3).
const FIRST_TIMEOUT: Duration = Duration::from_millis(500);

/// When a proven pair in use was not heard from for this long, we ask (RFC 7675 §5.1). Most agents check by
/// themselves before that.
const ASK_AFTER: Duration = Duration::from_millis(5500);

/// From one such question to the next.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// A pair.
pub(super) struct Pair {
    pub(super) tuple: FourTuple,
    /// When a check came over it, or an answer to one of ours: consent to send is as old as that.
    pub(super) heard: Instant,
    pub(super) nominated: bool,
    /// Checked with the current generation's credentials.
    pub(super) renewed: bool,
    /// Nominated with them.
    pub(super) nominated_anew: bool,
    /// The other end is there: it answered a check of ours, or TCP's handshake.
    proven: bool,
    received: u64,
    sent: u64,
    /// The transaction of our newest check, while that is not answered.
    transaction: Option<TransactionId>,
    /// Our checks since it was last heard from, and when the last of them left.
    asked: u32,
    asked_at: Instant,
    /// Our next check waits for something to come, which makes room for it.
    put_off: bool,
}

impl Pair {
    pub(super) fn new(now: Instant, tuple: FourTuple) -> Self {
        Self {
            tuple,
            heard: now,
            nominated: false,
            renewed: false,
            nominated_anew: false,
            proven: tuple.transport == Transport::Tcp,
            received: 0,
            sent: 0,
            transaction: None,
            asked: 0,
            asked_at: now,
            put_off: false,
        }
    }

    pub(super) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether anything may be sent: its other end is there, and consents (RFC 7675 §5.1).
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.proven && now < self.heard + CONSENT_EXPIRES_AFTER
    }

    /// Takes note of bytes that came over it.
    pub(super) fn credit(&mut self, bytes: usize) {
        self.received += bytes as u64;
        self.put_off = false;
    }

    /// Whether so many more bytes may be sent over it while it is not open.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.sent + bytes as u64 <= self.received * MAX_AMPLIFICATION
    }

    /// Takes note of bytes that are sent over it while it is not open.
    pub(super) fn charge(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// An authentic check came, which is answered with one of ours while nothing is proven.
    pub(super) fn hear_check(&mut self, now: Instant) {
        self.heard = now;
        self.asked = 0;
    }

    /// Whether a check of ours is due. A pair that is not to be used is asked only for each time that
    /// it asks.
    pub(super) fn is_due(&self, now: Instant, in_use: bool) -> bool {
        let asked_back = self.asked > 0 || self.proven;
        (in_use || !asked_back) && self.next_check().is_some_and(|at| at <= now)
    }

    /// When the next check of ours is due, while this pair is, or may come to be, in use.
    pub(super) fn next_check(&self) -> Option<Instant> {
        match (self.proven, self.asked) {
            _ if self.put_off => None,
            (true, 0) => Some(self.heard + ASK_AFTER),
            (true, _) => Some((self.heard + ASK_AFTER).max(self.asked_at + ASK_EVERY)),
            (false, 0) => Some(self.heard),
            (false, MAX_CHECKS..) => None,
            (false, asked) => Some(self.asked_at + FIRST_TIMEOUT * (1 << (asked - 1))),
        }
    }

    /// A check of ours leaves. While the path is not proven it is the same one again, so that a late
    /// answer counts.
    pub(super) fn ask(&mut self, now: Instant, fresh: TransactionId) -> TransactionId {
        self.asked = self.asked.saturating_add(1);
        self.asked_at = now;
        let again = self.transaction.filter(|_| !self.proven);
        *self.transaction.insert(again.unwrap_or(fresh))
    }

    /// The check found no room, and did not leave: it does not count, and waits for something to come.
    pub(super) fn put_off(&mut self) {
        self.asked -= 1;
        self.put_off = true;
    }

    /// Whether this is the answer to our check.
    pub(super) fn awaits(&self, transaction: TransactionId) -> bool {
        self.transaction == Some(transaction)
    }

    /// Our check was answered.
    pub(super) fn hear_answer(&mut self, now: Instant) {
        self.heard = now;
        self.proven = true;
        self.transaction = None;
        self.asked = 0;
        self.put_off = false;
    }
}

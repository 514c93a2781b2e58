//! What a client saw of a call that is not connected: sums of its `getStats` report (W3C webrtc-stats), and
//! of what it gathered. No address is among it.

use serde::{Deserialize, Serialize};

/// The most error codes that a client tells.
pub const MAX_GATHERING_ERRORS: usize = 8;

/// What a client saw.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct ClientEvidence {
    /// This call worked before, so that the sums hold what was before it broke.
    #[serde(default, skip_serializing_if = "is_false")]
    pub worked_before: bool,
    /// The addresses that it found it can send from.
    #[serde(default)]
    pub local: Gathered,
    /// The server's candidates that it knows.
    #[serde(default)]
    pub remote: u16,
    /// Its candidate pairs by UDP.
    #[serde(default)]
    pub udp: PairSums,
    /// Its candidate pairs by TCP.
    #[serde(default)]
    pub tcp: PairSums,
    /// Its candidate pairs through a relay.
    #[serde(default)]
    pub relayed: PairSums,
    /// The codes of `icecandidateerror`, each once: 401 where a relay refuses the credentials, 701 where a
    /// server is not reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gathering_errors: Vec<u16>,
    /// The DTLS handshake, where it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtls: Option<Handshake>,
}

/// The candidates that a client gathered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct Gathered {
    /// Of its own interfaces, the names for them included that browsers give instead of addresses.
    #[serde(default)]
    pub host: u16,
    /// As servers see it.
    #[serde(default)]
    pub reflexive: u16,
    /// At relays.
    #[serde(default)]
    pub relayed: u16,
    /// It has looked for all there are.
    #[serde(default)]
    pub complete: bool,
}

/// Sums over candidate pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub struct PairSums {
    /// How many pairs there are.
    #[serde(default)]
    pub pairs: u16,
    /// Checks that left. Not every browser counts them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<u32>,
    /// Answers that came to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<u32>,
    /// Checks without an answer, on pairs that have answers to others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<u32>,
}

/// `RTCDtlsTransportState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "lowercase")]
pub enum Handshake {
    /// It has not begun.
    New,
    /// It is under way.
    Connecting,
    /// It is done.
    Connected,
    /// It was closed.
    Closed,
    /// It failed.
    Failed,
    /// A state that a later version added.
    #[serde(other)]
    Other,
}

impl ClientEvidence {
    /// The checks that left by whichever way, where they are counted.
    pub(super) fn sent(&self) -> Option<u32> {
        sum(self.all().map(|sums| sums.sent))
    }

    /// The answers that came by whichever way, where they are counted.
    pub(super) fn answered(&self) -> Option<u32> {
        sum(self.all().map(|sums| sums.answered))
    }

    /// Whether it has no relay, and was told this on the way to one.
    pub(super) fn lacks_relay(&self, code: u16) -> bool {
        self.local.relayed == 0 && self.gathering_errors.contains(&code)
    }

    fn all(&self) -> [PairSums; 3] {
        [self.udp, self.tcp, self.relayed]
    }
}

impl PairSums {
    /// Whether anything was tried this way.
    pub(super) fn is_tried(&self) -> bool {
        self.pairs > 0 && self.sent != Some(0)
    }
}

impl Gathered {
    /// All of them.
    pub(super) fn count(&self) -> u32 {
        [self.host, self.reflexive, self.relayed]
            .map(u32::from)
            .iter()
            .sum()
    }
}

/// Of counters of which some are not told the sum is none; those of ways without a pair do not matter.
fn sum(counters: [Option<u32>; 3]) -> Option<u32> {
    let told: Vec<u32> = counters.into_iter().flatten().collect();
    let all = told
        .iter()
        .fold(0_u32, |sum, count| sum.saturating_add(*count));
    (!told.is_empty()).then_some(all)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's way")]
fn is_false(it: &bool) -> bool {
    !it
}

//! Why a request is refused, and what that is called (RFC 8489 §14.8, RFC 8656 §19,
//! RFC 6062 §6.3).

/// Why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not what it should be.
    BadRequest,
    /// It does not say who asks; or nobody is called so; or the password is wrong.
    Unauthorized,
    /// The peer may not be reached.
    Forbidden,
    /// It holds what must be understood, and is not.
    UnknownAttributes(Vec<u16>),
    /// There is an allocation, or there is none.
    Mismatch,
    /// Its nonce is too old, or another client's.
    StaleNonce,
    /// There are no relays of this family.
    Family,
    /// The allocation is somebody else's.
    WrongCredentials,
    /// There are relays of UDP and TCP only.
    Transport,
    /// The peer is of another family than the relay.
    PeerFamily,
    /// There is a connection to the peer already, or there will be.
    Connected,
    /// The peer cannot be reached, or does not answer.
    Unreachable,
    /// The user, or its address, has as many as it may have.
    Quota,
    /// There is no port left, or no socket.
    Capacity,
}

impl Refusal {
    /// Its number and phrase.
    pub fn code(&self) -> (u16, &'static str) {
        match self {
            Self::BadRequest => (400, "Bad Request"),
            Self::Unauthorized => (401, "Unauthorized"),
            Self::Forbidden => (403, "Forbidden"),
            Self::UnknownAttributes(_) => (420, "Unknown Attribute"),
            Self::Mismatch => (437, "Allocation Mismatch"),
            Self::StaleNonce => (438, "Stale Nonce"),
            Self::Family => (440, "Address Family not Supported"),
            Self::WrongCredentials => (441, "Wrong Credentials"),
            Self::Transport => (442, "Unsupported Transport Protocol"),
            Self::PeerFamily => (443, "Peer Address Family Mismatch"),
            Self::Connected => (446, "Connection Already Exists"),
            Self::Unreachable => (447, "Connection Timeout or Failure"),
            Self::Quota => (486, "Allocation Quota Reached"),
            Self::Capacity => (508, "Insufficient Capacity"),
        }
    }
}

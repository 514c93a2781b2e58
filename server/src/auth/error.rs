//! Why a token, or a key, is refused: in words for developers, which show nothing of any secret.

use thiserror::Error;

/// Why a token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// There is none.
    #[error("this server lets nobody into rooms without a token, and none was given")]
    Missing,
    /// It has more than [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES).
    #[error("the token has {bytes} bytes, and may have {limit}", limit = super::MAX_TOKEN_BYTES)]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is no JWT, or a claim has a value of another type, or is there twice.
    #[error("the token is no JSON Web Token with a claim of the right type each")]
    Malformed,
    /// No key has the name that `iss` says.
    #[error("the claim iss of the token does not name a key of this server")]
    UnknownKey,
    /// The header's `alg` is not what the key is for.
    #[error("the token is not signed by the algorithm that its key is for")]
    WrongAlgorithm,
    /// Somebody else signed it, or it was changed.
    #[error("the token is not signed with the key that its claim iss names")]
    BadSignature,
    /// There is no `exp`.
    #[error("the token has no claim exp: it has to run out some time")]
    NoExpiry,
    /// `exp` is past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is to come.
    #[error("the token is not valid yet; the clock of who made it may be ahead")]
    NotYetValid,
    /// There is no `sub`, or nothing in it.
    #[error("the claim sub of the token, the identity, is missing or empty")]
    NoIdentity,
    /// A claim is longer than its limit.
    #[error("the claim {claim} of the token has {bytes} bytes, and may have {limit}")]
    LongClaim {
        /// The claim.
        claim: &'static str,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// `video.roomJoin` is not true.
    #[error("the claim video.roomJoin of the token is not true")]
    MayNotJoin,
    /// `video.room` is another room, or none.
    #[error("the claim video.room of the token is not this room")]
    OtherRoom,
}

/// Why something is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The name is empty.
    #[error("a key needs a name")]
    NoName,
    /// A key has this name already.
    #[error("two keys have this name")]
    Twice,
    /// The secret is short enough to be guessed.
    #[error("the secret is too short: give at least {least} bytes, such as those of `openssl rand -hex 32`", least = super::MIN_SECRET_BYTES)]
    ShortSecret,
    /// It is the private half.
    #[error("this is a private key: give its public key, and keep it where tokens are made")]
    Private,
    /// It is no public key, or one of an algorithm that is not supported.
    #[error("this is no public key in PEM of RSA, P-256 or Ed25519")]
    NoPublicKey,
    /// The RSA key is short enough to be broken.
    #[error("this RSA key is too short: it needs 2048 bits")]
    ShortRsa,
}

/// Why no token is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MintError {
    /// There is no secret to sign it with.
    #[error("there is no key with a secret to sign a token with")]
    NoSecret,
    /// It would open nothing.
    #[error("such a token would be refused: {0}")]
    Refused(TokenError),
}

//! Tokens as anybody may write them, and what becomes of them.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::{Grants, Key, Keys, Ticket, TokenError};

mod claims;
mod minting;
mod public_keys;
mod room_config;
mod tampering;

const SECRET: &str = "a secret of thirty-two bytes is ok";
const ROOM: &str = "hideout";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// When all of this happens.
fn now() -> SystemTime {
    at(2_000_000_000)
}

fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.add("key", Key::secret(SECRET).unwrap()).unwrap();
    keys
}

/// Claims that open the room.
fn good() -> Value {
    json!({
        "iss": "key",
        "sub": "alice",
        "exp": 2_000_000_100,
        "video": { "roomJoin": true, "room": ROOM },
    })
}

/// The same, and what replaces or adds to them.
fn with(changes: &Value) -> Value {
    let mut claims = good();
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// Signed by HS256, whatever it is.
fn signed(header: &[u8], payload: &[u8], secret: &[u8]) -> String {
    let encode = |part| URL_SAFE_NO_PAD.encode(part);
    let message = format!("{}.{}", encode(header), encode(payload));
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, secret),
        message.as_bytes(),
    );
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Signed with the key, whatever it says.
fn token(payload: impl AsRef<[u8]>) -> String {
    signed(br#"{"alg":"HS256"}"#, payload.as_ref(), SECRET.as_bytes())
}

fn verify(payload: impl AsRef<[u8]>) -> Result<Ticket, TokenError> {
    keys().verify(&token(payload), ROOM, now())
}

/// What becomes of good claims with changes.
fn changed(changes: &Value) -> Result<Ticket, TokenError> {
    verify(with(changes).to_string())
}

/// What LiveKit grants to who may join.
fn defaults() -> Grants {
    Grants {
        publish: true,
        sources: None,
        subscribe: true,
        publish_data: true,
        update_own_metadata: false,
        admin: false,
        create: false,
        hidden: false,
    }
}

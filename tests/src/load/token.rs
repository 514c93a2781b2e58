//! Tokens that open rooms, and those that should not, as anybody may write them (RFC 7519, HS256).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ferrite_protocol::JoinToken;
use ring::hmac;
use serde_json::json;

/// A key of the server's: its name and its secret.
pub type TokenKey = (&'static str, &'static str);

/// The longest that such a token is good for.
const GOOD_FOR: Duration = Duration::from_secs(24 * 3600);

/// Lets this identity into a room.
#[must_use]
pub fn token(key: TokenKey, room: &str, identity: &str) -> JoinToken {
    written(key, room, identity, SystemTime::now() + GOOD_FOR)
}

/// Let it in an hour ago.
#[must_use]
pub fn expired(key: TokenKey, room: &str, identity: &str) -> JoinToken {
    written(key, room, identity, SystemTime::now() - GOOD_FOR)
}

fn written((name, secret): TokenKey, room: &str, identity: &str, until: SystemTime) -> JoinToken {
    let until = until.duration_since(UNIX_EPOCH).unwrap_or_default();
    let claims = json!({
        "iss": name, "sub": identity, "exp": until.as_secs(),
        "video": { "roomJoin": true, "room": room },
    });
    let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    let header = encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let text = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let seal = hmac::sign(&key, text.as_bytes());
    JoinToken(format!("{text}.{}", encode(seal.as_ref())))
}

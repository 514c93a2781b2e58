//! What comes as a token: from anybody, and from who has a secret and writes claims without care.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ferrite_protocol::limits::MAX_NAME_BYTES;
use ferrite_server::auth::{Key, Keys, LEEWAY, MAX_TOKEN_BYTES, Ticket, mint};
use ring::hmac;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const ROOM: &str = "hideout";
const P256: &str = include_str!("../../../src/auth/tests/testdata/p256.pem");
const ED25519: &str = include_str!("../../../src/auth/tests/testdata/ed25519.pem");
const RSA: &str = include_str!("../../../src/auth/tests/testdata/rsa.pem");

fn keys() -> Keys {
    let mut keys = Keys::default();
    for (name, key) in [
        ("key", Key::secret(SECRET)),
        ("p256", Key::public(P256)),
        ("ed25519", Key::public(ED25519)),
        ("rsa", Key::public(RSA)),
    ] {
        keys.add(name, key.unwrap()).unwrap();
    }
    keys
}

/// The input as a token, and as the claims of one that is signed.
pub fn token(input: &[u8]) {
    let keys = keys();
    let text = String::from_utf8_lossy(input);
    judge(&keys, text.trim_end());
    judge(&keys, &signed(input));
}

fn signed(claims: &[u8]) -> String {
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256"}"#);
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = hmac::sign(&key, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn judge(keys: &Keys, token: &str) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    match keys.verify(token, ROOM, now) {
        Ok(ticket) => check(keys, &ticket, token, now),
        Err(error) => assert!(error.to_string().len() < 100),
    }
}

fn check(keys: &Keys, ticket: &Ticket, token: &str, now: SystemTime) {
    assert!(token.len() <= MAX_TOKEN_BYTES);
    assert!((1..=MAX_NAME_BYTES).contains(&ticket.identity.len()));
    assert!(ticket.expires + LEEWAY > now);
    assert_eq!(keys.verify(&format!("{token}A"), ROOM, now).ok(), None);
    assert_eq!(keys.verify(token, "attic", now).ok(), None);
    // One of ours says what is left out, and is longer.
    if token.len() > MAX_TOKEN_BYTES / 2 {
        return;
    }
    let ours = mint(keys, ticket, ROOM, now).unwrap();
    let again = keys.verify(&ours, ROOM, now).unwrap();
    let rounded = again.expires.duration_since(ticket.expires).unwrap();
    assert!(rounded < Duration::from_secs(1));
    let expires = ticket.expires;
    assert_eq!(Ticket { expires, ..again }, *ticket);
}

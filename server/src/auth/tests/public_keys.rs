//! Keys whose private half is elsewhere: PyJWT made the tokens.

use super::*;
use crate::auth::KeyError;

const RSA: &str = include_str!("testdata/rsa.pem");
const P256: &str = include_str!("testdata/p256.pem");
const ED25519: &str = include_str!("testdata/ed25519.pem");

/// A name, its public key, and a token that it signed.
const SIGNED: [(&str, &str, &str); 4] = [
    ("rsa", RSA, include_str!("testdata/rsa.jwt")),
    (
        "rsa",
        include_str!("testdata/rsa-pkcs1.pem"),
        include_str!("testdata/rsa.jwt"),
    ),
    ("p256", P256, include_str!("testdata/p256.jwt")),
    ("ed25519", ED25519, include_str!("testdata/ed25519.jwt")),
];

fn of(name: &str, pem: &str) -> Keys {
    let mut keys = keys();
    keys.add(name, Key::public(pem).unwrap()).unwrap();
    keys
}

#[test]
fn a_public_key_opens_what_its_other_half_signed() {
    for (name, pem, token) in SIGNED {
        let keys = of(name, pem);
        let ticket = keys.verify(token.trim(), ROOM, now()).unwrap();
        assert_eq!(ticket.identity, "alice");
        assert_eq!(ticket.grants, defaults());
    }
}

#[test]
fn every_change_of_what_it_signed_is_refused() {
    for (name, pem, token) in SIGNED {
        let (keys, token) = (of(name, pem), token.trim());
        for at in 0..token.len() {
            let other = if token.as_bytes()[at] == b'A' {
                "B"
            } else {
                "A"
            };
            let mut changed = token.to_owned();
            changed.replace_range(at..=at, other);
            assert!(keys.verify(&changed, ROOM, now()).is_err(), "{name} {at}");
        }
    }
}

#[test]
fn a_public_key_is_no_secret_to_sign_with() {
    for (name, pem, _) in SIGNED {
        let payload = with(&json!({ "iss": name })).to_string();
        for secret in [pem.as_bytes(), pem.trim().as_bytes()] {
            let forged = signed(br#"{"alg":"HS256"}"#, payload.as_bytes(), secret);
            let refused = of(name, pem).verify(&forged, ROOM, now());
            assert_eq!(refused, Err(TokenError::WrongAlgorithm), "{name}");
        }
    }
}

#[test]
fn what_another_key_signed_is_refused() {
    for (of_pem, pem, _) in SIGNED {
        for (name, _, token) in SIGNED {
            // Whatever the key is, it has the name that the token says.
            let opened = of(name, pem).verify(token.trim(), ROOM, now()).is_ok();
            assert_eq!(opened, of_pem == name, "{of_pem} {name}");
        }
    }
}

#[test]
fn what_is_no_public_key_that_we_take_is_refused() {
    let private =
        "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----\n";
    let secret_ec = private.replace("PRIVATE", "EC PRIVATE");
    let cut = &P256[..P256.len() / 2];
    for (pem, error) in [
        (include_str!("testdata/rsa-1024.pem"), KeyError::ShortRsa),
        (include_str!("testdata/p384.pem"), KeyError::NoPublicKey),
        (include_str!("testdata/ed448.pem"), KeyError::NoPublicKey),
        (
            include_str!("testdata/certificate.pem"),
            KeyError::NoPublicKey,
        ),
        (private, KeyError::Private),
        (&secret_ec, KeyError::Private),
        (&format!("{P256}{private}"), KeyError::Private),
        (cut, KeyError::NoPublicKey),
        (SECRET, KeyError::NoPublicKey),
        ("", KeyError::NoPublicKey),
    ] {
        assert_eq!(Key::public(pem).map(drop), Err(error), "{pem}");
    }
}

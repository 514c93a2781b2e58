//! What is no token of ours, however much it looks like one.

use super::*;
use crate::auth::MAX_TOKEN_BYTES;
use proptest::prelude::*;

#[test]
fn any_byte_changed_anywhere_is_refused() {
    let token = token(good().to_string());
    let keys = keys();
    assert!(keys.verify(&token, ROOM, now()).is_ok());
    for at in 0..token.len() {
        for byte in 0..=0x7F {
            let mut bytes = token.clone().into_bytes();
            if bytes[at] == byte {
                continue;
            }
            bytes[at] = byte;
            let text = String::from_utf8(bytes).unwrap();
            assert!(keys.verify(&text, ROOM, now()).is_err(), "{at}: {text}");
        }
    }
}

#[test]
fn any_piece_missing_or_added_is_refused() {
    let token = token(good().to_string());
    let refused = |text: &str| keys().verify(text, ROOM, now()).is_err();
    for at in 0..token.len() {
        let (before, after) = token.split_at(at);
        assert!(refused(before) && refused(after) || at == 0);
        assert!(refused(&format!("{before}{}", &after[1..])));
        for added in ["A", ".", "=", " ", "\n", "\0", "é"] {
            assert!(refused(&format!("{before}{added}{after}")), "{at}");
        }
    }
    for added in ["A", ".", "=", " ", "\n", ".e30"] {
        assert!(refused(&format!("{token}{added}")));
    }
}

#[test]
fn the_algorithm_is_the_keys_and_not_the_headers() {
    let payload = good().to_string();
    for (header, error) in [
        (r#"{"alg":"none"}"#, TokenError::WrongAlgorithm),
        (r#"{"alg":"None"}"#, TokenError::WrongAlgorithm),
        (r#"{"alg":"hs256"}"#, TokenError::WrongAlgorithm),
        (r#"{"alg":""}"#, TokenError::WrongAlgorithm),
        (r#"{"alg":null}"#, TokenError::WrongAlgorithm),
        (r"{}", TokenError::WrongAlgorithm),
        (r"[]", TokenError::WrongAlgorithm),
        (r#"{"alg":"HS512"}"#, TokenError::WrongAlgorithm),
        (r#"{"alg":"RS256"}"#, TokenError::WrongAlgorithm),
        (r#"{"alg":"EdDSA"}"#, TokenError::WrongAlgorithm),
        (
            r#"{"alg":"HS256","alg":"none"}"#,
            TokenError::WrongAlgorithm,
        ),
        // What has to be understood and is not (RFC 7515 §4.1.11).
        (r#"{"alg":"HS256","crit":["exp"]}"#, TokenError::Malformed),
    ] {
        let token = signed(header.as_bytes(), payload.as_bytes(), SECRET.as_bytes());
        assert_eq!(keys().verify(&token, ROOM, now()), Err(error), "{header}");
        let (unsigned, _) = token.rsplit_once('.').unwrap();
        assert!(keys().verify(&format!("{unsigned}."), ROOM, now()).is_err());
    }
    // Fields that we have no use for, such as hints at keys, hint at nothing.
    let header = br#"{"typ":"JWT","alg":"HS256","kid":"other","jku":"https://there.example/"}"#;
    let token = signed(header, payload.as_bytes(), SECRET.as_bytes());
    assert!(keys().verify(&token, ROOM, now()).is_ok());
}

#[test]
fn another_secret_is_no_signature() {
    let other = SECRET.to_uppercase();
    let forged = signed(
        br#"{"alg":"HS256"}"#,
        good().to_string().as_bytes(),
        other.as_bytes(),
    );
    assert_eq!(
        keys().verify(&forged, ROOM, now()),
        Err(TokenError::BadSignature)
    );
    // Of a key beside it, in its name.
    let mut both = keys();
    both.add("other", Key::secret(&other).unwrap()).unwrap();
    assert_eq!(
        both.verify(&forged, ROOM, now()),
        Err(TokenError::BadSignature)
    );
    let payload = with(&json!({ "iss": "other" })).to_string();
    let own = signed(br#"{"alg":"HS256"}"#, payload.as_bytes(), other.as_bytes());
    assert!(both.verify(&own, ROOM, now()).is_ok());
}

#[test]
fn no_keys_take_no_token() {
    let token = token(good().to_string());
    let none = Keys::default();
    assert!(none.is_empty() && !keys().is_empty());
    assert_eq!(
        none.verify(&token, ROOM, now()),
        Err(TokenError::UnknownKey)
    );
}

#[test]
fn a_huge_token_is_not_even_looked_at() {
    let metadata = "x".repeat(MAX_TOKEN_BYTES);
    let token = token(with(&json!({ "metadata": metadata })).to_string());
    let bytes = token.len();
    let refused = keys().verify(&token, ROOM, now());
    assert_eq!(refused, Err(TokenError::TooLong { bytes }));
    // A long one that is not too long is one.
    let metadata = "x".repeat(MAX_TOKEN_BYTES * 3 / 4 - 300);
    assert!(changed(&json!({ "metadata": metadata })).is_ok());
}

/// What nobody reads is passed over without recursion, however deep it is.
#[test]
fn depth_ends_before_the_stack_does() {
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(800), close.repeat(800));
    let good = good().to_string();
    for nested in [deep("[", "]"), deep("{\"a\":", "}")] {
        let claim = |name: &str| good.replacen('{', &format!("{{\"{name}\":{nested},"), 1);
        for name in ["metadata", "name", "nbf", "video"] {
            assert_eq!(verify(claim(name)), Err(TokenError::Malformed), "{name}");
        }
        assert!(verify(claim("other")).is_ok());
        let cut = &claim("other")[..900];
        assert_eq!(verify(cut), Err(TokenError::Malformed));
        let header = format!("{{\"alg\":\"HS256\",\"x\":{nested}}}");
        let token = signed(header.as_bytes(), good.as_bytes(), SECRET.as_bytes());
        let refused = keys().verify(&token, ROOM, now());
        assert_eq!(refused, Err(TokenError::WrongAlgorithm));
    }
}

#[test]
fn what_is_no_json_and_no_text_is_refused() {
    let quoted = [
        &b"{\"iss\":\"key\",\"sub\":\""[..],
        &[0xFF, 0xC0, 0x80],
        b"\"}",
    ]
    .concat();
    let surrogate = good().to_string().replace("alice", "\\ud800");
    for payload in [
        &quoted[..],
        surrogate.as_bytes(),
        b"",
        b"null",
        b"[]",
        b"7",
        b"{",
        &[0; 64],
    ] {
        let refused = verify(payload).unwrap_err();
        let expected = [TokenError::Malformed, TokenError::UnknownKey];
        assert!(expected.contains(&refused), "{payload:?}: {refused}");
    }
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "é.é.é",
        "e30.e30.",
        "\u{0}\u{0}\u{0}",
    ] {
        assert!(keys().verify(text, ROOM, now()).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_is_a_token(text in "\\PC{0,200}") {
        prop_assert!(keys().verify(&text, ROOM, now()).is_err());
    }

    /// What an honest signer writes without care opens the room, or is refused, and nothing else.
    #[test]
    fn any_signed_bytes_are_judged(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(verify(bytes).is_err());
    }

    #[test]
    fn several_bytes_changed_are_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), "[ -~]"), 1..6),
    ) {
        let token = token(good().to_string());
        let mut text = token.clone();
        for (at, byte) in changes {
            let at = at.index(text.len());
            text.replace_range(at..=at, &byte);
        }
        prop_assert_eq!(keys().verify(&text, ROOM, now()).is_ok(), text == token);
    }
}

//! What we mint is what we take; and how keys go together.

use super::*;
use crate::auth::{KeyError, MAX_TOKEN_BYTES, MIN_SECRET_BYTES, MintError, SOURCES, mint};
use proptest::prelude::*;
use std::num::NonZeroU32;

fn ticket() -> Ticket {
    Ticket {
        identity: "alice".to_owned(),
        name: None,
        metadata: None,
        grants: defaults(),
        max_participants: None,
        expires: now() + Duration::from_secs(60),
    }
}

fn any_grants() -> impl Strategy<Value = Grants> {
    let sources = prop::sample::subsequence(SOURCES.map(|(source, _)| source).to_vec(), 1..=4);
    (any::<[bool; 7]>(), prop::option::of(sources)).prop_map(|(may, sources)| Grants {
        publish: may[0],
        sources,
        subscribe: may[1],
        publish_data: may[2],
        update_own_metadata: may[3],
        admin: may[4],
        create: may[5],
        hidden: may[6],
    })
}

fn any_ticket() -> impl Strategy<Value = Ticket> {
    let texts = (
        "\\PC{1,30}",
        prop::option::of("\\PC{0,30}"),
        prop::option::of("\\PC{0,100}"),
    );
    let most = prop::option::of(1..=u32::MAX);
    let all = (texts, any_grants(), most, 0_u64..1_000_000);
    all.prop_map(|((identity, name, metadata), grants, most, ttl)| Ticket {
        identity,
        name,
        metadata,
        grants,
        max_participants: most.and_then(NonZeroU32::new),
        expires: now() + Duration::from_secs(ttl),
    })
}

proptest! {
    #[test]
    fn what_is_minted_says_what_the_ticket_said(ticket in any_ticket(), room in "\\PC{1,30}") {
        let token = mint(&keys(), &ticket, &room, now()).unwrap();
        prop_assert_eq!(keys().verify(&token, &room, now()), Ok(ticket));
        let elsewhere = keys().verify(&token, &format!("{room}2"), now());
        prop_assert_eq!(elsewhere, Err(TokenError::OtherRoom));
    }
}

#[test]
fn what_would_be_refused_is_not_minted() {
    let refused = |ticket: &Ticket| mint(&keys(), ticket, ROOM, now()).map(drop);
    let nobody = Ticket {
        identity: String::new(),
        ..ticket()
    };
    assert_eq!(
        refused(&nobody),
        Err(MintError::Refused(TokenError::NoIdentity))
    );
    let late = Ticket {
        expires: now() - Duration::from_secs(60),
        ..ticket()
    };
    assert_eq!(refused(&late), Err(MintError::Refused(TokenError::Expired)));
    let long = Ticket {
        metadata: Some("x".repeat(MAX_TOKEN_BYTES)),
        ..ticket()
    };
    let error = refused(&long).unwrap_err();
    assert!(
        matches!(error, MintError::Refused(TokenError::TooLong { .. })),
        "{error}"
    );
    let no_secret = mint(&Keys::default(), &ticket(), ROOM, now());
    assert_eq!(no_secret, Err(MintError::NoSecret));
}

/// LiveKit's claims cannot list no source: an empty list allows all.
#[test]
fn no_source_at_all_is_no_right_to_publish() {
    let mut nothing = ticket();
    nothing.grants.sources = Some(Vec::new());
    let token = mint(&keys(), &nothing, ROOM, now()).unwrap();
    let grants = keys().verify(&token, ROOM, now()).unwrap().grants;
    assert!(!grants.publish && grants.publish_data);
}

#[test]
fn the_first_secret_signs() {
    let mut several = Keys::default();
    let public = include_str!("testdata/p256.pem");
    several.add("public", Key::public(public).unwrap()).unwrap();
    let refused = mint(&several, &ticket(), ROOM, now());
    assert_eq!(refused, Err(MintError::NoSecret));
    let several = several.or(keys());
    assert!(several.names().eq(["public", "key"]));
    let token = mint(&several, &ticket(), ROOM, now()).unwrap();
    assert!(keys().verify(&token, ROOM, now()).is_ok());
}

#[test]
fn keys_have_one_name_each() {
    let other = || Key::secret(&SECRET.to_uppercase()).unwrap();
    let mut keys = keys();
    assert_eq!(keys.add("key", other()), Err(KeyError::Twice));
    assert_eq!(keys.add("", other()), Err(KeyError::NoName));
    // The stronger one stays where two sources have the name.
    let mut weaker = Keys::default();
    weaker.add("key", other()).unwrap();
    weaker.add("more", other()).unwrap();
    let merged = keys.or(weaker);
    assert!(merged.names().eq(["key", "more"]));
    let token = token(good().to_string());
    assert!(merged.verify(&token, ROOM, now()).is_ok());
}

#[test]
fn a_secret_is_as_long_as_its_digest() {
    let secret = "x".repeat(MIN_SECRET_BYTES);
    assert!(Key::secret(&secret).is_ok());
    let short = Key::secret(&secret[1..]);
    assert_eq!(short.map(drop), Err(KeyError::ShortSecret));
}

//! What claims come down to, and which of them are refused.

use super::*;
use crate::auth::{LEEWAY, SOURCES};
use ferrite_protocol::Source;
use ferrite_protocol::limits::MAX_NAME_BYTES;

/// The grants of good claims, with these for `video` besides.
fn granted(video: &Value) -> Grants {
    let mut claims = good();
    for (name, value) in video.as_object().unwrap() {
        claims["video"][name] = value.clone();
    }
    verify(claims.to_string()).unwrap().grants
}

#[test]
fn a_ticket_says_what_the_claims_say() {
    let said =
        changed(&json!({ "name": "Alice", "metadata": "{\"seat\":1}", "nbf": 1_999_999_990 }));
    let expected = Ticket {
        identity: "alice".to_owned(),
        name: Some("Alice".to_owned()),
        metadata: Some("{\"seat\":1}".to_owned()),
        grants: defaults(),
        max_participants: None,
        expires: at(2_000_000_100),
    };
    assert_eq!(said, Ok(expected));
}

#[test]
fn what_is_not_said_is_as_livekit_has_it() {
    assert_eq!(granted(&json!({})), defaults());
    let nothing_said = json!({
        "canPublish": null, "canSubscribe": null, "canPublishData": null, "canPublishSources": null,
        "canUpdateOwnMetadata": null, "roomAdmin": null, "roomCreate": null, "hidden": null,
    });
    assert_eq!(granted(&nothing_said), defaults());
    // Who may not publish may not send either, unless it is said.
    let silent = granted(&json!({ "canPublish": false }));
    assert!(!silent.publish && !silent.publish_data && silent.subscribe);
    assert!(granted(&json!({ "canPublish": false, "canPublishData": true })).publish_data);
}

#[test]
fn each_grant_is_one_claim() {
    let granted = granted(&json!({
        "canPublish": true, "canSubscribe": false, "canPublishData": false,
        "canPublishSources": ["microphone", "screen_share", "screen_share_audio", "camera"],
        "canUpdateOwnMetadata": true, "roomAdmin": true, "roomCreate": true, "hidden": true,
        "recorder": true, "agent": true, "canSubscribeMetrics": true, "roomList": true,
    }));
    let expected = Grants {
        publish: true,
        sources: Some(SOURCES.map(|(source, _)| source).to_vec()),
        subscribe: false,
        publish_data: false,
        update_own_metadata: true,
        admin: true,
        create: true,
        hidden: true,
    };
    assert_eq!(granted, expected);
}

#[test]
fn sources_are_all_or_those_named() {
    let may = |sources: Value| {
        let grants = granted(&json!({ "canPublishSources": sources }));
        let may = |source: &Source| grants.may_publish(*source);
        SOURCES
            .map(|(source, _)| source)
            .into_iter()
            .filter(may)
            .collect::<Vec<_>>()
    };
    assert_eq!(may(json!([])), SOURCES.map(|(source, _)| source));
    assert_eq!(may(json!(["microphone"])), [Source::Microphone]);
    let several = may(json!(["screen_share", "camera", "screen_share"]));
    assert_eq!(several, [Source::Camera, Source::Screen]);
    // Of a time to come.
    assert_eq!(may(json!(["hologram", "camera"])), [Source::Camera]);
    assert!(may(json!(["hologram"])).is_empty());
    let nothing = granted(&json!({ "canPublishSources": ["hologram"] }));
    assert_eq!((nothing.publish, nothing.publish_data), (false, true));
    let none = granted(&json!({ "canPublish": false, "canPublishSources": ["camera"] }));
    assert!(!none.may_publish(Source::Camera));
}

#[test]
fn who_has_no_keys_grants_everything_in_the_sight_of_all() {
    let all = Grants::all();
    assert!(!all.hidden && SOURCES.iter().all(|(source, _)| all.may_publish(*source)));
}

#[test]
fn times_are_taken_with_a_leeway() {
    let (exp, nbf) = (2_000_000_100, 2_000_000_050);
    let token = token(with(&json!({ "exp": exp, "nbf": nbf })).to_string());
    let when = |time| keys().verify(&token, ROOM, time).map(drop);
    let (begin, end) = (at(nbf) - LEEWAY, at(exp) + LEEWAY);
    let moment = Duration::from_nanos(1);
    assert_eq!(when(begin - moment), Err(TokenError::NotYetValid));
    assert_eq!(when(begin), Ok(()));
    assert_eq!(when(end - moment), Ok(()));
    assert_eq!(when(end), Err(TokenError::Expired));
    assert_eq!(when(SystemTime::UNIX_EPOCH), Err(TokenError::NotYetValid));
}

#[test]
fn a_time_is_a_number_that_a_clock_can_show() {
    let fraction = changed(&json!({ "exp": 2_000_000_000.5 })).unwrap();
    assert_eq!(fraction.expires, now() + Duration::from_millis(500));
    assert!(changed(&json!({ "exp": 4_102_444_800_u64 })).is_ok());
    for never in [
        json!(u64::MAX),
        json!(1e300),
        json!(-1e300),
        json!(-1),
        json!("2000000100"),
    ] {
        let refused = Err(TokenError::Malformed);
        assert_eq!(changed(&json!({ "exp": never })), refused, "{never}");
        assert_eq!(changed(&json!({ "nbf": never })), refused, "{never}");
    }
    let payload = good().to_string().replace("2000000100", "1e999");
    assert_eq!(verify(payload), Err(TokenError::Malformed));
}

#[test]
fn each_missing_or_wrong_claim_has_its_own_refusal() {
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    let long_claim = |claim| TokenError::LongClaim {
        claim,
        bytes: long.len(),
        limit: MAX_NAME_BYTES,
    };
    for (changes, error) in [
        (json!({ "iss": null }), TokenError::UnknownKey),
        (json!({ "iss": "kez" }), TokenError::UnknownKey),
        (json!({ "iss": "" }), TokenError::UnknownKey),
        (json!({ "iss": ["key"] }), TokenError::Malformed),
        (json!({ "exp": null }), TokenError::NoExpiry),
        (json!({ "exp": 1_999_999_000 }), TokenError::Expired),
        (json!({ "nbf": 2_000_000_060 }), TokenError::NotYetValid),
        (json!({ "sub": null }), TokenError::NoIdentity),
        (json!({ "sub": "" }), TokenError::NoIdentity),
        (json!({ "sub": 7 }), TokenError::Malformed),
        (json!({ "sub": long }), long_claim("sub")),
        (json!({ "name": long }), long_claim("name")),
        (json!({ "video": null }), TokenError::MayNotJoin),
        (json!({ "video": { "room": ROOM } }), TokenError::MayNotJoin),
        (
            json!({ "video": { "room": ROOM, "roomJoin": false } }),
            TokenError::MayNotJoin,
        ),
        (
            json!({ "video": { "room": ROOM, "roomJoin": 1 } }),
            TokenError::Malformed,
        ),
        (
            json!({ "video": { "room": "attic", "roomJoin": true } }),
            TokenError::OtherRoom,
        ),
        (
            json!({ "video": { "room": "HIDEOUT", "roomJoin": true } }),
            TokenError::OtherRoom,
        ),
        (
            json!({ "video": { "room": "hideout ", "roomJoin": true } }),
            TokenError::OtherRoom,
        ),
        (
            json!({ "video": { "room": "", "roomJoin": true } }),
            TokenError::OtherRoom,
        ),
        (
            json!({ "video": { "roomJoin": true } }),
            TokenError::OtherRoom,
        ),
        (json!({ "video": [] }), TokenError::Malformed),
    ] {
        assert_eq!(changed(&changes), Err(error), "{changes}");
    }
}

#[test]
fn a_claim_that_is_there_twice_is_refused() {
    for twice in [
        r#""iss":"key""#,
        r#""sub":"alice""#,
        r#""exp":2000000100"#,
        r#""roomJoin":true"#,
        r#""room":"hideout""#,
    ] {
        let payload = good().to_string();
        assert!(payload.contains(twice), "{payload}");
        let payload = payload.replace(twice, &format!("{twice},{twice}"));
        assert_eq!(verify(payload), Err(TokenError::Malformed), "{twice}");
    }
}

#[test]
fn refusals_tell_nothing_of_what_is_secret() {
    let token = token(good().to_string());
    for error in [
        keys().verify(&token, "attic", now()).unwrap_err(),
        keys().verify(&token[..20], ROOM, now()).unwrap_err(),
        keys().verify(&token, ROOM, at(3_000_000_000)).unwrap_err(),
    ] {
        let said = format!("{error} {error:?}");
        assert!(
            !said.contains(SECRET) && !said.contains("hideout"),
            "{said}"
        );
    }
    let shown = format!("{:?} {:#?}", keys(), keys());
    assert!(
        shown.contains("HS256") && !shown.contains(SECRET),
        "{shown}"
    );
    assert!(
        !shown.contains(&format!("{:?}", SECRET.as_bytes())),
        "{shown}"
    );
}

//! How many may be in a room that the bearer of a token makes.

use std::num::NonZeroU32;

use super::*;

/// What a token says with this `roomConfig`.
fn most(config: &Value) -> Result<Option<u32>, TokenError> {
    let ticket = changed(&json!({ "roomConfig": config }));
    ticket.map(|ticket| ticket.max_participants.map(NonZeroU32::get))
}

#[test]
fn a_room_has_the_limit_that_is_said() {
    for (config, expected) in [
        (json!({ "maxParticipants": 2 }), Some(2)),
        (json!({ "maxParticipants": u32::MAX }), Some(u32::MAX)),
        (json!({ "max_participants": 3 }), Some(3)),
        // LiveKit's for no limit.
        (json!({ "maxParticipants": 0 }), None),
        (json!({ "maxParticipants": null }), None),
        (
            json!({ "name": "default", "emptyTimeout": 60, "egress": {}, "tags": { "a": "b" } }),
            None,
        ),
        (json!({}), None),
        (json!(null), None),
    ] {
        assert_eq!(most(&config), Ok(expected), "{config}");
    }
    assert_eq!(changed(&json!({})).unwrap().max_participants, None);
}

#[test]
fn what_is_no_number_of_people_is_refused() {
    for bad in [
        json!(-1),
        json!(1.5),
        json!("2"),
        json!(u64::from(u32::MAX) + 1),
        json!([2]),
    ] {
        let refused = most(&json!({ "maxParticipants": bad }));
        assert_eq!(refused, Err(TokenError::Malformed), "{bad}");
    }
    assert_eq!(most(&json!("small")), Err(TokenError::Malformed));
    let twice = r#","roomConfig":{"maxParticipants":2,"maxParticipants":3}}"#;
    let payload = good().to_string();
    let payload = payload.strip_suffix('}').unwrap().to_owned() + twice;
    assert_eq!(verify(payload), Err(TokenError::Malformed));
}

//! A frame that is not a message of this version is refused with a code and a text that help its
//! sender, and that never repeat much of what was sent.

use ferrite_protocol::limits::{
    MAX_CANDIDATE_BYTES, MAX_CLIENT_BYTES, MAX_MESSAGE_BYTES, MAX_NAME_BYTES,
    MAX_RESUME_TOKEN_BYTES, MAX_ROOM_ID_BYTES,
};
use ferrite_protocol::{
    ClientMessage, DecodeError, ErrorCode, RequestId, ServerMessage, check_client_version,
    check_server_version,
};
use proptest::prelude::*;

fn refusal(text: &str) -> DecodeError {
    ClientMessage::decode(text).expect_err(text)
}

fn assert_refused(text: &str, code: ErrorCode, says: &str) {
    let error = refusal(text);
    assert_eq!(error.code(), code, "{text}");
    assert_eq!(error.to_string(), says, "{text}");
}

const CLIENT_TYPES: &str = "hello, join, authorize, update, mute, watch, pressure, say, kick, mutePublication, \
    endRoom, leave, offer, candidate, endOfCandidates, hangUp, explain, ping, pong";

#[test]
fn what_is_not_json_is_told_where_it_breaks() {
    let bad = ErrorCode::BadMessage;
    assert_refused("", bad, "not JSON: see line 1, column 0");
    assert_refused("hello", bad, "not JSON: see line 1, column 1");
    assert_refused(r#"{"type":"ping""#, bad, "not JSON: see line 1, column 14");
    assert_refused(
        r#"{"type":"dance",}"#,
        bad,
        "not JSON: see line 1, column 17",
    );
    assert_refused(
        "{\"type\":\"ping\"}\nx",
        bad,
        "not JSON: see line 2, column 1",
    );
    assert_refused("[1", bad, "not JSON: see line 1, column 2");
}

#[test]
fn what_is_not_an_object_is_told_so() {
    for text in [
        "[]",
        r#"["ping"]"#,
        "3",
        "null",
        r#""ping""#,
        " [\"ping\",null]",
    ] {
        assert_refused(text, ErrorCode::BadMessage, "not a JSON object");
    }
}

#[test]
fn an_object_without_a_type_is_told_the_types() {
    let says = format!("there is no `type`, expected one of {CLIENT_TYPES}");
    assert_refused("{}", ErrorCode::BadMessage, &says);
    assert_refused(r#"{"sdp":"v=0"}"#, ErrorCode::BadMessage, &says);
}

#[test]
fn an_unknown_type_is_named_and_shortened() {
    let unknown = ErrorCode::UnknownType;
    let says = format!("unknown type \"dance\", expected one of {CLIENT_TYPES}");
    assert_refused(r#"{"type":"dance"}"#, unknown, &says);
    // What only the server says is unknown from a client.
    assert_eq!(refusal(r#"{"type":"answer","sdp":""}"#).code(), unknown);
    let long = format!(r#"{{"type":"{}"}}"#, "é".repeat(10_000));
    let says = format!(
        "unknown type \"{}…\", expected one of {CLIENT_TYPES}",
        "é".repeat(32)
    );
    assert_refused(&long, unknown, &says);
}

#[test]
fn a_wrong_field_is_told_without_its_value() {
    let bad = ErrorCode::BadMessage;
    assert_refused(r#"{"type":"offer"}"#, bad, "offer: missing field `sdp`");
    assert_refused(
        r#"{"type":"offer","sdp":"a","sdp":"b"}"#,
        bad,
        "offer: duplicate field `sdp`",
    );
    assert_refused(
        r#"{"type":"hello","version":"10.0.0.1, expected `secret`"}"#,
        bad,
        "hello: `version` must be a whole number, not text",
    );
    assert_refused(
        r#"{"type":"hello","version":70000}"#,
        bad,
        "hello: `version` must be a whole number up to 65535",
    );
    assert_refused(
        r#"{"type":"candidate","candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host"}"#,
        bad,
        "candidate: `candidate` must be an object as `RTCIceCandidate.toJSON()` gives it, or null, not text",
    );
    assert_refused(
        r#"{"type":7}"#,
        bad,
        "message: `type` must be text, and be there once",
    );
}

#[test]
fn a_wrong_field_is_named_with_what_it_must_be() {
    for (text, says) in [
        (
            r#"{"type":"offer","id":"7","sdp":""}"#,
            "offer: `id` must be a whole number, not text",
        ),
        (
            r#"{"type":"offer","id":-1,"sdp":""}"#,
            "offer: `id` must be a whole number, not another number",
        ),
        (
            r#"{"type":"ping","id":1.5}"#,
            "ping: `id` must be a whole number, not another number",
        ),
        (
            r#"{"type":"ping","id":4294967296}"#,
            "ping: `id` must be a whole number up to 4294967295",
        ),
        (
            r#"{"type":"offer","sdp":{"type":"offer","sdp":"v=0"}}"#,
            "offer: `sdp` must be text, not an object",
        ),
        (
            r#"{"type":"join","room":["r"]}"#,
            "join: `room` must be text, not a list",
        ),
        (
            r#"{"type":"join","room":"r","name":true}"#,
            "join: `name` must be text, not true or false",
        ),
        (
            r#"{"type":"candidate","candidate":{"candidate":"","sdpMLineIndex":"0"}}"#,
            "candidate: `candidate.sdpMLineIndex` must be a whole number, not text",
        ),
        (
            r#"{"type":"candidate","candidate":{"sdpMid":"0"}}"#,
            "candidate: missing field `candidate.candidate`",
        ),
    ] {
        assert_refused(text, ErrorCode::BadMessage, says);
    }
    // However deep, wide or long what stands there is.
    let wide = format!(r#"{{"type":"offer","sdp":[{}0]}}"#, "0,".repeat(60_000));
    assert_refused(
        &wide,
        ErrorCode::BadMessage,
        "offer: `sdp` must be text, not a list",
    );
}

/// Whatever stands in a field of a message that is refused for it, the refusal names the field.
#[test]
fn every_field_is_known_by_its_name() {
    let wrong = [r#"[]"#, "true", "7.5", r#""x""#, "{}", "7"];
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let files = std::fs::read_dir(golden).unwrap();
    let files = files.map(|file| file.unwrap().path());
    let of_clients = |file: &std::path::PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy();
        name.starts_with("client.")
    };
    for file in files.filter(of_clients) {
        let message = std::fs::read_to_string(file).unwrap();
        let whole: serde_json::Value = serde_json::from_str(&message).unwrap();
        let names = whole
            .as_object()
            .unwrap()
            .keys()
            .filter(|name| *name != "type");
        for name in names {
            let mut refused = 0;
            for value in wrong {
                let mut other = whole.clone();
                other[name] = serde_json::from_str(value).unwrap();
                if let Err(error) = ClientMessage::decode(&other.to_string()) {
                    let says = error.to_string();
                    let named = says.contains(&format!("`{name}` must be"))
                        || says.contains(&format!("`{name}.candidate`"));
                    assert!(named, "{other}: {says}");
                    refused += 1;
                }
            }
            assert!(refused >= 4, "{message}: {name}");
        }
    }
}

#[test]
fn a_misspelt_candidate_ends_nothing() {
    assert_refused(
        r#"{"type":"candidate","cadnidate":null}"#,
        ErrorCode::BadMessage,
        "candidate: missing field `candidate`",
    );
    let none = ClientMessage::decode(r#"{"type":"candidate","candidate":null}"#).unwrap();
    assert_eq!(none, ClientMessage::Candidate { candidate: None });
}

#[test]
fn a_refusal_carries_the_request_id_back() {
    for text in [
        r#"{"type":"offer","id":7}"#,
        r#"{"id":7,"type":"dance"}"#,
        r#"{"id":7}"#,
    ] {
        assert_eq!(refusal(text).id, Some(RequestId(7)), "{text}");
    }
    assert_eq!(refusal(r#"{"type":"dance","id":"seven"}"#).id, None);
    let reply = refusal(r#"{"type":"offer","id":7}"#).reply();
    let says =
        r#"{"type":"error","id":7,"code":"badMessage","message":"offer: missing field `sdp`"}"#;
    assert_eq!(reply.encode(), says);
}

#[test]
fn every_text_has_a_limit() {
    let hello =
        |field: &str, text: &str| format!(r#"{{"type":"hello","version":1,"{field}":"{text}"}}"#);
    let candidate = |field: &str, text: &str| {
        let first = if field == "candidate" {
            ""
        } else {
            r#""candidate":"","#
        };
        format!(r#"{{"type":"candidate","candidate":{{{first}"{field}":"{text}"}}}}"#)
    };
    let join = |field: &str, text: &str| {
        let room = if field == "room" {
            ""
        } else {
            r#""room":"r","#
        };
        format!(r#"{{"type":"join",{room}"{field}":"{text}"}}"#)
    };
    type Write<'a> = &'a dyn Fn(&str, &str) -> String;
    let fields: [(Write<'_>, &str, usize); 7] = [
        (&hello, "client", MAX_CLIENT_BYTES),
        (&hello, "resumeToken", MAX_RESUME_TOKEN_BYTES),
        (&join, "room", MAX_ROOM_ID_BYTES),
        (&join, "name", MAX_NAME_BYTES),
        (&candidate, "candidate", MAX_CANDIDATE_BYTES),
        (&candidate, "sdpMid", MAX_CANDIDATE_BYTES),
        (&candidate, "usernameFragment", MAX_CANDIDATE_BYTES),
    ];
    for (write, field, limit) in fields {
        let longest = write(field, &"x".repeat(limit));
        assert!(ClientMessage::decode(&longest).is_ok(), "{longest}");
        let says = format!("{field} has {} bytes, the limit is {limit}", limit + 1);
        let longer = write(field, &"x".repeat(limit + 1));
        assert_refused(&longer, ErrorCode::LimitExceeded, &says);
    }
}

#[test]
fn what_passes_a_limit_is_told_the_limit() {
    let limit = ErrorCode::LimitExceeded;
    let join = |bytes| format!(r#"{{"type":"join","room":"{}"}}"#, "r".repeat(bytes));
    assert!(ClientMessage::decode(&join(MAX_ROOM_ID_BYTES)).is_ok());
    assert_refused(
        &join(MAX_ROOM_ID_BYTES + 2),
        limit,
        "room has 130 bytes, the limit is 128",
    );
    let frame = format!(
        r#"{{"type":"offer","sdp":"{}"}}"#,
        "v".repeat(MAX_MESSAGE_BYTES)
    );
    let says = format!("the frame has {} bytes, the limit is 262144", frame.len());
    assert_refused(&frame, limit, &says);
}

#[test]
fn another_version_is_told_both() {
    assert!(check_client_version(1).is_ok());
    let says = "the client speaks version 2 of the protocol, the server speaks version 1";
    assert_eq!(check_client_version(2).unwrap_err().to_string(), says);
    let says = "the client speaks version 1 of the protocol, the server speaks version 2";
    let error = check_server_version(2).unwrap_err();
    assert_eq!(error.to_string(), says);
    assert_eq!(error.code(), ErrorCode::VersionMismatch);
}

#[test]
fn a_code_of_a_later_version_is_read() {
    let message = ServerMessage::decode(r#"{"type":"error","code":"newOne","message":""}"#);
    let expected = ServerMessage::Error {
        id: None,
        code: ErrorCode::Other,
        message: String::new(),
    };
    assert_eq!(message, Ok(expected));
}

proptest! {
    #[test]
    fn no_refusal_is_long(text in r#"[\PC"\[\]{},:]{0,400}"#, name in "\\PC{0,300}") {
        let nested = serde_json::json!({"type": name, "id": text}).to_string();
        let value = serde_json::json!({"type": "hello", "version": text}).to_string();
        let field = serde_json::json!({"type": "candidate", "candidate": [text]}).to_string();
        for frame in [text, nested, value, field] {
            if let Err(error) = ClientMessage::decode(&frame) {
                prop_assert!(error.to_string().len() < 600, "{}", error);
            }
            if let Err(error) = ServerMessage::decode(&frame) {
                prop_assert!(error.to_string().len() < 600, "{}", error);
            }
        }
    }
}

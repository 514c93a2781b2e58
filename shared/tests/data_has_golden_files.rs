//! The messages on data channels as bytes: each kind has files in `tests/golden_data` that show it as it
//! travels, `PROTOCOL.md` shows the same bytes, and what is no message is refused for what is wrong with it.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;

use ferrite_protocol::limits::{MAX_DATA_BYTES, MAX_KEY_BYTES, MAX_NAME_BYTES};
use ferrite_protocol::{ClientData, Count, DataError, ServerData};
use proptest::prelude::*;

const PAGE: &str = include_str!("../PROTOCOL.md");

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden_data")
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(format!("{name}.bin"))).unwrap()
}

fn client_messages() -> [(&'static str, ClientData<'static>); 3] {
    let message = |to, topic, payload| ClientData { to, topic, payload };
    [
        ("client.all", message(None, "cursor", &[0x00, 0xff])),
        (
            "client.some",
            message(Some(vec!["p1", "Zoë"]), "cursor", &[7]),
        ),
        ("client.least", message(None, "", &[])),
    ]
}

fn server_messages() -> [(&'static str, ServerData<'static>); 3] {
    let message = |is_private, topic, payload| ServerData {
        from: "p2",
        is_private,
        topic,
        payload,
    };
    [
        ("server.all", message(false, "cursor", &[0x00, 0xff])),
        ("server.some", message(true, "cursor", &[7])),
        ("server.least", message(false, "", &[])),
    ]
}

fn counts() -> [(&'static str, Count); 2] {
    [
        ("count.received", Count::Received(300)),
        ("count.next", Count::Next(1)),
    ]
}

#[test]
fn what_both_count_is_what_it_was_and_nothing_else_is_taken_for_it() {
    for (name, count) in counts() {
        let bytes = golden(name);
        assert_eq!(count.encode().as_slice(), bytes, "{name}");
        assert_eq!(Count::decode(&bytes), Ok(Some(count)), "{name}");
        for length in 2..bytes.len() {
            assert_eq!(Count::decode(&bytes[..length]), Err(DataError::Short));
        }
        let longer = Count::decode(&[&bytes[..], &[7]].concat());
        assert!(matches!(longer, Err(DataError::TooLong { .. })));
        let kind = bytes[1];
        assert_eq!(ClientData::decode(&bytes), Err(DataError::Kind(kind)));
        assert_eq!(ServerData::decode(&bytes), Err(DataError::Kind(kind)));
    }
    for (name, _) in client_messages() {
        assert_eq!(Count::decode(&golden(name)), Ok(None), "{name}");
    }
    for (name, _) in server_messages() {
        assert_eq!(Count::decode(&golden(name)), Ok(None), "{name}");
    }
    assert_eq!(Count::decode(&[]), Ok(None));
    assert_eq!(Count::decode(&[2, 5]), Ok(None));
}

#[test]
fn what_a_client_sends_is_what_it_was() {
    for (name, message) in client_messages() {
        assert_eq!(message.encode().unwrap(), golden(name), "{name}");
        assert_eq!(ClientData::decode(&golden(name)), Ok(message), "{name}");
    }
}

#[test]
fn what_a_server_sends_is_what_it_was() {
    for (name, message) in server_messages() {
        assert_eq!(message.encode().unwrap(), golden(name), "{name}");
        assert_eq!(ServerData::decode(&golden(name)), Ok(message), "{name}");
    }
}

#[test]
fn each_file_is_read_by_a_test_and_shown_on_the_page() {
    let client = client_messages().map(|(name, _)| name);
    let server = server_messages().map(|(name, _)| name);
    let counts = counts().map(|(name, _)| name);
    let names: BTreeSet<_> = client.into_iter().chain(server).chain(counts).collect();
    let files = std::fs::read_dir(folder()).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    // Those have a test of their own.
    let files = files.filter(|name| !name.starts_with("file."));
    let expected: BTreeSet<_> = names.iter().map(|name| format!("{name}.bin")).collect();
    assert_eq!(files.collect::<BTreeSet<_>>(), expected);
    for name in names {
        let bytes = golden(name);
        let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let row = format!(
            "| [`{name}`](tests/golden_data/{name}.bin) | `{}` |",
            bytes.join(" ")
        );
        assert!(PAGE.contains(&row), "{row}");
    }
}

#[test]
fn what_is_no_message_is_refused_for_what_is_wrong_with_it() {
    for (bytes, error) in [
        (&[][..], DataError::Short),
        (&[1], DataError::Short),
        (&[2, 1, 0], DataError::Version(2)),
        (&[1, 0, 0], DataError::Kind(0)),
        // What a server sends.
        (&[1, 3, 2, b'p', b'2', 0], DataError::Kind(3)),
        (&[1, 1], DataError::Short),
        (&[1, 1, 3, b'a', b'b'], DataError::Short),
        (&[1, 1, 1, 0xff], DataError::NotUtf8),
        (&[1, 2, 0, 0], DataError::NoRecipient),
        (&[1, 2, 2, 1, b'a'], DataError::Short),
        (
            &[1, 1, 65],
            DataError::TooLong {
                what: "the topic",
                bytes: 65,
                limit: MAX_KEY_BYTES,
            },
        ),
        (
            &[1, 2, 1, 129],
            DataError::TooLong {
                what: "a name",
                bytes: 129,
                limit: MAX_NAME_BYTES,
            },
        ),
    ] {
        assert_eq!(ClientData::decode(bytes), Err(error), "{bytes:?}");
    }
    assert_eq!(ServerData::decode(&[1, 1, 0]), Err(DataError::Kind(1)));
}

#[test]
fn the_longest_there_may_be_fits_into_64_kib_and_no_longer_one_is_written_or_read() {
    let name = "n".repeat(MAX_NAME_BYTES);
    let topic = "t".repeat(MAX_KEY_BYTES);
    let payload = vec![7; MAX_DATA_BYTES + 1];
    let longest = ServerData {
        from: &name,
        is_private: true,
        topic: &topic,
        payload: &payload[1..],
    };
    let bytes = longest.encode().unwrap();
    assert!(bytes.len() <= 64 * 1024);
    assert_eq!(ServerData::decode(&bytes), Ok(longest));
    let too_long = DataError::TooLong {
        what: "the payload",
        bytes: payload.len(),
        limit: MAX_DATA_BYTES,
    };
    let (payload, from) = (&payload[..], &name[..]);
    let longer = ServerData { payload, ..longest };
    assert_eq!(longer.encode(), Err(too_long));
    assert_eq!(
        ServerData::decode(&[&bytes[..], &[7]].concat()),
        Err(too_long)
    );
    let nobody = ClientData {
        to: Some(Vec::new()),
        topic: from,
        payload: &[],
    };
    assert_eq!(nobody.encode(), Err(DataError::NoRecipient));
    let many = ClientData {
        to: Some(vec!["p"; 256]),
        ..nobody
    };
    assert_eq!(many.encode(), Err(DataError::TooManyRecipients));
}

proptest! {
    #[test]
    fn whatever_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let bytes = [&[1, bytes.first().map_or(1, |byte| 1 + byte % 4)], &bytes[..]].concat();
        if let Ok(message) = ClientData::decode(&bytes) {
            prop_assert_eq!(message.encode().unwrap(), &bytes[..]);
        }
        if let Ok(message) = ServerData::decode(&bytes) {
            prop_assert_eq!(message.encode().unwrap(), &bytes[..]);
        }
    }
}

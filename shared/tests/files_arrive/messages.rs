//! The messages, to the byte.

use ferrite_protocol::file::{
    CHUNK_BYTES, CancelReason, FileError, FileId, FileMessage, Sending, Step,
};
use proptest::prelude::*;

use super::ID;

fn messages() -> [(&'static str, FileMessage<'static>); 8] {
    let file = FileId(0x0102_0304_0506_0708);
    [
        (
            "offer",
            FileMessage::Offer {
                file,
                size: 300,
                name: "Tee.txt",
                topic: "",
            },
        ),
        (
            "offerAbout",
            FileMessage::Offer {
                file,
                size: 300,
                name: "Tee.txt",
                topic: "recipe",
            },
        ),
        ("accept", FileMessage::Accept { file, offset: 256 }),
        (
            "chunk",
            FileMessage::Chunk {
                file,
                offset: 256,
                bytes: &[0xaa, 0xbb],
            },
        ),
        (
            "progress",
            FileMessage::Progress {
                file,
                received: 258,
            },
        ),
        (
            "done",
            FileMessage::Done {
                file,
                sha256: std::array::from_fn(|at| at as u8),
            },
        ),
        ("verified", FileMessage::Verified { file }),
        (
            "cancel",
            FileMessage::Cancel {
                file,
                reason: CancelReason::Stopped,
            },
        ),
    ]
}

#[test]
fn the_messages_are_what_they_were_and_the_page_shows_them() {
    let page = include_str!("../../PROTOCOL.md");
    for (name, message) in messages() {
        let bytes = message.encode();
        assert_eq!(FileMessage::decode(&bytes), Ok(message), "{name}");
        let path = format!(
            "{}/tests/golden_data/file.{name}.bin",
            env!("CARGO_MANIFEST_DIR")
        );
        assert_eq!(std::fs::read(path).unwrap(), bytes, "{name}");
        let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let bytes = bytes.join(" ");
        let row = format!("| [`{name}`](tests/golden_data/file.{name}.bin) | `{bytes}` |");
        assert!(page.contains(&row), "{row}");
    }
}

#[test]
fn a_topic_is_said_with_each_offer_and_no_longer_than_it_may_be() {
    let long = "\u{e9}".repeat(40);
    for (topic, expected) in [("", ""), ("recipe", "recipe"), (&long, &long[..64])] {
        let mut sending = Sending::new(ID, 3, "Tee.txt").about(topic);
        for _ in 0..2 {
            let Some(Step::Send(message)) = sending.step(true) else {
                panic!("no offer");
            };
            let Ok(FileMessage::Offer { topic, name, .. }) = FileMessage::decode(&message) else {
                panic!("not that");
            };
            assert_eq!((topic, name), (expected, "Tee.txt"));
            assert_eq!(sending.step(true), None);
            sending.reconnected();
        }
    }
    let head = [&[1][..], &[0; 16]].concat();
    for topic in [&[][..], &[0xff], &[b'x'; 65]] {
        let bytes = [&head[..], b"tea\0", topic].concat();
        assert_eq!(FileMessage::decode(&bytes), Err(FileError::Topic));
    }
}

#[test]
fn what_is_no_message_about_a_file_is_refused() {
    let id = [0; 8];
    for (bytes, error) in [
        (vec![], FileError::Length),
        (vec![1, 2, 3], FileError::Length),
        ([&[9][..], &id].concat(), FileError::Kind(9)),
        ([&[2][..], &id, &[0; 7]].concat(), FileError::Length),
        ([&[3][..], &id, &[0; 8]].concat(), FileError::Length),
        (
            [&[3][..], &id, &[0; 8 + CHUNK_BYTES + 1]].concat(),
            FileError::Length,
        ),
        ([&[6][..], &id, &[0]].concat(), FileError::Length),
        ([&[1][..], &id, &[0; 8]].concat(), FileError::Name),
        ([&[1][..], &id, &[0; 8], b"../x"].concat(), FileError::Name),
        ([&[1][..], &id, &[0; 8], b"\xff"].concat(), FileError::Name),
    ] {
        assert_eq!(FileMessage::decode(&bytes), Err(error), "{bytes:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whatever_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let mut bytes = bytes;
        if let Some(kind) = bytes.first_mut() {
            *kind = 1 + *kind % 7;
        }
        if let Ok(message) = FileMessage::decode(&bytes)
            && !matches!(message, FileMessage::Cancel { .. })
        {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}

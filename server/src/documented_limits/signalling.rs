//! What clients say, and what rooms and sessions there are.

use ferrite_protocol::limits::{
    MAX_CANDIDATE_BYTES, MAX_CLIENT_BYTES, MAX_DATA_BYTES, MAX_KEY_BYTES, MAX_LOSSY_BYTES,
    MAX_MESSAGE_BYTES, MAX_METADATA_BYTES, MAX_NAME_BYTES, MAX_RECIPIENTS, MAX_RESUME_TOKEN_BYTES,
    MAX_ROOM_ID_BYTES, MAX_TEXT_BYTES,
};

use super::{Row, kib, mib, ms, n, s};
use crate::Config;
use crate::auth;
use crate::http::{door, serve};
use crate::media::ceilings;
use crate::media::shard::{gatherings, mailbox, talking};
use crate::room;
use crate::signalling::{self, EXPLANATIONS, GLIMPSES, OFFERS, metered};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Vec<Row> {
    let limits = Config::default().limits;
    let for_name = [
        MAX_NAME_BYTES,
        MAX_ROOM_ID_BYTES,
        MAX_CLIENT_BYTES,
        MAX_RESUME_TOKEN_BYTES,
    ];
    assert!(for_name.iter().all(|bytes| *bytes == MAX_NAME_BYTES));
    let sessions = limits.sessions_per_address;
    let of_address = signalling::offers_of_address(sessions).unwrap();
    vec![
        (
            "frame on a WebSocket",
            vec![kib(MAX_MESSAGE_BYTES), kib(signalling::READ_LIMIT)],
        ),
        (
            "first message on",
            vec![
                kib(metered::FIRST_MESSAGE_BYTES),
                n(metered::LONG_FIRST_MESSAGES, " are read"),
                s(metered::LONG_FIRST_MESSAGE_TIME),
            ],
        ),
        (
            "frames of a client",
            vec![
                n(limits.message_rate, " a second"),
                n(signalling::BURST_SECONDS, " seconds'"),
            ],
        ),
        (
            "offers of a session",
            vec![n(OFFERS.0, " a second"), n(OFFERS.1, " at once")],
        ),
        (
            "offers of an address",
            vec![n(of_address.0, " a second"), n(of_address.1, " at once")],
        ),
        (
            "questions of an address",
            vec![n(GLIMPSES.0, " a second"), n(GLIMPSES.1, " at once")],
        ),
        (
            "explanations of a session",
            vec![
                n(EXPLANATIONS.0, " a second"),
                n(EXPLANATIONS.1, " at once"),
            ],
        ),
        ("name of a room", vec![n(MAX_NAME_BYTES, " bytes")]),
        (
            "token ",
            vec![kib(auth::MAX_TOKEN_BYTES), n(MAX_NAME_BYTES, " bytes")],
        ),
        ("rooms", vec![n(limits.rooms, " (")]),
        (
            "publications of a participant",
            vec![n(limits.publications, " (")],
        ),
        (
            "publications of a room",
            vec![n(limits.room_publications, " (")],
        ),
        (
            "what a member sends",
            vec![
                n(ceilings::MIN_UPLOAD / 1000, " at least"),
                n(ceilings::TOLERANCE, " times"),
                s(ceilings::BURST),
                n(ceilings::MIN_BURST / 1000, " kB"),
                s(ceilings::REFUSAL),
            ],
        ),
        ("metadata of", vec![kib(MAX_METADATA_BYTES)]),
        (
            "text said",
            vec![kib(MAX_TEXT_BYTES), n(MAX_KEY_BYTES, " bytes")],
        ),
        ("recipients", vec![n(MAX_RECIPIENTS, "")]),
        (
            "payload of a message",
            vec![kib(MAX_DATA_BYTES), kib(MAX_LOSSY_BYTES), n(u8::MAX, " |")],
        ),
        (
            "reliable messages of",
            vec![
                n(signalling::MESSAGES.0, " a second"),
                n(signalling::MESSAGES.1, " at once"),
                kib(signalling::COUNTED_BYTES),
                kib(talking::MAX_UNHEARD),
            ],
        ),
        (
            "lossy messages of",
            vec![
                n(talking::LOSSY_RATE.0, " a second"),
                n(talking::LOSSY_RATE.1, " at once"),
                n(talking::LOSSY_RECEIVERS, " others"),
            ],
        ),
        (
            "reliable messages waiting",
            vec![
                kib(signalling::BATCH_BYTES),
                kib(talking::MAX_RELIABLE_UNDER_WAY),
                n(room::MAX_WAITING, " messages"),
                mib(room::MAX_WAITING_BYTES),
                kib(room::LEAST_WAITING_BYTES),
                mib(room::WAITING_BUDGET),
            ],
        ),
        (
            "lossy messages waiting for",
            vec![
                kib(talking::MAX_LOSSY_UNDER_WAY),
                n(talking::MAX_LOSSY_WAITING.0, " messages"),
                kib(talking::MAX_LOSSY_WAITING.1),
            ],
        ),
        (
            "lossy messages waiting on",
            vec![
                n(gatherings::MAX_RECEIVERS, " members"),
                n(gatherings::MAX_GIVEN, " messages"),
                n(mailbox::MAX_LOSSY, ";"),
                n(gatherings::MAX_WAITING, " |"),
            ],
        ),
        (
            "what was said",
            vec![n(room::MAX_MESSAGES, " messages"), kib(room::MAX_BYTES)],
        ),
        (
            "the chat",
            vec![n(room::MAX_CHAT, " messages"), kib(room::MAX_CHAT_BYTES)],
        ),
        ("candidate ", vec![n(MAX_CANDIDATE_BYTES, " bytes")]),
        ("sessions, waiting", vec![n(limits.sessions, " (")]),
        (
            "sessions of an address",
            vec![n(limits.sessions_per_address, " (")],
        ),
        (
            "WebSockets of an address",
            vec![n(signalling::WEBSOCKETS_PER_SESSION, " for each session")],
        ),
        (
            "WebSockets |",
            vec![n(signalling::SPARE_PLACES, " more than sessions")],
        ),
        (
            "HTTP and HTTPS connections",
            vec![
                n(door::MAX_CONNECTIONS, ","),
                n(door::MAX_CONNECTIONS_PER_ADDRESS, " of one address"),
            ],
        ),
        ("handshake of TLS", vec![s(serve::HEADER_TIMEOUT)]),
        (
            "handshakes of TLS",
            vec![
                n(serve::HANDSHAKES.0, " a second"),
                n(serve::HANDSHAKES.1, " at once"),
            ],
        ),
        ("participants of a room", vec![n(limits.participants, " (")]),
        (
            "what changes in a room",
            vec![
                n(room::AT_ONCE, ";"),
                ms(room::LONGEST_GATHER),
                ms(room::LONGEST_COMING),
            ],
        ),
        (
            "departures of a room",
            vec![n(room::MAX_DEPARTURES, " at once")],
        ),
    ]
}

//! The table in `server/docs/limits.md` says what the constants say.

use std::fmt::Display;
use std::time::Duration;

use ferrite_protocol::limits::{
    MAX_CANDIDATE_BYTES, MAX_CLIENT_BYTES, MAX_DATA_BYTES, MAX_KEY_BYTES, MAX_LOSSY_BYTES,
    MAX_MESSAGE_BYTES, MAX_METADATA_BYTES, MAX_NAME_BYTES, MAX_RECIPIENTS, MAX_RESUME_TOKEN_BYTES,
    MAX_ROOM_ID_BYTES, MAX_TEXT_BYTES,
};

use crate::Config;
use crate::auth;
use crate::calling;
use crate::congestion;
use crate::http::{door, serve, turn_api};
use crate::ledger::{book, keeper, projects};
use crate::media::ceilings;
use crate::media::forward::lead_in;
use crate::media::ingest::{loss, table};
use crate::media::net::dtls::{gate, hello, server as dtls_server};
use crate::media::net::relayed::{
    allocation as relay_allocation, channels, client, permissions, request,
};
use crate::media::net::{budget, framing, tcp};
use crate::media::peer::streams;
use crate::media::rtp::{dependency, spatial};
use crate::media::shard::{allocated, gatherings, mailbox, moves, receive, talking};
use crate::media::transport::{dtls, ice, srtp};
use crate::media::{MAX_MESSAGE_SIZE, data, egress, peer, sdp};
use crate::provider;
use crate::rate;
use crate::room;
use crate::signalling::{self, EXPLANATIONS, GLIMPSES, OFFERS, metered};
use crate::traces;
use crate::turn::{
    self, allocation, attempts, bandwidth, carrying, connections, mobility, names, nonce, quota,
    server, sharing, tenancy,
};
use crate::webhook;

const LIMITS: &str = include_str!("../docs/limits.md");

fn kib(bytes: usize) -> String {
    format!("{} KiB", bytes / 1024)
}

fn mib(bytes: usize) -> String {
    format!("{} MiB", bytes / 1024 / 1024)
}

fn s(time: Duration) -> String {
    format!("{} s", time.as_secs())
}

fn ms(time: Duration) -> String {
    format!("{} ms", time.as_millis())
}

/// Something before and after a number, so that it is not a part of another.
fn n(number: impl Display, unit: &str) -> String {
    format!("{number}{unit}")
}

/// What each row has to say, in this order.
#[expect(clippy::too_many_lines, reason = "a table")]
fn rows() -> Vec<(&'static str, Vec<String>)> {
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
            "offer ",
            vec![
                n(sdp::MAX_SECTIONS, " sections"),
                n(sdp::MAX_ATTRIBUTES, " attributes"),
                n(sdp::MAX_FORMATS, " formats"),
                n(sdp::MAX_SSRCS, " SSRCs"),
                n(sdp::MAX_LINE_BYTES, " bytes a line"),
            ],
        ),
        ("simulcast layers", vec![n(sdp::MAX_LAYERS, " |")]),
        (
            "temporal layers told apart",
            vec![
                n(congestion::ALL_TEMPORAL + 1, ";"),
                n(dependency::MAX_TEMPLATES, " |"),
            ],
        ),
        (
            "spatial layers of a stream",
            vec![n(spatial::MAX_SPATIAL, " |")],
        ),
        (
            "a picture that was lowered",
            vec![s(congestion::MAX_HOLD), s(congestion::MAX_PAUSED_HOLD)],
        ),
        (
            "peer without a connection",
            vec![
                s(ice::CONSENT_EXPIRES_AFTER) + " for its first check",
                s(dtls::HANDSHAKE_TIMEOUT) + " from there",
            ],
        ),
        (
            "DTLS handshake",
            vec![n(gate::MAX_FRAGMENTS, " fragments"), kib(gate::MAX_BYTES)],
        ),
        ("paths of a peer", vec![n(ice::MAX_PAIRS, " |")]),
        ("datagram,", vec![n(receive::MAX_DATAGRAM, " bytes")]),
        (
            "moves of a peer",
            vec![
                n(moves::MOVES_AT_ONCE, " one after the other"),
                s(moves::MOVE_EVERY),
            ],
        ),
        ("datagrams waiting", vec![n(mailbox::MAX_DATAGRAMS, " |")]),
        (
            "packets of media waiting",
            vec![n(mailbox::MAX_MEDIA, " |")],
        ),
        (
            "sent over a path",
            vec![
                s(ice::CONSENT_EXPIRES_AFTER),
                n(ice::MAX_AMPLIFICATION, " times"),
            ],
        ),
        ("checks of ours", vec![n(ice::MAX_CHECKS, " |")]),
        ("attributes of a STUN", vec![n(ice::MAX_ATTRIBUTES, " |")]),
        (
            "SSRCs received",
            vec![
                n(srtp::MAX_SSRCS, " at a time"),
                n(table::MAX_INGESTS, " streams"),
                n(srtp::MAX_SSRCS_IN_LIFE, " in the life"),
                n(srtp::MAX_LIBRARY_SSRCS, " without"),
            ],
        ),
        (
            "what one RTCP datagram",
            vec![
                n(streams::MAX_RETRANSMISSIONS, " retransmissions"),
                n(streams::MAX_ASKED, " entries"),
            ],
        ),
        (
            "packets sent to a peer",
            vec![congestion::MAX_SENT.to_string(), s(congestion::MAX_AGE)],
        ),
        (
            "estimate of a peer's own",
            vec![
                n(congestion::MIN_RATE / 1e3, " kbit/s"),
                n(congestion::MAX_RATE / 1e6, " Mbit/s"),
                s(congestion::MAX_SILENCE),
            ],
        ),
        (
            "padding to that estimate",
            vec![
                n(congestion::MAX_PROBE / 1e6, " Mbit/s"),
                n(congestion::MAX_BURST, " bytes"),
                s(congestion::FILL_PATIENCE),
                n(congestion::FILL_INTERVAL.as_secs(), " to "),
                s(congestion::MAX_FILL_INTERVAL),
            ],
        ),
        (
            "pictures that wait",
            vec![
                ms(congestion::MAX_DELAY),
                kib(congestion::MAX_BYTES),
                n(congestion::MAX_PACKETS, " packets"),
            ],
        ),
        (
            "trace of congestion",
            vec![
                kib(congestion::trace::BLOCK),
                mib(congestion::trace::MAX_TRACE),
                n(traces::MAX_WAITING, " of all traces"),
            ],
        ),
        ("traces of one start", vec![n(traces::MAX_FILES, "")]),
        (
            "probes of a path",
            vec![
                n(congestion::MAX_PROBE / 1e6, " Mbit/s"),
                ms(congestion::CLUSTER_TIME),
                ms(congestion::MAX_CLUSTER_TIME),
                s(congestion::MAX_WAIT),
            ],
        ),
        (
            "packets asked for again",
            vec![
                n(loss::MAX_MISSING, " of a stream"),
                n(streams::MAX_REQUESTS, " of a peer"),
            ],
        ),
        ("SSRCs sent", vec![n(srtp::MAX_SENT_SSRCS, " |")]),
        (
            "sound kept to be sent ahead",
            vec![
                n(lead_in::MAX_PACKETS, " packets"),
                kib(lead_in::MAX_BYTES),
                ms(lead_in::LEAD_IN),
            ],
        ),
        (
            "speakers told of",
            vec![
                n(room::MAX_SPEAKERS, ";"),
                ms(signalling::SPEAKING_INTERVAL),
            ],
        ),
        (
            "packets kept",
            vec![
                n(egress::MAX_HISTORY, " a stream"),
                ms(egress::HISTORY_SPAN),
                ms(egress::UNKNOWN_SPAN),
            ],
        ),
        ("data channels", vec![n(data::MAX_CHANNELS, " |")]),
        ("SCTP streams", vec![n(data::MAX_STREAMS, " |")]),
        (
            "message on a data channel",
            vec![kib(MAX_MESSAGE_SIZE as usize)],
        ),
        (
            "unacknowledged data",
            vec![mib(data::HIGH_WATER), mib(data::SEND_LIMIT)],
        ),
        (
            "data from a peer, unread",
            vec![
                kib(data::INITIAL_WINDOW),
                mib(data::RECEIVE_WINDOW as usize),
            ],
        ),
        (
            "data, unsent bytes and waiting",
            vec![
                mib(budget::SHARD_BUDGET),
                kib(data::INITIAL_WINDOW) + " unread",
                kib(data::LEAST_HIGH_WATER) + " unacknowledged",
                kib(framing::CONGESTED_FROM) + " unsent",
            ],
        ),
        (
            "data from a peer while nothing",
            vec![mib(peer::MAX_UNANSWERED)],
        ),
        (
            "associations of DTLS of a media",
            vec![
                n(dtls_server::MAX_ASSOCIATIONS, ", of which"),
                n(dtls_server::MAX_PER_ADDRESS, " of one"),
            ],
        ),
        (
            "handshakes of DTLS at `--turns-port` under",
            vec![
                n(dtls_server::MAX_HANDSHAKES, ", of which"),
                n(dtls_server::MAX_HANDSHAKES_PER_ADDRESS, " of one"),
                s(dtls_server::HANDSHAKE_TIME),
            ],
        ),
        (
            "handshakes of DTLS at `--turns-port` of an address",
            vec![
                n(dtls_server::HANDSHAKES.0, " a second"),
                n(dtls_server::HANDSHAKES.1, " at once"),
            ],
        ),
        (
            "handshakes of DTLS at `--turns-port` of all",
            vec![
                n(dtls_server::ALL_HANDSHAKES.0, " a second"),
                n(dtls_server::ALL_HANDSHAKES.1, " at once"),
                n(dtls_server::MAX_BEGUN, " begin"),
                n(dtls_server::MAX_STEPS, " datagrams"),
            ],
        ),
        (
            "what a handshake of DTLS keeps",
            vec![n(gate::MAX_FRAGMENTS, " fragments"), kib(gate::MAX_BYTES)],
        ),
        ("cookie of a ClientHello", vec![s(hello::COOKIE_LIFETIME)]),
        ("association of DTLS without", vec![s(dtls_server::SILENCE)]),
        (
            "ICE-TCP and TURN connections",
            vec![
                n(tcp::MAX_CONNECTIONS, ","),
                n(tcp::MAX_PER_ADDRESS, " of one address"),
            ],
        ),
        (
            "ICE-TCP connection without",
            vec![s(tcp::INTRODUCTION) + " before", s(tcp::SILENCE) + " after"],
        ),
        (
            "unsent bytes",
            vec![
                kib(framing::CONGESTED_FROM),
                kib(framing::MAX_QUEUED),
                ms(peer::AUDIO_LIFETIME),
            ],
        ),
        (
            "answers of a media thread",
            vec![
                n(server::ANSWERS, " a second"),
                n(server::ANSWERS_AT_ONCE, " at once"),
                n(rate::MAX_SOURCES, " sources"),
            ],
        ),
        ("nonce of", vec![n(nonce::NONCE_LIFETIME, " s,")]),
        (
            "relays of a user",
            vec![n(quota::MAX_PER_USER, ";"), n(quota::MAX_PER_STORED, " ")],
        ),
        ("relays of a source", vec![n(quota::MAX_PER_SOURCE, " |")]),
        (
            "what all relays of a credential carry",
            vec![
                n(bandwidth::BURST.as_millis(), " ms'"),
                kib(bandwidth::LEAST_BURST),
                n(bandwidth::DEBT.as_secs(), " s more"),
            ],
        ),
        ("ports tried for", vec![n(turn::MAX_TRIES, " |")]),
        (
            "relay |",
            vec![s(allocation::DEFAULT_LIFETIME), s(allocation::MAX_LIFETIME)],
        ),
        ("ticket of a relay", vec![s(mobility::USED_TICKET)]),
        (
            "peers' addresses",
            vec![
                n(allocation::MAX_PERMISSIONS, ","),
                s(allocation::PERMISSION_LIFETIME),
            ],
        ),
        (
            "channels of a relay",
            vec![
                n(allocation::MAX_CHANNELS, ","),
                s(allocation::CHANNEL_LIFETIME),
            ],
        ),
        (
            "peers that a relay at a port",
            vec![
                n(tenancy::MAX_CLAIMS, ";"),
                n(sharing::MAX_ENTRIES, " of either"),
                n(sharing::MAX_PER_USER, " of a user"),
                n(sharing::MAX_PER_STORED, " of a stored"),
                n(sharing::MAX_PER_SOURCE, " of a source"),
                n(names::MAX_NAMES, " and"),
                n(names::MAX_OF_ALL, " |"),
            ],
        ),
        (
            "connections of a relay of TCP;",
            vec![
                n(connections::MAX_PER_RELAY, ","),
                n(connections::MAX_ARRIVED, " that peers"),
                n(connections::MAX_PER_USER, ","),
                n(connections::MAX_PER_STORED, " with"),
                n(connections::MAX_PER_SOURCE, ";"),
                n(connections::MAX_CONNECTIONS, " |"),
            ],
        ),
        (
            "connections that the relays of a source try",
            vec![
                n(connections::ATTEMPTS.0, " a second"),
                n(connections::ATTEMPTS.1, " at once"),
                n(connections::ATTEMPTS_OF_STORED.0, " and"),
                n(connections::ATTEMPTS_OF_STORED.1, " with"),
                s(connections::PATIENCE),
                n(attempts::MAX_USERS, " names"),
            ],
        ),
        (
            "connections of peers that a relay of TCP takes",
            vec![
                n(connections::ARRIVALS.0, " a second"),
                n(connections::ARRIVALS.1, " at once"),
                n(turn::streams::MAX_HEARD, " in one turn"),
                n(turn::streams::MAX_ACCEPTS, " of one relay"),
            ],
        ),
        (
            "silence of a connection of a relay of TCP",
            vec![s(carrying::LAST_SILENCE), s(carrying::GONE)],
        ),
        (
            "connection of a relay of TCP that waits",
            vec![
                s(connections::UNBOUND),
                n(server::ANSWERS, " a second"),
                n(server::ANSWERS_AT_ONCE, " at once"),
            ],
        ),
        (
            "what a connection of a relay of TCP",
            vec![kib(carrying::SOCKET_BUFFER), kib(carrying::BUFFER)],
        ),
        (
            "addresses that a TURN server",
            vec![
                n(permissions::MAX_OF_PEER, " of a client"),
                n(permissions::MAX_OF_SITE, " that the clients of one"),
                n(permissions::MAX_OF_NETWORK, " those of one IPv6"),
                n(permissions::MAX_NAMED, " that are only named"),
                n(permissions::MAX_PERMISSIONS, " in all"),
                s(permissions::REMEMBERED),
            ],
        ),
        (
            "peers that have a channel there",
            vec![
                n(channels::MAX_CHANNELS, ";"),
                n(relay_allocation::MAX_REQUESTS, " |"),
                s(relay_allocation::AGAIN),
            ],
        ),
        (
            "TURN servers of the settings",
            vec![n(client::MAX_SERVERS, " |")],
        ),
        (
            "unsent bytes of a connection to one",
            vec![kib(framing::MAX_QUEUED), ms(allocated::STALE)],
        ),
        (
            "silence of such a server",
            vec![
                s(request::PATIENCE),
                n(request::SENDS, " times"),
                s(relay_allocation::KEEP_ALIVE),
                s(relay_allocation::SILENCE),
                s(client::PAUSES[0]),
                s(client::PAUSES[1]),
                s(client::STEADY),
            ],
        ),
        ("port kept", vec![s(server::RESERVED_FOR)]),
        (
            "calls of the REST API of an address",
            vec![
                n(turn_api::CALLS.0, " a second"),
                n(turn_api::CALLS.1, " at once"),
            ],
        ),
        (
            "body of such a call",
            vec![kib(turn_api::MAX_BODY), s(turn_api::BODY_TIME)],
        ),
        ("calls that wait", vec![n(keeper::MAX_WAITING, " |")]),
        (
            "stored credentials",
            vec![
                n(book::MAX_CREDENTIALS, ";"),
                n(turn_api::MAX_LABEL, " bytes"),
            ],
        ),
        (
            "projects;",
            vec![
                n(projects::MAX_PROJECTS, ";"),
                n(turn_api::MAX_NAME - 1, " characters"),
                n(turn_api::MAX_URL, " bytes"),
                n(turn_api::MAX_EMAILS.0, " addresses"),
                n(turn_api::MAX_EMAILS.1, " bytes"),
            ],
        ),
        (
            "credentials of a project",
            vec![n(projects::MAX_OF_PROJECT, " |")],
        ),
        ("notices of a project", vec![n(projects::MAX_NOTICES, " |")]),
        (
            "calls of webhooks",
            vec![
                n(webhook::MAX_AT_ONCE, " at a time"),
                s(calling::PATIENCE),
                n(webhook::MAX_TRIES, " tries"),
                s(webhook::LONGEST_WAIT),
            ],
        ),
        (
            "what a provider's answer has",
            vec![
                n(provider::MAX_BYTES, " bytes"),
                n(provider::MAX_URLS, " URLs"),
                s(calling::PATIENCE),
            ],
        ),
        ("least quota", vec![n(turn_api::LEAST_QUOTA, " bytes")]),
        (
            "days of usage",
            vec![n(book::DAYS_KEPT, " "), n(book::USER_DAYS_KEPT, " ")],
        ),
        ("usage that a killed", vec![s(keeper::LOST_AT_MOST)]),
    ]
}

#[test]
fn the_table_of_limits_says_what_the_code_does() {
    let table: Vec<_> = LIMITS
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    for (begin, numbers) in rows() {
        let row = table.iter().find(|row| row[2..].starts_with(begin));
        let mut rest = *row.unwrap_or_else(|| panic!("no row {begin}"));
        for number in numbers {
            let (before, after) = rest
                .split_once(&number)
                .unwrap_or_else(|| panic!("no {number} in the row {begin}"));
            assert!(!before.ends_with(|c: char| c.is_ascii_digit()), "{number}");
            rest = after;
        }
    }
}

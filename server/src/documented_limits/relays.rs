//! Connections and relays.

use super::{Row, kib, ms, n, s};
use crate::media::net::dtls::{gate, hello, server as dtls_server};
use crate::media::net::relayed::{
    allocation as relay_allocation, channels, client, permissions, request,
};
use crate::media::net::{framing, tcp};
use crate::media::peer;
use crate::media::shard::allocated;
use crate::rate;
use crate::turn::{
    self, allocation, attempts, bandwidth, carrying, connections, mobility, names, nonce, quota,
    server, sharing, tenancy,
};

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Vec<Row> {
    vec![
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
    ]
}

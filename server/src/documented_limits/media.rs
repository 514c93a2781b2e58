//! Peers and what they send and are sent.

use super::{Row, kib, mib, ms, n, s};
use crate::congestion;
use crate::media::forward::lead_in;
use crate::media::ingest::{loss, table};
use crate::media::net::dtls::gate;
use crate::media::net::{budget, framing};
use crate::media::peer::streams;
use crate::media::rtp::{dependency, spatial};
use crate::media::shard::{mailbox, moves, receive};
use crate::media::transport::{dtls, ice, srtp};
use crate::media::{MAX_MESSAGE_SIZE, data, egress, peer, sdp};
use crate::room;
use crate::signalling;
use crate::traces;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn rows() -> Vec<Row> {
    vec![
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
                ms(egress::RETRANSMIT_INTERVAL),
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
    ]
}

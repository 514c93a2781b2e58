//! Whatever one end can say, the other end reads as it was meant.

use ferrite_protocol::diagnosis::{Gathered, Handshake, MAX_GATHERING_ERRORS, PairSums};
use ferrite_protocol::limits::MAX_NAME_BYTES;
use ferrite_protocol::{
    Cause, ClientEvidence, ClientMessage, DepartureCause, ErrorCode, IceCandidate, IceServer, Idle,
    JoinToken, LeaveCause, Limit, MediaKind, Participant, ParticipantId, ParticipantState,
    PeerConnectionState, Pressure, Priority, Publication, PublicationId, RequestId, ResumeToken,
    Right, RoomId, RoomMessage, RoomSnapshot, ServerMessage, SessionId, Slot, SlotQuality, Source,
    TrackUse, Tracks, Watch,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// Any text, control characters and all, within the limit that most fields share.
fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|mut text| {
        text.truncate(text.floor_char_boundary(MAX_NAME_BYTES));
        text
    })
}

fn id() -> impl Strategy<Value = Option<RequestId>> {
    option::of(any::<u32>().prop_map(RequestId))
}

fn participant_id() -> impl Strategy<Value = ParticipantId> {
    text().prop_map(ParticipantId)
}

fn sums() -> impl Strategy<Value = PairSums> {
    let count = || option::of(any::<u32>());
    (any::<u16>(), count(), count(), count()).prop_map(|(pairs, sent, answered, lost)| PairSums {
        pairs,
        sent,
        answered,
        lost,
    })
}

fn seen() -> impl Strategy<Value = ClientEvidence> {
    let handshakes = vec![Handshake::New, Handshake::Connecting, Handshake::Failed];
    let local = (any::<[u16; 3]>(), any::<bool>()).prop_map(|(counts, complete)| Gathered {
        host: counts[0],
        reflexive: counts[1],
        relayed: counts[2],
        complete,
    });
    let rest = (
        vec(any::<u16>(), 0..MAX_GATHERING_ERRORS),
        option::of(select(handshakes)),
    );
    (
        any::<bool>(),
        local,
        any::<u16>(),
        [sums(), sums(), sums()],
        rest,
    )
        .prop_map(
            |(worked_before, local, remote, [udp, tcp, relayed], (gathering_errors, dtls))| {
                ClientEvidence {
                    worked_before,
                    local,
                    remote,
                    udp,
                    tcp,
                    relayed,
                    gathering_errors,
                    dtls,
                }
            },
        )
}

fn token() -> impl Strategy<Value = ResumeToken> {
    text().prop_map(ResumeToken)
}

fn participant() -> impl Strategy<Value = Participant> {
    let state = select(vec![
        ParticipantState::Connected,
        ParticipantState::Reconnecting,
    ]);
    let about = (option::of(text()), option::of(text()));
    (participant_id(), about, state, vec(publication(), 0..3)).prop_map(
        |(id, (name, metadata), state, publications)| Participant {
            id,
            name,
            metadata,
            state,
            publications,
        },
    )
}

fn publication() -> impl Strategy<Value = Publication> {
    let what = (publication_id(), kind(), source());
    (what, option::of(text()), any::<bool>(), size()).prop_map(
        |((id, kind, source), label, muted, (width, height))| Publication {
            id,
            kind,
            source,
            label,
            muted,
            width,
            height,
        },
    )
}

fn room() -> impl Strategy<Value = RoomSnapshot> {
    (text(), vec(participant(), 0..4)).prop_map(|(id, participants)| RoomSnapshot {
        id: RoomId(id),
        participants,
    })
}

fn candidate() -> impl Strategy<Value = IceCandidate> {
    let rest = (
        option::of(text()),
        option::of(any::<u16>()),
        option::of(text()),
    );
    (text(), rest).prop_map(
        |(candidate, (sdp_mid, sdp_m_line_index, username_fragment))| IceCandidate {
            candidate,
            sdp_mid,
            sdp_m_line_index,
            username_fragment,
        },
    )
}

fn ice_server() -> impl Strategy<Value = IceServer> {
    let secrets = (option::of(text()), option::of(text()));
    (vec(text(), 0..3), secrets).prop_map(|(urls, (username, credential))| IceServer {
        urls,
        username,
        credential,
    })
}

fn error_code() -> impl Strategy<Value = ErrorCode> {
    select(vec![
        ErrorCode::BadMessage,
        ErrorCode::UnknownType,
        ErrorCode::VersionMismatch,
        ErrorCode::BadOffer,
        ErrorCode::BadCandidate,
        ErrorCode::BadState,
        ErrorCode::ResumeFailed,
        ErrorCode::LimitExceeded,
        ErrorCode::NotAllowed,
        ErrorCode::Refused,
        ErrorCode::Internal,
        ErrorCode::Other,
    ])
}

fn state() -> impl Strategy<Value = PeerConnectionState> {
    select(vec![
        PeerConnectionState::New,
        PeerConnectionState::Connecting,
        PeerConnectionState::Connected,
        PeerConnectionState::Disconnected,
        PeerConnectionState::Failed,
        PeerConnectionState::Closed,
    ])
}

fn key() -> impl Strategy<Value = String> {
    "[a-z0-9]{1,8}"
}

fn publication_id() -> impl Strategy<Value = PublicationId> {
    text().prop_map(PublicationId)
}

fn kind() -> impl Strategy<Value = MediaKind> {
    select(vec![MediaKind::Audio, MediaKind::Video])
}

fn source() -> impl Strategy<Value = Source> {
    select(vec![
        Source::Camera,
        Source::Microphone,
        Source::Screen,
        Source::ScreenAudio,
        Source::Other,
    ])
}

fn size() -> impl Strategy<Value = (Option<u16>, Option<u16>)> {
    (option::of(any::<u16>()), option::of(any::<u16>()))
}

fn priority() -> impl Strategy<Value = Priority> {
    prop_oneof![
        Just(Priority::VeryLow),
        Just(Priority::Low),
        Just(Priority::Medium),
        Just(Priority::High),
    ]
}

fn pressure() -> impl Strategy<Value = Pressure> {
    select(vec![
        Pressure::Nominal,
        Pressure::Fair,
        Pressure::Serious,
        Pressure::Critical,
    ])
}

fn watch() -> impl Strategy<Value = Watch> {
    (publication_id(), size(), any::<bool>(), priority()).prop_map(
        |(publication, (width, height), paused, priority)| Watch {
            publication,
            width,
            height,
            paused,
            priority,
        },
    )
}

fn tracks() -> impl Strategy<Value = Tracks> {
    let publish = (key(), source(), option::of(text()), size());
    let publish = publish.prop_map(|(key, source, label, (width, height))| TrackUse::Publish {
        key,
        source,
        label,
        width,
        height,
    });
    let track = prop_oneof![publish, kind().prop_map(TrackUse::Receive)];
    btree_map(key(), track, 0..4)
}

fn slot_quality() -> impl Strategy<Value = SlotQuality> {
    let limit = option::of(select(vec![
        Limit::Download,
        Limit::Cpu,
        Limit::Upload,
        Limit::Interrupted,
        Limit::Other,
    ]));
    let layers = (any::<u8>(), option::of(any::<u8>()), option::of(0..4_u8));
    (layers, limit).prop_map(|((wished, sent, temporal_layer), limit)| SlotQuality {
        wished,
        sent,
        temporal_layer,
        limit,
    })
}

fn slot() -> impl Strategy<Value = Slot> {
    let idle = select(vec![
        Idle::Muted,
        Idle::Paused,
        Idle::NoPublisher,
        Idle::Codec,
        Idle::Bandwidth,
        Idle::NotAllowed,
        Idle::Other,
    ]);
    (publication_id(), option::of(idle)).prop_map(|(publication, idle)| Slot { publication, idle })
}

fn said() -> impl Strategy<Value = RoomMessage> {
    let who = (participant_id(), option::of(text()));
    let to = option::of(vec(participant_id(), 0..3));
    (any::<u64>(), who, to, key(), any::<u64>(), text()).prop_map(
        |(number, (from, name), to, topic, at, text)| RoomMessage {
            number,
            from,
            name,
            to,
            topic,
            at,
            text,
        },
    )
}

fn cause() -> impl Strategy<Value = LeaveCause> {
    select(vec![
        LeaveCause::Kicked,
        LeaveCause::RoomEnded,
        LeaveCause::JoinedElsewhere,
        LeaveCause::Other,
    ])
}

fn departure() -> impl Strategy<Value = DepartureCause> {
    select(vec![
        DepartureCause::Left,
        DepartureCause::Kicked,
        DepartureCause::JoinedElsewhere,
        DepartureCause::Lost,
        DepartureCause::LimitExceeded,
        DepartureCause::Other,
    ])
}

fn hello() -> impl Strategy<Value = ClientMessage> {
    let last = option::of(any::<u64>());
    (any::<u16>(), option::of(text()), option::of(token()), last).prop_map(
        |(version, client, resume_token, last_message)| ClientMessage::Hello {
            version,
            client,
            resume_token,
            last_message,
        },
    )
}

fn join() -> impl Strategy<Value = ClientMessage> {
    let about = (option::of(text()), option::of(text()));
    let token = option::of(text().prop_map(JoinToken));
    (id(), text(), about, token).prop_map(|(id, room, (name, metadata), token)| {
        ClientMessage::Join {
            id,
            room: RoomId(room),
            name,
            metadata,
            token,
        }
    })
}

/// By type, so that a type without a strategy fails instead of going untested.
fn client_message_of(name: &'static str) -> BoxedStrategy<ClientMessage> {
    use ClientMessage as M;
    match name {
        "hello" => hello().boxed(),
        "join" => join().boxed(),
        "authorize" => (id(), text().prop_map(JoinToken))
            .prop_map(|(id, token)| M::Authorize { id, token })
            .boxed(),
        "update" => (id(), option::of(text()), option::of(text()))
            .prop_map(|(id, name, metadata)| M::Update { id, name, metadata })
            .boxed(),
        "mute" => (id(), vec(key(), 0..4))
            .prop_map(|(id, keys)| M::Mute { id, keys })
            .boxed(),
        "watch" => (id(), btree_map(key(), option::of(watch()), 0..4))
            .prop_map(|(id, slots)| M::Watch { id, slots })
            .boxed(),
        "pressure" => (id(), pressure())
            .prop_map(|(id, state)| M::Pressure { id, state })
            .boxed(),
        "say" => (id(), option::of(vec(participant_id(), 0..3)), key(), text())
            .prop_map(|(id, to, topic, text)| M::Say {
                id,
                to,
                topic,
                text,
            })
            .boxed(),
        "kick" => (id(), participant_id(), option::of(text()))
            .prop_map(|(id, participant, reason)| M::Kick {
                id,
                participant,
                reason,
            })
            .boxed(),
        "mutePublication" => (id(), publication_id(), option::of(text()))
            .prop_map(|(id, publication, reason)| M::MutePublication {
                id,
                publication,
                reason,
            })
            .boxed(),
        "endRoom" => (id(), option::of(text()))
            .prop_map(|(id, reason)| M::EndRoom { id, reason })
            .boxed(),
        "leave" => id().prop_map(|id| M::Leave { id }).boxed(),
        "offer" => (id(), any::<String>(), option::of(tracks()))
            .prop_map(|(id, sdp, tracks)| M::Offer { id, sdp, tracks })
            .boxed(),
        "candidate" => option::of(candidate())
            .prop_map(|candidate| M::Candidate { candidate })
            .boxed(),
        "endOfCandidates" => Just(M::EndOfCandidates {}).boxed(),
        "hangUp" => id().prop_map(|id| M::HangUp { id }).boxed(),
        "explain" => (id(), seen())
            .prop_map(|(id, seen)| M::Explain { id, seen })
            .boxed(),
        "ping" => id().prop_map(|id| M::Ping { id }).boxed(),
        "pong" => id().prop_map(|id| M::Pong { id }).boxed(),
        _ => panic!("{name} needs a strategy"),
    }
}

fn welcome() -> impl Strategy<Value = ServerMessage> {
    let session = (text().prop_map(SessionId), token(), any::<bool>());
    (any::<u16>(), session, any::<u32>(), vec(ice_server(), 0..3)).prop_map(
        |(version, (session, resume_token, resumed), ping_interval_ms, ice_servers)| {
            ServerMessage::Welcome {
                version,
                session,
                resume_token,
                resumed,
                ping_interval_ms,
                ice_servers,
            }
        },
    )
}

fn joined() -> impl Strategy<Value = ServerMessage> {
    let rights = [
        Right::Publish,
        Right::Subscribe,
        Right::Say,
        Right::Moderate,
    ];
    let may = subsequence(rights.to_vec(), 0..=4);
    (id(), participant_id(), room(), may, vec(said(), 0..3)).prop_map(
        |(id, participant, room, may, messages)| ServerMessage::Joined {
            id,
            participant,
            room,
            may,
            messages,
        },
    )
}

fn error() -> impl Strategy<Value = ServerMessage> {
    (id(), error_code(), any::<String>()).prop_map(|(id, code, message)| ServerMessage::Error {
        id,
        code,
        message,
    })
}

fn peer_state() -> impl Strategy<Value = ServerMessage> {
    (state(), option::of(any::<String>()))
        .prop_map(|(state, reason)| ServerMessage::PeerState { state, reason })
}

#[expect(clippy::too_many_lines, reason = "a line or two for each message")]
fn server_message_of(name: &'static str) -> BoxedStrategy<ServerMessage> {
    use ServerMessage as M;
    match name {
        "welcome" => welcome().boxed(),
        "iceServers" => vec(ice_server(), 0..3)
            .prop_map(|ice_servers| M::IceServers { ice_servers })
            .boxed(),
        "joined" => joined().boxed(),
        "left" => (id(), option::of(cause()), option::of(text()))
            .prop_map(|(id, cause, reason)| M::Left { id, cause, reason })
            .boxed(),
        "done" => id().prop_map(|id| M::Done { id }).boxed(),
        "participantUpdated" => participant()
            .prop_map(|participant| M::ParticipantUpdated { participant })
            .boxed(),
        "watching" => (id(), btree_map(key(), slot(), 0..4))
            .prop_map(|(id, slots)| M::Watching { id, slots })
            .boxed(),
        "speaking" => (option::of(participant_id()), vec(participant_id(), 0..4))
            .prop_map(|(active, participants)| M::Speaking {
                active,
                participants,
            })
            .boxed(),
        "wanted" => (
            btree_map(key(), vec(key(), 0..4), 0..4),
            btree_map(key(), any::<u8>(), 0..4),
        )
            .prop_map(|(layers, halvings)| M::Wanted { layers, halvings })
            .boxed(),
        "quality" => (
            option::of(any::<u32>()),
            btree_map(key(), slot_quality(), 0..4),
            btree_map(key(), vec(any::<u32>(), 0..4), 0..4),
        )
            .prop_map(|(bits_per_second, slots, arrives)| M::Quality {
                bits_per_second,
                slots,
                arrives,
            })
            .boxed(),
        "said" => said().prop_map(|message| M::Said { message }).boxed(),
        "participantJoined" => participant()
            .prop_map(|participant| M::ParticipantJoined { participant })
            .boxed(),
        "participantLeft" => (participant_id(), option::of(departure()))
            .prop_map(|(participant, cause)| M::ParticipantLeft { participant, cause })
            .boxed(),
        "muted" => (publication_id(), option::of(text()))
            .prop_map(|(publication, reason)| M::Muted {
                publication,
                reason,
            })
            .boxed(),
        "answer" => (id(), any::<String>())
            .prop_map(|(id, sdp)| M::Answer { id, sdp })
            .boxed(),
        "candidate" => candidate()
            .prop_map(|candidate| M::Candidate { candidate })
            .boxed(),
        "endOfCandidates" => Just(M::EndOfCandidates {}).boxed(),
        "peerState" => peer_state().boxed(),
        "hungUp" => id().prop_map(|id| M::HungUp { id }).boxed(),
        "explained" => (id(), select(Cause::ALL), text())
            .prop_map(|(id, cause, text)| M::Explained { id, cause, text })
            .boxed(),
        "error" => error().boxed(),
        "goingAway" => any::<u32>()
            .prop_map(|retry_after_ms| M::GoingAway { retry_after_ms })
            .boxed(),
        "ping" => id().prop_map(|id| M::Ping { id }).boxed(),
        "pong" => id().prop_map(|id| M::Pong { id }).boxed(),
        _ => panic!("{name} needs a strategy"),
    }
}

fn client_message() -> impl Strategy<Value = ClientMessage> {
    let strategies = ClientMessage::TYPES.iter().copied().map(client_message_of);
    proptest::strategy::Union::new(strategies)
}

fn server_message() -> impl Strategy<Value = ServerMessage> {
    let strategies = ServerMessage::TYPES.iter().copied().map(server_message_of);
    proptest::strategy::Union::new(strategies)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_a_client_says_is_what_the_server_reads(message in client_message()) {
        prop_assert_eq!(ClientMessage::decode(&message.encode()), Ok(message));
    }

    #[test]
    fn what_a_server_says_is_what_the_client_reads(message in server_message()) {
        prop_assert_eq!(ServerMessage::decode(&message.encode()), Ok(message));
    }

    /// A frame cut or changed anywhere is read or refused, and never ends the reader.
    #[test]
    fn a_damaged_frame_ends_nothing(
        message in client_message(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = message.encode().into_bytes();
        let at = at.index(bytes.len());
        let _ = ClientMessage::decode(&String::from_utf8_lossy(&bytes[..at]));
        bytes[at] = byte;
        let _ = ClientMessage::decode(&String::from_utf8_lossy(&bytes));
        let _ = ServerMessage::decode(&String::from_utf8_lossy(&bytes));
    }
}

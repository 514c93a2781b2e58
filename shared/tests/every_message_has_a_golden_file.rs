//! Each message type has files in `tests/golden` that show it as it travels: whole, and with only
//! what it must have. They are the protocol's examples, and what later versions must still read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ferrite_protocol::diagnosis::{Gathered, Handshake, PairSums};
use ferrite_protocol::{
    CHAT, Cause, ClientEvidence, ClientMessage, DepartureCause, ErrorCode, IceCandidate, IceServer,
    Idle, LeaveCause, Limit, MediaKind, Participant, ParticipantState, PeerConnectionState,
    Pressure, Priority, Publication, RequestId, Right, RoomMessage, RoomSnapshot, ServerMessage,
    Slot, SlotQuality, Source, TrackUse, Tracks, Watch,
};
use serde_json::{Value, json};

const EXPLANATION: &str = "Your UDP never arrived at the server, and your browser tried no TCP: it looks like a firewall at your end or at the server's drops it; let UDP port 3478 through, or allow the browser TCP or a relay.";

type Golden<M> = (&'static str, M);

#[expect(clippy::too_many_lines, reason = "a table")]
fn client_messages() -> Vec<Golden<ClientMessage>> {
    use ClientMessage as M;
    let id = Some(RequestId(7));
    vec![
        (
            "client.hello",
            M::Hello {
                version: 1,
                client: Some("ferrite-client/0.1.0".to_owned()),
                resume_token: Some("8f14e45fceea167a5a36dedd4bea2543".into()),
                last_message: Some(41),
            },
        ),
        (
            "client.hello.least",
            M::Hello {
                version: 1,
                client: None,
                resume_token: None,
                last_message: None,
            },
        ),
        (
            "client.join",
            M::Join {
                id,
                room: "kitchen".into(),
                name: Some("Zoë".to_owned()),
                metadata: Some("{\"seat\":4}".to_owned()),
                token: Some("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwMiJ9.c2lnbmF0dXJl".into()),
            },
        ),
        (
            "client.join.least",
            M::Join {
                id: None,
                room: "kitchen".into(),
                name: None,
                metadata: None,
                token: None,
            },
        ),
        (
            "client.authorize",
            M::Authorize {
                id,
                token: "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwMiJ9.c2lnbmF0dXJl".into(),
            },
        ),
        (
            "client.update",
            M::Update {
                id,
                name: Some("Zoë".to_owned()),
                metadata: Some("{\"hand\":true}".to_owned()),
            },
        ),
        (
            "client.update.least",
            M::Update {
                id: None,
                name: None,
                metadata: None,
            },
        ),
        (
            "client.mute",
            M::Mute {
                id,
                keys: vec!["mic".to_owned()],
            },
        ),
        (
            "client.watch",
            M::Watch {
                id,
                slots: BTreeMap::from([
                    ("3".to_owned(), Some(watch(Some(640), Some(360)))),
                    ("4".to_owned(), None),
                ]),
            },
        ),
        (
            "client.watch.least",
            M::Watch {
                id: None,
                slots: BTreeMap::from([("3".to_owned(), Some(watch(None, None)))]),
            },
        ),
        (
            "client.pressure",
            M::Pressure {
                id,
                state: Pressure::Serious,
            },
        ),
        (
            "client.pressure.least",
            M::Pressure {
                id: None,
                state: Pressure::Nominal,
            },
        ),
        (
            "client.say",
            M::Say {
                id,
                to: Some(vec!["p1".into()]),
                topic: "chat".to_owned(),
                text: "Tea?".to_owned(),
            },
        ),
        (
            "client.say.least",
            M::Say {
                id: None,
                to: None,
                topic: "chat".to_owned(),
                text: "Tea?".to_owned(),
            },
        ),
        (
            "client.kick",
            M::Kick {
                id,
                participant: "p3".into(),
                reason: Some("this is a closed meeting".to_owned()),
            },
        ),
        (
            "client.mutePublication",
            M::MutePublication {
                id,
                publication: "p3/mic".into(),
                reason: Some("there is an echo".to_owned()),
            },
        ),
        (
            "client.mutePublication.least",
            M::MutePublication {
                id: None,
                publication: "p3/mic".into(),
                reason: None,
            },
        ),
        (
            "client.endRoom",
            M::EndRoom {
                id,
                reason: Some("time is up".to_owned()),
            },
        ),
        ("client.leave", M::Leave { id }),
        ("client.leave.least", M::Leave { id: None }),
        (
            "client.offer",
            M::Offer {
                id,
                sdp: sdp(),
                tracks: Some(tracks()),
            },
        ),
        (
            "client.offer.least",
            M::Offer {
                id: None,
                sdp: sdp(),
                tracks: None,
            },
        ),
        (
            "client.candidate",
            M::Candidate {
                candidate: Some(candidate()),
            },
        ),
        ("client.candidate.null", M::Candidate { candidate: None }),
        (
            "client.candidate.last",
            M::Candidate {
                candidate: Some(IceCandidate::default()),
            },
        ),
        ("client.endOfCandidates", M::EndOfCandidates {}),
        ("client.hangUp", M::HangUp { id }),
        ("client.hangUp.least", M::HangUp { id: None }),
        (
            "client.explain",
            M::Explain {
                id,
                seen: ClientEvidence {
                    worked_before: true,
                    local: Gathered {
                        host: 2,
                        reflexive: 1,
                        relayed: 0,
                        complete: true,
                    },
                    remote: 2,
                    udp: PairSums {
                        pairs: 2,
                        sent: Some(20),
                        answered: Some(0),
                        lost: Some(0),
                    },
                    tcp: PairSums::default(),
                    relayed: PairSums::default(),
                    gathering_errors: vec![701],
                    dtls: Some(Handshake::New),
                },
            },
        ),
        (
            "client.explain.least",
            M::Explain {
                id: None,
                seen: ClientEvidence::default(),
            },
        ),
        ("client.ping", M::Ping { id }),
        ("client.ping.least", M::Ping { id: None }),
        ("client.pong", M::Pong { id }),
        ("client.pong.least", M::Pong { id: None }),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn server_messages() -> Vec<Golden<ServerMessage>> {
    use ServerMessage as M;
    let id = Some(RequestId(7));
    vec![
        ("server.welcome", welcome(vec![stun(), turn()])),
        ("server.welcome.least", welcome(Vec::new())),
        (
            "server.iceServers",
            M::IceServers {
                ice_servers: vec![stun(), turn()],
            },
        ),
        (
            "server.joined",
            M::Joined {
                id,
                participant: "p2".into(),
                room: room(),
                may: vec![Right::Publish, Right::Subscribe, Right::Say],
                messages: vec![said()],
            },
        ),
        (
            "server.joined.least",
            M::Joined {
                id: None,
                participant: "p2".into(),
                room: room(),
                may: Vec::new(),
                messages: Vec::new(),
            },
        ),
        (
            "server.left",
            M::Left {
                id,
                cause: None,
                reason: None,
            },
        ),
        (
            "server.left.kicked",
            M::Left {
                id: None,
                cause: Some(LeaveCause::Kicked),
                reason: Some("this is a closed meeting".to_owned()),
            },
        ),
        ("server.done", M::Done { id }),
        (
            "server.participantUpdated",
            M::ParticipantUpdated {
                participant: Participant {
                    metadata: Some("{\"hand\":true}".to_owned()),
                    state: ParticipantState::Reconnecting,
                    publications: vec![
                        publication("p3/cam", MediaKind::Video, Source::Camera),
                        publication("p3/mic", MediaKind::Audio, Source::Microphone),
                    ],
                    ..participant("p3", Some("Ada"))
                },
            },
        ),
        (
            "server.watching",
            M::Watching {
                id,
                slots: BTreeMap::from([
                    ("2".to_owned(), slot("p3/mic", Some(Idle::Muted))),
                    ("3".to_owned(), slot("p3/cam", None)),
                ]),
            },
        ),
        (
            "server.speaking",
            M::Speaking {
                active: Some("p3".into()),
                participants: vec!["p3".into(), "p1".into()],
            },
        ),
        (
            "server.speaking.least",
            M::Speaking {
                active: None,
                participants: Vec::new(),
            },
        ),
        (
            "server.wanted",
            M::Wanted {
                layers: BTreeMap::from([("cam".to_owned(), vec!["h".to_owned(), "q".to_owned()])]),
                halvings: BTreeMap::from([("slides".to_owned(), 1)]),
            },
        ),
        (
            "server.wanted.least",
            M::Wanted {
                layers: BTreeMap::new(),
                halvings: BTreeMap::new(),
            },
        ),
        (
            "server.quality",
            M::Quality {
                bits_per_second: Some(1_200_000),
                slots: BTreeMap::from([(
                    "3".to_owned(),
                    SlotQuality {
                        wished: 0,
                        sent: Some(1),
                        temporal_layer: Some(1),
                        limit: Some(Limit::Download),
                    },
                )]),
                arrives: BTreeMap::from([("cam".to_owned(), vec![0, 500_000, 150_000])]),
            },
        ),
        (
            "server.quality.least",
            M::Quality {
                bits_per_second: None,
                slots: BTreeMap::new(),
                arrives: BTreeMap::new(),
            },
        ),
        ("server.said", M::Said { message: said() }),
        (
            "server.participantJoined",
            M::ParticipantJoined {
                participant: participant("p3", Some("Ada")),
            },
        ),
        (
            "server.participantJoined.least",
            M::ParticipantJoined {
                participant: participant("p3", None),
            },
        ),
        (
            "server.participantLeft",
            M::ParticipantLeft {
                participant: "p3".into(),
                cause: Some(DepartureCause::Lost),
            },
        ),
        (
            "server.participantLeft.least",
            M::ParticipantLeft {
                participant: "p3".into(),
                cause: None,
            },
        ),
        (
            "server.muted",
            M::Muted {
                publication: "p3/mic".into(),
                reason: Some("there is an echo".to_owned()),
            },
        ),
        (
            "server.muted.least",
            M::Muted {
                publication: "p3/mic".into(),
                reason: None,
            },
        ),
        ("server.answer", M::Answer { id, sdp: sdp() }),
        (
            "server.answer.least",
            M::Answer {
                id: None,
                sdp: sdp(),
            },
        ),
        (
            "server.candidate",
            M::Candidate {
                candidate: candidate(),
            },
        ),
        ("server.endOfCandidates", M::EndOfCandidates {}),
        (
            "server.peerState",
            M::PeerState {
                state: PeerConnectionState::Failed,
                reason: Some("nothing was heard from the browser for 30 s".to_owned()),
            },
        ),
        (
            "server.peerState.least",
            M::PeerState {
                state: PeerConnectionState::Connected,
                reason: None,
            },
        ),
        ("server.hungUp", M::HungUp { id }),
        ("server.hungUp.least", M::HungUp { id: None }),
        (
            "server.explained",
            M::Explained {
                id,
                cause: Cause::UdpBlocked,
                text: EXPLANATION.to_owned(),
            },
        ),
        (
            "server.explained.least",
            M::Explained {
                id: None,
                cause: Cause::UdpBlocked,
                text: EXPLANATION.to_owned(),
            },
        ),
        ("server.error", error(id)),
        ("server.error.least", error(None)),
        (
            "server.goingAway",
            M::GoingAway {
                retry_after_ms: 2000,
            },
        ),
        ("server.ping", M::Ping { id }),
        ("server.ping.least", M::Ping { id: None }),
        ("server.pong", M::Pong { id }),
        ("server.pong.least", M::Pong { id: None }),
    ]
}

fn welcome(ice_servers: Vec<IceServer>) -> ServerMessage {
    ServerMessage::Welcome {
        version: 1,
        session: "s-3fa9".into(),
        resume_token: "8f14e45fceea167a5a36dedd4bea2543".into(),
        resumed: false,
        ping_interval_ms: 10_000,
        ice_servers,
    }
}

fn error(id: Option<RequestId>) -> ServerMessage {
    ServerMessage::Error {
        id,
        code: ErrorCode::BadOffer,
        message: "the offer has no fingerprint".to_owned(),
    }
}

fn stun() -> IceServer {
    IceServer {
        urls: vec!["stun:media.example.org:3478".to_owned()],
        username: None,
        credential: None,
    }
}

fn turn() -> IceServer {
    IceServer {
        urls: vec!["turn:media.example.org:3478?transport=tcp".to_owned()],
        username: Some("1767225600:s-3fa9".to_owned()),
        credential: Some("zVTBbUFBmHFKCmZ4zHsgXl5kp9c=".to_owned()),
    }
}

fn room() -> RoomSnapshot {
    RoomSnapshot {
        id: "kitchen".into(),
        participants: vec![participant("p1", None), participant("p2", Some("Zoë"))],
    }
}

fn participant(id: &str, name: Option<&str>) -> Participant {
    Participant {
        name: name.map(str::to_owned),
        ..Participant::new(id.into())
    }
}

fn publication(id: &str, kind: MediaKind, source: Source) -> Publication {
    let is_video = kind == MediaKind::Video;
    Publication {
        id: id.into(),
        kind,
        source,
        label: is_video.then(|| "Front camera".to_owned()),
        muted: !is_video,
        width: is_video.then_some(1280),
        height: is_video.then_some(720),
    }
}

fn tracks() -> Tracks {
    let publish = |key: &str, source, label: Option<&str>, width, height| TrackUse::Publish {
        key: key.to_owned(),
        source,
        label: label.map(str::to_owned),
        width,
        height,
    };
    let front = Some("Front camera");
    Tracks::from([
        (
            "0".to_owned(),
            publish("mic", Source::Microphone, None, None, None),
        ),
        (
            "1".to_owned(),
            publish("cam", Source::Camera, front, Some(1280), Some(720)),
        ),
        ("2".to_owned(), TrackUse::Receive(MediaKind::Audio)),
        ("3".to_owned(), TrackUse::Receive(MediaKind::Video)),
    ])
}

fn watch(width: Option<u16>, height: Option<u16>) -> Watch {
    Watch {
        publication: "p3/cam".into(),
        width,
        height,
        paused: width.is_none(),
        priority: match width {
            Some(_) => Priority::High,
            None => Priority::Low,
        },
    }
}

fn slot(publication: &str, idle: Option<Idle>) -> Slot {
    Slot {
        publication: publication.into(),
        idle,
    }
}

fn said() -> RoomMessage {
    RoomMessage {
        number: 42,
        from: "p1".into(),
        name: Some("Ada".to_owned()),
        to: None,
        topic: CHAT.to_owned(),
        at: 1_795_824_000_000,
        text: "Tea?".to_owned(),
    }
}

fn candidate() -> IceCandidate {
    IceCandidate {
        candidate: "candidate:1 1 udp 2130706431 192.0.2.1 3478 typ host".to_owned(),
        sdp_mid: Some("0".to_owned()),
        sdp_m_line_index: Some(0),
        username_fragment: Some("Ys4h".to_owned()),
    }
}

fn sdp() -> String {
    "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n".to_owned()
}

fn directory() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden"))
}

fn read(name: &str) -> String {
    let path = directory().join(format!("{name}.json"));
    let text = std::fs::read_to_string(&path);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // The file is the frame and a newline.
    text.strip_suffix('\n').expect("a newline").to_owned()
}

/// Puts a field that no version knows into every object. The entries of a map are no fields, and a
/// track's use is named by the only one it has.
fn add_unknown_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                match (name.as_str(), field) {
                    ("slots", Value::Object(slots)) => {
                        slots.values_mut().for_each(add_unknown_fields);
                    }
                    // Its keys are publications, and what they hold has no fields.
                    ("layers" | "arrives" | "halvings", Value::Object(_)) => {}
                    ("tracks", Value::Object(tracks)) => {
                        let uses = tracks.values_mut().filter_map(Value::as_object_mut);
                        uses.flat_map(|track| track.values_mut())
                            .for_each(add_unknown_fields);
                    }
                    (_, field) => add_unknown_fields(field),
                }
            }
            let later = json!({"list": [1, null, {"deep": true}], "type": "candidate"});
            fields.insert("addedLater".to_owned(), later);
        }
        Value::Array(items) => items.iter_mut().for_each(add_unknown_fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn with_unknown_fields(text: &str) -> String {
    let mut value = serde_json::from_str(text).expect("JSON");
    add_unknown_fields(&mut value);
    value.to_string()
}

#[test]
fn every_type_has_one() {
    let has = |types: Vec<&'static str>| types.into_iter().collect::<BTreeSet<_>>();
    let shown = has(client_messages().iter().map(|m| m.1.type_name()).collect());
    assert_eq!(shown, has(ClientMessage::TYPES.to_vec()));
    let shown = has(server_messages().iter().map(|m| m.1.type_name()).collect());
    assert_eq!(shown, has(ServerMessage::TYPES.to_vec()));
}

#[test]
fn every_file_is_named_after_its_type_and_belongs_to_a_message() {
    let client = client_messages().into_iter();
    let client = client.map(|(name, m)| (name, format!("client.{}", m.type_name())));
    let server = server_messages().into_iter();
    let server = server.map(|(name, m)| (name, format!("server.{}", m.type_name())));
    let mut named = BTreeSet::new();
    for (name, begins) in client.chain(server) {
        let rest = name.strip_prefix(&begins).expect(name);
        assert!(rest.is_empty() || rest.starts_with('.'), "{name}");
        named.insert(format!("{name}.json"));
    }
    let files = std::fs::read_dir(directory()).unwrap();
    let files: BTreeSet<_> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(files, named);
}

#[test]
fn the_files_are_what_the_client_sends() {
    for (name, message) in client_messages() {
        let text = read(name);
        assert_eq!(message.encode(), text, "{name}");
        assert_eq!(ClientMessage::decode(&text), Ok(message), "{name}");
    }
}

#[test]
fn the_files_are_what_the_server_sends() {
    for (name, message) in server_messages() {
        let text = read(name);
        assert_eq!(message.encode(), text, "{name}");
        assert_eq!(ServerMessage::decode(&text), Ok(message), "{name}");
    }
}

#[test]
fn fields_of_later_versions_change_nothing() {
    for (name, message) in client_messages() {
        let text = with_unknown_fields(&read(name));
        assert_eq!(ClientMessage::decode(&text), Ok(message), "{name}: {text}");
    }
    for (name, message) in server_messages() {
        let text = with_unknown_fields(&read(name));
        assert_eq!(ServerMessage::decode(&text), Ok(message), "{name}: {text}");
    }
}

#[test]
fn what_a_browser_gives_passes_through_untouched() {
    // `JSON.stringify(description)`, and a candidate inside its message.
    let offer = r#"{"type":"offer","sdp":"v=0\r\n"}"#;
    assert_eq!(ClientMessage::decode(offer).unwrap().encode(), offer);
    let candidate = r#"{"type":"candidate","candidate":{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host generation 0 ufrag Ys4h","sdpMid":"audio","sdpMLineIndex":0,"usernameFragment":"Ys4h"}}"#;
    assert_eq!(
        ClientMessage::decode(candidate).unwrap().encode(),
        candidate
    );
    // Firefox and Chromium say `null` where they have nothing.
    let nulls = r#"{"type":"candidate","candidate":{"candidate":"","sdpMid":null,"sdpMLineIndex":null,"usernameFragment":null}}"#;
    let last = ClientMessage::Candidate {
        candidate: Some(IceCandidate::default()),
    };
    assert_eq!(ClientMessage::decode(nulls), Ok(last));
}

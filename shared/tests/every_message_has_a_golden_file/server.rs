//! What the server sends, by the names of its files.

use std::collections::BTreeMap;

use ferrite_protocol::{
    Cause, DepartureCause, Idle, LeaveCause, Limit, MediaKind, Participant, ParticipantState,
    PeerConnectionState, RequestId, Right, ServerMessage, SlotQuality, Source,
};

use super::parts::*;

const EXPLANATION: &str = "Your UDP never arrived at the server, and your browser tried no TCP: it looks like a firewall at your end or at the server's drops it; let UDP port 3478 through, or allow the browser TCP or a relay.";

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn server_messages() -> Vec<super::Golden<ServerMessage>> {
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

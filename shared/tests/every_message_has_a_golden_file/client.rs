//! What the client sends, by the names of its files.

use std::collections::BTreeMap;

use ferrite_protocol::diagnosis::{Gathered, Handshake, PairSums};
use ferrite_protocol::{ClientEvidence, ClientMessage, IceCandidate, Pressure, RequestId};

use super::parts::*;

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn client_messages() -> Vec<super::Golden<ClientMessage>> {
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

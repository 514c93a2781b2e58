//! Whatever is seen, no cause is named against it.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::*;

fn count() -> impl Strategy<Value = u32> {
    select(vec![0, 1, 2, 3, 8, 20])
}

fn sums() -> impl Strategy<Value = PairSums> {
    let counts = (
        option::of(count()),
        option::of(count()),
        option::of(count()),
    );
    (0..3_u16, counts).prop_map(|(pairs, (sent, answered, lost))| match pairs {
        0 => PairSums::default(),
        _ => PairSums {
            pairs,
            sent,
            answered: answered.map(|it| it.min(sent.unwrap_or(it))),
            lost,
        },
    })
}

fn client() -> impl Strategy<Value = ClientEvidence> {
    let handshakes = vec![
        Handshake::New,
        Handshake::Connecting,
        Handshake::Connected,
        Handshake::Closed,
        Handshake::Failed,
        Handshake::Other,
    ];
    let gathered = (0..3_u16, 0..2_u16, 0..2_u16, any::<bool>());
    (
        (any::<bool>(), gathered, 0..3_u16),
        (sums(), sums(), sums()),
        subsequence(vec![401, 701, 300], 0..3),
        option::of(select(handshakes)),
    )
        .prop_map(|((worked_before, gathered, remote), ways, errors, dtls)| {
            let (host, reflexive, relayed, complete) = gathered;
            ClientEvidence {
                worked_before,
                local: Gathered {
                    host,
                    reflexive,
                    relayed,
                    complete,
                },
                remote,
                udp: ways.0,
                tcp: ways.1,
                relayed: ways.2,
                gathering_errors: errors,
                dtls,
            }
        })
}

fn evidence() -> impl Strategy<Value = ServerEvidence> {
    let states = vec![PathState::Open, PathState::Nominated, PathState::Silent];
    let fates = vec![
        DtlsFate::UnderWay,
        DtlsFate::UnderWay,
        DtlsFate::Done,
        DtlsFate::WrongCertificate,
        DtlsFate::Failed("it broke".to_owned()),
        DtlsFate::Closed,
    ];
    // Where nothing came most is to be told apart.
    let none = (0, 0, 0, 0, 0);
    let some = (count(), count(), count(), count(), count());
    let missing = select(vec![100, 1_187]);
    let gap = option::of(missing.prop_map(|missing| Gap {
        length: 1_413,
        missing,
    }));
    let longest = select(vec![0, 251, 1_338]);
    (
        (
            any::<bool>(),
            (select(states), any::<bool>()),
            select(vec![1_000, 5_000]),
        ),
        prop_oneof![Just(none), some],
        (select(vec![0, 0, 2]), select(vec![0, 0, 2])),
        (select(fates), any::<bool>(), select(vec![500, 4_000])),
        (count(), count(), longest, gap),
    )
        .prop_map(|(place, checks, refused, handshake, datagrams)| {
            let arrivals = |checks, answers| Arrivals { checks, answers };
            ServerEvidence {
                port: 3478,
                is_out_of_reach: place.0,
                ice: IceEvidence {
                    state: place.1.0,
                    is_by_tcp: place.1.1,
                    waited_ms: place.2,
                    udp: arrivals(checks.0, checks.1.min(checks.0)),
                    tcp: arrivals(checks.2, checks.3.min(checks.2)),
                    relayed: arrivals(checks.4, 0),
                    late: 0,
                    strangers: refused.0,
                    role_conflicts: refused.1,
                },
                dtls: DtlsEvidence {
                    fate: handshake.0,
                    begins_here: handshake.1,
                    quiet_ms: handshake.2,
                    received: datagrams.0,
                    sent: datagrams.1,
                    longest: (datagrams.2, 0),
                    gap: datagrams.3,
                },
            }
        })
}

/// What must not have been seen where a cause is named. Written apart from the rules that name it.
#[expect(clippy::too_many_lines, reason = "a table")]
fn is_contradicted(cause: Cause, client: Option<&ClientEvidence>, server: &ServerEvidence) -> bool {
    let ice = &server.ice;
    let arrived = ice.udp.checks + ice.tcp.checks + ice.relayed.checks > 0;
    let came_back = ice.udp.answers + ice.tcp.answers + ice.relayed.answers > 0;
    let told = |is: fn(&ClientEvidence) -> bool| client.is_some_and(is);
    let pairs = |it: &ClientEvidence| it.udp.pairs + it.tcp.pairs + it.relayed.pairs;
    let answers = |it: &ClientEvidence| {
        [it.udp, it.tcp, it.relayed]
            .map(|sums| sums.answered.unwrap_or(0))
            .iter()
            .sum::<u32>()
    };
    match cause {
        Cause::NoPeer | Cause::Other => true,
        Cause::NoServerAddress => arrived || !told(|it| it.remote == 0),
        Cause::NoClientAddress => arrived || !told(|it| it.local.count() == 0 && it.local.complete),
        Cause::NoPair => {
            arrived
                || !told(|it| it.udp.pairs + it.tcp.pairs + it.relayed.pairs == 0 && it.remote > 0)
        }
        Cause::NoChecks => arrived || client.is_none_or(|it| it.sent() != Some(0)),
        Cause::PrivateAddress => arrived || !server.is_out_of_reach,
        Cause::NothingArrives => {
            arrived
                || told(|it| it.udp.pairs == 0 || it.udp.sent == Some(0))
                || told(|it| it.tcp.pairs + it.relayed.pairs == 0)
        }
        Cause::UdpBlocked => {
            arrived
                || !told(|it| it.udp.pairs > 0 && it.udp.sent != Some(0))
                || told(|it| it.tcp.pairs + it.relayed.pairs > 0)
        }
        Cause::OnlyTcpArrives => {
            ice.udp.checks > 0 || ice.tcp.checks == 0 || !told(|it| it.udp.pairs > 0)
        }
        Cause::RelayRefused => {
            arrived || !told(|it| it.gathering_errors.contains(&401) && it.local.relayed == 0)
        }
        Cause::RelayUnreachable => {
            arrived || !told(|it| it.gathering_errors.contains(&701) && it.local.relayed == 0)
        }
        Cause::WrongPassword => arrived || ice.strangers == 0,
        Cause::RoleConflict => arrived || ice.role_conflicts == 0,
        Cause::AnswersLost => !arrived || came_back || client.is_some_and(|it| answers(it) > 0),
        Cause::Lossy => !arrived || client.is_none_or(|it| answers(it) == 0),
        Cause::NotNominated => {
            !arrived
                || ice.state != PathState::Open
                || !(came_back || client.is_some_and(|it| answers(it) > 0))
        }
        Cause::DtlsMissing => {
            server.dtls.received > 0 || ice.state != PathState::Nominated || server.dtls.begins_here
        }
        Cause::DtlsUnanswered => server.dtls.received > 0 || !server.dtls.begins_here,
        Cause::LargeDatagramsLost => {
            let longest = u32::from(server.dtls.longest.0);
            server.dtls.gap.is_none_or(|gap| gap.missing <= longest)
                || server.dtls.received == 0
                || ice.is_by_tcp
        }
        Cause::HandshakeStalls => {
            let longest = u32::from(server.dtls.longest.0);
            server.dtls.received == 0
                || server.dtls.gap.is_some_and(|gap| gap.missing > longest) && !ice.is_by_tcp
                || server.dtls.fate != DtlsFate::UnderWay
        }
        Cause::LastFlightLost => {
            server.dtls.fate != DtlsFate::Done
                || server.dtls.begins_here
                || server.dtls.quiet_ms < 2_000
                || told(|it| it.dtls == Some(Handshake::Connected))
        }
        Cause::WrongCertificate => server.dtls.fate != DtlsFate::WrongCertificate,
        Cause::HandshakeFailed => {
            !matches!(server.dtls.fate, DtlsFate::Failed(_))
                && !told(|it| it.dtls == Some(Handshake::Failed))
        }
        Cause::ClosedByClient => {
            server.dtls.fate != DtlsFate::Closed && !told(|it| it.dtls == Some(Handshake::Closed))
        }
        Cause::WentSilent => ice.state != PathState::Silent,
        Cause::Unclear => {
            client.is_some_and(|it| pairs(it) > 0 && it.sent().is_none_or(|sent| sent > 0))
                && !arrived
                && ice.state == PathState::Open
                && ice.waited_ms >= 2_000
                && server.dtls.fate == DtlsFate::UnderWay
                && client.is_some_and(|it| it.udp.pairs > 0 && it.udp.sent != Some(0))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_cause_is_named_against_the_evidence(client in option::of(client()), server in evidence()) {
        let diagnosis = judge(client.as_ref(), Some(&server));
        prop_assert!(
            !is_contradicted(diagnosis.cause, client.as_ref(), &server),
            "{:?} of {client:?} {server:?}",
            diagnosis.cause
        );
    }
}

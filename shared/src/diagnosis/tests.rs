//! Each cause from the evidence that it needs, and none against the evidence.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;

/// A browser that tried UDP and TCP and heard nothing.
fn browser() -> ClientEvidence {
    ClientEvidence {
        local: Gathered {
            host: 2,
            reflexive: 0,
            relayed: 0,
            complete: true,
        },
        remote: 2,
        udp: tried(20, 0),
        tcp: tried(0, 0),
        ..ClientEvidence::default()
    }
}

fn tried(sent: u32, answered: u32) -> PairSums {
    PairSums {
        pairs: 1,
        sent: Some(sent),
        answered: Some(answered),
        lost: Some(0),
    }
}

/// A server that waited for long, and heard nothing.
fn server() -> ServerEvidence {
    ServerEvidence {
        port: 3478,
        ice: IceEvidence {
            waited_ms: 5_000,
            ..IceEvidence::default()
        },
        ..ServerEvidence::default()
    }
}

/// A server to which so many checks came, by UDP and TCP.
fn checked(udp: u32, tcp: u32) -> ServerEvidence {
    let arrivals = |checks| Arrivals { checks, answers: 0 };
    let mut server = server();
    server.ice.udp = arrivals(udp);
    server.ice.tcp = arrivals(tcp);
    server
}

/// One that has its path, on which DTLS is like this.
fn nominated(dtls: DtlsEvidence) -> ServerEvidence {
    let mut server = checked(10, 0);
    server.ice.state = PathState::Nominated;
    server.dtls = DtlsEvidence {
        quiet_ms: 4_000,
        ..dtls
    };
    server
}

fn fate(fate: DtlsFate) -> ServerEvidence {
    nominated(DtlsEvidence {
        fate,
        received: 3,
        sent: 3,
        ..DtlsEvidence::default()
    })
}

fn with(change: impl FnOnce(&mut ClientEvidence)) -> ClientEvidence {
    let mut client = browser();
    change(&mut client);
    client
}

fn from(change: impl FnOnce(&mut ServerEvidence)) -> ServerEvidence {
    let mut server = server();
    change(&mut server);
    server
}

/// A call of which this was seen, why it is not connected, and what its sentence has to say.
type Row = (
    Cause,
    ClientEvidence,
    ServerEvidence,
    &'static [&'static str],
);

#[expect(clippy::too_many_lines, reason = "a table")]
fn table() -> Vec<Row> {
    let answering = || with(|it| it.udp = tried(20, 19));
    vec![
        (
            Cause::NoServerAddress,
            with(|it| {
                it.remote = 0;
                (it.udp, it.tcp) = Default::default();
            }),
            server(),
            &["none of the server's addresses"],
        ),
        (
            Cause::NoClientAddress,
            with(|it| {
                it.local.host = 0;
                (it.udp, it.tcp) = Default::default();
            }),
            server(),
            &["no address to send from", "allow WebRTC"],
        ),
        (
            Cause::NoPair,
            with(|it| (it.udp, it.tcp) = Default::default()),
            server(),
            &["paired none of its addresses", "may"],
        ),
        (
            Cause::NoChecks,
            with(|it| {
                it.udp = tried(0, 0);
                it.tcp = PairSums::default();
            }),
            server(),
            &["no connectivity check", "may"],
        ),
        (
            Cause::PrivateAddress,
            browser(),
            from(|it| it.is_out_of_reach = true),
            &["only private addresses", "--external-ip", "it looks like"],
        ),
        (
            Cause::NothingArrives,
            browser(),
            server(),
            &["Neither your UDP nor your TCP", "3478", "it looks like"],
        ),
        (
            Cause::UdpBlocked,
            with(|it| it.tcp = PairSums::default()),
            server(),
            &["Your UDP never arrived", "tried no TCP", "it looks like"],
        ),
        (
            Cause::OnlyTcpArrives,
            with(|it| it.tcp = tried(5, 5)),
            checked(0, 5),
            &["Your UDP never arrived at the server, TCP did", "3478"],
        ),
        (
            Cause::RelayRefused,
            with(|it| it.gathering_errors = vec![701, 401]),
            server(),
            &["refused", "401"],
        ),
        (
            Cause::RelayUnreachable,
            with(|it| {
                it.gathering_errors = vec![701];
                it.local.host = 0;
                (it.udp, it.tcp) = Default::default();
            }),
            server(),
            &["not reached (701)", "it looks like"],
        ),
        (
            Cause::WrongPassword,
            browser(),
            from(|it| it.ice.strangers = 9),
            &["not this call's (9)", "may"],
        ),
        (
            Cause::RoleConflict,
            browser(),
            from(|it| it.ice.role_conflicts = 4),
            &["ICE-lite"],
        ),
        (
            Cause::AnswersLost,
            browser(),
            checked(12, 0),
            &[
                "Your checks arrive (12, by UDP)",
                "does a firewall at either end let UDP port 3478 out",
            ],
        ),
        (
            Cause::Lossy,
            with(|it| {
                it.udp = tried(20, 5);
                it.udp.lost = Some(15);
            }),
            checked(12, 0),
            &["many are lost (5 were answered and 15 were not)"],
        ),
        (
            Cause::NotNominated,
            answering(),
            checked(12, 0),
            &["has chosen no path yet"],
        ),
        (
            Cause::DtlsMissing,
            answering(),
            nominated(DtlsEvidence::default()),
            &["no DTLS does", "it looks like"],
        ),
        (
            Cause::DtlsUnanswered,
            answering(),
            nominated(DtlsEvidence {
                begins_here: true,
                sent: 4,
                ..DtlsEvidence::default()
            }),
            &["our DTLS (4 datagrams) had no answer", "either"],
        ),
        (
            Cause::LargeDatagramsLost,
            answering(),
            nominated(DtlsEvidence {
                received: 4,
                longest: (251, 0),
                gap: Some(Gap {
                    length: 1413,
                    missing: 1187,
                }),
                ..DtlsEvidence::default()
            }),
            &["a part of 1187 bytes never arrived", "MTU", "it looks like"],
        ),
        (
            Cause::HandshakeStalls,
            answering(),
            nominated(DtlsEvidence {
                received: 4,
                sent: 6,
                longest: (600, 900),
                ..DtlsEvidence::default()
            }),
            &["up to 900 bytes", "either"],
        ),
        (
            Cause::LastFlightLost,
            with(|it| it.dtls = Some(Handshake::Connecting)),
            fate(DtlsFate::Done),
            &["our last DTLS datagram", "it looks like"],
        ),
        (
            Cause::WrongCertificate,
            answering(),
            fate(DtlsFate::WrongCertificate),
            &["not the one that your offer announced"],
        ),
        (
            Cause::HandshakeFailed,
            answering(),
            fate(DtlsFate::Failed("no common cipher".to_owned())),
            &["failed (no common cipher)"],
        ),
        (
            Cause::ClosedByClient,
            answering(),
            fate(DtlsFate::Closed),
            &["Your end closed"],
        ),
        (
            Cause::WentSilent,
            browser(),
            {
                let mut server = checked(12, 0);
                server.ice.state = PathState::Silent;
                server
            },
            &["do so no more", "may"],
        ),
        (
            Cause::Unclear,
            with(|it| it.dtls = Some(Handshake::Connected)),
            fate(DtlsFate::Done),
            &["does not tell"],
        ),
    ]
}

#[test]
fn each_cause_is_told_from_its_evidence_and_says_what_to_do() {
    for (cause, client, server, said) in table() {
        let diagnosis = judge(Some(&client), Some(&server));
        assert_eq!(diagnosis.cause, cause, "{client:?} {server:?}");
        for words in said {
            assert!(diagnosis.text.contains(words), "{}", diagnosis.text);
        }
    }
    let gone = judge(Some(&browser()), None);
    assert_eq!(gone.cause, Cause::NoPeer);
    assert!(gone.text.contains("call again"));
}

#[test]
fn the_table_has_every_cause() {
    let rows = table().into_iter().map(|(cause, ..)| cause);
    let told: Vec<_> = rows.chain([Cause::NoPeer]).collect();
    for cause in Cause::ALL {
        assert!(told.contains(cause), "{cause:?}");
    }
}

#[test]
fn a_cause_travels_by_its_name() {
    for cause in Cause::ALL {
        let travels = serde_json::to_string(cause).unwrap();
        assert_eq!(travels, format!("{:?}", cause.name()));
        assert_eq!(serde_json::from_str::<Cause>(&travels).unwrap(), *cause);
    }
    let later: Cause = serde_json::from_str("\"solarFlare\"").unwrap();
    assert_eq!(later, Cause::Other);
}

#[test]
fn every_sentence_is_one() {
    for (_, client, server, _) in table() {
        for client in [Some(&client), None] {
            let text = judge(client, Some(&server)).text;
            assert!(text.ends_with(['.', '?']), "{text}");
            let ends = text.matches(". ").count() + text.matches("? ").count();
            assert_eq!(ends, 0, "{text}");
            assert!(!text.contains("not told") && text.len() < 360, "{text}");
        }
    }
}

/// The client that says nothing is told what the server alone knows.
#[test]
fn who_tells_nothing_is_told_less() {
    let text = judge(None, Some(&server())).text;
    assert!(text.contains("or the client sends none"), "{text}");
    let text = judge(None, Some(&checked(12, 0))).text;
    assert!(text.contains("nothing shows that our answers"), "{text}");
}

#[test]
fn what_is_younger_than_two_seconds_is_not_judged() {
    let young = from(|it| it.ice.waited_ms = 1_999);
    assert_eq!(judge(Some(&browser()), Some(&young)).cause, Cause::Unclear);
    let mut young = nominated(DtlsEvidence::default());
    young.dtls.quiet_ms = 1_999;
    assert_eq!(judge(Some(&browser()), Some(&young)).cause, Cause::Unclear);
    let shaking = with(|it| it.dtls = Some(Handshake::Connecting));
    let mut young = fate(DtlsFate::Done);
    young.dtls.quiet_ms = 1_999;
    assert_eq!(judge(Some(&shaking), Some(&young)).cause, Cause::Unclear);
}

/// A lost part that is shorter than one that came is no matter of size, nor is anything of a stream.
#[test]
fn a_short_part_or_one_of_tcp_is_not_lost_for_its_size() {
    let stalled = |missing, is_by_tcp| {
        let mut server = nominated(DtlsEvidence {
            received: 1,
            longest: (1_200, 0),
            gap: Some(Gap {
                length: 3_000,
                missing,
            }),
            ..DtlsEvidence::default()
        });
        server.ice.is_by_tcp = is_by_tcp;
        judge(Some(&browser()), Some(&server))
    };
    assert_eq!(stalled(1_201, false).cause, Cause::LargeDatagramsLost);
    assert_eq!(stalled(1_200, false).cause, Cause::HandshakeStalls);
    assert_eq!(stalled(100, false).cause, Cause::HandshakeStalls);
    let by_tcp = stalled(1_201, true);
    assert_eq!(by_tcp.cause, Cause::HandshakeStalls);
    assert!(by_tcp.text.contains("let all TCP"), "{}", by_tcp.text);
}

/// Nobody is told to try what they tried, nor that something did not arrive that they never sent.
#[test]
fn only_what_was_tried_is_said_not_to_arrive() {
    let told = |udp, tcp, relayed| {
        let client = with(|it| (it.udp, it.tcp, it.relayed) = (udp, tcp, relayed));
        let diagnosis = judge(Some(&client), Some(&server()));
        (diagnosis.cause, diagnosis.text)
    };
    let (none, some) = (PairSums::default(), tried(20, 0));
    assert_eq!(told(some, none, none).0, Cause::UdpBlocked);
    let (cause, text) = told(some, none, some);
    assert_eq!(cause, Cause::NothingArrives);
    assert!(text.contains("relay") && !text.contains("TCP"), "{text}");
    let (cause, text) = told(some, tried(0, 0), some);
    assert_eq!(cause, Cause::NothingArrives);
    assert!(text.contains("relay") && text.contains("TCP"), "{text}");
    for udp in [none, tried(0, 0)] {
        assert_eq!(told(udp, tried(0, 0), none).0, Cause::Unclear);
        assert_eq!(told(udp, none, some).0, Cause::Unclear);
    }
}

/// Nobody whose checks arrive is told that they do not.
#[test]
fn who_comes_too_late_is_told_so() {
    let mut late = checked(12, 0);
    late.ice.state = PathState::Silent;
    late.ice.late = 3;
    let told = judge(Some(&browser()), Some(&late));
    assert_eq!(told.cause, Cause::WentSilent);
    assert!(told.text.contains("Your checks arrive"), "{}", told.text);
    assert!(!told.text.contains("no more"), "{}", told.text);
}

/// A browser whose names for its addresses the server cannot look up is as good as any: a lite agent needs
/// no candidate of its.
#[test]
fn names_in_place_of_addresses_are_no_cause() {
    let masked = with(|it| it.local.reflexive = 0);
    let told = judge(Some(&masked), Some(&server())).text;
    assert!(!told.to_lowercase().contains("mdns"), "{told}");
}

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

//! Each cause from the evidence that it needs, and none against the evidence.

mod contradictions;
mod table;

use super::*;

use table::table;

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

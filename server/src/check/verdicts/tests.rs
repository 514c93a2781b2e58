//! What each finding is told as.

use super::super::others::{Answer, Trouble};
use super::super::relaying::Given;
use super::*;
use crate::external::relayed::Over;

const NOW: u64 = 1_795_910_400;

fn shown(days: i64) -> Shown {
    Shown {
        names: vec!["call.example".to_owned()],
        addresses: Vec::new(),
        from: NOW as i64 - DAY,
        until: NOW as i64 + days * DAY,
        is_self_signed: false,
    }
}

fn at() -> SocketAddr {
    "192.0.2.1:3478".parse().unwrap()
}

#[test]
fn a_certificate_is_bad_when_it_ran_out_and_warned_of_when_it_will_soon() {
    let status = |shown: &Shown| certificate(at(), shown, NOW, &[at().ip()]).status;
    assert_eq!(status(&shown(90)), Status::Ok);
    assert_eq!(status(&shown(14)), Status::Ok);
    assert_eq!(status(&shown(13)), Status::Warn);
    assert_eq!(status(&shown(-1)), Status::Bad);
    let mut early = shown(90);
    early.from = NOW as i64 + 1;
    assert_eq!(status(&early), Status::Bad);
    let text = certificate(at(), &shown(90), NOW, &[]).text();
    assert!(
        text.contains("call.example") && text.contains("90 days"),
        "{text}"
    );
}

#[test]
fn a_certificate_without_a_name_is_for_every_address() {
    let status = |addresses: &[&str]| {
        let addresses = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
        let names = vec!["localhost".to_owned()];
        let shown = Shown {
            names,
            addresses,
            ..shown(90)
        };
        certificate(at(), &shown, NOW, &[at().ip()]).status
    };
    assert_eq!(status(&["192.0.2.1", "192.0.2.2"]), Status::Ok);
    assert_eq!(status(&["192.0.2.2"]), Status::Warn);
}

#[test]
fn a_port_is_whose_it_is() {
    let status = |bound, found| {
        let asked = Asked {
            flag: "--listen",
            transport: "TCP",
            at: at(),
            bound,
        };
        port(&asked, found).status
    };
    for (bound, found, expected) in [
        (Bound::Free, Found::Free, Status::Ok),
        (Bound::Any, Found::Free, Status::Ok),
        (Bound::Taken, Found::Running, Status::Ok),
        (Bound::Free, Found::Running, Status::Bad),
        (Bound::Any, Found::Running, Status::Skipped),
        (Bound::Taken, Found::Taken, Status::Bad),
        (Bound::Free, Found::Taken, Status::Ok),
        (Bound::Refused(String::new()), Found::Free, Status::Bad),
    ] {
        assert_eq!(
            status(bound.clone(), found),
            expected,
            "{bound:?} {found:?}"
        );
    }
}

#[test]
fn silence_is_bad_and_a_nat_is_thought_of_where_there_is_one() {
    let silent = Err(Failure::Silent);
    let (own, external) = (udp(at(), false, &silent), udp(at(), true, &silent));
    assert_eq!((own.status, external.status), (Status::Bad, Status::Bad));
    assert!(external.text().contains("NATs") && !own.text().contains("NATs"));
    let answered = Ok(Duration::from_micros(1500));
    assert_eq!(
        tcp(at(), false, &answered).text(),
        "tcp 192.0.2.1:3478: answered in 1.5 ms"
    );
}

#[test]
fn an_address_is_external_when_it_is_proved() {
    let status = |sure: &[&str], unsure: &[&str], answered| {
        let read = |texts: &[&str]| texts.iter().map(|ip| ip.parse().unwrap()).collect();
        let (sure, unsure) = (read(sure), read(unsure));
        let found = External {
            sure,
            unsure,
            answered,
            port: 0,
        };
        external(&found).status
    };
    assert_eq!(status(&["203.0.113.7"], &[], 1), Status::Ok);
    assert_eq!(status(&[], &[], 1), Status::Ok);
    assert_eq!(status(&["203.0.113.7"], &[], 0), Status::Warn);
    assert_eq!(status(&["203.0.113.7"], &["203.0.113.8"], 1), Status::Warn);
}

#[test]
fn a_relay_is_good_when_packets_go_both_ways() {
    let statuses = |allocated, passed| {
        let rows = relayed(at(), &Relayed { allocated, passed });
        rows.iter().map(|row| row.status).collect::<Vec<_>>()
    };
    let passed = || Some(Ok(Duration::from_millis(1)));
    assert_eq!(statuses(Ok(at()), passed()), [Status::Ok, Status::Ok]);
    for lost in [Lost::There, Lost::Back, Lost::Permission(Failure::Silent)] {
        assert_eq!(
            statuses(Ok(at()), Some(Err(lost))),
            [Status::Ok, Status::Bad]
        );
    }
    assert_eq!(statuses(Ok(at()), None), [Status::Ok, Status::Skipped]);
    assert_eq!(
        statuses(Err(Failure::Silent), None),
        [Status::Bad, Status::Skipped]
    );
}

/// How a relay of somebody else's is told of that sees us there.
fn told(over: Over, mapped: &str, passed: Result<Duration, Lost>) -> Row {
    let given = Given {
        relayed: at(),
        mapped: mapped.parse().unwrap(),
        asked: Duration::from_millis(3),
        passed,
    };
    let url = "turn:turn.example:3478";
    let row = ice_server(url, Some(over), &Ok(Answer::Relay(given)));
    assert_eq!(row.at.as_deref(), Some(url));
    row
}

#[test]
fn a_relay_of_somebody_elses_is_good_when_something_comes_by_it_and_goes_back() {
    const PUBLIC: &str = "203.0.113.7:5000";
    let passed = Ok(Duration::from_millis(1));
    let row = told(Over::Udp, PUBLIC, passed);
    assert_eq!(row.status, Status::Ok);
    assert!(row.says.contains("1.0 ms"), "{row:?}");
    for lost in [Lost::There, Lost::Back, Lost::Permission(Failure::Silent)] {
        assert_eq!(told(Over::Udp, PUBLIC, Err(lost)).status, Status::Bad);
    }
    // Where no UDP gets out this test does not reach the relay, and browsers need not.
    for over in [Over::Tcp, Over::Tls] {
        assert_eq!(told(over, PUBLIC, Err(Lost::There)).status, Status::Warn);
        assert_eq!(told(over, PUBLIC, Err(Lost::Back)).status, Status::Bad);
    }
    // One that is right to reach nobody behind it.
    let forbidden = || Err(Lost::Permission(Failure::Said(403, "Forbidden".to_owned())));
    assert_eq!(
        told(Over::Tcp, "10.0.0.1:1", forbidden()).status,
        Status::Ok
    );
    assert_eq!(told(Over::Tcp, PUBLIC, forbidden()).status, Status::Bad);
}

#[test]
fn what_a_server_refuses_with_is_told_with_what_to_do() {
    let said = |code, reason: &str| Trouble::from(Failure::Said(code, reason.to_owned()));
    for (trouble, status, expected) in [
        (
            said(401, "Unauthorized"),
            Status::Bad,
            "401 Unauthorized; are its username",
        ),
        (
            said(486, "Quota"),
            Status::Bad,
            "486 Quota; the account has all",
        ),
        (
            said(508, "Full"),
            Status::Bad,
            "508 Full; it has no relay left",
        ),
        (Failure::Silent.into(), Status::Bad, "is TCP let out"),
        (Failure::Refused.into(), Status::Bad, "nobody listens there"),
        (
            Trouble::Nowhere("x".to_owned()),
            Status::Bad,
            "leads nowhere: x",
        ),
        (
            Trouble::Name(vec!["b".to_owned()]),
            Status::Bad,
            "but for b",
        ),
        (Trouble::Name(Vec::new()), Status::Bad, "another name"),
        (Trouble::Issuer, Status::Bad, "vouches for"),
        (Trouble::Expired, Status::Bad, "run out"),
        (Trouble::NoTrust, Status::Skipped, "trusts nobody"),
        (Trouble::Unasked, Status::Skipped, "DTLS"),
    ] {
        let row = ice_server("turns:a", Some(Over::Tls), &Err(trouble));
        assert_eq!(row.status, status, "{row:?}");
        assert!(row.text().contains(expected), "{row:?}");
    }
    let over_udp = ice_server("turn:a", Some(Over::Udp), &Err(Failure::Silent.into()));
    assert!(over_udp.text().contains("is UDP let out"), "{over_udp:?}");
}

#[test]
fn a_clock_is_of_this_century_and_does_not_jump() {
    let second = Duration::from_secs(1);
    let status = |unix, wall| {
        let now = UNIX_EPOCH + Duration::from_secs(unix);
        clock(now, (wall, second)).status
    };
    assert_eq!(status(NOW, Some(second)), Status::Ok);
    assert_eq!(status(NOW, Some(second + DRIFT)), Status::Ok);
    assert_eq!(status(NOW, Some(second + 2 * DRIFT)), Status::Warn);
    assert_eq!(status(NOW, Some(second - 2 * DRIFT)), Status::Warn);
    assert_eq!(status(NOW, None), Status::Warn);
    assert_eq!(status(0, Some(second)), Status::Bad);
    assert_eq!(status(LAST_SANE, Some(second)), Status::Bad);
}

#[test]
fn what_the_machine_gives_is_compared_with_what_is_wanted() {
    assert_eq!(files(Ok(100), 100).status, Status::Ok);
    assert_eq!(files(Ok(99), 100).status, Status::Warn);
    let given = |receive, send, leave, arrive| SocketLimits {
        receive,
        send,
        wanted: 4096,
        leave,
        arrive,
    };
    assert_eq!(buffers(&Ok(given(4096, 4096, 1, 1))).status, Status::Ok);
    assert_eq!(buffers(&Ok(given(4095, 4096, 1, 1))).status, Status::Warn);
    assert_eq!(buffers(&Ok(given(4096, 4095, 1, 1))).status, Status::Warn);
    assert_eq!(offloads(&Ok(given(0, 0, 64, 64))).status, Status::Ok);
    for (leave, arrive, missing) in [
        (1, 64, "no GSO for"),
        (64, 1, "no GRO for"),
        (1, 1, "no GSO and GRO"),
    ] {
        let row = offloads(&Ok(given(0, 0, leave, arrive)));
        assert!(
            row.status == Status::Warn && row.text().contains(missing),
            "{row:?}"
        );
    }
    let directory = Path::new("/data");
    assert_eq!(data(directory, Ok(())).status, Status::Ok);
    let denied = Err(io::ErrorKind::PermissionDenied.into());
    assert_eq!(data(directory, denied).status, Status::Bad);
}

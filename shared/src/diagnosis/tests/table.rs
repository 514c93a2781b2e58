//! Calls, by what was seen of them, and why they are not connected.

use super::super::*;
use super::{browser, checked, fate, from, nominated, server, tried, with};

/// A call of which this was seen, why it is not connected, and what its sentence has to say.
pub(super) type Row = (
    Cause,
    ClientEvidence,
    ServerEvidence,
    &'static [&'static str],
);

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn table() -> Vec<Row> {
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

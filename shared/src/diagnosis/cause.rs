//! The causes, and what is said of each. A sentence ends with what to do; where the evidence allows for
//! more than one explanation it says so.

use serde::{Deserialize, Serialize};

use super::client::{ClientEvidence, PairSums};
use super::server::{DtlsFate, ServerEvidence};

/// Why a call is not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "bindings", derive(schemars::JsonSchema, ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Cause {
    /// The server has no peer connection for this client.
    NoPeer,
    /// The client knows no address of the server's.
    NoServerAddress,
    /// The client has no address to send from.
    NoClientAddress,
    /// None of the client's addresses goes with one of the server's.
    NoPair,
    /// The client sends no checks.
    NoChecks,
    /// The server offers only private addresses to a client that is elsewhere.
    PrivateAddress,
    /// Nothing of the client's arrives, neither by UDP nor by what else it tries.
    NothingArrives,
    /// No UDP of the client's arrives, and it tries nothing else.
    UdpBlocked,
    /// No UDP of the client's arrives; TCP does.
    OnlyTcpArrives,
    /// A relay is needed, and refuses the client's credentials.
    RelayRefused,
    /// A relay is needed, and the client does not reach it.
    RelayUnreachable,
    /// The client's checks have another call's name or password.
    WrongPassword,
    /// The client claims the server's role in ICE.
    RoleConflict,
    /// The client's checks arrive, and the answers do not.
    AnswersLost,
    /// Many checks or answers are lost.
    Lossy,
    /// Checks and answers arrive, and the client chooses no path.
    NotNominated,
    /// ICE has its path, and no DTLS of the client's arrives.
    DtlsMissing,
    /// ICE has its path, and the DTLS of the server's has no answer.
    DtlsUnanswered,
    /// Small DTLS datagrams arrive, and large ones do not.
    LargeDatagramsLost,
    /// The DTLS handshake began, and does not go on.
    HandshakeStalls,
    /// The server's end of the handshake is done, and the client's is not.
    LastFlightLost,
    /// The certificate is not the one that the client announced.
    WrongCertificate,
    /// The DTLS handshake failed.
    HandshakeFailed,
    /// The client's end closed the connection.
    ClosedByClient,
    /// What came over the path comes no more.
    WentSilent,
    /// The evidence does not tell.
    Unclear,
    /// A cause that a later version added.
    #[serde(other)]
    Other,
}

impl Cause {
    /// Every one that is ever told.
    pub const ALL: &[Self] = &[
        Self::NoPeer,
        Self::NoServerAddress,
        Self::NoClientAddress,
        Self::NoPair,
        Self::NoChecks,
        Self::PrivateAddress,
        Self::NothingArrives,
        Self::UdpBlocked,
        Self::OnlyTcpArrives,
        Self::RelayRefused,
        Self::RelayUnreachable,
        Self::WrongPassword,
        Self::RoleConflict,
        Self::AnswersLost,
        Self::Lossy,
        Self::NotNominated,
        Self::DtlsMissing,
        Self::DtlsUnanswered,
        Self::LargeDatagramsLost,
        Self::HandshakeStalls,
        Self::LastFlightLost,
        Self::WrongCertificate,
        Self::HandshakeFailed,
        Self::ClosedByClient,
        Self::WentSilent,
        Self::Unclear,
    ];

    /// Its name, as it travels.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoPeer => "noPeer",
            Self::NoServerAddress => "noServerAddress",
            Self::NoClientAddress => "noClientAddress",
            Self::NoPair => "noPair",
            Self::NoChecks => "noChecks",
            Self::PrivateAddress => "privateAddress",
            Self::NothingArrives => "nothingArrives",
            Self::UdpBlocked => "udpBlocked",
            Self::OnlyTcpArrives => "onlyTcpArrives",
            Self::RelayRefused => "relayRefused",
            Self::RelayUnreachable => "relayUnreachable",
            Self::WrongPassword => "wrongPassword",
            Self::RoleConflict => "roleConflict",
            Self::AnswersLost => "answersLost",
            Self::Lossy => "lossy",
            Self::NotNominated => "notNominated",
            Self::DtlsMissing => "dtlsMissing",
            Self::DtlsUnanswered => "dtlsUnanswered",
            Self::LargeDatagramsLost => "largeDatagramsLost",
            Self::HandshakeStalls => "handshakeStalls",
            Self::LastFlightLost => "lastFlightLost",
            Self::WrongCertificate => "wrongCertificate",
            Self::HandshakeFailed => "handshakeFailed",
            Self::ClosedByClient => "closedByClient",
            Self::WentSilent => "wentSilent",
            Self::Unclear => "unclear",
            Self::Other => "other",
        }
    }

    /// The sentence for whoever called. `client` is `None` where it told nothing.
    pub(super) fn sentence(
        self,
        client: Option<&ClientEvidence>,
        server: &ServerEvidence,
    ) -> String {
        let port = server.port;
        match self {
            Self::NoPeer => "The server holds no peer connection for this call: it was closed or never agreed on; call again.".to_owned(),
            Self::NoServerAddress => "Your browser knows none of the server's addresses: the server's answer did not reach it, or lost its candidates on the way; call again, and if it stays so look at what changes the answer.".to_owned(),
            Self::NoClientAddress => "Your browser has found no address to send from: there is no network, or a policy or an extension keeps WebRTC from using it; allow WebRTC in this browser.".to_owned(),
            Self::NoPair => "Your browser has paired none of its addresses with one of the server's: one end may have IPv4 only and the other IPv6, or a policy may forbid UDP; see that both have an address of one kind, or use a relay.".to_owned(),
            Self::NoChecks => "Your browser has sent no connectivity check, and none arrived: a policy or an extension may keep WebRTC from sending; allow it, or try another browser.".to_owned(),
            Self::PrivateAddress => format!("The server offers only private addresses, you called from a public one, and nothing of yours arrived: it looks like the server does not know its public address; start it with --external-ip, and let UDP and TCP port {port} through to it."),
            Self::NothingArrives if client.is_none() => format!("No connectivity check arrived, neither by UDP nor by TCP: a firewall at either end may drop them, or the client sends none; let UDP and TCP port {port} through to the server."),
            Self::NothingArrives => nothing_arrives(client, server),
            Self::UdpBlocked => format!("Your UDP never arrived at the server, and your browser tried no TCP: it looks like a firewall at your end or at the server's drops it; let UDP port {port} through, or allow the browser TCP or a relay."),
            Self::OnlyTcpArrives => format!("Your UDP never arrived at the server, TCP did: a firewall at your end or at the server's drops UDP; the call can go on over TCP, and is better once UDP port {port} is let through."),
            Self::RelayRefused => format!("Nothing of yours arrived directly, and a relay refused your browser's credentials (401): they may have run out, or be wrong in the server's [[ice-servers]]; call again, and let UDP and TCP port {port} through where that can be."),
            Self::RelayUnreachable => format!("Nothing of yours arrived directly, and a STUN or relay server was not reached (701): it looks like a firewall at your end lets neither out; let UDP and TCP port {port} out to the server, or use a relay on TCP port 443."),
            Self::WrongPassword => format!("Connectivity checks came with a name or a password that is not this call's ({}): they may belong to an earlier answer; call again, and give each answer only to the peer connection whose offer it answers.", server.ice.strangers),
            Self::RoleConflict => "Your end claims to be the controlled one in ICE, which this server, an ICE-lite one, is: make the offer at your end, with an implementation that knows a=ice-lite (RFC 8445 §6.1.1).".to_owned(),
            Self::AnswersLost => self.answers_lost(client, server),
            Self::Lossy => format!("Checks and answers get through, but many are lost ({} were answered and {} were not): it looks like a bad or overloaded network; try another one, or wait.", client.and_then(|it| it.udp.answered).unwrap_or(0), client.and_then(|it| it.udp.lost).unwrap_or(0)),
            Self::NotNominated => "Your checks arrive and so do our answers, but your end has chosen no path yet: its network may be slow; if it stays so, its ICE does not nominate (RFC 8445 §8.1.1).".to_owned(),
            Self::DtlsMissing => format!("Your connectivity checks arrive and no DTLS does: it looks like a firewall that knows WebRTC half drops the DTLS handshake; let all UDP to port {port} through, whatever is inside."),
            Self::DtlsUnanswered => format!("Your connectivity checks arrive, and our DTLS ({} datagrams) had no answer: either it does not reach you or your answer does not reach us; let all UDP from and to port {port} through, whatever is inside, and see that the MTU is 1280 or more.", server.dtls.sent),
            Self::LargeDatagramsLost => self.large_datagrams_lost(server),
            Self::HandshakeStalls => format!("The DTLS handshake began and does not go on: either our part (up to {} bytes) does not reach you or your next does not reach us; let all {} from and to port {port} through, and see that the MTU is 1280 or more.", server.dtls.longest.1, if server.ice.is_by_tcp { "TCP" } else { "UDP" }),
            Self::LastFlightLost => format!("The handshake is done at the server, and your end has not noticed: it looks like our last DTLS datagram does not reach you; let all UDP from port {port} through."),
            Self::WrongCertificate => "The DTLS certificate that arrived is not the one that your offer announced: something between changes the offer or ends DTLS itself; call without it.".to_owned(),
            Self::HandshakeFailed => format!("The DTLS handshake failed ({}); call again, and if it stays so try another browser.", failure(server)),
            Self::ClosedByClient => "Your end closed the connection; call again.".to_owned(),
            Self::WentSilent if server.ice.late > 0 => "Your checks arrive, but the server had given this call's path up by then, as none was good for too long: restart ICE, or call again.".to_owned(),
            Self::WentSilent => format!("Your packets arrived at the server and do so no more: your network may have changed, or a firewall has forgotten you; see that UDP port {port} stays open, or call again."),
            Self::Unclear | Self::Other => "What the server and your end saw does not tell why the call is not connected; it may only be slow: wait, or call again.".to_owned(),
        }
    }

    fn answers_lost(self, client: Option<&ClientEvidence>, server: &ServerEvidence) -> String {
        let (port, ice) = (server.port, &server.ice);
        let way = if ice.tcp.checks > ice.udp.checks {
            "TCP"
        } else {
            "UDP"
        };
        let count = ice.checks();
        let known = client.is_some_and(|it| it.answered() == Some(0) && !it.worked_before);
        match known {
            true => format!(
                "Your checks arrive ({count}, by {way}), and none of our answers reached you: does a firewall at either end let {way} port {port} out, and back in to you?"
            ),
            false => format!(
                "Your checks arrive ({count}, by {way}), and nothing shows that our answers reach you: either they are lost or your end ignores them; see that {way} port {port} is let out, and back in to you."
            ),
        }
    }

    fn large_datagrams_lost(self, server: &ServerEvidence) -> String {
        let missing = server.dtls.gap.map_or(0, |gap| gap.missing);
        format!(
            "The DTLS handshake stalls at a large datagram: a part of {missing} bytes never arrived while smaller ones did; it looks like an MTU below 1280 on the way to the server; raise it (a VPN's or tunnel's is often too small)."
        )
    }
}

/// Names no way that the client has no pair for. Whoever has a relay got as far as that.
fn nothing_arrives(client: Option<&ClientEvidence>, server: &ServerEvidence) -> String {
    let port = server.port;
    let has = |way: fn(&ClientEvidence) -> PairSums| client.is_some_and(|it| way(it).pairs > 0);
    let (besides, drops, ports) = match (has(|it| it.tcp), has(|it| it.relayed)) {
        (_, false) => (
            "your TCP",
            "at your end or at the server's drops both",
            "UDP and TCP",
        ),
        (true, true) => (
            "your TCP nor anything through a relay",
            "at the server's end drops it all",
            "UDP and TCP",
        ),
        (false, true) => (
            "anything through a relay",
            "at the server's end drops both",
            "UDP",
        ),
    };
    format!(
        "Neither your UDP nor {besides} arrived at the server's media port: it looks like a firewall {drops}; let {ports} port {port} through to the server."
    )
}

fn failure(server: &ServerEvidence) -> &str {
    match &server.dtls.fate {
        DtlsFate::Failed(words) => words,
        DtlsFate::UnderWay | DtlsFate::Done | DtlsFate::WrongCertificate | DtlsFate::Closed => {
            "at your end"
        }
    }
}

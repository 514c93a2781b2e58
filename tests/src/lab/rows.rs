//! The networks by name, and what must come of a call in each.

use std::time::Duration;

use super::link::Shape;

/// What becomes of addresses between a client and the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// They stay.
    None,
    /// Whoever outside sends to the mapped address reaches the client (RFC 3489 §5: full cone).
    FullCone,
    /// Only hosts that the client has sent to.
    AddressRestricted,
    /// Only ports that the client has sent to.
    PortRestricted,
    /// And another mapping for each of them.
    Symmetric,
    /// One behind another, as with mobile carriers (RFC 6888).
    Double,
    /// The client has IPv6 alone, and the rest IPv4 (RFC 6146), as with others of them.
    Six,
}

impl Nat {
    /// In the words of `iptables`, at the router that has the link.
    pub(super) fn rules(self) -> &'static [&'static str] {
        match self {
            Self::None => &[],
            Self::FullCone => &[
                "-t nat -A POSTROUTING -o uplink -j SNAT --to-source 203.0.113.1",
                "-t nat -A PREROUTING -i uplink -p udp -j DNAT --to-destination 10.0.0.2",
            ],
            Self::AddressRestricted => &[
                "-t nat -A POSTROUTING -o uplink -j SNAT --to-source 203.0.113.1",
                "-t mangle -A FORWARD -o uplink -p udp -m recent --name known --rdest --set",
                "-t nat -A PREROUTING -i uplink -p udp -m recent --name known --rsource --rcheck \
                 -j DNAT --to-destination 10.0.0.2",
            ],
            Self::PortRestricted | Self::Double | Self::Six => {
                &["-t nat -A POSTROUTING -o uplink -j MASQUERADE"]
            }
            Self::Symmetric => &["-t nat -A POSTROUTING -o uplink -j MASQUERADE --random-fully"],
        }
    }
}

/// What a router lets out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firewall {
    /// Everything.
    None,
    /// No UDP.
    NoUdp,
    /// TCP to port 443, and nothing else.
    OnlyHttps,
    /// Of that, only what begins as TLS does.
    OnlyTls,
    /// The page, and nothing else.
    OnlyPage,
    /// No IPv6, although addresses and routes say otherwise.
    NoIpv6,
}

impl Firewall {
    /// Whether only a server at the port of HTTPS is reached.
    pub(super) fn is_sealed(self) -> bool {
        match self {
            Self::OnlyHttps | Self::OnlyTls => true,
            Self::None | Self::NoUdp | Self::OnlyPage | Self::NoIpv6 => false,
        }
    }

    /// In the words of `iptables` and `ip6tables`.
    pub(super) fn rules(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::None => &[],
            Self::NoUdp => &[("iptables", "-A FORWARD -p udp -j DROP")],
            Self::OnlyHttps => &[
                ("iptables", "-A FORWARD -i lan -p tcp --dport 443 -j ACCEPT"),
                ("iptables", "-A FORWARD -i lan -j DROP"),
            ],
            // A connection that began with a handshake's record (RFC 8446 §5.1) is marked; others are cut
            // with their first bytes.
            Self::OnlyTls => &[
                (
                    "iptables",
                    "-t mangle -A FORWARD -i lan -p tcp --dport 443 -m u32 \
                     --u32 0>>22&0x3C@12>>26&0x3C@0>>16=0x1603 -j CONNMARK --set-mark 1",
                ),
                (
                    "iptables",
                    "-A FORWARD -i lan -p tcp --dport 443 --tcp-flags PSH PSH -m connmark --mark 0 \
                     -j REJECT --reject-with tcp-reset",
                ),
                ("iptables", "-A FORWARD -i lan -p tcp --dport 443 -j ACCEPT"),
                ("iptables", "-A FORWARD -i lan -j DROP"),
            ],
            Self::OnlyPage => &[
                (
                    "iptables",
                    "-A FORWARD -i lan -p tcp --dport 8080 -j ACCEPT",
                ),
                ("iptables", "-A FORWARD -i lan -j DROP"),
            ],
            Self::NoIpv6 => &[("ip6tables", "-A FORWARD -j DROP")],
        }
    }
}

/// Where the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    /// At an address that everybody reaches.
    Public,
    /// Behind a NAT that gives it one of its own, which it was told.
    Behind,
}

/// What must come of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It connects, 19 times of 20 within this time, by one of these ways.
    Connects(Duration, &'static [&'static str]),
    /// It cannot, and this is said to be why.
    Fails(&'static str),
}

/// A network.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// For people.
    pub name: &'static str,
    /// Between the client and the rest.
    pub nat: Nat,
    /// What its router lets out.
    pub firewall: Firewall,
    /// The link between router and server.
    pub link: Shape,
    /// Where the server is.
    pub site: Site,
    /// Both ends have such addresses.
    pub has_ipv4: bool,
    /// Likewise.
    pub has_ipv6: bool,
    /// The client changes its address in mid-call, and what counts is how long nothing comes.
    pub moves: bool,
    /// What must come of it.
    pub expected: Expected,
}

/// Straight to the server, whatever a NAT makes of it.
pub(super) const UDP: &[&str] = &["host udp", "srflx udp", "prflx udp"];

/// Where packets get lost, whichever is proven first.
const LOSSY: &[&str] = &[
    "host udp",
    "srflx udp",
    "prflx udp",
    "host tcp",
    "prflx tcp",
    "relay tcp",
];

/// A relay, over TLS.
pub(super) const SEALED: &[&str] = &["relay tls"];

/// A client and a server with nothing between them.
const OPEN: Row = Row {
    name: "open",
    nat: Nat::None,
    firewall: Firewall::None,
    link: CLEAN,
    site: Site::Public,
    has_ipv4: true,
    has_ipv6: false,
    moves: false,
    expected: Expected::Connects(Duration::from_secs(3), UDP),
};

const CLEAN: Shape = Shape {
    delay: Duration::from_millis(5),
    jitter: Duration::ZERO,
    loss: 0.0,
    rate: None,
    mtu: None,
};

const fn behind(name: &'static str, nat: Nat) -> Row {
    Row { name, nat, ..OPEN }
}

const fn firewalled(name: &'static str, firewall: Firewall, expected: Expected) -> Row {
    Row {
        name,
        firewall,
        expected,
        ..behind(name, Nat::PortRestricted)
    }
}

const fn over(name: &'static str, link: Shape) -> Row {
    Row {
        link,
        ..behind(name, Nat::PortRestricted)
    }
}

const fn by(ways: &'static [&'static str]) -> Expected {
    Expected::Connects(Duration::from_secs(3), ways)
}

/// All of them.
pub const ROWS: [Row; 21] = [
    OPEN,
    behind("full cone NAT", Nat::FullCone),
    behind("address-restricted NAT", Nat::AddressRestricted),
    behind("port-restricted NAT", Nat::PortRestricted),
    behind("symmetric NAT", Nat::Symmetric),
    behind("double NAT", Nat::Double),
    Row {
        name: "server behind a 1:1 NAT",
        site: Site::Behind,
        ..behind("", Nat::PortRestricted)
    },
    firewalled(
        "UDP blocked",
        Firewall::NoUdp,
        by(&["host tcp", "prflx tcp", "srflx tcp", "relay tcp"]),
    ),
    firewalled("only TCP to port 443", Firewall::OnlyHttps, by(SEALED)),
    firewalled("only TLS to port 443", Firewall::OnlyTls, by(SEALED)),
    firewalled(
        "only the page",
        Firewall::OnlyPage,
        Expected::Fails("nothingArrives"),
    ),
    Row {
        name: "IPv6 only",
        has_ipv4: false,
        has_ipv6: true,
        ..OPEN
    },
    behind("IPv6 only, with NAT64", Nat::Six),
    Row {
        name: "dual stack, IPv6 broken",
        has_ipv6: true,
        ..firewalled("", Firewall::NoIpv6, by(UDP))
    },
    Row {
        name: "address changes in mid-call",
        moves: true,
        ..behind("", Nat::PortRestricted)
    },
    Row {
        expected: by(LOSSY),
        ..over(
            "5 % lost each way",
            Shape {
                loss: 0.05,
                ..CLEAN
            },
        )
    },
    Row {
        expected: by(LOSSY),
        ..over("20 % lost each way", Shape { loss: 0.2, ..CLEAN })
    },
    Row {
        name: "300 ms there and back",
        expected: Expected::Connects(Duration::from_secs(5), UDP),
        ..over(
            "",
            Shape {
                delay: Duration::from_millis(150),
                ..CLEAN
            },
        )
    },
    over(
        "jitter of 50 ms",
        Shape {
            jitter: Duration::from_millis(50),
            ..CLEAN
        },
    ),
    over(
        "MTU 1280, no word of it",
        Shape {
            mtu: Some(1280),
            ..CLEAN
        },
    ),
    over(
        "MTU 1000, no word of it",
        Shape {
            mtu: Some(1000),
            ..CLEAN
        },
    ),
];

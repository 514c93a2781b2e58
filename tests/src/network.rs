//! A network of a test's own: a namespace with loopback, one address and a default route that
//! leads nowhere. Peers that gather no candidates without a default route work in it whatever the
//! machine's network is, and nothing of a test gets out. Or two namespaces with two ways from the
//! one to the other, for those that move. Knows nothing of who uses it.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns, unshare};

/// The only IPv4 address besides loopback. It is for documentation (RFC 5737 §3).
pub const IPV4: &str = "198.51.100.1";

/// The only IPv6 address besides loopback and link-local. It is for documentation (RFC 3849).
pub const IPV6: &str = "2001:db8::1";

/// Both ends of the link are inside, so that the namespace needs nothing of the machine's. An
/// IPv6 address that is still being checked for duplicates (RFC 4862 §5.4) cannot be bound.
const LINKS: &str = "\
link set lo up
link add outside type veth peer name gateway
link set gateway up
link set outside up
address add 198.51.100.1/24 dev outside
route add default via 198.51.100.2
address add 2001:db8::1/64 dev outside nodad
-6 route add default via 2001:db8::2
";

/// The first address of many that whoever is in [`for_crowds`] may send from. They are for benchmarks (RFC 2544).
pub const CROWD: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// Takes this thread, and no other, into a network that has besides one address a hundred thousand from [`CROWD`]
/// on. libnice takes no loopback address, and answers only where its own address is.
pub fn for_crowds() -> Result<()> {
    leave()?;
    LINKS.lines().try_for_each(|line| command("ip", line))?;
    command("ip", "route add local 198.18.0.0/15 dev outside")
}

/// Runs an async test in a network of its own, on a thread of its own. The sockets and processes
/// it makes are in that network; the system ends it with the last of them, however they end.
///
/// Who may not make one gets the machine's network.
pub fn apart(test: impl AsyncFnOnce() -> Result<()> + Send) -> Result<()> {
    on_a_thread(|| {
        if may_be_made() {
            leave()?;
            LINKS.lines().try_for_each(|line| command("ip", line))?;
        }
        block_on(test())
    })
}

/// The server's address for those that move. It is for documentation (RFC 5737 §3).
pub const SERVER: &str = "192.0.2.1";

/// A way to the server: a link of its own, with an address of its own.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    name: &'static str,
    client: &'static str,
    gateway: &'static str,
}

/// The way that is there at first.
pub const WIFI: Way = Way {
    name: "wifi",
    client: IPV4,
    gateway: "198.51.100.2",
};

/// The other one.
pub const MOBILE: Way = Way {
    name: "mobile",
    client: "203.0.113.1",
    gateway: "203.0.113.2",
};

/// Two networks: a client's, in which the test runs, and a server's.
#[derive(Debug)]
pub struct Roaming {
    client: File,
    server: File,
}

/// Runs an async test in a client's network, which has one [`Way`] to a server's. Only root may
/// make them.
pub fn roaming(test: impl AsyncFnOnce(&Roaming) -> Result<()> + Send) -> Result<()> {
    ensure!(
        may_be_made(),
        "only root, outside of most containers, can make a network"
    );
    on_a_thread(|| {
        let roaming = Roaming::new()?;
        block_on(test(&roaming))
    })
}

impl Roaming {
    fn new() -> Result<Self> {
        leave()?;
        let server = current()?;
        command("ip", "link set lo up")?;
        command("ip", &format!("address add {SERVER}/32 dev lo"))?;
        leave()?;
        command("ip", "link set lo up")?;
        let client = current()?;
        let roaming = Self { client, server };
        for way in [WIFI, MOBILE] {
            roaming.lay(way)?;
        }
        roaming.join(WIFI)?;
        Ok(roaming)
    }

    fn lay(&self, way: Way) -> Result<()> {
        let Way { name, gateway, .. } = way;
        lay(name, &self.server)?;
        // A link-local address would be checked for a second or two (RFC 4862 §5.4), and then be one
        // more change after the one that a test makes.
        command("ip", &format!("link set {name} addrgenmode none"))?;
        setns(&self.server, CloneFlags::CLONE_NEWNET)?;
        command("ip", &format!("link set {name} up"))?;
        command("ip", &format!("address add {gateway}/24 dev {name}"))?;
        Ok(setns(&self.client, CloneFlags::CLONE_NEWNET)?)
    }

    /// The client is reached by this way.
    pub fn join(&self, way: Way) -> Result<()> {
        let Way {
            name,
            client,
            gateway,
        } = way;
        command("ip", &format!("link set {name} up"))?;
        command("ip", &format!("address add {client}/24 dev {name}"))?;
        command("ip", &format!("route replace default via {gateway}"))
    }

    /// The client is no longer reached by this way, and has lost the address it had there.
    pub fn part(&self, way: Way) -> Result<()> {
        let name = way.name;
        command("ip", &format!("address flush dev {name}"))?;
        command("ip", &format!("link set {name} down"))
    }

    /// The server has lost this way's interface, with its address and the route over it.
    pub async fn take_from_server(&self, way: Way) -> Result<()> {
        let name = way.name;
        self.at_server(async || command("ip", &format!("link delete {name}")))
            .await
    }

    /// Does something in the server's network, such as to start it.
    pub async fn at_server<T>(&self, act: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        away(&self.server, &self.client, act).await
    }
}

/// The server's address behind a NAT.
pub const INSIDE: &str = "10.0.0.2";

/// What the NAT makes of it. It is for documentation (RFC 5737 §3).
pub const OUTSIDE: &str = "203.0.113.7";

/// The client's address beside a NAT.
pub const BESIDE: &str = "203.0.113.9";

/// Another address there, for somebody else's relay.
pub const RELAY: &str = "203.0.113.10";

/// The NAT, which gives the server an address of its own (RFC 4787 §6: with hairpinning). From outside nothing else
/// leads in.
const NAT: [(&str, &str); 4] = [
    (
        "iptables",
        "-t raw -A PREROUTING -i outside -d 10.0.0.0/8 -j DROP",
    ),
    (
        "iptables",
        "-t nat -A PREROUTING -d 203.0.113.7 -j DNAT --to-destination 10.0.0.2",
    ),
    (
        "iptables",
        "-t nat -A POSTROUTING -s 10.0.0.2 -j SNAT --to-source 203.0.113.7",
    ),
    ("sysctl", "-qw net.ipv4.ip_forward=1"),
];

/// Three networks: a client's, in which the test runs, a NAT, and a server's behind it.
#[derive(Debug)]
pub struct Natted {
    client: File,
    nat: File,
    server: File,
}

/// Runs an async test in a client's network, from which a server is reached through a 1:1 NAT. Only root may make
/// them.
pub fn behind_a_nat(test: impl AsyncFnOnce(&Natted) -> Result<()> + Send) -> Result<()> {
    ensure!(
        may_be_made(),
        "only root, outside of most containers, can make a network"
    );
    on_a_thread(|| {
        let natted = Natted::new()?;
        block_on(test(&natted))
    })
}

impl Natted {
    fn new() -> Result<Self> {
        leave()?;
        let server = current()?;
        leave()?;
        let nat = current()?;
        lay("inside", &server)?;
        addressed("inside", "10.0.0.1/24")?;
        leave()?;
        let client = current()?;
        lay("outside", &nat)?;
        addressed("outside", &format!("{BESIDE}/24"))?;
        addressed("outside", &format!("{RELAY}/32"))?;
        command("ip", "route add default via 203.0.113.1")?;
        let natted = Self {
            client,
            nat,
            server,
        };
        natted.at_nat(|| {
            addressed("outside", "203.0.113.1/24")?;
            command("ip", "address add 203.0.113.7/24 dev outside")?;
            NAT.into_iter()
                .try_for_each(|(program, arguments)| command(program, arguments))
        })?;
        setns(&natted.server, CloneFlags::CLONE_NEWNET)?;
        addressed("inside", "10.0.0.2/24")?;
        command("ip", "route add default via 10.0.0.1")?;
        setns(&natted.client, CloneFlags::CLONE_NEWNET)?;
        Ok(natted)
    }

    fn at_nat(&self, act: impl FnOnce() -> Result<()>) -> Result<()> {
        setns(&self.nat, CloneFlags::CLONE_NEWNET)?;
        let done = act();
        setns(&self.client, CloneFlags::CLONE_NEWNET)?;
        done
    }

    /// From here on, what comes from behind the NAT does not get back in.
    pub fn stop_hairpinning(&self) -> Result<()> {
        let rule = "-t raw -A PREROUTING -i inside -d 203.0.113.7 -j DROP";
        self.at_nat(|| command("iptables", rule))
    }

    /// From here on, nothing leads in that was not asked for from inside, but TCP to this port.
    pub fn forward_only(&self, port: u16) -> Result<()> {
        let begins = "-A FORWARD -i outside -m conntrack --ctstate NEW";
        self.at_nat(|| {
            command("iptables", &format!("{begins} -p udp -j DROP"))?;
            command(
                "iptables",
                &format!("{begins} -p tcp ! --dport {port} -j DROP"),
            )
        })
    }

    /// From here on, nothing gets out by UDP.
    pub fn block_udp(&self) -> Result<()> {
        self.at_nat(|| command("iptables", "-I FORWARD -i inside -p udp -j DROP"))
    }

    /// Does something in the server's network, such as to start it.
    pub async fn at_server<T>(&self, act: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        away(&self.server, &self.client, act).await
    }
}

/// Does something in another network, and comes back.
pub(crate) async fn away<T>(
    there: &File,
    here: &File,
    act: impl AsyncFnOnce() -> Result<T>,
) -> Result<T> {
    setns(there, CloneFlags::CLONE_NEWNET)?;
    let done = act().await;
    setns(here, CloneFlags::CLONE_NEWNET)?;
    done
}

/// A link from this network to another, with one name at both ends.
pub(crate) fn lay(name: &str, there: &File) -> Result<()> {
    let there = format!("/proc/{}/fd/{}", std::process::id(), there.as_raw_fd());
    let pair = format!("link add {name} type veth peer name {name} netns {there}");
    command("ip", &pair)
}

pub(crate) fn addressed(link: &str, address: &str) -> Result<()> {
    command("ip", "link set lo up")?;
    command("ip", &format!("link set {link} up"))?;
    command("ip", &format!("address add {address} dev {link}"))
}

/// The network of this thread.
pub(crate) fn current() -> Result<File> {
    Ok(File::open("/proc/thread-self/ns/net")?)
}

pub(crate) fn on_a_thread<T: Send>(act: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(act);
        thread
            .join()
            .map_err(|_| anyhow!("the test's thread panicked"))?
    })
}

/// Whether this process may make networks: only root may, and in most containers nobody.
#[must_use]
pub fn may_be_made() -> bool {
    let tried = std::thread::spawn(|| unshare(CloneFlags::CLONE_NEWNET));
    tried.join().is_ok_and(|made| made.is_ok())
}

/// On this thread alone: another would be in another network.
pub(crate) fn block_on(test: impl Future<Output = Result<()>>) -> Result<()> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(test)
}

/// From here on, there is a bridge of this name, with this address.
pub fn build_bridge(name: &str, address: &str) -> Result<()> {
    command("ip", &format!("link add {name} type bridge"))?;
    addressed(name, address)
}

/// From here on, what comes in by UDP and matches this (in `iptables`' words) is dropped.
pub fn drop_udp(matching: &str) -> Result<()> {
    for table in ["iptables", "ip6tables"] {
        let rule = format!("-I INPUT -p udp {matching} -j DROP");
        command(table, &rule)?;
    }
    Ok(())
}

/// From here on, nothing that comes in by UDP over IPv4 arrives.
pub fn drop_udp_over_ipv4() -> Result<()> {
    command("iptables", "-I INPUT -p udp -j DROP")
}

/// From here on, nothing that comes in by UDP, or by TCP to this port, arrives.
pub fn drop_media(port: u16) -> Result<()> {
    drop_udp("")?;
    command(
        "iptables",
        &format!("-I INPUT -p tcp --dport {port} -j DROP"),
    )
}

/// From here on, nothing that comes in from this port arrives, by UDP or TCP.
pub fn drop_answers(port: u16) -> Result<()> {
    drop_udp(&format!("--sport {port}"))?;
    command(
        "iptables",
        &format!("-I INPUT -p tcp --sport {port} -j DROP"),
    )
}

/// From here on, packets of UDP over IPv4 that come in and have more bytes than this are dropped, as where a
/// tunnel is too narrow for them and nobody says so.
pub fn drop_long_udp(bytes: u16) -> Result<()> {
    let longer = u32::from(bytes) + 1;
    let rule = format!("-I INPUT -p udp -m u32 --u32 0&0xFFFF={longer}:0xFFFF -j DROP");
    command("iptables", &rule)
}

/// From here on, DTLS that comes in by UDP is dropped (RFC 7983 §7: its first byte is 20 to 63), and
/// what else shares its port arrives. So would have it a firewall that knows WebRTC half.
pub fn drop_dtls() -> Result<()> {
    let first_byte = "@8>>24=20:63";
    let ipv4 = format!("-m u32 --u32 0>>22&0x3C{first_byte}");
    let ipv6 = "-m u32 --u32 48>>24=20:63".to_owned();
    for (table, matching) in [("iptables", ipv4), ("ip6tables", ipv6)] {
        command(table, &format!("-I INPUT -p udp {matching} -j DROP"))?;
    }
    Ok(())
}

/// From here on, nothing that comes in by this way arrives.
pub fn drop_all_by(way: Way) -> Result<()> {
    command("iptables", &format!("-I INPUT -i {} -j DROP", way.name))
}

/// What was dropped arrives again.
pub fn drop_nothing() -> Result<()> {
    ["iptables", "ip6tables"]
        .into_iter()
        .try_for_each(|table| command(table, "-F INPUT"))
}

/// Takes this thread, and no other, into a new network.
pub(crate) fn leave() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace")
}

pub(crate) fn command(program: &str, arguments: &str) -> Result<()> {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .with_context(|| format!("running {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {arguments}: {said}");
    Ok(())
}

//! One network of the laboratory, built. Only root may build them; they end with the thread that did.

use std::fs::File;
use std::net::Ipv4Addr;

use anyhow::{Result, ensure};
use nix::sched::{CloneFlags, setns};
use tokio::task::JoinHandle;
use tokio_tun::Tun;

use super::nat64;
use super::rows::{Nat, Row, Site};
use super::tunnel::{self, UPLINK};
use crate::network::{
    addressed, away, block_on, command, current, lay, leave, may_be_made, on_a_thread,
};

/// Where the server is reached. Addresses outside are for documentation (RFC 5737 §3, RFC 3849).
pub(super) const SERVER: &str = "203.0.113.7";
pub(super) const SERVER_V6: &str = "2001:db8:7::7";

/// The server behind a 1:1 NAT.
pub(super) const INSIDE: &str = "10.9.0.2";

/// The addresses a client has behind a NAT: it moves from one to the other.
const CLIENT: [&str; 2] = ["10.0.0.2", "10.0.0.3"];

/// The client where no NAT is.
const OPEN: &str = "198.51.100.2";

/// A network, with a client's part of it around this thread.
#[derive(Debug)]
pub struct Place {
    client: File,
    server: File,
    /// A network ends with whoever names it last.
    _routers: [File; 2],
    /// The link, and what translates between the versions of IP.
    carrying: Vec<JoinHandle<Result<()>>>,
    /// Which address the client has.
    at: usize,
}

/// Builds the network of a row, and plays in its client's part.
pub(super) fn inside(
    row: &Row,
    play: impl AsyncFnOnce(&mut Place) -> Result<()> + Send,
) -> Result<()> {
    ensure!(
        may_be_made(),
        "only root, outside of most containers, can make a network"
    );
    on_a_thread(|| {
        block_on(async {
            let mut place = Place::build(row)?;
            let played = play(&mut place).await;
            // A link that stopped is why the rest failed.
            for carrying in place.carrying.drain(..) {
                if carrying.is_finished() {
                    carrying.await??;
                } else {
                    carrying.abort();
                }
            }
            played
        })
    })
}

impl Place {
    fn build(row: &Row) -> Result<Self> {
        leave()?;
        let (server, far) = (current()?, tunnel::open(UPLINK)?);
        at_server(row)?;
        leave()?;
        // The carrier's network, or the only router's.
        let (outer, near) = (current()?, tunnel::open(UPLINK)?);
        at_router(row)?;
        let mut carrying = Vec::new();
        if row.nat == Nat::Six {
            carrying.push(tokio::spawn(nat64::translate(translator()?)));
        }
        if row.nat == Nat::Double {
            leave()?;
            lay("wan", &outer)?;
            addressed("wan", "100.64.0.2/24")?;
            command("ip", "route add default via 100.64.0.1")?;
            command("iptables", "-t nat -A POSTROUTING -o wan -j MASQUERADE")?;
            forward()?;
            let router = current()?;
            setns(&outer, CloneFlags::CLONE_NEWNET)?;
            addressed("wan", "100.64.0.1/24")?;
            setns(&router, CloneFlags::CLONE_NEWNET)?;
        }
        let router = current()?;
        leave()?;
        let client = current()?;
        lay("lan", &router)?;
        at_client(row, &client, &router)?;
        carrying.push(tokio::spawn(tunnel::carry([near, far], row.link)));
        Ok(Self {
            client,
            server,
            _routers: [outer, router],
            carrying,
            at: 0,
        })
    }

    /// Does something in the server's network, such as to start it.
    pub async fn at_server<T>(&self, act: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        away(&self.server, &self.client, act).await
    }

    /// The client loses its address, and has another.
    pub fn move_client(&mut self) -> Result<()> {
        let [from, to] = [self.at, 1 - self.at].map(|at| CLIENT[at]);
        self.at = 1 - self.at;
        command("ip", &format!("address del {from}/24 dev lan"))?;
        command("ip", &format!("address add {to}/24 dev lan"))?;
        command("ip", "route replace default via 10.0.0.1")
    }
}

fn at_server(row: &Row) -> Result<()> {
    let (own, gateway) = match row.site {
        Site::Public => (SERVER, "203.0.113.1"),
        Site::Behind => (INSIDE, "10.9.0.1"),
    };
    addressed(UPLINK, &format!("{own}/24"))?;
    command("ip", &format!("route add default via {gateway}"))?;
    if row.has_ipv6 {
        command(
            "ip",
            &format!("address add {SERVER_V6}/64 dev {UPLINK} nodad"),
        )?;
        command("ip", "-6 route add default via 2001:db8:7::1")?;
    }
    Ok(())
}

/// At whichever router has the link.
fn at_router(row: &Row) -> Result<()> {
    addressed(UPLINK, "203.0.113.1/24")?;
    forward()?;
    if row.has_ipv6 {
        command(
            "ip",
            &format!("address add 2001:db8:7::1/64 dev {UPLINK} nodad"),
        )?;
        command("sysctl", "-qw net.ipv6.conf.all.forwarding=1")?;
    }
    if row.site == Site::Behind {
        command("ip", &format!("address add 10.9.0.1/24 dev {UPLINK}"))?;
        command(
            "iptables",
            &format!("-t nat -A PREROUTING -d {SERVER} -j DNAT --to-destination {INSIDE}"),
        )?;
        command(
            "iptables",
            &format!("-t nat -A POSTROUTING -s {INSIDE} -j SNAT --to-source {SERVER}"),
        )?;
    }
    if let Some(mtu) = row.link.mtu {
        // What every router on a narrow way does for TCP, and none for UDP.
        let clamp = format!(
            "-p tcp --tcp-flags SYN,RST SYN -j TCPMSS --set-mss {}",
            mtu - 40
        );
        command("iptables", &format!("-t mangle -A FORWARD {clamp}"))?;
    }
    row.nat
        .rules()
        .iter()
        .try_for_each(|rule| command("iptables", rule))?;
    row.firewall
        .rules()
        .iter()
        .try_for_each(|(table, rule)| command(table, rule))
}

/// In the router's network, with routes that lead to it.
fn translator() -> Result<Tun> {
    let device = tunnel::open(nat64::DEVICE)?;
    command("sysctl", "-qw net.ipv6.conf.all.forwarding=1")?;
    let (prefix, client) = (nat64::mapped(Ipv4Addr::UNSPECIFIED), nat64::CLIENT.1);
    let device_name = nat64::DEVICE;
    command("ip", &format!("-6 route add {prefix}/96 dev {device_name}"))?;
    command("ip", &format!("route add {client}/32 dev {device_name}"))?;
    Ok(device)
}

fn at_client(row: &Row, client: &File, router: &File) -> Result<()> {
    let (own, gateway) = match row.nat {
        Nat::None => (OPEN, "198.51.100.1"),
        _ => (CLIENT[0], "10.0.0.1"),
    };
    let network = |host| format!("{host}/24");
    let has_ipv4 = row.has_ipv4 && row.nat != Nat::Six;
    let has_ipv6 = row.has_ipv6 || row.nat == Nat::Six;
    setns(router, CloneFlags::CLONE_NEWNET)?;
    addressed("lan", &network(gateway))?;
    if has_ipv6 {
        command("ip", "address add 2001:db8:1::1/64 dev lan nodad")?;
    }
    setns(client, CloneFlags::CLONE_NEWNET)?;
    // A link-local address would be checked for a second or two (RFC 4862 §5.4), and then be one more change.
    command("ip", "link set lan addrgenmode none")?;
    if has_ipv4 {
        addressed("lan", &network(own))?;
        command("ip", &format!("route add default via {gateway}"))?;
    } else {
        command("ip", "link set lo up")?;
        command("ip", "link set lan up")?;
    }
    if has_ipv6 {
        command("ip", "address add 2001:db8:1::2/64 dev lan nodad")?;
        command("ip", "-6 route add default via 2001:db8:1::1")?;
    }
    Ok(())
}

fn forward() -> Result<()> {
    command("sysctl", "-qw net.ipv4.ip_forward=1")
}

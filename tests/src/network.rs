//! A network of a test's own: a namespace with loopback, one address and a default route that
//! leads nowhere. Peers that gather no candidates without a default route work in it whatever the
//! machine's network is, and nothing of a test gets out. Knows nothing of who uses it.

use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, unshare};

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

/// Runs an async test in a network of its own, on a thread of its own. The sockets and processes
/// it makes are in that network; the system ends it with the last of them, however they end.
///
/// Who may not make one gets the machine's network.
pub fn apart(test: impl AsyncFnOnce() -> Result<()> + Send) -> Result<()> {
    let apart = || {
        if may_be_made() {
            leave()?;
        }
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build()?.block_on(test())
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(apart);
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

/// From here on, what comes in by UDP and matches this (in `iptables`' words) is dropped.
pub fn drop_udp(matching: &str) -> Result<()> {
    for table in ["iptables", "ip6tables"] {
        let rule = format!("-I INPUT -p udp {matching} -j DROP");
        command(table, &rule)?;
    }
    Ok(())
}

/// Takes this thread, and no other, into a new network.
fn leave() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNET).context("making a network namespace")?;
    LINKS.lines().try_for_each(|line| command("ip", line))
}

fn command(program: &str, arguments: &str) -> Result<()> {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .output()
        .with_context(|| format!("running {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {arguments}: {said}");
    Ok(())
}

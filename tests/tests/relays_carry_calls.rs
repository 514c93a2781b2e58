//! The media port is a TURN server: browsers that may use nothing but relays call through it, and coturn's own
//! client finds in it what it looks for.

use anyhow::{Result, ensure};
use ferrite_tests::coturn::{mirror, program, uclient};
use ferrite_tests::{BrowserOptions, Scene, Server, artefacts, scene, scene_with, wait};
use tokio::process::Command;

/// Of these browsers all that they send and receive goes through a relay, which is a socket's number here and no
/// socket: what they call is the server itself.
#[tokio::test]
async fn a_browser_that_may_use_relays_only_calls_over_udp_and_tcp() -> Result<()> {
    scene("relay_only", async |scene| {
        for transport in ["udp", "tcp"] {
            let call = RELAY_ONLY.replace("TRANSPORT", transport);
            scene.open_lab().await?;
            let used = scene.run(&call).await?;
            ensure!(used["candidateType"] == "relay", "{used}");
            ensure!(used["relayProtocol"] == transport, "{used}");
            let open = open_udp_ports(scene.server.pid()?)?;
            ensure!(
                open == 1,
                "{open} UDP sockets: the media port's on loopback is one"
            );
            // Credentials end with their session, and relays with their credentials.
            ensure!(relays(scene).await? > 0);
            scene.run("window.session.close(1000);").await?;
            let none = async || relays(scene).await;
            wait::until("no relay", wait::PATIENCE, none, |left| *left == 0).await?;
        }
        Ok(())
    })
    .await
}

const RELAY_ONLY: &str = r"
    window.session = new WebSocket(`ws://${location.host}/ws`, 'ferrite.v1');
    session.onopen = () => session.send(JSON.stringify({ type: 'hello', version: 1 }));
    const { iceServers } = await new Promise((resolve) => {
        session.onmessage = ({ data }) => resolve(JSON.parse(data));
    });
    for (const server of iceServers) {
        // None is over UDP; see shared/PROTOCOL.md.
        server.urls = server.urls.map((url) => url.replace('transport=tcp', 'transport=TRANSPORT'));
    }
    return (await lab.everything({ iceServers, iceTransportPolicy: 'relay' })).local;";

#[tokio::test]
async fn a_call_that_outlasts_its_credentials_restarts_ice_and_has_a_relay_again() -> Result<()> {
    let flags = ["--turn-credential-time", "2s"];
    let options = BrowserOptions::default();
    scene_with("relay_renewed", &flags, &options, async |scene| {
        scene.open_lab().await?;
        scene.run(OUTLASTS).await?;
        Ok(())
    })
    .await
}

const OUTLASTS: &str = r"
    const { default: init, FerriteClient } = await import('/ferrite_client.js');
    await init();
    // Else a path that is there sooner ends the search for relays.
    const relayed = (configuration) => ({ ...configuration, iceTransportPolicy: 'relay' });
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(configuration) { super(relayed(configuration)); }
        setConfiguration(configuration) { super.setConfiguration(relayed(configuration)); }
    };
    const client = new FerriteClient();
    await client.start();
    const pc = client.peerConnection;
    const expired = () => {
        const [seconds] = pc.getConfiguration().iceServers.map(({ username }) => parseInt(username));
        return Date.now() / 1000 > seconds + 1;
    };
    await lab.until('the first credentials to expire', expired);
    const relays = [], refusals = [];
    pc.addEventListener('icecandidate', ({ candidate }) => {
        if (candidate?.type === 'relay') relays.push(candidate);
    });
    // 701: one of the addresses is not reached from everywhere.
    pc.addEventListener('icecandidateerror', ({ errorCode }) => errorCode !== 701 && refusals.push(errorCode));
    client.restartIce();
    await lab.until('a relay, or a refusal', () => relays.length + refusals.length);
    lab.expect('what was refused', `${refusals}`, '');
    lab.expect('expired credentials', expired(), false);
    await client.send('still there');
    lab.expect('the call', client.status.phase, 'connected');
    client.close();";

#[tokio::test]
async fn a_browser_with_a_wrong_password_gets_no_relay() -> Result<()> {
    scene("relay_refused", async |scene| {
        scene.open_lab().await?;
        let urls = format!("turn:127.0.0.1:{}", scene.server.media_port());
        let refused = scene
            .run(&format!(
                r"
                const iceServers = [{{ urls: '{urls}', username: 'me', credential: 'guess' }}];
                const pc = new RTCPeerConnection({{ iceServers, iceTransportPolicy: 'relay' }});
                const codes = [], candidates = [];
                pc.onicecandidateerror = ({{ errorCode }}) => codes.push(errorCode);
                pc.onicecandidate = ({{ candidate }}) => candidate?.candidate && candidates.push(candidate);
                pc.createDataChannel('x');
                await pc.setLocalDescription();
                await lab.until('an error', () => codes.length);
                return {{ codes, candidates: candidates.length }};"
            ))
            .await?;
        ensure!(refused["codes"][0] == 401 && refused["candidates"] == 0, "{refused}");
        Ok(())
    })
    .await
}

async fn relays(scene: &mut Scene) -> Result<usize> {
    Ok(scene.server.holdings().await?.count("relays"))
}

/// The UDP sockets that a process has.
fn open_udp_ports(pid: u32) -> Result<usize> {
    let mut own = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{pid}/fd"))? {
        let Ok(target) = std::fs::read_link(entry?.path()) else {
            continue;
        };
        let target = target.to_string_lossy().into_owned();
        own.extend(
            target
                .strip_prefix("socket:[")
                .map(|inode| inode.trim_end_matches(']').to_owned()),
        );
    }
    let mut ports = std::collections::BTreeSet::new();
    for table in ["udp", "udp6"] {
        let table = std::fs::read_to_string(format!("/proc/{pid}/net/{table}"))?;
        for line in table.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (address, inode) = (fields[1], fields[9]);
            if own.iter().any(|known| known == inode) {
                ports.insert(address.rsplit(':').next().unwrap_or_default().to_owned());
            }
        }
    }
    Ok(ports.len())
}

async fn relaying_server(name: &str) -> Result<Server> {
    let flags = [
        "--turn-shared-secret",
        "north",
        "--turn-allow",
        "127.0.0.1,::1",
    ];
    Server::start(&artefacts::fresh(name)?, &flags).await
}

#[tokio::test]
async fn coturns_client_gets_everything_back_over_udp_and_tcp() -> Result<()> {
    let server = relaying_server("coturn_client").await?;
    let peer = mirror("127.0.0.1").await?.to_string();
    // By channels and by indications, over UDP and TCP; with DONT-FRAGMENT.
    for how in [&[][..], &["-s"], &["-t"], &["-t", "-s"], &["-g"]] {
        let common = ["-u", "me", "-W", "north", "-e", "127.0.0.1", "-r", &peer];
        let amount = ["-c", "-n", "10", "-m", "2", "-l", "200"];
        let Some(said) = uclient(server.media_port(), &[how, &common, &amount].concat()).await?
        else {
            return Ok(());
        };
        let all = "tot_send_msgs=40, tot_recv_msgs=40";
        let all_rtp = "tot_send_msgs=20, tot_recv_msgs=20";
        ensure!(
            said.contains(all) || said.contains(all_rtp),
            "{how:?}: {said}"
        );
    }
    Ok(())
}

/// All relays at one port, each with a peer of its own.
#[tokio::test]
async fn coturns_clients_share_a_port_and_get_everything_back() -> Result<()> {
    let flags = ["--turn-shared-secret", "north", "--turn-allow", "127.0.0.1"];
    let shared = ["--relay-port-shared", "0"];
    let directory = artefacts::fresh("coturn_shared_port")?;
    let server = Server::start(&directory, &[&flags[..], &shared].concat()).await?;
    let relay = async |how: &[&str], peer: u16| {
        let peer = peer.to_string();
        let common = ["-u", "me", "-W", "north", "-e", "127.0.0.1", "-r", &peer];
        let amount = ["-c", "-n", "10", "-m", "1", "-l", "200"];
        uclient(server.media_port(), &[how, &common, &amount].concat()).await
    };
    for how in [&[][..], &["-s"], &["-t"], &["-t", "-s"]] {
        let (first, second) = (mirror("127.0.0.1").await?, mirror("127.0.0.1").await?);
        let (first, second) = tokio::join!(relay(how, first), relay(how, second));
        let (Some(first), Some(second)) = (first?, second?) else {
            return Ok(());
        };
        for said in [first, second] {
            let all = "tot_send_msgs=10, tot_recv_msgs=10";
            ensure!(said.contains(all), "{how:?}: {said}");
        }
    }
    let open = open_udp_ports(server.pid()?)?;
    ensure!(open == 2, "{open} UDP ports: media's and the relays'");
    Ok(())
}

#[tokio::test]
async fn coturns_client_gets_no_more_back_than_its_credential_may_relay() -> Result<()> {
    let flags = ["--turn-shared-secret", "north", "--turn-allow", "127.0.0.1"];
    let limit = ["--turn-bandwidth", "50"];
    let directory = artefacts::fresh("coturn_bandwidth")?;
    let mut server = Server::start(&directory, &[&flags[..], &limit].concat()).await?;
    let peer = mirror("127.0.0.1").await?.to_string();
    let common = ["-u", "me", "-W", "north", "-e", "127.0.0.1", "-r", &peer];
    // Forty may come at once, and eight in a second.
    let amount = ["-c", "-n", "200", "-m", "1", "-l", "800", "-z", "5"];
    let Some(said) = uclient(server.media_port(), &[&common[..], &amount].concat()).await? else {
        return Ok(());
    };
    ensure!(said.contains("tot_send_msgs=200"), "{said}");
    let received = said.rsplit("tot_recv_msgs=").next().unwrap_or_default();
    let digits = received.split(|c: char| !c.is_ascii_digit()).next();
    let received: usize = digits.unwrap_or_default().parse()?;
    ensure!((40..200).contains(&received), "{said}");
    let is_told = |log: &str| {
        let told = log.rsplit_once("held_back=");
        told.is_some_and(|(_, told)| !told.starts_with('0'))
    };
    // Relays tell of it once a second.
    let log = async || {
        server.holdings().await?;
        server.output()
    };
    wait::until("what was held back", wait::PATIENCE, log, |log| {
        is_told(log)
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn coturns_client_reaches_peers_by_ipv6() -> Result<()> {
    let Ok(peer) = mirror("::1").await else {
        eprintln!("left out: this machine has no IPv6");
        return Ok(());
    };
    let (server, peer) = (relaying_server("coturn_ipv6").await?, peer.to_string());
    for how in [&["-x"][..], &["-x", "-t", "-s"]] {
        let common = ["-u", "me", "-W", "north", "-e", "::1", "-r", &peer];
        let amount = ["-c", "-n", "10", "-m", "1", "-l", "200"];
        let Some(said) = uclient(server.media_port(), &[how, &common, &amount].concat()).await?
        else {
            return Ok(());
        };
        let all = "tot_send_msgs=10, tot_recv_msgs=10";
        ensure!(said.contains(all), "{how:?}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn coturns_client_is_refused_with_a_wrong_secret_and_for_a_peer_inside() -> Result<()> {
    let server = relaying_server("coturn_refused").await?;
    let peer = mirror("127.0.0.1").await?.to_string();
    let amount = ["-v", "-c", "-n", "2", "-m", "1"];
    let wrong = ["-u", "me", "-W", "south", "-e", "127.0.0.1", "-r", &peer];
    let inside = ["-u", "me", "-W", "north", "-e", "127.0.0.2", "-r", &peer];
    for (arguments, words) in [(wrong, "Cannot complete Allocation"), (inside, "error 403")] {
        let Some(said) = uclient(server.media_port(), &[&arguments[..], &amount].concat()).await?
        else {
            return Ok(());
        };
        ensure!(
            said.contains(words) && !said.contains("tot_recv_msgs=2"),
            "{said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn coturns_client_learns_its_address() -> Result<()> {
    let server = relaying_server("stun_client").await?;
    let Some(program) = program("turnutils_stunclient") else {
        return Ok(());
    };
    let port = server.media_port().to_string();
    let output = Command::new(program)
        .args(["-p", &port, "127.0.0.1"])
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(said.contains("UDP reflexive addr: 127.0.0.1:"), "{said}");
    Ok(())
}

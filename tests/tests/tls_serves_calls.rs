//! With a certificate the server needs nobody before it: pages come over HTTPS, and relays over TLS pass where nothing
//! else does, at a port of their own or at the page's.

use anyhow::{Context, Result, ensure};
use ferrite_tests::coturn::{mirror, uclient, uclient_at};
use ferrite_tests::{BrowserOptions, Scene, Server, artefacts, scene_with, wait};

/// For certificates that nobody vouches for.
fn trusting() -> BrowserOptions {
    BrowserOptions {
        flags: vec!["--ignore-certificate-errors".to_owned()],
        ..BrowserOptions::default()
    }
}

#[tokio::test]
async fn a_page_over_https_makes_a_call() -> Result<()> {
    let flags = ["--tls", "self-signed"];
    scene_with("https_call", &flags, &trusting(), async |scene| {
        scene.open_lab().await?;
        let page = scene
            .run("return [location.protocol, isSecureContext];")
            .await?;
        ensure!(page[0] == "https:" && page[1] == true, "{page}");
        let used = scene.run("return (await lab.everything()).local;").await?;
        ensure!(used["candidateType"] != "relay", "{used}");
        let app = scene.open_app("").await?;
        app.call().await?;
        app.plays("#remote-video", 10).await
    })
    .await
}

/// All that this browser sends and receives goes through TLS, at the port of the settings, or at the page's own.
#[tokio::test]
async fn a_browser_that_may_use_relays_only_calls_over_tls() -> Result<()> {
    for (name, own_port) in [("turns_own_port", true), ("turns_at_https", false)] {
        let flags = ["--tls", "self-signed", "--turns-port", "0"];
        let flags = &flags[..if own_port { 4 } else { 2 }];
        scene_with(name, flags, &trusting(), async |scene| {
            scene.open_lab().await?;
            let port = match own_port {
                true => scene.server.turns_port().context("a port")?.to_string(),
                false => scene
                    .server
                    .address()
                    .rsplit(':')
                    .next()
                    .context("a port")?
                    .to_owned(),
            };
            let used = scene.run(RELAY_ONLY).await?;
            ensure!(used["candidateType"] == "relay", "{used}");
            ensure!(used["relayProtocol"] == "tls", "{used}");
            let url = used["url"].as_str().context("a URL")?;
            ensure!(url.contains(&format!(":{port}?")), "{url} is not at {port}");
            // Credentials end with their session, relays with their credentials, and connections with the page.
            ensure!(held(scene, "relays").await? > 0 && held(scene, "connections").await? > 0);
            scene.run("window.session.close(1000);").await?;
            none(scene, "relays").await?;
            scene.browser.open("about:blank").await?;
            none(scene, "connections").await
        })
        .await?;
    }
    Ok(())
}

const RELAY_ONLY: &str = r"
    window.session = new WebSocket(location.origin.replace('http', 'ws') + '/ws', 'ferrite.v1');
    session.onopen = () => session.send(JSON.stringify({ type: 'hello', version: 1 }));
    const { iceServers } = await new Promise((resolve) => {
        session.onmessage = ({ data }) => resolve(JSON.parse(data));
    });
    for (const server of iceServers) {
        server.urls = server.urls.filter((url) => url.startsWith('turns:'));
    }
    return (await lab.everything({ iceServers, iceTransportPolicy: 'relay' })).local;";

async fn held(scene: &mut Scene, what: &str) -> Result<usize> {
    Ok(scene.server.holdings().await?.count(what))
}

async fn none(scene: &mut Scene, what: &str) -> Result<()> {
    let left = async || held(scene, what).await;
    wait::until(&format!("no {what}"), wait::PATIENCE, left, |left| {
        *left == 0
    })
    .await?;
    Ok(())
}

async fn relaying_server(name: &str) -> Result<Server> {
    let flags = [
        ["--tls", "self-signed"],
        ["--turns-port", "0"],
        ["--turn-shared-secret", "north"],
        ["--turn-allow", "127.0.0.1,::1"],
    ];
    Server::start(&artefacts::fresh(name)?, flags.as_flattened()).await
}

#[tokio::test]
async fn coturns_client_gets_everything_back_over_tls() -> Result<()> {
    let server = relaying_server("coturn_tls").await?;
    let peer = mirror("127.0.0.1").await?.to_string();
    let https = server
        .address()
        .rsplit(':')
        .next()
        .context("a port")?
        .parse()?;
    // By channels and by indications, at the port of its own and at the one for HTTPS.
    for port in [server.turns_port().context("a port")?, https] {
        for how in [&["-t", "-S"][..], &["-t", "-S", "-s"]] {
            let common = ["-u", "me", "-W", "north", "-e", "127.0.0.1", "-r", &peer];
            let amount = ["-c", "-n", "10", "-m", "2", "-l", "200"];
            let Some(said) = uclient(port, &[how, &common, &amount].concat()).await? else {
                return Ok(());
            };
            let all = "tot_send_msgs=20, tot_recv_msgs=20";
            ensure!(said.contains(all), "{how:?}: {said}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn coturns_client_is_refused_over_tls_with_a_wrong_secret() -> Result<()> {
    refused_with_a_wrong_secret("coturn_tls_refused", &["-t"]).await
}

async fn refused_with_a_wrong_secret(name: &str, how: &[&str]) -> Result<()> {
    let server = relaying_server(name).await?;
    let port = server.turns_port().context("a port")?;
    let who = ["-u", "me", "-W", "south", "-e", "127.0.0.1"];
    let what = ["-S", "-v", "-c", "-n", "2"];
    let Some(said) = uclient(port, &[how, &who, &what].concat()).await? else {
        return Ok(());
    };
    ensure!(said.contains("Cannot complete Allocation"), "{said}");
    Ok(())
}

#[tokio::test]
async fn coturns_client_gets_everything_back_over_dtls() -> Result<()> {
    let server = relaying_server("coturn_dtls").await?;
    let port = server.turns_port().context("a port")?;
    // By channels and by indications; two clients at once; to a peer by IPv6, and all of it by IPv6.
    for (host, to, how) in [
        ("127.0.0.1", "127.0.0.1", &[][..]),
        ("127.0.0.1", "127.0.0.1", &["-s"]),
        ("127.0.0.1", "::1", &["-x"]),
        ("::1", "::1", &["-x"]),
    ] {
        let Ok(peer) = mirror(to).await else {
            eprintln!("left out: this machine has no IPv6");
            return Ok(());
        };
        let peer = peer.to_string();
        let common = ["-S", "-u", "me", "-W", "north", "-e", to, "-r", &peer];
        let amount = ["-c", "-n", "10", "-m", "2", "-l", "200"];
        let arguments = [how, &common, &amount].concat();
        let Some(said) = uclient_at(host, port, &arguments).await? else {
            return Ok(());
        };
        let all = "tot_send_msgs=20, tot_recv_msgs=20";
        ensure!(said.contains(all), "{host} {to} {how:?}: {said}");
    }
    Ok(())
}

#[tokio::test]
async fn coturns_client_is_refused_over_dtls_with_a_wrong_secret() -> Result<()> {
    refused_with_a_wrong_secret("coturn_dtls_refused", &[]).await
}

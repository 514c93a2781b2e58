//! The listings in `server/docs/reverse-proxy.md`, as they stand there but for addresses and
//! certificates: a browser calls through each of them.

use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use ferrite_tests::process::Process;
use ferrite_tests::{
    App, BrowserOptions, RoomPage, Scene, artefacts, readme, scene_on, server, wait,
};
use tokio::net::TcpStream;
use tokio::process::Command;

const DOCUMENT: &str = "server/docs/reverse-proxy.md";

#[tokio::test]
async fn nginx_passes_calls_on() -> Result<()> {
    nginx("nginx_at_the_root", "nginx", "/").await
}

#[tokio::test]
async fn nginx_passes_calls_on_under_a_path() -> Result<()> {
    nginx("nginx_under_a_path", "nginx, under a path", "/call").await
}

#[tokio::test]
async fn caddy_passes_calls_on() -> Result<()> {
    caddy("caddy_at_the_root", "Caddy", "/").await
}

#[tokio::test]
async fn caddy_passes_calls_on_under_a_path() -> Result<()> {
    caddy("caddy_under_a_path", "Caddy, under a path", "/call").await
}

async fn nginx(test: &str, heading: &str, path: &str) -> Result<()> {
    let listing = readme::listing(DOCUMENT, heading, "nginx")?;
    calls_through(test, path, async |dir, port, server| {
        let site = exchange(&listing, "443 ssl", &format!("127.0.0.1:{port} ssl"))?;
        let site = exchange(&site, "127.0.0.1:8080", server)?;
        let site = certificates_from(dir, &site)?;
        let whole = format!(
            "daemon off; master_process off; pid {0}/nginx.pid; error_log stderr; events {{}}
            http {{ access_log {0}/access.log; client_body_temp_path {0}/body;
                proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/fastcgi;
                uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
                {site} }}",
            dir.display()
        );
        let file = dir.join("nginx.conf");
        std::fs::write(&file, whole)?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).arg("-p").arg(dir);
        Process::spawn(&mut command, &dir.join("nginx.log"))
    })
    .await
}

async fn caddy(test: &str, heading: &str, path: &str) -> Result<()> {
    let listing = readme::listing(DOCUMENT, heading, "caddy")?;
    calls_through(test, path, async |dir, port, server| {
        let (site, rest) = listing.split_once(' ').context("an address")?;
        ensure!(site.ends_with("example.com"), "{site}");
        let rest = exchange(rest, "127.0.0.1:8080", server)?;
        // A certificate of its own making, and nothing outside this directory.
        let whole = format!(
            "{{\n admin off\n local_certs\n skip_install_trust\n auto_https disable_redirects\n \
             storage file_system {}\n}}\nhttps://127.0.0.1:{port} {rest}",
            dir.join("storage").display()
        );
        let file = dir.join("Caddyfile");
        std::fs::write(&file, whole)?;
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]);
        command.arg(&file).current_dir(dir).env("HOME", dir);
        Process::spawn(&mut command, &dir.join("caddy.log"))
    })
    .await
}

/// Starts the server as the document says, and a proxy before it, and calls.
async fn calls_through(
    test: &str,
    path: &str,
    start: impl AsyncFnOnce(&Path, u16, &str) -> Result<Process>,
) -> Result<()> {
    let dir = artefacts::fresh(test)?;
    let command = readme::listing(DOCUMENT, "Behind a reverse proxy", "sh")?;
    let (_, flags) = command
        .split_once("--listen 127.0.0.1:8080 ")
        .context("flags")?;
    let flags: Vec<_> = flags.split_whitespace().collect();
    let server = server::Server::start(&dir, &flags).await?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let _proxy = start(&dir, port, server.address()).await?;
    listens(port).await?;
    let options = BrowserOptions {
        flags: vec!["--ignore-certificate-errors".to_owned()],
        ..BrowserOptions::default()
    };
    scene_on(server, dir, &options, async |scene| {
        let url = format!("https://127.0.0.1:{port}{path}");
        let echo = format!("{}/echo", url.trim_end_matches('/'));
        scene.browser.open(&echo).await?;
        let app = App(&scene.browser);
        app.call().await?;
        app.plays("#remote-video", 10).await?;
        scene.browser.click("#hangup").await?;
        scene.browser.open(&url).await?;
        scene.browser.type_into("#room", "kitchen\n").await?;
        app.shows("#name", true).await?;
        let room = RoomPage(&scene.browser);
        room.enter("Ada").await?;
        room.shows(&["Ada"]).await?;
        the_proxy_is_trusted(scene)
    })
    .await
}

fn the_proxy_is_trusted(scene: &Scene) -> Result<()> {
    let log = scene.server.output()?;
    ensure!(
        !log.contains("--trusted-proxies"),
        "the proxy is not trusted"
    );
    Ok(())
}

async fn listens(port: u16) -> Result<()> {
    let connects = async || Ok(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    wait::until("the proxy to listen", wait::PATIENCE, connects, |open| {
        *open
    })
    .await?;
    Ok(())
}

/// Exchanges what a reader would have to; it must be there.
fn exchange(listing: &str, from: &str, to: &str) -> Result<String> {
    ensure!(listing.contains(from), "no {from} in {listing}");
    Ok(listing.replace(from, to))
}

/// Puts certificates of this directory in the place of those that the listing names.
fn certificates_from(dir: &Path, listing: &str) -> Result<String> {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
    std::fs::write(dir.join("fullchain.pem"), made.cert.pem())?;
    std::fs::write(dir.join("privkey.pem"), made.signing_key.serialize_pem())?;
    let (before, rest) = listing
        .split_once("/etc/letsencrypt/live/")
        .context("paths")?;
    let (site, _) = rest.split_once('/').context("a site")?;
    ensure!(before.contains("ssl_certificate"), "{before}");
    let named = format!("/etc/letsencrypt/live/{site}/");
    exchange(listing, &named, &format!("{}/", dir.display()))
}

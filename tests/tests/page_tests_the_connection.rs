//! The echo's page tries every way to the server, and says in a table and a sentence which of them there are.

use anyhow::{Context as _, Result, ensure};
use ferrite_tests::looks::{axe_finds_nothing, emulate};
use ferrite_tests::{
    BrowserOptions, Scene, artefacts, firefox_lab, network, scene, scene_on, scene_with,
};
use serde_json::Value;

/// By the keyboard: what has the focus then is the test.
async fn open(scene: &Scene) -> Result<()> {
    let browser = &scene.browser;
    browser.open(&scene.server.url("/echo")).await?;
    let ready = "!document.querySelector('#start').disabled";
    scene.holds("a page that is ready", ready).await?;
    let loaded = "performance.getEntriesByType('resource').filter(({ name }) => /connection/.test(name)).length";
    let before = browser.run(&format!("return {loaded};"), vec![]).await?;
    ensure!(before == 0, "it is loaded before anybody asks for it");
    let focus = "document.querySelector('#connection-open').focus();";
    browser.run(focus, vec![]).await?;
    browser.press('\u{e007}').await?;
    let focused = "document.activeElement.id === 'connection-title'";
    scene.holds("the keyboard in the test", focused).await
}

/// Of a NAT it says nothing.
async fn no_word_of_a_nat(scene: &Scene) -> Result<()> {
    let nat = "document.querySelector('#connection-nat').dataset.nat";
    let unknown = |nat: &Value| nat == "unknown";
    scene
        .browser
        .until("no word of a NAT", nat, unknown)
        .await?;
    Ok(())
}

/// What is said in the end, for programs.
async fn verdict(scene: &Scene) -> Result<Value> {
    let verdict = "document.querySelector('#connection-verdict').dataset.verdict";
    let is_there = |verdict: &Value| verdict.as_str().is_some_and(|it| !it.is_empty());
    scene.browser.until("a verdict", verdict, is_there).await
}

/// What came of the ways, each as a selector of attributes.
async fn ways_are(scene: &Scene, expected: &[(&str, &str)]) -> Result<()> {
    for (way, result) in expected {
        let rows = format!(
            "return [...document.querySelectorAll(`#connection tr{way}`)].map((row) => row.dataset.result);"
        );
        let found = scene.browser.run(&rows, vec![]).await?;
        let found = found.as_array().cloned().unwrap_or_default();
        let all = found.iter().all(|it| it == result);
        ensure!(all && !found.is_empty(), "{way}: {found:?}");
    }
    Ok(())
}

#[tokio::test]
async fn npm_axe_passes_the_test_light_dark_and_on_a_phone() -> Result<()> {
    scene("connection_test", async |scene| {
        let browser = &scene.browser;
        emulate(browser, 1280, 900, "light").await?;
        open(scene).await?;
        ensure!(verdict(scene).await? == "good");
        let relays = [("[data-way$='transport=udp']", "ok"), ("[data-way$='transport=tcp']", "ok")];
        let direct = [("[data-way=udp]", "ok"), ("[data-way=tcp]", "ok"), ("[data-way=turns]", "none")];
        ways_are(scene, &[&direct[..], &relays].concat()).await?;
        let trips = "[...document.querySelectorAll('#connection tr[data-result=ok]')]
            .every((row) => /^(<1|\\d+(\\.\\d)?) ms$/.test(row.cells[2].textContent) && row.cells[3].textContent !== '–')";
        scene.holds("round trips", trips).await?;
        let nat = "document.querySelector('#connection-nat').dataset.nat";
        let none = |nat: &Value| nat == "none";
        browser.until("no NAT", nat, none).await?;
        for (width, height, scheme) in [(1280, 900, "light"), (1280, 900, "dark"), (360, 740, "light")] {
            emulate(browser, width, height, scheme).await?;
            browser.screenshot(&format!("{width}_{scheme}")).await?;
            axe_finds_nothing(browser, &format!("{width} {scheme}")).await?;
            let fits = "document.querySelector('#connection').scrollWidth
                <= document.querySelector('#connection').clientWidth";
            scene.holds("a table that fits", fits).await?;
        }
        browser
            .run("document.querySelector('#connection-again').focus();", vec![])
            .await?;
        browser.press('\u{e007}').await?;
        let is_busy = "document.querySelector('#connection-verdict').dataset.verdict === ''";
        scene.holds("another test", is_busy).await?;
        // A second one does not begin meanwhile, and the keyboard stays where it was.
        browser.run("window.row = document.querySelector('#connection tr[data-way=udp]');", vec![]).await?;
        browser.press('\u{e007}').await?;
        ensure!(verdict(scene).await? == "good");
        let stays = "document.activeElement.id === 'connection-again' && window.row.isConnected";
        scene.holds("one test, and its button in focus", stays).await
    })
    .await
}

#[tokio::test]
async fn while_a_stun_server_is_silent_it_claims_nothing_of_a_nat() -> Result<()> {
    let silent = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let servers = format!(r#"{{"urls":"stun:{}"}}"#, silent.local_addr()?);
    let flags = ["--ice-servers", &servers];
    let options = BrowserOptions::default();
    scene_with(
        "connection_test_silent_stun",
        &flags,
        &options,
        async |scene| {
            open(scene).await?;
            ensure!(verdict(scene).await? == "good");
            silent.set_nonblocking(true)?;
            silent.recv(&mut [0; 64])?;
            no_word_of_a_nat(scene).await?;
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn it_is_german_where_the_browser_is() -> Result<()> {
    let options = BrowserOptions::default().in_german();
    scene_with("connection_test_german", &[], &options, async |scene| {
        open(scene).await?;
        ensure!(verdict(scene).await? == "good");
        let title = |text: &str| text == "Test der Verbindung";
        scene.app().text("#connection-title", title).await?;
        let sentence = |text: &str| text.starts_with("Anrufe gehen direkt");
        scene.app().text("#connection-verdict", sentence).await?;
        scene.browser.screenshot("german").await
    })
    .await
}

#[test]
fn firefox_finds_the_ways() -> Result<()> {
    firefox_lab("connection_test_firefox", async |firefox| {
        let origin = firefox.run("return location.origin;", vec![]).await?;
        let origin = origin.as_str().context("no origin")?;
        firefox.open_lab(&format!("{origin}/echo")).await?;
        firefox.run(FIREFOX, vec![]).await.map(drop)
    })
}

const FIREFOX: &str = r"
    const { expect, until } = lab;
    const at = (selector) => document.querySelector(selector);
    await until('a page that is ready', () => !at('#start').disabled);
    at('#connection-open').click();
    await until('a verdict', () => at('#connection-verdict').dataset.verdict);
    const results = Object.fromEntries([...document.querySelectorAll('#connection tr[data-way]')].map(({ dataset }) => [dataset.way, dataset.result]));
    expect('the direct ways', [results.udp, results.tcp], ['ok', 'ok']);
    expect('what is said', at('#connection-verdict').dataset.verdict, 'good');
";

mod over_a_network {
    use super::*;

    #[test]
    fn where_udp_is_blocked_it_says_so_and_that_tcp_is_not() -> Result<()> {
        network::apart(async || {
            let dir = artefacts::fresh("connection_test_udp_blocked")?;
            let listen = format!("{}:0", network::IPV4);
            let server = ferrite_tests::Server::start_at(&dir, &listen, &[]).await?;
            let options = BrowserOptions::default().trusting(&server.url(""));
            scene_on(server, dir, &options, async |scene| {
                network::drop_udp("")?;
                open(scene).await?;
                ensure!(verdict(scene).await? == "fair");
                let relays = [
                    ("[data-way$='transport=udp']", "unreached"),
                    ("[data-way$='transport=tcp']", "ok"),
                ];
                let direct = [("[data-way=udp]", "silent"), ("[data-way=tcp]", "ok")];
                ways_are(scene, &[&direct[..], &relays].concat()).await?;
                no_word_of_a_nat(scene).await?;
                let sentence = |text: &str| text.starts_with("UDP does not get through, TCP does");
                scene.app().text("#connection-verdict", sentence).await?;
                scene.browser.screenshot("udp_blocked").await
            })
            .await
        })
    }
}

//! The page of whoever looks after the relays, as they use it: in, credentials made, handed out, switched off and on and
//! deleted, projects, and what is relayed; on small and wide screens, in light and dark, in German; and what axe, which
//! knows the rules for accessible pages, finds in it: nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use ferrite_tests::app::App;
use ferrite_tests::browser::BrowserOptions;
use ferrite_tests::coturn::{self, mirror};
use ferrite_tests::looks::{axe_finds_nothing, emulate};
use ferrite_tests::rest::{KEY, call, get};
use ferrite_tests::{Browser, Scene, artefacts, scene, scene_with, wait};
use serde_json::{Value, json};
use tokio::process::Child;

const PAGE: &str = "/admin/turn";

/// What is called so in every language.
const NAMES: [&str; 2] = ["Ferrite", "secretKey"];

/// A browser takes what was copied.
const USE_THEM: &str = "
    const iceServers = JSON.parse(document.querySelector('#out-text').value);
    new RTCPeerConnection({ iceServers }).close();";

/// There is something to be seen of those who relay.
const RELAYED: &str = "document.querySelectorAll('#users li').length >= 2
    && document.querySelectorAll('#allocation-rows tr').length >= 2";

/// Some relay more than they may.
const HELD_BACK: &str =
    "[...document.querySelectorAll('#allocation-rows [data-name=\"Held back\"]')]
    .some(({ textContent }) => !/^0\\b/.test(textContent))";

/// Whatever might have a key in it that is not kept in the tab alone.
const TRACES: &str = "
    const addresses = performance.getEntries().map(({ name }) => name).join();
    const page = document.documentElement.outerHTML;
    return location.href + addresses + JSON.stringify(localStorage) + page;";

const ROWS: &str = "document.querySelectorAll('#credential-rows tr').length";

const FLAGS: [&str; 8] = [
    // They may call, but not show this page in a frame of theirs.
    "--allowed-origins",
    "https://elsewhere.example",
    "--turn-api-key",
    KEY,
    "--turn-shared-secret",
    "north",
    "--turn-allow",
    "127.0.0.1",
];

/// Opens the page and signs in, as a person would.
async fn sign_in(scene: &Scene, key: &str) -> Result<()> {
    scene.browser.open(&scene.server.url(PAGE)).await?;
    scene.app().shows("#sign-in", true).await?;
    scene.browser.type_into("#key", key).await?;
    scene.browser.click("#sign-in button").await
}

/// The selector of what can be done to a credential.
fn act(username: &str, act: &str) -> String {
    format!("tr[data-username='{username}'] [data-act={act}]")
}

/// Waits until a credential's row says this of it.
async fn state_is(scene: &Scene, username: &str, state: &str) -> Result<()> {
    let row = format!("document.querySelector(\"tr[data-username='{username}']\")?.dataset.state");
    let what = format!("{username} to be {state}");
    scene.holds(&what, &format!("{row} === '{state}'")).await
}

/// The only credential that is called so.
async fn named(scene: &Scene, label: &str) -> Result<Value> {
    let path = format!("/api/v2/turn/credentials?label={label}");
    let probe = async || Ok(get(&scene.server, &path).await?["data"][0].clone());
    let what = format!("{label} to be made");
    wait::until(&what, wait::PATIENCE, probe, |found| !found.is_null()).await
}

#[tokio::test]
async fn credentials_are_made_copied_switched_and_deleted_by_hand() -> Result<()> {
    scene_with(
        "relays_page",
        &FLAGS,
        &BrowserOptions::default(),
        async |scene| {
            sign_in(scene, KEY).await?;
            let (browser, app) = (&scene.browser, scene.app());
            app.shows("#desk", true).await?;
            app.shows("#no-credentials", true).await?;
            browser.type_into("#label", "kitchen").await?;
            browser.click("#create button").await?;
            let made = named(scene, "kitchen").await?;
            let name = made["username"].as_str().context("a name")?;
            state_is(scene, name, "good").await?;
            ensure!(made["expiryInSeconds"] == 86_400, "{made}");

            // What is handed out is what a page of the credential's key gets.
            browser.click(&act(name, "copy")).await?;
            app.shows("#out", true).await?;
            let text = "return document.querySelector('#out-text').value;";
            let copied = scene.run(text).await?;
            let copied: Value = serde_json::from_str(copied.as_str().context("a text")?)?;
            let relay = copied
                .as_array()
                .and_then(|servers| servers.last())
                .context("servers")?;
            ensure!(
                relay["username"] == made["username"] && relay["credential"] == made["password"],
                "{copied}"
            );
            scene.run(USE_THEM).await?;
            browser.screenshot("copied").await?;
            browser.click("#out button").await?;

            browser.click(&act(name, "disable")).await?;
            state_is(scene, name, "disabled").await?;
            ensure!(named(scene, "kitchen").await?["enabled"] == false);
            browser.screenshot("disabled").await?;
            browser.click(&act(name, "enable")).await?;
            state_is(scene, name, "good").await?;

            // Who thinks better of it deletes nothing.
            browser.click(&act(name, "delete")).await?;
            app.shows("#sure", true).await?;
            browser.screenshot("sure").await?;
            browser.press('\u{e00c}').await?;
            app.shows("#sure", false).await?;
            state_is(scene, name, "good").await?;
            browser.click(&act(name, "delete")).await?;
            browser.click("#sure-yes").await?;
            app.shows("#no-credentials", true).await?;
            let left = get(&scene.server, "/api/v2/turn/credentials?all=true").await?;
            ensure!(left["data"] == json!([]), "{left}");
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn many_credentials_come_in_pages_and_a_label_picks_some() -> Result<()> {
    scene_with(
        "relays_page_many",
        &FLAGS,
        &BrowserOptions::default(),
        async |scene| {
            for n in 0..60 {
                let label = if n % 20 == 0 { "rare" } else { "common" };
                call(
                    &scene.server,
                    "POST",
                    "/api/v1/turn/credential",
                    &json!({ "label": label }),
                )
                .await?;
            }
            sign_in(scene, KEY).await?;
            let rows = |count: usize| format!("{ROWS} === {count}");
            scene.holds("a page of them", &rows(50)).await?;
            scene
                .browser
                .click("#credential-pages button:last-child")
                .await?;
            scene.holds("the rest", &rows(10)).await?;
            scene.browser.type_into("#search-label", "rare\n").await?;
            scene.holds("the rare ones", &rows(3)).await
        },
    )
    .await
}

#[tokio::test]
async fn the_key_is_kept_in_the_tab_alone_and_a_wrong_one_is_told() -> Result<()> {
    scene_with(
        "relays_page_key",
        &FLAGS,
        &BrowserOptions::default(),
        async |scene| {
            scene.expect_console_errors();
            sign_in(scene, "south").await?;
            let app = scene.app();
            app.text("#trouble-text", |text| text == "Invalid secret key")
                .await?;
            app.shows("#sign-in", true).await?;
            scene.browser.screenshot("wrong").await?;
            sign_in(scene, KEY).await?;
            app.shows("#desk", true).await?;
            let policy = "return (await fetch(location)).headers.get('content-security-policy');";
            let policy = scene.run(policy).await?;
            let policy = policy.as_str().context("a policy")?;
            ensure!(policy.contains("frame-ancestors 'none'"), "{policy}");
            // A reload goes on, and no address has the key.
            scene.browser.open(&scene.server.url(PAGE)).await?;
            app.shows("#desk", true).await?;
            let seen = scene.run(TRACES).await?;
            ensure!(
                !seen.as_str().context("a text")?.contains(KEY),
                "the key is in {seen}"
            );
            scene.browser.click("#sign-out").await?;
            app.shows("#sign-in", true).await?;
            scene.browser.open(&scene.server.url(PAGE)).await?;
            app.shows("#sign-in", true).await?;
            ensure!(scene.run("return sessionStorage.length;").await? == 0);
            Ok(())
        },
    )
    .await
}

#[tokio::test]
async fn without_the_rest_api_there_is_no_page() -> Result<()> {
    scene("relays_page_none", async |scene| {
        scene.expect_console_errors();
        for path in [
            PAGE,
            "/admin/turn.html",
            "/admin/turn.js",
            "//admin/turn.js",
            "/%61dmin/turn.js",
        ] {
            let ask = format!("return (await fetch(location.origin + {path:?})).status;");
            scene.browser.open(&scene.server.url("/healthz")).await?;
            let status = scene.run(&ask).await?;
            ensure!(status == 404, "{path}: {status}");
        }
        Ok(())
    })
    .await
}

/// What stands between two texts, wherever both are in this order.
fn between<'a>(text: &'a str, before: &'a str, after: char) -> impl Iterator<Item = &'a str> {
    let parts = text.split(before).skip(1);
    parts.filter_map(move |part| Some(part.split_once(after)?.0.trim()))
}

#[test]
fn every_word_of_the_page_is_said_in_german() -> Result<()> {
    let read = |name: &str| {
        let path = artefacts::repository().join("www/admin").join(name);
        std::fs::read_to_string(path)
    };
    let (page, script) = (read("turn.html")?, read("turn.js")?);
    let german: BTreeMap<String, String> = serde_json::from_str(&read("words.de.json")?)?;
    let body = page.split_once("<body>").context("a body")?.1;
    let written = between(body, ">", '<');
    let calls = [" t(\"", "(t(\"", "{t(\"", "cell(\"", "[turn(\"", " turn(\""];
    let said = calls.map(|before| between(&script, before, '"'));
    let known = |text: &&str| german.contains_key(*text) || NAMES.contains(text);
    let all = written.chain(said.into_iter().flatten());
    let unknown: BTreeSet<_> = all
        .filter(|text| !text.is_empty() && !known(text))
        .collect();
    ensure!(unknown.is_empty(), "not said in German: {unknown:?}");
    Ok(())
}

/// coturn's client, which relays for a while; `None` where it is not installed.
async fn relaying(scene: &Scene, who: &[&str], messages: &str) -> Result<Option<Child>> {
    let mirror = mirror("127.0.0.1").await?.to_string();
    let to = ["-e", "127.0.0.1", "-r", &mirror];
    let what = ["-c", "-m", "2", "-l", "1000", "-n", messages];
    coturn::relaying(scene.server.media_port(), &[who, &to, &what].concat())
}

/// Something of everything that the page shows.
async fn furnish(scene: &Scene) -> Result<Vec<Option<Child>>> {
    let server = &scene.server;
    let make = async |path: &str, body: Value| call(server, "POST", path, &body).await;
    let credential = "/api/v1/turn/credential";
    let kitchen = json!({
        "projectName": "Kitchen", "quotaInBytes": 1 << 20, "quotaExceededAction": "notify",
    });
    let kitchen = make("/api/v2/turn/project", kitchen).await?;
    let name = "Nouvelle société de conférences à distance";
    let large = json!({ "projectName": name, "quotaInBytes": 500_000_000_000_u64 });
    make("/api/v2/turn/project", large).await?;
    make(
        "/api/v2/turn/project",
        json!({ "projectName": "Without a quota" }),
    )
    .await?;
    let id = kitchen["_id"].as_str().context("an id")?;
    let path = format!("/api/v2/turn/project/{id}/credential");
    let tenant = make(&path, json!({ "label": "cook@kitchen.example" })).await?;
    make(
        credential,
        json!({ "label": "a week", "expiryInSeconds": 604_800 }),
    )
    .await?;
    let off = make(
        credential,
        json!({ "label": "a label that is rather long, and has no end in sight at all" }),
    )
    .await?;
    make(
        "/api/v1/turn/credential/disable",
        json!({ "username": off["username"] }),
    )
    .await?;
    make(credential, json!({})).await?;
    let text = |field: &str| tenant[field].as_str().context("a text");
    let stored = ["-u", text("username")?, "-w", text("password")?];
    Ok(vec![
        relaying(scene, &stored, "100000").await?,
        relaying(scene, &["-u", "guest", "-W", "north"], "100000").await?,
    ])
}

/// Looks at what is shown, in every size and light, as a picture and by axe.
async fn look(browser: &Browser, name: &str) -> Result<()> {
    for (width, scheme) in [
        (1280, "light"),
        (1280, "dark"),
        (360, "light"),
        (360, "dark"),
        (320, "light"),
    ] {
        emulate(browser, width, 900, scheme).await?;
        let too_wide = "return document.documentElement.scrollWidth - window.innerWidth;";
        let too_wide = browser.run(too_wide, vec![]).await?;
        let shape = format!("{name}-{width}-{scheme}");
        browser.screenshot(&shape).await?;
        ensure!(
            too_wide.as_i64() <= Some(0),
            "{shape} is {too_wide} pixels too wide"
        );
        axe_finds_nothing(browser, &shape).await?;
    }
    Ok(())
}

#[tokio::test]
async fn npm_axe_passes_the_page_of_relays_in_every_size_and_light() -> Result<()> {
    scene_with(
        "relays_page_looks",
        &[&FLAGS[..], &["--turn-bandwidth", "50"]].concat(),
        &BrowserOptions::default(),
        async |scene| {
            scene.browser.open(&scene.server.url(PAGE)).await?;
            scene.app().shows("#sign-in", true).await?;
            look(&scene.browser, "sign-in").await?;
            emulate(&scene.browser, 1280, 900, "light").await?;
            let clients = furnish(scene).await?;
            sign_in(scene, KEY).await?;
            scene.app().shows("#desk", true).await?;
            if clients.iter().all(Option::is_some) {
                scene.holds("relays to be seen", RELAYED).await?;
                let what = "something to be held back";
                scene.holds(what, HELD_BACK).await?;
            }
            scene
                .run("document.querySelector('details').open = true;")
                .await?;
            look(&scene.browser, "desk").await
        },
    )
    .await
}

#[tokio::test]
async fn npm_axe_passes_the_page_of_relays_in_german() -> Result<()> {
    let options = BrowserOptions::default().in_german();
    scene_with("relays_page_german", &FLAGS, &options, async |scene| {
        furnish(scene).await?;
        sign_in(scene, KEY).await?;
        let app: App<'_> = scene.app();
        app.text("#usage-title", |text| text == "Verbrauch in diesem Monat")
            .await?;
        look(&scene.browser, "german").await
    })
    .await
}

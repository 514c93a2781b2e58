//! Pages of another origin than the server's: those that are allowed import the client and call, the
//! others learn why not.

use anyhow::{Result, ensure};
use ferrite_tests::scene::scene_with;
use ferrite_tests::server::Server;
use ferrite_tests::site::Site;
use ferrite_tests::{BrowserOptions, Firefox, Scene, artefacts, network};
use serde_json::{Value, json};

/// Imports the class from one server, and calls the other (which may be the same). Returns what came
/// back, or the error's code and words.
const CALL: &str = r"
    const [from, to] = args;
    const { default: init, FerriteClient } = await import(`${from}/ferrite_client.js`);
    await init();
    const client = new FerriteClient({ url: `${to}/` });
    const back = new Promise((resolve) => client.on('message', resolve));
    try {
        await client.start();
        await client.send('hello');
        return { back: await back };
    } catch ({ code, message }) {
        return { code, message, link: client.status.link };
    } finally {
        client.close();
    }
";

fn is_refusal(outcome: &Value) -> Result<()> {
    ensure!(outcome["code"] == "refused", "{outcome}");
    ensure!(outcome["link"] == "stopped", "{outcome}");
    let words = outcome["message"].as_str().unwrap_or_default();
    ensure!(words.contains("origin is not allowed"), "{outcome}");
    Ok(())
}

/// Runs `play` on a page of a site whose pages the scene's server allows.
async fn at_a_site(name: &str, play: impl AsyncFnOnce(&mut Scene) -> Result<()>) -> Result<()> {
    let site = Site::start().await?;
    let flags = ["--allowed-origins", site.origin()];
    scene_with(name, &flags, &BrowserOptions::default(), async |scene| {
        scene.browser.open(site.origin()).await?;
        play(scene).await
    })
    .await
}

#[tokio::test]
async fn an_allowed_page_imports_the_client_and_calls() -> Result<()> {
    at_a_site("other_origin_calls", async |scene| {
        let server = json!(scene.server.url(""));
        let outcome = scene
            .browser
            .run(CALL, vec![server.clone(), server])
            .await?;
        ensure!(outcome["back"] == "hello", "{outcome}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_page_that_is_not_allowed_is_told_so() -> Result<()> {
    at_a_site("other_origin_refused", async |scene| {
        let dir = scene.dir.join("strict");
        std::fs::create_dir(&dir)?;
        let strict = Server::start(&dir, &[]).await?;
        let servers = vec![json!(scene.server.url("")), json!(strict.url(""))];
        is_refusal(&scene.browser.run(CALL, servers).await?)
    })
    .await
}

#[test]
fn firefox_imports_the_client_from_another_origin_and_calls() -> Result<()> {
    network::apart(async || {
        let dir = artefacts::fresh("firefox_other_origin")?;
        let site = Site::start().await?;
        let server = Server::start(&dir, &["--allowed-origins", site.origin()]).await?;
        let strict_dir = dir.join("strict");
        std::fs::create_dir(&strict_dir)?;
        let strict = Server::start(&strict_dir, &[]).await?;
        let firefox = Firefox::start(&dir).await?;
        firefox.open(site.origin()).await?;

        let allowed = json!(server.url(""));
        let call = firefox
            .run(CALL, vec![allowed.clone(), allowed.clone()])
            .await;
        let refused = firefox
            .run(CALL, vec![allowed, json!(strict.url(""))])
            .await;
        firefox.close().await?;
        let (call, refused) = (call?, refused?);
        ensure!(call["back"] == "hello", "{call}");
        is_refusal(&refused)
    })
}

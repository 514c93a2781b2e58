//! One test's stage: a server and a browser, made before the test and taken down after it, with
//! screenshot, console and logs kept whether it passes or fails.

use std::panic::AssertUnwindSafe;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, ensure};
use futures_util::FutureExt;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::app::App;
use crate::artefacts;
use crate::browser::{Browser, BrowserOptions};
use crate::machine;
use crate::server::Server;

/// Two browsers that encode video at once starve each other on two cores.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// A peer in plain JavaScript, and the measurements the tests take in the page.
pub const LAB: &str = include_str!("../js/lab.js");

/// What a test plays on.
#[derive(Debug)]
pub struct Scene {
    /// The server under test.
    pub server: Server,
    /// A browser, with an empty tab.
    pub browser: Browser,
    /// Where this test's artefacts go.
    pub dir: PathBuf,
    console_may_complain: bool,
}

impl Scene {
    /// Opens a page of the server that has no script of its own, and loads `lab` into it.
    pub async fn open_lab(&self) -> Result<()> {
        self.browser.open(&self.server.url("/healthz")).await?;
        self.load_lab().await
    }

    /// Opens the echo's page, with this query, and loads `lab` beside it.
    pub async fn open_app(&self, query: &str) -> Result<App<'_>> {
        self.browser
            .open(&self.server.url(&format!("/echo{query}")))
            .await?;
        self.load_lab().await?;
        Ok(self.app())
    }

    /// The app in the current tab.
    #[must_use]
    pub fn app(&self) -> App<'_> {
        App(&self.browser)
    }

    /// Loads `lab` into the current page.
    pub async fn load_lab(&self) -> Result<()> {
        self.browser.run(LAB, vec![]).await.map(drop)
    }

    /// Runs the body of an async function in the page; see [`Browser::run`].
    pub async fn run(&self, body: &str) -> Result<Value> {
        self.browser.run(body, vec![]).await
    }

    /// Waits until an expression of the page's is true.
    pub async fn holds(&self, what: &str, expression: &str) -> Result<()> {
        let is_true = |seen: &Value| *seen == true;
        let holds = self.browser.until(what, expression, is_true);
        holds.await.map(drop)
    }

    /// Runs a script before those of every page that is opened from now on.
    pub async fn before_pages(&self, source: &str) -> Result<()> {
        let script = json!({ "source": source });
        let add = "Page.addScriptToEvaluateOnNewDocument";
        self.browser.devtools(add, script).await.map(drop)
    }

    /// For a test in which errors on the console are what should happen.
    pub fn expect_console_errors(&mut self) {
        self.console_may_complain = true;
    }

    async fn check_console(&mut self) -> Result<()> {
        let quiet = self.console_may_complain;
        let lines = self.browser.console().await?.iter();
        let errors: Vec<_> = lines.filter(|line| line.level == "SEVERE").collect();
        ensure!(
            quiet || errors.is_empty(),
            "errors on the console: {errors:#?}"
        );
        Ok(())
    }
}

/// Runs `play` on a fresh server and a fresh browser.
pub async fn scene(name: &str, play: impl AsyncFnOnce(&mut Scene) -> Result<()>) -> Result<()> {
    scene_with(name, &[], &BrowserOptions::default(), play).await
}

/// Runs `play` on a server with these flags and a browser with these options.
pub async fn scene_with(
    name: &str,
    flags: &[&str],
    options: &BrowserOptions,
    play: impl AsyncFnOnce(&mut Scene) -> Result<()>,
) -> Result<()> {
    let dir = artefacts::fresh(name)?;
    let server = Server::start(&dir, flags).await?;
    scene_on(server, dir, options, play).await
}

/// Runs `play` on this server and a browser with these options.
pub async fn scene_on(
    server: Server,
    dir: PathBuf,
    options: &BrowserOptions,
    play: impl AsyncFnOnce(&mut Scene) -> Result<()>,
) -> Result<()> {
    let _turn = ONE_AT_A_TIME.acquire().await?;
    let _machine = machine::shared().await?;
    let browser = Browser::start(&dir, options).await?;
    let mut scene = Scene {
        server,
        browser,
        dir,
        console_may_complain: false,
    };
    let played = AssertUnwindSafe(play(&mut scene)).catch_unwind().await;
    let played = played.unwrap_or_else(|panic| Err(anyhow!("panicked: {}", said(&*panic))));
    let kept = scene.browser.keep_evidence().await;
    let checked = scene.check_console().await;
    let closed = scene.browser.close().await;
    let outcome = played.and(kept).and(checked).and(closed);
    outcome.with_context(|| format!("see {}", scene.dir.display()))
}

fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text")
}

//! Chromium, driven through WebDriver. Knows the flags that make it quiet and give it a fake
//! camera and microphone, and keeps what its console said. Knows nothing of the page.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::elements::{Element, ElementRef};
use fantoccini::wd::{Capabilities, TimeoutConfiguration, WindowHandle};
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::process::Process;
use crate::wait;

const FLAGS: [&str; 11] = [
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream=fps=30",
    "--autoplay-policy=no-user-gesture-required",
    "--window-size=1280,900",
];

const SCRIPT: Duration = Duration::from_secs(180);

/// What the person in front of the browser answers when a page asks for camera and microphone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Permission {
    /// Yes, to both.
    #[default]
    Granted,
    /// No.
    Denied,
}

/// How a browser is to be started.
#[derive(Clone, Debug, Default)]
pub struct BrowserOptions {
    /// The answer to a page that asks for devices.
    pub permission: Permission,
    /// What the microphone hears, as a WAV file; Chromium's beep if there is none.
    pub microphone: Option<PathBuf>,
    /// It never calls by loopback, like nobody's but a developer's.
    pub no_loopback: bool,
    /// Further command-line flags.
    pub flags: Vec<String>,
}

impl BrowserOptions {
    /// The same with the pages of this address taken for secure: only those from loopback and over HTTPS get a camera.
    #[must_use]
    pub fn trusting(mut self, url: &str) -> Self {
        let flag = format!("--unsafely-treat-insecure-origin-as-secure={url}");
        self.flags.push(flag);
        self
    }

    /// The same for somebody who reads German.
    #[must_use]
    pub fn in_german(mut self) -> Self {
        let flags = ["--lang=de", "--accept-lang=de"];
        self.flags.extend(flags.map(str::to_owned));
        self
    }
}

/// A line of the browser's console.
#[derive(Clone, Debug)]
pub struct ConsoleLine {
    /// `SEVERE`, `WARNING`, `INFO` or `DEBUG`.
    pub level: String,
    /// What it says, and where it was said.
    pub message: String,
}

/// Starts a driver. It takes any port of IPv6 and then wants the same of IPv4, which may be somebody's: it ends then, and
/// another takes another.
async fn start_driver(dir: &Path) -> Result<(Process, u16)> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").arg("--log-level=WARNING");
        let mut driver = Process::spawn(&mut command, &dir.join("chromedriver.log"))?;
        let port = driver.line("chromedriver to listen", wait::PATIENCE, driver_port);
        match port.await {
            Ok(port) => return Ok((driver, port)),
            Err(_) if tries < DRIVERS && driver.output()?.contains("Address already in use") => {}
            Err(error) => return Err(error),
        }
    }
}

/// Drivers that are started at most until one has a port.
const DRIVERS: u32 = 5;

/// A running browser, and the driver it hangs on.
#[derive(Debug)]
pub struct Browser {
    client: Client,
    console: Vec<ConsoleLine>,
    shots: AtomicU32,
    dir: PathBuf,
    // Last, so that the browser's end is asked for before its driver is killed.
    _driver: Process,
}

impl Browser {
    /// Starts a driver and a browser. Their logs and screenshots go to `dir`.
    pub async fn start(dir: &Path, options: &BrowserOptions) -> Result<Self> {
        let (driver, port) = start_driver(dir).await?;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(options))
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .context("starting Chromium")?;
        let timeouts = TimeoutConfiguration::new(Some(SCRIPT), Some(SCRIPT), None);
        client.update_timeouts(timeouts).await?;
        Ok(Self {
            client,
            console: Vec::new(),
            shots: AtomicU32::new(0),
            dir: dir.to_owned(),
            _driver: driver,
        })
    }

    /// Opens `url` in the current tab.
    pub async fn open(&self, url: &str) -> Result<()> {
        Ok(self.client.goto(url).await?)
    }

    /// Opens `url` in a new tab and makes that the current one.
    pub async fn open_tab(&self, url: &str) -> Result<WindowHandle> {
        let tab = self.client.new_window(true).await?.handle;
        self.client.switch_to_window(tab.clone()).await?;
        self.open(url).await?;
        Ok(tab)
    }

    /// Opens `url` in a window of its own, seen as all windows are, and makes that the current one.
    pub async fn open_window(&self, url: &str) -> Result<WindowHandle> {
        let window = self.client.new_window(false).await?.handle;
        self.client.switch_to_window(window.clone()).await?;
        self.open(url).await?;
        Ok(window)
    }

    /// The current tab.
    pub async fn tab(&self) -> Result<WindowHandle> {
        Ok(self.client.window().await?)
    }

    /// Makes `tab` the current one.
    pub async fn switch_to(&self, tab: &WindowHandle) -> Result<()> {
        Ok(self.client.switch_to_window(tab.clone()).await?)
    }

    /// Goes into the document of the frame that an expression finds: what follows is done there, until a tab
    /// is switched to. A selector would not find those in shadow roots.
    pub async fn enter_frame(&self, expression: &str) -> Result<()> {
        let frame = self.run(&format!("return {expression};"), vec![]).await?;
        // WebDriver §12.2.
        let id = &frame["element-6066-11e4-a52e-4f735466cecf"];
        let id = ElementRef::from(id.as_str().context("an element")?.to_owned());
        let frame = Element::from_element_id(self.client.clone(), id);
        Ok(frame.enter_frame().await?)
    }

    /// Runs the body of an async JavaScript function in the page, and returns what it resolves
    /// to. Rejections are errors. The arguments are in `args`.
    pub async fn run(&self, body: &str, args: Vec<Value>) -> Result<Value> {
        let script = format!("return (async (...args) => {{\n{body}\n}})(...arguments);");
        Ok(self.client.execute(&script, args).await?)
    }

    /// Evaluates `code` as if it were pasted into the console of the page.
    pub async fn paste(&self, code: &str) -> Result<()> {
        let params = json!({ "expression": code, "replMode": true, "awaitPromise": true });
        let result = self.devtools("Runtime.evaluate", params).await?;
        ensure!(result["exceptionDetails"].is_null(), "threw: {result}");
        Ok(())
    }

    /// Sends a command of the Chrome DevTools protocol to the page.
    pub async fn devtools(&self, command: &str, params: Value) -> Result<Value> {
        let body = json!({ "cmd": command, "params": params });
        self.vendor("goog/cdp/execute", body).await
    }

    /// Waits for an element to be there, visible and enabled, and clicks it.
    pub async fn click(&self, css: &str) -> Result<()> {
        let ready = async || {
            let element = match self.client.find(Locator::Css(css)).await {
                Err(error) if error.is_no_such_element() => return Ok(false),
                found => found?,
            };
            if !(element.is_displayed().await? && element.is_enabled().await?) {
                return Ok(false);
            }
            Ok(element.click().await.is_ok())
        };
        wait::until(&format!("a click on {css}"), wait::PATIENCE, ready, |ok| {
            *ok
        })
        .await?;
        Ok(())
    }

    /// Types into an element.
    pub async fn type_into(&self, css: &str, keys: &str) -> Result<()> {
        let element = self.client.find(Locator::Css(css)).await?;
        Ok(element.send_keys(keys).await?)
    }

    /// Presses and releases a key, wherever the focus is. Special keys have WebDriver's codes.
    pub async fn press(&self, key: char) -> Result<()> {
        let keys = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value: key })
            .then(KeyAction::Up { value: key });
        Ok(self.client.perform_actions(keys).await?)
    }

    /// Presses a key and keeps it down, or lets it go.
    pub async fn hold(&self, key: char, down: bool) -> Result<()> {
        let action = match down {
            true => KeyAction::Down { value: key },
            false => KeyAction::Up { value: key },
        };
        let keys = KeyActions::new("keyboard".to_owned()).then(action);
        Ok(self.client.perform_actions(keys).await?)
    }

    /// Waits until an expression of the page's is what `done` likes, and returns it.
    pub async fn until(
        &self,
        what: &str,
        expression: &str,
        done: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let body = format!("return {expression};");
        wait::until(
            what,
            wait::PATIENCE,
            async || self.run(&body, vec![]).await,
            done,
        )
        .await
    }

    /// Sets the size of the window.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        Ok(self.client.set_window_size(width, height).await?)
    }

    /// Keeps a picture of the page as an artefact: all of it, whatever the window shows.
    pub async fn screenshot(&self, name: &str) -> Result<()> {
        let layout = self.devtools("Page.getLayoutMetrics", json!({})).await?;
        let mut clip = layout["cssContentSize"].clone();
        clip["scale"] = json!(1);
        let params = json!({ "captureBeyondViewport": true, "clip": clip });
        let picture = self.devtools("Page.captureScreenshot", params).await?;
        let png = BASE64_STANDARD.decode(picture["data"].as_str().context("a picture")?)?;
        let number = self.shots.fetch_add(1, Ordering::Relaxed) + 1;
        let file = format!("{number:02}-{name}.png");
        Ok(std::fs::write(self.dir.join(file), png)?)
    }

    /// All lines of the console so far.
    pub async fn console(&mut self) -> Result<&[ConsoleLine]> {
        let lines = self.vendor("se/log", json!({ "type": "browser" })).await?;
        let lines = lines.as_array().context("a list of console lines")?;
        self.console.extend(lines.iter().map(|line| ConsoleLine {
            level: line["level"].as_str().unwrap_or_default().to_owned(),
            message: line["message"].as_str().unwrap_or_default().to_owned(),
        }));
        Ok(&self.console)
    }

    /// Keeps what the current page looks like in the end, and all lines of the console.
    pub async fn keep_evidence(&mut self) -> Result<()> {
        self.screenshot("end").await?;
        let lines = self.console().await?.iter();
        let text: String = lines
            .map(|line| format!("{} {}\n", line.level, line.message))
            .collect();
        Ok(std::fs::write(self.dir.join("console.log"), text)?)
    }

    /// Ends the browser.
    pub async fn close(&self) -> Result<()> {
        Ok(self.client.clone().close().await?)
    }

    async fn vendor(&self, path: &'static str, body: Value) -> Result<Value> {
        Ok(self.client.issue_cmd(Vendor { path, body }).await?)
    }
}

fn capabilities(options: &BrowserOptions) -> Capabilities {
    let mut flags: Vec<String> = FLAGS.map(String::from).into();
    flags.extend(without_sandbox().then(|| "--no-sandbox".to_owned()));
    flags.push(match options.permission {
        Permission::Granted => "--use-fake-ui-for-media-stream".to_owned(),
        Permission::Denied => "--deny-permission-prompts".to_owned(),
    });
    if let Some(wav) = &options.microphone {
        flags.push(format!(
            "--use-file-for-fake-audio-capture={}",
            wav.display()
        ));
    }
    // Without it a machine with no network but loopback has no candidates.
    let loopback = (!options.no_loopback).then(|| "--allow-loopback-in-peer-connection".to_owned());
    flags.extend(loopback);
    flags.extend(options.flags.iter().cloned());
    let mut capabilities = Capabilities::new();
    capabilities.insert("goog:chromeOptions".into(), json!({ "args": flags }));
    capabilities.insert("goog:loggingPrefs".into(), json!({ "browser": "ALL" }));
    capabilities
}

/// Chromium refuses to start a sandbox as root; where user namespaces are off, it cannot.
fn without_sandbox() -> bool {
    nix::unistd::geteuid().is_root() || std::env::var_os("FERRITE_NO_SANDBOX").is_some()
}

/// Reads `ChromeDriver was started successfully on port 37225.`
fn driver_port(line: &str) -> Option<u16> {
    let (_, port) = line.split_once("started successfully on port ")?;
    port.trim_end_matches('.').parse().ok()
}

/// A command that chromedriver adds to WebDriver.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Value,
}

impl fantoccini::wd::WebDriverCompatibleCommand for Vendor {
    fn endpoint(
        &self,
        base_url: &url::Url,
        session_id: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        let session = session_id.unwrap_or_default();
        base_url.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

//! Firefox, which no driver in Debian drives. Knows the preferences that make it quiet and give it
//! a fake camera and microphone. Knows nothing of the page.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::{Mutex, Semaphore};

use crate::browser::{Browser, BrowserOptions};
use crate::marionette::Marionette;
use crate::network::Roaming;
use crate::process::Process;
use crate::scene::LAB;
use crate::{Server, artefacts, machine, network, wait};

/// Two browsers that encode video at once starve each other on two cores.
static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

const SCRIPT: Duration = Duration::from_secs(180);

const END: Duration = Duration::from_secs(60);

/// What the fake microphone hears, in hertz.
const TONE: u32 = 440;

/// Preferences, as `user.js` has them.
const PREFERENCES: [(&str, &str); 26] = [
    // Firefox chooses, and writes its choice into the profile.
    ("marionette.port", "0"),
    ("media.navigator.streams.fake", "true"),
    ("media.navigator.permission.disabled", "true"),
    // Cameras also for pages that come from another machine than this.
    ("media.devices.insecure.enabled", "true"),
    ("media.getusermedia.insecure.enabled", "true"),
    // Under Marionette it would not tell pages of networks.
    ("network.manage-offline-status", "true"),
    ("media.autoplay.default", "0"),
    ("media.peerconnection.ice.loopback", "true"),
    ("media.peerconnection.ice.obfuscate_host_addresses", "false"),
    // No codec is downloaded.
    ("media.gmp-manager.updateEnabled", "false"),
    ("media.gmp-provider.enabled", "false"),
    // Nothing calls home.
    ("app.normandy.enabled", "false"),
    ("app.update.enabled", "false"),
    ("browser.newtabpage.enabled", "false"),
    ("browser.region.update.enabled", "false"),
    ("browser.safebrowsing.malware.enabled", "false"),
    ("browser.safebrowsing.phishing.enabled", "false"),
    ("browser.startup.page", "0"),
    ("datareporting.policy.dataSubmissionEnabled", "false"),
    ("extensions.update.enabled", "false"),
    ("network.captive-portal-service.enabled", "false"),
    // It would wait for the answers when it is told to quit.
    ("network.dns.disabled", "true"),
    ("network.connectivity-service.enabled", "false"),
    ("services.settings.server", "\"http://127.0.0.1:9\""),
    ("toolkit.telemetry.enabled", "false"),
    // What pages write to the console goes to the log.
    ("devtools.console.stdout.content", "true"),
];

/// A running Firefox.
#[derive(Debug)]
pub struct Firefox {
    marionette: Mutex<Marionette>,
    process: Process,
    profile: PathBuf,
    shots: AtomicU32,
    dir: PathBuf,
}

impl Firefox {
    /// Starts Firefox with a new profile. Its log and screenshots go to `dir`.
    pub async fn start(dir: &Path) -> Result<Self> {
        Self::start_with_tone(dir, TONE).await
    }

    /// The same, with a microphone that hears a tone of this frequency.
    pub async fn start_with_tone(dir: &Path, hertz: u32) -> Result<Self> {
        Self::start_with(dir, preferences(hertz)).await
    }

    /// The same where every name leads to this address.
    pub async fn start_with_names(dir: &Path, address: &str) -> Result<Self> {
        let to = format!("{address:?}");
        let names = [
            ("network.dns.disabled", "false"),
            ("network.dns.forceResolve", &*to),
        ];
        // What comes later counts.
        let preferences = preferences(TONE) + &written(names);
        Self::start_with(dir, preferences).await
    }

    /// The same where pages play no sound until somebody does something there, as for most people.
    pub async fn start_silent(dir: &Path) -> Result<Self> {
        let policy = [("media.autoplay.default", "1")];
        Self::start_with(dir, preferences(TONE) + &written(policy)).await
    }

    async fn start_with(dir: &Path, preferences: String) -> Result<Self> {
        let profile = dir.join("profile");
        std::fs::create_dir_all(&profile)?;
        std::fs::write(profile.join("user.js"), preferences)?;
        let mut command = Command::new("firefox-esr");
        command
            // The second is for `believe`.
            .args(["-marionette", "-remote-allow-system-access"])
            .args(["-headless", "-no-remote", "-profile"])
            .arg(&profile)
            .env("HOME", &profile)
            .env("MOZ_CRASHREPORTER_DISABLE", "1");
        let process = Process::spawn(&mut command, &dir.join("firefox.log"))?;
        let port = port(&profile).await?;
        let mut marionette = Marionette::connect(port).await?;
        // A server of a test may be its own certificate's issuer.
        let session = json!({ "acceptInsecureCerts": true });
        marionette.command("WebDriver:NewSession", session).await?;
        let timeouts = json!({ "script": SCRIPT.as_millis() });
        marionette
            .command("WebDriver:SetTimeouts", timeouts)
            .await?;
        Ok(Self {
            marionette: Mutex::new(marionette),
            process,
            profile,
            shots: AtomicU32::new(0),
            dir: dir.to_owned(),
        })
    }

    /// Opens `url`.
    pub async fn open(&self, url: &str) -> Result<()> {
        let parameters = json!({ "url": url });
        self.command("WebDriver:Navigate", parameters)
            .await
            .map(drop)
    }

    /// Opens `url`, and loads `lab` into its page.
    pub async fn open_lab(&self, url: &str) -> Result<()> {
        self.open(url).await?;
        self.run(LAB, vec![]).await.map(drop)
    }

    /// Runs the body of an async JavaScript function in the page, and returns what it resolves
    /// to. Rejections are errors. The arguments are in `args`.
    pub async fn run(&self, body: &str, args: Vec<Value>) -> Result<Value> {
        let script = format!("return (async (...args) => {{\n{body}\n}})(...arguments);");
        let parameters = json!({ "script": script, "args": args });
        let result = self.command("WebDriver:ExecuteScript", parameters).await?;
        Ok(result["value"].clone())
    }

    /// Believes whom this authority vouches for, with its certificate in base64. Pages whose certificate nobody vouches for
    /// are let through in any case, relays are not.
    pub async fn believe(&self, certificate: &str) -> Result<()> {
        // In Firefox itself, and not in a page.
        let context = async |value: &str| {
            let parameters = json!({ "value": value });
            self.command("Marionette:SetContext", parameters).await
        };
        context("chrome").await?;
        let script = "Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB)
            .addCertFromBase64(arguments[0], 'C,,');";
        let parameters = json!({ "script": script, "args": [certificate] });
        self.command("WebDriver:ExecuteScript", parameters).await?;
        context("content").await.map(drop)
    }

    /// Presses and releases a key, wherever the focus is. Special keys have WebDriver's codes.
    pub async fn press(&self, key: char) -> Result<()> {
        let keys = ["keyDown", "keyUp"].map(|how| json!({ "type": how, "value": key }));
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": keys });
        let actions = json!({ "actions": [keyboard] });
        self.command("WebDriver:PerformActions", actions)
            .await
            .map(drop)
    }

    /// Waits for an element to be there, visible and enabled, and clicks it.
    pub async fn click(&self, css: &str) -> Result<()> {
        // What another lies over cannot be clicked yet, either.
        let clicked = async || Ok(self.try_to_click(css).await.is_ok_and(|clicked| clicked));
        let what = format!("a click on {css}");
        let done = |clicked: &bool| *clicked;
        wait::until(&what, wait::PATIENCE, clicked, done)
            .await
            .map(drop)
    }

    async fn try_to_click(&self, css: &str) -> Result<bool> {
        let element = json!({ "id": self.find(css).await? });
        for ready in ["IsElementDisplayed", "IsElementEnabled"] {
            let command = format!("WebDriver:{ready}");
            if self.command(&command, element.clone()).await?["value"] != true {
                return Ok(false);
            }
        }
        self.command("WebDriver:ElementClick", element).await?;
        Ok(true)
    }

    /// Types into an element: into one for files, a path.
    pub async fn type_into(&self, css: &str, text: &str) -> Result<()> {
        let keys = json!({ "id": self.find(css).await?, "text": text });
        self.command("WebDriver:ElementSendKeys", keys)
            .await
            .map(drop)
    }

    /// What WebDriver calls an element.
    async fn find(&self, css: &str) -> Result<Value> {
        let by = json!({ "using": "css selector", "value": css });
        let found = self.command("WebDriver:FindElement", by).await?;
        // WebDriver §12.2.
        Ok(found["value"]["element-6066-11e4-a52e-4f735466cecf"].clone())
    }

    /// Keeps a picture of the page as an artefact: all of it, whatever the window shows.
    pub async fn screenshot(&self, name: &str) -> Result<()> {
        let all = json!({ "full": true, "hash": false });
        let picture = self.command("WebDriver:TakeScreenshot", all).await?;
        let png = BASE64_STANDARD.decode(picture["value"].as_str().context("a picture")?)?;
        let number = self.shots.fetch_add(1, Ordering::Relaxed) + 1;
        let file = format!("firefox-{number:02}-{name}.png");
        Ok(std::fs::write(self.dir.join(file), png)?)
    }

    /// Sets the size of the window, as far as it can be so small.
    pub async fn resize(&self, width: u32, height: u32) -> Result<()> {
        let size = json!({ "width": width, "height": height });
        self.command("WebDriver:SetWindowRect", size)
            .await
            .map(drop)
    }

    /// Where what pages give to be saved goes.
    #[must_use]
    pub fn downloads(&self) -> PathBuf {
        self.profile.join("Downloads")
    }

    /// Ends Firefox, and forgets its profile.
    pub async fn close(mut self) -> Result<()> {
        let how = json!({ "flags": ["eForceQuit"] });
        self.command("Marionette:Quit", how).await?;
        self.process.ended(END).await?;
        Ok(std::fs::remove_dir_all(&self.profile)?)
    }

    async fn command(&self, name: &str, parameters: Value) -> Result<Value> {
        self.marionette.lock().await.command(name, parameters).await
    }
}

/// Runs `play` in a Firefox that has `lab` loaded into a page of a fresh server, in a network of
/// their own.
pub fn firefox_lab(
    name: &str,
    play: impl AsyncFnOnce(&Firefox) -> Result<()> + Send,
) -> Result<()> {
    apart(name, &[], async |dir, server| {
        in_lab(Firefox::start(dir).await?, server, play).await
    })
}

/// The same in a Firefox that plays no sound until somebody does something.
pub fn silent_firefox_lab(
    name: &str,
    play: impl AsyncFnOnce(&Firefox) -> Result<()> + Send,
) -> Result<()> {
    apart(name, &[], async |dir, server| {
        in_lab(Firefox::start_silent(dir).await?, server, play).await
    })
}

async fn in_lab(
    firefox: Firefox,
    server: &Server,
    play: impl AsyncFnOnce(&Firefox) -> Result<()>,
) -> Result<()> {
    firefox.open_lab(&server.url("/healthz")).await?;
    let played = play(&firefox).await;
    played.and(firefox.close().await)
}

/// Runs `play` in a Firefox and a Chromium, on a fresh server with these flags, in a network of their own.
pub fn firefox_and_chromium(
    name: &str,
    flags: &[&str],
    options: &BrowserOptions,
    play: impl AsyncFnOnce(&Firefox, &Browser, &Server) -> Result<()> + Send,
) -> Result<()> {
    apart(name, flags, async |dir, server| {
        let firefox = Firefox::start(dir).await?;
        let chromium = Browser::start(dir, options).await?;
        let played = play(&firefox, &chromium, server).await;
        let closed = chromium.close().await.and(firefox.close().await);
        played.and(closed)
    })
}

/// Runs `play` in two Firefoxes, whose microphones hear these tones, and two Chromiums, on a fresh server with these
/// flags, in a network of their own.
pub fn firefoxes_and_chromiums(
    name: &str,
    flags: &[&str],
    options: &BrowserOptions,
    tones: [u32; 2],
    play: impl AsyncFnOnce([&Firefox; 2], [&Browser; 2], &Server) -> Result<()> + Send,
) -> Result<()> {
    apart(name, flags, async |dir, server| {
        let (mut firefoxes, mut chromiums) = (Vec::new(), Vec::new());
        for hertz in tones {
            let dir = dir.join(hertz.to_string());
            std::fs::create_dir(&dir)?;
            firefoxes.push(Firefox::start_with_tone(&dir, hertz).await?);
            chromiums.push(Browser::start(&dir, options).await?);
        }
        let two_firefoxes = [&firefoxes[0], &firefoxes[1]];
        let two_chromiums = [&chromiums[0], &chromiums[1]];
        let mut outcome = play(two_firefoxes, two_chromiums, server).await;
        for chromium in chromiums {
            outcome = outcome.and(chromium.close().await);
        }
        for firefox in firefoxes {
            outcome = outcome.and(firefox.close().await);
        }
        outcome
    })
}

/// Runs `play` in a Firefox that moves between networks, from each of which it reaches a fresh server.
pub fn firefox_on_the_move(
    name: &str,
    play: impl AsyncFnOnce(&Firefox, &Server, &Roaming) -> Result<()> + Send,
) -> Result<()> {
    network::roaming(async |networks| {
        in_turn(name, async |dir| {
            let server = Server::start_beyond(networks, dir, &[]).await?;
            let firefox = Firefox::start(dir).await?;
            let played = play(&firefox, &server, networks).await;
            played.and(firefox.close().await)
        })
        .await
    })
}

/// Runs `play` on a fresh server with these flags, in a network of their own, in its turn.
fn apart(
    name: &str,
    flags: &[&str],
    play: impl AsyncFnOnce(&Path, &Server) -> Result<()> + Send,
) -> Result<()> {
    network::apart(async || {
        in_turn(name, async |dir| {
            let server = Server::start(dir, flags).await?;
            play(dir, &server).await
        })
        .await
    })
}

/// Waits until nobody else's browsers run here, and runs `play` with a directory for its artefacts.
async fn in_turn(name: &str, play: impl AsyncFnOnce(&Path) -> Result<()>) -> Result<()> {
    let _turn = ONE_AT_A_TIME.acquire().await?;
    let _machine = machine::shared().await?;
    let dir = artefacts::fresh(name)?;
    let played = play(&dir).await;
    played.with_context(|| format!("see {}", dir.display()))
}

fn preferences(hertz: u32) -> String {
    let tone = ("media.navigator.audio.fake_frequency", &*hertz.to_string());
    written(PREFERENCES.into_iter().chain([tone]))
}

fn written<'p>(preferences: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let preferences = preferences.into_iter();
    preferences.fold(String::new(), |mut text, (name, value)| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "user_pref(\"{name}\", {value});");
        text
    })
}

/// Waits for the port that Firefox writes down when it listens.
async fn port(profile: &Path) -> Result<u16> {
    let file = profile.join("MarionetteActivePort");
    let written = async || Ok(std::fs::read_to_string(&file).unwrap_or_default());
    let is_port = |text: &String| text.trim().parse::<u16>().is_ok();
    let port = wait::until("Firefox to listen", wait::PATIENCE, written, is_port).await?;
    Ok(port.trim().parse()?)
}

//! What happens to a call, as the page itself sees it: when each picture came back, and each event
//! of its connections. Knows nothing of what befalls the call.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use serde_json::json;

use crate::Browser;

/// Notes what happens to the page and its connections, in milliseconds of the wall clock. What it
/// wraps stays what it was for the page.
const WITNESS: &str = r"
    window.witness = { notes: [], frames: [], connections: 0, sockets: 0 };
    const note = (what) => witness.notes.push([Date.now(), what]);
    for (const kind of ['online', 'offline']) addEventListener(kind, () => note(kind));
    const kind = (message) => {
        const { type, state } = JSON.parse(message);
        return state ? `${type} ${state}` : type;
    };
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...configuration) {
            super(...configuration);
            note(`connection ${++witness.connections}`);
            for (const kind of ['connectionState', 'signalingState'])
                this.addEventListener(kind.toLowerCase() + 'change', () => note(`${kind} ${this[kind]}`));
            this.addEventListener('icecandidate', ({ candidate }) => note(`candidate ${candidate?.candidate}`));
        }
        restartIce() {
            note('restart');
            super.restartIce();
        }
        async setRemoteDescription(description) {
            await super.setRemoteDescription(description);
            const ice = this.sctp?.transport.iceTransport;
            if (!ice || ice.witnessed) return;
            ice.witnessed = true;
            ice.addEventListener('selectedcandidatepairchange', () => {
                const { local } = ice.getSelectedCandidatePair() ?? {};
                note(`pair from ${local?.protocol} ${local?.address}`);
            });
        }
    };
    window.WebSocket = class extends WebSocket {
        constructor(...parameters) {
            super(...parameters);
            note(`WebSocket ${++witness.sockets}`);
            for (const kind of ['open', 'close'])
                this.addEventListener(kind, ({ code }) => note(`WebSocket ${kind} ${code ?? ''}`));
            this.addEventListener('message', ({ data }) => note(`heard ${kind(data)}`));
        }
        send(data) {
            note(`sent ${kind(data)}`);
            super.send(data);
        }
    };
    witness.watch = (video) => {
        const frame = () => {
            witness.frames.push(Date.now());
            video.requestVideoFrameCallback(frame);
        };
        video.requestVideoFrameCallback(frame);
    };";

/// Milliseconds of the wall clock, which the page's is, too.
#[must_use]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_millis() as u64)
}

/// The eyewitness in the browser's page.
#[derive(Clone, Copy, Debug)]
pub struct Witness<'a>(&'a Browser);

impl<'a> Witness<'a> {
    /// The one that is in the browser's page already.
    #[must_use]
    pub fn of(browser: &'a Browser) -> Self {
        Self(browser)
    }

    /// Has every page that is opened from now on watched.
    pub async fn invite(browser: &'a Browser) -> Result<Self> {
        let source = json!({ "source": WITNESS });
        let command = "Page.addScriptToEvaluateOnNewDocument";
        browser.devtools(command, source).await?;
        Ok(Self(browser))
    }

    /// Watches the pictures that come back, and waits until they do.
    pub async fn watch(&self) -> Result<()> {
        let watch = "witness.watch(document.querySelector('#remote-video'));";
        self.0.run(watch, vec![]).await?;
        self.sees_pictures_after(now()).await.map(drop)
    }

    /// Waits until pictures come back again, and says how many milliseconds after `moment` the
    /// first came. One in the first 50 ms may have been on its way.
    pub async fn sees_pictures_after(&self, moment: u64) -> Result<u64> {
        let seen = format!("witness.frames.filter((at) => at > {moment} + 50)");
        let many = |seen: &serde_json::Value| seen.as_array().is_some_and(|seen| seen.len() > 10);
        let seen = match self.0.until("pictures", &seen, many).await {
            Ok(seen) => seen,
            Err(error) => return Err(error.context(self.tells(moment).await?)),
        };
        let first = seen[0].as_u64().context("a moment")?;
        Ok(first - moment)
    }

    /// The longest time between two pictures after `moment`, in milliseconds.
    pub async fn longest_gap_after(&self, moment: u64) -> Result<u64> {
        let gaps = format!(
            "const seen = witness.frames.filter((at) => at > {moment});
             return Math.max(...seen.slice(1).map((at, n) => at - seen[n]));"
        );
        let gap = self.0.run(&gaps, vec![]).await?;
        gap.as_u64().context("a gap")
    }

    /// How many peer connections the page has made.
    pub async fn connections(&self) -> Result<u64> {
        self.count("connections").await
    }

    /// How many WebSockets the page has made.
    pub async fn sockets(&self) -> Result<u64> {
        self.count("sockets").await
    }

    async fn count(&self, what: &str) -> Result<u64> {
        let count = self
            .0
            .run(&format!("return witness.{what};"), vec![])
            .await?;
        count.as_u64().context("a number")
    }

    /// Waits until the page has made this many peer connections.
    pub async fn sees_connections(&self, number: u64) -> Result<()> {
        let enough = |seen: &serde_json::Value| seen.as_u64() >= Some(number);
        let what = format!("peer connection {number}");
        self.0.until(&what, "witness.connections", enough).await?;
        Ok(())
    }

    /// Waits until the page has made this many WebSockets.
    pub async fn sees_sockets(&self, number: u64) -> Result<()> {
        let enough = |seen: &serde_json::Value| seen.as_u64() >= Some(number);
        let what = format!("WebSocket {number}");
        self.0.until(&what, "witness.sockets", enough).await?;
        Ok(())
    }

    /// Everything noted, in milliseconds from `moment`.
    pub async fn tells(&self, moment: u64) -> Result<String> {
        let notes = self.0.run("return witness.notes;", vec![]).await?;
        let notes = notes.as_array().context("notes")?.iter();
        let line = |note: &serde_json::Value| {
            let after = note[0].as_f64().unwrap_or_default() - moment as f64;
            format!("{after:7} {}\n", note[1].as_str().unwrap_or_default())
        };
        Ok(notes.map(line).collect())
    }
}

//! A room's page as its user meets it: the handles that `www/room.html` lists, and what they should come
//! to. Knows nothing of what is behind them.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::app::App;
use crate::browser::{Browser, BrowserOptions};

/// The page of a room in the browser's current window.
#[derive(Clone, Copy, Debug)]
pub struct RoomPage<'a>(pub &'a Browser);

impl RoomPage<'_> {
    /// Run before one enters, it names the page's peer connection `connection`.
    pub const NAMES_CONNECTION: &'static str = "
        const add = RTCPeerConnection.prototype.addTransceiver;
        RTCPeerConnection.prototype.addTransceiver = function (...given) {
            window.connection = this;
            return add.apply(this, given);
        };";

    /// The next line of the chat is refused by the server: it is longer than any may be once it is on its way.
    pub const STRETCHES_A_LINE: &'static str = "
        const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (text) {
            const message = JSON.parse(text);
            if (message.type === 'say') {
                WebSocket.prototype.send = send;
                message.text = message.text.repeat(5000);
            }
            return send.call(this, JSON.stringify(message));
        };";

    /// Others with these names come into the room `kitchen`, and neither see nor send anything: a WebSocket each.
    pub const CROWD: &'static str = "
        window.crowd ??= [];
        const come = (name) => new Promise((done) => {
            const socket = new WebSocket(new URL('/ws', location.href).href.replace(/^http/, 'ws'), 'ferrite.v1');
            crowd.push(socket);
            const send = (message) => socket.send(JSON.stringify(message));
            socket.onopen = () => send({ type: 'hello', version: 1 });
            socket.onmessage = ({ data }) => {
                const { type, id } = JSON.parse(data);
                if (type === 'welcome') send({ type: 'join', room: 'kitchen', name });
                if (type === 'ping') send({ type: 'pong', id });
                if (type === 'joined') done();
            };
        });
        await Promise.all(args[0].map(come));";

    /// A browser for several people, each in a window of their own: those that lie below others are looked
    /// at, too.
    #[must_use]
    pub fn windows() -> BrowserOptions {
        let flags = [
            "--disable-backgrounding-occluded-windows",
            "--disable-renderer-backgrounding",
            "--auto-select-desktop-capture-source=Entire screen",
        ];
        BrowserOptions {
            flags: flags.map(str::to_owned).to_vec(),
            ..BrowserOptions::default()
        }
    }

    /// Enters under a name, as a person would, and waits until media can flow.
    pub async fn enter(&self, name: &str) -> Result<()> {
        // Whoever comes a second time finds the name there, once the page is ready.
        let ready = "!document.querySelector('#enter').disabled";
        self.0
            .until("the page to be ready", ready, |it| it == true)
            .await?;
        let clear = "document.querySelector('#name').value = '';";
        self.0.run(clear, vec![]).await?;
        self.0.type_into("#name", name).await?;
        self.0.click("#enter").await?;
        App(self.0).phase("connected").await
    }

    /// The tile of the one camera of this name.
    #[must_use]
    pub fn tile(name: &str) -> String {
        format!(
            "[...document.querySelectorAll('#grid [data-source=camera]')].find((tile) =>
                tile.querySelector('.name').textContent.replace(' (you)', '') === {name:?})"
        )
    }

    /// Waits until an expression of a tile (`tile`) is as wanted.
    pub async fn tile_is(
        &self,
        name: &str,
        expression: &str,
        wanted: impl Into<Value>,
    ) -> Result<()> {
        let wanted = wanted.into();
        let tile = Self::tile(name);
        let expression = format!("((tile) => tile ? ({expression}) : null)({tile})");
        let what = format!("{expression} to be {wanted}");
        self.0
            .until(&what, &expression, |seen| *seen == wanted)
            .await?;
        Ok(())
    }

    /// Waits until these have tiles, and nobody else.
    pub async fn shows(&self, names: &[&str]) -> Result<()> {
        let seen = "[...document.querySelectorAll('#grid [data-source=camera] .name')]
            .map((name) => name.textContent.replace(' (you)', '')).sort().join()";
        let mut wanted = names.to_vec();
        wanted.sort_unstable();
        let wanted = wanted.join(",");
        let what = format!("tiles of {wanted}");
        self.0.until(&what, seen, |seen| *seen == wanted).await?;
        Ok(())
    }

    /// Waits until somebody's tile has shown this many more frames.
    pub async fn plays(&self, name: &str, frames: u64) -> Result<()> {
        let video = format!("{}?.querySelector('video')", Self::tile(name));
        self.frames(&format!("the tile of {name}"), &video, frames)
            .await
    }

    /// Waits until somebody's screen has shown this many more frames.
    pub async fn plays_a_screen(&self, frames: u64) -> Result<()> {
        let video = "document.querySelector('#grid [data-source=screen] video')";
        self.frames("a screen", video, frames).await
    }

    async fn frames(&self, what: &str, video: &str, frames: u64) -> Result<()> {
        let shown = format!("({video})?.getVideoPlaybackQuality().totalVideoFrames ?? 0");
        let before = self.0.run(&format!("return {shown};"), vec![]).await?;
        let goal = before.as_u64().context("a number of frames")? + frames;
        let what = format!("{frames} frames in {what}");
        // A picture that comes on another slot counts from nothing.
        self.0
            .until(&what, &shown, |now| {
                let now = now.as_u64().unwrap_or_default();
                now >= goal || (now < goal.saturating_sub(frames) && now >= frames)
            })
            .await?;
        Ok(())
    }

    /// Waits until sound of others is played, or none is.
    pub async fn hears(&self, sound: bool) -> Result<()> {
        self.0.run(LISTEN, vec![]).await?;
        let what = if sound {
            "to hear somebody"
        } else {
            "to hear nobody"
        };
        let loudness = "window.loudness()";
        self.0
            .until(what, loudness, |level| {
                level.as_f64().is_some_and(|it| (it > 0.001) == sound)
            })
            .await?;
        Ok(())
    }

    /// Waits until the conversation ends with these lines.
    pub async fn reads(&self, lines: &[&str]) -> Result<()> {
        let read = "[...document.querySelectorAll('#chat-log li')]
            .map((line) => line.textContent.trim()).join('\\n')";
        let wanted = lines.join("\n");
        self.0
            .until(&format!("to read {wanted:?}"), read, |seen| *seen == wanted)
            .await?;
        Ok(())
    }

    /// Says a line.
    pub async fn say(&self, text: &str) -> Result<()> {
        let can = "!document.querySelector('#chat-input').disabled";
        self.0
            .until("to be able to say something", can, |can| *can == true)
            .await?;
        self.0.type_into("#chat-input", &format!("{text}\n")).await
    }
}

/// How loud the loudest of a second was, over all that is played.
const LISTEN: &str = "
    if (window.loudness) return;
    const context = new AudioContext();
    const ears = new Map();
    const listen = () => {
        for (const { srcObject } of document.querySelectorAll('#sinks audio')) {
            if (!srcObject || ears.has(srcObject)) continue;
            const ear = context.createAnalyser();
            context.createMediaStreamSource(srcObject).connect(ear);
            ears.set(srcObject, ear);
        }
        const samples = new Float32Array(2048);
        let loudest = 0;
        for (const ear of ears.values()) {
            ear.getFloatTimeDomainData(samples);
            loudest = Math.max(loudest, ...samples.map(Math.abs));
        }
        return loudest;
    };
    const last = [];
    setInterval(() => { last.push(listen()); if (last.length > 20) last.shift(); }, 50);
    window.loudness = () => last.length < 20 ? null : Math.max(...last);";

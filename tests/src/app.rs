//! The echo's page as its user meets it: the handles that `www/echo.html` lists, and what they
//! should come to. Knows nothing of what is behind them.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::Browser;
use crate::wait;

/// The page in the browser's current tab.
#[derive(Clone, Copy, Debug)]
pub struct App<'a>(pub &'a Browser);

impl App<'_> {
    /// Waits until `#state` says this of the call.
    pub async fn phase(&self, phase: &str) -> Result<()> {
        let expression = "document.querySelector('#state').dataset.phase";
        let reached = |seen: &Value| seen == phase;
        self.0
            .until(&format!("the phase {phase}"), expression, reached)
            .await?;
        Ok(())
    }

    /// Starts a call as a person would, and waits until it is up.
    pub async fn call(&self) -> Result<()> {
        self.0.click("#start").await?;
        self.phase("connected").await
    }

    /// Waits until a video element has shown this many more frames.
    pub async fn plays(&self, css: &str, frames: u64) -> Result<()> {
        let shown = format!(
            "document.querySelector('{css}')?.getVideoPlaybackQuality().totalVideoFrames ?? 0"
        );
        let before = self.0.run(&format!("return {shown};"), vec![]).await?;
        let goal = before.as_u64().context("a number of frames")? + frames;
        let what = format!("{frames} frames in {css}");
        self.0
            .until(&what, &shown, |now| now.as_u64() >= Some(goal))
            .await?;
        Ok(())
    }

    /// Sends a line of text, waits until it is back, and returns its round-trip time in
    /// milliseconds as the page has it.
    pub async fn say(&self, text: &str) -> Result<f64> {
        self.0
            .type_into("#chat-input", &format!("{text}\n"))
            .await?;
        let back = format!(
            "[...document.querySelectorAll('#chat-log li[data-state=returned]')]
                .find((line) => line.textContent.includes({text:?}))?.dataset.rtt ?? null"
        );
        let what = format!("{text:?} to come back");
        let rtt = self.0.until(&what, &back, |rtt| !rtt.is_null()).await?;
        Ok(rtt.as_str().context("a round-trip time")?.parse()?)
    }

    /// Waits until an element is visible, or is not.
    pub async fn shows(&self, css: &str, visible: bool) -> Result<()> {
        let expression = format!("document.querySelector('{css}')?.checkVisibility() ?? false");
        let what = format!("{css} to be {}", if visible { "there" } else { "gone" });
        self.0
            .until(&what, &expression, |seen| seen == visible)
            .await?;
        Ok(())
    }

    /// Waits until an element's text is what `done` likes, and returns it.
    pub async fn text(&self, css: &str, done: impl Fn(&str) -> bool) -> Result<String> {
        let read = format!("return document.querySelector({css:?})?.textContent.trim() ?? '';");
        let probe = async || {
            let text = self.0.run(&read, vec![]).await?;
            Ok(text.as_str().unwrap_or_default().to_owned())
        };
        wait::until(
            &format!("the text of {css}"),
            wait::PATIENCE,
            probe,
            |text| done(text),
        )
        .await
    }

    /// Waits until one of the numbers in `#stats` is known, and returns it.
    pub async fn stat(&self, name: &str) -> Result<String> {
        let cell = format!("#stats [data-stat={name}]");
        self.text(&cell, |text| !text.is_empty() && text != "–")
            .await
    }
}

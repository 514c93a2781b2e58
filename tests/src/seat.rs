//! A browser that somebody sits at, whichever it is: what both drivers can do. Knows nothing of the page.

use anyhow::Result;
use serde_json::Value;

use crate::browser::Browser;
use crate::firefox::Firefox;
use crate::scene::LAB;
use crate::wait;

/// Chromium or Firefox.
#[derive(Clone, Copy, Debug)]
pub enum Seat<'a> {
    /// Chromium, in its current tab.
    Chromium(&'a Browser),
    /// Firefox.
    Firefox(&'a Firefox),
}

impl Seat<'_> {
    /// Opens `url`.
    pub async fn open(self, url: &str) -> Result<()> {
        match self {
            Self::Chromium(chromium) => chromium.open(url).await,
            Self::Firefox(firefox) => firefox.open(url).await,
        }
    }

    /// Opens `url`, and loads `lab` into its page.
    pub async fn open_lab(self, url: &str) -> Result<()> {
        self.open(url).await?;
        self.run(LAB, vec![]).await.map(drop)
    }

    /// Runs the body of an async JavaScript function in the page, and returns what it resolves to.
    pub async fn run(self, body: &str, args: Vec<Value>) -> Result<Value> {
        match self {
            Self::Chromium(chromium) => chromium.run(body, args).await,
            Self::Firefox(firefox) => firefox.run(body, args).await,
        }
    }

    /// Waits for an element to be there, visible and enabled, and clicks it.
    pub async fn click(self, css: &str) -> Result<()> {
        match self {
            Self::Chromium(chromium) => chromium.click(css).await,
            Self::Firefox(firefox) => firefox.click(css).await,
        }
    }

    /// Types into an element: into one for files, a path.
    pub async fn type_into(self, css: &str, text: &str) -> Result<()> {
        match self {
            Self::Chromium(chromium) => chromium.type_into(css, text).await,
            Self::Firefox(firefox) => firefox.type_into(css, text).await,
        }
    }

    /// Presses and releases a key, wherever the focus is. Special keys have WebDriver's codes.
    pub async fn press(self, key: char) -> Result<()> {
        match self {
            Self::Chromium(chromium) => chromium.press(key).await,
            Self::Firefox(firefox) => firefox.press(key).await,
        }
    }

    /// Waits until an expression of the page's is what `done` likes, and returns it.
    pub async fn until(
        self,
        what: &str,
        expression: &str,
        done: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let body = format!("return {expression};");
        let probe = async || self.run(&body, vec![]).await;
        wait::until(what, wait::PATIENCE, probe, done).await
    }

    /// Waits until an expression of the page's is true.
    pub async fn holds(self, what: &str, expression: &str) -> Result<()> {
        let is_true = |seen: &Value| *seen == true;
        self.until(what, expression, is_true).await.map(drop)
    }

    /// Keeps a picture of the page as an artefact: all of it, whatever the window shows.
    pub async fn screenshot(self, name: &str) -> Result<()> {
        match self {
            Self::Chromium(chromium) => chromium.screenshot(name).await,
            Self::Firefox(firefox) => firefox.screenshot(name).await,
        }
    }
}

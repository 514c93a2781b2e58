//! What README.md says, for the tests that hold it to its word.

use anyhow::{Context, Result};

use crate::artefacts;

/// The text of README.md.
pub fn text() -> Result<String> {
    let path = artefacts::repository().join("README.md");
    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// The only code block in JavaScript: the tutorial's client.
pub fn tutorial() -> Result<String> {
    let text = text()?;
    let (_, rest) = text.split_once("\n```js\n").context("no JavaScript")?;
    let (code, rest) = rest.split_once("\n```\n").context("an open code block")?;
    anyhow::ensure!(!rest.contains("\n```js\n"), "two blocks of JavaScript");
    Ok(code.to_owned())
}

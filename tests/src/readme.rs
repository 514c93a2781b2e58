//! What README.md and the other documents say, for the tests that hold them to their word.

use anyhow::{Context, Result};

use crate::artefacts;

/// The text of README.md.
pub fn text() -> Result<String> {
    document("README.md")
}

/// The text of a document, by its path in the repository.
pub fn document(path: &str) -> Result<String> {
    let path = artefacts::repository().join(path);
    std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
}

/// The JavaScript in the section with this heading.
pub fn javascript(heading: &str) -> Result<String> {
    let text = text()?;
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with(heading));
    let section = section.with_context(|| format!("no section {heading}"))?;
    let (_, rest) = section.split_once("\n```js\n").context("no JavaScript")?;
    let (code, _) = rest.split_once("\n```\n").context("an open code block")?;
    Ok(code.to_owned())
}

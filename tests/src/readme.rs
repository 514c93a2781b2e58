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
    listing("README.md", heading, "js")
}

/// The first listing in a language, in the section with this heading.
pub fn listing(path: &str, heading: &str, language: &str) -> Result<String> {
    let text = document(path)?;
    let section = text
        .split("\n#")
        .find(|section| section.trim_start_matches(['#', ' ']).starts_with(heading));
    let section = section.with_context(|| format!("no section {heading} in {path}"))?;
    let (_, rest) = section
        .split_once(&format!("\n```{language}\n"))
        .with_context(|| format!("no {language} in {heading}"))?;
    let (code, _) = rest.split_once("\n```\n").context("an open code block")?;
    Ok(code.to_owned())
}

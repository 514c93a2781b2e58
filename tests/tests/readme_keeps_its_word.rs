//! What README.md and the documents it links to say about flags, packages and files is so.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use ferrite_tests::{artefacts, readme, server};

const CONFIGURATION: &str = "server/docs/configuration.md";

/// Every document that is no source code's.
const DOCUMENTS: [&str; 16] = [
    "README.md",
    "CONTRIBUTING.md",
    CONFIGURATION,
    "server/docs/check.md",
    "server/docs/diagnosis.md",
    "server/docs/networks.md",
    "server/docs/limits.md",
    "server/docs/performance.md",
    "server/docs/reverse-proxy.md",
    "server/docs/tokens.md",
    "server/docs/traces.md",
    "server/docs/turn-api.md",
    "server/docs/design.md",
    "shared/PROTOCOL.md",
    "client-wasm/README.md",
    "client-wasm/README.npm.md",
];

/// A flag of `ferrite --help`, and what it says about it.
struct Flag {
    name: String,
    variable: String,
    default: Option<String>,
}

#[tokio::test]
async fn the_table_of_flags_is_the_one_of_help() -> Result<()> {
    let output = server::run_to_end(&["--help"]).await?;
    ensure!(
        output.status.success(),
        "--help ended with {}",
        output.status
    );
    let flags = flags(&String::from_utf8(output.stdout)?)?;
    let rows = rows()?;
    for flag in &flags {
        let start = format!("| `{}` | `{}` | ", flag.name, flag.variable);
        let row = rows.iter().find(|row| row.starts_with(&start));
        let row = row.with_context(|| format!("{CONFIGURATION} has no row {start}"))?;
        let said = row
            .split('`')
            .nth(5)
            .filter(|_| !row[start.len()..].starts_with('|'));
        ensure!(
            said == flag.default.as_deref(),
            "--help says another default than {row}"
        );
    }
    ensure!(
        rows.len() == flags.len(),
        "{CONFIGURATION} has rows that --help has not"
    );
    Ok(())
}

/// Cuts the long help into flags: each begins with its name, and ends with its variable.
fn flags(help: &str) -> Result<Vec<Flag>> {
    let pieces: Vec<_> = help.split("\n      --").skip(1).collect();
    ensure!(!pieces.is_empty(), "no flags in {help}");
    pieces.into_iter().map(flag).collect()
}

fn flag(piece: &str) -> Result<Flag> {
    let name = piece.split_whitespace().next().context("a name")?;
    let variable =
        between(piece, "[env: ", "]").with_context(|| format!("no variable: {piece}"))?;
    Ok(Flag {
        name: format!("--{name}"),
        // What follows an equals sign is the variable's value here and now.
        variable: variable.split('=').next().unwrap_or_default().to_owned(),
        default: between(piece, "[default: ", "]").map(str::to_owned),
    })
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

/// The rows of the table of flags.
fn rows() -> Result<Vec<String>> {
    let text = readme::document(CONFIGURATION)?;
    let rows = text.lines().filter(|line| line.starts_with("| `--"));
    Ok(rows.map(str::to_owned).collect())
}

#[test]
fn every_file_they_point_to_is_there() -> Result<()> {
    for document in DOCUMENTS {
        let text = readme::document(document)?;
        let at = artefacts::repository().join(document);
        let directory = at.parent().context("a directory")?;
        for link in links(&text) {
            ensure!(
                directory.join(link).exists(),
                "{document} points to {link}, which is not there"
            );
        }
    }
    ensure!(links(&readme::text()?).len() > 5, "README.md has few links");
    Ok(())
}

/// The files that a document points to, without the place inside them.
fn links(text: &str) -> Vec<&str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0))
        .filter(|link| !link.contains("://") && !link.starts_with('#'))
        .map(|link| link.split('#').next().unwrap_or_default())
        .collect()
}

/// `cargo doc` shows sources beside what it says of them, and checks no link to one.
#[test]
fn every_source_that_the_documentation_leads_to_is_there() -> Result<()> {
    let sources = artefacts::repository().join("server/src");
    let first = std::fs::read_to_string(sources.join("lib.rs"))?;
    let mut steps = 0;
    for link in links(&first) {
        let Some(source) = link.strip_prefix("../src/ferrite_server/") else {
            continue;
        };
        let source = source.strip_suffix(".html").context("a page of a source")?;
        ensure!(sources.join(source).is_file(), "there is no {source}");
        steps += 1;
    }
    ensure!(steps == 6, "a packet's way has {steps} steps");
    Ok(())
}

#[test]
fn every_document_is_held_to_its_word() -> Result<()> {
    for directory in [".", "server/docs", "shared", "client-wasm"] {
        for entry in std::fs::read_dir(artefacts::repository().join(directory))? {
            let name = entry?.file_name();
            let path = Path::new(directory).join(&name);
            let path = path.strip_prefix(".").unwrap_or(&path);
            let known = DOCUMENTS.iter().any(|document| Path::new(document) == path);
            ensure!(
                known || path.extension().is_none_or(|kind| kind != "md"),
                "{} is not among the documents of this test",
                path.display()
            );
        }
    }
    Ok(())
}

#[test]
fn every_member_of_the_workspace_is_on_the_map() -> Result<()> {
    let text = readme::text()?;
    let manifest = std::fs::read_to_string(artefacts::repository().join("Cargo.toml"))?;
    let members = between(&manifest, "members = [", "]").context("members")?;
    for member in members
        .split(',')
        .map(|member| member.trim().trim_matches('"'))
    {
        ensure!(
            text.contains(&format!("| [`{member}`]")),
            "{member} is not on the map"
        );
    }
    Ok(())
}

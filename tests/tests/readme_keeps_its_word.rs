//! What README.md says about flags, packages and files is so.

use anyhow::{Context, Result, ensure};
use ferrite_tests::{artefacts, readme, server};

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
        let row = row.with_context(|| format!("README.md has no row {start}"))?;
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
        "README.md has rows that --help has not"
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
    let text = readme::text()?;
    let rows = text.lines().filter(|line| line.starts_with("| `--"));
    Ok(rows.map(str::to_owned).collect())
}

#[test]
fn every_file_it_points_to_is_there() -> Result<()> {
    let text = readme::text()?;
    let links: Vec<_> = text
        .split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0))
        .filter(|link| !link.contains("://"))
        .collect();
    ensure!(links.len() > 5, "README.md points to {links:?} only");
    for link in links {
        let path = artefacts::repository().join(link);
        ensure!(
            path.exists(),
            "README.md points to {link}, which is not there"
        );
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

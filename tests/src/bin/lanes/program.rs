//! A test program: where cargo built it, and what its source says of what it needs. Runs nothing.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// Where a program runs, by what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// It opens browsers, and two that encode video at once starve each other on two cores.
    Browsers,
    /// It opens none.
    Others,
    /// It measures, or its verdict hangs on the clock.
    Alone,
}

/// A program of tests.
#[derive(Debug)]
pub(crate) struct Program {
    /// Its package and its target, as in `server/virtual_time`.
    pub(crate) name: String,
    pub(crate) executable: PathBuf,
    /// That of its package, which `cargo test` runs it in.
    pub(crate) directory: PathBuf,
    pub(crate) lane: Lane,
    /// Bytes of its source. What is longer takes longer, as a rule.
    pub(crate) length: usize,
}

/// The test programs of which cargo speaks in its messages.
pub(crate) fn all(messages: &str) -> Result<Vec<Program>> {
    let messages = messages.lines().filter(|line| line.starts_with('{'));
    let messages = messages.map(serde_json::from_str::<Value>);
    let mut programs = Vec::new();
    for message in messages {
        let message = message?;
        let is_test = message["profile"]["test"] == true;
        if let Some(executable) = message["executable"].as_str().filter(|_| is_test) {
            programs.push(program(&message, executable)?);
        }
    }
    Ok(programs)
}

fn program(message: &Value, executable: &str) -> Result<Program> {
    let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
    let manifest = PathBuf::from(text(&message["manifest_path"])?);
    let directory = manifest.parent().context("a directory")?;
    let package = directory.file_name().context("a package")?;
    let target = &message["target"];
    let source = PathBuf::from(text(&target["src_path"])?);
    let source = match target["kind"][0] == "test" {
        true => read(&source)?,
        // Its tests stand beside what they test, and open no browsers.
        false => String::new(),
    };
    Ok(Program {
        name: format!("{}/{}", package.display(), text(&target["name"])?),
        executable: executable.into(),
        directory: directory.to_owned(),
        lane: lane(&source),
        length: source.len(),
    })
}

fn read(source: &Path) -> Result<String> {
    fs::read_to_string(source).with_context(|| source.display().to_string())
}

/// What stands in the source of a program that runs alone: that it measures, or in its first paragraph why its verdict
/// hangs on the clock.
const ALONE: [&str; 2] = ["machine::alone()", "//! Alone: "];

/// What stands in the source of one that opens browsers: a scene, also over a row of the laboratory's, or a test of
/// Firefox by its name.
const BROWSERS: [&str; 6] = [
    "scene(",
    "scene_with(",
    "scene_on(",
    "scene_over(",
    "lab::run(",
    "fn firefox_",
];

fn lane(source: &str) -> Lane {
    let has_any = |words: &[&str]| words.iter().any(|it| source.contains(it));
    if has_any(&ALONE) {
        Lane::Alone
    } else if has_any(&BROWSERS) {
        Lane::Browsers
    } else {
        Lane::Others
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cargo_built_to_be_tested_is_a_program_and_nothing_else() {
        let artifact = |kind, is_test, executable| {
            json!({
                "reason": "compiler-artifact",
                "manifest_path": "/house/server/Cargo.toml",
                "target": {"kind": [kind], "name": "greets", "src_path": "/house/server/src/lib.rs"},
                "profile": {"test": is_test},
                "executable": executable,
            })
            .to_string()
        };
        let messages = [
            "warning: not for us".to_owned(),
            artifact("lib", false, None),
            artifact("bin", false, Some("/house/target/greets")),
            artifact("lib", true, Some("/house/target/greets-1")),
            json!({"reason": "build-finished", "success": true}).to_string(),
        ];
        let programs = all(&messages.join("\n")).unwrap();
        let [program] = &programs[..] else {
            panic!("{programs:?}");
        };
        assert_eq!(program.name, "server/greets");
        assert_eq!(program.executable, Path::new("/house/target/greets-1"));
        assert_eq!(program.directory, Path::new("/house/server"));
        assert_eq!(program.lane, Lane::Others);
    }

    #[test]
    fn what_a_program_needs_is_in_its_source() {
        let played = "scene(\"chat\", async |scene| Ok(())).await";
        assert_eq!(lane(played), Lane::Browsers);
        assert_eq!(lane("fn firefox_in_vp8() {}"), Lane::Browsers);
        assert_eq!(
            lane("let server = Server::start(&dir, &[]).await?;"),
            Lane::Others
        );
        assert_eq!(lane("let _machine = machine::alone().await?;"), Lane::Alone);
        assert_eq!(
            lane(&format!("//! Pictures.\n//! Alone: p95.\n{played}")),
            Lane::Alone
        );
    }
}

//! No file imports, over however many others, itself; and parts of the server import only what lies
//! below them. Tests do not count.

mod sources;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use ferrite_tests::artefacts;
use syn::{Attribute, Ident, Item, Visibility};

use crate::sources::{Imports, Sources};

/// The parts of the server, from the top: each imports only what comes after it.
const PARTS: [&str; 28] = [
    "check",
    "server",
    "external",
    "http",
    "signalling",
    "room",
    "behaviour",
    "provider",
    "webhook",
    "ledger",
    "turn",
    "asking",
    "media",
    "calling",
    "tls",
    "traces",
    "congestion",
    "config",
    "auth",
    "shares",
    "rate",
    "seldom",
    "random",
    "clock",
    "prefetch",
    "interface",
    "network",
    "origin",
];

/// What cargo begins to compile at.
const ROOTS: [&str; 5] = [
    "server/src/lib.rs",
    "server/src/main.rs",
    "client-wasm/src/lib.rs",
    "shared/src/lib.rs",
    "tests/src/lib.rs",
];

#[test]
fn no_file_imports_itself_over_others() -> Result<()> {
    let mut wrong = Vec::new();
    for root in ROOTS {
        for circle in circles(&Sources::read(root)?.imports()) {
            wrong.push(circle);
        }
    }
    ensure!(wrong.is_empty(), "files that import each other: {wrong:#?}");
    Ok(())
}

#[test]
fn parts_of_the_server_import_what_lies_below() -> Result<()> {
    let rank = |file: &str| {
        let part = file.strip_prefix("server/src/")?.split(['/', '.']).next()?;
        PARTS.iter().position(|known| *known == part)
    };
    let imports = Sources::read("server/src/lib.rs")?.imports();
    let unknown = imports.keys().find(|file| rank(file).is_none());
    ensure!(
        unknown.is_none_or(|file| file == "server/src/lib.rs"),
        "nobody knows where {unknown:?} lies"
    );
    let mut seen = BTreeSet::new();
    for (from, files) in &imports {
        for to in files {
            let (Some(above), Some(below)) = (rank(from), rank(to)) else {
                continue;
            };
            ensure!(above <= below, "{from} imports {to}");
            seen.extend([above, below]);
        }
    }
    ensure!(
        seen.len() == PARTS.len(),
        "parts that nobody knows: {seen:?}"
    );
    Ok(())
}

/// What else is public is so for the server's own tests and benchmarks.
#[test]
fn the_server_documents_what_programs_need() -> Result<()> {
    let lib = std::fs::read_to_string(artefacts::repository().join("server/src/lib.rs"))?;
    let modules = syn::parse_file(&lib)?.items.into_iter();
    let modules = modules.filter_map(|item| match item {
        Item::Mod(module) if matches!(module.vis, Visibility::Public(_)) => Some(module),
        _ => None,
    });
    let is_hidden = |attribute: &Attribute| {
        attribute.path().is_ident("doc")
            && attribute
                .parse_args::<Ident>()
                .is_ok_and(|it| it == "hidden")
    };
    let documented = modules.filter(|module| !module.attrs.iter().any(is_hidden));
    let documented: Vec<_> = documented.map(|module| module.ident.to_string()).collect();
    assert_eq!(documented, ["auth", "config", "origin", "room", "server"]);
    Ok(())
}

/// The sets of files each of which imports, in the end, each other.
fn circles(imports: &Imports) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<_, _> = imports
        .keys()
        .map(|file| (file, reach(imports, file)))
        .collect();
    let mut circles = BTreeSet::new();
    for (file, below) in &reached {
        let back = |other: &&String| reached.get(other).is_some_and(|far| far.contains(*file));
        let circle: BTreeSet<_> = below.iter().filter(back).cloned().collect();
        if !circle.is_empty() {
            circles.insert(circle);
        }
    }
    circles.into_iter().collect()
}

/// Whatever a file imports, and what that imports.
fn reach(imports: &Imports, file: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![file.to_owned()];
    while let Some(file) = open.pop() {
        for next in imports.get(&file).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

#[test]
fn a_circle_is_found_and_a_diamond_is_none() {
    let graph = |edges: &[(&str, &str)]| {
        let mut imports = Imports::new();
        for (from, to) in edges {
            let files = imports.entry((*from).to_owned()).or_default();
            files.insert((*to).to_owned());
        }
        circles(&imports)
    };
    assert!(graph(&[("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]).is_empty());
    let found = graph(&[("a", "b"), ("b", "c"), ("c", "b"), ("c", "d")]);
    assert_eq!(found, [BTreeSet::from(["b".to_owned(), "c".to_owned()])]);
}

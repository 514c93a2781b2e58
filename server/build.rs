//! Builds the browser client and packs it, with `www/`, for the server to embed.
//!
//! It owns how the wasm file, its JavaScript glue and its TypeScript definitions come about, their
//! size limit, and the table `assets.rs` in `OUT_DIR`. It knows nothing of how they are served.
//!
//! `FERRITE_NO_CLIENT=1` leaves the client out: for lints and docs, which have no use for it. So does
//! `cargo fuzz`.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Display;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};
use std::{env, fs};

use wasm_bindgen_cli_support::{Bindgen, Output};

const WASM_TARGET: &str = "wasm32-unknown-unknown";
const WASM_PROFILE: &str = "wasm-release";
/// SHA-256 of files in a loop instead of unrolled: a browser waits for the disk and the network anyway. And the
/// server's messages are read without serde's way to find a tag.
const WASM_FLAGS: &str = "--cfg=sha2_backend=\"soft\"\x1f--cfg=sha2_backend_soft=\"compact\"\x1f\
    --cfg=ferrite_reads_tags";
const CLIENT: &str = "ferrite_client";

/// What whoever comes for the first time has to download at most before a call connects, gzipped.
const SIZE_LIMIT: usize = 250_000;
/// What that is on the way from the front page into a room, in the language with most words: `first_visits.rs` of the
/// tests holds it against what browsers ask for. What is for few, or for later, is loaded when it is asked for.
const OF_PAGE: [&str; 16] = [
    "index.html",
    "room.html",
    "style.css",
    "room.css",
    "icons.svg",
    "main.js",
    "brand.js",
    "brand.json",
    "words.de.json",
    "causes.de.json",
    "ferrite_client.js",
    "ferrite_client_bg.wasm",
    // Some browsers take these, and some others.
    "manifest.webmanifest",
    "favicon.svg",
    "favicon.ico",
    "icon-192.png",
];
/// And what it is for a page of somebody's own with rooms as objects, besides all of `sdk`.
const OF_SDK: [&str; 3] = [
    "ferrite_client.js",
    "ferrite_client_bg.wasm",
    "quality_numbers.js",
];

const NO_CLIENT_PAGE: &str = "<!doctype html><html lang=en><meta charset=utf-8>\
    <title>Ferrite</title><p>This server was built with <code>FERRITE_NO_CLIENT</code> \
    and has no browser client. Build it without that variable to get one.";

/// Files by their path below the site's root.
type Files = BTreeMap<String, Vec<u8>>;
/// Those that it is worth it for, gzipped.
type Packed = BTreeMap<String, Vec<u8>>;
type Outcome<T> = Result<T, String>;

fn main() {
    if let Err(problem) = run() {
        // The one line first. Failing with a status as well makes cargo show the nested
        // compiler's output, which an error alone would hide.
        println!("cargo::error={problem}");
        exit(1);
    }
}

fn run() -> Outcome<()> {
    let out = PathBuf::from(variable("OUT_DIR")?);
    let root = Path::new(&variable("CARGO_MANIFEST_DIR")?)
        .parent()
        .ok_or("the server's directory has no parent")?
        .to_owned();
    println!("cargo::rerun-if-env-changed=FERRITE_NO_CLIENT");
    let files = if without_client() {
        let pages = ["index.html", "echo.html", "room.html"];
        Files::from(pages.map(|page| (page.to_owned(), NO_CLIENT_PAGE.into())))
    } else {
        site(&root, &out)?
    };
    let packed: Packed = files
        .iter()
        .map(|(path, content)| (path.clone(), gzip(content)))
        // Images are compressed already.
        .filter(|(path, packed)| packed.len() < files[path].len() / 10 * 9)
        .collect();
    if !without_client() {
        check_size(&files, &packed)?;
    }
    pack(&files, &packed, &out)
}

fn without_client() -> bool {
    let asked = env::var("FERRITE_NO_CLIENT").is_ok_and(|value| !value.is_empty() && value != "0");
    asked || env::var_os("CARGO_CFG_FUZZING").is_some()
}

/// Everything there is to serve.
fn site(root: &Path, out: &Path) -> Outcome<Files> {
    // The client's tests are not watched, nor is the protocol's: they end up in no file here.
    for path in [
        "client-wasm/src",
        "client-wasm/Cargo.toml",
        "shared/src",
        "shared/Cargo.toml",
        "www",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }
    require_target()?;
    let wasm = compile_client(root, out)?;
    let package = out.join("package");
    bind(&wasm, &package)?;
    let mut files = Files::new();
    collect(&root.join("www"), "", &mut files)?;
    collect(&package, "", &mut files)?;
    Ok(files)
}

/// Sees to the wasm32 standard library before anything is compiled for it.
fn require_target() -> Outcome<()> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = Command::new(&rustc)
        .args(["--print", "sysroot"])
        .output()
        .map_err(|error| format!("{} does not start: {error}", rustc.display()))?;
    let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot.stdout).trim_end());
    if has_target(&sysroot) {
        return Ok(());
    }
    add_target();
    if has_target(&sysroot) {
        return Ok(());
    }
    Err(format!(
        "the {WASM_TARGET} target, which the browser client is built for, is not installed: \
         run `rustup target add {WASM_TARGET}`, then build again"
    ))
}

fn has_target(sysroot: &Path) -> bool {
    sysroot
        .join("lib/rustlib")
        .join(WASM_TARGET)
        .join("lib")
        .is_dir()
}

/// Asks rustup, wherever it runs this build: it says so by the toolchain's name. The compiler's own path
/// does not, since a toolchain may be a link to another one. What came of it shows in the sysroot, and
/// rustup's words go where cargo shows them on failure.
fn add_target() {
    let Ok(toolchain) = env::var("RUSTUP_TOOLCHAIN") else {
        return;
    };
    println!("cargo::warning=adding the {WASM_TARGET} target to toolchain {toolchain}");
    let _ = Command::new("rustup")
        .args(["target", "add", WASM_TARGET, "--toolchain", &toolchain])
        .stdout(Stdio::null())
        .status();
}

/// Runs a cargo of its own for the client, and says where the wasm file is.
fn compile_client(root: &Path, out: &Path) -> Outcome<PathBuf> {
    // The outer cargo holds the lock of its own target directory for as long as we run.
    let target = target_directory(out)?.join("wasm");
    let mut cargo = Command::new(variable("CARGO")?);
    for (name, _) in env::vars_os() {
        if concerns_outer_build(&name.to_string_lossy()) {
            cargo.env_remove(&name);
        }
    }
    let status = cargo
        .current_dir(root)
        // These two go before what the user's configuration file says for the host.
        .env("CARGO_ENCODED_RUSTFLAGS", WASM_FLAGS)
        .env("CARGO_BUILD_BUILD_DIR", &target)
        .args(["rustc", "--package", "ferrite-client", "--lib"])
        // With the rlib of Cargo.toml beside it, there would be no link-time optimisation.
        .arg("--crate-type=cdylib")
        .args(["--profile", WASM_PROFILE, "--target", WASM_TARGET])
        // The outer cargo has brought the lock file up to date.
        .arg("--locked")
        .arg("--target-dir")
        .arg(&target)
        .status()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if !status.success() {
        return Err("the browser client does not build; see the compiler's words below".to_owned());
    }
    Ok(target
        .join(WASM_TARGET)
        .join(WASM_PROFILE)
        .join(CLIENT)
        .with_extension("wasm"))
}

/// Flags and wrappers meant for the host break the wasm link, or make lints, checks and builds
/// each build a client of their own.
fn concerns_outer_build(name: &str) -> bool {
    const FLAGS: [&str; 4] = [
        "RUSTFLAGS",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTDOCFLAGS",
    ];
    // Where crates come from, how many jobs run, and how they report, is the user's choice.
    const KEPT: [&str; 8] = [
        "CARGO_HOME",
        "CARGO_MAKEFLAGS",
        "CARGO_BUILD_JOBS",
        "CARGO_TERM_",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
    ];
    let kept = KEPT.iter().any(|prefix| name.starts_with(prefix));
    FLAGS.contains(&name) || (name.starts_with("CARGO_") && !kept)
}

/// The directory that cargo marked as its target directory, found upwards from `OUT_DIR`.
fn target_directory(out: &Path) -> Outcome<&Path> {
    out.ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file())
        .or_else(|| out.ancestors().nth(4))
        .ok_or_else(|| format!("there is no target directory above {}", out.display()))
}

/// Writes the JavaScript glue, the TypeScript definitions and the final wasm file.
fn bind(wasm: &Path, package: &Path) -> Outcome<()> {
    if package.exists() {
        fs::remove_dir_all(package).map_err(|error| in_path(package, &error))?;
    }
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(wasm)
        .out_name(CLIENT)
        .typescript(true)
        // `init()` without an argument has to find the wasm file.
        .omit_default_module_path(false)
        .remove_name_section(true)
        .remove_producers_section(true);
    let mut output = bindgen
        .web(true)
        .and_then(Bindgen::generate_output)
        .map_err(|error| of_bindgen(&error))?;
    let names = shorten(&mut output);
    output.emit(package).map_err(|error| of_bindgen(&error))?;
    let mut files = Files::new();
    collect(package, "", &mut files)?;
    for (name, content) in files.iter().filter(|(name, _)| !name.ends_with(".wasm")) {
        let text = String::from_utf8_lossy(content);
        let text = match name.ends_with(".js") {
            true => without_comments(&text),
            false => without_dispose(&text),
        };
        write(&package.join(name), rename(&text, &names).as_bytes())?;
    }
    Ok(())
}

fn of_bindgen(error: &impl Display) -> String {
    format!("wasm-bindgen: {error:#}").replace('\n', " ")
}

/// Gives what only the wasm file and its glue call each other a short name. Theirs have hashes in them, which
/// no compression helps.
fn shorten(output: &mut Output) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut shorter = |name: &mut String| {
        let next = format!("${}", names.len());
        if name.starts_with("__wb") || name.starts_with("wasm_bindgen_") {
            *name = names.entry(name.clone()).or_insert(next).clone();
        }
    };
    let module = output.wasm_mut();
    module
        .imports
        .iter_mut()
        .for_each(|it| shorter(&mut it.name));
    module
        .exports
        .iter_mut()
        .for_each(|it| shorter(&mut it.name));
    names
}

/// Puts the new names in place of the old ones.
fn rename(text: &str, names: &BTreeMap<String, String>) -> String {
    let is_in_a_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    let mut renamed = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_in_a_name) {
        let end = rest[start..].find(|c| !is_in_a_name(c));
        let end = end.map_or(rest.len(), |length| start + length);
        let name = &rest[start..end];
        renamed.push_str(&rest[..start]);
        renamed.push_str(names.get(name).map_or(name, String::as_str));
        rest = &rest[end..];
    }
    renamed + rest
}

/// The glue without what the TypeScript definitions say, too.
fn without_comments(glue: &str) -> String {
    let mut inside = false;
    let mut code = String::with_capacity(glue.len());
    for line in glue.lines() {
        inside |= line.trim_start().starts_with("/**");
        if !inside {
            code.push_str(line);
            code.push('\n');
        }
        inside &= !line.trim_end().ends_with("*/");
    }
    code
}

/// The definitions without `[Symbol.dispose]`: a project does not compile with it whose `lib` is older, and `free`
/// is the same.
fn without_dispose(types: &str) -> String {
    let lines = types.split_inclusive('\n');
    lines
        .filter(|line| !line.contains("[Symbol.dispose]"))
        .collect()
}

/// Reads a directory and those below it.
fn collect(directory: &Path, prefix: &str, files: &mut Files) -> Outcome<()> {
    let entries = fs::read_dir(directory).map_err(|error| in_path(directory, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| in_path(directory, &error))?.path();
        let Some(name) = path.file_name().and_then(OsStr::to_str) else {
            return Err(format!("{} has a name that no URL has", path.display()));
        };
        if name.starts_with('.') {
            continue;
        }
        let below = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{below}/"), files)?;
        } else {
            let content = fs::read(&path).map_err(|error| in_path(&path, &error))?;
            if files.insert(below, content).is_some() {
                return Err(format!("{name} is both in www and in the client's output"));
            }
        }
    }
    Ok(())
}

/// Says how much a first visitor downloads, and fails where that is too much.
fn check_size(files: &Files, packed: &Packed) -> Outcome<()> {
    let size = |path: &str| {
        let content = packed.get(path).or_else(|| files.get(path));
        let missing = || format!("there is no {path} to download");
        content.map(Vec::len).ok_or_else(missing)
    };
    let sum = |paths: &[&str]| paths.iter().map(|path| size(path)).sum::<Outcome<usize>>();
    let modules = files.keys().map(String::as_str);
    let modules = modules.filter(|path| path.starts_with("sdk/") && path.ends_with(".js"));
    let of_sdk: Vec<_> = modules.chain(OF_SDK).collect();
    let (page, sdk) = (sum(&OF_PAGE)?, sum(&of_sdk)?);
    let sizes = format!(
        "before a call connects, the page of a room has {} kB to download, gzipped, and the SDK {} kB; {} kB of both \
         are wasm (the limit is {} kB)",
        kilobytes(page),
        kilobytes(sdk),
        kilobytes(size("ferrite_client_bg.wasm")?),
        kilobytes(SIZE_LIMIT),
    );
    if page.max(sdk) > SIZE_LIMIT {
        return Err(sizes);
    }
    println!("cargo::warning={sizes}");
    Ok(())
}

fn kilobytes(bytes: usize) -> usize {
    bytes.div_ceil(1000)
}

/// Writes the files and the table of them that `http/assets.rs` includes.
fn pack(files: &Files, packed: &Packed, out: &Path) -> Outcome<()> {
    let site = out.join("site");
    fs::create_dir_all(&site).map_err(|error| in_path(&site, &error))?;
    let mut table = String::from("&[\n");
    for (number, (path, content)) in files.iter().enumerate() {
        let plain = site.join(format!("{number}"));
        write(&plain, content)?;
        let gzipped = if let Some(packed) = packed.get(path) {
            let file = site.join(format!("{number}.gz"));
            write(&file, packed)?;
            format!("Some(include_bytes!({file:?}))")
        } else {
            "None".to_owned()
        };
        let hash = hash(content);
        table.push_str(&format!(
            "Embedded {{ path: {path:?}, hash: \"{hash:016x}\", \
             plain: include_bytes!({plain:?}), gzip: {gzipped} }},\n"
        ));
    }
    table.push(']');
    write(&out.join("assets.rs"), table.as_bytes())
}

/// Tells contents apart. It need not withstand an attacker: the contents are ours.
fn hash(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// One round more than gzip's best: a twentieth smaller. What further rounds save is not worth waiting for.
fn gzip(content: &[u8]) -> Vec<u8> {
    let options = zopfli::Options {
        iteration_count: NonZeroU64::MIN,
        ..zopfli::Options::default()
    };
    let mut gzipped = Vec::new();
    // Writing to a vector does not fail.
    let _ = zopfli::compress(options, zopfli::Format::Gzip, content, &mut gzipped);
    gzipped
}

fn write(path: &Path, content: &[u8]) -> Outcome<()> {
    fs::write(path, content).map_err(|error| in_path(path, &error))
}

fn variable(name: &str) -> Outcome<String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

fn in_path(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

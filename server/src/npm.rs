//! `ferrite npm`: writes the browser client as a package for npm, the very files that this server gives out.
//!
//! It owns the package's layout and its two generated modules: the manifest, and a client with its wasm inside.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Arg, Command, value_parser};
use ferrite_server::embedded;

use crate::command_line::{refuse, say, wish};

const SCRIPT: &str = "ferrite_client.js";
const TYPES: &str = "ferrite_client.d.ts";
const WASM: &str = "ferrite_client_bg.wasm";

/// As they are served.
const SERVED: [&str; 25] = [
    SCRIPT,
    TYPES,
    WASM,
    "ferrite_room.js",
    "ferrite_room.d.ts",
    "sdk/index.js",
    "sdk/index.d.ts",
    "sdk/calls.js",
    "sdk/data.js",
    "sdk/describe.js",
    "sdk/devices.js",
    "sdk/emitter.js",
    "sdk/encodings.js",
    "sdk/files.js",
    "sdk/local_track.js",
    "sdk/meter.js",
    "sdk/participant.js",
    "sdk/playback.js",
    "sdk/publication.js",
    "sdk/room.js",
    "sdk/rpc.js",
    "sdk/sha256.js",
    "sdk/transfers.js",
    "sdk/visible.js",
    "quality_numbers.js",
];

/// As they are in the repository.
const DOCUMENTS: [(&str, &str); 3] = [
    ("README.md", include_str!("../../client-wasm/README.npm.md")),
    ("LICENSE-MIT", include_str!("../../LICENSE-MIT")),
    ("LICENSE-APACHE", include_str!("../../LICENSE-APACHE")),
];

/// As text: resolvers take the first condition that they know, so `types` has to come before `default`, and a map of
/// `serde_json` sorts them.
const MANIFEST: &str = concat!(
    r#"{
  "name": "ferrite-client",
  "version": ""#,
    env!("CARGO_PKG_VERSION"),
    r#"",
  "description": "The browser client of a Ferrite server: calls and rooms over WebRTC.",
  "license": "MIT OR Apache-2.0",
  "type": "module",
  "sideEffects": ["./ferrite_room.js"],
  "exports": {
    ".": { "types": "./ferrite_client.d.ts", "default": "./ferrite_client.js" },
    "./inline": { "types": "./inline.d.ts", "default": "./inline.js" },
    "./room": { "types": "./ferrite_room.d.ts", "default": "./ferrite_room.js" },
    "./sdk": { "types": "./sdk/index.d.ts", "default": "./sdk/index.js" },
    "./ferrite_client_bg.wasm": "./ferrite_client_bg.wasm",
    "./package.json": "./package.json"
  }
}
"#
);

const NO_CLIENT: &str = "this server was built without the browser client (FERRITE_NO_CLIENT)";

pub(crate) fn main() -> ExitCode {
    let wish = match wish(command()) {
        Ok(wish) => wish,
        Err(ended) => return ended,
    };
    let Some(directory) = wish.get_one::<PathBuf>("directory") else {
        return refuse(&"no directory");
    };
    let Some(files) = files() else {
        return refuse(&NO_CLIENT);
    };
    match write(directory, &files) {
        Ok(()) => say(&directory.display().to_string()),
        Err(error) => refuse(&format!("{}: {error}", directory.display())),
    }
}

fn command() -> Command {
    Command::new("npm")
        .bin_name("ferrite npm")
        .about("Writes the browser client as a package for npm: `npm install DIRECTORY` takes it.")
        .arg(
            Arg::new("directory")
                .value_name("DIRECTORY")
                .help("Where; it is made if it is not there, and files of these names are replaced")
                .required(true)
                .value_parser(value_parser!(PathBuf)),
        )
}

/// All of the package. `None` if the client is not in this build.
fn files() -> Option<Vec<(&'static str, Vec<u8>)>> {
    let mut files = vec![
        ("package.json", MANIFEST.into()),
        ("inline.js", inline(embedded(WASM)?).into_bytes()),
        ("inline.d.ts", INLINE_TYPES.into()),
    ];
    for name in SERVED {
        files.push((name, embedded(name)?.to_vec()));
    }
    files.extend(DOCUMENTS.map(|(name, text)| (name, text.into())));
    Some(files)
}

/// A module that needs no file beside it.
fn inline(wasm: &[u8]) -> String {
    format!(
        "// The client with its wasm inside, for where a file beside a module is left behind.\n\
         import start from \"./{SCRIPT}\";\n\
         export * from \"./{SCRIPT}\";\n\
         const wasm = \"{}\";\n\
         export default () => start({{\n  \
           module_or_path: Uint8Array.from(atob(wasm), (letter) => letter.charCodeAt(0)),\n\
         }});\n",
        STANDARD.encode(wasm)
    )
}

const INLINE_TYPES: &str = "\
export * from \"./ferrite_client.js\";
/** Makes the client ready. Once, before anything else. */
export default function init(): Promise<unknown>;
";

fn write(directory: &Path, files: &[(&str, Vec<u8>)]) -> io::Result<()> {
    std::fs::create_dir_all(directory.join("sdk"))?;
    files
        .iter()
        .try_for_each(|(name, content)| std::fs::write(directory.join(name), content))
}

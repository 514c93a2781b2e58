//! Debian's Janus, where it is installed, with its VideoRoom and nothing else: another server for the load
//! tool's participants. Knows how it is started, and nothing of what is said to it.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::process::{Process, installed};
use crate::wait;

const START: Duration = Duration::from_secs(60);

/// What it loads, of all that Debian has for it.
const PLUGIN: (&str, &str) = ("plugins", "libjanus_videoroom.so");
const TRANSPORT: (&str, &str) = ("transports", "libjanus_websockets.so");

/// A running Janus. Dropping it kills the process.
#[derive(Debug)]
pub struct Janus {
    process: Process,
    socket: PathBuf,
}

impl Janus {
    /// Starts it and waits until it listens. Its configuration and its log go to `dir`. `None` where it is not
    /// installed.
    ///
    /// It is as Debian configures it, but for ICE-lite, which is what a server in public is told to be, and for its
    /// API, which is a WebSocket on a Unix socket.
    pub async fn start(dir: &Path) -> Result<Option<Self>> {
        let Some(program) = installed("janus", "Debian's") else {
            return Ok(None);
        };
        let socket = configure(dir, &program)?;
        let mut command = Command::new(program);
        command.arg("--configs-folder").arg(dir).current_dir(dir);
        let process = Process::spawn(&mut command, &dir.join("janus.log"))?;
        let listens = async || {
            process.id()?;
            Ok(UnixStream::connect(&socket).is_ok())
        };
        wait::until("Janus to listen", START, listens, |listens| *listens).await?;
        Ok(Some(Self { process, socket }))
    }

    /// Where its API is served.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process id.
    pub fn pid(&self) -> Result<u32> {
        self.process.id()
    }

    /// Ends it.
    pub async fn stop(mut self) -> Result<()> {
        self.process.kill().await
    }
}

fn configure(dir: &Path, program: &Path) -> Result<PathBuf> {
    let libraries = libraries(program)?;
    for (folder, name) in [PLUGIN, TRANSPORT] {
        let own = dir.join(folder);
        std::fs::create_dir_all(&own)?;
        symlink(libraries.join(folder).join(name), own.join(name))?;
    }
    let (none, here, socket) = (dir.join("none"), dir.display(), dir.join("api"));
    std::fs::create_dir_all(&none)?;
    let none = none.display();
    let core = format!(
        "general: {{\n  configs_folder = \"{here}\"\n  plugins_folder = \"{here}/plugins\"\n\
         \x20 transports_folder = \"{here}/transports\"\n  events_folder = \"{none}\"\n  loggers_folder = \"{none}\"\n\
         \x20 debug_level = 3\n  session_timeout = 0\n}}\nnat: {{\n  ice_lite = true\n}}\n"
    );
    let api = format!(
        "general: {{\n  json = \"compact\"\n  ws = true\n  ws_unix = \"{}\"\n}}\n",
        socket.display()
    );
    std::fs::write(dir.join("janus.jcfg"), core)?;
    std::fs::write(dir.join("janus.transport.websockets.jcfg"), api)?;
    std::fs::write(dir.join("janus.plugin.videoroom.jcfg"), "general: {\n}\n")?;
    Ok(socket)
}

/// Its plugins and transports: `lib/TRIPLET/janus` beside `bin/janus`.
fn libraries(program: &Path) -> Result<PathBuf> {
    let usr = program.parent().and_then(Path::parent);
    let lib = usr.context("a program in no directory")?.join("lib");
    let triplets = std::fs::read_dir(&lib).with_context(|| lib.display().to_string())?;
    let folders = triplets.filter_map(|triplet| Some(triplet.ok()?.path().join("janus")));
    let mut folders = folders.filter(|folder| folder.join(TRANSPORT.0).is_dir());
    folders.next().context("no transports of Janus")
}

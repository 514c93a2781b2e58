//! What the machine gives: the time, files, buffers, offloads, and a place for data.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::report::Row;
use super::verdicts;
use crate::config::{Config, TcpRelays};
use crate::http::door::MAX_CONNECTIONS;
use crate::media::net::sockets::socket_limits;
use crate::turn::connections;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) wall: SystemTime,
    pub(super) steady: Instant,
}

impl Clock {
    pub(super) fn look() -> Self {
        Self {
            wall: SystemTime::now(),
            steady: Instant::now(),
        }
    }

    /// How much time each says has passed.
    pub(super) fn until(self, later: Self) -> (Option<Duration>, Duration) {
        let wall = later.wall.duration_since(self.wall).ok();
        (wall, later.steady.saturating_duration_since(self.steady))
    }
}

/// How many files the settings let clients open.
#[must_use]
pub fn files_wanted(config: &Config) -> u64 {
    let streams = match config.turn.tcp_relays {
        // One with the peer, and one with the client.
        TcpRelays::On => 2 * connections::MAX_CONNECTIONS,
        TcpRelays::Off => 0,
    };
    (config.limits.sessions + MAX_CONNECTIONS + streams) as u64
}

/// Looks at all of it. `before` is when the test began.
pub(super) fn look(config: &Config, before: Clock) -> Vec<Row> {
    let (clock, at) = (Clock::look(), near(config));
    // Both limits: a server raises the one to the other.
    let files = rlimit::Resource::NOFILE.get_hard();
    vec![
        verdicts::clock(clock.wall, before.until(clock)),
        verdicts::files(
            files.map_err(|error| error.to_string()),
            files_wanted(config),
        ),
        verdicts::buffers(&socket_limits(at)),
        verdicts::offloads(&socket_limits(at)),
        match &config.data.directory {
            Some(directory) => verdicts::data(directory, try_to_write(directory)),
            None => verdicts::no_data(),
        },
    ]
}

/// An address of this machine, of a family that media is received by.
fn near(config: &Config) -> IpAddr {
    match config.media.listen.first() {
        Some(IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
        Some(IpAddr::V4(_)) | None => Ipv4Addr::LOCALHOST.into(),
    }
}

/// Writes into the directory, or into the one in which it would be made, and leaves nothing behind.
fn try_to_write(directory: &Path) -> io::Result<()> {
    let there = directory.ancestors().find(|it| it.exists());
    let there = there.filter(|it| !it.as_os_str().is_empty());
    let there = there.map_or_else(|| PathBuf::from("."), Path::to_owned);
    let path = there.join(format!(".ferrite-check-{}", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).open(&path)?;
    fs::remove_file(&path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_of_relays_are_files_where_there_are_such_relays() {
        let mut config = Config::default();
        let without = files_wanted(&config);
        config.turn.tcp_relays = TcpRelays::On;
        assert_eq!(files_wanted(&config) - without, 4096);
    }

    #[test]
    fn what_can_be_written_is_told_and_nothing_is_left_there() {
        let directory = std::env::temp_dir().join(format!("check-{}", std::process::id()));
        fs::create_dir(&directory).unwrap();
        assert!(try_to_write(&directory).is_ok());
        // It would be made.
        assert!(try_to_write(&directory.join("a/b")).is_ok());
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 0);
        let file = directory.join("file");
        fs::write(&file, "").unwrap();
        assert!(try_to_write(&file).is_err() && try_to_write(&file.join("a")).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }
}

//! What the load tool is told to do.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use ferrite_tests::load::rooms::{FieldOptions, LinkOptions, Pace, Part};

#[derive(Clone, Debug, Parser)]
#[command(
    name = "load",
    about = "Fills rooms of the ferrite binary, and measures what they cost and whether everything arrives.",
    after_help = "A publisher watches and hears the others of its room, as subscribers do. Everybody says what they\n\
        received (receiver reports, transport-wide feedback; with --loss NACKs). The server is FERRITE_BIN, or\n\
        else the one cargo builds; its log is in tests/artefacts/load/server.log. The exit code is 1 if the server\n\
        lost, repeated or mixed up anything."
)]
pub(crate) struct Options {
    /// Rooms
    #[arg(long, default_value_t = 1)]
    pub(crate) rooms: u32,
    /// Participants of each room who publish a picture, and watch the others
    #[arg(long, default_value_t = 1)]
    pub(crate) publishers: u32,
    /// Participants of each room, besides the publishers, who publish nothing
    #[arg(long, default_value_t = 50)]
    pub(crate) subscribers: u32,
    /// Slots for pictures of each participant
    #[arg(long, default_value_t = 9)]
    pub(crate) shown: usize,
    /// Publishers publish sound, too: 50 packets a second
    #[arg(long)]
    pub(crate) audio: bool,
    /// Slots for sound of each participant, with --audio
    #[arg(long, default_value_t = 4)]
    pub(crate) heard: usize,
    /// Of a picture, in kbit/s: RTP packets of 1100 bytes before encryption
    #[arg(long, default_value_t = 1000)]
    pub(crate) bitrate: u64,
    /// Packets of a frame, which leave back to back; 1 is even
    #[arg(long, default_value_t = 1)]
    pub(crate) packets_per_frame: u32,
    /// Messages to whole rooms, a second over all rooms
    #[arg(long, default_value_t = 0.0)]
    pub(crate) messages_per_second: f64,
    /// How fast participants come in
    #[arg(long, default_value_t = 100.0)]
    pub(crate) joins_per_second: f64,
    /// Participants who leave while media flows, a second over all rooms; another comes for each
    #[arg(long, default_value_t = 0.0)]
    pub(crate) churn: f64,
    /// Participants who watch others than before, a second over all rooms
    #[arg(long, default_value_t = 0.0)]
    pub(crate) watch_changes: f64,
    /// How long to measure
    #[arg(long, default_value_t = 10)]
    pub(crate) seconds: u32,
    /// Links of subscribers: milliseconds one way
    #[arg(long, default_value_t = 0)]
    pub(crate) delay: u64,
    /// Links of subscribers: per cent of media and its reports lost, each way
    #[arg(long, default_value_t = 0.0)]
    pub(crate) loss: f64,
    /// Links of subscribers: kbit/s to them, with a queue of 200 ms; 0 is no limit
    #[arg(long, default_value_t = 0)]
    pub(crate) rate: u64,
    /// Threads for media of the server
    #[arg(long, default_value_t = 1)]
    pub(crate) shards: u32,
    /// Milliseconds between two reports of a receiver; 0 is none
    #[arg(long, default_value_t = 100)]
    pub(crate) feedback: u64,
    /// Of how many packets one is opened and looked into; the numbers of all are checked. With more than
    /// 1, a keyframe may be overlooked, and with it a picture that begins without one
    #[arg(long, default_value_t = 1)]
    pub(crate) open: u64,
    /// Rounds of 32 packets by which the raw limits are measured, before and after
    #[arg(long, default_value_t = 2000)]
    pub(crate) raw_rounds: usize,
    /// Writes the figures there
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Draws the curves there
    #[arg(long)]
    pub(crate) svg: Option<PathBuf>,
    /// The directory of the server's log, in tests/artefacts
    #[arg(long, default_value = "load", value_name = "NAME")]
    pub(crate) log: String,
}

impl Options {
    pub(crate) fn publisher(&self) -> Part {
        let others = self.publishers.saturating_sub(1) as usize;
        Part {
            camera: true,
            microphone: self.audio,
            shown: self.shown.min(others),
            heard: self.heard_slots().min(others),
        }
    }

    pub(crate) fn subscriber(&self) -> Part {
        Part {
            camera: false,
            microphone: false,
            shown: self.shown.min(self.publishers as usize),
            heard: self.heard_slots().min(self.publishers as usize),
        }
    }

    fn heard_slots(&self) -> usize {
        if self.audio { self.heard } else { 0 }
    }

    pub(crate) fn all_publishers(&self) -> u32 {
        self.rooms * self.publishers
    }

    pub(crate) fn all_subscribers(&self) -> u32 {
        self.rooms * self.subscribers
    }

    pub(crate) fn field(&self) -> FieldOptions {
        let all = (self.all_publishers() + self.all_subscribers()) as usize;
        FieldOptions {
            feedback: Duration::from_millis(self.feedback),
            open: self.open,
            pace: Pace {
                bitrate: self.bitrate * 1000,
                packets_per_frame: self.packets_per_frame.max(1),
            },
            link: LinkOptions {
                delay: Duration::from_millis(self.delay),
                loss: self.loss / 100.0,
                rate: self.rate * 1000,
            },
            sockets: all.div_ceil(100).clamp(1, 16),
            key: None,
        }
    }

    /// The server's flags.
    pub(crate) fn flags(&self) -> Vec<String> {
        let most = self.publishers + self.subscribers + 100;
        let flags = [
            ("--log", "info".to_owned()),
            ("--shards", self.shards.to_string()),
            ("--max-participants", most.max(500).to_string()),
        ];
        let flags = flags.into_iter();
        flags
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }
}

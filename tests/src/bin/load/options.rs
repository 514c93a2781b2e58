//! What the load tool is told to do.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use ferrite_tests::load::rooms::{Camera, FieldOptions, LinkOptions, Pace, Part};

#[derive(Clone, Debug, Parser)]
#[command(
    name = "load",
    about = "Fills rooms of the ferrite binary, and measures what they cost and whether everything arrives.",
    after_help = "A publisher watches and hears the others of its room, as subscribers do. Everybody says what they\n\
        received (receiver reports, transport-wide feedback; with --loss NACKs). The server is FERRITE_BIN, or\n\
        else the one cargo builds; its log is in tests/artefacts/load/server.log. The exit code is 1 if the server\n\
        lost, repeated or mixed up anything. `load held` makes a table of many runs, and `load replay` decides again\n\
        what a trace tells of; their --help has more."
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
    /// Pictures are published in three simulcast layers, which share the bitrate: a quarter of the width, half of it, and all
    /// of it, which is 1280 pixels and has --packets-per-frame
    #[arg(long, conflicts_with = "beside")]
    pub(crate) simulcast: bool,
    /// Pictures, or each layer of them, have so many temporal layers, which the server leaves out where there is no room;
    /// the numbers that it gives are VP8's
    #[arg(long, value_name = "MODE", conflicts_with = "beside")]
    pub(crate) svc: Option<Svc>,
    /// How wide participants show pictures, in pixels: the first of them, the next, and over again. Without, nobody says
    /// so, and the largest layer is forwarded where it fits
    #[arg(long, value_name = "PIXELS", value_delimiter = ',')]
    pub(crate) width: Vec<u16>,
    /// Publishers send also the layers that the server says nobody watches
    #[arg(long)]
    pub(crate) all_layers: bool,
    /// Packets of a frame, which leave back to back; 1 is even
    #[arg(long, default_value_t = 1)]
    pub(crate) packets_per_frame: u32,
    /// Messages to whole rooms, a second over all rooms
    #[arg(long, default_value_t = 0.0)]
    pub(crate) messages_per_second: f64,
    /// Messages to whole rooms on data channels, a second over all rooms: every other one reliable, the others lossy. CPU
    /// includes what they cost; the memory of those who came in beside them is not told
    #[arg(long, default_value_t = 0.0)]
    pub(crate) data_per_second: f64,
    /// Participants of each room who send them to each other, and do nothing else
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(2..=20))]
    pub(crate) data_members: u32,
    /// How fast participants come in
    #[arg(long, default_value_t = 100.0)]
    pub(crate) joins_per_second: f64,
    /// Participants who leave while media flows, a second over all rooms; another comes for each
    #[arg(long, default_value_t = 0.0)]
    pub(crate) churn: f64,
    /// Participants who come one after the other once the rest was measured and while media still flows, see something, and
    /// leave: how long that takes
    #[arg(long, default_value_t = 0)]
    pub(crate) visitors: u32,
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
    /// Participants agree to no transport-wide numbers, so that the server estimates no path and paces nothing
    #[arg(long, conflicts_with = "beside")]
    pub(crate) without_congestion_control: bool,
    /// Of how many packets one is opened and looked into; the numbers of all are checked. With more than
    /// 1, a keyframe may be overlooked, and with it a picture that begins without one
    #[arg(long, default_value_t = 1)]
    pub(crate) open: u64,
    /// Rounds of 32 packets by which the raw limits are measured, before and after
    #[arg(long, default_value_t = 2000)]
    pub(crate) raw_rounds: usize,
    /// After Ferrite, the same participants fill rooms of this server, if it is installed. A publisher sees others
    /// there over a connection of its own, and nobody watches others than before, or says anything
    #[arg(long, value_name = "SERVER")]
    pub(crate) beside: Option<Other>,
    /// Writes the figures there
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
    /// Draws the curves there
    #[arg(long)]
    pub(crate) svg: Option<PathBuf>,
    /// The server writes traces of its congestion control there, for `load replay`
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) trace: Option<PathBuf>,
    /// The directory of the server's log, in tests/artefacts
    #[arg(long, default_value = "load", value_name = "NAME")]
    pub(crate) log: String,
}

/// Another server, to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Other {
    /// Debian's Janus, with its VideoRoom
    Janus,
}

/// Who is there, in all rooms.
#[derive(Clone, Debug)]
pub(crate) struct Company {
    pub(crate) publishers: u32,
    pub(crate) publisher: Part,
    /// Those who publish nothing.
    pub(crate) receiving: Vec<(u32, Part)>,
}

impl Company {
    pub(crate) fn subscribers(&self) -> u32 {
        self.receiving.iter().map(|(count, _)| count).sum()
    }
}

/// Scalability modes, by the names that browsers have for them.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Svc {
    #[value(name = "L1T2")]
    L1T2,
    #[value(name = "L1T3")]
    L1T3,
}

impl Svc {
    fn layers(self) -> u8 {
        match self {
            Self::L1T2 => 2,
            Self::L1T3 => 3,
        }
    }
}

impl Options {
    /// Who is there.
    pub(crate) fn company(&self) -> Company {
        let others = self.publishers.saturating_sub(1) as usize;
        let publisher = Part {
            camera: match self.simulcast {
                true => Camera::Simulcast,
                false => Camera::Plain,
            },
            microphone: self.audio,
            ..self.receiving(others)
        };
        let publishers = self.rooms * self.publishers;
        Company {
            publishers,
            publisher,
            receiving: vec![(self.all_subscribers(), self.subscriber())],
        }
    }

    /// Who is there where a publisher sees others over a connection of its own, as Janus has it.
    pub(crate) fn company_at_janus(&self) -> Company {
        let mut company = self.company();
        let Part { shown, heard, .. } = company.publisher;
        company.publisher = Part {
            shown: 0,
            heard: 0,
            ..company.publisher
        };
        if shown + heard > 0 {
            let part = self.receiving(self.publishers.saturating_sub(1) as usize);
            company.receiving.push((company.publishers, part));
        }
        company
    }

    pub(crate) fn subscriber(&self) -> Part {
        self.receiving(self.publishers as usize)
    }

    /// One who is shown what so many publish.
    fn receiving(&self, publishers: usize) -> Part {
        Part {
            camera: Camera::Off,
            microphone: false,
            shown: self.shown.min(publishers),
            heard: self.heard_slots().min(publishers),
            numbered: !self.without_congestion_control,
        }
    }

    fn heard_slots(&self) -> usize {
        if self.audio { self.heard } else { 0 }
    }

    fn all_subscribers(&self) -> u32 {
        self.rooms * self.subscribers
    }

    pub(crate) fn field(&self) -> FieldOptions {
        let all = (self.rooms * (self.publishers + self.subscribers)) as usize;
        FieldOptions {
            feedback: Duration::from_millis(self.feedback),
            open: self.open,
            pace: Pace {
                bitrate: self.bitrate * 1000,
                packets_per_frame: self.packets_per_frame.max(1),
                temporal_layers: self.svc.map_or(1, Svc::layers),
            },
            all_layers: self.all_layers,
            widths: self.width.clone(),
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
        let trace = self.trace.as_ref();
        let trace = trace.map(|directory| ("--trace", directory.display().to_string()));
        let flags = flags.into_iter().chain(trace);
        flags
            .flat_map(|(name, value)| [name.to_owned(), value])
            .collect()
    }
}

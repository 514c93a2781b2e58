//! A member of a room that is no browser. It publishes files, keeps what comes, and prints the chat and what
//! else it is sent; every line of its standard input is said, and one that begins with `>` is sent as bytes on the
//! reliable data channel instead. It ends when it is told to (Ctrl-C, SIGTERM).
//!
//! ```sh
//! cargo run -p ferrite-tests --example native_room -- localhost:8080 kitchen \
//!     --publish clip.ivf --publish clip.ogg --record kept
//! ```
//!
//! Pictures are VP8 in IVF, sound is Opus in Ogg: `ffmpeg -i film.mkv -an -c:v libvpx clip.ivf` and
//! `ffmpeg -i film.mkv -vn -c:a libopus clip.ogg` make both. A file is published once somebody else is there.

use std::path::PathBuf;

use anyhow::Result;
use clap::Parser;
use ferrite_protocol::{MediaKind, Participant, ServerMessage};
use ferrite_tests::native::{Assembler, Clip, Delivery, NativeRoom, News};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
struct Options {
    /// The server, as HOST:PORT.
    server: String,
    /// The room.
    room: String,
    /// What others may call it.
    #[arg(long, default_value = "native")]
    name: String,
    /// Says who it is, where the server asks for it.
    #[arg(long)]
    token: Option<String>,
    /// An IVF file with VP8, or an Ogg file with Opus; one of each at most.
    #[arg(long)]
    publish: Vec<PathBuf>,
    /// Where to keep what comes: PREFIX.ivf and PREFIX.ogg.
    #[arg(long, value_name = "PREFIX")]
    record: Option<PathBuf>,
    /// A line for the chat.
    #[arg(long)]
    say: Option<String>,
}

struct Member {
    room: NativeRoom,
    clips: Vec<Clip>,
    kept: [Assembler; 2],
    /// It has said that there are frames of these.
    has_begun: [bool; 2],
}

#[tokio::main]
async fn main() -> Result<()> {
    let options = Options::parse();
    let clips: Result<Vec<_>> = options.publish.iter().map(|it| Clip::read(it)).collect();
    let clips = clips?;
    let kinds: Vec<_> = clips.iter().map(|clip| clip.kind).collect();
    let Options {
        server,
        room,
        name,
        token,
        ..
    } = &options;
    let room = NativeRoom::enter(server, room, name, token.as_deref(), &kinds).await?;
    let kept = [MediaKind::Audio, MediaKind::Video].map(Assembler::new);
    let mut member = Member {
        room,
        clips,
        kept,
        has_begun: [false; 2],
    };
    if let Some(text) = &options.say {
        member.room.say(text).await?;
    }
    let ended = member.live().await;
    if let Some(prefix) = &options.record {
        for (kept, extension) in member.kept.iter().zip(["ogg", "ivf"]) {
            kept.clip().write(&prefix.with_extension(extension))?;
        }
    }
    member.room.leave().await?;
    ended
}

impl Member {
    /// Until it is told to end, or the server is gone.
    async fn live(&mut self) -> Result<()> {
        let mut lines = Some(BufReader::new(tokio::io::stdin()).lines());
        let mut terminate = signal(SignalKind::terminate())?;
        loop {
            tokio::select! {
                news = self.room.next() => self.note(news?).await?,
                line = next_line(&mut lines) => match line {
                    Some(line) => self.speak(&line).await?,
                    None => lines = None,
                },
                _ = terminate.recv() => return Ok(()),
                _ = tokio::signal::ctrl_c() => return Ok(()),
            }
        }
    }

    async fn note(&mut self, news: News) -> Result<()> {
        match news {
            News::Packet(kind, packet) => {
                let at = usize::from(kind == MediaKind::Video);
                self.kept[at].push(packet);
                if !self.has_begun[at] && !self.kept[at].clip().frames.is_empty() {
                    self.has_begun[at] = true;
                    println!("{} began.", ["Sound", "Pictures"][at]);
                }
            }
            News::Said(ServerMessage::Said { message }) => {
                let name = message.name.unwrap_or(message.from.0);
                println!("{name}: {}", message.text);
            }
            News::Said(ServerMessage::Joined { room, .. }) => {
                for participant in &room.participants {
                    self.meet(participant).await?;
                }
            }
            News::Said(
                ServerMessage::ParticipantJoined { participant }
                | ServerMessage::ParticipantUpdated { participant },
            ) => self.meet(&participant).await?,
            News::Data(data) => {
                let (from, topic) = (&data.from.0, &data.topic);
                let text = String::from_utf8_lossy(&data.payload);
                println!("{from} sent about {topic}: {text}");
            }
            News::Said(_) => {}
        }
        Ok(())
    }

    async fn speak(&mut self, line: &str) -> Result<()> {
        match line.strip_prefix('>') {
            Some(text) => {
                let (reliable, bytes) = (Delivery::Reliable, text.trim().as_bytes());
                self.room.send_data(reliable, None, "text", bytes).await
            }
            None => self.room.say(line).await,
        }
    }

    /// Watches somebody else who has pictures, and begins to publish for them.
    async fn meet(&mut self, participant: &Participant) -> Result<()> {
        if participant.id == *self.room.participant() {
            return Ok(());
        }
        let mut publications = participant.publications.iter();
        if let Some(camera) = publications.find(|it| it.kind == MediaKind::Video) {
            self.room.watch(camera.id.clone()).await?;
        }
        for clip in std::mem::take(&mut self.clips) {
            // It goes on by itself.
            drop(self.room.play(clip)?);
        }
        Ok(())
    }
}

async fn next_line(lines: &mut Option<Lines<BufReader<Stdin>>>) -> Option<String> {
    match lines {
        Some(lines) => lines.next_line().await.ok()?,
        None => std::future::pending().await,
    }
}

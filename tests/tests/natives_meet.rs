//! Clients that are no browsers meet in a room, and one meets a browser: what one publishes from a file the
//! other has in a file, and bytes that they send on data channels come to whom they are for, in order.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ferrite_protocol::{MediaKind, Participant, PublicationId, ServerMessage};
use ferrite_tests::native::{Assembler, Clip, Data, Delivery, Frame, NativeRoom, News};
use ferrite_tests::process::Process;
use ferrite_tests::{Server, artefacts, cargo, readme, scene, wait};
use tokio::process::Command;
use tokio::time::timeout;

const BOTH: [MediaKind; 2] = [MediaKind::Audio, MediaKind::Video];

/// Pictures that nobody can decode: of VP8 each has only its first bytes, with a keyframe now and then.
fn pictures() -> Clip {
    let frame = |n: u64| {
        let mut bytes = vec![0x11, 0, 0];
        if n.is_multiple_of(20) {
            // RFC 6386 §9.1: a keyframe of 320 x 240.
            bytes = vec![0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xf0, 0];
        }
        let rest = (0..60 * n).map(|at| ((at * 31) ^ n) as u8);
        bytes.extend(rest);
        Frame {
            at: n * 3000,
            bytes,
        }
    };
    Clip {
        kind: MediaKind::Video,
        frames: (0..60).map(frame).collect(),
    }
}

/// Sound: 20 ms in each packet, and none for a while in between, as with DTX.
fn sounds() -> Clip {
    let frame = |n: u64| Frame {
        at: 960 * if n < 50 { n } else { n + 20 },
        bytes: std::iter::once(0xf8)
            .chain((0..40 + n).map(|at| ((at * 17) ^ n) as u8))
            .collect(),
    };
    Clip {
        kind: MediaKind::Audio,
        frames: (0..100).map(frame).collect(),
    }
}

/// Reads on until something picked is there.
async fn until<T>(
    what: &str,
    room: &mut NativeRoom,
    mut pick: impl FnMut(News) -> Option<T>,
) -> Result<T> {
    let picked = async {
        loop {
            if let Some(picked) = pick(room.next().await?) {
                return Ok(picked);
            }
        }
    };
    let picked = timeout(wait::PATIENCE, picked).await;
    picked.with_context(|| format!("waited for {what}"))?
}

/// What somebody else publishes as pictures.
fn camera(participant: &Participant) -> Option<PublicationId> {
    let mut publications = participant.publications.iter();
    let camera = publications.find(|it| it.kind == MediaKind::Video)?;
    Some(camera.id.clone())
}

/// Waits until somebody else publishes pictures, and watches them; until both slots are in use.
async fn watch_other(room: &mut NativeRoom) -> Result<()> {
    let own = room.participant().clone();
    let found = |news| match news {
        News::Said(ServerMessage::Joined { room, .. }) => {
            let mut others = room.participants.iter().filter(|it| it.id != own);
            others.find_map(camera)
        }
        News::Said(
            ServerMessage::ParticipantJoined { participant }
            | ServerMessage::ParticipantUpdated { participant },
        ) if participant.id != own => camera(&participant),
        _ => None,
    };
    let camera = until("somebody's camera", room, found).await?;
    room.watch(camera).await?;
    let carry = |news| match news {
        News::Said(ServerMessage::Watching { slots, .. }) => {
            let carried = slots.values().filter(|slot| slot.idle.is_none());
            (carried.count() == 2).then_some(())
        }
        _ => None,
    };
    until("both slots to carry something", room, carry).await
}

/// Keeps what comes until there is enough of both.
async fn keep(room: &mut NativeRoom, sounds: usize, pictures: usize) -> Result<[Clip; 2]> {
    let mut kept = BOTH.map(Assembler::new);
    let (mut heard, mut frames) = (0, 0);
    let enough = |news| {
        if let News::Packet(kind, packet) = news {
            heard += usize::from(kind == MediaKind::Audio);
            frames += usize::from(packet.header.marker && kind == MediaKind::Video);
            kept[usize::from(kind == MediaKind::Video)].push(packet);
        }
        if heard < sounds || frames < pictures {
            return None;
        }
        let clips = [0, 1].map(|at: usize| kept[at].clip());
        let has = clips[0].frames.len() >= sounds && clips[1].frames.len() >= pictures;
        has.then_some(clips)
    };
    until("sound and pictures", room, enough).await
}

/// A clip as it is on file.
fn filed(clip: &Clip, path: &Path) -> Result<Clip> {
    clip.write(path)?;
    Clip::read(path)
}

async fn reads(room: &mut NativeRoom, text: &str) -> Result<()> {
    let said = |news| match news {
        News::Said(ServerMessage::Said { message }) if message.text == text => Some(()),
        _ => None,
    };
    until(text, room, said).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_publishes_from_a_file_the_other_has_in_a_file() -> Result<()> {
    let dir = artefacts::fresh("natives_meet")?;
    let server = Server::start(&dir, &["--shards", "1"]).await?;
    let at = server.address();
    let mut ann = NativeRoom::enter(at, "tea", "Ann", None, &BOTH).await?;
    let mut bob = NativeRoom::enter(at, "tea", "Bob", None, &[]).await?;
    watch_other(&mut bob).await?;
    bob.say("I am listening").await?;
    reads(&mut ann, "I am listening").await?;
    ann.say("It begins").await?;
    reads(&mut bob, "It begins").await?;

    let pictures = filed(&pictures(), &dir.join("pictures.ivf"))?;
    let sounds = filed(&sounds(), &dir.join("sounds.ogg"))?;
    let playing = [ann.play(pictures.clone())?, ann.play(sounds.clone())?];
    let [heard, seen] = keep(&mut bob, sounds.frames.len(), pictures.frames.len()).await?;
    for playing in playing {
        playing.await??;
    }
    ensure!(seen == pictures, "other pictures came");
    ensure!(filed(&seen, &dir.join("seen.ivf"))? == pictures);
    // Ogg has no times but what its packets last: a gap is not in what is read.
    ensure!(
        filed(&heard, &dir.join("heard.ogg"))? == sounds,
        "other sound came"
    );
    ann.leave().await?;
    bob.leave().await
}

/// The next bytes that come.
async fn bytes(room: &mut NativeRoom) -> Result<Data> {
    let sent = |news| match news {
        News::Data(data) => Some(data),
        _ => None,
    };
    until("bytes", room, sent).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_reach_all_or_one_in_order() -> Result<()> {
    let dir = artefacts::fresh("natives_send_bytes")?;
    let server = Server::start(&dir, &["--shards", "2"]).await?;
    let at = server.address();
    let mut ann = NativeRoom::enter(at, "tea", "Ann", None, &[]).await?;
    let mut bob = NativeRoom::enter(at, "tea", "Bob", None, &[]).await?;
    let mut cy = NativeRoom::enter(at, "tea", "Cy", None, &[]).await?;
    let message = |number: u16| {
        let mut message = number.to_be_bytes().to_vec();
        message.resize(3000, number as u8);
        message
    };
    for number in 0..100 {
        let message = message(number);
        ann.send_data(Delivery::Reliable, None, "all", &message)
            .await?;
    }
    let only_cy = [cy.participant().clone()];
    let sent = ann.send_data(Delivery::Reliable, Some(&only_cy), "one", b"only Cy");
    sent.await?;
    // Whoever has this one has whatever of hers they were to get before it.
    let last = message(100);
    let sent = ann.send_data(Delivery::Reliable, None, "all", &last);
    sent.await?;
    let sent = bob.send_data(Delivery::Reliable, None, "all", b"from Bob");
    sent.await?;
    // Whoever gets it, in the order in which the room has it.
    for (room, private) in [(&mut bob, false), (&mut cy, true)] {
        let (mut number, mut saw_private) = (0, false);
        while number <= 100 {
            let data = bytes(room).await?;
            ensure!(data.delivery == Delivery::Reliable);
            if data.from != *ann.participant() {
                ensure!(data.payload == b"from Bob", "{data:?}");
                continue;
            }
            if data.is_private {
                ensure!(data.topic == "one" && data.payload == b"only Cy");
                ensure!(number == 100 && private, "too early, or of somebody else");
                saw_private = true;
                continue;
            }
            ensure!(
                data.topic == "all" && data.payload == message(number),
                "{number}"
            );
            number += 1;
        }
        ensure!(saw_private == private, "what is for one did not come");
    }
    ensure!(bytes(&mut ann).await?.payload == b"from Bob");
    ann.leave().await?;
    bob.leave().await?;
    cy.leave().await
}

/// Both of two members get and send bytes while one of them changes peer connections, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn reliable_bytes_outlive_peer_connections() -> Result<()> {
    const ROUNDS: u32 = 4;
    const EACH: u32 = 150;
    let dir = artefacts::fresh("natives_call_again")?;
    let server = Server::start(&dir, &["--shards", "2"]).await?;
    let at = server.address();
    let mut ann = NativeRoom::enter_for_data(at, "tea", "Ann", None).await?;
    let mut bob = NativeRoom::enter_for_data(at, "tea", "Bob", None).await?;
    let message = |number: u32| {
        let mut message = number.to_be_bytes().to_vec();
        message.resize(2000, number as u8);
        message
    };
    for round in 0..ROUNDS {
        for number in round * EACH..(round + 1) * EACH {
            for room in [&ann, &bob] {
                let message = message(number);
                let sent = room.send_data(Delivery::Reliable, None, "t", &message);
                sent.await?;
            }
        }
        // Some of it came, and some of it is on its way.
        bob.call_again(at).await?;
    }
    for room in [&mut ann, &mut bob] {
        for number in 0..ROUNDS * EACH {
            let data = bytes(room).await?;
            let came = data.payload.first_chunk().map(|it| u32::from_be_bytes(*it));
            ensure!(data.payload == message(number), "{came:?} for {number}");
        }
    }
    // Nothing comes again after that.
    let sent = ann.send_data(Delivery::Reliable, None, "t", b"last");
    sent.await?;
    ensure!(bytes(&mut bob).await?.payload == b"last");
    let sent = bob.send_data(Delivery::Reliable, None, "t", b"last");
    sent.await?;
    ensure!(bytes(&mut ann).await?.payload == b"last");
    ann.leave().await?;
    bob.leave().await
}

/// What the server takes of them from a client (server/docs/limits.md): so many at once, and so many a second.
const LOSSY: (f64, f64) = (250.0, 500.0);

/// One sends more than may be, while the other reads nothing. Of what comes then nothing comes twice or after a newer
/// one.
#[tokio::test(flavor = "multi_thread")]
async fn lossy_bytes_never_grow_old() -> Result<()> {
    let dir = artefacts::fresh("natives_send_lossy_bytes")?;
    let server = Server::start(&dir, &["--shards", "2"]).await?;
    let at = server.address();
    let mut ann = NativeRoom::enter(at, "tea", "Ann", None, &[]).await?;
    let bob = NativeRoom::enter_for_data(at, "tea", "Bob", None).await?;
    let (mut newest, mut sent, mut came) = (0, 0_u16, 0_u16);
    let began = Instant::now();
    for burst in 1..=3 {
        let last = burst * 700;
        while newest <= last {
            // A burst, and then one after the other until one of them comes.
            let next = (sent + 1).max(last);
            ensure!(next < last + 600, "nearly all of them are lost");
            for number in sent + 1..=next {
                let number = number.to_be_bytes();
                let sent = bob.send_data(Delivery::Lossy, None, "cursor", &number);
                sent.await?;
            }
            sent = next;
            while let Ok(data) = timeout(Duration::from_millis(50), bytes(&mut ann)).await {
                let data = data?;
                ensure!((data.delivery, &data.topic[..]) == (Delivery::Lossy, "cursor"));
                let number = u16::from_be_bytes(data.payload[..].try_into()?);
                ensure!(newest < number && number <= sent, "{number} after {newest}");
                newest = number;
                came += 1;
            }
        }
    }
    // However slow this machine is. Where it sends them within three seconds, some are dropped.
    let most = LOSSY.0 + LOSSY.1 * began.elapsed().as_secs_f64();
    println!("{came} of {sent} came, of which {most:.0} may");
    ensure!(f64::from(came) <= most, "{came} of {sent}");
    ann.leave().await?;
    bob.leave().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_browser_sends_is_kept_and_a_browser_shows_it_again() -> Result<()> {
    let code = readme::javascript("A room in forty lines")?;
    let program = cargo::build(&["--workspace", "--example", "native_room"]).await?;
    scene("native_meets_browser", async |scene| {
        scene.open_lab().await?;
        scene.browser.paste(&code).await?;
        let at = scene.server.address();
        let mut listener = NativeRoom::enter(at, "kitchen", "Listener", None, &[]).await?;
        watch_other(&mut listener).await?;
        let [sounds, pictures] = keep(&mut listener, 100, 60).await?;
        let (ogg, ivf) = (scene.dir.join("kept.ogg"), scene.dir.join("kept.ivf"));
        sounds.write(&ogg)?;
        pictures.write(&ivf)?;
        listener.leave().await?;

        // The example does the rest: it publishes the files, says what it is told to, and keeps what comes.
        let prefix = scene.dir.join("again");
        let mut command = Command::new(&program);
        command
            .args([at, "kitchen", "--name", "Native", "--say", "Hello, browser"])
            .args([
                "--publish".as_ref(),
                ivf.as_path(),
                "--publish".as_ref(),
                &ogg,
            ])
            .args(["--record".as_ref(), prefix.as_path()]);
        let mut native = Process::spawn(&mut command, &scene.dir.join("native.log"))?;
        let moves = |frames: &serde_json::Value| frames.as_u64() > Some(20);
        scene.browser.until("its pictures", SHOWN, moves).await?;
        let reads = |text: &serde_json::Value| {
            let text = text.as_str().unwrap_or_default();
            text.contains("Native: Hello, browser")
        };
        let lines = "document.querySelector('body > pre:last-of-type').textContent";
        scene.browser.until("its words", lines, reads).await?;
        scene.browser.type_into("input", "Hello, file\n").await?;
        let words = |line: &str| line.contains("Hello, file").then_some(());
        native
            .line("the browser's words", wait::PATIENCE, words)
            .await?;
        // They begin with a keyframe, which may take longer than words do.
        for begun in ["Sound began", "Pictures began"] {
            let is_it = |line: &str| line.contains(begun).then_some(());
            native.line(begun, wait::PATIENCE, is_it).await?;
        }
        native.terminate()?;
        native.ended(wait::PATIENCE).await?;
        for kept in ["ivf", "ogg"] {
            let kept = Clip::read(&prefix.with_extension(kept))?;
            ensure!(
                !kept.frames.is_empty(),
                "nothing was kept of {:?}",
                kept.kind
            );
        }
        Ok(())
    })
    .await
}

/// The frames shown of the native client.
const SHOWN: &str = "document.querySelector('video[title=Native]')
    ?.getVideoPlaybackQuality().totalVideoFrames";

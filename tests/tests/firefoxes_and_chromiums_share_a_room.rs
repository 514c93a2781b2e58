//! Two Firefoxes and two Chromiums in one room, each with a picture and a tone of its own: everybody sees and hears
//! the other three, and the screen that one of them shows, until somebody leaves.

use anyhow::Result;
use ferrite_tests::{RoomPage, Seat, firefoxes_and_chromiums};
use serde_json::json;

/// What each brings: a colour to the left of their picture, and a tone in hertz.
const GUESTS: [(&str, &str, u32); 4] = [
    ("Ada", "#e00000", 440),
    ("Bo", "#00a000", 620),
    ("Cy", "#c0c000", 880),
    ("Di", "#00a0a0", 1240),
];

/// What Ada shows besides.
const SCREEN: (&str, u32) = ("#a000a0", 1760);

#[test]
fn firefox_and_chromium_two_of_each_see_and_hear_the_other_three() -> Result<()> {
    let (flags, options) = (["--shards", "2"], RoomPage::windows());
    firefoxes_and_chromiums(
        "mixed_room",
        &flags,
        &options,
        [GUESTS[1].2, GUESTS[3].2],
        async |[bo, di], [ada, cy], server| {
            let seats = [
                Seat::Chromium(ada),
                Seat::Firefox(bo),
                Seat::Chromium(cy),
                Seat::Firefox(di),
            ];
            for (seat, (name, colour, hertz)) in seats.into_iter().zip(GUESTS) {
                seat.open_lab(&server.url("/healthz")).await?;
                let brings = vec![json!(name), json!(colour), json!(hertz)];
                seat.run(ENTERS, brings).await?;
            }
            let everybody = GUESTS
                .map(|(name, colour, hertz)| json!([name, "camera", "microphone", colour, hertz]));
            for (own, seat) in seats.into_iter().enumerate() {
                let others = (0..4).filter(|other| *other != own);
                let others = others.map(|other| everybody[other].clone());
                seat.run(PERCEIVES, others.collect()).await?;
            }

            let (colour, hertz) = SCREEN;
            let shown = vec![json!(colour), json!(hertz)];
            seats[0].run(SHOWS, shown).await?;
            let screen = json!(["Ada", "screen", "screenAudio", colour, hertz]);
            for seat in &seats[1..] {
                // The camera beside it goes on.
                let all_of_ada = vec![screen.clone(), everybody[0].clone()];
                seat.run(PERCEIVES, all_of_ada).await?;
            }

            seats[0].run("await room.leave();", vec![]).await?;
            for seat in &seats[1..] {
                seat.run(MISSES, vec![json!("Ada")]).await?;
            }
            Ok(())
        },
    )
}

const ENTERS: &str = r"
    const [name, colour, hertz] = args;
    const { Room } = await import('/sdk/index.js');
    const room = window.room = new Room({ codec: 'VP8' });
    room.publish(lab.picture(160, 120, colour));
    // Firefox plays no tone without a loudspeaker, so that it is its microphone's.
    const { userAgent, mediaDevices } = navigator;
    const [sound] = userAgent.includes('Firefox')
        ? (await mediaDevices.getUserMedia({ audio: true })).getTracks() : [lab.tone(hertz)];
    room.publish(sound);
    const tiles = window.tiles = new Map();
    room.on('published', (it) => {
        if (it.kind !== 'video' || it.participant.isLocal) return;
        const tile = it.attach();
        tile.muted = true;
        document.body.append(tile);
        tiles.set(`${it.participant.name} ${it.source}`, tile);
        it.once('unpublished', () => {
            tile.remove();
            tiles.delete(`${it.participant.name} ${it.source}`);
        });
    });
    await room.connect({ room: 'kitchen', name });";

/// Waits until ten more frames of somebody's picture were shown, in their colour, and their tone is heard; of several
/// at once.
const PERCEIVES: &str = r"
    const look = async (name, sight, colour) => {
        const what = `${name}'s ${sight}`;
        const tile = await lab.until(`a tile of ${what}`, () => tiles.get(`${name} ${sight}`));
        // Firefox keeps the W3C's counter for files only.
        const frames = () => tile.mozPaintedFrames ?? tile.getVideoPlaybackQuality().totalVideoFrames;
        const before = frames();
        await lab.until(`frames of ${what}`, () => frames() >= before + 10);
        const wanted = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
        const { left } = lab.colours(tile);
        if (left.some((value, at) => Math.abs(value - wanted[at]) > 48)) {
            throw new Error(`${what} is in ${left}, not ${wanted}`);
        }
    };
    const listen = async (name, source, hertz) => {
        const somebody = [...room.participants.values()].find((it) => it.name === name);
        const track = await lab.until(`${name}'s ${source}`, () => somebody.from(source)?.track);
        let heard;
        await lab.until(`the tone of ${name}'s ${source}`, async () => {
            heard = await lab.frequency(new MediaStream([track]));
            return Math.abs(heard - hertz) < 12;
        }).catch((error) => { throw new Error(`${error.message}: ${heard} Hz, not ${hertz}`); });
    };
    await Promise.all(args.flatMap(([name, sight, sound, colour, hertz]) =>
        [look(name, sight, colour), listen(name, sound, hertz)]));";

const SHOWS: &str = r"
    const [colour, hertz] = args;
    room.publish(lab.picture(320, 180, colour), { key: 'screen', source: 'screen' });
    room.publish(lab.tone(hertz), { key: 'sound', source: 'screenAudio' });";

/// Waits until nothing is left of somebody, and the others go on.
const MISSES: &str = r"
    const [name] = args;
    const is = (tile) => tile.startsWith(`${name} `);
    await lab.until(`${name} to be gone`, () => ![...tiles.keys()].some(is)
        && ![...room.participants.values()].some((it) => it.name === name));
    lab.expect('whose tiles are left', tiles.size, 2);
    for (const [name, tile] of tiles) {
        const frames = () => tile.mozPaintedFrames ?? tile.getVideoPlaybackQuality().totalVideoFrames;
        const before = frames();
        await lab.until(`frames of ${name}`, () => frames() >= before + 10);
    }";

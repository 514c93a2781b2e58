//! What members of a room send one another is there in order, all of it and once, although peer connections end meanwhile:
//! programs in a real browser.

use anyhow::Result;
use ferrite_tests::network::{self, roaming};
use ferrite_tests::{BrowserOptions, Server, artefacts, scene, scene_on};

/// Keeps peer connections where a test can end them. What a program sends has a number first; what comes is kept by it.
const PROGRAM: &str = r"
    window.connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...about) {
            super(...about);
            connections.push(this);
        }
    };
    const { Room } = await import('/sdk/index.js');
    const { expect, rejected, until } = lab;
    const enter = async (name) => {
        const room = new Room();
        const came = [];
        const fates = [];
        room.on('bytes', ({ data }) => came.push(new DataView(data.buffer, data.byteOffset).getUint32(0)));
        await room.connect({ room: 'tea', name });
        let sent = 0;
        const send = (size) => {
            const bytes = new Uint8Array(size);
            new DataView(bytes.buffer).setUint32(0, sent++);
            fates.push(room.sendBytes(bytes));
        };
        return { room, came, fates, send, get sent() { return sent; } };
    };
    const numbers = (count) => Array.from({ length: count }, (_, n) => n);
";

#[tokio::test]
async fn programs_miss_nothing_and_get_nothing_twice_while_peer_connections_end() -> Result<()> {
    scene("bytes_cut", async |scene| {
        scene.expect_console_errors();
        scene.open_lab().await?;
        scene.run(&format!("{PROGRAM}{ROUNDS}")).await?;
        Ok(())
    })
    .await
}

const ROUNDS: &str = r"
    const ada = await enter('Ada');
    const ben = await enter('Ben');
    // Before there is a channel, too, but the other one's: until then nothing is kept there.
    await until('Ben to get something', () => { if (ben.came.length === 0) ada.send(40); return ben.came.length > 0; });
    await until('Ada to get something', () => { if (ada.came.length === 0) ben.send(40); return ada.came.length > 0; });
    const [first] = ben.came;
    const [firstBack] = ada.came;
    const both = [ada, ben];
    const pause = () => new Promise((resolve) => { setTimeout(resolve, 5); });
    for (const whose of [0, 1, 0, 1]) {
        const before = connections.length;
        for (let n = 0; n < 60; n += 1) {
            // Some of it fills the channel.
            for (const one of both) one.send(n % 5 ? 40 : 30_000);
            if (n % 6 === 0) await pause();
            // What is in its buffers and on its way is lost with it.
            if (n === 30) connections.filter((it) => it.connectionState === 'connected')[whose].close();
        }
        await until('another peer connection', () => connections.length > before);
        for (const one of both) one.send(40);
        await until('an open channel', () => connections.filter((it) => it.connectionState === 'connected').length === 2);
    }
    await until('all that Ada sent', () => ben.came.at(-1) === ada.sent - 1);
    await until('all that Ben sent', () => ada.came.at(-1) === ben.sent - 1);
    expect('what Ben got', ben.came, numbers(ada.sent).slice(first));
    expect('what Ada got', ada.came, numbers(ben.sent).slice(firstBack));
    for (const { fates } of both) await Promise.all(fates);

    for (const { room } of both) await room.leave();
";

/// A pointer that moves, among what has to come.
#[tokio::test]
async fn what_is_soon_old_is_sent_once_and_is_not_counted_with_what_has_to_come() -> Result<()> {
    scene("bytes_newest", async |scene| {
        scene.expect_console_errors();
        scene.open_lab().await?;
        scene.run(&format!("{PROGRAM}{NEWEST}")).await?;
        Ok(())
    })
    .await
}

const NEWEST: &str = r"
    const labels = [];
    const { send } = RTCDataChannel.prototype;
    RTCDataChannel.prototype.send = function (data) {
        // Shorter ones say what was received.
        if (data.byteLength > 16) labels.push(this.label);
        return send.call(this, data);
    };
    const ada = await enter('Ada');
    const ben = await enter('Ben');
    const points = [];
    ben.room.on('bytes', ({ topic, data, participant }) => { if (topic === 'pointer') points.push([participant.name, data.length]); });
    ben.came.length = 0;
    const move = (options) => ada.room.sendBytes(new Uint8Array(20), { topic: 'pointer', reliable: false, ...options });
    await until('a point', async () => { if (points.length === 0) await move(); return points.length > 0; });
    expect('the point', points[0], ['Ada', 20]);
    expect('where it went', [...new Set(labels)], ['ferrite.lossy']);
    await until('a point for Ben', async () => { await move({ to: [ben.room.localParticipant] }); return points.length > 9; });
    expect('where they went', [...new Set(labels)], ['ferrite.lossy']);
    // With its topic it is 10 bytes longer.
    await until('the longest', async () => {
        await ada.room.sendBytes(new Uint8Array(8192 - 10), { topic: 'pointer', reliable: false });
        return points.some(([, length]) => length === 8192 - 10);
    });
    const long = await rejected(ada.room.sendBytes(new Uint8Array(8192 - 9), { topic: 'pointer', reliable: false }));
    expect('what is too long', long.name, 'RangeError');

    // They have no numbers: what has to come does, over a cut, too, and nothing of it twice.
    const numbered = [];
    ben.room.on('bytes', ({ topic, data }) => { if (topic === '') numbered.push(data[0]); });
    for (let n = 0; n < 40; n += 1) {
        ada.room.sendBytes(new Uint8Array(20).fill(n));
        if (n % 2) await move();
        if (n === 20) connections.filter((it) => it.connectionState === 'connected')[1].close();
    }
    await until('the last', () => numbered.at(-1) === 39);
    expect('what had to come', numbered, numbers(40));
    for (const { room } of [ada, ben]) await room.leave();
";

#[tokio::test]
async fn what_was_not_sent_in_one_room_comes_in_no_other() -> Result<()> {
    scene("bytes_rooms", async |scene| {
        scene.expect_console_errors();
        scene.open_lab().await?;
        scene.run(ROOMS).await?;
        Ok(())
    })
    .await
}

/// The session goes on from room to room.
const ROOMS: &str = r"
    const { default: init, FerriteClient } = await import('/ferrite_client.js');
    const { packed, unpacked } = await import('/sdk/data.js');
    const { expect, rejected, until } = lab;
    await init();
    const [ada, cy] = [new FerriteClient(), new FerriteClient()];
    const came = [];
    const opened = [];
    ada.on('channelOpen', ({ resumed }) => opened.push(resumed));
    cy.on('message', (data) => came.push(new TextDecoder().decode(unpacked(data).payload)));
    const said = (text) => packed('', new TextEncoder().encode(text));
    expect('in no room', (await rejected(ada.send(said('early')))).code, 'notOpen');
    await cy.join({ room: 'garden' });
    await ada.join({ room: 'tea' });
    // There is no channel yet.
    await ada.send(said('tea'));
    expect('what is no message', (await rejected(ada.send(Uint8Array.of(1, 5)))).code, 'badData');
    expect('what is too long', (await rejected(ada.send(new Uint8Array(70_000)))).code, 'tooLarge');
    const closed = new Promise((resolve) => { ada.on('channelClose', resolve); });
    ada.peerConnection.close();
    // Its channel may still take what is lost with it.
    const lost = ['one', 'two'].map((text) => ada.send(said(text)));
    await closed;
    const waits = ['three', 'four'].map((text) => ada.send(said(text)));
    ada.leave();
    await Promise.allSettled(lost);
    for (const one of waits) expect('what became of it', (await rejected(one)).code, 'notOpen');
    await ada.join({ room: 'garden' });
    await until('a mark', () => { ada.send(said('mark')); return came.length > 0; });
    expect('what came', came.every((text) => text === 'mark'), true);
    expect('which channels went on', opened, [false, false]);
    ada.close();
    cy.close();
";

/// Nothing comes to two programs, which send all the while, until each has given up a peer connection.
#[test]
fn whose_network_is_gone_until_they_call_anew_misses_nothing_either() -> Result<()> {
    roaming(async |networks| {
        let dir = artefacts::fresh("bytes_network_gone")?;
        let server = Server::start_beyond(networks, &dir, &["--shards", "1"]).await?;
        let options = BrowserOptions {
            no_loopback: true,
            ..BrowserOptions::default()
        };
        scene_on(server, dir, &options, async |scene| {
            scene.expect_console_errors();
            scene.open_lab().await?;
            scene.run(&format!("{PROGRAM}{TALK}")).await?;
            network::drop_answers(scene.server.media_port())?;
            // The WebSockets work, and whatever else is tried does not help.
            scene.run(CALL_ANEW).await?;
            network::drop_nothing()?;
            scene.run(COMPARE).await?;
            Ok(())
        })
        .await
    })
}

const TALK: &str = r"
    const both = window.both = [await enter('Ada'), await enter('Ben')];
    window.sending = setInterval(() => { for (const one of both) one.send(1000); }, 40);
    await until('both to get something', () => both.every(({ came }) => came.length > 20));
    window.numbers = numbers;
";

const CALL_ANEW: &str = r"
    const first = connections.slice(0, 2);
    const areGivenUp = () => first.every((it) => it.signalingState === 'closed') && connections.length >= 4;
    await lab.until('other peer connections', areGivenUp, 60_000);
";

const COMPARE: &str = r"
    const { expect, until } = lab;
    await until('them to be connected', () => connections.filter((it) => it.connectionState === 'connected').length === 2);
    clearInterval(sending);
    for (const [one, other] of [both, both.toReversed()]) {
        await until('all of it', () => other.came.at(-1) === one.sent - 1);
        // Of what was said before both had a channel nobody promises anything.
        expect('what came', other.came, numbers(one.sent).slice(other.came[0]));
        await Promise.all(one.fates);
    }
    return both.map(({ sent }) => sent);
";

//! Programs send bytes and files through a room, as streams that hold up their sender, and over cuts.

use anyhow::Result;
use ferrite_tests::{firefox_lab, scene};

async fn play(name: &str, script: &str) -> Result<()> {
    scene(name, async |scene| {
        // A channel is cut.
        scene.expect_console_errors();
        scene.open_lab().await?;
        scene.run(&format!("{PROGRAMS}{script}")).await?;
        Ok(())
    })
    .await
}

/// Two programs on one page, and what one sends the other.
const PROGRAMS: &str = r"
    const channels = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        createDataChannel(...about) {
            const channel = super.createDataChannel(...about);
            channels.push(channel);
            return channel;
        }
    };
    const { FileError, Room } = await import('/sdk/index.js');
    const { expect, rejected, same, until } = lab;
    const [ada, ben] = [new Room(), new Room()];
    const offers = ben.events('file');
    const offered = async () => (await offers.next()).value;
    await ada.connect({ room: 'kitchen', name: 'Ada' });
    await until('a channel', () => channels.length === 1);
    await ben.connect({ room: 'kitchen', name: 'Ben' });
    const to = ada.participants.get(ben.localParticipant.id) ?? await until('Ben', () => ada.participants.get(ben.localParticipant.id));
    const noise = (bytes) => new Blob([lab.message(bytes, true)]);
    const read = (stream) => new Response(stream).arrayBuffer();
";

#[tokio::test]
async fn a_file_comes_as_it_was_although_its_channel_is_cut() -> Result<()> {
    play("program_files_cut", FILES).await
}

const FILES: &str = r"
    const file = new File([noise(3_000_000)], 'Tea & cake.bin');
    const told = [];
    const sent = ada.sendFile(file, { to });
    sent.on('progress', ({ received, size }) => told.push(received / size));
    const came = await offered();
    expect('what is offered', [came.name, came.size, came.state, came.participant.name], ['Tea & cake.bin', 3_000_000, 'offered', 'Ada']);
    const reader = came.accept().getReader();
    expect('a second answer', (await rejected((async () => came.accept())())).name, 'InvalidStateError');
    const parts = [];
    let bytes = 0;
    const more = async (most) => {
        while (bytes < most) {
            const { value, done } = await reader.read();
            if (done) return;
            parts.push(value);
            bytes += value.length;
        }
    };
    await more(600_000);
    channels[0].close();
    await more(Infinity);
    await Promise.all([sent.done, came.done]);
    expect('how many channels there were', channels.length > 2, true);
    expect('what came', same(await new Blob(parts).arrayBuffer(), await file.arrayBuffer()), true);
    expect('how it is', [sent.state, came.state, sent.received, came.isOver], ['complete', 'complete', 3_000_000, true]);
    expect('what was told of it', [told.length > 5, told.at(-1), told.every((it, at) => at === 0 || told[at - 1] < it || it < 0.3)], [true, 1, true]);

    const none = ada.sendFile(new Blob([]), { to, name: 'a/path/of/nothing' });
    const nothing = await offered();
    expect('its name', nothing.name, 'a_path_of_nothing');
    expect('nothing', (await read(nothing.accept())).byteLength, 0);
    await none.done;
    await Promise.all([ada.leave(), ben.leave()]);
";

#[tokio::test]
async fn who_does_not_read_holds_up_the_sender_and_either_may_stop() -> Result<()> {
    play("program_files_wait", WAITS).await
}

const WAITS: &str = r"
    const bytes = [];
    ben.on('bytes', ({ topic, participant, data, isPrivate }) => bytes.push([topic, participant.name, [...data], isPrivate]));
    const large = ada.sendFile(noise(20_000_000), { to, name: 'large' });
    const came = await offered();
    const reader = came.accept().getReader();
    await until('a window of it', () => came.received >= 1_000_000);
    // What is said after it on the same channel comes after it: it has stopped.
    for (const at of [1, 2, 3]) {
        await ada.sendBytes(Uint8Array.of(at), { topic: 'mark', to: [to] });
        await until('a mark', () => bytes.length === at);
    }
    expect('how much came', came.received < 1_600_000, true);
    expect('what was said', bytes[0], ['mark', 'Ada', [1], true]);
    await ada.sendBytes(new Uint8Array([7, 8, 9]).subarray(1));
    await until('what is for all', () => bytes.length === 4);
    expect('what is for all', bytes[3], ['', 'Ada', [8, 9], false]);
    const before = came.received;
    for (let taken = 0; taken < 1_000_000;) taken += (await reader.read()).value.length;
    await until('more of it', () => came.received > before);
    await reader.cancel();
    expect('what became of it', [(await rejected(came.done)).code, (await rejected(large.done)).code], ['stopped', 'stopped']);

    const declined = ada.sendFile(noise(10), { to });
    (await offered()).cancel();
    const error = await rejected(declined.done);
    expect('declined', [error instanceof FileError, error.code, declined.state], [true, 'refused', 'refused']);
    const stop = new AbortController();
    const aborted = ada.sendFile(noise(20_000_000), { to, signal: stop.signal });
    const stream = (await offered()).accept();
    const failing = rejected(read(stream));
    stop.abort();
    expect('aborted', [(await rejected(aborted.done)).code, (await failing) instanceof Error], ['stopped', true]);
    expect('to oneself', (await rejected((async () => ada.sendFile(noise(1), { to: ada.localParticipant }))())).name, 'NotFoundError');
    const crowd = Array.from({ length: 256 }, () => to);
    expect('too many', (await rejected(ada.sendBytes(Uint8Array.of(1), { to: crowd }))) instanceof RangeError, true);
    expect('too large', (await rejected(ada.sendBytes(new Uint8Array(70_000)))) instanceof RangeError, true);
    const late = ada.sendFile(noise(20_000_000), { to });
    (await offered()).accept();
    await ben.leave();
    expect('who left', (await rejected(late.done)).code, 'stopped');
    await ada.leave();
";

#[tokio::test]
async fn what_others_offer_and_send_is_named_and_bounded() -> Result<()> {
    play("program_files_unruly", UNRULY).await
}

/// Ada sends what no `Room` would say.
const UNRULY: &str = r"
    const { heard, said, unpacked } = await import('/sdk/data.js');
    const answers = [];
    channels[0].addEventListener('message', ({ data }) => {
        const message = typeof data !== 'string' && unpacked(data);
        if (message?.topic === 'file') answers.push(heard(message.payload));
    });
    const tell = (...about) => ada.sendBytes(said(...about), { topic: 'file', to: [to] });
    const answer = (id, what) => until(`${what} to ${id}`, () => answers.find((it) => it.id === id && it.what === what));
    const text = new TextEncoder();
    for (const [name, expected] of [['../../tea', '.._.._tea'], ['a\\b\nc', 'a_b_c'], ['..', 'file'], ['', 'file'], ['\u00e4'.repeat(200), '\u00e4'.repeat(127)]]) {
        ada.sendFile(new Blob([]), { to, name });
        const came = await offered();
        expect('what it is called', came.name, expected);
        came.cancel();
    }
    const names = ['', '..', '../tea', 'a\\b', 'a\nb', 'x'.repeat(256)].map((it) => text.encode(it));
    for (const [at, name] of [...names, Uint8Array.of(0xff)].entries()) {
        await tell('offer', BigInt(at), 3, name);
        expect(`an answer to ${at}`, [...(await answer(BigInt(at), 'cancel')).rest], [1]);
    }

    const [size, room, chunk] = [20_000_000, 1024 * 1024, 48 * 1024];
    // Her room knows nothing of this file, and would stop it.
    const { send } = RTCDataChannel.prototype;
    channels[0].send = function (data) {
        const isCancel = data.length < 60 && data.at(-10) === 7;
        if (!isCancel) send.call(this, data);
    };
    await tell('offer', 100n, size, text.encode('flood'));
    const flood = await offered();
    const stream = flood.accept();
    await answer(100n, 'accept');
    for (let at = 0; at < 4 * room && !flood.isOver; at += chunk) {
        await tell('chunk', 100n, at, new Uint8Array(chunk));
        // Asking does not make place.
        await tell('offer', 100n, size, text.encode('flood'));
    }
    await until('an end', () => flood.isOver);
    expect('a reason', (await rejected(flood.done)).code, 'failed');
    expect('how much came', [flood.received > room, flood.received <= 2 * room + chunk], [true, true]);
    expect('how far it was asked for', answers.filter((it) => it.id === 100n && it.what === 'accept').every((it) => it.number < room), true);
    await rejected(stream.getReader().read());
    delete channels[0].send;

    await offers.return();
    expect('nobody listens', (await rejected(ada.sendFile(noise(1), { to }).done)).code, 'refused');
    await Promise.all([ada.leave(), ben.leave()]);
";

#[tokio::test]
async fn both_ends_keep_to_the_window_and_pile_up_no_answers() -> Result<()> {
    play("program_files_rules", RULES).await
}

const RULES: &str = r"
    const { heard, said } = await import('/sdk/data.js');
    const { Receiving, Sending } = await import('/sdk/files.js');
    const steps = (end) => {
        const taken = [];
        for (let step = end.step(); step; step = end.step()) taken.push(heard(step));
        return taken.map(({ what, number }) => [what, number]);
    };
    const [size, chunk, room] = [3_000_000, 48 * 1024, 1024 * 1024];
    const end = new Receiving(1n, size, 'tea');
    const hear = (...about) => end.hear(heard(said(about[0], 1n, ...about.slice(1))), 0);
    end.accept(0);
    expect('a first question', steps(end), [['accept', 0]]);
    for (let at = 0; at < room; at += chunk) hear('chunk', at, new Uint8Array(chunk));
    const { received } = end;
    end.reconnected(0);
    hear('offer', size, new Uint8Array(1));
    end.tick(60_000);
    expect('no place', steps(end), []);
    end.used(chunk, 60_000);
    expect('place', steps(end), [['accept', received]]);
    end.used(received, 60_000);
    expect('what the sender knows', steps(end), []);
    end.cancel('stopped');
    for (let at = 0; at < 100; at += 1) hear('offer', size, new Uint8Array(1));
    expect('one answer', steps(end), [['cancel', undefined]]);
    hear('progress', 0);
    expect('no answer', steps(end), []);
    const sending = new Sending(2n, size, 'tea');
    sending.cancelled([0]);
    expect('an end without a reason', sending.state, 'stopped');
    await Promise.all([ada.leave(), ben.leave()]);
";

#[test]
fn firefox_sends_and_gets_files() -> Result<()> {
    firefox_lab("firefox_files", async |firefox| {
        let script = format!("{{ {PROGRAMS}{FIREFOX} }}");
        firefox.run(&script, vec![]).await.map(drop)
    })
}

const FIREFOX: &str = r"
    const sent = ada.sendFile(noise(2_000_000), { to });
    const came = await read((await offered()).accept());
    await sent.done;
    expect('what came', same(came, await noise(2_000_000).arrayBuffer()), true);
    await Promise.all([ada.leave(), ben.leave()]);
";

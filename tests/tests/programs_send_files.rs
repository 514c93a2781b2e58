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
    const [channels, short] = [[], []];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        createDataChannel(...about) {
            const channel = super.createDataChannel(...about);
            // A file has nothing to do with the other one.
            if (channel.label === 'ferrite.lossy') return channel;
            channels.push(channel);
            channel.addEventListener('message', ({ data }) => { if (data.byteLength < 100) short.push(data); });
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
    const sent = ada.sendFile(file, { to, topic: 'recipe' });
    sent.on('progress', ({ received, size }) => told.push(received / size));
    const came = await offered();
    expect('what is offered', [came.name, came.size, came.state, came.participant.name], ['Tea & cake.bin', 3_000_000, 'offered', 'Ada']);
    expect('what it is about', [sent.topic, came.topic], ['recipe', 'recipe']);
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
    const { heard, unpacked } = await import('/sdk/data.js');
    const answers = short.map(unpacked).filter((it) => it?.topic === 'file').map(({ payload }) => heard(payload).what);
    expect('how often it was asked for', answers.filter((what) => what === 'accept').length, 1);
    expect('what came', same(await new Blob(parts).arrayBuffer(), await file.arrayBuffer()), true);
    expect('how it is', [sent.state, came.state, sent.received, came.isOver], ['complete', 'complete', 3_000_000, true]);
    expect('what was told of it', [told.length > 5, told.at(-1), told.every((it, at) => at === 0 || told[at - 1] < it || it < 0.3)], [true, 1, true]);

    const none = ada.sendFile(new Blob([]), { to, name: 'a/path/of/nothing' });
    const nothing = await offered();
    expect('its name and topic', [nothing.name, nothing.topic], ['a_path_of_nothing', '']);
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
async fn a_file_goes_to_a_disk_no_faster_than_that_takes_it() -> Result<()> {
    play("program_files_disk", DISK).await
}

/// What there is of disks without a person to choose a place: the page's own. Ben's is as slow as the test wants.
const DISK: &str = r"
    const places = await navigator.storage.getDirectory();
    const place = await places.getFileHandle('large.bin', { create: true });
    const file = await place.createWritable();
    const writer = file.getWriter();
    let [written, most, came, goOn] = [0, 0, null, null];
    const gate = new Promise((go) => { goOn = go; });
    const closing = Promise.withResolvers();
    let isClosing = false;
    const slow = new WritableStream({
        async write(bytes) {
            if (written > 500_000) await gate;
            most = Math.max(most, came.received - written);
            await writer.write(bytes);
            written += bytes.length;
        },
        async close() {
            isClosing = true;
            await closing.promise;
            await writer.close();
        },
        abort: (why) => writer.abort(why),
    });
    const noise5 = noise(5_000_000);
    const sent = ada.sendFile(noise5, { to });
    came = await offered();
    const saved = came.saveTo(slow);
    await until('a window of it', () => came.received >= 1_000_000);
    const marks = [];
    ben.on('bytes', ({ data }) => marks.push(data[0]));
    for (const at of [1, 2, 3]) {
        await ada.sendBytes(Uint8Array.of(at), { to: [to] });
        await until('a mark', () => marks.length === at);
    }
    expect('how much came', [came.received < 2_200_000, (await place.getFile()).size], [true, 0]);
    goOn();
    await until('the disk to be closed', () => isClosing);
    // What was said before this is heard before it.
    const heard = [];
    ada.on('bytes', ({ data }) => heard.push(data[0]));
    await ben.sendBytes(Uint8Array.of(9), { to: [ada.localParticipant.id] });
    await until('a mark of his', () => heard.length === 1);
    expect('until it is closed', [sent.state, came.state], ['active', 'active']);
    closing.resolve();
    await Promise.all([saved, sent.done, came.done]);
    expect('what waited at most', most < 2_200_000, true);
    expect('what is there', same(await (await place.getFile()).arrayBuffer(), await noise5.arrayBuffer()), true);
    expect('a second time', (await rejected(came.saveTo(slow))).name, 'InvalidStateError');
    let why = null;
    const unused = new WritableStream({ abort(error) { why = error; } });
    const early = ada.sendFile(noise(10), { to });
    const withdrawn = await offered();
    early.cancel();
    await until('the end of what was offered', () => withdrawn.isOver);
    const tooLate = await rejected(withdrawn.saveTo(unused));
    expect('what was stopped before', [tooLate.name, why === tooLate, withdrawn.state], ['InvalidStateError', true, 'stopped']);

    const other = await places.getFileHandle('other.bin', { create: true });
    const stopped = ada.sendFile(noise(20_000_000), { to });
    const coming = await offered();
    const saving = rejected(coming.saveTo(await other.createWritable()));
    await until('some of it', () => coming.received > 100_000);
    stopped.cancel();
    expect('what the sender stopped', [(await saving).code, (await other.getFile()).size], ['stopped', 0]);
    const full = new WritableStream({ write() { throw new DOMException('', 'QuotaExceededError'); } });
    const refused = ada.sendFile(noise(1_000_000), { to });
    expect('no place', (await rejected((await offered()).saveTo(full))).name, 'QuotaExceededError');
    expect('what the sender is told', (await rejected(refused.done)).code, 'failed');
    const unclosed = new WritableStream({ close() { throw new DOMException('', 'QuotaExceededError'); } });
    const almost = ada.sendFile(noise(10), { to });
    expect('no place at the end', (await rejected((await offered()).saveTo(unclosed))).name, 'QuotaExceededError');
    expect('what the sender is told at the end', (await rejected(almost.done)).code, 'failed');

    const [isLast, last] = [Promise.withResolvers(), Promise.withResolvers()];
    ada.sendFile(noise(10), { to });
    const kept = await offered();
    const keeping = kept.saveTo(new WritableStream({ close() { isLast.resolve(); return last.promise; } }));
    await isLast.promise;
    const { id } = ada.localParticipant;
    await ada.leave();
    await until('her end', () => !ben.participants.has(id));
    expect('whose sender left when all was there', kept.state, 'active');
    last.resolve();
    await keeping;
    expect('what is kept', kept.state, 'complete');
    await ben.leave();
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
    const topics = ['tea\0', `tea\0${'x'.repeat(65)}`].map((it) => text.encode(it));
    const long = { to, topic: '\u00e4'.repeat(33) };
    expect('a topic that is too long', (await rejected((async () => ada.sendFile(new Blob([]), long))())).name, 'RangeError');
    for (const [at, name] of [...names, ...topics, Uint8Array.of(0xff)].entries()) {
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

#[tokio::test]
async fn no_more_is_asked_for_at_a_time_than_a_server_keeps() -> Result<()> {
    play("program_files_many", MANY).await
}

/// Ben's end alone, and what a server would tell it.
const MANY: &str = r"
    const { heard, packed, said } = await import('/sdk/data.js');
    const { Transfers } = await import('/sdk/transfers.js');
    const [asked, came] = [[], []];
    const own = packed('file', new Uint8Array(0), ['p']).length;
    const send = async (bytes) => asked.push(heard(bytes.subarray(own)));
    const files = new Transfers(send, (file) => came.push(file));
    const people = new Map([['p', { id: 'p' }]]);
    const hear = (...about) => {
        const message = packed('file', said(...about), ['p']);
        // From one instead of to one: a name less to count.
        files.hear(Uint8Array.of(1, 4, ...message.subarray(3)).buffer, people);
    };
    const [size, room, chunk] = [3_000_000, 1024 * 1024, 48 * 1024];
    const accepts = () => asked.filter(({ what }) => what === 'accept').map(({ id }) => Number(id));
    const settled = () => new Promise((resolve) => { setTimeout(resolve); });
    files.opened(false);
    for (const id of [1n, 2n, 3n, 4n]) hear('offer', id, size, new TextEncoder().encode('tea'));
    const streams = came.map((file) => file.accept());
    await settled();
    expect('what is asked for', accepts(), [1, 2]);
    let at = 0;
    for (; at < room; at += chunk) hear('chunk', 1n, at, new Uint8Array(chunk));
    await settled();
    expect('what is asked for beside one that nobody reads', accepts(), [1, 2, 3]);
    const reader = streams[0].getReader();
    for (let read = 0; read < 900_000;) read += (await reader.read()).value.length;
    await settled();
    const reports = () => asked.filter(({ what, id }) => what === 'progress' && id === 1n);
    expect('no place for more of it', reports(), []);
    came[2].cancel();
    hear('cancel', 2n, undefined, Uint8Array.of(2));
    await until('place', () => reports().length > 0);
    await until('the last', () => accepts().includes(4));
    files.gone();
    await Promise.all([ada.leave(), ben.leave()]);
";

#[tokio::test]
async fn no_file_waits_for_others_whose_senders_say_nothing() -> Result<()> {
    play("program_files_dead", DEAD).await
}

/// Ben's end alone, with a clock of its own: of two files nothing comes.
const DEAD: &str = r"
    const { heard, packed, said } = await import('/sdk/data.js');
    const { Transfers } = await import('/sdk/transfers.js');
    const clock = performance.now.bind(performance);
    let later = 0;
    performance.now = () => clock() + later;
    const [asked, came] = [[], []];
    const own = packed('file', new Uint8Array(0), ['p']).length;
    const files = new Transfers(async (bytes) => asked.push(heard(bytes.subarray(own))), (file) => came.push(file));
    const people = new Map([['p', { id: 'p' }]]);
    const hear = (...about) => {
        const message = packed('file', said(...about), ['p']);
        files.hear(Uint8Array.of(1, 4, ...message.subarray(3)).buffer, people);
    };
    const [size, room, chunk] = [3_000_000, 1024 * 1024, 48 * 1024];
    const tea = new TextEncoder().encode('tea');
    const of = (id, what) => asked.filter((it) => it.id === id && it.what === what).length;
    files.opened(false);
    // The last of them comes whole, and at once.
    for (const id of [1n, 2n, 3n, 4n]) hear('offer', id, id === 4n ? chunk : size, tea);
    const streams = came.map((file) => file.accept());
    await until('what is asked for', () => of(2n, 'accept') === 1);
    later += 10_500;
    await until('the dead to be asked again', () => of(1n, 'accept') > 1 && of(2n, 'accept') > 1);
    await until('the others', () => of(3n, 'accept') > 0 && of(4n, 'accept') > 0);
    // They come to life although there is no place for them any more.
    for (const id of [1n, 2n]) for (let at = 0; at < room / 2; at += chunk) hear('chunk', id, at, new Uint8Array(chunk));
    hear('chunk', 4n, 0, new Uint8Array(chunk));
    hear('done', 4n, undefined, new Uint8Array(await crypto.subtle.digest('SHA-256', new Uint8Array(chunk))));
    expect('what came of the last', came[3].state, 'complete');
    const reader = streams[3].getReader();
    while (!(await reader.read()).done);
    await until('it to be said', () => of(4n, 'verified') > 0);
    files.gone();
    performance.now = clock;
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

//! The JavaScript class does what its TypeScript definitions say, on a page that is not the app.

use anyhow::Result;
use ferrite_tests::scene;

#[tokio::test]
async fn it_calls_sends_measures_and_hangs_up() -> Result<()> {
    scene("class_calls", async |scene| {
        scene.open_lab().await?;
        scene.run(&format!("{CLIENT}{CALL}")).await?;
        Ok(())
    })
    .await
}

const CLIENT: &str = r"
    const { default: init, FerriteClient } = await import('/ferrite_client.js');
    await init();
    const { rejected, expect } = lab;
";

const CALL: &str = r"
    const client = new FerriteClient({ codec: 'VP9' });
    const [messages, tracks, phases] = [[], [], []];
    client.on('message', (data) => messages.push(data));
    client.on('track', ({ track }) => tracks.push(track));
    client.on('status', ({ phase }) => phases.push(phase));
    expect('the phase before', client.status.phase, 'idle');
    expect('an error for sending too early', (await rejected(client.send('early'))).name, 'FerriteError');

    await client.start(new MediaStream([lab.picture(), lab.tone(440)]));
    expect('the phase in a call', client.status.phase, 'connected');
    const of = (kind) => new MediaStream(tracks.filter((track) => track.kind === kind));
    await lab.hears(lab.ear(of('audio')), 440);
    lab.eye(of('video'));

    const sent = ['', 'hello', lab.message(1000, true), lab.message(100_000, true)];
    for (const message of sent) await client.send(message);
    await lab.until('all messages', () => messages.length === sent.length);
    sent.forEach((message, n) => expect(`message ${n}`, lab.same(message, messages[n]), true));
    const tooLarge = await rejected(client.send(new Uint8Array(300_000)));
    expect('the code for a message too large', tooLarge.code, 'tooLarge');

    await lab.until('statistics', async () => {
        const { sent, received, path } = await client.stats();
        return sent.video?.bitrate > 0 && received.video?.codec?.includes('VP9') && path?.remote;
    });

    client.hangUp();
    await lab.until('the end of the call', () => client.status.phase === 'idle');
    await client.start();
    expect('the phase in a second call', client.status.phase, 'connected');
    await client.send('again');
    client.close();
    await lab.until('the end of the client', () => client.status.phase === 'closed');
    if (!phases.includes('connected')) throw new Error(`told only of ${phases}`);
";

#[tokio::test]
async fn it_refuses_nonsense_with_words() -> Result<()> {
    scene("class_refuses", async |scene| {
        scene.open_lab().await?;
        scene.run(&format!("{CLIENT}{NONSENSE}")).await?;
        Ok(())
    })
    .await
}

const NONSENSE: &str = r"
    const nowhere = await rejected((async () => new FerriteClient({ url: 'not an address' }))());
    if (!nowhere.message) throw new Error('no words for an address that is none');
    const client = new FerriteClient();
    const error = await rejected(client.send({ an: 'object' }));
    if (!error.message) throw new Error('no words for an object');
    client.close();
    expect('an error after the end', (await rejected(client.start())).code, 'closed');
";

#[tokio::test]
async fn its_definitions_name_what_it_has() -> Result<()> {
    scene("class_definitions", async |scene| {
        scene.open_lab().await?;
        let members = scene.run(&format!("{CLIENT}{MEMBERS}")).await?;
        println!("{members}");
        Ok(())
    })
    .await
}

/// What the definitions declare in their class and in the interface of its name, and what the
/// class has, but for the glue's own.
const MEMBERS: &str = r"
    const text = await (await fetch('/ferrite_client.d.ts')).text();
    const blocks = [...text.matchAll(/^export (?:class|interface) FerriteClient \{$(.*?)^\}$/gms)];
    const declared = blocks.flatMap(([, body]) =>
        [...body.matchAll(/^ +(?:readonly )?(\w+)[(<:]/gm)].map(([, name]) => name));
    const has = Object.getOwnPropertyNames(FerriteClient.prototype)
        .filter((name) => !name.startsWith('__'));
    const list = (names) => [...new Set(names)].sort().join(' ');
    expect('the list of what the class has', list(has), list(declared));
    if (has.length < 10) throw new Error(`only ${list(has)}`);
    return list(has);
";

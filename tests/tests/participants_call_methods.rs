//! Participants call methods of each other: the rules in virtual time, and two pages in a room.

use anyhow::Result;
use ferrite_tests::{RoomPage, scene, scene_with};
use serde_json::json;

async fn rules(name: &str, script: &str) -> Result<()> {
    scene(name, async |scene| {
        scene.open_lab().await?;
        scene.run(&format!("{RULES}{script}")).await?;
        Ok(())
    })
    .await
}

/// Two ends without a room between them.
const RULES: &str = r"
    const { Calls, RpcError } = await import('/sdk/calls.js');
    const { expect, rejected } = lab;
    const [ada, ben] = [new Calls('a1'), new Calls('b1')];
    const thrown = (act) => rejected((async () => act())());
    const call = (payload, now = 0, within = 100) => ada.call('ben', 'greet', payload, now, within);
    const code = (action) => [action?.settle, action?.error?.code];
";

#[tokio::test]
async fn a_call_that_comes_again_runs_once() -> Result<()> {
    rules("rpc_once", ONCE).await
}

const ONCE: &str = r"
    const { number, text } = call('tea');
    const { run, method, payload } = ben.hear('ada', text, 0);
    expect('what runs', [method, payload], ['greet', 'tea']);
    expect('again', ben.hear('ada', text, 0), null);
    const { to, text: result } = ben.answer(run, { payload: 'yes' });
    expect('after it was done', ben.hear('ada', text, 0), null);
    expect('to whom', to, 'ada');
    expect('a result of somebody else', ada.hear('eve', result, 0), null);
    expect('the result', ada.hear('ben', result, 0), { settle: number, payload: 'yes' });
    expect('the result again', ada.hear('ben', result, 0), null);

    const [second, third] = [call('two'), call('three')];
    expect('out of order', [third, second, third].map((it) => ben.hear('ada', it.text, 0)?.payload), ['three', 'two', undefined]);
    const later = JSON.stringify({ call: 1000, by: 'a1', method: 'greet', within: 1 });
    expect('a later one', ben.hear('ada', later, 0).method, 'greet');
    expect('one from long ago', ben.hear('ada', text.replace('1', '4'), 0), null);
    expect('of a caller that came anew', ben.hear('ada', text.replace('a1', 'a2'), 0).payload, 'tea');
    expect('of somebody else', ben.hear('eve', text, 0).payload, 'tea');
";

#[tokio::test]
async fn nothing_waits_longer_than_it_was_to() -> Result<()> {
    rules("rpc_late", LATE).await
}

const LATE: &str = r"
    const { number, text } = call('tea', 50, 100);
    const { run } = ben.hear('ada', text, 60);
    expect('when', [ada.due, ben.due], [150, 160]);
    expect('early', [ada.expire(149), ben.expire(159)], [[], []]);
    expect('who waited', ada.expire(150).map(code), [[number, 'timeout']]);
    expect('what ran', ben.expire(160), [{ stop: run }]);
    expect('an answer that is late', ben.answer(run, {}), null);
    expect('when nothing is', [ada.due, ben.due], [Infinity, Infinity]);

    const next = call('tea');
    const running = ben.hear('ada', next.text, 0);
    const cancel = ada.abandon(next.number);
    expect('a cancel twice', ada.abandon(next.number), null);
    expect('of somebody else', ben.hear('eve', cancel.text, 0), null);
    expect('a cancel', ben.hear('ada', cancel.text, 0), { stop: running.run });

    const last = call('tea');
    const stopped = ben.hear('ada', last.text, 0);
    expect('who is gone', ada.gone('ben').map(code), [[last.number, 'gone']]);
    expect('for whom it ran', ben.gone('ada'), [{ stop: stopped.run }]);
    expect('nobody', [ada.gone('eve'), ben.gone('ada')], [[], []]);
";

#[tokio::test]
async fn what_is_too_much_is_refused_with_a_code() -> Result<()> {
    rules("rpc_limits", LIMITS).await
}

const LIMITS: &str = r"
    expect('a large call', (await thrown(() => call('x'.repeat(16_384)))).code, 'tooLarge');
    expect('no name', (await thrown(() => ada.call('ben', '', 1, 0, 1))) instanceof TypeError, true);
    const { Rpc } = await import('/sdk/rpc.js');
    for (const timeout of [NaN, Infinity, '7', null]) {
        const wrong = await rejected(new Rpc(async () => {}).call('ben', 'greet', 1, { timeout }));
        expect(`to wait ${timeout}`, wrong instanceof TypeError, true);
    }
    const calls = Array.from({ length: 64 }, () => call('tea'));
    expect('one more', (await thrown(() => call('tea'))).code, 'full');
    const heard = calls.map(({ text }) => ben.hear('ada', text, 0));
    expect('how many run', heard.filter((it) => it.run).length, 32);
    const refused = heard.at(-1).say;
    const stopped = heard[2].run;
    const cancel = ada.abandon(calls[2].number);
    expect('one that is to stop', ben.hear('ada', cancel.text, 0), { stop: stopped });
    expect('one more while it has not', ben.hear('ada', call('tea').text, 0).say.to, 'ada');
    expect('what it says', ben.answer(stopped, {}), null);
    const more = ada.abandon(calls[40].number) && call('tea');
    expect('one more when it has', ben.hear('ada', more.text, 0).method, 'greet');
    expect('the refusal', code(ada.hear('ben', refused.text, 0)), [calls.at(-1).number, 'full']);
    const large = ben.answer(heard[0].run, { payload: 'x'.repeat(16_384) });
    expect('a large result', code(ada.hear('ben', large.text, 0)), [calls[0].number, 'tooLarge']);
    const long = ben.answer(heard[1].run, { error: new RpcError('c'.repeat(99), 'm'.repeat(9999)) });
    const { error } = ada.hear('ben', long.text, 0);
    expect('a long error', [error.code.length, error.message.length], [64, 512]);
    const none = ['', '{', 'null', '7', '[]', '{}', '{\x22call\x22:1}', '{\x22call\x22:1,\x22by\x22:7}',
        '{\x22call\x22:-1,\x22by\x22:\x22a\x22}', '{\x22call\x22:1,\x22by\x22:\x22a\x22,\x22method\x22:{}}',
        '{\x22call\x22:1,\x22by\x22:\x22a\x22,\x22method\x22:\x22m\x22}', '{\x22result\x22:1,\x22by\x22:\x22a1\x22}',
        ...['true', '[]', '\x227\x22', '1e999', 'null', '-1'].map((within) =>
            `{\x22call\x22:1,\x22by\x22:\x22a\x22,\x22method\x22:\x22m\x22,\x22within\x22:${within}}`),
        '{\x22result\x22:{},\x22by\x22:\x22a1\x22}', '{\x22cancel\x22:1,\x22by\x22:\x22a1\x22}'];
    for (const text of none) expect(text, ada.hear('eve', text, 0), null);
";

#[tokio::test]
async fn two_pages_call_each_other() -> Result<()> {
    let windows = RoomPage::windows();
    scene_with("rpc_pages", &["--shards", "1"], &windows, async |scene| {
        // It speaks to a socket that is being cut.
        scene.expect_console_errors();
        let browser = &scene.browser;
        let page = scene.server.url("/healthz");
        let callee = browser.open_window(&page).await?;
        browser.run(CALLEE, vec![]).await?;
        browser.open_window(&page).await?;
        scene.load_lab().await?;
        scene.run(CALLER).await?;
        browser.switch_to(&callee).await?;
        let ran = browser.run("return window.ran;", vec![]).await?;
        anyhow::ensure!(
            ran == json!({ "greet": 1, "count": 1, "wait": 2, "throw": 1, "refuse": 1 }),
            "{ran}"
        );
        Ok(())
    })
    .await
}

const CALLEE: &str = r"
    const { Room, RpcError } = await import('/sdk/index.js');
    const room = new Room();
    window.ran = {};
    window.stopped = 0;
    const handle = (method, handler) => room.handle(method, (payload, call) => {
        ran[method] = (ran[method] ?? 0) + 1;
        return handler(payload, call);
    });
    handle('greet', ({ name }, { participant }) => `${participant.name} greets ${name}`);
    handle('count', () => window.stopped);
    handle('wait', (_, { signal }) => new Promise(() => signal.addEventListener('abort', () => { stopped += 1; })));
    handle('throw', () => { throw new Error('a secret of mine'); });
    handle('refuse', () => { throw new RpcError('busy', 'come back later'); });
    addEventListener('error', (event) => event.preventDefault());
    await room.connect({ room: 'kitchen', name: 'Ben' });
";

const CALLER: &str = r"
    const sockets = lab.collectSockets();
    const { Room } = await import('/sdk/index.js');
    const { expect, rejected, until } = lab;
    const room = new Room();
    const heard = [];
    room.on('said', ({ text }) => heard.push(text));
    await room.connect({ room: 'kitchen', name: 'Ada' });
    const ben = [...room.participants.values()].find((it) => it.name === 'Ben');
    // The server may or may not have taken it.
    const greeting = room.call(ben, 'greet', { name: 'Zoë' });
    await new Promise(requestAnimationFrame);
    sockets[0].close(4002);
    expect('over a cut', await greeting, 'Ada greets Zoë');

    const late = await rejected(room.call(ben, 'wait', null, { timeout: 100 }));
    expect('late', [late.name, late.code], ['RpcError', 'timeout']);
    const stop = new AbortController();
    const waiting = rejected(room.call(ben, 'wait', null, { signal: stop.signal }));
    stop.abort(new Error('enough'));
    expect('stopped', (await waiting).message, 'enough');
    const failed = await rejected(room.call(ben, 'throw'));
    expect('failed', [failed.code, failed.message], ['failed', 'the method failed']);
    const refused = await rejected(room.call(ben, 'refuse'));
    expect('refused', [refused.code, refused.message], ['busy', 'come back later']);
    expect('unknown', (await rejected(room.call(ben, 'sing'))).code, 'unknownMethod');
    expect('what the methods were told', await room.call(ben, 'count'), 2);
    expect('nobody', (await rejected(room.call('nobody', 'greet', null, { timeout: 100 }))).code, 'timeout');
    expect('what is no JSON', (await rejected(room.call(ben, 'greet', 1n))) instanceof TypeError, true);
    expect('what is said besides', heard, []);

    const leaving = rejected(room.call(ben, 'sing'));
    await room.leave();
    expect('left', (await leaving).code, 'interrupted');
    expect('outside', (await rejected(room.call(ben, 'greet'))).name, 'InvalidStateError');
";

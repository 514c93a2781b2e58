//! What a program said of its own tracks holds over a cut, also where the server tells once more what was before it.

use anyhow::Result;
use ferrite_tests::scene;

/// Who enters first may mute others.
const UNMUTED: &str = r"
    const sockets = [];
    let timesTold = 0;
    window.WebSocket = class extends WebSocket {
        constructor(...args) {
            super(...args);
            sockets.push(this);
            this.addEventListener('message', ({ data }) => { timesTold += JSON.parse(data).type === 'muted'; });
        }
    };
    const { Room } = await import('/sdk/index.js');
    const { expect, until } = lab;
    const [ada, ben] = [new Room(), new Room()];
    const mic = ben.publish(lab.tone(440));
    await ada.connect({ room: 'kitchen', name: 'Ada' });
    await ben.connect({ room: 'kitchen', name: 'Ben' });
    const publication = await until('sound', () => ada.participants.get(ben.localParticipant.id)?.from('microphone'));
    const told = [];
    ben.on('muted', ({ reason }) => told.push([reason, mic.muted]));
    await ada.mutePublication(publication, 'there is an echo');
    await until('that it is muted', () => told.length);
    expect('that it is', told, [['there is an echo', true]]);

    // The wish is lost on its way.
    const [, old] = sockets;
    old.send = () => {};
    mic.unmute();
    expect('at once', mic.muted, false);
    const seen = [];
    for (const event of ['muted', 'publicationChanged', 'status']) ben.on(event, () => seen.push(mic.muted));
    old.close(4002);
    await until('that it is not muted', () => !publication.muted);
    await until('that its own is not', () => !mic.publication.muted);
    expect('how often the server told it', timesTold, 2);
    expect('how it was seen meanwhile', seen.filter((it) => it), []);
    expect('what else was told', told.length, 1);

    // What somebody mutes after that is told.
    await ada.mutePublication(publication);
    await until('that it is muted again', () => told.length === 2);
    expect('that it is again', told[1], [undefined, true]);
    await Promise.all([ada.leave(), ben.leave()]);
";

#[tokio::test]
async fn who_unmuted_before_a_cut_is_not_muted_by_what_is_told_again() -> Result<()> {
    scene("wishes_unmuted", async |scene| {
        // It speaks to a socket that is being cut.
        scene.expect_console_errors();
        scene.open_lab().await?;
        scene.run(UNMUTED).await?;
        Ok(())
    })
    .await
}

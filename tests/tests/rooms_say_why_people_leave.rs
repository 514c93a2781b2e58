//! Why somebody is in a room no more is said to programs, and on the page in words.

use anyhow::Result;
use ferrite_tests::{RoomPage, scene_with};

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8&processing=off";

/// Programs in the page of a room. Who enters first may remove others.
const PROGRAMS: &str = r"
    const { Room } = await import('/sdk/index.js');
    const { expect, until } = lab;
    const sockets = lab.collectSockets();
    const enter = async (name) => {
        const room = new Room();
        await room.connect({ room: 'kitchen', name });
        return room;
    };
";

const DEPARTURES: &str = r"
    const of = (name) => [...ada.participants.values()].find((it) => it.name === name);
    const gone = [];
    ada.on('participantLeft', (it) => gone.push([it.name, it.departure]));
    const ben = await enter('Ben');
    const bens = await until('Ben', () => of('Ben'));
    expect('why he is there', bens.departure, undefined);
    await ben.leave();
    await until('that he left', () => bens.isOver);
    const cem = await enter('Cem');
    const cems = await until('Cem', () => of('Cem'));
    await ada.kick(cems);
    await until('that he was removed', () => cems.isOver);
    const eve = await enter('Eve');
    const eves = await until('Eve', () => of('Eve'));
    // There is no way back for her.
    window.WebSocket = class { constructor() { throw new Error('there is no network'); } };
    sockets.at(-1).close(4002);
    await until('that she is gone', () => eves.isOver);
    expect('why', gone, [['Ben', 'left'], ['Cem', 'kicked'], ['Eve', 'lost']]);
    await eve.leave();
    expect('who is told nothing', [eve.participants.size, cem.participants.size], [0, 0]);
";

/// Keeps what a room's page tells for a moment.
const KEEPS: &str = "
    window.toasts = [];
    const keep = (changes) => toasts.push(...changes.flatMap((it) => [...it.addedNodes].map((it) => it.textContent)));
    new MutationObserver(keep).observe(document.querySelector('#toasts'), { childList: true, subtree: true });";

#[tokio::test]
async fn programs_and_people_read_who_left_who_was_removed_and_who_was_lost() -> Result<()> {
    let soon = ["--resume-time", "1s"];
    scene_with("departures", &soon, &RoomPage::windows(), async |scene| {
        // A socket is cut, and no other opens.
        scene.expect_console_errors();
        scene.open_lab().await?;
        let enters = format!("{PROGRAMS} window.ada = await enter('Ada');");
        scene.run(&enters).await?;
        let browser = &scene.browser;
        let programs = browser.tab().await?;
        let page = browser.open_window(&scene.server.url(ROOM)).await?;
        RoomPage(browser).enter("Zoë").await?;
        scene.run(KEEPS).await?;
        browser.switch_to(&programs).await?;
        scene.run(&format!("{PROGRAMS}{DEPARTURES}")).await?;
        browser.switch_to(&page).await?;
        for words in ["Ben left", "Cem was removed", "Eve lost the connection"] {
            let said = format!("toasts.includes({words:?})");
            scene.holds(words, &said).await?;
        }
        Ok(())
    })
    .await
}

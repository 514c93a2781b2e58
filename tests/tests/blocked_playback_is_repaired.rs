//! What the browser keeps back until somebody clicks is told to programs, and plays after one click.

use anyhow::Result;
use ferrite_tests::{BrowserOptions, scene_with, silent_firefox_lab};

/// Two programs on a page that nobody has clicked on. One has a button.
const BLOCKED: &str = r"
    const { Room } = await import('/sdk/index.js');
    const { rejected, expect, until } = lab;
    const [ada, ben] = [new Room(), new Room()];
    const told = [];
    ben.on('playbackBlocked', (isBlocked) => told.push([isBlocked, ben.isPlaybackBlocked]));
    const players = new Map();
    ben.on('published', (publication) => {
        if (publication.participant.isLocal) return;
        const player = publication.attach();
        players.set(publication.key, player);
        document.body.append(player);
    });
    const button = document.createElement('button');
    button.id = 'sound';
    button.textContent = 'Play the sound';
    button.onclick = () => ben.startPlayback();
    document.body.append(button);
    const mic = ada.publish(lab.tone(440));
    ada.publish(lab.picture());
    await ada.connect({ room: 'kitchen', name: 'Ada' });
    await ben.connect({ room: 'kitchen', name: 'Ben' });
    await until('that it is blocked', () => ben.isPlaybackBlocked);
    expect('what is told', told, [[true, true]]);
    expect('the sound', players.get('mic').paused, true);
    await until('a picture, which needs no click', () => !players.get('cam').paused);
    expect('without a click', (await rejected(ben.startPlayback())).name, 'NotAllowedError');
    // Nothing of it is kept back any more, and then again.
    mic.mute();
    await until('nothing', () => !ben.isPlaybackBlocked);
    mic.unmute();
    await until('that it is blocked again', () => ben.isPlaybackBlocked);
    expect('what is told by then', told.map(([it]) => it), [true, false, true]);
    Object.assign(window, { ada, ben, players, told });
";

/// Once it was clicked.
const PLAYS: &str = r"
    const { expect, until } = lab;
    await until('the sound', () => !ben.isPlaybackBlocked && !players.get('mic').paused);
    expect('what is told', told.at(-1), [false, false]);
    await Promise.all([ada.leave(), ben.leave()]);
    expect('what is told at the end', told.map(([it]) => it), [true, false, true, false]);
";

#[tokio::test]
async fn programs_know_what_is_blocked_and_one_click_plays_it() -> Result<()> {
    let options = BrowserOptions {
        flags: vec!["--autoplay-policy=document-user-activation-required".to_owned()],
        ..BrowserOptions::default()
    };
    scene_with("blocked_playback", &[], &options, async |scene| {
        scene.open_lab().await?;
        scene.run(BLOCKED).await?;
        scene.browser.click("#sound").await?;
        scene.run(PLAYS).await?;
        Ok(())
    })
    .await
}

#[test]
fn firefox_says_what_it_blocks_and_one_key_plays_it() -> Result<()> {
    silent_firefox_lab("firefox_blocked_playback", async |firefox| {
        firefox.run(&format!("{{ {BLOCKED} }}"), vec![]).await?;
        let focus = "document.querySelector('#sound').focus();";
        firefox.run(focus, vec![]).await?;
        // Enter (WebDriver §15.4.2).
        firefox.press('\u{e007}').await?;
        firefox.run(&format!("{{ {PLAYS} }}"), vec![]).await?;
        Ok(())
    })
}

//! Every control of a room's page is used as a person would use it, and does what it is there for: in Chromium and in
//! Firefox. The controls are read out of the page, so that a new one fails this until somebody uses it here.
mod every_control;

use anyhow::{Result, ensure};
use every_control::{Guests, door, notes, seeing, talking, trouble};
use ferrite_tests::proxy::Proxy;
use ferrite_tests::{Browser, RoomPage, Seat, firefox_and_chromium, scene_with};
use serde_json::json;

/// A crowd comes from one address.
const FLAGS: [&str; 2] = ["--max-sessions-per-address", "100"];

/// What Firefox does not have, and why.
const NOT_IN_FIREFOX: [(&str, &str); 2] = [
    ("#float", "it has no windows above others for pages"),
    ("#invite-share", "it has no share sheet on a desktop"),
];

#[tokio::test]
async fn every_control_does_something_in_chromium() -> Result<()> {
    let mut options = RoomPage::windows();
    let cameras = "--use-fake-device-for-media-stream=fps=30,device-count=2";
    options.flags.push(cameras.to_owned());
    scene_with("controls_chromium", &FLAGS, &options, async |scene| {
        // The browser itself logs what does not connect, and a crash is made.
        scene.expect_console_errors();
        scene.before_pages(notes::SHARE_SHEET).await?;
        let dir = scene.dir.join("bo");
        std::fs::create_dir(&dir)?;
        let chromium = Browser::start(&dir, &RoomPage::windows()).await?;
        let saved = scene.dir.canonicalize()?;
        let place = json!({ "behavior": "allow", "downloadPath": saved });
        let allow = "Browser.setDownloadBehavior";
        scene.browser.devtools(allow, place).await?;
        let guests = Guests {
            ada: Seat::Chromium(&scene.browser),
            bo: &chromium,
            proxy: Proxy::start(scene.server.address().to_owned()).await?,
            saved,
        };
        let used = all_are_used(&guests, &[]).await;
        let kept = chromium.screenshot("end").await;
        used.and(kept).and(chromium.close().await)
    })
    .await
}

#[test]
fn firefox_has_no_control_that_does_nothing() -> Result<()> {
    let options = RoomPage::windows();
    firefox_and_chromium(
        "controls_firefox",
        &FLAGS,
        &options,
        async |fox, chrome, server| {
            let guests = Guests {
                ada: Seat::Firefox(fox),
                bo: chrome,
                proxy: Proxy::start(server.address().to_owned()).await?,
                saved: fox.downloads(),
            };
            let used = all_are_used(&guests, &NOT_IN_FIREFOX).await;
            used.and(fox.screenshot("end").await)
        },
    )
}

async fn all_are_used(guests: &Guests<'_>, left_out: &[(&str, &str)]) -> Result<()> {
    let has = |control: &str| left_out.iter().all(|(name, _)| *name != control);
    door::the_language(guests).await?;
    door::the_choices(guests).await?;
    door::who_enters(guests).await?;
    seeing::who_is_alone_invites(guests, has("#invite-share")).await?;
    guests.bo_comes().await?;
    seeing::the_switches(guests).await?;
    seeing::the_menu(guests, has("#float")).await?;
    seeing::the_dialogs(guests).await?;
    seeing::the_tiles(guests).await?;
    talking::the_chat(guests).await?;
    talking::the_files(guests).await?;
    trouble::the_newcomers(guests).await?;
    trouble::what_stopped_goes_on(guests).await?;
    talking::the_others(guests).await?;
    seeing::the_pages_of_a_crowd(guests).await?;
    door::the_ways_out(guests).await?;
    trouble::the_page_breaks(guests).await?;

    let (all, used) = (
        notes::all(guests.ada).await?,
        notes::used(guests.ada).await?,
    );
    let unused = all.difference(&used).filter(|control| has(control));
    let unused: Vec<_> = unused.collect();
    ensure!(unused.is_empty(), "no step used {unused:?}");
    for (control, why) in left_out {
        let is_so = all.contains(*control) && !used.contains(*control);
        ensure!(is_so, "{control} is there and was used, although {why}");
    }
    Ok(())
}

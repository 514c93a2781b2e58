//! What people who know other rooms look for in ours: it tells who speaks unheard, follows devices that come and
//! go, takes what is pasted or dropped, finds somebody in a crowd, and leads others in.
mod looked_for;

use anyhow::{Result, ensure};
use ferrite_tests::{BrowserOptions, RoomPage, artefacts, scene_with, tone};
use looked_for::{alone, together};

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8&processing=off";

#[tokio::test]
async fn two_hear_and_hand_each_other_what_they_mean_to() -> Result<()> {
    let wav = artefacts::fresh("room_look_for_sound")?.join("tone.wav");
    tone::write(&wav, 440)?;
    let options = BrowserOptions {
        microphone: Some(wav),
        ..RoomPage::windows()
    };
    scene_with(
        "room_look_for_two",
        &["--shards", "1"],
        &options,
        async |scene| {
            let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
            let ada = browser.open_window(&scene.server.url(ROOM)).await?;
            page.enter("Ada").await?;
            let bo = browser.open_window(&scene.server.url(ROOM)).await?;
            let here = |text: &str| text == "Here: Ada.";
            scene.app().text("#door-people", here).await?;
            browser.screenshot("door").await?;
            page.enter("Bo").await?;
            page.hears(true).await?;
            // What Bo hears can be read in Ada's window.
            scene
                .run("setInterval(() => { localStorage.heard = loudness() ?? ''; }, 50);")
                .await?;
            browser.switch_to(&ada).await?;
            together::who_is_muted_is_told_and_heard_while_a_key_is_down(scene).await?;
            together::what_failed_is_said_again(scene).await?;
            ensure!(
                !together::paste(scene, "table.png", "milk\t2").await?,
                "text was taken for a picture of it"
            );
            ensure!(
                together::paste(scene, "picture.png", "").await?,
                "nobody took the picture"
            );
            browser.switch_to(&bo).await?;
            together::a_picture_that_came_is_seen(scene).await?;
            together::a_drag_that_leaves_is_forgotten(scene).await?;
            together::drop_on_the_tiles(scene, "notes.txt").await?;
            browser.switch_to(&ada).await?;
            let offered = "[...document.querySelectorAll('#file-lines [data-way=in] .what')]
            .some((it) => it.textContent === 'notes.txt')";
            scene
                .holds("what was dropped to be offered", offered)
                .await?;
            together::keys_look_into_the_large_screen(scene, &ada, &bo).await?;
            together::who_looks_elsewhere_sees_the_small_window(scene).await
        },
    )
    .await
}

#[tokio::test]
async fn one_finds_what_other_rooms_have() -> Result<()> {
    let mut options = RoomPage::windows();
    let cameras = "--use-fake-device-for-media-stream=fps=30,device-count=2";
    options.flags.push(cameras.to_owned());
    scene_with(
        "room_look_for_one",
        &["--shards", "1"],
        &options,
        async |scene| {
            scene.before_pages(alone::PLUGS).await?;
            scene.browser.open(&scene.server.url(ROOM)).await?;
            RoomPage(&scene.browser).enter("Ada").await?;
            RoomPage(&scene.browser).plays("Ada", 5).await?;
            alone::devices_come_and_go(scene).await?;
            alone::a_microphone_is_replaced_by_itself(scene).await?;
            alone::what_is_withdrawn_is_not_asked_for_again(scene).await?;
            alone::the_room_fills_the_screen(scene).await?;
            alone::the_link_is_copied(scene).await?;
            alone::others_are_invited(scene).await?;
            alone::somebody_is_found_in_a_crowd(scene).await?;
            alone::ones_own_tile_is_moved(scene).await?;
            alone::a_screen_is_looked_into(scene).await?;
            alone::a_small_window_floats(scene).await
        },
    )
    .await
}

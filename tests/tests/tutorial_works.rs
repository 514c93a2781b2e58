//! The code in README.md does what README.md says, exactly as it stands there.

use anyhow::Result;
use ferrite_tests::{Scene, readme, scene, wait};

#[tokio::test]
async fn the_tutorial_client_sees_itself_and_hears_its_words() -> Result<()> {
    let code = readme::javascript("A client in twenty lines")?;
    scene("the_tutorial_client", async |scene| {
        scene.open_lab().await?;
        scene.browser.paste(&code).await?;
        let moves = |frames: &serde_json::Value| frames.as_u64() > Some(30);
        scene
            .browser
            .until("a picture that moves", SHOWN, moves)
            .await?;
        console_says(scene, "came back").await?;
        scene.browser.screenshot("tutorial").await
    })
    .await
}

/// The frames shown by the video element that the tutorial adds to the page.
const SHOWN: &str = r"Math.max(0, ...[...document.querySelectorAll('video')]
    .map((video) => video.getVideoPlaybackQuality().totalVideoFrames))";

#[tokio::test]
async fn the_class_calls_from_a_page_of_ones_own() -> Result<()> {
    let code = readme::javascript("A class for your own page")?;
    scene("the_class_in_the_readme", async |scene| {
        scene.open_lab().await?;
        scene.browser.paste(&code).await?;
        console_says(scene, "came back").await?;
        console_says(scene, "statistics").await
    })
    .await
}

async fn console_says(scene: &mut Scene, words: &str) -> Result<()> {
    let said = async || {
        let lines = scene.browser.console().await?;
        Ok(lines.iter().any(|line| line.message.contains(words)))
    };
    wait::until(words, wait::PATIENCE, said, |said| *said).await?;
    Ok(())
}

//! The client in README.md does what README.md says, exactly as it stands there.

use anyhow::Result;
use ferrite_tests::{readme, scene, wait};

#[tokio::test]
async fn the_tutorial_client_sees_and_hears_itself() -> Result<()> {
    let code = readme::tutorial()?;
    scene("the_tutorial_client", async |scene| {
        scene.open_lab().await?;
        scene.browser.paste(&code).await?;
        let browser = &scene.browser;
        browser
            .until("a picture that moves", MOVING, |frames| {
                frames.as_u64() > Some(30)
            })
            .await?;
        let said = async || {
            let lines = scene.browser.console().await?;
            Ok(lines.iter().any(|line| line.message.contains("came back")))
        };
        wait::until("a word to come back", wait::PATIENCE, said, |said| *said).await?;
        scene.browser.screenshot("tutorial").await
    })
    .await
}

/// The frames shown by the video element that the tutorial adds to the page.
const MOVING: &str = r"Math.max(0, ...[...document.querySelectorAll('video')]
    .map((video) => video.getVideoPlaybackQuality().totalVideoFrames))";

//! A page in Rust alone meets others: the client as an ordinary wasm crate, with no JavaScript between the program and
//! the room. The page is the example in `client-wasm/examples/rust_room.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use ferrite_tests::site::Site;
use ferrite_tests::{RoomPage, artefacts, scene_with};
use serde_json::Value;
use tokio::process::Command;
use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";
const PAGE: &str = "<!doctype html><link rel=icon href=data:,><body><script type=module>
    import init, { run } from './rust_room.js';
    await init();
    await run();
</script>";

/// Builds the example, and says where its wasm is.
async fn build() -> Result<PathBuf> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--message-format=json", "--target", TARGET])
        .args(["--package", "ferrite-client", "--example", "rust_room"])
        .current_dir(artefacts::repository())
        .stderr(Stdio::inherit());
    let output = cargo.output().await.context("running cargo")?;
    ensure!(output.status.success(), "the example does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let files = messages.flat_map(|it| it["filenames"].as_array().cloned().unwrap_or_default());
    files
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|file| {
            file.file_name()
                .is_some_and(|name| name == "rust_room.wasm")
        })
        .context("cargo named no wasm file")
}

/// Makes a page of it.
async fn page(dir: &Path) -> Result<()> {
    let wasm = build().await?;
    let mut bindgen = Bindgen::new();
    bindgen.input_path(wasm).web(true)?;
    bindgen.omit_default_module_path(false).generate(dir)?;
    Ok(fs::write(dir.join("index.html"), PAGE)?)
}

#[tokio::test]
async fn a_page_in_rust_alone_sees_and_reads_who_is_in_its_room() -> Result<()> {
    let dir = artefacts::fresh("rust_page_files")?;
    page(&dir).await?;
    let site = Site::of(&dir).await?;
    let flags = ["--shards", "1", "--allowed-origins", site.origin()];
    scene_with("rust_page", &flags, &RoomPage::windows(), async |scene| {
        let browser = &scene.browser;
        let mut windows = Vec::new();
        for name in ["Ada", "Zoë"] {
            let server = scene.server.url("/");
            let url = format!("{}?server={server}&room=kitchen&name={name}", site.origin());
            windows.push(browser.open_window(&url).await?);
        }
        let frames =
            "document.querySelector('video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0";
        let text = "document.body.innerText";
        for (window, other) in windows.iter().zip(["Zoë", "Ada"]) {
            browser.switch_to(window).await?;
            let moves = |frames: &Value| frames.as_u64() > Some(5);
            browser.until("the other's picture", frames, moves).await?;
            let hello = format!("{other}: hello from Rust");
            let reads = |text: &Value| text.as_str().is_some_and(|it| it.contains(&hello));
            browser.until(&hello, text, reads).await?;
        }
        Ok(())
    })
    .await
}

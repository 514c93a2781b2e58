//! Whoever runs the server gives its pages a name, a logo, colours and links; and phones install them.

use anyhow::{Context, Result, ensure};
use ferrite_tests::{RoomPage, artefacts, scene_with};
use serde_json::json;

const ROOM: &str = "/r/kitchen";

const BRAND: &str = r##"{
    "name": "Acme Talk",
    "logo": "acme.svg",
    "colours": { "light": { "accent": "#0b5fa6" }, "dark": { "accent": "#7fc1ff" } },
    "links": [{ "text": "Imprint", "href": "https://acme.example/imprint" }]
}"##;
const LOGO: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 8 8"><circle cx="4" cy="4" r="4" fill="#0b5fa6"/></svg>"##;

#[tokio::test]
async fn who_runs_the_server_gives_the_pages_a_name_and_colours() -> Result<()> {
    let www = artefacts::fresh("room_look_for_brand_files")?;
    std::fs::write(www.join("brand.json"), BRAND)?;
    std::fs::write(www.join("acme.svg"), LOGO)?;
    let flags = ["--www", www.to_str().context("a path")?];
    let options = RoomPage::windows();
    scene_with("room_look_for_brand", &flags, &options, async |scene| {
        let browser = &scene.browser;
        for (path, title) in [
            ("/", "Acme Talk"),
            ("/echo", "Test devices and connection · Acme Talk"),
            (ROOM, "kitchen · Acme Talk"),
        ] {
            browser.open(&scene.server.url(path)).await?;
            let worn = format!(
                "document.title === {title:?} && document.querySelector('.product').textContent === 'Acme Talk'
                    && document.querySelector('img.logo')?.naturalWidth > 0"
            );
            scene.holds("the name and the logo", &worn).await?;
            let accent = "getComputedStyle(document.documentElement).getPropertyValue('--accent') === '#0b5fa6'";
            scene.holds("the colour", accent).await?;
            // The echo's page has no foot.
            let linked = "[...document.querySelectorAll('.foot')].every((foot) =>
                foot.lastElementChild.href === 'https://acme.example/imprint')";
            scene.holds("the link", linked).await?;
            browser.screenshot("brand").await?;
            let manifest = browser.devtools("Page.getAppManifest", json!({})).await?;
            ensure!(manifest["errors"] == json!([]), "{manifest}");
            let url = scene.server.url("/manifest.webmanifest");
            ensure!(manifest["url"] == url.as_str(), "{manifest}");
            let lacks = browser.devtools("Page.getInstallabilityErrors", json!({})).await?;
            ensure!(lacks["installabilityErrors"] == json!([]), "{lacks}");
        }
        Ok(())
    })
    .await
}

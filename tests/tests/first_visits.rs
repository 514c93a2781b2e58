//! What browsers download on a first visit until a call connects: what the server's build script counts, and holds below
//! a limit, and nothing else.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use ferrite_tests::{BrowserOptions, RoomPage, Scene, artefacts, scene, scene_with};
use syn::visit::{self, Visit};
use syn::{Item, LitStr};

const LIMIT: u64 = 250_000;

/// These are counted, and Chromium takes others in their place.
const OF_OTHER_BROWSERS: [&str; 2] = ["favicon.ico", "icon-192.png"];

/// Files by their path below the site's root, and how many bytes came of each.
type Downloads = BTreeMap<String, u64>;

/// What came for the current page, which this file is, if it is one.
async fn add_downloads(scene: &Scene, page: Option<&str>, seen: &mut Downloads) -> Result<()> {
    let parts = "return performance.getEntries().filter((it) => 'encodedBodySize' in it)
        .map((it) => [it.entryType, new URL(it.name).pathname.slice(1), it.encodedBodySize]);";
    let parts: Vec<(String, String, u64)> = serde_json::from_value(scene.run(parts).await?)?;
    for (kind, path, bytes) in parts {
        let path = match (kind.as_str(), page) {
            ("navigation", None) => continue,
            ("navigation", Some(page)) => page.to_owned(),
            // That is no file: who is in the room.
            _ if path.ends_with("/people") => continue,
            _ => path,
        };
        // Of what is in the cache nothing comes any more.
        let known = seen.entry(path).or_default();
        *known = bytes.max(*known);
    }
    Ok(())
}

/// A list of files in the build script.
fn counted(name: &str) -> Result<Vec<String>> {
    #[derive(Default)]
    struct Paths(Vec<String>);

    impl Visit<'_> for Paths {
        fn visit_lit_str(&mut self, path: &LitStr) {
            self.0.push(path.value());
        }
    }

    let script = std::fs::read_to_string(artefacts::repository().join("server/build.rs"))?;
    let items = syn::parse_file(&script)?.items;
    let list = items.iter().find_map(|item| match item {
        Item::Const(item) if item.ident == name => Some(&item.expr),
        _ => None,
    });
    let mut paths = Paths::default();
    visit::visit_expr(&mut paths, list.with_context(|| format!("no list {name}"))?);
    Ok(paths.0)
}

/// That all of it was counted, and is little enough.
fn is_counted(seen: &Downloads, counted: &[String]) -> Result<()> {
    let missed: Vec<_> = seen.keys().filter(|it| !counted.contains(it)).collect();
    ensure!(missed.is_empty(), "nobody counts {missed:?}");
    let bytes: u64 = seen.values().sum();
    ensure!(bytes <= LIMIT, "{bytes} bytes are too many: {seen:#?}");
    Ok(())
}

/// That no more was counted.
fn is_all(seen: &Downloads, counted: &[String]) -> Result<()> {
    let is_seen = |it: &str| seen.contains_key(it) || OF_OTHER_BROWSERS.contains(&it);
    let spare: Vec<_> = counted.iter().filter(|it| !is_seen(it)).collect();
    ensure!(spare.is_empty(), "nobody downloads {spare:?}");
    Ok(())
}

#[tokio::test]
async fn the_page_of_a_room_is_what_is_counted() -> Result<()> {
    let options = BrowserOptions::default().in_german();
    scene_with("first_visit_of_a_room", &[], &options, async |scene| {
        let mut seen = Downloads::new();
        scene.browser.open(&scene.server.url("/")).await?;
        let title = |text: &str| text == "Von Angesicht zu Angesicht";
        scene.app().text("#front-title", title).await?;
        add_downloads(scene, Some("index.html"), &mut seen).await?;
        scene.browser.open(&scene.server.url("/r/kitchen")).await?;
        RoomPage(&scene.browser).enter("Ada").await?;
        add_downloads(scene, Some("room.html"), &mut seen).await?;
        let counted = counted("OF_PAGE")?;
        is_counted(&seen, &counted)?;
        is_all(&seen, &counted)
    })
    .await
}

#[tokio::test]
async fn the_echo_has_its_page_instead() -> Result<()> {
    let options = BrowserOptions::default().in_german();
    scene_with("first_visit_of_the_echo", &[], &options, async |scene| {
        scene.open_app("").await?.call().await?;
        let mut seen = Downloads::new();
        add_downloads(scene, Some("echo.html"), &mut seen).await?;
        let mut counted = counted("OF_PAGE")?;
        counted.push("echo.html".to_owned());
        is_counted(&seen, &counted)
    })
    .await
}

#[tokio::test]
async fn the_sdk_is_what_is_counted() -> Result<()> {
    scene("first_visit_by_the_sdk", async |scene| {
        scene.open_lab().await?;
        scene.run(PROGRAM).await?;
        let mut seen = Downloads::new();
        add_downloads(scene, None, &mut seen).await?;
        seen.remove("favicon.ico");
        let mut counted = counted("OF_SDK")?;
        for file in std::fs::read_dir(artefacts::repository().join("www/sdk"))? {
            let name = file?.file_name();
            let name = name.to_str().filter(|name| name.ends_with(".js"));
            counted.extend(name.map(|name| format!("sdk/{name}")));
        }
        is_counted(&seen, &counted)?;
        is_all(&seen, &counted)
    })
    .await
}

const PROGRAM: &str = r"
    const { Room } = await import('/sdk/index.js');
    const room = new Room();
    room.publish(lab.tone(440));
    await room.connect({ room: 'kitchen', name: 'Ada' });
    await lab.until('a connection', () => room.state === 'connected');
";

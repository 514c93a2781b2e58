//! The package that `ferrite npm` writes, in somebody's project: built with Vite and strict TypeScript, without a
//! bundler, and as one tag. The projects are the examples in `client-wasm/examples`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use ferrite_tests::server::run_to_end;
use ferrite_tests::site::Site;
use ferrite_tests::{RoomPage, Scene, artefacts, scene_with};
use serde_json::{Value, json};
use tokio::process::Command;

/// Has the server write its package.
async fn write_package(dir: &Path) -> Result<PathBuf> {
    let package = dir.join("ferrite-client");
    let path = package.to_str().context("a path that is text")?;
    let output = run_to_end(&["npm", path]).await?;
    ensure!(output.status.success(), "{output:?}");
    Ok(package)
}

/// Runs a command to its end in `dir`.
async fn run(dir: &Path, program: &str, args: &[&str]) -> Result<()> {
    let output = Command::new(program)
        .args(args)
        .current_dir(dir)
        .kill_on_drop(true)
        .output()
        .await?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(output.status.success(), "{program} {args:?}: {said}");
    Ok(())
}

#[tokio::test]
async fn it_holds_what_it_exports() -> Result<()> {
    let package = write_package(&artefacts::fresh("npm_files")?).await?;
    let manifest: Value = serde_json::from_slice(&fs::read(package.join("package.json"))?)?;
    let exports = manifest["exports"].as_object().context("exports")?;
    let mut exported = BTreeSet::new();
    for export in exports.values() {
        match export {
            Value::String(target) => _ = exported.insert(target.as_str()),
            conditions => exported.extend(
                conditions
                    .as_object()
                    .into_iter()
                    .flat_map(|it| it.values().filter_map(Value::as_str)),
            ),
        }
    }
    ensure!(exported.len() == 10, "{exported:?}");
    for target in exported {
        ensure!(
            package.join(target).is_file(),
            "{target} is exported, and not there"
        );
    }
    for document in ["README.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        ensure!(package.join(document).is_file(), "no {document}");
    }
    Ok(())
}

/// TypeScript takes the first condition that it knows, and `default` is one:
/// <https://www.typescriptlang.org/docs/handbook/modules/reference.html>.
#[tokio::test]
async fn its_types_come_before_its_scripts() -> Result<()> {
    let package = write_package(&artefacts::fresh("npm_types")?).await?;
    let manifest = fs::read_to_string(package.join("package.json"))?;
    // As it is written: a parsed one may be sorted.
    let mut last = "";
    let mut defaults = 0;
    for key in manifest.split('"').skip(1).step_by(2) {
        if key == "default" {
            ensure!(last.ends_with(".d.ts"), "{last} comes before a default");
            defaults += 1;
        }
        last = key;
    }
    ensure!(defaults == 4, "{manifest}");
    Ok(())
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named() -> Result<()> {
    let output = run_to_end(&["npm", "/dev/null/package"]).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.code() == Some(2) && said.contains("/dev/null/package: "),
        "{output:?}"
    );
    Ok(())
}

/// An example as a project of its own, with the package installed as from a registry, and what else it takes from
/// npm as `tests/node` pins it.
async fn project(dir: &Path, example: &str) -> Result<PathBuf> {
    let tests = artefacts::repository().join("tests").canonicalize()?;
    run(&tests, "node/install", &[]).await?;
    write_package(dir).await?;
    let project = dir.join("project");
    let examples = artefacts::repository().join("client-wasm/examples");
    let example = examples.join(example);
    run(
        dir,
        "cp",
        &["-r", example.to_str().context("a path")?, "project"],
    )
    .await?;
    fs::rename(dir.join("ferrite-client"), project.join("ferrite-client"))?;
    // All else comes from `tests/node`; npm would ask the registry for what it is not to install, too.
    let package = "dependencies.ferrite-client=file:ferrite-client";
    run(
        &project,
        "npm",
        &["pkg", "delete", "dependencies", "devDependencies"],
    )
    .await?;
    run(&project, "npm", &["pkg", "set", package]).await?;
    // A link to a directory is source to Vite; what comes from a registry is not.
    let install = [
        "install",
        "--install-links",
        "--offline",
        "--no-audit",
        "--no-fund",
    ];
    run(&project, "npm", &install).await?;
    for tool in ["vite", "typescript", "react", "react-dom", "@types"] {
        let installed = tests.join("node/node_modules").join(tool);
        std::os::unix::fs::symlink(installed, project.join("node_modules").join(tool))?;
    }
    Ok(project)
}

/// An example, compiled strictly and built by Vite.
async fn built(name: &str, example: &str) -> Result<Site> {
    let project = project(&artefacts::fresh(name)?, example).await?;
    run(&project, "node", &["node_modules/typescript/bin/tsc"]).await?;
    run(
        &project,
        "node",
        &["node_modules/vite/bin/vite.js", "build"],
    )
    .await?;
    Site::of(&project.join("dist")).await
}

/// Two people open the same page, and see each other.
async fn two_call(scene: &Scene, page: &str) -> Result<()> {
    let browser = &scene.browser;
    let url = format!("{page}?server={}", scene.server.url("/"));
    let mut windows = Vec::new();
    for name in ["Ada", "Zoë"] {
        windows.push(browser.open_window(&url).await?);
        browser.type_into("[name=name]", name).await?;
        browser.click("button").await?;
        let status = "document.querySelector('#status')?.textContent";
        browser
            .until("the call to be up", status, |it| it == "connected")
            .await?;
    }
    for window in &windows {
        browser.switch_to(window).await?;
        let frames = "document.querySelector('#people video')?.getVideoPlaybackQuality().totalVideoFrames ?? 0";
        browser
            .until("the other's picture", frames, |it| it.as_u64() > Some(5))
            .await?;
    }
    browser.screenshot("call").await
}

/// Plays on a server that allows the pages of this site.
async fn at(
    site: &Site,
    name: &str,
    play: impl AsyncFnOnce(&mut Scene) -> Result<()>,
) -> Result<()> {
    let flags = ["--shards", "1", "--allowed-origins", site.origin()];
    scene_with(name, &flags, &RoomPage::windows(), play).await
}

#[tokio::test]
async fn from_npm_vite_and_strict_typescript_build_a_call() -> Result<()> {
    let site = built("npm_project", "vite").await?;
    at(&site, "npm_vite", async |scene| {
        two_call(scene, site.origin()).await
    })
    .await
}

#[tokio::test]
async fn from_npm_react_draws_a_call_by_a_hook() -> Result<()> {
    let site = built("npm_react_project", "react").await?;
    at(&site, "npm_react", async |scene| {
        two_call(scene, site.origin()).await
    })
    .await
}

#[tokio::test]
async fn from_npm_strict_typescript_knows_what_methods_take_and_give() -> Result<()> {
    typed("npm_typed", TYPED).await
}

#[tokio::test]
async fn from_npm_strict_typescript_knows_how_tracks_are_published() -> Result<()> {
    typed("npm_published", PUBLISHED).await
}

async fn typed(name: &str, program: &str) -> Result<()> {
    let project = project(&artefacts::fresh(name)?, "vite").await?;
    fs::write(project.join("src/typed.ts"), program)?;
    run(&project, "node", &["node_modules/typescript/bin/tsc"]).await
}

/// Each line that is wrong says so: where it is not found to be, that is an error.
const TYPED: &str = r#"
import { Room, RpcError } from "ferrite-client/sdk";

interface Methods {
  greet: { payload: { name: string }; result: string };
  count: { payload: undefined; result: number };
}

const room = new Room<Methods>();
room.handle("greet", ({ name }, { participant }) => `${participant.name} greets ${name}`);
room.handle("count", async () => 7);
// @ts-expect-error
room.handle("count", () => "seven");
// @ts-expect-error
room.handle("sing", () => {});
const greeting: string = await room.call("ben", "greet", { name: "Ada" }, { timeout: 5 });
// @ts-expect-error
await room.call("ben", "greet", "Ada");
// @ts-expect-error
const count: string = await room.call("ben", "count", undefined);
// @ts-expect-error
room.on("sung", () => {});
room.once("said", ({ text, participant }) => console.log(participant?.name, text.length, greeting, count));
for await (const { phase } of room.events("status")) console.log(phase);
// @ts-expect-error
import { Emitter } from "ferrite-client/sdk";
const any = new Room();
any.handle("whatever", (payload) => payload);
await any.call("ben", "whatever", 7).catch((error: RpcError) => console.log(error.code));
"#;

const PUBLISHED: &str = r#"
import { DeviceError, FileError, openDevices, Room, type PublishOptions, type SimulcastLayer } from "ferrite-client/sdk";

declare const picture: MediaStreamTrack;
const room = new Room({ stereo: true, codec: "VP9" });
const layers: SimulcastLayer[] = [{ maxBitrate: 1e6, maxFramerate: 30 }, { scaleResolutionDownBy: 4 }];
const options: PublishOptions = { codecs: ["AV1", "VP8"], simulcast: layers, maxFramerate: 30, contentHint: "motion" };
const camera = room.publish(picture, options);
const key: string = camera.options.key;
room.publish(picture, { key, simulcast: false, maxBitrate: 1e6, source: "screen" });
room.publish(picture, { encodings: [{ rid: "h" }, { rid: "f" }] });
room.publish(picture, { stereo: true, dtx: true, red: true });
// @ts-expect-error
room.publish(picture, { codecs: ["VP7"] });
// @ts-expect-error
room.publish(picture, { simulcast: 3 });
// @ts-expect-error
room.publish(picture, { red: "twice" });
const { bitrate, why, report } = await camera.getStats();
const rate: number = bitrate ?? 0;
const isMuted: boolean = why === "muted";
// @ts-expect-error
const sure: number = bitrate;
report.forEach(({ type }) => console.log(type, rate, isMuted));
room.on("file", async (came) => {
  for await (const bytes of came.accept()) console.log(bytes.byteLength, came.participant.name);
});
const sent = room.sendFile(new File([], "tea.txt"), { to: "ben", signal: AbortSignal.timeout(5) });
sent.on("progress", ({ received, size }) => console.log(received / size));
await sent.done.catch(({ code }: FileError) => console.log(code));
await room.sendBytes(new Uint8Array(8), { topic: "cursor" });
room.on("bytes", ({ data, participant }) => console.log(data.length, participant?.name));
// @ts-expect-error
sent.accept();
await openDevices({ audio: true }).catch(({ code, constraint }: DeviceError) => console.log(code, constraint));
"#;

#[tokio::test]
async fn a_page_without_a_bundler_takes_it_either_way() -> Result<()> {
    let dir = artefacts::fresh("npm_plain")?;
    write_package(&dir).await?;
    fs::write(
        dir.join("index.html"),
        "<!doctype html><link rel=icon href=data:,>",
    )?;
    let site = Site::of(&dir).await?;
    at(&site, "npm_modules", async |scene| {
        // Who left may be seen for a moment by who comes next.
        for (module, room) in [("ferrite_client.js", "kitchen"), ("inline.js", "hall")] {
            scene.browser.open(site.origin()).await?;
            let join = r"
                const [module, url, name] = args;
                const { default: init, FerriteClient } = await import(`/ferrite-client/${module}`);
                await init();
                const client = new FerriteClient({ url });
                const room = await client.join({ room: name, name: 'Ada' });
                client.close();
                return room.participants.map(({ name }) => name);
            ";
            let args = vec![json!(module), json!(scene.server.url("/")), json!(room)];
            let names = scene.browser.run(join, args).await?;
            ensure!(names == json!(["Ada"]), "{module}: {names}");
        }
        Ok(())
    })
    .await
}

const TAG: &str = r"
    const [server, name] = args;
    await import(`${server}/ferrite_room.js`);
    const tag = document.createElement('ferrite-room');
    tag.setAttribute('room', 'kitchen & hall');
    if (name) tag.setAttribute('name', name);
    document.body.append(tag);
";
const FRAME: &str = "document.querySelector('ferrite-room').shadowRoot.querySelector('iframe')";

#[tokio::test]
async fn a_tag_puts_a_room_into_any_page_that_is_allowed() -> Result<()> {
    let site = Site::start().await?;
    at(&site, "npm_tag", async |scene| {
        let browser = &scene.browser;
        browser.open(site.origin()).await?;
        browser
            .run(TAG, vec![json!(scene.server.url("")), json!("Ada")])
            .await?;
        browser.enter_frame(FRAME).await?;
        browser.click("#enter").await?;
        let page = RoomPage(browser);
        page.shows(&["Ada"]).await?;
        page.plays("Ada", 5).await?;
        // Browsers give a page within another no window, and let a picture float.
        browser.click(".round[popovertarget=more]").await?;
        browser.click("#float").await?;
        let floats = "document.pictureInPictureElement !== null";
        browser
            .until("a picture to float", floats, |it| it == true)
            .await?;
        browser
            .open_window(&scene.server.url("/r/kitchen%20%26%20hall"))
            .await?;
        page.enter("Zoë").await?;
        page.shows(&["Ada", "Zoë"]).await?;
        page.plays("Ada", 5).await
    })
    .await
}

#[tokio::test]
async fn a_page_that_is_not_allowed_gets_no_room_in_a_frame() -> Result<()> {
    let (site, other) = (Site::start().await?, Site::start().await?);
    at(&site, "npm_tag_refused", async |scene| {
        scene.expect_console_errors();
        let browser = &scene.browser;
        browser.open(other.origin()).await?;
        // The file is not to be had either: the tag is made as it would be.
        let frame = "const frame = document.createElement('iframe');
            document.body.append(frame);
            await new Promise((loaded) => { frame.onload = loaded; frame.src = args[0]; });";
        browser
            .run(frame, vec![json!(scene.server.url("/r/kitchen"))])
            .await?;
        browser
            .enter_frame("document.querySelector('iframe')")
            .await?;
        let enter = browser
            .run("return document.querySelector('#enter') === null;", vec![])
            .await?;
        ensure!(enter == json!(true), "the room is there");
        Ok(())
    })
    .await
}

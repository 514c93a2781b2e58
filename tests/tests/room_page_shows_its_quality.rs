//! A room's page says how well the call does: per person, as a picture of the last two minutes, and as a report.

use anyhow::{Result, ensure};
use ferrite_tests::looks::{axe_finds_nothing, emulate};
use ferrite_tests::{RoomPage, Scene, scene, scene_with};
use serde_json::Value;

const ROOM: &str = "/r/kitchen?resolution=360&codec=VP8";

/// The numbers of a person's picture or sound, as the panel has them.
fn cells(name: &str) -> String {
    format!(
        "(() => {{
            const rows = [...document.querySelectorAll('#quality-rows tr')];
            const row = rows.find((row) => row.cells[0].textContent === '{name}');
            return row ? [...row.cells].map((cell) => cell.textContent) : null;
        }})()"
    )
}

async fn meet(scene: &Scene) -> Result<()> {
    let (browser, page) = (&scene.browser, RoomPage(&scene.browser));
    for name in ["Ada", "Zoë"] {
        browser.open_window(&scene.server.url(ROOM)).await?;
        page.enter(name).await?;
    }
    page.plays("Ada", 5).await
}

/// By the keyboard: what has the focus then is the panel.
async fn open(scene: &Scene) -> Result<()> {
    let browser = &scene.browser;
    browser.click(".round[popovertarget=more]").await?;
    browser
        .run("document.querySelector('#quality-open').focus();", vec![])
        .await?;
    browser.press('\u{e007}').await?;
    scene.app().shows("#quality", true).await?;
    let focused = "document.activeElement.id === 'quality-title'";
    scene.holds("the keyboard in the panel", focused).await
}

const LOADED: &str =
    "performance.getEntriesByType('resource').filter(({ name }) => /quality/.test(name)).length";

#[tokio::test]
async fn npm_axe_passes_the_panel_light_dark_and_on_a_phone() -> Result<()> {
    let windows = RoomPage::windows();
    scene_with("room_quality", &["--shards", "1"], &windows, async |scene| {
        meet(scene).await?;
        let browser = &scene.browser;
        emulate(browser, 1280, 800, "light").await?;
        ensure!(
            browser.run(&format!("return {LOADED};"), vec![]).await? == 0,
            "it is loaded before anybody wants to see it"
        );
        open(scene).await?;
        numbers_are_there(scene).await?;
        let curve = "document.querySelector('.curve-0').getAttribute('d').match(/L/g)?.length > 8";
        scene.holds("a curve", curve).await?;
        the_report_says_the_same(scene).await?;
        for (name, width, height, scheme) in [
            ("light", 1280, 800, "light"),
            ("dark", 1280, 800, "dark"),
            ("phone", 360, 740, "light"),
        ] {
            emulate(browser, width, height, scheme).await?;
            let wide = "document.querySelector('#quality').scrollWidth <= document.querySelector('#quality').clientWidth";
            scene.holds("all of it beside each other", wide).await?;
            browser.screenshot(name).await?;
            axe_finds_nothing(browser, name).await?;
        }
        let end = "document.querySelector('#quality-rows').scrollIntoView({ block: 'end' });";
        browser.run(end, vec![]).await?;
        browser.screenshot("phone-end").await?;
        it_goes_with_the_room(scene).await
    })
    .await
}

async fn numbers_are_there(scene: &Scene) -> Result<()> {
    let picture = |cells: &Value| {
        let text = |at: usize| cells[at].as_str().unwrap_or_default();
        text(1).ends_with("bit/s")
            && text(2).contains(" × ")
            && text(3).parse().is_ok_and(|frames: u32| frames > 5)
            && text(4).ends_with('%')
            && text(5).ends_with(" ms")
            && text(6) == "VP8"
    };
    let sound = |cells: &Value| cells[6] == "opus" && cells[2] == "–";
    let browser = &scene.browser;
    for name in ["Ada · Camera", "You · Camera"] {
        browser.until(name, &cells(name), picture).await?;
    }
    for name in ["Ada · Microphone", "You · Microphone"] {
        browser.until(name, &cells(name), sound).await?;
    }
    let layer = |cells: &Value| {
        ["full", "half", "quarter"]
            .iter()
            .any(|it| cells[7] == **it)
    };
    browser
        .until("a layer", &cells("Ada · Camera"), layer)
        .await
        .map(drop)
}

async fn the_report_says_the_same(scene: &Scene) -> Result<()> {
    let keep = "navigator.clipboard.writeText = async (text) => { window.copied = text; };";
    scene.run(keep).await?;
    scene.browser.click("#quality-copy").await?;
    let told = |text: &str| text == "The report is copied.";
    scene.app().text("#quality-news", told).await?;
    let report = scene.run("return window.copied;").await?;
    let report = report.as_str().unwrap_or_default();
    for part in [
        "\nbrowser: ",
        "\npath: host udp",
        "\nAda\tcamera\t",
        "\tVP8\t",
    ] {
        ensure!(report.contains(part), "{part:?} is not in {report}");
    }
    Ok(())
}

/// Nothing goes on when it is over, and a second call begins anew.
async fn it_goes_with_the_room(scene: &Scene) -> Result<()> {
    let browser = &scene.browser;
    browser.press('\u{e00c}').await?;
    scene.app().shows("#quality", false).await?;
    browser.click("#leave").await?;
    scene.app().shows("#prejoin", true).await?;
    RoomPage(browser).enter("Zoë").await?;
    open(scene).await?;
    let short = "document.querySelector('.curve-0').getAttribute('d').match(/L/g) === null";
    scene.holds("a new curve", short).await?;
    numbers_are_there(scene).await
}

#[tokio::test]
async fn it_is_german_where_the_browser_is() -> Result<()> {
    let options = RoomPage::windows().in_german();
    scene_with("room_quality_german", &[], &options, async |scene| {
        meet(scene).await?;
        open(scene).await?;
        let german = |cells: &Value| {
            let rate = cells[1].as_str();
            cells[6] == "VP8" && rate.is_some_and(|rate| rate.ends_with("bit/s"))
        };
        let row = cells("Sie · Kamera");
        scene.browser.until("German", &row, german).await?;
        let title = |text: &str| text == "Qualität des Anrufs";
        scene.app().text("#quality-title", title).await?;
        scene.browser.screenshot("german").await
    })
    .await
}

#[tokio::test]
async fn numbers_are_those_since_the_report_before() -> Result<()> {
    scene("quality_numbers", async |scene| {
        scene.open_lab().await?;
        scene.run(NUMBERS).await?;
        Ok(())
    })
    .await
}

const NUMBERS: &str = r"
    const { read } = await import('/quality_numbers.js');
    const { expect } = lab;
    const report = (timestamp, bytes, packets, lost) => new Map([
        { id: 'C', type: 'codec', mimeType: 'video/VP8' },
        { id: 'P', type: 'candidate-pair', nominated: true, state: 'succeeded', timestamp, bytesReceived: bytes, bytesSent: 0,
            currentRoundTripTime: 0.02, localCandidateId: 'L', remoteCandidateId: 'R' },
        { id: 'L', type: 'local-candidate', candidateType: 'host', protocol: 'udp' },
        { id: 'R', type: 'remote-candidate' },
        { id: 'I', type: 'inbound-rtp', mid: '3', timestamp, bytesReceived: bytes, packetsReceived: packets, packetsLost: lost,
            codecId: 'C', frameWidth: 640, frameHeight: 360, framesPerSecond: 30, jitter: 0.004 },
        ...['f', 'h'].map((rid, at) => ({ id: rid, type: 'outbound-rtp', mid: '1', rid, timestamp, bytesSent: bytes, codecId: 'C',
            frameWidth: 1280 >> at, frameHeight: 720 >> at, qualityLimitationReason: at ? 'none' : 'cpu' })),
        { id: 'q', type: 'outbound-rtp', mid: '1', active: false, timestamp, bytesSent: bytes, frameWidth: 320, frameHeight: 180 },
        { id: 'M', type: 'remote-inbound-rtp', localId: 'f', fractionLost: 0.25, roundTripTime: 0.03, jitter: 0.006 },
    ].map((it) => [it.id, it]));
    const video = (id, muted = false) => ({ id, kind: 'video', source: 'camera', muted });
    const insight = {
        room: { own: 'me', participants: [
            { id: 'a', name: 'Ada', publications: [video('a/cam'), video('a/other')] },
            { id: 'me', publications: [video('me/cam')] },
        ] },
        quality: { bitsPerSecond: 7, shown: [{ publication: 'a/cam', wished: 0, sent: 1, limit: 'upload' }], arrives: {} },
        sections: { tracks: { 1: { publish: { key: 'cam' } }, 3: { receive: 'video' } }, slots: { 3: { publication: 'a/cam' } } },
    };
    const first = report(1000, 1000, 100, 0);
    const { all, rows: [own, cam, other] } = read(report(3000, 6000, 190, 10), first, insight);
    expect('all of it', all, { received: 20000, sent: 0, roundTrip: 20, loss: 0.1, available: null, carries: 7,
        path: { kind: 'host', protocol: 'udp' } });
    expect('what comes', cam, { id: 'a/cam', name: 'Ada', isOwn: false, kind: 'video', source: 'camera', bitrate: 20000,
        size: [640, 360], framesPerSecond: 30, codec: 'VP8', layers: 1, loss: 0.1, jitter: 4, roundTrip: 20, layer: 1,
        why: 'upload' });
    expect('what is sent, all layers of it', [own.bitrate, own.size, own.layers, own.loss, own.jitter, own.roundTrip, own.why],
        [40000, [1280, 720], 2, 0.25, 6, 30, 'cpu']);
    expect('what is not looked at', [other.bitrate, other.why], [null, 'unseen']);
    insight.sections.slots[3].idle = 'bandwidth';
    const dark = read(report(3000, 6000, 190, 10), first, insight).rows[1];
    expect('what does not come', [dark.bitrate, dark.layer, dark.why], [null, null, 'bandwidth']);
    insight.room.participants[0].publications[0].muted = true;
    expect('what is muted', read(first, null, insight).rows[1].why, 'muted');
    expect('at first', read(first, null, insight).all.received, null);
    expect('without a path', read(new Map(), null, insight).all.path, null);
";

//! How pages look: in windows of other sizes, in light and dark, and to who cannot see them.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::{Browser, artefacts};

/// Fails with what axe, which knows the rules for accessible pages, finds in the current one.
pub async fn axe_finds_nothing(browser: &Browser, what: &str) -> Result<()> {
    let path = artefacts::repository().join("tests/node/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(path).context("tests/node/install brings axe-core")?;
    browser.run(&axe, vec![]).await?;
    let look = "
        const { violations } = await axe.run(document, { resultTypes: ['violations'] });
        return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
            `${id}: ${html} ${failureSummary}`));";
    let found = browser.run(look, vec![]).await?;
    let found = found.as_array().context("a list")?;
    ensure!(found.is_empty(), "axe finds in {what}: {found:#?}");
    Ok(())
}

/// Has the browser show pages in a window of this size, light or dark.
pub async fn emulate(browser: &Browser, width: u32, height: u32, scheme: &str) -> Result<()> {
    let metrics = json!({
        "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false
    });
    browser
        .devtools("Emulation.setDeviceMetricsOverride", metrics)
        .await?;
    let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
    let media = json!({ "features": features });
    browser
        .devtools("Emulation.setEmulatedMedia", media)
        .await
        .map(drop)
}

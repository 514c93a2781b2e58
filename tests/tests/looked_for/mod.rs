//! What people look for in a room's page, step by step.

pub(crate) mod alone;
pub(crate) mod together;

use anyhow::Result;
use ferrite_tests::Scene;

/// Waits until what happened a moment ago is told.
async fn told(scene: &Scene, words: &str) -> Result<()> {
    let said = format!("document.querySelector('#toasts').textContent.includes({words:?})");
    scene.holds(words, &said).await
}

//! Which controls there are, and which were used: noted by the page itself, of what a person does and no script.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use ferrite_tests::Seat;
use serde_json::Value;

/// Browsers without a screen have none. It is looked for when the page starts.
pub(crate) const SHARE_SHEET: &str = "
    window.shared = null;
    navigator.share = async (what) => { shared = what; };";

/// What can be used, and its name: its own, or that of what it is in and what it says. What is made from a template is
/// the same wherever it is.
const NAMES: &str = "
    window.CONTROLS = 'button, input, select, textarea, summary, a[href], a.save';
    const parts = [...document.querySelectorAll('template')]
        .flatMap(({ content }) => [...content.querySelectorAll(CONTROLS)]).map(({ classList }) => classList[0]);
    window.nameOf = (control) => {
        const { id, dataset, classList } = control;
        if (id) return `#${id}`;
        if (dataset.reaction) return dataset.reaction;
        if (parts.includes(classList[0])) return `.${classList[0]}`;
        const words = control.getAttribute('aria-label') ?? control.title;
        // The button that changes the language says another one then.
        const own = dataset.language ? 'language' : words || control.textContent.trim();
        return `${control.closest('[id]')?.id ?? 'page'}: ${own}`;
    };";

const NOTE: &str = "
    const note = ({ type, isTrusted, target }) => {
        const control = target.closest?.(CONTROLS);
        // To point at a field is not to use it.
        const field = 'select, textarea, input:not([type=checkbox], [readonly])';
        if (!isTrusted || !control || (type === 'click' && control.matches(field))) return;
        // What somebody wrote is no control.
        if (control.closest('#chat-lines .text')) return;
        const used = new Set(JSON.parse(localStorage.used ?? '[]'));
        localStorage.used = JSON.stringify([...used.add(nameOf(control))]);
    };
    for (const type of ['click', 'input', 'change']) document.addEventListener(type, note, true);";

/// Notes from now on what is used of the page that is open.
pub(crate) async fn begin(seat: Seat<'_>) -> Result<()> {
    seat.run(&format!("{NAMES}{NOTE}"), vec![]).await.map(drop)
}

/// The controls of the page that is open.
pub(crate) async fn all(seat: Seat<'_>) -> Result<BTreeSet<String>> {
    let all = "
        const made = [...document.querySelectorAll('template')].map(({ content }) => content);
        return [document, ...made].flatMap((it) => [...it.querySelectorAll(CONTROLS)]).map(nameOf);";
    set(seat.run(&format!("{NAMES}{all}"), vec![]).await?)
}

/// Those that were used.
pub(crate) async fn used(seat: Seat<'_>) -> Result<BTreeSet<String>> {
    let used = "return JSON.parse(localStorage.used ?? '[]');";
    set(seat.run(used, vec![]).await?)
}

fn set(names: Value) -> Result<BTreeSet<String>> {
    serde_json::from_value(names).context("names")
}

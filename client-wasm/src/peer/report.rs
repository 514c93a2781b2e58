//! A `getStats` report as JSON, the one shape that can be carried off and tested.

use js_sys::{Array, JSON, Map};
use wasm_bindgen::{JsCast, JsValue};

/// The report's entries as a JSON array.
pub(super) fn to_json(report: &JsValue) -> Result<String, JsValue> {
    // `RTCStatsReport` is maplike: it has a Map's methods without being one.
    let map: &Map = report.unchecked_ref();
    let entries = Array::new();
    map.for_each(&mut |value, _key| {
        entries.push(&value);
    });
    Ok(JSON::stringify(&entries)?.into())
}

//! What a `getStats` report holds, and the sums that are looked at several times a second.

use js_sys::{Map, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use crate::call::Traffic;
use crate::dom;
use crate::stats::Report;

/// The report's entries.
pub(super) fn read(report: &JsValue) -> Report {
    // `RTCStatsReport` is maplike: it has a Map's methods without being one.
    let map: &Map = report.unchecked_ref();
    let mut entries = Vec::new();
    map.for_each(&mut |entry, _key| entries.extend(dom::read(entry)));
    Report(entries)
}

/// What went over all candidate pairs. What is to be sent counts from the moment at which it is
/// made, so that a pair that takes nothing any more hides nothing.
pub(super) fn traffic(report: &JsValue) -> Traffic {
    let map: &Map = report.unchecked_ref();
    let mut traffic = Traffic::default();
    map.for_each(&mut |entry, _key| {
        let read = |name: &str| Reflect::get(&entry, &name.into()).unwrap_or_default();
        let count = |name: &str| read(name).as_f64().unwrap_or_default();
        match read("type").as_string().as_deref() {
            Some("candidate-pair") => {
                traffic.sent += count("bytesSent");
                traffic.received += count("bytesReceived");
            }
            Some("outbound-rtp") => traffic.sent += count("bytesSent"),
            // Sound has no frames.
            Some("inbound-rtp") => {
                traffic.frames.decoded += count("framesDecoded");
                traffic.frames.dropped += count("framesDropped");
                traffic.frames.lost += count("packetsLost");
            }
            _ => {}
        }
    });
    traffic
}

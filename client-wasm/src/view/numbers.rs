//! The panel of numbers: one element per `data-stat`, and what each says.

use wasm_bindgen::JsCast;
use web_sys::{Document, Element};

use super::element::set_text;
use crate::decimal::decimal;
use crate::sorted::Map;
use crate::stats::{Flow, Flows, Stats};
use crate::words;

/// The elements, by name.
pub(crate) struct Numbers(Map<String, Element>);

impl Numbers {
    pub(super) fn new(document: &Document) -> Self {
        let mut elements = Map::new();
        let Ok(list) = document.query_selector_all("[data-stat]") else {
            return Self(elements);
        };
        for index in 0..list.length() {
            let element: Option<Element> = list.get(index).and_then(|it| it.dyn_into().ok());
            let named = element.and_then(|it| Some((it.get_attribute("data-stat")?, it)));
            elements.extend(named);
        }
        Self(elements)
    }

    /// Shows the numbers. What is unknown is a dash.
    pub(crate) fn show(&self, stats: &Stats) {
        let rows = rows(stats);
        for (name, element) in self.0.iter() {
            set_text(element, rows.get(name.as_str()).map_or("–", String::as_str));
        }
    }
}

fn rows(stats: &Stats) -> Map<String, String> {
    let mut rows = Rows(Map::new());
    rows.flows("sent", &stats.sent);
    rows.flows("received", &stats.received);
    if let Some(path) = &stats.path {
        rows.put("path-local", Some(path.local.clone()));
        rows.put("path-remote", Some(path.remote.clone()));
        rows.put("path-rtt", path.round_trip.map(milliseconds));
        rows.put("path-sent", path.sent.map(bitrate));
        rows.put("path-received", path.received.map(bitrate));
    }
    rows.0
}

struct Rows(Map<String, String>);

impl Rows {
    fn put(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value);
        }
    }

    fn flows(&mut self, direction: &str, flows: &Flows) {
        for (kind, flow) in [("audio", &flows.audio), ("video", &flows.video)] {
            if let Some(flow) = flow {
                self.flow(&format!("{kind}-{direction}"), flow);
            }
        }
    }

    fn flow(&mut self, prefix: &str, flow: &Flow) {
        let limit = flow.limited_by.as_deref().map(words::limit);
        let size = flow.width.zip(flow.height);
        let values = [
            ("codec", flow.codec.clone()),
            ("bitrate", flow.bitrate.map(bitrate)),
            (
                "resolution",
                size.map(|(w, h)| format!("{} × {}", w as u32, h as u32)),
            ),
            (
                "rate",
                flow.frames_per_second
                    .map(|it| format!("{}/s", decimal(it, 0))),
            ),
            ("frames", flow.frames.map(|it| decimal(it, 0))),
            ("loss", flow.loss.map(percent)),
            ("jitter", flow.jitter.map(milliseconds)),
            ("limit", limit),
        ];
        for (name, value) in values {
            self.put(&format!("{prefix}-{name}"), value);
        }
    }
}

fn bitrate(bits: f64) -> String {
    if bits >= 1e6 {
        format!("{} Mbit/s", decimal(bits / 1e6, 2))
    } else {
        format!("{} kbit/s", decimal(bits / 1e3, 0))
    }
}

fn milliseconds(ms: f64) -> String {
    format!("{} ms", decimal(ms, 1))
}

fn percent(share: f64) -> String {
    format!("{} %", decimal(share * 100.0, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_number_has_its_row() {
        let flow = Flow {
            codec: Some("VP8".to_owned()),
            bitrate: Some(1_234_567.0),
            width: Some(1280.0),
            height: Some(720.0),
            frames: Some(1234.0),
            loss: Some(0.0123),
            ..Flow::default()
        };
        let stats = Stats {
            received: Flows {
                audio: None,
                video: Some(flow),
            },
            ..Stats::default()
        };
        let rows = rows(&stats);
        assert_eq!(rows.get("video-received-codec").unwrap(), "VP8");
        assert_eq!(rows.get("video-received-bitrate").unwrap(), "1.23 Mbit/s");
        assert_eq!(rows.get("video-received-resolution").unwrap(), "1280 × 720");
        assert_eq!(rows.get("video-received-frames").unwrap(), "1234");
        assert_eq!(rows.get("video-received-loss").unwrap(), "1.2 %");
        assert!(!rows.contains_key("video-sent-codec"));
    }
}

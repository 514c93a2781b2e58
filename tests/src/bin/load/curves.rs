//! What is drawn of a run, and of a trace.

use ferrite_tests::load::rooms::{LAYERS, RIDS};
use serde_json::Value;

use crate::chart::{Curve, Panel};
use crate::samples::{Figures, Sample};

/// What one curve shows of a second.
type Reading = fn(&Sample) -> Option<f64>;

/// Of a run.
pub(crate) fn of_run(figures: &Figures) -> Vec<Panel> {
    let panel = |title, curves: &[(&str, Reading)]| {
        let curve = |(name, reading): &(&str, Reading)| {
            let samples = figures.samples.iter();
            let points = samples.filter_map(|sample| Some((sample.at, reading(sample)?)));
            Curve::new(name, points)
        };
        Panel::new(title, curves.iter().map(curve))
    };
    let mut cpu = panel(
        "Server CPU per forwarded packet, µs",
        &[("Ferrite", |sample| sample.us_per_packet)],
    );
    let together = figures.packets_per_frame;
    cpu.lines = vec![
        ("AES + sendmmsg".to_owned(), figures.limits.send_alone()),
        (
            format!("AES + GSO of {together}"),
            figures.limits.send_segments(),
        ),
    ];
    let mut panels = vec![
        cpu,
        panel(
            "Lost by the server, packets a second",
            &[("lost", |sample| Some(sample.lost as f64))],
        ),
        panel("Jitter, ms", &[("p50", |sample| sample.jitter_ms)]),
        panel(
            "Added latency, ms",
            &[
                ("p50", |sample| sample.latency_ms.map(|(p50, _)| p50)),
                ("p99", |sample| sample.latency_ms.map(|(_, p99)| p99)),
            ],
        ),
        panel("Join, ms", &[("p50", |sample| sample.join_ms)]),
        panel(
            "Memory, kB",
            &[
                ("per subscriber", |sample| sample.kb_per_subscriber),
                ("per publisher", |sample| sample.kb_per_publisher),
            ],
        ),
    ];
    if figures.layers[1..].iter().any(|packets| *packets > 0) {
        let curves: [(_, Reading); LAYERS] = [
            (RIDS[0], |sample| Some(sample.layers[0] as f64)),
            (RIDS[1], |sample| Some(sample.layers[1] as f64)),
            (RIDS[2], |sample| Some(sample.layers[2] as f64)),
        ];
        panels.push(panel("Forwarded of each layer, packets a second", &curves));
    }
    panels
}

/// Of a trace, as `ferrite replay --json` has it.
pub(crate) fn of_trace(replay: &Value) -> Vec<Panel> {
    let moments = || replay["moments"].as_array().into_iter().flatten();
    let curve = |name: &str, key: &str, unit: f64| {
        let points = moments().filter_map(|moment| {
            let value = moment[key].as_f64()?;
            Some((moment["at"].as_f64()?, value / unit))
        });
        Curve::new(name, points)
    };
    vec![
        Panel::new(
            "The path, kbit/s",
            [
                curve("estimate", "estimate", 1000.0),
                curve("wanted", "wanted", 1000.0),
                curve("arrived", "acknowledged", 1000.0),
            ],
        ),
        Panel::new(
            "Delay, ms",
            [
                curve("queue", "delayMs", 1.0),
                curve("round trip", "roundTripMs", 1.0),
            ],
        ),
        Panel::new("Lost, per cent", [curve("lost", "loss", 0.01)]),
    ]
}

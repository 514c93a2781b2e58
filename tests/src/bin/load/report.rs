//! The figures: printed, and as JSON. Measures nothing itself.

use ferrite_tests::load::PACKET;
use ferrite_tests::load::rooms::{LAYERS, RIDS};
use serde_json::{Value, json};

use crate::data::Delivered;
use crate::options::Options;
use crate::samples::{Figures, lost, ms};

pub(crate) fn print(options: &Options, figures: &Figures, beside: Option<&Figures>) {
    let limits = &figures.limits;
    let (sealed, segments) = (limits.send_alone(), limits.send_segments());
    let us = figures.us_per_packet();
    let seconds = figures.measured.as_secs_f64();
    println!(
        "{} rooms of {} publishers and {} subscribers; {} kbit/s in frames of {} x {PACKET} bytes; {} shards",
        options.rooms,
        options.publishers,
        options.subscribers,
        options.bitrate,
        options.packets_per_frame,
        options.shards,
    );
    let row = |name: &str, value: String, note: &str| println!("  {name:34}{value:>14}   {note}");
    row(
        "us of CPU per forwarded packet",
        format!("{us:.2}"),
        "of the server's process",
    );
    row(
        "  raw: AES-128-GCM, sendmmsg",
        format!("{sealed:.2}"),
        &times(us, sealed),
    );
    let note = format!(
        "{}, GSO of {}",
        times(us, segments),
        figures.packets_per_frame
    );
    row("  raw: AES-128-GCM, GSO", format!("{segments:.2}"), &note);
    let note = format!("{:.1} Mbit/s", figures.bytes as f64 * 8e-6 / seconds);
    row("forwarded packets", figures.forwarded.to_string(), &note);
    let note = format!(
        "this tool {:.2}; load average {}",
        figures.load_cores(),
        figures.load_average
    );
    row("cores", format!("{:.2}", figures.cores()), &note);
    print_checks(figures);
    if options.simulcast {
        print_layers(figures);
    }
    if options.svc.is_some() {
        print_temporal(figures);
    }
    print_times(figures);
    let kilobytes = |kb: Option<f64>| kb.map_or_else(|| "-".to_owned(), |kb| format!("{kb:.1}"));
    row(
        "kB per subscriber",
        kilobytes(figures.kb_per_subscriber),
        "resident, after media",
    );
    row(
        "kB per publisher",
        kilobytes(figures.kb_per_publisher),
        "resident, after media",
    );
    if let Some(beside) = beside {
        print_beside(figures, beside);
    }
}

/// One figure beside the other.
fn print_beside(figures: &Figures, beside: &Figures) {
    type Row = (&'static str, fn(&Figures) -> Option<f64>);
    const ROWS: [Row; 13] = [
        ("us of CPU per forwarded packet", |it| {
            Some(it.us_per_packet())
        }),
        ("  raw: AES-128-GCM, sendmmsg", |it| {
            Some(it.limits.send_alone())
        }),
        ("  raw: AES-128-GCM, GSO", |it| {
            Some(it.limits.send_segments())
        }),
        ("forwarded packets a second", |it| {
            Some(it.packets_per_second())
        }),
        ("cores", |it| Some(it.cores())),
        ("lost, %", |it| Some(100.0 * it.loss())),
        ("added latency, ms       p50", |it| Some(it.latency.ms(0.5))),
        ("                        p99", |it| {
            Some(it.latency.ms(0.99))
        }),
        ("join, ms                p50", |it| Some(ms(&it.joined, 50))),
        ("                        p95", |it| Some(ms(&it.joined, 95))),
        ("  CPU, ms", |it| Some(it.join_cpu.as_secs_f64() * 1000.0)),
        ("kB per subscriber", |it| it.kb_per_subscriber),
        ("kB per publisher", |it| it.kb_per_publisher),
    ];
    println!("{:36}{:>14}{:>14}", "beside", "Ferrite", "Janus");
    let text =
        |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    for (name, value) in ROWS {
        let (ours, theirs) = (text(value(figures)), text(value(beside)));
        println!("  {name:34}{ours:>14}{theirs:>14}");
    }
}

fn times(us: f64, raw: f64) -> String {
    format!("{:.1} times", us / raw.max(0.001))
}

fn print_checks(figures: &Figures) {
    let found = &figures.found;
    println!(
        "  lost {} (numbers missing {}, left out {}, at the end {}), repeated {}, unauthentic {}; dropped by the kernel here {}, at the server {}",
        lost(found) + figures.late,
        lost(found) - found.left_out,
        found.left_out,
        figures.late,
        found.repeats,
        found.broken,
        figures.dropped_here,
        figures.dropped_there,
    );
    if found.swallowed > 0 {
        println!(
            "  links swallowed {}, sent again {}, frames lost {}",
            found.swallowed, found.repaired, found.lost_frames
        );
    }
    println!(
        "  frames decodable {}, before the first keyframe {}, switched without one {}, timestamps wrong {}, slots silent {}",
        found.frames, found.early_frames, found.no_keyframe, found.timestamps, figures.silent
    );
}

fn print_temporal(figures: &Figures) {
    let found = &figures.found;
    println!(
        "  temporal layers: packets left out {}, frames without one that they need {}",
        found.thinned, found.undecodable
    );
}

fn print_layers(figures: &Figures) {
    let found = &figures.found;
    let each = |packets: [u64; LAYERS]| {
        let each = RIDS.iter().zip(packets);
        let each = each.map(|(rid, packets)| format!("{rid} {packets}"));
        each.rev().collect::<Vec<_>>().join(", ")
    };
    println!(
        "  layers forwarded {}; switches {}, frames cut {}, paused packets {}; published {}",
        each(figures.layers),
        found.layer_switches,
        found.cut_frames,
        found.paused,
        each(figures.sent),
    );
}

/// By the layers' names.
fn by_layer(packets: [u64; LAYERS]) -> Value {
    let each = RIDS.iter().zip(packets);
    each.map(|(rid, packets)| ((*rid).to_owned(), Value::from(packets)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn print_times(figures: &Figures) {
    let found = &figures.found;
    let row = |name: &str, low: (&str, f64), high: (&str, f64), note: &str| {
        println!(
            "  {name:24}{} {:8.2}   {} {:8.2}   {note}",
            low.0, low.1, high.0, high.1
        );
    };
    let histogram = |times: &ferrite_tests::load::rooms::Histogram, high: (&'static str, f64)| {
        (("p50", times.ms(0.5)), (high.0, times.ms(high.1)))
    };
    let (low, high) = histogram(&figures.latency, ("p99", 0.99));
    row("added latency, ms", low, high, "from send call to arrival");
    let (low, high) = histogram(&found.jitter, ("p99", 0.99));
    row("jitter, ms", low, high, "RFC 3550");
    let both = |times: &[_]| (("p50", ms(times, 50)), ("p95", ms(times, 95)));
    let (low, high) = both(&figures.joined);
    let cpu = figures.join_cpu.as_secs_f64() * 1000.0;
    let note = format!("from connecting the WebSocket to DTLS; CPU {cpu:.2} ms each");
    row("join, ms", low, high, &note);
    if !figures.seen.is_empty() {
        let (low, high) = both(&figures.seen);
        row(
            "first whole frame, ms",
            low,
            high,
            "of who joined while media flowed",
        );
    }
    if found.switched.total() > 0 {
        let (low, high) = histogram(&found.switched, ("p95", 0.95));
        row("other picture, ms", low, high, "from asking for it");
    }
    if figures.said.total() > 0 {
        let (low, high) = histogram(&figures.said, ("p99", 0.99));
        row("message, ms", low, high, "from one WebSocket to the other");
    }
    if let Some(data) = &figures.data {
        for (name, of) in [
            ("reliable data, ms", &data.reliable),
            ("lossy data, ms", &data.lossy),
        ] {
            let (low, high) = histogram(&of.latency, ("p99", 0.99));
            let note = format!(
                "{} sent, {} came, {} lost, {} out of order",
                of.sent,
                of.came,
                of.lost(),
                of.disordered
            );
            row(name, low, high, &note);
        }
    }
}

fn data(of: &Delivered) -> Value {
    json!({
        "sent": of.sent,
        "expected": of.expected,
        "came": of.came,
        "lost": of.lost(),
        "outOfOrder": of.disordered,
        "latencyMs": { "p50": of.latency.ms(0.5), "p99": of.latency.ms(0.99) },
    })
}

/// Of whoever came while media flowed.
fn first_frame(figures: &Figures) -> Option<Value> {
    let seen = &figures.seen;
    (!seen.is_empty()).then(|| json!({ "p50": ms(seen, 50), "p95": ms(seen, 95) }))
}

/// The figures for programs.
pub(crate) fn json(figures: &Figures) -> Value {
    let found = &figures.found;
    json!({
        "usPerForwardedPacket": figures.us_per_packet(),
        "rawSealSend": figures.limits.send_alone(),
        "rawSealGso": figures.limits.send_segments(),
        "loss": figures.loss(),
        "addedLatencyMs": { "p50": figures.latency.ms(0.5), "p99": figures.latency.ms(0.99) },
        "joinMs": { "p50": ms(&figures.joined, 50), "p95": ms(&figures.joined, 95) },
        "kBPerSubscriber": figures.kb_per_subscriber,
        "kBPerPublisher": figures.kb_per_publisher,
        "cores": figures.cores(),
        "forwardedPackets": figures.forwarded,
        "packetsPerSecond": figures.packets_per_second(),
        "lostPackets": lost(found) + figures.late,
        "swallowedPackets": found.swallowed,
        "repairedPackets": found.repaired,
        "repeatedPackets": found.repeats,
        "unauthenticPackets": found.broken,
        "decodableFrames": found.frames,
        "framesBeforeKeyframe": found.early_frames,
        "switchedWithoutKeyframe": found.no_keyframe,
        "wrongTimestamps": found.timestamps,
        "silentSlots": figures.silent,
        "forwardedByLayer": by_layer(figures.layers),
        "publishedByLayer": by_layer(figures.sent),
        "layerSwitches": found.layer_switches,
        "cutFrames": found.cut_frames,
        "pausedPackets": found.paused,
        "thinnedPackets": found.thinned,
        "undecodableFrames": found.undecodable,
        "jitterMs": { "p50": found.jitter.ms(0.5), "p99": found.jitter.ms(0.99) },
        "firstFrameMs": first_frame(figures),
        "watchChangeMs": { "p50": found.switched.ms(0.5), "p95": found.switched.ms(0.95) },
        "messageMs": { "p50": figures.said.ms(0.5), "p99": figures.said.ms(0.99) },
        "data": figures.data.as_ref().map(|both| {
            json!({ "reliable": data(&both.reliable), "lossy": data(&both.lossy) })
        }),
        "joinCpuMs": figures.join_cpu.as_secs_f64() * 1000.0,
        "loadCores": figures.load_cores(),
        "droppedHere": figures.dropped_here,
        "droppedAtServer": figures.dropped_there,
        "loadAverage": figures.load_average,
        "complaints": figures.complaints(),
    })
}

//! What a `getStats` report says of a call. Owns the arithmetic (rates, loss, milliseconds); knows
//! neither the browser nor the page.
//!
//! One flow is shown per direction and kind: the one that carried most, where there are several.

use ferrite_protocol::ClientEvidence;
use ferrite_protocol::diagnosis::Handshake;
use serde::{Deserialize, Serialize};

/// One entry of a report: the members used here of every dictionary in W3C webrtc-stats.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Entry {
    #[serde(rename = "type")]
    of: String,
    id: String,
    timestamp: f64,
    kind: Option<String>,
    bytes_sent: Option<f64>,
    bytes_received: Option<f64>,
    packets_sent: Option<f64>,
    packets_received: Option<f64>,
    packets_lost: Option<f64>,
    fraction_lost: Option<f64>,
    jitter: Option<f64>,
    round_trip_time: Option<f64>,
    codec_id: Option<String>,
    local_id: Option<String>,
    frame_width: Option<f64>,
    frame_height: Option<f64>,
    frames_per_second: Option<f64>,
    frames_encoded: Option<f64>,
    frames_decoded: Option<f64>,
    frames_dropped: Option<f64>,
    key_frames_decoded: Option<f64>,
    key_frames_encoded: Option<f64>,
    quality_limitation_reason: Option<String>,
    selected_candidate_pair_id: Option<String>,
    nominated: Option<bool>,
    state: Option<String>,
    current_round_trip_time: Option<f64>,
    available_outgoing_bitrate: Option<f64>,
    local_candidate_id: Option<String>,
    remote_candidate_id: Option<String>,
    candidate_type: Option<String>,
    protocol: Option<String>,
    relay_protocol: Option<String>,
    requests_sent: Option<f64>,
    responses_received: Option<f64>,
    dtls_state: Option<Handshake>,
    address: Option<String>,
    port: Option<f64>,
    mime_type: Option<String>,
}

/// A call in numbers, at one moment and since the moment before.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stats {
    /// Milliseconds since 1970, by the browser.
    pub(crate) timestamp: f64,
    /// The candidate pair in use.
    pub(crate) path: Option<PathStats>,
    /// From here to the server.
    pub(crate) sent: Flows,
    /// From the server.
    pub(crate) received: Flows,
}

/// The candidate pair in use.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PathStats {
    /// This end: type, protocol and address.
    pub(crate) local: String,
    /// The server's end.
    pub(crate) remote: String,
    /// Milliseconds, by STUN.
    pub(crate) round_trip: Option<f64>,
    /// Bits per second the browser thinks it may send.
    pub(crate) available: Option<f64>,
    /// Bits per second.
    pub(crate) sent: Option<f64>,
    /// Bits per second.
    pub(crate) received: Option<f64>,
    #[serde(skip)]
    bytes: (f64, f64),
}

/// The flows of one direction.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Flows {
    pub(crate) audio: Option<Flow>,
    pub(crate) video: Option<Flow>,
}

/// One RTP stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Flow {
    /// As in SDP: `opus`, `VP8`.
    pub(crate) codec: Option<String>,
    /// Bits per second.
    pub(crate) bitrate: Option<f64>,
    /// Since the beginning.
    pub(crate) bytes: f64,
    /// Since the beginning.
    pub(crate) packets: f64,
    /// Since the beginning.
    pub(crate) packets_lost: Option<f64>,
    /// Of the packets since the last report, 0 to 1.
    pub(crate) loss: Option<f64>,
    /// Milliseconds.
    pub(crate) jitter: Option<f64>,
    /// Milliseconds, by RTCP.
    pub(crate) round_trip: Option<f64>,
    pub(crate) width: Option<f64>,
    pub(crate) height: Option<f64>,
    pub(crate) frames_per_second: Option<f64>,
    /// Encoded or decoded since the beginning.
    pub(crate) frames: Option<f64>,
    /// Since the beginning.
    pub(crate) key_frames: Option<f64>,
    /// Since the beginning.
    pub(crate) frames_dropped: Option<f64>,
    /// What keeps the encoder from doing better: `none`, `cpu`, `bandwidth`, `other`.
    pub(crate) limited_by: Option<String>,
}

/// Reads a report, and compares it with the one before.
pub(crate) fn read(report: &Report, before: Option<&Stats>) -> Stats {
    let mut stats = report.stats();
    if let Some(before) = before {
        stats.compare(before);
    }
    stats
}

/// The entries of a report.
#[derive(Debug)]
pub(crate) struct Report(pub(crate) Vec<Entry>);

impl Report {
    /// What it says of a connection that is not there. What was gathered besides is not in it.
    pub(crate) fn evidence(&self) -> ClientEvidence {
        let mut seen = ClientEvidence::default();
        for entry in &self.0 {
            match entry.of.as_str() {
                "local-candidate" => {
                    let count = match entry.candidate_type.as_deref() {
                        Some("host") => &mut seen.local.host,
                        Some("relay") => &mut seen.local.relayed,
                        _ => &mut seen.local.reflexive,
                    };
                    *count = count.saturating_add(1);
                }
                "candidate-pair" => self.add_pair(entry, &mut seen),
                "transport" => seen.dtls = entry.dtls_state.or(seen.dtls),
                _ => {}
            }
        }
        seen
    }

    fn add_pair(&self, pair: &Entry, seen: &mut ClientEvidence) {
        let local = self.by_id(pair.local_candidate_id.as_deref());
        let is = |field: Option<&String>, what| field.is_some_and(|it| it == what);
        let sums = match local {
            Some(local) if is(local.candidate_type.as_ref(), "relay") => &mut seen.relayed,
            Some(local) if is(local.protocol.as_ref(), "tcp") => &mut seen.tcp,
            _ => &mut seen.udp,
        };
        sums.pairs = sums.pairs.saturating_add(1);
        let (sent, answered) = (pair.requests_sent, pair.responses_received);
        add(&mut sums.sent, sent);
        add(&mut sums.answered, answered);
        if let (Some(sent), Some(answered)) = (sent, answered) {
            add(
                &mut sums.lost,
                Some(if answered > 0.0 { sent - answered } else { 0.0 }),
            );
        }
    }

    fn stats(&self) -> Stats {
        Stats {
            timestamp: self.0.iter().map(|e| e.timestamp).fold(0.0, f64::max),
            path: self.pair().map(|pair| self.path(pair)),
            sent: Flows {
                audio: self.sent("audio"),
                video: self.sent("video"),
            },
            received: Flows {
                audio: self.received("audio"),
                video: self.received("video"),
            },
        }
    }

    fn sent(&self, kind: &str) -> Option<Flow> {
        let entry = self.busiest("outbound-rtp", kind, |entry| entry.bytes_sent)?;
        let theirs = self.0.iter().find(|remote| {
            remote.of == "remote-inbound-rtp" && remote.local_id.as_ref() == Some(&entry.id)
        });
        Some(Flow {
            bytes: entry.bytes_sent.unwrap_or_default(),
            packets: entry.packets_sent.unwrap_or_default(),
            packets_lost: theirs.and_then(|remote| remote.packets_lost),
            loss: theirs.and_then(|remote| remote.fraction_lost),
            jitter: theirs.and_then(|remote| remote.jitter).map(ms),
            round_trip: theirs.and_then(|remote| remote.round_trip_time).map(ms),
            frames: entry.frames_encoded,
            key_frames: entry.key_frames_encoded,
            limited_by: entry.quality_limitation_reason.clone(),
            ..self.common(entry)
        })
    }

    fn received(&self, kind: &str) -> Option<Flow> {
        let entry = self.busiest("inbound-rtp", kind, |entry| entry.bytes_received)?;
        Some(Flow {
            bytes: entry.bytes_received.unwrap_or_default(),
            packets: entry.packets_received.unwrap_or_default(),
            packets_lost: entry.packets_lost,
            jitter: entry.jitter.map(ms),
            frames: entry.frames_decoded,
            key_frames: entry.key_frames_decoded,
            frames_dropped: entry.frames_dropped,
            ..self.common(entry)
        })
    }

    fn common(&self, entry: &Entry) -> Flow {
        let codec = self.by_id(entry.codec_id.as_deref());
        let mime_type = codec.and_then(|codec| codec.mime_type.as_deref());
        let name = mime_type.and_then(|mime| mime.split('/').nth(1));
        Flow {
            codec: name.map(str::to_owned),
            width: entry.frame_width,
            height: entry.frame_height,
            frames_per_second: entry.frames_per_second,
            ..Flow::default()
        }
    }

    fn busiest(&self, of: &str, kind: &str, bytes: fn(&Entry) -> Option<f64>) -> Option<&Entry> {
        let flows = self.0.iter();
        flows
            .filter(|entry| entry.of == of && entry.kind.as_deref() == Some(kind))
            .max_by(|a, b| {
                bytes(a)
                    .partial_cmp(&bytes(b))
                    .unwrap_or(std::cmp::Ordering::Equal)
            })
    }

    /// By the transport's word, or (older Firefox) the pair that is nominated and works.
    fn pair(&self) -> Option<&Entry> {
        let transport = self.0.iter().find(|entry| entry.of == "transport");
        let selected = transport.and_then(|entry| entry.selected_candidate_pair_id.as_deref());
        self.by_id(selected).or_else(|| {
            self.0.iter().find(|entry| {
                let works = entry.state.as_deref() == Some("succeeded");
                entry.of == "candidate-pair" && entry.nominated == Some(true) && works
            })
        })
    }

    fn path(&self, pair: &Entry) -> PathStats {
        let sent = pair.bytes_sent.unwrap_or_default();
        let received = pair.bytes_received.unwrap_or_default();
        PathStats {
            local: self.candidate(pair.local_candidate_id.as_deref()),
            remote: self.candidate(pair.remote_candidate_id.as_deref()),
            round_trip: pair.current_round_trip_time.map(ms),
            available: pair.available_outgoing_bitrate,
            bytes: (sent, received),
            ..PathStats::default()
        }
    }

    fn candidate(&self, id: Option<&str>) -> String {
        let Some(entry) = self.by_id(id) else {
            return "unknown".to_owned();
        };
        let kind = entry.candidate_type.as_deref().unwrap_or("unknown");
        let protocol = entry.relay_protocol.as_ref().or(entry.protocol.as_ref());
        let protocol = protocol.map_or("", String::as_str);
        let port = entry.port.map(|it| it as u16);
        match (entry.address.as_deref(), port) {
            // A browser does not tell a page without camera permission its own address.
            (None | Some(""), _) | (_, None) => format!("{kind} {protocol}"),
            (Some(address), Some(port)) if address.contains(':') => {
                format!("{kind} {protocol} [{address}]:{port}")
            }
            (Some(address), Some(port)) => format!("{kind} {protocol} {address}:{port}"),
        }
    }

    fn by_id(&self, id: Option<&str>) -> Option<&Entry> {
        let id = id?;
        self.0.iter().find(|entry| entry.id == id)
    }
}

/// What is told of one more.
fn add(sum: &mut Option<u32>, one: Option<f64>) {
    if let Some(one) = one {
        *sum = Some(sum.unwrap_or(0).saturating_add(one as u32));
    }
}

impl Stats {
    fn compare(&mut self, before: &Self) {
        let seconds = (self.timestamp - before.timestamp) / 1000.0;
        if seconds <= 0.0 {
            return;
        }
        if let (Some(now), Some(then)) = (&mut self.path, &before.path) {
            now.sent = rate(now.bytes.0, then.bytes.0, seconds);
            now.received = rate(now.bytes.1, then.bytes.1, seconds);
        }
        for (now, then) in self.flows().into_iter().zip(before.clone().flows()) {
            if let (Some(now), Some(then)) = (now, then) {
                now.bitrate = rate(now.bytes, then.bytes, seconds);
            }
        }
        for (now, then) in [
            (&mut self.received.audio, &before.received.audio),
            (&mut self.received.video, &before.received.video),
        ] {
            if let (Some(now), Some(then)) = (now, then) {
                now.loss = loss(now, then);
            }
        }
    }

    fn flows(&mut self) -> [&mut Option<Flow>; 4] {
        let (sent, received) = (&mut self.sent, &mut self.received);
        [
            &mut sent.audio,
            &mut sent.video,
            &mut received.audio,
            &mut received.video,
        ]
    }
}

/// Bits per second. Counters start over with a new peer connection: nothing to compare then.
fn rate(now: f64, then: f64, seconds: f64) -> Option<f64> {
    (now >= then).then(|| (now - then) * 8.0 / seconds)
}

/// The share of packets that went missing. Late ones can make the count fall (RFC 3550 §6.4.1).
fn loss(now: &Flow, then: &Flow) -> Option<f64> {
    let lost = (now.packets_lost? - then.packets_lost?).max(0.0);
    let came = now.packets - then.packets;
    let expected = lost + came;
    (came >= 0.0 && expected > 0.0).then(|| lost / expected)
}

fn ms(seconds: f64) -> f64 {
    seconds * 1000.0
}

#[cfg(test)]
mod tests;

//! Simulcast (RFC 8853): the layers an offered section sends, by their restriction ids (RFC 8851).
//!
//! The server takes every layer and sends none of its own.

use super::codecs::payload_type;
use super::description::Attributes;

/// The most layers of one section.
pub const MAX_LAYERS: usize = 16;

/// One layer taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layer<'a> {
    /// Its `rid`.
    pub(super) rid: &'a str,
    /// The restrictions to answer with.
    pub(super) restrictions: String,
}

/// The layers of a section, as offered, given the payload types taken.
pub(super) fn layers<'a>(attributes: &Attributes<'a>, payload_types: &[u8]) -> Vec<Layer<'a>> {
    let mut layers: Vec<Layer<'a>> = Vec::new();
    for rid in attributes.value("simulcast").map_or(vec![], sent) {
        if layers.len() == MAX_LAYERS || layers.iter().any(|layer| layer.rid == rid) {
            continue;
        }
        // An id that no a=rid line explains is to be ignored (RFC 8853 §5.2).
        layers.extend(layer(attributes, rid, payload_types));
    }
    layers
}

/// The names that browsers' clients give to layers of full, half and quarter size, best first. libwebrtc
/// takes layers smallest first, so that their order says nothing.
const BY_SIZE: [&str; 3] = ["f", "h", "q"];

/// The ids of layers, best first: by their names where those say it, else as offered.
pub(super) fn best_first(layers: &[Layer<'_>]) -> Vec<String> {
    let size = |layer: &Layer<'_>| BY_SIZE.iter().position(|name| *name == layer.rid);
    let mut layers: Vec<_> = layers.iter().collect();
    if layers.iter().all(|layer| size(layer).is_some()) {
        layers.sort_by_key(|layer| size(layer));
    }
    layers.iter().map(|layer| layer.rid.to_owned()).collect()
}

/// The ids of `send` in an `a=simulcast` value: streams are parted by ";", a stream's alternatives
/// by ",", and "~" marks one that starts paused. The first alternative stands for its stream.
fn sent(simulcast: &str) -> Vec<&str> {
    let mut words = simulcast.split_ascii_whitespace();
    let Some(streams) = words.by_ref().skip_while(|&word| word != "send").nth(1) else {
        return vec![];
    };
    let first = |stream: &'_ str| stream.split(',').next().map(str::len);
    streams
        .split(';')
        .filter_map(|stream| stream.get(..first(stream)?))
        .map(|rid| rid.trim_start_matches('~'))
        .filter(|rid| is_rid(rid))
        .collect()
}

/// RFC 8851 §10, `rid-id`, no longer than a header extension holds.
fn is_rid(text: &str) -> bool {
    let in_rid = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=255).contains(&text.len()) && text.bytes().all(in_rid)
}

fn layer<'a>(attributes: &Attributes<'a>, rid: &'a str, payload_types: &[u8]) -> Option<Layer<'a>> {
    let restrictions = attributes.values("rid").find_map(|line| {
        let (id, rest) = line.split_once(' ')?;
        let (direction, restrictions) = rest.split_once(' ').unwrap_or((rest, ""));
        (id == rid && direction == "send").then_some(restrictions.trim())
    })?;
    Some(Layer {
        rid,
        restrictions: narrowed(restrictions, payload_types)?,
    })
}

/// Restrictions without the payload types that were not taken; `None` if none of them was
/// (RFC 8851 §6.3).
fn narrowed(restrictions: &str, payload_types: &[u8]) -> Option<String> {
    let mut kept = Vec::new();
    for restriction in restrictions.split(';').filter(|r| !r.is_empty()) {
        let Some(list) = restriction.strip_prefix("pt=") else {
            kept.push(restriction.to_owned());
            continue;
        };
        let taken = |pt: &&str| payload_type(pt).is_some_and(|pt| payload_types.contains(&pt));
        let list: Vec<_> = list.split(',').filter(taken).collect();
        if list.is_empty() {
            return None;
        }
        kept.push(format!("pt={}", list.join(",")));
    }
    Some(kept.join(";"))
}

//! What is done to one sender: another track, another order of codecs, other layers.

use js_sys::{Array, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MediaStreamTrack, RtcRtpSender, console};

use super::layers;
use crate::call::Wanted;
use crate::codec::{self, VideoCodec};
use crate::gaps::{self, Sender, Transceiver};

/// Sends another track, or none.
pub(super) fn replace(sender: &RtcRtpSender, track: Option<&MediaStreamTrack>) {
    quietly(sender.replace_track(track), "track not replaced");
}

/// Has what is wanted sent and no more, of what was `said` to be published so. None where nothing is to be changed, or the
/// browser cannot. Until it is done the sender's parameters are not to be set again.
pub(super) fn reduce(sender: &RtcRtpSender, wanted: &Wanted, said: &JsValue) -> Option<Promise> {
    let sender: &Sender = sender.unchecked_ref();
    let parameters = sender.parameters().ok()?;
    let encodings = encodings_of(&parameters)?;
    let has_changed = match wanted {
        Wanted::Layers(rids) => activate(&encodings, rids)?,
        Wanted::Halved(times) => halve(&encodings, *times, &encodings_of(said)?)?,
    };
    match has_changed {
        true => sender.set_parameters(&parameters).ok(),
        false => None,
    }
}

/// How many times smaller than the picture each encoding is `said` to be; none where none are said.
pub(super) fn scales(said: &JsValue) -> Vec<f64> {
    let encodings = encodings_of(said).unwrap_or_default();
    let scale = |it: JsValue| get(&it, "scaleResolutionDownBy")?.as_f64();
    encodings
        .iter()
        .map(|it| scale(it).unwrap_or(1.0))
        .collect()
}

fn encodings_of(it: &JsValue) -> Option<Array> {
    get(it, "encodings")?.dyn_into().ok()
}

fn get(it: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(it, &name.into()).ok()
}

fn set(it: &JsValue, name: &str, value: &JsValue) -> bool {
    Reflect::set(it, &name.into(), value).is_ok()
}

/// Returns whether other simulcast layers are active than were.
fn activate(encodings: &Array, wanted: &[String]) -> Option<bool> {
    let rids = encodings.iter().map(|it| get(&it, "rid")?.as_string());
    let active = layers::activity(&rids.collect::<Vec<_>>(), wanted)?;
    let mut has_changed = false;
    for (encoding, active) in encodings.iter().zip(active) {
        let before = get(&encoding, "active").and_then(|it| it.as_bool());
        if before.unwrap_or(true) != active {
            has_changed |= set(&encoding, "active", &active.into());
        }
    }
    Some(has_changed)
}

/// Leaves out the largest spatial layers of one stream, and has the others stay as large as they are. Returns whether that is
/// other than it was. A browser that does not say in which mode it sends is left alone.
fn halve(encodings: &Array, times: u8, said: &Array) -> Option<bool> {
    let (encoding, said) = (encodings.get(0), said.get(0));
    let text = |it: &JsValue| get(it, "scalabilityMode")?.as_string();
    let number = |name: &str| get(&said, name)?.as_f64();
    let (mode, times) = layers::halved(&text(&said)?, times)?;
    if text(&encoding)? == mode {
        return Some(false);
    }
    let times = i32::from(times);
    let scale = number("scaleResolutionDownBy").unwrap_or(1.0) * 2_f64.powi(times);
    set(&encoding, "scalabilityMode", &mode.into());
    set(&encoding, "scaleResolutionDownBy", &scale.into());
    if let Some(most) = number("maxBitrate") {
        let most = (most * layers::SHARE.powi(times)).round();
        set(&encoding, "maxBitrate", &most.into());
    }
    Some(true)
}

/// Puts the wanted codec first. A browser that cannot keeps its own order.
pub(super) fn prefer(transceiver: &Transceiver, wanted: VideoCodec) {
    let Ok(Some(capabilities)) = gaps::receiver_capabilities("video") else {
        return;
    };
    let codecs = capabilities.get_codecs();
    let order = codec::preferred(&codec_names(&codecs), wanted);
    let Some(order) = order else { return };
    let ordered: Array = order.iter().map(|&i| codecs.get(i as u32)).collect();
    if let Err(error) = transceiver.prefer_codecs(&ordered) {
        console::warn_2(&"Ferrite: codec order refused".into(), &error);
    }
}

/// The media types of codecs.
pub(super) fn codec_names(codecs: &Array) -> Vec<String> {
    let name = |codec: JsValue| Reflect::get(&codec, &"mimeType".into()).ok()?.as_string();
    let names = codecs.iter().map(|codec| name(codec).unwrap_or_default());
    names.collect()
}

/// Waits for a promise of which only the failure is of interest, and that not much.
pub(super) fn quietly(promise: Promise, what: &'static str) {
    wasm_bindgen_futures::spawn_local(async move {
        if let Err(error) = promise.await {
            console::debug_2(&format!("Ferrite: {what}").into(), &error);
        }
    });
}

//! What is done to one sender: another track, another order of codecs, other layers.

use js_sys::{Array, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MediaStreamTrack, RtcRtpSender, console};

use super::layers;
use crate::codec::{self, VideoCodec};
use crate::gaps::{self, Sender, Transceiver};

/// Sends another track, or none.
pub(super) fn replace(sender: &RtcRtpSender, track: Option<&MediaStreamTrack>) {
    quietly(sender.replace_track(track), "track not replaced");
}

/// Has these layers sent and no others. None where nothing is to be changed, or the browser cannot. Until it is done
/// the sender's parameters are not to be set again.
pub(super) fn activate(sender: &RtcRtpSender, wanted: &[String]) -> Option<Promise> {
    let sender: &Sender = sender.unchecked_ref();
    let parameters = sender.parameters().ok()?;
    let encodings = Reflect::get(&parameters, &"encodings".into()).ok()?;
    let encodings: Array = encodings.dyn_into().ok()?;
    let get = |encoding: &JsValue, name: &str| Reflect::get(encoding, &name.into()).ok();
    let rids = encodings.iter().map(|it| get(&it, "rid")?.as_string());
    let active = layers::activity(&rids.collect::<Vec<_>>(), wanted)?;
    let mut has_changed = false;
    for (encoding, active) in encodings.iter().zip(active) {
        let before = get(&encoding, "active").and_then(|it| it.as_bool());
        if before.unwrap_or(true) != active {
            has_changed |= Reflect::set(&encoding, &"active".into(), &active.into()).is_ok();
        }
    }
    match has_changed {
        true => sender.set_parameters(&parameters).ok(),
        false => None,
    }
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

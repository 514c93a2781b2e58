//! Which simulcast layers a camera's picture is sent in, so that everybody may be sent one that fits. Pure.

use ferrite_protocol::Source;
use serde::Serialize;

use crate::codec::VideoCodec;

/// `RTCRtpEncodingParameters`, as far as they are said.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Encoding {
    rid: &'static str,
    scale_resolution_down_by: u8,
}

/// Smallest first, which is the order that libwebrtc takes layers in: where there is little room it leaves out
/// the last. The server knows them by their names.
const LAYERS: [Encoding; 3] = [
    Encoding {
        rid: "q",
        scale_resolution_down_by: 4,
    },
    Encoding {
        rid: "h",
        scale_resolution_down_by: 2,
    },
    Encoding {
        rid: "f",
        scale_resolution_down_by: 1,
    },
];

/// The layers; none where the picture is sent as it is. Of small pictures libwebrtc sends no more than the
/// first two layers, or the first, however small those are.
pub(super) fn encodings(
    source: Source,
    codec: Option<VideoCodec>,
    size: Option<(u16, u16)>,
) -> &'static [Encoding] {
    let is_layered = source == Source::Camera && matches!(codec, None | Some(VideoCodec::Vp8));
    // A phone held upright has the larger side above.
    let larger = size.map_or(0, |(width, height)| width.max(height));
    match larger {
        960.. if is_layered => &LAYERS,
        640.. if is_layered => &LAYERS[1..],
        _ => &[],
    }
}

/// Which encodings are to be active where these layers are wanted: one answer for each. None where that would
/// leave nothing, or they are no layers.
pub(super) fn activity(rids: &[Option<String>], wanted: &[String]) -> Option<Vec<bool>> {
    let is_wanted = |rid: &Option<String>| Some(wanted.contains(rid.as_ref()?));
    let active: Vec<_> = rids.iter().map(is_wanted).collect::<Option<_>>()?;
    active.contains(&true).then_some(active)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rids(source: Source, codec: Option<VideoCodec>, size: (u16, u16)) -> Vec<&'static str> {
        let encodings = encodings(source, codec, Some(size)).iter();
        encodings.map(|encoding| encoding.rid).collect()
    }

    #[test]
    fn what_is_wanted_is_active_and_something_always_is() {
        let strings = |rids: &[&str]| rids.iter().map(|rid| (*rid).to_owned()).collect::<Vec<_>>();
        let rids: Vec<_> = strings(&["q", "h", "f"]).into_iter().map(Some).collect();
        let active = |wanted: &[&str]| activity(&rids, &strings(wanted));
        assert_eq!(active(&["f", "h", "q"]), Some(vec![true; 3]));
        assert_eq!(active(&["q"]), Some(vec![true, false, false]));
        assert_eq!(active(&[]), None);
        assert_eq!(active(&["hi"]), None);
        assert_eq!(activity(&[None], &strings(&["q"])), None);
        assert_eq!(activity(&[], &strings(&["q"])), None);
    }

    #[test]
    fn large_pictures_of_cameras_are_sent_in_layers() {
        let camera = |size| rids(Source::Camera, None, size);
        assert_eq!(camera((1280, 720)), ["q", "h", "f"]);
        assert_eq!(camera((720, 1280)), ["q", "h", "f"]);
        assert_eq!(camera((640, 360)), ["h", "f"]);
        assert!(camera((480, 270)).is_empty());
        assert!(encodings(Source::Camera, None, None).is_empty());
        assert!(rids(Source::Screen, None, (1920, 1080)).is_empty());
        let vp9 = Some(VideoCodec::Vp9);
        assert!(rids(Source::Camera, vp9, (1280, 720)).is_empty());
    }
}

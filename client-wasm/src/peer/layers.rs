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

/// How large a picture is sent, of encodings that are so many times smaller the largest.
pub(super) fn scaled(size: (u16, u16), scales: impl IntoIterator<Item = f64>) -> (u16, u16) {
    let scales = scales.into_iter().filter(|it| *it >= 1.0);
    let scale = scales.reduce(f64::min).unwrap_or(1.0);
    let side = |own: u16| ((f64::from(own) / scale) as u16).max(1);
    (side(size.0), side(size.1))
}

/// What a layer takes of what the next larger one does.
pub(super) const SHARE: f64 = 1.0 / 3.0;

/// The mode of a stream with spatial layers, such as `L3T3_KEY`, where its largest are left out, one for each time that it is
/// halved, and how many those are. None where it has no such layers, or they are not each half as large as the next.
pub(super) fn halved(mode: &str, times: u8) -> Option<(String, u8)> {
    let (spatial, temporal) = mode.strip_prefix('L')?.split_once('T')?;
    let (temporal, key) = match temporal.strip_suffix("_KEY") {
        Some(temporal) => (temporal, "_KEY"),
        None => (temporal, ""),
    };
    let number = |text: &str| match text {
        "1" => Some(1_u8),
        "2" => Some(2),
        "3" => Some(3),
        _ => None,
    };
    let (spatial, temporal) = (number(spatial)?, number(temporal)?);
    let left = spatial.saturating_sub(times).max(1);
    let key = if left > 1 { key } else { "" };
    (spatial > 1).then(|| (format!("L{left}T{temporal}{key}"), spatial - left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_stream_the_largest_layers_are_left_out() {
        let of = |mode, times| halved(mode, times);
        let is = |mode: &str, left_out| Some((mode.to_owned(), left_out));
        assert_eq!(of("L3T3_KEY", 0), is("L3T3_KEY", 0));
        assert_eq!(of("L3T3_KEY", 1), is("L2T3_KEY", 1));
        assert_eq!(of("L3T3_KEY", 2), is("L1T3", 2));
        assert_eq!(of("L3T1", 1), is("L2T1", 1));
        assert_eq!(of("L2T2", 200), is("L1T2", 1));
        for mode in [
            "L1T3",
            "L3T3h",
            "S3T3",
            "L2T2_KEY_SHIFT",
            "L4T3",
            "LT",
            "",
            "L3T0",
        ] {
            assert_eq!(of(mode, 1), None, "{mode}");
        }
    }

    #[test]
    fn a_picture_is_as_large_as_its_largest_encoding() {
        let of = |scales: &[f64]| scaled((1280, 720), scales.iter().copied());
        assert_eq!(of(&[]), (1280, 720));
        assert_eq!(of(&[2.0]), (640, 360));
        assert_eq!(of(&[4.0, 1.5]), (853, 480));
        assert_eq!(of(&[4.0, 1.0, 2.0]), (1280, 720));
        assert_eq!(of(&[f64::NAN, 0.0, -2.0]), (1280, 720));
        assert_eq!(of(&[f64::INFINITY]), (1, 1));
    }

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

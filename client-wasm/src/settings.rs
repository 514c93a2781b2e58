//! What the user chose, remembered in `localStorage`, and what the address asks for. Owns the names
//! of both; knows nothing of the controls.

use serde::{Deserialize, Serialize};
use web_sys::{Storage, UrlSearchParams};

use crate::codec::VideoCodec;
use crate::dom;
use crate::media::{AudioWish, Kind, VideoWish, Wish};

const KEY: &str = "ferrite.settings";
/// In place of a device's id.
pub(crate) const NO_DEVICE: &str = "none";

/// What the user may choose. An empty device is the browser's default one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Settings {
    pub(crate) camera: String,
    pub(crate) microphone: String,
    /// Empty: the browser's own order.
    pub(crate) codec: String,
    /// Lines.
    pub(crate) resolution: String,
    /// Echo cancellation and what goes with it.
    pub(crate) processing: bool,
    /// Whether to blur the background of the picture, once that was chosen.
    pub(crate) blur: Option<bool>,
    /// What others in a room are to call one.
    pub(crate) name: String,
    /// Rooms of late, the last one first.
    pub(crate) rooms: Vec<String>,
}

/// So many rooms are remembered.
const ROOMS: usize = 8;

impl Default for Settings {
    fn default() -> Self {
        Self {
            camera: String::new(),
            microphone: String::new(),
            codec: String::new(),
            resolution: "720".to_owned(),
            processing: true,
            blur: None,
            name: String::new(),
            rooms: Vec::new(),
        }
    }
}

impl Settings {
    /// What was chosen last time, and over it what the address asks for.
    pub(crate) fn load() -> Self {
        let mut settings = Self::stored();
        let query = web_sys::window().and_then(|window| window.location().search().ok());
        let params = query.and_then(|query| UrlSearchParams::new_with_str(&query).ok());
        if let Some(params) = params {
            settings.obey(|name| params.get(name));
        }
        settings
    }

    /// Makes a change and remembers it, and only it: what the address asks for is for this visit.
    pub(crate) fn change(&mut self, change: impl Fn(&mut Self)) {
        change(self);
        let mut stored = Self::stored();
        change(&mut stored);
        stored.save();
    }

    fn stored() -> Self {
        let stored = storage().and_then(|storage| storage.get_item(KEY).ok().flatten());
        let stored = stored.and_then(|json| dom::read_json(&json).ok());
        stored.unwrap_or_default()
    }

    /// Where the browser keeps nothing, the next visit starts afresh.
    fn save(&self) {
        let json = serde_json::to_string(self).ok();
        if let (Some(storage), Some(json)) = (storage(), json) {
            let _ = storage.set_item(KEY, &json);
        }
    }

    /// Somebody was in this room.
    pub(crate) fn note_room(&mut self, room: &str) {
        self.rooms.retain(|known| known != room);
        self.rooms.insert(0, room.to_owned());
        self.rooms.truncate(ROOMS);
    }

    /// The codec to offer first.
    pub(crate) fn codec(&self) -> Option<VideoCodec> {
        VideoCodec::parse(&self.codec)
    }

    /// The chosen device of a kind.
    pub(crate) fn device(&self, kind: Kind) -> &str {
        match kind {
            Kind::Audio => &self.microphone,
            Kind::Video => &self.camera,
        }
    }

    /// What to ask the browser for, of these kinds.
    pub(crate) fn wish(&self, kinds: &[Kind]) -> Wish {
        let wanted = |kind| kinds.contains(&kind) && self.device(kind) != NO_DEVICE;
        Wish {
            audio: wanted(Kind::Audio)
                .then(|| AudioWish::new(self.microphone.clone(), self.processing)),
            video: wanted(Kind::Video)
                .then(|| VideoWish::new(self.camera.clone(), self.size(), self.blur)),
        }
    }

    fn size(&self) -> (u32, u32) {
        match self.resolution.as_str() {
            "360" => (640, 360),
            "480" => (640, 480),
            "1080" => (1920, 1080),
            _ => (1280, 720),
        }
    }

    fn obey(&mut self, param: impl Fn(&str) -> Option<String>) {
        if let Some(codec) = param("codec") {
            let known = VideoCodec::parse(&codec);
            self.codec = known.map_or("", VideoCodec::name).to_owned();
        }
        if let Some(resolution) = param("resolution") {
            self.resolution = resolution;
        }
        if let Some(processing) = param("processing") {
            self.processing = processing != "off";
        }
        if let Some(name) = param("name") {
            self.name = name;
        }
    }
}

/// Throws where cookies are off.
fn storage() -> Option<Storage> {
    web_sys::window()?.local_storage().ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(stored: &str) -> Settings {
        serde_json::from_str(stored).unwrap()
    }

    #[test]
    fn what_a_later_version_adds_or_lacks_is_no_matter() {
        let settings = parse(r#"{"camera":"c","mood":"good"}"#);
        assert_eq!(settings.camera, "c");
        assert_eq!(settings.resolution, "720");
    }

    #[test]
    fn the_address_goes_before_memory() {
        let mut settings = parse(r#"{"codec":"VP9","resolution":"360"}"#);
        settings.obey(|name| (name == "codec").then(|| "av1".to_owned()));
        assert_eq!(settings.codec(), Some(VideoCodec::Av1));
        assert_eq!(settings.size(), (640, 360));
    }

    #[test]
    fn rooms_are_remembered_once_each_and_the_last_one_first() {
        let mut settings = parse(r#"{"rooms":["a","b"]}"#);
        settings.note_room("b");
        assert_eq!(settings.rooms, ["b", "a"]);
        (0..20).for_each(|it| settings.note_room(&it.to_string()));
        assert_eq!(settings.rooms.len(), ROOMS);
        assert_eq!(settings.rooms[0], "19");
    }

    #[test]
    fn a_kind_switched_off_is_not_asked_for() {
        let settings = parse(r#"{"camera":"none"}"#);
        let wish = settings.wish(&[Kind::Audio, Kind::Video]);
        assert!(wish.video.is_none());
        assert!(wish.audio.is_some());
        assert!(settings.wish(&[Kind::Video]).audio.is_none());
    }
}

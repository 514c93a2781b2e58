//! What every page has before a call: the preview, and which camera and microphone in which quality.

use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, HtmlInputElement, HtmlOptionElement, HtmlSelectElement, MediaStream};

use super::action::{Choice, PageAction};
use super::element::{Finder, Missing, Tile, on, set_level, show, value_of};
use crate::codec::VideoCodec;
use crate::dom::{Listener, Post};
use crate::media::{Device, Kind};
use crate::settings::{NO_DEVICE, Settings};
use crate::words;

/// The preview and the choices.
pub(crate) struct Setup {
    tile: Tile,
    level: HtmlElement,
    camera: HtmlSelectElement,
    microphone: HtmlSelectElement,
    codec: HtmlSelectElement,
    resolution: HtmlSelectElement,
    processing: HtmlInputElement,
    blur_choice: HtmlElement,
    blur: HtmlInputElement,
    _listeners: Vec<Listener>,
}

impl Setup {
    pub(super) fn new(find: &Finder<'_>, post: &Post<PageAction>) -> Result<Self, Missing> {
        let mut setup = Self {
            tile: Tile::new(find, ["preview-tile", "preview", "preview-text"])?,
            level: find.get("level")?,
            camera: find.get("camera-select")?,
            microphone: find.get("microphone-select")?,
            codec: find.get("codec")?,
            resolution: find.get("resolution")?,
            processing: find.get("processing")?,
            blur_choice: find.get("blur-choice")?,
            blur: find.get("blur")?,
            _listeners: Vec::new(),
        };
        setup._listeners = setup.listeners(post);
        Ok(setup)
    }

    fn listeners(&self, post: &Post<PageAction>) -> Vec<Listener> {
        let choose = |control: &HtmlElement, choice| {
            on(control, "change", post, move |event| {
                Some(PageAction::Choose(choice, value_of(&event)?))
            })
        };
        vec![
            choose(&self.camera, Choice::Device(Kind::Video)),
            choose(&self.microphone, Choice::Device(Kind::Audio)),
            choose(&self.codec, Choice::Codec),
            choose(&self.resolution, Choice::Resolution),
            choose(&self.processing, Choice::Processing),
            choose(&self.blur, Choice::Blur),
        ]
    }

    /// Sets the controls as chosen. Codecs the browser lacks cannot be chosen.
    pub(crate) fn settings(&self, settings: &Settings, codecs: &[VideoCodec]) {
        self.codec.set_value(&settings.codec);
        self.resolution.set_value(&settings.resolution);
        self.processing.set_checked(settings.processing);
        for codec in VideoCodec::ALL {
            let option = format!("option[value={}]", codec.name());
            let option = self.codec.query_selector(&option).ok().flatten();
            if let Some(option) = option.and_then(|it| it.dyn_into::<HtmlOptionElement>().ok()) {
                option.set_disabled(!codecs.contains(&codec));
            }
        }
    }

    /// Lists the devices, with the chosen ones chosen.
    pub(crate) fn devices(&self, devices: &[Device], settings: &Settings) {
        for kind in [Kind::Audio, Kind::Video] {
            let of_kind: Vec<_> = devices.iter().filter(|it| it.kind == kind).collect();
            self.fill(kind, &of_kind, settings.device(kind));
        }
    }

    fn fill(&self, kind: Kind, devices: &[&Device], chosen: &str) {
        let select = match kind {
            Kind::Audio => &self.microphone,
            Kind::Video => &self.camera,
        };
        select.set_text_content(None);
        add_option(select, &words::default_device(kind), "");
        for (index, device) in devices.iter().enumerate() {
            // Chromium lists its own "default" besides.
            if device.id == "default" {
                continue;
            }
            let unnamed = words::unnamed_device(index + 1);
            let label = if device.label.is_empty() {
                &unnamed
            } else {
                &device.label
            };
            add_option(select, label, &device.id);
        }
        add_option(select, &words::no_device(kind), NO_DEVICE);
        let there = chosen == NO_DEVICE || devices.iter().any(|it| it.id == chosen);
        select.set_value(if there { chosen } else { "" });
    }

    /// Shows the camera's picture, or words in its place.
    pub(crate) fn preview(&self, stream: Option<&MediaStream>, words: &str) {
        self.tile.play(stream);
        self.tile.cover(stream.is_none().then_some(words));
    }

    /// Whether the background is blurred, where one can choose.
    pub(crate) fn blur(&self, blurred: Option<bool>) {
        show(&self.blur_choice, blurred.is_some());
        self.blur.set_checked(blurred == Some(true));
    }

    /// How loud the microphone is, 0 to 1.
    pub(crate) fn level(&self, level: f32) {
        set_level(&self.level, level);
    }
}

fn add_option(select: &HtmlSelectElement, text: &str, value: &str) {
    if let Ok(option) = HtmlOptionElement::new_with_text_and_value(text, value) {
        let _ = select.append_child(&option);
    }
}

//! Where the sound of others is played: one element per slot, whatever the tiles show.

use wasm_bindgen::JsCast;
use web_sys::{Document, HtmlAudioElement, HtmlElement, MediaStream};

use super::super::element::{Finder, Missing, play};
use crate::sorted::Map;

/// The elements, by their slot's `mid`.
pub(crate) struct Sinks {
    document: Document,
    frame: HtmlElement,
    sinks: Map<String, HtmlAudioElement>,
}

impl Sinks {
    pub(super) fn new(document: &Document, find: &Finder<'_>) -> Result<Self, Missing> {
        Ok(Self {
            document: document.clone(),
            frame: find.get("sinks")?,
            sinks: Map::new(),
        })
    }

    /// Plays what comes on a slot.
    pub(crate) fn play(&mut self, mid: String, stream: &MediaStream) {
        let sink = self.document.create_element("audio").ok();
        let Some(sink) = sink.and_then(|it| it.dyn_into::<HtmlAudioElement>().ok()) else {
            return;
        };
        sink.set_autoplay(true);
        play(&sink, Some(stream));
        let _ = self.frame.append_child(&sink);
        if let Some(old) = self.sinks.insert(mid, sink) {
            silence(&old);
        }
    }

    /// Whether the browser keeps any of it back, as some do until the user does something.
    pub(crate) fn are_held(&self) -> bool {
        self.sinks.values().any(|sink| sink.paused())
    }

    /// Plays what was kept back; from within what the user does.
    pub(crate) fn allow(&self) {
        for sink in self.sinks.values().filter(|sink| sink.paused()) {
            let _ = sink.play();
        }
    }

    /// Plays nothing any more.
    pub(crate) fn clear(&mut self) {
        self.sinks.values().for_each(silence);
        self.sinks.clear();
    }
}

fn silence(sink: &HtmlAudioElement) {
    play(sink, None);
    sink.remove();
}

//! The tiles of a room. Owns their elements; which there are, and what they play, is told.

use wasm_bindgen::JsCast;
use web_sys::{
    Document, Element, HtmlElement, HtmlTemplateElement, HtmlVideoElement, MediaStream, Window,
};

use super::super::element::{Finder, Missing, child, copy_of, play, set_text};

/// What a tile shows.
#[derive(Clone, Debug)]
pub(crate) struct Face<'a> {
    pub(crate) participant: &'a str,
    pub(crate) screen: bool,
    pub(crate) name: &'a str,
    pub(crate) own: bool,
    pub(crate) muted: bool,
    pub(crate) reconnecting: bool,
    pub(crate) stream: Option<&'a MediaStream>,
    /// Why there is none, where the user has to know.
    pub(crate) why: Option<&'static str>,
}

/// A tile's elements.
struct Tile {
    participant: String,
    screen: bool,
    figure: HtmlElement,
    video: HtmlVideoElement,
    name: Element,
    initial: Element,
    why: Element,
}

/// The tiles.
pub(crate) struct Grid {
    window: Option<Window>,
    frame: HtmlElement,
    template: HtmlTemplateElement,
    tiles: Vec<Tile>,
}

impl Grid {
    pub(super) fn new(find: &Finder<'_>) -> Result<Self, Missing> {
        let Finder(document): &Finder<'_> = find;
        Ok(Self {
            window: Document::default_view(document),
            frame: find.get("grid")?,
            template: find.get("tile-template")?,
            tiles: Vec::new(),
        })
    }

    /// Shows these tiles and no others. They stay where they are in the document, since a picture that
    /// is moved there stops; the style sheet orders them.
    pub(crate) fn show(&mut self, faces: &[Face<'_>]) {
        let is_there = |tile: &Tile| faces.iter().any(|face| tile.is_of(face));
        for gone in self.tiles.extract_if(.., |tile| !is_there(tile)) {
            play(&gone.video, None);
            gone.figure.remove();
        }
        for (order, face) in faces.iter().enumerate() {
            if !self.tiles.iter().any(|tile| tile.is_of(face)) {
                let Some(tile) = Tile::new(&self.template, face) else {
                    continue;
                };
                let _ = self.frame.append_child(&tile.figure);
                self.tiles.push(tile);
            }
            if let Some(tile) = self.tiles.iter().find(|tile| tile.is_of(face)) {
                tile.show(face, order);
            }
        }
    }

    /// The size of the place for tiles.
    pub(crate) fn size(&self) -> (f64, f64) {
        let (width, height) = (self.frame.client_width(), self.frame.client_height());
        (width.into(), height.into())
    }

    /// Makes every tile so large.
    pub(crate) fn arrange(&self, (width, height): (f64, f64)) {
        let style = self.frame.style();
        let _ = style.set_property("--width", &format!("{}px", width as u32));
        let _ = style.set_property("--height", &format!("{}px", height as u32));
    }

    /// How large a tile is, in pixels of the screen, if any of it can be seen.
    pub(crate) fn size_of(&self, participant: &str, screen: bool) -> Option<(f64, f64)> {
        let mut tiles = self.tiles.iter();
        let tile = tiles.find(|it| it.participant == participant && it.screen == screen)?;
        let place = tile.figure.get_bounding_client_rect();
        let window = self.window.as_ref()?;
        let height = window.inner_height().ok()?.as_f64()?;
        let is_seen = place.bottom() > 0.0 && place.top() < height && place.width() > 0.0;
        let scale = window.device_pixel_ratio();
        is_seen.then(|| (place.width() * scale, place.height() * scale))
    }
}

impl Tile {
    fn new(template: &HtmlTemplateElement, face: &Face<'_>) -> Option<Self> {
        let figure: HtmlElement = copy_of(template)?.dyn_into().ok()?;
        let data = figure.dataset();
        let _ = data.set("participant", face.participant);
        let source = if face.screen { "screen" } else { "camera" };
        let _ = data.set("source", source);
        if face.own {
            let _ = data.set("self", "");
        }
        let video: HtmlVideoElement = child(&figure, "video")?;
        // The attribute of a template's copy sets no property in some browsers.
        video.set_muted(true);
        let _ = video
            .class_list()
            .toggle_with_force("mirrored", face.own && !face.screen);
        Some(Self {
            participant: face.participant.to_owned(),
            screen: face.screen,
            name: child(&figure, ".name")?,
            initial: child(&figure, ".initial")?,
            why: child(&figure, ".why")?,
            video,
            figure,
        })
    }

    fn is_of(&self, face: &Face<'_>) -> bool {
        self.participant == face.participant && self.screen == face.screen
    }

    fn show(&self, face: &Face<'_>, order: usize) {
        let _ = self
            .figure
            .style()
            .set_property("order", &order.to_string());
        let data = self.figure.dataset();
        let state = if face.reconnecting {
            "reconnecting"
        } else {
            "connected"
        };
        let _ = data.set("state", state);
        let _ = data.set("muted", &face.muted.to_string());
        let _ = data.set("video", if face.stream.is_some() { "on" } else { "off" });
        play(&self.video, face.stream);
        let name = caption(face);
        set_text(&self.name, &name);
        let _ = self.video.set_attribute("aria-label", &name);
        set_text(&self.initial, &initial(face.name));
        set_text(&self.why, face.why.unwrap_or_default());
    }
}

fn caption(face: &Face<'_>) -> String {
    match (face.own, face.screen) {
        (false, false) => face.name.to_owned(),
        (true, false) => format!("{} (you)", face.name),
        (false, true) => format!("{}’s screen", face.name),
        (true, true) => "Your screen".to_owned(),
    }
}

/// What stands for somebody who shows nothing.
fn initial(name: &str) -> String {
    name.chars().take(1).flat_map(char::to_uppercase).collect()
}

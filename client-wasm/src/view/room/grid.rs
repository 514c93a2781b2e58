//! The tiles of a room. Owns their elements; which there are, and what they play, is told.

use wasm_bindgen::JsCast;
use web_sys::{
    Document, Element, Event, HtmlElement, HtmlTemplateElement, HtmlVideoElement, MediaStream,
    Window,
};

use super::super::action::{Look, RoomAction, SeeAction};
use super::super::element::{Finder, Missing, child, copy_of, on, play, press, set_text, show};
use super::touch;
use super::zoom::Zoom;
use crate::dom::{Listener, Post, Timeout};
use crate::words;

/// What a tile shows.
#[derive(Clone, Debug)]
pub(crate) struct Face<'a> {
    pub(crate) participant: &'a str,
    pub(crate) screen: bool,
    pub(crate) name: &'a str,
    pub(crate) own: bool,
    pub(crate) muted: bool,
    pub(crate) reconnecting: bool,
    pub(crate) speaking: bool,
    pub(crate) hand: bool,
    pub(crate) stream: Option<&'a MediaStream>,
    /// Why there is none, where the user has to know.
    pub(crate) why: Option<String>,
    /// What keeps it from being better, in words.
    pub(crate) limit: Option<String>,
}

/// A tile's elements.
struct Tile {
    participant: String,
    screen: bool,
    own: bool,
    figure: HtmlElement,
    video: HtmlVideoElement,
    name: Element,
    initial: Element,
    why: Element,
    weak: Element,
    pin: HtmlElement,
    /// How far its screen is looked into.
    zoom: Zoom,
    /// What they feel for a moment.
    reaction: Option<Timeout>,
}

/// How long a reaction is seen.
const REACTION_MS: u32 = 3_000;

/// The tiles.
pub(crate) struct Grid {
    window: Option<Window>,
    frame: HtmlElement,
    template: HtmlTemplateElement,
    tiles: Vec<Tile>,
    room: HtmlElement,
    /// How far the own tile was moved.
    moved: (f64, f64),
    _pinned: Listener,
    _touched: [Listener; 5],
}

impl Grid {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let Finder(document): &Finder<'_> = find;
        let frame: HtmlElement = find.get("grid")?;
        let pinned = on(&frame, "click", post, |event| pinned(&event));
        let touched = touch::listen(&frame, post);
        Ok(Self {
            window: Document::default_view(document),
            frame,
            template: find.get("tile-template")?,
            tiles: Vec::new(),
            room: find.get("room")?,
            moved: (0.0, 0.0),
            _pinned: pinned,
            _touched: touched,
        })
    }

    /// Shows these tiles and no others. They stay where they are in the document, since a picture that
    /// is moved there stops.
    pub(crate) fn show(&mut self, faces: &[Face<'_>]) {
        let is_there = |tile: &Tile| faces.iter().any(|face| tile.is_of(face));
        for gone in self.tiles.extract_if(.., |tile| !is_there(tile)) {
            play(&gone.video, None);
            gone.figure.remove();
        }
        for face in faces {
            if !self.tiles.iter().any(|tile| tile.is_of(face)) {
                let Some(tile) = Tile::new(&self.template, face) else {
                    continue;
                };
                let _ = self.frame.append_child(&tile.figure);
                self.tiles.push(tile);
            }
            if let Some(tile) = self.tiles.iter().find(|tile| tile.is_of(face)) {
                tile.show(face);
            }
        }
    }

    /// The size of the place for tiles.
    pub(crate) fn size(&self) -> (f64, f64) {
        let (width, height) = (self.frame.client_width(), self.frame.client_height());
        (width.into(), height.into())
    }

    /// Puts a tile there (from the left, from the top, width, height), or nowhere.
    pub(crate) fn place(
        &self,
        participant: &str,
        screen: bool,
        place: Option<(f64, f64, f64, f64)>,
        pinned: bool,
    ) {
        let mut tiles = self.tiles.iter();
        let tile = tiles.find(|it| it.participant == participant && it.screen == screen);
        let Some(tile) = tile else { return };
        show(&tile.figure, place.is_some());
        press(&tile.pin, pinned);
        let Some((x, y, width, height)) = place else {
            return;
        };
        let (x, y) = match tile.own && !tile.screen {
            true => self.moved_to((x, y), (width, height)),
            false => (x, y),
        };
        let style = tile.figure.style();
        let pixels = |value: f64| format!("{}px", value as i32);
        // What is moved this way is no shift of the layout for the browser.
        let place = format!("translate({}, {})", pixels(x), pixels(y));
        let _ = style.set_property("transform", &place);
        let _ = style.set_property("width", &pixels(width));
        let _ = style.set_property("height", &pixels(height));
    }

    /// Where a tile plays its picture.
    pub(super) fn video(&self, participant: &str, screen: bool) -> Option<&HtmlVideoElement> {
        let mut tiles = self.tiles.iter();
        let tile = tiles.find(|it| it.participant == participant && it.screen == screen)?;
        Some(&tile.video)
    }

    /// Where the own tile is, that was moved from its place: never beyond the edge.
    fn moved_to(&self, (x, y): (f64, f64), (width, height): (f64, f64)) -> (f64, f64) {
        let (right, bottom) = self.size();
        let within = |at: f64, most: f64| at.min(most).max(0.0);
        (
            within(x + self.moved.0, right - width),
            within(y + self.moved.1, bottom - height),
        )
    }

    /// The user moves their own tile, by so many pixels.
    pub(crate) fn move_own(&mut self, x: i32, y: i32) {
        let own = self.tiles.iter().find(|it| it.own && !it.screen);
        let Some(own) = own else { return };
        // From where it is seen, and not from beyond an edge.
        let (grid, tile) = (
            self.frame.get_bounding_client_rect(),
            own.figure.get_bounding_client_rect(),
        );
        let (right, bottom) = (grid.right() - tile.right(), grid.bottom() - tile.bottom());
        let (left, top) = (grid.left() - tile.left(), grid.top() - tile.top());
        self.moved.0 += f64::from(x).min(right).max(left);
        self.moved.1 += f64::from(y).min(bottom).max(top);
    }

    /// The own tile is in its place again.
    pub(crate) fn return_own(&mut self) {
        self.moved = (0.0, 0.0);
    }

    /// The user looks into somebody's screen, or into the first that there is.
    pub(crate) fn look(&mut self, whom: Option<&str>, look: Look) {
        let is_it =
            |tile: &&mut Tile| tile.screen && whom.is_none_or(|whom| tile.participant == whom);
        if let Some(tile) = self.tiles.iter_mut().find(is_it) {
            let figure = &tile.figure;
            tile.zoom
                .look(look, (figure.client_width(), figure.client_height()));
            let style = tile.video.style();
            let _ = style.set_property("transform", &tile.zoom.transform());
            let zoomed = if tile.zoom.is_whole() {
                "false"
            } else {
                "true"
            };
            let _ = tile.figure.dataset().set("zoomed", zoomed);
        }
    }

    /// Whether one tile is large and the others small.
    pub(crate) fn layout(&self, large: bool) {
        let name = if large { "speaker" } else { "grid" };
        let _ = self.room.dataset().set("layout", name);
    }

    /// Shows what somebody feels.
    pub(crate) fn react(&mut self, participant: &str, emoji: &str) {
        let mut tiles = self.tiles.iter_mut();
        let tile = tiles.find(|it| it.participant == participant && !it.screen);
        let Some(tile) = tile else { return };
        let document = tile.figure.owner_document();
        let Some(bubble) = document.and_then(|it| it.create_element("span").ok()) else {
            return;
        };
        bubble.set_class_name("reaction");
        bubble.set_text_content(Some(emoji));
        let _ = tile.figure.append_child(&bubble);
        let old = tile
            .figure
            .query_selector(".reaction:nth-last-of-type(n+4)");
        old.ok().flatten().iter().for_each(Element::remove);
        let figure = tile.figure.clone();
        tile.reaction = Some(Timeout::new(REACTION_MS, move || {
            while let Ok(Some(bubble)) = figure.query_selector(".reaction") {
                bubble.remove();
            }
        }));
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
            own: face.own,
            zoom: Zoom::default(),
            name: child(&figure, ".name")?,
            initial: child(&figure, ".initial")?,
            why: child(&figure, ".why")?,
            weak: child(&figure, ".weak")?,
            pin: child(&figure, ".pin")?,
            reaction: None,
            video,
            figure,
        })
    }

    fn is_of(&self, face: &Face<'_>) -> bool {
        self.participant == face.participant && self.screen == face.screen
    }

    fn show(&self, face: &Face<'_>) {
        let data = self.figure.dataset();
        let state = if face.reconnecting {
            "reconnecting"
        } else {
            "connected"
        };
        let _ = data.set("state", state);
        for (mark, is_so) in [
            ("muted", face.muted),
            ("speaking", face.speaking),
            ("hand", face.hand),
        ] {
            let _ = data.set(mark, if is_so { "true" } else { "false" });
        }
        let _ = data.set("video", if face.stream.is_some() { "on" } else { "off" });
        play(&self.video, face.stream);
        let name = caption(face);
        set_text(&self.name, &name);
        let _ = self.video.set_attribute("aria-label", &name);
        let _ = (self.pin).set_attribute("aria-label", &words::pin(&name));
        set_text(&self.initial, &initial(face.name));
        set_text(&self.why, face.why.as_deref().unwrap_or_default());
        let limit = face.limit.as_deref().unwrap_or_default();
        let _ = data.set("weak", if limit.is_empty() { "false" } else { "true" });
        for name in ["title", "aria-label"] {
            let _ = self.weak.set_attribute(name, limit);
        }
    }
}

/// What a tile says of itself.
pub(crate) fn caption(face: &Face<'_>) -> String {
    match face.screen {
        false => words::person(face.name, face.own),
        true => words::whose_screen(face.name, face.own),
    }
}

/// Which tile's pin was pressed.
fn pinned(event: &Event) -> Option<RoomAction> {
    let pressed: Element = event.target()?.dyn_into().ok()?;
    let pin = pressed.closest(".pin").ok()??;
    let tile: HtmlElement = pin.closest(".tile").ok()??.dyn_into().ok()?;
    let data = tile.dataset();
    let is_screen = data.get("source").as_deref() == Some("screen");
    Some(RoomAction::See(SeeAction::Pin(
        data.get("participant")?,
        is_screen,
    )))
}

/// What stands for somebody who shows nothing.
pub(super) fn initial(name: &str) -> String {
    name.chars().take(1).flat_map(char::to_uppercase).collect()
}

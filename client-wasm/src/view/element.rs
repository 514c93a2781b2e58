//! Small tools for the parts of the view: finding, showing, listening.

use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use web_sys::{
    Document, DocumentFragment, Element, Event, EventTarget, HtmlElement, HtmlMediaElement,
    HtmlTemplateElement, HtmlVideoElement, MediaStream,
};

use crate::decimal::decimal;
use crate::dom::{Listener, Post};

/// The page lacks an element, or has another in its place.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) &'static str);

/// Finds elements by id.
pub(super) struct Finder<'a>(pub(super) &'a Document);

impl Finder<'_> {
    /// The element of this id, if it is of this type.
    pub(super) fn get<T: JsCast>(&self, id: &'static str) -> Result<T, Missing> {
        let element = self.0.get_element_by_id(id).ok_or(Missing(id))?;
        element.dyn_into().map_err(|_| Missing(id))
    }
}

/// Posts what `read` makes of every event.
pub(super) fn on<A: 'static>(
    target: &EventTarget,
    kind: &'static str,
    post: &Post<A>,
    read: impl Fn(Event) -> Option<A> + 'static,
) -> Listener {
    // Boxed, it is compiled once for each kind of action, not for each `read`.
    let read: Box<dyn Fn(Event) -> Option<A>> = Box::new(read);
    Listener::posting(target, kind, post, read)
}

/// Shows or hides.
pub(super) fn show(element: &HtmlElement, shown: bool) {
    element.set_hidden(!shown);
}

/// Shows a switch as pressed or not.
pub(super) fn press(button: &HtmlElement, pressed: bool) {
    let _ = button.set_attribute("aria-pressed", &pressed.to_string());
}

/// The element of a copy of a template. There may be white space before it.
pub(super) fn copy_of(template: &HtmlTemplateElement) -> Option<Element> {
    let content = template.content().clone_node_with_deep(true).ok()?;
    let content: DocumentFragment = content.dyn_into().ok()?;
    content.first_element_child()
}

/// The first element below another that a selector finds.
pub(super) fn child<T: JsCast>(element: &Element, selector: &str) -> Option<T> {
    element.query_selector(selector).ok()??.dyn_into().ok()
}

/// Sets a text, unless it stands there already: a screen reader would read it again.
pub(super) fn set_text(element: &Element, text: &str) {
    if element.text_content().as_deref() != Some(text) {
        element.set_text_content(Some(text));
    }
}

/// A number from 0 to 1 on a level meter.
pub(super) fn set_level(meter: &HtmlElement, level: f32) {
    let style = meter.style();
    let _ = style.set_property("--level", &decimal(level.into(), 2));
    let percent = decimal(f64::from(level) * 100.0, 0);
    let _ = meter.set_attribute("aria-valuenow", &percent);
}

/// A picture with words in its place while there is none.
pub(super) struct Tile {
    pub(super) video: HtmlVideoElement,
    tile: HtmlElement,
    text: Element,
}

impl Tile {
    pub(super) fn new(find: &Finder<'_>, ids: [&'static str; 3]) -> Result<Self, Missing> {
        let [tile, video, text] = ids;
        Ok(Self {
            video: find.get(video)?,
            tile: find.get(tile)?,
            text: find.get(text)?,
        })
    }

    /// Plays a stream, or nothing.
    pub(super) fn play(&self, stream: Option<&MediaStream>) {
        play(&self.video, stream);
    }

    /// Shows the picture, or the words.
    pub(super) fn cover(&self, words: Option<&str>) {
        let state = if words.is_some() { "off" } else { "on" };
        let _ = self.tile.dataset().set("video", state);
        if let Some(words) = words {
            set_text(&self.text, words);
        }
    }
}

/// Plays a stream, or nothing. Setting the same one again would make the picture flicker.
pub(super) fn play(element: &HtmlMediaElement, stream: Option<&MediaStream>) {
    if element.src_object().as_ref() != stream {
        element.set_src_object(stream);
    }
}

/// The value of a control an event came from.
pub(super) fn value_of(event: &Event) -> Option<String> {
    let target: JsValue = event.target()?.into();
    if let Some(select) = target.dyn_ref::<web_sys::HtmlSelectElement>() {
        return Some(select.value());
    }
    let input = target.dyn_ref::<web_sys::HtmlInputElement>()?;
    Some(input.checked().to_string())
}

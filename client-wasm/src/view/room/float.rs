//! The small window that stays above all others: who is to be seen while one looks at something else. It is a
//! document of its own where the browser has such windows; elsewhere a tile's picture floats.

use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Document, Element, HtmlElement, HtmlMediaElement, MediaStream, Window};

use super::super::action::{RoomAction, SeeAction};
use super::super::element::{Finder, Missing, on, play, press, set_text, show};
use crate::dom::{Listener, Post};
use crate::words;

const SIZE: (f64, f64) = (360.0, 240.0);

/// The window, while there is one.
pub(crate) struct Float {
    post: Post<RoomAction>,
    open: Option<Open>,
    _pressed: Listener,
}

struct Open {
    window: Window,
    video: HtmlMediaElement,
    name: Element,
    mute: HtmlElement,
    _listeners: [Listener; 2],
}

impl Float {
    pub(super) fn new(find: &Finder<'_>, post: &Post<RoomAction>) -> Result<Self, Missing> {
        let Finder(document): &Finder<'_> = find;
        let button: HtmlElement = find.get("float")?;
        show(
            &button,
            request().is_some() || has_floating_videos(document),
        );
        Ok(Self {
            post: post.clone(),
            open: None,
            _pressed: on(&button, "click", post, |_| {
                Some(RoomAction::See(SeeAction::Float))
            }),
        })
    }

    /// Opens the window, or closes it; from within what the user does. Says whether this browser has such windows.
    pub(crate) fn toggle(&mut self) -> bool {
        if let Some(open) = self.open.take() {
            let _ = open.window.close();
            return true;
        }
        let Some(window) = request() else {
            return false;
        };
        let post = self.post.clone();
        wasm_bindgen_futures::spawn_local(async move {
            // It is the browser's to refuse.
            if let Ok(window) = window().await {
                post.send(RoomAction::See(SeeAction::Floats(window)));
            }
        });
        true
    }

    /// The window is there.
    pub(crate) fn opened(&mut self, window: Window) {
        self.open = Open::new(window, &self.post);
    }

    /// The window was closed.
    pub(crate) fn closed(&mut self) {
        self.open = None;
    }

    /// Closes the window, if there is one.
    pub(crate) fn close(&mut self) {
        if let Some(open) = self.open.take() {
            let _ = open.window.close();
        }
    }

    /// How large it is, in pixels of the screen, while it is there.
    pub(super) fn size(&self) -> Option<(f64, f64)> {
        let window = &self.open.as_ref()?.window;
        let (width, height) = (window.inner_width().ok()?, window.inner_height().ok()?);
        let scale = window.device_pixel_ratio();
        Some((width.as_f64()? * scale, height.as_f64()? * scale))
    }

    /// Shows somebody there.
    pub(crate) fn show(&self, stream: Option<&MediaStream>, name: &str) {
        if let Some(open) = &self.open {
            play(&open.video, stream);
            set_text(&open.name, name);
        }
    }

    /// Shows there whether the microphone is muted.
    pub(crate) fn mute(&self, muted: bool) {
        if let Some(open) = &self.open {
            press(&open.mute, muted);
        }
    }
}

impl Open {
    /// Its elements are of another document, whose types are others, too.
    fn new(window: Window, post: &Post<RoomAction>) -> Option<Self> {
        let document = window.document()?;
        wear_the_same(&document);
        let body = document.body()?;
        body.set_class_name("float");
        let made = |tag| {
            let element = document.create_element(tag).ok()?;
            body.append_child(&element).ok()?;
            Some(element)
        };
        let video: HtmlMediaElement = made("video")?.unchecked_into();
        video.set_autoplay(true);
        video.set_muted(true);
        let mute: HtmlElement = made("button")?.unchecked_into();
        mute.set_class_name("button");
        set_text(&mute, &words::mute());
        Some(Self {
            name: made("p")?,
            _listeners: [
                on(&window, "pagehide", post, |_| {
                    Some(RoomAction::See(SeeAction::Sinks))
                }),
                on(&mute, "click", post, |_| Some(RoomAction::Mute)),
            ],
            video,
            mute,
            window,
        })
    }
}

/// Has a document look like the page.
fn wear_the_same(document: &Document) {
    let page = web_sys::window().and_then(|it| it.document());
    let sheets = page.and_then(|it| it.query_selector_all("link[rel=stylesheet]").ok());
    let (Some(sheets), Some(head)) = (sheets, document.query_selector("head").ok().flatten())
    else {
        return;
    };
    for at in 0..sheets.length() {
        let address = sheets
            .get(at)
            .and_then(|it| Reflect::get(&it, &"href".into()).ok());
        let address = address.and_then(|it| it.as_string());
        if let (Some(address), Ok(sheet)) = (address, document.create_element("link")) {
            let _ = sheet.set_attribute("rel", "stylesheet");
            let _ = sheet.set_attribute("href", &address);
            let _ = head.append_child(&sheet);
        }
    }
}

/// Asks for such a window, where the browser has them. It gives none to a page within another.
fn request() -> Option<impl AsyncFnOnce() -> Result<Window, JsValue> + 'static> {
    let page = web_sys::window()?;
    let top = page.top().ok()??;
    if !Object::is(&top, &page) {
        return None;
    }
    let maker = Reflect::get(&page, &"documentPictureInPicture".into()).ok()?;
    let make = Reflect::get(&maker, &"requestWindow".into()).ok()?;
    let make: Function = make.dyn_into().ok()?;
    Some(async move || {
        let options = Object::new();
        Reflect::set(&options, &"width".into(), &SIZE.0.into())?;
        Reflect::set(&options, &"height".into(), &SIZE.1.into())?;
        let window: Promise = make.call1(&maker, &options)?.dyn_into()?;
        let window: JsValue = window.await?;
        Ok(window.unchecked_into())
    })
}

fn has_floating_videos(document: &Document) -> bool {
    let enabled = Reflect::get(document, &"pictureInPictureEnabled".into());
    enabled.is_ok_and(|it| it.is_truthy())
}

/// How large a picture is that floats by itself, if it does.
pub(super) fn size_of(document: &Document, video: &HtmlElement) -> Option<(f64, f64)> {
    let floats = Reflect::get(document, &"pictureInPictureElement".into()).ok()?;
    Object::is(&floats, video).then_some(SIZE)
}

/// Has a picture float by itself, or no longer.
pub(super) fn float(document: &Document, video: &HtmlElement) {
    let floats = Reflect::get(document, &"pictureInPictureElement".into());
    let (of, name): (&JsValue, _) = match floats.is_ok_and(|it| it.is_truthy()) {
        true => (document.as_ref(), "exitPictureInPicture"),
        false => (video.as_ref(), "requestPictureInPicture"),
    };
    let call = Reflect::get(of, &name.into()).and_then(JsCast::dyn_into::<Function>);
    let called = call.and_then(|it| it.call0(of));
    if let Ok(promise) = called.and_then(JsCast::dyn_into::<Promise>) {
        wasm_bindgen_futures::spawn_local(async move {
            // A picture that has not come yet cannot.
            let _ = promise.await;
        });
    }
}

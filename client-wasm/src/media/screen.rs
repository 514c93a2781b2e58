//! A screen that is shown to others, perhaps with its sound: asked for, held and given back.

use js_sys::{Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MediaStream, MediaStreamTrack};

use super::capture::{Capture, Trouble};
use super::media_devices;
use crate::dom::{self, Listener, Post};
use crate::gaps::Screens;

/// What happens to a screen.
#[derive(Debug)]
pub(crate) enum ScreenEvent {
    /// The answer to [`ask`].
    Answered(Result<MediaStream, Trouble>),
    /// The user ended it with the browser's own means.
    Ended,
}

/// A screen in use; dropping it ends that.
pub(crate) struct Screen {
    // Before the captures: a stopped track's listener has nothing to say.
    _ended: Option<Listener>,
    stream: MediaStream,
    picture: Option<Capture>,
    sound: Option<Capture>,
}

impl Screen {
    /// Takes what was given.
    pub(crate) fn new(stream: MediaStream, post: &Post<ScreenEvent>) -> Self {
        let first = |tracks: js_sys::Array<MediaStreamTrack>| tracks.iter().next().map(Capture);
        let picture = first(stream.get_video_tracks().unchecked_into());
        let sound = first(stream.get_audio_tracks().unchecked_into());
        let ended = picture.as_ref().map(|capture| {
            let post = post.clone();
            Listener::new(&capture.0, "ended", move |_| post.send(ScreenEvent::Ended))
        });
        Self {
            _ended: ended,
            stream,
            picture,
            sound,
        }
    }

    /// What its owner sees of it.
    pub(crate) fn stream(&self) -> &MediaStream {
        &self.stream
    }

    pub(crate) fn picture(&self) -> Option<&MediaStreamTrack> {
        self.picture.as_ref().map(|capture| &capture.0)
    }

    pub(crate) fn sound(&self) -> Option<&MediaStreamTrack> {
        self.sound.as_ref().map(|capture| &capture.0)
    }
}

/// Whether this browser can show a screen to others.
pub(crate) fn can_show() -> bool {
    let name = "getDisplayMedia".into();
    media_devices().is_some_and(|devices| Reflect::has(&devices, &name).unwrap_or(false))
}

/// Asks the user which screen; the answer comes as [`ScreenEvent::Answered`].
pub(crate) fn ask(post: Post<ScreenEvent>) {
    wasm_bindgen_futures::spawn_local(async move {
        let answer = get().await.map_err(|error| {
            let (name, words) = dom::describe(&error);
            Trouble::of(&name, words)
        });
        post.send(ScreenEvent::Answered(answer));
    });
}

async fn get() -> Result<MediaStream, JsValue> {
    let devices = media_devices().ok_or("no devices")?;
    let options = Object::new();
    Reflect::set(&options, &"video".into(), &JsValue::TRUE)?;
    Reflect::set(&options, &"audio".into(), &JsValue::TRUE)?;
    let screens: Screens = devices.unchecked_into();
    let stream = screens.get_display_media(&options)?.await?;
    Ok(stream.unchecked_into())
}

//! How to ask for camera and microphone so that one prompt comes, and one broken device does not
//! take the other with it.

use js_sys::{Object, Reflect};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MediaDevices, MediaStream, MediaStreamConstraints, MediaStreamTrack};

use super::capture::{Capture, Kind, Trouble};
use crate::{dom, gaps};

/// What to ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) audio: Option<AudioWish>,
    pub(crate) video: Option<VideoWish>,
}

/// This device and no other: browsers have a mind of their own about a device that is only wished for.
#[derive(Clone, Debug, Serialize)]
struct Exactly {
    exact: String,
}

impl Exactly {
    /// An empty id is no choice.
    fn new(exact: String) -> Option<Self> {
        (!exact.is_empty()).then_some(Self { exact })
    }
}

/// `MediaTrackConstraints` for a microphone.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AudioWish {
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<Exactly>,
    echo_cancellation: bool,
    noise_suppression: bool,
    auto_gain_control: bool,
}

/// `MediaTrackConstraints` for a camera.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VideoWish {
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<Exactly>,
    width: u32,
    height: u32,
    frame_rate: u32,
    /// Nothing is asked of it until the user chose: the system may have been told.
    #[serde(skip_serializing_if = "Option::is_none")]
    background_blur: Option<bool>,
}

impl AudioWish {
    /// `processing`: echo cancellation and what goes with it.
    pub(crate) fn new(device_id: String, processing: bool) -> Self {
        Self {
            device_id: Exactly::new(device_id),
            echo_cancellation: processing,
            noise_suppression: processing,
            auto_gain_control: processing,
        }
    }
}

impl VideoWish {
    pub(crate) fn new(
        device_id: String,
        (width, height): (u32, u32),
        background_blur: Option<bool>,
    ) -> Self {
        Self {
            device_id: Exactly::new(device_id),
            width,
            height,
            frame_rate: 30,
            background_blur,
        }
    }
}

impl Wish {
    /// The kinds wished for.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> + use<> {
        let audio = self.audio.is_some().then_some(Kind::Audio);
        let video = self.video.is_some().then_some(Kind::Video);
        audio.into_iter().chain(video)
    }

    fn only(&self, kind: Kind) -> Self {
        match kind {
            Kind::Audio => Self {
                audio: self.audio.clone(),
                video: None,
            },
            Kind::Video => Self {
                audio: None,
                video: self.video.clone(),
            },
        }
    }

    fn names_a_device(&self) -> bool {
        let audio = self.audio.as_ref().and_then(|it| it.device_id.as_ref());
        let video = self.video.as_ref().and_then(|it| it.device_id.as_ref());
        audio.or(video).is_some()
    }

    fn for_any_device(mut self) -> Self {
        if let Some(audio) = &mut self.audio {
            audio.device_id = None;
        }
        if let Some(video) = &mut self.video {
            video.device_id = None;
        }
        self
    }
}

/// What was got, or why not, per kind asked for.
#[derive(Debug)]
pub(crate) struct Acquired {
    parts: Vec<(Kind, u32, Result<Capture, Trouble>)>,
}

impl Acquired {
    pub(super) fn into_parts(self) -> Vec<(Kind, u32, Result<Capture, Trouble>)> {
        self.parts
    }
}

/// Asks for everything at once, and after a failure for each by itself.
pub(super) async fn acquire(
    devices: Option<MediaDevices>,
    wish: Wish,
    numbers: [u32; 2],
) -> Acquired {
    let mut parts = Vec::new();
    for (kind, result) in get_all(devices.as_ref(), &wish).await {
        parts.push((kind, numbers[kind as usize], result));
    }
    Acquired { parts }
}

async fn get_all(
    devices: Option<&MediaDevices>,
    wish: &Wish,
) -> Vec<(Kind, Result<Capture, Trouble>)> {
    let kinds: Vec<Kind> = wish.kinds().collect();
    let Some(devices) = devices else {
        let insecure = kinds.into_iter();
        return insecure.map(|it| (it, Err(Trouble::Insecure))).collect();
    };
    let trouble = match get(devices, wish).await {
        Ok(stream) => {
            return kinds
                .into_iter()
                .map(|it| (it, take(&stream, it)))
                .collect();
        }
        Err(trouble) => trouble,
    };
    let mut results = Vec::new();
    for &kind in &kinds {
        let again = kinds.len() > 1 && worth_asking_again(&trouble, kind).await;
        let only = wish.only(kind);
        let result = match again {
            true => get(devices, &only).await,
            false => Err(trouble.clone()),
        };
        // What went away since it was chosen is no reason to do without.
        let result = match result {
            Err(Trouble::Missing) if only.names_a_device() => {
                get(devices, &only.for_any_device()).await
            }
            result => result,
        };
        results.push((kind, result.and_then(|stream| take(&stream, kind))));
    }
    results
}

/// Whoever just said no is not asked twice more, but what was allowed long ago still is.
async fn worth_asking_again(trouble: &Trouble, kind: Kind) -> bool {
    *trouble != Trouble::Denied || is_granted(kind).await
}

async fn get(devices: &MediaDevices, wish: &Wish) -> Result<MediaStream, Trouble> {
    let constraints = MediaStreamConstraints::new();
    if let Some(audio) = &wish.audio {
        constraints.set_audio(&object(audio)?.into());
    }
    if let Some(video) = &wish.video {
        constraints.set_video(&object(video)?.into());
    }
    let promise = devices.get_user_media_with_constraints(&constraints);
    let stream = promise.map_err(|error| trouble_of(&error))?.await;
    let stream = stream.map_err(|error| trouble_of(&error))?;
    Ok(stream.unchecked_into())
}

fn object(wish: &impl Serialize) -> Result<Object, Trouble> {
    gaps::object_from(wish).map_err(|error| trouble_of(&error))
}

fn trouble_of(error: &JsValue) -> Trouble {
    let (name, words) = dom::describe(error);
    Trouble::of(&name, words)
}

fn take(stream: &MediaStream, kind: Kind) -> Result<Capture, Trouble> {
    let tracks = match kind {
        Kind::Audio => stream.get_audio_tracks(),
        Kind::Video => stream.get_video_tracks(),
    };
    let track: Result<MediaStreamTrack, _> = tracks.get(0).dyn_into();
    track.map(Capture).map_err(|_| Trouble::Missing)
}

/// What the Permissions API says. A browser that does not know the name has not granted it.
async fn is_granted(kind: Kind) -> bool {
    let name = match kind {
        Kind::Audio => "microphone",
        Kind::Video => "camera",
    };
    let query = || -> Result<_, JsValue> {
        let descriptor = Object::new();
        Reflect::set(&descriptor, &"name".into(), &name.into())?;
        let window = web_sys::window().ok_or(JsValue::NULL)?;
        window.navigator().permissions()?.query(&descriptor)
    };
    let Ok(promise) = query() else { return false };
    let state = promise
        .await
        .and_then(|it| Reflect::get(&it, &"state".into()));
    state.is_ok_and(|state| state.as_string().as_deref() == Some("granted"))
}

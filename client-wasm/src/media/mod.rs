//! The user's camera and microphone: asked for, held and given back. Owns the tracks; knows
//! nothing of who shows or sends them.

mod acquire;
mod capture;
mod level;
pub(crate) mod screen;

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MediaDeviceInfo, MediaDeviceKind, MediaDevices, MediaStream, MediaStreamTrack};

pub(crate) use acquire::{Acquired, AudioWish, VideoWish, Wish};
pub(crate) use capture::{Capture, Kind, Trouble};
use level::Level;
pub(crate) use screen::{Screen, ScreenEvent};

use crate::dom::{Listener, Post, Task};
use crate::gaps;

/// What happens to devices.
#[derive(Debug)]
pub(crate) enum MediaEvent {
    /// The answer to [`Media::acquire`].
    Acquired(Box<Acquired>),
    /// A track ended by itself.
    Ended(Kind),
    /// The browser does something else with a camera's picture, or may.
    Configured,
    /// The answer to [`Media::set_blur`] with this.
    Blurred(bool),
    /// A device was plugged in or out.
    Changed,
    /// The answer to [`Media::list`].
    Devices(Vec<Device>),
}

/// A device one may choose.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Device {
    pub(crate) kind: Kind,
    /// Empty for a stand-in: without permission browsers tell only that there is one.
    pub(crate) id: String,
    /// Empty as long as the page has no permission.
    pub(crate) label: String,
}

struct Held {
    // Before the capture: a stopped track's listeners have nothing to say.
    _listeners: [Listener; 2],
    capture: Capture,
    stream: MediaStream,
    /// A track that has ended does not tell any more.
    id: String,
}

/// The devices in use.
pub(crate) struct Media {
    post: Post<MediaEvent>,
    devices: Option<MediaDevices>,
    audio: Option<Held>,
    video: Option<Held>,
    level: Option<Level>,
    /// Somebody reads how loud it is.
    metered: bool,
    listing: Option<Task>,
    /// What the browser is asked to do with the background of the picture.
    blurring: Option<(bool, Task)>,
    /// Numbers requests, so that a late answer to an old one is recognised.
    request: [u32; 2],
    _changed: Option<Listener>,
}

impl Media {
    pub(crate) fn new(post: Post<MediaEvent>) -> Self {
        let devices = media_devices();
        let changed = devices.as_ref().map(|devices| {
            let post = post.clone();
            Listener::new(devices, "devicechange", move |_| {
                post.send(MediaEvent::Changed);
            })
        });
        Self {
            post,
            devices,
            audio: None,
            video: None,
            level: None,
            metered: true,
            listing: None,
            blurring: None,
            request: [0, 0],
            _changed: changed,
        }
    }

    /// Asks for devices; the answer comes as [`MediaEvent::Acquired`]. What they replace is given
    /// back first: many devices cannot be opened twice.
    ///
    /// The request itself is never abandoned. A stream that nobody waited for would keep the camera
    /// on until the garbage collector came by.
    pub(crate) fn acquire(&mut self, wish: Wish) {
        for kind in wish.kinds() {
            self.release(kind);
        }
        let numbers = self.request;
        let (devices, post) = (self.devices.clone(), self.post.clone());
        wasm_bindgen_futures::spawn_local(async move {
            let acquired = acquire::acquire(devices, wish, numbers).await;
            post.send(MediaEvent::Acquired(Box::new(acquired)));
        });
    }

    /// Takes what was acquired into use, unless it has been asked for again or given back since.
    /// What is not taken is turned off.
    pub(crate) fn accept(&mut self, acquired: Acquired) -> [Option<Trouble>; 2] {
        let mut troubles = [None, None];
        for (kind, number, result) in acquired.into_parts() {
            if number != self.request[kind as usize] {
                continue;
            }
            match result {
                Ok(capture) => self.hold(kind, capture),
                Err(trouble) => troubles[kind as usize] = Some(trouble),
            }
        }
        troubles
    }

    /// Turns a device off.
    pub(crate) fn release(&mut self, kind: Kind) {
        let number = &mut self.request[kind as usize];
        *number = number.wrapping_add(1);
        match kind {
            Kind::Audio => {
                self.level = None;
                self.audio = None;
            }
            Kind::Video => (self.video, self.blurring) = (None, None),
        }
    }

    /// The track of a device in use.
    pub(crate) fn track(&self, kind: Kind) -> Option<&MediaStreamTrack> {
        self.held(kind).map(|held| &held.capture.0)
    }

    /// The device in use.
    pub(crate) fn device(&self, kind: Kind) -> Option<Device> {
        self.held(kind).map(|held| Device {
            kind,
            id: held.id.clone(),
            label: held.capture.0.label(),
        })
    }

    fn held(&self, kind: Kind) -> Option<&Held> {
        match kind {
            Kind::Audio => self.audio.as_ref(),
            Kind::Video => self.video.as_ref(),
        }
    }

    /// Every track in use.
    pub(crate) fn tracks(&self) -> Vec<MediaStreamTrack> {
        let kinds = [Kind::Audio, Kind::Video].into_iter();
        kinds.filter_map(|kind| self.track(kind).cloned()).collect()
    }

    /// The picture alone, to be shown to its owner: nobody wants to hear himself twice.
    pub(crate) fn picture(&self) -> Option<&MediaStream> {
        self.video.as_ref().map(|held| &held.stream)
    }

    /// Whether the background of the picture is blurred, or about to be, where one can choose.
    pub(crate) fn blur(&self) -> Option<bool> {
        let now = gaps::blur_of(self.track(Kind::Video)?)?;
        Some(self.blurring.as_ref().map_or(now, |(wished, _)| *wished))
    }

    /// Blurs the background of the picture, or not; the answer comes as [`MediaEvent::Blurred`].
    pub(crate) fn set_blur(&mut self, blurred: bool) {
        let Some(track) = self.track(Kind::Video).cloned() else {
            return;
        };
        let post = self.post.clone();
        let blurring = Task::new(async move {
            // Whether it did shows in what is set.
            let _ = gaps::blur(&track, blurred).await;
            post.send(MediaEvent::Blurred(blurred));
        });
        self.blurring = Some((blurred, blurring));
    }

    /// The browser was asked this, and answered. Returns whether it did it.
    pub(crate) fn has_blurred(&mut self, blurred: bool) -> bool {
        self.blurring = None;
        self.blur() == Some(blurred)
    }

    /// How loud the microphone is, 0 to 1.
    pub(crate) fn loudness(&mut self) -> f32 {
        self.level.as_mut().map_or(0.0, Level::read)
    }

    /// Whether anybody is to read that: what nobody measures is not listened to.
    pub(crate) fn measure(&mut self, metered: bool) {
        self.metered = metered;
        if let Some(level) = &self.level {
            level.listen(metered);
        }
    }

    /// The user did something: a browser may have waited for that before it measures sound.
    pub(crate) fn wake(&self) {
        if let Some(level) = &self.level {
            level.wake();
        }
    }

    /// Asks which devices there are; the answer comes as [`MediaEvent::Devices`].
    pub(crate) fn list(&mut self) {
        let Some(devices) = self.devices.clone() else {
            return;
        };
        let post = self.post.clone();
        self.listing = Some(Task::new(async move {
            if let Some(devices) = enumerate(&devices).await {
                post.send(MediaEvent::Devices(devices));
            }
        }));
    }

    fn hold(&mut self, kind: Kind, capture: Capture) {
        let (post, changed) = (self.post.clone(), self.post.clone());
        let listeners = [
            Listener::new(&capture.0, "ended", move |_| {
                post.send(MediaEvent::Ended(kind));
            }),
            // The system has switches of its own for what is done with a picture.
            Listener::new(&capture.0, "configurationchange", move |_| {
                changed.send(MediaEvent::Configured);
            }),
        ];
        let Ok(stream) = MediaStream::new() else {
            return;
        };
        stream.add_track(&capture.0);
        if kind == Kind::Audio {
            self.level = Level::of(&capture.0, self.metered).ok();
        }
        let held = Some(Held {
            _listeners: listeners,
            id: gaps::device_of(&capture.0),
            capture,
            stream,
        });
        match kind {
            Kind::Audio => self.audio = held,
            Kind::Video => self.video = held,
        }
    }
}

/// Absent where the page does not come over https.
fn media_devices() -> Option<MediaDevices> {
    let devices = web_sys::window()?.navigator().media_devices().ok()?;
    let devices: JsValue = devices.into();
    devices.dyn_into().ok()
}

async fn enumerate(devices: &MediaDevices) -> Option<Vec<Device>> {
    let list: Array = devices
        .enumerate_devices()
        .ok()?
        .await
        .ok()?
        .dyn_into()
        .ok()?;
    let infos = list.iter().filter_map(|info| info.dyn_into().ok());
    Some(infos.filter_map(|info| device(&info)).collect())
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the browser's enum, which may grow"
)]
fn device(info: &MediaDeviceInfo) -> Option<Device> {
    let kind = match info.kind() {
        MediaDeviceKind::Audioinput => Kind::Audio,
        MediaDeviceKind::Videoinput => Kind::Video,
        _ => return None,
    };
    Some(Device {
        kind,
        id: info.device_id(),
        label: info.label(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_are_told_apart() {
        let of = |name| Trouble::of(name, "words".to_owned());
        assert_eq!(of("NotAllowedError"), Trouble::Denied);
        assert_eq!(of("NotFoundError"), Trouble::Missing);
        assert_eq!(of("NotReadableError"), Trouble::Busy);
        assert_eq!(of("TypeError"), Trouble::Other("words".to_owned()));
    }
}

//! Camera and microphone as a page uses them: what is chosen, what is being opened, and what is wrong.
//! Knows neither calls nor the page.

use web_sys::{MediaStream, MediaStreamTrack};

use crate::dom::Post;
use crate::media::{Device, Kind, Media, MediaEvent, Trouble};
use crate::settings::{NO_DEVICE, Settings};
use crate::view::Choice;

pub(super) const BOTH: [Kind; 2] = [Kind::Audio, Kind::Video];

/// What is different now.
pub(super) enum News {
    /// Something was opened, or could not be.
    Acquired,
    /// This came from a device that was unplugged.
    Unplugged(Option<MediaStreamTrack>),
    /// One may choose among these.
    Listed(Vec<Device>),
    /// Nothing yet.
    Nothing,
}

pub(super) struct Devices {
    media: Media,
    settings: Settings,
    /// What is wrong with microphone and camera.
    troubles: [Option<Trouble>; 2],
    /// Devices asked for and not there yet.
    pending: u32,
}

impl Devices {
    pub(super) fn new(post: Post<MediaEvent>) -> Self {
        Self {
            media: Media::new(post),
            settings: Settings::load(),
            troubles: [None, None],
            pending: 0,
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn change(&mut self, change: impl Fn(&mut Settings)) {
        self.settings.change(change);
    }

    /// Whether something is still being opened.
    pub(super) fn are_pending(&self) -> bool {
        self.pending > 0
    }

    pub(super) fn track(&self, kind: Kind) -> Option<&MediaStreamTrack> {
        self.media.track(kind)
    }

    pub(super) fn tracks(&self) -> Vec<MediaStreamTrack> {
        self.media.tracks()
    }

    pub(super) fn picture(&self) -> Option<&MediaStream> {
        self.media.picture()
    }

    /// How loud the microphone is, 0 to 1.
    pub(super) fn loudness(&mut self) -> f32 {
        self.media.loudness()
    }

    /// The user did something.
    pub(super) fn wake(&self) {
        self.media.wake();
    }

    /// Asks which devices there are.
    pub(super) fn list(&mut self) {
        self.media.list();
    }

    /// What is wrong with the microphone, and with the camera.
    pub(super) fn troubles(&self) -> [Option<&Trouble>; 2] {
        let [audio, video] = &self.troubles;
        [audio.as_ref(), video.as_ref()]
    }

    /// Whoever goes on without a device knows that it is not there.
    pub(super) fn forgive(&mut self) {
        self.troubles = [None, None];
    }

    /// The kinds that are in trouble.
    pub(super) fn troubled(&self) -> Vec<Kind> {
        let troubled = BOTH.into_iter();
        troubled
            .filter(|&kind| self.troubles[kind as usize].is_some())
            .collect()
    }

    /// Opens what is chosen of these kinds, in place of what there was.
    pub(super) fn acquire(&mut self, kinds: &[Kind]) {
        let wish = self.settings.wish(kinds);
        for &kind in kinds {
            self.troubles[kind as usize] = None;
            self.media.release(kind);
        }
        if wish.kinds().next().is_some() {
            self.pending += 1;
            self.media.acquire(wish);
        }
    }

    /// Opens what was chosen not to be used.
    pub(super) fn switch_on(&mut self, kind: Kind) {
        if self.settings.device(kind) == NO_DEVICE {
            self.remember(Choice::Device(kind), "");
        }
        self.acquire(&[kind]);
    }

    /// Turns a device off.
    pub(super) fn release(&mut self, kind: Kind) {
        self.media.release(kind);
    }

    /// Turns everything off.
    pub(super) fn release_all(&mut self) {
        BOTH.into_iter().for_each(|kind| self.media.release(kind));
    }

    /// Takes a choice, and opens what it concerns.
    pub(super) fn choose(&mut self, choice: Choice, value: &str) {
        self.remember(choice, value);
        self.media.wake();
        match choice {
            Choice::Device(kind) => self.acquire(&[kind]),
            Choice::Resolution => self.acquire(&[Kind::Video]),
            Choice::Processing => self.acquire(&[Kind::Audio]),
            Choice::Codec => {}
        }
    }

    fn remember(&mut self, choice: Choice, value: &str) {
        self.settings.change(|settings| {
            let value = value.to_owned();
            match choice {
                Choice::Device(Kind::Audio) => settings.microphone = value,
                Choice::Device(Kind::Video) => settings.camera = value,
                Choice::Codec => settings.codec = value,
                Choice::Resolution => settings.resolution = value,
                Choice::Processing => settings.processing = value == "true",
            }
        });
    }

    pub(super) fn on_event(&mut self, event: MediaEvent) -> News {
        match event {
            MediaEvent::Acquired(acquired) => {
                self.pending = self.pending.saturating_sub(1);
                let troubles = self.media.accept(*acquired);
                for (old, new) in self.troubles.iter_mut().zip(troubles) {
                    *old = new.or(old.take());
                }
                // Names of devices are told only after permission.
                self.media.list();
                News::Acquired
            }
            MediaEvent::Ended(kind) => {
                let track = self.media.track(kind).cloned();
                self.media.release(kind);
                self.troubles[kind as usize] = Some(Trouble::Unplugged);
                News::Unplugged(track)
            }
            MediaEvent::Changed => {
                self.media.list();
                News::Nothing
            }
            MediaEvent::Devices(devices) => News::Listed(devices),
        }
    }
}

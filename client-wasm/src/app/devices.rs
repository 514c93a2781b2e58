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
    /// Something was opened, or could not be; these in place of others that were unplugged.
    Acquired(Vec<Replaced>),
    /// This ended; why, the next list tells.
    Ended(Option<MediaStreamTrack>),
    /// What one may choose is another now.
    Listed(Listed),
    /// The camera's picture is another one.
    Configured,
    /// Nothing yet.
    Nothing,
}

pub(super) struct Listed {
    /// One may choose among these.
    pub(super) devices: Vec<Device>,
    /// This was plugged in a moment ago.
    pub(super) new: Option<Device>,
    /// These were in use, and were unplugged.
    pub(super) lost: Vec<Device>,
}

/// A device that took another's place by itself, by their names.
pub(super) struct Replaced {
    pub(super) was: String,
    pub(super) now: String,
}

pub(super) struct Devices {
    media: Media,
    settings: Settings,
    /// What is wrong with microphone and camera.
    troubles: [Option<Trouble>; 2],
    /// Devices asked for and not there yet.
    pending: u32,
    /// The names of those that were unplugged while another is looked for.
    lost: [Option<String>; 2],
    /// What was in use until it ended, as long as it is not known why.
    ended: [Option<Device>; 2],
    /// What there was when the browser last told, stand-ins as well.
    known: Vec<Device>,
}

impl Devices {
    pub(super) fn new(post: Post<MediaEvent>) -> Self {
        Self {
            media: Media::new(post),
            settings: Settings::load(),
            troubles: [None, None],
            pending: 0,
            lost: [None, None],
            ended: [None, None],
            known: Vec::new(),
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

    /// Whether the background of the picture is blurred, where one can choose.
    pub(super) fn blur(&self) -> Option<bool> {
        self.media.blur()
    }

    /// Whether anybody reads how loud the microphone is.
    pub(super) fn measure(&mut self, metered: bool) {
        self.media.measure(metered);
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
            self.release(kind);
        }
        if wish.kinds().next().is_some() {
            self.pending += 1;
            self.media.acquire(wish);
        }
    }

    /// Opens another device in place of one that was unplugged, whose name this was. The choice stays as it is.
    pub(super) fn fall_back(&mut self, kind: Kind, was: String) {
        self.lost[kind as usize] = Some(was);
        self.acquire(&[kind]);
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
        self.ended[kind as usize] = None;
        self.media.release(kind);
    }

    /// Turns everything off.
    pub(super) fn release_all(&mut self) {
        BOTH.into_iter().for_each(|kind| self.release(kind));
    }

    /// Takes a choice, and opens what it concerns.
    pub(super) fn choose(&mut self, choice: Choice, value: &str) {
        self.remember(choice, value);
        self.media.wake();
        match choice {
            Choice::Device(kind) => self.acquire(&[kind]),
            Choice::Resolution => self.acquire(&[Kind::Video]),
            Choice::Processing => self.acquire(&[Kind::Audio]),
            Choice::Blur => self.media.set_blur(value == "true"),
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
                // It is once the browser did it.
                Choice::Blur => {}
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
                News::Acquired(self.replaced())
            }
            MediaEvent::Ended(kind) => {
                let track = self.media.track(kind).cloned();
                self.ended[kind as usize] = self.media.device(kind);
                self.media.release(kind);
                self.media.list();
                News::Ended(track)
            }
            MediaEvent::Configured => News::Configured,
            MediaEvent::Blurred(blurred) => {
                if self.media.has_blurred(blurred) {
                    self.settings
                        .change(|settings| settings.blur = Some(blurred));
                }
                News::Configured
            }
            MediaEvent::Changed => {
                self.media.list();
                News::Nothing
            }
            MediaEvent::Devices(devices) => {
                let new = newcomer(&self.known, &devices).cloned();
                let lost = self.lost_of(&devices);
                self.known.clone_from(&devices);
                let devices = devices.into_iter().filter(|it| !it.id.is_empty());
                let devices = devices.collect();
                News::Listed(Listed { devices, new, lost })
            }
        }
    }

    /// What ended because it is not among these any more. A track also ends when the user withdraws what they
    /// allowed: then to open another would be to ask them again.
    fn lost_of(&mut self, devices: &[Device]) -> Vec<Device> {
        let ended = self.ended.iter_mut().filter_map(Option::take);
        let (lost, stopped): (Vec<_>, Vec<_>) = ended.partition(|it| is_gone(it, devices));
        for (them, trouble) in [(&lost, Trouble::Unplugged), (&stopped, Trouble::Stopped)] {
            for it in them {
                self.troubles[it.kind as usize] = Some(trouble.clone());
            }
        }
        lost
    }

    /// What came of looking for others. Where there is none, the one that is missed is what is wrong.
    fn replaced(&mut self) -> Vec<Replaced> {
        let mut replaced = Vec::new();
        for kind in BOTH {
            let Some(was) = self.lost[kind as usize].take_if(|_| self.pending == 0) else {
                continue;
            };
            let trouble = &mut self.troubles[kind as usize];
            if *trouble == Some(Trouble::Missing) {
                *trouble = Some(Trouble::Unplugged);
            }
            if let Some(track) = self.media.track(kind) {
                let now = track.label();
                replaced.push(Replaced { was, now });
            }
        }
        replaced
    }
}

/// Chromium's names for whatever the system prefers.
fn is_alias(id: &str) -> bool {
    id == "default" || id == "communications"
}

/// Whether a device is none of these any more. Where those of its kind have no names, that is not known.
fn is_gone(device: &Device, now: &[Device]) -> bool {
    let mut now = now.iter().filter(|it| it.kind == device.kind).peekable();
    let is_same = |it: &Device| match device.id.is_empty() || is_alias(&device.id) {
        true => it.label == device.label,
        false => it.id == device.id,
    };
    now.peek().is_none() || now.all(|it| !it.label.is_empty() && !is_same(it))
}

/// What is there now and was not before. Until the page may know the names of a kind, nothing is told apart.
fn newcomer<'a>(known: &[Device], now: &'a [Device]) -> Option<&'a Device> {
    let are_named = |kind: Kind| {
        let mut of_kind = known.iter().filter(|it| it.kind == kind).peekable();
        !known.is_empty() && (of_kind.peek().is_none() || of_kind.any(|it| !it.label.is_empty()))
    };
    let is_new = |it: &&Device| {
        !known
            .iter()
            .any(|old| (old.kind, &old.id) == (it.kind, &it.id))
    };
    let mut new = now.iter().filter(|it| !it.label.is_empty());
    new.find(|it| are_named(it.kind) && is_new(it) && !is_alias(&it.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(kind: Kind, id: &str, label: &str) -> Device {
        Device {
            kind,
            id: id.to_owned(),
            label: label.to_owned(),
        }
    }

    #[test]
    fn what_was_plugged_in_is_told_from_what_was_there() {
        let built_in = device(Kind::Audio, "a", "Built-in");
        let headset = device(Kind::Audio, "b", "Headset");
        let preferred = device(Kind::Audio, "default", "Default: Headset");
        let before = [built_in.clone()];
        let now = [preferred.clone(), built_in.clone(), headset.clone()];
        assert_eq!(newcomer(&before, &now), Some(&headset));
        assert_eq!(newcomer(&now, &now), None);
        assert_eq!(newcomer(&now, &before), None);
        assert_eq!(newcomer(&before, &[preferred, built_in]), None);
    }

    #[test]
    fn names_that_come_with_permission_are_no_devices_that_come() {
        let named = [device(Kind::Audio, "a", "Built-in")];
        assert_eq!(newcomer(&[], &named), None);
        assert_eq!(newcomer(&[device(Kind::Audio, "x", "")], &named), None);
        // Whoever allowed the microphone before allows the camera now.
        let before = [named[0].clone(), device(Kind::Video, "", "")];
        let camera = device(Kind::Video, "c", "Camera");
        let both = [named[0].clone(), camera.clone()];
        assert_eq!(newcomer(&before, &both), None);
        // There was none to be named.
        assert_eq!(newcomer(&named, &both), Some(&camera));
    }

    #[test]
    fn a_device_is_gone_only_where_others_are_named_or_there_are_none() {
        let camera = device(Kind::Video, "c", "Camera");
        let other = device(Kind::Video, "d", "Other");
        let microphone = device(Kind::Audio, "a", "Built-in");
        assert!(is_gone(&camera, &[]));
        assert!(is_gone(&camera, &[microphone.clone(), other.clone()]));
        assert!(!is_gone(&camera, &[other, camera.clone()]));
        // Permission was withdrawn.
        assert!(!is_gone(
            &camera,
            &[microphone, device(Kind::Video, "", "")]
        ));
        let preferred = |name: &str| device(Kind::Audio, "default", name);
        assert!(is_gone(&preferred("Headset"), &[preferred("Built-in")]));
        assert!(!is_gone(&preferred("Headset"), &[preferred("Headset")]));
    }
}

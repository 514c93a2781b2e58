//! What a room's page shows of all that.

use ferrite_protocol::{MediaKind, ParticipantState, Right};

use super::{Input, METER_MS, RoomApp};
use crate::app::files;
use crate::app::stage::Own;
use crate::client::Command;
use crate::dom::{self, Interval};
use crate::glimpse::Glimpse;
use crate::language::say;
use crate::maker::Maker;
use crate::media::{Kind, Screen};
use crate::peer;
use crate::view::PersonLine;
use crate::words;

impl RoomApp {
    /// Tells the user something, or that it is over.
    pub(super) fn notify(&mut self, notice: Option<String>) {
        self.notice = notice;
        self.show_status();
    }

    pub(super) fn show_status(&self) {
        self.view.frame.status(self.client.status());
        if let Some(notice) = &self.notice {
            self.view.frame.trouble(Some(notice), false);
        }
        let can_talk = self.client.room().is_in() && self.client.status().reached;
        self.view.talk.enable(can_talk);
        self.view.files.enable(can_talk);
    }

    pub(super) fn show_devices(&mut self) {
        let [audio, video] = self.devices.troubles();
        let words = words::devices(audio, video, Maker::of_the_browser());
        self.view.frame.device_trouble(words.as_deref());
        let picture = self.devices.picture().filter(|_| !self.inside);
        let words = words::no_picture(self.devices.are_pending());
        self.view.door.setup.preview(picture, &words);
        self.view.door.setup.blur(self.devices.blur());
        let silent = self.muted || self.devices.track(Kind::Audio).is_none();
        let dark = self.devices.track(Kind::Video).is_none();
        (self.view.controls).show(silent, dark, self.screen.is_some());
        self.view.float.mute(silent);
        self.show_enter();
        self.show_meter();
    }

    /// Who is in the room, for who is not.
    pub(super) fn show_glimpse(&self, seen: Option<&Glimpse>) {
        let words = seen.map(|it| words::glimpse(it.count, &it.names));
        self.view.door.people(&words.unwrap_or_default());
    }

    pub(super) fn show_enter(&self) {
        let words = words::enter(self.eager);
        let can_enter = !self.eager && peer::is_supported();
        self.view.door.enter(can_enter, &words);
    }

    pub(super) fn show_meter(&mut self) {
        let wanted = (!self.inside || self.muted) && self.devices.track(Kind::Audio).is_some();
        self.devices.measure(wanted);
        if wanted && self.meter.is_none() {
            let post = self.post.clone();
            self.meter = Some(Interval::new(METER_MS, move || post.send(Input::Meter)));
        } else if !wanted {
            self.meter = None;
            self.unheard.clear();
            self.view.door.setup.level(0.0);
        }
    }

    /// How loud the microphone is: shown before the room. Inside it matters to who is muted and speaks.
    pub(super) fn measure(&mut self) {
        let level = self.devices.loudness();
        if !self.inside {
            self.view.door.setup.level(level);
        } else if self.muted && self.unheard.hear(level, dom::now()) {
            self.view.toasts.say(&say(words::UNHEARD));
        }
    }

    pub(super) fn show_tiles(&mut self) {
        if !self.inside {
            return;
        }
        let own = Own {
            camera: self.devices.picture(),
            screen: self.screen.as_ref().map(Screen::stream),
            muted: self.muted || self.devices.track(Kind::Audio).is_none(),
            hands: self.company.hands(),
        };
        self.stage.show(self.client.room(), &own, &mut self.view);
    }

    /// The list of who is there, and what counts them.
    pub(super) fn show_people(&mut self) {
        let room = self.client.room();
        self.files.people(room);
        let others = files::others(room).map(|(id, name)| (id.0.as_str(), name));
        self.view.files.people(&others.collect::<Vec<_>>());
        let may = room.may(Right::Moderate);
        let lines = room.people().iter().map(|it| PersonLine {
            id: &it.id.0,
            name: words::name(it),
            own: room.own() == Some(&it.id),
            muted: !(it.publications.iter()).any(|it| it.kind == MediaKind::Audio && !it.muted),
            hand: self.company.hands().contains(&it.id),
            reconnecting: it.state == ParticipantState::Reconnecting,
            in_hand: may,
        });
        self.view.people.show(&lines.collect::<Vec<_>>());
        self.view.panels.count(self.unread, room.people().len());
        self.view.alone(room.is_in() && room.people().len() == 1);
        self.move_files(false);
    }

    /// What changes without anybody saying so: the size of the window, and whether sound is kept back.
    pub(super) fn look_around(&mut self) {
        let held = self.view.sinks.are_held();
        // What just came is not played yet.
        self.view.sound_blocked(held && self.held);
        self.held = held;
        self.stage.fit(&mut self.view);
        self.watch();
    }

    /// Tells the server which pictures are looked at, and how large they are.
    pub(super) fn watch(&mut self) {
        if let Some(sights) = self.stage.news(&self.view, dom::now()) {
            self.command(Command::Show(sights));
        }
    }
}

//! What the user of a room's page does, and what that changes.

use ferrite_protocol::{MediaKind, ParticipantId, PublicationId};
use web_sys::File;

use super::company::{HAND, REACTION};
use super::{Input, PEEK_MS, RoomApp};
use crate::api;
use crate::app::devices::BOTH;
use crate::app::files;
use crate::app::grid::Wish;
use crate::app::stage::LOOK_MS;
use crate::call::{Entry, Errand, Request};
use crate::client::Command;
use crate::dom::{self, Interval, Task};
use crate::glimpse;
use crate::language::say;
use crate::media::{Kind, screen};
use crate::settings::NO_DEVICE;
use crate::view::{Choice, PageAction, Panel, RoomAction};
use crate::words;

impl RoomApp {
    pub(super) fn on_action(&mut self, action: RoomAction) {
        match action {
            RoomAction::Page(action) => return self.on_page_action(action),
            RoomAction::Enter(name) => self.enter(&name),
            RoomAction::Leave => self.leave(),
            RoomAction::Turn => return self.turn(),
            RoomAction::Mute => self.toggle_microphone(),
            RoomAction::Camera => self.toggle_camera(),
            RoomAction::Screen => self.toggle_screen(),
            RoomAction::Hand => self.toggle_hand(),
            RoomAction::React(emoji) => return self.say_of(REACTION, emoji, None),
            RoomAction::Layout => self.look_at(|wish| wish.speaker = !wish.speaker),
            RoomAction::HideSelf => self.look_at(|wish| wish.without_self = !wish.without_self),
            RoomAction::See(action) => return self.on_see(action),
            RoomAction::Toggle(panel) => {
                let open = (self.panel != Some(panel)).then_some(panel);
                return self.open_panel(open);
            }
            RoomAction::Close => return self.open_panel(None),
            RoomAction::Devices => return self.view.menu.devices(),
            RoomAction::UseNewcomer => self.use_newcomer(),
            RoomAction::LeaveNewcomer => return drop(self.view.newcomer.take()),
            RoomAction::Help => return self.view.menu.help(),
            RoomAction::Measure => {
                let insight = api::insight(self.client.room(), self.client.peer());
                return self.view.quality.tell(&insight);
            }
            RoomAction::CopyLink => return self.copy_link(),
            RoomAction::Invite => {
                return self.view.invite.open(&crate::url::without_parameters());
            }
            RoomAction::Share => return self.view.share(),
            RoomAction::AllowSound => self.view.sinks.allow(),
            RoomAction::Talk(talks) => return self.talk(talks),
            RoomAction::Search => return self.view.people.search(),
            RoomAction::MuteThem(whom) => return self.mute_them(&ParticipantId(whom)),
            RoomAction::Remove(whom) => {
                let participant = ParticipantId(whom);
                self.ask(Request::Kick {
                    participant,
                    reason: None,
                });
            }
            RoomAction::Say(text) => self.say(text),
            RoomAction::Offer(files, to) => return self.offer(&files, to.as_deref()),
            RoomAction::Bring(files) => return self.bring(&files),
            RoomAction::Take(number) => self.files.take(number),
            RoomAction::Drop(number) => self.files.drop(number),
        }
        self.move_files(true);
        self.notify(None);
    }

    pub(super) fn on_page_action(&mut self, action: PageAction) {
        match action {
            PageAction::Retry => self.command(Command::Retry),
            PageAction::RetryDevices => self.acquire(&self.devices.troubled()),
            PageAction::Choose(choice, value) => {
                self.devices.choose(choice, &value);
                // Of a device that is chosen away nothing comes later on, whatever else is being opened.
                if self.inside && value == NO_DEVICE {
                    self.publish();
                }
                self.show_devices();
            }
            PageAction::Gesture => self.devices.wake(),
            PageAction::Leave => {
                self.go_out();
                self.devices.release_all();
            }
            PageAction::Return => self.acquire(&BOTH),
        }
    }

    pub(super) fn enter(&mut self, name: &str) {
        let room = self.room.0.clone();
        self.devices.change(|settings| {
            name.clone_into(&mut settings.name);
            settings.note_room(&room);
        });
        if self.devices.are_pending() {
            self.eager = true;
            self.show_enter();
        } else {
            self.go_in();
        }
    }

    pub(super) fn go_in(&mut self) {
        self.eager = false;
        self.inside = true;
        (self.peek, self.peeking) = (None, None);
        self.devices.forgive();
        self.view.talk.clear();
        self.view.people.forget_search();
        self.files.clear();
        self.view.inside(true);
        self.command(Command::Prefer(self.devices.settings().codec()));
        self.company.clear();
        (self.unread, self.talking) = (0, false);
        self.view.controls.hand(false);
        let open = self.view.is_wide().then_some(Panel::Chat);
        self.open_panel(open);
        self.publish();
        let name = Some(self.devices.settings().name.clone());
        self.command(Command::Enter(Entry {
            room: self.room.clone(),
            name: name.filter(|name| !name.is_empty()),
            metadata: None,
            token: self.token.clone(),
            voices: None,
        }));
        self.show_devices();
        let post = self.post.clone();
        self.look = Some(Interval::new(LOOK_MS, move || post.send(Input::Look)));
    }

    /// Asks again and again who is in the room, until one is there oneself.
    pub(super) fn watch_the_door(&mut self) {
        let post = self.post.clone();
        self.peek = Some(Interval::new(PEEK_MS, move || post.send(Input::Peek)));
        self.peek();
    }

    pub(super) fn peek(&mut self) {
        if self.inside || self.view.is_hidden() {
            return;
        }
        let (post, token) = (self.post.clone(), self.token.clone());
        self.peeking = Some(Task::new(async move {
            post.send(Input::Seen(glimpse::ask(token).await));
        }));
    }

    fn ask(&mut self, request: Request) {
        let ticket = None;
        self.command(Command::Ask(Errand { request, ticket }));
    }

    /// Says something that is not for the chat.
    pub(super) fn say_of(&mut self, topic: &str, text: String, to: Option<ParticipantId>) {
        let to = to.map(|whom| vec![whom]);
        let topic = topic.to_owned();
        self.ask(Request::Say { to, topic, text });
    }

    /// Says a line of the chat. What becomes of it is told by its ticket.
    fn say(&mut self, text: String) {
        let ticket = Some(self.unsettled.add(text.clone()));
        self.command(Command::Ask(Errand::chat(text, ticket)));
    }

    fn toggle_hand(&mut self) {
        let how = self.company.toggle_hand().to_owned();
        self.say_of(HAND, how, None);
        self.view.controls.hand(self.company.own_hand());
    }

    fn look_at(&mut self, change: impl FnOnce(&mut Wish)) {
        self.stage.change(change, &mut self.view);
        let wish = self.stage.wish();
        self.view.menu.show(wish.speaker, wish.without_self);
        self.watch();
    }

    pub(super) fn open_panel(&mut self, panel: Option<Panel>) {
        if self.inside {
            self.panel = panel;
            self.view.panels.open(panel);
            if panel == Some(Panel::Chat) {
                self.unread = 0;
            }
            self.show_people();
            self.stage.arrange(&mut self.view);
        }
    }

    /// Speaks while a key is held down, where the microphone is muted.
    fn talk(&mut self, talks: bool) {
        let has_microphone = self.devices.track(Kind::Audio).is_some();
        if self.inside && has_microphone && self.muted == talks && self.talking != talks {
            (self.talking, self.muted) = (talks, !talks);
            self.publish();
        }
    }

    /// Takes what was plugged in into use.
    fn use_newcomer(&mut self) {
        if let Some(new) = self.view.newcomer.take() {
            self.devices.choose(Choice::Device(new.kind), &new.id);
            self.devices.list();
            self.show_devices();
        }
    }

    fn mute_them(&mut self, whom: &ParticipantId) {
        let people = self.client.room().people().iter();
        let theirs = people.filter(|it| it.id == *whom);
        let sound = theirs.flat_map(|it| &it.publications);
        let sound = sound.filter(|it| it.kind == MediaKind::Audio && !it.muted);
        let sound: Vec<PublicationId> = sound.map(|it| it.id.clone()).collect();
        for publication in sound {
            let reason = None;
            self.ask(Request::MutePublication {
                publication,
                reason,
            });
        }
    }

    fn copy_link(&mut self) {
        let is_on_its_way = dom::copy(&crate::url::without_parameters());
        let words = if is_on_its_way {
            words::COPIED
        } else {
            words::NOT_COPIED
        };
        let words = say(words);
        if !self.view.invite.say(&words) {
            self.view.toasts.say(&words);
        }
    }

    /// Others' pictures are wanted again, or no longer.
    fn turn(&mut self) {
        if self.inside {
            self.watch();
        }
    }

    pub(super) fn leave(&mut self) {
        self.go_out();
        // What was switched off in the room, or never on, is offered anew.
        self.acquire(&BOTH);
    }

    pub(super) fn go_out(&mut self) {
        self.look = None;
        self.screen = None;
        self.muted = false;
        self.inside = false;
        drop(self.view.newcomer.take());
        self.files.leave();
        self.command(Command::HangUp);
        self.command(Command::Show(Vec::new()));
        self.stage.clear(&mut self.view);
        self.view.inside(false);
        self.watch_the_door();
    }

    pub(super) fn offer(&mut self, files: &[File], to: Option<&str>) {
        let offered = self.files.offer(files, to, self.client.room(), dom::now());
        self.move_files(true);
        self.notify(offered.is_none().then(|| words::TOO_MANY_FILES.to_owned()));
    }

    /// Offers what was pasted or dropped to whoever is chosen, and shows what becomes of it.
    fn bring(&mut self, files: &[File]) {
        if !self.inside {
            return;
        }
        if files::others(self.client.room()).next().is_none() {
            return self.view.toasts.say(&say(words::NOBODY_TO_SEND));
        }
        self.open_panel(Some(Panel::Chat));
        let to = self.view.files.whom();
        self.offer(files, to.as_deref());
    }

    /// Sends what of files can be sent, and shows them, at the latest when that is asked.
    pub(super) fn move_files(&mut self, show: bool) {
        for message in self.files.pump(dom::now()) {
            self.command(Command::Send(message));
        }
        let states = self.files.states();
        if show || states != self.files_shown {
            self.view.files.show(&self.files.lines());
            self.files_shown = states;
        }
    }

    pub(super) fn toggle_microphone(&mut self) {
        if self.devices.track(Kind::Audio).is_none() {
            self.muted = false;
            return self.switch_on(Kind::Audio);
        }
        // Whoever holds the key meanwhile speaks by it no longer.
        (self.muted, self.talking) = (!self.muted, false);
        self.publish();
    }

    /// Off means off: the light of the camera goes out.
    pub(super) fn toggle_camera(&mut self) {
        if self.devices.track(Kind::Video).is_none() {
            return self.switch_on(Kind::Video);
        }
        self.devices.release(Kind::Video);
        self.publish();
    }

    pub(super) fn switch_on(&mut self, kind: Kind) {
        self.view.newcomer.settle(&[kind]);
        self.devices.switch_on(kind);
        self.show_devices();
    }

    pub(super) fn toggle_screen(&mut self) {
        if self.screen.take().is_none() {
            return screen::ask(self.post.map(Input::Screen));
        }
        self.publish();
    }
}

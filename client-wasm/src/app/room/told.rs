//! What the client and the devices tell a room's page.

use ferrite_protocol::{CHAT, RoomMessage};
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use web_sys::{MediaStream, RtcTrackEvent};

use super::company::{self, HAND, Happened, REACTION, UP};
use super::{Input, RoomApp};
use crate::app::devices::News;
use crate::app::outlets::{self, CAMERA, MICROPHONE};
use crate::call::Ending;
use crate::client::{Command, Event};
use crate::dom;
use crate::gaps::Transceiver;
use crate::media::{Device, Kind, MediaEvent, Screen, ScreenEvent};
use crate::view::Panel;
use crate::words;

impl RoomApp {
    pub(super) fn acquire(&mut self, kinds: &[Kind]) {
        self.devices.acquire(kinds);
        self.show_devices();
    }

    pub(super) fn on_media(&mut self, event: MediaEvent) {
        match self.devices.on_event(event) {
            News::Acquired(replaced) => {
                for it in replaced {
                    self.view.toasts.say(&words::replaced(&it.was, &it.now));
                }
                if self.eager && !self.devices.are_pending() {
                    self.go_in();
                }
            }
            News::Unplugged(kind, track) => {
                let was = track.map(|it| it.label()).unwrap_or_default();
                self.devices.fall_back(kind, was);
            }
            News::Listed(devices, new) => return self.on_devices(&devices, new),
            News::Nothing => return,
        }
        if self.inside {
            self.publish();
        }
        self.show_devices();
    }

    /// What is plugged in while one talks is offered, or taken where one had none.
    fn on_devices(&mut self, devices: &[Device], new: Option<Device>) {
        let setup = &self.view.door.setup;
        setup.devices(devices, self.devices.settings());
        self.view.newcomer.keep(devices);
        let Some(new) = new else { return };
        if self.devices.troubled().contains(&new.kind) {
            self.acquire(&[new.kind]);
        } else if self.inside && self.devices.track(new.kind).is_some() {
            self.view.newcomer.offer(new);
        }
    }

    pub(super) fn on_screen(&mut self, event: ScreenEvent) {
        match event {
            ScreenEvent::Answered(Ok(stream)) => {
                let screen = Screen::new(stream, &self.post.map(Input::Screen));
                // Whoever left meanwhile shows nothing.
                self.screen = self.inside.then_some(screen);
            }
            ScreenEvent::Answered(Err(trouble)) => return self.notify(words::screen(&trouble)),
            ScreenEvent::Ended => self.screen = None,
        }
        if self.inside {
            self.publish();
        }
    }

    /// Publishes what there is, and says what of it is muted.
    pub(super) fn publish(&mut self) {
        let (audio, video) = (
            self.devices.track(Kind::Audio),
            self.devices.track(Kind::Video),
        );
        if let Some(track) = audio {
            track.set_enabled(!self.muted);
        }
        let silent = self.muted || audio.is_none();
        let dark = video.is_none();
        let outlets = outlets::all(audio, video, self.screen.as_ref());
        self.command(Command::Carry(outlets));
        self.command(Command::Mute(MICROPHONE.into(), silent));
        self.command(Command::Mute(CAMERA.into(), dark));
        self.show_devices();
        self.show_tiles();
    }

    pub(super) fn on_client(&mut self, event: Event) {
        match event {
            Event::Status(_) => self.show_status(),
            Event::Room => self.on_room(),
            Event::Said(message) if message.topic == CHAT => {
                let own = self.client.room().own() == Some(&message.from);
                let name = message.name.as_deref().unwrap_or(words::NAMELESS);
                self.view.talk.add(name, &message.text, own);
                if self.panel != Some(Panel::Chat) {
                    self.unread += 1;
                    self.show_people();
                }
            }
            Event::Said(message) if message.topic == HAND => self.on_hand(&message),
            Event::Said(message) if message.topic == REACTION => {
                if let Some(emoji) = company::reaction(&message) {
                    self.view.grid.react(&message.from.0, emoji);
                }
            }
            Event::Settled(ticket, result) => {
                if let (Some(text), Err(why)) = (self.unsettled.take(ticket), result) {
                    self.view.talk.fail(&text, &words::not_sent(&why));
                }
            }
            Event::Complaint(words) => self.notify(Some(words::complaint(&words))),
            Event::Ended(ending) => self.on_ended(&ending),
            Event::PeerConnection(_) | Event::PeerClosed => {
                self.files.closed();
                self.stage.unplug();
                self.view.sinks.clear();
                self.show_tiles();
            }
            Event::Track(event) => self.on_track(&event),
            Event::ChannelOpen => {
                self.files.opened(dom::now());
                self.move_files(false);
            }
            Event::ChannelClosed => self.files.closed(),
            Event::Message(data) => {
                let bytes = Uint8Array::new(&data).to_vec();
                self.files.hear(&bytes, self.client.room(), dom::now());
                self.move_files(false);
            }
            // These are the echo's.
            Event::ServerState { .. }
            | Event::Stats(_)
            // And these a program's.
            | Event::Said(_) => {}
        }
    }

    pub(super) fn on_room(&mut self) {
        // Somebody who may muted this client's microphone.
        let muted = self.client.room().is_muted(MICROPHONE);
        if let Some(track) = self.devices.track(Kind::Audio)
            && muted
            && !self.muted
        {
            track.set_enabled(false);
            self.muted = true;
        }
        self.meet();
        self.show_status();
        self.show_tiles();
        self.show_devices();
        self.show_people();
        self.watch();
    }

    fn meet(&mut self) {
        let room = self.client.room();
        for happened in self.company.meet(room.people(), room.own()) {
            match happened {
                Happened::Came(who, name) => {
                    self.view.toasts.say(&words::came(&name));
                    // Of what was said before they know nothing.
                    if self.company.own_hand() {
                        self.say_of(HAND, UP.to_owned(), Some(who));
                    }
                }
                Happened::Went(name) => self.view.toasts.say(&words::went(&name)),
            }
        }
    }

    fn on_hand(&mut self, message: &RoomMessage) {
        self.company.hear_hand(message);
        let is_own = self.client.room().own() == Some(&message.from);
        if message.text == UP && !is_own {
            let name = message.name.as_deref().unwrap_or(words::NAMELESS);
            self.view.toasts.say(&words::raised(name));
        }
        self.show_tiles();
        self.show_people();
    }

    pub(super) fn on_ended(&mut self, ending: &Ending) {
        self.leave();
        self.notify(Some(words::ending(ending)));
    }

    /// A slot's stream is one of its own: a picture's is shown on whatever tile, its sound played anyway.
    pub(super) fn on_track(&mut self, event: &RtcTrackEvent) {
        let transceiver: Transceiver = event.transceiver().unchecked_into();
        let (Some(mid), Ok(stream)) = (transceiver.mid(), MediaStream::new()) else {
            return;
        };
        stream.add_track(&event.track());
        match event.track().kind().as_str() {
            "audio" => self.view.sinks.play(mid, &stream),
            _ => {
                self.stage.plug(mid, stream);
                self.show_tiles();
            }
        }
    }
}

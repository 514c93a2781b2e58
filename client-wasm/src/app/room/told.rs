//! What the client and the devices tell a room's page.

use ferrite_protocol::{CHAT, PublicationId, RoomMessage};
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use web_sys::{MediaStream, RtcTrackEvent};

use super::company::{self, HAND, Happened, REACTION, UP};
use super::{Input, RoomApp};
use crate::app::devices::{Listed, News};
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
        self.view.newcomer.settle(kinds);
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
            News::Ended(_) | News::Configured => {}
            News::Listed(listed) => return self.on_devices(listed),
            News::Nothing => return,
        }
        if self.inside {
            self.publish();
        }
        self.show_devices();
    }

    fn on_devices(&mut self, listed: Listed) {
        let Listed { devices, new, lost } = listed;
        let setup = &self.view.door.setup;
        setup.devices(&devices, self.devices.settings());
        self.view.newcomer.keep(&devices);
        for was in lost {
            self.on_lost(was, &devices);
        }
        if let Some(new) = new {
            self.on_new(new);
        }
        self.show_devices();
    }

    /// What was unplugged is replaced by another of its kind.
    fn on_lost(&mut self, was: Device, devices: &[Device]) {
        let is_named = |it: &&Device| it.kind == was.kind && !it.label.is_empty();
        let Some(other) = devices.iter().find(is_named) else {
            return;
        };
        if self.opens_by_itself(was.kind) {
            self.devices.fall_back(was.kind, was.label);
        } else {
            let words = words::instead(&other.label);
            self.view.newcomer.offer(other.clone(), &words);
        }
    }

    /// What is plugged in while one talks is offered, or taken where one had none.
    fn on_new(&mut self, new: Device) {
        let is_missed = self.devices.troubled().contains(&new.kind);
        if is_missed && self.opens_by_itself(new.kind) {
            self.acquire(&[new.kind]);
        } else if self.inside && (is_missed || self.devices.track(new.kind).is_some()) {
            let words = words::newcomer(&new.label);
            self.view.newcomer.offer(new, &words);
        }
    }

    /// Another camera shows what nobody chose to show: in a room none is opened unasked.
    fn opens_by_itself(&self, kind: Kind) -> bool {
        match kind {
            Kind::Audio => true,
            Kind::Video => !self.inside,
        }
    }

    pub(super) fn on_screen(&mut self, event: ScreenEvent) {
        match event {
            ScreenEvent::Answered(Ok(stream)) => {
                let screen = Screen::new(stream, &self.post.map(Input::Screen));
                // Whoever left meanwhile shows nothing.
                self.screen = self.inside.then_some(screen);
                // Whoever muted the one before had that one in mind, and may have been told of late.
                for key in outlets::OF_SCREENS {
                    self.command(Command::Mute(key.into(), false));
                }
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
                self.note_line();
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
                    self.note_line();
                }
            }
            Event::Complaint(words) => self.notify(Some(words::complaint(&words))),
            Event::Muted(publication, reason) => self.on_muted(&publication, reason.as_deref()),
            Event::Departed(who, cause) => self.company.departs(who, cause),
            Event::Ended(ending) => self.on_ended(&ending),
            Event::PeerConnection(_) | Event::PeerClosed => {
                self.files.closed();
                self.stage.unplug();
                self.view.sinks.clear();
                self.show_tiles();
            }
            Event::Track(event) => self.on_track(&event),
            Event::ChannelOpen { resumed } => {
                self.files.opened(resumed, dom::now());
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

    /// The chat has another line, which nobody can have read while it is closed.
    fn note_line(&mut self) {
        if self.panel != Some(Panel::Chat) {
            self.unread += 1;
            self.show_people();
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
            (self.muted, self.talking) = (true, false);
        }
        self.meet();
        self.show_status();
        self.show_tiles();
        self.show_devices();
        self.show_people();
        self.watch();
    }

    /// Somebody who may muted this. The microphone is off already.
    fn on_muted(&mut self, publication: &PublicationId, reason: Option<&str>) {
        let key = publication.parts().map(|(_, key)| key);
        if key == Some(CAMERA) {
            self.devices.release(Kind::Video);
            self.publish();
        }
        self.notify(Some(words::muted(key == Some(MICROPHONE), reason)));
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
                Happened::Went(name, why) => self.view.toasts.say(&words::went(&name, why)),
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

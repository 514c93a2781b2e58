//! A room's page. It decides what is shown and published; the view shows it, the client talks with the
//! server, the devices are opened elsewhere.

use ferrite_protocol::{CHAT, JoinToken, RoomId};
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use web_sys::{File, MediaStream, RtcTrackEvent};

use super::devices::{BOTH, Devices, News};
use super::files::{self, Files};
use super::outlets::{self, CAMERA, MICROPHONE};
use super::page::{App, StartError};
use super::stage::{LOOK_MS, Own, Stage};
use crate::call::{Ending, Entry};
use crate::client::{self, Client, Command, Event};
use crate::dom::{self, Interval, Post};
use crate::gaps::Transceiver;
use crate::media::{Kind, MediaEvent, Screen, ScreenEvent, screen};
use crate::peer;
use crate::view::{PageAction, RoomAction, RoomView};
use crate::words;

const METER_MS: u32 = 100;

/// Everything the page reacts to.
#[derive(Debug)]
pub(super) enum Input {
    Client(client::Input),
    Media(MediaEvent),
    Screen(ScreenEvent),
    View(RoomAction),
    Files(files::Event),
    /// Time to read the microphone's level.
    Meter,
    /// Time to look how large the tiles are.
    Look,
}

pub(super) struct RoomApp {
    view: RoomView,
    client: Client,
    devices: Devices,
    room: RoomId,
    token: Option<JoinToken>,
    inside: bool,
    /// The user pressed enter before the devices were there.
    eager: bool,
    muted: bool,
    screen: Option<Screen>,
    stage: Stage,
    files: Files,
    /// How the files were when they were last shown.
    files_shown: Vec<(u32, &'static str)>,
    /// What the user has to know, until they do something.
    notice: Option<String>,
    post: Post<Input>,
    meter: Option<Interval>,
    look: Option<Interval>,
}

impl App for RoomApp {
    type Input = Input;

    fn new(post: &Post<Input>) -> Result<Self, StartError> {
        let window = web_sys::window().ok_or(StartError::NoPage)?;
        let document = window.document().ok_or(StartError::NoPage)?;
        let devices = Devices::new(post.map(Input::Media));
        let url = crate::url::above_the_page(&window);
        let view = RoomView::new(&document, &post.map(Input::View));
        let codec = devices.settings().codec();
        Ok(Self {
            view: view.map_err(StartError::Missing)?,
            client: Client::new(url, codec, post.map(Input::Client)),
            devices,
            room: RoomId(crate::url::room_of_the_page(&window)),
            token: crate::url::parameter(&window, "token").map(JoinToken),
            inside: false,
            eager: false,
            muted: false,
            screen: None,
            stage: Stage::new(),
            files: Files::new(post.map(Input::Files)),
            files_shown: Vec::new(),
            notice: None,
            post: post.clone(),
            meter: None,
            look: None,
        })
    }

    fn open(&mut self) {
        self.view.name(&self.room.0);
        self.view.door.name(&self.devices.settings().name);
        let setup = &self.view.door.setup;
        setup.settings(self.devices.settings(), &peer::video_codecs());
        self.view.frame.status(self.client.status());
        if !screen::can_show() {
            self.view.controls.without_screen();
        }
        if peer::is_supported() {
            self.devices.list();
            self.acquire(&BOTH);
        } else {
            self.view.frame.trouble(Some(words::NO_WEBRTC), false);
            setup.preview(None, "No calls in this browser");
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Client(input) => self.tell(input),
            Input::Media(event) => self.on_media(event),
            Input::Screen(event) => self.on_screen(event),
            Input::View(action) => self.on_action(action),
            Input::Files(event) => {
                let is_time = matches!(event, files::Event::Tick);
                self.files.on_event(event, dom::now());
                self.move_files(is_time);
            }
            Input::Meter => self.view.door.setup.level(self.devices.loudness()),
            Input::Look => {
                self.stage.arrange(&self.view);
                self.watch();
            }
        }
    }
}

impl RoomApp {
    fn command(&mut self, command: Command) {
        self.tell(client::Input::Do(command));
    }

    fn tell(&mut self, input: client::Input) {
        for event in self.client.handle(input) {
            self.on_client(event);
        }
    }

    // What the user does.

    fn on_action(&mut self, action: RoomAction) {
        match action {
            RoomAction::Page(action) => return self.on_page_action(action),
            RoomAction::Enter(name) => self.enter(&name),
            RoomAction::Leave => self.leave(),
            RoomAction::Mute => self.toggle_microphone(),
            RoomAction::Camera => self.toggle_camera(),
            RoomAction::Screen => self.toggle_screen(),
            RoomAction::Say(text) => self.command(Command::Say(text)),
            RoomAction::Offer(files, to) => return self.offer(&files, to.as_deref()),
            RoomAction::Take(number) => self.files.take(number),
            RoomAction::Drop(number) => self.files.drop(number),
        }
        self.move_files(true);
        self.notify(None);
    }

    fn on_page_action(&mut self, action: PageAction) {
        match action {
            PageAction::Retry => self.command(Command::Retry),
            PageAction::RetryDevices => self.acquire(&self.devices.troubled()),
            PageAction::Choose(choice, value) => {
                self.devices.choose(choice, &value);
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

    fn enter(&mut self, name: &str) {
        self.devices
            .change(|settings| name.clone_into(&mut settings.name));
        if self.devices.are_pending() {
            self.eager = true;
            self.show_enter();
        } else {
            self.go_in();
        }
    }

    fn go_in(&mut self) {
        self.eager = false;
        self.inside = true;
        self.devices.forgive();
        self.view.talk.clear();
        self.files.clear();
        self.view.inside(true);
        self.command(Command::Prefer(self.devices.settings().codec()));
        self.publish();
        let name = Some(self.devices.settings().name.clone());
        self.command(Command::Enter(Entry {
            room: self.room.clone(),
            name: name.filter(|name| !name.is_empty()),
            metadata: None,
            token: self.token.clone(),
        }));
        self.show_devices();
        let post = self.post.clone();
        self.look = Some(Interval::new(LOOK_MS, move || post.send(Input::Look)));
    }

    fn leave(&mut self) {
        self.go_out();
        // What was switched off in the room, or never on, is offered anew.
        self.acquire(&BOTH);
    }

    fn go_out(&mut self) {
        self.look = None;
        self.screen = None;
        self.muted = false;
        self.inside = false;
        self.files.leave();
        self.command(Command::HangUp);
        self.command(Command::Show(Vec::new()));
        self.stage.clear(&mut self.view);
        self.view.inside(false);
    }

    fn offer(&mut self, files: &[File], to: Option<&str>) {
        let offered = self.files.offer(files, to, self.client.room(), dom::now());
        self.move_files(true);
        self.notify(offered.is_none().then(|| words::TOO_MANY_FILES.to_owned()));
    }

    /// Sends what of files can be sent, and shows them, at the latest when that is asked.
    fn move_files(&mut self, show: bool) {
        for message in self.files.pump(dom::now()) {
            self.command(Command::Send(message));
        }
        let states = self.files.states();
        if show || states != self.files_shown {
            self.view.files.show(&self.files.lines());
            self.files_shown = states;
        }
    }

    fn toggle_microphone(&mut self) {
        if self.devices.track(Kind::Audio).is_none() {
            self.muted = false;
            return self.switch_on(Kind::Audio);
        }
        self.muted = !self.muted;
        self.publish();
    }

    /// Off means off: the light of the camera goes out.
    fn toggle_camera(&mut self) {
        if self.devices.track(Kind::Video).is_none() {
            return self.switch_on(Kind::Video);
        }
        self.devices.release(Kind::Video);
        self.publish();
    }

    fn switch_on(&mut self, kind: Kind) {
        self.devices.switch_on(kind);
        self.show_devices();
    }

    fn toggle_screen(&mut self) {
        if self.screen.take().is_none() {
            return screen::ask(self.post.map(Input::Screen));
        }
        self.publish();
    }

    // What the devices do.

    fn acquire(&mut self, kinds: &[Kind]) {
        self.devices.acquire(kinds);
        self.show_devices();
    }

    fn on_media(&mut self, event: MediaEvent) {
        match self.devices.on_event(event) {
            News::Acquired => {
                if self.eager && !self.devices.are_pending() {
                    self.go_in();
                }
            }
            News::Unplugged(_) => {}
            News::Listed(devices) => {
                let setup = &self.view.door.setup;
                return setup.devices(&devices, self.devices.settings());
            }
            News::Nothing => return,
        }
        if self.inside {
            self.publish();
        }
        self.show_devices();
    }

    fn on_screen(&mut self, event: ScreenEvent) {
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
    fn publish(&mut self) {
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

    // What the client tells.

    fn on_client(&mut self, event: Event) {
        match event {
            Event::Status(_) => self.show_status(),
            Event::Room => self.on_room(),
            Event::Said(message) if message.topic == CHAT => {
                let own = self.client.room().own() == Some(&message.from);
                let name = message.name.as_deref().unwrap_or(words::NAMELESS);
                self.view.talk.add(name, &message.text, own);
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
            | Event::Said(_)
            | Event::Settled(..) => {}
        }
    }

    fn on_room(&mut self) {
        // Somebody who may muted this client's microphone.
        let muted = self.client.room().is_muted(MICROPHONE);
        if let Some(track) = self.devices.track(Kind::Audio)
            && muted
            && !self.muted
        {
            track.set_enabled(false);
            self.muted = true;
        }
        self.show_status();
        self.show_tiles();
        self.show_devices();
        self.show_people();
        self.watch();
    }

    fn show_people(&mut self) {
        let room = self.client.room();
        self.files.people(room);
        let others = files::others(room).map(|(id, name)| (id.0.as_str(), name));
        self.view.files.people(&others.collect::<Vec<_>>());
        self.move_files(false);
    }

    fn on_ended(&mut self, ending: &Ending) {
        self.leave();
        self.notify(Some(words::ending(ending)));
    }

    /// A slot's stream is one of its own: a picture's is shown on whatever tile, its sound played anyway.
    fn on_track(&mut self, event: &RtcTrackEvent) {
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

    // What is shown.

    /// Tells the user something, or that it is over.
    fn notify(&mut self, notice: Option<String>) {
        self.notice = notice;
        self.show_status();
    }

    fn show_status(&self) {
        self.view.frame.status(self.client.status());
        if let Some(notice) = &self.notice {
            self.view.frame.trouble(Some(notice), false);
        }
        let can_talk = self.client.room().is_in() && self.client.status().reached;
        self.view.talk.enable(can_talk);
        self.view.files.enable(can_talk);
    }

    fn show_devices(&mut self) {
        let [audio, video] = self.devices.troubles();
        let words = words::devices(audio, video);
        self.view.frame.device_trouble(words.as_deref());
        let picture = self.devices.picture().filter(|_| !self.inside);
        let words = match self.devices.are_pending() {
            true => "Waiting for the camera…",
            false => "No camera",
        };
        self.view.door.setup.preview(picture, words);
        let silent = self.muted || self.devices.track(Kind::Audio).is_none();
        let dark = self.devices.track(Kind::Video).is_none();
        (self.view.controls).show(silent, dark, self.screen.is_some());
        self.show_enter();
        self.show_meter();
    }

    fn show_enter(&self) {
        let words = match self.eager {
            true => "Enters as soon as the devices are there…",
            false => "Enter",
        };
        let can_enter = !self.eager && peer::is_supported();
        self.view.door.enter(can_enter, words);
    }

    fn show_meter(&mut self) {
        let wanted = !self.inside && self.devices.track(Kind::Audio).is_some();
        if wanted && self.meter.is_none() {
            let post = self.post.clone();
            self.meter = Some(Interval::new(METER_MS, move || post.send(Input::Meter)));
        } else if !wanted {
            self.meter = None;
            self.view.door.setup.level(0.0);
        }
    }

    fn show_tiles(&mut self) {
        if !self.inside {
            return;
        }
        let own = Own {
            camera: self.devices.picture(),
            screen: self.screen.as_ref().map(Screen::stream),
            muted: self.muted || self.devices.track(Kind::Audio).is_none(),
        };
        self.stage.show(self.client.room(), &own, &mut self.view);
    }

    /// Tells the server which pictures are looked at, and how large they are.
    fn watch(&mut self) {
        if let Some(sights) = self.stage.news(&self.view, dom::now()) {
            self.command(Command::Show(sights));
        }
    }
}

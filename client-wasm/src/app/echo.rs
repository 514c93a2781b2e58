//! The echo's page. It decides what is shown; the view shows it, the client calls, the devices are
//! opened elsewhere.

use web_sys::{MediaStream, RtcTrackEvent};

use super::devices::{BOTH, Devices, News};
use super::page::{App, StartError};
use crate::call::{Phase, Status};
use crate::chat::{Chat, Heard};
use crate::client::{self, Client, Command, Event};
use crate::dom::{self, Interval, Post};
use crate::language::say;
use crate::maker::Maker;
use crate::media::{Kind, MediaEvent};
use crate::peer::{self, Outgoing, Payload};
use crate::stats::Stats;
use crate::view::{Action, LineState, PageAction, Screen, Toggle, View};
use crate::words;

const METER_MS: u32 = 100;
const SAMPLE_MS: u32 = 1_000;

/// Everything the page reacts to.
#[derive(Debug)]
pub(crate) enum Input {
    Client(client::Input),
    Media(MediaEvent),
    View(Action),
    /// Time to read the microphone's level.
    Meter,
    /// Time to ask for numbers.
    Sample,
}

pub(super) struct Echo {
    view: View,
    client: Client,
    devices: Devices,
    chat: Chat,
    screen: Screen,
    /// The user pressed start before the devices were there.
    eager: bool,
    muted: bool,
    silent: bool,
    /// What the server returns.
    remote: Option<MediaStream>,
    /// What the server sees of the connection, by name and in words.
    server: Option<(&'static str, String)>,
    post: Post<Input>,
    meter: Option<Interval>,
    sampler: Option<Interval>,
}

impl App for Echo {
    type Input = Input;

    fn new(post: &Post<Input>) -> Result<Self, StartError> {
        let window = web_sys::window().ok_or(StartError::NoPage)?;
        let document = window.document().ok_or(StartError::NoPage)?;
        let devices = Devices::new(post.map(Input::Media));
        let url = crate::url::beside_the_page(&window);
        let view = View::new(&document, &post.map(Input::View)).map_err(StartError::Missing)?;
        let codec = devices.settings().codec();
        Ok(Self {
            view,
            client: Client::new(url, codec, post.map(Input::Client)),
            devices,
            chat: Chat::default(),
            screen: Screen::Prejoin,
            eager: false,
            muted: false,
            silent: false,
            remote: None,
            server: None,
            post: post.clone(),
            meter: None,
            sampler: None,
        })
    }

    fn open(&mut self) {
        let (setup, codecs) = (&self.view.prejoin.setup, peer::video_codecs());
        setup.settings(self.devices.settings(), &codecs);
        self.view.frame.status(self.client.status());
        if peer::is_supported() {
            self.devices.list();
            self.acquire(&BOTH);
        } else {
            self.view.frame.trouble(Some(&say(words::NO_WEBRTC)), false);
            setup.preview(None, &say(words::NO_CALLS));
            self.view.prejoin.start_without(false);
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Client(input) => self.tell(input),
            Input::Media(event) => self.on_media(event),
            Input::View(action) => self.on_action(action),
            Input::Meter => self.measure(),
            Input::Sample => self.command(Command::Sample),
        }
    }
}

impl Echo {
    fn command(&mut self, command: Command) {
        self.tell(client::Input::Do(command));
    }

    fn tell(&mut self, input: client::Input) {
        for event in self.client.handle(input) {
            self.on_client(event);
        }
    }

    // What the user does.

    fn on_action(&mut self, action: Action) {
        match action {
            Action::Page(action) => self.on_page_action(action),
            Action::Start => self.start(),
            Action::StartWithout => {
                self.devices.release_all();
                self.begin();
            }
            Action::HangUp => self.hang_up(),
            Action::Toggle(toggle) => self.toggle(toggle),
            Action::Say(text) => self.say(text),
            Action::RemotePlays => self.show_remote(),
        }
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
            PageAction::Leave => self.leave(),
            PageAction::Return => self.acquire(&BOTH),
        }
    }

    fn start(&mut self) {
        if self.devices.are_pending() {
            self.eager = true;
            self.show_start();
        } else {
            self.begin();
        }
    }

    fn begin(&mut self) {
        self.eager = false;
        self.screen = Screen::Call;
        self.devices.forgive();
        self.show_devices();
        self.view.screen(Screen::Call);
        self.view.log.clear();
        self.view.numbers.show(&Stats::default());
        self.command(Command::Prefer(self.devices.settings().codec()));
        self.command(Command::Publish(self.devices.tracks()));
        self.command(Command::Start);
        self.show_local();
        let post = self.post.clone();
        self.sampler = Some(Interval::new(SAMPLE_MS, move || post.send(Input::Sample)));
    }

    fn hang_up(&mut self) {
        self.end_call();
        // What was switched off in the call, or never on, is offered anew.
        self.acquire(&BOTH);
    }

    fn end_call(&mut self) {
        self.sampler = None;
        for track in self.devices.tracks() {
            self.command(Command::Unpublish(track));
        }
        self.command(Command::HangUp);
        self.screen = Screen::Prejoin;
        self.muted = false;
        self.devices.measure(true);
        self.view.screen(Screen::Prejoin);
    }

    /// The server need not wait for somebody who went to another page.
    fn leave(&mut self) {
        if self.screen == Screen::Call {
            self.end_call();
        }
        self.devices.release_all();
    }

    fn toggle(&mut self, toggle: Toggle) {
        match toggle {
            Toggle::Mute => self.toggle_microphone(),
            Toggle::Camera => self.toggle_camera(),
            Toggle::Speaker => self.silent = !self.silent,
        }
        self.show_local();
    }

    fn toggle_microphone(&mut self) {
        if self.devices.track(Kind::Audio).is_none() {
            return self.switch_on(Kind::Audio);
        }
        self.muted = !self.muted;
        self.devices.measure(!self.muted);
        if let Some(track) = self.devices.track(Kind::Audio) {
            track.set_enabled(!self.muted);
        }
    }

    /// Off means off: the light of the camera goes out.
    fn toggle_camera(&mut self) {
        let Some(track) = self.devices.track(Kind::Video).cloned() else {
            return self.switch_on(Kind::Video);
        };
        self.command(Command::Unpublish(track));
        self.devices.release(Kind::Video);
    }

    fn switch_on(&mut self, kind: Kind) {
        self.devices.switch_on(kind);
        self.show_devices();
    }

    fn say(&mut self, text: String) {
        let Some(line) = self.chat.say(&text, dom::now()) else {
            return;
        };
        self.view.log.add(Some(line), &text, LineState::Sent);
        self.view.log.clear_input();
        let payload = Payload::Text(text);
        self.command(Command::Send(Outgoing {
            payload,
            done: None,
        }));
    }

    // What the devices do.

    fn acquire(&mut self, kinds: &[Kind]) {
        self.devices.acquire(kinds);
        self.show_devices();
    }

    fn on_media(&mut self, event: MediaEvent) {
        match self.devices.on_event(event) {
            News::Acquired(_) => self.on_acquired(),
            News::Ended(track) => {
                if let Some(track) = track {
                    self.command(Command::Unpublish(track));
                }
                self.show_devices();
            }
            News::Listed(listed) => {
                let setup = &self.view.prejoin.setup;
                setup.devices(&listed.devices, self.devices.settings());
                self.show_devices();
            }
            News::Configured => self.show_devices(),
            News::Nothing => {}
        }
    }

    fn on_acquired(&mut self) {
        if let Some(track) = self.devices.track(Kind::Audio) {
            track.set_enabled(!self.muted);
        }
        if self.screen == Screen::Call {
            self.command(Command::Publish(self.devices.tracks()));
        }
        self.show_devices();
        if self.eager && !self.devices.are_pending() {
            self.begin();
        }
    }

    fn measure(&mut self) {
        let level = if self.muted {
            0.0
        } else {
            self.devices.loudness()
        };
        match self.screen {
            Screen::Prejoin => self.view.prejoin.setup.level(level),
            Screen::Call => self.view.stage.level(level),
        }
    }

    // What the client tells.

    fn on_client(&mut self, event: Event) {
        match event {
            Event::Status(status) => self.on_status(&status),
            // The last word on a call that was hung up comes when nobody looks any more.
            Event::ServerState { .. } if self.screen == Screen::Prejoin => {}
            Event::ServerState { state, reason } => {
                let words = words::server_state(state, reason.as_deref());
                self.server = Some((words::server_state_name(state), words));
                self.show_server();
            }
            Event::PeerConnection(_) => self.remote(MediaStream::new().ok()),
            Event::PeerClosed => {
                self.remote(None);
                self.server = None;
                self.show_server();
                self.on_channel_closed();
            }
            Event::Track(event) => self.on_track(&event),
            Event::ChannelOpen { .. } => self.view.log.enable(true),
            Event::ChannelClosed => self.on_channel_closed(),
            Event::Message(data) => {
                if let Some(text) = data.as_string() {
                    self.on_text(&text);
                }
            }
            Event::Stats(stats) => self.view.numbers.show(&stats),
            // Nobody is in a room here.
            Event::Room
            | Event::Said(_)
            | Event::Complaint(_)
            | Event::Muted(..)
            | Event::Departed(..)
            | Event::Settled(..)
            | Event::Ended(_) => {}
        }
    }

    fn on_status(&mut self, status: &Status) {
        self.view.frame.status(status);
        self.show_server();
        if status.phase != Phase::Connected {
            self.show_remote();
        }
    }

    fn on_track(&mut self, event: &RtcTrackEvent) {
        if let Some(remote) = &self.remote {
            remote.add_track(&event.track());
        }
    }

    fn on_channel_closed(&mut self) {
        self.view.log.enable(false);
        for line in self.chat.cut() {
            self.view.log.mark(line, LineState::Lost);
        }
    }

    fn on_text(&mut self, text: &str) {
        match self.chat.hear(text, dom::now()) {
            Heard::Echo(line, ms) => self.view.log.mark(line, LineState::Returned(ms)),
            Heard::Other => self.view.log.add(None, text, LineState::Received),
        }
    }

    // What is shown.

    fn show_devices(&mut self) {
        let [audio, video] = self.devices.troubles();
        let words = words::devices(audio, video, Maker::of_the_browser());
        self.view.frame.device_trouble(words.as_deref());
        self.show_start();
        self.show_meter();
        self.show_local();
    }

    fn show_start(&self) {
        let waits = self.devices.are_pending() && self.eager;
        (self.view.prejoin).start(!self.eager, &words::start(waits));
    }

    fn show_meter(&mut self) {
        let wanted = self.devices.track(Kind::Audio).is_some();
        if wanted && self.meter.is_none() {
            let post = self.post.clone();
            self.meter = Some(Interval::new(METER_MS, move || post.send(Input::Meter)));
        } else if !wanted {
            self.meter = None;
            self.view.prejoin.setup.level(0.0);
            self.view.stage.level(0.0);
        }
    }

    fn show_local(&self) {
        let picture = self.devices.picture();
        let words = words::no_picture(self.devices.are_pending());
        let in_call = self.screen == Screen::Call;
        let (preview, local) = if in_call {
            (None, picture)
        } else {
            (picture, None)
        };
        self.view.prejoin.setup.preview(preview, &words);
        self.view.prejoin.setup.blur(self.devices.blur());
        self.view.stage.local(local);
        let mute = self.muted || self.devices.track(Kind::Audio).is_none();
        let stage = &self.view.stage;
        stage.press(Toggle::Mute, mute);
        stage.press(Toggle::Camera, self.devices.track(Kind::Video).is_none());
        stage.press(Toggle::Speaker, self.silent);
        stage.silence(self.silent);
        self.show_remote();
    }

    fn show_remote(&self) {
        let sending = self.devices.track(Kind::Video).is_some();
        let phase = self.client.status().phase;
        let words = words::no_return(phase, sending, self.remote.is_some());
        self.view.stage.cover_remote(words.as_deref());
    }

    /// What the server saw last is no news when it is not heard any more.
    fn show_server(&self) {
        let unheard = say(words::SERVER_UNHEARD);
        let seen = self.server.as_ref();
        let seen = seen.map(|(state, words)| match self.client.status().reached {
            true => (*state, words.as_str()),
            false => ("", unheard.as_str()),
        });
        self.view.server_state(seen);
    }

    fn remote(&mut self, stream: Option<MediaStream>) {
        self.view.stage.remote(stream.as_ref());
        self.remote = stream;
        self.show_remote();
    }
}

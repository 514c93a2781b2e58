//! The page's one loop: the user's actions, the devices and the client's events come in by one
//! queue, and the loop owns what they change by value. It decides what is shown; the view shows it,
//! the client calls, the media module opens devices.

use web_sys::{MediaStream, RtcTrackEvent, Window};

use crate::call::{Phase, Status};
use crate::chat::{Chat, Heard};
use crate::client::{self, Client, Command, Event};
use crate::dom::{self, Inbox, Interval, Post};
use crate::media::{Kind, Media, MediaEvent, Trouble};
use crate::peer::{self, Outgoing, Payload};
use crate::settings::{NO_DEVICE, Settings};
use crate::stats::Stats;
use crate::view::{Action, Choice, LineState, Missing, Screen, Toggle, View};
use crate::words;

const BOTH: [Kind; 2] = [Kind::Audio, Kind::Video];
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

/// Why the page cannot start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// There is no window, or it has no document.
    NoPage,
    /// The page is another app's.
    Missing(Missing),
}

/// Starts the page's loop.
pub(crate) fn start() -> Result<(), StartError> {
    let window = web_sys::window().ok_or(StartError::NoPage)?;
    let (post, inbox) = dom::queue();
    let mut app = App::new(&window, &post)?;
    app.open();
    wasm_bindgen_futures::spawn_local(run(app, inbox));
    Ok(())
}

async fn run(mut app: App, mut inbox: Inbox<Input>) {
    while let Some(input) = inbox.next().await {
        app.handle(input);
    }
}

struct App {
    view: View,
    client: Client,
    media: Media,
    settings: Settings,
    chat: Chat,
    screen: Screen,
    /// What is wrong with microphone and camera.
    troubles: [Option<Trouble>; 2],
    /// Devices asked for and not there yet.
    pending: u32,
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

impl App {
    fn new(window: &Window, post: &Post<Input>) -> Result<Self, StartError> {
        let document = window.document().ok_or(StartError::NoPage)?;
        let settings = Settings::load();
        let url = crate::url::beside_the_page(window);
        let view = View::new(&document, &post.map(Input::View)).map_err(StartError::Missing)?;
        Ok(Self {
            view,
            client: Client::new(url, settings.codec(), post.map(Input::Client)),
            media: Media::new(post.map(Input::Media)),
            settings,
            chat: Chat::default(),
            screen: Screen::Prejoin,
            troubles: [None, None],
            pending: 0,
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

    /// What a visitor sees first.
    fn open(&mut self) {
        let codecs = peer::video_codecs();
        self.view.prejoin.settings(&self.settings, &codecs);
        self.view.status(self.client.status());
        if peer::is_supported() {
            self.media.list();
            self.acquire(&BOTH);
        } else {
            self.view.trouble(Some(words::NO_WEBRTC), false);
            self.view.prejoin.preview(None, "No calls in this browser");
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
            Action::Start => self.start(),
            Action::StartWithout => {
                BOTH.into_iter().for_each(|kind| self.media.release(kind));
                self.begin();
            }
            Action::HangUp => self.hang_up(),
            Action::Toggle(toggle) => self.toggle(toggle),
            Action::Say(text) => self.say(text),
            Action::Retry => self.command(Command::Retry),
            Action::RetryDevices => self.acquire(&self.troubled()),
            Action::Choose(choice, value) => self.choose(choice, value),
            Action::Gesture => self.media.wake(),
            Action::Leave => self.leave(),
            Action::Return => self.acquire(&BOTH),
            Action::RemotePlays => self.show_remote(),
        }
    }

    fn start(&mut self) {
        if self.pending > 0 {
            self.eager = true;
            self.show_start();
        } else {
            self.begin();
        }
    }

    fn begin(&mut self) {
        self.eager = false;
        self.screen = Screen::Call;
        // Whoever starts without a device knows that it is not there.
        self.troubles = [None, None];
        self.show_devices();
        self.view.screen(Screen::Call);
        self.view.log.clear();
        self.view.numbers.show(&Stats::default());
        self.command(Command::Prefer(self.settings.codec()));
        self.command(Command::Publish(self.media.tracks()));
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
        for track in self.media.tracks() {
            self.command(Command::Unpublish(track));
        }
        self.command(Command::HangUp);
        self.screen = Screen::Prejoin;
        self.muted = false;
        self.view.screen(Screen::Prejoin);
    }

    /// The server need not wait for somebody who went to another page.
    fn leave(&mut self) {
        if self.screen == Screen::Call {
            self.end_call();
        }
        BOTH.into_iter().for_each(|kind| self.media.release(kind));
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
        if self.media.track(Kind::Audio).is_none() {
            return self.switch_on(Kind::Audio);
        }
        self.muted = !self.muted;
        if let Some(track) = self.media.track(Kind::Audio) {
            track.set_enabled(!self.muted);
        }
    }

    /// Off means off: the light of the camera goes out.
    fn toggle_camera(&mut self) {
        let Some(track) = self.media.track(Kind::Video).cloned() else {
            return self.switch_on(Kind::Video);
        };
        self.command(Command::Unpublish(track));
        self.media.release(Kind::Video);
    }

    fn switch_on(&mut self, kind: Kind) {
        if self.settings.device(kind) == NO_DEVICE {
            self.remember(Choice::Device(kind), String::new());
        }
        self.acquire(&[kind]);
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

    fn choose(&mut self, choice: Choice, value: String) {
        self.remember(choice, value);
        self.media.wake();
        match choice {
            Choice::Device(kind) => self.acquire(&[kind]),
            Choice::Resolution => self.acquire(&[Kind::Video]),
            Choice::Processing => self.acquire(&[Kind::Audio]),
            Choice::Codec => {}
        }
    }

    fn remember(&mut self, choice: Choice, value: String) {
        self.settings.change(|settings| {
            let value = value.clone();
            match choice {
                Choice::Device(Kind::Audio) => settings.microphone = value,
                Choice::Device(Kind::Video) => settings.camera = value,
                Choice::Codec => settings.codec = value,
                Choice::Resolution => settings.resolution = value,
                Choice::Processing => settings.processing = value == "true",
            }
        });
    }

    // What the devices do.

    fn acquire(&mut self, kinds: &[Kind]) {
        let wish = self.settings.wish(kinds);
        for &kind in kinds {
            self.troubles[kind as usize] = None;
            self.media.release(kind);
        }
        if wish.kinds().next().is_some() {
            self.pending += 1;
            self.media.acquire(wish);
        }
        self.show_devices();
    }

    /// The kinds that are in trouble, or both.
    fn troubled(&self) -> Vec<Kind> {
        let troubled = BOTH.into_iter();
        troubled
            .filter(|&kind| self.troubles[kind as usize].is_some())
            .collect()
    }

    fn on_media(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Acquired(acquired) => {
                self.pending = self.pending.saturating_sub(1);
                let troubles = self.media.accept(*acquired);
                for (old, new) in self.troubles.iter_mut().zip(troubles) {
                    *old = new.or(old.take());
                }
                self.on_acquired();
            }
            MediaEvent::Ended(kind) => self.unplugged(kind),
            MediaEvent::Changed => self.media.list(),
            MediaEvent::Devices(devices) => self.view.prejoin.devices(&devices, &self.settings),
        }
    }

    fn on_acquired(&mut self) {
        // Names of devices are told only after permission.
        self.media.list();
        if let Some(track) = self.media.track(Kind::Audio) {
            track.set_enabled(!self.muted);
        }
        if self.screen == Screen::Call {
            self.command(Command::Publish(self.media.tracks()));
        }
        self.show_devices();
        if self.eager && self.pending == 0 {
            self.begin();
        }
    }

    fn unplugged(&mut self, kind: Kind) {
        if let Some(track) = self.media.track(kind).cloned() {
            self.command(Command::Unpublish(track));
        }
        self.media.release(kind);
        self.troubles[kind as usize] = Some(Trouble::Unplugged);
        self.show_devices();
    }

    fn measure(&mut self) {
        let level = if self.muted {
            0.0
        } else {
            self.media.loudness()
        };
        match self.screen {
            Screen::Prejoin => self.view.prejoin.level(level),
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
            Event::ChannelOpen => self.view.log.enable(true),
            Event::ChannelClosed => self.on_channel_closed(),
            Event::Message(data) => {
                if let Some(text) = data.as_string() {
                    self.on_text(&text);
                }
            }
            Event::Stats(stats) => self.view.numbers.show(&stats),
        }
    }

    fn on_status(&mut self, status: &Status) {
        self.view.status(status);
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
        let [audio, video] = &self.troubles;
        let words = words::devices(audio.as_ref(), video.as_ref());
        self.view.device_trouble(words.as_deref());
        self.show_start();
        self.show_meter();
        self.show_local();
    }

    fn show_start(&self) {
        let words = match (self.pending > 0, self.eager) {
            (true, true) => "Starts as soon as the devices are there…",
            (true, false) | (false, _) => "Start",
        };
        self.view.prejoin.start(!self.eager, words);
    }

    fn show_meter(&mut self) {
        let wanted = self.media.track(Kind::Audio).is_some();
        if wanted && self.meter.is_none() {
            let post = self.post.clone();
            self.meter = Some(Interval::new(METER_MS, move || post.send(Input::Meter)));
        } else if !wanted {
            self.meter = None;
            self.view.prejoin.level(0.0);
            self.view.stage.level(0.0);
        }
    }

    fn show_local(&self) {
        let picture = self.media.picture();
        let words = if self.pending > 0 {
            "Waiting for the camera…"
        } else {
            "No camera"
        };
        let in_call = self.screen == Screen::Call;
        let (preview, local) = if in_call {
            (None, picture)
        } else {
            (picture, None)
        };
        self.view.prejoin.preview(preview, words);
        self.view.stage.local(local);
        let mute = self.muted || self.media.track(Kind::Audio).is_none();
        let stage = &self.view.stage;
        stage.press(Toggle::Mute, mute);
        stage.press(Toggle::Camera, self.media.track(Kind::Video).is_none());
        stage.press(Toggle::Speaker, self.silent);
        stage.silence(self.silent);
        self.show_remote();
    }

    fn show_remote(&self) {
        let sending = self.media.track(Kind::Video).is_some();
        let words = match self.client.status().phase {
            _ if !sending => Some("No picture is sent, so none comes back"),
            Phase::Reconnecting if self.remote.is_none() => Some("Waiting for the server"),
            Phase::Connected | Phase::Reconnecting => None,
            Phase::Idle | Phase::Connecting | Phase::Negotiating => Some("Not here yet"),
            Phase::Failed | Phase::Closed => Some("Not connected"),
        };
        self.view.stage.cover_remote(words);
    }

    /// What the server saw last is no news when it is not heard any more.
    fn show_server(&self) {
        let seen = self.server.as_ref();
        let seen = seen.map(|(state, words)| match self.client.status().reached {
            true => (*state, words.as_str()),
            false => ("", words::SERVER_UNHEARD),
        });
        self.view.server_state(seen);
    }

    fn remote(&mut self, stream: Option<MediaStream>) {
        self.view.stage.remote(stream.as_ref());
        self.remote = stream;
        self.show_remote();
    }
}

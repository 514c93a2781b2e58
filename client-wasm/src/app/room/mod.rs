//! A room's page. It decides what is shown and published; the view shows it, the client talks with the
//! server, the devices are opened elsewhere.

mod actions;
mod company;
mod seen;
mod shown;
mod told;
mod unheard;
mod unsettled;

use ferrite_protocol::{JoinToken, RoomId};

use super::devices::{BOTH, Devices};
use super::files::{self, Files};
use super::page::{App, StartError};
use super::stage::Stage;
use crate::client::{self, Client, Command};
use crate::dom::{self, Interval, Post, Task};
use crate::glimpse::Glimpse;
use crate::language::say;
use crate::media::{MediaEvent, Screen, ScreenEvent, screen};
use crate::peer;
use crate::view::{Panel, RoomAction, RoomView};
use crate::words;
use company::Company;
use unheard::Unheard;
use unsettled::Unsettled;

const METER_MS: u32 = 100;
/// Who waits at the door sees others come and go so often.
const PEEK_MS: u32 = 5_000;

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
    /// Time to ask who is in the room.
    Peek,
    /// Who is in the room, if that is known.
    Seen(Option<Glimpse>),
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
    company: Company,
    unheard: Unheard,
    unsettled: Unsettled,
    /// What is open beside the tiles.
    panel: Option<Panel>,
    /// Lines of the chat that nobody can have read.
    unread: usize,
    /// The microphone is muted, and only speaks as long as a key is held down.
    talking: bool,
    /// The browser kept sound back when that was last looked at.
    held: bool,
    /// How the files were when they were last shown.
    files_shown: Vec<(u32, &'static str)>,
    /// What the user has to know, until they do something.
    notice: Option<String>,
    post: Post<Input>,
    meter: Option<Interval>,
    look: Option<Interval>,
    /// As long as one is not in the room.
    peek: Option<Interval>,
    peeking: Option<Task>,
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
            company: Company::default(),
            unheard: Unheard::default(),
            unsettled: Unsettled::default(),
            panel: None,
            unread: 0,
            talking: false,
            held: false,
            files_shown: Vec::new(),
            notice: None,
            post: post.clone(),
            meter: None,
            look: None,
            peek: None,
            peeking: None,
        })
    }

    fn open(&mut self) {
        self.watch_the_door();
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
            self.view.frame.trouble(Some(&say(words::NO_WEBRTC)), false);
            setup.preview(None, &words::no_picture(false));
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Client(input) => self.tell(input),
            Input::Media(event) => self.on_media(event),
            Input::Screen(event) => self.on_screen(event),
            Input::View(action) => self.on_action(action),
            Input::Files(event) => {
                let shows = matches!(event, files::Event::Tick | files::Event::Chose { .. });
                self.files.on_event(event, dom::now());
                self.move_files(shows);
            }
            Input::Meter => self.measure(),
            Input::Look => self.look_around(),
            Input::Peek => self.peek(),
            Input::Seen(seen) => self.show_glimpse(seen.as_ref()),
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
}

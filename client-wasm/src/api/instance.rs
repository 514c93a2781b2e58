//! The loop behind one `FerriteClient`. Owns the client, the callbacks and whoever waits for
//! something, all by value.

use std::rc::Rc;

use js_sys::Function;
use wasm_bindgen::JsValue;

use super::outcome::{Failure, Glance, Reply};
use super::place::Place;
use super::translate::Options;
use super::{shapes, translate};
use crate::call::{Entry, LinkState, Phase, Request, Status};
use crate::client::{self, Client, Command, Event};
use crate::dom::{Inbox, Post};
use crate::gaps;
use crate::peer::Outlet;
use crate::stats::Stats;

/// Everything the loop reacts to.
pub(super) enum Input {
    Client(client::Input),
    Ask(Ask),
}

/// What the class asks for.
pub(super) enum Ask {
    Do(Command),
    Connect(Reply<()>),
    Start(Reply<()>),
    Stats(Reply<Box<Stats>>),
    Join(Entry, Reply<JsValue>),
    Publish(Outlet),
    Unpublish(String),
    Mute(String, bool),
    Request(Request, Reply<()>),
    On(String, Function),
    Off(String, Function),
}

pub(super) struct Instance {
    client: Client,
    /// How many others are heard at a time.
    voices: Option<usize>,
    glance: Rc<Glance>,
    /// Whether messages can be sent.
    channel_open: bool,
    place: Place,
    callbacks: Vec<(String, Function)>,
    connecting: Vec<Reply<()>>,
    starting: Vec<Reply<()>>,
    sampling: Vec<Reply<Box<Stats>>>,
}

impl Instance {
    pub(super) fn new(options: Options, post: &Post<Input>, glance: Rc<Glance>) -> Self {
        let client = Client::new(options.url, options.codec, post.map(Input::Client))
            .describing(options.describe);
        *glance.status.borrow_mut() = translate::status(client.status());
        Self {
            client,
            voices: options.voices,
            glance,
            channel_open: false,
            place: Place::default(),
            callbacks: Vec::new(),
            connecting: Vec::new(),
            starting: Vec::new(),
            sampling: Vec::new(),
        }
    }

    /// Until the client is closed. What still waits then hears that from its dropped channel.
    pub(super) async fn run(mut self, mut inbox: Inbox<Input>) {
        while let Some(input) = inbox.next().await {
            self.handle(input);
            if self.client.status().phase == Phase::Closed {
                return;
            }
        }
    }

    fn handle(&mut self, input: Input) {
        match input {
            Input::Client(input) => self.tell(input),
            Input::Ask(ask) => self.on_ask(ask),
        }
    }

    fn on_ask(&mut self, ask: Ask) {
        match ask {
            Ask::Do(command) => self.command(command),
            Ask::Connect(reply) => {
                self.connecting.push(reply);
                self.command(Command::Connect);
            }
            Ask::Start(reply) => {
                self.command(Command::Start);
                self.starting.push(reply);
            }
            Ask::Stats(reply) => {
                self.sampling.push(reply);
                self.command(Command::Sample);
            }
            Ask::Join(entry, reply) => self.join(entry, reply),
            Ask::Publish(outlet) => {
                self.place.publish(outlet);
                self.carry();
            }
            Ask::Unpublish(key) => {
                self.place.unpublish(&key);
                self.command(Command::Mute(key, false));
                self.carry();
            }
            Ask::Mute(key, muted) => {
                self.glance.heard();
                self.command(Command::Mute(key, muted));
            }
            Ask::Request(request, reply) => {
                let errand = self.place.ask(request, reply);
                self.command(Command::Ask(errand));
            }
            Ask::On(event, callback) => self.callbacks.push((event, callback)),
            Ask::Off(event, callback) => self
                .callbacks
                .retain(|(name, known)| *name != event || *known != callback),
        }
        self.settle();
    }

    /// Out of whatever there is, and in.
    fn join(&mut self, entry: Entry, reply: Reply<JsValue>) {
        self.command(Command::HangUp);
        self.settle();
        self.place.join(reply);
        let outlets = self.place.outlets(self.client.room());
        self.command(Command::Carry(outlets));
        self.command(Command::ShowAny);
        let voices = self.voices;
        self.command(Command::Enter(Entry { voices, ..entry }));
    }

    /// Has the room get what is published now; outside it waits for the next one.
    fn carry(&mut self) {
        if self.client.room().wanted().is_some() {
            let outlets = self.place.outlets(self.client.room());
            self.command(Command::Carry(outlets));
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

    fn on_client(&mut self, event: Event) {
        match event {
            Event::Status(status) => self.on_status(&status),
            Event::ServerState { state, reason } => {
                self.emit("serverState", &translate::server_state(state, reason));
            }
            Event::PeerConnection(connection) => {
                *self.glance.connection.borrow_mut() = Some(connection.clone());
                self.emit("peerConnection", &connection);
            }
            Event::PeerClosed => {
                *self.glance.connection.borrow_mut() = None;
                // That the room is different is told after this.
                self.place.unplug();
                self.emit_channel(false, &JsValue::UNDEFINED);
            }
            Event::Track(event) => {
                self.place.plug(&event);
                self.emit("track", &event);
                self.look();
            }
            Event::ChannelOpen { resumed } => {
                self.emit_channel(true, &shapes::channel(resumed));
            }
            Event::ChannelClosed => self.emit_channel(false, &JsValue::UNDEFINED),
            Event::Message(data) => self.emit("message", &data),
            Event::Room => self.on_room(),
            Event::Said(message) => self.emit("said", &shapes::said(&message)),
            Event::Complaint(words) => self.emit("complaint", &words.into()),
            Event::Muted(publication, reason) => {
                self.emit("muted", &shapes::muted(&publication, reason.as_deref()));
            }
            Event::Departed(who, cause) => self.place.departs(who, cause),
            Event::Settled(ticket, result) => self.place.settle(ticket, result),
            Event::Ended(ending) => {
                self.place.end(ending);
                self.command(Command::HangUp);
            }
            Event::Stats(stats) => {
                for reply in self.sampling.drain(..) {
                    // Nobody has to wait for an answer, here and below.
                    let _ = reply.send(Ok(stats.clone()));
                }
            }
        }
    }

    fn on_status(&mut self, status: &Status) {
        let shown = translate::status(status);
        *self.glance.status.borrow_mut() = shown.clone();
        self.emit("status", &shown);
        self.settle();
    }

    fn on_room(&mut self) {
        if self.place.is_muted_otherwise(self.client.room()) {
            self.carry();
        }
        self.look();
        self.settle();
    }

    fn look(&mut self) {
        self.glance.show_muted(self.client.room().muted());
        let events = self.place.look(self.client.room());
        *self.glance.room.borrow_mut() = self.place.room();
        for (event, detail) in events {
            self.emit(event, &detail);
        }
    }

    fn emit_channel(&mut self, open: bool, detail: &JsValue) {
        self.channel_open = open;
        let event = if open { "channelOpen" } else { "channelClose" };
        self.emit(event, detail);
        self.settle();
    }

    /// Tells those who wait what has become of what they wait for.
    fn settle(&mut self) {
        let status = self.client.status().clone();
        if let Some(verdict) = linked(&status) {
            answer(&mut self.connecting, &status, verdict);
        }
        if let Some(verdict) = started(&status, self.channel_open) {
            answer(&mut self.starting, &status, verdict);
        }
        if let Some(verdict) = joined(&status, self.is_inside()) {
            if matches!(verdict, Verdict::Done) {
                // What they are handed is the room as it is.
                self.look();
            }
            self.place
                .let_in(|room| outcome(verdict, &status).map(|()| room));
        }
    }

    fn is_inside(&self) -> bool {
        let room = self.client.room();
        room.is_in() && room.own().is_some()
    }

    fn emit(&self, event: &str, detail: &JsValue) {
        for (name, callback) in &self.callbacks {
            if name == event
                && let Err(error) = callback.call1(&JsValue::UNDEFINED, detail)
            {
                gaps::report_error(&error);
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Verdict {
    Done,
    Failed,
    HungUp,
}

fn linked(status: &Status) -> Option<Verdict> {
    match status.link {
        LinkState::Ready => Some(Verdict::Done),
        LinkState::Stopped => Some(Verdict::Failed),
        LinkState::Idle | LinkState::Opening | LinkState::Greeting | LinkState::Waiting => None,
    }
}

/// A call has begun when media and data can flow: the channel opens a moment after the connection.
fn started(status: &Status, channel_open: bool) -> Option<Verdict> {
    match status.phase {
        Phase::Connected => channel_open.then_some(Verdict::Done),
        Phase::Failed => Some(Verdict::Failed),
        Phase::Idle => Some(Verdict::HungUp),
        Phase::Connecting | Phase::Negotiating | Phase::Reconnecting | Phase::Closed => None,
    }
}

/// Whoever is in is in, with media or not yet.
fn joined(status: &Status, is_in: bool) -> Option<Verdict> {
    match (linked(status), status.phase) {
        (_, Phase::Idle) => Some(Verdict::HungUp),
        (Some(Verdict::Failed), _) => Some(Verdict::Failed),
        _ => is_in.then_some(Verdict::Done),
    }
}

fn answer(waiting: &mut Vec<Reply<()>>, status: &Status, verdict: Verdict) {
    for reply in waiting.drain(..) {
        let _ = reply.send(outcome(verdict, status));
    }
}

fn outcome(verdict: Verdict, status: &Status) -> Result<(), Failure> {
    match verdict {
        Verdict::Done => Ok(()),
        Verdict::HungUp => Err(Failure::HungUp),
        Verdict::Failed => {
            let problem = status.problem.clone();
            Err(problem.map_or(Failure::Closed, Failure::Problem))
        }
    }
}

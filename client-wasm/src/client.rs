//! One client session in the browser: joins the [`Call`]'s rules to the WebSocket, the peer
//! connection and the timers. Owns all of them by value; knows nothing of pages.
//!
//! Whoever embeds it (the page's loop or the JavaScript class) feeds every [`Input`] of its queue
//! into [`Client::handle`] and acts on the [`Event`]s that come out.

mod messages;
mod surroundings;

use std::time::Duration;

use ferrite_protocol::message::PeerConnectionState as PeerState;
use ferrite_protocol::{
    ClientMessage, CloseCode, DepartureCause, IceServer, ParticipantId, PublicationId, RoomMessage,
    ServerMessage,
};
use js_sys::Function;
use wasm_bindgen::JsValue;
use web_sys::{MediaStreamTrack, RtcPeerConnection, RtcTrackEvent, console};

use crate::call::{
    self, Call, Clock, Effect, Ending, Entry, Errand, Room, Sight, Status, Timer, Undone,
};
use crate::codec::VideoCodec;
use crate::dom::{self, Interval, Listener, Post, Timeout};
use crate::peer::{Outgoing, Outlet, Peer, PeerEvent, PeerOptions, warn};
use crate::replay::Replay;
use crate::signalling::{Signalling, SocketEvent};
use crate::sorted::Map;
use crate::stats::{self, Report, Stats};
use surroundings::Sign;

/// How often a call is looked at. The numbers of a peer connection cost a browser about a millisecond.
const LOOK_MS: u32 = 200;

/// What a client is to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Open the signalling link.
    Connect,
    /// Call the server.
    Start,
    /// Go into a room, and call the server there.
    Enter(Entry),
    /// Publish these in the room and nothing else, now and with the next peer connection.
    Carry(Vec<Outlet>),
    /// Mute what is published under this key, or no longer.
    Mute(String, bool),
    /// The page has places for these pictures.
    Show(Vec<Sight>),
    /// The program has no places: the server chooses the pictures, until the first [`Command::Show`].
    ShowAny,
    /// Ask this of the room; what became of it comes as [`Event::Settled`].
    Ask(Errand),
    /// Send these tracks, now or with the next peer connection.
    Publish(Vec<MediaStreamTrack>),
    /// Stop sending this track.
    Unpublish(MediaStreamTrack),
    /// Prefer this video codec from the next peer connection on.
    Prefer(Option<VideoCodec>),
    /// Send on the data channel.
    Send(Outgoing),
    /// Send to others in the room, now and once.
    SendLossy(Vec<u8>),
    /// Find a new media path.
    RestartIce,
    /// Try again now.
    Retry,
    /// Take a sample; it comes as [`Event::Stats`].
    Sample,
    /// End the call.
    HangUp,
    /// End everything.
    Close,
}

/// Everything a client reacts to.
#[derive(Debug)]
pub(crate) enum Input {
    /// From whoever embeds it.
    Do(Command),
    /// From the WebSocket of this number.
    Socket(u32, SocketEvent),
    /// From the peer connection of this number.
    Peer(u32, PeerEvent),
    /// From a timer.
    Fired(Timer),
    /// Time to look whether anything comes from the server.
    Look,
    /// The browser thinks that there is a network, perhaps another than before, or none.
    Online(bool),
    /// The page went to the back, or came to the front.
    Hidden(bool),
}

impl From<Sign> for Input {
    fn from(sign: Sign) -> Self {
        match sign {
            Sign::Online(online) => Self::Online(online),
            Sign::Hidden(hidden) => Self::Hidden(hidden),
        }
    }
}

/// What a client tells.
#[derive(Debug)]
pub(crate) enum Event {
    /// The call changed.
    Status(Status),
    /// The server's side of the peer connection changed.
    ServerState {
        state: PeerState,
        reason: Option<String>,
    },
    /// There is a new peer connection; what came over the one before is gone.
    PeerConnection(RtcPeerConnection),
    /// The peer connection is gone.
    PeerClosed,
    /// A track comes from the server.
    Track(RtcTrackEvent),
    /// The data channel can be used.
    ChannelOpen {
        /// What was under way on the one before comes on this one.
        resumed: bool,
    },
    /// The data channel cannot be used any more.
    ChannelClosed,
    /// A string or an `ArrayBuffer` came over the data channel.
    Message(JsValue),
    /// Something is different in the room; see [`Client::room`].
    Room,
    /// Somebody in the room said something.
    Said(RoomMessage),
    /// Something in the room could not be done; the server's own words.
    Complaint(String),
    /// Somebody else muted what this client publishes, and perhaps said why.
    Muted(PublicationId, Option<String>),
    /// Why somebody is about to be gone, where the server says.
    Departed(ParticipantId, DepartureCause),
    /// What became of what was asked under this number.
    Settled(u32, Result<(), Undone>),
    /// This client is not in the room any more.
    Ended(Ending),
    /// The sample asked for.
    Stats(Box<Stats>),
}

/// A client session.
pub(crate) struct Client {
    url: String,
    codec: Option<VideoCodec>,
    describe: Option<Function>,
    call: Call,
    status: Status,
    post: Post<Input>,
    signalling: Option<Signalling>,
    peer: Option<Peer>,
    replay: Replay,
    tracks: Vec<MediaStreamTrack>,
    /// Once it went into a room.
    outlets: Option<Vec<Outlet>>,
    /// The room as whoever embeds this knows it.
    seen: u32,
    timers: Map<Timer, Timeout>,
    /// As long as there is a peer connection.
    look: Option<Interval>,
    sample: Option<Stats>,
    /// Numbers sockets and peer connections, so that what a dropped one left in the queue is known.
    socket_number: u32,
    peer_number: u32,
    _listeners: Vec<Listener>,
}

impl Client {
    /// A client that does nothing until it is told. `url` is the WebSocket's.
    pub(crate) fn new(url: String, codec: Option<VideoCodec>, post: Post<Input>) -> Self {
        let call = Call::new();
        Self {
            url,
            codec,
            describe: None,
            status: call.status(),
            call,
            _listeners: surroundings::listeners(&post.map(Input::from)),
            post,
            signalling: None,
            peer: None,
            replay: Replay::default(),
            tracks: Vec::new(),
            outlets: None,
            seen: 0,
            timers: Map::new(),
            look: None,
            sample: None,
            socket_number: 0,
            peer_number: 0,
        }
    }

    /// Has this set the offers, instead of the browser by itself.
    pub(crate) fn describing(self, describe: Option<Function>) -> Self {
        Self { describe, ..self }
    }

    /// The call as it is.
    pub(crate) fn status(&self) -> &Status {
        &self.status
    }

    /// The peer connection, while there is one.
    pub(crate) fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// The room, and this client's place there.
    pub(crate) fn room(&self) -> &Room {
        self.call.room()
    }

    /// The one entrance.
    pub(crate) fn handle(&mut self, input: Input) -> Vec<Event> {
        let mut events = Vec::new();
        match input {
            Input::Do(command) => self.command(command, &mut events),
            Input::Socket(number, event) if number == self.socket_number => {
                self.on_socket(event, &mut events);
            }
            Input::Peer(number, event) if number == self.peer_number => {
                self.on_peer(event, &mut events);
            }
            // Left in the queue by one that is gone.
            Input::Socket(..) | Input::Peer(..) => {}
            Input::Fired(timer) => {
                self.timers.remove(&timer);
                self.advance(call::Input::Fired(timer), &mut events);
            }
            Input::Look => self.with_peer(Peer::look),
            Input::Online(online) => self.advance(call::Input::Online(online), &mut events),
            Input::Hidden(hidden) => self.advance(call::Input::Hidden(hidden), &mut events),
        }
        events
    }

    fn command(&mut self, command: Command, events: &mut Vec<Event>) {
        let input = match command {
            Command::Connect => call::Input::Connect,
            Command::Start => call::Input::Start,
            Command::Enter(entry) => {
                self.outlets.get_or_insert_default();
                call::Input::Enter(entry)
            }
            Command::Carry(outlets) => return self.carry(outlets),
            Command::Mute(key, muted) => call::Input::Mute(key, muted),
            Command::Show(sights) => call::Input::Show(Some(sights)),
            Command::ShowAny => call::Input::Show(None),
            Command::Ask(errand) => call::Input::Ask(errand),
            Command::RestartIce => call::Input::RestartIce,
            Command::Retry => call::Input::Retry,
            Command::HangUp => {
                self.outlets = None;
                call::Input::HangUp
            }
            Command::Close => call::Input::Close,
            Command::Publish(tracks) => return self.publish(tracks),
            Command::Unpublish(track) => return self.unpublish(&track),
            Command::Prefer(codec) => {
                self.codec = codec;
                return;
            }
            Command::Send(message) => return self.send(message),
            Command::SendLossy(bytes) => return self.with_peer(|it| it.send_lossy(&bytes)),
            Command::Sample => return self.take_sample(events),
        };
        self.advance(input, events);
    }

    fn on_socket(&mut self, event: SocketEvent, events: &mut Vec<Event>) {
        let input = match event {
            SocketEvent::Opened => call::Input::SocketOpened,
            SocketEvent::Closed { code } => call::Input::SocketClosed { code },
            SocketEvent::Heard(message) => {
                note(&message, events);
                call::Input::Heard(*message)
            }
        };
        self.advance(input, events);
    }

    fn on_peer(&mut self, event: PeerEvent, events: &mut Vec<Event>) {
        let input = match event {
            PeerEvent::NegotiationNeeded => call::Input::NegotiationNeeded,
            PeerEvent::OfferMade(result) => call::Input::OfferMade(result),
            PeerEvent::AnswerApplied(result) => {
                self.with_peer(Peer::take_answer_up);
                call::Input::AnswerApplied(result)
            }
            PeerEvent::Closed => call::Input::PeerClosed,
            PeerEvent::Candidate(candidate) => call::Input::LocalCandidate(candidate),
            PeerEvent::State(state) => call::Input::PeerState(state),
            PeerEvent::Traffic(traffic) => call::Input::Traffic(traffic),
            PeerEvent::Switched(it) => return self.with_peer(|peer| peer.switched(it)),
            PeerEvent::Track(event) => return events.push(Event::Track(event)),
            PeerEvent::Channel(event) => return self.on_channel(event, events),
            PeerEvent::NotGathered(code) => return self.with_peer(|peer| peer.note_refusal(code)),
            PeerEvent::Saw(seen) => call::Input::Saw(seen),
            PeerEvent::Stats(report) => return self.on_sample(report, events),
        };
        self.advance(input, events);
    }

    fn advance(&mut self, input: call::Input, events: &mut Vec<Event>) {
        for effect in self.call.handle(input, clock()) {
            self.perform(effect, events);
        }
        self.look(events);
    }

    /// Tells what can be seen since it was last told.
    fn look(&mut self, events: &mut Vec<Event>) {
        let status = self.call.status();
        if status != self.status {
            self.status = status.clone();
            events.push(Event::Status(status));
        }
        let changes = self.call.room().changes();
        if changes != std::mem::replace(&mut self.seen, changes) {
            events.push(Event::Room);
        }
    }

    fn perform(&mut self, effect: Effect, events: &mut Vec<Event>) {
        match effect {
            Effect::Connect => self.connect(),
            Effect::Disconnect(code) => self.disconnect(code),
            Effect::Send(message) => self.say(&message),
            Effect::CreatePeer(ice_servers) => self.create_peer(&ice_servers, events),
            Effect::ClosePeer => self.close_peer(events),
            Effect::Receive(slots) => self.with_peer(|peer| warn(peer.receive(slots))),
            Effect::Want(wanted) => self.with_peer(|peer| peer.want(wanted)),
            Effect::ForgetMessages => self.forget_messages(),
            Effect::BeginSession => self.begin_session(),
            Effect::Hear(message) => {
                // Who says something is there first.
                self.look(events);
                events.push(Event::Said(message));
            }
            Effect::Complain(words) => events.push(Event::Complaint(words)),
            Effect::ShowMuted(publication, reason) => {
                // That it is muted shows first.
                self.look(events);
                events.push(Event::Muted(publication, reason));
            }
            Effect::Depart(who, cause) => events.push(Event::Departed(who, cause)),
            Effect::Settle(ticket, it) => events.push(Event::Settled(ticket, it)),
            Effect::End(ending) => events.push(Event::Ended(ending)),
            Effect::MakeOffer => self.with_peer(Peer::make_offer),
            Effect::ApplyAnswer(sdp) => self.with_peer(|peer| peer.apply_answer(sdp)),
            Effect::AddCandidate(it) => self.with_peer(|peer| peer.add_candidate(it.as_ref())),
            Effect::Investigate => self.with_peer(Peer::investigate),
            Effect::GatherWith(servers) => self.with_peer(|peer| peer.gather_with(&servers)),
            Effect::RestartIce => self.with_peer(|peer| peer.restart_ice()),
            Effect::Arm(timer, ms) => self.arm(timer, ms),
            Effect::Disarm(timer) => {
                self.timers.remove(&timer);
            }
        }
    }

    fn connect(&mut self) {
        self.disconnect(CloseCode::TimedOut);
        let number = self.socket_number;
        let post = self.post.map(move |event| Input::Socket(number, event));
        match Signalling::open(&self.url, &post) {
            Ok(signalling) => self.signalling = Some(signalling),
            Err(words) => {
                console::error_1(&format!("Ferrite: {words}").into());
                post.send(SocketEvent::Closed { code: 1006 });
            }
        }
    }

    fn disconnect(&mut self, code: CloseCode) {
        if let Some(signalling) = self.signalling.take() {
            signalling.close(code);
        }
        self.socket_number = self.socket_number.wrapping_add(1);
    }

    fn say(&self, message: &ClientMessage) {
        if let Some(signalling) = &self.signalling {
            signalling.send(message);
        }
    }

    fn create_peer(&mut self, ice_servers: &[IceServer], events: &mut Vec<Event>) {
        self.close_peer(events);
        let number = self.peer_number;
        let post = self.post.map(move |event| Input::Peer(number, event));
        let options = PeerOptions {
            ice_servers,
            codec: self.codec,
            describe: self.describe.as_ref(),
            tracks: &self.tracks,
            outlets: self.outlets.as_deref(),
        };
        match Peer::new(&options, &post) {
            Ok(peer) => {
                events.push(Event::PeerConnection(peer.connection().clone()));
                self.peer = Some(peer);
                let post = self.post.clone();
                self.look = Some(Interval::new(LOOK_MS, move || post.send(Input::Look)));
            }
            Err(error) => {
                let input = call::Input::PeerFailed(dom::words(&error));
                self.advance(input, events);
            }
        }
    }

    fn close_peer(&mut self, events: &mut Vec<Event>) {
        self.sample = None;
        self.look = None;
        self.peer_number = self.peer_number.wrapping_add(1);
        self.replay.close();
        if self.peer.take().is_some() {
            events.push(Event::PeerClosed);
        }
    }

    fn with_peer(&mut self, act: impl FnOnce(&mut Peer)) {
        if let Some(peer) = &mut self.peer {
            act(peer);
        }
    }

    fn arm(&mut self, timer: Timer, ms: u32) {
        let post = self.post.clone();
        let timeout = Timeout::new(ms, move || post.send(Input::Fired(timer)));
        self.timers.insert(timer, timeout);
    }

    fn publish(&mut self, tracks: Vec<MediaStreamTrack>) {
        for track in tracks {
            if self.tracks.iter().any(|known| known.id() == track.id()) {
                continue;
            }
            self.with_peer(|peer| warn(peer.publish(&track)));
            self.tracks.push(track);
        }
    }

    fn unpublish(&mut self, track: &MediaStreamTrack) {
        self.tracks.retain(|known| known.id() != track.id());
        if let Some(peer) = &self.peer {
            peer.unpublish(track);
        }
    }

    fn carry(&mut self, outlets: Vec<Outlet>) {
        self.with_peer(|peer| warn(peer.carry(&outlets)));
        self.outlets = Some(outlets);
    }

    fn take_sample(&mut self, events: &mut Vec<Event>) {
        match &mut self.peer {
            Some(peer) => peer.sample(),
            None => events.push(Event::Stats(Box::default())),
        }
    }

    fn on_sample(&mut self, report: Result<Report, String>, events: &mut Vec<Event>) {
        match report {
            Ok(report) => {
                let stats = stats::read(&report, self.sample.as_ref());
                self.sample = Some(stats.clone());
                events.push(Event::Stats(Box::new(stats)));
            }
            Err(words) => {
                console::debug_1(&format!("Ferrite: no stats: {words}").into());
                events.push(Event::Stats(Box::default()));
            }
        }
    }
}

fn clock() -> Clock {
    Clock {
        now: Duration::from_secs_f64(dom::now().max(0.0) / 1_000.0),
        random: js_sys::Math::random(),
    }
}

/// What the server says that only the onlooker needs.
fn note(message: &ServerMessage, events: &mut Vec<Event>) {
    if let ServerMessage::PeerState { state, reason } = message {
        events.push(Event::ServerState {
            state: *state,
            reason: reason.clone(),
        });
    }
}

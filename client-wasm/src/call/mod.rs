//! The call as a pure state machine: [`Input`]s in, [`Effect`]s out. Owns every rule of calling;
//! knows no browser. Time and randomness come in as an argument.
//!
//! Seven parts with one rule book each: [`link`] (the WebSocket), [`negotiation`] (offers and
//! answers of one peer connection), [`path`] (what ICE and DTLS make of it), [`flow`] (whether
//! anything comes over it), [`room`] (who else is there), [`slots`] (which of them is shown where) and
//! [`errands`] (what is asked of a room once). State is level-triggered: what the user wants is compared
//! with what there is, after every input.

mod effect;
mod errands;
mod flow;
mod link;
mod muting;
mod negotiation;
mod path;
mod recall;
mod repair;
mod room;
mod slots;
mod status;
mod strain;
mod summary;
#[cfg(test)]
mod tests;
mod told;

use ferrite_protocol::{
    ClientMessage, ErrorCode, IceCandidate, IceServer, RequestId, ServerMessage,
};

pub(crate) use effect::{Effect, Errand, Input, Offer, Request, Timer, Undone, Wanted};
pub use effect::{Ending, Entry};
use flow::Flow;
pub(crate) use flow::Traffic;
pub(crate) use link::Clock;
use link::{Link, LinkEvent};
use negotiation::Negotiation;
use path::Path;
use recall::Recall;
pub(crate) use room::{Quality, Room, Speaking};
pub use slots::MAX_VOICES;
pub(crate) use slots::{Sight, SlotCounts};
pub use status::Phase;
pub(crate) use status::{LinkState, Problem, Reason, Status};
use strain::Strain;
use summary::Summary;
use told::Ids;

/// Something to do with the link, and what it means.
type LinkAct = fn(&mut Link, Clock, &mut Vec<Effect>) -> Option<LinkEvent>;

/// One call, or the wish for none.
#[derive(Debug)]
pub(crate) struct Call {
    link: Link,
    wanted: bool,
    closed: bool,
    /// The exchange on the peer connection that there is.
    peer: Option<Negotiation>,
    path: Path,
    flow: Flow,
    strain: Strain,
    ice_servers: Vec<IceServer>,
    /// The peer connection gathers with others.
    other_servers: bool,
    /// What ended the call; only the user starts it again.
    failure: Option<Problem>,
    /// The data channel closed, and only another peer connection brings one back.
    channel_gone: bool,
    recall: Recall,
    room: Room,
    ids: Ids,
}

impl Call {
    pub(crate) fn new() -> Self {
        Self {
            link: Link::new(),
            wanted: false,
            closed: false,
            peer: None,
            path: Path::new(),
            flow: Flow::new(),
            strain: Strain::new(),
            ice_servers: Vec::new(),
            other_servers: false,
            failure: None,
            channel_gone: false,
            recall: Recall::default(),
            room: Room::new(),
            ids: Ids::default(),
        }
    }

    /// The one entrance.
    pub(crate) fn handle(&mut self, input: Input, clock: Clock) -> Vec<Effect> {
        let mut out = Vec::new();
        if !self.closed {
            self.step(input, clock, &mut out);
            self.want(clock, &mut out);
        }
        out
    }

    /// The room one is in, or wants to be in.
    pub(crate) fn room(&self) -> &Room {
        &self.room
    }

    /// Whether what is sent to others in the room reaches them, now or with the next channel.
    pub(crate) fn takes_messages(&self) -> bool {
        self.failure.is_none() && self.room.takes_messages()
    }

    fn step(&mut self, input: Input, clock: Clock, out: &mut Vec<Effect>) {
        match input {
            Input::Connect => self.with_link(Link::open, clock, out),
            Input::Start => self.start(clock, out),
            Input::Enter(entry) => {
                self.room.enter(entry, out);
                self.start(clock, out);
            }
            Input::Mute(key, muted) => self.room.mute(key, muted),
            Input::Show(sights) => self.room.show(sights),
            Input::Ask(errand) => self.ask(errand, out),
            Input::RestartIce => self.restart_ice(out),
            Input::HangUp => self.hang_up(out),
            Input::Close => self.close(clock, out),
            Input::Retry => self.retry(clock, out),
            Input::Online(online) => {
                if online && self.peer.is_some() {
                    self.path.moved();
                }
                let event = self.link.online(online, clock, out);
                self.on_link(event, out);
            }
            Input::Hidden(hidden) => {
                let event = self.link.hidden(hidden, clock, out);
                self.on_link(event, out);
            }
            Input::SocketOpened => self.with_link(Link::opened, clock, out),
            Input::SocketClosed { code } => {
                let event = self.link.closed(code, clock, out);
                self.on_link(event, out);
            }
            Input::Heard(message) => self.heard(message, clock, out),
            Input::PeerFailed(words) => self.fail(Problem::Browser(words), out),
            Input::NegotiationNeeded => {
                let ready = self.link.is_ready();
                self.peer
                    .iter_mut()
                    .for_each(|peer| peer.request(ready, out));
            }
            Input::OfferMade(result) => self.offer_made(result, out),
            Input::AnswerApplied(result) => self.answer_applied(result, out),
            Input::LocalCandidate(candidate) => {
                let ready = self.link.is_ready();
                if let Some(peer) = &mut self.peer {
                    peer.local_candidate(candidate, ready, out);
                }
            }
            Input::PeerState(state) => {
                if self.path.changed(state, out) {
                    self.broken(clock, out);
                }
            }
            Input::Traffic(traffic) => self.traffic(traffic, clock, out),
            Input::Saw(seen) => self.ask_why(*seen, out),
            Input::PeerClosed => self.lost(out),
            Input::ChannelOpened => self.recall.opened(clock.now),
            Input::ChannelClosed => self.channel_closed(clock),
            Input::Fired(timer) => self.fired(timer, clock, out),
        }
    }

    /// Compares what is wanted with what there is.
    fn want(&mut self, clock: Clock, out: &mut Vec<Effect>) {
        // While the server cannot be called, a call without a channel is better than none.
        let recalls = self.channel_gone && self.recall.is_due(clock.now);
        if recalls && self.path.is_connected() && self.link.is_ready() {
            self.recall.begins(clock.now);
            self.drop_peer(out);
        }
        let missing = self.wanted && self.failure.is_none() && self.peer.is_none();
        if missing && self.link.is_ready() {
            self.peer = Some(Negotiation::new());
            self.path.replaced();
            self.recall.replaced();
            self.flow = Flow::new();
            self.strain = Strain::new();
            self.other_servers = false;
            out.push(Effect::CreatePeer(self.ice_servers.clone()));
        }
        if self.link.is_ready() {
            self.room.want(self.peer.is_some(), &mut self.ids, out);
        }
    }

    fn channel_closed(&mut self, clock: Clock) {
        self.recall.closed(clock.now);
        self.channel_gone = self.peer.is_some();
    }

    fn start(&mut self, clock: Clock, out: &mut Vec<Effect>) {
        if self.wanted {
            return self.retry(clock, out);
        }
        self.wanted = true;
        self.path = Path::new();
        self.with_link(Link::open, clock, out);
    }

    fn hang_up(&mut self, out: &mut Vec<Effect>) {
        self.room.leave(out);
        self.wanted = false;
        self.failure = None;
        self.recall = Recall::default();
        self.drop_peer(out);
    }

    fn close(&mut self, clock: Clock, out: &mut Vec<Effect>) {
        self.hang_up(out);
        self.with_link(Link::shut, clock, out);
        self.closed = true;
    }

    fn retry(&mut self, clock: Clock, out: &mut Vec<Effect>) {
        self.path.forgive();
        self.recall = Recall::default();
        if self.failure.take().is_some() || self.path.is_slow() {
            self.drop_peer(out);
        }
        if self.link.state() != LinkState::Idle || self.wanted {
            self.with_link(Link::open, clock, out);
        }
        self.mend(out);
    }

    fn heard(&mut self, message: ServerMessage, clock: Clock, out: &mut Vec<Effect>) {
        let event = self.link.heard(&message, clock, out);
        self.on_link(event, out);
        match message {
            ServerMessage::Answer { id, sdp } => self.answered(id, sdp, out),
            ServerMessage::Candidate { candidate } => self.remote_candidate(Some(candidate), out),
            ServerMessage::EndOfCandidates {} => self.remote_candidate(None, out),
            ServerMessage::PeerState { state, reason } => self.server_sees(state, reason, out),
            ServerMessage::IceServers { ice_servers } => self.told_servers(ice_servers, out),
            ServerMessage::Wanted { layers, halvings } => {
                let layers = layers.into_iter();
                let layers = layers.map(|(key, rids)| (key, Wanted::Layers(rids)));
                let halvings = halvings.into_iter();
                let halvings = halvings.map(|(key, times)| (key, Wanted::Halved(times)));
                let wanted = layers.chain(halvings).collect();
                out.extend(self.peer.is_some().then_some(Effect::Want(wanted)));
            }
            ServerMessage::Explained { cause, text, .. } => self.path.explain(cause, text),
            ServerMessage::Error { id, code, message } => self.refused(id, code, message, out),
            ServerMessage::Joined { .. }
            | ServerMessage::Left { .. }
            | ServerMessage::Done { .. }
            | ServerMessage::ParticipantJoined { .. }
            | ServerMessage::ParticipantUpdated { .. }
            | ServerMessage::ParticipantLeft { .. }
            | ServerMessage::Muted { .. }
            | ServerMessage::Watching { .. }
            | ServerMessage::Speaking { .. }
            | ServerMessage::Quality { .. }
            | ServerMessage::Said { .. }
            | ServerMessage::Pong { .. } => {
                let ending = self.room.heard(message, out);
                self.end(ending, out);
            }
            ServerMessage::Welcome { .. }
            | ServerMessage::HungUp { .. }
            | ServerMessage::GoingAway { .. }
            | ServerMessage::Ping { .. } => {}
        }
    }

    fn with_link(&mut self, act: LinkAct, clock: Clock, out: &mut Vec<Effect>) {
        let event = act(&mut self.link, clock, out);
        self.on_link(event, out);
    }

    fn on_link(&mut self, event: Option<LinkEvent>, out: &mut Vec<Effect>) {
        match event {
            None => {}
            Some(LinkEvent::Up {
                resumed,
                ice_servers,
            }) => self.link_up(resumed, ice_servers, out),
            Some(LinkEvent::Down) => {
                self.peer.iter_mut().for_each(|peer| peer.suspend(out));
                if self.link.state() == LinkState::Stopped {
                    // There is no session to come back to.
                    self.begin_session(out);
                    self.room.ask_nothing(out);
                }
            }
        }
    }

    fn link_up(&mut self, resumed: bool, ice_servers: Vec<IceServer>, out: &mut Vec<Effect>) {
        self.note_servers(ice_servers);
        match resumed {
            true => self.room.resumed(),
            false => self.begin_session(out),
        }
        let known = self.peer.as_ref().is_some_and(Negotiation::is_offered);
        if known && !resumed {
            // The server has forgotten its end, so nothing this end holds is of use.
            self.forget_peer(out);
        } else if let Some(peer) = &mut self.peer {
            peer.resume(out);
            if self.path.is_due() {
                let repair = self.path.repair(out);
                self.repair(Some(repair), out);
            }
        }
    }

    /// Nobody is in a room, and whoever waits for something there is told.
    fn ask(&mut self, errand: Errand, out: &mut Vec<Effect>) {
        self.room.ask(errand, out);
        if self.link.state() == LinkState::Stopped {
            self.room.ask_nothing(out);
        }
    }

    fn begin_session(&mut self, out: &mut Vec<Effect>) {
        self.room.lost(out);
        out.push(Effect::BeginSession);
    }

    fn note_servers(&mut self, ice_servers: Vec<IceServer>) {
        self.other_servers |= self.ice_servers != ice_servers;
        self.ice_servers = ice_servers;
    }

    /// A path that is not there yet may lack a relay that the ones before were no good for any more.
    fn told_servers(&mut self, ice_servers: Vec<IceServer>, out: &mut Vec<Effect>) {
        self.note_servers(ice_servers);
        if self.other_servers && !self.path.is_connected() {
            self.restart_ice(out);
        }
    }

    fn answered(&mut self, id: Option<RequestId>, sdp: String, out: &mut Vec<Effect>) {
        if (self.peer.as_mut()).is_some_and(|peer| peer.answered(id, sdp, out)) {
            self.room.agreed();
        }
    }

    fn remote_candidate(&mut self, candidate: Option<IceCandidate>, out: &mut Vec<Effect>) {
        if let Some(peer) = &mut self.peer {
            peer.remote_candidate(candidate, out);
        }
    }

    fn refused(
        &mut self,
        id: Option<RequestId>,
        code: ErrorCode,
        words: String,
        out: &mut Vec<Effect>,
    ) {
        let ours = id.is_some() && self.peer.as_ref().is_some_and(|peer| peer.is_asking(id));
        if ours {
            out.push(Effect::Disarm(Timer::Answer));
            return self.fail(Problem::Refused(words), out);
        }
        let ending = self.room.refused(id, code, words, out);
        self.end(ending, out);
    }

    /// A call in a room ends with one's place there.
    fn end(&mut self, ending: Option<Ending>, out: &mut Vec<Effect>) {
        if let Some(ending) = ending {
            // Who waits to be in hears why not before that the call is over.
            out.push(Effect::End(ending));
            self.hang_up(out);
        }
    }

    fn offer_made(&mut self, result: Result<Offer, String>, out: &mut Vec<Effect>) {
        match result {
            Ok(offer) => {
                let id = self.ids.next();
                let ready = self.link.is_ready();
                self.room.offered(&offer.sdp, offer.tracks.as_ref());
                if let Some(peer) = &mut self.peer {
                    peer.made(offer, id, ready, out);
                }
            }
            Err(words) => self.fail(Problem::Browser(words), out),
        }
    }

    fn answer_applied(&mut self, result: Result<(), String>, out: &mut Vec<Effect>) {
        match result {
            Ok(()) => {
                let ready = self.link.is_ready();
                if let Some(peer) = &mut self.peer {
                    peer.applied(ready, out);
                    self.path.expect(out);
                }
            }
            Err(words) => self.fail(Problem::Browser(words), out),
        }
    }

    fn fired(&mut self, timer: Timer, clock: Clock, out: &mut Vec<Effect>) {
        match timer {
            Timer::Link => self.with_link(Link::fired, clock, out),
            Timer::Answer => self.no_answer(clock, out),
            // Without the link nothing can be repaired; its return starts the next repair.
            Timer::Path if !self.link.is_ready() => self.path.owe(),
            Timer::Path => {
                let repair = self.path.overdue(out);
                self.repair(repair, out);
            }
            Timer::Slow => self.path.lags(out),
        }
    }

    fn fail(&mut self, problem: Problem, out: &mut Vec<Effect>) {
        if self.wanted {
            self.failure = Some(problem);
            self.drop_peer(out);
            // Only the user brings a channel back.
            self.room.forget_messages(out);
        }
    }

    fn drop_peer(&mut self, out: &mut Vec<Effect>) {
        let offered = self.peer.as_ref().is_some_and(Negotiation::is_offered);
        if offered && self.link.is_ready() {
            let id = Some(self.ids.next());
            out.push(Effect::Send(ClientMessage::HangUp { id }));
        }
        self.forget_peer(out);
    }

    /// Drops the peer connection without a word to the server.
    fn forget_peer(&mut self, out: &mut Vec<Effect>) {
        if self.peer.take().is_none() {
            return;
        }
        self.channel_gone = false;
        self.room.unplugged();
        for timer in [Timer::Answer, Timer::Path, Timer::Slow] {
            out.push(Effect::Disarm(timer));
        }
        out.push(Effect::ClosePeer);
    }

    /// What one shows.
    pub(crate) fn status(&self) -> Status {
        let summary = Summary {
            link: &self.link,
            path: &self.path,
            flow: &self.flow,
            closed: self.closed,
            wanted: self.wanted,
            has_peer: self.peer.is_some(),
            failure: self.failure.as_ref(),
        };
        summary.status()
    }
}

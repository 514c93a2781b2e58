//! The call's rules, played through without a browser.

mod ends;
mod falls_silent;
mod gathers_with_others;
mod is_in_rooms;
mod is_muted_by_others;
mod loses_the_server;
mod mutes_cross;
mod negotiates;
mod rebuilds_the_peer;
mod repairs_the_path;
mod sends_to_others;
mod stands_disorder;

use std::collections::BTreeMap;
use std::time::Duration;

use ferrite_protocol::message::PeerConnectionState as PeerState;
use ferrite_protocol::{
    ClientMessage, CloseCode, ErrorCode, IceCandidate, RequestId, ServerMessage,
};

use super::{Call, Clock, Effect, Input, LinkState, Offer, Phase, Problem, Reason, Timer, Traffic};

/// A call and what a browser would hold for it.
struct Rig {
    call: Call,
    now: Duration,
    traffic: Traffic,
    timers: BTreeMap<Timer, Duration>,
}

impl Rig {
    fn new() -> Self {
        Self {
            call: Call::new(),
            now: Duration::from_secs(100),
            traffic: Traffic::default(),
            timers: BTreeMap::new(),
        }
    }

    fn feed(&mut self, input: Input) -> Vec<Effect> {
        let clock = Clock {
            now: self.now,
            random: 0.5,
        };
        let mut effects = self.call.handle(input, clock);
        for effect in &effects {
            match effect {
                Effect::Arm(timer, ms) => {
                    let due = self.now + Duration::from_millis(u64::from(*ms));
                    self.timers.insert(*timer, due);
                }
                Effect::Disarm(timer) => {
                    self.timers.remove(timer);
                }
                _ => {}
            }
        }
        effects.retain(|effect| !matches!(effect, Effect::Arm(..) | Effect::Disarm(..)));
        effects
    }

    fn hear(&mut self, message: ServerMessage) -> Vec<Effect> {
        self.feed(Input::Heard(message))
    }

    /// Lets the time come for which a timer is set.
    fn fire(&mut self, timer: Timer) -> Vec<Effect> {
        self.now = self.timers.remove(&timer).expect("the timer is set");
        self.feed(Input::Fired(timer))
    }

    fn phase(&self) -> Phase {
        self.call.status().phase
    }

    fn problem(&self) -> Option<Problem> {
        self.call.status().problem
    }

    /// Up to the welcome.
    fn linked() -> Self {
        let mut rig = Self::new();
        rig.feed(Input::Start);
        rig.feed(Input::SocketOpened);
        rig.hear(welcome(false));
        rig
    }

    /// Up to the offer, whose id is returned.
    fn asking() -> (Self, RequestId) {
        let mut rig = Self::linked();
        rig.feed(Input::NegotiationNeeded);
        let id = offered(&rig.feed(Input::OfferMade(Ok(offer("offer")))));
        (rig, id)
    }

    /// Up to media.
    fn connected() -> Self {
        let (mut rig, id) = Self::asking();
        rig.hear(answer(id));
        rig.feed(Input::AnswerApplied(Ok(())));
        rig.feed(Input::PeerState(PeerState::Connected));
        rig
    }

    /// A new peer connection, up to media. Its channel is not open.
    fn reconnects(&mut self) {
        self.feed(Input::NegotiationNeeded);
        let id = offered(&self.feed(Input::OfferMade(Ok(offer("offer")))));
        self.hear(answer(id));
        self.feed(Input::AnswerApplied(Ok(())));
        self.feed(Input::PeerState(PeerState::Connected));
    }

    /// A fifth of a second in which something went to the server, and perhaps something came.
    fn flows(&mut self, received: bool) -> Vec<Effect> {
        self.now += Duration::from_millis(200);
        self.traffic.sent += 1_000.0;
        self.traffic.received += f64::from(u8::from(received));
        self.feed(Input::Traffic(self.traffic))
    }

    /// A call over which media flows, until nothing comes from the server any more. The link is asked.
    fn silent() -> Self {
        let mut rig = Self::connected();
        for _ in 0..10 {
            assert_eq!(rig.flows(true), []);
        }
        assert_eq!(rig.flows(false), []);
        assert_eq!(rig.flows(false), [ping()]);
        rig
    }

    /// The WebSocket breaks and comes back.
    fn relink(&mut self, resumed: bool) -> Vec<Effect> {
        self.fire(Timer::Link);
        self.relink_now(resumed)
    }

    /// The WebSocket that is on its way is there.
    fn relink_now(&mut self, resumed: bool) -> Vec<Effect> {
        self.feed(Input::SocketOpened);
        let mut effects = self.hear(welcome(resumed));
        // The server learns that the new token arrived.
        let confirmation = Effect::Send(ClientMessage::Ping { id: None });
        assert_eq!(effects.first() == Some(&confirmation), resumed);
        effects.drain(..usize::from(resumed));
        effects
    }
}

fn welcome(resumed: bool) -> ServerMessage {
    ServerMessage::Welcome {
        version: 1,
        session: "s".into(),
        resume_token: "token".into(),
        resumed,
        ping_interval_ms: 20_000,
        ice_servers: Vec::new(),
    }
}

fn offer(sdp: &str) -> Offer {
    Offer {
        sdp: sdp.to_owned(),
        tracks: None,
    }
}

fn answer(id: RequestId) -> ServerMessage {
    ServerMessage::Answer {
        id: Some(id),
        sdp: "answer".to_owned(),
    }
}

fn sees(state: PeerState) -> ServerMessage {
    ServerMessage::PeerState {
        state,
        reason: Some("because".to_owned()),
    }
}

fn candidate(name: &str) -> IceCandidate {
    IceCandidate {
        candidate: name.to_owned(),
        ..IceCandidate::default()
    }
}

fn ping() -> Effect {
    Effect::Send(ClientMessage::Ping { id: None })
}

fn send_candidate(name: &str) -> Effect {
    Effect::Send(ClientMessage::Candidate {
        candidate: Some(candidate(name)),
    })
}

/// The id of the offer among these effects.
fn offered(effects: &[Effect]) -> RequestId {
    let id = effects.iter().find_map(|effect| match effect {
        Effect::Send(ClientMessage::Offer { id, .. }) => *id,
        _ => None,
    });
    id.expect("an offer was sent")
}

fn create() -> Effect {
    Effect::CreatePeer(Vec::new())
}

fn is_hang_up(effect: &Effect) -> bool {
    matches!(effect, Effect::Send(ClientMessage::HangUp { .. }))
}

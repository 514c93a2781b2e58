//! The call's rules, played through without a browser.

use std::collections::BTreeMap;
use std::time::Duration;

use ferrite_protocol::message::PeerConnectionState as PeerState;
use ferrite_protocol::{
    ClientMessage, CloseCode, ErrorCode, IceCandidate, RequestId, ServerMessage,
};

use super::{Call, Clock, Effect, Input, LinkState, Phase, Problem, Timer, Traffic};

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
            traffic: Traffic {
                sent: 0.0,
                received: 0.0,
            },
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
        let id = offered(&rig.feed(Input::OfferMade(Ok("offer".to_owned()))));
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

    /// A new peer connection, up to media.
    fn reconnects(&mut self) {
        self.feed(Input::NegotiationNeeded);
        let id = offered(&self.feed(Input::OfferMade(Ok("offer".to_owned()))));
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

#[test]
fn a_call_goes_from_start_to_media() {
    let mut rig = Rig::new();
    assert_eq!(rig.phase(), Phase::Idle);
    assert_eq!(rig.feed(Input::Start), [Effect::Connect]);
    assert_eq!(rig.phase(), Phase::Connecting);
    let hello = rig.feed(Input::SocketOpened);
    assert!(matches!(
        hello[..],
        [Effect::Send(ClientMessage::Hello { .. })]
    ));
    assert_eq!(rig.hear(welcome(false)), [create()]);
    assert_eq!(rig.phase(), Phase::Negotiating);
    assert_eq!(rig.feed(Input::NegotiationNeeded), [Effect::MakeOffer]);
    let id = offered(&rig.feed(Input::OfferMade(Ok("offer".to_owned()))));
    assert_eq!(
        rig.hear(answer(id)),
        [Effect::ApplyAnswer("answer".to_owned())]
    );
    assert_eq!(rig.feed(Input::AnswerApplied(Ok(()))), []);
    rig.feed(Input::PeerState(PeerState::Connected));
    assert_eq!(rig.phase(), Phase::Connected);
    assert_eq!(rig.problem(), None);
}

#[test]
fn no_candidate_overtakes_its_offer() {
    let mut rig = Rig::linked();
    rig.feed(Input::NegotiationNeeded);
    assert_eq!(rig.feed(Input::LocalCandidate(Some(candidate("a")))), []);
    let effects = rig.feed(Input::OfferMade(Ok("offer".to_owned())));
    assert!(matches!(
        effects[0],
        Effect::Send(ClientMessage::Offer { .. })
    ));
    assert_eq!(effects[1..], [send_candidate("a")]);
    let later = rig.feed(Input::LocalCandidate(Some(candidate("b"))));
    assert_eq!(later, [send_candidate("b")]);
    let last = rig.feed(Input::LocalCandidate(None));
    assert_eq!(last, [Effect::Send(ClientMessage::EndOfCandidates {})]);
}

#[test]
fn the_servers_candidates_wait_for_its_answer() {
    let (mut rig, id) = Rig::asking();
    let early = ServerMessage::Candidate {
        candidate: candidate("early"),
    };
    assert_eq!(rig.hear(early), []);
    rig.hear(answer(id));
    assert_eq!(rig.hear(ServerMessage::EndOfCandidates {}), []);
    assert_eq!(
        rig.feed(Input::AnswerApplied(Ok(()))),
        [
            Effect::AddCandidate(Some(candidate("early"))),
            Effect::AddCandidate(None)
        ]
    );
}

#[test]
fn only_the_answer_to_this_offer_counts() {
    let (mut rig, RequestId(id)) = Rig::asking();
    assert_eq!(rig.hear(answer(RequestId(id.wrapping_sub(1)))), []);
    assert_eq!(rig.hear(answer(RequestId(id))).len(), 1);
    assert_eq!(rig.hear(answer(RequestId(id))), []);
}

#[test]
fn one_exchange_at_a_time_and_the_next_one_remembered() {
    let (mut rig, id) = Rig::asking();
    assert_eq!(rig.feed(Input::NegotiationNeeded), []);
    rig.hear(answer(id));
    assert_eq!(rig.feed(Input::AnswerApplied(Ok(()))), [Effect::MakeOffer]);
}

#[test]
fn media_goes_on_while_the_server_is_away() {
    let mut rig = Rig::connected();
    assert_eq!(rig.feed(Input::SocketClosed { code: 1006 }), []);
    assert_eq!(rig.phase(), Phase::Connected);
    assert_eq!(rig.call.status().link, LinkState::Waiting);
    assert_eq!(rig.problem(), Some(Problem::ServerAway));
    assert_eq!(rig.relink(true), []);
    assert_eq!(rig.problem(), None);
    assert_eq!(rig.call.status().link, LinkState::Ready);
}

#[test]
fn a_server_that_forgot_the_session_gets_a_new_peer() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    // No hang-up: there is nothing the server could hang up.
    assert_eq!(rig.relink(false), [Effect::ClosePeer, create()]);
    assert_eq!(rig.phase(), Phase::Reconnecting);
}

#[test]
fn going_away_is_taken_at_its_word() {
    let mut rig = Rig::connected();
    let away = ServerMessage::GoingAway {
        retry_after_ms: 7_000,
    };
    let leave = Effect::Disconnect(CloseCode::TimedOut);
    assert_eq!(rig.hear(away), [leave]);
    assert_eq!(rig.problem(), Some(Problem::ServerRestarting));
    assert!(rig.timers[&Timer::Link] >= rig.now + Duration::from_secs(7));
    assert_eq!(rig.fire(Timer::Link), [Effect::Connect]);
}

#[test]
fn trying_again_does_not_wait() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.feed(Input::Retry), [Effect::Connect]);
    assert_eq!(rig.feed(Input::Retry), []);
}

#[test]
fn without_a_network_that_is_said() {
    let mut rig = Rig::connected();
    rig.feed(Input::Online(false));
    assert_eq!(rig.problem(), None);
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.problem(), Some(Problem::Offline));
    assert_eq!(rig.feed(Input::Online(true)), [Effect::Connect]);
}

#[test]
fn another_version_ends_the_attempts() {
    let mut rig = Rig::new();
    rig.feed(Input::Start);
    rig.feed(Input::SocketOpened);
    let refusal = ServerMessage::Error {
        id: None,
        code: ErrorCode::VersionMismatch,
        message: "1 and 2".to_owned(),
    };
    rig.hear(refusal);
    rig.feed(Input::SocketClosed {
        code: CloseCode::VersionMismatch as u16,
    });
    assert_eq!(rig.phase(), Phase::Failed);
    assert_eq!(
        rig.problem(),
        Some(Problem::OtherVersion("1 and 2".to_owned()))
    );
    assert!(!rig.timers.contains_key(&Timer::Link));
}

#[test]
fn an_offer_lost_with_the_link_is_made_again() {
    let (mut rig, id) = Rig::asking();
    rig.feed(Input::SocketClosed { code: 1006 });
    assert!(!rig.timers.contains_key(&Timer::Answer));
    assert_eq!(rig.relink(true), [Effect::MakeOffer]);
    let again = offered(&rig.feed(Input::OfferMade(Ok("offer".to_owned()))));
    assert_ne!(again, id);
    assert_eq!(rig.hear(answer(id)), []);
}

#[test]
fn an_offer_made_while_the_link_is_down_is_made_anew() {
    let mut rig = Rig::linked();
    rig.feed(Input::NegotiationNeeded);
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.feed(Input::OfferMade(Ok("offer".to_owned()))), []);
    rig.feed(Input::LocalCandidate(Some(candidate("a"))));
    assert_eq!(rig.relink(true), [Effect::MakeOffer]);
    let effects = rig.feed(Input::OfferMade(Ok("offer".to_owned())));
    assert_eq!(effects[1..], [send_candidate("a")]);
}

#[test]
fn candidates_gathered_without_a_link_follow_when_it_is_back() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.feed(Input::LocalCandidate(Some(candidate("a")))), []);
    assert_eq!(rig.relink(true), [send_candidate("a")]);
}

#[test]
fn a_broken_path_is_repaired_at_once_and_the_link_asked() {
    let mut rig = Rig::connected();
    let effects = rig.feed(Input::PeerState(PeerState::Disconnected));
    assert_eq!(effects, [ping(), Effect::RestartIce]);
    assert_eq!(rig.phase(), Phase::Reconnecting);
    rig.feed(Input::PeerState(PeerState::Connected));
    assert!(!rig.timers.contains_key(&Timer::Path));
}

#[test]
fn another_network_gets_a_socket_and_a_path_before_the_old_ones_are_missed() {
    let mut rig = Rig::connected();
    assert_eq!(rig.feed(Input::Online(false)), [ping()]);
    let renewed = [Effect::Disconnect(CloseCode::TimedOut), Effect::Connect];
    assert_eq!(rig.feed(Input::Online(true)), renewed);
    // Nothing is wrong yet that the user should know.
    assert_eq!((rig.phase(), rig.problem()), (Phase::Connected, None));
    assert_eq!(rig.relink_now(true), [Effect::RestartIce]);
    assert_eq!(rig.feed(Input::NegotiationNeeded), [Effect::MakeOffer]);
}

#[test]
fn whatever_the_old_network_cost_counts_for_nothing_in_the_new_one() {
    let mut rig = Rig::connected();
    rig.feed(Input::PeerState(PeerState::Disconnected));
    rig.fire(Timer::Path);
    rig.feed(Input::Online(true));
    assert_eq!(rig.relink_now(true), [Effect::RestartIce]);
    assert_eq!(rig.fire(Timer::Path), [Effect::RestartIce]);
}

#[test]
fn a_restart_whose_offer_went_into_a_dead_link_is_ordered_once() {
    let mut rig = Rig::connected();
    rig.feed(Input::PeerState(PeerState::Disconnected));
    assert_eq!(rig.feed(Input::NegotiationNeeded), [Effect::MakeOffer]);
    offered(&rig.feed(Input::OfferMade(Ok("offer".to_owned()))));
    // The link does not answer the ping.
    let renewed = [Effect::Disconnect(CloseCode::TimedOut), Effect::Connect];
    assert_eq!(rig.fire(Timer::Link), renewed);
    assert_eq!(rig.relink_now(true), [Effect::MakeOffer]);
    assert_eq!(rig.feed(Input::PeerState(PeerState::Failed)), []);
}

#[test]
fn a_server_that_answers_but_sends_nothing_gets_a_new_path_before_ice_misses_it() {
    let mut rig = Rig::silent();
    // It may have stood still for a moment.
    assert_eq!(rig.flows(false), []);
    rig.hear(ServerMessage::Pong { id: None });
    assert_eq!(rig.flows(false), [Effect::RestartIce]);
    // Once: what comes of it is for ICE to say.
    for _ in 0..100 {
        assert_eq!(rig.flows(false), []);
    }
    assert_eq!(rig.phase(), Phase::Connected);
    assert_eq!(rig.flows(true), []);
    assert!(!rig.timers.contains_key(&Timer::Path));
}

#[test]
fn a_server_that_stood_still_for_a_moment_is_not_called() {
    let mut rig = Rig::silent();
    assert_eq!(rig.flows(false), []);
    rig.hear(ServerMessage::Pong { id: None });
    for _ in 0..100 {
        assert_eq!(rig.flows(true), []);
    }
}

#[test]
fn a_network_that_changed_unseen_gets_a_socket_and_a_path() {
    let mut rig = Rig::silent();
    let renewed = [Effect::Disconnect(CloseCode::TimedOut), Effect::Connect];
    assert_eq!(rig.fire(Timer::Link), renewed);
    assert_eq!(rig.flows(false), []);
    assert_eq!(rig.phase(), Phase::Reconnecting);
    assert_eq!(rig.relink_now(true), [Effect::RestartIce]);
    assert_eq!(rig.flows(false), []);
    assert_eq!((rig.phase(), rig.problem()), (Phase::Connected, None));
}

/// A path may fall silent as often as it likes: each time is repaired like the first.
#[test]
fn silence_that_passed_counts_for_nothing() {
    let mut rig = Rig::silent();
    for _ in 0..10 {
        rig.hear(ServerMessage::Pong { id: None });
        assert_eq!(rig.flows(false), [Effect::RestartIce]);
        for _ in 0..10 {
            assert_eq!(rig.flows(true), []);
        }
        rig.flows(false);
        assert_eq!(rig.flows(false), [ping()]);
    }
}

#[test]
fn without_a_network_silence_waits_for_one() {
    let mut rig = Rig::connected();
    for _ in 0..10 {
        rig.flows(true);
    }
    assert_eq!(rig.feed(Input::Online(false)), [ping()]);
    for _ in 0..50 {
        assert_eq!(rig.flows(false), []);
    }
    let renewed = [Effect::Disconnect(CloseCode::TimedOut), Effect::Connect];
    assert_eq!(rig.feed(Input::Online(true)), renewed);
    assert_eq!(rig.relink_now(true), [Effect::RestartIce]);
}

#[test]
fn whether_the_server_is_reached_is_known_when_it_answers() {
    let mut rig = Rig::connected();
    assert!(rig.call.status().reached);
    rig.feed(Input::Online(false));
    assert!(!rig.call.status().reached);
    // The browser was wrong.
    rig.hear(ServerMessage::Pong { id: None });
    assert!(rig.call.status().reached);
    rig.feed(Input::Online(false));
    rig.fire(Timer::Link);
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.problem(), Some(Problem::Offline));
    assert_eq!(rig.phase(), Phase::Reconnecting);
    rig.feed(Input::Online(true));
    assert!(!rig.call.status().reached);
    rig.relink_now(true);
    assert!(rig.call.status().reached);
}

#[test]
fn a_network_lost_under_a_call_is_said() {
    let mut rig = Rig::connected();
    rig.feed(Input::Online(false));
    rig.feed(Input::PeerState(PeerState::Disconnected));
    assert_eq!(rig.problem(), Some(Problem::Offline));
    rig.feed(Input::PeerState(PeerState::Connected));
    assert_eq!(rig.problem(), None);
}

#[test]
fn a_broken_path_is_restarted_then_rebuilt_then_given_up() {
    let mut rig = Rig::connected();
    rig.feed(Input::PeerState(PeerState::Disconnected));
    // It is being repaired.
    assert_eq!(rig.feed(Input::PeerState(PeerState::Failed)), []);
    assert_eq!(rig.problem(), None);
    assert_eq!(rig.fire(Timer::Path), [Effect::RestartIce]);
    assert_eq!(rig.problem(), Some(Problem::SlowPath(None)));
    for _ in 0..2 {
        let effects = rig.fire(Timer::Path);
        assert!(is_hang_up(&effects[0]), "{effects:?}");
        assert_eq!(effects[1..], [Effect::ClosePeer, create()]);
        let id = {
            rig.feed(Input::NegotiationNeeded);
            offered(&rig.feed(Input::OfferMade(Ok("offer".to_owned()))))
        };
        rig.hear(answer(id));
        rig.feed(Input::AnswerApplied(Ok(())));
    }
    rig.fire(Timer::Path);
    assert_eq!(rig.phase(), Phase::Failed);
    assert_eq!(rig.problem(), Some(Problem::NoPath(None)));
    assert_eq!(rig.feed(Input::Retry), [create()]);
    assert_eq!(rig.phase(), Phase::Reconnecting);
}

#[test]
fn a_path_is_not_repaired_without_a_link() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    rig.feed(Input::PeerState(PeerState::Disconnected));
    assert!(!rig.timers.contains_key(&Timer::Path));
    assert_eq!(rig.relink(true), [Effect::RestartIce]);
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.fire(Timer::Path), []);
    assert_eq!(rig.relink(true), [Effect::RestartIce]);
}

#[test]
fn a_slow_first_path_is_explained() {
    let (mut rig, id) = Rig::asking();
    rig.hear(answer(id));
    rig.feed(Input::AnswerApplied(Ok(())));
    rig.hear(sees(PeerState::New));
    rig.fire(Timer::Slow);
    let reason = Some("because".to_owned());
    assert_eq!(rig.problem(), Some(Problem::SlowPath(reason)));
    rig.feed(Input::PeerState(PeerState::Connected));
    assert_eq!(rig.problem(), None);
}

#[test]
fn a_path_that_never_comes_is_given_up() {
    let (mut rig, id) = Rig::asking();
    rig.hear(answer(id));
    rig.feed(Input::AnswerApplied(Ok(())));
    rig.fire(Timer::Slow);
    let mut repairs = 0;
    while rig.phase() == Phase::Negotiating {
        let effects = rig.fire(Timer::Path);
        repairs += 1;
        assert!(repairs < 10);
        if effects.contains(&create()) {
            rig.feed(Input::NegotiationNeeded);
            let id = offered(&rig.feed(Input::OfferMade(Ok("offer".to_owned()))));
            rig.hear(answer(id));
            rig.feed(Input::AnswerApplied(Ok(())));
        }
    }
    assert_eq!(rig.problem(), Some(Problem::NoPath(None)));
}

#[test]
fn whoever_tries_again_instead_of_waiting_for_a_slow_path_gets_a_new_peer() {
    let (mut rig, id) = Rig::asking();
    rig.hear(answer(id));
    rig.feed(Input::AnswerApplied(Ok(())));
    rig.fire(Timer::Slow);
    let effects = rig.feed(Input::Retry);
    assert!(is_hang_up(&effects[0]));
    assert_eq!(effects[1..], [Effect::ClosePeer, create()]);
}

#[test]
fn a_peer_the_server_lost_is_rebuilt() {
    let mut rig = Rig::connected();
    let effects = rig.hear(sees(PeerState::Failed));
    assert!(is_hang_up(&effects[0]));
    assert_eq!(effects[1..], [Effect::ClosePeer, create()]);
    // What is still on its way about the old one does not touch the new one.
    assert_eq!(rig.hear(sees(PeerState::Closed)), []);
}

#[test]
fn a_peer_the_server_closed_on_leaving_is_rebuilt_when_it_is_back() {
    let mut rig = Rig::connected();
    let away = ServerMessage::GoingAway {
        retry_after_ms: 1_000,
    };
    rig.hear(away);
    assert_eq!(rig.feed(Input::PeerClosed), [Effect::ClosePeer]);
    assert_eq!(rig.phase(), Phase::Reconnecting);
    assert_eq!(rig.relink(false), [create()]);
}

#[test]
fn a_channel_that_closed_comes_back_with_a_new_peer() {
    let mut rig = Rig::connected();
    let effects = rig.feed(Input::ChannelClosed);
    assert!(is_hang_up(&effects[0]));
    assert_eq!(effects[1..], [Effect::ClosePeer, create()]);
    assert_eq!(rig.phase(), Phase::Reconnecting);
}

#[test]
fn a_channel_that_closes_again_and_again_does_not_interrupt_media_every_time() {
    let mut rig = Rig::connected();
    rig.feed(Input::ChannelClosed);
    rig.reconnects();
    rig.now += Duration::from_secs(59);
    assert_eq!(rig.feed(Input::ChannelClosed), []);
    assert_eq!(rig.phase(), Phase::Connected);
    rig.now += Duration::from_secs(1);
    assert!(rig.feed(Input::ChannelClosed).contains(&create()));
}

#[test]
fn a_channel_that_closes_while_nobody_can_be_called_leaves_media_alone_until_then() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    assert_eq!(rig.feed(Input::ChannelClosed), []);
    assert_eq!(rig.phase(), Phase::Connected);
    let effects = rig.relink(true);
    assert!(is_hang_up(&effects[0]));
    assert_eq!(effects[1..], [Effect::ClosePeer, create()]);
}

#[test]
fn a_channel_that_closes_with_a_broken_path_comes_back_after_it() {
    let mut rig = Rig::connected();
    rig.feed(Input::PeerState(PeerState::Disconnected));
    assert_eq!(rig.feed(Input::ChannelClosed), []);
    let effects = rig.feed(Input::PeerState(PeerState::Connected));
    assert!(effects.contains(&create()), "{effects:?}");
}

#[test]
fn a_channel_that_closed_with_its_peer_is_no_other_trouble() {
    let mut rig = Rig::connected();
    rig.feed(Input::SocketClosed { code: 1006 });
    rig.feed(Input::ChannelClosed);
    rig.feed(Input::PeerClosed);
    assert_eq!(rig.relink(false), [create()]);
    rig.reconnects();
    assert_eq!(rig.phase(), Phase::Connected);
    assert!(rig.feed(Input::ChannelClosed).contains(&create()));
}

#[test]
fn a_refused_offer_ends_the_call_with_the_servers_words() {
    let (mut rig, id) = Rig::asking();
    let other = ServerMessage::Error {
        id: None,
        code: ErrorCode::BadCandidate,
        message: "never mind".to_owned(),
    };
    assert_eq!(rig.hear(other), []);
    rig.hear(ServerMessage::Error {
        id: Some(id),
        code: ErrorCode::BadOffer,
        message: "no BUNDLE".to_owned(),
    });
    assert_eq!(rig.phase(), Phase::Failed);
    assert_eq!(
        rig.problem(),
        Some(Problem::Refused("no BUNDLE".to_owned()))
    );
    // Starting again is another attempt.
    assert_eq!(rig.feed(Input::Start), [create()]);
}

#[test]
fn an_answer_that_never_comes_ends_the_call() {
    let (mut rig, _) = Rig::asking();
    assert_eq!(rig.fire(Timer::Answer), [ping()]);
    rig.hear(ServerMessage::Pong { id: None });
    rig.fire(Timer::Answer);
    assert_eq!(rig.phase(), Phase::Failed);
    assert_eq!(rig.problem(), Some(Problem::NoAnswer));
}

#[test]
fn an_answer_lost_with_a_link_that_went_silent_is_asked_for_again() {
    let (mut rig, _) = Rig::asking();
    rig.fire(Timer::Answer);
    assert!(rig.timers[&Timer::Link] < rig.timers[&Timer::Answer]);
    rig.fire(Timer::Link);
    assert_eq!(rig.relink_now(true), [Effect::MakeOffer]);
    offered(&rig.feed(Input::OfferMade(Ok("offer".to_owned()))));
    assert_eq!(rig.fire(Timer::Answer), [ping()]);
}

#[test]
fn hanging_up_keeps_the_link() {
    let mut rig = Rig::connected();
    let effects = rig.feed(Input::HangUp);
    assert!(is_hang_up(&effects[0]));
    assert_eq!(effects[1..], [Effect::ClosePeer]);
    assert_eq!(rig.phase(), Phase::Idle);
    assert_eq!(rig.feed(Input::Start), [create()]);
}

#[test]
fn closing_is_for_good() {
    let mut rig = Rig::connected();
    let effects = rig.feed(Input::Close);
    assert!(effects.contains(&Effect::ClosePeer));
    assert!(effects.contains(&Effect::Disconnect(CloseCode::Normal)));
    assert_eq!(rig.phase(), Phase::Closed);
    assert!(rig.timers.is_empty());
    assert_eq!(rig.feed(Input::Start), []);
}

/// Whatever comes, in whatever order: no message without an open link, no deed on a peer
/// connection that is not there, never two of them.
#[test]
fn no_order_of_events_breaks_the_rules() {
    for seed in 1..400_u64 {
        let mut chance = Chance(seed);
        let mut rig = Rig::new();
        let (mut peer, mut socket) = (false, false);
        for _ in 0..200 {
            let link = rig.call.status().link;
            let Some(input) = chance.input(&rig, peer) else {
                continue;
            };
            rig.now += Duration::from_millis(chance.below(3_000));
            socket &= !matches!(input, Input::SocketClosed { .. });
            for effect in rig.feed(input) {
                match effect {
                    Effect::Connect => socket = true,
                    Effect::Disconnect(_) => socket = false,
                    Effect::Send(ClientMessage::Hello { .. }) => assert!(socket),
                    Effect::Send(message) => {
                        let open = socket && link == LinkState::Ready
                            || rig.call.status().link == LinkState::Ready;
                        assert!(open, "seed {seed}: {message:?} while {link:?}");
                    }
                    Effect::CreatePeer(_) => {
                        assert!(!peer, "seed {seed}: a second peer");
                        peer = true;
                    }
                    Effect::ClosePeer => {
                        assert!(peer, "seed {seed}: no peer to close");
                        peer = false;
                    }
                    Effect::MakeOffer
                    | Effect::ApplyAnswer(_)
                    | Effect::AddCandidate(_)
                    | Effect::RestartIce => assert!(peer, "seed {seed}: no peer for {effect:?}"),
                    Effect::Arm(..) | Effect::Disarm(..) => {}
                }
            }
            let phase = rig.phase();
            assert!(phase != Phase::Connected || peer, "seed {seed}");
        }
    }
}

/// A small generator of chance (xorshift), the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    /// Something that could happen now. What a peer connection says comes only from one.
    fn input(&mut self, rig: &Rig, peer: bool) -> Option<Input> {
        let state = [
            PeerState::Connecting,
            PeerState::Connected,
            PeerState::Disconnected,
            PeerState::Failed,
            PeerState::Closed,
        ][self.below(5) as usize];
        let id = RequestId(rig.call.next_id);
        let timers: Vec<Timer> = rig.timers.keys().copied().collect();
        let traffic = Traffic {
            sent: self.below(1_000) as f64,
            received: self.below(3) as f64,
        };
        let input = match self.below(24) {
            0 | 1 => Input::Start,
            20 => Input::Online(self.below(2) == 0),
            21 => Input::Hidden(self.below(2) == 0),
            2 => Input::Retry,
            3 if self.below(4) == 0 => Input::HangUp,
            4 | 5 => Input::SocketOpened,
            6 => Input::SocketClosed { code: 1006 },
            7 | 8 => Input::Heard(welcome(self.below(2) == 0)),
            9 | 10 => Input::Heard(answer(id)),
            11 => Input::Heard(sees(state)),
            12 if peer => Input::NegotiationNeeded,
            13 if peer => Input::OfferMade(Ok("offer".to_owned())),
            14 if peer => Input::AnswerApplied(Ok(())),
            15 if peer => Input::PeerState(state),
            18 | 19 if peer => Input::Traffic(traffic),
            17 if peer && self.below(4) == 0 => Input::PeerClosed,
            22 if peer => Input::ChannelClosed,
            16 if peer => Input::LocalCandidate(Some(candidate("a"))),
            _ => {
                let timer = timers.get(self.below(timers.len().max(1) as u64) as usize);
                Input::Fired(*timer?)
            }
        };
        Some(input)
    }
}

//! From the click to media: hello, offer, answer, candidates.

use super::*;

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
    assert_eq!(rig.hear(welcome(false)), [Effect::BeginSession, create()]);
    assert_eq!(rig.phase(), Phase::Negotiating);
    assert_eq!(rig.feed(Input::NegotiationNeeded), [Effect::MakeOffer]);
    let id = offered(&rig.feed(Input::OfferMade(Ok(offer("offer")))));
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
    let effects = rig.feed(Input::OfferMade(Ok(offer("offer"))));
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

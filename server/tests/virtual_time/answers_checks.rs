//! What a check must hold, and how one that does not is refused (RFC 8489 §6.3, §9.1.3, §14.8).

use std::time::Duration;

use ferrite_server::media::transport::ice::{IceState, MAX_ATTRIBUTES};
use rtc::stun::attributes::{ATTR_UNKNOWN_ATTRIBUTES, ATTR_USE_CANDIDATE, ATTR_USERNAME};
use rtc::stun::integrity::MessageIntegrity;
use rtc::stun::message::Message;

use crate::harness::bare::identity;
use crate::harness::checker::{Answer, Check};
use crate::harness::offer::Section;
use crate::harness::{Bare, World, seed};

const AUDIO: Section = Section::Audio {
    mid: "0",
    direction: "sendrecv",
};

/// One that must be understood and is not, and one that need not be.
const REQUIRED: u16 = 0x7F01;
const OPTIONAL: u16 = 0xFF01;

/// What a check is answered with, by a server that has heard of nobody yet; and its state then.
fn answer_to(change: impl FnOnce(&mut Check)) -> (Option<Answer>, IceState, World<Bare>) {
    let mut world = World::bare(seed(1));
    world.far.interval = None;
    let offer = world.bare_offer("actpass", &[AUDIO]);
    world.exchange(&offer).unwrap();
    let mut check = world.far.usual_check();
    check.nominate = false;
    change(&mut check);
    world.far.check(world.far.address, &check);
    world.run_for(Duration::from_millis(50));
    let answer = world.far.answers.last().map(|(_, answer)| *answer);
    (answer, world.server.resident.peer.state().ice, world)
}

#[track_caller]
fn assert_refused(expected: u16, change: impl FnOnce(&mut Check)) -> World<Bare> {
    let (answer, ice, world) = answer_to(change);
    assert_eq!(answer, Some(Answer::Refused { code: expected }));
    assert_eq!(ice, IceState::New);
    world
}

#[test]
fn a_check_without_a_name_or_a_seal_is_malformed() {
    assert_refused(400, |check| check.sealed = false);
    // Nobody can be asked about one that is for nobody.
    let (answer, ..) = answer_to(|check| check.named = false);
    assert_eq!(answer, None);
}

#[test]
fn what_must_be_understood_and_is_not_is_named() {
    let world = assert_refused(420, |check| {
        check.extra = vec![
            (REQUIRED, b"abcd".to_vec()),
            (OPTIONAL, b"x".to_vec()),
            (REQUIRED + 1, Vec::new()),
        ];
    });
    let mut message = Message::new();
    message.unmarshal_binary(&world.far.last_answer).unwrap();
    let unknown = message.get(ATTR_UNKNOWN_ATTRIBUTES).unwrap();
    assert_eq!(unknown, [0x7F, 0x01, 0x7F, 0x02]);
    // The check was authentic, and so is what it is told.
    let pwd = world.far.theirs.pwd.as_bytes();
    MessageIntegrity::check(&mut message, pwd, identity().provider.crypto()).unwrap();
}

#[test]
fn what_need_not_be_understood_is_no_matter() {
    let (answer, ice, _) = answer_to(|check| check.extra = vec![(OPTIONAL, b"x".to_vec())]);
    assert!(matches!(answer, Some(Answer::Success { .. })));
    assert_eq!(ice, IceState::Checking);
}

#[test]
fn a_wrong_password_is_not_told_what_is_understood() {
    assert_refused(401, |check| {
        check.theirs.pwd.push('x');
        check.extra = vec![(REQUIRED, Vec::new())];
    });
}

/// RFC 8489 §14.5: the seal does not cover it, so that anybody may have put it there.
#[test]
fn what_stands_behind_the_seal_is_ignored() {
    let (answer, ice, _) = answer_to(|check| {
        check.behind = vec![(ATTR_USE_CANDIDATE.0, Vec::new()), (REQUIRED, Vec::new())];
    });
    assert!(matches!(answer, Some(Answer::Success { .. })));
    assert_eq!(ice, IceState::Checking, "it nominated");
    let (answer, ice, _) = answer_to(|check| {
        let username = format!("{}:{}", check.theirs.ufrag, check.ours.ufrag);
        check.behind = vec![(ATTR_USERNAME.0, username.into_bytes())];
        check.named = false;
    });
    assert_eq!((answer, ice), (None, IceState::New));
}

#[test]
fn a_check_with_many_attributes_is_none() {
    let with = |count| vec![(OPTIONAL, Vec::new()); count];
    // Name, priority, role, seal and fingerprint are five.
    let (answer, ..) = answer_to(|check| check.extra = with(MAX_ATTRIBUTES - 5));
    assert!(matches!(answer, Some(Answer::Success { .. })));
    let (answer, _, mut world) = answer_to(|check| check.extra = with(MAX_ATTRIBUTES - 4));
    assert_eq!(answer, None);
    // It costs no more than to look at it.
    let mut check = world.far.usual_check();
    check.extra = with(500);
    let datagram = check.write(9, identity().provider.crypto());
    let path = world.server.path(world.server.address, world.far.address);
    let now = world.now;
    let costs = allocation_counter::measure(|| {
        world.server.resident.peer.handle_stun(now, path, &datagram);
    });
    assert_eq!(costs.count_total, 0);
}

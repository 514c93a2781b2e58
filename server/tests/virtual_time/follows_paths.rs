//! ICE: which path is taken, how it changes, whose checks count, and what silence means.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ferrite_server::media::rtp::rtcp::{self, Packet};
use ferrite_server::media::transport::ice::{
    CONSENT_EXPIRES_AFTER, DISCONNECTED_AFTER, IceState, MAX_PAIRS, MOVED_AFTER,
};
use str0m::Candidate;
use str0m::media::Mid;

use crate::echoes_media::{compare, finish, sending};
use crate::ends_what_is_over::{connected as with_video, keyframe_requests, send_video};
use crate::harness::bare::{Nominate, packet};
use crate::harness::browser::BROWSER;
use crate::harness::checker::{Answer, Check};
use crate::harness::offer::{OPUS, Section, VP8};
use crate::harness::{Bare, Browser, Conditions, World, address, seed};

const AUDIO: Section = Section::Audio {
    mid: "0",
    direction: "sendrecv",
};

const SECOND: Duration = Duration::from_secs(1);

/// A far end that sends no checks by itself, and whose offer was answered.
fn silent(own_seed: u64) -> World<Bare> {
    let mut world = World::bare(seed(own_seed));
    world.far.interval = None;
    let offer = world.bare_offer("actpass", &[AUDIO]);
    world.exchange(&offer).unwrap();
    world
}

/// A far end that is connected, and sends no more checks by itself.
fn connected(own_seed: u64) -> World<Bare> {
    let mut world = World::bare(seed(own_seed));
    world.connect_bare(&[AUDIO]);
    world.far.interval = None;
    world
}

/// Checks from an address, and says what the answer was.
fn check(world: &mut World<Bare>, from: &str, change: impl FnOnce(&mut Check)) -> Option<Answer> {
    let mut check = world.far.usual_check();
    check.nominate = false;
    change(&mut check);
    let before = world.far.answers.len();
    world.far.check(address(from), &check);
    world.run_for(SECOND / 10);
    world.far.answers.get(before).map(|(_, answer)| *answer)
}

fn selected(world: &World<Bare>) -> Option<SocketAddr> {
    world
        .server
        .resident
        .peer
        .selected_path()
        .map(|path| path.remote)
}

fn ice(world: &World<Bare>) -> IceState {
    world.server.resident.peer.state().ice
}

const A: &str = "203.0.113.1:1111";
const B: &str = "203.0.113.2:2222";

#[test]
fn a_check_is_answered_with_where_it_came_from() {
    let mut world = silent(1);
    let answer = check(&mut world, A, |_| {});
    assert_eq!(answer, Some(Answer::Success { mapped: address(A) }));
}

#[test]
fn the_nominated_path_is_taken_and_another_when_that_is_nominated() {
    let mut world = silent(2);
    assert_eq!((ice(&world), selected(&world)), (IceState::New, None));
    check(&mut world, A, |_| {});
    assert_eq!(
        (ice(&world), selected(&world)),
        (IceState::Checking, Some(address(A)))
    );
    check(&mut world, B, |check| check.nominate = true);
    assert_eq!(
        (ice(&world), selected(&world)),
        (IceState::Connected, Some(address(B)))
    );
    check(&mut world, A, |_| {});
    assert_eq!(
        selected(&world),
        Some(address(B)),
        "a check alone moved the call"
    );
    check(&mut world, A, |check| check.nominate = true);
    assert_eq!(
        (ice(&world), selected(&world)),
        (IceState::Connected, Some(address(A)))
    );
}

#[test]
fn checks_with_wrong_credentials_are_refused_and_change_nothing() {
    let wrong_pwd = |check: &mut Check| check.theirs.pwd = "x".repeat(24);
    let wrong_name = |check: &mut Check| check.ours.ufrag = "somebody".to_owned();
    let mut world = silent(3);
    for wrong in [&wrong_pwd as &dyn Fn(&mut Check), &wrong_name] {
        let answer = check(&mut world, A, |check| {
            check.nominate = true;
            wrong(check);
        });
        assert_eq!(answer, Some(Answer::Refused { code: 401 }));
        assert_eq!((ice(&world), selected(&world)), (IceState::New, None));
    }
    check(&mut world, B, |check| check.nominate = true);
    for wrong in [&wrong_pwd as &dyn Fn(&mut Check), &wrong_name] {
        check(&mut world, A, |check| {
            check.nominate = true;
            wrong(check);
        });
        assert_eq!(
            (ice(&world), selected(&world)),
            (IceState::Connected, Some(address(B)))
        );
    }
    // They do not count as consent either.
    let mut world = connected(3);
    world.far.fall_silent();
    for _ in 0..4 {
        world.run_for(10 * SECOND);
        let here = world.far.address.to_string();
        check(&mut world, &here, wrong_pwd);
    }
    assert_eq!(ice(&world), IceState::Failed);
}

#[test]
fn a_check_that_claims_the_servers_role_is_refused() {
    let mut world = silent(4);
    let answer = check(&mut world, A, |check| check.controlled = true);
    assert_eq!(answer, Some(Answer::Refused { code: 487 }));
    assert_eq!(ice(&world), IceState::New);
    let answer = check(&mut world, A, |_| {});
    assert!(matches!(answer, Some(Answer::Success { .. })));
}

#[test]
fn checks_from_everywhere_do_not_displace_the_path_in_use() {
    let mut world = silent(5);
    check(&mut world, A, |check| check.nominate = true);
    for port in 1..4 * MAX_PAIRS {
        check(&mut world, &format!("203.0.113.5:{port}"), |_| {});
    }
    assert_eq!(selected(&world), Some(address(A)));
    assert!(
        world
            .server
            .resident
            .peer
            .knows(&world.server.resident.peer.selected_path().unwrap())
    );
}

/// The states of ICE and when they began, in seconds since the last check.
fn ice_states(world: &World<Bare>, since: Instant) -> Vec<(IceState, u64)> {
    let states = world.server.states.iter().filter(|(at, _)| *at > since);
    let mut states: Vec<_> = states
        .map(|(at, state)| (state.ice, (*at - since).as_secs()))
        .collect();
    states.dedup_by_key(|(state, _)| *state);
    states
}

#[test]
fn silence_disconnects_and_then_consent_expires() {
    let mut world = connected(6);
    world.far.fall_silent();
    let here = world.far.address.to_string();
    check(&mut world, &here, |check| check.nominate = true);
    let since = world.now - Duration::from_millis(80);
    world.run_for(120 * SECOND);
    let disconnected = (IceState::Disconnected, DISCONNECTED_AFTER.as_secs());
    let failed = (IceState::Failed, CONSENT_EXPIRES_AFTER.as_secs());
    assert_eq!(ice_states(&world, since), [disconnected, failed]);
    assert!(
        world.server.reason().contains("30 s"),
        "{}",
        world.server.reason()
    );
}

#[test]
fn a_check_in_time_makes_up_for_silence() {
    let mut world = connected(7);
    world.far.fall_silent();
    let here = world.far.address.to_string();
    world.run_for(25 * SECOND);
    assert_eq!(ice(&world), IceState::Disconnected);
    check(&mut world, &here, |_| {});
    assert_eq!(ice(&world), IceState::Connected);
    world.run_for(25 * SECOND);
    assert_eq!(ice(&world), IceState::Disconnected);
}

#[test]
fn without_consent_nothing_is_sent_and_old_credentials_do_not_bring_it_back() {
    let mut world = World::bare(seed(9));
    world.connect_bare(&[AUDIO, Section::Data { mid: "1" }]);
    world.far.fall_silent();
    world.run_for(40 * SECOND);
    assert_eq!(ice(&world), IceState::Failed);
    let sent = world.link.count_down;
    for n in 0..100_u16 {
        world.far.send_rtp(&packet(OPUS, 21, n, 0, "0", &[1; 80]));
        world.run_for(SECOND / 10);
    }
    // RFC 7675 §5.1: the credentials are not used again.
    let from = world.far.address;
    let answer = check(&mut world, &from.to_string(), |check| check.nominate = true);
    assert_eq!(answer, None);
    world.server.resident.peer.close(world.now);
    world.run_for(SECOND);
    assert_eq!(world.link.count_down, sent, "something was sent");
}

#[test]
fn a_restart_brings_back_a_call_that_had_failed() {
    let mut world = World::bare(seed(10));
    world.connect_bare(&[AUDIO]);
    world.far.fall_silent();
    world.run_for(40 * SECOND);
    assert_eq!(ice(&world), IceState::Failed);
    world.far.ours.ufrag = "again".to_owned();
    let offer = world.bare_offer("actpass", &[AUDIO]);
    world.exchange(&offer).unwrap();
    let sent = world.link.count_down;
    world.run_for(5 * SECOND);
    assert_eq!(
        world.link.count_down, sent,
        "sent before there was consent again"
    );
    check(&mut world, B, |check| check.nominate = true);
    world.far.address = address(B);
    assert_eq!(
        (ice(&world), selected(&world)),
        (IceState::Connected, Some(address(B)))
    );
    assert_eq!(world.server.reason(), "", "the reason is out of date");
    world.far.send_rtp(&packet(OPUS, 21, 1, 0, "0", &[1; 80]));
    world.run_for(SECOND);
    assert_eq!(world.far.rtp.len(), 1);
}

#[test]
fn a_page_may_take_its_time_before_it_calls() {
    let mut world = World::bare(seed(11));
    world.far.fall_silent();
    world.run_for(300 * SECOND);
    assert!(world.server.states.is_empty(), "{:?}", world.server.states);
    world.far.speak_again();
    world.connect_bare(&[AUDIO]);
}

#[test]
fn a_far_end_that_never_checks_is_given_up() {
    let mut world = silent(12);
    world.run_for(29 * SECOND);
    assert_eq!(ice(&world), IceState::New);
    world.run_for(2 * SECOND);
    assert_eq!(ice(&world), IceState::Failed);
}

/// The longest time between two packets that came back on a section, from `since` on.
pub fn longest_gap(world: &World<Browser>, mid: Mid, since: Instant) -> Duration {
    let times = world
        .far
        .received_on(mid)
        .iter()
        .map(|packet| packet.timestamp);
    let times: Vec<_> = times.filter(|at| *at >= since).chain([world.now]).collect();
    let gaps = times
        .windows(2)
        .map(|pair| pair[1].saturating_duration_since(pair[0]));
    gaps.max().unwrap()
}

#[test]
fn media_goes_on_when_a_nat_forgets_the_address() {
    for rebinds in 1..4 {
        let (mut world, audio, _) = sending(13, Conditions::PERFECT, 1000, 0);
        world.run_for(3 * SECOND);
        let since = world.now;
        for n in 0..rebinds {
            let outside = SocketAddr::from(([198, 51, 100, 99], 50_000 + n));
            world.link.rebind(address(BROWSER), outside);
            world.run_for(10 * SECOND);
            assert_eq!(
                world.server.resident.peer.selected_path().unwrap().remote,
                outside
            );
        }
        assert!(world.is_connected());
        // str0m checks every three seconds.
        let gap = longest_gap(&world, audio, since);
        assert!(gap < Duration::from_millis(3200), "{gap:?}");
    }
}

#[test]
fn media_follows_a_far_end_that_nominates_once_to_its_new_address() {
    let mut world = World::bare(seed(14));
    world.far.nominate = Nominate::Once;
    world.connect_bare(&[AUDIO]);
    world.run_for(10 * SECOND);
    let inside = world.far.address;
    world.link.rebind(inside, address(B));
    let moved = world.run_until(20 * SECOND, "the server follows", |world| {
        selected(world) == Some(address(B))
    });
    assert!(moved < 10 * SECOND, "{moved:?}");
    assert_eq!(ice(&world), IceState::Connected);
    world.far.send_rtp(&packet(OPUS, 21, 1, 0, "0", &[1; 80]));
    world.run_for(SECOND);
    assert_eq!(world.far.rtp.len(), 1);
}

#[test]
fn a_backup_path_that_is_checked_too_does_not_take_over_while_the_one_in_use_is_alive() {
    let mut world = World::bare(seed(15));
    world.far.nominate = Nominate::Once;
    world.connect_bare(&[AUDIO]);
    for _ in 0..60 {
        check(&mut world, B, |_| {});
        world.run_for(SECOND);
        assert_eq!(selected(&world), Some(world.far.address));
    }
}

#[test]
fn the_far_end_moves_to_another_of_its_addresses() {
    let (mut world, audio, video) = sending(16, Conditions::PERFECT, 1000, 0);
    world.run_for(3 * SECOND);
    let other = address("198.51.100.200:41000");
    world.far.add_address(other);
    let before = Candidate::host(address(BROWSER), "udp").unwrap();
    assert!(world.far.rtc.direct_api().invalidate_candidate(&before));
    let since = world.now;
    world.run_for(10 * SECOND);
    assert_eq!(
        world.server.resident.peer.selected_path().unwrap().remote,
        other
    );
    assert!(longest_gap(&world, audio, since) < SECOND);
    finish(&mut world);
    assert_eq!(compare(&world, video).duplicates, 0);
}

/// Restarts ICE, with so long between the offer and its answer.
pub fn restart(world: &mut World<Browser>, signalling: Duration) {
    let (offer, pending) = world.make_offer(&mut |api| {
        api.ice_restart(true);
    });
    world.run_for(signalling);
    let answer = world.server.offer(world.now, &offer).unwrap();
    world.run_for(signalling);
    world.take_answer(pending, &answer);
}

#[test]
fn media_never_stops_over_a_restart() {
    for conditions in [Conditions::PERFECT, Conditions::lossy(0.05)] {
        for ms in [0, 50, 2000] {
            let (mut world, audio, video) = sending(24, conditions, 1000, 0);
            world.run_for(5 * SECOND);
            let since = world.now;
            for _ in 0..2 {
                let before = world.server.credentials();
                restart(&mut world, Duration::from_millis(ms));
                world.run_for(5 * SECOND);
                assert!(world.server.credentials().ufrag != before.ufrag);
                assert!(world.is_connected());
            }
            let gap = longest_gap(&world, audio, since);
            // str0m itself sends nothing until its first new check was answered.
            assert!(
                gap < Duration::from_millis(600),
                "{gap:?}, {ms} ms, {conditions:?}"
            );
            finish(&mut world);
            let echo = compare(&world, video);
            assert!(
                echo.missing.len() * 100 < echo.sent && echo.duplicates == 0,
                "{echo:?}"
            );
        }
    }
}

#[test]
fn after_a_restart_the_old_path_serves_until_a_new_one_is_nominated() {
    let mut world = connected(18);
    check(&mut world, A, |check| check.nominate = true);
    let old = world.far.usual_check();
    world.far.ours_before = Some(old.ours.clone());
    world.far.ours.ufrag = "again".to_owned();
    let offer = world.bare_offer("actpass", &[AUDIO]);
    world.exchange(&offer).unwrap();
    let with_old = |check: &mut Check| {
        check.ours = old.ours.clone();
        check.theirs = old.theirs.clone();
    };
    // The old credentials keep the old path alive; the answers carry the old password's integrity.
    world.far.theirs = old.theirs.clone();
    let mut sequence = 0;
    let mut comes_back = |world: &mut World<Bare>, from: &str| {
        sequence += 1;
        world.far.address = address(from);
        world
            .far
            .send_rtp(&packet(OPUS, 21, sequence, 0, "0", &[1; 80]));
        world.run_for(SECOND / 10);
        assert_eq!(world.far.rtp.len(), usize::from(sequence));
    };
    for _ in 0..5 {
        comes_back(&mut world, A);
        world.run_for(8 * SECOND);
        let answer = check(&mut world, A, with_old);
        assert!(matches!(answer, Some(Answer::Success { .. })), "{answer:?}");
    }
    assert_eq!(
        (ice(&world), selected(&world)),
        (IceState::Connected, Some(address(A)))
    );
    world.far.theirs = world.server.credentials();
    check(&mut world, B, |_| {});
    assert_eq!(selected(&world), Some(address(A)));
    comes_back(&mut world, A);
    check(&mut world, B, |check| check.nominate = true);
    assert_eq!(
        (ice(&world), selected(&world)),
        (IceState::Connected, Some(address(B)))
    );
    comes_back(&mut world, B);
    let answer = check(&mut world, A, with_old);
    assert_eq!(answer, Some(Answer::Refused { code: 401 }));
}

/// A socket bound to no address goes on from another when the device has another, and keeps its old
/// credentials alive there, while the restart is still looking.
#[test]
fn a_restart_does_not_keep_the_old_generation_from_moving() {
    let mut world = connected(22);
    check(&mut world, A, |check| check.nominate = true);
    let old = world.far.usual_check();
    world.far.ours_before = Some(old.ours.clone());
    world.far.ours.ufrag = "again".to_owned();
    let offer = world.bare_offer("actpass", &[AUDIO]);
    world.exchange(&offer).unwrap();
    let renewed = world.far.usual_check();
    let with_old = |check: &mut Check| {
        check.ours = old.ours.clone();
        check.theirs = old.theirs.clone();
        check.nominate = true;
    };
    world.far.theirs = old.theirs.clone();
    check(&mut world, B, with_old);
    assert_eq!(selected(&world), Some(address(B)));
    // Nothing of the old one displaces what the new one has found.
    let with_new = |check: &mut Check| {
        check.ours = renewed.ours.clone();
        check.theirs = renewed.theirs.clone();
        check.nominate = true;
    };
    world.far.theirs = world.server.credentials();
    check(&mut world, A, with_new);
    assert_eq!(selected(&world), Some(address(A)));
    let answer = check(&mut world, B, with_old);
    assert_eq!(answer, Some(Answer::Refused { code: 401 }));
    assert_eq!(selected(&world), Some(address(A)));
}

/// Chromium sends over the pair that it selected, and nominates it with its next check, up to 2.5 s
/// later.
#[test]
fn who_sends_over_a_new_path_is_answered_there_before_it_is_nominated() {
    let mut world = connected(23);
    check(&mut world, A, |check| check.nominate = true);
    let mut sequence = 0;
    let mut sound = |world: &mut World<Bare>, from: &str| {
        sequence += 1;
        world.far.address = address(from);
        let sound = packet(OPUS, 21, sequence, u32::from(sequence) * 960, "0", &[1; 80]);
        world.far.send_rtp(&sound);
        world.run_for(SECOND / 50);
    };
    (0..10).for_each(|_| sound(&mut world, A));
    check(&mut world, B, |_| {});
    // A packet that overtook others on the way is no move.
    sound(&mut world, A);
    sound(&mut world, B);
    assert_eq!(selected(&world), Some(address(A)));
    let enough = (MOVED_AFTER.as_millis() / 20 + 1) as usize;
    (0..enough).for_each(|_| sound(&mut world, B));
    assert_eq!(
        (ice(&world), selected(&world)),
        (IceState::Connected, Some(address(B)))
    );
    // And back; but not to where no check came from.
    sound(&mut world, A);
    world.run_for(SECOND);
    sound(&mut world, A);
    assert_eq!(selected(&world), Some(address(A)));
    world.run_for(SECOND);
    sound(&mut world, "203.0.113.9:9999");
    assert_eq!(selected(&world), Some(address(A)));
}

#[test]
fn a_restart_finds_a_new_network_when_the_old_is_gone() {
    let (mut world, audio, _) = sending(19, Conditions::PERFECT, 1000, 0);
    world.run_for(5 * SECOND);
    // Nothing comes or goes by the old address any more.
    let old = address(BROWSER);
    world.link.tamper = Some(Box::new(move |_, datagram| {
        match datagram.from == old || datagram.to == old {
            true => Vec::new(),
            false => vec![(Duration::ZERO, datagram)],
        }
    }));
    world.run_for(3 * SECOND);
    let other = address("198.51.100.200:41000");
    let before = Candidate::host(old, "udp").unwrap();
    world.far.rtc.direct_api().invalidate_candidate(&before);
    world.far.add_address(other);
    let since = world.now;
    restart(&mut world, Duration::from_millis(50));
    let count = world.far.received_on(audio).len();
    world.run_until(5 * SECOND, "media again", |world| {
        world.far.received_on(audio).len() > count
    });
    assert!(world.now - since < SECOND, "{:?}", world.now - since);
}

/// What went over the old path is lost. Video does not wait until that has been found out.
#[test]
fn who_moved_is_asked_for_a_keyframe_at_once() {
    let mut world = with_video(21);
    send_video(&mut world, 1);
    world.far.interval = None;
    world.run_for(SECOND);
    let asked = keyframe_requests(&world);
    check(&mut world, A, |check| check.nominate = true);
    assert_eq!(keyframe_requests(&world), asked + 1);
    check(&mut world, A, |check| check.nominate = true);
    assert_eq!(keyframe_requests(&world), asked + 1);
}

/// It would come late, and, in what the other end may send, before the keyframe.
#[test]
fn who_moved_is_not_asked_for_what_it_lost() {
    let mut world = with_video(21);
    send_video(&mut world, 1);
    world.far.interval = None;
    world.run_for(SECOND);
    let picture = |sequence| packet(VP8, 22, sequence, 90_000, "1", &[0x10; 1000]);
    check(&mut world, A, |check| check.nominate = true);
    world.far.send_rtp(&picture(551));
    world.run_for(SECOND / 20);
    assert_eq!(lost(&world), [0_u16; 0]);
    world.far.send_rtp(&picture(553));
    world.run_for(SECOND / 20);
    assert_eq!(lost(&world)[0], 552);
}

/// What the server asked for again.
fn lost(world: &World<Bare>) -> Vec<u16> {
    let compounds = world.far.rtcp.iter();
    let packets = compounds.flat_map(|(_, compound)| rtcp::packets(compound));
    let lost = packets.filter_map(|packet| match packet {
        Packet::Nack { lost, .. } => Some(lost.collect::<Vec<_>>()),
        _ => None,
    });
    lost.flatten().collect()
}

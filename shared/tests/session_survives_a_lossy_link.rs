//! A session outlives its WebSockets: wherever they break, and whoever learns of it, both ends come
//! to agree again, and on the same session while the server still has it.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

mod virtual_link;

use std::time::Duration;

use ferrite_protocol::session::{Action, ClientSession, Input, Why};
use ferrite_protocol::{CloseCode, ErrorCode, ServerMessage};
use proptest::prelude::*;
use virtual_link::{PING_INTERVAL, RESUME_TIME, Told, World, ms, s};

/// Long enough for an attempt that nobody ends, or three silent intervals, and the way back.
const UNTOLD: Duration = Duration::from_secs(35);

fn world_cut_at(cuts: &[usize], told: Told) -> World {
    let mut world = World::new();
    world.cut_at = cuts.to_vec();
    world.told = told;
    world.input(Input::Connect);
    world
}

/// The same, where the frames arrive and only their answers do not.
fn world_cut_after(cuts: &[usize], told: Told) -> World {
    let mut world = world_cut_at(&[], told);
    world.cut_at = cuts.to_vec();
    world.cut_after = true;
    world
}

/// The frames of the first 25 s: the opening, both ends' words, two pings.
fn frames() -> usize {
    let mut world = world_cut_at(&[], Told::Both);
    world.run(s(25));
    assert!(world.agrees());
    assert!(world.deliveries >= 9, "{}", world.deliveries);
    world.deliveries
}

fn assert_recovers(world: &mut World, within: Duration, what: &str) {
    let took = world.run_until_agreed(within);
    assert!(took.is_some(), "{what}: {:#?}", world.log);
    // The server may still have to find out about an earlier session.
    world.run(RESUME_TIME + UNTOLD);
    assert!(world.agrees(), "{what}: {:#?}", world.log);
    assert_eq!(world.sessions.len(), 1, "{what}");
}

#[test]
fn a_good_link_needs_one_socket() {
    let mut world = world_cut_at(&[], Told::Both);
    assert_eq!(world.run_until_agreed(s(1)), Some(ms(300)));
    world.run(s(3_600));
    assert!(world.agrees());
    assert_eq!(world.attempts().len(), 1);
}

#[test]
fn cut_at_every_frame_it_comes_back() {
    for told in Told::ALL {
        for cut in 0..frames() {
            for world in [world_cut_at, world_cut_after] {
                cut_once(world(&[cut], told), &format!("cut {cut}, told {told:?}"));
            }
        }
    }
}

fn cut_once(mut world: World, what: &str) {
    while world.last_cut.is_none() {
        world.run(ms(10));
    }
    let client_knew_session = world.client_session.is_some();
    let within = match world.told {
        Told::Both | Told::Client => s(2),
        Told::Server | Told::Nobody => UNTOLD,
    };
    assert_recovers(&mut world, within, what);
    // Only a client that never saw a welcome may leave a session behind.
    if client_knew_session {
        assert_eq!(world.sessions_made, 1, "{what}");
    }
}

/// Two cuts hit a session and the way back to it: its `hello`, its welcome, what follows.
#[test]
fn cut_at_any_two_frames_it_comes_back_to_the_same_session() {
    let frames = frames() + 6;
    for told in Told::ALL {
        for first in 0..frames {
            for second in first + 1..frames {
                for world in [world_cut_at, world_cut_after] {
                    let what = format!("cuts {first} and {second}, told {told:?}");
                    cut_twice(world(&[first, second], told), &what);
                }
            }
        }
    }
}

fn cut_twice(mut world: World, what: &str) {
    let mut made_before_it_was_known = None;
    for _ in 0..2500 {
        world.run(ms(10));
        if world.client_session.is_some() {
            made_before_it_was_known.get_or_insert(world.sessions_made);
        }
    }
    assert_recovers(&mut world, 2 * UNTOLD, what);
    if let Some(made) = made_before_it_was_known {
        assert_eq!(world.sessions_made, made, "{what}: {:#?}", world.log);
    }
}

/// No WebSocket does this; a proxy that sends again what it is not sure of, or an end with a bug, may.
#[test]
fn a_message_that_comes_twice_changes_nothing() {
    for twice in 0..frames() {
        let mut world = World::new();
        world.twice_at = vec![twice];
        world.input(Input::Connect);
        let what = format!("message {twice}");
        assert_recovers(&mut world, s(2), &what);
        assert_eq!(world.sessions_made, 1, "{what}: {:#?}", world.log);
        assert_eq!(world.attempts().len(), 1, "{what}: {:#?}", world.log);
    }
}

#[test]
fn a_link_that_breaks_again_and_again_while_resuming_costs_no_session() {
    let mut world = World::open();
    // The frames of every way back: opened, hello, welcome. Ten are lost in turn.
    for at in 0..30 {
        world.cut(Told::Both);
        world.cut_at = vec![world.deliveries + at % 3];
        world.cut_after = at % 2 == 0;
        let cut = world.deliveries + at % 3;
        while world.deliveries <= cut {
            world.run(ms(100));
        }
    }
    assert!(world.run_until_agreed(s(30)).is_some(), "{:#?}", world.log);
    assert_eq!(world.sessions_made, 1, "{:#?}", world.log);
}

#[test]
fn a_token_is_good_once_and_no_longer_than_needed() {
    let mut world = World::open();
    for _ in 0..5 {
        world.cut(Told::Both);
        world.run(s(30));
        assert!(world.agrees());
        // The one just given: the client's first words ended the life of the one it used.
        assert_eq!(world.good_tokens(), 1);
    }
    assert_eq!(world.tokens_made.len(), 6);
}

/// A `hello` that its client gave up arrives after its successor's, which used the same token.
#[test]
fn a_hello_that_comes_late_costs_no_session() {
    for late in [s(9), s(11), s(12), s(20), s(40)] {
        let mut world = World::open();
        let session = world.client_session.clone();
        world.cut(Told::Both);
        world.run_until_connecting();
        let mut first = Some(late);
        world.delay = Box::new(move || first.take().unwrap_or(ms(50)));
        world.run(s(100));
        assert!(world.agrees(), "{late:?}: {:#?}", world.log);
        assert_eq!(world.client_session, session, "{late:?}: {:#?}", world.log);
    }
}

#[test]
fn a_silent_link_is_given_up_after_three_intervals_and_the_old_socket_superseded() {
    let mut world = World::open();
    world.cut(Told::Nobody);
    world.run(2 * PING_INTERVAL);
    assert!(world.client.is_open());
    world.run(PING_INTERVAL + s(2));
    assert!(world.agrees());
    assert_eq!(world.downs(), [&Why::Silent]);
    assert_eq!(world.sessions_made, 1);
}

#[test]
fn a_server_that_forgot_gives_a_new_session() {
    let mut world = World::open();
    world.restart_server();
    assert!(world.run_until_agreed(s(2)).is_some());
    assert_eq!(world.sessions_made, 2);
}

#[test]
fn an_hour_without_a_server_costs_few_attempts_and_the_way_back_is_short() {
    let mut world = World::open();
    world.network = false;
    world.cut(Told::Both);
    world.run(s(3_600));
    let attempts = world.attempts();
    // Between 7.5 and 15 s apart once the wait stopped growing.
    assert!((240..500).contains(&attempts.len()), "{}", attempts.len());
    let last: Vec<_> = attempts.windows(2).map(|w| w[1] - w[0]).skip(10).collect();
    assert!(last.iter().all(|wait| *wait > s(7)));
    let spread = *last.iter().max().unwrap() - *last.iter().min().unwrap();
    assert!(spread > s(5), "{spread:?}");
    world.network = true;
    assert!(world.run_until_agreed(s(16)).is_some());
}

#[test]
fn the_wait_starts_over_only_after_a_stable_session() {
    let mut world = World::open();
    for _ in 0..4 {
        world.run_until_agreed(s(10)).unwrap();
        world.cut(Told::Both);
    }
    let ((_, before), next_at) = next_attempt(&world);
    assert!(next_at >= s(1), "{before:?}");
    world.run(s(60));
    world.cut(Told::Both);
    world.run(ms(30));
    assert!(next_attempt(&world).1 <= ms(500));
}

fn next_attempt(world: &World) -> (&(Duration, Action), Duration) {
    let down = |entry: &&(Duration, Action)| matches!(entry.1, Action::Down { .. });
    let entry = world.log.iter().rev().find(down).unwrap();
    let Action::Down { next_at, .. } = &entry.1 else {
        unreachable!()
    };
    (entry, next_at.unwrap() - entry.0)
}

#[test]
fn the_network_s_return_ends_the_wait() {
    let mut world = World::open();
    world.network = false;
    world.input(Input::Online(false));
    world.cut(Told::Both);
    world.run(s(60));
    world.network = true;
    world.input(Input::Online(true));
    assert!(world.run_until_agreed(ms(600)).is_some());
}

#[test]
fn a_browser_that_is_wrong_about_being_offline_still_connects() {
    let mut world = World::new();
    world.input(Input::Online(false));
    world.input(Input::Connect);
    assert!(world.run_until_agreed(s(1)).is_some());
    world.cut(Told::Both);
    assert!(world.run_until_agreed(s(16)).is_some());
}

#[test]
fn another_network_gets_another_socket_at_once() {
    for told in Told::ALL {
        let mut world = World::open();
        world.cut(told);
        world.input(Input::Online(false));
        world.run(s(1));
        world.input(Input::Online(true));
        assert!(world.run_until_agreed(ms(600)).is_some(), "{told:?}");
        world.run(s(600));
        assert!(world.agrees());
        assert_eq!(world.sessions_made, 1);
    }
}

#[test]
fn a_network_that_was_not_lost_costs_a_socket_and_no_session() {
    let mut world = World::open();
    world.input(Input::Online(true));
    assert!(world.run_until_agreed(ms(600)).is_some());
    assert_eq!(world.downs(), [&Why::NetworkChanged]);
    world.run(s(600));
    assert!(world.agrees());
    assert_eq!((world.sessions_made, world.attempts().len()), (1, 2));
}

#[test]
fn what_failed_in_one_network_does_not_hold_up_the_next() {
    let mut world = World::open();
    world.network = false;
    world.cut(Told::Both);
    world.run(s(600));
    // The browser says so a little before the way is there.
    world.input(Input::Online(true));
    world.run(ms(150));
    world.network = true;
    assert!(world.run_until_agreed(s(1)).is_some());
}

#[test]
fn doubt_finds_out_in_a_second_and_costs_a_ping_where_it_is_wrong() {
    let mut world = World::open();
    world.input(Input::Doubt);
    world.run(s(60));
    assert_eq!(world.attempts().len(), 1);
    world.cut(Told::Nobody);
    world.input(Input::Doubt);
    assert!(world.run_until_agreed(s(1)).is_some());
    assert_eq!(world.sessions_made, 1);
}

#[test]
fn a_tab_that_is_shown_again_finds_out_in_seconds() {
    let mut world = World::open();
    world.input(Input::Hidden(true));
    world.cut(Told::Nobody);
    world.input(Input::Hidden(false));
    assert!(world.run_until_agreed(s(5)).is_some());
}

#[test]
fn a_hidden_tab_s_slow_timers_end_no_session() {
    let mut world = World::open();
    world.input(Input::Hidden(true));
    world.timers_every = s(60);
    world.run(s(3_600));
    assert!(world.agrees());
    assert_eq!(world.attempts().len(), 1);
}

/// A browser freezes a page for hours, a machine sleeps: what comes after is a question, and a few
/// WebSockets where it is not answered, or where the network is another.
#[test]
fn hours_of_sleep_end_without_a_storm() {
    for told in Told::ALL {
        for hours in [1, 9] {
            let mut world = World::open();
            world.input(Input::Hidden(true));
            world.asleep_until = world.now + s(hours * 3_600);
            world.timers_from = world.asleep_until;
            world.run(s(30));
            world.cut(told);
            world.run(s(hours * 3_600 - 30));
            // All that waited comes in one moment.
            world.input(Input::Hidden(false));
            world.input(Input::Online(true));
            world.input(Input::Online(true));
            assert!(world.run_until_agreed(s(3)).is_some(), "{told:?}");
            let attempts = world.attempts().len();
            assert!(attempts <= 4, "{attempts} attempts, {told:?}");
            world.run(s(3_600));
            assert_eq!(world.attempts().len(), attempts);
        }
    }
}

/// A hidden tab whose server is away for hours tries no more often than a visible one.
#[test]
fn a_hidden_tab_without_a_server_is_no_storm() {
    let mut world = World::open();
    world.input(Input::Hidden(true));
    world.timers_every = s(60);
    world.network = false;
    world.cut(Told::Both);
    world.run(s(9 * 3_600));
    let attempts = world.attempts().len();
    assert!((500..=541).contains(&attempts), "{attempts}");
    world.timers_every = ms(1);
    world.network = true;
    world.input(Input::Hidden(false));
    assert!(world.run_until_agreed(s(1)).is_some());
}

/// Timers of once a minute are later than three ping intervals. A socket that answers is kept.
#[test]
fn no_late_timer_ends_a_socket_that_was_not_asked() {
    for every in [1, 7, 31, 60, 600] {
        let mut world = World::open();
        world.input(Input::Hidden(true));
        world.timers_every = s(every);
        world.run(s(9 * 3_600));
        assert!(world.agrees(), "every {every} s");
        assert_eq!(world.attempts().len(), 1, "every {every} s");
    }
}

#[test]
fn a_machine_that_slept_for_a_minute_resumes() {
    let mut world = World::open();
    world.asleep_until = world.now + s(60);
    world.timers_from = world.asleep_until;
    world.run(s(61));
    assert!(world.run_until_agreed(s(5)).is_some());
    assert_eq!(world.sessions_made, 1);
}

#[test]
fn a_machine_that_slept_for_a_second_more_than_its_ping_stays_connected() {
    let mut world = World::open();
    world.asleep_until = world.now + PING_INTERVAL + s(1);
    world.timers_from = world.asleep_until;
    world.run(s(60));
    assert!(world.agrees());
    assert_eq!(world.attempts().len(), 1);
}

#[test]
fn a_server_that_goes_away_is_left_alone_as_long_as_it_says() {
    let mut world = World::open();
    let start = world.now;
    world.say_to_client(&ServerMessage::GoingAway {
        retry_after_ms: 20_000,
    });
    assert!(
        world
            .run_until_agreed(s(1))
            .is_some_and(|took| took < ms(60))
    );
    world.run(s(30));
    assert!(world.agrees());
    assert_eq!(world.downs(), [&Why::GoingAway]);
    assert!(world.attempts()[1] - start >= s(20));
}

#[test]
fn another_version_s_server_is_not_asked_again() {
    let mut world = World::open();
    let text = "the client speaks version 1 of the protocol, the server speaks version 2";
    world.say_to_client(&ServerMessage::Error {
        id: None,
        code: ErrorCode::VersionMismatch,
        message: text.to_owned(),
    });
    world.run(s(3_600));
    assert!(world.stopped());
    assert_eq!(world.downs(), [&Why::OtherVersion(text.to_owned())]);
    assert_eq!(world.attempts().len(), 1);
}

#[test]
fn a_refusal_that_came_without_words_is_final_too() {
    for (code, why) in [
        (CloseCode::VersionMismatch, "OtherVersion"),
        (CloseCode::LimitExceeded, "LimitExceeded"),
        (CloseCode::Refused, "Refused"),
    ] {
        let mut world = World::open();
        world.close_at_server(code);
        world.run(s(3_600));
        assert!(world.stopped());
        assert!(format!("{:?}", world.downs()).contains(why));
    }
}

#[test]
fn who_is_superseded_comes_back_once() {
    let mut world = World::open();
    world.close_at_server(CloseCode::Superseded);
    assert!(world.run_until_agreed(s(2)).is_some());
    world.run(s(1));
    world.close_at_server(CloseCode::Superseded);
    world.run(s(3_600));
    assert!(world.stopped());
    assert_eq!(world.downs(), [&Why::Closed, &Why::Superseded]);
}

#[test]
fn who_stops_is_gone() {
    let mut world = World::open();
    world.input(Input::Stop);
    world.run(s(1));
    assert!(world.sessions.is_empty());
    world.run(s(3_600));
    assert!(world.stopped());
    assert!(world.sessions.is_empty());
    world.input(Input::Connect);
    assert!(world.run_until_agreed(s(1)).is_some());
    assert_eq!(world.sessions_made, 2);
}

#[derive(Clone, Copy, Debug)]
enum Disturbance {
    Cut(Told),
    NoNetwork(u64),
    Sleep(u64),
    SlowTimers(u64),
    Online(bool),
    Doubt,
    Hidden(bool),
    RestartServer,
}

fn disturbance() -> impl Strategy<Value = Disturbance> {
    prop_oneof![
        4 => prop::sample::select(&Told::ALL[..]).prop_map(Disturbance::Cut),
        2 => (1..60_u64).prop_map(Disturbance::NoNetwork),
        1 => (1..300_u64).prop_map(Disturbance::Sleep),
        1 => (1..300_u64).prop_map(Disturbance::SlowTimers),
        1 => any::<bool>().prop_map(Disturbance::Online),
        1 => Just(Disturbance::Doubt),
        1 => any::<bool>().prop_map(Disturbance::Hidden),
        1 => Just(Disturbance::RestartServer),
    ]
}

fn disturb(world: &mut World, what: Disturbance) {
    match what {
        Disturbance::Cut(told) => world.cut(told),
        Disturbance::NoNetwork(seconds) => {
            world.network = false;
            world.cut(Told::Nobody);
            world.run(s(seconds));
            world.network = true;
        }
        Disturbance::Sleep(seconds) => {
            world.asleep_until = world.now + s(seconds);
            world.timers_from = world.asleep_until;
            world.run(s(seconds));
        }
        Disturbance::SlowTimers(seconds) => {
            world.timers_every = s(60);
            world.run(s(seconds));
            world.timers_every = ms(1);
        }
        Disturbance::Online(online) => world.input(Input::Online(online)),
        Disturbance::Doubt => world.input(Input::Doubt),
        Disturbance::Hidden(hidden) => world.input(Input::Hidden(hidden)),
        Disturbance::RestartServer => world.restart_server(),
    }
}

/// Mostly short, at times longer than an attempt: then a frame of a socket that was given up
/// arrives after its successor's.
fn delays(seed: u64) -> Box<dyn FnMut() -> Duration> {
    let mut state = seed | 1;
    Box::new(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        match (state >> 20) % 40 {
            0 => ms((state >> 32) % 15_000),
            _ => ms((state >> 32) % 200),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn whatever_happens_both_ends_agree_in_the_end(
        script in prop::collection::vec((0..30_000_u64, disturbance()), 0..12),
        seed in any::<u64>(),
        told in prop::sample::select(&Told::ALL[..]),
    ) {
        let mut world = World::new();
        world.told = told;
        world.delay = delays(seed);
        world.input(Input::Connect);
        for (wait, what) in script {
            world.run(ms(wait));
            disturb(&mut world, what);
        }
        world.delay = Box::new(|| ms(50));
        let took = world.run_until_agreed(s(90));
        prop_assert!(took.is_some(), "{:#?}", world.log);
        // And they stay agreed, with nothing left over at the server.
        let attempts = world.attempts().len();
        world.run(RESUME_TIME + s(60));
        prop_assert!(world.agrees(), "{:#?}", world.log);
        prop_assert!(world.attempts().len() <= attempts + 1);
        prop_assert_eq!(world.sessions.len(), 1);
    }
}

#[test]
fn the_first_attempts_in_another_network_come_quickly_and_then_they_are_as_slow_as_ever() {
    let (mut session, mut now) = (ClientSession::new("test"), s(100));
    session.handle(Input::Connect, now, 0.5);
    session.handle(Input::Online(true), now, 0.5);
    let mut wait = || {
        session.handle(Input::Closed { code: 1006 }, now, 0.5);
        let wait = session.deadline().unwrap() - now;
        now += wait;
        session.handle(Input::Tick, now, 0.5);
        wait
    };
    let waits: Vec<_> = (0..12).map(|_| wait()).collect();
    assert!(waits[..8].iter().all(|wait| *wait <= ms(50)), "{waits:?}");
    assert!(waits[8..].iter().all(|wait| *wait >= ms(500)), "{waits:?}");
}

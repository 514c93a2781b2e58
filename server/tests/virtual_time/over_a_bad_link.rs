//! A whole call over a link that loses, reorders and duplicates at once: nothing of it depends on which
//! datagrams that befalls.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use ferrite_server::media::transport::dtls::DtlsState;
use ferrite_server::media::transport::ice::{CONSENT_EXPIRES_AFTER, IceState, RESTART_WITHIN};

use crate::echoes_media::{compare, finish, sending};
use crate::follows_paths::{longest_gap, restart};
use crate::handshakes::{Mishap, call_with_setup, splits_hello};
use crate::harness::offer::Section;
use crate::harness::{Conditions, World, browser, seed};

const SECOND: Duration = Duration::from_secs(1);

const SEEDS: std::ops::Range<u64> = 100..110;

#[test]
fn the_handshake_is_done_in_either_role_with_its_first_message_in_pieces() {
    for own_seed in SEEDS {
        for setup in ["active", "actpass"] {
            let mut world = World::browser(seed(own_seed), browser::config());
            world.link.set(Conditions::bad());
            let split = Rc::new(Cell::new(0));
            let order = vec![1, 0];
            if setup == "active" {
                world.link.tamper = Some(splits_hello(order, Mishap::None, split.clone()));
            }
            call_with_setup(&mut world, setup);
            let what = format!("{setup}, seed {own_seed}");
            world.run_until(15 * SECOND, &what, |world| world.is_connected());
            assert!(split.get() >= 2 || setup == "actpass", "nothing was split");
            world.run_until(60 * SECOND, &what, |world| {
                world.far.channel("chat").is_some()
            });
        }
    }
}

#[test]
fn media_comes_back_once_and_over_restarts() {
    for own_seed in SEEDS {
        let (mut world, audio, video) =
            sending(own_seed, Conditions::bad(), 65_000, u32::MAX - 9000);
        world.run_for(5 * SECOND);
        let since = world.now;
        restart(&mut world, SECOND / 20);
        world.run_for(5 * SECOND);
        assert!(world.is_connected(), "seed {own_seed}");
        let gap = longest_gap(&world, audio, since);
        assert!(gap < SECOND, "{gap:?}, seed {own_seed}");
        finish(&mut world);
        let sound = compare(&world, audio);
        let pictures = compare(&world, video);
        assert_eq!((sound.duplicates, pictures.duplicates), (0, 0));
        // Lost sound is gone, each way; pictures are sent again.
        assert!(
            sound.missing.len() * 5 < sound.sent,
            "{sound:?}, seed {own_seed}"
        );
        assert!(
            pictures.missing.len() * 50 < pictures.sent,
            "{} of {}, seed {own_seed}",
            pictures.missing.len(),
            pictures.sent
        );
    }
}

#[test]
fn messages_come_back_whole_and_in_order() {
    for own_seed in SEEDS {
        let mut world = World::browser(seed(own_seed), browser::config());
        world.link.set(Conditions::bad());
        world.call();
        world.run_until(90 * SECOND, "a channel", |world| {
            world.far.channel("chat").is_some()
        });
        let channel = world.far.channel("chat").unwrap();
        let messages: Vec<Vec<u8>> = (1..40_u8).map(|n| vec![n; 50 * usize::from(n)]).collect();
        for message in &messages {
            assert!(world.far.send(world.now, channel, true, message));
        }
        let what = format!("all messages, seed {own_seed}");
        world.run_until(120 * SECOND, &what, |world| {
            world.far.messages.len() >= messages.len()
        });
        let back: Vec<_> = world.far.messages.iter().map(|m| m.data.clone()).collect();
        assert!(back == messages, "seed {own_seed}");
    }
}

/// A far end that is connected over a bad link.
fn connected(own_seed: u64) -> World<crate::harness::Bare> {
    let mut world = World::bare(seed(own_seed));
    world.link.set(Conditions::bad());
    let offer = world.bare_offer("actpass", &[Section::Data { mid: "0" }]);
    world.exchange(&offer).unwrap();
    world.run_until(15 * SECOND, "connected", |world| {
        world.server.is_connected() && world.far.srtp.is_some()
    });
    world
}

#[test]
fn consent_lasts_while_checks_come_and_expires_when_none_do() {
    for own_seed in SEEDS {
        let mut world = connected(own_seed);
        world.run_for(100 * SECOND);
        let lost = |(_, state): &(_, ferrite_server::media::peer::PeerState)| {
            state.ice == IceState::Failed
        };
        assert!(!world.server.states.iter().any(lost), "seed {own_seed}");
        world.far.fall_silent();
        let what = format!("failed, seed {own_seed}");
        let limit = CONSENT_EXPIRES_AFTER + SECOND;
        world.run_until(limit, &what, |world| world.server.states.iter().any(lost));
        world.run_until(RESTART_WITHIN + SECOND, "the end", |world| {
            world.server.finished
        });
    }
}

#[test]
fn either_end_closes_and_the_other_learns_of_it_now_or_from_silence() {
    for own_seed in SEEDS {
        for lost in [false, true] {
            let mut world = connected(own_seed);
            world.link.cut = lost;
            world.far.close(world.now);
            world.far.fall_silent();
            world.run_for(SECOND / 100);
            world.link.cut = false;
            let limit = CONSENT_EXPIRES_AFTER + RESTART_WITHIN + SECOND;
            let took = world.run_until(limit, "finished", |world| world.server.finished);
            assert!(took > CONSENT_EXPIRES_AFTER || !lost, "{took:?}");
            assert_eq!(world.server_dtls(), DtlsState::Closed);
        }

        let mut world = connected(own_seed);
        world.server.close(world.now);
        world.run_for(SECOND);
        let answered = world.far.answers.len();
        world.run_for(10 * SECOND);
        // A far end that missed it has its checks unanswered.
        assert_eq!(world.far.answers.len(), answered, "seed {own_seed}");
        assert_eq!(world.server.resident.peer.poll_timeout(), None);
    }
}

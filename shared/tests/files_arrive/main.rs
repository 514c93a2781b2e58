//! Files go from one end to the other in virtual time, over a channel that is cut again and again, and
//! arrive as they were sent or not at all. Their messages have golden bytes, which `PROTOCOL.md` shows.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

mod ends;
mod messages;
mod world;

use std::time::Duration;

use ferrite_protocol::file::{
    CHUNK_BYTES, CancelReason, FileId, FileMessage, Receiving, Sending, Step, Transfer,
    WINDOW_BYTES,
};
use proptest::prelude::*;

use world::{DELAY, World};

const ID: FileId = FileId(7);

#[test]
fn a_file_of_any_size_arrives_whole() {
    for size in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 4_000_000] {
        let mut world = World::new(size);
        world.run_until_over();
        world.has_arrived();
        assert_eq!(world.sent, size as u64, "something was sent again");
        assert!(world.most <= WINDOW_BYTES + CHUNK_BYTES as u64);
        assert_eq!(world.receiving.unwrap().name(), "tea.bin");
    }
}

#[test]
fn after_a_cut_it_goes_on_where_it_was() {
    for (sender, receiver) in [(true, false), (false, true), (true, true)] {
        let mut world = World::new(4_000_000);
        let cuts = 5;
        for _ in 0..cuts {
            (0..30).for_each(|_| world.step());
            world.cut(sender, receiver);
        }
        world.run_until_over();
        world.has_arrived();
        // What was under way is sent again, and no more: once for each who asks.
        let asked = u64::from(sender) + u64::from(receiver);
        let again = asked * cuts * (WINDOW_BYTES + CHUNK_BYTES as u64);
        assert!(world.sent <= world.file.len() as u64 + again);
    }
}

#[test]
fn what_is_lost_without_anybody_noticing_is_asked_for_after_a_while() {
    for steps in [9, 10, 12, 20, 60, 200] {
        let mut world = World::new(1_000_000);
        (0..steps).for_each(|_| world.step());
        if world.receiving.is_none() {
            world.sending.reconnected();
        }
        world.cut(false, false);
        world.run_until_over();
        world.has_arrived();
    }
}

#[test]
fn nothing_is_sent_twice_where_what_was_under_way_comes_on_another_channel() {
    let size = 3_000_000;
    for steps in [12, 20, 60, 100] {
        let mut world = World::new(size);
        (0..steps).for_each(|_| world.step());
        // Longer than a receiver waits for a sender that says nothing.
        world.now += Duration::from_secs(25);
        let now = world.now;
        let receiving = world.receiving.as_mut().unwrap();
        receiving.resumed(now);
        for (at, _) in world.there.iter_mut().chain(&mut world.back) {
            *at = now + DELAY;
        }
        world.run_until_over();
        world.has_arrived();
        assert_eq!(world.sent, size as u64, "{steps}");
    }
}

#[test]
fn either_end_may_stop_it_and_the_other_hears_of_it_whatever_is_lost() {
    let stopped = Transfer::Cancelled(CancelReason::Stopped);
    for (by_sender, is_cut) in [(true, false), (true, true), (false, false), (false, true)] {
        let mut world = World::new(4_000_000);
        (0..50).for_each(|_| world.step());
        match by_sender {
            true => world.sending.cancel(CancelReason::Stopped),
            false => (world.receiving.as_mut().unwrap()).cancel(CancelReason::Stopped),
        }
        world.step();
        if is_cut {
            world.cut(!by_sender, by_sender);
        }
        world.run_until_over();
        assert_eq!(
            world.transfers(),
            (stopped, stopped),
            "{by_sender} {is_cut}"
        );
        let came = world.came.len();
        assert!(came < world.file.len() && world.file.starts_with(&world.came));
    }
}

/// The sender has sent as much as it may, all of it was lost, and its own channel was never closed.
#[test]
fn a_receiver_that_stops_it_while_it_is_cut_off_says_so_when_it_is_back() {
    let mut world = World::new(4_000_000);
    (0..50).for_each(|_| world.step());
    let full = world.sending.progress().0 + WINDOW_BYTES;
    while world.sent < full {
        world.send();
        world.there.clear();
    }
    let receiving = world.receiving.as_mut().unwrap();
    receiving.cancel(CancelReason::Stopped);
    world.cut(false, true);
    world.run_until_over();
    let stopped = Transfer::Cancelled(CancelReason::Stopped);
    assert_eq!(world.transfers(), (stopped, stopped));
}

#[test]
fn who_takes_its_time_holds_up_the_sender() {
    let now = Duration::ZERO;
    let mut receiving = Receiving::offered(ID, 10_000_000, "tea.bin");
    receiving.used(now, 0);
    receiving.accept(now);
    let mut sending = Sending::new(ID, 10_000_000, "tea.bin");
    let (mut used, mut came) = (0, 0);
    let chunk = vec![7; CHUNK_BYTES];
    // Until neither has anything to say.
    let mut go_on = |receiving: &mut Receiving, now| loop {
        let mut is_quiet = true;
        while let Some(message) = receiving.step() {
            is_quiet = false;
            sending.receive(&FileMessage::decode(&message).unwrap());
        }
        while let Some(step) = sending.step(true) {
            is_quiet = false;
            match step {
                Step::Read { offset, length } => sending.read(offset, &chunk[..length]),
                Step::Send(message) => {
                    let message = FileMessage::decode(&message).unwrap();
                    came += receiving.receive(now, &message).len() as u64;
                }
            }
        }
        if is_quiet {
            return came;
        }
    };
    while used < 10_000_000 {
        let came = go_on(&mut receiving, now);
        assert!(
            came <= used + WINDOW_BYTES + CHUNK_BYTES as u64,
            "{came} of {used}"
        );
        // However long nobody uses anything, only one more window is asked for.
        for seconds in 1..60 {
            receiving.handle_timeout(Duration::from_secs(seconds));
        }
        let came = go_on(&mut receiving, now);
        assert!(came > used && came - used < 2 * WINDOW_BYTES + CHUNK_BYTES as u64);
        used = came;
        receiving.used(now, used);
    }
    go_on(&mut receiving, now);
    assert!(receiving.is_compared());
    assert_eq!(receiving.transfer(), Transfer::Active);
}

#[test]
fn who_does_not_want_it_gets_nothing_of_it() {
    let mut world = World::new(1_000_000);
    let mut receiving = Receiving::offered(ID, 1_000_000, "tea.bin");
    receiving.cancel(CancelReason::Refused);
    world.receiving = Some(receiving);
    world.run_until_over();
    let refused = Transfer::Cancelled(CancelReason::Refused);
    assert_eq!(world.transfers(), (refused, refused));
    assert_eq!((world.sent, world.came.len()), (0, 0));
}

#[test]
fn what_is_not_what_was_sent_is_found_out() {
    let mut world = World::new(1_000_000);
    world.spoils = true;
    world.run_until_over();
    let different = Transfer::Cancelled(CancelReason::Different);
    assert_eq!(world.transfers(), (different, different));
}

#[test]
fn a_file_that_cannot_be_read_is_given_up() {
    let mut world = World::new(1_000_000);
    (0..18).for_each(|_| world.step());
    while let Some(step) = world.sending.step(true) {
        if let Step::Read { offset, .. } = step {
            world.sending.read(offset, &[]);
        }
    }
    world.run_until_over();
    let failed = Transfer::Cancelled(CancelReason::Failed);
    assert_eq!(world.transfers(), (failed, failed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_file_arrives_whatever_is_lost_and_whoever_notices(
        size in 0_usize..1_500_000,
        cuts in prop::collection::vec((1_usize..120, 1_u8..4), 0..8),
    ) {
        let mut world = World::new(size);
        for (steps, noticed_by) in cuts {
            (0..steps).for_each(|_| world.step());
            // Before there is a receiver only the sender can.
            let sender = noticed_by & 1 != 0 || world.receiving.is_none();
            world.cut(sender, noticed_by & 2 != 0);
        }
        world.run_until_over();
        world.has_arrived();
    }
}

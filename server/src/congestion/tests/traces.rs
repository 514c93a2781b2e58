//! Traces that are long, that nobody takes, and that somebody made up.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::link::{Link, Source, run_traced};
use crate::congestion::trace::wire::{HEADER, MAGIC, MAGIC_BEFORE, Next, next_block, seal};
use crate::congestion::trace::{BLOCK, Difference, Ending, MAX_TRACE, NotATrace, Trace, replay};
use crate::congestion::{Estimate, PathEstimator, Purpose, ReceiverPath, Sink};

/// Takes so many bytes.
#[derive(Clone)]
struct Room(Arc<Mutex<Vec<u8>>>, usize);

impl Room {
    fn new(bytes: usize) -> Self {
        Self(Arc::default(), bytes)
    }

    fn taken(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Room {
    fn write(&mut self, block: Vec<u8>) -> bool {
        let mut taken = self.0.lock().unwrap();
        let fits = taken.len() + block.len() <= self.1;
        if fits {
            taken.extend(block);
        }
        fits
    }
}

fn of_a_call(room: &Room) -> Vec<u8> {
    let link = Link {
        rates: vec![(0.0, 2e6), (5.0, 3e5)],
        loss: 0.02,
        ..Link::of(2e6)
    };
    run_traced(&link, &Source::Follows(1e7), 10, Box::new(room.clone()));
    room.taken()
}

/// Of an end that says itself what it makes of its path, of which it gets another after half a minute; then sound is
/// numbered, too.
fn of_a_receiver(room: &Room) -> Vec<u8> {
    let start = Instant::now();
    let mut path = PathEstimator::default();
    path.trace(Box::new(room.clone()));
    let (mut receiver, mut sent, mut padded, mut second) = (ReceiverPath::default(), 0, 0, 0);
    for tick in 0..6000_u32 {
        let now = start + Duration::from_millis(10) * tick;
        sent += 500;
        if tick == 3000 {
            receiver.forget(path.traced());
        }
        if tick > 4000 && tick % 2 == 0 {
            let number = path.begun(now).send(now, 100, Purpose::Media);
            let estimator = path.get_mut().unwrap();
            estimator.hear(now, number, [Some(i64::from(tick) * 10_000)]);
            estimator.handle_timeout(now, false);
        }
        if tick % 100 == 0 {
            let arrived: u64 = 8 * (sent + padded - second);
            second = sent + padded;
            receiver.hear(now, sent, (arrived * 3 / 2).min(900_000), path.traced());
            let lost = if tick < 1000 { 60 } else { 0 };
            receiver.report(now, sent, (1, lost, tick), path.traced());
            receiver.conclude(now, sent, path.traced());
            match path.get_mut() {
                Some(estimator) => estimator.want(1_200_000, false),
                None => path.traced().unwrap().wants(1_200_000, false),
            }
            receiver.want(1_200_000);
        }
        receiver.handle_timeout(now, sent, true, path.traced());
        while receiver.takes_padding(250, path.traced()) {
            padded += 250;
        }
    }
    assert!(padded > 10_000, "{padded}");
    drop(path);
    room.taken()
}

#[test]
fn what_an_end_says_itself_is_decided_again() {
    let replay = replay(&of_a_receiver(&Room::new(usize::MAX))).unwrap();
    assert!(replay.is_the_same(), "{:?}", replay.differences);
    assert_eq!(replay.ending, Ending::Whole);
    assert!(replay.decisions > 10_000, "{}", replay.decisions);
    let last = replay.moments.last().unwrap();
    assert!(last.sent > 2_900_000 && last.padding > 10_000, "{last:?}");
    // Its own estimate counts, whatever is known of sound.
    assert!(last.estimate.unwrap().bits_per_second > 500_000, "{last:?}");
    assert!(last.wanted == 1_200_000 && last.delay.is_some());
}

/// What is known where an end says so much.
fn said(bits_per_second: u64) -> Option<Estimate> {
    Some(Estimate {
        bits_per_second,
        acknowledged: 0,
        loss: 0.0,
        round_trip: Duration::from_millis(100),
    })
}

#[test]
fn each_byte_of_what_was_concluded_counts() {
    let (room, now) = (Room::new(usize::MAX), Instant::now());
    let mut trace = Trace::new(Box::new(room.clone()));
    trace.listens(now, 0);
    trace.says(now, 500_000, said(500_000));
    drop(trace);
    let whole = room.taken();
    let same = replay(&whole).unwrap();
    assert!(same.is_the_same() && same.decisions == 1);
    // Three of the rate, one of what arrives and one of losses, four of the round trip.
    for at in whole.len() - 9..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(!replay(&changed).unwrap().is_the_same(), "byte {at}");
        seal(&mut changed);
        let replay = replay(&changed).unwrap();
        assert_eq!((replay.different, replay.ending), (1, Ending::Whole));
    }
}

#[test]
fn whatever_of_it_is_decided_otherwise_now_is_told() {
    let (room, now) = (Room::new(usize::MAX), Instant::now());
    let mut trace = Trace::new(Box::new(room.clone()));
    trace.listens(now, 0);
    trace.says(now, 500_000, said(400_000));
    trace.concludes(now, 0, said(400_000));
    trace.lapses(now, (0, true), true, said(400_000));
    trace.fills(250, true);
    trace.unsays();
    trace.lapses(now, (0, true), false, said(500_000));
    drop(trace);
    let replay = replay(&room.taken()).unwrap();
    assert_eq!((replay.decisions, replay.different), (7, 6));
    let told = (replay.differences.iter()).map(|it| it.what.split(':').next().unwrap());
    let [estimate, filling] = ["estimate of the other end's", "filling up"];
    assert_eq!(
        told.collect::<Vec<_>>(),
        [estimate, estimate, estimate, filling, "padding", estimate]
    );
}

#[test]
fn what_was_said_of_another_path_is_over_there_too() {
    let (room, now) = (Room::new(usize::MAX), Instant::now());
    let mut trace = Trace::new(Box::new(room.clone()));
    let mut receiver = ReceiverPath::default();
    receiver.hear(now, 0, 500_000, Some(&mut trace));
    receiver.forget(Some(&mut trace));
    trace.concludes(now, 0, None);
    drop(trace);
    let replay = replay(&room.taken()).unwrap();
    assert!(replay.is_the_same(), "{:?}", replay.differences);
    let known = replay.moments.iter().map(|it| it.estimate.is_some());
    assert_eq!(known.collect::<Vec<_>>(), [true, false]);
}

#[test]
fn what_was_written_before_there_was_more_to_write_is_read() {
    let (room, now) = (Room::new(usize::MAX), Instant::now());
    let mut trace = Trace::new(Box::new(room.clone()));
    (0..5).for_each(|number| trace.sent(now, 1200, Purpose::Media, number));
    drop(trace);
    let mut written = room.taken();
    written[..MAGIC.len()].copy_from_slice(MAGIC_BEFORE);
    let read = replay(&written).unwrap();
    assert!(read.is_the_same() && read.decisions == 5);
    written[MAGIC.len() - 2] = b'1';
    assert_eq!(replay(&written), Err(NotATrace));
}

#[test]
fn a_trace_ends_when_it_is_as_long_as_it_may_be() {
    let (start, room) = (Instant::now(), Room::new(usize::MAX));
    let mut trace = Trace::new(Box::new(room.clone()));
    for n in 0..3_000_000_u32 {
        let now = start + Duration::from_micros(100) * n;
        trace.sent(now, 1200, Purpose::Media, n as u16);
    }
    let taken = room.taken();
    assert!(taken.len() > MAX_TRACE - 2 * BLOCK && taken.len() < MAX_TRACE + 2 * BLOCK);
    let replay = replay(&taken).unwrap();
    assert_eq!(replay.ending, Ending::Full);
    assert!(replay.is_the_same() && replay.decisions > 1_000_000);
}

#[test]
fn a_trace_that_is_not_taken_ends_and_the_call_goes_on() {
    let whole = of_a_call(&Room::new(usize::MAX));
    let part = of_a_call(&Room::new(whole.len() / 2));
    assert!(part.len() > whole.len() / 4 && whole.starts_with(&part));
    let again = replay(&part).unwrap();
    assert!(again.is_the_same() && again.decisions > 100);
    assert_eq!(replay(b"something else"), Err(NotATrace));
}

/// Something was decided otherwise, as after the rules were changed.
#[test]
fn a_decision_that_is_another_now_is_told() {
    let room = Room::new(usize::MAX);
    let now = Instant::now();
    let mut trace = Trace::new(Box::new(room.clone()));
    trace.sent(now, 1200, Purpose::Media, 0);
    trace.sent(now, 1200, Purpose::Media, 7);
    drop(trace);
    let replay = replay(&room.taken()).unwrap();
    assert!(!replay.is_the_same());
    assert_eq!((replay.decisions, replay.different), (2, 1));
    let what = "number: 7 was decided, and now 1".to_owned();
    let at = Duration::ZERO;
    assert_eq!(replay.differences, [Difference { at, what }]);
}

#[test]
fn what_somebody_made_up_is_decided_without_a_panic() {
    let wholes = [of_a_call, of_a_receiver].map(|of| of(&Room::new(usize::MAX)));
    let mut random = StdRng::seed_from_u64(7);
    for whole in std::iter::repeat_n(wholes, 300).flatten() {
        // Blocks that are as their checksums say, and make little sense.
        let mut made_up = MAGIC.to_vec();
        let mut rest = &whole[MAGIC.len()..];
        while let Next::Block(events, after) = next_block(rest) {
            let mut block = [&[0; HEADER], events].concat();
            for _ in 0..random.random_range(0..4) {
                let at = random.random_range(HEADER..block.len());
                block[at] = random.random();
            }
            seal(&mut block);
            made_up.extend(block);
            rest = after;
        }
        let replay = replay(&made_up).unwrap();
        assert_eq!(replay.differences.len() as u64, replay.different.min(10));
    }
}

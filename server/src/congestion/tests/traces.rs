//! Traces that are long, that nobody takes, and that somebody made up.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::link::{Link, Source, run_traced};
use crate::congestion::trace::wire::{HEADER, MAGIC, Next, next_block, seal};
use crate::congestion::trace::{BLOCK, Difference, Ending, MAX_TRACE, NotATrace, Trace, replay};
use crate::congestion::{Purpose, Sink};

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

#[test]
fn a_trace_ends_when_it_is_as_long_as_it_may_be() {
    let (start, room) = (Instant::now(), Room::new(usize::MAX));
    let mut trace = Trace::new(start, Box::new(room.clone()));
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
    let mut trace = Trace::new(now, Box::new(room.clone()));
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
    let whole = of_a_call(&Room::new(usize::MAX));
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..300 {
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

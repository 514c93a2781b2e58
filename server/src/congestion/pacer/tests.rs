use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);
/// Timers of a shard are no finer, and are rounded up.
const GRAIN: Duration = Duration::from_millis(4);

/// A path of so many bits per second.
fn pacer(limit: f64) -> Pacer<u32> {
    let mut pacer = Pacer::default();
    pacer.follow(Some(limit));
    pacer
}

/// Sends what may go, or has it wait. Returns whether it went.
fn offer(pacer: &mut Pacer<u32>, now: Instant, urgency: Urgency, bytes: usize, name: u32) -> bool {
    if pacer.must_wait(now, urgency) {
        pacer.push(now, urgency, bytes, bytes, name);
        return false;
    }
    pacer.sent(now, bytes);
    true
}

#[test]
fn what_fits_goes_at_once_and_the_rest_at_the_rate() {
    let (mut pacer, start) = (pacer(1e6), Instant::now());
    // Nine packets of a thousand bytes are what 2.5 Mbit/s send in 30 ms, and one more.
    let went = (0..20).filter(|n| offer(&mut pacer, start, Urgency::New, 1000, *n));
    assert_eq!(went.count(), 10);
    let (mut now, mut came) = (start, Vec::new());
    while let Some(at) = pacer.poll_timeout() {
        now = now.max(at);
        while let Some(name) = pacer.pop(now, false) {
            pacer.sent(now, 1000);
            came.push((name, (now - start).as_millis()));
        }
    }
    assert!(came.iter().map(|(name, _)| *name).eq(10..20));
    assert_eq!(came[0].1 / 5, 0, "{came:?}");
    // One each 3.2 ms.
    assert!((28..=36).contains(&came[9].1), "{came:?}");
    assert_eq!(pacer.waits().packets, 10);
}

#[test]
fn what_is_much_goes_faster_and_nothing_waits_for_long() {
    let (mut pacer, start) = (pacer(200_000.0), Instant::now());
    // Four seconds' worth.
    (0..100).for_each(|n| _ = offer(&mut pacer, start, Urgency::New, 1000, n));
    let (mut now, mut by_half) = (start, 0);
    while let Some(at) = pacer.poll_timeout() {
        now = now.max(at);
        while pacer.pop(now, false).is_some() {
            pacer.sent(now, 1000);
            by_half += u32::from(now <= start + MAX_DELAY / 2);
        }
    }
    assert!(pacer.waits().longest <= MAX_DELAY);
    // Evenly, and not all at the end.
    assert!((40..65).contains(&by_half), "{by_half}");
}

#[test]
fn where_nothing_is_known_nothing_waits_and_what_waited_goes() {
    let (mut pacer, now) = (pacer(100_000.0), Instant::now());
    (0..10).for_each(|n| _ = offer(&mut pacer, now, Urgency::New, 1000, n));
    assert!(!pacer.is_empty() && pacer.pop(now, false).is_none());
    pacer.follow(None);
    assert!(pacer.is_active() && pacer.poll_timeout() <= Some(now));
    let went = std::iter::from_fn(|| pacer.pop(now, false)).count();
    assert!(went > 5 && pacer.is_empty() && pacer.waited_within(now, MS));
    pacer.forget(now + MS, MS);
    assert!(!pacer.is_active());
    assert!((0..1000).all(|n| offer(&mut pacer, now, Urgency::New, 1000, n)));
}

#[test]
fn what_is_sent_again_goes_first() {
    let (mut pacer, now) = (pacer(100_000.0), Instant::now());
    (0..5).for_each(|n| _ = offer(&mut pacer, now, Urgency::New, 1000, n));
    (5..8).for_each(|n| _ = offer(&mut pacer, now, Urgency::Again, 1000, n));
    let order: Vec<_> = std::iter::from_fn(|| pacer.pop(now, true)).collect();
    assert!(
        order.starts_with(&[5, 6, 7]) && order[3..].is_sorted(),
        "{order:?}"
    );
}

#[test]
fn what_is_taken_back_is_not_sent_and_the_others_are() {
    let (mut pacer, now) = (pacer(100_000.0), Instant::now());
    (0..10).for_each(|n| pacer.push(now, Urgency::New, 100, 100, n));
    assert_eq!(pacer.take_back(|n| n % 2 == 0), [0, 2, 4, 6, 8]);
    assert_eq!(pacer.bytes(), 500);
    let left: Vec<_> = std::iter::from_fn(|| pacer.pop(now, true)).collect();
    assert_eq!(
        (left, pacer.bytes(), pacer.memory()),
        (vec![1, 3, 5, 7, 9], 0, 0)
    );
}

/// What comes: after so many milliseconds so many packets of so many bytes, sound, new, or again; and for how long the
/// shard is busy with others.
fn comings() -> impl Strategy<Value = Vec<(u64, usize, usize, u8)>> {
    let coming = (0..60_u64, 1..120_usize, 60..1400_usize, 0..8_u8);
    proptest::collection::vec(coming, 1..80)
}

proptest! {
    /// Whatever comes: sound goes at once, of each kind everything goes in its order, none is lost, none waits for longer
    /// than it may, and what waits has a bound.
    #[test]
    fn nothing_is_lost_or_overtaken_or_waits_for_long(
        comings in comings(),
        limits in proptest::collection::vec(30_000.0..20e6_f64, 1..6),
    ) {
        let (mut pacer, mut now) = (Pacer::<(Urgency, u32)>::default(), Instant::now());
        let (mut given, mut left) = ([0_u32; 2], [0_u32; 2]);
        for (round, (pause, packets, bytes, kind)) in comings.into_iter().enumerate() {
            let end = now + MS * pause as u32;
            while let Some(due) = pacer.poll_timeout().map(|at| (at + GRAIN).max(now))
                && due <= end
            {
                now = due;
                while let Some((urgency, name)) = pacer.pop(now, false) {
                    pacer.sent(now, bytes);
                    prop_assert_eq!(name, left[urgency as usize], "overtaken, or lost");
                    left[urgency as usize] += 1;
                }
            }
            now = end;
            pacer.follow(Some(limits[round % limits.len()]));
            for _ in 0..packets {
                let urgency = match kind {
                    // Sound asks nobody.
                    0 => { pacer.sent(now, 100); continue },
                    1 => Urgency::Again,
                    _ => Urgency::New,
                };
                let name = given[urgency as usize];
                given[urgency as usize] += 1;
                if !pacer.must_wait(now, urgency) {
                    pacer.sent(now, bytes);
                    prop_assert_eq!(name, left[urgency as usize], "overtaken");
                    left[urgency as usize] += 1;
                    continue;
                }
                pacer.push(now, urgency, bytes, bytes, (urgency, name));
                while pacer.is_full() {
                    let (urgency, name) = pacer.pop(now, false).unwrap();
                    prop_assert_eq!(name, left[urgency as usize], "overtaken, or lost");
                    left[urgency as usize] += 1;
                }
                prop_assert!(pacer.memory() <= MAX_BYTES && pacer.waiting().count() <= MAX_PACKETS);
            }
            prop_assert!(pacer.waits().longest <= MAX_DELAY + 2 * GRAIN, "{:?}", pacer.waits());
        }
        while let Some((urgency, name)) = pacer.pop(now, true) {
            prop_assert_eq!(name, left[urgency as usize]);
            left[urgency as usize] += 1;
        }
        prop_assert_eq!((given, pacer.bytes(), pacer.memory()), (left, 0, 0));
    }
}

//! What is asked of who publishes, and of the server: losses and keyframes, once for all who miss them; and what is
//! asked for again is answered within its time, and after that not at all.

use std::collections::BTreeMap;
use std::time::Duration;

use ferrite_server::media::net::demux::{Kind, classify};
use ferrite_server::media::rtp::header::Header;
use ferrite_server::media::rtp::rtcp;
use rand::Rng;

use crate::harness::festival::Festival;
use crate::harness::film::FRAME;
use crate::harness::pyramid::{Codec, Mode, SIZES};
use crate::harness::road::Road;
use crate::harness::theatre::Theatre;
use crate::harness::{Datagram, seed, seeds};

const SECOND: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(5);

// What the server is to keep to. Both are here once more, so that whoever changes them there notices.

/// Between two keyframes that a publisher is asked for.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(400);
/// How long a packet is sent again to those whose round trip is not known.
const UNKNOWN_SPAN: Duration = Duration::from_millis(400);

/// There and back.
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// Some who are all shown one film.
fn audience(seed: u64, viewers: usize) -> Festival {
    let mut festival = Festival::new(seed, 1, viewers);
    for viewer in 0..viewers {
        festival.show(viewer, 0, Some((0, 0)));
    }
    festival.run_for(SECOND);
    festival
}

#[test]
fn what_is_lost_on_the_way_to_the_server_is_asked_for_once_however_many_miss_it() {
    const EVERY: usize = 25;
    for viewers in [1, 12] {
        let mut festival = audience(seed(1), viewers);
        let (caller, media) = (festival.films[0].0, festival.films[0].1.ssrc(0));
        let (mut nth, mut lost) = (0, Vec::new());
        let (tell, told) = std::sync::mpsc::channel();
        let fate = Box::new(move |datagram: &Datagram| {
            let is_media = classify(&datagram.bytes) == Some(Kind::Srtp);
            let header = Header::parse(&datagram.bytes).filter(|_| is_media)?;
            nth += usize::from(header.ssrc == media);
            let is_lost = header.ssrc == media && nth % EVERY == 0;
            is_lost.then(|| {
                tell.send((media, header.sequence)).ok();
                None
            })
        });
        festival.world.roads.insert(caller, Road::with(fate));
        festival.run_for(4 * SECOND);
        festival.world.roads.clear();
        festival.run_for(SECOND / 2);
        lost.extend(told.try_iter());
        assert!(lost.len() >= 4, "{lost:?}");
        assert_eq!(festival.films[0].1.asked, lost, "{viewers} viewers");
        festival.verify();
        for viewer in &festival.viewers {
            let numbers: Vec<_> = viewer.slots[0].sent.keys().collect();
            assert!(numbers.windows(2).all(|pair| *pair[1] == pair[0] + 1));
        }
    }
}

#[test]
fn keyframes_are_asked_for_no_more_often_than_they_may_and_no_wish_is_forgotten() {
    /// What a wish takes on its way: over both links, and from one shard to the other.
    const UNDER_WAY: Duration = Duration::from_millis(60);
    for seed in seeds(6) {
        let mut festival = audience(seed, 5);
        let mut wishes = Vec::new();
        let end = festival.world.now + 6 * SECOND;
        while festival.world.now < end {
            // Now and then all at once.
            let rng = &mut festival.world.rng;
            let (pause, wishing) = (rng.random_range(1..300), rng.random_range(1..6));
            for at in 0..wishing {
                let viewer = &festival.viewers[at];
                let media = viewer.slots[0].media;
                let compound = match at % 2 {
                    0 => {
                        let mut compound = Vec::new();
                        rtcp::write_pli(&mut compound, 1, media);
                        compound
                    }
                    _ => full_intra_request(media),
                };
                festival.world.callers[viewer.number]
                    .far
                    .send_rtcp(&compound);
            }
            wishes.push(festival.world.now);
            festival.run_for(Duration::from_millis(pause));
        }
        festival.run_for(SECOND);
        let film = &festival.films[0].1;
        for ssrc in [film.ssrc(0), film.ssrc(1)] {
            let asked = film.wished.iter().filter(|(_, of)| *of == ssrc);
            let asked: Vec<_> = asked.map(|(at, _)| *at).collect();
            for pair in asked.windows(2) {
                let apart = pair[1] - pair[0];
                assert!(apart + TURN >= KEYFRAME_INTERVAL, "{apart:?}, seed {seed}");
            }
            for wish in &wishes {
                let by = *wish + KEYFRAME_INTERVAL + UNDER_WAY;
                let is_granted = asked.iter().any(|at| (*wish..=by).contains(at));
                assert!(is_granted, "a wish is forgotten, seed {seed}");
            }
            let (all, granted) = (wishes.len(), asked.len());
            assert!(
                granted > 8 && all > granted,
                "{granted} of {all}, seed {seed}"
            );
        }
    }
}

/// RFC 5104 §4.3.1.
fn full_intra_request(media: u32) -> Vec<u8> {
    let mut compound = vec![0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0];
    compound.extend(media.to_be_bytes());
    compound.extend([1, 0, 0, 0]);
    compound
}

/// How a packet is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Once,
    /// A second time while the first answer is under way.
    Twice,
    /// A second time later.
    Again,
}

/// A second question is this much later, where it is not at once.
const AGAIN: Duration = Duration::from_millis(60);

/// What was asked for, by viewer and number: how old it was, and how.
type Questions = BTreeMap<(usize, i64), (Duration, Asked)>;

/// Holds the answers against the questions. Returns how many were to have one, and how many none.
fn judge(festival: &Festival, asked: &Questions, seed: u64) -> (usize, usize) {
    let (mut answered, mut refused) = (0, 0);
    for ((at, number), (age, kind)) in asked {
        let again = festival.viewers[*at].slots[0].again.iter();
        let again = again.filter(|it| *it == number).count();
        let name = format!("{number}, {age:?} old, asked for {kind:?}, seed {seed}");
        let is_later = *kind == Asked::Again;
        let last = *age + if is_later { AGAIN } else { Duration::ZERO };
        if last + TURN < UNKNOWN_SPAN {
            assert_eq!(again, 1 + usize::from(is_later), "{name}");
            answered += 1;
        } else if *age > UNKNOWN_SPAN + FRAME + 2 * TURN {
            // What is too old goes as the next frame comes.
            assert_eq!(again, 0, "{name}");
            refused += 1;
        }
    }
    (answered, refused)
}

#[test]
fn what_is_asked_for_is_sent_again_within_its_time_once_a_round_and_later_not() {
    for seed in seeds(4) {
        let mut festival = audience(seed, 2);
        festival.viewers.iter_mut().for_each(|it| it.asks = false);
        let mut asked = Questions::new();
        let (mut due, mut turn) = (Vec::new(), 0);
        let end = festival.world.now + 8 * SECOND;
        while festival.world.now < end || !due.is_empty() {
            let now = festival.world.now;
            turn += 1;
            // No more than may be sent again beside what is sent.
            let asking = if turn % 10 == 0 && now < end {
                festival.viewers.len()
            } else {
                0
            };
            for at in 0..asking {
                let rng = &mut festival.world.rng;
                let age = Duration::from_millis(rng.random_range(0..1500));
                let kind = [Asked::Once, Asked::Twice, Asked::Again][rng.random_range(0..3)];
                let slot = &festival.viewers[at].slots[0];
                let sight = slot.sent.values().find(|sight| sight.at + age >= now);
                let Some(sight) = sight else { continue };
                if asked.contains_key(&(at, sight.number)) {
                    continue;
                }
                // By the time that the server hears of it.
                let age = now - sight.at + ROUND_TRIP;
                asked.insert((at, sight.number), (age, kind));
                due.push((now, at, sight.number));
                match kind {
                    Asked::Once => {}
                    Asked::Twice => due.push((now + TURN, at, sight.number)),
                    Asked::Again => due.push((now + AGAIN, at, sight.number)),
                }
            }
            for (_, at, number) in due.extract_if(.., |(at, ..)| *at <= now) {
                let viewer = &festival.viewers[at];
                let mut nack = Vec::new();
                rtcp::write_nack(&mut nack, 1, viewer.slots[0].media, &[number as u16]);
                festival.world.callers[viewer.number].far.send_rtcp(&nack);
            }
            festival.run_for(TURN);
        }
        festival.run_for(SECOND / 2);
        festival.verify();
        let (answered, refused) = judge(&festival, &asked, seed);
        assert!(
            answered > 50 && refused > 50,
            "{answered}, {refused}, seed {seed}"
        );
    }
}

#[test]
fn what_is_asked_for_before_it_can_have_come_again_is_sent_once() {
    let mut theatre = Theatre::new(seed(1), Codec::Vp9, Mode::Key);
    let at = theatre.enter(10_000_000.0, SIZES[0]);
    let number = theatre.seats[at].number;
    let late = Duration::from_millis(200);
    let road = Road::with(Box::new(move |_| Some(Some(late))));
    theatre.world.roads.insert(number, road);
    theatre.run_for(3 * SECOND);
    let asked = theatre.seats[at].came.last().unwrap().sequence;
    let media = theatre.world.callers[number].slot(0);
    let mut nack = Vec::new();
    rtcp::write_nack(&mut nack, 1, media, &[asked]);
    let since = theatre.world.callers[number].far.rtp.len();
    // The second time nothing can have come of the first, and the third time it can.
    for _ in 0..3 {
        theatre.world.callers[number].far.send_rtcp(&nack);
        theatre.world.run_for(late / 2);
    }
    theatre.world.run_for(2 * late);
    let came = theatre.world.callers[number].far.rtp[since..].iter();
    let others = came.filter(|it| it.header.ssrc != media);
    let again = others.filter_map(|it| it.payload().first_chunk().copied());
    let again = again.map(u16::from_be_bytes).filter(|it| *it == asked);
    assert_eq!(again.count(), 2);
}

#[test]
fn who_says_when_packets_came_is_sent_them_again_for_as_long_as_that_takes_and_no_longer() {
    let mut theatre = Theatre::new(seed(1), Codec::Vp9, Mode::Key);
    let at = theatre.enter(10_000_000.0, SIZES[0]);
    theatre.run_for(3 * SECOND);
    let (now, seat) = (theatre.world.now, &theatre.seats[at]);
    let of_age = |ms| {
        let mut newest_first = seat.came.iter().rev();
        let found = newest_first.find(|came| now - came.at >= Duration::from_millis(ms));
        found.unwrap().sequence
    };
    let asked = [of_age(UNKNOWN_SPAN.as_millis() as u64 / 2), of_age(5)];
    let caller = &mut theatre.world.callers[seat.number];
    let media = caller.slot(0);
    let mut nack = Vec::new();
    rtcp::write_nack(&mut nack, 1, media, &asked);
    caller.far.send_rtcp(&nack);
    theatre.world.run_for(2 * ROUND_TRIP);
    let caller = &theatre.world.callers[seat.number];
    let others = caller.far.rtp.iter().filter(|it| it.header.ssrc != media);
    let again = others.filter_map(|it| it.payload().first_chunk().copied());
    let again: Vec<_> = again.map(u16::from_be_bytes).collect();
    assert_eq!(again, asked[1..], "asked for {asked:?}");
}

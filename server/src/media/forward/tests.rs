//! Routes as a whole, with names for peers and lists for what they are shown.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::router::{Router, Wish};
use super::track::{Place, Show, Watched};
use crate::media::id::{PeerId, TrackId};
use crate::media::rtp::header::Header;
use crate::media::rtp::packet::MediaPacket;
use crate::media::rtp::work::steps_of;
use crate::media::sdp::{CodecKind, Extensions, Format};

const SPAN: Duration = Duration::from_millis(100);

/// A packet of a source, that came just now.
pub(in crate::media) fn packet(now: Instant, ssrc: u32, layer: u8, sequence: u16) -> MediaPacket {
    let mut packet = vec![0x80, 96, 0, 0, 0, 0, 0, 0];
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0x10, 0, 1, 2]);
    let header = Header::parse(&packet).unwrap();
    let codec = (Format::of(CodecKind::Vp8, ""), 90_000);
    MediaPacket::read(
        now,
        (0, layer),
        codec,
        header,
        &Extensions::default(),
        packet.into(),
    )
}

fn place(peer: char, section: usize) -> Place<char> {
    Place { peer, section }
}

/// Shows sinks their batches with a closure.
struct Shown<F>(F);

impl<F: FnMut(Place<char>, &[MediaPacket])> Show<char> for Shown<F> {
    fn prefetch(&self, _: Place<char>, _: usize) {}

    fn show(&mut self, sink: Place<char>, batch: &[MediaPacket]) -> Duration {
        self.0(sink, batch);
        SPAN
    }
}

fn deliver(router: &mut Router<char>, now: Instant, show: impl FnMut(Place<char>, &[MediaPacket])) {
    router.deliver(now, &mut Shown(show));
}

/// What each sink was shown: peer, section, sequence numbers.
fn delivered(router: &mut Router<char>, now: Instant) -> Vec<(char, usize, Vec<u16>)> {
    let mut shown = Vec::new();
    deliver(router, now, |sink, batch| {
        let numbers = batch.iter().map(|media| media.header.sequence);
        shown.push((sink.peer, sink.section, numbers.collect()));
    });
    shown
}

/// Two tracks that come from here.
const A: TrackId = TrackId(1);
const B: TrackId = TrackId(2);

#[test]
fn a_batch_is_shown_to_each_sink_once_and_to_nobody_else() {
    let (mut router, now) = (Router::default(), Instant::now());
    let first = router.publish(A, place('a', 0));
    let second = router.publish(B, place('b', 3));
    router.subscribe(A, place('a', 0));
    router.subscribe(A, place('b', 7));
    router.subscribe(A, place('b', 7));
    for n in 1..4 {
        router.push(first, place('a', 0), packet(now, 7, 0, n));
        router.push(second, place('b', 3), packet(now, 8, 0, 10 + n));
    }
    let shown = delivered(&mut router, now);
    assert_eq!(shown, [('a', 0, vec![1, 2, 3]), ('b', 7, vec![1, 2, 3])]);
    assert!(delivered(&mut router, now).is_empty(), "shown again");
    router.subscribe(B, place('a', 0));
    router.unsubscribe(first, place('a', 0));
    router.push(first, place('a', 0), packet(now, 7, 0, 5));
    router.push(second, place('b', 3), packet(now, 8, 0, 15));
    let mut shown = delivered(&mut router, now);
    shown.sort_unstable();
    assert_eq!(shown, [('a', 0, vec![15]), ('b', 7, vec![5])]);
}

#[test]
fn what_was_shown_can_be_asked_for_once_for_everybody() {
    let (mut router, now) = (Router::default(), Instant::now());
    let key = router.publish(A, place('a', 0));
    router.push(key, place('a', 0), packet(now, 7, 0, 1));
    delivered(&mut router, now);
    assert!(router.cached(A, 7, 1).is_none(), "nobody was there to ask");
    ('b'..'f').for_each(|peer| _ = router.subscribe(A, place(peer, 0)));
    router.push(key, place('a', 0), packet(now, 7, 0, 2));
    delivered(&mut router, now);
    let kept = router.cached(A, 7, 2).unwrap();
    assert!(kept.packet.is_unique(), "it is kept more than once");
    assert!(router.cached(B, 7, 2).is_none());
    router.unpublish(key, place('a', 0));
    assert!(
        router.cached(A, 7, 2).is_some(),
        "those it was lost to are here"
    );
    ('b'..'f').for_each(|peer| router.unsubscribe(key, place(peer, 0)));
    assert!(router.cached(A, 7, 2).is_none() && router.is_empty());
}

#[test]
fn wishes_for_keyframes_go_up_as_one() {
    let mut router = Router::default();
    let first = router.publish(A, place('a', 0));
    let second = router.publish(B, place('a', 1));
    for layers in [1, 4, 1] {
        router.wish(first, layers);
    }
    router.wish(second, 0);
    assert_eq!(router.take_wish(), Some(Wish::Here(place('a', 0), 5)));
    assert_eq!(router.take_wish(), None);
    router.wish(second, 2);
    router.unpublish(second, place('a', 1));
    assert_eq!(router.take_wish(), None);
}

#[test]
fn a_track_goes_on_from_another_peer_with_all_its_sinks() {
    let (mut router, now) = (Router::default(), Instant::now());
    let key = router.publish(A, place('a', 0));
    router.subscribe(A, place('z', 0));
    assert_eq!(router.publish(A, place('b', 5)), key);
    router.push(key, place('a', 0), packet(now, 7, 0, 9));
    assert_eq!(
        delivered(&mut router, now).len(),
        0,
        "it comes from there no more"
    );
    // The old peer ends later than its successor begins.
    router.unpublish(key, place('a', 0));
    router.push(key, place('b', 5), packet(now, 9, 0, 1));
    assert_eq!(delivered(&mut router, now).len(), 1);
    router.wish(key, 1);
    assert_eq!(router.take_wish(), Some(Wish::Here(place('b', 5), 1)));
    // Or its successor is gone before it.
    router.publish(A, place('c', 1));
    router.unpublish(key, place('c', 1));
    router.push(key, place('b', 5), packet(now, 9, 0, 7));
    assert_eq!(delivered(&mut router, now), [('z', 0, vec![7])]);
}

#[test]
fn the_first_packet_after_a_change_of_sources_says_so() {
    let (mut router, now) = (Router::default(), Instant::now());
    let resumed = |router: &mut Router<char>| {
        let mut resumed = Vec::new();
        deliver(router, now, |_, batch| {
            resumed.extend(batch.iter().map(|media| media.resumes));
        });
        resumed
    };
    let key = router.publish(A, place('a', 0));
    router.subscribe(A, place('z', 0));
    let push = |router: &mut Router<char>, peer| {
        (1..3).for_each(|n| router.push(key, place(peer, 0), packet(now, 7, 0, n)));
    };
    push(&mut router, 'a');
    assert_eq!(resumed(&mut router), [true, false]);
    router.unpublish(key, place('a', 0));
    router.publish(A, place('a', 0));
    push(&mut router, 'a');
    assert_eq!(resumed(&mut router), [true, false]);
    router.publish(A, place('b', 0));
    push(&mut router, 'b');
    assert_eq!(resumed(&mut router), [true, false]);
    router.unpublish(key, place('b', 0));
    push(&mut router, 'a');
    assert_eq!(resumed(&mut router), [true, false]);
    router.unpublish(key, place('a', 0));
    router.take(1, &packets_of(A, now, 1..3));
    assert_eq!(resumed(&mut router), [false, false], "it would say so");
    // It comes with its peer.
    router.publish_on(A, place('c', 0));
    push(&mut router, 'c');
    assert_eq!(resumed(&mut router), [false, false]);
    router.publish_on(A, place('d', 0));
    push(&mut router, 'd');
    assert_eq!(resumed(&mut router), [true, false], "it was passed over");
}

#[test]
fn sinks_wait_for_a_track_however_often_it_ends() {
    let (mut router, now) = (Router::default(), Instant::now());
    let waiting = router.subscribe(A, place('z', 0));
    for source in 'a'..'e' {
        let key = router.publish(A, place(source, 0));
        assert_eq!(key, waiting);
        router.push(key, place(source, 0), packet(now, 9, 0, 1));
        assert_eq!(delivered(&mut router, now), [('z', 0, vec![1])]);
        router.unpublish(key, place(source, 0));
        router.push(key, place(source, 0), packet(now, 9, 0, 2));
        assert!(delivered(&mut router, now).is_empty());
    }
    router.unsubscribe(waiting, place('z', 0));
    assert!(router.is_empty());
}

#[test]
fn a_key_is_of_one_track_for_ever() {
    let (mut router, now) = (Router::default(), Instant::now());
    let old = router.publish(A, place('a', 0));
    router.push(old, place('a', 0), packet(now, 7, 0, 1));
    router.unpublish(old, place('a', 0));
    let new = router.publish(B, place('a', 0));
    router.subscribe(B, place('b', 0));
    router.push(old, place('a', 0), packet(now, 7, 0, 2));
    router.unsubscribe(old, place('b', 0));
    assert!(delivered(&mut router, now).is_empty());
    assert_eq!((router.id(old), router.id(new)), (None, Some(B)));
    router.push(new, place('a', 0), packet(now, 7, 0, 3));
    assert_eq!(delivered(&mut router, now).len(), 1);
}

#[test]
fn who_panics_keeps_nobody_from_having_theirs() {
    let (mut router, now) = (Router::default(), Instant::now());
    let key = router.publish(A, place('a', 0));
    router.note_interest(1, A, Some(0));
    ('b'..='e').for_each(|peer| _ = router.subscribe(A, place(peer, 0)));
    router.push(key, place('a', 0), packet(now, 7, 0, 1));
    let mut shown = Vec::new();
    let turn = AssertUnwindSafe(|| {
        deliver(&mut router, now, |sink, _| {
            assert!(sink.peer != 'c', "on purpose");
            shown.push(sink.peer);
        });
    });
    assert!(catch_unwind(turn).is_err());
    router.unsubscribe(key, place('c', 0));
    let rest: Vec<_> = delivered(&mut router, now)
        .iter()
        .map(|shown| shown.0)
        .collect();
    assert_eq!((shown, rest), (vec!['b'], vec!['d', 'e']));
    assert_eq!(crossed(&mut router), [(vec![1], vec![1])]);
}

/// What crosses to other shards: numbers, shards.
fn crossed(router: &mut Router<char>) -> Vec<(Vec<u16>, Vec<usize>)> {
    let crossing = router.take_crossing().map(|crossing| {
        let numbers = crossing.packets.iter().map(|media| media.header.sequence);
        (numbers.collect(), crossing.shards)
    });
    crossing.into_iter().collect()
}

/// What others are to be told, the newest first.
fn changes(router: &mut Router<char>) -> Vec<(TrackId, Watched)> {
    let mut changes = Vec::new();
    while let Some(id) = router.take_change() {
        changes.push((id, router.wants(id)));
    }
    changes
}

#[test]
fn what_is_shown_here_and_comes_from_elsewhere_is_wanted() {
    let mut router = Router::default();
    router.subscribe(A, place('y', 0));
    let key = router.subscribe(A, place('z', 0));
    assert_eq!(changes(&mut router), [(A, Some(0))]);
    router.publish(A, place('a', 0));
    assert_eq!(changes(&mut router), [(A, None)]);
    router.unpublish(key, place('a', 0));
    assert_eq!(changes(&mut router), [(A, Some(0))]);
    assert_eq!(router.wanted().collect::<Vec<_>>(), [(A, Some(0))]);
    router.unsubscribe(key, place('y', 0));
    assert_eq!(changes(&mut router), []);
    router.unsubscribe(key, place('z', 0));
    assert_eq!(changes(&mut router), [(A, None)]);
    // Nor is what nobody here is shown.
    router.note_interest(1, A, Some(0));
    assert_eq!((changes(&mut router), router.len()), (vec![], 1));
    router.note_interest(1, A, None);
    assert!(router.is_empty());
}

/// Who is told that something else is watched, and what.
fn watched(router: &mut Router<char>) -> Vec<(char, Watched)> {
    let told = std::iter::from_fn(|| router.take_watched());
    told.map(|(source, watched)| (source.peer, watched))
        .collect()
}

#[test]
fn who_sends_is_told_the_best_that_anybody_watches_here_or_elsewhere() {
    let mut router = Router::default();
    let key = router.publish(A, place('a', 0));
    assert_eq!(watched(&mut router), [('a', None)]);
    for (sink, best, known) in [('y', 2, Some(2)), ('z', 1, Some(1)), ('x', 2, Some(1))] {
        router.subscribe(A, place(sink, 0));
        router.limit(key, place(sink, 0), best);
        let told = watched(&mut router);
        assert_eq!(told.last(), known.map(|best| ('a', Some(best))).as_ref());
    }
    router.note_interest(3, A, Some(0));
    assert_eq!(watched(&mut router), [('a', Some(0))]);
    router.note_interest(3, A, Some(2));
    assert_eq!(watched(&mut router), [('a', Some(1))]);
    router.unsubscribe(key, place('z', 0));
    assert_eq!(watched(&mut router), [('a', Some(2))]);
    ('x'..='y').for_each(|sink| router.unsubscribe(key, place(sink, 0)));
    assert_eq!(watched(&mut router), [], "the other shard watches");
    // Who takes over is told, and who is left has nobody to tell.
    router.publish(A, place('b', 0));
    assert_eq!(watched(&mut router), [('b', Some(2))]);
    router.forget_interest(3);
    assert_eq!(watched(&mut router), [('b', None)]);
}

#[test]
fn what_is_watched_is_known_without_a_look_at_everybody() {
    let steps = |sinks: usize| {
        let mut router = Router::default();
        let source = place('a', 0);
        let key = router.publish(A, source);
        for section in 0..sinks {
            router.subscribe(A, place('y', section));
            router.limit(key, place('y', section), 2);
        }
        let steps = steps_of(|| {
            router.note_interest(3, A, Some(1));
            router.unpublish(key, source);
            router.forget_interest(3);
        });
        assert_eq!(router.wants(A), Some(2));
        steps
    };
    assert_eq!(steps(20), steps(200));
}

#[test]
fn another_shard_is_told_the_best_that_is_watched_here() {
    let mut router = Router::default();
    let key = router.subscribe(A, place('y', 0));
    router.limit(key, place('y', 0), 2);
    assert_eq!(changes(&mut router), [(A, Some(2)), (A, Some(2))]);
    router.limit(key, place('y', 0), 2);
    assert_eq!(changes(&mut router), []);
    router.subscribe(A, place('z', 0));
    router.limit(key, place('z', 0), 1);
    assert_eq!(changes(&mut router).last(), Some(&(A, Some(1))));
    assert_eq!(router.watched_by(A, 'y'), Some(2));
    // What a peer takes along is not less than what is known to be wanted there.
    router.publish(A, place('a', 0));
    router.note_interest(3, A, Some(1));
    router.expect_interest(3, A, Some(2));
    ('y'..='z').for_each(|sink| router.unsubscribe(key, place(sink, 0)));
    assert_eq!(watched(&mut router).last(), Some(&('a', Some(1))));
}

#[test]
fn what_others_want_crosses_once_for_all_of_them() {
    let (mut router, now) = (Router::default(), Instant::now());
    for shard in [3, 1, 3] {
        router.note_interest(shard, A, Some(0));
    }
    let first = router.publish(A, place('a', 0));
    let second = router.publish(B, place('a', 1));
    let batch = |router: &mut Router<char>, number| {
        router.push(first, place('a', 0), packet(now, 7, 0, number));
        router.push(second, place('a', 1), packet(now, 8, 0, 100 + number));
        router.push(first, place('a', 0), packet(now, 7, 0, number + 1));
        delivered(router, now);
    };
    batch(&mut router, 1);
    assert_eq!(crossed(&mut router), [(vec![1, 2], vec![3, 1])]);
    assert_eq!(crossed(&mut router), []);
    router.forget_interest(3);
    batch(&mut router, 3);
    assert_eq!(crossed(&mut router), [(vec![3, 4], vec![1])]);
    router.note_interest(1, A, None);
    batch(&mut router, 5);
    assert_eq!(crossed(&mut router), []);
}

#[test]
fn whoever_wants_a_track_again_is_told_that_some_of_it_may_be_missing() {
    let (mut router, now) = (Router::default(), Instant::now());
    let key = router.publish(A, place('a', 0));
    let resumes = |router: &mut Router<char>| {
        router.push(key, place('a', 0), packet(now, 7, 0, 1));
        delivered(router, now);
        let crossing = router.take_crossing().unwrap();
        crossing.packets[0].resumes
    };
    router.note_interest(1, A, Some(0));
    assert!(resumes(&mut router));
    router.note_interest(1, A, Some(0));
    assert!(!resumes(&mut router), "nothing changed");
    router.note_interest(2, A, Some(0));
    assert!(resumes(&mut router));
    router.note_interest(1, A, None);
    assert!(!resumes(&mut router));
    router.note_interest(1, A, Some(0));
    assert!(resumes(&mut router));
}

/// Packets of a track as another shard sends them.
fn packets_of(id: TrackId, now: Instant, numbers: std::ops::Range<u16>) -> Vec<MediaPacket> {
    let packet = |number| {
        let mut media = packet(now, 7, 0, number);
        media.track = id;
        media.starts_keyframe = false;
        media
    };
    numbers.map(packet).collect()
}

#[test]
fn what_crossed_is_shown_and_kept_where_it_is_wanted_and_goes_no_further() {
    let (mut router, now) = (Router::default(), Instant::now());
    let key = router.subscribe(A, place('z', 0));
    router.note_interest(2, A, Some(0));
    router.take(1, &packets_of(B, now, 1..2));
    router.take(1, &packets_of(A, now, 1..3));
    assert_eq!(delivered(&mut router, now), [('z', 0, vec![1, 2])]);
    assert!(router.cached(A, 7, 2).is_some());
    assert_eq!(crossed(&mut router), []);
    // From here by now: what was on its way is nobody's.
    router.publish(A, place('a', 0));
    router.take(1, &packets_of(A, now, 3..4));
    router.push(key, place('a', 0), packet(now, 7, 0, 3));
    assert_eq!(delivered(&mut router, now), [('z', 0, vec![3])]);
    assert_eq!(crossed(&mut router), [(vec![3], vec![2])]);
}

#[test]
fn a_wish_finds_its_track_wherever_that_is_and_survives_until_then() {
    let (mut router, now) = (Router::default(), Instant::now());
    let elsewhere = |shard| {
        Some(Wish::Elsewhere {
            track: A,
            layers: 1,
            shard,
        })
    };
    let key = router.subscribe(A, place('z', 0));
    router.wish(key, 1);
    assert_eq!(router.take_wish(), elsewhere(None));
    assert_eq!(router.take_wish(), None, "once");
    // Whoever was asked has it no more: the shard that it comes from now is asked.
    router.take(1, &packets_of(A, now, 1..2));
    assert_eq!(router.take_wish(), elsewhere(Some(1)));
    router.take(1, &packets_of(A, now, 2..3));
    assert_eq!(router.take_wish(), None, "asked already");
    router.take(2, &packets_of(A, now, 3..4));
    assert_eq!(router.take_wish(), elsewhere(Some(2)));
    // And so is who publishes it here.
    router.publish(A, place('a', 0));
    assert_eq!(router.take_wish(), Some(Wish::Here(place('a', 0), 1)));
    router.unpublish(key, place('a', 0));
    router.take(1, &[packet(now, 7, 0, 9)]);
    assert_eq!(router.take_wish(), None, "that was asked");
}

#[test]
fn a_wish_that_a_shard_forgot_is_told_it_again() {
    let (mut router, now) = (Router::default(), Instant::now());
    let key = router.subscribe(A, place('z', 0));
    router.take(1, &packets_of(A, now, 1..2));
    router.wish(key, 1);
    assert!(router.take_wish().is_some());
    router.forget_shard(2);
    router.take(1, &packets_of(A, now, 2..3));
    assert_eq!(router.take_wish(), None);
    router.forget_shard(1);
    router.take(1, &packets_of(A, now, 3..4));
    assert!(router.take_wish().is_some());
}

#[test]
fn a_keyframe_that_came_is_wished_for_no_more() {
    let (mut router, now) = (Router::default(), Instant::now());
    let key = router.subscribe(A, place('z', 0));
    router.wish(key, 1);
    assert!(router.take_wish().is_some());
    let mut keyframe = packets_of(A, now, 1..2);
    keyframe[0].starts_keyframe = true;
    router.take(1, &keyframe);
    router.take(2, &packets_of(A, now, 2..3));
    assert_eq!(router.take_wish(), None);
}

#[test]
fn a_wish_from_elsewhere_is_never_passed_on_and_kept_for_who_publishes() {
    let mut router = Router::default();
    router.wish_from_elsewhere(A, 1);
    assert!(router.is_empty(), "nobody there wants it");
    router.note_interest(1, A, Some(0));
    router.subscribe(A, place('z', 0));
    router.wish_from_elsewhere(A, 4);
    assert_eq!(router.take_wish(), None);
    let key = router.publish(A, place('a', 0));
    assert_eq!(router.take_wish(), Some(Wish::Here(place('a', 0), 4)));
    router.wish_from_elsewhere(A, 2);
    router.wish(key, 1);
    assert_eq!(router.take_wish(), Some(Wish::Here(place('a', 0), 3)));
}

#[test]
fn names_of_sections_are_different() {
    let mut names: Vec<_> = (0..3)
        .flat_map(|peer| (0..128).map(move |section| TrackId::of_section(PeerId(peer), section)))
        .collect();
    names.dedup();
    assert_eq!(names.len(), 3 * 128);
    assert!(names.is_sorted());
    let publications = [0, 1, u64::MAX].map(TrackId::of_publication);
    let last = TrackId::of_section(PeerId(u64::MAX), 127);
    assert!(publications.iter().all(|name| *name > last));
}

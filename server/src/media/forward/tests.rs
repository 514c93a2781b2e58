//! Routes as a whole, with names for peers and lists for what they are shown.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::router::Router;
use super::track::Place;
use crate::media::id::{PeerId, TrackId};
use crate::media::rtp::header::Header;
use crate::media::rtp::packet::MediaPacket;
use crate::media::sdp::{CodecKind, Extensions, Format};

const SPAN: Duration = Duration::from_millis(100);

/// A packet of a source, that came just now.
pub(super) fn packet(now: Instant, ssrc: u32, layer: u8, sequence: u16) -> MediaPacket {
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

/// What each sink was shown: peer, section, sequence numbers.
fn delivered(router: &mut Router<char>, now: Instant) -> Vec<(char, usize, Vec<u16>)> {
    let mut shown = Vec::new();
    router.deliver(now, |sink, batch| {
        let numbers = batch.iter().map(|media| media.header.sequence);
        shown.push((sink.peer, sink.section, numbers.collect()));
        SPAN
    });
    shown
}

#[test]
fn a_batch_is_shown_to_each_sink_once_and_to_nobody_else() {
    let (mut router, now) = (Router::default(), Instant::now());
    let first = router.publish(TrackId(1), place('a', 0));
    let second = router.publish(TrackId(2), place('b', 3));
    router.subscribe(first, place('a', 0));
    router.subscribe(first, place('b', 7));
    router.subscribe(first, place('b', 7));
    for n in 1..4 {
        router.push(first, packet(now, 7, 0, n));
        router.push(second, packet(now, 8, 0, 10 + n));
    }
    let shown = delivered(&mut router, now);
    assert_eq!(shown, [('a', 0, vec![1, 2, 3]), ('b', 7, vec![1, 2, 3])]);
    assert!(delivered(&mut router, now).is_empty(), "shown again");
    router.subscribe(second, place('a', 0));
    router.unsubscribe(first, place('a', 0));
    router.push(first, packet(now, 7, 0, 5));
    router.push(second, packet(now, 8, 0, 15));
    let mut shown = delivered(&mut router, now);
    shown.sort_unstable();
    assert_eq!(shown, [('a', 0, vec![15]), ('b', 7, vec![5])]);
}

#[test]
fn what_was_shown_can_be_asked_for_once_for_everybody() {
    let (mut router, now) = (Router::default(), Instant::now());
    let key = router.publish(TrackId(1), place('a', 0));
    router.push(key, packet(now, 7, 0, 1));
    delivered(&mut router, now);
    assert!(
        router.cached(TrackId(1), 7, 1).is_none(),
        "nobody was there to ask"
    );
    ('b'..'f').for_each(|peer| router.subscribe(key, place(peer, 0)));
    router.push(key, packet(now, 7, 0, 2));
    delivered(&mut router, now);
    let kept = router.cached(TrackId(1), 7, 2).unwrap();
    assert!(kept.packet.is_unique(), "it is kept more than once");
    assert!(router.cached(TrackId(2), 7, 2).is_none());
    router.unpublish(key, place('a', 0));
    assert!(router.cached(TrackId(1), 7, 2).is_none() && router.is_empty());
}

#[test]
fn wishes_for_keyframes_go_up_as_one() {
    let mut router = Router::default();
    let first = router.publish(TrackId(1), place('a', 0));
    let second = router.publish(TrackId(2), place('a', 1));
    for layers in [1, 4, 1] {
        router.wish(first, layers);
    }
    router.wish(second, 0);
    assert_eq!(router.take_wish(), Some((place('a', 0), 5)));
    assert_eq!(router.take_wish(), None);
    router.wish(second, 2);
    router.unpublish(second, place('a', 1));
    assert_eq!(router.take_wish(), None);
}

#[test]
fn a_track_goes_on_from_another_peer_with_all_its_sinks() {
    let (mut router, now) = (Router::default(), Instant::now());
    let key = router.publish(TrackId(1), place('a', 0));
    router.subscribe(key, place('z', 0));
    assert_eq!(router.publish(TrackId(1), place('b', 5)), key);
    // The old peer ends later than its successor begins.
    router.unpublish(key, place('a', 0));
    router.push(key, packet(now, 9, 0, 1));
    assert_eq!(delivered(&mut router, now).len(), 1);
    router.wish(key, 1);
    assert_eq!(router.take_wish(), Some((place('b', 5), 1)));
}

#[test]
fn a_key_is_of_one_track_for_ever() {
    let (mut router, now) = (Router::default(), Instant::now());
    let old = router.publish(TrackId(1), place('a', 0));
    router.push(old, packet(now, 7, 0, 1));
    router.unpublish(old, place('a', 0));
    let new = router.publish(TrackId(2), place('a', 0));
    router.subscribe(new, place('b', 0));
    router.push(old, packet(now, 7, 0, 2));
    router.subscribe(old, place('c', 0));
    assert!(delivered(&mut router, now).is_empty());
    assert_eq!(router.id(old), None);
}

#[test]
fn who_panics_keeps_nobody_from_having_theirs() {
    let (mut router, now) = (Router::default(), Instant::now());
    let key = router.publish(TrackId(1), place('a', 0));
    ('b'..='e').for_each(|peer| router.subscribe(key, place(peer, 0)));
    router.push(key, packet(now, 7, 0, 1));
    let mut shown = Vec::new();
    let turn = AssertUnwindSafe(|| {
        router.deliver(now, |sink, _| {
            assert!(sink.peer != 'c', "on purpose");
            shown.push(sink.peer);
            SPAN
        });
    });
    assert!(catch_unwind(turn).is_err());
    router.unsubscribe(key, place('c', 0));
    let rest: Vec<_> = delivered(&mut router, now)
        .iter()
        .map(|shown| shown.0)
        .collect();
    assert_eq!((shown, rest), (vec!['b'], vec!['d', 'e']));
}

#[test]
fn names_of_sections_are_different() {
    let mut names: Vec<_> = (0..3)
        .flat_map(|peer| (0..128).map(move |section| TrackId::of_section(PeerId(peer), section)))
        .collect();
    names.dedup();
    assert_eq!(names.len(), 3 * 128);
    assert!(names.is_sorted());
}

//! What a stream begins with, and goes on with after something was left out: a keyframe, whole.

use super::*;
use crate::media::egress::again::OVERTAKEN_SPAN;

/// A stream that shows a track of which nothing came yet.
fn waiting() -> Egress {
    let mut egress = egress(MediaKind::Video);
    egress.select(show(3, 0));
    egress
}

fn send(egress: &mut Egress, number: u16, kind: &[u8]) -> Option<u16> {
    sent(egress, Instant::now(), (3, 0), number, kind)
}

#[test]
fn nothing_from_before_the_first_keyframe_goes_out_however_late_it_comes() {
    let mut egress = waiting();
    assert_eq!(send(&mut egress, 10, KEY), Some(500));
    assert_eq!(send(&mut egress, 9, DELTA), None);
    assert_eq!(send(&mut egress, 11, DELTA), Some(501));
    // Whoever is sent it from the start misses what came late.
    let mut echo = super::egress(MediaKind::Video);
    let media = [(packet(7, 10, KEY), false), (packet(7, 9, DELTA), false)];
    assert_eq!(sequences(&mut echo, &media), [Some(500), Some(499)]);
}

#[test]
fn what_overtook_a_keyframe_is_kept_for_who_waits_for_one_and_asked_for_once() {
    let (mut egress, now) = (waiting(), Instant::now());
    let kept = |egress: &Egress| egress.keeps_for(now, Some(Duration::ZERO));
    assert_eq!(
        (send(&mut egress, 11, DELTA), kept(&egress)),
        (None, OVERTAKEN_SPAN)
    );
    assert_eq!(egress.take_beginning(), None);
    assert_eq!(send(&mut egress, 10, KEY), Some(500));
    assert_eq!(kept(&egress), OVERTAKEN_SPAN, "nobody was told");
    let began = Began {
        track: TrackId(3),
        ssrc: 7,
        sequence: 10,
    };
    assert_eq!(egress.take_beginning(), Some(began));
    assert_eq!(egress.take_beginning(), None);
    assert!(kept(&egress) < OVERTAKEN_SPAN);
    assert_eq!(send(&mut egress, 11, DELTA), Some(501));
    assert_eq!(send(&mut egress, 11, DELTA), None, "it has its number");
    egress.select(show(3, 1));
    assert_eq!(kept(&egress), OVERTAKEN_SPAN, "another layer will begin");
    egress.select(None);
    assert!(kept(&egress) < OVERTAKEN_SPAN);
}

#[test]
fn of_what_came_behind_a_keyframe_only_what_overtook_it_is_missed() {
    let mut egress = waiting();
    let misses = |egress: &Egress, number| {
        let mut media = packet(7, number, DELTA);
        media.track = TrackId(3);
        egress.misses(&media)
    };
    assert_eq!(send(&mut egress, 11, DELTA), None);
    assert!(!misses(&egress, 11), "nothing goes out");
    assert_eq!(send(&mut egress, 10, KEY), Some(500));
    assert_eq!(send(&mut egress, 12, DELTA), Some(502));
    let missed = [9, 10, 11, 12].map(|number| misses(&egress, number));
    assert_eq!(missed, [false, false, true, false]);
}

#[test]
fn what_was_left_out_does_not_go_on_with_a_keyframe_that_was_overtaken() {
    let mut egress = egress(MediaKind::Video);
    let media = [
        (packet(7, 1, KEY), false),
        (packet(7, 2, DELTA), true),
        // Of the keyframe that comes next.
        (packet(7, 4, DELTA), false),
        (packet(7, 3, KEY), false),
        (packet(7, 5, DELTA), false),
        (packet(7, 6, KEY), false),
        (packet(7, 7, DELTA), false),
    ];
    // There is a number for the late one since it was overtaken.
    let expected = [Some(500), None, None, None, None, Some(502), Some(503)];
    assert_eq!(sequences(&mut egress, &media), expected);
}

#[test]
fn what_nobody_agreed_on_leaves_no_gap_and_is_followed_by_a_keyframe() {
    let mut egress = egress(MediaKind::Video);
    let other = |number| MediaPacket {
        format: Format::of(CodecKind::Av1, ""),
        ..packet(7, number, KEY)
    };
    let media = [
        (packet(7, 1, KEY), false),
        (other(2), false),
        (other(3), false),
        (packet(7, 4, DELTA), false),
        (packet(7, 5, KEY), false),
        (packet(7, 6, DELTA), false),
    ];
    let expected = [Some(500), None, None, None, Some(501), Some(502)];
    assert_eq!(sequences(&mut egress, &media), expected);
    assert!(!egress.awaits_keyframe());
}

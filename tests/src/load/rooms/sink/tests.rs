//! Streams as they may come, and what is found in them.

use super::super::temporal::{Frame, Temporal};
use super::*;

/// Frames of two packets, the first of which is a keyframe.
struct Stream {
    sink: Sink,
    found: Found,
    layer: u8,
    /// Every frame is a keyframe.
    is_key: bool,
}

impl Stream {
    fn new() -> Self {
        Self {
            sink: Sink::new(true, true, false),
            found: Found::default(),
            layer: 0,
            is_key: false,
        }
    }

    /// Two frames of one layer, and then another from its packet with this count and timestamp on.
    fn of_another_layer(count: u64, timestamp: u32) -> Self {
        let mut stream = Self::new();
        (0..4).for_each(|at| stream.take(at, 1, at.into()));
        stream.layer = 2;
        stream.take_at(4, timestamp, 1, count);
        stream
    }

    /// The packet with this number, of a source that counts from `first`.
    fn take(&mut self, sequence: u16, source: u32, count: u64) {
        let timestamp = 3000 * (count / 2) as u32;
        self.take_at(sequence, timestamp, source, count);
    }

    fn take_at(&mut self, sequence: u16, timestamp: u32, source: u32, count: u64) {
        let (starts, marker) = (count.is_multiple_of(2), !count.is_multiple_of(2));
        let header = Header {
            payload_type: 96,
            marker,
            sequence,
            timestamp,
            ssrc: 1,
            transport: None,
            length: 16,
        };
        let mark = Mark {
            source,
            layer: self.layer,
            count,
            sent: 1_000_000,
            timestamp: 3000 * (count / 2) as u32,
            frame: Frame::default(),
        };
        let mut payload = Vec::new();
        let is_key = self.is_key || count < 2;
        mark.fill(&mut payload, 100, starts, is_key);
        let index = self.sink.index(sequence);
        if self.sink.count(index, &header, 3_000_000, &mut self.found) {
            self.sink
                .look_into(index, &header, &payload, 3_000_000, &mut self.found);
            self.sink.end_frame(&header, &mut self.found);
        }
    }
}

#[test]
fn a_stream_that_is_whole_has_nothing_to_find() {
    let mut stream = Stream::new();
    (0..10).for_each(|at| stream.take(65_530_u16.wrapping_add(at), 1, at.into()));
    let found = stream.found;
    assert_eq!((found.packets, found.frames), (10, 5));
    let wrong = [
        found.gaps,
        found.repeats,
        found.left_out,
        found.no_keyframe,
        found.timestamps,
        found.lost_frames,
        found.broken,
    ];
    assert_eq!(wrong, [0; 7]);
    assert!((2.0..=2.05).contains(&found.latency.ms(0.5)));
}

#[test]
fn finds_gaps_and_what_fills_them() {
    let mut stream = Stream::new();
    for at in [0, 1, 2, 5, 4] {
        stream.take(at, 1, at.into());
    }
    assert_eq!((stream.found.gaps, stream.found.late), (2, 1));
    assert_eq!(stream.sink.missing(), [3]);
    assert_eq!(stream.found.frames, 1, "the others wait");
    stream.take(3, 1, 3);
    assert_eq!((stream.found.late, stream.found.frames), (2, 3));
}

#[test]
fn finds_repeats() {
    let mut stream = Stream::new();
    for at in [0, 1, 1, 0, 2] {
        stream.take(at, 1, at.into());
    }
    assert_eq!((stream.found.repeats, stream.found.packets), (2, 3));
}

#[test]
fn finds_what_no_number_was_left_for() {
    let mut stream = Stream::new();
    stream.take(0, 1, 0);
    stream.take(1, 1, 1);
    stream.take(2, 1, 4);
    assert_eq!((stream.found.gaps, stream.found.left_out), (0, 2));
}

#[test]
fn finds_pictures_that_begin_in_the_middle() {
    let mut stream = Stream::new();
    stream.take(0, 1, 0);
    stream.take(1, 1, 1);
    stream.take_at(2, 4000, 2, 8);
    assert_eq!((stream.found.no_keyframe, stream.found.timestamps), (1, 0));
    stream.take_at(3, 3999, 3, 0);
    assert_eq!((stream.found.no_keyframe, stream.found.timestamps), (1, 1));
}

#[test]
fn counts_no_frames_before_the_first_keyframe() {
    let mut stream = Stream::new();
    (0..4).for_each(|at| stream.take(at, 1, 6 + u64::from(at)));
    assert_eq!((stream.found.frames, stream.found.early_frames), (0, 2));
    (4..8).for_each(|at| stream.take(at, 2, u64::from(at) - 4));
    assert_eq!((stream.found.frames, stream.found.early_frames), (2, 2));
    assert_eq!(stream.found.no_keyframe, 0);
}

#[test]
fn finds_timestamps_that_go_their_own_way() {
    let mut stream = Stream::new();
    stream.take(0, 1, 0);
    stream.take_at(1, 1, 1, 1);
    assert_eq!(stream.found.timestamps, 1);
}

#[test]
fn another_layer_goes_on_from_a_keyframe() {
    let mut stream = Stream::of_another_layer(0, 6000);
    stream.take_at(5, 6000, 1, 1);
    let found = &stream.found;
    assert_eq!((found.layer_switches, found.frames), (1, 3));
    let wrong = [found.no_keyframe, found.cut_frames, found.timestamps];
    assert_eq!(wrong, [0; 3]);
    assert_eq!(stream.sink.counted(), Some(((1, 2), 2)));
    // A layer is no other picture.
    assert_eq!(found.switched.total(), 0);
}

#[test]
fn finds_layers_that_begin_in_the_middle_or_at_another_time() {
    assert_eq!(Stream::of_another_layer(8, 6000).found.no_keyframe, 1);
    assert_eq!(Stream::of_another_layer(0, 3000).found.timestamps, 1);
    assert_eq!(Stream::of_another_layer(0, 99_000).found.timestamps, 1);
}

#[test]
fn finds_frames_that_another_layer_cuts_short() {
    let mut stream = Stream::new();
    (0..3).for_each(|at| stream.take(at, 1, at.into()));
    stream.layer = 1;
    stream.take_at(3, 6000, 1, 0);
    assert_eq!(
        (stream.found.layer_switches, stream.found.cut_frames),
        (1, 1)
    );
}

#[test]
fn a_keyframe_that_is_missing_may_come_yet() {
    let mut stream = Stream::new();
    (0..4).for_each(|at| stream.take(at, 1, at.into()));
    stream.layer = 1;
    stream.take_at(5, 6000, 1, 1);
    assert_eq!((stream.found.no_keyframe, stream.found.gaps), (0, 1));
    assert_eq!(stream.found.frames, 2, "the other waits");
    assert!(stream.sink.fill(4, &mut stream.found));
    assert_eq!(stream.found.frames, 3);
}

#[test]
fn what_a_narrow_link_is_spared_before_a_keyframe_is_not_lost() {
    for (may_pause, expected) in [(false, (0, 6)), (true, (6, 0))] {
        let mut stream = Stream::new();
        stream.sink = Sink::new(true, true, may_pause);
        stream.take(0, 1, 0);
        stream.take(1, 1, 1);
        stream.is_key = true;
        stream.take(2, 1, 8);
        assert_eq!((stream.found.paused, stream.found.left_out), expected);
    }
}

/// Frames of one packet each in three temporal layers, of which those go out that `sends` says.
fn frames_found(sends: impl Fn(Frame) -> bool) -> Found {
    let (mut stream, mut temporal, mut sequence) = (Stream::new(), Temporal::default(), 0_u16);
    for count in 0..40 {
        let frame = temporal.next(3, count == 0);
        if !sends(frame) {
            continue;
        }
        sequence += 1;
        let header = Header {
            payload_type: 96,
            marker: true,
            sequence,
            timestamp: 3000 * count,
            ssrc: 1,
            transport: None,
            length: 16,
        };
        let mark = Mark {
            source: 1,
            layer: 0,
            count: count.into(),
            sent: 1_000_000,
            timestamp: header.timestamp,
            frame,
        };
        let mut payload = Vec::new();
        mark.fill(&mut payload, 100, true, count == 0);
        let (sink, found) = (&mut stream.sink, &mut stream.found);
        assert!(sink.count(sequence.into(), &header, 3_000_000, found));
        sink.look_into(sequence.into(), &header, &payload, 3_000_000, found);
        sink.end_frame(&header, found);
    }
    stream.found
}

#[test]
fn finds_frames_that_came_without_one_that_they_need() {
    let all = frames_found(|_| true);
    assert_eq!((all.thinned, all.undecodable), (0, 0));
    let some = frames_found(|frame| frame.layer < 2);
    assert_eq!((some.thinned, some.left_out, some.undecodable), (19, 0, 0));
    // The highest goes out again from one on that needs one that was left out.
    let early = frames_found(|frame| frame.layer < 2 || frame.number >= 8);
    assert_eq!((early.thinned, early.undecodable), (3, 1));
    let wrong = frames_found(|frame| frame.layer != 1);
    assert!(wrong.undecodable > 5, "{}", wrong.undecodable);
}

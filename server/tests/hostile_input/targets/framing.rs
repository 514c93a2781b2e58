//! Frames on a stream (RFC 4571), both ways.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_server::media::net::framing::{Deframer, MAX_FRAME, MAX_QUEUED, SendQueue, TooLong};

use super::input::Input;

/// A stream that comes in pieces has the frames it has in one piece, and a reader that takes what
/// is queued in pieces gets them all.
pub fn framing(input: &[u8]) {
    let mut input = Input(input);
    let cuts = input.piece();
    let stream = input.0;
    let (whole, frames) = deframe(stream, &[]);
    assert_eq!(deframe(stream, cuts), (whole, frames.clone()));
    queue(&frames, cuts);
}

/// What came of the stream, and its frames. `cuts` are the lengths of the pieces it comes in.
fn deframe(mut stream: &[u8], cuts: &[u8]) -> (Result<(), TooLong>, Vec<Vec<u8>>) {
    let mut deframer = Deframer::default();
    let mut frames = Vec::new();
    let mut cuts = cuts.iter();
    while !stream.is_empty() {
        let length = cuts.next().map_or(stream.len(), |cut| usize::from(*cut));
        let (piece, rest) = stream.split_at(length.min(stream.len()));
        stream = rest;
        let cut = deframer.push(piece, |frame| {
            assert!(frame.len() <= MAX_FRAME);
            frames.push(frame.to_vec());
        });
        if cut.is_err() {
            return (cut, frames);
        }
    }
    (Ok(()), frames)
}

/// Queues the frames, every other one for a short time only, for a reader that takes `cuts` bytes.
fn queue(frames: &[Vec<u8>], cuts: &[u8]) {
    let mut now = Instant::now();
    let mut queue = SendQueue::default();
    let (mut expected, mut sent) = (Vec::new(), Vec::new());
    for (at, frame) in frames.iter().enumerate() {
        let expires = (at % 2 == 1).then(|| now + Duration::from_millis(200));
        if queue.push(BytesMut::from(&frame[..]), expires) {
            expected.push(frame);
        }
        assert!(queue.queued() <= MAX_QUEUED);
        if let Some(cut) = cuts.get(at) {
            now += Duration::from_millis(u64::from(*cut));
            flush(&mut queue, now, usize::from(*cut) * 8, &mut sent);
        }
    }
    flush(&mut queue, now, usize::MAX, &mut sent);
    assert_eq!(queue.queued(), 0);
    check_sent(&sent, &expected);
}

fn flush(queue: &mut SendQueue, now: Instant, mut room: usize, sent: &mut Vec<u8>) {
    let write = |bytes: &[u8]| -> Result<usize, Infallible> {
        let taken = bytes.len().min(room);
        room -= taken;
        sent.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    };
    queue.flush(now, write).unwrap();
}

/// What was sent are whole frames in their order; some may have expired.
fn check_sent(sent: &[u8], expected: &[&Vec<u8>]) {
    let (end, frames) = deframe(sent, &[]);
    assert_eq!(end, Ok(()));
    let bytes: usize = frames.iter().map(|frame| frame.len() + 2).sum();
    assert_eq!(bytes, sent.len(), "a frame was cut off");
    let mut expected = expected.iter();
    for frame in &frames {
        assert!(expected.any(|known| *known == frame), "a frame of no one's");
    }
}

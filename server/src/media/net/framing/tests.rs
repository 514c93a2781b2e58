//! Datagrams cut out of streams however those come in pieces, and queued for slow readers.

use super::*;
use proptest::prelude::*;
use std::convert::Infallible;
use std::time::Duration;

fn framed(frames: &[&[u8]]) -> Vec<u8> {
    let mut stream = Vec::new();
    for frame in frames {
        stream.extend_from_slice(&(frame.len() as u16).to_be_bytes());
        stream.extend_from_slice(frame);
    }
    stream
}

#[test]
fn what_waits_counts_and_where_memory_is_scarce_less_waits() {
    let budget = Budget::new(300 * 1024);
    let mut queues = [(); 2].map(|()| SendQueue::within(&budget));
    let mut fill = |queue: &mut SendQueue| {
        while queue.push(BytesMut::zeroed(1000), None) {}
        queue.queued()
    };
    let full = queues.each_mut().map(&mut fill);
    assert!(full[0] + full[1] <= 300 * 1024 + CONGESTED_FROM + 1000);
    assert!(full[1] <= CONGESTED_FROM && full[1] > CONGESTED_FROM - 1000);
    assert_eq!(budget.used(), full[0] + full[1]);
    let now = Instant::now();
    for queue in &mut queues {
        let written = queue.flush(now, |bytes| Ok::<_, Infallible>(bytes.len()));
        assert_eq!(written, Ok(()));
    }
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_frame_too_long_ends_the_stream() {
    let mut deframer = Deframer::default();
    let mut count = 0;
    let stream = framed(&[b"ok", &[0; MAX_FRAME + 1]]);
    assert_eq!(deframer.push(&stream, |_| count += 1), Err(TooLong));
    assert_eq!(count, 1);
}

#[test]
fn what_is_too_long_is_left_out_of_a_servers_stream() {
    let message = |len: u16| {
        let head = [
            &[0, 0x17][..],
            &len.to_be_bytes(),
            &[0x21, 0x12, 0xa4, 0x42],
            &[7; 12],
        ];
        [&head.concat()[..], &vec![9; usize::from(len)]].concat()
    };
    let data = |len: u16| {
        let padding = usize::from(len).next_multiple_of(4);
        [&[0x40, 1][..], &len.to_be_bytes(), &vec![8; padding]].concat()
    };
    let pieces = [
        message(8),
        message(2032),
        data(2049),
        data(3),
        message(65_532),
        data(65_533),
        data(1),
    ];
    let stream = pieces.concat();
    for cut in [1, 3, 100, 2047, 4096, 70_000, stream.len()] {
        let (mut deframer, mut frames) = (Deframer::of_a_server(), Vec::new());
        for piece in stream.chunks(cut) {
            let cut = deframer.push(piece, |frame| frames.push(frame.to_vec()));
            assert_eq!(cut, Ok(()));
            assert!(
                deframer.partial.len() <= MAX_FRAME + 4,
                "{}",
                deframer.partial.len()
            );
        }
        assert_eq!(
            frames,
            [message(8), data(3)[..7].to_vec(), data(1)[..5].to_vec()]
        );
        assert_eq!(deframer.push(&[0x80; 4], |_| ()), Err(TooLong));
    }
}

#[test]
fn the_first_bytes_tell_turns_streams_from_ices() {
    let request = [&[0, 3, 0, 4, 0x21, 0x12, 0xa4, 0x42][..], &[7; 12], &[0; 4]].concat();
    let channel = [&[0x40, 0, 0, 5][..], b"hello", &[0; 3]].concat();
    let stream = [&request[..], &channel, &request].concat();
    for cut in 1..=stream.len() {
        let (mut deframer, mut frames) = (Deframer::for_any(), Vec::new());
        for piece in stream.chunks(cut) {
            let cut = deframer.push(piece, |frame| frames.push(frame.to_vec()));
            assert_eq!(cut, Ok(()));
        }
        assert_eq!(deframer.framing(), Framing::Stun);
        // Padding is no part of what is taken.
        assert_eq!(frames, [&request[..], &channel[..9], &request]);
    }
    let (mut deframer, mut frames) = (Deframer::for_any(), Vec::new());
    let check = framed(&[&request]);
    let cut = deframer.push(&check, |frame| frames.push(frame.to_vec()));
    assert_eq!((cut, frames), (Ok(()), vec![request.clone()]));
    assert_eq!(deframer.framing(), Framing::Rfc4571);
    let noise = [&request[..], &[0x80; 8]].concat();
    assert_eq!(Deframer::for_any().push(&noise, |_| ()), Err(TooLong));
    let mut queue = SendQueue::default();
    queue.frame_by(Framing::Stun);
    queue.push(BytesMut::from(&request[..]), None);
    let mut out = Vec::new();
    let mut write = |bytes: &[u8]| {
        let taken = bytes.len().min(3);
        out.extend_from_slice(&bytes[..taken]);
        Ok::<_, Infallible>(taken)
    };
    for _ in 0..8 {
        queue.flush(Instant::now(), &mut write).unwrap();
    }
    assert_eq!((queue.queued(), out), (0, request));
}

#[test]
fn a_slow_reader_gets_no_stale_frames_and_costs_bounded_memory() {
    let start = Instant::now();
    let mut queue = SendQueue::default();
    let soon = Some(start + Duration::from_millis(200));
    queue.push(BytesMut::from(&[1; 100][..]), soon);
    queue.push(BytesMut::from(&[2; 100][..]), soon);
    queue.push(BytesMut::from(&[3; 100][..]), None);
    let mut out = Vec::new();
    let mut budget = 10;
    let mut write = |bytes: &[u8]| -> Result<usize, Infallible> {
        let taken = bytes.len().min(budget);
        out.extend_from_slice(&bytes[..taken]);
        budget = 10_000;
        Ok(taken)
    };
    queue.flush(start, &mut write).unwrap();
    queue
        .flush(start + Duration::from_secs(1), &mut write)
        .unwrap();
    assert_eq!(
        out,
        framed(&[&[1; 100], &[3; 100]]),
        "the begun frame is completed, the stale one is not sent"
    );
    assert_eq!(queue.queued(), 0);
    while queue.push(BytesMut::from(&[0; 1000][..]), None) {}
    assert!(queue.queued() <= MAX_QUEUED && queue.is_congested());
}

proptest! {
    #[test]
    fn frames_survive_any_cutting(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..20),
        cuts in proptest::collection::vec(1usize..30, 1..50),
    ) {
        let mut queue = SendQueue::default();
        for frame in &frames {
            queue.push(BytesMut::from(&frame[..]), None);
        }
        let (mut deframer, mut received) = (Deframer::default(), Vec::new());
        let mut cuts = cuts.into_iter().cycle();
        while queue.frames.front().is_some() {
            let mut limit = cuts.next().unwrap();
            let mut piece = Vec::new();
            queue.flush(Instant::now(), |bytes| -> Result<usize, Infallible> {
                let taken = bytes.len().min(limit);
                limit -= taken;
                piece.extend_from_slice(&bytes[..taken]);
                Ok(taken)
            }).unwrap();
            deframer.push(&piece, |frame| received.push(frame.to_vec())).unwrap();
        }
        prop_assert_eq!(received, frames);
    }
}

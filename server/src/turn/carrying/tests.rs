use super::*;
use crate::turn::bandwidth::{Allowance, Bandwidth};
use crate::turn::connections::Link;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::io::AsyncReadExt as _;

/// One end: what it has to read, and how much it takes.
#[derive(Default)]
struct Lane {
    to_read: VecDeque<Vec<u8>>,
    has_ended: bool,
    room: usize,
    taken: Vec<u8>,
    is_shut: bool,
    /// It has taken what it cannot send yet.
    is_unsent: bool,
    is_broken: bool,
}

fn blocked<T>() -> io::Result<T> {
    Err(ErrorKind::WouldBlock.into())
}

impl Carrier for Lane {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.is_broken {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let Some(mut next) = self.to_read.pop_front() else {
            return if self.has_ended { Ok(0) } else { blocked() };
        };
        let rest = next.split_off(next.len().min(into.len()));
        into[..next.len()].copy_from_slice(&next);
        if !rest.is_empty() {
            self.to_read.push_front(rest);
        }
        Ok(next.len())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.room.min(bytes.len());
        self.room -= taken;
        self.taken.extend_from_slice(&bytes[..taken]);
        if taken > 0 { Ok(taken) } else { blocked() }
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_unsent { blocked() } else { Ok(()) }
    }

    fn shut(&mut self) -> io::Result<()> {
        self.flush()?;
        self.is_shut = true;
        Ok(())
    }
}

fn steps(pipe: &mut Pipe, source: &mut Lane, sink: &mut Lane, link: &Link) -> usize {
    std::iter::from_fn(|| {
        pipe.step(source, sink, link, StdInstant::now())
            .unwrap()
            .then_some(())
    })
    .count()
}

#[test]
fn who_takes_nothing_has_nothing_read_for_it() {
    let link = Link::default();
    let (mut source, mut sink) = (Lane::default(), Lane::default());
    source.to_read = vec![vec![7; 3 * BUFFER]; 2].into();
    let mut pipe = Pipe::beginning_with(Direction::Up, Vec::new());
    steps(&mut pipe, &mut source, &mut sink, &link);
    let left: usize = source.to_read.iter().map(Vec::len).sum();
    assert_eq!(left, 5 * BUFFER, "one buffer is read");
    assert!(!pipe.reads() && pipe.writes());
    sink.room = BUFFER - 1;
    steps(&mut pipe, &mut source, &mut sink, &link);
    let left: usize = source.to_read.iter().map(Vec::len).sum();
    assert_eq!(
        left,
        5 * BUFFER,
        "and no further as long as it is not empty"
    );
    sink.room = usize::MAX;
    steps(&mut pipe, &mut source, &mut sink, &link);
    assert_eq!(sink.taken, vec![7; 6 * BUFFER]);
    assert_eq!(link.take_carried(), 6 * BUFFER as u64);
    assert!(pipe.reads() && !pipe.writes() && !sink.is_shut);
}

/// Nothing is lost of a stream: it is read no further, until it may be.
#[test]
fn what_is_too_much_waits_until_it_may_be_relayed_and_the_other_way_goes_on() {
    // 100 kB a second, 50 at once.
    let link = Link::new(0, Bandwidth::kilobits(800).map(Allowance::new));
    let (mut source, mut sink) = (Lane::default(), Lane::default());
    source.to_read = vec![vec![7; BUFFER]; 10].into();
    sink.room = usize::MAX;
    let mut pipe = Pipe::beginning_with(Direction::Up, Vec::new());
    let start = StdInstant::now();
    let mut run = |now, sink: &mut Lane| {
        while pipe.step(&mut source, sink, &link, now).unwrap() {}
        pipe.pause(now, &link)
    };
    let mut until = run(start, &mut sink).unwrap();
    assert_eq!(
        sink.taken.len(),
        4 * BUFFER,
        "a burst, and what is read at once"
    );
    while sink.taken.len() < 10 * BUFFER {
        assert!(until > start);
        let before = sink.taken.len();
        assert!(run(until - Duration::from_millis(70), &mut sink).is_some());
        assert_eq!(sink.taken.len(), before);
        until = run(until, &mut sink).unwrap_or(until);
        assert!(sink.taken.len() > before);
    }
    // 163840 bytes, of which 50000 at once and 16384 too soon.
    assert!(until - start > Duration::from_millis(900));
    assert_eq!(link.take_carried(), 10 * BUFFER as u64);
    assert_eq!(link.pause(start, Direction::Down), None);
}

/// It came with the request that joined them.
#[test]
fn what_has_come_already_waits_until_it_may_be_relayed_too() {
    let link = Link::new(0, Bandwidth::kilobits(800).map(Allowance::new));
    let (mut source, mut sink) = (Lane::default(), Lane::default());
    sink.room = usize::MAX;
    let start = StdInstant::now();
    link.count(start, Direction::Up, 100_000);
    let mut pipe = Pipe::carrying(Direction::Up, vec![7; BUFFER]);
    assert!(!pipe.step(&mut source, &mut sink, &link, start).unwrap());
    assert!(sink.taken.is_empty() && !pipe.writes());
    let until = pipe.pause(start, &link).unwrap();
    assert!(pipe.step(&mut source, &mut sink, &link, until).unwrap());
    assert_eq!(sink.taken.len(), BUFFER);
    assert_eq!(link.take_carried(), 100_000 + BUFFER as u64);
    assert!(pipe.pause(until, &link).is_some(), "and it is paid for");
}

#[test]
fn what_comes_first_is_first_and_the_end_comes_last() {
    let link = Link::default();
    let (mut source, mut sink) = (Lane::default(), Lane::default());
    source.to_read = vec![b"second".to_vec()].into();
    source.has_ended = true;
    sink.room = 3;
    let mut pipe = Pipe::beginning_with(Direction::Up, b"first".to_vec());
    steps(&mut pipe, &mut source, &mut sink, &link);
    assert!(sink.taken == b"fir" && !sink.is_shut);
    (sink.room, sink.is_unsent) = (100, true);
    steps(&mut pipe, &mut source, &mut sink, &link);
    assert!(sink.taken == b"firstsecond" && !sink.is_shut && pipe.writes());
    sink.is_unsent = false;
    steps(&mut pipe, &mut source, &mut sink, &link);
    assert!(sink.is_shut && pipe.is_shut && !pipe.writes());
    // What was there before is not carried.
    assert_eq!(link.take_carried(), 6);
}

#[test]
fn what_was_there_before_keeps_no_room_for_what_comes() {
    let link = Link::default();
    let (mut source, mut sink) = (Lane::default(), Lane::default());
    sink.room = usize::MAX;
    let mut pipe = Pipe::beginning_with(Direction::Up, vec![7; 3 * BUFFER]);
    steps(&mut pipe, &mut source, &mut sink, &link);
    assert_eq!((sink.taken.len(), pipe.buffer.len()), (3 * BUFFER, BUFFER));
    assert!(pipe.buffer.capacity() < 2 * BUFFER);
}

/// The client and the peer of two connections that are joined, and who joins them.
struct Ends {
    client: Plain,
    peer: Plain,
    carried: tokio::task::JoinHandle<io::Result<()>>,
    cancel: CancellationToken,
}

fn connection() -> (Plain, Plain) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let outside = Plain::connect(listener.local_addr().unwrap()).unwrap();
    let (inside, _) = listener.accept().unwrap();
    inside.set_nonblocking(true).unwrap();
    (outside, inside)
}

fn joined() -> Ends {
    joined_for(LAST_SILENCE)
}

fn joined_for(last_silence: Duration) -> Ends {
    joined_by(last_silence, Arc::default())
}

fn joined_by(last_silence: Duration, link: Arc<Link>) -> Ends {
    let ((client, of_client), (peer, of_peer)) = (connection(), connection());
    let cancel = CancellationToken::new();
    let cancelled = cancel.clone();
    let detached = Detached {
        stream: of_client,
        tls: None,
        unsent: Vec::new(),
        arrived: Vec::new(),
    };
    let carried =
        tokio::spawn(async move { carry(detached, of_peer, &link, cancelled, last_silence).await });
    Ends {
        client,
        peer,
        carried,
        cancel,
    }
}

/// What comes, and how it ends.
fn rest(mut stream: &Plain) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).map(|_| rest)
}

fn is_reset(ended: io::Result<Vec<u8>>) -> bool {
    ended.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)
}

/// On sockets, and in the end all of it comes.
#[tokio::test]
async fn a_stream_that_is_limited_comes_whole_and_not_sooner_than_it_may() {
    let rate = Bandwidth::kilobits(4000).map(Allowance::new);
    let link = Link::new(0, rate);
    let ends = joined_by(LAST_SILENCE, link);
    let begin = StdInstant::now();
    let sent: Vec<u8> = (0..600_000_u32).map(|at| at as u8).collect();
    let (client, all) = (ends.client, sent.clone());
    let sending = std::thread::spawn(move || {
        (&client).write_all(&all).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        client
    });
    assert!(rest_of(&ends.peer).await == sent);
    // 250000 bytes come at once.
    assert!(begin.elapsed() > Duration::from_millis(600));
    drop(sending.join().unwrap());
    ends.cancel.cancel();
}

#[tokio::test]
async fn who_is_silent_is_waited_for_but_not_where_the_other_way_has_ended() {
    let ends = joined_for(Duration::ZERO);
    for _ in 0..3 {
        (&ends.client).write_all(b"still here").unwrap();
        read_of(&ends.peer, 10).await;
        (&ends.peer).write_all(b"so am I").unwrap();
        read_of(&ends.client, 7).await;
    }
    ends.client.shutdown(Shutdown::Write).unwrap();
    let error = ends.carried.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
}

#[tokio::test]
async fn who_is_not_read_is_not_taken_for_silent() {
    let link = Link::new(0, Bandwidth::kilobits(800).map(Allowance::new));
    link.count(StdInstant::now(), Direction::Down, 200_000);
    let ends = joined_by(Duration::ZERO, link.clone());
    (&ends.peer).write_all(b"late").unwrap();
    ends.client.shutdown(Shutdown::Write).unwrap();
    let error = ends.carried.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert_eq!(link.take_carried(), 200_000 + 4);
}

async fn read_of(stream: &Plain, len: usize) {
    stream.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(stream.try_clone().unwrap()).unwrap();
    let mut read = vec![0; len];
    (stream.read_exact(&mut read)).await.unwrap();
}

#[tokio::test]
async fn what_is_cut_off_does_not_look_complete_however_that_comes() {
    let ends: [fn(&Ends); 2] = [|ends| ends.cancel.cancel(), |ends| ends.carried.abort()];
    for end in ends {
        let ends = joined();
        // It has begun when something has come through.
        (&ends.client).write_all(b"half").unwrap();
        ends.peer.set_nonblocking(true).unwrap();
        let peer = TcpStream::from_std(ends.peer.try_clone().unwrap()).unwrap();
        peer.readable().await.unwrap();
        end(&ends);
        let _ = ends.carried.await;
        ends.peer.set_nonblocking(false).unwrap();
        assert!(is_reset(rest(&ends.client)) && is_reset(rest(&ends.peer)));
    }
}

#[tokio::test]
async fn who_was_told_the_end_is_left_with_all_of_it() {
    let ends = joined();
    (&ends.client).write_all(b"all").unwrap();
    ends.client.shutdown(Shutdown::Write).unwrap();
    let all = rest_of(&ends.peer).await;
    ends.cancel.cancel();
    let _ = ends.carried.await;
    ends.peer.set_nonblocking(false).unwrap();
    assert_eq!(
        (&all[..], &rest(&ends.peer).unwrap()[..]),
        (&b"all"[..], &b""[..])
    );
    assert!(is_reset(rest(&ends.client)));
}

/// Nothing is read of it, and nothing to be written to it.
#[tokio::test]
async fn an_end_that_fails_is_noticed_whatever_is_waited_for() {
    let ends = joined();
    ends.client.shutdown(Shutdown::Write).unwrap();
    assert!(rest_of(&ends.peer).await.is_empty());
    SockRef::from(&ends.client)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(ends.client);
    let error = ends.carried.await.unwrap().unwrap_err();
    assert_ne!(error.kind(), ErrorKind::TimedOut);
}

async fn rest_of(stream: &Plain) -> Vec<u8> {
    stream.set_nonblocking(true).unwrap();
    let mut stream = TcpStream::from_std(stream.try_clone().unwrap()).unwrap();
    let mut rest = Vec::new();
    (stream.read_to_end(&mut rest)).await.unwrap();
    rest
}

#[test]
fn a_failure_is_none_of_its_ends() {
    let (link, now) = (Link::default(), StdInstant::now());
    let (mut source, mut sink) = (Lane::default(), Lane::default());
    source.is_broken = true;
    let mut pipe = Pipe::beginning_with(Direction::Up, Vec::new());
    assert!(pipe.step(&mut source, &mut sink, &link, now).is_err());
    assert!(!sink.is_shut);
}

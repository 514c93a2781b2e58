//! What two connections that are joined carry between them, both ways: bytes as they are. Each way has one buffer, and is
//! read again when that is empty: who reads slowly is sent slowly. An end on one side is one on the other, and what
//! comes the other way goes on, unless nothing does for long; a failure is one on both, and so is whatever else ends them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream as Plain};
use std::time::{Duration, Instant as StdInstant};

use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::bandwidth::Direction;
use super::connections::Link;
use crate::media::net::tcp::Detached;
use crate::media::net::tls::TlsSession;

/// What one way holds at most, besides the kernel.
pub const BUFFER: usize = 16 * 1024;

/// What the kernel keeps of one connection, each way: by itself it takes megabytes for a slow reader.
pub const SOCKET_BUFFER: usize = 256 << 10;

/// How long nothing may come where one way has ended: whoever has said its last word is not waited for without end.
pub const LAST_SILENCE: Duration = Duration::from_secs(60);

/// How long an end is silent before it is asked whether it is still there, and how often it is asked then.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(15));

/// How long an end may take nothing of what it is sent, or say nothing when it is asked.
pub const GONE: Duration = Duration::from_secs(300);

/// Buffers that are carried before others get their turn.
const AT_ONCE: usize = 16;

/// One end of a joined connection, which blocks nobody: what it cannot do now fails with
/// [`WouldBlock`](ErrorKind::WouldBlock).
trait Carrier {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize>;

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Sends what it has taken.
    fn flush(&mut self) -> io::Result<()>;

    /// Says that nothing more comes.
    fn shut(&mut self) -> io::Result<()>;
}

/// A connection, with TLS or without.
struct End {
    stream: TcpStream,
    tls: Option<TlsSession>,
    /// It has taken what it has not sent.
    is_unsent: bool,
    has_said_end: bool,
}

/// A stream that is read and written as far as that goes.
struct Trying<'s>(&'s TcpStream);

impl Read for Trying<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(into)
    }
}

impl Write for Trying<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Carrier for End {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.tls {
            None => self.stream.try_read(into),
            Some(tls) => tls.read(&mut Trying(&self.stream), into),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return self.stream.try_write(bytes);
        };
        match tls.write(&mut Trying(&self.stream), std::iter::once(bytes))? {
            0 => Err(ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls {
            self.is_unsent = !tls.flush(&mut Trying(&self.stream))?;
        }
        match self.is_unsent {
            true => Err(ErrorKind::WouldBlock.into()),
            false => Ok(()),
        }
    }

    fn shut(&mut self) -> io::Result<()> {
        if let Some(tls) = &mut self.tls
            && !self.has_said_end
        {
            tls.say_end();
            self.has_said_end = true;
        }
        self.flush()?;
        let socket = SockRef::from(&self.stream);
        // What it has not been sent yet, it gets.
        socket.set_linger(None)?;
        socket.shutdown(Shutdown::Write)
    }
}

impl End {
    /// Whoever is there is not to take what came for all there was, unless it was told the end: however it is let go
    /// before that, it is reset.
    fn new(stream: Plain, tls: Option<TlsSession>) -> io::Result<Self> {
        let socket = SockRef::from(&stream);
        socket.set_linger(Some(Duration::ZERO))?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE.0);
        socket.set_tcp_keepalive(&keepalive.with_interval(KEEPALIVE.1))?;
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(Some(GONE))?;
        Ok(Self {
            stream: TcpStream::from_std(stream)?,
            tls,
            is_unsent: false,
            has_said_end: false,
        })
    }

    /// Waits until it can be read, or written, or has failed.
    async fn wait(&self, is_read: bool, is_written: bool) -> io::Result<()> {
        let mut interest = Interest::ERROR;
        if is_read {
            interest |= Interest::READABLE;
        }
        if is_written || self.is_unsent {
            interest |= Interest::WRITABLE;
        }
        match self.stream.ready(interest).await?.is_error() {
            true => Err(match self.stream.take_error()? {
                Some(error) => error,
                None => ErrorKind::ConnectionReset.into(),
            }),
            false => Ok(()),
        }
    }

    /// Also where it was told the end of one way: the other has failed.
    fn abort(&self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

/// One way.
struct Pipe {
    direction: Direction,
    buffer: Vec<u8>,
    /// What of it is still to be written.
    from: usize,
    to: usize,
    /// What came before anybody asked whether it may be relayed, and waits for that.
    uncounted: usize,
    has_ended: bool,
    is_shut: bool,
}

impl Pipe {
    /// With something that is to be written first.
    fn beginning_with(direction: Direction, bytes: Vec<u8>) -> Self {
        let mut buffer = bytes;
        let to = buffer.len();
        buffer.resize(to.max(BUFFER), 0);
        Self {
            direction,
            buffer,
            from: 0,
            to,
            uncounted: 0,
            has_ended: false,
            is_shut: false,
        }
    }

    /// With something that is carried as what comes later is.
    fn carrying(direction: Direction, bytes: Vec<u8>) -> Self {
        Self {
            uncounted: bytes.len(),
            ..Self::beginning_with(direction, bytes)
        }
    }

    fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Whether it would read.
    fn reads(&self) -> bool {
        self.is_empty() && !self.has_ended
    }

    /// Until when it must not, though it would: who sends is sent no window, and waits.
    fn pause(&self, now: StdInstant, link: &Link) -> Option<StdInstant> {
        let is_asked = self.reads() || self.uncounted > 0;
        is_asked.then(|| link.pause(now, self.direction)).flatten()
    }

    /// Whether it would write, or say that it ends.
    fn writes(&self) -> bool {
        !self.is_empty() && self.uncounted == 0 || self.has_ended && !self.is_shut
    }

    /// Reads and writes once each, as far as that goes. Returns whether anything happened.
    fn step(
        &mut self,
        source: &mut impl Carrier,
        sink: &mut impl Carrier,
        link: &Link,
        now: StdInstant,
    ) -> io::Result<bool> {
        let mut has_moved = false;
        if self.uncounted > 0 && self.pause(now, link).is_none() {
            link.count(now, self.direction, self.uncounted);
            self.uncounted = 0;
        }
        if self.is_empty() && self.buffer.len() > BUFFER {
            // What was there before may have been more.
            self.buffer = vec![0; BUFFER];
        }
        if self.reads()
            && self.pause(now, link).is_none()
            && let Some(len) = unless_blocked(source.read(&mut self.buffer))?
        {
            link.count(now, self.direction, len);
            (self.from, self.to) = (0, len);
            self.has_ended = len == 0;
            has_moved = true;
        }
        if !self.is_empty()
            && self.uncounted == 0
            && let Some(len) = unless_blocked(sink.write(&self.buffer[self.from..self.to]))?
        {
            self.from += len;
            has_moved = true;
        }
        unless_blocked(sink.flush())?;
        if self.is_empty() && self.has_ended && !self.is_shut {
            self.is_shut = unless_blocked(sink.shut())?.is_some();
            has_moved |= self.is_shut;
        }
        Ok(has_moved)
    }
}

/// What is tried again when there is room, or something to read.
fn unless_blocked<T>(tried: io::Result<T>) -> io::Result<Option<T>> {
    match tried {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// Carries what comes, until both have ended, one fails, nothing comes for so long after one has ended, or it is
/// cancelled.
pub(super) async fn carry(
    client: Detached,
    peer: Plain,
    link: &Link,
    cancel: CancellationToken,
    last_silence: Duration,
) -> io::Result<()> {
    let now = || Instant::now().into_std();
    let mut up = Pipe::carrying(Direction::Up, client.arrived);
    let mut down = Pipe::beginning_with(Direction::Down, client.unsent);
    let mut client = End::new(client.stream, client.tls)?;
    let mut peer = End::new(peer, None)?;
    let carried = async {
        let mut moved = Instant::now();
        while !(up.is_shut && down.is_shut) {
            let mut turns = 0;
            while up.step(&mut client, &mut peer, link, now())?
                | down.step(&mut peer, &mut client, link, now())?
            {
                (turns, moved) = (turns + 1, Instant::now());
                if turns % AT_ONCE == 0 {
                    tokio::task::yield_now().await;
                }
            }
            if up.is_shut && down.is_shut {
                break;
            }
            let pauses = [&up, &down].map(|pipe| pipe.pause(now(), link));
            let [up_reads, down_reads] = [
                up.reads() && pauses[0].is_none(),
                down.reads() && pauses[1].is_none(),
            ];
            let next = pauses.into_iter().flatten().min();
            if next.is_some() {
                // Whoever is not read is not silent.
                moved = Instant::now();
            }
            let is_last = (up.is_shut || down.is_shut) && next.is_none();
            tokio::select! {
                ready = client.wait(up_reads, down.writes()) => ready?,
                ready = peer.wait(down_reads, up.writes()) => ready?,
                () = sleep_until(next.unwrap_or_else(now).into()), if next.is_some() => {}
                () = sleep_until(moved + last_silence), if is_last => {
                    return Err(ErrorKind::TimedOut.into());
                }
            }
        }
        Ok(())
    };
    let carried = cancel.run_until_cancelled(carried).await;
    if let Some(Err(error)) = carried {
        client.abort();
        peer.abort();
        return Err(error);
    }
    Ok(())
}

#[cfg(test)]
mod tests;

//! A connection to a TURN server, TCP or TLS: messages and channel data lie on it one behind the other (RFC 8656 §12.5).
//! It waits for nothing: what does not leave at once waits in a queue with an end.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::Instant;

use bytes::BytesMut;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::ClientConnection;

use super::account::Secure;
use crate::media::net::framing::{Deframer, Framing, SendQueue, TooLong};
use crate::media::net::tls::{Broken, TlsSession};

/// Read at once, and in one turn.
const BUFFER: usize = 16 * 1024;
const ROUNDS: usize = 16;

/// See the module.
pub struct Stream {
    stream: TcpStream,
    tls: Option<TlsSession>,
    deframer: Deframer,
    queue: SendQueue,
    buffer: Vec<u8>,
}

impl Stream {
    /// Begins to connect. What is sent before there is a connection waits.
    pub fn connect(
        server: SocketAddr,
        secure: Option<&Secure>,
        (registry, token): (&Registry, Token),
    ) -> io::Result<Self> {
        let tls = secure.map(|secure| {
            let session = ClientConnection::new(secure.config.clone(), secure.name.clone());
            session.map(TlsSession::new).map_err(io::Error::other)
        });
        let tls = tls.transpose()?;
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let mut queue = SendQueue::default();
        queue.frame_by(Framing::Stun);
        Ok(Self {
            stream,
            tls,
            deframer: Deframer::of_a_server(),
            queue,
            buffer: vec![0; BUFFER],
        })
    }

    /// Reads, but not for ever, and gives out what is whole. Returns whether there may be more.
    pub fn read(&mut self, mut give: impl FnMut(&[u8])) -> Result<bool, Broken> {
        for _ in 0..ROUNDS {
            let arrived = match self.stream.read(&mut self.buffer) {
                Ok(len @ 1..) => len,
                Err(error) if is_for_later(&error) => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Ok(_) | Err(_) => return Err(Broken),
            };
            let (bytes, deframer) = (&self.buffer[..arrived], &mut self.deframer);
            let mut cut = |bytes: &[u8]| deframer.push(bytes, &mut give).map_err(|TooLong| Broken);
            match &mut self.tls {
                None => cut(bytes)?,
                Some(tls) => tls.open(bytes, cut)?,
            }
        }
        Ok(true)
    }

    /// Sends a message, with others of this turn: by [`Self::flush`]. Returns whether there was room. There always is for a
    /// request, which is sent once; no more are under way than [`MAX_REQUESTS`](super::allocation::MAX_REQUESTS).
    pub fn push(&mut self, data: BytesMut, expires: Instant) -> bool {
        if is_request(&data) {
            self.queue.push_anyway(data);
            return true;
        }
        self.queue.push(data, Some(expires))
    }

    /// Writes what waits, as much as the system takes.
    pub fn flush(&mut self, now: Instant) -> Result<(), Broken> {
        match self.write(now) {
            Ok(()) => Ok(()),
            Err(error) if is_for_later(&error) => Ok(()),
            Err(_) => Err(Broken),
        }
    }

    fn write(&mut self, now: Instant) -> io::Result<()> {
        let (stream, tls) = (&mut self.stream, &mut self.tls);
        // What was sealed before waits in no queue. During the handshake that is all there is.
        if let Some(tls) = tls
            && (!tls.flush(stream)? || tls.is_handshaking())
        {
            return Ok(());
        }
        self.queue.flush(now, |bytes| {
            let written = match tls {
                None => stream.write(bytes),
                Some(tls) => tls.write(stream, Framing::Stun.pieces(bytes)),
            };
            match written {
                Err(error) if is_for_later(&error) => Ok(0),
                Err(error) if error.kind() == ErrorKind::Interrupted => Ok(0),
                written => written,
            }
        })
    }

    /// Ends it.
    pub fn close(mut self, registry: &Registry) {
        if let Some(tls) = &mut self.tls {
            tls.close(&mut self.stream);
        }
        // Dropping the stream closes it, registered or not.
        let _ = registry.deregister(&mut self.stream);
    }
}

/// There is no connection yet, or nothing there, or no room.
fn is_for_later(error: &io::Error) -> bool {
    [ErrorKind::WouldBlock, ErrorKind::NotConnected].contains(&error.kind())
}

/// RFC 8489 §5: two bits that are zero, and a class that is, too.
fn is_request(data: &[u8]) -> bool {
    let first = data.first_chunk().map(|first| u16::from_be_bytes(*first));
    first.is_some_and(|first| first & 0xc110 == 0)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream as Peer};
    use std::time::Duration;

    use mio::{Events, Poll};

    use super::*;

    /// A connection, and its other end.
    fn connected() -> (Poll, Stream, Peer) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let poll = Poll::new().unwrap();
        let at = (poll.registry(), Token(1));
        let stream = Stream::connect(listener.local_addr().unwrap(), None, at).unwrap();
        let (peer, _) = listener.accept().unwrap();
        (poll, stream, peer)
    }

    fn channel(len: u16) -> Vec<u8> {
        let padded = usize::from(len).next_multiple_of(4);
        [&[0x40, 0][..], &len.to_be_bytes(), &vec![7; padded]].concat()
    }

    #[test]
    fn a_datagram_of_a_strangers_that_is_too_long_does_not_end_it() {
        let (mut poll, mut stream, mut peer) = connected();
        for len in [2049, 65_535, 5] {
            peer.write_all(&channel(len)).unwrap();
        }
        let (mut events, mut frames) = (Events::with_capacity(8), Vec::new());
        while frames.is_empty() {
            poll.poll(&mut events, None).unwrap();
            while stream.read(|frame| frames.push(frame.to_vec())).unwrap() {}
        }
        assert_eq!(frames, [&channel(5)[..9]]);
    }

    #[test]
    fn a_request_is_sent_though_much_waits_and_what_is_old_is_not() {
        let (_poll, mut stream, mut peer) = connected();
        let now = Instant::now();
        let soon = now + Duration::from_millis(200);
        // Nobody reads it, and the system takes so much.
        let mut pushed = 0;
        for frame in [channel(1000), channel(0)] {
            while stream.push(BytesMut::from(&frame[..]), soon) {
                pushed += frame.len();
                stream.flush(now).unwrap();
            }
        }
        let request = [&[0, 8, 0, 0, 0x21, 0x12, 0xa4, 0x42][..], &[1; 12]].concat();
        assert!(stream.push(BytesMut::from(&request[..]), soon));
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            peer.read_to_end(&mut all).map(|_| all)
        });
        while stream.queue.queued() > 0 {
            stream.flush(soon).unwrap();
        }
        drop(stream);
        let all = reader.join().unwrap().unwrap();
        assert!(all.ends_with(&request) && all.len() < pushed);
    }
}

//! A WebSocket that holds memory only while something is on its way. tungstenite has the rules
//! (RFC 6455); but its buffers stay as large as the largest message was, and a session is quiet for
//! nearly all of its life. So its part is given whole frames, and made anew after each message.
//!
//! It owns bytes: those that came and are no whole frame yet, those that wait to leave. It knows
//! nothing of what messages say.

use std::future::poll_fn;
use std::io::{self, Cursor, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Poll, ready};

use bytes::{Buf as _, BytesMut};
use ferrite_protocol::limits::MAX_SERVER_MESSAGE_BYTES;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use super::READ_LIMIT;

/// Bytes read at a time.
const READ_SIZE: usize = 4096;

/// The server's end of a WebSocket.
#[derive(Debug)]
pub(super) struct WebSocket<S = TokioIo<Upgraded>> {
    stream: S,
    incoming: BytesMut,
    outgoing: BytesMut,
    /// The rules' state, where it is not that of the beginning.
    rules: Option<Box<WebSocketContext>>,
    /// A message has begun, and its last fragment has not come.
    is_fragmented: bool,
    /// No message comes any more.
    is_over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// On a stream whose handshake is done.
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
            rules: None,
            is_fragmented: false,
            is_over: false,
        }
    }

    /// Waits for the next message. Pings and close frames are answered on the way. `None` when
    /// nothing more comes. May be cancelled: nothing is lost.
    pub(super) async fn recv(&mut self) -> Option<Result<Message, Error>> {
        loop {
            if let Err(error) = self.flush().await {
                return Some(Err(error.into()));
            }
            if self.is_over {
                return None;
            }
            match self.take() {
                Ok(None) => match self.read().await {
                    Ok(0) => return None,
                    Ok(_) => {}
                    Err(error) => return Some(Err(error.into())),
                },
                Ok(Some(message)) => return Some(Ok(message)),
                // What was to be answered is flushed first.
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => self.is_over = true,
                Err(error) => {
                    // Where the next frame begins is not known.
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
    }

    /// Makes a message ready to be sent by [`Self::flush`].
    pub(super) fn feed(&mut self, message: Message) -> Result<(), Error> {
        self.follow(&[], |rules, exchange| rules.write(exchange, message))
    }

    /// How many bytes are ready to be sent.
    pub(super) fn waiting(&self) -> usize {
        self.outgoing.len()
    }

    /// Sends what is ready. May be cancelled: the rest is sent next time.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.outgoing.is_empty() {
            return Ok(());
        }
        let Self {
            stream, outgoing, ..
        } = self;
        poll_fn(|context| {
            let mut stream = Pin::new(&mut *stream);
            while !outgoing.is_empty() {
                match ready!(stream.as_mut().poll_write(context, outgoing))? {
                    0 => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                    written => outgoing.advance(written),
                }
            }
            *outgoing = BytesMut::new();
            stream.poll_flush(context)
        })
        .await
    }

    /// Waits for bytes. The buffer is on the stack, so that whoever waits holds none.
    async fn read(&mut self) -> io::Result<usize> {
        let Self {
            stream, incoming, ..
        } = self;
        poll_fn(|context| {
            let mut space = [MaybeUninit::uninit(); READ_SIZE];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
            incoming.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
        .await
    }

    /// Takes a message out of what came, if there is one.
    fn take(&mut self) -> Result<Option<Message>, Error> {
        while let Some((header, length)) = first_frame(&self.incoming)? {
            if let OpCode::Data(_) = header.opcode {
                self.is_fragmented = !header.is_final;
            }
            let frame = self.incoming.split_to(length);
            if self.incoming.is_empty() {
                self.incoming = BytesMut::new();
            }
            let message = self.follow(&frame, read_frame)?;
            if message.is_some() {
                return Ok(message);
            }
        }
        Ok(None)
    }

    /// Does what the rules say of a frame, or of a message to send.
    fn follow<T>(
        &mut self,
        frame: &[u8],
        step: impl FnOnce(&mut WebSocketContext, &mut Exchange<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut rules = self.rules.take().unwrap_or_else(first_rules);
        let mut exchange = Exchange {
            incoming: frame,
            outgoing: &mut self.outgoing,
        };
        let done = step(&mut rules, &mut exchange);
        if let Err(Error::ConnectionClosed) = rules.flush(&mut exchange) {
            self.is_over = true;
        }
        if self.is_fragmented || !rules.can_write() {
            self.rules = Some(rules);
        }
        done
    }
}

fn first_rules() -> Box<WebSocketContext> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(READ_LIMIT))
        .max_frame_size(Some(READ_LIMIT))
        .read_buffer_size(READ_SIZE)
        .write_buffer_size(0)
        .max_write_buffer_size(MAX_SERVER_MESSAGE_BYTES);
    Box::new(WebSocketContext::new(Role::Server, Some(config)))
}

/// The header of the first frame, and the frame's length, once all of it is there. Of a frame that is
/// too long, the header is enough for the rules to refuse it.
fn first_frame(incoming: &[u8]) -> Result<Option<(FrameHeader, usize)>, Error> {
    let mut cursor = Cursor::new(incoming);
    let Some((header, payload)) = FrameHeader::parse(&mut cursor)? else {
        return Ok(None);
    };
    let head = cursor.position() as usize;
    let length = match usize::try_from(payload) {
        Ok(payload) if payload <= READ_LIMIT => head + payload,
        _ => head,
    };
    Ok((length <= incoming.len()).then_some((header, length)))
}

/// Has the rules read a frame. `None` if it does not end a message.
fn read_frame(
    rules: &mut WebSocketContext,
    exchange: &mut Exchange<'_>,
) -> Result<Option<Message>, Error> {
    match rules.read(exchange) {
        Ok(message) => Ok(Some(message)),
        Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

/// What tungstenite takes for its stream.
struct Exchange<'a> {
    incoming: &'a [u8],
    outgoing: &'a mut BytesMut,
}

impl Read for Exchange<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.incoming.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.incoming.read(buffer)
    }
}

impl Write for Exchange<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tungstenite::protocol::frame::coding::{CloseCode, Data};
    use tungstenite::protocol::frame::{CloseFrame, Frame};
    use tungstenite::{Bytes, WebSocket as Client};

    use super::*;

    /// A client whose bytes are cut as a test likes.
    struct Bench {
        server: WebSocket<DuplexStream>,
        wire: DuplexStream,
    }

    impl Bench {
        fn new() -> Self {
            let (ours, wire) = duplex(1 << 20);
            Self {
                server: WebSocket::new(ours),
                wire,
            }
        }

        async fn send(&mut self, bytes: &[u8]) {
            self.wire.write_all(bytes).await.unwrap();
        }

        async fn text(&mut self) -> String {
            let message = self.server.recv().await.unwrap().unwrap();
            message.into_text().unwrap().as_str().to_owned()
        }

        /// Lets the server take in what came, up to where it would wait.
        async fn settle(&mut self) {
            tokio::select! {
                biased;
                message = self.server.recv() => panic!("{message:?}"),
                () = std::future::ready(()) => {}
            }
        }

        async fn said(&mut self, length: usize) -> Vec<u8> {
            let mut bytes = vec![0; length];
            self.wire.read_exact(&mut bytes).await.unwrap();
            bytes
        }

        fn holds(&self) -> usize {
            let rules = self.server.rules.iter().count();
            self.server.incoming.capacity() + self.server.outgoing.capacity() + rules
        }
    }

    /// As a client puts it on the wire.
    fn masked(frame: Frame) -> Vec<u8> {
        let mut client = Client::from_raw_socket(Cursor::new(Vec::new()), Role::Client, None);
        client.send(Message::Frame(frame)).unwrap();
        client.into_inner().into_inner()
    }

    fn data(text: &str, opcode: Data, is_last: bool) -> Vec<u8> {
        let payload = Bytes::copy_from_slice(text.as_bytes());
        masked(Frame::message(payload, OpCode::Data(opcode), is_last))
    }

    #[tokio::test]
    async fn a_message_that_comes_byte_by_byte_is_whole_and_leaves_no_memory_behind() {
        let mut bench = Bench::new();
        let long = "x".repeat(70_000);
        let bytes = data(&long, Data::Text, true);
        let (last, most) = bytes.split_last().unwrap();
        for byte in &most[..20] {
            bench.send(&[*byte]).await;
            bench.settle().await;
        }
        bench.send(&most[20..]).await;
        bench.settle().await;
        bench.send(&[*last]).await;
        assert_eq!(bench.text().await, long);
        bench.server.feed(Message::text(long)).unwrap();
        bench.server.flush().await.unwrap();
        assert_eq!(bench.holds(), 0);
    }

    #[tokio::test]
    async fn fragments_are_one_message_with_a_ping_between_them() {
        let mut bench = Bench::new();
        bench.send(&data("one ", Data::Text, false)).await;
        bench.send(&masked(Frame::ping("?"))).await;
        bench.send(&data("two ", Data::Continue, false)).await;
        let ping = bench.server.recv().await.unwrap().unwrap();
        assert_eq!(ping, Message::Ping("?".into()));
        bench.settle().await;
        bench.server.feed(Message::text("between")).unwrap();
        bench.send(&data("three", Data::Continue, true)).await;
        assert_eq!(bench.text().await, "one two three");
        assert_eq!(bench.said(3 + 9).await, b"\x8a\x01?\x81\x07between");
        assert_eq!(bench.holds(), 0);
        bench.send(&data("again", Data::Text, true)).await;
        assert_eq!(bench.text().await, "again");
    }

    #[tokio::test]
    async fn two_messages_that_come_together_are_two() {
        let mut bench = Bench::new();
        let mut both = data("one", Data::Text, true);
        both.extend(data("two", Data::Text, true));
        bench.send(&both).await;
        assert_eq!(bench.text().await, "one");
        assert_eq!(bench.text().await, "two");
        bench.settle().await;
    }

    #[tokio::test]
    async fn a_close_frame_is_answered_and_is_the_last_word() {
        let mut bench = Bench::new();
        let close = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        bench.send(&masked(Frame::close(Some(close.clone())))).await;
        bench.send(&data("too late", Data::Text, true)).await;
        let heard = bench.server.recv().await.unwrap().unwrap();
        assert_eq!(heard, Message::Close(Some(close)));
        assert!(bench.server.recv().await.is_none());
        assert_eq!(bench.said(4).await, b"\x88\x02\x03\xe8");
        assert!(bench.server.feed(Message::text("too late")).is_err());
    }

    #[tokio::test]
    async fn after_our_own_close_frame_nothing_is_sent_and_the_answer_is_the_end() {
        let mut bench = Bench::new();
        bench.server.feed(Message::Close(None)).unwrap();
        assert!(bench.server.feed(Message::text("too late")).is_err());
        bench.send(&data("crossing", Data::Text, true)).await;
        bench.send(&masked(Frame::close(None))).await;
        assert_eq!(bench.text().await, "crossing");
        let heard = bench.server.recv().await.unwrap().unwrap();
        assert_eq!(heard, Message::Close(None));
        assert!(bench.server.recv().await.is_none());
        assert_eq!(bench.said(2).await, b"\x88\x00");
    }

    #[tokio::test]
    async fn what_breaks_the_rules_is_an_error_and_the_end_of_hearing() {
        let too_long = [0x81, 0xff, 0, 0, 0, 0, 0, 8, 0, 1, 0, 0, 0, 0];
        let unmasked = [0x81, 0x01, b'x'];
        let reserved_bit = [0xc1, 0x80, 0, 0, 0, 0];
        let unknown = [0x83, 0x80, 0, 0, 0, 0];
        let nothing_to_continue = data("x", Data::Continue, true);
        let long_ping = masked(Frame::ping(vec![0; 126]));
        let not_text = masked(Frame::message(&b"\xff"[..], OpCode::Data(Data::Text), true));
        for bytes in [
            &too_long[..],
            &unmasked,
            &reserved_bit,
            &unknown,
            &nothing_to_continue,
            &long_ping,
            &not_text,
        ] {
            let mut bench = Bench::new();
            bench.send(bytes).await;
            let heard = bench.server.recv().await;
            assert!(matches!(heard, Some(Err(_))), "{bytes:?}: {heard:?}");
            assert!(bench.server.recv().await.is_none(), "{bytes:?}");
            bench.server.feed(Message::text("why")).unwrap();
        }
    }

    #[tokio::test]
    async fn fragments_have_the_limit_of_a_frame() {
        let mut bench = Bench::new();
        let part = "x".repeat(READ_LIMIT / 2);
        bench.send(&data(&part, Data::Text, false)).await;
        bench.settle().await;
        bench.send(&data(&part, Data::Continue, false)).await;
        bench.settle().await;
        bench.send(&data("x", Data::Continue, false)).await;
        let heard = bench.server.recv().await;
        assert!(matches!(heard, Some(Err(Error::Capacity(_)))), "{heard:?}");
    }

    #[tokio::test]
    async fn a_stream_that_ends_is_the_end() {
        let Bench { mut server, wire } = Bench::new();
        drop(wire);
        assert!(server.recv().await.is_none());
    }
}

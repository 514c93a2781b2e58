//! A WebSocket that holds next to no memory while nothing is on its way. The library's buffers stay as large as the
//! longest message was, also through hours in which nothing but pings comes: between two messages it is begun anew.
//! It knows nothing of what messages say, nor of how many there may be.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tungstenite::Message;
use tungstenite::error::{Error, Result};
use tungstenite::protocol::{Role, WebSocketConfig};

use super::metered::Metered;

/// What is read at a time, and allocated at once.
const READ_BUFFER: usize = 1024;

/// Messages up to this long are not worth it.
const KEPT: usize = 2 * READ_BUFFER;

/// The server's end of one.
#[derive(Debug)]
pub(super) struct WebSocket<S> {
    /// It is gone only while it is begun anew.
    stream: Option<WebSocketStream<Metered<S>>>,
    config: WebSocketConfig,
    /// What was written and not flushed, in bytes.
    unflushed: usize,
    /// The most that a buffer held since it was begun.
    most: usize,
    /// One end has said its last word, or broke a rule: that is not to be forgotten.
    is_over: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    /// One whose handshake is done.
    pub(super) async fn new(connection: Metered<S>, config: WebSocketConfig) -> Self {
        let config = config.read_buffer_size(READ_BUFFER);
        Self {
            stream: Some(begin(connection, config).await),
            config,
            unflushed: 0,
            most: 0,
            is_over: false,
        }
    }

    /// What lies below it.
    pub(super) fn connection(&self) -> Option<&Metered<S>> {
        Some(self.stream.as_ref()?.get_ref())
    }

    /// What lies below it.
    pub(super) fn connection_mut(&mut self) -> Option<&mut Metered<S>> {
        Some(self.stream.as_mut()?.get_mut())
    }

    /// The next message. May be cancelled: nothing is lost.
    pub(super) async fn next(&mut self) -> Option<Result<Message>> {
        let next = self.stream.as_mut()?.next().await;
        match &next {
            Some(Ok(message)) => {
                self.most = self.most.max(message.len());
                self.is_over |= message.is_close();
                if let Some(connection) = self.connection_mut() {
                    connection.take(least_on_the_wire(message));
                }
            }
            Some(Err(_)) | None => self.is_over = true,
        }
        next
    }

    /// Writes a message, which leaves when this is flushed, or when it is much.
    pub(super) async fn feed(&mut self, message: Message) -> Result<()> {
        self.is_over |= message.is_close();
        self.unflushed += message.len();
        self.most = self.most.max(self.unflushed);
        self.stream()?.feed(message).await
    }

    /// Sends what was written. If that is all there is, memory is given back.
    pub(super) async fn flush(&mut self) -> Result<()> {
        self.stream()?.flush().await?;
        self.unflushed = 0;
        let is_spent = self.connection().is_some_and(Metered::is_spent);
        if self.most > KEPT && is_spent && !self.is_over {
            self.begin_anew().await;
        }
        Ok(())
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, message: Message) -> Result<()> {
        self.feed(message).await?;
        self.flush().await
    }

    /// All that came was read, and all that was written is sent. There is nothing to wait for in it, so nobody cancels it.
    async fn begin_anew(&mut self) {
        if let Some(stream) = self.stream.take() {
            self.stream = Some(begin(stream.into_inner(), self.config).await);
            self.most = 0;
        }
    }

    fn stream(&mut self) -> Result<&mut WebSocketStream<Metered<S>>> {
        self.stream.as_mut().ok_or(Error::AlreadyClosed)
    }
}

async fn begin<S>(connection: Metered<S>, config: WebSocketConfig) -> WebSocketStream<Metered<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    WebSocketStream::from_raw_socket(connection, Role::Server, Some(config)).await
}

/// What a client's message took, where it came in the fewest bytes that it can (RFC 6455 §5.2): in one frame, with the
/// shortest length, and a mask. Of one that took more some count as not read for ever, and that is all.
fn least_on_the_wire(message: &Message) -> usize {
    const MASK: usize = 4;
    let header = match message.len() {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    };
    header + MASK + message.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::runtime::Builder;
    use tokio::sync::Semaphore;
    use tungstenite::protocol::frame::coding::{Data, OpCode};
    use tungstenite::protocol::frame::{Frame, FrameHeader};

    use super::*;

    const LONG: usize = 20_000;

    async fn server() -> (WebSocket<DuplexStream>, DuplexStream) {
        let (mut near, mut far) = duplex(1 << 20);
        // What lies between has all its memory from now on.
        let mut long = [0; 2 * LONG];
        near.write_all(&long).await.unwrap();
        far.write_all(&long).await.unwrap();
        far.read_exact(&mut long).await.unwrap();
        near.read_exact(&mut long).await.unwrap();
        let metered = Metered::new(near, Arc::new(Semaphore::new(1)));
        (
            WebSocket::new(metered, WebSocketConfig::default()).await,
            far,
        )
    }

    /// A client's frame as bytes.
    fn frame(payload: &[u8], code: Data, is_final: bool) -> Vec<u8> {
        let mut frame = Frame::message(payload.to_vec(), OpCode::Data(code), is_final);
        *frame.header_mut() = FrameHeader {
            mask: Some([1, 2, 3, 4]),
            ..frame.header().clone()
        };
        let mut bytes = Vec::new();
        frame.format(&mut bytes).unwrap();
        bytes
    }

    async fn hear(server: &mut WebSocket<DuplexStream>) -> String {
        let message = server.next().await.unwrap().unwrap();
        message.into_text().unwrap().to_string()
    }

    /// What it keeps after a long answer to what came.
    async fn kept(after: &[&[u8]]) -> (usize, WebSocket<DuplexStream>, DuplexStream) {
        let (mut server, mut far) = server().await;
        for bytes in after {
            far.write_all(bytes).await.unwrap();
        }
        hear(&mut server).await;
        let answer = Message::text("x".repeat(LONG));
        server.send(answer).await.unwrap();
        (server.most, server, far)
    }

    #[test]
    fn nothing_is_kept_between_two_messages() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let (mut server, mut far) = runtime.block_on(server());
        let long = "y".repeat(LONG);
        let counted = allocation_counter::measure(|| {
            runtime.block_on(async {
                for word in [&long[..], "short", &long[..]] {
                    far.write_all(&frame(word.as_bytes(), Data::Text, true))
                        .await
                        .unwrap();
                    assert_eq!(hear(&mut server).await, word);
                    server.send(Message::text(word)).await.unwrap();
                    let mut answer = vec![0; word.len()];
                    far.read_exact(&mut answer).await.unwrap();
                }
            });
        });
        let kept = counted.bytes_current;
        assert!(kept <= KEPT as i64, "{kept} bytes more than at first");
    }

    #[tokio::test]
    async fn what_came_and_was_not_read_is_not_lost() {
        let (first, second) = (
            frame(b"first", Data::Text, true),
            frame(b"second", Data::Text, true),
        );
        for cut in 0..second.len() {
            let (begins, goes_on) = second.split_at(cut);
            let (kept, mut server, mut far) = kept(&[&first, begins]).await;
            assert_eq!(kept > 0, cut > 0, "{cut} bytes are there");
            far.write_all(goes_on).await.unwrap();
            assert_eq!(hear(&mut server).await, "second");
        }
    }

    #[tokio::test]
    async fn a_message_in_parts_goes_on_after_another() {
        let ping = {
            let mut bytes = frame(b"", Data::Text, true);
            bytes[0] = 0x89;
            bytes
        };
        let (kept, mut server, mut far) = kept(&[
            &frame(b"first", Data::Text, true),
            &frame(b"in ", Data::Text, false),
            &ping,
        ])
        .await;
        assert!(kept > 0);
        assert!(server.next().await.unwrap().unwrap().is_ping());
        server.send(Message::text("x".repeat(LONG))).await.unwrap();
        far.write_all(&frame(b"parts", Data::Continue, true))
            .await
            .unwrap();
        assert_eq!(hear(&mut server).await, "in parts");
    }

    #[tokio::test]
    async fn what_is_over_stays_over() {
        let (mut server, mut far) = server().await;
        far.write_all(&frame(b"first", Data::Text, true))
            .await
            .unwrap();
        hear(&mut server).await;
        server.feed(Message::text("x".repeat(LONG))).await.unwrap();
        server.send(Message::Close(None)).await.unwrap();
        assert!(server.send(Message::text("more")).await.is_err());
    }
}

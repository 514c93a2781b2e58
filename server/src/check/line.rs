//! What a server of STUN or TURN is spoken to over: datagrams, or a stream, on which messages and channel data lie one
//! behind the other (RFC 8656 §12.5).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::asking::{Asker, Failure, PATIENCE, Question};
use crate::media::net::stun::HEADER;

/// A stream of any kind.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// See the module.
pub(super) enum Line {
    Datagrams(Asker),
    Stream(Box<dyn Wire>, BytesMut),
}

impl Line {
    /// To a server, over UDP.
    pub(super) async fn datagrams(server: SocketAddr) -> Result<Self, Failure> {
        Ok(Self::Datagrams(Asker::new(server).await?))
    }

    /// Over a connection.
    pub(super) fn stream(stream: impl Wire + 'static) -> Self {
        Self::Stream(Box::new(stream), BytesMut::new())
    }

    /// Asks until it is answered; over a stream, once.
    pub(super) async fn ask(&mut self, question: &Question) -> Result<Vec<u8>, Failure> {
        if let Self::Datagrams(asker) = self {
            return asker.ask(question).await;
        }
        self.send(&question.bytes).await?;
        let is_answer = |message: &[u8]| question.is_answered_by(message);
        let answer = self.hear(PATIENCE, is_answer).await?;
        answer.ok_or(Failure::Silent)
    }

    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), Failure> {
        let stream = match self {
            Self::Datagrams(asker) => return asker.send(message).await,
            Self::Stream(stream, _) => stream,
        };
        let sending = async {
            stream.write_all(message).await?;
            Ok(stream.flush().await?)
        };
        let sent = timeout(PATIENCE, sending).await;
        sent.map_err(|_| Failure::Silent)?
    }

    /// The next message that is the one waited for, if it comes in time.
    pub(super) async fn hear(
        &mut self,
        wait: Duration,
        is_it: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let (stream, unread) = match self {
            Self::Datagrams(asker) => return asker.hear(wait, is_it).await,
            Self::Stream(stream, unread) => (stream, unread),
        };
        let hearing = async {
            loop {
                while let Some(message) = cut(unread) {
                    if is_it(&message) {
                        return Ok(message.to_vec());
                    }
                }
                // Whoever stops waiting loses nothing by this.
                if stream.read_buf(unread).await? == 0 {
                    return Err(Failure::Broken("it closed the connection".to_owned()));
                }
            }
        };
        timeout(wait, hearing).await.ok().transpose()
    }
}

/// Takes the first message out that is whole. None is longer than 64 KiB, and no more than one that is not waits.
fn cut(unread: &mut BytesMut) -> Option<BytesMut> {
    let [first, _, high, low] = unread.first_chunk()?;
    let body = usize::from(u16::from_be_bytes([*high, *low]));
    let length = match first {
        // ChannelData, which is padded on a stream.
        0x40..=0x7F => (4 + body).next_multiple_of(4),
        _ => HEADER + body,
    };
    (unread.len() >= length).then(|| unread.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asking::binding;

    #[tokio::test]
    async fn an_answer_is_found_in_a_stream_among_others_and_in_pieces() {
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let mut line = Line::stream(near);
        let (asked, other) = (binding(), binding());
        let channel_data = [0x40, 0, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0];
        let all = [&other.bytes[..], &channel_data, &asked.bytes].concat();
        let (first, rest) = all.split_at(other.bytes.len() + 3);
        far.write_all(first).await.unwrap();
        let is_it = |message: &[u8]| asked.is_answered_by(message);
        let heard = line.hear(Duration::from_millis(1), is_it).await;
        assert_eq!(heard, Ok(None));
        far.write_all(rest).await.unwrap();
        let heard = line.hear(PATIENCE, is_it).await;
        assert_eq!(heard, Ok(Some(asked.bytes.to_vec())));
        drop(far);
        let heard = line.hear(PATIENCE, is_it).await;
        assert!(matches!(heard, Err(Failure::Broken(_))), "{heard:?}");
    }
}

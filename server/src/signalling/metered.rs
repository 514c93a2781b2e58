//! How many bytes a connection may bring before its first message.
//!
//! Who has said nothing yet holds no place among the sessions, so it is to hold next to nothing else. A
//! longer first message, such as the offer of a client that says no `hello`, takes one of few places.
//! It knows nothing of frames: whoever does says when the first message came, and what came before it, and what of all
//! that came was taken.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What everybody may send for a first message, with its header.
pub(crate) const FIRST_MESSAGE_BYTES: usize = 4 * 1024;

/// Longer first messages that are read at a time.
pub(crate) const LONG_FIRST_MESSAGES: usize = 64;

/// How long one may take.
pub(crate) const LONG_FIRST_MESSAGE_TIME: Duration = Duration::from_secs(10);

/// The error of a connection that brings too much too early.
#[derive(Debug, Error)]
#[error("too many long first messages are being read: begin with a hello")]
pub(super) struct TooMuch;

/// A connection whose bytes are counted until its first message is there.
#[derive(Debug)]
pub(super) struct Metered<S> {
    stream: S,
    places: Arc<Semaphore>,
    allowance: Allowance,
    /// Bytes that came and were not taken.
    left: usize,
}

#[derive(Debug)]
enum Allowance {
    /// So many bytes more; then a place is needed.
    Free(usize),
    Long(
        Instant,
        #[expect(dead_code, reason = "held")] OwnedSemaphorePermit,
    ),
    Unlimited,
}

impl<S> Metered<S> {
    /// Long first messages share these places.
    pub(super) fn new(stream: S, places: Arc<Semaphore>) -> Self {
        Self {
            stream,
            places,
            allowance: Allowance::Free(FIRST_MESSAGE_BYTES),
            left: 0,
        }
    }

    /// So many bytes that came were taken.
    pub(super) fn take(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    /// Whether all that came was taken.
    pub(super) fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// What came was no message.
    pub(super) fn begin_again(&mut self) {
        match self.allowance {
            Allowance::Free(_) | Allowance::Long(..) => {
                self.allowance = Allowance::Free(FIRST_MESSAGE_BYTES);
            }
            Allowance::Unlimited => {}
        }
    }

    /// The first message is there.
    pub(super) fn lift(&mut self) {
        self.allowance = Allowance::Unlimited;
    }

    /// So many bytes were something else, and are kept no more.
    pub(super) fn refund(&mut self, bytes: usize) {
        if let Allowance::Free(left) = &mut self.allowance {
            *left = FIRST_MESSAGE_BYTES.min(left.saturating_add(bytes));
        }
    }

    /// When a long first message has to be there.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.allowance {
            Allowance::Long(since, _) => Some(since + LONG_FIRST_MESSAGE_TIME),
            Allowance::Free(_) | Allowance::Unlimited => None,
        }
    }

    fn admit(&mut self) -> io::Result<()> {
        if let Allowance::Free(0) = self.allowance {
            let place = self.places.clone().try_acquire_owned();
            let place = place.map_err(|_| io::Error::other(TooMuch))?;
            self.allowance = Allowance::Long(Instant::now(), place);
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) {
        self.left += bytes;
        if let Allowance::Free(left) = &mut self.allowance {
            *left = left.saturating_sub(bytes);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.admit()?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.count(buffer.filled().len() - before);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

//! Datagrams on a TCP stream, ICE's (RFC 4571) or TURN's (RFC 8656 §2.1): cutting them out, and queueing them
//! for a slow reader.
//!
//! Pure: bytes and times in, bytes out. The stream itself is the shard's.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;

use crate::media::net::budget::{Budget, Holding};
use crate::media::net::stun::{HEADER, Method};

/// The longest frame taken. Everything WebRTC sends fits into an Ethernet packet.
pub const MAX_FRAME: usize = 2048;

/// Bytes waiting in one queue, at most. More are dropped; they are no datagrams any network would keep.
pub const MAX_QUEUED: usize = 512 * 1024;
/// From here on the sender should hold back what can wait or be left out.
pub const CONGESTED_FROM: usize = 64 * 1024;
/// Down to here before it may go on.
pub const CONGESTED_UNTIL: usize = 16 * 1024;

const LENGTH: usize = 2;

/// How datagrams lie on a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// Each with its length before it.
    #[default]
    Rfc4571,
    /// STUN messages, which say how long they are, and channel data, which is padded to four bytes
    /// (RFC 8656 §12.5).
    Stun,
}

impl Framing {
    /// What a stream begins with says which it is. The first frame of ICE's is a check, no shorter than
    /// [`HEADER`]; the first message of TURN's is a request, whose type is less than that.
    fn of(first: [u8; LENGTH]) -> Self {
        match usize::from(u16::from_be_bytes(first)) < HEADER {
            true => Self::Stun,
            false => Self::Rfc4571,
        }
    }

    /// Of the frame that begins here, too long or not: what is before it, how long it is, and how long with its padding.
    fn measure(self, stream: &[u8]) -> Result<Option<(usize, usize, usize)>, TooLong> {
        let length = |at: usize| {
            let bytes = stream.get(at..at + LENGTH)?.try_into().ok()?;
            Some(usize::from(u16::from_be_bytes(bytes)))
        };
        let measured = match (self, stream.first()) {
            (Self::Rfc4571, _) => match length(0) {
                Some(length) => (LENGTH, length, length),
                None => return Ok(None),
            },
            (Self::Stun, Some(0..64)) => match length(2) {
                Some(length) => (0, HEADER + length, HEADER + length),
                None => return Ok(None),
            },
            (Self::Stun, Some(64..128)) => match length(2) {
                Some(length) => (0, 4 + length, (4 + length).next_multiple_of(4)),
                None => return Ok(None),
            },
            (Self::Stun, Some(_)) => return Err(TooLong),
            (Self::Stun, None) => return Ok(None),
        };
        Ok(Some(measured))
    }
}

impl Framing {
    /// What lies on a stream, frame by frame as it lies there. The last may be cut off.
    pub fn pieces(self, mut stream: &[u8]) -> impl Iterator<Item = &[u8]> {
        std::iter::from_fn(move || {
            let whole = match self.measure(stream) {
                Ok(Some((before, _, padded))) => before + padded,
                Ok(None) | Err(TooLong) => stream.len(),
            };
            let (piece, rest) = stream.split_at(whole.min(stream.len()));
            stream = rest;
            (!piece.is_empty()).then_some(piece)
        })
    }
}

/// A frame is longer than [`MAX_FRAME`]: the stream is not what it should be.
#[derive(Debug, PartialEq, Eq)]
pub struct TooLong;

/// Cuts frames out of a stream.
pub struct Deframer {
    /// Not known before the first bytes.
    framing: Option<Framing>,
    partial: Vec<u8>,
    /// What is too long is left out, and does not end the stream.
    skips: bool,
    /// How much of it is still to come.
    to_skip: usize,
    /// What follows a request to join the connection with another is cut when it has been answered: it may be no
    /// message any more.
    holds: bool,
    is_held: bool,
}

/// Of ICE's.
impl Default for Deframer {
    fn default() -> Self {
        Self::of(Framing::default())
    }
}

impl Deframer {
    /// For a stream of either, which its first bytes tell.
    pub fn for_any() -> Self {
        Self {
            framing: None,
            ..Self::of(Framing::default())
        }
    }

    /// For a stream of one of them.
    pub fn of(framing: Framing) -> Self {
        Self {
            framing: Some(framing),
            partial: Vec::new(),
            skips: false,
            to_skip: 0,
            holds: false,
            is_held: false,
        }
    }

    /// For what a TURN server sends, where others say how long it is: whoever sends datagrams to a relayed address.
    pub fn of_a_server() -> Self {
        Self {
            skips: true,
            ..Self::of(Framing::Stun)
        }
    }

    /// One that holds what follows a ConnectionBind request (RFC 6062 §4.3) until [told to go on](Self::go_on).
    #[must_use]
    pub fn holding(self) -> Self {
        Self {
            holds: true,
            ..self
        }
    }

    /// Whether it holds something, or would.
    pub fn is_held(&self) -> bool {
        self.is_held
    }

    /// What is held is cut with the next bytes.
    pub fn release(&mut self) {
        self.is_held = false;
    }

    /// What was not cut.
    pub fn into_rest(self) -> Vec<u8> {
        self.partial
    }

    /// How frames lie on the stream.
    pub fn framing(&self) -> Framing {
        self.framing.unwrap_or_default()
    }

    /// Takes the next bytes and gives every frame they complete.
    pub fn push(&mut self, bytes: &[u8], mut frame: impl FnMut(&[u8])) -> Result<(), TooLong> {
        let skipped = self.to_skip.min(bytes.len());
        self.to_skip -= skipped;
        self.partial.extend_from_slice(&bytes[skipped..]);
        if self.is_held {
            return Ok(());
        }
        let mut rest = &self.partial[..];
        let Some((first, _)) = rest.split_first_chunk::<LENGTH>() else {
            return Ok(());
        };
        let framing = *self.framing.get_or_insert_with(|| Framing::of(*first));
        while let Some((before, length, padded)) = framing.measure(rest)? {
            let (whole, is_too_long) = (before + padded, length > MAX_FRAME);
            if is_too_long && !self.skips {
                return Err(TooLong);
            }
            if is_too_long {
                let here = whole.min(rest.len());
                self.to_skip = whole - here;
                rest = &rest[here..];
                continue;
            }
            let Some((complete, after)) = rest.split_at_checked(whole) else {
                break;
            };
            frame(&complete[before..before + length]);
            rest = after;
            let joins = Method::ConnectionBind.request().0.to_be_bytes();
            if self.holds && framing == Framing::Stun && complete.starts_with(&joins) {
                self.is_held = true;
                break;
            }
        }
        let used = self.partial.len() - rest.len();
        self.partial.drain(..used);
        Ok(())
    }
}

struct Queued {
    data: BytesMut,
    /// After this the frame is of no use to anybody.
    expires: Option<Instant>,
}

/// Frames waiting for a stream that takes them when it can.
#[derive(Default)]
pub struct SendQueue {
    frames: VecDeque<Queued>,
    bytes: usize,
    /// How much of the first frame, its length included, was written.
    written: usize,
    congested: bool,
    framing: Framing,
    /// Where what waits is counted, if it is.
    holding: Option<Holding>,
}

impl SendQueue {
    /// A queue that counts in `budget`.
    pub fn within(budget: &Arc<Budget>) -> Self {
        Self {
            holding: Some(Holding::new(budget)),
            ..Self::default()
        }
    }

    /// How frames lie on the stream, which is told before the first.
    pub fn frame_by(&mut self, framing: Framing) {
        self.framing = framing;
    }

    /// What is written before each frame.
    fn before(&self) -> usize {
        match self.framing {
            Framing::Rfc4571 => LENGTH,
            Framing::Stun => 0,
        }
    }

    /// Queues a frame that there is to be room for: of those there are few, and each is short.
    pub fn push_anyway(&mut self, data: BytesMut) {
        self.bytes += data.len();
        self.frames.push_back(Queued {
            data,
            expires: None,
        });
        self.count();
    }

    /// Queues a frame. Returns whether there was room.
    pub fn push(&mut self, data: BytesMut, expires: Option<Instant>) -> bool {
        let room = self.bytes + data.len() <= self.limit() && data.len() <= usize::from(u16::MAX);
        if room {
            self.bytes += data.len();
            self.frames.push_back(Queued { data, expires });
            self.count();
        }
        room
    }

    /// Where memory is scarce no queue is longer than the one of a reader that is a little slow.
    fn limit(&self) -> usize {
        match &self.holding {
            Some(holding) if holding.is_scarce() => CONGESTED_FROM,
            Some(_) | None => MAX_QUEUED,
        }
    }

    fn count(&mut self) {
        if let Some(holding) = &mut self.holding {
            holding.set(self.bytes);
        }
    }

    /// Writes as much as `write` takes. `write` returns how many bytes it took, 0 for none.
    pub fn flush<E>(
        &mut self,
        now: Instant,
        write: impl FnMut(&[u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let result = self.write_frames(now, write);
        self.count();
        result
    }

    fn write_frames<E>(
        &mut self,
        now: Instant,
        mut write: impl FnMut(&[u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let mut batch = Vec::new();
        loop {
            self.drop_expired(now);
            self.fill(&mut batch);
            if batch.is_empty() {
                return Ok(());
            }
            let taken = write(&batch)?;
            self.advance(taken);
            if taken < batch.len() {
                return Ok(());
            }
        }
    }

    /// A frame of which a part was written must be completed, or the reader loses its place.
    fn drop_expired(&mut self, now: Instant) {
        let untouched = usize::from(self.written > 0);
        let mut at = 0;
        let bytes = &mut self.bytes;
        self.frames.retain(|frame| {
            at += 1;
            let keep = at <= untouched || frame.expires.is_none_or(|expires| now < expires);
            if !keep {
                *bytes -= frame.data.len();
            }
            keep
        });
    }

    /// Puts frames together, so that one write takes many.
    fn fill(&self, batch: &mut Vec<u8>) {
        batch.clear();
        for frame in &self.frames {
            if self.framing == Framing::Rfc4571 {
                batch.extend_from_slice(&(frame.data.len() as u16).to_be_bytes());
            }
            batch.extend_from_slice(&frame.data);
            if batch.len() >= 16 * 1024 {
                break;
            }
        }
        batch.drain(..self.written.min(batch.len()));
    }

    fn advance(&mut self, taken: usize) {
        self.written += taken;
        while let Some(frame) = self.frames.front()
            && self.written >= frame.data.len() + self.before()
        {
            self.written -= frame.data.len() + self.before();
            self.bytes -= frame.data.len();
            self.frames.pop_front();
        }
    }

    /// Bytes waiting.
    pub fn queued(&self) -> usize {
        self.bytes
    }

    /// Whether the reader is slow; with hysteresis, so that it does not flicker.
    pub fn is_congested(&mut self) -> bool {
        let limit = match self.congested {
            true => CONGESTED_UNTIL,
            false => CONGESTED_FROM,
        };
        self.congested = self.bytes > limit;
        self.congested
    }
}

#[cfg(test)]
mod tests;

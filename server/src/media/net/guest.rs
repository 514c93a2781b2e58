//! Somebody who is served on the media port besides the peers, on each shard's thread: a server of STUN and
//! TURN. The media plane knows no more of it than this.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use bytes::BytesMut;
use mio::event::Event;
use mio::{Registry, Token};

use crate::media::net::demux::is_guests;
use crate::media::net::outbox::Transmit;
use crate::media::net::path::FourTuple;
use crate::media::net::tcp::Detached;

/// Tokens from here on are the guest's, up to [`LAST_TOKEN`].
pub const FIRST_TOKEN: usize = usize::MAX / 2;

/// Its last.
pub const LAST_TOKEN: usize = usize::MAX - 16;

/// Whether a token is the guest's.
pub fn is_guests_token(token: Token) -> bool {
    (FIRST_TOKEN..=LAST_TOKEN).contains(&token.0)
}

/// The guest of one shard.
pub trait Guest: Send {
    /// Its shard's thread is about to start: where its sockets are polled, and where datagrams are counted that
    /// the kernel does not take.
    fn arrive(&mut self, registry: Registry, dropped: Arc<AtomicU64>);

    /// Takes a datagram that [is the guest's](crate::media::net::demux::is_guests). Returns what it holds for the
    /// peers here, and the path on which that comes.
    fn take<'a>(
        &mut self,
        now: Instant,
        path: &FourTuple,
        datagram: &'a [u8],
    ) -> Option<(FourTuple, &'a [u8])>;

    /// The next datagram that another shard's guest is to have: which, its path, and its bytes.
    fn poll_handed_over(&mut self) -> Option<(usize, FourTuple, BytesMut)>;

    /// Takes such a datagram. Returns the same as [`Self::take`].
    fn take_handed_over<'a>(
        &mut self,
        now: Instant,
        path: &FourTuple,
        datagram: &'a [u8],
    ) -> Option<(FourTuple, &'a [u8])>;

    /// The shard whose guest has the other end of a relayed path; `None` if nobody has.
    fn shard_of(&self, path: &FourTuple) -> Option<usize>;

    /// Takes what the peers send over a relayed path of this guest's.
    fn take_own(&mut self, now: Instant, transmit: &Transmit);

    /// Takes over connections that carry no datagrams any more, from whoever has them.
    fn take_over(&mut self, detach: &mut dyn FnMut(&FourTuple) -> Option<Detached>);

    /// A connection is no more.
    fn handle_closed(&mut self, path: &FourTuple);

    /// Takes note of an event of one of its tokens.
    fn note(&mut self, event: &Event);

    /// Reads its sockets, but not for ever. Returns how many datagrams there were.
    fn receive(&mut self, now: Instant) -> usize;

    /// Whether there may be more to read.
    fn has_unread(&self) -> bool;

    /// Sends what leaves by its own sockets.
    fn send(&mut self);

    /// The next datagrams that leave by the media port.
    fn poll_transmit(&mut self) -> Option<Transmit>;

    /// A connection that may stay.
    fn poll_introduction(&mut self) -> Option<FourTuple>;

    /// When [`Self::handle_timeout`] next has something to do.
    fn poll_timeout(&self) -> Option<Instant>;

    /// Lets time pass.
    fn handle_timeout(&mut self, now: Instant);

    /// How many relays it has.
    fn relays(&self) -> usize;

    /// After a panic: nothing that it holds can be trusted.
    fn start_over(&mut self);
}

/// A datagram and its path.
pub type Datagram<'a> = (FourTuple, &'a [u8]);

/// Gives the guest what is its, and the peers the rest, with what the guest unwraps for them.
pub fn for_peers<'a>(
    now: Instant,
    guest: &mut Option<Box<dyn Guest>>,
) -> impl FnMut(Datagram<'a>) -> Option<Datagram<'a>> {
    move |(path, datagram)| match guest {
        Some(guest) if is_guests(datagram) => guest.take(now, &path, datagram),
        Some(_) | None => Some((path, datagram)),
    }
}

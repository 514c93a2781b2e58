//! Peers that are named by a number, in four bytes instead of thirty-six (RFC 8656 §12). A number is one peer's until
//! the server has forgotten it for long.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::media::seeded::SeededMap;

/// Channels at a time. Who comes when there are so many is sent indications.
pub const MAX_CHANNELS: usize = 1024;

/// The first number (RFC 8656 §12).
const FIRST: u16 = 0x4000;

/// A channel lasts for 10 minutes, and its number is nobody else's for 5 more (RFC 8656 §12); and one.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(16 * 60);

struct Channel {
    peer: SocketAddr,
    /// What is sent may go by it.
    is_bound: bool,
    /// It was asked for.
    is_asked: bool,
    /// When the server was last asked for it.
    asked: Instant,
    /// Something was sent since it was last asked for.
    is_used: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Channels {
    by_peer: SeededMap<SocketAddr, u16>,
    channels: Vec<Option<Channel>>,
}

/// How something is sent to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By this channel.
    Channel(u16),
    /// By an indication, and a channel of this number is to be asked for.
    Asking(u16),
    /// By an indication.
    Indication,
}

impl Channels {
    /// How something is sent to a peer now.
    pub(super) fn way(&mut self, now: Instant, peer: SocketAddr) -> Way {
        let Some(number) = self.number(now, peer) else {
            return Way::Indication;
        };
        let Some(channel) = self.get_mut(number) else {
            return Way::Indication;
        };
        channel.is_used = true;
        match (channel.is_bound, channel.is_asked) {
            (true, _) => Way::Channel(number),
            (false, true) => Way::Indication,
            (false, false) => {
                channel.is_asked = true;
                channel.asked = now;
                Way::Asking(number)
            }
        }
    }

    fn number(&mut self, now: Instant, peer: SocketAddr) -> Option<u16> {
        if let Some(number) = self.by_peer.get(&peer) {
            return Some(*number);
        }
        if self.channels.len() == MAX_CHANNELS && self.by_peer.len() == MAX_CHANNELS {
            return None;
        }
        let free = self.channels.iter().position(Option::is_none);
        let at = free.unwrap_or(self.channels.len());
        let channel = Some(Channel {
            peer,
            is_bound: false,
            is_asked: false,
            asked: now,
            is_used: false,
        });
        match self.channels.get_mut(at) {
            Some(place) => *place = channel,
            None => self.channels.push(channel),
        }
        let number = FIRST + at as u16;
        self.by_peer.insert(peer, number);
        Some(number)
    }

    fn get_mut(&mut self, number: u16) -> Option<&mut Channel> {
        let at = usize::from(number.checked_sub(FIRST)?);
        self.channels.get_mut(at)?.as_mut()
    }

    /// Whose a number is.
    pub(super) fn peer(&self, number: u16) -> Option<SocketAddr> {
        let at = usize::from(number.checked_sub(FIRST)?);
        Some(self.channels.get(at)?.as_ref()?.peer)
    }

    /// The server bound it, or did not.
    pub(super) fn note(&mut self, number: u16, is_bound: bool) {
        if let Some(channel) = self.get_mut(number) {
            channel.is_bound = is_bound;
        }
    }

    /// It would lapse. Returns whose it is if that is to be asked for again: where it is in use.
    pub(super) fn renew(&mut self, now: Instant, number: u16) -> Renewal {
        let Some(channel) = self.get_mut(number) else {
            return Renewal::Over;
        };
        if std::mem::take(&mut channel.is_used) {
            channel.is_asked = true;
            channel.asked = now;
            return Renewal::Ask(channel.peer);
        }
        // It still lasts for what comes, and for a while for what is sent; then what is sent asks for it again.
        channel.is_bound = false;
        channel.is_asked = false;
        if now < channel.asked + FORGOTTEN_AFTER {
            return Renewal::Later;
        }
        let peer = channel.peer;
        self.by_peer.remove(&peer);
        if let Some(place) = self.channels.get_mut(usize::from(number - FIRST)) {
            *place = None;
        }
        Renewal::Over
    }
}

/// What becomes of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Renewal {
    /// It is to be asked for again.
    Ask(SocketAddr),
    /// It is looked at later.
    Later,
    /// It is no more.
    Over,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_so_many_channels_and_they_are_free_again() {
        let (start, mut channels) = (Instant::now(), Channels::default());
        let peer = |at: usize| SocketAddr::new([198, 51, (at >> 8) as u8, at as u8].into(), 7);
        for at in 0..MAX_CHANNELS {
            let way = channels.way(start, peer(at));
            assert_eq!(way, Way::Asking(FIRST + at as u16));
        }
        assert_eq!(channels.way(start, peer(MAX_CHANNELS)), Way::Indication);
        let used = channels.renew(start, FIRST + 5);
        assert_eq!(used, Renewal::Ask(peer(5)));
        let later = start + FORGOTTEN_AFTER;
        assert_eq!(channels.renew(later, FIRST + 5), Renewal::Over);
        let way = channels.way(later, peer(MAX_CHANNELS));
        assert_eq!(way, Way::Asking(FIRST + 5));
    }
}

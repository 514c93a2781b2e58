//! How much of the peer's data is held unread: what the peer is told that it may send, and what is taken of it.
//!
//! Begins small and grows while the peer makes use of it, so that what is promised to many peers is not far above what
//! they need. Where memory is scarce it is as small as at first. Knows lengths and the time; not packets.

use super::config::{INITIAL_WINDOW, RECEIVE_WINDOW};
use std::time::{Duration, Instant};

/// A peer that sends half a window's worth within this is given twice the window. Before the window is full: an end
/// that reads only while it can send, as this one does, and another like it would wait for each other.
const GROWTH_TIME: Duration = Duration::from_secs(1);

/// What may be taken beyond the window: what a sender may send to find out whether it has opened, and what was under
/// way when it became smaller.
const SLACK: usize = 64 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Window {
    size: usize,
    is_scarce: bool,
    /// Received and not read.
    held: usize,
    advertised: usize,
    read_since: usize,
    /// What came since when.
    arrived: usize,
    since: Option<Instant>,
}

impl Window {
    pub(super) fn new() -> Window {
        Window {
            size: INITIAL_WINDOW,
            is_scarce: false,
            held: 0,
            advertised: INITIAL_WINDOW,
            read_since: 0,
            arrived: 0,
            since: None,
        }
    }

    fn size(&self) -> usize {
        if self.is_scarce {
            INITIAL_WINDOW
        } else {
            self.size
        }
    }

    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// As the peer knows it.
    pub(super) fn advertised(&self) -> usize {
        self.advertised
    }

    /// Whether memory is scarce, for everybody.
    pub(super) fn set_scarce(&mut self, is_scarce: bool) {
        self.is_scarce = is_scarce;
    }

    /// As told last.
    pub(super) fn is_scarce(&self) -> bool {
        self.is_scarce
    }

    /// Whether there is room for `length` bytes more.
    pub(super) fn has_room(&self, length: usize) -> bool {
        self.held + length <= self.size() + SLACK
    }

    /// `length` bytes came and are held.
    pub(super) fn arrived(&mut self, now: Instant, length: usize) {
        self.held += length;
        if self.since.is_none_or(|since| now > since + GROWTH_TIME) {
            self.since = Some(now);
            self.arrived = 0;
        }
        self.arrived += length;
        if self.arrived >= self.size / 2 && !self.is_scarce {
            self.size = (2 * self.size).min(RECEIVE_WINDOW as usize);
            self.arrived = 0;
        }
    }

    /// `length` bytes were read.
    pub(super) fn read(&mut self, length: usize) {
        self.held = self.held.saturating_sub(length);
        self.read_since += length;
    }

    /// The window to tell, now that `held` bytes are known to be unread.
    pub(super) fn advertise(&mut self, held: usize) -> usize {
        self.held = held;
        self.read_since = 0;
        self.advertised = self.size().saturating_sub(held);
        self.advertised
    }

    /// Whether enough was read to tell the peer, who stopped sending when the window was small (RFC 9260 §6.2).
    pub(super) fn owes_update(&self) -> bool {
        self.advertised < self.size() / 2 && self.read_since >= self.size() / 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_grows_with_use_and_no_further_than_the_limit() {
        let mut now = Instant::now();
        let mut window = Window::new();
        assert_eq!(window.advertise(0), INITIAL_WINDOW);
        for _ in 0..100 {
            now += Duration::from_millis(100);
            window.arrived(now, INITIAL_WINDOW);
            window.read(INITIAL_WINDOW);
        }
        assert_eq!(window.advertise(0), RECEIVE_WINDOW as usize);
    }

    #[test]
    fn a_trickle_grows_no_window() {
        let mut now = Instant::now();
        let mut window = Window::new();
        for _ in 0..10_000 {
            now += Duration::from_millis(10);
            window.arrived(now, 1000);
            window.read(1000);
        }
        assert_eq!(window.advertise(0), INITIAL_WINDOW);
    }

    #[test]
    fn where_memory_is_scarce_the_window_is_as_at_first() {
        let now = Instant::now();
        let mut window = Window::new();
        for _ in 0..10 {
            window.arrived(now, INITIAL_WINDOW);
            window.read(INITIAL_WINDOW);
        }
        window.set_scarce(true);
        assert_eq!(window.advertise(INITIAL_WINDOW + 1), 0);
        assert!(!window.has_room(SLACK + 1));
        window.set_scarce(false);
        assert!(window.advertise(INITIAL_WINDOW + 1) > 0);
    }
}

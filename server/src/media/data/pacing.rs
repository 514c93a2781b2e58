//! How much may be in flight: a congestion window over the library's own.
//!
//! The library doubles what it sends each round trip until packets are lost by the hundred, sends a whole window at
//! once after a pause, and then retransmits one packet per round trip, or per timeout of a second and more: on an
//! ordinary uplink a bulk transfer stands still for seconds. What it cannot be told is how much to send; but it never
//! sends more than the peer's window, which comes with each acknowledgement. So the window is made smaller here: it
//! grows while round trips stay short, stands when they become longer (a queue is building), shrinks at losses, and
//! opens by no more than a burst at a time. Knows sequence numbers, lengths and the time; not packets.

use super::config::MAX_PACKET_SIZE;
use super::packet::is_before;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// As RFC 6928 for TCP.
const INITIAL_WINDOW: usize = 10 * MAX_PACKET_SIZE;

/// What an acknowledgement may set free, unless it is for so many packets that twice as much is more. RFC 9260 §6.1
/// would have four packets.
const BURST: usize = 16 * MAX_PACKET_SIZE;

/// With so many chunks in flight no more are sent: the library goes through all of them at some acknowledgements.
const MAX_FLYING: usize = 4096;

/// The shortest of so many round trips tells a queue from jitter (RFC 9406).
const ENOUGH: usize = 8;

/// How much longer than the shortest a round trip is when a queue is building: an eighth, within this (RFC 9406).
const MIN_QUEUE: Duration = Duration::from_millis(4);
const MAX_QUEUE: Duration = Duration::from_millis(16);

#[derive(Debug)]
struct Flying {
    tsn: u32,
    /// What of it is in flight: 0 once acknowledged past a gap.
    length: usize,
    /// None once sent again: what is acknowledged would not be known (Karn's rule).
    sent: Option<Instant>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pacing {
    window: usize,
    /// Whether the window still grows by half each round trip.
    starting: bool,
    /// Sent and not acknowledged cumulatively, in order.
    flying: VecDeque<Flying>,
    in_flight: usize,
    shortest: Option<Duration>,
    /// The newest round trips.
    trips: [Option<Duration>; ENOUGH],
    next_trip: usize,
    queue_is_building: bool,
    /// A loss before this was acknowledged has been reacted to.
    recovery: Option<u32>,
    /// Acknowledgements in a row that report a gap.
    gaps: u32,
    /// When an acknowledgement came last, and how much was acknowledged then.
    batch: Option<(Instant, usize)>,
}

impl Pacing {
    pub(super) fn new() -> Pacing {
        Pacing {
            window: INITIAL_WINDOW,
            starting: true,
            flying: VecDeque::new(),
            in_flight: 0,
            shortest: None,
            trips: [None; ENOUGH],
            next_trip: 0,
            queue_is_building: false,
            recovery: None,
            gaps: 0,
            batch: None,
        }
    }

    /// A chunk is sent, perhaps again.
    pub(super) fn sent(&mut self, now: Instant, tsn: u32, length: usize) {
        let is_new = self
            .flying
            .back()
            .is_none_or(|last| is_before(last.tsn, tsn));
        if is_new {
            self.in_flight += length;
            self.flying.push_back(Flying {
                tsn,
                length,
                sent: Some(now),
            });
            return;
        }
        let index = self
            .flying
            .partition_point(|flying| is_before(flying.tsn, tsn));
        if let Some(flying) = self.flying.get_mut(index) {
            flying.sent = None;
        }
    }

    /// Everything up to `tsn` is acknowledged, and what is in `gaps`, counted from it. The window the library is to see
    /// in place of `window`.
    pub(super) fn acknowledged(
        &mut self,
        now: Instant,
        tsn: u32,
        gaps: impl Iterator<Item = (u16, u16)>,
        window: usize,
    ) -> usize {
        let before = self.in_flight;
        self.land(now, tsn);
        let mut has_gaps = false;
        for (start, end) in gaps {
            has_gaps = true;
            self.land_past_gap(tsn, start, end);
        }
        if has_gaps {
            self.lose();
        } else {
            self.gaps = 0;
        }
        let acknowledged = before - self.in_flight;
        self.recovery.take_if(|end| !is_before(tsn, *end));
        if self.recovery.is_none() {
            self.grow(acknowledged, before);
        }
        let burst = match self.flying.len() < MAX_FLYING {
            true => self.burst(now, acknowledged),
            false => 0,
        };
        window.min(self.window).min(self.in_flight + burst)
    }

    // Acknowledgements that came together count together: nothing is sent between them.
    fn burst(&mut self, now: Instant, acknowledged: usize) -> usize {
        let together = match self.batch {
            Some((at, bytes)) if at == now => bytes + acknowledged,
            _ => acknowledged,
        };
        self.batch = Some((now, together));
        BURST.max(2 * together)
    }

    fn land_past_gap(&mut self, tsn: u32, start: u16, end: u16) {
        let first = tsn.wrapping_add(u32::from(start));
        let last = tsn.wrapping_add(u32::from(end));
        let index = self
            .flying
            .partition_point(|flying| is_before(flying.tsn, first));
        for flying in self.flying.range_mut(index..) {
            if is_before(last, flying.tsn) {
                break;
            }
            self.in_flight -= std::mem::take(&mut flying.length);
        }
    }

    // A lone packet is acknowledged late on purpose, which is no queue.
    fn land(&mut self, now: Instant, tsn: u32) {
        let is_used = self.is_used(self.in_flight);
        let mut sent = None;
        while let Some(landed) = self
            .flying
            .pop_front_if(|flying| !is_before(tsn, flying.tsn))
        {
            self.in_flight -= landed.length;
            sent = landed.sent;
        }
        if let Some(sent) = sent.filter(|_| is_used) {
            self.measure(now.duration_since(sent));
        }
    }

    fn measure(&mut self, trip: Duration) {
        let shortest = self.shortest.map_or(trip, |shortest| shortest.min(trip));
        self.shortest = Some(shortest);
        self.trips[self.next_trip] = Some(trip);
        self.next_trip = (self.next_trip + 1) % ENOUGH;
        let queue = (shortest / 8).clamp(MIN_QUEUE, MAX_QUEUE);
        self.queue_is_building = self
            .trips
            .iter()
            .all(|trip| trip.is_some_and(|trip| trip > shortest + queue));
        if self.queue_is_building && std::mem::take(&mut self.starting) {
            self.window = (self.window * 2 / 3).max(INITIAL_WINDOW);
        }
    }

    // The third report, as RFC 9260 §7.2.4, since packets also overtake each other. Once per window.
    fn lose(&mut self) {
        self.gaps += 1;
        if self.gaps < 3 || self.recovery.is_some() {
            return;
        }
        self.starting = false;
        self.window = (self.window * 7 / 10).max(INITIAL_WINDOW);
        self.recovery = self.flying.back().map(|last| last.tsn);
    }

    /// Only a window that is used says anything (RFC 9260 §7.2.1).
    fn is_used(&self, in_flight: usize) -> bool {
        in_flight >= self.window / 2
    }

    fn grow(&mut self, acknowledged: usize, in_flight: usize) {
        if !self.is_used(in_flight) {
            return;
        }
        self.window += if self.starting {
            acknowledged / 2
        } else if self.queue_is_building {
            // A packet per round trip, as anyone.
            acknowledged * MAX_PACKET_SIZE / self.window
        } else {
            acknowledged / 16
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: usize = 1000;
    const TRIP: Duration = Duration::from_millis(50);

    /// A path that delays by `TRIP`, and by more as more is in flight.
    struct Path {
        now: Instant,
        pacing: Pacing,
        next: u32,
        window: usize,
        bytes_per_trip: usize,
    }

    impl Path {
        fn new(bytes_per_trip: usize) -> Path {
            Path {
                now: Instant::now(),
                pacing: Pacing::new(),
                // So that the numbers wrap around early on.
                next: u32::MAX - 100,
                window: INITIAL_WINDOW,
                bytes_per_trip,
            }
        }

        /// Sends what may be, and then all of it is acknowledged, two packets at a time.
        fn trip(&mut self) {
            let first = self.next;
            let mut sent = 0;
            while sent + PACKET <= self.window {
                self.pacing.sent(self.now, self.next, PACKET);
                self.next = self.next.wrapping_add(1);
                sent += PACKET;
            }
            let queue = sent.saturating_sub(self.bytes_per_trip) as u32;
            self.now += TRIP + TRIP * queue / self.bytes_per_trip as u32;
            let mut tsn = first;
            while tsn != self.next {
                tsn = tsn.wrapping_add(1);
                let none = std::iter::empty();
                let last = tsn.wrapping_sub(1);
                self.pacing.acknowledged(self.now, last, none, 1 << 30);
            }
            self.window = self.pacing.window;
        }
    }

    #[test]
    fn a_window_grows_to_what_the_path_holds_and_little_more() {
        for bytes_per_trip in [50_000, 500_000, 4_000_000] {
            let mut path = Path::new(bytes_per_trip);
            for _ in 0..30 {
                path.trip();
            }
            let window = path.window;
            assert!(window > bytes_per_trip / 2, "{window} of {bytes_per_trip}");
            assert!(window < bytes_per_trip * 2, "{window} of {bytes_per_trip}");
        }
    }

    #[test]
    fn a_pause_is_followed_by_a_burst_and_no_more() {
        let mut path = Path::new(1_000_000);
        for _ in 0..30 {
            path.trip();
        }
        assert!(path.window > 500_000);
        path.now += TRIP;
        let none = std::iter::empty();
        let last = path.next.wrapping_sub(1);
        let shown = path.pacing.acknowledged(path.now, last, none, 1 << 30);
        assert_eq!(shown, BURST);
    }

    #[test]
    fn a_loss_shrinks_the_window_once() {
        let mut path = Path::new(1_000_000);
        for _ in 0..10 {
            path.trip();
        }
        let before = path.window;
        for index in 0..20 {
            path.pacing
                .sent(path.now, path.next.wrapping_add(index), PACKET);
        }
        let last = path.next.wrapping_sub(1);
        for end in 2..=20 {
            let gap = std::iter::once((2, end));
            path.pacing.acknowledged(path.now, last, gap, 1 << 30);
        }
        assert_eq!(path.pacing.window, before * 7 / 10);
        assert_eq!(path.pacing.in_flight, PACKET);
    }

    #[test]
    fn the_window_of_the_peer_is_never_exceeded() {
        let mut pacing = Pacing::new();
        let now = Instant::now();
        for window in [0, 1, 1000, 5000] {
            let none = std::iter::empty();
            assert_eq!(pacing.acknowledged(now, 7, none, window), window);
        }
    }

    // Lone messages, each acknowledged late on purpose.
    #[test]
    fn slow_conversation_does_not_look_like_a_queue() {
        let mut pacing = Pacing::new();
        let mut now = Instant::now();
        for tsn in 0..100 {
            pacing.sent(now, tsn, 100);
            now += Duration::from_millis(250);
            pacing.acknowledged(now, tsn, std::iter::empty(), 1 << 20);
        }
        assert!(pacing.starting);
        assert_eq!(pacing.window, INITIAL_WINDOW);
    }
}

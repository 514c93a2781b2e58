//! When what begins a connection is sent again: a flight of DTLS (RFC 6347 §4.2.4.1), an INIT or a cookie of SCTP
//! (RFC 9260 §5.1). The libraries wait for a second, as one does on a path of which nothing is known. This one has just
//! carried ICE's checks, so the first time comes sooner, as in browsers, and each further one after twice as long. A
//! library knows no time but what it is told, and is told the one at which it would.

use std::time::{Duration, Instant};

/// How long the first answer is waited for. libwebrtc begins with 50 ms.
const FIRST: Duration = Duration::from_millis(150);

/// The timer of what was sent last.
#[derive(Debug)]
pub(super) struct Resend {
    /// The library's own, which is armed when it sends what is to be answered.
    library: Option<Instant>,
    due: Option<Instant>,
    patience: Duration,
}

impl Default for Resend {
    fn default() -> Self {
        Self {
            library: None,
            due: None,
            patience: FIRST,
        }
    }
}

impl Resend {
    /// Takes note of the library's timer after something came, or the handshake began.
    pub(super) fn note(&mut self, now: Instant, library: Option<Instant>) {
        if library != self.library {
            self.patience = FIRST;
            self.arm(now, library);
        }
    }

    fn arm(&mut self, now: Instant, library: Option<Instant>) {
        self.library = library;
        self.due = library.map(|_| now + self.patience);
    }

    /// When it is to be sent again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// If that is now, the time at which the library does it.
    pub(super) fn take(&mut self, now: Instant) -> Option<Instant> {
        self.due.filter(|due| now >= *due)?;
        self.due = None;
        self.library
    }

    /// It was sent again, and the library's timer is this.
    pub(super) fn note_sent(&mut self, now: Instant, library: Option<Instant>) {
        self.patience *= 2;
        self.arm(now, library);
    }
}

//! Streams of messages over one SCTP association: the library's, driven and kept within bounds.
//!
//! Owns the association from the first INIT to its end, who initiates it, and the order in which streams are read.
//! Knows nothing of DCEP or of channels.

mod inbound;

use super::channel::Reliability;
use super::config::SctpConfig;
use super::guard::Guard;
use super::library::Library;
use super::packet::{self, Header};
use super::reset::Reset;
use super::state::{PATIENCE, State};
use super::turns::Turns;
use bytes::Bytes;
use rtc::sctp::{PayloadProtocolIdentifier, ReliabilityType, Stream};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// More streams than this, announced or not, are held by no honest peer; the library allocates for each.
pub const MAX_STREAMS: usize = 2048;

/// What happened.
#[derive(Debug)]
pub(super) enum StreamsEvent {
    Connected,
    /// So many bytes written to a stream were acknowledged or given up.
    Released {
        stream: u16,
        bytes: usize,
    },
    /// The peer will send no more on the stream, and everything it sent was read.
    ResetByPeer(u16),
    /// Both directions of the stream are reset.
    ResetFinished(u16),
    /// The association is over, and why.
    Closed(String),
}

/// A message as received.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) stream: u16,
    pub(super) protocol: PayloadProtocolIdentifier,
    /// None when it was longer than this end said it takes.
    pub(super) data: Option<Bytes>,
    /// Whether unordered messages come on the stream.
    pub(super) unordered: bool,
}

/// See the module.
pub(super) struct Streams {
    pub(super) config: SctpConfig,
    pub(super) state: State,
    pub(super) library: Option<Library>,
    pub(super) guard: Guard,
    pub(super) reset: Reset,
    /// The streams that the library holds.
    pub(super) known: BTreeSet<u16>,
    /// The streams that are in no order, and how reliable what this end sends on them is.
    pub(super) unordered: BTreeMap<u16, Reliability>,
    /// Streams to reset, of which it is to be learned what TSNs were used for them.
    pub(super) drained: Vec<u16>,
    /// When there is more to do for a request of the peer's.
    pub(super) resume_at: Option<Instant>,
    /// Streams that are over, and that the library is still to forget.
    pub(super) over: Vec<u16>,
    /// Streams that may have a complete message.
    pub(super) readable: Turns,
    pub(super) transmit: VecDeque<Bytes>,
    /// Whether the library may have something to send.
    pub(super) dirty: bool,
    /// Whether memory is scarce, for everybody.
    pub(super) is_scarce: bool,
    pub(super) events: VecDeque<StreamsEvent>,
}

impl Streams {
    pub(super) fn new(now: Instant, config: SctpConfig, is_scarce: bool) -> Streams {
        let mut streams = Streams {
            state: State::Waiting {
                until: now + PATIENCE,
            },
            library: None,
            guard: Guard::new(),
            reset: Reset::default(),
            known: BTreeSet::default(),
            unordered: BTreeMap::default(),
            drained: Vec::new(),
            resume_at: None,
            over: Vec::new(),
            readable: Turns::default(),
            transmit: VecDeque::new(),
            dirty: false,
            is_scarce,
            events: VecDeque::new(),
            config,
        };
        if streams.config.dtls_client {
            streams.initiate(now);
        }
        streams
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected)
    }

    /// Whether the association is over but for what is to be read.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.state, State::Ending { .. })
    }

    /// One more than the highest stream both ends allow.
    pub(super) fn stream_limit(&self) -> u16 {
        self.library.as_ref().map_or(0, Library::stream_limit)
    }

    pub(super) fn poll_event(&mut self) -> Option<StreamsEvent> {
        self.events.pop_front()
    }

    // Reading and writing.

    /// The next message, from the streams in turn.
    pub(super) fn read(&mut self, now: Instant) -> Option<Message> {
        // Where the end of the handshake is lost, data overtakes it: it could not be answered yet.
        if !self.is_connected() && !self.is_ending() {
            return None;
        }
        // Settling asks the library for an acknowledgement: only where there is something new to settle.
        let was_readable = !self.readable.is_empty();
        while let Some(stream) = self.readable.first() {
            if let Some(message) = self.read_from(stream) {
                self.readable.next();
                self.announce_window(now);
                return Some(message);
            }
            self.readable.pop();
        }
        if was_readable {
            self.settle(now);
        }
        None
    }

    fn read_from(&mut self, stream: u16) -> Option<Message> {
        let library = self.library.as_mut()?;
        let chunks = library.stream(stream)?.read_sctp().ok()??;
        let length = chunks.len();
        self.guard.note_read(chunks.chunks.len(), length);
        let limit = self.config.max_message_size as usize;
        Some(Message {
            stream,
            protocol: chunks.ppi,
            data: chunks.to_payload(limit).ok().map(|data| data.freeze()),
            unordered: self.guard.is_unordered(stream),
        })
    }

    fn announce_window(&mut self, now: Instant) {
        if self.is_connected()
            && self.guard.window.owes_update()
            && let Some(duplicate) = self.guard.duplicate()
        {
            self.inject(now, duplicate);
            self.flush(now);
        }
    }

    /// Hands a message over; false when there is no association to take it.
    pub(super) fn write(
        &mut self,
        now: Instant,
        stream: u16,
        protocol: PayloadProtocolIdentifier,
        data: &Bytes,
    ) -> bool {
        self.dirty = true;
        self.with_stream(stream, |stream| {
            stream.write_chunk_with_ppi(now, data, protocol).is_ok()
        })
    }

    /// This end begins to use `stream`, in order at first.
    pub(super) fn open(&mut self, now: Instant, stream: u16, reliability: Reliability) {
        // Now: once there is something to send on it, the library must not forget it.
        if self.guard.skips.is_unheard(stream) {
            self.forget(now, &[stream]);
        }
        self.guard.skips.open(stream);
        self.configure(stream, true, reliability);
    }

    /// How messages on `stream` are sent from here on.
    pub(super) fn configure(&mut self, stream: u16, ordered: bool, reliability: Reliability) {
        match ordered {
            true => self.unordered.remove(&stream),
            false => self.unordered.insert(stream, reliability),
        };
        let (kind, value) = match reliability {
            Reliability::Reliable => (ReliabilityType::Reliable, 0),
            Reliability::MaxRetransmits(count) => (ReliabilityType::Rexmit, count),
            Reliability::MaxLifetimeMs(lifetime) => (ReliabilityType::Timed, lifetime),
        };
        self.with_stream(stream, |stream| {
            stream.set_reliability_params(!ordered, kind, value).is_ok()
        });
    }

    fn with_stream(&mut self, stream: u16, act: impl FnOnce(&mut Stream<'_>) -> bool) -> bool {
        let Some(library) = self
            .library
            .as_mut()
            .filter(|_| matches!(self.state, State::Connected))
        else {
            return false;
        };
        self.known.insert(stream);
        library
            .open_stream(stream)
            .is_some_and(|mut stream| act(&mut stream))
    }

    /// How many chunks are held unread.
    pub(super) fn held_chunks(&self) -> usize {
        self.guard.held_chunks()
    }

    /// Whether memory is scarce, for everybody.
    pub(super) fn set_scarce(&mut self, is_scarce: bool) {
        self.is_scarce = is_scarce;
        self.guard.window.set_scarce(is_scarce);
    }

    /// How many bytes are held unread.
    pub(super) fn held(&self) -> usize {
        self.guard.window.held()
    }

    /// Does what waits for data to come or to be read.
    fn settle(&mut self, now: Instant) {
        if self.is_connected() {
            self.grant(now);
            self.take_outcomes();
        }
        if self.readable.is_empty()
            && let State::Ending { reason } = &self.state
        {
            self.end(reason.clone());
        }
    }

    // Output and time.

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        if self.transmit.is_empty() && self.dirty && !self.is_ending() {
            self.flush(now);
        }
        self.transmit.pop_front()
    }

    pub(super) fn flush(&mut self, now: Instant) {
        self.dirty = false;
        self.request_resets(now);
        self.forget_what_is_over(now);
        self.flush_library(now);
        for response in self.guard.responses() {
            self.inject(now, response);
        }
        self.flush_library(now);
        self.flush_resets(now);
    }

    pub(super) fn flush_library(&mut self, now: Instant) {
        let Some(library) = &mut self.library else {
            return;
        };
        while let Some(packets) = library.poll_transmit(now) {
            for packet in packets {
                let Some(packet) = self.guard.outbound(now, packet) else {
                    continue;
                };
                self.transmit
                    .push_back(match self.config.has_default_ports() {
                        true => packet,
                        false => packet::with_ports(
                            &packet,
                            self.config.local_port,
                            self.config.remote_port,
                        ),
                    });
            }
        }
        // What outlived its time before it was ever sent is given up here.
        self.take_events();
    }

    pub(super) fn outgoing_header(&self) -> Header {
        self.guard
            .outgoing_header((self.config.local_port, self.config.remote_port))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let waiting = match &self.state {
            State::Waiting { until } => Some(*until),
            State::Accepting { until, .. } => Some(*until),
            State::Initiating { .. } | State::Connected => None,
            State::Ending { .. } | State::Closed => return None,
        };
        let library = self
            .library
            .as_ref()
            .and_then(|library| library.poll_timeout());
        [waiting, library, self.reset.poll_timeout(), self.resume_at]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let State::Waiting { until } | State::Accepting { until, .. } = self.state
            && until <= now
        {
            self.initiate(now);
        }
        if self.is_ending() {
            return;
        }
        if let Some(library) = &mut self.library {
            library.handle_timeout(now);
            self.dirty = true;
            self.take_events();
            self.check(now);
        }
        self.resume(now);
    }

    // The end.

    /// Sends what may be sent, aborts, and is silent from then on.
    pub(super) fn close(&mut self, now: Instant) {
        self.flush(now);
        self.abort(now);
    }

    fn abort(&mut self, now: Instant) {
        if self.is_connected()
            && let Some(library) = &mut self.library
        {
            library.abort();
            self.flush_library(now);
        }
        self.shut();
    }

    /// Aborts, and says why.
    pub(super) fn fail(&mut self, now: Instant, reason: String) {
        if matches!(self.state, State::Closed) {
            return;
        }
        self.abort(now);
        self.events.push_back(StreamsEvent::Closed(reason));
    }

    fn end(&mut self, reason: String) {
        if matches!(self.state, State::Closed) {
            return;
        }
        self.shut();
        self.events.push_back(StreamsEvent::Closed(reason));
    }

    fn shut(&mut self) {
        self.state = State::Closed;
        if let Some(library) = self.library.take() {
            let mut stats = library.stats();
            tracing::debug!(
                data = stats.get_num_datas(),
                acknowledgements = stats.get_num_sacks(),
                fast_retransmissions = stats.get_num_fast_retrans(),
                timeouts = stats.get_num_t3timeouts(),
                rtt = ?library.rtt(),
                "SCTP association over"
            );
        }
        self.reset = Reset::default();
        self.readable.clear();
        self.known.clear();
        self.unordered.clear();
        self.drained.clear();
        self.over.clear();
        self.resume_at = None;
        self.dirty = false;
    }
}

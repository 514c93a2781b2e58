//! Streams of messages over one SCTP association: the library's, driven and kept within bounds.
//!
//! Owns the association from the first INIT to its end, who initiates it, and the order in which streams are read.
//! Knows nothing of DCEP or of channels.

use super::channel::Reliability;
use super::guard::{Guard, Inbound};
use super::packet::{self, Builder};
use super::reset::{Outcome, Reset};
use super::{DEFAULT_PORT, MAX_PACKET_SIZE, RECEIVE_WINDOW, SctpConfig};
use bytes::Bytes;
use rtc::sctp::{
    Association, AssociationError, ClientConfig, DatagramEvent, Endpoint, EndpointConfig, Event,
    Payload, PayloadProtocolIdentifier, ReliabilityType, ServerConfig, StreamEvent, TimerConfig,
    TransportConfig, max_payload_size_for_mtu,
};
use rtc::shared::TransportProtocol;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an end that the peer should initiate to waits before it initiates itself. Longer than a browser's first
/// repetition of a lost INIT takes to arrive, so that two ends seldom initiate at once.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long an initiating DTLS client insists, before an INIT of the peer's replaces its own.
const INSISTENCE: Duration = Duration::from_secs(1);

/// More streams than this, announced or not, are held by no honest peer; the library allocates for each.
const MAX_STREAMS: usize = 4096;

/// The library wants addresses; below DTLS there are none.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), DEFAULT_PORT);

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

/// Who initiated the association, and how far it is.
#[derive(Debug)]
enum State {
    /// For the peer's INIT, until this end loses patience.
    Waiting {
        until: Instant,
    },
    /// This end's INIT was sent.
    Initiating {
        since: Instant,
    },
    /// The peer's INIT was answered: its tag and first TSN, and the answer.
    Accepting {
        init: (u32, u32),
        answer: Vec<Bytes>,
    },
    Connected,
    /// Over for this reason, but for what is to be read.
    Ending {
        reason: String,
    },
    Closed,
}

struct Library {
    endpoint: Endpoint,
    association: Association,
}

/// See the module.
pub(super) struct Streams {
    config: SctpConfig,
    state: State,
    library: Option<Library>,
    guard: Guard,
    reset: Reset,
    /// Streams that may have a complete message, the next to read first.
    readable: VecDeque<u16>,
    transmit: VecDeque<Bytes>,
    /// Whether the library may have something to send.
    dirty: bool,
    events: VecDeque<StreamsEvent>,
}

impl Streams {
    pub(super) fn new(now: Instant, config: SctpConfig) -> Streams {
        let mut streams = Streams {
            state: State::Waiting {
                until: now + PATIENCE,
            },
            library: None,
            guard: Guard::new(),
            reset: Reset::default(),
            readable: VecDeque::new(),
            transmit: VecDeque::new(),
            dirty: false,
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
        self.library
            .as_ref()
            .and_then(|library| library.association.negotiated_max_streams())
            .unwrap_or_default()
    }

    pub(super) fn poll_event(&mut self) -> Option<StreamsEvent> {
        self.events.pop_front()
    }

    // The handshake.

    fn initiate(&mut self, now: Instant) {
        let mut endpoint = Endpoint::new(
            NOWHERE,
            TransportProtocol::UDP,
            Arc::new(endpoint_config()),
            None,
        );
        match endpoint.connect(now, ClientConfig::new(transport_config()), NOWHERE) {
            Ok((_, association)) => {
                self.start(endpoint, association);
                self.state = State::Initiating { since: now };
                self.flush(now);
            }
            Err(error) => self.fail(now, format!("cannot initiate: {error}")),
        }
    }

    fn start(&mut self, endpoint: Endpoint, association: Association) {
        self.guard = Guard::new();
        self.dirty = true;
        self.library = Some(Library {
            endpoint,
            association,
        });
    }

    // Both ends of a WebRTC association may initiate it (RFC 8831 §6.2, RFC 8841 §9.3), and every browser does. The
    // library cannot: it makes a second association of an INIT that crosses its own. One INIT of the two is answered
    // instead, and the other treated as lost: the DTLS client keeps to its own, unless nobody answers that.
    fn handle_init(&mut self, now: Instant, packet: Bytes) {
        // RFC 9260 §8.5.1: any other is discarded, as the library would.
        if packet::header(&packet).is_none_or(|header| header.tag != 0) {
            return;
        }
        let Some(init) = packet::chunks(&packet).next() else {
            return;
        };
        let (Some(tag), Some(first)) = (init.u32(0), init.u32(12)) else {
            return;
        };
        match &self.state {
            State::Waiting { .. } => self.accept(now, &packet, (tag, first)),
            State::Initiating { since } => {
                let insists = self.config.dtls_client && now < *since + INSISTENCE;
                if !insists && !self.guard.knows_peer() {
                    self.accept(now, &packet, (tag, first));
                }
            }
            // A repetition gets the same answer: another cookie would leave the peer with one that opens nothing.
            State::Accepting { init, answer } if *init == (tag, first) => {
                self.transmit.extend(answer.iter().cloned());
            }
            State::Accepting { .. } => self.accept(now, &packet, (tag, first)),
            State::Connected | State::Ending { .. } | State::Closed => {}
        }
    }

    fn accept(&mut self, now: Instant, packet: &Bytes, init: (u32, u32)) {
        let mut endpoint = Endpoint::new(
            NOWHERE,
            TransportProtocol::UDP,
            Arc::new(endpoint_config()),
            Some(Arc::new(ServerConfig::new(transport_config()))),
        );
        let Some((_, DatagramEvent::NewAssociation(association))) =
            endpoint.handle(now, NOWHERE, None, packet.clone())
        else {
            return;
        };
        self.start(endpoint, association);
        if let Some(chunk) = packet::chunks(packet).next() {
            self.guard.note_peer(chunk);
        }
        self.transmit.clear();
        self.flush(now);
        self.state = State::Accepting {
            init,
            answer: self.transmit.iter().cloned().collect(),
        };
    }

    // Input.

    pub(super) fn handle_packet(&mut self, now: Instant, packet: Bytes) {
        let Some(packet) = self.normalize(packet) else {
            return;
        };
        if packet::chunks(&packet).next().map(|chunk| chunk.kind) == Some(packet::INIT) {
            return self.handle_init(now, packet);
        }
        if self.library.is_none() || self.is_ending() {
            return;
        }
        let inbound = self.guard.inbound(now, packet);
        self.handle_inbound(now, inbound);
    }

    // The library knows no port but 5000 when it initiates.
    fn normalize(&self, packet: Bytes) -> Option<Bytes> {
        if self.config.has_default_ports() {
            return Some(packet);
        }
        packet::has_valid_checksum(&packet)
            .then(|| packet::with_ports(&packet, DEFAULT_PORT, DEFAULT_PORT))
    }

    fn handle_inbound(&mut self, now: Instant, inbound: Inbound) {
        if let Some(packet) = inbound.pass {
            self.inject(now, packet);
        }
        for value in inbound.reconfigs {
            self.reset.handle(now, &value);
            self.dirty = true;
        }
        if inbound.shutdown {
            // What the library answers is sent; whether it arrives is the peer's affair.
            self.flush(now);
            self.state = State::Ending {
                reason: "shut down by the peer".to_owned(),
            };
        }
        if let Some(reason) = inbound.aborted {
            self.state = State::Ending { reason };
        }
        self.settle(now);
    }

    /// Gives the library a packet, as if it had come from the peer.
    fn inject(&mut self, now: Instant, packet: Bytes) {
        let length = packet.len();
        let Some(library) = &mut self.library else {
            return;
        };
        if let Some((_, DatagramEvent::AssociationEvent(event))) =
            library.endpoint.handle(now, NOWHERE, None, packet)
        {
            library.association.handle_event(event);
        }
        self.dirty = true;
        let taken = self.take_events();
        let readable = !self.readable.is_empty();
        if !self.guard.note_held(taken, length, readable) {
            self.fail(now, "the peer ignores the receive window".to_owned());
        }
        self.check(now);
    }

    /// Turns the library's events into ours; how many chunks it took.
    fn take_events(&mut self) -> usize {
        let mut taken = 0;
        while let Some(event) = self.library.as_mut().and_then(|l| l.association.poll()) {
            match event {
                Event::Connected => self.connected(),
                Event::DatagramReceived => taken += 1,
                Event::Stream(event) => self.handle_stream_event(event),
                Event::HandshakeFailed { reason } => self.end(reason.to_string()),
                // Reported per stream, for resets and losses alike: `check` asks the association instead.
                Event::AssociationLost { .. } => {}
                _ => {}
            }
        }
        taken
    }

    fn connected(&mut self) {
        if self.is_connected() {
            return;
        }
        self.state = State::Connected;
        self.reset = Reset::start(
            self.guard.last_sent().wrapping_add(1),
            self.guard.next_expected(),
        );
        self.events.push_back(StreamsEvent::Connected);
    }

    fn handle_stream_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Opened { id } => self.opened(id),
            StreamEvent::Readable { id } => self.mark_readable(id),
            StreamEvent::BufferedAmountReleased { id, n_bytes } => {
                self.events.push_back(StreamsEvent::Released {
                    stream: id,
                    bytes: n_bytes,
                });
            }
            _ => {}
        }
    }

    fn opened(&mut self, stream: u16) {
        // The library remembers every stream until it is accepted.
        if let Some(library) = &mut self.library {
            library.association.accept_stream();
        }
        // It never forgets unordered fragments that the peer gave up, unless this end sends unordered too.
        if self.guard.is_unordered(stream) {
            self.configure(stream, false, Reliability::Reliable);
        }
        self.reset.reused(stream);
        self.take_outcomes();
    }

    fn mark_readable(&mut self, stream: u16) {
        if !self.readable.contains(&stream) {
            self.readable.push_back(stream);
        }
    }

    // A peer that breaks the protocol, or whose acknowledgements stop, makes the library close.
    fn check(&mut self, now: Instant) {
        let Some(library) = &self.library else {
            return;
        };
        let initiating = matches!(self.state, State::Initiating { .. });
        if library.association.is_closed() && (initiating || self.is_connected()) {
            self.end("protocol error".to_owned());
        } else if library.association.stream_ids().len() > MAX_STREAMS {
            self.fail(now, "too many streams".to_owned());
        }
    }

    // Reading and writing.

    /// The next message, from the streams in turn.
    pub(super) fn read(&mut self, now: Instant) -> Option<Message> {
        // Where the end of the handshake is lost, data overtakes it: it could not be answered yet.
        if !self.is_connected() && !self.is_ending() {
            return None;
        }
        while let Some(&stream) = self.readable.front() {
            if let Some(message) = self.read_from(stream) {
                self.readable.rotate_left(1);
                self.announce_window(now);
                return Some(message);
            }
            self.readable.pop_front();
        }
        self.settle(now);
        None
    }

    fn read_from(&mut self, stream: u16) -> Option<Message> {
        let association = &mut self.library.as_mut()?.association;
        let chunks = association.stream(stream).ok()?.read_sctp().ok()??;
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
            && self.guard.owes_window_update()
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

    /// How messages on `stream` are sent from here on.
    pub(super) fn configure(&mut self, stream: u16, ordered: bool, reliability: Reliability) {
        let (kind, value) = match reliability {
            Reliability::Reliable => (ReliabilityType::Reliable, 0),
            Reliability::MaxRetransmits(count) => (ReliabilityType::Rexmit, count),
            Reliability::MaxLifetimeMs(lifetime) => (ReliabilityType::Timed, lifetime),
        };
        self.with_stream(stream, |stream| {
            stream.set_reliability_params(!ordered, kind, value).is_ok()
        });
    }

    fn with_stream(
        &mut self,
        stream: u16,
        act: impl FnOnce(&mut rtc::sctp::Stream<'_>) -> bool,
    ) -> bool {
        let Some(library) = self
            .library
            .as_mut()
            .filter(|_| matches!(self.state, State::Connected))
        else {
            return false;
        };
        if let Ok(mut stream) = library.association.stream(stream) {
            return act(&mut stream);
        }
        library
            .association
            .open_stream(stream, PayloadProtocolIdentifier::Binary)
            .is_ok_and(|mut stream| act(&mut stream))
    }

    // Resetting.

    /// Resets `stream` in the direction of the peer. Everything written to it was acknowledged or given up.
    pub(super) fn reset(&mut self, now: Instant, stream: u16) {
        if self.reset.request(stream) {
            self.forget(now, stream);
        }
        self.dirty = true;
    }

    /// Whether a request of this end's is unanswered.
    #[cfg(test)]
    pub(super) fn is_resetting(&self) -> bool {
        self.reset.poll_timeout().is_some()
    }

    /// How many chunks are held unread.
    #[cfg(test)]
    pub(super) fn held_chunks(&self) -> usize {
        self.guard.held_chunks()
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

    // RFC 6525 §5.2.2: not before everything the peer sent until its request has come; and not before it was read.
    fn grant(&mut self, now: Instant) {
        let Some(pending) = self.reset.pending().cloned() else {
            return;
        };
        if !self.has_received(now, pending.last_tsn) {
            return;
        }
        let streams = match pending.streams.is_empty() {
            true => self.stream_ids(),
            false => pending.streams,
        };
        if streams.iter().any(|stream| self.readable.contains(stream)) {
            return;
        }
        self.dirty = true;
        for stream in self.reset.grant(streams) {
            self.forget(now, stream);
        }
    }

    // How far the peer's data has come is known from the acknowledgement sent last, so one is made now.
    fn has_received(&mut self, now: Instant, tsn: u32) -> bool {
        if !self.guard.has_received(tsn)
            && let Some(duplicate) = self.guard.duplicate()
        {
            self.inject(now, duplicate);
            self.flush(now);
        }
        self.guard.has_received(tsn)
    }

    fn stream_ids(&self) -> Vec<u16> {
        self.library
            .as_ref()
            .map(|library| library.association.stream_ids())
            .unwrap_or_default()
    }

    // The library must start counting a stream's messages from 0 again before the peer does.
    fn forget(&mut self, now: Instant, stream: u16) {
        let known = self
            .library
            .as_mut()
            .is_some_and(|library| library.association.stream(stream).is_ok());
        self.guard.forget(stream);
        self.readable.retain(|&readable| readable != stream);
        if known && let Some(reset) = self.guard.reset(stream) {
            self.inject(now, reset);
        }
    }

    fn take_outcomes(&mut self) {
        while let Some(outcome) = self.reset.poll_outcome() {
            self.events.push_back(match outcome {
                Outcome::ByPeer(stream) => StreamsEvent::ResetByPeer(stream),
                Outcome::Finished(stream) => StreamsEvent::ResetFinished(stream),
            });
        }
    }

    // Output and time.

    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        if self.transmit.is_empty() && self.dirty && !self.is_ending() {
            self.flush(now);
        }
        self.transmit.pop_front()
    }

    fn flush(&mut self, now: Instant) {
        self.dirty = false;
        self.flush_library(now);
        for response in self.guard.responses() {
            self.inject(now, response);
        }
        self.flush_library(now);
        self.flush_resets(now);
    }

    fn flush_library(&mut self, now: Instant) {
        let Some(library) = &mut self.library else {
            return;
        };
        while let Some(message) = library.association.poll_transmit(now) {
            let Payload::RawEncode(packets) = message.message else {
                continue;
            };
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
    }

    fn flush_resets(&mut self, now: Instant) {
        let Some(library) = self
            .library
            .as_ref()
            .filter(|_| matches!(self.state, State::Connected))
        else {
            return;
        };
        let rtt = library.association.rtt();
        let header = self
            .guard
            .outgoing_header((self.config.local_port, self.config.remote_port));
        while let Some(value) = self.reset.poll_transmit(now, self.guard.last_sent(), rtt) {
            let packet = Builder::new(header)
                .chunk(packet::RECONFIG, 0, &value)
                .finish();
            self.transmit.push_back(packet);
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let waiting = match &self.state {
            State::Waiting { until } => Some(*until),
            State::Initiating { .. } | State::Accepting { .. } | State::Connected => None,
            State::Ending { .. } | State::Closed => return None,
        };
        let library = self
            .library
            .as_ref()
            .and_then(|library| library.association.poll_timeout());
        [waiting, library, self.reset.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if matches!(self.state, State::Waiting { until } if until <= now) {
            self.initiate(now);
        }
        if self.is_ending() {
            return;
        }
        if let Some(library) = &mut self.library {
            library.association.handle_timeout(now);
            self.dirty = true;
            self.take_events();
            self.check(now);
        }
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
            // Only fails when closed already.
            let _ = library.association.abort();
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
        if let Some(library) = &mut self.library {
            // Only fails when closed already.
            let _ = library
                .association
                .close(AssociationError::ApplicationClosed);
        }
        self.shut();
        self.events.push_back(StreamsEvent::Closed(reason));
    }

    fn shut(&mut self) {
        self.state = State::Closed;
        if let Some(library) = self.library.take() {
            let mut stats = library.association.stats();
            tracing::debug!(
                data = stats.get_num_datas(),
                acknowledgements = stats.get_num_sacks(),
                fast_retransmissions = stats.get_num_fast_retrans(),
                timeouts = stats.get_num_t3timeouts(),
                rtt = ?library.association.rtt(),
                "SCTP association over"
            );
        }
        self.reset = Reset::default();
        self.readable.clear();
        self.dirty = false;
    }
}

fn endpoint_config() -> EndpointConfig {
    let mut config = EndpointConfig::new();
    config.max_payload_size(max_payload_size_for_mtu(MAX_PACKET_SIZE as u32));
    config
}

// What limits a message is checked where it is written and read. The timers never give up on an established
// association: whether the peer is there is for consent (RFC 7675) to say, and the library, having given up, would
// not end the association but merely never send again.
fn transport_config() -> TransportConfig {
    TransportConfig::default()
        .with_max_receive_buffer_size(RECEIVE_WINDOW)
        .with_max_message_size(u32::MAX)
        .with_timer_config(TimerConfig {
            max_t3_rtx_retrans: usize::MAX,
            max_reconfig_retrans: usize::MAX,
            max_ack_retrans: usize::MAX,
            ..TimerConfig::default()
        })
}

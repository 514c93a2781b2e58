//! Data channels of one peer: SCTP (RFC 8831) and DCEP (RFC 8832), sans-IO.
//!
//! Owns the channels: which are open, what may be sent on them, when they are closed, and how much of a peer's data
//! is held. Refuses to know DTLS below (packets come in and go out whole, each in a record of its own) and what
//! messages mean above.
//!
//! # Memory
//! What one peer can make this end hold is bounded:
//! * received and not yet read: [`INITIAL_WINDOW`] (256 KiB) at first and [`RECEIVE_WINDOW`] (4 MiB) when it is made
//!   use of, which the peer is told and beyond which its data is dropped, in at most 16384 chunks;
//! * sent and not yet acknowledged: [`SEND_LIMIT`] (8 MiB) in at most [`SEND_LIMIT_MESSAGES`] messages, by refusing;
//! * [`MAX_CHANNELS`] channels.
//!
//! What all peers of a shard hold is counted by a [`Budget`]. Where that is used up nothing received is kept beyond
//! [`INITIAL_WINDOW`], reading stops at [`LEAST_HIGH_WATER`], and no association is begun or answered: its end repeats
//! its INIT. Those there are go on. [`SEND_LIMIT`] stays, lest an answer to what was read before is refused: it takes
//! the place of what it answers.
//!
//! Reading stops while more than [`HIGH_WATER`] (1 MiB) is waiting to be acknowledged, so that whoever answers each
//! message with a message is never refused, and the window closes on a peer that sends but does not receive. So
//! whoever sends unasked should keep [`Sctp::buffered`] below that, or not read what is answered until it is.

mod backlog;
mod channel;
mod config;
mod contents;
mod dcep;
mod guard;
mod handshake;
mod init;
mod library;
mod pacing;
mod packet;
mod receiving;
mod reset;
mod resetting;
mod skips;
mod state;
mod streams;
#[cfg(test)]
mod tests;
mod toll;
mod turns;
mod window;

pub use channel::{
    ChannelError, ChannelId, ChannelOptions, DEFAULT_PRIORITY, MessageKind, Reliability,
};
pub use config::{
    DEFAULT_PORT, HIGH_WATER, HIGH_WATER_MESSAGES, INITIAL_WINDOW, LEAST_HIGH_WATER,
    LEAST_HIGH_WATER_MESSAGES, MAX_CHANNELS, MAX_PACKET_SIZE, RECEIVE_WINDOW, SEND_LIMIT,
    SEND_LIMIT_MESSAGES, SctpConfig,
};
pub use streams::MAX_STREAMS;

use super::net::budget::{Budget, Holding};
use super::seeded::SeededMap;
use bytes::Bytes;
use channel::{Channel, ChannelState};
use rtc::sctp::PayloadProtocolIdentifier as Protocol;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use streams::{Streams, StreamsEvent};

/// What a chunk received, or a message sent, costs besides its bytes.
const OVERHEAD: usize = 256;

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SctpEvent {
    /// The association is up: channels can be opened.
    Connected,
    /// A channel is open: by the peer, by this end and confirmed, or by agreement (its first message came unannounced;
    /// then it has no label).
    ChannelOpened {
        /// Which.
        channel: ChannelId,
        /// As the opener asked.
        options: ChannelOptions,
    },
    /// A message came.
    Message {
        /// On which channel.
        channel: ChannelId,
        /// Text or binary.
        kind: MessageKind,
        /// The whole message, possibly empty.
        data: Bytes,
    },
    /// A channel that was open is closed. Everything the peer sent on it came before.
    ChannelClosed {
        /// Which.
        channel: ChannelId,
    },
    /// The association is over, and every channel with it. Not reported after [`Sctp::close`].
    Closed {
        /// For a log.
        reason: String,
    },
}

/// The data channels of one peer. Made when the DTLS handshake is complete: the association is set up at once.
pub struct Sctp {
    config: SctpConfig,
    /// The newest time given.
    now: Instant,
    streams: Streams,
    channels: SeededMap<u16, Channel>,
    events: VecDeque<SctpEvent>,
    buffered: usize,
    buffered_messages: usize,
    holding: Holding,
}

impl fmt::Debug for Sctp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sctp")
            .field("config", &self.config)
            .field("channels", &self.channels.len())
            .field("buffered", &self.buffered)
            .finish_non_exhaustive()
    }
}

impl Sctp {
    /// Starts an association that has memory for itself alone.
    pub fn new(now: Instant, config: SctpConfig) -> Sctp {
        Sctp::within(now, config, &Budget::new(usize::MAX))
    }

    /// Starts the association: initiates it as DTLS client, else waits for the peer's INIT for a while first. What it
    /// holds counts in `budget`.
    pub fn within(now: Instant, config: SctpConfig, budget: &Arc<Budget>) -> Sctp {
        Sctp {
            now,
            streams: Streams::new(now, config.clone(), budget.is_scarce()),
            holding: Holding::new(budget),
            channels: SeededMap::default(),
            events: VecDeque::new(),
            buffered: 0,
            buffered_messages: 0,
            config,
        }
    }

    /// Takes the contents of a DTLS record. They are kept, in parts, until the messages they carry are read: they
    /// should be an allocation of their own and not a slice of a much larger buffer.
    pub fn handle_packet(&mut self, now: Instant, packet: Bytes) {
        self.now = self.now.max(now);
        self.streams.set_scarce(self.holding.is_scarce());
        self.streams.handle_packet(self.now, packet);
        self.take_events();
        self.count();
    }

    /// From now on, what is held counts in `budget`: the peer has gone to another shard.
    pub fn move_to(&mut self, budget: &Arc<Budget>) {
        self.holding.move_to(budget);
    }

    fn count(&mut self) {
        let chunks = self.streams.held_chunks() + self.buffered_messages;
        let bytes = self.streams.held() + self.buffered + chunks * OVERHEAD;
        self.holding.set(bytes);
    }

    /// The next packet to put into a DTLS record of its own, at most [`MAX_PACKET_SIZE`] long. To be asked for after
    /// every other call; asking only after a batch of packets saves acknowledgements.
    pub fn poll_transmit(&mut self, now: Instant) -> Option<Bytes> {
        self.now = self.now.max(now);
        let packet = self.streams.poll_transmit(self.now);
        self.take_events();
        packet
    }

    /// The next event. Messages are read from the association here; none are while too much is unacknowledged, so
    /// this is to be asked again after every [`Sctp::handle_packet`].
    pub fn poll_event(&mut self) -> Option<SctpEvent> {
        let event = self.next_event();
        self.count();
        event
    }

    fn next_event(&mut self) -> Option<SctpEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            if self.is_congested() && !self.streams.is_ending() {
                return None;
            }
            if !self.read_message() && self.events.is_empty() {
                return None;
            }
        }
    }

    fn read_message(&mut self) -> bool {
        let message = self.streams.read(self.now);
        self.take_events();
        let is_some = message.is_some();
        message
            .into_iter()
            .for_each(|message| self.handle_message(message));
        is_some
    }

    fn is_congested(&self) -> bool {
        let (bytes, messages) = match self.holding.is_scarce() {
            true => (LEAST_HIGH_WATER, LEAST_HIGH_WATER_MESSAGES),
            false => (HIGH_WATER, HIGH_WATER_MESSAGES),
        };
        self.buffered > bytes || self.buffered_messages > messages
    }

    /// When [`Sctp::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.streams.poll_timeout()
    }

    /// Tells the time. Calling early or often does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.streams.set_scarce(self.holding.is_scarce());
        self.streams.handle_timeout(self.now);
        self.take_events();
        self.count();
    }

    /// Opens a channel. Messages may be sent on it at once; [`SctpEvent::ChannelOpened`] follows when the peer has
    /// confirmed it.
    pub fn open_channel(
        &mut self,
        now: Instant,
        options: ChannelOptions,
    ) -> Result<ChannelId, ChannelError> {
        self.now = self.now.max(now);
        if !self.streams.is_connected() {
            return Err(ChannelError::NotConnected);
        }
        let limit = dcep::MAX_NAME_LENGTH;
        if options.label.len().max(options.protocol.len()) > limit {
            return Err(ChannelError::TooLarge { limit });
        }
        let open = dcep::encode_open(&options);
        self.check_room(open.len())?;
        let id = self.free_id().ok_or(ChannelError::TooManyChannels)?;
        // RFC 8832 §6: in order until the peer has confirmed, lest a message overtake the opening.
        self.streams.open(self.now, id, options.reliability);
        self.channels
            .insert(id, Channel::new(ChannelState::Opening, options));
        self.write(id, Protocol::Dcep, &open)?;
        Ok(ChannelId(id))
    }

    // RFC 8832 §6: the DTLS client takes even identifiers, the server odd ones.
    fn free_id(&self) -> Option<u16> {
        if self.channels.len() >= MAX_CHANNELS {
            return None;
        }
        let first = if self.config.dtls_client { 0 } else { 1 };
        (first..self.streams.stream_limit())
            .step_by(2)
            .find(|id| !self.channels.contains_key(id))
    }

    /// Sends a message. With [`ChannelError::Full`], nothing was taken.
    pub fn send(
        &mut self,
        now: Instant,
        channel: ChannelId,
        kind: MessageKind,
        data: Bytes,
    ) -> Result<(), ChannelError> {
        self.now = self.now.max(now);
        if !self
            .channels
            .get(&channel.0)
            .is_some_and(Channel::is_usable)
        {
            return Err(ChannelError::NotOpen);
        }
        let limit = self.config.remote_max_message_size as usize;
        if limit != 0 && data.len() > limit {
            return Err(ChannelError::TooLarge { limit });
        }
        self.check_room(data.len())?;
        // RFC 8831 §6.6: SCTP cannot carry nothing, so an empty message is one byte under another identifier.
        let empty = data.is_empty();
        let protocol = match kind {
            MessageKind::Text if empty => Protocol::StringEmpty,
            MessageKind::Text => Protocol::String,
            MessageKind::Binary if empty => Protocol::BinaryEmpty,
            MessageKind::Binary => Protocol::Binary,
        };
        let filler = Bytes::from_static(&[0]);
        self.write(channel.0, protocol, if empty { &filler } else { &data })
    }

    fn check_room(&self, length: usize) -> Result<(), ChannelError> {
        let is_full =
            self.buffered + length > SEND_LIMIT || self.buffered_messages >= SEND_LIMIT_MESSAGES;
        // The longest messages of all pass when nothing else waits.
        if is_full && self.buffered > 0 {
            return Err(ChannelError::Full);
        }
        Ok(())
    }

    fn write(&mut self, id: u16, protocol: Protocol, data: &Bytes) -> Result<(), ChannelError> {
        if !self.streams.write(self.now, id, protocol, data) {
            return Err(ChannelError::NotConnected);
        }
        if let Some(channel) = self.channels.get_mut(&id) {
            channel.backlog.push(data.len());
            self.buffered += data.len();
            self.buffered_messages += 1;
        }
        self.count();
        Ok(())
    }

    /// Closes a channel: what was sent still arrives, what comes is dropped, and [`SctpEvent::ChannelClosed`] follows
    /// when the peer has closed it too.
    pub fn close_channel(&mut self, now: Instant, channel: ChannelId) {
        self.now = self.now.max(now);
        self.start_closing(channel.0);
    }

    /// How many bytes were sent and not acknowledged, on all channels.
    pub fn buffered(&self) -> usize {
        self.buffered
    }

    /// The same on one channel.
    pub fn buffered_on(&self, channel: ChannelId) -> usize {
        let channel = self.channels.get(&channel.0);
        channel.map_or(0, |channel| channel.backlog.bytes())
    }

    /// Ends the association without waiting for anything: what can be sent now is, and then an ABORT, all of which
    /// [`Sctp::poll_transmit`] still returns. No events follow.
    pub fn close(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.streams.close(self.now);
        while self.streams.poll_event().is_some() {}
        self.clear();
        self.events.clear();
    }

    fn clear(&mut self) {
        self.channels.clear();
        self.buffered = 0;
        self.buffered_messages = 0;
        self.count();
    }

    fn take_events(&mut self) {
        while let Some(event) = self.streams.poll_event() {
            match event {
                StreamsEvent::Connected => self.events.push_back(SctpEvent::Connected),
                StreamsEvent::Released { stream, bytes } => self.release(stream, bytes),
                StreamsEvent::ResetByPeer(stream) => self.closed_by_peer(stream),
                StreamsEvent::ResetFinished(stream) => self.finish(stream),
                StreamsEvent::Closed(reason) => {
                    self.clear();
                    self.events.push_back(SctpEvent::Closed { reason });
                }
            }
        }
    }

    fn release(&mut self, id: u16, bytes: usize) {
        let Some(channel) = self.channels.get_mut(&id) else {
            return;
        };
        let before = (channel.backlog.bytes(), channel.backlog.messages());
        channel.backlog.release(bytes);
        self.buffered -= before.0 - channel.backlog.bytes();
        self.buffered_messages -= before.1 - channel.backlog.messages();
        self.reset_if_drained(id);
    }

    // Closing, RFC 8831 §6.7.

    fn start_closing(&mut self, id: u16) {
        if let Some(channel) = self.channels.get_mut(&id)
            && channel.is_usable()
        {
            channel.state = ChannelState::Closing;
            self.reset_if_drained(id);
        }
    }

    fn reset_if_drained(&mut self, id: u16) {
        if let Some(channel) = self.channels.get_mut(&id)
            && channel.state == ChannelState::Closing
            && channel.backlog.is_empty()
        {
            channel.state = ChannelState::Resetting;
            self.streams.reset(id);
        }
    }

    // Both directions are reset, whoever begins; also of a channel on which nothing ever came.
    fn closed_by_peer(&mut self, id: u16) {
        self.announce_closed(id);
        if self.channels.len() < MAX_CHANNELS {
            self.channels
                .entry(id)
                .or_insert_with(|| Channel::new(ChannelState::Open, ChannelOptions::default()));
        }
        self.start_closing(id);
    }

    fn finish(&mut self, id: u16) {
        self.announce_closed(id);
        if let Some(channel) = self.channels.remove(&id) {
            self.buffered -= channel.backlog.bytes();
            self.buffered_messages -= channel.backlog.messages();
        }
    }

    fn announce_closed(&mut self, id: u16) {
        if let Some(channel) = self.channels.get_mut(&id)
            && std::mem::take(&mut channel.announced)
        {
            self.events.push_back(SctpEvent::ChannelClosed {
                channel: ChannelId(id),
            });
        }
    }
}

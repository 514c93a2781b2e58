//! What becomes of a message that came: it opens a channel, confirms one, or is one of a channel's.

use super::channel::{Channel, ChannelId, ChannelOptions, ChannelState, MessageKind};
use super::config::MAX_CHANNELS;
use super::dcep::{self, Dcep};
use super::streams::Message;
use super::{Sctp, SctpEvent};
use bytes::Bytes;
use rtc::sctp::PayloadProtocolIdentifier as Protocol;

impl Sctp {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's enum, which has a kind for every number"
    )]
    pub(super) fn handle_message(&mut self, message: Message) {
        let id = message.stream;
        let Some(data) = message.data else {
            return self.refuse(id, message.unordered, "a message longer than announced");
        };
        match message.protocol {
            Protocol::Dcep => self.handle_dcep(id, &data),
            Protocol::String if std::str::from_utf8(&data).is_err() => {
                self.refuse(id, message.unordered, "text that is not UTF-8");
            }
            Protocol::String => self.deliver(id, MessageKind::Text, data, message.unordered),
            Protocol::Binary => self.deliver(id, MessageKind::Binary, data, message.unordered),
            Protocol::StringEmpty => {
                self.deliver(id, MessageKind::Text, Bytes::new(), message.unordered);
            }
            Protocol::BinaryEmpty => {
                self.deliver(id, MessageKind::Binary, Bytes::new(), message.unordered);
            }
            _ => tracing::debug!(channel = id, "a message of unknown kind is dropped"),
        }
    }

    // RFC 8831 §6.6 leaves open what becomes of what must not be sent. A message that is changed or left out would be
    // a silent fault; a channel that is closed is one that shows, and harms no other.
    fn refuse(&mut self, id: u16, unordered: bool, reason: &'static str) {
        tracing::debug!(channel = id, reason, "the channel is closed");
        self.accept_unannounced(id, unordered);
        self.start_closing(id);
    }

    fn deliver(&mut self, id: u16, kind: MessageKind, data: Bytes, unordered: bool) {
        self.accept_unannounced(id, unordered);
        self.confirm(id);
        if self.channels.get(&id).is_some_and(Channel::is_usable) {
            self.events.push_back(SctpEvent::Message {
                channel: ChannelId(id),
                kind,
                data,
            });
        }
    }

    // Data on a stream that nobody opened: the peer's application negotiated the channel (RFC 8832 §4 leaves how to
    // it), with options unknown here. Only the order shows, and is answered in kind.
    fn accept_unannounced(&mut self, id: u16, unordered: bool) {
        if !self.channels.contains_key(&id) {
            let options = ChannelOptions {
                ordered: !unordered,
                ..ChannelOptions::default()
            };
            self.accept(id, options);
        }
    }

    fn accept(&mut self, id: u16, options: ChannelOptions) {
        let is_full = self.channels.len() >= MAX_CHANNELS;
        self.streams
            .configure(id, options.ordered, options.reliability);
        self.channels
            .insert(id, Channel::new(ChannelState::Open, options));
        if is_full {
            tracing::debug!(channel = id, "too many channels: this one is closed");
            self.start_closing(id);
        } else {
            self.announce_opened(id);
        }
    }

    fn announce_opened(&mut self, id: u16) {
        if let Some(channel) = self.channels.get_mut(&id)
            && !std::mem::replace(&mut channel.announced, true)
        {
            let label = std::mem::take(&mut channel.options.label);
            let protocol = std::mem::take(&mut channel.options.protocol);
            self.events.push_back(SctpEvent::ChannelOpened {
                channel: ChannelId(id),
                options: ChannelOptions {
                    label,
                    protocol,
                    ..channel.options.clone()
                },
            });
        }
    }

    fn handle_dcep(&mut self, id: u16, message: &[u8]) {
        match dcep::decode(message) {
            Some(Dcep::Open(options)) => self.handle_open(id, options),
            Some(Dcep::Ack) => self.confirm(id),
            // RFC 8832 §6: malformed, so the channel is closed.
            None => {
                tracing::debug!(
                    channel = id,
                    "malformed DCEP message: the channel is closed"
                );
                self.channels
                    .entry(id)
                    .or_insert_with(|| Channel::new(ChannelState::Open, ChannelOptions::default()));
                self.start_closing(id);
            }
        }
    }

    // A channel that is open already stays as it is when the peer opens it again the same way; otherwise the peer
    // means another, and RFC 8832 §6 has it closed. It would also have those of the wrong parity closed, which exist to
    // keep two ends from opening the same channel at once. They are let be: there are peers that take the wrong ones
    // (the role in DTLS is not always known to who opens channels), and should they meet one of ours, that one is
    // closed by the rule before.
    fn handle_open(&mut self, id: u16, options: ChannelOptions) {
        match self.channels.get(&id) {
            None => self.accept(id, options),
            Some(channel) if channel.is_open_like(&options) => {}
            Some(_) => return self.start_closing(id),
        }
        if self.channels.get(&id).is_some_and(Channel::is_usable) {
            // Only fails with the association.
            let _ = self.write(id, Protocol::Dcep, &dcep::encode_ack());
        }
    }

    // By an acknowledgement, or by data, which implies it (RFC 8832 §6).
    fn confirm(&mut self, id: u16) {
        if let Some(channel) = self.channels.get_mut(&id)
            && channel.state == ChannelState::Opening
        {
            channel.state = ChannelState::Open;
            self.streams
                .configure(id, channel.options.ordered, channel.options.reliability);
            self.announce_opened(id);
        }
    }
}

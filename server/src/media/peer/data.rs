//! A peer's data channels: SCTP inside DTLS, and what is held while nothing of it can leave.

use std::time::Instant;

use bytes::Bytes;

use super::{Peer, PeerOutput};
use crate::media::data::{ChannelError, ChannelId, MessageKind, Sctp, SctpConfig, SctpEvent};
use crate::media::sdp::{DtlsRole, Section};
use crate::media::transport::dtls::DtlsState;

/// The port of our end of the SCTP association; there is only one in each DTLS (RFC 8841 §5.1).
const SCTP_PORT: u16 = 5000;

/// Bytes that SCTP is given, while nothing it says leaves. Some more than a sender has under way.
pub const MAX_UNANSWERED: usize = 1 << 20;

/// What a message costs besides its bytes.
pub const MESSAGE_COST: usize = 256;

/// What SCTP may hold for a packet however short: the answer to it.
const LEAST_ANSWER: usize = 256;

impl Peer {
    /// Sends a data channel message.
    pub fn send_data(
        &mut self,
        now: Instant,
        channel: ChannelId,
        kind: MessageKind,
        data: Bytes,
    ) -> Result<(), ChannelError> {
        let sctp = self.sctp.as_mut().ok_or(ChannelError::NotOpen)?;
        let sent = sctp.send(now, channel, kind, data);
        self.pump_sctp(now);
        sent
    }

    /// Bytes of data channel messages not yet acknowledged.
    pub fn buffered(&self) -> usize {
        self.sctp.as_ref().map_or(0, |sctp| sctp.buffered())
    }

    /// The same on one channel.
    pub fn buffered_on(&self, channel: ChannelId) -> usize {
        let sctp = self.sctp.as_ref();
        sctp.map_or(0, |sctp| sctp.buffered_on(channel))
    }

    /// Whether memory is scarce, so that nobody is to be sent more than its least share.
    pub fn is_memory_scarce(&self) -> bool {
        self.held_bytes.is_scarce()
    }

    /// Whether there are data channels.
    pub fn has_data(&self) -> bool {
        self.sctp.is_some()
    }

    /// Lets so many bytes be read from the data channels from now on, each message counted with
    /// [`MESSAGE_COST`], or all there are. What is not read, the other end waits with. Returns whether
    /// some were waiting for that, and may have been given out.
    pub fn set_appetite(&mut self, now: Instant, appetite: Option<usize>) -> bool {
        let was_full = self.appetite == Some(0);
        self.appetite = appetite;
        let reads_again = was_full && appetite != Some(0);
        if reads_again {
            self.pump_sctp(now);
        }
        reads_again
    }

    fn next_data_event(&mut self) -> Option<SctpEvent> {
        if self.appetite == Some(0) {
            return None;
        }
        let event = self.sctp.as_mut()?.poll_event()?;
        if let (SctpEvent::Message { data, .. }, Some(appetite)) = (&event, &mut self.appetite) {
            *appetite = appetite.saturating_sub(data.len() + MESSAGE_COST);
        }
        Some(event)
    }

    /// Whether there is room for what SCTP may have to say to a packet. While nothing of it leaves,
    /// the rest is as good as lost.
    pub(super) fn may_be_answered(&mut self, length: usize) -> bool {
        if self.is_data_held() {
            self.unanswered += length + LEAST_ANSWER;
        }
        self.unanswered <= MAX_UNANSWERED
    }

    pub(super) fn start_sctp(&mut self, now: Instant) {
        let (None, Some(dtls), Some(agreed)) = (&self.sctp, &self.dtls, &self.agreed) else {
            return;
        };
        if self.data_over.is_some() {
            return;
        }
        let data = agreed.sections.iter().find_map(|section| match section {
            Section::Data(data) => Some(data),
            Section::Media(_) | Section::Rejected { .. } => None,
        });
        if let (Some(data), DtlsState::Connected) = (data, dtls.state()) {
            let config = SctpConfig {
                local_port: SCTP_PORT,
                remote_port: data.sctp_port,
                max_message_size: self.max_message_size,
                remote_max_message_size: data.max_message_size,
                dtls_client: dtls.role() == DtlsRole::Client,
            };
            self.sctp = Some(Box::new(Sctp::within(
                now,
                config,
                self.held_bytes.budget(),
            )));
        }
    }

    pub(super) fn pump_sctp(&mut self, now: Instant) {
        while let Some(event) = self.next_data_event() {
            match event {
                SctpEvent::Message {
                    channel,
                    kind,
                    data,
                } => self.outputs.push_back(PeerOutput::Data {
                    channel,
                    kind,
                    data,
                }),
                SctpEvent::Closed { reason } => {
                    self.data_over = Some(format!("the data channels are closed: {reason}"));
                }
                SctpEvent::ChannelOpened { channel, options } => {
                    let label = options.label;
                    let output = PeerOutput::ChannelOpened { channel, label };
                    self.outputs.push_back(output);
                }
                SctpEvent::ChannelClosed { channel } => {
                    self.outputs
                        .push_back(PeerOutput::ChannelClosed { channel });
                }
                SctpEvent::Connected => {}
            }
        }
        while let Some(packet) = self.next_packet(now) {
            if let Some(dtls) = &mut self.dtls {
                dtls.send(now, &packet);
            }
            self.pump_dtls();
        }
        if self.data_over.is_some() {
            self.sctp = None;
            self.report_state();
        }
    }

    fn next_packet(&mut self, now: Instant) -> Option<Bytes> {
        if self.is_data_held() {
            return None;
        }
        self.sctp.as_mut()?.poll_transmit(now)
    }

    /// Whether data waits: its reader is slow, or the path has no room for it.
    pub(super) fn is_data_held(&self) -> bool {
        self.congested || self.held.is_some()
    }
}

//! The SCTP library's endpoint and association, set up our way: one association, no addresses, no limits of its own.
//!
//! Knows how the library is called; what to tell it, and what to believe of it, is `guard`'s and `streams`'.

use super::super::resend::Resend;
use super::config::{DEFAULT_PORT, MAX_PACKET_SIZE, RECEIVE_WINDOW};
use bytes::Bytes;
use rtc::sctp::{
    Association, AssociationStats, ClientConfig, ConnectError, DatagramEvent, Endpoint,
    EndpointConfig, Event, Payload, PayloadProtocolIdentifier, ServerConfig, Stream, TimerConfig,
    TransportConfig, max_payload_size_for_mtu,
};
use rtc::shared::TransportProtocol;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The library wants addresses; below DTLS there are none.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), DEFAULT_PORT);

/// See the module.
pub(super) struct Library {
    endpoint: Endpoint,
    association: Association,
    /// Until it is up.
    resend: Option<Resend>,
}

impl Library {
    /// An association that begins with an INIT of ours.
    pub(super) fn initiate(now: Instant) -> Result<Library, ConnectError> {
        let mut endpoint = endpoint(None);
        let config = ClientConfig::new(transport_config());
        let (_, association) = endpoint.connect(now, config, NOWHERE)?;
        let mut resend = Resend::default();
        resend.note(now, association.poll_timeout());
        Ok(Library {
            endpoint,
            association,
            resend: Some(resend),
        })
    }

    /// An association that begins with this INIT of the peer's; none when it is not one.
    pub(super) fn accept(now: Instant, init: Bytes) -> Option<Library> {
        let mut endpoint = endpoint(Some(ServerConfig::new(transport_config())));
        match endpoint.handle(now, NOWHERE, None, init)? {
            (_, DatagramEvent::NewAssociation(association)) => Some(Library {
                endpoint,
                association,
                resend: Some(Resend::default()),
            }),
            _ => None,
        }
    }

    /// Takes a packet from the peer.
    pub(super) fn handle_packet(&mut self, now: Instant, packet: Bytes) {
        if let Some((_, DatagramEvent::AssociationEvent(event))) =
            self.endpoint.handle(now, NOWHERE, None, packet)
        {
            self.association.handle_event(event);
        }
        if let Some(resend) = &mut self.resend {
            resend.note(now, self.association.poll_timeout());
        }
    }

    /// The next packets for the peer.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's enum: it sends nothing else"
    )]
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<Vec<Bytes>> {
        match self.association.poll_transmit(now)?.message {
            Payload::RawEncode(packets) => Some(packets),
            _ => None,
        }
    }

    pub(super) fn poll_event(&mut self) -> Option<Event> {
        let event = self.association.poll();
        if matches!(event, Some(Event::Connected)) {
            self.resend = None;
        }
        event
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.resend {
            Some(resend) => resend.due(),
            None => self.association.poll_timeout(),
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let Some(resend) = &mut self.resend else {
            self.association.handle_timeout(now);
            return;
        };
        if let Some(at) = resend.take(now) {
            self.association.handle_timeout(at);
            resend.note_sent(now, self.association.poll_timeout());
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.association.is_closed()
    }

    /// Queues an ABORT, and forgets everything else.
    pub(super) fn abort(&mut self) {
        // Only fails when closed already.
        let _ = self.association.abort();
    }

    pub(super) fn rtt(&self) -> Duration {
        self.association.rtt()
    }

    pub(super) fn stats(&self) -> AssociationStats {
        self.association.stats()
    }

    /// How many streams both ends allow; 0 until that is settled.
    pub(super) fn stream_limit(&self) -> u16 {
        self.association.negotiated_max_streams().unwrap_or(0)
    }

    /// A stream that is there.
    pub(super) fn stream(&mut self, id: u16) -> Option<Stream<'_>> {
        self.association.stream(id).ok()
    }

    /// A stream, made if it is not there.
    pub(super) fn open_stream(&mut self, id: u16) -> Option<Stream<'_>> {
        if self.association.stream(id).is_ok() {
            return self.stream(id);
        }
        self.association
            .open_stream(id, PayloadProtocolIdentifier::Binary)
            .ok()
    }

    /// The library remembers every stream that the peer opened until it is accepted.
    pub(super) fn accept_stream(&mut self) {
        self.association.accept_stream();
    }
}

fn endpoint(server: Option<ServerConfig>) -> Endpoint {
    let mut config = EndpointConfig::new();
    config.max_payload_size(max_payload_size_for_mtu(MAX_PACKET_SIZE as u32));
    Endpoint::new(
        NOWHERE,
        TransportProtocol::UDP,
        Arc::new(config),
        server.map(Arc::new),
    )
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

//! One association of DTLS 1.2 (RFC 6347): a thin wrapper over `rtc::dtls` that keeps from it what would harm it, repeats
//! flights sooner, and lets it forget its handshake.
//!
//! Sans-IO. It knows no addresses, and does not judge who is at the other end.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;
use ferrite_protocol::diagnosis::Gap;
use rtc::crypto::RTCCryptoProvider;
use rtc::dtls::config::HandshakeConfig;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::dtls::state::State;
use rtc::shared::TransportProtocol;
use rtc::shared::error::Error;

use crate::media::net::dtls::gate::{Gate, only_protected};
use crate::media::resend::Resend;

/// `Endpoint` tells associations apart by address. Each here has its own, with one association that keeps its name when
/// the path changes.
pub const NAME: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 1));

/// Why DTLS failed, in words for the log and for the user.
#[derive(Clone, Debug, thiserror::Error)]
#[error("DTLS: {0}")]
pub struct DtlsError(pub String);

impl DtlsError {
    /// In the library's words.
    pub fn of(error: impl std::fmt::Debug) -> Self {
        Self(format!("{error:?}"))
    }
}

/// Which end of the handshake this is.
#[derive(Clone)]
pub enum End {
    /// It begins.
    Client(Arc<HandshakeConfig>),
    /// It waits for a ClientHello.
    Server(Arc<HandshakeConfig>),
}

impl End {
    fn config(&self) -> &Arc<HandshakeConfig> {
        match self {
            Self::Client(config) | Self::Server(config) => config,
        }
    }

    fn is_client(&self) -> bool {
        matches!(self, Self::Client(_))
    }
}

/// An association.
pub struct Association {
    endpoint: Endpoint,
    end: End,
    provider: Arc<dyn RTCCryptoProvider>,
    gate: Gate,
    resend: Resend,
    /// The handshake is done.
    is_done: bool,
    /// When the other end used its keys, with the number of the record: the handshake can be
    /// forgotten.
    confirmed: Option<(Instant, u64)>,
}

impl Association {
    /// One that waits for [`Self::begin`] or, as the server, for a ClientHello.
    pub fn new(end: End, provider: Arc<dyn RTCCryptoProvider>) -> Self {
        let server = match &end {
            End::Client(_) => None,
            End::Server(config) => Some(config.clone()),
        };
        Self {
            endpoint: Endpoint::new(NAME, TransportProtocol::UDP, server),
            end,
            provider,
            gate: Gate::default(),
            resend: Resend::default(),
            is_done: false,
            confirmed: None,
        }
    }

    /// As the client, sends the ClientHello.
    pub fn begin(&mut self, now: Instant) -> Result<(), DtlsError> {
        let config = self.end.config().clone();
        let begun = self.endpoint.connect(now, NAME, config, None);
        self.note_flight(now);
        begun.map_err(DtlsError::of)
    }

    /// Takes note of a flight that may have been sent.
    fn note_flight(&mut self, now: Instant) {
        let library = self.endpoint.poll_timeout(&NAME);
        self.resend.note(now, library);
    }

    /// Takes a datagram of one or more records. After an error it is of no use any more.
    pub fn read(&mut self, now: Instant, datagram: &[u8]) -> Result<Vec<EndpointEvent>, DtlsError> {
        let admitted = self.gate.admit(datagram, self.is_done);
        if admitted.is_empty() {
            return Ok(Vec::new());
        }
        let newest = only_protected(&admitted);
        let read = self.endpoint.read(now, NAME, None, admitted);
        self.note_flight(now);
        match read {
            Ok(events) => {
                self.confirm(now, newest, &events);
                self.is_done |= events
                    .iter()
                    .any(|event| matches!(event, EndpointEvent::HandshakeComplete));
                Ok(events)
            }
            Err(error) if !self.is_done => Err(DtlsError::of(error)),
            // Now that alerts are authentic, they are believed.
            Err(Error::ErrAlertFatalOrClose) => {
                let why = "the other end reported an error and gave up";
                Err(DtlsError(why.to_owned()))
            }
            // After the handshake a bad record is dropped in silence (RFC 6347 §4.1.2.7).
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Takes note of the first data: whoever sends it has got our last flight.
    fn confirm(&mut self, now: Instant, newest: Option<u64>, events: &[EndpointEvent]) {
        if self.is_done && !self.gate.is_settled() && events.iter().any(is_data) {
            self.confirmed = newest.map(|newest| (now, newest));
        }
    }

    /// Goes on with nothing but the keys: what the library keeps of a handshake, to repeat its end,
    /// is half of what a quiet peer's memory would be. The library's memory of records that came is
    /// lost, too, so none is taken that is older than the newest.
    fn forget_handshake(&mut self, now: Instant, newest: u64) {
        let Some(Ok(state)) = self.state().map(State::marshal_binary) else {
            return;
        };
        let mut keys = State::new(self.provider.clone(), self.end.is_client());
        let mut endpoint = Endpoint::new(NAME, TransportProtocol::UDP, None);
        // The library goes on with an earlier state in the client's name only. Which end this is
        // says the state; the association's name is for handshakes.
        let config = self.end.config().clone();
        if keys.unmarshal_binary(&state).is_ok()
            && endpoint.connect(now, NAME, config, Some(keys)).is_ok()
        {
            self.endpoint = endpoint;
            self.gate.settle(newest);
        }
    }

    /// What was agreed on.
    pub fn state(&self) -> Option<&State> {
        self.endpoint.get_connection_state(NAME)
    }

    /// Which end this is.
    pub fn is_client(&self) -> bool {
        self.end.is_client()
    }

    /// Whether the handshake is done.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Whether it has forgotten its handshake.
    #[cfg(test)]
    pub fn is_settled(&self) -> bool {
        self.gate.is_settled()
    }

    /// How much came that had not come before: it grows while the handshake goes on.
    pub fn progress(&self) -> usize {
        self.gate.progress()
    }

    /// The longest part that is missing of the first message that is not whole, if one is not.
    pub fn gap(&self) -> Option<Gap> {
        self.gate.gap()
    }

    /// Encrypts one record of application data, once the handshake is done.
    pub fn write(&mut self, now: Instant, data: &[u8]) {
        if self.is_done {
            // Fails only without an association.
            let _ = self.endpoint.write(now, NAME, data);
        }
    }

    /// Sends close_notify (RFC 5246 §7.2.1), if there is anybody to send it to.
    pub fn close(&mut self, now: Instant) {
        // Sends what the association queued; nothing is left to fail.
        let _ = self.endpoint.close(now);
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<BytesMut> {
        let transmit = self.endpoint.poll_transmit();
        if transmit.is_none()
            && let Some((now, newest)) = self.confirmed.take()
        {
            self.forget_handshake(now, newest);
        }
        Some(transmit?.message)
    }

    /// When [`Self::handle_timeout`] next has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.resend.due()
    }

    /// Retransmits a flight, if it is time (RFC 6347 §4.2.4).
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        let Some(library) = self.resend.take(now) else {
            return Ok(());
        };
        if self.state().is_none() {
            return Ok(());
        }
        match self.endpoint.handle_timeout(NAME, library) {
            Ok(()) => {
                let library = self.endpoint.poll_timeout(&NAME);
                self.resend.note_sent(now, library);
                Ok(())
            }
            Err(error) => {
                let why = format!("the other end stopped answering ({error:?})");
                Err(DtlsError(why))
            }
        }
    }
}

/// Whether an event is a record of application data.
pub fn is_data(event: &EndpointEvent) -> bool {
    matches!(event, EndpointEvent::ApplicationData(_))
}

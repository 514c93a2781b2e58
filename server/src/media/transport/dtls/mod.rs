//! DTLS 1.2 for one peer (RFC 6347): an association with what WebRTC asks of it: the certificate is
//! checked against the session description's fingerprints (RFC 8122 §6.2), and the handshake keys
//! SRTP (RFC 5764).
//!
//! Sans-IO. It does not know addresses: ICE decides where its datagrams go.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use ferrite_protocol::diagnosis::{DtlsEvidence, DtlsFate};
use rtc::crypto::RTCCryptoProvider;
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::EndpointEvent;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::dtls::signature_hash_algorithm::SignatureScheme;
use sha2::{Digest, Sha256, Sha384, Sha512};

use crate::media::net::dtls::association::{Association, DtlsError, End, NAME, is_data};
use crate::media::sdp::{DtlsRole, Fingerprint, HashAlgorithm};
use crate::media::transport::srtp::Srtp;

/// How long a handshake may take, from the first datagram.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// What the other end may sign with (RFC 5246 §7.4.1.4.1, §7.4.4): all that is verified here, whatever
/// the certificate, and nothing else. TLS 1.2 ties no hash to a curve, but the library verifies SHA-384
/// with P-384 only, so that ECDSA is asked for with SHA-256, which it verifies with P-256 and P-384.
pub const SIGNATURES: [SignatureScheme; 5] = [
    SignatureScheme::EcdsaWithP256AndSha256,
    SignatureScheme::Ed25519,
    SignatureScheme::Pkcs1WithSha256,
    SignatureScheme::Pkcs1WithSha384,
    SignatureScheme::Pkcs1WithSha512,
];

/// Why a handshake failed that somebody else answered.
const OTHER_CERTIFICATE: &str =
    "the certificate does not match the fingerprint of the session description";

/// What the server proves who it is with: one self-signed certificate for the whole process.
#[derive(Clone)]
pub struct Identity {
    /// Does every cryptographic operation.
    pub provider: Arc<dyn RTCCryptoProvider>,
    /// The certificate's SHA-256 digest.
    pub fingerprint: [u8; 32],
    server: Arc<HandshakeConfig>,
    client: Arc<HandshakeConfig>,
}

impl Identity {
    /// Makes a new key and certificate.
    pub fn generate() -> Result<Self, DtlsError> {
        let provider = rtc::crypto::default_provider().map_err(DtlsError::of)?;
        let certificate =
            Certificate::generate_self_signed(vec!["ferrite".to_owned()], provider.crypto())
                .map_err(DtlsError::of)?;
        let fingerprint = Sha256::digest(&certificate.certificate[0]).into();
        let config = |is_client| {
            ConfigBuilder::default()
                .with_crypto_provider(provider.clone())
                .with_certificates(vec![certificate.clone()])
                .with_srtp_protection_profiles(vec![
                    SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
                    SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
                ])
                .with_signature_schemes(SIGNATURES.to_vec())
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                // No CA signs these certificates: the fingerprint is checked instead.
                .with_insecure_skip_verify(true)
                // The library sends one, and would take an address, which is none (RFC 6066 §3). A short one, for
                // what is sent to an address that is not yet proven is counted.
                .with_server_name("f".to_owned())
                .build(is_client, Some(NAME))
                .map(Arc::new)
                .map_err(DtlsError::of)
        };
        Ok(Self {
            server: config(false)?,
            client: config(true)?,
            fingerprint,
            provider,
        })
    }

    fn association(&self, role: DtlsRole) -> Association {
        let end = match role {
            DtlsRole::Client => End::Client(self.client.clone()),
            DtlsRole::Server => End::Server(self.server.clone()),
        };
        Association::new(end, self.provider.clone())
    }
}

/// What the handshake and its association do.
pub enum DtlsEvent {
    /// The handshake is done and the other end is who its session description says.
    Connected(Box<Srtp>),
    /// A record of application data: an SCTP packet.
    Data(Bytes),
    /// The other end closed.
    Closed,
    /// The handshake cannot succeed any more.
    Failed(DtlsError),
}

/// `RTCDtlsTransportState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsState {
    /// No datagram was heard.
    New,
    /// The handshake is under way.
    Connecting,
    /// The handshake is done.
    Connected,
    /// Closed by either end.
    Closed,
    /// The handshake failed.
    Failed,
}

/// The DTLS association of one peer.
pub struct Dtls {
    association: Association,
    identity: Identity,
    fingerprints: Vec<Fingerprint>,
    state: DtlsState,
    deadline: Option<Instant>,
    events: VecDeque<DtlsEvent>,
    /// What the handshake came to so far, and since when it comes to no more.
    evidence: DtlsEvidence,
    quiet_since: Option<Instant>,
}

impl Dtls {
    /// An association that waits for [`Self::start`] or, as the server, for a ClientHello.
    pub fn new(identity: Identity, role: DtlsRole, fingerprints: Vec<Fingerprint>) -> Self {
        Self {
            association: identity.association(role),
            identity,
            fingerprints,
            state: DtlsState::New,
            deadline: None,
            events: VecDeque::new(),
            evidence: DtlsEvidence {
                begins_here: role == DtlsRole::Client,
                ..DtlsEvidence::default()
            },
            quiet_since: None,
        }
    }

    /// The state.
    pub fn state(&self) -> DtlsState {
        self.state
    }

    /// This end's part in the handshake.
    pub fn role(&self) -> DtlsRole {
        match self.association.is_client() {
            true => DtlsRole::Client,
            false => DtlsRole::Server,
        }
    }

    /// There is a path: as the client, send the ClientHello; as the server, wait for it, but not for
    /// ever.
    pub fn start(&mut self, now: Instant) {
        if self.state != DtlsState::New {
            return;
        }
        self.quiet_since.get_or_insert(now);
        if self.role() == DtlsRole::Server {
            self.deadline.get_or_insert(now + HANDSHAKE_TIMEOUT);
            return;
        }
        self.begin(now);
        if let Err(error) = self.association.begin(now) {
            self.fail(now, error);
        }
    }

    fn begin(&mut self, now: Instant) {
        self.state = DtlsState::Connecting;
        self.deadline = Some(now + HANDSHAKE_TIMEOUT);
    }

    /// Takes a datagram of one or more records. Says whether there was data of the other end in it.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> bool {
        match self.state {
            DtlsState::Closed | DtlsState::Failed => return false,
            DtlsState::New => self.begin(now),
            DtlsState::Connecting | DtlsState::Connected => {}
        }
        match self.read(now, datagram) {
            Ok(events) => {
                let is_alive = self.state == DtlsState::Connected && events.iter().any(is_data);
                events
                    .into_iter()
                    .for_each(|event| self.handle_event(now, event));
                is_alive
            }
            Err(error) => {
                self.fail(now, error);
                false
            }
        }
    }

    fn read(&mut self, now: Instant, datagram: &[u8]) -> Result<Vec<EndpointEvent>, DtlsError> {
        if self.state == DtlsState::Connected {
            return self.association.read(now, datagram);
        }
        let before = self.association.progress();
        let read = self.association.read(now, datagram);
        if self.association.progress() > before {
            self.quiet_since = Some(now);
        }
        let evidence = &mut self.evidence;
        evidence.received = evidence.received.saturating_add(1);
        evidence.longest.0 = evidence.longest.0.max(size(datagram));
        read
    }

    /// What the handshake came to so far.
    pub fn evidence(&self, now: Instant) -> DtlsEvidence {
        let quiet = (self.quiet_since).map(|since| now.saturating_duration_since(since));
        let quiet = quiet.unwrap_or_default().as_millis();
        DtlsEvidence {
            fate: match self.state {
                DtlsState::New | DtlsState::Connecting => DtlsFate::UnderWay,
                DtlsState::Connected => DtlsFate::Done,
                DtlsState::Closed => DtlsFate::Closed,
                DtlsState::Failed => self.evidence.fate.clone(),
            },
            quiet_ms: u32::try_from(quiet).unwrap_or(u32::MAX),
            gap: self.association.gap(),
            ..self.evidence.clone()
        }
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the library's enum, which may grow"
    )]
    fn handle_event(&mut self, now: Instant, event: EndpointEvent) {
        match event {
            EndpointEvent::HandshakeComplete => match self.complete() {
                Ok(srtp) => {
                    self.state = DtlsState::Connected;
                    self.deadline = None;
                    self.events.push_back(DtlsEvent::Connected(Box::new(srtp)));
                }
                Err(error) => self.fail(now, error),
            },
            EndpointEvent::ApplicationData(data) if self.state == DtlsState::Connected => {
                self.events.push_back(DtlsEvent::Data(data.freeze()));
            }
            EndpointEvent::PeerClosed => {
                self.state = DtlsState::Closed;
                self.events.push_back(DtlsEvent::Closed);
            }
            // Data before the check of the certificate is dropped.
            _ => {}
        }
    }

    fn complete(&self) -> Result<Srtp, DtlsError> {
        let state =
            (self.association.state()).ok_or_else(|| DtlsError("no association".to_owned()))?;
        self.check_certificate(&state.peer_certificates)?;
        Srtp::from_dtls(state, &self.identity.provider).map_err(DtlsError::of)
    }

    /// RFC 8122 §6.2: the certificate must match one of the session description's fingerprints.
    fn check_certificate(&self, certificates: &[Vec<u8>]) -> Result<(), DtlsError> {
        let certificate = certificates
            .first()
            .ok_or_else(|| DtlsError("the other end sent no certificate".to_owned()))?;
        let matches = |fingerprint: &Fingerprint| {
            let expected = &fingerprint.digest[..];
            match fingerprint.algorithm {
                HashAlgorithm::Sha256 => Sha256::digest(certificate)[..] == *expected,
                HashAlgorithm::Sha384 => Sha384::digest(certificate)[..] == *expected,
                HashAlgorithm::Sha512 => Sha512::digest(certificate)[..] == *expected,
            }
        };
        match self.fingerprints.iter().any(matches) {
            true => Ok(()),
            false => Err(DtlsError(OTHER_CERTIFICATE.to_owned())),
        }
    }

    fn fail(&mut self, now: Instant, error: DtlsError) {
        // The other end learns at once what it would else learn from silence.
        self.association.close(now);
        // Whoever gives up after the handshake has ended the call, and no handshake failed.
        self.evidence.fate = match (self.state, error.0.as_str()) {
            (DtlsState::Connected, _) => DtlsFate::Closed,
            (_, OTHER_CERTIFICATE) => DtlsFate::WrongCertificate,
            (_, words) => DtlsFate::Failed(words.to_owned()),
        };
        self.state = DtlsState::Failed;
        self.deadline = None;
        self.events.push_back(DtlsEvent::Failed(error));
    }

    /// Encrypts one record of application data. Before the handshake is done it is dropped.
    pub fn send(&mut self, now: Instant, data: &[u8]) {
        if self.state == DtlsState::Connected {
            self.association.write(now, data);
        }
    }

    /// Sends close_notify (RFC 5246 §7.2.1).
    pub fn close(&mut self, now: Instant) {
        if matches!(self.state, DtlsState::Connecting | DtlsState::Connected) {
            self.association.close(now);
        }
        self.state = DtlsState::Closed;
        self.deadline = None;
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<BytesMut> {
        let message = self.association.poll_transmit()?;
        if self.state != DtlsState::Connected {
            let evidence = &mut self.evidence;
            evidence.sent = evidence.sent.saturating_add(1);
            evidence.longest.1 = evidence.longest.1.max(size(&message));
        }
        Some(message)
    }

    /// What happened.
    pub fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop_front()
    }

    /// When [`Self::handle_timeout`] next has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let deadline = self.deadline?;
        let resend = self.association.poll_timeout();
        Some(resend.map_or(deadline, |at| at.min(deadline)))
    }

    /// Retransmits a flight (RFC 6347 §4.2.4), or gives up.
    pub fn handle_timeout(&mut self, now: Instant) {
        let Some(deadline) = self.deadline else {
            return;
        };
        if now >= deadline {
            self.fail(now, DtlsError("the handshake took too long".to_owned()));
            return;
        }
        if let Err(error) = self.association.handle_timeout(now) {
            self.fail(now, error);
        }
    }
}

fn size(datagram: &[u8]) -> u16 {
    u16::try_from(datagram.len()).unwrap_or(u16::MAX)
}

//! What a light client shows at the door: a certificate, its fingerprint, and how it shakes hands.
//! Many may share one.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rtc::crypto::RTCCryptoProvider;
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::endpoint::Endpoint;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc::srtp::config::Config;
use rtc::srtp::protection_profile::ProtectionProfile;
use sha2::{Digest, Sha256};

/// RFC 5764 §4.2.
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";

/// The library tells associations apart by address; here is one.
pub(super) const ASSOCIATION: SocketAddr =
    SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 1));

/// A certificate and all that hangs on it.
#[derive(Clone)]
pub struct Badge {
    pub(super) provider: Arc<dyn RTCCryptoProvider>,
    /// Of the certificate, as SDP has it (RFC 8122 §5).
    pub(super) fingerprint: String,
    pub(super) handshake: Arc<HandshakeConfig>,
}

impl std::fmt::Debug for Badge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Badge").field(&self.fingerprint).finish()
    }
}

impl Badge {
    /// With a certificate of its own.
    pub fn new() -> Result<Self> {
        let provider = rtc::crypto::default_provider()?;
        let certificate =
            Certificate::generate_self_signed(vec!["member".to_owned()], provider.crypto())?;
        let handshake = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate.clone()])
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_client_auth(ClientAuthType::RequireAnyClientCert)
            // It does not matter to it whom it loads.
            .with_insecure_skip_verify(true)
            .build(true, Some(ASSOCIATION))?;
        Ok(Self {
            fingerprint: hexadecimal(&Sha256::digest(&certificate.certificate[0])),
            handshake: Arc::new(handshake),
            provider,
        })
    }
}

/// The keys of AES-128-GCM that a finished handshake left (RFC 5764 §4.2).
pub(super) fn keys(dtls: &Endpoint) -> Result<Config> {
    let state = dtls.get_connection_state(ASSOCIATION);
    let state = state.context("no association")?;
    let profile = ProtectionProfile::AeadAes128Gcm;
    let length = 2 * (profile.key_len() + profile.salt_len());
    let material = state.export_keying_material(EXPORTER, &[], length)?;
    let mut config = Config {
        profile,
        ..Config::default()
    };
    config.set_session_keys_from_keying_material(material.as_ref(), true)?;
    Ok(config)
}

fn hexadecimal(digest: &[u8]) -> String {
    let bytes: Vec<_> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    bytes.join(":")
}

//! The server's certificate as the library takes it, whose signatures are made by the key that serves TLS; and randomness
//! that gives the library, for its cookie, the one that a client has shown already.

use std::sync::{Arc, Mutex, PoisonError};

use rtc::crypto::{
    CryptoAlgorithm, CryptoError, PublicKey, PublicKeyEncoding, RTCCrypto, RTCCryptoProvider,
    RTCRandom, SignatureScheme, SigningKey,
};
use rtc::dtls::config::{ConfigBuilder, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rustls::sign::CertifiedKey;

use crate::media::net::dtls::association::{DtlsError, NAME};
use crate::media::net::dtls::hello::COOKIE;

/// What a server's end agrees on with this certificate, and without one of the client's.
pub fn config(
    certified: Arc<CertifiedKey>,
    provider: Arc<dyn RTCCryptoProvider>,
) -> Result<Arc<HandshakeConfig>, DtlsError> {
    let chain = certified.cert.clone();
    let public = certified.key.public_key();
    let key = Key {
        public: public.map_or_else(Vec::new, |key| key.as_ref().to_vec()),
        certified,
    };
    let config = ConfigBuilder::default()
        .with_crypto_provider(provider)
        .with_certificates(vec![Certificate::from_signing_key(chain, Arc::new(key))])
        // No client shows any.
        .with_insecure_skip_verify(true)
        .build(false, Some(NAME));
    config.map(Arc::new).map_err(DtlsError::of)
}

/// What a client's end agrees on that takes whatever certificate it is shown.
pub fn for_a_client(
    provider: Arc<dyn RTCCryptoProvider>,
) -> Result<Arc<HandshakeConfig>, DtlsError> {
    let config = ConfigBuilder::default()
        .with_crypto_provider(provider)
        .with_insecure_skip_verify(true)
        .build(true, Some(NAME));
    config.map(Arc::new).map_err(DtlsError::of)
}

/// The certificate's key.
struct Key {
    certified: Arc<CertifiedKey>,
    public: Vec<u8>,
}

impl SigningKey for Key {
    fn supports(&self, scheme: SignatureScheme) -> bool {
        signer(&self.certified, scheme).is_some()
    }

    fn public_key(&self) -> PublicKey<'_> {
        PublicKey {
            encoding: PublicKeyEncoding::SubjectPublicKeyInfoDer,
            bytes: &self.public,
        }
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let signer = signer(&self.certified, scheme);
        let signed = signer.and_then(|signer| signer.sign(message).ok());
        let algorithm = CryptoAlgorithm::Signature(scheme);
        signed.ok_or(CryptoError::UnsupportedAlgorithm(algorithm))
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's enum, which may grow"
)]
fn signer(
    certified: &CertifiedKey,
    scheme: SignatureScheme,
) -> Option<Box<dyn rustls::sign::Signer>> {
    let scheme = match scheme {
        SignatureScheme::Ed25519 => rustls::SignatureScheme::ED25519,
        SignatureScheme::EcdsaP256Sha256 => rustls::SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::EcdsaP384Sha384 => rustls::SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::RsaPkcs1Sha256 => rustls::SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::RsaPkcs1Sha384 => rustls::SignatureScheme::RSA_PKCS1_SHA384,
        SignatureScheme::RsaPkcs1Sha512 => rustls::SignatureScheme::RSA_PKCS1_SHA512,
        _ => return None,
    };
    certified.key.choose_scheme(&[scheme])
}

/// Randomness that can be told what it gives out as the next cookie.
///
/// The library has no other way to be told that the client has shown a cookie before there was anything of it here: it
/// draws one, and compares what the client shows with that.
pub struct Cookied {
    provider: Arc<dyn RTCCryptoProvider>,
    cookie: Mutex<Option<[u8; COOKIE]>>,
}

impl Cookied {
    /// Over a provider.
    pub fn new(provider: Arc<dyn RTCCryptoProvider>) -> Self {
        Self {
            provider,
            cookie: Mutex::default(),
        }
    }

    /// From now on this is the cookie, once; or whatever is drawn.
    pub fn set(&self, cookie: Option<[u8; COOKIE]>) {
        *self.cookie.lock().unwrap_or_else(PoisonError::into_inner) = cookie;
    }
}

impl RTCCryptoProvider for Cookied {
    fn name(&self) -> &'static str {
        self.provider.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }

    fn random(&self) -> &dyn RTCRandom {
        self
    }
}

impl RTCRandom for Cookied {
    fn fill(&self, output: &mut [u8]) -> Result<(), CryptoError> {
        if output.len() == COOKIE {
            let mut cookie = self.cookie.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(cookie) = cookie.take() {
                output.copy_from_slice(&cookie);
                return Ok(());
            }
        }
        self.provider.random().fill(output)
    }
}

//! Signatures of tokens, which `ring` makes and checks: the one that DTLS and SRTP stand on, too. With
//! the providers that come with `jsonwebtoken` there would be a second library of cryptography.

use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, EncodingKey};
use ring::hmac;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // For JSON Web Keys, which nobody here reads or writes.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Lets `jsonwebtoken` use it, from before the first key.
pub(super) fn install() {
    // It is there already, unless this is the first key.
    let _ = PROVIDER.install_default();
}

fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if (*algorithm, key.family()) != (Algorithm::HS256, AlgorithmFamily::Hmac) {
        return Err(ErrorKind::UnsupportedAlgorithm.into());
    }
    Ok(Box::new(Secret::new(key.as_bytes())))
}

/// The key says which algorithm: each kind has one.
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    let bytes = key.try_get_as_bytes()?;
    let verifier: Box<dyn JwtVerifier> = match key.family() {
        AlgorithmFamily::Hmac => Box::new(Secret::new(bytes)),
        AlgorithmFamily::Rsa => public(Algorithm::RS256, &RSA_PKCS1_2048_8192_SHA256, bytes),
        AlgorithmFamily::Ec => public(Algorithm::ES256, &ECDSA_P256_SHA256_FIXED, bytes),
        AlgorithmFamily::Ed => public(Algorithm::EdDSA, &ED25519, bytes),
    };
    match verifier.algorithm() == *algorithm {
        true => Ok(verifier),
        false => Err(ErrorKind::UnsupportedAlgorithm.into()),
    }
}

fn public(
    algorithm: Algorithm,
    checks: &'static dyn VerificationAlgorithm,
    bytes: &[u8],
) -> Box<PublicKey> {
    let key = UnparsedPublicKey::new(checks, bytes.to_vec());
    Box::new(PublicKey { algorithm, key })
}

/// HS256 (RFC 7518 §3.2).
struct Secret(hmac::Key);

impl Secret {
    fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }
}

impl Signer<Vec<u8>> for Secret {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl JwtSigner for Secret {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Secret {
    /// Takes the same time wherever the tags differ.
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> std::result::Result<(), Error> {
        hmac::verify(&self.0, message, tag).map_err(|_| Error::new())
    }
}

impl JwtVerifier for Secret {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

/// RS256 (RFC 7518 §3.3), ES256 (§3.4) or EdDSA (RFC 8037 §3.1).
struct PublicKey {
    algorithm: Algorithm,
    key: UnparsedPublicKey<Vec<u8>>,
}

impl Verifier<Vec<u8>> for PublicKey {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        let checked = self.key.verify(message, signature);
        checked.map_err(|_| Error::new())
    }
}

impl JwtVerifier for PublicKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

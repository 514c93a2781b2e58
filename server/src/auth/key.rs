//! One key, and the one algorithm that goes with it. A token's header has no say in which that is, or who
//! has read a public key could sign with it as a secret (RFC 8725 §2.1).

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};

use super::error::KeyError;
use super::{MIN_SECRET_BYTES, crypto};

/// An uncompressed point on P-256.
const P256_POINT_BYTES: usize = 65;
const ED25519_BYTES: usize = 32;
/// A modulus of 2048 bits has as many, and `ring` takes none that is shorter.
const LEAST_RSA_BYTES: usize = 256;

/// What checks tokens; and signs them, if it is a secret.
#[derive(Clone)]
pub struct Key {
    pub(super) algorithm: Algorithm,
    pub(super) checks: DecodingKey,
    pub(super) signs: Option<EncodingKey>,
}

impl Key {
    /// A secret that is shared with who makes tokens (HS256), byte for byte as they have it.
    ///
    /// # Errors
    /// When it is shorter than [`MIN_SECRET_BYTES`].
    pub fn secret(secret: &str) -> Result<Self, KeyError> {
        if secret.len() < MIN_SECRET_BYTES {
            return Err(KeyError::ShortSecret);
        }
        crypto::install();
        let short = |_| KeyError::ShortSecret;
        Ok(Self {
            algorithm: Algorithm::HS256,
            checks: DecodingKey::from_secret(secret.as_bytes()).map_err(short)?,
            signs: Some(EncodingKey::from_secret(secret.as_bytes()).map_err(short)?),
        })
    }

    /// The public key in PEM of who makes tokens: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA).
    ///
    /// # Errors
    /// When it is none of these.
    pub fn public(pem: &str) -> Result<Self, KeyError> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        // What is no key by its label, such as a certificate, might be taken for one by its content.
        if !pem.contains("-----BEGIN PUBLIC KEY-----")
            && !pem.contains("-----BEGIN RSA PUBLIC KEY-----")
        {
            return Err(KeyError::NoPublicKey);
        }
        crypto::install();
        let (algorithm, checks) = read_public(pem.as_bytes())?;
        Ok(Self {
            algorithm,
            checks,
            signs: None,
        })
    }
}

/// The first kind that can be read is what it is: each is told by its own object identifier.
fn read_public(pem: &[u8]) -> Result<(Algorithm, DecodingKey), KeyError> {
    if let Ok(key) = DecodingKey::from_ed_pem(pem) {
        has_bytes(&key, |bytes| bytes == ED25519_BYTES, KeyError::NoPublicKey)?;
        return Ok((Algorithm::EdDSA, key));
    }
    if let Ok(key) = DecodingKey::from_ec_pem(pem) {
        has_bytes(
            &key,
            |bytes| bytes == P256_POINT_BYTES,
            KeyError::NoPublicKey,
        )?;
        return Ok((Algorithm::ES256, key));
    }
    let key = DecodingKey::from_rsa_pem(pem).map_err(|_| KeyError::NoPublicKey)?;
    has_bytes(&key, |bytes| bytes >= LEAST_RSA_BYTES, KeyError::ShortRsa)?;
    Ok((Algorithm::RS256, key))
}

fn has_bytes(
    key: &DecodingKey,
    enough: fn(usize) -> bool,
    error: KeyError,
) -> Result<(), KeyError> {
    let bytes = key.try_get_as_bytes().map_err(|_| error)?;
    enough(bytes.len()).then_some(()).ok_or(error)
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({:?})", self.algorithm)
    }
}

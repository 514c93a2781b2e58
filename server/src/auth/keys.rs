//! The keys of a server by name, and the steps of a token through them.

use std::time::SystemTime;

use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Validation, dangerous};

use super::MAX_TOKEN_BYTES;
use super::claims::{Claims, Issuer};
use super::error::{KeyError, TokenError};
use super::key::Key;
use super::ticket::Ticket;

/// Keys by name. Without any, rooms are open.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    /// A server has a handful.
    named: Vec<(String, Key)>,
}

impl Keys {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// The names, which are no secrets.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(name, _)| name.as_str())
    }

    /// Adds a key after the others.
    ///
    /// # Errors
    /// When it has no name, or the name of another.
    pub fn add(&mut self, name: &str, key: Key) -> Result<(), KeyError> {
        if name.is_empty() {
            return Err(KeyError::NoName);
        }
        if self.get(name).is_some() {
            return Err(KeyError::Twice);
        }
        self.named.push((name.to_owned(), key));
        Ok(())
    }

    /// These, and those others whose names are none of theirs.
    #[must_use]
    pub fn or(mut self, others: Self) -> Self {
        for (name, key) in others.named {
            if self.get(&name).is_none() {
                self.named.push((name, key));
            }
        }
        self
    }

    /// What a token lets its bearer do in a room at this time.
    ///
    /// # Errors
    /// When it does not let them in.
    pub fn verify(&self, token: &str, room: &str, now: SystemTime) -> Result<Ticket, TokenError> {
        self.claims(token)?.ticket(room, now)
    }

    /// What one of the keys signed.
    fn claims(&self, token: &str) -> Result<Claims, TokenError> {
        let bytes = token.len();
        if bytes > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong { bytes });
        }
        let header = jsonwebtoken::decode_header(token).map_err(|error| of_header(&error))?;
        let issuer: Issuer =
            dangerous::insecure_decode_claims(token).map_err(|_| TokenError::Malformed)?;
        let key = issuer.iss.and_then(|name| self.get(&name));
        let key = key.ok_or(TokenError::UnknownKey)?;
        if header.alg != key.algorithm {
            return Err(TokenError::WrongAlgorithm);
        }
        let data = jsonwebtoken::decode(token, &key.checks, &signature_alone(key));
        data.map(|data| data.claims)
            .map_err(|error| of_body(&error))
    }

    fn get(&self, name: &str) -> Option<&Key> {
        let mut named = self.named.iter();
        named.find(|(known, _)| known == name).map(|(_, key)| key)
    }

    /// The first that can sign, and its name.
    pub(super) fn signing(&self) -> Option<(&str, &jsonwebtoken::EncodingKey)> {
        let mut named = self.named.iter();
        named.find_map(|(name, key)| Some((name.as_str(), key.signs.as_ref()?)))
    }
}

/// The library would ask its own clock, and know no rooms: claims are for [`Claims`] to judge.
fn signature_alone(key: &Key) -> Validation {
    let mut validation = Validation::new(key.algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// A header whose algorithm nobody knows, `none` among them, is read as little as one that is no JSON.
fn of_header(error: &Error) -> TokenError {
    if matches!(error.kind(), ErrorKind::Json(_)) {
        return TokenError::WrongAlgorithm;
    }
    TokenError::Malformed
}

fn of_body(error: &Error) -> TokenError {
    if matches!(error.kind(), ErrorKind::InvalidSignature) {
        return TokenError::BadSignature;
    }
    TokenError::Malformed
}

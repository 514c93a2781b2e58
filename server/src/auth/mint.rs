//! Tokens of our own, for trying and for tests: an application makes them with a LiveKit SDK.

use std::time::SystemTime;

use jsonwebtoken::{Algorithm, Header};

use super::claims::Claims;
use super::error::{MintError, TokenError};
use super::keys::Keys;
use super::ticket::Ticket;

/// A token that says what a ticket says of its bearer in a room, signed with the first secret. That it
/// opens the room now has been tried.
///
/// # Errors
/// When there is no secret, or when the token would be refused.
pub fn mint(
    keys: &Keys,
    ticket: &Ticket,
    room: &str,
    now: SystemTime,
) -> Result<String, MintError> {
    let (name, secret) = keys.signing().ok_or(MintError::NoSecret)?;
    let mut claims = Claims::of(ticket, room);
    claims.iss = Some(name.to_owned());
    let token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, secret);
    let token = token.map_err(|_| MintError::Refused(TokenError::Malformed))?;
    let tried = keys.verify(&token, room, now);
    tried.map_err(MintError::Refused)?;
    Ok(token)
}

//! What is written in a token: RFC 7519's claims, and LiveKit's, with the defaults of LiveKit's server
//! (`VideoGrant` in its `protocol/auth/grants.go`, and of its `RoomConfiguration` how many a room may have). What it has for other purposes is not read.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use ferrite_protocol::Source;
use ferrite_protocol::limits::MAX_NAME_BYTES;
use serde::{Deserialize, Serialize};

use super::LEEWAY;
use super::error::TokenError;
use super::ticket::{Grants, SOURCES, Ticket};

/// All that is read of a token before its signature is checked: which key to check it with.
#[derive(Debug, Deserialize)]
pub(super) struct Issuer {
    pub(super) iss: Option<String>,
}

/// The claims of a token. A claim that is there twice is refused by what `Deserialize` derives.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Claims {
    pub(super) iss: Option<String>,
    sub: Option<String>,
    exp: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<Seconds>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<String>,
    video: Option<Video>,
    #[serde(rename = "roomConfig", skip_serializing_if = "Option::is_none")]
    room_config: Option<RoomConfig>,
}

/// A time as seconds since 1970, which may have a fraction (RFC 7519 §2, NumericDate).
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(untagged)]
enum Seconds {
    Whole(u64),
    Fraction(f64),
}

impl Seconds {
    /// Rounded up: a token holds until what it says has passed.
    fn of(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH);
        let since = since.unwrap_or_default();
        Self::Whole(since.as_secs() + u64::from(since.subsec_nanos() > 0))
    }

    fn time(self) -> Result<SystemTime, TokenError> {
        let since = match self {
            Self::Whole(seconds) => Some(Duration::from_secs(seconds)),
            Self::Fraction(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        };
        let time = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        time.ok_or(TokenError::Malformed)
    }
}

/// LiveKit's `VideoGrant`.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Video {
    room_join: Option<bool>,
    room: Option<String>,
    room_admin: Option<bool>,
    room_create: Option<bool>,
    can_publish: Option<bool>,
    can_subscribe: Option<bool>,
    can_publish_data: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    can_publish_sources: Option<Vec<String>>,
    can_update_own_metadata: Option<bool>,
    hidden: Option<bool>,
}

/// LiveKit's `RoomConfiguration`: what a room is like that its bearer makes. Without a limit it has 0.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct RoomConfig {
    // As it is named where such configurations are written by hand (protojson takes both).
    #[serde(alias = "max_participants")]
    max_participants: Option<u32>,
}

impl Claims {
    /// What they come down to for who joins this room now.
    pub(super) fn ticket(self, room: &str, now: SystemTime) -> Result<Ticket, TokenError> {
        let expires = self.exp.ok_or(TokenError::NoExpiry)?.time()?;
        let begins = self.nbf.map(Seconds::time).transpose()?;
        // A clock is far from where a time with the leeway would pass its range.
        if now.checked_sub(LEEWAY).is_some_and(|now| now >= expires) {
            return Err(TokenError::Expired);
        }
        if begins.is_some_and(|begins| now.checked_add(LEEWAY).is_some_and(|now| now < begins)) {
            return Err(TokenError::NotYetValid);
        }
        let identity = self.sub.filter(|identity| !identity.is_empty());
        let identity = identity.ok_or(TokenError::NoIdentity)?;
        is_short("sub", &identity)?;
        is_short("name", self.name.as_deref().unwrap_or_default())?;
        Ok(Ticket {
            identity,
            name: self.name,
            metadata: self.metadata,
            grants: self.video.unwrap_or_default().grants(room)?,
            max_participants: (self.room_config.unwrap_or_default().max_participants)
                .and_then(NonZeroU32::new),
            expires,
        })
    }

    /// What says the same as a ticket for a room.
    pub(super) fn of(ticket: &Ticket, room: &str) -> Self {
        Self {
            iss: None,
            sub: Some(ticket.identity.clone()),
            exp: Some(Seconds::of(ticket.expires)),
            nbf: None,
            name: ticket.name.clone(),
            metadata: ticket.metadata.clone(),
            video: Some(Video::of(&ticket.grants, room)),
            room_config: ticket.max_participants.map(|most| RoomConfig {
                max_participants: Some(most.get()),
            }),
        }
    }
}

/// A participant's name has the same limit where it comes without a token.
fn is_short(claim: &'static str, value: &str) -> Result<(), TokenError> {
    let (bytes, limit) = (value.len(), MAX_NAME_BYTES);
    match bytes > limit {
        true => Err(TokenError::LongClaim {
            claim,
            bytes,
            limit,
        }),
        false => Ok(()),
    }
}

impl Video {
    fn grants(self, room: &str) -> Result<Grants, TokenError> {
        if self.room_join != Some(true) {
            return Err(TokenError::MayNotJoin);
        }
        if self.room.as_deref() != Some(room) {
            return Err(TokenError::OtherRoom);
        }
        let publish = self.can_publish.unwrap_or(true);
        let sources = self.can_publish_sources.and_then(|names| sources(&names));
        Ok(Grants {
            publish: publish && !is_nothing(sources.as_ref()),
            sources: sources.filter(|sources| !sources.is_empty()),
            subscribe: self.can_subscribe.unwrap_or(true),
            publish_data: self.can_publish_data.unwrap_or(publish),
            update_own_metadata: self.can_update_own_metadata.unwrap_or(false),
            admin: self.room_admin.unwrap_or(false),
            create: self.room_create.unwrap_or(false),
            hidden: self.hidden.unwrap_or(false),
        })
    }

    fn of(grants: &Grants, room: &str) -> Self {
        let named = |allowed: &Vec<Source>| {
            let named = SOURCES
                .iter()
                .filter(|(source, _)| allowed.contains(source));
            named.map(|(_, name)| (*name).to_owned()).collect()
        };
        let sources = grants.sources.as_ref();
        Self {
            room_join: Some(true),
            room: Some(room.to_owned()),
            room_admin: Some(grants.admin),
            room_create: Some(grants.create),
            can_publish: Some(grants.publish && !is_nothing(sources)),
            can_subscribe: Some(grants.subscribe),
            can_publish_data: Some(grants.publish_data),
            can_publish_sources: sources.map(named),
            can_update_own_metadata: Some(grants.update_own_metadata),
            hidden: Some(grants.hidden),
        }
    }
}

/// An empty list allows every source, as if it were not there. A name that nobody knows allows nothing.
fn sources(names: &[String]) -> Option<Vec<Source>> {
    let named = SOURCES
        .iter()
        .filter(|(_, name)| names.iter().any(|it| it == name));
    let allowed = named.map(|(source, _)| *source).collect();
    (!names.is_empty()).then_some(allowed)
}

/// Whether sources are named, and none of them is one. A token would have to say it otherwise.
fn is_nothing(sources: Option<&Vec<Source>>) -> bool {
    sources.is_some_and(Vec::is_empty)
}

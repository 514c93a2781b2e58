//! What is answered instead of what was asked for: a status, and a sentence for whoever reads it. Clients know some of
//! them by their words.

use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use thiserror::Error;

use crate::ledger::{Refused, Unavailable};

/// Why a call does nothing.
#[derive(Debug, Error)]
pub(super) enum Failure {
    #[error("Please specify secret key")]
    NoSecretKey,
    #[error("Invalid secret key")]
    WrongSecretKey,
    #[error("Please specify secret key or project API key")]
    NoProjectKey,
    #[error("Please specify API Key")]
    NoApiKey,
    #[error("Invalid API Key")]
    WrongApiKey,
    #[error("No credential of this project may be used")]
    NoneOfProject,
    #[error("please enter a positive integer value for expiryInSeconds")]
    BadExpiry,
    #[error("please enter a text of at most {0} bytes for label")]
    BadLabel(usize),
    #[error("please enter a positive integer value for page")]
    BadPage,
    #[error("please enter a text of fewer than {0} characters for projectName")]
    BadName(usize),
    #[error("please enter 0 or an integer of at least {0} for quotaInBytes")]
    BadQuota(u64),
    #[error(
        "please enter a URL that begins with https:// and has at most {0} bytes for webhookUrl"
    )]
    BadWebhook(usize),
    #[error("please enter an array of at most {0} e-mail addresses for notificationEmails")]
    BadEmails(usize),
    #[error("please enter disable, notify or none for quotaExceededAction")]
    BadAction,
    #[error("please enter the id of an allocation for before")]
    BadBefore,
    #[error("`username` field missing in the request body")]
    NoUsername,
    #[error("please pass the `username` query parameter")]
    NoUsernameParameter,
    #[error("the request body is no JSON object")]
    NoObject,
    #[error("the request body is too long, or took too long")]
    TooLong,
    #[error("too many calls: wait a moment")]
    TooMany,
    #[error("credential of the specified username is not found")]
    NothingToDelete,
    #[error("{0}")]
    Refused(#[from] Refused),
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

impl Failure {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoSecretKey
            | Self::NoProjectKey
            | Self::NoApiKey
            | Self::BadName(_)
            | Self::BadQuota(_)
            | Self::BadWebhook(_)
            | Self::BadEmails(_)
            | Self::BadAction
            | Self::BadExpiry
            | Self::BadLabel(_)
            | Self::BadPage
            | Self::BadBefore
            | Self::NoUsername
            | Self::NoUsernameParameter
            | Self::NoObject
            | Self::NothingToDelete
            | Self::Refused(
                Refused::Disabled
                | Refused::Enabled
                | Refused::Expired
                | Refused::NoProject
                | Refused::NameTaken,
            ) => StatusCode::BAD_REQUEST,
            Self::WrongSecretKey
            | Self::WrongApiKey
            | Self::NoneOfProject
            | Self::Refused(Refused::Unknown) => StatusCode::UNAUTHORIZED,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Refused(Refused::Full | Refused::TooManyProjects) => {
                StatusCode::INSUFFICIENT_STORAGE
            }
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What the sentence is called: pages have always been told otherwise than owners.
    fn name(&self) -> &'static str {
        match self {
            Self::NoApiKey | Self::WrongApiKey | Self::NoneOfProject => "error",
            Self::NoSecretKey
            | Self::NoProjectKey
            | Self::BadName(_)
            | Self::BadQuota(_)
            | Self::BadWebhook(_)
            | Self::BadEmails(_)
            | Self::BadAction
            | Self::WrongSecretKey
            | Self::BadExpiry
            | Self::BadLabel(_)
            | Self::BadPage
            | Self::BadBefore
            | Self::NoUsername
            | Self::NoUsernameParameter
            | Self::NoObject
            | Self::TooLong
            | Self::TooMany
            | Self::NothingToDelete
            | Self::Refused(_)
            | Self::Unavailable(_) => "message",
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let is_passing = matches!(self, Self::TooMany | Self::Unavailable(_));
        let (status, name) = (self.status(), self.name());
        let mut response = (status, Json(json!({ name: self.to_string() }))).into_response();
        if is_passing {
            let soon = HeaderValue::from_static("1");
            response.headers_mut().insert(RETRY_AFTER, soon);
        }
        response
    }
}

//! One call of a webhook. Nothing of the answer is read but whether it was taken.

use axum::http::Request;
use axum::http::header::CONTENT_TYPE;
use thiserror::Error;

use super::letter::Letter;
use crate::calling::{CallError, HttpClient};

const SIGNATURE: &str = "ferrite-signature";

/// Why nobody was told.
#[derive(Debug, Error)]
pub(super) enum Undelivered {
    /// There is no webhook any more.
    #[error("there is nobody to tell")]
    Nowhere,
    /// Nobody took it.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Who tells.
#[derive(Default)]
pub(super) struct Post(HttpClient);

impl Post {
    /// Sends a letter. It was taken if that is answered with success.
    pub(super) async fn send(&self, letter: &Letter, unix: u64) -> Result<(), Undelivered> {
        let request = Request::post("/")
            .header(CONTENT_TYPE, "application/json")
            .header(SIGNATURE, letter.signature(unix));
        let body = letter.body.clone().into();
        self.0.call(&letter.url, request, body, 0).await?;
        Ok(())
    }
}

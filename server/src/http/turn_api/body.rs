//! What a call brings with it: a small JSON object, or nothing.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use serde_json::{Map, Value};

use super::failure::Failure;

/// The longest body, in bytes.
pub(crate) const MAX_BODY: usize = 4096;

/// How long it may take.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(10);

/// An object's fields. Nothing is an object without any.
pub(super) async fn fields(body: Body) -> Result<Map<String, Value>, Failure> {
    let read = tokio::time::timeout(BODY_TIME, to_bytes(body, MAX_BODY)).await;
    let bytes = read.map_err(|_| Failure::TooLong)?;
    let bytes = bytes.map_err(|_| Failure::TooLong)?;
    object(&bytes)
}

/// The same of a body that is there.
pub(super) fn object(bytes: &[u8]) -> Result<Map<String, Value>, Failure> {
    match bytes.is_empty() {
        true => Ok(Map::new()),
        false => serde_json::from_slice(bytes).map_err(|_| Failure::NoObject),
    }
}

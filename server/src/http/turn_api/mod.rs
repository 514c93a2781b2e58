//! The REST API of stored TURN credentials, as Metered's public documentation gives it: a client of theirs works with
//! another base URL. `server/docs/turn-api.md` says all of it.
//!
//! It owns paths, keys, statuses and the shapes of JSON. What is done, and whether it may be, is the ledger's.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, HeaderName,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};

use crate::signalling::Caller;

mod asker;
mod body;
mod credentials;
mod desk;
mod failure;
mod keys;
mod usage;

#[cfg(test)]
pub(crate) use body::{BODY_TIME, MAX_BODY};
#[cfg(test)]
pub(crate) use credentials::MAX_LABEL;
#[cfg(test)]
pub(crate) use desk::CALLS;
pub(crate) use desk::TurnApi;
use failure::Failure;

/// The paths below `/api`. Each request says who calls, as a [`Caller`].
pub(super) fn router<S>(api: TurnApi) -> Router<S> {
    let gate = middleware::from_fn_with_state(api.clone(), enter);
    let ours = Router::new()
        .route(
            "/v1/turn/credential",
            post(credentials::create).delete(credentials::delete),
        )
        .route("/v1/turn/credential/disable", post(credentials::disable))
        .route("/v1/turn/credential/enable", post(credentials::enable))
        .route("/v2/turn/credentials", get(credentials::list))
        .route("/v1/turn/current_usage", get(usage::current))
        .route("/v1/turn/current_usage_by_date", get(usage::by_date))
        .route("/v1/turn/current_usage_for_user", get(usage::for_user))
        .route("/v2/turn/current_usage_by_user", get(usage::by_user))
        .layer(gate.clone());
    let pages = Router::new()
        .route(
            "/v1/turn/credentials",
            get(credentials::ice_servers).options(preflight),
        )
        .layer(gate)
        .layer(middleware::map_response(share));
    ours.merge(pages).with_state(api)
}

/// Lets a call in, if its address does not make too many, and lets nobody keep the answer.
async fn enter(
    State(api): State<TurnApi>,
    Extension(caller): Extension<Caller>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match api.admits(Instant::now(), caller.address) {
        true => next.run(request).await,
        false => Failure::TooMany.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Lets pages of all origins read an answer. They have it for the key that they show, and for nothing else.
async fn share(mut response: Response) -> Response {
    const SHARED: [(HeaderName, &str); 2] = [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "cross-origin",
        ),
    ];
    for (name, value) in SHARED {
        let value = HeaderValue::from_static(value);
        response.headers_mut().insert(name, value);
    }
    response
}

/// What a browser asks first where the key is in a header.
async fn preflight() -> Response {
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, "GET"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "authorization"),
        (ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

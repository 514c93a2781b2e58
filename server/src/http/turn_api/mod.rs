//! The REST API of stored TURN credentials, as Metered's public documentation gives it: a client of theirs works with
//! another base URL. `server/docs/turn-api.md` says all of it.
//!
//! It owns paths, keys, statuses and the shapes of JSON. What is done, and whether it may be, is the ledger's.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE, HeaderName,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get, post, put};
use axum::{Extension, Router};

use crate::signalling::Caller;

mod allocations;
mod asker;
mod body;
mod credentials;
mod desk;
mod failure;
pub mod inputs;
mod keys;
mod projects;
mod settings;
mod usage;

#[cfg(test)]
pub(crate) use body::{BODY_TIME, MAX_BODY};
#[cfg(test)]
pub(crate) use credentials::MAX_LABEL;
#[cfg(test)]
pub(crate) use desk::CALLS;
pub(crate) use desk::TurnApi;
use failure::Failure;
#[cfg(test)]
pub(crate) use settings::{LEAST_QUOTA, MAX_EMAILS, MAX_NAME, MAX_URL};

/// The same for programs: paths, parameters and answers, in OpenAPI 3.1.
const OPENAPI: &str = include_str!("openapi.json");

/// The calls of an owner, and of projects, by their paths below `/api`.
fn calls() -> [(&'static str, MethodRouter<TurnApi>); 15] {
    [
        (
            "/v1/turn/credential",
            post(credentials::create).delete(credentials::delete),
        ),
        ("/v1/turn/credential/disable", post(credentials::disable)),
        ("/v1/turn/credential/enable", post(credentials::enable)),
        ("/v2/turn/credentials", get(credentials::list)),
        ("/v1/turn/current_usage", get(usage::current)),
        ("/v1/turn/current_usage_by_date", get(usage::by_date)),
        ("/v1/turn/current_usage_for_user", get(usage::for_user)),
        ("/v2/turn/current_usage_by_user", get(usage::by_user)),
        ("/v2/turn/allocations", get(allocations::list)),
        ("/v2/turn/project", post(projects::create)),
        ("/v2/turn/projects", get(projects::list)),
        (
            "/v2/turn/project/{id}",
            put(projects::update).delete(projects::delete),
        ),
        (
            "/v2/turn/project/{id}/credential",
            post(projects::create_credential).delete(projects::delete_credential),
        ),
        (
            "/v2/turn/project/{id}/credentials",
            get(projects::list_credentials),
        ),
        ("/v2/turn/project/{id}/current_usage", get(projects::usage)),
    ]
}

/// What a page calls.
const ICE_SERVERS: &str = "/v1/turn/credentials";

/// The paths below `/api`. Each request says who calls, as a [`Caller`].
pub(super) fn router<S>(api: TurnApi) -> Router<S> {
    let gate = middleware::from_fn_with_state(api.clone(), enter);
    let add = |router: Router<TurnApi>, (path, call)| router.route(path, call);
    let ours = calls().into_iter().fold(Router::new(), add);
    let ours = ours
        .route("/openapi.json", get(openapi))
        .layer(gate.clone());
    let pages = Router::new()
        .route(
            ICE_SERVERS,
            get(credentials::ice_servers).options(preflight),
        )
        .layer(gate)
        .layer(middleware::map_response(share));
    ours.merge(pages).with_state(api)
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use axum::body::Body;
    use axum::http::Method;
    use serde_json::Value;
    use tower::ServiceExt as _;

    use super::*;
    use crate::ledger::Ledger;
    use crate::turn::access::Access;
    use crate::turn::start::{TurnConfig, TurnServers};

    fn api() -> Router {
        let turn = Arc::new(TurnServers::new(TurnConfig {
            secrets: Vec::new(),
            relay_ports: 50_000..=50_000,
            tcp_relays: false,
            bandwidth: None,
            shared_port: None,
            access: Access::default(),
            external_ips: Vec::new(),
            interfaces: Vec::new(),
            turns: None,
            second_port: None,
            others: tokio::sync::watch::channel(Vec::new()).1,
        }));
        let ledger = Ledger::open(None, turn.credentials().stored().clone()).unwrap();
        router(TurnApi::new(&["north".to_owned()], Arc::new(ledger), turn))
    }

    async fn status(api: &Router, method: &Method, path: &str) -> StatusCode {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method.clone();
        *request.uri_mut() = path.parse().unwrap();
        request.extensions_mut().insert(Caller {
            address: Ipv4Addr::LOCALHOST.into(),
            loopback: true,
        });
        api.clone().oneshot(request).await.unwrap().status()
    }

    /// What the description says, and what is so.
    #[tokio::test]
    async fn every_call_is_described_and_what_is_described_can_be_called() {
        let (api, described) = (api(), serde_json::from_str::<Value>(OPENAPI).unwrap());
        let paths = described["paths"].as_object().unwrap();
        let known: BTreeSet<_> = calls().into_iter().map(|(path, _)| path).collect();
        let known: BTreeSet<_> = known.into_iter().chain([ICE_SERVERS]).collect();
        let below = |path: &'static str| format!("/api{path}");
        let known: BTreeSet<_> = known.into_iter().map(below).collect();
        assert_eq!(known, paths.keys().cloned().collect());
        for (path, operations) in paths {
            let path = path.strip_prefix("/api").unwrap();
            for method in [
                Method::GET,
                Method::POST,
                Method::PUT,
                Method::DELETE,
                Method::PATCH,
            ] {
                let name = method.as_str().to_ascii_lowercase();
                let is_called = status(&api, &method, path).await != StatusCode::METHOD_NOT_ALLOWED;
                let is_described = operations.get(&name).is_some();
                assert_eq!(is_called, is_described, "{method} {path}");
            }
        }
        assert_eq!(
            status(&api, &Method::GET, "/openapi.json").await,
            StatusCode::OK
        );
    }
}

//! The axum router: the app, `/ws`, the REST API, and how the server is doing.
//!
//! It owns paths, headers and status codes. What happens on a WebSocket is `signalling`'s.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Once};
use std::time::{Instant, SystemTime};

use axum::extract::{Path, Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, HOST, ORIGIN, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, Version};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router, middleware};
use ferrite_protocol::RoomId;

use crate::config::Config;
use crate::network::{client_address, is_among};
use crate::origin::may_connect;
use crate::seldom::Seldom;
use crate::signalling::{Arrival, Caller, Full, Refused, Signalling};

mod admin;
pub(crate) mod assets;
pub(crate) mod door;
mod headers;
mod secure;
pub(crate) mod serve;
pub(crate) mod turn_api;
mod upgrade;

use headers::{asked_host, text};
pub(crate) use turn_api::TurnApi;
use upgrade::Upgrade;

/// What the handlers share.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) signalling: Arc<Signalling>,
    refused_origins: Arc<Seldom>,
}

impl App {
    pub(crate) fn new(config: Arc<Config>, signalling: Arc<Signalling>) -> Self {
        Self {
            config,
            signalling,
            refused_origins: Arc::default(),
        }
    }
}

/// The other end of the TCP connection a request came on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remote(pub(crate) SocketAddr);

pub(crate) fn router(app: App, turn_api: Option<TurnApi>) -> Router {
    let page = |_| Router::new().route(admin::PATH, get(administer));
    let admin = turn_api.as_ref().map(page).unwrap_or_default();
    let api = turn_api.map_or_else(Router::new, turn_api::router);
    let introduced = middleware::from_fn_with_state(app.clone(), introduce);
    let embedders = headers::embedders(&app.config.http.allowed_origins);
    Router::new()
        .merge(admin)
        .nest("/api", api.layer(introduced))
        .route("/ws", get(websocket))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/r/{room}", get(room))
        .route("/r/{room}/people", get(people))
        .route("/echo", get(echo))
        .fallback(asset)
        .layer(middleware::from_fn_with_state(embedders, harden))
        .with_state(app)
}

/// For those who ask without TLS where there is TLS.
fn plain_router() -> Router {
    let elsewhere = Router::new().fallback(secure::elsewhere);
    elsewhere.layer(middleware::from_fn_with_state(
        headers::embedders(&[]),
        harden,
    ))
}

/// Says who calls.
async fn introduce(
    State(app): State<App>,
    Extension(Remote(remote)): Extension<Remote>,
    mut request: Request,
    next: middleware::Next,
) -> Response {
    let caller = app.caller(remote.ip(), request.headers());
    request.extensions_mut().insert(caller);
    next.run(request).await
}

async fn harden(
    State(embedders): State<Arc<str>>,
    request: Request,
    next: middleware::Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let host = asked_host(&parts).map(str::to_owned);
    let embedders = match admin::is_its(parts.uri.path()) {
        true => headers::embedders(&[]),
        false => embedders,
    };
    let mut response = match has_one_host(&parts) {
        true => next.run(Request::from_parts(parts, body)).await,
        false => (StatusCode::BAD_REQUEST, ONE_HOST).into_response(),
    };
    headers::harden(response.headers_mut(), host.as_deref(), &embedders);
    response
}

const ONE_HOST: &str = "A request has exactly one Host header, also behind a proxy.";

/// RFC 9112 §3.2: a request of HTTP/1.1 without, or with two, is refused.
fn has_one_host(parts: &Parts) -> bool {
    let hosts = parts.headers.get_all(HOST).iter().count();
    hosts == 1 || (hosts == 0 && parts.version < Version::HTTP_11)
}

/// Whether new clients should be sent here. Not while shutting down.
async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.signalling.is_stopping() {
        (StatusCode::SERVICE_UNAVAILABLE, "shutting down")
    } else {
        (StatusCode::OK, "ready")
    }
}

async fn asset(State(app): State<App>, method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        // RFC 9110 §15.5.6: which methods there are goes with it.
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET,HEAD")]).into_response();
    }
    match admin::is_its(uri.path()) {
        true => nothing(),
        false => file(&app, uri.path(), &headers).await,
    }
}

/// Every room has the same page, which finds the room's name in its address.
async fn room(State(app): State<App>, headers: HeaderMap) -> Response {
    file(&app, "room.html", &headers).await
}

/// Who is there, for a page that asks before its user enters. Nothing, for one that may not know: that is no error of
/// the page's.
async fn people(
    State(app): State<App>,
    Extension(Remote(remote)): Extension<Remote>,
    Path(room): Path<RoomId>,
    headers: HeaderMap,
) -> Response {
    let caller = app.caller(remote.ip(), &headers);
    if !app.signalling.may_glimpse(caller.address, Instant::now()) {
        return (StatusCode::TOO_MANY_REQUESTS, "You ask too often.").into_response();
    }
    let token = text(&headers, AUTHORIZATION).and_then(bearer);
    let seen = app.signalling.glimpse(&room, token, SystemTime::now());
    let answer = match seen {
        Some(seen) => Json(seen).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    };
    ([(CACHE_CONTROL, "no-store")], answer).into_response()
}

/// RFC 6750 §2.1.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Where devices and the connection are tried.
async fn echo(State(app): State<App>, headers: HeaderMap) -> Response {
    file(&app, "echo.html", &headers).await
}

/// The page of whoever looks after the relays, and its files.
async fn administer(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Response {
    file(&app, admin::file(uri.path()), &headers).await
}

async fn file(app: &App, path: &str, headers: &HeaderMap) -> Response {
    match assets::find(path, app.config.http.www.as_deref()).await {
        Some(asset) => {
            let mut response = asset.respond(headers);
            let allowed = &app.config.http.allowed_origins;
            headers::share(response.headers_mut(), headers.get(ORIGIN), allowed);
            response
        }
        None => nothing(),
    }
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "There is nothing here.").into_response()
}

async fn websocket(
    State(app): State<App>,
    Extension(Remote(remote)): Extension<Remote>,
    request: Request,
) -> Response {
    let (mut parts, _) = request.into_parts();
    let upgrade = match Upgrade::read(&mut parts) {
        Ok(upgrade) => upgrade,
        Err(refusal) => return *refusal,
    };
    let caller = app.caller(remote.ip(), &parts.headers);
    let place = match app.signalling.place(caller.address) {
        Ok(place) => place,
        Err(full) => {
            let (response, reason) = refuse(full);
            (app.signalling).note_refusal(Refused::Limit, caller.address, reason);
            return response;
        }
    };
    let arrival = Arrival { caller, place };
    let (response, connection) = upgrade.accept();
    match app.is_welcome(&parts) {
        true => app.signalling.serve(connection, arrival),
        false => app.signalling.turn_away(connection, arrival),
    }
    response
}

impl App {
    fn caller(&self, remote: IpAddr, headers: &HeaderMap) -> Caller {
        let trusted = &self.config.http.trusted_proxies;
        let address = client_address(remote, &texts(headers, FORWARDED_FOR), trusted);
        let forwarded = headers.contains_key(FORWARDED) || headers.contains_key(FORWARDED_FOR);
        if forwarded && !is_among(remote, trusted) {
            unknown_proxy();
        }
        Caller {
            address,
            loopback: remote.to_canonical().is_loopback() && !forwarded,
        }
    }

    /// Whether the page may use this server. If not, its WebSocket is opened all the same, to say
    /// so: pages cannot read why one is not opened.
    fn is_welcome(&self, parts: &Parts) -> bool {
        let headers = &parts.headers;
        let (origin, host) = (text(headers, ORIGIN), asked_host(parts));
        // An origin that is not even text is not ours.
        let readable = origin.is_some() || !headers.contains_key(ORIGIN);
        let welcome = readable && may_connect(origin, host, &self.config.http.allowed_origins);
        if !welcome && let Some(left_out) = self.refused_origins.admit(Instant::now()) {
            tracing::warn!(
                origin = excerpt(origin),
                host = excerpt(host),
                left_out,
                "refused a page whose Origin is not the Host it asks for: allow it with \
                 --allowed-origins, or have the reverse proxy pass the Host header on"
            );
        }
        welcome
    }
}

/// The beginning of what a stranger wrote, for the log, which escapes it.
fn excerpt(header: Option<&str>) -> Option<&str> {
    header.map(|text| text.get(..100).unwrap_or(text))
}

const FORWARDED: &str = "forwarded";
const FORWARDED_FOR: &str = "x-forwarded-for";

/// Says that there is no place for one more WebSocket.
fn refuse(full: Full) -> (Response, &'static str) {
    let (status, text) = match full {
        Full::Server => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The server takes no more clients at the moment.",
        ),
        Full::Address => (
            StatusCode::TOO_MANY_REQUESTS,
            "The server takes no more clients from this address at the moment.",
        ),
    };
    let response = (status, [(RETRY_AFTER, "1")], text).into_response();
    (response, text)
}

/// Tells the administrator, once.
fn unknown_proxy() {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!(
            "a proxy passes clients on that --trusted-proxies does not name: \
             all its clients share the sessions of one address"
        );
    });
}

/// The values of a header that are text, line by line.
fn texts<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    let lines = headers.get_all(name).iter();
    lines.filter_map(|line| line.to_str().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use axum::body::Body;
    use tower::ServiceExt as _;

    use super::*;
    use crate::media::{MediaConfig, MediaPlane};
    use crate::turn::access::Access;
    use crate::turn::start::{TurnConfig, TurnServers};

    async fn status(router: &Router, path: &str) -> StatusCode {
        let mut request = Request::get(path)
            .header(HOST, "x")
            .body(Body::empty())
            .unwrap();
        let remote = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
        request.extensions_mut().insert(Remote(remote));
        router.clone().oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn a_server_that_shuts_down_is_healthy_but_not_ready() {
        let config = Arc::new(Config::default());
        let media = MediaPlane::start(MediaConfig {
            shards: 1,
            ..MediaConfig::default()
        })
        .unwrap();
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
        let signalling = Arc::new(Signalling::new(config.clone(), media.clone(), turn, None));
        let router = router(App::new(config, signalling.clone()), None);
        assert_eq!(status(&router, "/readyz").await, StatusCode::OK);
        signalling.shutdown(Duration::from_secs(1)).await;
        assert_eq!(
            status(&router, "/readyz").await,
            StatusCode::SERVICE_UNAVAILABLE
        );
        assert_eq!(status(&router, "/healthz").await, StatusCode::OK);
        media.shutdown().await;
    }
}

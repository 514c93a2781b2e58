//! The page of whoever looks after the relays, where there is the REST API that it uses. Its files are like the app's,
//! but nobody is shown them where there is no such API, and nobody's page may show it in a frame.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;

use super::{App, file};

/// Where it is.
const PATH: &str = "/admin/";

/// Where its files are, of those of the app.
const FILES: &str = "admin/";

/// Whether a path is the page's, or one of its files'.
pub(super) fn is_its(path: &str) -> bool {
    path.trim_start_matches('/').starts_with(FILES)
}

/// Its paths.
pub(super) fn router() -> Router<App> {
    Router::new()
        .route(&format!("{PATH}turn"), get(page))
        .route(&format!("{PATH}{{file}}"), get(one))
}

async fn page(State(app): State<App>, headers: HeaderMap) -> Response {
    file(&app, &format!("{FILES}turn.html"), &headers).await
}

async fn one(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    file(&app, &format!("{FILES}{name}"), &headers).await
}

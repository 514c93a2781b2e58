//! Where the page of whoever looks after the relays is. Its files are like the app's, but nobody is shown them where
//! there is no REST API, which it uses, and nobody's page may show it in a frame.

/// The paths that it, and what it is made of, have.
pub(super) const PATH: &str = "/admin/{file}";

/// The page's own.
const PAGE: &str = "/admin/turn";

/// Whether a path is one of them.
pub(super) fn is_its(path: &str) -> bool {
    path.trim_start_matches('/').starts_with("admin/")
}

/// The file of a path.
pub(super) fn file(path: &str) -> &str {
    match path {
        PAGE => "admin/turn.html",
        other => other,
    }
}

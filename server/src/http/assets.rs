//! The files of the app: embedded by the build, or from a directory for those who edit them.
//!
//! It owns MIME types, compression and caching. A file's `ETag` is the hash of its content, and
//! browsers ask every time: a new build is seen at once, an old file costs one empty answer.

use std::path::{Component, Path, PathBuf};
use std::time::UNIX_EPOCH;

use axum::body::{Body, Bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::headers::list;

/// One file, as the build script packed it.
struct Embedded {
    path: &'static str,
    hash: &'static str,
    plain: &'static [u8],
    gzip: Option<&'static [u8]>,
}

static EMBEDDED: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// A file of the browser client or of the app, as this build embeds it: `ferrite_client.js`, `style.css`.
#[must_use]
pub fn embedded(path: &str) -> Option<&'static [u8]> {
    let file = EMBEDDED.iter().find(|file| file.path == path)?;
    Some(file.plain)
}

/// One file to serve.
#[derive(Debug)]
pub(super) struct Asset {
    content_type: &'static str,
    tag: String,
    plain: Bytes,
    gzip: Option<Bytes>,
}

/// Finds the file for a URL's path; one in the directory goes before an embedded one.
pub(super) async fn find(path: &str, directory: Option<&Path>) -> Option<Asset> {
    let path = match path.trim_start_matches('/') {
        "" => "index.html",
        path => path,
    };
    if let Some(directory) = directory
        && let Some(asset) = on_disk(directory, path).await
    {
        return Some(asset);
    }
    let file = EMBEDDED.iter().find(|file| file.path == path)?;
    Some(Asset {
        content_type: content_type(path),
        tag: file.hash.to_owned(),
        plain: Bytes::from_static(file.plain),
        gzip: file.gzip.map(Bytes::from_static),
    })
}

async fn on_disk(directory: &Path, path: &str) -> Option<Asset> {
    let below = Path::new(path);
    let is_plain = |component| matches!(component, Component::Normal(_));
    if !below.components().all(is_plain) {
        return None;
    }
    let file = directory.join(below);
    let content_type = content_type(path);
    let (tag, plain) = tokio::task::spawn_blocking(move || read(&file))
        .await
        .ok()??;
    Some(Asset {
        content_type,
        tag,
        plain,
        gzip: None,
    })
}

/// Reads a file; its age and size stand in for the hash.
fn read(file: &PathBuf) -> Option<(String, Bytes)> {
    let content = std::fs::read(file).ok()?;
    let modified = std::fs::metadata(file).ok()?.modified().ok()?;
    let age = modified.duration_since(UNIX_EPOCH).ok()?.as_nanos();
    Some((format!("{age:x}-{:x}", content.len()), content.into()))
}

impl Asset {
    /// Answers a request with these headers.
    pub(super) fn respond(self, request: &HeaderMap) -> Response {
        let (body, encoding) = match self.gzip {
            Some(gzip) if accepts_gzip(request) => (gzip, Some("gzip")),
            Some(_) | None => (self.plain, None),
        };
        // Two encodings of one file are two representations (RFC 9110 §8.8.3.3).
        let tag = match encoding {
            Some(encoding) => format!("\"{}-{encoding}\"", self.tag),
            None => format!("\"{}\"", self.tag),
        };
        let mut response = if is_known(request, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let mut response = Body::from(body).into_response();
            let headers = response.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
            if let Some(encoding) = encoding {
                headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
            }
            response
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(ETAG, tag);
        }
        response
    }
}

/// Whether the browser has this very content (RFC 9110 §13.1.2, weak comparison).
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    list(request, &IF_NONE_MATCH).any(|known| {
        let known = known.strip_prefix("W/").unwrap_or(known);
        known == tag || known == "*"
    })
}

/// Whether gzip is among the codings that are not refused (RFC 9110 §12.5.3).
fn accepts_gzip(request: &HeaderMap) -> bool {
    list(request, &ACCEPT_ENCODING).any(|coding| {
        let (name, parameter) = coding.split_once(';').unwrap_or((coding, ""));
        let quality = parameter.trim().strip_prefix("q=").unwrap_or("1");
        let refused = quality.trim().parse::<f32>().is_ok_and(|q| q <= 0.0);
        name.trim().eq_ignore_ascii_case("gzip") && !refused
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        // TypeScript has no registered type, and `video/mp2t` is another `.ts`.
        "ts" | "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/vnd.microsoft.icon",
        "webp" => "image/webp",
        "woff2" => "font/woff2",
        "wav" => "audio/wav",
        _ => "application/octet-stream",
    }
}

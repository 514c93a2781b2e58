//! What a browser gets over HTTP, and what it is told to make of it.
// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Read as _;
use std::path::PathBuf;

use flate2::read::GzDecoder;

use crate::support::http::{get, request};
use crate::support::{config, start, with};

mod support;

const GLUE: &str = "/ferrite_client.js";

#[tokio::test]
async fn every_file_has_its_type() {
    let server = start(config()).await;
    for (path, expected) in [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/favicon.svg", "image/svg+xml"),
        ("/manifest.webmanifest", "application/manifest+json"),
        ("/icon-192.png", "image/png"),
        ("/brand.json", "application/json"),
        ("/main.js", "text/javascript; charset=utf-8"),
        (GLUE, "text/javascript; charset=utf-8"),
        ("/ferrite_client_bg.wasm", "application/wasm"),
        ("/ferrite_client.d.ts", "text/plain; charset=utf-8"),
    ] {
        let reply = get(server.addr(), path, &[]).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.must("content-type"), expected, "{path}");
        assert_eq!(reply.must("x-content-type-options"), "nosniff");
        assert!(!reply.body.is_empty(), "{path}");
    }
}

#[tokio::test]
async fn the_page_may_do_what_the_app_needs_and_no_more() {
    let server = start(config()).await;
    let reply = get(server.addr(), "/", &[("host", "call.example")]).await;
    let policy = reply.must("content-security-policy");
    for directive in [
        "default-src 'self'",
        "script-src 'self' 'wasm-unsafe-eval'",
        "style-src 'self'",
        "connect-src 'self' ws://call.example wss://call.example",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self'",
    ] {
        let found = policy.split("; ").any(|found| found == directive);
        assert!(found, "{directive} in {policy}");
    }
    assert!(!policy.contains("unsafe-inline"));
    assert!(reply.must("permissions-policy").contains("camera=(self)"));
    assert_eq!(reply.must("cross-origin-opener-policy"), "same-origin");
    assert_eq!(reply.must("referrer-policy"), "no-referrer");
}

#[tokio::test]
async fn refusals_are_as_strict_as_the_page() {
    let server = start(config()).await;
    for path in ["/nothing", "/ws", "/healthz"] {
        let reply = get(server.addr(), path, &[]).await;
        reply.must("content-security-policy");
        assert_eq!(reply.must("x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test]
async fn what_a_browser_has_is_not_sent_again() {
    let server = start(config()).await;
    let first = get(server.addr(), GLUE, &[]).await;
    let tag = first.must("etag").to_owned();
    assert_eq!(first.must("cache-control"), "no-cache");
    assert!(tag.starts_with('"') && tag.len() > 8, "{tag}");

    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}")] {
        let again = get(server.addr(), GLUE, &[("if-none-match", &known)]).await;
        assert_eq!(again.status, 304, "{known}");
        assert!(again.body.is_empty());
        assert_eq!(again.must("etag"), tag);
        again.must("content-security-policy");
    }
    let other = get(server.addr(), GLUE, &[("if-none-match", "\"x\"")]).await;
    assert_eq!(other.status, 200);
}

#[tokio::test]
async fn files_are_compressed_for_those_who_can_read_it() {
    let server = start(config()).await;
    let plain = get(server.addr(), GLUE, &[]).await;
    assert_eq!(plain.header("content-encoding"), None);
    assert_eq!(plain.must("vary"), "accept-encoding");

    let packed = get(
        server.addr(),
        GLUE,
        &[("accept-encoding", "br, gzip;q=0.5")],
    )
    .await;
    assert_eq!(packed.must("content-encoding"), "gzip");
    assert_ne!(packed.must("etag"), plain.must("etag"));
    let mut unpacked = Vec::new();
    let mut decoder = GzDecoder::new(packed.body.as_slice());
    decoder.read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain.body);
    assert!(packed.body.len() < plain.body.len() / 2);

    let refused = get(server.addr(), GLUE, &[("accept-encoding", "gzip;q=0, br")]).await;
    assert_eq!(refused.header("content-encoding"), None);
}

#[tokio::test]
async fn a_head_has_no_body_and_other_methods_nothing_at_all() {
    let server = start(config()).await;
    let head = request(server.addr(), "HEAD", GLUE, &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let length: usize = head.must("content-length").parse().unwrap();
    assert!(length > 0);
    let post = request(server.addr(), "POST", GLUE, &[("content-length", "0")]).await;
    assert_eq!(post.status, 405);
}

#[tokio::test]
async fn there_is_nothing_outside_the_app() {
    let server = start(config()).await;
    for path in [
        "/nothing",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
        "//etc/passwd",
    ] {
        assert_eq!(get(server.addr(), path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn health_is_told() {
    let server = start(config()).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(get(server.addr(), path, &[]).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn edited_files_are_served_without_a_new_build() {
    let site = directory("edited");
    fs::write(site.join("index.html"), "one").unwrap();
    fs::create_dir_all(site.join("icons")).unwrap();
    fs::write(site.join("icons/a.svg"), "<svg/>").unwrap();
    let server = start(with(|config| config.http.www = Some(site.clone()))).await;

    let first = get(server.addr(), "/", &[]).await;
    assert_eq!(first.text(), "one");
    fs::write(site.join("index.html"), "two, which is longer").unwrap();
    let tag = first.must("etag");
    let second = get(server.addr(), "/", &[("if-none-match", tag)]).await;
    assert_eq!(second.text(), "two, which is longer");
    let icon = get(server.addr(), "/icons/a.svg", &[]).await;
    assert_eq!(icon.must("content-type"), "image/svg+xml");
    // What the directory does not have is still there.
    assert_eq!(get(server.addr(), GLUE, &[]).await.status, 200);
}

#[tokio::test]
async fn a_directory_gives_nothing_from_outside_itself() {
    let site = directory("closed/inner");
    fs::write(site.join("../secret"), "secret").unwrap();
    let server = start(with(|config| config.http.www = Some(site.clone()))).await;
    let absolute = site.parent().unwrap().join("secret");
    for path in [
        "/../secret",
        "/./../secret",
        "/x/../../secret",
        "/..%2fsecret",
        &format!("/{}", absolute.display()),
    ] {
        assert_eq!(get(server.addr(), path, &[]).await.status, 404, "{path}");
    }
}

/// An empty directory of the test's own.
fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

/// Also where the server was built without its client: then the page says so, as the first one does.
#[tokio::test]
async fn every_room_has_a_page() {
    let server = start(config()).await;
    for path in ["/r/kitchen", "/r/K%C3%BCche%207"] {
        let reply = get(server.addr(), path, &[]).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.must("content-type"), "text/html; charset=utf-8");
        assert!(reply.text().contains("Ferrite"), "{}", reply.text());
    }
}

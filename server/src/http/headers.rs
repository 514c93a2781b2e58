//! The headers that tell a browser what a page of ours may do, and what pages of others may do with
//! our files: as little as the app, and who is allowed to use it, needs. And how the headers of requests are read.

use std::sync::Arc;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_SECURITY_POLICY, HOST, HeaderName, REFERRER_POLICY, VARY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};

use crate::origin::{AllowedOrigin, is_sane_host, may_connect};

const FIXED: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(self), display-capture=(self), geolocation=()",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Adds them to a response for a page asked for at `host`, which pages of these [embedders] may show in a
/// frame. What was [shared](share) stays so.
pub(super) fn harden(headers: &mut HeaderMap, host: Option<&str>, embedders: &str) {
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let own = HeaderValue::from_static("same-origin");
    headers.entry(RESOURCE_POLICY).or_insert(own);
    if let Ok(policy) = HeaderValue::try_from(content_security_policy(host, embedders)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
}

/// Whose pages may show ours in a frame, as a policy says it (CSP 3 §6.4.2): those that may call. Nobody else's:
/// over a frame one can lay what makes its visitor click.
pub(super) fn embedders(allowed: &[AllowedOrigin]) -> Arc<str> {
    let names = allowed.iter().map(AllowedOrigin::to_string);
    // A policy cannot name an IPv6 address (CSP 3 §2.3.1).
    let names: Vec<_> = names.filter(|name| !name.contains('[')).collect();
    match names.is_empty() {
        true => "'none'".into(),
        false => names.join(" ").into(),
    }
}

/// Lets a page of an allowed origin import a file: whose pages may call may use the client, too.
///
/// The origin is answered by name, and every answer varies with it (Fetch, "CORS protocol and HTTP
/// caches"): else a cache would give one page the answer for another.
pub(super) fn share(
    headers: &mut HeaderMap,
    origin: Option<&HeaderValue>,
    allowed: &[AllowedOrigin],
) {
    let any = allowed.contains(&AllowedOrigin::Any);
    let granted = match origin {
        _ if any => Some(HeaderValue::from_static("*")),
        Some(origin) => {
            let named = origin.to_str().ok().map(Some);
            named.and_then(|named| may_connect(named, None, allowed).then(|| origin.clone()))
        }
        None => None,
    };
    if !any {
        headers.append(VARY, HeaderValue::from_static("origin"));
    }
    if let Some(granted) = granted {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, granted);
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    }
}

/// The members of a header that is a list, over all its lines.
pub(super) fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

/// RFC 9112 §3.2.2: what the request's own line says goes before the header.
pub(super) fn asked_host(parts: &Parts) -> Option<&str> {
    let in_line = parts.uri.authority().map(|authority| authority.as_str());
    in_line.or_else(|| text(&parts.headers, HOST))
}

/// A header's value, if it is there and text.
pub(super) fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Everything comes from here and goes here, and nothing but wasm is evaluated.
///
/// `'self'` covers a WebSocket to the same host in CSP 3, but not in Safari before 16, so the host
/// is named: narrower than all of `ws:` and `wss:`. An IPv6 address cannot be named (CSP 3 §2.3.1),
/// and browsers complain about the attempt.
fn content_security_policy(host: Option<&str>, embedders: &str) -> String {
    let sockets = match host.filter(|host| is_sane_host(host) && !host.starts_with('[')) {
        Some(host) => format!(" ws://{host} wss://{host}"),
        None => String::new(),
    };
    format!(
        "default-src 'self'; \
         script-src 'self' 'wasm-unsafe-eval'; \
         style-src 'self'; \
         img-src 'self' data: blob:; \
         connect-src 'self'{sockets}; \
         media-src 'self' blob: mediastream:; \
         object-src 'none'; \
         base-uri 'none'; \
         frame-ancestors {embedders}; \
         form-action 'self'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_host_and_no_other() {
        let policy = content_security_policy(Some("call.example:8443"), "'none'");
        assert!(policy.contains(
            "connect-src 'self' ws://call.example:8443 wss://call.example:8443; media-src"
        ));
    }

    #[test]
    fn a_host_that_a_policy_cannot_name_does_not_get_into_it() {
        for host in [
            "a; script-src *",
            "a b",
            "a,b",
            "",
            "*",
            "a/b",
            "[::1]:8080",
        ] {
            let policy = content_security_policy(Some(host), "'none'");
            assert!(policy.contains("connect-src 'self'; media-src"), "{host}");
        }
    }

    #[test]
    fn who_may_call_may_embed() {
        let embedded = |list: &[&str]| {
            let allowed: Vec<_> = list.iter().map(|text| text.parse().unwrap()).collect();
            let policy = content_security_policy(None, &embedders(&allowed));
            let (_, rest) = policy.split_once("frame-ancestors ").unwrap();
            rest.split(';').next().unwrap().to_owned()
        };
        assert_eq!(embedded(&[]), "'none'");
        assert_eq!(embedded(&["https://[::1]:8443"]), "'none'");
        assert_eq!(
            embedded(&["https://a.example", "http://b.example:81"]),
            "https://a.example:443 http://b.example:81"
        );
        assert_eq!(embedded(&["*"]), "*");
    }
}

//! The headers that tell a browser what a page of ours may do, and what pages of others may do with
//! our files: as little as the app, and who is allowed to use it, needs. And how the headers of requests are read.

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

/// Adds them to a response for a page asked for at `host`. What was [shared](share) stays so.
pub(super) fn harden(headers: &mut HeaderMap, host: Option<&str>) {
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let own = HeaderValue::from_static("same-origin");
    headers.entry(RESOURCE_POLICY).or_insert(own);
    if let Ok(policy) = HeaderValue::try_from(content_security_policy(host)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
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

/// Everything comes from here, and nothing but wasm is evaluated.
///
/// `'self'` covers a WebSocket to the same host in CSP 3, but not in Safari before 16, so the host
/// is named: narrower than all of `ws:` and `wss:`. An IPv6 address cannot be named (CSP 3 §2.3.1),
/// and browsers complain about the attempt.
fn content_security_policy(host: Option<&str>) -> String {
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
         frame-ancestors 'none'; \
         form-action 'none'"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_host_and_no_other() {
        let policy = content_security_policy(Some("call.example:8443"));
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
            let policy = content_security_policy(Some(host));
            assert!(policy.contains("connect-src 'self'; media-src"), "{host}");
        }
    }
}

//! What a provider's answer says. Providers wrap the same array differently, and write more into it than browsers take.

use ferrite_protocol::IceServer;
use serde_json::Value;
use thiserror::Error;

use crate::config::read_servers;

/// What is read of an answer.
pub(crate) const MAX_BYTES: usize = 64 << 10;

/// How many URLs of one are taken: Chromium slows down beyond a few.
pub(crate) const MAX_URLS: usize = 32;

/// What a server's entry may say; all else in it is a provider's own.
const FIELDS: [&str; 3] = ["urls", "username", "credential"];

/// It is no answer.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("its answer has no array of ICE servers")]
pub(crate) struct Nonsense;

/// An array of servers, or an object that has one as `iceServers`. A server that no browser would take is left out:
/// for one such a browser refuses all.
pub(super) fn read(answer: &[u8]) -> Result<Vec<IceServer>, Nonsense> {
    let mut servers: Value = serde_json::from_slice(answer).map_err(|_| Nonsense)?;
    if let Value::Object(wrapped) = &mut servers {
        servers = wrapped.remove("iceServers").ok_or(Nonsense)?;
    }
    if servers.is_object() {
        servers = Value::Array(vec![servers]);
    }
    let Value::Array(servers) = servers else {
        return Err(Nonsense);
    };
    let entries = servers.len();
    let mut usable: Vec<_> = servers.into_iter().filter_map(server).collect();
    let left_out = entries - usable.len();
    if left_out > 0 {
        tracing::warn!(
            left_out,
            "--ice-servers-url: servers that no browser would take are left out"
        );
    }
    let mut urls = 0;
    usable.retain(|server| {
        urls += server.urls.len();
        urls <= MAX_URLS
    });
    Ok(usable)
}

fn server(entry: Value) -> Option<IceServer> {
    let Value::Object(mut entry) = entry else {
        return None;
    };
    entry.retain(|name, _| FIELDS.contains(&name.as_str()));
    read_servers(&Value::Object(entry).to_string()).ok()?.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(answer: &str) -> Result<Vec<String>, Nonsense> {
        let servers = read(answer.as_bytes())?;
        Ok(servers.into_iter().flat_map(|server| server.urls).collect())
    }

    #[test]
    fn the_array_is_found_as_providers_wrap_it() {
        let one = r#"{"urls": "turn:a:3478", "username": "u", "credential": "c"}"#;
        for answer in [
            format!("[{one}]"),
            format!(r#"{{"iceServers": [{one}], "ttl": 60}}"#),
            format!(r#"{{"iceServers": {one}}}"#),
            format!(r#"[{{"url": "turn:a:3478", "x": [1], {}]"#, &one[1..]),
        ] {
            assert_eq!(
                urls(&answer),
                Ok(vec!["turn:a:3478".to_owned()]),
                "{answer}"
            );
        }
        assert_eq!(urls("[]"), Ok(Vec::new()));
    }

    #[test]
    fn what_no_browser_takes_is_left_out_and_all_else_is_taken() {
        let answer = r#"[{"urls": "turn:a"}, 7, {"urls": ["http://a"]}, {}, {"urls": "stun:"}, {"urls": ["stun:a:99999"]},
            {"urls": "stun:a?transport=udp"}, {"urls": ["stun:b"]}]"#;
        assert_eq!(urls(answer), Ok(vec!["stun:b".to_owned()]));
        let many = format!("[{}]", vec![r#"{"urls": "stun:b"}"#; 100].join(","));
        assert_eq!(urls(&many).map(|urls| urls.len()), Ok(MAX_URLS));
        let in_one = format!(r#"[{{"urls": [{}]}}]"#, vec![r#""stun:b""#; 100].join(","));
        assert_eq!(urls(&in_one), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_array_is_no_answer() {
        for answer in [
            "",
            "<html>",
            "null",
            "7",
            r#""turn:a""#,
            r#"{"error": "no"}"#,
            r#"{"iceServers": 1}"#,
        ] {
            assert_eq!(urls(answer), Err(Nonsense), "{answer}");
        }
        assert_eq!(read(&[0xFF, 0xFE]), Err(Nonsense));
    }

    #[test]
    fn what_is_nested_without_an_end_is_no_answer() {
        assert_eq!(urls(&"[".repeat(MAX_BYTES)), Err(Nonsense));
    }
}

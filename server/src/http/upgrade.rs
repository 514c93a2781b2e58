//! The opening handshake of a WebSocket, as far as it is HTTP (RFC 6455 §4.2), and what a request is
//! answered that is none.

use axum::http::header::{
    CONNECTION, HeaderName, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use ferrite_protocol::SUBPROTOCOL;
use hyper::upgrade::OnUpgrade;
use tungstenite::handshake::derive_accept_key;

use super::headers::list;

/// The one version there is since 2011.
const VERSION: &str = "13";

const NO_WEBSOCKET: &str = "A WebSocket is expected here: HTTP/1.1 with `Connection: Upgrade` and \
    `Upgrade: websocket`. A reverse proxy has to pass these on.";
const OTHER_VERSION: &str = "The version of the WebSocket protocol that is spoken here is 13.";
const BAD_KEY: &str = "One Sec-WebSocket-Key is needed: 16 bytes in base64.";

/// A request for a WebSocket.
pub(super) struct Upgrade {
    key: HeaderValue,
    subprotocol: bool,
    connection: OnUpgrade,
}

impl Upgrade {
    /// Reads it, or says what is wrong with it.
    pub(super) fn read(parts: &mut Parts) -> Result<Self, Box<Response>> {
        let headers = &parts.headers;
        let has = |name, word| list(headers, name).any(|found| found.eq_ignore_ascii_case(word));
        let asked = has(&CONNECTION, "upgrade") && has(&UPGRADE, "websocket");
        if !asked || parts.version != Version::HTTP_11 {
            return Err(other_protocol((UPGRADE, "websocket"), NO_WEBSOCKET));
        }
        // §4.4: the version that is spoken is said.
        if sole(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version != VERSION) {
            let header = (SEC_WEBSOCKET_VERSION, VERSION);
            return Err(other_protocol(header, OTHER_VERSION));
        }
        let key = sole(headers, &SEC_WEBSOCKET_KEY).filter(|key| is_key(key.as_bytes()));
        let key = key.cloned().ok_or_else(|| bad_request(BAD_KEY))?;
        let subprotocol = list(headers, &SEC_WEBSOCKET_PROTOCOL).any(|name| name == SUBPROTOCOL);
        let connection = parts.extensions.remove::<OnUpgrade>();
        Ok(Self {
            key,
            subprotocol,
            connection: connection.ok_or_else(|| bad_request(NO_WEBSOCKET))?,
        })
    }

    /// The answer, and the connection that is a WebSocket once it was sent.
    pub(super) fn accept(self) -> (Response, OnUpgrade) {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::try_from(derive_accept_key(self.key.as_bytes())) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if self.subprotocol {
            let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
            headers.insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        let response = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
        (response, self.connection)
    }
}

/// RFC 9110 §15.5.22: an `Upgrade` goes with it, and so does `Connection: upgrade` (§7.8).
fn other_protocol((name, value): (HeaderName, &'static str), text: &'static str) -> Box<Response> {
    let upgrade = [(CONNECTION, "upgrade"), (UPGRADE, "websocket")];
    let mut response = (StatusCode::UPGRADE_REQUIRED, upgrade, text).into_response();
    let value = HeaderValue::from_static(value);
    response.headers_mut().insert(name, value);
    Box::new(response)
}

fn bad_request(text: &'static str) -> Box<Response> {
    Box::new((StatusCode::BAD_REQUEST, text).into_response())
}

/// A header that is there exactly once.
fn sole<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Whether it decodes to 16 bytes (§4.1 item 7); which they are says nothing.
fn is_key(key: &[u8]) -> bool {
    let digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.strip_suffix(b"==")
        .is_some_and(|digits| digits.len() == 22 && digits.iter().all(digit))
}

//! The handshake that makes a WebSocket of a request (RFC 6455 §4.2). It owns its headers, and
//! leaves who may shake hands to others.

use axum::extract::Request;
use axum::http::header::{
    AsHeaderName, CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hyper::upgrade::OnUpgrade;
use tungstenite::handshake::derive_accept_key;

/// The only version there is.
const VERSION: &str = "13";

/// A client that asked properly.
pub(super) struct Upgrade {
    accept: HeaderValue,
    protocol: Option<HeaderValue>,
    upgrading: OnUpgrade,
}

impl Upgrade {
    /// Takes the request's connection, to use it for a WebSocket. Agrees on the subprotocol, if the
    /// client offers it.
    pub(super) fn of(
        request: &mut Request,
        subprotocol: &'static str,
    ) -> Result<Self, (StatusCode, &'static str)> {
        let headers = request.headers();
        if request.method() != Method::GET {
            return Err((
                StatusCode::METHOD_NOT_ALLOWED,
                "A WebSocket begins with GET.",
            ));
        }
        if !has(headers, CONNECTION, "upgrade") || !has(headers, UPGRADE, "websocket") {
            let message = "This is for WebSockets: the request has to ask for one.";
            return Err((StatusCode::BAD_REQUEST, message));
        }
        if !has(headers, SEC_WEBSOCKET_VERSION, VERSION) {
            let message = "Only version 13 of WebSockets is known here.";
            return Err((StatusCode::BAD_REQUEST, message));
        }
        let accept = headers.get(SEC_WEBSOCKET_KEY).and_then(accept);
        let accept = accept.ok_or((StatusCode::BAD_REQUEST, "Sec-WebSocket-Key is missing."))?;
        let protocol = has(headers, SEC_WEBSOCKET_PROTOCOL, subprotocol)
            .then(|| HeaderValue::from_static(subprotocol));
        let upgrading = request.extensions_mut().remove::<OnUpgrade>();
        let message = "This connection cannot become a WebSocket.";
        Ok(Self {
            accept,
            protocol,
            upgrading: upgrading.ok_or((StatusCode::UPGRADE_REQUIRED, message))?,
        })
    }

    /// What to answer, and the WebSocket's stream once that is sent.
    pub(super) fn agree(self) -> (Response, OnUpgrade) {
        let headers = [
            (CONNECTION, HeaderValue::from_static("upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_ACCEPT, self.accept),
        ];
        let mut response = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
        if let Some(protocol) = self.protocol {
            (response.headers_mut()).insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        (response, self.upgrading)
    }
}

fn accept(key: &HeaderValue) -> Option<HeaderValue> {
    derive_accept_key(key.as_bytes()).try_into().ok()
}

/// Whether a word is in a header's list.
fn has(headers: &HeaderMap, name: impl AsHeaderName, word: &str) -> bool {
    let lines = headers.get_all(name).iter();
    lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(word))
}

//! TLS where it is the server's own: the handshake, what is spoken after it, and a word for those who ask for HTTP
//! without.

use std::io::{Error, ErrorKind, Result};

use axum::extract::Request;
use axum::http::header::LOCATION;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::headers::asked_host;
use crate::media::net::tls::{Secured, TlsSession};
use crate::origin::is_sane_host;

/// What a record of TLS begins with that holds a handshake (RFC 8446 §5.1).
const HANDSHAKE: u8 = 22;

/// What somebody speaks at a port for TLS.
pub(super) enum Spoken {
    /// HTTP.
    Http(Box<TlsStream<TcpStream>>),
    /// STUN and TURN.
    Turn(Box<TlsStream<TcpStream>>),
    /// HTTP without TLS.
    Plain(TcpStream),
}

/// Finds out, and shakes hands.
pub(super) async fn greet(stream: TcpStream, tls: &TlsAcceptor) -> Result<Spoken> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ if first[0] == HANDSHAKE => hear(Box::new(tls.accept(stream).await?)).await,
        // A method (RFC 9110 §9.1).
        _ if first[0].is_ascii_uppercase() => Ok(Spoken::Plain(stream)),
        _ => Err(Error::new(
            ErrorKind::InvalidData,
            "neither TLS nor HTTP is spoken",
        )),
    }
}

/// The first byte says it, and stays to be read: a STUN message begins with two bits of zero (RFC 8489 §5).
async fn hear(mut stream: Box<TlsStream<TcpStream>>) -> Result<Spoken> {
    match stream.fill_buf().await? {
        [] => Err(ErrorKind::UnexpectedEof.into()),
        [0..64, ..] => Ok(Spoken::Turn(stream)),
        [..] => Ok(Spoken::Http(stream)),
    }
}

/// What a shard can go on with.
pub(super) fn secured(stream: TlsStream<TcpStream>) -> Result<Secured> {
    let (stream, session) = stream.into_inner();
    Ok(Secured {
        stream: stream.into_std()?,
        session: TlsSession::new(session),
    })
}

const HTTPS: &str =
    "HTTPS is spoken here: the address begins with https://, a WebSocket's with wss://.";

/// The answer to whatever is asked for without TLS. It is asked for again where it is served, but not for ever:
/// the port may be one for HTTP another day.
pub(super) async fn elsewhere(request: Request) -> Response {
    let (parts, _) = request.into_parts();
    // What was sent with a key in clear would be sent so for ever, if it only worked.
    if parts.uri.path().starts_with("/api/") {
        return (StatusCode::FORBIDDEN, HTTPS).into_response();
    }
    let path = (parts.uri.path_and_query()).map_or("/", PathAndQuery::as_str);
    let host = asked_host(&parts).filter(|host| is_sane_host(host));
    let there = host.and_then(|host| HeaderValue::try_from(format!("https://{host}{path}")).ok());
    match there {
        Some(there) => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, there)], HTTPS).into_response(),
        None => (StatusCode::BAD_REQUEST, HTTPS).into_response(),
    }
}

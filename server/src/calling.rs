//! HTTP and HTTPS as a client speaks them: a connection of its own for a call, a request, and what comes back, within
//! bounds. It is led nowhere else by an answer: whoever answers cannot have another place called.

use std::time::Duration;

use axum::http::header::{HOST, USER_AGENT};
use axum::http::{Request, StatusCode, Uri, request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::tls::trusting;

/// How long a call may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What is read of an answer's head.
const MAX_HEAD: usize = 16 << 10;

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    /// The URL.
    #[error("its URL cannot be called")]
    Url,
    /// The connection.
    #[error("it cannot be reached: {0}")]
    Unreachable(#[from] std::io::Error),
    /// This machine trusts nobody.
    #[error("this machine has no certificates of authorities to check it by")]
    NobodyTrusted,
    /// HTTP.
    #[error("it does not answer in HTTP: {0}")]
    Strange(#[from] hyper::Error),
    /// What it says.
    #[error("it answers {0}")]
    Refused(StatusCode),
    /// It says too much, or stops in the middle of it.
    #[error("its answer is too long, or breaks off")]
    Unreadable,
    /// It says nothing.
    #[error("it takes too long")]
    Late,
}

/// Who is trusted, once that was read.
#[derive(Default)]
pub(crate) struct HttpClient(OnceCell<TlsConnector>);

impl HttpClient {
    /// Sends a request, of which the URL's part is made here, and returns the body of an answer of success, if it has no
    /// more bytes than so many. With 0 nothing of it is read.
    pub(crate) async fn call(
        &self,
        url: &str,
        request: request::Builder,
        body: Bytes,
        most: usize,
    ) -> Result<Bytes, CallError> {
        let calling = self.try_call(url, request, body, most);
        let called = tokio::time::timeout(PATIENCE, calling).await;
        called.unwrap_or(Err(CallError::Late))
    }

    async fn try_call(
        &self,
        url: &str,
        request: request::Builder,
        body: Bytes,
        most: usize,
    ) -> Result<Bytes, CallError> {
        let uri: Uri = url.parse().map_err(|_| CallError::Url)?;
        let host = uri.host().ok_or(CallError::Url)?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let is_sealed = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_sealed { 443 } else { 80 });
        let request = addressed(request, &uri)
            .and_then(|request| request.body(body.into()).ok())
            .ok_or(CallError::Url)?;
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        if !is_sealed {
            return exchange(stream, request, most).await;
        }
        let name = ServerName::try_from(host).map_err(|_| CallError::Url)?;
        let connector = self.0.get_or_try_init(connector).await?;
        exchange(connector.connect(name, stream).await?, request, most).await
    }
}

fn addressed(request: request::Builder, uri: &Uri) -> Option<request::Builder> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = request
        .uri(path)
        // Without a name and a password before the place.
        .header(HOST, uri.authority()?.as_str().rsplit('@').next()?)
        .header(USER_AGENT, concat!("ferrite/", env!("CARGO_PKG_VERSION")));
    Some(request)
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Bytes, CallError> {
    let mut connection = http1::Builder::new();
    let connecting = connection
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = connecting.await?;
    let _running = AbortOnDropHandle::new(tokio::spawn(connection));
    let answer = sender.send_request(request).await?;
    match answer.status() {
        status if !status.is_success() => Err(CallError::Refused(status)),
        _ if most == 0 => Ok(Bytes::new()),
        _ => match Limited::new(answer.into_body(), most).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(_) => Err(CallError::Unreadable),
        },
    }
}

/// By the authorities that this machine trusts, or those of `SSL_CERT_FILE`.
async fn connector() -> Result<TlsConnector, CallError> {
    let config = trusting().await.ok_or(CallError::NobodyTrusted)?;
    Ok(TlsConnector::from(config))
}

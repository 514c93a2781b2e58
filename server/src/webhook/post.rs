//! One call of a webhook: a connection of its own, a request, and the status that comes back. Nothing else of the
//! answer is read, and it leads nowhere else: whoever answers cannot have another place called.

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HOST, USER_AGENT};
use axum::http::{Request, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::letter::Letter;

/// How long a call may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What is read of an answer's head.
const MAX_HEAD: usize = 16 << 10;

const SIGNATURE: &str = "ferrite-signature";

/// Why nobody was told.
#[derive(Debug, Error)]
pub(super) enum Undelivered {
    /// There is no webhook any more.
    #[error("there is nobody to tell")]
    Nowhere,
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
    /// It says nothing.
    #[error("it takes too long")]
    Late,
}

/// Who is trusted, once that was read.
#[derive(Default)]
pub(super) struct Post(OnceCell<TlsConnector>);

impl Post {
    /// Sends a letter. It was taken if that is answered with success.
    pub(super) async fn send(&self, letter: &Letter, unix: u64) -> Result<(), Undelivered> {
        let sending = tokio::time::timeout(PATIENCE, self.try_send(letter, unix));
        sending.await.unwrap_or(Err(Undelivered::Late))
    }

    async fn try_send(&self, letter: &Letter, unix: u64) -> Result<(), Undelivered> {
        let uri: Uri = letter.url.parse().map_err(|_| Undelivered::Url)?;
        let host = uri.host().ok_or(Undelivered::Url)?;
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let is_sealed = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if is_sealed { 443 } else { 80 });
        let request = request(&uri, letter, unix).ok_or(Undelivered::Url)?;
        let stream = TcpStream::connect((host.as_str(), port)).await?;
        if !is_sealed {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(host).map_err(|_| Undelivered::Url)?;
        let connector = self.0.get_or_try_init(connector).await?;
        exchange(connector.connect(name, stream).await?, request).await
    }
}

fn request(uri: &Uri, letter: &Letter, unix: u64) -> Option<Request<Full<Bytes>>> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::post(path)
        .header(HOST, uri.authority()?.as_str())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("ferrite/", env!("CARGO_PKG_VERSION")))
        .header(SIGNATURE, letter.signature(unix));
    request.body(letter.body.clone().into()).ok()
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    request: Request<Full<Bytes>>,
) -> Result<(), Undelivered> {
    let mut connection = http1::Builder::new();
    let connecting = connection
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = connecting.await?;
    let _running = AbortOnDropHandle::new(tokio::spawn(connection));
    let status = sender.send_request(request).await?.status();
    match status.is_success() {
        true => Ok(()),
        false => Err(Undelivered::Refused(status)),
    }
}

/// By the authorities that this machine trusts, or those of `SSL_CERT_FILE`.
async fn connector() -> Result<TlsConnector, Undelivered> {
    let loading = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs);
    let loaded = loading.await.map_err(|_| Undelivered::NobodyTrusted)?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    if roots.is_empty() {
        return Err(Undelivered::NobodyTrusted);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions();
    let config = config.map_err(|_| Undelivered::NobodyTrusted)?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

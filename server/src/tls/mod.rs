//! TLS: the server's certificate, where it comes from, and what is agreed on with clients.
//!
//! | module | what lives there |
//! |---|---|
//! | `certificate` | a certificate with its key: read, or made |
//! | `source` | what the settings say of it; the files that it is read from again |
//!
//! It knows no connection: those are `http`'s, and the media plane's once they carry TURN.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_util::sync::CancellationToken;

mod certificate;
mod source;

use self::certificate::Certificate;
pub use self::certificate::CertificateError;
pub use self::source::TlsError;
use self::source::{Follower, Source};
use crate::config;

/// What is spoken in TLS (RFC 7301).
const HTTP: &[u8] = b"http/1.1";

/// What there is where the settings ask for TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) certificates: Arc<Certificates>,
    /// What every connection agrees on.
    pub(crate) config: Arc<ServerConfig>,
    follower: Option<Follower>,
}

impl Tls {
    /// `None` where the settings ask for none. `addresses` are those of this machine.
    pub(crate) fn set_up(
        settings: &config::Tls,
        addresses: &[IpAddr],
    ) -> Result<Option<Self>, TlsError> {
        let Some(source) = Source::of(settings)? else {
            return Ok(None);
        };
        let (first, follower) = source.load(addresses)?;
        let certificates = Arc::new(Certificates(RwLock::new(Arc::new(first))));
        Ok(Some(Self {
            config: server_config(certificates.clone())?,
            certificates,
            follower,
        }))
    }

    /// Looks after the certificate until `stop`.
    pub(crate) async fn follow(self, stop: CancellationToken) {
        if let Some(follower) = self.follower {
            follower.follow(self.certificates, stop).await;
        }
    }
}

/// The certificate that newcomers are shown. Who is connected keeps the one it was shown.
#[derive(Debug)]
pub(crate) struct Certificates(RwLock<Arc<Certificate>>);

impl Certificates {
    /// Its SHA-256, as browsers show it.
    pub(crate) fn fingerprint(&self) -> String {
        self.current().fingerprint()
    }

    fn current(&self) -> Arc<Certificate> {
        // Nothing under this lock can panic.
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    fn replace(&self, next: Certificate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current().key())
    }
}

/// TLS 1.2 and 1.3. Tickets are sealed, so that nothing is kept of who was here.
fn server_config(certificates: Arc<Certificates>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let mut config = builder
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![HTTP.to_vec()];
    config.ticketer = Ticketer::new()?;
    Ok(Arc::new(config))
}

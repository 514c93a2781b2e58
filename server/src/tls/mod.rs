//! TLS: the server's certificate, where it comes from, and what is agreed on with clients.
//!
//! | module | what lives there |
//! |---|---|
//! | `certificate` | a certificate with its key, read or made; the one that is shown |
//! | `source` | what the settings say of it; the files that it is read from again |
//! | `trust` | whom this machine trusts, where it is the client |
//!
//! It knows no connection: those are `http`'s, and the media plane's once they carry TURN.

use std::net::IpAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::{Ticketer, default_provider};
use tokio_util::sync::CancellationToken;

mod certificate;
mod source;
mod trust;

pub use self::certificate::{CertificateError, Certificates};
pub use self::source::TlsError;
use self::source::{Follower, Source};
pub(crate) use self::trust::trusting;
use crate::config;

/// What is spoken in TLS (RFC 7301): HTTP, and what RFC 7443 has for STUN and TURN. Which of them it is, the
/// first bytes say, as most clients of TURN offer nothing.
const PROTOCOLS: [&[u8]; 3] = [b"http/1.1", b"stun.turn", b"stun.nat-discovery"];

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
        let certificates = Arc::new(Certificates::new(first));
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

/// TLS 1.2 and 1.3. Tickets are sealed, so that nothing is kept of who was here.
fn server_config(certificates: Arc<Certificates>) -> Result<Arc<ServerConfig>, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let mut config = builder
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    config.ticketer = Ticketer::new()?;
    Ok(Arc::new(config))
}

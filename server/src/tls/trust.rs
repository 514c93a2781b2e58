//! TLS at the client's end: whom this machine trusts to vouch for others.

use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};

/// By the authorities that this machine trusts, or those of `SSL_CERT_FILE`; `None` if there are none.
pub(crate) async fn trusting() -> Option<Arc<ClientConfig>> {
    let loading = tokio::task::spawn_blocking(rustls_native_certs::load_native_certs);
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loading.await.ok()?.certs);
    if roots.is_empty() {
        return None;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let config = config.with_safe_default_protocol_versions().ok()?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    Some(Arc::new(config))
}

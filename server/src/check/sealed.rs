//! TLS as a client speaks it: the handshake, and what the certificate that is shown says of itself. Whoever vouches for
//! it, it is taken: that is for browsers to judge.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::asking::{Failure, PATIENCE, connect};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::default_provider;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// Its DNS names.
    pub(super) names: Vec<String>,
    /// Its addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// It is good from this second on.
    pub(super) from: i64,
    /// And until this one.
    pub(super) until: i64,
    /// Nobody else vouches for it.
    pub(super) is_self_signed: bool,
}

impl Shown {
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        let (mut names, mut addresses) = (Vec::new(), Vec::new());
        let other = certificate.subject_alternative_name().ok().flatten();
        for name in other.iter().flat_map(|other| &other.value.general_names) {
            if let GeneralName::DNSName(name) = name {
                names.push((*name).to_owned());
            }
            if let GeneralName::IPAddress(bytes) = name {
                addresses.extend(address(bytes));
            }
        }
        let validity = certificate.validity();
        Some(Self {
            names,
            addresses,
            from: validity.not_before.timestamp(),
            until: validity.not_after.timestamp(),
            is_self_signed: certificate.issuer() == certificate.subject(),
        })
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let ipv4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    ipv4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from))
        .ok()
}

/// Shakes hands.
pub(super) async fn shake_hands(
    server: SocketAddr,
) -> Result<(TlsStream<TcpStream>, Shown), Failure> {
    let stream = connect(server).await?;
    let config = client().map_err(|error| Failure::Broken(error.to_string()))?;
    let name = ServerName::from(server.ip());
    let shaking = TlsConnector::from(Arc::new(config)).connect(name, stream);
    let stream = timeout(PATIENCE, shaking).await;
    let stream = stream.map_err(|_| Failure::Silent)??;
    let (_, session) = stream.get_ref();
    let first = session.peer_certificates().and_then(|chain| chain.first());
    let shown = first.and_then(|first| Shown::read(first));
    let shown = shown.ok_or_else(|| Failure::Strange("the certificate makes no sense".to_owned()));
    Ok((stream, shown?))
}

fn client() -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    let builder = builder.dangerous();
    let builder = builder.with_custom_certificate_verifier(Arc::new(Whoever));
    Ok(builder.with_no_client_auth())
}

/// Takes any certificate that goes with the handshake.
#[derive(Debug)]
struct Whoever;

impl ServerCertVerifier for Whoever {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = default_provider().signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_says_for_whom_and_until_when_it_is_good() {
        let names = ["call.example".to_owned(), "192.0.2.1".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 12, 31);
        let key = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let shown = Shown::read(made.der()).unwrap();
        assert_eq!(shown.names, ["call.example"]);
        assert_eq!(shown.addresses, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!((shown.from, shown.until), (1_767_225_600, 1_798_675_200));
        assert!(shown.is_self_signed);
        assert_eq!(Shown::read(b"x"), None);
    }
}

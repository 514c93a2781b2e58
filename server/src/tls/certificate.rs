//! A certificate with its key, read from PEM or made for trying things out; and the one that is shown.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, SanType};
use ring::digest::{SHA256, digest};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use webpki::EndEntityCert;

/// How long a made certificate is good for. Apple's devices take none for longer than 398 days.
const LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);

/// What the clocks of others may be behind.
const BEHIND: Duration = Duration::from_secs(24 * 3600);

/// The name that every machine has for itself.
const LOCALHOST: &str = "localhost";

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum CertificateError {
    /// There is none in what was read.
    #[error("there is no certificate in it: PEM begins with -----BEGIN CERTIFICATE-----")]
    NoCertificate,
    /// There is no key in what was read.
    #[error("there is no private key in it: PEM has it as PRIVATE KEY, without a password")]
    NoKey,
    /// It cannot be read.
    #[error("the certificate makes no sense: {0}")]
    Senseless(webpki::Error),
    /// The key is another certificate's, or of a kind that is not known.
    #[error("the key does not go with the certificate: {0}")]
    Unfit(rustls::Error),
    /// None could be made.
    #[error("no certificate can be made: {0}")]
    Unmade(#[from] rcgen::Error),
}

/// A certificate with those that vouch for it, and its key.
#[derive(Debug)]
pub(super) struct Certificate {
    key: Arc<CertifiedKey>,
    host: Option<String>,
}

impl Certificate {
    /// Reads PEM: the certificate before those that vouch for it, and its key (PKCS #8, PKCS #1 or SEC 1).
    pub(super) fn read(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or(CertificateError::NoCertificate)?;
        // What the error says may be a part of the key.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| CertificateError::NoKey)?;
        Self::new(chain, key)
    }

    /// Makes one that nobody vouches for, for this machine's names.
    pub(super) fn self_signed(
        addresses: &[IpAddr],
        now: SystemTime,
    ) -> Result<Self, CertificateError> {
        let mut params = CertificateParams::new([LOCALHOST.to_owned()])?;
        let addresses = addresses.iter().copied().map(SanType::IpAddress);
        params.subject_alt_names.extend(addresses);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(DnType::CommonName, "Ferrite");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.not_before = (now - BEHIND).into();
        params.not_after = (now + LIFETIME).into();
        let key = KeyPair::generate()?;
        let made = params.self_signed(&key)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Self::new(vec![made.der().clone()], key.into())
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, CertificateError> {
        let first = chain.first().ok_or(CertificateError::NoCertificate)?;
        let own = EndEntityCert::try_from(first).map_err(CertificateError::Senseless)?;
        let first_name = own.valid_dns_names().next().map(str::to_owned);
        let key = CertifiedKey::from_der(chain, key, &default_provider())
            .map_err(CertificateError::Unfit)?;
        Ok(Self {
            key: Arc::new(key),
            host: first_name.filter(|name| is_host(name)),
        })
    }

    fn key(&self) -> Arc<CertifiedKey> {
        self.key.clone()
    }

    /// Where clients reach whoever has it: its first DNS name, if that is one machine's.
    fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Its SHA-256, as browsers show it.
    pub(super) fn fingerprint(&self) -> String {
        let first = self.key.cert.first().map(|first| digest(&SHA256, first));
        let bytes = first.iter().flat_map(|digest| digest.as_ref());
        let bytes: Vec<_> = bytes.map(|byte| format!("{byte:02X}")).collect();
        bytes.join(":")
    }
}

/// The certificate that newcomers are shown. Who is connected keeps the one it was shown.
#[derive(Debug)]
pub struct Certificates(RwLock<Arc<Certificate>>);

impl Certificates {
    pub(super) fn new(first: Certificate) -> Self {
        Self(RwLock::new(Arc::new(first)))
    }

    /// One that nobody vouches for, for this machine's names.
    pub fn self_signed(addresses: &[IpAddr], now: SystemTime) -> Result<Self, CertificateError> {
        Certificate::self_signed(addresses, now).map(Self::new)
    }

    /// The one that newcomers are shown.
    pub(crate) fn shown(&self) -> Arc<CertifiedKey> {
        self.current().key()
    }

    /// Where clients reach whoever has it, if it says so.
    pub(crate) fn host(&self) -> Option<String> {
        self.current().host().map(str::to_owned)
    }

    /// Its SHA-256, as browsers show it.
    pub(crate) fn fingerprint(&self) -> String {
        self.current().fingerprint()
    }

    fn current(&self) -> Arc<Certificate> {
        // Nothing under this lock can panic.
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }

    pub(super) fn replace(&self, next: Certificate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown())
    }
}

/// A wildcard is many machines' name, and `localhost` everyone's.
fn is_host(name: &str) -> bool {
    !name.starts_with('*') && name != LOCALHOST && !name.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(names: &[&str]) -> (String, String) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn read((chain, key): &(String, String)) -> Result<Certificate, CertificateError> {
        Certificate::read(chain.as_bytes(), key.as_bytes())
    }

    #[test]
    fn its_first_name_is_where_clients_reach_it_if_it_is_one_machines() {
        for (names, host) in [
            (&["call.example", "other.example"][..], Some("call.example")),
            (&["*.example.org", "call.example"], None),
            (&["localhost", "call.example"], None),
            (&["192.0.2.1"], None),
            (&["192.0.2.1", "call.example"], Some("call.example")),
        ] {
            assert_eq!(read(&pem(names)).unwrap().host(), host, "{names:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_with_its_key_is_refused() {
        let (mine, other) = (pem(&["a.example"]), pem(&["a.example"]));
        let exchanged = (mine.0.clone(), other.1.clone());
        assert!(matches!(read(&exchanged), Err(CertificateError::Unfit(_))));
        let none = (mine.1.clone(), mine.1.clone());
        assert!(matches!(read(&none), Err(CertificateError::NoCertificate)));
        let keyless = (mine.0.clone(), mine.0.clone());
        assert!(matches!(read(&keyless), Err(CertificateError::NoKey)));
        let half = (mine.0[..mine.0.len() / 2].to_owned(), mine.1.clone());
        assert!(matches!(read(&half), Err(CertificateError::NoCertificate)));
        // Well written, and no certificate.
        let noise = mine.1.replace("PRIVATE KEY", "CERTIFICATE");
        let noise = (noise, mine.1.clone());
        assert!(matches!(read(&noise), Err(CertificateError::Senseless(_))));
        assert!(read(&mine).is_ok());
    }

    #[test]
    fn a_made_one_is_for_this_machines_names() {
        let addresses = ["192.0.2.1", "2001:db8::1"].map(|text| text.parse().unwrap());
        let made = Certificate::self_signed(&addresses, SystemTime::now()).unwrap();
        assert_eq!(made.host(), None);
        assert_eq!(made.fingerprint().len(), 32 * 3 - 1);
        let key = made.key();
        let certificate = EndEntityCert::try_from(&key.cert[0]).unwrap();
        for name in ["localhost", "192.0.2.1", "2001:db8::1"] {
            let name = name.try_into().unwrap();
            assert!(certificate.verify_is_valid_for_subject_name(&name).is_ok());
        }
        let other = "192.0.2.2".try_into().unwrap();
        assert!(
            certificate
                .verify_is_valid_for_subject_name(&other)
                .is_err()
        );
    }
}

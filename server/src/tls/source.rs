//! Where the certificate comes from, as the settings have it, and whether it has changed there.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use super::certificate::{Certificate, CertificateError, Certificates};
use crate::config::Tls;

/// How often it is looked whether the files have changed. What is read the same twice in a row counts: whoever
/// writes two files, one after the other, is given the time.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Why there is no TLS to start with. Each is one line that names the setting.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A certificate without its key.
    #[error("--tls-cert: a certificate needs its private key; give --tls-key, too")]
    KeyMissing,
    /// A key without its certificate.
    #[error("--tls-key: a key needs its certificate; give --tls-cert, too")]
    CertificateMissing,
    /// Two certificates.
    #[error("--tls: self-signed makes a certificate; leave it out, or --tls-cert and --tls-key")]
    Two,
    /// TLS without a certificate.
    #[error(
        "--turns-port: TURN over TLS needs a certificate; give --tls-cert and --tls-key, or --tls self-signed"
    )]
    Needed,
    /// A file cannot be read.
    #[error("{flag}: {path} cannot be read: {source}", path = .path.display())]
    Unreadable {
        /// The setting that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file was read, and is of no use.
    #[error("{flag}: {path}: {source}", path = .path.display())]
    Unusable {
        /// The setting that names it.
        flag: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CertificateError,
    },
    /// No certificate could be made.
    #[error("--tls: {0}")]
    Unmade(CertificateError),
    /// The library refuses.
    #[error("TLS cannot be set up: {0}")]
    SetUp(#[from] rustls::Error),
}

/// Where the certificate comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// It is made at the start.
    SelfSigned,
    /// It is read, and read again when it changes.
    Files(Files),
}

/// A certificate's file, and its key's.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    cert: PathBuf,
    key: PathBuf,
}

/// What is in them.
type Pair = (Vec<u8>, Vec<u8>);

impl Source {
    /// `None` is no TLS.
    pub(crate) fn of(settings: &Tls) -> Result<Option<Self>, TlsError> {
        match (&settings.cert, &settings.key, settings.made) {
            (None, None, None) => Ok(None),
            (None, None, Some(_)) => Ok(Some(Self::SelfSigned)),
            (Some(_), None, None) => Err(TlsError::KeyMissing),
            (None, Some(_), None) => Err(TlsError::CertificateMissing),
            (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => Err(TlsError::Two),
            (Some(cert), Some(key), None) => Ok(Some(Self::Files(Files {
                cert: cert.clone(),
                key: key.clone(),
            }))),
        }
    }

    /// The first one, and who looks after those that follow. `addresses` are those of this machine.
    pub(crate) fn load(
        self,
        addresses: &[IpAddr],
    ) -> Result<(Certificate, Option<Follower>), TlsError> {
        match self {
            Self::SelfSigned => Certificate::self_signed(addresses, SystemTime::now())
                .map(|made| (made, None))
                .map_err(TlsError::Unmade),
            Self::Files(files) => {
                let pair = files.read()?;
                let certificate = files.certificate(&pair)?;
                let watch = Watch::new(Ok(pair));
                Ok((certificate, Some(Follower { files, watch })))
            }
        }
    }
}

impl Files {
    fn read(&self) -> Result<Pair, TlsError> {
        let read = |flag, path: &Path| {
            fs::read(path).map_err(|source| TlsError::Unreadable {
                flag,
                path: path.to_owned(),
                source,
            })
        };
        Ok((read(CERT, &self.cert)?, read(KEY, &self.key)?))
    }

    fn certificate(&self, (chain, key): &Pair) -> Result<Certificate, TlsError> {
        Certificate::read(chain, key).map_err(|source| {
            let (flag, path) = match source {
                CertificateError::NoKey | CertificateError::Unfit(_) => (KEY, &self.key),
                CertificateError::NoCertificate
                | CertificateError::Senseless(_)
                | CertificateError::Unmade(_) => (CERT, &self.cert),
            };
            let path = path.clone();
            TlsError::Unusable { flag, path, source }
        })
    }
}

const CERT: &str = "--tls-cert";
const KEY: &str = "--tls-key";

/// Looks whether the files have changed.
#[derive(Debug)]
pub(crate) struct Follower {
    files: Files,
    watch: Watch<Result<Pair, String>>,
}

impl Follower {
    /// Exchanges the certificate whenever its files have, until `stop`.
    pub(crate) async fn follow(mut self, certificates: Arc<Certificates>, stop: CancellationToken) {
        let following = async {
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                // A disk may take its time.
                let files = self.files.clone();
                let read = tokio::task::spawn_blocking(move || files.read()).await;
                let read = read.map(|read| read.map_err(|error| error.to_string()));
                if let Some(new) = read.ok().and_then(|read| self.watch.look(read)) {
                    self.exchange(new, &certificates);
                }
            }
        };
        stop.run_until_cancelled(following).await;
    }

    fn exchange(&self, new: Result<Pair, String>, certificates: &Certificates) {
        let read = |pair: Pair| {
            let certificate = self.files.certificate(&pair);
            certificate.map_err(|error| error.to_string())
        };
        match new.and_then(read) {
            Ok(certificate) => {
                let sha256 = certificate.fingerprint();
                certificates.replace(certificate);
                tracing::info!(sha256, "newcomers are shown a new certificate");
            }
            Err(error) => {
                tracing::warn!(error, "a new certificate is of no use: the old one stays");
            }
        }
    }
}

/// Whether what is read is new.
#[derive(Debug)]
struct Watch<T> {
    /// What was read when it was last new, good or bad.
    known: T,
    /// What was read last, once.
    fresh: Option<T>,
}

impl<T: Clone + PartialEq> Watch<T> {
    fn new(known: T) -> Self {
        Self { known, fresh: None }
    }

    /// Takes what was read, and gives it back once it is new and stays so.
    fn look(&mut self, read: T) -> Option<T> {
        if self.known == read {
            self.fresh = None;
            return None;
        }
        if self.fresh.as_ref() != Some(&read) {
            self.fresh = Some(read);
            return None;
        }
        self.known = read;
        self.fresh.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::MadeCertificate;

    #[test]
    fn what_is_read_is_new_when_it_is_read_twice() {
        let mut watch = Watch::new(1);
        let looks = [1, 2, 3, 3, 3, 1, 3, 4, 4];
        let new: Vec<_> = looks
            .into_iter()
            .filter_map(|read| watch.look(read))
            .collect();
        assert_eq!(new, [3, 4]);
    }

    #[test]
    fn a_certificate_comes_from_one_place() {
        let path = || Some(PathBuf::from("x"));
        let of = |cert, key, made| Source::of(&Tls { cert, key, made });
        let made = Some(MadeCertificate::SelfSigned);
        assert!(matches!(of(None, None, None), Ok(None)));
        assert!(matches!(of(None, None, made), Ok(Some(Source::SelfSigned))));
        assert!(matches!(
            of(path(), path(), None),
            Ok(Some(Source::Files(_)))
        ));
        assert!(matches!(of(path(), None, None), Err(TlsError::KeyMissing)));
        assert!(matches!(
            of(None, path(), None),
            Err(TlsError::CertificateMissing)
        ));
        for (cert, key) in [(path(), None), (None, path()), (path(), path())] {
            assert!(matches!(of(cert, key, made), Err(TlsError::Two)));
        }
    }
}

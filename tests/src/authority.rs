//! Somebody who vouches for a server: browsers that are told to believe them open relays over TLS, which no setting lets
//! them open otherwise.

use std::path::{Path, PathBuf};

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// A certificate authority of a test's own.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// A new one.
    pub fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "Ferrite's laboratory");
        Ok(Self(CertifiedIssuer::self_signed(
            params,
            KeyPair::generate()?,
        )?))
    }

    /// Its own certificate, DER in base64.
    #[must_use]
    pub fn certificate(&self) -> String {
        BASE64_STANDARD.encode(self.0.der())
    }

    /// Vouches for whoever has this address: the files of a certificate and its key, in this directory.
    pub fn vouch(&self, address: &str, dir: &Path) -> Result<[PathBuf; 2]> {
        let key = KeyPair::generate()?;
        let params = CertificateParams::new([address.to_owned()])?;
        let made = params.signed_by(&key, &self.0)?;
        let files = ["cert.pem", "key.pem"].map(|name| dir.join(name));
        std::fs::write(&files[0], made.pem())?;
        std::fs::write(&files[1], key.serialize_pem())?;
        Ok(files)
    }
}

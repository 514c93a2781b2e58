//! The settings of TLS. What is in the files is not looked at here: it is read again later.

use std::path::PathBuf;

use super::declare::settings;
use super::value::Single;

settings! {
    /// TLS.
    pub struct Tls {
        /// A certificate, and after it those that vouch for it, as PEM: --listen then serves HTTPS instead of
        /// HTTP. It is read again when it changes
        pub cert: Option<PathBuf> = None, "tls-cert", "FILE";

        /// The private key of --tls-cert, as PEM
        pub key: Option<PathBuf> = None, "tls-key", "FILE";

        /// `self-signed` makes a certificate at each start, to try things out with other devices in the same
        /// network: browsers warn of it, and go on if told to
        pub made: Option<MadeCertificate> = None, "tls", "self-signed";
    }
}

/// A certificate that nobody had to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeCertificate {
    /// Nobody vouches for it.
    SelfSigned,
}

impl Single for MadeCertificate {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "self-signed" => Ok(Self::SelfSigned),
            _ => Err("give self-signed, or a certificate to --tls-cert".to_owned()),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::SelfSigned => "self-signed".to_owned(),
        }
    }
}

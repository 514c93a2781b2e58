//! The settings of the front door: HTTP and WebSockets.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ipnet::IpNet;

use super::declare::settings;
use crate::origin::AllowedOrigin;

settings! {
    /// The front door: HTTP and WebSockets.
    pub struct Http {
        /// Where to serve HTTP and WebSockets; port 0 takes any that is free
        pub listen: SocketAddr = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)), "listen", "ADDRESS:PORT";

        /// Origins besides the server's own whose pages may open sessions, and show the server's
        /// own in a frame, such as `https://app.example.com`; `*` allows every page
        pub allowed_origins: Vec<AllowedOrigin> = Vec::new(), "allowed-origins", "ORIGIN";

        /// Reverse proxies, as addresses or networks such as 172.16.0.0/12, whose X-Forwarded-For says
        /// where a client is; else all of a proxy's clients count as one address
        pub trusted_proxies: Vec<IpNet> = Vec::new(), "trusted-proxies", "NETWORK";

        /// Serve the files in this directory before the embedded ones: with `--www www`, a changed
        /// page or style sheet needs no new build
        pub www: Option<PathBuf> = None, "www", "DIRECTORY", is_directory;
    }
}

fn is_directory(www: &Option<PathBuf>) -> Result<(), String> {
    match www.as_deref().filter(|www| !www.is_dir()) {
        Some(www) => Err(format!("{} is not a directory", www.display())),
        None => Ok(()),
    }
}

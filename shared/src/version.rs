//! Whether two ends speak one version of the protocol.

use thiserror::Error;

use crate::ErrorCode;

/// The version of the protocol this crate speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// The WebSocket subprotocol that names this version.
pub const SUBPROTOCOL: &str = "ferrite.v1";

/// The two ends speak different versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the client speaks version {client} of the protocol, the server speaks version {server}")]
pub struct VersionMismatch {
    /// What the client said in its `hello`.
    pub client: u16,
    /// What the server said, or speaks.
    pub server: u16,
}

impl VersionMismatch {
    /// The code a program gets to see.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        ErrorCode::VersionMismatch
    }
}

/// A server's check of the `version` in a client's `hello`.
///
/// # Errors
/// When it is not [`PROTOCOL_VERSION`]. The error names both.
pub fn check_client_version(client: u16) -> Result<(), VersionMismatch> {
    check(client, PROTOCOL_VERSION)
}

/// A client's check of the `version` in a server's `welcome`.
///
/// # Errors
/// When it is not [`PROTOCOL_VERSION`]. The error names both.
pub fn check_server_version(server: u16) -> Result<(), VersionMismatch> {
    check(PROTOCOL_VERSION, server)
}

fn check(client: u16, server: u16) -> Result<(), VersionMismatch> {
    if client == server {
        Ok(())
    } else {
        Err(VersionMismatch { client, server })
    }
}

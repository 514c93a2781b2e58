//! A client's first message: it opens a session, or goes on with an earlier one.

use ferrite_protocol::{ClientMessage, ResumeToken, VersionMismatch, check_client_version};

use super::socket::{Gone, Received, Socket};

/// How a client introduced itself.
#[derive(Debug)]
pub(super) enum Greeting {
    /// It said hello.
    Hello {
        /// What it calls itself.
        client: Option<String>,
        /// The session it wants to go on with.
        resume_token: Option<ResumeToken>,
    },
    /// It came straight to the point.
    Message(ClientMessage),
}

/// Why there was no greeting.
#[derive(Debug)]
pub(super) enum Refused {
    /// There is nobody to talk to.
    Gone(Gone),
    /// The client speaks another version.
    Version(VersionMismatch),
}

impl From<Gone> for Refused {
    fn from(gone: Gone) -> Self {
        Self::Gone(gone)
    }
}

/// Waits for the first frame that is a message. May be cancelled.
pub(super) async fn greet(socket: &mut Socket) -> Result<Greeting, Refused> {
    loop {
        match socket.receive().await? {
            Received::Nonsense(reply) => socket.send(&reply).await?,
            Received::Message(ClientMessage::Hello {
                version,
                client,
                resume_token,
            }) => {
                check_client_version(version).map_err(Refused::Version)?;
                return Ok(Greeting::Hello {
                    client,
                    resume_token,
                });
            }
            Received::Message(message) => return Ok(Greeting::Message(message)),
        }
    }
}

//! How a call is, for whoever shows it.

use ferrite_protocol::Cause;

/// Where the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Nobody wants one.
    Idle,
    /// The server is being called.
    Connecting,
    /// Server and browser look for a media path.
    Negotiating,
    /// Media and data flow.
    Connected,
    /// They did, and will again.
    Reconnecting,
    /// It did not work, and only the user can start it again.
    Failed,
    /// Closed for good.
    Closed,
}

/// Where the WebSocket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkState {
    /// Nobody asked for it.
    Idle,
    /// TCP, TLS and the upgrade are under way.
    Opening,
    /// `hello` was sent.
    Greeting,
    /// Welcomed.
    Ready,
    /// Lost; the next attempt comes by itself.
    Waiting,
    /// Trying again by itself would not help.
    Stopped,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Problem {
    /// The server does not answer.
    ServerAway,
    /// Nor can it: there is no network.
    Offline,
    /// The server said that it restarts.
    ServerRestarting,
    /// The server speaks another version; its own words.
    OtherVersion(String),
    /// The session went on in another tab.
    Superseded,
    /// The server says that this client sent too much.
    LimitExceeded,
    /// The server refused; its own words.
    Refused(String),
    /// The server did not answer the offer.
    NoAnswer,
    /// The browser refused; its own words.
    Browser(String),
    /// No media path yet; what the server makes of it.
    SlowPath(Option<Reason>),
    /// No media path at all; what the server makes of it.
    NoPath(Option<Reason>),
}

/// What the server makes of a path that is not there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reason {
    /// What both ends saw, put side by side; a sentence.
    Explained(Cause, String),
    /// The server's part of a sentence.
    Words(String),
}

/// What one shows of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Status {
    pub(crate) phase: Phase,
    pub(crate) link: LinkState,
    /// Whether the server is heard, as far as one knows.
    pub(crate) reached: bool,
    pub(crate) problem: Option<Problem>,
}

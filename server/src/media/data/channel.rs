//! What a data channel is: its identifier, its options, the kinds of message, and why an operation on it fails.

use super::backlog::Backlog;
use thiserror::Error;

/// A channel's identifier: the SCTP stream it uses in both directions (RFC 8831 §6.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelId(pub u16);

/// What the other end asked for, or is asked for, when a channel opens (RFC 8832 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    /// A name for the application; it need not be unique.
    pub label: String,
    /// The subprotocol, or empty.
    pub protocol: String,
    /// Whether messages arrive in the order they were sent.
    pub ordered: bool,
    /// How hard the sender tries.
    pub reliability: Reliability,
    /// The relative priority: 128, 256, 512 or 1024. Carried, not acted on.
    pub priority: u16,
}

/// The priority of a channel that asks for none (RFC 8831 §6.4, "normal").
pub const DEFAULT_PRIORITY: u16 = 256;

impl Default for ChannelOptions {
    fn default() -> ChannelOptions {
        ChannelOptions {
            label: String::new(),
            protocol: String::new(),
            ordered: true,
            reliability: Reliability::Reliable,
            priority: DEFAULT_PRIORITY,
        }
    }
}

/// When a sender gives a message up (RFC 3758, RFC 7496).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliability {
    /// Never.
    Reliable,
    /// After this many retransmissions of one of its fragments.
    MaxRetransmits(u32),
    /// This many milliseconds after it was handed over.
    MaxLifetimeMs(u32),
}

/// How the receiver is to read a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// A string, in UTF-8: what is received is checked, what is sent is the caller's.
    Text,
    /// Bytes.
    Binary,
}

/// Why a channel cannot be opened or written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChannelError {
    /// There is no association yet, or none any more.
    #[error("the association is not connected")]
    NotConnected,
    /// The channel was never opened, or is closing or closed.
    #[error("the channel is not open")]
    NotOpen,
    /// As many channels are open as this end allows, or as have identifiers.
    #[error("too many channels are open")]
    TooManyChannels,
    /// The message is longer than the other end takes, or the label longer than DCEP can say.
    #[error("longer than the limit of {limit} bytes")]
    TooLarge {
        /// The longest that would have been taken.
        limit: usize,
    },
    /// Too much is waiting to be acknowledged: try again when [`buffered`](super::Sctp::buffered) has fallen.
    #[error("the send buffer is full")]
    Full,
}

/// How far a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChannelState {
    /// Opened by this end, not confirmed.
    Opening,
    Open,
    /// To be reset once everything sent is acknowledged.
    Closing,
    /// Reset requested.
    Resetting,
}

/// What is kept of a channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) state: ChannelState,
    /// As asked; the names only until they are announced, since they may be long.
    pub(super) options: ChannelOptions,
    /// Whether the user was told that it opened, and not yet that it closed.
    pub(super) announced: bool,
    pub(super) backlog: Backlog,
}

impl Channel {
    pub(super) fn new(state: ChannelState, options: ChannelOptions) -> Channel {
        Channel {
            state,
            options,
            announced: false,
            backlog: Backlog::default(),
        }
    }

    pub(super) fn is_open_like(&self, options: &ChannelOptions) -> bool {
        self.state == ChannelState::Open
            && self.options.ordered == options.ordered
            && self.options.reliability == options.reliability
    }

    pub(super) fn is_usable(&self) -> bool {
        matches!(self.state, ChannelState::Opening | ChannelState::Open)
    }
}

//! What an association is told from outside, and how much of everything it takes.

/// The port WebRTC uses where the description names none (RFC 8841 §5).
pub const DEFAULT_PORT: u16 = 5000;

/// The longest SCTP packet sent. With a DTLS 1.2 record around it (37 bytes for AES-GCM) it is a UDP payload of at
/// most 1200 bytes, which every path that carries WebRTC takes.
pub const MAX_PACKET_SIZE: usize = 1163;

/// How much may be received and not yet read. A sender is held to a window per round trip: the library's 1 MiB is
/// 84 Mbit/s at 100 ms, this is four times that, and 16 messages of the longest kind.
pub const RECEIVE_WINDOW: u32 = 4 << 20;

/// How much may be received and not yet read, until a peer makes use of more, and where memory is scarce: a message of
/// the longest kind. The INIT says [`RECEIVE_WINDOW`] all the same, the first acknowledgement what holds.
pub const INITIAL_WINDOW: usize = 256 << 10;

/// With more than this waiting to be acknowledged, messages are no longer read.
pub const HIGH_WATER: usize = 1 << 20;

/// As [`HIGH_WATER`], in messages: each costs some 250 bytes besides its own.
pub const HIGH_WATER_MESSAGES: usize = 4096;

/// [`HIGH_WATER`] where memory is scarce: enough for a path of 5 Mbit/s and 100 ms.
pub const LEAST_HIGH_WATER: usize = 64 << 10;

/// [`HIGH_WATER_MESSAGES`] where memory is scarce.
pub const LEAST_HIGH_WATER_MESSAGES: usize = 256;

/// With this much waiting to be acknowledged, nothing more is taken to send. More than [`HIGH_WATER`] and
/// [`RECEIVE_WINDOW`] together, so that everything may be read first and answered then.
pub const SEND_LIMIT: usize = 8 << 20;

/// As [`SEND_LIMIT`], in messages.
pub const SEND_LIMIT_MESSAGES: usize = 32_768;

/// How many channels may be open at a time. One more is closed as soon as it is opened.
pub const MAX_CHANNELS: usize = 1024;

/// What the descriptions and the DTLS handshake settled.
#[derive(Clone, Debug)]
pub struct SctpConfig {
    /// `a=sctp-port` of this end.
    pub local_port: u16,
    /// `a=sctp-port` of the peer.
    pub remote_port: u16,
    /// `a=max-message-size` of this end. A channel on which a longer message comes is closed.
    pub max_message_size: u32,
    /// `a=max-message-size` of the peer; 0 is no limit (RFC 8841 §6).
    pub remote_max_message_size: u32,
    /// Whether this end is the DTLS client: it opens channels with even identifiers (RFC 8832 §6), and initiates.
    pub dtls_client: bool,
}

impl SctpConfig {
    pub(super) fn has_default_ports(&self) -> bool {
        self.local_port == DEFAULT_PORT && self.remote_port == DEFAULT_PORT
    }
}

//! How many sources and packets one peer's contexts remember.

/// Synchronization sources accepted from one peer at a time, for RTP and again for RTCP: the one longest
/// unheard makes room for another.
pub const MAX_SSRCS: usize = 256;
/// Synchronization sources accepted in the life of a key. Of those that made room the highest index is
/// kept: with less, what was recorded of them could be played again (RFC 3711 §3.3.2).
pub const MAX_SSRCS_IN_LIFE: usize = 4096;
/// The same with the library's suites, which keep all they know of every source.
pub const MAX_LIBRARY_SSRCS: usize = 1024;
/// Synchronization sources sent to one peer in its life. Under one key none may be forgotten: its
/// packets' indices would be used again (RFC 7714 §8.3).
pub const MAX_SENT_SSRCS: usize = 4096;

/// Packets this far behind the newest are refused as too old (RFC 3711 §3.3.2), in words of 64. Wide
/// enough for retransmissions of a fast video stream.
pub(super) const REPLAY_WORDS: usize = 16;
/// RTCP is rare: RFC 3711's minimum does.
pub(super) const RTCP_REPLAY_WORDS: usize = 1;

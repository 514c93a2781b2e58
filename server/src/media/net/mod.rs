//! The media plane's IO, and what it needs: sockets, datagrams on streams, batches, our addresses.
//!
//! | module | what lives there |
//! |---|---|
//! | `path` | the 4-tuple a datagram travels on |
//! | `sockets`, `tcp`, `udp` | the IO that a shard has done for it: opening, ICE-TCP, sending in batches |
//! | `steering` | which socket the kernel gives a datagram to |
//! | `tls` | what is sealed on a TCP connection of TURN's |
//! | `dtls` | an association of DTLS |
//! | `outbox`, `departures` | what a peer, and what a shard sends within one turn |
//! | `framing`, `demux` | datagrams on a stream; what a datagram's first byte says |
//! | `stun` | STUN messages as bytes |
//! | `candidates` | our addresses as candidates |
//! | `buffers` | where packets are written that leave at once |
//! | `guest`, `relays` | who else is served on the port; its sockets |
//! | `relayed` | an address of ours at somebody else's TURN server |
//! | `budget` | what the peers of a shard hold in all |

pub mod budget;
pub mod buffers;
pub mod candidates;
pub mod demux;
pub mod departures;
pub mod dtls;
pub mod framing;
pub mod guest;
pub mod outbox;
pub mod path;
pub mod relayed;
pub mod relays;
pub mod sockets;
mod steering;
pub mod stun;
pub mod tcp;
pub mod tls;
pub mod udp;

//! What a peer's media and data travel in: connectivity, the handshake, encryption.
//!
//! | module | what lives there |
//! |---|---|
//! | `ice` | the lite agent: paths, consent, restarts |
//! | `dtls` | the handshake, and what of it may reach the library |
//! | `srtp` | encryption of RTP and RTCP |

pub mod dtls;
pub mod ice;
pub mod srtp;

//! Where bytes of others come in. Each target takes any bytes at all, and checks what must hold
//! whatever they are; it panics where something does not.
//!
//! Time is virtual and randomness is seeded, so that an input that fails does so again. What DTLS
//! and SCTP draw for themselves cannot be seeded; inputs are relative to it.

pub mod datagram;
mod dtls;
mod dtls_server;
mod framing;
pub mod input;
mod rest;
mod rtp;
mod sctp;
mod sdp;
mod signalling;
mod speaker;
mod tokens;
mod traces;
mod turn;

/// A target's name, and the target.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: &[Target] = &[
    ("client_message", signalling::client_message),
    ("candidate", signalling::candidate),
    ("token", tokens::token),
    ("rest", rest::rest),
    ("sdp_offer", sdp::offer),
    ("framing", framing::framing),
    ("rtcp", rtp::rtcp),
    ("rtp", rtp::rtp),
    ("trace", traces::trace),
    ("dcep", sctp::dcep),
    ("sctp", sctp::sctp),
    ("dtls", dtls::dtls),
    ("dtls_server", dtls_server::dtls_server),
    ("turn_new", turn::new),
    ("turn_allocated", turn::allocated),
    ("turn_moved", turn::moved),
    ("turn_streams", turn::streams),
    ("datagram_new", datagram::new),
    ("datagram_checked", datagram::checked),
    ("datagram_handshake", datagram::handshake),
    ("datagram_connected", datagram::connected),
];

/// Runs a target on an input.
pub fn run(name: &str, input: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    target(input);
}

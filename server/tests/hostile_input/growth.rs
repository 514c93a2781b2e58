//! What a far end can make the server hold by never stopping.

use allocation_counter::measure;
use ferrite_server::media::net::path::Transport;

use crate::corpus::corpus;
use crate::mutation::Mutations;
use crate::targets::datagram::Call;
use crate::targets::input::Input;

/// Peers, and what each is fed while it lives.
const PEERS: usize = 10;
const INPUTS: usize = 100;

/// What a peer may come to hold, and the far end with it: histories, streams, and what SRTP and SCTP
/// remember of each SSRC and channel.
const MAX_HELD: i64 = 1 << 20;

#[test]
fn a_peer_that_is_fed_without_end_holds_little_and_leaves_nothing() {
    let inputs = corpus("datagram_connected");
    let mut inputs = Mutations::new(&inputs, 2);
    // What is made once is made before anything is measured.
    // On TCP the input says how well it is read.
    let both = [Transport::Udp, Transport::Tcp];
    for transport in both {
        feed(transport, &mut inputs);
    }
    for transport in both.into_iter().cycle().take(PEERS) {
        let life = measure(|| feed(transport, &mut inputs));
        assert!(life.bytes_current <= 0, "{} left", life.bytes_current);
    }
}

/// Feeds one peer until it is over.
fn feed(transport: Transport, inputs: &mut Mutations<'_>) {
    let mut call = Call::connected(transport);
    let mut held = 0;
    for input in inputs.take(INPUTS) {
        let fed = measure(|| {
            call.feed(Input(&input));
            call.forget();
        });
        held += fed.bytes_current;
        assert!(held <= MAX_HELD, "{held} bytes held");
        if call.is_over() {
            return;
        }
    }
}

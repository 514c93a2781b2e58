//! Sends a peer its messages back, on their channels. Its tracks come back by its plan.
//! A message longer than the peer itself takes (`a=max-message-size`, RFC 8841 §6.1) is left out.

use std::time::Instant;

use crate::media::{Behaviour, Peer, PeerOutput};

/// The echo.
#[derive(Debug, Default)]
pub struct Echo;

impl Behaviour for Echo {
    fn handle(&mut self, now: Instant, peer: &mut Peer, output: PeerOutput) {
        match output {
            PeerOutput::Data {
                channel,
                kind,
                data,
            } => {
                // SCTP stops reading before it is full. What is refused is too long for the other
                // end, or its channel was just closed.
                if let Err(error) = peer.send_data(now, channel, kind, data) {
                    tracing::debug!(%error, "a message was not returned");
                }
            }
            PeerOutput::Media(_)
            | PeerOutput::Wanted { .. }
            | PeerOutput::Began { .. }
            | PeerOutput::KeyframeWanted { .. }
            | PeerOutput::ChannelOpened { .. }
            | PeerOutput::ChannelClosed { .. }
            | PeerOutput::State(_) => {}
        }
    }
}

//! What a session hears of its peer.

use ferrite_protocol::message::PeerConnectionState;

use crate::media::transport::dtls::DtlsState;
use crate::media::transport::ice::IceState;

/// What a peer tells its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// The connection changed.
    State {
        /// ICE.
        ice: IceState,
        /// DTLS.
        dtls: DtlsState,
        /// Both together.
        connection: PeerConnectionState,
        /// Why, when it is not good news; while connected, why the data channels are over.
        reason: Option<String>,
    },
}

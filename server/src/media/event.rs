//! What a session hears of its peer.

use bytes::Bytes;
use ferrite_protocol::diagnosis::{DtlsEvidence, IceEvidence};
use ferrite_protocol::message::PeerConnectionState;

use crate::media::forward::track::Watched;
use crate::media::ingest::voice::Voice;
use crate::media::peer::quality::Quality;
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
    /// What tells why the peer is not connected, where its session asked, and where DTLS failed.
    Evidence(Box<(IceEvidence, DtlsEvidence)>),
    /// The channel for reliable messages of a room is another than before.
    Channel(Reliable),
    /// There is no room on the path for what is shown on these sections: all of them, by index.
    Paused(Vec<usize>),
    /// What is watched of what comes on these sections, by index: all that come in layers.
    Watched(Vec<(usize, Watched)>),
    /// How well its pictures do.
    Quality(Box<Quality>),
    /// Somebody is heard on a section: they began to speak or stopped, or still speak.
    Voice {
        /// Its index.
        section: usize,
        /// What is heard.
        voice: Voice,
    },
    /// Messages came on it. No more come until the session has said that it heard these.
    Messages(Vec<Bytes>),
    /// The server's own candidates are others than before.
    Candidates,
    /// What the session sent last is on its way, and the next may come.
    Sent,
}

/// The channel for reliable messages of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reliable {
    /// There is none.
    Closed,
    /// What is on its way when it closes is lost.
    Open,
    /// What is on its way when it closes comes on the next.
    Replayed,
}

/// The way to a peer's session. What it has no room for comes back.
pub trait Tell: FnMut(PeerEvent) -> Result<(), PeerEvent> {}

impl<F: FnMut(PeerEvent) -> Result<(), PeerEvent>> Tell for F {}

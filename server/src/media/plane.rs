//! The media plane as the control plane sees it: start it, make peers, hear of their states.

use std::io;
use std::net::IpAddr;

use ferrite_protocol::message::PeerConnectionState;
use ferrite_protocol::{IceCandidate, SessionId};
use thiserror::Error;
use tokio::sync::mpsc;

/// What the media plane has to know before it starts.
#[derive(Clone, Debug, Default)]
pub struct MediaConfig {
    /// The UDP port. 0 takes any that is free.
    pub port: u16,
    /// Addresses that a 1:1 NAT maps to this machine.
    pub external_ips: Vec<IpAddr>,
    /// Worker threads. 0 means one per core.
    pub shards: usize,
}

/// Why the media plane did not start.
#[derive(Debug, Error)]
pub enum MediaError {
    /// Another process has the port.
    #[error("UDP port {port} is in use")]
    PortInUse {
        /// The port asked for.
        port: u16,
    },
    /// The sockets could not be opened.
    #[error("UDP port {port} cannot be opened: {source}")]
    Bind {
        /// The port asked for.
        port: u16,
        /// What the system says.
        source: io::Error,
    },
}

/// An offer that cannot be answered, in words for its sender.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct SdpError(String);

/// A candidate that cannot be used, in words for its sender.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct CandidateError(String);

/// `RTCIceConnectionState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceConnectionState {
    /// Nothing was heard.
    New,
}

/// `RTCDtlsTransportState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsTransportState {
    /// Nothing was heard.
    New,
}

/// What a peer tells its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerEvent {
    /// The connection changed.
    State {
        /// ICE.
        ice: IceConnectionState,
        /// DTLS.
        dtls: DtlsTransportState,
        /// Both together.
        connection: PeerConnectionState,
        /// Why, when it is not good news.
        reason: Option<String>,
    },
}

/// What the media plane has to know of a peer before its first offer.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// The session the peer belongs to, for the log.
    pub session: SessionId,
    /// The page came from this machine: loopback addresses are candidates too.
    pub loopback: bool,
}

/// The media plane.
#[derive(Clone, Debug)]
pub struct MediaPlane {
    port: u16,
}

impl MediaPlane {
    /// Opens the sockets and starts the workers.
    pub fn start(config: MediaConfig) -> Result<Self, MediaError> {
        Ok(Self { port: config.port })
    }

    /// The UDP port in use.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a peer, which waits for its first offer.
    pub fn create_peer(&self, _options: PeerOptions) -> (PeerHandle, mpsc::Receiver<PeerEvent>) {
        let (events, receiver) = mpsc::channel(1);
        (PeerHandle { _events: events }, receiver)
    }

    /// Closes every peer and joins the workers.
    pub async fn shutdown(&self) {}
}

/// One peer connection. Dropping it closes it.
#[derive(Debug)]
pub struct PeerHandle {
    _events: mpsc::Sender<PeerEvent>,
}

impl PeerHandle {
    /// Offer in, answer out.
    pub fn offer(&self, _sdp: &str) -> Result<String, SdpError> {
        Err(SdpError("the media plane is not there yet".to_owned()))
    }

    /// The server's candidates, to be sent after the first answer.
    pub fn candidates(&self) -> &[IceCandidate] {
        &[]
    }

    /// Takes a candidate of the client's. `None` is the end of candidates.
    pub fn add_candidate(&self, _candidate: Option<&IceCandidate>) -> Result<(), CandidateError> {
        Ok(())
    }

    /// Closes the peer.
    pub fn close(&self) {}
}

//! A session's peer connection, from the side of signalling.

use std::collections::HashMap;
use std::future::pending;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use ferrite_protocol::diagnosis::{DtlsEvidence, IceEvidence, ServerEvidence};
use ferrite_protocol::{PeerConnectionState, RequestId, ServerMessage, SessionId};
use tokio::sync::{mpsc, watch};
use tracing::info;

use super::vigil;
use crate::behaviour::Echo;
use crate::congestion::Sink;
use crate::media::net::relayed::allocation::Granted;
use crate::media::{
    Agreed, DtlsTransportState, IceConnectionState, MediaPlane, PeerEvent, PeerHandle, PeerOptions,
    Plan, SdpError,
};

/// The peer connection and what its client knows of it.
#[derive(Debug)]
pub(super) struct Peer {
    handle: PeerHandle,
    events: mpsc::Receiver<PeerEvent>,
    /// The server's relayed address.
    relayed: watch::Receiver<Option<Granted>>,
    /// An offer was answered, and the candidates were sent after it.
    answered: bool,
    state: Option<State>,
    was_connected: bool,
    is_silent: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    connection: PeerConnectionState,
    reason: Option<String>,
}

impl Peer {
    /// One whose trace goes there, where somebody wants one.
    pub(super) fn new(
        media: &MediaPlane,
        session: SessionId,
        loopback: bool,
        trace: Option<Box<dyn Sink>>,
    ) -> Self {
        let (handle, events) = media.create_peer(PeerOptions {
            session,
            loopback,
            behaviour: Box::new(Echo),
            trace,
        });
        Self {
            handle,
            events,
            relayed: media.granted(),
            answered: false,
            state: None,
            was_connected: false,
            is_silent: false,
        }
    }

    /// Whether an offer is of another peer connection of the client's.
    pub(super) fn is_replaced_by(&self, sdp: &str) -> bool {
        self.handle.is_replaced_by(sdp)
    }

    /// Answers an offer. The first answer is followed by the candidates: a browser takes none
    /// before it has a remote description. Every answer has them inside, too, so those that a
    /// broken WebSocket swallows are not missed. Where one of them may change they have no end. `streams` names the MediaStreams of what is sent, by mid,
    /// and `plan` says what the sections are for that were agreed on. Returns whether the media plane took
    /// that plan, too.
    pub(super) fn offer(
        &mut self,
        id: Option<RequestId>,
        sdp: &str,
        streams: &HashMap<String, String>,
        plan: impl FnOnce(&Arc<Agreed>) -> Arc<Plan>,
    ) -> Result<(Vec<ServerMessage>, bool), SdpError> {
        let answered = self.handle.offer(sdp, streams, plan)?;
        let sdp = answered.sdp;
        let mut messages = vec![ServerMessage::Answer { id, sdp }];
        if !self.answered {
            self.answered = true;
            let candidates = self.handle.candidates().into_iter();
            messages.extend(candidates.map(|candidate| ServerMessage::Candidate { candidate }));
            if !self.handle.trickles() {
                messages.push(ServerMessage::EndOfCandidates {});
            }
        }
        Ok((messages, answered.has_plan))
    }

    /// Has the media plane follow another plan. Returns whether it took it.
    pub(super) fn follow(&self, plan: Arc<Plan>) -> bool {
        self.handle.set_plan(plan).is_ok()
    }

    /// Has the peer tell why it is not connected. Returns whether the media plane took it.
    pub(super) fn testify(&self) -> bool {
        self.handle.testify().is_ok()
    }

    /// What the peer saw on its way to a client that is called from here.
    pub(super) fn evidence(
        &self,
        seen: (IceEvidence, DtlsEvidence),
        client: IpAddr,
    ) -> ServerEvidence {
        vigil::evidence(seen, &self.handle.candidates(), client)
    }

    /// Whether media can flow.
    pub(super) fn is_connected(&self) -> bool {
        self.state
            .as_ref()
            .is_some_and(|state| state.connection == PeerConnectionState::Connected)
    }

    /// Whether nothing is heard any more of a client that was heard once, or was not when the peer was given up. Who
    /// never found a way here is no less there than before the call.
    pub(super) fn is_silent(&self) -> bool {
        self.is_silent
    }

    /// Whether an offer was ever answered.
    pub(super) fn is_answered(&self) -> bool {
        self.answered
    }

    /// Waits for the media plane to say something. `None` means that the peer is gone.
    pub(super) async fn event(peer: &mut Option<Self>) -> Option<PeerEvent> {
        match peer {
            Some(peer) => tokio::select! {
                event = peer.events.recv() => event,
                Ok(()) = peer.relayed.changed() => Some(PeerEvent::Candidates),
            },
            None => pending().await,
        }
    }

    /// The relayed candidate, which may be another than before.
    pub(super) fn relayed_candidate(&self) -> Option<ServerMessage> {
        let candidate = self.handle.relayed_candidate()?;
        Some(ServerMessage::Candidate { candidate })
    }

    /// The client, whose WebSocket comes from there, says that it is at these addresses.
    pub(super) fn permit(&self, client: IpAddr, named: impl Iterator<Item = IpAddr>) {
        self.handle.permit(client, named);
    }

    /// Has the peer sent messages of its room. What there is no room for comes back.
    pub(super) fn send(&self, messages: Vec<Bytes>) -> Result<(), Vec<Bytes>> {
        self.handle.send(messages)
    }

    /// Lets the peer go on with messages to its room. Returns whether the media plane took it.
    pub(super) fn heard(&self) -> bool {
        self.handle.heard().is_ok()
    }

    /// Logs a state. Says what the client has to be told, if it is news to it.
    pub(super) fn note(
        &mut self,
        ice: IceConnectionState,
        dtls: DtlsTransportState,
        connection: PeerConnectionState,
        reason: Option<String>,
    ) -> Option<ServerMessage> {
        info!(
            ice = ?ice,
            dtls = ?dtls,
            connection = ?connection,
            reason = reason.as_deref(),
            "peer connection state"
        );
        let state = Some(State { connection, reason });
        if self.state == state {
            return None;
        }
        self.state = state;
        self.was_connected |= self.is_connected();
        match connection {
            PeerConnectionState::Disconnected | PeerConnectionState::Failed => {
                self.is_silent = self.was_connected;
            }
            PeerConnectionState::New
            | PeerConnectionState::Connecting
            | PeerConnectionState::Connected => self.is_silent = false,
            PeerConnectionState::Closed => {}
        }
        self.state()
    }

    /// The state as the client is told it.
    pub(super) fn state(&self) -> Option<ServerMessage> {
        self.state.clone().map(|state| ServerMessage::PeerState {
            state: state.connection,
            reason: state.reason,
        })
    }

    /// Nothing can come of this peer connection any more.
    pub(super) fn is_closed(&self) -> bool {
        self.state
            .as_ref()
            .is_some_and(|state| state.connection == PeerConnectionState::Closed)
    }
}

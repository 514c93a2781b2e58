//! What is done about a media path that is broken, silent or gone at the server's end.

use ferrite_protocol::message::PeerConnectionState as PeerState;
use ferrite_protocol::{ClientEvidence, ClientMessage};

use super::Call;
use super::effect::Effect;
use super::flow::{Flow, Traffic};
use super::link::{Clock, Link};
use super::negotiation::Negotiation;
use super::path::Repair;
use super::status::Problem;

impl Call {
    /// The media path is broken, and so may be the link.
    pub(super) fn broken(&mut self, clock: Clock, out: &mut Vec<Effect>) {
        self.with_link(Link::doubt, clock, out);
        if !self.link.is_ready() {
            return self.path.owe();
        }
        let repair = self.path.repair(out);
        self.repair(Some(repair), out);
    }

    /// How much went each way. Where the server falls silent, either the path broke or the server
    /// did. Only if it still answers on the link, or on a new one, there is a path to repair: the
    /// clients of a server that stood still for a moment must not all call it at once.
    pub(super) fn traffic(&mut self, traffic: Traffic, clock: Clock, out: &mut Vec<Effect>) {
        if self.peer.is_none() || !self.path.is_connected() {
            self.flow = Flow::new();
            return;
        }
        let was_silent = self.flow.is_silent();
        self.flow.note(traffic, clock.now);
        self.strain.note(traffic.frames, clock.now);
        self.room.press(self.strain.pressure());
        match (was_silent, self.flow.is_silent()) {
            (false, false) => {}
            (true, false) => self.path.flows(out),
            (false, true) => {
                self.path.miss();
                self.with_link(Link::doubt, clock, out);
            }
            (true, true) if self.path.is_due() && self.link.is_answering() => {
                let repair = self.path.repair(out);
                self.repair(Some(repair), out);
            }
            (true, true) => {}
        }
    }

    /// A path that worked and does not work now gets new credentials at once.
    pub(super) fn mend(&mut self, out: &mut Vec<Effect>) {
        let broken = self.path.was_connected() && !self.path.is_connected();
        if broken && self.peer.is_some() {
            let repair = self.path.repair(out);
            self.repair(Some(repair), out);
        }
    }

    /// The server puts what it saw beside this. Without the link it cannot, and the page says that it is away.
    pub(super) fn ask_why(&mut self, mut seen: ClientEvidence, out: &mut Vec<Effect>) {
        let asks = self.peer.as_ref().is_some_and(Negotiation::is_answered);
        if asks && self.link.is_ready() && !self.path.is_connected() {
            seen.worked_before = self.path.was_connected();
            let id = Some(self.ids.next());
            out.push(Effect::Send(ClientMessage::Explain { id, seen }));
        }
    }

    /// The server's end is gone: new credentials alone do not bring it back.
    pub(super) fn lost(&mut self, out: &mut Vec<Effect>) {
        let repair = match self.path.repair(out) {
            Repair::Restart | Repair::Rebuild => Repair::Rebuild,
            Repair::GiveUp => Repair::GiveUp,
        };
        self.repair(Some(repair), out);
    }

    pub(super) fn no_answer(&mut self, clock: Clock, out: &mut Vec<Effect>) {
        let hopes = self.peer.as_mut().is_some_and(|peer| peer.hopes(out));
        if !hopes {
            return self.fail(Problem::NoAnswer, out);
        }
        self.with_link(Link::doubt, clock, out);
    }

    pub(super) fn repair(&mut self, repair: Option<Repair>, out: &mut Vec<Effect>) {
        if self.peer.is_none() {
            return;
        }
        match repair {
            None => {}
            Some(Repair::Restart) => self.restart_ice(out),
            Some(Repair::Rebuild) => self.drop_peer(out),
            Some(Repair::GiveUp) => {
                self.fail(Problem::NoPath(self.path.reason()), out);
            }
        }
    }

    pub(super) fn server_sees(
        &mut self,
        state: PeerState,
        reason: Option<String>,
        out: &mut Vec<Effect>,
    ) {
        self.path.note(reason);
        // Before the first answer this is still about the peer connection that was given up.
        let ours = self.peer.as_ref().is_some_and(Negotiation::is_answered);
        let lost = match state {
            PeerState::Failed | PeerState::Closed => true,
            PeerState::New
            | PeerState::Connecting
            | PeerState::Connected
            | PeerState::Disconnected => false,
        };
        if ours && lost {
            self.lost(out);
        }
    }

    /// The peer connection learns of other servers no sooner: Chromium makes the next offer after that an ICE restart,
    /// whatever it is for.
    pub(super) fn restart_ice(&mut self, out: &mut Vec<Effect>) {
        if self.peer.is_none() {
            return;
        }
        if std::mem::take(&mut self.other_servers) {
            out.push(Effect::GatherWith(self.ice_servers.clone()));
        }
        out.push(Effect::RestartIce);
    }
}

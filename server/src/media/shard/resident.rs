//! A peer as a shard houses it: with the behaviour opposite it, and what its session was told.

use std::time::Instant;

use bytes::Bytes;
use ferrite_protocol::SessionId;
use ferrite_protocol::message::PeerConnectionState;

use crate::media::Behaviour;
use crate::media::ceilings::{Ceilings, Layer, Meter, Publishing};
use crate::media::event::{PeerEvent, Tell};
use crate::media::forward::router::Router;
use crate::media::forward::track::{Layers, Place, Watched};
use crate::media::id::{PeerId, TrackId};
use crate::media::ingest::voice::Listener;
use crate::media::peer::quality::QualityWatch;
use crate::media::peer::{Peer, PeerOutput, PeerState};
use crate::media::plan::{Agreement, Plan, Revision};
use crate::media::rtp::packet::MediaPacket;
use crate::media::shard::gatherings::{Gatherings, Lossy};
use crate::media::shard::moves::Moves;
use crate::media::shard::routes::Routes;
use crate::media::shard::talking::Talking;
use crate::media::shard::watched::WatchedSections;
use crate::media::transport::dtls::DtlsState;
use crate::media::transport::ice::IceState;

/// A peer and what belongs to it.
pub struct Resident {
    /// Its name.
    pub id: PeerId,
    /// Its session's name, for the log.
    pub session: SessionId,
    /// The peer.
    pub peer: Peer,
    /// How often it went from shard to shard.
    pub moves: Moves,
    /// How much it may send and be sent while it is in a room.
    pub ceilings: Ceilings,
    /// It publishes pictures in a room.
    publishing: Option<Publishing>,
    /// What is taken of what it sends.
    meter: Meter,
    /// How much that may be.
    max_upload: Option<u64>,
    behaviour: Box<dyn Behaviour>,
    /// The number of the agreement that it keeps to.
    agreed: u64,
    plan: Revision,
    routes: Routes,
    talking: Talking,
    /// Who is heard on each section that sound comes on.
    listeners: Vec<Option<Listener>>,
    /// The newest event that did not fit. States replace one another, so one is enough.
    unsent: Option<PeerEvent>,
    /// What the session was last told, but for DTLS.
    reported: Option<(IceState, PeerConnectionState, Option<String>)>,
    /// The sections that it was told are paused, by their numbers.
    told_paused: Vec<usize>,
    /// What is watched of what it sends.
    watched: WatchedSections,
    /// How well its pictures do.
    quality: QualityWatch,
}

impl Resident {
    /// Houses a peer.
    pub fn new(id: PeerId, session: SessionId, peer: Peer, behaviour: Box<dyn Behaviour>) -> Self {
        Self {
            id,
            session,
            peer,
            moves: Moves::default(),
            ceilings: Ceilings::default(),
            publishing: None,
            meter: Meter::default(),
            max_upload: None,
            behaviour,
            agreed: 0,
            plan: Revision::default(),
            routes: Routes::default(),
            talking: Talking::default(),
            listeners: Vec::new(),
            unsent: None,
            reported: None,
            told_paused: Vec::new(),
            watched: WatchedSections::default(),
            quality: QualityWatch::default(),
        }
    }

    /// Passes on everything the peer gave out: media to the router, messages and states to the
    /// behaviour, which may make it give out more, and states to the session, which `tell` reaches.
    pub fn drive<P: Copy + Eq>(
        &mut self,
        now: Instant,
        router: &mut Router<P>,
        key: P,
        tell: &mut impl Tell,
    ) {
        loop {
            while let Some(output) = self.peer.poll_output() {
                self.pass_on(now, output, router, key, tell);
            }
            // What is read then may be more to pass on.
            let is_in_a_room = matches!(*self.plan.plan, Plan::Room { .. });
            if !self
                .talking
                .proceed(now, &mut self.peer, is_in_a_room, tell)
            {
                break;
            }
        }
        let routes = &self.routes;
        (self.peer).fit(now, |section| router.rates(routes.shown(section)?));
        self.tell_paused(tell);
    }

    /// What nothing is sent of for want of room, where that is news.
    fn tell_paused(&mut self, tell: &mut impl Tell) {
        if !self.peer.paused().eq(self.told_paused.iter().copied()) {
            let sections: Vec<_> = self.peer.paused().collect();
            if tell(PeerEvent::Paused(sections.clone())).is_ok() {
                self.told_paused = sections;
            }
        }
    }

    /// Something else is watched of what comes on a section.
    pub fn note_watched(&mut self, section: usize, watched: Watched, tell: &mut impl Tell) {
        self.watched.note(section, watched);
        self.tell_watched(tell);
    }

    fn tell_watched(&mut self, tell: &mut impl Tell) {
        if let Plan::Room { .. } = *self.plan.plan
            && let Some(agreed) = self.peer.agreed()
        {
            self.watched.tell(agreed, tell);
        }
    }

    /// Passes on one thing that the peer gave out. `key` is its name in the router.
    pub fn pass_on<P: Copy + Eq>(
        &mut self,
        now: Instant,
        output: PeerOutput,
        router: &mut Router<P>,
        key: P,
        tell: &mut impl Tell,
    ) {
        match output {
            PeerOutput::Media(mut media) => {
                let section = media.section;
                if !self.takes(now, &media) {
                    return;
                }
                if media.audio_level().is_some() {
                    media.is_voice = self.listen(now, &media, tell);
                }
                self.behaviour.tap(now, &media);
                if let Some(track) = self.routes.published(section) {
                    router.push(track, Place { peer: key, section }, media);
                }
            }
            PeerOutput::Wanted { section, packets } => {
                for wanted in packets {
                    let media = router.cached(wanted.track, wanted.ssrc, wanted.original);
                    if let Some(media) = media {
                        self.peer.send_again(now, section, &wanted, media);
                    }
                }
            }
            PeerOutput::Began { section, with } => {
                let overtook = router.cached_after(with.track, with.ssrc, with.sequence);
                self.peer.send_overtaken(now, section, overtook);
            }
            PeerOutput::KeyframeWanted { section } => {
                if let Some(track) = self.routes.shown(section) {
                    router.wish(track, Layers::MAX);
                }
            }
            PeerOutput::State(state) => {
                self.log(&state);
                self.report(now, &state, tell);
                let output = PeerOutput::State(state);
                self.behaviour.handle(now, &mut self.peer, output);
            }
            PeerOutput::ChannelOpened { channel, label } => self.talking.opened(channel, &label),
            PeerOutput::ChannelClosed { channel } => self.talking.closed(channel),
            PeerOutput::Data { channel, data, .. }
                if let Plan::Room { talk, .. } = &*self.plan.plan =>
            {
                self.talking.take(now, channel, data, talk.as_deref());
            }
            PeerOutput::Data { .. } => self.behaviour.handle(now, &mut self.peer, output),
        }
    }

    /// Listens whether a packet is a part of a voice, and says so to its room.
    fn listen(&mut self, now: Instant, media: &MediaPacket, tell: &mut impl Tell) -> bool {
        let section = media.section;
        if self.listeners.len() <= section {
            self.listeners.resize_with(section + 1, || None);
        }
        let listener = self.listeners.get_mut(section);
        let listener = listener.map(|it| it.get_or_insert_with(|| Listener::new(media)));
        let is_voice = listener.and_then(|it| it.hear(media));
        self.tell_voice(now, section, tell);
        is_voice.unwrap_or(false)
    }

    /// Tells a room whether somebody speaks, where that is news. What finds no room is told with the next packet.
    fn tell_voice(&mut self, now: Instant, section: usize, tell: &mut impl Tell) {
        let listener = self.listeners.get_mut(section).and_then(Option::as_mut);
        if let Plan::Room { .. } = *self.plan.plan
            && let Some(listener) = listener
            && let Some(voice) = listener.news(now)
            && tell(PeerEvent::Voice { section, voice }).is_ok()
        {
            listener.told(now, voice);
        }
    }

    /// Takes what was agreed, unless a newer agreement came before.
    pub fn agree(&mut self, now: Instant, agreement: Agreement) {
        if agreement.number <= self.agreed {
            return;
        }
        self.agreed = agreement.number;
        let restarts = agreement.local.ufrag != self.peer.local_ufrag();
        let restart = restarts.then_some(agreement.local);
        self.peer.agree(now, agreement.agreed, restart);
        // Its session begins anew, too.
        self.told_paused.clear();
    }

    /// Takes a plan, unless a newer one came before. It is followed with what is routed next.
    pub fn set_plan(&mut self, plan: Revision) {
        if plan.number < self.plan.number {
            return;
        }
        // In another room its session knows nothing of what it was told before, and said nothing.
        if plan.plan.place() != self.plan.plan.place() {
            self.quality = QualityWatch::default();
            self.peer.forget_pressure();
        }
        if let Plan::Room { pressure, .. } = &*plan.plan {
            self.peer.press(*pressure);
        }
        self.plan = plan;
    }

    /// Routes what the peer agreed on to send and to be sent. `key` is its name in the router.
    pub fn route<P: Copy + Eq>(&mut self, router: &mut Router<P>, key: P) {
        let name = (key, self.id);
        self.routes
            .follow(router, name, &mut self.peer, &self.plan.plan);
    }

    /// Takes the place in its room that its plan says. `key` is its name there.
    pub fn gather<P: Copy + Eq>(&mut self, gatherings: &mut Gatherings<P>, key: P) {
        let talk = match &*self.plan.plan {
            Plan::Room { talk, .. } => talk.clone(),
            Plan::Echo => None,
        };
        self.talking.sit(talk, gatherings, key);
        self.keep_ceilings();
    }

    /// Lets its peer send and be sent as much as it may where it is now, and counts it with those who publish pictures.
    fn keep_ceilings(&mut self) {
        let Plan::Room {
            publishes,
            talk: Some(talk),
            ..
        } = &*self.plan.plan
        else {
            (self.publishing, self.max_upload) = (None, None);
            return self.peer.limit(None, None);
        };
        let mut sections = publishes.iter().map(|(section, _)| *section);
        let has_pictures = sections.any(|section| self.peer.layers_received(section).is_some());
        let gathering = &talk.gathering;
        let before = self.publishing.take();
        let before = before.filter(|it| has_pictures && it.gathering() == gathering);
        self.publishing = before.or_else(|| has_pictures.then(|| Publishing::of(gathering)));
        self.max_upload = self.ceilings.upload(gathering.publishers());
        self.peer.limit(self.max_upload, self.ceilings.download);
    }

    /// Whether a packet is of what it may send. It was told how much that is.
    fn takes(&mut self, now: Instant, media: &MediaPacket) -> bool {
        let Some(max) = self.max_upload else {
            return true;
        };
        let layer = (media.format.kind.is_picture()).then(|| Layer {
            section: media.section,
            layer: media.layer,
            of: self.peer.layers_received(media.section).unwrap_or(1),
        });
        self.meter.admits(now, max, layer, media.packet.len())
    }

    /// Gives it up. It may be taken again on another shard.
    pub fn disperse<P: Copy + Eq>(&mut self, gatherings: &mut Gatherings<P>, key: P) {
        self.talking.sit(None, gatherings, key);
    }

    /// The lossy messages that it sent.
    pub fn said(&mut self) -> impl Iterator<Item = Lossy> {
        self.talking.said()
    }

    /// Another member of its room sent it a lossy message.
    pub fn hear(&mut self, message: Bytes) {
        self.talking.hear(message);
    }

    /// Its session sends it messages.
    pub fn send(&mut self, messages: Vec<Bytes>) {
        self.talking.send(messages);
    }

    /// Its session heard what it was told.
    pub fn heard(&mut self) {
        self.talking.heard();
    }

    /// The tracks that it is shown.
    pub fn shown(&self) -> impl Iterator<Item = TrackId> {
        self.routes.all_shown()
    }

    /// Routes nothing any more.
    pub fn unroute<P: Copy + Eq>(&mut self, router: &mut Router<P>, key: P) {
        self.routes.clear(router, key);
    }

    /// Once a second: what the session could not be told or could not tell.
    pub fn sweep(&mut self, now: Instant, listens: bool, tell: &mut impl Tell) {
        // The session is gone, and its command to close may have met a full mailbox.
        if !listens {
            self.peer.close(now);
        }
        if let Some(event) = self.unsent.take() {
            self.unsent = tell(event).err();
        }
        self.tell_watched(tell);
        // Others began or ceased to publish.
        self.keep_ceilings();
        // Whoever is cut off in the middle of a word sends nothing that says so.
        for section in 0..self.listeners.len() {
            if let Some(Some(listener)) = self.listeners.get_mut(section) {
                listener.let_pass(now);
            }
            self.tell_voice(now, section, tell);
        }
    }

    /// Tells the session what tells why the peer is not connected. Where there is no room for it, whoever asked
    /// asks again.
    pub fn testify(&self, now: Instant, tell: &mut impl Tell) {
        let _ = tell(PeerEvent::Evidence(Box::new(self.peer.evidence(now))));
    }

    /// Once a second: tells how well its pictures do, where that is otherwise than was told.
    pub fn look<P: Copy + Eq>(&mut self, now: Instant, router: &Router<P>, tell: &mut impl Tell) {
        let Plan::Room { publishes, .. } = &*self.plan.plan else {
            return;
        };
        let (routes, peer) = (&self.routes, &self.peer);
        let sent = (0..peer.sections_shown()).filter_map(|section| {
            let rates = routes.shown(section).and_then(|key| router.rates(key));
            Some((section, peer.sent(now, section, rates)?))
        });
        let sent: Vec<_> = sent.collect();
        let arrives = publishes.iter().filter_map(|(section, _)| {
            let layers = peer.layers_received(*section)?;
            let rates = router.rates(routes.published(*section)?)?;
            Some((*section, rates.of(layers)))
        });
        let estimate = peer.estimate().map(|it| it.bits_per_second);
        let estimate = estimate.map(|bits| u32::try_from(bits).unwrap_or(u32::MAX));
        if let Some(quality) = self.quality.look(estimate, &sent, arrives.collect()) {
            let waits = peer.waits();
            tracing::debug!(session = %self.session, ?quality, ?sent, ?waits, "quality");
            if tell(PeerEvent::Quality(Box::new(quality.clone()))).is_ok() {
                self.quality.told(quality);
            }
        }
    }

    fn log(&self, state: &PeerState) {
        tracing::debug!(
            session = %self.session,
            ice = ?state.ice,
            dtls = ?state.dtls,
            connection = ?connection_state(state),
            reason = state.reason,
            "peer state"
        );
    }

    fn report(&mut self, now: Instant, state: &PeerState, tell: &mut impl Tell) {
        let connection = connection_state(state);
        let reason = state.reason.clone();
        let report = Some((state.ice, connection, reason.clone()));
        // A handshake that begins is no news to anybody outside, and would wake the session.
        if self.reported == report {
            return;
        }
        self.reported = report;
        // It is the last that it can tell.
        if state.dtls == DtlsState::Failed {
            self.testify(now, tell);
        }
        let event = PeerEvent::State {
            ice: state.ice,
            dtls: state.dtls,
            connection,
            reason,
        };
        self.unsent = tell(event).err();
    }
}

/// `RTCPeerConnection.connectionState` from the transports' states (W3C WebRTC §4.3.3).
fn connection_state(state: &PeerState) -> PeerConnectionState {
    match (state.ice, state.dtls) {
        (_, DtlsState::Closed) => PeerConnectionState::Closed,
        (IceState::Failed, _) | (_, DtlsState::Failed) => PeerConnectionState::Failed,
        (IceState::Disconnected, _) => PeerConnectionState::Disconnected,
        (IceState::Connected, DtlsState::Connected) => PeerConnectionState::Connected,
        (IceState::New, DtlsState::New) => PeerConnectionState::New,
        (IceState::New | IceState::Checking | IceState::Connected, _) => {
            PeerConnectionState::Connecting
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::OnceLock;
    use std::time::SystemTime;

    use super::*;
    use crate::media::peer::PeerConfig;
    use crate::media::rtp::clock::Clock;
    use crate::media::transport::dtls::Identity;
    use crate::media::transport::ice::Credentials;

    fn identity() -> Identity {
        static IDENTITY: OnceLock<Identity> = OnceLock::new();
        IDENTITY
            .get_or_init(|| Identity::generate().unwrap())
            .clone()
    }

    /// A peer that has not called yet.
    pub(in crate::media) fn resident(
        now: Instant,
        id: PeerId,
        ufrag: &str,
        behaviour: Box<dyn Behaviour>,
    ) -> Box<Resident> {
        let config = PeerConfig {
            identity: identity(),
            local: Credentials {
                ufrag: ufrag.to_owned(),
                pwd: "ourpasswordourpassword".to_owned(),
            },
            clock: Clock::new(now, SystemTime::now()),
            seed: 1,
            cname: "test".to_owned(),
            max_message_size: 65_536,
        };
        let session = SessionId("a-session".to_owned());
        let peer = Peer::new(now, config);
        Box::new(Resident::new(id, session, peer, behaviour))
    }
}

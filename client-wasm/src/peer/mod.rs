//! The browser's peer connection: performs what it is told and posts what happens. Owns the
//! `RTCPeerConnection`, its transceivers and its data channel; decides nothing.

mod channel;
mod layers;
mod report;
mod sections;
mod sender;
mod switching;

use ferrite_protocol::diagnosis::MAX_GATHERING_ERRORS;
use ferrite_protocol::message::PeerConnectionState as PeerState;
use ferrite_protocol::{
    ClientEvidence, Count, IceCandidate, IceServer, SdpType, SessionDescription, Tracks,
};
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    Event, MediaStream, MediaStreamTrack, RtcBundlePolicy, RtcConfiguration, RtcIceCandidate,
    RtcPeerConnection, RtcPeerConnectionIceEvent, RtcPeerConnectionState, RtcRtpSender,
    RtcTrackEvent, console,
};

use channel::{Channel, Lossy};
pub(crate) use channel::{ChannelEvent, Outgoing, Payload, SendError};
use sections::Sections;
pub(crate) use sections::{Outlet, Switched};
use sender::{codec_names, prefer, quietly, replace};

use crate::call::{Offer, SlotCounts, Traffic, Wanted};
use crate::codec::{self, VideoCodec};
use crate::dom::{self, Listener, Post, Task};
use crate::gaps::{self, Connection};
use crate::sorted::Map;
use crate::stats::Report;

/// What became of the peer connection.
#[derive(Debug)]
pub(crate) enum PeerEvent {
    /// An offer is needed.
    NegotiationNeeded,
    /// The offer, set as local description.
    OfferMade(Result<Offer, String>),
    /// The answer was set as remote description, or not.
    AnswerApplied(Result<(), String>),
    /// A candidate was gathered, or all (`None`).
    Candidate(Option<IceCandidate>),
    /// A candidate could not be had of a server (RFC 8489 §14.8, W3C WebRTC §4.8.2).
    NotGathered(u16),
    /// `connectionState` changed.
    State(PeerState),
    /// The server closed DTLS (RFC 8446 §6.1): nothing comes over this connection any more, whatever
    /// ICE still says.
    Closed,
    /// A track comes from the server.
    Track(RtcTrackEvent),
    /// The layers of a publication were switched, or could not be.
    Switched(Switched),
    /// Something about the data channel.
    Channel(ChannelEvent),
    /// How much went each way so far.
    Traffic(Traffic),
    /// What is known of a connection that is not there.
    Saw(Box<ClientEvidence>),
    /// A `getStats` report, as JSON.
    Stats(Result<Report, String>),
}

/// What a new peer connection starts with.
pub(crate) struct PeerOptions<'a> {
    pub(crate) ice_servers: &'a [IceServer],
    pub(crate) codec: Option<VideoCodec>,
    /// What sets an offer instead of the browser by itself.
    pub(crate) describe: Option<&'a Function>,
    /// What the server is to return.
    pub(crate) tracks: &'a [MediaStreamTrack],
    /// What is published, in a room.
    pub(crate) outlets: Option<&'a [Outlet]>,
}

/// A peer connection; dropping it closes it.
pub(crate) struct Peer {
    connection: Connection,
    channel: Channel,
    /// In a room.
    lossy: Option<Lossy>,
    codec: Option<VideoCodec>,
    describe: Option<Function>,
    /// In a room.
    sections: Option<Sections>,
    post: Post<PeerEvent>,
    /// The exchange under way: an offer being made or an answer being applied.
    exchange: Option<Task>,
    sampling: Option<Task>,
    looking: Option<Task>,
    investigating: Option<Task>,
    /// The codes of candidates that could not be had, each once.
    refusals: Vec<u16>,
    /// Once there is a transport.
    transport: Option<Listener>,
    _listeners: [Listener; 5],
}

impl Peer {
    /// Makes a peer connection with the tracks and the data channel; it will ask for negotiation.
    pub(crate) fn new(options: &PeerOptions<'_>, post: &Post<PeerEvent>) -> Result<Self, JsValue> {
        let connection = connect(options.ice_servers)?;
        let listeners = listeners(&connection, post);
        let kind = options.outlets.map_or(channel::ECHO, |_| channel::ROOM);
        let heard = post.map(PeerEvent::Channel);
        let channel = Channel::open(&connection, kind, &heard)?;
        let lossy = options.outlets.map(|_| Lossy::open(&connection, &heard));
        let switched = post.map(PeerEvent::Switched);
        let sections = options
            .outlets
            .map(|_| Sections::new(&connection, options.codec, &switched));
        let mut peer = Self {
            connection,
            channel,
            lossy: lossy.transpose()?,
            codec: options.codec,
            describe: options.describe.cloned(),
            sections,
            post: post.clone(),
            exchange: None,
            sampling: None,
            looking: None,
            investigating: None,
            refusals: Vec::new(),
            transport: None,
            _listeners: listeners,
        };
        for track in options.tracks {
            peer.publish(track)?;
        }
        warn(peer.carry(options.outlets.unwrap_or_default()));
        Ok(peer)
    }

    /// The `RTCPeerConnection` itself.
    pub(crate) fn connection(&self) -> &RtcPeerConnection {
        &self.connection
    }

    /// What its sections are for, by `mid`, in a room.
    pub(crate) fn tracks(&self) -> Tracks {
        let tracks = self.sections.as_ref().map(Sections::tracks);
        tracks.unwrap_or_default()
    }

    /// Sends a track: on a transceiver whose sender fell silent, or on a new one.
    pub(crate) fn publish(&self, track: &MediaStreamTrack) -> Result<(), JsValue> {
        match self.sender(|sent, kind| sent.is_none() && kind == track.kind()) {
            Some(sender) => replace(&sender, Some(track)),
            None => self.add(track)?,
        }
        Ok(())
    }

    /// Stops sending a track. Its transceiver stays for the next one.
    pub(crate) fn unpublish(&self, track: &MediaStreamTrack) {
        let is_it = |sent: Option<&MediaStreamTrack>, _: String| {
            sent.is_some_and(|sent| sent.id() == track.id())
        };
        if let Some(sender) = self.sender(is_it) {
            replace(&sender, None);
        }
    }

    /// Publishes these in the room, and nothing else.
    pub(crate) fn carry(&mut self, outlets: &[Outlet]) -> Result<(), JsValue> {
        let sections = self.sections.as_mut();
        sections.map_or(Ok(()), |sections| sections.publish(outlets))
    }

    /// Sends what is wanted of what is published, by key, and no more.
    pub(crate) fn want(&mut self, wanted: Map<String, Wanted>) {
        if let Some(sections) = &mut self.sections {
            sections.want(wanted);
        }
    }

    /// A publication's layers were switched, or could not be.
    pub(crate) fn switched(&mut self, switched: Switched) {
        if let Some(sections) = &mut self.sections {
            sections.switched(switched);
        }
    }

    /// Has so many slots of each kind.
    pub(crate) fn receive(&mut self, slots: SlotCounts) -> Result<(), JsValue> {
        let sections = self.sections.as_mut();
        sections.map_or(Ok(()), |sections| sections.receive(slots))
    }

    /// Makes an offer and sets it as local description.
    pub(crate) fn make_offer(&mut self) {
        let connection = self.connection.clone();
        let sections = self.sections.clone();
        let post = self.post.clone();
        let described = self.describe.as_ref().map(|describe| {
            let sent = self.sections.as_ref().map(Sections::sent);
            describe.call2(&JsValue::UNDEFINED, &connection, &sent.unwrap_or_default())
        });
        self.exchange = Some(Task::new(async move {
            let set = set_offer(&connection, described).await;
            let offer = set.map(|_| Offer {
                sdp: gaps::sdp_of(connection.local_description()),
                tracks: sections.as_ref().map(Sections::offered),
            });
            post.send(PeerEvent::OfferMade(offer.map_err(|e| dom::words(&e))));
        }));
    }

    /// Sets the remote description.
    pub(crate) fn apply_answer(&mut self, sdp: String) {
        let connection = self.connection.clone();
        let post = self.post.clone();
        self.exchange = Some(Task::new(async move {
            let applied = set_answer(&connection, sdp).await;
            post.send(PeerEvent::AnswerApplied(
                applied.map_err(|e| dom::words(&e)),
            ));
        }));
    }

    /// Goes on after an answer: watches the transport that the first one brought, and switches layers that could
    /// not be switched before.
    pub(crate) fn take_answer_up(&mut self) {
        self.watch_transport();
        if let Some(sections) = &mut self.sections {
            sections.switch_all();
        }
    }

    fn watch_transport(&mut self) {
        let Some(sctp) = self.connection.sctp() else {
            return;
        };
        if self.transport.is_none() {
            let (dtls, post) = (sctp.transport(), self.post.clone());
            let watched = dtls.clone();
            self.transport = Some(Listener::new(&dtls, "statechange", move |_| {
                if watched.state() == "closed" {
                    post.send(PeerEvent::Closed);
                }
            }));
        }
    }

    /// Adds a remote candidate. One the browser refuses costs a path, not the call.
    pub(crate) fn add_candidate(&self, candidate: Option<&IceCandidate>) {
        let init = candidate.map(gaps::object_from).transpose();
        let Ok(init) = init else { return };
        let init = init.as_ref().map(|object| object.unchecked_ref());
        quietly(
            self.connection
                .add_ice_candidate_with_opt_rtc_ice_candidate_init(init),
            "candidate refused",
        );
    }

    /// Candidates are gathered with these from the next ICE restart on.
    pub(crate) fn gather_with(&self, ice_servers: &[IceServer]) {
        let set = configuration(ice_servers).and_then(|it| self.connection.configure(&it));
        if let Err(error) = set {
            // It goes on with those that it has.
            console::error_2(&"Ferrite: no other ICE servers".into(), &error);
        }
    }

    /// Has the next offer carry new ICE credentials.
    pub(crate) fn restart_ice(&self) {
        self.connection.restart_ice();
    }

    /// Whether it was made for a room.
    pub(crate) fn is_in_room(&self) -> bool {
        self.sections.is_some()
    }

    /// Sends a room's message now, if the data channel has room. Returns whether that was so.
    pub(crate) fn give(&self, bytes: &[u8]) -> bool {
        self.channel.give(bytes)
    }

    /// Sends a room's message now, if there is room for it, and once.
    pub(crate) fn send_lossy(&self, bytes: &[u8]) {
        if let Some(lossy) = &self.lossy {
            lossy.send(bytes);
        }
    }

    /// Says this on the data channel now. What is lost with it is said on the next.
    pub(crate) fn count(&self, count: Count) {
        self.channel.say(&count.encode());
    }

    /// Sends on the data channel; `done` hears how it went.
    pub(crate) fn send(&mut self, message: Outgoing) {
        let limit = self.connection.sctp().map(|sctp| sctp.max_message_size());
        self.channel.send(message, limit.unwrap_or(f64::INFINITY));
    }

    /// The data channel's send buffer has room again.
    pub(crate) fn drain(&mut self) {
        self.channel.drain();
    }

    /// Asks for a report; it comes as [`PeerEvent::Stats`].
    pub(crate) fn sample(&mut self) {
        let promise = self.connection.get_stats();
        let post = self.post.clone();
        self.sampling = Some(Task::new(async move {
            let report = promise.await.map(|report| report::read(&report));
            post.send(PeerEvent::Stats(report.map_err(|e| dom::words(&e))));
        }));
    }

    /// Looks how much went each way, which comes as [`PeerEvent::Traffic`], and whether layers are to be switched.
    pub(crate) fn look(&mut self) {
        if let Some(sections) = &mut self.sections {
            sections.switch_due();
        }
        let promise = self.connection.get_stats();
        let post = self.post.clone();
        self.looking = Some(Task::new(async move {
            if let Ok(report) = promise.await {
                post.send(PeerEvent::Traffic(report::traffic(&report)));
            }
        }));
    }

    /// Takes note of a server that gives no candidate.
    pub(crate) fn note_refusal(&mut self, code: u16) {
        if self.refusals.len() < MAX_GATHERING_ERRORS && !self.refusals.contains(&code) {
            self.refusals.push(code);
        }
    }

    /// Finds out what is known of a connection that is not there; it comes as [`PeerEvent::Saw`].
    pub(crate) fn investigate(&mut self) {
        let promise = self.connection.get_stats();
        let gathering = Reflect::get(&self.connection, &"iceGatheringState".into());
        let complete = gathering.is_ok_and(|state| state == "complete");
        let answer = gaps::sdp_of(self.connection.remote_description());
        let remote = answer.matches("a=candidate:").count();
        let refusals = self.refusals.clone();
        let post = self.post.clone();
        self.investigating = Some(Task::new(async move {
            if let Ok(report) = promise.await {
                let mut seen = report::read(&report).evidence();
                seen.local.complete = complete;
                seen.remote = remote.try_into().unwrap_or(u16::MAX);
                seen.gathering_errors = refusals;
                post.send(PeerEvent::Saw(Box::new(seen)));
            }
        }));
    }

    fn add(&self, track: &MediaStreamTrack) -> Result<(), JsValue> {
        let stream = MediaStream::new()?;
        stream.add_track(track);
        let init = Object::new();
        Reflect::set(&init, &"direction".into(), &"sendrecv".into())?;
        Reflect::set(&init, &"streams".into(), &Array::of1(&stream))?;
        let transceiver = self.connection.add_transceiver(track, &init)?;
        if let (Some(codec), "video") = (self.codec, track.kind().as_str()) {
            prefer(transceiver.unchecked_ref(), codec);
        }
        Ok(())
    }

    /// The first sender whose track and kind please.
    fn sender(
        &self,
        pleases: impl Fn(Option<&MediaStreamTrack>, String) -> bool,
    ) -> Option<RtcRtpSender> {
        let transceivers = self.connection.get_transceivers().into_iter();
        transceivers
            .map(|it| it.unchecked_into::<web_sys::RtcRtpTransceiver>())
            .find(|it| pleases(it.sender().track().as_ref(), it.receiver().track().kind()))
            .map(|it| it.sender())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.connection.close();
    }
}

fn configuration(ice_servers: &[IceServer]) -> Result<RtcConfiguration, JsValue> {
    let configuration = RtcConfiguration::new();
    configuration.set_bundle_policy(RtcBundlePolicy::MaxBundle);
    let servers = ice_servers.iter().map(gaps::object_from);
    let servers = servers.collect::<Result<Vec<_>, _>>()?;
    configuration.set_ice_servers(&servers.into_iter().collect::<Array>());
    Ok(configuration)
}

fn connect(ice_servers: &[IceServer]) -> Result<Connection, JsValue> {
    let configuration = configuration(ice_servers)?;
    // Throws where the browser has no WebRTC, or is offline, or dislikes a server's URL.
    let connection = RtcPeerConnection::new_with_configuration(&configuration)?;
    Ok(connection.unchecked_into())
}

fn listeners(connection: &Connection, post: &Post<PeerEvent>) -> [Listener; 5] {
    let listen = |kind, read: fn(Event) -> Option<PeerEvent>| {
        Listener::posting(connection, kind, post, read)
    };
    [
        listen("negotiationneeded", |_| Some(PeerEvent::NegotiationNeeded)),
        listen("icecandidate", candidate),
        listen("connectionstatechange", state),
        listen("track", |event| event.dyn_into().ok().map(PeerEvent::Track)),
        listen("icecandidateerror", not_gathered),
    ]
}

fn candidate(event: Event) -> Option<PeerEvent> {
    let event: RtcPeerConnectionIceEvent = event.dyn_into().ok()?;
    let Some(candidate) = event.candidate() else {
        return Some(PeerEvent::Candidate(None));
    };
    from_browser(&candidate).map(|it| PeerEvent::Candidate(Some(it)))
}

/// Through the browser's own `toJSON`, so that the `usernameFragment` comes along: without it a
/// candidate of before a restart would be applied after it.
fn from_browser(candidate: &RtcIceCandidate) -> Option<IceCandidate> {
    dom::read(candidate.to_json().into()).ok()
}

/// `RTCPeerConnectionIceErrorEvent`.
fn not_gathered(event: Event) -> Option<PeerEvent> {
    let code = Reflect::get(&event, &"errorCode".into()).ok()?.as_f64()?;
    Some(PeerEvent::NotGathered(code as u16))
}

fn state(event: Event) -> Option<PeerEvent> {
    let connection: RtcPeerConnection = event.target()?.dyn_into().ok()?;
    let state = match connection.connection_state() {
        RtcPeerConnectionState::New => PeerState::New,
        RtcPeerConnectionState::Connecting => PeerState::Connecting,
        RtcPeerConnectionState::Connected => PeerState::Connected,
        RtcPeerConnectionState::Disconnected => PeerState::Disconnected,
        RtcPeerConnectionState::Failed => PeerState::Failed,
        RtcPeerConnectionState::Closed => PeerState::Closed,
        _ => return None,
    };
    Some(PeerEvent::State(state))
}

/// The browser's own offer, or what is said instead.
async fn set_offer(
    connection: &Connection,
    described: Option<Result<JsValue, JsValue>>,
) -> Result<(), JsValue> {
    let set = match described {
        Some(described) => Promise::resolve(&described?),
        None => connection.set_local_description_implicitly(),
    };
    set.await.map(drop)
}

async fn set_answer(connection: &Connection, sdp: String) -> Result<(), JsValue> {
    let answer = SessionDescription {
        kind: SdpType::Answer,
        sdp,
    };
    let answer = gaps::object_from(&answer)?;
    connection
        .set_remote_description(answer.unchecked_ref())
        .await?;
    Ok(())
}

/// A section that cannot be had costs what it is for, not the call.
pub(crate) fn warn(made: Result<(), JsValue>) {
    if let Err(error) = made {
        console::error_2(&"Ferrite: no media section".into(), &error);
    }
}

/// Whether this browser has WebRTC.
pub(crate) fn is_supported() -> bool {
    Reflect::has(&js_sys::global(), &"RTCPeerConnection".into()).unwrap_or(false)
}

/// The video codecs this browser can offer.
pub(crate) fn video_codecs() -> Vec<VideoCodec> {
    let Ok(Some(capabilities)) = gaps::receiver_capabilities("video") else {
        return Vec::new();
    };
    let names = codec_names(&capabilities.get_codecs());
    let mut codecs = VideoCodec::ALL.to_vec();
    codecs.retain(|&wanted| codec::preferred(&names, wanted).is_some());
    codecs
}

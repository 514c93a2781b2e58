//! One remote endpoint: ICE, DTLS, SRTP, SCTP and the streams both ways, tied together.
//!
//! Sans-IO: datagrams and time come in as arguments; what to send, what happened and when to wake
//! are polled. A peer owns all its state and shares none, so it can be handed to another thread. It
//! does not know where its media goes: it gives received packets out and takes packets to send.
//!
//! | module | what lives there |
//! |---|---|
//! | `allocation` | which layers fit the path |
//! | `pressure` | how much less is sent where the other end cannot keep up |
//! | `handshake` | DTLS: its datagrams, and what comes of it |
//! | `media` | RTP and RTCP, through SRTP |
//! | `writing` | how a packet is written where it leaves from |
//! | `held` | a packet that waits for its turn |
//! | `paced` | what of pictures waits, and how it goes out |
//! | `streams` | the RTP streams both ways |
//! | `data` | the data channels: SCTP, inside DTLS |
//! | `quality` | how well its pictures do, as its session is told |
//! | `output` | what a peer gives out |

mod allocation;
mod data;
mod handshake;
mod held;
mod media;
mod output;
mod paced;
mod pressure;
pub mod quality;
pub mod streams;
mod writing;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_protocol::diagnosis::{DtlsEvidence, IceEvidence};

use crate::congestion::{Estimate, Estimator, Pacer};
use crate::media::data::Sctp;
use crate::media::net::budget::{Budget, Holding};
use crate::media::net::demux::{Kind, classify};
use crate::media::net::outbox::{Outbox, Transmit};
use crate::media::net::path::{FourTuple, Transport};
use crate::media::peer::streams::MediaStreams;
use crate::media::rtp::clock::Clock;
use crate::media::sdp::{Agreed, Section};
use crate::media::transport::dtls::{Dtls, DtlsState, Identity};
use crate::media::transport::ice::{Credentials, IceLite, IceState, MAX_AMPLIFICATION};
use crate::media::transport::srtp::Srtp;
use allocation::Fitting;
pub use data::{MAX_UNANSWERED, MESSAGE_COST};
use held::Held;
pub use output::{PeerOutput, PeerState};
use pressure::Relief;
pub use writing::AUDIO_LIFETIME;

/// What a peer is made with.
pub struct PeerConfig {
    /// The process's certificate.
    pub identity: Identity,
    /// This peer's ICE credentials.
    pub local: Credentials,
    /// The monotonic clock and the wall clock, paired.
    pub clock: Clock,
    /// Seeds what need not be secret: first sequence numbers, the reporter's SSRC.
    pub seed: u64,
    /// The CNAME of our streams.
    pub cname: String,
    /// The largest data channel message taken, in bytes.
    pub max_message_size: u32,
}

/// One remote endpoint.
pub struct Peer {
    identity: Identity,
    clock: Clock,
    max_message_size: u32,
    ice: IceLite,
    dtls: Option<Dtls>,
    srtp: Option<Box<Srtp>>,
    sctp: Option<Box<Sctp>>,
    agreed: Option<Arc<Agreed>>,
    streams: MediaStreams,
    /// Pictures that wait for their turn, and what that takes of the budget that all counts in that is held: the shard's,
    /// once the peer is on one.
    pacer: Pacer<Held>,
    held_bytes: Holding,
    fitting: Fitting,
    relief: Relief,
    /// It is sent no more, in bits per second.
    max_download: Option<u64>,
    rtt: Option<Duration>,
    /// Where it was sent to last: what is known of the path is known of the one to there.
    reached: Option<SocketAddr>,
    reported: PeerState,
    closed: bool,
    /// The path's reader is slow: data waits, video is left out.
    congested: bool,
    /// What SCTP was given since, and may come to hold for it.
    unanswered: usize,
    /// How much more may be read from the data channels; `None` where all of it may.
    appetite: Option<usize>,
    /// Why DTLS is over.
    reason: Option<String>,
    /// Why the data channels are over. No others come before another DTLS association.
    data_over: Option<String>,
    outbox: Outbox,
    /// What DTLS says next, while the path has no room for it.
    held: Option<BytesMut>,
    /// Media was left out, because the path had no room for it.
    starved: bool,
    outputs: VecDeque<PeerOutput>,
    scratch: Vec<u8>,
}

impl Peer {
    /// A peer that waits for its first session.
    pub fn new(now: Instant, config: PeerConfig) -> Self {
        Self {
            identity: config.identity,
            clock: config.clock,
            max_message_size: config.max_message_size,
            ice: IceLite::new(now, config.local),
            dtls: None,
            srtp: None,
            sctp: None,
            held_bytes: Holding::new(&Budget::new(usize::MAX)),
            agreed: None,
            streams: MediaStreams::new(now, config.clock, config.cname, config.seed),
            pacer: Pacer::default(),
            fitting: Fitting::default(),
            relief: Relief::default(),
            max_download: None,
            rtt: None,
            reached: None,
            reported: PeerState {
                ice: IceState::New,
                dtls: DtlsState::New,
                reason: None,
            },
            closed: false,
            congested: false,
            unanswered: 0,
            appetite: None,
            reason: None,
            data_over: None,
            outbox: Outbox::default(),
            held: None,
            starved: false,
            outputs: VecDeque::new(),
            scratch: Vec::new(),
        }
    }

    /// The peer is on a shard now: what is held for it counts in that one's `budget`.
    pub fn move_to(&mut self, budget: &Arc<Budget>) {
        self.held_bytes.move_to(budget);
        if let Some(sctp) = &mut self.sctp {
            sctp.move_to(budget);
        }
    }

    /// Takes what a new answer agreed on. `restart` are the credentials of a new ICE generation,
    /// when the offer asked for one.
    pub fn agree(
        &mut self,
        now: Instant,
        agreed: impl Into<Arc<Agreed>>,
        restart: Option<Credentials>,
    ) {
        // What has its numbers is written as was agreed when it got them.
        self.send_waiting(now, true);
        let agreed = agreed.into();
        let remote = Credentials {
            ufrag: agreed.ice_ufrag.clone(),
            pwd: agreed.ice_pwd.clone(),
        };
        match restart {
            Some(local) => self.ice.restart(now, local, remote),
            None => self.ice.set_remote(now, remote),
        }
        if (self.agreed.as_ref()).is_some_and(|before| needs_new_association(before, &agreed)) {
            self.dtls = None;
            self.held = None;
            self.srtp = None;
            self.sctp = None;
            self.data_over = None;
        }
        if self.dtls.is_none() {
            let fingerprints = agreed.fingerprints.clone();
            self.dtls = Some(Dtls::new(
                self.identity.clone(),
                agreed.dtls_role,
                fingerprints,
            ));
        }
        self.streams.agree(&agreed);
        self.agreed = Some(agreed);
        self.settle(now);
    }

    /// The states of the transports.
    pub fn state(&self) -> PeerState {
        PeerState {
            ice: self.ice.state(),
            dtls: self.dtls_state(),
            reason: self.reason.clone().or_else(|| self.trouble()),
        }
    }

    /// What of its way to the other end tells why it is not connected.
    pub fn evidence(&self, now: Instant) -> (IceEvidence, DtlsEvidence) {
        let dtls = self.dtls.as_ref().map(|dtls| dtls.evidence(now));
        (self.ice.evidence(now), dtls.unwrap_or_default())
    }

    /// What is wrong while DTLS is not.
    fn trouble(&self) -> Option<String> {
        match self.ice.state() {
            IceState::Failed => Some("nothing was heard from the other end for 30 s".to_owned()),
            IceState::Disconnected => None,
            IceState::New | IceState::Checking | IceState::Connected => self.data_over.clone(),
        }
    }

    /// Nothing more will come of this peer: closed by either end, or failed for good.
    pub fn is_finished(&self) -> bool {
        matches!(self.dtls_state(), DtlsState::Closed | DtlsState::Failed)
    }

    /// The user name fragment that its checks are addressed to.
    pub fn local_ufrag(&self) -> &str {
        &self.ice.local().ufrag
    }

    /// Whether an authentic check came over this path.
    pub fn knows(&self, path: &FourTuple) -> bool {
        self.ice.knows(path)
    }

    /// The path in use: nominated, or else the one last checked.
    pub fn selected_path(&self) -> Option<FourTuple> {
        self.ice.selected()
    }

    /// Takes a STUN request addressed to one of this peer's user name fragments. Returns whether it
    /// was authentic, so that the path may be remembered as this peer's.
    pub fn handle_stun(&mut self, now: Instant, path: FourTuple, datagram: &[u8]) -> bool {
        let before = self.ice.selected();
        let answered = self.ice.handle_request(now, path, datagram);
        let Some(answered) = answered else {
            return false;
        };
        let response = answered.response;
        if answered.authentic {
            self.transmit(path, response);
        } else if response.len() as u64 <= datagram.len() as u64 * MAX_AMPLIFICATION {
            self.outbox.push(&path, response);
        }
        self.follow_path(now, before);
        if answered.authentic
            && let Some(dtls) = &mut self.dtls
        {
            dtls.start(now);
        }
        self.settle(now);
        self.send_checks(now);
        answered.authentic
    }

    fn handle_stun_response(&mut self, now: Instant, path: FourTuple, datagram: &[u8]) {
        let before = self.ice.selected();
        self.ice.handle_response(now, path, datagram);
        self.follow_path(now, before);
        self.settle(now);
    }

    /// Checks of ours. The first comes after the handshake's first flight, and may find no room beside it.
    fn send_checks(&mut self, now: Instant) {
        let provider = self.identity.provider.clone();
        while let Some((path, check)) = self.ice.poll_check(now, &*provider) {
            match self.ice.admit(&path, check.len()) {
                true => self.outbox.push(&path, check),
                false => self.ice.put_off_check(&path),
            }
        }
    }

    /// The path in use was this one, and may be another now.
    fn follow_path(&mut self, now: Instant, before: Option<FourTuple>) {
        if (self.ice.selected()).is_some_and(|path| path.transport != Transport::Tcp) {
            self.set_congested(now, false);
        }
        if let Some(path) = self.ice.selected() {
            // Also where there was none for a while, as after a failure.
            let left = self.reached.replace(path.remote);
            if left.is_some_and(|left| left != path.remote) {
                self.resume_video(now);
            }
            if before.is_none() {
                self.want_keyframes();
            }
        }
        if self.starved && self.has_room_for_a_packet() {
            self.starved = false;
            self.want_keyframes();
        }
    }

    /// Takes any other datagram that came over this known path.
    pub fn handle_datagram(&mut self, now: Instant, path: FourTuple, datagram: &[u8]) {
        match classify(datagram) {
            Some(Kind::Srtp) => self.handle_srtp(now, path, datagram),
            Some(Kind::Srtcp) => self.handle_srtcp(now, path, datagram),
            Some(Kind::Dtls) => self.handle_dtls(now, path, datagram),
            Some(Kind::StunResponse) => self.handle_stun_response(now, path, datagram),
            // Requests come by `handle_stun`.
            Some(Kind::Stun) | None => {}
        }
    }

    /// Sends over a path, if it may be sent to.
    fn transmit(&mut self, path: FourTuple, data: BytesMut) {
        if self.ice.admit(&path, data.len()) {
            self.outbox.push(&path, data);
        }
    }

    /// Takes note of how well the path in use is read. Once it is read well again, data goes on, and
    /// so does video, with a keyframe.
    pub fn set_congested(&mut self, now: Instant, congested: bool) {
        let relieved = self.congested && !congested;
        if congested && !self.congested {
            self.drop_waiting();
        }
        self.congested = congested;
        if relieved {
            self.unanswered = 0;
            self.want_keyframes();
            self.pump_sctp(now);
        }
    }

    /// Moves everything on that can move: DTLS and SCTP events, their datagrams, states.
    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.dtls.as_mut().and_then(Dtls::poll_event) {
            self.handle_dtls_event(now, event);
        }
        self.start_sctp(now);
        self.pump_sctp(now);
        self.pump_dtls();
        self.report_state();
    }

    fn report_state(&mut self) {
        let state = self.state();
        if state != self.reported {
            self.reported = state.clone();
            self.outputs.push_back(PeerOutput::State(state));
        }
    }

    /// Closes in good order: SCTP, goodbyes, close_notify.
    pub fn close(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        if let Some(sctp) = &mut self.sctp {
            sctp.close(now);
        }
        self.pump_sctp(now);
        self.drop_waiting();
        self.send_goodbyes();
        if let Some(dtls) = &mut self.dtls {
            dtls.close(now);
        }
        self.pump_dtls();
        self.closed = true;
        self.report_state();
    }

    /// The next datagrams to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.pop()
    }

    /// Trades its outbox for this one, if it is empty: so that many peers can write where one did.
    pub fn trade_outbox(&mut self, outbox: &mut Outbox) {
        if self.outbox.is_empty() {
            std::mem::swap(&mut self.outbox, outbox);
        }
    }

    /// Whether something happened.
    pub fn has_output(&self) -> bool {
        !self.outputs.is_empty()
    }

    /// What happened.
    pub fn poll_output(&mut self) -> Option<PeerOutput> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] next has something to do.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        // Without a path no report is due.
        let sends = self.srtp.is_some() && self.ice.selected().is_some();
        let streams = sends.then(|| self.streams.poll_timeout());
        let probe = self.streams.estimator().and_then(Estimator::poll_timeout);
        // While nothing of it is sent, what is due stays due.
        let sctp = self.sctp.as_ref().filter(|_| !self.is_data_held());
        [
            self.ice.poll_timeout(),
            self.pacer.poll_timeout().filter(|_| sends),
            self.dtls.as_ref().and_then(Dtls::poll_timeout),
            sctp.and_then(|sctp| sctp.poll_timeout()),
            streams,
            probe.filter(|_| sends),
            self.streams.next_filling().filter(|_| sends),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Lets time pass.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        let before = self.ice.selected();
        self.ice.handle_timeout(now);
        self.follow_path(now, before);
        if self.ice.state() == IceState::Failed {
            self.streams.forget_sent();
            self.drop_waiting();
        }
        if self.ice.is_given_up(now) {
            return self.close(now);
        }
        if let Some(dtls) = &mut self.dtls {
            dtls.handle_timeout(now);
        }
        if let Some(sctp) = &mut self.sctp {
            sctp.handle_timeout(now);
        }
        self.send_checks(now);
        self.send_due_rtcp(now);
        self.probe(now);
        self.settle(now);
    }

    /// What its path carries; `None` while that is not known.
    pub fn estimate(&self) -> Option<Estimate> {
        self.streams.estimate()
    }
}

/// RFC 8842 §4: another certificate means another association. So does an offer after every section
/// was rejected: the transport they were bundled on is gone (RFC 9429 §3.5.1).
fn needs_new_association(before: &Agreed, now: &Agreed) -> bool {
    let is_rejected = |section: &Section| matches!(section, Section::Rejected { .. });
    before.sections.iter().all(is_rejected) || before.fingerprints != now.fingerprints
}

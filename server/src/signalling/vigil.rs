//! Watches over a call until it is connected. Where it is not after a while, or the client asks before, what
//! the client saw and what its peer saw are put side by side, and the client and the log are told what is
//! wrong. It waits for one answer of the media plane at a time, and knows no media.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use ferrite_protocol::diagnosis::{
    Diagnosis, DtlsEvidence, DtlsFate, IceEvidence, ServerEvidence, judge,
};
use ferrite_protocol::{ClientEvidence, IceCandidate, RequestId, ServerMessage};
use tracing::info;

use crate::media::net::candidates::address;
use crate::network::is_private;
use crate::rate::{Bucket, Rate};

/// How long a call may be on its way before its client is told without asking. Those that ask do so after
/// five seconds, and know more.
const PATIENCE: Duration = Duration::from_secs(6);

/// When a media plane that was too busy is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// Explanations that a client may ask for a second, and at once.
pub(crate) const EXPLANATIONS: (u32, u32) = (1, 10);

/// The vigil over one session's calls.
#[derive(Debug)]
pub(super) struct Vigil {
    /// When the media plane is to be asked although the client did not.
    due: Option<Instant>,
    /// Who asked last, and is not answered.
    asked: Option<Asked>,
    /// What was seen of a call that failed, and is gone.
    ended: Option<Box<ServerEvidence>>,
    explanations: Bucket,
}

#[derive(Debug)]
struct Asked {
    id: Option<RequestId>,
    seen: Option<Box<ClientEvidence>>,
}

impl Vigil {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            due: None,
            asked: None,
            ended: None,
            explanations: Bucket::new(now),
        }
    }

    /// A call was agreed on that is not connected.
    pub(super) fn begin(&mut self, now: Instant) {
        self.due = Some(now + PATIENCE);
        self.ended = None;
    }

    /// It is connected. Who asked before is still answered when the peer has told what it saw.
    pub(super) fn end(&mut self) {
        self.due = None;
        self.ended = None;
    }

    /// It is given up. Who asked is answered all the same.
    pub(super) fn give_up(&mut self) -> Option<ServerMessage> {
        let owed = self.lose_peer();
        self.end();
        owed
    }

    /// When the media plane is to be asked, if it is.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Whether the media plane is to be asked now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// The media plane was asked without the client, or had no room for the question.
    pub(super) fn was_put(&mut self, now: Instant, is_taken: bool) {
        self.due = (!is_taken).then_some(now + AGAIN);
    }

    /// Whether the client may ask once more.
    pub(super) fn may_ask(&mut self, now: Instant) -> bool {
        let rate = Rate::new(EXPLANATIONS.0, EXPLANATIONS.1);
        self.explanations.take(rate, 1, now)
    }

    /// The client asked, and told what it saw. Who asks again before there is an answer gets one. Where the media
    /// plane had no room for the question all is as if nobody had asked.
    pub(super) fn ask(&mut self, id: Option<RequestId>, seen: ClientEvidence, is_taken: bool) {
        if is_taken {
            self.due = None;
            let seen = Some(Box::new(seen));
            self.asked = Some(Asked { id, seen });
        }
    }

    /// The peer is gone. Who asked is answered all the same.
    pub(super) fn lose_peer(&mut self) -> Option<ServerMessage> {
        self.asked.is_some().then(|| self.explain_absence())
    }

    /// There is no peer to ask.
    pub(super) fn explain_absence(&mut self) -> ServerMessage {
        let ended = self.ended.take();
        let explained = self.explain(ended.as_deref());
        self.ended = ended;
        explained
    }

    /// What the peer saw. Nothing is said of it where the call is connected by now and nobody asked.
    pub(super) fn hear(
        &mut self,
        seen: ServerEvidence,
        is_connected: bool,
    ) -> Option<ServerMessage> {
        let is_over = !matches!(seen.dtls.fate, DtlsFate::UnderWay | DtlsFate::Done);
        let is_wanted = is_over || !is_connected || self.asked.is_some();
        let explained = is_wanted.then(|| self.explain(Some(&seen)));
        self.ended = is_over.then(|| Box::new(seen));
        explained
    }

    fn explain(&mut self, server: Option<&ServerEvidence>) -> ServerMessage {
        let (id, client) = match self.asked.take() {
            Some(Asked { id, seen }) => (id, seen),
            None => (None, None),
        };
        let Diagnosis { cause, text } = judge(client.as_deref(), server);
        info!(cause = cause.name(), "not connected: {text}");
        ServerMessage::Explained { id, cause, text }
    }
}

/// What the peer saw, with what it does not know: where it was to be reached, and from where.
pub(super) fn evidence(
    (ice, dtls): (IceEvidence, DtlsEvidence),
    offered: &[IceCandidate],
    client: IpAddr,
) -> ServerEvidence {
    let offered: Vec<_> = (offered.iter())
        .filter_map(|offered| address(&offered.candidate))
        .collect();
    let is_hidden = offered.iter().all(|address| is_private(address.ip()));
    ServerEvidence {
        port: offered.first().map_or(0, SocketAddr::port),
        is_out_of_reach: is_hidden && !is_private(client),
        ice,
        dtls,
    }
}

#[cfg(test)]
mod tests {
    use ferrite_protocol::Cause;

    use super::*;

    fn cause(message: &ServerMessage) -> (Option<RequestId>, Cause) {
        match message {
            ServerMessage::Explained { id, cause, .. } => (*id, *cause),
            _ => panic!("{message:?}"),
        }
    }

    fn seen(offered: &str, client: &str) -> ServerEvidence {
        let ice = IceEvidence {
            waited_ms: 5_000,
            ..IceEvidence::default()
        };
        let offered = IceCandidate {
            candidate: format!("candidate:0 1 udp 1 {offered} 3478 typ host"),
            ..IceCandidate::default()
        };
        let peer = (ice, DtlsEvidence::default());
        evidence(peer, &[offered], client.parse().unwrap())
    }

    #[test]
    fn who_asks_is_answered_under_its_id_and_once() {
        let mut vigil = Vigil::new(Instant::now());
        vigil.ask(Some(RequestId(1)), ClientEvidence::default(), true);
        vigil.ask(Some(RequestId(2)), ClientEvidence::default(), true);
        let told = vigil.hear(seen("192.0.2.1", "192.0.2.9"), false).unwrap();
        assert_eq!(cause(&told), (Some(RequestId(2)), Cause::NoServerAddress));
        let told = vigil.hear(seen("192.0.2.1", "192.0.2.9"), false).unwrap();
        assert_eq!(cause(&told), (None, Cause::NothingArrives));
        assert_eq!(vigil.lose_peer(), None);
        vigil.ask(Some(RequestId(3)), ClientEvidence::default(), true);
        let told = vigil.lose_peer().unwrap();
        assert_eq!(cause(&told), (Some(RequestId(3)), Cause::NoPeer));
    }

    #[test]
    fn who_does_not_ask_is_told_after_six_seconds_and_not_once_it_is_connected() {
        let now = Instant::now();
        let mut vigil = Vigil::new(now);
        assert_eq!(vigil.due(), None);
        vigil.begin(now);
        assert!(!vigil.is_due(now + Duration::from_millis(5_999)));
        assert!(vigil.is_due(now + PATIENCE));
        vigil.ask(None, ClientEvidence::default(), true);
        assert_eq!(vigil.due(), None);
        vigil.begin(now);
        vigil.was_put(now + PATIENCE, false);
        assert!(!vigil.is_due(now + PATIENCE) && vigil.is_due(now + PATIENCE + AGAIN));
        vigil.was_put(now + PATIENCE + AGAIN, true);
        assert_eq!(vigil.due(), None);
        vigil.begin(now);
        vigil.end();
        assert_eq!(vigil.due(), None);
    }

    #[test]
    fn who_asked_is_answered_once_it_is_connected_and_nobody_else() {
        let mut vigil = Vigil::new(Instant::now());
        let mut seen = seen("192.0.2.1", "192.0.2.9");
        vigil.ask(Some(RequestId(1)), ClientEvidence::default(), true);
        vigil.end();
        let told = vigil.hear(seen.clone(), true).unwrap();
        assert_eq!(cause(&told).0, Some(RequestId(1)));
        assert_eq!(vigil.hear(seen.clone(), true), None);
        seen.dtls.fate = DtlsFate::Failed("it broke".to_owned());
        let told = vigil.hear(seen, true).unwrap();
        assert_eq!(cause(&told), (None, Cause::HandshakeFailed));
    }

    #[test]
    fn who_asked_is_answered_when_the_call_is_given_up() {
        let now = Instant::now();
        let mut vigil = Vigil::new(now);
        vigil.begin(now);
        vigil.ask(Some(RequestId(1)), ClientEvidence::default(), true);
        let told = vigil.give_up().unwrap();
        assert_eq!(cause(&told), (Some(RequestId(1)), Cause::NoPeer));
        assert_eq!((vigil.give_up(), vigil.due()), (None, None));
    }

    #[test]
    fn what_the_media_plane_had_no_room_for_was_not_asked() {
        let now = Instant::now();
        let mut vigil = Vigil::new(now);
        vigil.begin(now);
        vigil.ask(Some(RequestId(1)), ClientEvidence::default(), false);
        assert!(vigil.is_due(now + PATIENCE));
        assert_eq!(vigil.lose_peer(), None);
    }

    #[test]
    fn what_ended_a_call_is_still_told_when_it_is_gone() {
        let mut vigil = Vigil::new(Instant::now());
        assert_eq!(cause(&vigil.explain_absence()).1, Cause::NoPeer);
        let mut failed = seen("192.0.2.1", "192.0.2.9");
        failed.dtls.fate = DtlsFate::WrongCertificate;
        vigil.hear(failed, false).unwrap();
        for _ in 0..2 {
            assert_eq!(cause(&vigil.explain_absence()).1, Cause::WrongCertificate);
        }
        vigil.begin(Instant::now());
        assert_eq!(cause(&vigil.explain_absence()).1, Cause::NoPeer);
    }

    #[test]
    fn private_addresses_are_out_of_reach_only_for_who_is_elsewhere() {
        for (offered, client, is_out_of_reach) in [
            ("10.1.2.3", "203.0.113.9", true),
            ("fd00::1", "2001:db8::9", true),
            ("10.1.2.3", "192.168.0.9", false),
            ("10.1.2.3", "127.0.0.1", false),
            ("203.0.113.1", "203.0.113.9", false),
        ] {
            let seen = seen(offered, client);
            assert_eq!(seen.is_out_of_reach, is_out_of_reach, "{offered} {client}");
            assert_eq!(seen.port, 3478);
        }
    }

    /// The page has every cause, in the code's order.
    #[test]
    fn the_page_lists_every_cause() {
        let page = include_str!("../../docs/diagnosis.md");
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
        let listed: Vec<_> = rows.filter_map(|row| row.split('`').next()).collect();
        let causes: Vec<_> = Cause::ALL.iter().map(|cause| cause.name()).collect();
        assert_eq!(listed, causes);
    }

    #[test]
    fn more_than_ten_at_once_are_too_many() {
        let now = Instant::now();
        let mut vigil = Vigil::new(now);
        let asked = (0..20).filter(|_| vigil.may_ask(now)).count();
        assert_eq!(asked, EXPLANATIONS.1 as usize);
    }
}

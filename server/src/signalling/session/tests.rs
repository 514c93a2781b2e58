//! What a session answers where the media plane is in its way.

use std::net::Ipv4Addr;
use std::time::Duration;

use ferrite_protocol::message::PeerConnectionState;
use ferrite_protocol::{ClientEvidence, MediaKind, ParticipantState, Source, TrackUse};

use super::*;
use crate::config::Config;
use crate::media::shard::thread::Prepared;
use crate::media::transport::dtls::DtlsState;
use crate::media::transport::ice::IceState;
use crate::media::{MediaConfig, MediaPlane, Plan};
use crate::turn::access::Access;
use crate::turn::start::{TurnConfig, TurnServers};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n";

/// An offer of sound on one section and pictures on another.
fn offer() -> String {
    let section = |mid: u8, kind: &str, format: u8, codec: &str| {
        format!(
            "m={kind} 9 UDP/TLS/RTP/SAVPF {format}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n\
             a=ice-ufrag:them\r\na=ice-pwd:theirpasswordtheirpassword\r\na=rtcp-mux\r\n\
             a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:\
             00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n\
             a=setup:actpass\r\na=sendrecv\r\na=rtpmap:{format} {codec}\r\n"
        )
    };
    let sound = section(0, "audio", 111, "opus/48000/2");
    let pictures = section(1, "video", 96, "VP8/90000");
    format!("{HEAD}{sound}{pictures}")
}

fn publish(key: &str, source: Source) -> TrackUse {
    TrackUse::Publish {
        key: key.to_owned(),
        source,
        label: None,
        width: None,
        height: None,
    }
}

fn offering(tracks: [TrackUse; 2]) -> ClientMessage {
    let mids = ["0", "1"].map(str::to_owned);
    ClientMessage::Offer {
        id: Some(RequestId(7)),
        sdp: offer(),
        tracks: Some(mids.into_iter().zip(tracks).collect()),
    }
}

/// An offer of another peer connection.
fn another_offer() -> ClientMessage {
    ClientMessage::Offer {
        id: None,
        sdp: offer()
            .replace("o=- 1 1", "o=- 2 1")
            .replace("them", "others"),
        tracks: None,
    }
}

/// A session in a room, on a media plane whose shard does nothing yet.
fn member() -> (Session, MediaPlane, Vec<Prepared>) {
    let (media, prepared) = MediaPlane::prepare(
        MediaConfig {
            shards: 1,
            ..MediaConfig::default()
        },
        |_, _| None,
    )
    .unwrap();
    let mut config = Config::default();
    config.limits.room_publications = 2;
    let turn = Arc::new(TurnServers::new(TurnConfig {
        secrets: Vec::new(),
        relay_ports: 50_000..=50_000,
        tcp_relays: false,
        bandwidth: None,
        shared_port: None,
        access: Access::default(),
        external_ips: Vec::new(),
        interfaces: Vec::new(),
        turns: None,
        second_port: None,
        others: tokio::sync::watch::channel(Vec::new()).1,
    }));
    let signalling = Arc::new(Signalling::new(Arc::new(config), media.clone(), turn, None));
    let mut session = guest(signalling);
    join(&mut session, "tea");
    (session, media, prepared)
}

/// A session in no room.
fn guest(signalling: Arc<Signalling>) -> Session {
    let caller = Caller {
        address: Ipv4Addr::LOCALHOST.into(),
        loopback: true,
    };
    Session::new(signalling, SessionId("s".to_owned()), caller)
}

fn join(session: &mut Session, room: &str) -> Vec<ServerMessage> {
    session.answer(ClientMessage::Join {
        id: None,
        room: room.into(),
        name: None,
        metadata: None,
        token: None,
    })
}

/// Whether others see it as there.
fn seen(session: &Session) -> ParticipantState {
    let rooms = &session.signalling.rooms;
    let room = session.room.as_ref().unwrap().seat().room();
    rooms.snapshot(room).unwrap().participants[0].state
}

/// What the room shows of it.
fn published(session: &Session) -> Vec<String> {
    let rooms = &session.signalling.rooms;
    let participants = rooms.snapshot(&"tea".into()).unwrap().participants;
    let publications = participants.into_iter().flat_map(|it| it.publications);
    publications.map(|it| it.id.0).collect()
}

fn is_answered(messages: &[ServerMessage]) -> bool {
    matches!(messages[0], ServerMessage::Answer { .. })
}

#[test]
fn after_an_offer_that_met_a_full_mailbox_all_is_as_it_was() {
    let (mut session, media, prepared) = member();
    let microphone = publish("mic", Source::Microphone);
    let slot = TrackUse::Receive(MediaKind::Video);
    let first = session.answer(offering([microphone.clone(), slot]));
    assert!(is_answered(&first), "{first:?}");
    let before = published(&session);
    assert_eq!(before.len(), 1);
    let (plan, tracks) = (session.sections.plan(), session.sections.publications());

    // Another offer gives the peer to the shard, which is told more than it has room for.
    let again = session.answer(offering([microphone, publish("cam", Source::Camera)]));
    assert!(is_answered(&again), "{again:?}");
    assert_eq!(published(&session).len(), 2);
    let both = (session.sections.plan(), session.sections.publications());
    assert_ne!((plan, tracks), both);
    while session
        .peer
        .as_ref()
        .unwrap()
        .follow(session.sections.plan())
    {}

    let nothing = TrackUse::Receive(MediaKind::Audio);
    let refused = session.answer(offering([nothing, publish("screen", Source::Screen)]));
    let is_refusal = matches!(
        refused[..],
        [ServerMessage::Error {
            id: Some(RequestId(7)),
            code: ErrorCode::BadOffer,
            ..
        }]
    );
    assert!(is_refusal, "{refused:?}");
    assert_eq!(published(&session).len(), 2, "{:?}", published(&session));
    let after = (session.sections.plan(), session.sections.publications());
    assert_eq!(both, after);

    // Once there is room, the same offer is as good as any.
    media.attend(prepared).unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let nothing = TrackUse::Receive(MediaKind::Audio);
        let taken = session.answer(offering([nothing, publish("screen", Source::Screen)]));
        if is_answered(&taken) {
            break;
        }
        assert!(Instant::now() < deadline, "{taken:?}");
        std::thread::yield_now();
    }
    assert_eq!(published(&session).len(), 1);
}

/// A session with a call of which nothing was heard yet.
fn caller() -> (Session, MediaPlane, Vec<Prepared>) {
    let (mut session, media, prepared) = member();
    let slot = TrackUse::Receive(MediaKind::Video);
    let answered = session.answer(offering([publish("mic", Source::Microphone), slot]));
    assert!(is_answered(&answered), "{answered:?}");
    (session, media, prepared)
}

/// Its peer connection gets into another state.
fn becomes(session: &mut Session, connection: PeerConnectionState) -> Vec<ServerMessage> {
    session.note(Some(PeerEvent::State {
        ice: IceState::Connected,
        dtls: DtlsState::Connected,
        connection,
        reason: None,
    }))
}

fn ask(session: &mut Session, id: u32) -> Vec<ServerMessage> {
    let (id, seen) = (Some(RequestId(id)), ClientEvidence::default());
    session.answer(ClientMessage::Explain { id, seen })
}

/// The requests whose explanations are among these.
fn explained(messages: &[ServerMessage]) -> Vec<Option<RequestId>> {
    let ids = messages.iter().filter_map(|message| match message {
        ServerMessage::Explained { id, .. } => Some(*id),
        _ => None,
    });
    ids.collect()
}

#[test]
fn who_asks_why_and_is_connected_meanwhile_is_answered_once() {
    let (mut session, _media, _prepared) = caller();
    assert_eq!(ask(&mut session, 1), []);
    let connected = becomes(&mut session, PeerConnectionState::Connected);
    assert_eq!(explained(&connected), []);
    let mut heard = || session.note(Some(PeerEvent::Evidence(Box::default())));
    assert_eq!(explained(&heard()), [Some(RequestId(1))]);
    assert_eq!(heard(), []);
}

#[test]
fn who_asks_why_and_ends_the_call_or_begins_another_is_answered_first() {
    let (mut session, _media, _prepared) = caller();
    assert_eq!(ask(&mut session, 1), []);
    let another = session.answer(another_offer());
    assert_eq!(explained(&another[..1]), [Some(RequestId(1))]);
    assert!(is_answered(&another[1..]), "{another:?}");
    assert_eq!(ask(&mut session, 2), []);
    let hung_up = session.answer(ClientMessage::HangUp { id: None });
    assert_eq!(explained(&hung_up), [Some(RequestId(2))]);
}

#[test]
fn who_is_told_that_there_is_no_room_for_the_question_has_not_asked() {
    let (mut session, _media, _prepared) = caller();
    while session.peer.as_ref().unwrap().testify() {}
    let due = session.vigil.due();
    let refused = ask(&mut session, 1);
    let is_refusal = matches!(
        refused[..],
        [ServerMessage::Error {
            id: Some(RequestId(1)),
            code: ErrorCode::Internal,
            ..
        }]
    );
    assert!(is_refusal, "{refused:?}");
    assert!(due.is_some() && session.vigil.due() == due);
    assert_eq!(session.note(None), []);
}

/// Who comes back is shown the room as it is, and does not look at it again.
#[test]
fn who_was_put_out_and_comes_back_first_is_told_so() {
    let (mut session, _media, _prepared) = member();
    let rooms = session.signalling.rooms.clone();
    let own = session.room.as_ref().unwrap().seat().participant().clone();
    rooms
        .kick(&"tea".into(), &own, Some("the tea is cold"))
        .unwrap();
    let told = session.state(None);
    let is_farewell = |message: &ServerMessage| matches!(message, ServerMessage::Left { .. });
    assert!(told.iter().any(is_farewell), "{told:?}");
    assert!(session.room.is_none());
    assert_eq!(session.state(None), []);
}

use ParticipantState::{Connected as There, Reconnecting};
use PeerConnectionState::{Closed, Connected, Connecting, Disconnected, Failed};

#[test]
fn who_never_found_a_way_for_media_is_seen_as_there_all_the_time() {
    let (mut session, _media, _prepared) = caller();
    for state in [Connecting, Failed, Closed] {
        becomes(&mut session, state);
        assert_eq!(seen(&session), There, "{state:?}");
    }
}

/// A session whose peer was given up after a long silence.
fn lost() -> (Session, MediaPlane, Vec<Prepared>) {
    let (mut session, media, prepared) = caller();
    becomes(&mut session, Connected);
    assert_eq!(seen(&session), There);
    for state in [Disconnected, Failed, Closed] {
        becomes(&mut session, state);
        assert_eq!(seen(&session), Reconnecting, "{state:?}");
    }
    assert!(session.peer.is_none());
    (session, media, prepared)
}

#[test]
fn who_went_silent_is_seen_so_until_they_say_something_or_come_back() {
    let (mut session, _media, _prepared) = lost();
    session.is_there();
    assert_eq!(seen(&session), There);
    let (mut session, _media, _prepared) = lost();
    session.park();
    assert_eq!(seen(&session), Reconnecting);
    session.state(None);
    assert_eq!(seen(&session), There);
}

#[test]
fn who_ends_a_call_that_was_heard_is_seen_as_there() {
    let (mut session, _media, _prepared) = caller();
    becomes(&mut session, Connected);
    becomes(&mut session, Closed);
    assert_eq!(seen(&session), There);
}

#[test]
fn who_is_silent_and_enters_another_room_or_calls_anew_is_seen_as_they_are() {
    let (mut session, _media, _prepared) = caller();
    becomes(&mut session, Connected);
    becomes(&mut session, Disconnected);
    session.answer(ClientMessage::Leave { id: None });
    join(&mut session, "coffee");
    assert_eq!(seen(&session), Reconnecting);
    let answered = session.answer(another_offer());
    assert!(is_answered(&answered), "{answered:?}");
    assert_eq!(seen(&session), There);
}

#[test]
fn where_a_room_takes_nothing_of_what_was_published_in_another_nothing_is_published() {
    let (mut session, _media, _prepared) = caller();
    let publishes = |session: &Session| match &*session.sections.plan() {
        Plan::Room { publishes, .. } => publishes.len(),
        Plan::Echo => panic!("it is for a room"),
    };
    assert_eq!(publishes(&session), 1);
    let mut other = guest(session.signalling.clone());
    join(&mut other, "full");
    let both = [
        publish("mic", Source::Microphone),
        publish("cam", Source::Camera),
    ];
    other.answer(offering(both));
    assert_eq!(publishes(&other), 2);
    session.answer(ClientMessage::Leave { id: None });
    let joined = join(&mut session, "full");
    let is_refusal = |message: &ServerMessage| {
        let code = ErrorCode::LimitExceeded;
        matches!(message, ServerMessage::Error { code: it, .. } if *it == code)
    };
    assert!(joined.iter().any(is_refusal), "{joined:?}");
    assert_eq!(publishes(&session), 0);
}

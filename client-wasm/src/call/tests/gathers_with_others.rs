//! The server says other ICE servers in the middle of a call: the next ICE restart gathers with them.

use ferrite_protocol::IceServer;

use super::*;

fn server(name: &str) -> Vec<IceServer> {
    vec![IceServer {
        urls: vec!["turn:192.0.2.1:3478?transport=tcp".to_owned()],
        username: Some(name.to_owned()),
        credential: Some("secret".to_owned()),
    }]
}

fn told(name: &str) -> ServerMessage {
    ServerMessage::IceServers {
        ice_servers: server(name),
    }
}

fn breaks(rig: &mut Rig) -> Vec<Effect> {
    let mut effects = rig.feed(Input::PeerState(PeerState::Disconnected));
    effects.retain(|effect| *effect != ping());
    effects
}

#[test]
fn the_next_restart_gathers_with_the_latest_and_those_after_it_change_nothing() {
    let mut rig = Rig::connected();
    assert_eq!(rig.hear(told("one")), []);
    assert_eq!(rig.hear(told("two")), []);
    let latest = Effect::GatherWith(server("two"));
    assert_eq!(breaks(&mut rig), [latest, Effect::RestartIce]);
    assert_eq!(rig.fire(Timer::Path), [Effect::RestartIce]);
}

#[test]
fn the_next_peer_connection_has_them_from_the_start() {
    let mut rig = Rig::connected();
    rig.hear(told("one"));
    rig.feed(Input::HangUp);
    let created = rig.feed(Input::Start);
    assert!(created.contains(&Effect::CreatePeer(server("one"))));
    rig.reconnects();
    assert_eq!(breaks(&mut rig), [Effect::RestartIce]);
}

#[test]
fn a_path_that_is_not_there_yet_is_looked_for_with_them_at_once() {
    let (mut rig, id) = Rig::asking();
    rig.hear(answer(id));
    rig.feed(Input::AnswerApplied(Ok(())));
    let latest = Effect::GatherWith(server("one"));
    assert_eq!(rig.hear(told("one")), [latest, Effect::RestartIce]);
    // The same again is no news.
    assert_eq!(rig.hear(told("one")), []);
}

#[test]
fn who_calls_nobody_only_keeps_them() {
    let mut rig = Rig::new();
    rig.feed(Input::Connect);
    rig.feed(Input::SocketOpened);
    rig.hear(welcome(false));
    assert_eq!(rig.hear(told("one")), []);
    assert_eq!(rig.feed(Input::RestartIce), []);
    let created = rig.feed(Input::Start);
    assert!(created.contains(&Effect::CreatePeer(server("one"))));
}

//! What a session opens relays with lasts for a while only, and for no moment of a call is there none that is good.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use ferrite_protocol::{IceServer, ServerMessage};
use ferrite_server::Server;

use crate::support::relay::Relay;
use crate::support::{Client, start, with};

mod support;

/// Who may open a relay.
struct Login(String, String);

impl Login {
    fn of(ice_servers: &[IceServer]) -> Self {
        let ours = &ice_servers[0];
        let (name, password) = (ours.username.clone(), ours.credential.clone());
        Self(name.unwrap(), password.unwrap())
    }

    fn opens(&self, server: &Server) -> Option<Relay> {
        Relay::ask_for(server.media_port(), &self.0, &self.1)
    }
}

async fn greeted(server: &Server) -> (Client, Login) {
    let mut client = Client::connect(server).await;
    client.send_text(r#"{"type":"hello","version":1}"#).await;
    match client.receive().await {
        ServerMessage::Welcome { ice_servers, .. } => (client, Login::of(&ice_servers)),
        other => panic!("expected a welcome, got {other:?}"),
    }
}

async fn told_others(client: &mut Client) -> Login {
    Login::of(&client.ice_servers().await)
}

async fn left(client: &mut Client) {
    match client.receive_message().await {
        ServerMessage::Left { .. } => {}
        other => panic!("expected to have left, got {other:?}"),
    }
}

#[tokio::test]
async fn others_come_before_they_expire_and_an_open_relay_goes_on() {
    let short = |config: &mut ferrite_server::Config| {
        config.turn.credential_time = Duration::from_secs(6);
    };
    let server = start(with(short)).await;
    let (mut client, first) = greeted(&server).await;
    let relay = first.opens(&server).unwrap();
    // One comes every three seconds: with the third the first is over, by whatever clock.
    for _ in 0..3 {
        let next = told_others(&mut client).await;
        assert!(next.opens(&server).is_some());
    }
    assert!(first.opens(&server).is_none());
    assert!(relay.is_kept());
}

#[tokio::test]
async fn who_is_made_to_leave_a_room_has_others_and_relays_end() {
    let server = start(with(|_| {})).await;
    let mut host = Client::connect(&server).await;
    host.join("kitchen").await;
    let (mut guest, login) = greeted(&server).await;
    let (participant, _) = guest.join("kitchen").await;
    let relay = login.opens(&server).unwrap();
    assert!(relay.is_kept());
    let kick = format!(r#"{{"type":"kick","participant":"{participant}"}}"#);
    host.send_text(&kick).await;
    left(&mut guest).await;
    let others = told_others(&mut guest).await;
    assert!(!relay.is_kept() && login.opens(&server).is_none());
    assert!(others.opens(&server).is_some());
}

/// Its call goes on, and may go by that relay.
#[tokio::test]
async fn who_leaves_a_room_keeps_its_relays() {
    let server = start(with(|_| {})).await;
    let (mut guest, login) = greeted(&server).await;
    guest.join("kitchen").await;
    let relay = login.opens(&server).unwrap();
    guest.send_text(r#"{"type":"leave"}"#).await;
    left(&mut guest).await;
    assert!(relay.is_kept() && login.opens(&server).is_some());
}

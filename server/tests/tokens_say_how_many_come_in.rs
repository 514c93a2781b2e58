//! The token of who makes a room says how many may be in it at a time.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use ferrite_protocol::ErrorCode;
use ferrite_server::auth::Grants;
use serde_json::json;

use crate::support::Client;
use crate::support::keys::closed;

mod support;

async fn join(client: &mut Client, token: &str) {
    let join = json!({"type": "join", "id": 7, "room": "tea", "token": token});
    client.send_text(&join.to_string()).await;
}

#[tokio::test]
async fn a_room_for_two_is_full_with_two() {
    let (server, mint) = closed(|_| ()).await;
    let (mut ann, _) = Client::greeted(&server).await;
    let (mut bob, _) = Client::greeted(&server).await;
    let (mut cid, _) = Client::greeted(&server).await;
    join(&mut ann, &mint.token_for_room_of(2, "ann", Grants::all())).await;
    ann.joined().await;
    let token = mint.token("bob", Grants::all());
    join(&mut bob, &token).await;
    bob.joined().await;
    // Another token lets nobody else in, whatever it says.
    let larger = mint.token_for_room_of(9, "bob", Grants::all());
    let authorize = json!({"type": "authorize", "token": larger});
    bob.send_text(&authorize.to_string()).await;
    let third = mint.token_for_room_of(9, "cid", Grants::all());
    join(&mut cid, &third).await;
    let full = "the room is full: it has 2 participants".to_owned();
    let refused = (Some(7), ErrorCode::LimitExceeded, full);
    assert_eq!(cid.error().await, refused);
    bob.leave().await;
    ann.told(|message| (message.type_name() == "participantLeft").then_some(()))
        .await;
    join(&mut cid, &third).await;
    cid.joined().await;
}

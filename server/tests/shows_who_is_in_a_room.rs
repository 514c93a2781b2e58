//! Who is in a room, told to somebody who is not in it yet, if they may come in.
#![allow(
    clippy::unwrap_used,
    reason = "a test may panic, and so may its helpers"
)]

use std::time::{Duration, SystemTime};

use ferrite_server::Server;
use ferrite_server::auth::{Grants, Key, Keys, Ticket, mint};
use serde_json::{Value, json};

use crate::support::http::get;
use crate::support::{Client, config, start, with};

mod support;

async fn enter(server: &Server, name: &str) -> Client {
    let (mut client, _) = Client::greeted(server).await;
    let join = json!({ "type": "join", "room": "tea time", "name": name });
    client.send_text(&join.to_string()).await;
    client.joined().await;
    client
}

async fn seen(server: &Server, headers: &[(&str, &str)]) -> (u16, Option<Value>) {
    let reply = get(server.addr(), "/r/tea%20time/people", headers).await;
    assert_eq!(reply.must("cache-control"), "no-store");
    let body = (reply.status == 200).then(|| serde_json::from_slice(&reply.body).unwrap());
    (reply.status, body)
}

#[tokio::test]
async fn whoever_may_come_in_sees_who_is_there() {
    let server = start(config()).await;
    let nobody = json!({ "count": 0, "names": [] });
    assert_eq!(seen(&server, &[]).await, (200, Some(nobody)));
    let (_ann, _nameless) = (enter(&server, "Ann").await, enter(&server, "").await);
    let two = json!({ "count": 2, "names": ["Ann"] });
    assert_eq!(seen(&server, &[]).await, (200, Some(two)));
    let mut crowd = Vec::new();
    for number in 0..14 {
        crowd.push(enter(&server, &number.to_string()).await);
    }
    let (_, many) = seen(&server, &[]).await;
    let many = many.unwrap();
    assert_eq!(many["count"], 16);
    assert_eq!(many["names"].as_array().unwrap().len(), 12);
}

#[tokio::test]
async fn where_tokens_are_asked_for_one_is_to_see_and_who_is_hidden_is_not() {
    let mut keys = Keys::default();
    let secret = Key::secret("a secret of thirty-two bytes, or so").unwrap();
    keys.add("key", secret).unwrap();
    let server = start(with(|config| config.tokens.keys = keys.clone())).await;
    let token = |room: &str, name: &str, grants| {
        let now = SystemTime::now();
        let ticket = Ticket {
            identity: name.to_owned(),
            name: Some(name.to_owned()),
            metadata: None,
            grants,
            max_participants: None,
            expires: now + Duration::from_secs(600),
        };
        mint(&keys, &ticket, room, now).unwrap()
    };
    let hidden = Grants {
        hidden: true,
        ..Grants::all()
    };
    let mut inside = Vec::new();
    for (name, grants) in [("ann", Grants::all()), ("eve", hidden)] {
        let (mut client, _) = Client::greeted(&server).await;
        let token = token("tea time", name, grants);
        let join = json!({ "type": "join", "room": "tea time", "token": token });
        client.send_text(&join.to_string()).await;
        client.joined().await;
        inside.push(client);
    }
    let shown = |token: String| format!("Bearer {token}");
    let fits = shown(token("tea time", "bob", Grants::all()));
    let ann = json!({ "count": 1, "names": ["ann"] });
    assert_eq!(
        seen(&server, &[("authorization", &fits)]).await,
        (200, Some(ann))
    );
    let elsewhere = shown(token("attic", "bob", Grants::all()));
    assert_eq!(
        seen(&server, &[("authorization", &elsewhere)]).await,
        (204, None)
    );
    assert_eq!(seen(&server, &[]).await, (204, None));
}

/// Whoever tries out the names of rooms gets no further than a crowd at its doors.
#[tokio::test]
async fn an_address_asks_only_so_often() {
    let server = start(config()).await;
    let mut answers = Vec::new();
    while !answers.contains(&429) && answers.len() < 10_000 {
        let reply = get(server.addr(), "/r/tea/people", &[]).await;
        answers.push(reply.status);
    }
    assert!(answers.len() > 200, "{}", answers.len());
    assert_eq!(answers.pop(), Some(429));
    assert!(answers.iter().all(|status| *status == 200));
}

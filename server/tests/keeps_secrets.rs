//! What the log tells, and what it does not.

use ferrite_protocol::ClientMessage;

use crate::support::Client;
use crate::support::process::Running;

mod support;

#[tokio::test]
async fn sessions_can_be_followed_without_tokens_descriptions_or_addresses() {
    let server = Running::start(&["--log-format", "json", "--log", "info"]).await;
    let mut client = Client::connect_with(server.addr, &[]).await.unwrap();
    let first = client.hello(None).await;
    client.join("hideout").await;
    client
        .send(ClientMessage::Offer {
            id: None,
            sdp: "v=0\r\no=marker".to_owned(),
        })
        .await;
    client.error().await;
    client.send_text(r#"{"type":"marker"}"#).await;
    client.error().await;
    client.drop_connection().await;
    let mut client = Client::connect_with(server.addr, &[]).await.unwrap();
    let second = client.hello(Some(&first.token)).await;
    assert!(second.resumed);
    client.joined().await;
    let (_, _, log) = server.end("-TERM").await;

    let (_, secret) = first.token.0.split_once('.').unwrap();
    for hidden in [secret, "marker", "hideout", "127.0.0.1"] {
        assert!(!log.contains(hidden), "{hidden} in {log}");
    }
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let said = |message: &str| {
        lines.iter().any(|line| {
            line["fields"]["message"] == message && line["span"]["id"] == first.session.as_str()
        })
    };
    for message in ["opened", "joined a room", "resumed"] {
        assert!(said(message), "{message} in {log}");
    }
}

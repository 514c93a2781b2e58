//! How many files the process may have open: every client is one.

use crate::support::Client;
use crate::support::process::Running;

mod support;

const ADVICE: &str = "raise `ulimit -n`";

#[tokio::test]
async fn more_clients_than_the_shell_allows_files() {
    let server = Running::start_limited("-Sn 128").await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        let mut client = Client::connect_with(server.addr, &[]).await.unwrap();
        client.hello(None).await;
        clients.push(client);
    }
    let (status, _, log) = server.end("-TERM").await;
    assert_eq!(status.code(), Some(0));
    assert!(!log.contains(ADVICE), "{log}");
}

#[tokio::test]
async fn a_limit_that_is_too_low_for_its_sessions_is_said() {
    let server = Running::start_limited("-n 512").await;
    let (_, _, log) = server.end("-TERM").await;
    assert!(log.contains(ADVICE) && log.contains("allowed=512"), "{log}");
}

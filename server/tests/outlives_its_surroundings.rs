//! What the machine does to the process: nobody reads its log, the disk is full, no file is left. None
//! of it ends a session, and the server ends as it should.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::fs::File;

use tokio::net::TcpStream;

use crate::support::Client;
use crate::support::process::Running;

mod support;

async fn serves_and_ends_well(server: Running, witness: &mut Client) -> String {
    for _ in 0..3 {
        let mut client = Client::connect_with(server.addr, &[]).await.unwrap();
        client.hello(None).await;
        client.is_served().await;
    }
    witness.is_served().await;
    let (status, _, log) = server.end("-TERM").await;
    assert_eq!(status.code(), Some(0), "{status}");
    log
}

async fn greeted(server: &Running) -> Client {
    let mut client = Client::connect_with(server.addr, &[]).await.unwrap();
    client.hello(None).await;
    client
}

#[tokio::test]
async fn a_log_that_nobody_reads_any_more() {
    for format in ["text", "json"] {
        let mut server = Running::start(&["--log-format", format]).await;
        let mut witness = greeted(&server).await;
        server.close_log();
        serves_and_ends_well(server, &mut witness).await;
    }
}

#[tokio::test]
async fn a_log_on_a_full_disk() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let server = Running::start_logging_to(full, &[]).await;
    let mut witness = greeted(&server).await;
    serves_and_ends_well(server, &mut witness).await;
}

/// Whatever reads the log stands still: a pipe takes 64 KiB, and then makes its writer wait.
#[tokio::test]
async fn a_log_whose_reader_stands_still() {
    let server = Running::start(&["--log", "trace", "--max-message-rate", "100000"]).await;
    let mut witness = greeted(&server).await;
    for _ in 0..1000 {
        witness.is_served().await;
    }
    let log = serves_and_ends_well(server, &mut witness).await;
    assert!(log.len() > 48 * 1024, "{} bytes", log.len());
}

/// Every file that the process may have is somebody's connection, and most of them want nothing.
#[tokio::test]
async fn no_file_is_left_for_one_more_connection() {
    let server = Running::start_limited("-n 64").await;
    let mut witness = greeted(&server).await;
    let mut idle = Vec::new();
    for _ in 0..120 {
        idle.push(TcpStream::connect(server.addr).await.unwrap());
    }
    let log = serves_and_ends_well(server, &mut witness).await;
    let said = log.matches("a connection was not accepted").count();
    assert_eq!(said, 1, "{log}");
    assert!(log.contains("raise `ulimit -n`"), "{log}");
}

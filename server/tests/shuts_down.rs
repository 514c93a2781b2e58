//! What becomes of the process and its clients when it is told to stop.

use std::time::Duration;

use ferrite_protocol::ServerMessage;
use ferrite_server::Server;
use tokio::time::timeout;

use crate::support::process::Running;
use crate::support::{Client, PATIENCE, config, start};

mod support;

/// Nothing that a client does or leaves undone is waited for longer. Ten times what is promised, as machines are slow.
const LIMIT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn clients_are_told_and_the_process_ends_well() {
    for signal in ["-TERM", "-INT"] {
        let server = Running::start(&[]).await;
        let mut greeted = Client::connect_with(server.addr, &[]).await.unwrap();
        greeted.hello(None).await;
        let mut plain = Client::connect_with(server.addr, &[]).await.unwrap();
        plain.is_served().await;
        let mut mute = Client::connect_with(server.addr, &[]).await.unwrap();

        let clients = async {
            for client in [&mut greeted, &mut plain, &mut mute] {
                match client.receive().await {
                    ServerMessage::GoingAway { retry_after_ms } => assert!(retry_after_ms > 0),
                    other => panic!("{other:?}"),
                }
                assert_eq!(client.closed().await, 1001);
            }
        };
        let ((status, took, _), ()) = tokio::join!(server.end(signal), clients);
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(took < LIMIT, "{signal}: {took:?}");
    }
}

#[tokio::test]
async fn a_client_that_does_not_listen_holds_nothing_up() {
    let server = Running::start(&[]).await;
    let mut deaf = Client::connect_with(server.addr, &[]).await.unwrap();
    deaf.hello(None).await;
    let parked = Client::connect_with(server.addr, &[]).await.unwrap();
    parked.drop_connection().await;
    let idle = tokio::net::TcpStream::connect(server.addr).await.unwrap();
    let (status, took, _) = server.end("-TERM").await;
    assert_eq!(status.code(), Some(0));
    assert!(took < LIMIT, "{took:?}");
    drop((deaf, idle));
}

#[tokio::test]
async fn the_ports_are_free_afterwards() {
    let server = start(config()).await;
    let (addr, media_port) = (server.addr(), server.media_port());
    server.shutdown().await;
    let mut again = config();
    again.http.listen = addr;
    again.media.port = media_port;
    // A process that a test beside this one starts has all that is open here, until it is another program.
    let begun = async {
        loop {
            match Server::start(again.clone()).await {
                Ok(server) => break server,
                Err(error) => assert!(format!("{error:#}").contains("in use"), "{error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let server = timeout(PATIENCE, begun).await.unwrap();
    assert_eq!(server.addr(), addr);
}

/// What a closed terminal sends, and what other servers read their settings anew for.
#[tokio::test]
async fn a_hang_up_of_the_terminal_ends_nothing_and_says_so() {
    let mut server = Running::start(&[]).await;
    let mut client = Client::connect_with(server.addr, &[]).await.unwrap();
    client.hello(None).await;
    server.signal("-HUP").await;
    server.logged("SIGHUP changes nothing").await;
    client.is_served().await;
    let (status, ..) = server.end("-TERM").await;
    assert_eq!(status.code(), Some(0));
}

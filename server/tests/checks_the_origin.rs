//! Whose pages may open a session.

use ferrite_server::Server;
use tokio_tungstenite::tungstenite::Error;

use crate::support::{Client, config, start, with};

mod support;

/// Connects as a page of this origin would; says the status if it is refused.
async fn connect(server: &Server, origin: &str) -> Result<(), u16> {
    match Client::connect_with(server.addr(), &[("origin", origin)]).await {
        Ok(mut client) => {
            client.is_served().await;
            Ok(())
        }
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_page_of_this_server_is_served() {
    let server = start(config()).await;
    let own = format!("http://{}", server.addr());
    assert_eq!(connect(&server, &own).await, Ok(()));
}

#[tokio::test]
async fn a_page_of_another_server_is_refused() {
    let server = start(config()).await;
    let other_port = format!("http://127.0.0.1:{}", server.addr().port() ^ 1);
    for origin in ["http://evil.example", "null", &other_port] {
        assert_eq!(connect(&server, origin).await, Err(403), "{origin}");
    }
}

#[tokio::test]
async fn the_configuration_names_others_that_are_served() {
    let server = start(with(|config| {
        config.http.allowed_origins = vec!["https://app.example".parse().unwrap()]
    }))
    .await;
    assert_eq!(connect(&server, "https://app.example").await, Ok(()));
    assert_eq!(connect(&server, "http://app.example").await, Err(403));
}

#[tokio::test]
async fn a_program_that_is_no_browser_is_served() {
    let server = start(config()).await;
    let mut client = Client::connect_with(server.addr(), &[]).await.unwrap();
    client.is_served().await;
}

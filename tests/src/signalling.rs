//! The tutorial's signalling, for peers that bring none: an offer goes out, its answer comes back.
//! Knows nothing of what the descriptions say.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{Server, wait};

/// A WebSocket to the server. Dropping it ends the session.
#[derive(Debug)]
pub struct Signalling {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Signalling {
    /// Opens the WebSocket.
    pub async fn connect(server: &Server) -> Result<Self> {
        let url = server.url("/ws").replacen("http", "ws", 1);
        let (socket, _) = connect_async(url).await.context("the WebSocket")?;
        Ok(Self { socket })
    }

    /// Sends an offer, and waits for the answer, which has the server's candidates inside. What the
    /// server refuses is an error.
    pub async fn offer(&mut self, sdp: &str) -> Result<String> {
        let offer = json!({ "type": "offer", "sdp": sdp }).to_string();
        self.socket.send(Message::text(offer)).await?;
        tokio::time::timeout(wait::PATIENCE, self.answer())
            .await
            .context("no answer to an offer")?
    }

    async fn answer(&mut self) -> Result<String> {
        loop {
            let frame = self.socket.next().await.context("the server closed")??;
            let Message::Text(text) = frame else { continue };
            let message: Value = serde_json::from_str(&text)?;
            match (message["type"].as_str(), message["sdp"].as_str()) {
                (Some("answer"), Some(sdp)) => return Ok(sdp.to_owned()),
                (Some("error"), _) => bail!("the server says {message}"),
                _ => {}
            }
        }
    }
}

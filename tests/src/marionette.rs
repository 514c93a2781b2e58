//! Firefox's own remote protocol, without the geckodriver that other clients put before it: frames
//! of `length:json` over TCP, `[0, id, command, parameters]` there and `[1, id, error, result]`
//! back. Knows nothing of what the commands do.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

/// The longest frame that is read: a screenshot is a few hundred kilobytes.
const MAX_FRAME: usize = 64 << 20;

/// A connection to Firefox.
#[derive(Debug)]
pub struct Marionette {
    stream: BufStream<TcpStream>,
    last: u64,
}

impl Marionette {
    /// Connects to the Firefox that listens on this port.
    pub async fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let mut connection = Self {
            stream: BufStream::new(stream),
            last: 0,
        };
        let greeting = connection.read().await?;
        ensure!(greeting["marionetteProtocol"] == 3, "greeted by {greeting}");
        Ok(connection)
    }

    /// Sends a command, and waits for its result.
    pub async fn command(&mut self, name: &str, parameters: Value) -> Result<Value> {
        self.last += 1;
        let frame = json!([0, self.last, name, parameters]).to_string();
        let frame = format!("{}:{frame}", frame.len());
        self.stream.write_all(frame.as_bytes()).await?;
        self.stream.flush().await?;
        let [_, id, error, result] = serde_json::from_value(self.read().await?)?;
        ensure!(id == self.last, "an answer to {id}, not to {}", self.last);
        if let Value::Object(error) = &error {
            bail!("{name}: {}", error["message"].as_str().unwrap_or_default());
        }
        Ok(result)
    }

    async fn read(&mut self) -> Result<Value> {
        let mut length = Vec::new();
        let stream = &mut self.stream;
        // Firefox says at most twenty digits.
        stream.take(20).read_until(b':', &mut length).await?;
        let digits = length.strip_suffix(b":").context("a frame of no length")?;
        let length: usize = str::from_utf8(digits)?.parse()?;
        ensure!(length <= MAX_FRAME, "a frame of {length} bytes");
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame).await?;
        Ok(serde_json::from_slice(&frame)?)
    }
}

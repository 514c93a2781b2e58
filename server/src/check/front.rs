//! The front door as somebody sees it who comes to it: whether it says that it is well.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::asking::{Failure, PATIENCE, connect};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Its answer is shorter, headers and all.
const MAX_ANSWER: u64 = 4096;

/// Asks over HTTP.
pub(super) async fn knock(server: SocketAddr) -> Result<Duration, Failure> {
    let stream = connect(server).await?;
    knock_on(stream, server).await
}

/// Asks over a stream of any kind.
pub(super) async fn knock_on(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    server: SocketAddr,
) -> Result<Duration, Failure> {
    let asked = Instant::now();
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {server}\r\nconnection: close\r\n\r\n");
    let asking = async {
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
        Ok::<_, Failure>(answer)
    };
    let answer = timeout(PATIENCE, asking).await;
    let answer = answer.map_err(|_| Failure::Silent)??;
    match answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"ok") {
        true => Ok(asked.elapsed()),
        false => Err(Failure::Strange(first_line(&answer))),
    }
}

fn first_line(answer: &[u8]) -> String {
    let first = answer.split(|byte| *byte == b'\r' || *byte == b'\n').next();
    let text = String::from_utf8_lossy(first.unwrap_or_default());
    text.chars()
        .take(100)
        .filter(|it| !it.is_control())
        .collect()
}

//! Somebody's own site: a page of another origin than the server's, with nothing on it. Knows nothing
//! of who visits it.

use anyhow::Result;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

const PAGE: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\
                    connection: close\r\n\r\n<!doctype html>";

/// A running site. Dropping it ends it.
#[derive(Debug)]
pub struct Site {
    origin: String,
    task: JoinHandle<()>,
}

impl Site {
    /// Starts one on a port that the system chooses.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(serve(listener));
        Ok(Self { origin, task })
    }

    /// What browsers call it in `Origin`, and the address of its page.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener) {
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                visits.spawn(show(stream));
            }
            Some(_) = visits.join_next() => {}
        }
    }
}

/// Gives the page to whatever is asked for.
async fn show(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 2 {
        line.clear();
    }
    stream.write_all(PAGE.as_bytes()).await?;
    stream.shutdown().await
}

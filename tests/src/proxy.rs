//! A TCP proxy of a test's own in front of a server: what goes through it can be cut while
//! everything else goes on, or arrive late. Knows nothing of what it carries.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};

/// Pieces that are under way at a time, one way. More wait to be read.
const UNDER_WAY: usize = 256;

/// A running proxy. Dropping it cuts everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    open: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts one before the server at `target`, on a port that the system chooses.
    pub async fn start(target: String) -> Result<Self> {
        Self::slow(target, Duration::ZERO).await
    }

    /// Starts one whose ways there and back take so long, each.
    pub async fn slow(target: String, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (open, watched) = watch::channel(true);
        let task = tokio::spawn(accept(listener, target, delay, watched));
        Ok(Self {
            address,
            open,
            task,
        })
    }

    /// The URL of a page behind the proxy; `path` begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Breaks every connection, and each new one until [`mend`](Self::mend).
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Lets connections through again.
    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    target: String,
    delay: Duration,
    open: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(carry(stream, target.clone(), delay, open.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn carry(
    mut near: TcpStream,
    target: String,
    delay: Duration,
    mut open: watch::Receiver<bool>,
) {
    if !*open.borrow_and_update() {
        return;
    }
    let Ok(mut far) = TcpStream::connect(&target).await else {
        return;
    };
    let (near_read, near_write) = near.split();
    let (far_read, far_write) = far.split();
    let there = copy_late(near_read, far_write, delay);
    let back = copy_late(far_read, near_write, delay);
    // Both ends see the connection break when this returns, however it does.
    tokio::select! {
        _ = async { tokio::join!(there, back) } => {}
        _ = open.wait_for(|open| !open) => {}
    }
}

/// Copies to the end, which arrives late, too. An end that is not read any more is as good as one.
async fn copy_late(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay: Duration,
) {
    let (sender, mut receiver) = mpsc::channel(UNDER_WAY);
    let reading = async move {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let piece = (Instant::now() + delay, buffer[..length].to_vec());
            if sender.send(piece).await.is_err() {
                break;
            }
        }
        drop(sender);
    };
    let writing = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(reading, writing);
}

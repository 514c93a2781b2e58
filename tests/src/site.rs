//! Somebody's own site: pages of another origin than the server's, with nothing on them or with files of theirs.
//! Knows nothing of who visits it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A running site. Dropping it ends it.
#[derive(Debug)]
pub struct Site {
    origin: String,
    task: JoinHandle<()>,
}

impl Site {
    /// Starts one, with an empty page at every address, on a port that the system chooses.
    pub async fn start() -> Result<Self> {
        Self::serving(None).await
    }

    /// Starts one with the files of a directory, on a port that the system chooses.
    pub async fn of(directory: &Path) -> Result<Self> {
        Self::serving(Some(directory.to_owned())).await
    }

    async fn serving(directory: Option<PathBuf>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let task = tokio::spawn(serve(listener, directory));
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

async fn serve(listener: TcpListener, directory: Option<PathBuf>) {
    let mut visits = JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                visits.spawn(show(stream, directory.clone()));
            }
            Some(_) = visits.join_next() => {}
        }
    }
}

async fn show(stream: TcpStream, directory: Option<PathBuf>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let (mut request, mut line) = (String::new(), String::new());
    stream.read_line(&mut request).await?;
    while stream.read_line(&mut line).await? > 2 {
        line.clear();
    }
    let (status, kind, content) = match directory {
        None => ("200 OK", "text/html", b"<!doctype html>".to_vec()),
        Some(directory) => {
            let file = directory.join(asked(&request));
            match tokio::fs::read(&file).await {
                Ok(content) => ("200 OK", content_type(&file), content),
                Err(_) => ("404 Not Found", "text/plain", Vec::new()),
            }
        }
    };
    let length = content.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&content).await?;
    stream.shutdown().await
}

/// The file that a request's first line names. Only browsers of ours ask.
fn asked(request: &str) -> &str {
    let target = request.split(' ').nth(1).unwrap_or("/");
    let path = target.split('?').next().unwrap_or("/");
    match path.trim_start_matches('/') {
        "" => "index.html",
        path => path,
    }
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(OsStr::to_str) {
        Some("html") => "text/html",
        Some("js") => "text/javascript",
        Some("css") => "text/css",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

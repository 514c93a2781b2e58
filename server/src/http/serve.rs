//! The accept loop: from TCP connections to requests.
//!
//! It owns the limits a connection has before it is a WebSocket: how many there are, how long the
//! headers may take, how long one may live. It knows nothing of what is served.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::Remote;
use crate::config::Config;
use crate::network::is_among;
use crate::shares::Shares;

/// Connections at a time. Further ones wait in the kernel. A WebSocket counts only until it is one.
pub const MAX_CONNECTIONS: usize = 1024;
/// Those of one address that is no trusted proxy. Further ones are closed.
pub(crate) const MAX_CONNECTIONS_PER_ADDRESS: usize = 256;
/// Also how long an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one connection may take for all its requests, however slowly it reads.
const LIFETIME: Duration = Duration::from_secs(600);
/// After a failure that is not one connection's: most likely there is no free file descriptor.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, then drops what connections there are.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: Arc<Config>,
    stop: CancellationToken,
) {
    // Where one address may have all sessions, it may have all connections.
    let by_address = Shares::new(match config.limits.sessions_per_address {
        0 => 0,
        _ => MAX_CONNECTIONS_PER_ADDRESS,
    });
    let unlimited = Shares::new(0);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    let accepting = async {
        loop {
            let Ok(place) = places.clone().acquire_owned().await else {
                return;
            };
            let (stream, remote) = accept(&listener).await;
            let shares = match is_among(remote.ip(), &config.http.trusted_proxies) {
                true => &unlimited,
                false => &by_address,
            };
            let Some(share) = shares.take(remote.ip()) else {
                debug!(%remote, "one connection too many");
                continue;
            };
            let connection = connection(stream, remote, router.clone());
            let stop = stop.clone();
            connections.spawn(async move {
                let living = tokio::time::timeout(LIFETIME, connection);
                if let Some(Err(_)) = stop.run_until_cancelled(living).await {
                    debug!(%remote, "a connection took too long");
                }
                drop((place, share));
            });
        }
    };
    stop.run_until_cancelled(accepting).await;
    connections.close();
    connections.wait().await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                warn!(%error, "a connection was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, remote: SocketAddr, router: Router) {
    // Signalling is small messages, each of which somebody waits for.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%remote, %error, "TCP_NODELAY");
    }
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Remote(remote));
        router.clone().oneshot(request)
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        debug!(%remote, %error, "a connection ended badly");
    }
}

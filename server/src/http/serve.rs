//! The accept loops: from TCP connections to requests, or to the media plane where they carry TURN.
//!
//! It owns what a connection may do before it is a WebSocket: how long TLS and the headers may take, how long
//! it may live. Who has to go where there are too many, [`door`](super::door) says. It knows nothing of what
//! is served.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use futures_util::future::join_all;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use super::door::{self, Door, MAX_CONNECTIONS_PER_ADDRESS};
use super::secure::{self, Spoken};
use super::{Remote, plain_router};
use crate::config::Config;
use crate::media::MediaPlane;
use crate::network::{end_site, is_among};
use crate::rate::{Rate, Sources};
use crate::seldom::Seldom;

/// Also how long an idle connection is kept, and how long the handshake of TLS may take.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(20);
/// How long one connection may take for all its requests, however slowly it reads.
const LIFETIME: Duration = Duration::from_secs(600);
/// After a failure that is not one connection's: most likely there is no free file descriptor.
const PAUSE: Duration = Duration::from_millis(100);

/// After one gave up its own.
const CLOSING: Duration = Duration::from_millis(2);

/// What all connections share.
struct Entrance {
    router: Router,
    /// With TLS; and what is answered to those who come without.
    tls: Option<(TlsAcceptor, Router)>,
    media: MediaPlane,
    config: Arc<Config>,
    door: Mutex<Door<CancellationToken>>,
    /// Handshakes of TLS: each costs a signature, and whoever asks for one nothing.
    handshakes: Option<Mutex<Sources>>,
    failures: Seldom,
}

/// Handshakes of an address a second, and at once after a quiet time.
pub(crate) const HANDSHAKES: (u32, u32) = (20, 400);

/// Where connections come in.
pub(crate) struct Ports {
    /// For HTTP; with TLS for HTTPS, and for TURN.
    pub(crate) listen: TcpListener,
    /// For TURN over TLS alone.
    pub(crate) turns: Vec<TcpListener>,
    /// With it nothing is served without.
    pub(crate) tls: Option<TlsAcceptor>,
}

/// What is served at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Served {
    Everything,
    Turn,
}

/// Serves until `stop`, then drops what connections there are, but those that are the media plane's.
pub(crate) async fn serve(
    ports: Ports,
    router: Router,
    media: MediaPlane,
    config: Arc<Config>,
    stop: CancellationToken,
) {
    // Where one address may have all sessions, it may have all connections.
    let limited = config.limits.sessions_per_address > 0;
    let entrance = Arc::new(Entrance {
        router,
        tls: ports.tls.map(|tls| (tls, plain_router())),
        media,
        config,
        door: Mutex::new(Door::new(limited.then_some(MAX_CONNECTIONS_PER_ADDRESS))),
        handshakes: limited
            .then(|| Mutex::new(Sources::new(Rate::new(HANDSHAKES.0, HANDSHAKES.1)))),
        failures: Seldom::default(),
    });
    let connections = TaskTracker::new();
    let accepting = async |listener: TcpListener, served: Served| -> Infallible {
        loop {
            let (stream, remote) = entrance.accept(&listener).await;
            let guest = entrance.clone().enter(remote, stop.child_token());
            connections.spawn(guest.serve(stream, remote, served));
        }
    };
    let turns = ports.turns.into_iter();
    let turns = join_all(turns.map(|listener| accepting(listener, Served::Turn)));
    let listen = accepting(ports.listen, Served::Everything);
    stop.run_until_cancelled(async { tokio::join!(listen, turns) })
        .await;
    connections.close();
    connections.wait().await;
}

impl Entrance {
    async fn accept(&self, listener: &TcpListener) -> (TcpStream, SocketAddr) {
        loop {
            match listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => self.make_room(&error).await,
            }
        }
    }

    /// There is no file for one more connection: one that nobody would miss gives up its own.
    async fn make_room(&self, error: &std::io::Error) {
        if let Some(left_out) = self.failures.admit(Instant::now()) {
            warn!(%error, left_out, "a connection was not accepted: raise `ulimit -n` if files are short");
        }
        let idle = self.door().shed();
        let pause = idle.as_ref().map_or(PAUSE, |_| CLOSING);
        if let Some(idle) = idle {
            idle.cancel();
        }
        tokio::time::sleep(pause).await;
    }

    fn enter(self: Arc<Self>, remote: SocketAddr, close: CancellationToken) -> Guest {
        let proxy = is_among(remote.ip(), &self.config.http.trusted_proxies);
        let (address, now) = (end_site(remote.ip()), Instant::now());
        let (number, gone) = self.door().enter(address, proxy, close.clone(), now);
        if let Some(gone) = gone {
            gone.cancel();
        }
        Guest {
            entrance: self,
            number,
            close,
        }
    }

    /// Whether one more handshake of an address is within the limit.
    fn may_shake_hands(&self, remote: SocketAddr) -> bool {
        let Some(handshakes) = &self.handshakes else {
            return true;
        };
        if is_among(remote.ip(), &self.config.http.trusted_proxies) {
            return true;
        }
        let mut handshakes = handshakes.lock().unwrap_or_else(PoisonError::into_inner);
        handshakes.admit(Instant::now(), remote.ip())
    }

    fn door(&self) -> MutexGuard<'_, Door<CancellationToken>> {
        // No step under this lock can leave the table half changed.
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place at the door, until it is dropped.
struct Guest {
    entrance: Arc<Entrance>,
    number: door::Number,
    close: CancellationToken,
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.entrance.door().leave(self.number);
    }
}

impl Guest {
    async fn serve(self, stream: TcpStream, remote: SocketAddr, served: Served) {
        let living = tokio::time::timeout(LIFETIME, self.connection(stream, remote, served));
        match self.close.run_until_cancelled(living).await {
            Some(Ok(())) => {}
            Some(Err(_)) => debug!(%remote, "a connection took too long"),
            None => debug!(%remote, "a connection was closed for another, or for good"),
        }
    }

    async fn connection(&self, stream: TcpStream, remote: SocketAddr, served: Served) {
        // Signalling is small messages, each of which somebody waits for.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%remote, %error, "TCP_NODELAY");
        }
        let Some((tls, plain)) = &self.entrance.tls else {
            return self.requests(stream, &self.entrance.router, remote).await;
        };
        if !self.entrance.may_shake_hands(remote) {
            return debug!(%remote, "too many handshakes of TLS");
        }
        let greeting = tokio::time::timeout(HEADER_TIMEOUT, secure::greet(stream, tls));
        match (greeting.await, served) {
            (Ok(Ok(Spoken::Turn(stream))), _) => match secure::secured(*stream) {
                Ok(secured) => self.entrance.media.adopt(secured),
                Err(error) => debug!(%remote, %error, "a connection cannot be handed over"),
            },
            (Ok(Ok(Spoken::Http(stream))), Served::Everything) => {
                self.requests(stream, &self.entrance.router, remote).await;
            }
            (Ok(Ok(Spoken::Plain(stream))), Served::Everything) => {
                self.requests(stream, plain, remote).await;
            }
            (Ok(Ok(Spoken::Http(_) | Spoken::Plain(_))), Served::Turn) => {
                debug!(%remote, "HTTP is not served at the port of TURN");
            }
            (Ok(Err(error)), _) => debug!(%remote, %error, "TLS was not agreed on"),
            (Err(_), _) => debug!(%remote, "a handshake took too long"),
        }
    }

    async fn requests<S>(&self, stream: S, router: &Router, remote: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let service = service_fn(|mut request: Request<Incoming>| {
            self.entrance.door().touch(self.number, Instant::now());
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
}

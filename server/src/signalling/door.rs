//! From a request to a WebSocket with a task of its own.

use std::sync::Arc;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tracing::debug;

use super::greeting;
use super::hub::Signalling;
use super::metered::Metered;
use super::place::{Caller, Place};
use super::socket::Socket;

/// A client at the door.
#[derive(Debug)]
pub(crate) struct Arrival {
    /// Where it is.
    pub(crate) caller: Caller,
    /// Kept for as long as the WebSocket is there.
    pub(crate) place: Place,
}

impl Signalling {
    /// Serves what becomes a WebSocket, in a task of its own.
    pub(crate) fn serve(self: &Arc<Self>, connection: OnUpgrade, arrival: Arrival) {
        let (signalling, caller) = (self.clone(), arrival.caller);
        self.open(connection, arrival, move |socket| {
            greeting::run(signalling, socket, caller)
        });
    }

    /// Tells a page that it may not use this server.
    pub(crate) fn turn_away(self: &Arc<Self>, connection: OnUpgrade, arrival: Arrival) {
        self.open(connection, arrival, greeting::refuse_origin);
    }

    fn open<T: Future<Output = ()> + Send + 'static>(
        self: &Arc<Self>,
        connection: OnUpgrade,
        arrival: Arrival,
        serve: impl FnOnce(Box<Socket>) -> T + Send + 'static,
    ) {
        let signalling = self.clone();
        tokio::spawn(async move {
            let Ok(connection) = connection.await else {
                return;
            };
            debug!(caller = ?arrival.caller, "a client connected");
            let long = signalling.long_first_messages.clone();
            let connection = Metered::new(TokioIo::new(connection), long);
            // Boxed: each future it passes through would have room for it.
            let socket = Socket::new(connection, &signalling.config, arrival.place).await;
            signalling.spawn(serve(Box::new(socket)));
        });
    }
}

//! DTLS as a client speaks it: the handshake, and a question asked in it. Whoever vouches for the certificate, it is
//! taken: TLS shows the same.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtc::dtls::endpoint::EndpointEvent;
use tokio::time::{Instant as Deadline, timeout_at};

use crate::asking::{Asker, Failure, PATIENCE, binding, mapped};
use crate::media::net::dtls::association::{Association, DtlsError, End};
use crate::media::net::dtls::certified;

/// Shakes hands, asks for our address, and says how long that answer took.
pub(super) async fn over_dtls(server: SocketAddr) -> Result<Duration, Failure> {
    let mut client = Client::begin(server).await?;
    let asking = timeout_at(Deadline::now() + PATIENCE, client.ask());
    asking.await.map_err(|_| Failure::Silent)?
}

struct Client {
    asker: Asker,
    association: Association,
}

impl Client {
    async fn begin(server: SocketAddr) -> Result<Self, Failure> {
        let provider = rtc::crypto::default_provider().map_err(DtlsError::of);
        let provider = provider.map_err(broken)?;
        let config = certified::for_a_client(provider.clone()).map_err(broken)?;
        let mut association = Association::new(End::Client(config), provider);
        association.begin(Instant::now()).map_err(broken)?;
        Ok(Self {
            asker: Asker::new(server).await?,
            association,
        })
    }

    async fn ask(&mut self) -> Result<Duration, Failure> {
        while !self.association.is_done() {
            self.hear().await?;
        }
        let (question, asked) = (binding(), Instant::now());
        self.association.write(asked, &question.bytes);
        loop {
            if let Some(answer) = self.hear().await? {
                mapped(&answer)?;
                self.association.close(Instant::now());
                self.send().await?;
                return Ok(asked.elapsed());
            }
        }
    }

    async fn send(&mut self) -> Result<(), Failure> {
        while let Some(datagram) = self.association.poll_transmit() {
            self.asker.send(&datagram).await?;
        }
        Ok(())
    }

    /// Sends what there is, and takes the next datagram, if one comes before the next flight is due. Returns what was
    /// sealed in it.
    async fn hear(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.send().await?;
        let now = Instant::now();
        let due = self.association.poll_timeout();
        let wait = due.map_or(PATIENCE, |due| due.saturating_duration_since(now));
        let Some(datagram) = self.asker.hear(wait, |_| true).await? else {
            let repeated = self.association.handle_timeout(Instant::now());
            return repeated.map(|()| None).map_err(broken);
        };
        let read = self.association.read(Instant::now(), &datagram);
        let mut events = read.map_err(broken)?.into_iter();
        Ok(events.find_map(|event| {
            let EndpointEvent::ApplicationData(data) = event else {
                return None;
            };
            Some(data.to_vec())
        }))
    }
}

fn broken(error: DtlsError) -> Failure {
    Failure::Broken(error.to_string())
}

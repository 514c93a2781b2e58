//! DTLS as a client speaks it: the handshake, and a question asked in it. Whoever vouches for the certificate, it is
//! taken: TLS shows the same.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtc::dtls::endpoint::EndpointEvent;
use tokio::time::{Instant as Deadline, timeout_at};

use crate::asking::{Asker, Failure, PATIENCE, Question, WAITS, binding, mapped};
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
            self.hear(PATIENCE).await?;
        }
        let (question, asked) = (binding(), Instant::now());
        for wait in WAITS {
            self.association.write(Instant::now(), &question.bytes);
            if let Some(answer) = self.hear_answer(&question, wait).await? {
                mapped(&answer)?;
                self.association.close(Instant::now());
                self.send().await?;
                return Ok(asked.elapsed());
            }
        }
        Err(Failure::Silent)
    }

    /// What answers a question, if it comes in time.
    async fn hear_answer(
        &mut self,
        question: &Question,
        wait: Duration,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let until = Instant::now() + wait;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            let heard = self.hear(left).await?;
            let answer = heard.filter(|heard| question.is_answered_by(heard));
            if answer.is_some() {
                return Ok(answer);
            }
        }
        Ok(None)
    }

    async fn send(&mut self) -> Result<(), Failure> {
        while let Some(datagram) = self.association.poll_transmit() {
            self.asker.send(&datagram).await?;
        }
        Ok(())
    }

    /// Sends what there is, and takes the next datagram, if one comes in time and before the next flight is due. Returns
    /// what was sealed in it.
    async fn hear(&mut self, wait: Duration) -> Result<Option<Vec<u8>>, Failure> {
        self.send().await?;
        let now = Instant::now();
        let due = self.association.poll_timeout();
        let wait = due.map_or(wait, |due| due.saturating_duration_since(now).min(wait));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::net::dtls::server::DtlsServer;
    use crate::media::net::outbox::Transmit;
    use crate::media::net::path::{FourTuple, Transport};
    use crate::media::net::stun::attribute::XOR_MAPPED_ADDRESS;
    use crate::media::net::stun::{Message, Method, TransactionId, Writer};
    use crate::media::net::tcp::Received;
    use crate::tls::Certificates;
    use bytes::BytesMut;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::SystemTime;
    use tokio::net::UdpSocket;

    /// The answer to a question, as if it had this transaction.
    fn answer(transaction: TransactionId, client: SocketAddr) -> BytesMut {
        let mut answer = BytesMut::new();
        let mut writer = Writer::new(&mut answer, Method::Binding.success(), transaction);
        writer.add_address(XOR_MAPPED_ADDRESS, client);
        writer.finish();
        answer
    }

    /// Answers something else first, then nothing, and then the third of the questions.
    async fn serve(socket: UdpSocket, asked: Arc<AtomicUsize>) {
        let now = Instant::now();
        let certificates = Certificates::self_signed(&[], SystemTime::now()).unwrap();
        let mut server = DtlsServer::new(now, Arc::new(certificates), &[7; 32]).unwrap();
        let mut buffer = [0; 2048];
        loop {
            let (len, remote) = socket.recv_from(&mut buffer).await.unwrap();
            let path = FourTuple {
                transport: Transport::Dtls,
                local: socket.local_addr().unwrap(),
                remote,
            };
            let mut received = Received::default();
            server.begin_turn();
            server.handle_datagram(Instant::now(), &path, &buffer[..len], &mut received);
            for (_, question) in received.datagrams {
                let transaction = match asked.fetch_add(1, Ordering::Relaxed) {
                    0 => TransactionId([7; 12]),
                    1 => continue,
                    _ => Message::read(&question).unwrap().transaction(),
                };
                let answer = Transmit::one(path, answer(transaction, remote));
                server.send(Instant::now(), &answer);
            }
            while let Some(transmit) = server.poll_transmit() {
                for datagram in transmit.datagrams() {
                    socket.send_to(datagram, remote).await.unwrap();
                }
            }
        }
    }

    #[tokio::test]
    async fn a_question_that_was_lost_is_asked_again() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = socket.local_addr().unwrap();
        let asked = Arc::new(AtomicUsize::new(0));
        let serving = tokio::spawn(serve(socket, asked.clone()));
        let answered = over_dtls(server).await;
        serving.abort();
        assert!(answered.is_ok(), "{answered:?}");
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }
}

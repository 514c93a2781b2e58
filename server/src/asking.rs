//! STUN as a client speaks it (RFC 8489): a question, asked again where it may be lost, and its answer. Over UDP, and
//! over whatever is a stream.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use crate::media::net::framing::MAX_FRAME;
use crate::media::net::stun::attribute::{XOR_MAPPED_ADDRESS, read_address};
use crate::media::net::stun::{HEADER, Message, MessageType, Method, TransactionId, Writer};

/// How long an answer may take before the question is asked again (RFC 8489 §6.2.1), and at last before it is none.
pub(crate) const WAITS: [Duration; 5] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1500),
];

/// How long a connection may take, and what is said on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(3);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nothing came back.
    Silent,
    /// The machine says that nobody listens.
    Refused,
    /// The system did not let it out, or the connection broke.
    Broken(String),
    /// What came back is not what was asked for.
    Strange(String),
    /// An error response (RFC 8489 §14.8): its code, and what is said with it.
    Said(u16, String),
}

impl From<io::Error> for Failure {
    #[expect(clippy::wildcard_enum_match_arm, reason = "std's enum, which may grow")]
    fn from(error: io::Error) -> Self {
        match error.kind() {
            ErrorKind::ConnectionRefused => Self::Refused,
            ErrorKind::TimedOut => Self::Silent,
            _ => Self::Broken(error.to_string()),
        }
    }
}

/// A request that is not sent yet.
pub(crate) struct Question {
    pub(crate) transaction: TransactionId,
    pub(crate) bytes: BytesMut,
}

impl Question {
    pub(crate) fn new(typ: MessageType, fill: impl FnOnce(&mut Writer<'_>)) -> Self {
        let transaction = TransactionId(rand::random());
        let mut bytes = BytesMut::new();
        let mut writer = Writer::new(&mut bytes, typ, transaction);
        fill(&mut writer);
        writer.finish();
        Self { transaction, bytes }
    }

    pub(crate) fn is_answered_by(&self, datagram: &[u8]) -> bool {
        Message::read(datagram).is_some_and(|answer| answer.transaction() == self.transaction)
    }
}

/// A socket of our own that asks at one address.
pub(crate) struct Asker(UdpSocket);

impl Asker {
    pub(crate) async fn new(server: SocketAddr) -> Result<Self, Failure> {
        let any: IpAddr = match server.is_ipv4() {
            true => Ipv4Addr::UNSPECIFIED.into(),
            false => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        // What comes from elsewhere is no answer, as a browser would see it.
        socket.connect(server).await?;
        Ok(Self(socket))
    }

    /// Asks until it is answered.
    pub(crate) async fn ask(&self, question: &Question) -> Result<Vec<u8>, Failure> {
        for wait in WAITS {
            self.send(&question.bytes).await?;
            let answered = self.hear(wait, |datagram| question.is_answered_by(datagram));
            if let Some(answer) = answered.await? {
                return Ok(answer);
            }
        }
        Err(Failure::Silent)
    }

    pub(crate) async fn send(&self, datagram: &[u8]) -> Result<(), Failure> {
        self.0.send(datagram).await?;
        Ok(())
    }

    /// The next datagram that is the one waited for, if it comes in time.
    pub(crate) async fn hear(
        &self,
        wait: Duration,
        is_it: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let mut buffer = [0; MAX_FRAME];
        let hearing = async {
            loop {
                let len = self.0.recv(&mut buffer).await?;
                if is_it(&buffer[..len]) {
                    return Ok(buffer[..len].to_vec());
                }
            }
        };
        timeout(wait, hearing).await.ok().transpose()
    }
}

/// Waits for something to come by itself, and does it again where it may have been lost.
pub(crate) async fn insist<T>(
    mut act: impl AsyncFnMut(Duration) -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    for wait in WAITS {
        if let Some(done) = act(wait).await? {
            return Ok(done);
        }
    }
    Err(Failure::Silent)
}

/// Asks for our address, and says how long the answer took.
pub(crate) async fn over_udp(server: SocketAddr) -> Result<Duration, Failure> {
    let asker = Asker::new(server).await?;
    let asked = Instant::now();
    let answer = asker.ask(&binding()).await?;
    mapped(&answer)?;
    Ok(asked.elapsed())
}

/// The same over TCP.
pub(crate) async fn over_tcp(server: SocketAddr) -> Result<Duration, Failure> {
    let mut stream = connect(server).await?;
    over_stream(&mut stream).await
}

pub(crate) async fn connect(server: SocketAddr) -> Result<TcpStream, Failure> {
    let connecting = timeout(PATIENCE, TcpStream::connect(server));
    Ok(connecting.await.map_err(|_| Failure::Silent)??)
}

/// The same over any stream.
pub(crate) async fn over_stream(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
) -> Result<Duration, Failure> {
    let asked = Instant::now();
    mapped(&ask_over(stream, &binding()).await?)?;
    Ok(asked.elapsed())
}

/// Asks over a stream.
pub(crate) async fn ask_over(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    question: &Question,
) -> Result<Vec<u8>, Failure> {
    let asking = async {
        stream.write_all(&question.bytes).await?;
        stream.flush().await?;
        Ok::<_, Failure>(read_message(stream).await?)
    };
    let answer = timeout(PATIENCE, asking).await;
    let answer = answer.map_err(|_| Failure::Silent)??;
    match question.is_answered_by(&answer) {
        true => Ok(answer),
        false => Err(Failure::Strange("something else came back".to_owned())),
    }
}

/// STUN messages say how long they are (RFC 8489 §6.2.2).
async fn read_message(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = vec![0; HEADER];
    stream.read_exact(&mut message).await?;
    let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
    message.resize(HEADER + length, 0);
    stream.read_exact(&mut message[HEADER..]).await?;
    Ok(message)
}

/// Asks for our address.
pub(crate) fn binding() -> Question {
    Question::new(Method::Binding.request(), |_| {})
}

/// The address that the server saw.
pub(crate) fn mapped(answer: &[u8]) -> Result<SocketAddr, Failure> {
    let answer = Message::read(answer).filter(|it| it.typ() == Method::Binding.success());
    let mapped = answer
        .and_then(|answer| read_address(answer.get(XOR_MAPPED_ADDRESS)?, answer.transaction()));
    mapped.ok_or_else(|| Failure::Strange("the answer has no address".to_owned()))
}

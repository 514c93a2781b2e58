//! A way to the server: UDP, or TCP with its frames (RFC 4571), and what gets lost on it. Of what
//! datagrams carry it knows no more than their first byte (RFC 7983).

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};

use anyhow::{Context, Result};
use str0m::net::Protocol;

/// What a link carries no more. The other end is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Silence {
    /// Everything goes out.
    #[default]
    Never,
    /// Nothing goes out but so many datagrams.
    After(u32),
    /// No DTLS goes out but so many datagrams.
    AfterDtls(u32),
}

/// A way to the server.
#[derive(Debug)]
pub struct Link {
    socket: Socket,
    local: SocketAddr,
    loss: Option<Loss>,
    silence: Silence,
    /// Datagrams that silence swallowed.
    pub swallowed: u64,
    /// Datagrams that got lost, either way.
    pub lost: u64,
    /// The first DTLS datagram: half of a ClientHello, or all of it.
    pub hello: Option<Vec<u8>>,
}

#[derive(Debug)]
enum Socket {
    Udp(UdpSocket),
    Tcp {
        stream: TcpStream,
        received: Vec<u8>,
        unsent: Vec<u8>,
    },
}

impl Link {
    /// A socket of its own on the loopback interface.
    pub fn udp() -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        Ok(Self::new(Socket::Udp(socket), local))
    }

    /// A connection to the server's media port.
    pub fn tcp(media_port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", media_port)).context("the media port")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let local = stream.local_addr()?;
        let socket = Socket::Tcp {
            stream,
            received: Vec::new(),
            unsent: Vec::new(),
        };
        Ok(Self::new(socket, local))
    }

    fn new(socket: Socket, local: SocketAddr) -> Self {
        Self {
            socket,
            local,
            loss: None,
            silence: Silence::Never,
            swallowed: 0,
            lost: 0,
            hello: None,
        }
    }

    /// Loses this share of the datagrams, both ways. What is lost depends on the seed alone.
    #[must_use]
    pub fn losing(mut self, share: f64, seed: u64) -> Self {
        let random = SplitMix(seed);
        self.loss = (share > 0.0).then_some(Loss { share, random });
        self
    }

    /// From now on.
    pub fn set_silence(&mut self, silence: Silence) {
        self.silence = silence;
    }

    /// This end's address.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// How datagrams travel.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        match self.socket {
            Socket::Udp(_) => Protocol::Udp,
            Socket::Tcp { .. } => Protocol::Tcp,
        }
    }

    /// What to wait on.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Udp(socket) => socket.as_fd(),
            Socket::Tcp { stream, .. } => stream.as_fd(),
        }
    }

    /// Sends a datagram, if nothing happens to it. A server that is gone is no error.
    pub fn send(&mut self, datagram: &[u8], to: SocketAddr) -> Result<()> {
        if self.is_silent(datagram) {
            self.swallowed += 1;
            return Ok(());
        }
        if self.loses() {
            return Ok(());
        }
        let sent = match &mut self.socket {
            Socket::Udp(socket) => socket.send_to(datagram, to).map(drop),
            Socket::Tcp { stream, unsent, .. } => {
                unsent.extend_from_slice(&(datagram.len() as u16).to_be_bytes());
                unsent.extend_from_slice(datagram);
                flush(stream, unsent)
            }
        };
        match sent {
            Err(error) if !is_gone(error.kind()) => Err(error).context("sending a datagram"),
            _ => Ok(()),
        }
    }

    /// Takes the next datagram, if one has arrived and not got lost.
    pub fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<(usize, SocketAddr)>> {
        loop {
            let received = match &mut self.socket {
                Socket::Udp(socket) => socket.recv_from(buffer),
                Socket::Tcp {
                    stream, received, ..
                } => stream
                    .peer_addr()
                    .and_then(|from| Ok((next_frame(stream, received, buffer)?, from))),
            };
            match received {
                Ok(_) if self.loses() => {}
                Ok(received) => return Ok(Some(received)),
                Err(error) if is_gone(error.kind()) => return Ok(None),
                Err(error) => return Err(error).context("receiving a datagram"),
            }
        }
    }

    fn is_silent(&mut self, datagram: &[u8]) -> bool {
        let is_dtls = matches!(datagram.first(), Some(20..=63));
        if is_dtls {
            self.hello.get_or_insert_with(|| datagram.to_vec());
        }
        match &mut self.silence {
            Silence::AfterDtls(_) if !is_dtls => false,
            Silence::Never => false,
            Silence::After(0) | Silence::AfterDtls(0) => true,
            Silence::After(left) | Silence::AfterDtls(left) => {
                *left -= 1;
                false
            }
        }
    }

    fn loses(&mut self) -> bool {
        let loss = self.loss.as_mut();
        let lost = loss.is_some_and(|loss| loss.random.share() < loss.share);
        self.lost += u64::from(lost);
        lost
    }
}

/// Nothing there, or nobody.
fn is_gone(kind: ErrorKind) -> bool {
    use ErrorKind::{
        BrokenPipe, ConnectionRefused, ConnectionReset, Interrupted, NotConnected, TimedOut,
        UnexpectedEof, WouldBlock,
    };
    matches!(
        kind,
        BrokenPipe
            | ConnectionRefused
            | ConnectionReset
            | Interrupted
            | NotConnected
            | TimedOut
            | UnexpectedEof
            | WouldBlock
    )
}

fn flush(stream: &mut TcpStream, unsent: &mut Vec<u8>) -> std::io::Result<()> {
    while !unsent.is_empty() {
        let sent = stream.write(unsent)?;
        unsent.drain(..sent);
    }
    Ok(())
}

/// Cuts the next frame from what a stream brought.
fn next_frame(
    stream: &mut TcpStream,
    received: &mut Vec<u8>,
    into: &mut [u8],
) -> std::io::Result<usize> {
    loop {
        if let [high, low, rest @ ..] = &received[..] {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            if let (Some(frame), true) = (rest.get(..length), length <= into.len()) {
                into[..length].copy_from_slice(frame);
                received.drain(..2 + length);
                return Ok(length);
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            length => received.extend_from_slice(&chunk[..length]),
        }
    }
}

/// Whether the next datagram gets lost.
#[derive(Debug)]
struct Loss {
    share: f64,
    random: SplitMix,
}

/// Numbers that look random, and are the same for the same seed: SplitMix64.
#[derive(Clone, Debug)]
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// The next number as a share of one: its upper 53 bits.
    pub fn share(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

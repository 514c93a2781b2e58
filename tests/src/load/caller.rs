//! A client: a peer and the line on which it calls, with the twenty lines of signalling that the
//! tutorial client has, or with a greeting before. It does nothing by itself but answer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ferrite_protocol::{ClientMessage, PROTOCOL_VERSION, ServerMessage};
use nix::poll::{PollFd, PollFlags, ppoll};
use str0m::config::DtlsCert;

use super::line::{Heard, Line};
use super::link::Link;
use super::peer::Peer;
use crate::wait;

/// The longest a caller waits before it looks again, for whom others wait.
const NAP: Duration = Duration::from_millis(5);

/// A client.
#[derive(Debug)]
pub struct Caller {
    /// Its end of the peer connection.
    pub peer: Peer,
    line: Line,
    /// The server greeted back.
    pub welcomed: bool,
    /// It is in a room.
    pub joined: bool,
    /// It has hung up.
    pub hung_up: bool,
    /// When the server said that it goes away.
    pub going_away: Option<Instant>,
    /// When the line was closed, and the code.
    pub ended: Option<(Instant, u16)>,
}

impl Caller {
    /// Opens the line, and says nothing yet.
    pub fn open(address: &str, certificate: &DtlsCert, link: Link) -> Result<Self> {
        Ok(Self {
            line: Line::open(address)?,
            peer: Peer::new(certificate, link)?,
            welcomed: false,
            joined: false,
            hung_up: false,
            going_away: None,
            ended: None,
        })
    }

    /// Calls the server, and comes back when ICE and DTLS are done, with the time it took since the
    /// offer. `meanwhile` is called every few milliseconds.
    pub fn join(
        address: &str,
        certificate: &DtlsCert,
        link: Link,
        meanwhile: impl FnMut() -> Result<()>,
    ) -> Result<(Self, Duration)> {
        let mut caller = Self::open(address, certificate, link)?;
        let took = caller.connect(meanwhile)?;
        Ok((caller, took))
    }

    /// The same for one whose line is open.
    pub fn connect(&mut self, mut meanwhile: impl FnMut() -> Result<()>) -> Result<Duration> {
        let offered = Instant::now();
        self.offer()?;
        self.until("a peer to connect", |caller| {
            meanwhile()?;
            Ok(caller.peer.connected)
        })?;
        Ok(offered.elapsed())
    }

    /// Says something to the server.
    pub fn say(&mut self, message: &ClientMessage) -> Result<()> {
        self.line.say(message)
    }

    /// Greets the server: the session can be resumed then.
    pub fn greet(&mut self) -> Result<()> {
        self.say(&ClientMessage::Hello {
            version: PROTOCOL_VERSION,
            client: Some("load".to_owned()),
            resume_token: None,
            last_message: None,
        })
    }

    /// Offers a call.
    pub fn offer(&mut self) -> Result<()> {
        let sdp = self.peer.offer()?;
        self.say(&ClientMessage::Offer {
            id: None,
            sdp,
            tracks: None,
        })
    }

    /// Offers it again, with new ICE credentials.
    pub fn offer_restart(&mut self) -> Result<()> {
        let sdp = self.peer.offer_restart()?;
        self.say(&ClientMessage::Offer {
            id: None,
            sdp,
            tracks: None,
        })
    }

    /// Begins the closing handshake of the line.
    pub fn close_line(&mut self, code: u16) -> Result<()> {
        self.line.close(code)
    }

    /// Lives on until `done` says so; not for ever.
    pub fn until(
        &mut self,
        what: &str,
        mut done: impl FnMut(&mut Self) -> Result<bool>,
    ) -> Result<()> {
        let deadline = Instant::now() + wait::PATIENCE;
        loop {
            self.step(Instant::now())?;
            if done(self)? {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("waited {:?} for {what}: {self:?}", wait::PATIENCE);
            }
            self.wait()?;
        }
    }

    /// Hears and does everything that is due.
    pub fn step(&mut self, now: Instant) -> Result<()> {
        self.listen(now)?;
        self.peer.drain(now)?;
        self.peer.advance(now)
    }

    /// Hears what the server says, and answers its pings.
    pub fn listen(&mut self, now: Instant) -> Result<()> {
        while self.ended.is_none() {
            match self.line.hear() {
                None => return Ok(()),
                Some(Heard::Message(message)) => self.note(now, message)?,
                Some(Heard::Closed(code)) => self.ended = Some((now, code)),
            }
        }
        Ok(())
    }

    fn note(&mut self, now: Instant, message: ServerMessage) -> Result<()> {
        match message {
            ServerMessage::Answer { sdp, .. } => self.peer.accept(&sdp)?,
            ServerMessage::Welcome { .. } => self.welcomed = true,
            ServerMessage::Joined { .. } => self.joined = true,
            ServerMessage::Left { .. } => self.joined = false,
            ServerMessage::HungUp { .. } => self.hung_up = true,
            ServerMessage::GoingAway { .. } => self.going_away = Some(now),
            ServerMessage::Ping { id } => self.say(&ClientMessage::Pong { id })?,
            ServerMessage::Error { code, message, .. } => {
                bail!("the server says {code:?}: {message}")
            }
            ServerMessage::Done { .. }
            | ServerMessage::IceServers { .. }
            | ServerMessage::ParticipantJoined { .. }
            | ServerMessage::ParticipantUpdated { .. }
            | ServerMessage::ParticipantLeft { .. }
            | ServerMessage::Muted { .. }
            | ServerMessage::Watching { .. }
            | ServerMessage::Speaking { .. }
            | ServerMessage::Wanted { .. }
            | ServerMessage::Quality { .. }
            | ServerMessage::Said { .. }
            | ServerMessage::Candidate { .. }
            | ServerMessage::EndOfCandidates {}
            | ServerMessage::PeerState { .. }
            | ServerMessage::Explained { .. }
            | ServerMessage::Pong { .. } => {}
        }
        Ok(())
    }

    /// Waits for something to arrive or to be due.
    fn wait(&self) -> Result<()> {
        let rest = self.peer.timeout.saturating_duration_since(Instant::now());
        let mut ready = [
            PollFd::new(self.peer.link.descriptor(), PollFlags::POLLIN),
            PollFd::new(self.line.descriptor(), PollFlags::POLLIN),
        ];
        match ppoll(&mut ready, Some(rest.min(NAP).into()), None) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(error) => Err(error).context("waiting for the server"),
        }
    }
}

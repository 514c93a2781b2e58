//! A client that finds back by itself, as the page's does: the protocol's session machine on a line,
//! and a peer that calls whenever a session begins.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;
use ferrite_protocol::session::{Action, ClientSession, Input};
use ferrite_protocol::{ClientMessage, ServerMessage};
use str0m::config::DtlsCert;

use super::line::{Heard, Line};
use super::link::{Link, SplitMix};
use super::peer::Peer;

/// The time between two packets of the call.
const INTERVAL: Duration = Duration::from_millis(20);

/// The close code of a WebSocket that could not be opened (RFC 6455 §7.1.5).
const ABNORMAL: u16 = 1006;

/// A client.
#[derive(Debug)]
pub struct Client {
    address: String,
    certificate: DtlsCert,
    session: ClientSession,
    began: Instant,
    random: SplitMix,
    line: Option<Line>,
    /// A line that is being opened: nobody else has to wait for it.
    opening: Option<JoinHandle<Result<Line>>>,
    peer: Option<Peer>,
    next_packet: Instant,
    /// When the session was last found down.
    pub down: Option<Instant>,
    /// When it last was up.
    pub up: Option<Instant>,
    /// When a packet of the present call first came back.
    pub heard: Option<Instant>,
    /// How often a line was tried since the session was up.
    pub attempts: u32,
}

impl Client {
    /// A client that connects as soon as it lives. What it draws depends on the seed.
    pub fn new(address: &str, certificate: &DtlsCert, seed: u64) -> Result<Self> {
        let now = Instant::now();
        let mut client = Self {
            address: address.to_owned(),
            certificate: certificate.clone(),
            session: ClientSession::new("load"),
            began: now,
            random: SplitMix(seed),
            line: None,
            opening: None,
            peer: None,
            next_packet: now,
            down: None,
            up: None,
            heard: None,
            attempts: 0,
        };
        client.handle(Input::Connect)?;
        Ok(client)
    }

    /// Does everything that is due.
    pub fn step(&mut self) -> Result<()> {
        self.look_for_line()?;
        self.listen()?;
        let due = self.session.deadline();
        if due.is_some_and(|due| due <= self.began.elapsed()) {
            self.handle(Input::Tick)?;
        }
        self.call()
    }

    fn call(&mut self) -> Result<()> {
        let Some(peer) = &mut self.peer else {
            return Ok(());
        };
        let now = Instant::now();
        peer.drain(now)?;
        peer.advance(now)?;
        if peer.counts.returned > 0 {
            self.heard.get_or_insert(now);
        }
        if peer.connected && now >= self.next_packet {
            self.next_packet = now + INTERVAL;
            peer.send(now, 1)?;
        }
        Ok(())
    }

    fn listen(&mut self) -> Result<()> {
        while let Some(heard) = self.line.as_mut().and_then(Line::hear) {
            match heard {
                Heard::Message(message) => self.note(&message)?,
                Heard::Closed(code) => {
                    self.line = None;
                    self.handle(Input::Closed { code })?;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, message: &ServerMessage) -> Result<()> {
        if let (ServerMessage::Answer { sdp, .. }, Some(peer)) = (message, &mut self.peer) {
            peer.accept(sdp)?;
        }
        self.handle(Input::Heard(message))
    }

    fn handle(&mut self, input: Input<'_>) -> Result<()> {
        let random = self.random.share();
        let actions = self.session.handle(input, self.began.elapsed(), random);
        actions.into_iter().try_for_each(|action| self.act(action))
    }

    fn act(&mut self, action: Action) -> Result<()> {
        match action {
            Action::Connect => {
                self.connect();
                Ok(())
            }
            Action::Disconnect(code) => {
                self.opening = None;
                // Nobody waits for the answer, and a line that is broken needs none.
                let _ = self.line.take().map(|mut line| line.close(code as u16));
                Ok(())
            }
            Action::Send(message) => self.say(&message),
            Action::Up { resumed, .. } => {
                self.up = Some(Instant::now());
                self.attempts = 0;
                // What a session has that goes on goes on with it.
                if resumed { Ok(()) } else { self.offer() }
            }
            Action::Down { .. } => {
                if self.attempts == 0 {
                    self.down = Some(Instant::now());
                }
                Ok(())
            }
        }
    }

    fn connect(&mut self) {
        self.attempts += 1;
        let address = self.address.clone();
        self.opening = Some(std::thread::spawn(move || Line::open(&address)));
    }

    fn look_for_line(&mut self) -> Result<()> {
        let Some(opening) = self.opening.take_if(|opening| opening.is_finished()) else {
            return Ok(());
        };
        match opening.join() {
            Ok(Ok(line)) => {
                self.line = Some(line);
                self.handle(Input::Opened)
            }
            _ => self.handle(Input::Closed { code: ABNORMAL }),
        }
    }

    fn offer(&mut self) -> Result<()> {
        self.heard = None;
        let mut peer = Peer::new(&self.certificate, Link::udp()?)?;
        let sdp = peer.offer()?;
        self.peer = Some(peer);
        self.say(&ClientMessage::Offer {
            id: None,
            sdp,
            tracks: None,
        })
    }

    fn say(&mut self, message: &ClientMessage) -> Result<()> {
        match &mut self.line {
            // A line that broke says so when it is next listened to.
            Some(line) => line.say(message).or(Ok(())),
            None => Ok(()),
        }
    }
}

//! One light peer: str0m's sans-IO agent, a UDP socket of its own, and the twenty lines of
//! signalling that the tutorial client has. It sends packets without a codec behind them, one
//! system call each, as browsers do, and counts those that come back.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use str0m::change::SdpAnswer;
use str0m::config::DtlsCert;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::raw::PACKET;

/// How long a peer may take from offer to connected.
const PATIENCE: Duration = Duration::from_secs(20);

/// Header and extensions of what is sent: the rest is payload.
const OVERHEAD: usize = 28;

/// Ticks of video's media clock per second.
const CLOCK_RATE: f64 = 90_000.0;

/// Packets sent and packets come back.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) returned: u64,
}

/// One peer connection to the server.
pub(crate) struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    signalling: WebSocket<TcpStream>,
    video: Mid,
    began: Instant,
    sequence: u64,
    payload: Arc<[u8]>,
    connected: bool,
    /// When the agent wants to be woken.
    pub(crate) timeout: Instant,
    pub(crate) counts: Counts,
    /// The authentication tag of the last packet that came back, in bytes: 16 is AES-GCM's.
    pub(crate) tag: usize,
}

impl Peer {
    /// Calls the server, and comes back when ICE and DTLS are done, with the time it took since the
    /// offer. `meanwhile` is called every few milliseconds.
    pub(crate) fn join(
        address: &str,
        certificate: &DtlsCert,
        mut meanwhile: impl FnMut() -> Result<()>,
    ) -> Result<(Self, Duration)> {
        let (signalling, _) =
            tungstenite::client(format!("ws://{address}/ws"), TcpStream::connect(address)?)
                .context("the WebSocket")?;
        signalling.get_ref().set_nodelay(true)?;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let now = Instant::now();
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .set_dtls_cert(certificate.clone())
            .build(now);
        let local = socket.local_addr()?;
        rtc.add_local_candidate(Candidate::host(local, "udp")?);
        let mut peer = Self {
            rtc,
            socket,
            local,
            signalling,
            video: Mid::from("none"),
            began: now,
            sequence: 1000,
            payload: vec![0x10; PACKET - OVERHEAD].into(),
            connected: false,
            timeout: now,
            counts: Counts::default(),
            tag: 0,
        };
        let offered = peer.negotiate()?;
        while !peer.connected {
            ensure!(
                offered.elapsed() < PATIENCE,
                "a peer did not connect within {PATIENCE:?}"
            );
            peer.wait_and_receive()?;
            meanwhile()?;
        }
        let took = offered.elapsed();
        peer.socket.set_nonblocking(true)?;
        peer.signalling.get_ref().set_nonblocking(true)?;
        Ok((peer, took))
    }

    /// Offers what a call has: sound, a picture and a data channel.
    fn negotiate(&mut self) -> Result<Instant> {
        let mut changes = self.rtc.sdp_api();
        changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        self.video = changes.add_media(MediaKind::Video, Direction::SendRecv, None, None, None);
        changes.add_channel("chat".to_owned());
        let (offer, pending) = changes.apply().context("an offer")?;
        let message = json!({ "type": "offer", "sdp": offer.to_sdp_string() });
        let offered = Instant::now();
        self.signalling.send(Message::text(message.to_string()))?;
        let answer = self.hear("answer")?;
        let answer = only_loopback(answer["sdp"].as_str().context("an answer without SDP")?);
        let answer = SdpAnswer::from_sdp_string(&answer)?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.pump(Instant::now())?;
        Ok(offered)
    }

    /// Waits for a message of this type. The answer names the candidates too; what is trickled
    /// after it is read later, with the pings.
    fn hear(&mut self, kind: &str) -> Result<Value> {
        loop {
            let Message::Text(text) = self.signalling.read()? else {
                continue;
            };
            let message: Value = serde_json::from_str(&text)?;
            match message["type"].as_str() {
                Some(found) if found == kind => return Ok(message),
                Some("error") => bail!("the server says {message}"),
                _ => {}
            }
        }
    }

    fn wait_and_receive(&mut self) -> Result<()> {
        let until = self.timeout.saturating_duration_since(Instant::now());
        // No shorter: zero is for ever. No longer: others are waiting.
        let until = until.clamp(Duration::from_micros(100), Duration::from_millis(5));
        self.socket.set_read_timeout(Some(until))?;
        let mut buffer = [0; 2000];
        match self.socket.recv_from(&mut buffer) {
            Ok((len, from)) => self.take(Instant::now(), from, &buffer[..len])?,
            Err(error) if nothing_there(&error) => {}
            Err(error) => return Err(error.into()),
        }
        self.advance(Instant::now())
    }

    /// Lets time pass, if the agent asked for it.
    pub(crate) fn advance(&mut self, now: Instant) -> Result<()> {
        if now < self.timeout {
            return Ok(());
        }
        self.rtc.handle_input(Input::Timeout(now))?;
        self.pump(now)
    }

    /// Reads everything that has arrived. Nobody sleeps on the socket, so that the server's sends
    /// wake no one, as they would not either through a network card.
    pub(crate) fn drain(&mut self, now: Instant) -> Result<()> {
        let mut buffer = [0; 2000];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((len, from)) => self.take(now, from, &buffer[..len])?,
                Err(error) if nothing_there(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn take(&mut self, now: Instant, from: SocketAddr, datagram: &[u8]) -> Result<()> {
        let Ok(contents) = Receive::new(Protocol::Udp, from, self.local, datagram) else {
            return Ok(());
        };
        let before = self.counts.returned;
        self.rtc.handle_input(Input::Receive(now, contents))?;
        self.pump(now)?;
        if self.counts.returned > before {
            let header = rtp_header_len(datagram);
            self.tag = datagram.len().saturating_sub(header + self.payload.len());
        }
        Ok(())
    }

    /// Sends so many packets back to back, with the timestamp of one frame.
    pub(crate) fn send(&mut self, now: Instant, packets: u32) -> Result<()> {
        let payload_type = self.payload_type()?;
        let time = (now - self.began).as_secs_f64() * CLOCK_RATE;
        for at in 0..packets {
            let payload = self.payload.clone();
            let packet = RtpWrite::new(
                payload_type,
                self.sequence.into(),
                time as u32,
                now,
                payload,
            )
            .marker(at + 1 == packets);
            let mut direct = self.rtc.direct_api();
            let stream = direct.stream_tx_by_mid(self.video, None);
            stream.context("no video stream")?.write_rtp(packet);
            self.sequence += 1;
        }
        self.counts.sent += u64::from(packets);
        self.rtc.handle_input(Input::Timeout(now))?;
        self.pump(now)
    }

    fn payload_type(&self) -> Result<Pt> {
        let media = self.rtc.media(self.video).context("no video section")?;
        let agreed = media.remote_pts();
        let vp8 = self
            .rtc
            .codec_config()
            .params()
            .iter()
            .find(|params| params.spec().codec == Codec::Vp8 && agreed.contains(&params.pt()));
        Ok(vp8.context("the server does not take VP8")?.pt())
    }

    /// Carries out what the agent wants until it wants nothing before `timeout`.
    fn pump(&mut self, _now: Instant) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    let sent = self
                        .socket
                        .send_to(&transmit.contents, transmit.destination);
                    sent.context("sending a datagram")?;
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(_)) => self.counts.returned += 1,
                Output::Event(_) => {}
            }
        }
    }

    /// Answers the server's pings, and skips what else it said.
    pub(crate) fn answer_pings(&mut self) -> Result<()> {
        loop {
            match self.signalling.read() {
                Ok(Message::Close(frame)) => bail!("the server closed: {frame:?}"),
                Ok(_) => {}
                Err(tungstenite::Error::Io(error)) if nothing_there(&error) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn nothing_there(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The socket is bound to 127.0.0.1: the machine's other addresses are out of its reach.
fn only_loopback(sdp: &str) -> String {
    sdp.split_inclusive("\r\n")
        .filter(|line| !line.starts_with("a=candidate") || line.contains(" 127.0.0.1 "))
        .collect()
}

fn rtp_header_len(packet: &[u8]) -> usize {
    let sources = 4 * usize::from(packet[0] & 0x0F);
    let at = 12 + sources;
    match packet[0] & 0x10 {
        0 => at,
        _ => at + 4 + 4 * usize::from(u16::from_be_bytes([packet[at + 2], packet[at + 3]])),
    }
}

//! str0m's frames and messages come back to it as it sent them. It is sans-IO, as our media plane
//! is, and shares no code with it: ICE, DTLS, SRTP, SCTP and SDP are its own.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use ferrite_tests::{Server, Signalling, artefacts, wait};
use str0m::change::SdpAnswer;
use str0m::channel::ChannelId;
use str0m::format::Codec;
use str0m::media::{Direction, Frequency, MediaKind, MediaTime, Mid};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// The time between two frames, of sound and of picture.
const PTIME: Duration = Duration::from_millis(20);

/// So many frames of each kind must come back.
const ENOUGH: usize = 30;

#[tokio::test]
async fn str0m_gets_back_opus_vp8_and_data() -> Result<()> {
    let dir = artefacts::fresh("str0m")?;
    let server = Server::start(&dir, &[]).await?;
    let mut peer = Peer::call(&server).await?;
    let deadline = Instant::now() + wait::PATIENCE;
    while !peer.has_everything() {
        peer.step().await?;
        let seen = (peer.sound.returned.len(), peer.picture.returned.len());
        let messages = &peer.messages;
        ensure!(
            Instant::now() < deadline,
            "came back: sound and picture {seen:?}, messages {messages:?}"
        );
    }
    ensure!(peer.messages == ["text: hello", "binary: 65536"]);
    Ok(())
}

/// A section of media: frames go out, and are ticked off when they come back.
struct Section {
    mid: Mid,
    codec: Codec,
    rate: Frequency,
    size: usize,
    sent: u32,
    returned: HashSet<u32>,
}

impl Section {
    fn new(mid: Mid, codec: Codec, rate: Frequency, size: usize) -> Self {
        Self {
            mid,
            codec,
            rate,
            size,
            sent: 0,
            returned: HashSet::new(),
        }
    }

    /// The bytes of a frame. No two are equal, and no part of one is like another.
    fn frame(&self, number: u32) -> Vec<u8> {
        let bytes = (0..self.size as u32).map(|at| (at.wrapping_mul(31) ^ number) as u8);
        let mut frame: Vec<u8> = number.to_be_bytes().into();
        frame.extend(bytes);
        frame
    }

    fn send(&mut self, rtc: &mut Rtc, now: Instant) -> Result<()> {
        let frame = self.frame(self.sent);
        let Some(writer) = rtc.writer(self.mid) else {
            return Ok(());
        };
        let mut agreed = writer.payload_params();
        let params = agreed.find(|params| params.spec().codec == self.codec);
        let pt = params.context("a codec the server does not take")?.pt();
        drop(agreed);
        let elapsed = PTIME * self.sent;
        let time = MediaTime::from(elapsed).rebase(self.rate);
        self.sent += 1;
        Ok(writer.write(pt, now, time, frame)?)
    }

    fn take(&mut self, data: &[u8]) -> Result<()> {
        let number = data.first_chunk().context("a frame that was cut")?;
        let number = u32::from_be_bytes(*number);
        ensure!(
            data == self.frame(number),
            "frame {number} came back changed"
        );
        self.returned.insert(number);
        Ok(())
    }
}

struct Peer {
    rtc: Rtc,
    socket: UdpSocket,
    timeout: Instant,
    next_frame: Instant,
    connected: bool,
    sound: Section,
    picture: Section,
    messages: Vec<String>,
    _signalling: Signalling,
}

impl Peer {
    async fn call(server: &Server) -> Result<Self> {
        let now = Instant::now();
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        let mut rtc = Rtc::builder().build(now);
        rtc.add_local_candidate(Candidate::host(socket.local_addr()?, "udp")?);
        let mut changes = rtc.sdp_api();
        let both_ways = Direction::SendRecv;
        let sound = changes.add_media(MediaKind::Audio, both_ways, None, None, None);
        let picture = changes.add_media(MediaKind::Video, both_ways, None, None, None);
        changes.add_channel("echo".to_owned());
        let (offer, pending) = changes.apply().context("an offer")?;
        let mut signalling = Signalling::connect(server).await?;
        let answer = signalling.offer(&offer.to_sdp_string()).await?;
        let answer = SdpAnswer::from_sdp_string(&answer)?;
        rtc.sdp_api().accept_answer(pending, answer)?;
        Ok(Self {
            rtc,
            socket,
            timeout: now,
            next_frame: now,
            connected: false,
            sound: Section::new(sound, Codec::Opus, Frequency::FORTY_EIGHT_KHZ, 100),
            // More than fits into one packet.
            picture: Section::new(picture, Codec::Vp8, Frequency::NINETY_KHZ, 3000),
            messages: Vec::new(),
            _signalling: signalling,
        })
    }

    fn has_everything(&self) -> bool {
        let media = [&self.sound, &self.picture];
        media.iter().all(|section| section.returned.len() >= ENOUGH) && self.messages.len() >= 2
    }

    /// Waits for a datagram or for time to pass, and does what is due.
    async fn step(&mut self) -> Result<()> {
        let mut buffer = [0; 2000];
        let until = self.timeout.min(self.next_frame);
        let patience = until.saturating_duration_since(Instant::now());
        if let Ok(received) = timeout(patience, self.socket.recv_from(&mut buffer)).await {
            let (length, from) = received?;
            let to = self.socket.local_addr()?;
            let datagram = Receive::new(Protocol::Udp, from, to, &buffer[..length])?;
            self.rtc
                .handle_input(Input::Receive(Instant::now(), datagram))?;
        }
        let now = Instant::now();
        if now >= self.next_frame {
            self.next_frame = now + PTIME;
            self.send_frames(now)?;
        }
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain().await
    }

    fn send_frames(&mut self, now: Instant) -> Result<()> {
        if !self.connected {
            return Ok(());
        }
        self.sound.send(&mut self.rtc, now)?;
        self.picture.send(&mut self.rtc, now)
    }

    async fn drain(&mut self) -> Result<()> {
        loop {
            match self.rtc.poll_output()? {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return Ok(());
                }
                Output::Transmit(packet) => {
                    // The server has addresses that a socket on loopback does not reach.
                    let sent = self.socket.send_to(&packet.contents, packet.destination);
                    let _ = sent.await;
                }
                Output::Event(event) => self.note(event)?,
            }
        }
    }

    fn note(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Connected => self.connected = true,
            Event::ChannelOpen(channel, _) => self.send_messages(channel)?,
            Event::ChannelData(message) if message.binary => {
                ensure!(
                    message.data == vec![7; 65536],
                    "a message came back changed"
                );
                self.messages
                    .push(format!("binary: {}", message.data.len()));
            }
            Event::ChannelData(message) => {
                let text = String::from_utf8(message.data)?;
                self.messages.push(format!("text: {text}"));
            }
            Event::MediaData(frame) if frame.mid == self.sound.mid => {
                self.sound.take(&frame.data)?;
            }
            Event::MediaData(frame) => self.picture.take(&frame.data)?,
            _ => {}
        }
        Ok(())
    }

    fn send_messages(&mut self, channel: ChannelId) -> Result<()> {
        let mut channel = self.rtc.channel(channel).context("an open channel")?;
        let text = channel.write(false, b"hello")?;
        let binary = channel.write(true, &[7; 65536])?;
        ensure!(text && binary, "no room to send");
        Ok(())
    }
}

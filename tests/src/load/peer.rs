//! One light peer: str0m's sans-IO agent on a link of its own. It sends packets without a codec
//! behind them, one system call each, as browsers do, and counts those that come back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::config::DtlsCert;
use str0m::format::Codec;
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive, TcpType};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcError};

use super::link::Link;

/// An RTP packet before encryption.
pub const PACKET: usize = 1100;

/// Header and extensions of what is sent: the rest is payload.
const OVERHEAD: usize = 28;

/// Where the time of sending stands, counted from the end of the payload.
const STAMP: usize = size_of::<u64>();

/// Longer than any run.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// Ticks of video's media clock per second.
const CLOCK_RATE: f64 = 90_000.0;

/// What was sent and what came back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Sent.
    pub sent: u64,
    /// Come back.
    pub returned: u64,
}

/// One end of a peer connection to the server.
pub struct Peer {
    rtc: Rtc,
    /// Its way to the server.
    pub link: Link,
    video: Mid,
    pending: Option<SdpPendingOffer>,
    channel: Option<ChannelId>,
    began: Instant,
    sequence: u64,
    payload: Arc<[u8]>,
    is_broken: bool,
    /// Offers transport-wide feedback, which then goes both ways.
    pub has_feedback: bool,
    /// What its checks are addressed to: the server's user name fragment, and its own.
    pub name: String,
    /// When the agent wants to be woken.
    pub timeout: Instant,
    /// ICE and DTLS are done.
    pub connected: bool,
    /// When the server closed the connection.
    pub closed: Option<Instant>,
    /// RTP packets.
    pub counts: Counts,
    /// When the last packet came back.
    pub returned_at: Option<Instant>,
    /// Messages over the data channel.
    pub messages: Counts,
    /// How long packets took to come back, where that is measured.
    pub latencies: Option<Vec<Duration>>,
    /// The authentication tag of the last packet that came back, in bytes: 16 is AES-GCM's.
    pub tag: usize,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer")
            .field("local", &self.link.local())
            .field("connected", &self.connected)
            .field("closed", &self.closed)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}

impl Peer {
    /// A peer that has not called yet.
    pub fn new(certificate: &DtlsCert, link: Link) -> Result<Self> {
        let now = Instant::now();
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .set_dtls_cert(certificate.clone())
            .build(now);
        rtc.add_local_candidate(candidate(&link)?);
        Ok(Self {
            rtc,
            link,
            video: Mid::from("none"),
            pending: None,
            channel: None,
            began: now,
            sequence: 1000,
            payload: vec![0x10; PACKET - OVERHEAD].into(),
            is_broken: false,
            has_feedback: true,
            name: String::new(),
            timeout: now,
            connected: false,
            closed: None,
            counts: Counts::default(),
            returned_at: None,
            messages: Counts::default(),
            latencies: None,
            tag: 0,
        })
    }

    /// Offers what a call has: sound, a picture and a data channel.
    pub fn offer(&mut self) -> Result<String> {
        let mut changes = self.rtc.sdp_api();
        changes.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
        self.video = changes.add_media(MediaKind::Video, Direction::SendRecv, None, None, None);
        changes.add_channel("chat".to_owned());
        let (offer, pending) = changes.apply().context("an offer")?;
        self.pending = Some(pending);
        let offer = offer.to_sdp_string();
        Ok(match self.has_feedback {
            true => offer,
            false => without_feedback(&offer),
        })
    }

    /// Offers the same again, with new ICE credentials.
    pub fn offer_restart(&mut self) -> Result<String> {
        let mut changes = self.rtc.sdp_api();
        changes.ice_restart(true);
        let (offer, pending) = changes.apply().context("an offer")?;
        self.pending = Some(pending);
        Ok(offer.to_sdp_string())
    }

    /// Takes the answer. It names the server's candidates, so trickled ones are no news.
    pub fn accept(&mut self, answer: &str) -> Result<()> {
        let pending = self.pending.take().context("an answer to no offer")?;
        let ours = self.rtc.direct_api().local_ice_credentials().ufrag;
        let theirs = answer
            .lines()
            .find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        self.name = format!("{}:{ours}", theirs.context("an answer without ICE")?);
        let answer = SdpAnswer::from_sdp_string(&only_loopback(answer))?;
        self.rtc.sdp_api().accept_answer(pending, answer)?;
        self.pump()
    }

    fn input(&mut self, input: Input<'_>) -> Result<()> {
        if self.is_broken {
            return Ok(());
        }
        match self.rtc.handle_input(input) {
            Ok(()) => self.pump(),
            Err(error) => self.end(error),
        }
    }

    /// The agent cannot close before its SCTP association is there: it ends with an error instead.
    fn end(&mut self, error: RtcError) -> Result<()> {
        let RtcError::Sctp(_) = error else {
            return Err(error.into());
        };
        self.is_broken = true;
        self.timeout = Instant::now() + NEVER;
        self.closed.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Whether every offer has its answer.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        self.pending.is_none()
    }

    /// Lets time pass, if the agent asked for it.
    pub fn advance(&mut self, now: Instant) -> Result<()> {
        if now < self.timeout {
            return Ok(());
        }
        self.input(Input::Timeout(now))
    }

    /// Reads everything that has arrived.
    pub fn drain(&mut self, now: Instant) -> Result<()> {
        let mut buffer = [0; 2000];
        while let Some((length, from)) = self.link.receive(&mut buffer)? {
            let (protocol, local) = (self.link.protocol(), self.link.local());
            let datagram = &buffer[..length];
            let Ok(contents) = Receive::new(protocol, from, local, datagram) else {
                continue;
            };
            let before = self.counts.returned;
            self.input(Input::Receive(now, contents))?;
            if self.counts.returned > before {
                self.returned_at = Some(now);
                let around = rtp_header_len(datagram) + self.payload.len();
                self.tag = datagram.len().saturating_sub(around);
            }
        }
        Ok(())
    }

    /// From now on, notes how long packets take to come back.
    pub fn measure_latency(&mut self) {
        self.latencies = Some(Vec::new());
    }

    /// Sends so many packets back to back, with the timestamp of one frame.
    pub fn send(&mut self, now: Instant, packets: u32) -> Result<()> {
        if self.closed.is_some() {
            return Ok(());
        }
        let payload_type = self.payload_type()?;
        let time = ((now - self.began).as_secs_f64() * CLOCK_RATE) as u64 as u32;
        for at in 0..packets {
            let sequence = self.sequence.into();
            let packet = RtpWrite::new(payload_type, sequence, time, now, self.payload())
                .marker(at + 1 == packets)
                .nackable(true);
            let mut direct = self.rtc.direct_api();
            let stream = direct.stream_tx_by_mid(self.video, None);
            stream.context("no video stream")?.write_rtp(packet);
            self.sequence += 1;
        }
        self.counts.sent += u64::from(packets);
        self.input(Input::Timeout(now))
    }

    fn payload(&self) -> Arc<[u8]> {
        if self.latencies.is_none() {
            return self.payload.clone();
        }
        let mut payload = self.payload.to_vec();
        let at = payload.len() - STAMP;
        let stamp = self.began.elapsed().as_nanos() as u64;
        payload[at..].copy_from_slice(&stamp.to_be_bytes());
        payload.into()
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

    /// Whether the data channel is open.
    #[must_use]
    pub fn has_channel(&self) -> bool {
        self.channel.is_some()
    }

    /// Sends a message over the data channel.
    pub fn send_data(&mut self, data: &[u8]) -> Result<()> {
        let channel = self.channel.context("no open channel")?;
        let mut channel = self.rtc.channel(channel).context("no open channel")?;
        ensure!(channel.write(true, data)?, "no room to send");
        self.messages.sent += 1;
        self.pump()
    }

    /// Says goodbye: RTCP BYE, SCTP shutdown, DTLS close_notify. Before the handshake is done there
    /// is nothing to say it with.
    pub fn close(&mut self) -> Result<()> {
        if !self.connected {
            return Ok(());
        }
        match self.rtc.close() {
            Ok(()) => self.pump(),
            Err(error) => self.end(error),
        }
    }

    /// Carries out what the agent wants until it wants nothing before `timeout`.
    fn pump(&mut self) -> Result<()> {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at;
                    return Ok(());
                }
                Ok(Output::Transmit(transmit)) => {
                    self.link.send(&transmit.contents, transmit.destination)?;
                }
                Ok(Output::Event(event)) => self.note(event),
                Err(error) => return self.end(error),
            }
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::Closed => self.closed = Some(Instant::now()),
            Event::ChannelOpen(channel, _) => self.channel = Some(channel),
            Event::ChannelData(_) => self.messages.returned += 1,
            Event::RtpPacket(packet) => self.note_returned(&packet.payload),
            _ => {}
        }
    }

    fn note_returned(&mut self, payload: &[u8]) {
        self.counts.returned += 1;
        if let (Some(latencies), Some(stamp)) = (&mut self.latencies, payload.last_chunk()) {
            let sent = Duration::from_nanos(u64::from_be_bytes(*stamp));
            latencies.push(self.began.elapsed().saturating_sub(sent));
        }
    }
}

fn candidate(link: &Link) -> Result<Candidate> {
    let candidate = match link.protocol() {
        Protocol::Tcp => Candidate::builder()
            .tcp()
            .host(link.local())
            .tcptype(TcpType::Active)
            .build(),
        _ => Candidate::host(link.local(), "udp"),
    };
    candidate.context("a candidate")
}

/// The links are bound to 127.0.0.1: the machine's other addresses are out of their reach.
fn only_loopback(sdp: &str) -> String {
    sdp.split_inclusive("\r\n")
        .filter(|line| !line.starts_with("a=candidate") || line.contains(" 127.0.0.1 "))
        .collect()
}

/// An offer of somebody who says nothing of when packets arrive.
fn without_feedback(sdp: &str) -> String {
    sdp.split_inclusive("\r\n")
        .filter(|line| !line.contains("transport-cc") && !line.contains("transport-wide-cc"))
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

//! A peer that shares no code with the server: str0m on a socket of its own, or behind a relay. It calls with a
//! microphone and a data channel, or offers what a member of a room does: its channels, pictures in layers, slots.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpPendingOffer};
use str0m::channel::{ChannelConfig, ChannelId, Reliability};
use str0m::config::DtlsCert;
pub use str0m::media::MediaKind;
use str0m::media::{Direction, Frequency, MediaTime, Mid, Simulcast, SimulcastLayer};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc};

use super::PATIENCE;
use super::relay::Relay;

/// The time between two frames.
const PTIME: Duration = Duration::from_millis(20);

/// A new certificate.
pub fn certificate() -> DtlsCert {
    let provider = str0m::crypto::from_feature_flags();
    provider.dtls_provider.generate_certificate().unwrap()
}

pub struct Native {
    rtc: Rtc,
    local: SocketAddr,
    socket: UdpSocket,
    /// All goes through it, if there is one.
    relay: Option<Relay>,
    timeout: Instant,
    audio: Option<Mid>,
    pending: Option<SdpPendingOffer>,
    connected: bool,
    frames_sent: u32,
    next_frame: Instant,
    channel: Option<ChannelId>,
    /// The channels that are open, with their labels.
    open: Vec<(ChannelId, String)>,
    /// Messages that came, with the labels of their channels.
    pub came: Vec<(String, Vec<u8>)>,
    /// Frames that came back.
    pub frames: usize,
    /// The same, by the `mid` of their section.
    pub frames_on: HashMap<String, usize>,
    /// How often there was nothing to read.
    pub idle_steps: usize,
    /// Messages that came back.
    pub messages: Vec<Vec<u8>>,
    /// Alerts of DTLS that came (RFC 6347 §4.1): when all is well, the other end says goodbye.
    pub alerts: usize,
}

impl Native {
    pub fn new() -> Self {
        Self::with(certificate())
    }

    /// One that shows itself with this certificate.
    pub fn with(certificate: DtlsCert) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let local = socket.local_addr().unwrap();
        Self::at(local, socket, None, certificate)
    }

    /// One that is reached by a relay only.
    pub fn through(relay: Relay) -> Self {
        let socket = relay.socket.try_clone().unwrap();
        Self::at(relay.relayed, socket, Some(relay), certificate())
    }

    fn at(
        local: SocketAddr,
        socket: UdpSocket,
        relay: Option<Relay>,
        certificate: DtlsCert,
    ) -> Self {
        let now = Instant::now();
        let mut rtc = Rtc::builder().set_dtls_cert(certificate).build(now);
        let candidate = Candidate::host(local, "udp").unwrap();
        rtc.add_local_candidate(candidate).unwrap();
        Self {
            rtc,
            local,
            socket,
            relay,
            timeout: now,
            audio: None,
            pending: None,
            connected: false,
            frames_sent: 0,
            next_frame: now,
            channel: None,
            open: Vec::new(),
            came: Vec::new(),
            frames: 0,
            frames_on: HashMap::new(),
            idle_steps: 0,
            messages: Vec::new(),
            alerts: 0,
        }
    }

    pub fn offer(&mut self) -> String {
        let mut changes = self.rtc.sdp_api();
        let both_ways = Direction::SendRecv;
        let audio = changes.add_media(MediaKind::Audio, both_ways, None, None, None);
        changes.add_channel("echo".to_owned());
        let (offer, pending) = changes.apply().unwrap();
        (self.audio, self.pending) = (Some(audio), Some(pending));
        offer.to_sdp_string()
    }

    /// Offers a microphone, a camera that sends nothing, and slots for sound. Returns the sections' `mid`s, too.
    pub fn offer_member(&mut self, slots: usize) -> (String, Vec<String>) {
        let published =
            [MediaKind::Audio, MediaKind::Video].map(|kind| (kind, Direction::SendOnly));
        let slots = vec![(MediaKind::Audio, Direction::RecvOnly); slots];
        self.offer_sections(&[&published[..], &slots].concat())
    }

    /// Offers slots of these kinds. Returns their `mid`s, too.
    pub fn offer_slots(&mut self, kinds: &[MediaKind]) -> (String, Vec<String>) {
        let slots: Vec<_> = kinds
            .iter()
            .map(|kind| (*kind, Direction::RecvOnly))
            .collect();
        self.offer_sections(&slots)
    }

    fn offer_sections(&mut self, sections: &[(MediaKind, Direction)]) -> (String, Vec<String>) {
        let mut changes = self.rtc.sdp_api();
        let mids = sections.iter().map(|(kind, direction)| {
            let mid = changes.add_media(*kind, *direction, None, None, None);
            let is_microphone = (*kind, *direction) == (MediaKind::Audio, Direction::SendOnly);
            self.audio = is_microphone.then_some(mid).or(self.audio);
            mid.to_string()
        });
        let mids = mids.collect();
        let (offer, pending) = changes.apply().unwrap();
        self.pending = Some(pending);
        (offer.to_sdp_string(), mids)
    }

    /// Offers the two channels of a room and nothing else.
    pub fn offer_channels(&mut self) -> String {
        let mut changes = self.rtc.sdp_api();
        changes.add_channel("ferrite.reliable".to_owned());
        changes.add_channel_with_config(ChannelConfig {
            label: "ferrite.lossy".to_owned(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..ChannelConfig::default()
        });
        let (offer, pending) = changes.apply().unwrap();
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    /// Offers pictures to be sent in these layers, smallest first; without any, to be received.
    pub fn offer_pictures(&mut self, rids: &[&str]) -> String {
        let mut simulcast = Simulcast::new();
        let layers = rids.iter().map(|rid| SimulcastLayer::new(rid));
        simulcast.send = layers.collect();
        match rids {
            [] => self.offer_video(Direction::RecvOnly, None),
            _ => self.offer_video(Direction::SendOnly, Some(simulcast)),
        }
    }

    /// An offer to send a picture in one stream.
    pub fn offer_one_picture(&mut self) -> String {
        self.offer_video(Direction::SendOnly, None)
    }

    fn offer_video(&mut self, direction: Direction, simulcast: Option<Simulcast>) -> String {
        let mut changes = self.rtc.sdp_api();
        changes.add_media(MediaKind::Video, direction, None, None, simulcast);
        let (offer, pending) = changes.apply().unwrap();
        self.pending = Some(pending);
        offer.to_sdp_string()
    }

    /// Sends a message on a channel of this label. Returns whether that is open, and takes it.
    pub fn send_on(&mut self, label: &str, data: &[u8]) -> bool {
        let mut open = self.open.iter();
        let Some((channel, _)) = open.find(|(_, open)| open == label) else {
            return false;
        };
        let channel = self.rtc.channel(*channel);
        let taken = channel.is_some_and(|mut channel| channel.write(true, data).unwrap());
        self.drain();
        taken
    }

    /// How many channels are open.
    pub fn channels(&self) -> usize {
        self.open.len()
    }

    pub fn take_answer(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        let pending = self.pending.take().unwrap();
        self.rtc.sdp_api().accept_answer(pending, answer).unwrap();
    }

    /// Goes on until something is so.
    #[track_caller]
    pub fn run_until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "not in time: {what}");
            self.step();
        }
    }

    pub fn is_open(&self) -> bool {
        self.channel.is_some()
    }

    /// Sends a message on the channel, once that is open.
    pub fn send(&mut self, data: &[u8]) {
        let mut channel = self.rtc.channel(self.channel.unwrap()).unwrap();
        assert!(channel.write(true, data).unwrap());
        self.drain();
    }

    /// Sends a message and waits until it is back.
    #[track_caller]
    pub fn echo(&mut self, data: &[u8]) {
        let count = self.messages.len();
        self.send(data);
        self.run_until("the echo", |native| native.messages.len() > count);
        assert_eq!(self.messages[count], data);
    }

    /// Waits for a datagram or for time to pass, and does what is due.
    pub fn step(&mut self) {
        let until = self.timeout.min(self.next_frame);
        let wait = until.saturating_duration_since(Instant::now());
        let wait = wait.max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let mut buffer = [0; 2000];
        let received = match &self.relay {
            Some(relay) => relay.recv_from(&mut buffer),
            None => self.socket.recv_from(&mut buffer),
        };
        match &received {
            Ok((length, source)) => {
                const ALERT: u8 = 21;
                self.alerts += usize::from(buffer[..*length].first() == Some(&ALERT));
                let to = self.local;
                let datagram =
                    Receive::new(Protocol::Udp, *source, to, &buffer[..*length]).unwrap();
                let input = Input::Receive(Instant::now(), datagram);
                self.rtc.handle_input(input).unwrap();
            }
            Err(error) => assert!(
                matches!(
                    error.kind(),
                    ErrorKind::WouldBlock
                        | ErrorKind::TimedOut
                        | ErrorKind::ConnectionRefused
                        | ErrorKind::Interrupted
                ),
                "{error}"
            ),
        }
        self.idle_steps += usize::from(received.is_err());
        let now = Instant::now();
        if now >= self.next_frame {
            self.next_frame = now + PTIME;
            self.send_frame(now);
        }
        self.rtc.handle_input(Input::Timeout(now)).unwrap();
        self.drain();
    }

    fn send_frame(&mut self, now: Instant) {
        let Some(audio) = self.audio.filter(|_| self.connected) else {
            return;
        };
        let Some(writer) = self.rtc.writer(audio) else {
            return;
        };
        let pt = writer.payload_params().next().unwrap().pt();
        let elapsed = PTIME * self.frames_sent;
        let time = MediaTime::from(elapsed).rebase(Frequency::FORTY_EIGHT_KHZ);
        self.frames_sent += 1;
        writer.write(pt, now, time, vec![7; 80]).unwrap();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().unwrap() {
                Output::Timeout(at) => {
                    self.timeout = at;
                    return;
                }
                Output::Transmit(packet) => {
                    // The server has addresses that a socket on loopback does not reach.
                    let _ = match &self.relay {
                        Some(relay) => relay.send_to(&packet.contents, packet.destination),
                        None => self.socket.send_to(&packet.contents, packet.destination),
                    };
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::ChannelOpen(channel, label)) => {
                    self.channel = Some(channel);
                    self.open.push((channel, label));
                }
                Output::Event(Event::ChannelData(message)) => {
                    let mut open = self.open.iter();
                    let label = open.find(|(channel, _)| *channel == message.id);
                    let label = label.map(|(_, label)| label.clone()).unwrap_or_default();
                    self.came.push((label, message.data.clone()));
                    self.messages.push(message.data);
                }
                Output::Event(Event::MediaData(frame)) => {
                    self.frames += 1;
                    *self.frames_on.entry(frame.mid.to_string()).or_default() += 1;
                }
                Output::Event(_) => {}
            }
        }
    }
}

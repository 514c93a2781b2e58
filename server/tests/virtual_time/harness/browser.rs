//! The far end that stands for a browser: str0m, a full ICE agent that offers, controls and sends.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::change::{SdpAnswer, SdpApi, SdpPendingOffer};
use str0m::channel::ChannelId;
use str0m::media::{Direction, KeyframeRequest, MediaKind, Mid, Pt};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite};
use str0m::stats::{MediaEgressStats, PeerStats};
use str0m::{Candidate, Event, IceConnectionState, Input, Output, Rtc, RtcConfig, RtcError};

use super::link::Datagram;
use super::{FarEnd, World, address};

/// Where the browser is.
pub const BROWSER: &str = "198.51.100.7:40000";

/// A track it sends: numbered packets at an even pace.
pub struct Track {
    pub mid: Mid,
    pub kind: MediaKind,
    pub first_sequence: u64,
    pub next_sequence: u64,
    pub first_timestamp: u32,
    pub timestamp: u32,
    /// Packets per frame.
    pub burst: u32,
    pub interval: Duration,
    pub payload_len: usize,
    pub muted: bool,
    next_at: Instant,
    /// Packets written, by sequence number.
    pub sent: BTreeMap<u64, Sent>,
}

/// A packet written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub payload: Vec<u8>,
    pub timestamp: u32,
    pub marker: bool,
}

impl Track {
    /// The media clock's ticks from frame to frame.
    pub fn ticks(&self) -> u32 {
        let clock_rate = match self.kind {
            MediaKind::Audio => 48_000.0,
            MediaKind::Video => 90_000.0,
        };
        (self.interval.as_secs_f64() * clock_rate).round() as u32
    }

    fn payload(&self) -> Vec<u8> {
        let mut payload = vec![self.next_sequence as u8; self.payload_len];
        payload[..8].copy_from_slice(&self.next_sequence.to_be_bytes());
        payload
    }
}

/// A data channel message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub channel: ChannelId,
    pub binary: bool,
    pub data: Vec<u8>,
}

/// The browser.
pub struct Browser {
    pub rtc: Rtc,
    pub address: SocketAddr,
    pub tracks: Vec<Track>,
    /// Packets received, by section.
    pub received: BTreeMap<Mid, Vec<RtpPacket>>,
    pub messages: Vec<Message>,
    pub open: Vec<(ChannelId, String)>,
    pub closed_channels: Vec<ChannelId>,
    pub keyframe_requests: Vec<(Instant, KeyframeRequest)>,
    pub ice: IceConnectionState,
    pub connected: bool,
    /// The other end closed DTLS.
    pub closed: bool,
    pub error: Option<RtcError>,
    pub stats: Option<PeerStats>,
    pub egress_stats: BTreeMap<Mid, MediaEgressStats>,
    pub raw: Vec<(Instant, str0m::rtp::RawPacket)>,
    timeout: Instant,
    outgoing: VecDeque<Datagram>,
}

pub fn config() -> RtcConfig {
    RtcConfig::new()
        .set_rtp_mode(true)
        .set_stats_interval(Some(Duration::from_secs(1)))
}

impl Browser {
    pub fn new(now: Instant, config: RtcConfig) -> Self {
        let mut browser = Self {
            rtc: config.build(now),
            address: address(BROWSER),
            tracks: Vec::new(),
            received: BTreeMap::new(),
            messages: Vec::new(),
            open: Vec::new(),
            closed_channels: Vec::new(),
            keyframe_requests: Vec::new(),
            ice: IceConnectionState::New,
            connected: false,
            closed: false,
            error: None,
            stats: None,
            egress_stats: BTreeMap::new(),
            raw: Vec::new(),
            timeout: now,
            outgoing: VecDeque::new(),
        };
        browser.add_address(browser.address);
        browser
    }

    pub fn add_address(&mut self, address: SocketAddr) {
        let candidate = Candidate::host(address, "udp").unwrap();
        self.rtc.add_local_candidate(candidate).unwrap();
    }

    /// Sends numbered packets on a section from now on.
    pub fn send_on(&mut self, now: Instant, mid: Mid, first_sequence: u64, first_timestamp: u32) {
        let kind = self.rtc.media(mid).unwrap().kind();
        let (burst, interval, payload_len) = match kind {
            MediaKind::Audio => (1, Duration::from_millis(20), 80),
            MediaKind::Video => (4, Duration::from_millis(33), 1000),
        };
        self.tracks.push(Track {
            mid,
            kind,
            first_sequence,
            next_sequence: first_sequence,
            first_timestamp,
            timestamp: first_timestamp,
            burst,
            interval,
            payload_len,
            muted: false,
            next_at: now,
            sent: BTreeMap::new(),
        });
    }

    pub fn track(&mut self, mid: Mid) -> &mut Track {
        self.tracks.iter_mut().find(|t| t.mid == mid).unwrap()
    }

    pub fn received_on(&self, mid: Mid) -> &[RtpPacket] {
        self.received.get(&mid).map_or(&[], Vec::as_slice)
    }

    pub fn channel(&self, label: &str) -> Option<ChannelId> {
        let open = self.open.iter().find(|(_, name)| name == label);
        open.map(|(id, _)| *id)
    }

    /// Sends a message; `false` where the channel is full.
    pub fn send(&mut self, now: Instant, channel: ChannelId, binary: bool, data: &[u8]) -> bool {
        let mut channel = self.rtc.channel(channel).unwrap();
        let taken = channel.write(binary, data).unwrap();
        self.poll(now);
        taken
    }

    /// The payload type the section's packets are sent with.
    pub fn payload_type(&self, mid: Mid) -> Pt {
        *self.rtc.media(mid).unwrap().remote_pts().first().unwrap()
    }

    fn input(&mut self, now: Instant, input: Input<'_>) {
        if self.error.is_some() {
            return;
        }
        if let Err(error) = self.rtc.handle_input(input) {
            self.error = Some(error);
        }
        self.poll(now);
    }

    /// Takes what str0m has to give out.
    pub fn poll(&mut self, now: Instant) {
        while self.error.is_none() {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at;
                    return;
                }
                Ok(Output::Transmit(transmit)) => self.outgoing.push_back(Datagram {
                    from: transmit.source,
                    to: transmit.destination,
                    bytes: transmit.contents.to_vec(),
                }),
                Ok(Output::Event(event)) => self.note(now, event),
                Err(error) => self.error = Some(error),
            }
        }
    }

    fn note(&mut self, now: Instant, event: Event) {
        match event {
            Event::Connected => self.connected = true,
            Event::IceConnectionStateChange(state) => self.ice = state,
            Event::RtpPacket(packet) => {
                let mid = self
                    .rtc
                    .direct_api()
                    .stream_rx(&packet.header.ssrc)
                    .unwrap()
                    .mid();
                self.received.entry(mid).or_default().push(packet);
            }
            Event::ChannelOpen(id, label) => self.open.push((id, label)),
            Event::ChannelData(data) => self.messages.push(Message {
                channel: data.id,
                binary: data.binary,
                data: data.data,
            }),
            Event::ChannelClose(id) => self.closed_channels.push(id),
            Event::KeyframeRequest(request) => self.keyframe_requests.push((now, request)),
            Event::PeerStats(stats) => self.stats = Some(stats),
            Event::MediaEgressStats(stats) => {
                self.egress_stats.insert(stats.mid, stats);
            }
            Event::RawPacket(packet) => self.raw.push((now, *packet)),
            Event::Closed => self.closed = true,
            _ => {}
        }
    }

    fn write_frames(&mut self, now: Instant) {
        for track in &mut self.tracks {
            while track.next_at <= now {
                let at = track.next_at;
                track.next_at += track.interval;
                track.timestamp = track.timestamp.wrapping_add(track.ticks());
                if track.muted || !self.rtc.is_connected() {
                    continue;
                }
                let pt = *self
                    .rtc
                    .media(track.mid)
                    .unwrap()
                    .remote_pts()
                    .first()
                    .unwrap();
                let mut api = self.rtc.direct_api();
                let Some(stream) = api.stream_tx_by_mid(track.mid, None) else {
                    continue;
                };
                for index in 0..track.burst {
                    let payload = track.payload();
                    let sequence = track.next_sequence;
                    let packet =
                        RtpWrite::new(pt, sequence.into(), track.timestamp, at, &payload[..])
                            .marker(index + 1 == track.burst)
                            .nackable(track.kind == MediaKind::Video);
                    stream.write_rtp(packet);
                    let sent = Sent {
                        payload,
                        timestamp: track.timestamp,
                        marker: index + 1 == track.burst,
                    };
                    track.sent.insert(sequence, sent);
                    track.next_sequence += 1;
                }
            }
        }
    }
}

impl FarEnd for Browser {
    fn receive(&mut self, now: Instant, datagram: &Datagram) {
        // What str0m cannot even parse must not have been sent.
        let contents = datagram.bytes[..].try_into().unwrap();
        let received = Receive {
            proto: Protocol::Udp,
            source: datagram.from,
            destination: datagram.to,
            contents,
        };
        self.input(now, Input::Receive(now, received));
    }

    fn poll_transmit(&mut self) -> Option<Datagram> {
        self.outgoing.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        if self.error.is_some() || !self.rtc.is_alive() {
            return None;
        }
        let tracks = self.tracks.iter().map(|track| track.next_at);
        tracks.chain([self.timeout]).min()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|due| due <= now) {
            self.write_frames(now);
            self.input(now, Input::Timeout(now));
        }
    }
}

/// A change of the session, as a page makes it.
pub type Change<'a> = &'a mut dyn FnMut(&mut SdpApi<'_>);

impl World<Browser> {
    /// A browser with these settings, that has not called yet.
    pub fn browser(seed: u64, config: RtcConfig) -> Self {
        Self::new(seed, |now, _| Browser::new(now, config))
    }

    /// Makes an offer. `edit` may change its text on the way.
    pub fn make_offer(&mut self, change: Change<'_>) -> (String, SdpPendingOffer) {
        let mut api = self.far.rtc.sdp_api();
        change(&mut api);
        let (offer, pending) = api.apply().unwrap();
        (offer.to_sdp_string(), pending)
    }

    /// Gives the browser the answer.
    pub fn take_answer(&mut self, pending: SdpPendingOffer, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).unwrap();
        self.far
            .rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .unwrap();
        self.far.poll(self.now);
    }

    /// Offers a change and takes the answer, signalling in no time.
    pub fn negotiate(&mut self, change: Change<'_>) {
        let (offer, pending) = self.make_offer(change);
        let answer = self.server.offer(self.now, &offer).unwrap();
        self.take_answer(pending, &answer);
    }

    pub fn is_connected(&self) -> bool {
        self.server.is_connected() && self.far.connected && self.far.rtc.is_connected()
    }

    /// A call with audio, video and a channel called "chat". Returns the two sections.
    pub fn call(&mut self) -> (Mid, Mid) {
        let mut mids = None;
        self.negotiate(&mut |api| {
            let audio = api.add_media(MediaKind::Audio, Direction::SendRecv, None, None, None);
            let video = api.add_media(MediaKind::Video, Direction::SendRecv, None, None, None);
            api.add_channel("chat".to_owned());
            mids = Some((audio, video));
        });
        mids.unwrap()
    }
}

//! A member who is no friend: let in as everybody is, with its own hand on every byte after that.
//! It knows how to get in and how to seal; what it says is its caller's business.
//!
//! The protocols are webrtc-rs's, driven directly. Whoever drives it calls [`Member::listen`] from
//! time to time, so that it stays let in.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use ferrite_protocol::{ClientMessage, MediaKind, ServerMessage, Source, TrackUse, Tracks};
use rtc::dtls::config::HandshakeConfig;
use rtc::dtls::endpoint::{Endpoint, EndpointEvent};
use rtc::shared::TransportProtocol;
use rtc::srtp::context::Context;
use rtc::stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message};

use super::badge::{self, ASSOCIATION, Badge};
use super::line::{Heard, Line};
use super::stun;
use crate::wait;

const UFRAG: &str = "mmbr";
const PASSWORD: &str = "thepasswordofthemember00";

/// The payload type of the video offered, the id of its transport-wide numbers, and the SSRC that
/// is announced for it.
pub const VP8: u8 = 96;
/// See [`VP8`].
pub const TRANSPORT_CC: u8 = 2;
/// See [`VP8`].
pub const SSRC: u32 = 0x5EED_0001;

/// What it publishes in a room.
pub const KEY: &str = "flood";

/// How long it waits for an answer before it looks again.
const LOOK: Duration = Duration::from_millis(5);

/// Time between two checks while getting in.
const CHECK_INTERVAL: Duration = Duration::from_millis(50);

/// One who was let in.
pub struct Member {
    socket: UdpSocket,
    media: SocketAddr,
    line: Line,
    badge: Badge,
    dtls: Endpoint,
    srtp: Option<Context>,
    /// The server's user name fragment and password.
    theirs: (String, String),
    /// What the server sends with: the SSRC of every section that has one.
    ssrcs: Vec<u32>,
    checked: bool,
    transaction: u64,
    data: Vec<Vec<u8>>,
    /// It is in a room.
    has_room: bool,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member")
            .field("checked", &self.checked)
            .field("sealed", &self.srtp.is_some())
            .finish_non_exhaustive()
    }
}

impl Member {
    /// Calls the server and comes back when it may send media. It offers so many video sections, and
    /// a data channel.
    pub fn join(address: &str, media: SocketAddr, videos: usize) -> Result<Self> {
        Self::enter(address, media, videos, None)
    }

    /// The same, after it said this: it joins a room. Of its sections the first is published, as [`KEY`], and others
    /// are shown on the rest.
    pub fn enter(
        address: &str,
        media: SocketAddr,
        videos: usize,
        join: Option<&ClientMessage>,
    ) -> Result<Self> {
        let badge = Badge::new()?;
        let config = badge.handshake.clone();
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(LOOK))?;
        let mut member = Self {
            socket,
            media,
            line: Line::open(address)?,
            badge,
            dtls: Endpoint::new(ASSOCIATION, TransportProtocol::UDP, None),
            srtp: None,
            theirs: (String::new(), String::new()),
            ssrcs: Vec::new(),
            checked: false,
            transaction: 0,
            data: Vec::new(),
            has_room: join.is_some(),
        };
        join.map_or(Ok(()), |join| member.line.say(join))?;
        member.offer(videos)?;
        member.get_in(config)?;
        Ok(member)
    }

    /// Offers so many video sections. The answer is heard by [`Self::listen`].
    pub fn offer(&mut self, videos: usize) -> Result<()> {
        let sdp = self.description(videos);
        self.line.say(&ClientMessage::Offer {
            id: None,
            sdp,
            tracks: self.has_room.then(|| tracks(videos)),
        })
    }

    /// Says something else.
    pub fn say(&mut self, message: &ClientMessage) -> Result<()> {
        self.line.say(message)
    }

    fn get_in(&mut self, config: Arc<HandshakeConfig>) -> Result<()> {
        let deadline = Instant::now() + wait::PATIENCE;
        let (mut next_check, mut begun) = (Instant::now(), false);
        while self.srtp.is_none() {
            ensure!(
                Instant::now() < deadline,
                "the member was not let in: {self:?}"
            );
            self.listen()?;
            if self.theirs.0.is_empty() {
                std::thread::park_timeout(LOOK);
                continue;
            }
            let now = Instant::now();
            if now >= next_check {
                next_check = now + CHECK_INTERVAL;
                self.check()?;
            }
            if self.checked && !begun {
                begun = true;
                self.dtls.connect(now, ASSOCIATION, config.clone(), None)?;
            }
            if self
                .dtls
                .poll_timeout(&ASSOCIATION)
                .is_some_and(|due| due <= now)
            {
                self.dtls.handle_timeout(ASSOCIATION, now)?;
            }
            self.flush()?;
            self.receive(Some(LOOK))?;
        }
        Ok(())
    }

    /// The SSRCs that the server sends with.
    #[must_use]
    pub fn ssrcs(&self) -> &[u32] {
        &self.ssrcs
    }

    /// Hears what the server says, answers its checks, and returns what came over DTLS.
    pub fn listen(&mut self) -> Result<Vec<Vec<u8>>> {
        while let Some(heard) = self.line.hear() {
            match heard {
                Heard::Message(ServerMessage::Answer { sdp, .. }) => self.accept(&sdp),
                Heard::Message(ServerMessage::Ping { id }) => {
                    self.line.say(&ClientMessage::Pong { id })?;
                }
                // A refusal is what a flood of offers gets.
                Heard::Message(_) => {}
                Heard::Closed(code) => bail!("the member was shown out: {code}"),
            }
        }
        self.receive(None)?;
        Ok(std::mem::take(&mut self.data))
    }

    /// Sends a check with USE-CANDIDATE.
    pub fn check(&mut self) -> Result<()> {
        let check = self.binding_request();
        self.put(&check)
    }

    /// Sends the same from another socket, as one does who moves.
    pub fn check_from(&mut self, socket: &UdpSocket) -> Result<()> {
        let check = self.binding_request();
        socket.send_to(&check, self.media)?;
        Ok(())
    }

    /// Seals and sends a compound RTCP packet.
    pub fn send_rtcp(&mut self, compound: &[u8]) -> Result<()> {
        let srtp = self.srtp.as_mut().context("not let in")?;
        let sealed = srtp.encrypt_rtcp(compound)?;
        self.put(&sealed)
    }

    /// Seals and sends an RTP packet.
    pub fn send_rtp(&mut self, packet: &[u8]) -> Result<()> {
        let srtp = self.srtp.as_mut().context("not let in")?;
        let sealed = srtp.encrypt_rtp(packet)?;
        self.put(&sealed)
    }

    /// Sends application data: an SCTP packet, whatever it says.
    pub fn send_data(&mut self, packet: &[u8]) -> Result<()> {
        self.dtls.write(Instant::now(), ASSOCIATION, packet)?;
        self.flush()
    }

    fn put(&self, datagram: &[u8]) -> Result<()> {
        match self.socket.send_to(datagram, self.media) {
            Err(error) if error.kind() != ErrorKind::ConnectionRefused => {
                Err(error).context("a member's datagram")
            }
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> Result<()> {
        while let Some(transmit) = self.dtls.poll_transmit() {
            self.put(&transmit.message)?;
        }
        Ok(())
    }

    /// Takes what has arrived; waits so long for the first of it.
    fn receive(&mut self, patience: Option<Duration>) -> Result<()> {
        let mut buffer = [0; 2048];
        self.socket.set_nonblocking(patience.is_none())?;
        while let Ok((length, _)) = self.socket.recv_from(&mut buffer) {
            self.take(&buffer[..length])?;
            self.socket.set_nonblocking(true)?;
        }
        self.socket.set_nonblocking(false)?;
        self.flush()
    }

    fn take(&mut self, datagram: &[u8]) -> Result<()> {
        match datagram.first() {
            Some(0..=3) => self.take_stun(datagram),
            Some(20..=63) => self.take_dtls(datagram),
            // What is sent to it does not matter to it.
            _ => Ok(()),
        }
    }

    fn take_stun(&mut self, datagram: &[u8]) -> Result<()> {
        let mut message = Message::new();
        if message.unmarshal_binary(datagram).is_err() {
            return Ok(());
        }
        if message.typ == BINDING_SUCCESS {
            self.checked = true;
        }
        if message.typ == BINDING_REQUEST {
            let crypto = self.badge.provider.crypto();
            self.put(&stun::success(crypto, &message, self.media, PASSWORD))?;
        }
        Ok(())
    }

    fn take_dtls(&mut self, datagram: &[u8]) -> Result<()> {
        let read = (self.dtls).read(Instant::now(), ASSOCIATION, None, datagram.into());
        for event in read? {
            match event {
                EndpointEvent::HandshakeComplete => self.srtp = Some(self.keys()?),
                EndpointEvent::ApplicationData(data) => self.data.push(data.to_vec()),
                _ => {}
            }
        }
        Ok(())
    }

    fn keys(&self) -> Result<Context> {
        let config = badge::keys(&self.dtls)?;
        let (key, salt) = (
            &config.keys.local_master_key,
            &config.keys.local_master_salt,
        );
        let crypto = self.badge.provider.crypto();
        Ok(Context::new(key, salt, config.profile, None, None, crypto)?)
    }

    fn binding_request(&mut self) -> Vec<u8> {
        self.transaction += 1;
        let username = format!("{}:{UFRAG}", self.theirs.0);
        let crypto = self.badge.provider.crypto();
        stun::request(crypto, &username, &self.theirs.1, self.transaction)
    }

    fn accept(&mut self, answer: &str) {
        let value = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().to_owned()
        };
        self.theirs = (value("a=ice-ufrag:"), value("a=ice-pwd:"));
        let ssrc = |line: &str| {
            line.strip_prefix("a=ssrc:")?
                .split(' ')
                .next()?
                .parse()
                .ok()
        };
        self.ssrcs = answer.lines().filter_map(ssrc).collect();
        self.ssrcs.dedup();
    }

    fn description(&self, videos: usize) -> String {
        let fingerprint = &self.badge.fingerprint;
        let transport = format!(
            "c=IN IP4 0.0.0.0\r\na=ice-ufrag:{UFRAG}\r\na=ice-pwd:{PASSWORD}\r\n\
             a=fingerprint:sha-256 {fingerprint}\r\na=setup:active\r\n"
        );
        let mids: String = (0..=videos).map(|mid| format!(" {mid}")).collect();
        let mut sdp = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE{mids}\r\n\
             m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{transport}a=mid:0\r\n\
             a=sctp-port:5000\r\na=max-message-size:262144\r\n"
        );
        for mid in 1..=videos {
            let ssrc = SSRC + mid as u32 - 1;
            sdp.push_str(&format!(
                "m=video 9 UDP/TLS/RTP/SAVPF {VP8} 97\r\n{transport}a=mid:{mid}\r\na=sendrecv\r\n\
                 a=rtcp-mux\r\na=rtcp-rsize\r\na=extmap:1 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
                 a=extmap:{TRANSPORT_CC} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
                 a=rtpmap:{VP8} VP8/90000\r\na=rtcp-fb:{VP8} nack\r\na=rtcp-fb:{VP8} nack pli\r\n\
                 a=rtcp-fb:{VP8} transport-cc\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt={VP8}\r\n\
                 a=ssrc:{ssrc} cname:member\r\n"
            ));
        }
        sdp
    }
}

/// What its sections are for; their mids are their places, from 1.
fn tracks(videos: usize) -> Tracks {
    let published = TrackUse::Publish {
        key: KEY.to_owned(),
        source: Source::Camera,
        label: None,
        width: None,
        height: None,
    };
    let slots = (2..=videos).map(|mid| (mid.to_string(), TrackUse::Receive(MediaKind::Video)));
    [("1".to_owned(), published)]
        .into_iter()
        .chain(slots)
        .collect()
}

//! A caller over TCP that stops reading: what waits for it stays little, and when it reads again it
//! gets video from a keyframe on, and every message. How old sound may be is shown in virtual time.

// Clippy knows only the tests themselves to be tests, not what they call.
#![allow(clippy::unwrap_used)]

use std::collections::{HashMap, HashSet};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use bytes::BytesMut;
use ferrite_server::behaviour::Echo;
use ferrite_server::media::data::{
    ChannelId, ChannelOptions, MessageKind, Sctp, SctpConfig, SctpEvent,
};
use ferrite_server::media::net::demux::{Kind, classify};
use ferrite_server::media::net::framing::Deframer;
use ferrite_server::media::rtp::header::{Header, write_header};
use ferrite_server::media::rtp::packet::MediaPacket;
use ferrite_server::media::rtp::rtcp::{self, Packet};
use ferrite_server::media::sdp::{DtlsRole, Fingerprint, HashAlgorithm};
use ferrite_server::media::transport::dtls::{Dtls, DtlsEvent, Identity};
use ferrite_server::media::transport::ice::Credentials;
use ferrite_server::media::transport::srtp::Srtp;
use ferrite_server::media::{
    Behaviour, MediaConfig, MediaPlane, Peer, PeerEvent, PeerHandle, PeerOptions, PeerOutput,
};
use tokio::sync::mpsc;

use crate::checker::Check;
use crate::offer::{MID, OPUS, Offer, Section, VP8};

#[allow(dead_code, unreachable_pub)]
#[path = "virtual_time/harness/checker.rs"]
mod checker;
#[allow(dead_code, unreachable_pub)]
#[path = "virtual_time/harness/offer.rs"]
mod offer;

/// Only a failure takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the caller's system holds for it, unread.
const RECEIVE_BUFFER: usize = 64 * 1024;

/// What may be under way to a caller that does not read: its own buffer, which the system doubles,
/// and what the server had sent and queued before it noticed.
const UNDER_WAY: usize = 2 * RECEIVE_BUFFER + 192 * 1024;

const AUDIO_SSRC: u32 = 1000;
const VIDEO_SSRC: u32 = 2000;
const VIDEO_LEN: usize = 1000;

/// Echoes, and notes each packet that it was given.
struct Noting {
    echo: Echo,
    heard: Arc<Mutex<HashSet<(u32, u64)>>>,
}

impl Behaviour for Noting {
    fn tap(&mut self, _: Instant, media: &MediaPacket) {
        let mut heard = self.heard.lock().unwrap();
        heard.insert((media.header.ssrc, number(media.payload())));
    }

    fn handle(&mut self, now: Instant, peer: &mut Peer, output: PeerOutput) {
        self.echo.handle(now, peer, output);
    }
}

/// The number a payload carries, after the first two bytes of VP8.
fn number(payload: &[u8]) -> u64 {
    u64::from_be_bytes(*payload[2..].first_chunk().unwrap())
}

struct Received {
    is_video: bool,
    sequence: u16,
    number: u64,
    is_keyframe: bool,
}

/// The caller: our own parts on a real connection.
struct Caller {
    plane: MediaPlane,
    _handle: PeerHandle,
    _events: mpsc::Receiver<PeerEvent>,
    heard: Arc<Mutex<HashSet<(u32, u64)>>>,
    stream: TcpStream,
    deframer: Deframer,
    dtls: Dtls,
    srtp: Option<Box<Srtp>>,
    sctp: Option<Sctp>,
    received: Vec<Received>,
    keyframes_wanted: usize,
    messages: Vec<Bytes>,
    sent: HashMap<u32, u64>,
}

impl Caller {
    #[expect(clippy::too_many_lines, reason = "one step after the other")]
    fn call() -> Self {
        let plane = MediaPlane::start(MediaConfig {
            shards: 1,
            ..MediaConfig::default()
        })
        .unwrap();
        let heard = Arc::new(Mutex::new(HashSet::new()));
        let (handle, events) = plane.create_peer(PeerOptions {
            session: "slow".into(),
            loopback: true,
            behaviour: Box::new(Noting {
                echo: Echo,
                heard: heard.clone(),
            }),
            trace: None,
        });
        let identity = Identity::generate().unwrap();
        let ours = Credentials {
            ufrag: "slow".to_owned(),
            pwd: "thepasswordoftheslowcaller".to_owned(),
        };
        let direction = "sendrecv";
        let offer = Offer {
            ice: ours.clone(),
            fingerprint: identity.fingerprint,
            setup: "active",
            sections: vec![
                Section::Audio {
                    mid: "0",
                    direction,
                },
                Section::Video {
                    mid: "1",
                    direction,
                    ssrcs: None,
                },
                Section::Data { mid: "2" },
            ],
        };
        let answered = handle.offer(&offer.write(), &HashMap::new(), |_| Arc::default());
        let answer = answered.unwrap().sdp;
        let mut caller = Self {
            stream: connect(plane.port()),
            dtls: Dtls::new(
                identity.clone(),
                DtlsRole::Client,
                vec![fingerprint(&answer)],
            ),
            plane,
            _handle: handle,
            _events: events,
            heard,
            deframer: Deframer::default(),
            srtp: None,
            sctp: None,
            received: Vec::new(),
            keyframes_wanted: 0,
            messages: Vec::new(),
            sent: HashMap::new(),
        };
        let theirs = Credentials {
            ufrag: attribute(&answer, "ice-ufrag").to_owned(),
            pwd: attribute(&answer, "ice-pwd").to_owned(),
        };
        let check = Check::new(ours, theirs);
        caller.send(&check.write(1, identity.provider.crypto()));
        caller.dtls.start(Instant::now());
        caller.pump();
        caller
    }

    fn send(&mut self, datagram: &[u8]) {
        let length = (datagram.len() as u16).to_be_bytes();
        let frame = [&length[..], datagram].concat();
        // The server reads whatever its caller does.
        self.stream.write_all(&frame).unwrap();
    }

    /// Sends a numbered packet.
    fn send_media(&mut self, ssrc: u32, is_keyframe: bool) {
        let sent = self.sent.entry(ssrc).or_default();
        let number = *sent;
        *sent += 1;
        let (payload_type, mid, len) = match ssrc {
            AUDIO_SSRC => (OPUS, b"0", 80),
            _ => (VP8, b"1", VIDEO_LEN),
        };
        let mut fixed = [0x80, payload_type, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        fixed[2..4].copy_from_slice(&(number as u16).to_be_bytes());
        fixed[4..8].copy_from_slice(&(number as u32 * 960).to_be_bytes());
        fixed[8..12].copy_from_slice(&ssrc.to_be_bytes());
        let mut packet = BytesMut::new();
        let header = Header::parse(&fixed).unwrap();
        write_header(&mut packet, &header, &[(Some(MID), Some(&mid[..]))]);
        // RFC 7741 §4.2, §4.3: the first packet of a frame, and whether it is predicted.
        packet.extend([0x10, u8::from(!is_keyframe)]);
        packet.extend(number.to_be_bytes());
        packet.resize(packet.len() + len, 7);
        let header = Header::parse(&packet).unwrap();
        let srtp = self.srtp.as_mut().unwrap();
        srtp.protect_rtp(&mut packet, 0, &header).unwrap();
        self.send(&packet);
    }

    /// Sends what is due, and reads what is there.
    fn turn(&mut self) {
        self.turn_deaf();
        let mut bytes = [0; 16 * 1024];
        let len = match self.stream.read(&mut bytes) {
            Ok(len) => len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => 0,
            Err(error) => panic!("{error}"),
        };
        let mut datagrams = Vec::new();
        let cut = |datagram: &[u8]| datagrams.push(datagram.to_vec());
        self.deframer.push(&bytes[..len], cut).unwrap();
        datagrams.iter().for_each(|datagram| self.take(datagram));
        self.pump();
    }

    /// The same without reading.
    fn turn_deaf(&mut self) {
        let now = Instant::now();
        if self.dtls.poll_timeout().is_some_and(|due| due <= now) {
            self.dtls.handle_timeout(now);
        }
        if let Some(sctp) = &mut self.sctp
            && sctp.poll_timeout().is_some_and(|due| due <= now)
        {
            sctp.handle_timeout(now);
        }
        self.pump();
    }

    fn take(&mut self, datagram: &[u8]) {
        match (classify(datagram), &mut self.srtp) {
            (Some(Kind::Dtls), _) => {
                self.dtls.handle_datagram(Instant::now(), datagram);
            }
            (Some(Kind::Srtp), Some(srtp)) => {
                let header = Header::parse(datagram).unwrap();
                let packet = srtp.unprotect_rtp(datagram, &header).unwrap();
                let payload = &packet[header.len..];
                self.received.push(Received {
                    is_video: header.payload_type == VP8,
                    sequence: header.sequence,
                    number: number(payload),
                    is_keyframe: payload[1] == 0,
                });
            }
            (Some(Kind::Srtcp), Some(srtp)) => {
                let compound = srtp.unprotect_rtcp(datagram).unwrap();
                let wanted = |packet: &Packet<'_>| matches!(packet, Packet::KeyframeRequest { .. });
                self.keyframes_wanted += rtcp::packets(&compound).filter(wanted).count();
            }
            _ => {}
        }
    }

    fn pump(&mut self) {
        let now = Instant::now();
        while let Some(event) = self.dtls.poll_event() {
            match event {
                DtlsEvent::Connected(srtp) => {
                    self.srtp = Some(srtp);
                    self.sctp = Some(Sctp::new(
                        now,
                        SctpConfig {
                            local_port: 5000,
                            remote_port: 5000,
                            max_message_size: 262_144,
                            remote_max_message_size: 262_144,
                            dtls_client: true,
                        },
                    ));
                }
                DtlsEvent::Data(packet) => {
                    if let Some(sctp) = &mut self.sctp {
                        sctp.handle_packet(now, packet);
                    }
                }
                DtlsEvent::Closed => panic!("the server closed"),
                DtlsEvent::Failed(error) => panic!("{error}"),
            }
        }
        if let Some(sctp) = &mut self.sctp {
            while let Some(event) = sctp.poll_event() {
                match event {
                    SctpEvent::Message { data, .. } => self.messages.push(data),
                    SctpEvent::Closed { reason } => panic!("{reason}"),
                    _ => {}
                }
            }
            while let Some(packet) = sctp.poll_transmit(now) {
                self.dtls.send(now, &packet);
            }
        }
        while let Some(datagram) = self.dtls.poll_transmit() {
            self.send(&datagram);
        }
    }

    #[track_caller]
    fn turn_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what}");
            self.turn();
        }
    }

    fn open_channel(&mut self) -> ChannelId {
        let mut opened = None;
        self.turn_until("a channel opens", |caller| {
            let sctp = caller.sctp.as_mut();
            let options = ChannelOptions::default();
            opened = sctp.and_then(|sctp| sctp.open_channel(Instant::now(), options).ok());
            opened.is_some()
        });
        opened.unwrap()
    }

    fn send_message(&mut self, channel: ChannelId, number: u32) {
        let data = Bytes::from([&number.to_be_bytes()[..], &[7; 1000]].concat());
        let sctp = self.sctp.as_mut().unwrap();
        let now = Instant::now();
        sctp.send(now, channel, MessageKind::Binary, data).unwrap();
        self.pump();
    }

    /// Whether the server has handled all media sent.
    fn is_heard(&self) -> bool {
        let heard = self.heard.lock().unwrap();
        let mut sent = self.sent.iter();
        sent.all(|(ssrc, count)| heard.contains(&(*ssrc, count - 1)))
    }

    fn of(&self, is_video: bool) -> Vec<&Received> {
        let received = self.received.iter();
        received.filter(|r| r.is_video == is_video).collect()
    }
}

fn connect(port: u16) -> TcpStream {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(RECEIVE_BUFFER).unwrap();
    socket.set_tcp_nodelay(true).unwrap();
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    socket.connect(&server.into()).unwrap();
    let stream = TcpStream::from(socket);
    let soon = Duration::from_millis(1);
    stream.set_read_timeout(Some(soon)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn attribute<'a>(sdp: &'a str, name: &str) -> &'a str {
    let mut lines = sdp.lines();
    let value = lines.find_map(|line| line.strip_prefix(&format!("a={name}:")));
    value.unwrap()
}

fn fingerprint(answer: &str) -> Fingerprint {
    let (_, digest) = attribute(answer, "fingerprint").split_once(' ').unwrap();
    let digits = digest.split(':');
    Fingerprint {
        algorithm: HashAlgorithm::Sha256,
        digest: digits.map(|d| u8::from_str_radix(d, 16).unwrap()).collect(),
    }
}

const MESSAGES: u32 = 500;

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_does_not_read_costs_little_and_goes_on_with_what_is_fresh() {
    let mut caller = Caller::call();
    caller.turn_until("connected", |caller| caller.srtp.is_some());
    let channel = caller.open_channel();
    caller.send_media(VIDEO_SSRC, true);
    caller.send_media(AUDIO_SSRC, true);
    caller.turn_until("media comes back", |caller| caller.received.len() == 2);

    // It stops reading. Twelve megabytes of video, sound and messages.
    let mut messages = 0;
    for _ in 0..1200 {
        (0..10).for_each(|_| caller.send_media(VIDEO_SSRC, false));
        caller.send_media(AUDIO_SSRC, true);
        if messages < MESSAGES {
            caller.send_message(channel, messages);
            messages += 1;
        }
        caller.turn_deaf();
    }
    let stopped = Instant::now();
    while !caller.is_heard() {
        assert!(stopped.elapsed() < PATIENCE, "the server does not read");
        std::thread::yield_now();
    }

    // It reads again, and sends on.
    let (video_before, audio_before) = (caller.sent[&VIDEO_SSRC], caller.sent[&AUDIO_SSRC]);
    let mut answered = caller.keyframes_wanted;
    caller.turn_until("all goes on", |caller| {
        let asked = caller.keyframes_wanted > answered;
        answered = caller.keyframes_wanted;
        caller.send_media(VIDEO_SSRC, asked);
        caller.send_media(AUDIO_SSRC, true);
        let new = |is_video, before| {
            let of_kind = caller.of(is_video);
            of_kind.iter().filter(|r| r.number >= before).count()
        };
        new(true, video_before) > 50
            && new(false, audio_before) > 50
            && caller.messages.len() == MESSAGES as usize
    });

    assert_video(&caller, video_before);
    assert!(caller.of(false).is_sorted_by(|a, b| a.number < b.number));
    let numbers = caller.messages.iter();
    let numbers = numbers.map(|data| u32::from_be_bytes(*data.first_chunk().unwrap()));
    assert!(numbers.eq(0..MESSAGES));
    let plane = caller.plane.clone();
    drop(caller);
    plane.shutdown().await;
}

/// Of the video sent while nobody read, little was kept, and then it begins with a keyframe.
#[track_caller]
fn assert_video(caller: &Caller, before: u64) {
    let video = caller.of(true);
    let late = video.iter().filter(|r| r.number < before).count();
    assert!(late * VIDEO_LEN < UNDER_WAY, "{late} packets were kept");
    // What was left out shows in nothing but the pictures: the decoder sees a stream without gaps.
    for pair in video.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        let gap = pair[1].number != pair[0].number + 1;
        assert!(
            !gap || pair[1].is_keyframe,
            "video goes on without a keyframe"
        );
    }
}

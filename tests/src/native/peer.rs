//! The native client's peer connection: a section for each kind that it publishes, a slot for each kind, and
//! its data channels.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ferrite_protocol::{ClientData, MediaKind, Source, TrackUse, Tracks};
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp::Packet;
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use webrtc::media_stream::MediaStreamTrack;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription, Registry,
    register_default_interceptors,
};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};

use super::clip::{Clip, clock_rate};
use super::data::Channels;
use super::incoming::{Data, Delivery, Incoming};
use super::packets::{begins_keyframe, packets};
use super::replay::Replay;

/// What comes in may wait so long for whoever reads it. Then its track waits.
const WAITING: usize = 1000;

/// How long a keyframe may take before it is asked for again.
const KEYFRAME_PATIENCE: Duration = Duration::from_millis(500);

/// A peer connection before and after its offer.
pub(super) struct Peer {
    connection: Box<dyn PeerConnection>,
    incoming: mpsc::Receiver<Result<Incoming>>,
    sending: Vec<(MediaKind, Arc<dyn TrackLocal>)>,
    slots: Vec<MediaKind>,
    channels: Channels,
}

impl Peer {
    /// A connection that can publish these kinds and has a slot for each of those, from the address that leads to a
    /// server.
    pub(super) async fn new(
        server: &str,
        publishes: &[MediaKind],
        slots: &[MediaKind],
    ) -> Result<Self> {
        Self::with(server, publishes, slots, Replay::default()).await
    }

    /// Another one, which goes on with the messages of this, that is of no use any more.
    pub(super) async fn again(&self, server: &str) -> Result<Self> {
        let publishes: Vec<_> = self.sending.iter().map(|(kind, _)| *kind).collect();
        let replay = self.channels.replay().clone();
        Self::with(server, &publishes, &self.slots, replay).await
    }

    async fn with(
        server: &str,
        publishes: &[MediaKind],
        slots: &[MediaKind],
        replay: Replay,
    ) -> Result<Self> {
        let (news, incoming) = mpsc::channel(WAITING);
        let mut engine = MediaEngine::default();
        engine.register_default_codecs()?;
        let interceptors = register_default_interceptors(Registry::new(), &mut engine)?;
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(interceptors)
            .with_handler(Arc::new(Handler { news: news.clone() }))
            .with_udp_addrs(vec![SocketAddr::new(own_address(server)?, 0)])
            .build()
            .await?;
        let mut sending = Vec::new();
        for kind in publishes {
            let track = track(*kind);
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Sendonly,
                streams: vec!["native".to_owned()],
                send_encodings: vec![encoding(*kind)],
            };
            let (added, init) = (track.clone(), Some(init));
            connection.add_transceiver_from_track(added, init).await?;
            sending.push((*kind, track));
        }
        for kind in slots {
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                streams: Vec::new(),
                send_encodings: Vec::new(),
            };
            let kind = codec_kind(*kind);
            connection
                .add_transceiver_from_kind(kind, Some(init))
                .await?;
        }
        let channels = Channels::open(&connection, &news, replay).await?;
        Ok(Self {
            connection: Box::new(connection),
            incoming,
            sending,
            slots: slots.to_vec(),
            channels,
        })
    }

    /// An offer with all candidates inside, and what its sections are for.
    pub(super) async fn offer(&mut self) -> Result<(String, Tracks)> {
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer).await?;
        while !matches!(self.next().await?, Incoming::Gathered) {}
        let offer = self.connection.local_description().await;
        let sdp = offer.context("a description")?.sdp;
        let tracks = tracks(&sdp);
        ensure!(
            tracks.len() == self.sending.len() + self.slots.len(),
            "{sdp}"
        );
        Ok((sdp, tracks))
    }

    pub(super) async fn accept(&self, sdp: String) -> Result<()> {
        let answer = RTCSessionDescription::answer(sdp)?;
        Ok(self.connection.set_remote_description(answer).await?)
    }

    /// What the connection says next, or what it could not read.
    pub(super) async fn next(&mut self) -> Result<Incoming> {
        let next = self.incoming.recv().await;
        next.context("the peer connection is gone")?
    }

    /// Takes no more of others' bytes. Returns what came of them already.
    pub(super) async fn detach(&mut self) -> Result<Vec<Data>> {
        self.channels.replay().detach().await;
        let mut came = Vec::new();
        while let Ok(incoming) = self.incoming.try_recv() {
            if let Incoming::Data(data) = incoming? {
                came.push(data);
            }
        }
        Ok(came)
    }

    /// Sends a clip as fast as it is to be seen or heard.
    pub(super) fn play(&self, clip: Clip) -> Result<JoinHandle<Result<()>>> {
        let mut sending = self.sending.iter();
        let sending = sending.find(|(kind, _)| *kind == clip.kind);
        let (_, track) = sending.context("the call publishes none of this kind")?;
        Ok(tokio::spawn(play(track.clone(), clip)))
    }

    /// Sends bytes.
    pub(super) async fn send(&self, delivery: Delivery, data: &ClientData<'_>) -> Result<()> {
        self.channels.send(delivery, data).await
    }

    pub(super) async fn close(&self) -> Result<()> {
        Ok(self.connection.close().await?)
    }
}

async fn play(track: Arc<dyn TrackLocal>, clip: Clip) -> Result<()> {
    let begin = Instant::now();
    for (frame, packets) in clip.frames.iter().zip(packets(&clip)?) {
        sleep_until(begin + clip.due(frame)).await;
        for mut packet in packets {
            packet.header.ssrc = ssrc(clip.kind);
            packet.header.payload_type = payload_type(clip.kind);
            track.write_rtp(packet).await?;
        }
    }
    Ok(())
}

/// The address of this machine from which a server is reached. Nothing is sent.
fn own_address(server: &str) -> Result<IpAddr> {
    let target = std::net::ToSocketAddrs::to_socket_addrs(server)?.next();
    let target = target.with_context(|| format!("no address of {server}"))?;
    let any: IpAddr = match target {
        SocketAddr::V4(_) => [0; 4].into(),
        SocketAddr::V6(_) => [0; 16].into(),
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(target)?;
    Ok(socket.local_addr()?.ip())
}

/// What the sections of an own offer are for: they have but one direction each.
fn tracks(sdp: &str) -> Tracks {
    let sections = sdp.split("\r\nm=").skip(1);
    let named = sections.filter_map(|section| {
        let mid = section.lines().find_map(|it| it.strip_prefix("a=mid:"))?;
        let kind = match section.split(' ').next()? {
            "audio" => MediaKind::Audio,
            "video" => MediaKind::Video,
            _ => return None,
        };
        let is_slot = section.lines().any(|line| line == "a=recvonly");
        let publish = || TrackUse::Publish {
            key: key(kind).to_owned(),
            source: source(kind),
            label: None,
            width: None,
            height: None,
        };
        let track = match is_slot {
            true => TrackUse::Receive(kind),
            false => publish(),
        };
        Some((mid.to_owned(), track))
    });
    named.collect()
}

fn key(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "mic",
        MediaKind::Video => "cam",
    }
}

fn source(kind: MediaKind) -> Source {
    match kind {
        MediaKind::Audio => Source::Microphone,
        MediaKind::Video => Source::Camera,
    }
}

fn codec_kind(kind: MediaKind) -> RtpCodecKind {
    match kind {
        MediaKind::Audio => RtpCodecKind::Audio,
        MediaKind::Video => RtpCodecKind::Video,
    }
}

/// Those of `webrtc`'s own codecs; the server's answer keeps them.
fn payload_type(kind: MediaKind) -> u8 {
    match kind {
        MediaKind::Audio => 111,
        MediaKind::Video => 96,
    }
}

fn ssrc(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => 1001,
        MediaKind::Video => 2002,
    }
}

fn encoding(kind: MediaKind) -> RTCRtpEncodingParameters {
    let (mime_type, channels) = match kind {
        MediaKind::Audio => ("audio/opus", 2),
        MediaKind::Video => ("video/VP8", 0),
    };
    RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc(kind)),
            ..RTCRtpCodingParameters::default()
        },
        codec: RTCRtpCodec {
            mime_type: mime_type.to_owned(),
            clock_rate: clock_rate(kind) as u32,
            channels,
            ..RTCRtpCodec::default()
        },
        ..RTCRtpEncodingParameters::default()
    }
}

fn track(kind: MediaKind) -> Arc<dyn TrackLocal> {
    let (stream, name) = ("native".to_owned(), key(kind).to_owned());
    let encodings = vec![encoding(kind)];
    let track = MediaStreamTrack::new(stream, name.clone(), name, codec_kind(kind), encodings);
    Arc::new(TrackLocalStaticRTP::new(track))
}

struct Handler {
    news: mpsc::Sender<Result<Incoming>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.news.send(Ok(Incoming::Gathered)).await;
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        let said = match state {
            RTCPeerConnectionState::Connected => Incoming::Connected,
            RTCPeerConnectionState::Failed => Incoming::Failed,
            _ => return,
        };
        // Not to be waited for: the connection's own task is here.
        let _ = self.news.try_send(Ok(said));
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        // The driver waits for this function to return.
        tokio::spawn(hear(track, self.news.clone()));
    }
}

async fn hear(track: Arc<dyn TrackRemote>, news: mpsc::Sender<Result<Incoming>>) {
    let kind = match track.kind().await {
        RtpCodecKind::Audio => MediaKind::Audio,
        _ => MediaKind::Video,
    };
    let mut wish = KeyframeWish::default();
    while let Some(event) = track.poll().await {
        let TrackRemoteEvent::OnRtpPacket(packet) = event else {
            continue;
        };
        if kind == MediaKind::Video && wish.is_due(&packet, Instant::now()) {
            let wish = PictureLossIndication {
                sender_ssrc: 0,
                media_ssrc: packet.header.ssrc,
            };
            // If the connection is gone, the track says so.
            let _ = track.write_rtcp(vec![Box::new(wish)]).await;
        }
        let packet = Incoming::Packet(kind, packet);
        if news.send(Ok(packet)).await.is_err() {
            return;
        }
    }
}

/// When to ask for a keyframe (RFC 4585 §6.3.1): while none came, or something is missing since.
#[derive(Default)]
struct KeyframeWish {
    /// The number that comes next.
    next: Option<u16>,
    has_keyframe: bool,
    asked: Option<Instant>,
}

impl KeyframeWish {
    fn is_due(&mut self, packet: &Packet, now: Instant) -> bool {
        let number = packet.header.sequence_number;
        let is_whole = self.next.is_none_or(|next| next == number);
        self.next = Some(number.wrapping_add(1));
        self.has_keyframe = begins_keyframe(packet) || (self.has_keyframe && is_whole);
        let may_ask = (self.asked).is_none_or(|asked| now > asked + KEYFRAME_PATIENCE);
        let is_due = !self.has_keyframe && may_ask;
        if is_due {
            self.asked = Some(now);
        }
        is_due
    }
}

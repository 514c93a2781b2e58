//! The packets and messages of webrtc-rs's own peer connection come back to it as it sent them. Our
//! media plane is built from its protocols, but its ICE is a full agent's, and it offers.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use ferrite_tests::{Server, Signalling, artefacts, wait};
use rtc::rtp_transceiver::rtp_sender::{
    RTCRtpCodec, RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind,
};
use tokio::sync::mpsc;
use tokio::time::{interval, timeout};
use webrtc::data_channel::{DataChannel, DataChannelEvent};
use webrtc::media_stream::MediaStreamTrack;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCIceGatheringState, RTCSessionDescription, Registry, register_default_interceptors,
};

/// So many packets of each kind must come back.
const ENOUGH: usize = 30;

/// What has happened, in the order it happened.
enum News {
    Gathered,
    Packet(RtpCodecKind, Bytes),
    Message(bool, BytesMut),
}

#[tokio::test(flavor = "multi_thread")]
async fn webrtc_rs_gets_back_opus_vp8_and_data() -> Result<()> {
    let dir = artefacts::fresh("webrtc_rs")?;
    let server = Server::start(&dir, &[]).await?;
    let (news, mut heard) = mpsc::channel(1000);
    let peer = build(news.clone()).await?;
    let channel = peer.create_data_channel("echo", None).await?;
    tokio::spawn(chat(channel, news));
    let sound = track(RtpCodecKind::Audio);
    let picture = track(RtpCodecKind::Video);
    for track in [&sound, &picture] {
        peer.add_track(track.clone()).await?;
    }
    let _signalling = call(&peer, &server, &mut heard).await?;
    let echoed = timeout(wait::PATIENCE, echo(&[sound, picture], &mut heard)).await;
    peer.close().await?;
    echoed.context("not everything came back")?
}

async fn build(news: mpsc::Sender<News>) -> Result<impl PeerConnection> {
    let mut engine = MediaEngine::default();
    engine.register_default_codecs()?;
    let interceptors = register_default_interceptors(Registry::new(), &mut engine)?;
    let builder = PeerConnectionBuilder::new()
        .with_media_engine(engine)
        .with_interceptor_registry(interceptors)
        .with_handler(Arc::new(Handler { news }))
        .with_udp_addrs(vec!["127.0.0.1:0"]);
    Ok(builder.build().await?)
}

/// Offers with all candidates inside, and applies the answer.
async fn call(
    peer: &impl PeerConnection,
    server: &Server,
    heard: &mut mpsc::Receiver<News>,
) -> Result<Signalling> {
    let offer = peer.create_offer(None).await?;
    peer.set_local_description(offer).await?;
    timeout(wait::PATIENCE, gathered(heard))
        .await
        .context("still gathering")?;
    let offer = peer.local_description().await.context("a description")?;
    let mut signalling = Signalling::connect(server).await?;
    let answer = signalling.offer(&offer.sdp).await?;
    let answer = RTCSessionDescription::answer(answer)?;
    peer.set_remote_description(answer).await?;
    Ok(signalling)
}

async fn gathered(heard: &mut mpsc::Receiver<News>) {
    while !matches!(heard.recv().await, Some(News::Gathered) | None) {}
}

/// Sends a packet on each track every 20 ms, until everything has come back.
async fn echo(tracks: &[Arc<dyn TrackLocal>], heard: &mut mpsc::Receiver<News>) -> Result<()> {
    let mut ticks = interval(Duration::from_millis(20));
    let mut number = 0;
    let mut returned = [HashSet::new(), HashSet::new()];
    let mut messages = Vec::new();
    while returned.iter().any(|kind| kind.len() < ENOUGH) || messages.len() < 2 {
        tokio::select! {
            _ = ticks.tick() => {
                for track in tracks {
                    track.write_rtp(packet(track.kind().await, number)).await?;
                }
                number += 1;
            }
            news = heard.recv() => match news.context("a peer connection")? {
                News::Gathered => {}
                News::Packet(kind, bytes) => {
                    let number = check(kind, &bytes)?;
                    returned[usize::from(kind == RtpCodecKind::Video)].insert(number);
                }
                News::Message(is_text, bytes) => messages.push((is_text, bytes)),
            }
        }
    }
    ensure!(messages[0] == (true, BytesMut::from("hello")));
    ensure!(messages[1] == (false, binary()));
    Ok(())
}

fn binary() -> BytesMut {
    BytesMut::from(&[7; 65_536][..])
}

/// A packet that says which it is in its first bytes, and again in every other.
fn packet(kind: RtpCodecKind, number: u16) -> rtc::rtp::Packet {
    let (payload_type, step, size) = match kind {
        RtpCodecKind::Audio => (111, 960, 100),
        _ => (96, 1800, 1000),
    };
    let header = rtc::rtp::Header {
        version: 2,
        payload_type,
        sequence_number: number,
        timestamp: u32::from(number) * step,
        ssrc: ssrc(kind),
        ..Default::default()
    };
    let payload = payload(number, size);
    rtc::rtp::Packet { header, payload }
}

fn payload(number: u16, size: u16) -> Bytes {
    let bytes = (0..size).map(|at| (at.wrapping_mul(31) ^ number) as u8);
    number.to_be_bytes().into_iter().chain(bytes).collect()
}

/// Whether a payload is as it was sent, and as which packet.
fn check(kind: RtpCodecKind, bytes: &Bytes) -> Result<u16> {
    let number = bytes.first_chunk().context("a packet that was cut")?;
    let number = u16::from_be_bytes(*number);
    let sent = packet(kind, number).payload;
    ensure!(*bytes == sent, "packet {number} came back changed");
    Ok(number)
}

fn ssrc(kind: RtpCodecKind) -> u32 {
    match kind {
        RtpCodecKind::Audio => 1001,
        _ => 2002,
    }
}

fn track(kind: RtpCodecKind) -> Arc<dyn TrackLocal> {
    let (mime_type, clock_rate, channels) = match kind {
        RtpCodecKind::Audio => ("audio/opus", 48_000, 2),
        _ => ("video/VP8", 90_000, 0),
    };
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc(kind)),
            ..Default::default()
        },
        codec: RTCRtpCodec {
            mime_type: mime_type.to_owned(),
            clock_rate,
            channels,
            ..Default::default()
        },
        ..Default::default()
    };
    let names = ["stream", "track", "label"].map(|name| format!("{name} {kind}"));
    let [stream, track, label] = names;
    let track = MediaStreamTrack::new(stream, track, label, kind, vec![encoding]);
    Arc::new(TrackLocalStaticRTP::new(track))
}

/// Sends two messages when the channel is open, and passes on what comes back.
async fn chat(channel: Arc<dyn DataChannel>, news: mpsc::Sender<News>) -> Result<()> {
    while let Some(event) = channel.poll().await {
        match event {
            DataChannelEvent::OnOpen => {
                channel.send_text("hello").await?;
                channel.send(binary()).await?;
            }
            DataChannelEvent::OnMessage(message) => {
                news.try_send(News::Message(message.is_string, message.data))?;
            }
            _ => {}
        }
    }
    Ok(())
}

struct Handler {
    news: mpsc::Sender<News>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            let _ = self.news.try_send(News::Gathered);
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        // The driver waits for this function to return.
        tokio::spawn(watch(track, self.news.clone()));
    }
}

async fn watch(track: Arc<dyn TrackRemote>, news: mpsc::Sender<News>) {
    let kind = track.kind().await;
    while let Some(event) = track.poll().await {
        if let TrackRemoteEvent::OnRtpPacket(packet) = event {
            let _ = news.try_send(News::Packet(kind, packet.payload));
        }
    }
}

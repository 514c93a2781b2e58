//! What is over is told, with the reason, and frees what it held: an SCTP association that is aborted, a
//! path whose consent expired, a handshake that got stuck. The rest goes on.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ferrite_server::media::data::{
    ChannelId, ChannelOptions, DEFAULT_PORT, MessageKind, Sctp, SctpConfig,
};
use ferrite_server::media::net::demux::{Kind, classify};
use ferrite_server::media::sdp::DtlsRole;
use ferrite_server::media::transport::dtls::{DtlsState, HANDSHAKE_TIMEOUT};
use ferrite_server::media::transport::ice::{
    CONSENT_EXPIRES_AFTER, DISCONNECTED_AFTER, IceState, RESTART_WITHIN,
};

use crate::harness::bare::packet;
use crate::harness::offer::{OPUS, Section, VP8};
use crate::harness::{Bare, Conditions, Way, World, seed};

const AUDIO: Section = Section::Audio {
    mid: "0",
    direction: "sendrecv",
};

const VIDEO: Section = Section::Video {
    mid: "1",
    direction: "sendrecv",
    ssrcs: None,
};

const DATA: Section = Section::Data { mid: "2" };

const SECOND: Duration = Duration::from_secs(1);

/// The far end's data channels: the same as ours, from the other side.
struct Channels {
    sctp: Sctp,
    channel: ChannelId,
}

impl Channels {
    /// Opens one.
    fn open(world: &mut World<Bare>) -> Self {
        let config = SctpConfig {
            local_port: DEFAULT_PORT,
            remote_port: DEFAULT_PORT,
            max_message_size: 65_536,
            remote_max_message_size: 65_536,
            dtls_client: world.far_role() == DtlsRole::Client,
        };
        let mut sctp = Sctp::new(world.now, config);
        let channel = loop {
            pump(world, &mut sctp);
            if let Ok(channel) = sctp.open_channel(world.now, ChannelOptions::default()) {
                break channel;
            }
        };
        for _ in 0..20 {
            pump(world, &mut sctp);
        }
        Self { sctp, channel }
    }

    fn send(&mut self, now: Instant, data: &[u8]) {
        let data = Bytes::copy_from_slice(data);
        let sent = self.sctp.send(now, self.channel, MessageKind::Binary, data);
        sent.unwrap();
    }
}

/// Ten milliseconds of SCTP's life.
fn pump(world: &mut World<Bare>, sctp: &mut Sctp) {
    flush(world, sctp);
    world.run_for(SECOND / 100);
    for packet in std::mem::take(&mut world.far.data) {
        sctp.handle_packet(world.now, packet);
    }
    sctp.handle_timeout(world.now);
    while sctp.poll_event().is_some() {}
}

fn flush(world: &mut World<Bare>, sctp: &mut Sctp) {
    while let Some(packet) = sctp.poll_transmit(world.now) {
        world.far.send_data(world.now, &packet);
    }
}

/// A far end with everything, whose packets come back.
pub fn connected(own_seed: u64) -> World<Bare> {
    let mut world = World::bare(seed(own_seed));
    world.connect_bare(&[AUDIO, VIDEO, DATA]);
    world
}

/// Sound comes back, from this sequence number on.
#[track_caller]
fn echoes(world: &mut World<Bare>, sequence: u16) {
    let before = world.far.rtp.len();
    for n in sequence..sequence + 50 {
        let sound = packet(OPUS, 21, n, u32::from(n) * 960, "0", &[1; 80]);
        world.far.send_rtp(&sound);
        world.run_for(SECOND / 50);
    }
    world.run_for(SECOND);
    assert_eq!(world.far.rtp.len() - before, 50);
}

#[test]
fn an_aborted_association_is_told_and_freed_while_media_goes_on() {
    let mut world = connected(1);
    let mut channels = Channels::open(&mut world);
    for n in 0..16 {
        channels.send(world.now, &[n; 60_000]);
    }
    // What comes back is not taken any more.
    while world.server.resident.peer.buffered() < 100_000 {
        flush(&mut world, &mut channels.sctp);
        world.run_for(SECOND / 100);
        for packet in std::mem::take(&mut world.far.data) {
            channels.sctp.handle_packet(world.now, packet);
        }
    }
    let states = world.server.states.len();
    channels.sctp.close(world.now);
    let freed = allocation_counter::measure(|| {
        flush(&mut world, &mut channels.sctp);
        world.run_for(SECOND);
    });
    assert_eq!(world.server.resident.peer.buffered(), 0);
    assert!(freed.bytes_current < -100_000, "{freed:?}");
    // One event, which says why; and the connection is still one.
    let told: Vec<_> = (world.server.states[states..].iter())
        .map(|(_, state)| (state.ice, state.dtls, state.reason.clone()))
        .collect();
    let why = "the data channels are closed: closed by the peer".to_owned();
    let connected = (IceState::Connected, DtlsState::Connected, Some(why));
    assert_eq!(told, [connected]);
    world.far.data.clear();
    echoes(&mut world, 1000);
    // Nor does the server begin anew by itself.
    world.run_for(30 * SECOND);
    assert!(world.far.data.is_empty());
    assert!(!world.server.finished);
    // Later states have reasons of their own.
    world.far.fall_silent();
    world.run_for(DISCONNECTED_AFTER + SECOND);
    assert_eq!(
        (world.server.reason(), ice(&world)),
        (String::new(), IceState::Disconnected)
    );
    world.run_for(CONSENT_EXPIRES_AFTER - DISCONNECTED_AFTER);
    assert!(world.server.reason().contains("30 s"));
}

fn ice(world: &World<Bare>) -> IceState {
    world.server.resident.peer.state().ice
}

#[test]
fn an_association_that_is_never_set_up_is_told_and_media_goes_on() {
    let mut world = connected(2);
    world.run_until(600 * SECOND, "given up", |world| {
        !world.server.reason().is_empty()
    });
    assert!(
        world
            .server
            .reason()
            .starts_with("the data channels are closed: ")
    );
    assert!(world.server.is_connected());
    echoes(&mut world, 1000);
}

#[test]
fn a_peer_that_fell_silent_ends_once_it_could_have_restarted() {
    let mut world = connected(3);
    world.far.fall_silent();
    world.run_until(20 * SECOND, "late", |world| {
        ice(world) == IceState::Disconnected
    });
    let last_check = world.now - DISCONNECTED_AFTER;
    world.run_until(120 * SECOND, "the end", |world| world.server.finished);
    let took = world.now - last_check;
    let expected = CONSENT_EXPIRES_AFTER + RESTART_WITHIN;
    assert!(took >= expected && took < expected + SECOND, "{took:?}");
    let last = world.server.states.last().unwrap().1.clone();
    assert_eq!((last.ice, last.dtls), (IceState::Failed, DtlsState::Closed));
    assert!(last.reason.unwrap().contains("30 s"));
    assert_eq!(world.server.resident.peer.poll_timeout(), None);
}

#[test]
fn a_restart_in_the_last_moment_still_saves_the_call() {
    let mut world = connected(4);
    world.far.fall_silent();
    world.run_until(40 * SECOND, "failed", |world| {
        ice(world) == IceState::Failed
    });
    world.run_for(RESTART_WITHIN - SECOND);
    world.far.ours.ufrag = "again".to_owned();
    let offer = world.bare_offer("actpass", &[AUDIO, VIDEO, DATA]);
    world.exchange(&offer).unwrap();
    world.far.speak_again();
    world.run_for(60 * SECOND);
    assert!(world.server.is_connected());
    echoes(&mut world, 1000);
    // Another failure has its whole time again.
    world.far.fall_silent();
    world.run_until(40 * SECOND, "failed", |world| {
        ice(world) == IceState::Failed
    });
    world.run_for(RESTART_WITHIN - SECOND);
    assert!(!world.server.finished);
    world.run_for(2 * SECOND);
    assert!(world.server.finished);
}

/// Sends a second of video, the first packet the beginning of a keyframe of VP8 (RFC 7741 §4.2).
pub fn send_video(world: &mut World<Bare>, first: u16) {
    for n in 0..500_u16 {
        let mut payload = [7; 1000];
        payload[..4].copy_from_slice(&[0x10, u8::from(n > 0), 0, 0]);
        let picture = packet(VP8, 22, first + n, 90 * u32::from(n), "1", &payload);
        world.far.send_rtp(&picture);
        world.run_for(SECOND / 500);
    }
}

/// What the server wants of the video, as payload-specific feedback (RFC 4585 §6.3.1).
pub fn keyframe_requests(world: &World<Bare>) -> usize {
    let requests = world.far.rtcp.iter();
    requests
        .filter(|(_, compound)| {
            ferrite_server::media::rtp::rtcp::packets(compound).any(|packet| {
                matches!(
                    packet,
                    ferrite_server::media::rtp::rtcp::Packet::KeyframeRequest { .. }
                )
            })
        })
        .count()
}

#[test]
fn without_consent_no_video_is_kept_and_with_it_again_a_keyframe_is_asked_for() {
    let mut world = connected(5);
    send_video(&mut world, 1);
    let kept = allocation_counter::measure(|| {
        world.run_for(SECOND);
        world.far.fall_silent();
        world.run_until(40 * SECOND, "failed", |world| {
            ice(world) == IceState::Failed
        });
    });
    let came_back = world.far.rtp.len();
    assert_eq!(came_back, 500);
    assert!(kept.bytes_current < -200_000, "{kept:?}");
    let kept = allocation_counter::measure(|| send_video(&mut world, 501));
    assert!(kept.bytes_current < 100_000, "{kept:?}");
    assert_eq!(world.far.rtp.len(), came_back);
    let asked = keyframe_requests(&world);
    world.far.ours.ufrag = "again".to_owned();
    let offer = world.bare_offer("actpass", &[AUDIO, VIDEO, DATA]);
    world.exchange(&offer).unwrap();
    world.far.speak_again();
    world.run_for(3 * SECOND);
    assert!(
        keyframe_requests(&world) > asked,
        "no keyframe is asked for"
    );
    send_video(&mut world, 1001);
    world.run_for(SECOND);
    assert_eq!(world.far.rtp.len() - came_back, 500);
}

#[test]
fn a_handshake_that_gets_stuck_is_given_up_whoever_began_it() {
    for setup in ["active", "passive"] {
        for passing in 0..3 {
            let mut world = World::bare(seed(6));
            let offer = world.bare_offer(setup, &[AUDIO]);
            world.exchange(&offer).unwrap();
            world.link.set(Conditions::PERFECT);
            let mut count = 0;
            world.link.tamper = Some(Box::new(move |way, datagram| {
                let is_dtls = classify(&datagram.bytes) == Some(Kind::Dtls);
                count += u32::from(is_dtls && way == Way::Up);
                match is_dtls && way == Way::Up && count > passing {
                    true => Vec::new(),
                    false => vec![(Duration::ZERO, datagram)],
                }
            }));
            let what = format!("given up, {setup}, {passing}");
            let limit = HANDSHAKE_TIMEOUT + 2 * SECOND;
            world.run_until(limit, &what, |world| world.server.finished);
            let (_, last) = world.server.states.last().unwrap();
            assert_eq!(last.dtls, DtlsState::Failed, "{what}");
            assert_eq!(last.ice, IceState::Connected, "{what}");
            assert!(
                last.reason
                    .as_ref()
                    .is_some_and(|why| why.starts_with("DTLS: ")),
                "{what}"
            );
            assert!(
                !world
                    .server
                    .states
                    .iter()
                    .any(|(_, s)| s.dtls == DtlsState::Connected)
            );
        }
    }
}

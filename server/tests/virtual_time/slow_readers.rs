//! A caller over TCP that stops reading, in virtual time: what waits for it stays little, and when it
//! reads again it gets what is fresh: sound that is not stale, and video from a keyframe on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_server::behaviour::Echo;
use ferrite_server::media::event::PeerEvent;
use ferrite_server::media::id::PeerId;
use ferrite_server::media::net::framing::{CONGESTED_FROM, Deframer, SendQueue};
use ferrite_server::media::net::outbox::Transmit;
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::peer::AUDIO_LIFETIME;
use ferrite_server::media::rtp::rtcp::{self, Packet};
use ferrite_server::media::shard::command::Command;
use ferrite_server::media::shard::core::ShardCore;
use ferrite_server::media::shard::directory::Directory;
use ferrite_server::media::shard::outlet::Outlet;

use crate::harness::bare::{HERE, SERVER, packet};
use crate::harness::link::Datagram;
use crate::harness::offer::{OPUS, Section, VP8};
use crate::harness::shards::answered;
use crate::harness::{Bare, FarEnd, address};

const STEP: Duration = Duration::from_millis(5);

const SECTIONS: [Section; 2] = [
    Section::Audio {
        mid: "0",
        direction: "sendrecv",
    },
    Section::Video {
        mid: "1",
        direction: "sendrecv",
        ssrcs: None,
    },
];

/// What the systems between the two ends hold for a reader that does not read.
const SYSTEMS: usize = 64 * 1024;

const VIDEO_LEN: usize = 1000;

/// The one connection there is, and the core's other surroundings.
struct Connection {
    queue: SendQueue,
    /// What it takes before the reader must read.
    room: usize,
    /// What was taken and not read.
    stream: Vec<u8>,
}

impl Connection {
    fn flush(&mut self, now: Instant) {
        let Self {
            queue,
            room,
            stream,
        } = self;
        let taken = queue.flush(now, |bytes| {
            let len = bytes.len().min(*room);
            *room -= len;
            stream.extend_from_slice(&bytes[..len]);
            Ok::<_, std::convert::Infallible>(len)
        });
        taken.unwrap();
    }
}

impl Outlet for Connection {
    fn send_udp(&mut self, transmit: Transmit) {
        panic!("{:?}", transmit.path);
    }

    fn has_connection(&self, _: &FourTuple) -> bool {
        true
    }

    fn send_tcp(
        &mut self,
        now: Instant,
        _: &FourTuple,
        data: BytesMut,
        expires: Option<Instant>,
    ) -> bool {
        self.queue.push(data, expires);
        self.flush(now);
        self.queue.is_congested()
    }

    fn introduce(&mut self, _: Instant, _: &FourTuple) {}

    fn dismiss(&mut self, _: Instant, _: &FourTuple) {}

    fn relay(&mut self, _: usize, _: FourTuple, _: BytesMut) {}

    fn command(&mut self, _: usize, command: Command) -> Result<(), Command> {
        Err(command)
    }

    fn tell(&mut self, _: PeerId, _: PeerEvent) -> Result<(), PeerEvent> {
        Ok(())
    }

    fn listens(&self, _: PeerId) -> bool {
        true
    }

    fn forget(&mut self, _: PeerId) {}
}

/// A call over one TCP connection.
struct Call {
    now: Instant,
    core: ShardCore,
    connection: Connection,
    path: FourTuple,
    far: Bare,
    deframer: Deframer,
    is_reading: bool,
    /// When each packet was sent, by its number.
    audio: Vec<Instant>,
    video: Vec<Instant>,
    keyframes_sent: usize,
}

impl Call {
    fn new() -> Self {
        let (now, id, directory) = (Instant::now(), PeerId(1), Arc::<Directory>::default());
        let mut far = Bare::new(now);
        let (resident, _) = answered(now, id, &mut far, &SECTIONS, Box::new(Echo));
        directory.insert(resident);
        let connection = Connection {
            queue: SendQueue::default(),
            room: usize::MAX,
            stream: Vec::new(),
        };
        let core = ShardCore::new(now, 0, 1, directory);
        Self {
            now,
            core,
            connection,
            path: FourTuple {
                transport: Transport::Tcp,
                local: address(SERVER),
                remote: address(HERE),
            },
            far,
            deframer: Deframer::default(),
            is_reading: true,
            audio: Vec::new(),
            video: Vec::new(),
            keyframes_sent: 0,
        }
    }

    fn run_for(&mut self, span: Duration) {
        let end = self.now + span;
        while self.now < end {
            self.now += STEP;
            self.step();
        }
    }

    fn step(&mut self) {
        if self.far.poll_timeout().is_some_and(|due| due <= self.now) {
            self.far.handle_timeout(self.now);
        }
        self.send();
        let sent: Vec<_> = std::iter::from_fn(|| self.far.poll_transmit()).collect();
        let datagrams = sent.iter().map(|datagram| (self.path, &datagram.bytes[..]));
        (self.core).handle_datagrams(self.now, datagrams, &mut self.connection);
        self.core.handle_timeout(self.now, &mut self.connection);
        if self.is_reading {
            self.read();
        }
    }

    /// Sound every 20 ms, and video all the time: a keyframe when one is asked for.
    fn send(&mut self) {
        if self.far.srtp.is_none() {
            return;
        }
        let rtcp = self.far.rtcp.iter();
        let wanted = rtcp.flat_map(|(_, compound)| rtcp::packets(compound));
        let wanted = wanted.filter(|packet| matches!(packet, Packet::KeyframeRequest { .. }));
        let wanted = wanted.count();
        let is_keyframe = self.video.is_empty() || wanted > self.keyframes_sent;
        self.keyframes_sent = wanted;
        // RFC 7741 §4.2, §4.3: the first packet of a frame, and whether it is predicted.
        let payload = payload(self.video.len(), [0x10, u8::from(!is_keyframe)], VIDEO_LEN);
        let number = self.video.len();
        let video = packet(VP8, 20, number as u16, number as u32 * 450, "1", &payload);
        self.far.send_rtp(&video);
        self.video.push(self.now);
        if self.video.len().is_multiple_of(4) {
            let number = self.audio.len();
            let payload = self::payload(number, [0; 2], 80);
            let audio = packet(OPUS, 10, number as u16, number as u32 * 960, "0", &payload);
            self.far.send_rtp(&audio);
            self.audio.push(self.now);
        }
    }

    fn stop_reading(&mut self) {
        self.is_reading = false;
        self.connection.room = SYSTEMS;
    }

    fn read(&mut self) {
        self.connection.room = usize::MAX;
        self.connection.flush(self.now);
        let paths = [self.path];
        (self.core).handle_relieved(self.now, &paths, &mut self.connection);
        let stream = std::mem::take(&mut self.connection.stream);
        let mut frames = Vec::new();
        let cut = |frame: &[u8]| frames.push(frame.to_vec());
        self.deframer.push(&stream, cut).unwrap();
        for bytes in frames {
            let datagram = Datagram {
                from: self.path.local,
                to: self.path.remote,
                bytes,
            };
            self.far.receive(self.now, &datagram);
        }
    }

    /// The numbers of the packets that came back since the first so many.
    fn came(&self, payload_type: u8, after: usize) -> Vec<(u16, usize, bool)> {
        let received = self.far.rtp.iter().skip(after);
        let of_kind = received.filter(|received| received.header.payload_type == payload_type);
        of_kind
            .map(|received| {
                let payload = received.payload();
                let number = u64::from_be_bytes(*payload[2..].first_chunk().unwrap());
                (received.header.sequence, number as usize, payload[1] == 0)
            })
            .collect()
    }
}

fn payload(number: usize, first: [u8; 2], len: usize) -> Vec<u8> {
    let mut payload = [&first[..], &(number as u64).to_be_bytes()].concat();
    payload.resize(len, 7);
    payload
}

#[test]
fn who_reads_again_gets_what_is_fresh() {
    let mut call = Call::new();
    call.run_for(Duration::from_secs(1));
    let before = call.far.rtp.len();
    assert!(before > 150, "{before} packets came back");
    call.stop_reading();
    call.run_for(Duration::from_secs(5));
    assert_eq!(call.far.rtp.len(), before);
    // Of five seconds this much was kept: what the systems took, and the queue to its limit.
    let taken = call.connection.stream.len();
    let (audio_sent, video_sent) = (call.audio.len(), call.video.len());
    // With the next step.
    let resumed = call.now + STEP;
    call.is_reading = true;
    call.run_for(Duration::from_secs(1));

    let video = call.came(VP8, before);
    let late = video.iter().filter(|(_, number, _)| *number < video_sent);
    let late = late.count() * VIDEO_LEN;
    assert!(late < SYSTEMS + 2 * CONGESTED_FROM, "{late} bytes of video");
    for pair in video.windows(2) {
        let [(before, number, _), (sequence, next, is_keyframe)] = [pair[0], pair[1]];
        assert_eq!(sequence, before.wrapping_add(1), "the decoder sees a gap");
        assert!(next == number + 1 || is_keyframe, "{next} after {number}");
    }
    assert!(video.len() * VIDEO_LEN > late, "video does not go on");

    // What the systems had taken is stale, and nothing else.
    let audio = call.came(OPUS, before);
    let stale =
        |(_, number, _): &&(u16, usize, bool)| call.audio[*number] + AUDIO_LIFETIME <= resumed;
    let stale = audio.iter().filter(stale).count();
    assert!(stale * VIDEO_LEN < taken / 2, "{stale} packets of sound");
    let numbers = audio.iter().map(|(_, number, _)| *number);
    let fresh: Vec<_> = numbers
        .filter(|number| call.audio[*number] + AUDIO_LIFETIME > resumed)
        .collect();
    let first = fresh[0];
    assert!(
        first < audio_sent,
        "nothing of the last {AUDIO_LIFETIME:?} was kept"
    );
    assert!(
        fresh.iter().copied().eq(first..call.audio.len()),
        "{fresh:?}"
    );
}

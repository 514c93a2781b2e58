//! A caller over TCP that stops reading, in virtual time: what waits for it stays little, and when it
//! reads again it gets what is fresh: sound that is not stale, and video from a keyframe on. Who is shown the same in
//! a room misses nothing meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use ferrite_protocol::Pressure;
use ferrite_server::behaviour::Echo;
use ferrite_server::media::event::PeerEvent;
use ferrite_server::media::id::PeerId;
use ferrite_server::media::net::framing::{CONGESTED_FROM, Deframer, SendQueue};
use ferrite_server::media::net::outbox::Transmit;
use ferrite_server::media::net::path::{FourTuple, Transport};
use ferrite_server::media::peer::AUDIO_LIFETIME;
use ferrite_server::media::plan::Revision;
use ferrite_server::media::rtp::rtcp::{self, Packet};
use ferrite_server::media::shard::command::Command;
use ferrite_server::media::shard::core::ShardCore;
use ferrite_server::media::shard::directory::Directory;
use ferrite_server::media::shard::outlet::Outlet;
use ferrite_server::media::{Plan, Shown, TrackId};

use crate::harness::bare::{HERE, SERVER, packet};
use crate::harness::link::Datagram;
use crate::harness::offer::{OPUS, Section, VP8};
use crate::harness::shards::answered;
use crate::harness::{Bare, FarEnd, address};

const STEP: Duration = Duration::from_millis(5);

/// The steps until this much time has passed.
fn steps(span: Duration) -> std::ops::Range<u128> {
    0..span.as_millis().div_ceil(STEP.as_millis())
}

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
    path: FourTuple,
    queue: SendQueue,
    /// What it takes before the reader must read.
    room: usize,
    /// What was taken and not read.
    stream: Vec<u8>,
    deframer: Deframer,
    is_reading: bool,
    /// What was sent over UDP.
    datagrams: Vec<(FourTuple, BytesMut)>,
}

impl Connection {
    fn new(remote: SocketAddr) -> Self {
        Self {
            path: path(Transport::Tcp, remote),
            queue: SendQueue::default(),
            room: usize::MAX,
            stream: Vec::new(),
            deframer: Deframer::default(),
            is_reading: true,
            datagrams: Vec::new(),
        }
    }

    fn stop_reading(&mut self) {
        self.is_reading = false;
        self.room = SYSTEMS;
    }

    /// Whoever is at the other end reads everything, if they read at all.
    fn read(&mut self, now: Instant, core: &mut ShardCore, far: &mut Bare) {
        if !self.is_reading {
            return;
        }
        self.room = usize::MAX;
        self.flush(now);
        core.handle_relieved(now, &[self.path], self);
        let stream = std::mem::take(&mut self.stream);
        let mut frames = Vec::new();
        let cut = |frame: &[u8]| frames.push(frame.to_vec());
        self.deframer.push(&stream, cut).unwrap();
        for bytes in frames {
            receive(now, far, self.path, bytes);
        }
    }

    fn flush(&mut self, now: Instant) {
        let Self {
            queue,
            room,
            stream,
            ..
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
        let datagrams = transmit.datagrams();
        let datagrams = datagrams.map(|datagram| (transmit.path, datagram.into()));
        self.datagrams.extend(datagrams);
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

fn path(transport: Transport, remote: SocketAddr) -> FourTuple {
    FourTuple {
        transport,
        local: address(SERVER),
        remote,
    }
}

fn receive(now: Instant, far: &mut Bare, path: FourTuple, bytes: Vec<u8>) {
    let datagram = Datagram {
        from: path.local,
        to: path.remote,
        bytes,
    };
    far.receive(now, &datagram);
}

/// What a far end sends: when each packet was, by its number.
#[derive(Default)]
struct Sent {
    audio: Vec<Instant>,
    video: Vec<Instant>,
    keyframes: usize,
}

impl Sent {
    /// Sound every 20 ms, and video all the time: a keyframe when one is asked for.
    fn send(&mut self, now: Instant, far: &mut Bare) {
        if far.srtp.is_none() {
            return;
        }
        let rtcp = far.rtcp.iter();
        let wanted = rtcp.flat_map(|(_, compound)| rtcp::packets(compound));
        let wanted = wanted.filter(|packet| matches!(packet, Packet::KeyframeRequest { .. }));
        let wanted = wanted.count();
        let is_keyframe = self.video.is_empty() || wanted > self.keyframes;
        self.keyframes = wanted;
        // RFC 7741 §4.2, §4.3: the first packet of a frame, and whether it is predicted.
        let payload = payload(self.video.len(), [0x10, u8::from(!is_keyframe)], VIDEO_LEN);
        let number = self.video.len();
        let video = packet(VP8, 20, number as u16, number as u32 * 450, "1", &payload);
        far.send_rtp(&video);
        self.video.push(now);
        if self.video.len().is_multiple_of(4) {
            let number = self.audio.len();
            let payload = self::payload(number, [0; 2], 80);
            let audio = packet(OPUS, 10, number as u16, number as u32 * 960, "0", &payload);
            far.send_rtp(&audio);
            self.audio.push(now);
        }
    }
}

/// A call over one TCP connection.
struct Call {
    now: Instant,
    core: ShardCore,
    connection: Connection,
    far: Bare,
    sent: Sent,
}

impl Call {
    fn new() -> Self {
        let (now, id, directory) = (Instant::now(), PeerId(1), Arc::<Directory>::default());
        let mut far = Bare::new(now);
        let (resident, _) = answered(now, id, &mut far, &SECTIONS, Box::new(Echo));
        directory.insert(resident);
        Self {
            now,
            core: ShardCore::new(now, 0, 1, directory),
            connection: Connection::new(address(HERE)),
            far,
            sent: Sent::default(),
        }
    }

    fn run_for(&mut self, span: Duration) {
        steps(span).for_each(|_| self.step());
    }

    fn step(&mut self) {
        self.now += STEP;
        if self.far.poll_timeout().is_some_and(|due| due <= self.now) {
            self.far.handle_timeout(self.now);
        }
        self.sent.send(self.now, &mut self.far);
        let sent: Vec<_> = std::iter::from_fn(|| self.far.poll_transmit()).collect();
        let path = self.connection.path;
        let datagrams = sent.iter().map(|datagram| (path, &datagram.bytes[..]));
        (self.core).handle_datagrams(self.now, datagrams, &mut self.connection);
        self.core.handle_timeout(self.now, &mut self.connection);
        assert!(self.connection.datagrams.is_empty());
        (self.connection).read(self.now, &mut self.core, &mut self.far);
    }
}

/// The packets that came since the first so many: the server's number, the sender's, and whether it is a keyframe.
fn came(far: &Bare, payload_type: u8, after: usize) -> Vec<(u16, usize, bool)> {
    let received = far.rtp.iter().skip(after);
    let of_kind = received.filter(|received| received.header.payload_type == payload_type);
    of_kind
        .map(|received| {
            let payload = received.payload();
            let number = u64::from_be_bytes(*payload[2..].first_chunk().unwrap());
            (received.header.sequence, number as usize, payload[1] == 0)
        })
        .collect()
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
    call.connection.stop_reading();
    call.run_for(Duration::from_secs(5));
    assert_eq!(call.far.rtp.len(), before);
    // Of five seconds this much was kept: what the systems took, and the queue to its limit.
    let taken = call.connection.stream.len();
    let (audio_sent, video_sent) = (call.sent.audio.len(), call.sent.video.len());
    // With the next step.
    let resumed = call.now + STEP;
    call.connection.is_reading = true;
    call.run_for(Duration::from_secs(1));

    let video = came(&call.far, VP8, before);
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
    let audio = came(&call.far, OPUS, before);
    let stale =
        |(_, number, _): &&(u16, usize, bool)| call.sent.audio[*number] + AUDIO_LIFETIME <= resumed;
    let stale = audio.iter().filter(stale).count();
    assert!(stale * VIDEO_LEN < taken / 2, "{stale} packets of sound");
    let numbers = audio.iter().map(|(_, number, _)| *number);
    let fresh: Vec<_> = numbers
        .filter(|number| call.sent.audio[*number] + AUDIO_LIFETIME > resumed)
        .collect();
    let first = fresh[0];
    assert!(
        first < audio_sent,
        "nothing of the last {AUDIO_LIFETIME:?} was kept"
    );
    assert!(
        fresh.iter().copied().eq(first..call.sent.audio.len()),
        "{fresh:?}"
    );
}

/// Somebody publishes to two who are shown it: one over UDP, and one over TCP.
struct Room {
    now: Instant,
    core: ShardCore,
    connection: Connection,
    publisher: Bare,
    near: Bare,
    slow: Bare,
    sent: Sent,
}

const PUBLISHED: [Section; 2] = directed("sendonly");
const SLOTS: [Section; 2] = directed("recvonly");

const fn directed(direction: &'static str) -> [Section; 2] {
    let (audio, video) = ("0", "1");
    [
        Section::Audio {
            mid: audio,
            direction,
        },
        Section::Video {
            mid: video,
            direction,
            ssrcs: None,
        },
    ]
}

impl Room {
    fn new() -> Self {
        let (now, directory) = (Instant::now(), Arc::<Directory>::default());
        let tracks = [(0, 1), (1, 2)].map(|(at, track)| (at, TrackId::of_publication(track)));
        let publishes = Plan::Room {
            publishes: tracks.to_vec(),
            shows: Vec::new(),
            talk: None,
            pressure: Pressure::default(),
        };
        let shows = Arc::new(Plan::Room {
            publishes: Vec::new(),
            shows: tracks
                .map(|(at, track)| (at, Shown::at_best(track)))
                .to_vec(),
            talk: None,
            pressure: Pressure::default(),
        });
        let members = [
            (&PUBLISHED, Arc::new(publishes)),
            (&SLOTS, Arc::clone(&shows)),
            (&SLOTS, shows),
        ];
        let mut port = 20_000;
        let [publisher, near, slow] = members.map(|(sections, plan)| {
            port += 1;
            let mut far = Bare::new(now);
            far.address.set_port(port);
            let id = PeerId(u64::from(port));
            let (mut resident, _) = answered(now, id, &mut far, sections, Box::new(Echo));
            resident.set_plan(Revision { number: 1, plan });
            directory.insert(resident);
            far
        });
        Self {
            now,
            core: ShardCore::new(now, 0, 1, directory),
            connection: Connection::new(slow.address),
            publisher,
            near,
            slow,
            sent: Sent::default(),
        }
    }

    fn run_for(&mut self, span: Duration) {
        steps(span).for_each(|_| self.step());
    }

    fn step(&mut self) {
        self.now += STEP;
        let now = self.now;
        self.sent.send(now, &mut self.publisher);
        let mut sent = Vec::new();
        for far in [&mut self.publisher, &mut self.near, &mut self.slow] {
            if far.poll_timeout().is_some_and(|due| due <= now) {
                far.handle_timeout(now);
            }
            let transport = match far.address == self.connection.path.remote {
                true => Transport::Tcp,
                false => Transport::Udp,
            };
            let path = path(transport, far.address);
            sent.extend(std::iter::from_fn(|| far.poll_transmit()).map(|it| (path, it.bytes)));
        }
        let datagrams = sent.iter().map(|(path, bytes)| (*path, &bytes[..]));
        (self.core).handle_datagrams(now, datagrams, &mut self.connection);
        self.core.handle_timeout(now, &mut self.connection);
        for (path, bytes) in std::mem::take(&mut self.connection.datagrams) {
            let far = match path.remote == self.publisher.address {
                true => &mut self.publisher,
                false => &mut self.near,
            };
            receive(now, far, path, bytes.to_vec());
        }
        (self.connection).read(now, &mut self.core, &mut self.slow);
    }
}

#[test]
fn who_does_not_read_costs_nobody_else_in_the_room_a_packet() {
    let mut room = Room::new();
    room.run_for(Duration::from_secs(1));
    let (before, shown) = (room.slow.rtp.len(), came(&room.near, VP8, 0));
    assert!(
        before > 100 && shown.len() > 100,
        "{before}, {}",
        shown.len()
    );
    room.connection.stop_reading();
    room.run_for(Duration::from_secs(5));
    assert_eq!(room.slow.rtp.len(), before);
    for (payload_type, sent) in [(VP8, room.sent.video.len()), (OPUS, room.sent.audio.len())] {
        let numbers = came(&room.near, payload_type, 0);
        let numbers: Vec<_> = numbers.iter().map(|(_, number, _)| *number).collect();
        assert!(numbers.iter().copied().eq(numbers[0]..sent), "{numbers:?}");
    }
    room.connection.is_reading = true;
    room.run_for(Duration::from_secs(1));
    let again = came(&room.slow, VP8, before);
    let last = room.sent.video.len() - 1;
    assert_eq!(again.last().map(|(_, number, _)| *number), Some(last));
}

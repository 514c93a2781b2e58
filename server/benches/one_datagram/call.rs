//! Datagrams of a peer with media and an association: checks, DTLS, RTP, RTCP, SCTP.

use std::time::{Duration, Instant};

use crate::harness::bare::{HERE, SERVER, identity, packet, packet_with};
use crate::harness::offer::{MID, Section, TRANSPORT_CC, VP8, VP8_RTX};
use crate::harness::{Bare, Datagram, FarEnd, World, address};
use crate::speaker::{DCEP, Speaker};
use crate::{Sample, Table};

/// Datagrams measured of each kind.
const SAMPLES: usize = 400;

/// Video sections of the call.
const VIDEOS: usize = 32;

/// What a datagram of RTCP or SCTP has room for.
pub(super) const ROOM: usize = 1100;

const PAYLOAD: [u8; 1000] = [0x10; 1000];
const TINY: [u8; 1] = [0x10];

/// The mids of the sections, which borrow them for ever.
const MIDS: [&str; 33] = [
    "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
    "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "32",
];

/// A kind of datagram: its name, and how the call sends the next one of it.
type Kind = (&'static str, fn(&mut Call));

const KINDS: &[Kind] = &[
    ("receiver report", |call| {
        call.rtcp(&[0x80, 201, 0, 1, 0, 0, 0, 1])
    }),
    ("receiver reports of 45 blocks", Call::report_blocks),
    ("video packet", |call| call.video(1, &PAYLOAD)),
    ("video packet after a gap of 100", |call| {
        call.video(100, &TINY)
    }),
    ("video packet after a gap of 30,000", |call| {
        call.video(30_000, &TINY)
    }),
    ("arrivals, transport number far off", Call::far_off),
    ("a new SSRC", Call::new_source),
    ("a new SSRC on a section that is not there", |call| {
        call.stranger("nowhere")
    }),
    ("a new SSRC without a section", |call| call.stranger("")),
    ("a retransmission (RTX) of what is there", Call::retransmit),
    ("RTP with a forged seal", |call| call.forge(&[0x80, 96])),
    ("NACKs, 17 numbers each, of what never was", |call| {
        call.nacks(false)
    }),
    ("NACKs, 17 numbers each, of what was sent", |call| {
        call.nacks(true)
    }),
    ("one NACK as long as fits", Call::long_nack),
    ("PLIs, as many as fit", Call::plis),
    ("a FIR for many streams", Call::fir),
    ("transport-wide feedback", Call::feedback),
    ("REMBs, as many as fit", Call::remb),
    ("RTCP with a forged seal", |call| call.forge(&[0x80, 201])),
    ("a BYE of 31 streams, again and again", Call::byes),
    ("check over a known path", |call| call.check(address(HERE))),
    ("check over a new path", Call::move_away),
    ("check with a wrong password", Call::guess),
    ("check with as many attributes as fit", Call::long_check),
    ("DTLS records of one byte", Call::records),
    ("SCTP: messages of one byte", Call::crumbs),
    ("SCTP: channels opened", Call::channels),
    ("SCTP: messages with a gap before each", Call::gaps),
    (
        "SCTP: pieces of as many messages that never end",
        Call::pieces,
    ),
    ("SCTP: INIT, again", Call::init),
    ("SCTP: SACK of many gaps", Call::sack),
    ("SCTP: chunks that nobody knows", Call::unknown_chunks),
    ("SCTP: FORWARD-TSN of many streams", Call::forward_tsn),
    ("SCTP: streams reset", Call::resets),
];

pub fn measure(table: &mut Table) {
    for (name, next) in KINDS {
        if table.wants(name) {
            let mut call = Call::new();
            table.row(name, SAMPLES, || call.measure(*next));
        }
    }
}

/// A connected call with media and an association.
pub(super) struct Call {
    world: World<Bare>,
    pub(super) speaker: Speaker,
    heard: usize,
    sequence: u16,
    transport_sequence: u16,
    source: u32,
    port: u16,
    pub(super) stream: u16,
    ours: Vec<u32>,
    length: usize,
}

impl Call {
    fn new() -> Self {
        let mut world = World::bare(1);
        let mut sections: Vec<_> = (0..VIDEOS)
            .map(|at| Section::Video {
                mid: MIDS[at],
                direction: "sendrecv",
                ssrcs: Some((1000 + at as u32, 2000 + at as u32)),
            })
            .collect();
        sections.push(Section::Data { mid: MIDS[VIDEOS] });
        world.connect_bare(&sections);
        let ours = (0..VIDEOS).map(|at| world.server_ssrcs(at).0).collect();
        let mut call = Self {
            world,
            speaker: Speaker::new(),
            heard: 0,
            sequence: 1000,
            transport_sequence: 0,
            source: 0x1000_0000,
            port: 1000,
            stream: 0,
            ours,
            length: 0,
        };
        let begin = call.speaker.begin();
        call.data(&begin);
        call.run(Duration::from_millis(200));
        let open = call
            .speaker
            .message(0, false, DCEP, &[3, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        open.iter().for_each(|packet| call.data(packet));
        // What was sent may be asked for.
        for at in 0..600 {
            call.video(1, &PAYLOAD);
            if at % 10 == 0 {
                call.run(Duration::from_millis(5));
            }
        }
        call.run(Duration::from_millis(50));
        call
    }

    /// Lets the far end say one datagram of a kind, and times how the server takes it.
    fn measure(&mut self, next: fn(&mut Self)) -> Sample {
        // A keyframe request or a report may go out with any of them, as in a call.
        self.run(Duration::from_micros(500));
        next(self);
        let now = self.world.now;
        let mut time = Duration::ZERO;
        while let Some(datagram) = self.world.far.poll_transmit() {
            self.length = datagram.bytes.len();
            let began = Instant::now();
            self.world.server.receive(now, &datagram);
            let mut answers = Vec::new();
            while let Some(answer) = self.world.server.poll_transmit() {
                answers.push(answer);
            }
            time += began.elapsed();
            for answer in answers {
                self.world.far.receive(now, &answer);
            }
        }
        Sample {
            time,
            total: time,
            bytes: self.length,
            receivers: 1,
        }
    }

    fn run(&mut self, span: Duration) {
        let end = self.world.now + span;
        loop {
            while let Some(packet) = self.world.far.data.get(self.heard).cloned() {
                self.heard += 1;
                if let Some(answer) = self.speaker.hear(&packet) {
                    self.data(&answer);
                }
            }
            if !self.world.step(end) {
                break;
            }
        }
        self.world.far.rtp.clear();
        self.world.far.rtcp.clear();
    }

    fn rtcp(&mut self, compound: &[u8]) {
        self.world.far.send_rtcp(compound);
    }

    pub(super) fn data(&mut self, packet: &[u8]) {
        let now = self.world.now;
        self.world.far.send_data(now, packet);
    }

    fn video(&mut self, step: u16, payload: &[u8]) {
        self.sequence = self.sequence.wrapping_add(step);
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        self.rtp(1000, payload);
    }

    fn rtp(&mut self, ssrc: u32, payload: &[u8]) {
        let transport = self.transport_sequence.to_be_bytes();
        let extensions: [(u8, &[u8]); 2] = [(MID, MIDS[0].as_bytes()), (TRANSPORT_CC, &transport)];
        let timestamp = u32::from(self.sequence) * 3000;
        let packet = packet_with(VP8, ssrc, self.sequence, timestamp, &extensions, payload);
        self.world.far.send_rtp(&packet);
    }

    fn far_off(&mut self) {
        self.transport_sequence = self.transport_sequence.wrapping_add(20_000);
        self.video(1, &TINY);
    }

    fn new_source(&mut self) {
        self.source += 1;
        self.sequence = self.sequence.wrapping_add(1);
        self.rtp(self.source, &TINY);
    }

    fn stranger(&mut self, mid: &str) {
        self.source += 1;
        let mid = (MID, mid.as_bytes());
        let named = if mid.1.is_empty() { &[][..] } else { &[mid] };
        let packet = packet_with(VP8, self.source, 1, 1, named, &PAYLOAD);
        self.world.far.send_rtp(&packet);
    }

    fn retransmit(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        let mut payload = self.sequence.wrapping_sub(200).to_be_bytes().to_vec();
        payload.extend(PAYLOAD);
        let extensions: [(u8, &[u8]); 1] = [(MID, MIDS[0].as_bytes())];
        let packet = packet_with(VP8_RTX, 2000, self.sequence, 1, &extensions, &payload);
        self.world.far.send_rtp(&packet);
    }

    /// A datagram that begins so, as long as one may be, and sealed by nobody.
    fn forge(&mut self, first: &[u8]) {
        let mut out = first.to_vec();
        out.extend([0, 1, 0, 0, 0, 1]);
        out.extend(1000_u32.to_be_bytes());
        out.resize(2048, 7);
        self.world.far.send_raw(out);
    }

    /// REMB (draft-alvestrand-rmcat-remb), about 255 streams each.
    fn remb(&mut self) {
        let streams = ((ROOM - 20) / 4).min(255) as u8;
        let mut out = vec![0x8F, 206];
        out.extend((4 + u16::from(streams)).to_be_bytes());
        out.extend([0, 0, 0, 1, 0, 0, 0, 0]);
        out.extend(b"REMB");
        out.extend([streams, 0x0B, 0xFF, 0xFF]);
        let ours = self.ours.clone();
        let named = ours.iter().cycle().take(streams.into());
        named.for_each(|ssrc| out.extend(ssrc.to_be_bytes()));
        self.rtcp(&out);
    }

    /// Packets of `words` after their header, as many as there is room for; each about another
    /// stream of the server's.
    fn many(&mut self, length: usize, mut write: impl FnMut(&mut Vec<u8>, u32)) {
        let mut compound = Vec::new();
        let ours = self.ours.clone();
        for ssrc in ours.iter().cycle().take(ROOM / length) {
            write(&mut compound, *ssrc);
        }
        self.rtcp(&compound);
    }

    fn nacks(&mut self, is_there: bool) {
        let first = self.ours[0];
        let newest = self
            .world
            .far
            .rtp
            .last()
            .map_or(0, |packet| packet.header.sequence);
        let mut at = newest.wrapping_sub(500);
        self.many(16, |out, ssrc| {
            let ssrc = if is_there { first } else { ssrc };
            out.extend([0x81, 205, 0, 3, 0, 0, 0, 1]);
            out.extend(ssrc.to_be_bytes());
            out.extend(at.to_be_bytes());
            out.extend([0xFF; 2]);
            at = at.wrapping_add(17);
        });
    }

    fn long_nack(&mut self) {
        let words = (ROOM / 4 - 3) as u16;
        let mut out = vec![0x81, 205];
        out.extend((words + 2).to_be_bytes());
        out.extend([0, 0, 0, 1]);
        out.extend(self.ours[0].to_be_bytes());
        for at in 0..words {
            out.extend((at * 17).to_be_bytes());
            out.extend([0xFF; 2]);
        }
        self.rtcp(&out);
    }

    fn plis(&mut self) {
        // With losses, of which a keyframe request asks again.
        self.many(12, |out, ssrc| {
            out.extend([0x81, 206, 0, 2, 0, 0, 0, 1]);
            out.extend(ssrc.to_be_bytes());
        });
    }

    fn fir(&mut self) {
        let entries = 130_u16;
        let mut out = vec![0x84, 206];
        out.extend((2 + 2 * entries).to_be_bytes());
        out.extend([0; 8]);
        for at in 0..entries {
            out.extend(self.ours[usize::from(at) % VIDEOS].to_be_bytes());
            out.extend([at as u8, 0, 0, 0]);
        }
        self.rtcp(&out);
    }

    /// Reports as long as fit (RFC 3550 §6.4.2).
    fn report_blocks(&mut self) {
        let mut out = Vec::new();
        loop {
            let blocks = (ROOM.saturating_sub(out.len() + 8) / 24).min(31) as u8;
            if blocks == 0 {
                break;
            }
            out.extend([0x80 | blocks, 201, 0, 1 + 6 * blocks, 0, 0, 0, 1]);
            for at in 0..blocks {
                out.extend(self.ours[usize::from(at)].to_be_bytes());
                out.extend([0; 20]);
            }
        }
        self.rtcp(&out);
    }

    /// A status vector for more packets than anybody has.
    fn feedback(&mut self) {
        let chunks = (ROOM - 20) / 2;
        let mut out = vec![0x8F, 205];
        out.extend(((ROOM / 4 - 1) as u16).to_be_bytes());
        out.extend([0, 0, 0, 1]);
        out.extend(self.ours[0].to_be_bytes());
        out.extend([0, 0, 0xFF, 0xFF, 0, 0, 0, 1]);
        (0..chunks).for_each(|_| out.extend([0x3F, 0xFF]));
        out.truncate(ROOM);
        self.rtcp(&out);
    }

    fn byes(&mut self) {
        let mut out = Vec::new();
        for _ in 0..8 {
            out.extend([0x80 | 31, 203, 0, 31]);
            (0..31_u32).for_each(|at| out.extend((1000 + at).to_be_bytes()));
        }
        self.rtcp(&out);
    }

    fn check(&mut self, from: std::net::SocketAddr) {
        let check = self.world.far.usual_check();
        self.world.far.check(from, &check);
    }

    fn move_away(&mut self) {
        self.port += 1;
        let mut from = address(HERE);
        from.set_port(self.port);
        self.check(from);
    }

    fn guess(&mut self) {
        let mut check = self.world.far.usual_check();
        check.theirs.pwd = "anythingbutthepassword".to_owned();
        self.world.far.check(address(HERE), &check);
    }

    fn long_check(&mut self) {
        let mut check = self.world.far.usual_check();
        check.extra = (0..24).map(|at| (0xC100 + at, vec![7; 36])).collect();
        self.world.far.check(address(HERE), &check);
    }

    fn records(&mut self) {
        let mut out = Vec::new();
        for at in 0..(ROOM / 14) as u8 {
            out.extend([23, 254, 253, 0, 1, 0, 0, 0, 1, 0, at, 0, 1, 7]);
        }
        self.world.far.send_raw(out);
    }
}

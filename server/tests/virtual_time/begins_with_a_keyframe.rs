//! What somebody is shown begins with a keyframe, whole, also where the first packet of that comes last.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ferrite_protocol::Pressure;
use ferrite_server::media::rtp::rtcp;
use ferrite_server::media::{Plan, Shown, TrackId};

use crate::harness::bare::packet;
use crate::harness::offer::{Section, VP8};
use crate::harness::seed;
use crate::harness::shards::SomeShards;

const PUBLISHED: Section = Section::Video {
    mid: "0",
    direction: "sendonly",
    ssrcs: Some((11, 12)),
};
const WATCHED: Section = Section::Video {
    mid: "0",
    direction: "recvonly",
    ssrcs: None,
};
/// By somebody who asks for nothing again, so that nothing is kept for that.
const WATCHED_ONCE: Section = Section::Written {
    mid: "0",
    lines: "a=recvonly\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\n",
};

/// How the payload of a packet begins that begins a keyframe, of one that goes on with a frame, and of one that begins
/// another frame (RFC 7741 §4.2).
const KEY: [u8; 2] = [0x10, 0];
const REST: [u8; 2] = [0, 0];
const DELTA: [u8; 2] = [0x10, 1];

/// A room in which one publishes a picture, and another is shown it.
struct Premiere {
    world: SomeShards,
    publisher: usize,
    viewer: usize,
    /// Of a payload.
    len: usize,
}

impl Premiere {
    fn new(watched: Section, answers: bool) -> Self {
        let mut world = SomeShards::with(1, seed(41));
        let track = TrackId::of_publication(0);
        let publisher = world.enter(&[PUBLISHED], room(&[(0, track)], &[]));
        let viewer = world.enter(&[watched], room(&[], &[(0, Shown::at_best(track))]));
        world.callers[viewer].far.answering = answers;
        world.run_for(Duration::from_secs(2));
        Self {
            world,
            publisher,
            viewer,
            len: 300,
        }
    }

    /// Packets come, one right after the other.
    fn send<const N: usize>(&mut self, packets: [(u16, [u8; 2]); N]) {
        for (number, kind) in packets {
            let mut payload = vec![7; self.len];
            payload[..2].copy_from_slice(&kind);
            payload[2..4].copy_from_slice(&number.to_be_bytes());
            let packet = packet(VP8, 11, number, 9000, "0", &payload);
            self.world.callers[self.publisher].far.send_rtp(&packet);
        }
        self.world.run_for(Duration::from_millis(30));
    }

    /// The publisher's numbers of what came, each behind ours, of which the first is 0.
    fn came(&self) -> Vec<(u16, u16)> {
        let caller = &self.world.callers[self.viewer];
        let came = caller.far.rtp_on(caller.slot(0));
        let number = |payload: &[u8]| u16::from_be_bytes([payload[2], payload[3]]);
        let came = came
            .iter()
            .map(|it| (it.header.sequence, number(it.payload())));
        let first = came.clone().next().map_or(0, |(ours, _)| ours);
        let came = came.map(|(ours, theirs)| (ours.wrapping_sub(first), theirs));
        let came: BTreeMap<_, _> = came.collect();
        came.into_iter().collect()
    }
}

fn room(publishes: &[(usize, TrackId)], shows: &[(usize, Shown)]) -> Arc<Plan> {
    Arc::new(Plan::Room {
        publishes: publishes.to_vec(),
        shows: shows.to_vec(),
        talk: None,
        pressure: Pressure::default(),
    })
}

#[test]
fn what_overtook_the_first_packet_of_a_keyframe_follows_it_however_late_that_comes() {
    for watched in [WATCHED, WATCHED_ONCE] {
        let mut premiere = Premiere::new(watched, true);
        premiere.send([(11, REST), (12, REST)]);
        premiere.world.run_for(Duration::from_millis(200));
        assert_eq!(premiere.came(), []);
        premiere.send([(10, KEY)]);
        premiere.send([(13, DELTA)]);
        assert_eq!(premiere.came(), [(0, 10), (1, 11), (2, 12), (3, 13)]);
    }
}

/// One that proves no path is sent little, and of what it was sent nothing is missing.
#[test]
fn a_keyframe_that_there_was_room_for_is_gone_on_with_whatever_room_it_left() {
    let mut whole = 0;
    for len in (200..1100).step_by(50) {
        let mut premiere = Premiere::new(WATCHED, false);
        premiere.len = len;
        premiere.send([(10, KEY), (11, REST)]);
        if premiere.came() != [(0, 10), (1, 11)] {
            continue;
        }
        whole += 1;
        for _ in 0..20 {
            let mut report = Vec::new();
            rtcp::write_nack(&mut report, 1, 2, &[1]);
            let far = &mut premiere.world.callers[premiere.viewer].far;
            far.send_rtcp(&report);
        }
        premiere.send([]);
        premiere.len = 200;
        premiere.send([(12, DELTA)]);
        assert_eq!(premiere.came(), [(0, 10), (1, 11), (2, 12)], "{len}");
    }
    assert!(whole > 0, "there was room for none");
}

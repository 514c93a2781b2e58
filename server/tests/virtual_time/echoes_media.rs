//! Audio and video come back as they were sent: every packet once, in sequence, under the server's
//! own names.

use std::collections::BTreeMap;
use std::time::Duration;

use ferrite_server::media::sdp::Section;
use str0m::media::Mid;

use crate::harness::browser::Sent;
use crate::harness::{Browser, Conditions, World, browser, seed};

/// A call that is up, with both tracks being sent from these numbers on.
pub fn sending(
    own_seed: u64,
    conditions: Conditions,
    first_sequence: u64,
    first_timestamp: u32,
) -> (World<Browser>, Mid, Mid) {
    let mut world = World::browser(seed(own_seed), browser::config());
    let (audio, video) = world.call();
    world.run_until(Duration::from_secs(5), "connected", |w| w.is_connected());
    world.link.set(conditions);
    let now = world.now;
    for mid in [audio, video] {
        world.far.send_on(now, mid, first_sequence, first_timestamp);
    }
    (world, audio, video)
}

/// What came back on a section.
#[derive(Debug)]
pub struct Echo {
    pub sent: usize,
    pub came_back: usize,
    /// Numbers between the first and the last that came back which did not.
    pub missing: Vec<u64>,
    pub duplicates: usize,
}

/// Compares what was sent on a section with what came back, packet by packet.
#[track_caller]
pub fn compare(world: &World<Browser>, mid: Mid) -> Echo {
    let track = world.far.tracks.iter().find(|t| t.mid == mid).unwrap();
    let agreed = world.server.agreed.as_ref().unwrap();
    let stream = agreed.sections.iter().find_map(|section| match section {
        Section::Media(media) if media.mid == mid.to_string() => media.send.clone(),
        _ => None,
    });
    let stream = stream.unwrap();
    let received = world.far.received_on(mid);
    // The first packet says how the server numbers; all others must agree.
    let number = |payload: &[u8]| u64::from_be_bytes(payload[..8].try_into().unwrap());
    let first = &received[0];
    let offset = first
        .header
        .sequence_number
        .wrapping_sub(number(&first.payload) as u16);
    let mut came_back = BTreeMap::new();
    let mut duplicates = 0;
    for packet in received {
        let n = number(&packet.payload);
        let sent = Sent {
            payload: packet.payload.to_vec(),
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
        };
        assert_eq!(Some(&sent), track.sent.get(&n), "packet {n}");
        let expected = (n as u16).wrapping_add(offset);
        assert_eq!(packet.header.sequence_number, expected, "packet {n}");
        assert_eq!(*packet.header.ssrc, stream.ssrc);
        assert_eq!(packet.header.ext_vals.mid, Some(mid));
        duplicates += usize::from(came_back.insert(n, ()).is_some());
    }
    let (first, last) = (
        came_back.keys().next().unwrap(),
        came_back.keys().last().unwrap(),
    );
    let missing = (*first..*last)
        .filter(|n| !came_back.contains_key(n))
        .collect();
    Echo {
        sent: track.sent.len(),
        came_back: came_back.len(),
        missing,
        duplicates,
    }
}

/// Sends no more, and waits for what is under way.
pub fn finish(world: &mut World<Browser>) {
    for track in &mut world.far.tracks {
        track.muted = true;
    }
    world.run_for(Duration::from_secs(2));
}

/// Every packet came back once.
#[track_caller]
fn assert_complete(world: &mut World<Browser>, mids: [Mid; 2]) {
    finish(world);
    for mid in mids {
        let echo = compare(world, mid);
        assert_eq!((echo.missing.len(), echo.duplicates), (0, 0), "{echo:?}");
        assert!(echo.came_back == echo.sent && echo.sent > 50, "{echo:?}");
    }
}

#[test]
fn over_a_perfect_link() {
    let (mut world, audio, video) = sending(1, Conditions::PERFECT, 1000, 0);
    world.run_for(Duration::from_secs(10));
    assert_complete(&mut world, [audio, video]);
}

#[test]
fn over_the_wrap_of_sequence_numbers_and_timestamps() {
    for conditions in [Conditions::PERFECT, Conditions::reordering()] {
        let (mut world, audio, video) = sending(2, conditions, 65_400, u32::MAX - 100_000);
        world.run_for(Duration::from_secs(10));
        assert_complete(&mut world, [audio, video]);
        assert!(world.far.track(audio).next_sequence > 65_536);
    }
}

#[test]
fn over_a_link_that_reorders_or_duplicates() {
    for (own_seed, conditions) in [
        (4, Conditions::reordering()),
        (5, Conditions::duplicating()),
    ] {
        let (mut world, audio, video) = sending(own_seed, conditions, 1000, 0);
        world.run_for(Duration::from_secs(10));
        assert_complete(&mut world, [audio, video]);
    }
}

#[test]
fn no_datagram_is_larger_than_what_every_path_takes() {
    let (mut world, _, video) = sending(6, Conditions::lossy(0.1), 1000, 0);
    world.far.track(video).payload_len = 1150;
    world.run_for(Duration::from_secs(10));
    let largest = world.link.largest_down;
    assert!(
        largest <= crate::harness::server_end::MAX_DATAGRAM,
        "{largest}"
    );
}

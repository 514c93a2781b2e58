//! What is asked of who publishes: losses and keyframes, once for all who miss them.

use std::time::Duration;

use ferrite_server::media::ingest::stream::KEYFRAME_INTERVAL;
use ferrite_server::media::net::demux::{Kind, classify};
use ferrite_server::media::rtp::header::Header;
use ferrite_server::media::rtp::rtcp;
use rand::Rng;

use crate::harness::festival::Festival;
use crate::harness::road::Road;
use crate::harness::{Datagram, seed};

const SECOND: Duration = Duration::from_secs(1);
const TURN: Duration = Duration::from_millis(5);

/// Some who are all shown one film.
fn audience(own_seed: u64, viewers: usize) -> Festival {
    let mut festival = Festival::new(seed(own_seed), 1, viewers);
    for viewer in 0..viewers {
        festival.show(viewer, 0, Some((0, 0)));
    }
    festival.run_for(SECOND);
    festival
}

#[test]
fn what_is_lost_on_the_way_to_the_server_is_asked_for_once_however_many_miss_it() {
    const EVERY: usize = 25;
    for viewers in [1, 12] {
        let mut festival = audience(1, viewers);
        let (caller, media) = (festival.films[0].0, festival.films[0].1.ssrc(0));
        let (mut nth, mut lost) = (0, Vec::new());
        let (tell, told) = std::sync::mpsc::channel();
        let fate = Box::new(move |datagram: &Datagram| {
            let is_media = classify(&datagram.bytes) == Some(Kind::Srtp);
            let header = Header::parse(&datagram.bytes).filter(|_| is_media)?;
            nth += usize::from(header.ssrc == media);
            let is_lost = header.ssrc == media && nth % EVERY == 0;
            is_lost.then(|| {
                tell.send((media, header.sequence)).ok();
                None
            })
        });
        festival.world.roads.insert(caller, Road::with(fate));
        festival.run_for(4 * SECOND);
        festival.world.roads.clear();
        festival.run_for(SECOND / 2);
        lost.extend(told.try_iter());
        assert!(lost.len() >= 4, "{lost:?}");
        assert_eq!(festival.films[0].1.asked, lost, "{viewers} viewers");
        festival.verify();
        for viewer in &festival.viewers {
            let numbers: Vec<_> = viewer.slots[0].sent.keys().collect();
            assert!(numbers.windows(2).all(|pair| *pair[1] == pair[0] + 1));
        }
    }
}

#[test]
fn keyframes_are_asked_for_no_more_often_than_they_may_and_no_wish_is_forgotten() {
    /// What a wish takes on its way: over both links, and from one shard to the other.
    const UNDER_WAY: Duration = Duration::from_millis(60);
    for own_seed in 0..6 {
        let mut festival = audience(own_seed, 5);
        let mut wishes = Vec::new();
        let end = festival.world.now + 6 * SECOND;
        while festival.world.now < end {
            // Now and then all at once.
            let rng = &mut festival.world.rng;
            let (pause, wishing) = (rng.random_range(1..300), rng.random_range(1..6));
            for at in 0..wishing {
                let viewer = &festival.viewers[at];
                let media = viewer.slots[0].media;
                let compound = match at % 2 {
                    0 => {
                        let mut compound = Vec::new();
                        rtcp::write_pli(&mut compound, 1, media);
                        compound
                    }
                    _ => full_intra_request(media),
                };
                festival.world.callers[viewer.number]
                    .far
                    .send_rtcp(&compound);
            }
            wishes.push(festival.world.now);
            festival.run_for(Duration::from_millis(pause));
        }
        festival.run_for(SECOND);
        let film = &festival.films[0].1;
        for ssrc in [film.ssrc(0), film.ssrc(1)] {
            let asked = film.wished.iter().filter(|(_, of)| *of == ssrc);
            let asked: Vec<_> = asked.map(|(at, _)| *at).collect();
            for pair in asked.windows(2) {
                let apart = pair[1] - pair[0];
                assert!(
                    apart + TURN >= KEYFRAME_INTERVAL,
                    "{apart:?}, seed {own_seed}"
                );
            }
            for wish in &wishes {
                let by = *wish + KEYFRAME_INTERVAL + UNDER_WAY;
                let is_granted = asked.iter().any(|at| (*wish..=by).contains(at));
                assert!(is_granted, "a wish is forgotten, seed {own_seed}");
            }
            assert!(asked.len() > 8 && wishes.len() > asked.len());
        }
    }
}

/// RFC 5104 §4.3.1.
fn full_intra_request(media: u32) -> Vec<u8> {
    let mut compound = vec![0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0];
    compound.extend(media.to_be_bytes());
    compound.extend([1, 0, 0, 0]);
    compound
}

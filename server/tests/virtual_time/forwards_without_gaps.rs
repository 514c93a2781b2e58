//! Films that are shown to some over ways that lose, delay and reorder, both ways, while anything happens that does in
//! rooms: something else is watched, a worse layer, nothing; who publishes takes another codec, falls silent, moves to
//! another shard. Whatever a subscriber is sent has no gap that the server made: each source begins with a keyframe,
//! numbers, frames and time go on, and what is sent again is what was sent.

use std::collections::HashMap;
use std::time::Duration;

use ferrite_server::media::net::demux::{Kind, classify};
use ferrite_server::media::rtp::header::Header;
use rand::Rng;

use crate::harness::festival::{Festival, SLOTS};
use crate::harness::film::{CODECS, RTX};
use crate::harness::road::{Fate, Road};
use crate::harness::{seed, seeds};

const SECOND: Duration = Duration::from_secs(1);

const FILMS: usize = 3;
const VIEWERS: usize = 2;

/// Enough for what is to happen; `FERRITE_SEEDS` plays more.
const SEEDS: u64 = 40;

impl Festival {
    fn any(&mut self, of: usize) -> usize {
        self.world.rng.random_range(0..of)
    }

    /// Something happens that happens in rooms.
    fn happen(&mut self) {
        let (viewer, slot, film) = (self.any(VIEWERS), self.any(SLOTS), self.any(FILMS));
        let layer = self.any(2) as u8;
        match self.any(9) {
            0..3 => self.show(viewer, slot, Some((film, layer))),
            3 => self.show(viewer, slot, None),
            4 => {
                let codec = self.any(CODECS.len());
                self.note(&format!("film {film} in {:?}", CODECS[codec]));
                self.films[film].1.change_codec(codec);
            }
            5 => {
                let caller = self.any(FILMS + VIEWERS);
                self.change_address(caller);
            }
            6 => {
                self.show(viewer, slot, Some((film, layer)));
                let pause = self.any(60) as u64;
                self.run_for(Duration::from_millis(pause));
                self.publish(film, false);
            }
            7 => {
                let is_dark = !self.films[film].1.is_dark;
                self.note(&format!("film {film} is dark: {is_dark}"));
                self.films[film].1.is_dark = is_dark;
            }
            _ => {
                let is_published = !self.films[film].2;
                self.publish(film, is_published);
            }
        }
    }

    fn live_for(&mut self, span: Duration) {
        let end = self.world.now + span;
        while self.world.now < end {
            self.happen();
            let pause = self.world.rng.random_range(1..250);
            self.run_for(Duration::from_millis(pause));
        }
    }
}

#[test]
fn whatever_happens_there_is_no_gap_but_what_was_lost_on_the_way_to_the_server() {
    let (mut sent, mut recovered, mut moves) = (0, 0, 0);
    let seeds = seeds(SEEDS);
    for seed in seeds.iter().copied() {
        let mut festival = Festival::new(seed, FILMS, VIEWERS);
        festival.spoil();
        festival.live_for(3 * SECOND);
        festival.everybody_sees();
        festival.verify();
        for slot in festival.viewers.iter().flat_map(|viewer| &viewer.slots) {
            sent += slot.sent.len();
            recovered += slot.recovered.iter().sum::<usize>();
        }
        moves += festival.world.moves;
    }
    println!("{sent} packets, {recovered} sent again, {moves} moves");
    let are_enough = seeds.len() as u64 >= SEEDS;
    let happened = sent > 5000 && recovered > 40 && moves > 30;
    assert!(happened || !are_enough, "{sent}, {recovered}, {moves}");
}

#[test]
fn a_slot_shows_one_codec_after_another_and_each_as_what_was_agreed_on() {
    for seed in seeds(2) {
        let mut festival = Festival::new(seed, 2, VIEWERS);
        festival.spoil();
        for first in 0..CODECS.len() {
            for second in 0..CODECS.len() {
                festival.films[0].1.change_codec(first);
                festival.films[1].1.change_codec(second);
                for film in [0, 1] {
                    (0..VIEWERS).for_each(|viewer| festival.show(viewer, 0, Some((film, 0))));
                    festival.run_for(3 * SECOND / 10);
                }
                // It is published anew, in another.
                festival.publish(1, false);
                festival.films[1]
                    .1
                    .change_codec((second + 1) % CODECS.len());
                festival.run_for(SECOND / 20);
                festival.publish(1, true);
                festival.run_for(3 * SECOND / 10);
            }
        }
        festival.everybody_sees();
        festival.verify();
        for viewer in &festival.viewers {
            let [slot, _] = &viewer.slots[..] else {
                panic!("{} slots", viewer.slots.len());
            };
            for (codec, name) in CODECS.iter().enumerate() {
                let sent = slot.sent.values();
                let sent = sent.filter(|sight| sight.shot.codec == codec).count();
                assert!(sent > 50, "{sent} in {name:?}");
            }
        }
        let slots = festival.viewers.iter().map(|viewer| &viewer.slots[0]);
        let recovered = slots.fold([0; CODECS.len()], |sum, slot| {
            std::array::from_fn(|codec| sum[codec] + slot.recovered[codec])
        });
        assert!(recovered.iter().all(|some| *some > 0), "{recovered:?}");
    }
}

#[test]
fn numbers_go_on_over_many_rounds_for_everybody_in_a_room() {
    let mut festival = Festival::new(seed(3), 2, VIEWERS);
    festival.viewers.iter_mut().for_each(|it| it.asks = false);
    for round in 0..60 {
        if round % 10 == 0 {
            let film = usize::from(round % 20 == 0);
            (0..VIEWERS).for_each(|viewer| festival.show(viewer, viewer, Some((film, 0))));
        }
        festival
            .films
            .iter_mut()
            .for_each(|(_, film, _)| film.skip(5000));
        festival.run_for(SECOND / 10);
    }
    festival.everybody_sees();
    festival.verify();
    for (viewer, at) in festival.viewers.iter().zip(0..) {
        let sent = &viewer.slots[at].sent;
        let (first, last) = (sent.keys().next().unwrap(), sent.keys().last().unwrap());
        assert!(last - first > 3 * 65_536, "from {first} to {last}");
    }
}

/// Decides by the SSRC of a datagram and by the how manieth of it that it is.
fn by_ssrc(mut decide: impl FnMut(u32, usize) -> Option<Option<Duration>> + 'static) -> Fate {
    let mut count = HashMap::<u32, usize>::new();
    Box::new(move |datagram| {
        if classify(&datagram.bytes) != Some(Kind::Srtp) {
            return None;
        }
        let Header { ssrc, .. } = Header::parse(&datagram.bytes)?;
        let nth = count.entry(ssrc).or_default();
        *nth += 1;
        decide(ssrc, *nth - 1)
    })
}

/// A film that is published over a way with this fate, and shown in this layer from before it begins. Whoever watches
/// is sent all of it from their first keyframe on.
fn play_from_the_beginning(what: &str, layer: u8, fate: Fate) {
    let mut festival = Festival::new(seed(4), 0, VIEWERS);
    (0..VIEWERS).for_each(|viewer| festival.show(viewer, 0, Some((0, layer))));
    festival.add_film();
    let caller = festival.films[0].0;
    festival.world.roads.insert(caller, Road::with(fate));
    festival.run_for(2 * SECOND);
    festival.films[0].1.is_dark = true;
    festival.run_for(SECOND / 2);
    festival.verify();
    for viewer in &festival.viewers {
        let mut sent = viewer.slots[0].sent.values();
        let first = sent
            .next()
            .unwrap_or_else(|| panic!("{what}: nothing came"));
        let numbers = sent.map(|sight| sight.shot.number);
        let expected = first.shot.number + 1..=festival.films[0].1.last(layer.into());
        assert!(
            numbers.eq(expected.clone()),
            "{what}: not all of {expected:?}"
        );
        assert!(first.shot.frame < 25, "{what}: began with {:?}", first.shot);
    }
}

#[test]
fn a_stream_may_lose_its_first_packets_or_have_them_in_any_order() {
    let ms = Duration::from_millis;
    for layer in 0..2 {
        let media = 1001 + u32::from(layer);
        // What comes first of each stream is lost, and where it is retransmissions there is something to send again.
        for other in [0, RTX] {
            for lost in [media, 1001, 1002].map(|ssrc| ssrc + other) {
                let fate = by_ssrc(move |ssrc, nth| {
                    let is_first = ssrc == lost && nth == 0;
                    let is_later = ssrc == media && nth == 9;
                    (is_first || is_later).then_some(None)
                });
                play_from_the_beginning(&format!("{lost} loses its first"), layer, fate);
            }
        }
        for order in 0..24 {
            let fate = by_ssrc(move |ssrc, nth| {
                let turn = *permutation(order).get(nth).filter(|_| ssrc == media)?;
                Some(Some(ms(12 * turn as u64)))
            });
            play_from_the_beginning(&format!("{:?}", permutation(order)), layer, fate);
        }
    }
}

/// One of the 24 orders of four.
fn permutation(mut which: usize) -> [usize; 4] {
    let mut left = vec![0, 1, 2, 3];
    [4, 3, 2, 1].map(|count| {
        let at = which % count;
        which /= count;
        left.remove(at)
    })
}

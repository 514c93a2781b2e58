//! Frames of a picture in VP8 with three temporal layers, as browsers encode it: a quarter of the frames in the lowest,
//! which take two fifths of the rate; and what their packets say of what they need, for whoever checks what came.

use std::time::Instant;

/// The temporal layers of four frames in a row, from a keyframe on.
const TEMPORAL: [u8; 4] = [0, 2, 1, 2];
/// How long frames of them are, in tenths of the mean.
const TENTHS: [usize; 3] = [16, 8, 8];
/// Frames from one that needs nothing of its own layer to the next: a switching point.
const SWITCHES: u32 = 16;
/// A packet's payload.
const PACKET: usize = 1000;
/// What each begins with.
const HEAD: usize = 20;
/// No other frame.
const NONE: u32 = u32::MAX;

/// The frames of one layer.
#[derive(Clone, Copy, Default)]
pub struct Reel {
    frame: u32,
    /// The last keyframe.
    key: u32,
    tl0: u8,
    /// How long keyframes are, in tenths of the mean, where they are longer than others of the lowest layer.
    pub key_tenths: usize,
}

/// A frame of which a packet came.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    pub number: u32,
    pub temporal: u8,
    pub picture: u16,
    /// The frames that it is decoded from.
    pub needs: [Option<u32>; 2],
}

impl Reel {
    /// The payloads of the next frame, which has so many bytes in the mean.
    pub fn next(&mut self, layer: u8, bytes: usize, is_key: bool) -> Vec<Vec<u8>> {
        self.frame += 1;
        if is_key || self.frame == 1 {
            self.key = self.frame;
        }
        let since = self.frame - self.key;
        let temporal = TEMPORAL[since as usize % 4];
        let is_switch = since % SWITCHES < 3;
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        let tenths = match since {
            0 => self.key_tenths.max(TENTHS[0]),
            _ => TENTHS[usize::from(temporal)],
        };
        let bytes = bytes * tenths / 10;
        let needs = self.needs(since, is_switch);
        let head = |is_first: bool| {
            let [high, low] = (self.frame as u16 | 0x8000).to_be_bytes();
            let switch = u8::from(is_switch && since % 4 != 3) << 5;
            let mut head = vec![0x80 | u8::from(is_first) << 4, 0xE0, high, low, self.tl0];
            head.extend([temporal << 6 | switch, u8::from(since > 0), layer]);
            head.extend(self.frame.to_be_bytes());
            head.extend(needs.iter().flat_map(|frame| frame.to_be_bytes()));
            head
        };
        let packets = (0..bytes).step_by(PACKET);
        let packets = packets.map(|at| {
            let mut payload = head(at == 0);
            payload.resize(HEAD.max((bytes - at).min(PACKET)), 7);
            payload
        });
        packets.collect()
    }

    fn needs(&self, since: u32, is_switch: bool) -> [u32; 2] {
        let back = |frames: u32| self.frame - frames;
        let unless_switch = |frames| if is_switch { NONE } else { back(frames) };
        match since % 4 {
            0 if since == 0 => [NONE; 2],
            0 => [back(4), NONE],
            1 => [back(1), unless_switch(2)],
            2 => [back(2), unless_switch(4)],
            _ => [back(1), back(2)],
        }
    }
}

/// What a payload is of: its layer, whether a keyframe begins with it, and its frame.
pub fn read(payload: &[u8]) -> (u8, bool, Frame) {
    let number = |at: usize| u32::from_be_bytes(*payload[at..].first_chunk().unwrap());
    let needs = [12, 16].map(|at| Some(number(at)).filter(|frame| *frame != NONE));
    let frame = Frame {
        number: number(8),
        temporal: payload[5] >> 6,
        picture: u16::from_be_bytes([payload[2], payload[3]]) & 0x7FFF,
        needs,
    };
    (payload[7], payload[0] == 0x90 && payload[6] == 0, frame)
}

/// A packet of a frame that came.
#[derive(Clone, Copy, Debug)]
pub struct Glimpse {
    pub at: Instant,
    pub sequence: u16,
    pub layer: u8,
    pub frame: Frame,
}

/// In the order of their numbers what came of a picture, fewer than half of all numbers; those of packets that were
/// `bare`, of which nothing was sent but a number, are taken out.
pub fn in_order(seen: &[Glimpse], bare: &[u16]) -> Vec<Glimpse> {
    let Some(first) = seen.first() else {
        return Vec::new();
    };
    assert!(seen.len() + bare.len() < 1 << 15);
    let place = |sequence: u16| sequence.wrapping_sub(first.sequence) as i16;
    let mut ordered = seen.to_vec();
    ordered.sort_by_key(|it| place(it.sequence));
    for glimpse in &mut ordered {
        let before = |it: &&u16| place(**it) < place(glimpse.sequence);
        glimpse.sequence -= bare.iter().filter(before).count() as u16;
    }
    ordered
}

/// Panics where somebody was sent a frame without one that it needs, or one out of its place: `seen` is all that came of
/// a picture, in its order.
pub fn verify(seen: &[Glimpse]) {
    verify_up_to(seen, 2);
}

/// The same, but for what frames of higher temporal layers need.
pub fn verify_up_to(seen: &[Glimpse], temporal: u8) {
    for (at, glimpse) in seen.iter().enumerate() {
        let Some(before) = at.checked_sub(1).map(|at| &seen[at]) else {
            continue;
        };
        if before.sequence.wrapping_add(1) == glimpse.sequence {
            let is_same =
                (before.layer, before.frame.number) == (glimpse.layer, glimpse.frame.number);
            let next = before.frame.picture.wrapping_add(u16::from(!is_same)) & 0x7FFF;
            assert_eq!(glimpse.frame.picture, next, "after {before:?}: {glimpse:?}");
        }
        if glimpse.frame.temporal > temporal {
            continue;
        }
        for needed in glimpse.frame.needs.iter().flatten() {
            let is_left_out = is_left_out(&seen[..=at], *needed);
            assert!(!is_left_out, "{needed} was left out: {glimpse:?}");
        }
    }
}

/// Whether a frame of the layer of the last packet did not come, and no number is missing where it would have been.
fn is_left_out(seen: &[Glimpse], needed: u32) -> bool {
    let layer = seen.last().map(|it| it.layer);
    let later = seen
        .iter()
        .rposition(|it| Some(it.layer) != layer || it.frame.number <= needed);
    let Some(before) = later else {
        return false;
    };
    let (before, after) = (&seen[before], &seen[before + 1]);
    let is_it = Some(before.layer) == layer && before.frame.number == needed;
    !is_it && before.sequence.wrapping_add(1) == after.sequence
}

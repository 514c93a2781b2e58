//! Pictures in three spatial layers and three temporal ones, in one stream, as browsers encode them in VP9 and AV1 (L3T3
//! and L3T3_KEY); and what their packets say of what they need, for whoever checks what came.

use std::collections::BTreeSet;
use std::time::Instant;

/// What it is encoded in, and so where it says which layers a packet is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// In its payload descriptor.
    Vp9,
    /// In the dependency descriptor.
    Av1,
}

/// How layers depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A larger one on the smaller ones, in each picture.
    Full,
    /// In keyframes alone.
    Key,
}

/// Of the spatial layers, the smallest first.
pub const SIZES: [(u16, u16); 3] = [(320, 180), (640, 360), (1280, 720)];
/// What a frame of each has, in bytes: 120 and 400 kbit/s, and 1.2 Mbit/s.
const BYTES: [usize; 3] = [600, 2000, 6000];
/// The temporal layers of four pictures in a row, from a keyframe on.
const TEMPORAL: [u8; 4] = [0, 2, 1, 2];
/// A packet's payload.
const PACKET: usize = 1000;
/// What is neither part of a target, nor a switch, nor to be left out.
const REQUIRED: u32 = 3;

/// A frame by its picture and its spatial layer.
pub type Name = (u32, u8);

/// A packet to be sent.
pub struct Written {
    pub payload: Vec<u8>,
    pub descriptor: Option<Vec<u8>>,
    pub marker: bool,
}

/// Who encodes.
pub struct Pyramid {
    pub codec: Codec,
    pub mode: Mode,
    /// The spatial layers that are sent at present.
    pub layers: u8,
    /// Those that there are, as keyframes say, and how many of the smallest of [`SIZES`] there are none of.
    pub count: u8,
    pub bottom: usize,
    /// The next picture is a keyframe.
    pub cuts: bool,
    picture: u32,
    key: u32,
    tl0: u8,
    frame: u16,
}

impl Pyramid {
    pub fn new(codec: Codec, mode: Mode) -> Self {
        Self {
            codec,
            mode,
            layers: 3,
            count: 3,
            bottom: 0,
            cuts: false,
            picture: 0,
            key: 0,
            tl0: 0,
            frame: 0,
        }
    }

    /// The packets of the next picture.
    pub fn next(&mut self, is_key: bool) -> Vec<Written> {
        self.picture += 1;
        if std::mem::take(&mut self.cuts) || is_key || self.picture == 1 {
            self.key = self.picture;
        }
        let since = self.picture - self.key;
        let temporal = TEMPORAL[since as usize % 4];
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        let frames = (0..self.layers).flat_map(|id| self.frame(id, since, temporal));
        let packets: Vec<_> = frames.collect();
        self.frame = self.frame.wrapping_add(self.layers.into());
        packets
    }

    fn frame(&self, id: u8, since: u32, temporal: u8) -> Vec<Written> {
        let bytes = BYTES[usize::from(id) + self.bottom] * if since == 0 { 4 } else { 1 };
        let mut body = self.picture.to_be_bytes().to_vec();
        let needs = self.needs(id, since);
        body.extend([id, temporal, needs.len() as u8]);
        for (picture, id) in needs {
            body.extend(picture.to_be_bytes());
            body.push(id);
        }
        let packets = (0..bytes).step_by(PACKET);
        let packets = packets.map(|at| {
            let (begins, ends) = (at == 0, at + PACKET >= bytes);
            let mut payload = match self.codec {
                Codec::Vp9 => self.vp9(id, since, temporal, (begins, ends)),
                Codec::Av1 => vec![0x10 | u8::from(since == 0 && id == 0 && begins) << 3],
            };
            payload.extend(&body);
            payload.resize(payload.len().max(PACKET.min(bytes - at)), 7);
            Written {
                payload,
                descriptor: (self.codec == Codec::Av1)
                    .then(|| self.descriptor(id, since, temporal, (begins, ends))),
                marker: ends && id + 1 == self.layers,
            }
        });
        packets.collect()
    }

    /// The frames that one is decoded from.
    fn needs(&self, id: u8, since: u32) -> Vec<Name> {
        let back = match since % 4 {
            0 if since == 0 => None,
            0 => Some(4),
            1 | 3 => Some(1),
            _ => Some(2),
        };
        let below = id > 0 && (since == 0 || self.mode == Mode::Full);
        let own = back.map(|back| (self.picture - back, id));
        own.into_iter()
            .chain(below.then(|| (self.picture, id - 1)))
            .collect()
    }

    fn sizes(&self) -> impl Iterator<Item = (u16, u16)> {
        SIZES.into_iter().skip(self.bottom).take(self.count.into())
    }

    /// RFC 9628 §4.2.
    fn vp9(&self, id: u8, since: u32, temporal: u8, (begins, ends): (bool, bool)) -> Vec<u8> {
        let is_key = since == 0;
        let is_for_larger = id + 1 < self.count && (is_key || self.mode == Mode::Full);
        let has_structure = is_key && id == 0 && begins;
        let first = [
            true,
            !is_key,
            true,
            false,
            begins,
            ends,
            has_structure,
            !is_for_larger,
        ];
        let first = first.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
        let [high, low] = (self.picture as u16 | 0x8000).to_be_bytes();
        let needs_below = id > 0 && (is_key || self.mode == Mode::Full);
        let switch = u8::from(temporal > 0) << 4;
        let layer = temporal << 5 | switch | id << 1 | u8::from(needs_below);
        let mut payload = vec![first, high, low, layer, self.tl0];
        if has_structure {
            payload.push((self.count - 1) << 5 | 0x10);
            for (width, height) in self.sizes() {
                payload.extend(width.to_be_bytes());
                payload.extend(height.to_be_bytes());
            }
        }
        payload
    }

    /// AV1 RTP specification, appendix A.
    fn descriptor(&self, id: u8, since: u32, temporal: u8, place: (bool, bool)) -> Vec<u8> {
        let mut out = Bits::default();
        let template = 4 * u32::from(id)
            + if since == 0 {
                0
            } else {
                1 + u32::from(temporal)
            };
        out.put(place.0.into(), 1);
        out.put(place.1.into(), 1);
        out.put(template, 6);
        out.put(self.frame.wrapping_add(id.into()).into(), 16);
        if since == 0 && id == 0 && place.0 {
            out.put(0b10000, 5);
            self.structure(&mut out);
        }
        out.bytes
    }

    fn structure(&self, out: &mut Bits) {
        out.put(0, 6);
        out.put(3 * u32::from(self.count) - 1, 5);
        // Of each spatial layer keyframes, and three temporal layers.
        let count = u32::from(self.count);
        for spatial in 1..=count {
            for next in [0, 1, 1, if spatial < count { 2 } else { 3 }] {
                out.put(next, 2);
            }
        }
        let layers =
            (0..count).flat_map(|spatial| [0, 0, 1, 2].map(|temporal| (spatial, temporal)));
        for (at, (spatial, temporal)) in layers.enumerate() {
            let is_key = at % 4 == 0;
            for target in (0..count).flat_map(|s| (0..3).map(move |t| (s, t))) {
                out.put(self.dti((spatial, temporal), is_key, target), 2);
            }
        }
        // No references, and no chains.
        out.put(0, 4 * self.count);
        // None of so many, which takes a bit less than their number does.
        out.put(0, (3 * self.count).ilog2() as u8);
        out.put(1, 1);
        for (width, height) in self.sizes() {
            out.put(u32::from(width) - 1, 16);
            out.put(u32::from(height) - 1, 16);
        }
    }

    /// What a frame is to a decode target.
    fn dti(&self, frame: (u32, u32), is_key: bool, target: (u32, u32)) -> u32 {
        if target.0 < frame.0 || target.1 < frame.1 {
            return 0;
        }
        match (target.0 == frame.0, is_key) {
            (true, _) if frame.1 > 0 && target.1 == frame.1 => 1,
            (true, _) | (false, true) => 2,
            (false, false) if self.mode == Mode::Full => REQUIRED,
            (false, false) => 0,
        }
    }
}

/// Bits that are written, the first of a byte first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    fn put(&mut self, number: u32, count: u8) {
        for bit in (0..count).rev() {
            if self.at.is_multiple_of(8) {
                self.bytes.push(0);
            }
            *self.bytes.last_mut().unwrap() |= ((number >> bit & 1) as u8) << (7 - self.at % 8);
            self.at += 1;
        }
    }
}

/// A packet that came.
#[derive(Clone, Debug)]
pub struct Came {
    pub at: Instant,
    pub sequence: u16,
    pub marker: bool,
    pub picture: u32,
    pub id: u8,
    pub temporal: u8,
    pub needs: Vec<Name>,
}

impl Came {
    pub fn read(
        codec: Codec,
        at: Instant,
        (sequence, marker): (u16, bool),
        payload: &[u8],
    ) -> Self {
        let head = match codec {
            Codec::Av1 => 1,
            Codec::Vp9 if payload[0] & 0x02 != 0 => 5 + 1 + 4 * (1 + usize::from(payload[5] >> 5)),
            Codec::Vp9 => 5,
        };
        let body = &payload[head..];
        let number = |at: usize| u32::from_be_bytes(*body[at..].first_chunk().unwrap());
        let needs =
            (0..usize::from(body[6])).map(|need| (number(7 + 5 * need), body[11 + 5 * need]));
        Self {
            at,
            sequence,
            marker,
            picture: number(0),
            id: body[4],
            temporal: body[5],
            needs: needs.collect(),
        }
    }
}

/// Panics where somebody was sent a frame without one that it needs, or where a picture does not end with the packet that
/// says so. Nothing was lost.
pub fn verify(came: &[Came]) {
    let mut frames: BTreeSet<Name> = BTreeSet::new();
    for (at, packet) in came.iter().enumerate() {
        frames.insert((packet.picture, packet.id));
        for needed in &packet.needs {
            assert!(frames.contains(needed), "without {needed:?}: {packet:?}");
        }
        let Some(next) = came.get(at + 1) else { break };
        assert_eq!(
            packet.sequence.wrapping_add(1),
            next.sequence,
            "a gap after {packet:?}"
        );
        let is_last = next.picture != packet.picture;
        assert_eq!(packet.marker, is_last, "{packet:?} and then {next:?}");
    }
}

/// The same where packets were lost: after one nothing is known before the next keyframe.
pub fn verify_with_losses(came: &[Came]) {
    let mut ordered = came.to_vec();
    ordered.dedup_by_key(|it| it.sequence);
    let gap = |pair: &[Came]| pair[0].sequence.wrapping_add(1) != pair[1].sequence;
    let mut rest = &ordered[..];
    while !rest.is_empty() {
        let len = rest
            .windows(2)
            .position(gap)
            .map_or(rest.len(), |at| at + 1);
        let (run, after) = rest.split_at(len);
        let key = run.iter().position(|it| it.id == 0 && it.needs.is_empty());
        verify(&run[key.unwrap_or(run.len())..]);
        rest = after;
    }
}

//! The temporal layers of a publisher's picture, as VP8 has them: which frame is of which, what it needs, and what the
//! payload descriptor says of it (RFC 7741 §4.2). Pure.

/// Frames from one that needs nothing of its own layer to the next.
const SWITCHES: u32 = 16;

/// The frames of one stream.
#[derive(Debug, Default)]
pub(super) struct Temporal {
    frame: u32,
    key: u32,
    tl0: u8,
}

/// A frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    /// Its number; 0 where there are no temporal layers.
    pub(super) number: u32,
    /// The frames that it is decoded from; 0 is none.
    pub(super) needs: [u32; 2],
    /// Its temporal layer.
    pub(super) layer: u8,
    /// What follows the first byte of its payloads.
    pub(super) descriptor: [u8; 5],
}

impl Temporal {
    /// The next frame, where there are so many temporal layers.
    pub(super) fn next(&mut self, layers: u8, is_key: bool) -> Frame {
        self.frame += 1;
        if is_key {
            self.key = self.frame;
        }
        let since = self.frame - self.key;
        let layer = match (layers, since % 4) {
            (3, 1 | 3) => 2,
            (3, 2) | (2, 1 | 3) => 1,
            _ => 0,
        };
        let is_switch = since % SWITCHES < 3;
        self.tl0 = self.tl0.wrapping_add(u8::from(layer == 0));
        let [high, low] = (self.frame as u16 | 0x8000).to_be_bytes();
        let switch = u8::from(is_switch && layer > 0) << 5;
        Frame {
            number: self.frame,
            needs: self.needs(layers, since, is_switch),
            layer,
            descriptor: [0xE0, high, low, self.tl0, layer << 6 | switch],
        }
    }

    fn needs(&self, layers: u8, since: u32, is_switch: bool) -> [u32; 2] {
        let unless_switch = |back| if is_switch { 0 } else { self.frame - back };
        match (layers, since % 4) {
            _ if since == 0 => [0; 2],
            (3, 0) => [self.frame - 4, 0],
            (3, 1) => [self.frame - 1, unless_switch(2)],
            (3, 2) => [self.frame - 2, unless_switch(4)],
            (3, _) => [self.frame - 1, self.frame - 2],
            (2, 1 | 3) => [self.frame - 1, unless_switch(2)],
            (2, _) => [self.frame - 2, 0],
            _ => [self.frame - 1, 0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_frame_needs_one_of_a_layer_above_its_own() {
        for layers in 1..=3 {
            let mut temporal = Temporal::default();
            let frames = (0..100).map(|at| temporal.next(layers, at % 37 == 0));
            let frames: Vec<_> = frames.collect();
            for frame in &frames {
                for needed in frame.needs.iter().filter(|needed| **needed > 0) {
                    let needed = frames[*needed as usize - 1];
                    assert!(needed.layer <= frame.layer, "{frame:?} of {needed:?}");
                }
            }
            assert_eq!(
                frames.iter().map(|frame| frame.layer).max(),
                Some(layers - 1)
            );
        }
    }
}

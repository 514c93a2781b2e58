//! Changes of an input, the same in every run: a few bytes, a piece gone, doubled, moved, or taken
//! from another input.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Numbers at which things tend to break.
const EDGES: [u8; 8] = [0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF, 0x20];

/// Changed inputs, without end.
pub struct Mutations<'a> {
    inputs: &'a [Vec<u8>],
    rng: StdRng,
}

impl<'a> Mutations<'a> {
    /// Changes of these inputs.
    pub fn new(inputs: &'a [Vec<u8>], seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        Self { inputs, rng }
    }

    fn change(&mut self, bytes: &mut Vec<u8>) {
        let piece = self.piece(bytes.len());
        match self.rng.random_range(0..7) {
            0 if !bytes.is_empty() => bytes[piece.start] ^= 1 << self.rng.random_range(0..8),
            1 if !bytes.is_empty() => bytes[piece.start] = *EDGES.choose(&mut self.rng).unwrap(),
            2 => bytes.truncate(piece.end),
            3 => drop(bytes.drain(piece)),
            4 => {
                let at = self.rng.random_range(0..=bytes.len());
                let copy = bytes[piece].to_vec();
                bytes.splice(at..at, copy);
            }
            5 => {
                let other = self.inputs.choose(&mut self.rng).unwrap();
                let foreign = self.piece(other.len());
                bytes.splice(piece, other[foreign].iter().copied());
            }
            _ => {
                let at = piece.start;
                let number: [u8; 2] = self.rng.random();
                bytes.splice(at..(at + 2).min(bytes.len()), number);
            }
        }
    }

    fn piece(&mut self, len: usize) -> std::ops::Range<usize> {
        let start = self.rng.random_range(0..len.max(1));
        let longest = (len - start.min(len)).min(1 << self.rng.random_range(0..10));
        start.min(len)..start + self.rng.random_range(0..=longest)
    }
}

impl Iterator for Mutations<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut bytes = self.inputs.choose(&mut self.rng)?.clone();
        for _ in 0..self.rng.random_range(1..5) {
            self.change(&mut bytes);
        }
        Some(bytes)
    }
}

//! What a picture may be sent as: one of its layers, and of that all temporal layers or fewer.

use std::cmp::Reverse;
use std::fmt;

/// The highest temporal layer that is told apart. Who is sent it is sent all there are.
pub const ALL_TEMPORAL: u8 = 3;
const TEMPORAL_BITS: u32 = 2;

/// A layer, and how much of it. What is better is less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OperatingPoint {
    /// The layer by its name; the best there is has the least.
    pub layer: u8,
    /// All temporal layers up to this one.
    pub temporal: u8,
}

impl OperatingPoint {
    /// All of a layer.
    pub fn whole(layer: u8) -> Self {
        Self {
            layer,
            temporal: ALL_TEMPORAL,
        }
    }

    fn order(self) -> (u8, Reverse<u8>) {
        (self.layer, Reverse(self.temporal))
    }

    /// As a number.
    pub(super) fn number(self) -> u64 {
        u64::from(self.layer) << TEMPORAL_BITS
            | u64::from(ALL_TEMPORAL.saturating_sub(self.temporal))
    }

    /// Of such a number.
    pub(super) fn of_number(number: u64) -> Option<Self> {
        Some(Self {
            layer: u8::try_from(number >> TEMPORAL_BITS).ok()?,
            temporal: ALL_TEMPORAL - (number as u8 & ALL_TEMPORAL),
        })
    }
}

impl PartialOrd for OperatingPoint {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for OperatingPoint {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl fmt::Display for OperatingPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, temporal } = self;
        match *temporal < ALL_TEMPORAL {
            true => write!(f, "{layer}/T{temporal}"),
            false => write!(f, "{layer}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_back_from_their_numbers_which_are_in_their_order() {
        let layers = (0..3).flat_map(|layer| (0..=ALL_TEMPORAL).rev().map(move |it| (layer, it)));
        let points: Vec<_> = layers
            .map(|(layer, temporal)| OperatingPoint { layer, temporal })
            .collect();
        assert!(points.is_sorted());
        let numbers = points.iter().map(|point| point.number());
        assert!(numbers.clone().eq(0..points.len() as u64));
        let again: Vec<_> = numbers.filter_map(OperatingPoint::of_number).collect();
        assert_eq!(again, points);
        assert_eq!(OperatingPoint::of_number(1 << 10), None);
        assert_eq!(
            points[4].to_string() + " " + &points[6].to_string(),
            "1 1/T1"
        );
    }
}

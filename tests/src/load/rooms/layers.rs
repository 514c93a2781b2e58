//! What a publisher's picture is sent as, and how a simulcast's rate is shared among its layers.

use super::packet::PACKET;

/// What a publisher publishes as its picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Camera {
    /// None.
    #[default]
    Off,
    /// One stream of one size.
    Plain,
    /// A stream for each simulcast layer (RFC 8853).
    Simulcast,
}

/// Simulcast layers, smallest first.
pub const LAYERS: usize = 3;

/// Their `rid`s (RFC 8851): a quarter of the width, half of it, and all of it.
pub const RIDS: [&str; LAYERS] = ["q", "h", "f"];

/// How a picture's rate is shared: each layer has four times the pixels of the one before, and takes about three times
/// as much.
const SHARES: [usize; LAYERS] = [1, 3, 9];

/// The size of the largest.
pub(super) const SIZE: (u16, u16) = (1280, 720);

/// By how much all layers together take more than the largest of them.
pub(super) fn surplus() -> f64 {
    let all: usize = SHARES.iter().sum();
    all as f64 / SHARES[LAYERS - 1] as f64
}

/// How a frame of a layer is sent, where one of the largest has so many packets: packets, and bytes in each.
pub(super) fn split(layer: usize, largest: u32) -> (u32, usize) {
    let bytes = largest as usize * PACKET * SHARES[layer] / SHARES[LAYERS - 1];
    let packets = bytes.div_ceil(PACKET);
    (packets as u32, bytes.div_ceil(packets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_of_a_frame_share_its_bytes() {
        let bytes = |layer, largest| {
            let (packets, length) = split(layer, largest);
            (packets, packets as usize * length)
        };
        assert_eq!([0, 1, 2].map(|layer| split(layer, 9).0), [1, 3, 9]);
        for largest in 1..10 {
            let of = [0, 1, 2].map(|layer| bytes(layer, largest));
            let sum: usize = of.iter().map(|(_, bytes)| bytes).sum();
            let expected = (largest as usize * PACKET) as f64 * surplus();
            assert!((sum as f64 - expected).abs() < 10.0, "{of:?}");
        }
    }
}

//! Between what an estimate is, and by how much it falls.

/// No estimate is less, in bits per second: sound needs as much.
pub const MIN_RATE: f64 = 30_000.0;
/// Nor more.
pub const MAX_RATE: f64 = 100_000_000.0;

/// What of the rate that arrives is left once there is too much.
pub(super) const BETA: f64 = 0.85;

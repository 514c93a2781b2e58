//! How large the spatial layers of a stream are, as it says itself.

/// Spatial layers told apart. A stream that has more is passed on whole.
pub const MAX_SPATIAL: usize = 4;

/// Widths and heights by layer, the smallest first; 0 where nobody says.
pub type Sizes = [(u16, u16); MAX_SPATIAL];

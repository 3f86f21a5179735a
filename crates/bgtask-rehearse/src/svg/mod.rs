//! placeholder
/// The most lanes that are drawn.
pub const MAX_DRAWN_LANES: usize = 300;

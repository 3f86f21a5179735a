//! A timeline as a picture.

use crate::timeline::Timeline;

/// The most lanes that are drawn; the picture says how many more there are.
pub const MAX_DRAWN_LANES: usize = 300;

impl Timeline {
    /// The picture as SVG.
    pub fn svg(&self) -> String {
        String::new()
    }
}

//! Spans of time as marks that can be told apart.

use bgtask_core::WallTime;

use super::Plot;

/// No mark is narrower, in tenths of a pixel.
const LEAST: i64 = 20;

/// One mark, for one span of time or for several that lie too close.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// In tenths of a pixel.
    pub(super) x: i64,
    pub(super) width: i64,
    pub(super) from: WallTime,
    pub(super) to: WallTime,
    /// How many spans it stands for, and the place of the first.
    pub(super) count: usize,
    pub(super) first: usize,
    /// How much of it they fill, in tenths of a pixel.
    filled: i64,
}

impl Mark {
    /// Whether it stands for several with a good deal of room between them.
    pub(super) const fn is_dense(&self) -> bool {
        self.count > 1 && self.filled * 2 < self.width
    }
}

/// How many marks of a kind a lane may have, so that the whole picture stays small.
pub(super) fn most(lanes: usize) -> usize {
    (12_000 / lanes.max(1)).clamp(24, 480)
}

/// The marks for spans in the order of time: as few as it takes to tell them apart, and at most so many.
pub(super) fn merged(plot: Plot, spans: &[(WallTime, WallTime)], most: usize) -> Vec<Mark> {
    let mut gap = 0;
    loop {
        let marks = with_gap(plot, spans, gap);
        if marks.len() <= most {
            return marks;
        }
        gap = (gap * 2).max(5);
    }
}

/// Spans with no more than that between them, in tenths of a pixel, are one.
fn with_gap(plot: Plot, spans: &[(WallTime, WallTime)], gap: i64) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for (first, (from, to)) in spans.iter().copied().enumerate() {
        let (x, end) = (plot.x(from), plot.x(to));
        let right = end.max(x + LEAST);
        match marks.last_mut() {
            Some(last) if x <= last.x + last.width + gap => {
                last.width = last.width.max(right - last.x);
                last.to = last.to.max(to);
                last.count += 1;
                last.filled += end - x;
            }
            _ => marks.push(Mark { x, width: right - x, from, to, count: 1, first, filled: end - x }),
        }
    }
    marks
}

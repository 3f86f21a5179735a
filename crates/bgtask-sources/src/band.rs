//! Levels of a number that wavers.

/// A level that begins exactly where it was asked to and ends a little further on, so that a number which wavers around
/// that place does not make it flap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Band {
    side: Side,
    begin: f64,
    end: f64,
    holds: bool,
}

#[derive(Clone, Copy, Debug)]
enum Side {
    AtLeast,
    Below,
}

impl Band {
    /// Begins to hold at `begin` and above, and ends below `end`.
    pub(crate) fn at_least(begin: f64, end: f64) -> Self {
        Self { side: Side::AtLeast, begin, end, holds: false }
    }

    /// Begins to hold below `begin`, and ends at `end` and above.
    pub(crate) fn below(begin: f64, end: f64) -> Self {
        Self { side: Side::Below, begin, end, holds: false }
    }

    /// Whether it holds at `value`, after what it was before.
    pub(crate) fn judge(&mut self, value: f64) -> bool {
        let edge = if self.holds { self.end } else { self.begin };
        self.holds = match self.side {
            Side::AtLeast => value >= edge,
            Side::Below => value < edge,
        };
        self.holds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_begins_where_asked_and_ends_beyond() {
        let mut battery = Band::at_least(50.0, 49.0);
        let charges = [49.9, 50.0, 49.9, 49.0, 48.9, 49.9, 50.0];
        assert_eq!(charges.map(|charge| battery.judge(charge)), [false, true, true, true, false, false, true]);
        let mut load = Band::below(1.0, 1.1);
        let loads = [1.0, 0.99, 1.0, 1.09, 1.1, 1.0, 0.99];
        assert_eq!(loads.map(|value| load.judge(value)), [false, true, true, true, false, false, true]);
    }

    #[test]
    fn what_is_no_number_never_holds() {
        assert!(!Band::at_least(0.0, 0.0).judge(f64::NAN));
        assert!(!Band::below(1.0, 1.0).judge(f64::NAN));
    }
}

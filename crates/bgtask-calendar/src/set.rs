//! Sets of small numbers: which months, days, hours … an expression names.

/// What a part of an expression counts, and from where to where.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// The number that is bit 0 of the set.
    origin: u32,
}

impl Field {
    pub(crate) const YEAR: Self = Self::new("year", crate::FIRST_YEAR as u32, crate::LAST_YEAR as u32);
    pub(crate) const MONTH: Self = Self { origin: 0, ..Self::new("month", 1, 12) };
    pub(crate) const DAY: Self = Self { origin: 0, ..Self::new("day", 1, 31) };
    /// Monday is 0.
    pub(crate) const WEEKDAY: Self = Self::new("weekday", 0, 6);
    /// The weekdays of cron: 0 and 7 are Sunday.
    pub(crate) const CRON_WEEKDAY: Self = Self::new("weekday", 0, 7);
    pub(crate) const HOUR: Self = Self::new("hour", 0, 23);
    pub(crate) const MINUTE: Self = Self::new("minute", 0, 59);
    pub(crate) const SECOND: Self = Self::new("second", 0, 59);

    const fn new(name: &'static str, first: u32, last: u32) -> Self {
        Self { name, first, last, origin: first }
    }

    /// The last value a star stands for: every weekday is there once.
    pub(crate) fn whole(&self) -> u32 {
        if self.last == 7 { 6 } else { self.last }
    }

    /// Every value of this field.
    pub(crate) fn all(&self) -> Set {
        self.stepped(self.first, self.last, 1)
    }

    /// `from`, `from + step`, … up to `to`; all three within the field, `step` not 0.
    pub(crate) fn stepped(&self, from: u32, to: u32, step: u32) -> Set {
        let mut set = Set::default();
        for value in (from..=to).step_by(step as usize) {
            set.insert(value - self.origin);
        }
        set
    }

    /// The only value.
    pub(crate) fn only(&self, value: u32) -> Set {
        self.stepped(value, value, 1)
    }

    /// The values of a set, rising.
    pub(crate) fn values(&self, set: Set) -> Vec<u32> {
        (self.first..=self.last).filter(|value| set.has(value - self.origin)).collect()
    }
}

/// A set of numbers below 256; wide enough for the years from 1970 to 2199, counted from 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set([u64; 4]);

impl Set {
    fn insert(&mut self, bit: u32) {
        self.0[(bit / 64) as usize] |= 1 << (bit % 64);
    }

    pub(crate) fn has(self, bit: u32) -> bool {
        self.0.get((bit / 64) as usize).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] | other.0[i]))
    }

    /// The smallest member that is `bit` or more.
    pub(crate) fn from(self, bit: u32) -> Option<u32> {
        let start = (bit / 64) as usize;
        for (i, word) in self.0.iter().enumerate().skip(start) {
            let word = if i == start { word & (u64::MAX << (bit % 64)) } else { *word };
            if word != 0 {
                return Some(i as u32 * 64 + word.trailing_zeros());
            }
        }
        None
    }

    /// The members below 64, as bits.
    pub(crate) fn low(self) -> u64 {
        self.0[0]
    }
}

/// Equally spaced members of a set: `from`, `from + step`, … `to`. A single member has `from == to` and step 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) step: u32,
}

/// Splits rising values into runs, longest first from the left; a run has three values or more, or is one value.
/// With `steps` false, only neighbours make a run.
pub(crate) fn runs(values: &[u32], steps: bool) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut rest = values;
    while let [from, tail @ ..] = rest {
        let step = tail.first().map_or(1, |next| next - from);
        let length = rest.windows(2).take_while(|pair| pair[1] - pair[0] == step).count() + 1;
        let (to, step, taken) =
            if length >= 3 && (steps || step == 1) { (rest[length - 1], step, length) } else { (*from, 1, 1) };
        runs.push(Run { from: *from, to, step });
        rest = &rest[taken..];
    }
    runs
}
